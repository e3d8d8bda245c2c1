#include "services/api/core/recent.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/json.h"
#include "common/base/mem.h"

void recent_init(struct recent *r, size_t cap)
{
    *r = (struct recent){.cap = cap, .next = 1};
    r->item = xcalloc(cap, sizeof *r->item);
}

void recent_clear(struct recent *r)
{
    for (uint64_t s = recent_first(r); s < r->next; s++) {
        free(r->item[s % r->cap].text);
        r->item[s % r->cap].text = NULL;
    }
    r->n = 0;
    r->bytes = 0;
}

void recent_release(struct recent *r)
{
    recent_clear(r);
    free(r->item);
    r->item = NULL;
}

uint64_t recent_first(const struct recent *r)
{
    return r->next - r->n;
}

const struct recent_item *recent_at(const struct recent *r, uint64_t seq)
{
    return seq >= recent_first(r) && seq < r->next ? &r->item[seq % r->cap] : NULL;
}

void recent_push(struct recent *r, struct slice id, int64_t ts_ms, const struct buf *text,
                 const struct trade *t)
{
    struct recent_item *item = &r->item[r->next % r->cap];
    if (r->n == r->cap) {
        r->bytes -= item->n;
        free(item->text);
        r->n--;
    }
    *item = (struct recent_item){.ts_ms = ts_ms, .n = (uint32_t)buf_len(text)};
    (void)str_copyn(item->id, sizeof item->id, id.p, id.n);
    item->text = xmalloc(buf_len(text) + 1);
    memcpy(item->text, buf_ptr(text), buf_len(text));
    item->text[item->n] = '\0';
    if (t != NULL) {
        item->side = t->side;
        item->qty = t->qty;
    }
    r->bytes += item->n;
    r->n++;
    r->next++;
}

uint64_t recent_find(const struct recent *r, struct slice id)
{
    for (uint64_t s = r->next; s > recent_first(r); s--) {
        if (slice_eq(id, r->item[(s - 1) % r->cap].id)) {
            return s - 1;
        }
    }
    return 0;
}

void recent_write(const struct recent *r, uint64_t from, uint64_t to, struct buf *out)
{
    for (uint64_t s = from; s < to; s++) {
        const struct recent_item *item = recent_at(r, s);
        if (item == NULL) {
            continue;
        }
        if (s > from) {
            buf_addc(out, ',');
        }
        buf_add(out, item->text, item->n);
    }
}

size_t recent_newest(const struct recent *r, size_t limit, int64_t from_ms, struct buf *out)
{
    size_t n = 0;
    for (uint64_t s = r->next; s > recent_first(r) && n < limit; s--) {
        const struct recent_item *item = &r->item[(s - 1) % r->cap];
        if (item->ts_ms < from_ms) {
            continue; // entries are nearly, not wholly, in the order of time
        }
        if (n++ > 0) {
            buf_addc(out, ',');
        }
        buf_add(out, item->text, item->n);
    }
    return n;
}

static void add_lots(int64_t *sum, int64_t lots)
{
    *sum = lots > INT64_MAX - *sum ? INT64_MAX : *sum + lots;
}

void recent_sum(const struct recent *r, int64_t from_ms, struct recent_stats *out)
{
    *out = (struct recent_stats){.first_ms = -1, .last_ms = -1};
    for (uint64_t s = recent_first(r); s < r->next; s++) {
        const struct recent_item *item = &r->item[s % r->cap];
        if (item->ts_ms < from_ms) {
            continue;
        }
        out->count++;
        if (out->first_ms < 0 || item->ts_ms < out->first_ms) {
            out->first_ms = item->ts_ms;
        }
        if (item->ts_ms > out->last_ms) {
            out->last_ms = item->ts_ms;
        }
        if (item->side == SIDE_BUY) {
            out->buys++;
            add_lots(&out->buy_lots, item->qty);
        } else {
            out->sells++;
            add_lots(&out->sell_lots, item->qty);
        }
    }
}

// ---- entries as JSON ----------------------------------------------------------------------------

static struct slice field(const struct slice *kv, size_t pairs, const char *name)
{
    for (size_t i = 0; i < pairs; i++) {
        if (slice_eq(kv[2 * i], name)) {
            return kv[2 * i + 1];
        }
    }
    return (struct slice){NULL, 0};
}

static void add_key(struct buf *out, const char *key)
{
    buf_adds(out, ",\"");
    buf_adds(out, key);
    buf_adds(out, "\":");
}

// A number as it was stored, or null.
static void add_number(struct buf *out, const char *key, struct slice v)
{
    add_key(out, key);
    if (json_number_text(v.p, v.n)) {
        buf_add(out, v.p, v.n);
    } else {
        buf_adds(out, "null");
    }
}

static void add_text(struct buf *out, const char *key, struct slice v)
{
    add_key(out, key);
    if (v.p == NULL) {
        buf_adds(out, "null");
    } else {
        json_add_str(out, v.p, v.n);
    }
}

static void add_time(struct buf *out, int64_t ts_ms)
{
    char iso[32];
    iso_ms(ts_ms, iso);
    buf_adds(out, ",\"ts\":\"");
    buf_adds(out, iso);
    buf_adds(out, "\",\"ts_ms\":");
    buf_add_i64(out, ts_ms);
}

int recent_trade(const struct instrument *ins, struct slice id, const struct slice *kv,
                 size_t pairs, struct buf *out, struct trade *t)
{
    const int rc = trade_from_entry(ins, id, kv, pairs, t, NULL);
    if (rc != 0) {
        return rc;
    }
    const struct slice name = field(kv, pairs, "id");
    buf_adds(out, "{\"id\":");
    if (ins->venue == VENUE_BINANCE) {
        buf_add_i64(out, t->id);
    } else {
        json_add_str(out, name.p, name.n);
    }
    add_time(out, t->ts_ms);
    add_number(out, "price", field(kv, pairs, "price"));
    add_number(out, "qty", field(kv, pairs, "qty"));
    add_key(out, "side");
    buf_adds(out, t->side == SIDE_BUY ? "\"buy\"" : "\"sell\"");
    if (ins->venue != VENUE_BINANCE) {
        add_number(out, "seq", field(kv, pairs, "seq"));
        add_key(out, "block");
        buf_adds(out, (t->flags & TRADE_BLOCK) != 0 ? "true" : "false");
        add_key(out, "rpi");
        buf_adds(out, (t->flags & TRADE_RPI) != 0 ? "true" : "false");
    }
    buf_addc(out, '}');
    return 0;
}

static int entry_ms(struct slice id, int64_t *ms)
{
    const char *dash = memchr(id.p, '-', id.n);
    return dash == NULL ? ERR_SYNTAX : parse_i64(id.p, (size_t)(dash - id.p), ms);
}

int recent_event(struct slice id, const struct slice *kv, size_t pairs, struct buf *out,
                 int64_t *ts_ms)
{
    const struct slice type = field(kv, pairs, "type"), ts = field(kv, pairs, "ts_ms");
    const struct slice data = field(kv, pairs, "data");
    if (type.p == NULL || ts.p == NULL || parse_i64(ts.p, ts.n, ts_ms) != 0 || *ts_ms < 0) {
        return ERR_SYNTAX;
    }
    json_t *tree = data.p == NULL ? NULL : json_parse(data.p, data.n, NULL);
    buf_adds(out, "{\"id\":");
    json_add_str(out, id.p, id.n);
    add_text(out, "type", type);
    add_time(out, *ts_ms);
    add_key(out, "data");
    if (json_is_object(tree)) {
        buf_add(out, data.p, data.n);
    } else {
        buf_adds(out, "null");
    }
    json_decref(tree);
    buf_addc(out, '}');
    return 0;
}

int recent_liquidation(struct slice id, const struct slice *kv, size_t pairs, struct buf *out,
                       int64_t *ts_ms)
{
    const struct slice price = field(kv, pairs, "price"), qty = field(kv, pairs, "qty");
    if (entry_ms(id, ts_ms) != 0 || *ts_ms < 0 || !json_number_text(price.p, price.n) ||
        !json_number_text(qty.p, qty.n)) {
        return ERR_SYNTAX;
    }
    buf_adds(out, "{\"id\":");
    json_add_str(out, id.p, id.n);
    add_time(out, *ts_ms);
    add_number(out, "price", price);
    add_number(out, "qty", qty);
    add_text(out, "side", field(kv, pairs, "side"));
    add_text(out, "liquidated", field(kv, pairs, "liquidated"));
    add_text(out, "price_kind", field(kv, pairs, "price_kind"));
    add_number(out, "order_price", field(kv, pairs, "order_price"));
    buf_addc(out, '}');
    return 0;
}

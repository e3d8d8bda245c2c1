#include "services/collector/core/outbox.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/buf.h"
#include "common/base/mem.h"

enum item_kind { ITEM_TRADE, ITEM_GAP, ITEM_EXCLUDED, ITEM_DATA };
enum item_state { WANT_SEND, SENT, WANT_LOOKUP, LOOKING, STORED };

#define TEXT_MAX 24
#define HOLD_MIN_MS 50
#define HOLD_MAX_MS 1000
#define LOST_SPANS 64
// Room for gap entries beyond the two bounds; a gap that finds none joins the dropped ids.
#define EXTRA_ITEMS 256

struct outbox_item {
    int64_t ts_ms, id; // of the trade, or of the range's first id
    union {
        struct {
            int64_t rx_us;
            char price[TEXT_MAX], qty[TEXT_MAX];
        } trade;
        struct {
            int64_t to_ms, to_id;
            char reason[40];
        } range;
        struct {
            int64_t to_ms, to_id; // as in `range`
            char *command;        // owned
            size_t n;
        } data;
    } u;
    int64_t entry_ms, entry_seq; // id given by :history
    int64_t stored_at_ms;        // monotonic
    uint8_t kind, state, side, price_n, qty_n;
    bool late;   // a trade that goes to :history
    bool fresh;  // counts in b->fresh
    bool verify; // a lookup asks "still there?", not "there already?"
};

static struct outbox_item *at(const struct outbox *b, uint64_t seq)
{
    return &b->item[seq & (b->cap - 1)];
}

void outbox_init(struct outbox *b, const struct instrument *ins, const struct outbox_opts *o)
{
    memset(b, 0, sizeof *b);
    b->o = *o;
    if (b->o.batch < 1) {
        b->o.batch = 1;
    }
    b->cap = 256;
    b->item = xcalloc(b->cap, sizeof *b->item);
    b->flight = xcalloc(2 * b->o.batch, sizeof *b->flight);
    b->newest_trade_ms = b->newest_history_ms = -1;
    entry_keys_init(&b->keys, ins);
    idset_init(&b->lost, LOST_SPANS);
}

static void free_data(struct outbox *b, struct outbox_item *it)
{
    if (it->kind == ITEM_DATA) {
        b->data_bytes -= it->u.data.n;
        free(it->u.data.command);
        it->u.data.command = NULL;
    }
}

void outbox_release(struct outbox *b)
{
    for (uint64_t seq = b->base; seq < b->tail; seq++) {
        free_data(b, at(b, seq));
    }
    free(b->item);
    free(b->flight);
    idset_release(&b->lost);
    memset(b, 0, sizeof *b);
}

// ---- in ----------------------------------------------------------------------------------------

static void grow(struct outbox *b)
{
    const size_t cap = b->cap * 2;
    struct outbox_item *item = xcalloc(cap, sizeof *item);
    for (uint64_t seq = b->base; seq < b->tail; seq++) {
        item[seq & (cap - 1)] = *at(b, seq);
    }
    free(b->item);
    b->item = item;
    b->cap = cap;
}

// Drops the oldest stored item of the ring; false when the oldest is not stored.
static bool forget_oldest(struct outbox *b)
{
    if (b->base == b->tail || at(b, b->base)->state != STORED) {
        return false;
    }
    free_data(b, at(b, b->base));
    b->base++;
    if (b->done < b->base) {
        b->done = b->base;
    }
    if (b->scan < b->base) {
        b->scan = b->base;
    }
    return true;
}

static struct outbox_item *append(struct outbox *b, enum item_kind kind)
{
    while (b->tail - b->base >= b->cap) {
        const size_t most = b->o.max_queue + b->o.ring_max + EXTRA_ITEMS;
        if (b->cap < most) {
            grow(b);
        } else if (!forget_oldest(b)) {
            return NULL;
        }
    }
    struct outbox_item *it = at(b, b->tail);
    b->tail++;
    it->kind = (uint8_t)kind;
    it->state = WANT_SEND;
    it->late = it->verify = false;
    it->fresh = true;
    b->fresh++;
    return it;
}

static void lose(struct outbox *b, int64_t from_id, int64_t to_id, int64_t from_ms, int64_t to_ms)
{
    idset_add_range(&b->lost, from_id, to_id, from_ms, to_ms);
    b->dropping = true;
}

static bool add_range(struct outbox *b, enum item_kind kind, const struct id_span *r,
                      const char *prefix, const char *reason)
{
    struct outbox_item *it = append(b, kind);
    if (it == NULL) {
        lose(b, r->lo, r->hi, r->t_lo, r->t_hi);
        return false;
    }
    it->id = r->lo;
    it->ts_ms = r->t_lo;
    it->u.range.to_id = r->hi;
    it->u.range.to_ms = r->t_hi;
    str_fmt(it->u.range.reason, sizeof it->u.range.reason, "%s%s", prefix, reason);
    if (kind == ITEM_GAP && b->o.on_gap != NULL) {
        b->o.on_gap(b->o.arg, r->lo, r->hi, r->t_lo, r->t_hi);
    }
    return true;
}

void outbox_settle(struct outbox *b, bool force)
{
    if (!b->dropping || (!force && b->fresh > b->o.max_queue / 2)) {
        return;
    }
    b->dropping = false;
    struct idset lost = b->lost;
    idset_init(&b->lost, LOST_SPANS);
    for (size_t i = 0; i < lost.n; i++) {
        if (add_range(b, ITEM_GAP, &lost.span[i], "", "overflow")) {
            b->gaps_declared++;
        }
    }
    idset_release(&lost);
}

bool outbox_add_trade(struct outbox *b, const struct trade *t, struct slice price, struct slice qty,
                      int64_t rx_us)
{
    if (b->dropping) {
        outbox_settle(b, false);
    }
    struct outbox_item *it = NULL;
    if (!b->dropping && b->fresh < b->o.max_queue && price.n < TEXT_MAX && qty.n < TEXT_MAX) {
        it = append(b, ITEM_TRADE);
    }
    if (it == NULL) {
        lose(b, t->id, t->id, t->ts_ms, t->ts_ms);
        b->dropped++;
        return false;
    }
    it->ts_ms = t->ts_ms;
    it->id = t->id;
    it->side = t->side;
    it->u.trade.rx_us = rx_us;
    it->price_n = (uint8_t)price.n;
    it->qty_n = (uint8_t)qty.n;
    memcpy(it->u.trade.price, price.p, price.n);
    memcpy(it->u.trade.qty, qty.p, qty.n);
    return true;
}

void outbox_add_gap(struct outbox *b, int64_t from_id, int64_t to_id, int64_t from_ms,
                    int64_t to_ms, const char *reason)
{
    const struct id_span r = {from_id, to_id, from_ms, to_ms};
    if (b->dropping) {
        outbox_settle(b, false);
    }
    if (b->dropping || b->fresh >= b->o.max_queue + EXTRA_ITEMS) {
        lose(b, from_id, to_id, from_ms, to_ms);
    } else if (add_range(b, ITEM_GAP, &r, "", reason)) {
        b->gaps_declared++;
    }
}

bool outbox_add_excluded(struct outbox *b, int64_t id, int64_t ts_ms, const char *exec)
{
    const struct id_span r = {id, id, ts_ms, ts_ms};
    if (b->dropping) {
        outbox_settle(b, false);
    }
    if (b->dropping || b->fresh >= b->o.max_queue) {
        lose(b, id, id, ts_ms, ts_ms);
        b->dropped++;
        return false;
    }
    return add_range(b, ITEM_EXCLUDED, &r, "excluded:", exec);
}

bool outbox_has_room(const struct outbox *b, size_t bytes)
{
    return !b->dropping && b->fresh < b->o.max_queue &&
           b->data_bytes + bytes <= b->o.max_data_bytes;
}

bool outbox_add_history(struct outbox *b, const struct history *h)
{
    const size_t n = entry_history_long(&b->keys, h, NULL, 0);
    if (!outbox_has_room(b, n)) {
        return false;
    }
    struct outbox_item *it = append(b, ITEM_DATA);
    if (it == NULL) {
        return false;
    }
    it->id = h->from_id;
    it->ts_ms = h->from_ms;
    it->u.data.to_id = h->to_id;
    it->u.data.to_ms = h->to_ms;
    it->u.data.command = xcalloc(n, 1);
    it->u.data.n = n;
    (void)entry_history_long(&b->keys, h, it->u.data.command, n);
    b->data_bytes += n;
    return true;
}

void outbox_tick(struct outbox *b, int64_t mono_ms)
{
    // While Redis is away nothing is forgotten by age: the ring then still holds what may be lost.
    while (b->open && b->verifying == 0 && b->base < b->done &&
           (mono_ms - at(b, b->base)->stored_at_ms > b->o.ring_ms ||
            b->done - b->base > b->o.ring_max)) {
        if (!forget_oldest(b)) {
            break;
        }
    }
    outbox_settle(b, false);
}

// ---- link --------------------------------------------------------------------------------------

void outbox_open(struct outbox *b, bool verify)
{
    b->open = true;
    b->hold_until_ms = 0;
    b->hold_ms = HOLD_MIN_MS;
    b->scan = b->base;
    if (!verify) {
        return;
    }
    for (uint64_t seq = b->base; seq < b->tail; seq++) {
        struct outbox_item *it = at(b, seq);
        if (it->state == STORED) {
            it->state = WANT_LOOKUP;
            it->verify = true;
            b->verifying++;
        }
    }
    b->done = b->base;
}

// What an item wants again when its command brought nothing.
static void take_back(struct outbox_item *it)
{
    if (it->state == SENT) {
        it->state = WANT_SEND;
    } else if (it->state == LOOKING) {
        it->state = WANT_LOOKUP;
    }
}

void outbox_close(struct outbox *b)
{
    const size_t most = 2 * b->o.batch;
    b->open = false;
    for (size_t i = 0; i < b->flight_n; i++) {
        take_back(at(b, b->flight[(b->flight_head + i) % most].seq));
    }
    b->flight_head = b->flight_n = 0;
    b->batches = 0;
    // A verification cut short starts anew with the next link.
    for (uint64_t seq = b->base; seq < b->tail && b->verifying > 0; seq++) {
        struct outbox_item *it = at(b, seq);
        if (it->state == WANT_LOOKUP && it->verify) {
            it->state = STORED;
            it->verify = false;
            b->verifying--;
        }
    }
    b->scan = b->base;
}

// ---- out ---------------------------------------------------------------------------------------

static bool is_ready(const struct outbox *b, const struct outbox_item *it)
{
    if (it->state == WANT_LOOKUP) {
        return true;
    }
    // What the ring lost goes first, so that as much as possible keeps its place on the stream.
    return it->state == WANT_SEND && b->verifying == 0;
}

bool outbox_wants(struct outbox *b, int64_t mono_ms)
{
    if (!b->open || b->batches == 2 || mono_ms < b->hold_until_ms) {
        return false;
    }
    while (b->scan < b->tail && !is_ready(b, at(b, b->scan))) {
        b->scan++;
    }
    return b->scan < b->tail;
}

void outbox_begin(struct outbox *b, int64_t now_us)
{
    b->batch[b->batches] = (struct outbox_batch){.sent_us = now_us};
    b->batches++;
}

static void history_of(const struct outbox_item *it, struct buf *line, struct history *h)
{
    memset(h, 0, sizeof *h);
    h->from_id = it->id;
    h->from_ms = it->ts_ms;
    str_copy(h->source, sizeof h->source, "live");
    if (it->kind == ITEM_TRADE) {
        history_add_line(line, it->ts_ms, it->id, it->u.trade.price, it->u.trade.qty,
                         (enum side)it->side, "");
        h->kind = HISTORY_TRADES;
        h->to_id = it->id;
        h->to_ms = it->ts_ms;
        h->n = 1;
        h->data = (struct slice){buf_ptr(line), buf_len(line)};
        str_copy(h->reason, sizeof h->reason, "late");
        return;
    }
    h->kind = it->kind == ITEM_GAP ? HISTORY_GAP : HISTORY_TRADES;
    h->to_id = it->u.range.to_id;
    h->to_ms = it->u.range.to_ms;
    str_copy(h->reason, sizeof h->reason, it->u.range.reason);
}

static size_t format_history(const struct outbox *b, struct outbox_item *it, char out[ENTRY_MAX])
{
    struct buf line;
    struct history h;
    if (it->kind == ITEM_TRADE) {
        it->u.trade.price[it->price_n] = '\0';
        it->u.trade.qty[it->qty_n] = '\0';
    }
    buf_init(&line, 256);
    history_of(it, &line, &h);
    const size_t n = entry_history(&b->keys, &h, out);
    buf_release(&line);
    return n;
}

static size_t format(struct outbox *b, struct outbox_item *it, enum outbox_op *op,
                     char out[ENTRY_MAX])
{
    b->command = out;
    const bool to_history = it->late || it->kind != ITEM_TRADE;
    if (it->state == WANT_LOOKUP) {
        it->state = LOOKING;
        if (to_history) {
            *op = OP_HISTORY_LOOKUP;
            return entry_history_lookup(&b->keys, it->entry_ms, it->entry_seq, out);
        }
        *op = OP_LOOKUP;
        return entry_lookup(&b->keys, it->ts_ms, it->id, out);
    }
    it->state = SENT;
    if (it->kind == ITEM_DATA) {
        *op = OP_HISTORY;
        b->command = it->u.data.command;
        return it->u.data.n;
    }
    if (to_history) {
        *op = OP_HISTORY;
        return format_history(b, it, out);
    }
    *op = OP_TRADE;
    return entry_trade(&b->keys, it->ts_ms, it->id, (struct slice){it->u.trade.price, it->price_n},
                       (struct slice){it->u.trade.qty, it->qty_n}, (enum side)it->side,
                       it->u.trade.rx_us, out);
}

size_t outbox_next(struct outbox *b, char out[ENTRY_MAX])
{
    const size_t most = 2 * b->o.batch;
    struct outbox_batch *batch = &b->batch[b->batches - 1];
    while (b->scan < b->tail && !is_ready(b, at(b, b->scan))) {
        b->scan++;
    }
    if (b->scan == b->tail || batch->size == b->o.batch) {
        if (batch->size == 0) {
            b->batches--;
        }
        return 0;
    }
    enum outbox_op op;
    const size_t n = format(b, at(b, b->scan), &op, out);
    size_t slot = b->flight_head + b->flight_n;
    slot = slot < most ? slot : slot - most;
    b->flight[slot] = (struct outbox_flight){.seq = b->scan, .op = (uint8_t)op};
    b->flight_n++;
    b->scan++;
    batch->size++;
    batch->unanswered++;
    return n;
}

void outbox_unsend(struct outbox *b)
{
    struct outbox_batch *batch = &b->batch[b->batches - 1];
    b->flight_n--;
    const uint64_t seq = b->flight[(b->flight_head + b->flight_n) % (2 * b->o.batch)].seq;
    take_back(at(b, seq));
    b->scan = seq;
    batch->size--;
    batch->unanswered--;
    if (batch->size == 0) {
        b->batches--;
    }
}

enum outbox_op outbox_expected(const struct outbox *b)
{
    if (b->flight_n == 0) {
        FATAL("a reply without a command");
    }
    return (enum outbox_op)b->flight[b->flight_head].op;
}

void outbox_expected_range(const struct outbox *b, int64_t *from_id, int64_t *to_id)
{
    const struct outbox_item *it = at(b, b->flight[b->flight_head].seq);
    *from_id = it->id;
    *to_id = it->kind == ITEM_TRADE ? it->id : it->u.range.to_id;
}

static void end_verify(struct outbox *b, struct outbox_item *it)
{
    if (it->verify) {
        it->verify = false;
        b->verifying--;
        if (b->verifying == 0) {
            b->scan = b->base;
        }
    }
}

static void stored(struct outbox *b, struct outbox_item *it, int64_t mono_ms)
{
    it->state = STORED;
    it->stored_at_ms = mono_ms;
    if (it->fresh) {
        it->fresh = false;
        b->fresh--;
    }
    b->stored++;
    if (it->kind == ITEM_TRADE && !it->late && it->ts_ms > b->newest_trade_ms) {
        b->newest_trade_ms = it->ts_ms;
    }
    b->hold_ms = HOLD_MIN_MS;
}

static void wants_again(struct outbox *b, uint64_t seq, enum item_state state)
{
    at(b, seq)->state = (uint8_t)state;
    if (seq < b->scan) {
        b->scan = seq;
    }
}

static void absent(struct outbox *b, uint64_t seq)
{
    struct outbox_item *it = at(b, seq);
    if (it->verify) {
        b->resent++; // Redis had it and lost it
    } else {
        it->late = true; // refused as old, yet not there: new, but out of order
        b->late++;
    }
    end_verify(b, it);
    wants_again(b, seq, WANT_SEND);
}

static void away(struct outbox *b, uint64_t seq, int64_t mono_ms)
{
    take_back(at(b, seq));
    if (seq < b->scan) {
        b->scan = seq;
    }
    b->away++;
    if (mono_ms >= b->hold_until_ms) {
        b->hold_until_ms = mono_ms + b->hold_ms;
        b->hold_ms = b->hold_ms * 2 < HOLD_MAX_MS ? b->hold_ms * 2 : HOLD_MAX_MS;
    }
}

bool outbox_answer(struct outbox *b, enum outbox_answer a, int64_t ms, int64_t seq_no,
                   int64_t mono_ms, int64_t *sent_us, size_t *commands)
{
    const struct outbox_flight f = b->flight[b->flight_head];
    struct outbox_item *it = at(b, f.seq);
    b->flight_head = b->flight_head + 1 < 2 * b->o.batch ? b->flight_head + 1 : 0;
    b->flight_n--;
    switch (a) {
    case ANSWER_STORED:
        if (f.op == OP_HISTORY) {
            it->entry_ms = ms;
            it->entry_seq = seq_no;
            b->newest_history_ms = ms > b->newest_history_ms ? ms : b->newest_history_ms;
        }
        stored(b, it, mono_ms);
        break;
    case ANSWER_ID_REFUSED:
        wants_again(b, f.seq, WANT_LOOKUP);
        break;
    case ANSWER_FOUND:
        if (!it->verify) {
            b->copies++;
        }
        end_verify(b, it);
        stored(b, it, mono_ms);
        break;
    case ANSWER_ABSENT:
        absent(b, f.seq);
        break;
    case ANSWER_AWAY:
        away(b, f.seq, mono_ms);
        break;
    }
    while (b->done < b->tail && at(b, b->done)->state == STORED) {
        b->done++;
    }
    b->batch[0].unanswered--;
    if (b->batch[0].unanswered > 0) {
        return false;
    }
    *sent_us = b->batch[0].sent_us;
    *commands = b->batch[0].size;
    b->batch[0] = b->batch[1];
    b->batches--;
    return true;
}

size_t outbox_pending(const struct outbox *b)
{
    return (size_t)(b->tail - b->done) + (b->lost.n > 0 ? 1 : 0);
}

size_t outbox_ring(const struct outbox *b)
{
    return (size_t)(b->done - b->base);
}

void outbox_ids(const struct outbox *b, struct idset *ids)
{
    for (uint64_t seq = b->base; seq < b->tail; seq++) {
        const struct outbox_item *it = at(b, seq);
        if (it->kind == ITEM_TRADE) {
            idset_add(ids, it->id, it->ts_ms);
        } else {
            idset_add_range(ids, it->id, it->u.range.to_id, it->ts_ms, it->u.range.to_ms);
        }
    }
    for (size_t i = 0; i < b->lost.n; i++) {
        const struct id_span *r = &b->lost.span[i];
        idset_add_range(ids, r->lo, r->hi, r->t_lo, r->t_hi);
    }
}

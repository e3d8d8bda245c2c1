#include "services/exchange-sim/core/bybit_tape.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/decimal.h"
#include "common/base/mem.h"

struct level {
    int64_t key; // price * 10^8
    char price[24], qty[24];
};

struct side {
    struct level *at; // rising
    size_t n, cap;
};

struct recorded_book {
    bool known;
    int64_t u, seq, ts, cts;
    struct side side[2];
};

struct bybit_tape {
    struct bybit_row *rows;
    size_t n, cap;
    struct recorded_book book[BYBIT_TAPE_BOOKS];
};

struct bybit_tape *bybit_tape_new(void)
{
    return xcalloc(1, sizeof(struct bybit_tape));
}

void bybit_tape_free(struct bybit_tape *t)
{
    if (t == NULL) {
        return;
    }
    for (int i = 0; i < BYBIT_TAPE_BOOKS; i++) {
        free(t->book[i].side[0].at);
        free(t->book[i].side[1].at);
    }
    free(t->rows);
    free(t);
}

static int64_t integer(const json_t *object, const char *key, int64_t dflt)
{
    const json_t *v = json_object_get(object, key);
    return json_is_integer(v) ? (int64_t)json_integer_value(v) : dflt;
}

static const char *text(const json_t *object, const char *key)
{
    const char *s = json_string_value(json_object_get(object, key));
    return s != NULL ? s : "";
}

// ---- trades -------------------------------------------------------------------------------------

static void add_row(struct bybit_tape *t, const json_t *trade)
{
    struct bybit_row r = {.t_ms = integer(trade, "T", -1),
                          .seq = integer(trade, "seq", -1),
                          .sell = strcmp(text(trade, "S"), "Sell") == 0,
                          .block = json_is_true(json_object_get(trade, "BT")),
                          .rpi = json_is_true(json_object_get(trade, "RPI"))};
    if (r.t_ms < 0 || !str_copy(r.uuid, sizeof r.uuid, text(trade, "i")) || r.uuid[0] == '\0' ||
        !str_copy(r.price, sizeof r.price, text(trade, "p")) ||
        !str_copy(r.qty, sizeof r.qty, text(trade, "v")) || t->n >= BYBIT_TAPE_TRADES) {
        return;
    }
    if (t->n == t->cap) {
        t->cap = t->cap * 2 + 256;
        t->rows = xrealloc(t->rows, t->cap * sizeof *t->rows);
    }
    t->rows[t->n++] = r;
}

void bybit_tape_trades(struct bybit_tape *t, struct slice frame)
{
    json_t *root = json_loadb(frame.p, frame.n, 0, NULL);
    const json_t *data = json_object_get(root, "data");
    for (size_t i = 0; i < json_array_size(data); i++) {
        add_row(t, json_array_get(data, i));
    }
    json_decref(root);
}

const struct bybit_row *bybit_tape_rows(const struct bybit_tape *t, size_t *n)
{
    *n = t->n;
    return t->rows;
}

// ---- books --------------------------------------------------------------------------------------

static void set_level(struct side *s, const char *price, const char *qty)
{
    struct level l = {0};
    int64_t q;
    if (dec_parse(price, strlen(price), 8, &l.key, NULL) != 0 ||
        dec_parse(qty, strlen(qty), 8, &q, NULL) != 0 ||
        !str_copy(l.price, sizeof l.price, price) || !str_copy(l.qty, sizeof l.qty, qty)) {
        return;
    }
    size_t lo = 0;
    size_t hi = s->n;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (s->at[mid].key < l.key) {
            lo = mid + 1;
        } else {
            hi = mid;
        }
    }
    bool there = lo < s->n && s->at[lo].key == l.key;
    if (q == 0) {
        if (there) {
            memmove(&s->at[lo], &s->at[lo + 1], (s->n - lo - 1) * sizeof *s->at);
            s->n--;
        }
        return;
    }
    if (!there) {
        if (s->n == s->cap) {
            s->cap = s->cap * 2 + 256;
            s->at = xrealloc(s->at, s->cap * sizeof *s->at);
        }
        memmove(&s->at[lo + 1], &s->at[lo], (s->n - lo) * sizeof *s->at);
        s->n++;
    }
    s->at[lo] = l;
}

void bybit_tape_book(struct bybit_tape *t, int book, struct slice frame)
{
    json_t *root = json_loadb(frame.p, frame.n, 0, NULL);
    const json_t *data = json_object_get(root, "data");
    struct recorded_book *b = &t->book[book];
    if (json_is_object(data)) {
        if (strcmp(text(root, "type"), "snapshot") == 0) {
            b->side[0].n = b->side[1].n = 0;
        }
        for (int side = 0; side < 2; side++) {
            const json_t *levels = json_object_get(data, side == 0 ? "b" : "a");
            for (size_t i = 0; i < json_array_size(levels); i++) {
                const json_t *l = json_array_get(levels, i);
                const char *price = json_string_value(json_array_get(l, 0));
                const char *qty = json_string_value(json_array_get(l, 1));
                if (price != NULL && qty != NULL) {
                    set_level(&b->side[side], price, qty);
                }
            }
        }
        b->known = true;
        b->u = integer(data, "u", b->u);
        b->seq = integer(data, "seq", b->seq);
        b->ts = integer(root, "ts", b->ts);
        b->cts = integer(root, "cts", b->cts);
    }
    json_decref(root);
}

bool bybit_tape_snapshot(const struct bybit_tape *t, int book, const char *topic,
                         const char *symbol, bool restart, struct buf *out)
{
    const struct recorded_book *b = &t->book[book];
    if (!b->known) {
        return false;
    }
    buf_addf(out, "{\"topic\":\"%s\",\"type\":\"snapshot\",\"ts\":%lld,\"data\":{\"s\":\"%s\"",
             topic, (long long)b->ts, symbol);
    for (int side = 0; side < 2; side++) {
        const struct side *s = &b->side[side];
        buf_adds(out, side == 0 ? ",\"b\":[" : ",\"a\":[");
        for (size_t i = 0; i < s->n; i++) {
            const struct level *l = &s->at[side == 0 ? s->n - 1 - i : i];
            buf_addf(out, "%s[\"%s\",\"%s\"]", i > 0 ? "," : "", l->price, l->qty);
        }
        buf_addc(out, ']');
    }
    buf_addf(out, ",\"u\":%lld,\"seq\":%lld},\"cts\":%lld}", restart ? 1LL : (long long)b->u,
             (long long)b->seq, (long long)b->cts);
    return true;
}

// ---- times --------------------------------------------------------------------------------------

static size_t digits_at(struct slice s, size_t at)
{
    size_t n = 0;
    while (at + n < s.n && s.p[at + n] >= '0' && s.p[at + n] <= '9') {
        n++;
    }
    return n;
}

// Length of a key of a time that begins at s[at], 0 for none.
static size_t time_key(struct slice s, size_t at)
{
    static const char *const keys[] = {"\"ts\":", "\"T\":", "\"cts\":"};
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        size_t n = strlen(keys[i]);
        if (s.n - at >= n && memcmp(s.p + at, keys[i], n) == 0) {
            return n;
        }
    }
    return 0;
}

void bybit_tape_shifted(struct buf *out, struct slice s, int64_t ms)
{
    size_t done = 0;
    for (size_t at = 0; at < s.n; at++) {
        size_t key = s.p[at] == '"' ? time_key(s, at) : 0;
        size_t n = key > 0 ? digits_at(s, at + key) : 0;
        int64_t v;
        if (n == 0 || parse_i64(s.p + at + key, n, &v) != 0) {
            continue;
        }
        buf_add(out, s.p + done, at + key - done);
        buf_add_i64(out, v + ms);
        at += key + n - 1;
        done = at + 1;
    }
    buf_add(out, s.p + done, s.n - done);
}

int64_t bybit_tape_stamp(struct slice s)
{
    const char *key = memmem(s.p, s.n, "\"ts\":", 5);
    size_t at = key != NULL ? (size_t)(key - s.p) + 5 : 0;
    size_t n = key != NULL ? digits_at(s, at) : 0;
    int64_t v;
    return n > 0 && parse_i64(s.p + at, n, &v) == 0 ? v : -1;
}

// The stored form of a candle. Reading takes one flat object and refuses what contradicts itself:
// what lies in Redis may have been written by anyone.

#include <string.h>

#include "common/base/buf.h"
#include "common/base/decimal.h"
#include "common/base/str.h"
#include "common/market/candle.h"

#define PLACES 8

static void key(struct buf *out, const char *name)
{
    buf_adds(out, ",\"");
    buf_adds(out, name);
    buf_adds(out, "\":");
}

static void put_dec(struct buf *out, const char *name, int64_t v, int scale, int min_places)
{
    char text[DEC_TEXT];
    size_t n = dec_format(text, v, scale, min_places);
    key(out, name);
    buf_add(out, text, n);
}

static void put_place(struct buf *out, const char *name, const struct trade *t)
{
    key(out, name);
    buf_addc(out, '"');
    buf_add_i64(out, t->ts_ms);
    buf_addc(out, '-');
    buf_add_i64(out, t->id);
    if (trade_has_uid(t)) {
        char uid[UID_TEXT];
        trade_uid_format(t->uid, uid);
        buf_addc(out, '-');
        buf_adds(out, uid);
    }
    buf_addc(out, '"');
}

void candle_to_json(const struct candle *c, const struct instrument *ins, int64_t bin_ticks,
                    int64_t coverage_e8, struct buf *out)
{
    int ps = ins->price_scale;
    int pd = ins->price_decimals;
    int qs = ins->qty_scale;
    int qd = ins->qty_decimals;
    u128 volume = (u128)(uint64_t)(c->buy + c->sell);
    char text[WIDE_TEXT];
    buf_adds(out, "{\"timestamp\":");
    buf_add_i64(out, c->start_ms);
    put_dec(out, "open", c->open, ps, pd);
    put_dec(out, "high", c->high, ps, pd);
    put_dec(out, "low", c->low, ps, pd);
    put_dec(out, "close", c->close, ps, pd);
    put_dec(out, "volume", c->buy + c->sell, qs, qd);
    put_dec(out, "buy_volume", c->buy, qs, qd);
    put_dec(out, "sell_volume", c->sell, qs, qd);
    put_dec(out, "delta", c->buy - c->sell, qs, qd);
    put_dec(out, "min_delta", c->min_delta, qs, qd);
    put_dec(out, "max_delta", c->max_delta, qs, qd);
    put_dec(out, "trades", c->trades, 0, 0);
    key(out, "vwap");
    bool has_vwap = ratio_format(text, u512_from(u256_from(c->sum_pq)),
                                 u512_from(u256_from(volume)), -ps, PLACES);
    buf_adds(out, has_vwap ? text : "null");
    put_dec(out, "poc", c->poc_bin * bin_ticks, ps, pd);
    (void)u128_format(text, c->sum_pq, ps + qs, 0);
    buf_adds(out, ",\"sum_pq\":\"");
    buf_adds(out, text);
    buf_addc(out, '"');
    put_place(out, "first", &c->first);
    put_place(out, "last", &c->last);
    if (coverage_e8 < 0) {
        buf_adds(out, ",\"_coverage\":null");
    } else {
        put_dec(out, "_coverage", coverage_e8, PLACES, PLACES);
    }
    buf_adds(out, c->complete ? ",\"_complete\":true" : ",\"_complete\":false");
    put_dec(out, "_rev", c->rev, 0, 0);
    buf_addc(out, '}');
}

// ---- reading ------------------------------------------------------------------------------------

enum field {
    TIMESTAMP,
    OPEN,
    HIGH,
    LOW,
    CLOSE,
    VOLUME,
    BUY,
    SELL,
    DELTA,
    MIN_DELTA,
    MAX_DELTA,
    TRADES,
    POC,
    SUM_PQ,
    FIRST,
    LAST,
    COMPLETE,
    REV,
    FIELDS
};
static const char *const names[FIELDS] = {
    "timestamp",  "open",        "high",  "low",       "close",     "volume",
    "buy_volume", "sell_volume", "delta", "min_delta", "max_delta", "trades",
    "poc",        "sum_pq",      "first", "last",      "_complete", "_rev"};

struct scan {
    const char *p, *end;
};

static void blanks(struct scan *s)
{
    while (s->p < s->end && (*s->p == ' ' || *s->p == '\t' || *s->p == '\n' || *s->p == '\r')) {
        s->p++;
    }
}

static bool take(struct scan *s, char c)
{
    blanks(s);
    if (s->p < s->end && *s->p == c) {
        s->p++;
        return true;
    }
    return false;
}

// A string without escapes (ours have none), or the bytes of a number, true, false, null.
static bool token(struct scan *s, bool quoted_only, struct slice *out)
{
    if (take(s, '"')) {
        const char *end = memchr(s->p, '"', (size_t)(s->end - s->p));
        if (!end || memchr(s->p, '\\', (size_t)(end - s->p))) {
            return false;
        }
        *out = (struct slice){s->p, (size_t)(end - s->p)};
        s->p = end + 1;
        return true;
    }
    const char *from = s->p;
    while (!quoted_only && s->p < s->end && strchr(",} \t\n\r\"{[", *s->p) == NULL) {
        s->p++;
    }
    *out = (struct slice){from, (size_t)(s->p - from)};
    return s->p > from;
}

static int split(const char *text, size_t n, struct slice *value)
{
    struct scan s = {text, text + n};
    if (!take(&s, '{')) {
        return ERR_SYNTAX;
    }
    do {
        struct slice name;
        struct slice v;
        if (!token(&s, true, &name) || !take(&s, ':') || !token(&s, false, &v)) {
            return ERR_SYNTAX;
        }
        for (size_t f = 0; f < FIELDS; f++) {
            if (slice_eq(name, names[f])) {
                if (value[f].p) {
                    return ERR_SYNTAX;
                }
                value[f] = v;
            }
        }
    } while (take(&s, ','));
    bool closed = take(&s, '}');
    blanks(&s);
    return closed && s.p == s.end ? 0 : ERR_SYNTAX;
}

static int place_of(struct slice s, struct trade *t)
{
    const char *end = s.p + s.n;
    const char *dash = s.n ? memchr(s.p, '-', s.n) : NULL;
    const char *id = dash ? dash + 1 : end;
    const char *uid = id < end ? memchr(id, '-', (size_t)(end - id)) : NULL;
    if (!dash || parse_i64(s.p, (size_t)(dash - s.p), &t->ts_ms) ||
        parse_i64(id, (size_t)((uid ? uid : end) - id), &t->id) || t->ts_ms < 0 || t->id < 0) {
        return ERR_SYNTAX;
    }
    return uid ? trade_uid_parse((struct slice){uid + 1, (size_t)(end - uid - 1)}, &t->uid) : 0;
}

// As far as a place tells: within one seq of Bybit the order depends on sides that it does not.
static bool is_in_order(const struct trade *a, const struct trade *b)
{
    return a->ts_ms < b->ts_ms || (a->ts_ms == b->ts_ms && a->id <= b->id);
}

bool candle_is_possible(const struct candle *c, int64_t bin_ticks)
{
    int64_t sum;
    if (c->start_ms < 0 || c->trades < 1 || c->buy < 0 || c->sell < 0 || c->low < 1 ||
        __builtin_add_overflow(c->buy, c->sell, &sum) || sum < 1) {
        return false;
    }
    int64_t delta = c->buy - c->sell;
    return c->low <= c->open && c->open <= c->high && c->low <= c->close && c->close <= c->high &&
           c->min_delta <= 0 && c->max_delta >= 0 && c->min_delta <= delta &&
           delta <= c->max_delta && c->poc_bin >= c->low / bin_ticks &&
           c->poc_bin <= c->high / bin_ticks &&
           c->sum_pq >= (u128)(uint64_t)c->low * (uint64_t)sum &&
           c->sum_pq <= (u128)(uint64_t)c->high * (uint64_t)sum && c->first.ts_ms >= c->start_ms &&
           is_in_order(&c->first, &c->last);
}

// What the text tells besides belongs to the candle, too.
static bool is_possible(const struct candle *c, int64_t volume, int64_t delta, int64_t poc,
                        int64_t bin_ticks)
{
    return candle_is_possible(c, bin_ticks) && c->buy + c->sell == volume &&
           delta == c->buy - c->sell && poc >= 0 && poc % bin_ticks == 0;
}

int candle_from_json(struct candle *c, const struct instrument *ins, int64_t bin_ticks,
                     const char *s, size_t n, struct err *e)
{
    struct slice v[FIELDS] = {{NULL, 0}};
    if (split(s, n, v)) {
        return err_set(e, ERR_SYNTAX, "a candle is not a flat JSON object");
    }
    struct candle k = {0};
    int64_t volume = 0;
    int64_t delta = 0;
    int64_t poc = 0;
    int64_t rev = 0;
    const struct {
        enum field field;
        int scale;
        int64_t *out;
    } numbers[] = {
        {TIMESTAMP, 0, &k.start_ms},
        {OPEN, ins->price_scale, &k.open},
        {HIGH, ins->price_scale, &k.high},
        {LOW, ins->price_scale, &k.low},
        {CLOSE, ins->price_scale, &k.close},
        {VOLUME, ins->qty_scale, &volume},
        {BUY, ins->qty_scale, &k.buy},
        {SELL, ins->qty_scale, &k.sell},
        {DELTA, ins->qty_scale, &delta},
        {MIN_DELTA, ins->qty_scale, &k.min_delta},
        {MAX_DELTA, ins->qty_scale, &k.max_delta},
        {TRADES, 0, &k.trades},
        {POC, ins->price_scale, &poc},
        {REV, 0, &rev},
    };
    for (size_t f = 0; f < FIELDS; f++) {
        if (!v[f].p) {
            return err_set(e, ERR_SYNTAX, "field %s of a candle is missing", names[f]);
        }
    }
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        struct slice text = v[numbers[i].field];
        int rc = dec_parse(text.p, text.n, numbers[i].scale, numbers[i].out, NULL);
        if (rc) {
            return err_set(e, rc, "field %s of a candle: \"%.*s\"", names[numbers[i].field],
                           text.n > 40 ? 40 : (int)text.n, text.p);
        }
    }
    int rc = u128_parse(v[SUM_PQ].p, v[SUM_PQ].n, ins->price_scale + ins->qty_scale, &k.sum_pq);
    if (rc) {
        return err_set(e, rc, "field sum_pq of a candle");
    }
    if (place_of(v[FIRST], &k.first) || place_of(v[LAST], &k.last)) {
        return err_set(e, ERR_SYNTAX, "field first or last of a candle");
    }
    if (!slice_eq(v[COMPLETE], "true") && !slice_eq(v[COMPLETE], "false")) {
        return err_set(e, ERR_SYNTAX, "field _complete of a candle");
    }
    k.poc_bin = poc / bin_ticks;
    if (rev < 0 || rev > UINT32_MAX || !is_possible(&k, volume, delta, poc, bin_ticks)) {
        return err_set(e, ERR_STATE, "numbers of the candle at %lld contradict each other",
                       (long long)k.start_ms);
    }
    k.complete = slice_eq(v[COMPLETE], "true");
    k.rev = (uint32_t)rev;
    k.first.price = k.open;
    k.last.price = k.close;
    *c = k;
    return 0;
}

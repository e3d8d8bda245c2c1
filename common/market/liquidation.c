#include "common/market/liquidation.h"

#include <string.h>

#include "common/base/decimal.h"

#define TS_MAX_MS INT64_C(9999999999999) // 2286-11-20: later can only be garbage

bool liquidation_same(const struct liquidation *a, const struct liquidation *b)
{
    return a->ts_ms == b->ts_ms && a->side == b->side && a->bankruptcy == b->bankruptcy &&
           strcmp(a->price, b->price) == 0 && strcmp(a->qty, b->qty) == 0 &&
           strcmp(a->order_price, b->order_price) == 0;
}

enum refusal number_kind(struct slice s)
{
    int places;
    int64_t v;
    if (s.n >= LIQ_TEXT) {
        return REFUSE_ABSURD;
    }
    int rc = dec_places(s.p, s.n, &places);
    if (rc == 0 && places > DEC_MAX_SCALE) {
        rc = ERR_PRECISION;
    }
    if (rc == 0) {
        rc = dec_parse(s.p, s.n, places, &v, NULL);
    }
    if (rc == 0) {
        return v > 0 ? REFUSE_NONE : v < 0 ? REFUSE_NEGATIVE : REFUSE_ZERO;
    }
    return rc == ERR_PRECISION  ? REFUSE_PRECISION
           : rc == ERR_OVERFLOW ? REFUSE_ABSURD
                                : REFUSE_MALFORMED;
}

int number_floor(const char *s, int scale, int64_t *out)
{
    size_t n = strlen(s);
    const char *point = memchr(s, '.', n);
    if (strcspn(s, "eE") == n && point != NULL && n - (size_t)(point + 1 - s) > (size_t)scale) {
        // Whole digits only, where the scale is 0: "5." is a number, too.
        n = (size_t)(point + 1 - s) + (size_t)scale;
    }
    if (n == 1 && s[0] == '.') { // what is left of ".5"
        *out = 0;
        return 0;
    }
    return dec_parse(s, n, scale, out, NULL);
}

static struct slice field(const struct slice *kv, size_t pairs, const char *name)
{
    for (size_t i = 0; i < pairs; i++) {
        if (slice_eq(kv[2 * i], name)) {
            return kv[2 * i + 1];
        }
    }
    return (struct slice){NULL, 0};
}

static bool take_number(struct slice s, char out[LIQ_TEXT], bool may_be_absent)
{
    if (s.p == NULL || s.n == 0) {
        out[0] = '\0';
        return may_be_absent;
    }
    return number_kind(s) == REFUSE_NONE && str_copyn(out, LIQ_TEXT, s.p, s.n);
}

static bool take_time(struct slice s, int64_t *out)
{
    return s.p != NULL && parse_i64(s.p, s.n, out) == 0 && *out > 0 && *out <= TS_MAX_MS;
}

int liquidation_from_entry(struct slice entry_id, const struct slice *kv, size_t pairs,
                           struct liquidation *out)
{
    struct liquidation l = {0};
    const char *dash = entry_id.n > 0 ? memchr(entry_id.p, '-', entry_id.n) : NULL;
    const struct slice side = field(kv, pairs, "side"), kind = field(kv, pairs, "price_kind");
    const struct slice who = field(kv, pairs, "liquidated"), ts = field(kv, pairs, "ts_ms");
    const struct slice rx = field(kv, pairs, "rx_us");
    if (dash == NULL) {
        return ERR_SYNTAX;
    }
    if (!take_time(ts.p != NULL ? ts : (struct slice){entry_id.p, (size_t)(dash - entry_id.p)},
                   &l.ts_ms)) {
        return ERR_RANGE;
    }
    const bool sell = slice_eq(side, "sell");
    l.side = sell ? SIDE_SELL : SIDE_BUY;
    l.bankruptcy = slice_eq(kind, "bankruptcy");
    // Both sides are written so that nobody has to remember which is which: they have to agree.
    if ((!sell && !slice_eq(side, "buy")) || (!l.bankruptcy && !slice_eq(kind, "fill")) ||
        !slice_eq(who, sell ? "long" : "short")) {
        return ERR_SYNTAX;
    }
    if (!take_number(field(kv, pairs, "price"), l.price, false) ||
        !take_number(field(kv, pairs, "qty"), l.qty, false) ||
        !take_number(field(kv, pairs, "order_price"), l.order_price, true)) {
        return ERR_SYNTAX;
    }
    if (rx.p != NULL && parse_i64(rx.p, rx.n, &l.rx_us) != 0) {
        return ERR_SYNTAX;
    }
    *out = l;
    return 0;
}

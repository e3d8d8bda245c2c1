// What is held entry by entry: trades, events, liquidations; and the order book.

#include <string.h>

#include "common/base/decimal.h"
#include "services/api/core/answer.h"

static size_t instrument_of(const struct ask *a)
{
    return a->q->instrument;
}

// "<name>":[...],"count":N
static void put_list(const struct ask *a, struct jw *w, const char *name, enum list_kind kind,
                     size_t limit, int64_t from_ms)
{
    size_t n = 0;
    jw_key(w, name);
    jw_arr(w);
    if (a->env->lists != NULL) {
        n = a->env->lists->newest(a->env->lists->arg, instrument_of(a), kind, limit, from_ms,
                                  w->out);
    }
    jw_end_arr(w);
    jw_kint(w, "count", (int64_t)n);
}

static void sum(const struct ask *a, int64_t from_ms, struct recent_stats *out)
{
    *out = (struct recent_stats){.first_ms = -1, .last_ms = -1};
    if (a->env->lists != NULL) {
        a->env->lists->sum(a->env->lists->arg, instrument_of(a), from_ms, out);
    }
}

void live_trades(const struct ask *a, struct jw *w)
{
    live_age(a, w);
    put_list(a, w, "trades", LIST_TRADES, (size_t)a->q->num[1], 0);
}

// Start of a window that ends now by the instrument's clock; -1 while there is no clock.
static int64_t window_from(const struct ask *a, int64_t minutes)
{
    return a->env->now_ms < 0 ? -1 : a->env->now_ms - minutes * 60000;
}

void live_trades_range(const struct ask *a, struct jw *w)
{
    const int64_t from_ms = window_from(a, a->q->num[1]);
    struct recent_stats all;
    live_age(a, w);
    sum(a, 0, &all);
    jw_kint(w, "minutes", a->q->num[1]);
    put_ts(w, "from", from_ms);
    put_ts(w, "to", a->env->now_ms);
    // The oldest trade kept is younger than the window: there were more.
    jw_kbool(w, "truncated", all.count > 0 && from_ms >= 0 && all.first_ms > from_ms);
    put_list(a, w, "trades", LIST_TRADES, (size_t)a->q->num[2], from_ms < 0 ? 0 : from_ms);
}

static void put_lots(const struct ask *a, struct jw *w, const char *key, int64_t lots)
{
    char text[DEC_TEXT];
    if (!a->snap->has_units) {
        jw_kraw(w, key, NULL);
        return;
    }
    (void)dec_format(text, lots, a->snap->ins.qty_scale, a->snap->ins.qty_decimals);
    jw_kraw(w, key, text);
}

void live_trades_stats(const struct ask *a, struct jw *w)
{
    struct recent_stats s;
    const int64_t minutes = a->q->num[1];
    const int64_t from_ms = minutes > 0 ? window_from(a, minutes) : 0;
    live_age(a, w);
    sum(a, from_ms < 0 ? 0 : from_ms, &s);
    jw_kint(w, "count", (int64_t)s.count);
    jw_kint(w, "buy_count", s.buys);
    jw_kint(w, "sell_count", s.sells);
    put_lots(a, w, "buy_volume", s.buy_lots);
    put_lots(a, w, "sell_volume", s.sell_lots);
    put_lots(a, w, "volume",
             s.buy_lots > INT64_MAX - s.sell_lots ? INT64_MAX : s.buy_lots + s.sell_lots);
    put_lots(a, w, "delta", s.buy_lots - s.sell_lots);
    put_ts(w, "first_ts", s.first_ms);
    put_ts(w, "last_ts", s.last_ms);
}

void live_events(const struct ask *a, struct jw *w)
{
    live_age(a, w);
    put_list(a, w, "events", LIST_EVENTS, (size_t)a->q->num[1], 0);
}

void live_liquidations(const struct ask *a, struct jw *w)
{
    live_age(a, w);
    // Binance pushes at most one liquidation per symbol and second.
    jw_kbool(w, "lower_bound", a->snap->who.venue == VENUE_BINANCE);
    put_list(a, w, "liquidations", LIST_LIQUIDATIONS, (size_t)a->q->num[1], 0);
}

// [["price","qty"],..] as stored -> [[price,qty],..]: numbers as everywhere else.
static void put_side(struct jw *w, const char *key, const struct rfield *f)
{
    jw_key(w, key);
    if (f == NULL || f->vlen < 2 || f->value[0] != '[') {
        jw_raw(w, "[]");
        return;
    }
    for (const char *p = f->value; *p != '\0'; p++) {
        if (strchr("[],\".0123456789", *p) == NULL) {
            jw_raw(w, "[]"); // not what the collector writes
            return;
        }
    }
    jw_arr(w);
    for (const char *p = f->value + 1; *p == '[' || *p == ','; p++) {
        char pair[2][48] = {"", ""};
        if (*p == ',') {
            continue;
        }
        for (int i = 0; i < 2; i++) {
            const char *open = strchr(p, '"');
            const char *close = open != NULL ? strchr(open + 1, '"') : NULL;
            if (close == NULL ||
                !str_copyn(pair[i], sizeof pair[i], open + 1, (size_t)(close - open - 1))) {
                pair[i][0] = '\0';
                break;
            }
            p = close + 1;
        }
        jw_arr(w);
        for (int i = 0; i < 2; i++) {
            jw_raw(w, json_number_text(pair[i], strlen(pair[i])) ? pair[i] : NULL);
        }
        jw_end_arr(w);
        p = strchr(p, ']');
        if (p == NULL) {
            break;
        }
    }
    jw_end_arr(w);
}

void still_book(const struct ask *a, struct jw *w)
{
    const struct rhash *h = a->snap->sec[SEC_BOOK];
    put_str_field(w, "state", h, "state");
    put_field(w, "bid_price", h, "bid_price");
    put_field(w, "bid_qty", h, "bid_qty");
    put_field(w, "ask_price", h, "ask_price");
    put_field(w, "ask_qty", h, "ask_qty");
    put_field(w, "spread", h, "spread");
    put_field(w, "imbalance", h, "imbalance");
    put_side(w, "bids", rhash_find(h, "bids"));
    put_side(w, "asks", rhash_find(h, "asks"));
    put_field(w, "update_id", h, "update_id");
    put_field(w, "known_low", h, "known_low");
    put_field(w, "known_high", h, "known_high");
    put_ts_field(w, "ts", h, "ts_ms");
    still_who(a, w);
}

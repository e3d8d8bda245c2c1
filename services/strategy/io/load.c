#include "services/strategy/io/load.h"

#include <hiredis/hiredis.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/str.h"
#include "common/market/liquidation.h"

#define TEXT_MAX ((size_t)16 << 20)

void strategy_stored_init(struct strategy_stored *s)
{
    *s = (struct strategy_stored){.day_ms = -1, .session_ms = -1};
    buf_init(&s->ids, TEXT_MAX);
    buf_init(&s->stale, TEXT_MAX);
}

void strategy_stored_release(struct strategy_stored *s)
{
    buf_release(&s->ids);
    buf_release(&s->stale);
}

static struct slice field(const redisReply *hash, const char *name)
{
    for (size_t i = 0; i + 1 < hash->elements; i += 2) {
        const redisReply *k = hash->element[i];
        const redisReply *v = hash->element[i + 1];
        if (k->type == REDIS_REPLY_STRING && v->type == REDIS_REPLY_STRING &&
            strcmp(k->str, name) == 0) {
            return (struct slice){v->str, v->len};
        }
    }
    return (struct slice){"", 0};
}

// Counters of the run: absent or unreadable is 0.
static uint64_t counter(const redisReply *hash, const char *name)
{
    struct slice v = field(hash, name);
    uint64_t n = 0;
    return parse_u64(v.p, v.n, &n) ? 0 : n;
}

int strategy_stored_take(struct strategy_stored *s, const struct instrument *ins,
                         const redisReply *reply, struct err *e)
{
    struct buf ids = s->ids;
    struct buf stale = s->stale;
    *s = (struct strategy_stored){.day_ms = -1, .session_ms = -1, .ids = ids, .stale = stale};
    buf_clear(&s->ids);
    buf_clear(&s->stale);
    if (reply->type != REDIS_REPLY_ARRAY) {
        return err_set(e, ERR_STATE, ":strategy is no hash");
    }
    if (reply->elements == 0) {
        return 0;
    }
    s->found = true;
    struct slice day = field(reply, "day");
    if (day.n > 0 && parse_day(day.p, day.n, &s->day_ms)) {
        return err_set(e, ERR_SYNTAX, "day '%.20s' is no day", day.p);
    }
    if (!slice_eq(field(reply, "simulated"), ins->simulated ? "1" : "0")) {
        return err_set(e, ERR_STATE, "simulated: stored state is of the other kind");
    }
    struct slice pt = field(reply, "_pos_trades");
    struct slice ph = field(reply, "_pos_history");
    if (!str_copyn(s->pos_trades, sizeof s->pos_trades, pt.p, pt.n) ||
        !str_copyn(s->pos_history, sizeof s->pos_history, ph.p, ph.n)) {
        return err_set(e, ERR_SYNTAX, "positions are no stream ids");
    }
    struct slice session = field(reply, "_session_ms");
    if (session.n > 0 && parse_i64(session.p, session.n, &s->session_ms)) {
        return err_set(e, ERR_SYNTAX, "_session_ms is no time");
    }
    struct slice held = field(reply, "_ids");
    buf_add(&s->ids, held.p, held.n);
    struct slice stale_text = field(reply, "_stale");
    buf_add(&s->stale, stale_text.p, stale_text.n);
    s->ver = counter(reply, "_ver");
    s->duplicates = counter(reply, "_duplicates");
    s->too_old = counter(reply, "_too_old");
    s->bad = counter(reply, "_bad");
    s->reloads = counter(reply, "_reloads");
    s->newest_rx_us = (int64_t)(counter(reply, "_newest_rx_us") & INT64_MAX);
    return s->ids.failed || s->stale.failed ? err_set(e, ERR_LIMIT, "_ids is too long") : 0;
}

// A quantity of the configuration in lots, cut off below a lot.
static int64_t lots_of(const char *text, const struct instrument *ins)
{
    int64_t v = 0;
    if (text == NULL || number_floor(text, ins->qty_scale, &v) != 0) {
        return 0;
    }
    return v;
}

void strategy_params(struct strategy *s, const struct footprint_params *foot,
                     const struct regime_params *regime, const char *imbalance_min,
                     const char *regime_min_volume)
{
    const struct instrument *ins = &s->ledger.ins;
    if (foot->keep > 0) {
        s->foot = *foot;
        s->regime.p = *regime;
    }
    s->foot.min_qty = lots_of(imbalance_min, ins);
    s->regime.p.min_volume = lots_of(regime_min_volume, ins);
}

int strategy_take_candles(struct strategy *s, size_t tf, const redisReply *reply, struct err *e)
{
    if (reply->type != REDIS_REPLY_ARRAY) {
        return err_set(e, ERR_STATE, ":candles:%s is no hash", strategy_tf[tf]);
    }
    for (size_t i = 0; i + 1 < reply->elements; i += 2) {
        const redisReply *v = reply->element[i + 1];
        if (strategy_restore_candle(s, tf, v->str, v->len, e)) {
            return err_prefix(e, "candle %.20s", reply->element[i]->str);
        }
    }
    return 0;
}

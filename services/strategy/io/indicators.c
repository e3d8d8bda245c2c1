#include "services/strategy/io/indicators.h"

#include <hiredis/hiredis.h>
#include <string.h>

#include "common/base/str.h"

#define TEXT_MAX ((size_t)1 << 20)
#define FOOTPRINT_EVERY_MS 250 // the open candle changes with every trade
#define STRENGTH_EVERY_MS 1000
#define NOTICE_CANDLES 100

void indicators_init(struct indicators *x, const struct instrument *ins, struct strategy *core)
{
    *x = (struct indicators){.core = core};
    instrument_key(ins, "minutes", x->minutes_key);
    instrument_key(ins, "regime", x->regime_key);
    for (size_t tf = 0; tf < N_TF; tf++) {
        char tail[24];
        str_fmt(tail, sizeof tail, "footprint:%s", strategy_tf[tf]);
        instrument_key(ins, tail, x->footprint_key[tf]);
        buf_init(&x->changed[tf], TEXT_MAX);
    }
}

void indicators_release(struct indicators *x)
{
    for (size_t tf = 0; tf < N_TF; tf++) {
        buf_release(&x->changed[tf]);
    }
}

void indicators_fresh(struct indicators *x, bool scratch)
{
    x->replace = scratch;
    x->rewrite = true;
    x->footprint_ms = x->strength_ms = INT64_MIN / 2;
    x->strength_of = UINT64_MAX;
    x->strength[0] = '\0';
}

// ---- load --------------------------------------------------------------------------------------

// Minutes are stored in integer units: what they are.
static void units_text(const struct strategy *s, char out[64])
{
    const struct instrument *ins = &s->ledger.ins;
    str_fmt(out, 64, "%d %d %lld", ins->price_scale, ins->qty_scale, (long long)ins->bin_ticks);
}

static const redisReply *value_of(const redisReply *hash, const char *name)
{
    for (size_t i = 0; i + 1 < hash->elements; i += 2) {
        if (hash->element[i]->type == REDIS_REPLY_STRING &&
            strcmp(hash->element[i]->str, name) == 0 &&
            hash->element[i + 1]->type == REDIS_REPLY_STRING) {
            return hash->element[i + 1];
        }
    }
    return NULL;
}

static void on_minutes(struct redis *r, const redisReply *reply, void *arg)
{
    struct indicators *x = arg;
    char units[64];
    (void)r;
    if (reply == NULL) {
        return;
    }
    units_text(x->core, units);
    const redisReply *stored = reply->type == REDIS_REPLY_ARRAY ? value_of(reply, "_units") : NULL;
    if (stored == NULL || strcmp(stored->str, units) != 0) {
        x->replace = true; // other units, or none: the regime begins with the next day
        return;
    }
    for (size_t i = 0; i + 1 < reply->elements; i += 2) {
        const redisReply *k = reply->element[i];
        const redisReply *v = reply->element[i + 1];
        int64_t start;
        if (k->type == REDIS_REPLY_STRING && v->type == REDIS_REPLY_STRING && k->str[0] != '_' &&
            (parse_i64(k->str, k->len, &start) != 0 || start < 0 || start % MINUTE_MS != 0 ||
             minutes_restore(&x->core->minutes, start, v->str, v->len) != 0)) {
            x->replace = true;
        }
    }
}

static void on_regime(struct redis *r, const redisReply *reply, void *arg)
{
    struct indicators *x = arg;
    (void)r;
    if (reply == NULL || reply->type != REDIS_REPLY_ARRAY) {
        return;
    }
    const redisReply *told = value_of(reply, "_told_ms");
    const redisReply *trend = value_of(reply, "_told");
    if (told == NULL || parse_i64(told->str, told->len, &x->core->regime.told_ms) != 0) {
        x->core->regime.told_ms = -1;
    }
    x->core->regime.told_trend = trend != NULL && strcmp(trend->str, "trend") == 0;
}

int indicators_load(struct indicators *x, struct redis *r)
{
    const int rc = redis_cmd(r, on_minutes, x, "HGETALL %s", x->minutes_key);
    return rc ? rc : redis_cmd(r, on_regime, x, "HGETALL %s", x->regime_key);
}

// ---- write -------------------------------------------------------------------------------------

static void del(struct redis_tx *tx, const char *key)
{
    redis_tx_argv(tx, 2, (struct slice[]){slice_of("DEL"), slice_of(key)});
}

static void hdel(struct redis_tx *tx, const char *key, int64_t start_ms)
{
    char field[24];
    const struct slice start = {field, fmt_i64(field, start_ms)};
    redis_tx_argv(tx, 3, (struct slice[]){slice_of("HDEL"), slice_of(key), start});
}

static void put(void *arg, const char *field, const char *value, size_t n)
{
    redis_tx_hset(arg, field, value, n);
}

void indicators_put_footprint(struct indicators *x, size_t tf, int64_t start_ms, const char *json,
                              size_t n)
{
    char field[24];
    const struct slice start = {field, fmt_i64(field, start_ms)};
    if (json != NULL) {
        redis_tx_argv(
            x->tx, 4,
            (struct slice[]){slice_of("HSET"), slice_of(x->footprint_key[tf]), start, {json, n}});
    } else {
        hdel(x->tx, x->footprint_key[tf], start_ms);
    }
    if (x->n_changed[tf]++ < NOTICE_CANDLES) {
        buf_addf(&x->changed[tf], "%s%lld", x->n_changed[tf] > 1 ? "," : "", (long long)start_ms);
    }
}

static void write_minutes(struct indicators *x)
{
    struct minutes *m = &x->core->minutes;
    char units[64];
    if (x->replace) {
        del(x->tx, x->minutes_key);
    }
    for (size_t i = 0; i < m->n_gone && !x->replace; i++) {
        hdel(x->tx, x->minutes_key, m->gone[i]);
    }
    minutes_gone_clear(m);
    redis_tx_hset_begin(x->tx, x->minutes_key);
    strategy_minutes(x->core, x->replace, put, x->tx);
    if (x->replace || x->rewrite) {
        units_text(x->core, units);
        redis_tx_hset(x->tx, "_units", units, strlen(units));
    }
    redis_tx_hset_end(x->tx);
}

static void write_footprints(struct indicators *x, const struct strategy_sink *sink)
{
    if (x->rewrite) {
        for (size_t tf = 0; tf < N_TF; tf++) {
            del(x->tx, x->footprint_key[tf]);
            x->core->n_foot_shown[tf] = 0;
        }
    }
    strategy_footprints(x->core, sink);
}

static bool measure_strength(struct indicators *x, int64_t mono_ms)
{
    const struct ledger *l = &x->core->ledger;
    const uint64_t now = ledger_changes(l);
    if (now == x->strength_of || mono_ms - x->strength_ms < STRENGTH_EVERY_MS) {
        return false;
    }
    x->strength_of = now;
    x->strength_ms = mono_ms;
    x->strength[0] = '\0';
    if (!day_is_empty_slot(&l->cur)) {
        profile_strength(l->cur.profile, x->strength);
    }
    return true;
}

static void write_regime(struct indicators *x)
{
    const struct regime *g = &x->core->regime;
    char told[24];
    redis_tx_hset_begin(x->tx, x->regime_key);
    strategy_regime_fields(x->core, put, x->tx);
    redis_tx_hset(x->tx, "profile_strength", x->strength, strlen(x->strength));
    redis_tx_hset(x->tx, "_told", g->told_trend ? "trend" : "range", 5);
    redis_tx_hset(x->tx, "_told_ms", told, fmt_i64(told, g->told_ms));
    redis_tx_hset_end(x->tx);
}

bool indicators_flush(struct indicators *x, struct redis_tx *tx, const struct strategy_sink *sink,
                      bool caught_up, bool counted, int64_t mono_ms)
{
    x->tx = tx;
    for (size_t tf = 0; tf < N_TF; tf++) {
        buf_clear(&x->changed[tf]);
        x->n_changed[tf] = 0;
    }
    if (x->replace) {
        del(tx, x->regime_key);
    }
    write_minutes(x);
    if (x->rewrite || mono_ms - x->footprint_ms >= FOOTPRINT_EVERY_MS) {
        write_footprints(x, sink);
        x->footprint_ms = mono_ms;
    }
    bool changed = caught_up && strategy_regime(x->core, sink);
    changed |= measure_strength(x, mono_ms) || counted || x->rewrite;
    if (changed) {
        write_regime(x);
    }
    x->replace = x->rewrite = false;
    return changed;
}

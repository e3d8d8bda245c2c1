// Stored state becomes memory again: :strategy -> days and ids -> candles -> the tape (trades of
// the last minutes, read back from the streams; where trades have no numbers, all of the two days
// for their names) -> follow_loaded().

#include "services/strategy/io/worker_inner.h"

#include <hiredis/hiredis.h>

void worker_drop_state(struct worker *w)
{
    if (w->has_state) {
        strategy_release(&w->core);
        w->has_state = false;
    }
}

static void fresh_state(struct worker *w, const struct instrument *ins)
{
    worker_drop_state(w);
    strategy_init(&w->core, ins, w->o.window_sec * 1000);
    ledger_limit_names(&w->core.ledger, w->o.max_names);
    strategy_params(&w->core, &w->o.foot, &w->o.regime, w->o.imbalance_min, w->o.regime_min_volume);
    w->has_state = true;
    daystore_init(&w->days, &w->core.ledger, "strategy:", "strategy:profile:");
    w->write_all = true;
    w->replace_all = false;
    indicators_fresh(&w->indicators, false);
    flows_fresh(&w->flows);
    w->written_changes = 0;
    w->oldest_rx_us = w->sent_rx_us = 0;
    w->caught_up = false;
}

static void reject(struct worker *w, const char *why)
{
    struct instrument ins = w->core.ledger.ins;
    fresh_state(w, &ins);
    flows_rebuild(&w->flows);
    w->loading = false;
    w->replace_all = true;
    flows_start(&w->flows);
    follow_load_failed(w->follow, why);
}

static void on_replay_trade(void *arg, const struct trade *t)
{
    struct worker *w = arg;
    strategy_replay(&w->core, t);
}

static void on_replay_done(void *arg, bool ok)
{
    struct worker *w = arg;
    if (!ok) {
        return;
    }
    struct err e = {0};
    if (flows_loaded(&w->flows, &e)) {
        reject(w, e.text);
        return;
    }
    strategy_end_replay(&w->core);
    w->loading = false;
    flows_start(&w->flows);
    follow_loaded(w->follow, w->stored.pos_trades, w->stored.pos_history);
    follow_touch(w->follow);
}

static void on_recall_trade(void *arg, const struct trade *t, enum ledger_result r)
{
    struct worker *w = arg;
    strategy_replay_named(&w->core, t, r);
}

static void on_recalled(void *arg, const struct err *why)
{
    struct worker *w = arg;
    if (why) {
        reject(w, why->text);
    } else {
        on_replay_done(w, true);
    }
}

static void on_candles(struct worker *w, size_t tf, const redisReply *reply)
{
    struct err e = {0};
    if (!w->loading) {
        return; // rejected already
    }
    if (strategy_take_candles(&w->core, tf, reply, &e)) {
        reject(w, e.text);
        return;
    }
    if (tf + 1 < N_TF) {
        return;
    }
    int64_t from = strategy_begin_replay(&w->core);
    if (from == INT64_MAX) {
        on_replay_done(w, true);
    } else if (w->core.ledger.named) {
        recall_start(&w->recall, w->follow, &w->core.ledger, on_recall_trade, on_recalled, w);
    } else {
        follow_read_back(w->follow, from, INT64_MAX, on_replay_trade, on_replay_done, w);
    }
}

static void on_candles_1m(struct redis *r, const redisReply *reply, void *arg)
{
    (void)r;
    if (reply) {
        on_candles(arg, 0, reply);
    }
}

static void on_candles_5m(struct redis *r, const redisReply *reply, void *arg)
{
    (void)r;
    if (reply) {
        on_candles(arg, 1, reply);
    }
}

static void on_days(void *arg, const struct err *why)
{
    struct worker *w = arg;
    if (why) {
        reject(w, why->text);
        return;
    }
    struct strategy *c = &w->core;
    const struct strategy_stored *s = &w->stored;
    c->ver = s->ver;
    c->bad = s->bad;
    c->reloads = s->reloads + (s->found ? 1 : 0);
    c->ledger.duplicates = s->duplicates;
    c->ledger.too_old = s->too_old;
    phase_restore(&c->phase, s->session_ms);
    strategy_take_stale(c, buf_ptr(&s->stale), buf_len(&s->stale));
    if (c->ledger.newest_ms >= 0) {
        c->seen_ms = c->ledger.newest_ms;
        c->seen_rx_us = s->newest_rx_us;
        c->seen_new = true;
    }
    w->written_changes = ledger_changes(&c->ledger);
    struct redis *r = follow_redis(w->follow);
    int rc = indicators_load(&w->indicators, r);
    rc = rc ? rc : flows_load(&w->flows, r);
    rc = rc ? rc : redis_cmd(r, on_candles_1m, w, "HGETALL %s", w->candles_key[0]);
    rc = rc ? rc : redis_cmd(r, on_candles_5m, w, "HGETALL %s", w->candles_key[1]);
    if (rc) {
        redis_kick(r, "the write link takes no command");
    }
}

// From the beginning of the streams; whatever is stored is replaced.
static void begin_anew(struct worker *w)
{
    w->replace_all = true;
    w->loading = false;
    flows_rebuild(&w->flows);
    flows_start(&w->flows);
    follow_loaded(w->follow, NULL, NULL);
}

static void on_strategy(struct redis *r, const redisReply *reply, void *arg)
{
    struct worker *w = arg;
    if (!reply) {
        return;
    }
    struct err e = {0};
    if (strategy_stored_take(&w->stored, &w->core.ledger.ins, reply, &e)) {
        reject(w, e.text);
        return;
    }
    if (!w->stored.found) {
        begin_anew(w); // without it the rest means nothing
        return;
    }
    daystore_load(&w->days, r, w->stored.day_ms, slice_of(buf_cstr(&w->stored.ids)), on_days, w);
}

// The commands are known: now what they apply to.
void worker_commands_known(void *arg)
{
    struct worker *w = arg;
    if (w->scratch) {
        begin_anew(w);
        return;
    }
    struct redis *r = follow_redis(w->follow);
    if (redis_cmd(r, on_strategy, w, "HGETALL %s", w->strategy_key)) {
        redis_kick(r, "the write link takes no command");
    }
}

void worker_load(void *arg, const struct instrument *ins, bool scratch)
{
    struct worker *w = arg;
    struct redis *r = follow_redis(w->follow);
    fresh_state(w, ins);
    w->loading = true;
    w->scratch = scratch;
    if (flows_begin(&w->flows, r)) {
        redis_kick(r, "the write link takes no command");
    }
}

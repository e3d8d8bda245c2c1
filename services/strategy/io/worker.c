// Follow's callbacks become calls of the core; the core's candles, events and fields become one
// transaction with the positions that follow adds.

#include "services/strategy/io/worker_inner.h"

#include <hiredis/hiredis.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/decimal.h"
#include "common/base/log.h"
#include "common/base/mem.h"
#include "services/strategy/io/run.h"

#define REFRESH_MS 1000
#define COMMANDS_POLL_MS 100
#define EVENTS_KEEP "10000"
// A notice names at most this many changed candles; an empty list means "any".
#define NOTICE_CANDLES 100
#define TEXT_MAX ((size_t)16 << 20)

// ---- commands ----------------------------------------------------------------------------------

static void on_command(void *arg)
{
    struct worker *w = arg;
    follow_touch(w->follow);
}

static void commands_cb(void *arg)
{
    struct worker *w = arg;
    flows_poll(&w->flows, follow_redis(w->follow));
    if (flows_is_due(&w->flows)) {
        follow_touch(w->follow);
    }
}

// ---- entries -----------------------------------------------------------------------------------

static void on_trade(void *arg, const struct trade *t, int64_t rx_us, bool late)
{
    struct worker *w = arg;
    strategy_on_trade(&w->core, t, rx_us, late);
    if (w->oldest_rx_us == 0) {
        w->oldest_rx_us = rx_us;
    }
}

static void on_history(void *arg, const struct history *h)
{
    struct worker *w = arg;
    uint64_t refused = w->core.days_refused;
    strategy_on_history(&w->core, h);
    if (w->core.days_refused != refused) {
        log_ev(LOG_WARN, "summary_refused", F_STR("sym", w->o.ins.name),
               F_INT("day_ms", h->from_ms), F_STR("why", w->core.refused.text));
    }
}

static void on_bad_entry(void *arg, const char *why)
{
    (void)why;
    struct worker *w = arg;
    w->core.bad++;
}

// ---- stale buckets
// -------------------------------------------------------------------------------

static void on_stale_trade(void *arg, const struct trade *t)
{
    struct worker *w = arg;
    strategy_stale_trade(&w->core, t);
}

static void on_stale_done(void *arg, bool ok)
{
    struct worker *w = arg;
    if (w->has_state) {
        uint64_t kept = w->core.kept_stale;
        strategy_stale_end(&w->core, ok);
        if (w->core.kept_stale != kept) {
            log_ev(LOG_WARN, "candles_not_recomputed", F_STR("sym", w->o.ins.name),
                   F_UINT("buckets", w->core.kept_stale - kept),
                   F_STR("why", "the streams no longer hold all their trades"));
        }
        follow_touch(w->follow);
    }
}

static void work_on_stale(struct worker *w)
{
    int64_t from;
    int64_t to;
    if (w->caught_up && strategy_stale_begin(&w->core, &from, &to)) {
        follow_read_back(w->follow, from, to, on_stale_trade, on_stale_done, w);
    }
}

// ---- flush -------------------------------------------------------------------------------------

static void put(void *arg, const char *field, const char *value, size_t n)
{
    redis_tx_hset(arg, field, value, n);
}

static void put_candle(void *arg, size_t tf, int64_t start_ms, const char *json, size_t n)
{
    struct worker *w = arg;
    char field[24];
    struct slice start = {field, fmt_i64(field, start_ms)};
    redis_tx_argv(
        w->tx, 4,
        (struct slice[]){slice_of("HSET"), slice_of(w->candles_key[tf]), start, {json, n}});
    if (w->n_changed[tf]++ < NOTICE_CANDLES) {
        buf_addf(&w->changed[tf], "%s%lld", w->n_changed[tf] > 1 ? "," : "", (long long)start_ms);
    }
}

static void del_candle(void *arg, size_t tf, int64_t start_ms)
{
    struct worker *w = arg;
    char field[24];
    struct slice start = {field, fmt_i64(field, start_ms)};
    redis_tx_argv(w->tx, 3,
                  (struct slice[]){slice_of("HDEL"), slice_of(w->candles_key[tf]), start});
}

static void put_event(void *arg, const char *type, int64_t ts_ms, const char *json, size_t n)
{
    struct worker *w = arg;
    char ts[24];
    struct slice at = {ts, fmt_i64(ts, ts_ms)};
    const struct slice argv[] = {slice_of("XADD"),      slice_of(w->events_key),
                                 slice_of("MAXLEN"),    slice_of("~"),
                                 slice_of(EVENTS_KEEP), slice_of("*"),
                                 slice_of("type"),      slice_of(type),
                                 slice_of("ts_ms"),     at,
                                 slice_of("data"),      {json, n}};
    redis_tx_argv(w->tx, sizeof argv / sizeof argv[0], argv);
    w->events++;
    log_ev(LOG_DEBUG, type, F_STR("sym", w->o.ins.name), F_INT("ts_ms", ts_ms));
}

static void put_footprint(void *arg, size_t tf, int64_t start_ms, const char *json, size_t n)
{
    struct worker *w = arg;
    indicators_put_footprint(&w->indicators, tf, start_ms, json, n);
}

static void publish(struct worker *w, const char *topic, const char *changed)
{
    char tail[64];
    char key[KEY_MAX];
    char day[16] = "";
    str_fmt(tail, sizeof tail, "pub:%s", topic);
    instrument_key(&w->o.ins, tail, key);
    if (!day_is_empty_slot(&w->core.ledger.cur)) {
        iso_day(w->core.ledger.cur.start_ms, day);
    }
    buf_clear(&w->text);
    buf_addf(&w->text, "{\"ver\":%llu,\"day\":\"%s\",\"changed\":[%s]}",
             (unsigned long long)w->core.ver, day, changed);
    redis_tx_argv(w->tx, 3,
                  (struct slice[]){
                      slice_of("PUBLISH"), slice_of(key), {buf_ptr(&w->text), buf_len(&w->text)}});
}

static void del_key(struct worker *w, const char *key)
{
    redis_tx_argv(w->tx, 2, (struct slice[]){slice_of("DEL"), slice_of(key)});
}

static void publish_flow(void *arg, const char *topic, const char *what)
{
    publish(arg, topic, what);
}

static void write_notices(struct worker *w, bool changed, bool regime)
{
    for (size_t i = 0; i < N_TF; i++) {
        if (w->n_changed[i] > 0) {
            char topic[24];
            str_fmt(topic, sizeof topic, "candles:%s", strategy_tf[i]);
            publish(w, topic, w->n_changed[i] <= NOTICE_CANDLES ? buf_cstr(&w->changed[i]) : "");
        }
    }
    for (size_t i = 0; i < N_TF; i++) {
        struct indicators *x = &w->indicators;
        if (x->n_changed[i] > 0) {
            char topic[24];
            str_fmt(topic, sizeof topic, "footprint:%s", strategy_tf[i]);
            publish(w, topic, x->n_changed[i] <= NOTICE_CANDLES ? buf_cstr(&x->changed[i]) : "");
        }
    }
    if (regime) {
        publish(w, "regime", "\"regime\"");
    }
    if (w->events > 0) {
        publish(w, "events", "");
    }
    if (changed) {
        publish(w, "strategy", "\"strategy\"");
        publish(w, "metrics", "\"metrics\"");
    }
}

static bool on_flush(void *arg, struct redis_tx *tx, bool caught_up)
{
    struct worker *w = arg;
    struct strategy *c = &w->core;
    w->tx = tx;
    w->caught_up = caught_up;
    for (size_t i = 0; i < N_TF; i++) {
        buf_clear(&w->changed[i]);
        w->n_changed[i] = 0;
    }
    w->events = 0;
    c->ver++;
    if (w->replace_all) {
        del_key(w, w->strategy_key);
        del_key(w, w->metrics_key);
        del_key(w, w->candles_key[0]);
        del_key(w, w->candles_key[1]);
        indicators_fresh(&w->indicators, true);
        w->replace_all = false;
    }
    bool counted = ledger_changes(&c->ledger) != w->written_changes || w->write_all;
    w->written_changes = ledger_changes(&c->ledger);
    w->write_all = false;
    if (counted) {
        daystore_flush(&w->days, tx, NULL, NULL);
    }
    // Behind the newest entry the exchange has gone on, but not behind what is still unread.
    int64_t clock = strategy_clock(c, follow_wall_us(w->follow), loop_mono_ms(w->o.loop));
    int64_t watermark = caught_up ? clock : c->ledger.newest_ms;
    const struct strategy_sink sink = {.candle = put_candle,
                                       .candle_gone = del_candle,
                                       .event = put_event,
                                       .footprint = put_footprint,
                                       .arg = w};
    bool changed = strategy_settle(c, watermark, &sink) || counted;
    bool regime =
        indicators_flush(&w->indicators, tx, &sink, caught_up, counted, loop_mono_ms(w->o.loop));
    bool flow = flows_flush(&w->flows, tx, clock, counted);
    changed |= flow || regime || w->indicators.n_changed[0] > 0 || w->indicators.n_changed[1] > 0;
    if (!changed) {
        c->ver--;
    }
    redis_tx_hset_begin(tx, w->strategy_key);
    strategy_fields(c, put, tx);
    run_fields(tx, c, w->follow, clock, loop_wall_us(w->o.loop) / 1000, &w->text);
    redis_tx_hset_end(tx);
    redis_tx_hset_begin(tx, w->metrics_key);
    if (counted) {
        strategy_metrics(c, put, tx);
    }
    run_metrics(tx, c, w->o.window_sec, loop_wall_us(w->o.loop) / 1000, &w->latency);
    redis_tx_hset_end(tx);
    write_notices(w, changed, regime);
    if (flow) {
        flows_notices(&w->flows, publish_flow, w);
    }
    w->sent_rx_us = w->oldest_rx_us;
    w->oldest_rx_us = 0;
    return true;
}

static void on_flushed(void *arg)
{
    struct worker *w = arg;
    if (w->sent_rx_us > 0 && w->caught_up) {
        latency_add(&w->latency, follow_wall_us(w->follow) - w->sent_rx_us);
    }
    w->sent_rx_us = 0;
    work_on_stale(w);
}

static void refresh_cb(void *arg)
{
    struct worker *w = arg;
    follow_touch(w->follow); // candles complete and sessions change without trades, too
}

// ---- interface ---------------------------------------------------------------------------------

struct worker *worker_new(const struct worker_opts *o)
{
    struct worker *w = xcalloc(1, sizeof *w);
    w->o = *o;
    instrument_key(&o->ins, "strategy", w->strategy_key);
    instrument_key(&o->ins, "metrics", w->metrics_key);
    instrument_key(&o->ins, "events", w->events_key);
    buf_init(&w->text, TEXT_MAX);
    for (size_t i = 0; i < N_TF; i++) {
        char tail[24];
        str_fmt(tail, sizeof tail, "candles:%s", strategy_tf[i]);
        instrument_key(&o->ins, tail, w->candles_key[i]);
        buf_init(&w->changed[i], TEXT_MAX);
    }
    strategy_stored_init(&w->stored);
    indicators_init(&w->indicators, &o->ins, &w->core);
    flows_init(&w->flows, &o->ins, &w->core, o->loop);
    w->flows.on_begun = worker_commands_known;
    w->flows.on_command = on_command;
    w->flows.arg = w;
    w->follow = follow_new(&(struct follow_opts){.loop = o->loop,
                                                 .url = o->url,
                                                 .service = "strategy",
                                                 .ins = o->ins,
                                                 .pos_key = w->strategy_key,
                                                 .flush_ms = o->flush_ms,
                                                 .on_load = worker_load,
                                                 .on_trade = on_trade,
                                                 .on_history = on_history,
                                                 .on_bad_entry = on_bad_entry,
                                                 .on_flush = on_flush,
                                                 .on_flushed = on_flushed,
                                                 .arg = w});
    w->refresh = timer_new(o->loop, refresh_cb, w);
    timer_every(w->refresh, REFRESH_MS);
    w->commands = timer_new(o->loop, commands_cb, w);
    timer_every(w->commands, COMMANDS_POLL_MS);
    return w;
}

void worker_free(struct worker *w)
{
    if (!w) {
        return;
    }
    timer_free(w->refresh);
    timer_free(w->commands);
    follow_free(w->follow);
    worker_drop_state(w);
    strategy_stored_release(&w->stored);
    indicators_release(&w->indicators);
    flows_release(&w->flows);
    buf_release(&w->text);
    for (size_t i = 0; i < N_TF; i++) {
        buf_release(&w->changed[i]);
    }
    free(w);
}

void worker_drain(struct worker *w, void (*done)(void *arg), void *arg)
{
    timer_stop(w->refresh);
    timer_stop(w->commands);
    follow_drain(w->follow, done, arg);
}

bool worker_is_ready(const struct worker *w, char *why, size_t size)
{
    return follow_is_ready(w->follow, why, size);
}

const char *worker_name(const struct worker *w)
{
    return w->o.ins.name;
}

void worker_stats(const struct worker *w, struct worker_stats *out)
{
    *out = (struct worker_stats){.stored = follow_stored(w->follow)};
    follow_stats(w->follow, &out->follow);
    if (w->has_state) {
        const struct strategy *c = &w->core;
        out->bad = c->bad;
        out->duplicates = c->ledger.duplicates;
        out->too_old = c->ledger.too_old;
        out->refused = c->ledger.refused;
        out->names = (int64_t)ledger_names(&c->ledger);
        out->completed = c->completed;
        out->revised = c->revised;
        out->missing_ms = c->cov[0].missing_ms;
        out->holes = (int64_t)c->cov[0].holes;
        out->stale = (int64_t)strategy_stale_count(c);
        out->simulated = c->ledger.ins.simulated;
    }
}

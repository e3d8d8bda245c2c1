// One instrument: its connection, what it knows, what it still wants.
//
//   DOWN      no link
//   WAIT      no :instrument or no live trade yet; asked again four times a second
//   LOADING   reading :instrument, :backfill and both ends of :trades
//   RUNNING   sources are asked, entries go to deliver
//   COMPLETE  nothing is missing before the first live trade, or what is was declared
//   OFF       switched off, or a venue without a source: the state says so, nothing else happens
//   any error of the link, a refused transaction -> DOWN, and everything is read again

#include <hiredis/hiredis.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/log.h"
#include "common/base/mem.h"
#include "services/backfill/io/app.h"
#include "services/backfill/io/fields.h"
#include "services/backfill/io/keep.h"

#define WAIT_MS 250
#define FIELDS_MAX 64
#define DAY_CHECK_TICKS 5

static void load(struct job *j);

// Sources may be asked, and what they bring be delivered.
static bool is_at_work(const struct job *j)
{
    return j->state == JOB_RUNNING || (j->state == JOB_COMPLETE && j->ops->goes_on);
}

static bool is_off(const struct job *j)
{
    const struct config *c = j->app->cfg;
    return c->skipped || !c->enabled || j->ops == NULL;
}

// ---- loading
// -------------------------------------------------------------------------------------

static void wait_for(struct job *j, const char *what)
{
    str_copy(j->wait_why, sizeof j->wait_why, what);
    j->state = JOB_WAIT;
    timer_start(j->retry, WAIT_MS);
}

static bool read_units(struct job *j, const struct redisReply *hash)
{
    const char *kv[2 * FIELDS_MAX];
    size_t pairs = 0;
    struct instrument ins;
    struct err e = {0};
    for (size_t i = 0; i + 1 < hash->elements && pairs < FIELDS_MAX; i += 2) {
        kv[2 * pairs] = hash->element[i]->str;
        kv[2 * pairs + 1] = hash->element[i + 1]->str;
        pairs++;
    }
    if (pairs == 0 || instrument_from_fields(&j->ins, kv, pairs, &ins, &e) != 0) {
        return false;
    }
    j->ins = ins;
    int64_t ms;
    if (fields_ints(hash, "_clock_offset_ms", &ms, 1)) {
        budget_set_clock(j->app->budget, true, ms);
    }
    return true;
}

// Id and time of the one entry of an XRANGE reply.
static bool read_entry(const struct redisReply *r, int64_t *ms, int64_t *id)
{
    if (r == NULL || r->type != REDIS_REPLY_ARRAY || r->elements != 1 ||
        r->element[0]->elements < 1 || r->element[0]->element[0]->str == NULL) {
        return false;
    }
    const char *text = r->element[0]->element[0]->str, *dash = strchr(text, '-');
    return dash != NULL && parse_i64(text, (size_t)(dash - text), ms) == 0 &&
           parse_i64(dash + 1, strlen(dash + 1), id) == 0;
}

static void begin(struct job *j, const struct redisReply *h, const struct live_ends *live)
{
    const int64_t mono = loop_mono_ms(j->app->loop);
    j->ops->restore(j, h, live);
    j->loaded = fields_int(h, "trades_loaded", 0);
    j->state = JOB_RUNNING;
    j->error[0] = '\0';
    j->began_ms = mono;
    j->newest_ms = live->newest_ms;
    j->completed_ms = -1;
    progress_init(&j->progress, mono);
    j->ops->begin(j);
    deliver_loaded(j->deliver, fields_int(h, "_ver", 0));
    job_kick(j);
}

static void on_loaded(struct redis *r, const struct redisReply *reply, void *arg)
{
    struct job *j = arg;
    struct live_ends live;
    int64_t newest_id;
    (void)r;
    if (reply == NULL || j->state != JOB_LOADING) {
        return;
    }
    if (reply->type != REDIS_REPLY_ARRAY || reply->elements != 4) {
        // Somebody wrote :backfill between WATCH and here, or Redis is loading.
        wait_for(j, "redis to answer");
        return;
    }
    if (is_off(j)) {
        j->state = JOB_OFF;
        deliver_loaded(j->deliver, fields_int(reply->element[1], "_ver", 0));
        return;
    }
    if (!read_units(j, reply->element[0])) {
        wait_for(j, "the collector to describe the instrument");
        return;
    }
    if (!read_entry(reply->element[2], &live.first_ms, &live.first_id) ||
        !read_entry(reply->element[3], &live.newest_ms, &newest_id)) {
        wait_for(j, "the first live trade");
        return;
    }
    begin(j, reply->element[1], &live);
}

static void load(struct job *j)
{
    char key[KEY_MAX], trades[KEY_MAX];
    struct redis *r = j->redis;
    instrument_key(&j->ins, "instrument", key);
    instrument_key(&j->ins, "trades", trades);
    j->state = JOB_LOADING;
    deliver_reset(j->deliver);
    // The watch of the transaction that reads is used up by its EXEC: watched again behind it, and
    // the first look at `_ver` tells whether anybody wrote in between.
    struct redis_tx *tx = redis_tx_new(65536);
    redis_tx_begin(tx);
    const struct slice a[] = {slice_of("HGETALL"), slice_of(key)};
    const struct slice b[] = {slice_of("HGETALL"), slice_of(j->key_backfill)};
    const struct slice c[] = {slice_of("XRANGE"), slice_of(trades),  slice_of("-"),
                              slice_of("+"),      slice_of("COUNT"), slice_of("1")};
    const struct slice d[] = {slice_of("XREVRANGE"), slice_of(trades),  slice_of("+"),
                              slice_of("-"),         slice_of("COUNT"), slice_of("1")};
    redis_tx_argv(tx, 2, a);
    redis_tx_argv(tx, 2, b);
    redis_tx_argv(tx, 6, c);
    redis_tx_argv(tx, 6, d);
    const int rc = redis_tx_exec(r, tx, on_loaded, j);
    redis_tx_free(tx);
    if (rc != 0 || redis_cmd(r, NULL, NULL, "WATCH %s", j->key_backfill) != 0) {
        wait_for(j, "redis to answer");
    }
}

static void stop_work(struct job *j)
{
    if (j->ops != NULL) {
        j->ops->stop(j);
    }
    deliver_reset(j->deliver);
}

static void on_up(void *arg)
{
    load(arg);
}

static void on_down(void *arg, const char *why)
{
    struct job *j = arg;
    log_ev(LOG_WARN, "redis_down", F_STR("sym", j->ins.name), F_STR("why", why));
    timer_stop(j->retry);
    j->state = JOB_DOWN;
    stop_work(j);
}

static void on_retry(void *arg)
{
    struct job *j = arg;
    if (j->reload[0] != '\0') {
        log_ev(LOG_WARN, "state_reload", F_STR("sym", j->ins.name), F_STR("why", j->reload));
        char why[sizeof j->reload];
        str_copy(why, sizeof why, j->reload);
        j->reload[0] = '\0';
        redis_kick(j->redis, why);
        return;
    }
    if (j->state == JOB_WAIT && redis_is_up(j->redis)) {
        load(j);
    }
}

void job_reload(struct job *j, const char *why)
{
    // Later: whoever calls may still be using what the reload drops.
    str_copy(j->reload, sizeof j->reload, why);
    timer_start(j->retry, 0);
}

// ---- running
// -------------------------------------------------------------------------------------

void job_emit(struct job *j, const struct history *h)
{
    j->ops->on_emit(j, h);
    deliver_add(j->deliver, h);
}

// Complete, it may be filling a hole behind the first live trade.
static bool is_refilling(const struct job *j)
{
    return j->state == JOB_COMPLETE && j->refiller != NULL && refiller_is_busy(j->refiller);
}

bool job_asks(const struct job *j)
{
    return is_at_work(j) || is_refilling(j);
}

bool job_has_room(const struct job *j)
{
    return job_asks(j) && deliver_has_room(j->deliver) && store_has_room(j->app->store, &j->ins);
}

void job_note_failure(struct job *j, const char *why)
{
    str_copy(j->last_why, sizeof j->last_why, why);
}

static void count(struct job *j)
{
    int64_t done, total;
    j->ops->count(j, &done, &total);
    progress_set(&j->progress, loop_mono_ms(j->app->loop), done, total);
}

static void complete(struct job *j)
{
    j->state = JOB_COMPLETE;
    j->error[0] = '\0';
    j->completed_ms = loop_mono_ms(j->app->loop) - j->began_ms;
    j->ops->on_complete(j);
    keep_sweep(j->app, &j->ins);
    log_ev(LOG_INFO, "backfill_complete", F_STR("sym", j->ins.name), F_INT("ms", j->completed_ms),
           F_INT("trades_loaded", j->loaded), F_UINT("from_store", j->rows_store),
           F_UINT("from_recording", j->rows_recording), F_UINT("lost", j->lost));
    deliver_touch(j->deliver);
}

void job_kick(struct job *j)
{
    if (service_is_draining(j->app->service)) {
        return;
    }
    if (is_refilling(j)) {
        refiller_kick(j->refiller);
    }
    if (!is_at_work(j)) {
        return;
    }
    j->ops->kick(j);
    count(j);
    if (j->state == JOB_RUNNING && j->ops->is_done(j) && deliver_is_idle(j->deliver)) {
        complete(j);
    }
}

// What was the previous day when it began may be of no interest any more.
static void on_newest(struct redis *r, const struct redisReply *reply, void *arg)
{
    struct job *j = arg;
    int64_t ms, id;
    (void)r;
    if (is_at_work(j) && read_entry(reply, &ms, &id) && j->ops->on_day(j, ms)) {
        job_reload(j, "a new day");
    }
}

static void look_at_day(struct job *j)
{
    char trades[KEY_MAX];
    if (j->ticks++ % DAY_CHECK_TICKS == 0) {
        instrument_key(&j->ins, "trades", trades);
        if (redis_cmd(j->redis, on_newest, j, "XREVRANGE %s + - COUNT 1", trades) != 0) {
            j->ticks = 0; // at the next second
        }
    }
}

void job_tick(struct job *j)
{
    const struct config *c = j->app->cfg;
    fold_tick(j->fold);
    if (j->state == JOB_COMPLETE && j->refiller != NULL) {
        refiller_tick(j->refiller);
    }
    if (!is_at_work(j)) {
        return;
    }
    look_at_day(j);
    if (j->state == JOB_COMPLETE) {
        job_kick(j);
        return;
    }
    count(j);
    const int64_t idle = progress_idle_ms(&j->progress, loop_mono_ms(j->app->loop));
    const bool bybit = j->ins.venue == VENUE_BYBIT;
    if (idle < (bybit ? c->bybit.timeout_s : c->timeout_s) * 1000) {
        j->error[0] = '\0';
    } else if (j->error[0] == '\0') {
        str_fmt(j->error, sizeof j->error, "no progress for %lld s: %s", (long long)(idle / 1000),
                j->app->block[0] != '\0' ? j->app->block
                : j->last_why[0] != '\0' ? j->last_why
                                         : "no answer");
        log_ev(LOG_ERROR, "backfill_stuck", F_STR("sym", j->ins.name), F_STR("why", j->error));
    }
    deliver_touch(j->deliver);
    job_kick(j);
}

bool job_is_ready(const struct job *j, char *why, size_t size)
{
    switch (j->state) {
    case JOB_DOWN:
    case JOB_LOADING:
        str_copy(why, size, "redis is down or loading");
        return false;
    case JOB_WAIT:
        str_fmt(why, size, "waiting for %s", j->wait_why);
        return false;
    case JOB_RUNNING:
        str_fmt(why, size, "%lld %% done%s%s", (long long)progress_percent(&j->progress),
                j->error[0] != '\0' ? "; " : "", j->error);
        return false;
    case JOB_COMPLETE:
    case JOB_OFF:
        break;
    }
    why[0] = '\0';
    return true;
}

// ---- life
// ----------------------------------------------------------------------------------------

static void drain_poll(void *arg)
{
    struct job *j = arg;
    void (*done)(void *) = j->drained;
    if (redis_is_up(j->redis) && j->state != JOB_DOWN && !deliver_is_idle(j->deliver)) {
        timer_start(j->drain, 10);
        return;
    }
    j->drained = NULL;
    if (done != NULL) {
        done(j->drained_arg);
    }
}

void job_drain(struct job *j, void (*done)(void *arg), void *arg)
{
    if (j->ops != NULL) {
        j->ops->stop(j);
    }
    j->cancelled = j->state == JOB_RUNNING;
    j->drained = done;
    j->drained_arg = arg;
    if (j->state == JOB_RUNNING) {
        deliver_touch(j->deliver);
    }
    timer_start(j->drain, 0);
}

const struct job_ops *job_ops_of(enum venue v)
{
    switch (v) {
    case VENUE_BINANCE:
        return &job_binance;
    case VENUE_BYBIT:
        return &job_bybit;
    }
    return NULL;
}

void job_start(struct app *a, const struct instrument *ins)
{
    struct job *j = xcalloc(1, sizeof *j);
    char name[64];
    j->app = a;
    j->index = a->n;
    j->ins = *ins;
    j->ops = job_ops_of(ins->venue);
    j->completed_ms = -1;
    progress_init(&j->progress, loop_mono_ms(a->loop));
    instrument_key(ins, "backfill", j->key_backfill);
    instrument_key(ins, "history", j->key_history);
    if (j->ops != NULL) {
        j->ops->init(j);
    }
    j->deliver = deliver_new(j);
    j->fold = fold_new(a);
    j->retry = timer_new(a->loop, on_retry, j);
    j->drain = timer_new(a->loop, drain_poll, j);
    a->job[a->n++] = j;
    str_fmt(name, sizeof name, "backfill/%s", ins->symbol);
    j->redis = redis_new(&(struct redis_opts){.loop = a->loop,
                                              .url = a->cfg->url,
                                              .name = name,
                                              .slot_key = j->key_history,
                                              .max_inflight = 256,
                                              .on_up = on_up,
                                              .on_down = on_down,
                                              .arg = j});
}

void job_free(struct job *j)
{
    if (j == NULL) {
        return;
    }
    j->state = JOB_DOWN;
    stop_work(j);
    redis_free(j->redis);
    timer_free(j->retry);
    timer_free(j->drain);
    deliver_free(j->deliver);
    fold_free(j->fold);
    if (j->ops != NULL) {
        j->ops->release(j);
    }
    free(j);
}

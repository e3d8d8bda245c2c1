// States, loading and flushing. Whatever goes wrong ends in follow_fail(): the write link is cut,
// which answers everything pending with NULL, and its return starts the whole procedure again.

#include "common/io/follow_internal.h"

#include <hiredis/hiredis.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/log.h"
#include "common/base/mem.h"

#define TX_MAX_BYTES ((size_t)64 << 20)
#define CATCH_UP_FACTOR 5
#define READY_LAG_MS 5000

static void try_flush(struct follow *f);

// ---- life of a load ----------------------------------------------------------------------------

static void set_down(struct follow *f)
{
    bool had = f->state == FOLLOW_LOADING || f->state == FOLLOW_FOLLOWING;
    f->state = FOLLOW_DOWN;
    f->watched = f->inflight = f->dirty = f->paused = f->caught_up = false;
    f->unflushed = 0;
    timer_stop(f->check_timer);
    timer_stop(f->flush_timer);
    stream_reader_pause(f->reader);
    follow_read_back_abort(f);
    if (had && f->o.on_unload) {
        f->o.on_unload(f->o.arg);
    }
    if (f->draining && f->drained) {
        void (*done)(void *) = f->drained;
        f->drained = NULL;
        done(f->drained_arg);
    }
}

void follow_fail(struct follow *f, const char *why)
{
    if (f->state == FOLLOW_FAILED || f->state == FOLLOW_DOWN) {
        return;
    }
    log_ev(LOG_WARN, "state_reload", F_STR("sym", f->ins.name), F_STR("why", why));
    set_down(f);
    f->state = FOLLOW_FAILED;
    str_copy(f->fail_why, sizeof f->fail_why, why);
    // Not here: the caller may stand in a callback of the very link.
    timer_start(f->reload_timer, 0);
}

static void reload_cb(void *arg)
{
    struct follow *f = arg;
    if (f->state == FOLLOW_FAILED) {
        redis_kick(f->w, f->fail_why);
        f->state = FOLLOW_DOWN; // also when the link was already gone
        if (redis_is_up(f->w)) {
            follow_start_check(f);
        }
    } else if (f->state == FOLLOW_BACKOFF) {
        follow_start_check(f);
    }
}

static void on_up(void *arg)
{
    struct follow *f = arg;
    if (f->needs_backoff) {
        f->needs_backoff = false;
        f->state = FOLLOW_BACKOFF;
        timer_start(f->reload_timer, backoff_next_ms(&f->backoff, f->o.loop));
        return;
    }
    follow_start_check(f);
}

static void on_down(void *arg, const char *why)
{
    struct follow *f = arg;
    if (f->state == FOLLOW_LOADING || f->state == FOLLOW_FOLLOWING) {
        log_ev(LOG_WARN, "state_reload", F_STR("sym", f->ins.name), F_STR("why", why));
    }
    timer_stop(f->reload_timer);
    if (f->state != FOLLOW_DOWN) {
        set_down(f);
    }
}

// ---- flush -------------------------------------------------------------------------------------

static void finish_drain(struct follow *f)
{
    if (f->draining && f->drained && !f->inflight && (!f->dirty || f->state != FOLLOW_FOLLOWING)) {
        void (*done)(void *) = f->drained;
        f->drained = NULL;
        done(f->drained_arg);
    }
}

static void resume_reading(struct follow *f)
{
    if (f->paused && !f->draining) {
        f->paused = false;
        const char *pos[2] = {stream_reader_position(f->reader, 0),
                              stream_reader_position(f->reader, 1)};
        stream_reader_start(f->reader, pos);
    }
}

// The positions as stored now, read behind WATCH: they must be what was written last.
static void on_watched(struct redis *r, const redisReply *reply, void *arg)
{
    (void)r;
    struct follow *f = arg;
    if (reply && f->state == FOLLOW_FOLLOWING && follow_positions_are_ours(f, reply)) {
        f->watched = true;
        try_flush(f);
    }
}

static void on_exec(struct redis *r, const redisReply *reply, void *arg)
{
    (void)r;
    struct follow *f = arg;
    f->inflight = false;
    if (!reply || f->state != FOLLOW_FOLLOWING) {
        return; // the link died: whether it ran is found out by loading
    }
    char why[120];
    if (redis_exec_failed(reply, why, sizeof why)) {
        char text[160];
        str_fmt(text, sizeof text, "transaction failed: %s", why);
        f->needs_backoff = true;
        follow_fail(f, text);
        return;
    }
    f->st.flushes++;
    if (f->sent_rx_us > 0) {
        promhist_add(&f->stored_in, follow_wall_us(f) - f->sent_rx_us);
    }
    backoff_reset(&f->backoff);
    if (f->o.on_flushed) {
        f->o.on_flushed(f->o.arg);
    }
    resume_reading(f);
    finish_drain(f);
}

static void send_flush(struct follow *f)
{
    redis_tx_begin(f->tx);
    f->dirty = false;
    if (f->unflushed > 0) { // a mere touch must not make the next trade wait
        f->last_flush_ms = loop_mono_ms(f->o.loop);
    }
    f->unflushed = 0;
    if (!f->o.on_flush(f->o.arg, f->tx, f->caught_up)) {
        resume_reading(f);
        finish_drain(f);
        return;
    }
    redis_tx_hset_begin(f->tx, f->pos_key);
    static const char *const field[2] = {"_pos_trades", "_pos_history"};
    for (size_t i = 0; i < 2; i++) {
        const char *p = stream_reader_position(f->reader, i);
        str_copy(f->stored[i], sizeof f->stored[i], p);
        redis_tx_hset(f->tx, field[i], p, strlen(p));
    }
    char schema[24];
    redis_tx_hset(f->tx, "_schema", schema, fmt_i64(schema, f->o.schema));
    redis_tx_hset_end(f->tx);
    f->sent_rx_us = f->caught_up ? f->oldest_rx_us : 0;
    f->oldest_rx_us = 0;
    f->inflight = true;
    f->watched = false;
    f->flush_seq++;
    int rc = redis_tx_exec(f->w, f->tx, on_exec, f);
    rc = rc ? rc : redis_cmd(f->w, NULL, NULL, "WATCH %s", f->pos_key);
    rc = rc ? rc : redis_cmd(f->w, on_watched, f, "HMGET %s _pos_trades _pos_history", f->pos_key);
    if (rc) {
        f->needs_backoff = true;
        follow_fail(f, rc == ERR_LIMIT ? "the transaction is over the limit"
                                       : "the write link takes no command");
    }
}

static void try_flush(struct follow *f)
{
    if (f->state != FOLLOW_FOLLOWING || f->inflight || !f->watched) {
        return;
    }
    if (!f->dirty) {
        finish_drain(f);
        return;
    }
    int64_t every = f->o.flush_ms * (f->caught_up ? 1 : CATCH_UP_FACTOR);
    int64_t wait = f->last_flush_ms + every - loop_mono_ms(f->o.loop);
    if (wait > 0 && !f->draining) {
        if (!timer_is_running(f->flush_timer)) {
            timer_start(f->flush_timer, wait);
        }
        return;
    }
    timer_stop(f->flush_timer);
    send_flush(f);
}

static void flush_cb(void *arg)
{
    try_flush(arg);
}

static void on_batch(void *arg, size_t got)
{
    struct follow *f = arg;
    if (f->state != FOLLOW_FOLLOWING) {
        return;
    }
    bool was = f->caught_up;
    f->caught_up = f->in_reply[0] < f->read_count && f->in_reply[1] < f->read_count;
    f->read_count = f->in_reply[1] > 0 ? FOLLOW_READ_HISTORY : FOLLOW_READ_COUNT;
    stream_reader_set_count(f->reader, f->read_count);
    f->in_reply[0] = f->in_reply[1] = 0;
    if (f->caught_up) {
        f->st.lag_ms = 0;
    } else {
        int64_t age = (follow_wall_us(f) - f->newest_rx_us) / 1000;
        f->st.lag_ms = f->newest_rx_us == 0 ? -1 : age > 0 ? age : 0;
    }
    if (got > 0 || f->caught_up != was) {
        f->dirty = true;
        f->unflushed += got;
        try_flush(f);
    }
    if (f->state == FOLLOW_FOLLOWING && f->unflushed > FOLLOW_MAX_UNFLUSHED && !f->paused) {
        f->paused = true;
        stream_reader_pause(f->reader);
    }
}

// ---- interface ---------------------------------------------------------------------------------

static void on_reader_down(void *arg, const char *why)
{
    struct follow *f = arg;
    (void)why; // logged by the link; it goes on from the same position when it is back
    f->caught_up = false;
    f->in_reply[0] = f->in_reply[1] = 0;
}

struct follow *follow_new(const struct follow_opts *o)
{
    struct follow *f = xcalloc(1, sizeof *f);
    f->o = *o;
    f->o.schema = o->schema > 0 ? o->schema : 1;
    f->ins = o->ins;
    f->st.lag_ms = -1;
    f->rb_percent = -1;
    f->read_count = FOLLOW_READ_HISTORY;
    f->backoff = (struct backoff){.min_ms = 200, .max_ms = 5000};
    str_copy(f->pos_key, sizeof f->pos_key, o->pos_key);
    f->o.pos_key = f->pos_key;
    instrument_key(&o->ins, "trades", f->trades_key);
    instrument_key(&o->ins, "history", f->history_key);
    instrument_key(&o->ins, "instrument", f->instrument_key);
    f->tx = redis_tx_new(TX_MAX_BYTES);
    f->check_timer = timer_new(o->loop, follow_check_cb, f);
    f->flush_timer = timer_new(o->loop, flush_cb, f);
    f->reload_timer = timer_new(o->loop, reload_cb, f);
    char name[64];
    str_fmt(name, sizeof name, "%s/read", o->service);
    f->reader =
        stream_reader_new(&(struct stream_reader_opts){.loop = o->loop,
                                                       .url = o->url,
                                                       .name = name,
                                                       .streams = 2,
                                                       .key = {f->trades_key, f->history_key},
                                                       .count = FOLLOW_READ_HISTORY,
                                                       .block_ms = 1000,
                                                       .on_entry = follow_on_entry,
                                                       .on_batch = on_batch,
                                                       .on_down = on_reader_down,
                                                       .arg = f});
    str_fmt(name, sizeof name, "%s/write", o->service);
    f->w = redis_new(&(struct redis_opts){.loop = o->loop,
                                          .url = o->url,
                                          .name = name,
                                          .slot_key = f->trades_key,
                                          .max_inflight = 1u << 20,
                                          .on_up = on_up,
                                          .on_down = on_down,
                                          .arg = f});
    return f;
}

void follow_free(struct follow *f)
{
    if (!f) {
        return;
    }
    f->drained = NULL;
    f->state = FOLLOW_FAILED; // pending callbacks do nothing
    follow_read_back_abort(f);
    stream_reader_free(f->reader);
    redis_free(f->w);
    timer_free(f->check_timer);
    timer_free(f->flush_timer);
    timer_free(f->reload_timer);
    redis_tx_free(f->tx);
    free(f);
}

const struct promhist *follow_stored(const struct follow *f)
{
    return &f->stored_in;
}

struct redis *follow_redis(struct follow *f)
{
    return f->w;
}

void follow_loaded(struct follow *f, const char *pos_trades, const char *pos_history)
{
    if (f->state != FOLLOW_LOADING) {
        return;
    }
    const char *pos[2] = {pos_trades && pos_trades[0] ? pos_trades : "0-0",
                          pos_history && pos_history[0] ? pos_history : "0-0"};
    f->state = FOLLOW_FOLLOWING;
    f->caught_up = f->paused = false;
    f->unflushed = 0;
    f->oldest_rx_us = f->sent_rx_us = 0;
    f->in_reply[0] = f->in_reply[1] = 0;
    log_ev(LOG_INFO, "following", F_STR("sym", f->ins.name), F_STR("trades", pos[0]),
           F_STR("history", pos[1]));
    follow_tell_skips(f, pos);
    timer_start(f->check_timer, FOLLOW_CHECK_MS);
    if (!f->draining) {
        stream_reader_start(f->reader, pos);
    }
    try_flush(f);
}

void follow_load_failed(struct follow *f, const char *why)
{
    if (f->state != FOLLOW_LOADING) {
        return;
    }
    log_ev(LOG_ERROR, "state_rejected", F_STR("sym", f->ins.name), F_STR("why", why));
    f->dirty = true;
    follow_loaded(f, NULL, NULL);
}

void follow_touch(struct follow *f)
{
    if (f->state == FOLLOW_FOLLOWING) {
        f->dirty = true;
        try_flush(f);
    }
}

void follow_drain(struct follow *f, void (*done)(void *arg), void *arg)
{
    f->draining = true;
    f->drained = done;
    f->drained_arg = arg;
    if (f->state != FOLLOW_FOLLOWING) {
        f->drained = NULL;
        done(arg);
        return;
    }
    stream_reader_pause(f->reader);
    try_flush(f);
}

bool follow_is_ready(const struct follow *f, char *why, size_t size)
{
    static const char *const text[] = {
        [FOLLOW_DOWN] = "redis is down",
        [FOLLOW_WAIT] = "waiting for the instrument",
        [FOLLOW_BACKOFF] = "redis refuses writes",
        [FOLLOW_LOADING] = "loading",
        [FOLLOW_FOLLOWING] = "",
        [FOLLOW_FAILED] = "reloading",
    };
    const char *s = text[f->state];
    str_copy(why, size, s);
    if (f->state == FOLLOW_LOADING && f->rb_percent >= 0) {
        str_fmt(why, size, "loading %d %%", f->rb_percent);
    }
    if (f->state == FOLLOW_WAIT && f->newer_logged) {
        str_fmt(why, size, "state of schema %d is of a newer version, this one knows %d",
                f->stored_schema, f->o.schema);
    }
    if (s[0]) {
        return false;
    }
    if (!stream_reader_is_up(f->reader)) {
        str_copy(why, size, "redis is down");
        return false;
    }
    if (f->st.lag_ms < 0 || f->st.lag_ms > READY_LAG_MS) {
        str_fmt(why, size, f->st.lag_ms < 0 ? "loading" : "lagging %lld s",
                (long long)(f->st.lag_ms / 1000));
        return false;
    }
    return true;
}

int64_t follow_wall_us(const struct follow *f)
{
    return loop_wall_us(f->o.loop) + f->clock_offset_ms * 1000;
}

void follow_stats(const struct follow *f, struct follow_stats *out)
{
    *out = f->st;
    out->newest_rx_us = f->newest_rx_us;
    str_copy(out->pos_trades, sizeof out->pos_trades, stream_reader_position(f->reader, 0));
    str_copy(out->pos_history, sizeof out->pos_history, stream_reader_position(f->reader, 1));
}

// States, loading and flushing. Whatever goes wrong ends in follow_fail(): the write link is cut,
// which answers everything pending with NULL, and its return starts the whole procedure again.

#include "common/io/follow_internal.h"

#include <hiredis/hiredis.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/log.h"
#include "common/base/mem.h"

#define CHECK_MS 1000
#define TX_MAX_BYTES ((size_t)64 << 20)
// XINFO shows the first and last entry whole, and those of :history can be long.
#define HISTORY_CHECK_EVERY 30
#define CATCH_UP_FACTOR 5
#define READY_LAG_MS 5000

static void try_flush(struct follow *f);
static void start_check(struct follow *f);

// ---- ids ---------------------------------------------------------------------------------------

struct stream_pos stream_pos_of(const char *id)
{
    struct stream_pos p = {0, 0};
    const char *dash = strchr(id, '-');
    size_t n = dash ? (size_t)(dash - id) : strlen(id);
    if (parse_u64(id, n, &p.ms) || (dash && parse_u64(dash + 1, strlen(dash + 1), &p.seq))) {
        return (struct stream_pos){0, 0};
    }
    return p;
}

int stream_pos_cmp(struct stream_pos a, struct stream_pos b)
{
    if (a.ms != b.ms) {
        return a.ms < b.ms ? -1 : 1;
    }
    return a.seq < b.seq ? -1 : a.seq > b.seq;
}

static bool is_behind(const char *a, const char *b)
{
    return stream_pos_cmp(stream_pos_of(a), stream_pos_of(b)) < 0;
}

// Unknown ends ("") say nothing.
static bool ends_before(const char *end, const char *pos)
{
    return end[0] && is_behind(end, pos);
}

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
            start_check(f);
        }
    } else if (f->state == FOLLOW_BACKOFF) {
        start_check(f);
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
    start_check(f);
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

// ---- check: units, trimming, ends of the streams, stored positions
// --------------------------------

static const char *const instrument_fields[] = {
    "venue",  "symbol",       "tick",        "step",      "min_qty",
    "schema", "min_notional", "price_scale", "qty_scale", "simulated",
};
#define N_INSTRUMENT_FIELDS (sizeof instrument_fields / sizeof instrument_fields[0])
static const char *const run_fields[] = {"_trimmed_to_trades", "_trimmed_to_history",
                                         "_clock_offset_ms"};
#define N_RUN_FIELDS 3

static bool text_of(const redisReply *r, char *out, size_t size)
{
    out[0] = '\0';
    return r && r->type == REDIS_REPLY_STRING && str_copyn(out, size, r->str, r->len);
}

static const redisReply *item(const redisReply *reply, size_t i)
{
    return reply && reply->type == REDIS_REPLY_ARRAY && i < reply->elements ? reply->element[i]
                                                                            : NULL;
}

// The instrument of a HMGET over all fields; false: not there, or not usable (logged).
static bool read_instrument(struct follow *f, const redisReply *reply, struct instrument *out)
{
    static const char *kv[2 * N_INSTRUMENT_FIELDS];
    size_t n = 0;
    for (size_t i = 0; i < N_INSTRUMENT_FIELDS; i++) {
        const redisReply *v = item(reply, i);
        if (v && v->type == REDIS_REPLY_STRING) {
            kv[2 * n] = instrument_fields[i];
            kv[2 * n + 1] = v->str;
            n++;
        }
    }
    if (n == 0) {
        return false;
    }
    struct err e = {0};
    if (instrument_from_fields(&f->o.ins, kv, n, out, &e)) {
        log_ev(LOG_ERROR, "instrument_refused", F_STR("sym", f->ins.name), F_STR("why", e.text));
        return false;
    }
    return true;
}

static void read_run_fields(struct follow *f, const redisReply *reply)
{
    for (size_t i = 0; i < 2; i++) {
        text_of(item(reply, N_INSTRUMENT_FIELDS + i), f->trimmed[i], sizeof f->trimmed[i]);
    }
    char offset[24];
    text_of(item(reply, N_INSTRUMENT_FIELDS + 2), offset, sizeof offset);
    if (parse_i64(offset, strlen(offset), &f->clock_offset_ms)) {
        f->clock_offset_ms = 0;
    }
}

// Entries between the position and the trimming mark are gone: their ids are simply not held, so
// coverage shows the hole. Told once per mark.
static void tell_skips(struct follow *f, const char *const pos[2])
{
    static const char *const name[2] = {"trades", "history"};
    for (size_t i = 0; i < 2; i++) {
        if (!f->trimmed[i][0] || strcmp(pos[i], "0-0") == 0 || !is_behind(pos[i], f->trimmed[i]) ||
            strcmp(f->skip_logged[i], f->trimmed[i]) == 0) {
            continue;
        }
        f->st.skips++;
        str_copy(f->skip_logged[i], sizeof f->skip_logged[i], f->trimmed[i]);
        log_ev(LOG_WARN, "stream_skipped", F_STR("sym", f->ins.name), F_STR("stream", name[i]),
               F_STR("position", pos[i]), F_STR("trimmed_to", f->trimmed[i]));
    }
}

static void poll_again(struct follow *f)
{
    f->state = FOLLOW_WAIT;
    timer_start(f->check_timer, CHECK_MS);
}

static bool same_units(const struct instrument *a, const struct instrument *b)
{
    return a->price_scale == b->price_scale && a->qty_scale == b->qty_scale &&
           a->bin_ticks == b->bin_ticks && a->simulated == b->simulated && a->schema == b->schema &&
           a->price_decimals == b->price_decimals && a->qty_decimals == b->qty_decimals;
}

static void begin_load(struct follow *f)
{
    bool scratch = false;
    for (size_t i = 0; i < 2; i++) {
        str_copy(f->start[i], sizeof f->start[i], f->stored[i][0] ? f->stored[i] : "0-0");
        scratch = scratch || ends_before(f->last_id[i], f->start[i]);
    }
    if (scratch) {
        log_ev(LOG_WARN, "positions_ahead", F_STR("sym", f->ins.name), F_STR("trades", f->start[0]),
               F_STR("trades_end", f->last_id[0]), F_STR("history", f->start[1]),
               F_STR("history_end", f->last_id[1]));
        str_copy(f->start[0], sizeof f->start[0], "0-0");
        str_copy(f->start[1], sizeof f->start[1], "0-0");
    }
    f->state = FOLLOW_LOADING;
    f->watched = true;
    f->st.reloads++;
    f->dirty = scratch;
    f->newest_rx_us = 0;
    f->st.lag_ms = -1;
    f->o.on_load(f->o.arg, &f->ins, scratch);
}

// The answers of one check arrive in this order, the last one decides.
static void on_instrument(struct redis *r, const redisReply *reply, void *arg)
{
    (void)r;
    struct follow *f = arg;
    f->wait_ins.price_scale = -1;
    if (reply && read_instrument(f, reply, &f->wait_ins)) {
        read_run_fields(f, reply);
    } else {
        f->wait_ins.price_scale = -1;
    }
}

static void on_positions(struct redis *r, const redisReply *reply, void *arg)
{
    (void)r;
    struct follow *f = arg;
    for (size_t i = 0; i < 2 && reply; i++) {
        text_of(item(reply, i), f->stored[i], sizeof f->stored[i]);
    }
}

static void take_last_id(struct follow *f, size_t which, const redisReply *reply)
{
    if (!reply) {
        return;
    }
    bool no_key = reply->type == REDIS_REPLY_ERROR && strstr(reply->str, "no such key");
    str_copy(f->last_id[which], sizeof f->last_id[which], no_key ? "0-0" : "");
    for (size_t i = 0; reply->type == REDIS_REPLY_ARRAY && i + 1 < reply->elements; i += 2) {
        const redisReply *k = reply->element[i];
        if (k->type == REDIS_REPLY_STRING && strcmp(k->str, "last-generated-id") == 0) {
            text_of(reply->element[i + 1], f->last_id[which], sizeof f->last_id[which]);
        }
    }
}

static void on_trades_info(struct redis *r, const redisReply *reply, void *arg)
{
    (void)r;
    take_last_id(arg, 0, reply);
}

static void on_first_check(struct redis *r, const redisReply *reply, void *arg)
{
    (void)r;
    struct follow *f = arg;
    if (!reply || f->state != FOLLOW_WAIT) {
        return;
    }
    take_last_id(f, 1, reply);
    if (f->wait_ins.price_scale < 0) {
        if (!f->waiting_logged) {
            log_ev(LOG_INFO, "waiting_for_instrument", F_STR("sym", f->ins.name));
            f->waiting_logged = true;
        }
        poll_again(f);
        return;
    }
    f->waiting_logged = false;
    f->ins = f->wait_ins;
    begin_load(f);
}

static int send_check(struct follow *f, bool first)
{
    struct slice argv[2 + N_INSTRUMENT_FIELDS + N_RUN_FIELDS];
    size_t n = 0;
    argv[n++] = slice_of("HMGET");
    argv[n++] = slice_of(f->instrument_key);
    for (size_t i = 0; i < N_INSTRUMENT_FIELDS; i++) {
        argv[n++] = slice_of(instrument_fields[i]);
    }
    for (size_t i = 0; i < N_RUN_FIELDS; i++) {
        argv[n++] = slice_of(run_fields[i]);
    }
    int rc = first ? redis_cmd(f->w, NULL, NULL, "WATCH %s", f->pos_key) : 0;
    rc = rc ? rc : redis_argv(f->w, on_instrument, f, n, argv);
    if (first) {
        rc = rc ? rc
                : redis_cmd(f->w, on_positions, f, "HMGET %s _pos_trades _pos_history", f->pos_key);
    }
    return rc ? rc : redis_cmd(f->w, on_trades_info, f, "XINFO STREAM %s", f->trades_key);
}

static void start_check(struct follow *f)
{
    f->state = FOLLOW_WAIT;
    int rc = send_check(f, true);
    rc = rc ? rc : redis_cmd(f->w, on_first_check, f, "XINFO STREAM %s", f->history_key);
    if (rc) {
        poll_again(f);
    }
}

// ---- check while following
// -----------------------------------------------------------------------

static void on_later_check(struct redis *r, const redisReply *reply, void *arg)
{
    (void)r;
    struct follow *f = arg;
    if (!reply || f->state != FOLLOW_FOLLOWING) {
        return;
    }
    f->last_id[1][0] = '\0';
    if (reply->type != REDIS_REPLY_STATUS) { // not PONG: the XINFO of :history
        take_last_id(f, 1, reply);
    }
    if (f->wait_ins.price_scale < 0) {
        follow_fail(f, "the instrument is gone");
        return;
    }
    if (!same_units(&f->wait_ins, &f->ins)) {
        follow_fail(f, "units of the instrument changed");
        return;
    }
    const char *pos[2] = {f->check_pos[0], f->check_pos[1]};
    if (ends_before(f->last_id[0], pos[0]) || ends_before(f->last_id[1], pos[1])) {
        follow_fail(f, "a stream ends before the position: another keyspace");
        return;
    }
    tell_skips(f, pos);
}

static bool positions_are_ours(struct follow *f, const redisReply *reply)
{
    for (size_t i = 0; i < 2; i++) {
        char now[STREAM_ID_MAX];
        text_of(item(reply, i), now, sizeof now);
        if (strcmp(now, f->stored[i]) != 0) {
            follow_fail(f, "stored positions were changed by somebody else");
            return false;
        }
    }
    return true;
}

static void on_check_positions(struct redis *r, const redisReply *reply, void *arg)
{
    (void)r;
    struct follow *f = arg;
    // A transaction sent since has its own look.
    if (reply && f->state == FOLLOW_FOLLOWING && f->check_seq == f->flush_seq) {
        positions_are_ours(f, reply);
    }
}

static void check_cb(void *arg)
{
    struct follow *f = arg;
    if (f->state == FOLLOW_WAIT) {
        start_check(f);
        return;
    }
    if (f->state != FOLLOW_FOLLOWING) {
        return;
    }
    timer_start(f->check_timer, CHECK_MS);
    f->check_seq = f->flush_seq - (f->watched ? 0 : 1);
    for (size_t i = 0; i < 2; i++) {
        str_copy(f->check_pos[i], sizeof f->check_pos[i], stream_reader_position(f->reader, i));
    }
    int rc =
        redis_cmd(f->w, on_check_positions, f, "HMGET %s _pos_trades _pos_history", f->pos_key);
    rc = rc ? rc : send_check(f, false);
    if (rc == 0) {
        rc = f->checks++ % HISTORY_CHECK_EVERY == 0
                 ? redis_cmd(f->w, on_later_check, f, "XINFO STREAM %s", f->history_key)
                 : redis_cmd(f->w, on_later_check, f, "PING");
    }
    if (rc) {
        follow_fail(f, "the write link takes no command");
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
    if (reply && f->state == FOLLOW_FOLLOWING && positions_are_ours(f, reply)) {
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
    f->unflushed = 0;
    f->last_flush_ms = loop_mono_ms(f->o.loop);
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
    redis_tx_hset_end(f->tx);
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
    f->caught_up = f->in_reply[0] < FOLLOW_READ_COUNT && f->in_reply[1] < FOLLOW_READ_COUNT;
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
    f->ins = o->ins;
    f->st.lag_ms = -1;
    f->backoff = (struct backoff){.min_ms = 200, .max_ms = 5000};
    str_copy(f->pos_key, sizeof f->pos_key, o->pos_key);
    f->o.pos_key = f->pos_key;
    instrument_key(&o->ins, "trades", f->trades_key);
    instrument_key(&o->ins, "history", f->history_key);
    instrument_key(&o->ins, "instrument", f->instrument_key);
    f->tx = redis_tx_new(TX_MAX_BYTES);
    f->check_timer = timer_new(o->loop, check_cb, f);
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
                                                       .count = FOLLOW_READ_COUNT,
                                                       .block_ms = 1000,
                                                       .on_entry = follow_on_entry,
                                                       .on_batch = on_batch,
                                                       .on_down = on_reader_down,
                                                       .arg = f});
    str_fmt(name, sizeof name, "%s/write", o->service);
    f->w = redis_new(&(struct redis_opts){.loop = o->loop,
                                          .url = o->url,
                                          .name = name,
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
    f->in_reply[0] = f->in_reply[1] = 0;
    log_ev(LOG_INFO, "following", F_STR("sym", f->ins.name), F_STR("trades", pos[0]),
           F_STR("history", pos[1]));
    tell_skips(f, pos);
    timer_start(f->check_timer, CHECK_MS);
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

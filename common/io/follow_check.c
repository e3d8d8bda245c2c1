// What is looked at before a load and once a second while following: the units in :instrument, the
// trimming marks, the stored positions, the ends of the streams.

#include <hiredis/hiredis.h>
#include <string.h>

#include "common/base/log.h"
#include "common/io/follow_internal.h"

// XINFO shows the first and last entry whole, and those of :history can be long.
#define HISTORY_CHECK_EVERY 30

// ---- ids ---------------------------------------------------------------------------------------

static bool is_behind(const char *a, const char *b)
{
    return stream_id_cmp(a, b) < 0;
}

// Unknown ends ("") say nothing.
static bool ends_before(const char *end, const char *pos)
{
    return end[0] && is_behind(end, pos);
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
void follow_tell_skips(struct follow *f, const char *const pos[2])
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
    timer_start(f->check_timer, FOLLOW_CHECK_MS);
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
    }
    if (f->stored_schema < f->o.schema) {
        log_ev(LOG_WARN, "state_rebuilt", F_STR("sym", f->ins.name),
               F_INT("schema", f->stored_schema), F_INT("known", f->o.schema),
               F_STR("why", "an older version wrote the stored state: it is made anew from the "
                            "streams"));
        scratch = true;
    }
    for (size_t i = 0; i < 2 && scratch; i++) {
        str_copy(f->start[i], sizeof f->start[i], "0-0");
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
    char text[24];
    int64_t schema = 0;
    text_of(item(reply, 2), text, sizeof text);
    if (text[0] == '\0' || parse_i64(text, strlen(text), &schema) || schema < 0 ||
        schema > INT32_MAX) {
        schema = f->stored[0][0] != '\0' ? 1 : f->o.schema; // before there was such a field
    }
    f->stored_schema = (int)schema;
}

// What a newer version stored is not ours to read, and still less to write over.
static bool is_of_newer_version(struct follow *f)
{
    const bool newer = f->stored_schema > f->o.schema;
    if (newer && !f->newer_logged) {
        log_ev(LOG_ERROR, "state_newer", F_STR("sym", f->wait_ins.name),
               F_INT("schema", f->stored_schema), F_INT("known", f->o.schema),
               F_STR("why", "a newer version wrote the stored state: upgrade this program, or "
                            "delete that state; until then it is left alone"));
    }
    f->newer_logged = newer;
    return newer;
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
    if (is_of_newer_version(f)) {
        poll_again(f);
        return;
    }
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
                : redis_cmd(f->w, on_positions, f, "HMGET %s _pos_trades _pos_history _schema",
                            f->pos_key);
    }
    return rc ? rc : redis_cmd(f->w, on_trades_info, f, "XINFO STREAM %s", f->trades_key);
}

void follow_start_check(struct follow *f)
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
    follow_tell_skips(f, pos);
}

bool follow_positions_are_ours(struct follow *f, const redisReply *reply)
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
        follow_positions_are_ours(f, reply);
    }
}

void follow_check_cb(void *arg)
{
    struct follow *f = arg;
    if (f->state == FOLLOW_WAIT) {
        follow_start_check(f);
        return;
    }
    if (f->state != FOLLOW_FOLLOWING) {
        return;
    }
    timer_start(f->check_timer, FOLLOW_CHECK_MS);
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

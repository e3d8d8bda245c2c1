// What Redis holds of an instrument before anything is written: :instrument (is it ours to write?),
// the newest part of :trades (which ids are held) and of :history (which ids are told of). It is
// read after each login, because a Redis that comes back may have lost its newest entries.
//
// The first process reading also finds holes that nobody declared: a collector that was killed
// between a refused gap entry and its repetition leaves one.

#include <hiredis/hiredis.h>
#include <string.h>

#include "common/base/log.h"
#include "services/collector/io/app.h"

#define TRADES_READ_BACK 2000
#define HISTORY_READ_BACK 1000
#define CLAIM_SPANS 4096
#define CHECK_MS 3000
// A first trade may be older than the tip by this much and still belong to the same market.
#define BACKSTEP_MS 60000

static void key_of(const struct lane *l, const char *tail, char out[KEY_MAX])
{
    instrument_key(&l->feed.ins, tail, out);
}

void keyspace_refuse(struct lane *l, const char *why)
{
    char text[320];
    str_fmt(text, sizeof text,
            "%s: %s; use another Redis or database, or run `collector --reset`, "
            "which deletes this instrument's keys",
            l->feed.ins.name, why);
    lane_break(l, "keyspace_refused", text);
}

static bool is_error(struct app *a, const struct redisReply *r)
{
    if (r == NULL) {
        return true; // the link died; the next login reads again
    }
    if (r->type == REDIS_REPLY_ERROR) {
        redis_kick(a->redis, r->str); // away: try again with the link's backoff
        return true;
    }
    return r->type != REDIS_REPLY_ARRAY;
}

static bool parse_id(const struct redisReply *r, int64_t *ms, int64_t *seq)
{
    const char *dash = r->type == REDIS_REPLY_STRING ? memchr(r->str, '-', r->len) : NULL;
    return dash != NULL && parse_i64(r->str, (size_t)(dash - r->str), ms) == 0 &&
           parse_i64(dash + 1, (size_t)(r->str + r->len - dash - 1), seq) == 0 && *ms >= 0 &&
           *seq >= 0;
}

// ---- what is stored ----------------------------------------------------------------------------

static void take_units(struct lane *l)
{
    if (l->has_stored && !l->feed.has_units) {
        feed_set_units(&l->feed, &l->stored);
    }
}

// The newest part of :trades, newest entry first.
static void read_trades(struct lane *l, const struct redisReply *r)
{
    l->has_tip = false;
    for (size_t i = 0; i < r->elements; i++) {
        const struct redisReply *entry = r->element[i];
        int64_t ms, id;
        if (entry->type != REDIS_REPLY_ARRAY || entry->elements != 2 ||
            !parse_id(entry->element[0], &ms, &id)) {
            continue;
        }
        if (!l->has_tip) {
            l->has_tip = true;
            l->tip_id = id;
            l->tip_ms = ms;
        }
        if (!l->seeded && !l->outbox.named) {
            idset_add(&l->on_stream, id, ms);
            feed_seed(&l->feed, id, ms);
        }
        // The tip of the stream is the newest by time; the newest by id may lie beside it.
        if (ms == l->tip_ms && id > l->tip_id) {
            l->tip_id = id;
        }
    }
    if (l->has_tip && l->tip_ms > l->outbox.newest_trade_ms) {
        l->outbox.newest_trade_ms = l->tip_ms;
    }
}

static void read_history_entry(struct lane *l, const struct redisReply *fields)
{
    struct slice kv[2 * 16];
    struct history h;
    size_t n = 0;
    for (; n < fields->elements && n < sizeof kv / sizeof kv[0]; n++) {
        const struct redisReply *f = fields->element[n];
        kv[n] = f->type == REDIS_REPLY_STRING ? (struct slice){f->str, f->len} : slice_of("");
    }
    if (history_from_entry(kv, n / 2, &h, NULL) != 0) {
        return; // anyone can write to Redis
    }
    if (!history_fits(&h, &l->feed.ins)) {
        return;
    }
    if (l->outbox.named) {
        names_read_history(l, &h);
        return;
    }
    idset_add_range(&l->claims, h.from_id, h.to_id, h.from_ms, h.to_ms);
    repair_seed(&l->repair, &h);
    if (h.kind == HISTORY_TRADES && h.to_id >= l->feed.newest_id - 10 * TRADES_READ_BACK) {
        feed_seed_range(&l->feed, h.from_id, h.to_id, h.from_ms, h.to_ms);
    }
}

static void read_history(struct lane *l, const struct redisReply *r)
{
    for (size_t i = 0; i < r->elements; i++) {
        const struct redisReply *entry = r->element[i];
        int64_t ms, seq;
        if (entry->type != REDIS_REPLY_ARRAY || entry->elements != 2 ||
            !parse_id(entry->element[0], &ms, &seq)) {
            continue;
        }
        if (ms > l->outbox.newest_history_ms) {
            l->outbox.newest_history_ms = ms;
        }
        if (!l->seeded && entry->element[1]->type == REDIS_REPLY_ARRAY) {
            read_history_entry(l, entry->element[1]);
        }
    }
}

static void declare(struct lane *l, int64_t from, int64_t to, int64_t from_ms, int64_t to_ms,
                    const char *reason)
{
    outbox_add_gap(&l->outbox, from, to, from_ms, to_ms, reason);
    log_ev(LOG_WARN, "gap_declared", F_STR("sym", l->feed.ins.name), F_INT("from_id", from),
           F_INT("to_id", to), F_STR("reason", reason));
}

// Holes of the part that was read which no entry of :history tells of.
static void declare_old_holes(struct lane *l)
{
    struct idset known;
    idset_init(&known, CLAIM_SPANS);
    for (size_t i = 0; i < l->claims.n; i++) {
        const struct id_span *s = &l->claims.span[i];
        idset_add_range(&known, s->lo, s->hi, s->t_lo, s->t_hi);
    }
    for (size_t i = 0; i < l->on_stream.n; i++) {
        const struct id_span *s = &l->on_stream.span[i];
        idset_add_range(&known, s->lo, s->hi, s->t_lo, s->t_hi);
    }
    const int64_t floor = l->on_stream.n > 0 ? l->on_stream.span[0].lo : INT64_MAX;
    for (size_t i = 1; i < known.n; i++) {
        const struct id_span *before = &known.span[i - 1], *after = &known.span[i];
        if (before->hi >= floor && after->lo <= l->tip_id) {
            declare(l, before->hi + 1, after->lo - 1, before->t_hi, after->t_lo, "undeclared");
        }
    }
    idset_release(&known);
}

// After a later login: what Redis lost and the ring no longer holds. Up to the tip all is there;
// a stream that came back empty has lost everything since the oldest id this process knows.
static void declare_lost(struct lane *l)
{
    const struct feed *f = &l->feed;
    struct idset known;
    if (f->newest_id < 0) {
        return;
    }
    idset_init(&known, CLAIM_SPANS);
    outbox_ids(&l->outbox, &known);
    const int64_t tip = l->has_tip ? l->tip_id : f->oldest_id - 1;
    int64_t from = tip + 1, from_ms = l->has_tip ? l->tip_ms : f->oldest_ms;
    for (size_t i = 0; i < known.n; i++) {
        const struct id_span *s = &known.span[i];
        if (s->lo > from) {
            declare(l, from, s->lo - 1, from_ms, s->t_lo, "redis_loss");
        }
        if (s->hi >= from) {
            from = s->hi + 1;
            from_ms = s->t_hi;
        }
    }
    if (from <= f->newest_id) {
        declare(l, from, f->newest_id, from_ms, f->newest_ms, "redis_loss");
    }
    idset_release(&known);
}

static void loaded(struct lane *l)
{
    struct app *a = l->app;
    if (!l->seeded) {
        for (size_t i = 0; i < l->on_stream.n; i++) {
            repair_seed_held(&l->repair, &l->on_stream.span[i]);
        }
        repair_seed_end(&l->repair, loop_mono_ms(a->loop));
        if (l->outbox.named) {
            names_seeded(l);
        } else {
            declare_old_holes(l);
        }
        l->seeded = true;
        if (!l->has_tip) {
            l->fence = FENCE_PASSED;
        }
    } else if (l->opened_before && l->outbox.named) {
        names_declare_lost(l);
    } else if (l->opened_before) {
        declare_lost(l);
    }
    l->loaded = true;
    keyspace_loaded(a);
}

void keyspace_loaded(struct app *a)
{
    for (size_t i = 0; i < a->n; i++) {
        if (!a->lane[i].loaded && a->lane[i].state != LANE_BROKEN) {
            return;
        }
    }
    app_keyspace_ready(a);
}

static void one_more(struct lane *l)
{
    if (--l->loading == 0) {
        loaded(l);
    }
}

static void on_instrument(struct redis *r, const struct redisReply *reply, void *arg)
{
    struct lane *l = arg;
    const char *kv[2 * 64];
    size_t n = 0;
    struct err e = {0};
    (void)r;
    if (is_error(l->app, reply)) {
        return;
    }
    l->has_stored = false;
    bool described = false; // notes of ours alone ("_clock_offset_ms") describe nothing
    for (; n < reply->elements && n < sizeof kv / sizeof kv[0]; n++) {
        const struct redisReply *f = reply->element[n];
        kv[n] = f->type == REDIS_REPLY_STRING ? f->str : "";
        described = described || (n % 2 == 0 && kv[n][0] != '_');
    }
    if (described) {
        if (instrument_from_fields(&l->feed.ins, kv, n / 2, &l->stored, &e) != 0) {
            keyspace_refuse(l, e.text);
            return;
        }
        l->has_stored = true;
        if (l->app->has_simulated && l->stored.simulated != l->app->simulated) {
            keyspace_refuse(l, "its keys hold another kind of market (simulated against real)");
            return;
        }
    }
    one_more(l);
}

static void on_trades(struct redis *r, const struct redisReply *reply, void *arg)
{
    struct lane *l = arg;
    (void)r;
    if (!is_error(l->app, reply)) {
        read_trades(l, reply);
        if (l->outbox.named && !l->seeded && l->has_tip) {
            names_read(l, one_more);
        } else {
            one_more(l);
        }
    }
}

static void on_history(struct redis *r, const struct redisReply *reply, void *arg)
{
    struct lane *l = arg;
    (void)r;
    if (!is_error(l->app, reply)) {
        read_history(l, reply);
        one_more(l);
    }
}

static int ask(struct lane *l)
{
    struct redis *r = l->app->redis;
    char key[KEY_MAX];
    key_of(l, "instrument", key);
    int rc = redis_cmd(r, on_instrument, l, "HGETALL %s", key);
    key_of(l, "trades", key);
    if (rc == 0) {
        rc = redis_cmd(r, on_trades, l, "XREVRANGE %s + - COUNT %d", key,
                       l->seeded || l->outbox.named ? 1 : TRADES_READ_BACK);
    }
    key_of(l, "history", key);
    if (rc == 0) {
        rc = redis_cmd(r, on_history, l, "XREVRANGE %s + - COUNT %d", key,
                       l->seeded ? 1 : HISTORY_READ_BACK);
    }
    return rc;
}

void keyspace_load(struct app *a)
{
    for (size_t i = 0; i < a->n; i++) {
        struct lane *l = &a->lane[i];
        if (l->state == LANE_BROKEN) {
            continue;
        }
        l->loading = 3;
        if (!l->seeded) {
            idset_clear(&l->claims);
            idset_clear(&l->on_stream);
        }
        if (ask(l) != 0) {
            redis_kick(a->redis, "cannot ask for the keyspace");
            return;
        }
    }
}

void keyspace_forget(struct lane *l)
{
    l->loaded = l->writing = l->written = false;
    l->trimming = false;
    if (l->fence == FENCE_ASKED) {
        l->fence = FENCE_WAITING;
    }
}

// ---- the fence of the first trade --------------------------------------------------------------

static void on_fence(struct redis *r, const struct redisReply *reply, void *arg)
{
    struct lane *l = arg;
    (void)r;
    if (is_error(l->app, reply)) {
        return;
    }
    const bool found = l->outbox.named ? names_in(reply, l->first_uid) : reply->elements > 0;
    if (!found && !idset_has(&l->claims, l->first_id)) {
        char why[200];
        str_fmt(why, sizeof why,
                "the first trade (id %lld at %lld) lies below the newest stored one (id %lld at "
                "%lld) and is not on the stream: another market",
                (long long)l->first_id, (long long)l->first_ms, (long long)l->tip_id,
                (long long)l->tip_ms);
        keyspace_refuse(l, why);
        return;
    }
    l->fence = FENCE_PASSED;
    keyspace_open(l);
}

static void check_fence(struct lane *l)
{
    char key[KEY_MAX];
    if (l->fence != FENCE_WAITING || !l->has_first || !l->loaded) {
        return;
    }
    if (feed_is_absurd_jump(l->tip_id, l->tip_ms, l->first_id, l->first_ms)) {
        char why[200];
        str_fmt(why, sizeof why,
                "the first trade (id %lld at %lld) is too far above the newest stored one (id %lld "
                "at %lld) for the time between them: another market",
                (long long)l->first_id, (long long)l->first_ms, (long long)l->tip_id,
                (long long)l->tip_ms);
        keyspace_refuse(l, why);
        return;
    }
    if ((l->outbox.named || l->first_id > l->tip_id) && l->first_ms + BACKSTEP_MS >= l->tip_ms) {
        l->fence = FENCE_PASSED;
        return;
    }
    if (l->outbox.named && (l->first_uid.hi | l->first_uid.lo) == 0) {
        l->fence = FENCE_PASSED; // it was read back, or is in :history
        return;
    }
    key_of(l, "trades", key);
    if (l->outbox.named) {
        if (redis_cmd(l->app->redis, on_fence, l, "XRANGE %s %lld %lld", key,
                      (long long)l->first_ms, (long long)l->first_ms) == 0) {
            l->fence = FENCE_ASKED;
        }
        return;
    }
    if (redis_cmd(l->app->redis, on_fence, l, "XRANGE %s %lld-%lld %lld-%lld", key,
                  (long long)l->first_ms, (long long)l->first_id, (long long)l->first_ms,
                  (long long)l->first_id) == 0) {
        l->fence = FENCE_ASKED;
    }
}

void keyspace_first_trade(struct lane *l, int64_t id, int64_t ts_ms, struct trade_uid uid)
{
    l->has_first = true;
    l->first_uid = uid;
    l->first_id = id;
    l->first_ms = ts_ms;
    keyspace_open(l);
}

// ---- :instrument -------------------------------------------------------------------------------

// Stored numbers keep their scale: what others computed from them stands in those units.
static void keep_scales(struct lane *l)
{
    struct instrument *ins = &l->feed.ins;
    if (!l->has_stored) {
        return;
    }
    for (; ins->price_scale < l->stored.price_scale; ins->price_scale++) {
        ins->bin_ticks *= 10;
    }
    if (ins->qty_scale < l->stored.qty_scale) {
        ins->qty_scale = l->stored.qty_scale;
    }
}

static void on_written(struct redis *r, const struct redisReply *reply, void *arg)
{
    struct lane *l = arg;
    (void)r;
    if (reply == NULL) {
        return;
    }
    l->writing = false;
    if (reply->type != REDIS_REPLY_INTEGER) {
        redis_kick(l->app->redis,
                   reply->type == REDIS_REPLY_ERROR ? reply->str : "unexpected answer to EVAL");
        return;
    }
    if (reply->integer == 2) {
        keyspace_refuse(l, "a newer version writes here: upgrade this one");
        return;
    }
    if (reply->integer == 0) {
        keyspace_refuse(l, "another collector declared it another kind of market (simulated "
                           "against real)");
        return;
    }
    l->written = true;
    if (l->outbox.open) {
        return; // it was written anew
    }
    outbox_open(&l->outbox, l->opened_before);
    l->opened_before = true;
    log_ev(LOG_INFO, "lane_open", F_STR("sym", l->feed.ins.name),
           F_BOOL("simulated", l->app->simulated), F_STR("tick", l->feed.ins.tick_size),
           F_INT("tip_id", l->has_tip ? l->tip_id : -1));
    for (int kind = 0; kind < STREAM_KINDS; kind++) {
        const struct stream_ops *ops = l->app->ops[kind];
        if (ops != NULL && ops->on_writable != NULL) {
            ops->on_writable(l);
        }
    }
    writer_pump(l->app);
}

#define TEXT_OF_(x) #x
#define TEXT_OF(x) TEXT_OF_(x)
// First writer wins, and the newest version, in one step: check and write can not be parted.
static const char write_script[] =
    "local s=redis.call('HGET',KEYS[1],'simulated') "
    "if s and s~=ARGV[1] then return 0 end "
    "local v=tonumber(redis.call('HGET',KEYS[1],'schema') or 0) "
    "if v and v>" TEXT_OF(
        INSTRUMENT_SCHEMA) " then return 2 end "
                           "redis.call('HSET',KEYS[1],'simulated',ARGV[1],unpack(ARGV,2)) return 1";

static void write_instrument(struct lane *l)
{
    struct app *a = l->app;
    struct instrument_fields f;
    struct slice argv[40];
    char key[KEY_MAX], now[24], offset[24];
    size_t n = 0;
    keep_scales(l);
    l->feed.ins.simulated = a->simulated;
    l->feed.ins.schema = INSTRUMENT_SCHEMA;
    instrument_to_fields(&l->feed.ins, &f);
    key_of(l, "instrument", key);
    argv[n++] = slice_of("EVAL");
    argv[n++] = slice_of(write_script);
    argv[n++] = slice_of("1");
    argv[n++] = slice_of(key);
    argv[n++] = slice_of(a->simulated ? "1" : "0");
    for (size_t i = 0; i < f.n; i++) {
        argv[n++] = slice_of(f.name[i]);
        argv[n++] = slice_of(f.value[i]);
    }
    if (l->described) {
        argv[n++] = slice_of("_raw");
        argv[n++] = slice_of(l->raw);
    }
    str_fmt(now, sizeof now, "%lld", (long long)(loop_wall_us(a->loop) / 1000));
    argv[n++] = slice_of("_updated_ms");
    argv[n++] = slice_of(now);
    if (a->clock_measured) {
        str_fmt(offset, sizeof offset, "%lld", (long long)a->clock.offset_ms);
        argv[n++] = slice_of("_clock_offset_ms");
        argv[n++] = slice_of(offset);
    }
    l->writing = redis_argv(a->redis, on_written, l, n, argv) == 0;
}

void keyspace_open(struct lane *l)
{
    struct app *a = l->app;
    if (!l->loaded || l->state == LANE_BROKEN || !redis_is_up(a->redis)) {
        return;
    }
    take_units(l);
    check_fence(l);
    if (a->has_simulated && l->feed.has_units && l->fence == FENCE_PASSED && !l->writing &&
        !l->written) {
        write_instrument(l);
    }
}

void keyspace_described(struct lane *l)
{
    if (l->written) {
        l->written = false;
        keyspace_open(l);
    }
}

void keyspace_note_clock(struct lane *l)
{
    char key[KEY_MAX];
    if (!l->written || !redis_is_up(l->app->redis)) {
        return;
    }
    key_of(l, "instrument", key);
    const int rc = redis_cmd(l->app->redis, NULL, NULL, "HSET %s _clock_offset_ms %lld", key,
                             (long long)l->app->clock.offset_ms);
    (void)rc; // the next measurement tells again
}

static void on_checked(struct redis *r, const struct redisReply *reply, void *arg)
{
    struct lane *l = arg;
    (void)r;
    if (reply == NULL || !l->written) {
        return;
    }
    int64_t schema = 0;
    if (reply->type == REDIS_REPLY_STRING && parse_i64(reply->str, reply->len, &schema) == 0 &&
        schema > INSTRUMENT_SCHEMA) {
        keyspace_refuse(l, "a newer version took over: upgrade this one");
    } else if (reply->type == REDIS_REPLY_NIL) {
        log_ev(LOG_ERROR, "keyspace_gone", F_STR("sym", l->feed.ins.name));
        redis_kick(l->app->redis, "the keyspace was emptied");
    }
}

void keyspace_check(struct lane *l, int64_t mono_ms)
{
    char key[KEY_MAX];
    if (!l->written || mono_ms - l->seen_mono_ms < CHECK_MS) {
        return;
    }
    l->seen_mono_ms = mono_ms;
    key_of(l, "instrument", key);
    const int rc = redis_cmd(l->app->redis, on_checked, l, "HGET %s schema", key);
    (void)rc; // asked again soon
}

// One XREAD in flight at a time. Each carries the epoch it was sent in; stream_reader_start() and
// _pause() begin a new epoch, so an answer to an older question is recognised and dropped.

#include "common/io/stream.h"

#include <hiredis/hiredis.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/log.h"
#include "common/base/mem.h"

struct stream_reader {
    struct stream_reader_opts o;
    struct redis *r;
    struct timer *retry;
    struct backoff backoff;
    char *key[4];
    char pos[4][STREAM_ID_MAX];
    bool running;
    bool in_flight;
    uint64_t epoch, sent_epoch;
    struct stream_reader_stats stats;
    int busy; // our frames on the stack: the memory goes with the last of them
    bool dead;
};

static void ask(struct stream_reader *s);

static void enter(struct stream_reader *s)
{
    s->busy++;
}

static void leave(struct stream_reader *s)
{
    if (--s->busy > 0 || !s->dead) {
        return;
    }
    timer_free(s->retry);
    for (size_t i = 0; i < 4; i++) {
        free(s->key[i]);
    }
    free(s);
}

// ---- ids ---------------------------------------------------------------------------------------

bool stream_id_parse(const char *id, struct stream_pos *out)
{
    const char *dash = strchr(id, '-');
    return dash != NULL && parse_u64(id, (size_t)(dash - id), &out->ms) == 0 &&
           parse_u64(dash + 1, strlen(dash + 1), &out->seq) == 0;
}

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

// ---- shape -------------------------------------------------------------------------------------

static bool good_entry(const redisReply *e)
{
    if (e->type != REDIS_REPLY_ARRAY || e->elements != 2 ||
        e->element[0]->type != REDIS_REPLY_STRING || e->element[0]->len == 0 ||
        e->element[0]->len >= STREAM_ID_MAX) {
        return false;
    }
    const redisReply *kv = e->element[1];
    if (kv->type != REDIS_REPLY_ARRAY || kv->elements % 2 != 0) {
        return false;
    }
    for (size_t i = 0; i < kv->elements; i++) {
        if (kv->element[i]->type != REDIS_REPLY_STRING) {
            return false;
        }
    }
    return true;
}

static size_t stream_index(const struct stream_reader *s, const redisReply *key)
{
    for (size_t i = 0; i < s->o.streams; i++) {
        if (strlen(s->key[i]) == key->len && memcmp(s->key[i], key->str, key->len) == 0) {
            return i;
        }
    }
    return s->o.streams;
}

// The frame of a reply; each entry is checked by deliver() when its turn comes.
static bool good_reply(const struct stream_reader *s, const redisReply *reply)
{
    if (reply->type == REDIS_REPLY_NIL) {
        return true;
    }
    if (reply->type != REDIS_REPLY_ARRAY || reply->elements > s->o.streams) {
        return false;
    }
    for (size_t i = 0; i < reply->elements; i++) {
        const redisReply *st = reply->element[i];
        if (st->type != REDIS_REPLY_ARRAY || st->elements != 2 ||
            st->element[0]->type != REDIS_REPLY_STRING ||
            st->element[1]->type != REDIS_REPLY_ARRAY ||
            stream_index(s, st->element[0]) == s->o.streams) {
            return false;
        }
    }
    return true;
}

// ---- replies -----------------------------------------------------------------------------------

// False when reading must stop here: an entry of no known shape.
static bool deliver(struct stream_reader *s, const redisReply *reply, size_t *got)
{
    uint64_t epoch = s->epoch;
    struct slice kv[2 * STREAM_FIELDS_MAX];
    for (size_t i = 0; i < reply->elements; i++) {
        const redisReply *st = reply->element[i];
        size_t at = stream_index(s, st->element[0]);
        const redisReply *list = st->element[1];
        for (size_t j = 0; j < list->elements; j++) {
            const redisReply *e = list->element[j];
            if (!good_entry(e)) {
                return false;
            }
            const redisReply *fields = e->element[1];
            size_t pairs = fields->elements / 2;
            if (pairs > STREAM_FIELDS_MAX) {
                pairs = STREAM_FIELDS_MAX;
            }
            for (size_t k = 0; k < 2 * pairs; k++) {
                kv[k] = (struct slice){fields->element[k]->str, fields->element[k]->len};
            }
            struct slice id = {e->element[0]->str, e->element[0]->len};
            s->o.on_entry(s->o.arg, at, id, kv, pairs);
            if (s->dead || s->epoch != epoch) {
                return true; // the owner moved on: what is left belongs to the old positions
            }
            str_copyn(s->pos[at], sizeof s->pos[at], id.p, id.n);
            (*got)++;
        }
    }
    return true;
}

static void retry_later(struct stream_reader *s, const redisReply *reply)
{
    int64_t delay = backoff_next_ms(&s->backoff, s->o.loop);
    char why[160];
    str_copyn(why, sizeof why, reply->str, reply->len);
    s->stats.errors++;
    log_ev(LOG_WARN, "stream_read_failed", F_STR("key", s->key[0]), F_STR("why", why),
           F_INT("retry_ms", delay));
    timer_start(s->retry, delay);
}

static void bad_reply(struct stream_reader *s)
{
    s->stats.bad_replies++;
    log_ev(LOG_ERROR, "stream_bad_reply", F_STR("key", s->key[0]));
    redis_kick(s->r, "XREAD was answered in no known shape");
}

static void on_read(struct redis *r, const struct redisReply *reply, void *arg)
{
    (void)r;
    struct stream_reader *s = arg;
    s->in_flight = false;
    if (!reply || s->dead) {
        return; // on_down follows
    }
    if (s->sent_epoch != s->epoch || !s->running) {
        s->stats.discarded++;
        ask(s);
        return;
    }
    if (reply->type == REDIS_REPLY_ERROR) {
        retry_later(s, reply);
        return;
    }
    if (!good_reply(s, reply)) {
        bad_reply(s);
        return;
    }
    s->stats.reads++;
    backoff_reset(&s->backoff);
    enter(s);
    uint64_t epoch = s->epoch;
    size_t got = 0;
    bool good = reply->type == REDIS_REPLY_NIL || deliver(s, reply, &got);
    if (!s->dead && s->epoch == epoch) {
        if (!good) {
            bad_reply(s);
        } else if (s->o.on_batch) {
            s->o.on_batch(s->o.arg, got);
        }
    }
    if (!s->dead) {
        ask(s);
    }
    leave(s);
}

static void ask(struct stream_reader *s)
{
    if (!s->running || s->in_flight || s->dead || !redis_is_up(s->r) ||
        timer_is_running(s->retry)) {
        return;
    }
    char count[24];
    char block[24];
    str_fmt(count, sizeof count, "%zu", s->o.count);
    str_fmt(block, sizeof block, "%lld", (long long)s->o.block_ms);
    struct slice argv[6 + 8];
    size_t n = 0;
    argv[n++] = slice_of("XREAD");
    argv[n++] = slice_of("COUNT");
    argv[n++] = slice_of(count);
    argv[n++] = slice_of("BLOCK");
    argv[n++] = slice_of(block);
    argv[n++] = slice_of("STREAMS");
    for (size_t i = 0; i < s->o.streams; i++) {
        argv[n++] = slice_of(s->key[i]);
    }
    for (size_t i = 0; i < s->o.streams; i++) {
        argv[n++] = slice_of(s->pos[i]);
    }
    s->sent_epoch = s->epoch;
    s->in_flight = redis_argv_blocking(s->r, s->o.block_ms, on_read, s, n, argv) == 0;
}

static void retry_cb(void *arg)
{
    ask(arg);
}

static void on_up(void *arg)
{
    struct stream_reader *s = arg;
    enter(s);
    if (s->o.on_up) {
        s->o.on_up(s->o.arg);
    }
    if (!s->dead) {
        ask(s);
    }
    leave(s);
}

static void on_down(void *arg, const char *why)
{
    struct stream_reader *s = arg;
    timer_stop(s->retry);
    if (s->o.on_down) {
        s->o.on_down(s->o.arg, why); // last: it may free s
    }
}

// ---- life --------------------------------------------------------------------------------------

struct stream_reader *stream_reader_new(const struct stream_reader_opts *o)
{
    if (o->streams < 1 || o->streams > 4 || o->count < 1 || o->block_ms < 1) {
        FATAL("stream_reader_new: %zu streams, count %zu, block %lld ms", o->streams, o->count,
              (long long)o->block_ms); // BLOCK 0 would wait for ever
    }
    struct stream_reader *s = xcalloc(1, sizeof *s);
    s->o = *o;
    for (size_t i = 0; i < o->streams; i++) {
        s->key[i] = xstrdup(o->key[i]);
        s->o.key[i] = NULL;
        str_copy(s->pos[i], sizeof s->pos[i], "0-0");
    }
    s->backoff = (struct backoff){.min_ms = 100, .max_ms = 5000};
    s->retry = timer_new(o->loop, retry_cb, s);
    s->r = redis_new(&(struct redis_opts){.loop = o->loop,
                                          .url = o->url,
                                          .name = o->name,
                                          .slot_key = s->key[0],
                                          .pooled_replies = true,
                                          .on_up = on_up,
                                          .on_down = on_down,
                                          .arg = s});
    s->o.name = NULL;
    return s;
}

void stream_reader_free(struct stream_reader *s)
{
    if (!s || s->dead) {
        return;
    }
    enter(s);
    s->dead = true;
    s->running = false;
    timer_stop(s->retry);
    redis_free(s->r);
    leave(s);
}

void stream_reader_start(struct stream_reader *s, const char *const *positions)
{
    for (size_t i = 0; i < s->o.streams; i++) {
        const char *p = positions[i] && positions[i][0] ? positions[i] : "0-0";
        if (!str_copy(s->pos[i], sizeof s->pos[i], p)) {
            FATAL("stream_reader_start: position '%s' is too long", p);
        }
    }
    s->epoch++;
    s->running = true;
    timer_stop(s->retry);
    if (s->busy == 0) {
        ask(s);
    }
}

void stream_reader_set_count(struct stream_reader *s, size_t count)
{
    s->o.count = count;
}

void stream_reader_pause(struct stream_reader *s)
{
    s->epoch++;
    s->running = false;
    timer_stop(s->retry);
}

const char *stream_reader_position(const struct stream_reader *s, size_t i)
{
    return s->pos[i];
}

bool stream_reader_is_up(const struct stream_reader *s)
{
    return redis_is_up(s->r);
}

void stream_reader_stats(const struct stream_reader *s, struct stream_reader_stats *out)
{
    *out = s->stats;
}

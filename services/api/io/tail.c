#include "services/api/io/tail.h"

#include <hiredis/hiredis.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/io/stream.h"
#include "services/api/io/reply.h"

#define OTHERS_MAX 1000
#define FIRST_TRADES 1000
#define FIRST_OTHERS 200
#define CHECK_MS 1000
#define LOOK_MS 2000
#define READ_COUNT 1000
#define BLOCK_MS 1000
#define ENTRY_TEXT_MAX ((size_t)16 << 10)

static const char *const TAILS[LIST_KINDS] = {
    [LIST_TRADES] = "trades", [LIST_EVENTS] = "events", [LIST_LIQUIDATIONS] = "liquidations"};

struct one {
    struct tail *tail;
    size_t i;
    const struct instrument *who;
    pthread_rwlock_t lock; // guards ring
    struct recent ring[LIST_KINDS];
    // The loop's thread only:
    struct stream_reader *reader;
    struct instrument units;
    bool has_units;
    bool reading, asked;
    int left; // answers to come of the first reading
    char position[LIST_KINDS][STREAM_ID_MAX];
    bool fresh; // entries were taken since on_entries() was told
    int64_t looked_ms;
    uint64_t round; // grows with each first reading
};

struct tail {
    struct tail_opts o;
    struct redis *redis;
    struct timer *check;
    struct one *one;
    size_t n;
    struct buf text;
    uint64_t bad;
};

static void take(struct one *x, enum list_kind kind, struct slice id, const struct slice *kv,
                 size_t pairs)
{
    struct tail *t = x->tail;
    struct trade trade = {0};
    int64_t ts_ms = 0;
    int rc;
    buf_clear(&t->text);
    if (kind == LIST_TRADES) {
        rc = recent_trade(&x->units, id, kv, pairs, &t->text, &trade);
        ts_ms = trade.ts_ms;
    } else if (kind == LIST_EVENTS) {
        rc = recent_event(id, kv, pairs, &t->text, &ts_ms);
    } else {
        rc = recent_liquidation(id, kv, pairs, &t->text, &ts_ms);
    }
    if (rc != 0 || t->text.failed) {
        t->bad++; // anyone can write to Redis
        return;
    }
    pthread_rwlock_wrlock(&x->lock);
    recent_push(&x->ring[kind], id, ts_ms, &t->text, kind == LIST_TRADES ? &trade : NULL);
    pthread_rwlock_unlock(&x->lock);
    x->fresh = true;
}

// ---- reading ------------------------------------------------------------------------------------

static void on_entry(void *arg, size_t i, struct slice id, const struct slice *kv, size_t pairs)
{
    take(arg, (enum list_kind)i, id, kv, pairs);
}

static void tell(struct one *x)
{
    if (x->fresh && x->tail->o.on_entries != NULL) {
        x->tail->o.on_entries(x->tail->o.arg);
    }
    x->fresh = false;
}

static void on_batch(void *arg, size_t got)
{
    (void)got;
    tell(arg);
}

static void read_on(struct one *x)
{
    const char *at[LIST_KINDS];
    for (size_t k = 0; k < LIST_KINDS; k++) {
        at[k] = x->position[k];
    }
    x->reading = true;
    stream_reader_start(x->reader, at);
    tell(x);
}

// The newest entries, newest first; they are taken from the oldest on.
static void take_first(struct one *x, enum list_kind kind, const struct redisReply *r)
{
    (void)str_copy(x->position[kind], sizeof x->position[kind], "0-0");
    for (size_t e = r->elements; e > 0; e--) {
        const struct redisReply *entry = r->element[e - 1];
        struct slice kv[2 * STREAM_FIELDS_MAX];
        size_t pairs = 0;
        if (entry->type != REDIS_REPLY_ARRAY || entry->elements != 2 ||
            entry->element[1]->type != REDIS_REPLY_ARRAY) {
            continue;
        }
        const struct redisReply *fields = entry->element[1];
        for (; 2 * pairs + 1 < fields->elements && pairs < STREAM_FIELDS_MAX; pairs++) {
            kv[2 * pairs] = reply_text(fields->element[2 * pairs]);
            kv[2 * pairs + 1] = reply_text(fields->element[2 * pairs + 1]);
        }
        const struct slice id = reply_text(entry->element[0]);
        (void)str_copyn(x->position[kind], sizeof x->position[kind], id.p, id.n);
        take(x, kind, id, kv, pairs);
    }
}

struct first {
    struct one *x;
    enum list_kind kind;
};

static void on_first(struct redis *r, const struct redisReply *reply, void *arg)
{
    struct first *f = arg;
    struct one *x = f->x;
    (void)r;
    if (reply == NULL || reply->type != REDIS_REPLY_ARRAY) {
        x->asked = false; // the check tries again
    } else if (x->asked) {
        take_first(x, f->kind, reply);
        if (--x->left == 0) {
            read_on(x);
        }
    }
    free(f);
}

static void ask_first(struct one *x)
{
    x->asked = true;
    x->round++;
    x->left = LIST_KINDS;
    pthread_rwlock_wrlock(&x->lock);
    for (size_t k = 0; k < LIST_KINDS; k++) {
        recent_clear(&x->ring[k]);
    }
    pthread_rwlock_unlock(&x->lock);
    for (size_t k = 0; k < LIST_KINDS; k++) {
        char key[KEY_MAX];
        struct first *f = xcalloc(1, sizeof *f);
        *f = (struct first){.x = x, .kind = (enum list_kind)k};
        instrument_key(x->who, TAILS[k], key);
        if (redis_cmd(x->tail->redis, on_first, f, "XREVRANGE %s + - COUNT %d", key,
                      k == LIST_TRADES ? FIRST_TRADES : FIRST_OTHERS) != 0) {
            free(f);
            x->asked = false;
            return;
        }
    }
}

// ---- a Redis that was emptied or replaced -------------------------------------------------------

struct look {
    struct one *x;
    uint64_t round;
    enum list_kind kind;
    char position[STREAM_ID_MAX]; // reached when the question was asked
};

static void begin_anew(struct one *x)
{
    if (x->reading) {
        stream_reader_pause(x->reader);
    }
    x->reading = x->asked = false; // the next check asks for the first entries
}

static void on_newest(struct redis *r, const struct redisReply *reply, void *arg)
{
    struct look *l = arg;
    struct one *x = l->x;
    (void)r;
    if (reply != NULL && reply->type == REDIS_REPLY_ARRAY && x->reading && x->round == l->round) {
        const struct redisReply *entry = reply->elements > 0 ? reply->element[0] : NULL;
        const struct slice id =
            entry != NULL && entry->type == REDIS_REPLY_ARRAY && entry->elements > 0
                ? reply_text(entry->element[0])
                : slice_of("0-0");
        char newest[STREAM_ID_MAX];
        if (str_copyn(newest, sizeof newest, id.p, id.n) &&
            stream_id_cmp(newest, l->position) < 0) {
            log_ev(LOG_WARN, "stream_replaced", F_STR("sym", x->who->name),
                   F_STR("stream", TAILS[l->kind]), F_STR("read_to", l->position),
                   F_STR("newest", newest));
            begin_anew(x);
        }
    }
    free(l);
}

// A reader waits behind its position for ever when the stream it reads was replaced by one that is
// not that far. The newest entry of a stream never goes backwards otherwise.
static void look(struct one *x)
{
    for (size_t k = 0; k < LIST_KINDS; k++) {
        char key[KEY_MAX];
        struct look *l = xcalloc(1, sizeof *l);
        *l = (struct look){.x = x, .round = x->round, .kind = (enum list_kind)k};
        (void)str_copy(l->position, sizeof l->position, stream_reader_position(x->reader, k));
        instrument_key(x->who, TAILS[k], key);
        if (redis_cmd(x->tail->redis, on_newest, l, "XREVRANGE %s + - COUNT 1", key) != 0) {
            free(l);
            return;
        }
    }
}

// Units come with the first snapshot; another market under the same name starts everything anew.
static void on_check(void *arg)
{
    struct tail *t = arg;
    for (size_t i = 0; i < t->n; i++) {
        struct one *x = &t->one[i];
        int64_t now_ms;
        struct snap *snap = store_get(t->o.store, i, loop_mono_ms(t->o.loop), &now_ms);
        const bool has = snap->has_units;
        const bool differs = has && x->has_units &&
                             (snap->ins.price_scale != x->units.price_scale ||
                              snap->ins.qty_scale != x->units.qty_scale ||
                              snap->ins.simulated != x->units.simulated);
        if (has) {
            x->units = snap->ins;
            x->has_units = true;
        }
        snap_unref(snap);
        if ((x->reading && (differs || !has))) {
            begin_anew(x);
            x->has_units = has;
        }
        if (has && !x->asked && redis_is_up(t->redis)) {
            ask_first(x);
        }
        const int64_t mono_ms = loop_mono_ms(t->o.loop);
        if (x->reading && redis_is_up(t->redis) && mono_ms - x->looked_ms >= LOOK_MS) {
            x->looked_ms = mono_ms;
            look(x);
        }
    }
}

static void on_link_down(void *arg, const char *why)
{
    struct tail *t = arg;
    (void)why;
    for (size_t i = 0; i < t->n; i++) {
        // A first reading under way is lost; a reader goes on by itself where it was.
        if (!t->one[i].reading) {
            t->one[i].asked = false;
        }
    }
}

// ---- life ---------------------------------------------------------------------------------------

struct tail *tail_new(const struct tail_opts *o)
{
    struct tail *t = xcalloc(1, sizeof *t);
    t->o = *o;
    t->n = store_count(o->store);
    t->one = xcalloc(t->n, sizeof *t->one);
    buf_init(&t->text, ENTRY_TEXT_MAX);
    for (size_t i = 0; i < t->n; i++) {
        struct one *x = &t->one[i];
        x->tail = t;
        x->i = i;
        x->who = &store_instruments(o->store)[i];
        pthread_rwlock_init(&x->lock, NULL);
        recent_init(&x->ring[LIST_TRADES], o->max_trades);
        recent_init(&x->ring[LIST_EVENTS], OTHERS_MAX);
        recent_init(&x->ring[LIST_LIQUIDATIONS], OTHERS_MAX);
    }
    return t;
}

void tail_start(struct tail *t)
{
    const struct redis_opts ro = {
        .loop = t->o.loop, .url = t->o.url, .name = "api/first", .on_down = on_link_down, .arg = t};
    t->redis = redis_new(&ro);
    for (size_t i = 0; i < t->n; i++) {
        struct one *x = &t->one[i];
        struct stream_reader_opts so = {.loop = t->o.loop,
                                        .url = t->o.url,
                                        .name = "api/tail",
                                        .streams = LIST_KINDS,
                                        .count = READ_COUNT,
                                        .block_ms = BLOCK_MS,
                                        .on_entry = on_entry,
                                        .on_batch = on_batch,
                                        .arg = x};
        char key[LIST_KINDS][KEY_MAX];
        for (size_t k = 0; k < LIST_KINDS; k++) {
            instrument_key(x->who, TAILS[k], key[k]);
            so.key[k] = key[k];
        }
        x->reader = stream_reader_new(&so);
    }
    t->check = timer_new(t->o.loop, on_check, t);
    timer_every(t->check, CHECK_MS / 4);
}

void tail_free(struct tail *t)
{
    if (t == NULL) {
        return;
    }
    timer_free(t->check);
    for (size_t i = 0; i < t->n; i++) {
        if (t->one[i].reader != NULL) {
            stream_reader_free(t->one[i].reader);
        }
    }
    if (t->redis != NULL) {
        redis_free(t->redis);
    }
    for (size_t i = 0; i < t->n; i++) {
        for (size_t k = 0; k < LIST_KINDS; k++) {
            recent_release(&t->one[i].ring[k]);
        }
        pthread_rwlock_destroy(&t->one[i].lock);
    }
    buf_release(&t->text);
    free(t->one);
    free(t);
}

// ---- readers ------------------------------------------------------------------------------------

size_t tail_newest(struct tail *t, size_t instrument, enum list_kind kind, size_t limit,
                   int64_t from_ms, struct buf *out)
{
    struct one *x = &t->one[instrument];
    pthread_rwlock_rdlock(&x->lock);
    const size_t n = recent_newest(&x->ring[kind], limit, from_ms, out);
    pthread_rwlock_unlock(&x->lock);
    return n;
}

void tail_sum(struct tail *t, size_t instrument, int64_t from_ms, struct recent_stats *out)
{
    struct one *x = &t->one[instrument];
    pthread_rwlock_rdlock(&x->lock);
    recent_sum(&x->ring[LIST_TRADES], from_ms, out);
    pthread_rwlock_unlock(&x->lock);
}

uint64_t tail_seq(struct tail *t, size_t instrument, enum list_kind kind)
{
    struct one *x = &t->one[instrument];
    pthread_rwlock_rdlock(&x->lock);
    const uint64_t seq = x->ring[kind].next - 1;
    pthread_rwlock_unlock(&x->lock);
    return seq;
}

void tail_since(struct tail *t, size_t instrument, enum list_kind kind, uint64_t after,
                size_t limit, struct buf *out, uint64_t *first, uint64_t *last, char last_id[40])
{
    struct one *x = &t->one[instrument];
    pthread_rwlock_rdlock(&x->lock);
    const struct recent *r = &x->ring[kind];
    *first = after + 1 > recent_first(r) ? after + 1 : recent_first(r);
    uint64_t end = r->next;
    if (end > *first + limit) {
        end = *first + limit;
    }
    *last = end - 1;
    last_id[0] = '\0';
    if (end > *first) {
        recent_write(r, *first, end, out);
        (void)str_copy(last_id, 40, recent_at(r, end - 1)->id);
    }
    pthread_rwlock_unlock(&x->lock);
}

int64_t tail_find(struct tail *t, size_t instrument, enum list_kind kind, const char *id)
{
    struct one *x = &t->one[instrument];
    int64_t found = -1;
    pthread_rwlock_rdlock(&x->lock);
    const struct recent *r = &x->ring[kind];
    for (uint64_t s = r->next; s > recent_first(r); s--) {
        if (stream_id_cmp(recent_at(r, s - 1)->id, id) <= 0) {
            found = (int64_t)(s - 1);
            break;
        }
    }
    pthread_rwlock_unlock(&x->lock);
    return found;
}

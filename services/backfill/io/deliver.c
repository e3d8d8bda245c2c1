// Delivery: what was fetched goes to :history, and in the same transaction :backfill says so
// (Binance: `_ids` and `_lost`; Bybit: `_spans` and `_lost_spans`). A killed process therefore
// finds on its return exactly what it had delivered.
//
// :backfill is watched between two transactions, and its `_ver` read: a second instance, or keys
// that were deleted, make Redis refuse the next one, and the job reads everything anew.

#include <hiredis/hiredis.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/log.h"
#include "common/base/mem.h"
#include "services/backfill/io/app.h"

#define TX_MAX ((size_t)4 << 20)
#define TX_ENTRIES 48
#define TX_BYTES ((size_t)1 << 20) // a few milliseconds of Redis
#define QUEUE_BYTES ((size_t)4 << 20)

struct entry {
    struct entry *next;
    struct history h; // data points into text
    char text[];
};

struct deliver {
    struct job *job;
    struct redis_tx *tx;
    struct entry *first, **last;
    size_t bytes, entries;
    int64_t version;
    bool loaded, busy, dirty;
};

struct deliver *deliver_new(struct job *j)
{
    struct deliver *d = xcalloc(1, sizeof *d);
    d->job = j;
    d->tx = redis_tx_new(TX_MAX);
    d->last = &d->first;
    return d;
}

static struct entry *pop(struct deliver *d)
{
    struct entry *e = d->first;
    if (e != NULL) {
        d->first = e->next;
        d->last = d->first == NULL ? &d->first : d->last;
        d->bytes -= e->h.data.n;
        d->entries--;
    }
    return e;
}

void deliver_reset(struct deliver *d)
{
    struct entry *e;
    while ((e = pop(d)) != NULL) {
        free(e);
    }
    if (d->job->ops != NULL) {
        d->job->ops->stored_clear(d->job);
    }
    d->loaded = d->busy = false;
}

void deliver_free(struct deliver *d)
{
    if (d == NULL) {
        return;
    }
    deliver_reset(d);
    redis_tx_free(d->tx);
    free(d);
}

void deliver_loaded(struct deliver *d, int64_t version)
{
    if (d->job->ops != NULL) {
        d->job->ops->stored_load(d->job);
    }
    d->version = version;
    d->loaded = true;
    d->dirty = true;
    deliver_pump(d);
}

void deliver_add(struct deliver *d, const struct history *h)
{
    struct entry *e = xmalloc(sizeof *e + h->data.n);
    e->next = NULL;
    e->h = *h;
    memcpy(e->text, h->data.p, h->data.n);
    e->h.data.p = e->text;
    *d->last = e;
    d->last = &e->next;
    d->bytes += h->data.n;
    d->entries++;
    deliver_pump(d);
}

bool deliver_has_room(const struct deliver *d)
{
    return d->bytes < QUEUE_BYTES;
}

bool deliver_is_idle(const struct deliver *d)
{
    return d->first == NULL && !d->busy && !d->dirty;
}

void deliver_touch(struct deliver *d)
{
    d->dirty = true;
    deliver_pump(d);
}

// ---- one transaction
// -----------------------------------------------------------------------------

static struct slice number(char out[24], int64_t v)
{
    return (struct slice){out, fmt_i64(out, v)};
}

static void add_entry(struct deliver *d, const struct history *h)
{
    char n[5][24];
    const struct slice argv[] = {slice_of("XADD"),
                                 slice_of(d->job->key_history),
                                 slice_of("*"),
                                 slice_of("kind"),
                                 slice_of(history_kind_name(h->kind)),
                                 slice_of("from_id"),
                                 number(n[0], h->from_id),
                                 slice_of("to_id"),
                                 number(n[1], h->to_id),
                                 slice_of("from_ms"),
                                 number(n[2], h->from_ms),
                                 slice_of("to_ms"),
                                 number(n[3], h->to_ms),
                                 slice_of("source"),
                                 slice_of(h->source),
                                 slice_of("reason"),
                                 slice_of(h->reason),
                                 slice_of("n"),
                                 number(n[4], h->n),
                                 slice_of("data"),
                                 h->data};
    redis_tx_argv(d->tx, sizeof argv / sizeof argv[0], argv);
    d->job->ops->stored_add(d->job, h);
    d->job->loaded += h->n;
}

static void build(struct deliver *d)
{
    struct job *j = d->job;
    size_t bytes = 0;
    redis_tx_begin(d->tx);
    for (size_t i = 0; i < TX_ENTRIES && bytes < TX_BYTES && d->first != NULL; i++) {
        struct entry *e = pop(d);
        add_entry(d, &e->h);
        bytes += e->h.data.n;
        free(e);
    }
    char version[24];
    d->version++;
    redis_tx_hset_begin(d->tx, j->key_backfill);
    if (j->ops != NULL) {
        j->ops->stored_fill(j, d->tx);
    }
    state_fill(j, d->tx);
    const struct slice v = number(version, d->version);
    redis_tx_hset(d->tx, "_ver", v.p, v.n);
    redis_tx_hset_end(d->tx);
    char channel[KEY_MAX], payload[64];
    instrument_key(&j->ins, "pub:backfill", channel);
    str_fmt(payload, sizeof payload, "{\"ver\":%lld,\"day\":\"\",\"changed\":[]}",
            (long long)d->version);
    const struct slice pub[] = {slice_of("PUBLISH"), slice_of(channel), slice_of(payload)};
    redis_tx_argv(d->tx, 3, pub);
    d->dirty = false;
}

static void on_version(struct redis *r, const struct redisReply *reply, void *arg)
{
    struct deliver *d = arg;
    int64_t v = -1;
    (void)r;
    if (reply == NULL || !d->busy) {
        return; // the link died: on_down does the rest
    }
    if (reply->type != REDIS_REPLY_STRING || parse_i64(reply->str, reply->len, &v) != 0 ||
        v != d->version) {
        job_reload(d->job, "somebody else wrote or deleted :backfill");
        return;
    }
    d->busy = false;
    deliver_pump(d);
    job_kick(d->job);
}

// From here on a foreign write makes the next transaction fail; the version tells of one before.
static int watch(struct deliver *d)
{
    struct redis *r = d->job->redis;
    const int rc = redis_cmd(r, NULL, NULL, "WATCH %s", d->job->key_backfill);
    return rc != 0 ? rc : redis_cmd(r, on_version, d, "HGET %s _ver", d->job->key_backfill);
}

static void on_exec(struct redis *r, const struct redisReply *reply, void *arg)
{
    struct deliver *d = arg;
    char why[160] = "";
    if (reply == NULL) {
        return; // the link died: on_down does the rest
    }
    if (redis_exec_failed(reply, why, sizeof why)) {
        const char *queued = redis_tx_queue_error(r);
        d->loaded = d->busy = false; // what is behind it on the link does not matter any more
        job_reload(d->job, queued[0] != '\0' ? queued : why);
    }
}

void deliver_pump(struct deliver *d)
{
    if (!d->loaded || d->busy || (d->first == NULL && !d->dirty) || !redis_is_up(d->job->redis)) {
        return;
    }
    build(d);
    d->busy = true;
    // The watch for the next one follows at once: one wait for both.
    if (redis_tx_exec(d->job->redis, d->tx, on_exec, d) != 0 || watch(d) != 0) {
        job_reload(d->job, "a transaction could not be sent");
    }
}

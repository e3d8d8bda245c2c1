// Trimming by age and the deletion of an instrument's keys: the two places that remove anything.
//
// The bound counts from the stream's own newest entry, never from the wall clock alone: a recording
// of last year keeps its 48 hours. It is stored before the stream is cut, so a consumer that was
// away can tell "trimmed" from "never there".

#include <hiredis/hiredis.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/log.h"
#include "common/base/mem.h"
#include "services/collector/io/app.h"

#define TRIM_LIMIT 20000 // entries per command: Redis serves nobody else meanwhile

enum trimmed { TRIM_TRADES, TRIM_HISTORY };
static const char *const tails[] = {"trades", "history"};

static int64_t bound_ms(const struct lane *l, enum trimmed which)
{
    const struct app *a = l->app;
    int64_t newest = which == TRIM_TRADES ? l->outbox.newest_trade_ms : l->outbox.newest_history_ms;
    // One entry from the far future must not cut everything else away.
    const int64_t latest = loop_wall_us(a->loop) / 1000 + FEED_FUTURE_MS;
    if (newest > latest) {
        newest = latest;
    }
    return newest - a->cfg->retention_h * 3600000;
}

static void on_trimmed(struct redis *r, const struct redisReply *reply, void *arg)
{
    struct lane *l = arg;
    (void)r;
    l->trimming = false;
    if (reply != NULL && reply->type == REDIS_REPLY_INTEGER && reply->integer >= TRIM_LIMIT / 2) {
        l->trim_again = true;
    }
}

static void cut(struct lane *l, enum trimmed which)
{
    struct redis *r = l->app->redis;
    const long long ms = (long long)bound_ms(l, which);
    char key[KEY_MAX], hash[KEY_MAX];
    instrument_key(&l->feed.ins, tails[which], key);
    instrument_key(&l->feed.ins, "instrument", hash);
    if (redis_cmd(r, NULL, NULL, "HSET %s _trimmed_to_%s %lld-0", hash, tails[which], ms) == 0 &&
        redis_cmd(r, on_trimmed, l, "XTRIM %s MINID ~ %lld LIMIT %d", key, ms, TRIM_LIMIT) == 0) {
        l->trimming = true;
    }
}

// The oldest entry: is there anything to cut at all?
static void on_oldest(struct lane *l, enum trimmed which, const struct redisReply *reply)
{
    int64_t ms;
    l->trimming = false;
    if (reply == NULL || reply->type != REDIS_REPLY_ARRAY || reply->elements != 1 ||
        reply->element[0]->type != REDIS_REPLY_ARRAY || reply->element[0]->elements != 2 ||
        reply->element[0]->element[0]->type != REDIS_REPLY_STRING) {
        return;
    }
    const char *id = reply->element[0]->element[0]->str;
    if (parse_i64(id, strcspn(id, "-"), &ms) == 0 && ms < bound_ms(l, which)) {
        cut(l, which);
    }
}

static void on_oldest_trade(struct redis *r, const struct redisReply *reply, void *arg)
{
    (void)r;
    on_oldest(arg, TRIM_TRADES, reply);
}

static void on_oldest_history(struct redis *r, const struct redisReply *reply, void *arg)
{
    (void)r;
    on_oldest(arg, TRIM_HISTORY, reply);
}

void keyspace_trim(struct lane *l, int64_t mono_ms)
{
    struct app *a = l->app;
    char key[KEY_MAX];
    const bool due = l->trim_again || mono_ms - l->trimmed_mono_ms >= a->cfg->trim_ms ||
                     l->outbox.stored - l->trimmed_at_stored >= (uint64_t)a->cfg->trim_entries;
    if (!due || l->trimming || !l->outbox.open || l->outbox.newest_trade_ms < 0) {
        return;
    }
    l->trimmed_mono_ms = mono_ms;
    l->trimmed_at_stored = l->outbox.stored;
    l->trim_again = false;
    instrument_key(&l->feed.ins, "trades", key);
    if (redis_cmd(a->redis, on_oldest_trade, l, "XRANGE %s - + COUNT 1", key) == 0) {
        l->trimming = true;
    }
    instrument_key(&l->feed.ins, "history", key);
    if (l->outbox.newest_history_ms >= 0 &&
        redis_cmd(a->redis, on_oldest_history, l, "XRANGE %s - + COUNT 1", key) == 0) {
        l->trimming = true;
    }
}

// ---- --reset -----------------------------------------------------------------------------------

struct reset {
    struct app *app;
    size_t at; // lane
    uint64_t deleted;
};

static void scan(struct reset *x, const char *cursor);

static void fail_reset(struct reset *x, const struct redisReply *reply)
{
    service_fail(x->app->service, "reset_failed",
                 reply != NULL && reply->type == REDIS_REPLY_ERROR ? reply->str
                                                                   : "the link to Redis died");
    free(x);
}

static void delete_keys(struct reset *x, const struct redisReply *keys)
{
    for (size_t i = 0; i < keys->elements; i++) {
        const struct slice argv[] = {slice_of("UNLINK"),
                                     {keys->element[i]->str, keys->element[i]->len}};
        if (redis_argv(x->app->redis, NULL, NULL, 2, argv) == 0) {
            x->deleted++;
        }
    }
}

static void on_scanned(struct redis *r, const struct redisReply *reply, void *arg)
{
    struct reset *x = arg;
    (void)r;
    if (reply == NULL || reply->type != REDIS_REPLY_ARRAY || reply->elements != 2 ||
        reply->element[1]->type != REDIS_REPLY_ARRAY) {
        fail_reset(x, reply);
        return;
    }
    delete_keys(x, reply->element[1]);
    scan(x, reply->element[0]->str);
}

static void on_deleted(struct redis *r, const struct redisReply *reply, void *arg)
{
    struct reset *x = arg;
    (void)r;
    if (reply == NULL || reply->type == REDIS_REPLY_ERROR) {
        fail_reset(x, reply);
        return;
    }
    log_ev(LOG_INFO, "reset_done", F_UINT("deleted_keys", x->deleted));
    service_done(x->app->service);
    free(x);
}

static void scan(struct reset *x, const char *cursor)
{
    struct app *a = x->app;
    char pattern[KEY_MAX];
    int rc;
    if (cursor[0] == '0' && cursor[1] == '\0') {
        x->at++;
    }
    if (x->at > a->n) {
        // Commands run in order: this answer comes after the last UNLINK.
        rc = redis_cmd(a->redis, on_deleted, x, "PING");
    } else {
        instrument_key(&a->lane[x->at - 1].feed.ins, "*", pattern);
        rc = redis_cmd(a->redis, on_scanned, x, "SCAN %s MATCH %s COUNT 1000", cursor, pattern);
    }
    if (rc != 0) {
        fail_reset(x, NULL);
    }
}

void keyspace_reset(struct app *a)
{
    struct reset *x = xcalloc(1, sizeof *x);
    x->app = a;
    scan(x, "0");
}

#include "services/api/io/command.h"

#include <event2/event.h>
#include <hiredis/hiredis.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/base/str.h"

#define KEEP 1000 // entries of :commands

enum state { FREE, NEW, SENT, WRITTEN, FAILED };

struct slot {
    struct commands *owner;
    enum state state;
    bool left;       // nobody waits any more
    bool is_unknown; // FAILED: the entry may be there all the same
    size_t instrument;
    const char *type;
    int64_t at_ms;
    char id[48];
};

struct commands {
    struct commands_opts o;
    pthread_mutex_t lock; // guards the slots and `redis`
    pthread_cond_t changed;
    struct slot slot[COMMANDS_MAX];
    struct redis *redis; // NULL: not started, or stopped
    int wake;
    struct event *event;
};

struct commands *commands_new(const struct commands_opts *o)
{
    struct commands *c = xcalloc(1, sizeof *c);
    pthread_condattr_t monotonic;
    c->o = *o;
    c->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    pthread_mutex_init(&c->lock, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&c->changed, &monotonic);
    pthread_condattr_destroy(&monotonic);
    for (size_t i = 0; i < COMMANDS_MAX; i++) {
        c->slot[i].owner = c;
    }
    return c;
}

// ---- the loop's thread --------------------------------------------------------------------------

static void on_added(struct redis *r, const struct redisReply *reply, void *arg)
{
    struct slot *s = arg;
    struct commands *c = s->owner;
    (void)r;
    pthread_mutex_lock(&c->lock);
    if (reply != NULL && reply->type == REDIS_REPLY_STRING &&
        str_copyn(s->id, sizeof s->id, reply->str, reply->len)) {
        s->state = WRITTEN;
    } else {
        s->state = FAILED;
        s->is_unknown = reply == NULL;
        if (reply != NULL) {
            log_ev(LOG_WARN, "command_failed",
                   F_STR("why", reply->type == REDIS_REPLY_ERROR ? reply->str : "odd reply"));
        }
    }
    if (s->left) {
        s->state = FREE;
    }
    pthread_cond_broadcast(&c->changed);
    pthread_mutex_unlock(&c->lock);
}

// True when it is on its way.
static bool write_command(struct commands *c, struct slot *s)
{
    const struct instrument *ins = &store_instruments(c->o.store)[s->instrument];
    char key[KEY_MAX];
    instrument_key(ins, "commands", key);
    log_ev(LOG_INFO, "command", F_STR("sym", ins->name), F_STR("type", s->type),
           F_INT("at_ms", s->at_ms));
    return redis_is_up(c->redis) &&
           redis_cmd(c->redis, on_added, s, "XADD %s MAXLEN ~ %d * type %s at_ms %lld by api-%s",
                     key, KEEP, s->type, (long long)s->at_ms, c->o.instance) == 0;
}

static void on_wake(evutil_socket_t fd, short what, void *arg)
{
    struct commands *c = arg;
    uint64_t n;
    (void)what;
    (void)!read(fd, &n, sizeof n);
    pthread_mutex_lock(&c->lock);
    for (size_t i = 0; i < COMMANDS_MAX; i++) {
        struct slot *s = &c->slot[i];
        if (s->state == NEW) {
            s->state = write_command(c, s) ? SENT : FAILED;
        }
    }
    pthread_cond_broadcast(&c->changed);
    pthread_mutex_unlock(&c->lock);
}

void commands_start(struct commands *c, struct loop *loop, struct redis *r)
{
    c->event = event_new(loop->base, c->wake, EV_READ | EV_PERSIST, on_wake, c);
    if (c->event == NULL || event_add(c->event, NULL) != 0) {
        FATAL("libevent: cannot watch a descriptor");
    }
    pthread_mutex_lock(&c->lock);
    c->redis = r;
    pthread_mutex_unlock(&c->lock);
}

void commands_stop(struct commands *c)
{
    pthread_mutex_lock(&c->lock);
    c->redis = NULL;
    pthread_mutex_unlock(&c->lock);
    if (c->event != NULL) {
        event_free(c->event);
        c->event = NULL;
    }
}

void commands_free(struct commands *c)
{
    if (c == NULL) {
        return;
    }
    pthread_cond_destroy(&c->changed);
    pthread_mutex_destroy(&c->lock);
    if (c->wake >= 0) {
        (void)close(c->wake);
    }
    free(c);
}

void commands_note(struct commands *c)
{
    pthread_mutex_lock(&c->lock);
    pthread_cond_broadcast(&c->changed);
    pthread_mutex_unlock(&c->lock);
}

// ---- a request's thread -------------------------------------------------------------------------

static bool id_parts(const char *s, uint64_t *ms, uint64_t *seq)
{
    const char *dash = strchr(s, '-');
    return dash != NULL && parse_u64(s, (size_t)(dash - s), ms) == 0 &&
           parse_u64(dash + 1, strlen(dash + 1), seq) == 0;
}

// Has strategy taken that entry?
static bool is_taken(const char *pos, const char *id)
{
    uint64_t ams, aseq, bms, bseq;
    return id_parts(pos, &ams, &aseq) && id_parts(id, &bms, &bseq) &&
           (ams > bms || (ams == bms && aseq >= bseq));
}

static bool ask_snapshot(struct commands *c, const struct slot *s, enum command_result *out)
{
    int64_t now;
    struct snap *snap = store_get(c->o.store, s->instrument, 0, &now);
    const struct rhash *h = snap->sec[SEC_CVD];
    const bool taken = is_taken(rhash_get(h, "_pos_commands"), s->id);
    // A later anchor (another reset, a new day) is one that counts no more than was asked for.
    *out = rhash_i64(h, "anchor_ms", -1) >= s->at_ms ? COMMAND_APPLIED : COMMAND_REFUSED;
    snap_unref(snap);
    return taken;
}

// What has become of it; false: not known yet.
static bool outcome(struct commands *c, const struct slot *s, enum command_result *out)
{
    if (s->state == FAILED) {
        *out = s->is_unknown ? COMMAND_UNKNOWN : COMMAND_AWAY;
        return true;
    }
    return s->state == WRITTEN && ask_snapshot(c, s, out);
}

static struct slot *take_slot(struct commands *c, size_t instrument, const char *type,
                              int64_t at_ms)
{
    for (size_t i = 0; i < COMMANDS_MAX; i++) {
        struct slot *s = &c->slot[i];
        if (s->state == FREE) {
            *s = (struct slot){
                .owner = c, .state = NEW, .instrument = instrument, .type = type, .at_ms = at_ms};
            return s;
        }
    }
    return NULL;
}

static enum command_result leave(struct slot *s)
{
    const enum state was = s->state;
    if (was == SENT) {
        s->left = true; // the reply frees it
        return COMMAND_UNKNOWN;
    }
    s->state = FREE;
    return was == WRITTEN ? COMMAND_QUEUED : COMMAND_AWAY;
}

static struct timespec until(int64_t ms)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    t.tv_sec += ms / 1000;
    t.tv_nsec += (ms % 1000) * 1000000;
    if (t.tv_nsec >= 1000000000) {
        t.tv_nsec -= 1000000000;
        t.tv_sec++;
    }
    return t;
}

enum command_result commands_send(struct commands *c, size_t instrument, const char *type,
                                  int64_t at_ms, struct post *p)
{
    const struct timespec end = until(c->o.wait_ms);
    const uint64_t one = 1;
    enum command_result result = COMMAND_AWAY;
    pthread_mutex_lock(&c->lock);
    struct slot *s = c->redis != NULL ? take_slot(c, instrument, type, at_ms) : NULL;
    if (s == NULL) {
        result = c->redis != NULL ? COMMAND_BUSY : COMMAND_AWAY;
        pthread_mutex_unlock(&c->lock);
        return result;
    }
    (void)!write(c->wake, &one, sizeof one);
    bool known = false;
    int rc = 0;
    while (!(known = outcome(c, s, &result)) && rc == 0) {
        rc = pthread_cond_timedwait(&c->changed, &c->lock, &end);
    }
    p->at_ms = at_ms;
    (void)str_copy(p->id, sizeof p->id, s->id);
    if (known) {
        s->state = FREE;
    } else {
        result = leave(s);
    }
    p->applied = result == COMMAND_APPLIED;
    pthread_mutex_unlock(&c->lock);
    return result;
}

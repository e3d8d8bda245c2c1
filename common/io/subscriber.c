// PSUBSCRIBE on a link of its own. In subscribe mode hiredis 0.14 would take a message for the
// reply of a PING, so a silent link is probed by subscribing once more to a pattern it has: Redis
// confirms that again, and nothing else changes.

#include "common/io/redis_priv.h"

#include <hiredis/hiredis.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/log.h"
#include "common/base/mem.h"

struct subscriber {
    struct subscriber_opts o;
    struct redis *r;
    struct timer *probe;
    char **patterns;
    size_t n;
    size_t confirmed; // PSUBSCRIBEs answered on this link, probes not counted
    bool heard;       // anything since the last tick of the probe timer
    bool probing;
};

// User callbacks are the last thing each of these does, because they may free `s`.

static void on_push(void *arg, const struct redisReply *reply)
{
    struct subscriber *s = arg;
    s->heard = true;
    s->probing = false;
    if (reply->type != REDIS_REPLY_ARRAY || reply->elements < 3 ||
        reply->element[0]->type != REDIS_REPLY_STRING) {
        return;
    }
    struct slice kind = {reply->element[0]->str, reply->element[0]->len};
    if (slice_eq(kind, "pmessage") && reply->elements == 4 &&
        reply->element[2]->type == REDIS_REPLY_STRING &&
        reply->element[3]->type == REDIS_REPLY_STRING) {
        struct slice channel = {reply->element[2]->str, reply->element[2]->len};
        struct slice payload = {reply->element[3]->str, reply->element[3]->len};
        s->o.on_message(s->o.arg, channel, payload);
    } else if (slice_eq(kind, "psubscribe") && s->confirmed < s->n) {
        if (++s->confirmed == s->n && s->o.on_ready) {
            s->o.on_ready(s->o.arg);
        }
    }
}

static void on_up(void *arg)
{
    struct subscriber *s = arg;
    s->confirmed = 0;
    s->heard = false;
    s->probing = false;
    for (size_t i = 0; i < s->n; i++) {
        if (redis_psubscribe(s->r, s->patterns[i], on_push, s)) {
            redis_kick(s->r, "PSUBSCRIBE was not accepted");
            return;
        }
    }
    timer_every(s->probe, s->o.probe_ms);
}

static void on_down(void *arg, const char *why)
{
    struct subscriber *s = arg;
    timer_stop(s->probe);
    if (s->o.on_down) {
        s->o.on_down(s->o.arg, why);
    }
}

static void probe_cb(void *arg)
{
    struct subscriber *s = arg;
    if (s->heard) {
        s->heard = false;
    } else if (s->probing) {
        redis_kick(s->r, "no answer to a probe in time");
    } else {
        s->probing = true;
        if (redis_psubscribe(s->r, s->patterns[0], on_push, s)) {
            redis_kick(s->r, "PSUBSCRIBE was not accepted");
        }
    }
}

struct subscriber *subscriber_new(const struct subscriber_opts *o)
{
    struct subscriber *s = xcalloc(1, sizeof *s);
    s->o = *o;
    s->o.probe_ms = o->probe_ms > 0 ? o->probe_ms : 10000;
    while (o->patterns[s->n]) {
        s->n++;
    }
    if (s->n == 0) {
        FATAL("subscriber_new: no pattern");
    }
    s->patterns = xcalloc(s->n, sizeof *s->patterns);
    for (size_t i = 0; i < s->n; i++) {
        s->patterns[i] = xstrdup(o->patterns[i]);
    }
    s->o.patterns = NULL;
    s->probe = timer_new(o->loop, probe_cb, s);
    s->r = redis_new(&(struct redis_opts){.loop = o->loop,
                                          .url = o->url,
                                          .name = o->name,
                                          .slot_key = "", // a cluster tells all its nodes
                                          .on_up = on_up,
                                          .on_down = on_down,
                                          .arg = s});
    s->o.name = NULL;
    return s;
}

void subscriber_free(struct subscriber *s)
{
    if (!s) {
        return;
    }
    redis_free(s->r);
    timer_free(s->probe);
    for (size_t i = 0; i < s->n; i++) {
        free(s->patterns[i]);
    }
    free(s->patterns);
    free(s);
}

// hiredis calls each reply callback once, in the order of the commands. We keep the same order in
// a ring of our own, which carries what hiredis has no room for: the moment a command was sent, its
// size and its meaning for the login or for a transaction. The ring is the truth: when a link ends,
// it is detached from hiredis first (ac->data = NULL: later calls from there are ignored) and the
// ring is emptied here, so there is one teardown path whoever noticed the end.
//
// User callbacks may call anything, redis_free() included: `busy` counts the frames of ours on the
// stack and the memory goes with the last of them.

#include "common/io/redis_priv.h"

#include <hiredis/hiredis.h>
#include <stdlib.h>
#include <string.h>

#include <hiredis/async.h>

#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/io/redis_attach.h"
#include "common/io/redis_cluster.h"
#include "common/io/reply_pool.h"

#define SCRATCH_MAX ((size_t)256 << 20)
#define GRACE_MS 20
#define TELL_EVERY_MS 30000
// A link that died sooner does not count as a success for the backoff.
#define PROVEN_MS 1000

static void connect_now(void *arg);
static void deadline_cb(void *arg);

// ---- end of a link -----------------------------------------------------------------------------

static void enter(struct redis *r)
{
    r->busy++;
}

static void leave(struct redis *r)
{
    if (--r->busy > 0 || !r->dead) {
        return;
    }
    reply_pool_free(r->pool);
    redis_cluster_free(r->cluster);
    redis_lookup_free(r->lookup);
    timer_free(r->retry);
    timer_free(r->deadline);
    buf_release(&r->scratch);
    free(r->ring);
    free(r->name);
    free(r);
}

// Whoever asked a cluster is answered by the cluster, not by one of its nodes.
static void answer(struct redis *r, const struct pending *p, const redisReply *reply)
{
    struct redis *asked = r->whole != NULL ? r->whole : r;
    if (p->cb == NULL) {
        return;
    }
    asked->answering = r;
    p->cb(asked, reply, p->arg);
}

static void drop_pending(struct redis *r)
{
    if (r->cluster != NULL) {
        redis_cluster_drop(r->cluster);
    }
    while (r->count > 0) {
        const struct pending p = redis_pop(r);
        answer(r, &p, NULL);
    }
}

static void tell(struct redis *r, const char *ev, int64_t retry_ms)
{
    int64_t now = loop_mono_ms(r->o.loop);
    if (strcmp(r->told, r->why) == 0 && now - r->told_ms < TELL_EVERY_MS) {
        return;
    }
    str_copy(r->told, sizeof r->told, r->why);
    r->told_ms = now;
    char url[256];
    redis_url_show(&r->o.url, url, sizeof url);
    log_ev(r->login_failed ? LOG_ERROR : LOG_WARN, ev, F_STR("link", r->name), F_STR("url", url),
           F_STR("why", r->why), F_INT("retry_ms", retry_ms));
}

// The one way down. `free_ac` is false when hiredis is freeing the context itself.
static void link_down(struct redis *r, const char *why, bool free_ac)
{
    if (r->state == LINK_DOWN) {
        return;
    }
    enter(r);
    bool was_up = r->state == LINK_UP;
    str_copy(r->why, sizeof r->why, why && why[0] ? why : "connection closed");
    redisAsyncContext *ac = r->ac;
    r->ac = NULL;
    r->state = LINK_DOWN;
    r->on_push = NULL;
    timer_stop(r->deadline);
    redis_lookup_stop(r->lookup);
    if (ac) {
        ac->data = NULL;
        if (free_ac) {
            redisAsyncFree(ac); // inside one of its callbacks it waits for the end of that
        }
    }
    if (was_up && loop_mono_ms(r->o.loop) - r->up_since_ms >= PROVEN_MS) {
        backoff_reset(&r->backoff);
    }
    if (!r->dead) {
        int64_t delay =
            r->login_failed ? r->backoff.max_ms : backoff_next_ms(&r->backoff, r->o.loop);
        tell(r, was_up ? "redis_down" : r->login_failed ? "redis_refused" : "redis_away", delay);
        timer_start(r->retry, delay);
    }
    drop_pending(r);
    if (was_up && !r->dead && r->o.on_down) {
        r->o.on_down(r->o.arg, r->why);
    } else if (!was_up && !r->dead && r->whole != NULL) {
        r->whole->login_failed = r->login_failed;
        link_down(r->whole, r->why, true); // without this master there is no whole
    }
    leave(r);
}

void redis_kick(struct redis *r, const char *why)
{
    link_down(r, why, true);
}

// ---- timers ------------------------------------------------------------------------------------

static void deadline_cb(void *arg)
{
    struct redis *r = arg;
    if (r->state == LINK_CONNECTING) {
        link_down(r,
                  r->ac && (r->ac->c.flags & REDIS_CONNECTED) ? "no answer to the login in time"
                                                              : "no connection in time",
                  true);
        return;
    }
    if (r->state != LINK_UP || r->count == 0) {
        return;
    }
    // The oldest command decides: replies come in order, so its time runs from when it was sent or
    // from when the one before it was answered.
    const struct pending *p = &r->ring[r->head];
    int64_t from = p->sent_ms > r->progress_ms ? p->sent_ms : r->progress_ms;
    int64_t left = from + p->allowed_ms - loop_mono_ms(r->o.loop);
    if (left > 0) {
        r->grace = false;
        timer_start(r->deadline, left);
    } else if (!r->grace) {
        // We may have slept ourselves, with the answer waiting in the socket.
        r->grace = true;
        timer_start(r->deadline, GRACE_MS);
    } else {
        link_down(r, "no answer to a command in time", true);
    }
}

// ---- replies -----------------------------------------------------------------------------------

static void log_up(struct redis *r)
{
    char url[256];
    redis_url_show(&r->o.url, url, sizeof url);
    log_ev(LOG_INFO, "redis_up", F_STR("link", r->name), F_STR("url", url));
}

void redis_became_up(struct redis *r)
{
    r->state = LINK_UP;
    r->login_failed = false;
    r->up_since_ms = loop_mono_ms(r->o.loop);
    r->told[0] = '\0';
    timer_stop(r->deadline);
    log_up(r);
    if (r->o.on_up) {
        r->o.on_up(r->o.arg);
    }
}

// A user who may not ask is told nothing: then Sentinel's word has to do.
static bool is_master(const redisReply *reply)
{
    return reply->type != REDIS_REPLY_ARRAY || reply->elements == 0 ||
           reply->element[0]->type != REDIS_REPLY_STRING ||
           strcmp(reply->element[0]->str, "master") == 0;
}

// The slot of this link is elsewhere, or on its way, or its master is one no more: the link ends,
// and begins anew where it is. A command that one key of a moving slot would need ASKING for waits
// for the end of the move.
static bool is_elsewhere(struct redis *r, const redisReply *reply)
{
    struct redis_node at;
    struct redis_lookup *lookup = r->whole != NULL ? r->whole->lookup : r->lookup;
    if (reply->type != REDIS_REPLY_ERROR || lookup == NULL) {
        return false;
    }
    if (str_starts(reply->str, "MOVED ")) {
        if (redis_moved(reply->str, reply->len, &at)) {
            redis_lookup_hint(lookup, &at);
        }
        return true;
    }
    return str_starts(reply->str, "ASK ") || str_starts(reply->str, "READONLY") ||
           str_starts(reply->str, "CLUSTERDOWN") || str_starts(reply->str, "TRYAGAIN");
}

static void on_login(struct redis *r, const struct pending *p, const redisReply *reply)
{
    if (p->kind == K_LOGIN_NAME) {
        return;
    }
    if (p->kind == K_LOGIN_ROLE && !is_master(reply)) {
        link_down(r, "Sentinel's master is a replica still", true);
        return;
    }
    if (reply->type == REDIS_REPLY_ERROR) {
        enum redis_error c = redis_classify(reply);
        // A user who may not PING is logged in all the same.
        bool fine = p->kind == K_LOGIN_PROOF && str_starts(reply->str, "NOPERM");
        if (!fine) {
            r->login_failed = c == REDIS_E_AUTH || p->kind == K_LOGIN;
            if (c == REDIS_E_AWAY) {
                r->login_failed = false;
            }
            char why[180];
            str_copyn(why, sizeof why, reply->str, reply->len);
            link_down(r, why, true);
            return;
        }
    }
    if (p->kind != K_LOGIN_PROOF) {
        return;
    }
    redis_became_up(r);
}

void redis_on_reply(redisAsyncContext *ac, void *vreply, void *unused)
{
    (void)unused;
    struct redis *r = ac->data;
    const redisReply *reply = vreply;
    if (!r) {
        return;
    }
    if (!reply) {
        link_down(r, ac->errstr, true);
        return;
    }
    enter(r);
    struct pending p = redis_pop(r);
    r->progress_ms = loop_mono_ms(r->o.loop);
    r->grace = false;
    if (is_elsewhere(r, reply)) {
        char why[180];
        str_copyn(why, sizeof why, reply->str, reply->len);
        answer(r, &p, NULL);
        link_down(r, why, true);
        leave(r);
        return;
    }
    switch (p.kind) {
    case K_LOGIN:
    case K_LOGIN_NAME:
    case K_LOGIN_ROLE:
    case K_LOGIN_PROOF:
        on_login(r, &p, reply);
        break;
    case K_TX_QUEUE:
        if (reply->type == REDIS_REPLY_ERROR && !r->queue_error[0]) {
            str_copyn(r->queue_error, sizeof r->queue_error, reply->str, reply->len);
        }
        break;
    case K_COMMAND:
    case K_TX_EXEC:
        answer(r, &p, reply);
        if (p.kind == K_TX_EXEC) {
            r->queue_error[0] = '\0';
        }
        break;
    }
    leave(r);
}

static void on_pushed(redisAsyncContext *ac, void *vreply, void *unused)
{
    (void)unused;
    struct redis *r = ac->data;
    if (!r) {
        return;
    }
    if (!vreply) {
        link_down(r, ac->errstr, true);
        return;
    }
    enter(r);
    if (r->on_push) {
        r->on_push(r->push_arg, vreply);
    }
    leave(r);
}

int redis_psubscribe(struct redis *r, const char *pattern,
                     void (*on_push)(void *arg, const struct redisReply *reply), void *arg)
{
    if (r->state != LINK_UP || r->count > 0) {
        return ERR_CLOSED;
    }
    r->on_push = on_push;
    r->push_arg = arg;
    int rc = redisAsyncCommand(r->ac, on_pushed, NULL, "PSUBSCRIBE %s", pattern);
    return rc == REDIS_OK ? 0 : ERR_CLOSED;
}

// ---- connecting --------------------------------------------------------------------------------

static void login_command(struct redis *r, enum link_kind kind, size_t argc,
                          const char *const *argv)
{
    buf_clear(&r->scratch);
    resp_array(&r->scratch, argc);
    for (size_t i = 0; i < argc; i++) {
        resp_bulk(&r->scratch, argv[i], strlen(argv[i]));
    }
    // It cannot refuse: the context was made a moment ago. Were it to, the connect timer decides.
    int rc = redis_send_one(r, kind, NULL, NULL, 0, buf_ptr(&r->scratch), buf_len(&r->scratch));
    (void)rc;
}

static void login(struct redis *r)
{
    const struct redis_url *u = &r->o.url;
    if (u->user[0]) {
        login_command(r, K_LOGIN, 3, (const char *const[]){"AUTH", u->user, u->pass});
    } else if (u->pass[0]) {
        login_command(r, K_LOGIN, 2, (const char *const[]){"AUTH", u->pass});
    }
    if (u->db) {
        char db[16];
        str_fmt(db, sizeof db, "%d", u->db);
        login_command(r, K_LOGIN, 2, (const char *const[]){"SELECT", db});
    }
    login_command(r, K_LOGIN_NAME, 3, (const char *const[]){"CLIENT", "SETNAME", r->name});
    if (u->kind == REDIS_SENTINEL) {
        login_command(r, K_LOGIN_ROLE, 1, (const char *const[]){"ROLE"});
    }
    login_command(r, K_LOGIN_PROOF, 1, (const char *const[]){"PING"});
}

static void on_connect(const redisAsyncContext *ac, int status)
{
    struct redis *r = ac->data;
    if (r && status != REDIS_OK) {
        link_down(r, ac->c.errstr, false);
    }
}

static void on_disconnect(const redisAsyncContext *ac, int status)
{
    (void)status;
    struct redis *r = ac->data;
    if (r) {
        link_down(r, ac->errstr, false);
    }
}

static void connect_there(struct redis *r)
{
    const struct redis_url *u = &r->o.url;
    redisAsyncContext *ac =
        u->is_unix ? redisAsyncConnectUnix(u->host) : redisAsyncConnect(r->at.host, r->at.port);
    if (!ac) {
        FATAL("hiredis: no memory");
    }
    if (ac->err) {
        str_copy(r->why, sizeof r->why, ac->errstr);
        redisAsyncFree(ac);
        char why[200];
        str_copy(why, sizeof why, r->why);
        link_down(r, why, false);
        return;
    }
    if (!u->is_unix) {
        redisEnableKeepAlive(&ac->c); // finds a half-open link while nothing is in flight
    }
    r->ac = ac;
    ac->data = r;
    if (r->pool) {
        reply_pool_use(r->pool, ac->c.reader);
    }
    redis_attach(ac, r->o.loop->base);
    redisAsyncSetConnectCallback(ac, on_connect);
    redisAsyncSetDisconnectCallback(ac, on_disconnect);
    login(r); // sent as soon as the socket is writable
}

static void on_place(void *arg, const struct redis_node *at, const char *why)
{
    struct redis *r = arg;
    if (at == NULL) {
        link_down(r, why, false);
        return;
    }
    if (r->cluster != NULL) {
        redis_cluster_connect(r->cluster, redis_lookup_map(r->lookup));
        return;
    }
    r->at = *at;
    connect_there(r);
}

static void connect_now(void *arg)
{
    struct redis *r = arg;
    r->state = LINK_CONNECTING;
    r->grace = false;
    r->queue_error[0] = '\0';
    timer_start(r->deadline, r->o.connect_timeout_ms);
    if (r->lookup != NULL) {
        redis_lookup_start(r->lookup);
    } else {
        connect_there(r);
    }
}

static int64_t or_default(int64_t v, int64_t def)
{
    return v > 0 ? v : def;
}

struct redis *redis_new(const struct redis_opts *o)
{
    struct redis *r = xcalloc(1, sizeof *r);
    r->o = *o;
    r->name = xstrdup(o->name ? o->name : "redis");
    r->pool = o->pooled_replies ? reply_pool_new() : NULL;
    for (char *p = r->name; *p; p++) { // CLIENT SETNAME takes no blanks
        if (*p <= ' ' || *p > '~') {
            *p = '_';
        }
    }
    r->o.name = r->name;
    r->o.connect_timeout_ms = or_default(o->connect_timeout_ms, 5000);
    r->o.command_timeout_ms = or_default(o->command_timeout_ms, 10000);
    r->o.max_inflight = o->max_inflight ? o->max_inflight : 20000;
    r->o.max_pending_bytes = o->max_pending_bytes ? o->max_pending_bytes : (size_t)32 << 20;
    r->backoff.min_ms = or_default(o->backoff_min_ms, 100);
    // Where a failover is awaited, looking more often costs little and saves seconds.
    const bool moves = o->url.kind != REDIS_SINGLE;
    r->backoff.max_ms = or_default(o->backoff_max_ms, moves ? 1000 : 5000);
    buf_init(&r->scratch, SCRATCH_MAX);
    str_copy(r->slot_key, sizeof r->slot_key, o->slot_key != NULL ? o->slot_key : "");
    r->o.slot_key = r->slot_key;
    str_copy(r->at.host, sizeof r->at.host, o->url.host);
    r->at.port = o->url.port;
    if (o->url.kind != REDIS_SINGLE) {
        r->lookup = redis_lookup_new(o->loop, &o->url, o->slot_key, on_place, r);
    }
    if (o->url.kind == REDIS_CLUSTER && o->slot_key == NULL) {
        r->cluster = redis_cluster_new(r);
    }
    r->retry = timer_new(o->loop, connect_now, r);
    r->deadline = timer_new(o->loop, deadline_cb, r);
    timer_start(r->retry, 0);
    return r;
}

void redis_free(struct redis *r)
{
    if (!r || r->dead) {
        return;
    }
    r->dead = true;
    enter(r);
    timer_stop(r->retry);
    link_down(r, "freed", true);
    drop_pending(r); // when called while link_down() is at it: the rest must not outlive us
    leave(r);
}

bool redis_is_up(const struct redis *r)
{
    return r->state == LINK_UP && !r->dead;
}

size_t redis_inflight(const struct redis *r)
{
    return r->cluster != NULL ? redis_cluster_inflight(r->cluster) : r->count;
}

struct loop *redis_loop(const struct redis *r)
{
    return r->o.loop;
}

// Commands on their way out: into the ring that remembers what each reply is for, then to hiredis.

#include "common/io/redis_priv.h"

#include <hiredis/hiredis.h>
#include <stdarg.h>
#include <stdlib.h>

#include <hiredis/async.h>

#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/io/redis_cluster.h"

// ---- ring --------------------------------------------------------------------------------------

static void push(struct redis *r, struct pending p)
{
    if (r->count == r->cap) {
        size_t cap = r->cap ? r->cap * 2 : 64;
        struct pending *ring = xmalloc(cap * sizeof *ring);
        for (size_t i = 0; i < r->count; i++) {
            ring[i] = r->ring[(r->head + i) & (r->cap - 1)];
        }
        free(r->ring);
        r->ring = ring;
        r->cap = cap;
        r->head = 0;
    }
    r->ring[(r->head + r->count) & (r->cap - 1)] = p;
    r->count++;
    r->pending_bytes += p.bytes;
}

struct pending redis_pop(struct redis *r)
{
    struct pending p = r->ring[r->head];
    r->head = (r->head + 1) & (r->cap - 1);
    r->count--;
    r->pending_bytes -= p.bytes;
    return p;
}

void redis_watch(struct redis *r)
{
    if (r->state == LINK_UP && r->count > 0 && !timer_is_running(r->deadline)) {
        const struct pending *p = &r->ring[r->head];
        timer_start(r->deadline, p->allowed_ms);
    }
}

// ---- sending -----------------------------------------------------------------------------------

static int check_room(const struct redis *r, size_t commands, size_t bytes)
{
    if (r->state != LINK_UP) {
        return ERR_CLOSED;
    }
    if (r->count + commands > r->o.max_inflight) {
        return ERR_LIMIT;
    }
    if (r->count > 0 && r->pending_bytes + bytes > r->o.max_pending_bytes) {
        return ERR_LIMIT;
    }
    return 0;
}

int redis_send_one(struct redis *r, enum link_kind kind, redis_cb cb, void *arg, int64_t allowed_ms,
                   const char *resp, size_t n)
{
    if (redisAsyncFormattedCommand(r->ac, redis_on_reply, NULL, resp, n) != REDIS_OK) {
        return ERR_CLOSED;
    }
    // Behind a command in flight the clock is not read: the time of this one runs from the answer
    // to that one, which is later (deadline_cb).
    const int64_t sent_ms = r->count > 0 ? r->ring[r->head].sent_ms : loop_mono_ms(r->o.loop);
    push(r, (struct pending){.cb = cb,
                             .arg = arg,
                             .sent_ms = sent_ms,
                             .allowed_ms = allowed_ms,
                             .bytes = n,
                             .kind = kind});
    redis_watch(r);
    return 0;
}

// The link that a command goes to; NULL: there is none now.
static struct redis *route(struct redis *r, const char *resp, size_t n)
{
    if (r->cluster == NULL) {
        return r;
    }
    return r->state == LINK_UP ? redis_cluster_route(r->cluster, resp, n) : NULL;
}

int redis_resp(struct redis *r, redis_cb cb, void *arg, const char *resp, size_t n)
{
    if ((r = route(r, resp, n)) == NULL) {
        return ERR_CLOSED;
    }
    int rc = check_room(r, 1, n);
    return rc ? rc : redis_send_one(r, K_COMMAND, cb, arg, r->o.command_timeout_ms, resp, n);
}

int redis_argv_blocking(struct redis *r, int64_t block_ms, redis_cb cb, void *arg, size_t argc,
                        const struct slice *argv)
{
    buf_clear(&r->scratch);
    resp_array(&r->scratch, argc);
    for (size_t i = 0; i < argc; i++) {
        resp_bulk(&r->scratch, argv[i].p, argv[i].n);
    }
    if (r->scratch.failed) {
        return ERR_LIMIT;
    }
    const char *resp = buf_ptr(&r->scratch);
    size_t n = buf_len(&r->scratch);
    if ((r = route(r, resp, n)) == NULL) {
        return ERR_CLOSED;
    }
    int rc = check_room(r, 1, n);
    return rc ? rc
              : redis_send_one(r, K_COMMAND, cb, arg, r->o.command_timeout_ms + block_ms, resp, n);
}

int redis_argv(struct redis *r, redis_cb cb, void *arg, size_t argc, const struct slice *argv)
{
    return redis_argv_blocking(r, 0, cb, arg, argc, argv);
}

int redis_cmd(struct redis *r, redis_cb cb, void *arg, const char *fmt, ...)
{
    char *resp = NULL;
    va_list ap;
    va_start(ap, fmt);
    int n = redisvFormatCommand(&resp, fmt, ap);
    va_end(ap);
    if (n < 0) {
        FATAL("redis_cmd: bad format '%s'", fmt);
    }
    int rc = redis_resp(r, cb, arg, resp, (size_t)n);
    redisFreeCommand(resp);
    return rc;
}

int redis_tx_exec(struct redis *r, struct redis_tx *t, redis_cb cb, void *arg)
{
    static const char multi[] = "*1\r\n$5\r\nMULTI\r\n";
    static const char exec[] = "*1\r\n$4\r\nEXEC\r\n";
    if (t->bytes.failed || t->hset_key) {
        return t->hset_key ? ERR_STATE : ERR_LIMIT;
    }
    if ((r = route(r, buf_ptr(&t->bytes), t->n > 0 ? t->len[0] : 0)) == NULL) {
        return ERR_CLOSED;
    }
    int rc = check_room(r, t->n + 2, buf_len(&t->bytes) + sizeof multi + sizeof exec);
    if (rc) {
        return rc;
    }
    int64_t ms = r->o.command_timeout_ms;
    rc = redis_send_one(r, K_TX_QUEUE, NULL, NULL, ms, multi, sizeof multi - 1);
    const char *p = buf_ptr(&t->bytes);
    for (size_t i = 0; rc == 0 && i < t->n; i++) {
        rc = redis_send_one(r, K_TX_QUEUE, NULL, NULL, ms, p, t->len[i]);
        p += t->len[i];
    }
    return rc ? rc : redis_send_one(r, K_TX_EXEC, cb, arg, ms, exec, sizeof exec - 1);
}

const char *redis_tx_queue_error(const struct redis *r)
{
    r = r->cluster != NULL && r->answering != NULL ? r->answering : r;
    return r->queue_error;
}

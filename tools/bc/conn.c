#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "common/base/str.h"
#include "tools/bc/bc.h"

#define TIMEOUT_S 5

static int refused(const char *what, const char *why)
{
    fprintf(stderr, "bc: Redis: %s: %s\n", what, why);
    return BC_NOREDIS;
}

static int log_in(struct bc *b, const struct redis_url *u)
{
    redisReply *r = NULL;
    if (u->user[0] != '\0') {
        r = redisCommand(b->redis, "AUTH %s %s", u->user, u->pass);
    } else if (u->pass[0] != '\0') {
        r = redisCommand(b->redis, "AUTH %s", u->pass);
    } else {
        r = redisCommand(b->redis, "PING");
    }
    int rc = BC_OK;
    if (r == NULL || r->type == REDIS_REPLY_ERROR) {
        rc = refused("login", r != NULL ? r->str : b->redis->errstr);
    }
    if (r != NULL) {
        freeReplyObject(r);
    }
    return rc;
}

static int open_at(struct bc *b, const struct redis_url *u, const char *host, int port)
{
    const struct timeval limit = {.tv_sec = TIMEOUT_S};
    if (b->redis != NULL) {
        redisFree(b->redis);
    }
    b->redis = u->is_unix ? redisConnectUnixWithTimeout(host, limit)
                          : redisConnectWithTimeout(host, port, limit);
    if (b->redis == NULL || b->redis->err != 0) {
        return refused(host, b->redis != NULL ? b->redis->errstr : "no memory");
    }
    if (redisSetTimeout(b->redis, limit) != REDIS_OK) {
        return refused(host, "cannot set a timeout");
    }
    return BC_OK;
}

// Where the master is, from the first sentinel that knows.
static int ask_sentinels(struct bc *b, const struct redis_url *u, char *host, size_t size,
                         int *port)
{
    for (size_t i = 0; i < u->n_nodes; i++) {
        if (open_at(b, u, u->node[i].host, u->node[i].port) != BC_OK) {
            continue;
        }
        redisReply *r = redisCommand(b->redis, "SENTINEL get-master-addr-by-name %s", u->master);
        int64_t number = 0;
        const bool known = r != NULL && r->type == REDIS_REPLY_ARRAY && r->elements == 2 &&
                           str_copyn(host, size, r->element[0]->str, r->element[0]->len) &&
                           parse_i64(r->element[1]->str, r->element[1]->len, &number) == 0;
        freeReplyObject(r);
        if (known) {
            *port = (int)number;
            return BC_OK;
        }
    }
    return refused(u->master, "no sentinel knows this master");
}

int bc_connect(struct bc *b)
{
    struct redis_url *u = &b->url;
    struct err e = {0};
    if (redis_url_parse(b->redis_url, u, &e) != 0) {
        fprintf(stderr, "bc: REDIS_URL: %s\n", e.text);
        return BC_USAGE;
    }
    char host[sizeof u->host];
    int port = u->port;
    memcpy(host, u->host, sizeof host);
    int rc = BC_OK;
    if (u->kind == REDIS_SENTINEL) {
        rc = ask_sentinels(b, u, host, sizeof host, &port);
        rc = rc == BC_OK ? open_at(b, u, host, port) : rc;
    } else if (u->kind == REDIS_CLUSTER) {
        rc = BC_NOREDIS;
        for (size_t i = 0; i < u->n_nodes && rc != BC_OK; i++) {
            rc = open_at(b, u, u->node[i].host, u->node[i].port);
        }
    } else {
        rc = open_at(b, u, host, port);
    }
    rc = rc == BC_OK ? log_in(b, u) : rc;
    if (rc == BC_OK && u->db != 0) {
        redisReply *r = bc_ask(b, "SELECT %d", u->db);
        rc = r != NULL ? BC_OK : BC_NOREDIS;
        freeReplyObject(r);
    }
    return rc;
}

// "MOVED 3999 127.0.0.1:6381": goes there. False when it is not that, or nobody is there.
static bool follow_moved(struct bc *b, const redisReply *r)
{
    int64_t port = 0;
    const char *at = r->type == REDIS_REPLY_ERROR && str_starts(r->str, "MOVED ") ? r->str : NULL;
    const char *host = at != NULL ? strchr(at + 6, ' ') : NULL;
    const char *colon = host != NULL ? strrchr(host, ':') : NULL;
    char name[128];
    return colon != NULL && parse_i64(colon + 1, strlen(colon + 1), &port) == 0 && port > 0 &&
           port < 65536 && str_copyn(name, sizeof name, host + 1, (size_t)(colon - host - 1)) &&
           open_at(b, &b->url, name, (int)port) == BC_OK && log_in(b, &b->url) == BC_OK;
}

redisReply *bc_ask(struct bc *b, const char *fmt, ...)
{
    redisReply *r = NULL;
    for (int tries = 0; tries < 3; tries++) {
        va_list ap;
        va_start(ap, fmt);
        r = redisvCommand(b->redis, fmt, ap);
        va_end(ap);
        if (r != NULL && r->type != REDIS_REPLY_ERROR) {
            return r;
        }
        if (r == NULL || !follow_moved(b, r)) {
            break;
        }
        freeReplyObject(r);
        r = NULL;
    }
    (void)refused(fmt, r != NULL ? r->str : b->redis->errstr);
    freeReplyObject(r);
    return NULL;
}

const char *bc_field(const redisReply *hash, const char *name)
{
    for (size_t i = 0; hash != NULL && i + 1 < hash->elements; i += 2) {
        if (strcmp(hash->element[i]->str, name) == 0 && hash->element[i + 1]->str != NULL) {
            return hash->element[i + 1]->str;
        }
    }
    return "";
}

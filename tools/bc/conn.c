#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "common/io/redis.h"
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

int bc_connect(struct bc *b)
{
    struct redis_url u;
    struct err e = {0};
    if (redis_url_parse(b->redis_url, &u, &e) != 0) {
        fprintf(stderr, "bc: REDIS_URL: %s\n", e.text);
        return BC_USAGE;
    }
    const struct timeval limit = {.tv_sec = TIMEOUT_S};
    b->redis = u.is_unix ? redisConnectUnixWithTimeout(u.host, limit)
                         : redisConnectWithTimeout(u.host, u.port, limit);
    if (b->redis == NULL || b->redis->err != 0) {
        return refused(u.host, b->redis != NULL ? b->redis->errstr : "no memory");
    }
    if (redisSetTimeout(b->redis, limit) != REDIS_OK) {
        return refused(u.host, "cannot set a timeout");
    }
    int rc = log_in(b, &u);
    if (rc == BC_OK && u.db != 0) {
        redisReply *r = bc_ask(b, "SELECT %d", u.db);
        rc = r != NULL ? BC_OK : BC_NOREDIS;
        freeReplyObject(r);
    }
    return rc;
}

redisReply *bc_ask(struct bc *b, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    redisReply *r = redisvCommand(b->redis, fmt, ap);
    va_end(ap);
    if (r != NULL && r->type != REDIS_REPLY_ERROR) {
        return r;
    }
    (void)refused(fmt, r != NULL ? r->str : b->redis->errstr);
    if (r != NULL) {
        freeReplyObject(r);
    }
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

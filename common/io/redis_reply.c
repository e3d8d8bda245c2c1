// Reading error replies, and writing RESP.

#include "common/io/redis.h"

#include <hiredis/hiredis.h>
#include <string.h>

#include "common/base/buf.h"

static bool begins(const char *s, size_t n, const char *word)
{
    size_t w = strlen(word);
    return n >= w && memcmp(s, word, w) == 0 && (n == w || s[w] == ' ');
}

enum redis_error redis_classify_text(const char *s, size_t n)
{
    static const char *const away[] = {
        "OOM",        "LOADING", "READONLY", "MISCONF",    "CLUSTERDOWN",
        "MASTERDOWN", "BUSY",    "TRYAGAIN", "NOREPLICAS",
    };
    for (size_t i = 0; i < sizeof away / sizeof away[0]; i++) {
        if (begins(s, n, away[i])) {
            return REDIS_E_AWAY;
        }
    }
    if (begins(s, n, "NOAUTH") || begins(s, n, "WRONGPASS") || begins(s, n, "NOPERM")) {
        return REDIS_E_AUTH;
    }
    if (begins(s, n, "WRONGTYPE")) {
        return REDIS_E_TYPE;
    }
    static const char id[] = "ERR The ID specified in XADD is equal or smaller";
    if (n >= sizeof id - 1 && memcmp(s, id, sizeof id - 1) == 0) {
        return REDIS_E_ID;
    }
    return REDIS_E_OTHER;
}

enum redis_error redis_classify(const struct redisReply *reply)
{
    if (!reply || reply->type != REDIS_REPLY_ERROR) {
        return REDIS_E_NONE;
    }
    return redis_classify_text(reply->str, reply->len);
}

bool redis_exec_failed(const struct redisReply *reply, char *why, size_t size)
{
    if (!reply) {
        str_copy(why, size, "the link died before the answer");
        return true;
    }
    switch (reply->type) {
    case REDIS_REPLY_ERROR:
        str_copyn(why, size, reply->str, reply->len);
        return true;
    case REDIS_REPLY_NIL:
        str_copy(why, size, "EXEC did nothing: a watched key changed");
        return true;
    case REDIS_REPLY_ARRAY:
        break;
    default:
        str_copy(why, size, "EXEC was not answered by an array");
        return true;
    }
    for (size_t i = 0; i < reply->elements; i++) {
        const struct redisReply *el = reply->element[i];
        if (el->type == REDIS_REPLY_ERROR) {
            str_copyn(why, size, el->str, el->len);
            return true;
        }
    }
    return false;
}

static void header(struct buf *b, char type, size_t n)
{
    char line[24];
    line[0] = type;
    size_t len = 1 + fmt_u64(line + 1, n);
    line[len++] = '\r';
    line[len++] = '\n';
    buf_add(b, line, len);
}

void resp_array(struct buf *b, size_t argc)
{
    header(b, '*', argc);
}

void resp_bulk(struct buf *b, const char *s, size_t n)
{
    header(b, '$', n);
    buf_add(b, s, n);
    buf_add(b, "\r\n", 2);
}

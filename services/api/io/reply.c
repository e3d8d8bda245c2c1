#include "services/api/io/reply.h"

#include <stdlib.h>

#include "common/base/mem.h"

#define FIELDS_MAX 500000

struct slice reply_text(const struct redisReply *r)
{
    if (r && r->type == REDIS_REPLY_STRING && r->str) {
        return (struct slice){r->str, (size_t)r->len};
    }
    return (struct slice){"", 0};
}

struct rhash *reply_hash(const struct redisReply *r)
{
    if (!r || r->type != REDIS_REPLY_ARRAY || r->elements % 2 != 0 ||
        r->elements / 2 > FIELDS_MAX) {
        return NULL;
    }
    struct slice *kv = xmalloc((r->elements + 1) * sizeof *kv);
    for (size_t i = 0; i < r->elements; i++) {
        kv[i] = reply_text(r->element[i]);
    }
    struct rhash *h = rhash_new(kv, r->elements / 2);
    free(kv);
    return h;
}

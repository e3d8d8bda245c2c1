#include "services/backfill/io/fields.h"

#include <hiredis/hiredis.h>
#include <string.h>

struct slice fields_text(const struct redisReply *hash, const char *name)
{
    for (size_t i = 0; hash != NULL && i + 1 < hash->elements; i += 2) {
        if (strcmp(hash->element[i]->str, name) == 0) {
            return (struct slice){hash->element[i + 1]->str, hash->element[i + 1]->len};
        }
    }
    return (struct slice){"", 0};
}

int64_t fields_int(const struct redisReply *hash, const char *name, int64_t otherwise)
{
    const struct slice s = fields_text(hash, name);
    int64_t v;
    return parse_i64(s.p, s.n, &v) == 0 ? v : otherwise;
}

bool fields_ints(const struct redisReply *hash, const char *name, int64_t *out, size_t n)
{
    struct slice s = fields_text(hash, name);
    for (size_t i = 0; i < n; i++) {
        const char *blank = i + 1 < n ? memchr(s.p, ' ', s.n) : s.p + s.n;
        if (blank == NULL || parse_i64(s.p, (size_t)(blank - s.p), &out[i]) != 0) {
            return false;
        }
        if (i + 1 < n) {
            s.n -= (size_t)(blank - s.p) + 1;
            s.p = blank + 1;
        }
    }
    return true;
}

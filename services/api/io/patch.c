#include "services/api/io/patch.h"

#include <hiredis/hiredis.h>
#include <string.h>

#include "services/api/core/jscan.h"
#include "services/api/io/reply.h"

void patch_clear(struct patch *p)
{
    p->n = 0;
}

// A name as it stands in the payload: "61640.0" in quotes, or 1723107600000.
static bool take_name(struct patch *p, struct slice raw)
{
    if (raw.n >= 2 && raw.p[0] == '"') {
        raw = (struct slice){raw.p + 1, raw.n - 2};
    }
    if (raw.n == 0 || p->n == PATCH_MAX) {
        return false;
    }
    for (size_t i = 0; i < raw.n; i++) {
        if (!((raw.p[i] >= '0' && raw.p[i] <= '9') || raw.p[i] == '.')) {
            return false;
        }
    }
    if (!str_copyn(p->name[p->n], PATCH_NAME, raw.p, raw.n)) {
        return false;
    }
    p->n++;
    return true;
}

bool patch_add(struct patch *p, struct slice payload)
{
    struct slice list = jscan_get(payload.p, payload.n, "changed"), e;
    size_t pos = 0, before = p->n;
    int more = -1;
    if (!list.p) {
        return false;
    }
    while ((more = jscan_element(list.p, list.n, &pos, &e)) == 1) {
        if (!take_name(p, e)) {
            return false;
        }
    }
    return more == 0 && p->n > before;
}

int64_t notice_ver(struct slice payload)
{
    struct slice v = jscan_get(payload.p, payload.n, "ver");
    int64_t ver = -1;
    return v.p && parse_i64(v.p, v.n, &ver) == 0 ? ver : -1;
}

bool notice_is_of(struct slice payload, const char *day)
{
    struct slice v = jscan_get(payload.p, payload.n, "day");
    return v.n >= 2 && slice_eq((struct slice){v.p + 1, v.n - 2}, day);
}

size_t patch_argv(const struct patch *p, const char *key, struct slice argv[PATCH_MAX + 2])
{
    argv[0] = slice_of("HMGET");
    argv[1] = slice_of(key);
    for (size_t i = 0; i < p->n; i++) {
        argv[2 + i] = slice_of(p->name[i]);
    }
    return 2 + p->n;
}

struct rhash *patch_apply(const struct patch *p, const struct rhash *base,
                          const struct redisReply *reply)
{
    struct slice kv[2 * PATCH_MAX];
    if (!reply || reply->type != REDIS_REPLY_ARRAY || reply->elements != p->n) {
        return NULL;
    }
    for (size_t i = 0; i < p->n; i++) {
        const struct redisReply *e = reply->element[i];
        kv[2 * i] = slice_of(p->name[i]);
        // A field that is gone leaves the hash.
        kv[2 * i + 1] = e->type == REDIS_REPLY_STRING ? reply_text(e) : (struct slice){NULL, 0};
    }
    return rhash_patch(base, kv, p->n);
}

#include "common/io/redis_cluster.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"

struct redis_cluster {
    struct redis *whole;
    struct redis *node[LOOKUP_NODES]; // [0, n): one link per master
    size_t n, up;
    struct redis *last; // where the newest command went
    struct redis_map map;
};

// ---- where a command goes ----------------------------------------------------------------------

// The next bulk string at *at.
static bool next_arg(const char *resp, size_t n, size_t *at, struct slice *out)
{
    const char *end = *at < n ? memmem(resp + *at, n - *at, "\r\n", 2) : NULL;
    int64_t len;
    if (end == NULL || resp[*at] != '$' ||
        parse_i64(resp + *at + 1, (size_t)(end - resp) - *at - 1, &len) != 0 || len < 0 ||
        (size_t)len + 2 > n - ((size_t)(end - resp) + 2)) {
        return false;
    }
    *out = (struct slice){end + 2, (size_t)len};
    *at = (size_t)(end - resp) + 2 + (size_t)len + 2;
    return true;
}

bool redis_command_key(const char *resp, size_t n, struct slice *key)
{
    static const char *const keyless[] = {"PING", "UNWATCH", "MULTI", "EXEC", "CLIENT", "AUTH"};
    const char *end = memmem(resp, n, "\r\n", 2);
    struct slice name, arg;
    size_t at = end != NULL ? (size_t)(end - resp) + 2 : n;
    if (!next_arg(resp, n, &at, &name)) {
        return false;
    }
    for (size_t i = 0; i < sizeof keyless / sizeof keyless[0]; i++) {
        if (slice_eq(name, keyless[i])) {
            return false;
        }
    }
    // XREAD names its keys behind STREAMS, SCAN the only slot we ask for in its pattern.
    const char *before = slice_eq(name, "XREAD")  ? "STREAMS"
                         : slice_eq(name, "SCAN") ? "MATCH"
                                                  : NULL;
    int skip = slice_eq(name, "EVAL") ? 2 : slice_eq(name, "XINFO") ? 1 : 0;
    while (next_arg(resp, n, &at, &arg)) {
        if (before != NULL) {
            before = slice_eq(arg, before) ? NULL : before;
        } else if (skip-- == 0) {
            *key = arg;
            return true;
        }
    }
    return false;
}

struct redis *redis_cluster_route(struct redis_cluster *c, const char *resp, size_t n)
{
    struct slice key;
    if (redis_command_key(resp, n, &key)) {
        c->last = c->node[c->map.owner[redis_slot(key.p, key.n)]];
    }
    return c->last;
}

// ---- life --------------------------------------------------------------------------------------

static void on_node_up(void *arg)
{
    struct redis_cluster *c = arg;
    if (++c->up == c->n) {
        redis_became_up(c->whole);
    }
}

static void on_node_down(void *arg, const char *why)
{
    struct redis_cluster *c = arg;
    redis_kick(c->whole, why);
}

void redis_cluster_connect(struct redis_cluster *c, const struct redis_map *map)
{
    const struct redis_opts *o = &c->whole->o;
    c->map = *map;
    c->n = map->n;
    c->up = 0;
    for (size_t i = 0; i < c->n; i++) {
        struct redis_opts one = *o;
        one.url.kind = REDIS_SINGLE;
        str_copy(one.url.host, sizeof one.url.host, map->node[i].host);
        one.url.port = map->node[i].port;
        one.on_up = on_node_up;
        one.on_down = on_node_down;
        one.arg = c;
        c->node[i] = redis_new(&one);
        c->node[i]->whole = c->whole;
    }
    c->last = c->node[0];
}

void redis_cluster_drop(struct redis_cluster *c)
{
    const size_t n = c->n;
    c->n = c->up = 0;
    c->last = NULL;
    for (size_t i = 0; i < n; i++) {
        redis_free(c->node[i]);
        c->node[i] = NULL;
    }
}

size_t redis_cluster_inflight(const struct redis_cluster *c)
{
    size_t all = 0;
    for (size_t i = 0; i < c->n; i++) {
        all += redis_inflight(c->node[i]);
    }
    return all;
}

struct redis_cluster *redis_cluster_new(struct redis *whole)
{
    struct redis_cluster *c = xcalloc(1, sizeof *c);
    c->whole = whole;
    return c;
}

void redis_cluster_free(struct redis_cluster *c)
{
    if (c != NULL) {
        redis_cluster_drop(c);
        free(c);
    }
}

// The transaction builder. Commands are kept apart by length because hiredis counts replies per
// command, although all of them leave in one write.

#include "common/io/redis_priv.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"

struct redis_tx *redis_tx_new(size_t max_bytes)
{
    struct redis_tx *t = xcalloc(1, sizeof *t);
    buf_init(&t->bytes, max_bytes);
    buf_init(&t->hset, max_bytes);
    return t;
}

void redis_tx_free(struct redis_tx *t)
{
    if (!t) {
        return;
    }
    buf_release(&t->bytes);
    buf_release(&t->hset);
    free(t->hset_key);
    free(t->len);
    free(t);
}

void redis_tx_begin(struct redis_tx *t)
{
    buf_clear(&t->bytes);
    buf_clear(&t->hset);
    free(t->hset_key);
    t->hset_key = NULL;
    t->hset_fields = 0;
    t->n = 0;
}

// The bytes from `before` to the end are one command.
static void commit(struct redis_tx *t, size_t before)
{
    if (t->bytes.failed) {
        return;
    }
    if (t->n == t->cap) {
        t->cap = t->cap ? t->cap * 2 : 64;
        t->len = xrealloc(t->len, t->cap * sizeof *t->len);
    }
    t->len[t->n++] = buf_len(&t->bytes) - before;
}

void redis_tx_argv(struct redis_tx *t, size_t argc, const struct slice *argv)
{
    if (t->hset_key || argc == 0) {
        FATAL("redis_tx_argv: %s", argc ? "an HSET is open" : "no arguments");
    }
    size_t before = buf_len(&t->bytes);
    resp_array(&t->bytes, argc);
    for (size_t i = 0; i < argc; i++) {
        resp_bulk(&t->bytes, argv[i].p, argv[i].n);
    }
    commit(t, before);
}

void redis_tx_hset_begin(struct redis_tx *t, const char *key)
{
    if (t->hset_key) {
        FATAL("redis_tx_hset_begin: the HSET of %s is open", t->hset_key);
    }
    t->hset_key = xstrdup(key);
    t->hset_fields = 0;
    buf_clear(&t->hset);
}

void redis_tx_hset(struct redis_tx *t, const char *field, const char *value, size_t n)
{
    if (!t->hset_key) {
        FATAL("redis_tx_hset: no HSET is open (field %s)", field);
    }
    resp_bulk(&t->hset, field, strlen(field));
    resp_bulk(&t->hset, value, n);
    t->hset_fields++;
}

void redis_tx_hset_end(struct redis_tx *t)
{
    if (!t->hset_key) {
        FATAL("redis_tx_hset_end: no HSET is open");
    }
    if (t->hset.failed) {
        t->bytes.failed = true; // a part of the fields must never be sent
    } else if (t->hset_fields > 0) {
        size_t before = buf_len(&t->bytes);
        resp_array(&t->bytes, 2 + 2 * t->hset_fields);
        resp_bulk(&t->bytes, "HSET", 4);
        resp_bulk(&t->bytes, t->hset_key, strlen(t->hset_key));
        buf_add(&t->bytes, buf_ptr(&t->hset), buf_len(&t->hset));
        commit(t, before);
    }
    free(t->hset_key);
    t->hset_key = NULL;
}

size_t redis_tx_commands(const struct redis_tx *t)
{
    return t->n;
}

#include "common/io/reply_pool.h"

#include <hiredis/hiredis.h>
#include <stdalign.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"

#define BLOCK_BYTES ((size_t)256 << 10)
// What a pool keeps between replies; a larger reply gives the rest back.
#define KEEP_BLOCKS 32

struct block {
    struct block *next;
    size_t size;
    alignas(max_align_t) unsigned char bytes[];
};

struct reply_pool {
    struct block *first, *cur; // blocks in the order of use; those behind cur are free
    size_t used;               // of cur
};

struct reply_pool *reply_pool_new(void)
{
    return xcalloc(1, sizeof(struct reply_pool));
}

static void free_blocks(struct block *b)
{
    while (b) {
        struct block *next = b->next;
        free(b);
        b = next;
    }
}

void reply_pool_free(struct reply_pool *p)
{
    if (p) {
        free_blocks(p->first);
        free(p);
    }
}

static void begin(struct reply_pool *p)
{
    struct block *b = p->first;
    for (size_t i = 1; b && i < KEEP_BLOCKS; i++) {
        b = b->next;
    }
    if (b) {
        free_blocks(b->next);
        b->next = NULL;
    }
    p->cur = p->first;
    p->used = 0;
}

static void *take_slow(struct reply_pool *p, size_t n)
{
    struct block *next = p->cur ? p->cur->next : p->first;
    if (!next || next->size < n) {
        size_t size = n > BLOCK_BYTES ? n : BLOCK_BYTES;
        struct block *b = xmalloc(sizeof *b + size);
        b->size = size;
        b->next = next;
        if (p->cur) {
            p->cur->next = b;
        } else {
            p->first = b;
        }
        next = b;
    }
    p->cur = next;
    p->used = n;
    return next->bytes;
}

static inline void *take(struct reply_pool *p, size_t n)
{
    n = (n + 15) & ~(size_t)15;
    struct block *b = p->cur;
    if (__builtin_expect(b && b->size - p->used >= n, 1)) {
        void *at = b->bytes + p->used;
        p->used += n;
        return at;
    }
    return take_slow(p, n);
}

// A zeroed reply with `extra` bytes behind it, linked into its parent.
static redisReply *make(const redisReadTask *task, size_t extra)
{
    struct reply_pool *p = task->privdata;
    if (!task->parent) {
        begin(p);
    }
    redisReply *r = take(p, sizeof *r + extra);
    *r = (redisReply){.type = task->type};
    if (task->parent) {
        redisReply *parent = task->parent->obj;
        parent->element[task->idx] = r;
    }
    return r;
}

static void *make_string(const redisReadTask *task, char *s, size_t n)
{
    redisReply *r = make(task, n + 1);
    r->str = (char *)(r + 1);
    r->len = n;
    memcpy(r->str, s, n);
    r->str[n] = '\0';
    return r;
}

static void *make_array(const redisReadTask *task, int n)
{
    size_t elements = n > 0 ? (size_t)n : 0;
    redisReply *r = make(task, elements * sizeof(redisReply *));
    r->elements = elements;
    if (elements > 0) {
        r->element = (redisReply **)(void *)(r + 1);
        memset(r->element, 0, elements * sizeof(redisReply *));
    }
    return r;
}

static void *make_integer(const redisReadTask *task, long long value)
{
    redisReply *r = make(task, 0);
    r->integer = value;
    return r;
}

static void *make_nil(const redisReadTask *task)
{
    return make(task, 0);
}

static void forget(void *reply)
{
    (void)reply; // the next one takes its place
}

void reply_pool_use(struct reply_pool *p, struct redisReader *r)
{
    static redisReplyObjectFunctions fn = {make_string, make_array, make_integer, make_nil, forget};
    r->fn = &fn;
    r->privdata = p;
}

// hiredis makes one allocation per object of a reply and one more per string; a batch of stream
// entries has about 13 objects per entry, and freeing them costs as much again. As a reply lives
// only until its callback returns, all of its objects can come from one arena that is rewound
// afterwards: reading a stream takes about half the time.
//
// The reader builds one reply at a time and frees it by its root, so the arena never holds two. A
// reply that is half built when the link ends goes with the arena (see cleanup_cb()).

#include "common/io/redis_attach.h"

#include <event2/event.h>
#include <hiredis/hiredis.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <hiredis/async.h>

#include "common/base/mem.h"

#define CHUNK_MIN ((size_t)16 << 10)
#define CHUNK_MAX ((size_t)1 << 20)
#define KEEP_MAX ((size_t)4 << 20) // of memory kept between replies

struct chunk {
    struct chunk *next;
    size_t size, used;
    // The bytes follow. All sizes are multiples of 8, and so is the size of this header.
};

struct attached {
    redisAsyncContext *ac;
    struct event *read, *write;
    struct chunk *first, *at; // at = the one being filled
};

struct object {
    redisReply reply; // first: hiredis sees only this
    struct attached *owner;
};

// ---- arena -------------------------------------------------------------------------------------

static struct chunk *chunk_new(size_t size)
{
    struct chunk *c = xmalloc(sizeof *c + size);
    c->next = NULL;
    c->size = size;
    c->used = 0;
    return c;
}

static void *take_slow(struct attached *a, size_t n)
{
    struct chunk *c = a->at;
    while (c && c->size - c->used < n) {
        c = c->next;
    }
    if (!c) {
        size_t size = a->at ? a->at->size * 2 : CHUNK_MIN;
        size = size > CHUNK_MAX ? CHUNK_MAX : size;
        c = chunk_new(size < n ? n : size);
        struct chunk *last = a->at;
        while (last && last->next) {
            last = last->next;
        }
        if (last) {
            last->next = c;
        } else {
            a->first = c;
        }
    }
    a->at = c;
    void *p = (char *)(c + 1) + c->used;
    c->used += n;
    return p;
}

static inline void *take(struct attached *a, size_t n)
{
    n = (n + 7) & ~(size_t)7;
    struct chunk *c = a->at;
    if (!c || c->size - c->used < n) {
        return take_slow(a, n);
    }
    void *p = (char *)(c + 1) + c->used;
    c->used += n;
    return p;
}

static void rewind_arena(struct attached *a)
{
    size_t kept = 0;
    struct chunk **link = &a->first;
    while (*link) {
        struct chunk *c = *link;
        if (kept + c->size > KEEP_MAX) {
            *link = c->next;
            free(c);
            continue;
        }
        kept += c->size;
        c->used = 0;
        link = &c->next;
    }
    a->at = a->first;
}

// ---- what the reader of hiredis calls ----------------------------------------------------------

static redisReply *object_new(const redisReadTask *task, int type)
{
    struct attached *a = task->privdata;
    struct object *o = take(a, sizeof *o);
    memset(&o->reply, 0, sizeof o->reply);
    o->owner = a;
    o->reply.type = type;
    if (task->parent) {
        redisReply *parent = task->parent->obj;
        parent->element[task->idx] = &o->reply;
    }
    return &o->reply;
}

static void *make_string(const redisReadTask *task, char *str, size_t len)
{
    redisReply *r = object_new(task, task->type);
    r->str = take(task->privdata, len + 1);
    memcpy(r->str, str, len);
    r->str[len] = '\0';
    r->len = len;
    return r;
}

static void *make_array(const redisReadTask *task, int elements)
{
    redisReply *r = object_new(task, REDIS_REPLY_ARRAY);
    if (elements > 0) {
        size_t n = (size_t)elements * sizeof(redisReply *);
        r->element = take(task->privdata, n);
        memset(r->element, 0, n);
        r->elements = (size_t)elements;
    }
    return r;
}

static void *make_integer(const redisReadTask *task, long long value)
{
    redisReply *r = object_new(task, REDIS_REPLY_INTEGER);
    r->integer = value;
    return r;
}

static void *make_nil(const redisReadTask *task)
{
    return object_new(task, REDIS_REPLY_NIL);
}

static void free_root(void *reply)
{
    if (reply) {
        rewind_arena(((struct object *)reply)->owner);
    }
}

static redisReplyObjectFunctions arena_objects = {
    .createString = make_string,
    .createArray = make_array,
    .createInteger = make_integer,
    .createNil = make_nil,
    .freeObject = free_root,
};

// ---- events ------------------------------------------------------------------------------------

static void read_cb(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    redisAsyncHandleRead(((struct attached *)arg)->ac);
}

static void write_cb(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    redisAsyncHandleWrite(((struct attached *)arg)->ac);
}

static void add_read(void *arg)
{
    event_add(((struct attached *)arg)->read, NULL);
}

static void del_read(void *arg)
{
    event_del(((struct attached *)arg)->read);
}

static void add_write(void *arg)
{
    event_add(((struct attached *)arg)->write, NULL);
}

static void del_write(void *arg)
{
    event_del(((struct attached *)arg)->write);
}

// The context is being freed; the reply of the last callback is gone by now.
static void cleanup_cb(void *arg)
{
    struct attached *a = arg;
    event_free(a->read);
    event_free(a->write);
    a->ac->c.reader->reply = NULL; // half built at most; its memory is ours
    while (a->first) {
        struct chunk *c = a->first;
        a->first = c->next;
        free(c);
    }
    free(a);
}

void redis_attach(struct redisAsyncContext *ac, struct event_base *base)
{
    struct attached *a = xcalloc(1, sizeof *a);
    a->ac = ac;
    // Persistent: hiredis asks for the next read after each one, which then costs nothing.
    a->read = event_new(base, ac->c.fd, EV_READ | EV_PERSIST, read_cb, a);
    a->write = event_new(base, ac->c.fd, EV_WRITE, write_cb, a);
    if (!a->read || !a->write) {
        FATAL("libevent: no memory for a connection");
    }
    ac->c.reader->fn = &arena_objects;
    ac->c.reader->privdata = a;
    ac->ev.addRead = add_read;
    ac->ev.delRead = del_read;
    ac->ev.addWrite = add_write;
    ac->ev.delWrite = del_write;
    ac->ev.cleanup = cleanup_cb;
    ac->ev.data = a;
    // Writable tells that the connection is up, or why not.
    event_add(a->read, NULL);
    event_add(a->write, NULL);
}

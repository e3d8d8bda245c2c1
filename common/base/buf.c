#include "common/base/buf.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/base/str.h"

#define FIRST_CAP 256
#define FMT_MAX 20 // what fmt_i64() and fmt_u64() need

void buf_init(struct buf *b, size_t max)
{
    *b = (struct buf){.max = max};
}

void buf_release(struct buf *b)
{
    free(b->data);
    *b = (struct buf){.max = b->max};
}

void buf_clear(struct buf *b)
{
    b->head = b->tail = 0;
    b->failed = false;
}

// Makes room for n more bytes behind the tail; false (and failed) when that would pass the maximum.
static bool make_room(struct buf *b, size_t n)
{
    if (b->failed) {
        return false;
    }
    if (b->cap - b->tail >= n && b->data) {
        return true;
    }
    size_t live = b->tail - b->head;
    if (n > b->max || live > b->max - n) {
        b->failed = true;
        return false;
    }
    // Moving costs at most the live bytes; only do it when it frees at least half the memory, so
    // a queue that is consumed byte by byte does not move at each write.
    if (b->data && live + n <= b->cap && (b->head >= b->cap / 2 || b->cap == b->max)) {
        memmove(b->data, b->data + b->head, live);
        b->tail = live;
        b->head = 0;
        return true;
    }
    size_t cap = b->cap ? b->cap : FIRST_CAP;
    while (cap < live + n) {
        cap = cap > b->max / 2 ? b->max : cap * 2;
    }
    if (cap > b->max) {
        cap = b->max;
    }
    if (b->head == 0) {
        b->data = xrealloc(b->data, cap);
    } else {
        char *data = xmalloc(cap);
        memcpy(data, b->data + b->head, live);
        free(b->data);
        b->data = data;
        b->tail = live;
        b->head = 0;
    }
    b->cap = cap;
    return true;
}

const char *buf_cstr(struct buf *b)
{
    if (b->failed || !b->data || !make_room(b, 1)) {
        return "";
    }
    b->data[b->tail] = '\0';
    return b->data + b->head;
}

void buf_add_slow(struct buf *b, const void *bytes, size_t n)
{
    if (n == 0 || !make_room(b, n)) {
        return;
    }
    memcpy(b->data + b->tail, bytes, n);
    b->tail += n;
}

void buf_addf(struct buf *b, const char *fmt, ...)
{
    if (b->failed) {
        return;
    }
    va_list ap;
    size_t room = b->data ? b->cap - b->tail : 0;
    va_start(ap, fmt);
    int n = vsnprintf(room ? b->data + b->tail : NULL, room, fmt, ap);
    va_end(ap);
    if (n < 0) {
        b->failed = true;
        return;
    }
    size_t len = (size_t)n;
    if (len < room) {
        b->tail += len;
        return;
    }
    // vsnprintf wants a byte for its NUL, which the maximum need not have: the last resort is a
    // copy through the heap.
    if (b->max - (b->tail - b->head) > len) {
        if (!make_room(b, len + 1)) {
            return;
        }
        va_start(ap, fmt);
        vsnprintf(b->data + b->tail, len + 1, fmt, ap);
        va_end(ap);
        b->tail += len;
        return;
    }
    char *text = xmalloc(len + 1);
    va_start(ap, fmt);
    vsnprintf(text, len + 1, fmt, ap);
    va_end(ap);
    buf_add(b, text, len);
    free(text);
}

void buf_add_i64(struct buf *b, int64_t v)
{
    if (!b->failed && b->cap - b->tail >= FMT_MAX) {
        b->tail += fmt_i64(b->data + b->tail, v);
        return;
    }
    char text[FMT_MAX];
    buf_add(b, text, fmt_i64(text, v));
}

void buf_add_u64(struct buf *b, uint64_t v)
{
    if (!b->failed && b->cap - b->tail >= FMT_MAX) {
        b->tail += fmt_u64(b->data + b->tail, v);
        return;
    }
    char text[FMT_MAX];
    buf_add(b, text, fmt_u64(text, v));
}

char *buf_reserve(struct buf *b, size_t n)
{
    return make_room(b, n) ? b->data + b->tail : NULL;
}

void buf_commit(struct buf *b, size_t n)
{
    if (n > b->cap - b->tail) {
        FATAL("buf_commit of %zu with room for %zu", n, b->cap - b->tail);
    }
    b->tail += n;
}

void buf_consume(struct buf *b, size_t n)
{
    if (n > b->tail - b->head) {
        FATAL("buf_consume of %zu of %zu bytes", n, b->tail - b->head);
    }
    b->head += n;
    if (b->head == b->tail) {
        b->head = b->tail = 0;
    }
}

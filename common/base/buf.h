#ifndef COMMON_BUF_H
#define COMMON_BUF_H
// A byte buffer that grows up to a stated maximum.
//
//   data  [ already consumed | live bytes        | free ]
//         0                  head                tail   cap
//
// After a write that would pass `max` the buffer keeps what it had, sets `failed` and refuses
// further writes until buf_clear(): a writer checks once at the end instead of at each append.

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct buf {
    char *data;
    size_t head, tail, cap;
    size_t max; // bytes; a write never makes cap larger than this
    bool failed;
};

// Starts empty, allocating nothing yet. `max` >= 1.
void buf_init(struct buf *b, size_t max);
// Frees the memory; the buffer is as after buf_init() with the same maximum.
void buf_release(struct buf *b);
// Empties and un-fails, keeps the memory.
void buf_clear(struct buf *b);

static inline size_t buf_len(const struct buf *b)
{
    return b->tail - b->head;
}
// First live byte. NOT NUL-terminated unless buf_cstr() was called. Valid until the next write.
static inline const char *buf_ptr(const struct buf *b)
{
    return b->data ? b->data + b->head : "";
}
// The live bytes as a C string (writes a NUL behind them, which does not count); "" when failed
// for lack of room.
const char *buf_cstr(struct buf *b);

// Appends. The bytes must not lie in the buffer itself. Inline, because formatting for the stream
// is thousands of small appends; buf_add_slow() is what they call when there is no room yet.
static inline void buf_add(struct buf *b, const void *bytes, size_t n);
static inline void buf_adds(struct buf *b, const char *s); // NUL-terminated s
static inline void buf_addc(struct buf *b, char c);
void buf_add_slow(struct buf *b, const void *bytes, size_t n);
void buf_addf(struct buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void buf_add_i64(struct buf *b, int64_t v);
void buf_add_u64(struct buf *b, uint64_t v);
// Room for n more bytes, to be filled by the caller and taken with buf_commit(); NULL when that
// would pass the maximum (and failed is set); never NULL else, n = 0 included.
char *buf_reserve(struct buf *b, size_t n);
void buf_commit(struct buf *b, size_t n);
// Drops n <= buf_len() bytes from the front.
void buf_consume(struct buf *b, size_t n);

// ---- inline bodies --------------------------------------------------------------------------

static inline void buf_add(struct buf *b, const void *bytes, size_t n)
{
    if (n > b->cap - b->tail || n == 0 || b->failed) {
        buf_add_slow(b, bytes, n);
        return;
    }
    memcpy(b->data + b->tail, bytes, n);
    b->tail += n;
}

static inline void buf_adds(struct buf *b, const char *s)
{
    buf_add(b, s, strlen(s));
}

static inline void buf_addc(struct buf *b, char c)
{
    buf_add(b, &c, 1);
}

#endif

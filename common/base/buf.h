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

void buf_add(struct buf *b, const void *bytes, size_t n);
void buf_adds(struct buf *b, const char *s);
void buf_addc(struct buf *b, char c);
void buf_addf(struct buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void buf_add_i64(struct buf *b, int64_t v);
void buf_add_u64(struct buf *b, uint64_t v);
// Room for n more bytes, to be filled by the caller and taken with buf_commit(); NULL when that
// would pass the maximum (and failed is set).
char *buf_reserve(struct buf *b, size_t n);
void buf_commit(struct buf *b, size_t n);
// Drops n <= buf_len() bytes from the front.
void buf_consume(struct buf *b, size_t n);

#endif

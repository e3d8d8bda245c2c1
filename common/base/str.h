#ifndef COMMON_STR_H
#define COMMON_STR_H
// Small string helpers that cannot overrun, and strict number parsing.

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/err.h"

// Bytes that somebody else owns.
struct slice {
    const char *p;
    size_t n;
};

struct slice slice_of(const char *s); // s NUL-terminated, borrowed; NULL gives {"",0}
bool slice_eq(struct slice a, const char *b);

// Copies s into dst[size], always NUL-terminated. Returns false when it had to be cut.
bool str_copy(char *dst, size_t size, const char *s);
bool str_copyn(char *dst, size_t size, const char *s, size_t n);
// printf into dst[size]; false when cut.
bool str_fmt(char *dst, size_t size, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
bool str_starts(const char *s, const char *prefix);
bool str_ends(const char *s, const char *suffix);
bool str_ieq(const char *a, const char *b); // ASCII case-insensitive

// The whole of [s, s+n) as a decimal integer: optional '-', digits, nothing else. s may be NULL
// when n is 0.
// 0, ERR_SYNTAX or ERR_OVERFLOW.
int parse_i64(const char *s, size_t n, int64_t *out) MUST_CHECK;
int parse_u64(const char *s, size_t n, uint64_t *out) MUST_CHECK;

// Length of the UTF-8 sequence at s (n >= 1 bytes left), 1..4; 0 when it is not valid (overlong,
// surrogate, beyond U+10FFFF, cut off).
size_t utf8_len(const char *s, size_t n);

// Writes v in decimal at dst (room for 20 bytes needed), returns the length. No NUL.
size_t fmt_u64(char *dst, uint64_t v);
size_t fmt_i64(char *dst, int64_t v);

#endif

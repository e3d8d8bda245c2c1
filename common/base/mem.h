#ifndef COMMON_MEM_H
#define COMMON_MEM_H
// Allocation that cannot fail: out of memory ends the process with one line on stderr, in this
// one place, because no caller has anything better to do.

#include <stddef.h>

void *xmalloc(size_t n) __attribute__((malloc, alloc_size(1), returns_nonnull));
void *xcalloc(size_t n, size_t size) __attribute__((malloc, alloc_size(1, 2), returns_nonnull));
void *xrealloc(void *p, size_t n) __attribute__((alloc_size(2), returns_nonnull));
char *xstrdup(const char *s) __attribute__((malloc, returns_nonnull));

// A broken invariant of our own (never bad input): prints file, line and message, aborts.
void fatal(const char *file, int line, const char *fmt, ...)
    __attribute__((noreturn, format(printf, 3, 4)));
#define FATAL(...) fatal(__FILE__, __LINE__, __VA_ARGS__)

#endif

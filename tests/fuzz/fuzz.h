#ifndef TESTS_FUZZ_H
#define TESTS_FUZZ_H
// What the fuzz targets share. A target is one function over bytes that come from outside; beyond
// not crashing it states what must hold of the answer.
//
// The same objects are linked twice: with libFuzzer (`make fuzz`), and with driver.c, which plays
// the corpus and mutations of it on any compiler (`make test`).

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/str.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define CHECK(cond)                                                                                \
    do {                                                                                           \
        if (!(cond)) {                                                                             \
            fprintf(stderr, "%s:%d: does not hold: %s\n", __FILE__, __LINE__, #cond);              \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

// A copy in memory of exactly that size, NUL-terminated behind it: a sanitizer sees a read beyond.
static inline char *fuzz_copy(const uint8_t *data, size_t n)
{
    char *s = malloc(n + 1);
    CHECK(s != NULL);
    if (n > 0) {
        memcpy(s, data, n);
    }
    s[n] = '\0';
    return s;
}

// Lines "name value" as field/value slices; returns how many slices (even).
static inline size_t fuzz_pairs(const char *s, size_t n, struct slice *kv, size_t max)
{
    size_t k = 0;
    const char *end = s + n;
    while (s < end && k + 2 <= max) {
        const char *nl = memchr(s, '\n', (size_t)(end - s));
        const char *stop = nl ? nl : end;
        const char *blank = memchr(s, ' ', (size_t)(stop - s));
        const char *cut = blank ? blank : stop;
        kv[k++] = (struct slice){s, (size_t)(cut - s)};
        kv[k++] =
            blank ? (struct slice){blank + 1, (size_t)(stop - blank - 1)} : (struct slice){stop, 0};
        s = nl ? nl + 1 : end;
    }
    return k;
}

static inline bool fuzz_same(struct slice a, struct slice b)
{
    return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

#endif

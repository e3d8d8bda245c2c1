#ifndef API_RHASH_H
#define API_RHASH_H
// A Redis hash as it was read: an immutable, reference-counted, sorted set of field -> text.
// One block of memory. Many snapshots share one rhash; the last reference frees it.

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/str.h"

struct rfield {
    const char *name, *value; // NUL-terminated; the value may also hold NUL bytes before vlen
    size_t nlen, vlen;
};

struct rhash; // opaque

// From n pairs kv[2*n]; copies everything. Duplicate names: the last one stays. References: 1.
struct rhash *rhash_new(const struct slice *kv, size_t pairs);
// `base` (may be NULL) with the n pairs kv[2*n] put over it; a value with p == NULL removes the
// field. New, references: 1; base keeps its own.
struct rhash *rhash_patch(const struct rhash *base, const struct slice *kv, size_t pairs);
struct rhash *rhash_ref(struct rhash *h); // NULL gives NULL
void rhash_unref(struct rhash *h);        // NULL is fine; any thread

size_t rhash_count(const struct rhash *h); // 0 for NULL
// Ascending by name (bytes).
const struct rfield *rhash_at(const struct rhash *h, size_t i);
// NULL when absent (or h is NULL).
const struct rfield *rhash_find(const struct rhash *h, const char *name);
// The value; "" when absent.
const char *rhash_get(const struct rhash *h, const char *name);
// The value as a whole number; dflt when absent or something else.
int64_t rhash_i64(const struct rhash *h, const char *name, int64_t dflt);
// Same fields and values?
bool rhash_equal(const struct rhash *a, const struct rhash *b);

#endif

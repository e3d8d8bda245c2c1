#ifndef MARKET_SPANSET_H
#define MARKET_SPANSET_H
// A set of milliseconds as sorted, disjoint, half-open intervals that do not touch.

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/buf.h"
#include "common/base/err.h"

struct ms_span {
    int64_t from_ms, to_ms; // from < to
};

struct spanset {
    struct ms_span *v;
    size_t n, cap, max;
    // What happens at one interval more than `max`: true: the two oldest become one with what lies
    // between them (the set may only grow); false: the oldest leaves (it may only shrink).
    bool widen;
};

void spanset_init(struct spanset *s, size_t max, bool widen);
void spanset_release(struct spanset *s); // empty again, memory given back
void spanset_clear(struct spanset *s);
// Adds [from, to); nothing when it is empty.
void spanset_add(struct spanset *s, int64_t from_ms, int64_t to_ms);
// Takes [from, to) out. (An interval cut in two may be one more than `max`.)
void spanset_cut(struct spanset *s, int64_t from_ms, int64_t to_ms);
bool spanset_has(const struct spanset *s, int64_t ms);
// Drops the intervals that end at or before t_ms.
void spanset_prune(struct spanset *s, int64_t t_ms);
// Calls cb for each piece that lies in both.
void spanset_common(const struct spanset *a, const struct spanset *b,
                    void (*cb)(void *arg, int64_t from_ms, int64_t to_ms), void *arg);
// Text "from-to,from-to" and back (strict; on failure the set is empty).
void spanset_format(const struct spanset *s, struct buf *out);
int spanset_parse(struct spanset *s, const char *text, size_t n) MUST_CHECK;

#endif

#ifndef TESTS_SUPPORT_MUTATE_H
#define TESTS_SUPPORT_MUTATE_H
// Text that was good, spoilt a little: what a scanner has to judge as the slow parser does.

#include <stddef.h>
#include <string.h>

#include "tests/support/rng.h"

// One to three random edits in p[0..n), room for max bytes: a byte changed, dropped, doubled, a bit
// turned, a digit for a digit, the tail cut. New bytes come from `alphabet`. Returns the new
// length.
static inline size_t mutate(struct rng *r, const char *alphabet, size_t letters, char *p, size_t n,
                            size_t max)
{
    for (uint64_t edits = 1 + rng_below(r, 3); edits > 0 && n > 1; edits--) {
        const size_t at = (size_t)rng_below(r, n);
        const char c = alphabet[rng_below(r, letters)];
        switch (rng_below(r, 6)) {
        case 0:
            p[at] = c;
            break;
        case 1:
            memmove(p + at, p + at + 1, n - at - 1);
            n--;
            break;
        case 2:
            if (n < max) {
                memmove(p + at + 1, p + at, n - at);
                p[at] = c;
                n++;
            }
            break;
        case 3:
            p[at] = (char)(p[at] ^ (1 << rng_below(r, 8)));
            break;
        case 4:
            p[at] = (char)('0' + rng_below(r, 10));
            break;
        default:
            n = rng_below(r, 8) == 0 ? at : n;
            break;
        }
    }
    return n;
}

#endif

#ifndef COLLECTOR_PACE_H
#define COLLECTOR_PACE_H
// When the next connection may be attempted. A venue bounds attempts twice: so many a second (a
// few at once are fine) and so many in a longer time. Both are kept as allowances that refill
// evenly, so that the longer bound holds in every window, wherever it begins.

#include <stdint.h>

struct pace_opts {
    int64_t every_ms; // one attempt per so many ms ...
    int64_t burst;    // ... and so many at once after a rest
    int64_t window_ms, window_max;
};

struct pace {
    struct pace_opts o;
    // The moment at which the allowance would be whole again, of each bound.
    int64_t short_full_ms, long_full_ms;
};

void pace_init(struct pace *p, const struct pace_opts *o);
// 0 = take it now (it is taken), else the ms to wait before asking again.
int64_t pace_take(struct pace *p, int64_t mono_ms);

#endif

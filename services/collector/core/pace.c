#include "services/collector/core/pace.h"

// An allowance of `burst` that refills one per `every_ms`, kept as the time at which it is full
// ("generic cell rate"): taking one moves that time by every_ms, and it may lie at most
// (burst - 1) * every_ms ahead before taking.
static int64_t wait_for(int64_t full_ms, int64_t every_ms, int64_t burst, int64_t now)
{
    const int64_t ahead = full_ms - now - (burst - 1) * every_ms;
    return ahead > 0 ? ahead : 0;
}

static int64_t later(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

// Half of the window's number may come at once and the other half evenly over it: no window, where
// ever it begins, then holds more than window_max.
static int64_t long_burst(const struct pace_opts *o)
{
    return o->window_max > 1 ? o->window_max / 2 : 1;
}

static int64_t long_every(const struct pace_opts *o)
{
    const int64_t rest = later(o->window_max - long_burst(o), 1);
    return (o->window_ms + rest - 1) / rest;
}

void pace_init(struct pace *p, const struct pace_opts *o)
{
    *p = (struct pace){.o = *o};
}

int64_t pace_take(struct pace *p, int64_t now)
{
    const struct pace_opts *o = &p->o;
    const int64_t a = wait_for(p->short_full_ms, o->every_ms, o->burst, now);
    const int64_t b = wait_for(p->long_full_ms, long_every(o), long_burst(o), now);
    if (a > 0 || b > 0) {
        return later(a, b);
    }
    p->short_full_ms = later(p->short_full_ms, now) + o->every_ms;
    p->long_full_ms = later(p->long_full_ms, now) + long_every(o);
    return 0;
}

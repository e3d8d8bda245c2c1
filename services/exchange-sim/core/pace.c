#include "services/exchange-sim/core/pace.h"

#include "common/base/wide.h"

void pace_start(struct pace *p, int64_t t0_ms, int64_t now_us)
{
    p->started = true;
    p->t0_ms = t0_ms;
    p->pin_us = now_us;
    p->paused_us = now_us;
}

void pace_pause(struct pace *p, int64_t now_us)
{
    if (!p->paused) {
        p->paused = true;
        p->paused_us = now_us;
    }
}

void pace_resume(struct pace *p, int64_t now_us)
{
    if (p->paused) {
        p->paused = false;
        if (p->started) {
            p->pin_us += now_us - p->paused_us;
        }
    }
}

int64_t pace_due_us(const struct pace *p, int64_t t_ms)
{
    if (!p->started || p->paused) {
        return INT64_MAX;
    }
    if (p->max) {
        return INT64_MIN;
    }
    i128 us = (i128)(t_ms - p->t0_ms) * 1000 * p->den / p->num;
    i128 due = us + p->pin_us;
    return due > INT64_MAX - 1 ? INT64_MAX - 1 : due < INT64_MIN + 1 ? INT64_MIN + 1 : (int64_t)due;
}

int64_t pace_market_ms(const struct pace *p, int64_t now_us)
{
    if (!p->started || p->max) {
        return p->t0_ms;
    }
    int64_t at = p->paused ? p->paused_us : now_us;
    return p->t0_ms + (int64_t)((i128)(at - p->pin_us) * p->num / p->den / 1000);
}

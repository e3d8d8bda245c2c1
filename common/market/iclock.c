#include "common/market/iclock.h"

void iclock_init(struct iclock *c)
{
    *c = (struct iclock){.newest_ms = -1, .rx_mono_ms = 0, .shown_ms = -1};
}

void iclock_seen(struct iclock *c, int64_t ts_ms, int64_t rx_mono_ms)
{
    if (ts_ms > c->newest_ms) {
        c->newest_ms = ts_ms;
        c->rx_mono_ms = rx_mono_ms;
    }
}

int64_t iclock_now(struct iclock *c, int64_t mono_ms)
{
    if (c->newest_ms < 0) {
        return -1;
    }
    int64_t since;
    int64_t now;
    if (__builtin_sub_overflow(mono_ms, c->rx_mono_ms, &since) || since < 0) {
        since = 0;
    }
    if (__builtin_add_overflow(c->newest_ms, since, &now)) {
        now = c->newest_ms;
    }
    if (now > c->shown_ms) {
        c->shown_ms = now;
    }
    return c->shown_ms;
}

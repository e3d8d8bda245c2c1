#include "services/strategy/core/cvd.h"

const char *cvd_result_name(enum cvd_result r)
{
    static const char *const name[] = {"reset", "no_effect", "too_old", "ahead"};
    return name[r];
}

void cvd_init(struct cvd *c)
{
    *c = (struct cvd){.reset_ms = -1};
}

static int64_t minute_end(int64_t ms)
{
    return ms - ms % CVD_MINUTE_MS + CVD_MINUTE_MS;
}

static void count(struct flow_sum *sum, const struct trade *t)
{
    sum->buy += t->side == SIDE_BUY ? t->qty : 0;
    sum->sell += t->side == SIDE_BUY ? 0 : t->qty;
    sum->trades++;
}

void cvd_add(struct cvd *c, const struct trade *t, int64_t day_ms)
{
    if (c->reset_ms < 0) {
        return;
    }
    if (c->reset_ms < day_ms) { // a new day has begun: it is the anchor
        *c = (struct cvd){.reset_ms = -1, .resets = c->resets, .refused = c->refused};
        return;
    }
    if (t->ts_ms > c->reset_ms) {
        count(&c->sum, t);
        if (t->ts_ms < minute_end(c->reset_ms)) {
            count(&c->first, t);
        }
    }
}

enum cvd_result cvd_reset(struct cvd *c, int64_t at_ms, int64_t asked_ms, int64_t day_ms,
                          int64_t newest_ms, const struct seconds *s)
{
    struct flow_sum sum = {0};
    struct flow_sum first = {0};
    if (at_ms - CVD_AHEAD_MS > asked_ms) {
        c->refused++;
        return CVD_AHEAD;
    }
    if (at_ms <= c->reset_ms || at_ms < day_ms) {
        return CVD_NO_EFFECT;
    }
    if (at_ms < newest_ms && (!seconds_sum(s, at_ms, newest_ms, &sum) ||
                              !seconds_sum(s, at_ms, minute_end(at_ms) - 1, &first))) {
        c->refused++;
        return CVD_TOO_OLD;
    }
    c->reset_ms = at_ms;
    c->sum = sum;
    c->first = first;
    c->resets++;
    return CVD_RESET;
}

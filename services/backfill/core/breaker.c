#include "services/backfill/core/breaker.h"

#include <string.h>

const char *breaker_state_name(enum breaker_state s)
{
    switch (s) {
    case BREAKER_CLOSED:
        return "closed";
    case BREAKER_OPEN:
        return "open";
    case BREAKER_HALF_OPEN:
        return "half_open";
    }
    return "?";
}

void breaker_init(struct breaker *b, const struct breaker_opts *o)
{
    memset(b, 0, sizeof *b);
    b->o = *o;
    b->o.max_parallel = o->max_parallel < 1 ? 1 : o->max_parallel;
    b->parallel = b->o.max_parallel;
    b->throttle = 1;
    b->until_ms = b->next_ms = INT64_MIN;
}

int64_t breaker_wait_ms(struct breaker *b, int64_t mono_ms, int64_t in_flight)
{
    if (mono_ms < b->until_ms) {
        return b->until_ms - mono_ms;
    }
    if (b->state == BREAKER_OPEN) {
        b->state = BREAKER_HALF_OPEN;
        b->good = 0;
    }
    if (in_flight >= (b->state == BREAKER_HALF_OPEN ? 1 : b->parallel)) {
        return -1;
    }
    return mono_ms < b->next_ms ? b->next_ms - mono_ms : 0;
}

void breaker_sent(struct breaker *b, int64_t mono_ms)
{
    b->next_ms = mono_ms + b->o.delay_ms * b->throttle;
}

void breaker_good(struct breaker *b)
{
    b->refusals = 0;
    b->good++;
    if (b->state == BREAKER_HALF_OPEN && b->good >= BREAKER_PROBES) {
        b->state = BREAKER_CLOSED;
        b->opened = 0;
        b->parallel = 1;
        b->good = 0;
    } else if (b->state == BREAKER_CLOSED && b->good >= BREAKER_STEP) {
        b->good = 0;
        if (b->throttle > 1) {
            b->throttle /= 2;
        } else if (b->parallel < b->o.max_parallel) {
            b->parallel++;
        }
    }
}

static void retreat(struct breaker *b)
{
    b->good = 0;
    b->parallel = b->parallel > 1 ? b->parallel / 2 : 1;
}

bool breaker_is_refusal(long status)
{
    return status == 418 || status == 429 || status == 403 || status == 451;
}

void breaker_refused(struct breaker *b, int64_t mono_ms, long status, int64_t retry_after_ms)
{
    // Answers to requests sent before it opened say nothing new, except a later moment.
    const bool was_open = b->state == BREAKER_OPEN;
    const int64_t told = mono_ms + (retry_after_ms > 0 ? retry_after_ms : 0);
    b->until_ms = told > b->until_ms ? told : b->until_ms;
    if (was_open) {
        return;
    }
    b->refusals++;
    retreat(b);
    b->throttle = b->throttle < BREAKER_THROTTLE_MAX ? b->throttle * 2 : BREAKER_THROTTLE_MAX;
    if (status == 429 && b->state == BREAKER_CLOSED && b->refusals < b->o.threshold) {
        return;
    }
    int64_t pause_ms = b->o.cooldown_ms;
    for (int64_t i = 0; i < b->opened && pause_ms < BREAKER_COOLDOWN_MAX_MS; i++) {
        pause_ms *= 2;
    }
    pause_ms = pause_ms < BREAKER_COOLDOWN_MAX_MS ? pause_ms : BREAKER_COOLDOWN_MAX_MS;
    b->state = BREAKER_OPEN;
    b->opened++;
    b->opens++;
    if (mono_ms + pause_ms > b->until_ms) {
        b->until_ms = mono_ms + pause_ms;
    }
}

void breaker_troubled(struct breaker *b)
{
    retreat(b);
}

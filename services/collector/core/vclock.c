#include "services/collector/core/vclock.h"

#include <string.h>

// Beyond half the round trip: the venue's time is cut to ms, and our stamps wait for the loop.
#define SLACK_US 15000

void vclock_clear(struct vclock *c)
{
    memset(c, 0, sizeof *c);
}

bool vclock_add(struct vclock *c, int64_t sent_us, int64_t done_us, int64_t venue_ms)
{
    if (c->n < VCLOCK_SAMPLES) {
        c->offset_us[c->n] = venue_ms * 1000 - (sent_us + (done_us - sent_us) / 2);
        c->error_us[c->n] = (done_us - sent_us) / 2 + SLACK_US;
        c->n++;
    }
    return c->n == VCLOCK_SAMPLES;
}

int64_t vclock_offset_ms(const struct vclock *c, bool *steady)
{
    int64_t v[VCLOCK_SAMPLES];
    *steady = c->n == VCLOCK_SAMPLES;
    for (size_t i = 0; i < c->n; i++) {
        size_t j = i;
        for (size_t k = 0; k < i; k++) {
            const int64_t apart = c->offset_us[i] - c->offset_us[k];
            if ((apart < 0 ? -apart : apart) > c->error_us[i] + c->error_us[k]) {
                *steady = false;
            }
        }
        while (j > 0 && v[j - 1] > c->offset_us[i]) {
            v[j] = v[j - 1];
            j--;
        }
        v[j] = c->offset_us[i];
    }
    if (c->n == 0) {
        return 0;
    }
    const int64_t us = v[c->n / 2];
    return (us >= 0 ? us + 500 : us - 500) / 1000;
}

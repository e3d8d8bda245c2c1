#include "services/collector/core/silence.h"

#include <stdlib.h>
#include <string.h>

void silence_init(struct silence *s, int64_t floor_ms)
{
    memset(s, 0, sizeof *s);
    s->floor_ms = floor_ms;
    s->deadline_ms = floor_ms;
}

void silence_begin(struct silence *s, int64_t mono_ms)
{
    s->last_ms = mono_ms;
    s->has_data = false;
}

void silence_data(struct silence *s, int64_t mono_ms)
{
    if (s->has_data) {
        s->gap_ms[s->gaps % SILENCE_GAPS] = mono_ms - s->last_ms;
        s->gaps++;
    }
    s->has_data = true;
    s->last_ms = mono_ms;
}

// Insertion sort: 32 values, once a second.
static int64_t median_gap(const struct silence *s)
{
    int64_t v[SILENCE_GAPS];
    const size_t n = s->gaps < SILENCE_GAPS ? s->gaps : SILENCE_GAPS;
    if (n == 0) {
        return 0;
    }
    for (size_t i = 0; i < n; i++) {
        size_t j = i;
        while (j > 0 && v[j - 1] > s->gap_ms[i]) {
            v[j] = v[j - 1];
            j--;
        }
        v[j] = s->gap_ms[i];
    }
    return v[n / 2];
}

bool silence_tick(struct silence *s, int64_t mono_ms)
{
    const int64_t by_market = SILENCE_FACTOR * median_gap(s);
    const bool was = s->silent;
    s->deadline_ms = by_market > s->floor_ms ? by_market : s->floor_ms;
    // A new socket proves nothing: silent stays silent until data comes.
    s->silent = mono_ms - s->last_ms >= s->deadline_ms || (was && !s->has_data);
    return s->silent != was;
}

// What must pass before the next attempt: the deadline, doubled by each attempt in vain.
static int64_t patience(const struct silence *s, int attempts)
{
    int64_t ms = s->deadline_ms;
    const int64_t most = ms > SILENCE_MAX_MS ? ms : SILENCE_MAX_MS;
    for (int i = 0; i < attempts && ms < most; i++) {
        ms *= 2;
    }
    return ms < most ? ms : most;
}

enum silence_verdict silence_wants_reconnect(const struct silence *const *s, size_t n, int attempts,
                                             int64_t mono_ms)
{
    bool all = n > 0, one_long = false;
    for (size_t i = 0; i < n; i++) {
        const int64_t quiet_ms = mono_ms - s[i]->last_ms;
        all = all && quiet_ms >= patience(s[i], attempts);
        const int64_t longer = 3 * s[i]->deadline_ms;
        const int64_t wait = patience(s[i], attempts);
        one_long = one_long || quiet_ms >= (longer > wait ? longer : wait);
    }
    return all ? SILENCE_ALL : one_long ? SILENCE_ONE : SILENCE_FINE;
}

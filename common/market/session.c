#include "common/market/session.h"

#include "common/base/clock.h"
#include "common/base/mem.h"

#define HOUR_MS INT64_C(3600000)

// The day as the instants at which the session changes; the last row is the next midnight, where
// "off" simply goes on.
static const struct {
    int64_t from_ms;
    enum session session;
} changes[] = {
    {0, SESSION_OFF},
    {8 * HOUR_MS, SESSION_LONDON},
    {12 * HOUR_MS, SESSION_OFF},
    {13 * HOUR_MS, SESSION_OVERLAP},
    {17 * HOUR_MS, SESSION_OFF},
};
#define N_CHANGES (sizeof changes / sizeof changes[0])

enum session session_at(int64_t ts_ms)
{
    int64_t in_day = ts_ms - day_start_ms(ts_ms);
    size_t i = N_CHANGES - 1;
    while (changes[i].from_ms > in_day) {
        i--;
    }
    return changes[i].session;
}

const char *session_name(enum session s)
{
    switch (s) {
    case SESSION_OFF:
        return "off";
    case SESSION_LONDON:
        return "london";
    case SESSION_OVERLAP:
        return "overlap";
    }
    FATAL("session %d", (int)s);
}

const char *session_strategy_name(enum session s)
{
    return s == SESSION_OFF ? "waiting_for_session" : session_name(s);
}

int64_t session_next_change_ms(int64_t ts_ms)
{
    int64_t day = day_start_ms(ts_ms);
    for (size_t i = 1; i < N_CHANGES; i++) {
        if (day + changes[i].from_ms > ts_ms) {
            return day + changes[i].from_ms;
        }
    }
    return day + MS_PER_DAY + changes[1].from_ms;
}

enum session session_next_active(int64_t ts_ms, int64_t *starts_ms)
{
    int64_t at = session_next_change_ms(ts_ms);
    if (session_at(at) == SESSION_OFF) {
        at = session_next_change_ms(at);
    }
    *starts_ms = at;
    return session_at(at);
}

void session_window(enum session s, int64_t ts_ms, int64_t *start_ms, int64_t *end_ms)
{
    int64_t day = day_start_ms(ts_ms);
    for (size_t i = 0; i + 1 < N_CHANGES; i++) {
        if (changes[i].session == s && s != SESSION_OFF) {
            *start_ms = day + changes[i].from_ms;
            *end_ms = day + changes[i + 1].from_ms;
            return;
        }
    }
    FATAL("session %d has no window", (int)s);
}

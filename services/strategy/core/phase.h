#ifndef STRATEGY_PHASE_H
#define STRATEGY_PHASE_H
// The session state machine: waiting_for_session -> london -> waiting -> overlap -> waiting, driven
// by the instrument clock. Every change between the time seen last and now is reported once, in
// order; the time seen last is stored, so a restart neither repeats nor skips one.

#include <stdbool.h>
#include <stdint.h>

#include "common/market/session.h"

// A pause longer than this (a recording after another one) is not told change by change.
#define PHASE_MAX_PAUSE_MS (INT64_C(2) * 86400000)

struct phase {
    enum session session;
    int64_t seen_ms; // -1 = nothing seen yet
};

void phase_init(struct phase *p);
// Restores what was stored.
void phase_restore(struct phase *p, int64_t seen_ms);
void phase_advance(struct phase *p, int64_t now_ms,
                   void (*on_change)(void *arg, enum session from, enum session to, int64_t at_ms),
                   void *arg);

#endif

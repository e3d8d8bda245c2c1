#ifndef CONTEXT_CONTEXT_H
#define CONTEXT_CONTEXT_H
// The decisions of the context service for one instrument: trades and :history entries in, the
// fields of :context and :coverage out. Pure: no Redis, no clock.

#include <stdbool.h>
#include <stdint.h>

#include "common/market/coverage.h"
#include "common/market/iclock.h"
#include "common/market/ledger.h"
#include "services/context/core/holes.h"

struct context {
    struct ledger ledger;
    struct holes holes;
    struct iclock clock;
    int64_t seen_ms, seen_rx_us; // newest trade and when it was received (0 = unknown); -1 none
    bool seen_new;               // not given to the clock yet
    uint64_t bad, reloads, ver;
    struct err refused; // why the last summary was refused
    uint64_t days, days_refused;
    bool history_changed; // reasons or repaired ranges are to be written
};

void context_init(struct context *c, const struct instrument *ins);
void context_release(struct context *c);
// A trade of either stream; rx_us = when the collector received it, 0 when unknown.
// `late`: it came through :history.
void context_on_trade(struct context *c, const struct trade *t, int64_t rx_us, bool late);
void context_on_history(struct context *c, const struct history *h);
// The instrument clock; wall_us is comparable with rx_us. -1 while nothing was seen.
int64_t context_clock(struct context *c, int64_t wall_us, int64_t mono_ms);

// ---- what is shown -----------------------------------------------------------------------------

// Coverage of the two live days, recomputed by context_look().
struct context_look {
    struct coverage cur, prev; // judged_end_ms <= day_ms when there is no such day
    int64_t or_e8;             // coverage of the opening range, -1 not judged
    bool or_complete;          // past 08:10 by trade time and no millisecond of it missing
};
void context_look_init(struct context_look *l);
void context_look_release(struct context_look *l);
void context_look(const struct context *c, struct context_look *out);

// Fields of :context that depend on the trades alone ("" = unknown).
void context_fields(const struct context *c, const struct context_look *l, field_sink sink,
                    void *arg);
// The value of field <day> of :coverage. At most CONTEXT_SPANS spans, the newest.
#define CONTEXT_SPANS 2000
void coverage_day_json(const struct coverage *v, struct buf *out);
// The value of field _repaired: time ranges that were missing and were filled.
void context_repaired_json(const struct context *c, struct buf *out);

#endif

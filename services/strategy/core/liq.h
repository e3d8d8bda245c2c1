#ifndef STRATEGY_LIQ_H
#define STRATEGY_LIQ_H
// Liquidation clusters of the current day: executed volume per price bin, forced buys (shorts that
// were liquidated) and forced sells (longs) apart. Current = the day of the newest liquidation.
//
// A function of the set of liquidations: copies count once (the newest are kept to compare with),
// order does not matter, but for one thing: of a day that is over nothing is counted any more.

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/err.h"
#include "common/market/instrument.h"
#include "common/market/liquidation.h"

#define LIQ_BINS_MAX 50000 // of one day
#define LIQ_RECENT 1000

struct liq_bin {
    int64_t index;     // floor(price / bin)
    int64_t buy, sell; // lots, of the forced orders
    int64_t n;
    bool changed; // since it was written
};

struct liq {
    struct instrument ins;
    char bin_text[LIQ_TEXT];
    int bin_scale;
    int64_t bin_size;    // of 10^-bin_scale
    int64_t day_ms;      // -1 = no liquidation yet
    struct liq_bin *bin; // ascending
    size_t n_bins, cap;
    int64_t buy, sell, count, last_ms;
    bool new_day;               // what is stored belongs to another day
    struct liquidation *recent; // circular
    size_t n_recent;            // ever
    uint64_t copies, too_old, bad, dropped;
};

// bin: a decimal above 0 (OPT_DEC). The units of ins are known.
void liq_init(struct liq *q, const struct instrument *ins, const char *bin);
void liq_release(struct liq *q);

// True when it was counted.
bool liq_add(struct liq *q, const struct liquidation *l);
// One that is counted in what is restored: to compare with only.
void liq_seen(struct liq *q, const struct liquidation *l);

// From the pairs kv[2*n] of the hash. ERR_STATE: nothing stored, or with another bin; ERR_SYNTAX:
// it does not hold together. Then q is as after liq_init().
int liq_restore(struct liq *q, const struct slice *kv, size_t pairs, struct err *e) MUST_CHECK;

// The fields that changed since the last call (all = every one); clears the marks. Fields without
// `_` only.
typedef void (*liq_sink)(void *arg, const char *field, const char *value, size_t n);
void liq_fields(struct liq *q, bool all, liq_sink sink, void *arg);

#endif

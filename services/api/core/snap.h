#ifndef API_SNAP_H
#define API_SNAP_H
// Everything the gateway knows about one instrument at one moment: immutable once published,
// reference-counted, made of hashes it shares with the snapshots before and after it. An answer is
// a function of one snapshot, the request's parameters and the instrument clock.

#include <stdbool.h>
#include <stdint.h>

#include "common/market/instrument.h"
#include "services/api/core/rhash.h"

enum section {
    SEC_INSTRUMENT,  // :instrument
    SEC_CONTEXT,     // :context
    SEC_DAY,         // :context:<day>
    SEC_PREV,        // :context:<prev_day>
    SEC_PROFILE,     // :profile:<day>
    SEC_COVERAGE,    // :coverage
    SEC_STRATEGY,    // :strategy
    SEC_METRICS,     // :metrics
    SEC_CANDLES_1M,  // :candles:1m
    SEC_CANDLES_5M,  // :candles:5m
    SEC_LIQ,         // :liquidation_clusters
    SEC_MARK,        // :mark
    SEC_BACKFILL,    // :backfill
    SEC_BOOK,        // :book
    SEC_FOOT_1M,     // :footprint:1m
    SEC_FOOT_5M,     // :footprint:5m
    SEC_REGIME,      // :regime
    SEC_CVD,         // :cvd
    SEC_CVD_MINUTES, // :cvd:minutes
    SEC_INDICATORS,  // :indicators
    SEC_SECONDS,     // :indicators:seconds
    SEC_FEED,        // health hash of the collector that serves this instrument
    SEC_COUNT_,
};

struct snap {
    struct instrument who;        // name parts as configured
    struct instrument ins;        // units; valid when has_units
    bool has_units;               // :instrument was read and understood
    bool context_up, strategy_up; // their health hashes are alive
    uint64_t version;             // grows with every publication of this instrument
    struct rhash *sec[SEC_COUNT_];
};

// An empty snapshot (nothing known yet) with one reference.
struct snap *snap_new(const struct instrument *who);
// A copy that shares every section, to be changed and published; one reference.
struct snap *snap_copy(const struct snap *s);
// Puts a section in (takes the reference to h, NULL allowed) and drops the old one. SEC_INSTRUMENT
// also refreshes the units. Only before publication.
void snap_set_take(struct snap *s, enum section sec, struct rhash *h);
struct snap *snap_ref(struct snap *s);
void snap_unref(struct snap *s); // any thread

// The instrument is fed by a simulated market; false also when unknown.
bool snap_is_simulated(const struct snap *s);
// The day :context points to, midnight ms; -1 unknown.
int64_t snap_day_ms(const struct snap *s);

#endif

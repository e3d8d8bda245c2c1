#ifndef STRATEGY_STRATEGY_H
#define STRATEGY_STRATEGY_H
// The decisions of the strategy service for one instrument: trades and :history entries in;
// candles, events and metrics out. Pure: no Redis, no clock.

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/buf.h"
#include "common/market/candle.h"
#include "common/market/coverage.h"
#include "common/market/iclock.h"
#include "common/market/ledger.h"
#include "common/market/minutes.h"
#include "services/strategy/core/cvd.h"
#include "services/strategy/core/footprint.h"
#include "services/strategy/core/phase.h"
#include "services/strategy/core/regime.h"
#include "services/strategy/core/seconds.h"
#include "services/strategy/core/shown.h"
#include "services/strategy/core/window.h"

#define N_TF 2
extern const int64_t strategy_tf_ms[N_TF];  // 60000, 300000
extern const char *const strategy_tf[N_TF]; // "1m", "5m"
#define STALE_SPAN_MS (INT64_C(60) * 60000) // read back at once
#define FOOTPRINT_ROWS 20

// Where the effects of strategy_settle() go; strings are borrowed for the call.
struct strategy_sink {
    void (*candle)(void *arg, size_t tf, int64_t start_ms, const char *json, size_t n);
    void (*candle_gone)(void *arg, size_t tf, int64_t start_ms);
    void (*event)(void *arg, const char *type, int64_t ts_ms, const char *json, size_t n);
    // Of strategy_footprints(); json NULL: the candle has none any more.
    void (*footprint)(void *arg, size_t tf, int64_t start_ms, const char *json, size_t n);
    void *arg;
};

// A time range whose stale buckets are being recomputed from trades read back.
struct stale_job {
    bool active;
    int64_t from_ms, to_ms;
    uint64_t again[N_TF]; // buckets a trade came for since reading began, by (start - from) / tf
    struct trade *v;
    size_t n, cap;
    bool overflow; // more trades than STALE_MAX_TRADES
};
#define STALE_MAX_TRADES ((size_t)8 << 20)

struct strategy {
    struct ledger ledger;
    struct candle_series *series[N_TF];
    struct shown shown[N_TF];
    int64_t completed_ms[N_TF]; // start of the newest completed bucket, -1 none
    struct phase phase;
    struct window window;
    struct iclock clock;
    int64_t seen_ms, seen_rx_us; // newest trade and when it was received (0 = unknown); -1 none
    bool seen_new;
    struct coverage cov[2]; // of the current and the previous day, as of the last settle
    uint64_t proof_seen;    // ledger_proof_version() at the last settle
    bool holes_changed;     // coverage of older candles may have changed
    // Buckets found stale before a restart.
    int64_t left[N_TF][CANDLE_KEEP];
    size_t n_left[N_TF];
    struct stale_job job;
    struct minutes minutes;
    struct footprint_params foot;
    int64_t foot_shown[N_TF][FOOTPRINT_KEEP_MAX]; // candles with a footprint in Redis, ascending
    size_t n_foot_shown[N_TF];
    struct regime regime;
    struct seconds seconds;
    struct cvd cvd;
    uint64_t kept_stale; // buckets given up: the streams no longer hold all their trades
    uint64_t bad, reloads, ver, completed, revised;
    struct err refused; // why the last summary was refused
    uint64_t days, days_refused;
    struct buf text; // scratch
};

void strategy_init(struct strategy *s, const struct instrument *ins, int64_t window_ms);
void strategy_release(struct strategy *s);
// `late`: it came through :history.
void strategy_on_trade(struct strategy *s, const struct trade *t, int64_t rx_us, bool late);
void strategy_on_history(struct strategy *s, const struct history *h);
// Instrument clock; wall_us comparable with rx_us.
int64_t strategy_clock(struct strategy *s, int64_t wall_us, int64_t mono_ms);
// Settles candles, sessions and coverage at the watermark; true when the sink was called.
bool strategy_settle(struct strategy *s, int64_t watermark_ms, const struct strategy_sink *sink);

// A :history entry kind=day (take_day.c): used by strategy_on_history().
void strategy_take_day(struct strategy *s, const struct history *h);

// ---- indicators (indicators.c) ----------------------------------------------------------------
// A counted trade into the minutes (used by the parts of this core).
void strategy_add_to_minutes(struct strategy *s, const struct trade *t);
void strategy_replace_minutes(struct strategy *s, int64_t from_ms, int64_t to_ms,
                              struct minutes *with);
// Footprints that changed since they were told, and candles that have none any more.
void strategy_footprints(struct strategy *s, const struct strategy_sink *sink);
// Steps the regime over what strategy_settle() completed or revised, tells regime_change events;
// true when something changed. Not while there is more to read: each late trade would have the day
// stepped again.
bool strategy_regime(struct strategy *s, const struct strategy_sink *sink);
// Minutes that are to be stored now: complete, and changed since they were.
void strategy_minutes(struct strategy *s, bool all, field_sink sink, void *arg);
void strategy_regime_fields(const struct strategy *s, field_sink sink, void *arg);

// ---- restart -----------------------------------------------------------------------------------
// A stored candle; coverage as it was written. ERR_* when it is none.
int strategy_restore_candle(struct strategy *s, size_t tf, const char *json, size_t n,
                            struct err *e) MUST_CHECK;
// Begin of the tape to be read back (INT64_MAX: nothing was counted). Call after the ledger and
// the candles were restored, then strategy_replay() for every trade from there on, copies
// included, and strategy_end_replay().
int64_t strategy_begin_replay(struct strategy *s);
void strategy_replay(struct strategy *s, const struct trade *t);
// The same for a trade whose name was recalled (Bybit), of any time, with ledger_recall()'s answer.
void strategy_replay_named(struct strategy *s, const struct trade *t, enum ledger_result r);
void strategy_end_replay(struct strategy *s);
// A counted trade into both series (used by the parts of this core).
void strategy_add_to_candles(struct strategy *s, const struct trade *t);

// ---- stale buckets -----------------------------------------------------------------------------
// Text of field _stale, "60000:1723161300000,..." and back.
void strategy_stale_text(const struct strategy *s, struct buf *out);
void strategy_take_stale(struct strategy *s, const char *text, size_t n);
size_t strategy_stale_count(const struct strategy *s);
// Begins a job: true with the range whose trades are to be given to strategy_stale_trade().
bool strategy_stale_begin(struct strategy *s, int64_t *from_ms, int64_t *to_ms);
void strategy_stale_trade(struct strategy *s, const struct trade *t);
// Buckets of [from_ms, to_ms) found stale before a restart are not any more.
void strategy_stale_forget(struct strategy *s, int64_t from_ms, int64_t to_ms);
// All were given (ok) or reading failed. What changed comes out of the next settle.
void strategy_stale_end(struct strategy *s, bool ok);

// ---- what is shown -----------------------------------------------------------------------------
// Fields of :strategy and :metrics that depend on trades and exchange time alone.
void strategy_fields(const struct strategy *s, field_sink sink, void *arg);
void strategy_metrics(struct strategy *s, field_sink sink, void *arg);

#endif

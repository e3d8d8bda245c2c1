#ifndef MARKET_CANDLE_H
#define MARKET_CANDLE_H
// Candles of one timeframe with the trades that can still change them.
//
// Bucket [k*tf, (k+1)*tf) of trade time. open/close are the first/last trade in set order, min/max
// running delta run from 0 in set order; so a trade that arrives in set order updates the candle in
// place, and one that does not makes its bucket dirty: it is recomputed from the tape (the trades
// of the last 15 minutes), or, when older than the tape, by the caller from the streams
// (candle_series_replace()).
// Completion follows the watermark (instrument clock): a candle is complete when the watermark
// reaches bucket end + 250 ms; completions are reported once per bucket, in order; a change after
// that bumps rev and is reported as a revision.

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/wide.h"
#include "common/market/run.h"
#include "common/market/trade.h"

#define CANDLE_GRACE_MS 250
#define CANDLE_KEEP 1500
#define TAPE_KEEP_MS (INT64_C(15) * 60000)
#define TAPE_ALIGN_MS (INT64_C(5) * 60000) // the tape begins at a multiple of it
#define TAPE_MAX_TRADES (4u << 20)         // more than this and the tape begins later

struct candle {
    int64_t start_ms;
    int64_t open, high, low, close; // ticks
    int64_t buy, sell;              // lots
    int64_t min_delta, max_delta;   // lots; of the running delta, 0 included
    int64_t trades;
    u128 sum_pq;              // ticks * lots
    int64_t poc_bin;          // bin index
    struct trade first, last; // set order (restored: their place in it, and the prices)
    uint32_t rev;             // 0 until changed after completion
    bool complete;            // completion was reported
};

struct candle_series; // opaque: one timeframe, its candles, its tape

// tf_ms: a multiple of one minute that divides TAPE_ALIGN_MS.
struct candle_series *candle_series_new(int64_t tf_ms, int64_t bin_ticks);
// Another timeframe on the same trades, without a second tape: borrows `owner`'s, which must have
// been given each trade first and must outlive it. Horizon calls go to the owner.
struct candle_series *candle_series_new_on(struct candle_series *owner, int64_t tf_ms);
void candle_series_free(struct candle_series *s);
int64_t candle_series_tf(const struct candle_series *s);

// What happened, reported in order; `cb` borrows c for the call.
enum candle_event { CANDLE_UPDATED, CANDLE_COMPLETED, CANDLE_REVISED };
typedef void (*candle_cb)(void *arg, enum candle_event ev, const struct candle *c);

// A counted trade (a copy of one is harmless). Returns 0; ERR_OVERFLOW; or 1 when its bucket can
// not be recomputed from the tape: then the bucket (start in *stale_bucket) keeps its old content,
// is on the list candle_series_stale() and answers 1 to every further trade until the caller has
// recomputed it from the streams with candle_series_replace(). A caller that saw a 1 for a bucket
// after it began to read that bucket has to read it once more. Buckets older than the CANDLE_KEEP
// newest are nobody's concern: 0.
int candle_series_add(struct candle_series *s, const struct trade *t,
                      int64_t *stale_bucket) MUST_CHECK;
// A copy of a counted trade that tells a seq, which may move it in the set order (Bybit): for the
// owner of a tape and all series on it at once. True: done. False: the trade is not on the tape;
// call candle_series_doubt() for each series.
bool candle_series_revise(struct candle_series *owner, const struct trade *t);
// The bucket of this time may have changed in a way that only the streams can tell: 1 with the
// bucket, which is stale now (as candle_series_add()), or 0 when it is none of the series.
int candle_series_doubt(struct candle_series *s, int64_t ts_ms, int64_t *stale_bucket);
// A counted run for the owner of a tape and all series on it at once. True: as if each trade had
// been given to each of them, with 0 for an answer. False: nothing was done.
bool candle_series_add_run(struct candle_series *owner, const struct run *r);
// Recomputes dirty buckets, reports CANDLE_UPDATED for open ones that changed since the last call,
// CANDLE_REVISED for completed ones, then CANDLE_COMPLETED in order for buckets whose end + 250 ms
// <= watermark_ms. Call before each write of state. A bucket that comes into being behind one whose
// completion was reported is born complete, with rev 1, as a revision. While catching up with a
// stream pass the newest trade time, not the clock, or half-read buckets complete early.
void candle_series_settle(struct candle_series *s, int64_t watermark_ms, candle_cb cb, void *arg);
// A bucket recomputed outside: trades[n] in any order (copies harmless; those outside the bucket
// are ignored). n = 0 removes the bucket. Takes it off the stale list; what changed is reported by
// the next settle. 0 or ERR_OVERFLOW (bucket unchanged).
int candle_series_replace(struct candle_series *s, int64_t start_ms, const struct trade *trades,
                          size_t n) MUST_CHECK;
// All buckets of [from_ms, to_ms) as a summary tells them, v[n] ascending, in place of what is
// there; what changed is reported by the next settle. Both times are multiples of TAPE_ALIGN_MS.
// The tape begins at to_ms at the earliest from now on, so no trade changes these any more.
void candle_series_take(struct candle_series *s, int64_t from_ms, int64_t to_ms,
                        const struct candle *v, size_t n);
// Gives up on a stale bucket (the streams no longer hold all its trades): it leaves the list with
// the content it has.
void candle_series_keep(struct candle_series *s, int64_t start_ms);
// Bucket starts that wait for candle_series_replace(), ascending; returns how many there are.
size_t candle_series_stale(const struct candle_series *s, int64_t *starts, size_t cap);
// Restores a stored candle (no tape behind it: the tape begins after its bucket at the earliest).
// Any order. Not reported by settle.
void candle_series_restore(struct candle_series *s, const struct candle *c);
// All candles kept, ascending; pointers valid until the next call that changes the series.
size_t candle_series_count(const struct candle_series *s);
const struct candle *candle_series_at(const struct candle_series *s, size_t i);
const struct candle *candle_series_find(const struct candle_series *s, int64_t start_ms);
// Oldest trade time from which the tape is whole: buckets that start at or after it are recomputed
// here. 0 in a series that has seen all its trades itself. Moves up with the newest trade.
int64_t candle_series_tape_from(const struct candle_series *s);
// Restart: restore the candles, call this with candle_tape_start(newest trade), then add all
// counted trades from that time on again, then settle. Empties the tape; every bucket at or after
// ts_ms (rounded up to TAPE_ALIGN_MS) is rebuilt from what is added, nothing is counted twice,
// `complete` and `rev` stay, and only what came out different is reported. A bucket that comes out
// with fewer trades than were stored is kept as stored (the streams were trimmed), without tape.
void candle_series_set_tape_from(struct candle_series *s, int64_t ts_ms);
// Where the tape of a series whose newest trade has this time begins: 15 to 20 minutes earlier.
int64_t candle_tape_start(int64_t newest_ms);

// Could trades have made this candle?
bool candle_is_possible(const struct candle *c, int64_t bin_ticks);
// JSON of one candle, stored form: {"timestamp":..(ms),"open":..,"high":..,"low":..,"close":..,
// "volume":..,"buy_volume":..,"sell_volume":..,"delta":..,"min_delta":..,"max_delta":..,"trades":..,
// "vwap":..,"poc":..,"sum_pq":"..","first":"ts-id","last":"ts-id","_complete":bool,"_rev":n}
// Numbers are exact decimals; first and last of Bybit are "ts-seq-uuid". `coverage_e8` -1 writes
// null: "_coverage".
struct buf;
void candle_to_json(const struct candle *c, const struct instrument *ins, int64_t bin_ticks,
                    int64_t coverage_e8, struct buf *out);
int candle_from_json(struct candle *c, const struct instrument *ins, int64_t bin_ticks,
                     const char *s, size_t n, struct err *e) MUST_CHECK;

#endif

#ifndef MARKET_DAY_H
#define MARKET_DAY_H
// Everything known about one UTC day of one instrument, as exact accumulators from which every day
// metric is derived at print time (metrics definitions, "Day metrics"). A function of the set of
// trades: adding in any order gives the same bytes.

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/buf.h"
#include "common/base/wide.h"
#include "common/market/instrument.h"
#include "common/market/profile.h"
#include "common/market/run.h"
#include "common/market/trade.h"

#define OR_START_MS (INT64_C(8) * 3600000)        // opening range [08:00:00.000,
#define OR_END_MS (INT64_C(8) * 3600000 + 600000) //                08:10:00.000)

struct day {
    int64_t start_ms; // 00:00 UTC; -1 = empty slot
    uint64_t trades;
    u128 sum_q;          // lots
    u128 sum_pq;         // ticks * lots
    struct u256 sum_ppq; // ticks^2 * lots
    int64_t buy, sell;   // aggressor volume, lots
    int64_t block;       // lots of block trades (counted in buy/sell too)
    int64_t high, low;   // ticks; 0 = none
    int64_t or_high, or_low;
    int64_t pre_buy, pre_sell; // lots before 08:00 (cd_pre = pre_buy - pre_sell)
    struct trade first, last;  // in set order; valid when trades > 0
    struct profile *profile;   // owned
    // Not 0: these are the sums of a whole day as its summary told them (summary.h), checksum + 1;
    // nothing is added to it any more.
    int64_t sealed;
};

void day_init(struct day *d); // empty slot
void day_release(struct day *d);
void day_start(struct day *d, int64_t start_ms, int64_t bin_ticks); // clears
static inline bool day_is_empty_slot(const struct day *d)
{
    return d->start_ms < 0;
}
// Counts a trade of this day (the caller dedups and picks the day). 0, or ERR_OVERFLOW / ERR_LIMIT
// with the day unchanged.
int day_add(struct day *d, const struct trade *t) MUST_CHECK;
// Counts a summed run of this day, with the same result as trade by trade. False: it could come to
// a refusal on the way, and nothing was done.
bool day_add_run(struct day *d, const struct run *r) MUST_CHECK;

// ---- derived values, as text ("" = null) -----------------------------------------------------
#define NUM_TEXT 64
struct day_levels {
    char vwap[NUM_TEXT], vwap_quote[NUM_TEXT], sigma[NUM_TEXT];
    char band_up[3][NUM_TEXT], band_dn[3][NUM_TEXT]; // k = 1, 2, 3; "" when sigma is 0
    char poc[NUM_TEXT], vah[NUM_TEXT], val[NUM_TEXT];
    char high[NUM_TEXT], low[NUM_TEXT], range[NUM_TEXT];
    char or_high[NUM_TEXT], or_low[NUM_TEXT];
    char last[NUM_TEXT]; // price of the last trade in set order
    char volume[NUM_TEXT], buy[NUM_TEXT], sell[NUM_TEXT], delta[NUM_TEXT], cd_pre[NUM_TEXT];
    char block[NUM_TEXT], poc_volume[NUM_TEXT];
};
// VWAP, sigma and bands have 8 decimals, half-even, exact (never through a double); prices print
// with the decimals of tickSize, quantities with those of stepSize, more only if needed.
void day_levels(const struct day *d, const struct instrument *ins, struct day_levels *out);
// Price of a bin as text.
void bin_price_text(const struct instrument *ins, int64_t bin_ticks, int64_t index,
                    char out[NUM_TEXT]);

// ---- stored form ------------------------------------------------------------------------------
// Field/value text of :context:<day> (accumulators exact + derived values, all readable; _summary
// when the day is sealed) and of :profile:<day> ("vol buy sell trades" per bin price). A sink is
// called per field.
typedef void (*field_sink)(void *arg, const char *field, const char *value, size_t n);
void day_to_fields(const struct day *d, const struct instrument *ins, field_sink sink, void *arg);
// Restores accumulators (bins come separately through day_set_bin(), afterwards: this clears).
// kv[2*pairs] C strings; derived and unknown fields are ignored. On failure the slot is empty.
int day_from_fields(struct day *d, const struct instrument *ins, int64_t start_ms,
                    const char *const *kv, size_t pairs, struct err *e) MUST_CHECK;
// One field of :profile:<day>.
void bin_to_field(const struct instrument *ins, int64_t bin_ticks, int64_t index,
                  const struct bin *b, char field[NUM_TEXT], char value[4 * NUM_TEXT]);
int day_set_bin(struct day *d, const struct instrument *ins, const char *field, const char *value,
                struct err *e) MUST_CHECK;
// True when profile and accumulators agree (sum of bins = buy, sell, trades): a stored day that
// fails this is rebuilt from the streams instead of believed.
bool day_is_consistent(const struct day *d);

#endif

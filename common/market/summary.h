#ifndef MARKET_SUMMARY_H
#define MARKET_SUMMARY_H
// Everything that context and strategy keep of one complete UTC day of one instrument: the day's
// accumulators and profile, its candles, its minutes. Made by giving the day's trades to the very
// code that counts them live, so state from a summary is state from the trades.
//
//   fold:  trades of the day in set order -> summary_fold -> struct summary -> text
//   apply: text -> struct summary -> ledger_take_day(), candle_series_take(), minutes_replace()
//
// Whether the day is complete is for the one who folds to know: see history kind=day.

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/buf.h"
#include "common/base/err.h"
#include "common/market/candle.h"
#include "common/market/day.h"
#include "common/market/instrument.h"
#include "common/market/minutes.h"
#include "common/market/trade.h"

#define SUMMARY_TEXT_MAX ((size_t)3 << 20) // longer ones are not worth it: the trades are told
// Of the minutes, which only footprints of candles around midnight are made of, as many of the
// newest are told as have room; these at least.
#define SUMMARY_MINUTES_MS (INT64_C(180) * 60000)
#define SUMMARY_NAMES_MAX 20000 // likewise
#define SUMMARY_TFS 2
extern const int64_t summary_tf_ms[SUMMARY_TFS]; // 1 and 5 minutes

struct summary {
    struct day day;         // `sealed` names the text it came from
    int64_t from_id, to_id; // all ids of the day; -1 for a venue that names its trades
    struct candle *candle[SUMMARY_TFS];
    size_t candles[SUMMARY_TFS];
    struct minutes minutes;
    // UUIDs of the first and the last second of the day (Bybit).
    struct trade_uid *name;
    size_t names;
};
void summary_init(struct summary *s);
void summary_release(struct summary *s);

// ---- from trades -------------------------------------------------------------------------------
struct summary_fold;
// start_ms is 00:00 UTC.
struct summary_fold *summary_fold_new(const struct instrument *ins, int64_t start_ms);
void summary_fold_free(struct summary_fold *f);
// The next trade of the day in set order, each once. ERR_STATE: another day, out of order, or a
// copy; ERR_OVERFLOW, ERR_LIMIT. Any of them is the end of this fold.
int summary_fold_add(struct summary_fold *f, const struct trade *t) MUST_CHECK;
// All were given; *out is filled (init it before). ERR_STATE: no trade at all, or ids are missing
// between the first and the last; ERR_LIMIT: more than a summary holds.
int summary_fold_end(struct summary_fold *f, struct summary *out, struct err *e) MUST_CHECK;

// ---- text --------------------------------------------------------------------------------------
// Lines of ASCII, all numbers but those of `day` in the instrument's integer units:
//   bc4-day 1 binance:BTCUSDT <start_ms> <price_scale> <qty_scale> <bin_ticks> <from_id> <to_id>
//   day <n>        n lines "field value" (day_to_fields(), accumulators)
//   bins <n>       "step buy sell trades", bins as steps from the one before
//   1m <n>, 5m <n> "bucket open high low close buy sell min max trades sum_pq poc first last";
//                  bucket and poc count from 0, first and last are "ms id[ uuid]" from the bucket's
//                  start
//   minutes <n>    the newest n of the day,
//                  "minute trades buy sell sum_pq sum_ppq;step,buy,sell;..." (minutes.h)
//   names <n>      a UUID each
//   end <bytes before this line> <CRC-32 of them, 8 hexadecimal digits>
// ERR_LIMIT: longer than SUMMARY_TEXT_MAX with SUMMARY_MINUTES_MS of minutes alone.
int summary_format(const struct summary *s, const struct instrument *ins,
                   struct buf *out) MUST_CHECK;
// Strict: refused is what is cut, changed, of another instrument or other units (ERR_STATE), and
// whatever contradicts itself: bins, candles and (when all are told) minutes must each sum up to
// the day. On failure
// *s is empty. `s` was initialised.
int summary_parse(struct summary *s, const struct instrument *ins, const char *text, size_t n,
                  struct err *e) MUST_CHECK;
// What a text says it is, after length and checksum were looked at; its content is not. Cheap.
struct summary_head {
    int64_t start_ms, from_id, to_id, trades;
};
int summary_peek(const struct instrument *ins, const char *text, size_t n, struct summary_head *out,
                 struct err *e) MUST_CHECK;
// The summary of an entry kind=day, which must say the same as the entry. As summary_parse().
int summary_of_history(struct summary *s, const struct instrument *ins, const struct history *h,
                       struct err *e) MUST_CHECK;

#endif

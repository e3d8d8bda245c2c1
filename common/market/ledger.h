#ifndef MARKET_LEDGER_H
#define MARKET_LEDGER_H
// The set of trades of the two live days: dedup by id or UUID, choice of the day, day roll,
// coverage. Both context and strategy feed every trade of :trades and :history through one ledger;
// what comes out counted is counted once, whatever the order, source or number of copies.
//
// Binance numbers its trades: intervals of ids (idset.h) are dedup and proof in one. Bybit names
// them: a set of UUIDs (uidset.h) is the dedup, times are the proof (timecover.h).

#include <stdbool.h>
#include <stdint.h>

#include "common/market/coverage.h"
#include "common/market/day.h"
#include "common/market/idset.h"
#include "common/market/named.h"
#include "common/market/run.h"
#include "common/market/trade.h"

enum ledger_result {
    LEDGER_COUNTED,      // new, in the current day
    LEDGER_COUNTED_PREV, // new, in the previous day
    LEDGER_DUPLICATE,    // id held already, or so old that this can not be told any more
    LEDGER_COPY,         // Bybit: held already, but this copy tells a seq: when it is larger than
                         // what was known, the order of trades has changed
    LEDGER_TOO_OLD,      // before the previous day: not counted, but its id is held, so that
                         // coverage does not depend on whether it came before or after the roll
    LEDGER_OVERFLOW,     // a sum would not fit: refused (the id is not held)
    LEDGER_FULL,         // no room for one more UUID in this day: refused, its time is missing
};

// What ledger_take_day() made of a day.
enum ledger_day {
    LEDGER_DAY_TAKEN,   // it took the place of what was held of it
    LEDGER_DAY_KNOWN,   // the same summary was taken before
    LEDGER_DAY_TOO_OLD, // before the previous day; its ids are held all the same
};

struct ledger {
    struct instrument ins;
    struct day cur, prev; // prev may be an empty slot
    struct idset held;
    struct named *named; // Bybit, instead of `held`; NULL for a venue that numbers its trades
    int64_t newest_ms;   // newest accepted trade, -1 none
    uint64_t counted, duplicates, too_old, overflows, refused;
    uint64_t taken; // days that a summary replaced
    bool rolled;    // a day roll happened since the caller last cleared it
};

#define LEDGER_MAX_SPANS 20000
#define LEDGER_MAX_NAMES 8000000

void ledger_init(struct ledger *l, const struct instrument *ins);
// At most so many UUIDs per day instead of LEDGER_MAX_NAMES. Before the first trade.
void ledger_limit_names(struct ledger *l, size_t max);
void ledger_release(struct ledger *l);
// Back to nothing (same instrument).
void ledger_clear(struct ledger *l);
// Constant time but for trades that arrive out of id order among many holes. A trade of a newer
// day rolls: its day becomes current, the calendar day before it previous (an empty slot when
// nothing of it was counted), whatever else was held is dropped.
enum ledger_result ledger_add(struct ledger *l, const struct trade *t);
// The same for a trade of :history: where trades are not numbered it proves nothing about its time.
enum ledger_result ledger_add_late(struct ledger *l, const struct trade *t);
// A run at once. True: every trade of it is LEDGER_COUNTED. False: nothing was done (it is not of
// the current day, an id is held already, ...): its trades have to be given one by one.
bool ledger_add_run(struct ledger *l, const struct run *r);
// The sums of a whole day from its summary (summary.h) take the place of everything counted of it;
// from then on each trade of that day is a duplicate, whatever its name. What comes before and what
// comes after makes no difference. A newer day rolls as its trades would. from_id..to_id: all its
// ids, -1 for a venue that names its trades; name[0..names-1] are then those of its first and its
// last second, so that a copy told on the other side of midnight is known. *d is empty afterwards
// when it was taken.
enum ledger_day ledger_take_day(struct ledger *l, struct day *d, int64_t from_id, int64_t to_id,
                                const struct trade_uid *name, size_t names);
// End of the newest live day that came from a summary; 0: none did.
int64_t ledger_sealed_end(const struct ledger *l);
// UUIDs held for the two live days.
size_t ledger_names(const struct ledger *l);
// Grows with each change of the days: by a counted trade, or by a copy.
uint64_t ledger_changes(const struct ledger *l);
// Another value when what is proven may have changed other than by the next trade in order.
uint64_t ledger_proof_version(const struct ledger *l);
// What of a restart is not in the day hashes, as text, and back.
void ledger_proof_text(const struct ledger *l, struct buf *out);
int ledger_take_proof(struct ledger *l, struct slice text) MUST_CHECK;
// Names that a sealed day (cur or prev) still knows, "uuid,uuid", and back.
void ledger_edge_names(const struct ledger *l, const struct day *d, struct buf *out);
int ledger_take_edge_names(struct ledger *l, const struct day *d, struct slice text) MUST_CHECK;
// After cur, prev and the proof were restored from their stored form: derives the rest (newest_ms).
void ledger_restored(struct ledger *l);
// Bybit, after ledger_restored(): every trade that was counted has to be given once more, from
// ledger_recall_from() on (INT64_MAX: none). LEDGER_COUNTED(_PREV): its name is known now;
// LEDGER_COPY, LEDGER_DUPLICATE: a copy; LEDGER_TOO_OLD: of no live day.
int64_t ledger_recall_from(const struct ledger *l);
enum ledger_result ledger_recall(struct ledger *l, const struct trade *t);
// All were given. `known_from_ms`: the streams hold every trade from there on, older ones may have
// been trimmed (-1: nothing was). ERR_STATE when the trades are not those that were counted. When
// some were trimmed, trades older than known_from_ms are refused as duplicates from now on: whether
// they were counted can not be told.
int ledger_recalled(struct ledger *l, int64_t known_from_ms, struct err *e) MUST_CHECK;
// An entry of :history, after its trades were added one by one. True when coverage may have
// changed.
bool ledger_on_history(struct ledger *l, const struct history *h);
// A range claimed held by :history kind=trades (after its trades were added one by one).
void ledger_hold_range(struct ledger *l, int64_t from_id, int64_t to_id, int64_t from_ms,
                       int64_t to_ms);
// End of the judged range of a live day: newest trade for cur; day end for prev.
int64_t ledger_judged_end(const struct ledger *l, const struct day *d);
// Coverage of a live day (cur or prev); of an empty slot: day_ms -1, nothing judged.
void ledger_coverage(const struct ledger *l, const struct day *d, struct coverage *out);

#endif

#ifndef MARKET_LEDGER_H
#define MARKET_LEDGER_H
// The set of trades of the two live days: dedup by id, choice of the day, day roll, coverage.
// Both context and strategy feed every trade of :trades and :history through one ledger; what
// comes out counted is counted once, whatever the order, source or number of copies.

#include <stdbool.h>
#include <stdint.h>

#include "common/market/coverage.h"
#include "common/market/day.h"
#include "common/market/idset.h"
#include "common/market/run.h"
#include "common/market/trade.h"

enum ledger_result {
    LEDGER_COUNTED,      // new, in the current day
    LEDGER_COUNTED_PREV, // new, in the previous day
    LEDGER_DUPLICATE,    // id held already
    LEDGER_TOO_OLD,      // before the previous day: not counted, but its id is held, so that
                         // coverage does not depend on whether it came before or after the roll
    LEDGER_OVERFLOW,     // a sum would not fit: refused (the id is not held)
};

struct ledger {
    struct instrument ins;
    struct day cur, prev; // prev may be an empty slot
    struct idset held;
    int64_t newest_ms; // newest accepted trade, -1 none
    uint64_t counted, duplicates, too_old, overflows;
    bool rolled; // a day roll happened since the caller last cleared it
};

#define LEDGER_MAX_SPANS 20000

void ledger_init(struct ledger *l, const struct instrument *ins);
void ledger_release(struct ledger *l);
// Back to nothing (same instrument).
void ledger_clear(struct ledger *l);
// Constant time but for trades that arrive out of id order among many holes. A trade of a newer
// day rolls: its day becomes current, the calendar day before it previous (an empty slot when
// nothing of it was counted), whatever else was held is dropped.
enum ledger_result ledger_add(struct ledger *l, const struct trade *t);
// A run at once. True: every trade of it is LEDGER_COUNTED. False: nothing was done (it is not of
// the current day, an id is held already, ...): its trades have to be given one by one.
bool ledger_add_run(struct ledger *l, const struct run *r);
// After cur, prev and held were restored from their stored form: derives the rest (newest_ms).
void ledger_restored(struct ledger *l);
// A range claimed held by :history kind=trades (after its trades were added one by one).
void ledger_hold_range(struct ledger *l, int64_t from_id, int64_t to_id, int64_t from_ms,
                       int64_t to_ms);
// End of the judged range of a live day: newest trade for cur; day end for prev.
int64_t ledger_judged_end(const struct ledger *l, const struct day *d);

#endif

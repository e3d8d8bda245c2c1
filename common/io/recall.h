#ifndef IO_RECALL_H
#define IO_RECALL_H
// After a restart the names of the trades that a ledger counted (Bybit: UUIDs) are not in the
// stored state: they are read back from both streams, up to the positions the state was computed
// from, before new entries are taken.

#include <stdint.h>

#include "common/io/follow.h"
#include "common/market/ledger.h"

struct recall {
    struct follow *follow;
    struct ledger *ledger;
    void (*on_trade)(void *arg, const struct trade *t, enum ledger_result r);
    void (*done)(void *arg, const struct err *why);
    void *arg;
};

// While LOADING, when the days and the proof are restored. on_trade (may be NULL) gets each trade
// with what ledger_recall() said; then done(NULL), or done(why) when the streams do not hold what
// was counted. When the link dies, done is not called. A ledger without names: done at once.
void recall_start(struct recall *r, struct follow *f, struct ledger *l,
                  void (*on_trade)(void *arg, const struct trade *t, enum ledger_result r),
                  void (*done)(void *arg, const struct err *why), void *arg);

#endif

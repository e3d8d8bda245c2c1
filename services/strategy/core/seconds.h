#ifndef STRATEGY_SECONDS_H
#define STRATEGY_SECONDS_H
// Aggressor volume of each second of the last two hours, apart by millisecond, so that the volume
// of any window (after, to] in them is exact to the millisecond. Sums over counted trades: a
// function of their set, whatever order they come in.
//
//   slot[second % SECONDS_KEPT]   seconds newest - SECONDS_KEPT + 1 .. newest, each at its place
//   at[n]                         ascending by ms; at most 1000

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/buf.h"
#include "common/market/instrument.h"
#include "common/market/trade.h"

// Two of the longest windows, so that a series of them can be told, too; and a minute's grace for
// a reader whose clock is behind.
#define SECONDS_KEPT 7260

struct flow_sum {
    int64_t buy, sell; // lots
    int64_t trades;
};

struct msum {
    uint16_t ms; // within its second
    struct flow_sum sum;
};
struct second {
    int64_t second; // of the epoch; -1 = none
    struct flow_sum sum;
    struct msum *at;
    uint16_t n, cap;
    bool unsaved; // since it was told by seconds_unsaved()
    bool stored;  // it was told
};
struct seconds {
    struct second *slot; // [SECONDS_KEPT]
    int64_t newest;      // -1 = no trade yet
    int64_t known_ms;    // every counted trade from here on is held, as far back as the ring goes
    int64_t *gone;       // stored seconds that fell out since seconds_gone_clear()
    size_t n_gone, cap_gone;
};

void seconds_init(struct seconds *s);
void seconds_release(struct seconds *s);
// A trade that was counted, once.
void seconds_add(struct seconds *s, const struct trade *t);
// Trades before ms were counted that are not held here.
void seconds_unknown_before(struct seconds *s, int64_t ms);
// First millisecond from which on every counted trade is held. With no trade yet: known_ms.
int64_t seconds_from_ms(const struct seconds *s);
// Trades with after_ms < ts <= to_ms. False: some of them are not held (any more), or a sum does
// not fit.
bool seconds_sum(const struct seconds *s, int64_t after_ms, int64_t to_ms, struct flow_sum *out);
// Of all that is held; to check what was restored.
int64_t seconds_trades(const struct seconds *s);

// Stored form: field = the second, value = "buy sell trades;ms,buy,sell,trades;...", decimals.
void second_to_text(const struct second *v, const struct instrument *ins, struct buf *out);
// Calls cb for each second that changed since it was told (all: for every one).
void seconds_unsaved(struct seconds *s, bool all, void (*cb)(void *arg, const struct second *v),
                     void *arg);
void seconds_gone_clear(struct seconds *s);
// ERR_* when it is no stored second, or contradicts itself.
int seconds_restore(struct seconds *s, const struct instrument *ins, struct slice field,
                    struct slice value) MUST_CHECK;

#endif

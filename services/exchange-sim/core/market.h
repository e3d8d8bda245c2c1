#ifndef SIM_CORE_MARKET_H
#define SIM_CORE_MARKET_H
// A market: lanes (one per symbol) of trades in the order of the feed, and a position in it.
//
//      released: the past, what REST answers from      |  not yet released
//   [ t0 t1 t2 t3 ...                                  ^ position            ... ]
//
// The feed moves the position one trade at a time (market_peek, market_advance); when that is due
// is decided outside (pace.h). Two kinds of market share this interface: a recording (tape.h) and
// a generated one (gen.h).

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "services/exchange-sim/core/trade.h"

#define MARKET_MAX_LANES 256

struct lane {
    char symbol[SIM_SYMBOL_TEXT]; // "BTCUSDT"
    char stream[48];              // "btcusdt@aggTrade"
    char tick[24], step[24];      // as exchangeInfo spells them
    // What was released so far.
    int64_t released;
    int64_t first_id, last_id, last_t_ms; // -1 while nothing was released
};

struct market;
struct market_ops {
    bool (*peek)(struct market *m, struct sim_trade *out);
    void (*advance)(struct market *m);
    // The first released trade of the lane with id >= *id (by = BY_ID) or t_ms >= *t, then on in
    // id order: returns false when there is no further released trade.
    bool (*seek_id)(struct market *m, int lane, int64_t id);
    bool (*seek_time)(struct market *m, int lane, int64_t t_ms);
    // So that at most `n` released trades with t_ms <= end_ms follow (fewer when there are fewer).
    bool (*seek_newest)(struct market *m, int lane, int64_t end_ms, int64_t n);
    bool (*read)(struct market *m, int lane, struct sim_trade *out); // and step on
    void (*free)(struct market *m);
};
struct market { // embedded first in both kinds
    const struct market_ops *ops;
    int lanes;
    struct lane lane[MARKET_MAX_LANES];
};

// The next trade of the feed; false when there is none (the recording has ended).
static inline bool market_peek(struct market *m, struct sim_trade *out)
{
    return m->ops->peek(m, out);
}
// Releases the trade that market_peek() shows.
static inline void market_advance(struct market *m)
{
    m->ops->advance(m);
}
static inline void market_free(struct market *m)
{
    if (m != NULL) {
        m->ops->free(m);
    }
}

// Adds a lane; its index, or -1 when there are MARKET_MAX_LANES. Known symbols return theirs.
int market_add_lane(struct market *m, const char *symbol);
// -1 when the market has no such symbol (case as given) or stream (exact).
int market_lane_of(const struct market *m, const char *symbol);
int market_lane_of_stream(const struct market *m, const char *stream);
// Bookkeeping of a release; called by the kinds.
void market_note_release(struct market *m, const struct sim_trade *t);

#endif

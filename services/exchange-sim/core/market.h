#ifndef SIM_CORE_MARKET_H
#define SIM_CORE_MARKET_H
// A market: a timeline of events (event.h) of several symbols (lanes), and a position in it.
//
//      released: the past, what REST answers from      |  not yet released
//   [ e0 e1 e2 e3 ...                                  ^ position            ... ]
//
// The feed moves the position one event at a time (market_peek, market_advance); when that is due
// is decided outside (pace.h). Two kinds of market share this interface: a recording (tape.h) and
// a generated one (gen.h). How a venue writes an event is the wire's part (wire.h).

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "services/exchange-sim/core/book.h"
#include "services/exchange-sim/core/event.h"
#include "services/exchange-sim/core/trade.h"

#define MARKET_MAX_LANES 256

// Numbers are integers with the lane's price decimals, or the scale told.
struct sim_mark {
    int64_t e_ms;
    int64_t mark_e8, index_e8, settle_e8, funding_e8; // * 10^8
    int64_t next_funding_ms;
    int64_t funding_hours;
    int64_t last_price;    // the newest trade's
    int64_t open_interest; // quantity decimals
    // Of the last 24 hours.
    int64_t open_24h, high_24h, low_24h, volume_24h;
};

struct sim_liquidation {
    int64_t id;   // rises within a lane
    int64_t t_ms; // trade time
    int64_t e_ms; // when it is pushed
    bool sell;    // the forced order sells: a long was liquidated
    int64_t order_price, average_price, bankruptcy_price;
    int64_t qty;
    bool shown; // Binance shows the latest of a second alone
};

struct lane {
    char symbol[SIM_SYMBOL_TEXT];     // "BTCUSDT"
    char lower[SIM_SYMBOL_TEXT];      // "btcusdt"
    enum sim_venue venue;             // of recorded frames; VENUE_ANY: generated, or trades alone
    char tick[24], step[24];          // as exchangeInfo spells them
    int price_decimals, qty_decimals; // as the venue writes them
    // Recorded frames: which formats of a kind there are, and which of them came first.
    uint32_t formats[SIM_KINDS];
    uint8_t main_format[SIM_KINDS];
    // Trades that were released so far.
    int64_t released;
    int64_t first_id, last_id, last_t_ms; // -1 while nothing was released
};

struct market;
struct market_ops {
    // The next event; it stays valid until advance().
    const struct sim_event *(*peek)(struct market *m);
    void (*advance)(struct market *m);
    // The first released trade of the lane with id >= *id (by = BY_ID) or t_ms >= *t, then on in
    // id order: returns false when there is no further released trade.
    bool (*seek_id)(struct market *m, int lane, int64_t id);
    bool (*seek_time)(struct market *m, int lane, int64_t t_ms);
    // So that at most `n` released trades with t_ms <= end_ms follow (fewer when there are fewer).
    bool (*seek_newest)(struct market *m, int lane, int64_t end_ms, int64_t n);
    bool (*read)(struct market *m, int lane, struct sim_trade *out); // and step on
    // The book as far as it is released, at most `limit` levels a side, or as it was age_ms > 0
    // earlier. False: no book known. *raw is the REST body when that was recorded, else empty.
    bool (*book)(struct market *m, int lane, size_t limit, int64_t age_ms, struct sim_book *out,
                 struct slice *raw);
    // NULL for a recording: every level that was touched in (t0, t1], with what it holds at t1.
    void (*diff)(struct market *m, int lane, int64_t t0_ms, int64_t t1_ms, struct sim_diff *out);
    // NULL for a recording: mark price and funding at t_ms, -1 = now.
    bool (*mark)(struct market *m, int lane, int64_t t_ms, struct sim_mark *out);
    // NULL for a recording: the next forced order with id > after that was released.
    bool (*liquidation)(struct market *m, int lane, int64_t after, struct sim_liquidation *out);
    // NULL for a recording: how much of the book's moves is shown (book_step_ms), from now on.
    void (*thin)(struct market *m, int64_t book_step_ms);
    void (*free)(struct market *m);
};
struct market { // embedded first in both kinds
    const struct market_ops *ops;
    uint64_t seed; // of a generated market
    // Generated: moves of the book are at least this far apart in market time (a feed that catches
    // up with a day does not show every one of them); 0 = every one.
    int64_t book_step_ms;
    bool has_trades; // false: a recording of other kinds alone
    int lanes;
    struct lane lane[MARKET_MAX_LANES];
};

// The next event; NULL when there is none (the recording has ended).
static inline const struct sim_event *market_peek(struct market *m)
{
    return m->ops->peek(m);
}
// Releases the event that market_peek() shows.
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
// The lane of a recording of one venue; BTCUSDT of two venues are two lanes.
int market_add_venue_lane(struct market *m, const char *symbol, enum sim_venue venue);
// -1 when the market has no such symbol (case as given).
int market_lane_of(const struct market *m, const char *symbol);
// The lane that a venue's clients see under this name: its own, or one of any venue.
int market_lane_at(const struct market *m, const char *symbol, size_t n, enum sim_venue venue);
// The same for a name in small letters.
int market_lane_of_lower(const struct market *m, const char *lower, size_t n, enum sim_venue venue);
// Bookkeeping of a release; called by the kinds.
void market_note_release(struct market *m, const struct sim_trade *t);

#endif

#ifndef SIM_CORE_WIRE_BYBIT_H
#define SIM_CORE_WIRE_BYBIT_H
// Bybit v5 linear's topics and frames (wire.h): wire_bybit is the table.
//
//   publicTrade.S                    one taker side a frame, at most 1,024 trades
//   orderbook.{1,50,200,500,1000}.S  a snapshot on subscribing, then deltas whose u rises by one;
//                                    level 1: snapshots alone (500: recordings, it is retired)
//   tickers.S                        a snapshot on subscribing, then what changed
//   allLiquidation.S                 position side, bankruptcy price
//
// Trades of a generated market get a UUID that is a function of seed, symbol and id, a seq that
// rises with time and is not contiguous, and now and then a block or RPI mark.

#include "services/exchange-sim/core/bybit_tape.h"
#include "services/exchange-sim/core/wire.h"

#define BYBIT_UUID_TEXT 37

enum {
    BY_ONLY = WIRE_BYBIT_FORMATS, // a kind with one format
    BY_BOOK_1 = WIRE_BYBIT_FORMATS,
    BY_BOOK_50,
    BY_BOOK_200,
    BY_BOOK_500,
    BY_BOOK_1000,
    BY_BOOK_END
};

extern const struct wire wire_bybit;

struct bybit_trade {
    char uuid[BYBIT_UUID_TEXT];
    int64_t seq; // -1: the recording has none
    bool block, rpi;
};
// What Bybit tells of a trade beside the common fields.
void bybit_trade_of(const struct market *m, const struct sim_trade *t, struct bybit_trade *out);

// Levels of a format, 0 for none; the format of a number of levels, 0 for none.
size_t bybit_book_levels(int format);
int bybit_book_format(int64_t levels);

// Appends a broken publicTrade frame; "mix": the nth of all but oversize. False: unknown kind.
bool bybit_malformed(struct buf *out, const char *kind, int64_t nth, const char *symbol,
                     int64_t t_ms);
extern const char *const bybit_malformed_kinds[]; // NULL-terminated
// What recorded frames of the symbol have told; NULL: none came, the trades are the market's.
const struct bybit_tape *bybit_recorded(const void *state, int lane);
// Appends what a new subscriber is sent first; nothing when the topic has no such frame or nothing
// is known yet. t_ms: the venue's market time.
void bybit_first_frame(void *state, struct market *m, struct wire_key key, int64_t t_ms,
                       struct buf *out);
// Forgets what subscribers of the book know: the frame is a new snapshot, with u = 1 when
// `restart`.
void bybit_new_snapshot(void *state, struct market *m, struct wire_key key, int64_t t_ms,
                        bool restart, struct buf *out);
// The fields of tickers.S and of GET /v5/market/tickers, without braces; changed since `before`
// (NULL: all). False when nothing is known.
#define BYBIT_TICKER_FIELDS 14
#define BYBIT_TICKER_TEXT 32
struct bybit_ticker {
    char value[BYBIT_TICKER_FIELDS][BYBIT_TICKER_TEXT]; // "" = unknown
};
extern const char *const bybit_ticker_names[BYBIT_TICKER_FIELDS];
bool bybit_ticker_at(struct market *m, int lane, int64_t t_ms, struct bybit_ticker *out);

#endif

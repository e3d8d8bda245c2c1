#ifndef SIM_CORE_LINE_H
#define SIM_CORE_LINE_H
// One line of a recording -> trades. Every line says by itself what it is, so a file may mix forms:
//
//   1723161255030314667 {"stream":"btcusdt@trade","data":{"e":"trade",...}}   .raw
//   1626992742.28: {"stream":"ctkusdt@aggTrade","data":{...}}                 .cryptofeed
//   {"e":"aggTrade",...}   or   {"stream":..,"data":{..}}                     .jsonl
//   [{"T":1602819697783,"a":19427407,...},...]                               a REST page
//   3454067270,76988.7,0.037,8089233297,8089233297,1789655280294,false       archive, USD-M
//   3800397495,87648.21,0.08,5723703861,5723703861,1767225600039409,True,True  archive, spot
//   1737897220002, BTCUSDT, 2541757614, 104943.5, 0.15, 1737897219873, False  stream CSV
//   0,1675329600138,1206419187,,buy,1666.8,26.062,43440.1416,2023-..          ccxt CSV
//
//   https://.../fapi/v1/depth?symbol=X&limit=1000 -> 1626992741.30: {"lastUpdateId":..} cryptofeed
//   1795388380953450000 {"rec":"rest","url":"https://..","body":{..}}   own recordings; their marks
//                                                                      (common/feed/record.h)
// and frames of other kinds (depth, bookTicker, REST snapshots, Bybit topics, ...) in the first
// three forms. Numbers stay text. Header lines, URLs and acknowledgements are told apart from bad
// lines. Prices and quantities must be plain positive decimals.

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/str.h"
#include "services/exchange-sim/core/event.h"

enum line_kind {
    LINE_OTHER,  // empty, header, URL or a frame that is not a trade: nothing to serve
    LINE_BAD,    // meant to be something, but broken
    LINE_TRADES, // at least one trade was reported
    LINE_EVENT   // a frame of another kind was reported
};

struct line_trade {
    struct slice symbol; // empty when the form has none (the file name tells)
    struct slice price, qty, nq;
    int64_t t_ms, e_ms;  // e_ms -1 when the form has no event time
    int64_t id;          // aggregate id, or the trade id when `single`
    int64_t first, last; // -1 when unknown
    bool single;         // a row of @trade: one fill, to be numbered by the tape
    bool counted;        // single: X is MARKET, RPI or absent
    bool buyer_is_maker;
    bool st;
    struct slice raw; // single: the frame without envelope
};

// A frame that is no trade of Binance (Bybit's publicTrade is one of these too).
struct line_event {
    enum sim_kind kind;
    enum sim_venue venue;
    uint8_t format;                     // of the wire, EVENT_NO_FORMAT: the line does not tell
    struct slice symbol;                // empty: the file name tells
    struct slice raw;                   // without envelope
    int64_t t_ms;                       // event time, -1 unknown
    int64_t first_id, last_id, prev_id; // Binance depth: U, u, pu; a snapshot: last_id
    struct slice bids, asks;            // the arrays as text, of depth and snapshots
};

// Calls on_trade for each trade of the line (a REST page has many); slices are borrowed from `p`.
typedef void (*line_trade_fn)(void *arg, const struct line_trade *t);
typedef void (*line_event_fn)(void *arg, const struct line_event *e);
// What the venue said of a symbol's numbers.
struct line_units {
    enum sim_venue venue;
    struct slice symbol, tick, step;
};
typedef void (*line_units_fn)(void *arg, const struct line_units *u);
struct line_sink {
    line_trade_fn on_trade;
    line_event_fn on_event; // NULL: other kinds are passed over (LINE_OTHER)
    line_units_fn on_units; // NULL: passed over
    void *arg;
};
// *why (static text) says what is wrong with a LINE_BAD.
enum line_kind line_read(const char *p, size_t n, const struct line_sink *sink, const char **why);
// The same for trades alone.
enum line_kind line_parse(const char *p, size_t n, line_trade_fn on_trade, void *arg,
                          const char **why);

// The symbol that a file name carries: the first part in capitals of at least five characters,
// "binance_usdm_BTCUSDT-aggTrades-2026.csv" -> "BTCUSDT". False when there is none.
bool line_symbol_of_name(const char *path, char out[32]);

#endif

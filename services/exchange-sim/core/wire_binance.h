#ifndef SIM_CORE_WIRE_BINANCE_H
#define SIM_CORE_WIRE_BINANCE_H
// Binance USD-M's streams and frames (wire.h): wire_binance is the table.
//
//   /market   <s>@aggTrade  <s>@markPrice[@1s|@3s]  !markPrice@arr[@1s]  <s>@ticker  !ticker@arr
//   <s>@miniTicker  !miniTicker@arr
//             <s>@forceOrder  !forceOrder@arr  <s>@kline_<i>
//   /public   <s>@depth[@0ms|@100ms|@250ms|@500ms]  <s>@depth<5|10|20>[@100ms|@250ms|@500ms]
//             <s>@bookTicker  !bookTicker  <s>@trade
// Streams on the wrong route, on the retired root, or unknown are acknowledged and silent.

#include "services/exchange-sim/core/wire.h"

enum { BN_TRADE_AGG, BN_TRADE_SINGLE };
enum { BN_DEPTH_0, BN_DEPTH_100, BN_DEPTH_250, BN_DEPTH_500, BN_DEPTH_DIFFS, BN_DEPTH_ALL = 13 };
enum { BN_TICKER_ONE, BN_TICKER_ALL };
enum {
    BN_MARK_1S,
    BN_MARK_3S,
    BN_MARK_ALL_1S,
    BN_MARK_ALL_3S,
    BN_DAY_ONE,
    BN_DAY_ALL,
    BN_MINI_ONE,
    BN_MINI_ALL
};
enum { BN_FORCE_ONE, BN_FORCE_ALL };
#define BN_KLINES 15 // formats of SIM_KLINE: the place in the list of intervals

// What a stream name means, whatever the market holds. False: unknown.
struct bn_stream {
    enum route route;
    enum sim_kind kind;
    uint8_t format;
    bool all;            // of all symbols
    struct slice symbol; // in small letters, points into name
};
bool bn_stream_parse(const char *name, size_t n, struct bn_stream *out);
// The format of "1m"; BN_KLINES: unknown.
uint8_t bn_kline_format(struct slice interval);

// Frames of a generated market, also what REST answers from.
void bn_diff_frame(struct buf *out, const struct sim_diff *d, const struct lane *l);
// "..." of a number * 10^8, with `decimals` of 0..8.
void bn_add_e8(struct buf *out, const char *key, int64_t v, int decimals);
// The body of <s>@ticker and GET /fapi/v1/ticker/24hr differ in names: rest == true for the latter.
void bn_add_day(struct buf *out, const struct sim_mark *k, const struct lane *l, bool rest);

#endif

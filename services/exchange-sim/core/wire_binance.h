#ifndef SIM_CORE_WIRE_BINANCE_H
#define SIM_CORE_WIRE_BINANCE_H
// Binance USD-M's streams and frames (wire.h): wire_binance is the table.
//
//   /market   <s>@aggTrade, <s>@markPrice[@1s], <s>@forceOrder, !forceOrder@arr, <s>@kline_<i>
//   /public   <s>@depth[@0ms|@100ms|@250ms|@500ms], <s>@depth<5|10|20>[@..], <s>@bookTicker,
//             <s>@trade
// Streams on the wrong route, on the retired root, or unknown are acknowledged and silent.

#include "services/exchange-sim/core/wire.h"

enum { BN_TRADE_AGG, BN_TRADE_SINGLE };
enum { BN_DEPTH_0, BN_DEPTH_100, BN_DEPTH_250, BN_DEPTH_500, BN_DEPTH_DIFFS, BN_PARTIAL = 4 };

#endif

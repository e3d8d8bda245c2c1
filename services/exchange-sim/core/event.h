#ifndef SIM_CORE_EVENT_H
#define SIM_CORE_EVENT_H
// What happens on the market, without a venue's way of writing it (that is the wire's part).
//
// An event belongs to one symbol (its lane) and is of one kind. It comes from a recording, then
// `raw` is the frame as it was recorded and the wire sends these bytes, or it was generated, then
// `raw` is empty and the wire writes it from the fields, or from what the market answers at t_ms.

#include <stdbool.h>
#include <stdint.h>

#include "common/base/str.h"
#include "services/exchange-sim/core/trade.h"

enum sim_kind {
    SIM_TRADE,       // aggregated trades, single fills
    SIM_DEPTH,       // the book has moved: diffs, snapshots in a stream, partial books
    SIM_TICKER,      // best bid and ask
    SIM_MARK,        // mark and index price, funding; Bybit's tickers
    SIM_LIQUIDATION, //
    SIM_KLINE,       //
    SIM_SNAPSHOT,    // a REST book of a recording; no stream carries it
    SIM_KINDS
};

// Whose wire format a recorded frame has; a generated market suits every wire.
enum sim_venue { VENUE_ANY, VENUE_BINANCE, VENUE_BYBIT };

#define EVENT_NO_FORMAT 0xff

struct sim_event {
    enum sim_kind kind;
    enum sim_venue venue; // of raw
    int lane;
    uint8_t format;         // raw: the wire's format of this kind, EVENT_NO_FORMAT: not told
    int64_t t_ms;           // market time at which it happens
    struct slice raw;       // the recorded frame without envelope, "" = generated
    bool has_trade;         // `trade` is set (SIM_TRADE; a recorded fill that the venue does not
                            // aggregate has a raw frame only)
    struct sim_trade trade; //
    // Binance depthUpdate of a recording, and SIM_SNAPSHOT (last_id alone).
    int64_t first_id, last_id, prev_id;
};

#endif

#ifndef COLLECTOR_CONNECTOR_H
#define COLLECTOR_CONNECTOR_H
// What is particular to one venue's feed, in one table of pure functions: which links it needs
// (connect), what is sent on them (subscribe, heartbeat), what comes back (on frame), and what its
// REST looks like. io/link.c runs the links, io/venue.c the requests; a new venue is one file that
// fills this table, and one line in connector.c.
//
//   instruments -> links() -> a plan per link -> subscribe() -> frames -> decode() -> events

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/buf.h"
#include "common/base/err.h"
#include "common/feed/frame.h"
#include "common/market/instrument.h"

// The streams of an instrument. Each has its own silence watch.
enum stream_kind { STREAM_TRADES, STREAM_BOOK, STREAM_LIQUIDATIONS, STREAM_MARK, STREAM_KINDS };
#define STREAM_BIT(kind) (1u << (kind))
const char *stream_kind_name(enum stream_kind kind); // "trades", "book", "liquidations", "mark"

#define LINK_INSTRUMENTS 64
#define LINK_URL_MAX 2000 // libwebsockets 4.1.6 takes no longer path

struct feed_wants {
    const char *ws_base;  // scheme and host, no route
    unsigned streams;     // STREAM_BIT()s wanted
    bool single_fills;    // Binance: @trade instead of @aggTrade
    int64_t depth_ms;     // Binance: 100, 250, 500, 0 = as fast as it comes
    int64_t depth_levels; // Bybit: 50, 200, 1000
    size_t max_streams;   // of one link
};

// One link (socket, or local line feed) and what travels on it.
struct link_plan {
    char url[LINK_URL_MAX + 1];
    const char *route; // for logs: "market", "public", "linear", "local"
    struct {
        uint16_t instrument; // index into the list given to links()
        uint16_t streams;    // STREAM_BIT()s
    } on[LINK_INSTRUMENTS];
    size_t n;
};

enum connector_transport { TRANSPORT_WEBSOCKET, TRANSPORT_LINES };

struct connector {
    const char *name; // "binance", "bybit", "hft_connector"
    enum venue venue; // whose instruments, ids and REST these are
    enum connector_transport transport;

    // Plans for n instruments into plan[max]; the number of links, or ERR_LIMIT / ERR_RANGE.
    int (*links)(const struct feed_wants *w, const struct instrument *ins, size_t n,
                 struct link_plan *plan, size_t max, struct err *e);
    // The k-th message after the link is open; false when there is none (any more). NULL: all is
    // said by the URL.
    bool (*subscribe)(const struct link_plan *p, const struct feed_wants *w,
                      const struct instrument *ins, size_t k, struct buf *out);
    // One message every heartbeat_ms. NULL: the transport's own pings do.
    void (*heartbeat)(uint64_t k, struct buf *out);
    int64_t heartbeat_ms;
    // One message: sink is called once per event, in order (also for a malformed one, so that it
    // is counted). The frame lives for the call.
    void (*decode)(const char *p, size_t n, struct frame_space *space, frame_sink sink, void *arg);
};

extern const struct connector connector_binance, connector_bybit, connector_hft;

// The connector of a value of DATA_SOURCE; NULL when this build has none.
const struct connector *connector_of(const char *data_source);

#endif

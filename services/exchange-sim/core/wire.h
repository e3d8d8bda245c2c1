#ifndef SIM_CORE_WIRE_H
#define SIM_CORE_WIRE_H
// How a venue writes what happens on the market: which streams there are, and their frames.
// A wire is a table of pure functions; io hands it events and sends the frames it makes.

#include <stdbool.h>
#include <stdint.h>

#include "common/base/buf.h"
#include "services/exchange-sim/core/event.h"
#include "services/exchange-sim/core/market.h"

#define STREAM_TEXT 64 // a longer stream name is accepted nowhere

enum route {
    ROUTE_NONE,
    ROUTE_MARKET,
    ROUTE_PUBLIC,
    ROUTE_RETIRED,
    ROUTE_BYBIT,
    ROUTE_LAST = ROUTE_BYBIT
};

#define WIRE_SILENT (-1)
#define WIRE_ALL_LANES MARKET_MAX_LANES // a stream of all symbols, as !forceOrder@arr
// Formats of one kind, over all wires: a set of them is 32 bits. Binance has 0..15, Bybit 16..31.
#define WIRE_FORMATS 32
#define WIRE_BYBIT_FORMATS 16

// What a stream carries. Two names may mean the same (btcusdt@depth and btcusdt@depth@250ms).
struct wire_key {
    int lane; // of the market; WIRE_SILENT: acknowledged and never heard of; WIRE_ALL_LANES
    enum sim_kind kind;
    uint8_t format; // of the wire, within the kind
};

static inline bool wire_key_eq(struct wire_key a, struct wire_key b)
{
    return a.lane == b.lane && a.kind == b.kind && a.format == b.format;
}

// Where frames go. `wants` is cheap: a wire asks before it writes anything.
struct wire_out {
    bool (*wants)(void *arg, struct wire_key key);
    void (*frame)(void *arg, struct wire_key key, const char *p, size_t n);
    void *arg;
    struct buf *scratch; // of the wire's making while it writes
};

struct wire {
    enum sim_venue venue;
    // What a stream name means on a route; lane = WIRE_SILENT for one that is never heard of
    // (unknown, or on the wrong route).
    struct wire_key (*resolve)(const struct market *m, enum route route, const char *name);
    // An event that was just released: writes a frame for each format that somebody wants.
    void (*event)(void *state, struct market *m, const struct sim_event *e,
                  const struct wire_out *out);
    void *(*state_new)(void); // what the wire remembers of each stream
    void (*state_free)(void *state);
};

extern const struct wire wire_binance;

#endif

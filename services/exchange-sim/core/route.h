#ifndef SIM_CORE_ROUTE_H
#define SIM_CORE_ROUTE_H
// WebSocket routes of the venue:
//   /market/ws/<s1>/<s2>   /market/stream?streams=<s1>/<s2>     aggTrade, markPrice, kline, ...
//   /public/ws/...         /public/stream?streams=...           depth, bookTicker, trade
//   /ws/...                /stream?streams=...                  the retired root
// A stream subscribed on the wrong route, or on the retired root, is acknowledged and silent.

#include <stdbool.h>
#include <stddef.h>

#include "services/exchange-sim/core/market.h"
#include "services/exchange-sim/core/wire.h"

#define ROUTE_MAX_STREAMS 1024

struct route_path {
    enum route route;
    bool combined;       // messages are wrapped in {"stream":..,"data":..}
    const char *streams; // "a/b" behind /ws/, "" when none; points into path
};

// path without the query ("/market/ws/btcusdt@aggTrade"). ROUTE_NONE = no WebSocket lives there.
struct route_path route_parse(const char *path);

struct sub {
    char name[STREAM_TEXT];
    struct wire_key key;
};

// What a client is subscribed to, in the order of subscription.
struct subs {
    enum route route;
    bool combined;
    const struct wire *wire;
    struct sub *at;
    size_t n, cap;
    uint32_t (*mask)[SIM_KINDS]; // per lane and WIRE_ALL_LANES: the formats that are wanted
};

void subs_init(struct subs *s, const struct wire *wire, enum route route, bool combined);
void subs_release(struct subs *s);
// Adds one stream (already there: nothing happens). False when it is too long or there are 1024.
bool subs_add(struct subs *s, const struct market *m, const char *name, size_t n);
void subs_remove(struct subs *s, const char *name, size_t n);
// Adds all of "a/b/c"; false when any was refused.
bool subs_add_list(struct subs *s, const struct market *m, const char *list);
static inline bool subs_wants(const struct subs *s, struct wire_key key)
{
    return key.lane >= 0 && (s->mask[key.lane][key.kind] >> key.format & 1) != 0;
}
// Any stream that may carry something; `kind` < SIM_KINDS: of that kind.
bool subs_any(const struct subs *s);
bool subs_any_of(const struct subs *s, enum sim_kind kind);

// At most `max` messages in any `window_ms`; the venue disconnects who sends more.
#define RATE_MAX_MESSAGES 32
struct rate_rule {
    int max;
    int64_t window_ms;
    int64_t at[RATE_MAX_MESSAGES]; // ring of the last `max` moments
    int next, n;
};
// False: this message is one too many. max <= RATE_MAX_MESSAGES.
bool rate_rule_ok(struct rate_rule *r, int64_t now_ms);

#endif

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

#define ROUTE_MAX_STREAMS 1024
#define STREAM_TEXT 64 // a longer stream name is accepted nowhere

enum route { ROUTE_NONE, ROUTE_MARKET, ROUTE_PUBLIC, ROUTE_RETIRED };

struct route_path {
    enum route route;
    bool combined;       // messages are wrapped in {"stream":..,"data":..}
    const char *streams; // "a/b" behind /ws/, "" when none; points into path
};

// path without the query ("/market/ws/btcusdt@aggTrade"). ROUTE_NONE = no WebSocket lives there.
struct route_path route_parse(const char *path);

// What a client is subscribed to. Streams keep the order of subscription.
struct subs {
    enum route route;
    bool combined;
    char (*names)[STREAM_TEXT];
    size_t n, cap;
    bool lane[MARKET_MAX_LANES]; // trades of that lane go to this client
};

void subs_init(struct subs *s, enum route route, bool combined);
void subs_release(struct subs *s);
// Adds one stream (already there: nothing happens). False when it is too long or there are 1024.
bool subs_add(struct subs *s, const struct market *m, const char *name, size_t n);
void subs_remove(struct subs *s, const struct market *m, const char *name, size_t n);
// Adds all of "a/b/c"; false when any was refused.
bool subs_add_list(struct subs *s, const struct market *m, const char *list);
bool subs_any_lane(const struct subs *s);

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

#include "services/api/core/channel.h"

#include <string.h>

#define S(sec) (1u << (SEC_##sec))

const struct channel channels[] = {
    {.name = "price", .kind = CHAN_STATE, .path = "/price", .sections = S(CONTEXT), .every_ms = 50},
    {.name = "context",
     .kind = CHAN_STATE,
     .path = "/context",
     .query = "profile_rows=-1",
     .sections = S(CONTEXT) | S(PREV) | S(INSTRUMENT),
     .every_ms = 100,
     .live = true},
    {.name = "levels",
     .kind = CHAN_STATE,
     .path = "/levels",
     .sections = S(CONTEXT) | S(PREV) | S(INSTRUMENT),
     .every_ms = 250},
    {.name = "profile",
     .kind = CHAN_KEYED,
     .path = "/context",
     .query = "profile_rows=240",
     .sections = S(PROFILE),
     .every_ms = 500,
     .rows = "volume_profile"},
    {.name = "metrics",
     .kind = CHAN_STATE,
     .path = "/metrics",
     .sections = S(FEED) | S(METRICS),
     .every_ms = 500},
    {.name = "footprint",
     .kind = CHAN_STATE,
     .path = "/strategy/metrics",
     .sections = S(METRICS),
     .every_ms = 250},
    {.name = "strategy",
     .kind = CHAN_STATE,
     .path = "/strategy/status",
     .sections = S(STRATEGY) | S(CANDLES_1M) | S(CANDLES_5M) | S(METRICS) | S(REGIME),
     .every_ms = 1000,
     .live = true},
    {.name = "candles:1m",
     .kind = CHAN_KEYED,
     .path = "/strategy/candles",
     .query = "timeframe=1m&count=300",
     .sections = S(CANDLES_1M) | S(FOOT_1M),
     .every_ms = 200,
     .rows = "candles"},
    {.name = "candles:5m",
     .kind = CHAN_KEYED,
     .path = "/strategy/candles",
     .query = "timeframe=5m&count=300",
     .sections = S(CANDLES_5M) | S(FOOT_5M),
     .every_ms = 500,
     .rows = "candles"},
    {.name = "regime",
     .kind = CHAN_STATE,
     .path = "/strategy/analysis/diagnostics",
     .sections = S(REGIME),
     .every_ms = 500},
    {.name = "book", .kind = CHAN_STATE, .path = "/book", .sections = S(BOOK), .every_ms = 50},
    {.name = "mark", .kind = CHAN_STATE, .path = "/mark", .sections = S(MARK), .every_ms = 200},
    {.name = "coverage",
     .kind = CHAN_STATE,
     .path = "/coverage",
     .sections = S(COVERAGE) | S(CONTEXT),
     .every_ms = 1000},
    {.name = "health",
     .kind = CHAN_STATE,
     .path = "/health",
     .sections = S(CONTEXT) | S(COVERAGE) | S(FEED) | S(BACKFILL) | S(BOOK),
     .every_ms = 1000,
     .live = true},
    {.name = "backfill",
     .kind = CHAN_STATE,
     .path = "/backfill/status",
     .sections = S(BACKFILL),
     .every_ms = 500,
     .live = true},
    {.name = "feed",
     .kind = CHAN_STATE,
     .path = "/ws/health",
     .sections = S(FEED),
     .every_ms = 1000},
    {.name = "trades", .kind = CHAN_LIST, .rows = "trades", .list = LIST_TRADES, .every_ms = 50},
    {.name = "liquidations",
     .kind = CHAN_LIST,
     .rows = "liquidations",
     .list = LIST_LIQUIDATIONS,
     .every_ms = 50},
    {.name = "events", .kind = CHAN_LIST, .rows = "events", .list = LIST_EVENTS, .every_ms = 50},
};

const size_t channels_n = sizeof channels / sizeof channels[0];
_Static_assert(sizeof channels / sizeof channels[0] <= CHANNELS_MAX, "CHANNELS_MAX");

int channel_find(const char *name, size_t n)
{
    for (size_t i = 0; i < channels_n; i++) {
        if (strlen(channels[i].name) == n && memcmp(channels[i].name, name, n) == 0) {
            return (int)i;
        }
    }
    return -1;
}

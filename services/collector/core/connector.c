#include "services/collector/core/connector.h"

#include <string.h>

// One line per value of DATA_SOURCE.
static const struct {
    const char *source;
    const struct connector *connector;
} known[] = {
    {"binance_ws", &connector_binance},
    {"bybit", &connector_bybit},
    {"bybit_connector", &connector_bybit},
    {"hft_connector", &connector_hft},
};

const struct connector *connector_of(const char *data_source)
{
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        if (strcmp(known[i].source, data_source) == 0) {
            return known[i].connector;
        }
    }
    return NULL;
}

const char *stream_kind_name(enum stream_kind kind)
{
    switch (kind) {
    case STREAM_TRADES:
        return "trades";
    case STREAM_BOOK:
        return "book";
    case STREAM_LIQUIDATIONS:
        return "liquidations";
    case STREAM_MARK:
        return "mark";
    case STREAM_KINDS:
        break;
    }
    return "";
}

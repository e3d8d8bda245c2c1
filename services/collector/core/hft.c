// A local feed behind the connector's table: one link, everything Binance-shaped that comes on it.
// Nothing is asked for; events of contracts that are not followed are counted as foreign.

#include <string.h>

#include "common/base/str.h"
#include "services/collector/core/connector.h"

static int links(const struct feed_wants *w, const struct instrument *ins, size_t n,
                 struct link_plan *plan, size_t max, struct err *e)
{
    (void)ins;
    if (n > LINK_INSTRUMENTS || max < 1) {
        return err_set(e, ERR_LIMIT, "more than %d instruments", LINK_INSTRUMENTS);
    }
    memset(plan, 0, sizeof *plan);
    plan->route = "local";
    if (!str_copy(plan->url, sizeof plan->url, w->ws_base)) {
        return err_set(e, ERR_RANGE, "the path of the feed is too long");
    }
    for (size_t i = 0; i < n; i++) {
        plan->on[i].instrument = (uint16_t)i;
        plan->on[i].streams = (uint16_t)w->streams;
    }
    plan->n = n;
    return 1;
}

const struct connector connector_hft = {.name = "hft_connector",
                                        .venue = VENUE_BINANCE,
                                        .transport = TRANSPORT_LINES,
                                        .links = links,
                                        .decode = frame_decode_each};

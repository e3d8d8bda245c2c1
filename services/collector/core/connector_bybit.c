// Bybit v5 linear behind the connector's table: one socket for many topics, asked for by messages,
// one per instrument, so that a topic the venue refuses takes no other instrument with it.

#include <string.h>

#include "common/base/str.h"
#include "common/feed/bybit.h"
#include "services/collector/core/connector.h"

#define ROUTE "/v5/public/linear"
#define ARGS_MAX 21000 // characters of all topics of one connection
#define HEARTBEAT_MS 20000
// Numbers of heartbeats lie above those of subscriptions, so that a reply tells which it answers.
#define HEARTBEAT_BASE 100000

static void add_topic(struct buf *out, const struct feed_wants *w, const struct instrument *ins,
                      enum stream_kind kind)
{
    switch (kind) {
    case STREAM_TRADES:
        buf_adds(out, "publicTrade.");
        break;
    case STREAM_BOOK:
        buf_adds(out, "orderbook.");
        buf_add_i64(out, w->depth_levels);
        buf_addc(out, '.');
        break;
    case STREAM_LIQUIDATIONS:
        buf_adds(out, "allLiquidation.");
        break;
    case STREAM_MARK:
        buf_adds(out, "tickers.");
        break;
    case STREAM_KINDS:
        return;
    }
    buf_adds(out, ins->symbol);
}

// "topic","topic",.. of one instrument.
static void add_args(struct buf *out, const struct feed_wants *w, const struct instrument *ins,
                     unsigned streams)
{
    bool first = true;
    for (int kind = 0; kind < STREAM_KINDS; kind++) {
        if ((streams & STREAM_BIT(kind)) == 0) {
            continue;
        }
        buf_adds(out, first ? "\"" : ",\"");
        add_topic(out, w, ins, (enum stream_kind)kind);
        buf_addc(out, '"');
        first = false;
    }
}

static size_t args_length(const struct feed_wants *w, const struct instrument *ins)
{
    struct buf b;
    buf_init(&b, 4096);
    add_args(&b, w, ins, w->streams);
    const size_t n = buf_len(&b) + 1; // and the comma behind
    buf_release(&b);
    return n;
}

static int links(const struct feed_wants *w, const struct instrument *ins, size_t n,
                 struct link_plan *plan, size_t max, struct err *e)
{
    size_t streams = 0, used = 0, chars = 0, carried = 0;
    struct link_plan *p = NULL;
    for (int kind = 0; kind < STREAM_KINDS; kind++) {
        streams += (w->streams & STREAM_BIT(kind)) != 0 ? 1 : 0;
    }
    if (n == 0 || streams == 0) {
        return 0;
    }
    for (size_t i = 0; i < n; i++) {
        const size_t more = args_length(w, &ins[i]);
        const bool fits = p != NULL && p->n < LINK_INSTRUMENTS && chars + more <= ARGS_MAX &&
                          carried + streams <= w->max_streams;
        if (!fits) {
            if (used == max) {
                return err_set(e, ERR_LIMIT, "the topics need more than %zu sockets", max);
            }
            p = &plan[used++];
            memset(p, 0, sizeof *p);
            p->route = "linear";
            chars = carried = 0;
            if (!str_fmt(p->url, sizeof p->url, "%s%s", w->ws_base, ROUTE)) {
                return err_set(e, ERR_RANGE, "the address of the venue is too long");
            }
        }
        p->on[p->n].instrument = (uint16_t)i;
        p->on[p->n].streams = (uint16_t)w->streams;
        p->n++;
        chars += more;
        carried += streams;
    }
    return (int)used;
}

static bool subscribe(const struct link_plan *p, const struct feed_wants *w,
                      const struct instrument *ins, size_t k, struct buf *out)
{
    if (k >= p->n) {
        return false;
    }
    buf_adds(out, "{\"req_id\":\"");
    buf_add_u64(out, k);
    buf_adds(out, "\",\"op\":\"subscribe\",\"args\":[");
    add_args(out, w, &ins[p->on[k].instrument], p->on[k].streams);
    buf_adds(out, "]}");
    return true;
}

static void heartbeat(uint64_t k, struct buf *out)
{
    buf_adds(out, "{\"req_id\":\"");
    buf_add_u64(out, HEARTBEAT_BASE + k);
    buf_adds(out, "\",\"op\":\"ping\"}");
}

const struct connector connector_bybit = {
    .name = "bybit",
    .venue = VENUE_BYBIT,
    .transport = TRANSPORT_WEBSOCKET,
    .links = links,
    .subscribe = subscribe,
    .heartbeat = heartbeat,
    .heartbeat_ms = HEARTBEAT_MS,
    .decode = bybit_decode,
};

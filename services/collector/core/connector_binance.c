// Binance USD-M: two routes, streams named in the address, so nothing has to be sent. Trades, mark
// price and forced orders travel on /market, the book (and the undocumented single fills) on
// /public; on the wrong route the venue acknowledges and stays silent.

#include <string.h>

#include "common/base/str.h"
#include "services/collector/core/connector.h"

#define STREAM_NAME_MAX 64

static void stream_name(const struct feed_wants *w, const struct instrument *ins,
                        enum stream_kind kind, char out[STREAM_NAME_MAX])
{
    char symbol[sizeof ins->symbol];
    size_t n = 0;
    for (; ins->symbol[n] != '\0'; n++) {
        const char c = ins->symbol[n];
        symbol[n] = c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
    }
    symbol[n] = '\0';
    switch (kind) {
    case STREAM_TRADES:
        str_fmt(out, STREAM_NAME_MAX, "%s@%s", symbol, w->single_fills ? "trade" : "aggTrade");
        break;
    case STREAM_BOOK:
        if (w->depth_ms == 250) { // the venue's default has no name of its own
            str_fmt(out, STREAM_NAME_MAX, "%s@depth", symbol);
        } else {
            str_fmt(out, STREAM_NAME_MAX, "%s@depth@%lldms", symbol, (long long)w->depth_ms);
        }
        break;
    case STREAM_LIQUIDATIONS:
        str_fmt(out, STREAM_NAME_MAX, "%s@forceOrder", symbol);
        break;
    case STREAM_MARK:
        str_fmt(out, STREAM_NAME_MAX, "%s@markPrice@1s", symbol);
        break;
    case STREAM_KINDS:
        break;
    }
}

static bool is_public(const struct feed_wants *w, enum stream_kind kind)
{
    return kind == STREAM_BOOK || (kind == STREAM_TRADES && w->single_fills);
}

struct planner {
    const struct feed_wants *w;
    struct link_plan *plan;
    size_t max, n;  // plans
    size_t streams; // of the newest plan
    bool open;      // the newest plan still takes streams
    const char *route;
};

static int begin(struct planner *x, struct err *e)
{
    if (x->n == x->max) {
        return err_set(e, ERR_LIMIT, "the streams need more than %zu sockets", x->max);
    }
    struct link_plan *p = &x->plan[x->n++];
    memset(p, 0, sizeof *p);
    p->route = x->route;
    x->streams = 0;
    x->open = true;
    if (!str_fmt(p->url, sizeof p->url, "%s/%s/stream?streams=", x->w->ws_base, x->route)) {
        return err_set(e, ERR_RANGE, "the address of the venue is too long");
    }
    return 0;
}

static int add(struct planner *x, size_t at, const struct instrument *ins, enum stream_kind kind,
               struct err *e)
{
    char name[STREAM_NAME_MAX];
    stream_name(x->w, ins, kind, name);
    for (int tries = 0; tries < 2; tries++) {
        if (!x->open && begin(x, e) != 0) {
            return e->code;
        }
        struct link_plan *p = &x->plan[x->n - 1];
        const size_t have = strlen(p->url);
        const bool known = p->n > 0 && p->on[p->n - 1].instrument == at;
        if (x->streams < x->w->max_streams && (known || p->n < LINK_INSTRUMENTS) &&
            have + 1 + strlen(name) <= LINK_URL_MAX) {
            str_fmt(p->url + have, sizeof p->url - have, "%s%s", x->streams > 0 ? "/" : "", name);
            p->n += known ? 0 : 1;
            p->on[p->n - 1].instrument = (uint16_t)at;
            p->on[p->n - 1].streams |= (uint16_t)STREAM_BIT(kind);
            x->streams++;
            return 0;
        }
        x->open = false;
    }
    return err_set(e, ERR_RANGE, "the stream %s does not fit into an address", name);
}

static int links(const struct feed_wants *w, const struct instrument *ins, size_t n,
                 struct link_plan *plan, size_t max, struct err *e)
{
    struct planner x = {.w = w, .plan = plan, .max = max};
    for (int on_public = 0; on_public <= 1; on_public++) {
        x.route = on_public ? "public" : "market";
        x.open = false;
        for (size_t i = 0; i < n; i++) {
            for (int k = 0; k < STREAM_KINDS; k++) {
                const enum stream_kind kind = (enum stream_kind)k;
                if ((w->streams & STREAM_BIT(k)) == 0 || is_public(w, kind) != (on_public == 1)) {
                    continue;
                }
                const int rc = add(&x, i, &ins[i], kind, e);
                if (rc != 0) {
                    return rc;
                }
            }
        }
    }
    return (int)x.n;
}

const struct connector connector_binance = {.name = "binance",
                                            .venue = VENUE_BINANCE,
                                            .transport = TRANSPORT_WEBSOCKET,
                                            .links = links,
                                            .decode = frame_decode_each};

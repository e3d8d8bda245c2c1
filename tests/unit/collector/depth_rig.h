#ifndef TESTS_UNIT_COLLECTOR_DEPTH_RIG_H
#define TESTS_UNIT_COLLECTOR_DEPTH_RIG_H
// A book's sync machine and a way to talk to it: levels as "100:5 99:0".

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "services/collector/core/depth.h"

// ---- a machine and a way to talk to it

struct rig {
    struct depth d;
    struct depth_space space;
    struct depth_out out;
    int64_t mono_ms, event_ms;
};

static const struct depth_opts binance = {.venue = VENUE_BINANCE,
                                          .max_levels = 1000,
                                          .limit = 10,
                                          .refresh_levels = 2,
                                          .buffer_bytes = 65536,
                                          .retry_min_ms = 1000,
                                          .retry_max_ms = 8000};
static const struct depth_opts bybit = {.venue = VENUE_BYBIT,
                                        .max_levels = 1000,
                                        .limit = 3,
                                        .buffer_bytes = 65536,
                                        .check_u = true,
                                        .retry_min_ms = 1000,
                                        .retry_max_ms = 8000};

static inline struct rig *rig_new(const struct depth_opts *o)
{
    struct rig *g = calloc(1, sizeof *g);
    struct instrument ins;
    cr_assert_eq(instrument_parse("BTCUSDT", 7, o->venue, &ins, NULL), 0);
    cr_assert_eq(instrument_set_units(&ins, "1", "1", -1, NULL), 0);
    depth_init(&g->d, o);
    depth_set_units(&g->d, &ins);
    depth_set_up(&g->d, true, 0);
    g->event_ms = 1700000000000;
    return g;
}

static inline void rig_free(struct rig *g)
{
    depth_release(&g->d);
    free(g);
}

// "100:5 99:0" into levels; the texts stay in static memory until the next call but one.
static inline size_t parse(const char *text, struct frame_level *at, char *store, size_t size)
{
    size_t n = 0;
    str_copy(store, size, text);
    for (char *p = store; *p != '\0';) {
        char *end = p + strcspn(p, " ");
        const char *colon = memchr(p, ':', (size_t)(end - p));
        at[n++] =
            (struct frame_level){{p, (size_t)(colon - p)}, {colon + 1, (size_t)(end - colon - 1)}};
        p = *end == '\0' ? end : end + 1;
    }
    return n;
}

static inline struct frame frame_of(int64_t first, int64_t last, int64_t prev, const char *bids,
                                    const char *asks)
{
    static struct frame_level level[256];
    static char store[2][4096];
    struct frame f = {.kind = FRAME_BOOK,
                      .symbol = {"BTCUSDT", 7},
                      .market = 1,
                      .first_id = first,
                      .last_id = last,
                      .prev_id = prev};
    f.n_bids = parse(bids, level, store[0], sizeof store[0]);
    f.n_asks = parse(asks, level + f.n_bids, store[1], sizeof store[1]);
    f.bids = level;
    f.asks = level + f.n_bids;
    return f;
}

static inline enum depth_verdict feed(struct rig *g, struct frame *f)
{
    static const struct feed_clock unknown = {0};
    g->event_ms += 10;
    f->event_ms = f->trade_ms = g->event_ms;
    depth_on_frame(&g->d, f, 0, &unknown, g->mono_ms, &g->space, &g->out);
    return g->out.verdict;
}

static inline enum depth_verdict event(struct rig *g, int64_t first, int64_t last, int64_t prev,
                                       const char *bids, const char *asks)
{
    struct frame f = frame_of(first, last, prev, bids, asks);
    return feed(g, &f);
}

static inline enum depth_verdict snapshot(struct rig *g, int64_t id, const char *bids,
                                          const char *asks)
{
    struct frame f = frame_of(id, id, -1, bids, asks);
    f.snapshot = true;
    f.symbol = (struct slice){NULL, 0};
    f.event_ms = f.trade_ms = g->event_ms;
    depth_asked(&g->d);
    depth_on_snapshot(&g->d, &f, g->mono_ms, &g->space, &g->out);
    return g->out.verdict;
}

static inline enum depth_verdict whole(struct rig *g, int64_t u, const char *bids, const char *asks)
{
    struct frame f = frame_of(u, u, -1, bids, asks);
    f.snapshot = true;
    return feed(g, &f);
}

static inline int64_t touch(struct rig *g, enum book_end e)
{
    return book_levels(&g->d.book, e) > 0 ? book_at(&g->d.book, e, 0).price / 100 : 0;
}

#define LIVE(g) cr_expect_eq(depth_state(&(g)->d), DEPTH_LIVE)
#define NOT_LIVE(g) cr_expect_eq(depth_state(&(g)->d), DEPTH_SYNCING)

static inline struct rig *synced(void)
{
    struct rig *g = rig_new(&binance);
    event(g, 5, 10, 4, "", "");
    cr_assert_eq(snapshot(g, 10, "100:5 99:5", "101:5 102:5"), DEPTH_APPLIED);
    LIVE(g);
    return g;
}

#endif

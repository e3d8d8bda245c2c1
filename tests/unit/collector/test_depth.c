#include "services/collector/core/depth.h"

#include <criterion/criterion.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/rng.h"

// ---- a machine and a way to talk to it
// -----------------------------------------------------------

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

static struct rig *rig_new(const struct depth_opts *o)
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

static void rig_free(struct rig *g)
{
    depth_release(&g->d);
    free(g);
}

// "100:5 99:0" into levels; the texts stay in static memory until the next call but one.
static size_t parse(const char *text, struct frame_level *at, char *store, size_t size)
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

static struct frame frame_of(int64_t first, int64_t last, int64_t prev, const char *bids,
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

static enum depth_verdict feed(struct rig *g, struct frame *f)
{
    static const struct feed_clock unknown = {0};
    g->event_ms += 10;
    f->event_ms = f->trade_ms = g->event_ms;
    depth_on_frame(&g->d, f, 0, &unknown, g->mono_ms, &g->space, &g->out);
    return g->out.verdict;
}

static enum depth_verdict event(struct rig *g, int64_t first, int64_t last, int64_t prev,
                                const char *bids, const char *asks)
{
    struct frame f = frame_of(first, last, prev, bids, asks);
    return feed(g, &f);
}

static enum depth_verdict snapshot(struct rig *g, int64_t id, const char *bids, const char *asks)
{
    struct frame f = frame_of(id, id, -1, bids, asks);
    f.snapshot = true;
    f.symbol = (struct slice){NULL, 0};
    f.event_ms = f.trade_ms = g->event_ms;
    depth_asked(&g->d);
    depth_on_snapshot(&g->d, &f, g->mono_ms, &g->space, &g->out);
    return g->out.verdict;
}

static enum depth_verdict whole(struct rig *g, int64_t u, const char *bids, const char *asks)
{
    struct frame f = frame_of(u, u, -1, bids, asks);
    f.snapshot = true;
    return feed(g, &f);
}

static int64_t touch(struct rig *g, enum book_end e)
{
    return book_levels(&g->d.book, e) > 0 ? book_at(&g->d.book, e, 0).price / 100 : 0;
}

#define LIVE(g) cr_expect_eq(depth_state(&(g)->d), DEPTH_LIVE)
#define NOT_LIVE(g) cr_expect_eq(depth_state(&(g)->d), DEPTH_SYNCING)

static struct rig *synced(void)
{
    struct rig *g = rig_new(&binance);
    event(g, 5, 10, 4, "", "");
    cr_assert_eq(snapshot(g, 10, "100:5 99:5", "101:5 102:5"), DEPTH_APPLIED);
    LIVE(g);
    return g;
}

// ---- Binance: the start
// ---------------------------------------------------------------------------

Test(depth, asks_for_a_snapshot_once_an_event_has_come)
{
    struct rig *g = rig_new(&binance);
    cr_expect_not(depth_wants_snapshot(&g->d, 0), "it would be older than the stream");
    cr_expect_eq(event(g, 5, 10, 4, "100:1", "101:1"), DEPTH_BUFFERED);
    cr_expect(depth_wants_snapshot(&g->d, 0));
    depth_asked(&g->d);
    cr_expect_not(depth_wants_snapshot(&g->d, 0), "one at a time");
    NOT_LIVE(g);
    rig_free(g);
}

Test(depth, drops_what_ends_before_the_snapshot_and_applies_the_rest_in_order)
{
    struct rig *g = rig_new(&binance);
    event(g, 5, 10, 4, "100:1", "");
    event(g, 11, 20, 10, "100:2", "");
    event(g, 25, 30, 20, "99:7", "");
    event(g, 31, 40, 30, "99:0 98:1", "");
    cr_expect_eq(snapshot(g, 28, "100:9", "105:5"), DEPTH_APPLIED);
    LIVE(g);
    cr_expect_eq(g->d.copies, 2);
    cr_expect_eq(g->d.applied, 2);
    cr_expect_eq(g->d.book_u, 40);
    cr_expect_eq(book_at(&g->d.book, BOOK_BIDS, 0).qty, 900,
                 "the snapshot's, not the older event's");
    cr_expect_eq(book_levels(&g->d.book, BOOK_BIDS), 2);
    cr_expect_eq(g->d.waiting.n, 0);
    rig_free(g);
}

Test(depth, the_first_event_spans_the_snapshot_or_names_it)
{
    static const struct {
        int64_t first, last, prev, id;
        bool joins;
    } row[] = {{11, 20, 10, 11, true}, {11, 20, 10, 20, true}, {15, 20, 10, 15, true},
               {15, 20, 10, 10, true}, {15, 20, 10, 9, false}, {15, 20, 10, 12, false}};
    for (size_t i = 0; i < sizeof row / sizeof row[0]; i++) {
        struct rig *g = rig_new(&binance);
        event(g, row[i].first, row[i].last, row[i].prev, "100:1", "101:1");
        const enum depth_verdict v = snapshot(g, row[i].id, "99:1", "102:1");
        cr_expect_eq(v, row[i].joins ? DEPTH_APPLIED : DEPTH_TOO_OLD, "row %zu", i);
        cr_expect_eq(depth_state(&g->d), row[i].joins ? DEPTH_LIVE : DEPTH_SYNCING, "row %zu", i);
        rig_free(g);
        // The snapshot ahead of the event: the same rule when it comes.
        g = rig_new(&binance);
        event(g, 1, 2, 0, "", "");
        cr_assert_eq(snapshot(g, row[i].id, "99:1", "102:1"), DEPTH_APPLIED);
        NOT_LIVE(g);
        g->d.chain_u = row[i].prev;
        event(g, row[i].first, row[i].last, row[i].prev, "100:1", "101:1");
        cr_expect_eq(depth_state(&g->d), row[i].joins ? DEPTH_LIVE : DEPTH_SYNCING, "row %zu", i);
        cr_expect_eq(g->d.too_old, row[i].joins ? 0 : 1, "row %zu", i);
        rig_free(g);
    }
}

Test(depth, a_snapshot_ahead_of_the_stream_waits_for_it)
{
    struct rig *g = rig_new(&binance);
    event(g, 5, 10, 4, "", "");
    cr_expect_eq(snapshot(g, 30, "100:5", "101:5"), DEPTH_APPLIED);
    NOT_LIVE(g);
    cr_expect_not(depth_wants_snapshot(&g->d, 99999), "no need for another");
    cr_expect_eq(event(g, 11, 20, 10, "100:1", ""), DEPTH_COPY);
    NOT_LIVE(g);
    cr_expect_eq(event(g, 21, 35, 20, "100:2", ""), DEPTH_APPLIED);
    LIVE(g);
    cr_expect_eq(book_at(&g->d.book, BOOK_BIDS, 0).qty, 200);
    rig_free(g);
}

Test(depth, a_snapshot_too_old_is_asked_for_again_with_growing_pauses)
{
    struct rig *g = rig_new(&binance);
    event(g, 105, 110, 104, "", "");
    int64_t pause = 1000;
    for (int i = 0; i < 6; i++) {
        cr_expect(depth_wants_snapshot(&g->d, g->mono_ms));
        cr_expect_eq(snapshot(g, 90, "1:1", "2:1"), DEPTH_TOO_OLD);
        cr_expect_not(depth_wants_snapshot(&g->d, g->mono_ms + pause - 1), "%d", i);
        g->mono_ms += pause;
        pause = pause < 8000 ? pause * 2 : 8000;
    }
    cr_expect_eq(g->d.waiting.n, 1, "the event is kept");
    cr_expect_eq(snapshot(g, 107, "100:1", "101:1"), DEPTH_APPLIED);
    LIVE(g);
    rig_free(g);
}

Test(depth, an_answer_that_does_not_come_or_makes_no_sense_is_asked_for_again)
{
    struct rig *g = rig_new(&binance);
    event(g, 5, 10, 4, "", "");
    depth_asked(&g->d);
    depth_failed(&g->d, true, 0);
    cr_expect_not(depth_wants_snapshot(&g->d, 999));
    cr_expect(depth_wants_snapshot(&g->d, 1000));
    depth_asked(&g->d);
    depth_failed(&g->d, false, 1000);
    cr_expect(depth_wants_snapshot(&g->d, 1000),
              "the budget said no: that is not the book's failure");
    g->mono_ms = 1000;
    cr_expect_eq(snapshot(g, 10, "-1:1", ""), DEPTH_REFUSED);
    cr_expect_eq(g->out.why, REFUSE_NEGATIVE);
    cr_expect_eq(snapshot(g, 10, "100:1", "100:1"), DEPTH_APPLIED);
    NOT_LIVE(g);
    cr_expect_eq(g->d.crossed, 1, "a crossed snapshot is no book");
    rig_free(g);
}

// ---- Binance: the chain
// ---------------------------------------------------------------------------

Test(depth, ids_may_jump_as_long_as_each_event_names_the_one_before)
{
    struct rig *g = synced();
    cr_expect_eq(event(g, 500, 600, 10, "100:1", ""), DEPTH_APPLIED);
    cr_expect_eq(event(g, 9000, 9001, 600, "100:2", ""), DEPTH_APPLIED);
    cr_expect_eq(g->d.gaps, 0);
    LIVE(g);
    rig_free(g);
}

Test(depth, a_break_ends_the_book_and_keeps_the_last_view)
{
    struct rig *g = synced();
    event(g, 11, 12, 10, "100:6", "");
    cr_expect_eq(depth_view(&g->d)->bids[0].qty, 600);
    cr_expect_eq(event(g, 20, 21, 19, "100:7", ""), DEPTH_BUFFERED);
    cr_expect_str_eq(g->out.broken, "gap");
    cr_expect(g->out.expected == 12 && g->out.got == 19);
    NOT_LIVE(g);
    cr_expect_eq(g->d.gaps, 1);
    const struct depth_view *v = depth_view(&g->d);
    cr_expect(v->has && v->bids[0].qty == 600 && v->update_id == 12, "what was last true");
    cr_expect(depth_wants_snapshot(&g->d, 1000));
    event(g, 22, 25, 21, "100:8", "");
    cr_expect_eq(snapshot(g, 23, "100:1", "101:1"), DEPTH_APPLIED);
    LIVE(g);
    cr_expect_eq(depth_view(&g->d)->bids[0].qty, 800);
    rig_free(g);
}

Test(depth, every_break_counts_also_while_a_snapshot_is_awaited)
{
    struct rig *g = rig_new(&binance);
    for (int64_t i = 0; i < 10; i++) {
        event(g, 100 * i + 5, 100 * i + 10, 100 * i + 4, "", "");
    }
    cr_expect_eq(g->d.gaps, 9);
    cr_expect_eq(g->d.waiting.n, 1, "only what follows the newest break can be used");
    rig_free(g);
}

Test(depth, copies_are_ignored_and_what_spans_the_last_id_joins)
{
    struct rig *g = synced();
    event(g, 11, 20, 10, "100:1", "");
    cr_expect_eq(event(g, 11, 20, 10, "100:9", ""), DEPTH_COPY);
    cr_expect_eq(event(g, 11, 15, 10, "100:9", ""), DEPTH_COPY);
    cr_expect_eq(book_at(&g->d.book, BOOK_BIDS, 0).qty, 100);
    // Another connection cut the same changes in another place.
    cr_expect_eq(event(g, 16, 25, 15, "100:2", ""), DEPTH_APPLIED);
    cr_expect_eq(g->d.gaps, 0);
    cr_expect_eq(g->d.copies, 2);
    LIVE(g);
    rig_free(g);
}

Test(depth, ids_that_begin_anew_are_no_copies_for_ever)
{
    struct rig *g = synced();
    event(g, 100000, 100001, 10, "", "");
    cr_expect_eq(event(g, 5, 6, 4, "", ""), DEPTH_COPY);
    g->event_ms += DEPTH_RESTART_MS;
    cr_expect_eq(event(g, 7, 8, 6, "", ""), DEPTH_BUFFERED);
    cr_expect_str_eq(g->out.broken, "restart");
    cr_expect(depth_wants_snapshot(&g->d, 1000));
    cr_expect_eq(snapshot(g, 8, "100:1", "101:1"), DEPTH_APPLIED);
    LIVE(g);
    rig_free(g);
}

Test(depth, a_crossed_book_is_thrown_away)
{
    struct rig *g = synced();
    (void)depth_view(&g->d);
    cr_expect_eq(event(g, 11, 12, 10, "101:1", ""), DEPTH_BUFFERED);
    cr_expect_str_eq(g->out.broken, "crossed");
    NOT_LIVE(g);
    cr_expect_eq(g->d.crossed, 1);
    cr_expect_eq(depth_view(&g->d)->asks[0].price, 10100, "the last good one stays");
    cr_expect(depth_wants_snapshot(&g->d, 1000));
    cr_expect_eq(snapshot(g, 12, "101:1", "102:1"), DEPTH_APPLIED);
    LIVE(g);
    // Within one event the sides may cross on the way.
    cr_expect_eq(event(g, 13, 14, 12, "103:1", "102:0 104:1"), DEPTH_APPLIED);
    LIVE(g);
    rig_free(g);
}

Test(depth, a_refused_event_changes_nothing_and_breaks_the_chain)
{
    static const struct {
        const char *bids;
        enum refusal why;
    } row[] = {{"100:1 99:-1", REFUSE_NEGATIVE},
               {"100:1 -99:1", REFUSE_NEGATIVE},
               {"100:1 0:1", REFUSE_ZERO},
               {"100:1 99:x", REFUSE_MALFORMED},
               {"100:1 99.00001:1", REFUSE_PRECISION},
               {"100:1 99:99999999999999999999", REFUSE_ABSURD}};
    for (size_t i = 0; i < sizeof row / sizeof row[0]; i++) {
        struct rig *g = synced();
        cr_expect_eq(event(g, 11, 12, 10, row[i].bids, ""), DEPTH_REFUSED);
        cr_expect_eq(g->out.why, row[i].why, "row %zu: %s", i, refusal_name(g->out.why));
        cr_expect_eq(g->d.refused[row[i].why], 1);
        cr_expect_eq(book_at(&g->d.book, BOOK_BIDS, 0).qty, 500, "all of it or nothing");
        LIVE(g);
        event(g, 13, 14, 12, "", "");
        NOT_LIVE(g);
        cr_expect_eq(g->d.gaps, 1);
        rig_free(g);
    }
    struct rig *g = synced();
    cr_expect_eq(event(g, 13, 12, 10, "", ""), DEPTH_REFUSED);
    cr_expect_eq(event(g, 11, 12, 13, "", ""), DEPTH_REFUSED);
    struct frame f = frame_of(11, 12, 10, "", "");
    f.market = 2;
    cr_expect_eq(feed(g, &f), DEPTH_REFUSED);
    cr_expect_eq(g->out.why, REFUSE_FOREIGN);
    f = frame_of(11, 12, 10, "", "");
    f.symbol = (struct slice){"ETHUSDT", 7};
    cr_expect_eq(feed(g, &f), DEPTH_REFUSED);
    f = frame_of(11, 12, 10, "", "");
    f.event_ms = f.trade_ms = g->event_ms;
    const struct feed_clock clock = {.known = true, .offset_ms = -1};
    depth_on_frame(&g->d, &f, (g->event_ms - FEED_FUTURE_MS) * 1000, &clock, 0, &g->space, &g->out);
    cr_expect_eq(g->out.why, REFUSE_FUTURE);
    depth_on_frame(&g->d, &f, (g->event_ms - FEED_FUTURE_MS + 1) * 1000, &clock, 0, &g->space,
                   &g->out);
    cr_expect_eq(g->out.verdict, DEPTH_APPLIED);
    rig_free(g);
}

// ---- the window
// -----------------------------------------------------------------------------------

static struct rig *limited(void)
{
    struct rig *g = rig_new(&binance);
    event(g, 5, 10, 4, "", "");
    snapshot(g, 10, "100:1 99:1 98:1 97:1 96:1 95:1 94:1 93:1 92:1 91:1",
             "101:1 102:1 103:1 104:1 105:1 106:1 107:1 108:1 109:1 110:1");
    LIVE(g);
    return g;
}

Test(depth, near_the_edge_a_new_snapshot_is_wanted_while_the_book_stays_live)
{
    struct rig *g = limited();
    event(g, 11, 12, 10, "", "101:0 102:0 103:0 104:0 105:0 106:0 107:0 108:0");
    LIVE(g);
    cr_expect_not(depth_wants_snapshot(&g->d, 1000), "two levels are enough");
    event(g, 13, 14, 12, "", "109:0");
    LIVE(g);
    cr_expect(depth_wants_snapshot(&g->d, 1000));
    g->mono_ms = 1000;
    event(g, 15, 16, 14, "101:3", "110:2");
    // One that is too old changes nothing.
    cr_expect_eq(snapshot(g, 11, "100:1", "110:1"), DEPTH_TOO_OLD);
    LIVE(g);
    cr_expect_eq(touch(g, BOOK_BIDS), 101);
    g->mono_ms = 2000;
    cr_expect_eq(snapshot(g, 14, "100:1 99:1", "110:1 111:1 112:1"), DEPTH_APPLIED);
    LIVE(g);
    cr_expect_eq(touch(g, BOOK_BIDS), 101, "what came meanwhile is in it");
    cr_expect_eq(book_at(&g->d.book, BOOK_ASKS, 0).qty, 200);
    cr_expect_eq(g->d.waiting.n, 0);
    // And one ahead of the stream keeps it live too.
    g->d.refresh = true;
    cr_expect_eq(snapshot(g, 30, "100:1 99:1", "110:1 111:1"), DEPTH_APPLIED);
    LIVE(g);
    cr_expect_eq(event(g, 17, 20, 16, "100:9", ""), DEPTH_COPY);
    cr_expect_eq(event(g, 21, 31, 20, "", "110:5"), DEPTH_APPLIED);
    LIVE(g);
    rig_free(g);
}

Test(depth, beyond_the_edge_nothing_is_shown_as_live)
{
    struct rig *g = limited();
    event(g, 11, 12, 10, "", "101:0 102:0 103:0 104:0 105:0 106:0 107:0 108:0 109:0");
    (void)depth_view(&g->d);
    event(g, 13, 14, 12, "", "110:0 115:1");
    NOT_LIVE(g);
    cr_expect_eq(depth_view(&g->d)->asks[0].price, 11000, "the last one known");
    cr_expect(depth_wants_snapshot(&g->d, 1000));
    event(g, 15, 16, 14, "", "109:1");
    LIVE(g);
    event(g, 17, 18, 16, "", "109:0");
    NOT_LIVE(g);
    cr_expect_eq(snapshot(g, 18, "100:1", "111:1 115:1"), DEPTH_APPLIED);
    LIVE(g);
    cr_expect_eq(touch(g, BOOK_ASKS), 111);
    rig_free(g);
}

// ---- the connection
// --------------------------------------------------------------------------------

Test(depth, without_a_connection_it_is_stale_and_is_live_again_only_by_proof)
{
    struct rig *g = synced();
    depth_set_up(&g->d, false, 5);
    cr_expect_eq(depth_state(&g->d), DEPTH_STALE);
    cr_expect(depth_view(&g->d)->has == false || depth_view(&g->d)->n_bids == 2);
    depth_set_up(&g->d, true, 6);
    NOT_LIVE(g);
    event(g, 11, 12, 10, "", "");
    LIVE(g); // nothing was missed: no snapshot needed
    cr_expect_eq(g->d.snapshots, 1);
    depth_set_up(&g->d, false, 7);
    depth_set_up(&g->d, true, 8);
    event(g, 20, 21, 19, "", "");
    NOT_LIVE(g);
    cr_expect(depth_wants_snapshot(&g->d, 8));
    depth_set_up(&g->d, false, 9);
    cr_expect_not(depth_wants_snapshot(&g->d, 9), "nothing to join it to");
    rig_free(g);
}

Test(depth, a_silent_stream_is_stale)
{
    struct rig *g = synced();
    depth_set_silent(&g->d, true);
    cr_expect_eq(depth_state(&g->d), DEPTH_STALE);
    depth_set_silent(&g->d, false);
    LIVE(g);
    rig_free(g);
}

Test(depth, other_units_begin_anew)
{
    struct rig *g = synced();
    struct instrument ins = g->d.ins;
    depth_set_units(&g->d, &ins);
    LIVE(g);
    cr_assert_eq(instrument_set_units(&ins, "0.01", "0.1", -1, NULL), 0);
    depth_set_units(&g->d, &ins);
    NOT_LIVE(g);
    cr_expect_not(depth_view(&g->d)->has);
    rig_free(g);
}

// ---- events that wait
// ------------------------------------------------------------------------------

Test(depth_queue, gives_back_what_was_put_in)
{
    struct rng r = {11};
    struct depth_queue q;
    struct book_level level[64], back[64];
    depth_queue_init(&q, 1 << 20);
    for (int round = 0; round < 50; round++) {
        struct depth_event in[40], out;
        const size_t n = 1 + rng_below(&r, 40);
        struct rng again = r;
        for (int pass = 0; pass < 2; pass++) {
            struct rng *s = pass == 0 ? &again : &r;
            size_t at = 0;
            for (size_t i = 0; i < n; i++) {
                in[i].last = (int64_t)(rng_next(s) >> 2 >> rng_below(s, 60));
                in[i].first = in[i].last - (int64_t)rng_below(s, (uint64_t)in[i].last + 1);
                in[i].prev = in[i].last - (int64_t)rng_below(s, (uint64_t)in[i].last + 1);
                in[i].ts_ms = (int64_t)(rng_next(s) >> 20);
                in[i].event_ms = (int64_t)(rng_next(s) >> 20);
                in[i].n_bids = rng_below(s, 30);
                in[i].n_asks = rng_below(s, 30);
                in[i].level = level;
                for (size_t k = 0; k < in[i].n_bids + in[i].n_asks; k++) {
                    level[k].price = 1 + (int64_t)(rng_next(s) >> 1 >> rng_below(s, 60)) / 2;
                    level[k].qty = (int64_t)(rng_next(s) >> 1 >> rng_below(s, 60));
                }
                if (pass == 0) {
                    depth_queue_add(&q, &in[i]);
                    continue;
                }
                cr_assert(depth_queue_next(&q, &at, &out, back));
                cr_assert(out.last == in[i].last && out.first == in[i].first &&
                          out.prev == in[i].prev && out.ts_ms == in[i].ts_ms &&
                          out.event_ms == in[i].event_ms && out.n_bids == in[i].n_bids &&
                          out.n_asks == in[i].n_asks);
                cr_assert_arr_eq(back, level, (in[i].n_bids + in[i].n_asks) * sizeof level[0]);
            }
            cr_assert(pass == 0 || !depth_queue_next(&q, &at, &out, back));
        }
        cr_assert_eq(q.n, n);
        while (q.n > 0) {
            depth_queue_drop(&q);
        }
        cr_assert_eq(buf_len(&q.bytes), 0);
    }
    cr_expect_eq(q.dropped, 0);
    depth_queue_release(&q);
}

Test(depth_queue, keeps_the_newest_when_room_is_short)
{
    struct depth_queue q;
    struct book_level level[20];
    struct depth_event ev = {.level = level, .n_bids = 20};
    depth_queue_init(&q, 65536);
    for (int i = 0; i < 20; i++) {
        level[i] = (struct book_level){6180000 - 10 * i, 1000 + i};
    }
    for (int64_t i = 1; i <= 10000; i++) {
        ev.first = ev.last = i;
        ev.prev = i - 1;
        depth_queue_add(&q, &ev);
    }
    cr_expect_leq(buf_len(&q.bytes), 65536);
    cr_expect_gt(q.n, 600, "%zu events of 20 levels in 64 KiB", q.n);
    cr_expect_eq(q.n + q.dropped, 10000);
    struct depth_event first;
    depth_queue_first(&q, &first);
    cr_expect_eq(first.last, 10000 - (int64_t)q.n + 1);
    depth_queue_release(&q);
}

Test(depth, a_full_buffer_lets_the_oldest_go_and_the_snapshot_still_joins)
{
    struct rig *g = rig_new(&binance);
    for (int64_t i = 1; i <= 5000; i++) {
        event(g, i, i, i - 1, "100:1 99:2 98:3", "101:1 102:2 103:3");
    }
    cr_expect_gt(g->d.waiting.dropped, 0);
    cr_expect_eq(snapshot(g, 100, "1:1", "200:1"), DEPTH_TOO_OLD, "what followed it is gone");
    g->mono_ms += 1000;
    cr_expect_eq(snapshot(g, 4990, "97:1", "104:1"), DEPTH_APPLIED);
    LIVE(g);
    cr_expect_eq(g->d.book_u, 5000);
    rig_free(g);
}

// ---- Bybit
// ------------------------------------------------------------------------------------------

static enum depth_verdict delta(struct rig *g, int64_t u, const char *bids, const char *asks)
{
    return event(g, u, u, -1, bids, asks);
}

Test(depth_bybit, a_snapshot_or_u_1_at_any_time_replaces_the_book)
{
    struct rig *g = rig_new(&bybit);
    cr_expect_eq(whole(g, 50, "100:1 99:1 98:1", "101:1 102:1 103:1"), DEPTH_APPLIED);
    LIVE(g);
    cr_expect_eq(delta(g, 51, "100:0 97:4", "101:7"), DEPTH_APPLIED);
    cr_expect_eq(touch(g, BOOK_BIDS), 99);
    cr_expect_eq(whole(g, 70, "90:1", "91:1"), DEPTH_APPLIED);
    LIVE(g);
    cr_expect_eq(book_levels(&g->d.book, BOOK_BIDS), 1);
    cr_expect_eq(g->d.gaps, 0);
    cr_expect_eq(delta(g, 1, "80:1", "81:1"), DEPTH_APPLIED);
    cr_expect_eq(touch(g, BOOK_BIDS), 80);
    cr_expect_eq(delta(g, 2, "80:2", ""), DEPTH_APPLIED);
    LIVE(g);
    cr_expect_eq(g->d.snapshots, 3);
    rig_free(g);
}

Test(depth_bybit, a_break_wants_the_stream_again_at_a_limited_rate)
{
    struct rig *g = rig_new(&bybit);
    g->mono_ms = 5000;
    whole(g, 50, "100:1", "101:1");
    g->mono_ms = 10000;
    cr_expect_eq(delta(g, 52, "", ""), DEPTH_BUFFERED);
    cr_expect_str_eq(g->out.broken, "gap");
    NOT_LIVE(g);
    cr_expect(depth_take_resubscribe(&g->d, 10000));
    cr_expect_not(depth_take_resubscribe(&g->d, 10000), "once");
    delta(g, 53, "", "");
    cr_expect_not(depth_take_resubscribe(&g->d, 10999));
    cr_expect(depth_take_resubscribe(&g->d, 11000));
    g->mono_ms = 11000;
    delta(g, 54, "", "");
    cr_expect_not(depth_take_resubscribe(&g->d, 12999), "the pause doubles");
    whole(g, 60, "100:1", "101:1");
    LIVE(g);
    cr_expect_not(depth_take_resubscribe(&g->d, 99999));
    rig_free(g);
}

Test(depth_bybit, the_check_can_be_switched_off)
{
    struct depth_opts o = bybit;
    o.check_u = false;
    struct rig *g = rig_new(&o);
    whole(g, 50, "100:1", "101:1");
    cr_expect_eq(delta(g, 55, "100:2", ""), DEPTH_APPLIED);
    LIVE(g);
    cr_expect_eq(delta(g, 54, "100:3", ""), DEPTH_COPY, "but never backwards");
    cr_expect_eq(delta(g, 60, "102:2", ""), DEPTH_APPLIED);
    NOT_LIVE(g);
    cr_expect_eq(g->d.crossed, 1);
    rig_free(g);
}

Test(depth_bybit, deltas_without_a_snapshot_are_no_book)
{
    struct rig *g = rig_new(&bybit);
    cr_expect_eq(delta(g, 5, "100:1", "101:1"), DEPTH_BUFFERED);
    cr_expect_eq(delta(g, 6, "100:1", "101:1"), DEPTH_BUFFERED);
    NOT_LIVE(g);
    cr_expect_not(depth_view(&g->d)->has);
    cr_expect_not(depth_wants_snapshot(&g->d, 99999), "this venue sends it by itself");
    cr_expect_not(depth_take_resubscribe(&g->d, 999), "it may be on its way");
    cr_expect(depth_take_resubscribe(&g->d, 1000));
    rig_free(g);
}

Test(depth_bybit, two_connections_of_a_hand_over)
{
    struct rig *g = rig_new(&bybit);
    whole(g, 50, "100:1", "101:1");
    delta(g, 51, "100:2", "");
    delta(g, 52, "100:3", "");
    // The new connection starts a little behind.
    struct frame f = frame_of(51, 51, -1, "100:2", "101:1");
    f.snapshot = true;
    g->event_ms -= 20;
    cr_expect_eq(feed(g, &f), DEPTH_COPY);
    cr_expect_eq(delta(g, 52, "100:3", ""), DEPTH_COPY);
    cr_expect_eq(delta(g, 53, "100:4", ""), DEPTH_APPLIED);
    cr_expect_eq(delta(g, 53, "100:4", ""), DEPTH_COPY);
    LIVE(g);
    cr_expect_eq(g->d.gaps, 0);
    rig_free(g);
}

Test(depth_bybit, a_full_side_is_known_to_its_last_level_a_thinner_one_to_the_end)
{
    struct rig *g = rig_new(&bybit);
    whole(g, 50, "100:1 99:1 98:1", "101:1 102:1");
    const struct depth_view *v = depth_view(&g->d);
    cr_expect(v->has_low && v->low == 9800 && !v->has_high);
    delta(g, 51, "98:0", "103:1");
    v = depth_view(&g->d);
    cr_expect(!v->has_low && v->has_high && v->high == 10300);
    rig_free(g);
}

// ---- all together
// ----------------------------------------------------------------------------------

// A market, a stream that loses, repeats and re-cuts events, snapshots of any age: whenever the
// machine says that the book is live, it is the market's book at that id.
Test(depth, whatever_is_lost_a_live_book_is_the_true_one, .timeout = 60)
{
    enum { IDS = 3000, LEVELS = 12 };
    struct rng r = {424242};
    size_t live = 0, lost = 0;
    for (int round = 0; round < 40; round++) {
        static int64_t truth[IDS + 1][2]
                            [LEVELS]; // quantity at price 100 - k (bids), 101 + k (asks)
        static struct {
            int side, k;
            int64_t qty;
        } change[IDS + 1];
        memset(truth[0], 0, sizeof truth[0]);
        for (int id = 1; id <= IDS; id++) {
            memcpy(truth[id], truth[id - 1], sizeof truth[id]);
            change[id].side = (int)rng_below(&r, 2);
            change[id].k = (int)rng_below(&r, LEVELS);
            change[id].qty = (int64_t)rng_below(&r, 4);
            truth[id][change[id].side][change[id].k] = change[id].qty;
        }
        struct depth_opts o = binance;
        o.limit = LEVELS + 1;
        struct rig *g = rig_new(&o);
        int at = 1 + (int)rng_below(&r, 50), prev = at - 1;
        const uint64_t loss = rng_below(&r, 30);
        while (at < IDS) {
            const int last = at + (int)rng_below(&r, 20) < IDS ? at + (int)rng_below(&r, 20) : IDS;
            const int end = last < at ? at : last > IDS ? IDS : last;
            char text[2][512] = {"", ""};
            size_t n[2] = {0, 0};
            for (int side = 0; side < 2; side++) {
                for (int k = 0; k < LEVELS; k++) {
                    bool touched = false;
                    for (int id = at; id <= end; id++) {
                        touched = touched || (change[id].side == side && change[id].k == k);
                    }
                    if (touched) {
                        n[side] += (size_t)snprintf(text[side] + n[side], sizeof text[0] - n[side],
                                                    "%s%d:%d", n[side] > 0 ? " " : "",
                                                    side == 0 ? 100 - k : 101 + k,
                                                    (int)truth[end][side][k]);
                    }
                }
            }
            const bool drop = rng_below(&r, 100) < loss;
            for (size_t copies = drop ? 0 : 1 + (rng_below(&r, 10) == 0); copies > 0; copies--) {
                event(g, at, end, prev, text[0], text[1]);
            }
            lost += drop ? 1 : 0;
            prev = end;
            at = end + 1;
            if (rng_below(&r, 6) == 0) { // the other connection cuts elsewhere
                at = at > 3 ? at - (int)rng_below(&r, 3) : at;
                prev = at - 1;
            }
            g->mono_ms += 300;
            if (depth_wants_snapshot(&g->d, g->mono_ms) && rng_below(&r, 3) == 0) {
                const int back = (int)rng_below(&r, 60) - 10; // also from the future of the stream
                int id = end - back;
                id = id < 0 ? 0 : id > IDS ? IDS : id;
                char side[2][512] = {"", ""};
                for (int s = 0; s < 2; s++) {
                    size_t len = 0;
                    for (int k = 0; k < LEVELS; k++) {
                        if (truth[id][s][k] > 0) {
                            len += (size_t)snprintf(side[s] + len, sizeof side[0] - len, "%s%d:%d",
                                                    len > 0 ? " " : "", s == 0 ? 100 - k : 101 + k,
                                                    (int)truth[id][s][k]);
                        }
                    }
                }
                snapshot(g, id, side[0], side[1]);
            }
            if (depth_state(&g->d) != DEPTH_LIVE) {
                continue;
            }
            live++;
            int64_t(*now)[LEVELS] = truth[g->d.book_u];
            for (int s = 0; s < 2; s++) {
                size_t seen = 0;
                for (int k = 0; k < LEVELS; k++) {
                    if (now[s][k] > 0) {
                        const struct book_level v =
                            book_at(&g->d.book, s == 0 ? BOOK_BIDS : BOOK_ASKS, seen++);
                        cr_assert(v.price == (s == 0 ? 100 - k : 101 + k) * 100 &&
                                      v.qty == now[s][k] * 100,
                                  "round %d id %lld side %d", round, (long long)g->d.book_u, s);
                    }
                }
                cr_assert_eq(seen, book_levels(&g->d.book, s == 0 ? BOOK_BIDS : BOOK_ASKS));
            }
        }
        rig_free(g);
    }
    cr_expect_gt(live, 3000, "live %zu, lost %zu", live, lost);
    cr_expect_gt(lost, 500, "live %zu, lost %zu", live, lost);
}

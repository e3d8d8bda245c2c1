#include "services/collector/core/depth.h"

#include <criterion/criterion.h>

#include "tests/unit/collector/depth_rig.h"

// ---- Binance: the start

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

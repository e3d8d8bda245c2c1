// Events that wait, Bybit's rules, and everything at random against the truth.

#include "services/collector/core/depth.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/rng.h"
#include "tests/unit/collector/depth_rig.h"

// ---- events that wait

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

// The proof of continuity by a page of recent trades: ties at the edges, cut pages, stale pages,
// what may be claimed; and against a plain model with a venue of many trades per millisecond.

#include "services/collector/core/overlap.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "common/base/buf.h"
#include "tests/support/rng.h"

#define MAX_ROWS 4096

struct told {
    struct history h[64];
    char data[64][70000];
    size_t n, refuse_from; // refuses from so many on
};

struct rig {
    struct overlap v;
    struct uidwin names;
    struct instrument ins;
    struct overlap_state s;
    struct told t;
    struct overlap_row row[MAX_ROWS];
    size_t rows;
};

static struct rig g;

static bool emit(void *arg, const struct history *h)
{
    struct rig *r = arg;
    if (r->t.n >= r->t.refuse_from) {
        return false;
    }
    cr_assert_lt(r->t.n, (size_t)64);
    r->t.h[r->t.n] = *h;
    cr_assert(str_copyn(r->t.data[r->t.n], sizeof r->t.data[0], h->data.p, h->data.n));
    r->t.n++;
    return true;
}

static struct trade_uid uid(int64_t k)
{
    return (struct trade_uid){0x1000 + (uint64_t)k, 0x77 * (uint64_t)k + 1};
}

static void begin(void)
{
    uidwin_release(&g.names);
    memset(&g, 0, sizeof g);
    const struct overlap_opts o = {
        .hold_ms = 3000, .ask_ms = 100, .retry_min_ms = 250, .retry_max_ms = 60000, .max_tries = 3};
    overlap_init(&g.v, &o);
    uidwin_init(&g.names, 600000, 1 << 16);
    cr_assert_eq(instrument_parse("bybit:BTCUSDT", 13, VENUE_BYBIT, &g.ins, NULL), 0);
    cr_assert_eq(instrument_set_units(&g.ins, "0.10", "0.001", -1, NULL), 0);
    g.t.refuse_from = SIZE_MAX;
    g.s = (struct overlap_state){.ins = &g.ins,
                                 .names = &g.names,
                                 .link = UIDWIN_FIRST_LINK,
                                 .unstored_ms = INT64_MAX,
                                 .mono_ms = 1000};
}

static void hold(int64_t k, int64_t ts_ms, uint32_t origin)
{
    cr_assert(uidwin_add(&g.names, uid(k), ts_ms, origin));
    g.s.newest_ms = ts_ms > g.s.newest_ms ? ts_ms : g.s.newest_ms;
}

// The page, oldest first as it is written down here; stored newest first.
static const char *page(bool cut, size_t n, const int64_t (*kt)[2])
{
    for (size_t i = 0; i < n; i++) {
        g.row[n - 1 - i] = (struct overlap_row){.ts_ms = kt[i][1],
                                                .uid = uid(kt[i][0]),
                                                .price = {"100.5", 5},
                                                .qty = {"0.002", 5},
                                                .side = SIDE_SELL};
    }
    overlap_ask(&g.v);
    return overlap_page(&g.v, &g.s, g.row, n, cut, emit, &g);
}
#define PAGE(cut, ...)                                                                             \
    page(cut, sizeof((const int64_t[][2]){__VA_ARGS__}) / sizeof(int64_t[2]),                      \
         (const int64_t[][2]){__VA_ARGS__})

static void expect(size_t i, enum history_kind kind, int64_t from, int64_t to, int64_t n)
{
    cr_assert_lt(i, g.t.n, "%zu entries", g.t.n);
    const struct history *h = &g.t.h[i];
    cr_expect_eq(h->kind, kind, "entry %zu is %d", i, h->kind);
    cr_expect_eq(h->from_ms, from, "entry %zu from %lld", i, (long long)h->from_ms);
    cr_expect_eq(h->to_ms, to, "entry %zu to %lld", i, (long long)h->to_ms);
    cr_expect_eq(h->n, n, "entry %zu n %lld", i, (long long)h->n);
    cr_expect_eq(h->from_id, -1);
}

// Held 1, 2 before; the link began with 5. The page of the next tests shows what lay between.
static void reconnect(int64_t held_ms, int64_t first_ms)
{
    begin();
    hold(1, held_ms - 1, UIDWIN_STORED);
    hold(2, held_ms, UIDWIN_STORED);
    overlap_begin(&g.v, held_ms, first_ms, "reconnect", 1000);
    hold(5, first_ms, UIDWIN_FIRST_LINK);
    g.s.unstored_ms = first_ms; // it is held back
    cr_assert(g.v.holding);
    cr_assert_eq(overlap_due_ms(&g.v), 1100);
}

Test(overlap, a_page_that_reaches_what_is_held_proves_and_fills)
{
    reconnect(100, 200);
    cr_expect_null(PAGE(true, {1, 99}, {2, 100}, {3, 150}, {4, 200}, {5, 200}));
    cr_expect_eq(g.t.n, 1, "no gap: %zu", g.t.n);
    expect(0, HISTORY_TRADES, 100, 200, 2);
    cr_expect_str_eq(g.t.data[0], "150 00000000-0000-1003-0000-000000000166 100.5 0.002 sell \n"
                                  "200 00000000-0000-1004-0000-0000000001dd 100.5 0.002 sell \n");
    cr_expect_not(g.v.holding);
    cr_expect_eq(g.v.proven, 1);
    cr_expect_eq(overlap_due_ms(&g.v), -1);
}

Test(overlap, nothing_missed_is_claimed_without_rows)
{
    reconnect(100, 200);
    cr_expect_null(PAGE(true, {1, 99}, {2, 100}, {5, 200}));
    cr_expect_eq(g.t.n, 1);
    expect(0, HISTORY_TRADES, 100, 200, 0);
    cr_expect_str_eq(g.t.h[0].source, "rest");
    cr_expect_str_eq(g.t.h[0].reason, "reconnect");
}

Test(overlap, a_page_that_ends_short_of_it_declares_the_hole)
{
    reconnect(100, 200);
    cr_expect_null(PAGE(true, {3, 150}, {4, 180}, {5, 200}));
    cr_assert_eq(g.t.n, 3);
    expect(0, HISTORY_GAP, 100, 151, 0); // of ms 150 itself more may be missing: the page was cut
    expect(1, HISTORY_LOST, 100, 151, 0);
    expect(2, HISTORY_TRADES, 151, 200, 2);
    cr_expect_not(g.v.holding);
    cr_expect_eq(g.v.n, 0, "no later page reaches it");
}

Test(overlap, a_page_that_was_not_cut_is_complete_from_its_first_millisecond)
{
    reconnect(100, 200);
    cr_expect_null(PAGE(false, {3, 150}, {5, 200}));
    expect(0, HISTORY_GAP, 100, 150, 0);
    expect(2, HISTORY_TRADES, 150, 200, 1);
    reconnect(100, 200);
    cr_expect_null(PAGE(false, {3, 100}, {5, 200}));
    cr_expect_eq(g.t.n, 1, "all of ms 100 is in the page");
    expect(0, HISTORY_TRADES, 100, 200, 1);
}

Test(overlap, a_tie_at_the_cut_edge_proves_only_when_its_oldest_row_is_held)
{
    // The page begins with the newest held trade itself, in a millisecond of several trades.
    reconnect(100, 200);
    cr_expect_null(PAGE(true, {2, 100}, {3, 100}, {5, 200}));
    cr_expect_eq(g.t.n, 1, "what came before 2 came before the link died: %zu", g.t.n);
    expect(0, HISTORY_TRADES, 101, 200, 1); // the row of ms 100 is in it, the claim leaves ms 100
    // The same with a trade nobody holds: others of this millisecond may lie before it.
    reconnect(100, 200);
    cr_expect_null(PAGE(true, {3, 100}, {4, 120}, {5, 200}));
    expect(0, HISTORY_GAP, 100, 101, 0);
    expect(2, HISTORY_TRADES, 101, 200, 2);
}

Test(overlap, a_tie_at_the_cut_edge_that_came_by_this_very_link_proves_nothing)
{
    reconnect(100, 100);
    cr_expect_null(PAGE(true, {5, 100}, {6, 100}));
    expect(0, HISTORY_GAP, 100, 101, 0);
    cr_expect_not(g.v.holding);
}

Test(overlap, several_trades_of_the_links_first_millisecond_are_found)
{
    reconnect(100, 100); // link died and came back within one millisecond
    cr_expect_null(PAGE(true, {1, 99}, {2, 100}, {3, 100}, {4, 100}, {5, 100}));
    cr_assert_eq(g.t.n, 1);
    cr_expect_eq(g.t.h[0].n, 2);
    expect(0, HISTORY_TRADES, 100, 100, 2); // rows without a claim: ms 100 goes on
    cr_expect_not(g.v.holding);
}

Test(overlap, a_stale_page_proves_nothing_and_is_asked_for_again)
{
    reconnect(100, 200);
    cr_expect_null(PAGE(true, {1, 99}, {2, 100}, {3, 150}));
    cr_expect(g.v.holding, "it does not show the link's first trade");
    expect(0, HISTORY_TRADES, 100, 150, 1); // up to its newest row it is a proof all the same
    cr_expect_eq(overlap_due_ms(&g.v), 1250);
    g.s.mono_ms = 1250;
    cr_expect_null(PAGE(true, {1, 99}, {2, 100}, {3, 150}, {4, 160}, {5, 200}));
    expect(1, HISTORY_TRADES, 100, 200, 1);
    cr_expect_not(g.v.holding);
    cr_expect_eq(g.v.declared, 0);
}

Test(overlap, rows_newer_than_the_links_newest_come_by_the_link)
{
    reconnect(100, 200);
    cr_expect_null(PAGE(true, {2, 100}, {3, 100}, {5, 200}, {6, 210}, {7, 210}));
    cr_expect_eq(g.t.h[0].n, 1, "6 and 7 are on their way");
    cr_expect_not(uidwin_has(&g.names, uid(6), NULL));
}

Test(overlap, held_back_for_too_long_the_hole_is_declared_and_repaired_later)
{
    reconnect(100, 200);
    overlap_tick(&g.v, false, emit, &g, 3999);
    cr_expect(g.v.holding);
    overlap_tick(&g.v, false, emit, &g, 4000);
    cr_expect_not(g.v.holding);
    expect(0, HISTORY_GAP, 100, 201, 0);
    hold(6, 300, UIDWIN_FIRST_LINK);
    g.s.unstored_ms = INT64_MAX;
    g.s.mono_ms = 5000;
    cr_expect_null(PAGE(true, {1, 99}, {2, 100}, {3, 150}, {5, 200}, {6, 300}));
    expect(1, HISTORY_TRADES, 100, 300, 1);
    cr_expect_eq(g.v.n, 0);
    cr_expect_eq(g.v.repaired, 1);
    cr_expect_eq(overlap_due_ms(&g.v), -1);
}

Test(overlap, a_claim_ends_before_what_is_not_on_redis)
{
    reconnect(100, 200);
    overlap_tick(&g.v, true, emit, &g, 1001);
    hold(6, 300, UIDWIN_FIRST_LINK);
    g.s.unstored_ms = 180; // say, a late one
    cr_expect_null(PAGE(true, {1, 99}, {2, 100}, {5, 200}, {6, 300}));
    expect(1, HISTORY_TRADES, 100, 180, 0);
    cr_assert_eq(g.v.n, 1);
    cr_expect_eq(g.v.hole[0].from_ms, 180, "the rest of the hole stays");
    cr_expect_geq(overlap_due_ms(&g.v), g.s.mono_ms);
}

Test(overlap, at_first_start_the_page_extends_what_is_known_backwards)
{
    begin();
    overlap_begin(&g.v, 0, 200, "start", 1000);
    hold(5, 200, UIDWIN_FIRST_LINK);
    g.s.unstored_ms = 200;
    cr_expect_null(PAGE(true, {1, 50}, {2, 50}, {3, 60}, {4, 200}, {5, 200}));
    cr_assert_eq(g.t.n, 1);
    expect(0, HISTORY_TRADES, 51, 200, 4);
    cr_expect_not(g.v.holding);
}

Test(overlap, what_is_not_known_to_be_held_is_neither_written_nor_claimed)
{
    reconnect(100, 200);
    uidwin_complete_from(&g.names, 90); // the stream was read back to there
    cr_expect_null(PAGE(true, {11, 50}, {12, 80}, {1, 99}, {2, 100}, {5, 200}));
    expect(0, HISTORY_TRADES, 90, 200, 0);
}

Test(overlap, a_refused_trade_is_had_by_the_next_page)
{
    begin();
    hold(1, 100, UIDWIN_FIRST_LINK);
    hold(3, 120, UIDWIN_FIRST_LINK);
    overlap_add_hole(&g.v, 110, 111, "refused", 1000);
    cr_expect_eq(overlap_due_ms(&g.v), 1250);
    g.s.mono_ms = 1250;
    cr_expect_null(PAGE(true, {0, 90}, {1, 100}, {2, 110}, {3, 120}));
    cr_expect_eq(g.t.n, 1);
    cr_expect_eq(g.t.h[0].n, 2); // 0 as well: older than what is held, and known now
    cr_expect_eq(g.v.repaired, 1);
}

Test(overlap, tries_end_and_the_reason_is_kept)
{
    begin();
    overlap_add_hole(&g.v, 110, 111, "refused", 1000);
    overlap_ask(&g.v);
    overlap_failed(&g.v, true, "status 500", emit, &g, 2000);
    overlap_failed(&g.v, false, "banned", emit, &g, 2000);
    overlap_failed(&g.v, true, "status 500", emit, &g, 2000);
    cr_expect_eq(g.t.n, 0);
    overlap_ask(&g.v);
    overlap_failed(&g.v, true, "status 500", emit, &g, 2000);
    expect(0, HISTORY_LOST, 110, 111, 0);
    cr_expect_str_eq(g.t.h[0].reason, "status 500");
    cr_expect_eq(overlap_due_ms(&g.v), -1);
}

Test(overlap, a_page_that_contradicts_itself_is_not_believed)
{
    reconnect(100, 200);
    cr_expect_not_null(PAGE(true, {1, 99}, {5, 200}, {3, 150}));
    cr_expect_not_null(page(true, 0, NULL));
    cr_expect_eq(g.t.n, 0);
    cr_expect(g.v.holding);
    g.row[0].qty = (struct slice){"0", 1};
    overlap_ask(&g.v);
    cr_expect_not_null(overlap_page(&g.v, &g.s, g.row, 1, false, emit, &g));
}

Test(overlap, rows_that_found_no_room_are_not_held)
{
    reconnect(100, 200);
    g.t.refuse_from = 0;
    cr_expect_not_null(PAGE(true, {1, 99}, {2, 100}, {3, 150}, {5, 200}));
    cr_expect(g.v.holding);
    cr_expect_not(uidwin_has(&g.names, uid(3), NULL));
    g.t.refuse_from = SIZE_MAX;
    cr_expect_null(PAGE(true, {1, 99}, {2, 100}, {3, 150}, {5, 200}));
    expect(0, HISTORY_TRADES, 100, 200, 1);
}

// Held: 1 and 2 from before, 10 and 12 by the link. The page of the first trade is through.
static void audited(void)
{
    reconnect(1000, 2000);
    g.v.o.audit_ms = 60000;
    g.s.oldest_ms = 999;
    cr_assert_null(PAGE(false, {1, 999}, {2, 1000}, {5, 2000}));
    cr_assert_not(g.v.holding);
    cr_assert_eq(overlap_due_ms(&g.v), g.s.mono_ms + 60000);
    g.t.n = 0;
    g.s.unstored_ms = INT64_MAX;
    g.s.mono_ms = 61000;
    hold(10, 5000, UIDWIN_FIRST_LINK);
    hold(12, 9000, UIDWIN_FIRST_LINK);
}

Test(overlap_audit, a_trade_the_link_never_brought_is_written_without_a_claim)
{
    audited();
    cr_expect_null(
        PAGE(false, {0, 500}, {1, 999}, {2, 1000}, {5, 2000}, {10, 5000}, {11, 6000}, {12, 9000}));
    cr_assert_eq(g.t.n, 1, "0 lies before the first trade held");
    expect(0, HISTORY_TRADES, 6000, 6000, 1);
    cr_expect_str_eq(g.t.h[0].reason, "audit");
    cr_expect_eq(g.v.found, 1);
    cr_expect_not(g.v.holding);
    cr_expect_eq(overlap_due_ms(&g.v), 121000);
    cr_expect_null(PAGE(false, {2, 1000}, {5, 2000}, {10, 5000}, {11, 6000}, {12, 9000}));
    cr_expect_eq(g.v.found, 1, "it is held now");
    cr_expect_eq(g.t.n, 1);
}

Test(overlap_audit, when_nothing_is_missing_nothing_is_written)
{
    audited();
    cr_expect_null(PAGE(false, {2, 1000}, {5, 2000}, {10, 5000}, {12, 9000}));
    cr_expect_eq(g.t.n, 0);
    cr_expect_eq(g.v.audits, 1);
}

Test(overlap_audit, what_may_still_come_by_the_link_is_left_to_the_next_page)
{
    audited();
    cr_expect_null(PAGE(false, {2, 1000}, {10, 5000}, {11, 8001}, {12, 9000}, {13, 9500}));
    cr_expect_eq(g.t.n, 0);
    hold(14, 10000, UIDWIN_FIRST_LINK);
    cr_expect_null(PAGE(false, {10, 5000}, {11, 8001}, {12, 9000}, {13, 9500}, {14, 10000}));
    cr_expect_eq(g.v.found, 1);
    expect(0, HISTORY_TRADES, 8001, 8001, 1);
}

Test(overlap_audit, a_page_without_a_trade_of_this_link_says_nothing)
{
    audited();
    g.s.link++;
    cr_expect_null(PAGE(false, {2, 1000}, {10, 5000}, {11, 6000}, {12, 9000}));
    cr_expect_eq(g.t.n, 0);
    cr_expect_eq(overlap_due_ms(&g.v), 121000);
}

Test(overlap_audit, a_busy_market_is_looked_at_more_often_and_short_pages_are_counted)
{
    audited();
    cr_expect_null(PAGE(true, {10, 5000}, {12, 9000}));
    cr_expect_eq(overlap_due_ms(&g.v), 63000, "half of the four seconds it spans");
    cr_expect_eq(g.v.audits_short, 1, "it begins behind what was compared last");
    hold(14, 9100, UIDWIN_FIRST_LINK);
    g.s.mono_ms = 63000;
    overlap_ask(&g.v);
    cr_expect_null(PAGE(true, {10, 5000}, {12, 9000}, {14, 9100}));
    cr_expect_eq(g.v.audits_short, 1);
}

Test(overlap_audit, rows_that_found_no_room_are_found_again)
{
    audited();
    g.t.refuse_from = 0;
    cr_expect_not_null(PAGE(false, {2, 1000}, {10, 5000}, {11, 6000}, {12, 9000}));
    cr_expect_eq(g.v.found, 0);
    g.t.refuse_from = SIZE_MAX;
    cr_expect_null(PAGE(false, {2, 1000}, {10, 5000}, {11, 6000}, {12, 9000}));
    cr_expect_eq(g.v.found, 1);
}

Test(overlap_audit, a_failed_page_is_asked_for_again_and_a_new_link_comes_first)
{
    audited();
    overlap_ask(&g.v);
    overlap_failed(&g.v, true, "status 500", emit, &g, 61000);
    cr_expect_eq(overlap_due_ms(&g.v), 121000);
    overlap_begin(&g.v, 9000, 9500, "reconnect", 70000);
    cr_expect_eq(overlap_due_ms(&g.v), 70100);
}

Test(overlap, a_second_cut_before_the_proof_widens_the_hole)
{
    reconnect(100, 200);
    overlap_begin(&g.v, 200, 300, "reconnect", 1500);
    g.s.link = UIDWIN_FIRST_LINK + 1;
    hold(8, 300, UIDWIN_FIRST_LINK + 1);
    cr_expect_null(PAGE(true, {2, 100}, {4, 150}, {5, 200}, {6, 250}, {8, 300}));
    cr_assert_eq(g.t.n, 1);
    expect(0, HISTORY_TRADES, 101, 200, 2);
    cr_expect_not(g.v.holding);
}

// ---- against a model ---------------------------------------------------------------------------

// A venue with many trades a millisecond; links that die and come back, pages that are cut and
// late. What is claimed must be there, and what is missing must lie in a gap without a claim.
static void model(uint64_t seed)
{
    enum { TRADES = 600, STEP = 40 };
    static int64_t ts[TRADES];
    static bool have[TRADES], claimed_ms[4096], gap_ms[4096];
    struct rng r = {seed};
    begin();
    memset(have, 0, sizeof have);
    memset(claimed_ms, 0, sizeof claimed_ms);
    memset(gap_ms, 0, sizeof gap_ms);
    int64_t now = 1000;
    for (int i = 0; i < TRADES; i++) {
        now += rng_next(&r) % 3 == 0 ? (int64_t)(rng_next(&r) % 4) : 0;
        ts[i] = now;
    }
    uint32_t link = UIDWIN_FIRST_LINK;
    int64_t held_ms = 0;
    int at = (int)(rng_next(&r) % 50);
    const int first = at;
    while (at < TRADES) {
        const int from = at;
        int to = from + 1 + (int)(rng_next(&r) % STEP);
        to = to < TRADES ? to : TRADES;
        overlap_begin(&g.v, held_ms, ts[from], "reconnect", 1000);
        for (int i = from; i < to; i++) {
            have[i] = true;
            hold(i, ts[i], link);
            held_ms = ts[i];
        }
        g.s.link = link++;
        g.s.unstored_ms = ts[from];
        // The page as of a trade in the link, sometimes before it, cut at some size.
        const int end = rng_next(&r) % 5 == 0 ? from : to;
        const int size = 1 + (int)(rng_next(&r) % 60);
        const int begins = end - size > 0 ? end - size : 0;
        if (end > begins) {
            size_t n = 0;
            for (int i = end - 1; i >= begins; i--) {
                g.row[n++] = (struct overlap_row){
                    .ts_ms = ts[i], .uid = uid(i), .price = {"1", 1}, .qty = {"1", 1}};
            }
            g.t.n = 0;
            overlap_ask(&g.v);
            (void)overlap_page(&g.v, &g.s, g.row, n, begins > 0, emit, &g);
        }
        overlap_tick(&g.v, true, emit, &g, 1000);
        for (size_t e = 0; e < g.t.n; e++) {
            const struct history *h = &g.t.h[e];
            for (int64_t ms = h->from_ms; ms < h->to_ms; ms++) {
                if (h->kind == HISTORY_TRADES) {
                    claimed_ms[ms] = true;
                }
                if (h->kind == HISTORY_GAP) {
                    gap_ms[ms] = true;
                }
            }
        }
        for (int i = 0; i < TRADES; i++) {
            have[i] = have[i] || uidwin_has(&g.names, uid(i), NULL);
        }
        g.t.n = 0;
        at = to + (int)(rng_next(&r) % STEP);
    }
    int last = 0;
    for (int i = 0; i < TRADES; i++) {
        last = have[i] ? i : last;
    }
    for (int i = 0; i < last; i++) {
        if (have[i]) {
            continue;
        }
        cr_assert_not(claimed_ms[ts[i]], "seed %llu: trade %d at %lld is claimed and missing",
                      (unsigned long long)seed, i, (long long)ts[i]);
        cr_assert(i < first || gap_ms[ts[i]], "seed %llu: trade %d at %lld is missing unsaid",
                  (unsigned long long)seed, i, (long long)ts[i]);
    }
    uidwin_release(&g.names);
}

Test(overlap, no_hole_stays_unsaid_and_no_claim_is_wrong)
{
    for (uint64_t seed = 1; seed <= 3000; seed++) {
        model(seed * UINT64_C(0x9e3779b97f4a7c15));
    }
}

#include "services/collector/core/feed.h"

#include <criterion/criterion.h>
#include <string.h>

#define T0 INT64_C(1723161256000)
static const struct feed_clock unknown = {false, 0};

static struct feed new_feed(bool units)
{
    struct feed f;
    struct instrument ins;
    const struct feed_opts o = {.subscribed = FRAME_AGG_TRADE,
                                .window_ms = 600000,
                                .max_spans = 64,
                                .fallback_tick = "0.1"};
    cr_assert_eq(instrument_parse("BTCUSDT", 7, VENUE_BINANCE, &ins, NULL), 0);
    if (units) {
        cr_assert_eq(instrument_set_units(&ins, "0.10", "0.001", -1, NULL), 0);
    }
    feed_init(&f, &ins, &o);
    if (units) {
        feed_set_units(&f, &ins);
    }
    return f;
}

static struct frame frame(int64_t id, int64_t ts_ms)
{
    return (struct frame){.kind = FRAME_AGG_TRADE,
                          .symbol = slice_of("BTCUSDT"),
                          .price = slice_of("61800.30"),
                          .qty = slice_of("0.006"),
                          .event_ms = ts_ms + 5,
                          .trade_ms = ts_ms,
                          .id = id,
                          .market = 1};
}

static struct feed_out push(struct feed *f, int64_t id, int64_t ts_ms)
{
    const struct frame fr = frame(id, ts_ms);
    struct feed_out out;
    feed_on_trade(f, &fr, ts_ms * 1000, &unknown, &out);
    return out;
}

// ---- refusals: one row per reason --------------------------------------------------------------

static enum refusal refused(struct frame fr, const struct feed_clock *clock)
{
    struct feed f = new_feed(true);
    struct feed_out out;
    push(&f, 100, T0);
    const uint64_t trades = f.trades;
    feed_on_trade(&f, &fr, T0 * 1000, clock, &out);
    if (out.verdict != FEED_REFUSED) {
        feed_release(&f);
        return REFUSE_NONE;
    }
    cr_expect_eq(f.refused[out.why], 1, "counted once");
    cr_expect_eq(f.trades, trades);
    // The refused id is not held: the next one declares it.
    struct feed_out after = push(&f, 102, T0 + 2);
    cr_expect(after.gap && after.gap_from == 101 && after.gap_to == 101);
    feed_release(&f);
    return out.why;
}

static enum refusal refused_numbers(const char *price, const char *qty)
{
    struct frame fr = frame(101, T0 + 1);
    fr.price = slice_of(price);
    fr.qty = slice_of(qty);
    return refused(fr, &unknown);
}

Test(feed, an_id_far_beyond_what_the_time_allows_is_refused)
{
    cr_expect_eq(refused(frame(100 + FEED_JUMP_IDS + FEED_JUMP_IDS_PER_MS + 1, T0 + 1), &unknown),
                 REFUSE_ABSURD);
    cr_expect_eq(refused(frame(INT64_MAX - 1, T0), &unknown), REFUSE_ABSURD);
    // At the limit, and a long absence: a gap like any other.
    struct feed f = new_feed(true);
    push(&f, 100, T0);
    cr_expect(push(&f, 100 + FEED_JUMP_IDS, T0).gap);
    cr_expect(push(&f, INT64_C(60000000), T0 + INT64_C(7) * 86400000).gap);
    feed_release(&f);
}

Test(feed, refuses_numbers_that_can_not_be)
{
    cr_expect_eq(refused_numbers("61800.30", "0.006"), REFUSE_NONE);
    cr_expect_eq(refused_numbers("-61800.30", "0.006"), REFUSE_NEGATIVE);
    cr_expect_eq(refused_numbers("61800.30", "-0.006"), REFUSE_NEGATIVE);
    cr_expect_eq(refused_numbers("0.00", "0.006"), REFUSE_ZERO);
    cr_expect_eq(refused_numbers("61800.30", "0.000"), REFUSE_ZERO);
    cr_expect_eq(refused_numbers("61800.30001", "0.006"), REFUSE_PRECISION);
    cr_expect_eq(refused_numbers("61800.30", "0.00600001"), REFUSE_PRECISION);
    cr_expect_eq(refused_numbers("99999999999999999999", "0.006"), REFUSE_ABSURD);
    cr_expect_eq(refused_numbers("1.000000000000000000000000", "1"), REFUSE_ABSURD);
    cr_expect_eq(refused_numbers("12a", "0.006"), REFUSE_MALFORMED);
    cr_expect_eq(refused_numbers("", "0.006"), REFUSE_MALFORMED);
    cr_expect_eq(refused_numbers("NaN", "0.006"), REFUSE_MALFORMED);
}

Test(feed, refuses_what_is_not_its_own)
{
    struct frame fr = frame(101, T0);
    fr.symbol = slice_of("ETHUSDT");
    cr_expect_eq(refused(fr, &unknown), REFUSE_FOREIGN);
    fr = frame(101, T0);
    fr.market = 2;
    cr_expect_eq(refused(fr, &unknown), REFUSE_FOREIGN);
    fr = frame(101, T0);
    fr.kind = FRAME_TRADE; // its ids are another number range
    cr_expect_eq(refused(fr, &unknown), REFUSE_FOREIGN);
}

Test(feed, refuses_times_that_can_not_be)
{
    cr_expect_eq(refused(frame(101, 0), &unknown), REFUSE_ABSURD);
    cr_expect_eq(refused(frame(101, INT64_C(10000000000000)), &unknown), REFUSE_ABSURD);
}

Test(feed, refuses_the_future_only_against_a_clock_it_knows)
{
    const struct feed_clock known = {true, 0}, ahead = {true, 7000}, behind = {true, -7000};
    cr_expect_eq(refused(frame(101, T0 + 60000), &known), REFUSE_NONE);
    cr_expect_eq(refused(frame(101, T0 + 60001), &known), REFUSE_FUTURE);
    cr_expect_eq(refused(frame(101, T0 + 67000), &ahead), REFUSE_NONE);
    cr_expect_eq(refused(frame(101, T0 + 67001), &ahead), REFUSE_FUTURE);
    cr_expect_eq(refused(frame(101, T0 + 53000), &behind), REFUSE_NONE);
    cr_expect_eq(refused(frame(101, T0 + 53001), &behind), REFUSE_FUTURE);
    cr_expect_eq(refused(frame(101, T0 + 86400000), &unknown), REFUSE_NONE);
}

// ---- continuity --------------------------------------------------------------------------------

Test(feed, a_time_before_the_previous_day_is_refused_and_its_id_stays_free)
{
    const int64_t day = INT64_C(86400000), midnight = 20000 * day;
    struct feed f = new_feed(true);
    cr_assert_eq(push(&f, 100, midnight).verdict, FEED_TRADE);
    struct feed_out out = push(&f, 101, midnight - day - 1);
    cr_assert_eq(out.verdict, FEED_REFUSED);
    cr_assert_eq(out.why, REFUSE_TOO_OLD);
    cr_assert_eq(push(&f, 101, midnight - day).verdict, FEED_TRADE);
    feed_release(&f);
}

Test(feed, ids_in_a_row_make_no_gap)
{
    struct feed f = new_feed(true);
    for (int64_t id = 100; id < 1100; id++) {
        const struct feed_out out = push(&f, id, T0 + id / 3);
        cr_assert(out.verdict == FEED_TRADE && !out.gap && !out.late);
    }
    cr_expect_eq(f.gaps, 0);
    cr_expect_eq(f.trades, 1000);
    feed_release(&f);
}

Test(feed, a_jump_declares_exactly_the_ids_between)
{
    struct feed f = new_feed(true);
    push(&f, 100, T0);
    const struct feed_out out = push(&f, 105, T0 + 40);
    cr_expect_eq(out.verdict, FEED_TRADE);
    cr_expect(out.gap);
    cr_expect_eq(out.gap_from, 101);
    cr_expect_eq(out.gap_to, 104);
    cr_expect_eq(out.gap_from_ms, T0);
    cr_expect_eq(out.gap_to_ms, T0 + 40);
    cr_expect_str_eq(out.gap_reason, "jump");
    cr_expect_eq(f.gap_ids, 4);
    feed_release(&f);
}

Test(feed, the_first_id_of_all_declares_nothing)
{
    struct feed f = new_feed(true);
    cr_expect_not(push(&f, 2111730447, T0).gap);
    feed_release(&f);
}

Test(feed, copies_are_dropped_and_late_ids_taken_once)
{
    struct feed f = new_feed(true);
    push(&f, 100, T0);
    push(&f, 103, T0 + 3);
    cr_expect_eq(push(&f, 103, T0 + 3).verdict, FEED_DUPLICATE);
    cr_expect_eq(push(&f, 100, T0).verdict, FEED_DUPLICATE);
    const struct feed_out late = push(&f, 102, T0 + 2);
    cr_expect(late.verdict == FEED_TRADE && late.late && !late.gap);
    cr_expect_eq(push(&f, 102, T0 + 2).verdict, FEED_DUPLICATE);
    cr_expect_eq(push(&f, 104, T0 + 4).gap, false);
    cr_expect_eq(f.duplicates, 3);
    cr_expect_eq(f.late, 1);
    feed_release(&f);
}

Test(feed, an_overlap_after_a_reconnect_is_dropped_and_a_hole_is_named_after_it)
{
    struct feed f = new_feed(true);
    push(&f, 100, T0);
    push(&f, 101, T0 + 1);
    feed_begin(&f);
    cr_expect_eq(push(&f, 101, T0 + 1).verdict, FEED_DUPLICATE);
    cr_expect_not(push(&f, 102, T0 + 2).gap);
    feed_begin(&f);
    const struct feed_out out = push(&f, 110, T0 + 9);
    cr_expect_str_eq(out.gap_reason, "reconnect");
    cr_expect_str_eq(push(&f, 112, T0 + 11).gap_reason, "jump");
    feed_release(&f);
}

Test(feed, a_restart_continues_from_what_is_stored)
{
    struct feed f = new_feed(true);
    feed_seed(&f, 150, T0);
    feed_seed(&f, 149, T0 - 1);
    feed_seed_range(&f, 120, 140, T0 - 30, T0 - 10);
    cr_expect_eq(push(&f, 150, T0).verdict, FEED_DUPLICATE);
    feed_release(&f);

    f = new_feed(true);
    feed_seed(&f, 150, T0);
    feed_begin(&f);
    const struct feed_out out = push(&f, 260, T0 + 500);
    cr_expect(out.gap && out.gap_from == 151 && out.gap_to == 259);
    cr_expect_str_eq(out.gap_reason, "restart");
    feed_release(&f);
}

Test(feed, a_dropped_trade_may_come_again)
{
    struct feed f = new_feed(true);
    push(&f, 100, T0);
    const struct feed_out out = push(&f, 101, T0 + 1);
    feed_dropped(&f, &out.trade);
    cr_expect_eq(push(&f, 102, T0 + 2).gap, false); // whoever dropped it declares it
    cr_expect_eq(push(&f, 101, T0 + 1).verdict, FEED_TRADE);
    feed_release(&f);
}

Test(feed, insurance_fund_prints_are_held_and_do_not_count)
{
    struct feed f = new_feed(true);
    f.o.subscribed = FRAME_TRADE;
    struct frame fr = frame(100, T0);
    struct feed_out out;
    fr.kind = FRAME_TRADE;
    fr.exec = slice_of("MARKET");
    feed_on_trade(&f, &fr, T0 * 1000, &unknown, &out);
    cr_expect_eq(out.verdict, FEED_TRADE);
    fr.id = 101;
    fr.exec = slice_of("INSURANCE_FUND");
    feed_on_trade(&f, &fr, T0 * 1000, &unknown, &out);
    cr_expect_eq(out.verdict, FEED_EXCLUDED);
    fr.id = 102;
    fr.exec = slice_of("RPI");
    feed_on_trade(&f, &fr, T0 * 1000, &unknown, &out);
    cr_expect_eq(out.verdict, FEED_TRADE);
    cr_expect_not(out.gap);
    cr_expect_eq(out.trade.flags, TRADE_RPI);
    cr_expect_eq(f.refused[REFUSE_EXCLUDED], 1);
    cr_expect_eq(f.trades, 2);
    feed_release(&f);
}

Test(feed, a_venue_without_description_gets_its_units_from_the_wire)
{
    struct feed f = new_feed(false);
    struct feed_out out = push(&f, 100, T0);
    cr_expect(out.new_units && out.verdict == FEED_TRADE);
    cr_expect_str_eq(f.ins.tick_size, "0.1");
    cr_expect_geq(f.ins.qty_scale, 8);
    out = push(&f, 101, T0);
    cr_expect_not(out.new_units);
    feed_release(&f);
}

Test(feed, the_side_is_the_aggressors)
{
    struct feed f = new_feed(true);
    struct frame fr = frame(100, T0);
    struct feed_out out;
    fr.maker = true;
    feed_on_trade(&f, &fr, T0 * 1000, &unknown, &out);
    cr_expect_eq(out.trade.side, SIDE_SELL);
    fr.id = 101;
    fr.maker = false;
    feed_on_trade(&f, &fr, T0 * 1000, &unknown, &out);
    cr_expect_eq(out.trade.side, SIDE_BUY);
    feed_release(&f);
}

Test(feed, memory_is_bounded_by_spans_and_window)
{
    struct feed f = new_feed(true);
    for (int64_t i = 0; i < 100000; i++) {
        push(&f, 100 + 2 * i, T0 + 100 * i); // every other id is missing
    }
    cr_expect_leq(f.held.n, 64);
    feed_release(&f);
}

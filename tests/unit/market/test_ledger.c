#include "common/market/ledger.h"

#include <criterion/criterion.h>
#include <stdlib.h>

#include "common/base/clock.h"

#define DAY INT64_C(1795132800000)

static struct ledger l;

static void up(void)
{
    struct instrument ins;
    cr_assert_eq(instrument_parse("BTCUSDT", 7, VENUE_BINANCE, &ins, NULL), 0);
    cr_assert_eq(instrument_set_units(&ins, "0.10", "0.001", -1, NULL), 0);
    ledger_init(&l, &ins);
}

static void down(void)
{
    ledger_release(&l);
}

TestSuite(ledger, .init = up, .fini = down);

static enum ledger_result add(int64_t ts, int64_t id)
{
    struct trade t = {.ts_ms = ts, .id = id, .price = 61640000, .qty = 100, .side = SIDE_BUY};
    return ledger_add(&l, &t);
}

Test(ledger, counts_an_id_once)
{
    cr_expect_eq(add(DAY, 10), LEDGER_COUNTED);
    cr_expect_eq(add(DAY, 10), LEDGER_DUPLICATE);
    cr_expect_eq(add(DAY + 5, 10), LEDGER_DUPLICATE, "the id decides");
    cr_expect_eq(add(DAY + 1, 11), LEDGER_COUNTED);
    cr_expect_eq(add(DAY + 3, 13), LEDGER_COUNTED);
    cr_expect_eq(add(DAY + 2, 12), LEDGER_COUNTED);
    cr_expect_eq(add(DAY + 2, 12), LEDGER_DUPLICATE);
    cr_expect_eq(l.cur.trades, 4);
    cr_expect_eq(l.counted, 4);
    cr_expect_eq(l.duplicates, 3);
    cr_expect_eq(l.newest_ms, DAY + 3);
    cr_expect_eq(l.held.n, 1);
    cr_expect_not(l.rolled);
}

Test(ledger, ids_that_are_no_ids_are_not_counted)
{
    cr_expect_eq(add(DAY, 1), LEDGER_COUNTED);
    cr_expect_eq(add(DAY, -1), LEDGER_DUPLICATE);
    cr_expect_eq(add(DAY, INT64_MAX), LEDGER_DUPLICATE);
    cr_expect_eq(add(DAY + MS_PER_DAY, -1), LEDGER_DUPLICATE);
    cr_expect_eq(l.cur.trades, 1);
}

Test(ledger, day_turns_at_midnight_by_trade_time)
{
    cr_expect_eq(add(DAY + MS_PER_DAY - 1, 10), LEDGER_COUNTED);
    cr_expect_not(l.rolled);
    cr_expect_eq(add(DAY + MS_PER_DAY, 11), LEDGER_COUNTED);
    cr_expect(l.rolled);
    cr_expect_eq(l.cur.start_ms, DAY + MS_PER_DAY);
    cr_expect_eq(l.prev.start_ms, DAY);
    cr_expect_eq(add(DAY, 9), LEDGER_COUNTED_PREV);
    cr_expect_eq(add(DAY - 1, 8), LEDGER_TOO_OLD);
    cr_expect_eq(l.prev.trades, 2);
    cr_expect_eq(l.cur.trades, 1);
    cr_expect_eq(l.too_old, 1);
    cr_expect_eq(ledger_judged_end(&l, &l.cur), DAY + MS_PER_DAY);
    cr_expect_eq(ledger_judged_end(&l, &l.prev), DAY + MS_PER_DAY);
}

Test(ledger, newest_first_fills_both_days)
{
    cr_expect_eq(add(DAY + 5, 12), LEDGER_COUNTED);
    cr_expect(day_is_empty_slot(&l.prev));
    cr_expect_eq(ledger_judged_end(&l, &l.prev), -1);
    cr_expect_eq(add(DAY - 5, 11), LEDGER_COUNTED_PREV);
    cr_expect_eq(add(DAY - MS_PER_DAY, 10), LEDGER_COUNTED_PREV);
    cr_expect_eq(add(DAY - MS_PER_DAY - 1, 9), LEDGER_TOO_OLD);
    cr_expect_eq(l.prev.start_ms, DAY - MS_PER_DAY);
    cr_expect_eq(l.newest_ms, DAY + 5);
}

Test(ledger, a_jump_of_several_days_leaves_no_previous_day)
{
    add(DAY, 1);
    add(DAY + MS_PER_DAY, 2);
    cr_expect_eq(add(DAY + 4 * MS_PER_DAY, 50), LEDGER_COUNTED);
    cr_expect(day_is_empty_slot(&l.prev));
    cr_expect_eq(l.cur.trades, 1);
    cr_expect_eq(add(DAY + 3 * MS_PER_DAY + 7, 49), LEDGER_COUNTED_PREV);
    cr_expect_eq(l.prev.start_ms, DAY + 3 * MS_PER_DAY);
    cr_expect_eq(l.prev.trades, 1);
    cr_expect_eq(profile_bins(l.prev.profile), 1);
    cr_expect_eq(add(DAY + MS_PER_DAY, 2), LEDGER_TOO_OLD);
}

Test(ledger, ids_of_trades_too_old_to_count_prove_continuity)
{
    struct coverage c;
    coverage_init(&c);
    add(DAY + MS_PER_DAY, 12);
    add(DAY + 5, 11);
    coverage_compute(&c, &l.held, DAY, ledger_judged_end(&l, &l.prev));
    cr_expect_eq(c.missing_ms, 5);
    cr_expect_eq(add(DAY - 3, 10), LEDGER_TOO_OLD);
    coverage_compute(&c, &l.held, DAY, ledger_judged_end(&l, &l.prev));
    cr_expect_eq(c.missing_ms, 0);
    coverage_release(&c);
}

Test(ledger, what_does_not_fit_is_refused_and_may_come_again)
{
    struct trade big = {.ts_ms = DAY, .id = 1, .price = 100, .qty = INT64_MAX - 100};
    cr_expect_eq(ledger_add(&l, &big), LEDGER_COUNTED);
    cr_expect_eq(add(DAY, 3), LEDGER_COUNTED);
    cr_expect_eq(add(DAY, 2), LEDGER_OVERFLOW);
    cr_expect_eq(add(DAY, 4), LEDGER_OVERFLOW);
    cr_expect_not(idset_has(&l.held, 2));
    cr_expect_not(idset_has(&l.held, 4));
    cr_expect_eq(add(DAY, 4), LEDGER_OVERFLOW);
    cr_expect_eq(l.overflows, 3);
    cr_expect_eq(l.cur.trades, 2);
    cr_expect(day_is_consistent(&l.cur));
    cr_expect_eq(add(DAY + MS_PER_DAY, 5), LEDGER_COUNTED);
    cr_expect_eq(add(DAY, 6), LEDGER_OVERFLOW, "of yesterday");
    cr_expect_not(idset_has(&l.held, 6));
}

Test(ledger, a_held_range_needs_no_trades_and_stops_none_that_came_before)
{
    add(DAY + 10, 10);
    add(DAY + 40, 20);
    ledger_hold_range(&l, 11, 19, DAY + 10, DAY + 40);
    cr_expect_eq(l.held.n, 1);
    cr_expect_eq(add(DAY + 20, 15), LEDGER_DUPLICATE);
    cr_expect_eq(l.cur.trades, 2);
}

Test(ledger, spans_stay_bounded_over_days_of_holes)
{
    for (int64_t day = 0; day < 4; day++) {
        for (int64_t i = 0; i < 15000; i++) {
            add(DAY + day * MS_PER_DAY + i * 5000, (day * 15000 + i) * 2);
        }
        cr_assert_leq(l.held.n, LEDGER_MAX_SPANS);
    }
    // Two days and an hour of holes are more than the bound: what is forgotten is missing, and
    // what was counted is known.
    cr_expect_gt(l.held.collapsed, 0);
    cr_expect_eq(add(DAY + 3 * MS_PER_DAY, 3 * 15000 * 2), LEDGER_DUPLICATE);
    cr_expect_eq(add(DAY + 2 * MS_PER_DAY, 2 * 15000 * 2), LEDGER_DUPLICATE);
}

Test(ledger, clear_forgets_all)
{
    add(DAY, 1);
    ledger_clear(&l);
    cr_expect(day_is_empty_slot(&l.cur));
    cr_expect_eq(l.newest_ms, -1);
    cr_expect_eq(add(DAY - 7 * MS_PER_DAY, 1), LEDGER_COUNTED);
    ledger_restored(&l);
    cr_expect_eq(l.newest_ms, DAY - 7 * MS_PER_DAY);
}

#include "common/market/tape.h"

#include <criterion/criterion.h>

#include "common/market/candle.h"

#define T0 INT64_C(1795132800000)
#define MIN TAPE_MINUTE_MS

static struct tape tape;
static size_t kept_at_drop; // trades that could still be read when the owner was told
static int drops;

static void on_drop(void *arg)
{
    cr_assert_eq(arg, &tape);
    kept_at_drop = tape.total;
    drops++;
}

static void up(void)
{
    tape_init(&tape, on_drop, &tape);
    drops = 0;
}

static void down(void)
{
    tape_release(&tape);
}

TestSuite(tape, .init = up, .fini = down);

static void put(int64_t ts, int64_t id)
{
    struct trade t = {.ts_ms = ts, .id = id, .price = 1, .qty = 1};
    tape_put(&tape, &t);
}

static size_t in_minute(int64_t minute)
{
    size_t n;
    const struct trade *v = tape_minute(&tape, T0 + minute * MIN, &n);
    for (size_t i = 0; i < n; i++) {
        cr_assert(v[i].ts_ms >= T0 + minute * MIN && v[i].ts_ms < T0 + (minute + 1) * MIN);
        cr_assert(i == 0 || trade_cmp(&v[i - 1], &v[i]) <= 0, "in set order");
    }
    return n;
}

Test(tape, keeps_each_minute_in_set_order_whatever_came_first)
{
    put(T0 + 5, 3);
    put(T0 + 2 * MIN, 9);
    put(T0 + 5, 2);
    put(T0 + MIN, 4);
    put(T0 + 1, 1);
    cr_expect_eq(in_minute(0), 3);
    cr_expect_eq(in_minute(1), 1);
    cr_expect_eq(in_minute(2), 1);
    cr_expect_eq(in_minute(3), 0);
    cr_expect_eq(tape.total, 5);
}

Test(tape, begins_fifteen_to_twenty_minutes_before_the_newest_trade)
{
    put(T0, 1);
    put(T0 + 20 * MIN - 1, 2);
    cr_expect_eq(tape.from_ms, T0);
    cr_expect_eq(in_minute(0), 1);
    drops = 0;
    put(T0 + 20 * MIN, 3);
    cr_expect_eq(tape.from_ms, T0 + 5 * MIN);
    cr_expect_eq(drops, 1);
    cr_expect_eq(kept_at_drop, 2, "told before anything was lost");
    cr_expect_eq(in_minute(0), 0);
    put(T0 + 5 * MIN - 1, 4); // older than the tape
    cr_expect_eq(tape.total, 2);
    put(T0 + 5 * MIN, 5);
    cr_expect_eq(tape.total, 3);
    put(T0 + 24 * 60 * MIN, 6);
    cr_expect_eq(tape.total, 1, "a jump leaves nothing behind");
    cr_expect_eq(tape.from_ms, candle_tape_start(T0 + 24 * 60 * MIN));
}

Test(tape, too_many_trades_make_it_begin_later)
{
    tape.max = 10;
    for (int64_t i = 0; i < 9; i++) {
        put(T0 + i * MIN / 2, i); // two a minute
    }
    int64_t from = tape.from_ms;
    put(T0 + 4 * MIN + 1, 9);
    cr_expect_eq(tape.from_ms, from);
    drops = 0;
    put(T0 + 4 * MIN + 2, 10);
    cr_expect_eq(drops, 1);
    cr_expect_eq(kept_at_drop, 10);
    cr_expect_eq(tape.from_ms, T0 + MIN);
    cr_expect_eq(tape.total, 9);
    cr_expect_eq(in_minute(0), 0);
    cr_expect_eq(in_minute(1), 2);
    // A late trade into a minute that is gone is not kept; into one that is there it is.
    put(T0 + 3, 11);
    put(T0 + MIN + 3, 12);
    cr_expect_eq(tape.total, 10);
}

Test(tape, a_minute_with_more_than_all_it_may_hold_is_not_kept_at_all)
{
    tape.max = 10;
    for (int64_t i = 0; i < 30; i++) {
        put(T0 + i, i);
        cr_assert_leq(tape.total, 10);
    }
    cr_expect_eq(tape.from_ms, T0 + MIN);
    cr_expect_eq(tape.total, 0);
    put(T0 + MIN, 31);
    cr_expect_eq(tape.total, 1);
    cr_expect_eq(tape.from_ms, T0 + MIN);
}

Test(tape, reset_empties_and_may_begin_earlier)
{
    put(T0 + 60 * MIN, 1);
    tape_reset(&tape, T0);
    cr_expect_eq(tape.total, 0);
    cr_expect_eq(tape.from_ms, T0);
    put(T0, 2);
    put(T0 + MIN, 3);
    cr_expect_eq(tape.total, 2);
    cr_expect_eq(in_minute(0), 1);
}

static void ignore(void *arg)
{
    (void)arg;
}

Test(tape, keeps_of_a_run_what_it_keeps_of_its_trades)
{
    struct tape runs;
    struct trade v[700];
    uint64_t x = 1;
    int64_t minute = 0;
    int64_t id = 0;
    tape_init(&runs, ignore, NULL);
    tape.max = runs.max = 1500;
    for (int k = 0; k < 400; k++) {
        x = x * UINT64_C(6364136223846793005) + 1;
        minute += (int64_t)(x >> 33) % 5 == 0;
        int64_t in = (x >> 40) % 6 == 0 && minute > 3 ? minute - 3 : minute; // late now and then
        size_t n = 1 + (size_t)(x >> 48) % 700;
        for (size_t i = 0; i < n; i++) {
            v[i] = (struct trade){
                .ts_ms = T0 + in * MIN + (int64_t)i, .id = ++id, .price = 1, .qty = 1};
            tape_put(&tape, &v[i]);
        }
        tape_put_run(&runs, v, n);
        cr_assert(runs.total == tape.total && runs.from_ms == tape.from_ms);
        for (int64_t m = minute > 20 ? minute - 20 : 0; m <= minute; m++) {
            size_t got;
            size_t want = in_minute(m);
            const struct trade *w = tape_minute(&runs, T0 + m * MIN, &got);
            cr_assert_eq(got, want);
            for (size_t i = 1; i < got; i++) {
                cr_assert_leq(trade_cmp(&w[i - 1], &w[i]), 0);
            }
        }
    }
    cr_assert_gt(drops, 5);
    tape_release(&runs);
}

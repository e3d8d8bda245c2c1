#include "services/backfill/core/daysort.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/clock.h"

#define DAY INT64_C(1795305600000)

static uint64_t seed = 88172645463325252;

static uint64_t rnd(void)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return seed;
}

static struct trade made(int64_t ts_ms, uint64_t name)
{
    return (struct trade){.ts_ms = ts_ms,
                          .price = 1000 + (int64_t)(name % 97),
                          .qty = 1 + (int64_t)(name % 13),
                          .side = name % 3 == 0 ? SIDE_SELL : SIDE_BUY,
                          .uid = {0x5b540000, name}};
}

Test(daysort, any_order_becomes_set_order_and_copies_leave)
{
    enum { N = 30000 };
    struct daysort *d = daysort_new(DAY, 2 * N);
    struct trade *all = calloc(2 * N, sizeof *all);
    for (size_t i = 0; i < N; i++) {
        // Crowded: many of one millisecond, some minutes empty.
        all[i] = made(DAY + (int64_t)(rnd() % 400) * 200000 + (int64_t)(rnd() % 3), i + 1);
        cr_assert_eq(daysort_add(d, &all[i]), 0);
    }
    for (size_t i = 0; i < 1000; i++) {
        const struct trade copy = all[rnd() % N];
        cr_assert_eq(daysort_add(d, &copy), 0);
    }
    cr_assert_eq(daysort_rows(d), N + 1000);
    const size_t n = trades_unique(all, N);
    const struct trade *v;
    size_t k, at = 0;
    int64_t from, to, next = DAY;
    while (daysort_next(d, &v, &k, &from, &to)) {
        cr_assert_eq(from, next);
        next = to;
        for (size_t i = 0; i < k; i++, at++) {
            cr_assert_lt(at, n);
            cr_assert_eq(trade_cmp(&v[i], &all[at]), 0);
            cr_assert(v[i].ts_ms >= from && v[i].ts_ms < to);
        }
    }
    cr_assert_eq(at, n);
    cr_assert_eq(next, DAY + MS_PER_DAY);
    daysort_free(d);
    free(all);
}

Test(daysort, first_and_last_millisecond_are_of_the_day_their_neighbours_are_not)
{
    struct daysort *d = daysort_new(DAY, 10);
    const int64_t ms[] = {DAY - 1, DAY, DAY + MS_PER_DAY - 1, DAY + MS_PER_DAY};
    for (size_t i = 0; i < 4; i++) {
        const struct trade t = made(ms[i], i + 1);
        cr_assert_eq(daysort_add(d, &t), i == 1 || i == 2 ? 0 : ERR_RANGE);
    }
    cr_assert_eq(daysort_rows(d), 2);
    daysort_free(d);
}

Test(daysort, no_more_than_its_bound)
{
    struct daysort *d = daysort_new(DAY, 3);
    for (uint64_t i = 0; i < 4; i++) {
        const struct trade t = made(DAY + 5, i + 1);
        cr_assert_eq(daysort_add(d, &t), i < 3 ? 0 : ERR_LIMIT);
    }
    daysort_free(d);
}

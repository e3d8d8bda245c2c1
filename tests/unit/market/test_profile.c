#include "common/market/profile.h"

#include <criterion/criterion.h>

#include "tests/support/market_ref.h"
#include "tests/support/tsv.h"

static void add(struct profile *p, int64_t price, int64_t qty)
{
    cr_assert_eq(profile_add(p, price, qty, true), 0);
}

Test(profile, value_area_table)
{
    struct tsv t;
    tsv_open(&t, "tests/fixtures/market/value_area.tsv");
    while (tsv_next(&t, 5)) {
        struct profile *p = profile_new(1);
        char *save;
        for (char *w = strtok_r(t.cell[0], " ", &save); w; w = strtok_r(NULL, " ", &save)) {
            int64_t volume = strtoll(strchr(w, ':') + 1, NULL, 10);
            cr_assert_eq(profile_add(p, strtoll(w, NULL, 10), volume, volume % 2), 0);
        }
        int64_t poc;
        int64_t val;
        int64_t vah;
        cr_assert(profile_poc(p, &poc));
        cr_assert(profile_value_area(p, &val, &vah));
        cr_expect_eq(poc, strtoll(t.cell[1], NULL, 10), "line %d: %s", t.line, t.cell[4]);
        cr_expect_eq(val, strtoll(t.cell[2], NULL, 10), "line %d: %s", t.line, t.cell[4]);
        cr_expect_eq(vah, strtoll(t.cell[3], NULL, 10), "line %d: %s", t.line, t.cell[4]);
        profile_free(p);
    }
}

Test(profile, without_a_trade_there_is_nothing)
{
    struct profile *p = profile_new(7);
    int64_t a;
    int64_t b;
    struct bin bin;
    cr_expect_not(profile_poc(p, &a));
    cr_expect_not(profile_range(p, &a, &b));
    cr_expect_not(profile_value_area(p, &a, &b));
    cr_expect_not(profile_next(p, 0, &a, &bin));
    cr_expect_eq(profile_top(p, 1, &a, &bin), 0);
    cr_expect_eq(profile_bins(p), 0);
    cr_expect_eq(profile_get(p, 5).trades, 0);
    profile_free(p);
}

Test(profile, bin_is_the_floor_of_price_over_bin_for_any_size)
{
    static const int64_t bins[] = {1,    2,          3,          5,          7,
                                   100,  1000,       4294967295, 4294967296, 4294967297,
                                   6250, 1000000007, INT64_MAX,  123456789};
    struct rng r = {99};
    for (size_t i = 0; i < sizeof bins / sizeof bins[0]; i++) {
        struct profile *p = profile_new(bins[i]);
        for (int k = 0; k < 1000; k++) {
            int64_t price = (int64_t)(rng_next(&r) >> (1 + rng_below(&r, 62)));
            if (k % 3 == 0) { // next to a border
                price = price / bins[i] * bins[i];
                price -= price > 0 && k % 2;
            }
            price = k == 0 ? UINT32_MAX : k == 1 ? INT64_C(1) << 32 : price;
            int64_t before = profile_get(p, price / bins[i]).trades;
            int rc = profile_add(p, price, 1, false);
            cr_assert(rc == 0 || rc == ERR_LIMIT);
            cr_assert_eq(profile_get(p, price / bins[i]).trades, before + (rc == 0),
                         "price %lld bin %lld", (long long)price, (long long)bins[i]);
        }
        profile_free(p);
    }
}

Test(profile, tie_of_poc_is_the_lower_price_whatever_came_first)
{
    for (int turn = 0; turn < 2; turn++) {
        struct profile *p = profile_new(10);
        int64_t poc;
        add(p, turn ? 50 : 70, 4);
        add(p, turn ? 70 : 50, 4);
        cr_assert(profile_poc(p, &poc));
        cr_expect_eq(poc, 5);
        add(p, 79, 1);
        cr_assert(profile_poc(p, &poc));
        cr_expect_eq(poc, 7);
        profile_free(p);
    }
}

Test(profile, random_walks_agree_with_a_plain_array)
{
    struct rng r = {5};
    for (int k = 0; k < 40; k++) {
        struct ref_profile ref = {.lo = 0, .n = 5000};
        int64_t width = 1 + rng_below(&r, 4999);
        ref.buy = calloc(5000, sizeof(int64_t));
        ref.sell = calloc(5000, sizeof(int64_t));
        struct profile *p = profile_new(1);
        int64_t lo = 5000;
        int64_t hi = 0;
        for (int64_t i = rng_below(&r, 3000); i >= 0; i--) {
            int64_t at = rng_below(&r, width);
            int64_t qty = 1 + rng_below(&r, 50);
            bool buy = rng_below(&r, 2);
            (buy ? ref.buy : ref.sell)[at] += qty;
            cr_assert_eq(profile_add(p, at, qty, buy), 0);
            lo = at < lo ? at : lo;
            hi = at > hi ? at : hi;
        }
        // The reference knows bins lo..hi only.
        memmove(ref.buy, ref.buy + lo, (size_t)(hi - lo + 1) * sizeof(int64_t));
        memmove(ref.sell, ref.sell + lo, (size_t)(hi - lo + 1) * sizeof(int64_t));
        ref.lo = lo;
        ref.n = hi - lo + 1;
        ref_value_area(&ref);
        int64_t poc;
        int64_t val;
        int64_t vah;
        int64_t first;
        int64_t last;
        cr_assert(profile_poc(p, &poc) && profile_value_area(p, &val, &vah));
        cr_assert(profile_range(p, &first, &last));
        cr_assert(poc == ref.poc && val == ref.val && vah == ref.vah && first == lo && last == hi);
        // Rank order: volume down, price up, and nothing outside is larger than the last.
        int64_t index[20];
        struct bin bin[20];
        size_t n = profile_top(p, 20, index, bin);
        cr_assert_eq(n, profile_bins(p) < 20 ? profile_bins(p) : 20);
        for (int64_t i = 0; i < ref.n; i++) {
            size_t better = 0;
            for (int64_t j = 0; j < ref.n; j++) {
                better += ref_volume(&ref, j) > ref_volume(&ref, i) ||
                          (ref_volume(&ref, j) == ref_volume(&ref, i) && j < i);
            }
            if (ref_volume(&ref, i) > 0 && better < 20) {
                cr_assert_eq(index[better], lo + i);
                cr_assert_eq(bin[better].buy, ref.buy[i]);
            }
        }
        profile_free(p);
        free(ref.buy);
        free(ref.sell);
    }
}

static void collect(void *arg, int64_t index, const struct bin *b)
{
    int64_t *sum = arg;
    sum[0]++;
    sum[1] += index * 1000 + b->buy;
}

Test(profile, dirty_bins_are_those_touched_since_marked_clean)
{
    struct profile *p = profile_new(1);
    int64_t sum[2] = {0, 0};
    add(p, 5, 1);
    add(p, 2000, 2);
    profile_mark_clean(p);
    add(p, 2000, 3);
    add(p, 2000, 1);
    profile_dirty(p, collect, sum);
    cr_expect_eq(sum[0], 1);
    cr_expect_eq(sum[1], 2000 * 1000 + 6);
    profile_mark_clean(p);
    sum[0] = sum[1] = 0;
    profile_dirty(p, collect, sum);
    cr_expect_eq(sum[0], 0);
    profile_mark_all_dirty(p);
    profile_dirty(p, collect, sum);
    cr_expect_eq(sum[0], 2);
    profile_free(p);
}

Test(profile, set_restores_a_bin_and_the_poc_follows)
{
    struct profile *p = profile_new(1);
    int64_t poc;
    int64_t sum[2] = {0, 0};
    cr_assert_eq(profile_set(p, 9, (struct bin){5, 5, 2}), 0);
    cr_assert_eq(profile_set(p, 3, (struct bin){2, 6, 2}), 0);
    cr_assert(profile_poc(p, &poc));
    cr_expect_eq(poc, 9);
    cr_assert_eq(profile_set(p, 9, (struct bin){1, 1, 2}), 0);
    cr_assert(profile_poc(p, &poc));
    cr_expect_eq(poc, 3);
    cr_expect_eq(profile_bins(p), 2);
    profile_dirty(p, collect, sum);
    cr_expect_eq(sum[0], 0, "what was restored is stored already");
    cr_expect_eq(profile_set(p, 1, (struct bin){1, 1, 0}), ERR_RANGE);
    cr_expect_eq(profile_set(p, 1, (struct bin){0, 0, 1}), ERR_RANGE);
    cr_expect_eq(profile_set(p, 1, (struct bin){-1, 2, 1}), ERR_RANGE);
    cr_expect_eq(profile_set(p, -1, (struct bin){1, 2, 1}), ERR_RANGE);
    cr_expect_eq(profile_set(p, 1, (struct bin){INT64_MAX, 1, 1}), ERR_RANGE);
    cr_expect_eq(profile_bins(p), 2);
    profile_free(p);
}

Test(profile, a_bin_that_would_overflow_and_a_page_too_many_change_nothing)
{
    struct profile *p = profile_new(1);
    int64_t poc;
    add(p, 1, INT64_MAX - 1);
    cr_expect_eq(profile_add(p, 1, 2, false), ERR_OVERFLOW);
    cr_expect_eq(profile_get(p, 1).sell, 0);
    cr_expect_eq(profile_get(p, 1).trades, 1);
    for (int64_t i = 1; i < PROFILE_MAX_PAGES; i++) {
        add(p, i * INT64_C(1000003), 1);
    }
    cr_expect_eq(profile_add(p, INT64_C(1) << 60, 1, true), ERR_LIMIT);
    cr_expect_eq(profile_bins(p), PROFILE_MAX_PAGES);
    add(p, 1000003, 1); // pages that are there go on counting
    cr_assert(profile_poc(p, &poc));
    cr_expect_eq(poc, 1);
    profile_clear(p, 3);
    cr_expect_eq(profile_bins(p), 0);
    cr_expect_eq(profile_bin_ticks(p), 3);
    add(p, 7, 1);
    cr_expect_eq(profile_get(p, 2).trades, 1);
    profile_free(p);
}

#include "common/market/binvol.h"

#include <criterion/criterion.h>
#include <stdlib.h>

#include "tests/support/market_ref.h"

Test(binvol, agrees_with_a_plain_sum_also_where_bins_collide)
{
    enum { BINS = 1500 };
    struct rng r = {12};
    struct binvol v = {0};
    for (int k = 0; k < 60; k++) {
        int64_t index[BINS];
        int64_t volume[BINS] = {0};
        // Neighbours, or strides that meet in one place of a small table.
        int64_t stride = k % 3 == 0 ? 1 : k % 3 == 1 ? 512 : INT64_C(1) << (10 + k % 40);
        int64_t bins = 1 + rng_below(&r, BINS);
        for (int64_t i = 0; i < bins; i++) {
            index[i] = i * stride;
        }
        binvol_clear(&v);
        int64_t poc = -1;
        for (int i = 0; i < 4000; i++) {
            int64_t at = rng_below(&r, bins);
            int64_t qty = 1 + rng_below(&r, 20);
            volume[at] += qty;
            binvol_add(&v, index[at], qty);
        }
        for (int64_t i = 0; i < bins; i++) {
            poc = poc < 0 || volume[i] > volume[poc] ? i : poc;
        }
        cr_assert_eq(v.poc, index[poc], "round %d", k);
        cr_assert_eq(v.poc_volume, volume[poc]);
        cr_assert_leq(2 * v.n, v.mask + 1);
    }
    binvol_release(&v);
}

Test(binvol, a_table_that_a_wild_candle_made_large_is_not_kept)
{
    struct binvol v = {0};
    binvol_clear(&v);
    for (int64_t i = 0; i < 100000; i++) {
        binvol_add(&v, i * 7919, 1);
    }
    cr_expect_eq(v.n, 100000);
    cr_expect_eq(v.poc, 0);
    binvol_clear(&v);
    cr_expect_leq(v.mask, 1023);
    binvol_add(&v, 5, 1);
    cr_expect_eq(v.poc, 5);
    binvol_release(&v);
}

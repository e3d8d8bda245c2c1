#include "services/collector/core/vclock.h"

#include <criterion/criterion.h>

#include "services/collector/core/hist.h"

#define NOW INT64_C(1723161256000000)

static int64_t offset(int64_t o1, int64_t o2, int64_t o3, int64_t round_us, bool *steady)
{
    struct vclock c;
    vclock_clear(&c);
    const int64_t o[] = {o1, o2, o3};
    for (int i = 0; i < 3; i++) {
        const int64_t sent = NOW + i * 100000;
        cr_expect_eq(vclock_add(&c, sent, sent + round_us, (sent + round_us / 2) / 1000 + o[i]),
                     i == 2);
    }
    return vclock_offset_ms(&c, steady);
}

Test(vclock, the_offset_is_the_median_of_three)
{
    bool steady;
    cr_expect_eq(offset(5, 9, 7, 20000, &steady), 7);
    cr_expect(steady);
    cr_expect_eq(offset(-1300, -1310, -1290, 20000, &steady), -1300);
    cr_expect(steady);
    cr_expect_eq(offset(0, 0, 0, 0, &steady), 0);
}

Test(vclock, samples_may_differ_by_their_round_trips_and_no_more)
{
    bool steady;
    offset(0, 50, 0, 20000, &steady); // 10 + 15 ms each
    cr_expect(steady);
    offset(0, 52, 0, 20000, &steady);
    cr_expect_not(steady);
    offset(0, 52, 0, 40000, &steady);
    cr_expect(steady);
}

Test(vclock, a_clock_at_ten_times_the_speed_or_standing_still_is_not_steady)
{
    bool steady;
    offset(0, 900, 1800, 2000, &steady);
    cr_expect_not(steady);
    offset(0, -100, -200, 2000, &steady);
    cr_expect_not(steady);
}

Test(vclock, two_samples_prove_nothing)
{
    struct vclock c;
    bool steady;
    vclock_clear(&c);
    cr_expect_eq(vclock_offset_ms(&c, &steady), 0);
    cr_expect_not(steady);
    vclock_add(&c, NOW, NOW, NOW / 1000);
    vclock_offset_ms(&c, &steady);
    cr_expect_not(steady);
}

// ---- histogram ---------------------------------------------------------------------------------

Test(hist, percentiles_are_within_an_eighth)
{
    struct hist h;
    hist_init(&h, 0);
    for (int64_t v = 1; v <= 10000; v++) {
        hist_add(&h, v, 1);
    }
    int has = 0;
    const int64_t p50 = hist_percentile(&h, 50, &has), p99 = hist_percentile(&h, 99, NULL);
    cr_expect(has);
    cr_expect(p50 >= 5000 && p50 <= 5625, "%lld", (long long)p50);
    cr_expect(p99 >= 9900 && p99 <= 11200, "%lld", (long long)p99);
    cr_expect_eq(h.count, 10000);
    cr_expect_eq(h.sum, 50005000);
}

Test(hist, negative_values_are_values)
{
    struct hist h;
    hist_init(&h, 0);
    for (int64_t v = -1300; v < -1200; v++) {
        hist_add(&h, v, 1);
    }
    const int64_t p50 = hist_percentile(&h, 50, NULL);
    cr_expect(p50 <= -1100 && p50 >= -1300, "%lld", (long long)p50);
    cr_expect_eq(hist_count_up_to(&h, -1), 100);
    cr_expect_eq(hist_count_up_to(&h, -2000), 0);
}

Test(hist, small_values_and_borders_are_exact)
{
    struct hist h;
    hist_init(&h, 0);
    for (int64_t v = -3; v <= 7; v++) {
        hist_add(&h, v, 1);
    }
    for (int64_t v = -3; v <= 7; v++) {
        cr_expect_eq(hist_count_up_to(&h, v), (uint64_t)(v + 4), "%lld", (long long)v);
    }
    hist_add(&h, 63, 5);
    hist_add(&h, 64, 5);
    cr_expect_eq(hist_count_up_to(&h, 63), 16);
    cr_expect_eq(hist_count_up_to(&h, -1025), 0);
    hist_add(&h, -1025, 1);
    hist_add(&h, -1024, 1);
    cr_expect_eq(hist_count_up_to(&h, -1025), 1);
}

Test(hist, old_values_leave_the_percentiles_and_stay_in_the_totals)
{
    struct hist h;
    int has = 1;
    hist_init(&h, 0);
    hist_add(&h, 5, 1);
    hist_tick(&h, 59999);
    hist_tick(&h, 60000);
    hist_percentile(&h, 50, &has);
    cr_expect(has);
    hist_tick(&h, 120000);
    hist_percentile(&h, 50, &has);
    cr_expect_not(has);
    cr_expect_eq(h.count, 1);
    hist_add(&h, INT64_MAX / 4, 1); // beyond the last bucket: counted in it
    cr_expect_gt(hist_percentile(&h, 50, NULL), 1000000);
}

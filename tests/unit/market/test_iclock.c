#include "common/market/iclock.h"

#include <criterion/criterion.h>

Test(iclock, knows_nothing_before_the_first_stamp)
{
    struct iclock c;
    iclock_init(&c);
    cr_expect_eq(iclock_now(&c, 12345), -1);
    iclock_seen(&c, 1000, 50);
    cr_expect_eq(iclock_now(&c, 50), 1000);
}

Test(iclock, runs_with_the_monotonic_clock_and_never_back)
{
    struct iclock c;
    iclock_init(&c);
    iclock_seen(&c, 1000, 50);
    cr_expect_eq(iclock_now(&c, 90), 1040);
    cr_expect_eq(iclock_now(&c, 60), 1040, "an earlier reading");
    iclock_seen(&c, 1010, 95); // newer than the newest stamp, but behind what was shown
    cr_expect_eq(iclock_now(&c, 95), 1040);
    cr_expect_eq(iclock_now(&c, 130), 1045);
    iclock_seen(&c, 900, 131); // older: another stream that lags
    cr_expect_eq(iclock_now(&c, 131), 1046);
    iclock_seen(&c, 5000, 131);
    cr_expect_eq(iclock_now(&c, 131), 5000);
}

Test(iclock, survives_clocks_that_make_no_sense)
{
    struct iclock c;
    iclock_init(&c);
    iclock_seen(&c, 1000, INT64_MAX);
    cr_expect_eq(iclock_now(&c, INT64_MIN), 1000);
    iclock_init(&c);
    iclock_seen(&c, INT64_MAX - 1, 0);
    cr_expect_eq(iclock_now(&c, 100), INT64_MAX - 1);
}

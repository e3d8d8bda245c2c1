#include "services/collector/core/record_rules.h"

#include <criterion/criterion.h>

#include "common/base/clock.h"

#define HOUR INT64_C(3600000)
#define DAY (INT64_C(20000) * MS_PER_DAY)

Test(record_rules, files_change_on_the_hour_and_at_midnight)
{
    cr_expect_eq(record_slot(DAY + HOUR - 1, HOUR), DAY);
    cr_expect_eq(record_slot(DAY + HOUR, HOUR), DAY + HOUR);
    // A period that does not divide the day begins anew with it.
    cr_expect_eq(record_slot(DAY + 23 * HOUR, 7 * HOUR), DAY + 21 * HOUR);
    cr_expect_eq(record_slot(DAY + MS_PER_DAY, 7 * HOUR), DAY + MS_PER_DAY);
    cr_expect(record_ends(DAY + HOUR - 1, 0, DAY + HOUR, HOUR, 1000));
    cr_expect_not(record_ends(DAY, 999, DAY + HOUR - 1, HOUR, 1000));
    cr_expect(record_ends(DAY, 1000, DAY, HOUR, 1000));
    // A clock that was set back does not end a file.
    cr_expect_not(record_ends(DAY + HOUR, 0, DAY + HOUR - 1, HOUR, 1000));
}

Test(record_rules, files_being_written_are_a_quarter_of_all_at_most)
{
    for (size_t n = 1; n < 40; n++) {
        cr_expect_leq(n * record_file_limit(UINT64_C(1) << 30, n), (UINT64_C(1) << 30) / 4);
    }
    cr_expect_gt(record_file_limit(0, 1), 0);
}

Test(record_rules, the_oldest_go_until_there_is_room)
{
    struct record_file f[] = {{.start_ms = 3, .bytes = 100, .name = 0},
                              {.start_ms = 1, .bytes = 100, .name = 1},
                              {.start_ms = 2, .bytes = 100, .name = 2}};
    bool fits;
    cr_expect_eq(record_victims(f, 3, 300, 0, &fits), 0);
    cr_expect(fits);
    cr_expect_eq(record_victims(f, 3, 300, 1, &fits), 1);
    cr_expect(fits);
    cr_expect_eq(f[0].name, 1, "the oldest first");
    cr_expect_eq(f[1].name, 2);
    cr_expect_eq(record_victims(f, 3, 300, 250, &fits), 3);
    cr_expect(fits);
    cr_expect_eq(record_victims(f, 3, 300, 301, &fits), 3);
    cr_expect_not(fits, "more than may be kept at all");
    cr_expect_eq(record_victims(f, 0, 300, 1, &fits), 0);
    cr_expect(fits);
}

Test(record_rules, a_file_being_written_stays)
{
    struct record_file f[] = {{.start_ms = 1, .bytes = 100, .held = true},
                              {.start_ms = 2, .bytes = 100, .name = 1}};
    bool fits;
    cr_expect_eq(record_victims(f, 2, 200, 10, &fits), 2);
    cr_expect(fits, "the younger one went");
    cr_expect_eq(record_victims(f, 2, 200, 150, &fits), 2);
    cr_expect_not(fits);
}

Test(record_rules, a_reserve_is_made_so_that_not_every_line_deletes)
{
    struct record_file f[64];
    bool fits;
    for (size_t i = 0; i < 64; i++) {
        f[i] = (struct record_file){.start_ms = (int64_t)i, .bytes = 10, .name = i};
    }
    cr_expect_eq(record_victims(f, 64, 640, 1, &fits), 3); // 641 - 30 <= 640 - 20
    cr_expect(fits);
}

#include "common/base/clock.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

Test(clock, days_begin_at_midnight_utc)
{
    static const struct {
        int64_t ts, start;
    } rows[] = {{0, 0},
                {1, 0},
                {MS_PER_DAY - 1, 0},
                {MS_PER_DAY, MS_PER_DAY},
                {-1, -MS_PER_DAY},
                {-MS_PER_DAY, -MS_PER_DAY},
                {-MS_PER_DAY - 1, -2 * MS_PER_DAY},
                {INT64_C(1723075200000), INT64_C(1723075200000)},
                {INT64_C(1723161599999), INT64_C(1723075200000)},
                {INT64_MIN, INT64_MIN}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        cr_expect_eq(day_start_ms(rows[i].ts), rows[i].start, "row %zu", i);
    }
    cr_expect(day_start_ms(INT64_MAX) <= INT64_MAX - 1);
}

Test(clock, iso_text)
{
    static const struct {
        int64_t ts;
        const char *text;
    } rows[] = {{0, "1970-01-01T00:00:00.000+00:00"},
                {-1, "1969-12-31T23:59:59.999+00:00"},
                {INT64_C(1723075199123), "2024-08-07T23:59:59.123+00:00"},
                {INT64_C(951782400000), "2000-02-29T00:00:00.000+00:00"},
                {INT64_C(4107542399999), "2100-02-28T23:59:59.999+00:00"},
                {INT64_C(4107542400000), "2100-03-01T00:00:00.000+00:00"},
                {INT64_MAX, "9999-12-31T23:59:59.999+00:00"},
                {INT64_MIN, "0000-01-01T00:00:00.000+00:00"}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char out[32];
        char day[16];
        iso_ms(rows[i].ts, out);
        cr_expect_str_eq(out, rows[i].text);
        iso_day(rows[i].ts, day);
        cr_expect(strlen(day) == 10 && memcmp(day, rows[i].text, 10) == 0, "%s", day);
    }
}

Test(clock, every_day_of_four_centuries_comes_back)
{
    static const int month_days[12] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    int64_t ms = INT64_C(-11676096000000); // 1600-01-01
    for (int year = 1600; year < 2001; year++) {
        bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
        for (int month = 1; month <= 12; month++) {
            int days = month_days[month - 1] + (leap && month == 2);
            for (int day = 1; day <= days; day++, ms += MS_PER_DAY) {
                char want[64];
                char got[16];
                snprintf(want, sizeof want, "%04d-%02d-%02d", year, month, day);
                iso_day(ms, got);
                cr_assert_str_eq(got, want);
                int64_t back = -1;
                cr_assert_eq(parse_day(got, 10, &back), 0);
                cr_assert_eq(back, ms);
            }
        }
    }
}

Test(clock, only_real_days_are_parsed)
{
    static const char *const bad[] = {"",           "2026-11-2",  "2026-11-222", "2026-13-01",
                                      "2026-00-01", "2026-01-00", "2026-01-32",  "2026-02-29",
                                      "2026-04-31", "2100-02-29", "2026/01/01",  "26-01-01--",
                                      "2026-1a-01", " 026-01-01", "2026-01-1 ",  "+026-01-01"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        int64_t ms;
        cr_expect_eq(parse_day(bad[i], strlen(bad[i]), &ms), -1, "\"%s\"", bad[i]);
    }
    int64_t ms;
    cr_expect_eq(parse_day("2024-02-29", 10, &ms), 0);
    cr_expect_eq(ms, INT64_C(1709164800000));
}

Test(clock, a_test_moves_the_fake_clock)
{
    struct fake_clock f = {.wall_us = 5, .mono_ms = 7};
    struct clock c = clock_fake(&f);
    cr_expect(c.wall_us(c.arg) == 5 && c.mono_ms(c.arg) == 7);
    f.wall_us++;
    f.mono_ms++;
    cr_expect(c.wall_us(c.arg) == 6 && c.mono_ms(c.arg) == 8);
}

Test(clock, the_system_clock_does_not_run_backwards)
{
    struct clock c = clock_system();
    int64_t a = c.mono_ms(c.arg);
    cr_expect(c.mono_ms(c.arg) >= a);
    cr_expect(c.wall_us(c.arg) > INT64_C(1700000000000000));
}

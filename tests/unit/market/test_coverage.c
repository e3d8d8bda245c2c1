#include "common/market/coverage.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "common/base/clock.h"

#define DAY INT64_C(1795132800000)

// Held ids as "lo-hi@tlo-thi,.." with times counted from DAY; the list of spans as text.
static void expect(const char *ids, int64_t judged_ms, const char *want, int64_t missing,
                   size_t holes)
{
    struct idset s;
    struct coverage c;
    char got[2048] = "";
    idset_init(&s, 100);
    coverage_init(&c);
    long long lo;
    long long hi;
    long long from;
    long long to;
    int used;
    for (const char *p = ids; sscanf(p, "%lld-%lld@%lld..%lld%n", &lo, &hi, &from, &to, &used) == 4;
         p += used + (p[used] == ',')) {
        idset_add_range(&s, lo, hi, DAY + from, DAY + to);
    }
    coverage_compute(&c, &s, DAY, DAY + judged_ms);
    int64_t at = DAY;
    for (size_t i = 0; i < c.n; i++) {
        size_t n = strlen(got);
        const struct cover_span *v = &c.span[i];
        cr_assert_eq(v->from_ms, at, "spans touch");
        cr_assert_lt(v->from_ms, v->to_ms);
        at = v->to_ms;
        if (v->state == COVER_MISSING) {
            snprintf(got + n, sizeof got - n, "%s-%lld..%lld(%lld..%lld)", n ? " " : "",
                     (long long)(v->from_ms - DAY), (long long)(v->to_ms - DAY),
                     (long long)v->from_id, (long long)v->to_id);
        } else {
            cr_assert_eq(v->state, COVER_COMPLETE);
            cr_assert(v->from_id == -1 && v->to_id == -1);
            snprintf(got + n, sizeof got - n, "%s+%lld..%lld", n ? " " : "",
                     (long long)(v->from_ms - DAY), (long long)(v->to_ms - DAY));
        }
    }
    cr_expect_str_eq(got, want, "for %s", ids);
    cr_expect_eq(c.missing_ms, missing, "for %s: %lld", ids, (long long)c.missing_ms);
    cr_expect_eq(c.holes, holes);
    cr_expect_eq(coverage_missing_between(&c, INT64_MIN, INT64_MAX), missing);
    coverage_release(&c);
    idset_release(&s);
}

Test(coverage, before_the_first_provable_trade_is_missing)
{
    expect("10-20@100..200", 200, "-0..100(-1..9) +100..200", 100, 1);
    expect("10-20@0..200", 200, "+0..200", 0, 0);
    expect("10-20@-5..200", 200, "+0..200", 0, 0);
    expect("10-20@-5..-1", 300, "+0..300", 0, 0);
    expect("0-20@100..200", 200, "-0..100(-1..-1) +100..200", 100, 1);
    expect("", 300, "-0..300(-1..-1)", 300, 1);
    expect("10-20@100..200", 0, "", 0, 0);
    expect("10-20@100..200", -5, "", 0, 0);
}

Test(coverage, a_hole_lies_between_the_trades_around_it)
{
    expect("1-5@-9..50,8-9@70..90", 90, "+0..50 -50..70(6..7) +70..90", 20, 1);
    expect("1-5@-9..50,8-9@50..90", 90, "+0..50 -50..51(6..7) +51..90", 1, 1);
    expect("1-5@-9..50,8-9@40..90", 90, "+0..50 -50..51(6..7) +51..90", 1, 1);
    expect("1-5@-9..50,7-7@60..60,9-12@80..90", 90, "+0..50 -50..60(6..6) -60..80(8..8) +80..90",
           30, 2);
}

Test(coverage, a_hole_across_midnight_is_split_between_the_days)
{
    expect("1-5@-100..-40,8-9@70..90", 90, "-0..70(6..7) +70..90", 70, 1);
    expect("1-5@-100..86399990,8-9@86400020..86400090", MS_PER_DAY,
           "+0..86399990 -86399990..86400000(6..7)", 10, 1);
    expect("1-5@-100..86399990,8-9@86400020..86400090", 3 * MS_PER_DAY,
           "+0..86399990 -86399990..86400000(6..7)", 10, 1);
}

Test(coverage, times_that_run_back_overlap_and_are_merged)
{
    // Hole 6 is [50, 80), hole 10 [60, 61), hole 20 [40, 45).
    expect("1-5@-9..50,7-9@80..60,11-19@58..40,21-30@45..90", 90,
           "+0..40 -40..45(20..20) +45..50 -50..80(6..10) +80..90", 35, 2);
}

Test(coverage, nothing_is_judged_behind_the_newest_trade)
{
    expect("1-5@-9..50,8-9@70..90", 60, "+0..50 -50..60(6..7)", 10, 1);
    expect("1-5@-9..50,8-9@70..90", 50, "+0..50", 0, 0);
}

Test(coverage, fraction_is_rounded_half_even)
{
    static const struct {
        int64_t judged, missing, want;
    } row[] = {
        {1, 0, 100000000},
        {1, 1, 0},
        {3, 1, 66666667},
        {3, 2, 33333333},
        {0, 0, -1},
        {7, 1, 85714286},
        {86400000, 1, 99999999},
        {86400000, 43200000, 50000000},
        // exactly half a unit: to the even one
        {16000000, 2, 99999988}, // .999999875
        {16000000, 6, 99999962}, // .999999625
    };
    for (size_t i = 0; i < sizeof row / sizeof row[0]; i++) {
        struct coverage c = {
            .day_ms = DAY, .judged_end_ms = DAY + row[i].judged, .missing_ms = row[i].missing};
        cr_expect_eq(coverage_fraction_e8(&c), row[i].want, "%lld of %lld gave %lld",
                     (long long)row[i].missing, (long long)row[i].judged,
                     (long long)coverage_fraction_e8(&c));
    }
}

Test(coverage, missing_between_counts_only_the_part_inside)
{
    struct idset s;
    struct coverage c;
    idset_init(&s, 10);
    coverage_init(&c);
    idset_add_range(&s, 1, 2, DAY - 5, DAY + 100);
    idset_add_range(&s, 4, 5, DAY + 200, DAY + 300);
    coverage_compute(&c, &s, DAY, DAY + 300);
    cr_expect_eq(coverage_missing_between(&c, DAY, DAY + 100), 0);
    cr_expect_eq(coverage_missing_between(&c, DAY, DAY + 101), 1);
    cr_expect_eq(coverage_missing_between(&c, DAY + 150, DAY + 160), 10);
    cr_expect_eq(coverage_missing_between(&c, DAY + 199, DAY + 300), 1);
    cr_expect_eq(coverage_missing_between(&c, DAY + 160, DAY + 150), 0);
    coverage_release(&c);
    idset_release(&s);
}

Test(coverage, states_have_names)
{
    cr_expect_str_eq(cover_state_name(COVER_COMPLETE), "complete");
    cr_expect_str_eq(cover_state_name(COVER_REPAIRED), "repaired");
    cr_expect_str_eq(cover_state_name(COVER_PARTIAL), "partial");
    cr_expect_str_eq(cover_state_name(COVER_MISSING), "missing");
}

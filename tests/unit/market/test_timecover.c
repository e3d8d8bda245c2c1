// Intervals of milliseconds, and what gaps and claims make of a day.

#include "common/market/timecover.h"

#include <criterion/criterion.h>
#include <string.h>

#include "tests/support/market_ref.h"

static char *text_of(const struct spanset *s)
{
    static char text[512];
    struct buf b;
    buf_init(&b, 4096);
    spanset_format(s, &b);
    cr_assert(str_copyn(text, sizeof text, buf_ptr(&b), buf_len(&b)));
    buf_release(&b);
    return text;
}

Test(spanset, agrees_with_a_painted_line)
{
    enum { LEN = 300 };
    struct rng r = {99};
    for (int round = 0; round < 200; round++) {
        struct spanset s;
        bool line[LEN] = {false};
        spanset_init(&s, SIZE_MAX, true);
        for (int k = 0; k < 30; k++) {
            int64_t from = rng_below(&r, LEN);
            int64_t to = from + rng_below(&r, LEN - from);
            bool add = rng_below(&r, 3) > 0;
            if (add) {
                spanset_add(&s, from, to);
            } else {
                spanset_cut(&s, from, to);
            }
            for (int64_t i = from; i < to; i++) {
                line[i] = add;
            }
        }
        for (size_t i = 0; i < s.n; i++) {
            cr_assert_lt(s.v[i].from_ms, s.v[i].to_ms);
            cr_assert(i == 0 || s.v[i - 1].to_ms < s.v[i].from_ms);
        }
        for (int64_t i = 0; i < LEN; i++) {
            cr_assert_eq(spanset_has(&s, i), line[i], "round %d at %lld", round, (long long)i);
        }
        spanset_release(&s);
    }
}

Test(spanset, is_bounded_the_way_it_was_told)
{
    struct spanset wide;
    struct spanset narrow;
    spanset_init(&wide, 3, true);
    spanset_init(&narrow, 3, false);
    for (int64_t i = 1; i <= 5; i++) {
        spanset_add(&wide, 10 * i, 10 * i + 2);
        spanset_add(&narrow, 10 * i, 10 * i + 2);
    }
    cr_expect_str_eq(text_of(&wide), "10-32,40-42,50-52");
    cr_expect_str_eq(text_of(&narrow), "30-32,40-42,50-52");
    spanset_prune(&wide, 42);
    cr_expect_str_eq(text_of(&wide), "50-52");
    spanset_release(&wide);
    spanset_release(&narrow);
}

Test(spanset, text_is_read_strictly)
{
    static const char *const bad[] = {"1",       "1-",      "5-5",       "6-5",     "1-2,", ",1-2",
                                      "1-2,2-3", "3-4,1-2", "1-2,3-4,x", "1-2 3-4", "a-b"};
    struct spanset s;
    spanset_init(&s, 3, true);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        cr_expect_lt(spanset_parse(&s, bad[i], strlen(bad[i])), 0, "%s", bad[i]);
        cr_expect_eq(s.n, 0);
    }
    cr_expect_lt(spanset_parse(&s, "1-2,3-4,5-6,7-8", 15), 0, "more than allowed");
    cr_assert_eq(spanset_parse(&s, "1-2,3-4,9-12", 12), 0);
    cr_expect_str_eq(text_of(&s), "1-2,3-4,9-12");
    cr_expect_eq(spanset_parse(&s, "", 0), 0);
    spanset_release(&s);
}

static const char *holes(const struct timecover *c, int64_t from, int64_t to)
{
    struct spanset s;
    spanset_init(&s, SIZE_MAX, true);
    timecover_holes(c, from, to, &s);
    const char *text = text_of(&s);
    spanset_release(&s);
    return text;
}

Test(timecover, claims_win_over_gaps_in_any_order)
{
    for (int order = 0; order < 2; order++) {
        struct timecover c;
        timecover_init(&c, 100);
        cr_expect_str_eq(holes(&c, 0, 1000), "0-1000", "nothing is known");
        timecover_seen(&c, 300);
        timecover_seen(&c, 400);
        cr_expect_str_eq(holes(&c, 0, 1000), "0-300");
        for (int i = 0; i < 2; i++) {
            if (i == order) {
                timecover_gap(&c, 500, 600);
                timecover_gap(&c, 700, 700); // that millisecond
            } else {
                timecover_claim(&c, 520, 610);
                timecover_claim(&c, 100, 200);
                timecover_claim(&c, 900, 900); // nothing
            }
        }
        cr_expect_str_eq(holes(&c, 0, 1000), "0-100,200-300,500-520,700-701");
        cr_expect_str_eq(holes(&c, 510, 515), "510-515");
        timecover_refused(&c, 150);
        timecover_refused(&c, 160);
        cr_expect_str_eq(holes(&c, 0, 400), "0-100,150-161,200-300", "no claim hides a refusal");
        timecover_release(&c);
    }
}

Test(timecover, comes_back_from_its_text)
{
    struct timecover c;
    struct timecover d;
    struct buf b;
    timecover_init(&c, 100);
    timecover_init(&d, 100);
    buf_init(&b, 4096);
    timecover_format(&c, &b);
    cr_expect_str_eq(buf_cstr(&b), "");
    cr_assert_eq(timecover_parse(&d, "", 0), 0);
    timecover_seen(&c, 300);
    timecover_gap(&c, 500, 600);
    timecover_gap(&c, 700, 800);
    timecover_claim(&c, 520, 610);
    timecover_refused(&c, 900);
    timecover_format(&c, &b);
    cr_expect_str_eq(buf_cstr(&b), "since=300;gaps=500-600,700-800;claims=520-610;full=900-901");
    cr_assert_eq(timecover_parse(&d, buf_ptr(&b), buf_len(&b)), 0);
    cr_expect_str_eq(holes(&d, 0, 1000), "0-300,500-520,700-800,900-901");
    timecover_prune(&d, 610);
    buf_clear(&b);
    timecover_format(&d, &b);
    cr_expect_str_eq(buf_cstr(&b), "since=300;gaps=700-800;full=900-901");
    static const char *const bad[] = {"since", "since=x", "holes=1-2", "gaps=1",
                                      "since=1;;gaps=1-2"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        cr_expect_lt(timecover_parse(&d, bad[i], strlen(bad[i])), 0, "%s", bad[i]);
        cr_expect_str_eq(holes(&d, 0, 10), "0-10", "nothing is believed");
    }
    buf_release(&b);
    timecover_release(&c);
    timecover_release(&d);
}

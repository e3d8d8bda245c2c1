#include "common/market/idset.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/market_ref.h"

static void check_shape(const struct idset *s)
{
    for (size_t i = 0; i < s->n; i++) {
        cr_assert_leq(s->span[i].lo, s->span[i].hi);
        cr_assert(i == 0 || s->span[i - 1].hi + 1 < s->span[i].lo);
    }
    cr_assert_leq(s->n, s->max);
}

static char *text(const struct idset *s)
{
    struct buf b;
    buf_init(&b, 1 << 24);
    idset_format(s, &b);
    char *out = strdup(buf_cstr(&b));
    cr_assert_not(b.failed);
    buf_release(&b);
    return out;
}

static void expect_text(const struct idset *s, const char *want)
{
    char *got = text(s);
    cr_expect_str_eq(got, want);
    free(got);
}

Test(idset, joins_neighbours_and_keeps_the_times_of_the_ends)
{
    struct idset s;
    idset_init(&s, 100);
    cr_expect(idset_add(&s, 100, 1000));
    cr_expect(idset_add(&s, 101, 1001));
    cr_expect(idset_add_next(&s, 102, 1002));
    cr_expect_not(idset_add_next(&s, 104, 1004));
    cr_expect(idset_add(&s, 104, 1004));
    expect_text(&s, "100-102@1000-1002,104-104@1004-1004");
    cr_expect_not(idset_add(&s, 101, 5), "held");
    cr_expect(idset_add(&s, 99, 990));
    cr_expect(idset_add(&s, 103, 1003));
    expect_text(&s, "99-104@990-1004");
    cr_expect_eq(idset_max(&s), 104);
    cr_expect(idset_has(&s, 99) && idset_has(&s, 104));
    cr_expect_not(idset_has(&s, 98) || idset_has(&s, 105));
    idset_release(&s);
}

Test(idset, any_order_gives_the_same_text_and_agrees_with_a_bitmap)
{
    enum { IDS = 400 };
    struct rng r = {77};
    for (int k = 0; k < 200; k++) {
        bool held[IDS] = {false};
        struct trade v[IDS];
        size_t n = 0;
        int64_t density = 1 + rng_below(&r, 9);
        for (int i = 0; i < IDS; i++) {
            if (rng_below(&r, 10) < density) {
                held[i] = true;
                v[n++] = (struct trade){.id = i, .ts_ms = 1000 + 3 * i};
            }
        }
        struct idset a;
        struct idset b;
        idset_init(&a, 1000);
        idset_init(&b, 1000);
        for (size_t i = 0; i < n; i++) {
            cr_assert(idset_add(&a, v[i].id, v[i].ts_ms));
        }
        rng_shuffle(&r, v, n);
        for (size_t i = 0; i < n; i++) {
            cr_assert(idset_add(&b, v[i].id, v[i].ts_ms));
            cr_assert_not(idset_add(&b, v[(size_t)rng_below(&r, (int64_t)i + 1)].id, 1));
            check_shape(&b);
        }
        for (int i = 0; i < IDS; i++) {
            cr_assert_eq(idset_has(&b, i), held[i]);
        }
        char *want = text(&a);
        expect_text(&b, want);
        cr_assert_eq(idset_parse(&b, want, strlen(want)), 0);
        expect_text(&b, want);
        free(want);
        idset_release(&a);
        idset_release(&b);
    }
}

Test(idset, ranges_and_removals_agree_with_a_bitmap)
{
    enum { IDS = 200 };
    struct rng r = {78};
    for (int k = 0; k < 300; k++) {
        bool held[IDS] = {false};
        struct idset s;
        idset_init(&s, 1000);
        for (int step = 0; step < 60; step++) {
            int64_t lo = rng_below(&r, IDS);
            int64_t hi = lo + rng_below(&r, IDS - lo < 20 ? IDS - lo : 20);
            if (rng_below(&r, 3)) {
                int64_t fresh = 0;
                for (int64_t i = lo; i <= hi; i++) {
                    fresh += !held[i];
                    held[i] = true;
                }
                cr_assert_eq(idset_add_range(&s, lo, hi, lo * 10, hi * 10), fresh);
            } else {
                cr_assert_eq(idset_remove(&s, lo, lo * 10), held[lo]);
                held[lo] = false;
            }
            check_shape(&s);
            for (int i = 0; i < IDS; i++) {
                cr_assert_eq(idset_has(&s, i), held[i]);
            }
        }
        // An end that was not cut by a removal has the time it was added with.
        for (size_t i = 0; i < s.n; i++) {
            cr_assert(llabs(s.span[i].t_lo - s.span[i].lo * 10) <= 10);
            cr_assert(llabs(s.span[i].t_hi - s.span[i].hi * 10) <= 10);
        }
        idset_release(&s);
    }
}

Test(idset, a_removal_splits)
{
    struct idset s;
    idset_init(&s, 10);
    idset_add_range(&s, 10, 20, 100, 200);
    cr_expect(idset_remove(&s, 15, 150));
    expect_text(&s, "10-14@100-150,16-20@150-200");
    cr_expect_not(idset_remove(&s, 15, 150));
    cr_expect(idset_remove(&s, 10, 100));
    cr_expect(idset_remove(&s, 20, 200));
    expect_text(&s, "11-14@100-150,16-19@150-200");
    idset_release(&s);
}

Test(idset, ids_that_are_no_ids_are_refused)
{
    struct idset s;
    idset_init(&s, 10);
    cr_expect_not(idset_add(&s, -1, 5));
    cr_expect_not(idset_add(&s, INT64_MAX, 5));
    cr_expect(idset_add(&s, INT64_MAX - 1, 5));
    cr_expect_not(idset_add(&s, INT64_MAX, 5), "not behind the largest either");
    cr_expect_eq(idset_add_range(&s, 5, 4, 0, 0), 0);
    cr_expect_eq(idset_add_range(&s, -5, 4, 0, 0), 0);
    cr_expect_eq(idset_add_range(&s, 0, INT64_MAX, 0, 0), 0);
    cr_expect_eq(idset_add_range(&s, 0, INT64_MAX - 1, 0, 0), INT64_MAX - 1);
    cr_expect_eq(s.n, 1);
    idset_release(&s);
}

Test(idset, the_bound_forgets_the_oldest_interval_but_nothing_counts_twice)
{
    struct idset s;
    idset_init(&s, 3);
    for (int64_t id = 10; id <= 40; id += 10) {
        cr_expect(idset_add(&s, id, id));
    }
    expect_text(&s, "^10,20-20@20-20,30-30@30-30,40-40@40-40");
    cr_expect_eq(s.collapsed, 1);
    cr_expect_not(idset_add(&s, 10, 10));
    cr_expect_not(idset_add(&s, 5, 5), "below the floor everything is known");
    cr_expect(idset_has(&s, 5));
    cr_expect(idset_add(&s, 11, 11), "new, and at once the oldest");
    cr_expect_not(idset_add(&s, 11, 11));
    cr_expect_eq(idset_add_range(&s, 0, 20, 0, 20), 8, "12..19");
    expect_text(&s, "^11,12-20@0-20,30-30@30-30,40-40@40-40");
    idset_release(&s);
}

Test(idset, prune_keeps_the_newest_of_the_old_intervals)
{
    struct idset s;
    idset_init(&s, 100);
    idset_add_range(&s, 1, 2, 10, 20);
    idset_add_range(&s, 4, 5, 40, 50);
    idset_add_range(&s, 7, 8, 70, 80);
    idset_prune(&s, 50);
    expect_text(&s, "1-2@10-20,4-5@40-50,7-8@70-80");
    idset_prune(&s, 51);
    expect_text(&s, "4-5@40-50,7-8@70-80");
    idset_prune(&s, 1000);
    expect_text(&s, "7-8@70-80");
    idset_release(&s);
}

Test(idset, text_that_is_not_one_is_refused_and_leaves_nothing)
{
    static const char *const bad[] = {
        "1",
        "1-2",
        "1-2@3",
        "1-2@3-",
        "-1-2@3-4",
        "2-1@3-4",
        "1-2@3-4,",
        ",1-2@3-4",
        "1-2@3-4 ",
        "1-2@3-4,3-4@5-6",
        "1-2@x-4",
        "1-2@3-4;",
        "5-6@1-2,1-2@1-2",
        "1-2@3-4,^5",
        "^",
        "^-1",
        "^5,",
        "^5,5-6@1-2",
        "^5,3-4@1-2",
        "1-9223372036854775807@1-2",
        "+1-2@3-4",
        "1-2@3-4,1-2@3-4",
    };
    struct idset s;
    idset_init(&s, 10);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        idset_add(&s, 5, 5);
        cr_expect_lt(idset_parse(&s, bad[i], strlen(bad[i])), 0, "\"%s\"", bad[i]);
        cr_expect(s.n == 0 && s.floor == -1);
    }
    cr_expect_eq(idset_parse(&s, "", 0), 0);
    cr_expect_eq(idset_parse(&s, "^7", 2), 0);
    expect_text(&s, "^7");
    s.max = 1;
    const char *two = "1-2@3-4,6-7@8-9";
    cr_expect_eq(idset_parse(&s, two, strlen(two)), ERR_LIMIT);
    idset_release(&s);
}

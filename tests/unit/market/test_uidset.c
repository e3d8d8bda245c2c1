#include "common/market/uidset.h"

#include <criterion/criterion.h>

#include "tests/support/market_ref.h"

static struct trade_uid name(uint64_t i)
{
    struct rng r = {i * 2 + 1};
    uint64_t hi = rng_next(&r);
    return (struct trade_uid){hi, rng_next(&r) | 1};
}

Test(uidset, holds_what_was_added_and_nothing_else)
{
    enum { N = 200000 };
    struct uidset s;
    uidset_init(&s, SIZE_MAX);
    cr_expect_not(uidset_has(&s, name(0)));
    for (uint64_t i = 0; i < N; i++) {
        cr_assert_eq(uidset_add(&s, name(i)), UIDSET_NEW);
        cr_assert_eq(uidset_add(&s, name(i / 2)), UIDSET_HELD);
    }
    cr_expect_eq(s.n, N);
    for (uint64_t i = 0; i < 2 * N; i++) {
        cr_assert_eq(uidset_has(&s, name(i)), i < N, "%llu", (unsigned long long)i);
    }
    // 16 bytes each, at least half of the slots taken.
    cr_expect_leq(uidset_bytes(&s), N * 16 * 2 + 65536);
    uidset_release(&s);
    cr_expect(s.n == 0 && uidset_bytes(&s) == 0 && !uidset_has(&s, name(1)));
}

Test(uidset, names_that_count_up_do_not_crowd)
{
    enum { N = 100000 };
    struct uidset s;
    uidset_init(&s, SIZE_MAX);
    for (uint64_t i = 1; i <= N; i++) {
        cr_assert_eq(uidset_add(&s, (struct trade_uid){0, i}), UIDSET_NEW);
        cr_assert_eq(uidset_add(&s, (struct trade_uid){i << 40, 0}), UIDSET_NEW);
    }
    size_t largest = 0;
    for (size_t i = 0; i < UIDSET_SEGS; i++) {
        largest = s.seg[i].n > largest ? s.seg[i].n : largest;
    }
    cr_expect_leq(largest, 2 * (2 * N / UIDSET_SEGS));
    uidset_release(&s);
}

Test(uidset, one_more_than_allowed_is_refused_but_what_is_held_is_known)
{
    struct uidset s;
    uidset_init(&s, 3);
    for (uint64_t i = 0; i < 3; i++) {
        cr_assert_eq(uidset_add(&s, name(i)), UIDSET_NEW);
    }
    cr_expect_eq(uidset_add(&s, name(3)), UIDSET_FULL);
    cr_expect_eq(uidset_add(&s, name(1)), UIDSET_HELD);
    cr_expect_not(uidset_has(&s, name(3)));
    uidset_release(&s);
    cr_expect_eq(uidset_add(&s, name(3)), UIDSET_NEW, "empty again, the same limit");
    cr_expect_eq(s.max, 3);
    uidset_release(&s);
}

Test(uidset, the_last_name_can_be_taken_back)
{
    struct uidset s;
    uidset_init(&s, SIZE_MAX);
    for (uint64_t i = 0; i < 5000; i++) {
        cr_assert_eq(uidset_add(&s, name(i)), UIDSET_NEW);
        if (i % 3 == 0) {
            uidset_undo(&s, name(i));
        }
    }
    uidset_undo(&s, name(99999)); // was never there
    for (uint64_t i = 0; i < 5000; i++) {
        cr_assert_eq(uidset_has(&s, name(i)), i % 3 != 0);
    }
    uidset_release(&s);
}

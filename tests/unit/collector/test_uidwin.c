// The window of names against a plain list of what was added.

#include "services/collector/core/uidwin.h"

#include <criterion/criterion.h>

#include "tests/support/rng.h"

static struct trade_uid uid(uint64_t k)
{
    return (struct trade_uid){k * 7 + 1, k};
}

Test(uidwin, a_name_is_known_once_with_its_origin)
{
    struct uidwin w;
    uint32_t origin = 99;
    uidwin_init(&w, 1000, 1 << 16);
    cr_expect_not(uidwin_has(&w, uid(1), NULL));
    uidwin_remove(&w, uid(1));
    cr_expect(uidwin_add(&w, uid(1), 5, UIDWIN_REST));
    cr_expect_not(uidwin_add(&w, uid(1), 6, UIDWIN_FIRST_LINK), "a copy");
    cr_expect(uidwin_has(&w, uid(1), &origin));
    cr_expect_eq(origin, UIDWIN_REST);
    uidwin_remove(&w, uid(1));
    cr_expect_not(uidwin_has(&w, uid(1), NULL));
    cr_expect(uidwin_add(&w, uid(1), 7, UIDWIN_STORED));
    uidwin_release(&w);
}

// A million trades: memory stays, whatever is younger than the window is known, and what is said to
// be complete is.
Test(uidwin, a_steady_stream_keeps_its_size_and_forgets_nothing_of_the_window)
{
    struct uidwin w;
    uidwin_init(&w, 1000, 1 << 16);
    size_t cap = 0;
    for (uint64_t k = 0; k < 1000000; k++) {
        cr_assert(uidwin_add(&w, uid(k), (int64_t)(k / 4), 0));
        if (k == 20000) {
            cap = w.cap;
        }
        if (k > 20000 && k % 997 == 0) {
            cr_assert_eq(w.cap, cap);
            cr_assert(uidwin_has(&w, uid(k - 3999), NULL));
            cr_assert_not(uidwin_has(&w, uid(k - 4100), NULL));
            cr_assert_leq(w.complete_from_ms, (int64_t)(k / 4) - 1000);
        }
    }
    uidwin_release(&w);
}

Test(uidwin, beyond_the_bound_the_oldest_goes_and_that_is_said)
{
    struct uidwin w;
    uidwin_init(&w, 1000000, 2048);
    for (uint64_t k = 0; k < 5000; k++) {
        cr_assert(uidwin_add(&w, uid(k), (int64_t)k, 0));
    }
    cr_expect_eq(uidwin_count(&w), 2048);
    cr_expect_eq(w.complete_from_ms, 5000 - 2048);
    for (uint64_t k = 0; k < 5000; k++) {
        cr_assert_eq(uidwin_has(&w, uid(k), NULL), k >= 5000 - 2048);
    }
    uidwin_release(&w);
}

Test(uidwin, agrees_with_a_list_under_random_use)
{
    enum { NAMES = 3000 };
    static bool held[NAMES];
    struct rng r = {20260718};
    struct uidwin w;
    uidwin_init(&w, INT64_MAX / 2, 1 << 16);
    for (int i = 0; i < 200000; i++) {
        const uint64_t k = rng_below(&r, NAMES);
        if (rng_below(&r, 3) == 0) {
            uidwin_remove(&w, uid(k));
            held[k] = false;
        } else if (uidwin_count(&w) < 60000) {
            cr_assert_eq(uidwin_add(&w, uid(k), i, 0), !held[k]);
            held[k] = true;
        }
        const uint64_t q = rng_below(&r, NAMES);
        cr_assert_eq(uidwin_has(&w, uid(q), NULL), held[q], "step %d", i);
    }
    uidwin_release(&w);
}

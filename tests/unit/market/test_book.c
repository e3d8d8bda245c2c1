#include "common/market/book.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/rng.h"

// The same book the plain way: a quantity per price, looked through from end to end.
#define PRICES 400
struct plain {
    int64_t qty[2][PRICES + 1];
};

static size_t plain_levels(const struct plain *p, enum book_end e)
{
    size_t n = 0;
    for (int i = 1; i <= PRICES; i++) {
        n += p->qty[e][i] > 0 ? 1 : 0;
    }
    return n;
}

// Order, shape and content.
static void same(const struct book *b, const struct plain *p)
{
    for (int end = BOOK_BIDS; end <= BOOK_ASKS; end++) {
        const enum book_end e = (enum book_end)end;
        const size_t n = book_levels(b, e);
        cr_assert_eq(n, plain_levels(p, e), "%zu levels", n);
        cr_assert_leq(n, b->max);
        for (size_t i = 0; i < n; i++) {
            const struct book_level v = book_at(b, e, i);
            cr_assert(v.price >= 1 && v.price <= PRICES && v.qty > 0);
            cr_assert_eq(v.qty, p->qty[e][v.price]);
            if (i > 0) {
                const int64_t better = book_at(b, e, i - 1).price;
                cr_assert(e == BOOK_BIDS ? v.price < better : v.price > better);
            }
        }
    }
}

static struct book made(size_t max)
{
    struct book b;
    book_init(&b, max);
    return b;
}

Test(book, keeps_the_best_first_and_absolute_quantities)
{
    struct book b = made(100);
    book_set(&b, BOOK_BIDS, 100, 5);
    book_set(&b, BOOK_BIDS, 102, 7);
    book_set(&b, BOOK_BIDS, 101, 1);
    book_set(&b, BOOK_ASKS, 104, 2);
    book_set(&b, BOOK_ASKS, 103, 9);
    cr_expect_eq(book_at(&b, BOOK_BIDS, 0).price, 102);
    cr_expect_eq(book_at(&b, BOOK_BIDS, 2).price, 100);
    cr_expect_eq(book_at(&b, BOOK_ASKS, 0).price, 103);
    book_set(&b, BOOK_BIDS, 102, 3);
    cr_expect_eq(book_at(&b, BOOK_BIDS, 0).qty, 3, "not added up");
    book_set(&b, BOOK_BIDS, 102, 0);
    cr_expect_eq(book_at(&b, BOOK_BIDS, 0).price, 101);
    book_set(&b, BOOK_BIDS, 50, 0);
    cr_expect_eq(book_levels(&b, BOOK_BIDS), 2, "removing what is not there is normal");
    cr_expect_not(book_is_crossed(&b));
    book_set(&b, BOOK_ASKS, 101, 1);
    cr_expect(book_is_crossed(&b), "the best bid is no lower than the best ask");
    book_release(&b);
}

Test(book, any_changes_in_any_order_agree_with_the_plain_book)
{
    struct rng r = {20240808};
    for (int round = 0; round < 60; round++) {
        struct book b = made(PRICES);
        struct plain p = {0};
        const uint64_t near = 1 + rng_below(&r, PRICES);
        for (int i = 0; i < 2000; i++) {
            const enum book_end e = rng_below(&r, 2) ? BOOK_ASKS : BOOK_BIDS;
            // Around a middle that wanders, mostly close to it.
            const int64_t middle = 100 + (int64_t)(i / 10);
            int64_t price = middle + (int64_t)rng_below(&r, near) - (int64_t)(near / 2);
            price = price < 1 ? 1 : price > PRICES ? PRICES : price;
            const int64_t qty = rng_below(&r, 3) == 0 ? 0 : (int64_t)rng_below(&r, 1 << 20);
            book_set(&b, e, price, qty);
            p.qty[e][price] = qty;
            if (i % 97 == 0) {
                same(&b, &p);
            }
        }
        same(&b, &p);
        book_release(&b);
    }
}

Test(book, a_side_is_loaded_in_any_order)
{
    struct rng r = {3};
    for (int round = 0; round < 300; round++) {
        struct book b = made(PRICES);
        struct plain p = {0};
        struct book_level v[PRICES];
        size_t n = 0;
        const int order = (int)rng_below(&r, 3);
        for (int price = 1; price <= PRICES; price++) {
            if (rng_below(&r, 3) == 0) {
                v[n++] = (struct book_level){price, (int64_t)rng_below(&r, 4)};
            }
        }
        for (size_t i = 0; i < n; i++) { // 0: ascending, 1: descending, 2: shuffled
            const size_t k = order == 1 ? n - 1 - i : order == 2 ? i + rng_below(&r, n - i) : i;
            if (order == 2 || k > i) {
                const struct book_level t = v[i];
                v[i] = v[k];
                v[k] = t;
            }
        }
        for (int end = BOOK_BIDS; end <= BOOK_ASKS; end++) {
            book_set(&b, (enum book_end)end, 5, 5); // what was there is gone
            book_load(&b, (enum book_end)end, v, n);
            for (size_t i = 0; i < n; i++) {
                p.qty[end][v[i].price] = v[i].qty;
            }
        }
        same(&b, &p);
        book_release(&b);
    }
}

// ---- the known window
// -----------------------------------------------------------------------------

static struct book snapshot(size_t levels, size_t limit)
{
    struct book b = made(1000);
    struct book_level v[100];
    for (size_t i = 0; i < levels; i++) {
        v[i] = (struct book_level){1000 - 2 * (int64_t)i, 1};
    }
    book_load(&b, BOOK_BIDS, v, levels);
    for (size_t i = 0; i < levels; i++) {
        v[i] = (struct book_level){1001 + 2 * (int64_t)i, 1};
    }
    book_load(&b, BOOK_ASKS, v, levels);
    book_limit(&b, limit);
    return b;
}

Test(book, a_limited_snapshot_is_known_to_its_last_level_only)
{
    struct book b = snapshot(10, 10);
    cr_expect(b.has_low && b.has_high && b.low == 982 && b.high == 1019);
    cr_expect_eq(book_known(&b, BOOK_BIDS), 10);
    book_release(&b);
    b = snapshot(9, 10);
    cr_expect(!b.has_low && !b.has_high, "a shorter side ends there");
    book_release(&b);
}

Test(book, nothing_but_a_snapshot_widens_the_window)
{
    struct book b = snapshot(10, 10);
    book_set(&b, BOOK_BIDS, 982, 0); // the level at the edge itself: empty is known, too
    book_set(&b, BOOK_BIDS, 970, 4); // told of, but what lies between is not
    book_set(&b, BOOK_BIDS, 990, 0);
    cr_expect_eq(b.low, 982);
    cr_expect_eq(book_known(&b, BOOK_BIDS), 8);
    struct book_level top[20];
    cr_expect_eq(book_top(&b, BOOK_BIDS, top, 20), 8);
    cr_expect_eq(top[7].price, 984);
    cr_expect_eq(book_levels(&b, BOOK_BIDS), 9, "kept all the same");
    book_set(&b, BOOK_ASKS, 1019, 0);
    book_set(&b, BOOK_ASKS, 1030, 1);
    cr_expect_eq(b.high, 1019);
    cr_expect_eq(book_known(&b, BOOK_ASKS), 9);
    book_release(&b);
}

Test(book, a_touch_beyond_the_window_is_not_known)
{
    struct book b = snapshot(10, 10);
    cr_expect(book_touch_is_known(&b));
    for (int64_t price = 1000; price >= 984; price -= 2) {
        book_set(&b, BOOK_BIDS, price, 0);
        cr_expect(book_touch_is_known(&b));
    }
    book_set(&b, BOOK_BIDS, 982, 0);
    cr_expect_not(book_touch_is_known(&b), "the side is empty as far as it is known");
    book_set(&b, BOOK_BIDS, 980, 5);
    cr_expect_not(book_touch_is_known(&b), "a level beyond it need not be the best");
    book_set(&b, BOOK_BIDS, 983, 5);
    cr_expect(book_touch_is_known(&b), "back inside");
    book_release(&b);
    b = snapshot(3, 10);
    for (int64_t price = 1000; price >= 996; price -= 2) {
        book_set(&b, BOOK_BIDS, price, 0);
    }
    cr_expect(book_touch_is_known(&b), "a side may be empty where all is known");
    book_release(&b);
}

Test(book, the_farthest_levels_go_when_there_is_no_room_and_the_window_with_them)
{
    struct book b = made(160);
    for (int64_t i = 1; i <= 160; i++) {
        book_set(&b, BOOK_BIDS, 1000 + i, 1);
    }
    cr_expect_not(b.has_low);
    book_set(&b, BOOK_BIDS, 1161, 1);
    cr_expect_eq(book_levels(&b, BOOK_BIDS), 151, "a sixteenth goes at once");
    cr_expect(b.has_low && b.low == 1011, "%lld", (long long)b.low);
    cr_expect_eq(book_at(&b, BOOK_BIDS, 0).price, 1161);
    cr_expect_eq(book_known(&b, BOOK_BIDS), 151);
    book_set(&b, BOOK_BIDS, 5, 1);
    cr_expect_eq(book_known(&b, BOOK_BIDS), 151, "beyond the window there may be levels");
    // A full side and a new level that is the farthest of all.
    for (int64_t i = 0; book_levels(&b, BOOK_BIDS) < 160; i++) {
        book_set(&b, BOOK_BIDS, 1200 + i, 1);
    }
    book_set(&b, BOOK_BIDS, 2, 1);
    cr_expect_eq(book_levels(&b, BOOK_BIDS), 150);
    cr_expect_eq(book_at(&b, BOOK_BIDS, 149).price, b.low);
    // Asks alike.
    for (int64_t i = 1; i <= 161; i++) {
        book_set(&b, BOOK_ASKS, 5000 - i, 1);
    }
    cr_expect(b.has_high && b.high == 4989, "%lld", (long long)b.high);
    book_release(&b);
}

Test(book, does_not_move_its_memory_once_it_has_grown)
{
    struct rng r = {5};
    struct book b = made(1000);
    for (int64_t i = 1; i <= 1000; i++) {
        book_set(&b, BOOK_BIDS, i, 1);
        book_set(&b, BOOK_ASKS, 2000 + i, 1);
    }
    const struct book_level *bids = b.row[BOOK_BIDS].at, *asks = b.row[BOOK_ASKS].at;
    for (int i = 0; i < 100000; i++) {
        book_set(&b, BOOK_BIDS, 1 + (int64_t)rng_below(&r, 1500), (int64_t)rng_below(&r, 3));
        book_set(&b, BOOK_ASKS, 1600 + (int64_t)rng_below(&r, 1500), (int64_t)rng_below(&r, 3));
    }
    cr_expect(bids == b.row[BOOK_BIDS].at && asks == b.row[BOOK_ASKS].at);
    cr_expect(b.row[BOOK_BIDS].cap == 1000 && b.row[BOOK_ASKS].cap == 1000);
    book_release(&b);
}

Test(book, imbalance_is_exact)
{
    char text[BOOK_RATIO_TEXT];
    const struct book_level one[] = {{1, 1}}, two[] = {{1, 2}},
                            big[] = {{1, INT64_MAX}, {2, INT64_MAX}};
    book_imbalance(two, 1, one, 1, text);
    cr_expect_str_eq(text, "0.33333333");
    book_imbalance(one, 1, two, 1, text);
    cr_expect_str_eq(text, "-0.33333333");
    book_imbalance(one, 1, one, 1, text);
    cr_expect_str_eq(text, "0.00000000");
    book_imbalance(one, 1, NULL, 0, text);
    cr_expect_str_eq(text, "1.00000000");
    book_imbalance(NULL, 0, NULL, 0, text);
    cr_expect_str_eq(text, "");
    book_imbalance(big, 2, big, 1, text);
    cr_expect_str_eq(text, "0.33333333", "no sum overflows");
    // Half of the last place goes to the even neighbour; nothing becomes "-0".
    const struct book_level a[] = {{1, 200000001}}, b[] = {{1, 199999999}}, c[] = {{1, 400000003}},
                            d[] = {{1, 399999997}}, e[] = {{1, 1000000000}},
                            f[] = {{1, 1000000001}};
    book_imbalance(a, 1, b, 1, text); // 2 / 4e8 = 0.000000005
    cr_expect_str_eq(text, "0.00000000");
    book_imbalance(c, 1, d, 1, text); // 6 / 8e8 = 0.0000000075
    cr_expect_str_eq(text, "0.00000001");
    book_imbalance(e, 1, f, 1, text);
    cr_expect_str_eq(text, "0.00000000");
}

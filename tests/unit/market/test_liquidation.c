#include "common/market/liquidation.h"

#include <criterion/criterion.h>
#include <string.h>

static const char *const fields[] = {
    "price", "0.1355000",  "qty",  "5",           "side",      "sell",  "liquidated",
    "long",  "price_kind", "fill", "order_price", "0.1336000", "rx_us", "1786172557700000",
};

static int parse(const char *id, const char *const *kv, size_t n, struct liquidation *out)
{
    struct slice s[32];
    for (size_t i = 0; i < n; i++) {
        s[i] = slice_of(kv[i]);
    }
    return liquidation_from_entry(slice_of(id), s, n / 2, out);
}

Test(liquidation, an_entry_is_read_as_it_was_written)
{
    struct liquidation l;
    cr_assert_eq(parse("1786172556607-0", fields, 14, &l), 0);
    cr_expect_eq(l.ts_ms, 1786172556607);
    cr_expect_str_eq(l.price, "0.1355000");
    cr_expect_str_eq(l.qty, "5");
    cr_expect_str_eq(l.order_price, "0.1336000");
    cr_expect_eq(l.side, SIDE_SELL);
    cr_expect_not(l.bankruptcy);
    cr_expect_eq(l.rx_us, 1786172557700000);
}

Test(liquidation, a_late_one_carries_its_own_time)
{
    const char *kv[16];
    struct liquidation l;
    memcpy(kv, fields, sizeof fields);
    kv[14] = "ts_ms";
    kv[15] = "1786172550000";
    cr_assert_eq(parse("1786172556607-3", kv, 16, &l), 0);
    cr_expect_eq(l.ts_ms, 1786172550000);
    kv[15] = "x";
    cr_expect_neq(parse("1786172556607-3", kv, 16, &l), 0);
}

Test(liquidation, what_contradicts_itself_is_refused)
{
    static const struct {
        size_t at;
        const char *value;
    } bad[] = {{5, "buy"},   {5, "up"},   {7, "short"},
               {9, "guess"}, {1, "0"},    {1, "-1"},
               {1, ""},      {3, "0"},    {3, "1.00000000001"},
               {11, "x"},    {13, "1.5"}, {0, "p"},
               {2, "q"},     {4, "s"},    {6, "l"}};
    struct liquidation l;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        const char *kv[14];
        memcpy(kv, fields, sizeof fields);
        kv[bad[i].at] = bad[i].value;
        cr_expect_neq(parse("1786172556607-0", kv, 14, &l), 0, "row %zu", i);
    }
    cr_expect_neq(parse("1786172556607", fields, 14, &l), 0);
    cr_expect_neq(parse("-1", fields, 14, &l), 0);
    cr_expect_neq(parse("", fields, 14, &l), 0);
    cr_expect_neq(parse("0-1", fields, 14, &l), 0);
}

Test(liquidation, numbers_are_floored_to_any_scale)
{
    static const struct {
        const char *s;
        int scale;
        int64_t want;
    } row[] = {{"64991.37858696", 0, 64991},
               {"64991.37858696", 2, 6499137},
               {"64991.99999999", 0, 64991},
               {"5.", 0, 5},
               {".5", 0, 0},
               {"0.1355000", 4, 1355},
               {"7", 3, 7000},
               {"1e3", 1, 10000}};
    for (size_t i = 0; i < sizeof row / sizeof row[0]; i++) {
        int64_t v = -1;
        cr_expect_eq(number_floor(row[i].s, row[i].scale, &v), 0, "%s", row[i].s);
        cr_expect_eq(v, row[i].want, "%s: %lld", row[i].s, (long long)v);
    }
    int64_t v;
    cr_expect_neq(number_floor("92233720368547758070", 0, &v), 0);
    cr_expect_neq(number_floor("", 0, &v), 0);
}

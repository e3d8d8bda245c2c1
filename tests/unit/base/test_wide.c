// Every row of the tables was computed with Python's integers (tests/fixtures/base/generate.py).

#include "common/base/wide.h"

#include <criterion/criterion.h>
#include <string.h>

#include "tests/support/tsv.h"

static struct u512 hex(const char *s)
{
    struct u512 v = {{0}};
    size_t n = strlen(s);
    cr_assert(n <= 128);
    for (size_t i = 0; i < n; i++) {
        const char *all = "0123456789abcdef";
        const char *at = strchr(all, s[n - 1 - i]);
        cr_assert(at);
        v.w[i / 16] |= (uint64_t)(at - all) << (i % 16 * 4);
    }
    return v;
}

static struct u256 low(struct u512 v)
{
    return (struct u256){{v.w[0], v.w[1], v.w[2], v.w[3]}};
}

static struct u256 hex256(const char *s)
{
    return low(hex(s));
}

static int num(const char *s)
{
    return (int)strtol(s, NULL, 10);
}

#define EXPECT_EQ(a, b, line) cr_expect_eq(u512_cmp((a), (b)), 0, "line %d", (line))

Test(wide, divmod_table)
{
    struct tsv t;
    tsv_open(&t, "tests/fixtures/base/wide_divmod.tsv");
    while (tsv_next(&t, 4)) {
        struct u512 q;
        struct u512 r;
        u512_divmod(hex(t.cell[0]), hex(t.cell[1]), &q, &r);
        EXPECT_EQ(q, hex(t.cell[2]), t.line);
        EXPECT_EQ(r, hex(t.cell[3]), t.line);
    }
}

Test(wide, product_table)
{
    struct tsv t;
    tsv_open(&t, "tests/fixtures/base/wide_mul.tsv");
    while (tsv_next(&t, 3)) {
        struct u256 a = hex256(t.cell[0]);
        struct u256 b = hex256(t.cell[1]);
        EXPECT_EQ(u512_mul(a, b), hex(t.cell[2]), t.line);
        EXPECT_EQ(u512_mul(b, a), hex(t.cell[2]), t.line);
        if (!(a.w[2] | a.w[3] | b.w[2] | b.w[3])) {
            struct u256 p;
            cr_expect(u256_mul((u128)a.w[1] << 64 | a.w[0], (u128)b.w[1] << 64 | b.w[0], &p));
            EXPECT_EQ(u512_from(p), hex(t.cell[2]), t.line);
        }
    }
}

Test(wide, sum_of_ppq_table)
{
    struct tsv t;
    tsv_open(&t, "tests/fixtures/base/wide_ppq.tsv");
    while (tsv_next(&t, 4)) {
        struct u256 before = hex256(t.cell[0]);
        struct u256 sum = before;
        bool fits = strcmp(t.cell[3], "-") != 0;
        cr_expect_eq(u256_add_ppq(&sum, hex(t.cell[1]).w[0], hex(t.cell[2]).w[0]), fits, "line %d",
                     t.line);
        cr_expect_eq(u256_cmp(sum, fits ? hex256(t.cell[3]) : before), 0, "line %d", t.line);
    }
}

Test(wide, isqrt_table)
{
    struct tsv t;
    tsv_open(&t, "tests/fixtures/base/wide_isqrt.tsv");
    while (tsv_next(&t, 2)) {
        EXPECT_EQ(u512_isqrt(hex(t.cell[0])), hex(t.cell[1]), t.line);
    }
}

Test(wide, format_table_and_back)
{
    struct tsv t;
    tsv_open(&t, "tests/fixtures/base/wide_format.tsv");
    while (tsv_next(&t, 4)) {
        char text[WIDE_TEXT];
        struct u256 v = hex256(t.cell[0]);
        int scale = num(t.cell[1]);
        size_t n = u256_format(text, v, scale, num(t.cell[2]));
        cr_expect_str_eq(text, t.cell[3], "line %d", t.line);
        cr_expect_eq(n, strlen(t.cell[3]), "line %d", t.line);
        struct u256 back;
        cr_expect_eq(u256_parse(text, n, scale, &back), 0, "line %d", t.line);
        cr_expect_eq(u256_cmp(back, v), 0, "line %d", t.line);
        u128 narrow;
        bool fits = !(v.w[2] | v.w[3]);
        cr_expect_eq(u128_parse(text, n, scale, &narrow), fits ? 0 : ERR_OVERFLOW, "line %d",
                     t.line);
        if (fits) {
            cr_expect(narrow == ((u128)v.w[1] << 64 | v.w[0]), "line %d", t.line);
            u128_format(text, narrow, scale, num(t.cell[2]));
            cr_expect_str_eq(text, t.cell[3], "line %d", t.line);
        }
    }
}

static void check_ratios(const char *path,
                         bool (*format)(char *, struct u512, struct u512, int, int))
{
    struct tsv t;
    tsv_open(&t, path);
    while (tsv_next(&t, 5)) {
        char text[WIDE_TEXT] = "untouched";
        bool fits = strcmp(t.cell[4], "-") != 0;
        bool ok = format(text, hex(t.cell[0]), hex(t.cell[1]), num(t.cell[2]), num(t.cell[3]));
        cr_expect_eq(ok, fits, "line %d", t.line);
        cr_expect_str_eq(text, fits ? t.cell[4] : "", "line %d", t.line);
    }
}

Test(wide, ratio_table)
{
    check_ratios("tests/fixtures/base/wide_ratio.tsv", ratio_format);
}

Test(wide, sqrt_ratio_table)
{
    check_ratios("tests/fixtures/base/wide_sqrt_ratio.tsv", sqrt_ratio_format);
}

Test(wide, addition_and_subtraction_refuse_what_does_not_fit)
{
    struct u512 max = {{~0ull, ~0ull, ~0ull, ~0ull, ~0ull, ~0ull, ~0ull, ~0ull}};
    struct u512 one = {{1}};
    struct u512 a = max;
    cr_expect_not(u512_add(&a, one));
    EXPECT_EQ(a, max, 0);
    cr_expect(u512_sub(&a, max));
    cr_expect(u512_is_zero(a));
    cr_expect_not(u512_sub(&a, one));
    cr_expect(u512_is_zero(a));
    cr_expect_not(u512_mul_pow10(&max, 1));
    cr_expect_not(u512_mul_pow10(&one, 61));
    cr_expect(u512_mul_pow10(&one, 60));
    cr_expect_not(u512_mul_u64(&max, 2));

    struct u256 m = low(max);
    cr_expect_not(u256_add(&m, u256_from(1)));
    cr_expect_eq(u256_cmp(m, low(max)), 0);
    struct u256 z = u256_from(0);
    cr_expect_not(u256_sub(&z, u256_from(1)));
    cr_expect_eq(u256_cmp(z, u256_from(0)), 0);
    // A borrow that runs through all limbs and a carry back.
    struct u256 b = {{0, 0, 0, 1}};
    cr_expect(u256_sub(&b, u256_from(1)));
    cr_expect_eq(u256_cmp(b, (struct u256){{~0ull, ~0ull, ~0ull, 0}}), 0);
    cr_expect(u256_add(&b, u256_from(1)));
    cr_expect_eq(u256_cmp(b, (struct u256){{0, 0, 0, 1}}), 0);
    u128 big = ~(u128)0;
    cr_expect(u128_add(&big, 0));
    cr_expect_not(u128_add(&big, 1));
}

Test(wide, parse_refuses_what_is_not_plain_digits)
{
    static const struct {
        const char *text;
        int scale, rc;
    } rows[] = {{"", 2, ERR_SYNTAX},         {".", 2, ERR_SYNTAX},  {".5", 2, ERR_SYNTAX},
                {"5.", 2, ERR_SYNTAX},       {"-1", 2, ERR_SYNTAX}, {"+1", 2, ERR_SYNTAX},
                {"1e3", 2, ERR_SYNTAX},      {"1 ", 2, ERR_SYNTAX}, {"1.2.3", 2, ERR_SYNTAX},
                {"1.234", 2, ERR_PRECISION}, {"1.230", 2, 0},       {"1", 0, 0},
                {"1.1", 0, ERR_PRECISION},   {"0.00000001", 8, 0}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct u256 v;
        cr_expect_eq(u256_parse(rows[i].text, strlen(rows[i].text), rows[i].scale, &v), rows[i].rc,
                     "\"%s\"", rows[i].text);
    }
    struct u256 v;
    cr_expect_eq(u256_parse("1\0002", 3, 0, &v), ERR_SYNTAX);
}

Test(wide, scales_out_of_range_are_refused)
{
    char text[WIDE_TEXT];
    struct u512 one = {{1}};
    cr_expect_not(ratio_format(text, one, one, 61, 0) || ratio_format(text, one, one, -61, 0) ||
                  ratio_format(text, one, one, 0, 61) || ratio_format(text, one, one, 0, -1));
    cr_expect_not(sqrt_ratio_format(text, one, one, 61, 0) ||
                  sqrt_ratio_format(text, one, one, 0, 61));
    cr_expect(ratio_format(text, one, one, 60, 0) && strlen(text) == 61);
    cr_expect(ratio_format(text, one, one, -60, 60));
    cr_expect_eq(text[strlen(text) - 1], '1');
}

Test(wide, parse_stops_at_256_bits)
{
    // 2^256 - 1 and 2^256
    const char *most =
        "115792089237316195423570985008687907853269984665640564039457584007913129639935";
    const char *over =
        "115792089237316195423570985008687907853269984665640564039457584007913129639936";
    struct u256 v;
    cr_expect_eq(u256_parse(most, strlen(most), 0, &v), 0);
    cr_expect_eq(u256_parse(over, strlen(over), 0, &v), ERR_OVERFLOW);
    cr_expect_eq(u256_parse(most, strlen(most), 1, &v), ERR_OVERFLOW);
    char nines[2000];
    memset(nines, '9', sizeof nines);
    cr_expect_eq(u256_parse(nines, sizeof nines, 60, &v), ERR_OVERFLOW);
}

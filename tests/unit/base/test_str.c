#include "common/base/str.h"

#include <criterion/criterion.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

Test(str, copies_are_terminated_and_say_when_cut)
{
    char dst[4];
    cr_expect(str_copy(dst, sizeof dst, "abc"));
    cr_expect_str_eq(dst, "abc");
    cr_expect_not(str_copy(dst, sizeof dst, "abcd"));
    cr_expect_str_eq(dst, "abc");
    cr_expect(str_copyn(dst, sizeof dst, "abcd", 2));
    cr_expect_str_eq(dst, "ab");
    cr_expect(str_copyn(dst, sizeof dst, NULL, 0));
    cr_expect_str_eq(dst, "");
    cr_expect_not(str_copyn(dst, 0, "a", 1));
    cr_expect(str_fmt(dst, sizeof dst, "%d", 123));
    cr_expect_not(str_fmt(dst, sizeof dst, "%d", 1234));
    cr_expect_str_eq(dst, "123");
}

Test(str, comparisons)
{
    cr_expect(str_starts("abc", "ab") && str_starts("abc", "") && !str_starts("ab", "abc"));
    cr_expect(str_ends("abc", "bc") && str_ends("abc", "") && !str_ends("bc", "abc"));
    cr_expect(str_ieq("InFo", "iNfO") && !str_ieq("info", "inf") && !str_ieq("inf", "info"));
    cr_expect_not(str_ieq("[", "{"), "only letters fold");
    cr_expect(slice_eq(slice_of("ab"), "ab") && !slice_eq(slice_of("ab"), "abc"));
    cr_expect(slice_eq(slice_of(NULL), ""));
}

Test(str, integers_are_parsed_whole_or_refused)
{
    static const struct {
        const char *text;
        int rc;
        int64_t v;
    } rows[] = {{"0", 0, 0},
                {"-0", 0, 0},
                {"007", 0, 7},
                {"9223372036854775807", 0, INT64_MAX},
                {"-9223372036854775808", 0, INT64_MIN},
                {"9223372036854775808", ERR_OVERFLOW, 0},
                {"-9223372036854775809", ERR_OVERFLOW, 0},
                {"18446744073709551616", ERR_OVERFLOW, 0},
                {"99999999999999999999999", ERR_OVERFLOW, 0},
                {"00000000000000000000000000012", 0, 12},
                {"", ERR_SYNTAX, 0},
                {"-", ERR_SYNTAX, 0},
                {"+1", ERR_SYNTAX, 0},
                {" 1", ERR_SYNTAX, 0},
                {"1 ", ERR_SYNTAX, 0},
                {"--1", ERR_SYNTAX, 0},
                {"1.0", ERR_SYNTAX, 0},
                {"0x1", ERR_SYNTAX, 0},
                {"99999999999999999999999x", ERR_SYNTAX, 0}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        int64_t v = 0;
        cr_expect_eq(parse_i64(rows[i].text, strlen(rows[i].text), &v), rows[i].rc, "\"%s\"",
                     rows[i].text);
        cr_expect_eq(v, rows[i].v, "\"%s\"", rows[i].text);
    }
    int64_t v;
    cr_expect_eq(parse_i64("1\0", 2, &v), ERR_SYNTAX);
    cr_expect_eq(parse_i64(NULL, 0, &v), ERR_SYNTAX);
    uint64_t u;
    cr_expect_eq(parse_u64("18446744073709551615", 20, &u), 0);
    cr_expect_eq(u, UINT64_MAX);
    cr_expect_eq(parse_u64("18446744073709551616", 20, &u), ERR_OVERFLOW);
    cr_expect_eq(parse_u64("-1", 2, &u), ERR_SYNTAX);
}

static void check_number(int64_t v)
{
    char want[32];
    char got[32];
    int n = snprintf(want, sizeof want, "%" PRId64, v);
    size_t m = fmt_i64(got, v);
    cr_assert(m == (size_t)n && memcmp(got, want, m) == 0, "%s", want);
    n = snprintf(want, sizeof want, "%" PRIu64, (uint64_t)v);
    m = fmt_u64(got, (uint64_t)v);
    cr_assert(m == (size_t)n && memcmp(got, want, m) == 0, "%s", want);
    int64_t back;
    m = fmt_i64(got, v);
    cr_assert_eq(parse_i64(got, m, &back), 0);
    cr_assert_eq(back, v);
}

Test(str, integers_print_as_printf_does)
{
    uint64_t power = 1;
    for (int i = 0; i < 20; i++, power *= 10) {
        for (uint64_t off = 0; off < 3; off++) {
            check_number((int64_t)(power + off - 1));
            check_number((int64_t)(0 - (power + off - 1)));
        }
    }
    uint64_t seed = 42;
    for (int i = 0; i < 100000; i++) {
        seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        check_number((int64_t)(seed >> (i % 64)));
    }
    check_number(INT64_MIN);
    check_number(INT64_MAX);
}

// The definition (Unicode, table 3-7) written the other way round: decode, then check the value.
static size_t decoded_len(const unsigned char *s, size_t n)
{
    static const uint32_t least[5] = {0, 0, 0x80, 0x800, 0x10000};
    size_t len = s[0] < 0x80       ? 1
                 : s[0] >> 5 == 6  ? 2
                 : s[0] >> 4 == 14 ? 3
                 : s[0] >> 3 == 30 ? 4
                                   : 0;
    if (len == 0 || len > n) {
        return 0;
    }
    uint32_t v = len == 1 ? s[0] : s[0] & (0x7Fu >> len);
    for (size_t i = 1; i < len; i++) {
        if (s[i] >> 6 != 2) {
            return 0;
        }
        v = v << 6 | (s[i] & 0x3F);
    }
    bool ok = v >= least[len] && v <= 0x10FFFF && !(v >= 0xD800 && v <= 0xDFFF);
    return ok ? len : 0;
}

Test(str, utf8_sequences_are_judged_by_their_value)
{
    static const unsigned char edge[] = {0x00, 0x7F, 0x80, 0x8F, 0x90,
                                         0x9F, 0xA0, 0xBF, 0xC0, 0xFF};
    size_t valid = 0;
    for (int first = 0; first < 256; first++) {
        for (int second = 0; second < 256; second++) {
            for (size_t i = 0; i < sizeof edge; i++) {
                for (size_t k = 0; k < sizeof edge; k++) {
                    unsigned char s[4] = {(unsigned char)first, (unsigned char)second, edge[i],
                                          edge[k]};
                    for (size_t n = 1; n <= 4; n++) {
                        size_t got = utf8_len((const char *)s, n);
                        cr_assert_eq(got, decoded_len(s, n), "%02x %02x %02x %02x of %zu", s[0],
                                     s[1], s[2], s[3], n);
                        valid += got > 1;
                    }
                }
            }
        }
    }
    cr_expect(valid > 1000);
}

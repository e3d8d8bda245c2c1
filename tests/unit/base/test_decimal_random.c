// Random texts against a slow reference that shares nothing with decimal.c: it lays the digits out
// by place value in an array and reads the answer off.

#include "common/base/decimal.h"

#include <criterion/criterion.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/rng.h"

#define ROUNDS 200000
#define ZERO 600 // index of the ones place
#define PLACES 1200

// digit[ZERO + k] stands for 10^k. False when s is not a number; *written = decimals as written.
static bool lay_out(const char *s, size_t n, unsigned char digit[PLACES], bool *neg, int *written,
                    bool *far)
{
    size_t i = 0;
    memset(digit, 0, PLACES);
    *neg = i < n && s[i] == '-';
    i += *neg;
    size_t first = i;
    size_t point = SIZE_MAX;
    size_t count = 0;
    for (; i < n && (s[i] == '.' || (s[i] >= '0' && s[i] <= '9')); i++) {
        if (s[i] == '.') {
            if (point != SIZE_MAX) {
                return false;
            }
            point = i;
        } else {
            count++;
        }
    }
    size_t end = i;
    if (count == 0) {
        return false;
    }
    long exponent = 0;
    if (i < n) {
        if (s[i] != 'e' && s[i] != 'E') {
            return false;
        }
        i++;
        long sign = 1;
        if (i < n && (s[i] == '-' || s[i] == '+')) {
            sign = s[i] == '-' ? -1 : 1;
            i++;
        }
        if (i == n) {
            return false;
        }
        for (; i < n; i++) {
            if (s[i] < '0' || s[i] > '9') {
                return false;
            }
            exponent = exponent > 10000 ? exponent : exponent * 10 + (s[i] - '0');
        }
        exponent *= sign;
    }
    *far = exponent < -99 || exponent > 99;
    if (*far) {
        return true;
    }
    long frac = point == SIZE_MAX ? 0 : (long)(end - point - 1);
    *written = frac > exponent ? (int)(frac - exponent) : 0;
    long place = exponent - frac;
    for (size_t k = end; k-- > first;) {
        if (s[k] != '.') {
            digit[ZERO + place] = (unsigned char)(s[k] - '0');
            place++;
        }
    }
    return true;
}

static int reference(const char *s, size_t n, int scale, int64_t *out, int *written)
{
    unsigned char digit[PLACES];
    bool neg;
    bool far = false;
    if (!lay_out(s, n, digit, &neg, written, &far)) {
        return ERR_SYNTAX;
    }
    if (far) {
        return ERR_OVERFLOW;
    }
    // The value in units of 10^-scale, as a decimal text without leading zeros.
    char text[PLACES + 1];
    size_t len = 0;
    for (int k = PLACES - 1; k >= ZERO - scale; k--) {
        if (digit[k] || len) {
            text[len++] = (char)('0' + digit[k]);
        }
    }
    text[len] = '\0';
    const char *limit = neg ? "9223372036854775808" : "9223372036854775807";
    if (len > 19 || (len == 19 && memcmp(text, limit, 19) > 0)) {
        return ERR_OVERFLOW;
    }
    for (int k = ZERO - scale - 1; k >= 0; k--) {
        if (digit[k]) {
            return ERR_PRECISION;
        }
    }
    uint64_t v = 0;
    for (size_t i = 0; i < len; i++) {
        v = v * 10 + (uint64_t)(text[i] - '0');
    }
    *out = (int64_t)(neg ? 0 - v : v);
    return 0;
}

static size_t random_text(struct rng *r, char *s)
{
    static const char any[] = "0123456789.eE+-, x\0\xFF";
    size_t n = 0;
    if (rng_below(r, 4) == 0) {
        s[n++] = '-';
    }
    size_t digits = rng_below(r, rng_below(r, 5) ? 12 : 45);
    size_t point = rng_below(r, 3) ? rng_below(r, digits + 1) : SIZE_MAX;
    bool zeros = rng_below(r, 3) == 0;
    for (size_t i = 0; i <= digits; i++) {
        if (i == point) {
            s[n++] = '.';
        }
        if (i < digits) {
            s[n++] = (char)('0' + (zeros && rng_below(r, 4) ? 0 : rng_below(r, 10)));
        }
    }
    if (rng_below(r, 4) == 0) {
        static const char *const sign[] = {"", "+", "-"};
        uint64_t limit = rng_below(r, 8) ? 25 : 2000;
        n += (size_t)snprintf(s + n, 16, "%c%s%" PRIu64, rng_below(r, 2) ? 'e' : 'E',
                              sign[rng_below(r, 3)], rng_below(r, limit));
    }
    if (rng_below(r, 4) == 0) { // break it, perhaps
        size_t at = rng_below(r, n + 1);
        memmove(s + at + 1, s + at, n - at);
        s[at] = any[rng_below(r, sizeof any - 1)];
        n++;
    }
    return n;
}

static void shown(const char *s, size_t n, char out[256])
{
    size_t k = 0;
    for (size_t i = 0; i < n && k < 250; i++) {
        bool plain = s[i] > ' ' && s[i] < 127;
        k += (size_t)(plain ? snprintf(out + k, 256 - k, "%c", s[i])
                            : snprintf(out + k, 256 - k, "<%02x>", (unsigned)(unsigned char)s[i]));
    }
    out[k] = '\0';
}

Test(decimal_random, parse_agrees_with_the_reference)
{
    struct rng r = {20240808};
    size_t by_result[5] = {0};
    for (int round = 0; round < ROUNDS; round++) {
        char text[128];
        char seen[256];
        // A copy of exact size, so that a sanitizer sees a read beyond it.
        size_t n = random_text(&r, text);
        char *exact = malloc(n ? n : 1);
        memcpy(exact, text, n);
        int scale = (int)rng_below(&r, 19);
        int64_t want = 0;
        int64_t got = 0;
        int want_written = 0;
        int got_written = 0;
        int want_rc = reference(text, n, scale, &want, &want_written);
        int rc = dec_parse(exact, n, scale, &got, &got_written);
        shown(text, n, seen);
        cr_assert_eq(rc, want_rc, "\"%s\" at scale %d: %s, not %s", seen, scale, err_name(rc),
                     err_name(want_rc));
        if (rc == 0) {
            cr_assert_eq(got, want, "\"%s\" at scale %d: %" PRId64 ", not %" PRId64, seen, scale,
                         got, want);
            cr_assert_eq(got_written, want_written, "\"%s\"", seen);
        }
        by_result[-rc]++;

        int places = 0;
        int places_rc = dec_places(exact, n, &places);
        free(exact);
        if (rc == ERR_SYNTAX) {
            cr_assert_eq(places_rc, ERR_SYNTAX, "\"%s\"", seen);
        } else if (places_rc == 0) {
            int at = dec_parse(text, n, places, &got, NULL);
            cr_assert(at == 0 || at == ERR_OVERFLOW, "\"%s\" needs %d places", seen, places);
            if (at == 0 && places > 0) {
                cr_assert_eq(dec_parse(text, n, places - 1, &got, NULL), ERR_PRECISION, "\"%s\"",
                             seen);
            }
        }
    }
    // The inputs reach every kind of answer, or this test says little.
    cr_expect(by_result[0] > ROUNDS / 20);
    cr_expect(by_result[-ERR_SYNTAX] > ROUNDS / 20);
    cr_expect(by_result[-ERR_OVERFLOW] > ROUNDS / 50);
    cr_expect(by_result[-ERR_PRECISION] > ROUNDS / 50);
}

Test(decimal_random, what_is_printed_reads_back)
{
    struct rng r = {7};
    for (int round = 0; round < ROUNDS; round++) {
        int64_t v = round == 0 ? INT64_MIN : rng_i64(&r);
        int scale = (int)rng_below(&r, 19);
        int least = (int)rng_below(&r, 25);
        char text[DEC_TEXT];
        size_t n = dec_format(text, v, scale, least);
        cr_assert(n < DEC_TEXT && text[n] == '\0' && strlen(text) == n);
        int64_t back;
        int decimals;
        cr_assert_eq(dec_parse(text, n, scale, &back, &decimals), 0, "%s", text);
        cr_assert_eq(back, v, "%s", text);
        cr_assert(decimals >= least, "%s", text);
        cr_assert(decimals == least || text[n - 1] != '0', "%s", text);
    }
}

// "65000.10" comes back with its own zeros: parse at any scale that holds it, print with the
// decimals it was written with.
Test(decimal_random, a_venues_number_prints_as_it_came)
{
    struct rng r = {99};
    for (int round = 0; round < ROUNDS; round++) {
        char text[64];
        int decimals = (int)rng_below(&r, 9);
        uint64_t whole = rng_next(&r) >> (32 + rng_below(&r, 32));
        int n = snprintf(text, sizeof text, "%" PRIu64, whole);
        if (decimals) {
            text[n++] = '.';
            for (int i = 0; i < decimals; i++) {
                text[n++] = (char)('0' + rng_below(&r, 10));
            }
        }
        text[n] = '\0';
        int scale = decimals + (int)rng_below(&r, (uint64_t)(10 - decimals));
        int64_t v;
        int written;
        int rc = dec_parse(text, (size_t)n, scale, &v, &written);
        cr_assert(rc == 0 || rc == ERR_OVERFLOW, "%s at %d", text, scale);
        if (rc == 0) {
            char back[DEC_TEXT];
            dec_format(back, v, scale, written);
            cr_assert_str_eq(back, text);
        }
    }
}

// Wide integers as decimal text and back, and the two roundings that print derived numbers.

#include "common/base/wide.h"

#include <string.h>

#include "common/base/mem.h"

#define MAX_DIGITS 155 // of 2^512 - 1
#define MAX_PLACES 60

// All decimal digits of v, no leading zeros ("0" for zero); returns how many.
static size_t digits_of(char out[MAX_DIGITS + 1], struct u512 v)
{
    uint64_t group[9]; // of 19 digits, least significant first
    size_t groups = 0;
    size_t top = 8;
    do {
        while (top > 0 && v.w[top - 1] == 0) {
            top--;
        }
        uint64_t rest = 0;
        for (size_t i = top; i-- > 0;) {
            u128 t = (u128)rest << 64 | v.w[i];
            v.w[i] = (uint64_t)(t / UINT64_C(10000000000000000000));
            rest = (uint64_t)(t % UINT64_C(10000000000000000000));
        }
        group[groups++] = rest;
        while (top > 0 && v.w[top - 1] == 0) {
            top--;
        }
    } while (top > 0);
    char text[9 * 19];
    for (size_t g = 0; g < groups; g++) {
        uint64_t rest = group[g];
        for (size_t i = 0; i < 19; i++) {
            text[(groups - g) * 19 - 1 - i] = (char)('0' + rest % 10);
            rest /= 10;
        }
    }
    size_t n = groups * 19;
    size_t lead = 0;
    while (lead + 1 < n && text[lead] == '0') {
        lead++;
    }
    memcpy(out, text + lead, n - lead);
    return n - lead;
}

// Places the point and drops trailing zeros down to min_places; returns the length, or 0 when it
// does not fit WIDE_TEXT.
static size_t point_in(char out[WIDE_TEXT], struct u512 v, int scale, int min_places)
{
    if (scale < 0 || scale > MAX_PLACES || min_places < 0 || min_places > MAX_PLACES) {
        FATAL("wide text with scale %d, places %d", scale, min_places);
    }
    char digits[MAX_DIGITS + 1];
    size_t n = digits_of(digits, v);
    size_t frac = (size_t)scale; // digits behind the point
    size_t least = (size_t)min_places;
    size_t whole = n > frac ? n - frac : 0;
    size_t pad = n < frac ? frac - n : 0; // zeros between the point and the digits
    while (frac > least && (n == whole || digits[n - 1] == '0')) {
        frac--;
        if (n > whole) {
            n--;
        } else {
            pad = 0;
        }
    }
    size_t more = frac < least ? least - frac : 0;
    size_t len = (whole ? whole : 1) + (frac + more ? 1 + frac + more : 0);
    if (len >= WIDE_TEXT) {
        return 0;
    }
    char *p = out;
    if (whole) {
        memcpy(p, digits, whole);
        p += whole;
    } else {
        *p++ = '0';
    }
    if (frac + more) {
        *p++ = '.';
        if (pad > frac) {
            pad = frac;
        }
        memset(p, '0', pad);
        memcpy(p + pad, digits + whole, frac - pad);
        memset(p + frac, '0', more);
        p += frac + more;
    }
    *p = '\0';
    return len;
}

size_t u256_format(char out[WIDE_TEXT], struct u256 v, int scale, int min_places)
{
    return point_in(out, u512_from(v), scale, min_places);
}

size_t u128_format(char out[WIDE_TEXT], u128 v, int scale, int min_places)
{
    return point_in(out, u512_from(u256_from(v)), scale, min_places);
}

int u256_parse(const char *s, size_t n, int scale, struct u256 *out)
{
    if (scale < 0 || scale > MAX_PLACES) {
        FATAL("u256_parse with scale %d", scale);
    }
    struct u512 v = {{0}};
    bool point = false;
    bool over = false;
    bool lost = false;
    size_t digits = 0;
    int places = 0;
    for (size_t i = 0; i < n; i++) {
        unsigned digit = (unsigned)(unsigned char)s[i] - '0';
        if (s[i] == '.' && !point && digits > 0) {
            point = true;
            continue;
        }
        if (digit > 9) {
            return ERR_SYNTAX;
        }
        digits++;
        if (point && places == scale) {
            lost |= digit != 0;
            continue;
        }
        places += point;
        // Beyond 256 bits the value is lost anyway; stopping there keeps it inside 512.
        over |= (v.w[4] | v.w[5] | v.w[6] | v.w[7]) != 0;
        if (!over) {
            (void)u512_mul_u64(&v, 10);
            (void)u512_add(&v, (struct u512){{digit}});
        }
    }
    if (digits == 0 || s[n - 1] == '.') {
        return ERR_SYNTAX;
    }
    if (!over) {
        (void)u512_mul_pow10(&v, scale - places); // < 2^256 * 10^60 fits
        over = (v.w[4] | v.w[5] | v.w[6] | v.w[7]) != 0;
    }
    if (over) {
        return ERR_OVERFLOW;
    }
    if (lost) {
        return ERR_PRECISION;
    }
    *out = (struct u256){{v.w[0], v.w[1], v.w[2], v.w[3]}};
    return 0;
}

int u128_parse(const char *s, size_t n, int scale, u128 *out)
{
    struct u256 v;
    int rc = u256_parse(s, n, scale, &v);
    if (rc) {
        return rc;
    }
    if (v.w[2] | v.w[3]) {
        return ERR_OVERFLOW;
    }
    *out = (u128)v.w[1] << 64 | v.w[0];
    return 0;
}

static bool in_range(int exp10, int places)
{
    return places >= 0 && places <= MAX_PLACES && exp10 >= -60 && exp10 <= 60;
}

static bool pow10_both(struct u512 *num, struct u512 *den, int exponent)
{
    struct u512 *which = exponent < 0 ? den : num;
    for (int left = exponent < 0 ? -exponent : exponent; left > 0;) {
        int step = left > 60 ? 60 : left;
        if (!u512_mul_pow10(which, step)) {
            return false;
        }
        left -= step;
    }
    return true;
}

bool ratio_format(char out[WIDE_TEXT], struct u512 num, struct u512 den, int exp10, int places)
{
    out[0] = '\0';
    if (!in_range(exp10, places) || u512_is_zero(den)) {
        return false;
    }
    // A common power of two would only cost room, but num and den come from sums: not worth it.
    if (!pow10_both(&num, &den, exp10 + places)) {
        return false;
    }
    struct u512 q;
    struct u512 r;
    u512_divmod(num, den, &q, &r);
    // Half of den against the remainder, without doubling: r against den - r.
    struct u512 rest = den;
    (void)u512_sub(&rest, r);
    int side = u512_cmp(r, rest);
    if (side > 0 || (side == 0 && (q.w[0] & 1))) {
        if (!u512_add(&q, (struct u512){{1}})) {
            return false;
        }
    }
    return point_in(out, q, places, places) > 0;
}

bool sqrt_ratio_format(char out[WIDE_TEXT], struct u512 num, struct u512 den, int exp10, int places)
{
    out[0] = '\0';
    if (!in_range(exp10, places) || u512_is_zero(den)) {
        return false;
    }
    // v = sqrt(num) * 10^e / den, e = exp10 + places, is to be rounded to an integer q. With
    //   A = num * 10^(2e) (e >= 0),  D = den * 10^-e (e < 0):  floor(v) = floor(isqrt(A) / D),
    // because floor(floor(x) / D) = floor(x / D). Whether v is above, at or below q + 1/2 is
    // decided on squares: 4A against ((2q + 1) D)^2.
    int e = exp10 + places;
    if (!pow10_both(&num, &den, e) || (e > 0 && !pow10_both(&num, &den, e))) {
        return false;
    }
    struct u512 q;
    struct u512 r;
    u512_divmod(u512_isqrt(num), den, &q, &r);
    // (2q + 1) D <= 2 isqrt(A) + D. Where that passes 256 bits, or 4A passes 512, it is not done.
    struct u512 odd = q;
    if (!u512_add(&odd, q) || !u512_add(&odd, (struct u512){{1}})) {
        return false;
    }
    int side;
    if ((odd.w[4] | odd.w[5] | odd.w[6] | odd.w[7] | den.w[4] | den.w[5] | den.w[6] | den.w[7])) {
        return false;
    }
    struct u512 m = u512_mul((struct u256){{odd.w[0], odd.w[1], odd.w[2], odd.w[3]}},
                             (struct u256){{den.w[0], den.w[1], den.w[2], den.w[3]}});
    if (m.w[4] | m.w[5] | m.w[6] | m.w[7]) {
        // ((2q + 1) D)^2 >= 2^512. 4A reaches that only when A >= 2^510.
        if (num.w[7] >> 62) {
            return false;
        }
        side = -1;
    } else {
        struct u256 m256 = {{m.w[0], m.w[1], m.w[2], m.w[3]}};
        struct u512 square = u512_mul(m256, m256);
        struct u512 four = num;
        // 4A that does not fit is larger than any 512-bit square.
        side = u512_mul_u64(&four, 4) ? u512_cmp(four, square) : 1;
    }
    if (side > 0 || (side == 0 && (q.w[0] & 1))) {
        (void)u512_add(&q, (struct u512){{1}}); // q is below 2^256
    }
    return point_in(out, q, places, places) > 0;
}

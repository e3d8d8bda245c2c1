// Two paths: what a venue sends (plain digits with a point, at most 18 of them) is one pass with
// one multiplication at the end; everything else goes digit by digit by place value.

#include "common/base/decimal.h"

#include <stdbool.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/base/str.h"

static const int64_t powers[19] = {
    INT64_C(1),
    INT64_C(10),
    INT64_C(100),
    INT64_C(1000),
    INT64_C(10000),
    INT64_C(100000),
    INT64_C(1000000),
    INT64_C(10000000),
    INT64_C(100000000),
    INT64_C(1000000000),
    INT64_C(10000000000),
    INT64_C(100000000000),
    INT64_C(1000000000000),
    INT64_C(10000000000000),
    INT64_C(100000000000000),
    INT64_C(1000000000000000),
    INT64_C(10000000000000000),
    INT64_C(100000000000000000),
    INT64_C(1000000000000000000),
};

int64_t pow10_i64(int exponent)
{
    if (exponent < 0 || exponent > 18) {
        FATAL("10^%d is not in 10^0..10^18", exponent);
    }
    return powers[exponent];
}

// The parts of a well-formed number. Digits stand at [digits, end) with at most one point among
// them.
struct parts {
    bool neg;
    const char *digits, *end;
    int64_t whole; // digits before the point
    int64_t frac;  // digits after it
    int exponent;  // -99..99
};

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

// The whole of s[n] by the grammar -?(d+.?d*|.d+)([eE][+-]?d+)?; ERR_OVERFLOW for an exponent
// beyond +-99, which no price has.
static int split(const char *s, size_t n, struct parts *out)
{
    const char *p = s;
    const char *end = s + n;
    out->neg = p < end && *p == '-';
    p += out->neg;
    out->digits = p;
    while (p < end && is_digit(*p)) {
        p++;
    }
    out->whole = p - out->digits;
    out->frac = 0;
    if (p < end && *p == '.') {
        const char *point = p++;
        while (p < end && is_digit(*p)) {
            p++;
        }
        out->frac = p - point - 1;
    }
    if (out->whole + out->frac == 0) {
        return ERR_SYNTAX;
    }
    out->end = p;
    out->exponent = 0;
    if (p == end) {
        return 0;
    }
    if (*p != 'e' && *p != 'E') {
        return ERR_SYNTAX;
    }
    p++;
    bool neg = p < end && *p == '-';
    p += p < end && (*p == '-' || *p == '+');
    if (p == end) {
        return ERR_SYNTAX;
    }
    int e = 0;
    for (; p < end; p++) {
        if (!is_digit(*p)) {
            return ERR_SYNTAX;
        }
        if (e < 100) {
            e = e * 10 + (*p - '0');
        }
    }
    if (e > 99) {
        return ERR_OVERFLOW;
    }
    out->exponent = neg ? -e : e;
    return 0;
}

static int parse_slow(const char *s, size_t n, int scale, int64_t *out, int *decimals)
{
    struct parts p;
    int rc = split(s, n, &p);
    if (rc) {
        return rc;
    }
    // `place` is the power of ten that the digit in hand stands for.
    int64_t place = p.whole - 1 + p.exponent;
    uint64_t v = 0;
    bool over = false;
    bool lost = false;
    for (const char *d = p.digits; d < p.end; d++) {
        if (*d == '.') {
            continue;
        }
        unsigned digit = (unsigned)(*d - '0');
        if (place < -scale) {
            lost |= digit != 0;
        } else {
            over |= __builtin_mul_overflow(v, UINT64_C(10), &v) ||
                    __builtin_add_overflow(v, (uint64_t)digit, &v);
        }
        place--;
    }
    for (; place >= -scale && v != 0 && !over; place--) {
        over = __builtin_mul_overflow(v, UINT64_C(10), &v);
    }
    if (over || v > (uint64_t)INT64_MAX + p.neg) {
        return ERR_OVERFLOW;
    }
    if (lost) {
        return ERR_PRECISION;
    }
    *out = p.neg ? (int64_t)(UINT64_C(0) - v) : (int64_t)v;
    if (decimals) {
        int64_t written = p.frac - p.exponent;
        *decimals = written < 0 ? 0 : written > INT32_MAX ? INT32_MAX : (int)written;
    }
    return 0;
}

int dec_parse(const char *s, size_t n, int scale, int64_t *out, int *decimals)
{
    if (scale < 0 || scale > 18) {
        FATAL("decimal scale %d is not in 0..18", scale);
    }
    // 18 digits and a point fit int64 whatever they are.
    if (n == 0 || n > 19) {
        return parse_slow(s, n, scale, out, decimals);
    }
    int64_t v = 0;
    size_t point = n;
    for (size_t i = 0; i < n; i++) {
        unsigned digit = (unsigned)(unsigned char)s[i] - '0';
        if (digit <= 9) {
            v = v * 10 + digit;
        } else if (s[i] == '.' && point == n && n > 1) {
            point = i;
        } else {
            return parse_slow(s, n, scale, out, decimals);
        }
        if (i == 17 && point == n && n == 19) {
            return parse_slow(s, n, scale, out, decimals); // perhaps 19 digits
        }
    }
    int frac = point == n ? 0 : (int)(n - point - 1);
    int64_t scaled;
    if (frac > scale || __builtin_mul_overflow(v, powers[scale - frac], &scaled)) {
        return parse_slow(s, n, scale, out, decimals);
    }
    *out = scaled;
    if (decimals) {
        *decimals = frac;
    }
    return 0;
}

int dec_places(const char *s, size_t n, int *places)
{
    struct parts p;
    int rc = split(s, n, &p);
    if (rc) {
        return rc;
    }
    int64_t place = p.whole - 1 + p.exponent;
    int64_t last = 0; // lowest place that holds a digit other than 0
    for (const char *d = p.digits; d < p.end; d++) {
        if (*d == '.') {
            continue;
        }
        if (*d != '0' && place < last) {
            last = place;
        }
        place--;
    }
    if (last < -18) {
        return ERR_PRECISION;
    }
    *places = (int)-last;
    return 0;
}

size_t dec_format(char out[DEC_TEXT], int64_t v, int scale, int min_places)
{
    if (scale < 0 || scale > 18 || min_places < 0 || min_places > 24) {
        FATAL("dec_format scale %d, places %d", scale, min_places);
    }
    uint64_t abs = v < 0 ? UINT64_C(0) - (uint64_t)v : (uint64_t)v;
    uint64_t unit = (uint64_t)powers[scale];
    uint64_t frac = abs % unit;
    char *p = out;
    if (v < 0) {
        *p++ = '-';
    }
    p += fmt_u64(p, abs / unit);
    int places = scale;
    while (places > min_places && frac % 10 == 0) {
        frac /= 10;
        places--;
    }
    if (places > 0 || min_places > 0) {
        *p++ = '.';
        for (int i = places - 1; i >= 0; i--) {
            p[i] = (char)('0' + frac % 10);
            frac /= 10;
        }
        p += places;
        for (int i = places; i < min_places; i++) {
            *p++ = '0';
        }
    }
    *p = '\0';
    return (size_t)(p - out);
}

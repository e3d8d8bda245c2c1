#include "common/base/str.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

struct slice slice_of(const char *s)
{
    return s ? (struct slice){s, strlen(s)} : (struct slice){"", 0};
}

bool slice_eq(struct slice a, const char *b)
{
    size_t n = strlen(b);
    return a.n == n && (n == 0 || memcmp(a.p, b, n) == 0);
}

bool str_copyn(char *dst, size_t size, const char *s, size_t n)
{
    if (size == 0) {
        return false;
    }
    size_t take = n < size ? n : size - 1;
    if (take > 0) {
        memcpy(dst, s, take);
    }
    dst[take] = '\0';
    return take == n;
}

bool str_copy(char *dst, size_t size, const char *s)
{
    return str_copyn(dst, size, s, strlen(s));
}

bool str_fmt(char *dst, size_t size, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(dst, size, fmt, ap);
    va_end(ap);
    if (n < 0 && size > 0) {
        dst[0] = '\0';
    }
    return n >= 0 && (size_t)n < size;
}

bool str_starts(const char *s, const char *prefix)
{
    return strncmp(s, prefix, strlen(prefix)) == 0;
}

bool str_ends(const char *s, const char *suffix)
{
    size_t n = strlen(s);
    size_t m = strlen(suffix);
    return n >= m && memcmp(s + n - m, suffix, m) == 0;
}

static unsigned char lower(char c)
{
    unsigned char u = (unsigned char)c;
    return u >= 'A' && u <= 'Z' ? (unsigned char)(u + ('a' - 'A')) : u;
}

bool str_ieq(const char *a, const char *b)
{
    while (*a && lower(*a) == lower(*b)) {
        a++;
        b++;
    }
    return lower(*a) == lower(*b);
}

int parse_u64(const char *s, size_t n, uint64_t *out)
{
    if (n == 0) {
        return ERR_SYNTAX;
    }
    uint64_t v = 0;
    bool over = false;
    for (size_t i = 0; i < n; i++) {
        unsigned digit = (unsigned)(unsigned char)s[i] - '0';
        if (digit > 9) {
            return ERR_SYNTAX;
        }
        // Up to 19 digits cannot overflow; behind that every step is checked.
        if (i < 19) {
            v = v * 10 + digit;
        } else if (__builtin_mul_overflow(v, UINT64_C(10), &v) ||
                   __builtin_add_overflow(v, (uint64_t)digit, &v)) {
            over = true;
        }
    }
    if (over) {
        return ERR_OVERFLOW;
    }
    *out = v;
    return 0;
}

int parse_i64(const char *s, size_t n, int64_t *out)
{
    if (n == 0) { // s may be NULL: the value of a field that is not there
        return ERR_SYNTAX;
    }
    bool neg = s[0] == '-';
    uint64_t v = 0;
    int rc = parse_u64(s + neg, n - neg, &v);
    if (rc) {
        return rc;
    }
    if (v > (uint64_t)INT64_MAX + neg) {
        return ERR_OVERFLOW;
    }
    // Negation in unsigned arithmetic also covers INT64_MIN.
    *out = neg ? (int64_t)(UINT64_C(0) - v) : (int64_t)v;
    return 0;
}

static bool is_tail(char c)
{
    return ((unsigned char)c & 0xC0) == 0x80;
}

size_t utf8_len(const char *s, size_t n)
{
    unsigned char c = (unsigned char)s[0];
    if (c < 0x80) {
        return 1;
    }
    if (c < 0xC2 || n < 2 || !is_tail(s[1])) {
        return 0;
    }
    if (c < 0xE0) {
        return 2;
    }
    unsigned char d = (unsigned char)s[1];
    if (n < 3 || !is_tail(s[2])) {
        return 0;
    }
    if (c < 0xF0) {
        // E0 80..9F would be overlong, ED A0..BF a surrogate.
        return (c == 0xE0 && d < 0xA0) || (c == 0xED && d > 0x9F) ? 0 : 3;
    }
    if (c > 0xF4 || n < 4 || !is_tail(s[3])) {
        return 0;
    }
    return (c == 0xF0 && d < 0x90) || (c == 0xF4 && d > 0x8F) ? 0 : 4;
}

static const char pairs[201] = "00010203040506070809"
                               "10111213141516171819"
                               "20212223242526272829"
                               "30313233343536373839"
                               "40414243444546474849"
                               "50515253545556575859"
                               "60616263646566676869"
                               "70717273747576777879"
                               "80818283848586878889"
                               "90919293949596979899";

static size_t count_digits(uint64_t v)
{
    size_t n = 1;
    for (;;) {
        if (v < 10) {
            return n;
        }
        if (v < 100) {
            return n + 1;
        }
        if (v < 1000) {
            return n + 2;
        }
        if (v < 10000) {
            return n + 3;
        }
        v /= 10000;
        n += 4;
    }
}

size_t fmt_u64(char *dst, uint64_t v)
{
    size_t n = count_digits(v);
    char *p = dst + n;
    while (v >= 100) {
        p -= 2;
        memcpy(p, pairs + 2 * (v % 100), 2);
        v /= 100;
    }
    if (v >= 10) {
        memcpy(p - 2, pairs + 2 * v, 2);
    } else {
        p[-1] = (char)('0' + v);
    }
    return n;
}

size_t fmt_i64(char *dst, int64_t v)
{
    if (v >= 0) {
        return fmt_u64(dst, (uint64_t)v);
    }
    *dst = '-';
    return 1 + fmt_u64(dst + 1, UINT64_C(0) - (uint64_t)v);
}

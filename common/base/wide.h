#ifndef COMMON_WIDE_H
#define COMMON_WIDE_H
// Unsigned and signed integers wider than the language has, for sums that must not lose a digit:
// sum(q) and sum(p*q) fit 128 bits; sum(p*p*q) and sum(q)*sum(p*p*q) need up to 256 (metrics
// definitions, "Arithmetic"). Every operation that can overflow says so.

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/err.h"

__extension__ typedef unsigned __int128 u128;
__extension__ typedef __int128 i128;

struct u256 {
    uint64_t w[4]; // least significant first
};
// Only for printing: the widest intermediate (a 256-bit value times a power of ten).
struct u512 {
    uint64_t w[8];
};

#define WIDE_TEXT 160 // bytes that hold any of these in decimal, with NUL

// *sum += p*p*q for p, q >= 0. False on overflow, and then *sum is unchanged. The hot one: inline.
static inline bool u256_add_ppq(struct u256 *sum, uint64_t p, uint64_t q);
static inline bool u128_add(u128 *sum, u128 v); // likewise *sum += v

struct u256 u256_from(u128 v);
bool u256_add(struct u256 *a, struct u256 b);       // a += b; false on overflow
bool u256_mul(u128 a, u128 b, struct u256 *out);    // never overflows; true
bool u256_sub(struct u256 *a, struct u256 b);       // a -= b; false when b > a
int u256_cmp(struct u256 a, struct u256 b);         // <0 0 >0
struct u512 u512_mul(struct u256 a, struct u256 b); // exact
int u512_cmp(struct u512 a, struct u512 b);
struct u512 u512_from(struct u256 v);
bool u512_add(struct u512 *a, struct u512 b);
bool u512_sub(struct u512 *a, struct u512 b);
bool u512_mul_pow10(struct u512 *a, int exponent); // 0..60; false on overflow
bool u512_mul_u64(struct u512 *a, uint64_t m);
void u512_divmod(struct u512 a, struct u512 d, struct u512 *q, struct u512 *r); // d != 0
struct u512 u512_isqrt(struct u512 a); // floor of the square root
bool u512_is_zero(struct u512 a);

// Decimal text. `scale` puts a point: as dec_format() with min_places. Returns the length. scale
// and min_places are 0..60 here and below.
size_t u256_format(char out[WIDE_TEXT], struct u256 v, int scale, int min_places);
size_t u128_format(char out[WIDE_TEXT], u128 v, int scale, int min_places);
// The inverse, exact: digits, a point only between digits, at most `scale` decimals other than 0.
// 0 or ERR_*.
int u256_parse(const char *s, size_t n, int scale, struct u256 *out) MUST_CHECK;
int u128_parse(const char *s, size_t n, int scale, u128 *out) MUST_CHECK;

// num/den as text with exactly `places` decimals (0..60), rounded half-even, computed exactly: the
// one way a derived number is printed. False (and out = "") when den is 0 or it does not fit 512
// bits.
// The value printed is (num * 10^exp10) / den; exp10 may be negative (-60..60).
bool ratio_format(char out[WIDE_TEXT], struct u512 num, struct u512 den, int exp10, int places);
// sqrt(num)/den * 10^exp10 likewise, exact half-even of the real value.
bool sqrt_ratio_format(char out[WIDE_TEXT], struct u512 num, struct u512 den, int exp10,
                       int places);

// ---- inline bodies --------------------------------------------------------------------------

static inline bool u128_add(u128 *sum, u128 v)
{
    u128 t;
    if (__builtin_add_overflow(*sum, v, &t)) {
        return false;
    }
    *sum = t;
    return true;
}

static inline bool u256_add_ppq(struct u256 *sum, uint64_t p, uint64_t q)
{
    u128 pp = (u128)p * p;
    u128 lo = (u128)(uint64_t)pp * q;
    u128 hi = (u128)(uint64_t)(pp >> 64) * q + (uint64_t)(lo >> 64);
    u128 t0 = (u128)sum->w[0] + (uint64_t)lo;
    u128 t1 = (u128)sum->w[1] + (uint64_t)hi + (uint64_t)(t0 >> 64);
    u128 t2 = (u128)sum->w[2] + (uint64_t)(hi >> 64) + (uint64_t)(t1 >> 64);
    u128 t3 = (u128)sum->w[3] + (uint64_t)(t2 >> 64);
    if (t3 >> 64) {
        return false;
    }
    sum->w[0] = (uint64_t)t0;
    sum->w[1] = (uint64_t)t1;
    sum->w[2] = (uint64_t)t2;
    sum->w[3] = (uint64_t)t3;
    return true;
}

#endif

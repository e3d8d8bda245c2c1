// Schoolbook arithmetic on 64-bit limbs; division is Knuth's algorithm D on 32-bit digits. Nothing
// here runs per trade but the two inline functions of the header.

#include "common/base/wide.h"

#include <string.h>

#include "common/base/mem.h"

// a += b over n limbs; the carry out.
static bool add_limbs(uint64_t *a, const uint64_t *b, size_t n)
{
    uint64_t carry = 0;
    for (size_t i = 0; i < n; i++) {
        u128 t = (u128)a[i] + b[i] + carry;
        a[i] = (uint64_t)t;
        carry = (uint64_t)(t >> 64);
    }
    return carry != 0;
}

// a -= b over n limbs; the borrow out.
static bool sub_limbs(uint64_t *a, const uint64_t *b, size_t n)
{
    uint64_t borrow = 0;
    for (size_t i = 0; i < n; i++) {
        u128 t = (u128)a[i] - b[i] - borrow;
        a[i] = (uint64_t)t;
        borrow = (uint64_t)(t >> 64) & 1;
    }
    return borrow != 0;
}

static int cmp_limbs(const uint64_t *a, const uint64_t *b, size_t n)
{
    for (size_t i = n; i-- > 0;) {
        if (a[i] != b[i]) {
            return a[i] < b[i] ? -1 : 1;
        }
    }
    return 0;
}

// out[na + nb] = a[na] * b[nb]; out is neither.
static void mul_limbs(const uint64_t *a, size_t na, const uint64_t *b, size_t nb, uint64_t *out)
{
    memset(out, 0, (na + nb) * sizeof *out);
    for (size_t i = 0; i < na; i++) {
        uint64_t carry = 0;
        for (size_t j = 0; j < nb; j++) {
            u128 t = (u128)a[i] * b[j] + out[i + j] + carry;
            out[i + j] = (uint64_t)t;
            carry = (uint64_t)(t >> 64);
        }
        out[i + nb] = carry;
    }
}

struct u256 u256_from(u128 v)
{
    return (struct u256){{(uint64_t)v, (uint64_t)(v >> 64), 0, 0}};
}

bool u256_add(struct u256 *a, struct u256 b)
{
    struct u256 t = *a;
    if (add_limbs(t.w, b.w, 4)) {
        return false;
    }
    *a = t;
    return true;
}

bool u256_sub(struct u256 *a, struct u256 b)
{
    if (cmp_limbs(b.w, a->w, 4) > 0) {
        return false;
    }
    (void)sub_limbs(a->w, b.w, 4);
    return true;
}

int u256_cmp(struct u256 a, struct u256 b)
{
    return cmp_limbs(a.w, b.w, 4);
}

bool u256_mul(u128 a, u128 b, struct u256 *out)
{
    struct u256 x = u256_from(a);
    struct u256 y = u256_from(b);
    mul_limbs(x.w, 2, y.w, 2, out->w);
    return true;
}

struct u512 u512_mul(struct u256 a, struct u256 b)
{
    struct u512 out;
    mul_limbs(a.w, 4, b.w, 4, out.w);
    return out;
}

int u512_cmp(struct u512 a, struct u512 b)
{
    return cmp_limbs(a.w, b.w, 8);
}

struct u512 u512_from(struct u256 v)
{
    return (struct u512){{v.w[0], v.w[1], v.w[2], v.w[3], 0, 0, 0, 0}};
}

bool u512_add(struct u512 *a, struct u512 b)
{
    struct u512 t = *a;
    if (add_limbs(t.w, b.w, 8)) {
        return false;
    }
    *a = t;
    return true;
}

bool u512_sub(struct u512 *a, struct u512 b)
{
    if (cmp_limbs(b.w, a->w, 8) > 0) {
        return false;
    }
    (void)sub_limbs(a->w, b.w, 8);
    return true;
}

bool u512_mul_u64(struct u512 *a, uint64_t m)
{
    struct u512 t;
    uint64_t carry = 0;
    for (size_t i = 0; i < 8; i++) {
        u128 p = (u128)a->w[i] * m + carry;
        t.w[i] = (uint64_t)p;
        carry = (uint64_t)(p >> 64);
    }
    if (carry) {
        return false;
    }
    *a = t;
    return true;
}

bool u512_mul_pow10(struct u512 *a, int exponent)
{
    if (exponent < 0 || exponent > 60) {
        return false;
    }
    struct u512 t = *a;
    for (; exponent >= 19; exponent -= 19) {
        if (!u512_mul_u64(&t, UINT64_C(10000000000000000000))) {
            return false;
        }
    }
    uint64_t m = 1;
    for (; exponent > 0; exponent--) {
        m *= 10;
    }
    if (!u512_mul_u64(&t, m)) {
        return false;
    }
    *a = t;
    return true;
}

bool u512_is_zero(struct u512 a)
{
    uint64_t any = 0;
    for (size_t i = 0; i < 8; i++) {
        any |= a.w[i];
    }
    return any == 0;
}

#define DIGITS 16 // 32-bit digits of a u512

static size_t to_digits(struct u512 a, uint32_t *out)
{
    size_t n = 0;
    for (size_t i = 0; i < DIGITS; i++) {
        out[i] = (uint32_t)(a.w[i / 2] >> (i % 2 ? 32 : 0));
        if (out[i]) {
            n = i + 1;
        }
    }
    return n;
}

static struct u512 from_digits(const uint32_t *d, size_t n)
{
    struct u512 out = {{0}};
    for (size_t i = 0; i < n; i++) {
        out.w[i / 2] |= (uint64_t)d[i] << (i % 2 ? 32 : 0);
    }
    return out;
}

// u[n] by one digit; the remainder.
static uint32_t div_small(const uint32_t *u, size_t n, uint32_t d, uint32_t *q)
{
    uint64_t rest = 0;
    for (size_t i = n; i-- > 0;) {
        uint64_t t = rest << 32 | u[i];
        q[i] = (uint32_t)(t / d);
        rest = t % d;
    }
    return (uint32_t)rest;
}

// Knuth, TAOCP vol. 2, 4.3.1, algorithm D: un[m + 1] by vn[n], n >= 2, both shifted so that the top
// bit of vn is set. Leaves the (shifted) remainder in un.
static void div_long(uint32_t *un, size_t m, const uint32_t *vn, size_t n, uint32_t *q)
{
    const uint64_t base = UINT64_C(1) << 32;
    for (size_t j = m - n + 1; j-- > 0;) {
        uint64_t top = (uint64_t)un[j + n] << 32 | un[j + n - 1];
        uint64_t qhat = top / vn[n - 1];
        uint64_t rhat = top % vn[n - 1];
        while (qhat >= base || qhat * vn[n - 2] > (rhat << 32 | un[j + n - 2])) {
            qhat--;
            rhat += vn[n - 1];
            if (rhat >= base) {
                break;
            }
        }
        uint64_t carry = 0;
        uint64_t borrow = 0;
        for (size_t i = 0; i < n; i++) {
            uint64_t p = qhat * vn[i] + carry;
            carry = p >> 32;
            uint64_t t = (uint64_t)un[i + j] - (uint32_t)p - borrow;
            un[i + j] = (uint32_t)t;
            borrow = t >> 63;
        }
        uint64_t t = (uint64_t)un[j + n] - carry - borrow;
        un[j + n] = (uint32_t)t;
        if (t >> 63) {
            // qhat was one too large: happens about twice in 2^32 times. Add the divisor back.
            qhat--;
            carry = 0;
            for (size_t i = 0; i < n; i++) {
                uint64_t sum = (uint64_t)un[i + j] + vn[i] + carry;
                un[i + j] = (uint32_t)sum;
                carry = sum >> 32;
            }
            un[j + n] = (uint32_t)(un[j + n] + carry);
        }
        q[j] = (uint32_t)qhat;
    }
}

void u512_divmod(struct u512 a, struct u512 d, struct u512 *q, struct u512 *r)
{
    uint32_t u[DIGITS];
    uint32_t v[DIGITS];
    uint32_t quot[DIGITS] = {0};
    size_t m = to_digits(a, u);
    size_t n = to_digits(d, v);
    if (n == 0) {
        FATAL("u512_divmod by zero");
    }
    if (m < n) {
        *q = (struct u512){{0}};
        *r = a;
        return;
    }
    if (n == 1) {
        uint32_t rest = div_small(u, m, v[0], quot);
        *q = from_digits(quot, m);
        *r = (struct u512){{rest}};
        return;
    }
    int shift = __builtin_clz(v[n - 1]);
    uint32_t vn[DIGITS];
    uint32_t un[DIGITS + 1];
    for (size_t i = n; i-- > 0;) {
        uint64_t both = (uint64_t)v[i] << 32 | (i > 0 ? v[i - 1] : 0);
        vn[i] = (uint32_t)(both << shift >> 32);
    }
    un[m] = (uint32_t)((uint64_t)u[m - 1] << shift >> 32);
    for (size_t i = m; i-- > 0;) {
        uint64_t both = (uint64_t)u[i] << 32 | (i > 0 ? u[i - 1] : 0);
        un[i] = (uint32_t)(both << shift >> 32);
    }
    div_long(un, m, vn, n, quot);
    uint32_t rest[DIGITS];
    for (size_t i = 0; i < n; i++) {
        uint64_t both = (uint64_t)un[i + 1] << 32 | un[i];
        rest[i] = (uint32_t)(both >> shift);
    }
    *q = from_digits(quot, m);
    *r = from_digits(rest, n);
}

static struct u512 half(struct u512 a)
{
    for (size_t i = 0; i < 8; i++) {
        a.w[i] = a.w[i] >> 1 | (i < 7 ? a.w[i + 1] << 63 : 0);
    }
    return a;
}

struct u512 u512_isqrt(struct u512 a)
{
    size_t bits = 0;
    for (size_t i = 8; i-- > 0;) {
        if (a.w[i]) {
            bits = i * 64 + 64 - (size_t)__builtin_clzll(a.w[i]);
            break;
        }
    }
    if (bits == 0) {
        return a;
    }
    // Newton from above: 2^ceil(bits/2) > sqrt(a), and the sequence falls until it is the floor.
    size_t start = (bits + 1) / 2;
    struct u512 x = {{0}};
    x.w[start / 64] = UINT64_C(1) << start % 64;
    for (;;) {
        struct u512 y;
        struct u512 rest;
        u512_divmod(a, x, &y, &rest);
        (void)u512_add(&y, x); // both are below 2^257
        y = half(y);
        if (u512_cmp(y, x) >= 0) {
            return x;
        }
        x = y;
    }
}

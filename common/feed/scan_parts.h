#ifndef FEED_SCAN_PARTS_H
#define FEED_SCAN_PARTS_H
// What the scanners of known shapes are made of: literals, integers and short strings, eight bytes
// at a time. Each part takes what it expects and moves on, or says no.

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "common/base/str.h"

struct cursor {
    const char *p, *end;
};

// The parts are small and the whole is one straight line only when all of them are inlined.
#define PART static inline __attribute__((always_inline))

PART uint64_t load8(const char *p)
{
    uint64_t v;
    memcpy(&v, p, sizeof v);
    return v;
}

PART uint32_t load4(const char *p)
{
    uint32_t v;
    memcpy(&v, p, sizeof v);
    return v;
}

// memcmp() == 0 for lengths known to the compiler, which calls the function for those that are no
// power of two: loads that overlap instead.
PART bool same(const char *a, const char *b, size_t n)
{
    if (n < 4 || n > 24) {
        return memcmp(a, b, n) == 0;
    }
    if (n <= 8) {
        return load4(a) == load4(b) && load4(a + n - 4) == load4(b + n - 4);
    }
    return load8(a) == load8(b) && (n <= 16 || load8(a + 8) == load8(b + 8)) &&
           load8(a + n - 8) == load8(b + n - 8);
}

PART bool lit_n(struct cursor *c, const char *s, size_t n)
{
    if ((size_t)(c->end - c->p) < n || !same(c->p, s, n)) {
        return false;
    }
    c->p += n;
    return true;
}
#define LIT(c, s) lit_n((c), "" s, sizeof(s) - 1)

// True when all eight bytes are '0'..'9'.
PART bool is_digits8(uint64_t v)
{
    return (((v & UINT64_C(0xf0f0f0f0f0f0f0f0)) |
             (((v + UINT64_C(0x0606060606060606)) & UINT64_C(0xf0f0f0f0f0f0f0f0)) >> 4)) ==
            UINT64_C(0x3333333333333333));
}

// Eight digits in memory order to a number: pairs, then fours, then all (little endian).
PART uint64_t value8(uint64_t v)
{
    v -= UINT64_C(0x3030303030303030);
    v = v * 10 + (v >> 8);
    v = (((v & UINT64_C(0x000000ff000000ff)) * UINT64_C(0x000f424000000064)) +
         (((v >> 16) & UINT64_C(0x000000ff000000ff)) * UINT64_C(0x0000271000000001))) >>
        32;
    return v & UINT64_C(0xffffffff);
}

// A JSON integer of 1..18 digits without sign or leading zero.
PART bool integer(struct cursor *c, int64_t *out)
{
    const char *start = c->p;
    const char *p = start;
    uint64_t v = 0;
    if (c->end - p >= 8) {
        const uint64_t w = load8(p);
        if (is_digits8(w)) {
            v = value8(w);
            p += 8;
        }
    }
    while (p < c->end && (unsigned char)(*p - '0') < 10) {
        v = v * 10 + (uint64_t)(*p - '0');
        p++;
        if (p - start > 18) {
            return false;
        }
    }
    if (p == start || (*start == '0' && p - start > 1)) {
        return false;
    }
    c->p = p;
    *out = (int64_t)v;
    return true;
}

// What a string may hold; everything else, escapes above all, is jansson's.
enum { C_NUMBER = 1, C_SYMBOL = 2, C_STREAM = 4 };
static const unsigned char char_class[256] = {
    ['0'] = 7, ['1'] = 7, ['2'] = 7, ['3'] = 7, ['4'] = 7, ['5'] = 7, ['6'] = 7, ['7'] = 7,
    ['8'] = 7, ['9'] = 7, ['.'] = 1, ['A'] = 2, ['B'] = 2, ['C'] = 2, ['D'] = 2, ['E'] = 2,
    ['F'] = 2, ['G'] = 2, ['H'] = 2, ['I'] = 2, ['J'] = 2, ['K'] = 2, ['L'] = 2, ['M'] = 2,
    ['N'] = 2, ['O'] = 2, ['P'] = 2, ['Q'] = 2, ['R'] = 2, ['S'] = 2, ['T'] = 2, ['U'] = 2,
    ['V'] = 2, ['W'] = 2, ['X'] = 2, ['Y'] = 2, ['Z'] = 2, ['_'] = 6, ['a'] = 4, ['b'] = 4,
    ['c'] = 4, ['d'] = 4, ['e'] = 4, ['f'] = 4, ['g'] = 4, ['h'] = 4, ['i'] = 4, ['j'] = 4,
    ['k'] = 4, ['l'] = 4, ['m'] = 4, ['n'] = 4, ['o'] = 4, ['p'] = 4, ['q'] = 4, ['r'] = 4,
    ['s'] = 4, ['t'] = 4, ['u'] = 4, ['v'] = 4, ['w'] = 4, ['x'] = 4, ['y'] = 4, ['z'] = 4,
    ['@'] = 4,
};

// 1..40 bytes of the class up to a quote, which is eaten too.
PART bool string_of(struct cursor *c, unsigned char_set, struct slice *out)
{
    const char *start = c->p;
    const char *limit = c->end - start > 40 ? start + 40 : c->end;
    const char *p = start;
    while (p < limit && (char_class[(unsigned char)*p] & char_set) != 0) {
        p++;
    }
    if (p == start || p >= c->end || *p != '"') {
        return false;
    }
    out->p = start;
    out->n = (size_t)(p - start);
    c->p = p + 1;
    return true;
}

PART bool boolean(struct cursor *c, bool *out)
{
    if (LIT(c, "true")) {
        *out = true;
        return true;
    }
    if (LIT(c, "false")) {
        *out = false;
        return true;
    }
    return false;
}

#endif

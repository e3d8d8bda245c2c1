// Scanner for the hot frames, as the venue writes them: keys in its order, no blanks.
//
//   {"e":"aggTrade","E":1712070234881,"a":2111730447,"s":"BTCUSDT","p":"65818.60","q":"0.785",
//    ["nq":"0.785",]"f":4828132070,"l":4828132072,"T":1712070234784,"m":true[,"st":1]}
//   {"e":"trade","E":..,"T":..,"s":"BTCUSDT","t":5266583935,"p":"61800.30","q":"0.006",
//    ["X":"MARKET",]"m":false[,"st":1]}
// each alone or inside {"stream":"btcusdt@aggTrade","data":<event>}.
//
// It recognises or refuses, it never repairs: a byte that is not what it expects, and the frame
// goes to jansson. So it must be right only about what it accepts. Cost: one pass, eight digits at
// a time, no memory.

#include "services/collector/core/frame.h"

#include <string.h>

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

PART bool scan_agg(struct cursor *c, struct frame *f)
{
    int64_t unused;
    struct slice text;
    f->kind = FRAME_AGG_TRADE;
    f->exec = (struct slice){NULL, 0};
    if (!integer(c, &f->event_ms) || !LIT(c, ",\"a\":") || !integer(c, &f->id) ||
        !LIT(c, ",\"s\":\"") || !string_of(c, C_SYMBOL, &f->symbol) || !LIT(c, ",\"p\":\"") ||
        !string_of(c, C_NUMBER, &f->price) || !LIT(c, ",\"q\":\"") ||
        !string_of(c, C_NUMBER, &f->qty)) {
        return false;
    }
    if (LIT(c, ",\"nq\":\"") && !string_of(c, C_NUMBER, &text)) {
        return false;
    }
    return LIT(c, ",\"f\":") && integer(c, &unused) && LIT(c, ",\"l\":") && integer(c, &unused) &&
           LIT(c, ",\"T\":") && integer(c, &f->trade_ms);
}

PART bool scan_trade(struct cursor *c, struct frame *f)
{
    f->kind = FRAME_TRADE;
    f->exec = (struct slice){NULL, 0};
    if (!integer(c, &f->event_ms) || !LIT(c, ",\"T\":") || !integer(c, &f->trade_ms) ||
        !LIT(c, ",\"s\":\"") || !string_of(c, C_SYMBOL, &f->symbol) || !LIT(c, ",\"t\":") ||
        !integer(c, &f->id) || !LIT(c, ",\"p\":\"") || !string_of(c, C_NUMBER, &f->price) ||
        !LIT(c, ",\"q\":\"") || !string_of(c, C_NUMBER, &f->qty)) {
        return false;
    }
    return !LIT(c, ",\"X\":\"") || string_of(c, C_SYMBOL, &f->exec);
}

bool frame_scan(const char *bytes, size_t n, struct frame *f)
{
    struct cursor c = {bytes, bytes + n};
    struct slice stream;
    const bool wrapped = LIT(&c, "{\"stream\":\"");
    if (wrapped) {
        // The stream's name ends in "@aggTrade" or "@trade": the capital T is not of the class.
        const char *quote =
            memchr(c.p, '"', (size_t)(c.end - c.p) < 48 ? (size_t)(c.end - c.p) : 48);
        if (quote == NULL || quote - c.p < 7) {
            return false;
        }
        if (same(quote - 5, "Trade", 5)) {
            const char *name_end = quote - 5;
            for (const char *p = c.p; p < name_end; p++) {
                if ((char_class[(unsigned char)*p] & C_STREAM) == 0) {
                    return false;
                }
            }
            c.p = quote + 1;
        } else if (!string_of(&c, C_STREAM, &stream)) {
            return false;
        }
        if (!LIT(&c, ",\"data\":")) {
            return false;
        }
    }
    if (LIT(&c, "{\"e\":\"aggTrade\",\"E\":")) {
        if (!scan_agg(&c, f)) {
            return false;
        }
    } else if (LIT(&c, "{\"e\":\"trade\",\"E\":")) {
        if (!scan_trade(&c, f)) {
            return false;
        }
    } else {
        return false;
    }
    f->market = 1;
    f->owner = NULL;
    if (!LIT(&c, ",\"m\":") || !boolean(&c, &f->maker) ||
        (LIT(&c, ",\"st\":") && !integer(&c, &f->market)) || !LIT(&c, "}") ||
        (wrapped && !LIT(&c, "}"))) {
        return false;
    }
    return c.p == c.end;
}

void frame_decode(const char *p, size_t n, struct frame_space *space, struct frame *out)
{
    if (!frame_scan(p, n, out)) {
        frame_parse_json(p, n, space, out);
    }
}

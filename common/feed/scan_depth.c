// Scanner for the changes of a book as Binance writes them since 2021, and for the answer of
// /fapi/v1/depth:
//
//   {"e":"depthUpdate","E":1784410629442,"T":1784410629441,"s":"BTCUSDT",["ps":"BTCUSDT",]
//    "U":11079102155344,"u":11079102164454,"pu":11079102154995,
//    "b":[["14147.20","0.238"],..],"a":[["65382.10","0.764"],..][,"st":1]}
// alone or inside {"stream":"btcusdt@depth@100ms","data":<event>};
//   {"lastUpdateId":1027024,"E":..,"T":..,"bids":[["4.00","431"],..],"asks":[..]}
//
// As scan.c it recognises or refuses. A frame is mostly levels, and a level is two numbers between
// known bytes: 64 bytes at a time become a mask of "digit or point", whose borders are where the
// numbers begin and end. What lies between two numbers is then compared with what has to stand
// there, so every byte has been looked at, and no number waits for the one before it.

#include "common/feed/frame.h"

#include "common/feed/scan_parts.h"

#define NUMBER_MAX 40 // bytes of one number, as in the other shapes
#define BLOCK 64

#if defined(__SSE2__)

#include <emmintrin.h>

PART uint64_t number_mask16(const char *p)
{
    __m128i v;
    memcpy(&v, p, sizeof v);
    const __m128i digit = _mm_sub_epi8(v, _mm_set1_epi8('0')); // 0..9, all else is above
    const __m128i is_digit = _mm_cmpeq_epi8(_mm_min_epu8(digit, _mm_set1_epi8(9)), digit);
    const __m128i is_point = _mm_cmpeq_epi8(v, _mm_set1_epi8('.'));
    return (uint32_t)_mm_movemask_epi8(_mm_or_si128(is_digit, is_point));
}

#else

PART uint64_t number_mask8(const char *p)
{
    const uint64_t low7 = UINT64_C(0x7f7f7f7f7f7f7f7f);
    const uint64_t w = load8(p);
    const uint64_t t = w ^ UINT64_C(0x3030303030303030);
    const uint64_t d = w ^ UINT64_C(0x2e2e2e2e2e2e2e2e);
    const uint64_t no_digit = ((t & low7) + UINT64_C(0x7676767676767676)) | t;
    const uint64_t no_point = ((d & low7) + low7) | d;
    const uint64_t number = ~(no_digit & no_point) & ~low7; // 0x80 in every byte that is either
    return ((number >> 7) * UINT64_C(0x0102040810204080)) >> 56; // those bits side by side
}

PART uint64_t number_mask16(const char *p)
{
    return number_mask8(p) | number_mask8(p + 8) << 8;
}

#endif

// Bit i: p[i] is a digit or a point.
PART uint64_t number_mask64(const char *p)
{
    return number_mask16(p) | number_mask16(p + 16) << 16 | number_mask16(p + 32) << 32 |
           number_mask16(p + 48) << 48;
}

#define WORD3(a, b, c) ((uint32_t)(a) | (uint32_t)(b) << 8 | (uint32_t)(c) << 16)

// A list of levels while it is read.
struct list {
    struct frame_level *at;
    size_t room, n;
};

enum step { MORE, ENDED, UNKNOWN };

// A whole level whose numbers stand at [t[0], t[1]) and [t[2], t[3]) behind base; eight bytes
// behind the last are readable. *next: where the following one would begin.
PART enum step one_level(const char *base, const uint32_t *t, uint32_t *next, struct list *l)
{
    const char *sep = base + t[1], *tail = base + t[3];
    if (t[0] != *next || t[2] != t[1] + 3 || (load4(sep) & 0xffffff) != WORD3('"', ',', '"') ||
        t[1] - t[0] > NUMBER_MAX || t[3] - t[2] > NUMBER_MAX || l->n == l->room) {
        return UNKNOWN;
    }
    l->at[l->n].price = (struct slice){base + t[0], t[1] - t[0]};
    l->at[l->n].qty = (struct slice){base + t[2], t[3] - t[2]};
    l->n++;
    if (load4(tail) == (WORD3('"', ']', ',') | (uint32_t)'[' << 24) && tail[4] == '"') {
        *next = t[3] + 5;
        return MORE;
    }
    *next = t[3] + 3;
    return (load4(tail) & 0xffffff) == WORD3('"', ']', ']') ? ENDED : UNKNOWN;
}

// As many levels as there are whole blocks for; c->p then stands where the next one begins, or
// behind the list.
PART enum step levels_by_block(struct cursor *c, struct list *l)
{
    const char *const base = c->p;
    uint32_t t[BLOCK + 4]; // borders of numbers that no level has used yet
    uint32_t n = 0, next = 0;
    uint64_t last = 0; // the byte before the block belongs to a number
    enum step step = MORE;
    for (const char *p = base; step == MORE && c->end - p >= BLOCK + 8; p += BLOCK) {
        const uint64_t number = number_mask64(p);
        const uint32_t at = (uint32_t)(p - base);
        uint32_t used = 0;
        // Set where a number begins and one byte behind where it ends.
        for (uint64_t border = number ^ (number << 1 | last); border != 0; border &= border - 1) {
            t[n++] = at + (uint32_t)__builtin_ctzll(border);
        }
        last = number >> 63;
        for (; n - used >= 4 && step == MORE; used += 4) {
            step = one_level(base, t + used, &next, l);
        }
        for (uint32_t i = used; i < n; i++) {
            t[i - used] = t[i];
        }
        n -= used;
    }
    c->p = base + next;
    return step;
}

// One level at a time: the end of a frame, where a whole block can not be read.
PART enum step levels_by_byte(struct cursor *c, struct list *l)
{
    for (;;) {
        struct frame_level *v = &l->at[l->n];
        if (l->n == l->room || !string_of(c, C_NUMBER, &v->price) || !LIT(c, ",\"") ||
            !string_of(c, C_NUMBER, &v->qty)) {
            return UNKNOWN;
        }
        l->n++;
        if (!LIT(c, "],[\"")) {
            return LIT(c, "]]") ? ENDED : UNKNOWN;
        }
    }
}

// Levels up to and with the closing bracket; false: not what we know, or no room.
PART bool levels(struct cursor *c, struct frame_level *at, size_t room, size_t *n)
{
    struct list l = {.at = at, .room = room};
    enum step step = ENDED;
    if (!LIT(c, "[]")) {
        step = LIT(c, "[[\"") ? levels_by_block(c, &l) : UNKNOWN;
    }
    if (step == MORE) {
        step = levels_by_byte(c, &l);
    }
    *n = l.n;
    return step == ENDED;
}

PART bool both_sides(struct cursor *c, struct frame_space *space, struct frame *f, const char *bids,
                     size_t n_bids, const char *asks, size_t n_asks)
{
    f->bids = space->level;
    if (!lit_n(c, bids, n_bids) || !levels(c, space->level, FRAME_LEVELS_MAX, &f->n_bids)) {
        return false;
    }
    f->asks = space->level + f->n_bids;
    return lit_n(c, asks, n_asks) &&
           levels(c, space->level + f->n_bids, FRAME_LEVELS_MAX - f->n_bids, &f->n_asks);
}
#define SIDES(c, space, f, b, a) both_sides((c), (space), (f), b, sizeof(b) - 1, a, sizeof(a) - 1)

bool frame_scan_depth(const char *bytes, size_t n, struct frame_space *space, struct frame *f)
{
    struct cursor c = {bytes, bytes + n};
    struct slice name;
    const bool wrapped = LIT(&c, "{\"stream\":\"");
    if (wrapped && (!string_of(&c, C_STREAM, &name) || !LIT(&c, ",\"data\":"))) {
        return false;
    }
    if (!LIT(&c, "{\"e\":\"depthUpdate\",\"E\":") || !integer(&c, &f->event_ms) ||
        !LIT(&c, ",\"T\":") || !integer(&c, &f->trade_ms) || !LIT(&c, ",\"s\":\"") ||
        !string_of(&c, C_SYMBOL, &f->symbol) ||
        (LIT(&c, ",\"ps\":\"") && !string_of(&c, C_SYMBOL, &name)) || !LIT(&c, ",\"U\":") ||
        !integer(&c, &f->first_id) || !LIT(&c, ",\"u\":") || !integer(&c, &f->last_id) ||
        !LIT(&c, ",\"pu\":") || !integer(&c, &f->prev_id) ||
        !SIDES(&c, space, f, ",\"b\":", ",\"a\":")) {
        return false;
    }
    f->kind = FRAME_BOOK;
    f->snapshot = false;
    f->market = 1;
    f->owner = NULL;
    if ((LIT(&c, ",\"st\":") && !integer(&c, &f->market)) || !LIT(&c, "}") ||
        (wrapped && !LIT(&c, "}"))) {
        return false;
    }
    return c.p == c.end;
}

bool frame_scan_snapshot(const char *bytes, size_t n, struct frame_space *space, struct frame *f)
{
    struct cursor c = {bytes, bytes + n};
    if (!LIT(&c, "{\"lastUpdateId\":") || !integer(&c, &f->last_id) || !LIT(&c, ",\"E\":") ||
        !integer(&c, &f->event_ms) || !LIT(&c, ",\"T\":") || !integer(&c, &f->trade_ms) ||
        !SIDES(&c, space, f, ",\"bids\":", ",\"asks\":") || !LIT(&c, "}")) {
        return false;
    }
    f->kind = FRAME_BOOK;
    f->snapshot = true;
    f->symbol = (struct slice){NULL, 0};
    f->market = 1;
    f->first_id = f->last_id;
    f->prev_id = -1;
    f->owner = NULL;
    return c.p == c.end;
}

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
// known bytes: those are looked at eight bytes at a time, with one subtraction to see that all are
// digits or points and where the closing quote stands.

#include "services/collector/core/frame.h"

#include "services/collector/core/scan_parts.h"

#define NUMBER_MAX 40 // bytes of one number, as in the other shapes
// A level may be read in whole words as long as this much is left: two numbers of the greatest
// length, their surroundings, and the word that begins in the last of them.
#define LEVEL_ROOM (2 * NUMBER_MAX + 24)

// 0x80 in every byte that is neither a digit nor a point.
PART uint64_t not_number8(uint64_t w)
{
    const uint64_t low7 = UINT64_C(0x7f7f7f7f7f7f7f7f);
    const uint64_t top = UINT64_C(0x8080808080808080);
    const uint64_t t = w ^ UINT64_C(0x3030303030303030);
    const uint64_t d = w ^ UINT64_C(0x2e2e2e2e2e2e2e2e);
    const uint64_t no_digit = ((t & low7) + UINT64_C(0x7676767676767676)) | t;
    const uint64_t no_point = ((d & low7) + low7) | d;
    return no_digit & no_point & top;
}

// Bytes of the number at p, whole words being readable; 0 when there is none of 1..NUMBER_MAX.
PART size_t number_fast(const char *p)
{
    uint64_t stop = not_number8(load8(p));
    if (stop != 0) {
        return (size_t)__builtin_ctzll(stop) / 8;
    }
    for (size_t n = 8; n < NUMBER_MAX; n += 8) {
        stop = not_number8(load8(p + n));
        if (stop != 0) {
            return n + (size_t)__builtin_ctzll(stop) / 8;
        }
    }
    return 0;
}

#define WORD3(a, b, c) ((uint32_t)(a) | (uint32_t)(b) << 8 | (uint32_t)(c) << 16)

// `"]` and what follows the level: 1 another level (its `["` eaten), 0 the end of the list, -1
// neither.
PART int level_end(struct cursor *c)
{
    if (LIT(c, "\"],[\"")) {
        return 1;
    }
    return LIT(c, "\"]]") ? 0 : -1;
}

// Levels up to and with the closing bracket; false: not what we know, or no room.
PART bool levels(struct cursor *c, struct frame_level *at, size_t room, size_t *n)
{
    *n = 0;
    if (!LIT(c, "[")) {
        return false;
    }
    if (LIT(c, "]")) {
        return true;
    }
    if (!LIT(c, "[\"")) {
        return false;
    }
    for (;;) {
        struct frame_level *v = &at[*n];
        if (*n == room) {
            return false;
        }
        if (c->end - c->p >= LEVEL_ROOM) {
            const char *p = c->p;
            size_t k = number_fast(p);
            if (k == 0 || (load4(p + k) & 0xffffff) != WORD3('"', ',', '"')) {
                return false;
            }
            v->price = (struct slice){p, k};
            p += k + 3;
            k = number_fast(p);
            if (k == 0) {
                return false;
            }
            v->qty = (struct slice){p, k};
            c->p = p + k;
        } else if (!string_of(c, C_NUMBER, &v->price) || !LIT(c, ",\"") ||
                   !string_of(c, C_NUMBER, &v->qty)) {
            return false;
        } else {
            c->p--; // string_of() ate the quote that level_end() looks at
        }
        ++*n;
        const int more = level_end(c);
        if (more <= 0) {
            return more == 0;
        }
    }
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

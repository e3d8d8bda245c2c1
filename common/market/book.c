#include "common/market/book.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/base/wide.h"

#define FIRST_LEVELS 64

void book_init(struct book *b, size_t max)
{
    if (max < 16) {
        FATAL("a book of %zu levels", max);
    }
    memset(b, 0, sizeof *b);
    b->max = max;
}

void book_release(struct book *b)
{
    free(b->row[0].at);
    free(b->row[1].at);
    book_init(b, b->max);
}

void book_clear(struct book *b)
{
    b->row[0].n = b->row[1].n = 0;
    b->has_low = b->has_high = false;
}

static int64_t key_of(enum book_end e, int64_t price)
{
    return e == BOOK_BIDS ? price : -price;
}

static void reserve(struct book *b, struct book_row *r, size_t n)
{
    size_t cap = r->cap == 0 ? FIRST_LEVELS : r->cap;
    if (n <= r->cap) {
        return;
    }
    while (cap < n) {
        cap *= 2;
    }
    cap = cap < b->max ? cap : b->max;
    r->at = xrealloc(r->at, cap * sizeof *r->at);
    r->cap = cap;
}

// First level whose key is not below `key`; n when there is none.
static size_t find(const struct book_row *r, int64_t key)
{
    size_t hi = r->n, step = 1;
    // [lo, hi) is searched; all behind hi are >= key.
    while (hi > 0 && step < hi && r->at[hi - step].price >= key) {
        hi -= step;
        step *= 2;
    }
    size_t lo = step < hi ? hi - step : 0;
    while (lo < hi) {
        const size_t mid = lo + (hi - lo) / 2;
        if (r->at[mid].price < key) {
            lo = mid + 1;
        } else {
            hi = mid;
        }
    }
    return lo;
}

// Beyond these keys of a side nothing is known.
static bool edge_of(const struct book *b, enum book_end e, int64_t *key)
{
    *key = e == BOOK_BIDS ? b->low : -b->high;
    return e == BOOK_BIDS ? b->has_low : b->has_high;
}

static void set_edge(struct book *b, enum book_end e, int64_t key)
{
    if (e == BOOK_BIDS) {
        b->has_low = true;
        b->low = key;
    } else {
        b->has_high = true;
        b->high = -key;
    }
}

// The farthest levels make room, several at once because all others move.
static void drop_farthest(struct book *b, enum book_end e)
{
    struct book_row *r = &b->row[e];
    const size_t gone = b->max / 16;
    int64_t edge;
    memmove(r->at, r->at + gone, (r->n - gone) * sizeof *r->at);
    r->n -= gone;
    if (!edge_of(b, e, &edge) || edge < r->at[0].price) {
        set_edge(b, e, r->at[0].price);
    }
}

void book_set(struct book *b, enum book_end e, int64_t price, int64_t qty)
{
    struct book_row *r = &b->row[e];
    const int64_t key = key_of(e, price);
    size_t i = find(r, key);
    const bool held = i < r->n && r->at[i].price == key;
    if (held && qty > 0) {
        r->at[i].qty = qty;
        return;
    }
    if (held) {
        memmove(r->at + i, r->at + i + 1, (r->n - i - 1) * sizeof *r->at);
        r->n--;
        return;
    }
    if (qty == 0) {
        return;
    }
    if (r->n == b->max) {
        drop_farthest(b, e);
        if (key < r->at[0].price) {
            return; // farther than what just went
        }
        i = find(r, key);
    }
    reserve(b, r, r->n + 1);
    memmove(r->at + i + 1, r->at + i, (r->n - i) * sizeof *r->at);
    r->at[i] = (struct book_level){key, qty};
    r->n++;
}

// 1: best first, -1: best last, 0: neither, or a price twice.
static int order_of(enum book_end e, const struct book_level *v, size_t n)
{
    bool falls = true, rises = true;
    for (size_t i = 1; i < n; i++) {
        const int64_t before = key_of(e, v[i - 1].price), after = key_of(e, v[i].price);
        falls = falls && after < before;
        rises = rises && after > before;
    }
    return falls ? 1 : rises ? -1 : 0;
}

void book_load(struct book *b, enum book_end e, const struct book_level *v, size_t n)
{
    struct book_row *r = &b->row[e];
    const int order = order_of(e, v, n);
    r->n = 0;
    if (order == 0 || n > b->max) {
        for (size_t i = 0; i < n; i++) {
            book_set(b, e, v[i].price, v[i].qty);
        }
        return;
    }
    reserve(b, r, n);
    for (size_t i = 0; i < n; i++) {
        const struct book_level *from = &v[order > 0 ? n - 1 - i : i];
        if (from->qty > 0) {
            r->at[r->n++] = (struct book_level){key_of(e, from->price), from->qty};
        }
    }
}

void book_limit(struct book *b, size_t limit)
{
    for (int e = BOOK_BIDS; e <= BOOK_ASKS; e++) {
        const struct book_row *r = &b->row[e];
        if (r->n > 0 && r->n >= limit) {
            set_edge(b, (enum book_end)e, r->at[0].price);
        }
    }
}

size_t book_known(const struct book *b, enum book_end e)
{
    const struct book_row *r = &b->row[e];
    int64_t edge;
    return edge_of(b, e, &edge) ? r->n - find(r, edge) : r->n;
}

size_t book_top(const struct book *b, enum book_end e, struct book_level *out, size_t max)
{
    const size_t known = book_known(b, e);
    const size_t n = known < max ? known : max;
    for (size_t i = 0; i < n; i++) {
        out[i] = book_at(b, e, i);
    }
    return n;
}

bool book_touch_is_known(const struct book *b)
{
    for (int e = BOOK_BIDS; e <= BOOK_ASKS; e++) {
        const struct book_row *r = &b->row[e];
        int64_t edge;
        if (edge_of(b, (enum book_end)e, &edge) && (r->n == 0 || r->at[r->n - 1].price < edge)) {
            return false;
        }
    }
    return true;
}

bool book_is_crossed(const struct book *b)
{
    const struct book_row *bids = &b->row[BOOK_BIDS], *asks = &b->row[BOOK_ASKS];
    return bids->n > 0 && asks->n > 0 &&
           bids->at[bids->n - 1].price >= -asks->at[asks->n - 1].price;
}

static u128 sum_of(const struct book_level *v, size_t n)
{
    u128 sum = 0;
    for (size_t i = 0; i < n; i++) {
        (void)u128_add(&sum, (u128)v[i].qty); // n * 2^63 is far from 2^128
    }
    return sum;
}

void book_imbalance(const struct book_level *bids, size_t n_bids, const struct book_level *asks,
                    size_t n_asks, char out[BOOK_RATIO_TEXT])
{
    const u128 bid = sum_of(bids, n_bids), ask = sum_of(asks, n_asks);
    const bool negative = ask > bid;
    char *text = out;
    if (negative) {
        *text++ = '-';
    }
    char ratio[WIDE_TEXT];
    const u128 num = negative ? ask - bid : bid - ask;
    if (!ratio_format(ratio, u512_from(u256_from(num)), u512_from(u256_from(bid + ask)), 0, 8)) {
        out[0] = '\0';
        return;
    }
    // A difference too small to show is no difference: never "-0.00000000".
    text = strcmp(ratio, "0.00000000") == 0 ? out : text;
    memcpy(text, ratio, strlen(ratio) + 1);
}

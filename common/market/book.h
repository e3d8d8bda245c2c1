#ifndef MARKET_BOOK_H
#define MARKET_BOOK_H
// The order book of one instrument: total quantity per price, both sides, as integers.
//
//   bids   61640.0 .. | 61653.4 ......... 61800.2   61800.3 ......... 61976.2 | .. 62113.7   asks
//          told of    ^ low                touch    touch             high ^     told of
//                     |<------------ the known window: every level --------->|
//
// A snapshot that is limited to the best N levels of a side says nothing about what lies beyond: it
// is unknown there, not empty. Changes beyond the window are kept (they are true), but the levels
// between them stay unknown, so nothing ever widens the window but another snapshot. A touch that
// lies outside of it is not known to be the touch.
//
// Kept as one sorted row of levels per side with the touch at the END: what changes lies mostly
// near the touch, so finding it (steps doubling from the touch) and making room cost by the
// distance to the touch and not by the size of the book. No allocation once a side has grown to its
// size, and a side never holds more than `max` levels: the farthest go, and the window shrinks with
// them.

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum book_end { BOOK_BIDS, BOOK_ASKS };

struct book_level {
    int64_t price, qty;
};

// key = price (bids) or -price (asks), ascending: the best level is the last one.
struct book_row {
    struct book_level *at; // .price holds the key
    size_t n, cap;
};

struct book {
    struct book_row row[2]; // by enum book_end
    size_t max;             // levels of a side
    bool has_low, has_high; // false: known without end in that direction
    int64_t low, high;      // the window, both prices included
};

// max >= 16.
void book_init(struct book *b, size_t max);
void book_release(struct book *b);
// Empty, and known to be so everywhere.
void book_clear(struct book *b);

// The quantity at a price is now qty; 0 removes the level (removing an absent one is normal).
// price > 0, qty >= 0.
void book_set(struct book *b, enum book_end e, int64_t price, int64_t qty);
// The whole side anew, in any order (fastest best first or best last); levels of quantity 0 are
// left out.
void book_load(struct book *b, enum book_end e, const struct book_level *v, size_t n);
// What was loaded had been limited to so many levels a side: a side that is that long is known down
// to its last level only.
void book_limit(struct book *b, size_t limit);

static inline size_t book_levels(const struct book *b, enum book_end e)
{
    return b->row[e].n;
}
// The i-th best level, i < book_levels().
static inline struct book_level book_at(const struct book *b, enum book_end e, size_t i)
{
    const struct book_row *r = &b->row[e];
    struct book_level v = r->at[r->n - 1 - i];
    v.price = e == BOOK_BIDS ? v.price : -v.price;
    return v;
}
// Levels inside the window.
size_t book_known(const struct book *b, enum book_end e);
// The best of them, at most `max`, best first; how many.
size_t book_top(const struct book *b, enum book_end e, struct book_level *out, size_t max);
// Both best levels lie inside the window (a side that is empty where all is known counts as known).
bool book_touch_is_known(const struct book *b);
// Best bid >= best ask: no venue has such a book, so something was missed.
bool book_is_crossed(const struct book *b);

// (sum of bid quantities - sum of ask quantities) / (sum of both) as text with 8 decimals, rounded
// half-even; "" when both are empty.
#define BOOK_RATIO_TEXT 160
void book_imbalance(const struct book_level *bids, size_t n_bids, const struct book_level *asks,
                    size_t n_asks, char out[BOOK_RATIO_TEXT]);

#endif

#ifndef SIM_CORE_TAPE_ITEMS_H
#define SIM_CORE_TAPE_ITEMS_H
// Inside of a recording: what tape.c (reading, timeline) and tape_book.c (books) share.

#include "services/exchange-sim/core/tape.h"

enum {
    F_MAKER = 1,
    F_ST = 2,
    F_SINGLE = 4,   // a row of @trade
    F_NO_TRADE = 8, // an event, or a fill that does not become an aggregated trade
    F_OWN = 16,     // of an own recording: placed by when it was received
};

struct item {
    int64_t t_ms, e_ms;
    // A trade: aggregate id, first, last. Depth: u, U, pu. A snapshot: lastUpdateId.
    int64_t id, first, last;
    int64_t order;  // its place among the files, us
    uint32_t file;  //
    uint32_t text;  // of a trade: price, qty, nq one behind the other
    uint32_t raw;   // the frame
    uint32_t raw_n; // 0 = none
    uint8_t price_n, qty_n, nq_n, flags;
    uint8_t kind, format, venue;
    uint16_t lane;
};

// The decimals of a lane's numbers: written, and needed (without trailing zeros).
struct decimals {
    int written, needed;
};

struct index {
    uint32_t *at; // positions of trades in items, in id order
    size_t n;
    bool time_sorted; // times rise with ids, so a binary search by time is right
    size_t cursor;
    struct decimals price, qty;
    bool has_agg;
};

struct tape_books;

// What the venue said of a symbol's numbers while it was recorded.
struct own_units {
    enum sim_venue venue;
    char symbol[SIM_SYMBOL_TEXT], tick[24], step[24];
};

struct tape {
    struct market market; // first: a tape is a market
    struct tape_stats stats;
    struct item *items;
    size_t n, cap;
    size_t trades; // of the items
    char *text;
    size_t text_n, text_cap;
    size_t pos;            // items before it are released
    struct sim_event next; // what peek() shows
    int64_t shift_ms;
    int64_t first_ms, last_ms;
    int64_t file_order; // the largest event time of the file so far
    int files;
    bool own; // the file is an own recording
    bool any_own;
    int64_t rx_us; // of the line being read, where own
    struct own_units units[MARKET_MAX_LANES];
    size_t n_units;
    bool full;
    struct index index[MARKET_MAX_LANES];
    struct tape_books *books;
};

// ---- tape_own.c ---------------------------------------------------------------------------------
// Looks whether the line is one of an own recording; notes when it was received.
void tape_own_line(struct tape *t, const char *p, size_t n);
void tape_own_units(struct tape *t, const struct line_units *u);
// Leaves out what a second connection delivered as well. The items are in order.
void tape_own_drop_copies(struct tape *t);
// Of the lane; NULL: nobody said.
const struct own_units *tape_own_units_of(const struct tape *t, const struct lane *l);

// ---- tape_book.c --------------------------------------------------------------------------------
void tape_books_free(struct tape_books *b);
// market_ops.book of a recording.
bool tape_book(struct market *m, int lane, size_t limit, int64_t age_ms, struct sim_book *out,
               struct slice *raw);

#endif

#ifndef SIM_CORE_BOOK_H
#define SIM_CORE_BOOK_H
// A book of the market at one moment, for any wire: levels best first, numbers as integers.

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/buf.h"

#define BOOK_LEVELS 1000 // per side, the most that REST shows

struct sim_level {
    int64_t price; // * 10^price_decimals of the lane
    int64_t qty;   // * 10^qty_decimals; 0 in a diff: the level is gone
};

struct sim_levels {
    struct sim_level *at;
    size_t n, cap;
};

// `side[0]` bids from the highest down, `side[1]` asks from the lowest up.
struct sim_book {
    int64_t update_id;  // the last update that it holds
    int64_t e_ms, t_ms; // event and transaction time
    struct sim_levels side[2];
};

// What changed between two moments: update ids (prev_id, update_id], prev_id = the id of the
// earlier moment, first_id the first that is used.
struct sim_diff {
    int64_t first_id, update_id, prev_id;
    int64_t e_ms, t_ms;
    struct sim_levels side[2];
};

void levels_clear(struct sim_levels *l);
void levels_add(struct sim_levels *l, int64_t price, int64_t qty);
void levels_release(struct sim_levels *l);
void book_release(struct sim_book *b);
void diff_release(struct sim_diff *d);
// Appends ["58710.20","0.014"],[..] for the first `limit` levels, numbers with exactly the
// decimals given.
void levels_text(struct buf *out, const struct sim_levels *l, size_t limit, int price_decimals,
                 int qty_decimals);

#endif

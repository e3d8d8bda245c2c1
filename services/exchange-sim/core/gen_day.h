#ifndef SIM_CORE_GEN_DAY_H
#define SIM_CORE_GEN_DAY_H
// The trades of one generated day of one symbol, 20 bytes each. See gen.h for the method.

#include <stddef.h>
#include <stdint.h>

struct gen_trade {
    int32_t ms;          // of the day
    int32_t price_ticks; //
    int32_t qty_lots;    //
    uint32_t first;      // fill number of the day of the first fill
    uint8_t fills;       // >= 1
    uint8_t maker;       // 1: the taker sold
};

struct gen_symbol {
    uint64_t key;       // of seed and symbol: all randomness comes from it
    int64_t base_ticks; // the price around which days wander
    int64_t unit_lots;  // size of a small trade
    int64_t max_fill_lots;
};

// Fills out[n] with the n trades of a day. Same arguments, same trades.
void gen_day_make(const struct gen_symbol *s, int64_t day, struct gen_trade *out, size_t n);
// Price in ticks at the start of the day.
int64_t gen_day_open(const struct gen_symbol *s, int64_t day);

#endif

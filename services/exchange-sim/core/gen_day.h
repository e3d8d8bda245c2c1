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
    uint16_t walk;       // ticks beyond the best price: a sweep goes through several levels
};

// Best bid in ticks at the moment of the trade; the best ask is one tick above.
static inline int64_t gen_trade_bid(const struct gen_trade *t)
{
    return t->maker ? (int64_t)t->price_ticks + t->walk : (int64_t)t->price_ticks - t->walk - 1;
}
// No sweep goes further.
#define GEN_MAX_WALK 204

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

// ---- randomness for whatever else is generated: a counter mixed with a key (splitmix64) ---------
uint64_t gen_mix(uint64_t x);
// About normal with standard deviation 1024: the sum of the bytes of a draw, centred.
int64_t gen_bell(uint64_t u);
// Value noise with standard deviation of about 1024 that is linear between points `period` apart.
int64_t gen_noise(uint64_t key, int64_t at, int64_t period);

#endif

#include "services/exchange-sim/core/gen_day.h"

#include <stdbool.h>

#include "common/base/wide.h"

#define SECONDS 86400
#define STICKY_TICKS 30 // trades pile up on a quote: half of them repeat the price before

// ---- randomness: a counter mixed with a key (splitmix64) ----------------------------------------

uint64_t gen_mix(uint64_t x)
{
    x += UINT64_C(0x9e3779b97f4a7c15);
    x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
    return x ^ (x >> 31);
}

struct rng {
    uint64_t state;
};

static uint64_t next(struct rng *r)
{
    r->state += UINT64_C(0x9e3779b97f4a7c15);
    return gen_mix(r->state);
}

// Uniform in [0, n), n >= 1; the tiny bias of the product form does not matter here.
static uint32_t below(struct rng *r, uint32_t n)
{
    return (uint32_t)(((next(r) >> 32) * n) >> 32);
}

// About normal with standard deviation 1024: the sum of eight bytes of one draw, centred.
int64_t gen_bell(uint64_t u)
{
    int64_t sum = 0;
    for (int i = 0; i < 8; i++) {
        sum += (int64_t)(u & 0xff);
        u >>= 8;
    }
    return (sum - 1020) * 1024 / 209;
}

static int64_t isqrt(int64_t v)
{
    int64_t r = 0;
    for (int64_t bit = INT64_C(1) << 31; bit > 0; bit >>= 1) {
        if ((r + bit) * (r + bit) <= v) {
            r += bit;
        }
    }
    return r;
}

// ---- the shape of a day -------------------------------------------------------------------------

// Activity by hour, UTC, in percent of the average: Asia, London from 07, New York from 13.
static const uint8_t hour_activity[24] = {95,  85,  75,  70,  62,  58,  62,  84, 108, 112, 104, 98,
                                          104, 150, 196, 184, 158, 128, 108, 98, 92,  84,  78,  88};

// Linear between the middles of two hours, so that nothing jumps on the hour.
static int64_t activity(int second)
{
    int shifted = (second + SECONDS - 1800) % SECONDS;
    int h = shifted / 3600;
    int part = shifted % 3600;
    return (hour_activity[h] * (int64_t)(3600 - part) + hour_activity[(h + 1) % 24] * part) / 3600;
}

// Half hours that trend weigh long displacements up, ranging ones weigh them down (percent).
static int64_t regime(uint64_t day_key, int second)
{
    uint64_t u = gen_mix(day_key ^ (UINT64_C(0x7265) << 32) ^ (uint64_t)(second / 1800)) % 100;
    return u < 25 ? 190 : u < 60 ? 100 : 45;
}

int64_t gen_noise(uint64_t key, int64_t at, int64_t period)
{
    int64_t cell = at / period;
    int64_t part = at % period;
    int64_t a = gen_bell(gen_mix(key ^ (uint64_t)(cell * 64 + period)));
    int64_t b = gen_bell(gen_mix(key ^ (uint64_t)((cell + 1) * 64 + period)));
    return (a * (period - part) + b * part) / period;
}

int64_t gen_day_open(const struct gen_symbol *s, int64_t day)
{
    // Standard deviations of about 12 %, 5 %, 2.5 % and 1.2 % of the base.
    int64_t permille16 = gen_noise(s->key, day, 60) * 120 + gen_noise(s->key, day, 15) * 50 +
                         gen_noise(s->key, day, 4) * 25 + gen_noise(s->key, day, 1) * 12;
    int64_t open = s->base_ticks + s->base_ticks * (permille16 / 1024) / 1000;
    return open > s->base_ticks / 4 ? open : s->base_ticks / 4;
}

struct path {
    uint64_t key;
    int64_t sigma16; // ticks * 16 per square root of a second
    int32_t *price;  // SECONDS + 1
};

static void bridge(const struct path *p, int lo, int hi)
{
    if (hi - lo < 2) {
        return;
    }
    int mid = lo + (hi - lo) / 2;
    int64_t scale = hi - lo > 600 ? regime(p->key, mid) : 100;
    // Standard deviation of the middle of a bridge: sigma * sqrt(length) / 2.
    int64_t sd = p->sigma16 * isqrt((int64_t)(hi - lo) * 256) / 16 / 2;
    sd = sd * isqrt(activity(mid) * 100) / 100 * scale / 100; // ticks * 16
    int64_t d = sd * gen_bell(gen_mix(p->key ^ ((uint64_t)lo << 32 | (uint64_t)hi))) / 1024 / 16;
    int64_t v = ((int64_t)p->price[lo] + p->price[hi]) / 2 + d;
    p->price[mid] = (int32_t)(v > 100 ? v : 100);
    bridge(p, lo, mid);
    bridge(p, mid, hi);
}

// Rare seconds in which everybody trades: a liquidation, a headline. 0..40 times the usual.
static int64_t burst(uint64_t key, int second)
{
    // A burst starts in about 1 of 900 seconds and fades over a few.
    for (int back = 0; back < 6; back++) {
        int s = second - back;
        if (s < 0) {
            break;
        }
        uint64_t u = gen_mix(key ^ (UINT64_C(0x6275) << 32) ^ (uint64_t)s);
        if (u % 900 == 0) {
            return (int64_t)(4 + (u >> 32) % 36) >> back;
        }
    }
    return 0;
}

// ---- trades -------------------------------------------------------------------------------------

static int32_t quantity(const struct gen_symbol *s, struct rng *r)
{
    uint64_t u = next(r);
    int64_t lots = 1 + (int64_t)(u & 0xff) * s->unit_lots / 128;
    unsigned doublings =
        u >> 8 & 0xffff ? (unsigned)__builtin_ctz((unsigned)(u >> 8 & 0xffff)) : 16;
    // Half of the trades are small; each doubling is half as likely again (a tail of index 1,
    // thinned a little), up to thousands of units.
    for (unsigned i = 0; i < doublings; i++) {
        lots = lots * 2 - lots / 8;
    }
    if ((u >> 40) % 7 == 0) { // people like round numbers
        int64_t round = lots >= 1000 ? 1000 : lots >= 100 ? 100 : 10;
        lots = (lots + round - 1) / round * round;
    }
    return (int32_t)(lots < 2000000 ? lots : 2000000);
}

static uint8_t fill_count(struct rng *r, int32_t lots, int64_t max_fill)
{
    uint32_t u = below(r, 1024);
    int64_t n = u < 560 ? 1 : u < 760 ? 2 : u < 860 ? 3 : u < 960 ? 4 + (u & 3) : 8 + (u & 15);
    int64_t least = lots / max_fill;
    n = n < least ? least : n;
    n = n > lots ? lots : n;
    return (uint8_t)(n < 1 ? 1 : n > 200 ? 200 : n);
}

struct making {
    const struct gen_symbol *s;
    struct gen_trade *out;
    size_t n, at;
    uint32_t fills;
    int64_t quote; // best bid; it stays until the path has left it behind
    int64_t last_ms;
};

static void put(struct making *k, struct rng *r, int32_t ms, int64_t price, bool sell)
{
    int32_t lots = quantity(k->s, r);
    uint8_t fills = fill_count(r, lots, k->s->max_fill_lots);
    k->out[k->at++] = (struct gen_trade){
        .ms = ms,
        .price_ticks = (int32_t)(price > 1 ? price : 1),
        .qty_lots = lots,
        .first = k->fills,
        .fills = fills,
        .maker = sell,
        .walk = (uint16_t)(sell ? k->quote - price : price - k->quote - 1),
    };
    k->fills += fills;
}

static void make_second(struct making *k, uint64_t key, int second, int64_t p0, int64_t p1,
                        size_t count)
{
    struct rng r = {gen_mix(key ^ (UINT64_C(0x7472) << 32) ^ (uint64_t)second)};
    // The side leans with the move: 50 % +- up to 35 %.
    int64_t move = p1 - p0;
    int64_t lean = move > 140 ? 140 : move < -140 ? -140 : move;
    uint32_t sell_of_1024 = (uint32_t)(512 - lean * 358 / 140);
    size_t left = count;
    int64_t ms = 0;
    while (left > 0) {
        // Ordered moments without sorting: the gap is drawn from what is left of the second.
        int64_t room = 999 - ms;
        int64_t gap = 2 * room / (int64_t)(left + 1);
        ms += gap > 0 ? below(&r, (uint32_t)gap + 1) : 0;
        bool sell = below(&r, 1024) < sell_of_1024;
        int64_t mid = p0 + move * ms / 1000;
        int64_t off = mid > k->quote ? mid - k->quote : k->quote - mid;
        // Within one millisecond the book does not move, so a time has one best price.
        int64_t moment = second * INT64_C(1000) + ms;
        if ((off > STICKY_TICKS || below(&r, 16) == 0) && moment != k->last_ms) {
            k->quote = mid > 1 ? mid : 1;
        }
        k->last_ms = moment;
        int64_t price = sell ? k->quote : k->quote + 1;
        int32_t at = (int32_t)(second * 1000 + ms);
        uint32_t u = below(&r, 256);
        size_t rows = u < 252 ? 1 : u < 255 ? 2 + below(&r, 6) : 8 + below(&r, 60);
        rows = rows < left ? rows : left;
        for (size_t i = 0; i < rows; i++) {
            put(k, &r, at, price, sell);
            price += (sell ? -1 : 1) * (int64_t)(1 + below(&r, 3));
        }
        left -= rows;
    }
}

void gen_day_make(const struct gen_symbol *s, int64_t day, struct gen_trade *out, size_t n)
{
    static _Thread_local int32_t price[SECONDS + 1];
    static _Thread_local int64_t weight[SECONDS];
    uint64_t key = gen_mix(s->key ^ gen_mix((uint64_t)day));
    struct path p = {.key = key, .price = price};
    price[0] = (int32_t)gen_day_open(s, day);
    price[SECONDS] = (int32_t)gen_day_open(s, day + 1);
    // About 2 % a day: 0.02 / sqrt(86400) of the price per square root of a second.
    p.sigma16 = (int64_t)price[0] * 16 / 14700;
    bridge(&p, 0, SECONDS);

    int64_t total = 0;
    for (int i = 0; i < SECONDS; i++) {
        int64_t move = price[i + 1] > price[i] ? price[i + 1] - price[i] : price[i] - price[i + 1];
        int64_t usual = p.sigma16 / 16 + 1;
        int64_t lively = 40 + 60 * move / usual; // percent; about 88 on average
        lively = lively > 1200 ? 1200 : lively;
        int64_t noise = 50 + (int64_t)(gen_mix(key ^ (UINT64_C(0x6e6f) << 32) ^ (uint64_t)i) % 101);
        weight[i] = 1 + activity(i) * lively * noise / 1000 * (1 + burst(key, i));
        total += weight[i];
    }

    struct making k = {.s = s, .out = out, .n = n, .quote = price[0], .last_ms = -1};
    int64_t sum = 0;
    for (int i = 0; i < SECONDS; i++) {
        sum += weight[i];
        size_t until = (size_t)((u128)(uint64_t)sum * n / (uint64_t)total);
        if (until > k.at) {
            make_second(&k, key, i, price[i], price[i + 1], until - k.at);
        }
    }
}

#ifndef MARKET_PROFILE_PAGE_H
#define MARKET_PROFILE_PAGE_H
// Inside of struct profile, for the code that counts a trade in one go (profile.c, day.c). Nobody
// else includes it.
//
// Pages hang in a hash table by page number (open addressing, never more than half full) and in an
// array sorted by it; nearly every trade finds its page in `last`.

#include <stddef.h>
#include <stdint.h>

#include "common/base/wide.h"
#include "common/market/profile.h"
#include "common/market/trade.h"

#define PAGE_BITS 10
#define PAGE_BINS (INT64_C(1) << PAGE_BITS)
#define PAGE_WORDS (PAGE_BINS / 64)

struct page {
    int64_t no; // bin index >> PAGE_BITS
    struct bin bin[PAGE_BINS];
    uint64_t used[PAGE_WORDS]; // bit per bin with trades
    uint8_t dirty[PAGE_BINS];  // 1: bin changed since profile_mark_clean() (a byte: one store)
};

struct profile {
    int64_t bin_ticks;
    uint64_t magic; // see bin_index_of()
    int64_t poc;    // index; valid while bins > 0
    int64_t poc_volume;
    struct page *last;  // the page touched last, or NULL
    size_t bins;        // with trades
    struct page **slot; // hash table of mask + 1
    size_t mask;
    struct page **order; // ascending by no
    size_t pages, order_cap;
};

// The page for a bin index, made when absent; NULL when the bound is reached.
struct page *profile_page(struct profile *p, int64_t no);

// Counts the bins of a run. False, with nothing done, when they are not of the same width or there
// might be no room for their pages.
// No volume overflows: the caller has checked that the volume of the whole day does not.
struct run;
bool profile_add_run(struct profile *p, const struct run *r);

// floor(2^64 / d) + 1: for n, d < 2^32 the upper half of n * magic is exactly n / d.
static inline uint64_t bin_magic(int64_t bin_ticks)
{
    return bin_ticks == 1 || bin_ticks > UINT32_MAX ? 0 : UINT64_MAX / (uint64_t)bin_ticks + 1;
}

static inline int64_t bin_index_of(int64_t price, int64_t bin_ticks, uint64_t magic)
{
    if (__builtin_expect(magic != 0 && price <= UINT32_MAX, 1)) {
        return (int64_t)(((u128)(uint64_t)price * magic) >> 64);
    }
    return price / bin_ticks;
}

// qty where the aggressor bought, else 0, without a branch: the side of the next trade is a coin
// toss, and half of all guesses at it would be wrong.
static inline int64_t buy_part(int64_t qty, uint8_t side)
{
    return qty & -(int64_t)(side == SIDE_BUY);
}

// Counts trades of buy and sell lots into a bin. Their sum with what the bin holds fits: the
// caller has checked it for the bin, or for the whole day.
static inline int profile_count(struct profile *p, int64_t index, int64_t buy, int64_t sell,
                                int64_t trades)
{
    struct page *page = p->last;
    if (__builtin_expect(!page || page->no != index >> PAGE_BITS, 0)) {
        page = profile_page(p, index >> PAGE_BITS);
        if (!page) {
            return ERR_LIMIT;
        }
    }
    size_t i = (size_t)index & (PAGE_BINS - 1);
    struct bin *b = &page->bin[i];
    b->buy += buy;
    b->sell += sell;
    int64_t volume = b->buy + b->sell;
    if (__builtin_expect(b->trades == 0, 0)) {
        page->used[i / 64] |= UINT64_C(1) << (i % 64);
        p->bins++;
    }
    b->trades += trades;
    page->dirty[i] = 1;
    if (volume > p->poc_volume || (volume == p->poc_volume && index < p->poc)) {
        p->poc = index;
        p->poc_volume = volume;
    }
    return 0;
}

#endif

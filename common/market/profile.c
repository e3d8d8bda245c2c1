#include "common/market/profile.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/market/profile_page.h"
#include "common/market/run.h"

static int64_t volume_of(const struct bin *b)
{
    return b->buy + b->sell;
}

struct profile *profile_new(int64_t bin_ticks)
{
    struct profile *p = xcalloc(1, sizeof *p);
    profile_clear(p, bin_ticks);
    return p;
}

void profile_free(struct profile *p)
{
    if (p) {
        profile_clear(p, p->bin_ticks);
        free(p->slot);
        free(p->order);
        free(p);
    }
}

void profile_clear(struct profile *p, int64_t bin_ticks)
{
    if (bin_ticks < 1) {
        FATAL("a bin of %lld ticks", (long long)bin_ticks);
    }
    for (size_t i = 0; i < p->pages; i++) {
        free(p->order[i]);
    }
    if (p->slot) {
        memset(p->slot, 0, (p->mask + 1) * sizeof(struct page *));
    }
    p->pages = 0;
    p->bins = 0;
    p->last = NULL;
    p->poc = 0;
    p->poc_volume = 0;
    p->bin_ticks = bin_ticks;
    p->magic = bin_magic(bin_ticks);
}

int64_t profile_bin_ticks(const struct profile *p)
{
    return p->bin_ticks;
}

// ---- pages --------------------------------------------------------------------------------------

static struct page **slot_of(const struct profile *p, int64_t no)
{
    size_t i = (size_t)(((uint64_t)no * UINT64_C(0x9E3779B97F4A7C15)) >> 32) & p->mask;
    while (p->slot[i] && p->slot[i]->no != no) {
        i = (i + 1) & p->mask;
    }
    return &p->slot[i];
}

static struct page *find_page(const struct profile *p, int64_t no)
{
    return p->pages > 0 ? *slot_of(p, no) : NULL;
}

// Position in order[] of the first page with number >= no.
static size_t order_at(const struct profile *p, int64_t no)
{
    size_t lo = 0;
    size_t hi = p->pages;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (p->order[mid]->no < no) {
            lo = mid + 1;
        } else {
            hi = mid;
        }
    }
    return lo;
}

static void grow_table(struct profile *p)
{
    size_t size = p->slot ? 2 * (p->mask + 1) : 16;
    free(p->slot);
    p->slot = xcalloc(size, sizeof(struct page *));
    p->mask = size - 1;
    for (size_t i = 0; i < p->pages; i++) {
        *slot_of(p, p->order[i]->no) = p->order[i];
    }
}

struct page *profile_page(struct profile *p, int64_t no)
{
    struct page *page = find_page(p, no);
    if (page) {
        p->last = page;
        return page;
    }
    if (p->pages == PROFILE_MAX_PAGES) {
        return NULL;
    }
    if (!p->slot || 2 * (p->pages + 1) > p->mask + 1) {
        grow_table(p);
    }
    if (p->pages == p->order_cap) {
        p->order_cap = p->order_cap ? 2 * p->order_cap : 16;
        p->order = xrealloc(p->order, p->order_cap * sizeof(struct page *));
    }
    page = xcalloc(1, sizeof *page);
    page->no = no;
    size_t at = order_at(p, no);
    memmove(p->order + at + 1, p->order + at, (p->pages - at) * sizeof(struct page *));
    p->order[at] = page;
    p->pages++;
    *slot_of(p, no) = page;
    p->last = page;
    return page;
}

// ---- writing ------------------------------------------------------------------------------------

int profile_add(struct profile *p, int64_t price, int64_t qty, bool is_buy)
{
    int64_t index = bin_index_of(price, p->bin_ticks, p->magic);
    struct bin b = profile_get(p, index);
    int64_t volume;
    if (__builtin_add_overflow(b.buy + b.sell, qty, &volume)) {
        return ERR_OVERFLOW;
    }
    int64_t buy = buy_part(qty, is_buy ? SIDE_BUY : SIDE_SELL);
    return profile_count(p, index, buy, qty - buy, 1);
}

bool profile_add_run(struct profile *p, const struct run *r)
{
    // A run is narrower than a page, so it needs two new pages at most.
    _Static_assert(RUN_BINS <= PAGE_BINS, "the bins of a run lie in two pages");
    if (r->bin_ticks != p->bin_ticks || p->pages + 2 > PROFILE_MAX_PAGES) {
        return false;
    }
    for (size_t i = 0; i < r->bins; i++) {
        const struct run_bin *b = &r->bin[r->touched[i]];
        (void)profile_count(p, r->base + r->touched[i], b->buy, b->volume - b->buy, b->trades);
    }
    return true;
}

static void find_poc(struct profile *p)
{
    struct bin b;
    int64_t index;
    p->poc_volume = 0;
    for (int64_t from = 0; profile_next(p, from, &index, &b); from = index + 1) {
        if (volume_of(&b) > p->poc_volume) {
            p->poc = index;
            p->poc_volume = volume_of(&b);
        }
    }
}

int profile_set(struct profile *p, int64_t bin_index, struct bin b)
{
    int64_t volume;
    if (bin_index < 0 || b.buy < 0 || b.sell < 0 || b.trades < 1 ||
        __builtin_add_overflow(b.buy, b.sell, &volume) || volume == 0) {
        return ERR_RANGE;
    }
    struct page *page = profile_page(p, bin_index >> PAGE_BITS);
    if (!page) {
        return ERR_LIMIT;
    }
    size_t i = (size_t)bin_index & (PAGE_BINS - 1);
    p->bins += page->bin[i].trades == 0;
    page->bin[i] = b;
    page->used[i / 64] |= UINT64_C(1) << (i % 64);
    page->dirty[i] = 0;
    if (volume > p->poc_volume || (volume == p->poc_volume && bin_index < p->poc)) {
        p->poc = bin_index;
        p->poc_volume = volume;
    } else if (bin_index == p->poc && volume < p->poc_volume) {
        find_poc(p);
    }
    return 0;
}

// ---- reading ------------------------------------------------------------------------------------

struct bin profile_get(const struct profile *p, int64_t bin_index)
{
    const struct page *page = bin_index >= 0 ? find_page(p, bin_index >> PAGE_BITS) : NULL;
    return page ? page->bin[(size_t)bin_index & (PAGE_BINS - 1)] : (struct bin){0, 0, 0};
}

size_t profile_bins(const struct profile *p)
{
    return p->bins;
}

bool profile_poc(const struct profile *p, int64_t *bin_index)
{
    *bin_index = p->poc;
    return p->bins > 0;
}

bool profile_next(const struct profile *p, int64_t from, int64_t *index, struct bin *b)
{
    from = from > 0 ? from : 0;
    for (size_t at = order_at(p, from >> PAGE_BITS); at < p->pages; at++) {
        const struct page *page = p->order[at];
        int64_t base = page->no << PAGE_BITS;
        size_t first = from > base ? (size_t)(from - base) : 0;
        uint64_t above = UINT64_MAX << (first % 64); // first < PAGE_BINS: the page is not below
        for (size_t w = first / 64; w < PAGE_WORDS; w++, above = UINT64_MAX) {
            uint64_t word = page->used[w] & above;
            if (word) {
                size_t i = w * 64 + (size_t)__builtin_ctzll(word);
                *index = base + (int64_t)i;
                *b = page->bin[i];
                return true;
            }
        }
    }
    return false;
}

// The largest traded index <= from.
static bool prev_used(const struct profile *p, int64_t from, int64_t *index)
{
    if (from < 0) {
        return false;
    }
    for (size_t at = order_at(p, (from >> PAGE_BITS) + 1); at-- > 0;) {
        const struct page *page = p->order[at];
        int64_t base = page->no << PAGE_BITS;
        size_t last = from - base < PAGE_BINS ? (size_t)(from - base) : PAGE_BINS - 1;
        uint64_t below = UINT64_MAX >> (63 - last % 64);
        for (size_t w = last / 64 + 1; w-- > 0; below = UINT64_MAX) {
            uint64_t word = page->used[w] & below;
            if (word) {
                *index = base + (int64_t)(w * 64 + 63 - (size_t)__builtin_clzll(word));
                return true;
            }
        }
    }
    return false;
}

bool profile_range(const struct profile *p, int64_t *lo, int64_t *hi)
{
    struct bin b;
    return profile_next(p, 0, lo, &b) && prev_used(p, INT64_MAX, hi);
}

// Volume of the pair of bins next to `edge` in direction `step`, as far as it lies within `limit`;
// *reach = the last bin of the pair. False when that side is exhausted.
static bool pair_at(const struct profile *p, int64_t edge, int64_t step, int64_t limit,
                    u128 *volume, int64_t *reach)
{
    if (edge == limit) {
        return false;
    }
    *reach = edge + step == limit ? limit : edge + 2 * step;
    struct bin near = profile_get(p, edge + step);
    struct bin far = *reach == edge + step ? (struct bin){0, 0, 0} : profile_get(p, *reach);
    *volume = (u128)(uint64_t)volume_of(&near) + (uint64_t)volume_of(&far);
    return true;
}

// Over empty pairs: the edge just before the pair that holds `used`, `step` being the direction.
static int64_t skip_to(int64_t edge, int64_t used, int64_t step)
{
    int64_t away = (used - edge) * step; // >= 1
    return edge + step * 2 * ((away - 1) / 2);
}

bool profile_value_area(const struct profile *p, int64_t *val_index, int64_t *vah_index)
{
    int64_t lowest;
    int64_t highest;
    struct bin b;
    int64_t index;
    if (!profile_range(p, &lowest, &highest)) {
        return false;
    }
    u128 total = 0;
    for (int64_t from = lowest; profile_next(p, from, &index, &b); from = index + 1) {
        total += (uint64_t)volume_of(&b);
    }
    int64_t lo = p->poc;
    int64_t hi = p->poc;
    u128 area = (uint64_t)p->poc_volume;
    while (10 * area < 7 * total) {
        u128 above = 0;
        u128 below = 0;
        int64_t up = 0;
        int64_t down = 0;
        bool has_above = pair_at(p, hi, 1, highest, &above, &up);
        bool has_below = pair_at(p, lo, -1, lowest, &below, &down);
        if (has_below && (!has_above || below >= above)) {
            // Nothing on this side nor, if it is there, on the other: only the near empty pairs of
            // this side would be taken, one by one, up to the first that holds something.
            if (below == 0 && prev_used(p, lo - 1, &index)) {
                lo = skip_to(lo, index, -1);
                continue;
            }
            area += below;
            lo = down;
        } else {
            if (above == 0 && profile_next(p, hi + 1, &index, &b)) {
                hi = skip_to(hi, index, 1);
                continue;
            }
            area += above;
            hi = up;
        }
    }
    *val_index = lo;
    *vah_index = hi;
    return true;
}

size_t profile_top(const struct profile *p, size_t cap, int64_t *index_out, struct bin *bin_out)
{
    size_t n = 0;
    struct bin b;
    int64_t index;
    // Insertion into the short ranked list; walking upwards, an equal volume ranks behind.
    for (int64_t from = 0; cap > 0 && profile_next(p, from, &index, &b); from = index + 1) {
        if (n == cap && volume_of(&b) <= volume_of(&bin_out[n - 1])) {
            continue;
        }
        size_t at = n < cap ? n++ : n - 1;
        while (at > 0 && volume_of(&bin_out[at - 1]) < volume_of(&b)) {
            bin_out[at] = bin_out[at - 1];
            index_out[at] = index_out[at - 1];
            at--;
        }
        bin_out[at] = b;
        index_out[at] = index;
    }
    return n;
}

void profile_dirty(const struct profile *p,
                   void (*cb)(void *arg, int64_t index, const struct bin *b), void *arg)
{
    for (size_t at = 0; at < p->pages; at++) {
        const struct page *page = p->order[at];
        for (size_t w = 0; w < PAGE_BINS; w += 8) {
            uint64_t eight;
            memcpy(&eight, &page->dirty[w], sizeof eight);
            for (size_t i = w; eight != 0 && i < w + 8; i++) {
                if (page->dirty[i]) {
                    cb(arg, (page->no << PAGE_BITS) + (int64_t)i, &page->bin[i]);
                }
            }
        }
    }
}

void profile_mark_clean(struct profile *p)
{
    for (size_t at = 0; at < p->pages; at++) {
        memset(p->order[at]->dirty, 0, sizeof p->order[at]->dirty);
    }
}

void profile_mark_all_dirty(struct profile *p)
{
    for (size_t at = 0; at < p->pages; at++) {
        struct page *page = p->order[at];
        for (size_t i = 0; i < PAGE_BINS; i++) {
            page->dirty[i] = page->used[i / 64] >> (i % 64) & 1;
        }
    }
}

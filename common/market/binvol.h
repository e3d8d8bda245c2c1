#ifndef MARKET_BINVOL_H
#define MARKET_BINVOL_H
// Volume per bin of one candle, for its point of control: a hash table whose function keeps
// neighbouring bins neighbours, so that it is read like an array, while a far-off print costs one
// slot. Cleared per candle.

#include <stddef.h>
#include <stdint.h>

struct binvol_slot {
    int64_t key; // bin index + 1; 0 = free
    int64_t volume;
};

struct binvol {
    struct binvol_slot *slot; // mask + 1, NULL before binvol_clear()
    size_t mask, n;
    int64_t poc, poc_volume; // largest volume, tie -> lower index; valid while n > 0
};

void binvol_release(struct binvol *v);
void binvol_clear(struct binvol *v);

// The slot of a bin, taken for it when it has none.
struct binvol_slot *binvol_probe(struct binvol *v, int64_t index);

static inline size_t binvol_place(const struct binvol *v, int64_t index)
{
    return ((size_t)index + (size_t)(index >> 12) * 2654435761U) & v->mask;
}

// The sums fit: the caller checks the volume of the whole candle. binvol_clear() came before.
static inline void binvol_add(struct binvol *v, int64_t index, int64_t qty)
{
    struct binvol_slot *s = &v->slot[binvol_place(v, index)];
    if (__builtin_expect(s->key != index + 1, 0)) {
        s = binvol_probe(v, index);
    }
    int64_t volume = s->volume + qty;
    s->volume = volume;
    if (__builtin_expect(volume >= v->poc_volume, 0) &&
        (volume > v->poc_volume || index < v->poc)) {
        v->poc = index;
        v->poc_volume = volume;
    }
}

#endif

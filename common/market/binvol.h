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
    struct binvol_slot *slot; // mask + 1, NULL before the first use
    size_t mask, n;
    int64_t poc, poc_volume; // largest volume, tie -> lower index; valid while n > 0
};

void binvol_release(struct binvol *v);
void binvol_clear(struct binvol *v);
void binvol_grow(struct binvol *v);

// The sums fit: the caller checks the volume of the whole candle.
static inline void binvol_add(struct binvol *v, int64_t index, int64_t qty)
{
    if (__builtin_expect(2 * v->n >= v->mask, 0)) {
        binvol_grow(v);
    }
    size_t i = ((size_t)index + (size_t)(index >> 12) * 2654435761U) & v->mask;
    while (v->slot[i].key != index + 1 && v->slot[i].key != 0) {
        i = (i + 1) & v->mask;
    }
    struct binvol_slot *s = &v->slot[i];
    v->n += s->key == 0;
    s->key = index + 1;
    s->volume += qty;
    if (s->volume > v->poc_volume || (s->volume == v->poc_volume && index < v->poc)) {
        v->poc = index;
        v->poc_volume = s->volume;
    }
}

#endif

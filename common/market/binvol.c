#include "common/market/binvol.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"

#define FIRST_SIZE 512
#define KEEP_SIZE 65536

void binvol_release(struct binvol *v)
{
    free(v->slot);
    *v = (struct binvol){0};
}

void binvol_clear(struct binvol *v)
{
    if (v->mask >= KEEP_SIZE) {
        binvol_release(v);
    }
    if (!v->slot) {
        v->slot = xcalloc(FIRST_SIZE, sizeof *v->slot);
        v->mask = FIRST_SIZE - 1;
    } else if (v->n > 0) {
        memset(v->slot, 0, (v->mask + 1) * sizeof *v->slot);
    }
    v->n = 0;
    v->poc = 0;
    v->poc_volume = 0;
}

static struct binvol_slot *find(const struct binvol *v, int64_t index)
{
    size_t i = binvol_place(v, index);
    while (v->slot[i].key != index + 1 && v->slot[i].key != 0) {
        i = (i + 1) & v->mask;
    }
    return &v->slot[i];
}

static void grow(struct binvol *v)
{
    struct binvol old = *v;
    size_t size = 2 * (old.mask + 1);
    v->slot = xcalloc(size, sizeof *v->slot);
    v->mask = size - 1;
    for (size_t i = 0; i <= old.mask; i++) {
        if (old.slot[i].key) {
            *find(v, old.slot[i].key - 1) = old.slot[i];
        }
    }
    free(old.slot);
}

struct binvol_slot *binvol_probe(struct binvol *v, int64_t index)
{
    struct binvol_slot *s = find(v, index);
    if (s->key == 0) {
        if (2 * (v->n + 1) > v->mask) {
            grow(v);
            s = find(v, index);
        }
        v->n++;
        s->key = index + 1;
    }
    return s;
}

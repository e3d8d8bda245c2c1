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
    } else if (v->n > 0) {
        memset(v->slot, 0, (v->mask + 1) * sizeof *v->slot);
    }
    v->n = 0;
    v->poc = 0;
    v->poc_volume = 0;
}

void binvol_grow(struct binvol *v)
{
    struct binvol old = *v;
    size_t size = old.slot ? 2 * (old.mask + 1) : FIRST_SIZE;
    *v = (struct binvol){.slot = xcalloc(size, sizeof *v->slot), .mask = size - 1};
    for (size_t i = 0; old.slot && i <= old.mask; i++) {
        if (old.slot[i].key) {
            binvol_add(v, old.slot[i].key - 1, old.slot[i].volume);
        }
    }
    free(old.slot);
}

#include "services/strategy/core/window.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"

void window_init(struct window *w, int64_t length_ms)
{
    *w = (struct window){.length_ms = length_ms, .end_ms = -1};
    w->slot = xcalloc((size_t)length_ms, sizeof *w->slot);
}

void window_release(struct window *w)
{
    free(w->slot);
    w->slot = NULL;
}

void window_advance(struct window *w, int64_t now_ms)
{
    if (now_ms <= w->end_ms) {
        return;
    }
    if (w->end_ms < 0 || now_ms - w->end_ms >= w->length_ms) {
        memset(w->slot, 0, (size_t)w->length_ms * sizeof *w->slot);
        w->count = 0;
    } else {
        for (int64_t t = w->end_ms + 1; t <= now_ms; t++) {
            uint32_t *s = &w->slot[t % w->length_ms];
            w->count -= *s;
            *s = 0;
        }
    }
    w->end_ms = now_ms;
}

void window_add(struct window *w, int64_t ts_ms)
{
    window_advance(w, ts_ms);
    if (ts_ms > w->end_ms - w->length_ms) {
        w->slot[ts_ms % w->length_ms]++;
        w->count++;
    }
}

#ifndef STRATEGY_WINDOW_H
#define STRATEGY_WINDOW_H
// How many trades have T - length < ts <= T, exactly, in whatever order they come: one counter per
// millisecond in a ring. T only moves forward.

#include <stddef.h>
#include <stdint.h>

struct window {
    uint32_t *slot; // [length_ms], ts at ts % length_ms
    int64_t length_ms;
    int64_t end_ms; // T, -1 before the first trade
    int64_t count;
};

void window_init(struct window *w, int64_t length_ms);
void window_release(struct window *w);
// Moves T to at least now_ms.
void window_advance(struct window *w, int64_t now_ms);
// A trade; one that is newer than T moves T.
void window_add(struct window *w, int64_t ts_ms);

#endif

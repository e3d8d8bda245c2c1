#ifndef COLLECTOR_DEPTH_QUEUE_H
#define COLLECTOR_DEPTH_QUEUE_H
// Changes of a book that wait for its snapshot, packed: a length in four bytes, then varints (seven
// bits a byte): the fields, the levels, each price as the difference to the one before it. A level
// takes 5 bytes or so instead of the 22 of its text. When the room is used up the oldest go,
// because the snapshot that is on its way will be newer than they are.

#include <stddef.h>
#include <stdint.h>

#include "common/base/buf.h"
#include "common/market/book.h"

// One message with its numbers. Levels: bids, then asks.
struct depth_event {
    int64_t first, last, prev, ts_ms, event_ms; // prev <= last, first <= last, none negative
    const struct book_level *level;             // borrowed
    size_t n_bids, n_asks;
};

struct depth_queue {
    struct buf bytes;
    size_t n;
    uint64_t dropped;
};

void depth_queue_init(struct depth_queue *q, size_t max_bytes);
void depth_queue_release(struct depth_queue *q);
void depth_queue_clear(struct depth_queue *q);
void depth_queue_add(struct depth_queue *q, const struct depth_event *ev);
// The oldest one without its levels. / Away with it. n > 0.
void depth_queue_first(const struct depth_queue *q, struct depth_event *ev);
void depth_queue_drop(struct depth_queue *q);
// From the oldest to the newest: *at starts at 0; levels go to level[] (as many as any message may
// have). False at the end.
bool depth_queue_next(const struct depth_queue *q, size_t *at, struct depth_event *ev,
                      struct book_level *level);

#endif

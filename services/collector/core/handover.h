#ifndef COLLECTOR_HANDOVER_H
#define COLLECTOR_HANDOVER_H
// When may a connection give way to its successor without a hole?
//
//   old         1 2 3 4 5 6 7|                      frames go on to the lanes at once
//   successor        F=4 5 6 7 8                    frames are held
//                          ^ the old one has delivered F: whatever comes after F is held
//
// From that moment on closing the old one and replaying what is held leaves nothing out; what came
// twice is dropped by its id. That must hold for each stream that can be counted (trades, books);
// of a stream on which neither delivered anything there is nothing to lose once both have been up
// for a while. All of it within a bound: then the hand-over is made, or given up when the
// successor delivers nothing at all.

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "services/collector/core/connector.h"

#define HANDOVER_LANES 64
#define HANDOVER_OVERLAP_MS 500 // both are up for at least that long

// How far one connection is in one stream.
struct handover_at {
    bool has;
    int64_t id;    // of the trade or the book update, -1 = trades without one
    int64_t ts_ms; // trade time
    char uid[40];  // UUID of a trade
    uint8_t uid_n;
};

enum handover_verdict {
    HANDOVER_WAIT,
    HANDOVER_WHOLE,  // nothing is left out
    HANDOVER_FORCED, // the bound was reached: some streams are not proven
    HANDOVER_FAILED, // the successor delivers nothing
};

struct handover {
    // newest of the connection in charge; kept all the time
    struct handover_at newest[HANDOVER_LANES][2];
    // since handover_begin()
    struct handover_stream {
        bool old_seen, new_seen, reached;
        struct handover_at first; // of the successor
    } stream[HANDOVER_LANES][2];
    bool running, any_new;
    int64_t begun_ms, max_ms;
};

// A connection without predecessor: nothing is known of what it delivers.
void handover_reset(struct handover *h);
// The successor is open.
void handover_begin(struct handover *h, int64_t mono_ms, int64_t max_ms);
// An event of the connection in charge / of the successor, for lane 0..HANDOVER_LANES - 1.
void handover_old(struct handover *h, size_t lane, const struct frame *f);
void handover_new(struct handover *h, size_t lane, const struct frame *f);
// full: no more can be held.
enum handover_verdict handover_judge(const struct handover *h, int64_t mono_ms, bool full);
// Did the hand-over leave nothing out of this stream? Also true for one that can not be counted.
bool handover_is_whole(const struct handover *h, size_t lane, enum stream_kind kind);
// The successor is in charge / was given up.
void handover_end(struct handover *h);

#endif

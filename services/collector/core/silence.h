#ifndef COLLECTOR_SILENCE_H
#define COLLECTOR_SILENCE_H
// Watchdog of one stream. A socket that is up proves nothing (a stream asked for on the wrong
// route is acknowledged and never sent), only data does.
//
//   deadline = max(floor, 20 x the median of the recent gaps between messages)
//
// Past the deadline the stream is silent: health flips at once. Whether to reconnect is for the
// socket as a whole: when all of its streams are silent, or one has been for three deadlines. A
// reconnect that brings no data doubles the patience, up to five minutes.

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SILENCE_GAPS 32
#define SILENCE_FACTOR 20
#define SILENCE_MAX_MS 300000

struct silence {
    int64_t floor_ms;
    int64_t last_ms; // monotonic: last message, or when the watch began
    int64_t gap_ms[SILENCE_GAPS];
    size_t gaps; // total seen
    int64_t deadline_ms;
    bool has_data; // since the watch began
    bool silent;
};

void silence_init(struct silence *s, int64_t floor_ms);
// A new socket: the time starts anew, what is known of the market stays.
void silence_begin(struct silence *s, int64_t mono_ms);
void silence_data(struct silence *s, int64_t mono_ms);
// True when the state changed (s->silent says to what). Call about every second.
bool silence_tick(struct silence *s, int64_t mono_ms);

// The connection of n streams: what is to be done about it? `attempts` = what was done for silence
// since all streams spoke last.
enum silence_verdict {
    SILENCE_FINE,
    SILENCE_ALL, // nothing comes any more: it is dead, open it again
    SILENCE_ONE, // one stream has been silent for long while others speak: try another one
};
enum silence_verdict silence_wants_reconnect(const struct silence *const *s, size_t n, int attempts,
                                             int64_t mono_ms);

#endif

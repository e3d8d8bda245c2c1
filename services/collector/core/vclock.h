#ifndef COLLECTOR_VCLOCK_H
#define COLLECTOR_VCLOCK_H
// How far the venue's clock is ahead of ours, from a few requests that return its time.
//
// The venue read its clock at some moment between sending and receiving, so each sample knows the
// offset to half its round trip. Samples that can not all be true show a clock that does not run
// like ours: a replay faster than time, or one that stands still. Such a clock says nothing about
// which trade lies in the future.

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define VCLOCK_SAMPLES 3
#define VCLOCK_ALARM_MS 5000 // an offset beyond this raises an alarm

struct vclock {
    int64_t offset_us[VCLOCK_SAMPLES], error_us[VCLOCK_SAMPLES];
    size_t n;
};

void vclock_clear(struct vclock *c);
// True when that was the last sample needed.
bool vclock_add(struct vclock *c, int64_t sent_us, int64_t done_us, int64_t venue_ms);
// Median offset (venue - local) in ms; *steady = the samples agree.
int64_t vclock_offset_ms(const struct vclock *c, bool *steady);

#endif

#ifndef SIM_CORE_FAULT_FRAME_H
#define SIM_CORE_FAULT_FRAME_H
// Frames that are spoiled by their text alone, whatever wire wrote them.

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/buf.h"

// Appends a broken version of a frame. kinds: mix (the nth of all), truncated, not_json,
// not_object, empty, negative, absurd, letters, foreign, no_id, string_id. False: unknown kind.
bool fault_break(struct buf *out, const char *kind, int64_t nth, const char *p, size_t n);
extern const char *const fault_break_kinds[]; // NULL-terminated

// Appends a depth frame with one bid more, at the price of the highest ask that it names: the book
// of who applies it is crossed, its chain goes on. False: it names no ask, nothing was appended.
bool fault_cross(struct buf *out, const char *p, size_t n);

#endif

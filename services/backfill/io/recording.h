#ifndef BACKFILL_RECORDING_H
#define BACKFILL_RECORDING_H
// Days from own recordings: RECORD_DIR of the collector, read in slices on the loop, one day at a
// time. Knows neither jobs nor Redis.

#include <stdbool.h>

#include "common/io/loop.h"
#include "services/backfill/io/source.h"

struct recording;
struct recording *recording_new(struct loop *loop, const char *dir); // borrowed for good; "": off
void recording_free(struct recording *r);
bool recording_is_off(const struct recording *r);

// Tells what was recorded of this day: rows in no order that may be relied on, each once; claims
// (Bybit). Never calls back before it returned. False: too many days wait, ask again later, or it
// is off.
bool recording_read(struct recording *r, const struct source_day *d);
void recording_abort(struct recording *r, const void *arg); // on_done is not called
void recording_kick(struct recording *r);                   // has_room() may say yes again

#endif

#ifndef BACKFILL_FOLD_H
#define BACKFILL_FOLD_H
// Summaries of whole days in the store (common/market/summary.h), so that a previous day is told
// by one entry instead of all its trades:
//
//   .../date=2026-11-21/summary-<16 hexadecimal digits>.txt
//
// The digits are of the SHA-256 of all parts' names and sums: any change of the parts, by a merge
// or because the venue published the day anew, makes it a summary of something else, which nobody
// takes, and the next one removes it. It exists only of a day that was proven complete.
//
// Made by a child process, which reads the day as everybody does (store_child), folds it, and
// writes a temporary file, syncs, renames:
//   backfill --fold-child DIR MEMORY_MB LIB DAY_MS FROM_ID TO_ID VENUE:SYMBOL field=value...
// the fields being those of :instrument.

#include <stdbool.h>
#include <stdint.h>

#include "common/base/buf.h"
#include "common/market/summary.h"

struct app;
struct job;
struct fold; // of one instrument
struct fold *fold_new(struct app *a);
void fold_free(struct fold *f); // a child under way is ended
// The day is complete, and proven to be from_id..to_id (Bybit: -1, -1): a summary is made of it
// unless there is one, once the store has written what it was given.
void fold_want(struct fold *f, const struct instrument *ins, int64_t day_ms, int64_t from_id,
               int64_t to_id);
void fold_tick(struct fold *f); // each second

// The summary of this day as the store has it now: its text (into *text, cleared first) and what it
// says it is. False: there is none.
bool fold_read(const char *store_dir, const struct instrument *ins, int64_t day_ms,
               struct buf *text, struct summary_head *head);

// The entry that tells the day [from_ms, to_ms) of this job: *text (initialised) holds its data.
// False: there is no summary, or it is too early for one (BACKFILL_SUMMARY_AFTER_MINUTES).
bool fold_entry(const struct job *j, int64_t from_ms, int64_t to_ms, struct buf *text,
                struct history *h);
void fold_log(const struct job *j, const struct history *h); // it is delivered

// 0 or 1, with the reason on stderr.
int fold_child_main(int argc, char **argv);

#endif

#ifndef BACKFILL_TIMES_H
#define BACKFILL_TIMES_H
// What a job keeps of an instrument whose trades are counted by time (Bybit), and how the rows of
// its sources are taken.

#include "services/backfill/core/spans.h"
#include "services/backfill/core/tile.h"
#include "services/backfill/io/job.h"

struct taker { // rows of one day from one source
    struct job *job;
    enum span_when day;
    enum span_origin origin;
    struct source_day want;
    struct tile tile;
    struct spanset promised; // the store: times of which every trade comes, in order
    bool active;
};

struct stored {
    struct spanset held, lost, by[SPAN_ORIGINS];
};

struct times {
    struct spans spans;
    struct stored stored;
    struct taker taker[SPANS_DAYS][SPAN_ORIGINS];
    struct spanset scratch;
    uint64_t rows[SPAN_ORIGINS]; // of this run
};

// Asks a source for a day. False: it is busy, ask again later.
bool taker_ask(struct job *j, enum span_when d, enum span_origin o);
// deliver: what waits for a claim goes out without one; else it is dropped.
void taker_end(struct taker *k, bool deliver);

// The previous day may be complete now: then its summary is made (io/fold.h).
void times_want_summary(struct job *j);

#endif

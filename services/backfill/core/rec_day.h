#ifndef BACKFILL_REC_DAY_H
#define BACKFILL_REC_DAY_H
// Own recordings (common/feed/record.h) to the trades of one instrument and UTC day.
//
//   files, oldest first -> lines -> decoders of common/feed -> rows, each once
//
// Bybit's trades have no numbers; what proves that none is missing is the connection: between an
// "open" and its end every message is there, also over the border of two files when the first was
// "rotated". So of each such stretch
//
//   open .. | first trade | first + 1 ms .......... last trade | .. close, drop, or the file's end
//                         [ claimed ....................... )
//
// is claimed: the ms of the first trade may have begun before the connection, that of the last may
// have gone on behind it. A message that can not be read, or a trade that is refused, ends the
// stretch. While it lasts it is claimed in pieces, up to a second before its newest trade.
// (Binance's trades are proven by their numbers.)
//
// What was recorded from a simulated venue is taken for a simulated instrument alone, and nothing
// else is; what says neither is not taken.

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/feed/frame.h"
#include "common/feed/record.h"
#include "common/market/idset.h"
#include "common/market/instrument.h"
#include "common/market/uidset.h"
#include "services/backfill/core/csv.h"

#define REC_DAY_PARKED 64 // connections that go on in another file

struct rec_stretch {
    char conn[RECORD_CONN_MAX];
    int64_t part;
    int64_t from_ms, last_ms; // to be claimed from here on (-1: no trade yet); newest trade
    int rows;                 // since the last claim
};

struct rec_day {
    const struct instrument *ins;
    int64_t start_ms;
    int64_t slack_ms; // between a trade and its receipt, either way
    struct frame_space *space;
    void (*on_row)(void *arg, const struct csv_row *row);
    void (*on_claim)(void *arg, int64_t from_ms, int64_t to_ms); // NULL: none
    void *arg;

    bool open; // lines of the file are of `now`
    struct rec_stretch now;
    struct rec_stretch parked[REC_DAY_PARKED];
    size_t n_parked;
    struct idset ids; // told
    struct uidset uids;
    uint64_t rows, claims, refused,
        other_kind; // other_kind: connections of the other kind of venue
};

// How far from a day the lines that tell of it may lie. A simulated venue's clock is its own.
int64_t rec_day_slack_ms(const struct instrument *ins);
// Files with the day's trades: of this kind, begun before the day's end, written to after its
// beginning.
bool rec_day_wants(const struct instrument *ins, int64_t start_ms, const struct record_name *file,
                   int64_t written_ms);

// Callbacks, arg and space are filled in by the caller, before or after.
void rec_day_init(struct rec_day *d, const struct instrument *ins, int64_t start_ms);
void rec_day_release(struct rec_day *d);
// One line. False: nothing more of the day comes in this file.
bool rec_day_line(struct rec_day *d, const char *p, size_t n);
void rec_day_file_end(struct rec_day *d); // wherever it ended
void rec_day_end(struct rec_day *d);      // after the last file

#endif

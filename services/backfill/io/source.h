#ifndef BACKFILL_SOURCE_H
#define BACKFILL_SOURCE_H
// One UTC day of one instrument, wanted from one source: the store, an own recording, the venue's
// archive. A source knows neither the plan nor Redis; whoever asks decides what a row is worth.
//
//   asked -> on_row ... on_claim ... -> on_done, once; or aborted by whoever asked, then nothing
//
// Rows are borrowed for the call. A source stops between two slices of work while has_room() says
// no, and goes on when it is kicked.

#include <stdbool.h>
#include <stdint.h>

#include "common/market/instrument.h"
#include "services/backfill/core/csv.h"

enum source_end {
    SOURCE_DONE,   // everything the source has of this day was told
    SOURCE_ABSENT, // it has nothing of it
    SOURCE_SAME,   // its file is the one of known_sha256: nothing was told
    SOURCE_BAD,    // what it has could not be used; rows told before are good all the same
};

struct source_day {
    const struct instrument *ins; // with units; outlives the request
    int64_t start_ms;             // 00:00 UTC
    bool (*has_room)(void *arg);
    void (*on_row)(void *arg, const struct csv_row *row);
    // Bybit: every trade of [from_ms, to_ms) will have been told when rows that lie behind it come,
    // or at the end. Before the first row; NULL: nobody wants to know.
    void (*on_promise)(void *arg, int64_t from_ms, int64_t to_ms);
    // Bybit: every trade of [from_ms, to_ms) has been told. Binance proves by ids and claims none.
    void (*on_claim)(void *arg, int64_t from_ms, int64_t to_ms);
    // Something came, though not a row yet; NULL: nobody wants to know.
    void (*on_bytes)(void *arg);
    // What failed and is tried again; NULL: nobody wants to know.
    void (*on_trouble)(void *arg, const char *why);
    // why: "" or the reason; sha256: of the file that was read, "" when there is none.
    void (*on_done)(void *arg, enum source_end end, const char *why, const char *sha256);
    // The caller has all of the file with this SHA-256 already; NULL: it has not.
    const char *known_sha256;
    void *arg; // also names the request when it is aborted
};

#endif

#ifndef BACKFILL_TILE_H
#define BACKFILL_TILE_H
// Bybit trades of a source become :history entries whose claims tile the time that was claimed:
//
//   rows, ascending times     a a b c c c d        f
//   claim                   [                                  )
//   entries                 [ a a b | c c c d |    f           )    cut between two milliseconds
//
// Rows wait until a claim covers them, so that rows and claim are one entry: a killed process
// fetches exactly what no stored claim covers. Rows that no claim comes for go out after TILE_WAIT
// of them, claiming nothing (from_ms = to_ms).

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/buf.h"
#include "common/market/trade.h"
#include "services/backfill/core/batch.h"

#define TILE_ROWS 512
#define TILE_BYTES 32768
#define TILE_ROWS_MAX 4096 // of one entry, when all are of one millisecond
#define TILE_WAIT 16384

struct tile_row {
    int64_t ts_ms;
    size_t end; // of its line
};

struct tile {
    struct buf lines;
    struct tile_row *row;
    size_t n, cap;
    char source[32];
    batch_emit emit;
    void *arg;
};

void tile_init(struct tile *t, const char *source, batch_emit emit, void *arg);
void tile_release(struct tile *t); // drops what waits
// uid, price and qty need not end with a NUL. False: its time lies before that of the row before.
bool tile_add(struct tile *t, int64_t ts_ms, struct slice uid, struct slice price, struct slice qty,
              enum side side, int64_t seq, unsigned flags);
// Every trade of [from_ms, to_ms) was added, now or earlier. Rows that wait and lie before it go
// out without a claim.
void tile_claim(struct tile *t, int64_t from_ms, int64_t to_ms);
void tile_flush(struct tile *t); // what waits goes out without a claim

#endif

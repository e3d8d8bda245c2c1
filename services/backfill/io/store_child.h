#ifndef BACKFILL_STORE_CHILD_H
#define BACKFILL_STORE_CHILD_H
// The child process that holds DuckDB: it writes one part of a day, or reads a day, and ends.
//
//   backfill --store-child write DIR PRICE_SCALE QTY_SCALE MEMORY_MB LIB SOURCE SHA256   rows on
//   stdin backfill --store-child read  DIR PRICE_SCALE QTY_SCALE MEMORY_MB LIB                 rows
//   on stdout
//
// DIR is .../venue=binance/symbol=BTCUSDT/date=2026-11-21 and holds part-NNNN.parquet: sorted in
// set order, each trade once, zstd, with source, sha256, first and last id in the file's metadata.
// A part is written under a temporary name, synced, renamed. More than STORE_PARTS_MAX of them are
// merged into one. Beside each part stands its SHA-256; what does not match is set aside as .bad.

#include <stdint.h>

#define STORE_PARTS_MAX 8

struct store_row {
    int64_t ts_ms, id, price, qty; // ticks and lots of the scales given
    uint8_t buy;
    uint8_t unused[7];
};

// Exit code of the process: 0, 1 with the reason on stderr, 3: the library is not there.
int store_child_main(int argc, char **argv);

#endif

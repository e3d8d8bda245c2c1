#ifndef BACKFILL_STORE_CHILD_H
#define BACKFILL_STORE_CHILD_H
// The child process that holds DuckDB: it writes one part of a day, reads or checks a day, and
// ends.
//
//   backfill --store-child write DIR VENUE PRICE_SCALE QTY_SCALE MEMORY_MB LIB SOURCE SHA256
//                          frames on stdin
//   backfill --store-child read  DIR VENUE PRICE_SCALE QTY_SCALE MEMORY_MB LIB    frames on stdout
//   backfill --store-child check DIR VENUE PRICE_SCALE QTY_SCALE MEMORY_MB LIB    JSON on stdout
//                          (repair: the same, bad parts are set aside)
//
// DIR is .../venue=binance/symbol=BTCUSDT/date=2026-11-21 (store_day.h). A part is sorted in set
// order, holds each trade once, zstd, with source, sha256, claims and whole in its metadata. It is
// written under a temporary name, synced, summed, renamed, all else under the folder's lock. More
// than STORE_PARTS_MAX are merged into one. What does not match its .sha256 is set aside as .bad.
//
//   Binance  ts_ms id price qty side
//   Bybit    ts_ms uid price qty side seq flags    uid: UUID as text; seq NULL = not told;
//                                                  flags "" block rpi block,rpi

#include <stdint.h>

#include "common/market/trade.h"

#define STORE_PARTS_MAX 8

enum store_frame_kind {
    STORE_ROW,
    STORE_CLAIM, // Bybit: every trade of [ts_ms, id) was told
    STORE_END,   // the writer's last; flags: enum store_end. Without it what came is kept as a part
    STORE_PROMISE, // a reader's first: [ts_ms, id) will be claimed
};
enum store_end {
    STORE_WHOLE = 1,   // the rows are the whole day
    STORE_REPLACE = 2, // and all there is of it: earlier parts go
};

struct store_row {
    int64_t ts_ms, id, price, qty; // ticks and lots of the scales given; id: Bybit seq, 0 unknown
    uint8_t kind, buy, flags;      // enum trade_flag
    uint8_t unused[5];
    struct trade_uid uid;
};

// Exit code of the process: 0, 1 with the reason on stderr, 3: the library is not there.
int store_child_main(int argc, char **argv);

#endif

#ifndef SIM_CORE_BYBIT_TAPE_H
#define SIM_CORE_BYBIT_TAPE_H
// What the recorded frames of one Bybit symbol have told so far: the trades, for recent-trade, and
// the books, for whoever subscribes late. A frame is looked at when it is released.

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/buf.h"
#include "common/base/str.h"

#define BYBIT_TAPE_TRADES ((size_t)4 << 20) // more are not kept
#define BYBIT_TAPE_BOOKS 8

struct bybit_row {
    int64_t t_ms, seq; // seq -1: told none
    char uuid[40], price[32], qty[32];
    bool sell, block, rpi;
};

struct bybit_tape;
struct bybit_tape *bybit_tape_new(void);
void bybit_tape_free(struct bybit_tape *t);
// A frame of publicTrade, or of orderbook number `book` (0..BYBIT_TAPE_BOOKS - 1); others and
// broken ones are passed over.
void bybit_tape_trades(struct bybit_tape *t, struct slice frame);
void bybit_tape_book(struct bybit_tape *t, int book, struct slice frame);
const struct bybit_row *bybit_tape_rows(const struct bybit_tape *t, size_t *n);
// Appends the book as a snapshot of the topic; false: nothing is known of it. A book whose deltas
// were lost is told as it stands here; its u is that of the last frame.
bool bybit_tape_snapshot(const struct bybit_tape *t, int book, const char *topic,
                         const char *symbol, bool restart, struct buf *out);
// Appends the frame with its times (ts, T, cts) moved by ms.
void bybit_tape_shifted(struct buf *out, struct slice frame, int64_t ms);
// The number behind "ts", -1 when there is none.
int64_t bybit_tape_stamp(struct slice frame);

#endif

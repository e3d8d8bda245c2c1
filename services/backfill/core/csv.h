#ifndef BACKFILL_CSV_H
#define BACKFILL_CSV_H
// Lines of the venues' trade archives, one trade each. The three kinds:
//
//   CSV_BINANCE  agg_trade_id,price,quantity,first_trade_id,last_trade_id,transact_time,
//                is_buyer_maker[,is_best_match]   header in newer files, none in older ones;
//                time in ms (USD-M) or us (spot); booleans in any case
//   CSV_BYBIT    timestamp,symbol,side,size,price,tickDirection,trdMatchID,...[,RPI]
//                time in seconds with decimals, rows in any order
//   CSV_CCXT     ,timestamp,id,type,side,price,amount,cost,date    as ccxt writes fetched trades
//
// A header names the columns, whatever their order; without one the order above holds (Bybit and
// ccxt always have one). Times become ms by cutting, never by rounding and never through a double.

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/buf.h"
#include "common/base/err.h"
#include "common/base/str.h"
#include "common/market/trade.h"

#define CSV_COLUMNS 16
#define CSV_LINE_MAX 1024

enum csv_kind { CSV_BINANCE, CSV_BYBIT, CSV_CCXT };

struct csv_row {
    int64_t ts_ms;
    int64_t id;                           // aggregate id; 0 for Bybit
    struct slice price, qty, uid, symbol; // borrowed; uid and symbol "" where the file has none
    enum side side;
    uint8_t flags; // enum trade_flag
};

enum csv_role {
    CSV_ID,
    CSV_PRICE,
    CSV_QTY,
    CSV_TIME,
    CSV_SIDE,
    CSV_UID,
    CSV_SYMBOL,
    CSV_RPI,
    CSV_ROLES
};

struct csv {
    enum csv_kind kind;
    int column[CSV_ROLES]; // -1: none
    bool has_columns;
    bool usual; // Binance's seven columns in their usual order
    uint64_t lines, rows;
    struct buf carry; // an unfinished line between two pieces
};

void csv_init(struct csv *c, enum csv_kind kind);
void csv_release(struct csv *c);
// One line without its end. 1 = a row in *out, 0 = header or blank line, ERR_* with the reason.
int csv_line(struct csv *c, const char *line, size_t n, struct csv_row *out, struct err *e);

// Returns 0 to go on, anything else ends csv_feed() with that value.
typedef int (*csv_row_cb)(void *arg, const struct csv_row *row, struct err *e);
// Bytes of the file as they come, cut anywhere. 0, what cb returned, or ERR_* with the line named.
int csv_feed(struct csv *c, const char *bytes, size_t n, csv_row_cb cb, void *arg, struct err *e);
// The end of the file: a last line without an end counts.
int csv_end(struct csv *c, csv_row_cb cb, void *arg, struct err *e);

#endif

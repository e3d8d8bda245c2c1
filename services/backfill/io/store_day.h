#ifndef BACKFILL_STORE_DAY_H
#define BACKFILL_STORE_DAY_H
// What a day's folder of the store holds, without opening a Parquet file:
//
//   BACKFILL_CACHE_DIR[/simulated]/venue=binance/symbol=BTCUSDT/date=2026-11-21/
//     part-0007.parquet           rows; the same facts stand in its metadata
//     part-0007.parquet.sha256    as sha256sum writes it
//     day.json                    one entry per part, renamed into place after each change
//     part-0003.parquet.bad       set aside
//
// day.json is a copy: a part that it does not name, or names with another size, is looked at again
// (store_child), and losing it loses nothing. Whoever changes a folder holds its lock.

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/err.h"
#include "common/market/instrument.h"

#define STORE_PARTS 4096
#define STORE_PATH 640
#define STORE_CLAIMS 2000 // claimed times a day at most

struct store_part {
    int number;
    bool known;                                   // the fields below are
    bool by_id;                                   // rows ascend by id as well as in set order
    bool whole;                                   // it holds the whole day by itself
    int64_t bytes, rows;                          // of the file
    int64_t first_id, last_id, first_ms, last_ms; // -1 unknown; ids: Binance
    char source[32];                              // "archive", "rest", "recording", "merged"
    char sha256[65];                              // of the file the rows came from, or ""
    char *claims;                                 // Bybit, text of spanset; owned, never NULL
};

struct store_day {
    struct store_part *part; // by number
    size_t n;
    bool damaged; // day.json names a part that is not there, or another size
};

// DIR of a day. store_dir is BACKFILL_CACHE_DIR.
void store_day_path(const char *store_dir, const struct instrument *ins, int64_t day_start_ms,
                    char out[STORE_PATH]);
void store_part_path(const char *dir, int number, const char *end, char out[STORE_PATH]);

// Reads day.json and looks at the folder. 0 (a folder that is not there is empty) or ERR_*.
int store_day_load(struct store_day *d, const char *dir, struct err *e) MUST_CHECK;
void store_day_release(struct store_day *d);
// Writes day.json: temporary name, sync, rename. 0 or ERR_IO.
int store_day_save(const struct store_day *d, const char *dir, struct err *e) MUST_CHECK;
// The part that holds the whole day, NULL: the day is not known to be complete.
const struct store_part *store_day_whole(const struct store_day *d);
// Appends an entry; the caller fills it.
struct store_part *store_day_add(struct store_day *d, int number);
void store_day_drop(struct store_day *d, size_t i);

// Is this day complete in the store? A few system calls. *out may be NULL; its claims are "".
bool store_has_whole_day(const char *store_dir, const struct instrument *ins, int64_t day_start_ms,
                         struct store_part *out);

// The folder's lock: -1 when there is no folder (or, not waiting, somebody else has it).
int store_day_lock(const char *dir, bool exclusive, bool wait);
void store_day_unlock(int fd);

#endif

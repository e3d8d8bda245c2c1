#ifndef BACKFILL_STORE_H
#define BACKFILL_STORE_H
// The days kept as Parquet, seen from the service: a child process per day that is read and per
// part that is written, fed or drained through a pipe on the loop. The service itself never maps
// the library, and a store that fails, or a library that is not there, costs nothing but speed.
//
// What stands on disk: store_day.h. Knows neither jobs nor Redis.

#include <stdbool.h>
#include <stdint.h>

#include "common/io/loop.h"
#include "services/backfill/io/source.h"
#include "services/backfill/io/store_day.h"

struct store_opts {
    struct loop *loop;
    const char *dir, *lib; // BACKFILL_CACHE_DIR, BACKFILL_STORE_LIB; borrowed for good
    int64_t memory_mb;
    bool off;
    void (*on_room)(void *arg); // rows were written to disk: store_has_room() may have changed
    void *arg;
};

struct store;
struct store *store_new(const struct store_opts *o);
// Readers are ended without a word; writers under way finish by themselves.
void store_free(struct store *s);
bool store_is_off(const struct store *s);

// Tells what the store has of this day, ids ascending (Binance) or in set order (Bybit), then its
// claims, which Binance has, too, when the day is whole: [00:00, next 00:00). Never calls back
// before it returned. False: too many are being read, ask again later.
bool store_read(struct store *s, const struct source_day *d);
void store_abort(struct store *s, const void *arg); // on_done is not called
void store_kick(struct store *s);                   // has_room() may say yes again

// Rows of one day from one source become a part; they may come in any order and again. `sha256` is
// that of the file they come from, or "". Rows of another day, or with numbers that are not the
// instrument's, are refused: false.
bool store_put(struct store *s, const struct instrument *ins, int64_t day_start_ms,
               const char *source, const char *sha256, const struct csv_row *row);
bool store_put_trade(struct store *s, const struct instrument *ins, int64_t day_start_ms,
                     const char *source, const char *sha256, const struct trade *t);
// Bybit: every trade of [from_ms, to_ms) was put by this source, or is known to the store already.
void store_claim(struct store *s, const struct instrument *ins, int64_t day_start_ms,
                 const char *source, int64_t from_ms, int64_t to_ms);
// Ends the parts of this day.
void store_flush(struct store *s, const struct instrument *ins, int64_t day_start_ms);
// Ends the part of this source and says that it is the whole day; with `replace`, that what other
// parts say of it is void. From a file the venue made of the whole day, or when ids prove it.
void store_seal(struct store *s, const struct instrument *ins, int64_t day_start_ms,
                const char *source, bool replace);
// Gives up what was put by this source and is not a part yet.
void store_drop(struct store *s, const struct instrument *ins, int64_t day_start_ms,
                const char *source);
// Less than the bound waits for the disk.
bool store_has_room(const struct store *s, const struct instrument *ins);
// Children that still write parts of this day (NULL: of any).
size_t store_writing(const struct store *s, const struct instrument *ins, int64_t day_start_ms);

#endif

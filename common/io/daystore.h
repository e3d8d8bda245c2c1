#ifndef IO_DAYSTORE_H
#define IO_DAYSTORE_H
// The two live days of a ledger as hashes: <day_prefix><YYYY-MM-DD> (accumulators and derived
// values) and <profile_prefix><YYYY-MM-DD> (field = bin price). Loads them, writes what changed
// since, and deletes days that nobody shows any more. context and strategy keep a copy each.

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/io/redis.h"
#include "common/market/ledger.h"

// What of a day is in Redis.
struct day_mark {
    int64_t start_ms; // -1 = nothing
    uint64_t trades;
    int64_t sealed;
};

struct daystore {
    struct ledger *l;                        // borrowed
    const char *day_prefix, *profile_prefix; // borrowed: "context:", "profile:"
    struct day_mark mark[2];                 // of the current and the previous day
    uint64_t revised;                        // ledger_changes() - counted, at the last flush
    // load under way
    unsigned waiting; // replies to come
    bool gone;        // the link died meanwhile
    struct err why;
    int64_t load_ms[2];
    void (*done)(void *arg, const struct err *why);
    void *arg;
};

enum { DAYSTORE_CUR = 1, DAYSTORE_PREV = 2 };

void daystore_init(struct daystore *s, struct ledger *l, const char *day_prefix,
                   const char *profile_prefix);
// Nothing stored is believed: the next flush replaces whole days.
void daystore_forget(struct daystore *s);
// Fills the (empty) ledger: day `cur_ms` (-1: none), the calendar day before it if stored, the ids
// held. done(NULL) when all is there, done(why) when what is stored does not hold together (the
// ledger is then half filled: clear it). When the link dies, done is not called.
void daystore_load(struct daystore *s, struct redis *r, int64_t cur_ms, struct slice ids,
                   void (*done)(void *arg, const struct err *why), void *arg);
// Adds to tx what changed since the last flush or load; DAYSTORE_* of the days written. `touched`
// (may be NULL) is called for each bin of the current day that is written.
unsigned daystore_flush(struct daystore *s, struct redis_tx *tx,
                        void (*touched)(void *arg, const char *price), void *arg);

#endif

#ifndef BACKFILL_KEEP_H
#define BACKFILL_KEEP_H
// Makes days whole in the store, one after the other, from the venue's archive:
//
//   whole already   its CHECKSUM is asked for: the venue may have published the file anew
//   not whole       archive -> store, sealed; counted only when the sealed part is on disk
//   no archive      told with its reason, tried again when it is asked for anew
//
// For `backfill --fetch` and, at the lowest priority, for BACKFILL_DAYS in the running service:
// whenever may_run() says no, what is under way is given up (a download goes on where it stopped).

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/market/instrument.h"

enum keep_state {
    KEEP_WAITING,
    KEEP_RUNNING,
    KEEP_HELD,     // was whole, and still is what the venue says
    KEEP_FETCHED,  // is whole now
    KEEP_REPLACED, // was whole, the venue had published another file since
    KEEP_ABSENT,   // the venue has no archive of it (yet)
    KEEP_FAILED,   // why
};
const char *keep_state_name(enum keep_state s);

struct keep_day {
    const struct instrument *ins;
    int64_t start_ms;
    enum keep_state state;
    int64_t trades; // of the day, once it is whole
    int64_t rows;   // read so far
    int64_t began_ms, took_ms;
    char sha256[65];
    char why[160];
};

struct app;
struct keep_opts {
    struct app *app;
    bool (*may_run)(void *arg);                          // NULL: always
    void (*on_day)(void *arg, const struct keep_day *d); // its state is final; NULL: nobody asks
    void (*on_all)(void *arg);                           // nothing is left to do; NULL
    void *arg;
};

struct keep;
struct keep *keep_new(const struct keep_opts *o);
void keep_free(struct keep *k); // what is under way is given up
// Appends a day; ins with units, outlives k. A day that is there already and final is done anew.
void keep_add(struct keep *k, const struct instrument *ins, int64_t start_ms);
// Looks what can be done now; called after keep_add() and about once a second. Never calls back
// before it returned.
void keep_kick(struct keep *k);
void keep_stop(struct keep *k); // gives up what is under way; nothing is called any more
const struct keep_day *keep_days(const struct keep *k, size_t *n);
const struct keep_day *keep_current(const struct keep *k); // NULL: none is under way
// Days of this instrument (NULL: of all), and of them whole.
void keep_count(const struct keep *k, const struct instrument *ins, int64_t *days, int64_t *whole);

// Removes archives of days that are whole in the store (unless BACKFILL_KEEP_ARCHIVES), and what
// was set aside more than a week ago.
void keep_sweep(const struct app *a, const struct instrument *ins);

#endif

#ifndef BACKFILL_PLAN_H
#define BACKFILL_PLAN_H
// What is still missing of one Binance instrument before its first live trade, and who is asked
// for it next. Answers in, tasks out; no clock of its own, no request.
//
//   previous day                     today                          live
//   | p0 .......................... | t0 ......................... | live_id ...
//   ^ proven by p0-1                ^ proven by t0-1               (the seam: by id)
//
// Both first ids are located once by time and proven by the trade before them; then the ids from
// p0 to live_id - 1 are all there is to be had, each either held, given up, or still asked for:
//   a whole past day      by its archive, when there is one (store and recording first)
//   everything else       by pages of WALK_LIMIT ids from REST, oldest first
// Whatever a source brought is taken by id, so sources join exactly and may overlap.
//
// `held` holds what was delivered to :history, `lost` what was given up; both are stored with the
// delivery itself, which is how a killed process goes on exactly where it was.

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/market/idset.h"
#include "services/backfill/core/walk.h"

#define PLAN_TASKS 32
#define PLAN_SPANS 20000
#define PLAN_EXTRA 16

enum plan_day { PLAN_PREV, PLAN_TODAY, PLAN_DAYS };

enum plan_source { // of a whole past day
    PLAN_UNTRIED,
    PLAN_RUNNING,
    PLAN_DONE,   // it gave what it had
    PLAN_ABSENT, // it has nothing (reason)
};

struct plan_mark {
    int64_t start_ms;
    int64_t first_id; // -1 not located yet
    int64_t first_ms;
    bool proven;  // the trade before it lies before start_ms
    bool settled; // nothing more to ask: proven, or shown to be unprovable
    int tries;
    char why[64]; // not proven: the reason
};

enum task_kind { TASK_LOCATE, TASK_ANCHOR, TASK_PAGE };
struct task {
    enum task_kind kind;
    enum plan_day day;      // LOCATE, ANCHOR
    int64_t lo, hi;         // ids of a PAGE; lo of an ANCHOR is the id asked for
    int64_t from_ms, to_ms; // times a page's rows may have; LOCATE: start and latest possible
    int64_t due_ms;         // not before (monotonic)
    int tries;              // failures of any kind in a row
    int wrong;              // wrong answers in a row
    bool doubted;           // an answer left ids out: believed when the next one does, too
    bool in_flight, used;
};

struct plan_opts {
    int64_t retry_base_ms, retry_max_ms;
    int max_wrong; // wrong answers to one page before its ids are given up
    bool prev_day; // false: today only
};

struct plan_range {
    int64_t lo, hi, from_ms, to_ms;
};

struct plan {
    struct plan_opts o;
    struct plan_mark day[PLAN_DAYS];
    int64_t live_id, live_ms;
    enum plan_source archive; // of the previous day
    bool storing[PLAN_DAYS];  // the store is being read for this day: nobody else is asked for it
    char archive_why[96];
    struct idset held, lost;
    struct task task[PLAN_TASKS];
    struct plan_range extra[PLAN_EXTRA]; // holes behind the first live trade
    size_t extras;
    uint64_t pages, wrong;
};

void plan_init(struct plan *p, const struct plan_opts *o);
void plan_release(struct plan *p);
// Begins with what is known: the first live trade, and the newest trade (its day is today).
// `held` and `lost` stay.
void plan_start(struct plan *p, int64_t live_id, int64_t live_ms, int64_t newest_ms);
// Adopts a first id that an earlier run had proven.
void plan_set_mark(struct plan *p, enum plan_day d, int64_t id, int64_t ms);

// Ids to be had of a day: false when it is not known yet, or there are none.
bool plan_day_range(const struct plan *p, enum plan_day d, int64_t *lo, int64_t *hi);
// Ids of a day that are neither held nor given up; 0 while its range is not known.
int64_t plan_missing(const struct plan *p, enum plan_day d);
// Whether any id of a day was given up.
bool plan_lost_any(const struct plan *p, enum plan_day d);
// Whether anything of this day lies before the first live trade.
bool plan_concerns(const struct plan *p, enum plan_day d);
void plan_store(struct plan *p, enum plan_day d, bool reading);
// The whole previous day is wanted from an archive: nothing was tried and something is missing.
bool plan_wants_archive(const struct plan *p);
void plan_archive(struct plan *p, enum plan_source s, const char *why);
// The archive's first trade: where the day begins as far as it knows, when nobody else told.
void plan_archive_first(struct plan *p, int64_t id, int64_t ms);

// Ids behind the first live trade are missing, too: asked for by pages like the others, behind
// them. False: PLAN_EXTRA ranges are under way. One with nothing left to ask for takes no place.
bool plan_want(struct plan *p, const struct plan_range *r);
bool plan_wants_more(struct plan *p); // any of these is not held, given up or answered yet
// Given up before, and found elsewhere since.
void plan_found(struct idset *lost, int64_t lo, int64_t hi, int64_t ms);

// The next request that may go now; it is in flight until plan_answered/failed. NULL: none now.
struct task *plan_next(struct plan *p, int64_t mono_ms);
// Moment of the earliest task that waits, INT64_MAX none.
int64_t plan_due_ms(const struct plan *p);
size_t plan_in_flight(const struct plan *p);

void plan_located(struct plan *p, struct task *t, int64_t id, int64_t ms);
void plan_anchored(struct plan *p, struct task *t, bool none);
// Rows up to `proven` were delivered or given up by the caller through plan_hold()/plan_lose().
void plan_paged(struct plan *p, struct task *t);
// No answer (an error of the way, a refusal): asked again later, without end.
void plan_failed(struct plan *p, struct task *t, int64_t mono_ms);
// A wrong answer. True: this page is to be given up, lo..hi (the task is gone).
bool plan_wrong(struct plan *p, struct task *t, int64_t mono_ms, const char *why, int64_t *lo,
                int64_t *hi);

void plan_hold(struct plan *p, int64_t lo, int64_t hi, int64_t from_ms, int64_t to_ms);
void plan_lose(struct plan *p, int64_t lo, int64_t hi, int64_t from_ms, int64_t to_ms);
bool plan_has(const struct plan *p, int64_t id); // held or given up

// Both days are located and settled and nothing is missing, asked for or being read.
bool plan_complete(const struct plan *p);
// Trades held or given up of all that are to be had; *total -1 while that is not known.
void plan_count(const struct plan *p, int64_t *done, int64_t *total);

#endif

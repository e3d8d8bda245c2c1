#ifndef BACKFILL_SPANS_H
#define BACKFILL_SPANS_H
// What is still missing of one Bybit instrument before its first live trade, and who is asked for
// it next: by time, since Bybit's trades have no consecutive ids.
//
//   previous day                     today                          live
//   | 00:00 ....................... | 00:00 ...................... live_ms ]
//   wanted = these milliseconds - what was delivered (`held`)
//
// The millisecond of the first live trade is wanted, too: trades of it may have come before the
// feed did. Sources of a day are asked in this order, each only for what those before it left:
//   store, own recording     both days
//   archive                  the previous day; it appears hours after midnight, so a venue that
//                            has none yet is asked again, calmly, for as long as it matters
// Then what is left is declared lost with the reason. A claim that comes later wins: it takes the
// time out of `lost` again.
//
// Time in, decisions out; no clock, no request of its own.

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/market/spanset.h"

#define SPANS_MAX 20000

enum span_origin { SPAN_STORE, SPAN_RECORDING, SPAN_ARCHIVE, SPAN_ORIGINS };
const char *span_origin_name(enum span_origin o); // "store", "recording", "archive"

enum span_when { SPANS_PREV, SPANS_TODAY, SPANS_DAYS };
enum span_try {
    SPAN_UNTRIED,
    SPAN_ASKED, // rows may be coming
    SPAN_TOLD,  // it gave what it has
    SPAN_EMPTY, // it has nothing
};

struct span_day {
    int64_t start_ms;
    enum span_try tried[SPAN_ORIGINS];
    int64_t due_ms; // of the archive's next try (monotonic)
    int pauses;     // tries of the archive that brought nothing it could use
    char why[96];   // the newest of them
};

struct spans_opts {
    bool prev_day;                  // false: today only
    bool use[SPAN_ORIGINS];         // false: nobody is there to ask
    int64_t retry_ms, retry_max_ms; // between tries of the archive
};

struct spans {
    struct spans_opts o;
    int64_t live_ms; // first live trade; -1 unknown
    struct span_day day[SPANS_DAYS];
    struct spanset held, lost;       // delivered and claimed; given up
    struct spanset by[SPAN_ORIGINS]; // of held: who brought it
};

void spans_init(struct spans *s, const struct spans_opts *o);
void spans_release(struct spans *s);
void spans_clear(struct spans *s); // nothing is held or given up
// Begins with the first live trade and the newest trade, whose day is today. What is held and given
// up stays, without what is older than the previous day.
void spans_start(struct spans *s, int64_t live_ms, int64_t newest_ms);
// The newest trade is of a later day: what was today is the previous day now. False: it is not.
bool spans_roll(struct spans *s, int64_t newest_ms);

// The times to be had of a day, [*from, *to); false: none (live began before it, or it is not
// wanted).
bool spans_range(const struct spans *s, enum span_when d, int64_t *from_ms, int64_t *to_ms);
// Of a day: what is not held, into *out (cleared first; initialised by the caller).
void spans_missing(const struct spans *s, enum span_when d, struct spanset *out);
// A trade of this time is to be delivered.
bool spans_wants(const struct spans *s, enum span_when d, int64_t ts_ms);

// Whom to ask now. True: *d, *o; say spans_asked() when it was. False: nobody.
bool spans_next(const struct spans *s, int64_t mono_ms, enum span_when *d, enum span_origin *o);
void spans_asked(struct spans *s, enum span_when d, enum span_origin o);
// It has told what it has. `good`: something that could be used; why: the reason otherwise; again:
// asking again soon may help (the archive is not there yet), else after twice the time.
void spans_told(struct spans *s, enum span_when d, enum span_origin o, bool good, const char *why,
                bool again, int64_t mono_ms);
// Every trade of [from_ms, to_ms) was delivered.
void spans_hold(struct spans *s, int64_t from_ms, int64_t to_ms);
void spans_credit(struct spans *s, enum span_origin o, int64_t from_ms, int64_t to_ms);
void spans_lose(struct spans *s, int64_t from_ms, int64_t to_ms);

// All sources of the day have had their turn: what spans_missing() leaves and `lost` does not hold
// is to be declared, for this reason.
bool spans_is_settled(const struct spans *s, enum span_when d);
const char *spans_reason(const struct spans *s, enum span_when d);
// Nothing is missing, but for what was declared.
bool spans_is_complete(const struct spans *s);

#endif

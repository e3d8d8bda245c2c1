#ifndef COLLECTOR_REPAIR_H
#define COLLECTOR_REPAIR_H
// The holes of one instrument that the venue's REST can still fill: which request comes next, what
// its answer means, and what is written because of it. Time in, entries of :history out.
//
//   hole        lo ............................ hi      ids not received, known from `gap` entries
//   request     fromId=lo limit=1000
//   answer      lo ........ n | n+2 .... hi | hi+1 ..
//   entries     trades lo..n   lost n+1  trades n+2..hi   (behind hi: not asked for, dropped)
//
// Newest hole first: what is shown and traded on depends most on the latest minutes, and a backlog
// is worked off at 1000 ids a request, long before the venue's 48 hours end. A hole that waits for
// its next try does not keep the others waiting.
//
// An answer is believed only when it is what was asked for: ids from fromId upwards without
// repetition, numbers the instrument can hold, times between those of the hole's neighbours. Ids it
// leaves out are `lost`, reason "not at venue", only when the next row proves it: a row inside the
// hole, or the one right behind it. A venue that no longer has so old an id may answer with its
// newest rows instead; those lie beyond the hole and prove nothing.
//
// The set needs no storage: after a restart the holes are found again in :history.

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/market/idset.h"
#include "common/market/instrument.h"
#include "common/market/trade.h"

#define REPAIR_LIMIT 1000        // rows asked for: the venue's maximum
#define REPAIR_CHUNK_ROWS 500    // rows of one entry,
#define REPAIR_CHUNK_BYTES 49152 // and bytes of its data
#define REPAIR_SLACK_MS 60000    // times of neighbours may run back by so much

struct repair_opts {
    size_t max_holes;
    int64_t delay_ms;                   // late frames may fill a hole by themselves meanwhile
    int64_t retry_min_ms, retry_max_ms; // pause after a failed try; doubles
    int max_tries;                      // then the hole is given up
    int64_t reach_ms;                   // how far back the venue answers
};

struct repair_hole {
    int64_t lo, hi;     // inclusive
    int64_t t_lo, t_hi; // ms of the trades around it
    int64_t due_ms;     // monotonic: not asked for before
    int tries;          // failed so far
};

struct repair {
    struct repair_opts o;
    struct repair_hole *hole; // ascending, disjoint; room for max_holes + 1
    size_t n;
    struct idset gaps, told;  // while :history is read
    struct repair_hole asked; // the request under way
    bool asking;
    // counters
    uint64_t added, ids_repaired, ids_lost, answers, wrong, failed, dropped;
};

// Takes an entry; false when there is no room for it now.
typedef bool (*repair_emit)(void *arg, const struct history *h);

void repair_init(struct repair *r, const struct repair_opts *o);
void repair_release(struct repair *r);

// A hole. What is known of these ids already starts anew. Beyond max_holes the oldest is dropped.
void repair_add(struct repair *r, int64_t lo, int64_t hi, int64_t t_lo, int64_t t_hi,
                int64_t mono_ms);
// These ids came by another way, or are not to be had.
void repair_held(struct repair *r, int64_t lo, int64_t hi);

// After a restart: entries of :history in any order, then the end: what gaps tell of and nothing
// else holds is to be repaired.
void repair_seed(struct repair *r, const struct history *h);
void repair_seed_held(struct repair *r, const struct id_span *s);
void repair_seed_end(struct repair *r, int64_t mono_ms);

// Gives up what lies further back than the venue answers. newest_ms: newest trade known.
void repair_expire(struct repair *r, int64_t newest_ms, repair_emit emit, void *arg);
// The next request, true when one is due. Follow with one of the three below.
bool repair_next(const struct repair *r, int64_t mono_ms, int64_t *from_id);
// When the next is due (monotonic), -1 when there is nothing to ask for.
int64_t repair_due_ms(const struct repair *r);
// The request for from_id is under way. False: that hole is gone meanwhile.
bool repair_ask(struct repair *r, int64_t from_id);
// Its answer (HTTP 200). NULL, or why it was not believed.
const char *repair_answer(struct repair *r, const struct instrument *ins, const char *body,
                          size_t n, int64_t mono_ms, repair_emit emit, void *arg);
// No answer, or an error of the venue. counts: the venue failed, and may do so only so often.
void repair_failed(struct repair *r, bool counts, int64_t mono_ms, repair_emit emit, void *arg);

uint64_t repair_ids_pending(const struct repair *r);

#endif

#ifndef COLLECTOR_OVERLAP_H
#define COLLECTOR_OVERLAP_H
// Continuity where no id proves it: the venue's newest trades (a page of its REST) are united with
// what is held.
//
//   page, newest first     N ... J ..... F ............ E     at most `limit` trades, no hole
//   inside held                   N ... J ..... F    H ........ ..
//                          link since F  |    | newest held when the link began: was something
//                                        |    | between H and F?
//
// A page is complete from its oldest time on. When it was cut at `limit`, trades of the very
// millisecond E may be missing, so it is complete from E + 1. Upwards the link takes over when the
// page shows a trade J that came by this link: the link was asked for before the page, so nothing
// can lie between them. Hence with a page that joins the link:
//
//   complete from <= H     nothing lies between H and F that the page did not show: proven
//   E == H, E held before  the page's order is that of matching: what came before E came, too
//   else                   a hole [H, complete from) that no later page reaches: gap, lost
//
// Rows that are not held are written to :history with the claim [from, to): every trade of these
// times is in :trades or here. A claim begins where the page is complete and where the names of
// what is held are known, and ends before the oldest trade that is not stored yet, since a claim
// outlives this process and the trades in memory do not.
//
// From a link's first trade on new trades are held back (they stay in the outbox) until the proof
// is there, `hold_ms` at most: so a process that is killed meanwhile leaves no undeclared hole, and
// a proven one leaves no gap. When it takes longer the gap is declared and the page is asked for
// all the same: its claim then takes the gap away.
//
// Audit. A frame that the venue withholds from a healthy link leaves no trace in it, so every
// `audit_ms` (sooner when a full page spans less) a page is compared with what is held, without any
// suspicion. What it shows below a trade J of this link, a second older at least, and nobody holds
// was never sent: it is written, without a claim, and counted. Nothing is held back meanwhile.

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/market/instrument.h"
#include "common/market/trade.h"
#include "services/collector/core/uidwin.h"

#define OVERLAP_LIMIT 1000 // rows asked for: the venue's maximum
#define OVERLAP_HOLES 64   // beyond it the oldest are forgotten: they stay declared

struct overlap_opts {
    int64_t hold_ms;      // longest time that trades are held back
    int64_t ask_ms;       // pause before the first page: the venue's REST runs behind its feed
    int64_t retry_min_ms; // pause after a page that proved nothing; doubles
    int64_t retry_max_ms;
    int64_t audit_ms; // longest pause between pages without a suspicion; 0 = never
    int max_tries;    // pages that failed or proved nothing before a hole is lost
};

// One row of recent-trade. Slices point into the body's tree.
struct overlap_row {
    int64_t ts_ms, seq; // seq 0 = none
    struct trade_uid uid;
    struct slice price, qty;
    uint8_t side, flags;
};

struct overlap_hole {
    int64_t from_ms, to_ms;
    const char *reason; // a literal
    int tries;
};

struct overlap {
    struct overlap_opts o;
    bool holding; // trades are held back; the hole below is not declared
    struct overlap_hole rejoin;
    int64_t first_ms; // of the newest link's first trade, 0 = there was none
    int64_t hold_until_ms;
    struct overlap_hole hole[OVERLAP_HOLES]; // declared
    size_t n;
    int64_t due_ms; // monotonic: of the next page, -1 = none
    int64_t pause_ms;
    bool asking;
    int64_t audited_ms; // newest page compared up to here, 0 = none yet
    // counters
    uint64_t pages, wrong, proven, declared, lost, repaired;
    uint64_t audits, found; // trades that an audit found missing
    uint64_t audits_short;  // a page did not reach back to the one before
};

// What is to be written. False: no room now.
typedef bool (*overlap_emit)(void *arg, const struct history *h);

struct overlap_state {
    const struct instrument *ins;
    struct uidwin *names;
    uint32_t link;       // origin of what this link brought
    int64_t newest_ms;   // newest trade held
    int64_t oldest_ms;   // oldest trade held
    int64_t unstored_ms; // oldest trade held that is not on Redis yet; INT64_MAX = none
    int64_t mono_ms;
};

void overlap_init(struct overlap *v, const struct overlap_opts *o);

// The first trade of a link, at first_ms. held_ms: newest trade held before, 0 = none: then there
// is no hole, but the page extends what is known backwards. From now on v->holding. A link that
// follows before the last one was proven widens its hole.
void overlap_begin(struct overlap *v, int64_t held_ms, int64_t first_ms, const char *reason,
                   int64_t mono_ms);
// A declared hole.
void overlap_add_hole(struct overlap *v, int64_t from_ms, int64_t to_ms, const char *reason,
                      int64_t mono_ms);
// Trades are held back for too long, or the process ends (force): the hole is declared.
void overlap_tick(struct overlap *v, bool force, overlap_emit emit, void *arg, int64_t mono_ms);
// When the next page is due (monotonic), -1 when none is.
int64_t overlap_due_ms(const struct overlap *v);
void overlap_ask(struct overlap *v); // it is under way

// The page, newest first. cut: it has as many rows as were asked for. NULL, or why it was not
// believed.
const char *overlap_page(struct overlap *v, const struct overlap_state *s,
                         const struct overlap_row *row, size_t n, bool cut, overlap_emit emit,
                         void *arg);
// No answer, or an error. counts: it is one of the tries.
void overlap_failed(struct overlap *v, bool counts, const char *why, overlap_emit emit, void *arg,
                    int64_t mono_ms);

#endif

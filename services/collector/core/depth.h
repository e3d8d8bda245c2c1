#ifndef COLLECTOR_DEPTH_H
#define COLLECTOR_DEPTH_H
// One order book kept in step with its venue: events and answers in, time in, wishes out.
//
// Binance    events            e4 e5 | e6 e7 e8 e9     each names the one before it (pu)
//            snapshot L             ^ within e6
//            An event arrives, the snapshot is asked for, what comes meanwhile is buffered. Events
//            that end before L are older than the snapshot; the first other one must span L
//            (U <= L <= u) or follow it (pu == L), each later one must follow its predecessor. A
//            snapshot that the first buffered event does not reach back to is too old: ask again.
// Bybit      snapshot, deltas; a snapshot (or u == 1) at any time replaces the book. u grows by one
//            (the check can be switched off). After a break nothing but a new snapshot helps, and
//            that comes by subscribing again.
//
// Whatever was missed, one thing is not done: to show a book that is not proven. A broken chain, a
// crossed book, a touch outside of the window that the snapshot covered: the book is no longer live
// and what is shown is the last view that was, marked so, until a new snapshot has been joined.
// When the market has merely come near the edge of the window, a new snapshot is asked for while
// the book stays live.
//
// Two connections may bring the same events during a hand-over, cut in other places: what ends at
// or before the last id is a copy, what spans it joins.

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/feed/frame.h"
#include "common/market/book.h"
#include "common/market/instrument.h"
#include "common/market/trade.h"
#include "services/collector/core/depth_queue.h"
#include "services/collector/core/feed.h"

#define DEPTH_SHOWN 20
// Ids at or below the last one are copies, unless they belong to a time so much later: then the
// venue counts anew.
#define DEPTH_RESTART_MS 5000

enum depth_state {
    DEPTH_STALE,   // no connection carries it, or nothing comes
    DEPTH_SYNCING, // events come, a snapshot does not join them yet
    DEPTH_LIVE,
};
const char *depth_state_name(enum depth_state s);

struct depth_opts {
    enum venue venue;
    size_t max_levels;     // of a side
    size_t limit;          // levels of a side of a snapshot (Bybit: of the topic)
    size_t refresh_levels; // Binance: fewer known ones on a side ask for a new snapshot
    size_t buffer_bytes;   // of events that wait for a snapshot; the oldest go
    bool check_u;          // Bybit: u must grow by one
    int64_t retry_min_ms, retry_max_ms; // between two requests for this book; doubles
};

enum depth_verdict {
    DEPTH_REFUSED,  // why
    DEPTH_COPY,     // known already, or older than the snapshot
    DEPTH_BUFFERED, // waits for a snapshot (Bybit: useless without one)
    DEPTH_APPLIED,  // also a snapshot that was taken
    DEPTH_TOO_OLD,  // a snapshot that does not reach the events
};

struct depth_out {
    enum depth_verdict verdict;
    enum refusal why;
    const char *broken; // the book was lost by this: "gap", "crossed", "restart"; NULL = it was not
    int64_t expected, got; // of a gap: the id that was to be followed, the one that was named
};

// What is shown of a book: the best levels inside the window.
struct depth_view {
    bool has; // there was a live book once
    struct book_level bids[DEPTH_SHOWN], asks[DEPTH_SHOWN];
    size_t n_bids, n_asks;
    int64_t update_id, ts_ms, event_ms;
    bool has_low, has_high;
    int64_t low, high;
    size_t levels_bid, levels_ask;
};

// Numbers of one message; one for all books.
struct depth_space {
    struct book_level level[FRAME_LEVELS_MAX];
};

struct depth {
    struct depth_opts o;
    struct instrument ins;
    bool has_units;
    struct book book;
    bool has_book; // a snapshot with everything since then
    bool proven;   // an event joined it
    bool awaits;   // the next event that does not end before book_u has to
    bool up, silent;
    int64_t book_u, chain_u; // newest id of the book; of the stream (-1 none)
    int64_t ts_ms, event_ms; // of the book
    int64_t chain_ms;        // E of the newest event
    struct depth_queue waiting;
    bool asked; // a request is under way
    bool refresh;
    bool wants_stream; // Bybit: subscribe again
    int tries;         // requests since the last that helped
    int64_t next_ms;   // monotonic: not before
    struct depth_view shown;
    // counters
    uint64_t events, applied, copies, gaps, crossed, snapshots, too_old, failed, edges;
    uint64_t levels, refused[REFUSE_COUNT_];
};

void depth_init(struct depth *d, const struct depth_opts *o);
void depth_release(struct depth *d);
// The units of the numbers; others than before drop the book.
void depth_set_units(struct depth *d, const struct instrument *ins);
// Is there a connection that carries it / does the watch say that nothing comes?
void depth_set_up(struct depth *d, bool up, int64_t mono_ms);
void depth_set_silent(struct depth *d, bool silent);

// A FRAME_BOOK of this instrument. rx_us: wall clock, not corrected.
void depth_on_frame(struct depth *d, const struct frame *f, int64_t rx_us,
                    const struct feed_clock *clock, int64_t mono_ms, struct depth_space *space,
                    struct depth_out *out);

// Binance: is a snapshot to be asked for now?
bool depth_wants_snapshot(const struct depth *d, int64_t mono_ms);
void depth_asked(struct depth *d);
// The answer; f is what frame_decode_snapshot() made of it. / There was none; `counts` false: it
// was not even sent.
void depth_on_snapshot(struct depth *d, const struct frame *f, int64_t mono_ms,
                       struct depth_space *space, struct depth_out *out);
void depth_failed(struct depth *d, bool counts, int64_t mono_ms);
// Bybit: is the stream to be subscribed again now? Asking it counts as done.
bool depth_take_resubscribe(struct depth *d, int64_t mono_ms);

enum depth_state depth_state(const struct depth *d);
// What to show now: the book when it is live, else the last live view.
const struct depth_view *depth_view(struct depth *d);

#endif

#ifndef COLLECTOR_FEED_H
#define COLLECTOR_FEED_H
// The trade stream of one instrument: a decoded frame and its receive time in, a verdict out.
//
// Continuity is judged by the venue's id alone (the ids of the fills inside an aggregate skip now
// and then). An id above the newest plus one declares the ids between as a gap, before the trade
// itself; an id held already is a copy; an id below the newest that is not held is late and counts.
// Which ids are held is known for a recent window; older than that Redis is asked by the writer.
//
// Where UUIDs name the trades (Bybit) nothing in a frame proves that the one before it came. Copies
// are known by the name. What is refused leaves a hole in time: at its own millisecond when its
// time can be believed, else from the newest trade to the next. A new link tells that continuity
// has to be proven (`rejoin`), unless its first trade is a copy: then it began before the other
// ended.

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/feed/frame.h"
#include "common/market/idset.h"
#include "common/market/instrument.h"
#include "common/market/trade.h"
#include "services/collector/core/uidwin.h"

#define FEED_FUTURE_MS 60000 // a trade may be this far ahead of the corrected receive time
// An id may lead the newest by so many, and so many more per ms of trade time between them: 100,000
// trades a second, above what any contract does. One garbled id beyond it would turn every trade
// after it into a late one.
#define FEED_JUMP_IDS INT64_C(1000000)
#define FEED_JUMP_IDS_PER_MS INT64_C(100)
// Does id lead from_id by more than the time between them allows? False for an id at or below it.
bool feed_is_absurd_jump(int64_t from_id, int64_t from_ms, int64_t id, int64_t ts_ms);

struct feed_opts {
    enum frame_kind subscribed; // FRAME_AGG_TRADE or FRAME_TRADE: their ids are two number ranges
    int64_t window_ms;          // ids older than this are forgotten
    size_t max_spans;           // intervals of held ids
    size_t max_names;           // held UUIDs
    const char *fallback_tick;  // where the venue tells none
};

// What is known about the venue's clock. offset = venue - local.
struct feed_clock {
    bool known; // measured, and it ran like ours while it was measured
    int64_t offset_ms;
};

enum feed_verdict {
    FEED_REFUSED,   // why
    FEED_IGNORED,   // not a trade: an acknowledgement, an event nobody asked for
    FEED_DUPLICATE, // held already
    FEED_TRADE,     // trade is to be stored
    FEED_EXCLUDED,  // its id is held, the trade does not count
};

struct feed_out {
    enum feed_verdict verdict;
    enum refusal why;
    bool late;      // below the newest id
    bool gap;       // declare [gap_from, gap_to] first
    bool new_units; // the scales became known by this very frame
    int64_t gap_from, gap_to, gap_from_ms, gap_to_ms;
    const char *gap_reason;
    // UUIDs: declare that trades of [hole_from_ms, hole_to_ms) may be missing. Also with REFUSED.
    bool hole;
    int64_t hole_from_ms, hole_to_ms;
    const char *hole_reason;
    // UUIDs: the first trade of a link. Up to now trades were held until rejoin_ms, 0 = none.
    bool rejoin;
    int64_t rejoin_ms;
    struct trade trade;
};

struct feed {
    struct feed_opts o;
    struct instrument ins;
    bool has_units; // scales and bin of `ins` are set
    struct idset held;
    int64_t newest_id; // -1 = none
    int64_t newest_ms; // its time
    int64_t oldest_id; // smallest id ever held, -1 = none
    int64_t oldest_ms;
    int64_t last_ts_ms; // of the newest trade accepted, 0 = none
    int64_t last_rx_us;
    bool live;     // the first frame of this process was taken
    bool new_link; // nothing was taken from this socket yet
    // UUIDs
    struct uidwin names;
    uint32_t link;           // origin of what comes now
    bool suspect;            // a trade of unknown time was lost behind
    int64_t suspect_from_ms; // this one
    const char *suspect_why;
    // counters
    uint64_t frames, trades, gaps, gap_ids, duplicates, late, excluded;
    uint64_t refused[REFUSE_COUNT_];
};

void feed_init(struct feed *f, const struct instrument *ins, const struct feed_opts *o);
void feed_release(struct feed *f);
// Scales as the venue (or what is stored) tells them.
void feed_set_units(struct feed *f, const struct instrument *ins);
// An id that is stored already; in any order, before the first frame.
void feed_seed(struct feed *f, int64_t id, int64_t ts_ms);
void feed_seed_range(struct feed *f, int64_t lo, int64_t hi, int64_t t_lo, int64_t t_hi);

// A new socket: a jump at its first frame is the reconnect's.
void feed_begin(struct feed *f);
// One frame. rx_us: wall clock, not corrected. fr is a trade kind of this instrument's symbol.
void feed_on_trade(struct feed *f, const struct frame *fr, int64_t rx_us,
                   const struct feed_clock *clock, struct feed_out *out);
// A frame of this instrument (or of nobody knows which) that could not be read. Where UUIDs name
// the trades *out tells the hole, now or with the next trade.
void feed_on_malformed(struct feed *f, const struct frame *fr, struct feed_out *out);
// A trade that is stored already, named by a UUID; in any order, before the first frame.
void feed_seed_name(struct feed *f, struct trade_uid uid, int64_t ts_ms);
// The trade was not kept after all: its id counts as missing, and may come again.
void feed_dropped(struct feed *f, const struct trade *t);

#endif

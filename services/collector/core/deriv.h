#ifndef COLLECTOR_DERIV_H
#define COLLECTOR_DERIV_H
// Liquidations and mark price of one instrument: decoded events in, what Redis has to get out.
//
// Liquidations are a set: the venue and its sockets tell some of them twice, and nothing in them
// names them, so the same content (time, side, prices, quantity) is the same event. The newest are
// kept to compare with:
//
//   0                done              sent              n
//   |  stored         |  in flight      |  to be sent     |
//
// After a (re)connect the newest entries of the stream are read back: what stands there is stored,
// whoever wrote it; what was in flight and does not stand there is sent again, as is what was
// stored within the last resend_ms and is gone (Redis came back without its newest second).
//
// Mark: each message tells some of the fields, those it does not tell are unchanged; the newest
// value of each is what counts, nothing is queued.

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/buf.h"
#include "common/feed/frame.h"
#include "common/market/instrument.h"
#include "common/market/liquidation.h"
#include "services/collector/core/feed.h"

struct deriv_opts {
    size_t window;    // stored liquidations kept to compare with, and read back
    size_t max_queue; // that wait for Redis
    int64_t resend_ms;
};

enum deriv_verdict {
    DERIV_REFUSED, // why
    DERIV_COPY,    // told before
    DERIV_OLD,     // a mark older than the one that is known
    DERIV_LOST,    // the queue is full
    DERIV_TAKEN,
};

enum mark_text { MARK, INDEX, SETTLE, FUNDING, LAST, OI, OI_VALUE, MARK_TEXTS };

struct deriv_mark {
    char text[MARK_TEXTS][LIQ_TEXT];                         // as the venue wrote it, "" unknown
    int64_t next_funding_ms, funding_hours, ts_ms, oi_ts_ms; // -1 unknown
    bool changed;                                            // since it was written
};

struct deriv_item {
    struct liquidation l;
    int64_t stored_ms; // monotonic
    bool there;        // was found by the reading back under way
};

struct deriv {
    struct deriv_opts o;
    struct instrument ins;
    bool has_units;
    struct deriv_item *item;
    size_t done, sent, n, cap; // see the picture
    int64_t tip_ms;            // newest id of the stream, -1 = empty or unknown
    struct deriv_mark mark;
    // counters
    uint64_t taken, stored, copies, lost, resent, late, marks, old_marks;
    uint64_t refused[REFUSE_COUNT_];
    int64_t last_liq_ms; // newest accepted, -1 none
};

void deriv_init(struct deriv *d, const struct instrument *ins, const struct deriv_opts *o);
void deriv_release(struct deriv *d);
// Quantities finer than these units are refused; before, what 10 decimals hold is taken.
void deriv_set_units(struct deriv *d, const struct instrument *ins);

// FRAME_LIQUIDATION or FRAME_MARK. rx_us: wall clock; shown_us: the same, corrected.
enum deriv_verdict deriv_on_frame(struct deriv *d, const struct frame *fr, int64_t rx_us,
                                  int64_t shown_us, const struct feed_clock *clock,
                                  enum refusal *why);
// The venue's REST told the open interest. REFUSE_NONE or why it is not believed.
enum refusal deriv_on_open_interest(struct deriv *d, struct slice value, int64_t ts_ms);
// The body of GET openInterest of that symbol. 0 or ERR_*; both may be filled then, too.
int deriv_read_open_interest(const char *body, size_t n, const char *symbol, char value[LIQ_TEXT],
                             int64_t *ts_ms) MUST_CHECK;

// ---- reading back ------------------------------------------------------------------------------
void deriv_reload_begin(struct deriv *d);
// Entries of the stream, oldest first; entry_ms: of its id.
void deriv_reload_entry(struct deriv *d, const struct liquidation *l, int64_t entry_ms,
                        int64_t mono_ms);
void deriv_reload_end(struct deriv *d, int64_t mono_ms);

// ---- out ---------------------------------------------------------------------------------------
size_t deriv_waiting(const struct deriv *d); // not stored yet, in flight or not
// The next one to be sent and the ms of its id; NULL when there is none. It counts as in flight.
const struct liquidation *deriv_next(struct deriv *d, int64_t *entry_ms);
// Everything in flight was stored.
void deriv_stored(struct deriv *d, int64_t mono_ms);

#endif

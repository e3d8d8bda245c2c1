#ifndef COLLECTOR_APP_H
#define COLLECTOR_APP_H
// The collector's shell: one Redis link, the links to the venue, one lane per instrument. Each
// file of io/ owns one library; this header is what they share.
//
//   Redis up -> keyspace read -> exchangeInfo, clock -> :instrument -> links open -> frames
//
// (The links do not wait for exchangeInfo when every :instrument is stored already.)
//
// A lane writes nothing before three things are known: what its keyspace holds, whether the venue
// is a simulated one, and the units of its numbers.

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/err.h"
#include "common/base/json.h"
#include "common/io/budget.h"
#include "common/io/http.h"
#include "common/io/loop.h"
#include "common/io/redis.h"
#include "common/io/service.h"
#include "common/io/ws.h"
#include "common/market/idset.h"
#include "services/collector/config.h"
#include "services/collector/core/connector.h"
#include "services/collector/core/exinfo.h"
#include "services/collector/core/feed.h"
#include "services/collector/core/hist.h"
#include "services/collector/core/outbox.h"
#include "services/collector/core/overlap.h"
#include "services/collector/core/repair.h"
#include "services/collector/core/vclock.h"
#include "services/collector/io/link.h"
#include "services/collector/io/record.h"

struct app;

// Does the first trade of this process continue what is stored?
enum fence {
    FENCE_WAITING, // for that trade
    FENCE_ASKED,   // it lies below the tip: the stream is asked for it
    FENCE_PASSED,
};

// One instrument that can not go on stops alone.
enum lane_state {
    LANE_RUNS,
    LANE_RESTS,  // its frames are garbage: not listened to for a while
    LANE_BROKEN, // until the process is started anew
};

struct lane {
    struct app *app;
    enum lane_state state;
    const char *state_ev; // why it does not run: the event that was logged
    char state_why[320];
    struct {
        uint64_t good, bad; // frames of the present period
        int64_t since_ms, rest_until_ms;
        int rests;
    } flood;
    struct feed feed;
    struct outbox outbox;
    struct repair repair;
    struct overlap overlap; // trades that UUIDs name: continuity by the newest of them
    bool joined;            // a link delivered a trade before
    bool declaring;         // a gap that the overlap knows of
    struct stream stream[STREAM_KINDS];
    struct hist ack_us, latency_ms;

    // what the keyspace holds; read anew with each link
    int loading; // replies still to come
    bool loaded, has_stored;
    struct instrument stored;
    bool has_tip;
    int64_t tip_id, tip_ms;
    struct idset claims;    // ids that :history tells of, from the first reading
    struct idset on_stream; // ids of the newest part of :trades, from the first reading
    bool seeded;            // that first reading is done

    enum fence fence;
    bool has_first;
    int64_t first_id, first_ms;
    struct trade_uid first_uid;           // UUIDs: zeros = it is known to be stored
    int64_t tip_back_ms, stream_begin_ms; // UUIDs: how far :trades is read back, where it begins
    int pages;                            // of that reading
    void (*names_done)(struct lane *l);

    bool described; // exchangeInfo told the units
    char raw[EXINFO_RAW_MAX + 1];
    bool writing, written; // :instrument, on this link
    bool opened_before;    // the outbox was open on an earlier link
    int64_t seen_mono_ms;  // when :instrument was last asked for

    // trimming
    int64_t trimmed_mono_ms;
    uint64_t trimmed_at_stored;
    int64_t history_newest_ms;
    bool trimming, trim_again;
};

struct venue_rest;    // io/venue.c: exchangeInfo and the clock
struct repairer;      // io/repair.c: REST requests for what was missed
struct recents;       // io/recent.c: REST requests for the newest trades
struct derivs;        // io/deriv.c: liquidations and mark prices
struct open_interest; // io/open_interest.c: REST requests for it
struct depths;        // io/depth.c: order books

struct app {
    const struct config *cfg;
    struct loop *loop;
    struct service *service;
    struct redis *redis;
    struct venue_rest *venue;
    const struct connector *connector;
    const struct stream_ops *ops[STREAM_KINDS]; // NULL: not asked for
    struct links *links;
    struct budget *budget;
    struct repairer *repairer; // NULL when switched off
    struct recents *recents;   // NULL when switched off, or where ids prove continuity
    struct derivs *derivs;     // NULL when switched off
    struct open_interest *oi;  // NULL when switched off
    struct depths *books;      // NULL when switched off
    struct recorder *recorder; // NULL when switched off
    struct timer *tick, *pump;
    struct lane *lane; // cfg->n
    size_t n;

    bool has_simulated, simulated;
    struct feed_clock clock;
    bool clock_measured; // an offset is known, steady or not
    bool draining;
    int64_t pumped_mono_ms; // when writer_pump() last looked at the clock

    // of the links as a whole, no instrument to blame
    uint64_t malformed, foreign, oversize, ignored, denied;
};

// ---- io/app.c ----
// 0, or ERR_* before anything was started.
int app_start(struct app *a, const struct config *cfg, struct loop *loop, struct service *s,
              struct err *e) MUST_CHECK;
void app_stop(struct app *a);
void app_drain(void *arg); // service_opts.on_drain
// What an HTTP answer or a handshake said. The first one counts, the others have to agree.
void app_simulated(struct app *a, bool simulated, const char *said_by);
void app_keyspace_ready(struct app *a); // every lane is loaded
void app_venue_ready(struct app *a);    // exchangeInfo was read, or there is none

// ---- io/lane.c ----
void lane_init(struct app *a, struct lane *l, const struct instrument *ins);
void lane_release(struct lane *l);
// Stops this lane for good; the service when it was the last one that ran. Logged once.
void lane_break(struct lane *l, const char *ev, const char *why);
void lane_flood(struct lane *l); // one more frame of it that nobody can read
void lane_tick(struct lane *l, int64_t mono_ms);

// ---- io/keyspace.c ----
void keyspace_load(struct app *a);    // after each login
void keyspace_forget(struct lane *l); // the link died
void keyspace_open(struct lane *l);   // writes :instrument and opens the outbox, once possible
// uid: of a trade that a UUID names and that is not known to be stored; else zeros.
void keyspace_first_trade(struct lane *l, int64_t id, int64_t ts_ms, struct trade_uid uid);
void keyspace_described(struct lane *l);  // exchangeInfo came after :instrument was written
void keyspace_note_clock(struct lane *l); // stores the measured offset
// Looks every few seconds whether :instrument is still there: a keyspace that was emptied under a
// living link is read and written anew, as after a login.
void keyspace_check(struct lane *l, int64_t mono_ms);
void keyspace_refuse(struct lane *l, const char *why); // breaks the lane
void keyspace_loaded(struct app *a); // goes on when every lane that is not broken is loaded
void keyspace_trim(struct lane *l, int64_t mono_ms);
// --reset: deletes every key of the instruments, then ends the service.
void keyspace_reset(struct app *a);

// ---- io/writer.c ----
void writer_pump(struct app *a);
void writer_down(struct app *a);

// ---- io/venue.c ----
struct venue_rest *venue_new(struct app *a);
void venue_free(struct venue_rest *v);
void venue_start(struct venue_rest *v);
void venue_check_clock(struct venue_rest *v);

// ---- io/link.c ----
void log_refused(const char *sym, enum refusal why, const char *p, size_t n);

// ---- io/trades.c ----
extern const struct stream_ops trades_ops;
// A message that could not be read and may have held trades of this lane.
void trades_hidden(struct lane *l, const struct frame *fr);

// ---- io/repair.c ----
// NULL when repair is switched off or impossible.
struct repairer *repairer_new(struct app *a);
void repairer_free(struct repairer *p);
// Sends the next request when one is due and allowed. Call about every second and on changes.
void repairer_kick(struct repairer *p);
void repairer_stop(struct repairer *p); // for good
void repairer_on_gap(void *arg, int64_t from_id, int64_t to_id, int64_t from_ms, int64_t to_ms);

// ---- io/recent.c ----
// NULL is allowed for recents: switched off, or a venue whose ids prove continuity.
struct recents *recents_new(struct app *a);
void recents_free(struct recents *p);
void recents_kick(struct recents *p);
void recents_stop(struct recents *p); // for good
void recents_lane_init(struct lane *l);
// What the feed found out, before its trade goes to the outbox.
void recents_on_feed(struct lane *l, const struct feed_out *out);
void recents_on_gap(struct lane *l, int64_t from_ms, int64_t to_ms);
// force: nothing waits for a proof any more.
void recents_tick(struct lane *l, bool force);

// ---- io/names.c: what the keyspace holds where UUIDs name the trades ----
// Reads the newest part of :trades into the feed's window, then calls done(l).
void names_read(struct lane *l, void (*done)(struct lane *l));
void names_read_history(struct lane *l, const struct history *h);
// Open holes of :history go to the overlap.
void names_seeded(struct lane *l);
// After a later login: what Redis lost and the ring no longer holds.
void names_declare_lost(struct lane *l);
// Does an answer of XRANGE show the trade?
bool names_in(const struct redisReply *r, struct trade_uid uid);

// ---- io/deriv.c ----
// NULL is allowed everywhere: switched off.
struct derivs *derivs_new(struct app *a);
void derivs_free(struct derivs *d);
// FRAME_LIQUIDATION or FRAME_MARK of this lane's symbol. What came of it: REFUSE_NONE, or why not.
enum refusal deriv_on_frame_of(struct lane *l, const struct frame *fr, int64_t rx_us);
void derivs_tick(struct derivs *d); // about every second, and when a lane opened
void derivs_down(struct derivs *d); // the link to Redis died
size_t derivs_pending(const struct derivs *d);
void derivs_health(const struct lane *l, struct jw *w);
extern const struct stream_ops liquidations_ops, mark_ops;
enum refusal derivs_open_interest(struct lane *l, struct slice value, int64_t ts_ms);

// ---- io/depth.c ----
// NULL is allowed everywhere: switched off.
struct depths *depths_new(struct app *a);
void depths_free(struct depths *d); // after the link to Redis
void depths_stop(struct depths *d); // for good; :book says so
void depths_tick(struct depths *d); // about every second
void depths_down(struct depths *d); // the link to Redis died
size_t depths_pending(const struct depths *d);
void depths_health(const struct lane *l, struct jw *w);
void depths_metrics(const struct depths *d, struct buf *out);
extern const struct stream_ops book_ops;

// ---- io/open_interest.c ----
struct open_interest *open_interest_new(struct app *a);
void open_interest_free(struct open_interest *o);
void open_interest_stop(struct open_interest *o); // for good
void open_interest_kick(struct open_interest *o); // about every second

// ---- io/report.c ----
void report_health(void *arg, struct jw *w);
void report_ready(void *arg, char *why, size_t size);
// Frames of the lane that were refused for this reason.
uint64_t report_refused(const struct app *a, const struct lane *l, enum refusal why);

// ---- io/report_metrics.c ----
void report_metrics(void *arg, struct buf *out);

#endif

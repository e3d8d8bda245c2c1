#ifndef COLLECTOR_LINK_PRIV_H
#define COLLECTOR_LINK_PRIV_H
// What the files that run the links share; nobody else includes it.
//
//   link.c      which links there are, their silence, start and end
//   conn.c      one connection: opening, subscribing, heartbeat, its end
//   dispatch.c  frames to the lanes, back-pressure
//   rotate.c    a successor beside the connection in charge, and the hand-over

#include "common/base/buf.h"
#include "services/collector/core/handover.h"
#include "services/collector/core/pace.h"
#include "services/collector/core/symtab.h"
#include "services/collector/io/app.h"
#include "services/collector/io/lines.h"

#define LINKS_MAX 32

// One connection of a link.
struct conn {
    struct link *link;
    struct ws *ws;       // one of these two
    struct lines *lines; //
    struct timer *subscribe, *heartbeat, *again;
    uint64_t denied; // bit k: message k of subscribe() was refused
    struct backoff denied_pause;
    bool open, paused;
    int64_t opened_ms; // monotonic
    size_t said;       // messages of subscribe() sent
    uint64_t beats;    // heartbeats sent
    int record;        // handle of the recorder, -1 = none
};

struct link {
    struct links *all;
    struct link_plan plan; // `on` counts in links.ins
    struct lane *lane[LINK_INSTRUMENTS];
    struct conn *conn; // in charge; NULL between connections
    struct conn *next; // the successor; NULL when there is none
    struct timer *retry;
    struct backoff backoff;
    int silent_attempts; // what was tried for silence since no stream was silent last
    int64_t renewed_ms;  // links_resubscribe()
    bool renew;

    // rotation
    struct handover handover;
    struct buf held;        // messages of the successor
    const char *rotate_why; // a successor is wanted; NULL = not
    struct backoff rotate_pause;
    int64_t rotate_after_ms; // monotonic: not before
    struct hist latency_ms;  // of all its events
};

struct links {
    struct app *app;
    const struct connector *connector;
    struct ws_ctx *ctx;
    struct feed_wants wants;
    struct instrument ins[CONFIG_INSTRUMENTS]; // those that were planned
    struct symtab symtab;                      // of all lanes
    struct link *link[LINKS_MAX];
    size_t n;
    struct pace pace;
    struct frame_space space;
    bool started, stopped;
    int64_t answered_ms; // monotonic: when Redis last stored a batch, or a link opened
    uint64_t connects, reconnects, rotations, forced;
};

// ---- conn.c ----
// NULL when it could not even be tried: *why says so. What comes of it is told to link_opened(),
// link_message(), link_ended().
struct conn *conn_new(struct link *k, char *why, size_t size);
void conn_free(struct conn *c); // ends it; tells nobody. NULL is fine
// The venue refused message k of subscribe() (-1: it does not say which): it is sent again, after a
// pause that doubles.
void conn_denied(struct conn *c, int64_t k);
void conn_pause(struct conn *c, bool paused);

// ---- link.c ----
void link_opened(struct conn *c, bool simulated);
void link_ended(struct conn *c, const char *why); // c is freed by it
void link_again(struct link *k, const char *why, int64_t delay_ms);
// Calls fn for every stream that the link carries.
void link_each_stream(struct link *k,
                      void (*fn)(struct link *k, struct lane *l, enum stream_kind kind));
void stream_opened(struct link *k, struct lane *l, enum stream_kind kind);
void stream_closed(struct link *k, struct lane *l, enum stream_kind kind);

// ---- dispatch.c ----
void link_message(struct conn *c, const char *p, size_t n, int64_t rx_us);
// Decodes a message of the connection in charge and hands its events to the lanes.
void dispatch(struct link *k, const char *p, size_t n, int64_t rx_us);
void links_unpause(struct links *s, int64_t mono_ms);

// ---- rotate.c ----
// A successor is wanted. Later calls while there is one do nothing.
void rotate_want(struct link *k, const char *why);
void rotate_tick(struct link *k, int64_t mono_ms);
void rotate_opened(struct link *k);                                       // the successor is open
void rotate_hold(struct link *k, const char *p, size_t n, int64_t rx_us); // it delivered
void rotate_judge(struct link *k);                                        // one of both delivered
void rotate_failed(struct link *k, const char *why);                      // the successor is gone
// The connection in charge ended: an open successor takes its place at once. False: there is none.
bool rotate_take_over(struct link *k);

#endif

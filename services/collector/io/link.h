#ifndef COLLECTOR_LINK_H
#define COLLECTOR_LINK_H
// The links to the venue: one per link_plan of the connector, each with its own connection, pauses
// between attempts, silence watches and heartbeat. Frames go
//
//   connection -> connector->decode() -> lane of the frame's symbol -> stream_ops of its kind
//
// Who owns a kind of stream fills a `struct stream_ops` and puts it into app.c's table; a stream
// without ops is not asked for.

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/buf.h"
#include "common/base/err.h"
#include "common/base/json.h"
#include "services/collector/core/connector.h"
#include "services/collector/core/silence.h"

struct app;
struct lane;
struct links;

// One stream of a lane, as its link sees it.
struct stream {
    bool carried; // a link carries it
    bool open;    // and that link is open
    struct silence silence;
    uint64_t frames;
    int64_t last_rx_us; // wall clock of the newest frame, not corrected
};

// What is done with the frames of one kind of stream. All members but on_frame may be NULL.
struct stream_ops {
    // Least deadline, unless that of the trades is shorter; 0 = its silence says nothing
    // (liquidations). Of trades the option counts.
    int64_t silence_ms;
    // Once per lane, before anything else, and at the end.
    void (*init)(struct lane *l);
    void (*release)(struct lane *l);
    // One event of this lane's symbol. p[n] is the message it came in, for logs. False: refused;
    // then it counts neither against silence nor as proof that the link is good.
    bool (*on_frame)(struct lane *l, const struct frame *f, int64_t rx_us, const char *p, size_t n);
    // The link came up: what comes next need not continue what came before. / It is gone.
    // A hand-over between two connections that was proven whole is told to nobody.
    void (*on_open)(struct lane *l);
    void (*on_close)(struct lane *l);
    // The keyspace is ours and may be written (again). / The link to Redis is gone.
    void (*on_writable)(struct lane *l);
    void (*on_redis_down)(struct lane *l);
    void (*on_tick)(struct lane *l, int64_t mono_ms);           // every second
    void (*fill_health)(const struct lane *l, struct jw *w);    // keys "<I>.<name>"
    void (*fill_metrics)(const struct app *a, struct buf *out); // all lanes
};

// NULL with e when a connection could never be made.
struct links *links_new(struct app *a, struct err *e);
void links_free(struct links *s);
// Plans the links for the lanes that are not broken, and connects. Later calls do nothing.
void links_start(struct links *s);
void links_stop(struct links *s); // for good
void links_tick(struct links *s, int64_t mono_ms);
// Every link is open.
bool links_are_open(const struct links *s);
// Reads on when the queues allow it. Called when Redis answered.
void links_relieve(struct links *s);
// Asks the venue anew for one stream of a lane: the link that carries it is opened again, at a
// limited rate. For a stream that contradicts itself (a book whose chain broke at a venue that
// starts it with a snapshot).
void links_resubscribe(struct links *s, struct lane *l, enum stream_kind kind);

// The frames of a lane are not taken for a while / are taken again.
void links_lane_rests(struct links *s, struct lane *l, bool rests);

struct links_stats {
    size_t links, open;
    uint64_t connects, reconnects;
    uint64_t rotations, rotations_forced; // hand-overs; those of them that were not proven whole
};
void links_stats(const struct links *s, struct links_stats *out);

#endif

#ifndef SIM_IO_SIM_H
#define SIM_IO_SIM_H
// The running venue: market, pace, faults and clients, on one libwebsockets loop (one thread).

#include "services/exchange-sim/io/lws.h"
#include <stdbool.h>
#include <stdint.h>

#include "common/base/buf.h"
#include "common/base/clock.h"
#include "common/base/err.h"
#include "services/exchange-sim/config.h"
#include "services/exchange-sim/core/faults.h"
#include "services/exchange-sim/core/market.h"
#include "services/exchange-sim/core/pace.h"
#include "services/exchange-sim/core/rest.h"
#include "services/exchange-sim/core/route.h"
#include "services/exchange-sim/core/tape.h"
#include "services/exchange-sim/core/wire.h"

struct client;

#define SIM_WIRES 2

struct sim {
    const struct config *cfg; // borrowed
    struct clock clock;
    struct market *market; // owned
    struct tape *tape;     // the market, when it is a recording; else NULL
    struct {
        const struct wire *wire; // NULL = none
        void *state;
    } wires[SIM_WIRES];
    // How many clients want a format of a kind of a lane.
    uint16_t wanted[MARKET_MAX_LANES + 1][SIM_KINDS][WIRE_FORMATS];
    struct pace pace;
    struct faults faults;
    int64_t clock_offset_ms; // the venue's clock minus the wall clock
    bool finished;           // the recording has been served to its end
    bool held;               // paused because nobody is subscribed (--hold-when-idle)
    struct weight weight;

    struct lws_context *ctx;
    struct lws_vhost *venue, *control;
    lws_sorted_usec_list_t feed_timer, house_timer;
    bool feed_waits; // for slow readers, at speed max
    bool stopping;

    struct client *clients; // list
    int64_t client_count;
    // Totals since the start.
    int64_t frames, connections, refused_rest, closed_slow, closed_rate, rest_requests;
    struct buf scratch; // one frame
    int64_t grace_us;   // monotonic: the market starts for others than trade readers; 0 = no
};

// ---- sim.c: the feed ----------------------------------------------------------------------------
// Binds both ports and makes the timers. 0 or ERR_IO.
int sim_open(struct sim *s, struct err *e) MUST_CHECK;
void sim_close(struct sim *s);
int64_t sim_wall_ms(const struct sim *s);
int64_t sim_clock_ms(const struct sim *s); // what /fapi/v1/time says
int64_t sim_mono_us(void);
// Somebody (un)subscribed, left, or asked for a start: starts, holds or resumes the market.
void sim_audience_changed(struct sim *s);
void sim_start_market(struct sim *s);
void sim_kick_feed(struct sim *s); // look again at what is due, now
void sim_set_paused(struct sim *s, bool paused);
// Sends broken trade frames to the lane's subscribers. False: unknown kind.
bool sim_send_malformed(struct sim *s, int lane, const char *kind, int64_t n);
// The stream of this name on any route of any wire; lane = WIRE_SILENT: there is none.
struct wire_key sim_find_stream(const struct sim *s, const char *name);

// ---- client.c: WebSocket clients ----------------------------------------------------------------
struct client *client_new(struct sim *s, struct lws *wsi, const struct wire *wire, enum route route,
                          bool combined);
void client_free(struct client *c);
bool client_subscribe_list(struct client *c, const char *list);
// Bytes of one message; false = close the connection (a reason was given to lws).
bool client_receive(struct client *c, const char *p, size_t n, bool final);
void client_pong(struct client *c);
// Writes what is queued; false = close.
bool client_writable(struct client *c);
// Sends frame text to everybody who is subscribed to the stream.
void clients_send(struct sim *s, struct wire_key key, const char *frame, size_t n);
bool clients_congested(const struct sim *s); // somebody's queue is long
void clients_tick(struct sim *s);            // pings, ages, stuck readers
// Ends all connections: with a close frame (code 1000..4999), or without (0).
void clients_drop(struct sim *s, int code);
int64_t clients_subscribed(const struct sim *s);     // clients that may hear something
int64_t clients_reading_trades(const struct sim *s); // of these: something of trades

// ---- venue.c, control.c: the two ports
// ------------------------------------------------------------
int venue_callback(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in,
                   size_t len);
// Answers one control request: status; the body is appended.
int control_answer(struct sim *s, const char *path, rest_param_fn param, void *arg,
                   struct buf *body, const char **content_type);

#endif

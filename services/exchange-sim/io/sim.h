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
#include "services/exchange-sim/core/archive.h"
#include "services/exchange-sim/core/faults.h"
#include "services/exchange-sim/core/http_fault.h"
#include "services/exchange-sim/core/market.h"
#include "services/exchange-sim/core/pace.h"
#include "services/exchange-sim/core/requests.h"
#include "services/exchange-sim/core/rest.h"
#include "services/exchange-sim/core/route.h"
#include "services/exchange-sim/core/tape.h"
#include "services/exchange-sim/core/wire.h"
#include "services/exchange-sim/core/wire_bybit.h"

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
    struct http_faults http_faults;
    int64_t clock_offset_ms; // the venue's clock minus the wall clock
    // A clock that is wrong: the skew grows by drift_ppm millionths of the time since skew_at_ms.
    int64_t skew_ms, drift_ppm, skew_at_ms;
    bool finished;          // the recording has been served to its end
    bool held;              // paused because nobody is subscribed (--hold-when-idle)
    struct archive archive; // daily files
    struct requests requests;
    struct buf last_page; // of aggTrades, to answer it once more
    struct weight weight;
    int64_t weight_used_max;                     // most that any minute was asked for
    int64_t over_limit;                          // requests beyond it
    struct {                                     // orders and accounts of Bybit's part
        int64_t missing_pongs, subscribe_errors; // so many are still to come
        int64_t recent_limit;                    // rows of recent-trade; 0 = as asked
        int64_t window, requests, requests_max;  // of 5 s
    } bybit;

    struct lws_context *ctx;
    struct lws_vhost *venue, *control;
    int64_t refuse_until_us, refused_connections; // monotonic
    lws_sorted_usec_list_t feed_timer, house_timer;
    bool feed_waits; // for slow readers, at speed max
    bool stopping;

    struct client *clients; // list
    int64_t client_count;
    // Totals since the start.
    int64_t frames, connections, refused_rest, closed_slow, closed_rate, rest_requests;
    struct buf scratch; // one frame
    struct buf skewed;  // the same with a wrong stamp
    struct {
        int64_t n, age_ms; // the next n answers of GET /depth are so old
    } stale;
    int64_t grace_us; // monotonic: the market starts for others than trade readers; 0 = no
};

// ---- sim.c: the feed ----------------------------------------------------------------------------
// Binds both ports and makes the timers. 0 or ERR_IO.
int sim_open(struct sim *s, struct err *e) MUST_CHECK;
void sim_close(struct sim *s);
int64_t sim_wall_ms(const struct sim *s);
int64_t sim_clock_ms(const struct sim *s); // the venue's clock, right
int64_t sim_skew_ms(const struct sim *s);  // how wrong it is told: /time and event stamps add this
int64_t sim_mono_us(void);
// Somebody (un)subscribed, left, or asked for a start: starts, holds or resumes the market.
void sim_audience_changed(struct sim *s);
void sim_start_market(struct sim *s);
void sim_kick_feed(struct sim *s); // look again at what is due, now
void sim_set_paused(struct sim *s, bool paused);
// Sends broken trade frames to the lane's subscribers. False: unknown kind.
bool sim_send_malformed(struct sim *s, int lane, const char *kind, int64_t n);
// How old the next answer of GET /depth is to be; 0 = as it should.
int64_t sim_take_stale(struct sim *s);
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
int64_t clients_subscribed(const struct sim *s); // clients that may hear something
// Half-open: the connection stays, nothing is sent and nothing read any more, for `ms`. id 0 = all
// that are connected now. How many it hit.
int64_t clients_half_open(struct sim *s, int64_t id, int64_t ms);
struct jw;
void clients_list(const struct sim *s, struct jw *w); // an array for /status
int64_t clients_reading_trades(const struct sim *s);  // of these: something of trades

int64_t client_id(const struct client *c);
void client_send(struct client *c, const char *text, size_t n);
struct subs *client_subs(struct client *c);
void client_subs_changed(struct client *c);

// ---- bybit.c ------------------------------------------------------------------------------------
void bybit_request(struct sim *s, struct client *c, const char *p, size_t n);
int bybit_rest(struct sim *s, const char *path, rest_param_fn param, void *arg, struct buf *out);
// /bybit/..., and /truth?venue=bybit of the control port.
int bybit_order(struct sim *s, const char *path, rest_param_fn param, void *arg, struct buf *body);
int bybit_truth(struct sim *s, rest_param_fn param, void *arg, struct buf *body,
                const char **content_type);

// ---- venue.c, control.c: the two ports
// ------------------------------------------------------------
int venue_callback(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in,
                   size_t len);
// For `ms` a connection to the venue is reset as soon as it is made; WebSockets are cut.
void sim_refuse_connections(struct sim *s, int64_t ms);
// Faults of REST, connections and clock; 0 = no such path.
int control_fault(struct sim *s, const char *path, rest_param_fn param, void *arg,
                  struct buf *body);
void control_fault_status(const struct sim *s, struct jw *w); // members of /status
int control_reply(struct buf *body, int status, const char *text);
// The number of a parameter: dflt when absent, -1 when it is no number of 0..max.
int64_t control_number(rest_param_fn param, void *arg, const char *name, int64_t dflt, int64_t max);
// The lane of ?stream= or ?symbol=; the only (or first) one when neither is given; -1 unknown.
int control_lane(const struct sim *s, rest_param_fn param, void *arg);
// The kind that a parameter names; trades when there is none; SIM_KINDS: unknown.
enum sim_kind control_kind(rest_param_fn param, void *arg, const char *name);
// control_feed.c: /truth of other kinds than trades, /malformed of other kinds, /stale, /crossed
// (status; 0 = the path is none of these).
int control_truth(struct sim *s, rest_param_fn param, void *arg, struct buf *body,
                  const char **content_type);
int control_spoil(struct sim *s, rest_param_fn param, void *arg, struct buf *body);
int control_feed(struct sim *s, const char *path, rest_param_fn param, void *arg, struct buf *body);
// Answers one control request: status; the body is appended.
int control_answer(struct sim *s, const char *path, rest_param_fn param, void *arg,
                   struct buf *body, const char **content_type);

#endif

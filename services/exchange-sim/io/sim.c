#include "services/exchange-sim/io/sim.h"

#include <stddef.h>
#include <string.h>
#include <time.h>

#include "common/base/log.h"
#include "common/base/str.h"
#include "services/exchange-sim/core/wire_binance.h"

#define EVENTS_PER_TURN 2000
#define HOUSE_US 100000
#define START_GRACE_US 1000000
#define THIN_LAG_MS 120000
#define SCRATCH_MAX ((size_t)8 << 20)
#define PAGE_MAX ((size_t)1 << 20)
// lws_container_of() by way of void *: its own cast warns of alignment under clang.
#define SIM_OF(timer, member) ((struct sim *)(void *)((char *)(timer)-offsetof(struct sim, member)))

int64_t sim_wall_ms(const struct sim *s)
{
    return s->clock.wall_us(s->clock.arg) / 1000;
}

int64_t sim_clock_ms(const struct sim *s)
{
    return sim_wall_ms(s) + s->clock_offset_ms;
}

int64_t sim_skew_ms(const struct sim *s)
{
    int64_t since = sim_wall_ms(s) - s->skew_at_ms;
    return s->skew_ms + (s->drift_ppm != 0 ? since * s->drift_ppm / 1000000 : 0);
}

int64_t sim_mono_us(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return ts.tv_sec * INT64_C(1000000) + ts.tv_nsec / 1000;
}

// ---- sending ------------------------------------------------------------------------------------

static void emit(void *arg, struct wire_key key, const char *p, size_t n)
{
    struct sim *s = arg;
    int64_t skew = sim_skew_ms(s);
    s->frames++;
    if (skew != 0) {
        buf_clear(&s->skewed);
        fault_skew(&s->skewed, p, n, skew);
        p = buf_ptr(&s->skewed);
        n = buf_len(&s->skewed);
    }
    clients_send(s, key, p, n);
}

static bool wants(void *arg, struct wire_key key)
{
    const struct sim *s = arg;
    return s->wanted[key.lane][key.kind][key.format] > 0;
}

static void frame(void *arg, struct wire_key key, const char *p, size_t n)
{
    struct sim *s = arg;
    faults_pass(&s->faults, key, p, n, sim_wall_ms(s), emit, s);
}

static void deliver(struct sim *s, const struct sim_event *e)
{
    struct wire_out out = {.wants = wants, .frame = frame, .arg = s, .scratch = &s->scratch};
    for (int i = 0; i < SIM_WIRES && s->wires[i].wire != NULL; i++) {
        s->wires[i].wire->event(s->wires[i].state, s->market, e, &out);
    }
}

static void wires_open(struct sim *s)
{
    static const struct wire *const all[SIM_WIRES] = {&wire_binance, &wire_bybit};
    for (int i = 0; i < SIM_WIRES && all[i] != NULL; i++) {
        s->wires[i].wire = all[i];
        s->wires[i].state = all[i]->state_new();
    }
}

static void wires_close(struct sim *s)
{
    for (int i = 0; i < SIM_WIRES && s->wires[i].wire != NULL; i++) {
        s->wires[i].wire->state_free(s->wires[i].state);
        s->wires[i].wire = NULL;
    }
}

struct wire_key sim_find_stream(const struct sim *s, const char *name)
{
    struct wire_key key = {.lane = WIRE_SILENT};
    for (int i = 0; i < SIM_WIRES && s->wires[i].wire != NULL; i++) {
        for (int r = ROUTE_NONE + 1; r <= ROUTE_LAST && key.lane < 0; r++) {
            key = s->wires[i].wire->resolve(s->market, (enum route)r, name);
        }
    }
    return key;
}

int64_t sim_take_stale(struct sim *s)
{
    if (s->stale.n == 0) {
        return 0;
    }
    s->stale.n--;
    s->faults.stale++;
    return s->stale.age_ms;
}

bool sim_send_malformed(struct sim *s, int lane, const char *kind, int64_t n)
{
    struct sim_trade like = {
        .lane = lane, .price = "100.00", .qty = "1.000", .t_ms = sim_clock_ms(s)};
    const struct lane *l = &s->market->lane[lane];
    if (l->last_id >= 0 && s->market->ops->seek_id(s->market, lane, l->last_id)) {
        (void)s->market->ops->read(s->market, lane, &like);
    }
    struct wire_key key = {lane, SIM_TRADE, BN_TRADE_AGG};
    for (int64_t i = 0; i < n; i++) {
        buf_clear(&s->scratch);
        if (!fault_malformed(&s->scratch, kind, i, &like, l->symbol)) {
            return false;
        }
        s->faults.malformed++;
        clients_send(s, key, buf_ptr(&s->scratch), buf_len(&s->scratch));
    }
    return true;
}

// ---- the feed -----------------------------------------------------------------------------------

static void feed_cb(lws_sorted_usec_list_t *timer);

static void feed_after(struct sim *s, int64_t us)
{
    lws_sul_schedule(s->ctx, 0, &s->feed_timer, feed_cb, us < 1 ? 1 : us);
}

void sim_kick_feed(struct sim *s)
{
    if (s->ctx != NULL && !s->stopping) {
        feed_after(s, 1);
    }
}

// Microseconds until the event may be released, <= 0 = now.
static int64_t wait_for(const struct sim *s, const struct sim_event *e)
{
    int64_t due = pace_due_us(&s->pace, e->t_ms);
    int64_t wait = due == INT64_MIN ? 0 : due - sim_mono_us();
    if (s->tape == NULL) { // generated time never passes the venue's own clock
        int64_t ahead = e->t_ms - sim_clock_ms(s);
        wait = ahead > 0 && ahead * 1000 > wait ? ahead * 1000 : wait;
    }
    return wait;
}

// How much of the generated book is shown: a feed that catches up with a day, or runs many times
// as fast as the clock, shows a move of the book every few milliseconds of real time.
static void set_thinning(struct sim *s)
{
    const struct sim_event *e = market_peek(s->market);
    if (s->market->ops->thin == NULL || e == NULL) {
        return;
    }
    static const int64_t steps[] = {0, 100, 500, 1000, 5000, 10000, 60000, 120000};
    const size_t last = sizeof steps / sizeof steps[0] - 1;
    size_t i = 0;
    if (sim_clock_ms(s) - e->t_ms > (s->pace.max ? THIN_LAG_MS : 1000)) {
        int64_t speed = s->pace.max ? INT64_MAX / 8 : s->pace.num / s->pace.den;
        while (i < last && (steps[i] > 0 ? steps[i] : 50) / 5 < speed) {
            i++;
        }
    }
    s->market->ops->thin(s->market, steps[i]);
}

static void finish(struct sim *s)
{
    faults_flush(&s->faults, emit, s);
    s->finished = true;
    int64_t released = 0;
    for (int i = 0; i < s->market->lanes; i++) {
        released += s->market->lane[i].released;
    }
    log_ev(LOG_INFO, "replay_finished", F_INT("trades", released), F_INT("frames", s->frames));
}

static void feed_cb(lws_sorted_usec_list_t *timer)
{
    struct sim *s = SIM_OF(timer, feed_timer);
    if (!s->pace.started || s->pace.paused || s->finished) {
        return;
    }
    s->feed_waits = false;
    set_thinning(s);
    for (int i = 0; i < EVENTS_PER_TURN; i++) {
        if (s->pace.max && clients_congested(s)) {
            s->feed_waits = true; // a drained queue kicks us
            return;
        }
        const struct sim_event *e = market_peek(s->market);
        if (e == NULL) {
            finish(s);
            return;
        }
        int64_t wait = wait_for(s, e);
        if (wait > 0) {
            feed_after(s, wait < INT64_C(3600000000) ? wait : INT64_C(3600000000));
            return;
        }
        struct sim_event released = *e;
        market_advance(s->market);
        deliver(s, &released);
    }
    feed_after(s, 1);
}

static void house_cb(lws_sorted_usec_list_t *timer)
{
    struct sim *s = SIM_OF(timer, house_timer);
    if (!s->pace.paused) {
        faults_tick(&s->faults, sim_wall_ms(s), emit, s);
    }
    clients_tick(s);
    if (s->grace_us != 0 && sim_mono_us() >= s->grace_us && clients_subscribed(s) > 0) {
        sim_start_market(s); // nobody came for the trades
    }
    log_flush();
    lws_sul_schedule(s->ctx, 0, &s->house_timer, house_cb, HOUSE_US);
}

void sim_start_market(struct sim *s)
{
    const struct sim_event *e = s->pace.started ? NULL : market_peek(s->market);
    if (e == NULL) {
        return;
    }
    if (s->cfg->shift_to_now && s->tape != NULL) {
        tape_shift(s->tape, sim_wall_ms(s) - e->t_ms);
        e = market_peek(s->market);
    }
    // A generated feed starts at --from exactly, a recording with its first event.
    pace_start(&s->pace, s->tape == NULL ? s->cfg->from_ms : e->t_ms, sim_mono_us());
    log_ev(LOG_INFO, "market_started", F_INT("market_ms", e->t_ms));
    sim_kick_feed(s);
}

void sim_set_paused(struct sim *s, bool paused)
{
    if (paused) {
        pace_pause(&s->pace, sim_mono_us());
    } else {
        pace_resume(&s->pace, sim_mono_us());
        sim_kick_feed(s);
    }
}

void sim_audience_changed(struct sim *s)
{
    int64_t n = clients_subscribed(s);
    if (s->cfg->start_on_subscribe && !s->pace.started && n > 0) {
        // A client opens a socket per route: the one with the trades must not come too late.
        if (clients_reading_trades(s) > 0 || !s->market->has_trades) {
            sim_start_market(s);
        } else if (s->grace_us == 0) {
            s->grace_us = sim_mono_us() + START_GRACE_US;
        }
    }
    if (s->cfg->hold_when_idle && s->held != (n == 0) && s->pace.started) {
        s->held = n == 0;
        sim_set_paused(s, s->held);
    }
    if (s->feed_waits) {
        sim_kick_feed(s);
    }
}

// ---- libwebsockets ------------------------------------------------------------------------------

static const struct lws_protocols protocols[] = {
    // per-session data: struct session of venue.c
    {"venue", venue_callback, 512, 65536, 0, NULL, 0},
    {NULL, NULL, 0, 0, 0, NULL, 0},
};

// On every HTTP answer, those made by libwebsockets itself included; the handshake of a WebSocket
// gets it in venue.c.
static const struct lws_protocol_vhost_options simulated = {NULL, NULL, "x-simulated:", "true"};

static void lws_log(int level, const char *line)
{
    char text[256];
    str_copyn(text, sizeof text, line, strcspn(line, "\n"));
    log_ev(level == LLL_ERR ? LOG_WARN : LOG_DEBUG, "lws", F_STR("msg", text));
}

static struct lws_vhost *listen_on(struct sim *s, const char *name, int64_t port, bool tls,
                                   struct err *e)
{
    struct lws_context_creation_info info = {0};
    info.vhost_name = name;
    info.port = (int)port;
    info.iface = s->cfg->host;
    info.protocols = protocols;
    info.headers = &simulated;
    info.keepalive_timeout = 60;
    info.timeout_secs = 20;
    info.gid = -1;
    info.uid = -1;
    // With IPv6 in play an IPv4 address would be taken for "everywhere".
    info.options = strchr(s->cfg->host, ':') == NULL ? LWS_SERVER_OPTION_DISABLE_IPV6 : 0;
    if (tls) {
        info.options |= LWS_SERVER_OPTION_DO_SSL_GLOBAL_INIT;
        info.ssl_cert_filepath = s->cfg->cert;
        info.ssl_private_key_filepath = s->cfg->key;
    }
    struct lws_vhost *v = lws_create_vhost(s->ctx, &info);
    if (v == NULL || lws_get_vhost_listen_port(v) <= 0) {
        err_set(e, ERR_IO, "cannot listen on %s port %lld for the %s", s->cfg->host,
                (long long)port, name);
        return NULL;
    }
    return v;
}

void sim_refuse_connections(struct sim *s, int64_t ms)
{
    log_ev(LOG_INFO, "connections_refused", F_INT("for_ms", ms));
    s->refuse_until_us = sim_mono_us() + ms * 1000;
    clients_drop(s, 0);
}

int sim_open(struct sim *s, struct err *e)
{
    buf_init(&s->scratch, SCRATCH_MAX);
    archive_init(&s->archive);
    requests_init(&s->requests);
    buf_init(&s->last_page, PAGE_MAX);
    buf_init(&s->skewed, SCRATCH_MAX);
    wires_open(s);
    lws_set_log_level(LLL_ERR | LLL_WARN, lws_log);
    struct lws_context_creation_info info = {0};
    info.options = LWS_SERVER_OPTION_EXPLICIT_VHOSTS |
                   (s->cfg->cert[0] != '\0' ? LWS_SERVER_OPTION_DO_SSL_GLOBAL_INIT : 0);
    info.max_http_header_data2 = 65536; // a URL may name 1,024 streams
    info.gid = -1;
    info.uid = -1;
    info.user = s;
    s->ctx = lws_create_context(&info);
    if (s->ctx == NULL) {
        return err_set(e, ERR_IO, "libwebsockets did not start");
    }
    s->venue = listen_on(s, "venue", s->cfg->port, s->cfg->cert[0] != '\0', e);
    s->control = s->venue != NULL ? listen_on(s, "control", s->cfg->control_port, false, e) : NULL;
    if (s->control == NULL) {
        sim_close(s);
        return ERR_IO;
    }
    lws_sul_schedule(s->ctx, 0, &s->house_timer, house_cb, HOUSE_US);
    if (!s->cfg->start_on_subscribe) {
        sim_start_market(s);
    }
    return 0;
}

void sim_close(struct sim *s)
{
    s->stopping = true;
    if (s->ctx != NULL) {
        lws_context_destroy(s->ctx);
        s->ctx = NULL;
    }
    faults_release(&s->faults);
    buf_release(&s->scratch);
    buf_release(&s->skewed);
    wires_close(s);
    archive_release(&s->archive);
    requests_release(&s->requests);
    buf_release(&s->last_page);
    market_free(s->market);
    s->market = NULL;
}

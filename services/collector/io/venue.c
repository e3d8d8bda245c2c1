// REST of the venue: what the contracts are (exchangeInfo, once at start) and how its clock stands
// to ours. A venue that knows neither is fine: then units come from the configuration and the wire,
// and the offset stays unknown. Both are asked of the budget first: who starts during a ban goes
// without them.

#include <stdlib.h>
#include <string.h>

#include "common/base/log.h"
#include "common/base/mem.h"
#include "services/collector/core/bybit_rest.h"
#include "services/collector/io/app.h"

#define INFO_TRIES 4
#define INFO_PAGES 20
#define INFO_PAUSE_MS 250
#define INFO_MAX_BODY ((size_t)32 << 20)
#define TIME_MAX_BODY 4096
#define TIME_PAUSE_MS 100
#define UNSTEADY_CHECK_S 30

struct venue_rest {
    struct app *app;
    struct http *http;
    struct http_call *info, *time;
    struct timer *retry, *clock;
    int tries;
    bool time_asked; // of the budget
    bool info_done, clock_done, ready;
    char cursor[BYBIT_CURSOR_MAX]; // of the next page of instruments, "" = the first
    int pages;
    struct vclock samples;
};

static void ask_info(void *arg);
static void ask_time(void *arg);

// ---- exchangeInfo ------------------------------------------------------------------------------

// Both questions have been answered, or given up.
static void go_on(struct venue_rest *v)
{
    if (!v->ready && v->info_done && v->clock_done) {
        v->ready = true;
        app_venue_ready(v->app);
    }
}

static bool is_bybit(const struct venue_rest *v)
{
    return v->app->connector->venue == VENUE_BYBIT;
}

// The answer tells of every symbol there is; the recording keeps what it says of ours.
static void record_units(const struct venue_rest *v, const struct http_reply *r,
                         const struct exinfo *info)
{
    const struct app *a = v->app;
    char url[512];
    struct buf body;
    if (a->recorder == NULL || info->raw[0] == '\0') {
        return;
    }
    buf_init(&body, EXINFO_RAW_MAX + 64);
    str_fmt(url, sizeof url, "%s%s", a->cfg->rest_base,
            is_bybit(v) ? "/v5/market/instruments-info?category=linear" : "/fapi/v1/exchangeInfo");
    buf_adds(&body, is_bybit(v) ? "{\"result\":{\"list\":[" : "{\"symbols\":[");
    buf_adds(&body, info->raw);
    buf_adds(&body, is_bybit(v) ? "]}}" : "]}");
    recorder_rest(a->recorder, r->simulated, r->done_us, url, buf_ptr(&body), buf_len(&body));
    buf_release(&body);
}

// True when the next page of the instruments has to be looked at for this lane.
static bool read_lane(struct venue_rest *v, struct lane *l, const struct http_reply *r,
                      struct exinfo *info)
{
    struct instrument ins = l->feed.ins;
    struct err e = {0};
    const int rc = is_bybit(v) ? bybit_instrument_find(r->body, r->n, &ins, info, v->cursor, &e)
                               : exinfo_find(r->body, r->n, &ins, info, &e);
    if (rc == 1) {
        record_units(v, r, info);
        l->described = true;
        str_copy(l->raw, sizeof l->raw, info->raw);
        feed_set_units(&l->feed, &ins);
        keyspace_described(l);
        return false;
    }
    if (rc == 0 && is_bybit(v) && v->cursor[0] != '\0' && v->pages < INFO_PAGES) {
        return true;
    }
    if (rc == 0) {
        char why[120];
        str_fmt(why, sizeof why, "%s is not a symbol of this venue", l->feed.ins.name);
        lane_break(l, "symbol_unknown", why);
        return false;
    }
    log_ev(LOG_WARN, "exchange_info_unusable", F_STR("sym", l->feed.ins.name),
           F_STR("why", e.text));
    return false;
}

static void on_info(void *arg, const struct http_reply *r)
{
    struct venue_rest *v = arg;
    struct app *a = v->app;
    v->info = NULL;
    const bool forbidden = budget_note(a->budget, r);
    // Bybit tells a server's error (10016) and that it protects itself with HTTP 200.
    const int64_t code = is_bybit(v) && r->err == 0 ? budget_bybit_ret_code(r->body, r->n) : 0;
    const bool answered = r->err == 0 && r->status < 500 && r->status != 429 &&
                          (r->status != 200 || (!forbidden && code != 10016));
    if (!answered && ++v->tries < INFO_TRIES) {
        int64_t pause_ms = INFO_PAUSE_MS << v->tries;
        if (r->err == 0 && r->retry_after_s > 0) {
            pause_ms = r->retry_after_s * 1000;
        }
        log_ev(LOG_WARN, "exchange_info_failed", F_STR("why", r->err != 0 ? r->why : "status"),
               F_INT("status", r->status), F_INT("retry_ms", pause_ms));
        timer_start(v->retry, pause_ms);
        return;
    }
    if (r->err != 0 || r->status != 200) {
        log_ev(LOG_WARN, "exchange_info_absent", F_STR("why", r->err != 0 ? r->why : "status"),
               F_INT("status", r->status), F_STR("tick", a->cfg->tick));
        v->info_done = true;
        go_on(v);
        return;
    }
    app_simulated(a, r->simulated, "exchangeInfo");
    if (!is_bybit(v)) {
        budget_set_limit(a->budget, exinfo_weight_limit(r->body, r->n));
    }
    v->pages++;
    bool more = false;
    struct exinfo *info = xcalloc(1, sizeof *info);
    for (size_t i = 0; i < a->n; i++) {
        if (!a->lane[i].described && a->lane[i].state != LANE_BROKEN) {
            more = read_lane(v, &a->lane[i], r, info) || more;
        }
    }
    free(info);
    if (more) {
        v->tries = 0;
        ask_info(v);
        return;
    }
    v->info_done = true;
    go_on(v);
}

static struct http_call *get(struct venue_rest *v, const char *path, size_t max_body,
                             void (*done)(void *arg, const struct http_reply *r))
{
    char url[512];
    struct err e = {0};
    str_fmt(url, sizeof url, "%s%s", v->app->cfg->rest_base, path);
    const struct http_req q = {.url = url,
                               .timeout_ms = v->app->cfg->api_timeout_s * 1000,
                               .max_body = max_body,
                               .on_done = done,
                               .arg = v};
    struct http_call *call = http_get(v->http, &q, &e);
    if (call == NULL) {
        log_ev(LOG_ERROR, "request_impossible", F_STR("path", path), F_STR("why", e.text));
    }
    return call;
}

static void info_path(const struct venue_rest *v, char *out, size_t size)
{
    if (!is_bybit(v)) {
        str_copy(out, size, "/fapi/v1/exchangeInfo");
        return;
    }
    str_copy(out, size, "/v5/market/instruments-info?category=linear&limit=1000");
    if (v->cursor[0] == '\0') {
        return;
    }
    // The cursor comes encoded; what an address can not hold all the same is encoded here.
    size_t n = strlen(out);
    str_copy(out + n, size - n, "&cursor=");
    n += strlen("&cursor=");
    for (const char *p = v->cursor; *p != '\0' && n + 4 < size; p++) {
        const bool plain = (*p >= '0' && *p <= '9') || (*p >= 'A' && *p <= 'Z') ||
                           (*p >= 'a' && *p <= 'z') || strchr("-_.~%", *p) != NULL;
        str_fmt(out + n, size - n, plain ? "%c" : "%%%02X", (unsigned char)*p);
        n += plain ? 1 : 3;
    }
}

static void get_info(void *arg, bool granted, int64_t wait_ms)
{
    struct venue_rest *v = arg;
    if (granted) {
        char path[4 * BYBIT_CURSOR_MAX];
        info_path(v, path, sizeof path);
        v->info = get(v, path, INFO_MAX_BODY, on_info);
    } else {
        log_ev(LOG_WARN, "exchange_info_absent", F_STR("why", "budget"), F_INT("wait_ms", wait_ms),
               F_STR("tick", v->app->cfg->tick));
    }
    if (v->info == NULL) {
        v->info_done = true;
        go_on(v);
    }
}

static void ask_info(void *arg)
{
    struct venue_rest *v = arg;
    if (budget_ask(v->app->budget, BUDGET_SNAPSHOT, 1, get_info, v) != 0) {
        get_info(v, true, 0); // Redis is away: what a start needs is asked all the same
    }
}

// ---- clock -------------------------------------------------------------------------------------

static void measured(struct venue_rest *v)
{
    struct app *a = v->app;
    bool steady;
    const int64_t offset_ms = vclock_offset_ms(&v->samples, &steady);
    const bool changed = !a->clock_measured || steady != a->clock.known;
    a->clock = (struct feed_clock){.known = steady, .offset_ms = offset_ms};
    a->clock_measured = true;
    budget_set_clock(a->budget, steady, offset_ms);
    if (changed) {
        log_ev(LOG_INFO, "venue_clock", F_INT("offset_ms", offset_ms), F_BOOL("steady", steady));
    }
    if (offset_ms > VCLOCK_ALARM_MS || offset_ms < -VCLOCK_ALARM_MS) {
        log_ev(LOG_WARN, "venue_clock_far", F_INT("offset_ms", offset_ms));
    }
    for (size_t i = 0; i < a->n; i++) {
        keyspace_note_clock(&a->lane[i]);
    }
    const int64_t next_s = !steady && a->cfg->clock_check_s > UNSTEADY_CHECK_S
                               ? UNSTEADY_CHECK_S
                               : a->cfg->clock_check_s;
    vclock_clear(&v->samples);
    timer_start(v->clock, next_s * 1000);
    v->clock_done = true;
    go_on(v);
}

static int read_time(const struct venue_rest *v, const struct http_reply *r, int64_t *ms,
                     struct err *e)
{
    return is_bybit(v) ? bybit_server_time(r->body, r->n, ms, e)
                       : exinfo_server_time(r->body, r->n, ms, e);
}

static void on_time(void *arg, const struct http_reply *r)
{
    struct venue_rest *v = arg;
    int64_t venue_ms;
    struct err e = {0};
    v->time = NULL;
    (void)budget_note(v->app->budget, r);
    if (r->err != 0 || r->status != 200 || read_time(v, r, &venue_ms, &e) != 0) {
        // What was known before stays; a clock never measured stays unknown.
        vclock_clear(&v->samples);
        timer_start(v->clock, v->app->cfg->clock_check_s * 1000);
        log_ev(LOG_INFO, "venue_clock_unread", F_STR("why", r->err != 0 ? r->why : e.text),
               F_INT("status", r->status));
        v->clock_done = true;
        go_on(v);
        return;
    }
    app_simulated(v->app, r->simulated, "time");
    if (vclock_add(&v->samples, r->sent_us, r->done_us, venue_ms)) {
        measured(v);
    } else {
        timer_start(v->clock, TIME_PAUSE_MS);
    }
}

static void get_time(void *arg, bool granted, int64_t wait_ms)
{
    struct venue_rest *v = arg;
    v->time_asked = false;
    if (granted) {
        v->time = get(v, is_bybit(v) ? "/v5/market/time" : "/fapi/v1/time", TIME_MAX_BODY, on_time);
    } else {
        const int64_t most_ms = v->app->cfg->clock_check_s * 1000;
        vclock_clear(&v->samples);
        timer_start(v->clock, wait_ms < most_ms ? wait_ms : most_ms);
    }
    if (v->time == NULL) {
        v->clock_done = true;
        go_on(v);
    }
}

static void ask_time(void *arg)
{
    struct venue_rest *v = arg;
    if (v->time != NULL || v->time_asked) {
        return;
    }
    v->time_asked = true;
    if (budget_ask(v->app->budget, BUDGET_SNAPSHOT, 1, get_time, v) != 0) {
        // Redis is away: at the start it is asked all the same, later it can wait.
        get_time(v, !v->clock_done, 1000);
    }
}

void venue_check_clock(struct venue_rest *v)
{
    if (v->time == NULL && v->samples.n == 0) {
        ask_time(v);
    }
}

// ---- life --------------------------------------------------------------------------------------

struct venue_rest *venue_new(struct app *a)
{
    struct venue_rest *v = xcalloc(1, sizeof *v);
    v->app = a;
    v->http = http_new(a->loop, a->cfg->ca_file[0] != '\0' ? a->cfg->ca_file : NULL, 4);
    v->retry = timer_new(a->loop, ask_info, v);
    v->clock = timer_new(a->loop, ask_time, v);
    return v;
}

void venue_start(struct venue_rest *v)
{
    ask_info(v);
    ask_time(v);
}

void venue_free(struct venue_rest *v)
{
    if (v == NULL) {
        return;
    }
    budget_cancel(v->app->budget, v);
    if (v->info != NULL) {
        http_cancel(v->info);
    }
    if (v->time != NULL) {
        http_cancel(v->time);
    }
    timer_free(v->retry);
    timer_free(v->clock);
    http_free(v->http);
    free(v);
}

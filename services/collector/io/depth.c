// Order books: frames to the core, and the snapshots it wishes from REST. One request at a time for
// all books, in turn; each is asked of the budget, and not more of them a minute than
// DEPTH_SNAPSHOTS_PER_MIN, so that a venue in trouble is not asked again and again.

#include "services/collector/io/depth.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/log.h"
#include "common/base/mem.h"

#define BOOK_SILENCE_MS 10000
#define SNAPSHOT_MAX_BODY ((size_t)2 << 20)
#define REST_MAX_MS 60000
#define RETRY_MIN_MS 1000
#define RETRY_MAX_MS 60000
#define BURST 10
#define TX_MAX ((size_t)65536)
#define LEVELS_TEXT 4096
#define RATE_SEC 10

static void fetch(struct depths *d);

static struct book_lane *book_of(const struct lane *l)
{
    const struct app *a = l->app;
    return a->books != NULL ? &a->books->one[l - a->lane] : NULL;
}

// ---- frames -------------------------------------------------------------------------------------

// What happens to a book is told when it comes and when it goes, not with each message.
static void tell(struct book_lane *o, const struct depth_out *out)
{
    const enum depth_state now = depth_state(&o->core);
    const char *sym = o->lane->feed.ins.name;
    if (now == DEPTH_LIVE && o->told != DEPTH_LIVE) {
        log_ev(LOG_INFO, "book_live", F_STR("sym", sym), F_INT("update_id", o->core.book_u),
               F_UINT("bids", book_levels(&o->core.book, BOOK_BIDS)),
               F_UINT("asks", book_levels(&o->core.book, BOOK_ASKS)));
    } else if (now != DEPTH_LIVE && o->told == DEPTH_LIVE) {
        log_ev(LOG_WARN, "book_lost", F_STR("sym", sym), F_STR("state", depth_state_name(now)),
               F_STR("why", out != NULL && out->broken != NULL ? out->broken
                            : now == DEPTH_STALE               ? "no events"
                                                               : "edge"),
               F_INT("update_id", o->core.book_u), F_INT("got", out != NULL ? out->got : 0));
    }
    o->told = now;
}

static void after(struct book_lane *o, const struct depth_out *out)
{
    tell(o, out);
    if (out->verdict == DEPTH_APPLIED) {
        book_mark(o);
    } else {
        book_pump(o);
    }
    if (o->core.o.venue == VENUE_BYBIT) {
        const struct app *a = o->all->app;
        if (o->core.wants_stream && depth_take_resubscribe(&o->core, loop_mono_ms(a->loop))) {
            log_ev(LOG_WARN, "book_resubscribe", F_STR("sym", o->lane->feed.ins.name),
                   F_UINT("gaps", o->core.gaps));
            links_resubscribe(a->links, o->lane, STREAM_BOOK);
        }
    } else if (!o->core.has_book || o->core.refresh) {
        fetch(o->all);
    }
}

static bool on_frame(struct lane *l, const struct frame *f, int64_t rx_us, const char *p, size_t n)
{
    struct book_lane *o = book_of(l);
    const struct app *a = l->app;
    struct depth_out out;
    if (!l->feed.has_units) {
        return true; // the numbers can not be read yet
    }
    depth_set_units(&o->core, &l->feed.ins);
    depth_on_frame(&o->core, f, rx_us, &a->clock, loop_mono_ms(a->loop), &o->all->space, &out);
    if (out.verdict == DEPTH_REFUSED) {
        log_refused(l->feed.ins.name, out.why, p, n);
        if (out.why == REFUSE_FUTURE && a->venue != NULL) {
            venue_check_clock(a->venue);
        }
        return false;
    }
    depth_set_silent(&o->core, false);
    after(o, &out);
    return true;
}

static void set_up(struct lane *l, bool up)
{
    struct book_lane *o = book_of(l);
    depth_set_up(&o->core, up, loop_mono_ms(l->app->loop));
    tell(o, NULL);
    book_pump(o);
}

static void on_open(struct lane *l)
{
    set_up(l, true);
}

static void on_close(struct lane *l)
{
    set_up(l, false);
}

const struct stream_ops book_ops = {
    .silence_ms = BOOK_SILENCE_MS, .on_frame = on_frame, .on_open = on_open, .on_close = on_close};

// ---- snapshots ----------------------------------------------------------------------------------

static int64_t weight_of(int limit)
{
    return limit <= 50 ? 2 : limit <= 100 ? 5 : limit <= 500 ? 10 : 20;
}

// The venue takes these values only.
static int known_limit(int64_t wanted)
{
    static const int known[] = {5, 10, 20, 50, 100, 500, 1000};
    size_t i = 0;
    while (i + 1 < sizeof known / sizeof known[0] && known[i] < wanted) {
        i++;
    }
    return known[i];
}

static void snapshot_url(const struct depths *d, const struct book_lane *o, char url[512])
{
    str_fmt(url, 512, "%s/fapi/v1/depth?symbol=%s&limit=%d", d->app->cfg->rest_base,
            o->lane->feed.ins.symbol, d->limit);
}

static void on_answer(void *arg, const struct http_reply *r)
{
    struct depths *d = arg;
    struct book_lane *o = d->asking;
    struct app *a = d->app;
    const int64_t now = loop_mono_ms(a->loop);
    const bool forbidden = budget_note(a->budget, r);
    struct depth_out out = {.verdict = DEPTH_REFUSED};
    const char *why = NULL;
    d->call = NULL;
    d->asking = NULL;
    if (r->err == 0 && r->status == 200) {
        struct frame f;
        char url[512];
        app_simulated(a, r->simulated, "depth");
        snapshot_url(d, o, url);
        recorder_rest(a->recorder, r->simulated, r->done_us, url, r->body, r->n);
        frame_decode_snapshot(r->body, r->n, d->levels, &f);
        depth_on_snapshot(&o->core, &f, now, &d->space, &out);
        frame_release(&f);
        why = out.verdict == DEPTH_REFUSED   ? refusal_name(out.why)
              : out.verdict == DEPTH_TOO_OLD ? "too old"
                                             : NULL;
    } else {
        why = r->err != 0 ? r->why : "status";
        depth_failed(&o->core, !forbidden, now);
    }
    if (why != NULL) {
        log_ev(LOG_WARN, "book_snapshot_refused", F_STR("sym", o->lane->feed.ins.name),
               F_INT("status", r->status), F_STR("why", why), F_INT("tries", o->core.tries));
    }
    after(o, &out);
    fetch(d);
}

static bool send_request(struct depths *d)
{
    char url[512];
    struct err e = {0};
    const struct config *c = d->app->cfg;
    snapshot_url(d, d->asking, url);
    const struct http_req q = {.url = url,
                               .timeout_ms = c->api_timeout_s * 1000,
                               .max_body = SNAPSHOT_MAX_BODY,
                               .on_done = on_answer,
                               .arg = d};
    d->call = http_get(d->http, &q, &e);
    if (d->call == NULL) {
        log_ev(LOG_ERROR, "request_impossible", F_STR("path", "/fapi/v1/depth"),
               F_STR("why", e.text));
    }
    return d->call != NULL;
}

static void on_budget(void *arg, bool granted, int64_t wait_ms)
{
    struct depths *d = arg;
    const int64_t now = loop_mono_ms(d->app->loop);
    struct book_lane *o = d->asking;
    wait_ms = wait_ms < REST_MAX_MS ? wait_ms : REST_MAX_MS;
    if (granted && !d->stopped && o->core.up && send_request(d)) {
        return;
    }
    depth_failed(&o->core, granted, now);
    d->asking = NULL;
    if (!granted && !d->stopped) {
        d->rest_until_ms = now + wait_ms;
        timer_start(d->fetch_timer, wait_ms);
    }
}

static struct book_lane *next_book(struct depths *d, int64_t now)
{
    for (size_t i = 0; i < d->n; i++) {
        struct book_lane *o = &d->one[(d->turn + i) % d->n];
        if (o->lane->outbox.open && depth_wants_snapshot(&o->core, now)) {
            d->turn = (d->turn + i + 1) % d->n;
            return o;
        }
    }
    return NULL;
}

static void fetch(struct depths *d)
{
    const int64_t now = loop_mono_ms(d->app->loop);
    if (d->stopped || d->asking != NULL || !redis_is_up(d->app->redis) || now < d->rest_until_ms) {
        return;
    }
    const size_t turn = d->turn;
    struct book_lane *o = next_book(d, now);
    if (o == NULL) {
        return;
    }
    const int64_t wait_ms = pace_take(&d->pace, now);
    if (wait_ms > 0) {
        d->turn = turn;
        timer_start(d->fetch_timer, wait_ms);
        return;
    }
    if (budget_ask(d->app->budget, BUDGET_SNAPSHOT, weight_of(d->limit), on_budget, d) == 0) {
        d->asking = o;
        depth_asked(&o->core);
    }
}

static void on_fetch_timer(void *arg)
{
    fetch(arg);
}

static void on_write_timer(void *arg)
{
    struct depths *d = arg;
    for (size_t i = 0; i < d->n; i++) {
        book_pump(&d->one[i]);
    }
}

// ---- time ---------------------------------------------------------------------------------------

static void count_second(struct book_lane *o)
{
    o->slot = (o->slot + 1) % DEPTH_RATE_SEC;
    o->slots += o->slots < DEPTH_RATE_SEC ? 1 : 0;
    o->per_s[o->slot] = (uint32_t)(o->core.events - o->counted);
    o->counted = o->core.events;
}

// Events in the newest so many seconds.
static uint64_t events_in(const struct book_lane *o, size_t seconds)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < seconds && i < o->slots; i++) {
        sum += o->per_s[(o->slot + DEPTH_RATE_SEC - i) % DEPTH_RATE_SEC];
    }
    return sum;
}

void depths_tick(struct depths *d)
{
    for (size_t i = 0; d != NULL && i < d->n; i++) {
        struct book_lane *o = &d->one[i];
        depth_set_silent(&o->core, o->lane->stream[STREAM_BOOK].silence.silent);
        count_second(o);
        tell(o, NULL);
        book_pump(o);
    }
    if (d != NULL) {
        fetch(d);
    }
}

void depths_down(struct depths *d)
{
    for (size_t i = 0; d != NULL && i < d->n; i++) {
        d->one[i].busy = false;
        d->one[i].dirty = true;
        d->one[i].hold_until_ms = 0;
    }
}

size_t depths_pending(const struct depths *d)
{
    size_t n = 0;
    for (size_t i = 0; d != NULL && i < d->n; i++) {
        n += d->one[i].busy ? 1 : 0;
    }
    return n;
}

// ---- health -------------------------------------------------------------------------------------

static void put_int(struct jw *w, const struct lane *l, const char *name, int64_t v)
{
    char key[96];
    str_fmt(key, sizeof key, "%s.depth_%s", l->feed.ins.name, name);
    jw_kint(w, key, v);
}

static void put_bool(struct jw *w, const struct lane *l, const char *name, bool v)
{
    char key[96];
    str_fmt(key, sizeof key, "%s.depth_%s", l->feed.ins.name, name);
    jw_kbool(w, key, v);
}

void depths_health(const struct lane *l, struct jw *w)
{
    const struct app *a = l->app;
    const struct book_lane *o = book_of(l);
    char key[96], text[24];
    if (o == NULL) {
        return;
    }
    const struct depth *d = &o->core;
    const struct stream *s = &l->stream[STREAM_BOOK];
    const int64_t offset_ms = a->clock_measured ? a->clock.offset_ms : 0;
    const uint64_t recent = events_in(o, RATE_SEC);
    put_bool(w, l, "connected", s->open);
    put_int(w, l, "last_ts_ms", d->event_ms);
    put_int(w, l, "last_rx_ms", s->last_rx_us > 0 ? s->last_rx_us / 1000 + offset_ms : 0);
    put_int(w, l, "last_update_id", d->chain_u > 0 ? d->chain_u : 0);
    put_int(w, l, "events_received", (int64_t)d->events);
    put_int(w, l, "gaps", (int64_t)d->gaps);
    put_int(w, l, "snapshots", (int64_t)d->snapshots);
    put_int(w, l, "snapshots_too_old", (int64_t)d->too_old);
    str_fmt(key, sizeof key, "%s.depth_state", l->feed.ins.name);
    jw_kstr(w, key, depth_state_name(depth_state(d)));
    put_bool(w, l, "silent", s->silence.silent);
    put_int(w, l, "deadline_ms", s->silence.deadline_ms);
    put_int(w, l, "queue_size", (int64_t)d->waiting.n);
    put_int(w, l, "per_minute_count", (int64_t)events_in(o, DEPTH_RATE_SEC));
    str_fmt(key, sizeof key, "%s.depth_per_second_rate", l->feed.ins.name);
    str_fmt(text, sizeof text, "%llu.%llu", (unsigned long long)(recent / RATE_SEC),
            (unsigned long long)(recent % RATE_SEC));
    jw_kraw(w, key, text);
}

static const struct series {
    const char *name, *type, *help;
    size_t at; // of a uint64_t in struct depth
} series[] = {
#define OF(member) offsetof(struct depth, member)
    {"bc4_collector_book_events_total", "counter", "Book messages of the instrument.", OF(events)},
    {"bc4_collector_book_applied_total", "counter", "Changes applied to the book.", OF(applied)},
    {"bc4_collector_book_levels_total", "counter", "Levels in them.", OF(levels)},
    {"bc4_collector_book_copies_total", "counter", "Messages that were known already.", OF(copies)},
    {"bc4_collector_book_gaps_total", "counter", "Breaks of the chain.", OF(gaps)},
    {"bc4_collector_book_crossed_total", "counter", "Books thrown away because they were crossed.",
     OF(crossed)},
    {"bc4_collector_book_snapshots_total", "counter", "Whole books taken.", OF(snapshots)},
    {"bc4_collector_book_snapshots_too_old_total", "counter",
     "Snapshots that did not reach the events.", OF(too_old)},
    {"bc4_collector_book_snapshot_failures_total", "counter", "Answers missing or not believed.",
     OF(failed)},
    {"bc4_collector_book_refreshes_total", "counter",
     "Times the market came near the window's edge.", OF(edges)},
    {"bc4_collector_book_dropped_total", "counter", "Waiting events dropped for lack of room.",
     OF(waiting.dropped)},
#undef OF
};

static void gauge(struct buf *out, const struct depths *d, const char *name, const char *help,
                  int64_t (*value)(const struct book_lane *o))
{
    char text[160];
    prom_head(out, name, "gauge", help);
    for (size_t i = 0; i < d->n; i++) {
        str_fmt(text, sizeof text, "instrument=\"%s\"", d->one[i].lane->feed.ins.name);
        prom_int(out, name, text, value(&d->one[i]));
    }
}

static int64_t g_live(const struct book_lane *o)
{
    return depth_state(&o->core) == DEPTH_LIVE ? 1 : 0;
}
static int64_t g_waiting(const struct book_lane *o)
{
    return (int64_t)o->core.waiting.n;
}
static int64_t g_bids(const struct book_lane *o)
{
    return (int64_t)book_levels(&o->core.book, BOOK_BIDS);
}
static int64_t g_asks(const struct book_lane *o)
{
    return (int64_t)book_levels(&o->core.book, BOOK_ASKS);
}
static int64_t g_silent(const struct book_lane *o)
{
    return o->lane->stream[STREAM_BOOK].silence.silent ? 1 : 0;
}

void depths_metrics(const struct depths *d, struct buf *out)
{
    char text[160];
    if (d == NULL) {
        return;
    }
    for (size_t s = 0; s < sizeof series / sizeof series[0]; s++) {
        prom_head(out, series[s].name, series[s].type, series[s].help);
        for (size_t i = 0; i < d->n; i++) {
            uint64_t v;
            memcpy(&v, (const char *)&d->one[i].core + series[s].at, sizeof v);
            str_fmt(text, sizeof text, "instrument=\"%s\"", d->one[i].lane->feed.ins.name);
            prom_int(out, series[s].name, text, (int64_t)v);
        }
    }
    prom_head(out, "bc4_collector_book_writes_total", "counter", "Writes of :book stored.");
    for (size_t i = 0; i < d->n; i++) {
        str_fmt(text, sizeof text, "instrument=\"%s\"", d->one[i].lane->feed.ins.name);
        prom_int(out, "bc4_collector_book_writes_total", text, (int64_t)d->one[i].writes);
    }
    gauge(out, d, "bc4_collector_book_live", "1 when the book is proven.", g_live);
    gauge(out, d, "bc4_collector_book_silent", "1 when the stream is past its deadline.", g_silent);
    gauge(out, d, "bc4_collector_book_waiting", "Events that wait for a snapshot.", g_waiting);
    gauge(out, d, "bc4_collector_book_bids", "Levels of the bid side.", g_bids);
    gauge(out, d, "bc4_collector_book_asks", "Levels of the ask side.", g_asks);
}

// ---- life ---------------------------------------------------------------------------------------

struct depths *depths_new(struct app *a)
{
    const struct config *c = a->cfg;
    if (a->ops[STREAM_BOOK] == NULL || c->reset) {
        return NULL;
    }
    struct depths *d = xcalloc(1, sizeof *d);
    d->app = a;
    d->n = a->n;
    d->limit = known_limit(c->depth_limit);
    d->one = xcalloc(a->n, sizeof *d->one);
    d->levels = xcalloc(1, sizeof *d->levels);
    d->tx = redis_tx_new(TX_MAX);
    buf_init(&d->bids, LEVELS_TEXT);
    buf_init(&d->asks, LEVELS_TEXT);
    d->write_timer = timer_new(a->loop, on_write_timer, d);
    d->fetch_timer = timer_new(a->loop, on_fetch_timer, d);
    d->http = http_new(a->loop, c->ca_file[0] != '\0' ? c->ca_file : NULL, 1);
    const struct pace_opts pace = {
        .every_ms = 1, .burst = BURST, .window_ms = 60000, .window_max = c->snapshots_per_min};
    pace_init(&d->pace, &pace);
    for (size_t i = 0; i < a->n; i++) {
        struct book_lane *o = &d->one[i];
        const struct instrument *ins = &c->ins[i];
        const bool bybit = ins->venue == VENUE_BYBIT;
        const struct depth_opts opts = {.venue = ins->venue,
                                        .max_levels = (size_t)c->book_max_levels,
                                        .limit = (size_t)(bybit ? c->bybit_levels : d->limit),
                                        .refresh_levels = (size_t)d->limit / 5,
                                        .buffer_bytes = (size_t)c->depth_buffer_bytes,
                                        .check_u = c->bybit_check_u,
                                        .retry_min_ms = RETRY_MIN_MS,
                                        .retry_max_ms = RETRY_MAX_MS};
        o->all = d;
        o->lane = &a->lane[i];
        depth_init(&o->core, &opts);
        instrument_key(ins, "book", o->key);
        instrument_key(ins, "pub:book", o->topic);
        o->written_ms = -c->book_write_ms;
        o->ver = loop_wall_us(a->loop) / 1000; // grows over restarts too
        o->dirty = true;
    }
    return d;
}

void depths_stop(struct depths *d)
{
    if (d == NULL || d->stopped) {
        return;
    }
    d->stopped = true;
    timer_stop(d->fetch_timer);
    budget_cancel(d->app->budget, d);
    if (d->call != NULL) {
        http_cancel(d->call);
        d->call = NULL;
    }
    d->asking = NULL;
    for (size_t i = 0; i < d->n; i++) {
        depth_set_up(&d->one[i].core, false, loop_mono_ms(d->app->loop));
        book_pump(&d->one[i]); // its last word: nobody keeps this book any more
    }
}

void depths_free(struct depths *d)
{
    if (d == NULL) {
        return;
    }
    depths_stop(d);
    for (size_t i = 0; i < d->n; i++) {
        depth_release(&d->one[i].core);
    }
    timer_free(d->write_timer);
    timer_free(d->fetch_timer);
    http_free(d->http);
    redis_tx_free(d->tx);
    buf_release(&d->bids);
    buf_release(&d->asks);
    free(d->levels);
    free(d->one);
    free(d);
}

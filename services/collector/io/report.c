// What the collector says about itself: the health hash, readiness, Prometheus.

#include <string.h>

#include "common/base/str.h"
#include "services/collector/io/app.h"

static uint64_t refused_of(const struct app *a, const struct lane *l, enum refusal why)
{
    uint64_t n = l->feed.refused[why];
    // What names no instrument is shown with the only one there is.
    if (a->n == 1 && why == REFUSE_MALFORMED) {
        n += a->malformed;
    } else if (a->n == 1 && why == REFUSE_FOREIGN) {
        n += a->foreign;
    } else if (a->n == 1 && why == REFUSE_OVERSIZE) {
        n += a->oversize;
    }
    return n;
}

static uint64_t refused_all(const struct app *a, const struct lane *l)
{
    uint64_t n = 0;
    for (int why = REFUSE_NONE + 1; why < REFUSE_COUNT_; why++) {
        n += refused_of(a, l, (enum refusal)why);
    }
    return n;
}

static void put_int(struct jw *w, const struct lane *l, const char *name, int64_t v)
{
    char key[96];
    str_fmt(key, sizeof key, "%s.%s", l->feed.ins.name, name);
    jw_kint(w, key, v);
}

static void put_bool(struct jw *w, const struct lane *l, const char *name, bool v)
{
    char key[96];
    str_fmt(key, sizeof key, "%s.%s", l->feed.ins.name, name);
    jw_kbool(w, key, v);
}

// Null before the first sample: 0 would be the best latency there is.
static void put_percentile(struct jw *w, const struct lane *l, const char *name,
                           const struct hist *h, int p)
{
    char key[96];
    int has = 0;
    const int64_t v = hist_percentile(h, p, &has);
    str_fmt(key, sizeof key, "%s.%s", l->feed.ins.name, name);
    if (has) {
        jw_kint(w, key, v);
    } else {
        jw_kraw(w, key, NULL);
    }
}

static void lane_health(const struct app *a, const struct lane *l, struct jw *w)
{
    struct links_stats links;
    links_stats(a->links, &links);
    const struct feed *f = &l->feed;
    const int64_t offset_ms = a->clock_measured ? a->clock.offset_ms : 0;
    put_bool(w, l, "trades_connected", l->stream[STREAM_TRADES].open);
    put_int(w, l, "trades_last_ts_ms", f->last_ts_ms);
    put_int(w, l, "trades_last_rx_ms", f->last_rx_us > 0 ? f->last_rx_us / 1000 + offset_ms : 0);
    put_int(w, l, "events_received", (int64_t)f->frames);
    put_int(w, l, "reconnect_attempts", (int64_t)links.reconnects);
    put_int(w, l, "gaps", (int64_t)l->outbox.gaps_declared);
    put_int(w, l, "gap_ids", (int64_t)f->gap_ids);
    put_int(w, l, "duplicates", (int64_t)(f->duplicates + l->outbox.copies));
    put_int(w, l, "late", (int64_t)f->late);
    put_int(w, l, "refused", (int64_t)refused_all(a, l));
    put_int(w, l, "dropped", (int64_t)l->outbox.dropped);
    put_int(w, l, "holes_pending", (int64_t)l->repair.n);
    put_int(w, l, "ids_pending", (int64_t)repair_ids_pending(&l->repair));
    put_int(w, l, "ids_repaired", (int64_t)l->repair.ids_repaired);
    put_int(w, l, "ids_lost", (int64_t)l->repair.ids_lost);
    put_int(w, l, "queue_size", (int64_t)l->outbox.fresh);
    put_bool(w, l, "open", l->outbox.open);
    put_bool(w, l, "silent", l->stream[STREAM_TRADES].silence.silent);
    put_int(w, l, "deadline_ms", l->stream[STREAM_TRADES].silence.deadline_ms);
    put_percentile(w, l, "latency_ms_p50", &l->latency_ms, 50);
    put_percentile(w, l, "latency_ms_p99", &l->latency_ms, 99);
    put_percentile(w, l, "ack_us_p50", &l->ack_us, 50);
    put_percentile(w, l, "ack_us_p99", &l->ack_us, 99);
    derivs_health(l, w);
    depths_health(l, w);
}

void report_health(void *arg, struct jw *w)
{
    const struct app *a = arg;
    jw_kstr(w, "venue", venue_name(a->connector->venue));
    jw_key(w, "clock_offset_ms");
    if (a->clock_measured) {
        jw_int(w, a->clock.offset_ms);
    } else {
        jw_null(w);
    }
    jw_kbool(w, "clock_steady", a->clock.known);
    jw_key(w, "simulated");
    if (a->has_simulated) {
        jw_bool(w, a->simulated);
    } else {
        jw_null(w);
    }
    if (a->budget != NULL) {
        struct budget_stats b;
        budget_stats(a->budget, &b);
        jw_kint(w, "weight_limit", b.limit);
        jw_kint(w, "weight_used", b.used);
        jw_kint(w, "banned_until_ms", b.banned_until_ms);
    }
    for (size_t i = 0; i < a->n; i++) {
        lane_health(a, &a->lane[i], w);
    }
}

void report_ready(void *arg, char *why, size_t size)
{
    const struct app *a = arg;
    if (a->redis == NULL || !redis_is_up(a->redis)) {
        str_copy(why, size, "redis is away");
        return;
    }
    if (!links_are_open(a->links)) {
        str_copy(why, size, "the venue is not connected");
        return;
    }
    for (size_t i = 0; i < a->n; i++) {
        const struct lane *l = &a->lane[i];
        if (!l->outbox.open) {
            str_fmt(why, size, "%s: not writing yet", l->feed.ins.name);
            return;
        }
        if (l->stream[STREAM_TRADES].silence.silent || l->feed.last_rx_us == 0) {
            str_fmt(why, size, "%s: no trades", l->feed.ins.name);
            return;
        }
    }
}

// ---- Prometheus --------------------------------------------------------------------------------

typedef int64_t (*lane_value)(const struct app *a, const struct lane *l);

static int64_t v_frames(const struct app *a, const struct lane *l)
{
    (void)a;
    return (int64_t)l->feed.frames;
}
static int64_t v_trades(const struct app *a, const struct lane *l)
{
    (void)a;
    return (int64_t)l->feed.trades;
}
static int64_t v_stored(const struct app *a, const struct lane *l)
{
    (void)a;
    return (int64_t)l->outbox.stored;
}
static int64_t v_gaps(const struct app *a, const struct lane *l)
{
    (void)a;
    return (int64_t)l->outbox.gaps_declared;
}
static int64_t v_gap_ids(const struct app *a, const struct lane *l)
{
    (void)a;
    return (int64_t)l->feed.gap_ids;
}
static int64_t v_duplicates(const struct app *a, const struct lane *l)
{
    (void)a;
    return (int64_t)(l->feed.duplicates + l->outbox.copies);
}
static int64_t v_late(const struct app *a, const struct lane *l)
{
    (void)a;
    return (int64_t)l->feed.late;
}
static int64_t v_dropped(const struct app *a, const struct lane *l)
{
    (void)a;
    return (int64_t)l->outbox.dropped;
}
static int64_t v_resent(const struct app *a, const struct lane *l)
{
    (void)a;
    return (int64_t)l->outbox.resent;
}
static int64_t v_away(const struct app *a, const struct lane *l)
{
    (void)a;
    return (int64_t)l->outbox.away;
}
static int64_t v_queue(const struct app *a, const struct lane *l)
{
    (void)a;
    return (int64_t)l->outbox.fresh;
}
static int64_t v_in_flight(const struct app *a, const struct lane *l)
{
    (void)a;
    return (int64_t)l->outbox.flight_n;
}
static int64_t v_ring(const struct app *a, const struct lane *l)
{
    (void)a;
    return (int64_t)outbox_ring(&l->outbox);
}
static int64_t v_silent(const struct app *a, const struct lane *l)
{
    (void)a;
    return l->stream[STREAM_TRADES].silence.silent ? 1 : 0;
}
static int64_t v_deadline(const struct app *a, const struct lane *l)
{
    (void)a;
    return l->stream[STREAM_TRADES].silence.deadline_ms;
}
static int64_t v_holes(const struct app *a, const struct lane *l)
{
    (void)a;
    return (int64_t)l->repair.n;
}
static int64_t v_pending(const struct app *a, const struct lane *l)
{
    (void)a;
    return (int64_t)repair_ids_pending(&l->repair);
}
static int64_t v_repaired(const struct app *a, const struct lane *l)
{
    (void)a;
    return (int64_t)l->repair.ids_repaired;
}
static int64_t v_lost(const struct app *a, const struct lane *l)
{
    (void)a;
    return (int64_t)l->repair.ids_lost;
}
static int64_t v_failed(const struct app *a, const struct lane *l)
{
    (void)a;
    return (int64_t)(l->repair.failed + l->repair.wrong);
}
static int64_t v_forgotten(const struct app *a, const struct lane *l)
{
    (void)a;
    return (int64_t)l->repair.dropped;
}
static int64_t v_last_ts(const struct app *a, const struct lane *l)
{
    (void)a;
    return l->feed.last_ts_ms;
}

static const struct series {
    const char *name, *type, *help;
    lane_value value;
} series[] = {
    {"bc4_collector_events_total", "counter", "Trade frames of the instrument.", v_frames},
    {"bc4_collector_trades_total", "counter", "Trades accepted.", v_trades},
    {"bc4_collector_stored_total", "counter", "Entries Redis acknowledged.", v_stored},
    {"bc4_collector_gaps_total", "counter", "Gap entries written to :history.", v_gaps},
    {"bc4_collector_gap_ids_total", "counter", "Ids missing in front of a frame.", v_gap_ids},
    {"bc4_collector_duplicates_total", "counter", "Trades that were held already.", v_duplicates},
    {"bc4_collector_late_total", "counter", "Trades below the newest id.", v_late},
    {"bc4_collector_dropped_total", "counter", "Trades the full queue had no room for.", v_dropped},
    {"bc4_collector_resent_total", "counter", "Entries Redis had lost.", v_resent},
    {"bc4_collector_redis_refusals_total", "counter", "Commands Redis could not do.", v_away},
    {"bc4_collector_queue", "gauge", "Entries that were never stored.", v_queue},
    {"bc4_collector_in_flight", "gauge", "Commands without an answer.", v_in_flight},
    {"bc4_collector_ring", "gauge", "Stored entries kept to be sent again.", v_ring},
    {"bc4_collector_silent", "gauge", "1 when the stream is past its deadline.", v_silent},
    {"bc4_collector_deadline_milliseconds", "gauge", "Deadline of the stream.", v_deadline},
    {"bc4_collector_repair_holes", "gauge", "Holes waiting for repair.", v_holes},
    {"bc4_collector_repair_ids", "gauge", "Ids in them.", v_pending},
    {"bc4_collector_repaired_ids_total", "counter", "Ids fetched from REST.", v_repaired},
    {"bc4_collector_lost_ids_total", "counter", "Ids that can not be had.", v_lost},
    {"bc4_collector_repair_failures_total", "counter", "Answers missing or not believed.",
     v_failed},
    {"bc4_collector_repair_forgotten_total", "counter", "Holes there was no room to remember.",
     v_forgotten},
    {"bc4_collector_last_trade_timestamp_ms", "gauge", "Exchange time of the newest trade.",
     v_last_ts},
};

static void label(const struct lane *l, const char *more, char *out, size_t size)
{
    str_fmt(out, size, "instrument=\"%s\"%s", l->feed.ins.name, more);
}

static void refused_metrics(const struct app *a, struct buf *out)
{
    const char *name = "bc4_collector_refused_total";
    prom_head(out, name, "counter", "Frames refused, by reason.");
    for (size_t i = 0; i < a->n; i++) {
        for (int why = REFUSE_NONE + 1; why < REFUSE_COUNT_; why++) {
            char more[64], text[160];
            str_fmt(more, sizeof more, ",reason=\"%s\"", refusal_name((enum refusal)why));
            label(&a->lane[i], more, text, sizeof text);
            prom_int(out, name, text, (int64_t)refused_of(a, &a->lane[i], (enum refusal)why));
        }
    }
}

static void histogram(struct buf *out, const struct app *a, const char *name, const char *help,
                      const int64_t *edges, size_t n, bool ack)
{
    char text[160], more[64], full[96];
    prom_head(out, name, "histogram", help);
    for (size_t i = 0; i < a->n; i++) {
        const struct lane *l = &a->lane[i];
        const struct hist *h = ack ? &l->ack_us : &l->latency_ms;
        str_fmt(full, sizeof full, "%s_bucket", name);
        for (size_t k = 0; k < n; k++) {
            str_fmt(more, sizeof more, ",le=\"%lld\"", (long long)edges[k]);
            label(l, more, text, sizeof text);
            prom_int(out, full, text, (int64_t)hist_count_up_to(h, edges[k]));
        }
        label(l, ",le=\"+Inf\"", text, sizeof text);
        prom_int(out, full, text, (int64_t)h->count);
        label(l, "", text, sizeof text);
        str_fmt(full, sizeof full, "%s_sum", name);
        prom_int(out, full, text, h->sum);
        str_fmt(full, sizeof full, "%s_count", name);
        prom_int(out, full, text, (int64_t)h->count);
    }
}

static void budget_metrics(const struct budget *budget, struct buf *out)
{
    struct budget_stats b;
    budget_stats(budget, &b);
    const struct {
        const char *name, *type, *help;
        int64_t value;
    } row[] = {
        {"bc4_budget_limit", "gauge", "Request weight a minute.", b.limit},
        {"bc4_budget_used", "gauge", "Weight of the present minute, of all processes.", b.used},
        {"bc4_budget_banned_until_ms", "gauge", "Venue time until which nobody asks.",
         b.banned_until_ms},
        {"bc4_budget_granted_total", "counter", "Requests granted here.", (int64_t)b.granted},
        {"bc4_budget_refused_total", "counter", "Requests that had to wait.", (int64_t)b.refused},
        {"bc4_budget_weight_total", "counter", "Weight granted here.", (int64_t)b.weight},
        {"bc4_budget_bans_total", "counter", "Refusals by the venue seen here.", (int64_t)b.bans},
    };
    for (size_t i = 0; i < sizeof row / sizeof row[0]; i++) {
        prom_head(out, row[i].name, row[i].type, row[i].help);
        prom_int(out, row[i].name, "venue=\"binance\"", row[i].value);
    }
}

void report_metrics(void *arg, struct buf *out)
{
    // Borders of the histogram's own buckets, so the counts are exact.
    static const int64_t ack_edges[] = {63,   127,  255,   511,   1023,  2047,
                                        4095, 8191, 16383, 65535, 262143};
    static const int64_t latency_edges[] = {-1025, -257, -65, -17, -1,  0,   3,    7,
                                            15,    31,   63,  127, 255, 511, 1023, 4095};
    const struct app *a = arg;
    char text[160];
    for (size_t s = 0; s < sizeof series / sizeof series[0]; s++) {
        prom_head(out, series[s].name, series[s].type, series[s].help);
        for (size_t i = 0; i < a->n; i++) {
            label(&a->lane[i], "", text, sizeof text);
            prom_int(out, series[s].name, text, series[s].value(a, &a->lane[i]));
        }
    }
    refused_metrics(a, out);
    depths_metrics(a->books, out);
    if (a->budget != NULL) {
        budget_metrics(a->budget, out);
    }
    struct links_stats links;
    links_stats(a->links, &links);
    prom_head(out, "bc4_collector_reconnects_total", "counter", "Reconnects to the venue.");
    prom_int(out, "bc4_collector_reconnects_total", "", (int64_t)links.reconnects);
    prom_head(out, "bc4_collector_connected", "gauge", "1 when the venue's socket is open.");
    prom_int(out, "bc4_collector_connected", "", links_are_open(a->links) ? 1 : 0);
    if (a->clock_measured) {
        prom_head(out, "bc4_collector_clock_offset_milliseconds", "gauge",
                  "Venue clock minus local clock.");
        prom_int(out, "bc4_collector_clock_offset_milliseconds", "", a->clock.offset_ms);
    }
    histogram(out, a, "bc4_collector_ack_microseconds", "From sending a batch to its last answer.",
              ack_edges, sizeof ack_edges / sizeof ack_edges[0], true);
    histogram(out, a, "bc4_collector_latency_milliseconds",
              "From the event's time at the venue to its receipt, clocks corrected.", latency_edges,
              sizeof latency_edges / sizeof latency_edges[0], false);
}

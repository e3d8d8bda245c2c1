// What the collector says about itself to Prometheus.

#include "common/base/str.h"
#include "services/collector/io/app.h"

typedef int64_t (*lane_value)(const struct lane *l);

static int64_t v_frames(const struct lane *l)
{
    return (int64_t)l->feed.frames;
}
static int64_t v_trades(const struct lane *l)
{
    return (int64_t)l->feed.trades;
}
static int64_t v_stored(const struct lane *l)
{
    return (int64_t)l->outbox.stored;
}
static int64_t v_gaps(const struct lane *l)
{
    return (int64_t)l->outbox.gaps_declared;
}
static int64_t v_gap_ids(const struct lane *l)
{
    return (int64_t)l->feed.gap_ids;
}
static int64_t v_duplicates(const struct lane *l)
{
    return (int64_t)(l->feed.duplicates + l->outbox.copies);
}
static int64_t v_late(const struct lane *l)
{
    return (int64_t)l->feed.late;
}
static int64_t v_dropped(const struct lane *l)
{
    return (int64_t)l->outbox.dropped;
}
static int64_t v_resent(const struct lane *l)
{
    return (int64_t)l->outbox.resent;
}
static int64_t v_away(const struct lane *l)
{
    return (int64_t)l->outbox.away;
}
static int64_t v_queue(const struct lane *l)
{
    return (int64_t)l->outbox.fresh;
}
static int64_t v_in_flight(const struct lane *l)
{
    return (int64_t)l->outbox.flight_n;
}
static int64_t v_ring(const struct lane *l)
{
    return (int64_t)outbox_ring(&l->outbox);
}
static int64_t v_silent(const struct lane *l)
{
    return l->stream[STREAM_TRADES].silence.silent ? 1 : 0;
}
static int64_t v_deadline(const struct lane *l)
{
    return l->stream[STREAM_TRADES].silence.deadline_ms;
}
static int64_t v_holes(const struct lane *l)
{
    return (int64_t)l->repair.n;
}
static int64_t v_pending(const struct lane *l)
{
    return (int64_t)repair_ids_pending(&l->repair);
}
static int64_t v_repaired(const struct lane *l)
{
    return (int64_t)l->repair.ids_repaired;
}
static int64_t v_lost(const struct lane *l)
{
    return (int64_t)l->repair.ids_lost;
}
static int64_t v_failed(const struct lane *l)
{
    return (int64_t)(l->repair.failed + l->repair.wrong);
}
static int64_t v_forgotten(const struct lane *l)
{
    return (int64_t)l->repair.dropped;
}
static int64_t v_running(const struct lane *l)
{
    return l->state == LANE_RUNS ? 1 : 0;
}
static int64_t v_audits(const struct lane *l)
{
    return (int64_t)l->overlap.audits;
}
static int64_t v_audit_found(const struct lane *l)
{
    return (int64_t)l->overlap.found;
}
static int64_t v_audits_short(const struct lane *l)
{
    return (int64_t)l->overlap.audits_short;
}
static int64_t v_last_ts(const struct lane *l)
{
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
    {"bc4_collector_audits_total", "counter", "Pages compared with what is held.", v_audits},
    {"bc4_collector_audit_found_total", "counter", "Trades the venue never sent, found by them.",
     v_audit_found},
    {"bc4_collector_audits_short_total", "counter", "Pages that did not reach the one before.",
     v_audits_short},
    {"bc4_collector_lane_running", "gauge", "0 when the instrument is stopped.", v_running},
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
            prom_int(out, name, text, (int64_t)report_refused(a, &a->lane[i], (enum refusal)why));
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

static void budget_metrics(const struct app *a, struct buf *out)
{
    char venue[32];
    str_fmt(venue, sizeof venue, "venue=\"%s\"", venue_name(a->connector->venue));
    struct budget_stats b;
    budget_stats(a->budget, &b);
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
        prom_int(out, row[i].name, venue, row[i].value);
    }
}

// Per stream of a lane: is its link open, is it silent, how many frames.
static void stream_metrics(const struct app *a, struct buf *out)
{
    static const struct {
        const char *name, *type, *help;
    } row[] = {
        {"bc4_collector_stream_open", "gauge", "1 when a link that carries the stream is open."},
        {"bc4_collector_stream_silent", "gauge", "1 when it is past its deadline."},
        {"bc4_collector_stream_frames_total", "counter", "Events taken from it."},
        {"bc4_collector_stream_last_rx_timestamp_ms", "gauge", "Wall clock of its newest event."},
    };
    for (size_t r = 0; r < sizeof row / sizeof row[0]; r++) {
        prom_head(out, row[r].name, row[r].type, row[r].help);
        for (size_t i = 0; i < a->n; i++) {
            for (int kind = 0; kind < STREAM_KINDS; kind++) {
                const struct stream *st = &a->lane[i].stream[kind];
                const int64_t value[] = {st->open, st->silence.silent, (int64_t)st->frames,
                                         st->last_rx_us / 1000};
                char more[48], text[160];
                if (st->carried) {
                    str_fmt(more, sizeof more, ",stream=\"%s\"",
                            stream_kind_name((enum stream_kind)kind));
                    label(&a->lane[i], more, text, sizeof text);
                    prom_int(out, row[r].name, text, value[r]);
                }
            }
        }
    }
}

static void link_metrics(const struct app *a, struct buf *out)
{
    struct links_stats n;
    links_stats(a->links, &n);
    const struct {
        const char *name, *type, *help;
        int64_t value;
    } row[] = {
        {"bc4_collector_links", "gauge", "Links to the venue.", (int64_t)n.links},
        {"bc4_collector_links_open", "gauge", "Those that are open.", (int64_t)n.open},
        {"bc4_collector_connected", "gauge", "1 when all of them are open.",
         links_are_open(a->links) ? 1 : 0},
        {"bc4_collector_connects_total", "counter", "Connection attempts.", (int64_t)n.connects},
        {"bc4_collector_reconnects_total", "counter", "Reconnects to the venue.",
         (int64_t)n.reconnects},
        {"bc4_collector_subscribe_denied_total", "counter", "Subscriptions the venue refused.",
         (int64_t)a->denied},
        {"bc4_collector_rotations_total", "counter", "Hand-overs to a new connection.",
         (int64_t)n.rotations},
        {"bc4_collector_rotations_forced_total", "counter", "Those that were not proven whole.",
         (int64_t)n.rotations_forced},
    };
    for (size_t i = 0; i < sizeof row / sizeof row[0]; i++) {
        prom_head(out, row[i].name, row[i].type, row[i].help);
        prom_int(out, row[i].name, "", row[i].value);
    }
}

static void record_metrics(const struct app *a, struct buf *out)
{
    struct recorder_stats n;
    recorder_stats(a->recorder, &n);
    const struct {
        const char *name, *type, *help;
        uint64_t value;
    } row[] = {
        {"bc4_collector_record_paused", "gauge", "1 while the disk takes nothing.", n.paused},
        {"bc4_collector_record_messages_total", "counter", "Lines of recordings.", n.lines},
        {"bc4_collector_record_dropped_total", "counter", "Messages not recorded.", n.dropped},
        {"bc4_collector_record_bytes_total", "counter", "Packed bytes written.", n.bytes},
        {"bc4_collector_record_kept_bytes", "gauge", "All recordings of the venue.", n.kept},
        {"bc4_collector_record_queue_bytes", "gauge", "What waits for the disk.", n.queued},
        {"bc4_collector_record_deleted_total", "counter", "Files that had to go.", n.deleted},
    };
    for (size_t i = 0; n.on && i < sizeof row / sizeof row[0]; i++) {
        prom_head(out, row[i].name, row[i].type, row[i].help);
        prom_int(out, row[i].name, "", (int64_t)row[i].value);
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
            prom_int(out, series[s].name, text, series[s].value(&a->lane[i]));
        }
    }
    refused_metrics(a, out);
    depths_metrics(a->books, out);
    if (a->budget != NULL) {
        budget_metrics(a, out);
    }
    link_metrics(a, out);
    record_metrics(a, out);
    stream_metrics(a, out);
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

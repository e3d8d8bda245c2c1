// What the collector says about itself: the health hash and readiness.

#include <string.h>

#include "common/base/str.h"
#include "services/collector/io/app.h"

uint64_t report_refused(const struct app *a, const struct lane *l, enum refusal why)
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
        n += report_refused(a, l, (enum refusal)why);
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

// "running", else the event that told why not.
static void put_state(struct jw *w, const struct lane *l)
{
    char key[96];
    str_fmt(key, sizeof key, "%s.state", l->feed.ins.name);
    jw_kstr(w, key, l->state == LANE_RUNS ? "running" : l->state_ev);
}

static int64_t shown_rx_ms(const struct app *a, const struct stream *st)
{
    const int64_t offset_ms = a->clock_measured ? a->clock.offset_ms : 0;
    return st->last_rx_us > 0 ? st->last_rx_us / 1000 + offset_ms : 0;
}

static void lane_health(const struct app *a, const struct lane *l, struct jw *w)
{
    struct links_stats links;
    links_stats(a->links, &links);
    const struct feed *f = &l->feed;
    const int64_t offset_ms = a->clock_measured ? a->clock.offset_ms : 0;
    put_state(w, l);
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
    put_int(w, l, "audits", (int64_t)l->overlap.audits);
    put_int(w, l, "audit_found", (int64_t)l->overlap.found);
    put_int(w, l, "queue_size", (int64_t)l->outbox.fresh);
    put_int(w, l, "mark_last_rx_ms", shown_rx_ms(a, &l->stream[STREAM_MARK]));
    put_bool(w, l, "mark_silent", l->stream[STREAM_MARK].silence.silent);
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

static void recording(const struct app *a, struct jw *w)
{
    struct recorder_stats s;
    recorder_stats(a->recorder, &s);
    jw_kstr(w, "record", !s.on ? "off" : s.paused ? "paused" : "on");
    if (s.on) {
        jw_kstr(w, "record_file", s.file);
        jw_kstr(w, "record_why", s.paused ? s.why : "");
        jw_kint(w, "record_bytes", (int64_t)s.bytes);
        jw_kint(w, "record_kept_bytes", (int64_t)s.kept);
        jw_kint(w, "record_messages", (int64_t)s.lines);
        jw_kint(w, "record_dropped", (int64_t)s.dropped);
    }
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
    struct links_stats links;
    links_stats(a->links, &links);
    jw_kint(w, "links", (int64_t)links.links);
    jw_kint(w, "links_open", (int64_t)links.open);
    jw_kint(w, "reconnects", (int64_t)links.reconnects);
    jw_kint(w, "rotations", (int64_t)links.rotations);
    jw_kint(w, "subscribe_denied", (int64_t)a->denied);
    recording(a, w);
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

static void lane_ready(const struct lane *l, char *why, size_t size)
{
    if (l->state != LANE_RUNS) {
        str_fmt(why, size, "%s: %s: %s", l->feed.ins.name, l->state_ev, l->state_why);
        return;
    }
    if (!l->outbox.open) {
        str_fmt(why, size, "%s: not writing yet", l->feed.ins.name);
        return;
    }
    for (int kind = 0; kind < STREAM_KINDS; kind++) {
        const struct stream *st = &l->stream[kind];
        const bool waits = kind == STREAM_TRADES && l->feed.last_rx_us == 0;
        if (st->carried && st->silence.floor_ms > 0 && (st->silence.silent || waits)) {
            str_fmt(why, size, "%s: no %s", l->feed.ins.name,
                    stream_kind_name((enum stream_kind)kind));
            return;
        }
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
    for (size_t i = 0; i < a->n && why[0] == '\0'; i++) {
        lane_ready(&a->lane[i], why, size);
    }
}

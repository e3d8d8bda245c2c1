// A connection gives way to its successor without a hole: before the venue ends it by age, when the
// venue announces its end, and when it is slow. core/handover.c says when; here the successor's
// messages are held meanwhile and replayed in order.

#include <string.h>

#include "common/base/log.h"
#include "services/collector/io/link_priv.h"

#define SLOW_SAMPLES 100 // events in a minute that a percentile is believed of
#define SLOW_MAX_MS 600000
#define PAUSE_MIN_MS 60000 // between two rotations for slowness or silence; doubles
#define PAUSE_MAX_MS 14400000

// In front of each held message.
struct held {
    int64_t rx_us;
    size_t n;
};

// ---- a successor -------------------------------------------------------------------------------

static void connect_next(struct link *k, int64_t mono_ms)
{
    struct links *s = k->all;
    char why[160] = "";
    if (k->rotate_why == NULL || k->next != NULL || s->stopped || mono_ms < k->rotate_after_ms) {
        return;
    }
    if (k->conn == NULL || !k->conn->open) {
        k->rotate_why = NULL; // it is being opened anew anyway
        return;
    }
    const int64_t wait_ms = pace_take(&s->pace, mono_ms);
    if (wait_ms > 0) {
        k->rotate_after_ms = mono_ms + wait_ms;
        return;
    }
    log_ev(LOG_INFO, "ws_rotate", F_STR("route", k->plan.route), F_STR("why", k->rotate_why));
    k->next = conn_new(k, why, sizeof why);
    if (k->next == NULL) {
        rotate_failed(k, why);
    }
}

void rotate_want(struct link *k, const char *why)
{
    if (k->rotate_why == NULL && k->next == NULL) {
        k->rotate_why = why; // the tick connects
    }
}

void rotate_failed(struct link *k, const char *why)
{
    conn_free(k->next);
    k->next = NULL;
    handover_end(&k->handover);
    buf_clear(&k->held);
    const int64_t pause_ms = backoff_next_ms(&k->backoff, k->all->app->loop);
    k->rotate_after_ms = loop_mono_ms(k->all->app->loop) + pause_ms;
    log_ev(LOG_WARN, "ws_rotate_failed", F_STR("route", k->plan.route), F_STR("why", why),
           F_INT("retry_ms", pause_ms));
}

void rotate_opened(struct link *k)
{
    const struct app *a = k->all->app;
    buf_clear(&k->held);
    handover_begin(&k->handover, loop_mono_ms(a->loop), a->cfg->rotate_overlap_ms);
}

static void count_new(void *arg, const struct frame *f)
{
    struct link *k = arg;
    const int at = symtab_find(&k->all->symtab, f->symbol);
    if (at >= 0 && k->all->app->lane[at].state == LANE_RUNS) {
        handover_new(&k->handover, (size_t)at, f);
    }
}

// ---- hand-over ---------------------------------------------------------------------------------

static void reopen_unproven(struct link *k, struct lane *l, enum stream_kind kind)
{
    if (!handover_is_whole(&k->handover, (size_t)(l - l->app->lane), kind)) {
        stream_closed(k, l, kind);
        stream_opened(k, l, kind);
    }
}

// A stream that was silent on the old connection has its time anew.
static void restart_silence(struct link *k, struct lane *l, enum stream_kind kind)
{
    struct silence *s = &l->stream[kind].silence;
    (void)k;
    if (s->silent) {
        silence_begin(s, loop_mono_ms(l->app->loop));
    }
}

static void replay(struct link *k)
{
    const char *p = buf_ptr(&k->held), *end = p + buf_len(&k->held);
    while (p < end) {
        struct held head;
        memcpy(&head, p, sizeof head);
        p += sizeof head;
        dispatch(k, p, head.n, head.rx_us);
        p += head.n;
    }
    buf_clear(&k->held);
}

static void hand_over(struct link *k)
{
    struct links *s = k->all;
    struct conn *old = k->conn;
    const size_t held = buf_len(&k->held);
    k->conn = k->next;
    k->next = NULL;
    k->rotate_why = NULL;
    handover_end(&k->handover);
    link_each_stream(k, restart_silence);
    link_each_stream(k, reopen_unproven);
    conn_free(old);
    hist_init(&k->latency_ms, loop_mono_ms(s->app->loop));
    s->rotations++;
    replay(k);
    log_ev(LOG_INFO, "ws_rotated", F_STR("route", k->plan.route), F_UINT("held_bytes", held));
    writer_pump(s->app);
}

void rotate_hold(struct link *k, const char *p, size_t n, int64_t rx_us)
{
    struct links *s = k->all;
    const struct held head = {.rx_us = rx_us, .n = n};
    const size_t before = buf_len(&k->held);
    buf_add(&k->held, (const char *)&head, sizeof head);
    buf_add(&k->held, p, n);
    if (k->held.failed) {
        // It kept what it had before the write that did not fit: cut off half a message.
        k->held.tail = k->held.head + before;
        log_ev(LOG_WARN, "ws_rotate_forced", F_STR("route", k->plan.route), F_STR("why", "full"));
        s->forced++;
        hand_over(k);
        dispatch(k, p, n, rx_us);
        return;
    }
    s->connector->decode(p, n, &s->space, count_new, k);
}

void rotate_judge(struct link *k)
{
    if (!k->handover.running) {
        return;
    }
    switch (handover_judge(&k->handover, loop_mono_ms(k->all->app->loop), false)) {
    case HANDOVER_WAIT:
        break;
    case HANDOVER_FORCED:
        k->all->forced++;
        log_ev(LOG_WARN, "ws_rotate_forced", F_STR("route", k->plan.route));
        hand_over(k);
        break;
    case HANDOVER_WHOLE:
        hand_over(k);
        break;
    case HANDOVER_FAILED:
        rotate_failed(k, "the successor delivers nothing");
        break;
    }
}

bool rotate_take_over(struct link *k)
{
    if (k->next == NULL || !k->next->open) {
        conn_free(k->next);
        k->next = NULL;
        k->rotate_why = NULL;
        return false;
    }
    conn_free(k->conn);
    k->conn = NULL;
    hand_over(k);
    return true;
}

// ---- when --------------------------------------------------------------------------------------

static bool is_slow(const struct link *k)
{
    const int64_t bound_ms = k->all->app->cfg->slow_ms;
    uint64_t recent = 0;
    int has;
    for (size_t i = 0; i < HIST_BUCKETS; i++) {
        recent += k->latency_ms.now[0][i] + k->latency_ms.now[1][i];
    }
    const int64_t p99 = hist_percentile(&k->latency_ms, 99, &has);
    // What lies so far back is another time, a replay or a venue that catches up, and would be the
    // same on any socket.
    return bound_ms > 0 && has && recent >= SLOW_SAMPLES && p99 > bound_ms && p99 < SLOW_MAX_MS;
}

void rotate_tick(struct link *k, int64_t mono_ms)
{
    struct app *a = k->all->app;
    hist_tick(&k->latency_ms, mono_ms);
    rotate_judge(k);
    if (k->conn == NULL || !k->conn->open || k->all->connector->transport != TRANSPORT_WEBSOCKET) {
        return;
    }
    if (mono_ms - k->conn->opened_ms >= a->cfg->rotate_s * 1000) {
        rotate_want(k, "age");
    } else if (k->rotate_why == NULL && k->next == NULL && mono_ms >= k->rotate_after_ms &&
               is_slow(k)) {
        // A venue that is slow itself makes the next one slow too.
        k->rotate_pause.min_ms = PAUSE_MIN_MS;
        k->rotate_pause.max_ms = PAUSE_MAX_MS;
        rotate_want(k, "slow");
        connect_next(k, mono_ms);
        k->rotate_after_ms = mono_ms + backoff_next_ms(&k->rotate_pause, a->loop);
    }
    connect_next(k, mono_ms);
}

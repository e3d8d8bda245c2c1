// One instrument: its beginning and end, and how it stops alone when it can not go on.

#include "common/base/log.h"
#include "services/collector/io/app.h"

#define FEED_SPANS 1024
#define CLAIM_SPANS 4096
#define FEED_NAMES 262144 // 10 minutes of more than 400 trades a second; 10 MB
#define REPAIR_RETRY_MAX_MS 60000
// More garbage than frames, and so much of it in a period, gives a lane a rest.
#define FLOOD_PERIOD_MS 10000
#define FLOOD_MIN 1000
#define REST_MS INT64_C(60000) // doubles
#define REST_MAX_SHIFT 6

void lane_init(struct app *a, struct lane *l, const struct instrument *ins)
{
    const struct config *c = a->cfg;
    const struct feed_opts feed = {.subscribed = ins->venue == VENUE_BYBIT ? FRAME_UID_TRADE
                                                 : c->single_fills         ? FRAME_TRADE
                                                                           : FRAME_AGG_TRADE,
                                   .window_ms = c->window_min * 60000,
                                   .max_spans = FEED_SPANS,
                                   .max_names = FEED_NAMES,
                                   .fallback_tick = c->tick};
    const struct outbox_opts outbox = {.max_queue = (size_t)c->max_queue,
                                       .ring_max = (size_t)c->ring_max,
                                       .ring_ms = c->ring_sec * 1000,
                                       .batch = (size_t)c->batch,
                                       .max_data_bytes = (size_t)c->data_bytes,
                                       .on_gap = repairer_on_gap,
                                       .arg = l};
    const struct repair_opts repair = {.max_holes = (size_t)c->repair_max,
                                       .delay_ms = c->repair_delay_ms,
                                       .retry_min_ms = c->repair_retry_ms,
                                       .retry_max_ms = REPAIR_RETRY_MAX_MS,
                                       .max_tries = (int)c->repair_tries,
                                       .reach_ms = c->repair_reach_h * 3600000};
    l->app = a;
    l->trimmed_mono_ms = loop_mono_ms(a->loop);
    feed_init(&l->feed, ins, &feed);
    outbox_init(&l->outbox, ins, &outbox);
    repair_init(&l->repair, &repair);
    recents_lane_init(l);
    hist_init(&l->ack_us, loop_mono_ms(a->loop));
    hist_init(&l->latency_ms, loop_mono_ms(a->loop));
    idset_init(&l->claims, CLAIM_SPANS);
    idset_init(&l->on_stream, CLAIM_SPANS);
    for (int kind = 0; kind < STREAM_KINDS; kind++) {
        const struct stream_ops *ops = a->ops[kind];
        if (ops != NULL) {
            const bool longer = kind == STREAM_TRADES || ops->silence_ms > c->silence_ms;
            silence_init(&l->stream[kind].silence, longer ? c->silence_ms : ops->silence_ms);
        }
        if (ops != NULL && ops->init != NULL) {
            ops->init(l);
        }
    }
}

void lane_release(struct lane *l)
{
    for (int kind = 0; kind < STREAM_KINDS; kind++) {
        const struct stream_ops *ops = l->app->ops[kind];
        if (ops != NULL && ops->release != NULL) {
            ops->release(l);
        }
    }
    feed_release(&l->feed);
    outbox_release(&l->outbox);
    repair_release(&l->repair);
    idset_release(&l->claims);
    idset_release(&l->on_stream);
}

// ---- stopping alone ----------------------------------------------------------------------------

void lane_break(struct lane *l, const char *ev, const char *why)
{
    struct app *a = l->app;
    bool any = false;
    if (l->state == LANE_BROKEN) {
        return;
    }
    l->state = LANE_BROKEN;
    l->state_ev = ev;
    str_copy(l->state_why, sizeof l->state_why, why);
    for (size_t i = 0; i < a->n; i++) {
        any = any || a->lane[i].state != LANE_BROKEN;
    }
    if (!any) {
        service_fail(a->service, ev, why);
        return;
    }
    log_ev(LOG_ERROR, ev, F_STR("sym", l->feed.ins.name), F_STR("why", why));
    keyspace_loaded(a); // the others need not wait for it
}

void lane_flood(struct lane *l)
{
    struct app *a = l->app;
    const int64_t now = loop_mono_ms(a->loop);
    l->flood.bad++;
    // With one instrument there is nobody else to be protected.
    if (a->n == 1 || l->flood.bad < FLOOD_MIN || l->flood.bad <= l->flood.good) {
        return;
    }
    const int shift = l->flood.rests < REST_MAX_SHIFT ? l->flood.rests : REST_MAX_SHIFT;
    l->flood.rest_until_ms = now + (REST_MS << shift);
    l->flood.rests++;
    l->state = LANE_RESTS;
    l->state_ev = "lane_rests";
    str_copy(l->state_why, sizeof l->state_why, "its frames can not be read");
    log_ev(LOG_ERROR, l->state_ev, F_STR("sym", l->feed.ins.name), F_STR("why", l->state_why),
           F_INT("rest_ms", REST_MS << shift));
    links_lane_rests(a->links, l, true);
}

void lane_tick(struct lane *l, int64_t mono_ms)
{
    if (l->state == LANE_RESTS && mono_ms >= l->flood.rest_until_ms) {
        l->state = LANE_RUNS;
        l->flood.since_ms = mono_ms;
        l->flood.good = l->flood.bad = 0;
        log_ev(LOG_INFO, "lane_goes_on", F_STR("sym", l->feed.ins.name));
        links_lane_rests(l->app->links, l, false);
    }
    if (mono_ms - l->flood.since_ms >= FLOOD_PERIOD_MS) {
        l->flood.since_ms = mono_ms;
        l->flood.good = l->flood.bad = 0;
    }
    for (int kind = 0; kind < STREAM_KINDS; kind++) {
        const struct stream_ops *ops = l->app->ops[kind];
        if (ops != NULL && ops->on_tick != NULL && l->state != LANE_BROKEN) {
            ops->on_tick(l, mono_ms);
        }
    }
}

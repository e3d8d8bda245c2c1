#include "services/collector/io/app.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/log.h"
#include "common/base/mem.h"

#define TICK_MS 1000
#define RECORD_END_MS 1000 // for the disk, at the end

// ---- Redis link --------------------------------------------------------------------------------

static void on_up(void *arg)
{
    struct app *a = arg;
    if (a->cfg->reset) {
        keyspace_reset(a);
    } else {
        keyspace_load(a);
    }
}

static void on_down(void *arg, const char *why)
{
    struct app *a = arg;
    (void)why; // told by the link itself
    writer_down(a);
    derivs_down(a->derivs);
    depths_down(a->books);
    for (size_t i = 0; i < a->n; i++) {
        struct lane *l = &a->lane[i];
        keyspace_forget(l);
        for (int kind = 0; kind < STREAM_KINDS; kind++) {
            if (a->ops[kind] != NULL && a->ops[kind]->on_redis_down != NULL) {
                a->ops[kind]->on_redis_down(l);
            }
        }
    }
}

// ---- order of things ---------------------------------------------------------------------------

static void open_lanes(struct app *a)
{
    for (size_t i = 0; i < a->n; i++) {
        keyspace_open(&a->lane[i]);
    }
}

// All that :instrument tells is stored already: nobody has to wait for REST.
static bool are_known(const struct app *a)
{
    for (size_t i = 0; i < a->n; i++) {
        if (a->lane[i].state != LANE_BROKEN && !a->lane[i].has_stored) {
            return false;
        }
    }
    return true;
}

void app_keyspace_ready(struct app *a)
{
    if (a->connector->transport == TRANSPORT_LINES) {
        app_venue_ready(a); // a local feed has no REST
    } else if (a->venue == NULL) {
        a->venue = venue_new(a);
        venue_start(a->venue);
    }
    if (are_known(a) && !a->draining) {
        links_start(a->links);
    }
    open_lanes(a);
}

void app_venue_ready(struct app *a)
{
    open_lanes(a);
    if (!a->draining) {
        links_start(a->links);
    }
}

void app_simulated(struct app *a, bool simulated, const char *said_by)
{
    if (a->has_simulated) {
        if (a->simulated != simulated) {
            char why[160];
            str_fmt(why, sizeof why, "the venue's %s says it is %s, before it said the opposite",
                    said_by, simulated ? "simulated" : "real");
            service_fail(a->service, "simulated_contradiction", why);
        }
        return;
    }
    a->has_simulated = true;
    a->simulated = simulated;
    log_ev(LOG_INFO, "venue_kind", F_BOOL("simulated", simulated), F_STR("said_by", said_by));
    for (size_t i = 0; i < a->n; i++) {
        struct lane *l = &a->lane[i];
        if (l->loaded && l->has_stored && l->stored.simulated != simulated) {
            keyspace_refuse(l, "its keys hold another kind of market (simulated against real)");
        }
    }
    open_lanes(a);
}

// ---- time --------------------------------------------------------------------------------------

static void on_tick(void *arg)
{
    struct app *a = arg;
    const int64_t mono_ms = loop_mono_ms(a->loop);
    a->pumped_mono_ms = mono_ms;
    for (size_t i = 0; i < a->n; i++) {
        struct lane *l = &a->lane[i];
        recents_tick(l, false);
        outbox_tick(&l->outbox, mono_ms);
        hist_tick(&l->ack_us, mono_ms);
        hist_tick(&l->latency_ms, mono_ms);
        lane_tick(l, mono_ms);
        if (l->state != LANE_BROKEN) {
            keyspace_trim(l, mono_ms);
            keyspace_check(l, mono_ms);
        }
    }
    repairer_kick(a->repairer);
    recents_kick(a->recents);
    derivs_tick(a->derivs);
    open_interest_kick(a->oi);
    depths_tick(a->books);
    recorder_tick(a->recorder);
    if (!a->draining) {
        links_tick(a->links, mono_ms);
    }
    writer_pump(a);
}

static void on_pump(void *arg)
{
    writer_pump(arg);
}

void app_drain(void *arg)
{
    struct app *a = arg;
    a->draining = true;
    links_stop(a->links);
    repairer_stop(a->repairer);
    recents_stop(a->recents);
    open_interest_stop(a->oi);
    depths_stop(a->books);
    for (size_t i = 0; i < a->n; i++) {
        recents_tick(&a->lane[i], true);
        outbox_settle(&a->lane[i].outbox, true);
    }
    writer_pump(a);
}

// ---- life --------------------------------------------------------------------------------------

// Who carries out what a stream brings. A kind without ops is not asked for.
static void choose_streams(struct app *a)
{
    a->ops[STREAM_TRADES] = &trades_ops;
    // A local feed has no snapshots to begin a book with.
    a->ops[STREAM_BOOK] =
        a->cfg->depth && a->connector->transport == TRANSPORT_WEBSOCKET ? &book_ops : NULL;
    a->ops[STREAM_LIQUIDATIONS] = a->cfg->liquidations ? &liquidations_ops : NULL;
    a->ops[STREAM_MARK] = a->cfg->mark ? &mark_ops : NULL;
}

int app_start(struct app *a, const struct config *cfg, struct loop *loop, struct service *s,
              struct err *e)
{
    memset(a, 0, sizeof *a);
    a->cfg = cfg;
    a->loop = loop;
    a->service = s;
    a->n = cfg->n;
    a->connector = cfg->connector;
    choose_streams(a);
    a->lane = xcalloc(a->n, sizeof *a->lane);
    for (size_t i = 0; i < a->n; i++) {
        lane_init(a, &a->lane[i], &cfg->ins[i]);
    }
    a->recorder =
        recorder_new(&(struct recorder_opts){.dir = cfg->record_dir,
                                             .venue = venue_name(a->connector->venue),
                                             .clock = loop->clock,
                                             .max_bytes = (uint64_t)cfg->record_max_bytes,
                                             .queue_bytes = (size_t)cfg->record_queue_bytes,
                                             .period_ms = cfg->record_rotate_min * 60000});
    a->links = links_new(a, e);
    if (a->links == NULL) {
        return e->code;
    }
    if (cfg->ws_ending_cut) {
        log_ev(LOG_WARN, "url_ending_cut", F_STR("BINANCE_WS_BASE_URL", cfg->ws_base));
    }
    a->tick = timer_new(loop, on_tick, a);
    a->pump = timer_new(loop, on_pump, a);
    const struct redis_opts redis = {.loop = loop,
                                     .url = cfg->redis,
                                     .name = "collector/write",
                                     .on_up = on_up,
                                     .on_down = on_down,
                                     .arg = a};
    a->redis = redis_new(&redis);
    if (!cfg->reset) {
        service_set_redis(s, a->redis);
    }
    const bool bybit = a->connector->venue == VENUE_BYBIT;
    const struct budget_opts budget = {.loop = loop,
                                       .redis = a->redis,
                                       .venue = a->connector->venue,
                                       .scope = cfg->budget_scope,
                                       .limit = bybit ? cfg->bybit_limit / 2 : cfg->weight_limit,
                                       .window_ms = bybit ? cfg->bybit_window_ms : 0,
                                       .share_pct = {[BUDGET_SNAPSHOT] = cfg->share_snapshot_pct,
                                                     [BUDGET_REPAIR] = cfg->share_repair_pct,
                                                     [BUDGET_BACKFILL] = cfg->share_repair_pct}};
    a->budget = budget_new(&budget);
    a->repairer = repairer_new(a);
    a->recents = recents_new(a);
    a->derivs = derivs_new(a);
    a->oi = open_interest_new(a);
    a->books = depths_new(a);
    timer_every(a->tick, TICK_MS);
    return 0;
}

void app_stop(struct app *a)
{
    links_free(a->links);
    venue_free(a->venue);
    repairer_free(a->repairer);
    recents_free(a->recents);
    open_interest_free(a->oi);
    depths_stop(a->books);
    if (a->redis != NULL) {
        service_set_redis(a->service, NULL);
        redis_free(a->redis);
    }
    derivs_free(a->derivs);
    depths_free(a->books);
    recorder_free(a->recorder, RECORD_END_MS);
    budget_free(a->budget);
    timer_free(a->tick);
    timer_free(a->pump);
    for (size_t i = 0; i < a->n; i++) {
        lane_release(&a->lane[i]);
    }
    free(a->lane);
}

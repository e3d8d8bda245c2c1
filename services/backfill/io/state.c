// The fields of :backfill, as /backfill/status shows them.

#include <string.h>

#include "services/backfill/io/app.h"

const char *state_status(const struct job *j)
{
    const struct config *c = j->app->cfg;
    if (c->skipped || j->ins.venue != VENUE_BINANCE) {
        return "skipped";
    }
    if (!c->enabled) {
        return "disabled";
    }
    if (j->state == JOB_COMPLETE) {
        return "complete";
    }
    if (j->cancelled) {
        return "cancelled";
    }
    if (j->error[0] != '\0') {
        return "error";
    }
    return j->state == JOB_RUNNING ? "in_progress" : "idle";
}

static void put_text(struct redis_tx *tx, const char *field, const char *text)
{
    redis_tx_hset(tx, field, text, strlen(text));
}

static void put_int(struct redis_tx *tx, const char *field, int64_t v)
{
    char out[24];
    redis_tx_hset(tx, field, out, fmt_i64(out, v));
}

// As put_int(), "" for what is not known.
static void put_known(struct redis_tx *tx, const char *field, int64_t v)
{
    if (v < 0) {
        put_text(tx, field, "");
    } else {
        put_int(tx, field, v);
    }
}

static void put_mark(struct redis_tx *tx, const char *field, const struct plan_mark *m)
{
    char text[64] = "";
    if (m->proven && m->first_id >= 0) {
        str_fmt(text, sizeof text, "%lld %lld %lld", (long long)m->start_ms, (long long)m->first_id,
                (long long)m->first_ms);
    }
    put_text(tx, field, text);
}

// [{"day":..,"source":..,...}]: where each part comes from and why one is missing.
static void put_sources(const struct job *j, struct redis_tx *tx)
{
    struct buf b;
    struct jw w;
    buf_init(&b, 4096);
    jw_init(&w, &b);
    jw_arr(&w);
    for (int d = 0; d < PLAN_DAYS; d++) {
        const struct plan_mark *m = &j->plan.day[d];
        int64_t lo, hi;
        char day[16];
        if (!plan_day_range(&j->plan, (enum plan_day)d, &lo, &hi) &&
            (m->why[0] == '\0' || m->start_ms == 0)) {
            continue;
        }
        iso_day(m->start_ms, day);
        jw_obj(&w);
        jw_kstr(&w, "day", day);
        if (plan_day_range(&j->plan, (enum plan_day)d, &lo, &hi)) {
            jw_kint(&w, "from_id", lo);
            jw_kint(&w, "to_id", hi);
        }
        const bool file =
            d == PLAN_PREV && (j->plan.archive == PLAN_DONE || j->plan.archive == PLAN_RUNNING);
        jw_kstr(&w, "source", j->rows_store > 0 ? "store" : file ? "archive" : "rest");
        if (d == PLAN_PREV && j->plan.archive == PLAN_ABSENT) {
            jw_kstr(&w, "archive", j->plan.archive_why);
        }
        jw_kbool(&w, "start_proven", m->proven);
        if (m->why[0] != '\0') {
            jw_kstr(&w, "reason", m->why);
        }
        jw_end_obj(&w);
    }
    jw_end_arr(&w);
    redis_tx_hset(tx, "sources", buf_ptr(&b), buf_len(&b));
    buf_release(&b);
}

static void put_range(const struct job *j, struct redis_tx *tx)
{
    int64_t lo, hi, from = -1;
    for (int d = 0; d < PLAN_DAYS && from < 0; d++) {
        if (plan_day_range(&j->plan, (enum plan_day)d, &lo, &hi)) {
            from = j->plan.day[d].start_ms;
        }
    }
    put_known(tx, "range_start_ms", from);
    put_known(tx, "range_end_ms", from >= 0 ? j->plan.live_ms : -1);
}

void state_fill(const struct job *j, struct redis_tx *tx)
{
    struct app *a = j->app;
    const int64_t mono = loop_mono_ms(a->loop), wall = loop_wall_us(a->loop) / 1000;
    const char *status = state_status(j);
    const bool has_plan = j->state == JOB_RUNNING || j->state == JOB_COMPLETE;
    put_text(tx, "status", status);
    put_text(tx, "running", strcmp(status, "in_progress") == 0 ? "1" : "0");
    put_text(tx, "complete", j->state == JOB_COMPLETE ? "1" : "0");
    put_known(tx, "current", j->progress.total >= 0 ? j->progress.done : -1);
    put_known(tx, "total", j->progress.total);
    put_known(tx, "chunks", (j->progress.done + WALK_LIMIT - 1) / WALK_LIMIT);
    put_known(tx, "chunks_total",
              j->progress.total >= 0 ? (j->progress.total + WALK_LIMIT - 1) / WALK_LIMIT : -1);
    put_int(tx, "percentage", j->state == JOB_COMPLETE ? 100 : progress_percent(&j->progress));
    put_known(tx, "estimated_seconds_remaining",
              j->state == JOB_COMPLETE ? 0 : progress_eta_s(&j->progress, mono));
    const bool hit = j->archive_hit || j->rows_store > 0;
    const bool tried = j->plan.archive == PLAN_RUNNING || j->plan.archive == PLAN_DONE || hit;
    put_text(tx, "cache_status", !has_plan || !tried ? "UNKNOWN" : hit ? "HIT" : "MISS");
    put_int(tx, "trades_loaded", j->loaded);
    put_known(tx, "completion_time_ms", j->completed_ms);
    put_range(j, tx);
    put_text(tx, "breaker_state", breaker_state_name(a->breaker.state));
    put_known(tx, "breaker_cooldown_until_ms",
              a->breaker.until_ms > mono ? wall + a->breaker.until_ms - mono : -1);
    put_int(tx, "throttle", a->breaker.throttle);
    put_int(tx, "parallel", a->breaker.parallel);
    put_text(tx, "error", j->error);
    put_text(tx, "simulated", j->ins.simulated ? "1" : "0");
    put_sources(j, tx);
    if (has_plan) {
        put_mark(tx, "_mark_prev", &j->plan.day[PLAN_PREV]);
        put_mark(tx, "_mark_today", &j->plan.day[PLAN_TODAY]);
        char live[64];
        str_fmt(live, sizeof live, "%lld %lld", (long long)j->plan.live_ms,
                (long long)j->plan.live_id);
        put_text(tx, "_live", live);
    }
    put_int(tx, "_updated_ms", wall);
}

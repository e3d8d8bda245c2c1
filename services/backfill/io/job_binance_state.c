// What :backfill says of a Binance instrument: where each part comes from and why one is missing.

#include <string.h>

#include "services/backfill/io/app.h"

#define PARTS_MAX 64 // intervals of one day and source that are listed

static void put_mark(struct redis_tx *tx, const char *field, const struct plan_mark *m)
{
    char text[64] = "";
    if (m->proven && m->first_id >= 0) {
        str_fmt(text, sizeof text, "%lld %lld %lld", (long long)m->start_ms, (long long)m->first_id,
                (long long)m->first_ms);
    }
    state_put_text(tx, field, text);
}

// Who brought which ids of a day, and from when to when.
static void put_parts(const struct job *j, struct jw *w, int64_t lo, int64_t hi, int64_t start_ms)
{
    const int64_t end_ms = start_ms + MS_PER_DAY - 1;
    jw_key(w, "parts");
    jw_arr(w);
    for (int i = 0; i < JOB_SOURCES; i++) {
        const struct idset *by = &j->stored_by[i];
        int listed = 0;
        for (size_t k = 0; k < by->n && listed < PARTS_MAX; k++) {
            const struct id_span *s = &by->span[k];
            if (s->hi < lo || s->lo > hi) {
                continue;
            }
            listed++;
            jw_obj(w);
            jw_kstr(w, "source", job_source_name[i]);
            jw_kint(w, "from_id", s->lo > lo ? s->lo : lo);
            jw_kint(w, "to_id", s->hi < hi ? s->hi : hi);
            jw_kint(w, "from_ms", s->t_lo > start_ms ? s->t_lo : start_ms);
            jw_kint(w, "to_ms", s->t_hi < end_ms ? s->t_hi : end_ms);
            jw_end_obj(w);
        }
    }
    jw_end_arr(w);
}

// [{"day":..,"source":..,...}]: where each part comes from and why one is missing.
static void put_sources(const struct job *j, struct redis_tx *tx)
{
    struct buf b;
    struct jw w;
    buf_init(&b, (size_t)1 << 20);
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
            put_parts(j, &w, lo, hi, m->start_ms);
        }
        const bool file =
            d == PLAN_PREV && (j->plan.archive == PLAN_DONE || j->plan.archive == PLAN_RUNNING);
        jw_kstr(&w, "source",
                j->rows_store > 0       ? "store"
                : j->rows_recording > 0 ? "recording"
                : file                  ? "archive"
                                        : "rest");
        if (d == PLAN_PREV && j->plan.archive == PLAN_ABSENT) {
            jw_kstr(&w, "archive", j->plan.archive_why);
        }
        jw_kbool(&w, "start_proven", m->proven);
        if (m->why[0] != '\0') {
            jw_kstr(&w, "reason", m->why);
        }
        jw_end_obj(&w);
    }
    if (j->refiller != NULL) {
        refiller_sources(j->refiller, &w);
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
    state_put_known(tx, "range_start_ms", from);
    state_put_known(tx, "range_end_ms", from >= 0 ? j->plan.live_ms : -1);
}

void job_binance_fill(const struct job *j, struct redis_tx *tx)
{
    const enum plan_source archive = j->plan.archive;
    const bool has_plan = j->state == JOB_RUNNING || j->state == JOB_COMPLETE;
    const bool hit = j->archive_hit || j->rows_store > 0;
    const bool tried = archive == PLAN_RUNNING || archive == PLAN_DONE || hit;
    state_put_text(tx, "cache_status", !has_plan || !tried ? "UNKNOWN" : hit ? "HIT" : "MISS");
    put_range(j, tx);
    put_sources(j, tx);
    if (has_plan) {
        put_mark(tx, "_mark_prev", &j->plan.day[PLAN_PREV]);
        put_mark(tx, "_mark_today", &j->plan.day[PLAN_TODAY]);
        char live[64];
        str_fmt(live, sizeof live, "%lld %lld", (long long)j->plan.live_ms,
                (long long)j->plan.live_id);
        state_put_text(tx, "_live", live);
        if (j->refiller != NULL) {
            refiller_fill(j->refiller, tx);
        }
    }
}

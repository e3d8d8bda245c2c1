// Holes behind the first live trade (core/refill): coverage is read now and then while the job is
// complete, pages go through the plan and io/rest like any other, a past day through io/archive.

#include <hiredis/hiredis.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/json.h"
#include "common/base/log.h"
#include "common/base/mem.h"
#include "services/backfill/core/refill.h"
#include "services/backfill/io/app.h"
#include "services/backfill/io/fields.h"

#define REACH_MS (INT64_C(47) * 3600000) // REST tells 48 hours; what takes an hour is left out
#define ARCHIVE_LOOKS 60                 // between two questions for an archive that is not there

struct refiller {
    struct job *job;
    struct refill core;
    char key[KEY_MAX]; // :coverage
    unsigned ticks, looks;
    unsigned archive_look;  // the look before which no archive is asked for again
    bool looking, paging;   // coverage was asked for; pages of REST are wanted
    int64_t now_ms;         // the newest trade, as coverage tells it
    int64_t archive_day_ms; // read to its end; -1
    struct intake archive;
    struct batch batch;
    bool reading, batching;
    char why[96];                  // of the newest archive that did not help
    uint64_t asked, filled, given; // holes; trades of the archive; ids nobody has
};

// ---- what is missing
// -----------------------------------------------------------------------------

static void take_day(struct refiller *r, const json_t *day, int64_t mono_ms)
{
    const json_t *spans = json_object_get(day, "spans");
    int64_t to_ms = -1;
    if (json_get_i64(day, "judged_to_ms", &to_ms, NULL) == 0 && to_ms > r->now_ms) {
        r->now_ms = to_ms;
    }
    for (size_t i = 0; i < json_array_size(spans); i++) {
        const json_t *s = json_array_get(spans, i);
        const char *state = json_string_value(json_object_get(s, "state"));
        int64_t lo, hi, a, b;
        if (state != NULL && strcmp(state, "missing") == 0 &&
            json_get_i64(s, "from_id", &lo, NULL) == 0 &&
            json_get_i64(s, "to_id", &hi, NULL) == 0 && json_get_i64(s, "from_ms", &a, NULL) == 0 &&
            json_get_i64(s, "to_ms", &b, NULL) == 0) {
            refill_look_hole(&r->core, lo, hi, a, b, mono_ms);
        }
    }
}

static void take_reasons(struct refiller *r, const json_t *reasons)
{
    for (size_t i = 0; i < json_array_size(reasons); i++) {
        const json_t *o = json_array_get(reasons, i);
        const char *kind = json_string_value(json_object_get(o, "kind"));
        int64_t lo, hi;
        if (kind != NULL && strcmp(kind, "lost") == 0 &&
            json_get_i64(o, "from_id", &lo, NULL) == 0 &&
            json_get_i64(o, "to_id", &hi, NULL) == 0) {
            refill_look_lost(&r->core, lo, hi);
        }
    }
}

static void each_field(struct refiller *r, const struct redisReply *hash, bool reasons,
                       int64_t mono_ms)
{
    for (size_t i = 0; i + 1 < hash->elements; i += 2) {
        const char *name = hash->element[i]->str;
        if (reasons != (strcmp(name, "_reasons") == 0) || (!reasons && name[0] == '_')) {
            continue;
        }
        json_t *v = json_loadb(hash->element[i + 1]->str, hash->element[i + 1]->len, 0, NULL);
        if (reasons) {
            take_reasons(r, v);
        } else {
            take_day(r, v, mono_ms);
        }
        json_decref(v);
    }
}

// ---- the archive of a past day
// -------------------------------------------------------------------

static bool has_room(void *arg)
{
    const struct refiller *r = arg;
    return job_has_room(r->job);
}

static void emit(void *arg, const struct history *h)
{
    struct refiller *r = arg;
    r->filled += (uint64_t)h->n;
    r->job->rows_archive += (uint64_t)h->n;
    job_emit(r->job, h);
}

static void on_row(void *arg, const struct csv_row *row)
{
    struct refiller *r = arg;
    if (refill_find(&r->core, row->id) == NULL || idset_has(&r->job->plan.held, row->id)) {
        return;
    }
    if (!r->batching) {
        r->batching = true;
        batch_init(&r->batch, "archive", emit, r);
    }
    (void)batch_add(&r->batch, row->ts_ms, row->id, row->price, row->qty, row->side);
}

static void end_batch(struct refiller *r, bool deliver)
{
    if (r->batching) {
        if (deliver) {
            batch_flush(&r->batch);
        }
        batch_release(&r->batch);
        r->batching = false;
    }
}

// What the whole day's file does not have nobody has.
static void give_up(struct refiller *r, const struct refill_hole *h)
{
    const struct plan *p = &r->job->plan;
    for (int64_t lo = h->lo; lo <= h->hi; lo++) {
        if (plan_has(p, lo)) {
            continue;
        }
        int64_t hi = lo;
        while (hi < h->hi && !plan_has(p, hi + 1)) {
            hi++;
        }
        struct history lost = {.kind = HISTORY_LOST,
                               .from_id = lo,
                               .to_id = hi,
                               .from_ms = h->from_ms,
                               .to_ms = h->to_ms,
                               .data = {"", 0}};
        str_copy(lost.source, sizeof lost.source, "archive");
        str_copy(lost.reason, sizeof lost.reason, "not in the archive");
        r->given += (uint64_t)(hi - lo) + 1;
        job_emit(r->job, &lost);
        lo = hi;
    }
}

static void on_done(void *arg, enum source_end end, const char *why, const char *sha256)
{
    struct refiller *r = arg;
    (void)sha256;
    end_batch(r, true);
    r->reading = false;
    str_copy(r->why, sizeof r->why, why);
    if (end == SOURCE_DONE) {
        r->archive_day_ms = r->archive.want.start_ms;
        for (size_t i = 0; i < r->core.n; i++) {
            if (day_start_ms(r->core.hole[i].from_ms) == r->archive_day_ms &&
                day_start_ms(r->core.hole[i].to_ms - 1) == r->archive_day_ms) {
                give_up(r, &r->core.hole[i]);
            }
        }
    } else {
        r->archive_look = r->looks + ARCHIVE_LOOKS;
    }
    deliver_touch(r->job->deliver);
}

static void ask_archive(struct refiller *r, int64_t day_ms)
{
    struct job *j = r->job;
    if (r->reading || r->looks < r->archive_look || !j->app->cfg->archive) {
        return;
    }
    r->archive.want = (struct source_day){.ins = &j->ins,
                                          .start_ms = day_ms,
                                          .has_room = has_room,
                                          .on_row = on_row,
                                          .on_trouble = NULL,
                                          .on_done = on_done,
                                          .arg = r};
    r->reading = archive_begin(j->app->archive, &r->archive.want);
}

// ---- running
// -------------------------------------------------------------------------------------

static void ask(struct refiller *r)
{
    struct job *j = r->job;
    const int64_t mono = loop_mono_ms(j->app->loop);
    for (size_t i = 0; i < r->core.n; i++) {
        const struct refill_hole *h = &r->core.hole[i];
        const struct plan_range range = {h->lo, h->hi, h->from_ms, h->to_ms};
        switch (refill_way(&r->core, h, &j->plan.held, &j->plan.lost, mono, r->now_ms,
                           r->archive_day_ms)) {
        case REFILL_REST:
            if (!r->paging) {
                log_ev(LOG_INFO, "refill_begins", F_STR("sym", j->ins.name),
                       F_INT("from_id", h->lo), F_INT("to_id", h->hi), F_BOOL("given_up", h->lost));
            }
            r->asked++;
            r->paging = plan_want(&j->plan, &range) || r->paging;
            break;
        case REFILL_ARCHIVE:
            ask_archive(r, day_start_ms(h->from_ms));
            break;
        case REFILL_LATER:
        case REFILL_NOBODY:
            break;
        }
    }
}

static void on_coverage(struct redis *c, const struct redisReply *reply, void *arg)
{
    struct refiller *r = arg;
    (void)c;
    r->looking = false;
    if (reply == NULL || reply->type != REDIS_REPLY_ARRAY || r->job->state != JOB_COMPLETE) {
        return;
    }
    const int64_t mono = loop_mono_ms(r->job->app->loop);
    r->looks++;
    refill_look_begin(&r->core);
    each_field(r, reply, false, mono);
    each_field(r, reply, true, mono);
    refill_look_end(&r->core);
    if (!refiller_is_busy(r)) {
        ask(r);
    }
    job_kick(r->job);
}

void refiller_tick(struct refiller *r)
{
    const unsigned every = (unsigned)r->job->app->cfg->refill_s;
    if (r->ticks++ % every == 0 && !r->looking) {
        r->looking = redis_cmd(r->job->redis, on_coverage, r, "HGETALL %s", r->key) == 0;
    }
    if (refiller_is_busy(r)) {
        job_kick(r->job);
    }
}

void refiller_kick(struct refiller *r)
{
    struct app *a = r->job->app;
    archive_kick(a->archive);
    rest_kick(a->rest);
    if (r->paging && !plan_wants_more(&r->job->plan)) {
        r->paging = false;
        for (int d = 0; d < PLAN_DAYS; d++) {
            store_flush(a->store, &r->job->ins, r->job->plan.day[d].start_ms);
        }
        log_ev(LOG_INFO, "refill_ends", F_STR("sym", r->job->ins.name),
               F_INT("trades_loaded", r->job->loaded), F_UINT("lost", r->job->lost));
        deliver_touch(r->job->deliver);
    }
}

bool refiller_is_busy(const struct refiller *r)
{
    return r->paging || r->reading;
}

void refiller_stop(struct refiller *r)
{
    archive_abort(r->job->app->archive, r);
    end_batch(r, false);
    r->reading = r->paging = r->looking = false;
    refill_clear(&r->core);
}

// ---- state
// ---------------------------------------------------------------------------------------

void refiller_sources(const struct refiller *r, struct jw *w)
{
    if (r->core.n == 0 && r->asked == 0 && r->filled == 0 && r->given == 0) {
        return;
    }
    jw_obj(w);
    jw_kstr(w, "refill", r->reading ? "archive" : r->paging ? "rest" : "");
    jw_kint(w, "holes", (int64_t)r->core.n);
    if (r->core.n > 0) {
        jw_kint(w, "from_id", r->core.hole[0].lo);
        jw_kint(w, "to_id", r->core.hole[r->core.n - 1].hi);
    }
    if (r->why[0] != '\0') {
        jw_kstr(w, "archive", r->why);
    }
    jw_end_obj(w);
}

void refiller_fill(const struct refiller *r, struct redis_tx *tx)
{
    state_put_known(tx, "_refilled_day", r->archive_day_ms);
}

void refiller_restore(struct refiller *r, const struct redisReply *hash)
{
    r->archive_day_ms = fields_int(hash, "_refilled_day", -1);
    r->ticks = r->looks = r->archive_look = 0;
}

struct refiller *refiller_new(struct job *j)
{
    struct refiller *r = xcalloc(1, sizeof *r);
    r->job = j;
    r->archive_day_ms = -1;
    refill_init(&r->core, j->app->cfg->refill_delay_s * 1000, REACH_MS);
    instrument_key(&j->ins, "coverage", r->key);
    return r;
}

void refiller_free(struct refiller *r)
{
    if (r == NULL) {
        return;
    }
    end_batch(r, false);
    free(r);
}

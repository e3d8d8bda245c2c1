// Binance: trades have consecutive ids, so what is wanted, held and lost is counted by id.
//
//   store, while it is being read, before anybody else; then own recordings
//   the previous day from its archive, when much of it is missing
//   everything else from REST (io/rest.c takes the plan's tasks by itself)

#include <string.h>

#include "common/base/log.h"
#include "services/backfill/io/app.h"
#include "services/backfill/io/fields.h"

const char *const job_source_name[JOB_SOURCES] = {"store", "recording", "archive", "rest"};
static const char *const source_field[JOB_SOURCES] = {"_ids_store", "_ids_recording",
                                                      "_ids_archive", "_ids_rest"};

// ---- what is stored
// ------------------------------------------------------------------------------

static void copy_set(struct idset *to, const struct idset *from)
{
    idset_clear(to);
    for (size_t i = 0; i < from->n; i++) {
        const struct id_span *s = &from->span[i];
        (void)idset_add_range(to, s->lo, s->hi, s->t_lo, s->t_hi);
    }
}

static void stored_load(struct job *j)
{
    copy_set(&j->stored_ids, &j->plan.held);
    copy_set(&j->stored_lost, &j->plan.lost);
}

static void stored_clear(struct job *j)
{
    idset_clear(&j->stored_ids);
    idset_clear(&j->stored_lost);
    for (int i = 0; i < JOB_SOURCES; i++) {
        idset_clear(&j->stored_by[i]);
    }
}

static void stored_add(struct job *j, const struct history *h)
{
    struct idset *set = h->kind == HISTORY_LOST ? &j->stored_lost : &j->stored_ids;
    (void)idset_add_range(set, h->from_id, h->to_id, h->from_ms, h->to_ms);
    if (h->kind != HISTORY_LOST) {
        plan_found(&j->stored_lost, h->from_id, h->to_id, h->from_ms);
    }
    for (int i = 0; h->kind != HISTORY_LOST && i < JOB_SOURCES; i++) {
        if (strcmp(h->source, job_source_name[i]) == 0) {
            (void)idset_add_range(&j->stored_by[i], h->from_id, h->to_id, h->from_ms, h->to_ms);
        }
    }
}

static void put_set(struct redis_tx *tx, const char *field, const struct idset *s)
{
    struct buf b;
    buf_init(&b, STATE_SET_MAX);
    idset_format(s, &b);
    redis_tx_hset(tx, field, buf_ptr(&b), buf_len(&b));
    buf_release(&b);
}

static void stored_fill(const struct job *j, struct redis_tx *tx)
{
    put_set(tx, "_ids", &j->stored_ids);
    put_set(tx, "_lost", &j->stored_lost);
    for (int i = 0; i < JOB_SOURCES; i++) {
        put_set(tx, source_field[i], &j->stored_by[i]);
    }
}

// ---- beginning
// -----------------------------------------------------------------------------------

static void init(struct job *j)
{
    const struct config *c = j->app->cfg;
    plan_init(&j->plan, &(struct plan_opts){.retry_base_ms = c->retry_base_ms,
                                            .retry_max_ms = c->cooldown_s * 1000,
                                            .max_wrong = (int)c->max_retries,
                                            .prev_day = c->prev_day});
    idset_init(&j->stored_ids, PLAN_SPANS);
    idset_init(&j->stored_lost, PLAN_SPANS);
    for (int i = 0; i < JOB_SOURCES; i++) {
        idset_init(&j->stored_by[i], PLAN_SPANS);
    }
    j->refiller = c->refill_s > 0 ? refiller_new(j) : NULL;
}

static void release(struct job *j)
{
    refiller_free(j->refiller);
    plan_release(&j->plan);
    idset_release(&j->stored_ids);
    idset_release(&j->stored_lost);
    for (int i = 0; i < JOB_SOURCES; i++) {
        idset_release(&j->stored_by[i]);
    }
}

static void restore(struct job *j, const struct redisReply *h, const struct live_ends *live)
{
    struct plan *p = &j->plan;
    const struct slice ids = fields_text(h, "_ids"), lost = fields_text(h, "_lost");
    int64_t first_ms = live->first_ms, first_id = live->first_id, known[2], mark[3];
    static const char *const name[PLAN_DAYS] = {"_mark_prev", "_mark_today"};
    idset_clear(&p->held);
    idset_clear(&p->lost);
    if ((ids.n > 0 && idset_parse(&p->held, ids.p, ids.n) != 0) ||
        (lost.n > 0 && idset_parse(&p->lost, lost.p, lost.n) != 0)) {
        log_ev(LOG_WARN, "state_rejected", F_STR("sym", j->ins.name), F_STR("field", "_ids"));
        idset_clear(&p->held);
        idset_clear(&p->lost);
    }
    for (int i = 0; i < JOB_SOURCES; i++) { // told to people alone: what can not be read is dropped
        const struct slice by = fields_text(h, source_field[i]);
        if (by.n == 0 || idset_parse(&j->stored_by[i], by.p, by.n) != 0) {
            idset_clear(&j->stored_by[i]);
        }
        idset_prune(&j->stored_by[i], day_start_ms(live->newest_ms) - MS_PER_DAY - WALK_SLACK_MS);
    }
    // A stream that was trimmed begins later than the live feed did.
    if (fields_ints(h, "_live", known, 2) && known[1] >= 0 && known[1] < first_id) {
        first_ms = known[0];
        first_id = known[1];
    }
    plan_start(p, first_id, first_ms, live->newest_ms);
    idset_prune(&p->held, p->day[PLAN_PREV].start_ms - WALK_SLACK_MS);
    idset_prune(&p->lost, p->day[PLAN_PREV].start_ms - WALK_SLACK_MS);
    for (int d = 0; d < PLAN_DAYS; d++) {
        for (int k = 0; k < PLAN_DAYS; k++) {
            if (fields_ints(h, name[k], mark, 3) && mark[0] == p->day[d].start_ms) {
                plan_set_mark(p, (enum plan_day)d, mark[1], mark[2]);
            }
        }
    }
    j->archive_hit = false;
    if (j->refiller != NULL) {
        refiller_restore(j->refiller, h);
    }
}

static void ask_store(struct job *j, enum plan_day d);
static void take_summary(struct job *j);

static void begin(struct job *j)
{
    char day[16];
    iso_day(j->plan.day[PLAN_TODAY].start_ms, day);
    log_ev(LOG_INFO, "backfill_begins", F_STR("sym", j->ins.name), F_STR("day", day),
           F_INT("live_id", j->plan.live_id), F_INT("held_spans", (int64_t)j->plan.held.n),
           F_INT("trades_loaded", j->loaded));
    if (!plan_complete(&j->plan)) {
        take_summary(j);
    }
    for (int d = 0; d < PLAN_DAYS && !plan_complete(&j->plan); d++) {
        ask_store(j, (enum plan_day)d);
    }
}

// ---- rows of the archive
// -------------------------------------------------------------------------

static bool intake_has_room(void *arg)
{
    const struct intake *in = arg;
    return job_has_room(in->job);
}

static void take_row(struct intake *in, const struct csv_row *row)
{
    const struct plan *p = &in->job->plan;
    if (row->id < p->live_id && !plan_has(p, row->id)) {
        (void)batch_add(&in->batch, row->ts_ms, row->id, row->price, row->qty, row->side);
    }
}

static void emit_archive(void *arg, const struct history *h)
{
    struct intake *in = arg;
    in->job->rows_archive += (uint64_t)h->n;
    job_emit(in->job, h);
}

static void on_archive_row(void *arg, const struct csv_row *row)
{
    struct intake *in = arg;
    struct job *j = in->job;
    if (!in->active) {
        in->active = true;
        j->archive_hit = archive_is_kept(j->app->archive);
        batch_init(&in->batch, j->archive_hit ? "store" : "archive", emit_archive, in);
    }
    if (in->rows++ == 0) {
        plan_archive_first(&j->plan, row->id, row->ts_ms);
    }
    // All of them: the store holds whole days, whatever was delivered before.
    (void)store_put(j->app->store, &j->ins, in->want.start_ms, "archive",
                    archive_sha256(j->app->archive, &j->ins), row);
    take_row(in, row);
}

static void intake_end(struct intake *in, bool deliver)
{
    if (in->active) {
        if (deliver) {
            batch_flush(&in->batch);
        }
        batch_release(&in->batch);
        in->active = false;
    }
}

static void on_archive_done(void *arg, enum source_end end, const char *why, const char *sha256)
{
    struct intake *in = arg;
    struct job *j = in->job;
    (void)sha256;
    intake_end(in, true);
    if (end == SOURCE_DONE) {
        store_seal(j->app->store, &j->ins, in->want.start_ms, "archive", true);
    } else {
        store_drop(j->app->store, &j->ins, in->want.start_ms, "archive");
    }
    plan_archive(&j->plan, end == SOURCE_DONE ? PLAN_DONE : PLAN_ABSENT, why);
    job_kick(j);
}

static void on_archive_trouble(void *arg, const char *why)
{
    struct intake *in = arg;
    job_note_failure(in->job, why);
}

static void on_archive_bytes(void *arg)
{
    struct intake *in = arg;
    progress_moved(&in->job->progress, loop_mono_ms(in->job->app->loop));
}

static bool ask_archive(struct job *j)
{
    struct intake *in = &j->from_archive;
    in->job = j;
    in->rows = 0;
    in->want = (struct source_day){.ins = &j->ins,
                                   .start_ms = j->plan.day[PLAN_PREV].start_ms,
                                   .has_room = intake_has_room,
                                   .on_row = on_archive_row,
                                   .on_bytes = on_archive_bytes,
                                   .on_trouble = on_archive_trouble,
                                   .on_done = on_archive_done,
                                   .arg = in};
    return archive_begin(j->app->archive, &in->want);
}

// ---- rows of own recordings
// -------------------------------------------------------------------------------

static void emit_recording(void *arg, const struct history *h)
{
    struct intake *in = arg;
    in->job->rows_recording += (uint64_t)h->n;
    job_emit(in->job, h);
}

static void on_recording_row(void *arg, const struct csv_row *row)
{
    struct intake *in = arg;
    // Behind a hand-over between two connections ids may run back.
    if (in->batch.h.n > 0 && row->id <= in->batch.h.to_id) {
        batch_flush(&in->batch);
    }
    take_row(in, row);
}

static void on_recording_done(void *arg, enum source_end end, const char *why, const char *sha256)
{
    struct intake *in = arg;
    (void)end; // what is missing is known by id
    (void)why;
    (void)sha256;
    intake_end(in, true);
    plan_store(&in->job->plan, in->day, false);
    job_kick(in->job);
}

// True: it will be read, nobody else is asked for the day meanwhile.
static bool ask_recording(struct job *j, enum plan_day d)
{
    struct intake *in = &j->from_recording[d];
    if (!plan_concerns(&j->plan, d)) {
        return false;
    }
    in->job = j;
    in->day = d;
    in->want = (struct source_day){.ins = &j->ins,
                                   .start_ms = j->plan.day[d].start_ms,
                                   .has_room = intake_has_room,
                                   .on_row = on_recording_row,
                                   .on_done = on_recording_done,
                                   .arg = in};
    if (!recording_read(j->app->recording, &in->want)) {
        return false;
    }
    in->active = true;
    batch_init(&in->batch, "recording", emit_recording, in);
    return true;
}

// ---- rows of the store
// -----------------------------------------------------------------------------------

static void emit_store(void *arg, const struct history *h)
{
    struct intake *in = arg;
    in->job->rows_store += (uint64_t)h->n;
    job_emit(in->job, h);
}

static void on_store_row(void *arg, const struct csv_row *row)
{
    take_row(arg, row);
}

static void on_store_done(void *arg, enum source_end end, const char *why, const char *sha256)
{
    struct intake *in = arg;
    (void)end; // what is missing is known by id
    (void)why;
    (void)sha256;
    intake_end(in, true);
    plan_store(&in->job->plan, in->day, ask_recording(in->job, in->day));
    job_kick(in->job);
}

static void ask_store(struct job *j, enum plan_day d)
{
    struct intake *in = &j->from_store[d];
    int64_t lo, hi;
    if (!plan_concerns(&j->plan, d) ||
        (plan_day_range(&j->plan, d, &lo, &hi) && plan_missing(&j->plan, d) == 0)) {
        return;
    }
    in->job = j;
    in->day = d;
    in->want = (struct source_day){.ins = &j->ins,
                                   .start_ms = j->plan.day[d].start_ms,
                                   .has_room = intake_has_room,
                                   .on_row = on_store_row,
                                   .on_done = on_store_done,
                                   .arg = in};
    if (store_read(j->app->store, &in->want)) {
        in->active = true;
        batch_init(&in->batch, "store", emit_store, in);
        plan_store(&j->plan, d, true);
    } else {
        plan_store(&j->plan, d, ask_recording(j, d));
    }
}

// ---- the previous day at once
// ------------------------------------------------------------------------------

static bool is_mark(const struct plan *p, enum plan_day d, int64_t id)
{
    return p->day[d].first_id < 0 || p->day[d].first_id == id;
}

// A summary exists only of a day that was proven from its first id to the one before today's: it
// tells where both days begin, too.
static void take_summary(struct job *j)
{
    struct plan *p = &j->plan;
    struct history h;
    struct buf text;
    buf_init(&text, SUMMARY_TEXT_MAX + 64);
    if (plan_concerns(p, PLAN_PREV) && plan_concerns(p, PLAN_TODAY) &&
        fold_entry(j, p->day[PLAN_PREV].start_ms, p->day[PLAN_TODAY].start_ms, &text, &h) &&
        h.to_id < p->live_id && is_mark(p, PLAN_PREV, h.from_id) &&
        is_mark(p, PLAN_TODAY, h.to_id + 1)) {
        plan_set_mark(p, PLAN_PREV, h.from_id, h.from_ms);
        plan_set_mark(p, PLAN_TODAY, h.to_id + 1, h.to_ms);
        if (plan_missing(p, PLAN_PREV) > 0) {
            j->rows_store += (uint64_t)h.n;
            fold_log(j, &h);
            job_emit(j, &h);
        }
    }
    buf_release(&text);
}

// Both ends are proven and nothing was given up: such a day may be told by its sums.
static void want_summary(struct job *j)
{
    const struct plan *p = &j->plan;
    int64_t lo, hi;
    if (j->app->cfg->cache && p->day[PLAN_PREV].proven && p->day[PLAN_TODAY].proven &&
        plan_concerns(p, PLAN_TODAY) && plan_day_range(p, PLAN_PREV, &lo, &hi) &&
        !plan_lost_any(p, PLAN_PREV)) {
        fold_want(j->fold, &j->ins, p->day[PLAN_PREV].start_ms, lo, hi);
    }
}

// ---- running
// -------------------------------------------------------------------------------------

static void kick(struct job *j)
{
    struct app *a = j->app;
    if (plan_wants_archive(&j->plan)) {
        if (!a->cfg->archive) {
            plan_archive(&j->plan, PLAN_ABSENT, "BACKFILL_ARCHIVE_ENABLED=false");
        } else if (ask_archive(j)) {
            plan_archive(&j->plan, PLAN_RUNNING, "");
        }
    }
    store_kick(a->store);
    recording_kick(a->recording);
    archive_kick(a->archive);
    rest_kick(a->rest);
}

static void stop(struct job *j)
{
    if (j->refiller != NULL) {
        refiller_stop(j->refiller);
    }
    rest_abort(j->app->rest, j);
    archive_abort(j->app->archive, &j->from_archive);
    intake_end(&j->from_archive, false);
    store_drop(j->app->store, &j->ins, j->from_archive.want.start_ms, "archive");
    for (int d = 0; d < PLAN_DAYS; d++) {
        store_abort(j->app->store, &j->from_store[d]);
        intake_end(&j->from_store[d], false);
        recording_abort(j->app->recording, &j->from_recording[d]);
        intake_end(&j->from_recording[d], false);
        store_flush(j->app->store, &j->ins, j->plan.day[d].start_ms);
    }
}

static bool is_done(const struct job *j)
{
    return plan_complete(&j->plan) && !plan_wants_archive(&j->plan);
}

static void on_complete(struct job *j)
{
    for (int d = 0; d < PLAN_DAYS; d++) {
        const struct plan_mark *m = &j->plan.day[d];
        if (m->why[0] != '\0') {
            char day[16];
            iso_day(m->start_ms, day);
            log_ev(LOG_WARN, "day_start_unproven", F_STR("sym", j->ins.name), F_STR("day", day),
                   F_STR("why", m->why));
        }
    }
    for (int d = 0; d < PLAN_DAYS; d++) {
        store_flush(j->app->store, &j->ins, j->plan.day[d].start_ms);
    }
    want_summary(j);
}

static bool on_day(struct job *j, int64_t newest_ms)
{
    return day_start_ms(newest_ms) > j->plan.day[PLAN_TODAY].start_ms;
}

static void count(const struct job *j, int64_t *done, int64_t *total)
{
    plan_count(&j->plan, done, total);
}

// What was told once is not asked for again.
static void keep(struct job *j, const struct history *h)
{
    size_t pos = 0;
    struct trade t;
    while (history_next(h, &j->ins, &pos, &t) == 1) {
        const int64_t today = j->plan.day[PLAN_TODAY].start_ms;
        if (t.ts_ms >= today + MS_PER_DAY) {
            continue; // a hole of a day that began after this run
        }
        const enum plan_day d = t.ts_ms >= today ? PLAN_TODAY : PLAN_PREV;
        // The trade that proves where the day before begins is of no day of ours.
        (void)store_put_trade(j->app->store, &j->ins, j->plan.day[d].start_ms, h->source, "", &t);
    }
}

static void on_emit(struct job *j, const struct history *h)
{
    if (h->kind == HISTORY_LOST) {
        plan_lose(&j->plan, h->from_id, h->to_id, h->from_ms, h->to_ms);
        j->lost += (uint64_t)(h->to_id - h->from_id) + 1;
        log_ev(LOG_WARN, "hole_declared", F_STR("sym", j->ins.name), F_INT("from_id", h->from_id),
               F_INT("to_id", h->to_id), F_STR("reason", h->reason));
    } else {
        plan_hold(&j->plan, h->from_id, h->to_id, h->from_ms, h->to_ms);
        plan_found(&j->plan.lost, h->from_id, h->to_id, h->from_ms);
        if (strcmp(h->source, "rest") == 0 || strcmp(h->source, "recording") == 0) {
            keep(j, h);
        }
    }
}

const struct job_ops job_binance = {.init = init,
                                    .release = release,
                                    .restore = restore,
                                    .begin = begin,
                                    .kick = kick,
                                    .stop = stop,
                                    .is_done = is_done,
                                    .on_complete = on_complete,
                                    .on_day = on_day,
                                    .count = count,
                                    .on_emit = on_emit,
                                    .stored_load = stored_load,
                                    .stored_clear = stored_clear,
                                    .stored_add = stored_add,
                                    .stored_fill = stored_fill,
                                    .state_fill = job_binance_fill};

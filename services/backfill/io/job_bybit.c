// Bybit: trades are named by UUIDs, so what is wanted, held and lost is counted in milliseconds.
//
//   store, own recordings, then the venue's daily file for the previous day; its REST has no
//   history a declared hole for the rest, with the reason
//
// The file of yesterday appears hours after midnight. Until then its time is a declared hole and
// the job is complete; it goes on asking calmly, and what comes then takes the hole away. A copy of
// a trade that the feed brought, too, counts once: context and strategy know it by its UUID.

#include <stdlib.h>
#include <string.h>

#include "common/base/log.h"
#include "common/base/mem.h"
#include "services/backfill/io/app.h"
#include "services/backfill/io/fields.h"
#include "services/backfill/io/times.h"

#define RETRY_MAX_FACTOR 8
#define SOURCES_MAX 64 // intervals of one day and source that the state lists

static const char *const by_field[SPAN_ORIGINS] = {"_spans_store", "_spans_recording",
                                                   "_spans_archive"};

// ---- what is stored
// ------------------------------------------------------------------------------

static void copy_set(struct spanset *to, const struct spanset *from)
{
    spanset_clear(to);
    for (size_t i = 0; i < from->n; i++) {
        spanset_add(to, from->v[i].from_ms, from->v[i].to_ms);
    }
}

static void stored_load(struct job *j)
{
    struct times *t = j->times;
    copy_set(&t->stored.held, &t->spans.held);
    copy_set(&t->stored.lost, &t->spans.lost);
    for (int i = 0; i < SPAN_ORIGINS; i++) {
        copy_set(&t->stored.by[i], &t->spans.by[i]);
    }
}

static void stored_clear(struct job *j)
{
    struct stored *s = &j->times->stored;
    spanset_clear(&s->held);
    spanset_clear(&s->lost);
    for (int i = 0; i < SPAN_ORIGINS; i++) {
        spanset_clear(&s->by[i]);
    }
}

static void stored_add(struct job *j, const struct history *h)
{
    struct stored *s = &j->times->stored;
    if (h->kind == HISTORY_LOST) {
        spanset_add(&s->lost, h->from_ms, h->to_ms);
        return;
    }
    spanset_add(&s->held, h->from_ms, h->to_ms);
    spanset_cut(&s->lost, h->from_ms, h->to_ms);
    for (int i = 0; i < SPAN_ORIGINS; i++) {
        if (strcmp(h->source, span_origin_name((enum span_origin)i)) == 0) {
            spanset_add(&s->by[i], h->from_ms, h->to_ms);
        }
    }
}

static void put_set(struct redis_tx *tx, const char *field, const struct spanset *s)
{
    struct buf b;
    buf_init(&b, STATE_SET_MAX);
    spanset_format(s, &b);
    redis_tx_hset(tx, field, buf_ptr(&b), buf_len(&b));
    buf_release(&b);
}

static void stored_fill(const struct job *j, struct redis_tx *tx)
{
    const struct stored *s = &j->times->stored;
    put_set(tx, "_spans", &s->held);
    put_set(tx, "_lost_spans", &s->lost);
    for (int i = 0; i < SPAN_ORIGINS; i++) {
        put_set(tx, by_field[i], &s->by[i]);
    }
}

// ---- beginning
// -----------------------------------------------------------------------------------

static void init(struct job *j)
{
    const struct config *c = j->app->cfg;
    struct times *t = xcalloc(1, sizeof *t);
    j->times = t;
    spans_init(&t->spans,
               &(struct spans_opts){.prev_day = c->prev_day,
                                    .use = {[SPAN_STORE] = c->cache,
                                            [SPAN_RECORDING] = c->record_dir[0] != '\0',
                                            [SPAN_ARCHIVE] = c->archive},
                                    .retry_ms = c->bybit.retry_s * 1000,
                                    .retry_max_ms = c->bybit.retry_s * 1000 * RETRY_MAX_FACTOR});
    spanset_init(&t->scratch, SPANS_MAX, false);
    spanset_init(&t->stored.held, SPANS_MAX, false);
    spanset_init(&t->stored.lost, SPANS_MAX, false);
    for (int i = 0; i < SPAN_ORIGINS; i++) {
        spanset_init(&t->stored.by[i], SPANS_MAX, false);
    }
}

static void release(struct job *j)
{
    struct times *t = j->times;
    spans_release(&t->spans);
    spanset_release(&t->scratch);
    spanset_release(&t->stored.held);
    spanset_release(&t->stored.lost);
    for (int i = 0; i < SPAN_ORIGINS; i++) {
        spanset_release(&t->stored.by[i]);
    }
    free(t);
    j->times = NULL;
}

static bool read_set(const struct redisReply *h, const char *field, struct spanset *s)
{
    const struct slice text = fields_text(h, field);
    spanset_clear(s);
    return text.n == 0 || spanset_parse(s, text.p, text.n) == 0;
}

static void restore(struct job *j, const struct redisReply *h, const struct live_ends *live)
{
    struct spans *s = &j->times->spans;
    int64_t first_ms = live->first_ms, known;
    bool ok = read_set(h, "_spans", &s->held) && read_set(h, "_lost_spans", &s->lost);
    for (int i = 0; i < SPAN_ORIGINS; i++) {
        ok = read_set(h, by_field[i], &s->by[i]) && ok;
    }
    if (!ok) { // fetched once more: a trade's UUID makes it count once
        log_ev(LOG_WARN, "state_rejected", F_STR("sym", j->ins.name), F_STR("field", "_spans"));
        spans_clear(s);
    }
    // A stream that was trimmed begins later than the live feed did.
    if (fields_ints(h, "_live", &known, 1) && known >= 0 && known < first_ms) {
        first_ms = known;
    }
    spans_start(s, first_ms, live->newest_ms);
    memset(j->times->rows, 0, sizeof j->times->rows);
    j->archive_hit = false;
}

// ---- the previous day at once
// ------------------------------------------------------------------------------

// The whole of it is to be had: live began behind it.
static bool is_whole(const struct job *j, int64_t *from_ms, int64_t *to_ms)
{
    const struct spans *s = &j->times->spans;
    return j->app->cfg->cache && spans_range(s, SPANS_PREV, from_ms, to_ms) &&
           *from_ms == s->day[SPANS_PREV].start_ms && *to_ms == s->day[SPANS_TODAY].start_ms;
}

// Takes the place of everything the sources of that day would bring.
static void take_summary(struct job *j)
{
    struct times *t = j->times;
    struct history h;
    struct buf text;
    int64_t from_ms, to_ms;
    buf_init(&text, SUMMARY_TEXT_MAX + 64);
    if (is_whole(j, &from_ms, &to_ms)) {
        spans_missing(&t->spans, SPANS_PREV, &t->scratch);
        if (t->scratch.n > 0 && fold_entry(j, from_ms, to_ms, &text, &h)) {
            t->rows[SPAN_STORE] += (uint64_t)h.n;
            spans_credit(&t->spans, SPAN_STORE, from_ms, to_ms);
            fold_log(j, &h);
            job_emit(j, &h);
        }
    }
    buf_release(&text);
}

// All of it was claimed; that the store holds it whole is looked at when the parts are written.
void times_want_summary(struct job *j)
{
    struct times *t = j->times;
    int64_t from_ms, to_ms;
    if (is_whole(j, &from_ms, &to_ms)) {
        spans_missing(&t->spans, SPANS_PREV, &t->scratch);
        if (t->scratch.n == 0) {
            fold_want(j->fold, &j->ins, from_ms, -1, -1);
        }
    }
}

static void begin(struct job *j)
{
    const struct spans *s = &j->times->spans;
    char day[16];
    iso_day(s->day[SPANS_TODAY].start_ms, day);
    log_ev(LOG_INFO, "backfill_begins", F_STR("sym", j->ins.name), F_STR("day", day),
           F_INT("live_ms", s->live_ms), F_INT("held_spans", (int64_t)s->held.n),
           F_INT("trades_loaded", j->loaded));
    take_summary(j);
}

// ---- running
// -------------------------------------------------------------------------------------

// Whoever could be asked has been asked: what is left is a hole, and says so.
static void declare(struct job *j, enum span_when d)
{
    struct times *t = j->times;
    struct spanset *left = &t->scratch;
    if (!spans_is_settled(&t->spans, d)) {
        return;
    }
    spans_missing(&t->spans, d, left);
    for (size_t i = 0; i < t->spans.lost.n; i++) {
        spanset_cut(left, t->spans.lost.v[i].from_ms, t->spans.lost.v[i].to_ms);
    }
    for (size_t i = 0; i < left->n; i++) {
        struct history h = {.kind = HISTORY_LOST,
                            .from_id = -1,
                            .to_id = -1,
                            .from_ms = left->v[i].from_ms,
                            .to_ms = left->v[i].to_ms,
                            .data = {"", 0}};
        str_copy(h.source, sizeof h.source, "archive");
        str_copy(h.reason, sizeof h.reason, spans_reason(&t->spans, d));
        job_emit(j, &h);
    }
}

static void kick(struct job *j)
{
    struct app *a = j->app;
    struct spans *s = &j->times->spans;
    enum span_when d;
    enum span_origin o;
    while (spans_next(s, loop_mono_ms(a->loop), &d, &o) && taker_ask(j, d, o)) {
        spans_asked(s, d, o);
    }
    for (int i = 0; i < SPANS_DAYS; i++) {
        declare(j, (enum span_when)i);
    }
    store_kick(a->store);
    recording_kick(a->recording);
    archive_kick(a->archive);
}

static void stop(struct job *j)
{
    struct app *a = j->app;
    for (int d = 0; d < SPANS_DAYS; d++) {
        for (int o = 0; o < SPAN_ORIGINS; o++) {
            struct taker *k = &j->times->taker[d][o];
            if (!k->active) {
                continue;
            }
            archive_abort(a->archive, k);
            store_abort(a->store, k);
            recording_abort(a->recording, k);
            if (o == SPAN_RECORDING) {
                store_drop(a->store, &j->ins, k->want.start_ms, "recording");
            } else if (o == SPAN_ARCHIVE) {
                store_drop(a->store, &j->ins, k->want.start_ms, "archive");
            }
            taker_end(k, false);
        }
    }
}

static bool is_done(const struct job *j)
{
    return spans_is_complete(&j->times->spans);
}

static void on_complete(struct job *j)
{
    for (int d = 0; d < SPANS_DAYS; d++) {
        store_flush(j->app->store, &j->ins, j->times->spans.day[d].start_ms);
    }
    times_want_summary(j);
}

static bool on_day(struct job *j, int64_t newest_ms)
{
    struct spans *s = &j->times->spans;
    if (day_start_ms(newest_ms) <= s->day[SPANS_TODAY].start_ms) {
        return false;
    }
    if (j->state == JOB_RUNNING) {
        return true;
    }
    stop(j); // of days that are over
    (void)spans_roll(s, newest_ms);
    deliver_touch(j->deliver);
    return false;
}

static void count(const struct job *j, int64_t *done, int64_t *total)
{
    const struct times *t = j->times;
    int64_t told, rows;
    *done = *total = 0;
    for (int i = 0; i < SPAN_ORIGINS; i++) {
        *done += (int64_t)t->rows[i];
    }
    archive_count(j->app->archive, &t->taker[SPANS_PREV][SPAN_ARCHIVE], &told, &rows);
    if (told > 0) { // then all of it has been read
        *total = *done + rows - told;
    } else {
        *total = spans_is_complete(&t->spans) ? *done : -1;
    }
}

static void on_emit(struct job *j, const struct history *h)
{
    struct spans *s = &j->times->spans;
    if (h->kind == HISTORY_LOST) {
        spans_lose(s, h->from_ms, h->to_ms);
        log_ev(LOG_WARN, "hole_declared", F_STR("sym", j->ins.name), F_INT("from_ms", h->from_ms),
               F_INT("to_ms", h->to_ms), F_STR("reason", h->reason));
    } else {
        spans_hold(s, h->from_ms, h->to_ms);
    }
}

// ---- state
// ---------------------------------------------------------------------------------------

// The parts of a set that lie in a day: [{"day":..,"source":..,"from_ms":..,"to_ms":..}].
static void put_part(struct jw *w, const char *day, const char *source, const char *reason,
                     const struct spanset *set, int64_t start_ms)
{
    int listed = 0;
    for (size_t i = 0; i < set->n; i++) {
        const int64_t end_ms = start_ms + MS_PER_DAY;
        const int64_t from = set->v[i].from_ms > start_ms ? set->v[i].from_ms : start_ms;
        const int64_t to = set->v[i].to_ms < end_ms ? set->v[i].to_ms : end_ms;
        if (from >= to || listed++ >= SOURCES_MAX) {
            continue;
        }
        jw_obj(w);
        jw_kstr(w, "day", day);
        jw_kstr(w, "source", source);
        jw_kint(w, "from_ms", from);
        jw_kint(w, "to_ms", to);
        if (reason != NULL) {
            jw_kstr(w, "reason", reason);
        }
        jw_end_obj(w);
    }
}

static void put_sources(const struct job *j, struct redis_tx *tx)
{
    const struct times *t = j->times;
    struct spanset missing;
    struct buf b;
    struct jw w;
    spanset_init(&missing, SPANS_MAX, false);
    buf_init(&b, (size_t)1 << 20);
    jw_init(&w, &b);
    jw_arr(&w);
    for (int i = 0; i < SPANS_DAYS; i++) {
        const enum span_when d = (enum span_when)i;
        const int64_t start = t->spans.day[d].start_ms;
        char day[16];
        iso_day(start, day);
        for (int o = 0; o < SPAN_ORIGINS; o++) {
            put_part(&w, day, span_origin_name((enum span_origin)o), NULL, &t->spans.by[o], start);
        }
        if (spans_is_settled(&t->spans, d)) {
            spans_missing(&t->spans, d, &missing);
            put_part(&w, day, "none", spans_reason(&t->spans, d), &missing, start);
        }
    }
    jw_end_arr(&w);
    redis_tx_hset(tx, "sources", buf_ptr(&b), buf_len(&b));
    buf_release(&b);
    spanset_release(&missing);
}

static void fill(const struct job *j, struct redis_tx *tx)
{
    const struct times *t = j->times;
    const bool has_plan = j->state == JOB_RUNNING || j->state == JOB_COMPLETE;
    int64_t from = -1, at, to;
    const bool hit = j->archive_hit || t->rows[SPAN_STORE] > 0;
    const bool miss = t->rows[SPAN_ARCHIVE] > 0;
    for (int d = 0; d < SPANS_DAYS && from < 0; d++) {
        from = spans_range(&t->spans, (enum span_when)d, &at, &to) ? at : -1;
    }
    state_put_text(tx, "cache_status", hit ? "HIT" : miss ? "MISS" : "UNKNOWN");
    state_put_known(tx, "range_start_ms", from);
    state_put_known(tx, "range_end_ms", from >= 0 ? t->spans.live_ms : -1);
    put_sources(j, tx);
    if (has_plan) {
        state_put_known(tx, "_live", t->spans.live_ms);
    }
}

const struct job_ops job_bybit = {.init = init,
                                  .release = release,
                                  .restore = restore,
                                  .begin = begin,
                                  .kick = kick,
                                  .stop = stop,
                                  .is_done = is_done,
                                  .goes_on = true,
                                  .on_complete = on_complete,
                                  .on_day = on_day,
                                  .count = count,
                                  .on_emit = on_emit,
                                  .stored_load = stored_load,
                                  .stored_clear = stored_clear,
                                  .stored_add = stored_add,
                                  .stored_fill = stored_fill,
                                  .state_fill = fill};

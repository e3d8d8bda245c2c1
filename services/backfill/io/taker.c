// Rows of one Bybit day from one source on their way into :history: those that are wanted, with the
// claims that make them count as held (core/tile).

#include <string.h>

#include "common/base/log.h"
#include "services/backfill/io/app.h"
#include "services/backfill/io/recording.h"
#include "services/backfill/io/times.h"

static bool has_room(void *arg)
{
    const struct taker *k = arg;
    return job_has_room(k->job);
}

static void emit(void *arg, const struct history *h)
{
    struct taker *k = arg;
    struct times *t = k->job->times;
    uint64_t *const rows[SPAN_ORIGINS] = {[SPAN_STORE] = &k->job->rows_store,
                                          [SPAN_RECORDING] = &k->job->rows_recording,
                                          [SPAN_ARCHIVE] = &k->job->rows_archive};
    t->rows[k->origin] += (uint64_t)h->n;
    *rows[k->origin] += (uint64_t)h->n;
    spans_credit(&t->spans, k->origin, h->from_ms, h->to_ms);
    job_emit(k->job, h);
}

// What of it is wanted becomes claims of ours.
static void claim(struct taker *k, int64_t from_ms, int64_t to_ms)
{
    struct times *t = k->job->times;
    struct spanset *missing = &t->scratch;
    spans_missing(&t->spans, k->day, missing);
    for (size_t i = 0; i < missing->n; i++) {
        const struct ms_span m = missing->v[i];
        tile_claim(&k->tile, m.from_ms > from_ms ? m.from_ms : from_ms,
                   m.to_ms < to_ms ? m.to_ms : to_ms);
    }
}

// The store's rows were taken where they were promised: nothing else of it can be claimed.
static void on_claim(void *arg, int64_t from_ms, int64_t to_ms)
{
    struct taker *k = arg;
    for (size_t i = 0; k->origin == SPAN_STORE && i < k->promised.n; i++) {
        const struct ms_span p = k->promised.v[i];
        claim(k, p.from_ms > from_ms ? p.from_ms : from_ms, p.to_ms < to_ms ? p.to_ms : to_ms);
    }
    if (k->origin != SPAN_STORE) {
        claim(k, from_ms, to_ms);
    }
    if (k->origin == SPAN_RECORDING) {
        store_claim(k->job->app->store, &k->job->ins, k->want.start_ms, "recording", from_ms,
                    to_ms);
    }
}

static void on_promise(void *arg, int64_t from_ms, int64_t to_ms)
{
    struct taker *k = arg;
    spanset_add(&k->promised, from_ms, to_ms);
}

// Rows come in order, so what was promised up to the next one has come.
static void claim_promised(struct taker *k, int64_t ts_ms)
{
    if (k->tile.n < TILE_ROWS || ts_ms <= k->tile.row[k->tile.n - 1].ts_ms) {
        return;
    }
    for (size_t i = 0; i < k->promised.n && k->promised.v[i].from_ms < ts_ms; i++) {
        const struct ms_span p = k->promised.v[i];
        claim(k, p.from_ms, p.to_ms < ts_ms ? p.to_ms : ts_ms);
    }
}

static bool add(struct taker *k, const struct csv_row *row)
{
    return tile_add(&k->tile, row->ts_ms, row->uid, row->price, row->qty, row->side, row->id,
                    row->flags);
}

static void on_row(void *arg, const struct csv_row *row)
{
    struct taker *k = arg;
    struct job *j = k->job;
    if (k->origin == SPAN_ARCHIVE) {
        // All of them: the store holds whole days, whatever was delivered before.
        j->archive_hit = archive_is_kept(j->app->archive);
        (void)store_put(j->app->store, &j->ins, k->want.start_ms, "archive",
                        archive_sha256(j->app->archive, &j->ins), row);
    }
    if (k->origin == SPAN_RECORDING) {
        (void)store_put(j->app->store, &j->ins, k->want.start_ms, "recording", "", row);
    }
    if (k->origin == SPAN_STORE) {
        if (!spanset_has(&k->promised, row->ts_ms)) {
            return; // of a part that was never finished: the archive brings it with its claim
        }
        claim_promised(k, row->ts_ms);
    }
    // Of two recorded connections the second may bring what the first lost: its time runs back.
    if (spans_wants(&j->times->spans, k->day, row->ts_ms) && !add(k, row)) {
        tile_flush(&k->tile);
        (void)add(k, row);
    }
}

void taker_end(struct taker *k, bool deliver)
{
    if (k->active) {
        if (deliver) {
            tile_flush(&k->tile);
        }
        tile_release(&k->tile);
        spanset_release(&k->promised);
        k->active = false;
    }
}

static void on_done(void *arg, enum source_end end, const char *why, const char *sha256)
{
    struct taker *k = arg;
    struct job *j = k->job;
    (void)sha256;
    taker_end(k, true);
    if (k->origin == SPAN_ARCHIVE && end == SOURCE_DONE) {
        // It knows neither seq nor flags: what a feed told of the day stays.
        store_seal(j->app->store, &j->ins, k->want.start_ms, "archive", false);
    } else if (k->origin == SPAN_ARCHIVE) {
        store_drop(j->app->store, &j->ins, k->want.start_ms, "archive");
    }
    spans_told(&j->times->spans, k->day, k->origin, end == SOURCE_DONE, why, end == SOURCE_ABSENT,
               loop_mono_ms(j->app->loop));
    if (j->state == JOB_COMPLETE) {
        times_want_summary(j);
        deliver_touch(j->deliver); // where its time comes from is told anew
    }
    job_kick(j);
}

static void on_bytes(void *arg)
{
    struct job *j = ((struct taker *)arg)->job;
    progress_moved(&j->progress, loop_mono_ms(j->app->loop));
}

static void on_trouble(void *arg, const char *why)
{
    job_note_failure(((struct taker *)arg)->job, why);
}

bool taker_ask(struct job *j, enum span_when d, enum span_origin o)
{
    struct taker *k = &j->times->taker[d][o];
    struct app *a = j->app;
    k->job = j;
    k->day = d;
    k->origin = o;
    k->want = (struct source_day){.ins = &j->ins,
                                  .start_ms = j->times->spans.day[d].start_ms,
                                  .has_room = has_room,
                                  .on_row = on_row,
                                  .on_promise = on_promise,
                                  .on_claim = on_claim,
                                  .on_bytes = on_bytes,
                                  .on_trouble = on_trouble,
                                  .on_done = on_done,
                                  .arg = k};
    const bool asked = o == SPAN_ARCHIVE     ? archive_begin(a->archive, &k->want)
                       : o == SPAN_RECORDING ? recording_read(a->recording, &k->want)
                                             : store_read(a->store, &k->want);
    if (asked) {
        tile_init(&k->tile, span_origin_name(o), emit, k);
        spanset_init(&k->promised, SPANS_MAX, false);
        k->active = true;
    }
    return asked;
}

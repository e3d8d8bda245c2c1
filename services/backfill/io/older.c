#include "services/backfill/io/older.h"

#include <stdlib.h>

#include "common/base/log.h"
#include "common/base/mem.h"
#include "services/backfill/io/app.h"
#include "services/backfill/io/keep.h"

#define AGAIN_MS INT64_C(3600000) // what was absent or failed is asked for again

struct older {
    struct app *app;
    struct keep *keep;
    int64_t today_ms[SYMBOLS_MAX]; // the day that the list was made for
    int64_t made_ms[SYMBOLS_MAX];
};

static bool may_run(void *arg)
{
    const struct older *o = arg;
    for (size_t i = 0; i < o->app->n; i++) {
        const enum job_state s = o->app->job[i]->state;
        if (s == JOB_RUNNING || s == JOB_LOADING) {
            return false;
        }
    }
    return true;
}

static void on_day(void *arg, const struct keep_day *d)
{
    const struct older *o = arg;
    char day[16];
    iso_day(d->start_ms, day);
    if (d->state != KEEP_HELD) {
        log_ev(LOG_INFO, "day_kept", F_STR("sym", d->ins->name), F_STR("day", day),
               F_STR("result", keep_state_name(d->state)), F_INT("trades", d->trades),
               F_STR("why", d->why));
    }
    for (size_t i = 0; i < o->app->n; i++) {
        if (&o->app->job[i]->ins == d->ins && o->app->job[i]->deliver != NULL) {
            deliver_touch(o->app->job[i]->deliver);
        }
    }
}

struct older *older_new(struct app *a)
{
    if (a->cfg->days <= 2 || !a->cfg->cache || !a->cfg->archive || !a->cfg->enabled ||
        a->cfg->skipped) {
        return NULL;
    }
    struct older *o = xcalloc(1, sizeof *o);
    o->app = a;
    o->keep =
        keep_new(&(struct keep_opts){.app = a, .may_run = may_run, .on_day = on_day, .arg = o});
    return o;
}

void older_free(struct older *o)
{
    if (o != NULL) {
        keep_free(o->keep);
        free(o);
    }
}

void older_stop(struct older *o)
{
    if (o != NULL) {
        keep_stop(o->keep);
    }
}

// The market's day, which need not be the wall clock's.
static int64_t today_of(const struct job *j, int64_t mono)
{
    return j->state == JOB_COMPLETE ? day_start_ms(j->newest_ms + mono - j->began_ms) : 0;
}

// The newest days first: they are the likeliest to be asked for.
static void want_days(struct older *o, size_t i, int64_t today_ms, int64_t mono)
{
    const struct job *j = o->app->job[i];
    o->today_ms[i] = today_ms;
    o->made_ms[i] = mono;
    for (int64_t k = 1; k < o->app->cfg->days; k++) {
        keep_add(o->keep, &j->ins, today_ms - k * MS_PER_DAY);
    }
}

void older_tick(struct older *o)
{
    if (o == NULL) {
        return;
    }
    const int64_t mono = loop_mono_ms(o->app->loop);
    for (size_t i = 0; i < o->app->n; i++) {
        const struct job *j = o->app->job[i];
        const int64_t today = today_of(j, mono);
        if (today > 0 && (today != o->today_ms[i] || mono - o->made_ms[i] >= AGAIN_MS)) {
            want_days(o, i, today, mono);
        }
    }
    keep_kick(o->keep);
}

void older_state(const struct older *o, const struct job *j, struct redis_tx *tx)
{
    int64_t days, whole;
    char day[16] = "";
    if (o == NULL) {
        return;
    }
    const struct keep_day *d = keep_current(o->keep);
    keep_count(o->keep, &j->ins, &days, &whole);
    if (d != NULL && d->ins == &j->ins) {
        iso_day(d->start_ms, day);
    }
    state_put_int(tx, "days_wanted", days);
    state_put_int(tx, "days_whole", whole);
    state_put_text(tx, "days_current", day);
}

void older_health(const struct older *o, struct jw *w)
{
    int64_t days, whole;
    if (o != NULL) {
        keep_count(o->keep, NULL, &days, &whole);
        jw_kint(w, "days_wanted", days);
        jw_kint(w, "days_whole", whole);
    }
}

void older_metrics(const struct older *o, struct buf *out)
{
    int64_t days, whole;
    if (o != NULL) {
        keep_count(o->keep, NULL, &days, &whole);
        prom_head(out, "bc4_backfill_days_wanted", "gauge",
                  "Days before today to be stored whole.");
        prom_int(out, "bc4_backfill_days_wanted", "", days);
        prom_head(out, "bc4_backfill_days_whole", "gauge", "Of these, days that are.");
        prom_int(out, "bc4_backfill_days_whole", "", whole);
    }
}

#include "services/backfill/io/keep.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/log.h"
#include "common/base/mem.h"
#include "services/backfill/io/app.h"

#define POLL_MS 20
#define BAD_KEPT_S (7 * 86400)

struct keep {
    struct keep_opts o;
    struct keep_day *day;
    size_t n, at; // day[at] is under way while `running`
    bool running, settling, stopped;
    bool was_whole;
    char known[65];
    struct source_day want;
    struct timer *timer;
};

static const char source[] = "archive";

const char *keep_state_name(enum keep_state s)
{
    static const char *const name[] = {"waiting",  "running", "held",  "fetched",
                                       "replaced", "absent",  "failed"};
    return name[s];
}

// ---- archives on disk
// ----------------------------------------------------------------------------

// A name with a day in it: BTCUSDT-aggTrades-2026-11-21.zip, BTCUSDT2026-11-21.csv.gz.
static bool day_of_file(const char *name, int64_t *start_ms)
{
    for (const char *p = name; strlen(p) >= 10; p++) {
        if (parse_day(p, 10, start_ms) == 0) {
            return true;
        }
    }
    return false;
}

void keep_sweep(const struct app *a, const struct instrument *ins)
{
    char folder[STORE_PATH], path[STORE_PATH + 260];
    struct dirent *f;
    struct stat st;
    int64_t start_ms;
    str_fmt(folder, sizeof folder, "%s/archive/%s%s/%s", a->cfg->cache_dir, venue_name(ins->venue),
            ins->simulated ? "-simulated" : "", ins->symbol);
    DIR *dir = opendir(folder);
    while (dir != NULL && (f = readdir(dir)) != NULL) {
        str_fmt(path, sizeof path, "%s/%s", folder, f->d_name);
        const bool is_bad = str_ends(f->d_name, ".bad");
        if (is_bad && stat(path, &st) == 0 &&
            st.st_mtime + BAD_KEPT_S < loop_wall_us(a->loop) / 1000000) {
            unlink(path);
        }
        if ((str_ends(f->d_name, ".zip") || str_ends(f->d_name, ".gz")) && !a->cfg->keep_archives &&
            day_of_file(f->d_name, &start_ms) &&
            store_has_whole_day(a->cfg->cache_dir, ins, start_ms, NULL)) {
            unlink(path);
        }
    }
    if (dir != NULL) {
        closedir(dir);
    }
}

// ---- one day
// -------------------------------------------------------------------------------------

static void end_day(struct keep *k, enum keep_state s, const char *why)
{
    struct keep_day *d = &k->day[k->at];
    k->running = k->settling = false;
    d->state = s;
    d->took_ms = loop_mono_ms(k->o.app->loop) - d->began_ms;
    str_copy(d->why, sizeof d->why, why);
    keep_sweep(k->o.app, d->ins);
    timer_start(k->timer, 0); // the next one
    if (k->o.on_day != NULL) {
        k->o.on_day(k->o.arg, d);
    }
}

static bool has_room(void *arg)
{
    const struct keep *k = arg;
    return store_has_room(k->o.app->store, k->day[k->at].ins);
}

static void on_row(void *arg, const struct csv_row *row)
{
    struct keep *k = arg;
    struct keep_day *d = &k->day[k->at];
    d->rows++;
    (void)store_put(k->o.app->store, d->ins, d->start_ms, source,
                    archive_sha256(k->o.app->archive, d->ins), row);
}

static void on_done(void *arg, enum source_end end, const char *why, const char *sha256)
{
    struct keep *k = arg;
    struct app *a = k->o.app;
    struct keep_day *d = &k->day[k->at];
    switch (end) {
    case SOURCE_SAME:
        end_day(k, KEEP_HELD, "");
        break;
    case SOURCE_DONE:
        // Bybit's archive knows neither seq nor flags: what the feed told of the day stays.
        str_copy(d->sha256, sizeof d->sha256, sha256);
        store_seal(a->store, d->ins, d->start_ms, source, d->ins->venue == VENUE_BINANCE);
        k->settling = true;
        timer_start(k->timer, POLL_MS);
        break;
    case SOURCE_ABSENT:
        store_drop(a->store, d->ins, d->start_ms, source);
        end_day(k, k->was_whole ? KEEP_HELD : KEEP_ABSENT, why);
        break;
    case SOURCE_BAD:
        store_drop(a->store, d->ins, d->start_ms, source);
        end_day(k, k->was_whole ? KEEP_HELD : KEEP_FAILED, why);
        break;
    }
}

// The sealed part is on disk, or will never be.
static void settle(struct keep *k)
{
    const struct app *a = k->o.app;
    struct keep_day *d = &k->day[k->at];
    struct store_part whole;
    if (store_writing(a->store, d->ins, d->start_ms) > 0) {
        timer_start(k->timer, POLL_MS);
        return;
    }
    if (store_has_whole_day(a->cfg->cache_dir, d->ins, d->start_ms, &whole) &&
        strcmp(whole.sha256, d->sha256) == 0) {
        d->trades = whole.rows;
        end_day(k, k->was_whole ? KEEP_REPLACED : KEEP_FETCHED, "");
    } else {
        end_day(k, KEEP_FAILED,
                store_is_off(a->store) ? "the store is off: libduckdb is not there"
                                       : "the store could not write it");
    }
}

static bool may_run(const struct keep *k)
{
    return !k->stopped && (k->o.may_run == NULL || k->o.may_run(k->o.arg));
}

// False: the archive is busy with somebody else's day.
static bool begin_day(struct keep *k)
{
    struct app *a = k->o.app;
    struct keep_day *d = &k->day[k->at];
    struct store_part whole;
    k->was_whole = store_has_whole_day(a->cfg->cache_dir, d->ins, d->start_ms, &whole);
    k->known[0] = '\0';
    d->rows = 0;
    d->began_ms = loop_mono_ms(a->loop);
    if (k->was_whole) {
        d->trades = whole.rows;
        str_copy(d->sha256, sizeof d->sha256, whole.sha256);
        str_copy(k->known, sizeof k->known, whole.sha256);
    }
    if (k->was_whole && k->known[0] == '\0') { // not from a file: nothing to compare
        end_day(k, KEEP_HELD, "");
        return true;
    }
    k->want = (struct source_day){.ins = d->ins,
                                  .start_ms = d->start_ms,
                                  .has_room = has_room,
                                  .on_row = on_row,
                                  .on_done = on_done,
                                  .known_sha256 = k->known[0] != '\0' ? k->known : NULL,
                                  .arg = k};
    if (!archive_begin(a->archive, &k->want)) {
        return false;
    }
    d->state = KEEP_RUNNING;
    k->running = true;
    return true;
}

static void give_up(struct keep *k)
{
    struct app *a = k->o.app;
    struct keep_day *d = k->running ? &k->day[k->at] : NULL;
    if (d == NULL || k->settling) {
        return; // a part being written is finished in any case
    }
    archive_abort(a->archive, k);
    store_drop(a->store, d->ins, d->start_ms, source);
    d->state = KEEP_WAITING;
    k->running = false;
}

static void on_timer(void *arg)
{
    struct keep *k = arg;
    if (k->settling) {
        settle(k);
        return;
    }
    if (k->running) {
        if (!may_run(k)) {
            give_up(k);
        } else {
            archive_kick(k->o.app->archive);
        }
        return;
    }
    for (k->at = 0; k->at < k->n && k->day[k->at].state != KEEP_WAITING; k->at++) {
    }
    if (k->at == k->n) {
        if (k->o.on_all != NULL) {
            k->o.on_all(k->o.arg);
        }
    } else if (may_run(k) && !begin_day(k)) {
        timer_start(k->timer, POLL_MS);
    }
}

// ---- life
// ----------------------------------------------------------------------------------------

struct keep *keep_new(const struct keep_opts *o)
{
    struct keep *k = xcalloc(1, sizeof *k);
    k->o = *o;
    k->timer = timer_new(o->app->loop, on_timer, k);
    return k;
}

void keep_stop(struct keep *k)
{
    k->stopped = true;
    give_up(k);
    timer_stop(k->timer);
}

void keep_free(struct keep *k)
{
    if (k == NULL) {
        return;
    }
    keep_stop(k);
    timer_free(k->timer);
    free(k->day);
    free(k);
}

void keep_add(struct keep *k, const struct instrument *ins, int64_t start_ms)
{
    for (size_t i = 0; i < k->n; i++) {
        struct keep_day *d = &k->day[i];
        if (d->ins == ins && d->start_ms == start_ms) {
            d->state = d->state == KEEP_RUNNING ? KEEP_RUNNING : KEEP_WAITING;
            return;
        }
    }
    k->day = xrealloc(k->day, (k->n + 1) * sizeof *k->day);
    k->day[k->n++] = (struct keep_day){.ins = ins, .start_ms = start_ms};
}

void keep_kick(struct keep *k)
{
    if (!timer_is_running(k->timer) && !k->stopped) {
        timer_start(k->timer, 0);
    }
}

const struct keep_day *keep_days(const struct keep *k, size_t *n)
{
    *n = k->n;
    return k->day;
}

const struct keep_day *keep_current(const struct keep *k)
{
    return k->running ? &k->day[k->at] : NULL;
}

void keep_count(const struct keep *k, const struct instrument *ins, int64_t *days, int64_t *whole)
{
    *days = *whole = 0;
    for (size_t i = 0; i < k->n; i++) {
        const struct keep_day *d = &k->day[i];
        if (ins == NULL || d->ins == ins) {
            ++*days;
            *whole +=
                d->state == KEEP_HELD || d->state == KEEP_FETCHED || d->state == KEEP_REPLACED;
        }
    }
}

// One whole past day from the venue's archive:
//
//   CHECKSUM    fetched each time: it tells whether the file kept on disk is still the venue's
//   HASHING     a file on disk is read and compared with it; equal: a hit, no download
//   DOWNLOAD    into NAME.part, going on where an earlier download stopped
//   HASHING     the same comparison for what came
//   PARSING     inflate, parse, deliver what is not held, in slices and no faster than delivery
//
// Nothing is believed before its SHA-256 is the venue's. A file that fails is set aside (.bad) and
// fetched once more; when that fails too, or there is no archive, the day is left to REST and the
// reason is kept.

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/log.h"
#include "common/base/mem.h"
#include "services/backfill/core/batch.h"
#include "services/backfill/core/csv.h"
#include "services/backfill/core/digest.h"
#include "services/backfill/core/zip.h"
#include "services/backfill/io/app.h"

#define SLICE 16384        // bytes of the file per turn of the loop while parsing
#define HASH_SLICE 1048576 // and while hashing
#define FILE_MAX ((size_t)1 << 30)
#define CONTENT_MAX ((uint64_t)8 << 30)
#define DOWNLOAD_MAX_MS INT64_C(86400000)

enum step { IDLE, CHECKSUM, HASHING, DOWNLOAD, PARSING, PAUSE };

struct archive {
    struct app *app;
    struct job *job;
    enum step step, after_pause;
    struct timer *timer;
    struct http_call *call;
    int fd;
    int tries;
    bool kept; // the file being hashed was on disk before
    bool hashing_part;
    char name[96]; // BTCUSDT-aggTrades-2026-11-21.zip
    char url[512]; // of the zip
    char path[512], part[520];
    char want[DIGEST_HEX];
    struct digest *digest;
    struct zip *zip;
    struct csv csv;
    struct batch batch;
    bool parsing; // zip, csv and batch are live
    int64_t start_ms;
    uint64_t rows;
    struct err e;
};

static void fetch_checksum(struct archive *x);

// ---- the end
// -------------------------------------------------------------------------------------

static void drop_parser(struct archive *x)
{
    if (x->parsing) {
        zip_free(x->zip);
        csv_release(&x->csv);
        batch_release(&x->batch);
        x->parsing = false;
    }
}

static void clean(struct archive *x)
{
    timer_stop(x->timer);
    http_cancel(x->call);
    x->call = NULL;
    if (x->fd >= 0) {
        close(x->fd);
        x->fd = -1;
    }
    digest_end_free(x->digest, NULL);
    x->digest = NULL;
    drop_parser(x);
    x->step = IDLE;
    x->job = NULL;
}

static void finish(struct archive *x, enum plan_source s, const char *why)
{
    struct job *j = x->job;
    if (!x->app->cfg->cache) {
        unlink(x->path);
    }
    log_ev(s == PLAN_DONE ? LOG_INFO : LOG_WARN, s == PLAN_DONE ? "archive_read" : "archive_absent",
           F_STR("sym", j->ins.name), F_STR("file", x->name), F_UINT("rows", x->rows),
           F_BOOL("hit", x->kept), F_STR("why", why));
    clean(x);
    plan_archive(&j->plan, s, why);
    job_kick(j);
}

// Tries again later, or leaves the day to REST.
static void failed(struct archive *x, const char *why)
{
    struct app *a = x->app;
    char text[160];
    str_copy(text, sizeof text, why);
    job_note_failure(x->job, text);
    drop_parser(x);
    if (++x->tries >= a->cfg->max_retries) {
        finish(x, PLAN_ABSENT, text);
        return;
    }
    int64_t pause = a->cfg->retry_base_ms;
    for (int i = 1; i < x->tries && pause < a->cfg->cooldown_s * 1000; i++) {
        pause *= 2;
    }
    log_ev(LOG_WARN, "archive_retry", F_STR("sym", x->job->ins.name), F_STR("file", x->name),
           F_STR("why", text), F_INT("pause_ms", pause));
    x->step = PAUSE;
    timer_start(x->timer, pause);
}

static void set_aside(const char *path)
{
    char bad[544];
    str_fmt(bad, sizeof bad, "%s.bad", path);
    if (rename(path, bad) != 0 && errno != ENOENT) {
        unlink(path);
    }
}

// ---- parsing
// -------------------------------------------------------------------------------------

static void emit(void *arg, const struct history *h)
{
    struct archive *x = arg;
    x->job->rows_archive += (uint64_t)h->n;
    job_emit(x->job, h);
}

static int on_row(void *arg, const struct csv_row *row, struct err *e)
{
    struct archive *x = arg;
    struct job *j = x->job;
    struct trade t;
    if (row->ts_ms < x->start_ms || row->ts_ms >= x->start_ms + MS_PER_DAY) {
        return err_set(e, ERR_RANGE, "a row is of another day");
    }
    const enum refusal why = trade_set_numbers(&t, &j->ins, row->price, row->qty);
    if (why != REFUSE_NONE) {
        return err_set(e, ERR_RANGE, "a row's numbers are %s", refusal_name(why));
    }
    if (x->rows++ == 0) {
        plan_archive_first(&j->plan, row->id, row->ts_ms);
    }
    if (row->id >= j->plan.live_id || plan_has(&j->plan, row->id)) {
        return 0;
    }
    return batch_add(&x->batch, row->ts_ms, row->id, row->price, row->qty, row->side)
               ? 0
               : err_set(e, ERR_SYNTAX, "its ids run back");
}

static int on_bytes(void *arg, const char *bytes, size_t n, struct err *e)
{
    struct archive *x = arg;
    return csv_feed(&x->csv, bytes, n, on_row, x, e);
}

static void parse_failed(struct archive *x, const char *why)
{
    char text[160];
    str_fmt(text, sizeof text, "%s: %s", x->name, why);
    batch_flush(&x->batch); // rows up to there are good: the file is the venue's own
    set_aside(x->path);
    drop_parser(x);
    finish(x, PLAN_ABSENT, text);
}

static void parse_slice(struct archive *x)
{
    static unsigned char bytes[SLICE];
    const ssize_t n = read(x->fd, bytes, sizeof bytes);
    struct err e = {0};
    if (n < 0) {
        parse_failed(x, "it can not be read");
        return;
    }
    int rc = n > 0 ? zip_feed(x->zip, bytes, (size_t)n, &e) : zip_end(x->zip, &e);
    if (rc == 0 && n == 0) {
        rc = csv_end(&x->csv, on_row, x, &e);
    }
    if (rc != 0) {
        parse_failed(x, e.text);
        return;
    }
    if (n == 0) {
        batch_flush(&x->batch);
        drop_parser(x);
        finish(x, PLAN_DONE, "");
        return;
    }
    timer_start(x->timer, 0);
}

static void begin_parsing(struct archive *x)
{
    x->rows = 0;
    x->job->archive_hit = x->kept;
    if (lseek(x->fd, 0, SEEK_SET) != 0) {
        failed(x, "it can not be read");
        return;
    }
    x->zip = zip_new(ZIP_MEMBER, CONTENT_MAX, on_bytes, x);
    csv_init(&x->csv, CSV_BINANCE);
    batch_init(&x->batch, x->kept ? "store" : "archive", emit, x);
    x->parsing = true;
    x->step = PARSING;
    timer_start(x->timer, 0);
}

// ---- hashing
// -------------------------------------------------------------------------------------

static bool begin_hashing(struct archive *x, const char *path, bool kept)
{
    x->fd = open(path, O_RDONLY | O_CLOEXEC);
    if (x->fd < 0) {
        return false;
    }
    x->kept = kept;
    x->hashing_part = !kept;
    x->digest = digest_new();
    x->step = HASHING;
    timer_start(x->timer, 0);
    return true;
}

static void fetch_zip(struct archive *x);

static void hashed(struct archive *x)
{
    char hex[DIGEST_HEX];
    digest_end_free(x->digest, hex);
    x->digest = NULL;
    const bool same = strcmp(hex, x->want) == 0;
    if (same && x->hashing_part && (fsync(x->fd) != 0 || rename(x->part, x->path) != 0)) {
        close(x->fd);
        x->fd = -1;
        failed(x, "the file can not be kept");
        return;
    }
    if (same) {
        begin_parsing(x);
        return;
    }
    close(x->fd);
    x->fd = -1;
    if (x->hashing_part) {
        set_aside(x->part);
        failed(x, "its SHA-256 is not that of its CHECKSUM file");
        return;
    }
    // The venue has published it anew, or the disk has spoilt it.
    log_ev(LOG_WARN, "archive_replaced", F_STR("file", x->name));
    set_aside(x->path);
    fetch_zip(x);
}

static void hash_slice(struct archive *x)
{
    static unsigned char bytes[HASH_SLICE];
    const ssize_t n = read(x->fd, bytes, sizeof bytes);
    if (n > 0) {
        digest_add(x->digest, bytes, (size_t)n);
        timer_start(x->timer, 0);
        return;
    }
    hashed(x);
}

// ---- downloads
// -----------------------------------------------------------------------------------

static struct http_call *get(struct archive *x, const char *url, size_t max_body,
                             int64_t range_from,
                             bool (*on_data)(void *, long, const char *, size_t),
                             void (*done)(void *, const struct http_reply *))
{
    const int64_t ms = x->app->cfg->api_timeout_s * 1000;
    struct http_req q = {.url = url,
                         .timeout_ms = on_data != NULL ? DOWNLOAD_MAX_MS : ms,
                         .stall_ms = ms,
                         .max_body = max_body,
                         .range_from = range_from,
                         .on_data = on_data,
                         .on_done = done,
                         .arg = x};
    return http_get(x->app->files, &q, &x->e);
}

static bool of_our_kind(const struct archive *x, const struct http_reply *r)
{
    return r->simulated == x->job->ins.simulated;
}

static bool on_zip_data(void *arg, long status, const char *bytes, size_t n)
{
    struct archive *x = arg;
    if (status != 200 && status != 206) {
        return true; // an error's text is of no use
    }
    // 200 although the rest was asked for: all of it comes.
    if (status == 200 && x->rows == 0) {
        x->rows = 1;
        if (ftruncate(x->fd, 0) != 0 || lseek(x->fd, 0, SEEK_SET) != 0) {
            return false;
        }
    }
    while (n > 0) {
        const ssize_t put = write(x->fd, bytes, n);
        if (put <= 0) {
            return false;
        }
        bytes += put;
        n -= (size_t)put;
        x->app->bytes += (uint64_t)put;
    }
    return true;
}

static void on_zip(void *arg, const struct http_reply *r)
{
    struct archive *x = arg;
    char text[96];
    x->call = NULL;
    close(x->fd);
    x->fd = -1;
    if (r->err != 0) {
        failed(x, r->why); // the part stays and is gone on with
    } else if (r->status == 404) {
        finish(x, PLAN_ABSENT, "the venue has no archive of that day (404)");
    } else if (r->status != 200 && r->status != 206) {
        if (r->status == 416) { // what is there can not be gone on with
            unlink(x->part);
        }
        str_fmt(text, sizeof text, "HTTP %ld", r->status);
        failed(x, text);
    } else if (!of_our_kind(x, r)) {
        unlink(x->part);
        finish(x, PLAN_ABSENT, "the archive is not of the same kind, real or simulated");
    } else if (!begin_hashing(x, x->part, false)) {
        failed(x, "the file is gone");
    }
}

static void fetch_zip(struct archive *x)
{
    struct stat st;
    x->fd = open(x->part, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    if (x->fd < 0 || fstat(x->fd, &st) != 0) {
        finish(x, PLAN_ABSENT, "BACKFILL_CACHE_DIR can not be written");
        return;
    }
    x->step = DOWNLOAD;
    x->rows = 0;
    x->call = get(x, x->url, FILE_MAX, (int64_t)st.st_size, on_zip_data, on_zip);
    if (x->call == NULL) {
        close(x->fd);
        x->fd = -1;
        failed(x, x->e.text);
    }
}

static void on_checksum(void *arg, const struct http_reply *r)
{
    struct archive *x = arg;
    char text[96];
    x->call = NULL;
    if (r->err != 0) {
        failed(x, r->why);
    } else if (r->status == 404) {
        finish(x, PLAN_ABSENT, "the venue has no archive of that day (404)");
    } else if (r->status != 200) {
        str_fmt(text, sizeof text, "CHECKSUM: HTTP %ld", r->status);
        failed(x, text);
    } else if (!of_our_kind(x, r)) {
        finish(x, PLAN_ABSENT, "the archive is not of the same kind, real or simulated");
    } else if (!checksum_of(r->body, r->n, x->name, x->want)) {
        failed(x, "its CHECKSUM file does not name it");
    } else if (!begin_hashing(x, x->path, true)) {
        fetch_zip(x);
    }
}

static void fetch_checksum(struct archive *x)
{
    char url[540];
    str_fmt(url, sizeof url, "%s.CHECKSUM", x->url);
    x->step = CHECKSUM;
    x->call = get(x, url, 4096, 0, NULL, on_checksum);
    if (x->call == NULL) {
        failed(x, x->e.text);
    }
}

// ---- life
// ----------------------------------------------------------------------------------------

static void on_timer(void *arg)
{
    struct archive *x = arg;
    switch (x->step) {
    case HASHING:
        hash_slice(x);
        break;
    case PARSING:
        if (job_has_room(x->job)) {
            parse_slice(x); // else archive_kick() goes on
        }
        break;
    case PAUSE:
        fetch_checksum(x);
        break;
    case IDLE:
    case CHECKSUM:
    case DOWNLOAD:
        break;
    }
}

void archive_kick(struct archive *x)
{
    if (x->step == PARSING && !timer_is_running(x->timer) && job_has_room(x->job)) {
        timer_start(x->timer, 0);
    }
}

static bool make_folders(char *path)
{
    for (char *p = path + 1; *p != '\0'; p++) {
        if (*p == '/') {
            *p = '\0';
            const int rc = mkdir(path, 0755);
            *p = '/';
            if (rc != 0 && errno != EEXIST) {
                return false;
            }
        }
    }
    return true;
}

bool archive_begin(struct archive *x, struct job *j)
{
    const struct config *c = x->app->cfg;
    char day[16];
    if (x->step != IDLE) {
        return false;
    }
    x->job = j;
    x->start_ms = j->plan.day[PLAN_PREV].start_ms;
    x->tries = 0;
    x->rows = 0;
    x->kept = false;
    x->want[0] = '\0';
    iso_day(x->start_ms, day);
    str_fmt(x->name, sizeof x->name, "%s-aggTrades-%s.zip", j->ins.symbol, day);
    str_fmt(x->url, sizeof x->url, "%s/data/futures/um/daily/aggTrades/%s/%s", c->archive_base,
            j->ins.symbol, x->name);
    // Real and simulated markets never share a file.
    str_fmt(x->path, sizeof x->path, "%s/archive/%s%s/%s/%s", c->cache_dir,
            venue_name(j->ins.venue), j->ins.simulated ? "-simulated" : "", j->ins.symbol, x->name);
    str_fmt(x->part, sizeof x->part, "%s.part", x->path);
    if (!make_folders(x->path)) {
        log_ev(LOG_ERROR, "cache_unusable", F_STR("dir", c->cache_dir),
               F_STR("why", strerror(errno)));
        x->job = NULL;
        plan_archive(&j->plan, PLAN_ABSENT, "BACKFILL_CACHE_DIR can not be written");
        return false;
    }
    fetch_checksum(x);
    return true;
}

void archive_abort(struct archive *x, const struct job *j)
{
    if (x != NULL && x->job == j) {
        clean(x);
    }
}

const char *archive_sha256(const struct archive *x, const struct job *j)
{
    return x->job == j ? x->want : "";
}

struct archive *archive_new(struct app *a)
{
    struct archive *x = xcalloc(1, sizeof *x);
    x->app = a;
    x->fd = -1;
    x->timer = timer_new(a->loop, on_timer, x);
    return x;
}

void archive_free(struct archive *x)
{
    if (x == NULL) {
        return;
    }
    clean(x);
    timer_free(x->timer);
    free(x);
}

// One whole past day from the venue's archive:
//
//   CHECKSUM    fetched each time: it tells whether the file kept on disk is still the venue's
//   HASHING     a file on disk is read and compared with it; equal: a hit, no download
//   DOWNLOAD    into NAME.part, going on where an earlier download stopped
//   HASHING     the same comparison for what came
//   PARSING     inflate, parse, tell the rows, in slices and no faster than whoever asked has room
//
// Nothing is believed before its SHA-256 is the venue's. A file that fails is set aside (.bad) and
// fetched once more; when that fails too, or there is no archive, the reason is told.

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/log.h"
#include "common/base/mem.h"
#include "services/backfill/core/csv.h"
#include "services/backfill/core/digest.h"
#include "services/backfill/core/zip.h"
#include "services/backfill/io/app.h"

#define SLICE 16384        // bytes of the file per turn of the loop while parsing
#define HASH_SLICE 1048576 // and while hashing
#define FILE_MAX ((size_t)1 << 30)
#define CONTENT_MAX ((uint64_t)8 << 30)
#define DOWNLOAD_MAX_MS INT64_C(86400000)

enum step { IDLE, CHECKSUM, HASHING, DOWNLOAD, PARSING, PAUSE, HOPELESS };

struct archive {
    struct app *app;
    struct source_day want;
    enum step step;
    struct timer *timer;
    struct http_call *call;
    int fd;
    int tries;
    bool kept; // the file being hashed was on disk before
    bool hashing_part;
    char name[96]; // BTCUSDT-aggTrades-2026-11-21.zip
    char url[512]; // of the zip
    char path[512], part[520];
    char want_sha[DIGEST_HEX];
    struct digest *digest;
    struct zip *zip;
    struct csv csv;
    bool parsing; // zip and csv are live
    int64_t last_id;
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
}

static void finish(struct archive *x, enum source_end end, const char *why)
{
    const struct source_day want = x->want;
    char sha256[DIGEST_HEX], text[160];
    str_copy(text, sizeof text, why);
    str_copy(sha256, sizeof sha256, x->want_sha);
    if (!x->app->cfg->cache) {
        unlink(x->path);
    }
    log_ev(end == SOURCE_DONE ? LOG_INFO : LOG_WARN,
           end == SOURCE_DONE ? "archive_read" : "archive_absent", F_STR("sym", want.ins->name),
           F_STR("file", x->name), F_UINT("rows", x->rows), F_BOOL("hit", x->kept),
           F_STR("why", text));
    clean(x);
    want.on_done(want.arg, end, text, sha256);
}

// Tries again later, or gives up.
static void failed(struct archive *x, const char *why)
{
    struct app *a = x->app;
    char text[160];
    str_copy(text, sizeof text, why);
    if (x->want.on_trouble != NULL) {
        x->want.on_trouble(x->want.arg, text);
    }
    drop_parser(x);
    if (++x->tries >= a->cfg->max_retries) {
        finish(x, SOURCE_BAD, text);
        return;
    }
    int64_t pause = a->cfg->retry_base_ms;
    for (int i = 1; i < x->tries && pause < a->cfg->cooldown_s * 1000; i++) {
        pause *= 2;
    }
    log_ev(LOG_WARN, "archive_retry", F_STR("sym", x->want.ins->name), F_STR("file", x->name),
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

static int on_row(void *arg, const struct csv_row *row, struct err *e)
{
    struct archive *x = arg;
    struct trade t;
    if (row->ts_ms < x->want.start_ms || row->ts_ms >= x->want.start_ms + MS_PER_DAY) {
        return err_set(e, ERR_RANGE, "a row is of another day");
    }
    const enum refusal why = trade_set_numbers(&t, x->want.ins, row->price, row->qty);
    if (why != REFUSE_NONE) {
        return err_set(e, ERR_RANGE, "a row's numbers are %s", refusal_name(why));
    }
    if (x->rows++ > 0 && row->id <= x->last_id) {
        return err_set(e, ERR_SYNTAX, "its ids run back");
    }
    x->last_id = row->id;
    x->want.on_row(x->want.arg, row);
    return 0;
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
    set_aside(x->path);
    drop_parser(x);
    finish(x, SOURCE_BAD, text); // rows up to there are good: the file is the venue's own
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
        drop_parser(x);
        finish(x, SOURCE_DONE, "");
        return;
    }
    timer_start(x->timer, 0);
}

static void begin_parsing(struct archive *x)
{
    x->rows = 0;
    if (lseek(x->fd, 0, SEEK_SET) != 0) {
        failed(x, "it can not be read");
        return;
    }
    x->zip = zip_new(ZIP_MEMBER, CONTENT_MAX, on_bytes, x);
    csv_init(&x->csv, CSV_BINANCE);
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
    const bool same = strcmp(hex, x->want_sha) == 0;
    // Not synced, which would hold up the loop for as long as the disk takes: a file that a crash
    // has torn does not match its checksum and is fetched again.
    if (same && x->hashing_part && rename(x->part, x->path) != 0) {
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
    return r->simulated == x->want.ins->simulated;
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
        finish(x, SOURCE_ABSENT, "the venue has no archive of that day (404)");
    } else if (r->status != 200 && r->status != 206) {
        if (r->status == 416) { // what is there can not be gone on with
            unlink(x->part);
        }
        str_fmt(text, sizeof text, "HTTP %ld", r->status);
        failed(x, text);
    } else if (!of_our_kind(x, r)) {
        unlink(x->part);
        finish(x, SOURCE_ABSENT, "the archive is not of the same kind, real or simulated");
    } else if (!begin_hashing(x, x->part, false)) {
        failed(x, "the file is gone");
    }
}

static void fetch_zip(struct archive *x)
{
    struct stat st;
    x->fd = open(x->part, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    if (x->fd < 0 || fstat(x->fd, &st) != 0) {
        finish(x, SOURCE_BAD, "BACKFILL_CACHE_DIR can not be written");
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
        finish(x, SOURCE_ABSENT, "the venue has no archive of that day (404)");
    } else if (r->status != 200) {
        str_fmt(text, sizeof text, "CHECKSUM: HTTP %ld", r->status);
        failed(x, text);
    } else if (!of_our_kind(x, r)) {
        finish(x, SOURCE_ABSENT, "the archive is not of the same kind, real or simulated");
    } else if (!checksum_of(r->body, r->n, x->name, x->want_sha)) {
        failed(x, "its CHECKSUM file does not name it");
    } else if (x->want.known_sha256 != NULL && strcmp(x->want.known_sha256, x->want_sha) == 0) {
        finish(x, SOURCE_SAME, "");
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
        if (x->want.has_room(x->want.arg)) {
            parse_slice(x); // else archive_kick() goes on
        }
        break;
    case PAUSE:
        fetch_checksum(x);
        break;
    case HOPELESS:
        finish(x, SOURCE_BAD, "BACKFILL_CACHE_DIR can not be written");
        break;
    case IDLE:
    case CHECKSUM:
    case DOWNLOAD:
        break;
    }
}

void archive_kick(struct archive *x)
{
    if (x->step == PARSING && !timer_is_running(x->timer) && x->want.has_room(x->want.arg)) {
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

bool archive_begin(struct archive *x, const struct source_day *want)
{
    const struct config *c = x->app->cfg;
    const struct instrument *ins = want->ins;
    char day[16];
    if (x->step != IDLE) {
        return false;
    }
    x->want = *want;
    x->tries = 0;
    x->rows = 0;
    x->kept = false;
    x->want_sha[0] = '\0';
    iso_day(want->start_ms, day);
    str_fmt(x->name, sizeof x->name, "%s-aggTrades-%s.zip", ins->symbol, day);
    str_fmt(x->url, sizeof x->url, "%s/data/futures/um/daily/aggTrades/%s/%s", c->archive_base,
            ins->symbol, x->name);
    // Real and simulated markets never share a file.
    str_fmt(x->path, sizeof x->path, "%s/archive/%s%s/%s/%s", c->cache_dir, venue_name(ins->venue),
            ins->simulated ? "-simulated" : "", ins->symbol, x->name);
    str_fmt(x->part, sizeof x->part, "%s.part", x->path);
    if (!make_folders(x->path)) {
        log_ev(LOG_ERROR, "cache_unusable", F_STR("dir", c->cache_dir),
               F_STR("why", strerror(errno)));
        x->step = HOPELESS;
        timer_start(x->timer, 0);
        return true;
    }
    x->step = PAUSE;
    timer_start(x->timer, 0);
    return true;
}

void archive_abort(struct archive *x, const void *arg)
{
    if (x != NULL && x->step != IDLE && x->want.arg == arg) {
        clean(x);
    }
}

const char *archive_sha256(const struct archive *x, const struct instrument *ins)
{
    return x->step == PARSING && x->want.ins == ins ? x->want_sha : "";
}

bool archive_is_kept(const struct archive *x)
{
    return x->kept;
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

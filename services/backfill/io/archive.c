// One whole past day from the venue's archive.
//
// Binance publishes a SHA-256 beside each file:
//   CHECKSUM    fetched each time: it tells whether the file kept on disk is still the venue's
//   HASHING     a file on disk is read and compared with it; equal: a hit, no download
//   DOWNLOAD    into NAME.part, going on where an earlier download stopped
//   HASHING     the same comparison for what came
//   PARSING     inflate, parse, tell the rows, in slices and no faster than whoever asked has room
//
// Bybit publishes none; what came is remembered in NAME.meta (io/archive_meta.h):
//   HASHING     a file on disk is compared with what came: the disk may have spoilt it
//   ASKING      breaker and budget of the venue: it counts all requests of an address
//   DOWNLOAD    with the version that is kept as condition: 304 is a hit, 200 a file published anew
//   HASHING     to remember it
//   PARSING     the file's own length and CRC have to agree before a row of it is told
//
// A file that fails is set aside (.bad) and fetched once more; when that fails too, or there is no
// archive, the reason is told. A kept file is used when the venue can not be asked about it.

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/log.h"
#include "common/base/mem.h"
#include "services/backfill/core/digest.h"
#include "services/backfill/io/archive_in.h"

#define HASH_SLICE 1048576 // bytes of the file per turn of the loop
#define AWAY_MS 500
#define WAIT_MAX_MS 10000 // a venue that may be asked later than this is not waited for

static void start(struct archive *x);

// ---- the end
// -------------------------------------------------------------------------------------

void archive_close_file(struct archive *x)
{
    if (x->fd >= 0) {
        close(x->fd);
        x->fd = -1;
    }
}

static void drop_parser(struct archive *x)
{
    archive_parse_free(x->parse);
    x->parse = NULL;
}

static void clean(struct archive *x)
{
    timer_stop(x->timer);
    http_cancel(x->call);
    x->call = NULL;
    if (x->step == ASKING && x->app->bybit_budget != NULL) {
        budget_cancel(x->app->bybit_budget, x);
    }
    archive_close_file(x);
    digest_end_free(x->digest, NULL);
    x->digest = NULL;
    drop_parser(x);
    x->step = IDLE;
}

void archive_finish(struct archive *x, enum source_end end, const char *why)
{
    const struct source_day want = x->want;
    char sha256[DIGEST_HEX], text[160];
    int64_t told = 0, rows = 0;
    str_copy(text, sizeof text, why);
    str_copy(sha256, sizeof sha256, x->want_sha);
    if (x->parse != NULL) {
        archive_parse_count(x->parse, &told, &rows);
    }
    if (!x->app->cfg->cache) {
        unlink(x->path);
        unlink(x->meta_path);
    }
    log_ev(end == SOURCE_DONE ? LOG_INFO : LOG_WARN,
           end == SOURCE_DONE ? "archive_read" : "archive_absent", F_STR("sym", want.ins->name),
           F_STR("file", x->name), F_INT("rows", told), F_BOOL("hit", x->kept), F_STR("why", text));
    clean(x);
    want.on_done(want.arg, end, text, sha256);
}

void archive_set_aside(const char *path)
{
    char bad[544];
    str_fmt(bad, sizeof bad, "%s.bad", path);
    if (rename(path, bad) != 0 && errno != ENOENT) {
        unlink(path);
    }
}

static bool begin_parsing(struct archive *x);

// The venue can not be asked, or says no: a file of it that is whole is used all the same.
void archive_give_up(struct archive *x, enum source_end end, const char *why)
{
    if (archive_is_bybit(x) && x->whole) {
        log_ev(LOG_WARN, "archive_unasked", F_STR("file", x->name), F_STR("why", why));
        x->kept = true;
        if (begin_parsing(x)) {
            return;
        }
    }
    archive_finish(x, end, why);
}

// Tries again later, or gives up.
void archive_failed(struct archive *x, const char *why)
{
    const struct config *c = x->app->cfg;
    const bool bybit = archive_is_bybit(x);
    const int64_t most = bybit ? c->bybit.max_retries : c->max_retries;
    const int64_t longest = (bybit ? c->bybit.cooldown_s : c->cooldown_s) * 1000;
    int64_t pause = bybit ? c->bybit.retry_base_ms : c->retry_base_ms;
    char text[160];
    str_copy(text, sizeof text, why);
    if (x->want.on_trouble != NULL) {
        x->want.on_trouble(x->want.arg, text);
    }
    drop_parser(x);
    if (++x->tries >= most) {
        archive_give_up(x, SOURCE_BAD, text);
        return;
    }
    for (int i = 1; i < x->tries && pause < longest; i++) {
        pause *= 2;
    }
    log_ev(LOG_WARN, "archive_retry", F_STR("sym", x->want.ins->name), F_STR("file", x->name),
           F_STR("why", text), F_INT("pause_ms", pause));
    x->step = PAUSE;
    timer_start(x->timer, pause);
}

// ---- parsing
// -------------------------------------------------------------------------------------

static void parse_failed(struct archive *x, bool torn, const char *why)
{
    char text[160];
    str_fmt(text, sizeof text, "%s: %s", x->name, why);
    archive_close_file(x);
    archive_set_aside(x->path);
    unlink(x->meta_path);
    x->whole = x->kept = false;
    if (archive_is_bybit(x) && torn) {
        archive_failed(x, text);
    } else {
        archive_finish(x, SOURCE_BAD,
                       text); // rows told before are good: the file is the venue's own
    }
}

static void parse_slice(struct archive *x)
{
    struct err e = {0};
    switch (archive_parse_step(x->parse, &e)) {
    case PARSE_MORE:
    case PARSE_TELLING:
        timer_start(x->timer, 0);
        break;
    case PARSE_DONE:
        archive_finish(x, SOURCE_DONE, "");
        break;
    case PARSE_TORN:
        parse_failed(x, true, e.text);
        break;
    case PARSE_WRONG:
        parse_failed(x, false, e.text);
        break;
    }
}

static bool begin_parsing(struct archive *x)
{
    if (x->fd < 0) {
        x->fd = open(x->path, O_RDONLY | O_CLOEXEC);
    }
    if (x->fd < 0 || lseek(x->fd, 0, SEEK_SET) != 0) {
        return false;
    }
    x->parse = archive_parse_new(&x->want, x->fd, (size_t)x->app->cfg->bybit.archive_rows);
    x->step = PARSING;
    timer_start(x->timer, 0);
    return true;
}

void archive_parse_or_fail(struct archive *x)
{
    if (!begin_parsing(x)) {
        archive_failed(x, "the file can not be read");
    }
}

// ---- hashing
// -------------------------------------------------------------------------------------

bool archive_begin_hashing(struct archive *x, const char *path, bool kept)
{
    archive_close_file(x);
    x->fd = open(path, O_RDONLY | O_CLOEXEC);
    if (x->fd < 0) {
        return false;
    }
    x->kept = kept;
    x->digest = digest_new();
    x->step = HASHING;
    timer_start(x->timer, 0);
    return true;
}

static void ask(struct archive *x);

// Not synced, which would hold up the loop for as long as the disk takes: a file that a crash has
// torn does not match its checksum and is fetched again.
static bool keep_part(struct archive *x)
{
    return rename(x->part, x->path) == 0;
}

// What came is whatever the venue has: it is remembered, and its own CRC judges it.
static void hashed_bybit(struct archive *x, const char *hex)
{
    if (x->kept) {
        x->whole = strcmp(hex, x->meta.sha256) == 0;
        archive_close_file(x);
        if (!x->whole) {
            log_ev(LOG_WARN, "archive_spoilt", F_STR("file", x->name));
            archive_set_aside(x->path);
            unlink(x->meta_path);
            memset(&x->meta, 0, sizeof x->meta);
        }
        str_copy(x->want_sha, sizeof x->want_sha, x->meta.sha256);
        ask(x);
        return;
    }
    str_copy(x->meta.sha256, sizeof x->meta.sha256, hex);
    str_copy(x->want_sha, sizeof x->want_sha, hex);
    x->known = false;
    if (!keep_part(x) || !archive_meta_write(x->meta_path, &x->meta)) {
        archive_failed(x, "the file can not be kept");
        return;
    }
    archive_parse_or_fail(x);
}

static void hashed(struct archive *x)
{
    char hex[DIGEST_HEX];
    digest_end_free(x->digest, hex);
    x->digest = NULL;
    if (archive_is_bybit(x)) {
        hashed_bybit(x, hex);
        return;
    }
    const bool same = strcmp(hex, x->want_sha) == 0;
    if (same && !x->kept && !keep_part(x)) {
        archive_failed(x, "the file can not be kept");
    } else if (same) {
        archive_parse_or_fail(x);
    } else if (!x->kept) {
        archive_set_aside(x->part);
        archive_failed(x, "its SHA-256 is not that of its CHECKSUM file");
    } else {
        // The venue has published it anew, or the disk has spoilt it.
        log_ev(LOG_WARN, "archive_replaced", F_STR("file", x->name));
        archive_set_aside(x->path);
        archive_fetch(x);
    }
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

// ---- leave to ask (Bybit)
// ------------------------------------------------------------------------

static void wait_to_ask(struct archive *x, int64_t ms)
{
    if (ms > WAIT_MAX_MS) {
        archive_give_up(x, SOURCE_ABSENT, "the venue has refused us: not asked for now");
        return;
    }
    x->step = PAUSE;
    timer_start(x->timer, ms > 0 ? ms : 1);
}

static void on_budget(void *arg, bool granted, int64_t wait_ms)
{
    struct archive *x = arg;
    if (!granted) {
        wait_to_ask(x, wait_ms);
        return;
    }
    breaker_sent(&x->app->bybit_breaker, loop_mono_ms(x->app->loop));
    x->app->requests++;
    archive_fetch(x);
}

static void ask(struct archive *x)
{
    struct app *a = x->app;
    const int64_t wait = breaker_wait_ms(&a->bybit_breaker, loop_mono_ms(a->loop), 0);
    if (wait != 0) {
        wait_to_ask(x, wait);
    } else if (a->bybit_budget == NULL) {
        on_budget(x, true, 0);
    } else {
        x->step = ASKING;
        if (budget_ask(a->bybit_budget, BUDGET_BACKFILL, 1, on_budget, x) != 0) {
            wait_to_ask(x, AWAY_MS);
        }
    }
}

static void start(struct archive *x)
{
    if (!archive_is_bybit(x)) {
        archive_fetch_checksum(x);
    } else if (x->whole || x->known) {
        ask(x); // looked at before this try
    } else if (!archive_meta_read(x->meta_path, &x->meta)) {
        ask(x);
    } else if (x->want.known_sha256 != NULL && strcmp(x->want.known_sha256, x->meta.sha256) == 0) {
        x->known = true;
        ask(x);
    } else if (!archive_begin_hashing(x, x->path, true)) {
        memset(&x->meta, 0, sizeof x->meta);
        ask(x);
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
        start(x);
        break;
    case HOPELESS:
        archive_finish(x, SOURCE_BAD, "BACKFILL_CACHE_DIR can not be written");
        break;
    case IDLE:
    case ASKING:
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

static void name_files(struct archive *x)
{
    const struct config *c = x->app->cfg;
    const struct instrument *ins = x->want.ins;
    char day[16];
    iso_day(x->want.start_ms, day);
    if (archive_is_bybit(x)) {
        str_fmt(x->name, sizeof x->name, "%s%s.csv.gz", ins->symbol, day);
        str_fmt(x->url, sizeof x->url, "%s/trading/%s/%s", c->bybit.archive_base, ins->symbol,
                x->name);
    } else {
        str_fmt(x->name, sizeof x->name, "%s-aggTrades-%s.zip", ins->symbol, day);
        str_fmt(x->url, sizeof x->url, "%s/data/futures/um/daily/aggTrades/%s/%s", c->archive_base,
                ins->symbol, x->name);
    }
    // Real and simulated markets never share a file.
    str_fmt(x->path, sizeof x->path, "%s/archive/%s%s/%s/%s", c->cache_dir, venue_name(ins->venue),
            ins->simulated ? "-simulated" : "", ins->symbol, x->name);
    str_fmt(x->part, sizeof x->part, "%s.part", x->path);
    str_fmt(x->meta_path, sizeof x->meta_path, "%s.meta", x->path);
}

bool archive_begin(struct archive *x, const struct source_day *want)
{
    if (x->step != IDLE) {
        return false;
    }
    x->want = *want;
    x->tries = 0;
    x->kept = x->whole = x->known = false;
    x->want_sha[0] = '\0';
    name_files(x);
    x->step = PAUSE;
    if (!make_folders(x->path)) {
        log_ev(LOG_ERROR, "cache_unusable", F_STR("dir", x->app->cfg->cache_dir),
               F_STR("why", strerror(errno)));
        x->step = HOPELESS;
    }
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

void archive_count(const struct archive *x, const void *arg, int64_t *told, int64_t *rows)
{
    *told = *rows = -1;
    if (x->parse != NULL && x->want.arg == arg) {
        archive_parse_count(x->parse, told, rows);
    }
}

struct archive *archive_new(struct app *a)
{
    struct archive *x = xcalloc(1, sizeof *x);
    x->app = a;
    x->fd = -1;
    x->timer = timer_new(a->loop, on_timer, x);
    breaker_init(&a->bybit_breaker,
                 &(struct breaker_opts){.threshold = a->cfg->bybit.threshold,
                                        .cooldown_ms = a->cfg->bybit.cooldown_s * 1000,
                                        .delay_ms = a->cfg->bybit.public_delay_ms,
                                        .max_parallel = 1});
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

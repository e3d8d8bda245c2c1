// The child process that makes a summary: another child tells the day, this one folds it.

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/mem.h"
#include "services/backfill/io/fold.h"
#include "services/backfill/io/fold_file.h"
#include "services/backfill/io/store_child.h"

#define TRADES_MAX ((size_t)8 << 20) // of a day that is folded
#define FIXED_ARGS 9
#define FIELDS_MAX 16
#define ROWS 4096

extern char **environ;

struct child {
    const char *store_dir, *memory, *lib;
    int64_t day_ms, from_id, to_id;
    struct instrument ins;
    char dir[STORE_PATH];
    struct trade *v;
    size_t n, cap;
};

// ---- the day's trades
// ------------------------------------------------------------------------------------

static int take_row(struct child *c, const struct store_row *row, struct err *e)
{
    if (row->kind != STORE_ROW) {
        return 0;
    }
    if (c->n == TRADES_MAX) {
        return err_set(e, ERR_LIMIT, "more trades than are folded");
    }
    if (c->n == c->cap) {
        c->cap = c->cap > 0 ? c->cap + c->cap / 2 : (size_t)1 << 16;
        c->v = xrealloc(c->v, c->cap * sizeof *c->v);
    }
    c->v[c->n++] = (struct trade){.ts_ms = row->ts_ms,
                                  .id = row->id,
                                  .price = row->price,
                                  .qty = row->qty,
                                  .side = row->buy ? SIDE_BUY : SIDE_SELL,
                                  .flags = row->flags,
                                  .uid = row->uid};
    return 0;
}

static int take_all(struct child *c, int fd, struct err *e)
{
    static struct store_row row[ROWS];
    size_t have = 0;
    int rc = 0;
    while (rc == 0) {
        const ssize_t got = read(fd, (char *)row + have, sizeof row - have);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got <= 0) {
            break;
        }
        have += (size_t)got;
        const size_t whole = have / sizeof row[0];
        for (size_t i = 0; i < whole && rc == 0; i++) {
            rc = take_row(c, &row[i], e);
        }
        have -= whole * sizeof row[0];
        memmove(row, row + whole, have);
    }
    return rc == 0 && have > 0 ? err_set(e, ERR_IO, "the day was cut") : rc;
}

static int read_day(struct child *c, struct err *e)
{
    char price[8], qty[8];
    int ends[2], status = 0;
    pid_t pid;
    price[fmt_i64(price, c->ins.price_scale)] = '\0';
    qty[fmt_i64(qty, c->ins.qty_scale)] = '\0';
    const char *argv[] = {
        "backfill", "--store-child", "read", c->dir, venue_name(c->ins.venue), price,
        qty,        c->memory,       c->lib, NULL};
    char *args[sizeof argv / sizeof argv[0]];
    memcpy(args, argv, sizeof args); // exec's own prototype knows no const
    if (pipe2(ends, O_CLOEXEC) != 0) {
        return err_set(e, ERR_IO, "%s", strerror(errno));
    }
    posix_spawn_file_actions_t fa;
    posix_spawn_file_actions_init(&fa);
    posix_spawn_file_actions_adddup2(&fa, ends[1], STDOUT_FILENO);
    const int started = posix_spawn(&pid, "/proc/self/exe", &fa, NULL, args, environ);
    posix_spawn_file_actions_destroy(&fa);
    close(ends[1]);
    int rc = started != 0 ? err_set(e, ERR_IO, "%s", strerror(started)) : take_all(c, ends[0], e);
    close(ends[0]);
    if (started == 0 && (waitpid(pid, &status, 0) != pid || status != 0) && rc == 0) {
        rc = err_set(e, ERR_IO, "the day could not be read");
    }
    return rc;
}

// ---- its summary
// -------------------------------------------------------------------------------------

static int fold(struct child *c, struct buf *text, struct err *e)
{
    struct summary_fold *f = summary_fold_new(&c->ins, c->day_ms);
    struct summary s;
    int rc = 0;
    summary_init(&s);
    for (size_t i = 1; i < c->n; i++) {
        if (trade_cmp(&c->v[i - 1], &c->v[i]) >= 0) { // the store tells ids, not times, in order
            c->n = trades_unique(c->v, c->n);
            break;
        }
    }
    for (size_t i = 0; i < c->n && rc == 0; i++) {
        rc = summary_fold_add(f, &c->v[i]);
    }
    rc = rc ? err_set(e, rc, "trades that are not in order") : summary_fold_end(f, &s, e);
    if (rc == 0 && (s.from_id != c->from_id || s.to_id != c->to_id)) {
        rc = err_set(e, ERR_STATE, "ids %lld..%lld are there, %lld..%lld are the day",
                     (long long)s.from_id, (long long)s.to_id, (long long)c->from_id,
                     (long long)c->to_id);
    }
    if (rc == 0 && (rc = summary_format(&s, &c->ins, text)) != 0) {
        rc = err_set(e, rc, "longer than a summary is");
    }
    summary_release(&s);
    summary_fold_free(f);
    return rc;
}

static int sync_path(const char *path)
{
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    const int rc = fd < 0 ? -1 : fsync(fd);
    if (fd >= 0) {
        close(fd);
    }
    return rc;
}

static bool put_file(const char *path, const struct buf *text)
{
    const int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    const char *p = buf_ptr(text);
    size_t left = buf_len(text);
    while (fd >= 0 && left > 0) {
        const ssize_t n = write(fd, p, left);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            break;
        }
        p += n;
        left -= (size_t)n;
    }
    const bool ok = fd >= 0 && left == 0 && fsync(fd) == 0;
    if (fd >= 0) {
        close(fd);
    }
    return ok;
}

// Summaries of what the folder held before.
static void remove_others(const char *dir, const char *path)
{
    DIR *folder = opendir(dir);
    struct dirent *f;
    while (folder != NULL && (f = readdir(folder)) != NULL) {
        char other[STORE_PATH];
        str_fmt(other, sizeof other, "%s/%s", dir, f->d_name);
        if (str_starts(f->d_name, "summary-") && strcmp(other, path) != 0) {
            (void)unlink(other);
        }
    }
    if (folder != NULL) {
        closedir(folder);
    }
}

static int keep(const struct child *c, const char *path, const struct buf *text, struct err *e)
{
    char tmp[STORE_PATH + 8], now[STORE_PATH];
    str_fmt(tmp, sizeof tmp, "%s.tmp", path);
    if (!put_file(tmp, text)) {
        (void)unlink(tmp);
        return err_set(e, ERR_IO, "%.180s: %s", tmp, strerror(errno));
    }
    // The parts may have become others meanwhile; then this is a summary of nothing.
    if (!fold_file_path(c->dir, now) || strcmp(now, path) != 0) {
        (void)unlink(tmp);
        return err_set(e, ERR_STATE, "the parts changed meanwhile");
    }
    if (rename(tmp, path) != 0 || sync_path(c->dir) != 0) {
        return err_set(e, ERR_IO, "%.180s: %s", path, strerror(errno));
    }
    remove_others(c->dir, path);
    return 0;
}

static int work(struct child *c, struct err *e)
{
    char path[STORE_PATH];
    struct buf text;
    if (!fold_file_path(c->dir, path)) {
        return err_set(e, ERR_STATE, "the store holds nothing of this day");
    }
    buf_init(&text, SUMMARY_TEXT_MAX + (SUMMARY_TEXT_MAX >> 1));
    int rc = read_day(c, e);
    rc = rc ? rc : fold(c, &text, e);
    rc = rc ? rc : keep(c, path, &text, e);
    if (rc == 0) {
        log_ev(LOG_INFO, "summary_made", F_STR("sym", c->ins.name), F_STR("file", path),
               F_UINT("trades", c->n), F_UINT("bytes", buf_len(&text)));
    }
    buf_release(&text);
    free(c->v);
    return rc;
}

int fold_child_main(int argc, char **argv)
{
    static struct child c;
    struct err e = {0};
    const char *kv[2 * FIELDS_MAX];
    size_t pairs = 0;
    struct instrument who;
    if (argc <= FIXED_ARGS || argc > FIXED_ARGS + FIELDS_MAX) {
        fprintf(stderr, "--fold-child is for the service itself\n");
        return 2;
    }
    c.store_dir = argv[2];
    c.memory = argv[3];
    c.lib = argv[4];
    for (int i = FIXED_ARGS; i < argc; i++) {
        char *eq = strchr(argv[i], '=');
        if (eq != NULL) {
            *eq = '\0';
            kv[2 * pairs] = argv[i];
            kv[2 * pairs + 1] = eq + 1;
            pairs++;
        }
    }
    if (parse_i64(argv[5], strlen(argv[5]), &c.day_ms) != 0 ||
        parse_i64(argv[6], strlen(argv[6]), &c.from_id) != 0 ||
        parse_i64(argv[7], strlen(argv[7]), &c.to_id) != 0 || c.day_ms < 0 ||
        c.day_ms != day_start_ms(c.day_ms) ||
        instrument_parse(argv[8], strlen(argv[8]), VENUE_BINANCE, &who, &e) != 0 ||
        instrument_from_fields(&who, kv, pairs, &c.ins, &e) != 0) {
        fprintf(stderr, "--fold-child: %s\n", e.text);
        return 2;
    }
    log_init(stderr, clock_system(), "backfill", "fold", LOG_INFO);
    store_day_path(c.store_dir, &c.ins, c.day_ms, c.dir);
    const int rc = work(&c, &e);
    if (rc != 0) {
        log_ev(LOG_INFO, "day_not_folded", F_STR("dir", c.dir), F_STR("why", e.text));
    }
    return rc != 0 ? 1 : 0;
}

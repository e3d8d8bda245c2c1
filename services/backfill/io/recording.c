#include "services/backfill/io/recording.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/base/str.h"
#include "services/backfill/core/rec_day.h"
#include "services/backfill/core/rec_lines.h"

#define SLICE 16384 // packed bytes per turn of the loop
#define WAITING_MAX 256
#define FILES_MAX 10000 // of a day
#define PATH 512

struct file {
    int64_t start_ms;
    char path[PATH];
};

struct recording {
    struct loop *loop;
    const char *dir;
    struct timer *turn;
    struct source_day waiting[WAITING_MAX]; // the first is being read
    size_t n;
    bool reading; // the first: all below is live
    struct rec_day day;
    struct file *file;
    size_t files, at;
    int fd; // -1: between two files
    struct rec_lines *lines;
    uint64_t bytes;
    struct frame_space space;
};

static void pop(struct recording *r, size_t i)
{
    memmove(&r->waiting[i], &r->waiting[i + 1], (--r->n - i) * sizeof r->waiting[0]);
}

static void close_file(struct recording *r)
{
    if (r->fd >= 0) {
        close(r->fd);
        r->fd = -1;
    }
    rec_lines_free(r->lines);
    r->lines = NULL;
}

static void drop(struct recording *r)
{
    if (r->reading) {
        close_file(r);
        rec_day_release(&r->day);
        free(r->file);
        r->file = NULL;
        r->reading = false;
    }
}

// ---- which files -------------------------------------------------------------------------------

static int by_start(const void *a, const void *b)
{
    const struct file *x = a, *y = b;
    if (x->start_ms != y->start_ms) {
        return x->start_ms < y->start_ms ? -1 : 1;
    }
    return strcmp(x->path, y->path);
}

static void list_folder(struct recording *r, const struct source_day *d, int64_t folder_ms)
{
    char day[16], folder[PATH - 64];
    const struct dirent *e;
    iso_day(folder_ms, day);
    if (!str_fmt(folder, sizeof folder, "%s/venue=%s/%s", r->dir, venue_name(d->ins->venue), day)) {
        return;
    }
    DIR *dir = opendir(folder);
    while (dir != NULL && r->files < FILES_MAX && (e = readdir(dir)) != NULL) {
        struct record_name name;
        struct stat st;
        struct file *f = &r->file[r->files];
        if (record_name_parse(day, e->d_name, &name) &&
            fstatat(dirfd(dir), e->d_name, &st, 0) == 0 && S_ISREG(st.st_mode) &&
            rec_day_wants(d->ins, d->start_ms, &name, (int64_t)st.st_mtime * 1000 + 999) &&
            str_fmt(f->path, sizeof f->path, "%s/%s", folder, e->d_name)) {
            f->start_ms = name.start_ms;
            r->files++;
        }
    }
    if (dir != NULL) {
        closedir(dir);
    }
}

static void list(struct recording *r, const struct source_day *d)
{
    const int64_t slack = rec_day_slack_ms(d->ins);
    const int64_t last = d->start_ms + MS_PER_DAY + slack;
    r->file = xcalloc(FILES_MAX, sizeof *r->file);
    r->files = r->at = 0;
    for (int64_t ms = day_start_ms(d->start_ms - slack); ms < last; ms += MS_PER_DAY) {
        list_folder(r, d, ms);
    }
    qsort(r->file, r->files, sizeof *r->file, by_start);
}

// ---- one day -----------------------------------------------------------------------------------

static void on_row(void *arg, const struct csv_row *row)
{
    const struct recording *r = arg;
    r->waiting[0].on_row(r->waiting[0].arg, row);
}

static void on_claim(void *arg, int64_t from_ms, int64_t to_ms)
{
    const struct recording *r = arg;
    if (r->waiting[0].on_claim != NULL) {
        r->waiting[0].on_claim(r->waiting[0].arg, from_ms, to_ms);
    }
}

static bool on_line(void *arg, const char *p, size_t n)
{
    struct recording *r = arg;
    return rec_day_line(&r->day, p, n);
}

static void begin(struct recording *r)
{
    const struct source_day *d = &r->waiting[0];
    list(r, d);
    rec_day_init(&r->day, d->ins, d->start_ms);
    r->day.space = &r->space;
    r->day.on_row = on_row;
    r->day.on_claim = on_claim;
    r->day.arg = r;
    r->bytes = 0;
    r->reading = true;
}

static void finish(struct recording *r)
{
    const struct source_day d = r->waiting[0];
    char day[16], why[96] = "";
    rec_day_end(&r->day);
    const struct rec_day *x = &r->day;
    const bool any = x->rows > 0 || x->claims > 0;
    if (!any) {
        str_fmt(why, sizeof why, "%s",
                x->other_kind > 0 ? "it was recorded from another kind of market (simulated or not)"
                : r->files > 0    ? "the recordings hold no trade of the day"
                                  : "nothing was recorded");
    }
    iso_day(d.start_ms, day);
    log_ev(LOG_INFO, any ? "recording_read" : "recording_absent", F_STR("sym", d.ins->name),
           F_STR("day", day), F_UINT("files", r->files), F_UINT("bytes", r->bytes),
           F_UINT("rows", x->rows), F_UINT("claims", x->claims), F_UINT("refused", x->refused),
           F_STR("why", why));
    drop(r);
    pop(r, 0);
    timer_start(r->turn, 0);
    d.on_done(d.arg, any ? SOURCE_DONE : SOURCE_ABSENT, why, "");
}

static void end_file(struct recording *r)
{
    rec_day_file_end(&r->day);
    close_file(r);
    r->at++;
}

static void slice(struct recording *r)
{
    static unsigned char bytes[SLICE];
    if (r->fd < 0) {
        r->fd = open(r->file[r->at].path, O_RDONLY | O_CLOEXEC);
        if (r->fd < 0) { // deleted since: what it held is not there
            r->at++;
            return;
        }
        r->lines = rec_lines_new(on_line, r);
    }
    const ssize_t n = read(r->fd, bytes, sizeof bytes);
    r->bytes += n > 0 ? (uint64_t)n : 0;
    if (n <= 0 || !rec_lines_feed(r->lines, bytes, (size_t)n)) {
        end_file(r);
    }
}

static void turn(void *arg)
{
    struct recording *r = arg;
    if (r->n == 0) {
        return;
    }
    if (!r->reading) {
        begin(r);
    } else if (!r->waiting[0].has_room(r->waiting[0].arg)) {
        return; // until it is kicked
    } else if (r->at < r->files) {
        slice(r);
    } else {
        finish(r);
        return;
    }
    timer_start(r->turn, 0);
}

// ---- who asks ----------------------------------------------------------------------------------

bool recording_read(struct recording *r, const struct source_day *d)
{
    if (recording_is_off(r) || r->n == WAITING_MAX) {
        return false;
    }
    r->waiting[r->n++] = *d;
    recording_kick(r);
    return true;
}

void recording_abort(struct recording *r, const void *arg)
{
    for (size_t i = 0; i < r->n; i++) {
        if (r->waiting[i].arg == arg) {
            if (i == 0) {
                drop(r);
            }
            pop(r, i);
            recording_kick(r);
            return;
        }
    }
}

void recording_kick(struct recording *r)
{
    if (r->n > 0 && !timer_is_running(r->turn)) {
        timer_start(r->turn, 0);
    }
}

bool recording_is_off(const struct recording *r)
{
    return r->dir[0] == '\0';
}

struct recording *recording_new(struct loop *loop, const char *dir)
{
    struct recording *r = xcalloc(1, sizeof *r);
    r->loop = loop;
    r->dir = dir;
    r->fd = -1;
    r->turn = timer_new(loop, turn, r);
    return r;
}

void recording_free(struct recording *r)
{
    if (r == NULL) {
        return;
    }
    drop(r);
    timer_free(r->turn);
    free(r);
}

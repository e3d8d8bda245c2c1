#include "services/exchange-sim/io/recording.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <zlib.h>

#include "common/base/buf.h"
#include "common/base/mem.h"
#include "common/base/str.h"
#include "common/feed/record.h"

#define MAX_LINE ((size_t)64 << 20) // a REST page is one line
#define BLOCK ((size_t)256 << 10)
#define BAD_SHOWN 20
#define FOLDERS 4 // <dir>/venue=<venue>/<day> and one above
#define PATH 1024

struct reading {
    struct tape *tape;
    const char *path, *symbol;
    const struct recording_report *report;
    int64_t line, bad;
};

static void add_line(struct reading *r, const char *p, size_t n)
{
    const char *why = "";
    r->line++;
    if (tape_add_line(r->tape, p, n, r->symbol, &why) == LINE_BAD && ++r->bad <= BAD_SHOWN) {
        r->report->on_bad_line(r->report->arg, r->path, r->line, why);
    }
}

// Takes all whole lines from the front of b.
static void take_lines(struct reading *r, struct buf *b)
{
    const char *nl;
    while ((nl = memchr(buf_ptr(b), '\n', buf_len(b))) != NULL) {
        size_t n = (size_t)(nl - buf_ptr(b));
        add_line(r, buf_ptr(b), n);
        buf_consume(b, n + 1);
    }
}

static int read_file(struct tape *t, const char *path, const char *dflt_symbol,
                     const struct recording_report *report, struct err *e)
{
    char symbol[32];
    struct reading r = {.tape = t, .path = path, .report = report};
    if (line_symbol_of_name(path, symbol)) {
        r.symbol = symbol;
    } else if (dflt_symbol[0] != '\0') {
        r.symbol = dflt_symbol;
    }
    gzFile f = gzopen(path, "rb");
    if (f == NULL) {
        return err_set(e, ERR_IO, "%s: %s", path, strerror(errno));
    }
    tape_next_file(t);
    struct buf b;
    buf_init(&b, MAX_LINE);
    int rc = 0;
    int got;
    do {
        char *room = buf_reserve(&b, BLOCK);
        if (room == NULL) {
            rc = err_set(e, ERR_LIMIT, "%s: line %lld is longer than %zu bytes", path,
                         (long long)r.line + 1, MAX_LINE);
            break;
        }
        got = gzread(f, room, (unsigned)BLOCK);
        if (got > 0) {
            buf_commit(&b, (size_t)got);
            take_lines(&r, &b);
        }
    } while (got > 0);
    int zrc = Z_OK;
    const char *zwhy = gzerror(f, &zrc);
    if (rc == 0 && zrc != Z_OK && zrc != Z_STREAM_END && zrc != Z_BUF_ERROR) {
        rc = err_set(e, ERR_IO, "%s: %s", path, zrc == Z_ERRNO ? strerror(errno) : zwhy);
    }
    if (rc == 0 && buf_len(&b) > 0 && zrc != Z_BUF_ERROR) { // cut short: no whole line
        add_line(&r, buf_ptr(&b), buf_len(&b));
    }
    buf_release(&b);
    gzclose_r(f);
    if (rc == 0) {
        report->on_file(report->arg, path, r.line, r.bad);
    }
    return rc;
}

// ---- a folder of own recordings ----------------------------------------------------------------

struct own_file {
    int64_t start_ms;
    char *path;
};

struct own_files {
    struct own_file *at;
    size_t n, cap;
};

static void collect(struct own_files *f, const char *folder, int depth)
{
    const char *slash = strrchr(folder, '/');
    const char *day = slash != NULL ? slash + 1 : folder;
    const struct dirent *e;
    DIR *dir = opendir(folder);
    while (dir != NULL && (e = readdir(dir)) != NULL) {
        char path[PATH];
        struct record_name name;
        struct stat st;
        if (e->d_name[0] == '.' || !str_fmt(path, sizeof path, "%s/%s", folder, e->d_name) ||
            stat(path, &st) != 0) {
            continue;
        }
        if (S_ISDIR(st.st_mode) && depth > 1) {
            collect(f, path, depth - 1);
        } else if (S_ISREG(st.st_mode) && record_name_parse(day, e->d_name, &name)) {
            if (f->n == f->cap) {
                f->cap = f->cap * 2 + 64;
                f->at = xrealloc(f->at, f->cap * sizeof *f->at);
            }
            f->at[f->n++] = (struct own_file){name.start_ms, xstrdup(path)};
        }
    }
    if (dir != NULL) {
        closedir(dir);
    }
}

static int by_start(const void *a, const void *b)
{
    const struct own_file *x = a;
    const struct own_file *y = b;
    if (x->start_ms != y->start_ms) {
        return x->start_ms < y->start_ms ? -1 : 1;
    }
    return strcmp(x->path, y->path);
}

static int read_folder(struct tape *t, const char *folder, const struct recording_report *report,
                       struct err *e)
{
    struct own_files f = {0};
    char clean[PATH];
    size_t n = strlen(folder);
    while (n > 1 && folder[n - 1] == '/') {
        n--;
    }
    str_copyn(clean, sizeof clean, folder, n);
    collect(&f, clean, FOLDERS);
    int rc = f.n > 0 ? 0 : err_set(e, ERR_STATE, "%s: no recording in this folder", folder);
    if (f.n > 0) {
        qsort(f.at, f.n, sizeof *f.at, by_start);
    }
    for (size_t i = 0; i < f.n; i++) {
        rc = rc == 0 ? read_file(t, f.at[i].path, "", report, e) : rc;
        free(f.at[i].path);
    }
    free(f.at);
    return rc;
}

int recording_read(struct tape *t, const char *path, const char *dflt_symbol,
                   const struct recording_report *report, struct err *e)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISDIR(st.st_mode) ? read_folder(t, path, report, e)
                                                       : read_file(t, path, dflt_symbol, report, e);
}

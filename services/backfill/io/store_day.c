#include "services/backfill/io/store_day.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/buf.h"
#include "common/base/clock.h"
#include "common/base/json.h"
#include "common/base/mem.h"
#include "common/base/str.h"

#define JSON_MAX ((size_t)8 << 20)
#define SCHEMA 1

void store_day_path(const char *store_dir, const struct instrument *ins, int64_t day_start_ms,
                    char out[STORE_PATH])
{
    char day[16];
    iso_day(day_start_ms, day);
    str_fmt(out, STORE_PATH, "%s%s/venue=%s/symbol=%s/date=%s", store_dir,
            ins->simulated ? "/simulated" : "", venue_name(ins->venue), ins->symbol, day);
}

void store_part_path(const char *dir, int number, const char *end, char out[STORE_PATH])
{
    str_fmt(out, STORE_PATH, "%s/part-%04d.parquet%s", dir, number, end);
}

// ---- entries
// -------------------------------------------------------------------------------------

struct store_part *store_day_add(struct store_day *d, int number)
{
    if (d->n % 16 == 0) {
        d->part = xrealloc(d->part, (d->n + 16) * sizeof *d->part);
    }
    struct store_part *p = &d->part[d->n++];
    memset(p, 0, sizeof *p);
    p->number = number;
    p->first_id = p->last_id = p->first_ms = p->last_ms = -1;
    p->claims = xstrdup("");
    return p;
}

void store_day_drop(struct store_day *d, size_t i)
{
    free(d->part[i].claims);
    d->n--;
    memmove(&d->part[i], &d->part[i + 1], (d->n - i) * sizeof *d->part);
}

void store_day_release(struct store_day *d)
{
    for (size_t i = 0; i < d->n; i++) {
        free(d->part[i].claims);
    }
    free(d->part);
    memset(d, 0, sizeof *d);
}

const struct store_part *store_day_whole(const struct store_day *d)
{
    for (size_t i = d->n; i > 0; i--) {
        if (d->part[i - 1].known && d->part[i - 1].whole) {
            return &d->part[i - 1];
        }
    }
    return NULL;
}

static int by_number(const void *a, const void *b)
{
    const struct store_part *x = a, *y = b;
    return x->number < y->number ? -1 : x->number > y->number;
}

// ---- reading
// -------------------------------------------------------------------------------------

static int take_entry(const json_t *o, struct store_part *p, struct err *e)
{
    const char *source, *sha, *claims;
    const struct {
        const char *key;
        int64_t *out;
    } number[] = {{"bytes", &p->bytes},     {"rows", &p->rows},         {"first_id", &p->first_id},
                  {"last_id", &p->last_id}, {"first_ms", &p->first_ms}, {"last_ms", &p->last_ms}};
    for (size_t i = 0; i < sizeof number / sizeof number[0]; i++) {
        if (json_get_i64(o, number[i].key, number[i].out, e) != 0) {
            return e->code;
        }
    }
    if (json_get_str(o, "source", &source, e) != 0 || json_get_str(o, "sha256", &sha, e) != 0 ||
        json_get_str(o, "claims", &claims, e) != 0) {
        return e->code;
    }
    str_copy(p->source, sizeof p->source, source);
    str_copy(p->sha256, sizeof p->sha256, sha);
    free(p->claims);
    p->claims = xstrdup(claims);
    p->by_id = json_is_true(json_object_get(o, "by_id"));
    p->whole = json_is_true(json_object_get(o, "whole"));
    p->known = true;
    return 0;
}

static char *read_text(const char *path, size_t *n)
{
    struct stat st;
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    char *text = NULL;
    *n = 0;
    if (fd >= 0 && fstat(fd, &st) == 0 && st.st_size >= 0 && (size_t)st.st_size <= JSON_MAX) {
        text = xmalloc((size_t)st.st_size + 1);
        const ssize_t got = read(fd, text, (size_t)st.st_size);
        *n = got > 0 ? (size_t)got : 0;
    }
    if (fd >= 0) {
        close(fd);
    }
    return text;
}

// Entries of day.json; one that can not be understood counts as not there.
static void read_json(struct store_day *d, const char *dir)
{
    char path[STORE_PATH];
    struct err e = {0};
    size_t n, i;
    const json_t *o;
    str_fmt(path, sizeof path, "%s/day.json", dir);
    char *text = read_text(path, &n);
    json_t *tree = text != NULL ? json_parse(text, n, &e) : NULL;
    int64_t schema = 0, number;
    if (tree != NULL && json_get_i64(tree, "schema", &schema, &e) == 0 && schema == SCHEMA) {
        json_array_foreach(json_object_get(tree, "parts"), i, o)
        {
            if (json_get_i64(o, "part", &number, &e) == 0 && number >= 0 && number < 1000000 &&
                d->n < STORE_PARTS && take_entry(o, store_day_add(d, (int)number), &e) != 0) {
                store_day_drop(d, d->n - 1);
            }
        }
    }
    json_decref(tree);
    free(text);
}

static struct store_part *find(struct store_day *d, int number)
{
    for (size_t i = 0; i < d->n; i++) {
        if (d->part[i].number == number) {
            return &d->part[i];
        }
    }
    return NULL;
}

static void look_at(struct store_day *d, bool *seen, const char *dir, int number)
{
    char path[STORE_PATH];
    struct stat st;
    store_part_path(dir, number, "", path);
    if (stat(path, &st) != 0 || !S_ISREG(st.st_mode)) {
        return;
    }
    struct store_part *p = find(d, number);
    if (p == NULL) {
        p = store_day_add(d, number);
    } else if (p->bytes != st.st_size) {
        p->known = false;
        d->damaged = true;
    }
    p->bytes = st.st_size;
    seen[p - d->part] = true;
}

int store_day_load(struct store_day *d, const char *dir, struct err *e)
{
    struct dirent *f;
    memset(d, 0, sizeof *d);
    DIR *folder = opendir(dir);
    if (folder == NULL) {
        return errno == ENOENT ? 0 : err_set(e, ERR_IO, "%.180s: %s", dir, strerror(errno));
    }
    bool *seen = xcalloc(2 * STORE_PARTS, sizeof *seen);
    read_json(d, dir);
    while ((f = readdir(folder)) != NULL) {
        int64_t number;
        const size_t len = strlen(f->d_name);
        if (str_starts(f->d_name, "part-") && str_ends(f->d_name, ".parquet") &&
            d->n < STORE_PARTS && parse_i64(f->d_name + 5, len - 13, &number) == 0 && number >= 0 &&
            number < 1000000) {
            look_at(d, seen, dir, (int)number);
        }
    }
    closedir(folder);
    for (size_t i = d->n; i > 0; i--) {
        if (!seen[i - 1]) {
            d->damaged = true;
            store_day_drop(d, i - 1);
        }
    }
    free(seen);
    if (d->n > 1) {
        qsort(d->part, d->n, sizeof *d->part, by_number);
    }
    return 0;
}

bool store_has_whole_day(const char *store_dir, const struct instrument *ins, int64_t day_start_ms,
                         struct store_part *out)
{
    static char none[] = "";
    char dir[STORE_PATH];
    struct store_day d;
    struct err e = {0};
    store_day_path(store_dir, ins, day_start_ms, dir);
    if (store_day_load(&d, dir, &e) != 0) {
        return false;
    }
    const struct store_part *p = store_day_whole(&d);
    if (p != NULL && out != NULL) {
        *out = *p;
        out->claims = none;
    }
    store_day_release(&d);
    return p != NULL;
}

// ---- writing
// -------------------------------------------------------------------------------------

static int put_file(const char *path, const char *text, size_t n)
{
    const int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    const bool ok = fd >= 0 && write(fd, text, n) == (ssize_t)n && fsync(fd) == 0;
    if (fd >= 0) {
        close(fd);
    }
    return ok ? 0 : -1;
}

int store_day_save(const struct store_day *d, const char *dir, struct err *e)
{
    char tmp[STORE_PATH], path[STORE_PATH];
    struct buf b;
    struct jw w;
    const struct store_part *whole = store_day_whole(d);
    buf_init(&b, JSON_MAX);
    jw_init(&w, &b);
    jw_obj(&w);
    jw_kint(&w, "schema", SCHEMA);
    jw_kbool(&w, "whole", whole != NULL);
    if (whole != NULL) {
        jw_kint(&w, "trades", whole->rows);
    }
    jw_key(&w, "parts");
    jw_arr(&w);
    for (size_t i = 0; i < d->n; i++) {
        const struct store_part *p = &d->part[i];
        if (!p->known) {
            continue;
        }
        jw_obj(&w);
        jw_kint(&w, "part", p->number);
        jw_kint(&w, "bytes", p->bytes);
        jw_kint(&w, "rows", p->rows);
        jw_kint(&w, "first_id", p->first_id);
        jw_kint(&w, "last_id", p->last_id);
        jw_kint(&w, "first_ms", p->first_ms);
        jw_kint(&w, "last_ms", p->last_ms);
        jw_kbool(&w, "by_id", p->by_id);
        jw_kbool(&w, "whole", p->whole);
        jw_kstr(&w, "source", p->source);
        jw_kstr(&w, "sha256", p->sha256);
        jw_kstr(&w, "claims", p->claims);
        jw_end_obj(&w);
    }
    jw_end_arr(&w);
    jw_end_obj(&w);
    buf_addc(&b, '\n');
    str_fmt(tmp, sizeof tmp, "%s/day.json.tmp", dir);
    str_fmt(path, sizeof path, "%s/day.json", dir);
    const bool ok =
        !b.failed && put_file(tmp, buf_ptr(&b), buf_len(&b)) == 0 && rename(tmp, path) == 0;
    const int rc = ok ? 0 : err_set(e, ERR_IO, "%.180s: %s", path, strerror(errno));
    buf_release(&b);
    return rc;
}

int store_day_lock(const char *dir, bool exclusive, bool wait)
{
    const int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) {
        return -1;
    }
    while (flock(fd, (exclusive ? LOCK_EX : LOCK_SH) | (wait ? 0 : LOCK_NB)) != 0) {
        if (errno != EINTR) {
            close(fd);
            return -1;
        }
    }
    return fd;
}

void store_day_unlock(int fd)
{
    if (fd >= 0) {
        close(fd);
    }
}

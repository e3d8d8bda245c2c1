#include "services/backfill/io/store_child.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/buf.h"
#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/base/str.h"
#include "services/backfill/core/digest.h"
#include "services/backfill/io/duck.h"

#define SQL_MAX 16384
#define PARTS 4096
#define COLUMNS 5

struct child {
    struct duck d;
    const char *dir, *lib, *source, *sha256;
    int64_t price_scale, qty_scale, memory_mb;
    int part[PARTS]; // numbers of the parts there, ascending
    size_t n;
};

// ---- files
// ---------------------------------------------------------------------------------------

static int by_number(const void *a, const void *b)
{
    const int x = *(const int *)a, y = *(const int *)b;
    return x < y ? -1 : x > y;
}

static int make_folders(const char *dir)
{
    char path[600];
    str_fmt(path, sizeof path, "%s/", dir);
    for (char *p = path + 1; *p != '\0'; p++) {
        if (*p == '/') {
            *p = '\0';
            if (mkdir(path, 0755) != 0 && errno != EEXIST) {
                return -1;
            }
            *p = '/';
        }
    }
    return 0;
}

// Finds the parts; removes what a killed writer left.
static void look(struct child *c)
{
    DIR *dir = opendir(c->dir);
    struct dirent *f;
    c->n = 0;
    while (dir != NULL && (f = readdir(dir)) != NULL) {
        int64_t number;
        const size_t len = strlen(f->d_name);
        if (str_starts(f->d_name, "part-") && str_ends(f->d_name, ".parquet") && c->n < PARTS &&
            parse_i64(f->d_name + 5, len - 13, &number) == 0 && number < 1000000) {
            c->part[c->n++] = (int)number;
        }
    }
    if (dir != NULL) {
        closedir(dir);
    }
    qsort(c->part, c->n, sizeof c->part[0], by_number);
}

static void path_of(const struct child *c, int number, const char *end, char out[640])
{
    str_fmt(out, 640, "%s/part-%04d.parquet%s", c->dir, number, end);
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

static void quote(struct buf *b, const char *s)
{
    buf_addc(b, '\'');
    for (; *s != '\0'; s++) {
        buf_addc(b, *s);
        if (*s == '\'') {
            buf_addc(b, '\'');
        }
    }
    buf_addc(b, '\'');
}

// ['a','b'] of all parts.
static void quote_parts(struct child *c, struct buf *b)
{
    char path[640];
    buf_addc(b, '[');
    for (size_t i = 0; i < c->n; i++) {
        path_of(c, c->part[i], "", path);
        buf_adds(b, i > 0 ? "," : "");
        quote(b, path);
    }
    buf_addc(b, ']');
}

static int run(struct child *c, struct buf *sql, struct err *e)
{
    const int rc =
        sql->failed ? err_set(e, ERR_LIMIT, "too many parts") : duck_run(&c->d, buf_cstr(sql), e);
    buf_clear(sql);
    return rc;
}

// SHA-256 of a file; false when it can not be read.
static bool hash_file(const char *path, char hex[DIGEST_HEX])
{
    static char bytes[1 << 16];
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = -1;
    if (fd < 0) {
        return false;
    }
    struct digest *d = digest_new();
    while ((n = read(fd, bytes, sizeof bytes)) > 0) {
        digest_add(d, bytes, (size_t)n);
    }
    digest_end_free(d, hex);
    close(fd);
    return n == 0;
}

// The sum beside a part, written before the part gets its name: DuckDB takes a file whose values
// were spoilt for a good one, as long as its footer is whole.
static bool write_sum(const struct child *c, int number, const char *tmp)
{
    char hex[DIGEST_HEX], path[640], text[96];
    if (!hash_file(tmp, hex)) {
        return false;
    }
    str_fmt(text, sizeof text, "%s  part-%04d.parquet\n", hex, number);
    path_of(c, number, ".sha256", path);
    const int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    const size_t n = strlen(text);
    const bool ok = fd >= 0 && write(fd, text, n) == (ssize_t)n && fsync(fd) == 0;
    if (fd >= 0) {
        close(fd);
    }
    return ok;
}

static bool is_whole(const struct child *c, int number, const char *path)
{
    char sum[640], name[32], text[160], want[DIGEST_HEX], hex[DIGEST_HEX];
    path_of(c, number, ".sha256", sum);
    str_fmt(name, sizeof name, "part-%04d.parquet", number);
    const int fd = open(sum, O_RDONLY | O_CLOEXEC);
    const ssize_t n = fd >= 0 ? read(fd, text, sizeof text) : -1;
    if (fd >= 0) {
        close(fd);
    }
    return n > 0 && checksum_of(text, (size_t)n, name, want) && hash_file(path, hex) &&
           strcmp(want, hex) == 0;
}

// Parts that are not what was written are set aside, so that one bad file does not cost a day.
static void sift(struct child *c)
{
    size_t kept = 0;
    for (size_t i = 0; i < c->n; i++) {
        char path[640], bad[660];
        path_of(c, c->part[i], "", path);
        if (is_whole(c, c->part[i], path)) {
            c->part[kept++] = c->part[i];
            continue;
        }
        str_fmt(bad, sizeof bad, "%s.bad", path);
        log_ev(LOG_WARN, "part_set_aside", F_STR("file", path),
               F_STR("why", "its SHA-256 is not the one beside it"));
        if (rename(path, bad) != 0) {
            unlink(path);
        }
    }
    c->n = kept;
}

// ---- writing
// -------------------------------------------------------------------------------------

// The rows of `from` become the part `number`: temporary name, sync, rename, sync of the folder.
static int write_part(struct child *c, int number, const char *from, struct err *e)
{
    char tmp[640], path[640];
    struct buf sql;
    int rc;
    path_of(c, number, ".tmp", tmp);
    path_of(c, number, "", path);
    buf_init(&sql, SQL_MAX);
    buf_addf(&sql,
             "COPY (SELECT DISTINCT ON (ts_ms, id) ts_ms, id, price, qty, side FROM %s ORDER BY "
             "ts_ms, id) TO ",
             from);
    quote(&sql, tmp);
    buf_adds(&sql, " (FORMAT parquet, COMPRESSION zstd, KV_METADATA {source: ");
    quote(&sql, c->source);
    buf_adds(&sql, ", sha256: ");
    quote(&sql, c->sha256);
    buf_adds(&sql, ", writer: 'botcrypto4'})");
    rc = run(c, &sql, e);
    buf_release(&sql);
    if (rc != 0) {
        unlink(tmp);
        return rc;
    }
    if (sync_path(tmp) != 0 || !write_sum(c, number, tmp) || rename(tmp, path) != 0 ||
        sync_path(c->dir) != 0) {
        return err_set(e, ERR_IO, "%s: %s", path, strerror(errno));
    }
    return 0;
}

static int merge(struct child *c, struct err *e)
{
    struct buf from;
    look(c);
    if (c->n <= STORE_PARTS_MAX) {
        return 0;
    }
    sift(c);
    if (c->n < 2) {
        return 0;
    }
    buf_init(&from, SQL_MAX);
    buf_adds(&from, "read_parquet(");
    quote_parts(c, &from);
    buf_addc(&from, ')');
    c->source = "merged";
    c->sha256 = "";
    int rc = from.failed ? 0 : write_part(c, c->part[c->n - 1] + 1, buf_cstr(&from), e);
    // Killed in between, the same trades are there twice, which reading does not mind.
    for (size_t i = 0; rc == 0 && !from.failed && i < c->n; i++) {
        char path[640];
        path_of(c, c->part[i], "", path);
        unlink(path);
        path_of(c, c->part[i], ".sha256", path);
        unlink(path);
    }
    buf_release(&from);
    return rc;
}

static size_t read_rows(struct store_row *rows, size_t max)
{
    size_t got = 0;
    char *p = (char *)rows;
    while (got < max * sizeof *rows) {
        const ssize_t n = read(STDIN_FILENO, p + got, max * sizeof *rows - got);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            break;
        }
        got += (size_t)n;
    }
    return got / sizeof *rows;
}

static int take_rows(struct child *c, uint64_t *all, struct err *e)
{
    struct duck *d = &c->d;
    const size_t max = (size_t)d->vector_size();
    struct store_row *rows = xcalloc(max, sizeof *rows);
    void *type[COLUMNS] = {d->create_logical_type(DUCK_BIGINT), d->create_logical_type(DUCK_BIGINT),
                           d->create_decimal_type(18, (uint8_t)c->price_scale),
                           d->create_decimal_type(18, (uint8_t)c->qty_scale),
                           d->create_logical_type(DUCK_UTINYINT)};
    void *chunk = d->create_data_chunk(type, COLUMNS), *appender = NULL;
    size_t n;
    int rc = 0;
    if (d->appender_create(d->con, NULL, "t", &appender) != 0) {
        rc = err_set(e, ERR_IO, "libduckdb: no appender");
    }
    while (rc == 0 && (n = read_rows(rows, max)) > 0) {
        int64_t *v[4];
        uint8_t *buy;
        d->data_chunk_reset(chunk);
        for (uint64_t k = 0; k < 4; k++) {
            v[k] = d->vector_get_data(d->data_chunk_get_vector(chunk, k));
        }
        buy = d->vector_get_data(d->data_chunk_get_vector(chunk, 4));
        for (size_t i = 0; i < n; i++) {
            v[0][i] = rows[i].ts_ms;
            v[1][i] = rows[i].id;
            v[2][i] = rows[i].price;
            v[3][i] = rows[i].qty;
            buy[i] = rows[i].buy;
        }
        d->data_chunk_set_size(chunk, n);
        rc = d->append_data_chunk(appender, chunk) != 0
                 ? err_set(e, ERR_IO, "libduckdb takes no rows")
                 : 0;
        *all += n;
    }
    if (appender != NULL && d->appender_destroy(&appender) != 0 && rc == 0) {
        rc = err_set(e, ERR_IO, "libduckdb takes no rows");
    }
    d->destroy_data_chunk(&chunk);
    for (size_t i = 0; i < COLUMNS; i++) {
        d->destroy_logical_type(&type[i]);
    }
    free(rows);
    return rc;
}

static int write_day(struct child *c, struct err *e)
{
    char sql[400];
    uint64_t rows = 0;
    str_fmt(
        sql, sizeof sql,
        "CREATE TABLE t (ts_ms BIGINT, id BIGINT, price DECIMAL(18,%d), qty DECIMAL(18,%d), buy "
        "UTINYINT)",
        (int)c->price_scale, (int)c->qty_scale);
    int rc = duck_run(&c->d, sql, e);
    rc = rc != 0 ? rc : take_rows(c, &rows, e);
    if (rc != 0 || rows == 0) {
        return rc;
    }
    if (make_folders(c->dir) != 0) {
        return err_set(e, ERR_IO, "%s: %s", c->dir, strerror(errno));
    }
    look(c);
    rc = write_part(c, c->n > 0 ? c->part[c->n - 1] + 1 : 0,
                    "(SELECT ts_ms, id, price, qty, CASE buy WHEN 1 THEN 'buy' ELSE 'sell' END AS "
                    "side FROM t)",
                    e);
    return rc != 0 ? rc : merge(c, e);
}

// ---- reading
// -------------------------------------------------------------------------------------

static int put_all(const void *bytes, size_t n)
{
    const char *p = bytes;
    while (n > 0) {
        const ssize_t put = write(STDOUT_FILENO, p, n);
        if (put < 0 && errno == EINTR) {
            continue;
        }
        if (put <= 0) {
            return -1;
        }
        p += put;
        n -= (size_t)put;
    }
    return 0;
}

static int put_chunk(struct duck *d, void *chunk, struct store_row *rows)
{
    const size_t n = (size_t)d->data_chunk_get_size(chunk);
    const int64_t *v[4];
    for (uint64_t k = 0; k < 4; k++) {
        v[k] = d->vector_get_data(d->data_chunk_get_vector(chunk, k));
    }
    const uint8_t *buy = d->vector_get_data(d->data_chunk_get_vector(chunk, 4));
    for (size_t i = 0; i < n; i++) {
        rows[i] = (struct store_row){
            .ts_ms = v[0][i], .id = v[1][i], .price = v[2][i], .qty = v[3][i], .buy = buy[i]};
    }
    return put_all(rows, n * sizeof *rows);
}

static int read_day(struct child *c, struct err *e)
{
    struct buf sql;
    struct duck_result r;
    int rc = 0;
    look(c);
    sift(c);
    if (c->n == 0) {
        return 0;
    }
    buf_init(&sql, SQL_MAX * 8);
    // By id: the reader makes runs of consecutive ids of them. One part alone holds no copies.
    buf_addf(&sql,
             "SELECT %s ts_ms, id, price::DECIMAL(18,%d), qty::DECIMAL(18,%d), (side = "
             "'buy')::UTINYINT FROM read_parquet(",
             c->n > 1 ? "DISTINCT ON (id)" : "", (int)c->price_scale, (int)c->qty_scale);
    quote_parts(c, &sql);
    buf_adds(&sql, ") ORDER BY id");
    memset(&r, 0, sizeof r);
    if (c->d.query(c->d.con, buf_cstr(&sql), &r) != 0) {
        const char *why = c->d.result_error(&r);
        rc = err_set(e, ERR_IO, "%.200s", why != NULL ? why : "?");
    }
    struct store_row *rows = xcalloc((size_t)c->d.vector_size(), sizeof *rows);
    void *chunk;
    while (rc == 0 && (chunk = c->d.fetch_chunk(r)) != NULL) {
        rc = put_chunk(&c->d, chunk, rows) != 0 ? err_set(e, ERR_CLOSED, "nobody reads") : 0;
        c->d.destroy_data_chunk(&chunk);
    }
    free(rows);
    c->d.destroy_result(&r);
    buf_release(&sql);
    return rc;
}

int store_child_main(int argc, char **argv)
{
    static struct child c;
    struct err e = {0};
    char tmp[640];
    const bool writes = argc == 10 && strcmp(argv[2], "write") == 0;
    if (!writes && !(argc == 8 && strcmp(argv[2], "read") == 0)) {
        fprintf(stderr, "--store-child is for the service itself\n");
        return 2;
    }
    c.dir = argv[3];
    c.lib = argv[7];
    c.source = writes ? argv[8] : "";
    c.sha256 = writes ? argv[9] : "";
    if (parse_i64(argv[4], strlen(argv[4]), &c.price_scale) != 0 || c.price_scale < 0 ||
        c.price_scale > 10 || parse_i64(argv[5], strlen(argv[5]), &c.qty_scale) != 0 ||
        c.qty_scale < 0 || c.qty_scale > 10 ||
        parse_i64(argv[6], strlen(argv[6]), &c.memory_mb) != 0) {
        return 2;
    }
    log_init(stderr, clock_system(), "backfill", "store", LOG_INFO);
    str_fmt(tmp, sizeof tmp, "%s/tmp", c.dir);
    if (duck_open(&c.d, c.lib, c.memory_mb, tmp, &e) != 0) {
        log_ev(LOG_INFO, "library_absent", F_STR("why", e.text));
        return 3;
    }
    const int rc = writes ? write_day(&c, &e) : read_day(&c, &e);
    if (rc != 0) {
        log_ev(LOG_WARN, "store_child_failed", F_STR("dir", c.dir), F_STR("why", e.text));
    }
    duck_close(&c.d);
    return rc != 0 ? 1 : 0;
}

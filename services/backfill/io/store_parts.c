// The parts of a day as files and as SQL.

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/base/str.h"
#include "services/backfill/core/digest.h"
#include "services/backfill/io/store_work.h"

// ---- SQL
// -----------------------------------------------------------------------------------------

void sql_quote(struct buf *b, const char *s)
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

int sql_run(struct child *c, struct buf *sql, struct err *e)
{
    const int rc = sql->failed ? err_set(e, ERR_LIMIT, "the statement is too long")
                               : duck_run(&c->d, buf_cstr(sql), e);
    buf_clear(sql);
    return rc;
}

// A decimal at the wanted scale; rounding would be a lie.
static void add_exact(struct buf *b, const char *column, int64_t scale)
{
    buf_addf(b,
             "CASE WHEN %s::DECIMAL(18,%lld) = %s THEN %s::DECIMAL(18,%lld) ELSE error('%s has "
             "more decimals than the instrument') END AS %s",
             column, (long long)scale, column, column, (long long)scale, column, column);
}

static void add_part(const struct child *c, struct buf *b, int number)
{
    char path[STORE_PATH];
    const bool uids = c->venue == VENUE_BYBIT;
    store_part_path(c->dir, number, "", path);
    buf_adds(b, uids ? "SELECT ts_ms, coalesce(seq, 0) AS id, " : "SELECT ts_ms, id, ");
    add_exact(b, "price", c->price_scale);
    buf_adds(b, ", ");
    add_exact(b, "qty", c->qty_scale);
    buf_adds(b, ", (side = 'buy')::UTINYINT AS buy");
    if (uids) {
        buf_adds(b, ", uid::UUID AS uid, (CASE flags WHEN '' THEN 0 WHEN 'block' THEN 1 WHEN 'rpi' "
                    "THEN 2 ELSE 3 END)::UTINYINT AS flags");
    }
    buf_adds(b, " FROM read_parquet(");
    sql_quote(b, path);
    buf_addc(b, ')');
}

void sql_parts(const struct child *c, struct buf *b)
{
    for (size_t i = 0; i < c->day.n; i++) {
        buf_adds(b, i > 0 ? " UNION ALL " : "");
        add_part(c, b, c->day.part[i].number);
    }
}

void sql_once(const struct child *c, struct buf *b, const char *from)
{
    if (c->venue == VENUE_BYBIT) {
        // Of two copies one may know its seq, or a flag, that the other does not.
        buf_addf(b,
                 "SELECT ts_ms, max(id) AS id, price, qty, buy, uid, bit_or(flags) AS flags FROM "
                 "(%s) GROUP BY ts_ms, price, qty, buy, uid",
                 from);
    } else {
        buf_addf(b, "SELECT DISTINCT ON (id) ts_ms, id, price, qty, buy FROM (%s)", from);
    }
}

// ---- files
// ---------------------------------------------------------------------------------------

// SHA-256 of a file; false when it can not be read.
static bool hash_file(const char *path, char hex[DIGEST_HEX])
{
    static char bytes[1 << 18];
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

// Written before the part gets its name: DuckDB takes a file whose values were spoilt for a good
// one, as long as its footer is whole.
bool part_sum(const struct child *c, int number, const char *file)
{
    char hex[DIGEST_HEX], path[STORE_PATH], text[96];
    if (!hash_file(file, hex)) {
        return false;
    }
    str_fmt(text, sizeof text, "%s  part-%04d.parquet\n", hex, number);
    store_part_path(c->dir, number, ".sha256", path);
    const int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    const size_t n = strlen(text);
    const bool ok = fd >= 0 && write(fd, text, n) == (ssize_t)n && fsync(fd) == 0;
    if (fd >= 0) {
        close(fd);
    }
    return ok;
}

bool part_is_whole(const struct child *c, int number)
{
    char path[STORE_PATH], name[32], text[160], want[DIGEST_HEX], hex[DIGEST_HEX];
    store_part_path(c->dir, number, ".sha256", path);
    str_fmt(name, sizeof name, "part-%04d.parquet", number);
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    const ssize_t n = fd >= 0 ? read(fd, text, sizeof text) : -1;
    if (fd >= 0) {
        close(fd);
    }
    store_part_path(c->dir, number, "", path);
    return n > 0 && checksum_of(text, (size_t)n, name, want) && hash_file(path, hex) &&
           strcmp(want, hex) == 0;
}

void part_set_aside(struct child *c, size_t i, const char *why)
{
    char path[STORE_PATH], bad[STORE_PATH];
    store_part_path(c->dir, c->day.part[i].number, "", path);
    store_part_path(c->dir, c->day.part[i].number, ".bad", bad);
    log_ev(LOG_WARN, "part_set_aside", F_STR("file", path), F_STR("why", why));
    if (rename(path, bad) != 0 && errno != ENOENT) {
        unlink(path);
    }
    store_day_drop(&c->day, i);
}

void part_remove(struct child *c, size_t i)
{
    char path[STORE_PATH];
    store_part_path(c->dir, c->day.part[i].number, "", path);
    unlink(path);
    store_part_path(c->dir, c->day.part[i].number, ".sha256", path);
    unlink(path);
    store_day_drop(&c->day, i);
}

// ---- facts
// ---------------------------------------------------------------------------------------

static void count_chunk(struct part_facts *f, const int64_t *ts, const int64_t *id, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (f->rows++ == 0) {
            f->first_ms = ts[i];
            f->first_id = f->last_id = id[i];
        } else {
            f->sorted =
                f->sorted && (ts[i] > f->last_ms || (ts[i] == f->last_ms && id[i] >= f->last_id));
            f->by_id = f->by_id && id[i] > f->last_id;
            f->copies += id[i] == f->last_id;
            if (id[i] > f->last_id + 1) {
                f->holes++;
                f->missing += id[i] - f->last_id - 1;
            }
        }
        f->last_ms = ts[i];
        f->last_id = id[i];
    }
}

int part_facts(struct child *c, const char *file, struct part_facts *f, struct err *e)
{
    struct duck_scan s;
    struct buf sql;
    int rc;
    memset(f, 0, sizeof *f);
    f->first_id = f->last_id = f->first_ms = f->last_ms = -1;
    f->sorted = f->by_id = true;
    buf_init(&sql, SQL_MAX);
    buf_adds(&sql, c->venue == VENUE_BYBIT ? "SELECT ts_ms, coalesce(seq, 0) FROM read_parquet("
                                           : "SELECT ts_ms, id FROM read_parquet(");
    sql_quote(&sql, file);
    buf_addc(&sql, ')');
    rc = duck_scan_open(&s, &c->d, buf_cstr(&sql), e);
    while (rc == 0 && (rc = duck_scan_next(&s, e)) == 1) {
        count_chunk(f, duck_scan_column(&s, 0), duck_scan_column(&s, 1), s.n);
        rc = 0;
    }
    duck_scan_close(&s);
    buf_release(&sql);
    return rc;
}

void part_take_facts(struct store_part *p, const struct part_facts *f)
{
    p->rows = f->rows;
    p->first_id = f->first_id;
    p->last_id = f->last_id;
    p->first_ms = f->first_ms;
    p->last_ms = f->last_ms;
    p->by_id = f->by_id;
    p->known = true;
}

static void take_metadata(struct store_part *p, const char *key, const char *value)
{
    if (strcmp(key, "source") == 0) {
        str_copy(p->source, sizeof p->source, value);
    } else if (strcmp(key, "sha256") == 0) {
        str_copy(p->sha256, sizeof p->sha256, value);
    } else if (strcmp(key, "whole") == 0) {
        p->whole = strcmp(value, "1") == 0;
    } else if (strcmp(key, "claims") == 0) {
        free(p->claims);
        p->claims = xstrdup(value);
    }
}

int part_learn(struct child *c, struct store_part *p, struct err *e)
{
    char path[STORE_PATH];
    struct buf sql;
    struct duck_result r;
    struct part_facts f;
    store_part_path(c->dir, p->number, "", path);
    buf_init(&sql, SQL_MAX);
    buf_adds(&sql, "SELECT decode(key), decode(value) FROM parquet_kv_metadata(");
    sql_quote(&sql, path);
    buf_addc(&sql, ')');
    memset(&r, 0, sizeof r);
    int rc = c->d.query(c->d.con, buf_cstr(&sql), &r) != 0
                 ? err_set(e, ERR_IO, "its metadata can not be read")
                 : 0;
    for (uint64_t i = 0; rc == 0 && i < c->d.row_count(&r); i++) {
        char *key = c->d.value_varchar(&r, 0, i), *value = c->d.value_varchar(&r, 1, i);
        if (key != NULL && value != NULL) {
            take_metadata(p, key, value);
        }
        c->d.free(key);
        c->d.free(value);
    }
    c->d.destroy_result(&r);
    buf_release(&sql);
    rc = rc != 0 ? rc : part_facts(c, path, &f, e);
    if (rc == 0) {
        part_take_facts(p, &f);
    }
    return rc;
}

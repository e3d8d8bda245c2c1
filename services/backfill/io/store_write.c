// Writing: frames become a table, the table a part, many parts one.

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/mem.h"
#include "common/base/str.h"
#include "common/market/spanset.h"
#include "services/backfill/io/store_work.h"

#define COLUMNS_MAX 7
#define STALE_S 3600 // a temporary file of that age belongs to nobody

struct intake {
    uint64_t rows;
    bool sorted; // strictly in set order: nothing to sort, no copies
    int64_t last_ts, last_id;
    struct spanset claims;
    bool ended;
    unsigned end; // enum store_end
};

static int make_folders(const char *dir)
{
    char path[STORE_PATH];
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

static int sync_path(const char *path)
{
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    const int rc = fd < 0 ? -1 : fsync(fd);
    if (fd >= 0) {
        close(fd);
    }
    return rc;
}

// What a killed writer left.
static void sweep(const char *dir)
{
    char path[STORE_PATH];
    struct dirent *f;
    struct stat st;
    DIR *folder = opendir(dir);
    while (folder != NULL && (f = readdir(folder)) != NULL) {
        if (!str_starts(f->d_name, "part-") || !str_ends(f->d_name, ".tmp")) {
            continue;
        }
        str_fmt(path, sizeof path, "%s/%s", dir, f->d_name);
        if (stat(path, &st) == 0 &&
            st.st_mtime + STALE_S < clock_system().wall_us(NULL) / 1000000) {
            unlink(path);
        }
    }
    if (folder != NULL) {
        closedir(folder);
    }
}

// ---- frames -> table t
// ------------------------------------------------------------------------------------

static size_t read_frames(struct store_row *rows, size_t max)
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

// Keeps the trades of rows[n] in front, notes the rest. Returns how many trades there are.
static size_t sift_frames(struct intake *in, struct store_row *rows, size_t n)
{
    size_t kept = 0;
    for (size_t i = 0; i < n; i++) {
        const struct store_row *r = &rows[i];
        switch ((enum store_frame_kind)r->kind) {
        case STORE_CLAIM:
            spanset_add(&in->claims, r->ts_ms, r->id);
            break;
        case STORE_END:
            in->ended = true;
            in->end = r->flags;
            break;
        case STORE_PROMISE: // nobody makes one to a writer
            break;
        case STORE_ROW:
            in->sorted = in->sorted && (r->ts_ms > in->last_ts ||
                                        (r->ts_ms == in->last_ts && r->id > in->last_id));
            in->last_ts = r->ts_ms;
            in->last_id = r->id;
            if (kept != i) {
                rows[kept] = *r;
            }
            kept++;
            break;
        }
    }
    return kept;
}

static void fill_chunk(struct child *c, void *chunk, const struct store_row *rows, size_t n)
{
    struct duck *d = &c->d;
    int64_t *v[4];
    d->data_chunk_reset(chunk);
    for (uint64_t k = 0; k < 4; k++) {
        v[k] = d->vector_get_data(d->data_chunk_get_vector(chunk, k));
    }
    uint8_t *buy = d->vector_get_data(d->data_chunk_get_vector(chunk, 4));
    for (size_t i = 0; i < n; i++) {
        v[0][i] = rows[i].ts_ms;
        v[1][i] = rows[i].id;
        v[2][i] = rows[i].price;
        v[3][i] = rows[i].qty;
        buy[i] = rows[i].buy;
    }
    if (c->venue == VENUE_BYBIT) {
        // The library keeps a UUID as a 128-bit number, low half first, its top bit turned.
        uint64_t *uid = d->vector_get_data(d->data_chunk_get_vector(chunk, 5));
        uint8_t *flags = d->vector_get_data(d->data_chunk_get_vector(chunk, 6));
        for (size_t i = 0; i < n; i++) {
            uid[2 * i] = rows[i].uid.lo;
            uid[2 * i + 1] = rows[i].uid.hi ^ (UINT64_C(1) << 63);
            flags[i] = rows[i].flags;
        }
    }
    d->data_chunk_set_size(chunk, n);
}

static int take_frames(struct child *c, struct intake *in, struct err *e)
{
    struct duck *d = &c->d;
    const size_t max = (size_t)d->vector_size();
    struct store_row *rows = xcalloc(max, sizeof *rows);
    void *type[COLUMNS_MAX] = {d->create_logical_type(DUCK_BIGINT),
                               d->create_logical_type(DUCK_BIGINT),
                               d->create_decimal_type(18, (uint8_t)c->price_scale),
                               d->create_decimal_type(18, (uint8_t)c->qty_scale),
                               d->create_logical_type(DUCK_UTINYINT),
                               d->create_logical_type(DUCK_UUID),
                               d->create_logical_type(DUCK_UTINYINT)};
    const uint64_t columns = c->venue == VENUE_BYBIT ? COLUMNS_MAX : COLUMNS_MAX - 2;
    void *chunk = d->create_data_chunk(type, columns), *appender = NULL;
    size_t n;
    int rc = 0;
    if (d->appender_create(d->con, NULL, "t", &appender) != 0) {
        rc = err_set(e, ERR_IO, "libduckdb: no appender");
    }
    while (rc == 0 && (n = read_frames(rows, max)) > 0) {
        n = sift_frames(in, rows, n);
        fill_chunk(c, chunk, rows, n);
        if (n > 0 && d->append_data_chunk(appender, chunk) != 0) {
            rc = err_set(e, ERR_IO, "libduckdb takes no rows");
        }
        in->rows += n;
    }
    if (appender != NULL && d->appender_destroy(&appender) != 0 && rc == 0) {
        rc = err_set(e, ERR_IO, "libduckdb takes no rows");
    }
    d->destroy_data_chunk(&chunk);
    for (size_t i = 0; i < COLUMNS_MAX; i++) {
        d->destroy_logical_type(&type[i]);
    }
    free(rows);
    return rc;
}

// ---- relation -> part
// ------------------------------------------------------------------------------------

static void add_columns(const struct child *c, struct buf *sql)
{
    buf_adds(sql, c->venue == VENUE_BYBIT
                      ? "SELECT ts_ms, uid::VARCHAR AS uid, price, qty, CASE buy WHEN 1 THEN 'buy' "
                        "ELSE 'sell' END AS side, NULLIF(id, 0) AS seq, CASE flags WHEN 0 THEN '' "
                        "WHEN 1 THEN 'block' WHEN 2 THEN 'rpi' ELSE 'block,rpi' END AS flags FROM ("
                      : "SELECT ts_ms, id, price, qty, CASE buy WHEN 1 THEN 'buy' ELSE 'sell' END "
                        "AS side FROM (");
}

static void add_order(const struct child *c, struct buf *sql)
{
    buf_adds(sql,
             c->venue == VENUE_BYBIT
                 ? " ORDER BY r.ts_ms, r.id, CASE r.buy WHEN 1 THEN r.price ELSE -r.price END, "
                   "r.uid"
                 : " ORDER BY r.ts_ms, r.id");
}

// The rows of `from` (columns of t) into `tmp`, synced.
static int copy_out(struct child *c, const char *from, bool sort, const struct store_part *p,
                    const char *tmp, struct err *e)
{
    struct buf sql;
    buf_init(&sql, SQL_MAX);
    buf_adds(&sql, "COPY (");
    add_columns(c, &sql);
    buf_adds(&sql, from);
    buf_adds(&sql, ") r");
    if (sort) {
        add_order(c, &sql);
    }
    buf_adds(&sql, ") TO ");
    sql_quote(&sql, tmp);
    buf_adds(&sql, " (FORMAT parquet, COMPRESSION zstd, KV_METADATA {source: ");
    sql_quote(&sql, p->source);
    buf_adds(&sql, ", sha256: ");
    sql_quote(&sql, p->sha256);
    buf_adds(&sql, ", claims: ");
    sql_quote(&sql, p->claims);
    buf_addf(&sql, ", whole: '%d', writer: 'botcrypto4'})", p->whole ? 1 : 0);
    int rc = sql_run(c, &sql, e);
    buf_release(&sql);
    if (rc == 0 && sync_path(tmp) != 0) {
        rc = err_set(e, ERR_IO, "%.180s: %s", tmp, strerror(errno));
    }
    return rc;
}

// Gives a finished file its name and its entry. The lock is held.
static int publish(struct child *c, struct store_part *p, const char *tmp, struct err *e)
{
    char path[STORE_PATH];
    struct stat st;
    p->number = c->day.n > 0 ? c->day.part[c->day.n - 1].number + 1 : 0;
    store_part_path(c->dir, p->number, "", path);
    if (stat(tmp, &st) != 0 || !part_sum(c, p->number, tmp) || rename(tmp, path) != 0 ||
        sync_path(c->dir) != 0) {
        return err_set(e, ERR_IO, "%.180s: %s", path, strerror(errno));
    }
    p->bytes = st.st_size;
    struct store_part *entry = store_day_add(&c->day, p->number);
    free(entry->claims);
    *entry = *p;
    entry->claims = xstrdup(p->claims);
    return store_day_save(&c->day, c->dir, e);
}

static void temporary(const struct child *c, char out[STORE_PATH])
{
    str_fmt(out, STORE_PATH, "%s/part-%lld.tmp", c->dir, (long long)getpid());
}

static void add_claims(struct spanset *to, const char *text)
{
    struct spanset s;
    spanset_init(&s, STORE_CLAIMS, false);
    if (spanset_parse(&s, text, strlen(text)) == 0) {
        for (size_t i = 0; i < s.n; i++) {
            spanset_add(to, s.v[i].from_ms, s.v[i].to_ms);
        }
    }
    spanset_release(&s);
}

// ---- many parts -> one
// -------------------------------------------------------------------------------------

// What can not be read must not take the place of anything: a finished file is read back.
static int read_back(struct child *c, struct store_part *p, const char *tmp, struct err *e)
{
    struct part_facts f;
    const int rc = part_facts(c, tmp, &f, e);
    if (rc == 0) {
        part_take_facts(p, &f);
    }
    return rc;
}

// All parts become one; `whole`, `source` and `sha256` are those of the part that is the whole day,
// if any. Killed in between, the same trades are there twice, which reading does not mind.
static int merge(struct child *c, struct err *e)
{
    char tmp[STORE_PATH];
    struct buf parts, from, claims;
    struct spanset all;
    struct store_part p = {.source = "merged"};
    for (size_t i = c->day.n; i > 0; i--) {
        if (!part_is_whole(c, c->day.part[i - 1].number)) {
            part_set_aside(c, i - 1, "its SHA-256 is not the one beside it");
        }
    }
    const size_t old = c->day.n;
    const struct store_part *whole = store_day_whole(&c->day);
    if (whole != NULL) {
        p = *whole;
    }
    spanset_init(&all, STORE_CLAIMS, false);
    for (size_t i = 0; i < old; i++) {
        add_claims(&all, c->day.part[i].claims);
    }
    buf_init(&parts, SQL_MAX);
    buf_init(&from, SQL_MAX);
    buf_init(&claims, SQL_MAX);
    spanset_format(&all, &claims);
    sql_parts(c, &parts);
    sql_once(c, &from, buf_cstr(&parts));
    char *text = xstrdup(buf_cstr(&claims));
    p.claims = text;
    temporary(c, tmp);
    int rc =
        old < 2 || parts.failed || from.failed ? 0 : copy_out(c, buf_cstr(&from), true, &p, tmp, e);
    if (rc == 0 && old >= 2) {
        rc = read_back(c, &p, tmp, e);
        rc = rc != 0 ? rc : publish(c, &p, tmp, e);
    }
    for (size_t i = old; rc == 0 && old >= 2 && i > 0; i--) {
        part_remove(c, i - 1);
    }
    rc = rc != 0 ? rc : store_day_save(&c->day, c->dir, e);
    unlink(tmp);
    free(text);
    spanset_release(&all);
    buf_release(&parts);
    buf_release(&from);
    buf_release(&claims);
    return rc;
}

// Parts that day.json does not know are looked at; those that can not be read go.
static void learn_all(struct child *c)
{
    struct err e = {0};
    for (size_t i = c->day.n; i > 0; i--) {
        struct store_part *p = &c->day.part[i - 1];
        if (!p->known && (!part_is_whole(c, p->number) || part_learn(c, p, &e) != 0)) {
            part_set_aside(c, i - 1, "it is not what was written");
        }
    }
}

// A day that is whole gains nothing by ids that it holds already.
static bool adds_nothing(const struct child *c, const struct store_part *p)
{
    const struct store_part *whole = store_day_whole(&c->day);
    return c->venue == VENUE_BINANCE && whole != NULL && whole->by_id && p->by_id && !p->whole &&
           p->first_id >= whole->first_id && p->last_id <= whole->last_id &&
           whole->rows == whole->last_id - whole->first_id + 1;
}

static int place(struct child *c, const struct intake *in, struct store_part *p, const char *tmp,
                 struct err *e)
{
    const int lock = store_day_lock(c->dir, true, true);
    sweep(c->dir);
    int rc = lock < 0 ? err_set(e, ERR_IO, "%.180s can not be locked", c->dir)
                      : store_day_load(&c->day, c->dir, e);
    if (rc == 0) {
        learn_all(c);
        const size_t old = c->day.n;
        const bool needed = !adds_nothing(c, p);
        rc = needed ? publish(c, p, tmp, e) : store_day_save(&c->day, c->dir, e);
        if (rc == 0 && (in->end & STORE_REPLACE) != 0) {
            for (size_t i = old; i > 0; i--) {
                part_remove(c, i - 1);
            }
            rc = store_day_save(&c->day, c->dir, e);
        } else if (rc == 0 && needed && (c->day.n > STORE_PARTS_MAX || (p->whole && old > 0))) {
            rc = merge(c, e);
        }
        store_day_release(&c->day);
    }
    store_day_unlock(lock);
    return rc;
}

static int write_rows(struct child *c, const struct intake *in, struct err *e)
{
    char tmp[STORE_PATH];
    struct buf once, claims;
    struct store_part p = {0};
    buf_init(&once, 4096);
    buf_init(&claims, SQL_MAX);
    spanset_format(&in->claims, &claims);
    str_copy(p.source, sizeof p.source, c->source);
    str_copy(p.sha256, sizeof p.sha256, c->sha256);
    p.whole = in->ended && (in->end & STORE_WHOLE) != 0;
    char *text = xstrdup(buf_cstr(&claims));
    p.claims = text;
    // Rows that came in order need neither sorting nor a search for copies.
    const bool as_is = in->sorted && c->venue == VENUE_BINANCE;
    if (as_is) {
        buf_adds(&once, "SELECT * FROM t");
    } else {
        sql_once(c, &once, "SELECT * FROM t");
    }
    temporary(c, tmp);
    int rc = copy_out(c, buf_cstr(&once), !as_is, &p, tmp, e);
    rc = rc != 0 ? rc : duck_run(&c->d, "DROP TABLE t", e);
    rc = rc != 0 ? rc : read_back(c, &p, tmp, e);
    rc = rc != 0 ? rc : place(c, in, &p, tmp, e);
    unlink(tmp);
    free(text);
    buf_release(&once);
    buf_release(&claims);
    return rc;
}

int store_child_write(struct child *c, struct err *e)
{
    char sql[400];
    struct intake in = {.sorted = true, .last_ts = INT64_MIN};
    spanset_init(&in.claims, STORE_CLAIMS, false);
    str_fmt(
        sql, sizeof sql,
        "CREATE TABLE t (ts_ms BIGINT, id BIGINT, price DECIMAL(18,%d), qty DECIMAL(18,%d), buy "
        "UTINYINT%s)",
        (int)c->price_scale, (int)c->qty_scale,
        c->venue == VENUE_BYBIT ? ", uid UUID, flags UTINYINT" : "");
    int rc = duck_run(&c->d, sql, e);
    rc = rc != 0 ? rc : take_frames(c, &in, e);
    if (rc == 0 && (in.rows > 0 || in.claims.n > 0)) {
        rc = make_folders(c->dir) != 0 ? err_set(e, ERR_IO, "%.180s: %s", c->dir, strerror(errno))
                                       : write_rows(c, &in, e);
    }
    spanset_release(&in.claims);
    return rc;
}

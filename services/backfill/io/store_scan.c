// Reading a day: its trades in id order (Binance) or set order (Bybit), each once, then its claims.
//
// Parts whose ids ascend are merged as they stream, without a sort and without more memory than
// one chunk each; anything else is left to SQL.

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/mem.h"
#include "common/market/spanset.h"
#include "services/backfill/io/store_work.h"

#define OUT_ROWS 4096

struct out {
    struct store_row row[OUT_ROWS];
    size_t n;
    bool closed;
};

static void put_all(struct out *o)
{
    const char *p = (const char *)o->row;
    size_t n = o->n * sizeof o->row[0];
    while (n > 0 && !o->closed) {
        const ssize_t put = write(STDOUT_FILENO, p, n);
        if (put < 0 && errno == EINTR) {
            continue;
        }
        if (put <= 0) {
            o->closed = true;
            break;
        }
        p += put;
        n -= (size_t)put;
    }
    o->n = 0;
}

static struct store_row *next_out(struct out *o)
{
    if (o->n == OUT_ROWS) {
        put_all(o);
    }
    return &o->row[o->n++];
}

// ---- one stream of rows
// ------------------------------------------------------------------------------------

struct stream {
    struct duck_scan scan;
    const int64_t *ts, *id, *price, *qty;
    const uint8_t *buy, *flags;
    const uint64_t *uid;
    size_t at;
    bool more;
};

static int advance(struct child *c, struct stream *s, struct err *e)
{
    const int rc = duck_scan_next(&s->scan, e);
    s->more = rc == 1;
    s->at = 0;
    if (rc != 1) {
        return rc;
    }
    s->ts = duck_scan_column(&s->scan, 0);
    s->id = duck_scan_column(&s->scan, 1);
    s->price = duck_scan_column(&s->scan, 2);
    s->qty = duck_scan_column(&s->scan, 3);
    s->buy = duck_scan_column(&s->scan, 4);
    if (c->venue == VENUE_BYBIT) {
        s->uid = duck_scan_column(&s->scan, 5);
        s->flags = duck_scan_column(&s->scan, 6);
    }
    return 0;
}

static void put_row(struct out *o, const struct stream *s, size_t i)
{
    struct store_row *r = next_out(o);
    *r = (struct store_row){.ts_ms = s->ts[i],
                            .id = s->id[i],
                            .price = s->price[i],
                            .qty = s->qty[i],
                            .kind = STORE_ROW,
                            .buy = s->buy[i]};
    if (s->uid != NULL) {
        r->flags = s->flags[i];
        r->uid.lo = s->uid[2 * i];
        r->uid.hi = s->uid[2 * i + 1] ^ (UINT64_C(1) << 63);
    }
}

static int stream_open(struct child *c, struct stream *s, const char *sql, struct err *e)
{
    memset(s, 0, sizeof *s);
    const int rc = duck_scan_open(&s->scan, &c->d, sql, e);
    return rc != 0 ? rc : advance(c, s, e);
}

// ---- ways to read
// ------------------------------------------------------------------------------------

// All of one statement.
static int pour(struct child *c, const char *sql, int lock, struct out *o, struct err *e)
{
    struct stream s;
    int rc = stream_open(c, &s, sql, e);
    store_day_unlock(lock); // the files are open
    while (rc == 0 && s.more && !o->closed) {
        for (size_t i = 0; i < s.scan.n; i++) {
            put_row(o, &s, i);
        }
        rc = advance(c, &s, e);
    }
    duck_scan_close(&s.scan);
    return rc;
}

static int pour_sorted(struct child *c, int lock, struct out *o, struct err *e)
{
    struct buf parts, sql;
    buf_init(&parts, SQL_MAX);
    buf_init(&sql, SQL_MAX);
    sql_parts(c, &parts);
    sql_once(c, &sql, buf_cstr(&parts));
    buf_adds(&sql, c->venue == VENUE_BYBIT
                       ? " ORDER BY ts_ms, id, CASE buy WHEN 1 THEN price ELSE -price END, uid"
                       : " ORDER BY id");
    int rc;
    if (parts.failed || sql.failed) {
        store_day_unlock(lock);
        rc = err_set(e, ERR_LIMIT, "too many parts");
    } else {
        rc = pour(c, buf_cstr(&sql), lock, o, e);
    }
    buf_release(&parts);
    buf_release(&sql);
    return rc;
}

// The ids of all parts at once; of those that several hold, one.
static int pour_merged(struct child *c, int lock, struct out *o, struct err *e)
{
    const size_t n = c->day.n;
    struct stream *s = xcalloc(n, sizeof *s);
    struct store_day all = c->day;
    struct buf sql;
    int rc = 0;
    buf_init(&sql, SQL_MAX);
    for (size_t i = 0; rc == 0 && i < n; i++) {
        c->day.part = &all.part[i];
        c->day.n = 1;
        buf_clear(&sql);
        sql_parts(c, &sql);
        rc = stream_open(c, &s[i], buf_cstr(&sql), e);
    }
    c->day = all;
    store_day_unlock(lock);
    int64_t last = -1;
    while (rc == 0 && !o->closed) {
        struct stream *least = NULL;
        for (size_t i = 0; i < n; i++) {
            if (s[i].more && (least == NULL || s[i].id[s[i].at] < least->id[least->at])) {
                least = &s[i];
            }
        }
        if (least == NULL) {
            break;
        }
        if (least->id[least->at] != last) {
            last = least->id[least->at];
            put_row(o, least, least->at);
        }
        if (++least->at == least->scan.n) {
            rc = advance(c, least, e);
        }
    }
    for (size_t i = 0; i < n; i++) {
        duck_scan_close(&s[i].scan);
    }
    free(s);
    buf_release(&sql);
    return rc;
}

static void put_claims(const struct child *c, struct out *o, enum store_frame_kind kind)
{
    struct spanset s;
    spanset_init(&s, STORE_CLAIMS, false);
    for (size_t i = 0; i < c->day.n; i++) {
        if (c->day.part[i].known &&
            spanset_parse(&s, c->day.part[i].claims, strlen(c->day.part[i].claims)) == 0) {
            for (size_t k = 0; k < s.n; k++) {
                *next_out(o) = (struct store_row){
                    .kind = (uint8_t)kind, .ts_ms = s.v[k].from_ms, .id = s.v[k].to_ms};
            }
        }
    }
    spanset_release(&s);
}

// Parts that are not what was written are left out, and set aside when the folder is free.
static void sift(struct child *c, bool *spoilt)
{
    for (size_t i = c->day.n; i > 0; i--) {
        if (!part_is_whole(c, c->day.part[i - 1].number)) {
            part_set_aside(c, i - 1, "its SHA-256 is not the one beside it");
            *spoilt = true;
        }
    }
}

int store_child_read(struct child *c, struct err *e)
{
    static struct out out;
    bool spoilt = false, by_id = c->venue == VENUE_BINANCE;
    const int lock = store_day_lock(c->dir, false, true);
    int rc = store_day_load(&c->day, c->dir, e);
    if (lock < 0 || rc != 0) {
        store_day_unlock(lock);
        return rc;
    }
    sift(c, &spoilt);
    for (size_t i = 0; i < c->day.n; i++) {
        struct store_part *p = &c->day.part[i];
        by_id = by_id && p->known && p->by_id;
        if (!p->known && c->venue == VENUE_BYBIT && part_learn(c, p, e) != 0) {
            p->known = false; // its claims stay untold
        }
    }
    if (spoilt) {
        rc = store_day_save(&c->day, c->dir, e);
    }
    if (rc != 0 || c->day.n == 0) {
        store_day_unlock(lock);
    } else {
        put_claims(c, &out, STORE_PROMISE);
        rc = by_id ? pour_merged(c, lock, &out, e) : pour_sorted(c, lock, &out, e);
    }
    if (rc == 0) {
        put_claims(c, &out, STORE_CLAIM);
    }
    put_all(&out);
    store_day_release(&c->day);
    return rc != 0 ? rc : out.closed ? err_set(e, ERR_CLOSED, "nobody reads") : 0;
}

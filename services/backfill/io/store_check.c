// Checking a day: each part's sum, whether it can be read, its order; the ids of all parts
// together. One JSON object on stdout; nothing is changed but, for `repair`, that bad parts are set
// aside.

#include <stdio.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/json.h"
#include "common/base/str.h"
#include "common/market/spanset.h"
#include "services/backfill/io/store_work.h"

struct report {
    struct jw w;
    struct buf b;
    size_t problems;
    int64_t start_ms;
};

static void problem(struct report *r, const char *what, int number)
{
    char text[200];
    if (number >= 0) {
        str_fmt(text, sizeof text, "part-%04d %s", number, what);
    } else {
        str_copy(text, sizeof text, what);
    }
    jw_str(&r->w, text);
    r->problems++;
}

// Claims lie inside the day; the text is what was written.
static bool claims_are_good(const struct store_part *p, int64_t start_ms)
{
    struct spanset s;
    spanset_init(&s, STORE_CLAIMS, false);
    bool good = p->claims[0] == '\0' || spanset_parse(&s, p->claims, strlen(p->claims)) == 0;
    for (size_t i = 0; good && i < s.n; i++) {
        good = s.v[i].from_ms >= start_ms && s.v[i].to_ms <= start_ms + MS_PER_DAY;
    }
    spanset_release(&s);
    return good;
}

// False: the part can not stay.
static bool check_part(struct child *c, struct report *r, struct store_part *p)
{
    struct part_facts f;
    struct err e = {0};
    char path[STORE_PATH];
    store_part_path(c->dir, p->number, "", path);
    if (!part_is_whole(c, p->number)) {
        problem(r, "is not what was written: its SHA-256 is not the one beside it", p->number);
        return false;
    }
    if (part_facts(c, path, &f, &e) != 0 || (!p->known && part_learn(c, p, &e) != 0)) {
        problem(r, "can not be read", p->number);
        return false;
    }
    if (f.rows > 0 && (f.first_ms < r->start_ms || f.last_ms >= r->start_ms + MS_PER_DAY)) {
        problem(r, "holds trades of another day", p->number);
        return false;
    }
    if (!f.sorted || (c->venue == VENUE_BINANCE && f.copies > 0)) {
        problem(r, "is not in set order, or holds copies", p->number);
        return false;
    }
    if (f.rows != p->rows || !claims_are_good(p, r->start_ms)) {
        problem(r, "does not hold what day.json says of it", p->number);
        return false;
    }
    return true;
}

// Ids of all parts together (Binance), copies by name (Bybit).
static int count_day(struct child *c, int64_t out[5], struct err *e)
{
    struct buf parts, sql;
    int rc = 0;
    buf_init(&parts, SQL_MAX);
    buf_init(&sql, SQL_MAX);
    memset(out, 0, 5 * sizeof out[0]);
    if (c->day.n > 0) {
        sql_parts(c, &parts);
        buf_addf(
            &sql,
            c->venue == VENUE_BYBIT
                ? "SELECT count(DISTINCT uid), -1, -1, count(*), min(ts_ms) FROM (%s)"
                : "SELECT count(DISTINCT id), min(id), max(id), count(*), min(ts_ms) FROM (%s)",
            buf_cstr(&parts));
        rc = sql.failed || parts.failed ? err_set(e, ERR_LIMIT, "too many parts")
                                        : duck_numbers(&c->d, buf_cstr(&sql), out, 5, e);
    }
    buf_release(&parts);
    buf_release(&sql);
    return rc;
}

static void check_parts(struct child *c, struct report *r, bool repair)
{
    jw_key(&r->w, "problems");
    jw_arr(&r->w);
    if (c->day.damaged) {
        problem(r, "a part that day.json names is not there, or has another size", -1);
    }
    for (size_t i = c->day.n; i > 0; i--) {
        if (check_part(c, r, &c->day.part[i - 1])) {
            continue;
        }
        if (repair) {
            part_set_aside(c, i - 1, "the check found it bad");
        } else {
            store_day_drop(&c->day, i - 1);
        }
    }
}

static void tell(struct child *c, struct report *r, const int64_t n[5])
{
    const struct store_part *whole = store_day_whole(&c->day);
    const int64_t missing = n[0] > 0 && n[1] >= 0 ? n[2] - n[1] + 1 - n[0] : 0;
    if (whole != NULL && missing > 0) {
        // The venue's own file has them not: told, but nothing that could be repaired.
        jw_kint(&r->w, "skipped_by_venue", missing);
    }
    jw_kbool(&r->w, "whole", whole != NULL);
    jw_kint(&r->w, "parts", (int64_t)c->day.n);
    jw_kint(&r->w, "trades", n[0]);
    jw_kint(&r->w, "copies", n[3] - n[0]);
    jw_kint(&r->w, "first_id", n[0] > 0 ? n[1] : -1);
    jw_kint(&r->w, "last_id", n[0] > 0 ? n[2] : -1);
    jw_kint(&r->w, "missing", missing);
    jw_kstr(&r->w, "source", whole != NULL ? whole->source : "");
    jw_kstr(&r->w, "sha256", whole != NULL ? whole->sha256 : "");
}

static int check(struct child *c, bool repair, struct err *e)
{
    struct report r = {0};
    int64_t n[5];
    const char *date = strstr(c->dir, "date=");
    if (date == NULL || parse_day(date + 5, 10, &r.start_ms) != 0) {
        return err_set(e, ERR_SYNTAX, "%.180s is not the folder of a day", c->dir);
    }
    const int lock = store_day_lock(c->dir, repair, true);
    int rc = lock < 0 ? err_set(e, ERR_IO, "%.180s can not be locked", c->dir)
                      : store_day_load(&c->day, c->dir, e);
    if (rc != 0) {
        store_day_unlock(lock);
        return rc;
    }
    buf_init(&r.b, (size_t)1 << 20);
    jw_init(&r.w, &r.b);
    jw_obj(&r.w);
    check_parts(c, &r, repair);
    rc = count_day(c, n, e);
    if (rc != 0) {
        problem(&r, e->text, -1);
    }
    jw_end_arr(&r.w);
    tell(c, &r, n);
    jw_end_obj(&r.w);
    if (repair && r.problems > 0) {
        rc = store_day_save(&c->day, c->dir, e);
    } else {
        rc = 0;
    }
    printf("%s\n", buf_cstr(&r.b));
    store_day_unlock(lock);
    store_day_release(&c->day);
    buf_release(&r.b);
    return fflush(stdout) != 0 ? err_set(e, ERR_CLOSED, "nobody reads") : rc;
}

int store_child_check(struct child *c, struct err *e)
{
    return check(c, false, e);
}

int store_child_repair(struct child *c, struct err *e)
{
    return check(c, true, e);
}

#include "common/market/timecover.h"

#include <string.h>

#include "common/base/str.h"

void timecover_init(struct timecover *c, size_t max_spans)
{
    *c = (struct timecover){.since_ms = INT64_MAX};
    // More gaps than room: what lies between two counts as missing, too. More claims: forgotten.
    spanset_init(&c->gaps, max_spans, true);
    spanset_init(&c->claims, max_spans, false);
    spanset_init(&c->full, 2, true);
}

void timecover_release(struct timecover *c)
{
    c->since_ms = INT64_MAX;
    spanset_release(&c->gaps);
    spanset_release(&c->claims);
    spanset_release(&c->full);
}

void timecover_clear(struct timecover *c)
{
    c->since_ms = INT64_MAX;
    spanset_clear(&c->gaps);
    spanset_clear(&c->claims);
    spanset_clear(&c->full);
}

void timecover_gap(struct timecover *c, int64_t from_ms, int64_t to_ms)
{
    c->changes++;
    spanset_add(&c->gaps, from_ms, to_ms > from_ms ? to_ms : from_ms + 1);
}

void timecover_claim(struct timecover *c, int64_t from_ms, int64_t to_ms)
{
    c->changes++;
    spanset_add(&c->claims, from_ms, to_ms);
}

void timecover_refused(struct timecover *c, int64_t ts_ms)
{
    int64_t from = ts_ms;
    int64_t to = ts_ms + 1;
    if (c->full.n > 0) {
        from = c->full.v[0].from_ms < from ? c->full.v[0].from_ms : from;
        to = c->full.v[0].to_ms > to ? c->full.v[0].to_ms : to;
    }
    c->changes++;
    spanset_add(&c->full, from, to);
}

void timecover_prune(struct timecover *c, int64_t t_ms)
{
    spanset_prune(&c->gaps, t_ms);
    spanset_prune(&c->claims, t_ms);
    spanset_prune(&c->full, t_ms);
}

static void add_clipped(struct spanset *out, const struct spanset *s, int64_t from_ms,
                        int64_t to_ms)
{
    for (size_t i = 0; i < s->n; i++) {
        int64_t from = s->v[i].from_ms > from_ms ? s->v[i].from_ms : from_ms;
        int64_t to = s->v[i].to_ms < to_ms ? s->v[i].to_ms : to_ms;
        spanset_add(out, from, to);
    }
}

void timecover_holes(const struct timecover *c, int64_t from_ms, int64_t to_ms,
                     struct spanset *holes)
{
    spanset_clear(holes);
    spanset_add(holes, from_ms, c->since_ms < to_ms ? c->since_ms : to_ms);
    add_clipped(holes, &c->gaps, from_ms, to_ms);
    for (size_t i = 0; i < c->claims.n; i++) {
        spanset_cut(holes, c->claims.v[i].from_ms, c->claims.v[i].to_ms);
    }
    add_clipped(holes, &c->full, from_ms, to_ms);
}

void timecover_repaired(const struct timecover *c,
                        void (*cb)(void *arg, int64_t from_ms, int64_t to_ms), void *arg)
{
    spanset_common(&c->gaps, &c->claims, cb, arg);
}

// ---- text ---------------------------------------------------------------------------------------

static void put_set(struct buf *out, const char *name, const struct spanset *s)
{
    if (s->n > 0) {
        buf_adds(out, buf_len(out) > 0 ? ";" : "");
        buf_adds(out, name);
        buf_addc(out, '=');
        spanset_format(s, out);
    }
}

void timecover_format(const struct timecover *c, struct buf *out)
{
    if (c->since_ms != INT64_MAX) {
        buf_adds(out, "since=");
        buf_add_i64(out, c->since_ms);
    }
    put_set(out, "gaps", &c->gaps);
    put_set(out, "claims", &c->claims);
    put_set(out, "full", &c->full);
}

static int parse_part(struct timecover *c, struct slice name, const char *p, size_t n)
{
    if (slice_eq(name, "since")) {
        return parse_i64(p, n, &c->since_ms);
    }
    struct spanset *s = slice_eq(name, "gaps")     ? &c->gaps
                        : slice_eq(name, "claims") ? &c->claims
                        : slice_eq(name, "full")   ? &c->full
                                                   : NULL;
    return s ? spanset_parse(s, p, n) : ERR_SYNTAX;
}

int timecover_parse(struct timecover *c, const char *text, size_t n)
{
    const char *end = text + n;
    int rc = 0;
    timecover_clear(c);
    for (const char *p = text; p < end && rc == 0;) {
        const char *stop = memchr(p, ';', (size_t)(end - p));
        stop = stop ? stop : end;
        const char *eq = memchr(p, '=', (size_t)(stop - p));
        rc =
            eq ? parse_part(c, (struct slice){p, (size_t)(eq - p)}, eq + 1, (size_t)(stop - eq - 1))
               : ERR_SYNTAX;
        p = stop + 1;
    }
    if (rc) {
        timecover_clear(c);
    }
    return rc;
}

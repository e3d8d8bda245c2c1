// GET /coverage. What is stored in :coverage is a function of the set of trades: which times are
// proven. How they came to be so describes the run and lies beside it: here the two are put
// together, so that a span says "repaired" where a hole was filled, and why a hole is one.

#include <string.h>

#include "services/api/core/answer.h"

#include "common/base/clock.h"
#include "services/api/core/jscan.h"

#define REPAIRED_MAX 500
#define REASONS_MAX 200

struct range {
    int64_t from, to;
};

struct reason {
    struct range ids, ms; // ids inclusive, -1: by time
    struct slice text;    // raw JSON
    bool lost;
};

struct notes {
    struct range repaired[REPAIRED_MAX]; // ascending
    struct reason reason[REASONS_MAX];   // oldest first
    size_t n_repaired, n_reasons;
    int64_t repaired_ms;
};

static int64_t int_at(struct slice object, const char *key, int64_t missing)
{
    struct slice v = jscan_get(object.p, object.n, key);
    int64_t n = missing;
    return v.p && parse_i64(v.p, v.n, &n) == 0 ? n : missing;
}

// Those that touch the day asked for; others are not its affair.
static void take_repaired(struct notes *k, struct slice list, int64_t day_ms)
{
    struct slice span, end[2];
    size_t pos = 0;
    while (k->n_repaired < REPAIRED_MAX && jscan_element(list.p, list.n, &pos, &span) == 1) {
        struct range *r = &k->repaired[k->n_repaired];
        size_t at = 0;
        if (jscan_element(span.p, span.n, &at, &end[0]) == 1 &&
            jscan_element(span.p, span.n, &at, &end[1]) == 1 &&
            parse_i64(end[0].p, end[0].n, &r->from) == 0 &&
            parse_i64(end[1].p, end[1].n, &r->to) == 0 && r->from < r->to && r->to > day_ms &&
            r->from < day_ms + MS_PER_DAY) {
            k->n_repaired++;
        }
    }
}

static void take_reasons(struct notes *k, struct slice list)
{
    struct slice o;
    size_t pos = 0;
    while (k->n_reasons < REASONS_MAX && jscan_element(list.p, list.n, &pos, &o) == 1) {
        struct reason *r = &k->reason[k->n_reasons];
        *r = (struct reason){.ids = {int_at(o, "from_id", -1), int_at(o, "to_id", -1)},
                             .ms = {int_at(o, "from_ms", -1), int_at(o, "to_ms", -1)},
                             .text = jscan_get(o.p, o.n, "reason"),
                             .lost = slice_eq(jscan_get(o.p, o.n, "kind"), "\"lost\"")};
        k->n_reasons += r->text.p != NULL;
    }
}

// The newest word about a hole: lost before missing, whichever came later.
static const struct reason *reason_of(const struct notes *k, struct range ids, struct range ms)
{
    const struct reason *found = NULL;
    for (size_t i = k->n_reasons; i-- > 0;) {
        const struct reason *r = &k->reason[i];
        bool meets = r->ids.to >= 0 ? ids.to >= 0 && r->ids.from <= ids.to && r->ids.to >= ids.from
                                    : r->ms.from < ms.to && r->ms.to > ms.from;
        if (meets && r->lost) {
            return r;
        }
        found = meets && !found ? r : found;
    }
    return found;
}

static void put_span(struct jw *w, struct range ms, const char *state)
{
    jw_obj(w);
    jw_kint(w, "from_ms", ms.from);
    jw_kint(w, "to_ms", ms.to);
    jw_kstr(w, "state", state);
}

// A proven span, cut where repairs begin and end.
static void put_proven(struct notes *k, struct jw *w, struct range ms)
{
    for (size_t i = 0; i < k->n_repaired && ms.from < ms.to; i++) {
        struct range r = k->repaired[i];
        r.from = r.from > ms.from ? r.from : ms.from;
        r.to = r.to < ms.to ? r.to : ms.to;
        if (r.from >= r.to) {
            continue;
        }
        if (ms.from < r.from) {
            put_span(w, (struct range){ms.from, r.from}, "complete");
            jw_end_obj(w);
        }
        put_span(w, r, "repaired");
        jw_end_obj(w);
        k->repaired_ms += r.to - r.from;
        ms.from = r.to;
    }
    if (ms.from < ms.to) {
        put_span(w, ms, "complete");
        jw_end_obj(w);
    }
}

static void put_hole(const struct notes *k, struct jw *w, struct range ms, const char *state,
                     struct slice span)
{
    struct range ids = {int_at(span, "from_id", -1), int_at(span, "to_id", -1)};
    const struct reason *r = reason_of(k, ids, ms);
    put_span(w, ms, state);
    if (ids.to >= 0) {
        jw_kint(w, "from_id", ids.from);
        jw_kint(w, "to_id", ids.to);
    }
    put_json(w, "reason", r ? r->text : (struct slice){NULL, 0});
    jw_kbool(w, "lost", r && r->lost);
    jw_end_obj(w);
}

static void put_spans(struct notes *k, struct jw *w, struct slice spans)
{
    struct slice s;
    size_t pos = 0;
    jw_arr(w);
    while (spans.p && jscan_element(spans.p, spans.n, &pos, &s) == 1) {
        struct slice state = jscan_get(s.p, s.n, "state");
        struct range ms = {int_at(s, "from_ms", -1), int_at(s, "to_ms", -1)};
        if (ms.from < 0 || ms.from >= ms.to) {
            continue;
        }
        if (slice_eq(state, "\"complete\"")) {
            put_proven(k, w, ms);
        } else if (slice_eq(state, "\"missing\"")) {
            put_hole(k, w, ms, "missing", s);
        } else if (slice_eq(state, "\"partial\"")) {
            put_hole(k, w, ms, "partial", s);
        }
    }
    jw_end_arr(w);
}

static void put_day(struct notes *k, struct jw *w, const struct rfield *f)
{
    static const char *const numbers[] = {"judged_from_ms", "judged_to_ms", "missing_ms",
                                          "partial_ms",     "holes",        "fraction"};
    struct slice day = {f->value, f->vlen};
    jw_obj(w);
    put_json(w, "day", jscan_get(day.p, day.n, "day"));
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        put_json(w, numbers[i], jscan_get(day.p, day.n, numbers[i]));
    }
    jw_key(w, "spans");
    put_spans(k, w, jscan_get(day.p, day.n, "spans"));
    jw_kint(w, "repaired_ms", k->repaired_ms);
    jw_kbool(w, "truncated", slice_eq(jscan_get(day.p, day.n, "_truncated"), "true"));
    jw_end_obj(w);
}

static void put_repaired(const struct notes *k, bool known, struct jw *w)
{
    jw_key(w, "repaired");
    if (!known) {
        jw_null(w);
        return;
    }
    jw_arr(w);
    for (size_t i = 0; i < k->n_repaired; i++) {
        jw_arr(w);
        jw_int(w, k->repaired[i].from);
        jw_int(w, k->repaired[i].to);
        jw_end_arr(w);
    }
    jw_end_arr(w);
}

void still_coverage(const struct ask *a, struct jw *w)
{
    const struct snap *s = a->snap;
    const struct rhash *cov = s->sec[SEC_COVERAGE];
    const int64_t day_ms = a->q->num[1] >= 0 ? a->q->num[1] : snap_day_ms(s);
    char day[16] = "";
    if (day_ms >= 0) {
        iso_day(day_ms, day);
    }
    const struct rfield *f = *day ? rhash_find(cov, day) : NULL;
    const struct rfield *field[2] = {rhash_find(cov, "_reasons"), rhash_find(cov, "_repaired")};
    struct slice text[2] = {{NULL, 0}, {NULL, 0}};
    for (size_t i = 0; i < 2; i++) {
        if (field[i]) {
            text[i] = (struct slice){field[i]->value, field[i]->vlen};
        }
    }
    struct notes k = {.n_repaired = 0};
    if (text[0].p) {
        take_reasons(&k, text[0]);
    }
    if (text[1].p) {
        take_repaired(&k, text[1], day_ms);
    }
    still_who(a, w);
    jw_kstr(w, "day", *day ? day : NULL);
    jw_key(w, "coverage");
    if (f && jscan_is_json(f->value, f->vlen)) {
        put_day(&k, w, f);
    } else {
        jw_null(w);
    }
    put_json(w, "reasons", text[0]);
    put_repaired(&k, text[1].p != NULL, w);
}

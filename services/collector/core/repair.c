#include "services/collector/core/repair.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/buf.h"
#include "common/base/mem.h"
#include "common/base/str.h"

#define SEED_SPANS 4096

void repair_init(struct repair *r, const struct repair_opts *o)
{
    memset(r, 0, sizeof *r);
    r->o = *o;
    if (r->o.max_holes < 1) {
        r->o.max_holes = 1;
    }
    r->hole = xcalloc(r->o.max_holes + 1, sizeof *r->hole);
    idset_init(&r->gaps, SEED_SPANS);
    idset_init(&r->told, SEED_SPANS);
}

void repair_release(struct repair *r)
{
    free(r->hole);
    idset_release(&r->gaps);
    idset_release(&r->told);
    memset(r, 0, sizeof *r);
}

// ---- the set
// -------------------------------------------------------------------------------------

static void take_out(struct repair *r, size_t i)
{
    memmove(&r->hole[i], &r->hole[i + 1], (r->n - i - 1) * sizeof *r->hole);
    r->n--;
}

static void put_in(struct repair *r, size_t i, const struct repair_hole *h)
{
    memmove(&r->hole[i + 1], &r->hole[i], (r->n - i) * sizeof *r->hole);
    r->hole[i] = *h;
    r->n++;
    if (r->n > r->o.max_holes) {
        take_out(r, 0);
        r->dropped++;
    }
}

void repair_held(struct repair *r, int64_t lo, int64_t hi)
{
    for (size_t i = r->n; i-- > 0;) {
        struct repair_hole *h = &r->hole[i];
        if (h->hi < lo) {
            return;
        }
        if (h->lo > hi) {
            continue;
        }
        if (h->lo >= lo && h->hi <= hi) {
            take_out(r, i);
        } else if (h->lo >= lo) {
            h->lo = hi + 1;
        } else if (h->hi <= hi) {
            h->hi = lo - 1;
        } else {
            struct repair_hole upper = *h;
            upper.lo = hi + 1;
            h->hi = lo - 1;
            put_in(r, i + 1, &upper);
        }
    }
}

void repair_add(struct repair *r, int64_t lo, int64_t hi, int64_t t_lo, int64_t t_hi,
                int64_t mono_ms)
{
    struct repair_hole h = {lo, hi, t_lo, t_hi, mono_ms + r->o.delay_ms, 0};
    if (lo < 0 || hi < lo || hi == INT64_MAX) {
        return;
    }
    repair_held(r, lo, hi);
    size_t i = r->n;
    while (i > 0 && r->hole[i - 1].lo > lo) {
        i--;
    }
    r->added++;
    // A hole right behind another is one hole: one walk through its pages.
    if (i > 0 && r->hole[i - 1].hi + 1 == lo) {
        i--;
        h.lo = r->hole[i].lo;
        h.t_lo = r->hole[i].t_lo < t_lo ? r->hole[i].t_lo : t_lo;
        h.t_hi = r->hole[i].t_hi > t_hi ? r->hole[i].t_hi : t_hi;
        take_out(r, i);
    }
    put_in(r, i, &h);
}

void repair_seed(struct repair *r, const struct history *h)
{
    idset_add_range(h->kind == HISTORY_GAP ? &r->gaps : &r->told, h->from_id, h->to_id, h->from_ms,
                    h->to_ms);
}

void repair_seed_held(struct repair *r, const struct id_span *s)
{
    idset_add_range(&r->told, s->lo, s->hi, s->t_lo, s->t_hi);
}

void repair_seed_end(struct repair *r, int64_t mono_ms)
{
    for (size_t i = 0; i < r->gaps.n; i++) {
        const struct id_span *s = &r->gaps.span[i];
        repair_add(r, s->lo, s->hi, s->t_lo, s->t_hi, mono_ms);
    }
    for (size_t i = 0; i < r->told.n; i++) {
        repair_held(r, r->told.span[i].lo, r->told.span[i].hi);
    }
    idset_release(&r->gaps);
    idset_release(&r->told);
}

uint64_t repair_ids_pending(const struct repair *r)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < r->n; i++) {
        sum += (uint64_t)(r->hole[i].hi - r->hole[i].lo) + 1;
    }
    return sum;
}

// ---- entries
// -------------------------------------------------------------------------------------

static bool give_up(struct repair *r, const struct repair_hole *h, const char *reason,
                    repair_emit emit, void *arg)
{
    struct history out = {.kind = HISTORY_LOST,
                          .from_id = h->lo,
                          .to_id = h->hi,
                          .from_ms = h->t_lo,
                          .to_ms = h->t_hi < h->t_lo ? h->t_lo : h->t_hi};
    str_copy(out.source, sizeof out.source, "rest");
    str_copy(out.reason, sizeof out.reason, reason);
    if (!emit(arg, &out)) {
        return false;
    }
    r->ids_lost += (uint64_t)(h->hi - h->lo) + 1;
    repair_held(r, h->lo, h->hi);
    return true;
}

void repair_expire(struct repair *r, int64_t newest_ms, repair_emit emit, void *arg)
{
    while (r->n > 0 && !r->asking && r->hole[0].t_hi < newest_ms - r->o.reach_ms) {
        const struct repair_hole h = r->hole[0];
        if (!give_up(r, &h, "too old", emit, arg)) {
            return;
        }
    }
}

// ---- requests
// ------------------------------------------------------------------------------------

bool repair_next(const struct repair *r, int64_t mono_ms, int64_t *from_id)
{
    for (size_t i = r->n; !r->asking && i-- > 0;) {
        if (r->hole[i].due_ms <= mono_ms) {
            *from_id = r->hole[i].lo;
            return true;
        }
    }
    return false;
}

int64_t repair_due_ms(const struct repair *r)
{
    int64_t due = -1;
    for (size_t i = 0; i < r->n; i++) {
        if (due < 0 || r->hole[i].due_ms < due) {
            due = r->hole[i].due_ms;
        }
    }
    return due;
}

bool repair_ask(struct repair *r, int64_t from_id)
{
    for (size_t i = 0; i < r->n; i++) {
        if (r->hole[i].lo == from_id) {
            r->asked = r->hole[i];
            r->asking = true;
            return true;
        }
    }
    return false;
}

// What is left of the hole that was asked for. Several parts when late frames fell into it.
static void after_failure(struct repair *r, const struct repair_hole *asked, bool counts,
                          const char *last_reason, int64_t mono_ms, repair_emit emit, void *arg)
{
    int64_t pause_ms = r->o.retry_min_ms;
    for (int k = 0; k < asked->tries && pause_ms < r->o.retry_max_ms; k++) {
        pause_ms *= 2;
    }
    pause_ms = pause_ms < r->o.retry_max_ms ? pause_ms : r->o.retry_max_ms;
    for (size_t i = r->n; i-- > 0;) {
        struct repair_hole *h = &r->hole[i];
        if (h->hi < asked->lo || h->lo > asked->hi) {
            continue;
        }
        h->tries += counts ? 1 : 0;
        h->due_ms = mono_ms + pause_ms;
        if (h->tries >= r->o.max_tries) {
            const struct repair_hole given = *h;
            (void)give_up(r, &given, last_reason, emit, arg); // no room: told at the next failure
        }
    }
}

void repair_failed(struct repair *r, bool counts, int64_t mono_ms, repair_emit emit, void *arg)
{
    if (!r->asking) {
        return;
    }
    r->asking = false;
    r->failed += counts ? 1 : 0;
    after_failure(r, &r->asked, counts, "retries exhausted", mono_ms, emit, arg);
}

// ---- answers
// -------------------------------------------------------------------------------------

struct row {
    int64_t id, ts_ms;
    const char *price, *qty; // borrowed from the tree
    enum side side;
};

static bool integer_of(const json_t *row, const char *name, int64_t *v)
{
    const json_t *x = json_object_get(row, name);
    if (!json_is_integer(x)) {
        return false;
    }
    *v = json_integer_value(x);
    return true;
}

static const char *read_row(const json_t *row, const struct instrument *ins, struct row *out)
{
    struct trade t;
    const json_t *m = json_object_get(row, "m");
    int64_t market = 1;
    out->price = json_string_value(json_object_get(row, "p"));
    out->qty = json_string_value(json_object_get(row, "q"));
    if (!integer_of(row, "a", &out->id) || !integer_of(row, "T", &out->ts_ms) ||
        !json_is_boolean(m) || out->price == NULL || out->qty == NULL || strlen(out->price) > 23 ||
        strlen(out->qty) > 23) {
        return "a row is malformed";
    }
    if (integer_of(row, "st", &market) && market != 1) {
        return "a row is of another market";
    }
    out->side = json_is_true(m) ? SIDE_SELL : SIDE_BUY;
    return trade_set_numbers(&t, ins, slice_of(out->price), slice_of(out->qty)) == REFUSE_NONE
               ? NULL
               : "a row holds numbers that do not fit";
}

// Every row that lies in the hole, checked. NULL and *n rows, or what is wrong with the answer.
// *proven: the last id that the answer tells of, held or skipped by the venue.
static const char *read_rows(const json_t *rows, const struct repair_hole *asked,
                             const struct instrument *ins, struct row *out, size_t *n,
                             int64_t *proven)
{
    int64_t last = asked->lo - 1;
    *n = 0;
    *proven = asked->lo - 1;
    if (!json_is_array(rows)) {
        return "not a list";
    }
    if (json_array_size(rows) == 0) {
        return "empty";
    }
    for (size_t i = 0; i < json_array_size(rows); i++) {
        struct row row;
        const char *why = read_row(json_array_get(rows, i), ins, &row);
        if (why != NULL) {
            return why;
        }
        if (row.id <= last) {
            return i == 0 ? "it begins before the id asked for" : "ids run back";
        }
        last = row.id;
        if (row.id > asked->hi) {
            // The row right behind the hole proves what the venue skipped. One further on does so
            // only when rows of the hole stand before it in the same answer.
            if (row.id == asked->hi + 1 || *n > 0) {
                *proven = asked->hi;
                return NULL;
            }
            return "it begins behind the hole";
        }
        if (row.ts_ms < asked->t_lo - REPAIR_SLACK_MS ||
            row.ts_ms > asked->t_hi + REPAIR_SLACK_MS) {
            return "its times are not those of the hole";
        }
        if (*n == REPAIR_LIMIT) {
            return "more rows than asked for";
        }
        out[(*n)++] = row;
        *proven = row.id;
    }
    return NULL;
}

// rows[0..n) have consecutive ids.
static bool emit_run(struct repair *r, const struct row *rows, size_t n, repair_emit emit,
                     void *arg)
{
    struct buf data;
    bool ok = true;
    buf_init(&data, REPAIR_CHUNK_BYTES + 256);
    for (size_t i = 0, first = 0; ok && i < n; i++) {
        history_add_line(&data, rows[i].ts_ms, rows[i].id, rows[i].price, rows[i].qty, rows[i].side,
                         "");
        if (i + 1 < n && i + 1 - first < REPAIR_CHUNK_ROWS && buf_len(&data) < REPAIR_CHUNK_BYTES) {
            continue;
        }
        struct history h = {.kind = HISTORY_TRADES,
                            .from_id = rows[first].id,
                            .to_id = rows[i].id,
                            .from_ms = rows[first].ts_ms,
                            .to_ms = rows[i].ts_ms,
                            .n = (int64_t)(i + 1 - first),
                            .data = {buf_ptr(&data), buf_len(&data)}};
        str_copy(h.source, sizeof h.source, "rest");
        str_copy(h.reason, sizeof h.reason, "repair");
        ok = emit(arg, &h);
        if (ok) {
            r->ids_repaired += (uint64_t)h.n;
            repair_held(r, h.from_id, h.to_id);
        }
        first = i + 1;
        buf_clear(&data);
    }
    buf_release(&data);
    return ok;
}

// Everything up to `proven`, in order: runs of rows, and what the venue skipped between them.
static void emit_rows(struct repair *r, const struct repair_hole *asked, const struct row *rows,
                      size_t n, int64_t proven, repair_emit emit, void *arg)
{
    int64_t next = asked->lo, t = asked->t_lo;
    for (size_t i = 0; i <= n;) {
        const int64_t id = i < n ? rows[i].id : proven + 1;
        if (id > next) {
            const int64_t t_hi = i < n ? rows[i].ts_ms : asked->t_hi;
            const struct repair_hole skipped = {next, id - 1, t, t_hi, 0, 0};
            if (!give_up(r, &skipped, "not at venue", emit, arg)) {
                return;
            }
        }
        if (i == n) {
            return;
        }
        size_t end = i + 1;
        while (end < n && rows[end].id == rows[end - 1].id + 1) {
            end++;
        }
        if (!emit_run(r, &rows[i], end - i, emit, arg)) {
            return;
        }
        next = rows[end - 1].id + 1;
        t = rows[end - 1].ts_ms;
        i = end;
    }
}

const char *repair_answer(struct repair *r, const struct instrument *ins, const char *body,
                          size_t n, int64_t mono_ms, repair_emit emit, void *arg)
{
    if (!r->asking) {
        return NULL;
    }
    const struct repair_hole asked = r->asked;
    struct row *rows = xcalloc(REPAIR_LIMIT, sizeof *rows);
    size_t rows_n = 0;
    int64_t proven;
    json_t *tree = json_loadb(body, n, JSON_REJECT_DUPLICATES, NULL);
    const char *why =
        tree == NULL ? "not JSON" : read_rows(tree, &asked, ins, rows, &rows_n, &proven);
    r->asking = false;
    r->answers++;
    if (why != NULL) {
        r->wrong++;
        after_failure(r, &asked, true, "retries exhausted", mono_ms, emit, arg);
    } else {
        emit_rows(r, &asked, rows, rows_n, proven, emit, arg);
        for (size_t i = 0; i < r->n; i++) { // the rest of the hole: its next page at once
            if (r->hole[i].hi >= asked.lo && r->hole[i].lo <= asked.hi) {
                r->hole[i].tries = 0;
                r->hole[i].due_ms = mono_ms;
            }
        }
    }
    json_decref(tree);
    free(rows);
    return why;
}

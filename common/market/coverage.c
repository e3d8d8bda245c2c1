#include "common/market/coverage.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/mem.h"

const char *cover_state_name(enum cover_state s)
{
    switch (s) {
    case COVER_COMPLETE:
        return "complete";
    case COVER_REPAIRED:
        return "repaired";
    case COVER_PARTIAL:
        return "partial";
    case COVER_MISSING:
        return "missing";
    }
    FATAL("cover state %d", (int)s);
}

void coverage_init(struct coverage *c)
{
    *c = (struct coverage){.day_ms = -1, .judged_end_ms = -1};
}

void coverage_release(struct coverage *c)
{
    free(c->span);
    coverage_init(c);
}

static void push(struct coverage *c, struct cover_span s)
{
    if (c->n == c->cap) {
        c->cap = c->cap ? 2 * c->cap : 16;
        c->span = xrealloc(c->span, c->cap * sizeof *c->span);
    }
    c->span[c->n++] = s;
}

// A hole as far as it lies in the judged range.
static void push_hole(struct coverage *c, int64_t from_ms, int64_t to_ms, int64_t from_id,
                      int64_t to_id)
{
    from_ms = from_ms > c->day_ms ? from_ms : c->day_ms;
    to_ms = to_ms < c->judged_end_ms ? to_ms : c->judged_end_ms;
    if (from_ms < to_ms) {
        push(c, (struct cover_span){from_ms, to_ms, from_id, to_id, COVER_MISSING});
    }
}

static int by_time(const void *a, const void *b)
{
    const struct cover_span *x = a;
    const struct cover_span *y = b;
    if (x->from_ms != y->from_ms) {
        return x->from_ms < y->from_ms ? -1 : 1;
    }
    return x->from_id < y->from_id ? -1 : x->from_id > y->from_id;
}

// Holes come in id order, which is time order but for venues whose clock ran back.
static void sort_and_merge(struct coverage *c)
{
    for (size_t i = 1; i < c->n; i++) {
        if (by_time(&c->span[i - 1], &c->span[i]) > 0) {
            qsort(c->span, c->n, sizeof *c->span, by_time);
            break;
        }
    }
    size_t kept = 0;
    for (size_t i = 0; i < c->n; i++) {
        struct cover_span *last = kept > 0 ? &c->span[kept - 1] : NULL;
        const struct cover_span *s = &c->span[i];
        if (!last || s->from_ms >= last->to_ms) {
            c->span[kept++] = *s;
            continue;
        }
        last->to_ms = s->to_ms > last->to_ms ? s->to_ms : last->to_ms;
        last->from_id = s->from_id < last->from_id ? s->from_id : last->from_id;
        last->to_id = s->to_id > last->to_id ? s->to_id : last->to_id;
    }
    c->n = kept;
}

static void begin(struct coverage *c, int64_t day_ms, int64_t judged_end_ms)
{
    c->n = 0;
    c->missing_ms = 0;
    c->partial_ms = 0;
    c->holes = 0;
    c->by_time = false;
    c->day_ms = day_ms;
    if (judged_end_ms < day_ms) {
        judged_end_ms = day_ms;
    }
    c->judged_end_ms = judged_end_ms - day_ms > MS_PER_DAY ? day_ms + MS_PER_DAY : judged_end_ms;
}

void coverage_none(struct coverage *c)
{
    begin(c, -1, -1);
}

void coverage_compute(struct coverage *c, const struct idset *held, int64_t day_ms,
                      int64_t judged_end_ms)
{
    begin(c, day_ms, judged_end_ms);
    if (c->judged_end_ms == day_ms) {
        return;
    }
    if (held->n == 0) {
        push_hole(c, day_ms, c->judged_end_ms, -1, -1);
    } else {
        push_hole(c, day_ms, held->span[0].t_lo, -1, held->span[0].lo - 1);
    }
    for (size_t i = 0; i + 1 < held->n; i++) {
        const struct id_span *a = &held->span[i];
        const struct id_span *b = &held->span[i + 1];
        int64_t to = b->t_lo > a->t_hi ? b->t_lo : a->t_hi + 1;
        push_hole(c, a->t_hi, to, a->hi + 1, b->lo - 1);
    }
    sort_and_merge(c);
    // The holes move to the end of an array with room for what lies between them; the final list
    // is then written from the front and can not catch up with what is still to be read.
    size_t holes = c->n;
    size_t need = 2 * holes + 1;
    if (c->cap < need + holes) {
        c->cap = need + holes;
        c->span = xrealloc(c->span, c->cap * sizeof *c->span);
    }
    struct cover_span *hole = c->span + need;
    memmove(hole, c->span, holes * sizeof *hole);
    c->n = 0;
    int64_t at = day_ms;
    for (size_t i = 0; i < holes; i++) {
        if (hole[i].from_ms > at) {
            push(c, (struct cover_span){at, hole[i].from_ms, -1, -1, COVER_COMPLETE});
        }
        push(c, hole[i]);
        c->missing_ms += hole[i].to_ms - hole[i].from_ms;
        at = hole[i].to_ms;
    }
    if (at < c->judged_end_ms) {
        push(c, (struct cover_span){at, c->judged_end_ms, -1, -1, COVER_COMPLETE});
    }
    c->holes = holes;
}

// ---- by time ------------------------------------------------------------------------------------

static void push_state(struct coverage *c, int64_t from_ms, int64_t to_ms, enum cover_state state)
{
    struct cover_span *last = c->n > 0 ? &c->span[c->n - 1] : NULL;
    if (from_ms >= to_ms) {
        return;
    }
    if (last && last->state == state && last->to_ms == from_ms) {
        last->to_ms = to_ms;
        return;
    }
    push(c, (struct cover_span){from_ms, to_ms, -1, -1, state});
}

// A hole in pieces: whole seconds with a trade are partial.
static void push_time_hole(struct coverage *c, const uint8_t *seconds, struct ms_span hole)
{
    int64_t at = hole.from_ms;
    int64_t second = (hole.from_ms - c->day_ms + 999) / 1000;
    for (; c->day_ms + (second + 1) * 1000 <= hole.to_ms; second++) {
        if (seconds[second / 8] >> (second % 8) & 1) {
            int64_t from = c->day_ms + second * 1000;
            push_state(c, at, from, COVER_MISSING);
            push_state(c, from, from + 1000, COVER_PARTIAL);
            c->partial_ms += 1000;
            at = from + 1000;
        }
    }
    push_state(c, at, hole.to_ms, COVER_MISSING);
    c->missing_ms += hole.to_ms - hole.from_ms;
}

void coverage_compute_time(struct coverage *c, const struct timecover *t, const uint8_t *seconds,
                           int64_t day_ms, int64_t judged_end_ms)
{
    begin(c, day_ms, judged_end_ms);
    c->by_time = true;
    struct spanset holes;
    spanset_init(&holes, SIZE_MAX, true);
    timecover_holes(t, day_ms, c->judged_end_ms, &holes);
    int64_t at = day_ms;
    for (size_t i = 0; i < holes.n; i++) {
        push_state(c, at, holes.v[i].from_ms, COVER_COMPLETE);
        push_time_hole(c, seconds, holes.v[i]);
        at = holes.v[i].to_ms;
    }
    push_state(c, at, c->judged_end_ms, COVER_COMPLETE);
    c->holes = holes.n;
    spanset_release(&holes);
}

// ---- questions ----------------------------------------------------------------------------------

int64_t coverage_fraction_e8(const struct coverage *c)
{
    int64_t judged = c->judged_end_ms - c->day_ms;
    if (judged <= 0) {
        return -1;
    }
    // At most a day of ms times 1e8: fits 64 bits.
    int64_t covered = (judged - c->missing_ms) * INT64_C(100000000);
    int64_t q = covered / judged;
    int64_t twice = 2 * (covered % judged);
    return q + (twice > judged || (twice == judged && (q & 1)));
}

int64_t coverage_missing_between(const struct coverage *c, int64_t from_ms, int64_t to_ms)
{
    int64_t sum = 0;
    for (size_t i = 0; i < c->n; i++) {
        const struct cover_span *s = &c->span[i];
        int64_t from = s->from_ms > from_ms ? s->from_ms : from_ms;
        int64_t to = s->to_ms < to_ms ? s->to_ms : to_ms;
        bool unproven = s->state == COVER_MISSING || s->state == COVER_PARTIAL;
        if (unproven && from < to) {
            sum += to - from;
        }
    }
    return sum;
}

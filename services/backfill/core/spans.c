#include "services/backfill/core/spans.h"

#include <string.h>

#include "common/base/clock.h"
#include "common/base/str.h"

const char *span_origin_name(enum span_origin o)
{
    static const char *const name[SPAN_ORIGINS] = {"store", "recording", "archive"};
    return o < SPAN_ORIGINS ? name[o] : "?";
}

// ---- life
// ----------------------------------------------------------------------------------------

void spans_init(struct spans *s, const struct spans_opts *o)
{
    memset(s, 0, sizeof *s);
    s->o = *o;
    s->live_ms = -1;
    // One more than there is room for: what is oldest is fetched again, or declared again.
    spanset_init(&s->held, SPANS_MAX, false);
    spanset_init(&s->lost, SPANS_MAX, false);
    for (int i = 0; i < SPAN_ORIGINS; i++) {
        spanset_init(&s->by[i], SPANS_MAX, false);
    }
}

void spans_release(struct spans *s)
{
    spanset_release(&s->held);
    spanset_release(&s->lost);
    for (int i = 0; i < SPAN_ORIGINS; i++) {
        spanset_release(&s->by[i]);
    }
}

void spans_clear(struct spans *s)
{
    spanset_clear(&s->held);
    spanset_clear(&s->lost);
    for (int i = 0; i < SPAN_ORIGINS; i++) {
        spanset_clear(&s->by[i]);
    }
}

static void prune(struct spans *s)
{
    const int64_t old_ms = s->day[SPANS_PREV].start_ms;
    spanset_prune(&s->held, old_ms);
    spanset_prune(&s->lost, old_ms);
    for (int i = 0; i < SPAN_ORIGINS; i++) {
        spanset_prune(&s->by[i], old_ms);
    }
}

// The venue has no file of a day that is not over.
static void open_day(struct spans *s, enum span_when d, int64_t start_ms)
{
    s->day[d] = (struct span_day){.start_ms = start_ms};
    for (int i = 0; i < SPAN_ORIGINS; i++) {
        if (!s->o.use[i]) {
            s->day[d].tried[i] = SPAN_EMPTY;
        }
    }
    if (d == SPANS_TODAY) {
        s->day[d].tried[SPAN_ARCHIVE] = SPAN_EMPTY;
        str_copy(s->day[d].why, sizeof s->day[d].why, "venue has no history of the running day");
    } else if (!s->o.use[SPAN_ARCHIVE]) {
        str_copy(s->day[d].why, sizeof s->day[d].why, "archives are switched off");
    }
}

void spans_start(struct spans *s, int64_t live_ms, int64_t newest_ms)
{
    const int64_t today = day_start_ms(newest_ms > live_ms ? newest_ms : live_ms);
    s->live_ms = live_ms;
    open_day(s, SPANS_PREV, today - MS_PER_DAY);
    open_day(s, SPANS_TODAY, today);
    prune(s);
}

bool spans_roll(struct spans *s, int64_t newest_ms)
{
    const int64_t today = day_start_ms(newest_ms), was = s->day[SPANS_TODAY].start_ms;
    if (s->live_ms < 0 || today <= was) {
        return false;
    }
    struct span_day old = s->day[SPANS_TODAY];
    open_day(s, SPANS_PREV, today - MS_PER_DAY);
    open_day(s, SPANS_TODAY, today);
    if (old.start_ms == s->day[SPANS_PREV].start_ms) { // what was asked goes on
        struct span_day *p = &s->day[SPANS_PREV];
        p->tried[SPAN_STORE] = old.tried[SPAN_STORE];
        p->tried[SPAN_RECORDING] = old.tried[SPAN_RECORDING];
    }
    prune(s);
    return true;
}

// ---- what is to be had
// ---------------------------------------------------------------------------

bool spans_range(const struct spans *s, enum span_when d, int64_t *from_ms, int64_t *to_ms)
{
    if (s->live_ms < 0 || (d == SPANS_PREV && !s->o.prev_day)) {
        return false;
    }
    *from_ms = s->day[d].start_ms;
    *to_ms = *from_ms + MS_PER_DAY;
    if (s->live_ms + 1 < *to_ms) {
        *to_ms = s->live_ms + 1;
    }
    return *from_ms < *to_ms;
}

void spans_missing(const struct spans *s, enum span_when d, struct spanset *out)
{
    int64_t from, to;
    spanset_clear(out);
    if (!spans_range(s, d, &from, &to)) {
        return;
    }
    spanset_add(out, from, to);
    for (size_t i = 0; i < s->held.n; i++) {
        spanset_cut(out, s->held.v[i].from_ms, s->held.v[i].to_ms);
    }
}

// The first millisecond of [from, to) that the set does not hold; `to`: it holds all.
static int64_t first_outside(const struct spanset *set, int64_t from, int64_t to)
{
    for (size_t i = 0; i < set->n && set->v[i].from_ms <= from; i++) {
        from = set->v[i].to_ms > from ? set->v[i].to_ms : from;
    }
    return from < to ? from : to;
}

static bool is_missing_something(const struct spans *s, enum span_when d)
{
    int64_t from, to;
    return spans_range(s, d, &from, &to) && first_outside(&s->held, from, to) < to;
}

bool spans_wants(const struct spans *s, enum span_when d, int64_t ts_ms)
{
    int64_t from, to;
    return spans_range(s, d, &from, &to) && from <= ts_ms && ts_ms < to &&
           !spanset_has(&s->held, ts_ms);
}

// ---- whom to ask
// ---------------------------------------------------------------------------------

// The sources of a day take turns: one at a time, in their order.
static bool next_of_day(const struct spans *s, enum span_when d, int64_t mono_ms,
                        enum span_origin *o)
{
    const struct span_day *day = &s->day[d];
    if (!is_missing_something(s, d)) {
        return false;
    }
    for (int i = 0; i < SPAN_ORIGINS; i++) {
        if (day->tried[i] == SPAN_ASKED) {
            return false;
        }
        if (day->tried[i] == SPAN_UNTRIED) {
            *o = (enum span_origin)i;
            return true;
        }
    }
    *o = SPAN_ARCHIVE; // once more: it may have appeared
    return d == SPANS_PREV && s->o.use[SPAN_ARCHIVE] && mono_ms >= day->due_ms;
}

bool spans_next(const struct spans *s, int64_t mono_ms, enum span_when *d, enum span_origin *o)
{
    for (int i = SPANS_DAYS; i-- > 0;) {
        if (next_of_day(s, (enum span_when)i, mono_ms, o)) {
            *d = (enum span_when)i;
            return true;
        }
    }
    return false;
}

void spans_asked(struct spans *s, enum span_when d, enum span_origin o)
{
    s->day[d].tried[o] = SPAN_ASKED;
}

void spans_told(struct spans *s, enum span_when d, enum span_origin o, bool good, const char *why,
                bool again, int64_t mono_ms)
{
    struct span_day *day = &s->day[d];
    day->tried[o] = good ? SPAN_TOLD : SPAN_EMPTY;
    if (o != SPAN_ARCHIVE) {
        return;
    }
    int64_t pause = s->o.retry_ms;
    day->pauses = again ? 0 : day->pauses + 1;
    for (int i = 1; i < day->pauses && pause < s->o.retry_max_ms; i++) {
        pause *= 2;
    }
    day->due_ms = mono_ms + (pause < s->o.retry_max_ms ? pause : s->o.retry_max_ms);
    str_copy(day->why, sizeof day->why, good ? "the archive does not hold it" : why);
}

void spans_hold(struct spans *s, int64_t from_ms, int64_t to_ms)
{
    spanset_add(&s->held, from_ms, to_ms);
    spanset_cut(&s->lost, from_ms, to_ms);
}

void spans_credit(struct spans *s, enum span_origin o, int64_t from_ms, int64_t to_ms)
{
    spanset_add(&s->by[o], from_ms, to_ms);
}

void spans_lose(struct spans *s, int64_t from_ms, int64_t to_ms)
{
    spanset_add(&s->lost, from_ms, to_ms);
}

// ---- where it stands
// -----------------------------------------------------------------------------

bool spans_is_settled(const struct spans *s, enum span_when d)
{
    for (int i = 0; i < SPAN_ORIGINS; i++) {
        // Asked once more because of a hole that is declared: it stays declared meanwhile.
        const bool again = i == SPAN_ARCHIVE && s->day[d].due_ms > 0;
        if (s->day[d].tried[i] == SPAN_UNTRIED || (s->day[d].tried[i] == SPAN_ASKED && !again)) {
            return false;
        }
    }
    return true;
}

const char *spans_reason(const struct spans *s, enum span_when d)
{
    return s->day[d].why;
}

bool spans_is_complete(const struct spans *s)
{
    if (s->live_ms < 0) {
        return false;
    }
    for (int i = 0; i < SPANS_DAYS; i++) {
        const enum span_when d = (enum span_when)i;
        int64_t at = 0, to = 0;
        if (!is_missing_something(s, d)) {
            continue;
        }
        if (!spans_is_settled(s, d)) {
            return false;
        }
        (void)spans_range(s, d, &at, &to);
        for (int64_t before = -1; before != at;) { // across held and lost in turn
            before = at;
            at = first_outside(&s->held, at, to);
            at = first_outside(&s->lost, at, to);
        }
        if (at < to) {
            return false;
        }
    }
    return true;
}

#include "services/backfill/core/plan.h"

#include <string.h>

#include "common/base/clock.h"
#include "common/base/str.h"

void plan_init(struct plan *p, const struct plan_opts *o)
{
    memset(p, 0, sizeof *p);
    p->o = *o;
    idset_init(&p->held, PLAN_SPANS);
    idset_init(&p->lost, PLAN_SPANS);
    p->live_id = -1;
}

void plan_release(struct plan *p)
{
    idset_release(&p->held);
    idset_release(&p->lost);
}

void plan_start(struct plan *p, int64_t live_id, int64_t live_ms, int64_t newest_ms)
{
    const int64_t today = day_start_ms(newest_ms > live_ms ? newest_ms : live_ms);
    p->live_id = live_id;
    p->live_ms = live_ms;
    p->archive = PLAN_UNTRIED;
    p->archive_why[0] = '\0';
    memset(p->storing, 0, sizeof p->storing);
    memset(p->task, 0, sizeof p->task);
    p->extras = 0;
    for (int d = 0; d < PLAN_DAYS; d++) {
        p->day[d] = (struct plan_mark){.start_ms = today - (d == PLAN_PREV ? MS_PER_DAY : 0),
                                       .first_id = -1};
    }
}

void plan_set_mark(struct plan *p, enum plan_day d, int64_t id, int64_t ms)
{
    p->day[d].first_id = id;
    p->day[d].first_ms = ms;
    p->day[d].proven = p->day[d].settled = true;
}

// ---- what is to be had
// ---------------------------------------------------------------------------

bool plan_concerns(const struct plan *p, enum plan_day d)
{
    if (p->live_id < 0 || (d == PLAN_PREV && !p->o.prev_day)) {
        return false;
    }
    return p->live_ms >= p->day[d].start_ms;
}

bool plan_day_range(const struct plan *p, enum plan_day d, int64_t *lo, int64_t *hi)
{
    const struct plan_mark *m = &p->day[d];
    if (!plan_concerns(p, d) || m->first_id < 0) {
        return false;
    }
    *lo = m->first_id;
    *hi = p->live_id - 1;
    if (d == PLAN_PREV && plan_concerns(p, PLAN_TODAY)) {
        if (p->day[PLAN_TODAY].first_id < 0) {
            return false;
        }
        *hi = p->day[PLAN_TODAY].first_id - 1;
    }
    return *lo <= *hi;
}

// Ids of lo..hi that are held or given up. The two sets never share an id.
static int64_t count_in(const struct idset *s, int64_t lo, int64_t hi)
{
    int64_t n = 0;
    for (size_t i = 0; i < s->n; i++) {
        const int64_t a = s->span[i].lo > lo ? s->span[i].lo : lo;
        const int64_t b = s->span[i].hi < hi ? s->span[i].hi : hi;
        n += a <= b ? b - a + 1 : 0;
    }
    return n;
}

static int64_t missing_in(const struct plan *p, int64_t lo, int64_t hi)
{
    return hi - lo + 1 - count_in(&p->held, lo, hi) - count_in(&p->lost, lo, hi);
}

int64_t plan_missing(const struct plan *p, enum plan_day d)
{
    int64_t lo, hi;
    return plan_day_range(p, d, &lo, &hi) ? missing_in(p, lo, hi) : 0;
}

bool plan_lost_any(const struct plan *p, enum plan_day d)
{
    int64_t lo, hi;
    return plan_day_range(p, d, &lo, &hi) && count_in(&p->lost, lo, hi) > 0;
}

bool plan_wants_archive(const struct plan *p)
{
    int64_t lo, hi;
    if (p->archive != PLAN_UNTRIED || p->storing[PLAN_PREV] || !plan_concerns(p, PLAN_PREV)) {
        return false;
    }
    if (plan_day_range(p, PLAN_PREV, &lo, &hi)) {
        // Not while REST is asked for its last trade, which proves where today begins.
        return missing_in(p, lo, hi) > WALK_LIMIT &&
               (!plan_concerns(p, PLAN_TODAY) || p->day[PLAN_TODAY].settled);
    }
    // REST could not tell where the day begins: then the archive has to.
    return p->day[PLAN_PREV].settled && p->day[PLAN_PREV].first_id < 0 &&
           (!plan_concerns(p, PLAN_TODAY) || p->day[PLAN_TODAY].first_id >= 0);
}

void plan_archive_first(struct plan *p, int64_t id, int64_t ms)
{
    struct plan_mark *m = &p->day[PLAN_PREV];
    if (m->first_id < 0) {
        m->first_id = id;
        m->first_ms = ms;
    }
}

void plan_store(struct plan *p, enum plan_day d, bool reading)
{
    p->storing[d] = reading;
}

void plan_archive(struct plan *p, enum plan_source s, const char *why)
{
    p->archive = s;
    str_copy(p->archive_why, sizeof p->archive_why, why);
}

// ---- tasks
// ---------------------------------------------------------------------------------------

static struct task *free_task(struct plan *p)
{
    for (size_t i = 0; i < PLAN_TASKS; i++) {
        if (!p->task[i].used) {
            return &p->task[i];
        }
    }
    return NULL;
}

static struct task *of_kind(struct plan *p, enum task_kind k, enum plan_day d)
{
    for (size_t i = 0; i < PLAN_TASKS; i++) {
        if (p->task[i].used && p->task[i].kind == k && p->task[i].day == d && k != TASK_PAGE) {
            return &p->task[i];
        }
    }
    return NULL;
}

static struct task *take(struct plan *p, const struct task *like)
{
    struct task *t = free_task(p);
    if (t != NULL) {
        *t = *like;
        t->used = t->in_flight = true;
    }
    return t;
}

// Where the days begin comes first: nothing else can be counted or proven without it.
static struct task *next_mark(struct plan *p)
{
    for (int i = 0; i < PLAN_DAYS; i++) {
        const enum plan_day d = i == 0 ? PLAN_TODAY : PLAN_PREV;
        const struct plan_mark *m = &p->day[d];
        if (!plan_concerns(p, d) || m->settled) {
            continue;
        }
        if (m->first_id < 0 && of_kind(p, TASK_LOCATE, d) == NULL) {
            return take(
                p, &(struct task){
                       .kind = TASK_LOCATE, .day = d, .from_ms = m->start_ms, .to_ms = p->live_ms});
        }
        // While the store is being read it may be about to bring the very trade.
        if (m->first_id > 0 && !p->storing[PLAN_PREV] && of_kind(p, TASK_ANCHOR, d) == NULL) {
            return take(p, &(struct task){.kind = TASK_ANCHOR, .day = d, .lo = m->first_id - 1});
        }
    }
    return NULL;
}

// What of lo..hi comes first is neither held, given up nor asked for: *lo and *hi are narrowed to
// it. False: nothing of it.
static bool first_free(const struct plan *p, int64_t *lo, int64_t *hi)
{
    const struct idset *set[] = {&p->held, &p->lost};
    int64_t id = *lo, before;
    do { // past everything that begins at or before it and ends behind it
        before = id;
        for (size_t k = 0; k < 2; k++) {
            for (size_t i = 0; i < set[k]->n; i++) {
                const struct id_span *s = &set[k]->span[i];
                id = s->lo <= id && id <= s->hi ? s->hi + 1 : id;
            }
        }
        for (size_t i = 0; i < PLAN_TASKS; i++) {
            const struct task *t = &p->task[i];
            id = t->used && t->kind == TASK_PAGE && t->lo <= id && id <= t->hi ? t->hi + 1 : id;
        }
    } while (id != before);
    int64_t end = *hi;
    for (size_t k = 0; k < 2; k++) {
        for (size_t i = 0; i < set[k]->n; i++) {
            const struct id_span *s = &set[k]->span[i];
            end = s->lo > id && s->lo <= end ? s->lo - 1 : end;
        }
    }
    for (size_t i = 0; i < PLAN_TASKS; i++) {
        const struct task *t = &p->task[i];
        end = t->used && t->kind == TASK_PAGE && t->lo > id && t->lo <= end ? t->lo - 1 : end;
    }
    *lo = id;
    *hi = end;
    return id <= end;
}

static struct task *next_page(struct plan *p, enum plan_day d)
{
    int64_t lo, hi;
    if (p->storing[d] || !plan_day_range(p, d, &lo, &hi) ||
        (d == PLAN_PREV && (p->archive == PLAN_UNTRIED || p->archive == PLAN_RUNNING))) {
        return NULL;
    }
    if (!first_free(p, &lo, &hi)) {
        return NULL;
    }
    return take(p, &(struct task){.kind = TASK_PAGE,
                                  .day = d,
                                  .lo = lo,
                                  .hi = hi < lo + WALK_LIMIT - 1 ? hi : lo + WALK_LIMIT - 1,
                                  .from_ms = p->day[d].first_ms,
                                  .to_ms = p->live_ms});
}

// Whether a page of the range is asked for or waits to be asked again.
static bool is_asked(const struct plan *p, const struct plan_range *r)
{
    for (size_t i = 0; i < PLAN_TASKS; i++) {
        const struct task *t = &p->task[i];
        if (t->used && t->kind == TASK_PAGE && t->lo <= r->hi && r->lo <= t->hi) {
            return true;
        }
    }
    return false;
}

static void drop_extras(struct plan *p)
{
    size_t n = 0;
    for (size_t i = 0; i < p->extras; i++) {
        const struct plan_range *r = &p->extra[i];
        int64_t lo = r->lo, hi = r->hi;
        if (first_free(p, &lo, &hi) || is_asked(p, r)) {
            p->extra[n++] = *r;
        }
    }
    p->extras = n;
}

bool plan_want(struct plan *p, const struct plan_range *r)
{
    drop_extras(p);
    for (size_t i = 0; i < p->extras; i++) {
        if (p->extra[i].lo <= r->lo && r->hi <= p->extra[i].hi) {
            return true;
        }
    }
    if (p->extras == PLAN_EXTRA) {
        return false;
    }
    p->extra[p->extras++] = *r;
    return true;
}

bool plan_wants_more(struct plan *p)
{
    drop_extras(p);
    return p->extras > 0;
}

void plan_found(struct idset *lost, int64_t lo, int64_t hi, int64_t ms)
{
    for (int64_t id = lo; id <= hi && idset_has_any(lost, id, hi); id++) {
        (void)idset_remove(lost, id, ms);
    }
}

static struct task *next_extra(struct plan *p)
{
    for (size_t i = 0; i < p->extras; i++) {
        const struct plan_range *r = &p->extra[i];
        int64_t lo = r->lo, hi = r->hi;
        if (first_free(p, &lo, &hi)) {
            return take(p, &(struct task){.kind = TASK_PAGE,
                                          .day = PLAN_TODAY,
                                          .lo = lo,
                                          .hi = hi < lo + WALK_LIMIT - 1 ? hi : lo + WALK_LIMIT - 1,
                                          .from_ms = r->from_ms,
                                          .to_ms = r->to_ms});
        }
    }
    return NULL;
}

struct task *plan_next(struct plan *p, int64_t mono_ms)
{
    int64_t lo, hi;
    for (size_t i = 0; i < PLAN_TASKS; i++) {
        struct task *t = &p->task[i];
        if (t->used && !t->in_flight && t->due_ms <= mono_ms) {
            t->in_flight = true;
            return t;
        }
    }
    struct task *t = next_mark(p);
    // A day that lacks so little is not worth an archive.
    if (p->archive == PLAN_UNTRIED && !p->storing[PLAN_PREV] &&
        plan_day_range(p, PLAN_PREV, &lo, &hi) && missing_in(p, lo, hi) <= WALK_LIMIT) {
        plan_archive(p, PLAN_ABSENT, "not needed");
    }
    if (t == NULL) {
        t = next_page(p, PLAN_TODAY);
    }
    t = t != NULL ? t : next_page(p, PLAN_PREV);
    return t != NULL ? t : next_extra(p);
}

int64_t plan_due_ms(const struct plan *p)
{
    int64_t due = INT64_MAX;
    for (size_t i = 0; i < PLAN_TASKS; i++) {
        const struct task *t = &p->task[i];
        if (t->used && !t->in_flight && t->due_ms < due) {
            due = t->due_ms;
        }
    }
    return due;
}

size_t plan_in_flight(const struct plan *p)
{
    size_t n = 0;
    for (size_t i = 0; i < PLAN_TASKS; i++) {
        n += p->task[i].used && p->task[i].in_flight ? 1 : 0;
    }
    return n;
}

// ---- answers
// -------------------------------------------------------------------------------------

void plan_located(struct plan *p, struct task *t, int64_t id, int64_t ms)
{
    struct plan_mark *m = &p->day[t->day];
    m->first_id = id;
    m->first_ms = ms;
    if (id == 0) { // nothing can lie before it
        m->proven = m->settled = true;
    }
    t->used = false;
}

void plan_anchored(struct plan *p, struct task *t, bool none)
{
    struct plan_mark *m = &p->day[t->day];
    m->settled = true;
    m->proven = !none;
    if (none) {
        str_copy(m->why, sizeof m->why, "the venue has no earlier trade");
    }
    t->used = false;
}

void plan_paged(struct plan *p, struct task *t)
{
    p->pages++;
    t->used = false;
}

static void later(struct plan *p, struct task *t, int64_t mono_ms)
{
    int64_t pause = p->o.retry_base_ms;
    for (int i = 0; i < t->tries && pause < p->o.retry_max_ms; i++) {
        pause *= 2;
    }
    t->tries++;
    t->in_flight = false;
    t->due_ms = mono_ms + (pause < p->o.retry_max_ms ? pause : p->o.retry_max_ms);
}

void plan_failed(struct plan *p, struct task *t, int64_t mono_ms)
{
    later(p, t, mono_ms);
}

bool plan_wrong(struct plan *p, struct task *t, int64_t mono_ms, const char *why, int64_t *lo,
                int64_t *hi)
{
    p->wrong++;
    t->wrong++;
    if (t->kind == TASK_PAGE) {
        if (t->wrong < p->o.max_wrong) {
            later(p, t, mono_ms);
            return false;
        }
        *lo = t->lo;
        *hi = t->hi;
        t->used = false;
        return true;
    }
    struct plan_mark *m = &p->day[t->day];
    if (++m->tries < p->o.max_wrong) {
        if (t->kind == TASK_ANCHOR && m->tries > 1) {
            m->first_id = -1; // located wrongly, perhaps: once more from there
            t->used = false;
        } else {
            later(p, t, mono_ms);
        }
        return false;
    }
    str_copy(m->why, sizeof m->why, why);
    m->settled = true;
    m->first_id = -1; // what was located is not to be believed
    t->used = false;
    return false;
}

void plan_hold(struct plan *p, int64_t lo, int64_t hi, int64_t from_ms, int64_t to_ms)
{
    (void)idset_add_range(&p->held, lo, hi, from_ms, to_ms);
}

void plan_lose(struct plan *p, int64_t lo, int64_t hi, int64_t from_ms, int64_t to_ms)
{
    (void)idset_add_range(&p->lost, lo, hi, from_ms, to_ms);
}

bool plan_has(const struct plan *p, int64_t id)
{
    return idset_has(&p->held, id) || idset_has(&p->lost, id);
}

// ---- where it stands
// -----------------------------------------------------------------------------

bool plan_complete(const struct plan *p)
{
    if (p->live_id < 0 || p->archive == PLAN_RUNNING || p->storing[PLAN_PREV] ||
        p->storing[PLAN_TODAY] || plan_in_flight(p) > 0) {
        return false;
    }
    for (int d = 0; d < PLAN_DAYS; d++) {
        int64_t lo, hi;
        if (!plan_concerns(p, (enum plan_day)d)) {
            continue;
        }
        if (!p->day[d].settled) {
            return false;
        }
        if (plan_day_range(p, (enum plan_day)d, &lo, &hi) && missing_in(p, lo, hi) > 0) {
            return false;
        }
    }
    return true;
}

void plan_count(const struct plan *p, int64_t *done, int64_t *total)
{
    *done = 0;
    *total = 0;
    for (int d = 0; d < PLAN_DAYS; d++) {
        const struct plan_mark *m = &p->day[d];
        int64_t lo, hi;
        if (!plan_concerns(p, (enum plan_day)d)) {
            continue;
        }
        if (plan_day_range(p, (enum plan_day)d, &lo, &hi)) {
            *total += *total >= 0 ? hi - lo + 1 : 0;
            *done += hi - lo + 1 - missing_in(p, lo, hi);
        } else if (m->first_id < 0 && !m->settled) {
            *total = -1;
        }
    }
    if (p->live_id < 0) {
        *total = -1;
    }
}

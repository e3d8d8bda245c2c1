#include "common/market/ledger.h"

#include <stdlib.h>

#include "common/base/clock.h"
#include "common/base/mem.h"
#include "common/market/day_count.h"

// Ids of a venue follow its time, but not to the millisecond: intervals are dropped only when they
// end this long before the previous day.
#define PRUNE_SLACK_MS INT64_C(3600000)

void ledger_init(struct ledger *l, const struct instrument *ins)
{
    *l = (struct ledger){.ins = *ins, .newest_ms = -1};
    day_init(&l->cur);
    day_init(&l->prev);
    idset_init(&l->held, LEDGER_MAX_SPANS);
    if (ins->venue == VENUE_BYBIT) {
        l->named = named_new(LEDGER_MAX_NAMES, LEDGER_MAX_SPANS);
    }
}

void ledger_limit_names(struct ledger *l, size_t max)
{
    for (size_t i = 0; l->named && i < 2; i++) {
        l->named->day[i].ids.max = l->named->day[i].blocks.max = max;
    }
}

void ledger_release(struct ledger *l)
{
    day_release(&l->cur);
    day_release(&l->prev);
    idset_release(&l->held);
    named_free(l->named);
    l->named = NULL;
    l->newest_ms = -1;
}

void ledger_clear(struct ledger *l)
{
    struct instrument ins = l->ins;
    size_t max_names = l->named ? l->named->day[0].ids.max : 0;
    ledger_release(l);
    ledger_init(l, &ins);
    ledger_limit_names(l, max_names);
}

void ledger_restored(struct ledger *l)
{
    // The newest trade of the current day is its last in set order.
    l->newest_ms = day_is_empty_slot(&l->cur) || l->cur.trades == 0 ? -1 : l->cur.last.ts_ms;
}

static void prune(struct ledger *l)
{
    if (l->named) {
        timecover_prune(&l->named->cover, l->cur.start_ms - MS_PER_DAY);
        return;
    }
    idset_prune(&l->held, l->cur.start_ms - MS_PER_DAY - PRUNE_SLACK_MS);
}

// Makes `start_ms` the current day. The slots swap, so that the pages of the dropped day serve the
// new one.
static void roll(struct ledger *l, int64_t start_ms)
{
    bool had_day = !day_is_empty_slot(&l->cur);
    bool adjacent = had_day && l->cur.start_ms + MS_PER_DAY == start_ms;
    struct day dropped = l->prev;
    l->prev = l->cur;
    l->cur = dropped;
    if (!adjacent) {
        day_release(&l->prev);
    }
    day_start(&l->cur, start_ms, l->ins.bin_ticks);
    if (l->named) {
        named_roll(l->named, adjacent);
    }
    l->rolled |= had_day;
    prune(l);
}

static bool is_sealed(const struct ledger *l, int64_t start_ms)
{
    return (l->cur.sealed != 0 && l->cur.start_ms == start_ms) ||
           (l->prev.sealed != 0 && l->prev.start_ms == start_ms);
}

// A trade that is not of the current day, or whose day is sealed. The state changes only when the
// trade is counted.
static enum ledger_result add_elsewhere(struct ledger *l, const struct trade *t)
{
    int64_t start = day_start_ms(t->ts_ms);
    bool empty = day_is_empty_slot(&l->cur);
    if (!empty && start < l->cur.start_ms - MS_PER_DAY) {
        (void)idset_add(&l->held, t->id, t->ts_ms);
        prune(l);
        l->too_old++;
        return LEDGER_TOO_OLD;
    }
    if (is_sealed(l, start)) {
        (void)idset_add(&l->held, t->id, t->ts_ms);
        l->duplicates++;
        return LEDGER_DUPLICATE;
    }
    if (idset_has(&l->held, t->id) || t->id < 0) {
        l->duplicates++;
        return LEDGER_DUPLICATE;
    }
    if (empty || start > l->cur.start_ms) {
        // A single trade fits an empty day: the roll can not be followed by a refusal.
        roll(l, start);
        if (day_add(&l->cur, t)) {
            l->overflows++;
            return LEDGER_OVERFLOW;
        }
        (void)idset_add(&l->held, t->id, t->ts_ms);
        l->newest_ms = t->ts_ms;
        l->counted++;
        return LEDGER_COUNTED;
    }
    if (day_is_empty_slot(&l->prev)) {
        day_start(&l->prev, start, l->ins.bin_ticks);
    }
    if (day_add(&l->prev, t)) {
        l->overflows++;
        return LEDGER_OVERFLOW;
    }
    (void)idset_add(&l->held, t->id, t->ts_ms);
    l->counted++;
    return LEDGER_COUNTED_PREV;
}

// ---- trades that a UUID names -------------------------------------------------------------------

// A copy may have been told with another time by a hair: near midnight it is looked for in the
// other day, too.
#define MIDNIGHT_MS 1000

static bool is_in_other_day(const struct ledger *l, const struct trade *t, int64_t start_ms)
{
    int64_t in_day = t->ts_ms - start_ms;
    int64_t other = in_day < MIDNIGHT_MS                 ? start_ms - MS_PER_DAY
                    : in_day >= MS_PER_DAY - MIDNIGHT_MS ? start_ms + MS_PER_DAY
                                                         : -1;
    const struct day *day[2] = {&l->cur, &l->prev};
    for (size_t i = 0; i < 2 && other >= 0; i++) {
        if (!day_is_empty_slot(day[i]) && day[i]->start_ms == other) {
            return uidset_has(&l->named->day[i].ids, t->uid);
        }
    }
    return false;
}

static enum ledger_result add_to_day(struct ledger *l, size_t which, const struct trade *t)
{
    struct day *d = which == 0 ? &l->cur : &l->prev;
    struct named_day *n = &l->named->day[which];
    switch (uidset_add(&n->ids, t->uid)) {
    case UIDSET_NEW:
        break;
    case UIDSET_HELD:
        l->duplicates++;
        return named_copy(l->named, n, d, t) ? LEDGER_COPY : LEDGER_DUPLICATE;
    case UIDSET_FULL:
        l->refused++;
        timecover_refused(&l->named->cover, t->ts_ms);
        return LEDGER_FULL;
    }
    if (day_add(d, t)) {
        uidset_undo(&n->ids, t->uid);
        l->overflows++;
        return LEDGER_OVERFLOW;
    }
    named_counted(n, d, t);
    l->counted++;
    if (which == 0) {
        l->newest_ms = l->cur.last.ts_ms;
        return LEDGER_COUNTED;
    }
    return LEDGER_COUNTED_PREV;
}

static enum ledger_result add_named(struct ledger *l, const struct trade *t, bool live)
{
    int64_t start = day_start_ms(t->ts_ms);
    bool empty = day_is_empty_slot(&l->cur);
    if (!empty && start < l->cur.start_ms - MS_PER_DAY) {
        l->too_old++;
        if (live) {
            timecover_seen(&l->named->cover, t->ts_ms);
        }
        return LEDGER_TOO_OLD;
    }
    if (is_sealed(l, start)) {
        l->duplicates++;
        if (live) {
            timecover_seen(&l->named->cover, t->ts_ms);
        }
        return LEDGER_DUPLICATE;
    }
    if (!trade_has_uid(t) || t->ts_ms < l->named->floor_ms || is_in_other_day(l, t, start)) {
        l->duplicates++;
        return LEDGER_DUPLICATE;
    }
    size_t which = 0;
    if (empty || start > l->cur.start_ms) {
        roll(l, start);
    } else if (start < l->cur.start_ms) {
        which = 1;
        if (day_is_empty_slot(&l->prev)) {
            day_start(&l->prev, start, l->ins.bin_ticks);
        }
    }
    enum ledger_result r = add_to_day(l, which, t);
    if (live && r != LEDGER_OVERFLOW) {
        timecover_seen(&l->named->cover, t->ts_ms);
    }
    return r;
}

enum ledger_result ledger_add_late(struct ledger *l, const struct trade *t)
{
    return l->named ? add_named(l, t, false) : ledger_add(l, t);
}

enum ledger_result ledger_add(struct ledger *l, const struct trade *t)
{
    if (__builtin_expect(l->named != NULL, 0)) {
        return add_named(l, t, true);
    }
    // One unsigned compare: also false for an earlier day and for the empty slot's -1 (times are
    // not negative and below year 9999).
    if (__builtin_expect((uint64_t)(t->ts_ms - l->cur.start_ms) >= (uint64_t)MS_PER_DAY ||
                             l->cur.start_ms < 0 || l->cur.sealed != 0,
                         0)) {
        return add_elsewhere(l, t);
    }
    struct idset *held = &l->held;
    // Nearly always the id behind the newest interval. (hi is below INT64_MAX: no id is that.)
    struct id_span *tail = held->n > 0 ? &held->span[held->n - 1] : NULL;
    bool next = tail && tail->hi + 1 == t->id && t->id != INT64_MAX;
    if (__builtin_expect(!next, 0) && (idset_has(held, t->id) || t->id < 0 || t->id == INT64_MAX)) {
        l->duplicates++;
        return LEDGER_DUPLICATE;
    }
    if (__builtin_expect(day_count(&l->cur, t) != 0, 0)) {
        l->overflows++;
        return LEDGER_OVERFLOW;
    }
    if (__builtin_expect(next, 1)) {
        tail->hi = t->id;
        tail->t_hi = t->ts_ms;
    } else {
        (void)idset_add(held, t->id, t->ts_ms);
    }
    l->newest_ms = l->cur.last.ts_ms;
    l->counted++;
    return LEDGER_COUNTED;
}

bool ledger_add_run(struct ledger *l, const struct run *r)
{
    const struct trade *first = &r->v[0];
    const struct trade *last = &r->v[r->n - 1];
    if (!r->summed || l->named || day_is_empty_slot(&l->cur) || l->cur.sealed != 0 ||
        (uint64_t)(r->minute_ms - l->cur.start_ms) >= (uint64_t)MS_PER_DAY ||
        idset_has_any(&l->held, first->id, last->id) || !day_add_run(&l->cur, r)) {
        return false;
    }
    (void)idset_add_range(&l->held, first->id, last->id, first->ts_ms, last->ts_ms);
    l->newest_ms = l->cur.last.ts_ms;
    l->counted += r->n;
    return true;
}

void ledger_hold_range(struct ledger *l, int64_t from_id, int64_t to_id, int64_t from_ms,
                       int64_t to_ms)
{
    (void)idset_add_range(&l->held, from_id, to_id, from_ms, to_ms);
    if (!day_is_empty_slot(&l->cur)) {
        prune(l);
    }
}

int64_t ledger_judged_end(const struct ledger *l, const struct day *d)
{
    if (day_is_empty_slot(d)) {
        return -1;
    }
    return d == &l->cur ? l->newest_ms : d->start_ms + MS_PER_DAY;
}

// ---- a day from its summary ---------------------------------------------------------------------

static void hold_whole_day(struct ledger *l, int64_t start_ms, int64_t from_id, int64_t to_id)
{
    int64_t end = start_ms + MS_PER_DAY;
    if (!l->named) {
        (void)idset_add_range(&l->held, from_id, to_id, start_ms, end);
    } else {
        // What had no room is in the sums of the summary.
        spanset_cut(&l->named->cover.full, start_ms, end);
        timecover_claim(&l->named->cover, start_ms, end);
    }
}

enum ledger_day ledger_take_day(struct ledger *l, struct day *d, int64_t from_id, int64_t to_id,
                                const struct trade_uid *name, size_t names)
{
    bool empty = day_is_empty_slot(&l->cur);
    bool too_old = !empty && d->start_ms < l->cur.start_ms - MS_PER_DAY;
    if (empty || d->start_ms > l->cur.start_ms) {
        roll(l, d->start_ms);
    }
    hold_whole_day(l, d->start_ms, from_id, to_id);
    prune(l);
    if (too_old) {
        l->too_old++;
        return LEDGER_DAY_TOO_OLD;
    }
    size_t which = d->start_ms == l->cur.start_ms ? 0 : 1;
    struct day *slot = which == 0 ? &l->cur : &l->prev;
    if (!day_is_empty_slot(slot) && slot->sealed == d->sealed) {
        l->duplicates++;
        return LEDGER_DAY_KNOWN;
    }
    day_release(slot);
    *slot = *d;
    day_init(d);
    profile_mark_all_dirty(slot->profile);
    if (l->named) {
        named_seal(&l->named->day[which], name, names);
    }
    l->newest_ms = l->cur.last.ts_ms;
    l->taken++;
    return LEDGER_DAY_TAKEN;
}

int64_t ledger_sealed_end(const struct ledger *l)
{
    const struct day *d = l->cur.sealed != 0 ? &l->cur : l->prev.sealed != 0 ? &l->prev : NULL;
    return d ? d->start_ms + MS_PER_DAY : 0;
}

void ledger_edge_names(const struct ledger *l, const struct day *d, struct buf *out)
{
    const struct named_day *n = &l->named->day[d == &l->cur ? 0 : 1];
    char text[UID_TEXT];
    for (size_t i = 0; i < n->n_edge; i++) {
        trade_uid_format(n->edge[i], text);
        buf_adds(out, i > 0 ? "," : "");
        buf_adds(out, text);
    }
}

int ledger_take_edge_names(struct ledger *l, const struct day *d, struct slice text)
{
    size_t n = (text.n + 1) / UID_TEXT;
    struct trade_uid *name = xmalloc((n > 0 ? n : 1) * sizeof *name);
    int rc = text.n == 0 || (text.n + 1) % UID_TEXT == 0 ? 0 : ERR_SYNTAX;
    for (size_t i = 0; i < n && rc == 0; i++) {
        const char *p = text.p + i * UID_TEXT;
        bool last = i + 1 == n;
        rc = last || p[UID_TEXT - 1] == ','
                 ? trade_uid_parse((struct slice){p, UID_TEXT - 1}, &name[i])
                 : ERR_SYNTAX;
    }
    if (rc == 0) {
        named_seal(&l->named->day[d == &l->cur ? 0 : 1], name, n);
    }
    free(name);
    return rc;
}

// ---- coverage -----------------------------------------------------------------------------------

bool ledger_on_history(struct ledger *l, const struct history *h)
{
    if (!l->named) {
        if (h->kind == HISTORY_TRADES) {
            ledger_hold_range(l, h->from_id, h->to_id, h->from_ms, h->to_ms);
        }
        return h->kind == HISTORY_TRADES;
    }
    struct timecover *c = &l->named->cover;
    if (h->kind == HISTORY_TRADES) {
        // Older trades were refused: nothing can be claimed about them.
        int64_t from = h->from_ms > l->named->floor_ms ? h->from_ms : l->named->floor_ms;
        timecover_claim(c, from, h->to_ms);
    } else {
        timecover_gap(c, h->from_ms, h->to_ms);
    }
    if (!day_is_empty_slot(&l->cur)) {
        prune(l);
    }
    return true;
}

void ledger_coverage(const struct ledger *l, const struct day *d, struct coverage *out)
{
    if (day_is_empty_slot(d)) {
        coverage_none(out);
        return;
    }
    int64_t end = ledger_judged_end(l, d);
    if (!l->named) {
        coverage_compute(out, &l->held, d->start_ms, end);
        return;
    }
    const struct named_day *n = &l->named->day[d == &l->cur ? 0 : 1];
    coverage_compute_time(out, &l->named->cover, n->seconds, d->start_ms, end);
}

// ---- restart ------------------------------------------------------------------------------------

size_t ledger_names(const struct ledger *l)
{
    return l->named ? l->named->day[0].ids.n + l->named->day[1].ids.n : 0;
}

uint64_t ledger_changes(const struct ledger *l)
{
    return l->counted + l->taken + (l->named ? l->named->revised : 0);
}

uint64_t ledger_proof_version(const struct ledger *l)
{
    return l->named ? l->named->cover.changes : l->held.n;
}

void ledger_proof_text(const struct ledger *l, struct buf *out)
{
    if (l->named) {
        timecover_format(&l->named->cover, out);
    } else {
        idset_format(&l->held, out);
    }
}

int ledger_take_proof(struct ledger *l, struct slice text)
{
    return l->named ? timecover_parse(&l->named->cover, text.p, text.n)
                    : idset_parse(&l->held, text.p, text.n);
}

int64_t ledger_recall_from(const struct ledger *l)
{
    if (!l->named || day_is_empty_slot(&l->cur)) {
        return INT64_MAX;
    }
    if (!day_is_empty_slot(&l->prev) && l->prev.sealed == 0) {
        return l->prev.start_ms;
    }
    return l->cur.sealed == 0 ? l->cur.start_ms : INT64_MAX;
}

enum ledger_result ledger_recall(struct ledger *l, const struct trade *t)
{
    const struct day *day[2] = {&l->cur, &l->prev};
    if (!l->named || !trade_has_uid(t)) {
        return LEDGER_TOO_OLD;
    }
    for (size_t i = 0; i < 2; i++) {
        if (day_is_empty_slot(day[i]) || t->ts_ms < day[i]->start_ms ||
            t->ts_ms - day[i]->start_ms >= MS_PER_DAY) {
            continue;
        }
        if (day[i]->sealed != 0 || is_in_other_day(l, t, day[i]->start_ms)) {
            return LEDGER_DUPLICATE;
        }
        switch (named_recall(&l->named->day[i], day[i], t)) {
        case UIDSET_NEW:
            return i == 0 ? LEDGER_COUNTED : LEDGER_COUNTED_PREV;
        case UIDSET_HELD:
            return t->id > 0 ? LEDGER_COPY : LEDGER_DUPLICATE;
        case UIDSET_FULL:
            return LEDGER_FULL;
        }
    }
    return LEDGER_TOO_OLD;
}

int ledger_recalled(struct ledger *l, int64_t known_from_ms, struct err *e)
{
    const struct day *day[2] = {&l->cur, &l->prev};
    for (size_t i = 0; l->named && i < 2; i++) {
        uint64_t names = l->named->day[i].ids.n;
        uint64_t trades = day_is_empty_slot(day[i]) ? 0 : day[i]->trades;
        if (day[i]->sealed != 0) {
            continue; // its trades have no names any more, and need none
        }
        if (names > trades || (names < trades && known_from_ms < day[i]->start_ms)) {
            return err_set(e, ERR_STATE, "%llu trades were counted, the streams hold %llu",
                           (unsigned long long)trades, (unsigned long long)names);
        }
        if (names < trades && known_from_ms > l->named->floor_ms) {
            l->named->floor_ms = known_from_ms;
        }
    }
    return 0;
}

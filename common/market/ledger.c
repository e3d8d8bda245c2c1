#include "common/market/ledger.h"

#include "common/base/clock.h"
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
}

void ledger_release(struct ledger *l)
{
    day_release(&l->cur);
    day_release(&l->prev);
    idset_release(&l->held);
    l->newest_ms = -1;
}

void ledger_clear(struct ledger *l)
{
    struct instrument ins = l->ins;
    ledger_release(l);
    ledger_init(l, &ins);
}

void ledger_restored(struct ledger *l)
{
    // The newest trade of the current day is its last in set order.
    l->newest_ms = day_is_empty_slot(&l->cur) || l->cur.trades == 0 ? -1 : l->cur.last.ts_ms;
}

static void prune(struct ledger *l)
{
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
    l->rolled |= had_day;
    prune(l);
}

// A trade that is not of the current day. The state changes only when the trade is counted.
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

enum ledger_result ledger_add(struct ledger *l, const struct trade *t)
{
    // One unsigned compare: also false for an earlier day and for the empty slot's -1 (times are
    // not negative and below year 9999).
    if (__builtin_expect((uint64_t)(t->ts_ms - l->cur.start_ms) >= (uint64_t)MS_PER_DAY ||
                             l->cur.start_ms < 0,
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
    if (!r->summed || day_is_empty_slot(&l->cur) ||
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

#include "common/market/tape.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/market/candle.h"

// An emptied minute keeps its array for the next one, unless a burst made it larger than this.
#define SLOT_KEEP_CAP 16384

void tape_init(struct tape *t, void (*on_drop)(void *arg), void *arg)
{
    *t = (struct tape){.newest_ms = -1, .max = TAPE_MAX_TRADES, .on_drop = on_drop, .arg = arg};
    for (size_t i = 0; i < TAPE_SLOTS; i++) {
        t->slot[i].start_ms = -1;
    }
}

void tape_release(struct tape *t)
{
    for (size_t i = 0; i < TAPE_SLOTS; i++) {
        free(t->slot[i].v);
    }
    tape_init(t, t->on_drop, t->arg);
}

static void empty(struct tape *t, struct tape_slot *s)
{
    t->total -= s->n;
    s->n = 0;
    s->start_ms = -1;
    if (s->cap > SLOT_KEEP_CAP) {
        free(s->v);
        s->v = NULL;
        s->cap = 0;
    }
    if (t->cur == s) {
        t->cur = NULL;
    }
}

void tape_reset(struct tape *t, int64_t from_ms)
{
    for (size_t i = 0; i < TAPE_SLOTS; i++) {
        empty(t, &t->slot[i]);
    }
    t->from_ms = from_ms;
    t->newest_ms = -1;
}

void tape_begin_at(struct tape *t, int64_t from_ms)
{
    if (from_ms <= t->from_ms) {
        return;
    }
    t->on_drop(t->arg);
    for (size_t i = 0; i < TAPE_SLOTS; i++) {
        if (t->slot[i].start_ms >= 0 && t->slot[i].start_ms < from_ms) {
            empty(t, &t->slot[i]);
        }
    }
    t->from_ms = from_ms;
}

static struct tape_slot *slot_for(struct tape *t, int64_t minute_ms)
{
    struct tape_slot *s = &t->slot[(size_t)(minute_ms / TAPE_MINUTE_MS) % TAPE_SLOTS];
    if (s->start_ms != minute_ms) {
        empty(t, s);
        s->start_ms = minute_ms;
    }
    return s;
}

// Drops the oldest minute that holds anything.
static void make_room(struct tape *t)
{
    struct tape_slot *oldest = NULL;
    for (size_t i = 0; i < TAPE_SLOTS; i++) {
        if (t->slot[i].n > 0 && (!oldest || t->slot[i].start_ms < oldest->start_ms)) {
            oldest = &t->slot[i];
        }
    }
    if (oldest) {
        tape_begin_at(t, oldest->start_ms + TAPE_MINUTE_MS);
    }
}

void tape_put_slow(struct tape *t, const struct trade *trade)
{
    int64_t minute = trade->ts_ms - trade->ts_ms % TAPE_MINUTE_MS;
    if (minute > t->newest_ms) {
        tape_begin_at(t, candle_tape_start(trade->ts_ms));
        t->newest_ms = minute;
        t->cur = NULL;
    }
    while (t->total >= t->max && minute >= t->from_ms) {
        make_room(t);
    }
    if (minute < t->from_ms) {
        return;
    }
    struct tape_slot *s = slot_for(t, minute);
    if (minute == t->newest_ms) {
        t->cur = s;
    }
    if (s->n == s->cap) {
        s->cap = s->cap ? 2 * s->cap : 256;
        s->v = xrealloc(s->v, s->cap * sizeof *s->v);
    }
    s->v[s->n++] = *trade;
    t->total++;
}

void tape_put_run(struct tape *t, const struct trade *v, size_t n)
{
    struct tape_slot *s = t->cur;
    size_t done = 0;
    while (done < n) {
        s = t->cur;
        size_t room = s ? s->cap - s->n : 0;
        if (room == 0 || v[done].ts_ms < s->start_ms ||
            v[done].ts_ms - s->start_ms >= TAPE_MINUTE_MS || t->total + n > t->max) {
            tape_put(t, &v[done++]); // a new minute, or the array has to grow
            continue;
        }
        size_t some = n - done < room ? n - done : room;
        memcpy(s->v + s->n, v + done, some * sizeof *v);
        s->n += some;
        t->total += some;
        done += some;
    }
}

int tape_revise(struct tape *t, const struct trade *trade)
{
    int64_t minute = trade->ts_ms - trade->ts_ms % TAPE_MINUTE_MS;
    struct tape_slot *s = &t->slot[(size_t)(minute / TAPE_MINUTE_MS) % TAPE_SLOTS];
    if (minute < t->from_ms || s->start_ms != minute) {
        return -1;
    }
    for (size_t i = s->n; i-- > 0;) { // copies come soon, mostly
        struct trade *have = &s->v[i];
        if (have->uid.lo == trade->uid.lo && have->uid.hi == trade->uid.hi) {
            bool larger = trade->id > have->id;
            have->id = larger ? trade->id : have->id;
            return larger;
        }
    }
    return -1;
}

static int by_set_order(const void *a, const void *b)
{
    return trade_cmp(a, b);
}

const struct trade *tape_minute(struct tape *t, int64_t start_ms, size_t *n)
{
    struct tape_slot *s = &t->slot[(size_t)(start_ms / TAPE_MINUTE_MS) % TAPE_SLOTS];
    *n = 0;
    if (s->start_ms != start_ms || s->n == 0) {
        return NULL;
    }
    for (size_t i = 1; i < s->n; i++) {
        if (trade_cmp(&s->v[i - 1], &s->v[i]) > 0) {
            qsort(s->v, s->n, sizeof *s->v, by_set_order);
            break;
        }
    }
    *n = s->n;
    return s->v;
}

// Candles in one ascending array. The newest bucket is kept up to date in place while trades come
// in set order; any other change marks a bucket dirty, and what is dirty is computed anew from the
// tape before it is shown, and before the tape loses the minutes it needs.

#include "common/market/candle.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/market/binvol.h"
#include "common/market/profile_page.h"
#include "common/market/tape.h"

#define MAX_SHARING 4
#define NONE INT64_MIN

struct bucket {
    struct candle c;
    bool dirty;   // to be computed anew
    bool changed; // since the last settle reported it
};

struct shared_tape {
    struct tape tape;
    struct candle_series *user[MAX_SHARING];
    size_t users;
};

struct candle_series {
    int64_t tf_ms, bin_ticks;
    uint64_t magic;
    struct shared_tape *shared;
    bool owner;
    struct bucket *b; // [head, head + n) of 2 * CANDLE_KEEP, ascending
    size_t head, n;
    // The newest bucket, while it can be updated in place: its volumes are in `vol`. Else NONE.
    int64_t open_ms;
    struct binvol vol;
    // An older bucket that history has begun and goes on filling in set order, likewise. Else NONE.
    int64_t back_ms;
    size_t back_at; // its index, as far as nobody was put in front of it
    struct binvol back_vol;
    int64_t dropped_ms;      // buckets up to this one left for lack of room
    size_t dirty;            // how many buckets are
    int64_t changed_from_ms; // no bucket before it is changed
    int64_t complete_to_ms;  // end of the newest bucket whose completion was reported
    int64_t stale[CANDLE_KEEP];
    size_t n_stale;
    struct trade *scratch;
    size_t scratch_cap;
};

int64_t candle_tape_start(int64_t newest_ms)
{
    int64_t from = newest_ms - TAPE_KEEP_MS;
    return from <= 0 ? 0 : from - from % TAPE_ALIGN_MS;
}

// ---- life ---------------------------------------------------------------------------------------

static void on_drop(void *arg);

static struct candle_series *series_new(int64_t tf_ms, int64_t bin_ticks,
                                        struct shared_tape *shared)
{
    if (tf_ms <= 0 || tf_ms % TAPE_MINUTE_MS != 0 || TAPE_ALIGN_MS % tf_ms != 0 || bin_ticks < 1 ||
        shared->users == MAX_SHARING) {
        FATAL("candles of %lld ms, bins of %lld ticks", (long long)tf_ms, (long long)bin_ticks);
    }
    struct candle_series *s = xcalloc(1, sizeof *s);
    s->tf_ms = tf_ms;
    s->bin_ticks = bin_ticks;
    s->magic = bin_magic(bin_ticks);
    s->shared = shared;
    s->b = xcalloc((size_t)2 * CANDLE_KEEP, sizeof *s->b);
    s->open_ms = NONE;
    s->back_ms = NONE;
    s->dropped_ms = NONE;
    s->changed_from_ms = INT64_MAX;
    s->complete_to_ms = NONE;
    shared->user[shared->users++] = s;
    return s;
}

struct candle_series *candle_series_new(int64_t tf_ms, int64_t bin_ticks)
{
    struct shared_tape *shared = xcalloc(1, sizeof *shared);
    tape_init(&shared->tape, on_drop, shared);
    struct candle_series *s = series_new(tf_ms, bin_ticks, shared);
    s->owner = true;
    return s;
}

struct candle_series *candle_series_new_on(struct candle_series *owner, int64_t tf_ms)
{
    return series_new(tf_ms, owner->bin_ticks, owner->shared);
}

void candle_series_free(struct candle_series *s)
{
    if (!s) {
        return;
    }
    struct shared_tape *shared = s->shared;
    for (size_t i = 0; i < shared->users; i++) {
        if (shared->user[i] == s) {
            shared->user[i] = shared->user[--shared->users];
        }
    }
    if (s->owner) {
        tape_release(&shared->tape);
        free(shared);
    }
    binvol_release(&s->vol);
    binvol_release(&s->back_vol);
    free(s->scratch);
    free(s->b);
    free(s);
}

int64_t candle_series_tf(const struct candle_series *s)
{
    return s->tf_ms;
}

// ---- the array ----------------------------------------------------------------------------------

static struct bucket *at(const struct candle_series *s, size_t i)
{
    return &s->b[s->head + i];
}

static struct bucket *newest(const struct candle_series *s)
{
    return s->n > 0 ? at(s, s->n - 1) : NULL;
}

// Index of the first bucket that starts at or after start_ms.
static size_t lower(const struct candle_series *s, int64_t start_ms)
{
    size_t lo = 0;
    size_t hi = s->n;
    if (hi > 0 && at(s, hi - 1)->c.start_ms < start_ms) {
        return hi;
    }
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (at(s, mid)->c.start_ms < start_ms) {
            lo = mid + 1;
        } else {
            hi = mid;
        }
    }
    return lo;
}

static struct bucket *find(const struct candle_series *s, int64_t start_ms)
{
    size_t i = lower(s, start_ms);
    return i < s->n && at(s, i)->c.start_ms == start_ms ? at(s, i) : NULL;
}

static void drop_stale(struct candle_series *s, size_t i, size_t n)
{
    memmove(s->stale + i, s->stale + i + n, (s->n_stale - i - n) * sizeof s->stale[0]);
    s->n_stale -= n;
}

// A new bucket in its place, without content; the oldest makes room. NULL when it would be older
// than all that are kept.
static struct bucket *insert(struct candle_series *s, int64_t start_ms)
{
    size_t i = lower(s, start_ms);
    if (s->n == CANDLE_KEEP) {
        if (i == 0) {
            return NULL;
        }
        s->dirty -= at(s, 0)->dirty;
        s->dropped_ms = at(s, 0)->c.start_ms;
        s->head++;
        s->n--;
        i--;
        size_t old = 0;
        while (old < s->n_stale && s->stale[old] < at(s, 0)->c.start_ms) {
            old++;
        }
        drop_stale(s, 0, old);
    }
    if (s->head + s->n == (size_t)2 * CANDLE_KEEP) {
        memmove(s->b, s->b + s->head, s->n * sizeof *s->b);
        s->head = 0;
    }
    memmove(at(s, i + 1), at(s, i), (s->n - i) * sizeof *s->b);
    s->n++;
    *at(s, i) = (struct bucket){.c.start_ms = start_ms};
    // One that comes into being behind the completed ones can not complete any more in order.
    at(s, i)->c.complete = start_ms < s->complete_to_ms;
    if (i + 1 == s->n) {
        s->open_ms = NONE;
    }
    return at(s, i);
}

static void changed(struct candle_series *s, struct bucket *b)
{
    b->changed = true;
    if (b->c.start_ms < s->changed_from_ms) {
        s->changed_from_ms = b->c.start_ms;
    }
}

static void make_dirty(struct candle_series *s, struct bucket *b)
{
    if (!b->dirty) {
        b->dirty = true;
        s->dirty++;
    }
    if (b->c.start_ms == s->open_ms) {
        s->open_ms = NONE;
    }
    if (b->c.start_ms == s->back_ms) {
        s->back_ms = NONE;
    }
}

// ---- content ------------------------------------------------------------------------------------

// Counts a trade that comes behind all others of the candle.
static inline int count(struct candle *c, struct binvol *vol, int64_t index, const struct trade *t)
{
    int64_t volume;
    if (__builtin_expect(__builtin_add_overflow(c->buy + c->sell, t->qty, &volume), 0)) {
        return ERR_OVERFLOW;
    }
    int64_t buy = buy_part(t->qty, t->side);
    if (c->trades++ == 0) {
        c->first = *t;
        c->open = c->high = c->low = t->price;
    }
    c->high = t->price > c->high ? t->price : c->high;
    c->low = t->price < c->low ? t->price : c->low;
    c->close = t->price;
    c->last = *t;
    c->buy += buy;
    c->sell += t->qty - buy;
    int64_t delta = c->buy - c->sell;
    c->min_delta = delta < c->min_delta ? delta : c->min_delta;
    c->max_delta = delta > c->max_delta ? delta : c->max_delta;
    c->sum_pq += (u128)(uint64_t)t->price * (uint64_t)t->qty;
    binvol_add(vol, index, t->qty);
    c->poc_bin = vol->poc;
    return 0;
}

// A candle from trades in set order, copies skipped. `c` carries start, rev and complete along.
static int compute(const struct candle_series *s, struct candle *c, struct binvol *vol,
                   const struct trade *v, size_t n)
{
    *c = (struct candle){.start_ms = c->start_ms, .rev = c->rev, .complete = c->complete};
    binvol_clear(vol);
    for (size_t i = 0; i < n; i++) {
        if (i > 0 && trade_cmp(&v[i - 1], &v[i]) == 0) {
            continue;
        }
        int rc = count(c, vol, bin_index_of(v[i].price, s->bin_ticks, s->magic), &v[i]);
        if (rc) {
            return rc;
        }
    }
    return 0;
}

static bool same_place(const struct trade *a, const struct trade *b)
{
    return a->ts_ms == b->ts_ms && a->id == b->id && a->uid.hi == b->uid.hi &&
           a->uid.lo == b->uid.lo;
}

// Equal in everything that depends on the trades alone. (A restored candle knows only time and id
// of its first and last trade, and their prices as open and close.)
static bool same_content(const struct candle *a, const struct candle *b)
{
    return a->open == b->open && a->high == b->high && a->low == b->low && a->close == b->close &&
           a->buy == b->buy && a->sell == b->sell && a->min_delta == b->min_delta &&
           a->max_delta == b->max_delta && a->trades == b->trades && a->sum_pq == b->sum_pq &&
           a->poc_bin == b->poc_bin && same_place(&a->first, &b->first) &&
           same_place(&a->last, &b->last);
}

// Puts computed content into a bucket; `vol` holds its volumes and moves into the series when the
// bucket is the newest.
static void take_content(struct candle_series *s, struct bucket *b, const struct candle *c,
                         struct binvol *vol)
{
    if (!same_content(&b->c, c)) {
        changed(s, b);
    }
    b->c = *c;
    if (b == newest(s)) {
        struct binvol old = s->vol;
        s->vol = *vol;
        *vol = old;
        s->open_ms = c->start_ms;
    }
}

static struct trade *scratch(struct candle_series *s, size_t n)
{
    if (n > s->scratch_cap) {
        s->scratch_cap = n;
        s->scratch = xrealloc(s->scratch, n * sizeof *s->scratch);
    }
    return s->scratch;
}

static void recompute(struct candle_series *s, struct bucket *b)
{
    struct tape *tape = &s->shared->tape;
    struct candle c = b->c;
    struct binvol vol = {0};
    size_t n = 0;
    b->dirty = false;
    s->dirty--;
    for (int64_t m = b->c.start_ms; m < b->c.start_ms + s->tf_ms; m += TAPE_MINUTE_MS) {
        size_t more;
        const struct trade *v = tape_minute(tape, m, &more);
        if (more > 0) {
            memcpy(scratch(s, n + more) + n, v, more * sizeof *v);
            n += more;
        }
    }
    if (compute(s, &c, &vol, s->scratch, n) == 0 && c.trades >= b->c.trades) {
        take_content(s, b, &c, &vol);
    } else if (tape->from_ms < b->c.start_ms + s->tf_ms) {
        // Trades are never un-counted, so the tape is not whole here. (Set directly: everything
        // that is dirty before this bucket has been or will be recomputed by the caller's loop.)
        tape->from_ms = b->c.start_ms + s->tf_ms;
    }
    binvol_release(&vol);
}

static void recompute_dirty(struct candle_series *s)
{
    for (size_t i = s->n; i-- > 0 && s->dirty > 0;) {
        if (at(s, i)->dirty) {
            recompute(s, at(s, i));
        }
    }
}

static void on_drop(void *arg)
{
    struct shared_tape *shared = arg;
    for (size_t i = 0; i < shared->users; i++) {
        recompute_dirty(shared->user[i]);
    }
}

// ---- trades -------------------------------------------------------------------------------------

static size_t stale_at(const struct candle_series *s, int64_t start_ms)
{
    size_t i = 0;
    while (i < s->n_stale && s->stale[i] < start_ms) {
        i++;
    }
    return i;
}

static bool is_stale(const struct candle_series *s, int64_t start_ms)
{
    size_t i = stale_at(s, start_ms);
    return i < s->n_stale && s->stale[i] == start_ms;
}

static int mark_stale(struct candle_series *s, int64_t start_ms, int64_t *stale_bucket)
{
    if (s->n == CANDLE_KEEP && start_ms < at(s, 0)->c.start_ms) {
        return 0;
    }
    size_t i = stale_at(s, start_ms);
    if (i == s->n_stale || s->stale[i] != start_ms) {
        if (s->n_stale == CANDLE_KEEP) {
            if (i == 0) {
                return 0;
            }
            drop_stale(s, 0, 1);
            i--;
        }
        memmove(s->stale + i + 1, s->stale + i, (s->n_stale - i) * sizeof s->stale[0]);
        s->stale[i] = start_ms;
        s->n_stale++;
    }
    if (start_ms == s->open_ms) {
        s->open_ms = NONE;
    }
    if (start_ms == s->back_ms) {
        s->back_ms = NONE;
    }
    *stale_bucket = start_ms;
    return 1;
}

// A bucket behind all others, counted in place from its first trade on.
static struct bucket *begin_bucket(struct candle_series *s, int64_t start_ms)
{
    struct bucket *b = insert(s, start_ms);
    binvol_clear(&s->vol);
    s->open_ms = start_ms;
    return b;
}

// A bucket that is not there, older than the newest: none of its trades was counted before, unless
// it left for lack of room. History tells such buckets from their first trade on.
static bool begin_back(struct candle_series *s, int64_t start_ms)
{
    if (start_ms <= s->dropped_ms || start_ms >= s->shared->tape.from_ms ||
        insert(s, start_ms) == NULL) {
        return false;
    }
    binvol_clear(&s->back_vol);
    s->back_ms = start_ms;
    s->back_at = lower(s, start_ms);
    return true;
}

// 1 = the trade was counted in the bucket that history fills (or is its last one), 0 = it is not
// for this bucket, or not in set order; ERR_OVERFLOW.
static int add_back(struct candle_series *s, const struct trade *t)
{
    if (s->back_at >= s->n || at(s, s->back_at)->c.start_ms != s->back_ms) {
        s->back_at = lower(s, s->back_ms);
    }
    struct bucket *b = s->back_at < s->n ? at(s, s->back_at) : NULL;
    if (b == NULL || b->c.start_ms != s->back_ms) {
        s->back_ms = NONE; // it was removed
        return 0;
    }
    const int order = b->c.trades > 0 ? trade_cmp(t, &b->c.last) : 1;
    if (order <= 0) {
        return order == 0;
    }
    changed(s, b);
    const int rc = count(&b->c, &s->back_vol, bin_index_of(t->price, s->bin_ticks, s->magic), t);
    return rc != 0 ? rc : 1;
}

static int add_slow(struct candle_series *s, const struct trade *t, int64_t *stale_bucket)
{
    int64_t start = t->ts_ms - t->ts_ms % s->tf_ms;
    if (s->owner) {
        tape_put(&s->shared->tape, t);
    }
    if (start == s->back_ms) {
        const int rc = add_back(s, t);
        if (rc != 0) {
            return rc > 0 ? 0 : rc;
        }
    }
    if (s->n_stale > 0 && is_stale(s, start)) {
        return mark_stale(s, start, stale_bucket);
    }
    struct bucket *last = newest(s);
    struct bucket *b = last && last->c.start_ms == start ? last : find(s, start);
    if (b == NULL && (last == NULL || start > last->c.start_ms)) {
        // No candle, so no trade of this bucket was counted before: begin it in place.
        b = begin_bucket(s, start);
    }
    if (b && s->open_ms == start) {
        int order = b->c.trades > 0 ? trade_cmp(t, &b->c.last) : 1;
        if (order == 0) {
            return 0;
        }
        if (order > 0) {
            changed(s, b);
            return count(&b->c, &s->vol, bin_index_of(t->price, s->bin_ticks, s->magic), t);
        }
    }
    if (b == NULL && begin_back(s, start)) {
        const int rc = add_back(s, t);
        return rc > 0 ? 0 : rc;
    }
    if (start < s->shared->tape.from_ms) {
        return mark_stale(s, start, stale_bucket);
    }
    if (!b) {
        b = insert(s, start);
        if (!b) {
            return 0;
        }
    }
    make_dirty(s, b);
    return 0;
}

int candle_series_add(struct candle_series *s, const struct trade *t, int64_t *stale_bucket)
{
    if (__builtin_expect((uint64_t)t->ts_ms - (uint64_t)s->open_ms >= (uint64_t)s->tf_ms, 0)) {
        return add_slow(s, t, stale_bucket);
    }
    struct bucket *b = at(s, s->n - 1); // what is open is the newest
    if (__builtin_expect(trade_cmp(t, &b->c.last) <= 0 || !b->changed, 0)) {
        return add_slow(s, t, stale_bucket);
    }
    if (s->owner) {
        tape_put(&s->shared->tape, t);
    }
    return count(&b->c, &s->vol, bin_index_of(t->price, s->bin_ticks, s->magic), t);
}

bool candle_series_revise(struct candle_series *owner, const struct trade *t)
{
    struct shared_tape *shared = owner->shared;
    int moved = tape_revise(&shared->tape, t);
    for (size_t i = 0; moved > 0 && i < shared->users; i++) {
        struct candle_series *s = shared->user[i];
        struct bucket *b = find(s, t->ts_ms - t->ts_ms % s->tf_ms);
        if (b) {
            make_dirty(s, b);
        }
    }
    return moved >= 0;
}

int candle_series_doubt(struct candle_series *s, int64_t ts_ms, int64_t *stale_bucket)
{
    int64_t start = ts_ms - ts_ms % s->tf_ms;
    return find(s, start) ? mark_stale(s, start, stale_bucket) : 0;
}

// ---- runs ---------------------------------------------------------------------------------------

// True when all of the run comes behind what its bucket holds, or the bucket begins with it.
static bool takes_run(const struct candle_series *s, const struct run *r)
{
    int64_t start = r->minute_ms - r->minute_ms % s->tf_ms;
    const struct bucket *last = newest(s);
    if (!last || start > last->c.start_ms) {
        return s->n_stale == 0 || !is_stale(s, start);
    }
    int64_t volume;
    return s->open_ms == start && trade_cmp(&r->v[0], &last->c.last) > 0 &&
           !__builtin_add_overflow(last->c.buy + last->c.sell, r->qty, &volume);
}

static void count_run(struct candle_series *s, const struct run *r)
{
    int64_t start = r->minute_ms - r->minute_ms % s->tf_ms;
    struct bucket *b = newest(s);
    if (s->open_ms != start) {
        b = begin_bucket(s, start);
    }
    changed(s, b);
    struct candle *c = &b->c;
    if (c->trades == 0) {
        c->first = r->v[0];
        c->open = c->first.price;
        c->high = r->high;
        c->low = r->low;
    }
    int64_t delta = c->buy - c->sell;
    c->trades += (int64_t)r->n;
    c->last = r->v[r->n - 1];
    c->close = c->last.price;
    c->high = r->high > c->high ? r->high : c->high;
    c->low = r->low < c->low ? r->low : c->low;
    c->min_delta = delta + r->min_delta < c->min_delta ? delta + r->min_delta : c->min_delta;
    c->max_delta = delta + r->max_delta > c->max_delta ? delta + r->max_delta : c->max_delta;
    c->buy += r->buy;
    c->sell += r->qty - r->buy;
    c->sum_pq += r->sum_pq;
    for (size_t i = 0; i < r->bins; i++) {
        binvol_add(&s->vol, r->base + r->touched[i], r->bin[r->touched[i]].volume);
    }
    c->poc_bin = s->vol.poc;
}

bool candle_series_add_run(struct candle_series *owner, const struct run *r)
{
    struct shared_tape *shared = owner->shared;
    bool ok = r->summed && owner->owner && r->bin_ticks == owner->bin_ticks;
    for (size_t i = 0; ok && i < shared->users; i++) {
        ok = takes_run(shared->user[i], r);
    }
    if (!ok) {
        return false;
    }
    // What the tape drops meanwhile is recomputed first; that changes no answer given above.
    tape_put_run(&shared->tape, r->v, r->n);
    for (size_t i = 0; i < shared->users; i++) {
        count_run(shared->user[i], r);
    }
    return true;
}

// ---- reporting ----------------------------------------------------------------------------------

void candle_series_settle(struct candle_series *s, int64_t watermark_ms, candle_cb cb, void *arg)
{
    if (s->dirty > 0) {
        recompute_dirty(s);
    }
    for (size_t i = s->changed_from_ms == INT64_MAX ? s->n : lower(s, s->changed_from_ms); i < s->n;
         i++) {
        struct bucket *b = at(s, i);
        if (!b->changed) {
            continue;
        }
        b->changed = false;
        b->c.complete |= b->c.start_ms < s->complete_to_ms;
        b->c.rev += b->c.complete;
        cb(arg, b->c.complete ? CANDLE_REVISED : CANDLE_UPDATED, &b->c);
    }
    s->changed_from_ms = INT64_MAX;
    for (size_t i = s->complete_to_ms == NONE ? 0 : lower(s, s->complete_to_ms); i < s->n; i++) {
        struct bucket *b = at(s, i);
        int64_t end = b->c.start_ms + s->tf_ms;
        if (end + CANDLE_GRACE_MS > watermark_ms) {
            break;
        }
        s->complete_to_ms = end;
        if (!b->c.complete) {
            b->c.complete = true;
            cb(arg, CANDLE_COMPLETED, &b->c);
        }
    }
}

int candle_series_replace(struct candle_series *s, int64_t start_ms, const struct trade *trades,
                          size_t n)
{
    struct trade *v = scratch(s, n);
    size_t kept = 0;
    s->back_ms = s->back_ms == start_ms ? NONE : s->back_ms;
    for (size_t i = 0; i < n; i++) {
        if (trades[i].ts_ms >= start_ms && trades[i].ts_ms - start_ms < s->tf_ms) {
            v[kept++] = trades[i];
        }
    }
    kept = trades_unique(v, kept);
    struct bucket *b = find(s, start_ms);
    struct candle c = b ? b->c : (struct candle){.start_ms = start_ms};
    struct binvol vol = {0};
    int rc = compute(s, &c, &vol, v, kept);
    if (rc == 0) {
        size_t i = stale_at(s, start_ms);
        if (i < s->n_stale && s->stale[i] == start_ms) {
            drop_stale(s, i, 1);
        }
        if (b && b->dirty) {
            b->dirty = false;
            s->dirty--;
        }
        if (kept == 0 && b) {
            size_t at_i = (size_t)(b - at(s, 0));
            memmove(b, b + 1, (s->n - at_i - 1) * sizeof *b);
            s->n--;
            s->open_ms = at_i == s->n ? NONE : s->open_ms;
        } else if (kept > 0 && (b || (b = insert(s, start_ms)))) {
            c.complete = b->c.complete;
            take_content(s, b, &c, &vol);
        }
    }
    binvol_release(&vol);
    return rc;
}

static void remove_at(struct candle_series *s, size_t i)
{
    s->dirty -= at(s, i)->dirty;
    memmove(at(s, i), at(s, i + 1), (s->n - i - 1) * sizeof *s->b);
    s->n--;
}

static void take_candle(struct candle_series *s, const struct candle *told)
{
    struct bucket *b = find(s, told->start_ms);
    if (!b && !(b = insert(s, told->start_ms))) {
        return; // older than all that are kept
    }
    struct candle c = *told;
    c.complete = b->c.complete;
    c.rev = b->c.rev;
    s->dirty -= b->dirty;
    b->dirty = false;
    if (!same_content(&b->c, &c)) {
        changed(s, b);
    }
    b->c = c;
}

void candle_series_take(struct candle_series *s, int64_t from_ms, int64_t to_ms,
                        const struct candle *v, size_t n)
{
    tape_begin_at(&s->shared->tape, to_ms);
    s->back_ms = NONE;
    size_t stale = stale_at(s, from_ms);
    drop_stale(s, stale, stale_at(s, to_ms) - stale);
    if (s->open_ms >= from_ms && s->open_ms < to_ms) {
        s->open_ms = NONE;
    }
    for (size_t i = lower(s, to_ms), k = n; i-- > 0 && at(s, i)->c.start_ms >= from_ms;) {
        while (k > 0 && v[k - 1].start_ms > at(s, i)->c.start_ms) {
            k--;
        }
        if (k == 0 || v[k - 1].start_ms != at(s, i)->c.start_ms) {
            remove_at(s, i);
        }
    }
    for (size_t k = 0; k < n; k++) {
        take_candle(s, &v[k]);
    }
}

void candle_series_keep(struct candle_series *s, int64_t start_ms)
{
    size_t i = stale_at(s, start_ms);
    if (i < s->n_stale && s->stale[i] == start_ms) {
        drop_stale(s, i, 1);
    }
}

size_t candle_series_stale(const struct candle_series *s, int64_t *starts, size_t cap)
{
    for (size_t i = 0; i < s->n_stale && i < cap; i++) {
        starts[i] = s->stale[i];
    }
    return s->n_stale;
}

// ---- restart ------------------------------------------------------------------------------------

void candle_series_restore(struct candle_series *s, const struct candle *c)
{
    if (c->start_ms < 0 || c->start_ms % s->tf_ms != 0 || c->trades < 1) {
        return;
    }
    struct bucket *b = find(s, c->start_ms);
    if (!b && !(b = insert(s, c->start_ms))) {
        return;
    }
    int64_t end = c->start_ms + s->tf_ms;
    s->back_ms = NONE;
    s->dirty -= b->dirty;
    *b = (struct bucket){.c = *c};
    if (s->open_ms == c->start_ms) {
        s->open_ms = NONE;
    }
    if (c->complete && end > s->complete_to_ms) {
        s->complete_to_ms = end;
    }
    tape_begin_at(&s->shared->tape, end);
}

int64_t candle_series_tape_from(const struct candle_series *s)
{
    return s->shared->tape.from_ms;
}

void candle_series_set_tape_from(struct candle_series *s, int64_t ts_ms)
{
    int64_t from = ts_ms <= 0 ? 0 : (ts_ms + TAPE_ALIGN_MS - 1) / TAPE_ALIGN_MS * TAPE_ALIGN_MS;
    struct shared_tape *shared = s->shared;
    on_drop(shared);
    tape_reset(&shared->tape, from);
    for (size_t u = 0; u < shared->users; u++) {
        struct candle_series *user = shared->user[u];
        user->open_ms = user->open_ms < from ? user->open_ms : NONE;
        user->back_ms = NONE;
        size_t first = stale_at(user, from);
        drop_stale(user, first, user->n_stale - first);
        for (size_t i = lower(user, from); i < user->n; i++) {
            make_dirty(user, at(user, i));
        }
    }
}

// ---- reading ------------------------------------------------------------------------------------

size_t candle_series_count(const struct candle_series *s)
{
    return s->n;
}

const struct candle *candle_series_at(const struct candle_series *s, size_t i)
{
    return &at(s, i)->c;
}

const struct candle *candle_series_find(const struct candle_series *s, int64_t start_ms)
{
    const struct bucket *b = find(s, start_ms);
    return b ? &b->c : NULL;
}

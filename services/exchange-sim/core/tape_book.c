// Books of a recording: what a REST snapshot would say at a position of the timeline.
//
// A recorded snapshot is where the true levels come from; diffs say what changes. At a position
// before the snapshot's own update the levels that no diff touches in between are known already,
// the others from their first diff on. A snapshot that the recorded diffs do not join (it is older
// than the first of them) is stale: it is answered once, as it was recorded, and never used.

#include "services/exchange-sim/core/tape_items.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/decimal.h"
#include "common/base/mem.h"
#include "services/exchange-sim/core/line_scan.h"
#include "services/exchange-sim/core/wire_binance.h"

#define AHEAD_MS 2000 // a snapshot that comes so soon is answered before its time

// One side, sorted by price from low to high. Books of recordings have some thousand levels.
struct side {
    struct sim_level *at;
    size_t n, cap;
};

struct lane_book {
    struct side side[2];
    size_t next;        // item to look at next
    int64_t last_id;    // of the diffs applied, -1 none
    int64_t e_ms, t_ms; //
    size_t snapshot;    // item of the usable snapshot of this chain; SIZE_MAX none
    size_t stale_told;  // behind the last stale snapshot that was answered
    bool started;
};

struct tape_books {
    struct lane_book lane[MARKET_MAX_LANES];
};

static void book_clear(struct lane_book *b)
{
    free(b->side[0].at);
    free(b->side[1].at);
    b->side[0] = b->side[1] = (struct side){0};
}

void tape_books_free(struct tape_books *b)
{
    for (int i = 0; b != NULL && i < MARKET_MAX_LANES; i++) {
        book_clear(&b->lane[i]);
    }
    free(b);
}

static struct slice raw_of(const struct tape *t, const struct item *it)
{
    return (struct slice){t->text + it->raw, it->raw_n};
}

// The array of levels that is the value of `key` in a frame.
static struct slice levels_in(struct slice frame, const char *key)
{
    struct scan sc = {frame.p, frame.p + frame.n};
    struct slice k;
    struct slice value;
    bool first = true;
    bool ok;
    if (scan_take(&sc, '{')) {
        while (scan_member(&sc, &first, &k, &value, &ok)) {
            if (slice_eq(k, key)) {
                return value;
            }
        }
    }
    return (struct slice){"", 0};
}

typedef void (*level_fn)(void *arg, int side, int64_t price, int64_t qty);

static void each_level(const struct lane *l, struct slice levels, int side, level_fn fn, void *arg)
{
    struct scan sc = {levels.p, levels.p + levels.n};
    if (!scan_take(&sc, '[') || scan_take(&sc, ']')) {
        return;
    }
    do {
        struct slice p;
        struct slice q;
        int64_t price;
        int64_t qty;
        if (!scan_take(&sc, '[') || !scan_scalar(&sc, &p) || !scan_take(&sc, ',') ||
            !scan_scalar(&sc, &q) || !scan_take(&sc, ']')) {
            return;
        }
        if (dec_parse(p.p, p.n, l->price_decimals, &price, NULL) == 0 &&
            dec_parse(q.p, q.n, l->qty_decimals, &qty, NULL) == 0) {
            fn(arg, side, price, qty);
        }
    } while (scan_take(&sc, ','));
}

static void each_side(const struct tape *t, const struct item *it, level_fn fn, void *arg)
{
    bool rest = it->kind == SIM_SNAPSHOT;
    const struct lane *l = &t->market.lane[it->lane];
    each_level(l, levels_in(raw_of(t, it), rest ? "bids" : "b"), 0, fn, arg);
    each_level(l, levels_in(raw_of(t, it), rest ? "asks" : "a"), 1, fn, arg);
}

static size_t place(const struct side *s, int64_t price)
{
    size_t lo = 0;
    size_t hi = s->n;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (s->at[mid].price < price) {
            lo = mid + 1;
        } else {
            hi = mid;
        }
    }
    return lo;
}

static void set_level(void *arg, int side, int64_t price, int64_t qty)
{
    struct lane_book *b = arg;
    struct side *s = &b->side[side];
    size_t i = place(s, price);
    bool there = i < s->n && s->at[i].price == price;
    if (qty == 0) {
        if (there) {
            memmove(&s->at[i], &s->at[i + 1], (s->n - i - 1) * sizeof *s->at);
            s->n--;
        }
        return;
    }
    if (!there) {
        if (s->n == s->cap) {
            s->cap = s->cap * 2 + 1024;
            s->at = xrealloc(s->at, s->cap * sizeof *s->at);
        }
        memmove(&s->at[i + 1], &s->at[i], (s->n - i) * sizeof *s->at);
        s->n++;
    }
    s->at[i] = (struct sim_level){price, qty};
}

static void forget_level(void *arg, int side, int64_t price, int64_t qty)
{
    (void)qty;
    set_level(arg, side, price, 0);
}

static bool is_diff(const struct tape *t, const struct item *it, int lane)
{
    return it->kind == SIM_DEPTH && it->lane == lane && it->venue == VENUE_BINANCE &&
           it->format == t->market.lane[lane].main_format[SIM_DEPTH];
}

static bool follows(const struct item *diff, int64_t last_id)
{
    return diff->last >= 0 ? diff->last == last_id : diff->first == last_id + 1;
}

// The first diff of a snapshot's lane that it can be joined with; SIZE_MAX: it is stale, or newer
// than all of them.
static size_t joins(const struct tape *t, size_t snapshot)
{
    const struct item *s = &t->items[snapshot];
    for (size_t i = 0; i < t->n; i++) {
        const struct item *it = &t->items[i];
        if (is_diff(t, it, s->lane) && it->id >= s->id) {
            return it->first <= s->id || it->last <= s->id ? i : SIZE_MAX;
        }
    }
    return SIZE_MAX;
}

// A chain begins with the diff at `from`: finds its snapshot and what that says already.
static void begin_chain(const struct tape *t, struct lane_book *b, int lane, size_t from)
{
    b->side[0].n = b->side[1].n = 0;
    b->snapshot = SIZE_MAX;
    b->last_id = t->items[from].last >= 0 ? t->items[from].last : t->items[from].first - 1;
    for (size_t i = 0; i < t->n && b->snapshot == SIZE_MAX; i++) {
        const struct item *it = &t->items[i];
        if (it->kind == SIM_SNAPSHOT && it->lane == lane && it->id >= b->last_id &&
            joins(t, i) != SIZE_MAX) {
            b->snapshot = i;
        }
    }
    if (b->snapshot == SIZE_MAX) {
        return;
    }
    // The chain must reach the snapshot without a break.
    int64_t last = b->last_id;
    const struct item *s = &t->items[b->snapshot];
    each_side(t, s, set_level, b);
    for (size_t i = from; i < t->n && last < s->id; i++) {
        const struct item *it = &t->items[i];
        if (!is_diff(t, it, lane)) {
            continue;
        }
        if (!follows(it, last)) {
            b->side[0].n = b->side[1].n = 0;
            b->snapshot = SIZE_MAX;
            return;
        }
        each_side(t, it, forget_level, b);
        last = it->id;
    }
}

// Applies what stands before `pos`.
static void advance_to(const struct tape *t, struct lane_book *b, int lane, size_t pos)
{
    for (; b->next < pos; b->next++) {
        const struct item *it = &t->items[b->next];
        if (!is_diff(t, it, lane) || (b->started && it->id <= b->last_id)) {
            continue;
        }
        if (!b->started || !follows(it, b->last_id)) {
            begin_chain(t, b, lane, b->next);
            b->started = true;
        }
        each_side(t, it, set_level, b);
        b->last_id = it->id;
        b->e_ms = it->e_ms;
        b->t_ms = it->e_ms;
    }
}

static void to_book(const struct lane_book *b, size_t limit, int64_t shift_ms, struct sim_book *out)
{
    out->update_id = b->last_id;
    out->e_ms = b->e_ms + shift_ms;
    out->t_ms = b->t_ms + shift_ms;
    for (int side = 0; side < 2; side++) {
        const struct side *s = &b->side[side];
        levels_clear(&out->side[side]);
        for (size_t i = 0; i < s->n && i < limit; i++) {
            struct sim_level v = s->at[side == 0 ? s->n - 1 - i : i];
            levels_add(&out->side[side], v.price, v.qty);
        }
    }
}

// The recorded snapshot as the answer.
static void tell_recorded(const struct tape *t, size_t at, size_t limit, struct sim_book *out,
                          struct slice *raw)
{
    const struct item *s = &t->items[at];
    struct lane_book one = {.last_id = s->id, .e_ms = s->e_ms, .t_ms = s->e_ms};
    each_side(t, s, set_level, &one);
    to_book(&one, limit, t->shift_ms, out);
    if (one.side[0].n <= limit && one.side[1].n <= limit) {
        *raw = raw_of(t, s);
    }
    book_clear(&one);
}

// An older position: as it was then; before the first diff there is nothing, so what is told is
// older than everything that was ever sent.
static bool older(const struct tape *t, int lane, size_t limit, int64_t age_ms,
                  struct sim_book *out)
{
    size_t pos = t->pos;
    int64_t now = pos > 0 ? t->items[pos - 1].t_ms : t->first_ms;
    while (pos > 0 && t->items[pos - 1].t_ms > now - age_ms) {
        pos--;
    }
    struct lane_book b = {.last_id = -1, .snapshot = SIZE_MAX};
    advance_to(t, &b, lane, pos);
    for (size_t i = 0; i < t->n && !b.started; i++) {
        if (is_diff(t, &t->items[i], lane)) {
            begin_chain(t, &b, lane, i);
            b.started = true;
            b.last_id -= 1000;
            b.e_ms = b.t_ms = t->items[i].e_ms - age_ms;
        }
    }
    if (b.started) {
        to_book(&b, limit, t->shift_ms, out);
    }
    book_clear(&b);
    return b.started;
}

bool tape_book(struct market *m, int lane, size_t limit, int64_t age_ms, struct sim_book *out,
               struct slice *raw)
{
    struct tape *t = (struct tape *)m;
    *raw = (struct slice){"", 0};
    if (age_ms > 0) {
        return older(t, lane, limit, age_ms, out);
    }
    if (t->books == NULL) {
        t->books = xcalloc(1, sizeof *t->books);
        for (int i = 0; i < MARKET_MAX_LANES; i++) {
            t->books->lane[i].last_id = -1;
            t->books->lane[i].snapshot = SIZE_MAX;
        }
    }
    struct lane_book *b = &t->books->lane[lane];
    advance_to(t, b, lane, t->pos);
    int64_t now = t->pos > 0 ? t->items[t->pos - 1].t_ms : t->first_ms;
    for (size_t i = b->stale_told; i < t->n; i++) {
        const struct item *it = &t->items[i];
        if (it->kind != SIM_SNAPSHOT || it->lane != lane) {
            continue;
        }
        bool usable = joins(t, i) != SIZE_MAX;
        bool due = i < t->pos || (usable && it->t_ms <= now + AHEAD_MS);
        if (!due) {
            break;
        }
        if (!usable) {
            b->stale_told = i + 1;
        }
        if (!usable || it->id > b->last_id) {
            tell_recorded(t, i, limit, out, raw);
            return true;
        }
    }
    if (b->side[0].n + b->side[1].n == 0) {
        return false;
    }
    to_book(b, limit, t->shift_ms, out);
    return true;
}

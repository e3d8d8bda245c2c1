#include "services/exchange-sim/core/tape.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/base/str.h"

#define MAX_TRADES ((size_t)64 * 1000 * 1000)
#define MAX_TEXT ((size_t)0xf0000000)

enum { F_MAKER = 1, F_ST = 2, F_SINGLE = 4, F_EVENT = 8 };

struct item {
    int64_t t_ms, e_ms, id, first, last;
    uint32_t text; // price, qty, nq one behind the other
    uint8_t price_n, qty_n, nq_n, flags;
    uint16_t lane;
};

// The decimals of a lane's numbers: written, and needed (without trailing zeros).
struct decimals {
    int written, needed;
};

struct index {
    uint32_t *at; // positions in items, in id order
    size_t n;
    bool time_sorted; // times rise with ids, so a binary search by time is right
    size_t cursor;
    struct decimals price, qty;
    bool has_agg;
};

struct tape {
    struct market market; // first: a tape is a market
    struct tape_stats stats;
    struct item *items;
    size_t n, cap;
    char *text;
    size_t text_n, text_cap;
    size_t pos;            // items before it are released
    struct sim_event next; // what peek() shows
    int64_t shift_ms;
    int64_t first_ms, last_ms;
    bool full;
    struct index index[MARKET_MAX_LANES];
};

static const struct market_ops ops;

struct tape *tape_new(void)
{
    struct tape *t = xcalloc(1, sizeof *t);
    t->market.ops = &ops;
    t->market.has_trades = true;
    return t;
}

// ---- filling ----------------------------------------------------------------------------------

static void add_text(struct tape *t, struct slice s)
{
    if (t->text_cap - t->text_n < s.n) {
        t->text_cap = t->text_cap * 2 + 65536;
        t->text = xrealloc(t->text, t->text_cap);
    }
    if (s.n > 0) {
        memcpy(t->text + t->text_n, s.p, s.n);
        t->text_n += s.n;
    }
}

static void see_decimals(struct decimals *d, struct slice s)
{
    const char *point = memchr(s.p, '.', s.n);
    if (point == NULL) {
        return;
    }
    int written = (int)(s.p + s.n - point) - 1;
    int needed = written;
    while (needed > 0 && point[needed] == '0') {
        needed--;
    }
    d->written = written > d->written ? written : d->written;
    d->needed = needed > d->needed ? needed : d->needed;
}

struct adding {
    struct tape *t;
    const char *dflt_symbol;
    bool no_symbol;
};

static void on_trade(void *arg, const struct line_trade *lt)
{
    struct adding *a = arg;
    struct tape *t = a->t;
    if (lt->single && !lt->counted) {
        t->stats.excluded++;
        return;
    }
    char symbol[SIM_SYMBOL_TEXT];
    if (lt->symbol.n > 0) {
        str_copyn(symbol, sizeof symbol, lt->symbol.p, lt->symbol.n);
    } else if (a->dflt_symbol != NULL) {
        str_copy(symbol, sizeof symbol, a->dflt_symbol);
    } else {
        a->no_symbol = true;
        return;
    }
    int lane = market_add_lane(&t->market, symbol);
    if (lane < 0 || t->n >= MAX_TRADES || t->text_n >= MAX_TEXT) {
        t->full = true;
        return;
    }
    struct index *ix = &t->index[lane];
    see_decimals(&ix->price, lt->price);
    see_decimals(&ix->qty, lt->qty);
    ix->has_agg = ix->has_agg || !lt->single;
    if (t->n == t->cap) {
        t->cap = t->cap * 2 + 4096;
        t->items = xrealloc(t->items, t->cap * sizeof *t->items);
    }
    t->items[t->n++] = (struct item){
        .t_ms = lt->t_ms,
        .e_ms = lt->e_ms >= 0 ? lt->e_ms : lt->t_ms,
        .id = lt->id,
        .first = lt->first >= 0 ? lt->first : lt->id,
        .last = lt->last >= 0 ? lt->last : lt->id,
        .text = (uint32_t)t->text_n,
        .price_n = (uint8_t)lt->price.n,
        .qty_n = (uint8_t)lt->qty.n,
        .nq_n = (uint8_t)lt->nq.n,
        .flags = (uint8_t)((lt->buyer_is_maker ? F_MAKER : 0) | (lt->st ? F_ST : 0) |
                           (lt->single ? F_SINGLE : 0)),
        .lane = (uint16_t)lane,
    };
    add_text(t, lt->price);
    add_text(t, lt->qty);
    add_text(t, lt->nq);
}

enum line_kind tape_add_line(struct tape *t, const char *p, size_t n, const char *dflt_symbol,
                             const char **why)
{
    struct adding a = {.t = t, .dflt_symbol = dflt_symbol};
    t->stats.lines++;
    enum line_kind kind = line_parse(p, n, on_trade, &a, why);
    if (a.no_symbol) {
        *why = "the row names no symbol and the file name has none";
        kind = LINE_BAD;
    }
    if (kind == LINE_BAD) {
        t->stats.bad_lines++;
    }
    return kind;
}

// "0.10": the smallest step that every number seen is a multiple of, as wide as the venue writes.
static void unit_text(char *out, size_t size, struct decimals d)
{
    if (d.needed == 0) {
        str_copy(out, size, "1");
        if (d.written > 0 && d.written < 16) {
            str_fmt(out, size, "1.%0*d", d.written, 0);
        }
        return;
    }
    char digits[24] = "";
    for (int i = 0; i < d.written && i < 18; i++) {
        digits[i] = i == d.needed - 1 ? '1' : '0';
    }
    str_fmt(out, size, "0.%s", digits);
}

// Drops what is not served and numbers single fills.
static void settle(struct tape *t)
{
    int64_t next_id[MARKET_MAX_LANES];
    memset(next_id, 0xff, sizeof next_id);
    size_t kept = 0;
    for (size_t i = 0; i < t->n; i++) {
        struct item it = t->items[i];
        struct index *ix = &t->index[it.lane];
        if (it.flags & F_SINGLE) {
            if (ix->has_agg) {
                t->stats.superseded++;
                continue;
            }
            if (next_id[it.lane] < 0) {
                next_id[it.lane] = it.id;
            }
            it.id = next_id[it.lane]++;
        }
        ix->n++;
        t->items[kept++] = it;
    }
    t->n = kept;
}

static int by_id(const void *a, const void *b, void *arg)
{
    const struct item *items = arg;
    uint32_t x = *(const uint32_t *)a;
    uint32_t y = *(const uint32_t *)b;
    int64_t dx = items[x].id;
    int64_t dy = items[y].id;
    if (dx != dy) {
        return dx < dy ? -1 : 1;
    }
    return x < y ? -1 : x > y;
}

// Marks later copies of an id with t_ms = -1 and rebuilds.
static void drop_repeated(struct tape *t)
{
    size_t dropped = 0;
    for (int l = 0; l < t->market.lanes; l++) {
        struct index *ix = &t->index[l];
        for (size_t i = 1; i < ix->n; i++) {
            if (t->items[ix->at[i]].id == t->items[ix->at[i - 1]].id) {
                ix->at[i - 1] = ix->at[i - 1] < ix->at[i] ? ix->at[i - 1] : ix->at[i];
                t->items[ix->at[i]].t_ms = -1;
                ix->at[i] = ix->at[i - 1];
                dropped++;
            }
        }
    }
    if (dropped == 0) {
        return;
    }
    size_t kept = 0;
    for (size_t i = 0; i < t->n; i++) {
        if (t->items[i].t_ms >= 0) {
            t->items[kept++] = t->items[i];
        } else {
            t->index[t->items[i].lane].n--;
        }
    }
    t->n = kept;
    t->stats.repeated += (int64_t)dropped;
}

static void build_index(struct tape *t)
{
    for (int l = 0; l < t->market.lanes; l++) {
        struct index *ix = &t->index[l];
        free(ix->at);
        ix->at = xmalloc((ix->n + 1) * sizeof *ix->at);
        ix->n = 0;
    }
    for (size_t i = 0; i < t->n; i++) {
        struct index *ix = &t->index[t->items[i].lane];
        ix->at[ix->n++] = (uint32_t)i;
    }
    for (int l = 0; l < t->market.lanes; l++) {
        struct index *ix = &t->index[l];
        qsort_r(ix->at, ix->n, sizeof *ix->at, by_id, t->items);
        ix->time_sorted = true;
        for (size_t i = 1; i < ix->n; i++) {
            ix->time_sorted =
                ix->time_sorted && t->items[ix->at[i - 1]].t_ms <= t->items[ix->at[i]].t_ms;
        }
    }
}

int tape_finish(struct tape *t, struct err *e)
{
    if (t->full) {
        return err_set(e, ERR_LIMIT, "more trades or symbols than a replay holds");
    }
    settle(t);
    build_index(t);
    drop_repeated(t);
    build_index(t);
    if (t->n == 0) {
        return err_set(e, ERR_STATE, "no trade found in %lld lines (%lld bad)",
                       (long long)t->stats.lines, (long long)t->stats.bad_lines);
    }
    t->first_ms = t->last_ms = t->items[0].t_ms;
    for (size_t i = 0; i < t->n; i++) {
        int64_t ms = t->items[i].t_ms;
        t->first_ms = ms < t->first_ms ? ms : t->first_ms;
        t->last_ms = ms > t->last_ms ? ms : t->last_ms;
    }
    for (int l = 0; l < t->market.lanes; l++) {
        struct lane *lane = &t->market.lane[l];
        unit_text(lane->tick, sizeof lane->tick, t->index[l].price);
        unit_text(lane->step, sizeof lane->step, t->index[l].qty);
    }
    return 0;
}

// ---- the market -------------------------------------------------------------------------------

static struct tape *tape_of(struct market *m)
{
    return (struct tape *)m;
}

static void copy_text(const struct tape *t, size_t at, size_t n, char out[SIM_NUM_TEXT])
{
    memcpy(out, t->text + at, n);
    out[n] = '\0';
}

static void fill(const struct tape *t, const struct item *it, struct sim_trade *out)
{
    *out = (struct sim_trade){
        .lane = it->lane,
        .t_ms = it->t_ms + t->shift_ms,
        .e_ms = it->e_ms + t->shift_ms,
        .id = it->id,
        .first = it->first,
        .last = it->last,
        .buyer_is_maker = (it->flags & F_MAKER) != 0,
        .st = (it->flags & F_ST) != 0,
    };
    copy_text(t, it->text, it->price_n, out->price);
    copy_text(t, (size_t)it->text + it->price_n, it->qty_n, out->qty);
    copy_text(t, (size_t)it->text + it->price_n + it->qty_n, it->nq_n, out->nq);
}

static const struct sim_event *peek(struct market *m)
{
    struct tape *t = tape_of(m);
    if (t->pos == t->n) {
        return NULL;
    }
    const struct item *it = &t->items[t->pos];
    t->next = (struct sim_event){.kind = SIM_TRADE, .lane = it->lane, .has_trade = true};
    fill(t, it, &t->next.trade);
    t->next.t_ms = t->next.trade.t_ms;
    return &t->next;
}

static void advance(struct market *m)
{
    struct tape *t = tape_of(m);
    if (t->pos < t->n) {
        struct sim_trade out;
        fill(t, &t->items[t->pos], &out);
        market_note_release(m, &out);
        t->pos++;
    }
}

// First index entry that is not before (id, or time); a linear search when times step back.
static size_t lower_bound(const struct tape *t, const struct index *ix, bool by_time, int64_t v)
{
    if (by_time && !ix->time_sorted) {
        size_t i = 0;
        while (i < ix->n && t->items[ix->at[i]].t_ms < v) {
            i++;
        }
        return i;
    }
    size_t lo = 0;
    size_t hi = ix->n;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        const struct item *it = &t->items[ix->at[mid]];
        if ((by_time ? it->t_ms : it->id) < v) {
            lo = mid + 1;
        } else {
            hi = mid;
        }
    }
    return lo;
}

static bool settle_cursor(const struct tape *t, struct index *ix)
{
    while (ix->cursor < ix->n && ix->at[ix->cursor] >= t->pos) {
        ix->cursor++;
    }
    return ix->cursor < ix->n;
}

static bool seek_id(struct market *m, int lane, int64_t id)
{
    struct tape *t = tape_of(m);
    struct index *ix = &t->index[lane];
    ix->cursor = lower_bound(t, ix, false, id);
    return settle_cursor(t, ix);
}

static bool seek_time(struct market *m, int lane, int64_t t_ms)
{
    struct tape *t = tape_of(m);
    struct index *ix = &t->index[lane];
    ix->cursor = lower_bound(t, ix, true, t_ms - t->shift_ms);
    return settle_cursor(t, ix);
}

static bool seek_newest(struct market *m, int lane, int64_t end_ms, int64_t n)
{
    struct tape *t = tape_of(m);
    struct index *ix = &t->index[lane];
    // Backwards from the newest released id, counting what is released and not too new.
    size_t i = lower_bound(t, ix, false, m->lane[lane].last_id + 1);
    ix->cursor = ix->n;
    while (i > 0 && n > 0) {
        i--;
        const struct item *it = &t->items[ix->at[i]];
        if (ix->at[i] < t->pos && it->t_ms + t->shift_ms <= end_ms) {
            ix->cursor = i;
            n--;
        }
    }
    return ix->cursor < ix->n;
}

static bool read_next(struct market *m, int lane, struct sim_trade *out)
{
    struct tape *t = tape_of(m);
    struct index *ix = &t->index[lane];
    if (!settle_cursor(t, ix)) {
        return false;
    }
    fill(t, &t->items[ix->at[ix->cursor++]], out);
    return true;
}

static void tape_free(struct market *m)
{
    struct tape *t = tape_of(m);
    for (int l = 0; l < m->lanes; l++) {
        free(t->index[l].at);
    }
    free(t->items);
    free(t->text);
    free(t);
}

static const struct market_ops ops = {
    .peek = peek,
    .advance = advance,
    .seek_id = seek_id,
    .seek_time = seek_time,
    .seek_newest = seek_newest,
    .read = read_next,
    .free = tape_free,
};

struct market *tape_market(struct tape *t)
{
    return &t->market;
}

const struct tape_stats *tape_stats(const struct tape *t)
{
    return &t->stats;
}

size_t tape_len(const struct tape *t)
{
    return t->n;
}

int64_t tape_lane_len(const struct tape *t, int lane)
{
    return (int64_t)t->index[lane].n;
}

int64_t tape_first_ms(const struct tape *t)
{
    return t->first_ms + t->shift_ms;
}

int64_t tape_last_ms(const struct tape *t)
{
    return t->last_ms + t->shift_ms;
}

void tape_shift(struct tape *t, int64_t ms)
{
    t->shift_ms += ms;
}

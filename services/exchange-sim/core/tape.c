#include "services/exchange-sim/core/tape.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/base/str.h"
#include "services/exchange-sim/core/line_scan.h"
#include "services/exchange-sim/core/tape_items.h"
#include "services/exchange-sim/core/wire_binance.h"

#define MAX_ITEMS ((size_t)64 * 1000 * 1000)
#define MAX_TEXT ((size_t)0xf0000000)

static const struct market_ops ops;

struct tape *tape_new(void)
{
    struct tape *t = xcalloc(1, sizeof *t);
    t->market.ops = &ops;
    t->file_order = INT64_MIN;
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

// A new item of the symbol at the end; NULL: no symbol known, or the tape is full.
static struct item *add_item(struct adding *a, struct slice symbol, enum sim_venue venue,
                             int64_t t_ms)
{
    struct tape *t = a->t;
    char name[SIM_SYMBOL_TEXT];
    if (symbol.n > 0) {
        str_copyn(name, sizeof name, symbol.p, symbol.n);
    } else if (a->dflt_symbol != NULL) {
        str_copy(name, sizeof name, a->dflt_symbol);
    } else {
        a->no_symbol = true;
        return NULL;
    }
    int lane = market_add_venue_lane(&t->market, name, venue);
    if (lane < 0 || t->n >= MAX_ITEMS || t->text_n >= MAX_TEXT) {
        t->full = true;
        return NULL;
    }
    if (t->n == t->cap) {
        t->cap = t->cap * 2 + 4096;
        t->items = xrealloc(t->items, t->cap * sizeof *t->items);
    }
    // Within a file lines keep their order; files are woven together by event time.
    t->file_order = t_ms > t->file_order ? t_ms : t->file_order;
    struct item *it = &t->items[t->n++];
    *it = (struct item){.t_ms = t_ms,
                        .e_ms = t_ms,
                        .order = t->own ? t->rx_us : t->file_order * 1000,
                        .file = (uint32_t)t->files,
                        .flags = t->own ? F_OWN : 0,
                        .format = EVENT_NO_FORMAT,
                        .venue = (uint8_t)venue,
                        .lane = (uint16_t)lane};
    return it;
}

static void add_raw(struct tape *t, struct item *it, struct slice raw)
{
    it->raw = (uint32_t)t->text_n;
    it->raw_n = (uint32_t)raw.n;
    add_text(t, raw);
}

static void note_format(struct tape *t, const struct item *it)
{
    struct lane *l = &t->market.lane[it->lane];
    if (it->format >= WIRE_FORMATS) {
        return;
    }
    if (l->formats[it->kind] == 0) {
        l->main_format[it->kind] = it->format;
    }
    l->formats[it->kind] |= UINT32_C(1) << it->format;
}

static void on_trade(void *arg, const struct line_trade *lt)
{
    struct adding *a = arg;
    struct tape *t = a->t;
    bool excluded = lt->single && !lt->counted;
    t->stats.excluded += excluded;
    // Archives of any venue's trades have no frames: they suit every wire.
    const bool binance = lt->raw.n > 0 || t->own;
    struct item *it = add_item(a, lt->symbol, binance ? VENUE_BINANCE : VENUE_ANY, lt->t_ms);
    if (it == NULL) {
        return;
    }
    it->e_ms = lt->e_ms >= 0 ? lt->e_ms : lt->t_ms;
    it->kind = SIM_TRADE;
    it->flags |= (uint8_t)((lt->buyer_is_maker ? F_MAKER : 0) | (lt->st ? F_ST : 0) |
                           (lt->single ? F_SINGLE : 0) | (excluded ? F_NO_TRADE : 0));
    if (lt->raw.n > 0) {
        it->format = BN_TRADE_SINGLE;
        add_raw(t, it, lt->raw);
    }
    if (excluded) {
        return;
    }
    struct index *ix = &t->index[it->lane];
    see_decimals(&ix->price, lt->price);
    see_decimals(&ix->qty, lt->qty);
    ix->has_agg = ix->has_agg || !lt->single;
    it->id = lt->id;
    it->first = lt->first >= 0 ? lt->first : lt->id;
    it->last = lt->last >= 0 ? lt->last : lt->id;
    it->text = (uint32_t)t->text_n;
    it->price_n = (uint8_t)lt->price.n;
    it->qty_n = (uint8_t)lt->qty.n;
    it->nq_n = (uint8_t)lt->nq.n;
    add_text(t, lt->price);
    add_text(t, lt->qty);
    add_text(t, lt->nq);
}

// The first level of a side shows how the venue writes prices and quantities.
static void see_level(struct index *ix, struct slice levels)
{
    struct scan sc = {levels.p, levels.p + levels.n};
    struct slice price;
    struct slice qty;
    if (levels.n > 0 && scan_take(&sc, '[') && scan_take(&sc, '[') && scan_string(&sc, &price) &&
        scan_take(&sc, ',') && scan_string(&sc, &qty)) {
        see_decimals(&ix->price, price);
        see_decimals(&ix->qty, qty);
    }
}

static void on_event(void *arg, const struct line_event *ev)
{
    struct adding *a = arg;
    int64_t t_ms = ev->t_ms >= 0 ? ev->t_ms : a->t->file_order;
    struct item *it = add_item(a, ev->symbol, ev->venue, t_ms);
    if (it == NULL) {
        return;
    }
    it->kind = (uint8_t)ev->kind;
    it->format = ev->format;
    it->flags |= F_NO_TRADE;
    it->id = ev->last_id;
    it->first = ev->first_id;
    it->last = ev->prev_id;
    add_raw(a->t, it, ev->raw);
    note_format(a->t, it);
    see_level(&a->t->index[it->lane], ev->bids);
    see_level(&a->t->index[it->lane], ev->asks);
    a->t->stats.events++;
}

static void on_units(void *arg, const struct line_units *u)
{
    tape_own_units(((struct adding *)arg)->t, u);
}

void tape_next_file(struct tape *t)
{
    t->own = false;
    t->file_order = INT64_MIN;
    t->files++;
}

enum line_kind tape_add_line(struct tape *t, const char *p, size_t n, const char *dflt_symbol,
                             const char **why)
{
    struct adding a = {.t = t, .dflt_symbol = dflt_symbol};
    struct line_sink sink = {
        .on_trade = on_trade, .on_event = on_event, .on_units = on_units, .arg = &a};
    t->stats.lines++;
    tape_own_line(t, p, n);
    enum line_kind kind = line_read(p, n, &sink, why);
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

static int by_order(const void *a, const void *b, void *arg)
{
    const struct item *items = arg;
    uint32_t x = *(const uint32_t *)a;
    uint32_t y = *(const uint32_t *)b;
    if (items[x].order != items[y].order) {
        return items[x].order < items[y].order ? -1 : 1;
    }
    return x < y ? -1 : x > y;
}

// Weaves the files together.
static void sort_items(struct tape *t)
{
    if (t->files < 2) {
        return;
    }
    uint32_t *at = xmalloc((t->n + 1) * sizeof *at);
    for (size_t i = 0; i < t->n; i++) {
        at[i] = (uint32_t)i;
    }
    qsort_r(at, t->n, sizeof *at, by_order, t->items);
    struct item *sorted = xmalloc((t->n + 1) * sizeof *sorted);
    for (size_t i = 0; i < t->n; i++) {
        sorted[i] = t->items[at[i]];
    }
    free(at);
    free(t->items);
    t->items = sorted;
    t->cap = t->n + 1;
}

// Numbers single fills.
static void settle(struct tape *t)
{
    int64_t next_id[MARKET_MAX_LANES];
    memset(next_id, 0xff, sizeof next_id);
    for (size_t i = 0; i < t->n; i++) {
        struct item *it = &t->items[i];
        struct index *ix = &t->index[it->lane];
        if (it->flags & F_NO_TRADE) {
            continue;
        }
        if (it->flags & F_SINGLE) {
            if (ix->has_agg) {
                t->stats.superseded++;
                it->flags |= F_NO_TRADE; // still a frame of @trade
                continue;
            }
            if (next_id[it->lane] < 0) {
                next_id[it->lane] = it->id;
            }
            it->id = next_id[it->lane]++;
        }
        ix->n++;
    }
}

// A REST body has no time of its own to be waited for: it is there with what stands behind it.
static void place_snapshots(struct tape *t)
{
    for (size_t i = t->n; i > 0; i--) {
        struct item *it = &t->items[i - 1];
        if (it->kind == SIM_SNAPSHOT && t->n > 1) {
            it->t_ms = i < t->n ? t->items[i].t_ms : t->items[i - 2].t_ms;
        }
    }
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

#define DROPPED INT64_MIN

// Marks later copies of an id and rebuilds.
static void drop_repeated(struct tape *t)
{
    size_t dropped = 0;
    for (int l = 0; l < t->market.lanes; l++) {
        struct index *ix = &t->index[l];
        for (size_t i = 1; i < ix->n; i++) {
            if (t->items[ix->at[i]].id == t->items[ix->at[i - 1]].id) {
                ix->at[i - 1] = ix->at[i - 1] < ix->at[i] ? ix->at[i - 1] : ix->at[i];
                t->items[ix->at[i]].t_ms = DROPPED;
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
        if (t->items[i].t_ms != DROPPED) {
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
    t->trades = 0;
    for (size_t i = 0; i < t->n; i++) {
        struct index *ix = &t->index[t->items[i].lane];
        if ((t->items[i].flags & F_NO_TRADE) == 0) {
            ix->at[ix->n++] = (uint32_t)i;
            t->trades++;
        }
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
        return err_set(e, ERR_LIMIT, "more frames or symbols than a replay holds");
    }
    sort_items(t);
    tape_own_drop_copies(t);
    settle(t);
    build_index(t);
    drop_repeated(t);
    build_index(t);
    place_snapshots(t);
    if (t->n == 0) {
        return err_set(e, ERR_STATE, "no trade and no frame found in %lld lines (%lld bad)",
                       (long long)t->stats.lines, (long long)t->stats.bad_lines);
    }
    t->first_ms = t->last_ms = t->items[0].t_ms;
    for (size_t i = 0; i < t->n; i++) {
        int64_t ms = t->items[i].t_ms;
        t->first_ms = ms < t->first_ms ? ms : t->first_ms;
        t->last_ms = ms > t->last_ms ? ms : t->last_ms;
        t->market.has_trades = t->market.has_trades || t->items[i].kind == SIM_TRADE;
    }
    for (int l = 0; l < t->market.lanes; l++) {
        struct lane *lane = &t->market.lane[l];
        unit_text(lane->tick, sizeof lane->tick, t->index[l].price);
        unit_text(lane->step, sizeof lane->step, t->index[l].qty);
        lane->price_decimals = t->index[l].price.written;
        lane->qty_decimals = t->index[l].qty.written;
        const struct own_units *u = tape_own_units_of(t, lane);
        if (u != NULL) {
            str_copy(lane->tick, sizeof lane->tick, u->tick);
            str_copy(lane->step, sizeof lane->step, u->step);
        }
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
    t->next = (struct sim_event){
        .kind = (enum sim_kind)it->kind,
        .venue = (enum sim_venue)it->venue,
        .lane = it->lane,
        .format = it->format,
        .t_ms = it->t_ms + t->shift_ms,
        .raw = {t->text + it->raw, it->raw_n},
        .has_trade = (it->flags & F_NO_TRADE) == 0,
    };
    if (t->next.has_trade) {
        fill(t, it, &t->next.trade);
    } else {
        t->next.last_id = it->id;
        t->next.first_id = it->first;
        t->next.prev_id = it->last;
    }
    return &t->next;
}

static void advance(struct market *m)
{
    struct tape *t = tape_of(m);
    const struct sim_event *e = peek(m);
    if (e == NULL) {
        return;
    }
    if (e->has_trade) {
        market_note_release(m, &e->trade);
    }
    t->pos++;
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
    tape_books_free(t->books);
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
    .book = tape_book,
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
    return t->trades;
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

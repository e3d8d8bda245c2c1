#include "services/exchange-sim/core/gen.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/decimal.h"
#include "common/base/mem.h"
#include "common/base/str.h"
#include "services/exchange-sim/core/gen_lane.h"

#define FILLS_PER_DAY INT64_C(200000000) // more than a day has: fill numbers never overlap
#define SECOND_MS 1000
#define BOOK_STEP_MS 50
#define MARK_MAX_STEP_MS 60000

struct gen {
    struct market market; // first
    int64_t per_day;
    struct sim_event next; // what peek() shows
    bool has_next;
    struct gen_lane lane[MARKET_MAX_LANES];
};

// What is known of well-known contracts; others trade around 10.00.
struct contract {
    const char *symbol, *tick, *step;
    int price_scale, price_decimals, qty_scale;
    int64_t base_ticks, unit_lots, max_fill_lots;
};
static const struct contract contracts[] = {
    {"BTCUSDT", "0.10", "0.001", 1, 2, 3, 870000, 20, 5000},
    {"BTCUSDC", "0.1", "0.001", 1, 1, 3, 870000, 20, 5000},
    {"ETHUSDT", "0.01", "0.001", 2, 2, 3, 300000, 120, 100000},
    {"SOLUSDT", "0.0100", "0.01", 2, 4, 2, 15000, 200, 100000},
    {"BNBUSDT", "0.010", "0.01", 2, 3, 2, 90000, 20, 20000},
};
static const struct contract other_contract = {"", "0.0010", "1", 3, 4, 0, 10000, 10, 10000};

static const struct market_ops ops;

static struct gen *gen_of(struct market *m)
{
    return (struct gen *)m;
}

static struct gen_days *day_of(struct gen_lane *l, int64_t day)
{
    struct gen_days *victim = &l->days[0];
    for (size_t i = 0; i < GEN_DAYS_KEPT; i++) {
        struct gen_days *d = &l->days[i];
        if (d->day == day) {
            d->used = ++l->uses;
            return d;
        }
        if (d->used < victim->used) {
            victim = d;
        }
    }
    if (victim->trades == NULL) {
        victim->trades = xmalloc((size_t)l->per_day * sizeof *victim->trades);
    }
    free(victim->minutes);
    victim->minutes = NULL;
    victim->day = day;
    victim->used = ++l->uses;
    gen_day_make(&l->sym, day, victim->trades, (size_t)l->per_day);
    return victim;
}

const struct gen_days *gen_day_at(struct gen_lane *l, int64_t day)
{
    struct gen_days *d = day_of(l, day);
    if (d->minutes == NULL) {
        d->minutes = xcalloc(MINUTES_PER_DAY, sizeof *d->minutes);
        for (int64_t i = 0; i < l->per_day; i++) {
            const struct gen_trade *t = &d->trades[i];
            struct gen_minute *m = &d->minutes[t->ms / 60000];
            m->low = m->high == 0 || t->price_ticks < m->low ? t->price_ticks : m->low;
            m->high = t->price_ticks > m->high ? t->price_ticks : m->high;
            m->lots += t->qty_lots;
        }
    }
    return d;
}

const struct gen_trade *gen_trade_at(struct gen_lane *l, int64_t id)
{
    return day_of(l, id / l->per_day)->trades + id % l->per_day;
}

int64_t gen_time_of(struct gen_lane *l, int64_t id)
{
    return id / l->per_day * MS_PER_DAY + gen_trade_at(l, id)->ms;
}

int64_t gen_id_at(struct gen_lane *l, int64_t t_ms)
{
    if (t_ms < 0) {
        return 0;
    }
    int64_t day = t_ms / MS_PER_DAY;
    int64_t ms = t_ms % MS_PER_DAY;
    const struct gen_trade *t = day_of(l, day)->trades;
    int64_t lo = 0;
    int64_t hi = l->per_day;
    while (lo < hi) {
        int64_t mid = lo + (hi - lo) / 2;
        if (t[mid].ms < ms) {
            lo = mid + 1;
        } else {
            hi = mid;
        }
    }
    return day * l->per_day + lo;
}

static uint64_t key_of(uint64_t seed, const char *symbol)
{
    uint64_t h = seed ^ UINT64_C(0xcbf29ce484222325);
    for (; *symbol != '\0'; symbol++) {
        h = (h ^ (unsigned char)*symbol) * UINT64_C(0x100000001b3);
    }
    return h;
}

static int add_symbol(struct gen *g, uint64_t seed, const char *symbol, int64_t from_ms,
                      struct err *e)
{
    if (market_lane_of(&g->market, symbol) >= 0) {
        return err_set(e, ERR_RANGE, "symbol %s is given twice", symbol);
    }
    int i = market_add_lane(&g->market, symbol);
    if (i < 0) {
        return err_set(e, ERR_RANGE, "too many symbols, or a name that is too long: %s", symbol);
    }
    const struct contract *c = &other_contract;
    for (size_t k = 0; k < sizeof contracts / sizeof contracts[0]; k++) {
        c = strcmp(contracts[k].symbol, symbol) == 0 ? &contracts[k] : c;
    }
    str_copy(g->market.lane[i].tick, sizeof g->market.lane[i].tick, c->tick);
    str_copy(g->market.lane[i].step, sizeof g->market.lane[i].step, c->step);
    g->market.lane[i].price_decimals = c->price_decimals;
    g->market.lane[i].qty_decimals = c->qty_scale;
    struct gen_lane *l = &g->lane[i];
    l->sym = (struct gen_symbol){.key = key_of(seed, symbol),
                                 .base_ticks = c->base_ticks,
                                 .unit_lots = c->unit_lots,
                                 .max_fill_lots = c->max_fill_lots};
    l->price_scale = c->price_scale;
    l->price_decimals = c->price_decimals;
    l->qty_scale = c->qty_scale;
    for (size_t d = 0; d < GEN_DAYS_KEPT; d++) {
        l->days[d].day = -1;
    }
    l->per_day = g->per_day;
    l->tick = pow10_i64(c->price_decimals - c->price_scale);
    l->now_ms = from_ms;
    l->pos = gen_id_at(l, from_ms);
    l->trade_ms = gen_time_of(l, l->pos);
    l->step_ms = from_ms - from_ms % BOOK_STEP_MS;
    l->second_ms = from_ms - from_ms % SECOND_MS + SECOND_MS;
    return 0;
}

struct gen *gen_new(uint64_t seed, const char *symbols, int64_t rate_milli, int64_t from_ms,
                    struct err *e)
{
    struct gen *g = xcalloc(1, sizeof *g);
    g->market.ops = &ops;
    g->market.seed = seed;
    g->market.has_trades = true;
    g->per_day = GEN_TRADES_PER_DAY * rate_milli / 1000;
    if (rate_milli < 10 || rate_milli > GEN_MAX_RATE_MILLI || from_ms < MS_PER_DAY) {
        err_set(e, ERR_RANGE, "rate or start of the generated market is out of range");
        market_free(&g->market);
        return NULL;
    }
    const char *p = symbols;
    while (true) {
        size_t n = strcspn(p, ",");
        char symbol[SIM_SYMBOL_TEXT] = "";
        bool ok = n >= 2 && str_copyn(symbol, sizeof symbol, p, n);
        for (size_t i = 0; i < n && ok; i++) {
            ok = (p[i] >= 'A' && p[i] <= 'Z') || (p[i] >= '0' && p[i] <= '9') || p[i] == '_';
        }
        if (!ok) {
            err_set(e, ERR_RANGE, "'%s' is not a list of symbols like BTCUSDT,ETHUSDT", symbols);
            market_free(&g->market);
            return NULL;
        }
        if (add_symbol(g, seed, symbol, from_ms, e) != 0) {
            market_free(&g->market);
            return NULL;
        }
        if (p[n] == '\0') {
            return g;
        }
        p += n + 1;
    }
}

static void fill(struct gen *g, int lane, int64_t id, struct sim_trade *out)
{
    struct gen_lane *l = &g->lane[lane];
    const struct gen_trade *t = gen_trade_at(l, id);
    int64_t first = id / g->per_day * FILLS_PER_DAY + t->first;
    *out = (struct sim_trade){
        .lane = lane,
        .t_ms = id / g->per_day * MS_PER_DAY + t->ms,
        .id = id,
        .first = first,
        .last = first + t->fills - 1,
        .buyer_is_maker = t->maker != 0,
        .st = true,
    };
    out->e_ms = out->t_ms + 2 + id % 5;
    char text[DEC_TEXT];
    dec_format(text, t->price_ticks, l->price_scale, l->price_decimals);
    str_copy(out->price, sizeof out->price, text);
    dec_format(text, t->qty_lots, l->qty_scale, l->qty_scale);
    str_copy(out->qty, sizeof out->qty, text);
    str_copy(out->nq, sizeof out->nq, text);
}

// ---- the market ---------------------------------------------------------------------------------

// ---- the timeline -------------------------------------------------------------------------------

// Moves to the next full second that has something to tell.
static void settle_second(const struct gen *g, struct gen_lane *l)
{
    int64_t apart = g->market.book_step_ms > SECOND_MS ? g->market.book_step_ms : SECOND_MS;
    apart = apart > MARK_MAX_STEP_MS ? MARK_MAX_STEP_MS : apart;
    while (true) {
        struct sim_liquidation forced[GEN_MAX_FORCED];
        if (!l->second_is_told && gen_forced_in(l, l->second_ms - SECOND_MS, forced) > 0) {
            return;
        }
        l->second_is_told = true;
        if (l->second_ms % apart == 0) {
            return;
        }
        l->second_is_told = false;
        l->second_ms += SECOND_MS;
    }
}

// The next move of the book behind t_ms: on the grid, or when the quote moves before that.
static int64_t next_step(const struct gen *g, struct gen_lane *l, int64_t t_ms)
{
    int64_t grid = g->market.book_step_ms > 0 ? g->market.book_step_ms : BOOK_STEP_MS;
    int64_t next = t_ms - t_ms % grid + grid;
    if (g->market.book_step_ms == 0) {
        int64_t move = gen_quote_move(l, l->pos);
        next = move > t_ms && move < next ? move : next;
    }
    return next;
}

static int64_t lane_next_ms(const struct gen_lane *l)
{
    int64_t ms = l->trade_ms < l->step_ms ? l->trade_ms : l->step_ms;
    return l->second_ms < ms ? l->second_ms : ms;
}

static int next_lane(const struct gen *g)
{
    int best = 0;
    int64_t best_ms = INT64_MAX;
    for (int i = 0; i < g->market.lanes; i++) {
        int64_t ms = lane_next_ms(&g->lane[i]);
        if (ms < best_ms) {
            best = i;
            best_ms = ms;
        }
    }
    return best;
}

// At one moment the book comes first, then trades, then what a full second tells.
static const struct sim_event *peek(struct market *m)
{
    struct gen *g = gen_of(m);
    if (g->has_next) {
        return &g->next;
    }
    int i = next_lane(g);
    struct gen_lane *l = &g->lane[i];
    g->next = (struct sim_event){.lane = i, .format = EVENT_NO_FORMAT, .raw = {"", 0}};
    struct sim_event *e = &g->next;
    if (l->step_ms <= l->trade_ms && l->step_ms <= l->second_ms) {
        e->kind = SIM_DEPTH;
        e->t_ms = l->step_ms;
    } else if (l->trade_ms <= l->second_ms) {
        e->kind = SIM_TRADE;
        e->t_ms = l->trade_ms;
        e->has_trade = true;
        fill(g, i, l->pos, &e->trade);
    } else if (!l->second_is_told) {
        struct sim_liquidation forced[GEN_MAX_FORCED];
        int n = gen_forced_in(l, l->second_ms - SECOND_MS, forced);
        e->kind = SIM_LIQUIDATION;
        e->t_ms = l->second_ms;
        e->first_id = n > 0 ? forced[0].id : 0;
        e->last_id = n > 0 ? forced[n - 1].id : -1;
    } else {
        e->kind = SIM_MARK;
        e->t_ms = l->second_ms;
    }
    g->has_next = true;
    return e;
}

static void advance(struct market *m)
{
    struct gen *g = gen_of(m);
    const struct sim_event *e = peek(m);
    struct gen_lane *l = &g->lane[e->lane];
    g->has_next = false;
    l->now_ms = e->t_ms;
    if (e->kind == SIM_DEPTH) {
        l->step_ms = next_step(g, l, e->t_ms);
    } else if (e->kind == SIM_TRADE) {
        market_note_release(m, &e->trade);
        l->pos++;
        l->trade_ms = gen_time_of(l, l->pos);
        if (g->market.book_step_ms == 0) { // the quote of the next trade is known now
            int64_t move = gen_quote_move(l, l->pos);
            l->step_ms = move > e->t_ms && move < l->step_ms ? move : l->step_ms;
        }
    } else if (e->kind == SIM_LIQUIDATION) {
        l->second_is_told = true;
        settle_second(g, l);
    } else {
        l->second_is_told = false;
        l->second_ms += SECOND_MS;
        settle_second(g, l);
    }
}

// ---- looking back -------------------------------------------------------------------------------

static bool seek_id(struct market *m, int lane, int64_t id)
{
    struct gen_lane *l = &gen_of(m)->lane[lane];
    l->cursor = id < 0 ? 0 : id;
    return l->cursor < l->pos;
}

static bool seek_time(struct market *m, int lane, int64_t t_ms)
{
    struct gen *g = gen_of(m);
    struct gen_lane *l = &g->lane[lane];
    // What is not released is not looked at: the future is not generated for a question.
    if (l->pos == 0 || t_ms > gen_time_of(l, l->pos - 1)) {
        l->cursor = l->pos;
        return false;
    }
    l->cursor = gen_id_at(l, t_ms);
    return l->cursor < l->pos;
}

static bool seek_newest(struct market *m, int lane, int64_t end_ms, int64_t n)
{
    struct gen *g = gen_of(m);
    struct gen_lane *l = &g->lane[lane];
    int64_t end = l->pos;
    if (end_ms < INT64_MAX && end > 0 && end_ms < gen_time_of(l, end - 1)) {
        end = gen_id_at(l, end_ms + 1);
    }
    l->cursor = end > n ? end - n : 0;
    return l->cursor < l->pos;
}

static bool read_next(struct market *m, int lane, struct sim_trade *out)
{
    struct gen *g = gen_of(m);
    struct gen_lane *l = &g->lane[lane];
    if (l->cursor >= l->pos) {
        return false;
    }
    fill(g, lane, l->cursor++, out);
    return true;
}

static void thin(struct market *m, int64_t book_step_ms)
{
    struct gen *g = gen_of(m);
    if (m->book_step_ms == book_step_ms) {
        return;
    }
    m->book_step_ms = book_step_ms;
    g->has_next = false;
    for (int i = 0; i < m->lanes; i++) {
        struct gen_lane *l = &g->lane[i];
        int64_t step = next_step(g, l, l->now_ms);
        int64_t second = l->now_ms - l->now_ms % SECOND_MS + SECOND_MS;
        l->step_ms = step < l->step_ms ? step : l->step_ms;
        if (second < l->second_ms) { // the seconds between were looked at: nobody was liquidated
            l->second_ms = second;
            l->second_is_told = true;
        }
    }
}

static bool book(struct market *m, int lane, size_t limit, int64_t age_ms, struct sim_book *out,
                 struct slice *raw)
{
    struct gen_lane *l = &gen_of(m)->lane[lane];
    *raw = (struct slice){"", 0};
    gen_book_at(l, l->now_ms - age_ms, limit, out);
    return true;
}

static void diff(struct market *m, int lane, int64_t t0_ms, int64_t t1_ms, struct sim_diff *out)
{
    gen_book_diff(&gen_of(m)->lane[lane], t0_ms, t1_ms, out);
}

static bool mark(struct market *m, int lane, int64_t t_ms, struct sim_mark *out)
{
    struct gen_lane *l = &gen_of(m)->lane[lane];
    gen_mark_at(l, t_ms < 0 || t_ms > l->now_ms ? l->now_ms : t_ms, out);
    return true;
}

static bool liquidation(struct market *m, int lane, int64_t after, struct sim_liquidation *out)
{
    struct gen_lane *l = &gen_of(m)->lane[lane];
    for (int64_t second = (after + 1) / GEN_MAX_FORCED; (second + 1) * SECOND_MS <= l->now_ms;
         second++) {
        struct sim_liquidation forced[GEN_MAX_FORCED];
        int n = gen_forced_in(l, second * SECOND_MS, forced);
        for (int i = 0; i < n; i++) {
            if (forced[i].id > after) {
                *out = forced[i];
                return true;
            }
        }
    }
    return false;
}

static void gen_free(struct market *m)
{
    struct gen *g = gen_of(m);
    for (int i = 0; i < MARKET_MAX_LANES; i++) {
        for (size_t d = 0; d < GEN_DAYS_KEPT; d++) {
            free(g->lane[i].days[d].trades);
            free(g->lane[i].days[d].minutes);
        }
    }
    free(g);
}

static const struct market_ops ops = {
    .peek = peek,
    .advance = advance,
    .seek_id = seek_id,
    .seek_time = seek_time,
    .seek_newest = seek_newest,
    .read = read_next,
    .book = book,
    .diff = diff,
    .mark = mark,
    .liquidation = liquidation,
    .thin = thin,
    .free = gen_free,
};

struct market *gen_market(struct gen *g)
{
    return &g->market;
}

int64_t gen_trades_per_day(const struct gen *g)
{
    return g->per_day;
}

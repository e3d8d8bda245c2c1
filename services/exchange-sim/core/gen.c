#include "services/exchange-sim/core/gen.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/decimal.h"
#include "common/base/mem.h"
#include "common/base/str.h"
#include "services/exchange-sim/core/gen_day.h"

#define DAYS_KEPT 4
#define FILLS_PER_DAY INT64_C(200000000) // more than a day has: fill numbers never overlap

struct day {
    int64_t day; // -1 = empty
    uint64_t used;
    struct gen_trade *trades; // per_day of them
};

struct gen_lane {
    struct gen_symbol sym;
    int price_scale, price_decimals, qty_scale;
    struct day days[DAYS_KEPT];
    int64_t pos;    // id of the next trade of the feed
    int64_t cursor; // id of the next trade of a read
};

struct gen {
    struct market market; // first
    int64_t per_day;
    uint64_t uses;
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

static const struct gen_trade *day_trades(struct gen *g, struct gen_lane *l, int64_t day)
{
    struct day *victim = &l->days[0];
    for (size_t i = 0; i < DAYS_KEPT; i++) {
        struct day *d = &l->days[i];
        if (d->day == day) {
            d->used = ++g->uses;
            return d->trades;
        }
        if (d->used < victim->used) {
            victim = d;
        }
    }
    if (victim->trades == NULL) {
        victim->trades = xmalloc((size_t)g->per_day * sizeof *victim->trades);
    }
    victim->day = day;
    victim->used = ++g->uses;
    gen_day_make(&l->sym, day, victim->trades, (size_t)g->per_day);
    return victim->trades;
}

static const struct gen_trade *at(struct gen *g, struct gen_lane *l, int64_t id)
{
    return day_trades(g, l, id / g->per_day) + id % g->per_day;
}

static int64_t time_of(struct gen *g, struct gen_lane *l, int64_t id)
{
    return id / g->per_day * MS_PER_DAY + at(g, l, id)->ms;
}

// The first id with t >= t_ms.
static int64_t id_at(struct gen *g, struct gen_lane *l, int64_t t_ms)
{
    if (t_ms < 0) {
        return 0;
    }
    int64_t day = t_ms / MS_PER_DAY;
    int64_t ms = t_ms % MS_PER_DAY;
    const struct gen_trade *t = day_trades(g, l, day);
    int64_t lo = 0;
    int64_t hi = g->per_day;
    while (lo < hi) {
        int64_t mid = lo + (hi - lo) / 2;
        if (t[mid].ms < ms) {
            lo = mid + 1;
        } else {
            hi = mid;
        }
    }
    return day * g->per_day + lo;
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
    for (size_t d = 0; d < DAYS_KEPT; d++) {
        l->days[d].day = -1;
    }
    l->pos = id_at(g, l, from_ms);
    return 0;
}

struct gen *gen_new(uint64_t seed, const char *symbols, int64_t rate_milli, int64_t from_ms,
                    struct err *e)
{
    struct gen *g = xcalloc(1, sizeof *g);
    g->market.ops = &ops;
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
    const struct gen_trade *t = at(g, l, id);
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

// The lane whose next trade comes first.
static int next_lane(struct gen *g)
{
    int best = 0;
    int64_t best_ms = INT64_MAX;
    for (int i = 0; i < g->market.lanes; i++) {
        int64_t ms = g->market.lanes == 1 ? 0 : time_of(g, &g->lane[i], g->lane[i].pos);
        if (ms < best_ms) {
            best = i;
            best_ms = ms;
        }
    }
    return best;
}

static const struct sim_event *peek(struct market *m)
{
    struct gen *g = gen_of(m);
    if (!g->has_next) {
        int i = next_lane(g);
        g->next = (struct sim_event){.kind = SIM_TRADE, .lane = i, .has_trade = true};
        fill(g, i, g->lane[i].pos, &g->next.trade);
        g->next.t_ms = g->next.trade.t_ms;
        g->has_next = true;
    }
    return &g->next;
}

static void advance(struct market *m)
{
    struct gen *g = gen_of(m);
    const struct sim_event *e = peek(m);
    g->has_next = false;
    market_note_release(m, &e->trade);
    g->lane[e->lane].pos++;
}

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
    if (l->pos == 0 || t_ms > time_of(g, l, l->pos - 1)) {
        l->cursor = l->pos;
        return false;
    }
    l->cursor = id_at(g, l, t_ms);
    return l->cursor < l->pos;
}

static bool seek_newest(struct market *m, int lane, int64_t end_ms, int64_t n)
{
    struct gen *g = gen_of(m);
    struct gen_lane *l = &g->lane[lane];
    int64_t end = l->pos;
    if (end_ms < INT64_MAX && end > 0 && end_ms < time_of(g, l, end - 1)) {
        end = id_at(g, l, end_ms + 1);
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

static void gen_free(struct market *m)
{
    struct gen *g = gen_of(m);
    for (int i = 0; i < MARKET_MAX_LANES; i++) {
        for (size_t d = 0; d < DAYS_KEPT; d++) {
            free(g->lane[i].days[d].trades);
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

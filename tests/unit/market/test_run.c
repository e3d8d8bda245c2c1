// Runs are a faster way to the same state: random deliveries go through the functions for one trade
// and through runs, in batches of random size with settles between, and both must end in the same
// numbers, which must be those of the plain recomputation of market_ref.h.

#include "common/market/run.h"

#include <criterion/criterion.h>
#include <string.h>

#include "common/base/buf.h"
#include "common/base/clock.h"
#include "common/market/candle.h"
#include "common/market/ledger.h"
#include "common/market/profile_page.h"
#include "tests/support/market_ref.h"

#define DAY0 INT64_C(1795132800000) // 2026-11-20
#define BIN 100

struct engine {
    struct ledger ledger;
    struct candle_series *m1, *m5;
    int64_t errors, stale;
    uint64_t events; // a hash of what settle reported
    size_t in_runs;  // trades that took the fast way
};

static void engine_init(struct engine *e)
{
    struct instrument ins;
    memset(e, 0, sizeof *e);
    cr_assert_eq(instrument_parse("BTCUSDT", 7, VENUE_BINANCE, &ins, NULL), 0);
    cr_assert_eq(instrument_set_units(&ins, "0.10", "0.001", -1, NULL), 0);
    cr_assert_eq(ins.bin_ticks, BIN);
    ledger_init(&e->ledger, &ins);
    e->m1 = candle_series_new(60000, BIN);
    e->m5 = candle_series_new_on(e->m1, 300000);
}

static void engine_release(struct engine *e)
{
    candle_series_free(e->m5);
    candle_series_free(e->m1);
    ledger_release(&e->ledger);
}

static void add_to_candles(struct engine *e, const struct trade *t)
{
    struct candle_series *series[2] = {e->m1, e->m5};
    for (size_t i = 0; i < 2; i++) {
        int64_t start = 0;
        int rc = candle_series_add(series[i], t, &start);
        e->errors += rc < 0;
        e->stale += rc > 0;
    }
}

static void add(struct engine *e, const struct trade *t)
{
    enum ledger_result r = ledger_add(&e->ledger, t);
    if (r == LEDGER_COUNTED || r == LEDGER_COUNTED_PREV) {
        add_to_candles(e, t);
    }
}

static void add_batch(struct engine *e, struct run *run, const struct trade *v, size_t n)
{
    for (size_t i = 0; i < n; i += run->n) {
        run_take(run, v + i, n - i);
        cr_assert(run->n > 0 && run->n <= n - i);
        if (!ledger_add_run(&e->ledger, run)) {
            for (size_t k = 0; k < run->n; k++) {
                add(e, &v[i + k]);
            }
        } else if (!candle_series_add_run(e->m1, run)) {
            for (size_t k = 0; k < run->n; k++) {
                add_to_candles(e, &v[i + k]);
            }
        } else {
            e->in_runs += run->n;
        }
    }
}

static void on_candle(void *arg, enum candle_event ev, const struct candle *c)
{
    uint64_t *h = arg;
    *h = (*h ^ (uint64_t)c->start_ms ^ (uint64_t)ev << 50 ^ (uint64_t)c->trades << 20 ^
          (uint64_t)c->rev << 40) *
         UINT64_C(0x9E3779B97F4A7C15);
}

static void settle(struct engine *e)
{
    candle_series_settle(e->m1, e->ledger.newest_ms, on_candle, &e->events);
    candle_series_settle(e->m5, e->ledger.newest_ms, on_candle, &e->events);
}

// ---- equality -----------------------------------------------------------------------------------

static bool same_trade(const struct trade *a, const struct trade *b)
{
    return a->ts_ms == b->ts_ms && a->id == b->id && a->price == b->price && a->qty == b->qty &&
           a->side == b->side && a->flags == b->flags;
}

static void check_profile(const struct profile *a, const struct profile *b)
{
    int64_t poc[2];
    int64_t from = 0;
    cr_assert_eq(profile_bins(a), profile_bins(b));
    cr_assert_eq(profile_poc(a, &poc[0]), profile_poc(b, &poc[1]));
    cr_assert_eq(poc[0], poc[1]);
    for (;;) {
        struct bin x;
        struct bin y;
        int64_t i;
        int64_t k;
        bool more = profile_next(a, from, &i, &x);
        cr_assert_eq(more, profile_next(b, from, &k, &y));
        if (!more) {
            break;
        }
        cr_assert(i == k && x.buy == y.buy && x.sell == y.sell && x.trades == y.trades);
        from = i + 1;
    }
    cr_assert_eq(a->pages, b->pages);
    for (size_t i = 0; i < a->pages; i++) {
        cr_assert_arr_eq(a->order[i]->dirty, b->order[i]->dirty, PAGE_BINS);
    }
}

static void check_day(const struct day *a, const struct day *b)
{
    cr_assert_eq(a->start_ms, b->start_ms);
    if (day_is_empty_slot(a)) {
        return;
    }
    cr_assert(a->trades == b->trades && a->sum_q == b->sum_q && a->sum_pq == b->sum_pq &&
              u256_cmp(a->sum_ppq, b->sum_ppq) == 0);
    cr_assert(a->buy == b->buy && a->sell == b->sell && a->block == b->block);
    cr_assert(a->high == b->high && a->low == b->low && a->or_high == b->or_high &&
              a->or_low == b->or_low && a->pre_buy == b->pre_buy && a->pre_sell == b->pre_sell);
    cr_assert(a->trades == 0 ||
              (same_trade(&a->first, &b->first) && same_trade(&a->last, &b->last)));
    cr_assert(day_is_consistent(a) && day_is_consistent(b));
    check_profile(a->profile, b->profile);
}

static void check_candles(const struct candle_series *a, const struct candle_series *b)
{
    int64_t stale[2][CANDLE_KEEP];
    size_t n = candle_series_count(a);
    cr_assert_eq(n, candle_series_count(b));
    for (size_t i = 0; i < n; i++) {
        const struct candle *x = candle_series_at(a, i);
        const struct candle *y = candle_series_at(b, i);
        cr_assert(x->start_ms == y->start_ms && x->open == y->open && x->high == y->high &&
                  x->low == y->low && x->close == y->close && x->buy == y->buy &&
                  x->sell == y->sell && x->min_delta == y->min_delta &&
                  x->max_delta == y->max_delta && x->trades == y->trades &&
                  x->sum_pq == y->sum_pq && x->poc_bin == y->poc_bin && x->rev == y->rev &&
                  x->complete == y->complete && same_trade(&x->first, &y->first) &&
                  same_trade(&x->last, &y->last));
    }
    size_t k = candle_series_stale(a, stale[0], CANDLE_KEEP);
    cr_assert_eq(k, candle_series_stale(b, stale[1], CANDLE_KEEP));
    cr_assert_arr_eq(stale[0], stale[1], k * sizeof stale[0][0]);
    cr_assert_eq(candle_series_tape_from(a), candle_series_tape_from(b));
}

static void check_equal(struct engine *a, struct engine *b)
{
    struct buf ids[2];
    settle(a);
    settle(b);
    check_day(&a->ledger.cur, &b->ledger.cur);
    check_day(&a->ledger.prev, &b->ledger.prev);
    cr_assert(a->ledger.newest_ms == b->ledger.newest_ms && a->ledger.rolled == b->ledger.rolled);
    cr_assert(a->ledger.counted == b->ledger.counted &&
              a->ledger.duplicates == b->ledger.duplicates &&
              a->ledger.too_old == b->ledger.too_old && a->ledger.overflows == b->ledger.overflows);
    cr_assert_eq(a->ledger.held.collapsed, b->ledger.held.collapsed);
    for (int i = 0; i < 2; i++) {
        buf_init(&ids[i], 1 << 20);
        idset_format(i ? &b->ledger.held : &a->ledger.held, &ids[i]);
    }
    cr_assert_str_eq(buf_cstr(&ids[0]), buf_cstr(&ids[1]));
    buf_release(&ids[0]);
    buf_release(&ids[1]);
    check_candles(a->m1, b->m1);
    check_candles(a->m5, b->m5);
    cr_assert(a->errors == b->errors && a->stale == b->stale && a->events == b->events);
}

// ---- sets ---------------------------------------------------------------------------------------

// Trades over `days` days in bursts that cross every border. Kinds of trade that no run takes (off
// the grid of bins, block, huge) come in one of 60, far prices and holes in the ids too. `tame`:
// nothing that the plain recomputation knows nothing of.
static size_t make_set(struct rng *r, struct trade *v, size_t n, int days, bool tame)
{
    int64_t ts = DAY0 + rng_below(r, 8 * 3600000);
    int64_t id = rng_below(r, 1000);
    int64_t bin = 616400 + rng_below(r, 2000);
    int64_t width = 1 + rng_below(r, 40);
    int64_t speed = 1 + rng_below(r, 400);
    size_t i = 0;
    for (; i < n; i++) {
        if (rng_below(r, 300) == 0) {
            static const int64_t at[] = {0, 28800000 - 300, 29400000 - 300, MS_PER_DAY - 300};
            int64_t jump = day_start_ms(ts) + at[rng_below(r, 4)];
            ts = jump > ts ? jump : ts + rng_below(r, MS_PER_DAY / 9);
        }
        ts += rng_below(r, 3) ? rng_below(r, speed) : 0;
        if (ts >= DAY0 + days * MS_PER_DAY) {
            break;
        }
        id += rng_below(r, 60) ? 1 : 1 + rng_below(r, 4);
        bin += rng_below(r, 2 * width + 1) - width;
        int64_t far = rng_below(r, 60) ? 0 : rng_below(r, 3000) - 1500;
        v[i] = (struct trade){.ts_ms = ts,
                              .id = id,
                              .price = (bin + far) * BIN,
                              .qty = 1 + rng_below(r, rng_below(r, 9) ? 900 : 900000),
                              .side = (uint8_t)rng_below(r, 2),
                              .flags = rng_below(r, 9) ? 0 : TRADE_RPI};
        if (rng_below(r, 60) == 0) {
            v[i].price += rng_below(r, BIN);
        }
        if (!tame && rng_below(r, 60) == 0) {
            v[i].flags = TRADE_BLOCK;
        }
        if (!tame && rng_below(r, 200) == 0) {
            v[i].qty = INT64_C(1) << (46 + rng_below(r, 12));
        }
        if (i > 0 && rng_below(r, 90) == 0) { // the venue's time runs back a little
            int64_t t = v[i].ts_ms;
            v[i].ts_ms = v[i - 1].ts_ms;
            v[i - 1].ts_ms = t;
        }
    }
    return i;
}

// What arrives: the set in order or disordered, with copies of single trades and of stretches.
static size_t deliver(struct rng *r, const struct trade *set, size_t n, struct trade *out,
                      size_t cap, int how)
{
    size_t m = 0;
    for (size_t i = 0; i < n && m < cap;) {
        size_t some = 1 + (size_t)rng_below(r, 200);
        some = some < n - i ? some : n - i;
        some = some < cap - m ? some : cap - m;
        memcpy(out + m, set + i, some * sizeof *out);
        if (how == 1 && rng_below(r, 4) == 0) {
            rng_shuffle(r, out + m, some);
        }
        m += some;
        if (how > 0 && rng_below(r, 3) == 0) { // a stretch once more, or late to its place
            size_t from = (size_t)rng_below(r, (int64_t)(i + some));
            size_t again = 1 + (size_t)rng_below(r, 100);
            again = again < n - from ? again : n - from;
            again = again < cap - m ? again : cap - m;
            memcpy(out + m, set + from, again * sizeof *out);
            m += again;
        }
        i += some + (how == 2 && rng_below(r, 5) == 0 ? 30 : 0); // a hole, perhaps filled later
    }
    return m;
}

Test(run, batches_give_the_state_of_trade_by_trade)
{
    enum { SET = 4000, CAP = 3 * SET };
    struct rng r = {18112026};
    struct trade *set = calloc(SET, sizeof *set);
    struct trade *v = calloc(CAP, sizeof *v);
    struct run run;
    size_t offered = 0;
    size_t in_runs = 0;
    run_init(&run, BIN);
    for (int k = 0; k < 90; k++) {
        size_t n = make_set(&r, set, 1 + (size_t)rng_below(&r, SET), 1 + k % 3, false);
        size_t m = deliver(&r, set, n, v, CAP, k % 4);
        struct engine one;
        struct engine runs;
        engine_init(&one);
        engine_init(&runs);
        for (size_t i = 0; i < m;) {
            size_t some = 1 + (size_t)rng_below(&r, k % 5 ? 300 : 3000);
            some = some < m - i ? some : m - i;
            for (size_t j = i; j < i + some; j++) {
                add(&one, &v[j]);
            }
            add_batch(&runs, &run, v + i, some);
            i += some;
            if (rng_below(&r, 3) == 0) {
                settle(&one);
                settle(&runs);
            }
            if (rng_below(&r, 20) == 0) {
                check_equal(&one, &runs);
            }
        }
        check_equal(&one, &runs);
        offered += m;
        in_runs += runs.in_runs;
        engine_release(&runs);
        engine_release(&one);
    }
    cr_assert_gt(in_runs, offered / 4, "%zu of %zu in runs", in_runs, offered);
    cr_assert_lt(in_runs, offered);
    free(v);
    free(set);
}

static void check_candle_values(const struct candle_series *s, const struct trade *v, size_t n)
{
    int64_t tf = candle_series_tf(s);
    for (size_t i = 0; i < n;) {
        size_t to = i;
        int64_t start = v[i].ts_ms / tf * tf;
        while (to < n && v[to].ts_ms / tf * tf == start) {
            to++;
        }
        struct ref_stats ref;
        ref_compute(&ref, v + i, to - i, start, BIN);
        const struct candle *c = candle_series_find(s, start);
        cr_assert_not_null(c);
        cr_assert(c->open == v[i].price && c->close == v[to - 1].price && c->high == ref.high &&
                  c->low == ref.low && c->buy == ref.buy && c->sell == ref.sell &&
                  c->min_delta == ref.min_delta && c->max_delta == ref.max_delta &&
                  c->trades == ref.trades && c->sum_pq == ref.sum_pq &&
                  c->poc_bin == ref.profile.poc);
        ref_release(&ref);
        i = to;
    }
}

Test(run, batches_give_the_numbers_of_a_plain_recomputation)
{
    enum { CAP = 4000 };
    struct rng r = {20241119};
    struct trade *v = calloc(CAP, sizeof *v);
    struct run run;
    run_init(&run, BIN);
    for (int k = 0; k < 40; k++) {
        size_t n = make_set(&r, v, 1 + (size_t)rng_below(&r, CAP), 1, true);
        struct engine e;
        struct ref_stats ref;
        struct u256 sum_ppq = {{0}};
        engine_init(&e);
        for (size_t i = 0; i < n;) {
            size_t some = 1 + (size_t)rng_below(&r, 500);
            some = some < n - i ? some : n - i;
            add_batch(&e, &run, v + i, some);
            i += some;
        }
        settle(&e);
        n = ref_set(v, n);
        ref_compute(&ref, v, n, DAY0, BIN);
        for (size_t i = 0; i < n; i++) {
            cr_assert(u256_add_ppq(&sum_ppq, (uint64_t)v[i].price, (uint64_t)v[i].qty));
        }
        const struct day *d = &e.ledger.cur;
        int64_t val;
        int64_t vah;
        cr_assert(d->trades == (uint64_t)ref.trades && d->buy == ref.buy && d->sell == ref.sell &&
                  d->high == ref.high && d->low == ref.low && d->or_high == ref.or_high &&
                  d->or_low == ref.or_low && d->pre_buy == ref.pre_buy &&
                  d->pre_sell == ref.pre_sell && d->sum_pq == ref.sum_pq);
        cr_assert(d->sum_q == (u128)(uint64_t)(ref.buy + ref.sell));
        cr_assert_eq(u256_cmp(d->sum_ppq, sum_ppq), 0);
        cr_assert(same_trade(&d->first, &ref.first) && same_trade(&d->last, &ref.last));
        cr_assert(profile_value_area(d->profile, &val, &vah));
        cr_assert(val == ref.profile.val && vah == ref.profile.vah);
        check_candle_values(e.m1, v, n);
        check_candle_values(e.m5, v, n);
        ref_release(&ref);
        engine_release(&e);
    }
    free(v);
}

// ---- single claims ------------------------------------------------------------------------------

static struct trade plain(int64_t ts_ms, int64_t id)
{
    return (struct trade){.ts_ms = ts_ms, .id = id, .price = 61640000, .qty = 5};
}

Test(run, ends_where_the_minute_ends)
{
    struct trade v[4] = {plain(DAY0 + 59998, 7), plain(DAY0 + 59999, 8), plain(DAY0 + 60000, 9),
                         plain(DAY0 + 60000, 10)};
    struct run run;
    run_init(&run, BIN);
    run_take(&run, v, 4);
    cr_expect(run.summed && run.n == 2 && run.minute_ms == DAY0 && run.qty == 10);
    run_take(&run, v + 2, 2);
    cr_expect(run.summed && run.n == 2 && run.minute_ms == DAY0 + 60000);
    cr_expect(run.bins == 1 && run.sum_pq == (u128)61640000 * 10);
}

Test(run, ends_at_a_hole_a_copy_a_step_back_in_time_and_a_far_price)
{
    struct run run;
    run_init(&run, BIN);
    for (int k = 0; k < 7; k++) {
        struct trade v[3] = {plain(DAY0 + 5, 7), plain(DAY0 + 5, 8), plain(DAY0 + 6, 9)};
        v[2].id += k == 0 ? 1 : k == 1 ? -1 : 0;
        v[2].ts_ms -= k == 2 ? 2 : 0;
        v[2].price += k == 3 ? RUN_BINS / 2 * BIN : k == 4 ? -(RUN_BINS / 2 + 1) * BIN : 0;
        v[2].qty = k == 5 ? INT64_C(1) << 48 : 5;
        v[2].flags = k == 6 ? TRADE_BLOCK : 0;
        run_take(&run, v, 3);
        cr_expect(run.summed && run.n == 2, "%d", k);
    }
}

Test(run, takes_no_trade_that_its_sums_can_not_hold)
{
    struct run run;
    run_init(&run, BIN);
    for (int k = 0; k < 6; k++) {
        struct trade v[2] = {plain(DAY0, 7), plain(DAY0, 8)};
        v[0].price += k == 0;
        v[0].price = k == 1 ? INT64_MAX / BIN * BIN : v[0].price;
        v[0].qty = k == 2 ? INT64_MAX : 5;
        v[0].id = k == 3 ? INT64_MAX : k == 4 ? -1 : 7;
        v[0].flags = k == 5 ? TRADE_BLOCK : 0;
        run_take(&run, v, 2);
        cr_expect(!run.summed && run.n == 1, "%d", k);
    }
}

Test(run, the_lowest_prices_have_bins_too)
{
    struct trade v[3] = {plain(DAY0, 7), plain(DAY0, 8), plain(DAY0, 9)};
    struct run run;
    run_init(&run, 1);
    v[0].price = 3;
    v[1].price = 1;
    v[2].price = RUN_BINS - 1;
    run_take(&run, v, 3);
    cr_expect(run.summed && run.n == 3 && run.bins == 3 && run.low == 1 &&
              run.high == RUN_BINS - 1);
}

Test(run, of_another_bin_width_is_left_to_the_functions_for_one_trade)
{
    struct engine e;
    struct run run;
    struct trade t = plain(DAY0, 7);
    engine_init(&e);
    add(&e, &t);
    t.id = 8;
    run_init(&run, BIN / 2);
    run_take(&run, &t, 1);
    cr_expect(run.summed);
    cr_expect_not(ledger_add_run(&e.ledger, &run));
    cr_expect_not(candle_series_add_run(e.m1, &run));
    cr_expect_eq(e.ledger.cur.trades, 1);
    engine_release(&e);
}

Test(run, may_touch_every_bin_there_is)
{
    static struct trade v[RUN_MAX];
    static struct run run;
    run_init(&run, BIN);
    for (int64_t i = 0; i < RUN_MAX; i++) {
        v[i] = plain(DAY0, i);
        v[i].price += (i == 0 ? 0 : i % RUN_BINS - RUN_BINS / 2) * BIN;
    }
    run_take(&run, v, RUN_MAX);
    cr_expect(run.summed && run.n == RUN_MAX && run.bins == RUN_BINS && run.qty == 5 * RUN_MAX);
    run_take(&run, v, 1);
    cr_expect(run.n == 1 && run.bins == 1 && run.qty == 5 && run.high == run.low);
}

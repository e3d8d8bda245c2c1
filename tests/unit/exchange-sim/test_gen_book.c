// The generated book, prices and liquidations: they fit the trades, chain over midnight, and are
// the same for whoever asks, whenever.

#include "services/exchange-sim/core/gen_lane.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "services/exchange-sim/core/gen.h"

#define DAY INT64_C(1795305600000) // 2026-11-22
#define FROM (DAY - 3600000)

static struct gen *gen_from(const char *symbols, int64_t from_ms)
{
    struct err e;
    struct gen *g = gen_new(7, symbols, 1000, from_ms, &e);
    cr_assert(g != NULL, "%s", e.text);
    return g;
}

// Releases everything up to t_ms.
static void run_to(struct market *m, int64_t t_ms)
{
    while (market_peek(m)->t_ms <= t_ms) {
        market_advance(m);
    }
}

static void check_book(const struct sim_book *b)
{
    for (int side = 0; side < 2; side++) {
        for (size_t i = 0; i < b->side[side].n; i++) {
            const struct sim_level *v = &b->side[side].at[i];
            cr_assert_gt(v->qty, 0);
            if (i > 0) {
                int64_t step = v->price - v[-1].price;
                cr_assert(side == 0 ? step < 0 : step > 0, "best first");
            }
        }
    }
    cr_assert_lt(b->side[0].at[0].price, b->side[1].at[0].price, "crossed");
}

static int64_t qty_at(const struct sim_levels *l, int64_t price)
{
    for (size_t i = 0; i < l->n; i++) {
        if (l->at[i].price == price) {
            return l->at[i].qty;
        }
    }
    return 0;
}

// What a diff makes of a book.
static void apply(struct sim_book *b, const struct sim_diff *d)
{
    cr_assert_eq(d->prev_id, b->update_id);
    cr_assert_gt(d->first_id, d->prev_id);
    cr_assert_leq(d->first_id, d->update_id);
    for (int side = 0; side < 2; side++) {
        struct sim_levels *l = &b->side[side];
        for (size_t i = 0; i < d->side[side].n; i++) {
            struct sim_level v = d->side[side].at[i];
            size_t k = 0;
            while (k < l->n && (side == 0 ? l->at[k].price > v.price : l->at[k].price < v.price)) {
                k++;
            }
            bool there = k < l->n && l->at[k].price == v.price;
            if (there && v.qty == 0) {
                memmove(&l->at[k], &l->at[k + 1], (l->n - k - 1) * sizeof v);
                l->n--;
            } else if (there) {
                l->at[k] = v;
            } else if (v.qty > 0) {
                levels_add(l, 0, 0);
                memmove(&l->at[k + 1], &l->at[k], (l->n - 1 - k) * sizeof v);
                l->at[k] = v;
            }
        }
    }
    b->update_id = d->update_id;
}

static void expect_same(const struct sim_book *a, const struct sim_book *b)
{
    for (int side = 0; side < 2; side++) {
        cr_assert_eq(a->side[side].n, b->side[side].n);
        cr_assert_arr_eq(a->side[side].at, b->side[side].at,
                         a->side[side].n * sizeof(struct sim_level));
    }
}

static void book_of(struct market *m, int64_t age_ms, struct sim_book *b)
{
    struct slice raw;
    cr_assert(m->ops->book(m, 0, 100000, age_ms, b, &raw));
    cr_assert_eq(raw.n, 0);
}

Test(gen_book, diffs_lead_from_book_to_book_over_midnight)
{
    static const int64_t steps[] = {50, 100, 250, 500, 60000};
    struct market *m = gen_market(gen_from("BTCUSDT", DAY - 120000));
    run_to(m, DAY + 120000);
    for (size_t k = 0; k < sizeof steps / sizeof steps[0]; k++) {
        struct sim_book b = {0};
        struct sim_book want = {0};
        struct sim_diff d = {0};
        int64_t now = DAY + 120000;
        int64_t t = DAY - (steps[k] > 1000 ? 60000 : 5000);
        book_of(m, now - t, &b);
        for (int i = 0; i < 200 && t + steps[k] <= now; i++, t += steps[k]) {
            m->ops->diff(m, 0, t, t + steps[k], &d);
            apply(&b, &d);
            check_book(&b);
        }
        book_of(m, now - t, &want);
        cr_assert_gt(want.side[0].n, 1000);
        cr_assert_gt(want.side[1].n, 1000);
        expect_same(&b, &want);
        book_release(&b);
        book_release(&want);
        diff_release(&d);
    }
    market_free(m);
}

Test(gen_book, a_snapshot_of_any_moment_joins_a_coarse_chain)
{
    struct market *m = gen_market(gen_from("BTCUSDT", FROM));
    run_to(m, FROM + 60000);
    for (int64_t at = 1; at < 500; at += 7) {
        struct sim_book b = {0};
        struct sim_book want = {0};
        struct sim_diff d = {0};
        book_of(m, 10000 - at, &b); // inside the interval
        m->ops->diff(m, 0, FROM + 50000, FROM + 50500, &d);
        int64_t last = b.update_id;
        cr_assert(d.first_id <= last && last <= d.update_id, "the snapshot lies in the chain");
        b.update_id = d.prev_id;
        apply(&b, &d);
        book_of(m, 9500, &want);
        expect_same(&b, &want);
        book_release(&b);
        book_release(&want);
        diff_release(&d);
    }
    market_free(m);
}

Test(gen_book, trades_print_at_levels_of_the_book)
{
    struct market *m = gen_market(gen_from("BTCUSDT", DAY - 30000));
    run_to(m, DAY + 30000);
    struct sim_book b = {0};
    struct sim_trade t;
    int64_t sells = 0;
    int64_t seen = 0;
    cr_assert(m->ops->seek_time(m, 0, DAY - 30000));
    while (m->ops->read(m, 0, &t)) {
        book_of(m, DAY + 30000 - t.t_ms, &b);
        int64_t price = 0;
        for (const char *p = t.price; *p != '\0'; p++) {
            price = *p == '.' ? price : price * 10 + (*p - '0');
        }
        cr_assert_gt(qty_at(&b.side[t.buyer_is_maker ? 0 : 1], price), 0, "%s %d", t.price,
                     t.buyer_is_maker);
        sells += t.buyer_is_maker;
        seen++;
    }
    cr_assert_gt(seen, 100);
    cr_assert(sells > 0 && sells < seen);
    book_release(&b);
    market_free(m);
}

Test(gen_book, another_start_tells_the_same)
{
    struct market *a = gen_market(gen_from("BTCUSDT,ETHUSDT", FROM));
    struct market *b = gen_market(gen_from("BTCUSDT", FROM + 500123));
    a->ops->thin(a, 60000);
    run_to(a, FROM + 600000);
    run_to(b, FROM + 600000);
    struct sim_book x = {0};
    struct sim_book y = {0};
    book_of(a, 0, &x);
    book_of(b, 0, &y);
    cr_assert_eq(x.update_id, y.update_id);
    expect_same(&x, &y);
    struct sim_mark ma;
    struct sim_mark mb;
    cr_assert(a->ops->mark(a, 0, FROM + 599000, &ma) && b->ops->mark(b, 0, FROM + 599000, &mb));
    cr_assert_eq(memcmp(&ma, &mb, sizeof ma), 0);
    book_release(&x);
    book_release(&y);
    market_free(a);
    market_free(b);
}

Test(gen_book, events_come_in_time_and_thinned_books_still_chain)
{
    struct market *m = gen_market(gen_from("BTCUSDT", DAY - 600000));
    int64_t last = 0;
    int64_t counts[SIM_KINDS] = {0};
    m->ops->thin(m, 60000);
    for (int64_t end = DAY - 300000; market_peek(m)->t_ms < end; market_advance(m)) {
        counts[market_peek(m)->kind]++;
        cr_assert_geq(market_peek(m)->t_ms, last);
        last = market_peek(m)->t_ms;
    }
    cr_assert_eq(counts[SIM_DEPTH], 5, "%lld", (long long)counts[SIM_DEPTH]);
    m->ops->thin(m, 0);
    memset(counts, 0, sizeof counts);
    for (; market_peek(m)->t_ms < DAY - 290000; market_advance(m)) {
        counts[market_peek(m)->kind]++;
        cr_assert_geq(market_peek(m)->t_ms, last);
        last = market_peek(m)->t_ms;
    }
    cr_assert_geq(counts[SIM_DEPTH], 199, "%lld", (long long)counts[SIM_DEPTH]);
    cr_assert_geq(counts[SIM_MARK], 9);
    market_free(m);
}

Test(gen_book, mark_price_and_funding_are_plausible)
{
    struct market *m = gen_market(gen_from("BTCUSDT", FROM));
    run_to(m, FROM + 600000);
    int64_t interest = -1;
    bool moved = false;
    for (int64_t t = FROM; t < FROM + 600000; t += 1000) {
        struct sim_mark k;
        cr_assert(m->ops->mark(m, 0, t, &k));
        int64_t gap = k.mark_e8 - k.index_e8;
        cr_assert_lt(llabs(gap), k.mark_e8 / 200);
        cr_assert_lt(llabs(k.mark_e8 / 1000000 - k.last_price), k.last_price / 200);
        cr_assert_eq(k.next_funding_ms % 28800000, 0);
        cr_assert(k.next_funding_ms > t && k.next_funding_ms <= t + 28800000);
        cr_assert_lt(llabs(k.funding_e8), 100000);
        cr_assert_gt(k.open_interest, 0);
        cr_assert(k.low_24h <= k.last_price + k.last_price / 100 && k.high_24h >= k.low_24h);
        moved = moved || (interest >= 0 && interest != k.open_interest);
        interest = k.open_interest;
    }
    cr_assert(moved);
    market_free(m);
}

Test(gen_book, liquidations_are_trades_and_one_a_second_is_shown)
{
    struct market *m = gen_market(gen_from("BTCUSDT", FROM));
    int64_t pushed = 0;
    int64_t last = 0;
    for (; market_peek(m)->t_ms < FROM + 1800000; market_advance(m)) {
        const struct sim_event *e = market_peek(m);
        if (e->kind == SIM_LIQUIDATION && e->last_id >= e->first_id) {
            cr_assert_geq(e->t_ms - last, 1000);
            last = e->t_ms;
            pushed++;
        }
    }
    struct sim_liquidation x;
    int64_t id = FROM / 1000 * GEN_MAX_FORCED - 1;
    int64_t shown = 0;
    int64_t all = 0;
    for (; m->ops->liquidation(m, 0, id, &x); id = x.id, all++) {
        struct sim_trade t;
        bool found = false;
        shown += x.shown;
        cr_assert_eq(x.e_ms % 1000, 0);
        cr_assert(x.t_ms < x.e_ms && x.e_ms - x.t_ms <= 1000);
        cr_assert(x.sell ? x.order_price < x.average_price : x.order_price > x.average_price);
        (void)m->ops->seek_time(m, 0, x.t_ms);
        while (!found && m->ops->read(m, 0, &t) && t.t_ms == x.t_ms) {
            found = t.buyer_is_maker == x.sell;
        }
        cr_assert(found, "a forced order is the taker of a trade");
    }
    cr_assert_gt(pushed, 3);
    cr_assert_eq(shown, pushed);
    cr_assert_gt(all, shown);
    market_free(m);
}

// State is a function of the set of trades: random sets over two and three days, delivered in any
// order, with copies, cut by restarts (everything through its stored text and back), must end in
// the same text; and that text must agree with the plain recomputation of market_ref.h.

#include <criterion/criterion.h>
#include <stdio.h>

#include "common/base/buf.h"
#include "common/base/clock.h"
#include "common/base/decimal.h"
#include "common/base/str.h"
#include "common/market/candle.h"
#include "common/market/ledger.h"
#include "tests/support/market_ref.h"

#define DAY0 INT64_C(1795132800000) // 2026-11-20
#define BIN 100
#define SETS 24
#define DELIVERIES 7

struct engine {
    struct ledger ledger;
    struct candle_series *m1, *m5;
    struct trade *seen; // counted trades, what the streams hold
    size_t n_seen;
    int64_t completed[2]; // newest completion reported
};

static struct instrument instrument(void)
{
    struct instrument ins;
    cr_assert_eq(instrument_parse("binance:BTCUSDT", 15, VENUE_BINANCE, &ins, NULL), 0);
    cr_assert_eq(instrument_set_units(&ins, "0.10", "0.001", -1, NULL), 0);
    return ins;
}

static void engine_init(struct engine *e)
{
    struct instrument ins = instrument();
    memset(e, 0, sizeof *e);
    ledger_init(&e->ledger, &ins);
    e->m1 = candle_series_new(60000, BIN);
    e->m5 = candle_series_new_on(e->m1, 300000);
    e->completed[0] = e->completed[1] = -1;
}

static void engine_release(struct engine *e)
{
    candle_series_free(e->m5);
    candle_series_free(e->m1);
    ledger_release(&e->ledger);
}

static void on_candle(void *arg, enum candle_event ev, const struct candle *c)
{
    int64_t *newest = arg;
    cr_assert_gt(c->trades, 0);
    if (ev == CANDLE_COMPLETED) {
        cr_assert_gt(c->start_ms, *newest, "completed twice or out of order");
        cr_assert(c->complete);
        *newest = c->start_ms;
    }
    cr_assert(ev != CANDLE_REVISED || (c->complete && c->rev > 0));
    cr_assert(ev != CANDLE_UPDATED || !c->complete);
}

// What the owner does with buckets the tape does not reach: reads them from the streams.
static void repair_stale(struct engine *e, struct candle_series *s)
{
    int64_t start[CANDLE_KEEP];
    size_t n = candle_series_stale(s, start, CANDLE_KEEP);
    for (size_t i = 0; i < n; i++) {
        cr_assert_eq(candle_series_replace(s, start[i], e->seen, e->n_seen), 0);
    }
    cr_assert_eq(candle_series_stale(s, start, CANDLE_KEEP), 0);
}

static void settle(struct engine *e)
{
    repair_stale(e, e->m1);
    repair_stale(e, e->m5);
    candle_series_settle(e->m1, e->ledger.newest_ms, on_candle, &e->completed[0]);
    candle_series_settle(e->m5, e->ledger.newest_ms, on_candle, &e->completed[1]);
}

static void feed(struct engine *e, const struct trade *t)
{
    enum ledger_result r = ledger_add(&e->ledger, t);
    if (r != LEDGER_COUNTED && r != LEDGER_COUNTED_PREV) {
        return;
    }
    e->seen[e->n_seen++] = *t;
    int64_t stale;
    cr_assert_geq(candle_series_add(e->m1, t, &stale), 0);
    cr_assert_geq(candle_series_add(e->m5, t, &stale), 0);
}

// ---- stored text --------------------------------------------------------------------------------

static void sink(void *arg, const char *field, const char *value, size_t n)
{
    struct buf *out = arg;
    cr_assert_eq(strlen(value), n);
    buf_addf(out, "%s=%s\n", field, value);
}

static void day_text(const struct ledger *l, const struct day *d, struct buf *out)
{
    struct bin b;
    int64_t index;
    day_to_fields(d, &l->ins, sink, out);
    if (day_is_empty_slot(d)) {
        return;
    }
    cr_assert(day_is_consistent(d));
    buf_adds(out, "--bins\n");
    for (int64_t from = 0; profile_next(d->profile, from, &index, &b); from = index + 1) {
        char field[NUM_TEXT];
        char value[4 * NUM_TEXT];
        bin_to_field(&l->ins, profile_bin_ticks(d->profile), index, &b, field, value);
        buf_addf(out, "%s=%s\n", field, value);
    }
}

static void coverage_text(const struct ledger *l, const struct day *d, struct buf *out)
{
    struct coverage c;
    coverage_init(&c);
    if (!day_is_empty_slot(d)) {
        coverage_compute(&c, &l->held, d->start_ms, ledger_judged_end(l, d));
        buf_addf(out, "coverage %lld missing %lld holes %zu\n", (long long)coverage_fraction_e8(&c),
                 (long long)c.missing_ms, c.holes);
        for (size_t i = 0; i < c.n; i++) {
            buf_addf(out, "%lld-%lld %s %lld..%lld\n", (long long)c.span[i].from_ms,
                     (long long)c.span[i].to_ms, cover_state_name(c.span[i].state),
                     (long long)c.span[i].from_id, (long long)c.span[i].to_id);
        }
    }
    coverage_release(&c);
}

static void candle_text(const struct ledger *l, const struct candle_series *s, int64_t from_ms,
                        struct buf *out)
{
    for (size_t i = 0; i < candle_series_count(s); i++) {
        struct buf json;
        buf_init(&json, 4096);
        const struct candle *c = candle_series_at(s, i);
        if (c->start_ms >= from_ms) {
            candle_to_json(c, &l->ins, BIN, -1, &json);
            const char *text = buf_cstr(&json);
            const char *run = strstr(text, ",\"_");
            cr_assert_not_null(run);
            buf_addf(out, "%.*s\n", (int)(run - text), text);
        }
        buf_release(&json);
    }
}

static char *state_text(struct engine *e)
{
    struct buf out;
    struct ledger *l = &e->ledger;
    settle(e);
    buf_init(&out, 16 << 20);
    day_text(l, &l->cur, &out);
    coverage_text(l, &l->cur, &out);
    day_text(l, &l->prev, &out);
    coverage_text(l, &l->prev, &out);
    candle_text(l, e->m1, l->cur.start_ms - MS_PER_DAY, &out);
    candle_text(l, e->m5, l->cur.start_ms - MS_PER_DAY, &out);
    char *text = strdup(buf_cstr(&out));
    cr_assert_not(out.failed);
    buf_release(&out);
    return text;
}

// ---- restart ------------------------------------------------------------------------------------

static void reload_day(struct ledger *l, struct day *to, const struct day *from)
{
    struct buf text;
    const char *kv[256];
    size_t pairs = 0;
    if (day_is_empty_slot(from)) {
        return;
    }
    buf_init(&text, 16 << 20);
    day_text(l, from, &text);
    char *all = strdup(buf_cstr(&text));
    char *bins = strstr(all, "--bins\n");
    *bins = '\0';
    bins += strlen("--bins\n");
    char *save;
    for (char *line = strtok_r(all, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
        char *eq = strchr(line, '=');
        *eq = '\0';
        kv[2 * pairs] = line;
        kv[2 * pairs + 1] = eq + 1;
        pairs++;
    }
    struct err err;
    cr_assert_eq(day_from_fields(to, &l->ins, from->start_ms, kv, pairs, &err), 0, "%s", err.text);
    for (char *line = strtok_r(bins, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
        char *eq = strchr(line, '=');
        *eq = '\0';
        cr_assert_eq(day_set_bin(to, &l->ins, line, eq + 1, &err), 0, "%s", err.text);
    }
    cr_assert(day_is_consistent(to));
    cr_assert_eq(to->trades, from->trades);
    cr_assert_eq(memcmp(&to->sum_ppq, &from->sum_ppq, sizeof to->sum_ppq), 0);
    cr_assert_eq(trade_cmp(&to->first, &from->first), 0);
    cr_assert_eq(trade_cmp(&to->last, &from->last), 0);
    free(all);
    buf_release(&text);
}

static void reload_candles(const struct ledger *l, struct candle_series *to,
                           const struct candle_series *from)
{
    for (size_t i = 0; i < candle_series_count(from); i++) {
        struct buf json;
        struct candle c;
        struct err err;
        buf_init(&json, 4096);
        candle_to_json(candle_series_at(from, i), &l->ins, BIN, 50000000, &json);
        cr_assert_eq(candle_from_json(&c, &l->ins, BIN, buf_ptr(&json), buf_len(&json), &err), 0,
                     "%s in %s", err.text, buf_cstr(&json));
        candle_series_restore(to, &c);
        buf_release(&json);
    }
}

static void restart(struct engine *e)
{
    struct engine new;
    struct buf ids;
    settle(e);
    engine_init(&new);
    new.seen = e->seen;
    new.n_seen = e->n_seen;
    memcpy(new.completed, e->completed, sizeof new.completed);
    reload_day(&new.ledger, &new.ledger.cur, &e->ledger.cur);
    reload_day(&new.ledger, &new.ledger.prev, &e->ledger.prev);
    buf_init(&ids, 1 << 20);
    idset_format(&e->ledger.held, &ids);
    cr_assert_eq(idset_parse(&new.ledger.held, buf_ptr(&ids), buf_len(&ids)), 0);
    buf_release(&ids);
    ledger_restored(&new.ledger);
    cr_assert_eq(new.ledger.newest_ms, e->ledger.newest_ms);
    reload_candles(&new.ledger, new.m1, e->m1);
    reload_candles(&new.ledger, new.m5, e->m5);
    if (new.ledger.newest_ms >= 0) {
        int64_t from = candle_tape_start(new.ledger.newest_ms);
        candle_series_set_tape_from(new.m1, from);
        for (size_t i = 0; i < new.n_seen; i++) {
            int64_t stale;
            if (new.seen[i].ts_ms >= from) {
                cr_assert_eq(candle_series_add(new.m1, &new.seen[i], &stale), 0);
                cr_assert_eq(candle_series_add(new.m5, &new.seen[i], &stale), 0);
            }
        }
    }
    engine_release(e);
    *e = new;
}

// ---- sets and deliveries ------------------------------------------------------------------------

// Bursts of trades over `days` days; ids follow time but for some neighbours, some are missing.
static size_t make_set(struct rng *r, struct trade *v, size_t cap, int days)
{
    size_t n = 0;
    int64_t id = 1000 + rng_below(r, 1000);
    int64_t ts = DAY0 + (rng_below(r, 2) ? 0 : rng_below(r, MS_PER_DAY / 2));
    int64_t price = 61640000 + rng_below(r, 5000);
    int64_t width = 1 + rng_below(r, 400);
    int64_t speed = 1 + rng_below(r, 3000);
    while (n < cap) {
        if (rng_below(r, 150) == 0) {
            static const int64_t at[] = {0,
                                         1,
                                         8 * 3600000 - 1,
                                         8 * 3600000,
                                         8 * 3600000 + 599999,
                                         8 * 3600000 + 600000,
                                         MS_PER_DAY - 1,
                                         MS_PER_DAY};
            int64_t jump = day_start_ms(ts) + at[rng_below(r, 8)];
            ts = jump > ts ? jump : ts + rng_below(r, MS_PER_DAY / 6);
        }
        ts += rng_below(r, 3) ? rng_below(r, speed) : 0;
        if (ts >= DAY0 + days * MS_PER_DAY) {
            break;
        }
        price += (rng_below(r, 2 * width + 1) - width);
        price = price < 1 ? 1 : price;
        id += rng_below(r, 60) == 0 ? 1 + rng_below(r, 5) : 1;
        v[n++] = (struct trade){.ts_ms = ts,
                                .id = id,
                                .price = price,
                                .qty = 1 + rng_below(r, rng_below(r, 9) ? 900 : 900000),
                                .side = (uint8_t)rng_below(r, 2)};
    }
    // The venue's time runs back by a little between some neighbours.
    for (size_t i = 1; i < n; i++) {
        if (rng_below(r, 40) == 0) {
            int64_t t = v[i].ts_ms;
            v[i].ts_ms = v[i - 1].ts_ms;
            v[i - 1].ts_ms = t;
        }
    }
    return n;
}

static void order(struct rng *r, struct trade *v, size_t n, int how)
{
    struct trade t;
    switch (how) {
    case 0: // in order
        break;
    case 1: // newest first
        for (size_t i = 0; i < n / 2; i++) {
            t = v[i];
            v[i] = v[n - 1 - i];
            v[n - 1 - i] = t;
        }
        break;
    case 2:
        rng_shuffle(r, v, n);
        break;
    case 3: // neighbours change places
        for (size_t i = 0; i + 8 < n; i += 8) {
            rng_shuffle(r, v + i, 8);
        }
        break;
    default: // stretches arrive late, some by a day
        for (int k = 0; k < how && n > 0; k++) {
            size_t from = (size_t)rng_below(r, (int64_t)n);
            size_t len = (size_t)rng_below(r, (int64_t)(n - from)) / 4;
            size_t to = n - len;
            if (len == 0 || from + len > to) {
                continue;
            }
            struct trade *cut = malloc(len * sizeof *cut);
            memcpy(cut, v + from, len * sizeof *cut);
            memmove(v + from, v + from + len, (n - from - len) * sizeof *v);
            memcpy(v + to, cut, len * sizeof *cut);
            free(cut);
        }
    }
}

static void run(struct rng *r, struct engine *e, const struct trade *v, size_t n, bool disturbed)
{
    engine_init(e);
    e->seen = malloc((n + 1) * sizeof *e->seen);
    for (size_t i = 0; i < n; i++) {
        feed(e, &v[i]);
        if (!disturbed) {
            continue;
        }
        if (rng_below(r, 10) == 0) {
            feed(e, &v[rng_below(r, (int64_t)i + 1)]); // a copy
        }
        if (rng_below(r, 25) == 0) {
            settle(e);
        }
        if (rng_below(r, 200) == 0) {
            restart(e);
        }
    }
}

static void check_equal(const char *expected, const char *got, uint64_t seed, int set, int how)
{
    size_t i = 0;
    while (expected[i] && expected[i] == got[i]) {
        i++;
    }
    size_t from = i > 120 ? i - 120 : 0;
    cr_assert(expected[i] == got[i],
              "seed %llu set %d delivery %d: at byte %zu\nexpected ..%.300s\n\ngot ..%.300s",
              (unsigned long long)seed, set, how, i, expected + from, got + from);
}

static void check_sets(int days, uint64_t seed)
{
    enum { CAP = 3000 };
    struct rng r = {seed};
    struct trade *set = malloc(CAP * sizeof *set);
    struct trade *v = malloc(CAP * sizeof *v);
    for (int k = 0; k < SETS; k++) {
        size_t n =
            make_set(&r, set, k < 3 ? (size_t)k : 50 + (size_t)rng_below(&r, CAP - 50), days);
        struct engine e;
        run(&r, &e, set, n, false);
        char *expected = state_text(&e);
        free(e.seen);
        engine_release(&e);
        for (int how = 0; how < DELIVERIES; how++) {
            memcpy(v, set, n * sizeof *v);
            order(&r, v, n, how);
            run(&r, &e, v, n, true);
            char *got = state_text(&e);
            check_equal(expected, got, seed, k, how);
            free(got);
            free(e.seen);
            engine_release(&e);
        }
        free(expected);
    }
    free(set);
    free(v);
}

Test(property, two_days_in_any_order_with_copies_and_restarts_are_one_state)
{
    check_sets(2, 20261122);
}

Test(property, three_days_leave_the_newer_two_whatever_came_when)
{
    check_sets(3, 8072024);
}

// ---- against the plain recomputation
// --------------------------------------------------------------

static void expect_field(const char *state, const char *name, int64_t v, int scale, int places)
{
    char want[128];
    char text[DEC_TEXT];
    dec_format(text, v, scale, places);
    snprintf(want, sizeof want, "%s=%s\n", name, text);
    cr_assert(strstr(state, want), "%s is not in\n%s", want, state);
}

static void check_day(const struct ledger *l, const struct day *d, const struct trade *v, size_t n)
{
    struct ref_stats ref;
    struct buf out;
    ref_compute(&ref, v, n, day_start_ms(v[0].ts_ms), BIN);
    buf_init(&out, 16 << 20);
    day_text(l, d, &out);
    const char *s = buf_cstr(&out);
    expect_field(s, "trades", ref.trades, 0, 0);
    expect_field(s, "buy_volume", ref.buy, 5, 3);
    expect_field(s, "sell_volume", ref.sell, 5, 3);
    expect_field(s, "volume", ref.buy + ref.sell, 5, 3);
    expect_field(s, "delta", ref.buy - ref.sell, 5, 3);
    expect_field(s, "cd_pre", ref.pre_buy - ref.pre_sell, 5, 3);
    expect_field(s, "high", ref.high, 3, 1);
    expect_field(s, "low", ref.low, 3, 1);
    expect_field(s, "range", ref.high - ref.low, 3, 1);
    expect_field(s, "price", ref.last.price, 3, 1);
    expect_field(s, "poc", ref.profile.poc * BIN, 3, 1);
    expect_field(s, "val", ref.profile.val * BIN, 3, 1);
    expect_field(s, "vah", ref.profile.vah * BIN, 3, 1);
    if (ref.or_high) {
        expect_field(s, "or_high", ref.or_high, 3, 1);
        expect_field(s, "or_low", ref.or_low, 3, 1);
    } else {
        cr_assert(strstr(s, "\nor_high=\nor_low=\n"));
    }
    for (int64_t i = 0; i < ref.profile.n; i++) {
        struct bin b = profile_get(d->profile, ref.profile.lo + i);
        cr_assert(b.buy == ref.profile.buy[i] && b.sell == ref.profile.sell[i] &&
                  b.trades == ref.profile.trades[i]);
    }
    cr_assert(d->sum_pq == ref.sum_pq);
    buf_release(&out);
    ref_release(&ref);
}

static void check_candles(const struct candle_series *s, const struct trade *v, size_t n)
{
    int64_t tf = candle_series_tf(s);
    size_t candles = 0;
    for (size_t i = 0; i < n;) {
        int64_t start = v[i].ts_ms / tf * tf;
        size_t to = i;
        while (to < n && v[to].ts_ms / tf * tf == start) {
            to++;
        }
        struct ref_stats ref;
        ref_compute(&ref, v + i, to - i, start, BIN);
        const struct candle *c = candle_series_find(s, start);
        cr_assert_not_null(c);
        cr_assert(c->open == v[i].price && c->close == v[to - 1].price && c->high == ref.high &&
                  c->low == ref.low && c->buy == ref.buy && c->sell == ref.sell &&
                  c->trades == ref.trades && c->sum_pq == ref.sum_pq &&
                  c->min_delta == ref.min_delta && c->max_delta == ref.max_delta &&
                  c->poc_bin == ref.profile.poc && c->first.id == ref.first.id &&
                  c->last.id == ref.last.id);
        candles++;
        i = to;
        ref_release(&ref);
    }
    cr_assert_eq(candle_series_count(s), candles < CANDLE_KEEP ? candles : CANDLE_KEEP);
}

// Missing time from the definition, millisecond ranges between consecutive held ids.
static void check_coverage(const struct ledger *l, const struct day *d, struct trade *v, size_t n)
{
    struct coverage c;
    int64_t end = ledger_judged_end(l, d);
    uint8_t *missing = calloc((size_t)MS_PER_DAY, 1);
    struct trade *by_id = malloc(n * sizeof *by_id);
    memcpy(by_id, v, n * sizeof *by_id);
    for (size_t i = 0; i < n; i++) { // insertion sort: ids are nearly in order
        struct trade t = by_id[i];
        size_t j = i;
        for (; j > 0 && by_id[j - 1].id > t.id; j--) {
            by_id[j] = by_id[j - 1];
        }
        by_id[j] = t;
    }
    for (size_t i = 0; i <= n; i++) {
        int64_t from = i == 0 ? d->start_ms : by_id[i - 1].ts_ms;
        int64_t to = i == n ? 0 : by_id[i].ts_ms;
        if (i == n || (i > 0 && by_id[i].id == by_id[i - 1].id + 1)) {
            continue;
        }
        if (i > 0 && to <= from) {
            to = from + 1;
        }
        for (int64_t ms = from; ms < to; ms++) {
            if (ms >= d->start_ms && ms < end && ms < d->start_ms + MS_PER_DAY) {
                missing[ms - d->start_ms] = 1;
            }
        }
    }
    int64_t sum = 0;
    coverage_init(&c);
    coverage_compute(&c, &l->held, d->start_ms, end);
    for (int64_t ms = 0; ms < MS_PER_DAY; ms++) {
        sum += missing[ms];
    }
    cr_assert_eq(c.missing_ms, sum, "%lld != %lld", (long long)c.missing_ms, (long long)sum);
    int64_t at = d->start_ms;
    for (size_t i = 0; i < c.n; i++) {
        cr_assert_eq(c.span[i].from_ms, at);
        cr_assert_lt(at, c.span[i].to_ms);
        for (; at < c.span[i].to_ms; at++) {
            cr_assert_eq(missing[at - d->start_ms], c.span[i].state == COVER_MISSING);
        }
    }
    cr_assert_eq(at, end);
    coverage_release(&c);
    free(by_id);
    free(missing);
}

Test(property, every_number_agrees_with_a_plain_recomputation)
{
    enum { CAP = 2500 };
    struct rng r = {4022024};
    struct trade *set = malloc(CAP * sizeof *set);
    for (int k = 0; k < 12; k++) {
        size_t n = make_set(&r, set, 10 + (size_t)rng_below(&r, CAP - 10), 2);
        struct engine e;
        rng_shuffle(&r, set, n);
        run(&r, &e, set, n, true);
        settle(&e);
        n = ref_set(set, n);
        size_t split = 0;
        while (split < n && day_start_ms(set[split].ts_ms) < e.ledger.cur.start_ms) {
            split++;
        }
        check_day(&e.ledger, &e.ledger.cur, set + split, n - split);
        check_coverage(&e.ledger, &e.ledger.cur, set, n);
        cr_assert_eq(split > 0, !day_is_empty_slot(&e.ledger.prev));
        if (split > 0) {
            check_day(&e.ledger, &e.ledger.prev, set, split);
            check_coverage(&e.ledger, &e.ledger.prev, set, n);
        }
        check_candles(e.m1, set, n);
        check_candles(e.m5, set, n);
        free(e.seen);
        engine_release(&e);
    }
    free(set);
}

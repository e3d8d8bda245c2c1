// Trades that a UUID names: days, candles and coverage are a function of the set of what the two
// streams hold. Random sets with copies that tell another seq or other flags, with gaps and claims,
// are delivered in any order and cut by restarts; every number must equal a plain recomputation
// that sorts, drops copies and paints milliseconds.

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/buf.h"
#include "common/base/clock.h"
#include "common/market/candle.h"
#include "common/market/ledger.h"
#include "tests/support/market_ref.h"

#define DAY0 INT64_C(1795132800000) // 2026-11-20
#define BIN 100
#define CAP 2500

// What a stream holds: a trade, or a gap or a claim.
struct event {
    enum { TRADE, LATE, GAP, CLAIM } kind; // LATE: a trade of :history
    struct trade t;
    int64_t from_ms, to_ms;
};

struct engine {
    struct ledger ledger;
    struct candle_series *m1, *m5;
    const struct event *fed;
    size_t n_fed;
};

static struct instrument instrument(void)
{
    struct instrument ins;
    cr_assert_eq(instrument_parse("bybit:BTCUSDT", 13, VENUE_BINANCE, &ins, NULL), 0);
    cr_assert_eq(instrument_set_units(&ins, "0.10", "0.001", -1, NULL), 0);
    return ins;
}

static void engine_init(struct engine *e)
{
    struct instrument ins = instrument();
    *e = (struct engine){0};
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

static bool is_trade(const struct event *e)
{
    return e->kind == TRADE || e->kind == LATE;
}

static void ignore_candle(void *arg, enum candle_event ev, const struct candle *c)
{
    (void)arg;
    (void)ev;
    cr_assert_gt(c->trades, 0);
}

// What the owner does with buckets the tape does not reach: reads them from the streams.
static void repair_stale(struct engine *e, struct candle_series *s)
{
    int64_t start[CANDLE_KEEP];
    size_t n = candle_series_stale(s, start, CANDLE_KEEP);
    struct trade *all = malloc((e->n_fed + 1) * sizeof *all);
    size_t trades = 0;
    for (size_t i = 0; i < e->n_fed; i++) {
        if (is_trade(&e->fed[i])) {
            all[trades++] = e->fed[i].t;
        }
    }
    for (size_t i = 0; i < n; i++) {
        cr_assert_eq(candle_series_replace(s, start[i], all, trades), 0);
    }
    free(all);
}

static void settle(struct engine *e)
{
    repair_stale(e, e->m1);
    repair_stale(e, e->m5);
    candle_series_settle(e->m1, e->ledger.newest_ms, ignore_candle, NULL);
    candle_series_settle(e->m5, e->ledger.newest_ms, ignore_candle, NULL);
}

static void to_candles(struct engine *e, const struct trade *t, enum ledger_result r)
{
    int64_t stale;
    if (r == LEDGER_COUNTED || r == LEDGER_COUNTED_PREV) {
        cr_assert_geq(candle_series_add(e->m1, t, &stale), 0);
        cr_assert_geq(candle_series_add(e->m5, t, &stale), 0);
    } else if (r == LEDGER_COPY && !candle_series_revise(e->m1, t)) {
        cr_assert_geq(candle_series_doubt(e->m1, t->ts_ms, &stale), 0);
        cr_assert_geq(candle_series_doubt(e->m5, t->ts_ms, &stale), 0);
    }
}

static void feed(struct engine *e, const struct event *ev)
{
    struct history h = {.kind = ev->kind == GAP ? HISTORY_GAP : HISTORY_TRADES,
                        .from_id = -1,
                        .to_id = -1,
                        .from_ms = ev->from_ms,
                        .to_ms = ev->to_ms};
    switch (ev->kind) {
    case TRADE:
        to_candles(e, &ev->t, ledger_add(&e->ledger, &ev->t));
        break;
    case LATE:
        to_candles(e, &ev->t, ledger_add_late(&e->ledger, &ev->t));
        break;
    case GAP:
    case CLAIM:
        cr_assert(ledger_on_history(&e->ledger, &h));
        break;
    }
}

// ---- restart ------------------------------------------------------------------------------------

struct kept {
    char *field[64], *value[64];
    size_t n;
};

static void keep(void *arg, const char *field, const char *value, size_t n)
{
    struct kept *k = arg;
    cr_assert_lt(k->n, 64);
    cr_assert_eq(strlen(value), n);
    k->field[k->n] = strdup(field);
    k->value[k->n++] = strdup(value);
}

static void reload_day(struct ledger *l, struct day *to, const struct day *from)
{
    struct kept k = {.n = 0};
    const char *kv[128];
    struct err err = {0};
    struct bin b;
    int64_t index;
    if (day_is_empty_slot(from)) {
        return;
    }
    day_to_fields(from, &l->ins, keep, &k);
    for (size_t i = 0; i < k.n; i++) {
        kv[2 * i] = k.field[i];
        kv[2 * i + 1] = k.value[i];
    }
    cr_assert_eq(day_from_fields(to, &l->ins, from->start_ms, kv, k.n, &err), 0, "%s", err.text);
    for (int64_t at = 0; profile_next(from->profile, at, &index, &b); at = index + 1) {
        char field[NUM_TEXT];
        char value[4 * NUM_TEXT];
        bin_to_field(&l->ins, BIN, index, &b, field, value);
        cr_assert_eq(day_set_bin(to, &l->ins, field, value, &err), 0, "%s", err.text);
    }
    cr_assert(day_is_consistent(to));
    for (size_t i = 0; i < k.n; i++) {
        free(k.field[i]);
        free(k.value[i]);
    }
}

static void reload_candles(const struct ledger *l, struct candle_series *to,
                           const struct candle_series *from)
{
    for (size_t i = 0; i < candle_series_count(from); i++) {
        struct buf json;
        struct candle c;
        struct err err = {0};
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
    struct buf proof;
    struct err err = {0};
    settle(e);
    engine_init(&new);
    new.fed = e->fed;
    new.n_fed = e->n_fed;
    reload_day(&new.ledger, &new.ledger.cur, &e->ledger.cur);
    reload_day(&new.ledger, &new.ledger.prev, &e->ledger.prev);
    buf_init(&proof, 1 << 20);
    ledger_proof_text(&e->ledger, &proof);
    cr_assert_eq(ledger_take_proof(&new.ledger, slice_of(buf_cstr(&proof))), 0);
    buf_release(&proof);
    ledger_restored(&new.ledger);
    reload_candles(&new.ledger, new.m1, e->m1);
    reload_candles(&new.ledger, new.m5, e->m5);
    int64_t from = candle_tape_start(new.ledger.newest_ms);
    if (new.ledger.newest_ms >= 0) {
        candle_series_set_tape_from(new.m1, from);
    }
    for (size_t i = 0; i < e->n_fed; i++) {
        const struct event *ev = &e->fed[i];
        if (!is_trade(ev) || ev->t.ts_ms < ledger_recall_from(&new.ledger)) {
            continue;
        }
        enum ledger_result r = ledger_recall(&new.ledger, &ev->t);
        if (ev->t.ts_ms >= candle_series_tape_from(new.m1)) {
            to_candles(&new, &ev->t, r);
        }
    }
    cr_assert_eq(ledger_recalled(&new.ledger, -1, &err), 0, "%s", err.text);
    engine_release(e);
    *e = new;
}

// ---- sets and deliveries ------------------------------------------------------------------------

// Trades in bursts over `days` days; some milliseconds hold many trades of both sides. Some have
// copies with another seq or other flags; times between some are declared, and some claimed.
static size_t make_set(struct rng *r, struct event *v, int days)
{
    size_t want = 20 + (size_t)rng_below(r, CAP / 2 - 20);
    size_t n = 0;
    int64_t ts = DAY0 + (rng_below(r, 2) ? 0 : rng_below(r, MS_PER_DAY / 2));
    int64_t price = 61640000 + rng_below(r, 5000);
    int64_t speed = 1 + rng_below(r, 3000);
    bool has_seq = rng_below(r, 2);
    int64_t crowd = 10; // so many more trades of this millisecond, with many copies
    for (size_t k = 0; k < want && n + 8 < CAP; k++) {
        if (k + 10 == want || rng_below(r, 60) == 0) {
            crowd = 10;
        }
        if (crowd == 0 && rng_below(r, 120) == 0) {
            int64_t before = ts;
            ts += rng_below(r, MS_PER_DAY / 5);
            if (rng_below(r, 3)) {
                v[n++] = (struct event){.kind = GAP, .from_ms = before, .to_ms = ts};
            }
            if (rng_below(r, 3) == 0) {
                int64_t from = before + rng_below(r, ts - before + 1);
                v[n++] = (struct event){
                    .kind = CLAIM, .from_ms = from, .to_ms = from + rng_below(r, ts - from + 2)};
            }
        }
        ts += crowd == 0 && rng_below(r, 4) ? rng_below(r, speed) : 0;
        if (ts >= DAY0 + days * MS_PER_DAY) {
            break;
        }
        price += 100 * (rng_below(r, 9) - 4);
        struct trade t = {.ts_ms = ts,
                          .id = has_seq && rng_below(r, 4) ? 1 + ts - DAY0 : 0,
                          .price = price,
                          .qty = 1 + rng_below(r, 900),
                          .side = (uint8_t)rng_below(r, 2),
                          .flags = (uint8_t)(rng_below(r, 20) == 0 ? rng_below(r, 4) : 0),
                          .uid = {rng_next(r), rng_next(r) | 1}};
        v[n++] = (struct event){.kind = rng_below(r, 10) ? TRADE : LATE, .t = t};
        crowd -= crowd > 0;
        while (rng_below(r, crowd > 0 ? 2 : 6) == 0 && n + 8 < CAP) {
            struct trade copy = t;
            copy.id = rng_below(r, 3) ? copy.id : copy.id + rng_below(r, 5) - 1;
            copy.id = copy.id < 0 || rng_below(r, 4) == 0 ? 0 : copy.id;
            copy.flags = rng_below(r, 6) ? copy.flags : (uint8_t)rng_below(r, 4);
            v[n++] = (struct event){.kind = rng_below(r, 2) ? TRADE : LATE, .t = copy};
        }
    }
    return n;
}

static void shuffle(struct rng *r, struct event *v, size_t n, size_t reach)
{
    for (size_t i = 0; i + 1 < n; i++) {
        size_t room = n - i < reach ? n - i : reach;
        size_t j = i + (size_t)rng_below(r, (int64_t)room);
        struct event t = v[i];
        v[i] = v[j];
        v[j] = t;
    }
}

// ---- the plain recomputation --------------------------------------------------------------------

static int plain_cmp(const void *va, const void *vb)
{
    const struct trade *a = va;
    const struct trade *b = vb;
    char ta[UID_TEXT];
    char tb[UID_TEXT];
    if (a->ts_ms != b->ts_ms) {
        return a->ts_ms < b->ts_ms ? -1 : 1;
    }
    if (a->id != b->id) {
        return a->id < b->id ? -1 : 1;
    }
    if (a->side != b->side) {
        return a->side == SIDE_SELL ? -1 : 1;
    }
    if (a->price != b->price) {
        bool lower = a->price < b->price;
        return lower == (a->side == SIDE_BUY) ? -1 : 1;
    }
    trade_uid_format(a->uid, ta);
    trade_uid_format(b->uid, tb);
    return strcmp(ta, tb);
}

static size_t plain_set(const struct event *v, size_t n, struct trade *out)
{
    size_t kept = 0;
    for (size_t i = 0; i < n; i++) {
        size_t k = 0;
        if (!is_trade(&v[i])) {
            continue;
        }
        while (k < kept && memcmp(&out[k].uid, &v[i].t.uid, sizeof out[k].uid) != 0) {
            k++;
        }
        if (k == kept) {
            out[kept++] = v[i].t;
        }
        out[k].flags |= v[i].t.flags;
        out[k].id = v[i].t.id > out[k].id ? v[i].t.id : out[k].id;
    }
    qsort(out, kept, sizeof *out, plain_cmp);
    return kept;
}

static void check_coverage(const struct ledger *l, const struct day *d, const struct event *ev,
                           size_t n_ev, const struct trade *v, size_t n)
{
    enum { PROVEN, OPEN, SOME };
    int64_t end = ledger_judged_end(l, d);
    int64_t first = INT64_MAX;
    uint8_t *state = malloc((size_t)MS_PER_DAY);
    uint8_t *second = calloc(86400, 1);
    for (size_t i = 0; i < n_ev; i++) {
        first = ev[i].kind == TRADE && ev[i].t.ts_ms < first ? ev[i].t.ts_ms : first;
    }
    for (int64_t ms = 0; ms < MS_PER_DAY; ms++) {
        state[ms] = d->start_ms + ms < first ? OPEN : PROVEN;
    }
    for (int pass = 0; pass < 2; pass++) { // claims win
        for (size_t i = 0; i < n_ev; i++) {
            int64_t to = ev[i].to_ms;
            if (ev[i].kind != (pass == 0 ? GAP : CLAIM)) {
                continue;
            }
            to = pass == 0 && to == ev[i].from_ms ? to + 1 : to;
            for (int64_t ms = ev[i].from_ms; ms < to; ms++) {
                if (ms >= d->start_ms && ms < d->start_ms + MS_PER_DAY) {
                    state[ms - d->start_ms] = pass == 0 ? OPEN : PROVEN;
                }
            }
        }
    }
    for (size_t i = 0; i < n; i++) {
        second[(v[i].ts_ms - d->start_ms) / 1000] = 1;
    }
    for (int64_t s = 0; s < 86400; s++) {
        bool open = second[s];
        for (int64_t ms = s * 1000; open && ms < s * 1000 + 1000; ms++) {
            open = state[ms] == OPEN && d->start_ms + ms < end;
        }
        for (int64_t ms = s * 1000; open && ms < s * 1000 + 1000; ms++) {
            state[ms] = SOME;
        }
    }
    struct coverage c;
    int64_t sum[3] = {0, 0, 0};
    coverage_init(&c);
    ledger_coverage(l, d, &c);
    int64_t at = d->start_ms;
    static const enum cover_state want[] = {COVER_COMPLETE, COVER_MISSING, COVER_PARTIAL};
    for (size_t i = 0; i < c.n; i++) {
        cr_assert_eq(c.span[i].from_ms, at);
        cr_assert(i == 0 || c.span[i].state != c.span[i - 1].state);
        for (; at < c.span[i].to_ms; at++) {
            cr_assert_eq(want[state[at - d->start_ms]], c.span[i].state, "at %lld",
                         (long long)(at - d->start_ms));
            sum[state[at - d->start_ms]]++;
        }
    }
    cr_assert_eq(at, end);
    cr_assert_eq(c.missing_ms, sum[OPEN] + sum[SOME]);
    cr_assert_eq(c.partial_ms, sum[SOME]);
    coverage_release(&c);
    free(state);
    free(second);
}

static void check_day(const struct day *d, const struct trade *v, size_t n)
{
    struct ref_stats ref;
    int64_t block = 0;
    ref_compute(&ref, v, n, d->start_ms, BIN);
    for (size_t i = 0; i < n; i++) {
        block += v[i].flags & TRADE_BLOCK ? v[i].qty : 0;
    }
    cr_assert_eq((int64_t)d->trades, ref.trades);
    cr_assert(d->buy == ref.buy && d->sell == ref.sell && d->high == ref.high &&
              d->low == ref.low && d->sum_pq == ref.sum_pq && d->or_high == ref.or_high &&
              d->or_low == ref.or_low && d->pre_buy == ref.pre_buy && d->pre_sell == ref.pre_sell);
    cr_assert_eq(d->block, block);
    cr_assert(plain_cmp(&d->first, &ref.first) == 0 && plain_cmp(&d->last, &ref.last) == 0);
    for (int64_t i = 0; i < ref.profile.n; i++) {
        struct bin b = profile_get(d->profile, ref.profile.lo + i);
        cr_assert(b.buy == ref.profile.buy[i] && b.sell == ref.profile.sell[i] &&
                  b.trades == ref.profile.trades[i]);
    }
    cr_assert(day_is_consistent(d));
    ref_release(&ref);
}

static void check_candles(const struct candle_series *s, const struct trade *v, size_t n)
{
    int64_t tf = candle_series_tf(s);
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
                  c->last.id == ref.last.id && c->first.uid.hi == ref.first.uid.hi &&
                  c->last.uid.hi == ref.last.uid.hi);
        i = to;
        ref_release(&ref);
    }
}

static void check_sets(int days, uint64_t seed, int sets)
{
    struct rng r = {seed};
    struct event *set = malloc(CAP * sizeof *set);
    struct trade *plain = malloc(CAP * sizeof *plain);
    static const size_t reach[] = {1, 2, 12, 300, CAP};
    for (int k = 0; k < sets; k++) {
        size_t n = make_set(&r, set, days);
        size_t n_plain = plain_set(set, n, plain);
        for (size_t how = 0; how < sizeof reach / sizeof reach[0]; how++) {
            struct engine e;
            engine_init(&e);
            shuffle(&r, set, n, reach[how]);
            e.fed = set;
            for (size_t i = 0; i < n; i++) {
                feed(&e, &set[i]);
                e.n_fed = i + 1;
                if (rng_below(&r, 6) == 0) {
                    feed(&e, &set[rng_below(&r, (int64_t)i + 1)]); // once more
                }
                if (rng_below(&r, 40) == 0) {
                    settle(&e);
                }
                if (rng_below(&r, 250) == 0) {
                    restart(&e);
                }
            }
            restart(&e);
            settle(&e);
            size_t a = 0;
            while (a < n_plain && plain[a].ts_ms < e.ledger.cur.start_ms - MS_PER_DAY) {
                a++;
            }
            size_t b = a;
            while (b < n_plain && plain[b].ts_ms < e.ledger.cur.start_ms) {
                b++;
            }
            check_day(&e.ledger.cur, plain + b, n_plain - b);
            bool paint = how % 4 == 0; // takes its time
            if (paint) {
                check_coverage(&e.ledger, &e.ledger.cur, set, n, plain + b, n_plain - b);
            }
            if (b > a) {
                check_day(&e.ledger.prev, plain + a, b - a);
            }
            if (b > a && paint) {
                check_coverage(&e.ledger, &e.ledger.prev, set, n, plain + a, b - a);
            }
            check_candles(e.m1, plain + a, n_plain - a);
            check_candles(e.m5, plain + a, n_plain - a);
            engine_release(&e);
        }
    }
    free(set);
    free(plain);
}

Test(named, one_day_in_any_order_with_copies_and_restarts)
{
    check_sets(1, 441, 7);
}

Test(named, two_days_in_any_order_with_copies_and_restarts)
{
    check_sets(2, 20240402, 3);
}

// ---- single claims ------------------------------------------------------------------------------

static struct trade make(int64_t ts_ms, uint64_t name, int64_t seq)
{
    return (struct trade){
        .ts_ms = ts_ms, .id = seq, .price = 61640000, .qty = 5, .uid = {name, name}};
}

Test(named, one_more_than_there_is_room_for_is_refused_and_declared)
{
    struct instrument ins = instrument();
    struct ledger l;
    struct coverage c;
    struct trade t;
    ledger_init(&l, &ins);
    ledger_limit_names(&l, 3);
    coverage_init(&c);
    for (int i = 0; i < 3; i++) {
        t = make(DAY0 + i, 100 + (uint64_t)i, 0);
        cr_assert_eq(ledger_add(&l, &t), LEDGER_COUNTED);
    }
    t = make(DAY0 + 10, 200, 0);
    cr_assert_eq(ledger_add(&l, &t), LEDGER_FULL);
    cr_assert_eq(ledger_add(&l, &t), LEDGER_FULL);
    t = make(DAY0 + 20, 201, 0);
    cr_assert_eq(ledger_add(&l, &t), LEDGER_FULL);
    t = make(DAY0 + 2, 102, 0);
    cr_assert_eq(ledger_add(&l, &t), LEDGER_DUPLICATE, "what is held is known");
    cr_expect(l.cur.trades == 3 && l.refused == 3);
    // A claim does not hide it.
    struct history h = {
        .kind = HISTORY_TRADES, .from_id = -1, .to_id = -1, .from_ms = DAY0, .to_ms = DAY0 + 1000};
    cr_expect(ledger_on_history(&l, &h));
    t = make(DAY0 + MS_PER_DAY, 300, 0); // a new day has room
    cr_assert_eq(ledger_add(&l, &t), LEDGER_COUNTED);
    ledger_coverage(&l, &l.prev, &c);
    cr_expect_eq(c.missing_ms, 11);
    cr_expect(c.n == 3 && c.span[1].from_ms == DAY0 + 10 && c.span[1].to_ms == DAY0 + 21);
    coverage_release(&c);
    ledger_release(&l);
}

Test(named, a_name_is_known_across_midnight)
{
    struct instrument ins = instrument();
    struct ledger l;
    ledger_init(&l, &ins);
    struct trade t = make(DAY0 + MS_PER_DAY - 1, 7, 0);
    cr_assert_eq(ledger_add(&l, &t), LEDGER_COUNTED);
    t.ts_ms++;
    cr_assert_eq(ledger_add(&l, &t), LEDGER_DUPLICATE);
    cr_expect_eq(l.cur.start_ms, DAY0, "a copy opens no day");
    t = make(DAY0 + MS_PER_DAY, 8, 0);
    cr_assert_eq(ledger_add(&l, &t), LEDGER_COUNTED);
    t.ts_ms--;
    cr_assert_eq(ledger_add(&l, &t), LEDGER_DUPLICATE);
    ledger_release(&l);
}

// Stored days, and streams that hold more, less, or were trimmed.
Test(named, a_restart_believes_only_what_the_streams_still_tell)
{
    struct instrument ins = instrument();
    struct ledger a;
    struct ledger b;
    struct err err = {0};
    struct trade t[3];
    ledger_init(&a, &ins);
    for (int i = 0; i < 3; i++) {
        t[i] = make(DAY0 + 1000 * i, 1 + (uint64_t)i, 0);
        cr_assert_eq(ledger_add(&a, &t[i]), LEDGER_COUNTED);
    }
    for (int trimmed = 0; trimmed < 2; trimmed++) {
        ledger_init(&b, &ins);
        reload_day(&b, &b.cur, &a.cur);
        ledger_restored(&b);
        cr_assert_eq(ledger_recall_from(&b), DAY0);
        cr_assert_eq(ledger_recall(&b, &t[1]), LEDGER_COUNTED);
        cr_assert_eq(ledger_recall(&b, &t[2]), LEDGER_COUNTED);
        if (!trimmed) {
            cr_expect_lt(ledger_recalled(&b, -1, &err), 0, "one is missing without a reason");
            cr_expect_lt(ledger_recalled(&b, DAY0 - 1, &err), 0, "trimmed before the day");
            ledger_release(&b);
            continue;
        }
        cr_assert_eq(ledger_recalled(&b, DAY0 + 1, &err), 0);
        cr_expect_eq(ledger_add(&b, &t[0]), LEDGER_DUPLICATE, "it may have been counted");
        struct trade late = make(DAY0 + 500, 77, 0);
        cr_expect_eq(ledger_add_late(&b, &late), LEDGER_COUNTED);
        cr_expect_eq(ledger_recall(&b, &t[0]), LEDGER_COUNTED);
        struct trade more = make(DAY0 + 600, 78, 0);
        cr_expect_eq(ledger_recall(&b, &more), LEDGER_COUNTED);
        cr_expect_lt(ledger_recalled(&b, DAY0 + 1, &err), 0, "more than was counted");
        ledger_release(&b);
    }
    ledger_release(&a);
}

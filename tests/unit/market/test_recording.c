// A recording of the venue through the ledger: the published vector, and everything
// against the plain recomputation. Where ../shared/data is absent the synthetic recording of the
// project stands in (without the vector), and the test says so.

#include <criterion/criterion.h>
#include <stdio.h>
#include <zlib.h>

#include "common/base/clock.h"
#include "common/market/candle.h"
#include "common/market/ledger.h"
#include "tests/support/market_ref.h"

#define REAL "../shared/data/binance_usdm_BTCUSDT_20240808_2354_trade-depth0ms-bookTicker.raw.gz"
#define SYNTHETIC "tests/fixtures/market-synthetic/BTCUSDT_20240311_2350_trade.raw.gz"

static struct slice member(const char *line, const char *key)
{
    const char *p = strstr(line, key);
    cr_assert_not_null(p, "%s in %s", key, line);
    p += strlen(key);
    return (struct slice){p, strcspn(p, ",\"}")};
}

// Trades of a file of single fills, numbered a = first t + index; insurance fund and ADL prints
// left out. Returns how many.
static size_t read_trades(const char *path, const struct instrument *ins, struct trade **out)
{
    static char line[1 << 20];
    size_t n = 0;
    size_t cap = 0;
    int64_t first = -1;
    gzFile f = gzopen(path, "rb");
    if (!f) {
        return 0;
    }
    *out = NULL;
    while (gzgets(f, line, sizeof line)) {
        if (!strstr(line, "\"e\":\"trade\"")) {
            continue;
        }
        struct slice x = member(line, "\"X\":\"");
        if (!slice_eq(x, "MARKET") && !slice_eq(x, "RPI")) {
            continue;
        }
        if (n == cap) {
            cap = cap ? 2 * cap : 4096;
            *out = realloc(*out, cap * sizeof **out);
        }
        struct trade *t = &(*out)[n];
        int64_t id;
        struct slice s = member(line, "\"t\":");
        memset(t, 0, sizeof *t);
        cr_assert_eq(parse_i64(s.p, s.n, &id), 0);
        s = member(line, "\"T\":");
        cr_assert_eq(parse_i64(s.p, s.n, &t->ts_ms), 0);
        cr_assert_eq(trade_set_numbers(t, ins, member(line, "\"p\":\""), member(line, "\"q\":\"")),
                     REFUSE_NONE);
        t->side = *member(line, "\"m\":").p == 't' ? SIDE_SELL : SIDE_BUY;
        first = first < 0 ? id : first;
        t->id = first + (int64_t)n++;
    }
    gzclose(f);
    return n;
}

static void nothing(void *arg, enum candle_event ev, const struct candle *c)
{
    (void)arg;
    (void)ev;
    (void)c;
}

static void check(const struct ledger *l, const struct candle_series *s, const struct trade *v,
                  size_t n)
{
    struct ref_stats ref;
    ref_compute(&ref, v, n, l->cur.start_ms, l->ins.bin_ticks);
    const struct day *d = &l->cur;
    int64_t poc;
    int64_t val;
    int64_t vah;
    cr_assert(profile_poc(d->profile, &poc) && profile_value_area(d->profile, &val, &vah));
    cr_assert(d->buy == ref.buy && d->sell == ref.sell && d->sum_pq == ref.sum_pq &&
              d->high == ref.high && d->low == ref.low && poc == ref.profile.poc &&
              val == ref.profile.val && vah == ref.profile.vah);
    ref_release(&ref);
    int64_t tf = candle_series_tf(s);
    for (size_t i = 0; i < n;) {
        int64_t start = v[i].ts_ms / tf * tf;
        size_t to = i;
        while (to < n && v[to].ts_ms < start + tf) {
            to++;
        }
        const struct candle *c = candle_series_find(s, start);
        cr_assert_not_null(c);
        ref_compute(&ref, v + i, to - i, start, l->ins.bin_ticks);
        cr_assert(c->buy == ref.buy && c->sell == ref.sell && c->open == v[i].price &&
                  c->close == v[to - 1].price && c->high == ref.high && c->low == ref.low &&
                  c->min_delta == ref.min_delta && c->max_delta == ref.max_delta &&
                  c->poc_bin == ref.profile.poc && c->trades == ref.trades);
        ref_release(&ref);
        i = to;
    }
}

Test(recording, gives_the_published_numbers)
{
    struct instrument ins;
    struct ledger l;
    struct trade *v;
    int64_t stale;
    cr_assert_eq(instrument_parse("BTCUSDT", 7, VENUE_BINANCE, &ins, NULL), 0);
    cr_assert_eq(instrument_set_units(&ins, "0.10", "0.001", -1, NULL), 0);
    size_t n = read_trades(REAL, &ins, &v);
    bool real = n > 0;
    if (!real) {
        fprintf(stderr, "%s is absent: the synthetic recording stands in, no vector\n", REAL);
        n = read_trades(SYNTHETIC, &ins, &v);
        cr_assert_gt(n, 1000);
    }
    ledger_init(&l, &ins);
    struct candle_series *m1 = candle_series_new(60000, ins.bin_ticks);
    struct candle_series *m5 = candle_series_new_on(m1, 300000);
    for (size_t i = 0; i < n; i++) {
        cr_assert_eq(ledger_add(&l, &v[i]), LEDGER_COUNTED);
        cr_assert_eq(candle_series_add(m1, &v[i], &stale), 0);
        cr_assert_eq(candle_series_add(m5, &v[i], &stale), 0);
        if (i % 97 == 0) {
            candle_series_settle(m1, v[i].ts_ms, nothing, NULL);
        }
    }
    candle_series_settle(m1, l.newest_ms, nothing, NULL);
    candle_series_settle(m5, l.newest_ms, nothing, NULL);
    if (real) {
        struct day_levels x;
        day_levels(&l.cur, &ins, &x);
        cr_expect_eq(n, 21313);
        cr_expect_str_eq(x.poc, "61640.0");
        cr_expect_str_eq(x.val, "61590.3");
        cr_expect_str_eq(x.vah, "61706.0");
        cr_expect_str_eq(x.buy, "1251.576");
        cr_expect_str_eq(x.sell, "1177.790");
        cr_expect_str_eq(x.delta, "73.786");
        cr_expect_eq(strncmp(x.vwap, "61680.982153", 12), 0, "%s", x.vwap);
    }
    struct coverage c;
    coverage_init(&c);
    coverage_compute(&c, &l.held, l.cur.start_ms, ledger_judged_end(&l, &l.cur));
    cr_expect_eq(c.holes, 1, "only what lies before the first trade");
    cr_expect_eq(c.missing_ms, v[0].ts_ms - l.cur.start_ms);
    coverage_release(&c);
    n = ref_set(v, n);
    check(&l, m1, v, n);
    check(&l, m5, v, n);
    candle_series_free(m5);
    candle_series_free(m1);
    ledger_release(&l);
    free(v);
}

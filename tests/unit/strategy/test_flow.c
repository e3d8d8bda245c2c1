// Volume by second and CVD: figures against a plain sum over all trades, in whatever order they
// come, and through their stored form.

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/decimal.h"
#include "common/base/mem.h"
#include "services/strategy/core/flow.h"
#include "tests/support/rng.h"

#define DAY INT64_C(1723075200000)
#define HOUR INT64_C(3600000)
#define LOT 100 // 0.001

static struct instrument ins;

static void setup(void)
{
    cr_assert_eq(instrument_parse("BTCUSDT", 7, VENUE_BINANCE, &ins, NULL), 0);
    cr_assert_eq(instrument_set_units(&ins, "0.10", "0.001", -1, NULL), 0);
}

TestSuite(flow, .init = setup);

static struct trade make(int64_t ts_ms, int64_t id, uint64_t r)
{
    return (struct trade){.ts_ms = ts_ms,
                          .id = id,
                          .price = 6000000 + (int64_t)(r % 50) * 100,
                          .qty = (int64_t)(r % 977 + 1) * LOT,
                          .side = (uint8_t)(r >> 20 & 1)};
}

// n trades in [from, from + span), ids in order of time, many in one millisecond.
static struct trade *market(uint64_t seed, size_t n, int64_t from, int64_t span)
{
    struct rng rng = {seed};
    struct trade *v = xcalloc(n, sizeof *v);
    for (size_t i = 0; i < n; i++) {
        const int64_t at = from + span * (int64_t)i / (int64_t)n;
        v[i] = make(i % 3 == 1 && i > 0 ? v[i - 1].ts_ms : at, (int64_t)i, rng_next(&rng));
    }
    return v;
}

static struct flow_sum plain(const struct trade *v, size_t n, int64_t after, int64_t to)
{
    struct flow_sum s = {0};
    for (size_t i = 0; i < n; i++) {
        if (v[i].ts_ms > after && v[i].ts_ms <= to) {
            s.buy += v[i].side == SIDE_BUY ? v[i].qty : 0;
            s.sell += v[i].side == SIDE_BUY ? 0 : v[i].qty;
            s.trades++;
        }
    }
    return s;
}

static bool same(const struct flow_sum *a, const struct flow_sum *b)
{
    return a->buy == b->buy && a->sell == b->sell && a->trades == b->trades;
}

static void shuffle(struct trade *v, size_t n, size_t reach, uint64_t seed)
{
    struct rng rng = {seed};
    for (size_t i = n; i-- > 1;) {
        const size_t from = i > reach ? i - reach : 0;
        const size_t k = from + rng_next(&rng) % (i - from + 1);
        const struct trade t = v[i];
        v[i] = v[k];
        v[k] = t;
    }
}

// ---- seconds -----------------------------------------------------------------------------------

Test(flow, any_window_is_exact_to_the_millisecond)
{
    const size_t n = 6000;
    struct trade *v = market(1, n, DAY - HOUR / 2, HOUR + HOUR / 2);
    struct trade *mixed = xcalloc(n, sizeof *mixed);
    memcpy(mixed, v, n * sizeof *v);
    shuffle(mixed, n, n, 5);
    struct seconds s;
    seconds_init(&s);
    for (size_t i = 0; i < n; i++) {
        seconds_add(&s, &mixed[i]);
    }
    struct rng rng = {9};
    const int64_t newest = v[n - 1].ts_ms;
    int inside = 0;
    for (int k = 0; k < 3000; k++) {
        // Half of the edges on the time of a trade: one in, the other not.
        const int64_t to = k % 2 ? v[rng_next(&rng) % n].ts_ms
                                 : newest - (int64_t)(rng_next(&rng) % (uint64_t)(HOUR / 2)) + 700;
        const int64_t length = (int64_t)(rng_next(&rng) % 3600 + 1) * 1000;
        const int64_t after = k % 3 ? to - length : v[rng_next(&rng) % n].ts_ms;
        const struct flow_sum want = plain(v, n, after, to);
        struct flow_sum got;
        if (after + 1 < seconds_from_ms(&s)) {
            cr_assert_not(seconds_sum(&s, after, to, &got));
            continue;
        }
        inside++;
        cr_assert(seconds_sum(&s, after, to, &got));
        cr_assert(same(&got, &want), "%lld..%lld", (long long)after, (long long)to);
    }
    cr_assert_gt(inside, 1500);
    seconds_release(&s);
    free(v);
    free(mixed);
}

Test(flow, what_is_older_than_the_ring_is_unknown_and_never_zero)
{
    struct seconds s;
    struct flow_sum got;
    seconds_init(&s);
    const struct trade a = make(DAY + 5, 1, 7);
    const struct trade b = make(DAY + INT64_C(1000) * SECONDS_KEPT, 2, 7);
    seconds_add(&s, &a);
    cr_assert(seconds_sum(&s, DAY, DAY + 10, &got));
    cr_assert_eq(got.trades, 1);
    seconds_add(&s, &b); // takes the place of the first second
    cr_assert_eq(seconds_from_ms(&s), DAY + 1000);
    cr_assert_not(seconds_sum(&s, DAY, DAY + 10, &got));
    cr_assert_not(seconds_sum(&s, DAY + 998, DAY + 2000, &got));
    cr_assert(seconds_sum(&s, DAY + 999, DAY + 2000, &got));
    cr_assert_eq(got.trades, 0);
    const struct trade late = make(DAY + 999, 3, 7);
    seconds_add(&s, &late);
    cr_assert_eq(seconds_trades(&s), 1);
    seconds_unknown_before(&s, DAY + HOUR);
    cr_assert_not(seconds_sum(&s, DAY + HOUR - 2, DAY + 2 * HOUR, &got));
    cr_assert(seconds_sum(&s, DAY + HOUR - 1, DAY + 3 * HOUR, &got));
    cr_assert_eq(got.trades, 1);
    seconds_release(&s);
}

struct stored {
    struct seconds to;
    struct buf text;
    size_t n;
};

static void store(void *arg, const struct second *v)
{
    struct stored *k = arg;
    char field[24];
    const struct slice name = {field, fmt_i64(field, v->second)};
    buf_clear(&k->text);
    second_to_text(v, &ins, &k->text);
    k->n++;
    cr_assert_eq(
        seconds_restore(&k->to, &ins, name, (struct slice){buf_ptr(&k->text), buf_len(&k->text)}),
        0);
}

Test(flow, seconds_come_back_from_their_text)
{
    const size_t n = 2000;
    struct trade *v = market(2, n, DAY, HOUR);
    struct seconds s;
    struct stored k = {.n = 0};
    seconds_init(&s);
    seconds_init(&k.to);
    buf_init(&k.text, 1 << 20);
    for (size_t i = 0; i < n; i++) {
        seconds_add(&s, &v[i]);
    }
    seconds_unsaved(&s, false, store, &k);
    cr_assert_eq(seconds_trades(&k.to), (int64_t)n);
    const size_t all = k.n;
    seconds_unsaved(&s, false, store, &k);
    cr_assert_eq(k.n, all, "nothing changed since");
    for (int64_t after = DAY; after < DAY + HOUR; after += 77777) {
        struct flow_sum got;
        const struct flow_sum want = plain(v, n, after, after + 61234);
        cr_assert(seconds_sum(&k.to, after, after + 61234, &got));
        cr_assert(same(&got, &want));
    }
    // The second that falls out was stored: it is named to be deleted.
    const struct trade next = make(DAY + INT64_C(1000) * SECONDS_KEPT, 9999, 1);
    seconds_add(&s, &next);
    cr_assert_eq(s.n_gone, 1);
    cr_assert_eq(s.gone[0], DAY / 1000);
    seconds_release(&s);
    seconds_release(&k.to);
    buf_release(&k.text);
    free(v);
}

Test(flow, a_stored_second_that_contradicts_itself_is_refused)
{
    static const char *const bad[] = {"",
                                      "1 0",
                                      "1 0 1",
                                      "1 0 1;5,1,0,2",
                                      "1 0 1;5,0,1,1",
                                      "1 0 1;1000,1,0,1",
                                      "2 0 2;5,1,0,1;5,1,0,1",
                                      "2 0 2;6,1,0,1;5,1,0,1",
                                      "-1 0 1;5,-1,0,1",
                                      "1 0 1 7;5,1,0,1",
                                      "1 0 1;5,1,0,1,9",
                                      "1.000000001 0 1;5,1.000000001,0,1"};
    struct seconds s;
    seconds_init(&s);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        cr_assert_neq(seconds_restore(&s, &ins, slice_of("1723075200"), slice_of(bad[i])), 0, "%s",
                      bad[i]);
    }
    cr_assert_neq(seconds_restore(&s, &ins, slice_of("-1"), slice_of("1 0 1;5,1,0,1")), 0);
    cr_assert_eq(seconds_restore(&s, &ins, slice_of("1723075200"), slice_of("1 0 1;5,1,0,1")), 0);
    cr_assert_eq(seconds_trades(&s), 1);
    seconds_release(&s);
}

// ---- CVD ---------------------------------------------------------------------------------------

static void add(struct strategy *s, const struct trade *t)
{
    strategy_on_trade(s, t, 0, false);
}

// Fields as text "name=value\n...".
static void note(void *arg, const char *field, const char *value, size_t n)
{
    struct buf *b = arg;
    buf_adds(b, field);
    buf_addc(b, '=');
    buf_add(b, value, n);
    buf_addc(b, '\n');
}

static const char *cvd_of(const struct strategy *s)
{
    static struct buf b;
    buf_release(&b);
    buf_init(&b, 1 << 16);
    flow_cvd_fields(s, note, &b);
    return buf_cstr(&b);
}

static bool has(const char *text, const char *line)
{
    const char *p = strstr(text, line);
    return p != NULL && (p == text || p[-1] == '\n') && p[strlen(line)] == '\n';
}

Test(flow, the_day_is_the_anchor_until_somebody_resets)
{
    struct strategy s;
    strategy_init(&s, &ins, 60000);
    cr_assert(has(cvd_of(&s), "cvd="), "nothing traded: unknown, not 0");
    struct trade a = make(DAY + 10, 1, 4);
    a.side = SIDE_BUY; // 0.005
    struct trade b = make(DAY + 61000, 2, 1);
    b.side = SIDE_SELL; // 0.002
    add(&s, &a);
    add(&s, &b);
    cr_assert(has(cvd_of(&s), "cvd=0.003"));
    cr_assert(has(cvd_of(&s), "anchor=day"));
    cr_assert(has(cvd_of(&s), "anchor_ms=1723075200000"));
    cr_assert(has(cvd_of(&s), "minutes_whole=1"));
    cr_assert_eq(flow_reset(&s, DAY + 10, DAY + 70000), CVD_RESET);
    cr_assert(has(cvd_of(&s), "cvd=-0.002"), "a trade at the very moment is before it");
    cr_assert(has(cvd_of(&s), "first_trades=0"));
    cr_assert(has(cvd_of(&s), "reset_ms=1723075200010"));
    cr_assert_eq(flow_reset(&s, DAY + 9, DAY + 70000), CVD_NO_EFFECT);
    cr_assert_eq(flow_reset(&s, DAY - 1, DAY + 70000), CVD_NO_EFFECT, "of yesterday");
    cr_assert_eq(flow_reset(&s, DAY + 130001, DAY + 70000), CVD_AHEAD);
    const struct trade late = make(DAY + 11, 0, 4);
    add(&s, &late);
    cr_assert(has(cvd_of(&s), "trades=2"), "late, and behind the reset");
    cr_assert(has(cvd_of(&s), "first_trades=1"));
    const struct trade before = make(DAY + 9, 3, 4);
    add(&s, &before);
    cr_assert(has(cvd_of(&s), "trades=2"), "late, and before the reset");
    const struct trade next = make(DAY + 24 * HOUR, 4, 4);
    add(&s, &next);
    cr_assert(has(cvd_of(&s), "anchor=day"), "a new day");
    cr_assert(has(cvd_of(&s), "trades=1"));
    cr_assert(has(cvd_of(&s), "reset_ms="));
    strategy_release(&s);
}

Test(flow, a_reset_whose_volume_can_not_be_told_apart_is_refused)
{
    struct strategy s;
    strategy_init(&s, &ins, 60000);
    const struct trade a = make(DAY + 10, 1, 4);
    const struct trade b = make(DAY + 3 * HOUR, 2, 4);
    add(&s, &a);
    add(&s, &b);
    cr_assert_eq(flow_reset(&s, DAY + 5, DAY + 3 * HOUR), CVD_TOO_OLD);
    cr_assert(has(cvd_of(&s), "trades=2"), "the anchor stays");
    cr_assert_eq(flow_reset(&s, DAY + 2 * HOUR, DAY + 3 * HOUR), CVD_RESET);
    cr_assert(has(cvd_of(&s), "trades=1"));
    strategy_release(&s);
}

struct pairs {
    const char *kv[64];
    size_t n;
};

static struct pairs split(char *text)
{
    struct pairs p = {.n = 0};
    for (char *line = text; *line != '\0';) {
        char *eq = strchr(line, '=');
        char *end = strchr(line, '\n');
        *eq = *end = '\0';
        p.kv[2 * p.n] = line;
        p.kv[2 * p.n + 1] = eq + 1;
        p.n++;
        line = end + 1;
    }
    return p;
}

Test(flow, cvd_is_a_function_of_the_trades_and_the_resets)
{
    const size_t n = 3000;
    static const int64_t reset_ms[] = {DAY + 600123, DAY + 2400777, DAY + 1200000};
    struct trade *v = market(3, n, DAY - 300000, HOUR);
    const struct flow_sum want = plain(v, n, reset_ms[1], DAY + HOUR);
    char line[64];
    for (uint64_t seed = 0; seed < 6; seed++) {
        struct strategy s;
        struct trade *mixed = xcalloc(n, sizeof *mixed);
        memcpy(mixed, v, n * sizeof *v);
        shuffle(mixed, n, seed == 0 ? 1 : n, seed);
        strategy_init(&s, &ins, 60000);
        for (size_t i = 0; i < n; i++) {
            add(&s, &mixed[i]);
            for (size_t k = 0; k < 3; k++) {
                if (i == n / 4 * (1 + (k + seed) % 3)) {
                    cr_assert_leq(flow_reset(&s, reset_ms[k], DAY + HOUR), CVD_NO_EFFECT);
                }
            }
            if (i == n / 2) { // killed and restored
                char *text = xmalloc(8192);
                struct err e = {0};
                cr_assert(str_copy(text, 8192, cvd_of(&s)));
                const struct pairs p = split(text);
                cvd_init(&s.cvd);
                cr_assert_eq(flow_take_cvd(&s, p.kv, p.n, &e), 0, "%s", e.text);
                free(text);
            }
        }
        const char *got = cvd_of(&s);
        str_fmt(line, sizeof line, "trades=%lld", (long long)want.trades);
        cr_assert(has(got, line), "seed %llu: %s, want %s", (unsigned long long)seed, got, line);
        char lots[DEC_TEXT];
        dec_format(lots, want.buy - want.sell, ins.qty_scale, ins.qty_decimals);
        str_fmt(line, sizeof line, "cvd=%s", lots);
        cr_assert(has(got, line), "%s, want %s", got, line);
        strategy_release(&s);
        free(mixed);
    }
    free(v);
}

Test(flow, a_stored_reset_beyond_the_day_is_refused)
{
    static const char *const kv[] = {"reset_ms",     "1723075200010",
                                     "buy_volume",   "9",
                                     "sell_volume",  "0",
                                     "trades",       "1",
                                     "first_buy",    "0",
                                     "first_sell",   "0",
                                     "first_trades", "0"};
    struct strategy s;
    struct err e = {0};
    strategy_init(&s, &ins, 60000);
    const struct trade a = make(DAY + 10, 1, 4);
    add(&s, &a);
    cr_assert_eq(flow_take_cvd(&s, kv, 7, &e), ERR_STATE);
    cr_assert_eq(flow_take_cvd(&s, kv, 6, &e), ERR_SYNTAX);
    strategy_release(&s);
}

// ---- minutes and what is not proven ------------------------------------------------------------

Test(flow, minutes_are_told_once_and_again_when_a_late_trade_changes_them)
{
    static int64_t told[FLOW_MINUTES];
    struct strategy s;
    struct buf b;
    strategy_init(&s, &ins, 60000);
    buf_init(&b, 1 << 16);
    struct trade a = make(DAY + 59999, 1, 4); // 0.005
    struct trade c = make(DAY + 60000, 3, 0); // 0.001
    a.side = c.side = SIDE_SELL;
    add(&s, &a);
    add(&s, &c);
    flow_minutes(&s, told, note, &b);
    cr_assert_str_eq(buf_cstr(&b), "1723075200000=0.000 0.005 1\n1723075260000=0.000 0.001 1\n");
    buf_clear(&b);
    flow_minutes(&s, told, note, &b);
    cr_assert_str_eq(buf_cstr(&b), "");
    struct trade late = make(DAY, 0, 1);
    late.side = SIDE_BUY;
    add(&s, &late);
    flow_minutes(&s, told, note, &b);
    cr_assert_str_eq(buf_cstr(&b), "1723075200000=0.002 0.005 2\n");
    buf_release(&b);
    strategy_release(&s);
}

static const char *holes_of(struct strategy *s)
{
    static struct buf b;
    static char line[4096];
    buf_release(&b);
    buf_init(&b, 1 << 16);
    flow_indicator_fields(s, s->ledger.newest_ms, note, &b);
    const char *p = strstr(buf_cstr(&b), "\nholes=");
    cr_assert_not_null(p);
    str_copyn(line, sizeof line, p + 7, strcspn(p + 7, "\n"));
    return line;
}

static void ignore_candle(void *arg, size_t tf, int64_t start_ms, const char *json, size_t n)
{
    (void)arg, (void)tf, (void)start_ms, (void)json, (void)n;
}
static void ignore_gone(void *arg, size_t tf, int64_t start_ms)
{
    (void)arg, (void)tf, (void)start_ms;
}
static void ignore_event(void *arg, const char *type, int64_t ts_ms, const char *json, size_t n)
{
    (void)arg, (void)type, (void)ts_ms, (void)json, (void)n;
}

Test(flow, what_was_not_seen_is_a_hole)
{
    static const struct strategy_sink sink = {
        .candle = ignore_candle, .candle_gone = ignore_gone, .event = ignore_event};
    struct strategy s;
    strategy_init(&s, &ins, 60000);
    const struct trade a = make(DAY + HOUR, 10, 1);
    const struct trade b = make(DAY + HOUR + 5000, 13, 1);
    add(&s, &a);
    add(&s, &b);
    strategy_settle(&s, DAY + HOUR + 5000, &sink);
    // 11 and 12 are missing, and all before the first one; yesterday was never seen.
    cr_assert_str_eq(holes_of(&s), "1723071546000-1723078805000");
    const struct trade c = make(DAY + HOUR + 2000, 11, 1);
    const struct trade d = make(DAY + HOUR + 3000, 12, 1);
    add(&s, &c);
    add(&s, &d);
    strategy_settle(&s, DAY + HOUR + 5000, &sink);
    cr_assert_str_eq(holes_of(&s), "1723071546000-1723078800000");
    cr_assert(has(cvd_of(&s), "missing_ms=3600000"));
    strategy_release(&s);
}

// Liquidation clusters: the pure part, and the service's connection around it.

#include <criterion/criterion.h>
#include <hiredis/hiredis.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/buf.h"
#include "services/strategy/core/liq.h"
#include "services/strategy/io/liq.h"
#include "tests/support/rng.h"
#include "tests/support/spin.h"
#include "tests/support/with_redis.h"

#define DAY INT64_C(1737936000000) // 2025-01-27
#define K "bc4:{binance:BTCUSDT}:"

static struct instrument btc(void)
{
    struct instrument ins;
    cr_assert_eq(instrument_parse("BTCUSDT", 7, VENUE_BINANCE, &ins, NULL), 0);
    cr_assert_eq(instrument_set_units(&ins, "0.10", "0.001", -1, NULL), 0);
    return ins;
}

static struct liquidation liq(int64_t ts, enum side side, const char *price, const char *qty)
{
    struct liquidation l = {.ts_ms = ts, .side = (uint8_t)side};
    str_copy(l.price, sizeof l.price, price);
    str_copy(l.qty, sizeof l.qty, qty);
    return l;
}

static void note(void *arg, const char *field, const char *value, size_t n)
{
    struct buf *b = arg;
    buf_addf(b, "%s=%.*s;", field, (int)n, value);
}

static void fields_are(struct liq *q, bool all, const char *want)
{
    struct buf b;
    buf_init(&b, 65536);
    liq_fields(q, all, note, &b);
    cr_expect_str_eq(buf_cstr(&b), want);
    buf_release(&b);
}

static bool add(struct liq *q, int64_t ts, enum side side, const char *price, const char *qty)
{
    const struct liquidation l = liq(ts, side, price, qty);
    return liq_add(q, &l);
}

Test(liq, volume_is_summed_by_bin_and_side)
{
    const struct instrument ins = btc();
    struct liq q;
    liq_init(&q, &ins, "100");
    fields_are(&q, true,
               "day=;bin=100;buy_liquidations=0.000;sell_liquidations=0.000;count=0;last_ts_ms=;"
               "lower_bound=1;simulated=0;");
    cr_expect(add(&q, DAY + 5, SIDE_SELL, "99187.99999", "1.138"));
    cr_expect(add(&q, DAY + 9, SIDE_SELL, "99100", "0.002"));
    cr_expect(add(&q, DAY + 7, SIDE_BUY, "99199.9", "0.5"));
    cr_expect(add(&q, DAY + 7, SIDE_BUY, "99200", "1"));
    cr_expect_not(add(&q, DAY + 7, SIDE_BUY, "99200", "1"));
    fields_are(&q, false,
               "day=2025-01-27;bin=100;buy_liquidations=1.500;sell_liquidations=1.140;count=4;"
               "last_ts_ms=1737936000009;lower_bound=1;simulated=0;99100=0.500 1.140 3;"
               "99200=1.000 0.000 1;");
    cr_expect(add(&q, DAY + 10, SIDE_BUY, "99250", "1"));
    fields_are(&q, false,
               "day=2025-01-27;bin=100;buy_liquidations=2.500;sell_liquidations=1.140;count=5;"
               "last_ts_ms=1737936000010;lower_bound=1;simulated=0;99200=2.000 0.000 2;");
    cr_expect_eq(q.copies, 1);
    liq_release(&q);
}

Test(liq, a_new_day_begins_anew_and_the_one_before_is_over)
{
    const struct instrument ins = btc();
    struct liq q;
    liq_init(&q, &ins, "0.5");
    cr_expect(add(&q, DAY + 5, SIDE_SELL, "100.7", "1"));
    cr_expect(add(&q, DAY + 86400000, SIDE_SELL, "0.3", "2"));
    cr_expect(q.new_day);
    cr_expect_not(add(&q, DAY + 86399999, SIDE_SELL, "100.7", "1"));
    cr_expect_eq(q.too_old, 1);
    fields_are(&q, true,
               "day=2025-01-28;bin=0.5;buy_liquidations=0.000;sell_liquidations=2.000;count=1;"
               "last_ts_ms=1738022400000;lower_bound=1;simulated=0;0.0=0.000 2.000 1;");
    liq_release(&q);
}

Test(liq, numbers_it_can_not_hold_are_counted_not_added)
{
    const struct instrument ins = btc();
    struct liq q;
    liq_init(&q, &ins, "100");
    cr_expect_not(add(&q, DAY, SIDE_SELL, "100", "0.000000001"));
    cr_expect_not(add(&q, DAY, SIDE_SELL, "99999999999999999999", "1"));
    cr_expect_eq(q.bad, 2);
    cr_expect(add(&q, DAY, SIDE_SELL, "100", "92233720368547"));
    cr_expect_not(add(&q, DAY + 1, SIDE_BUY, "100", "92233720368547"));
    cr_expect_eq(q.dropped, 1);
    liq_release(&q);
}

#define N 400
static void fill(struct liquidation *v, struct rng *r)
{
    for (size_t i = 0; i < N; i++) {
        char price[16], qty[16];
        str_fmt(price, sizeof price, "%d.%d", 60000 + (int)rng_below(r, 3000),
                (int)rng_below(r, 10));
        str_fmt(qty, sizeof qty, "0.%03d", 1 + (int)rng_below(r, 900));
        v[i] = liq(DAY + (int64_t)i * 1000, rng_below(r, 2) ? SIDE_BUY : SIDE_SELL, price, qty);
    }
}

struct pairs {
    char text[2 * 256][64];
    struct slice kv[2 * 256];
    size_t n;
};

static void keep(void *arg, const char *field, const char *value, size_t n)
{
    struct pairs *p = arg;
    cr_assert_lt(p->n, 256);
    str_copy(p->text[2 * p->n], 64, field);
    str_copyn(p->text[2 * p->n + 1], 64, value, n);
    p->kv[2 * p->n] = slice_of(p->text[2 * p->n]);
    p->kv[2 * p->n + 1] = slice_of(p->text[2 * p->n + 1]);
    p->n++;
}

Test(liq, order_copies_and_restarts_change_nothing)
{
    static struct liquidation v[N];
    static struct pairs stored;
    const struct instrument ins = btc();
    struct rng r = {7};
    struct liq whole;
    struct buf want;
    fill(v, &r);
    liq_init(&whole, &ins, "100");
    for (size_t i = 0; i < N; i++) {
        (void)liq_add(&whole, &v[i]);
    }
    buf_init(&want, 65536);
    liq_fields(&whole, true, note, &want);
    for (size_t i = N; i > 1; i--) {
        const size_t j = (size_t)rng_below(&r, i);
        const struct liquidation t = v[i - 1];
        v[i - 1] = v[j];
        v[j] = t;
    }
    struct liq q;
    liq_init(&q, &ins, "100");
    for (size_t i = 0; i < N; i++) {
        (void)liq_add(&q, &v[i]);
        (void)liq_add(&q, &v[rng_below(&r, i + 1)]);
        if (i % 50 == 49) { // a new process: the hash, and the newest entries
            struct liq next;
            stored.n = 0;
            liq_fields(&q, true, keep, &stored);
            liq_init(&next, &ins, "100");
            cr_assert_eq(liq_restore(&next, stored.kv, stored.n, NULL), 0);
            for (size_t k = 0; k <= i; k++) {
                liq_seen(&next, &v[k]);
            }
            liq_release(&q);
            q = next;
        }
    }
    struct buf got;
    buf_init(&got, 65536);
    liq_fields(&q, true, note, &got);
    cr_expect_str_eq(buf_cstr(&got), buf_cstr(&want));
    buf_release(&got);
    buf_release(&want);
    liq_release(&q);
    liq_release(&whole);
}

Test(liq, stored_state_that_does_not_hold_together_is_refused)
{
    static const char *const bad[][2] = {{"99100", "1.138 0.000"},
                                         {"99100", "-1.138 0.000 1"},
                                         {"99100", "x 0.000 1"},
                                         {"99100", "0 1.138 0"},
                                         {"99150", "0.000 1.138 1"},
                                         {"99100", "0.000 1.138 2"},
                                         {"day", "2025-01-28"},
                                         {"day", "x"},
                                         {"count", "9"},
                                         {"last_ts_ms", ""},
                                         {"bin", "50"},
                                         {"9", "1 1 1"},
                                         {"99100", "1e99 1.138 1 1"}};
    const struct instrument ins = btc();
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct slice kv[12] = {slice_of("day"),        slice_of("2025-01-27"),
                               slice_of("bin"),        slice_of("100"),
                               slice_of("count"),      slice_of("1"),
                               slice_of("last_ts_ms"), slice_of("1737936000005"),
                               slice_of("99100"),      slice_of("0.000 1.138 1")};
        size_t at = 0;
        struct liq q;
        liq_init(&q, &ins, "100");
        cr_expect_eq(liq_restore(&q, kv, 5, NULL), 0);
        liq_release(&q);
        while (at < 5 && !slice_eq(kv[2 * at], bad[i][0])) {
            at++;
        }
        kv[2 * at] = slice_of(bad[i][0]);
        kv[2 * at + 1] = slice_of(bad[i][1]);
        liq_init(&q, &ins, "100");
        cr_expect_neq(liq_restore(&q, kv, at == 5 ? 6 : 5, NULL), 0, "%s=%s", bad[i][0], bad[i][1]);
        cr_expect_eq(q.n_bins, 0);
        liq_release(&q);
    }
}

// ---- with Redis --------------------------------------------------------------------------------

static void describe(struct with_redis *w)
{
    const struct instrument ins = btc();
    struct instrument_fields f;
    instrument_to_fields(&ins, &f);
    for (size_t i = 0; i < f.n; i++) {
        with_redis_cmd(w, "HSET " K "instrument %s %s", f.name[i], f.value[i]);
    }
}

static void store(struct with_redis *w, const char *id, const char *side, const char *price,
                  const char *qty)
{
    const bool sell = strcmp(side, "sell") == 0;
    const struct redisReply *r = with_redis_cmd(
        w,
        "XADD " K "liquidations %s price %s qty %s side %s liquidated %s price_kind fill "
        "order_price %s rx_us 1",
        id, price, qty, side, sell ? "long" : "short", price);
    cr_assert_eq(r->type, REDIS_REPLY_STRING, "%s", r->str);
}

static struct liqs *start(struct loop *loop, struct with_redis *w)
{
    struct instrument ins;
    cr_assert_eq(instrument_parse("BTCUSDT", 7, VENUE_BINANCE, &ins, NULL), 0);
    return liqs_new(&(struct liqs_opts){.loop = loop, .url = w->url, .ins = ins, .bin = "100"});
}

static void wait_for(struct loop *loop, struct with_redis *w, const char *field, const char *want)
{
    const int64_t deadline = spin_deadline(8000);
    while (strcmp(with_redis_text(w, "HGET " K "liquidation_clusters %s", field), want) != 0) {
        cr_assert_lt(clock_system().mono_ms(NULL), deadline, "%s is %s, not %s", field,
                     with_redis_text(w, "HGET " K "liquidation_clusters %s", field), want);
        spin_for(loop, 20);
    }
}

Test(liqs, follows_the_stream_through_restarts_and_an_emptied_keyspace, .timeout = 60)
{
    struct with_redis *w = with_redis_new(NULL);
    struct loop *loop = loop_new(clock_system());
    struct liqs *q = start(loop, w);
    store(w, "1737936000005-0", "sell", "99187.4", "1.138");
    describe(w); // written by the collector; nothing can be read before
    wait_for(loop, w, "99100", "0.000 1.138 1");
    store(w, "1737936000006-0", "buy", "99120.4", "0.1");
    with_redis_cmd(w, "XADD " K "liquidations 1737936000007-0 junk 1");
    wait_for(loop, w, "99100", "0.100 1.138 2");
    wait_for(loop, w, "_pos", "1737936000007-0");
    cr_expect_str_eq(with_redis_text(w, "HGET " K "liquidation_clusters _bad"), "1");
    liqs_free(q);
    store(w, "1737936000008-0", "buy", "99120.4", "0.1"); // while nobody looks
    store(w, "1737936000009-0", "sell", "99187.4", "1.138");
    with_redis_cmd(w, "XADD " K "liquidations 1737936000010-0 price 99187.4 qty 1.138 side sell "
                      "liquidated long price_kind fill order_price 99187.4 ts_ms 1737936000005");
    q = start(loop, w); // goes on from the position; the last entry is a copy of the first
    wait_for(loop, w, "_pos", "1737936000010-0");
    cr_expect_str_eq(with_redis_text(w, "HGET " K "liquidation_clusters 99100"), "0.200 2.276 4");
    cr_expect_str_eq(with_redis_text(w, "HGET " K "liquidation_clusters _copies"), "1");
    // Somebody deletes the hash: all of it comes again from the stream.
    with_redis_cmd(w, "DEL " K "liquidation_clusters");
    wait_for(loop, w, "99100", "0.200 2.276 4");
    // The whole keyspace: another market begins at lower ids.
    with_redis_cmd(w, "DEL " K "liquidation_clusters " K "liquidations");
    store(w, "1737936000001-0", "buy", "100", "5");
    wait_for(loop, w, "100", "5.000 0.000 1");
    cr_expect_str_eq(with_redis_text(w, "HGET " K "liquidation_clusters 99100"), "");
    with_redis_kill(w);
    with_redis_restart(w, NULL); // came back empty
    describe(w);
    store(w, "1737936000011-0", "buy", "200", "7");
    wait_for(loop, w, "200", "7.000 0.000 1");
    cr_expect_str_eq(with_redis_text(w, "HGET " K "liquidation_clusters 100"), "");
    liqs_free(q);
    loop_free(loop);
    with_redis_free(w);
}

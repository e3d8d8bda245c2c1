// :liquidations and :mark in a real Redis: restarts of the process and of Redis, a lost tail, the
// rate of writing.

#include <criterion/criterion.h>
#include <hiredis/hiredis.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "services/collector/io/app.h"
#include "tests/support/spin.h"
#include "tests/support/with_redis.h"

#define K "bc4:{binance:BTCUSDT}:"

// A collector with one lane, whose other parts do nothing.
struct rig {
    struct with_redis *w;
    struct config cfg;
    struct app a;
};

static void on_up(void *arg)
{
    struct app *a = arg;
    a->lane[0].outbox.open = true;
}

static void on_down(void *arg, const char *why)
{
    struct app *a = arg;
    (void)why;
    a->lane[0].outbox.open = false;
    derivs_down(a->derivs);
}

static void rig_start(struct rig *r)
{
    struct app *a = &r->a;
    memset(a, 0, sizeof *a);
    r->cfg.liquidations = r->cfg.mark = true;
    r->cfg.liquidations_queue = r->cfg.liquidations_queue ? r->cfg.liquidations_queue : 100;
    r->cfg.liquidations_max = 1000;
    r->cfg.ring_sec = 30;
    a->cfg = &r->cfg;
    a->loop = loop_new(clock_system());
    a->n = 1;
    a->lane = xcalloc(1, sizeof *a->lane);
    a->lane[0].app = a;
    cr_assert_eq(instrument_parse("BTCUSDT", 7, VENUE_BINANCE, &a->lane[0].feed.ins, NULL), 0);
    a->redis = redis_new(&(struct redis_opts){.loop = a->loop,
                                              .url = r->w->url,
                                              .name = "t",
                                              .backoff_min_ms = 10,
                                              .backoff_max_ms = 50,
                                              .on_up = on_up,
                                              .on_down = on_down,
                                              .arg = a});
    a->derivs = derivs_new(a);
}

static void rig_stop(struct rig *r)
{
    redis_free(r->a.redis);
    derivs_free(r->a.derivs);
    free(r->a.lane);
    loop_free(r->a.loop);
}

static void liq(struct rig *r, int64_t ts, const char *price)
{
    const struct frame f = {.kind = FRAME_LIQUIDATION,
                            .symbol = slice_of("BTCUSDT"),
                            .market = 1,
                            .event_ms = ts,
                            .trade_ms = ts,
                            .price = slice_of(price),
                            .qty = slice_of("0.014"),
                            .order_price = slice_of("9900"),
                            .maker = true};
    cr_assert_eq(deriv_on_frame_of(&r->a.lane[0], &f, ts * 1000), REFUSE_NONE);
}

static long long stored(struct rig *r)
{
    return with_redis_cmd(r->w, "XLEN " K "liquidations")->integer;
}

static void settle(struct rig *r)
{
    const int64_t deadline = spin_deadline(10000);
    while (derivs_pending(r->a.derivs) > 0 || !redis_is_up(r->a.redis)) {
        cr_assert_lt(clock_system().mono_ms(NULL), deadline, "%zu wait",
                     derivs_pending(r->a.derivs));
        derivs_tick(r->a.derivs);
        spin_for(r->a.loop, 10);
    }
}

Test(derivs, a_liquidation_is_one_entry_whatever_dies, .timeout = 60)
{
    static const char *const aof[] = {"--appendonly", "yes", "--appendfsync", "always", NULL};
    struct rig r = {.w = with_redis_new(aof)};
    rig_start(&r);
    liq(&r, 2000, "9910.123456"); // Redis is not even connected
    liq(&r, 2000, "9910.123456");
    liq(&r, 1500, "9911"); // below the tip
    settle(&r);
    cr_expect_eq(stored(&r), 2);
    const struct redisReply *e = with_redis_cmd(r.w, "XRANGE " K "liquidations - +");
    static const char *const want[] = {"price",       "9910.123456", "qty",   "0.014",      "side",
                                       "sell",        "liquidated",  "long",  "price_kind", "fill",
                                       "order_price", "9900",        "rx_us", "2000000"};
    cr_assert_eq(e->elements, 2);
    cr_expect_str_eq(e->element[0]->element[0]->str, "2000-0");
    cr_assert_eq(e->element[0]->element[1]->elements, 14);
    for (size_t i = 0; i < 14; i++) {
        cr_expect_str_eq(e->element[0]->element[1]->element[i]->str, want[i]);
    }
    cr_expect_str_eq(e->element[1]->element[0]->str, "2000-1");
    cr_assert_eq(e->element[1]->element[1]->elements, 16);
    cr_expect_str_eq(e->element[1]->element[1]->element[14]->str, "ts_ms");
    cr_expect_str_eq(e->element[1]->element[1]->element[15]->str, "1500");

    rig_stop(&r); // a new process is told the same again
    rig_start(&r);
    liq(&r, 2000, "9910.123456");
    liq(&r, 1500, "9911");
    liq(&r, 2100, "9912");
    settle(&r);
    cr_expect_eq(stored(&r), 3);

    for (int i = 0; i < 20; i++) { // Redis dies in the middle of it
        liq(&r, 3000 + i, "9910");
        if (i % 5 == 2) {
            with_redis_kill(r.w);
            liq(&r, 4000 + i, "9910");
            spin_for(r.a.loop, 30);
            with_redis_restart(r.w, aof);
        }
        derivs_tick(r.a.derivs);
        spin_for(r.a.loop, 5);
    }
    settle(&r);
    cr_expect_eq(stored(&r), 3 + 20 + 4);

    with_redis_cmd(r.w, "FLUSHALL"); // what was stored lately is sent again
    redis_kick(r.a.redis, "test");
    spin_for(r.a.loop, 200);
    derivs_tick(r.a.derivs);
    spin_for(r.a.loop, 100);
    settle(&r);
    cr_expect_geq(stored(&r), 20 + 4);
    rig_stop(&r);
    with_redis_free(r.w);
}

Test(derivs, a_full_queue_is_counted_while_redis_is_away, .timeout = 60)
{
    struct rig r = {.w = with_redis_new(NULL), .cfg = {.liquidations_queue = 10}};
    struct buf b;
    struct jw w;
    rig_start(&r);
    for (int i = 0; i < 25; i++) {
        liq(&r, 3000 + i, "9910");
    }
    settle(&r);
    cr_expect_eq(stored(&r), 10);
    buf_init(&b, 4096);
    jw_init(&w, &b);
    jw_obj(&w);
    derivs_health(&r.a.lane[0], &w);
    jw_end_obj(&w);
    cr_expect_not_null(strstr(buf_cstr(&b), "\"binance:BTCUSDT.liquidations_lost\":15"), "%s",
                       buf_cstr(&b));
    buf_release(&b);
    rig_stop(&r);
    with_redis_free(r.w);
}

static void mark(struct rig *r, int64_t ts, const char *price)
{
    const struct frame f = {.kind = FRAME_MARK,
                            .symbol = slice_of("BTCUSDT"),
                            .market = 1,
                            .event_ms = ts,
                            .mark = slice_of(price),
                            .funding = slice_of(ts == 1000 ? "0.0001" : ""),
                            .next_funding_ms = -1,
                            .funding_hours = -1};
    cr_assert_eq(deriv_on_frame_of(&r->a.lane[0], &f, ts * 1000), REFUSE_NONE);
}

Test(derivs, mark_is_written_five_times_a_second_and_the_newest_stays, .timeout = 60)
{
    struct rig r = {.w = with_redis_new(NULL)};
    char price[24];
    rig_start(&r);
    with_redis_cmd(r.w, "HSET " K "mark _ver 40"); // of a process before
    const int64_t begin = clock_system().mono_ms(NULL);
    int i = 0;
    for (; clock_system().mono_ms(NULL) - begin < 1000; i++) {
        str_fmt(price, sizeof price, "64991.%08d", i);
        mark(&r, 1000 + i, price);
        derivs_tick(r.a.derivs);
        spin_for(r.a.loop, 2);
    }
    UNTIL(r.a.loop, strcmp(with_redis_text(r.w, "HGET " K "mark mark"), price) == 0);
    const int64_t took = clock_system().mono_ms(NULL) - begin;
    const long ver = strtol(with_redis_text(r.w, "HGET " K "mark _ver"), NULL, 10);
    cr_expect_gt(ver, 40);
    cr_expect_leq(ver - 40, took / 200 + 1);
    cr_expect_str_eq(with_redis_text(r.w, "HGET " K "mark funding_rate"), "0.0001");
    cr_expect_str_eq(with_redis_text(r.w, "HGET " K "mark next_funding_ms"), "");
    const long ts = strtol(with_redis_text(r.w, "HGET " K "mark mark_ts_ms"), NULL, 10);
    cr_expect_eq(ts, 1000 + i - 1);
    rig_stop(&r);
    with_redis_free(r.w);
}

// Redis -> snapshots, against a private Redis: first read, notices, fields, sweep, day roll, loss.

#include "services/api/io/source.h"
#include "tests/support/spin.h"
#include "tests/support/with_redis.h"
#include "tests/unit/api/fixture.h"

#define K "bc4:{binance:BTCUSDT}:"

struct live {
    struct rig rig;
    struct loop *l;
    struct with_redis *w;
    struct source *src;
};

static void fill(struct live *v)
{
    with_redis_cmd(v->w, "HSET " K "instrument venue binance symbol BTCUSDT tick 0.10 step 0.001 "
                         "min_qty 0.001 min_notional 5 price_scale 4 qty_scale 5 simulated 1 "
                         "schema 1");
    with_redis_cmd(v->w, "HSET " K "context day 2024-08-08 prev_day 2024-08-07 price 100.1 "
                         "price_ts_ms 1723107600000 _clock_ms 1723107600000 _ver 1");
    with_redis_cmd(v->w, "HSET " K "context:2024-08-08 bin 0.10 trades 2");
    with_redis_cmd(v->w, "HSET " K "context:2024-08-07 vwap_quote 7.5");
    with_redis_cmd(v->w, "HSET " K "profile:2024-08-08 100.0 %s 100.1 %s", "1.000 1.000 0.000 1",
                   "2.000 1.000 1.000 1");
    with_redis_cmd(v->w, "HSET " K "candles:1m 1723107540000 %s",
                   "{\"timestamp\":1723107540000,\"open\":1.5}");
    with_redis_cmd(v->w, "HSET " K "strategy day 2024-08-08 _ver 1");
    with_redis_cmd(v->w, "HSET bc4:health:collector:binance binance:BTCUSDT.trades_connected 1 "
                         "binance:BTCUSDT.silent 0");
    with_redis_cmd(v->w, "ZADD bc4:services 1 collector:binance");
}

static void start(struct live *v, bool filled, int64_t sweep_ms)
{
    memset(v, 0, sizeof *v);
    rig_init(&v->rig);
    v->l = loop_new(clock_system());
    v->rig.g.clock = clock_system();
    v->w = with_redis_new(NULL);
    if (filled) {
        fill(v);
    }
    v->src = source_new(&(struct source_opts){.loop = v->l,
                                              .url = v->w->url,
                                              .instance = "test",
                                              .store = v->rig.g.store,
                                              .stats = v->rig.g.stats,
                                              .sweep_ms = sweep_ms,
                                              .profile_ms = 20});
}

static void end(struct live *v)
{
    source_free(v->src);
    with_redis_free(v->w);
    loop_free(v->l);
    rig_release(&v->rig);
}

// The answer to `target` contains `text`.
static bool shows(struct live *v, const char *target, const char *text)
{
    get(&v->rig, target);
    return strstr(v->rig.body, text) != NULL;
}

static bool is_loaded(struct live *v)
{
    return shows(v, "/price", "\"price\":100.1,") && shows(v, "/price", "\"redis_up\":true") &&
           shows(v, "/context", "{\"price\":100.1,\"volume\":2.000,");
}

static void notice(struct live *v, const char *topic, const char *payload)
{
    with_redis_cmd(v->w, "PUBLISH " K "pub:%s %s", topic, payload);
}

Test(source, reads_everything_at_start)
{
    struct live v;
    start(&v, true, 1000);
    UNTIL(v.l, is_loaded(&v));
    cr_expect(shows(&v, "/context?vwap_mode=quote", "\"VWAPprev\":7.5,"));
    cr_expect(shows(&v, "/strategy/candles", "\"open\":1.5,"));
    cr_expect(shows(&v, "/debug/exchangeinfo", "\"tickSize\":0.10,"));
    cr_expect(has_line(&v.rig, "X-Simulated: true"));
    UNTIL(v.l, shows(&v, "/ready?symbol=BTCUSDT", "\"status\":\"ok\""));
    end(&v);
}

Test(source, a_notice_is_enough_no_sweep_needed)
{
    struct live v;
    start(&v, true, 60000);
    UNTIL(v.l, is_loaded(&v));
    with_redis_cmd(v.w, "HSET " K "context price 200.5 _ver 2");
    notice(&v, "context", "{\"ver\":2,\"day\":\"2024-08-08\",\"changed\":[\"context\"]}");
    UNTIL(v.l, shows(&v, "/price", "\"price\":200.5,"));
    end(&v);
}

Test(source, a_notice_that_names_bins_reads_only_them)
{
    struct live v;
    start(&v, true, 60000);
    UNTIL(v.l, is_loaded(&v));
    spin_for(v.l, 100);
    uint64_t whole = stats_get(v.rig.g.stats, STAT_READS);
    with_redis_cmd(v.w, "HSET " K "profile:2024-08-08 100.1 %s 100.2 %s", "3.000 1.000 2.000 2",
                   "9.000 9.000 0.000 1");
    with_redis_cmd(v.w, "HDEL " K "profile:2024-08-08 100.0");
    notice(&v, "profile",
           "{\"ver\":2,\"day\":\"2024-08-08\",\"changed\":[\"100.1\",\"100.2\",\"100.0\"]}");
    UNTIL(v.l, shows(&v, "/context",
                     "\"volume_profile\":[{\"price\":100.1,\"volume\":3.000,\"buy_vol\":1.000,"
                     "\"sell_vol\":2.000},{\"price\":100.2,"));
    with_redis_cmd(v.w, "HSET " K "candles:1m 1723107600000 %s",
                   "{\"timestamp\":1723107600000,\"open\":2.5}");
    notice(&v, "candles:1m", "{\"ver\":2,\"day\":\"2024-08-08\",\"changed\":[1723107600000]}");
    UNTIL(v.l, shows(&v, "/strategy/candles", "\"open\":2.5,"));
    cr_expect(shows(&v, "/strategy/candles", "\"open\":1.5,"));
    cr_expect_eq(stats_get(v.rig.g.stats, STAT_READS), whole);
    end(&v);
}

Test(source, a_notice_that_names_nothing_or_nonsense_reads_the_whole)
{
    static const char *const PAYLOAD[] = {
        "{\"ver\":2,\"day\":\"2024-08-08\",\"changed\":[]}",
        "{\"ver\":3,\"day\":\"2024-08-08\",\"changed\":[\"_x\"]}",
        "{\"ver\":1,\"day\":\"2024-08-08\",\"changed\":[\"100.1\"]}", // went back: other writer
        "{\"ver\":4,\"day\":\"2024-08-09\",\"changed\":[\"100.1\"]}",
        "not json",
    };
    struct live v;
    start(&v, true, 60000);
    UNTIL(v.l, is_loaded(&v));
    for (size_t i = 0; i < sizeof PAYLOAD / sizeof PAYLOAD[0]; i++) {
        char value[48], want[48];
        (void)str_fmt(value, sizeof value, "%zu.000 %zu.000 0.000 1", i + 1, i + 1);
        (void)str_fmt(want, sizeof want, "{\"price\":99.0,\"volume\":%zu.000,", i + 1);
        with_redis_cmd(v.w, "HSET " K "profile:2024-08-08 99.0 %s", value);
        notice(&v, "profile", PAYLOAD[i]);
        UNTIL(v.l, shows(&v, "/context", want));
    }
    end(&v);
}

Test(source, the_sweep_finds_what_no_notice_told)
{
    struct live v;
    start(&v, true, 50);
    UNTIL(v.l, is_loaded(&v));
    with_redis_cmd(v.w, "HSET " K "context price 300.5 _ver 9");
    UNTIL(v.l, shows(&v, "/price", "\"price\":300.5,"));
    with_redis_cmd(v.w, "HSET " K "metrics trade_count 77 _ver 9");
    UNTIL(v.l, shows(&v, "/strategy/metrics", "\"trade_count\":77"));
    with_redis_cmd(v.w, "DEL bc4:health:collector:binance");
    UNTIL(v.l, shows(&v, "/ready", "no collector reports binance:BTCUSDT"));
    end(&v);
}

Test(source, a_new_day_never_shows_the_old_profile)
{
    struct live v;
    start(&v, true, 60000);
    UNTIL(v.l, is_loaded(&v));
    with_redis_cmd(v.w, "HSET " K "profile:2024-08-09 500.0 %s", "1.000 1.000 0.000 1");
    with_redis_cmd(v.w, "HSET " K "context day 2024-08-09 prev_day 2024-08-08 price 500.0 _ver 2");
    notice(&v, "context", "{\"ver\":2,\"day\":\"2024-08-09\",\"changed\":[\"context\"]}");
    int64_t deadline = spin_deadline(10000);
    while (!shows(&v, "/context", "\"day\":\"2024-08-09\"") && spin_turn(v.l, deadline)) {
        cr_assert(strstr(v.rig.body, "{\"price\":100.1,\"volume\":"));
    }
    cr_assert(strstr(v.rig.body, "{\"price\":500.0,\"volume\":1.000,"), "%s", v.rig.body);
    cr_assert_null(strstr(v.rig.body, "{\"price\":100.1,\"volume\":"));
    end(&v);
}

Test(source, fields_read_together_with_a_new_day_are_not_lost)
{
    struct live v;
    start(&v, false, 60000);
    UNTIL(v.l, stats_get(v.rig.g.stats, STAT_SWEEPS) > 0);
    spin_for(v.l, 50);
    fill(&v);
    // As the first flushes of context and strategy come: one read takes both.
    with_redis_cmd(v.w, "EVAL %s 0",
                   "redis.call('PUBLISH','" K "pub:candles:1m','{\"ver\":1,"
                   "\"day\":\"2024-08-08\",\"changed\":[1723107540000]}') "
                   "redis.call('PUBLISH','" K "pub:context','{\"ver\":1,"
                   "\"day\":\"2024-08-08\",\"changed\":[\"context\"]}')");
    UNTIL(v.l, shows(&v, "/price", "\"price\":100.1,"));
    UNTIL(v.l, shows(&v, "/strategy/candles", "\"open\":1.5,"));
    end(&v);
}

Test(source, redis_lost_the_last_snapshot_stays_and_ages_then_everything_is_read_again)
{
    struct live v;
    start(&v, true, 50);
    UNTIL(v.l, is_loaded(&v));
    with_redis_kill(v.w);
    UNTIL(v.l, shows(&v, "/price", "\"redis_up\":false"));
    cr_expect(shows(&v, "/price", "\"price\":100.1,"));
    UNTIL(v.l, shows(&v, "/ready", "\"status\":\"redis is down\""));
    cr_expect_eq(v.rig.status, 503);
    get(&v.rig, "/price");
    int64_t age = json_integer_value(json_object_get(v.rig.json, "data_age_ms"));
    spin_for(v.l, 100);
    get(&v.rig, "/price");
    cr_expect_geq(json_integer_value(json_object_get(v.rig.json, "data_age_ms")), age + 90);
    with_redis_restart(v.w, NULL);
    with_redis_cmd(v.w, "HSET " K "context price 400.5");
    UNTIL(v.l, shows(&v, "/price", "\"price\":400.5,"));
    UNTIL(v.l, shows(&v, "/price", "\"redis_up\":true"));
    // What Redis lost is gone here, too.
    UNTIL(v.l, shows(&v, "/context", "\"volume_profile\":[],"));
    end(&v);
}

Test(source, a_silent_redis_counts_as_away_and_age_grows)
{
    struct live v;
    start(&v, true, 50);
    UNTIL(v.l, is_loaded(&v));
    with_redis_freeze(v.w);
    spin_for(v.l, 300);
    get(&v.rig, "/price");
    cr_expect_geq(json_integer_value(json_object_get(v.rig.json, "data_age_ms")), 200);
    cr_expect(shows(&v, "/price", "\"price\":100.1,"));
    with_redis_thaw(v.w);
    int64_t deadline = spin_deadline(10000);
    do {
        get(&v.rig, "/price");
    } while (json_integer_value(json_object_get(v.rig.json, "data_age_ms")) > 150 &&
             spin_turn(v.l, deadline));
    cr_expect_leq(json_integer_value(json_object_get(v.rig.json, "data_age_ms")), 150);
    end(&v);
}

Test(source, wrong_types_in_redis_are_nulls_not_a_crash)
{
    struct live v;
    start(&v, false, 50);
    with_redis_cmd(v.w, "SET " K "context x");
    with_redis_cmd(v.w, "LPUSH " K "instrument x");
    with_redis_cmd(v.w, "ZADD bc4:services 1 collector:binance 2 x");
    with_redis_cmd(v.w, "SET bc4:health:collector:binance x");
    spin_for(v.l, 300);
    cr_expect(shows(&v, "/price", "\"price\":null,"));
    with_redis_cmd(v.w, "DEL " K "context " K "instrument bc4:health:collector:binance");
    fill(&v);
    UNTIL(v.l, is_loaded(&v));
    end(&v);
}

Test(source, the_clock_goes_on_from_what_the_services_stored)
{
    struct live v;
    start(&v, false, 50);
    char ago[24];
    (void)str_fmt(ago, sizeof ago, "%lld", (long long)(loop_wall_us(v.l) / 1000 - 3600000));
    fill(&v); // clock 09:00:00 of 2024-08-08 ...
    with_redis_cmd(v.w, "HSET " K "context _updated_ms %s _ver 3", ago); // ... an hour ago
    UNTIL(v.l, shows(&v, "/context", "\"nowUtc\":\"2024-08-08T10:00:"));
    end(&v);
}

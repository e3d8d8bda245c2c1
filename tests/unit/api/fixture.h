#ifndef TEST_API_FIXTURE_H
#define TEST_API_FIXTURE_H
// A gateway in memory: a store with hand-made snapshots, a clock that the test moves, and one
// request -> its response, parsed.

#include <criterion/criterion.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/base/str.h"
#include "services/api/io/serve.h"

#define T0 INT64_C(1723075200000) // 2024-08-08T00:00:00Z
#define HOUR INT64_C(3600000)

struct rig {
    struct fake_clock fake;
    struct pages *pages;
    struct gateway g;
    struct serve_scratch scratch;
    struct instrument ins[2];
    int status;
    char *text;   // whole response of the last request
    char *body;   // inside text
    size_t n;     // bytes of text
    json_t *json; // of the body; NULL when it is no JSON
};

static inline struct rhash *hash_of(const char *const *kv, size_t pairs)
{
    struct slice s[256];
    cr_assert_leq(pairs, 128);
    for (size_t i = 0; i < 2 * pairs; i++) {
        s[i] = slice_of(kv[i]);
    }
    return rhash_new(s, pairs);
}
#define HASH(...)                                                                                  \
    hash_of((const char *const[]){__VA_ARGS__},                                                    \
            sizeof((const char *const[]){__VA_ARGS__}) / sizeof(char *) / 2)

// Takes every command at once.
static inline enum command_result rig_command(void *arg, size_t instrument, const char *type,
                                              int64_t at_ms, struct post *p)
{
    (void)arg, (void)instrument, (void)type, (void)at_ms;
    p->applied = true;
    (void)str_copy(p->id, sizeof p->id, "1723107600000-0");
    return COMMAND_APPLIED;
}

static inline void rig_init(struct rig *r)
{
    memset(r, 0, sizeof *r);
    cr_assert_eq(instrument_parse("binance:BTCUSDT", 15, VENUE_BINANCE, &r->ins[0], NULL), 0);
    cr_assert_eq(instrument_parse("bybit:ETHUSDT", 13, VENUE_BINANCE, &r->ins[1], NULL), 0);
    r->fake = (struct fake_clock){.wall_us = (T0 + 9 * HOUR) * 1000, .mono_ms = 1000000};
    r->g = (struct gateway){.clock = clock_fake(&r->fake),
                            .store = store_new(r->ins, 2),
                            .cache = cache_new(64, (size_t)8 << 20),
                            .stats = stats_new(),
                            .pages = r->pages = pages_new(),
                            .command = rig_command,
                            .cors_origins = "http://localhost:3000, http://desk.example",
                            .started_mono_ms = 1000000};
    serve_scratch_init(&r->scratch, &r->g);
}

static inline void rig_release(struct rig *r)
{
    serve_scratch_release(&r->scratch);
    cache_free(r->g.cache);
    store_free(r->g.store);
    stats_free(r->g.stats);
    pages_free(r->pages);
    free(r->text);
    json_decref(r->json);
}

static inline struct snap *full_snap(const struct instrument *who, const char *simulated)
{
    struct snap *s = snap_new(who);
    snap_set_take(s, SEC_INSTRUMENT,
                  HASH("venue", "binance", "symbol", "BTCUSDT", "tick", "0.10", "step", "0.001",
                       "min_qty", "0.001", "min_notional", "5", "price_scale", "4", "qty_scale",
                       "5", "simulated", simulated, "schema", "1", "_raw",
                       "{\"symbol\":\"BTCUSDT\"}", "_updated_ms", "1723075200000",
                       "_clock_offset_ms", "-3"));
    snap_set_take(
        s, SEC_CONTEXT,
        HASH("day", "2024-08-08", "prev_day", "2024-08-07", "price", "61640.1", "price_ts_ms",
             "1723107600000", "vwap", "61680.98215300", "vwap_quote", "61681.12345678", "sigma",
             "12.50000000", "band_up_1", "61693.48215300", "band_up_2", "61705.98215300",
             "band_up_3", "61718.48215300", "band_dn_1", "61668.48215300", "band_dn_2",
             "61655.98215300", "band_dn_3", "61643.48215300", "poc", "61640.0", "vah", "61706.0",
             "val", "61590.3", "high", "61800.0", "low", "61500.0", "range", "300.0", "cd_pre",
             "-12.345", "cumulative_delta", "73.786", "buy_volume", "1251.576", "sell_volume",
             "1177.790", "trades", "21313", "or_high", "61700.1", "or_low", "61600.2",
             "or_complete", "1", "pdh", "62000.0", "pdl", "61000.0", "vah_prev", "61900.0",
             "val_prev", "61100.0", "poc_prev", "61500.0", "vwap_prev", "61555.12345678",
             "coverage_today", "0.99998000", "coverage_prev", "1.00000000", "coverage_or",
             "1.00000000", "missing_ms_today", "1001", "missing_ms_prev", "0", "holes_today", "1",
             "bin", "0.10", "simulated", simulated, "_ver", "7", "_lag_ms", "12"));
    snap_set_take(s, SEC_DAY,
                  HASH("start_ms", "1723075200000", "bin", "0.10", "trades", "21313", "sum_q",
                       "2429.366", "sum_pq", "149845679.1", "sum_ppq", "9242600000000.12",
                       "buy_volume", "1251.576", "sell_volume", "1177.790", "block_volume", "0.000",
                       "vwap", "61680.98215300", "vwap_quote", "61681.12345678", "sigma",
                       "12.50000000", "poc", "61640.0", "poc_volume", "33.100", "first",
                       "1723075200001 100 61600.0 0.001 buy", "last",
                       "1723107600000 21412 61640.1 0.010 sell"));
    snap_set_take(s, SEC_PREV, HASH("vwap_quote", "61555.99999999"));
    snap_set_take(s, SEC_PROFILE,
                  HASH("61640.0", "33.100 20.000 13.100 12", "61640.1", "1.500 1.000 0.500 3",
                       "9999.9", "0.001 0.001 0.000 1", "61641.9", "2.000 0.000 2.000 4", "junk",
                       "1 1 0 1", "61650.0", "5.000 1.000 1.000 9"));
    snap_set_take(
        s, SEC_COVERAGE,
        HASH("2024-08-08",
             "{\"day\":\"2024-08-08\",\"missing_ms\":1001,\"spans\":[{\"from_ms\":1723075200000,"
             "\"to_ms\":1723075201001,\"state\":\"missing\"}]}",
             "2024-08-07", "{\"day\":\"2024-08-07\",\"missing_ms\":0}", "_reasons",
             "[{\"kind\":\"gap\"}]", "_repaired", "[[1,2]]", "_ver", "3"));
    snap_set_take(s, SEC_STRATEGY,
                  HASH("day", "2024-08-08", "session", "london", "simulated", simulated,
                       "_updated_ms", "1723107600000", "_ver", "5", "_lag_ms", "15"));
    snap_set_take(
        s, SEC_METRICS,
        HASH("day", "2024-08-08", "vwap", "61680.98215300", "poc", "61640.0", "delta", "73.786",
             "buy_volume", "1251.576", "sell_volume", "1177.790", "trade_count", "21313",
             "cumulative_volume", "2429.366", "footprint",
             "[{\"price\":61640.0,\"volume\":33.100,\"buy_vol\":20.000,\"sell_vol\":13.100,"
             "\"rank\":1}]",
             "simulated", simulated, "_window_sec", "30", "_window_count", "120", "_window_rate",
             "4.00", "_buffer_size", "5000", "_updated_ms", "1723107600000", "_latency_p50_us",
             "200", "_latency_p99_us", "900", "_ver", "9"));
#define CANDLE(ts, complete)                                                                       \
    "{\"timestamp\":" ts                                                                           \
    ",\"open\":1.10,\"high\":2.0,\"low\":1.0,\"close\":1.5,\"volume\":12.345,"                     \
    "\"buy_volume\":7.000,\"sell_volume\":5.345,\"delta\":1.655,\"min_delta\":-0.5,"               \
    "\"max_delta\":2.1,\"trades\":3,\"vwap\":1.40000000,\"poc\":1.1,\"sum_pq\":\"7\","             \
    "\"first\":\"1-1\",\"last\":\"2-2\",\"_complete\":" complete ",\"_rev\":2,"                    \
    "\"_coverage\":0.50000000}"
    snap_set_take(s, SEC_CANDLES_1M,
                  HASH("1723107540000", CANDLE("1723107540000", "true"), "1723107480000",
                       CANDLE("1723107480000", "true"), "1723107600000",
                       CANDLE("1723107600000", "false"), "1723107420000", "{\"broken\":"));
    snap_set_take(s, SEC_CANDLES_5M, HASH("1723107600000", CANDLE("1723107600000", "false")));
    snap_set_take(s, SEC_FOOT_1M,
                  HASH("1723107600000",
                       "{\"footprint_bin\":5.0,\"imbalance_ratio\":3.000,\"imbalance_min_qty\":1,"
                       "\"footprint\":[{\"price\":61640.0,\"buy_vol\":3.000,"
                       "\"sell_vol\":1.000,\"imbalance\":\"buy\"}],\"stacked\":[{\"side\":\"buy\","
                       "\"from\":61640.0,\"to\":61650.0}]}"));
    snap_set_take(s, SEC_REGIME,
                  HASH("regime", "range", "confidence", "0.30000000", "score", "0.18333333", "path",
                       "0.33333333", "distance", "0.00000000", "delta", "0.33333333", "outside",
                       "0.00000000", "candles", "3", "steps", "3", "volume", "3.000", "price",
                       "61640.1", "vwap", "61680.10000000", "sigma", "0.08164966", "val", "61590.3",
                       "vah", "61706.0", "at_ms", "1723107600000", "since_ms", "1723075200000",
                       "parameters", "{\"candles\":60}", "profile_strength", "0.61000000"));
    snap_set_take(s, SEC_LIQ,
                  HASH("day", "2024-08-08", "bin", "100", "buy_liquidations", "2.500",
                       "sell_liquidations", "1.140", "count", "5", "last_ts_ms", "1723107500000",
                       "lower_bound", "1", "simulated", simulated, "61500", "0.500 0.000 1",
                       "61400", "1.000 0.500 2", "61600", "0.000 0.640 1", "61700", "1.000 0.000 1",
                       "9", "junk", "_pos", "1723107500000-0", "_ver", "4", "_copies", "3",
                       "_too_old", "0", "_bad", "1", "_dropped", "0"));
    snap_set_take(s, SEC_MARK,
                  HASH("mark", "61640.37858696", "index", "61665.05673913", "settle", "",
                       "funding_rate", "-0.00003936", "next_funding_ms", "1723132800000",
                       "funding_hours", "", "last_price", "", "open_interest", "10659.509",
                       "open_interest_value", "", "mark_ts_ms", "1723107600000", "oi_ts_ms",
                       "1723107595000", "simulated", simulated, "_ver", "12"));
    snap_set_take(s, SEC_CVD,
                  HASH("day", "2024-08-08", "anchor", "reset", "anchor_ms", "1723107510500",
                       "reset_ms", "1723107510500", "cvd", "-1.250", "buy_volume", "2.000",
                       "sell_volume", "3.250", "volume_delta", "-1.250", "trades", "6", "first_ms",
                       "1723107480000", "first_buy", "1.000", "first_sell", "0.250", "first_trades",
                       "2", "minutes_whole", "1", "missing_ms", "0", "simulated", simulated,
                       "_pos_commands", "1723107510600-0", "_ver", "5"));
    snap_set_take(s, SEC_CVD_MINUTES,
                  HASH("1723107420000", "9.000 1.000 7", "1723107480000", "4.000 4.000 9",
                       "1723107540000", "1.000 2.000 3", "1723107600000", "0.000 1.000 1"));
    snap_set_take(s, SEC_INDICATORS,
                  HASH("from_ms", "1723100341000", "holes",
                       "1723104000000-1723104001000,1723107550000-1723107550040", "simulated",
                       simulated, "_ver", "5"));
    snap_set_take(s, SEC_SECONDS,
                  HASH("1723107539", "1.5 0 2;999,1,0,1;998,0.5,0,1", "1723107540",
                       "0.5 2 3;0,0.5,0,1;1,0,2,2", "1723107599", "0 0.125 1;500,0,0.125,1",
                       "1723107600", "0 1 1;0,0,1,1"));
    snap_set_take(
        s, SEC_FEED,
        HASH("binance:BTCUSDT.trades_connected", "1", "binance:BTCUSDT.silent", "0",
             "binance:BTCUSDT.trades_last_ts_ms", "1723107600000",
             "binance:BTCUSDT.trades_last_rx_ms", "1723107600010",
             "binance:BTCUSDT.events_received", "21313", "binance:BTCUSDT.reconnect_attempts", "2",
             "binance:BTCUSDT.queue_size", "0", "binance:BTCUSDT.latency_ms_p50", "3",
             "binance:BTCUSDT.deadline_ms", "30000", "binance:BTCUSDT.depth_connected", "1",
             "binance:BTCUSDT.depth_state", "live", "binance:BTCUSDT.depth_silent", "0",
             "binance:BTCUSDT.depth_last_ts_ms", "1723107600001",
             "binance:BTCUSDT.depth_last_update_id", "5123107837557",
             "binance:BTCUSDT.depth_events_received", "6551", "binance:BTCUSDT.depth_queue_size",
             "0", "binance:BTCUSDT.depth_per_minute_count", "600",
             "binance:BTCUSDT.depth_per_second_rate", "10.0"));
    s->context_up = true;
    s->strategy_up = true;
    return s;
}

// A gateway whose Redis is up and whose first instrument is full; clock 09:00:00.000, London.
static inline void rig_fill(struct rig *r, const char *simulated)
{
    store_publish_take(r->g.store, 0, full_snap(&r->ins[0], simulated));
    store_clock_seen(r->g.store, 0, T0 + 9 * HOUR, r->fake.mono_ms);
    store_set_redis_up(r->g.store, true);
    store_set_confirmed(r->g.store, r->fake.mono_ms);
}

// Instrument `at` with one field changed.
static inline void rig_change(struct rig *r, size_t at, enum section sec, const char *field,
                              const char *value)
{
    int64_t now = 0;
    struct snap *cur = store_get(r->g.store, at, r->fake.mono_ms, &now), *next = snap_copy(cur);
    struct slice kv[2] = {slice_of(field), slice_of(value)};
    snap_set_take(next, sec, rhash_patch(cur->sec[sec], kv, 1));
    snap_unref(cur);
    store_publish_take(r->g.store, at, next);
}

static inline void ask_in(struct rig *r, const struct http_in *in)
{
    struct http_out out;
    serve(&r->g, &r->scratch, in, &out);
    free(r->text);
    json_decref(r->json);
    r->status = out.status;
    r->n = out.head.n + out.tail.n;
    r->text = xmalloc(r->n + 1);
    memcpy(r->text, out.head.p, out.head.n);
    if (out.tail.n > 0) {
        memcpy(r->text + out.head.n, out.tail.p, out.tail.n);
    }
    r->text[r->n] = '\0';
    body_unref(out.hold);
    r->body = strstr(r->text, "\r\n\r\n");
    cr_assert_not_null(r->body, "%s", r->text);
    r->body += 4;
    r->json = json_loads(r->body, JSON_REJECT_DUPLICATES, NULL);
}

// "GET", "/price?symbol=X"
static inline void ask_for(struct rig *r, const char *method, const char *target)
{
    char path[256];
    const char *q = strchr(target, '?');
    size_t n = q ? (size_t)(q - target) : strlen(target);
    cr_assert(str_copyn(path, sizeof path, target, n));
    struct http_in in = {
        .method = method, .path = path, .query = q ? q + 1 : NULL, .keep_alive = true};
    ask_in(r, &in);
}

static inline void get(struct rig *r, const char *target)
{
    ask_for(r, "GET", target);
}

// A header line is there ("Name: value").
static inline bool has_line(const struct rig *r, const char *line)
{
    char want[200];
    cr_assert(str_fmt(want, sizeof want, "\r\n%s\r\n", line));
    const char *at = strstr(r->text, want);
    return at && at < r->body;
}

// A member by dotted path; "[]" steps into the first element, "[n]" into the n-th.
static inline json_t *at_path(json_t *j, const char *path)
{
    char part[64];
    while (j && *path) {
        size_t n = strcspn(path, ".[");
        if (n > 0) {
            cr_assert(str_copyn(part, sizeof part, path, n));
            j = json_object_get(j, part);
            path += n;
        }
        if (*path == '[') {
            size_t idx = 0;
            for (path++; *path && *path != ']'; path++) {
                idx = idx * 10 + (size_t)(*path - '0');
            }
            path += *path == ']';
            j = json_array_get(j, idx);
        }
        path += *path == '.';
    }
    return j;
}

static inline const char *str_at(const struct rig *r, const char *path)
{
    json_t *j = at_path(r->json, path);
    return j && json_is_string(j) ? json_string_value(j) : "(no string)";
}

#endif

#include "common/market/instrument.h"

#include <criterion/criterion.h>
#include <string.h>

#include "common/base/str.h"

static int parse(const char *s, struct instrument *ins)
{
    struct err e;
    return instrument_parse(s, strlen(s), VENUE_BINANCE, ins, &e);
}

Test(instrument, names)
{
    struct instrument ins;
    cr_assert_eq(parse("btcusdt", &ins), 0);
    cr_expect_str_eq(ins.name, "binance:BTCUSDT");
    cr_assert_eq(parse("Bybit:1000PEPE-x_2", &ins), 0);
    cr_expect_str_eq(ins.name, "bybit:1000PEPE-X_2");
    cr_expect_eq(ins.venue, VENUE_BYBIT);
    cr_expect_str_eq(ins.symbol, "1000PEPE-X_2");
    static const char *const bad[] = {
        "",
        "B",
        "binance:",
        ":BTCUSDT",
        "kraken:BTCUSDT",
        "BTC USDT",
        "BTC/USDT",
        "binance:a:b",
        "BTCUSDT\n",
        "B{x}",
        "ABCDEFGHIJKLMNOPQRSTUVWXYZ01234",
        "binancebinancebinance:BTCUSDT",
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        cr_expect_eq(parse(bad[i], &ins), ERR_SYNTAX, "\"%s\"", bad[i]);
    }
    cr_expect_eq(parse("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123", &ins), 0, "30 characters");
}

Test(instrument, keys_share_a_hash_tag)
{
    struct instrument ins;
    char key[KEY_MAX];
    cr_assert_eq(parse("BTCUSDT", &ins), 0);
    cr_expect_eq(instrument_key(&ins, "context:2026-11-22", key), strlen(key));
    cr_expect_str_eq(key, "bc4:{binance:BTCUSDT}:context:2026-11-22");
}

Test(instrument, scales_leave_two_decimals_below_tick_and_step)
{
    static const struct {
        const char *tick, *step;
        int wire, price_scale, price_decimals, qty_scale, qty_decimals;
        int64_t bin;
    } row[] = {
        {"0.10", "0.001", -1, 3, 1, 5, 3, 100},
        {"0.1", "0.001", -1, 3, 1, 5, 3, 100},
        {"1", "1", -1, 2, 0, 2, 0, 100},
        {"0.5", "10", -1, 3, 1, 2, 0, 500},
        {"0.00000001", "1e-8", -1, 10, 8, 10, 8, 100},
        {"0.000000001", "1", -1, 10, 9, 2, 0, 10},
        {"0.0000000001", "1", -1, 10, 10, 2, 0, 1},
        {"0.10", "", 3, 3, 1, 8, 3, 100},
        {"0.10", "", 7, 3, 1, 9, 7, 100},
        {"0.10", "", 10, 3, 1, 10, 10, 100},
    };
    for (size_t i = 0; i < sizeof row / sizeof row[0]; i++) {
        struct instrument ins;
        struct err e;
        cr_assert_eq(parse("BTCUSDT", &ins), 0);
        cr_assert_eq(instrument_set_units(&ins, row[i].tick, row[i].step, row[i].wire, &e), 0,
                     "row %zu: %s", i, e.text);
        cr_expect(ins.price_scale == row[i].price_scale &&
                      ins.price_decimals == row[i].price_decimals &&
                      ins.qty_scale == row[i].qty_scale &&
                      ins.qty_decimals == row[i].qty_decimals && ins.bin_ticks == row[i].bin,
                  "row %zu: %d %d %d %d %lld", i, ins.price_scale, ins.price_decimals,
                  ins.qty_scale, ins.qty_decimals, (long long)ins.bin_ticks);
        // Stored and read back it is the same.
        struct instrument_fields f;
        struct instrument back;
        const char *kv[24];
        instrument_to_fields(&ins, &f);
        for (size_t k = 0; k < f.n; k++) {
            kv[2 * k] = f.name[k];
            kv[2 * k + 1] = f.value[k];
        }
        cr_assert_eq(instrument_from_fields(&ins, kv, f.n, &back, &e), 0, "row %zu: %s", i, e.text);
        cr_expect(back.price_scale == ins.price_scale && back.qty_scale == ins.qty_scale &&
                  back.price_decimals == ins.price_decimals &&
                  back.qty_decimals == ins.qty_decimals && back.bin_ticks == ins.bin_ticks);
        cr_expect_str_eq(back.tick_size, row[i].tick);
        cr_expect_str_eq(back.step_size, row[i].step);
    }
}

Test(instrument, units_that_are_none_are_refused_and_change_nothing)
{
    static const struct {
        const char *tick, *step;
        int wire;
    } bad[] = {
        {"", "0.001", -1},
        {"0", "0.001", -1},
        {"-0.1", "0.001", -1},
        {"x", "0.001", -1},
        {"0.1", "0", -1},
        {"0.1", "-1", -1},
        {"0.1", "x", -1},
        {"0.1", "", -1},
        {"0.1", "", 11},
        {"1e-11", "0.1", -1},
        {"0.1", "1e-11", -1},
        {"1e18", "0.1", -1},
        {"0.1000000000000000000000000", "1", -1},
    };
    struct instrument ins;
    cr_assert_eq(parse("BTCUSDT", &ins), 0);
    struct instrument before = ins;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct err e;
        cr_expect_lt(instrument_set_units(&ins, bad[i].tick, bad[i].step, bad[i].wire, &e), 0,
                     "row %zu", i);
        cr_expect_eq(memcmp(&ins, &before, sizeof ins), 0, "row %zu", i);
    }
}

Test(instrument, stored_fields_are_checked_one_by_one)
{
    static const char *const good[] = {
        "venue",       "binance", "symbol",    "BTCUSDT", "tick",         "0.10",
        "step",        "0.001",   "min_qty",   "0.001",   "min_notional", "100",
        "price_scale", "3",       "qty_scale", "5",       "simulated",    "1",
        "schema",      "1",       "_raw",      "{}",
    };
    enum { PAIRS = sizeof good / sizeof good[0] / 2 };
    struct instrument who;
    struct instrument out;
    struct err e;
    cr_assert_eq(parse("BTCUSDT", &who), 0);
    cr_assert_eq(instrument_from_fields(&who, good, PAIRS, &out, &e), 0, "%s", e.text);
    cr_expect(out.simulated && out.bin_ticks == 100 && out.price_decimals == 1);
    cr_expect_str_eq(out.min_notional, "100");
    for (size_t i = 0; i + 1 < PAIRS; i++) {
        const char *kv[2 * PAIRS];
        memcpy(kv, good, sizeof kv);
        kv[2 * i] = "other";
        cr_expect_eq(instrument_from_fields(&who, kv, PAIRS, &out, &e), ERR_SYNTAX, "%s",
                     good[2 * i]);
        cr_expect_not_null(strstr(e.text, good[2 * i]), "%s", e.text);
    }
    static const char *const bad[][2] = {
        {"venue", "bybit"},    {"symbol", "ETHUSDT"}, {"tick", "x"},      {"price_scale", "0"},
        {"price_scale", "11"}, {"qty_scale", "2"},    {"simulated", "2"}, {"price_scale", ""},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        const char *kv[2 * PAIRS];
        memcpy(kv, good, sizeof kv);
        for (size_t k = 0; k < PAIRS; k++) {
            if (strcmp(kv[2 * k], bad[i][0]) == 0) {
                kv[2 * k + 1] = bad[i][1];
            }
        }
        cr_expect_eq(instrument_from_fields(&who, kv, PAIRS, &out, &e), ERR_SYNTAX, "%s=%s",
                     bad[i][0], bad[i][1]);
    }
    const char *other[2 * PAIRS];
    memcpy(other, good, sizeof other);
    for (size_t k = 0; k < PAIRS; k++) {
        if (strcmp(other[2 * k], "schema") == 0) {
            other[2 * k + 1] = "2";
        }
    }
    cr_expect_eq(instrument_from_fields(&who, other, PAIRS, &out, &e), ERR_STATE);
    cr_expect(strstr(e.text, "newer version"), "%s", e.text);
    for (size_t k = 0; k < PAIRS; k++) {
        if (strcmp(other[2 * k], "schema") == 0) {
            other[2 * k + 1] = "0";
        }
    }
    cr_expect_eq(instrument_from_fields(&who, other, PAIRS, &out, &e), 0, "older: %s", e.text);
    cr_expect_eq(out.schema, 0);
}

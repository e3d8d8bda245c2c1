#include "common/market/day.h"

#include <criterion/criterion.h>
#include <stdio.h>

#include "common/base/clock.h"
#include "common/base/str.h"
#include "tests/support/tsv.h"

#define DAY INT64_C(1795132800000) // 2026-11-20

static struct instrument units(const char *tick, const char *step)
{
    struct instrument ins;
    struct err e;
    cr_assert_eq(instrument_parse("BTCUSDT", 7, VENUE_BINANCE, &ins, NULL), 0);
    cr_assert_eq(instrument_set_units(&ins, tick, step, -1, &e), 0, "%s", e.text);
    return ins;
}

static struct trade trade(const struct instrument *ins, int64_t in_day_ms, int64_t id,
                          const char *price, const char *qty, enum side side)
{
    struct trade t = {.ts_ms = DAY + in_day_ms, .id = id, .side = (uint8_t)side};
    enum refusal r = trade_set_numbers(&t, ins, slice_of(price), slice_of(qty));
    cr_assert_eq(r, REFUSE_NONE, "%s x %s: %s", price, qty, refusal_name(r));
    return t;
}

static void count(struct day *d, struct trade t)
{
    cr_assert_eq(day_add(d, &t), 0);
}

Test(day, levels_table)
{
    struct tsv t;
    tsv_open(&t, "tests/fixtures/market/day_levels.tsv");
    while (tsv_next(&t, 12)) {
        struct instrument ins = units(t.cell[0], t.cell[1]);
        struct day d;
        struct day_levels v;
        char *row;
        char *word;
        int64_t id = 1;
        day_init(&d);
        day_start(&d, DAY, ins.bin_ticks);
        for (char *w = strtok_r(t.cell[2], ";", &row); w; w = strtok_r(NULL, ";", &row)) {
            const char *ms = strtok_r(w, " ", &word);
            const char *price = strtok_r(NULL, " ", &word);
            const char *qty = strtok_r(NULL, " ", &word);
            const char *side = strtok_r(NULL, " ", &word);
            struct trade one = trade(&ins, strtoll(ms, NULL, 10), id++, price, qty,
                                     *side == 'b' ? SIDE_BUY : SIDE_SELL);
            cr_assert_eq(day_add(&d, &one), 0, "line %d", t.line);
        }
        day_levels(&d, &ins, &v);
        cr_expect_str_eq(v.vwap, t.cell[3], "line %d", t.line);
        cr_expect_str_eq(v.vwap_quote, t.cell[4], "line %d", t.line);
        cr_expect_str_eq(v.sigma, t.cell[5], "line %d", t.line);
        for (int k = 0; k < 3; k++) {
            cr_expect_str_eq(v.band_up[k], t.cell[6 + k], "line %d band +%d", t.line, k + 1);
            cr_expect_str_eq(v.band_dn[k], t.cell[9 + k], "line %d band -%d", t.line, k + 1);
        }
        day_release(&d);
    }
}

Test(day, opening_range_and_cd_pre_have_their_milliseconds)
{
    struct instrument ins = units("0.10", "0.001");
    struct day d;
    struct day_levels v;
    day_init(&d);
    day_start(&d, DAY, ins.bin_ticks);
    count(&d, trade(&ins, 0, 1, "50.0", "1", SIDE_BUY));
    count(&d, trade(&ins, 8 * 3600000 - 1, 2, "99.0", "4", SIDE_SELL));
    day_levels(&d, &ins, &v);
    cr_expect_str_eq(v.or_high, "");
    cr_expect_str_eq(v.or_low, "");
    cr_expect_str_eq(v.cd_pre, "-3.000");
    count(&d, trade(&ins, 8 * 3600000, 3, "60.1", "8", SIDE_BUY));
    day_levels(&d, &ins, &v);
    cr_expect_str_eq(v.or_high, "60.1");
    cr_expect_str_eq(v.or_low, "60.1");
    cr_expect_str_eq(v.cd_pre, "-3.000");
    count(&d, trade(&ins, 8 * 3600000 + 599999, 4, "60.3", "1", SIDE_BUY));
    count(&d, trade(&ins, 8 * 3600000 + 600000, 5, "10.0", "1", SIDE_BUY));
    count(&d, trade(&ins, MS_PER_DAY - 1, 6, "90.0", "1", SIDE_BUY));
    day_levels(&d, &ins, &v);
    cr_expect_str_eq(v.or_high, "60.3");
    cr_expect_str_eq(v.or_low, "60.1");
    cr_expect_str_eq(v.high, "99.0");
    cr_expect_str_eq(v.low, "10.0");
    cr_expect_str_eq(v.range, "89.0");
    cr_expect_str_eq(v.last, "90.0");
    cr_expect_str_eq(v.delta, "8.000");
    day_release(&d);
}

Test(day, of_two_trades_in_one_millisecond_the_id_decides_first_and_last)
{
    struct instrument ins = units("0.10", "0.001");
    struct day d;
    day_init(&d);
    day_start(&d, DAY, ins.bin_ticks);
    count(&d, trade(&ins, 5, 8, "2", "1", SIDE_BUY));
    count(&d, trade(&ins, 5, 9, "3", "1", SIDE_BUY));
    count(&d, trade(&ins, 5, 7, "1", "1", SIDE_BUY));
    cr_expect_eq(d.first.id, 7);
    cr_expect_eq(d.last.id, 9);
    day_release(&d);
}

Test(day, no_trade_prints_nothing)
{
    struct instrument ins = units("0.10", "0.001");
    struct day d;
    struct day_levels v;
    struct day_levels zero;
    memset(&zero, 0, sizeof zero);
    day_init(&d);
    cr_expect(day_is_empty_slot(&d));
    day_levels(&d, &ins, &v);
    cr_expect_eq(memcmp(&v, &zero, sizeof v), 0);
    day_start(&d, DAY, ins.bin_ticks);
    day_levels(&d, &ins, &v);
    cr_expect_eq(memcmp(&v, &zero, sizeof v), 0);
    cr_expect(day_is_consistent(&d));
    day_release(&d);
}

Test(day, block_volume_is_counted_in_and_shown_apart)
{
    struct instrument ins = units("0.10", "0.001");
    struct day d;
    struct day_levels v;
    day_init(&d);
    day_start(&d, DAY, ins.bin_ticks);
    struct trade t = trade(&ins, 5, 8, "2", "1.5", SIDE_SELL);
    t.flags = TRADE_BLOCK;
    count(&d, t);
    count(&d, trade(&ins, 6, 9, "2", "1", SIDE_SELL));
    day_levels(&d, &ins, &v);
    cr_expect_str_eq(v.block, "1.500");
    cr_expect_str_eq(v.sell, "2.500");
    day_release(&d);
}

Test(day, a_trade_that_does_not_fit_leaves_the_day_as_it_was)
{
    struct instrument ins = units("0.10", "0.001");
    struct day d;
    day_init(&d);
    day_start(&d, DAY, ins.bin_ticks);
    struct trade t = {.ts_ms = DAY, .id = 1, .price = INT64_MAX, .qty = INT64_MAX - 5};
    count(&d, t);
    struct day before = d;
    t = (struct trade){.ts_ms = DAY + 1, .id = 2, .price = 1, .qty = 6, .side = SIDE_SELL};
    cr_expect_eq(day_add(&d, &t), ERR_OVERFLOW);
    cr_expect_eq(memcmp(&d, &before, sizeof d), 0);
    cr_expect_eq(profile_bins(d.profile), 1);
    t.qty = 5;
    cr_expect_eq(day_add(&d, &t), 0);
    // The largest sums there can be still print.
    struct day_levels v;
    day_levels(&d, &ins, &v);
    cr_expect_neq(v.sigma[0], '\0');
    cr_expect_neq(v.band_dn[2][0], '\0');
    day_release(&d);
}

struct fields {
    char name[64][NUM_TEXT];
    char value[64][160];
    const char *kv[128];
    size_t n;
};

static void keep(void *arg, const char *field, const char *value, size_t n)
{
    struct fields *f = arg;
    cr_assert_eq(strlen(value), n);
    cr_assert(str_copy(f->name[f->n], sizeof f->name[0], field));
    cr_assert(str_copy(f->value[f->n], sizeof f->value[0], value));
    f->kv[2 * f->n] = f->name[f->n];
    f->kv[2 * f->n + 1] = f->value[f->n];
    f->n++;
}

static char *value_of(struct fields *f, const char *name)
{
    for (size_t i = 0; i < f->n; i++) {
        if (strcmp(f->name[i], name) == 0) {
            return f->value[i];
        }
    }
    cr_assert(false, "no field %s", name);
    return f->value[0];
}

static void stored_day(struct day *d, const struct instrument *ins, struct fields *f)
{
    day_init(d);
    day_start(d, DAY, ins->bin_ticks);
    count(d, trade(ins, 8 * 3600000, 1, "61640.0", "0.001", SIDE_BUY));
    count(d, trade(ins, 8 * 3600000 + 3, 2, "61640.25", "12.5", SIDE_SELL));
    memset(f, 0, sizeof *f);
    day_to_fields(d, ins, keep, f);
}

Test(day, stored_fields_are_readable_and_exact)
{
    struct instrument ins = units("0.10", "0.001");
    struct day d;
    struct fields f;
    stored_day(&d, &ins, &f);
    static const char *const want[][2] = {
        {"start_ms", "1795132800000"},
        {"bin", "0.1"},
        {"trades", "2"},
        {"sum_q", "12.501"},
        {"sum_pq", "770564.765"},
        {"buy_volume", "0.001"},
        {"sell_volume", "12.500"},
        {"block_volume", "0.000"},
        {"high", "61640.25"},
        {"low", "61640.0"},
        {"or_high", "61640.25"},
        {"or_low", "61640.0"},
        {"pre_buy", "0.000"},
        {"pre_sell", "0.000"},
        {"first", "1795161600000 1 61640.0 0.001 buy"},
        {"last", "1795161600003 2 61640.25 12.500 sell"},
        {"poc", "61640.2"},
        {"poc_volume", "12.500"},
        {"vah", "61640.2"},
        {"val", "61640.2"},
        {"range", "0.25"},
        {"delta", "-12.499"},
        {"cd_pre", "0.000"},
        {"price", "61640.25"},
        {"volume", "12.501"},
        {"vwap", "61640.24998000"},
    };
    for (size_t i = 0; i < sizeof want / sizeof want[0]; i++) {
        cr_expect_str_eq(value_of(&f, want[i][0]), want[i][1], "%s", want[i][0]);
    }
    day_release(&d);
}

Test(day, what_is_stored_but_can_not_be_is_refused)
{
    struct instrument ins = units("0.10", "0.001");
    static const char *const bad[][2] = {
        {"start_ms", "1795132800001"},
        {"start_ms", ""},
        {"bin", "0"},
        {"bin", "x"},
        {"trades", "-2"},
        {"trades", "0"},
        {"sum_q", "12.502"},
        {"sum_q", ""},
        {"sum_pq", "99999999"},
        {"sum_ppq", "1"},
        {"sum_ppq", "1e9"},
        {"buy_volume", "-0.001"},
        {"sell_volume", "9223372036854775807"},
        {"block_volume", "13"},
        {"high", "61639.9"},
        {"high", ""},
        {"first", "1795161600000 1 61640.0 0.001"},
        {"first", "1795161600000 1 61640.0 0.001 buy x"},
        {"first", "1795161600000 1 61640.0 0.001 Buy"},
        {"last", "1795161600003 -2 61640.25 12.500 sell"},
        {"last", ""},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct day d;
        struct fields f;
        struct err e;
        stored_day(&d, &ins, &f);
        (void)str_copy(value_of(&f, bad[i][0]), sizeof f.value[0], bad[i][1]);
        cr_expect_lt(day_from_fields(&d, &ins, DAY, f.kv, f.n, &e), 0, "%s = \"%s\"", bad[i][0],
                     bad[i][1]);
        cr_expect(day_is_empty_slot(&d));
        day_release(&d);
    }
}

Test(day, profile_and_sums_that_disagree_are_not_believed)
{
    struct instrument ins = units("0.10", "0.001");
    struct day d;
    struct fields f;
    struct err e;
    stored_day(&d, &ins, &f);
    cr_expect(day_is_consistent(&d));
    cr_assert_eq(day_from_fields(&d, &ins, DAY, f.kv, f.n, &e), 0, "%s", e.text);
    cr_expect_not(day_is_consistent(&d), "no bins yet");
    cr_assert_eq(day_set_bin(&d, &ins, "61640.0", "0.001 0.001 0.000 1", &e), 0, "%s", e.text);
    cr_expect_not(day_is_consistent(&d));
    cr_assert_eq(day_set_bin(&d, &ins, "61640.3", "12.500 0 12.5 1", &e), 0, "%s", e.text);
    cr_expect_not(day_is_consistent(&d), "a bin above the high");
    cr_assert_eq(day_from_fields(&d, &ins, DAY, f.kv, f.n, &e), 0, "%s", e.text);
    cr_assert_eq(day_set_bin(&d, &ins, "61640.0", "0.001 0.001 0.000 1", &e), 0);
    cr_assert_eq(day_set_bin(&d, &ins, "61640.2", "12.500 0.000 12.500 1", &e), 0);
    cr_expect(day_is_consistent(&d));
    static const char *const bad[][2] = {
        {"61640.25", "1 1 0 1"}, {"61640.2", "1 1 1 1"},  {"61640.2", "1 1 0"},
        {"61640.2", "1 1 0 1 "}, {"61640.2", "1 1 0 x"},  {"x", "1 1 0 1"},
        {"61640.2", ""},         {"61640.2", "1  1 0 1"}, {"-0.1", "1 1 0 1"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        cr_expect_lt(day_set_bin(&d, &ins, bad[i][0], bad[i][1], &e), 0, "%s", bad[i][1]);
    }
    cr_expect(day_is_consistent(&d));
    day_release(&d);
}

// Context's side of a day that its summary tells: the fields of the previous day, its coverage and
// the counters, against the same day told by its trades.

#include <criterion/criterion.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/market/summary.h"
#include "services/context/core/context.h"
#include "tests/support/rng.h"

#define DAY INT64_C(1795132800000) // 2026-11-20
#define TRADES 2000

static struct instrument ins;
static struct trade v[TRADES + 1]; // the day, and the first trade of the next one
static struct buf text;

static void setup(void)
{
    struct rng r = {11};
    struct summary_fold *f;
    struct summary s;
    cr_assert_eq(instrument_parse("BTCUSDT", 7, VENUE_BINANCE, &ins, NULL), 0);
    cr_assert_eq(instrument_set_units(&ins, "0.10", "0.001", -1, NULL), 0);
    f = summary_fold_new(&ins, DAY);
    summary_init(&s);
    buf_init(&text, SUMMARY_TEXT_MAX + 64);
    for (int64_t i = 0; i <= TRADES; i++) {
        v[i] = (struct trade){.ts_ms = DAY + i * (MS_PER_DAY / TRADES),
                              .id = 700 + i,
                              .price = 61640000 + (int64_t)rng_below(&r, 5000),
                              .qty = 1 + (int64_t)rng_below(&r, 5000),
                              .side = (uint8_t)rng_below(&r, 2)};
        cr_assert(i == TRADES || summary_fold_add(f, &v[i]) == 0);
    }
    cr_assert_eq(summary_fold_end(f, &s, NULL), 0);
    cr_assert_eq(summary_format(&s, &ins, &text), 0);
    summary_release(&s);
    summary_fold_free(f);
}

static void teardown(void)
{
    buf_release(&text);
}

TestSuite(take_day, .init = setup, .fini = teardown);

static struct history entry(void)
{
    return (struct history){.kind = HISTORY_DAY,
                            .from_id = 700,
                            .to_id = 700 + TRADES - 1,
                            .from_ms = DAY,
                            .to_ms = DAY + MS_PER_DAY,
                            .source = "store",
                            .n = TRADES,
                            .data = {buf_ptr(&text), buf_len(&text)}};
}

static void put(void *arg, const char *field, const char *value, size_t n)
{
    if (field[0] != '_') {
        buf_addf(arg, "%s=%.*s\n", field, (int)n, value);
    }
}

static void told(struct context *c, struct buf *out)
{
    struct context_look look = {.or_e8 = -1};
    context_look_init(&look);
    context_look(c, &look);
    buf_init(out, 1 << 20);
    context_fields(c, &look, put, out);
    day_to_fields(&c->ledger.prev, &ins, put, out);
    coverage_day_json(&look.prev, out);
    cr_assert_not(out->failed);
    context_look_release(&look);
}

Test(take_day, fields_and_coverage_are_those_of_the_trades)
{
    struct context rows;
    struct context one;
    struct buf a;
    struct buf b;
    const struct history whole = {.kind = HISTORY_TRADES,
                                  .from_id = 699, // proves where the day begins
                                  .to_id = 700 + TRADES - 1,
                                  .from_ms = DAY - 5,
                                  .to_ms = v[TRADES - 1].ts_ms,
                                  .source = "archive",
                                  .n = TRADES};
    const struct history day = entry();
    context_init(&rows, &ins);
    context_init(&one, &ins);
    for (size_t i = 0; i < TRADES; i++) {
        context_on_trade(&rows, &v[i], 0, true);
    }
    context_on_history(&rows, &whole);
    context_on_trade(&rows, &v[TRADES], 1, false);

    context_on_trade(&one, &v[3], 1, false); // it had seen some of it
    context_on_trade(&one, &v[TRADES], 1, false);
    context_on_history(&one, &day);
    context_on_history(&one, &day);
    context_on_trade(&one, &v[TRADES - 1], 0, true);
    cr_assert_eq(one.days, 1);
    cr_assert_eq(one.ledger.duplicates, 2);
    cr_assert_eq(one.days_refused, 0);
    told(&rows, &a);
    told(&one, &b);
    cr_assert_str_eq(buf_cstr(&b), buf_cstr(&a));
    buf_release(&a);
    buf_release(&b);
    context_release(&rows);
    context_release(&one);
}

Test(take_day, what_is_cut_is_refused_and_changes_nothing)
{
    struct context c;
    struct history h = entry();
    context_init(&c, &ins);
    context_on_trade(&c, &v[3], 1, false);
    h.data.n -= 1;
    context_on_history(&c, &h);
    cr_assert_eq(c.days_refused, 1);
    cr_assert_eq(c.bad, 1);
    cr_assert_gt(strlen(c.refused.text), 0);
    cr_assert_eq(c.ledger.cur.trades, 1);
    cr_assert_eq(c.ledger.held.n, 1);
    context_release(&c);
}

// The text of a day's summary: what goes in comes out, and nothing that is cut, changed, of other
// units or at odds with itself is taken. (That state made of it is state made of the trades:
// strategy/test_take_day, context/test_take_day.)

#include <criterion/criterion.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "common/base/clock.h"
#include "common/market/summary.h"
#include "tests/support/rng.h"

#define DAY INT64_C(1795132800000) // 2026-11-20

static struct instrument instrument(const char *name)
{
    struct instrument ins;
    cr_assert_eq(instrument_parse(name, strlen(name), VENUE_BINANCE, &ins, NULL), 0);
    cr_assert_eq(instrument_set_units(&ins, "0.10", "0.001", -1, NULL), 0);
    return ins;
}

static struct trade make(struct rng *r, int64_t ts_ms, int64_t id)
{
    return (struct trade){.ts_ms = ts_ms,
                          .id = id,
                          .price = 616400 + (int64_t)rng_below(r, 300),
                          .qty = 1 + (int64_t)rng_below(r, 9000),
                          .side = (uint8_t)rng_below(r, 2)};
}

// The text of a day of `n` trades, evenly spread.
static void fold_text(const struct instrument *ins, size_t n, uint64_t seed, struct buf *text)
{
    struct rng r = {seed};
    struct summary_fold *f = summary_fold_new(ins, DAY);
    struct summary s;
    struct err e = {0};
    summary_init(&s);
    for (size_t i = 0; i < n; i++) {
        struct trade t =
            make(&r, DAY + (int64_t)i * (MS_PER_DAY / (int64_t)n), (int64_t)(5000 + i));
        if (ins->venue == VENUE_BYBIT) {
            t.id = 0;
            t.uid = (struct trade_uid){i + 1, i + 1};
        }
        cr_assert_eq(summary_fold_add(f, &t), 0);
    }
    cr_assert_eq(summary_fold_end(f, &s, &e), 0, "%s", e.text);
    buf_init(text, SUMMARY_TEXT_MAX + 64);
    cr_assert_eq(summary_format(&s, ins, text), 0);
    summary_release(&s);
    summary_fold_free(f);
}

static void round_trip(const char *name)
{
    struct instrument ins = instrument(name);
    struct buf text;
    struct buf again;
    struct summary s;
    struct err e = {0};
    fold_text(&ins, 4000, 1, &text);
    summary_init(&s);
    cr_assert_eq(summary_parse(&s, &ins, buf_ptr(&text), buf_len(&text), &e), 0, "%s", e.text);
    cr_assert_eq(s.day.trades, 4000);
    cr_assert_gt(s.day.sealed, 0);
    cr_assert_eq(s.from_id, ins.venue == VENUE_BYBIT ? -1 : 5000);
    cr_assert_eq(s.to_id, ins.venue == VENUE_BYBIT ? -1 : 8999);
    cr_assert_eq(s.names > 0, ins.venue == VENUE_BYBIT);
    buf_init(&again, SUMMARY_TEXT_MAX + 64);
    cr_assert_eq(summary_format(&s, &ins, &again), 0);
    cr_assert_eq(buf_len(&text), buf_len(&again));
    cr_assert_eq(memcmp(buf_ptr(&text), buf_ptr(&again), buf_len(&text)), 0);
    summary_release(&s);
    buf_release(&text);
    buf_release(&again);
}

Test(summary, text_goes_and_comes)
{
    round_trip("binance:BTCUSDT");
    round_trip("bybit:BTCUSDT");
}

Test(summary, folding_refuses_what_is_no_whole_day_in_order)
{
    struct instrument ins = instrument("binance:BTCUSDT");
    struct rng r = {3};
    struct summary s;
    struct err e = {0};
    summary_init(&s);
    const struct trade first = make(&r, DAY, 10);
    const struct trade wrong[] = {
        make(&r, DAY - 1, 9),
        make(&r, DAY + MS_PER_DAY, 11),
        make(&r, DAY, 9),
        first,
    };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        struct summary_fold *f = summary_fold_new(&ins, DAY);
        cr_assert_eq(summary_fold_add(f, &first), 0);
        cr_assert_eq(summary_fold_add(f, &wrong[i]), ERR_STATE, "trade %zu", i);
        summary_fold_free(f);
    }
    struct summary_fold *f = summary_fold_new(&ins, DAY);
    cr_assert_eq(summary_fold_end(f, &s, &e), ERR_STATE, "a day without a trade");
    const struct trade gap = make(&r, DAY + 1, 12);
    cr_assert_eq(summary_fold_add(f, &first), 0);
    cr_assert_eq(summary_fold_add(f, &gap), 0);
    cr_assert_eq(summary_fold_end(f, &s, &e), ERR_STATE, "id 11 is not there");
    summary_fold_free(f);

    ins = instrument("bybit:BTCUSDT");
    f = summary_fold_new(&ins, DAY);
    struct trade t = make(&r, DAY, 0);
    cr_assert_eq(summary_fold_add(f, &t), ERR_STATE, "no name");
    t.uid = (struct trade_uid){1, 1};
    cr_assert_eq(summary_fold_add(f, &t), 0);
    t.ts_ms++; // the same name again
    cr_assert_eq(summary_fold_add(f, &t), ERR_STATE);
    summary_fold_free(f);
    summary_release(&s);
}

// Puts the last line right, so that only the meaning of what was changed can be refused.
static size_t seal(char *text, size_t n)
{
    char *end = (char *)memrchr(text, '\n', n - 1) + 1;
    size_t before = (size_t)(end - text);
    return before + (size_t)snprintf(end, 64, "end %zu %08" PRIx32 "\n", before,
                                     (uint32_t)crc32(0, (unsigned char *)text, (unsigned)before));
}

// One changed number anywhere contradicts the rest of it; a wrong POC of a candle is the exception
// that the sums can not tell, within the candle's range.
Test(summary, every_changed_digit_is_refused)
{
    struct instrument ins = instrument("binance:BTCUSDT");
    struct buf text;
    struct summary s;
    struct rng r = {17};
    fold_text(&ins, 300, 2, &text);
    size_t n = buf_len(&text);
    char *copy = malloc(n + 128);
    summary_init(&s);
    size_t taken = 0;
    size_t tried = 0;
    for (size_t k = 0; k < 6000; k++) {
        size_t at = rng_below(&r, n);
        if (buf_ptr(&text)[at] < '0' || buf_ptr(&text)[at] > '9') {
            continue;
        }
        memcpy(copy, buf_ptr(&text), n);
        copy[at] = (char)('0' + (copy[at] - '0' + 1 + (int)rng_below(&r, 9)) % 10);
        cr_assert_neq(summary_parse(&s, &ins, copy, n, NULL), 0, "the checksum at %zu", at);
        size_t len = seal(copy, n);
        tried++;
        if (summary_parse(&s, &ins, copy, len, NULL) == 0) {
            // Taken it may only be when it is a summary that says the same again.
            struct buf again;
            buf_init(&again, SUMMARY_TEXT_MAX + 64);
            cr_assert_eq(summary_format(&s, &ins, &again), 0);
            taken++;
            buf_release(&again);
        }
    }
    cr_assert_gt(tried, 2000);
    // Opening prices, extremes of the running delta, places inside a candle, opening range: numbers
    // of their own, of which a part of the values is possible.
    cr_assert_lt(taken, tried / 4, "%zu of %zu", taken, tried);
    free(copy);
    summary_release(&s);
    buf_release(&text);
}

Test(summary, every_cut_is_refused)
{
    struct instrument ins = instrument("bybit:BTCUSDT");
    struct buf text;
    struct summary s;
    fold_text(&ins, 40, 2, &text);
    summary_init(&s);
    for (size_t n = 0; n < buf_len(&text); n++) {
        cr_assert_neq(summary_parse(&s, &ins, buf_ptr(&text), n, NULL), 0, "%zu bytes", n);
        cr_assert_neq(summary_parse(&s, &ins, buf_ptr(&text) + n + 1, buf_len(&text) - n - 1, NULL),
                      0, "from %zu", n);
    }
    summary_release(&s);
    buf_release(&text);
}

Test(summary, of_another_instrument_or_other_units_is_refused)
{
    struct instrument ins = instrument("binance:BTCUSDT");
    struct buf text;
    struct summary s;
    struct err e = {0};
    fold_text(&ins, 100, 2, &text);
    summary_init(&s);
    struct instrument other = instrument("binance:ETHUSDT");
    cr_assert_eq(summary_parse(&s, &other, buf_ptr(&text), buf_len(&text), &e), ERR_STATE);
    cr_assert_not_null(strstr(e.text, "instrument"), "%s", e.text);
    other = ins;
    other.qty_scale++;
    cr_assert_eq(summary_parse(&s, &other, buf_ptr(&text), buf_len(&text), &e), ERR_STATE);
    cr_assert_not_null(strstr(e.text, "units"), "%s", e.text);
    other = ins;
    other.bin_ticks *= 2;
    cr_assert_eq(summary_parse(&s, &other, buf_ptr(&text), buf_len(&text), &e), ERR_STATE);
    cr_assert_eq(day_is_empty_slot(&s.day), true);
    summary_release(&s);
    buf_release(&text);
}

Test(summary, says_the_same_as_its_entry_or_is_refused)
{
    struct instrument ins = instrument("binance:BTCUSDT");
    struct buf text;
    struct summary s;
    fold_text(&ins, 100, 2, &text);
    summary_init(&s);
    const struct history good = {.kind = HISTORY_DAY,
                                 .from_id = 5000,
                                 .to_id = 5099,
                                 .from_ms = DAY,
                                 .to_ms = DAY + MS_PER_DAY,
                                 .n = 100,
                                 .data = {buf_ptr(&text), buf_len(&text)}};
    cr_assert_eq(summary_of_history(&s, &ins, &good, NULL), 0);
    for (int k = 0; k < 4; k++) {
        struct history h = good;
        h.from_id -= k == 0;
        h.to_id += k == 1;
        h.from_ms -= k == 2 ? MS_PER_DAY : 0;
        h.n -= k == 3;
        cr_assert_eq(summary_of_history(&s, &ins, &h, NULL), ERR_STATE, "%d", k);
        cr_assert(day_is_empty_slot(&s.day));
    }
    summary_release(&s);
    buf_release(&text);
}

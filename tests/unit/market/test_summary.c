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
#include "common/market/ledger.h"
#include "common/market/summary.h"
#include "tests/support/recording.h"
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

// Real minutes: how large a summary is, and the same state as trade by trade.
static void fold_recording(const char *name, int64_t day_ms)
{
    struct instrument ins = instrument("binance:BTCUSDT");
    struct recording rec;
    if (!recording_open(&rec, name)) {
        fprintf(stderr, "SKIPPED %s: ../shared/data is not there\n", name);
        return;
    }
    struct summary_fold *f = summary_fold_new(&ins, day_ms);
    struct ledger ledger;
    struct summary s;
    struct err e = {0};
    struct buf text;
    size_t n;
    int64_t id = 0;
    ledger_init(&ledger, &ins);
    summary_init(&s);
    buf_init(&text, SUMMARY_TEXT_MAX + 64);
    for (const char *line; (line = recording_next(&rec, &n)) != NULL;) {
        int64_t ts;
        char price[24];
        char qty[24];
        const char *t = strstr(line, "\"e\":\"trade\"");
        const char *p = t ? strstr(t, "\"p\":\"") : NULL;
        const char *q = t ? strstr(t, "\"q\":\"") : NULL;
        const char *at = t ? strstr(t, "\"T\":") : NULL;
        if (!p || !q || !at || !strstr(t, "MARKET") || sscanf(at + 4, "%" SCNd64, &ts) != 1 ||
            sscanf(p + 5, "%23[0-9.]", price) != 1 || sscanf(q + 5, "%23[0-9.]", qty) != 1) {
            continue;
        }
        struct trade v = {.ts_ms = ts, .side = strstr(t, "\"m\":true") ? SIDE_SELL : SIDE_BUY};
        if (trade_set_numbers(&v, &ins, slice_of(price), slice_of(qty)) ||
            day_start_ms(ts) != day_ms) {
            continue;
        }
        v.id = ++id;
        cr_assert_eq(summary_fold_add(f, &v), 0, "%s", line);
        cr_assert_eq(ledger_add(&ledger, &v), LEDGER_COUNTED);
    }
    cr_assert_gt(id, 1000, "%s", name);
    cr_assert_eq(summary_fold_end(f, &s, &e), 0, "%s", e.text);
    cr_assert_eq(summary_format(&s, &ins, &text), 0);
    fprintf(stderr, "%s: %lld trades, %zu minutes, %zu bytes\n", name, (long long)id, s.minutes.n,
            buf_len(&text));
    cr_assert_eq(summary_parse(&s, &ins, buf_ptr(&text), buf_len(&text), &e), 0, "%s", e.text);
    cr_assert_eq(s.day.trades, ledger.cur.trades);
    cr_assert_eq(memcmp(&s.day.sum_ppq, &ledger.cur.sum_ppq, sizeof s.day.sum_ppq), 0);
    cr_assert_eq(profile_bins(s.day.profile), profile_bins(ledger.cur.profile));
    summary_release(&s);
    summary_fold_free(f);
    ledger_release(&ledger);
    buf_release(&text);
    recording_close(&rec);
}

Test(summary, of_recordings)
{
    fold_recording("binance_usdm_BTCUSDT_20240808_2354_trade-depth0ms-bookTicker.raw.gz",
                   INT64_C(1723075200000));
    fold_recording("binance_usdm_BTCUSDT_20230405_0000_trade-depth0ms-bookTicker-markPrice.raw.gz",
                   INT64_C(1680652800000));
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

// A very busy day: the oldest minutes are left out, the newest three hours never.
Test(summary, a_long_one_keeps_the_newest_minutes)
{
    struct instrument ins = instrument("binance:BTCUSDT");
    struct summary_fold *f = summary_fold_new(&ins, DAY);
    struct rng r = {5};
    struct summary s;
    struct err e = {0};
    struct buf text;
    summary_init(&s);
    for (int64_t i = 0; i < 1440 * 400; i++) { // some 400 bins in each minute
        struct trade t = make(&r, DAY + i * 150, 1 + i);
        t.price = 6000000 + (int64_t)rng_below(&r, 4000) * 100;
        cr_assert_eq(summary_fold_add(f, &t), 0);
    }
    cr_assert_eq(summary_fold_end(f, &s, &e), 0, "%s", e.text);
    buf_init(&text, SUMMARY_TEXT_MAX + 64);
    cr_assert_eq(summary_format(&s, &ins, &text), 0);
    cr_assert_leq(buf_len(&text), SUMMARY_TEXT_MAX + 64);
    cr_assert_eq(summary_parse(&s, &ins, buf_ptr(&text), buf_len(&text), &e), 0, "%s", e.text);
    cr_assert_eq(s.candles[0], 1440);
    cr_assert_lt(s.minutes.n, 1440);
    cr_assert_geq(s.minutes.n, 180);
    cr_assert_eq(s.minutes.row[s.minutes.n - 1].start_ms, DAY + 1439 * MINUTE_MS);
    summary_release(&s);
    buf_release(&text);
    summary_fold_free(f);
}

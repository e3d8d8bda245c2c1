#include "common/market/trade.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

static struct instrument units(void)
{
    struct instrument ins;
    cr_assert_eq(instrument_parse("BTCUSDT", 7, VENUE_BINANCE, &ins, NULL), 0);
    cr_assert_eq(instrument_set_units(&ins, "0.10", "0.001", -1, NULL), 0);
    return ins;
}

Test(trade, numbers_are_refused_with_their_reason)
{
    static const struct {
        const char *price, *qty;
        enum refusal want;
    } row[] = {
        {"61640.0", "0.001", REFUSE_NONE},
        {"61640.125", "0.00125", REFUSE_NONE}, // two decimals finer than tick and step
        {"61640.12500000", "3e0", REFUSE_NONE},
        {"61640.1255", "1", REFUSE_PRECISION},
        {"1", "0.000001", REFUSE_PRECISION},
        {"0", "1", REFUSE_ZERO},
        {"1", "0.000", REFUSE_ZERO},
        {"-0", "1", REFUSE_ZERO},
        {"-1", "1", REFUSE_NEGATIVE},
        {"1", "-0.000001", REFUSE_NEGATIVE},
        {"1", "-9e30", REFUSE_NEGATIVE},
        {"9e30", "1", REFUSE_ABSURD},
        {"1", "99999999999999999999", REFUSE_ABSURD},
        {"", "1", REFUSE_MALFORMED},
        {"1", "", REFUSE_MALFORMED},
        {"-", "1", REFUSE_MALFORMED},
        {"NaN", "1", REFUSE_MALFORMED},
        {"1 ", "1", REFUSE_MALFORMED},
        {"0x1", "1", REFUSE_MALFORMED},
    };
    struct instrument ins = units();
    for (size_t i = 0; i < sizeof row / sizeof row[0]; i++) {
        struct trade t;
        enum refusal got =
            trade_set_numbers(&t, &ins, slice_of(row[i].price), slice_of(row[i].qty));
        cr_expect_eq(got, row[i].want, "%s x %s: %s", row[i].price, row[i].qty, refusal_name(got));
    }
    struct trade t;
    cr_assert_eq(trade_set_numbers(&t, &ins, slice_of("61640.125"), slice_of("0.00125")), 0);
    cr_expect(t.price == 61640125 && t.qty == 125);
}

Test(trade, every_refusal_has_its_own_name)
{
    for (int a = 0; a < REFUSE_COUNT_; a++) {
        for (int b = 0; b < a; b++) {
            cr_expect_str_neq(refusal_name((enum refusal)a), refusal_name((enum refusal)b));
        }
    }
}

Test(trade, set_order_is_time_then_id)
{
    struct trade a = {.ts_ms = 1, .id = 9};
    struct trade b = {.ts_ms = 2, .id = 3};
    cr_expect_lt(trade_cmp(&a, &b), 0);
    cr_expect_gt(trade_cmp(&b, &a), 0);
    b.ts_ms = 1;
    cr_expect_gt(trade_cmp(&a, &b), 0);
    b.id = 9;
    cr_expect_eq(trade_cmp(&a, &b), 0);
}

// "name=value name=value .." into slices; an empty value is "name=".
static size_t fields(char *text, struct slice *kv)
{
    size_t n = 0;
    char *save;
    for (char *w = strtok_r(text, "|", &save); w; w = strtok_r(NULL, "|", &save)) {
        char *eq = strchr(w, '=');
        *eq = '\0';
        kv[2 * n] = slice_of(w);
        kv[2 * n++ + 1] = slice_of(eq + 1);
    }
    return n;
}

static int entry(const char *id, const char *text, struct trade *t, int64_t *rx)
{
    struct instrument ins = units();
    struct slice kv[32];
    char copy[512];
    cr_assert(str_copy(copy, sizeof copy, text));
    size_t n = fields(copy, kv);
    return trade_from_entry(&ins, slice_of(id), kv, n, t, rx);
}

Test(trade, a_stream_entry_is_read_whole)
{
    struct trade t;
    int64_t rx;
    cr_assert_eq(
        entry("1723161256322-77", "price=61800.30|qty=0.006|side=sell|id=77|rx_us=5", &t, &rx), 0);
    cr_expect(t.ts_ms == 1723161256322 && t.id == 77 && t.price == 61800300 && t.qty == 600 &&
              t.side == SIDE_SELL && t.flags == 0 && rx == 5);
    // Another order, an unknown field, no receive time.
    cr_assert_eq(entry("5-0", "id=0|x=y|side=buy|qty=1|price=2", &t, &rx), 0);
    cr_expect(t.ts_ms == 5 && t.id == 0 && t.side == SIDE_BUY && rx == 0);
    cr_expect_eq(entry("5-0", "id=0|side=buy|qty=1|price=2", &t, NULL), 0);
}

Test(trade, a_stream_entry_is_never_trusted)
{
    static const char *const bad[][2] = {
        {"5-7", "price=1|qty=1|side=buy|id=8"},
        {"5", "price=1|qty=1|side=buy|id=5"},
        {"", "price=1|qty=1|side=buy|id=5"},
        {"-5-7", "price=1|qty=1|side=buy|id=7"},
        {"x-7", "price=1|qty=1|side=buy|id=7"},
        {"5-7x", "price=1|qty=1|side=buy|id=7"},
        {"5--7", "price=1|qty=1|side=buy|id=-7"},
        {"253402300800000-7", "price=1|qty=1|side=buy|id=7"},
        {"5-9223372036854775807", "price=1|qty=1|side=buy|id=9223372036854775807"},
        {"5-18446744073709551615", "price=1|qty=1|side=buy|id=18446744073709551615"},
        {"5-7", "qty=1|side=buy|id=7"},
        {"5-7", "price=1|side=buy|id=7"},
        {"5-7", "price=1|qty=1|id=7"},
        {"5-7", "price=1|qty=1|side=buy"},
        {"5-7", "price=1|qty=1|side=BUY|id=7"},
        {"5-7", "price=1|qty=1|side=|id=7"},
        {"5-7", "price=0|qty=1|side=buy|id=7"},
        {"5-7", "price=1|qty=-1|side=buy|id=7"},
        {"5-7", "price=1.00000001|qty=1|side=buy|id=7"},
        {"5-7", "price=1|qty=1|side=buy|id=7|rx_us=x"},
        {"5-7", "price=1|qty=1|side=buy|id=7|rx_us=-1"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct trade t = {.id = 4711};
        cr_expect_lt(entry(bad[i][0], bad[i][1], &t, NULL), 0, "%s %s", bad[i][0], bad[i][1]);
        cr_expect_eq(t.id, 4711, "nothing is stored of a refused entry");
    }
}

static int history(char *copy, const char *text, struct history *h, struct err *e)
{
    struct slice kv[32];
    cr_assert(str_copy(copy, 1024, text));
    return history_from_entry(kv, fields(copy, kv), h, e);
}

#define HEAD "kind=trades|from_id=10|to_id=20|from_ms=100|to_ms=200|source=rest|reason=repair|"

Test(trade, history_comes_back_line_by_line)
{
    struct instrument ins = units();
    struct history h;
    struct err e;
    struct trade t;
    char copy[1024];
    size_t pos = 0;
    cr_assert_eq(
        history(copy, HEAD "n=3|data=100 10 1.5 2 buy \nbad line\n200 20 1.6 3 sell 77\n", &h, &e),
        0, "%s", e.text);
    cr_expect(h.kind == HISTORY_TRADES && h.from_id == 10 && h.to_id == 20 && h.from_ms == 100 &&
              h.to_ms == 200 && h.n == 3);
    cr_expect_str_eq(h.source, "rest");
    cr_expect_str_eq(h.reason, "repair");
    cr_assert_eq(history_next(&h, &ins, &pos, &t), 1);
    cr_expect(t.ts_ms == 100 && t.id == 10 && t.price == 1500 && t.qty == 200000 &&
              t.side == SIDE_BUY);
    cr_expect_lt(history_next(&h, &ins, &pos, &t), 0);
    cr_assert_eq(history_next(&h, &ins, &pos, &t), 1);
    cr_expect(t.ts_ms == 200 && t.id == 20 && t.side == SIDE_SELL);
    cr_expect_eq(history_next(&h, &ins, &pos, &t), 0);
    cr_expect_eq(history_next(&h, &ins, &pos, &t), 0);
}

Test(trade, what_is_written_is_what_is_read)
{
    struct instrument ins = units();
    struct buf data;
    struct trade t;
    size_t pos = 0;
    buf_init(&data, 4096);
    history_add_line(&data, 1723161256322, 12, "61800.30", "0.006", SIDE_SELL, "");
    history_add_line(&data, 1723161256322, 13, "61800.3", "5", SIDE_BUY, "991");
    cr_expect_str_eq(buf_cstr(&data), "1723161256322 12 61800.30 0.006 sell \n"
                                      "1723161256322 13 61800.3 5 buy 991\n");
    struct history h = {.kind = HISTORY_TRADES,
                        .from_id = 12,
                        .to_id = 13,
                        .n = 2,
                        .data = {buf_ptr(&data), buf_len(&data)}};
    cr_assert_eq(history_next(&h, &ins, &pos, &t), 1);
    cr_assert_eq(history_next(&h, &ins, &pos, &t), 1);
    cr_expect(t.id == 13 && t.qty == 500000);
    cr_expect_eq(history_next(&h, &ins, &pos, &t), 0);
    buf_release(&data);
}

Test(trade, gaps_and_claims_without_trades)
{
    struct history h;
    struct err e;
    char copy[1024];
    cr_assert_eq(history(copy, "kind=gap|from_id=5|to_id=5|from_ms=7|to_ms=6|n=0", &h, &e), 0);
    cr_expect_eq(h.kind, HISTORY_GAP);
    cr_expect_eq(h.data.n, 0);
    cr_assert_eq(
        history(copy, "kind=lost|from_id=5|to_id=9|from_ms=7|to_ms=8|n=0|reason=old", &h, &e), 0);
    cr_expect_str_eq(history_kind_name(h.kind), "lost");
    cr_assert_eq(history(copy, HEAD "n=0|data=", &h, &e), 0, "excluded ids");
}

// A line that ends with the data, not with a newline, is never taken by the quick way.
Test(trade, the_quick_way_reads_what_the_careful_one_reads)
{
    static const char *const price[] = {"65000.10",
                                        "0.1",
                                        "1",
                                        "00012.5",
                                        "1.5000000",
                                        "5.",
                                        ".5",
                                        "1e3",
                                        "999999999",
                                        "0",
                                        "0.0",
                                        "-1",
                                        "1.2.3",
                                        "",
                                        "12345678901.5",
                                        "1.00001",
                                        "+1",
                                        "1 ",
                                        "123456789012345678901",
                                        "0.00000000000000001"};
    static const char *const side[] = {"buy ", "sell ", "buy", "Buy ", "buy 7", "sell 7", "sell  "};
    static const char *const head[] = {"1795132800001 7",
                                       "1795132800001 8",
                                       "-1 7",
                                       "x 7",
                                       "1 07",
                                       "99999999999999999999 7",
                                       "1795132800001 99999999999999999999"};
    const size_t prices = sizeof price / sizeof price[0], sides = sizeof side / sizeof side[0];
    struct instrument ins = {
        .venue = VENUE_BINANCE, .price_scale = 4, .qty_scale = 5, .bin_ticks = 1};
    for (size_t k = 0; k < sizeof head / sizeof head[0] * prices * prices * sides; k++) {
        char line[200];
        const size_t a = k % prices, b = k / prices % prices, c = k / prices / prices % sides;
        snprintf(line, sizeof line, "%s %s %s %s\n", head[k / prices / prices / sides], price[a],
                 price[b], side[c]);
        struct history h = {.kind = HISTORY_TRADES, .from_id = 7, .to_id = 7, .n = 1};
        struct trade quick = {0}, careful = {0};
        size_t p1 = 0, p2 = 0;
        h.data = (struct slice){line, strlen(line)};
        const int rc = history_next(&h, &ins, &p1, &quick);
        h.data.n--;
        cr_assert_eq(rc, history_next(&h, &ins, &p2, &careful), "%s", line);
        cr_assert_eq(p1, p2 + 1);
        cr_assert(rc != 1 || memcmp(&quick, &careful, sizeof quick) == 0, "%s", line);
    }
}

Test(trade, history_that_contradicts_itself_claims_nothing)
{
    static const char *const bad[] = {
        "kind=x|from_id=5|to_id=5|from_ms=7|to_ms=8|n=0",
        "from_id=5|to_id=5|from_ms=7|to_ms=8|n=0",
        "kind=gap|from_id=6|to_id=5|from_ms=7|to_ms=8|n=0",
        "kind=gap|from_id=-6|to_id=5|from_ms=7|to_ms=8|n=0",
        "kind=gap|from_id=5|to_id=9223372036854775807|from_ms=7|to_ms=8|n=0",
        "kind=gap|from_id=5|to_id=5|from_ms=-7|to_ms=8|n=0",
        "kind=gap|from_id=5|to_id=5|from_ms=7|to_ms=|n=0",
        "kind=gap|from_id=5|to_id=5|from_ms=7|to_ms=8|n=-1",
        "kind=gap|from_id=5|to_id=5|from_ms=7|to_ms=8",
        HEAD "n=2|data=100 10 1.5 2 buy \n",
        HEAD "n=0|data=100 10 1.5 2 buy \n",
        HEAD "n=1|data=",
        HEAD "n=1",
        ("kind=gap|from_id=5|to_id=5|from_ms=7|to_ms=8|n=0|"
         "source=0123456789012345678901234567890123456789"),
    };
    struct history h;
    struct err e;
    char copy[1024];
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        cr_expect_lt(history(copy, bad[i], &h, &e), 0, "%s", bad[i]);
    }
    static const char *const lines[] = {
        "100 9 1 1 buy ",   "100 21 1 1 buy ",  "100 10 1 1 buy", "100 10 1 1 Buy ",
        "100 10 1 0 buy ",  "x 10 1 1 buy ",    "100 10 1 1 ",    "",
        "100 10 1 1 buy x", "100  10 1 1 buy ", "-1 10 1 1 buy ", "100 10 1 1 buy 1 2",
    };
    struct instrument ins = units();
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        struct trade t;
        size_t pos = 0;
        char text[64];
        (void)str_fmt(text, sizeof text, "%s\n", lines[i]);
        h = (struct history){
            .kind = HISTORY_TRADES, .from_id = 10, .to_id = 20, .n = 1, .data = slice_of(text)};
        cr_expect_lt(history_next(&h, &ins, &pos, &t), 0, "\"%s\"", lines[i]);
        cr_expect_eq(history_next(&h, &ins, &pos, &t), 0);
    }
}

// ---- Bybit: trades that a UUID names ------------------------------------------------------------

#define UUID "2a74ac78-691c-5b54-9dbe-5aafe8364627"

static struct instrument bybit(void)
{
    struct instrument ins;
    cr_assert_eq(instrument_parse("bybit:BTCUSDT", 13, VENUE_BINANCE, &ins, NULL), 0);
    cr_assert_eq(instrument_set_units(&ins, "0.10", "0.001", -1, NULL), 0);
    return ins;
}

Test(trade, a_uuid_is_a_number_of_two_halves)
{
    struct trade_uid u;
    char text[UID_TEXT];
    cr_assert_eq(trade_uid_parse(slice_of(UUID), &u), 0);
    cr_expect(u.hi == UINT64_C(0x2a74ac78691c5b54) && u.lo == UINT64_C(0x9dbe5aafe8364627));
    trade_uid_format(u, text);
    cr_expect_str_eq(text, UUID);
    cr_assert_eq(trade_uid_parse(slice_of("2A74AC78-691C-5B54-9DBE-5AAFE8364627"), &u), 0);
    trade_uid_format(u, text);
    cr_expect_str_eq(text, UUID);
    static const char *const bad[] = {
        "",
        "2a74ac78-691c-5b54-9dbe-5aafe836462",
        "2a74ac78-691c-5b54-9dbe-5aafe83646277",
        "2a74ac78691c-5b54-9dbe-5aafe83646270",
        "2a74ac78-691c-5b54-9dbe+5aafe8364627",
        "2a74ac78-691c-5b54-9dbe-5aafe836462g",
        "2a74ac78-691c-5b54-9dbe-5aafe836462 ",
        "00000000-0000-0000-0000-000000000000",
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        cr_expect_lt(trade_uid_parse(slice_of(bad[i]), &u), 0, "%s", bad[i]);
    }
}

static int bybit_entry(const char *id, const char *text, struct trade *t, int64_t *rx)
{
    struct instrument ins = bybit();
    struct slice kv[32];
    char copy[512];
    cr_assert(str_copy(copy, sizeof copy, text));
    size_t n = fields(copy, kv);
    return trade_from_entry(&ins, slice_of(id), kv, n, t, rx);
}

Test(trade, a_bybit_entry_is_read_whole)
{
    struct trade t;
    int64_t rx;
    char text[UID_TEXT];
    cr_assert_eq(bybit_entry("1758841135823-4",
                             "price=109378.90|qty=0.020|side=buy|id=" UUID
                             "|rx_us=9|seq=457514743450|flags=block,rpi",
                             &t, &rx),
                 0);
    trade_uid_format(t.uid, text);
    cr_expect_str_eq(text, UUID);
    cr_expect(t.ts_ms == 1758841135823 && t.id == 457514743450 && t.price == 109378900 &&
              t.qty == 2000 && t.side == SIDE_BUY && t.flags == (TRADE_BLOCK | TRADE_RPI) &&
              rx == 9);
    cr_assert_eq(
        bybit_entry("5-0", "price=1|qty=1|side=sell|id=" UUID "|rx_us=0|seq=|flags=", &t, NULL), 0);
    cr_expect(t.id == 0 && t.flags == 0 && t.side == SIDE_SELL && trade_has_uid(&t));
    cr_assert_eq(bybit_entry("5-0", "flags=rpi|id=" UUID "|price=1|qty=1|side=sell", &t, NULL), 0);
    cr_expect_eq(t.flags, TRADE_RPI);
}

Test(trade, a_bybit_entry_is_never_trusted)
{
    static const char *const bad[] = {
        "price=1|qty=1|side=buy|id=7|rx_us=0|seq=|flags=",
        "price=1|qty=1|side=buy|id=|rx_us=0|seq=|flags=",
        "price=1|qty=1|side=buy|id=" UUID "|rx_us=0|seq=x|flags=",
        "price=1|qty=1|side=buy|id=" UUID "|rx_us=0|seq=-1|flags=",
        "price=1|qty=1|side=buy|id=" UUID "|rx_us=0|seq=9223372036854775807|flags=",
        "price=1|qty=1|side=buy|id=" UUID "|rx_us=0|seq=1|flags=Block",
        "price=1|qty=1|side=buy|id=" UUID "|rx_us=0|seq=1|flags=block,",
        "price=1|qty=1|side=buy|id=" UUID "|rx_us=0|seq=1|flags=rpi,block",
        "price=0|qty=1|side=buy|id=" UUID "|rx_us=0|seq=1|flags=",
        "price=1|qty=1|side=Buy|id=" UUID "|rx_us=0|seq=1|flags=",
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct trade t = {.id = 4711};
        cr_expect_lt(bybit_entry("5-1", bad[i], &t, NULL), 0, "%s", bad[i]);
        cr_expect_eq(t.id, 4711, "nothing is stored of a refused entry");
    }
}

Test(trade, bybit_history_is_a_claim_of_time)
{
    struct instrument ins = bybit();
    struct history h;
    struct err e;
    struct trade t;
    struct buf data;
    char copy[1024];
    size_t pos = 0;
    cr_assert_eq(history(copy,
                         "kind=gap|from_id=-1|to_id=-1|from_ms=7|to_ms=9|source=live|reason=no "
                         "overlap|n=0|data=",
                         &h, &e),
                 0, "%s", e.text);
    cr_expect(history_is_by_time(&h) && history_fits(&h, &ins) && h.from_ms == 7 && h.to_ms == 9);
    struct instrument binance = units();
    cr_expect_not(history_fits(&h, &binance));
    cr_assert_eq(
        history(copy, "kind=trades|from_id=-1|to_id=-1|from_ms=7|to_ms=7|n=0|data=", &h, &e), 0);
    cr_expect_lt(history(copy, "kind=gap|from_id=-1|to_id=-1|from_ms=8|to_ms=7|n=0|data=", &h, &e),
                 0);
    cr_expect_lt(history(copy, "kind=gap|from_id=-1|to_id=1|from_ms=7|to_ms=7|n=0|data=", &h, &e),
                 0);
    cr_assert_eq(history(copy, HEAD "n=0|data=", &h, &e), 0);
    cr_expect_not(history_fits(&h, &ins));

    buf_init(&data, 4096);
    history_add_uid_line(&data, 100, UUID, "61800.30", "0.006", SIDE_SELL, "", 0);
    history_add_uid_line(&data, 101, UUID, "61800.3", "5", SIDE_BUY, "991", 0);
    history_add_uid_line(&data, 102, UUID, "61800.3", "5", SIDE_BUY, "", TRADE_BLOCK);
    history_add_uid_line(&data, 103, UUID, "61800.3", "5", SIDE_BUY, "9", TRADE_BLOCK | TRADE_RPI);
    cr_expect_str_eq(buf_cstr(&data), "100 " UUID " 61800.30 0.006 sell \n"
                                      "101 " UUID " 61800.3 5 buy 991\n"
                                      "102 " UUID " 61800.3 5 buy  block\n"
                                      "103 " UUID " 61800.3 5 buy 9 block,rpi\n");
    h = (struct history){.kind = HISTORY_TRADES,
                         .from_id = -1,
                         .to_id = -1,
                         .n = 4,
                         .data = {buf_ptr(&data), buf_len(&data)}};
    static const int64_t seq[] = {0, 991, 0, 9};
    static const unsigned flags[] = {0, 0, TRADE_BLOCK, TRADE_BLOCK | TRADE_RPI};
    for (int i = 0; i < 4; i++) {
        cr_assert_eq(history_next(&h, &ins, &pos, &t), 1);
        cr_expect(t.ts_ms == 100 + i && t.id == seq[i] && t.flags == flags[i] && trade_has_uid(&t));
    }
    cr_expect_eq(history_next(&h, &ins, &pos, &t), 0);
    buf_release(&data);
    static const char *const bad[] = {
        "100 7 1 1 buy ",          "100 " UUID " 1 1 buy",     "100 " UUID " 1 1 buy x",
        "100 " UUID " 1 1 buy 1 ", "100 " UUID " 1 1 buy 1 x", "100 " UUID " 1 1 buy 1 rpi rpi",
        "x " UUID " 1 1 buy ",     "100 " UUID " 1 0 buy ",    "100 " UUID " 1 1 Buy ",
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        h.data = slice_of(bad[i]);
        pos = 0;
        cr_expect_lt(history_next(&h, &ins, &pos, &t), 0, "\"%s\"", bad[i]);
    }
}

Test(trade, uuid_trades_have_one_order_whatever_their_sides)
{
    struct trade v[5];
    for (uint64_t i = 0; i < 5; i++) {
        v[i] = (struct trade){.ts_ms = 1, .price = 100, .side = SIDE_BUY, .uid = {1, i}};
    }
    v[0].side = v[1].side = SIDE_SELL; // downwards: 101 before 100
    v[0].price = 101;
    v[4].price = 102;
    for (size_t a = 0; a < 5; a++) {
        for (size_t b = 0; b < 5; b++) {
            int want = a < b ? -1 : a > b;
            cr_expect_eq(trade_cmp(&v[a], &v[b]), want, "%zu against %zu", a, b);
        }
    }
    v[3].id = 1; // a known seq comes behind an unknown one
    cr_expect_gt(trade_cmp(&v[3], &v[4]), 0);
}

Test(trade, of_two_copies_the_one_with_the_larger_seq_stays)
{
    struct trade v[] = {
        {.ts_ms = 5, .id = 7, .price = 1, .qty = 1, .uid = {1, 1}},
        {.ts_ms = 4, .id = 9, .price = 1, .qty = 1, .uid = {2, 2}},
        {.ts_ms = 5, .id = 0, .price = 1, .qty = 1, .uid = {1, 1}, .flags = TRADE_BLOCK},
        {.ts_ms = 5, .id = 8, .price = 1, .qty = 1, .uid = {1, 1}},
        {.ts_ms = 4, .id = 9, .price = 1, .qty = 1, .uid = {2, 2}},
    };
    cr_assert_eq(trades_unique(v, 5), 2);
    cr_expect(v[0].uid.hi == 2 && v[1].uid.hi == 1 && v[1].id == 8 && v[1].flags == TRADE_BLOCK);
    struct trade w[] = {{.ts_ms = 5, .id = 7}, {.ts_ms = 4, .id = 6}, {.ts_ms = 5, .id = 7}};
    cr_assert_eq(trades_unique(w, 3), 2);
    cr_expect(w[0].id == 6 && w[1].id == 7);
}

#include "services/collector/core/entry.h"

#include <criterion/criterion.h>
#include <string.h>

#include "services/collector/core/exinfo.h"

static struct instrument btc(void)
{
    struct instrument ins;
    cr_assert_eq(instrument_parse("BTCUSDT", 7, VENUE_BINANCE, &ins, NULL), 0);
    return ins;
}

static void expect_bytes(const char *got, size_t n, const char *want)
{
    cr_expect(n == strlen(want) && memcmp(got, want, n) == 0, "%.*s\ninstead of\n%s", (int)n, got,
              want);
}

Test(entry, a_trade_is_these_bytes)
{
    const struct instrument ins = btc();
    struct entry_keys k;
    char out[ENTRY_MAX];
    entry_keys_init(&k, &ins);
    size_t n = entry_trade(&k, 1723161256322, 5266583935, slice_of("61800.30"), slice_of("0.006"),
                           SIDE_BUY, 1795366312613368, out);
    expect_bytes(out, n,
                 "*13\r\n$4\r\nXADD\r\n$28\r\nbc4:{binance:BTCUSDT}:trades\r\n"
                 "$24\r\n1723161256322-5266583935\r\n$5\r\nprice\r\n$8\r\n61800.30\r\n"
                 "$3\r\nqty\r\n$5\r\n0.006\r\n$4\r\nside\r\n$3\r\nbuy\r\n"
                 "$2\r\nid\r\n$10\r\n5266583935\r\n$5\r\nrx_us\r\n$16\r\n1795366312613368\r\n");
    n = entry_trade(&k, 1, 0, slice_of("1"), slice_of("2"), SIDE_SELL, -5, out);
    expect_bytes(out, n,
                 "*13\r\n$4\r\nXADD\r\n$28\r\nbc4:{binance:BTCUSDT}:trades\r\n"
                 "$3\r\n1-0\r\n$5\r\nprice\r\n$1\r\n1\r\n$3\r\nqty\r\n$1\r\n2\r\n"
                 "$4\r\nside\r\n$4\r\nsell\r\n$2\r\nid\r\n$1\r\n0\r\n$5\r\nrx_us\r\n$2\r\n-5\r\n");
}

Test(entry, numbers_of_every_length_are_written_whole)
{
    const struct instrument ins = btc();
    struct entry_keys k;
    char out[ENTRY_MAX], want[ENTRY_MAX];
    entry_keys_init(&k, &ins);
    int64_t v = 0;
    for (int digits = 1; digits <= 18; digits++) {
        v = v * 10 + (digits + 8) % 10;
        const size_t n = entry_lookup(&k, v, v, out);
        char id[64];
        str_fmt(id, sizeof id, "%lld-%lld", (long long)v, (long long)v);
        str_fmt(want, sizeof want,
                "*4\r\n$6\r\nXRANGE\r\n$28\r\nbc4:{binance:BTCUSDT}:trades\r\n$%zu\r\n%s\r\n"
                "$%zu\r\n%s\r\n",
                strlen(id), id, strlen(id), id);
        expect_bytes(out, n, want);
    }
}

Test(entry, a_gap_is_these_bytes)
{
    const struct instrument ins = btc();
    struct entry_keys k;
    char out[ENTRY_MAX];
    const struct history h = {.kind = HISTORY_GAP,
                              .from_id = 10,
                              .to_id = 19,
                              .from_ms = 5000,
                              .to_ms = 5040,
                              .source = "live",
                              .reason = "jump"};
    entry_keys_init(&k, &ins);
    const size_t n = entry_history(&k, &h, out);
    expect_bytes(out, n,
                 "*21\r\n$4\r\nXADD\r\n$29\r\nbc4:{binance:BTCUSDT}:history\r\n$1\r\n*\r\n"
                 "$4\r\nkind\r\n$3\r\ngap\r\n$7\r\nfrom_id\r\n$2\r\n10\r\n$5\r\nto_id\r\n$2\r\n19"
                 "\r\n$7\r\nfrom_ms\r\n$4\r\n5000\r\n$5\r\nto_ms\r\n$4\r\n5040\r\n$6\r\nsource\r\n"
                 "$4\r\nlive\r\n$6\r\nreason\r\n$4\r\njump\r\n$1\r\nn\r\n$1\r\n0\r\n$4\r\ndata\r\n"
                 "$0\r\n\r\n");
}

// ---- exchangeInfo ------------------------------------------------------------------------------

static const char info[] =
    "{\"rateLimits\":[],\"symbols\":[{\"symbol\":\"BTCUSD_PERP\",\"filters\":\"odd\"},"
    "{\"symbol\":\"BTCUSDT\",\"pair\":\"BTCUSDT\",\"filters\":[{\"filterType\":\"PRICE_FILTER\","
    "\"tickSize\":\"0.10\"},{\"filterType\":\"LOT_SIZE\",\"stepSize\":\"0.001\",\"minQty\":"
    "\"0.002\"},{\"filterType\":\"MIN_NOTIONAL\",\"notional\":\"100\"},{}]},"
    "{\"symbol\":\"NOTICK\",\"filters\":[]},{}]}";

Test(exinfo, finds_the_symbols_units)
{
    struct instrument ins = btc();
    struct exinfo x;
    struct err e = {0};
    cr_assert_eq(exinfo_find(info, sizeof info - 1, &ins, &x, &e), 1, "%s", e.text);
    cr_expect_str_eq(ins.tick_size, "0.10");
    cr_expect_str_eq(ins.step_size, "0.001");
    cr_expect_str_eq(ins.min_qty, "0.002");
    cr_expect_str_eq(ins.min_notional, "100");
    cr_expect_eq(ins.price_scale, 3);
    cr_expect_eq(ins.qty_scale, 5);
    cr_expect_eq(ins.bin_ticks, 100);
    cr_expect_not_null(strstr(x.raw, "\"pair\":\"BTCUSDT\""));
}

Test(exinfo, tells_an_unknown_symbol_from_an_unusable_answer)
{
    struct instrument ins;
    struct exinfo x;
    struct err e = {0};
    cr_assert_eq(instrument_parse("ETHUSDT", 7, VENUE_BINANCE, &ins, NULL), 0);
    cr_expect_eq(exinfo_find(info, sizeof info - 1, &ins, &x, &e), 0);
    cr_assert_eq(instrument_parse("NOTICK", 6, VENUE_BINANCE, &ins, NULL), 0);
    cr_expect_eq(exinfo_find(info, sizeof info - 1, &ins, &x, &e), ERR_SYNTAX);
    cr_expect_eq(exinfo_find("{}", 2, &ins, &x, &e), ERR_SYNTAX);
    cr_expect_eq(exinfo_find("<html>", 6, &ins, &x, &e), ERR_SYNTAX);
}

Test(exinfo, reads_the_venues_time)
{
    int64_t ms = 0;
    struct err e = {0};
    cr_expect_eq(exinfo_server_time("{\"serverTime\":1712070234881}", 28, &ms, &e), 0);
    cr_expect_eq(ms, 1712070234881);
    cr_expect_lt(exinfo_server_time("{}", 2, &ms, &e), 0);
    cr_expect_lt(exinfo_server_time("", 0, &ms, &e), 0);
}

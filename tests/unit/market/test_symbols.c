#include <criterion/criterion.h>
#include <string.h>

#include "common/market/symbols.h"

static struct instrument ins[4];
static size_t n;
static struct err e;

Test(symbols, a_list_replaces_the_single_one)
{
    cr_assert_eq(
        symbols_parse("binance:ETHUSDT, bybit:BTCUSDT", "SOLUSDT", "binance_ws", ins, 4, &n, &e),
        0);
    cr_assert_eq(n, 2);
    cr_assert_str_eq(ins[0].name, "binance:ETHUSDT");
    cr_assert_str_eq(ins[1].name, "bybit:BTCUSDT");
}

Test(symbols, a_bare_symbol_belongs_to_the_source)
{
    cr_assert_eq(symbols_parse("", "btcusdt", "bybit_connector", ins, 4, &n, &e), 0);
    cr_assert_str_eq(ins[0].name, "bybit:BTCUSDT");
    cr_assert_eq(symbols_parse("", "BTCUSDT", "hft_connector", ins, 4, &n, &e), 0);
    cr_assert_str_eq(ins[0].name, "binance:BTCUSDT");
}

Test(symbols, refuses_with_the_name_of_the_variable)
{
    static const struct {
        const char *symbols, *symbol, *says;
    } bad[] = {
        {"BTCUSDT,", "X", "SYMBOLS: "},
        {"BTCUSDT,BTC USDT", "X", "SYMBOLS: "},
        {"BTCUSDT,binance:btcusdt", "X", "SYMBOLS: binance:BTCUSDT is named twice"},
        {"A1,A2,A3,A4,A5", "X", "SYMBOLS: more than 4 instruments"},
        {"", "nowhere:BTCUSDT", "SYMBOL: "},
        {"", "", "SYMBOL: "},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        memset(&e, 0, sizeof e);
        cr_assert_lt(symbols_parse(bad[i].symbols, bad[i].symbol, "binance_ws", ins, 4, &n, &e), 0,
                     "%s|%s", bad[i].symbols, bad[i].symbol);
        cr_assert(strncmp(e.text, bad[i].says, strlen(bad[i].says)) == 0, "%s", e.text);
    }
}

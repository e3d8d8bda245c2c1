// Writes what fuzzing begins with: messages as the venues document them, stored forms as this
// project writes them, and generated ones of other sizes.
//
//   fuzz_corpus FOLDER      FOLDER/<target>/<number>

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <zlib.h>

#include "common/base/buf.h"
#include "common/base/str.h"
#include "common/market/summary.h"
#include "tests/support/rng.h"

#ifdef __clang__ // most inputs are longer than a line
#pragma clang diagnostic ignored "-Wstring-concatenation"
#endif

static char root[512];
static unsigned number;

static void folder(const char *target, char out[700])
{
    str_fmt(out, 700, "%s/%s", root, target);
    (void)mkdir(root, 0755);
    if (mkdir(out, 0755) != 0 && errno != EEXIST) {
        perror(out);
    }
}

static void put(const char *target, const char *bytes, size_t n)
{
    char path[700], file[760];
    folder(target, path);
    str_fmt(file, sizeof file, "%s/%03u", path, number++);
    FILE *f = fopen(file, "wb");
    if (f == NULL || fwrite(bytes, 1, n, f) != n || fclose(f) != 0) {
        perror(file);
    }
}

static void all(const char *target, const char *const *text, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        put(target, text[i], strlen(text[i]));
    }
}
#define ALL(target, ...)                                                                           \
    do {                                                                                           \
        static const char *const t_[] = {__VA_ARGS__};                                             \
        all(target, t_, sizeof t_ / sizeof t_[0]);                                                 \
    } while (0)

// ---- Binance -----------------------------------------------------------------------------------

#define AGG                                                                                        \
    "{\"e\":\"aggTrade\",\"E\":1786171884624,\"a\":3404749954,\"s\":\"BTCUSDT\",\"p\":\"64990."    \
    "90\","                                                                                        \
    "\"q\":\"0.002\",\"nq\":\"0.002\",\"f\":7960913511,\"l\":7960913511,\"T\":1786171884471,"      \
    "\"m\":true,\"st\":1}"
#define MARK                                                                                       \
    "{\"e\":\"markPriceUpdate\",\"E\":1562305380000,\"s\":\"BTCUSDT\",\"p\":\"11794.15000000\","   \
    "\"i\":\"11784.62659091\",\"P\":\"11784.25641265\",\"r\":\"0.00038167\",\"T\":1562306400000,"  \
    "\"st\":1}"
#define FORCE                                                                                      \
    "{\"e\":\"forceOrder\",\"E\":1568014460893,\"o\":{\"s\":\"BTCUSDT\",\"S\":\"SELL\",\"o\":"     \
    "\"LIMIT\",\"f\":\"IOC\",\"q\":\"0.014\",\"p\":\"9910\",\"ap\":\"9910\",\"X\":\"FILLED\","     \
    "\"l\":\"0.014\",\"z\":\"0.014\",\"T\":1568014460893}}"
#define DEPTH                                                                                      \
    "{\"e\":\"depthUpdate\",\"E\":1676419206974,\"T\":1676419205108,\"s\":\"BTCUSDT\",\"U\":"      \
    "2505118837831,\"u\":2505118838224,\"pu\":2505118837821,\"b\":[[\"22182.90\",\"0.000\"]],"     \
    "\"a\":[[\"22171.70\",\"0.000\"],[\"22171.80\",\"1.5\"]]}"
#define TRADE                                                                                      \
    "{\"e\":\"trade\",\"E\":1676419206976,\"T\":1676419205116,\"s\":\"BTCUSDT\",\"t\":3288803053," \
    "\"p\":\"22177.90\",\"q\":\"0.001\",\"X\":\"MARKET\",\"m\":true}"
#define WRAPPED(stream, event) "{\"stream\":\"" stream "\",\"data\":" event "}"

static void levels(struct buf *b, struct rng *r, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        buf_addf(b, "%s[\"%d.%02d\",\"%d.%03d\"]", i ? "," : "", (int)rng_below(r, 90000),
                 (int)rng_below(r, 100), (int)rng_below(r, 50), (int)rng_below(r, 1000));
    }
}

static void binance(struct rng *r)
{
    struct buf b;
    buf_init(&b, (size_t)1 << 20);
    ALL("fuzz_frame", AGG, MARK, FORCE, DEPTH, TRADE, WRAPPED("btcusdt@aggTrade", AGG),
        WRAPPED("btcusdt@trade", TRADE), WRAPPED("btcusdt@depth@100ms", DEPTH),
        WRAPPED("btcusdt@markPrice@1s", MARK), WRAPPED("!forceOrder@arr", FORCE),
        WRAPPED("!markPrice@arr", "[" MARK "," MARK "]"), "[" FORCE "]",
        "{\"result\":null,\"id\":1}", "{\"code\":2,\"msg\":\"bad\",\"id\":1}");
    for (size_t n = 0; n < 60; n += 13) {
        buf_clear(&b);
        buf_adds(&b, "{\"e\":\"depthUpdate\",\"E\":1676419206974,\"T\":1676419205108,\"s\":"
                     "\"BTCUSDT\",\"U\":2505118837831,\"u\":2505118838224,\"pu\":2505118837821,"
                     "\"ps\":\"BTCUSDT\",\"st\":1,\"b\":[");
        levels(&b, r, n);
        buf_adds(&b, "],\"a\":[");
        levels(&b, r, n / 2);
        buf_adds(&b, "]}");
        put("fuzz_frame", buf_ptr(&b), buf_len(&b));
        buf_clear(&b);
        buf_adds(&b, "{\"lastUpdateId\":2505118837831,\"E\":1676419206974,\"T\":1676419205108,"
                     "\"bids\":[");
        levels(&b, r, n);
        buf_adds(&b, "],\"asks\":[");
        levels(&b, r, n);
        buf_adds(&b, "]}");
        put("fuzz_snapshot", buf_ptr(&b), buf_len(&b));
    }
    for (int n = 0; n < 8; n++) {
        buf_clear(&b);
        buf_adds(&b, "a[");
        for (int i = 0; i < n; i++) {
            buf_addf(&b,
                     "%s{\"a\":%lld,\"p\":\"76988.%d\",\"q\":\"0.0%d\",\"nq\":\"0.037\",\"f\":%d,"
                     "\"l\":%d,\"T\":%lld,\"m\":%s}",
                     i ? "," : "", 3454067270LL + i + (n == 5 && i > 2), i, i + 1, i, i,
                     1789655280294LL + i, i % 2 ? "true" : "false");
        }
        buf_addc(&b, ']');
        put("fuzz_rest", buf_ptr(&b), buf_len(&b));
    }
    ALL("fuzz_rest", "t{\"serverTime\":1712070234881}",
        "o{\"openInterest\":\"10659.509\",\"symbol\":\"BTCUSDT\",\"time\":1589437530011}",
        "w{\"rateLimits\":[{\"rateLimitType\":\"REQUEST_WEIGHT\",\"interval\":\"MINUTE\","
        "\"intervalNum\":1,\"limit\":2400}]}",
        "e{\"symbols\":[{\"symbol\":\"BTCUSDT\",\"contractType\":\"PERPETUAL\",\"filters\":[{"
        "\"filterType\":\"PRICE_FILTER\",\"tickSize\":\"0.10\"},{\"filterType\":\"LOT_SIZE\","
        "\"stepSize\":\"0.001\",\"minQty\":\"0.001\"},{\"filterType\":\"MIN_NOTIONAL\","
        "\"notional\":\"100\"}]}]}");
    buf_release(&b);
}

// ---- Bybit -------------------------------------------------------------------------------------

static void bybit(struct rng *r)
{
    struct buf b;
    buf_init(&b, (size_t)1 << 20);
    ALL("fuzz_bybit",
        "{\"topic\":\"allLiquidation.ROSEUSDT\",\"type\":\"snapshot\",\"ts\":1739502303204,"
        "\"data\":[{\"T\":1739502302929,\"s\":\"ROSEUSDT\",\"S\":\"Sell\",\"v\":\"20000\",\"p\":"
        "\"0.04499\"}]}",
        "{\"topic\":\"tickers.BTCUSDT\",\"type\":\"delta\",\"data\":{\"symbol\":\"BTCUSDT\","
        "\"markPrice\":\"66666.60\",\"openInterest\":\"50000.5\",\"openInterestValue\":"
        "\"3333330000.00\",\"fundingRate\":\"-0.0001\",\"nextFundingTime\":\"1739520000000\"},"
        "\"cs\":1,\"ts\":1739502303204}",
        "{\"topic\":\"orderbook.50.BTCUSDT\",\"type\":\"delta\",\"ts\":1758845431663,\"data\":{"
        "\"s\":\"BTCUSDT\",\"b\":[[\"109147.80\",\"1.687\"]],\"a\":[[\"109148.00\",\"0\"]],\"u\":"
        "21111423,\"seq\":457538796406},\"cts\":1758845431662}",
        "{\"success\":true,\"ret_msg\":\"pong\",\"conn_id\":\"x\",\"req_id\":\"\",\"op\":\"ping\"}",
        "{\"success\":false,\"ret_msg\":\"error:handler not found\",\"conn_id\":\"x\",\"req_id\":"
        "\"\",\"op\":\"subscribe\"}");
    ALL("fuzz_bybit_rest",
        "r{\"retCode\":0,\"retMsg\":\"OK\",\"result\":{\"category\":\"linear\",\"list\":[{"
        "\"execId\":\"2a74ac78-691c-5b54-9dbe-5afe83640001\",\"symbol\":\"BTCUSDT\",\"price\":"
        "\"109378.90\",\"size\":\"0.020\",\"side\":\"Buy\",\"time\":\"1758841135823\","
        "\"isBlockTrade\":false,\"isRPITrade\":true,\"seq\":\"457514743450\"},{\"execId\":"
        "\"2a74ac78-691c-5b54-9dbe-5afe83640002\",\"symbol\":\"BTCUSDT\",\"price\":\"109378.80\","
        "\"size\":\"0.001\",\"side\":\"Sell\",\"time\":\"1758841135822\",\"isBlockTrade\":true}]"
        "},\"retExtInfo\":{},\"time\":1758841135900}",
        "i{\"retCode\":0,\"retMsg\":\"OK\",\"result\":{\"category\":\"linear\",\"list\":[{"
        "\"symbol\":\"BTCUSDT\",\"contractType\":\"LinearPerpetual\",\"status\":\"Trading\","
        "\"priceFilter\":{\"minPrice\":\"0.10\",\"tickSize\":\"0.10\"},\"lotSizeFilter\":{"
        "\"minOrderQty\":\"0.001\",\"qtyStep\":\"0.001\",\"minNotionalValue\":\"5\"}}],"
        "\"nextPageCursor\":\"first%3DBTC%26last%3DETH\"},\"retExtInfo\":{},\"time\":1}",
        "t{\"retCode\":0,\"retMsg\":\"OK\",\"result\":{\"timeSecond\":\"1688639403\","
        "\"timeNano\":\"1688639403423213947\"},\"retExtInfo\":{},\"time\":1688639403423}",
        "t{\"retCode\":10006,\"retMsg\":\"Too many visits\",\"result\":{},\"time\":1}");
    for (int n = 1; n < 12; n += 3) {
        buf_clear(&b);
        buf_adds(&b, "{\"topic\":\"publicTrade.BTCUSDT\",\"type\":\"snapshot\",\"ts\":"
                     "1758841135824,\"data\":[");
        for (int i = 0; i < n; i++) {
            buf_addf(&b,
                     "%s{\"T\":%lld,\"s\":\"BTCUSDT\",\"S\":\"%s\",\"v\":\"0.0%d\",\"p\":"
                     "\"109378.%02d\",\"L\":\"ZeroPlusTick\",\"i\":\"2a74ac78-691c-5b54-9dbe-"
                     "5afe8364%04d\",\"BT\":%s%s}",
                     i ? "," : "", 1758841135823LL + i, i % 2 ? "Buy" : "Sell", i + 1, i, i,
                     i == 3 ? "true" : "false", n > 3 ? ",\"RPI\":false,\"seq\":457514743450" : "");
        }
        buf_adds(&b, "]}");
        put("fuzz_bybit", buf_ptr(&b), buf_len(&b));
        buf_clear(&b);
        buf_addf(&b, "{\"topic\":\"orderbook.200.BTCUSDT\",\"type\":\"snapshot\",\"ts\":"
                     "1758845431663,\"data\":{\"s\":\"BTCUSDT\",\"b\":[");
        levels(&b, r, (size_t)n * 3);
        buf_adds(&b, "],\"a\":[");
        levels(&b, r, (size_t)n);
        buf_adds(&b, "],\"u\":1,\"seq\":457538796406},\"cts\":1758845431662}");
        put("fuzz_bybit", buf_ptr(&b), buf_len(&b));
    }
    buf_release(&b);
}

// ---- what is stored ----------------------------------------------------------------------------

static void stored(void)
{
    ALL("fuzz_entry",
        "bt1723161256321-5266583935\nprice 61800.30\nqty 0.006\nside buy\nid 5266583935\nrx_us "
        "1723161256322000",
        "yt1723161256321-0\nprice 61800.30\nqty 0.006\nside sell\nid "
        "2a74ac78-691c-5b54-9dbe-5aafe8364627\nrx_us 1\nseq 457514743450\nflags block,rpi",
        "yt1723161256321-7\nprice 61800.30\nqty 0.006\nside sell\nid "
        "2a74ac78-691c-5b54-9dbe-5aafe8364627\nrx_us 1\nseq \nflags ",
        "bh1-0\nkind gap\nfrom_id 5\nto_id 9\nfrom_ms 1723161256321\nto_ms 1723161256400\nsource "
        "live\nreason jump\nn 0\ndata ",
        "bh1-0\nkind trades\nfrom_id 5\nto_id 6\nfrom_ms 1723161256321\nto_ms 1723161256400\n"
        "source rest\nreason \nn 2\ndata 1723161256321 5 61800.30 0.006 buy \1"
        "1723161256400 6 61800.20 0.1 sell 77\1",
        "yh1-0\nkind trades\nfrom_id -1\nto_id -1\nfrom_ms 1723161256321\nto_ms 1723161256400\n"
        "source rest\nreason \nn 1\ndata 1723161256321 2a74ac78-691c-5b54-9dbe-5aafe8364627 "
        "61800.30 0.006 buy 9 block\1",
        "yh1-0\nkind lost\nfrom_id -1\nto_id -1\nfrom_ms 1723161256321\nto_ms 1723161256400\n"
        "source rest\nreason no overlap\nn 0",
        "bl1786172556607-0\nprice 0.1355000\nqty 5\nside sell\nliquidated long\nprice_kind fill\n"
        "order_price 0.1336000\nrx_us 1786172557700000",
        "yl1786172556607-0\nprice 82396.90\nqty 0.006\nside buy\nliquidated short\nprice_kind "
        "bankruptcy\norder_price \nrx_us 1\nts_ms 1786172556000");
    ALL("fuzz_idset", "", "5-9@1723161256321-1723161256400",
        "^4,5-9@1723161256321-1723161256400,11-11@1723161256500-1723161256500",
        "0-9223372036854775806@0-253402300799999");
    ALL("fuzz_stored",
        "dstart_ms 1723075200000\nbin 0.10\ntrades 2\nsum_q 0.106\nsum_pq 6551.8218\nsum_ppq "
        "404901000.5\nbuy_volume 0.006\nsell_volume 0.100\nblock_volume 0.000\nhigh 61800.3\nlow "
        "61800.2\nor_high \nor_low \npre_buy 0.000\npre_sell 0.000\nfirst 1723161256321 5 61800.3 "
        "0.006 buy\nlast 1723161256400 6 61800.2 0.100 sell",
        "p61800.3 0.006 0.006 0.000 1\n61800.2 0.100 0.000 0.100 1",
        "c{\"timestamp\":1723161240000,\"open\":61800.3,\"high\":61800.3,\"low\":61800.2,"
        "\"close\":61800.2,\"volume\":0.106,\"buy_volume\":0.006,\"sell_volume\":0.100,\"delta\":"
        "-0.094,\"min_delta\":-0.094,\"max_delta\":0.006,\"trades\":2,\"vwap\":61800.20566038,"
        "\"poc\":61800.2,\"sum_pq\":\"6550.82180\",\"first\":\"1723161256321-5\",\"last\":"
        "\"1723161256400-6\",\"_complete\":true,\"_rev\":0,\"_coverage\":null}",
        "lday 2025-01-27\nbin 100\ncount 3\nlast_ts_ms 1737996820677\n99100 0.000 1.138 1\n99200 "
        "1.000 0.002 2");
}

static void edges(void)
{
    ALL("fuzz_query", "a", "asymbol=BTCUSDT", "gsymbol=binance%3ABTCUSDT&vwap_mode=quote",
        "gprofile_rows=100&_=17", "jsymbol=x", "ktimeframe=5m&count=100", "kcount=0", "bscope=self",
        "pday=2024-08-08", "a%", "a%00=1", "asymbol=a&symbol=b",
        "n{\"ver\":7,\"day\":\"2024-08-08\",\"changed\":[61640.0,61640.1]}",
        "n{\"ver\":7,\"day\":\"2024-08-08\",\"changed\":[\"strategy\"]}",
        "n{\"ver\":1,\"changed\":[1723107540000,1723107600000]}",
        "j{\"a\":[1,2.50,-3e+9,\"\\u00e9\"],\"b\":{\"c\":null}}", "j[[1],[2,3],{\"x\":true}]",
        "j-0.00003936", "j\"text\"");
    ALL("fuzz_config", "DSYMBOL", "D65000.10", "D3.66e+06", "D-1.5", "D.5", "D5.", "D1E-5",
        "Rredis://127.0.0.1:6379/0", "Rredis://us%40er:p%3Ass@host:1/15", "Runix:///tmp/s?db=3",
        "Rrediss://x", "Sbinance:BTCUSDT,bybit:BTCUSDT,ETHUSDT", "Sbtcusdt", "S,",
        "\nSYMBOL BTCUSDT\nMAX_QUEUE 5000\nLOG_LEVEL DEBUG\nREPAIR_ENABLED off\n"
        "PROFILE_TICK_SIZE 0.01\nBINANCE_WS_BASE_URL ws://127.0.0.1:9001/ws\n"
        "BINANCE_REST_BASE_URL http://127.0.0.1:9001",
        "\nSYMBOLS binance:BTCUSDT,binance:ETHUSDT\nWEIGHT_SHARE_REPAIR 95\nRECONNECT_MIN_MS 9",
        "\nDATA_SOURCE bybit\nBUDGET_SCOPE a b\nREDIS_URL redis://x:y@h/1");
    ALL("fuzz_recording", AGG, TRADE, "1723161255030314667 " WRAPPED("btcusdt@trade", TRADE),
        "1626992742.28: " WRAPPED("ctkusdt@aggTrade", AGG), "1676419206974123456 " DEPTH, MARK,
        FORCE,
        "[{\"T\":1602819697783,\"a\":19427407,\"f\":1,\"l\":2,\"m\":true,\"p\":\"49.1\",\"q\":"
        "\"3\"}]",
        "3454067270,76988.7,0.037,8089233297,8089233297,1789655280294,false",
        "3800397495,87648.21,0.08,5723703861,5723703861,1767225600039409,True,True",
        "1737897220002, BTCUSDT, 2541757614, 104943.5, 0.15, 1737897219873, False",
        "0,1675329600138,1206419187,,buy,1666.8,26.062,43440.1416,2023-02-02T09:20:00.138+00:00",
        "agg_trade_id,price,quantity,first_trade_id,last_trade_id,transact_time,is_buyer_maker", "",
        "binance_usdm_BTCUSDT-aggTrades-2026.csv",
        "1781415763023000000 {\"topic\":\"publicTrade.BTCUSDT\",\"type\":\"snapshot\",\"ts\":"
        "1781415763023,\"data\":[{\"T\":1781415763021,\"s\":\"BTCUSDT\",\"S\":\"Sell\",\"v\":"
        "\"0.001\",\"p\":\"64345.20\",\"L\":\"MinusTick\",\"i\":\"35319862-77a2-5ebe-851b-"
        "3836573c4fe9\",\"BT\":false,\"RPI\":false,\"seq\":598180439295}]}");
}

static void le(struct buf *b, uint64_t v, int bytes)
{
    for (int i = 0; i < bytes; i++) {
        buf_addc(b, i < 8 ? (char)(v >> (8 * i)) : '\0');
    }
}

#define ROWS                                                                                       \
    "agg_trade_id,price,quantity,first_trade_id,last_trade_id,transact_time,is_buyer_maker\n"      \
    "3454067270,76988.7,0.037,8089233297,8089233297,1789655280294,false\n"                         \
    "3454067271,76988.8,0.2,8089233298,8089233299,1789655280295,true\n"

// ---- summaries of a day -------------------------------------------------------------------------

static void summary_of(const char *name, size_t n)
{
    struct instrument ins;
    struct rng r = {n};
    const int64_t day_ms = INT64_C(1723075200000);
    if (instrument_parse(name, strlen(name), VENUE_BINANCE, &ins, NULL) != 0 ||
        instrument_set_units(&ins, "0.10", "0.001", -1, NULL) != 0) {
        return;
    }
    struct summary_fold *f = summary_fold_new(&ins, day_ms);
    struct summary s;
    struct buf text;
    int rc = 0;
    summary_init(&s);
    buf_init(&text, SUMMARY_TEXT_MAX);
    for (size_t i = 0; i < n && rc == 0; i++) {
        const bool named = ins.venue == VENUE_BYBIT;
        rc = summary_fold_add(f, &(struct trade){.ts_ms = day_ms + (int64_t)(i * 86400000 / n),
                                                 .id = named ? 0 : (int64_t)i,
                                                 .price = 61640000 + (int64_t)rng_below(&r, 3000),
                                                 .qty = 1 + (int64_t)rng_below(&r, 5000),
                                                 .side = (uint8_t)rng_below(&r, 2),
                                                 .uid = {named ? i + 1 : 0, named ? 7 : 0}});
    }
    if (rc == 0 && summary_fold_end(f, &s, NULL) == 0 && summary_format(&s, &ins, &text) == 0) {
        put("fuzz_summary", buf_ptr(&text), buf_len(&text));
    }
    summary_release(&s);
    summary_fold_free(f);
    buf_release(&text);
}

static void summaries(void)
{
    summary_of("binance:BTCUSDT", 1);
    summary_of("binance:BTCUSDT", 3);
    summary_of("binance:BTCUSDT", 40);
    summary_of("bybit:BTCUSDT", 5);
}

// One stored member.
static void add_zip(struct buf *b)
{
    const uint32_t n = (uint32_t)strlen(ROWS);
    const uint64_t crc = crc32(0, (const unsigned char *)ROWS, n);
    for (int central = 0; central < 2; central++) {
        le(b, central ? 0x02014b50 : 0x04034b50, 4);
        le(b, 20, central ? 4 : 2);
        le(b, 0, 8); // flags, method, time, date
        le(b, crc, 4);
        le(b, n, 4);
        le(b, n, 4);
        le(b, 5, 2);
        le(b, 0, central ? 16 : 2);
        buf_adds(b, "a.csv");
        if (!central) {
            buf_adds(b, ROWS);
        }
    }
    le(b, 0x06054b50, 4);
    le(b, 0, 4);
    le(b, 1, 2);
    le(b, 1, 2);
    le(b, 51, 4);
    le(b, 35 + n, 4);
    le(b, 0, 2);
}

static void add_gzip(struct buf *b, const char *text)
{
    unsigned char out[4096];
    z_stream z = {0};
    z.next_in = (unsigned char *)(uintptr_t)text;
    z.avail_in = (unsigned)strlen(text);
    z.next_out = out;
    z.avail_out = sizeof out;
    if (deflateInit2(&z, 9, Z_DEFLATED, 31, 8, Z_DEFAULT_STRATEGY) == Z_OK &&
        deflate(&z, Z_FINISH) == Z_STREAM_END) {
        buf_add(b, out, sizeof out - z.avail_out);
    }
    deflateEnd(&z);
}

static void archives(void)
{
    struct buf b;
    buf_init(&b, 65536);
    static const char ends[] =
        "b\xff"
        "3800397495,87648.21,0.08,5723703861,5723703861,1767225600039409,True,True\n";
    static const char bybit_csv[] =
        "y\x05timestamp,symbol,side,size,price,tickDirection,trdMatchID,grossValue,homeNotional,"
        "foreignNotional,RPI\n1704067200.1234,BTCUSDT,Buy,0.012,42313.9,PlusTick,"
        "2a74ac78-691c-5b54-9dbe-5afe83640001,5.07e+10,0.012,507.7,0\n";
    static const char ccxt_csv[] =
        "c\x40,timestamp,id,type,side,price,amount,cost,date\n0,1675329600138,1206419187,,buy,"
        "1666.8,26.062,43440.1416,2023-02-02 09:20:00.138000+00:00\n";
    static const char rows[] = "b\x09" ROWS;
    ALL("fuzz_archive", rows, ends, bybit_csv, ccxt_csv);
    buf_adds(&b, "z\x07");
    add_zip(&b);
    put("fuzz_archive", buf_ptr(&b), buf_len(&b));
    buf_clear(&b);
    buf_adds(&b, "g\x07");
    add_gzip(&b, ROWS);
    put("fuzz_archive", buf_ptr(&b), buf_len(&b));
    buf_release(&b);
}

// Own recordings, as text and as files.
static void recordings(void)
{
#define AT(rest) "1795305700000000000 " rest "\n"
#define OPEN(conn, part)                                                                           \
    AT("{\"rec\":\"open\",\"venue\":\"bybit\",\"kind\":\"linear\",\"url\":\"ws://"                 \
       "h\",\"simulated\":"                                                                        \
       "false,\"conn\":\"" conn "\",\"part\":" part "}")
#define NAMED(t, uid)                                                                              \
    AT("{\"topic\":\"publicTrade.BTCUSDT\",\"type\":\"snapshot\",\"ts\":" t ",\"data\":[{\"T\":" t \
       ",\"s\":\"BTCUSDT\",\"S\":\"Buy\",\"v\":\"0.020\",\"p\":\"109378.90\",\"L\":\"PlusTick\","  \
       "\"i\":"                                                                                    \
       "\"" uid "-691c-5b54-9dbe-5aafe8364627\",\"BT\":false,\"seq\":4575}]}")
#define COUNTED(t, id)                                                                             \
    AT("{\"e\":\"aggTrade\",\"E\":" t ",\"a\":" id ",\"s\":\"BTCUSDT\",\"p\":\"64990.90\",\"q\":"  \
       "\"0.002\",\"f\":1,\"l\":1,\"T\":" t ",\"m\":true}")
    static const char *const text[] = {
        OPEN("a-1", "0") NAMED("1795305700010", "2a74ac78") NAMED("1795305700020", "2a74ac79")
            AT("{\"rec\":\"close\",\"why\":\"rotated\",\"dropped\":0}") OPEN("a-1", "1")
                NAMED("1795305700020", "2a74ac79") NAMED("1795305700030", "2a74ac80")
                    AT("{\"rec\":\"close\",\"why\":\"dropped\",\"dropped\":7}"),
        OPEN("b-1", "0") COUNTED("1795305700010", "10") COUNTED("1795305700011", "11")
            OPEN("b-2", "0") COUNTED("1795305700011", "11") COUNTED("1795305700009", "9"),
        AT("{\"rec\":\"rest\",\"url\":\"http://h/fapi/v1/depth?symbol=BTCUSDT\",\"body\":{}}"),
        "00-linear-1795305700000.raw.gz"};
    struct buf b;
    buf_init(&b, (size_t)1 << 20);
    for (size_t i = 0; i < sizeof text / sizeof text[0]; i++) {
        put("fuzz_record", text[i], strlen(text[i]));
        put("fuzz_recording", text[i], strlen(text[i]) - 1);
        add_gzip(&b, text[i]); // members of one file
        put("fuzz_record", buf_ptr(&b), buf_len(&b));
    }
    buf_release(&b);
}

// Masked frames of a client, with a mask of zeros.
static void websocket(void)
{
    static const char *const text[] = {
        "{\"op\":\"subscribe\",\"channels\":[\"price\",\"book\"],\"symbol\":\"binance:BTCUSDT\"}",
        "{\"op\":\"ping\"}",
        "{\"op\":\"resume\",\"symbol\":\"X\",\"channels\":{\"trades\":{\"epoch\":\"e\",\"seq\":7}}"
        "}"};
    struct buf b;
    buf_init(&b, 65536);
    for (size_t i = 0; i < 3; i++) {
        const size_t n = strlen(text[i]);
        buf_clear(&b);
        buf_addc(&b, (char)(i * 20));
        buf_addc(&b, (char)0x81);
        buf_addc(&b, (char)(0x80 | (n < 126 ? n : 126)));
        if (n >= 126) {
            buf_addc(&b, (char)(n >> 8));
            buf_addc(&b, (char)n);
        }
        le(&b, 0, 4);
        buf_add(&b, text[i], n);
        buf_add(&b, "\x89\x80\0\0\0\0\x88\x82\0\0\0\0\x03\xe8", 14); // ping, close
        put("fuzz_websocket", buf_ptr(&b), buf_len(&b));
    }
    put("fuzz_websocket", "\x50\x01\x81\0\0\0\0a\x00\x81\0\0\0\0b\x80\x81\0\0\0\0c", 22);
    buf_release(&b);
}

int main(int argc, char **argv)
{
    struct rng r = {1};
    if (argc != 2 || !str_copy(root, sizeof root, argv[1])) {
        fprintf(stderr, "usage: %s FOLDER\n", argv[0]);
        return 2;
    }
    binance(&r);
    bybit(&r);
    stored();
    summaries();
    edges();
    archives();
    recordings();
    websocket();
    return 0;
}

// Real recordings of ../shared/data (counts as published beside them), where they are present, and
// small files made here.

#include "services/exchange-sim/io/recording.h"

#include "tests/unit/exchange-sim/next_trade.h"
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

#include "common/base/str.h"

#define DATA "../shared/data/"

static int64_t bad_seen, bad_line_no;

static void on_bad_line(void *arg, const char *path, int64_t line, const char *why)
{
    (void)arg;
    (void)path;
    (void)why;
    bad_seen++;
    bad_line_no = line;
}

static void on_file(void *arg, const char *path, int64_t lines, int64_t bad)
{
    (void)arg;
    (void)path;
    (void)lines;
    (void)bad;
}

static const struct recording_report report = {on_bad_line, on_file, NULL};

// NULL (and a line that says so) when a file is absent.
static struct tape *load(const char *const *names, size_t n)
{
    struct tape *t = tape_new();
    struct err e = {0};
    for (size_t i = 0; i < n; i++) {
        char path[512];
        str_fmt(path, sizeof path, DATA "%s", names[i]);
        if (access(path, R_OK) != 0) {
            printf("absent: %s (not checked)\n", path);
            market_free(tape_market(t));
            return NULL;
        }
        cr_assert_eq(recording_read(t, path, "", &report, &e), 0, "%s", e.text);
    }
    cr_assert_eq(tape_finish(t, &e), 0, "%s", e.text);
    return t;
}

static int64_t lane_len(struct tape *t, const char *symbol)
{
    int lane = market_lane_of(tape_market(t), symbol);
    cr_assert_geq(lane, 0, "%s", symbol);
    return tape_lane_len(t, lane);
}

// Plays the tape to its end, checking that ids of each lane are contiguous when they should be.
static void play(struct tape *t, bool contiguous, struct sim_trade *first, struct sim_trade *last)
{
    struct market *m = tape_market(t);
    struct sim_trade x;
    int64_t next[MARKET_MAX_LANES];
    memset(next, 0xff, sizeof next);
    bool begun = false;
    while (next_trade(m, &x)) {
        market_advance(m);
        if (!begun) {
            *first = x;
            begun = true;
        }
        if (contiguous && next[x.lane] >= 0) {
            cr_assert_eq(x.id, next[x.lane]);
        }
        next[x.lane] = x.id + 1;
        *last = x;
    }
    cr_assert(begun);
}

#define LOAD(...)                                                                                  \
    load((const char *const[]){__VA_ARGS__},                                                       \
         sizeof((const char *const[]){__VA_ARGS__}) / sizeof(const char *))

Test(recordings, agg_trades_of_two_symbols)
{
    struct tape *t = LOAD("binance_usdm_BTCUSDT-BTCUSDC_20240402_1503_aggTrade.jsonl");
    if (t == NULL) {
        return;
    }
    struct sim_trade a;
    struct sim_trade b;
    cr_assert_eq(lane_len(t, "BTCUSDT"), 819);
    cr_assert_eq(lane_len(t, "BTCUSDC"), 83);
    play(t, true, &a, &b);
    cr_assert_eq(a.id, 2111730447);
    cr_assert_eq(a.first, 4828132070);
    cr_assert_eq(a.last, 4828132072);
    cr_assert_str_eq(a.price, "65818.60");
    cr_assert_str_eq(tape_market(t)->lane[0].tick, "0.10");
    cr_assert_str_eq(tape_market(t)->lane[0].step, "0.001");
    market_free(tape_market(t));
}

Test(recordings, the_wire_of_2026)
{
    struct tape *t = LOAD("binance_usdm_BTCUSDT_20260718_2137_aggTrade.jsonl");
    if (t == NULL) {
        return;
    }
    struct sim_trade a;
    struct sim_trade b;
    cr_assert_eq(tape_len(t), 228);
    play(t, true, &a, &b);
    cr_assert_eq(a.id, 3387056463);
    cr_assert_eq(b.id, 3387056690);
    cr_assert_str_eq(a.nq, "0.492");
    cr_assert(a.st);
    market_free(tape_market(t));
}

Test(recordings, single_fills_are_numbered_from_the_first)
{
    struct tape *t = LOAD("binance_usdm_BTCUSDT_20240808_2354_trade-depth0ms-bookTicker.raw.gz");
    if (t == NULL) {
        return;
    }
    struct sim_trade a;
    struct sim_trade b;
    cr_assert_eq(tape_len(t), 21313);
    cr_assert_eq(tape_stats(t)->lines, 93954);
    cr_assert_eq(tape_stats(t)->bad_lines, 0);
    play(t, true, &a, &b);
    cr_assert_eq(a.id, 5266583935);
    cr_assert_eq(b.id, 5266605247);
    cr_assert_eq(b.first, b.id);
    cr_assert_eq(b.last, b.id);
    market_free(tape_market(t));
}

Test(recordings, a_pair_across_midnight_without_the_insurance_print)
{
    struct tape *t =
        LOAD("binance_usdm_BTCUSDT_20230404_2358_trade-depth0ms-bookTicker-markPrice.raw.gz",
             "binance_usdm_BTCUSDT_20230405_0000_trade-depth0ms-bookTicker-markPrice.raw.gz");
    if (t == NULL) {
        return;
    }
    struct sim_trade a;
    struct sim_trade b;
    cr_assert_eq(tape_len(t), 2197 + 10737);
    cr_assert_eq(tape_stats(t)->excluded, 1);
    play(t, true, &a, &b);
    cr_assert_eq(a.id, 3535186032);
    cr_assert_eq(b.id, 3535186032 + 2197 + 10737 - 1);
    cr_assert_eq(b.first, 3535198966, "the venue's own number of the fill is kept");
    market_free(tape_market(t));
}

Test(recordings, a_burst_with_a_blank_line)
{
    struct tape *t = LOAD("binance_usdm_BTCUSDT_20220811_1427_trade-depth0ms.raw.gz");
    if (t == NULL) {
        return;
    }
    cr_assert_eq(tape_len(t), 1326);
    cr_assert_eq(tape_stats(t)->bad_lines, 0);
    market_free(tape_market(t));
}

Test(recordings, one_socket_with_four_symbols)
{
    struct tape *t =
        LOAD("binance_usdm_SUSHI-AKRO-KEEP-CTK_20210722_2225_combined-ws.cryptofeed.gz");
    if (t == NULL) {
        return;
    }
    cr_assert_eq(tape_len(t), 91);
    cr_assert_eq(lane_len(t, "CTKUSDT"), 38);
    cr_assert_eq(lane_len(t, "AKROUSDT"), 8);
    cr_assert_eq(lane_len(t, "SUSHIUSDT"), 40);
    cr_assert_eq(lane_len(t, "KEEPUSDT"), 5);
    market_free(tape_market(t));
}

Test(recordings, pages_and_archives)
{
    static const struct {
        const char *file, *symbol;
        int64_t n, first_id, first_ms, last_ms;
    } rows[] = {
        {"binance_usdm_LTCUSDT_20201016_0341_rest-aggTrades-500.json", "LTCUSDT", 500, 19427407,
         1602819697783, 1602819862086},
        {"binance_usdm_ETHUSDT_20230202_0920_aggTrades-ccxt-1000.csv", "ETHUSDT", 1000, 1206419187,
         1675329600138, 1675329807493},
        {"binance_spot_BTCUSDT-aggTrades-2026-01-01_first5000.csv", "BTCUSDT", 5000, 3800397495,
         1767225600039, 1767226339347},
        {"binance_usdm_BTCUSDT-aggTrades-2026-09-17_minute1428_first185_TRANSCRIBED.csv", "BTCUSDT",
         185, 3454067270, 1789655280294, 1789655286589},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct tape *t = LOAD(rows[i].file);
        if (t == NULL) {
            continue;
        }
        struct sim_trade a;
        struct sim_trade b;
        cr_assert_eq(lane_len(t, rows[i].symbol), rows[i].n, "%s", rows[i].file);
        cr_assert_eq((int64_t)tape_len(t), rows[i].n);
        cr_assert_eq(tape_first_ms(t), rows[i].first_ms, "%s", rows[i].file);
        cr_assert_eq(tape_last_ms(t), rows[i].last_ms, "%s", rows[i].file);
        play(t, true, &a, &b);
        cr_assert_eq(a.id, rows[i].first_id);
        market_free(tape_market(t));
    }
}

Test(recordings, the_stream_csv_has_holes_by_design)
{
    struct tape *t =
        LOAD("binance_usdm_5symbols_20250126-20250206_big-aggTrades-from-stream.csv.gz");
    if (t == NULL) {
        return;
    }
    struct sim_trade a;
    struct sim_trade b;
    cr_assert_eq(tape_len(t), 16440);
    cr_assert_eq(lane_len(t, "BTCUSDT"), 8153);
    cr_assert_eq(lane_len(t, "WIFUSDT"), 83);
    play(t, false, &a, &b);
    cr_assert_eq(a.e_ms, 1737897220002);
    market_free(tape_market(t));
}

Test(recordings, every_frame_of_every_kind_is_an_event)
{
    static const struct {
        const char *file;
        int64_t counts[SIM_KINDS]; // trades (aggregated), then the other kinds
    } rows[] = {
        {"binance_usdm_BTCUSDT_20220811_1427_trade-depth0ms.raw.gz",
         {[SIM_TRADE] = 1326, [SIM_DEPTH] = 206, [SIM_SNAPSHOT] = 1}},
        {"binance_usdm_BTCUSDT_20230404_2358_trade-depth0ms-bookTicker-markPrice.raw.gz",
         {[SIM_TRADE] = 2197,
          [SIM_DEPTH] = 4322,
          [SIM_TICKER] = 6765,
          [SIM_MARK] = 99,
          [SIM_SNAPSHOT] = 1}},
        {"binance_usdm_BTCUSDT_20240808_2354_trade-depth0ms-bookTicker.raw.gz",
         {[SIM_TRADE] = 21313, [SIM_DEPTH] = 6551, [SIM_TICKER] = 66089, [SIM_SNAPSHOT] = 1}},
        {"binance_usdm_BTCUSDT_20260718_2137_depth100ms.jsonl.gz", {[SIM_DEPTH] = 588}},
        {"binance_usdm_BTCUSDT_20260718_2137_kline1m.jsonl", {[SIM_KLINE] = 116}},
        {"binance_usdm_BTCUSDT_20260718_2137_rest-depth-STALE.json", {[SIM_SNAPSHOT] = 1}},
        {"binance_usdm_SUSHI-AKRO-KEEP-CTK_20210722_2225_combined-ws.cryptofeed.gz",
         {[SIM_TRADE] = 91, [SIM_DEPTH] = 764, [SIM_TICKER] = 613, [SIM_KLINE] = 67}},
        {"binance_usdm_SUSHI-AKRO-KEEP-CTK_20210722_2225_rest-depth.cryptofeed.gz",
         {[SIM_SNAPSHOT] = 4}},
        {"bybit_linear_BTCUSDT_20240402_1523_orderbook500.jsonl.gz", {[SIM_DEPTH] = 315}},
        {"bybit_linear_BTCUSDT-BTCPERP_20240402_1523_publicTrade.jsonl.gz", {[SIM_TRADE] = 232}},
        {"bybit_linear_BTCUSDT_20240130_0932_orderbook200-lossy.raw.gz", {[SIM_DEPTH] = 639}},
    };
    if (access(DATA, R_OK) != 0) {
        printf("absent: " DATA " (not checked)\n");
        return;
    }
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char path[512];
        struct tape *t = tape_new();
        struct err e = {0};
        str_fmt(path, sizeof path, DATA "%s", rows[i].file);
        cr_assert_eq(recording_read(t, path, "", &report, &e), 0, "%s", e.text);
        cr_assert_eq(tape_finish(t, &e), 0, "%s", e.text);
        cr_assert_eq(tape_stats(t)->bad_lines, 0, "%s", path);
        int64_t counts[SIM_KINDS] = {0};
        const struct sim_event *ev;
        while ((ev = market_peek(tape_market(t))) != NULL) {
            counts[ev->kind]++;
            cr_assert(ev->has_trade || ev->raw.n > 0);
            market_advance(tape_market(t));
        }
        for (int k = 0; k < SIM_KINDS; k++) {
            cr_assert_eq(counts[k], rows[i].counts[k], "%s kind %d: %lld", rows[i].file, k,
                         (long long)counts[k]);
        }
        market_free(tape_market(t));
    }
}

Test(recordings, a_file_of_nothing_is_refused)
{
    struct tape *t = tape_new();
    struct err e = {0};
    const char *why;
    cr_assert_eq(tape_add_line(t, "{\"result\":null,\"id\":1}", 22, "BTCUSDT", &why), LINE_OTHER);
    cr_assert_neq(tape_finish(t, &e), 0);
    market_free(tape_market(t));
}

// ---- made here
// ------------------------------------------------------------------------------------

static void write_file(const char *path, const char *text, bool gz)
{
    if (gz) {
        gzFile f = gzopen(path, "wb");
        cr_assert(f != NULL);
        cr_assert_eq(gzwrite(f, text, (unsigned)strlen(text)), (int)strlen(text));
        cr_assert_eq(gzclose(f), Z_OK);
        return;
    }
    FILE *f = fopen(path, "wb");
    cr_assert(f != NULL);
    cr_assert_geq(fputs(text, f), 0);
    cr_assert_eq(fclose(f), 0);
}

static const char mixed[] =
    "1 {\"e\":\"aggTrade\",\"E\":12,\"a\":5,\"s\":\"AAAUSDT\",\"p\":\"1.50\",\"q\":\"2\",\"f\":1,"
    "\"l\":1,\"T\":10,\"m\":true}\n"
    "\n"
    "rubbish\n"
    "1 {\"e\":\"aggTrade\",\"E\":12,\"a\":5,\"s\":\"AAAUSDT\",\"p\":\"1.50\",\"q\":\"2\",\"f\":1,"
    "\"l\":1,\"T\":10,\"m\":true}\n"
    "1 {\"e\":\"trade\",\"E\":12,\"T\":11,\"s\":\"BBBUSDT\",\"t\":70,\"p\":\"3\",\"q\":\"1\","
    "\"X\":\"MARKET\",\"m\":true}\n"
    "1 {\"e\":\"trade\",\"E\":12,\"T\":11,\"s\":\"BBBUSDT\",\"t\":71,\"p\":\"3\",\"q\":\"1\","
    "\"X\":\"ADL\",\"m\":true}\n"
    "1 {\"e\":\"trade\",\"E\":12,\"T\":11,\"s\":\"AAAUSDT\",\"t\":90,\"p\":\"3\",\"q\":\"1\","
    "\"X\":\"MARKET\",\"m\":true}\n"
    "1 {\"e\":\"trade\",\"E\":12,\"T\":11,\"s\":\"BBBUSDT\",\"t\":72,\"p\":\"3\",\"q\":\"1\","
    "\"X\":\"MARKET\",\"m\":true}"; // no line end

Test(recordings, mixed_lines_plain_and_gzip)
{
    for (int gz = 0; gz < 2; gz++) {
        char path[] = "/tmp/bc4-sim-XXXXXX";
        int fd = mkstemp(path);
        cr_assert_geq(fd, 0);
        close(fd);
        write_file(path, mixed, gz == 1);
        struct tape *t = tape_new();
        struct err e = {0};
        bad_seen = 0;
        cr_assert_eq(recording_read(t, path, "", &report, &e), 0, "%s", e.text);
        unlink(path);
        cr_assert_eq(tape_finish(t, &e), 0);
        cr_assert_eq(bad_seen, 1);
        cr_assert_eq(bad_line_no, 3);
        cr_assert_eq(tape_stats(t)->bad_lines, 1);
        cr_assert_eq(tape_stats(t)->repeated, 1);
        cr_assert_eq(tape_stats(t)->excluded, 1);
        cr_assert_eq(tape_stats(t)->superseded, 1);
        cr_assert_eq(lane_len(t, "AAAUSDT"), 1);
        cr_assert_eq(lane_len(t, "BBBUSDT"), 2);
        struct sim_trade a;
        struct sim_trade b;
        play(t, true, &a, &b);
        cr_assert_eq(a.id, 5);
        cr_assert_eq(b.id, 71, "the fill that does not count takes no number");
        cr_assert_eq(b.first, 72);
        market_free(tape_market(t));
    }
}

Test(recordings, a_missing_file_and_a_torn_gzip_are_errors)
{
    struct tape *t = tape_new();
    struct err e = {0};
    cr_assert_eq(recording_read(t, "/nonexistent/file.gz", "", &report, &e), ERR_IO);
    cr_assert(strstr(e.text, "/nonexistent/file.gz") != NULL);
    char path[] = "/tmp/bc4-sim-XXXXXX";
    int fd = mkstemp(path);
    cr_assert_geq(fd, 0);
    close(fd);
    write_file(path, mixed, true);
    FILE *f = fopen(path, "r+b");
    cr_assert(f != NULL);
    cr_assert_eq(fseek(f, 30, SEEK_SET), 0);
    cr_assert_geq(fputs("torn torn torn", f), 0);
    cr_assert_eq(fclose(f), 0);
    cr_assert_eq(recording_read(t, path, "", &report, &e), ERR_IO);
    unlink(path);
    market_free(tape_market(t));
}

Test(recordings, rows_without_a_symbol_need_one)
{
    char path[] = "/tmp/bc4-sim-XXXXXX";
    int fd = mkstemp(path);
    cr_assert_geq(fd, 0);
    close(fd);
    // The random part of the name may look like a symbol by chance; this one can not.
    char plain[64];
    str_fmt(plain, sizeof plain, "%s.x", "/tmp/bc4-sim-rows");
    cr_assert_eq(rename(path, plain), 0);
    write_file(plain, "1,2,3,4,5,6,true\n", false);
    struct err e = {0};
    struct tape *t = tape_new();
    cr_assert_eq(recording_read(t, plain, "", &report, &e), 0);
    cr_assert_eq(tape_stats(t)->bad_lines, 1);
    cr_assert_eq(recording_read(t, plain, "XYZUSDT", &report, &e), 0);
    unlink(plain);
    cr_assert_eq(tape_finish(t, &e), 0);
    cr_assert_eq(lane_len(t, "XYZUSDT"), 1);
    market_free(tape_market(t));
}

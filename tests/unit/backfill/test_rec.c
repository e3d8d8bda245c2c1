// Own recordings as a source of history: which files, what a torn one gives, and what a connection
// proves.

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "common/base/clock.h"
#include "services/backfill/core/rec_day.h"
#include "services/backfill/core/rec_lines.h"

#define DAY (INT64_C(20779) * MS_PER_DAY)
#define T0 (DAY + 3600000)

// ---- lines -------------------------------------------------------------------------------------

static size_t packed(unsigned char *out, size_t size, const char *text, int flush)
{
    z_stream z = {0};
    cr_assert_eq(deflateInit2(&z, 6, Z_DEFLATED, MAX_WBITS + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
    memcpy(&z.next_in, &text, sizeof text);
    z.avail_in = (unsigned)strlen(text);
    z.next_out = out;
    z.avail_out = (unsigned)size;
    (void)deflate(&z, flush);
    const size_t n = size - z.avail_out;
    deflateEnd(&z);
    return n;
}

struct heard {
    char text[4096];
    int n, stop_after;
};

static bool hear(void *arg, const char *p, size_t n)
{
    struct heard *h = arg;
    const size_t have = strlen(h->text);
    str_fmt(h->text + have, sizeof h->text - have, "|%.*s", (int)n, p);
    return ++h->n != h->stop_after;
}

static bool feed_by(struct rec_lines *x, const unsigned char *p, size_t n, size_t step)
{
    for (size_t i = 0; i < n; i += step) {
        if (!rec_lines_feed(x, p + i, n - i < step ? n - i : step)) {
            return false;
        }
    }
    return true;
}

Test(rec_lines, members_and_cuts_anywhere_give_the_same_lines)
{
    unsigned char b[4096];
    size_t n = packed(b, sizeof b, "one\ntwo\nthr", Z_FINISH);
    n += packed(b + n, sizeof b - n, "ee\n\nfive\n", Z_FINISH);
    for (size_t step = 1; step < n; step++) {
        struct heard h = {0};
        struct rec_lines *x = rec_lines_new(hear, &h);
        cr_assert(feed_by(x, b, n, step));
        cr_assert_str_eq(h.text, "|one|two|three||five", "in steps of %zu", step);
        rec_lines_free(x);
    }
}

Test(rec_lines, a_torn_file_gives_its_whole_lines)
{
    unsigned char b[4096];
    const size_t n = packed(b, sizeof b, "one\ntwo\nthree\n", Z_SYNC_FLUSH);
    int most = 0;
    for (size_t cut = 0; cut <= n; cut++) {
        struct heard h = {0};
        struct rec_lines *x = rec_lines_new(hear, &h);
        cr_assert(cut == 0 || rec_lines_feed(x, b, cut));
        cr_assert(strncmp("|one|two|three", h.text, strlen(h.text)) == 0);
        cr_assert_geq(h.n, most, "more bytes, fewer lines");
        most = h.n;
        rec_lines_free(x);
    }
    cr_expect_eq(most, 3, "what was flushed is there");
}

Test(rec_lines, damage_ends_it)
{
    unsigned char b[4096];
    const size_t n = packed(b, sizeof b, "one\ntwo\n", Z_FINISH);
    for (size_t i = 0; i < n; i++) {
        struct heard h = {0};
        struct rec_lines *x = rec_lines_new(hear, &h);
        b[i] ^= 0x55;
        (void)feed_by(x, b, n, n);
        b[i] ^= 0x55;
        rec_lines_free(x);
    }
    struct heard h = {0};
    struct rec_lines *x = rec_lines_new(hear, &h);
    cr_expect_not(rec_lines_feed(x, "no gzip at all", 14));
    cr_expect_eq(h.n, 0);
    rec_lines_free(x);
}

Test(rec_lines, whoever_listens_may_have_enough)
{
    unsigned char b[4096];
    const size_t n = packed(b, sizeof b, "one\ntwo\nthree\n", Z_FINISH);
    struct heard h = {.stop_after = 2};
    struct rec_lines *x = rec_lines_new(hear, &h);
    cr_expect_not(rec_lines_feed(x, b, n));
    cr_expect_str_eq(h.text, "|one|two");
    rec_lines_free(x);
}

// ---- days --------------------------------------------------------------------------------------

static struct frame_space space;
static struct rec_day d;
static char told[8192];
static struct instrument ins;

static void on_row(void *arg, const struct csv_row *r)
{
    const size_t n = strlen(told);
    (void)arg;
    str_fmt(told + n, sizeof told - n, "%lld:%lld%s%.*s%s%s ", (long long)(r->ts_ms - T0),
            (long long)r->id, r->side == SIDE_BUY ? "b" : "s", (int)(r->uid.n > 2 ? 2 : r->uid.n),
            r->uid.p, r->flags & TRADE_BLOCK ? "B" : "", r->flags & TRADE_RPI ? "R" : "");
}

static void on_claim(void *arg, int64_t from_ms, int64_t to_ms)
{
    const size_t n = strlen(told);
    (void)arg;
    str_fmt(told + n, sizeof told - n, "[%lld,%lld) ", (long long)(from_ms - T0),
            (long long)(to_ms - T0));
}

static void begin(const char *name)
{
    struct err e;
    told[0] = '\0';
    cr_assert_eq(instrument_parse(name, strlen(name), VENUE_BINANCE, &ins, &e), 0);
    cr_assert_eq(instrument_set_units(&ins, "0.10", "0.001", -1, &e), 0, "%s", e.text);
    rec_day_init(&d, &ins, DAY);
    d.space = &space;
    d.on_row = on_row;
    d.on_claim = on_claim;
}

static void end(const char *want)
{
    rec_day_end(&d);
    rec_day_release(&d);
    const size_t n = strlen(told);
    if (n > 0) {
        told[n - 1] = '\0';
    }
    cr_assert_str_eq(told, want);
}

static bool say(struct buf *b)
{
    const bool more = rec_day_line(&d, buf_ptr(b), buf_len(b) - 1);
    buf_release(b);
    return more;
}

static void open_as(const char *conn, int64_t part, bool simulated)
{
    struct buf b;
    buf_init(&b, 65536);
    record_put_open(&b, T0 * 1000,
                    &(struct record_open){.venue = "v",
                                          .kind = "linear",
                                          .url = "u",
                                          .conn = conn,
                                          .part = part,
                                          .simulated = simulated});
    cr_assert(say(&b));
}

static void close_as(const char *why)
{
    struct buf b;
    buf_init(&b, 65536);
    record_put_close(&b, T0 * 1000, why, 0);
    cr_assert(say(&b));
}

static bool frame(const char *text)
{
    struct buf b;
    buf_init(&b, 65536);
    record_put_frame(&b, T0 * 1000, text, strlen(text));
    return say(&b);
}

static void agg(int64_t at, int id, const char *price)
{
    char text[512];
    str_fmt(
        text, sizeof text,
        "{\"stream\":\"btcusdt@aggTrade\",\"data\":{\"e\":\"aggTrade\",\"E\":%lld,\"a\":%d,\"s\":"
        "\"BTCUSDT\",\"p\":\"%s\",\"q\":\"0.5\",\"f\":1,\"l\":1,\"T\":%lld,\"m\":true}}",
        (long long)(T0 + at), id, price, (long long)(T0 + at));
    cr_assert(frame(text));
}

static void pub(int64_t at, const char *uid, const char *price, const char *more)
{
    char text[512];
    str_fmt(text, sizeof text,
            "{\"topic\":\"publicTrade.BTCUSDT\",\"type\":\"snapshot\",\"ts\":%lld,\"data\":[{\"T\":"
            "%lld,\"s\":\"BTCUSDT\",\"S\":\"Buy\",\"v\":\"0.020\",\"p\":\"%s\",\"L\":\"PlusTick\","
            "\"i\":\"%s000000-691c-5b54-9dbe-5aafe8364627\",\"BT\":false%s}]}",
            (long long)(T0 + at), (long long)(T0 + at), price, uid, more);
    cr_assert(frame(text));
}

Test(rec_day, binance_rows_are_told_once_and_prove_themselves)
{
    begin("binance:BTCUSDT");
    open_as("a", 0, false);
    agg(1, 10, "7.1");
    agg(2, 11, "7.1");
    agg(2, 12, "0.0"); // no price
    open_as("b", 0, false);
    agg(2, 11, "7.1");
    agg(5, 14, "7.2");
    agg(4, 13, "7.2");
    close_as("left");
    agg(9, 15, "7.2"); // behind the end
    end("1:10s 2:11s 5:14s 4:13s");
    cr_expect_eq(d.refused, 1);
}

Test(rec_day, a_connection_without_a_break_is_a_claim)
{
    begin("bybit:BTCUSDT");
    open_as("a", 0, false);
    pub(10, "aa", "7.1", ",\"RPI\":true,\"seq\":77");
    pub(20, "bb", "7.1", "");
    pub(30, "cc", "7.1", "");
    close_as("left");
    end("10:77baaR 20:0bbb 30:0bcc [11,30)");
}

Test(rec_day, a_long_stretch_is_claimed_in_pieces)
{
    static char want[sizeof told];
    begin("bybit:BTCUSDT");
    open_as("a", 0, false);
    size_t n = 0;
    for (unsigned i = 0; i < 600; i++) {
        char uid[16];
        str_fmt(uid, sizeof uid, "%02x", i % 256);
        pub((int64_t)i * 100, uid, "7.1", "");
        told[0] = i == 255 || i == 511 ? told[0] : '\0';
        if (told[0] == '[' || strchr(told, '[') != NULL) {
            str_fmt(want + n, sizeof want - n, "%s", strchr(told, '['));
            n = strlen(want);
            told[0] = '\0';
        }
    }
    told[0] = '\0';
    close_as("left");
    cr_expect_str_eq(want, "[1,24500) [24500,50100) ");
    end("[50100,59900)");
}

Test(rec_day, a_rotated_file_goes_on_in_the_next)
{
    begin("bybit:BTCUSDT");
    open_as("a", 0, false);
    pub(10, "aa", "7.1", "");
    close_as("rotated");
    rec_day_file_end(&d);
    open_as("b", 0, false); // another connection beside it
    pub(20, "bb", "7.1", "");
    rec_day_file_end(&d); // torn
    open_as("a", 1, false);
    pub(20, "bb", "7.1", "");
    pub(30, "cc", "7.1", "");
    close_as("left");
    end("10:0baa 20:0bbb 30:0bcc [11,30)");
}

Test(rec_day, a_part_that_is_missing_breaks_the_chain)
{
    begin("bybit:BTCUSDT");
    open_as("a", 0, false);
    pub(10, "aa", "7.1", "");
    pub(15, "ab", "7.1", "");
    close_as("rotated");
    rec_day_file_end(&d);
    open_as("a", 2, false);
    pub(20, "bb", "7.1", "");
    pub(30, "cc", "7.1", "");
    close_as("rotated");
    rec_day_file_end(&d);
    end("10:0baa 15:0bab [11,15) 20:0bbb 30:0bcc [21,30)");
}

Test(rec_day, drops_bad_messages_and_bad_trades_end_a_stretch)
{
    begin("bybit:BTCUSDT");
    open_as("a", 0, false);
    pub(10, "aa", "7.1", "");
    pub(20, "ab", "7.1", "");
    close_as("dropped");
    open_as("a", 1, false);
    pub(30, "ba", "7.1", "");
    pub(40, "bb", "7.1", "");
    cr_assert(frame("{\"topic\":\"publicTrade.BTCUSDT\",\"data\":garbage"));
    pub(50, "ca", "7.1", "");
    pub(60, "cb", "7.1", "");
    pub(65, "cc", "0.0", ""); // no price
    pub(70, "da", "7.1", "");
    pub(80, "db", "7.1", "");
    end("10:0baa 20:0bab [11,20) 30:0bba 40:0bbb [31,40) 50:0bca 60:0bcb [51,60) 70:0bda 80:0bdb "
        "[71,80)");
}

Test(rec_day, a_broken_line_ends_a_stretch)
{
    begin("bybit:BTCUSDT");
    open_as("a", 0, false);
    pub(10, "aa", "7.1", "");
    pub(20, "ab", "7.1", "");
    cr_assert(rec_day_line(&d, "179539441234567", 15));
    pub(30, "ba", "7.1", "");
    pub(40, "bb", "7.1", "");
    end("10:0baa 20:0bab [11,20) 30:0bba 40:0bbb [31,40)");
}

Test(rec_day, a_simulated_market_is_never_taken_for_a_real_one)
{
    begin("bybit:BTCUSDT");
    open_as("a", 0, true);
    pub(10, "aa", "7.1", "");
    pub(20, "ab", "7.1", "");
    close_as("left");
    pub(21, "ac", "7.1", "");
    end("");
    cr_expect_eq(d.other_kind, 1);
    begin("bybit:BTCUSDT");
    ins.simulated = true;
    open_as("a", 0, false);
    pub(10, "aa", "7.1", "");
    end("");
    begin("bybit:BTCUSDT");
    pub(10, "aa", "7.1", ""); // nobody said what it is
    end("");
}

Test(rec_day, rows_and_claims_end_with_the_day)
{
    begin("bybit:BTCUSDT");
    open_as("a", 0, false);
    pub(DAY - T0 - 1000, "aa", "7.1", "");
    pub(10, "ab", "7.1", "");
    pub(DAY + MS_PER_DAY - T0 + 5, "ac", "7.1", "");
    close_as("left");
    char want[128];
    str_fmt(want, sizeof want, "10:0bab [%lld,%lld)", (long long)(DAY - T0),
            (long long)(DAY + MS_PER_DAY - T0));
    end(want);
}

Test(rec_day, other_contracts_and_topics_are_passed_over)
{
    begin("bybit:BTCUSDT");
    open_as("a", 0, false);
    cr_assert(
        frame("{\"topic\":\"publicTrade.ETHUSDT\",\"type\":\"snapshot\",\"ts\":1,\"data\":[]}"));
    cr_assert(frame("{\"topic\":\"orderbook.50.BTCUSDT\",\"broken\""));
    cr_assert(frame("{\"success\":true,\"ret_msg\":\"\",\"op\":\"subscribe\"}"));
    pub(10, "aa", "7.1", "");
    pub(20, "ab", "7.1", "");
    end("10:0baa 20:0bab [11,20)");
}

Test(rec_day, files_are_chosen_by_kind_and_time)
{
    begin("bybit:BTCUSDT");
    struct record_name n = {.start_ms = T0, .kind = "linear"};
    cr_expect(rec_day_wants(&ins, DAY, &n, T0));
    str_copy(n.kind, sizeof n.kind, "rest");
    cr_expect_not(rec_day_wants(&ins, DAY, &n, T0));
    str_copy(n.kind, sizeof n.kind, "linear");
    n.start_ms = DAY - MS_PER_DAY;
    cr_expect_not(rec_day_wants(&ins, DAY, &n, DAY - 3600000), "written to long before");
    cr_expect(rec_day_wants(&ins, DAY, &n, DAY - 100), "its end may hold late trades");
    n.start_ms = DAY + MS_PER_DAY + 1000;
    cr_expect(rec_day_wants(&ins, DAY, &n, n.start_ms), "the next file begins with late ones");
    n.start_ms += 3600000;
    cr_expect_not(rec_day_wants(&ins, DAY, &n, n.start_ms));
    end("");
}

Test(rec_day, lines_far_behind_the_day_end_the_file)
{
    begin("bybit:BTCUSDT");
    struct buf b;
    buf_init(&b, 4096);
    open_as("a", 0, false);
    record_put_frame(&b, (DAY + MS_PER_DAY + 3600000) * 1000, "{}", 2);
    cr_expect_not(say(&b));
    end("");
}

// Bybit's messages: the two decoders against each other, against the recordings, and against what
// the venue documents.

#include <criterion/criterion.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "common/base/decimal.h"
#include "common/feed/bybit.h"
#include "common/market/trade.h"
#include "tests/support/mutate.h"

#define LINE_MAX_BYTES (1 << 20)
#define KEEP 2048

// What a decoder told, with all text copied out: the frames live for the call only.
struct event {
    struct frame f;
    char symbol[48], price[48], qty[48], uid[48];
    char mark[6][48];
    uint64_t levels; // hash of all of them
};

struct events {
    size_t n;
    struct event e[KEEP];
};

static struct frame_space space;
static struct events one, two;

static void keep(char out[48], struct slice s)
{
    cr_assert(str_copyn(out, 48, s.n > 0 ? s.p : "", s.n), "%.*s", (int)s.n, s.p);
}

static uint64_t mix(uint64_t h, struct slice s)
{
    for (size_t i = 0; i < s.n; i++) {
        h = (h ^ (unsigned char)s.p[i]) * UINT64_C(1099511628211);
    }
    return (h ^ 0xff) * UINT64_C(1099511628211);
}

static void take(void *arg, const struct frame *f)
{
    struct events *all = arg;
    cr_assert_lt(all->n, (size_t)KEEP);
    struct event *e = &all->e[all->n++];
    memset(e, 0, sizeof *e);
    e->f = *f;
    if (f->kind == FRAME_MALFORMED || f->kind == FRAME_OTHER) {
        return; // the slices of a bad message may be of any length
    }
    keep(e->symbol, f->symbol);
    keep(e->price, f->price);
    keep(e->qty, f->qty);
    keep(e->uid, f->uid);
    const struct slice mark[] = {f->mark,       f->index,         f->funding,
                                 f->last_price, f->open_interest, f->open_interest_value};
    for (size_t i = 0; i < 6; i++) {
        keep(e->mark[i], mark[i]);
    }
    e->levels = UINT64_C(14695981039346656037);
    for (size_t i = 0; i < f->n_bids + f->n_asks; i++) {
        const struct frame_level *l = i < f->n_bids ? &f->bids[i] : &f->asks[i - f->n_bids];
        e->levels = mix(mix(e->levels, l->price), l->qty);
    }
}

static bool scan(const char *p, size_t n, struct events *out)
{
    out->n = 0;
    const bool taken =
        bybit_scan_trades(p, n, &space, take, out) || bybit_scan_book(p, n, &space, take, out);
    cr_assert(taken || out->n == 0, "a refused message told something");
    return taken;
}

static size_t decode(const char *text, struct events *out)
{
    out->n = 0;
    bybit_decode(text, strlen(text), &space, take, out);
    return out->n;
}

static bool is_same(const struct event *a, const struct event *b)
{
    const struct frame *x = &a->f, *y = &b->f;
    return x->kind == y->kind && x->event_ms == y->event_ms && x->trade_ms == y->trade_ms &&
           x->market == y->market && x->id == y->id && x->seq == y->seq && x->maker == y->maker &&
           x->flags == y->flags && x->n_bids == y->n_bids && x->n_asks == y->n_asks &&
           x->snapshot == y->snapshot && x->first_id == y->first_id && x->last_id == y->last_id &&
           x->prev_id == y->prev_id && strcmp(a->symbol, b->symbol) == 0 &&
           strcmp(a->price, b->price) == 0 && strcmp(a->qty, b->qty) == 0 &&
           strcmp(a->uid, b->uid) == 0 && a->levels == b->levels;
}

// What the scanner takes, jansson tells alike. True when it took it.
static bool agree(const char *p, size_t n)
{
    // A copy of the exact size, so that a sanitizer sees a read behind the end.
    char *bytes = malloc(n > 0 ? n : 1);
    memcpy(bytes, p, n);
    const bool taken = scan(bytes, n, &one);
    if (taken) {
        two.n = 0;
        bybit_parse_json(bytes, n, &space, take, &two);
        cr_assert_eq(one.n, two.n, "%zu against %zu events of %.*s", one.n, two.n, (int)n, p);
        for (size_t i = 0; i < one.n; i++) {
            cr_assert(is_same(&one.e[i], &two.e[i]), "event %zu of %.*s", i, (int)n, p);
        }
    }
    free(bytes);
    return taken;
}

#define ROW_A                                                                                      \
    "{\"T\":1758841135823,\"s\":\"BTCUSDT\",\"S\":\"Buy\",\"v\":\"0.020\",\"p\":\"109378.90\","    \
    "\"L\":\"ZeroPlusTick\",\"i\":\"2a74ac78-691c-5b54-9dbe-5aafe8364627\",\"BT\":false,"          \
    "\"RPI\":false,\"seq\":457514743450}"
#define ROW_B                                                                                      \
    "{\"T\":1758841135824,\"s\":\"BTCUSDT\",\"S\":\"Sell\",\"v\":\"1\",\"p\":\"109378.80\","       \
    "\"L\":\"MinusTick\",\"i\":\"3b74ac78-691c-5b54-9dbe-5aafe8364627\",\"BT\":true}"
#define HEAD                                                                                       \
    "{\"topic\":\"publicTrade.BTCUSDT\",\"type\":\"snapshot\",\"ts\":1758841135824,\"data\":["
#define DELTA                                                                                      \
    "{\"topic\":\"orderbook.50.BTCUSDT\",\"type\":\"delta\",\"ts\":1758845431663,\"data\":{\"s\":" \
    "\"BTCUSDT\",\"b\":[[\"109147.80\",\"1.687\"]],\"a\":[[\"109148.00\",\"0\"]],\"u\":21111423,"  \
    "\"seq\":457538796406},\"cts\":1758845431662}"

static const char *const good[] = {
    HEAD ROW_A "]}",
    HEAD ROW_A "," ROW_B "]}",
    HEAD ROW_B "," ROW_B "," ROW_A "]}",
    HEAD "{\"T\":1,\"s\":\"BTCUSDT\",\"S\":\"Sell\",\"v\":\".5\",\"p\":\"5.\",\"L\":\"\",\"i\":"
         "\"00000000-0000-0000-0000-000000000001\",\"BT\":false,\"RPI\":true}]}",
    DELTA,
    "{\"topic\":\"orderbook.1000.BTCPERP\",\"type\":\"snapshot\",\"ts\":17,\"data\":{\"s\":"
    "\"BTCPERP\",\"b\":[],\"a\":[[\"1\",\"2\"],[\"3\",\"4\"]],\"u\":1,\"seq\":0},\"cts\":16}",
    "{\"topic\":\"orderbook.50.BTCPERP\",\"type\":\"delta\",\"ts\":17,\"data\":{\"s\":\"BTCPERP\","
    "\"b\":[[\"1\",\"0\"]],\"a\":[],\"u\":1,\"seq\":7},\"cts\":16}",
};
#define GOOD (sizeof good / sizeof good[0])

Test(bybit_scan, takes_every_form_the_venue_writes)
{
    for (size_t i = 0; i < GOOD; i++) {
        cr_expect(agree(good[i], strlen(good[i])), "%s", good[i]);
    }
}

Test(bybit_scan, reads_the_fields_of_trades)
{
    cr_assert(scan(good[1], strlen(good[1]), &one));
    cr_assert_eq(one.n, 2);
    const struct event *a = &one.e[0], *b = &one.e[1];
    cr_expect_eq(a->f.kind, FRAME_UID_TRADE);
    cr_expect_str_eq(a->symbol, "BTCUSDT");
    cr_expect_str_eq(a->price, "109378.90");
    cr_expect_str_eq(a->qty, "0.020");
    cr_expect_str_eq(a->uid, "2a74ac78-691c-5b54-9dbe-5aafe8364627");
    cr_expect_eq(a->f.trade_ms, 1758841135823);
    cr_expect_eq(a->f.event_ms, 1758841135824);
    cr_expect_eq(a->f.seq, 457514743450);
    cr_expect_eq(a->f.id, -1);
    cr_expect_not(a->f.maker, "Buy is the taker's side");
    cr_expect_eq(a->f.flags, 0);
    cr_expect(b->f.maker);
    cr_expect_eq(b->f.seq, -1);
    cr_expect_eq(b->f.flags, TRADE_BLOCK);
    cr_assert(scan(good[3], strlen(good[3]), &one));
    cr_expect_eq(one.e[0].f.flags, TRADE_RPI);
}

Test(bybit_scan, reads_the_fields_of_a_book)
{
    cr_assert(scan(good[4], strlen(good[4]), &one));
    const struct frame *f = &one.e[0].f;
    cr_expect_eq(f->kind, FRAME_BOOK);
    cr_expect_eq(f->last_id, 21111423);
    cr_expect_eq(f->first_id, 21111423);
    cr_expect_eq(f->prev_id, -1);
    cr_expect_eq(f->seq, 457538796406);
    cr_expect_eq(f->event_ms, 1758845431663);
    cr_expect_eq(f->trade_ms, 1758845431662);
    cr_expect_eq(f->n_bids, 1);
    cr_expect_eq(f->n_asks, 1);
    cr_expect_not(f->snapshot);
    cr_assert(scan(good[5], strlen(good[5]), &one));
    cr_expect(one.e[0].f.snapshot);
    cr_assert(scan(good[6], strlen(good[6]), &one));
    cr_expect(one.e[0].f.snapshot, "u == 1 replaces the book whatever the type says");
}

Test(bybit_scan, takes_1024_trades_and_leaves_more_to_jansson)
{
    for (size_t n = 1023; n <= 1025; n++) {
        struct buf b;
        buf_init(&b, LINE_MAX_BYTES);
        buf_adds(&b, HEAD);
        for (size_t i = 0; i < n; i++) {
            buf_adds(&b, i > 0 ? "," ROW_A : ROW_A);
        }
        buf_adds(&b, "]}");
        cr_expect_eq(agree(buf_ptr(&b), buf_len(&b)), n <= FRAME_ROWS_MAX, "%zu trades", n);
        cr_expect_eq(decode(buf_cstr(&b), &one), n);
        buf_release(&b);
    }
}

Test(bybit_scan, refuses_every_cut_message)
{
    for (size_t i = 0; i < GOOD; i++) {
        for (size_t n = 0; n < strlen(good[i]); n++) {
            cr_expect_not(agree(good[i], n), "%.*s", (int)n, good[i]);
        }
    }
}

static const char alphabet[] = "0123456789.\"{}[]:,-+eEtrufalsn \\\n\x00\xff"
                               "abcdefTSvpLiBRPq";

Test(bybit_scan, agrees_with_jansson_on_mutated_messages)
{
    struct rng r = {20260718};
    uint64_t taken = 0;
    char text[2048];
    for (int i = 0; i < 200000; i++) {
        const char *from = good[rng_below(&r, GOOD)];
        size_t n = strlen(from);
        memcpy(text, from, n);
        n = mutate(&r, alphabet, sizeof alphabet - 1, text, n, sizeof text);
        taken += agree(text, n) ? 1 : 0;
        two.n = 0;
        bybit_decode(text, n, &space, take, &two); // whatever it is, something is told of it
    }
    // Some edits (a digit for a digit) leave a good message: the test must not live on refusals.
    cr_expect_gt(taken, 20000);
}

// ---- recordings --------------------------------------------------------------------------------

struct sums {
    size_t messages, hot, trades, buys, books, snapshots, controls, bad;
    int64_t volume, buy_volume; // 10^-3
    int64_t u_gaps, last_u;
};

static void add(struct sums *s, const char *symbol, const struct events *ev)
{
    for (size_t i = 0; i < ev->n; i++) {
        const struct event *e = &ev->e[i];
        int64_t qty;
        s->controls += e->f.kind == FRAME_CONTROL ? 1 : 0;
        s->bad += e->f.kind == FRAME_MALFORMED ? 1 : 0;
        if (e->f.kind == FRAME_BOOK) {
            s->books++;
            s->snapshots += e->f.snapshot ? 1 : 0;
            s->u_gaps += !e->f.snapshot && s->books > 1 && e->f.last_id != s->last_u + 1;
            s->last_u = e->f.last_id;
        }
        if (e->f.kind != FRAME_UID_TRADE || strcmp(e->symbol, symbol) != 0) {
            continue;
        }
        cr_assert_eq(dec_parse(e->qty, strlen(e->qty), 3, &qty, NULL), 0);
        s->trades++;
        s->volume += qty;
        s->buys += e->f.maker ? 0 : 1;
        s->buy_volume += e->f.maker ? 0 : qty;
    }
}

static struct sums recorded(const char *name, const char *symbol)
{
    static char line[LINE_MAX_BYTES];
    char path[512];
    const char *dir = getenv("BC4_DATA") ? getenv("BC4_DATA") : "../shared/data";
    struct sums s = {0};
    snprintf(path, sizeof path, "%s/%s", dir, name);
    gzFile f = gzopen(path, "rb");
    if (f == NULL) {
        cr_skip_test("SKIPPED: %s is not here: only the built-in messages were tried", path);
    }
    while (gzgets(f, line, sizeof line) != NULL) {
        const char *json = strchr(line, '{');
        if (json == NULL) {
            continue;
        }
        const size_t n = strcspn(json, "\n");
        s.messages++;
        s.hot += agree(json, n) ? 1 : 0;
        two.n = 0;
        bybit_decode(json, n, &space, take, &two);
        add(&s, symbol, &two);
    }
    gzclose(f);
    return s;
}

Test(bybit_recordings, trades_of_two_contracts_in_2024)
{
    const char *name = "bybit_linear_BTCUSDT-BTCPERP_20240402_1523_publicTrade.jsonl.gz";
    struct sums s = recorded(name, "BTCUSDT");
    cr_expect_eq(s.messages, 233);
    cr_expect_eq(s.hot, 232);
    cr_expect_eq(s.controls, 1);
    cr_expect_eq(s.bad, 0);
    cr_expect_eq(s.trades, 441);
    cr_expect_eq(s.buys, 277);
    cr_expect_eq(s.volume, 36351);
    cr_expect_eq(s.buy_volume, 29742);
    s = recorded(name, "BTCPERP");
    cr_expect_eq(s.trades, 1);
    cr_expect_eq(s.volume, 1);
}

Test(bybit_recordings, trades_with_acknowledgement_and_pong)
{
    const struct sums s =
        recorded("bybit_linear_BTCPERP_20240306_0021_publicTrade.raw.gz", "BTCPERP");
    cr_expect_eq(s.messages, 47);
    cr_expect_eq(s.hot, 45);
    cr_expect_eq(s.controls, 2);
    cr_expect_eq(s.trades, 67);
    cr_expect_eq(s.buys, 30);
    cr_expect_eq(s.volume, 1385);
    cr_expect_eq(s.buy_volume, 705);
}

Test(bybit_recordings, books_take_the_hot_path)
{
    struct sums s = recorded("bybit_linear_BTCUSDT_20240402_1523_orderbook500.jsonl.gz", "");
    cr_expect_eq(s.books, 315);
    cr_expect_eq(s.hot, 315);
    cr_expect_eq(s.snapshots, 1);
    cr_expect_eq(s.u_gaps, 0);
    s = recorded("bybit_linear_BTCPERP_20240304_1642_orderbook200.raw.gz", "");
    cr_expect_eq(s.books, 69);
    cr_expect_eq(s.hot, 69);
    cr_expect_eq(s.u_gaps, 0);
    s = recorded("bybit_linear_BTCUSDT_20240130_0932_orderbook200-lossy.raw.gz", "");
    cr_expect_eq(s.books, 639);
    cr_expect_eq(s.hot, 639);
    cr_expect_eq(s.u_gaps, 634, "%lld", (long long)s.u_gaps);
}

// ---- everything else ---------------------------------------------------------------------------

Test(bybit_json, keeps_the_good_trades_of_a_message_with_a_bad_one)
{
    // Each of these in the middle of two good ones.
    static const struct {
        const char *row;
        int64_t trade_ms; // as far as it could be read
    } bad[] = {
        {"{\"T\":1758841135823,\"s\":\"BTCUSDT\",\"S\":\"buy\",\"v\":\"1\",\"p\":\"1\",\"i\":"
         "\"2a74ac78-691c-5b54-9dbe-5aafe8364627\"}",
         1758841135823},
        {"{\"T\":5,\"s\":\"BTCUSDT\",\"S\":\"Buy\",\"v\":\"1\",\"p\":\"1\",\"i\":"
         "\"2a74ac78-691c-5b54-9dbe-5aafe836462\"}",
         5},
        {"{\"T\":5,\"s\":\"BTCUSDT\",\"S\":\"Buy\",\"v\":\"1\",\"p\":\"1\",\"i\":"
         "\"2a74ac78-691c-5b54-9dbe-5aafe836462g\"}",
         5},
        {"{\"T\":5,\"s\":\"BTCUSDT\",\"S\":\"Buy\",\"v\":\"1\",\"p\":\"1\",\"i\":"
         "\"00000000-0000-0000-0000-000000000000\"}",
         5},
        {"{\"T\":5,\"s\":\"ETHUSDT\",\"S\":\"Buy\",\"v\":\"1\",\"p\":\"1\",\"i\":"
         "\"2a74ac78-691c-5b54-9dbe-5aafe8364627\"}",
         5},
        {"{\"T\":\"5\",\"s\":\"BTCUSDT\",\"S\":\"Buy\",\"v\":\"1\",\"p\":\"1\",\"i\":"
         "\"2a74ac78-691c-5b54-9dbe-5aafe8364627\"}",
         -1},
        {"{\"T\":5,\"s\":\"BTCUSDT\",\"S\":\"Buy\",\"v\":1,\"p\":\"1\",\"i\":"
         "\"2a74ac78-691c-5b54-9dbe-5aafe8364627\"}",
         5},
        {"{\"T\":5,\"s\":\"BTCUSDT\",\"S\":\"Buy\",\"v\":\"1\",\"p\":\"1\",\"BT\":1,\"i\":"
         "\"2a74ac78-691c-5b54-9dbe-5aafe8364627\"}",
         5},
        {"{}", -1},
        {"null", -1},
        {"[]", -1},
    };
    char text[2048];
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        snprintf(text, sizeof text, HEAD ROW_A ",%s," ROW_B "]}", bad[i].row);
        cr_assert_eq(decode(text, &one), 3, "%s", bad[i].row);
        cr_expect_eq(one.e[0].f.kind, FRAME_UID_TRADE);
        cr_expect_eq(one.e[1].f.kind, FRAME_MALFORMED, "%s", bad[i].row);
        cr_expect_eq(one.e[2].f.kind, FRAME_UID_TRADE);
        cr_expect(one.e[1].f.hides_trade);
        cr_expect_eq(one.e[1].f.trade_ms, bad[i].trade_ms, "%s", bad[i].row);
        cr_expect_eq(one.e[1].f.event_ms, 1758841135824);
    }
}

Test(bybit_json, tells_whose_trades_a_broken_message_may_have_held)
{
    static const struct {
        const char *text;
        bool hides, named;
    } rows[] = {
        {HEAD ROW_A ",", true, true},
        {HEAD ROW_A "}", true, true},
        {"{\"topic\":\"publicTrade.BTCUSDT\",\"data\":[" ROW_A "]}", true, true},
        {"{\"topic\":\"publicTrade.BTCUSDT\",\"ts\":1,\"data\":{}}", true, true},
        {"{\"topic\":\"publicTr", true, false},
        {"", true, false},
        {"\xff", true, false},
        {"{\"to", true, false},
        {"{\"topic\":\"orderbook.50.BTCUSDT\",\"ts\":1,\"da", false, false},
        {"{\"topic\":\"orderbook.50.BTCUSDT\",\"ts\":1,\"data\":{}}", false, false},
        {"{\"topic\":\"tickers.BTCUSDT\",\"ts\":1,\"data\":{\"symbol\":\"X\"}}", false, false},
        {"{\"topic\":\"allLiquidation.BTCUSDT\",\"ts\":1,\"data\":{}}", false, false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        cr_assert_eq(decode(rows[i].text, &one), 1, "%s", rows[i].text);
        cr_expect_eq(one.e[0].f.kind, FRAME_MALFORMED, "%s", rows[i].text);
        cr_expect_eq(one.e[0].f.hides_trade, rows[i].hides, "%s", rows[i].text);
        cr_expect_eq(one.e[0].f.symbol.n > 0, rows[i].named, "%s", rows[i].text);
    }
}

Test(bybit_json, a_liquidation_tells_the_position_so_the_order_is_its_opposite)
{
    cr_assert_eq(
        decode("{\"topic\":\"allLiquidation.BTCUSDT\",\"type\":\"snapshot\",\"ts\":"
               "1791565601482,\"data\":[{\"T\":1791565600992,\"s\":\"BTCUSDT\",\"S\":"
               "\"Buy\",\"v\":\"0.006\",\"p\":\"82396.90\"},{\"T\":1791565601058,\"s\":"
               "\"BTCUSDT\",\"S\":\"Sell\",\"v\":\"0.038\",\"p\":\"82394.30\"},{\"T\":1}]}",
               &one),
        3);
    cr_expect_eq(one.e[0].f.kind, FRAME_LIQUIDATION);
    cr_expect(one.e[0].f.maker, "a long was liquidated: the forced order sold");
    cr_expect_not(one.e[1].f.maker, "a short was liquidated: the forced order bought");
    cr_expect_eq(one.e[0].f.price_kind, PRICE_BANKRUPTCY);
    cr_expect_eq(one.e[0].f.trade_ms, 1791565600992);
    cr_expect_eq(one.e[0].f.event_ms, 1791565601482);
    cr_expect_str_eq(one.e[0].price, "82396.90");
    cr_expect_str_eq(one.e[0].qty, "0.006");
    cr_expect_eq(one.e[2].f.kind, FRAME_MALFORMED);
    cr_expect_not(one.e[2].f.hides_trade);
}

Test(bybit_json, a_ticker_tells_what_changed)
{
    decode("{\"topic\":\"tickers.BTCUSDT\",\"type\":\"snapshot\",\"cs\":24987956059,\"ts\":"
           "1673272861686,\"data\":{\"symbol\":\"BTCUSDT\",\"tickDirection\":\"PlusTick\","
           "\"lastPrice\":\"17216.00\",\"markPrice\":\"17217.33\",\"indexPrice\":\"17227.36\","
           "\"openInterest\":\"68744.761\",\"openInterestValue\":\"1183601235.91\","
           "\"nextFundingTime\":\"1673280000000\",\"fundingRate\":\"-0.000212\","
           "\"fundingIntervalHour\":\"8\",\"bid1Price\":\"17215.50\"}}",
           &one);
    cr_assert_eq(one.n, 1);
    const struct event *e = &one.e[0];
    cr_expect_eq(e->f.kind, FRAME_MARK);
    cr_expect_str_eq(e->mark[0], "17217.33");
    cr_expect_str_eq(e->mark[1], "17227.36");
    cr_expect_str_eq(e->mark[2], "-0.000212");
    cr_expect_str_eq(e->mark[3], "17216.00");
    cr_expect_str_eq(e->mark[4], "68744.761");
    cr_expect_str_eq(e->mark[5], "1183601235.91");
    cr_expect_eq(e->f.next_funding_ms, 1673280000000);
    cr_expect_eq(e->f.funding_hours, 8);
    decode("{\"topic\":\"tickers.BTCUSDT\",\"type\":\"delta\",\"ts\":1673272861687,\"data\":{"
           "\"symbol\":\"BTCUSDT\",\"openInterest\":\"1\",\"nextFundingTime\":\"\"}}",
           &one);
    cr_expect_eq(one.e[0].f.kind, FRAME_MARK);
    cr_expect_eq(one.e[0].f.mark.n, 0, "absent = unchanged");
    cr_expect_eq(one.e[0].f.next_funding_ms, -1);
    cr_expect_str_eq(one.e[0].mark[4], "1");
}

Test(bybit_json, tells_a_refused_subscription_from_an_acknowledgement)
{
    static const struct {
        const char *text;
        bool denied;
        int64_t request;
    } rows[] = {
        {"{\"success\":true,\"ret_msg\":\"\",\"conn_id\":\"3f1f\",\"req_id\":\"3\",\"op\":"
         "\"subscribe\"}",
         false, 3},
        {"{\"success\":false,\"ret_msg\":\"error:handler not "
         "found,topic:liquidations:BTCUSDT\",\"conn_id\":\"da7r0pitbetqa8diesh0-m4ao\",\"req_id\":"
         "\"\",\"op\":\"subscribe\"}",
         true, -1},
        {"{\"success\":false,\"ret_msg\":\"error\",\"req_id\":\"0\",\"op\":\"subscribe\"}", true,
         0},
        {"{\"success\":true,\"ret_msg\":\"pong\",\"conn_id\":\"5374\",\"req_id\":\"100001\","
         "\"op\":\"ping\"}",
         false, 100001},
        {"{\"req_id\":\"x\",\"op\":\"pong\",\"args\":[\"1675418560633\"],\"conn_id\":\"cfcb\"}",
         false, -1},
        {"{\"op\":\"ping\"}", false, -1},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        cr_assert_eq(decode(rows[i].text, &one), 1);
        cr_expect_eq(one.e[0].f.kind, FRAME_CONTROL, "%s", rows[i].text);
        cr_expect_eq(one.e[0].f.denied, rows[i].denied, "%s", rows[i].text);
        cr_expect_eq(one.e[0].f.seq, rows[i].request, "%s", rows[i].text);
    }
}

Test(bybit_json, a_topic_nobody_asked_for_is_no_error)
{
    decode("{\"topic\":\"liquidation.BTCUSDT\",\"type\":\"snapshot\",\"ts\":1703485237953,\"data\":"
           "{\"updatedTime\":1703485237953,\"symbol\":\"BTCUSDT\",\"side\":\"Sell\",\"size\":"
           "\"0.003\",\"price\":\"43511.70\"}}",
           &one);
    cr_assert_eq(one.n, 1);
    cr_expect_eq(one.e[0].f.kind, FRAME_OTHER);
}

// The frames of today's wire that others captured and quoted.
Test(bybit_recordings, frames_of_2026_as_they_were_quoted)
{
    static char line[65536];
    char path[512];
    const char *dir = getenv("BC4_DATA") ? getenv("BC4_DATA") : "../shared/data";
    size_t kinds[FRAME_MARK + 1] = {0}, n = 0, denied = 0;
    snprintf(path, sizeof path, "%s/current-wire-frames_2026_TRANSCRIBED.jsonl", dir);
    FILE *f = fopen(path, "r");
    if (f == NULL) {
        cr_skip_test("SKIPPED: %s is not here", path);
    }
    while (fgets(line, sizeof line, f) != NULL) {
        json_t *row = json_loads(line, 0, NULL);
        cr_assert_not_null(row);
        if (strstr(line, "bybit-linear") != NULL) {
            n++;
            decode(json_string_value(json_object_get(row, "raw")), &one);
            for (size_t i = 0; i < one.n; i++) {
                kinds[one.e[i].f.kind]++;
                denied += one.e[i].f.denied ? 1 : 0;
            }
        }
        json_decref(row);
    }
    fclose(f);
    cr_expect_eq(n, 6);
    cr_expect_eq(kinds[FRAME_UID_TRADE], 1);
    cr_expect_eq(kinds[FRAME_LIQUIDATION], 3);
    cr_expect_eq(kinds[FRAME_CONTROL], 2);
    cr_expect_eq(denied, 1);
    cr_expect_eq(kinds[FRAME_OTHER], 1);
    cr_expect_eq(kinds[FRAME_MALFORMED], 0);
}

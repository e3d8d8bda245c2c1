// Recorded books through the sync machine. The venue's own best price stream (bookTicker) is the
// witness: it names the update id from which on a best price and size hold. At the end of an event
// (its id u) the book must therefore show the best prices of the newest ticker with an id <= u.
// Such a point is comparable when the recording also holds a ticker with an id > u, so that the one
// before it is known to have been the newest.

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/decimal.h"
#include "common/base/json.h"
#include "common/base/mem.h"
#include "services/collector/core/connector.h"
#include "services/collector/core/depth.h"
#include "tests/support/recording.h"

struct ticker {
    int64_t u, bid, bid_qty, ask, ask_qty;
};

struct rig {
    struct depth d;
    struct instrument ins;
    struct frame_space frame_space;
    struct depth_space space;
    struct ticker *ticker;
    size_t tickers, at;
    int64_t mono_ms;
    // what came of it
    size_t events, live, points, beyond, wrong, broken, exact;
};

static const struct depth_opts binance = {.venue = VENUE_BINANCE,
                                          .max_levels = 10000,
                                          .limit = 1000,
                                          .refresh_levels = 200,
                                          .buffer_bytes = 1 << 20,
                                          .retry_min_ms = 1000,
                                          .retry_max_ms = 30000};

static struct rig *rig_new(const struct depth_opts *o, const char *name, const char *tick,
                           const char *step)
{
    struct rig *g = xcalloc(1, sizeof *g);
    cr_assert_eq(instrument_parse(name, strlen(name), o->venue, &g->ins, NULL), 0);
    cr_assert_eq(instrument_set_units(&g->ins, tick, step, -1, NULL), 0);
    depth_init(&g->d, o);
    depth_set_units(&g->d, &g->ins);
    depth_set_up(&g->d, true, 0);
    return g;
}

static void rig_free(struct rig *g)
{
    depth_release(&g->d);
    free(g->ticker);
    free(g);
}

static bool open_or_skip(struct recording *r, const char *name)
{
    if (!recording_open(r, name)) {
        cr_skip_test("SKIPPED: ../shared/data/%s is not here", name);
        return false;
    }
    return true;
}

// ---- the witness --------------------------------------------------------------------------------

static struct slice member(const char *line, const char *key)
{
    const char *p = strstr(line, key);
    cr_assert_not_null(p, "%s in %s", key, line);
    p += strlen(key);
    return (struct slice){p, strcspn(p, ",\"}")};
}

static int64_t number(struct slice s, int scale)
{
    int64_t v = -1;
    cr_assert_eq(dec_parse(s.p, s.n, scale, &v, NULL), 0, "%.*s", (int)s.n, s.p);
    return v;
}

static bool is_ticker_of(const struct rig *g, const char *p)
{
    char want[64];
    str_fmt(want, sizeof want, "\"s\":\"%s\"", g->ins.symbol);
    return strstr(p, "\"e\":\"bookTicker\"") != NULL && strstr(p, want) != NULL;
}

static void read_tickers(struct rig *g, const char *name)
{
    struct recording r;
    size_t n, cap = g->tickers;
    cr_assert(recording_open(&r, name));
    for (char *p; (p = recording_next(&r, &n)) != NULL;) {
        if (!is_ticker_of(g, p)) {
            continue;
        }
        if (g->tickers == cap) {
            cap = cap * 2 + 1024;
            g->ticker = xrealloc(g->ticker, cap * sizeof *g->ticker);
        }
        g->ticker[g->tickers++] =
            (struct ticker){.u = number(member(p, "\"u\":"), 0),
                            .bid = number(member(p, "\"b\":\""), g->ins.price_scale),
                            .bid_qty = number(member(p, "\"B\":\""), g->ins.qty_scale),
                            .ask = number(member(p, "\"a\":\""), g->ins.price_scale),
                            .ask_qty = number(member(p, "\"A\":\""), g->ins.qty_scale)};
        cr_assert(g->tickers < 2 || g->ticker[g->tickers - 2].u <= g->ticker[g->tickers - 1].u);
    }
    recording_close(&r);
}

// The book as it stands against the newest ticker at its id.
static void compare(struct rig *g)
{
    const struct book *b = &g->d.book;
    while (g->at < g->tickers && g->ticker[g->at].u <= g->d.book_u) {
        g->at++;
    }
    if (g->at == 0 || g->at == g->tickers) {
        return;
    }
    const struct ticker *t = &g->ticker[g->at - 1];
    const struct book_level bid = book_at(b, BOOK_BIDS, 0), ask = book_at(b, BOOK_ASKS, 0);
    const bool same = bid.price == t->bid && bid.qty == t->bid_qty && ask.price == t->ask &&
                      ask.qty == t->ask_qty;
    g->wrong += same ? 0 : 1;
    g->exact += t->u == g->d.book_u ? 1 : 0;
    if (depth_state(&g->d) == DEPTH_LIVE) {
        const struct depth_view *v = depth_view(&g->d);
        cr_assert(v->n_bids > 0 && v->n_asks > 0);
        cr_assert(v->bids[0].price == bid.price && v->asks[0].price == ask.price);
        g->points++;
    } else {
        g->beyond++;
    }
}

// ---- replay -------------------------------------------------------------------------------------

static enum depth_verdict feed(struct rig *g, const struct frame *f)
{
    static const struct feed_clock unknown = {0};
    struct depth_out out;
    depth_on_frame(&g->d, f, 0, &unknown, g->mono_ms, &g->space, &out);
    g->events++;
    g->broken += out.broken != NULL ? 1 : 0;
    if (depth_state(&g->d) == DEPTH_LIVE) {
        g->live++;
    }
    if (out.verdict == DEPTH_APPLIED) {
        compare(g);
    }
    return out.verdict;
}

static enum depth_verdict snapshot(struct rig *g, const char *p, size_t n)
{
    struct frame f;
    struct depth_out out;
    frame_decode_snapshot(p, n, &g->frame_space, &f);
    cr_assert_eq(f.kind, FRAME_BOOK);
    // Some recorders asked before the stream was there; the machine itself would not.
    cr_assert(g->events == 0 || depth_wants_snapshot(&g->d, g->mono_ms));
    depth_asked(&g->d);
    depth_on_snapshot(&g->d, &f, g->mono_ms, &g->space, &out);
    frame_release(&f);
    if (out.verdict == DEPTH_APPLIED && !g->d.awaits) {
        compare(g);
    }
    return out.verdict;
}

// A book without a level at the id that the first event follows: for recordings without a snapshot
// that would join. Their chain is whole or it is not, whatever stands in the book.
static void made_up(struct rig *g, const struct frame *first)
{
    char text[160];
    str_fmt(text, sizeof text, "{\"lastUpdateId\":%lld,\"E\":1,\"T\":1,\"bids\":[],\"asks\":[]}",
            (long long)first->prev_id);
    cr_assert_eq(snapshot(g, text, strlen(text)), DEPTH_APPLIED);
}

static void replay(struct rig *g, const char *name, bool make_up)
{
    struct recording r;
    size_t n;
    cr_assert(recording_open(&r, name));
    for (char *p; (p = recording_next(&r, &n)) != NULL;) {
        struct frame f;
        if (strncmp(p, "{\"lastUpdateId\"", 15) == 0) {
            if (!g->d.has_book) {
                cr_expect_eq(snapshot(g, p, n), DEPTH_APPLIED);
            }
            continue;
        }
        if (strstr(p, "\"depthUpdate\"") == NULL) {
            continue;
        }
        frame_decode(p, n, &g->frame_space, &f);
        cr_assert_eq(f.kind, FRAME_BOOK);
        if (slice_eq(f.symbol, g->ins.symbol)) {
            feed(g, &f);
            if (make_up && g->events == 1) {
                made_up(g, &f);
            }
        }
        frame_release(&f);
    }
    recording_close(&r);
}

static void whole(struct rig *g, const char *what, size_t events, size_t applied)
{
    cr_expect_eq(g->events, events, "%s: %zu events", what, g->events);
    cr_expect_eq(g->d.gaps, 0, "%s: %llu false gaps", what, (unsigned long long)g->d.gaps);
    cr_expect_eq(g->d.crossed, 0, "%s: %llu crossed", what, (unsigned long long)g->d.crossed);
    cr_expect_eq(g->d.applied, applied, "%s: %llu applied", what, (unsigned long long)g->d.applied);
    const uint64_t whole_books = g->d.o.venue == VENUE_BYBIT ? g->d.snapshots : 0;
    cr_expect_eq(g->d.applied + g->d.copies + whole_books, events, "%s: all accounted for", what);
    cr_expect_eq(g->broken, 0);
    for (int why = 0; why < REFUSE_COUNT_; why++) {
        cr_expect_eq(g->d.refused[why], 0, "%s: %s", what, refusal_name((enum refusal)why));
    }
}

// Opens the first of the files only to see whether it is there.
static bool have(const char *name)
{
    struct recording r;
    const bool there = open_or_skip(&r, name);
    recording_close(&r);
    return there;
}

Test(depth_recordings, of_2024_08_equals_the_best_prices_of_the_venue, .timeout = 60)
{
    static const char name[] =
        "binance_usdm_BTCUSDT_20240808_2354_trade-depth0ms-bookTicker.raw.gz";
    if (!have(name)) {
        return;
    }
    struct rig *g = rig_new(&binance, "BTCUSDT", "0.10", "0.001");
    read_tickers(g, name);
    replay(g, name, false);
    whole(g, "2024-08-08", 6551, 6547);
    cr_expect_eq(g->tickers, 66089);
    cr_expect_eq(g->wrong, 0, "%zu of %zu differ", g->wrong, g->points);
    cr_expect_eq(g->points, 5822, "%zu", g->points);
    cr_expect_eq(g->exact, 628, "%zu at the very id", g->exact);
    // The market left the window of the only snapshot for two minutes: not shown as live, although
    // what changes had told of was right.
    cr_expect_eq(g->beyond, 722, "%zu", g->beyond);
    cr_expect(g->d.refresh, "a new snapshot was asked for");
    rig_free(g);
}

Test(depth_recordings, of_2023_equals_the_best_prices_of_the_venue_across_midnight, .timeout = 60)
{
    static const char a[] =
        "binance_usdm_BTCUSDT_20230404_2358_trade-depth0ms-bookTicker-markPrice.raw.gz";
    static const char b[] =
        "binance_usdm_BTCUSDT_20230405_0000_trade-depth0ms-bookTicker-markPrice.raw.gz";
    if (!have(a)) {
        return;
    }
    struct rig *g = rig_new(&binance, "BTCUSDT", "0.10", "0.001");
    read_tickers(g, a);
    read_tickers(g, b);
    replay(g, a, false);
    cr_expect_eq(g->d.applied, 4322);
    replay(g, b, false);
    whole(g, "2023-04-04/05", 4322 + 11788, 4322 + 11788);
    cr_expect_eq(g->wrong, 0, "%zu of %zu differ", g->wrong, g->points);
    cr_expect_geq(g->points, 16100, "%zu", g->points);
    cr_expect_eq(g->beyond, 0, "%zu", g->beyond);
    rig_free(g);
}

Test(depth_recordings, without_a_witness_are_whole)
{
    static const char bulk[] = "binance_usdm_BTCUSDT_20220811_1427_trade-depth0ms.raw.gz";
    if (!have(bulk)) {
        return;
    }
    struct rig *g = rig_new(&binance, "BTCUSDT", "0.10", "0.001");
    replay(g, bulk, false);
    whole(g, "2022-08-11", 206, 206);
    cr_expect_eq(g->live, 206);
    rig_free(g);
    // No snapshot that would join: whole chains on an empty book.
    g = rig_new(&binance, "BTCUSDT", "0.10", "0.001");
    replay(g, "binance_usdm_BTCUSDT_20240402_1503_depth.jsonl.gz", true);
    whole(g, "2024-04-02", 88, 88);
    rig_free(g);
    g = rig_new(&binance, "BTCUSDT", "0.10", "0.001");
    replay(g, "binance_usdm_BTCUSDT_20260718_2137_depth100ms.jsonl.gz", true);
    whole(g, "2026-07-18", 588, 588);
    rig_free(g);
}

Test(depth_recordings, the_stale_snapshot_of_2026_is_refused)
{
    static const char stale[] = "binance_usdm_BTCUSDT_20260718_2137_rest-depth-STALE.json";
    static const char diffs[] = "binance_usdm_BTCUSDT_20260718_2137_depth100ms.jsonl.gz";
    struct recording r;
    size_t n, m;
    if (!open_or_skip(&r, stale)) {
        return;
    }
    char *body = recording_next(&r, &n);
    cr_assert_not_null(body);
    struct rig *g = rig_new(&binance, "BTCUSDT", "0.10", "0.001");
    struct recording d;
    cr_assert(recording_open(&d, diffs));
    size_t refused = 0;
    for (char *p; (p = recording_next(&d, &m)) != NULL;) {
        struct frame f;
        frame_decode(p, m, &g->frame_space, &f);
        cr_expect_eq(feed(g, &f), DEPTH_BUFFERED);
        frame_release(&f);
        g->mono_ms += 100;
        if (depth_wants_snapshot(&g->d, g->mono_ms)) {
            cr_expect_eq(snapshot(g, body, n), DEPTH_TOO_OLD);
            cr_expect_not(depth_wants_snapshot(&g->d, g->mono_ms), "not again at once");
            refused++;
        }
    }
    cr_expect_eq(g->live, 0);
    cr_expect_eq(g->d.too_old, refused);
    // 59 s of events; pauses of 1, 2, 4, 8, 16, 30 s.
    cr_expect(refused >= 5 && refused <= 7, "asked %zu times", refused);
    cr_expect_eq(g->d.waiting.n, 588, "all wait for one that joins");
    // One that names an id among them does.
    struct depth_event head;
    depth_queue_first(&g->d.waiting, &head);
    char text[128];
    str_fmt(text, sizeof text, "{\"lastUpdateId\":%lld,\"E\":1,\"T\":1,\"bids\":[],\"asks\":[]}",
            (long long)head.last);
    g->mono_ms += 30000;
    cr_expect_eq(snapshot(g, text, strlen(text)), DEPTH_APPLIED);
    cr_expect_eq(depth_state(&g->d), DEPTH_LIVE);
    cr_expect_eq(g->d.applied, 588);
    recording_close(&r);
    recording_close(&d);
    rig_free(g);
}

// ---- four books on one socket, their snapshots fetched meanwhile
// ---------------------------------

static double recorded_at(const struct recording *r, const char *json)
{
    const char *arrow = strstr(r->line, " -> ");
    return arrow != NULL && arrow < json ? strtod(arrow + 4, NULL) : strtod(r->line, NULL);
}

Test(depth_recordings, of_four_small_contracts_come_up_from_the_recorded_start)
{
    static const char ws[] =
        "binance_usdm_SUSHI-AKRO-KEEP-CTK_20210722_2225_combined-ws.cryptofeed.gz";
    static const char rest[] =
        "binance_usdm_SUSHI-AKRO-KEEP-CTK_20210722_2225_rest-depth.cryptofeed.gz";
    static const struct {
        const char *symbol, *tick, *url;
        size_t events;
    } row[] = {{"SUSHIUSDT", "0.0010", "symbol=SUSHIUSDT&", 255},
               {"AKROUSDT", "0.00001", "symbol=AKROUSDT&", 189},
               {"KEEPUSDT", "0.0001", "symbol=KEEPUSDT&", 135},
               {"CTKUSDT", "0.00100", "symbol=CTKUSDT&", 185}};
    if (!have(ws)) {
        return;
    }
    size_t events = 0, points = 0;
    for (size_t i = 0; i < sizeof row / sizeof row[0]; i++) {
        struct rig *g = rig_new(&binance, row[i].symbol, row[i].tick, "1");
        struct recording s, r;
        size_t n, m;
        read_tickers(g, ws);
        cr_assert(recording_open(&s, rest) && recording_open(&r, ws));
        char *body = recording_next(&s, &m);
        while (body != NULL && strstr(s.line, row[i].url) == NULL) {
            body = recording_next(&s, &m);
        }
        cr_assert_not_null(body);
        const double fetched = recorded_at(&s, body);
        bool given = false;
        for (char *p; (p = recording_next(&r, &n)) != NULL;) {
            struct frame f;
            if (!given && recorded_at(&r, p) > fetched && g->events > 0) {
                cr_expect_eq(snapshot(g, body, m), DEPTH_APPLIED, "%s", row[i].symbol);
                given = true;
            }
            if (strstr(p, "\"depthUpdate\"") == NULL) {
                continue;
            }
            frame_decode(p, n, &g->frame_space, &f);
            if (slice_eq(f.symbol, row[i].symbol)) {
                feed(g, &f);
            }
            frame_release(&f);
        }
        cr_expect(given);
        cr_expect_eq(g->d.gaps, 0, "%s", row[i].symbol);
        cr_expect_eq(g->d.crossed + g->d.too_old + g->broken, 0, "%s", row[i].symbol);
        cr_expect_eq(g->events, row[i].events, "%s: %zu", row[i].symbol, g->events);
        cr_expect_eq(g->d.applied + g->d.copies, row[i].events, "%s: %llu", row[i].symbol,
                     (unsigned long long)(g->d.applied + g->d.copies));
        cr_expect_eq(g->wrong, 0, "%s: %zu of %zu differ", row[i].symbol, g->wrong, g->points);
        cr_expect_eq(g->beyond, 0);
        events += g->events;
        points += g->points;
        recording_close(&s);
        recording_close(&r);
        rig_free(g);
    }
    cr_expect_eq(events, 764);
    cr_expect_geq(points, 500, "%zu points", points);
}

// ---- Bybit --------------------------------------------------------------------------------------

static struct depth_opts bybit(size_t limit)
{
    return (struct depth_opts){.venue = VENUE_BYBIT,
                               .max_levels = 2000,
                               .limit = limit,
                               .buffer_bytes = 1 << 16,
                               .check_u = true,
                               .retry_min_ms = 1000,
                               .retry_max_ms = 30000};
}

static void bybit_sink(void *arg, const struct frame *f)
{
    struct rig *g = arg;
    if (f->kind == FRAME_BOOK && slice_eq(f->symbol, g->ins.symbol)) {
        feed(g, f);
    }
}

static void bybit_replay(struct rig *g, const char *name)
{
    struct recording r;
    size_t n;
    cr_assert(recording_open(&r, name));
    for (char *p; (p = recording_next(&r, &n)) != NULL;) {
        if (strstr(p, "\"topic\"") != NULL) {
            connector_bybit.decode(p, n, &g->frame_space, bybit_sink, g);
        }
    }
    recording_close(&r);
}

Test(depth_recordings, of_bybit_without_loss_have_no_gap)
{
    static const char deep[] = "bybit_linear_BTCUSDT_20240402_1523_orderbook500.jsonl.gz";
    if (!have(deep)) {
        return;
    }
    struct depth_opts o = bybit(500);
    struct rig *g = rig_new(&o, "BTCUSDT", "0.10", "0.001");
    bybit_replay(g, deep);
    whole(g, "orderbook.500", 315, 314);
    cr_expect_eq(g->d.snapshots, 1);
    cr_expect_eq(g->live, 315);
    cr_expect_eq(depth_view(&g->d)->levels_bid, 500);
    cr_expect_not(depth_take_resubscribe(&g->d, INT64_MAX / 2));
    rig_free(g);
    o = bybit(200);
    g = rig_new(&o, "BTCPERP", "0.10", "0.001");
    bybit_replay(g, "bybit_linear_BTCPERP_20240304_1642_orderbook200.raw.gz");
    whole(g, "orderbook.200", 69, 68);
    cr_expect_eq(g->live, 69);
    const struct depth_view *v = depth_view(&g->d);
    cr_expect_eq(v->levels_ask, 146, "a book thinner than its depth");
    cr_expect(!v->has_high && v->has_low, "is known to be empty beyond, the other side is not");
    rig_free(g);
}

// A REST book of the lossy recording as the snapshot the stream never had.
static bool rest_book(struct rig *g, const char *p, size_t n, struct frame *f)
{
    json_t *root = json_parse(p, n, NULL);
    const json_t *res = json_object_get(root, "result");
    if (res == NULL) {
        json_decref(root);
        return false;
    }
    memset(f, 0, sizeof *f);
    f->kind = FRAME_BOOK;
    f->market = 1;
    f->snapshot = true;
    f->symbol = slice_of(g->ins.symbol);
    cr_assert_eq(json_get_i64(res, "u", &f->last_id, NULL), 0);
    cr_assert_eq(json_get_i64(res, "ts", &f->trade_ms, NULL), 0);
    f->event_ms = f->trade_ms;
    f->first_id = f->last_id;
    f->prev_id = -1;
    struct frame_level *at = g->frame_space.level;
    const char *side[] = {"b", "a"};
    size_t count[2];
    for (int e = 0; e < 2; e++) {
        const json_t *list = json_object_get(res, side[e]);
        count[e] = json_array_size(list);
        for (size_t i = 0; i < count[e]; i++, at++) {
            const json_t *pair = json_array_get(list, i);
            at->price = slice_of(json_string_value(json_array_get(pair, 0)));
            at->qty = slice_of(json_string_value(json_array_get(pair, 1)));
        }
    }
    f->bids = g->frame_space.level;
    f->n_bids = count[0];
    f->asks = f->bids + count[0];
    f->n_asks = count[1];
    f->owner = root;
    return true;
}

Test(depth_recordings, the_lossy_one_of_bybit_is_flagged_every_time)
{
    static const char lossy[] = "bybit_linear_BTCUSDT_20240130_0932_orderbook200-lossy.raw.gz";
    if (!have(lossy)) {
        return;
    }
    struct depth_opts o = bybit(200);
    struct rig *g = rig_new(&o, "BTCUSDT", "0.10", "0.001");
    bybit_replay(g, lossy);
    cr_expect_eq(g->events, 639, "%zu", g->events);
    cr_expect_eq(g->live, 0, "never shown");
    cr_expect_eq(g->d.applied, 0);
    cr_expect_eq(g->d.gaps, 634, "%llu of the 634 breaks", (unsigned long long)g->d.gaps);
    rig_free(g);

    // Given a whole book again after each break it is live until the next one and not a moment
    // more.
    g = rig_new(&o, "BTCUSDT", "0.10", "0.001");
    struct recording r;
    size_t n;
    struct frame book = {0};
    cr_assert(recording_open(&r, lossy));
    char *keep = NULL;
    size_t taken = 0, breaks = 0;
    for (char *p; (p = recording_next(&r, &n)) != NULL;) {
        if (strstr(p, "\"topic\"") == NULL) {
            if (strstr(p, "\"retCode\"") != NULL && rest_book(g, p, n, &book)) {
                frame_release(&book);
                free(keep);
                keep = xstrdup(p);
            }
            continue;
        }
        const uint64_t gaps = g->d.gaps, crossed = g->d.crossed;
        const bool was_live = depth_state(&g->d) == DEPTH_LIVE;
        connector_bybit.decode(p, n, &g->frame_space, bybit_sink, g);
        if (g->d.gaps != gaps) {
            breaks++;
            cr_expect_neq(depth_state(&g->d), DEPTH_LIVE);
        }
        // Only a break ends it, or that the borrowed book is too old for the new prices.
        cr_expect(!was_live || g->d.gaps != gaps || g->d.crossed != crossed ||
                  depth_state(&g->d) == DEPTH_LIVE);
        if (keep != NULL && depth_state(&g->d) != DEPTH_LIVE) {
            cr_assert(rest_book(g, keep, strlen(keep), &book));
            book.last_id = book.first_id = g->d.chain_u; // as if it had come just now
            cr_expect_eq(feed(g, &book), DEPTH_APPLIED);
            frame_release(&book);
            cr_expect_eq(depth_state(&g->d), DEPTH_LIVE);
            taken++;
        }
    }
    cr_expect_eq(breaks, 634, "%zu", breaks);
    cr_expect_geq(taken, 630, "%zu", taken);
    free(keep);
    recording_close(&r);
    rig_free(g);
}

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "services/collector/core/connector.h"
#include "services/collector/core/guess.h"
#include "services/collector/core/handover.h"
#include "services/collector/core/pace.h"
#include "services/collector/core/symtab.h"

// ---- plans of Binance --------------------------------------------------------------------------

#define MANY 64

static struct instrument ins[MANY];
static struct link_plan plan[32];

static int plans(size_t n, struct feed_wants w, size_t max, struct err *e)
{
    for (size_t i = 0; i < n; i++) {
        char symbol[32];
        str_fmt(symbol, sizeof symbol, i == 0 ? "BTCUSDT" : "SYM%zuUSDT", i);
        cr_assert_eq(instrument_parse(symbol, strlen(symbol), VENUE_BINANCE, &ins[i], NULL), 0);
    }
    w.ws_base = "ws://h:1";
    w.max_streams = w.max_streams > 0 ? w.max_streams : 200;
    return connector_binance.links(&w, ins, n, plan, max, e);
}

Test(binance_links, trades_and_books_travel_on_their_own_routes)
{
    struct err e = {0};
    const struct feed_wants w = {.streams = STREAM_BIT(STREAM_TRADES) | STREAM_BIT(STREAM_BOOK) |
                                            STREAM_BIT(STREAM_LIQUIDATIONS) |
                                            STREAM_BIT(STREAM_MARK),
                                 .depth_ms = 100};
    cr_assert_eq(plans(1, w, 32, &e), 2);
    cr_expect_str_eq(plan[0].url, "ws://h:1/market/stream?streams=btcusdt@aggTrade/"
                                  "btcusdt@forceOrder/btcusdt@markPrice@1s");
    cr_expect_str_eq(plan[1].url, "ws://h:1/public/stream?streams=btcusdt@depth@100ms");
    cr_expect_str_eq(plan[0].route, "market");
    cr_expect_eq(plan[0].n, 1);
    cr_expect_eq(plan[1].on[0].streams, STREAM_BIT(STREAM_BOOK));
}

Test(binance_links, single_fills_live_where_the_book_does)
{
    struct err e = {0};
    const struct feed_wants w = {.streams = STREAM_BIT(STREAM_TRADES), .single_fills = true};
    cr_assert_eq(plans(2, w, 32, &e), 1);
    cr_expect_str_eq(plan[0].url, "ws://h:1/public/stream?streams=btcusdt@trade/sym1usdt@trade");
}

Test(binance_links, the_default_pace_of_the_book_has_no_name)
{
    struct err e = {0};
    struct feed_wants w = {.streams = STREAM_BIT(STREAM_BOOK), .depth_ms = 250};
    cr_assert_eq(plans(1, w, 32, &e), 1);
    cr_expect_str_eq(plan[0].url, "ws://h:1/public/stream?streams=btcusdt@depth");
    w.depth_ms = 0;
    cr_assert_eq(plans(1, w, 32, &e), 1);
    cr_expect_str_eq(plan[0].url, "ws://h:1/public/stream?streams=btcusdt@depth@0ms");
}

Test(binance_links, every_stream_is_carried_once_within_both_limits)
{
    struct err e = {0};
    const struct feed_wants w = {.streams = STREAM_BIT(STREAM_KINDS) - 1, .depth_ms = 100};
    for (size_t most = 1; most <= 300; most = most * 3 + 1) {
        struct feed_wants limited = w;
        limited.max_streams = most;
        if (most < 13) {
            cr_expect_eq(plans(MANY, limited, 32, &e), ERR_LIMIT);
            continue;
        }
        const int n = plans(MANY, limited, 32, &e);
        unsigned seen[MANY] = {0};
        cr_assert_gt(n, 0, "%s", e.text);
        for (int i = 0; i < n; i++) {
            size_t streams = 1;
            for (const char *p = strchr(plan[i].url, '='); *p != '\0'; p++) {
                streams += *p == '/' ? 1 : 0;
            }
            cr_expect_leq(streams, most);
            cr_expect_leq(strlen(plan[i].url), LINK_URL_MAX);
            for (size_t k = 0; k < plan[i].n; k++) {
                cr_expect_eq(seen[plan[i].on[k].instrument] & plan[i].on[k].streams, 0);
                seen[plan[i].on[k].instrument] |= plan[i].on[k].streams;
            }
        }
        for (size_t i = 0; i < MANY; i++) {
            cr_expect_eq(seen[i], STREAM_BIT(STREAM_KINDS) - 1);
        }
    }
}

// ---- symbols -----------------------------------------------------------------------------------

Test(symtab, finds_every_symbol_and_no_other)
{
    struct symtab t;
    struct err e = {0};
    const struct feed_wants w = {.streams = 1};
    cr_assert_gt(plans(MANY, w, 32, &e), 0);
    symtab_init(&t, ins, MANY);
    for (size_t i = 0; i < MANY; i++) {
        cr_expect_eq(symtab_find(&t, slice_of(ins[i].symbol)), (int)i);
    }
    cr_expect_eq(symtab_find(&t, slice_of("SYM64USDT")), -1);
    cr_expect_eq(symtab_find(&t, slice_of("BTCUSD")), -1);
    cr_expect_eq(symtab_find(&t, slice_of("BTCUSDTT")), -1);
    cr_expect_eq(symtab_find(&t, slice_of("")), -1);
}

Test(guess, blames_the_symbol_of_a_broken_frame)
{
    struct slice s;
    const char torn[] = "{\"e\":\"aggTrade\",\"E\":1,\"a\":2,\"s\":\"BTCUSDT\",\"p\":";
    cr_assert(guess_symbol(torn, sizeof torn - 1, &s));
    cr_expect(slice_eq(s, "BTCUSDT"));
    const char topic[] = "{\"topic\":\"publicTrade.ETHUSDT\",\"type\":";
    cr_assert(guess_symbol(topic, sizeof topic - 1, &s));
    cr_expect(slice_eq(s, "ETHUSDT"));
    cr_expect_not(guess_symbol("{\"s\":\"", 6, &s));
    cr_expect_not(guess_symbol("garbage", 7, &s));
    cr_expect_not(guess_symbol("", 0, &s));
}

// ---- pace --------------------------------------------------------------------------------------

Test(pace, a_burst_then_one_per_interval)
{
    struct pace p;
    const struct pace_opts o = {
        .every_ms = 1000, .burst = 3, .window_ms = 300000, .window_max = 300};
    pace_init(&p, &o);
    int64_t now = 5000;
    for (int i = 0; i < 3; i++) {
        cr_expect_eq(pace_take(&p, now), 0);
    }
    cr_expect_eq(pace_take(&p, now), 1000);
    cr_expect_eq(pace_take(&p, now + 999), 1);
    cr_expect_eq(pace_take(&p, now + 1000), 0);
    cr_expect_gt(pace_take(&p, now + 1000), 0);
    now += 60000; // after a rest the burst is there again
    for (int i = 0; i < 3; i++) {
        cr_expect_eq(pace_take(&p, now), 0);
    }
    cr_expect_gt(pace_take(&p, now), 0);
}

Test(pace, no_five_minutes_hold_more_than_the_window_allows)
{
    static int64_t at[100000];
    const struct pace_opts o = {
        .every_ms = 10, .burst = 50, .window_ms = 300000, .window_max = 300};
    struct pace p;
    size_t n = 0, worst = 0;
    pace_init(&p, &o);
    for (int64_t now = 0; now < 3600000; now += 50) {
        while (pace_take(&p, now) == 0) {
            at[n++] = now;
        }
    }
    cr_assert_gt(n, 1000);
    for (size_t i = 0, from = 0; i < n; i++) {
        while (at[i] - at[from] >= o.window_ms) {
            from++;
        }
        worst = i - from + 1 > worst ? i - from + 1 : worst;
    }
    cr_expect_leq(worst, 300);
    cr_expect_gt(worst, 280); // and the allowance is used
}

// ---- hand-over ---------------------------------------------------------------------------------

static struct handover h;

static struct frame trade(int64_t id)
{
    return (struct frame){.kind = FRAME_AGG_TRADE, .id = id, .trade_ms = 1000 + id};
}

static struct frame book(int64_t u)
{
    return (struct frame){.kind = FRAME_BOOK, .last_id = u, .trade_ms = u};
}

static struct frame named(const char *uid, int64_t ts)
{
    return (struct frame){.kind = FRAME_UID_TRADE, .id = -1, .uid = slice_of(uid), .trade_ms = ts};
}

#define OLD(lane, f) handover_old(&h, (lane), &(struct frame[]){f}[0])
#define NEW(lane, f) handover_new(&h, (lane), &(struct frame[]){f}[0])

Test(handover, waits_until_the_old_one_reached_where_the_new_one_begins)
{
    handover_reset(&h);
    OLD(0, trade(3));
    handover_begin(&h, 0, 10000);
    NEW(0, trade(5));
    cr_expect_eq(handover_judge(&h, 9000, false), HANDOVER_WAIT);
    OLD(0, trade(4));
    cr_expect_eq(handover_judge(&h, 9000, false), HANDOVER_WAIT);
    OLD(0, trade(5));
    cr_expect_eq(handover_judge(&h, 9000, false), HANDOVER_WHOLE);
}

Test(handover, a_new_one_that_begins_within_what_is_known_is_good_at_once)
{
    handover_reset(&h);
    OLD(0, trade(7));
    handover_begin(&h, 0, 10000);
    NEW(0, trade(6));
    cr_expect_eq(handover_judge(&h, HANDOVER_OVERLAP_MS - 1, false), HANDOVER_WAIT);
    cr_expect_eq(handover_judge(&h, HANDOVER_OVERLAP_MS, false), HANDOVER_WHOLE);
}

Test(handover, every_stream_that_the_old_one_delivers_must_come_from_the_new_one)
{
    handover_reset(&h);
    handover_begin(&h, 0, 10000);
    OLD(0, trade(1));
    NEW(0, trade(1));
    OLD(1, book(10));
    cr_expect_eq(handover_judge(&h, 5000, false), HANDOVER_WAIT);
    cr_expect_not(handover_is_whole(&h, 1, STREAM_BOOK));
    cr_expect(handover_is_whole(&h, 1, STREAM_TRADES)); // neither delivered any
    NEW(1, book(11));
    OLD(0, trade(1));
    cr_expect_eq(handover_judge(&h, 5000, false), HANDOVER_WAIT);
    OLD(1, book(11));
    cr_expect_eq(handover_judge(&h, 5000, false), HANDOVER_WHOLE);
}

Test(handover, names_are_reached_by_themselves_or_by_a_later_time)
{
    handover_reset(&h);
    handover_begin(&h, 0, 10000);
    NEW(0, named("b", 100));
    OLD(0, named("a", 100));
    cr_expect_eq(handover_judge(&h, 5000, false), HANDOVER_WAIT);
    OLD(0, named("b", 100));
    cr_expect_eq(handover_judge(&h, 5000, false), HANDOVER_WHOLE);
    NEW(1, named("c", 100));
    OLD(1, named("d", 101));
    cr_expect_eq(handover_judge(&h, 5000, false), HANDOVER_WHOLE);
}

Test(handover, the_bound_forces_it_or_gives_it_up)
{
    handover_reset(&h);
    OLD(0, trade(1));
    handover_begin(&h, 0, 10000);
    cr_expect_eq(handover_judge(&h, 9999, false), HANDOVER_WAIT);
    cr_expect_eq(handover_judge(&h, 10000, false), HANDOVER_FAILED);
    NEW(0, trade(9));
    cr_expect_eq(handover_judge(&h, 9999, false), HANDOVER_WAIT);
    cr_expect_eq(handover_judge(&h, 10000, false), HANDOVER_FORCED);
    cr_expect_eq(handover_judge(&h, 0, true), HANDOVER_FORCED);
    cr_expect_not(handover_is_whole(&h, 0, STREAM_TRADES));
    cr_expect(handover_is_whole(&h, 0, STREAM_MARK)); // nothing to count
}

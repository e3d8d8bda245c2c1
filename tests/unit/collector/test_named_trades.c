// Trades that UUIDs name through feed and outbox: copies, holes in time, lookups before a
// repetition.

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "services/collector/core/feed.h"
#include "services/collector/core/outbox.h"

#define T0 INT64_C(1712071437871)

static struct instrument contract(void)
{
    struct instrument ins;
    cr_assert_eq(instrument_parse("bybit:BTCUSDT", 13, VENUE_BYBIT, &ins, NULL), 0);
    cr_assert_eq(instrument_set_units(&ins, "0.10", "0.001", -1, NULL), 0);
    return ins;
}

static char uid_text[64];

static struct frame frame(int k, int64_t ts_ms, const char *qty)
{
    snprintf(uid_text, sizeof uid_text, "2a74ac78-691c-5b54-9dbe-5aafe%07d", k);
    return (struct frame){.kind = FRAME_UID_TRADE,
                          .symbol = slice_of("BTCUSDT"),
                          .event_ms = ts_ms + 1,
                          .trade_ms = ts_ms,
                          .market = 1,
                          .price = slice_of("65987.30"),
                          .qty = slice_of(qty),
                          .uid = slice_of(uid_text),
                          .id = -1,
                          .seq = 7,
                          .maker = true,
                          .flags = TRADE_RPI};
}

static struct feed feed;
static struct feed_out out;
static const struct feed_clock no_clock;

static void feed_setup(void)
{
    const struct instrument ins = contract();
    const struct feed_opts o = {.subscribed = FRAME_UID_TRADE,
                                .window_ms = 600000,
                                .max_spans = 16,
                                .max_names = 4096,
                                .fallback_tick = "0.1"};
    feed_init(&feed, &ins, &o);
    feed_set_units(&feed, &ins);
    feed_begin(&feed);
}

static void take(int k, int64_t ts_ms, const char *qty)
{
    const struct frame f = frame(k, ts_ms, qty);
    feed_on_trade(&feed, &f, ts_ms * 1000, &no_clock, &out);
}

Test(named_feed, a_trade_is_taken_once_by_its_name)
{
    feed_setup();
    take(1, T0, "0.002");
    cr_expect_eq(out.verdict, FEED_TRADE);
    cr_expect(out.rejoin);
    cr_expect_eq(out.rejoin_ms, 0);
    cr_expect_eq(out.trade.side, SIDE_SELL);
    cr_expect_eq(out.trade.id, 7);
    cr_expect_eq(out.trade.flags, TRADE_RPI);
    take(1, T0, "0.002");
    cr_expect_eq(out.verdict, FEED_DUPLICATE);
    take(2, T0, "0.002");
    cr_expect_eq(out.verdict, FEED_TRADE, "the same in all but the name");
    cr_expect_not(out.rejoin);
    take(3, T0 - 5, "0.002");
    cr_expect(out.late);
    feed_dropped(&feed, &out.trade);
    take(3, T0 - 5, "0.002");
    cr_expect_eq(out.verdict, FEED_TRADE, "what was not kept may come again");
    feed_release(&feed);
}

Test(named_feed, a_new_link_has_to_prove_itself_unless_it_begins_with_a_copy)
{
    feed_setup();
    take(1, T0, "1");
    take(2, T0 + 10, "1");
    feed_begin(&feed);
    take(3, T0 + 50, "1");
    cr_expect(out.rejoin);
    cr_expect_eq(out.rejoin_ms, T0 + 10);
    feed_begin(&feed);
    take(3, T0 + 50, "1");
    cr_expect_eq(out.verdict, FEED_DUPLICATE);
    take(4, T0 + 60, "1");
    cr_expect_not(out.rejoin, "the links overlapped");
    feed_release(&feed);
}

Test(named_feed, a_refused_trade_leaves_a_hole_of_its_millisecond)
{
    feed_setup();
    take(1, T0, "0");
    cr_expect_eq(out.verdict, FEED_REFUSED);
    cr_expect_not(out.hole, "nothing is known yet, so nothing is missing");
    take(2, T0, "1");
    take(3, T0 + 5, "-1");
    cr_expect_eq(out.why, REFUSE_NEGATIVE);
    cr_expect(out.hole);
    cr_expect_eq(out.hole_from_ms, T0 + 5);
    cr_expect_eq(out.hole_to_ms, T0 + 6);
    cr_expect_str_eq(out.hole_reason, "refused");
    feed_release(&feed);
}

Test(named_feed, of_a_trade_without_a_believable_time_the_hole_reaches_to_the_next)
{
    feed_setup();
    take(1, T0, "1");
    struct frame bad = {.kind = FRAME_MALFORMED,
                        .symbol = slice_of("BTCUSDT"),
                        .event_ms = -1,
                        .trade_ms = -1,
                        .hides_trade = true};
    feed_on_malformed(&feed, &bad, &out);
    cr_expect_not(out.hole);
    bad.trade_ms = 5; // long ago: its time is as bad as the rest of it
    bad.event_ms = T0 + 3;
    feed_on_malformed(&feed, &bad, &out);
    cr_expect_not(out.hole);
    take(2, T0 + 9, "1");
    cr_expect(out.hole);
    cr_expect_eq(out.hole_from_ms, T0);
    cr_expect_eq(out.hole_to_ms, T0 + 10);
    cr_expect_str_eq(out.hole_reason, "malformed");
    take(3, T0 + 9, "1");
    cr_expect_not(out.hole, "told once");
    bad.hides_trade = false;
    feed_on_malformed(&feed, &bad, &out);
    take(4, T0 + 19, "1");
    cr_expect_not(out.hole, "a book message hides no trade");
    feed_release(&feed);
}

// ---- outbox ------------------------------------------------------------------------------------

static struct outbox box;
static char command[ENTRY_MAX];

static void box_setup(void)
{
    const struct instrument ins = contract();
    const struct outbox_opts o = {
        .max_queue = 100, .ring_max = 100, .ring_ms = 30000, .batch = 16, .max_data_bytes = 100000};
    outbox_init(&box, &ins, &o);
    outbox_open(&box, false);
}

static void add(uint64_t k, int64_t ts_ms)
{
    const struct trade t = {.ts_ms = ts_ms,
                            .id = 5,
                            .side = SIDE_SELL,
                            .flags = TRADE_BLOCK,
                            .uid = {0x1234567890abcdef, k}};
    cr_assert(outbox_add_trade(&box, &t, slice_of("1.0"), slice_of("2"), 99));
}

// Sends what is wanted; what the commands were, oldest first.
static size_t send(char list[][ENTRY_MAX], size_t max)
{
    size_t n = 0, len;
    while (outbox_wants(&box, 0)) {
        outbox_begin(&box, 0);
        while ((len = outbox_next(&box, command)) > 0) {
            cr_assert_lt(n, max);
            memcpy(list[n], box.command, len);
            list[n++][len] = '\0';
        }
    }
    return n;
}

static void answer(enum outbox_answer a, int64_t ms, int64_t seq)
{
    int64_t us;
    size_t commands;
    (void)outbox_answer(&box, a, ms, seq, 0, &us, &commands);
}

static char sent[16][ENTRY_MAX];

Test(named_outbox, an_entry_has_the_name_the_seq_and_the_flags)
{
    box_setup();
    add(0xff, T0);
    cr_assert_eq(send(sent, 16), 1);
    cr_expect_str_eq(sent[0],
                     "*17\r\n$4\r\nXADD\r\n$26\r\nbc4:{bybit:BTCUSDT}:trades\r\n"
                     "$15\r\n1712071437871-*\r\n$5\r\nprice\r\n$3\r\n1.0\r\n$3\r\nqty\r\n$1\r\n2"
                     "\r\n$4\r\nside\r\n$4\r\nsell\r\n$2\r\nid\r\n$36\r\n"
                     "12345678-90ab-cdef-0000-0000000000ff\r\n$5\r\nrx_us\r\n$2\r\n99\r\n"
                     "$3\r\nseq\r\n$1\r\n5\r\n$5\r\nflags\r\n$5\r\nblock\r\n");
    outbox_release(&box);
}

Test(named_outbox, what_was_in_flight_is_looked_up_before_it_is_sent_again)
{
    box_setup();
    add(1, T0);
    add(2, T0 + 1);
    cr_assert_eq(send(sent, 16), 2);
    answer(ANSWER_STORED, T0, 0);
    outbox_close(&box); // of 2 it is not known whether it arrived
    add(3, T0 + 2);
    outbox_open(&box, true);
    cr_assert_eq(send(sent, 16), 2);
    cr_expect_not_null(strstr(sent[0], "XRANGE"));
    cr_expect_not_null(strstr(sent[0], "1712071437871-0"), "1 has an entry id: %s", sent[0]);
    cr_expect_not_null(strstr(sent[1], "$13\r\n1712071437872\r\n$13\r\n1712071437872"), "%s",
                       sent[1]);
    const struct trade_uid u = outbox_expected_uid(&box);
    cr_expect_eq(u.lo, 1);
    answer(ANSWER_FOUND, 0, 0);
    answer(ANSWER_ABSENT, 0, 0);
    cr_assert_eq(send(sent, 16), 2);
    cr_expect_not_null(strstr(sent[0], "1712071437872-*"), "2 goes again, before 3: %s", sent[0]);
    cr_expect_not_null(strstr(sent[1], "1712071437873-*"));
    cr_expect_eq(box.resent, 0, "it was never known to be stored");
    outbox_release(&box);
}

Test(named_outbox, below_the_tip_a_name_that_is_not_there_goes_to_history)
{
    box_setup();
    add(1, T0);
    cr_assert_eq(send(sent, 16), 1);
    answer(ANSWER_ID_REFUSED, 0, 0);
    cr_assert_eq(send(sent, 16), 1);
    cr_expect_not_null(strstr(sent[0], "XRANGE"));
    answer(ANSWER_ABSENT, 0, 0);
    cr_assert_eq(send(sent, 16), 1);
    cr_expect_not_null(strstr(sent[0], ":history\r\n"));
    cr_expect_not_null(
        strstr(sent[0], "1712071437871 12345678-90ab-cdef-0000-000000000001 1.0 2 sell 5 block\n"),
        "%s", sent[0]);
    cr_expect_not_null(strstr(sent[0], "from_id\r\n$2\r\n-1\r\n"));
    outbox_release(&box);
}

Test(named_outbox, held_trades_wait_for_the_gap_in_front_of_them)
{
    box_setup();
    add(1, T0);
    outbox_hold(&box);
    add(2, T0 + 9);
    cr_assert_eq(send(sent, 16), 1, "only what came before the hold");
    cr_expect_eq(outbox_unstored_ms(&box), T0);
    answer(ANSWER_STORED, T0, 0);
    cr_expect_eq(outbox_unstored_ms(&box), T0 + 9);
    outbox_add_time_gap(&box, T0, T0 + 10, "reconnect");
    outbox_release_hold(&box, true);
    cr_assert_eq(send(sent, 16), 1, "the gap alone");
    cr_expect_not_null(strstr(sent[0], "$3\r\ngap\r\n"));
    answer(ANSWER_STORED, 5, 0);
    cr_assert_eq(send(sent, 16), 1);
    cr_expect_not_null(strstr(sent[0], "1712071437880-*"));
    answer(ANSWER_STORED, T0 + 9, 0);
    cr_expect_eq(outbox_unstored_ms(&box), INT64_MAX);
    cr_expect_eq(outbox_pending(&box), 0);
    outbox_hold(&box);
    add(3, T0 + 20);
    outbox_release_hold(&box, false);
    cr_expect_eq(send(sent, 16), 1);
    outbox_release(&box);
}

Test(named_outbox, holes_that_touch_become_one_entry)
{
    box_setup();
    outbox_add_time_gap(&box, T0, T0 + 1, "refused");
    outbox_add_time_gap(&box, T0 + 1, T0 + 2, "refused");
    outbox_add_time_gap(&box, T0 + 1, T0 + 5, "refused");
    outbox_add_time_gap(&box, T0 + 6, T0 + 7, "refused");
    cr_assert_eq(send(sent, 16), 2);
    cr_expect_not_null(strstr(sent[0], "to_ms\r\n$13\r\n1712071437876\r\n"), "%s", sent[0]);
    outbox_release(&box);
}

Test(named_outbox, what_finds_no_room_is_one_hole_in_time)
{
    box_setup();
    outbox_close(&box);
    for (uint64_t k = 0; k < 100; k++) {
        add(k, T0 + (int64_t)k);
    }
    for (uint64_t k = 100; k < 110; k++) {
        const struct trade t = {.ts_ms = T0 + (int64_t)k, .uid = {1, k}};
        cr_assert_not(outbox_add_trade(&box, &t, slice_of("1"), slice_of("1"), 0));
    }
    outbox_settle(&box, true);
    cr_expect_eq(box.gaps_declared, 1);
    outbox_open(&box, true);
    size_t n = 0;
    const char *gap = NULL;
    static char all[128][ENTRY_MAX];
    while (outbox_wants(&box, 0)) {
        n = send(all, 128);
        for (size_t i = 0; i < n; i++) {
            gap = strstr(all[i], "$3\r\ngap\r\n") != NULL ? all[i] : gap;
            answer(ANSWER_STORED, T0, (int64_t)i);
        }
    }
    cr_assert_not_null(gap);
    cr_expect_not_null(strstr(gap, "from_ms\r\n$13\r\n1712071437971\r\n"), "%s", gap);
    cr_expect_not_null(strstr(gap, "to_ms\r\n$13\r\n1712071437981\r\n"), "%s", gap);
    outbox_release(&box);
}

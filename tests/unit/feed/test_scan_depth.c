#include "common/feed/frame.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/buf.h"
#include "tests/support/recording.h"
#include "tests/support/rng.h"

// Frames as the venue wrote them: 2021 and 2024 bare, 2026 wrapped, a side or both without levels.
static const char *const good[] = {
    "{\"e\":\"depthUpdate\",\"E\":1676419206974,\"T\":1676419205108,\"s\":\"BTCUSDT\",\"U\":"
    "2505118837831,\"u\":2505118838224,\"pu\":2505118837821,\"b\":[[\"22182.90\",\"0.000\"]],\"a\":"
    "[[\"22171.70\",\"0.000\"]]}",
    "{\"stream\":\"btcusdt@depth@100ms\",\"data\":{\"e\":\"depthUpdate\",\"E\":1784410629442,"
    "\"T\":1784410629441,\"s\":\"BTCUSDT\",\"ps\":\"BTCUSDT\",\"U\":11079102155344,\"u\":"
    "11079102164454,\"pu\":11079102154995,\"b\":[[\"14147.20\",\"0.238\"],[\"14349.90\","
    "\"1.218\"]],\"a\":[[\"65382.10\",\"0.764\"],[\"65938.10\",\"0.463\"],[\"7\",\"1000000\"]],"
    "\"st\":1}}",
    "{\"stream\":\"sushiusdt@depth\",\"data\":{\"e\":\"depthUpdate\",\"E\":1,\"T\":2,\"s\":"
    "\"SUSHIUSDT\",\"U\":3,\"u\":4,\"pu\":0,\"b\":[],\"a\":[]}}",
    "{\"e\":\"depthUpdate\",\"E\":1,\"T\":2,\"s\":\"A\",\"U\":3,\"u\":4,\"pu\":0,\"b\":[],\"a\":[["
    "\"1234567890123456789012345678901234567890\",\".5\"]],\"st\":2}",
    "{\"e\":\"depthUpdate\",\"E\":1,\"T\":2,\"s\":\"A\",\"ps\":\"A_1\",\"U\":3,\"u\":4,\"pu\":0,"
    "\"b\":[[\"5.\",\"0\"]],\"a\":[]}",
};
#define GOOD (sizeof good / sizeof good[0])

static const char *const snapshots[] = {
    "{\"lastUpdateId\":1027024,\"E\":1589436922972,\"T\":1589436922959,\"bids\":[[\"4.00000000\","
    "\"431.00000000\"],[\"3.9\",\"1\"]],\"asks\":[[\"4.00000200\",\"12.00000000\"]]}",
    "{\"lastUpdateId\":1,\"E\":2,\"T\":3,\"bids\":[],\"asks\":[]}",
};

static struct frame_space space_a, space_b;

static bool same_text(struct slice a, struct slice b)
{
    return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

static bool same_levels(const struct frame_level *a, const struct frame_level *b, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (!same_text(a[i].price, b[i].price) || !same_text(a[i].qty, b[i].qty)) {
            return false;
        }
    }
    return true;
}

// What the scanner accepts, jansson decodes to the same struct. True when it was accepted.
static bool agree(const char *p, size_t n)
{
    char *bytes = malloc(n > 0 ? n : 1); // of the exact size: a sanitizer sees a read behind it
    memcpy(bytes, p, n);
    struct frame a, b;
    const bool accepted = frame_scan_depth(bytes, n, &space_a, &a);
    if (accepted) {
        frame_parse_json(bytes, n, &space_b, &b);
        cr_assert(
            a.kind == FRAME_BOOK && b.kind == FRAME_BOOK && a.event_ms == b.event_ms &&
                a.trade_ms == b.trade_ms && a.market == b.market && a.snapshot == b.snapshot &&
                a.first_id == b.first_id && a.last_id == b.last_id && a.prev_id == b.prev_id &&
                same_text(a.symbol, b.symbol) && a.n_bids == b.n_bids && a.n_asks == b.n_asks &&
                same_levels(a.bids, b.bids, a.n_bids) && same_levels(a.asks, b.asks, a.n_asks),
            "the two decoders disagree about %.*s", (int)n, p);
        frame_release(&b);
    }
    free(bytes);
    return accepted;
}

Test(scan_depth, takes_every_form_the_venue_writes)
{
    for (size_t i = 0; i < GOOD; i++) {
        cr_expect(agree(good[i], strlen(good[i])), "%s", good[i]);
    }
}

Test(scan_depth, reads_the_fields)
{
    struct frame f;
    cr_assert(frame_scan_depth(good[1], strlen(good[1]), &space_a, &f));
    cr_expect_eq(f.kind, FRAME_BOOK);
    cr_expect_eq(f.event_ms, 1784410629442);
    cr_expect_eq(f.trade_ms, 1784410629441);
    cr_expect_eq(f.first_id, 11079102155344);
    cr_expect_eq(f.last_id, 11079102164454);
    cr_expect_eq(f.prev_id, 11079102154995);
    cr_expect_eq(f.market, 1);
    cr_expect_not(f.snapshot);
    cr_expect(slice_eq(f.symbol, "BTCUSDT"));
    cr_assert_eq(f.n_bids, 2);
    cr_assert_eq(f.n_asks, 3);
    cr_expect(slice_eq(f.bids[1].price, "14349.90") && slice_eq(f.bids[1].qty, "1.218"));
    cr_expect(slice_eq(f.asks[2].price, "7") && slice_eq(f.asks[2].qty, "1000000"));
    cr_assert(frame_scan_depth(good[3], strlen(good[3]), &space_a, &f));
    cr_expect_eq(f.market, 2);
    cr_expect_eq(f.asks[0].price.n, 40);
}

Test(scan_depth, refuses_what_it_does_not_know)
{
    static const char *const bad[] = {
        "",
        "{}",
        "{\"e\":\"depthUpdate\"}",
        // another order, a blank, a missing key, an unknown key
        "{\"e\":\"depthUpdate\",\"T\":2,\"E\":1,\"s\":\"A\",\"U\":3,\"u\":4,\"pu\":0,\"b\":[],"
        "\"a\":[]}",
        "{\"e\":\"depthUpdate\", \"E\":1,\"T\":2,\"s\":\"A\",\"U\":3,\"u\":4,\"pu\":0,\"b\":[],"
        "\"a\":[]}",
        "{\"e\":\"depthUpdate\",\"E\":1,\"T\":2,\"s\":\"A\",\"U\":3,\"u\":4,\"b\":[],\"a\":[]}",
        "{\"e\":\"depthUpdate\",\"E\":1,\"T\":2,\"s\":\"A\",\"U\":3,\"u\":4,\"pu\":0,\"b\":[],"
        "\"a\":[],\"x\":1}",
        // levels: numbers, three members, one, a sign, an exponent, empty, open, a comma too many
        "{\"e\":\"depthUpdate\",\"E\":1,\"T\":2,\"s\":\"A\",\"U\":3,\"u\":4,\"pu\":0,\"b\":[[1,2]],"
        "\"a\":[]}",
        "{\"e\":\"depthUpdate\",\"E\":1,\"T\":2,\"s\":\"A\",\"U\":3,\"u\":4,\"pu\":0,\"b\":[["
        "\"1\",\"2\",\"3\"]],\"a\":[]}",
        "{\"e\":\"depthUpdate\",\"E\":1,\"T\":2,\"s\":\"A\",\"U\":3,\"u\":4,\"pu\":0,\"b\":[["
        "\"1\"]],\"a\":[]}",
        "{\"e\":\"depthUpdate\",\"E\":1,\"T\":2,\"s\":\"A\",\"U\":3,\"u\":4,\"pu\":0,\"b\":[["
        "\"-1\",\"2\"]],\"a\":[]}",
        "{\"e\":\"depthUpdate\",\"E\":1,\"T\":2,\"s\":\"A\",\"U\":3,\"u\":4,\"pu\":0,\"b\":[["
        "\"1e3\",\"2\"]],\"a\":[]}",
        "{\"e\":\"depthUpdate\",\"E\":1,\"T\":2,\"s\":\"A\",\"U\":3,\"u\":4,\"pu\":0,\"b\":[[\"\","
        "\"2\"]],\"a\":[]}",
        "{\"e\":\"depthUpdate\",\"E\":1,\"T\":2,\"s\":\"A\",\"U\":3,\"u\":4,\"pu\":0,\"b\":[["
        "\"1\",\"2\"],\"a\":[]}",
        "{\"e\":\"depthUpdate\",\"E\":1,\"T\":2,\"s\":\"A\",\"U\":3,\"u\":4,\"pu\":0,\"b\":[["
        "\"1\",\"2\"],],\"a\":[]}",
        "{\"e\":\"depthUpdate\",\"E\":1,\"T\":2,\"s\":\"A\",\"U\":3,\"u\":4,\"pu\":0,\"b\":[],"
        "\"a\":[]}}",
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        cr_expect_not(agree(bad[i], strlen(bad[i])), "%s", bad[i]);
    }
}

Test(scan_depth, refuses_more_levels_than_there_is_room_for)
{
    struct buf b;
    struct frame f;
    buf_init(&b, 1 << 20);
    buf_adds(&b, "{\"e\":\"depthUpdate\",\"E\":1,\"T\":2,\"s\":\"A\",\"U\":3,\"u\":4,\"pu\":0,"
                 "\"b\":[");
    for (int i = 0; i < FRAME_LEVELS_MAX; i++) {
        buf_addf(&b, "%s[\"%d\",\"1\"]", i > 0 ? "," : "", i + 1);
    }
    buf_adds(&b, "],\"a\":[]}");
    cr_expect(frame_scan_depth(buf_ptr(&b), buf_len(&b), &space_a, &f));
    cr_expect_eq(f.n_bids, FRAME_LEVELS_MAX);
    b.tail -= 2; // one more, on the other side
    buf_adds(&b, "[\"9\",\"1\"]]}");
    cr_expect_not(frame_scan_depth(buf_ptr(&b), buf_len(&b), &space_a, &f));
    frame_decode(buf_ptr(&b), buf_len(&b), &space_a, &f);
    cr_expect_eq(f.kind, FRAME_MALFORMED);
    buf_release(&b);
}

Test(scan_depth, jansson_takes_what_the_scanner_leaves)
{
    static const char other[] =
        "{\"data\" : {\"pu\":9,\"a\":[[\"1e3\",\"\\u0032\"]],\"b\":[],\"u\":12,\"U\":10,\"s\":"
        "\"BTCUSDT\",\"T\":5,\"E\":6,\"e\":\"depthUpdate\",\"new\":null}, \"stream\":\"x\"}";
    struct frame f;
    frame_decode(other, strlen(other), &space_a, &f);
    cr_assert_eq(f.kind, FRAME_BOOK);
    cr_expect(f.prev_id == 9 && f.first_id == 10 && f.last_id == 12 && f.n_bids == 0);
    cr_assert_eq(f.n_asks, 1);
    cr_expect(slice_eq(f.asks[0].price, "1e3") && slice_eq(f.asks[0].qty, "2"));
    frame_release(&f);
    static const char broken[] = "{\"e\":\"depthUpdate\",\"E\":1,\"T\":2,\"s\":\"A\",\"U\":3,\"u\":"
                                 "4,\"pu\":0,\"b\":[],\"a\":[[\"1\"]]}";
    frame_decode(broken, strlen(broken), &space_a, &f);
    cr_expect_eq(f.kind, FRAME_MALFORMED);
}

Test(scan_depth, reads_the_answer_of_rest)
{
    struct frame f, g;
    for (size_t i = 0; i < 2; i++) {
        cr_assert(frame_scan_snapshot(snapshots[i], strlen(snapshots[i]), &space_a, &f));
        char blanks[400];
        // With a blank behind each colon jansson has to read it, to the same end.
        size_t n = 0;
        for (const char *p = snapshots[i]; *p != '\0'; p++) {
            blanks[n++] = *p;
            if (*p == ':') {
                blanks[n++] = ' ';
            }
        }
        cr_assert_not(frame_scan_snapshot(blanks, n, &space_b, &g));
        frame_decode_snapshot(blanks, n, &space_b, &g);
        cr_assert_eq(g.kind, FRAME_BOOK);
        cr_expect(f.snapshot && g.snapshot && f.last_id == g.last_id && f.event_ms == g.event_ms &&
                  f.trade_ms == g.trade_ms && f.n_bids == g.n_bids && f.n_asks == g.n_asks);
        cr_expect(same_levels(f.bids, g.bids, f.n_bids) && same_levels(f.asks, g.asks, f.n_asks));
        frame_release(&g);
    }
    frame_decode_snapshot("{\"code\":-1121,\"msg\":\"Invalid symbol.\"}", 39, &space_a, &f);
    cr_expect_eq(f.kind, FRAME_MALFORMED);
    frame_decode_snapshot("<html>", 6, &space_a, &f);
    cr_expect_eq(f.kind, FRAME_MALFORMED);
}

// One edit of the kinds that happen on a wire, and some that are made to confuse a scanner.
static size_t mutate(struct rng *r, char *p, size_t n, size_t size)
{
    static const char spice[] = "\"[]{},:.0123456789eE-\\ /btrufalsnx\x80\xff";
    const size_t at = n > 0 ? rng_below(r, n) : 0;
    switch (rng_below(r, 5)) {
    case 0:
        p[at] = spice[rng_below(r, sizeof spice - 1)];
        return n;
    case 1: // a byte more
        if (n + 1 < size) {
            memmove(p + at + 1, p + at, n - at);
            p[at] = spice[rng_below(r, sizeof spice - 1)];
            return n + 1;
        }
        return n;
    case 2: // one less
        memmove(p + at, p + at + 1, n - at - 1);
        return n - 1;
    case 3: // cut off
        return at > 0 ? at : 1;
    default: { // a part of it again somewhere else
        const size_t from = rng_below(r, n), len = rng_below(r, 12);
        const size_t k = from + len <= n && at + len <= n ? len : 0;
        memmove(p + at, p + from, k);
        return n;
    }
    }
}

Test(scan_depth, agrees_with_jansson_about_broken_frames)
{
    struct rng r = {20260718};
    size_t accepted = 0;
    for (int i = 0; i < 300000; i++) {
        char text[1024];
        const char *from = good[rng_below(&r, GOOD)];
        size_t n = strlen(from);
        memcpy(text, from, n);
        for (size_t k = 1 + rng_below(&r, 2); k > 0; k--) {
            n = mutate(&r, text, n, sizeof text);
        }
        accepted += agree(text, n) ? 1 : 0;
    }
    cr_expect_gt(accepted, 1000, "the edits leave nothing to compare: %zu", accepted);
}

Test(scan_depth, agrees_with_jansson_about_every_recorded_frame)
{
    static const struct {
        const char *name;
        size_t frames;
    } file[] = {
        {"binance_usdm_BTCUSDT_20220811_1427_trade-depth0ms.raw.gz", 206},
        {"binance_usdm_BTCUSDT_20230404_2358_trade-depth0ms-bookTicker-markPrice.raw.gz", 4322},
        {"binance_usdm_BTCUSDT_20240402_1503_depth.jsonl.gz", 88},
        {"binance_usdm_BTCUSDT_20260718_2137_depth100ms.jsonl.gz", 588},
        {"binance_usdm_SUSHI-AKRO-KEEP-CTK_20210722_2225_combined-ws.cryptofeed.gz", 764},
    };
    struct recording r;
    struct rng rng = {7};
    for (size_t i = 0; i < sizeof file / sizeof file[0]; i++) {
        if (!recording_open(&r, file[i].name)) {
            cr_skip_test("SKIPPED: no recordings (%s)", file[i].name);
        }
        size_t frames = 0, taken = 0, n;
        for (char *p; (p = recording_next(&r, &n)) != NULL;) {
            if (strstr(p, "\"depthUpdate\"") == NULL) {
                cr_expect_not(agree(p, n));
                continue;
            }
            frames++;
            taken += agree(p, n) ? 1 : 0;
            char *broken = malloc(n + 2);
            memcpy(broken, p, n);
            (void)agree(broken, mutate(&rng, broken, n, n + 2));
            free(broken);
        }
        recording_close(&r);
        cr_expect_eq(frames, file[i].frames, "%s: %zu", file[i].name, frames);
        cr_expect_eq(taken, frames, "%s: %zu of %zu by the scanner", file[i].name, taken, frames);
    }
}

#include "common/feed/frame.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/mutate.h"

// Frames as the venue writes them, of every form the scanner knows.
static const char *const good[] = {
    "{\"e\":\"aggTrade\",\"E\":1712070234881,\"a\":2111730447,\"s\":\"BTCUSDT\",\"p\":\"65818.60\","
    "\"q\":\"0.785\",\"f\":4828132070,\"l\":4828132072,\"T\":1712070234784,\"m\":true}",
    "{\"stream\":\"btcusdt@aggTrade\",\"data\":{\"e\":\"aggTrade\",\"E\":1784410629584,\"a\":"
    "3387056463,\"s\":\"BTCUSDT\",\"p\":\"64650.00\",\"q\":\"0.492\",\"nq\":\"0.492\",\"f\":"
    "7910555181,\"l\":7910555183,\"T\":1784410629576,\"m\":false,\"st\":1}}",
    "{\"stream\":\"akrousdt@aggTrade\",\"data\":{\"e\":\"aggTrade\",\"E\":1626992742291,\"a\":"
    "14888302,\"s\":\"AKROUSDT\",\"p\":\"0.01731\",\"q\":\"312\",\"f\":27931348,\"l\":27931348,"
    "\"T\":1626992742134,\"m\":true}}",
    "{\"e\":\"aggTrade\",\"E\":0,\"a\":0,\"s\":\"A\",\"p\":\".5\",\"q\":\"5.\",\"f\":0,\"l\":9,"
    "\"T\":999999999999999999,\"m\":false,\"st\":2}",
    "{\"stream\":\"btcusdt@trade\",\"data\":{\"e\":\"trade\",\"E\":1723161256322,\"T\":"
    "1723161256321,\"s\":\"BTCUSDT\",\"t\":5266583935,\"p\":\"61800.30\",\"q\":\"0.006\",\"X\":"
    "\"MARKET\",\"m\":false}}",
    "{\"e\":\"trade\",\"E\":1723161256322,\"T\":1723161256321,\"s\":\"BTCUSDT\",\"t\":5266583935,"
    "\"p\":\"61800.30\",\"q\":\"0.006\",\"X\":\"INSURANCE_FUND\",\"m\":true}",
    "{\"e\":\"trade\",\"E\":1723161256322,\"T\":1723161256321,\"s\":\"BTCUSDT\",\"t\":5266583935,"
    "\"p\":\"61800.30\",\"q\":\"0.006\",\"m\":true,\"st\":1}",
};
#define GOOD (sizeof good / sizeof good[0])

static bool same_text(struct slice a, struct slice b)
{
    return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

// What the scanner accepts, jansson decodes to the same struct. True when it was accepted.
static bool agree(const char *p, size_t n)
{
    // A copy of the exact size, so that a sanitizer sees a read behind the end.
    char *bytes = malloc(n > 0 ? n : 1);
    memcpy(bytes, p, n);
    struct frame a, b;
    const bool accepted = frame_scan(bytes, n, &a);
    if (accepted) {
        frame_parse_json(bytes, n, NULL, &b);
        cr_assert(a.kind == b.kind && a.event_ms == b.event_ms && a.trade_ms == b.trade_ms &&
                      a.id == b.id && a.market == b.market && a.maker == b.maker &&
                      same_text(a.symbol, b.symbol) && same_text(a.price, b.price) &&
                      same_text(a.qty, b.qty) && same_text(a.exec, b.exec),
                  "the two decoders disagree about %.*s", (int)n, p);
        frame_release(&b);
    }
    free(bytes);
    return accepted;
}

Test(scan, takes_every_form_the_venue_writes)
{
    for (size_t i = 0; i < GOOD; i++) {
        cr_expect(agree(good[i], strlen(good[i])), "%s", good[i]);
    }
}

Test(scan, reads_the_fields)
{
    struct frame f;
    cr_assert(frame_scan(good[1], strlen(good[1]), &f));
    cr_expect_eq(f.kind, FRAME_AGG_TRADE);
    cr_expect_eq(f.event_ms, 1784410629584);
    cr_expect_eq(f.trade_ms, 1784410629576);
    cr_expect_eq(f.id, 3387056463);
    cr_expect(slice_eq(f.symbol, "BTCUSDT"));
    cr_expect(slice_eq(f.price, "64650.00"));
    cr_expect(slice_eq(f.qty, "0.492"));
    cr_expect_not(f.maker);
    cr_expect_eq(f.market, 1);
    cr_assert(frame_scan(good[5], strlen(good[5]), &f));
    cr_expect_eq(f.kind, FRAME_TRADE);
    cr_expect_eq(f.id, 5266583935);
    cr_expect(slice_eq(f.exec, "INSURANCE_FUND"));
    cr_expect(f.maker);
    cr_assert(frame_scan(good[3], strlen(good[3]), &f));
    cr_expect_eq(f.market, 2);
    cr_expect_eq(f.trade_ms, 999999999999999999);
}

Test(scan, every_integer_of_any_length_is_read_exactly)
{
    char text[512];
    int64_t v = 0;
    for (int digits = 1; digits <= 18; digits++) {
        struct frame f;
        v = v * 10 + digits % 10;
        const int n = snprintf(text, sizeof text,
                               "{\"e\":\"aggTrade\",\"E\":%lld,\"a\":%lld,\"s\":\"X\",\"p\":\"1\","
                               "\"q\":\"1\",\"f\":1,\"l\":1,\"T\":%lld,\"m\":true}",
                               (long long)v, (long long)(v - 1), (long long)v);
        cr_assert(frame_scan(text, (size_t)n, &f), "%s", text);
        cr_expect_eq(f.event_ms, v);
        cr_expect_eq(f.id, v - 1);
    }
}

Test(scan, refuses_what_is_not_exactly_the_shape)
{
    static const char *const bad[] = {
        "",
        "{}",
        "{\"stream\":\"",
        "{\"e\":\"aggTrade\",\"E\":1,\"a\":01,\"s\":\"X\",\"p\":\"1\",\"q\":\"1\",\"f\":1,\"l\":1,"
        "\"T\":1,\"m\":true}",
        "{\"e\":\"aggTrade\",\"E\":1,\"a\":-1,\"s\":\"X\",\"p\":\"1\",\"q\":\"1\",\"f\":1,\"l\":1,"
        "\"T\":1,\"m\":true}",
        "{\"e\":\"aggTrade\",\"E\":1,\"a\":1,\"s\":\"\\u0041\",\"p\":\"1\",\"q\":\"1\",\"f\":1,"
        "\"l\":1,\"T\":1,\"m\":true}",
        "{\"e\":\"aggTrade\",\"E\":1,\"a\":1,\"s\":\"X\",\"p\":1,\"q\":\"1\",\"f\":1,\"l\":1,"
        "\"T\":1,\"m\":true}",
        "{\"e\":\"aggTrade\",\"E\":1,\"a\":1,\"s\":\"X\",\"p\":\"1e3\",\"q\":\"1\",\"f\":1,\"l\":1,"
        "\"T\":1,\"m\":true}",
        "{\"e\":\"aggTrade\",\"E\":1,\"a\":1,\"s\":\"X\",\"p\":\"\",\"q\":\"1\",\"f\":1,\"l\":1,"
        "\"T\":1,\"m\":true}",
        "{\"e\":\"aggTrade\",\"E\":1, \"a\":1,\"s\":\"X\",\"p\":\"1\",\"q\":\"1\",\"f\":1,\"l\":1,"
        "\"T\":1,\"m\":true}",
        "{\"e\":\"aggTrade\",\"E\":1,\"a\":1,\"s\":\"X\",\"p\":\"1\",\"q\":\"1\",\"f\":1,\"l\":1,"
        "\"T\":1,\"m\":true} ",
        "{\"e\":\"aggTrade\",\"E\":1,\"a\":1,\"s\":\"X\",\"p\":\"1\",\"q\":\"1\",\"f\":1,\"l\":1,"
        "\"T\":1,\"m\":true}}",
        "{\"e\":\"aggTrade\",\"E\":1,\"a\":1,\"s\":\"X\",\"p\":\"1\",\"q\":\"1\",\"f\":1,\"l\":1,"
        "\"T\":1,\"m\":1}",
        "{\"e\":\"aggTrade\",\"E\":1,\"a\":1,\"s\":\"X\",\"p\":\"1\",\"q\":\"1\",\"f\":1,\"l\":1,"
        "\"T\":1,\"m\":true,\"new\":1}",
        "{\"e\":\"aggTrade\",\"E\":1000000000000000000000,\"a\":1,\"s\":\"X\",\"p\":\"1\",\"q\":"
        "\"1\",\"f\":1,\"l\":1,\"T\":1,\"m\":true}",
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        cr_expect_not(agree(bad[i], strlen(bad[i])), "%s", bad[i]);
    }
}

Test(scan, refuses_every_cut_frame)
{
    for (size_t i = 0; i < GOOD; i++) {
        for (size_t n = 0; n < strlen(good[i]); n++) {
            cr_expect_not(agree(good[i], n), "%.*s", (int)n, good[i]);
        }
    }
}

static const char alphabet[] = "0123456789.\"{}:,-+eEtrufalsn \\\n\x00\xff"
                               "aATmXqpst";

Test(scan, agrees_with_jansson_on_mutated_frames)
{
    struct rng r = {20260718};
    uint64_t accepted = 0;
    char text[1024];
    for (int i = 0; i < 300000; i++) {
        const char *from = good[rng_below(&r, GOOD)];
        size_t n = strlen(from);
        memcpy(text, from, n);
        n = mutate(&r, alphabet, sizeof alphabet - 1, text, n, sizeof text);
        accepted += agree(text, n) ? 1 : 0;
    }
    // Some edits (a digit for a digit) leave a good frame: the test must not live on refusals.
    cr_expect_gt(accepted, 20000);
}

// Recorded frames, where the recordings are at hand.
static void recorded(const char *name, size_t expected)
{
    char path[512], line[4096];
    const char *dir = getenv("BC4_DATA") ? getenv("BC4_DATA") : "../shared/data";
    snprintf(path, sizeof path, "%s/%s", dir, name);
    FILE *f = fopen(path, "r");
    if (f == NULL) {
        cr_skip_test("%s is not here: only the built-in frames were tried", path);
    }
    size_t accepted = 0;
    while (fgets(line, sizeof line, f) != NULL) {
        accepted += agree(line, strcspn(line, "\n")) ? 1 : 0;
    }
    fclose(f);
    cr_expect_eq(accepted, expected, "%zu of %s took the hot path", accepted, name);
}

Test(scan, takes_the_recorded_frames_of_2024)
{
    recorded("binance_usdm_BTCUSDT-BTCUSDC_20240402_1503_aggTrade.jsonl", 902);
}

Test(scan, takes_the_recorded_frames_of_2026)
{
    recorded("binance_usdm_BTCUSDT_20260718_2137_aggTrade.jsonl", 228);
}

struct verdict {
    const char *text;
    enum frame_kind kind;
};

Test(frame_json, tells_what_a_message_is)
{
    static const struct verdict rows[] = {
        {"{\"result\":null,\"id\":1}", FRAME_CONTROL},
        {"{\"error\":{\"code\":2,\"msg\":\"x\"},\"id\":1}", FRAME_CONTROL},
        {"{\"stream\":\"btcusdt@kline_1m\",\"data\":{\"e\":\"kline\",\"E\":1}}", FRAME_OTHER},
        {"{\"stream\":\"btcusdt@depth\",\"data\":{\"e\":\"depthUpdate\",\"E\":1}}",
         FRAME_MALFORMED},
        {"{\"stream\":\"!forceOrder@arr\",\"data\":[]}", FRAME_OTHER},
        {"{\"e\":\"serverShutdown\",\"E\":1770123456789}", FRAME_SHUTDOWN},
        {"[]", FRAME_OTHER},
        {"", FRAME_MALFORMED},
        {"null", FRAME_MALFORMED},
        {"{\"e\":\"aggTrade\"", FRAME_MALFORMED},
        {"{\"e\":\"aggTrade\"}", FRAME_MALFORMED},
        {"{\"stream\":\"x\"}", FRAME_MALFORMED},
        {"{\"a\":1}", FRAME_MALFORMED},
        {"{\"e\":\"aggTrade\",\"E\":1,\"a\":-5,\"s\":\"X\",\"p\":\"1\",\"q\":\"1\",\"T\":1,\"m\":"
         "true}",
         FRAME_MALFORMED},
        {"{\"e\":\"aggTrade\",\"E\":1,\"a\":5.0,\"s\":\"X\",\"p\":\"1\",\"q\":\"1\",\"T\":1,\"m\":"
         "true}",
         FRAME_MALFORMED},
        {"{\"e\":\"aggTrade\",\"E\":1,\"a\":5,\"s\":\"X\",\"p\":1,\"q\":\"1\",\"T\":1,\"m\":true}",
         FRAME_MALFORMED},
        {"{\"e\":\"aggTrade\",\"E\":1,\"a\":5,\"s\":\"X\",\"p\":\"1\",\"q\":\"1\",\"T\":1,\"m\":"
         "\"x\"}",
         FRAME_MALFORMED},
        {"{\"e\":\"aggTrade\",\"E\":1,\"a\":99999999999999999999,\"s\":\"X\",\"p\":\"1\",\"q\":"
         "\"1\",\"T\":1,\"m\":true}",
         FRAME_MALFORMED},
        {"{\"m\":true, \"T\":1, \"q\":\"1\", \"p\":\"1\", \"s\":\"\\u0058\", \"a\":5, \"E\":1, "
         "\"e\":\"aggTrade\", \"new\":[1]}",
         FRAME_AGG_TRADE},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct frame f;
        frame_decode(rows[i].text, strlen(rows[i].text), NULL, &f);
        cr_expect_eq(f.kind, rows[i].kind, "%s is kind %d", rows[i].text, f.kind);
        if (f.kind == FRAME_AGG_TRADE) {
            cr_expect(slice_eq(f.symbol, "X"));
            cr_expect_eq(f.id, 5);
        }
        frame_release(&f);
        frame_release(&f); // harmless twice
    }
}

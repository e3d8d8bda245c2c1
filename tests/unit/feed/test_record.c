// Names and lines of own recordings: what is written is read back, what is not ours is not taken.

#include "common/feed/record.h"

#include <criterion/criterion.h>
#include <string.h>

#include "common/base/clock.h"

#define MS INT64_C(1795394412345) // 2026-11-23T00:40:12.345Z

static enum record_line_kind parse(struct buf *b, struct record_line *out)
{
    cr_assert_not(b->failed);
    cr_assert_eq(buf_ptr(b)[buf_len(b) - 1], '\n');
    cr_assert_null(memchr(buf_ptr(b), '\n', buf_len(b) - 1), "a line with a break inside");
    return record_line_parse(buf_ptr(b), buf_len(b) - 1, out);
}

Test(record, names_come_back)
{
    const struct record_name n = {.start_ms = MS, .kind = "linear"};
    struct record_name back;
    char file[RECORD_NAME_MAX], day[16];
    iso_day(MS, day);
    cr_assert(record_name_make(&n, file));
    cr_expect_str_eq(file, "00-linear-1795394412345.raw.gz");
    cr_assert(record_name_parse(day, file, &back));
    cr_expect_eq(back.start_ms, MS);
    cr_expect_str_eq(back.kind, "linear");
}

Test(record, what_is_no_kind_gets_no_name)
{
    static const char *const bad[] = {"", "Market", "a-b", "a/b", "market1", ".."};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct record_name n = {.start_ms = MS};
        char file[RECORD_NAME_MAX];
        str_copy(n.kind, sizeof n.kind, bad[i]);
        cr_expect_not(record_name_make(&n, file), "%s", bad[i]);
    }
    char file[RECORD_NAME_MAX];
    cr_expect_not(record_name_make(&(struct record_name){.start_ms = 5, .kind = "a"}, file));
}

Test(record, files_of_others_are_not_ours)
{
    static const char *const bad[] = {"00-linear-1795394412345.raw",
                                      "00-linear-1795394412345.raw.gz.bad",
                                      "01-linear-1795394412345.raw.gz",
                                      "00-linear-179539441234.raw.gz",
                                      "00--1795394412345.raw.gz",
                                      "00-linear-01795394412345.raw.gz",
                                      "notes.txt",
                                      "",
                                      "00-li.ear-1795394412345.raw.gz",
                                      "0-linear-1795394412345.raw.gz",
                                      "00-linear-17953944123x5.raw.gz",
                                      "00-linear--795394412345.raw.gz"};
    struct record_name n;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        cr_expect_not(record_name_parse("2026-11-23", bad[i], &n), "%s", bad[i]);
    }
    static const char good[] = "00-linear-1795394412345.raw.gz";
    cr_expect(record_name_parse("2026-11-23", good, &n));
    cr_expect_not(record_name_parse("2026-11-22", good, &n), "the folder of another day");
    cr_expect_not(record_name_parse("2026-11-2", good, &n));
}

Test(record, a_frame_comes_back_as_it_was)
{
    static const char frame[] = "{\"e\":\"aggTrade\",\"a\":1}";
    struct record_line l;
    struct buf b;
    buf_init(&b, 4096);
    record_put_frame(&b, INT64_C(1795394412345678), frame, strlen(frame));
    cr_assert_eq(parse(&b, &l), RECORD_FRAME);
    cr_expect_eq(l.rx_ns, INT64_C(1795394412345678000));
    cr_expect(slice_eq(l.json, frame));
    buf_release(&b);
}

Test(record, a_line_break_between_tokens_becomes_a_blank)
{
    static const char frame[] = "{\r\n\"e\":\n\"x\"\r}\n";
    struct record_line l;
    struct buf b;
    buf_init(&b, 4096);
    record_put_frame(&b, INT64_C(1795394412345678), frame, strlen(frame));
    cr_assert_eq(parse(&b, &l), RECORD_FRAME);
    cr_expect(slice_eq(l.json, "{  \"e\": \"x\" } "));
    buf_release(&b);
}

Test(record, marks_come_back)
{
    struct record_line l;
    struct buf b;
    buf_init(&b, 4096);
    record_put_open(&b, INT64_C(1795394412345678),
                    &(struct record_open){.venue = "bybit",
                                          .kind = "linear",
                                          .url = "wss://h/\"x\"",
                                          .conn = "1795394412345-7",
                                          .part = 3,
                                          .simulated = true});
    cr_assert_eq(parse(&b, &l), RECORD_OPEN);
    cr_expect(l.simulated);
    cr_expect_str_eq(l.kind, "linear");
    cr_expect_str_eq(l.conn, "1795394412345-7");
    cr_expect_eq(l.part, 3);
    buf_clear(&b);
    record_put_close(&b, INT64_C(1795394412345678), "rotated", 0);
    cr_assert_eq(parse(&b, &l), RECORD_CLOSE);
    cr_expect(l.rotated);
    buf_clear(&b);
    record_put_close(&b, INT64_C(1795394412345678), "dropped", 12);
    cr_assert_eq(parse(&b, &l), RECORD_CLOSE);
    cr_expect_not(l.rotated);
    buf_clear(&b);
    record_put_rest(&b, INT64_C(1795394412345678), "https://h/depth?symbol=A", "{\n\"u\":1}", 8);
    cr_assert_eq(parse(&b, &l), RECORD_REST);
    cr_expect(slice_eq(l.url, "https://h/depth?symbol=A"));
    cr_expect(slice_eq(l.body, "{ \"u\":1}"));
    buf_release(&b);
}

Test(record, what_is_no_line_is_refused)
{
    static const char *const bad[] = {
        "",
        "{\"e\":\"x\"}",
        "1795394412345678 {\"e\":\"x\"}", // microseconds
        "1795394412345678000",
        "1795394412345678000 ",
        "-795394412345678000 {}",
        "9995394412345678000 {\"rec\":\"open\"}",
        "1795394412345678000 {\"rec\":\"open\",\"simulated\":1,\"kind\":\"a\",\"conn\":\"b\","
        "\"part\":0}",
        "1795394412345678000 {\"rec\":\"open\",\"simulated\":true,\"kind\":\"a\",\"conn\":\"b\","
        "\"part\":-1}",
        "1795394412345678000 {\"rec\":\"what\"}",
        "1795394412345678000 {\"rec\":\"close\"",
        "1795394412345678000 {\"rec\":\"rest\",\"url\":\"a\"}",
        "1795394412345678000 {\"rec\":\"rest\",\"url\":\"a\",\"body\":}",
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct record_line l;
        cr_expect_eq(record_line_parse(bad[i], strlen(bad[i]), &l), RECORD_BAD, "%s", bad[i]);
    }
}

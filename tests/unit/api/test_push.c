// The pure parts of the push side: frames of WebSocket, changed elements, subscriptions, rings.

#include <criterion/criterion.h>
#include <string.h>

#include "common/base/str.h"
#include "services/api/core/keyed.h"
#include "services/api/core/recent.h"
#include "services/api/core/session.h"
#include "services/api/core/wsproto.h"

// ---- frames -------------------------------------------------------------------------------------

// A masked frame as a client sends it.
static size_t client_frame(unsigned char *out, unsigned first, const char *text, size_t n)
{
    static const unsigned char mask[4] = {0x12, 0x34, 0x56, 0x78};
    size_t at = 0;
    out[at++] = (unsigned char)first;
    if (n < 126) {
        out[at++] = (unsigned char)(0x80u | n);
    } else {
        out[at++] = 0x80u | 126;
        out[at++] = (unsigned char)(n >> 8);
        out[at++] = (unsigned char)n;
    }
    memcpy(out + at, mask, 4);
    at += 4;
    for (size_t i = 0; i < n; i++) {
        out[at++] = (unsigned char)((unsigned char)text[i] ^ mask[i & 3]);
    }
    return at;
}

static void feed(struct wsin *w, const unsigned char *bytes, size_t n)
{
    size_t room;
    while (n > 0) {
        char *to = wsin_room(w, &room);
        cr_assert_not_null(to);
        const size_t part = n < room ? n : room;
        memcpy(to, bytes, part);
        wsin_took(w, part);
        bytes += part;
        n -= part;
    }
}

Test(wsproto, a_message_arrives_whole_however_it_is_cut)
{
    unsigned char bytes[400];
    const char *text = "{\"op\":\"ping\"}";
    const size_t n = client_frame(bytes, 0x81, text, strlen(text));
    for (size_t cut = 0; cut <= n; cut++) {
        struct wsin w;
        enum ws_op op;
        const char *p;
        size_t len;
        wsin_init(&w, 1024);
        feed(&w, bytes, cut);
        cr_expect_eq(wsin_next(&w, &op, &p, &len), cut == n ? 1 : 0, "cut %zu", cut);
        if (cut < n) {
            feed(&w, bytes + cut, n - cut);
            cr_assert_eq(wsin_next(&w, &op, &p, &len), 1);
        }
        cr_expect_eq(op, WS_TEXT);
        cr_expect(len == strlen(text) && memcmp(p, text, len) == 0);
        cr_expect_eq(wsin_next(&w, &op, &p, &len), 0);
        wsin_release(&w);
    }
}

Test(wsproto, fragments_make_one_message_with_a_ping_between)
{
    struct wsin w;
    unsigned char bytes[200];
    enum ws_op op;
    const char *p;
    size_t n = 0, len;
    n += client_frame(bytes + n, 0x01, "hel", 3);
    n += client_frame(bytes + n, 0x89, "x", 1);
    n += client_frame(bytes + n, 0x80, "lo", 2);
    wsin_init(&w, 64);
    feed(&w, bytes, n);
    cr_assert_eq(wsin_next(&w, &op, &p, &len), 1);
    cr_expect(op == WS_PING && len == 1 && *p == 'x');
    cr_assert_eq(wsin_next(&w, &op, &p, &len), 1);
    cr_expect(op == WS_TEXT && len == 5 && memcmp(p, "hello", 5) == 0);
    wsin_release(&w);
}

static int verdict(const unsigned char *bytes, size_t n, size_t max)
{
    struct wsin w;
    enum ws_op op;
    const char *p;
    size_t len;
    int rc;
    wsin_init(&w, max);
    feed(&w, bytes, n);
    do {
        rc = wsin_next(&w, &op, &p, &len);
    } while (rc > 0);
    wsin_release(&w);
    return rc;
}

Test(wsproto, what_the_protocol_forbids_ends_with_its_code)
{
    unsigned char b[400];
    char large[300];
    memset(large, 'a', sizeof large);
    size_t n = client_frame(b, 0x81, large, 300);
    cr_expect_eq(verdict(b, n, 299), -WS_TOO_BIG);
    cr_expect_eq(verdict(b, n, 300), 0);
    n = client_frame(b, 0x82, "x", 1);
    cr_expect_eq(verdict(b, n, 64), -WS_UNSUPPORTED, "binary");
    n = client_frame(b, 0xc1, "x", 1);
    cr_expect_eq(verdict(b, n, 64), -WS_PROTOCOL, "reserved bit");
    n = client_frame(b, 0x81, "x", 1);
    b[1] &= 0x7f;
    cr_expect_eq(verdict(b, n, 64), -WS_PROTOCOL, "not masked");
    n = client_frame(b, 0x80, "x", 1);
    cr_expect_eq(verdict(b, n, 64), -WS_PROTOCOL, "a rest without a beginning");
    n = client_frame(b, 0x01, "x", 1);
    n += client_frame(b + n, 0x81, "y", 1);
    cr_expect_eq(verdict(b, n, 64), -WS_PROTOCOL, "a message inside a message");
    n = client_frame(b, 0x09, "x", 1);
    cr_expect_eq(verdict(b, n, 64), -WS_PROTOCOL, "a ping in fragments");
    n = client_frame(b, 0x89, large, 126);
    cr_expect_eq(verdict(b, n, 300), -WS_PROTOCOL, "a ping too long");
    n = client_frame(b, 0x8b, "x", 1);
    cr_expect_eq(verdict(b, n, 64), -WS_PROTOCOL, "an unknown control frame");
    // Fragments count together.
    n = client_frame(b, 0x01, large, 100);
    n += client_frame(b + n, 0x80, large, 100);
    cr_expect_eq(verdict(b, n, 150), -WS_TOO_BIG, "a message too long in parts");
    // A length of 2^63 must not wrap anything.
    static const unsigned char huge[] = {0x81, 0xff, 0x80, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4};
    cr_expect_eq(verdict(huge, sizeof huge, 64), -WS_TOO_BIG);
}

Test(wsproto, heads_have_the_length_in_the_shortest_form)
{
    struct buf b;
    buf_init(&b, 1000);
    ws_add_head(&b, WS_TEXT, 125);
    ws_add_head(&b, WS_TEXT, 126);
    ws_add_head(&b, WS_TEXT, 65536);
    cr_assert_eq(buf_len(&b), 2 + 4 + 10);
    cr_expect(memcmp(buf_ptr(&b), "\x81\x7d\x81\x7e\x00\x7e\x81\x7f\0\0\0\0\0\1\0\0", 16) == 0);
    buf_clear(&b);
    ws_add_close(&b, 1008, "no");
    cr_expect(buf_len(&b) == 6 && memcmp(buf_ptr(&b), "\x88\x04\x03\xf0no", 6) == 0);
    buf_release(&b);
}

// ---- changed elements ---------------------------------------------------------------------------

static const char *rows(const struct keyed *k, uint64_t seq)
{
    static struct buf b;
    if (b.max == 0) {
        buf_init(&b, 1 << 16);
    }
    buf_clear(&b);
    keyed_write(k, seq, &b);
    return buf_cstr(&b);
}

static bool update(struct keyed *k, const char *array, bool fresh)
{
    return keyed_update(k, array, strlen(array), fresh);
}

Test(keyed, only_what_changed_is_written)
{
    struct keyed k;
    keyed_init(&k, 1 << 16);
    cr_assert(update(&k, "[{\"p\":1,\"v\":5},{\"p\":2,\"v\":6}]", false));
    cr_expect_str_eq(rows(&k, 0), "{\"p\":1,\"v\":5},{\"p\":2,\"v\":6}");
    cr_expect_not(update(&k, "[{\"p\":1,\"v\":5},{\"p\":2,\"v\":6}]", false), "the same");
    const uint64_t before = k.seq;
    cr_assert(update(&k, "[{\"p\":1,\"v\":5},{\"p\":2,\"v\":7},{\"p\":3,\"v\":1}]", false));
    cr_expect_str_eq(rows(&k, before), "{\"p\":2,\"v\":7},{\"p\":3,\"v\":1}");
    cr_expect(keyed_knows(&k, before));
    // A row in front, and one between.
    const uint64_t second = k.seq;
    cr_assert(update(&k,
                     "[{\"p\":0,\"v\":1},{\"p\":1,\"v\":5},{\"p\":2,\"v\":7},{\"p\":2.5,\"v\":9},"
                     "{\"p\":3,\"v\":1}]",
                     false));
    cr_expect_str_eq(rows(&k, second), "{\"p\":0,\"v\":1},{\"p\":2.5,\"v\":9}");
    cr_expect_str_eq(rows(&k, before),
                     "{\"p\":0,\"v\":1},{\"p\":2,\"v\":7},{\"p\":2.5,\"v\":9},{\"p\":3,\"v\":1}");
    keyed_release(&k);
}

Test(keyed, the_oldest_may_leave_but_nothing_else)
{
    struct keyed k;
    keyed_init(&k, 1 << 16);
    cr_assert(update(&k, "[{\"t\":1},{\"t\":2},{\"t\":3}]", false));
    const uint64_t seq = k.seq;
    cr_assert(update(&k, "[{\"t\":2},{\"t\":3},{\"t\":4}]", false));
    cr_expect(keyed_knows(&k, seq));
    cr_expect_str_eq(rows(&k, seq), "{\"t\":4}");
    cr_assert(update(&k, "[{\"t\":4}]", false));
    cr_expect_not(keyed_knows(&k, seq), "rows went: who had them needs a snapshot");
    cr_expect(keyed_knows(&k, k.seq));
    cr_assert(update(&k, "[{\"t\":4}]", true), "a fresh beginning is a new version");
    keyed_release(&k);
}

Test(keyed, no_array_changes_nothing)
{
    static const char *const bad[] = {"",      "[",          "null",         "{}",
                                      "[1,2]", "[{\"a\":1}", "[{\"a\":1},]x"};
    struct keyed k;
    keyed_init(&k, 1 << 16);
    cr_assert(update(&k, "[{\"t\":1}]", false));
    const uint64_t seq = k.seq;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        cr_expect_not(update(&k, bad[i], false), "%s", bad[i]);
        cr_expect_eq(k.seq, seq);
        cr_expect_str_eq(rows(&k, 0), "{\"t\":1}", "%s", bad[i]);
    }
    cr_expect(update(&k, "[]", false), "an empty array is a value");
    keyed_release(&k);
}

Test(keyed, members_are_found_at_the_first_level_only)
{
    const char *t = "{\"a\":{\"b\":1},\"s\":\"x,}\\\"\",\"b\":[{\"a\":2},3],\"c\":null}";
    const struct slice b = json_member(t, strlen(t), "b"), s = json_member(t, strlen(t), "s");
    cr_expect(b.n == 11 && memcmp(b.p, "[{\"a\":2},3]", 11) == 0);
    cr_expect(s.n == 7, "%zu", s.n);
    cr_expect_null(json_member(t, strlen(t), "d").p);
    cr_expect_null(json_member("[]", 2, "a").p);
}

// ---- subscriptions ------------------------------------------------------------------------------

static struct instrument ins[2];
static struct session s;
static struct buf out;
static const char *why;

static void begin(const char *token)
{
    cr_assert_eq(instrument_parse("binance:BTCUSDT", 15, VENUE_BINANCE, &ins[0], NULL), 0);
    cr_assert_eq(instrument_parse("bybit:BTCUSDT", 13, VENUE_BINANCE, &ins[1], NULL), 0);
    buf_init(&out, 1 << 16);
    session_init(&s, ins, 2, "abc", token, false, 5, 10);
}

static void end(void)
{
    session_release(&s);
    buf_release(&out);
}

static int say(const char *text, int64_t mono_ms)
{
    struct session_reply ends;
    buf_clear(&out);
    const int rc = session_message(&s, text, strlen(text), mono_ms, 1700, &out, &ends, &why);
    cr_expect(rc < 0 || ends.n == 1);
    return rc;
}

static const struct subscription *sub(size_t i, const char *name)
{
    return session_sub(&s, i, (size_t)channel_find(name, strlen(name)));
}

Test(session, subscribes_and_unsubscribes_by_instrument)
{
    begin("");
    cr_expect_eq(say("{\"op\":\"subscribe\",\"channels\":[\"price\",\"trades\"],"
                     "\"symbol\":\"bybit:BTCUSDT\",\"id\":7}",
                     0),
                 0);
    cr_expect_not_null(strstr(buf_cstr(&out), "\"type\":\"ack\""));
    cr_expect_not_null(strstr(buf_cstr(&out), "\"id\":7"));
    cr_expect(sub(1, "price")->on && sub(1, "price")->snapshot && sub(1, "trades")->on);
    cr_expect_not(sub(0, "price")->on);
    cr_expect_eq(
        say("{\"op\":\"unsubscribe\",\"channels\":[\"price\"],\"symbol\":\"bybit:BTCUSDT\"}", 0),
        0);
    cr_expect(!sub(1, "price")->on && sub(1, "trades")->on);
    cr_expect_eq(say("{\"op\":\"subscribe\",\"channels\":[\"book\"]}", 0), 0);
    cr_expect(sub(0, "book")->on, "without a symbol: the first instrument");
    end();
}

Test(session, refuses_with_a_reason_and_changes_nothing)
{
    static const char *const bad[][2] = {
        {"hello", "JSON"},
        {"[]", "JSON"},
        {"{}", "op"},
        {"{\"op\":\"buy\"}", "op: 'buy'"},
        {"{\"op\":\"subscribe\"}", "channels"},
        {"{\"op\":\"subscribe\",\"channels\":[]}", "channels"},
        {"{\"op\":\"subscribe\",\"channels\":[\"price\",\"x\"]}", "'x' is no channel"},
        {"{\"op\":\"subscribe\",\"channels\":[\"price\",1]}", "no channel"},
        {"{\"op\":\"subscribe\",\"channels\":[\"price\"],\"symbol\":\"X\"}", "symbol"},
        {"{\"op\":\"subscribe\",\"channels\":[\"price\"],\"symbol\":5}", "symbol"},
        {"{\"op\":\"resume\",\"channels\":[\"price\"]}", "channels"},
        {"{\"op\":\"resume\",\"channels\":{\"x\":{}}}", "'x' is no channel"},
    };
    begin("");
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        cr_expect_eq(say(bad[i][0], (int64_t)i * 10000), 0);
        cr_expect_not_null(strstr(buf_cstr(&out), "\"type\":\"error\""), "%s", bad[i][0]);
        cr_expect_not_null(strstr(buf_cstr(&out), bad[i][1]), "%s: %s", bad[i][0], buf_cstr(&out));
    }
    for (size_t c = 0; c < channels_n; c++) {
        cr_expect_not(session_sub(&s, 0, c)->on);
    }
    end();
}

Test(session, resumes_where_the_client_was_in_this_epoch_only)
{
    begin("");
    cr_expect_eq(say("{\"op\":\"resume\",\"channels\":{\"trades\":{\"epoch\":\"abc\",\"seq\":41},"
                     "\"events\":{\"epoch\":\"old\",\"seq\":41},\"price\":{},"
                     "\"liquidations\":{\"after\":\"17-3\"}}}",
                     0),
                 0);
    cr_expect(sub(0, "trades")->sent == 41 && !sub(0, "trades")->snapshot);
    cr_expect(sub(0, "events")->sent == 0 && sub(0, "events")->snapshot, "an unknown epoch");
    cr_expect(sub(0, "price")->snapshot);
    cr_expect_str_eq(sub(0, "liquidations")->after, "17-3");
    cr_expect_not(sub(0, "liquidations")->snapshot);
    end();
}

Test(session, a_flood_ends_with_1008_and_time_refills)
{
    begin("");
    for (int i = 0; i < 10; i++) {
        cr_expect_eq(say("{\"op\":\"ping\"}", 1000), 0);
    }
    cr_expect_eq(say("{\"op\":\"ping\"}", 1000), -1008);
    end();
    begin("");
    for (int i = 0; i < 200; i++) {
        cr_expect_eq(say("{\"op\":\"ping\"}", i * 200), 0, "%d", i);
    }
    end();
}

Test(session, a_token_is_the_first_word)
{
    begin("secret");
    cr_expect_eq(say("{\"op\":\"ping\"}", 0), -1008);
    end();
    begin("secret");
    cr_expect_eq(say("{\"op\":\"auth\",\"token\":\"secreT\"}", 0), -1008);
    end();
    begin("secret");
    cr_expect_eq(say("garbage", 0), -1008);
    end();
    begin("secret");
    cr_expect_eq(say("{\"op\":\"auth\",\"token\":\"secret\"}", 0), 0);
    cr_expect_eq(say("{\"op\":\"ping\"}", 0), 0);
    end();
    cr_expect(token_equal("abc", 3, "abc"));
    cr_expect_not(token_equal("abc", 3, "abcd"));
    cr_expect_not(token_equal("", 0, "a"));
    cr_expect_not(token_equal("abcabc", 6, "abc"));
}

// ---- rings --------------------------------------------------------------------------------------

static struct slice sl(const char *text)
{
    return (struct slice){text, strlen(text)};
}

Test(recent, keeps_the_newest_and_numbers_them)
{
    struct recent r;
    struct buf b;
    recent_init(&r, 3);
    buf_init(&b, 1000);
    cr_expect_eq(recent_newest(&r, 10, 0, &b), 0);
    for (int i = 1; i <= 5; i++) {
        char id[16], text[16];
        struct buf t;
        (void)str_fmt(id, sizeof id, "%d-0", i);
        (void)str_fmt(text, sizeof text, "{\"n\":%d}", i);
        buf_init(&t, 100);
        buf_adds(&t, text);
        recent_push(&r, sl(id), i, &t,
                    &(struct trade){.side = i % 2 ? SIDE_BUY : SIDE_SELL, .qty = i});
        buf_release(&t);
    }
    cr_expect_eq(recent_first(&r), 3);
    cr_expect_eq(r.next, 6);
    cr_expect_eq(recent_find(&r, sl("4-0")), 4);
    cr_expect_eq(recent_find(&r, sl("1-0")), 0, "gone");
    cr_expect_null(recent_at(&r, 2));
    cr_expect_eq(recent_newest(&r, 2, 0, &b), 2);
    cr_expect_str_eq(buf_cstr(&b), "{\"n\":5},{\"n\":4}");
    buf_clear(&b);
    cr_expect_eq(recent_newest(&r, 9, 5, &b), 1);
    cr_expect_str_eq(buf_cstr(&b), "{\"n\":5}");
    buf_clear(&b);
    recent_write(&r, 3, 6, &b);
    cr_expect_str_eq(buf_cstr(&b), "{\"n\":3},{\"n\":4},{\"n\":5}");
    struct recent_stats sum;
    recent_sum(&r, 4, &sum);
    cr_expect(sum.count == 2 && sum.buys == 1 && sum.sells == 1 && sum.buy_lots == 5 &&
              sum.sell_lots == 4 && sum.first_ms == 4 && sum.last_ms == 5);
    recent_clear(&r);
    cr_expect_eq(recent_first(&r), 6, "numbers go on");
    buf_release(&b);
    recent_release(&r);
}

Test(recent, what_does_not_belong_on_a_stream_is_refused)
{
    struct buf b;
    int64_t ms;
    buf_init(&b, 1000);
    const struct slice event[] = {sl("type"), sl("session_change"), sl("ts_ms"),
                                  sl("1700"), sl("data"),           sl("{\"a\":1}")};
    cr_expect_eq(recent_event(sl("5-0"), event, 3, &b, &ms), 0);
    cr_expect_str_eq(buf_cstr(&b),
                     "{\"id\":\"5-0\",\"type\":\"session_change\",\"ts\":"
                     "\"1970-01-01T00:00:01.700+00:00\",\"ts_ms\":1700,\"data\":{\"a\":1}}");
    buf_clear(&b);
    const struct slice broken[] = {sl("type"), sl("x\"y"), sl("ts_ms"),
                                   sl("1"),    sl("data"), sl("{\"a\":")};
    cr_expect_eq(recent_event(sl("5-0"), broken, 3, &b, &ms), 0);
    cr_expect_not_null(strstr(buf_cstr(&b), "\"type\":\"x\\\"y\""));
    cr_expect_not_null(strstr(buf_cstr(&b), "\"data\":null"));
    cr_expect_neq(recent_event(sl("5-0"), event, 1, &b, &ms), 0);
    const struct slice bad_time[] = {sl("type"), sl("x"), sl("ts_ms"), sl("-1")};
    cr_expect_neq(recent_event(sl("5-0"), bad_time, 2, &b, &ms), 0);
    const struct slice liq[] = {sl("price"), sl("1e"), sl("qty"), sl("1")};
    cr_expect_neq(recent_liquidation(sl("5-0"), liq, 2, &b, &ms), 0);
    cr_expect_neq(recent_liquidation(sl("x"), liq, 2, &b, &ms), 0);
    buf_release(&b);
}

#include <criterion/criterion.h>
#include <stdlib.h>

#include "common/base/str.h"
#include "common/io/ws.h"
#include "common/io/ws_url.h"
#include "tests/support/server.h"
#include "tests/support/spin.h"

enum act { NOTHING, CLOSE, SEND };

struct seen {
    struct loop *l;
    struct server *server;
    struct ws_ctx *c;
    struct ws *w;
    int open, closed, messages, oversize;
    bool simulated;
    enum act on_open_act, on_message_act, on_oversize_act;
    bool reconnect;
    char why[200];
    char *last; // newest message
    size_t last_n, oversize_n;
    int64_t rx_us;
    uint64_t bytes;
    // the server's side
    char head[9000];
    const char *extra;
    bool refuse, silent;
    int pings, texts, closes;
    char text[70000];
    bool no_pong;
    const char *greeting; // sent in one write with the handshake
    size_t greeting_n;
};

static void open_one(struct seen *s);

static void act(struct seen *s, enum act a)
{
    if (a == CLOSE) {
        ws_close(s->w);
        s->w = NULL;
    } else if (a == SEND) {
        cr_assert_eq(ws_send(s->w, "{\"method\":\"SUBSCRIBE\"}", 22), 0);
    }
}

static void on_open(void *arg, bool simulated)
{
    struct seen *s = arg;
    s->open++;
    s->simulated = simulated;
    cr_assert(ws_is_open(s->w));
    act(s, s->on_open_act);
}

static void on_message(void *arg, const char *p, size_t n, int64_t rx_us)
{
    struct seen *s = arg;
    s->messages++;
    s->bytes += n;
    free(s->last);
    s->last = malloc(n + 1);
    memcpy(s->last, p, n);
    s->last[n] = '\0';
    s->last_n = n;
    s->rx_us = rx_us;
    act(s, s->on_message_act);
}

static void on_oversize(void *arg, size_t n)
{
    struct seen *s = arg;
    s->oversize++;
    s->oversize_n = n;
    act(s, s->on_oversize_act);
}

static void on_close(void *arg, const char *why)
{
    struct seen *s = arg;
    s->closed++;
    s->w = NULL;
    str_copy(s->why, sizeof s->why, why);
    if (s->reconnect) {
        s->reconnect = false;
        open_one(s);
    }
}

// The server: handshake, then it keeps what the client sent.
static size_t serve(void *arg, struct conn *c, const char *p, size_t n)
{
    struct seen *s = arg;
    if (*conn_state(c) == 0) {
        size_t head = http_head(p, n);
        if (head == 0 || s->silent) {
            return 0;
        }
        str_copyn(s->head, sizeof s->head, p, head);
        if (s->refuse) {
            conn_puts(c, "HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n");
            conn_close(c);
            return head;
        }
        *conn_state(c) = 1;
        conn_ws_accept(c, p, head, s->extra ? s->extra : "");
        if (s->greeting) {
            conn_write(c, s->greeting, s->greeting_n);
        }
        return head;
    }
    int opcode = 0;
    size_t len = 0;
    static char out[65536];
    size_t used = ws_unframe(p, n, &opcode, out, &len);
    if (used == 0) {
        return 0;
    }
    if (opcode == 9) {
        s->pings++;
        if (!s->no_pong) {
            conn_ws_frame(c, true, 10, out, len);
        }
    } else if (opcode == 1) {
        s->texts++;
        str_copyn(s->text, sizeof s->text, out, len);
    } else if (opcode == 8) {
        s->closes++;
        conn_ws_frame(c, true, 8, out, len);
        conn_close(c);
    }
    return used;
}

static struct ws_opts opts(struct seen *s, const char *url)
{
    return (struct ws_opts){.url = url,
                            .max_message_bytes = 100000,
                            .user_agent = "test-agent/1",
                            .on_open = on_open,
                            .on_message = on_message,
                            .on_oversize = on_oversize,
                            .on_close = on_close,
                            .arg = s};
}

static void open_with(struct seen *s, const struct ws_opts *more)
{
    char url[200];
    str_fmt(url, sizeof url, "ws://127.0.0.1:%d/market/stream?streams=btcusdt@aggTrade",
            server_port(s->server));
    struct ws_opts o = opts(s, url);
    if (more) {
        o.ping_ms = more->ping_ms;
        o.timeout_ms = more->timeout_ms;
        o.connect_timeout_ms = more->connect_timeout_ms;
    }
    struct err e = {0};
    s->w = ws_connect(s->c, &o, &e);
    cr_assert_neq(s->w, NULL, "%s", e.text);
}

static void open_one(struct seen *s)
{
    open_with(s, NULL);
}

static void start(struct seen *s)
{
    memset(s, 0, sizeof *s);
    s->l = loop_new(clock_system());
    s->server = server_new(&(struct server_opts){.loop = s->l, .on_data = serve, .arg = s});
    struct err e = {0};
    s->c = ws_ctx_new(s->l, NULL, &e);
    cr_assert_neq(s->c, NULL, "%s", e.text);
}

static void start_open(struct seen *s)
{
    start(s);
    open_one(s);
    UNTIL(s->l, s->open == 1);
}

static void end(struct seen *s)
{
    ws_ctx_free(s->c);
    server_free(s->server);
    loop_free(s->l);
    free(s->last);
}

static void say(struct seen *s, const char *text)
{
    conn_ws_frame(server_newest(s->server), true, 1, text, strlen(text));
}

Test(ws, opens_with_its_path_and_agent_and_offers_no_compression)
{
    struct seen s;
    start_open(&s);
    cr_assert(str_starts(s.head, "GET /market/stream?streams=btcusdt@aggTrade HTTP/1.1\r\n"), "%s",
              s.head);
    char host[64];
    str_fmt(host, sizeof host, "Host: 127.0.0.1:%d\r\n", server_port(s.server));
    cr_assert_neq(strcasestr(s.head, host), NULL, "%s", s.head);
    cr_assert_neq(strcasestr(s.head, "user-agent: test-agent/1\r\n"), NULL, "%s", s.head);
    cr_assert_eq(strcasestr(s.head, "sec-websocket-extensions"), NULL, "%s", s.head);
    cr_assert_eq(strcasestr(s.head, "sec-websocket-protocol"), NULL, "%s", s.head);
    cr_assert_not(s.simulated);
    end(&s);
    cr_assert_eq(s.closed, 0, "freeing the context is the owner's own wish");
}

Test(ws, knows_a_simulated_venue_by_its_handshake)
{
    struct seen s;
    start(&s);
    s.extra = "X-Simulated: true\r\n";
    open_one(&s);
    UNTIL(s.l, s.open == 1);
    cr_assert(s.simulated);
    end(&s);
}

Test(ws, delivers_messages_whole_and_in_order)
{
    struct seen s;
    start_open(&s);
    say(&s, "{\"e\":1}");
    UNTIL(s.l, s.messages == 1);
    cr_assert_str_eq(s.last, "{\"e\":1}");
    cr_assert_gt(s.rx_us, loop_wall_us(s.l) - 20000000);
    for (int i = 0; i < 2000; i++) {
        char text[24];
        str_fmt(text, sizeof text, "m%d", i);
        say(&s, text);
    }
    UNTIL(s.l, s.messages == 2001);
    cr_assert_str_eq(s.last, "m1999");
    say(&s, "");
    UNTIL(s.l, s.messages == 2002);
    cr_assert_eq(s.last_n, 0);
    end(&s);
}

Test(ws, a_message_that_came_with_the_handshake_is_not_lost)
{
    struct seen s;
    start(&s);
    s.greeting = "\x81\x02hi\x81\x03you";
    s.greeting_n = 9;
    open_one(&s);
    UNTIL(s.l, s.messages == 2);
    cr_assert_str_eq(s.last, "you");
    end(&s);
}

Test(ws, puts_fragments_together_with_control_frames_between_them)
{
    struct seen s;
    start_open(&s);
    struct conn *c = server_newest(s.server);
    conn_ws_frame(c, false, 1, "one ", 4);
    conn_ws_frame(c, true, 9, "ping", 4);
    spin_for(s.l, 10);
    cr_assert_eq(s.messages, 0);
    conn_ws_frame(c, false, 0, "two ", 4);
    conn_ws_frame(c, true, 0, "three", 5);
    UNTIL(s.l, s.messages == 1);
    cr_assert_str_eq(s.last, "one two three");
    say(&s, "next");
    UNTIL(s.l, s.messages == 2);
    cr_assert_str_eq(s.last, "next");
    end(&s);
}

Test(ws, takes_a_message_of_exactly_the_limit_and_no_byte_more)
{
    struct seen s;
    start_open(&s);
    char *big = malloc(100001);
    memset(big, 'x', 100001);
    conn_ws_frame(server_newest(s.server), true, 1, big, 100000);
    UNTIL(s.l, s.messages == 1);
    cr_assert_eq(s.last_n, 100000);
    conn_ws_frame(server_newest(s.server), true, 1, big, 100001);
    UNTIL(s.l, s.closed == 1);
    cr_assert_eq(s.oversize, 1);
    cr_assert_eq(s.messages, 1);
    cr_assert_str_eq(s.why, "a message over the limit");
    free(big);
    end(&s);
}

Test(ws, fragments_that_add_up_to_too_much_close_it)
{
    struct seen s;
    start_open(&s);
    char *part = malloc(60000);
    memset(part, 'x', 60000);
    conn_ws_frame(server_newest(s.server), false, 1, part, 60000);
    conn_ws_frame(server_newest(s.server), false, 0, part, 60000);
    UNTIL(s.l, s.closed == 1);
    cr_assert_eq(s.oversize, 1);
    cr_assert_geq(s.oversize_n, 60000);
    cr_assert_eq(s.messages, 0);
    free(part);
    end(&s);
}

Test(ws, sends_text_in_order_within_its_bounds)
{
    struct seen s;
    start_open(&s);
    char text[16];
    for (int i = 0; i < 64; i++) {
        str_fmt(text, sizeof text, "t%d", i);
        cr_assert_eq(ws_send(s.w, text, strlen(text)), 0);
    }
    cr_assert_eq(ws_send(s.w, "x", 1), ERR_LIMIT);
    UNTIL(s.l, s.texts == 64);
    cr_assert_str_eq(s.text, "t63");
    char *big = malloc((size_t)2 << 20);
    memset(big, 'x', (size_t)2 << 20);
    cr_assert_eq(ws_send(s.w, big, ((size_t)1 << 20) + 1), ERR_LIMIT);
    cr_assert_eq(ws_send(s.w, big, 50000), 0);
    UNTIL(s.l, s.texts == 65);
    cr_assert_eq(strlen(s.text), 50000);
    free(big);
    end(&s);
}

Test(ws, may_send_inside_on_open_and_inside_on_message)
{
    struct seen s;
    start(&s);
    s.on_open_act = SEND;
    s.on_message_act = SEND;
    open_one(&s);
    cr_assert_eq(ws_send(s.w, "x", 1), ERR_CLOSED, "not open yet");
    UNTIL(s.l, s.texts == 1);
    say(&s, "m");
    UNTIL(s.l, s.texts == 2);
    cr_assert_str_eq(s.text, "{\"method\":\"SUBSCRIBE\"}");
    end(&s);
}

Test(ws, close_inside_callbacks_ends_it_without_on_close)
{
    for (int i = 0; i < 3; i++) {
        struct seen s;
        start(&s);
        s.on_open_act = i == 0 ? CLOSE : NOTHING;
        s.on_message_act = i == 1 ? CLOSE : NOTHING;
        s.on_oversize_act = i == 2 ? CLOSE : NOTHING;
        open_one(&s);
        UNTIL(s.l, s.open == 1);
        if (i > 0) {
            char *big = calloc(1, 100001);
            conn_ws_frame(server_newest(s.server), true, 1, big, i == 1 ? 5 : 100001);
            say(&s, "one more");
            free(big);
        }
        UNTIL(s.l, s.w == NULL);
        UNTIL(s.l, server_newest(s.server) == NULL);
        cr_assert_eq(s.closed, 0);
        cr_assert_leq(s.messages, 1);
        end(&s);
    }
}

Test(ws, close_from_outside_sends_a_close_frame)
{
    struct seen s;
    start_open(&s);
    ws_close(s.w);
    s.w = NULL;
    ws_close(NULL);
    UNTIL(s.l, s.closes == 1);
    UNTIL(s.l, server_newest(s.server) == NULL);
    cr_assert_eq(s.closed, 0);
    end(&s);
}

Test(ws, close_while_connecting_is_quiet)
{
    struct seen s;
    start(&s);
    s.silent = true;
    open_one(&s);
    ws_close(s.w);
    open_one(&s);
    spin_for(s.l, 30);
    ws_close(s.w);
    s.w = NULL;
    UNTIL(s.l, server_newest(s.server) == NULL);
    cr_assert_eq(s.open + s.closed, 0);
    end(&s);
}

Test(ws, tells_once_why_the_server_closed)
{
    struct seen s;
    start_open(&s);
    conn_ws_frame(server_newest(s.server), true, 8, "\x03\xe9going away", 12);
    UNTIL(s.l, s.closed == 1);
    cr_assert_str_eq(s.why, "the server closed with 1001 going away");
    spin_for(s.l, 30);
    cr_assert_eq(s.closed, 1);
    end(&s);
}

Test(ws, notices_a_connection_that_is_cut)
{
    struct seen s;
    start_open(&s);
    conn_ws_frame(server_newest(s.server), false, 1, "half a ", 7);
    spin_for(s.l, 10);
    server_drop_all(s.server);
    UNTIL(s.l, s.closed == 1);
    cr_assert_eq(s.messages, 0);
    cr_assert_neq(s.why[0], '\0');
    end(&s);
}

Test(ws, may_connect_again_inside_on_close)
{
    struct seen s;
    start_open(&s);
    s.reconnect = true;
    server_drop_all(s.server);
    UNTIL(s.l, s.open == 2);
    say(&s, "back");
    UNTIL(s.l, s.messages == 1);
    end(&s);
}

Test(ws, a_refused_handshake_is_told_with_the_reason)
{
    struct seen s;
    start(&s);
    s.refuse = true;
    open_one(&s);
    UNTIL(s.l, s.closed == 1);
    cr_assert_eq(s.open, 0);
    cr_assert_neq(s.why[0], '\0');
    end(&s);
}

Test(ws, a_server_that_never_answers_is_given_up)
{
    struct seen s;
    start(&s);
    s.silent = true;
    open_with(&s, &(struct ws_opts){.connect_timeout_ms = 60});
    UNTIL(s.l, s.closed == 1);
    cr_assert_str_eq(s.why, "no connection in time");
    UNTIL(s.l, server_newest(s.server) == NULL);
    end(&s);
}

Test(ws, nobody_listening_is_told_after_ws_connect_returned)
{
    struct seen s;
    start(&s);
    server_free(s.server);
    s.server = server_new(&(struct server_opts){.loop = s.l, .on_data = serve, .arg = &s});
    static const char *const urls[] = {"ws://127.0.0.1:1/", "ws://no-such-host.invalid/x"};
    for (int i = 0; i < 2; i++) {
        struct ws_opts o = opts(&s, urls[i]);
        s.w = ws_connect(s.c, &o, NULL);
        cr_assert_neq(s.w, NULL);
        cr_assert_eq(s.closed, i);
        UNTIL(s.l, s.closed == i + 1);
        cr_assert_neq(s.why[0], '\0');
    }
    spin_for(s.l, 20);
    cr_assert_eq(s.closed, 2);
    end(&s);
}

Test(ws, pings_and_stays_while_the_server_answers)
{
    struct seen s;
    start(&s);
    open_with(&s, &(struct ws_opts){.ping_ms = 20, .timeout_ms = 3000});
    UNTIL(s.l, s.pings >= 5);
    cr_assert_eq(s.closed, 0);
    end(&s);
}

Test(ws, silence_that_no_ping_breaks_ends_it)
{
    struct seen s;
    start(&s);
    s.no_pong = true;
    open_with(&s, &(struct ws_opts){.ping_ms = 20, .timeout_ms = 100});
    UNTIL(s.l, s.closed == 1);
    cr_assert_geq(s.pings, 1);
    cr_assert(str_starts(s.why, "nothing came for "), "%s", s.why);
    UNTIL(s.l, server_newest(s.server) == NULL);
    end(&s);
}

Test(ws, several_connections_live_side_by_side)
{
    struct seen a;
    start_open(&a);
    struct seen b = {.l = a.l, .server = a.server, .c = a.c};
    struct seen *server_side = &a;
    open_one(&b);
    UNTIL(a.l, b.open == 1);
    say(server_side, "to the newest");
    UNTIL(a.l, b.messages == 1);
    cr_assert_eq(a.messages, 0);
    ws_close(b.w);
    spin_for(a.l, 20);
    say(&a, "to the other");
    UNTIL(a.l, a.messages == 1);
    free(b.last);
    end(&a);
}

Test(ws, paused_it_delivers_nothing_and_later_everything)
{
    struct seen s;
    start_open(&s);
    ws_pause(s.w, true);
    spin_for(s.l, 20);
    for (int i = 0; i < 500; i++) {
        char text[24];
        str_fmt(text, sizeof text, "m%d", i);
        say(&s, text);
    }
    spin_for(s.l, 50);
    cr_assert_eq(s.messages, 0);
    ws_pause(s.w, false);
    UNTIL(s.l, s.messages == 500);
    cr_assert_str_eq(s.last, "m499");
    cr_assert_eq(s.closed, 0);
    end(&s);
}

Test(ws, wss_needs_a_certificate_of_the_given_authority)
{
    struct tls_files t;
    tls_files_make(&t);
    const char *const cas[] = {t.ca, t.other_ca};
    for (int i = 0; i < 2; i++) {
        struct seen s = {.l = loop_new(clock_system())};
        s.server = server_new(&(struct server_opts){
            .loop = s.l, .cert = t.cert, .key = t.key, .on_data = serve, .arg = &s});
        struct err e = {0};
        s.c = ws_ctx_new(s.l, cas[i], &e);
        cr_assert_neq(s.c, NULL, "%s", e.text);
        char url[100];
        str_fmt(url, sizeof url, "wss://127.0.0.1:%d/x", server_port(s.server));
        struct ws_opts o = opts(&s, url);
        s.extra = "X-Simulated: true\r\n";
        s.w = ws_connect(s.c, &o, &e);
        UNTIL(s.l, s.open + s.closed == 1);
        cr_assert_eq(s.open, i == 0 ? 1 : 0, "%s", s.why);
        if (s.open) {
            cr_assert(s.simulated);
            // More than one TLS record: what waits inside the TLS layer must not wait for ever.
            char *big = malloc(90000);
            memset(big, 'x', 90000);
            for (int j = 0; j < 20; j++) {
                conn_ws_frame(server_newest(s.server), true, 1, big, 90000);
            }
            UNTIL(s.l, s.messages == 20);
            cr_assert_eq(s.bytes, 20 * 90000);
            cr_assert_eq(ws_send(s.w, "hello", 5), 0);
            UNTIL(s.l, s.texts == 1);
            free(big);
        }
        end(&s);
    }
    tls_files_remove(&t);
}

Test(ws_url, reads_what_is_one)
{
    static const struct {
        const char *url;
        bool tls;
        const char *host, *header;
        int port;
        const char *path;
    } rows[] = {
        {"ws://h", false, "h", "h", 80, "/"},
        {"wss://fstream.binance.com/market/stream?streams=a@b/c@d", true, "fstream.binance.com",
         "fstream.binance.com", 443, "/market/stream?streams=a@b/c@d"},
        {"ws://127.0.0.1:9001/x", false, "127.0.0.1", "127.0.0.1:9001", 9001, "/x"},
        {"wss://h:443/", true, "h", "h", 443, "/"},
        {"wss://h:80/", true, "h", "h:80", 80, "/"},
        {"ws://[::1]:8080/p", false, "::1", "[::1]:8080", 8080, "/p"},
        {"ws://[::1]/p", false, "::1", "[::1]", 80, "/p"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct ws_url u = {0};
        struct err e = {0};
        cr_assert_eq(ws_url_parse(rows[i].url, &u, &e), 0, "%s: %s", rows[i].url, e.text);
        cr_assert_eq(u.tls, rows[i].tls);
        cr_assert_str_eq(u.host, rows[i].host);
        cr_assert_str_eq(u.host_header, rows[i].header);
        cr_assert_eq(u.port, rows[i].port);
        cr_assert_str_eq(u.path, rows[i].path);
    }
}

Test(ws_url, refuses_what_is_none)
{
    static const char *const bad[] = {"",           "http://h/",       "ws://",       "ws:///x",
                                      "ws://h:0/",  "ws://h:65536/",   "ws://h:x/",   "ws://h:/",
                                      "ws://[::1/", "ws://[::1]x/",    "ws://u:p@h/", "ws://h?x=1",
                                      "ws://h/ x",  "ws://h/\r\nX: y", "wss://h#frag"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct ws_url u = {0};
        struct err e = {0};
        cr_assert_neq(ws_url_parse(bad[i], &u, &e), 0, "%s", bad[i]);
        cr_assert_neq(e.text[0], '\0');
    }
    char *longer = malloc(WS_URL_MAX + 2);
    memset(longer, 'a', WS_URL_MAX + 1);
    memcpy(longer, "ws://h/", 7);
    longer[WS_URL_MAX + 1] = '\0';
    struct ws_url u = {0};
    cr_assert_neq(ws_url_parse(longer, &u, NULL), 0);
    longer[WS_URL_MAX] = '\0';
    cr_assert_eq(ws_url_parse(longer, &u, NULL), 0);
    free(longer);
}

Test(ws, a_url_of_the_greatest_length_reaches_the_server)
{
    struct seen s;
    start(&s);
    char url[WS_URL_MAX + 1];
    str_fmt(url, sizeof url, "ws://127.0.0.1:%d/", server_port(s.server));
    size_t n = strlen(url);
    memset(url + n, 'a', WS_URL_MAX - n);
    url[WS_URL_MAX] = '\0';
    struct ws_opts o = opts(&s, url);
    s.w = ws_connect(s.c, &o, NULL);
    UNTIL(s.l, s.open + s.closed == 1);
    cr_assert_eq(s.open, 1, "%s", s.why);
    cr_assert_neq(strstr(s.head, strchr(url + 6, '/')), NULL);
    end(&s);
}

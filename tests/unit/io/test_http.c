#include <criterion/criterion.h>
#include <stdlib.h>

#include "common/base/str.h"
#include "common/io/http.h"
#include "tests/support/server.h"
#include "tests/support/spin.h"

struct seen {
    struct loop *l;
    struct server *server;
    struct http *h;
    int done;
    struct http_reply last;
    char why[300], body[200];
    char asked[1000]; // the last request head
    int again;        // calls to start from on_done
    bool free_in_done;
    char *big;
    size_t big_n;
    size_t streamed, take; // bytes of on_data; it refuses more than `take`
    long streamed_status;
};

static void get(struct seen *s, const char *path, size_t max_body);

static void on_done(void *arg, const struct http_reply *r)
{
    struct seen *s = arg;
    s->done++;
    s->last = *r;
    str_copy(s->why, sizeof s->why, r->why);
    str_copyn(s->body, sizeof s->body, r->body, r->n < 150 ? r->n : 150);
    cr_assert_eq(r->body[r->n], '\0');
    if (s->again > 0) {
        s->again--;
        get(s, "/ok", 0);
    }
    if (s->free_in_done) {
        s->free_in_done = false;
        http_free(s->h);
        s->h = NULL;
    }
}

static bool path_is(const char *head, const char *path)
{
    return str_starts(head, "GET ") && str_starts(head + 4, path);
}

static size_t serve(void *arg, struct conn *c, const char *p, size_t n)
{
    struct seen *s = arg;
    size_t head = http_head(p, n);
    if (head == 0) {
        return 0;
    }
    str_copyn(s->asked, sizeof s->asked, p, head);
    if (path_is(p, "/ok")) {
        conn_puts(c, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nx-simulated: TRUE\r\n"
                     "X-MBX-USED-WEIGHT-1M: 42\r\n\r\nhello");
    } else if (path_is(p, "/teapot")) {
        conn_puts(c,
                  "HTTP/1.1 418 I'm a teapot\r\nContent-Length: 2\r\nRetry-After: 120\r\n\r\n{}");
    } else if (path_is(p, "/date")) {
        conn_puts(c, "HTTP/1.1 429 Too Many\r\nContent-Length: 0\r\n"
                     "Retry-After: Fri, 01 Jan 2100 00:00:00 GMT\r\n\r\n");
    } else if (path_is(p, "/past")) {
        conn_puts(c, "HTTP/1.1 429 Too Many\r\nContent-Length: 0\r\n"
                     "Retry-After: Fri, 01 Jan 1999 00:00:00 GMT\r\nX-Simulated: no\r\n\r\n");
    } else if (path_is(p, "/junk")) {
        conn_puts(c, "HTTP/1.1 429 Too Many\r\nContent-Length: 0\r\n"
                     "Retry-After: -5\r\nX-MBX-USED-WEIGHT-1M: many\r\n\r\n");
    } else if (path_is(p, "/moved")) {
        conn_puts(c, "HTTP/1.1 302 Found\r\nLocation: file:///etc/passwd\r\n"
                     "Content-Length: 0\r\n\r\n");
    } else if (path_is(p, "/never")) {
        return head;
    } else if (path_is(p, "/drip")) {
        conn_puts(c, "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nslow");
    } else if (path_is(p, "/cut")) {
        conn_puts(c, "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nhalf");
        conn_close(c);
    } else if (path_is(p, "/big")) { // no Content-Length: the limit must be found while reading
        conn_puts(c, "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n");
        conn_write(c, s->big, s->big_n);
        conn_close(c);
    } else if (path_is(p, "/said")) {
        char line[100];
        str_fmt(line, sizeof line, "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n", s->big_n);
        conn_puts(c, line);
        conn_write(c, s->big, s->big_n);
    } else if (path_is(p, "/noise")) {
        conn_puts(c, "this is no HTTP at all\r\n\r\n");
        conn_close(c);
    }
    return head;
}

static struct http_call *call(struct seen *s, const char *path, size_t max_body, int64_t ms,
                              struct err *e)
{
    char url[200];
    str_fmt(url, sizeof url, "http://127.0.0.1:%d%s", server_port(s->server), path);
    return http_get(
        s->h,
        &(struct http_req){
            .url = url, .timeout_ms = ms, .max_body = max_body, .on_done = on_done, .arg = s},
        e);
}

static void get(struct seen *s, const char *path, size_t max_body)
{
    struct err e = {0};
    cr_assert_neq(call(s, path, max_body, 8000, &e), NULL, "%s", e.text);
}

static void start(struct seen *s)
{
    memset(s, 0, sizeof *s);
    s->l = loop_new(clock_system());
    s->server = server_new(&(struct server_opts){.loop = s->l, .on_data = serve, .arg = s});
    s->h = http_new(s->l, NULL, 2);
    s->big_n = 300000;
    s->big = calloc(1, s->big_n + 1);
    memset(s->big, 'b', s->big_n);
}

static void end(struct seen *s)
{
    http_free(s->h);
    server_free(s->server);
    loop_free(s->l);
    free(s->big);
}

Test(http, brings_the_body_and_the_headers_that_matter)
{
    struct seen s;
    start(&s);
    get(&s, "/ok?a=1", 0);
    cr_assert_eq(s.done, 0);
    cr_assert_eq(http_in_flight(s.h), 1);
    UNTIL(s.l, s.done == 1);
    cr_assert_eq(s.last.err, 0);
    cr_assert_eq(s.last.status, 200);
    cr_assert_str_eq(s.body, "hello");
    cr_assert(s.last.simulated);
    cr_assert_eq(s.last.used_weight, 42);
    cr_assert_eq(s.last.retry_after_s, -1);
    cr_assert_leq(s.last.sent_us, s.last.done_us);
    cr_assert_gt(s.last.sent_us, loop_wall_us(s.l) - 20000000);
    cr_assert(str_starts(s.asked, "GET /ok?a=1 HTTP/1.1\r\n"), "%s", s.asked);
    cr_assert_neq(strstr(s.asked, "User-Agent: botcrypto4/"), NULL);
    cr_assert_eq(http_in_flight(s.h), 0);
    end(&s);
}

static bool on_data(void *arg, long status, const char *bytes, size_t n)
{
    struct seen *s = arg;
    cr_assert_eq(bytes[0], 'b');
    s->streamed += n;
    s->streamed_status = status;
    return s->streamed <= s->take;
}

static void stream(struct seen *s, size_t max_body)
{
    static const char *const headers[] = {"X-MBX-APIKEY: k1", "X-Other: 2", NULL};
    char url[200];
    struct err e = {0};
    str_fmt(url, sizeof url, "http://127.0.0.1:%d/said", server_port(s->server));
    s->streamed = 0;
    s->done = 0;
    cr_assert_neq(http_get(s->h,
                           &(struct http_req){.url = url,
                                              .timeout_ms = 8000,
                                              .stall_ms = 5000,
                                              .max_body = max_body,
                                              .range_from = 7,
                                              .headers = headers,
                                              .on_data = on_data,
                                              .on_done = on_done,
                                              .arg = s},
                           &e),
                  NULL, "%s", e.text);
    UNTIL(s->l, s->done == 1);
}

Test(http, a_body_may_be_taken_as_it_comes)
{
    struct seen s;
    start(&s);
    s.take = s.big_n;
    stream(&s, s.big_n);
    cr_assert_eq(s.last.err, 0, "%s", s.why);
    cr_assert_eq(s.streamed, s.big_n);
    cr_assert_eq(s.streamed_status, 200);
    cr_assert_eq(s.last.n, 0);
    cr_assert_neq(strstr(s.asked, "Range: bytes=7-\r\n"), NULL, "%s", s.asked);
    cr_assert_neq(strstr(s.asked, "X-MBX-APIKEY: k1\r\n"), NULL);
    cr_assert_neq(strstr(s.asked, "X-Other: 2\r\n"), NULL);
    stream(&s, s.big_n - 1);
    cr_assert_eq(s.last.err, ERR_LIMIT);
    s.take = 100;
    stream(&s, s.big_n);
    cr_assert_eq(s.last.err, ERR_IO);
    end(&s);
}

Test(http, an_http_error_is_a_reply)
{
    struct seen s;
    start(&s);
    get(&s, "/teapot", 0);
    UNTIL(s.l, s.done == 1);
    cr_assert_eq(s.last.err, 0);
    cr_assert_eq(s.last.status, 418);
    cr_assert_eq(s.last.retry_after_s, 120);
    cr_assert_str_eq(s.body, "{}");
    cr_assert_not(s.last.simulated);
    end(&s);
}

Test(http, retry_after_may_be_a_date_and_junk_is_absent)
{
    struct seen s;
    start(&s);
    get(&s, "/date", 0);
    UNTIL(s.l, s.done == 1);
    cr_assert_gt(s.last.retry_after_s, 86400);
    get(&s, "/past", 0);
    UNTIL(s.l, s.done == 2);
    cr_assert_eq(s.last.retry_after_s, 0);
    cr_assert_not(s.last.simulated);
    get(&s, "/junk", 0);
    UNTIL(s.l, s.done == 3);
    cr_assert_eq(s.last.retry_after_s, -1);
    cr_assert_eq(s.last.used_weight, -1);
    end(&s);
}

Test(http, does_not_follow_redirects)
{
    struct seen s;
    start(&s);
    get(&s, "/moved", 0);
    UNTIL(s.l, s.done == 1);
    cr_assert_eq(s.last.err, 0);
    cr_assert_eq(s.last.status, 302);
    cr_assert_eq(server_accepted(s.server), 1);
    end(&s);
}

Test(http, a_body_over_the_limit_ends_the_transfer)
{
    struct seen s;
    start(&s);
    get(&s, "/big", 1000);
    UNTIL(s.l, s.done == 1);
    cr_assert_eq(s.last.err, ERR_LIMIT, "%s", s.why);
    get(&s, "/said", 1000);
    UNTIL(s.l, s.done == 2);
    cr_assert_eq(s.last.err, ERR_LIMIT, "%s", s.why);
    get(&s, "/said", s.big_n - 1);
    UNTIL(s.l, s.done == 3);
    cr_assert_eq(s.last.err, ERR_LIMIT, "%s", s.why);
    get(&s, "/big", s.big_n);
    UNTIL(s.l, s.done == 4);
    cr_assert_eq(s.last.err, 0, "exactly the limit fits: %s", s.why);
    cr_assert_eq(s.last.n, s.big_n);
    end(&s);
}

Test(http, time_runs_out_for_an_answer_and_for_a_slow_body)
{
    struct seen s;
    start(&s);
    struct err e;
    cr_assert_neq(call(&s, "/never", 0, 50, &e), NULL);
    UNTIL(s.l, s.done == 1);
    cr_assert_eq(s.last.err, ERR_TIMEOUT, "%s", s.why);
    cr_assert_neq(s.why[0], '\0');
    cr_assert_neq(call(&s, "/drip", 0, 50, &e), NULL);
    UNTIL(s.l, s.done == 2);
    cr_assert_eq(s.last.err, ERR_TIMEOUT, "%s", s.why);
    cr_assert_eq(s.last.n, 0, "half a body is no body");
    end(&s);
}

Test(http, a_broken_answer_is_an_error)
{
    struct seen s;
    start(&s);
    get(&s, "/cut", 0);
    UNTIL(s.l, s.done == 1);
    cr_assert_eq(s.last.err, ERR_IO, "%s", s.why);
    get(&s, "/noise", 0);
    UNTIL(s.l, s.done == 2);
    cr_assert_eq(s.last.err, ERR_IO, "%s", s.why);
    end(&s);
}

Test(http, nobody_listening_is_an_error)
{
    struct seen s;
    start(&s);
    server_free(s.server);
    s.server = server_new(&(struct server_opts){.loop = s.l, .on_data = serve, .arg = &s});
    char url[100];
    str_fmt(url, sizeof url, "http://127.0.0.1:1/");
    cr_assert_neq(
        http_get(s.h, &(struct http_req){.url = url, .on_done = on_done, .arg = &s}, NULL), NULL);
    UNTIL(s.l, s.done == 1);
    cr_assert_eq(s.last.err, ERR_IO);
    end(&s);
}

Test(http, refuses_urls_of_other_protocols_at_once)
{
    struct seen s;
    start(&s);
    static const char *const bad[] = {
        "",        "ftp://127.0.0.1/", "file:///etc/passwd", "127.0.0.1/x",
        "http://", "http://a b/",      "gopher://x/"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct err e = {0};
        struct http_req q = {.url = bad[i], .on_done = on_done, .arg = &s};
        cr_assert_eq(http_get(s.h, &q, &e), NULL, "%s", bad[i]);
        cr_assert_neq(e.text[0], '\0');
    }
    cr_assert_eq(http_in_flight(s.h), 0);
    end(&s);
}

Test(http, a_cancelled_call_says_nothing)
{
    struct seen s;
    start(&s);
    struct http_call *c = call(&s, "/never", 0, 5000, NULL);
    http_cancel(c);
    c = call(&s, "/never", 0, 5000, NULL);
    spin_for(s.l, 30);
    http_cancel(c);
    http_cancel(NULL);
    get(&s, "/ok", 0);
    UNTIL(s.l, s.done == 1);
    cr_assert_str_eq(s.body, "hello");
    end(&s);
}

Test(http, calls_beyond_the_parallel_limit_wait_their_turn)
{
    struct seen s;
    start(&s);
    for (int i = 0; i < 10; i++) {
        get(&s, "/ok", 0);
    }
    UNTIL(s.l, s.done == 10);
    cr_assert_leq(server_accepted(s.server), 2);
    end(&s);
}

Test(http, the_next_call_may_start_in_the_callback)
{
    struct seen s;
    start(&s);
    s.again = 5;
    get(&s, "/ok", 0);
    UNTIL(s.l, s.done == 6);
    end(&s);
}

Test(http, freeing_ends_calls_under_way_with_closed)
{
    struct seen s;
    start(&s);
    get(&s, "/never", 0);
    get(&s, "/never", 0);
    spin_for(s.l, 20);
    http_free(s.h);
    s.h = NULL;
    cr_assert_eq(s.done, 2);
    cr_assert_eq(s.last.err, ERR_CLOSED);
    end(&s);
}

Test(http, may_be_freed_in_a_callback)
{
    struct seen s;
    start(&s);
    get(&s, "/ok", 0);
    get(&s, "/never", 0);
    s.free_in_done = true;
    UNTIL(s.l, s.done == 2);
    cr_assert_eq(s.h, NULL);
    spin_for(s.l, 20);
    end(&s);
}

Test(http, loopback_is_reached_directly_whatever_the_proxy_variables_say)
{
    setenv("http_proxy", "http://127.0.0.1:1", 1);
    struct seen s;
    start(&s);
    get(&s, "/ok", 0);
    UNTIL(s.l, s.done == 1);
    cr_assert_eq(s.last.err, 0, "%s", s.why);
    // Another host goes to the proxy, where nobody listens here.
    struct http_req q = {.url = "http://192.0.2.1/", .on_done = on_done, .arg = &s};
    cr_assert_neq(http_get(s.h, &q, NULL), NULL);
    UNTIL(s.l, s.done == 2);
    cr_assert_eq(s.last.err, ERR_IO);
    unsetenv("http_proxy");
    end(&s);
}

Test(http, https_needs_a_certificate_of_the_given_authority)
{
    struct tls_files t;
    tls_files_make(&t);
    struct seen s;
    start(&s);
    server_free(s.server);
    s.server = server_new(&(struct server_opts){
        .loop = s.l, .cert = t.cert, .key = t.key, .on_data = serve, .arg = &s});
    const char *const cas[] = {t.ca, t.other_ca, NULL};
    for (int i = 0; i < 3; i++) {
        http_free(s.h);
        s.h = http_new(s.l, cas[i], 2);
        char url[100];
        str_fmt(url, sizeof url, "https://127.0.0.1:%d/ok", server_port(s.server));
        struct http_req q = {.url = url, .on_done = on_done, .arg = &s};
        cr_assert_neq(http_get(s.h, &q, NULL), NULL);
        UNTIL(s.l, s.done == i + 1);
        cr_assert_eq(s.last.err, i == 0 ? 0 : ERR_IO, "%s", s.why);
    }
    end(&s);
    tls_files_remove(&t);
}

#include <criterion/criterion.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/base/str.h"
#include "common/io/http.h"
#include "common/io/service.h"
#include "tests/support/spin.h"
#include "tests/support/with_redis.h"

struct seen {
    struct loop *l;
    struct service *s;
    struct timer *t;
    struct http *h;
    int drains, done;
    bool finish_in_drain;
    const char *not_ready;
    long status;
    char body[4000];
    char raw[6000]; // answer to a request sent byte by byte
    size_t raw_n;
    bool raw_closed;
    bool huge;
    int redis_up;
};

static void on_drain(void *arg)
{
    struct seen *s = arg;
    s->drains++;
    if (s->finish_in_drain) {
        service_done(s->s);
    }
}

static void fill_health(void *arg, struct jw *w)
{
    struct seen *s = arg;
    jw_kint(w, "queue_size", 7);
    jw_kbool(w, "simulated", true);
    jw_kbool(w, "silent", false);
    jw_kstr(w, "binance:BTCUSDT.note", "a \"quoted\" one");
    jw_key(w, "nothing");
    jw_null(w);
    if (s->huge) {
        char *big = calloc(1, (size_t)9 << 20);
        memset(big, 'x', ((size_t)9 << 20) - 1);
        jw_kstr(w, "big", big);
        free(big);
    }
}

static void ready(void *arg, char *why, size_t size)
{
    const struct seen *s = arg;
    str_copy(why, size, s->not_ready);
}

static void fill_metrics(void *arg, struct buf *out)
{
    (void)arg;
    prom_head(out, "bc4_test_total", "counter", "Things.");
    prom_int(out, "bc4_test_total", "kind=\"a\"", 12);
    prom_value(out, "bc4_test_total", "", "0.5");
}

static void start(struct seen *s)
{
    memset(s, 0, sizeof *s);
    s->not_ready = "";
    s->l = loop_new(clock_system());
    struct err e = {0};
    s->s = service_new(&(struct service_opts){.loop = s->l,
                                              .name = "collector",
                                              .instance = "binance",
                                              .http_port = 0,
                                              .drain_ms = 100,
                                              .on_drain = on_drain,
                                              .fill_health = fill_health,
                                              .ready = ready,
                                              .fill_metrics = fill_metrics,
                                              .arg = s},
                       &e);
    cr_assert_neq(s->s, NULL, "%s", e.text);
    s->h = http_new(s->l, NULL, 4);
}

static void end(struct seen *s)
{
    http_free(s->h);
    service_free(s->s);
    timer_free(s->t);
    loop_free(s->l);
}

static void on_done(void *arg, const struct http_reply *r)
{
    struct seen *s = arg;
    cr_assert_eq(r->err, 0, "%s", r->why);
    s->done++;
    s->status = r->status;
    str_copyn(s->body, sizeof s->body, r->body, r->n < 3999 ? r->n : 3999);
}

static void get(struct seen *s, const char *path)
{
    char url[200];
    str_fmt(url, sizeof url, "http://127.0.0.1:%d%s", service_http_port(s->s), path);
    int before = s->done;
    cr_assert_neq(
        http_get(s->h, &(struct http_req){.url = url, .on_done = on_done, .arg = s}, NULL), NULL);
    UNTIL(s->l, s->done == before + 1);
}

static const char *field(const struct seen *s, const char *key)
{
    static char text[200];
    json_t *root = json_loads(s->body, 0, NULL);
    cr_assert_neq(root, NULL, "%s", s->body);
    const char *v = json_string_value(json_object_get(root, key));
    str_copy(text, sizeof text, v ? v : "(none)");
    json_decref(root);
    return text;
}

Test(service, health_says_who_it_is_and_what_the_owner_adds)
{
    struct seen s;
    start(&s);
    cr_assert_gt(service_http_port(s.s), 0);
    get(&s, "/health");
    cr_assert_eq(s.status, 200);
    cr_assert_str_eq(field(&s, "status"), "ok");
    cr_assert_str_eq(field(&s, "service"), "collector");
    cr_assert_str_eq(field(&s, "instance"), "binance");
    cr_assert_neq(strstr(s.body, "\"uptime_ms\":"), NULL);
    cr_assert_neq(strstr(s.body, "\"queue_size\":7"), NULL);
    get(&s, "/health?x=1");
    cr_assert_eq(s.status, 200);
    end(&s);
}

Test(service, ready_is_503_with_what_is_missing)
{
    struct seen s;
    start(&s);
    get(&s, "/ready");
    cr_assert_eq(s.status, 200);
    cr_assert_str_eq(field(&s, "status"), "ready");
    s.not_ready = "no trade yet";
    get(&s, "/ready");
    cr_assert_eq(s.status, 503);
    cr_assert_str_eq(field(&s, "status"), "no trade yet");
    get(&s, "/ready?scope=self");
    cr_assert_eq(s.status, 200, "no pod gets better by being taken out for what others lack");
    get(&s, "/ready?scope=all");
    cr_assert_eq(s.status, 503);
    get(&s, "/health");
    cr_assert_eq(s.status, 200, "not ready is not unhealthy");
    end(&s);
}

Test(service, metrics_are_prometheus_text)
{
    struct seen s;
    start(&s);
    get(&s, "/metrics");
    cr_assert_eq(s.status, 200);
    cr_assert_neq(strstr(s.body, "# TYPE bc4_build_info gauge\n"), NULL);
    cr_assert_neq(strstr(s.body, "bc4_build_info{service=\"collector\",instance=\"binance\""),
                  NULL);
    cr_assert_neq(strstr(s.body, "# HELP bc4_test_total Things.\n# TYPE bc4_test_total counter\n"
                                 "bc4_test_total{kind=\"a\"} 12\nbc4_test_total 0.5\n"),
                  NULL, "%s", s.body);
    end(&s);
}

Test(service, an_unknown_page_is_a_json_error)
{
    struct seen s;
    start(&s);
    get(&s, "/");
    cr_assert_eq(s.status, 404);
    cr_assert_neq(strcmp(field(&s, "error"), "(none)"), 0);
    end(&s);
}

Test(service, an_answer_that_grew_too_large_is_an_error_not_a_part_of_it)
{
    struct seen s;
    start(&s);
    s.huge = true;
    get(&s, "/health");
    cr_assert_eq(s.status, 500);
    end(&s);
}

// ---- requests that curl would not send ---------------------------------------------------------

static void raw_read(struct bufferevent *bev, void *arg)
{
    struct seen *s = arg;
    size_t n = bufferevent_read(bev, s->raw + s->raw_n, sizeof s->raw - 1 - s->raw_n);
    s->raw_n += n;
    s->raw[s->raw_n] = '\0';
}

static void raw_event(struct bufferevent *bev, short what, void *arg)
{
    (void)bev;
    struct seen *s = arg;
    s->raw_closed = s->raw_closed || (what & (BEV_EVENT_EOF | BEV_EVENT_ERROR)) != 0;
}

static struct bufferevent *raw(struct seen *s, const char *request, size_t n)
{
    s->raw_n = 0;
    s->raw[0] = '\0';
    s->raw_closed = false;
    struct bufferevent *bev = bufferevent_socket_new(s->l->base, -1, BEV_OPT_CLOSE_ON_FREE);
    struct sockaddr_in a = {.sin_family = AF_INET,
                            .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
                            .sin_port = htons((uint16_t)service_http_port(s->s))};
    bufferevent_setcb(bev, raw_read, NULL, raw_event, s);
    bufferevent_enable(bev, EV_READ | EV_WRITE);
    cr_assert_eq(bufferevent_socket_connect(bev, (struct sockaddr *)(void *)&a, (int)sizeof a), 0);
    bufferevent_write(bev, request, n);
    return bev;
}

static void ask(struct seen *s, const char *request)
{
    struct bufferevent *bev = raw(s, request, strlen(request));
    UNTIL(s->l, s->raw_closed);
    bufferevent_free(bev);
}

Test(service, head_has_the_headers_and_no_body)
{
    struct seen s;
    start(&s);
    ask(&s, "HEAD /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    cr_assert(str_starts(s.raw, "HTTP/1.1 200 "), "%s", s.raw);
    const char *length = strcasestr(s.raw, "content-length: ");
    cr_assert_neq(length, NULL);
    cr_assert_gt(strtol(length + 16, NULL, 10), 100);
    cr_assert_eq(strcasestr(length + 16, "content-length: "), NULL, "once: %s", s.raw);
    cr_assert(str_ends(s.raw, "\r\n\r\n"), "%s", s.raw);
    end(&s);
}

Test(service, other_methods_are_refused_in_json)
{
    struct seen s;
    start(&s);
    static const char *const methods[] = {"POST", "PUT", "DELETE", "OPTIONS", "PATCH"};
    for (size_t i = 0; i < sizeof methods / sizeof methods[0]; i++) {
        char request[200];
        str_fmt(request, sizeof request,
                "%s /health HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
                methods[i]);
        ask(&s, request);
        cr_assert(str_starts(s.raw, "HTTP/1.1 405 "), "%s: %s", methods[i], s.raw);
        cr_assert_neq(strcasestr(s.raw, "allow: GET, HEAD\r\n"), NULL, "%s", s.raw);
        cr_assert_neq(strstr(s.raw, "{\"error\":"), NULL, "%s", s.raw);
    }
    end(&s);
}

Test(service, long_headers_and_bodies_are_refused)
{
    struct seen s;
    start(&s);
    size_t n = 200000;
    char *big = calloc(1, n + 200);
    str_fmt(big, 200, "GET /health HTTP/1.1\r\nX-Long: ");
    memset(big + strlen(big), 'x', n);
    struct bufferevent *bev = raw(&s, big, strlen(big));
    UNTIL(s.l, s.raw_closed);
    cr_assert_eq(strstr(s.raw, " 200 "), NULL);
    bufferevent_free(bev);
    memset(big, 0, n + 200);
    str_fmt(big, 200, "POST /health HTTP/1.1\r\nHost: x\r\nContent-Length: %zu\r\n\r\n", n);
    memset(big + strlen(big), 'x', n);
    bev = raw(&s, big, strlen(big));
    UNTIL(s.l, s.raw_closed);
    cr_assert_eq(strstr(s.raw, " 200 "), NULL);
    bufferevent_free(bev);
    get(&s, "/health");
    cr_assert_eq(s.status, 200, "and it serves on");
    free(big);
    end(&s);
}

Test(service, noise_does_not_end_it)
{
    struct seen s;
    start(&s);
    static const char noise[] = "\x16\x03\x01\x02\x00\x01\x00\r\n\r\n\0\0\xff";
    struct bufferevent *bev = raw(&s, noise, sizeof noise);
    UNTIL(s.l, s.raw_closed);
    bufferevent_free(bev);
    ask(&s, "GET noslash HTTP/1.1\r\nConnection: close\r\n\r\n");
    get(&s, "/health");
    cr_assert_eq(s.status, 200);
    end(&s);
}

// ---- life cycle --------------------------------------------------------------------------------

static void signal_self(void *arg)
{
    (void)arg;
    kill(getpid(), SIGTERM);
}

Test(service, the_first_signal_drains_and_exits_0)
{
    struct seen s;
    start(&s);
    s.finish_in_drain = true;
    s.t = timer_new(s.l, signal_self, NULL);
    timer_start(s.t, 5);
    service_run(s.s);
    cr_assert_eq(s.drains, 1);
    cr_assert(service_is_draining(s.s));
    cr_assert_eq(service_exit_code(s.s), 0);
    end(&s);
}

Test(service, a_drain_that_takes_too_long_is_cut_and_exits_0)
{
    struct seen s;
    start(&s);
    s.t = timer_new(s.l, signal_self, NULL);
    timer_start(s.t, 5);
    service_run(s.s);
    cr_assert_eq(s.drains, 1);
    cr_assert_eq(service_exit_code(s.s), 0);
    end(&s);
}

static struct service *slow;

static void second_signal(void *arg)
{
    (void)arg;
    kill(getpid(), SIGINT);
}

static void drain_for_ever(void *arg)
{
    timer_start(arg, 1);
}

Test(service, the_second_signal_leaves_at_once_with_1)
{
    struct loop *l = loop_new(clock_system());
    struct timer *first = timer_new(l, signal_self, NULL);
    struct timer *second = timer_new(l, second_signal, NULL);
    slow = service_new(&(struct service_opts){.loop = l,
                                              .name = "x",
                                              .instance = "0",
                                              .http_port = -1,
                                              .drain_ms = 600000,
                                              .on_drain = drain_for_ever,
                                              .arg = second},
                       NULL);
    cr_assert_eq(service_http_port(slow), -1);
    timer_start(first, 1);
    service_run(slow);
    cr_assert_eq(service_exit_code(slow), 1);
    timer_free(first);
    timer_free(second);
    service_free(slow);
    loop_free(l);
}

Test(service, draining_is_told_on_ready_and_health)
{
    struct seen s;
    start(&s);
    service_shutdown(s.s);
    service_shutdown(s.s);
    cr_assert_eq(s.drains, 1);
    get(&s, "/ready");
    cr_assert_eq(s.status, 503);
    cr_assert_str_eq(field(&s, "status"), "draining");
    get(&s, "/health");
    cr_assert_str_eq(field(&s, "status"), "draining");
    end(&s);
}

Test(service, a_failure_exits_1_also_before_it_runs)
{
    struct seen s;
    start(&s);
    service_fail(s.s, "keyspace_refused", "this keyspace holds a simulated market");
    service_run(s.s); // returns at once
    cr_assert_eq(service_exit_code(s.s), 1);
    end(&s);
}

Test(service, a_port_in_use_is_an_error_with_the_port_named)
{
    struct seen s;
    start(&s);
    struct err e = {0};
    struct service *other = service_new(&(struct service_opts){.loop = s.l,
                                                               .name = "x",
                                                               .http_host = "127.0.0.1",
                                                               .http_port = service_http_port(s.s)},
                                        &e);
    cr_assert_eq(other, NULL);
    char port[16];
    str_fmt(port, sizeof port, "%d", service_http_port(s.s));
    cr_assert_neq(strstr(e.text, port), NULL, "%s", e.text);
    cr_assert_neq(strstr(e.text, "in use"), NULL, "%s", e.text);
    end(&s);
}

// ---- health in Redis ---------------------------------------------------------------------------

static void on_up(void *arg)
{
    struct seen *s = arg;
    s->redis_up++;
}

Test(service, keeps_its_health_hash_and_its_place_in_the_list)
{
    struct seen s;
    start(&s);
    struct with_redis *w = with_redis_new(NULL);
    struct redis *r = redis_new(&(struct redis_opts){
        .loop = s.l, .url = w->url, .name = "collector/write", .on_up = on_up, .arg = &s});
    service_set_redis(s.s, r);
    UNTIL(s.l, s.redis_up == 1);
    with_redis_cmd(w, "HSET bc4:health:collector:binance stale 1");
    service_set_redis(s.s, r); // up now: written at once
    UNTIL(s.l, redis_inflight(r) == 0);
    static const char key[] = "bc4:health:collector:binance";
    cr_assert_str_eq(with_redis_text(w, "HGET %s status", key), "ok");
    cr_assert_str_eq(with_redis_text(w, "HGET %s queue_size", key), "7");
    cr_assert_str_eq(with_redis_text(w, "HGET %s simulated", key), "1");
    cr_assert_str_eq(with_redis_text(w, "HGET %s silent", key), "0");
    cr_assert_str_eq(with_redis_text(w, "HGET %s redis_up", key), "1");
    cr_assert_str_eq(with_redis_text(w, "HGET %s binance:BTCUSDT.note", key), "a \"quoted\" one");
    cr_assert_str_eq(with_redis_text(w, "HEXISTS %s nothing", key), "1");
    cr_assert_str_eq(with_redis_text(w, "HEXISTS %s stale", key), "0");
    long ttl = strtol(with_redis_text(w, "TTL %s", key), NULL, 10);
    cr_assert(ttl >= 8 && ttl <= 10, "%ld", ttl);
    cr_assert_str_neq(with_redis_text(w, "ZSCORE bc4:services collector:binance"), "");
    // And again by itself.
    with_redis_cmd(w, "DEL %s", key);
    int64_t until = spin_deadline(10000);
    while (strcmp(with_redis_text(w, "EXISTS %s", key), "1") != 0) {
        cr_assert(spin_turn(s.l, until));
    }
    service_set_redis(s.s, NULL);
    redis_free(r);
    with_redis_free(w);
    end(&s);
}

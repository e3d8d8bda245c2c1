// CivetWeb's side: real sockets against a gateway in this process.

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "services/api/io/web.h"
#include "tests/unit/api/fixture.h"

#define THREADS 16

struct server {
    struct rig rig;
    struct web *web;
};

static void start_with(struct server *s, int64_t request_timeout_ms)
{
    struct err e = {0};
    rig_init(&s->rig);
    rig_fill(&s->rig, "1");
    s->rig.g.clock = clock_system();
    s->web = web_new(&(struct web_opts){.gateway = &s->rig.g,
                                        .host = "127.0.0.1",
                                        .threads = THREADS,
                                        .keep_alive_ms = 60000,
                                        .request_timeout_ms = request_timeout_ms});
    cr_assert_eq(web_start(s->web, &e), 0, "%s", e.text);
    cr_assert_gt(web_port(s->web), 0);
}

static void start(struct server *s)
{
    start_with(s, 60000);
}

static void end(struct server *s)
{
    web_free(s->web);
    rig_release(&s->rig);
}

static int dial(const struct server *s)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons((uint16_t)web_port(s->web))};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    cr_assert_geq(fd, 0);
    cr_assert_eq(connect(fd, (const struct sockaddr *)&a, sizeof a), 0);
    return fd;
}

// Reads until the peer closes, `want` is in the text, or 10 s passed. Returns the bytes read.
static size_t read_until(int fd, char *text, size_t size, const char *want)
{
    size_t n = 0;
    text[0] = '\0';
    while (n + 1 < size && !(want && strstr(text, want))) {
        struct pollfd p = {.fd = fd, .events = POLLIN};
        if (poll(&p, 1, 10000) != 1) {
            break;
        }
        ssize_t got = recv(fd, text + n, size - 1 - n, 0);
        if (got <= 0) {
            break;
        }
        n += (size_t)got;
        text[n] = '\0';
    }
    return n;
}

static void say(int fd, const char *text)
{
    cr_assert_eq(send(fd, text, strlen(text), MSG_NOSIGNAL), (ssize_t)strlen(text));
}

// The server may say why before it closes.
static bool is_closed(int fd)
{
    char text[512];
    struct pollfd p = {.fd = fd, .events = POLLIN};
    while (poll(&p, 1, 10000) == 1) {
        if (recv(fd, text, sizeof text, 0) <= 0) {
            return true;
        }
    }
    return false;
}

static const char PRICE[] = "GET /price HTTP/1.1\r\nHost: x\r\n\r\n";

Test(web, answers_many_requests_on_one_connection)
{
    struct server s;
    char text[4096];
    start(&s);
    int fd = dial(&s);
    for (int i = 0; i < 50; i++) {
        say(fd, i % 2 ? PRICE : "GET /health?symbol=BTCUSDT HTTP/1.1\r\nHost: x\r\n\r\n");
        read_until(fd, text, sizeof text, "\"simulated\":true}");
        cr_assert(str_starts(text, "HTTP/1.1 200 OK\r\n"), "%s", text);
        cr_assert_not_null(strstr(text, "Connection: keep-alive\r\n"));
    }
    close(fd);
    end(&s);
}

Test(web, closes_when_asked_to)
{
    struct server s;
    char text[4096];
    start(&s);
    int fd = dial(&s);
    say(fd, "GET /price HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    cr_assert_gt(read_until(fd, text, sizeof text, NULL), 0); // ends by the peer's close
    cr_assert_not_null(strstr(text, "Connection: close\r\n"));
    close(fd);
    fd = dial(&s);
    say(fd, "GET /price HTTP/1.0\r\n\r\n");
    cr_assert_gt(read_until(fd, text, sizeof text, NULL), 0);
    cr_assert_not_null(strstr(text, "\"price\":61640.1"));
    close(fd);
    end(&s);
}

Test(web, what_is_no_http_gets_a_json_error_and_the_door)
{
    static const char *const BAD[] = {"GARBAGE\r\n\r\n", "GET\r\n\r\n",
                                      "BREW /price HTTP/1.1\r\nHost: x\r\n\r\n"};
    struct server s;
    char text[4096];
    start(&s);
    for (size_t i = 0; i < sizeof BAD / sizeof BAD[0]; i++) {
        int fd = dial(&s);
        say(fd, BAD[i]);
        read_until(fd, text, sizeof text, NULL);
        cr_expect(str_starts(text, "HTTP/1.1 400 "), "%s", text);
        cr_expect_not_null(strstr(text, "{\"error\":\""));
        close(fd);
    }
    end(&s);
}

Test(web, headers_without_end_are_refused)
{
    struct server s;
    char text[4096], line[1024];
    start(&s);
    int fd = dial(&s);
    say(fd, "GET /price HTTP/1.1\r\n");
    memset(line, 'a', sizeof line);
    for (int i = 0; i < 17; i++) {
        if (send(fd, line, sizeof line, MSG_NOSIGNAL) < 0) {
            break;
        }
    }
    read_until(fd, text, sizeof text, NULL);
    cr_expect(strstr(text, " 413 ") || strstr(text, " 431 ") || strstr(text, " 400 ") || !*text,
              "%s", text);
    close(fd);
    fd = dial(&s); // and the server lives
    say(fd, PRICE);
    read_until(fd, text, sizeof text, "61640.1");
    cr_expect(str_starts(text, "HTTP/1.1 200"));
    close(fd);
    end(&s);
}

Test(web, a_body_is_not_read_as_the_next_request)
{
    struct server s;
    char text[8192];
    start(&s);
    int fd = dial(&s);
    say(fd, "GET /price HTTP/1.1\r\nHost: x\r\nContent-Length: 33\r\n\r\n"
            "GET /health HTTP/1.1\r\nHost: x\r\n\r\n");
    read_until(fd, text, sizeof text, NULL);
    cr_expect(str_starts(text, "HTTP/1.1 413 "), "%s", text);
    cr_expect_null(strstr(text, "\"session\""));
    close(fd);
    end(&s);
}

Test(web, paths_are_not_files)
{
    static const char *const TARGET[] = {
        "/../../etc/passwd", "/%2e%2e/etc/passwd", "/etc/passwd", "/docs/..",
        "/.htpasswd",        "/price/..%2f..",     "//etc/passwd"};
    struct server s;
    start(&s);
    for (size_t i = 0; i < sizeof TARGET / sizeof TARGET[0]; i++) {
        char text[8192], req[128];
        int fd = dial(&s);
        (void)str_fmt(req, sizeof req, "GET %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
                      TARGET[i]);
        say(fd, req);
        read_until(fd, text, sizeof text, NULL);
        cr_expect(str_starts(text, "HTTP/1.1 404 ") || str_starts(text, "HTTP/1.1 400 "), "%s: %s",
                  TARGET[i], text);
        cr_expect_null(strstr(text, "root:"));
        close(fd);
    }
    end(&s);
}

// Far more idle connections than threads: each new one is served, the oldest give way.
static void crowd(bool silent)
{
    enum { N = 8 * THREADS };
    struct server s;
    int fd[N];
    char text[4096];
    start(&s);
    for (int i = 0; i < N; i++) {
        fd[i] = dial(&s);
        if (!silent) {
            say(fd[i], PRICE);
            read_until(fd[i], text, sizeof text, "61640.1");
            cr_assert(str_starts(text, "HTTP/1.1 200"), "connection %d: %s", i, text);
        }
    }
    int last = dial(&s);
    say(last, PRICE);
    read_until(last, text, sizeof text, "61640.1");
    cr_assert(str_starts(text, "HTTP/1.1 200"), "%s", text);
    cr_expect(is_closed(fd[0]));
    cr_expect_geq(stats_get(s.rig.g.stats, STAT_IDLE_CLOSED), N - THREADS);
    int open = 0, idle = 0;
    web_load(s.web, &open, &idle);
    cr_expect_leq(open, THREADS);
    for (int i = 0; i < N; i++) {
        close(fd[i]);
    }
    close(last);
    end(&s);
}

Test(web, idle_keep_alive_connections_give_way)
{
    crowd(false);
}

Test(web, silent_connections_give_way)
{
    crowd(true);
}

Test(web, a_connection_in_use_outlives_idle_ones)
{
    struct server s;
    char text[4096];
    int fd[4 * THREADS];
    start(&s);
    int used = dial(&s);
    for (int i = 0; i < 4 * THREADS; i++) {
        fd[i] = dial(&s);
        say(fd[i], PRICE);
        read_until(fd[i], text, sizeof text, "61640.1");
        say(used, PRICE);
        read_until(used, text, sizeof text, "61640.1");
        cr_assert(str_starts(text, "HTTP/1.1 200"), "after %d: %s", i, text);
    }
    for (int i = 0; i < 4 * THREADS; i++) {
        close(fd[i]);
    }
    close(used);
    end(&s);
}

static int open_now(const struct server *s)
{
    int open = 0, idle = 0;
    web_load(s->web, &open, &idle);
    return open;
}

// It sends requests ahead and never reads: one answer may wait for it, not each of them.
Test(web, a_client_that_takes_no_answer_is_left_after_one_timeout)
{
    struct server s;
    start_with(&s, 300);
    int fd = dial(&s);
    struct timeval patience = {.tv_usec = 100000};
    cr_assert_eq(setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience), 0);
    for (size_t sent = 0; sent < (size_t)64 << 20; sent += sizeof PRICE - 1) {
        if (send(fd, PRICE, sizeof PRICE - 1, MSG_NOSIGNAL) != (ssize_t)(sizeof PRICE - 1)) {
            break; // both directions are full, or it was left already
        }
    }
    for (int i = 0; i < 100 && open_now(&s) > 0; i++) {
        usleep(50000);
    }
    cr_expect_eq(open_now(&s), 0);
    close(fd);
    end(&s);
}

static void options_of(const struct server *s, const char *request, const char *begin,
                       const char *part)
{
    char text[4096];
    int fd = dial(s);
    say(fd, PRICE); // also as the second request of a connection
    read_until(fd, text, sizeof text, "61640.1");
    say(fd, request);
    read_until(fd, text, sizeof text, NULL);
    cr_expect(strstr(text, begin) && strstr(text, part), "%s: %s", request, text);
    close(fd);
}

Test(web, answers_requests_about_no_path_of_its_own)
{
    struct server s;
    start(&s);
    options_of(&s, "OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 204 ",
               "\r\nAllow: GET, HEAD, POST, OPTIONS\r\n");
    options_of(&s, "GET * HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 400 ", "{\"error\":\"");
    options_of(&s, "GET http://elsewhere.example/ HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 4",
               "{\"error\":\"");
    end(&s);
}

// A profile of so many bins that the answer is larger than what the kernel holds for a client.
static void fill_much(struct server *s)
{
    enum { N = 100000 };
    struct snap *snap = full_snap(&s->rig.ins[0], "1");
    char(*name)[16] = xcalloc(N, sizeof *name);
    struct slice *kv = xcalloc((size_t)2 * N, sizeof *kv);
    for (size_t i = 0; i < N; i++) {
        (void)str_fmt(name[i], sizeof name[i], "%zu.0", 1000000 + i);
        kv[2 * i] = slice_of(name[i]);
        kv[2 * i + 1] = slice_of("2.000 1.000 1.000 7");
    }
    snap_set_take(snap, SEC_PROFILE, rhash_new(kv, N));
    store_publish_take(s->rig.g.store, 0, snap);
    free(kv);
    free(name);
}

static int64_t now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

// It takes a little of its answer now and then, so that no single write ever lasts long.
Test(web, a_client_that_takes_its_answer_in_sips_is_left_after_one_timeout)
{
    struct server s;
    char text[2048];
    int room = 4096;
    ssize_t got = 1;
    start_with(&s, 400);
    fill_much(&s);
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons((uint16_t)web_port(s.web))};
    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    cr_assert_eq(setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof room), 0);
    cr_assert_eq(connect(fd, (const struct sockaddr *)&a, sizeof a), 0);
    say(fd, "GET /context?profile_rows=0 HTTP/1.1\r\nHost: x\r\n\r\n");
    const int64_t begin = now_ms();
    while (stats_get(s.rig.g.stats, STAT_SLOW_CUT) == 0 && now_ms() - begin < 20000 && got > 0) {
        got = recv(fd, text, sizeof text, 0);
        usleep(10000);
    }
    cr_expect_eq(stats_get(s.rig.g.stats, STAT_SLOW_CUT), 1);
    for (int i = 0; i < 100 && open_now(&s) > 0; i++) {
        usleep(50000);
    }
    cr_expect_eq(open_now(&s), 0);
    close(fd);
    end(&s);
}

Test(web, one_that_takes_a_large_answer_gets_all_of_it)
{
    struct server s;
    char text[65536];
    size_t n = 0;
    ssize_t got;
    start(&s);
    fill_much(&s);
    int fd = dial(&s);
    say(fd, "GET /context?profile_rows=0 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    while ((got = recv(fd, text, sizeof text, 0)) > 0) {
        n += (size_t)got;
    }
    cr_expect_gt(n, (size_t)5 << 20);
    cr_expect_eq(stats_get(s.rig.g.stats, STAT_SLOW_CUT), 0);
    close(fd);
    end(&s);
}

// Letter by letter, each well within the timeout.
Test(web, a_client_that_sends_its_request_in_sips_is_left_after_one_timeout)
{
    static const char LETTER[] = "x";
    struct server s;
    start_with(&s, 500);
    int fd = dial(&s);
    say(fd, "GET /price HTTP/1.1\r\nX: ");
    const int64_t begin = now_ms();
    while (now_ms() - begin < 20000 && send(fd, LETTER, 1, MSG_NOSIGNAL) == 1) {
        usleep(50000);
    }
    cr_expect_lt(now_ms() - begin, 10000);
    for (int i = 0; i < 100 && open_now(&s) > 0; i++) {
        usleep(50000);
    }
    cr_expect_eq(open_now(&s), 0);
    close(fd);
    end(&s);
}

// All threads are held by clients that take nothing: a new one waits two seconds, not a timeout.
Test(web, clients_that_take_nothing_give_way_to_a_new_one)
{
    struct server s;
    char text[4096];
    int fd[THREADS], room = 4096;
    start_with(&s, 60000);
    fill_much(&s);
    for (int i = 0; i < THREADS; i++) {
        fd[i] = dial(&s);
        (void)setsockopt(fd[i], SOL_SOCKET, SO_RCVBUF, &room, sizeof room);
        say(fd[i], "GET /context?profile_rows=0 HTTP/1.1\r\nHost: x\r\n\r\n");
    }
    int last = dial(&s);
    say(last, PRICE);
    read_until(last, text, sizeof text, "61640.1");
    cr_expect(str_starts(text, "HTTP/1.1 200"), "%s", text);
    for (int i = 0; i < THREADS; i++) {
        close(fd[i]);
    }
    close(last);
    end(&s);
}

Test(web, stops_while_clients_are_connected)
{
    struct server s;
    start(&s);
    int a = dial(&s), b = dial(&s);
    say(b, "GET /pri"); // half a request
    // CivetWeb forgets, until the process ends, what it accepted and no worker has taken up yet.
    int open = 0, idle = 0;
    for (int i = 0; i < 1000 && open < 2; i++) {
        (void)poll(NULL, 0, 10);
        web_load(s.web, &open, &idle);
    }
    cr_assert_eq(open, 2);
    end(&s);
    cr_expect(is_closed(a));
    cr_expect(is_closed(b));
    close(a);
    close(b);
}

Test(web, a_port_in_use_is_an_error)
{
    struct server s;
    struct err e = {0};
    start(&s);
    struct web *second = web_new(&(struct web_opts){.gateway = &s.rig.g,
                                                    .host = "127.0.0.1",
                                                    .port = web_port(s.web),
                                                    .threads = 8,
                                                    .keep_alive_ms = 1000,
                                                    .request_timeout_ms = 1000});
    cr_expect_eq(web_start(second, &e), ERR_IO);
    cr_expect_not_null(strstr(e.text, "127.0.0.1"));
    web_free(second);
    end(&s);
}

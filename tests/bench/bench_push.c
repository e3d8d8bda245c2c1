// Push fan-out: one change of Redis, a thousand WebSocket clients.
//
// This program is the writer (an instrument's price, 20 times a second, as context would write it)
// and all clients. A message's age is the time since just before its price was sent to Redis, so it
// holds the notice, the gateway's reading, its 50 ms of conflation, and the way of the bytes. The
// gateway has a core of its own. Three kinds of rounds take turns: the gateway; the gateway beside
// 100 clients that never read; and a bare fan-out on the gateway's core, a process that writes
// what it is handed, a message of the same size, to a thousand sockets and does nothing else.
//
// bench_push OUT.jsonl      binaries from $BC4_BIN (build/bin)

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <hiredis/hiredis.h>
#include <inttypes.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tests/support/fan_out.h"

#define ROUNDS 5
#define ROUND_US 1500000
#define UPDATE_US 50000
#define CLIENTS 1000
#define STUCK 100
#define MOST_UPDATES 4096
#define AGE_US 100 // of a step
#define MOST_STEPS 50000
#define IN_BYTES 16384
#define KEY "bc4:{binance:BTCUSDT}:"

struct client {
    int fd;
    int newest; // update that it was told last
    size_t n;
    unsigned char in[IN_BYTES];
};

struct round_result {
    size_t delivered;
    double p50_ms, p99_ms;
    int updates;
    double cpu; // of one core
};

static char dir[64], sock_path[96];
static pid_t children[4]; // redis, gateway, bare fan-out
static size_t n_children;
static struct client clients[CLIENTS];
static struct client bare[CLIENTS];
static int bare_handed = -1; // what is written here goes to every bare client
static size_t message_bytes; // of the newest price message, with its frame
static int stuck[STUCK];
static int64_t written_us[MOST_UPDATES];
static int updates;
static int from_update;               // ages of older ones do not count
static uint32_t ages[MOST_STEPS + 1]; // steps of AGE_US, rounded up
static redisContext *writer;

static int64_t now_us(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

static void cleanup(void)
{
    for (size_t i = n_children; i-- > 0;) {
        kill(children[i], SIGKILL);
        waitpid(children[i], NULL, 0);
    }
    char cmd[128];
    snprintf(cmd, sizeof cmd, "rm -rf '%s'", dir);
    if (dir[0] && system(cmd) != 0) {
        fprintf(stderr, "left behind: %s\n", dir);
    }
}

static _Noreturn void die(const char *what)
{
    fprintf(stderr, "bench_push: %s: %s\n", what, strerror(errno));
    exit(1);
}

static void pin(int core)
{
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET((unsigned)core, &set);
    (void)sched_setaffinity(0, sizeof set, &set); // a machine with one core does without
}

static pid_t spawn(const char *name, int core, const char *command)
{
    pid_t pid = fork();
    if (pid == 0) {
        char path[128];
        snprintf(path, sizeof path, "%s/%s.log", dir, name);
        int fd = open(path, O_CREAT | O_WRONLY | O_TRUNC, 0600);
        dup2(fd, 1);
        dup2(fd, 2);
        pin(core);
        execl("/bin/sh", "sh", "-c", command, (char *)NULL);
        _exit(127);
    }
    children[n_children++] = pid;
    return pid;
}

// ---- the writer

static redisContext *connect_redis(void)
{
    for (int i = 0; i < 500; i++) {
        redisContext *c = redisConnectUnix(sock_path);
        if (c != NULL && c->err == 0) {
            redisReply *r = redisCommand(c, "PING");
            const bool up = r != NULL && r->type == REDIS_REPLY_STATUS;
            freeReplyObject(r);
            if (up) {
                return c;
            }
        }
        redisFree(c);
        usleep(10000);
    }
    die("redis does not answer");
}

static void write_market(void)
{
    freeReplyObject(redisCommand(
        writer, "HSET " KEY "instrument venue binance symbol BTCUSDT tick 0.10 step 0.001 min_qty "
                "0.001 min_notional 5 price_scale 4 qty_scale 5 simulated 1 schema 1"));
    for (int i = 0; i < 3300; i++) { // what the clients that do not read choke on
        freeReplyObject(redisCommand(writer,
                                     "HSET " KEY "profile:2026-01-05 6%d.%d0 2.000 1.000 1.000 7",
                                     1000 + i / 10, i % 10));
    }
    for (int i = 0; i < 300; i++) {
        freeReplyObject(redisCommand(
            writer,
            "HSET " KEY "candles:1m %" PRId64 " {\"timestamp\":%" PRId64
            ",\"open\":\"61000.10\",\"high\":\"61010.10\",\"low\":"
            "\"60990.10\",\"close\":\"61001.10\",\"volume\":\"12.345\",\"complete\":true,"
            "\"why\":\"%0400d\"}",
            INT64_C(1767600000000) + i * 60000, INT64_C(1767600000000) + i * 60000, i));
    }
}

// One update of context: the hash with its price, and the notice, in one transaction.
static void write_update(void)
{
    const int i = ++updates;
    if (i >= MOST_UPDATES) {
        die("too many updates");
    }
    written_us[i] = now_us();
    redisAppendCommand(writer, "MULTI");
    redisAppendCommand(
        writer,
        "HSET " KEY "context day 2026-01-05 price 6%04d.%d0 price_ts_ms %" PRId64
        " vwap 61000.12345678 vwap_quote 61000.1 sigma 12.5 poc 61000.10 vah 61020.10 val 60990.10 "
        "high 61100.00 low 60900.00 cumulative_delta 12.345 buy_volume 1000.123 sell_volume "
        "987.321 "
        "trades %d or_complete 1 bin 0.10 simulated 1 _ver %d _updated_ms 1 _clock_ms %" PRId64,
        i / 10, i % 10, INT64_C(1767600000000) + i * 50, i, i, INT64_C(1767600000000) + i * 50);
    redisAppendCommand(
        writer, "PUBLISH " KEY "pub:context {\"ver\":%d,\"day\":\"2026-01-05\",\"changed\":[]}", i);
    redisAppendCommand(writer, "EXEC");
    for (int k = 0; k < 4; k++) {
        redisReply *r = NULL;
        if (redisGetReply(writer, (void **)&r) != REDIS_OK || r->type == REDIS_REPLY_ERROR) {
            die("an update was not written");
        }
        freeReplyObject(r);
    }
}

// ---- the clients

static int open_port(int *port)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof a;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&a, sizeof a) != 0 ||
        getsockname(fd, (struct sockaddr *)&a, &len) != 0) {
        die("no free port");
    }
    *port = ntohs(a.sin_port);
    return fd;
}

static void send_text(int fd, const char *text)
{
    unsigned char out[256];
    const size_t n = strlen(text);
    out[0] = 0x81;
    out[1] = (unsigned char)(0x80 | n); // masked with zeros
    memset(out + 2, 0, 4);
    memcpy(out + 6, text, n);
    if (n > 125 || send(fd, out, n + 6, MSG_NOSIGNAL) != (ssize_t)(n + 6)) {
        die("cannot ask");
    }
}

// A WebSocket behind its handshake, -1 when nobody listens. room: receive buffer, 0 = the usual
// one.
static int open_client(int port, int room)
{
    struct sockaddr_in a = {.sin_family = AF_INET,
                            .sin_port = htons((uint16_t)port),
                            .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    const char *request =
        "GET /ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
        "Sec-WebSocket-Version: 13\r\n\r\n";
    char head[1024] = "";
    size_t n = 0;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    if (room > 0) {
        setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof room);
    }
    if (connect(fd, (struct sockaddr *)&a, sizeof a) != 0) {
        close(fd);
        return -1;
    }
    if (send(fd, request, strlen(request), MSG_NOSIGNAL) < 0) {
        die("handshake");
    }
    while (strstr(head, "\r\n\r\n") == NULL) {
        ssize_t got = recv(fd, head + n, 1, 0); // nothing behind the head is taken
        if (got <= 0 || n + 2 > sizeof head) {
            die("handshake");
        }
        n += (size_t)got;
        head[n] = '\0';
    }
    if (strncmp(head, "HTTP/1.1 503", 12) == 0) { // it is starting
        close(fd);
        return -1;
    }
    if (strncmp(head, "HTTP/1.1 101", 12) != 0) {
        fprintf(stderr, "%s\n", head);
        die("refused");
    }
    return fd;
}

// Number of the update whose price a message tells, 0 for another message.
static int update_of(const char *text, size_t n)
{
    const char *name = "\"price\":";
    const char *p = memmem(text, n, name, strlen(name));
    if (p == NULL || p[strlen(name)] == '{') {
        return 0;
    }
    p += strlen(name) + (p[strlen(name)] == '"');
    long long whole = 0, tenth = 0;
    const char *end = text + n;
    for (; p < end && *p >= '0' && *p <= '9'; p++) {
        whole = whole * 10 + (*p - '0');
    }
    if (p + 1 < end && *p == '.') {
        tenth = p[1] - '0';
    }
    const long long i = (whole - 60000) * 10 + tenth;
    return i > 0 && i <= updates ? (int)i : 0;
}

static void take_messages(struct client *k, size_t *delivered)
{
    for (;;) {
        ssize_t got = recv(k->fd, k->in + k->n, IN_BYTES - k->n, 0);
        if (got < 0 && errno == EAGAIN) {
            return;
        }
        if (got <= 0) {
            die("the gateway closed a client that reads");
        }
        const int64_t now = now_us();
        k->n += (size_t)got;
        size_t at = 0;
        while (k->n - at >= 4) {
            const unsigned char *p = k->in + at;
            size_t n = p[1] & 127u, head = 2;
            if (n == 126) {
                n = ((size_t)p[2] << 8) | p[3];
                head = 4;
            }
            if (head + n > IN_BYTES) {
                die("a longer message than a price needs");
            }
            if (k->n - at < head + n) {
                break;
            }
            const int i = (p[0] & 15) == 1 ? update_of((const char *)p + head, n) : 0;
            if (i > k->newest) {
                k->newest = i;
                if (i >= from_update) {
                    const int64_t n_steps = (now - written_us[i] + AGE_US - 1) / AGE_US;
                    ages[n_steps < MOST_STEPS ? n_steps : MOST_STEPS]++;
                    message_bytes = head + n;
                    ++*delivered;
                }
            }
            at += head + n;
        }
        k->n -= at;
        memmove(k->in, k->in + at, k->n);
    }
}

// ---- measuring

static int64_t cpu_ticks(pid_t pid)
{
    char path[64], text[512];
    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    FILE *f = fopen(path, "r");
    size_t n = f == NULL ? 0 : fread(text, 1, sizeof text - 1, f);
    if (f != NULL) {
        fclose(f);
    }
    text[n] = '\0';
    const char *p = strrchr(text, ')');
    long long user, sys;
    if (p == NULL ||
        sscanf(p + 1, " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lld %lld", &user, &sys) != 2) {
        die("the gateway is gone");
    }
    return user + sys;
}

// Updates for so long, then none for rest_us, in which what was told arrives.
static size_t run_for(int epoll, void (*tell)(void), int64_t us, int64_t rest_us)
{
    struct epoll_event ev[256];
    size_t delivered = 0;
    int64_t begin = now_us(), due = begin;
    for (;;) {
        int64_t now = now_us();
        if (now >= begin + us + rest_us) {
            return delivered;
        }
        if (now >= due && now < begin + us) {
            tell();
            due += UPDATE_US;
            now = now_us();
        }
        int64_t wait = (due > now ? due - now : 0) / 1000;
        if (now >= begin + us) {
            wait = 10;
        }
        int n = epoll_wait(epoll, ev, 256, (int)wait);
        for (int i = 0; i < n; i++) {
            take_messages(ev[i].data.ptr, &delivered);
        }
    }
}

// The age that `share` of what was delivered does not exceed.
static double age_ms(size_t delivered, double share)
{
    size_t seen = 0;
    for (int i = 0; i <= MOST_STEPS; i++) {
        seen += ages[i];
        if (seen > 0 && (double)seen >= share * (double)delivered) {
            return (double)i * AGE_US / 1000;
        }
    }
    return (double)MOST_STEPS * AGE_US / 1000;
}

static struct round_result one_round(int epoll, pid_t server, void (*tell)(void))
{
    struct round_result r;
    memset(ages, 0, sizeof ages);
    from_update = updates + 1;
    const int64_t ticks = cpu_ticks(server), begin = now_us();
    r.delivered = run_for(epoll, tell, ROUND_US, 4 * UPDATE_US);
    // What the pause behind the updates costs is part of it, the pause itself is not.
    r.cpu = (double)(cpu_ticks(server) - ticks) / (double)sysconf(_SC_CLK_TCK) * 1e6 /
            ((double)(now_us() - begin) - 4.0 * UPDATE_US);
    r.updates = updates + 1 - from_update;
    r.p50_ms = age_ms(r.delivered, 0.50);
    r.p99_ms = age_ms(r.delivered, 0.99);
    return r;
}

// Clients that ask for much, again and again, and read nothing, until the gateway can send them no
// more: each wants most of what fits into its buffers five times over.
static void open_stuck(int port, int epoll)
{
    for (size_t i = 0; i < STUCK; i++) {
        stuck[i] = open_client(port, 4096);
    }
    for (int k = 0; k < 10; k++) {
        for (size_t i = 0; i < STUCK; i++) {
            send_text(stuck[i], "{\"op\":\"subscribe\",\"channels\":[\"price\",\"profile\","
                                "\"candles:1m\"],\"symbol\":\"binance:BTCUSDT\"}");
        }
        run_for(epoll, write_update, 60000, 0);
    }
}

static int by_double(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

static double median(double *v)
{
    qsort(v, ROUNDS, sizeof *v, by_double);
    return v[ROUNDS / 2];
}

static void row(FILE *f, const char *name, double figure, const char *unit, double limit,
                const char *goal, bool met)
{
    printf("  %-52s %8.1f %s, limit %.1f, ratio %.2f\n", name, figure, unit, limit, figure / limit);
    fprintf(f,
            "{\"name\":\"%s\",\"figure\":%.1f,\"unit\":\"%s\",\"limit\":%.1f,\"ratio\":%.3f,"
            "\"goal\":\"%s\",\"met\":%s}\n",
            name, figure, unit, limit, figure / limit, goal, met ? "true" : "false");
}

// A figure that nothing is asked of; ratio: the gateway's figure to it, 0 = none.
static void told_only(FILE *f, const char *name, double figure, const char *unit, double ratio)
{
    char text[32] = "null";
    if (ratio > 0) {
        snprintf(text, sizeof text, "%.2f", ratio);
    }
    printf("  %-52s %8.1f %s, the gateway's to it: %s\n", name, figure, unit, text);
    fprintf(f,
            "{\"name\":\"%s\",\"figure\":%.1f,\"unit\":\"%s\",\"limit\":null,\"ratio\":%s,"
            "\"goal\":null,\"met\":null}\n",
            name, figure, unit, text);
}

static double resident_mb(pid_t pid)
{
    char path[64];
    long pages = 0;
    snprintf(path, sizeof path, "/proc/%d/statm", (int)pid);
    FILE *f = fopen(path, "r");
    if (f == NULL || fscanf(f, "%*d %ld", &pages) != 1) {
        die("the gateway is gone");
    }
    fclose(f);
    return (double)pages * (double)sysconf(_SC_PAGESIZE) / 1048576;
}

// ---- the bare fan-out

// Its clients are watched by `epoll`.
static pid_t start_bare(int epoll)
{
    static int fd[CLIENTS];
    const pid_t pid = fan_out_start(0, fd, CLIENTS, &bare_handed);
    if (pid < 0) {
        die("bare fan-out");
    }
    children[n_children++] = pid;
    for (size_t i = 0; i < CLIENTS; i++) {
        bare[i].fd = fd[i];
        struct epoll_event ev = {.events = EPOLLIN, .data.ptr = &bare[i]};
        epoll_ctl(epoll, EPOLL_CTL_ADD, fd[i], &ev);
    }
    return pid;
}

// The price of one update, in a frame as long as the gateway's.
static void write_bare(void)
{
    const int i = ++updates;
    const size_t body = message_bytes > 64 ? message_bytes - 4 : 256;
    char frame[1024];
    if (i >= MOST_UPDATES || body + 4 > sizeof frame) {
        die("bare fan-out");
    }
    memset(frame, ' ', sizeof frame);
    frame[0] = (char)0x81;
    frame[1] = 126;
    frame[2] = (char)(body >> 8);
    frame[3] = (char)(body & 255);
    const int n = snprintf(frame + 4, body, "{\"ch\":\"price\",\"data\":{\"price\":6%04d.%d}}",
                           i / 10, i % 10);
    frame[4 + n] = ' ';
    written_us[i] = now_us();
    if (send(bare_handed, frame, body + 4, MSG_NOSIGNAL) < 0) {
        die("bare fan-out");
    }
}

static pid_t start_api(int *port)
{
    char url[128], number[16], command[512];
    close(open_port(port));
    snprintf(url, sizeof url, "unix://%s", sock_path);
    snprintf(number, sizeof number, "%d", *port);
    setenv("REDIS_URL", url, 1);
    setenv("SYMBOLS", "binance:BTCUSDT", 1);
    setenv("BACKEND_PORT", number, 1);
    setenv("API_HTTP_PORT", "0", 1);
    setenv("API_WS_CLIENTS", "1200", 1);
    setenv("API_WS_STUCK_MS", "600000", 1);
    setenv("LOG_LEVEL", "ERROR", 1);
    const char *bin = getenv("BC4_BIN") ? getenv("BC4_BIN") : "build/bin";
    snprintf(command, sizeof command, "exec '%s/api'", bin);
    return spawn("api", 0, command);
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        fprintf(stderr, "usage: bench_push OUT.jsonl\n");
        return 2;
    }
    struct rlimit files = {0};
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max < 4096 ? files.rlim_max : 4096;
    setrlimit(RLIMIT_NOFILE, &files);
    snprintf(dir, sizeof dir, "/tmp/bc4-push-XXXXXX");
    if (mkdtemp(dir) == NULL) {
        die("mkdtemp");
    }
    atexit(cleanup);
    pin(1);
    snprintf(sock_path, sizeof sock_path, "%s/redis.sock", dir);
    char command[512];
    snprintf(command, sizeof command,
             "exec redis-server --port 0 --unixsocket '%s' --dir '%s' --save ''", sock_path, dir);
    spawn("redis", 1, command);
    writer = connect_redis();
    write_market();
    write_update();

    int port = 0;
    const int epoll = epoll_create1(0), epoll_bare = epoll_create1(0);
    const pid_t api = start_api(&port);
    for (size_t i = 0; i < CLIENTS; i++) {
        int tries = 0;
        while ((clients[i].fd = open_client(port, 0)) < 0) {
            if (++tries > 2000) {
                die("the gateway does not listen");
            }
            usleep(5000);
        }
        send_text(clients[i].fd, "{\"op\":\"subscribe\",\"channels\":[\"price\"],"
                                 "\"symbol\":\"binance:BTCUSDT\"}");
        fcntl(clients[i].fd, F_SETFL, O_NONBLOCK);
        struct epoll_event ev = {.events = EPOLLIN, .data.ptr = &clients[i]};
        epoll_ctl(epoll, EPOLL_CTL_ADD, clients[i].fd, &ev);
    }
    run_for(epoll, write_update, ROUND_US / 3, 0); // snapshots
    const pid_t fan_out = start_bare(epoll_bare);

    double cpu_bare[ROUNDS], p50_bare[ROUNDS], p99_bare[ROUNDS];
    double cpu[ROUNDS], p50[ROUNDS], p99[ROUNDS], told[ROUNDS], cpu_stuck[ROUNDS],
        p99_stuck[ROUNDS], told_stuck[ROUNDS];
    for (size_t r = 0; r < ROUNDS; r++) {
        struct round_result x = one_round(epoll, api, write_update);
        p50[r] = x.p50_ms;
        cpu[r] = x.cpu * 100;
        p99[r] = x.p99_ms;
        told[r] = (double)x.delivered / x.updates;
        open_stuck(port, epoll);
        x = one_round(epoll, api, write_update);
        cpu_stuck[r] = x.cpu * 100;
        p99_stuck[r] = x.p99_ms;
        told_stuck[r] = (double)x.delivered / x.updates;
        for (size_t i = 0; i < STUCK; i++) {
            close(stuck[i]);
        }
        run_for(epoll, write_update, ROUND_US / 3, 0);
        x = one_round(epoll_bare, fan_out, write_bare);
        cpu_bare[r] = x.cpu * 100;
        p50_bare[r] = x.p50_ms;
        p99_bare[r] = x.p99_ms;
    }
    FILE *f = fopen(argv[1], "a");
    if (f == NULL) {
        die(argv[1]);
    }
    const double c = median(cpu), p = median(p99), t = median(told);
    const double ps = median(p99_stuck), ts = median(told_stuck), cs = median(cpu_stuck);
    row(f, "push: gateway's core, 1,000 clients at 20/s", c, "%", 60, "< 60", c < 60);
    row(f, "push: written to delivered, p99", p, "ms", 100, "< 100", p < 100);
    row(f, "push: clients told per update (rest conflated)", t, "clients", CLIENTS, ">= 0.9",
        t >= 0.9 * CLIENTS);
    const double bare_cpu = median(cpu_bare), bare_p50 = median(p50_bare);
    told_only(f, "push: bare fan-out's core, the same messages", bare_cpu, "%", c / bare_cpu);
    told_only(f, "push: written to delivered, p50, 50 ms conflation included", median(p50), "ms",
              median(p50) / bare_p50);
    told_only(f, "push: bare fan-out, p50", bare_p50, "ms", 1);
    told_only(f, "push: bare fan-out, p99", median(p99_bare), "ms", p / median(p99_bare));
    told_only(f, "push: gateway's memory with 1,000 clients", resident_mb(api), "MB", 0);
    row(f, "push: p99 beside 100 stuck clients", ps, "ms", p, "<= 1.3", ps <= 1.3 * p && ps < 100);
    row(f, "push: clients told beside 100 stuck ones", ts, "clients", t, ">= 0.9", ts >= 0.9 * t);
    row(f, "push: gateway's core beside 100 stuck clients", cs, "%", 60, "< 60", cs < 60);
    fclose(f);
    return 0;
}

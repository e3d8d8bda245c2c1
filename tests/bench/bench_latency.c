// Frame in -> state written, against the shortest way that bytes can take through the same Redis.
//
// This program is the venue (a WebSocket server with three REST paths) and the observer. A frame is
// sent, the collector appends the trade, context wakes up, computes, and writes its hash together
// with a notice; the notice's arrival here, checked against the position in the hash, ends the
// measurement. The limit is one bare XADD -> blocked XREAD wake-up, measured in alternating rounds
// with the same spacing (above the 50 ms in which updates are conflated, so each frame is alone).
//
// Likewise frame in -> entry in the stream, seen by a reader that blocks on the collector's stream
// as the bare one does, and what the collector itself measures from sending an entry to Redis's
// answer, beside the same round trip of a bare hiredis loop.
//
// bench_latency OUT.jsonl      binaries from $BC4_BIN (build/bin)

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <hiredis/hiredis.h>
#include <inttypes.h>
#include <libwebsockets.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define ROUNDS 5
#define SAMPLES 60
#define SPACING_US 60000
#define KEY "bc4:{binance:BTCUSDT}:"

static char dir[64], sock_path[96], url[128];
static pid_t children[8];
static size_t n_children;

static int64_t now_us(clockid_t clock)
{
    struct timespec ts;
    clock_gettime(clock, &ts);
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
    fprintf(stderr, "bench_latency: %s: %s\n", what, strerror(errno));
    exit(1);
}

// A shell command line that ends in exec: the pid is the program's own.
static void spawn(const char *log_name, const char *command)
{
    pid_t pid = fork();
    if (pid == 0) {
        char path[128];
        snprintf(path, sizeof path, "%s/%s.log", dir, log_name);
        int fd = open(path, O_CREAT | O_WRONLY | O_TRUNC, 0600);
        dup2(fd, 1);
        dup2(fd, 2);
        execl("/bin/sh", "sh", "-c", command, (char *)NULL);
        _exit(127);
    }
    children[n_children++] = pid;
}

static redisContext *connect_redis(void)
{
    for (int i = 0; i < 500; i++) {
        redisContext *c = redisConnectUnix(sock_path);
        if (c != NULL && c->err == 0) {
            redisReply *r = redisCommand(c, "PING");
            if (r != NULL && r->type == REDIS_REPLY_STATUS) {
                freeReplyObject(r);
                return c;
            }
            freeReplyObject(r);
        }
        redisFree(c);
        usleep(10000);
    }
    die("redis does not answer");
}

// ---- the venue
// -----------------------------------------------------------------------------------

static atomic_int feed_fd = -1;
static atomic_bool feed_combined;

static void send_all(int fd, const char *p, size_t n)
{
    while (n > 0) {
        ssize_t sent = send(fd, p, n, MSG_NOSIGNAL);
        if (sent <= 0) {
            return;
        }
        p += sent;
        n -= (size_t)sent;
    }
}

static void send_frame(int fd, int opcode, const char *body, size_t n)
{
    unsigned char out[1024];
    size_t head = 2;
    out[0] = (unsigned char)(0x80 | opcode);
    if (n < 126) {
        out[1] = (unsigned char)n;
    } else {
        out[1] = 126;
        out[2] = (unsigned char)(n >> 8);
        out[3] = (unsigned char)(n & 255);
        head = 4;
    }
    memcpy(out + head, body, n);
    send_all(fd, (char *)out, head + n);
}

static void answer(int fd, const char *status, const char *body)
{
    char out[2048];
    int n = snprintf(out, sizeof out,
                     "HTTP/1.1 %s\r\nContent-Type: application/json\r\nX-Simulated: true\r\n"
                     "Content-Length: %zu\r\nConnection: close\r\n\r\n%s",
                     status, strlen(body), body);
    send_all(fd, out, (size_t)n);
}

static void answer_rest(int fd, const char *request)
{
    char body[64];
    if (strstr(request, " /fapi/v1/time") != NULL) {
        snprintf(body, sizeof body, "{\"serverTime\":%" PRId64 "}", now_us(CLOCK_REALTIME) / 1000);
        answer(fd, "200 OK", body);
    } else if (strstr(request, " /fapi/v1/exchangeInfo") != NULL) {
        answer(fd, "200 OK",
               "{\"rateLimits\":[],\"symbols\":[{\"symbol\":\"BTCUSDT\",\"contractType\":"
               "\"PERPETUAL\",\"quoteAsset\":\"USDT\",\"status\":\"TRADING\",\"filters\":["
               "{\"filterType\":\"PRICE_FILTER\",\"tickSize\":\"0.10\"},"
               "{\"filterType\":\"LOT_SIZE\",\"stepSize\":\"0.001\",\"minQty\":\"0.001\"}]}]}");
    } else {
        answer(fd, "200 OK", "[]");
    }
}

static bool handshake(int fd, const char *request)
{
    const char *name = "sec-websocket-key:";
    const char *p = strcasestr(request, name);
    if (p == NULL) {
        return false;
    }
    p += strlen(name);
    p += strspn(p, " ");
    char key[128], digest[20], accept[64], out[320];
    snprintf(key, sizeof key, "%.*s258EAFA5-E914-47DA-95CA-C5AB0DC85B11", (int)strcspn(p, "\r\n "),
             p);
    lws_SHA1((unsigned char *)key, strlen(key), (unsigned char *)digest);
    lws_b64_encode_string(digest, sizeof digest, accept, sizeof accept);
    int n = snprintf(out, sizeof out,
                     "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
                     "Connection: Upgrade\r\nX-Simulated: true\r\nSec-WebSocket-Accept: %s\r\n\r\n",
                     accept);
    send_all(fd, out, (size_t)n);
    return true;
}

// Reads what the client says; a SUBSCRIBE is acknowledged.
static void listen_to_client(int fd)
{
    unsigned char in[4096];
    size_t have = 0;
    for (;;) {
        ssize_t got = recv(fd, in + have, sizeof in - have, 0);
        if (got <= 0) {
            return;
        }
        have += (size_t)got;
        while (have >= 6) {
            size_t n = in[1] & 127u, head = 2;
            if (n == 126) {
                n = ((size_t)in[2] << 8) | in[3];
                head = 4;
            }
            if (have < head + 4 + n || head + 4 + n > sizeof in) {
                break;
            }
            unsigned char *mask = in + head, *body = mask + 4;
            for (size_t i = 0; i < n; i++) {
                body[i] ^= mask[i % 4];
            }
            if ((in[0] & 15) == 9) {
                send_frame(fd, 10, (char *)body, n);
            } else if ((in[0] & 15) == 1) {
                send_frame(fd, 1, "{\"result\":null,\"id\":1}", 22);
            }
            have -= head + 4 + n;
            memmove(in, body + n, have);
        }
    }
}

static void *serve_client(void *arg)
{
    int fd = (int)(intptr_t)arg;
    char request[4096];
    size_t n = 0;
    request[0] = '\0';
    while (strstr(request, "\r\n\r\n") == NULL && n + 1 < sizeof request) {
        ssize_t got = recv(fd, request + n, sizeof request - 1 - n, 0);
        if (got <= 0) {
            close(fd);
            return NULL;
        }
        n += (size_t)got;
        request[n] = '\0';
    }
    if (handshake(fd, request)) {
        atomic_store(&feed_combined, strstr(request, "/stream") != NULL);
        atomic_store(&feed_fd, fd);
        listen_to_client(fd);
    } else {
        answer_rest(fd, request);
    }
    close(fd);
    return NULL;
}

static void *serve(void *arg)
{
    int listener = (int)(intptr_t)arg;
    while (listener >= 0) {
        int fd = accept(listener, NULL, NULL);
        int one = 1;
        pthread_t t;
        if (fd < 0) {
            continue;
        }
        setsockopt(fd, IPPROTO_TCP, 1 /* TCP_NODELAY */, &one, sizeof one);
        if (pthread_create(&t, NULL, serve_client, (void *)(intptr_t)fd) == 0) {
            pthread_detach(t);
        }
    }
    return NULL;
}

static int start_venue(void)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof a;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    pthread_t t;
    if (fd < 0 || bind(fd, (struct sockaddr *)&a, sizeof a) != 0 || listen(fd, 64) != 0 ||
        getsockname(fd, (struct sockaddr *)&a, &len) != 0 ||
        pthread_create(&t, NULL, serve, (void *)(intptr_t)fd) != 0) {
        die("venue");
    }
    pthread_detach(t);
    return ntohs(a.sin_port);
}

static int64_t next_id = 1000;

// Sends one trade; the moment just before it left.
static int64_t send_trade(void)
{
    char data[320], frame[480];
    int64_t id = next_id++, ms = now_us(CLOCK_REALTIME) / 1000;
    snprintf(data, sizeof data,
             "{\"e\":\"aggTrade\",\"E\":%" PRId64 ",\"a\":%" PRId64
             ",\"s\":\"BTCUSDT\",\"p\":\"6%04d.%d0\",\"q\":\"0.0%02d\",\"f\":%" PRId64
             ",\"l\":%" PRId64 ",\"T\":%" PRId64 ",\"m\":%s}",
             ms, id, (int)(id % 50) + 1000, (int)(id % 10), (int)(id % 89) + 10, id, id, ms,
             id % 2 ? "true" : "false");
    if (atomic_load(&feed_combined)) {
        snprintf(frame, sizeof frame, "{\"stream\":\"btcusdt@aggTrade\",\"data\":%s}", data);
    } else {
        snprintf(frame, sizeof frame, "%s", data);
    }
    int64_t t = now_us(CLOCK_MONOTONIC);
    send_frame(atomic_load(&feed_fd), 1, frame, strlen(frame));
    return t;
}

// ---- measuring
// -----------------------------------------------------------------------------------

struct sample_set {
    int64_t us[ROUNDS * SAMPLES];
    size_t n;
};

static int by_value(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return x < y ? -1 : x > y;
}

static int64_t percentile(int64_t *us, size_t n, size_t p)
{
    qsort(us, n, sizeof *us, by_value);
    return n == 0 ? 0 : us[(n - 1) * p / 100];
}

struct reader {
    redisContext *c;
    const char *key;
    atomic_int_least64_t arrived; // monotonic us of the newest arrival
    atomic_size_t count;
    atomic_bool stop;
};

// Blocks in XREAD on one stream.
static void *read_bare(void *arg)
{
    struct reader *r = arg;
    char last[64] = "$";
    while (!atomic_load(&r->stop)) {
        redisReply *x = redisCommand(r->c, "XREAD BLOCK 1000 STREAMS %s %s", r->key, last);
        int64_t t = now_us(CLOCK_MONOTONIC);
        if (x == NULL) {
            return NULL;
        }
        if (x->type == REDIS_REPLY_ARRAY) {
            redisReply *rows = x->element[0]->element[1];
            snprintf(last, sizeof last, "%s", rows->element[rows->elements - 1]->element[0]->str);
            atomic_store(&r->arrived, t);
            atomic_fetch_add(&r->count, 1);
        }
        freeReplyObject(x);
    }
    return NULL;
}

// For a busy machine: the next sample waits until this one has come.
static void await_reader(const struct reader *r, size_t before, const char *what)
{
    for (int i = 0; atomic_load(&r->count) == before; i++) {
        if (i > 200) {
            die(what);
        }
        usleep(10000);
    }
}

// trip: how long the writer itself waited for the answer.
static void bare_round(struct sample_set *out, struct sample_set *trip, int64_t round[SAMPLES])
{
    struct reader r = {.c = connect_redis(), .key = "bare"};
    redisContext *w = connect_redis();
    pthread_t t;
    if (pthread_create(&t, NULL, read_bare, &r) != 0) {
        die("thread");
    }
    usleep(SPACING_US);
    for (size_t i = 0; i < SAMPLES; i++) {
        size_t before = atomic_load(&r.count);
        int64_t sent = now_us(CLOCK_MONOTONIC);
        freeReplyObject(redisCommand(
            w, "XADD bare * price 61000.10 qty 0.010 side buy id %" PRId64 " rx_us %" PRId64,
            (int64_t)i, sent));
        trip->us[trip->n++] = now_us(CLOCK_MONOTONIC) - sent;
        usleep(SPACING_US);
        await_reader(&r, before, "the bare reader did not wake up");
        round[i] = atomic_load(&r.arrived) - sent;
        out->us[out->n++] = round[i];
    }
    atomic_store(&r.stop, true);
    freeReplyObject(redisCommand(w, "XADD bare * end 1"));
    pthread_join(t, NULL);
    redisFree(r.c);
    redisFree(w);
}

// Frame in -> the entry at a reader that blocks on the collector's stream.
static void stored_round(struct sample_set *out)
{
    struct reader r = {.c = connect_redis(), .key = KEY "trades"};
    pthread_t t;
    if (pthread_create(&t, NULL, read_bare, &r) != 0) {
        die("thread");
    }
    usleep(SPACING_US);
    for (size_t i = 0; i < SAMPLES / 2; i++) {
        size_t before = atomic_load(&r.count);
        int64_t sent = send_trade();
        usleep(SPACING_US);
        await_reader(&r, before, "the collector did not store a trade");
        out->us[out->n++] = atomic_load(&r.arrived) - sent;
    }
    atomic_store(&r.stop, true);
    send_trade();
    pthread_join(t, NULL);
    redisFree(r.c);
}

// The collector's own figure, from its health hash.
static int64_t told(redisContext *q, const char *field)
{
    redisReply *r = redisCommand(q, "HGET bc4:health:collector:binance binance:BTCUSDT.%s", field);
    if (r == NULL || r->type != REDIS_REPLY_STRING) {
        die("the collector tells nothing of acknowledgements");
    }
    int64_t us = strtoll(r->str, NULL, 10);
    freeReplyObject(r);
    return us;
}

// Waits for the notice behind which the hash holds the trade `id`.
static int64_t await_state(redisContext *sub, redisContext *q, int64_t id)
{
    for (;;) {
        redisReply *m = NULL;
        if (redisGetReply(sub, (void **)&m) != REDIS_OK) {
            die("no notice from context within 2 s");
        }
        int64_t t = now_us(CLOCK_MONOTONIC);
        freeReplyObject(m);
        redisReply *h = redisCommand(q, "HGET " KEY "context _pos_trades");
        const char *dash = h != NULL && h->str != NULL ? strchr(h->str, '-') : NULL;
        bool there = dash != NULL && strtoll(dash + 1, NULL, 10) >= id;
        freeReplyObject(h);
        if (there) {
            return t;
        }
    }
}

static void chain_round(struct sample_set *out, int64_t round[SAMPLES], redisContext *sub,
                        redisContext *q)
{
    for (size_t i = 0; i < SAMPLES; i++) {
        int64_t id = next_id;
        int64_t sent = send_trade();
        round[i] = await_state(sub, q, id) - sent;
        out->us[out->n++] = round[i];
        usleep(SPACING_US);
    }
}

static void append_row(FILE *f, const char *name, int64_t us, int64_t limit, const char *goal,
                       double most)
{
    double ratio = limit > 0 ? (double)us / (double)limit : 0;
    printf("  %-42s %6" PRId64 " us, bare %6" PRId64 " us, ratio %.2f\n", name, us, limit, ratio);
    fprintf(f,
            "{\"name\":\"%s\",\"figure\":%" PRId64 ",\"unit\":\"us\",\"limit\":%" PRId64
            ",\"ratio\":%.2f,\"goal\":\"%s\",\"met\":%s}\n",
            name, us, limit, ratio, goal, ratio <= most ? "true" : "false");
}

static int64_t median_of_rounds(int64_t rounds[ROUNDS][SAMPLES], size_t p)
{
    int64_t m[ROUNDS];
    for (size_t r = 0; r < ROUNDS; r++) {
        m[r] = percentile(rounds[r], SAMPLES, p);
    }
    return percentile(m, ROUNDS, 50);
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        fprintf(stderr, "usage: bench_latency OUT.jsonl\n");
        return 2;
    }
    lws_set_log_level(0, NULL);
    snprintf(dir, sizeof dir, "/tmp/bc4-latency-XXXXXX");
    if (mkdtemp(dir) == NULL) {
        die("mkdtemp");
    }
    atexit(cleanup);
    snprintf(sock_path, sizeof sock_path, "%s/redis.sock", dir);
    char command[640];
    snprintf(command, sizeof command,
             "exec redis-server --port 0 --unixsocket '%s' --dir '%s' --save ''", sock_path, dir);
    spawn("redis", command);
    redisContext *q = connect_redis(), *sub = connect_redis();
    redisSetTimeout(sub, (struct timeval){.tv_sec = 2});

    int port = start_venue();
    snprintf(url, sizeof url, "unix://%s", sock_path);
    setenv("REDIS_URL", url, 1);
    setenv("SYMBOLS", "binance:BTCUSDT", 1);
    setenv("DEPTH_ENABLED", "false", 1); // trades alone: one connection
    setenv("MARK_ENABLED", "false", 1);
    setenv("LIQUIDATIONS_ENABLED", "false", 1);
    setenv("COLLECTOR_HTTP_PORT", "0", 1);
    setenv("CONTEXT_HTTP_PORT", "0", 1);
    snprintf(url, sizeof url, "ws://127.0.0.1:%d", port);
    setenv("BINANCE_WS_BASE_URL", url, 1);
    snprintf(url, sizeof url, "http://127.0.0.1:%d", port);
    setenv("BINANCE_REST_BASE_URL", url, 1);
    const char *bin = getenv("BC4_BIN") ? getenv("BC4_BIN") : "build/bin";
    snprintf(command, sizeof command, "exec '%s/collector'", bin);
    spawn("collector", command);
    snprintf(command, sizeof command, "exec '%s/context'", bin);
    spawn("context", command);

    freeReplyObject(redisCommand(sub, "SUBSCRIBE " KEY "pub:context"));
    for (int i = 0; atomic_load(&feed_fd) < 0; i++) {
        if (i > 2000) {
            die("the collector did not connect");
        }
        usleep(10000);
    }
    usleep(200000);
    for (int i = 0; i < 20; i++) { // warm: first contact, first day
        send_trade();
        usleep(SPACING_US);
    }
    await_state(sub, q, next_id - 1);

    static int64_t bare[ROUNDS][SAMPLES], chain[ROUNDS][SAMPLES];
    static struct sample_set all_bare, all_chain, all_stored, all_trip;
    for (size_t r = 0; r < ROUNDS; r++) {
        bare_round(&all_bare, &all_trip, bare[r]);
        stored_round(&all_stored);
        chain_round(&all_chain, chain[r], sub, q);
    }
    FILE *f = fopen(argv[1], "a");
    if (f == NULL) {
        die(argv[1]);
    }
    append_row(f, "wake-up: frame in to hash written, p50", median_of_rounds(chain, 50),
               median_of_rounds(bare, 50), "<= 2", 2.0);
    append_row(f, "wake-up: frame in to hash written, p99",
               percentile(all_chain.us, all_chain.n, 99), percentile(all_bare.us, all_bare.n, 99),
               "<= 3", 3.0);
    append_row(f, "frame in to stored and read, p50", percentile(all_stored.us, all_stored.n, 50),
               percentile(all_bare.us, all_bare.n, 50), "<= 2", 2.0);
    append_row(f, "frame in to stored and read, p99", percentile(all_stored.us, all_stored.n, 99),
               percentile(all_bare.us, all_bare.n, 99), "<= 3", 3.0);
    append_row(f, "XADD to acknowledged, in the collector, p50", told(q, "ack_us_p50"),
               percentile(all_trip.us, all_trip.n, 50), "<= 2", 2.0);
    append_row(f, "XADD to acknowledged, in the collector, p99", told(q, "ack_us_p99"),
               percentile(all_trip.us, all_trip.n, 99), "<= 3", 3.0);
    fclose(f);
    redisFree(q);
    redisFree(sub);
    return 0;
}

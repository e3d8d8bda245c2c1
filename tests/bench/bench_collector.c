// links: collector
// What the collector adds to the cost of XADD.
//
//   ceiling    ready-made command bytes through a bare socket, 256 commands outstanding
//   collector  frame bytes -> scanner -> feed -> outbox -> formatter -> link -> acknowledged, by
//   the
//              very objects of the service; the socket to the venue is left out, the frames lie in
//              memory and are handed over as a read of the socket would bring them
//   maxlen     the ceiling with MAXLEN ~ in every command: what trimming on the hot path would cost
//   client     the collector's path up to the command bytes, without a link
//
// Rounds alternate; figures are medians, ratios are medians of the ratios of neighbouring rounds
// (so that what else the machine does at the moment hits both); Redis runs on another core than the
// load.
//
// bench_collector [OUT.jsonl]

#include <errno.h>
#include <event2/event.h>
#include <hiredis/hiredis.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "common/base/mem.h"
#include "services/collector/io/app.h"

#define ROUNDS 15
#define TRADES 60000
#define WINDOW 256
#define FIRST_ID INT64_C(3387056463)
#define FIRST_MS INT64_C(1784410629576)

static char dir[64], sock_path[96];
static pid_t server;
static char *frames;                  // TRADES frames, one after the other
static uint32_t frame_at[TRADES + 1]; // where each begins
static struct instrument ins;

static void cleanup(void)
{
    char cmd[128];
    if (server > 0) {
        kill(server, SIGKILL);
        waitpid(server, NULL, 0);
    }
    snprintf(cmd, sizeof cmd, "rm -rf '%s'", dir);
    if (dir[0] != '\0' && system(cmd) != 0) {
        fprintf(stderr, "left behind: %s\n", dir);
    }
}

static _Noreturn void die(const char *what)
{
    fprintf(stderr, "bench_collector: %s: %s\n", what, strerror(errno));
    exit(1);
}

static double seconds(clockid_t clock)
{
    struct timespec ts;
    clock_gettime(clock, &ts);
    return (double)ts.tv_sec + (double)ts.tv_nsec * 1e-9;
}

static void pin(int core)
{
    cpu_set_t set;
    if (sysconf(_SC_NPROCESSORS_ONLN) < 2) {
        return;
    }
    CPU_ZERO(&set);
    CPU_SET((size_t)core, &set);
    sched_setaffinity(0, sizeof set, &set);
}

static void start_redis(void)
{
    str_copy(dir, sizeof dir, "/tmp/bc4-bench-XXXXXX");
    if (mkdtemp(dir) == NULL) {
        die("mkdtemp");
    }
    atexit(cleanup);
    str_fmt(sock_path, sizeof sock_path, "%s/redis.sock", dir);
    server = fork();
    if (server == 0) {
        pin(1);
        if (freopen("/dev/null", "w", stdout) == NULL) {
            _exit(127);
        }
        execlp("redis-server", "redis-server", "--port", "0", "--unixsocket", sock_path, "--save",
               "", "--appendonly", "no", "--dir", dir, (char *)NULL);
        _exit(127);
    }
    pin(0);
}

static redisContext *connect_redis(void)
{
    for (int i = 0; i < 500; i++) {
        redisContext *c = redisConnectUnix(sock_path);
        if (c != NULL && c->err == 0) {
            return c;
        }
        redisFree(c);
        usleep(10000);
    }
    die("redis does not answer");
}

static void clear_streams(redisContext *c)
{
    freeReplyObject(redisCommand(c, "FLUSHALL"));
}

// A market in the venue's words of 2026.
static void make_frames(void)
{
    uint64_t s = 88172645463325252ULL;
    const size_t size = (size_t)TRADES * 320;
    size_t at = 0;
    frames = xmalloc(size);
    for (int i = 0; i < TRADES; i++) {
        s ^= s << 13;
        s ^= s >> 7;
        s ^= s << 17;
        const long long id = FIRST_ID + i, ts = FIRST_MS + i * 5;
        frame_at[i] = (uint32_t)at;
        at += (size_t)snprintf(
            frames + at, size - at,
            "{\"stream\":\"btcusdt@aggTrade\",\"data\":{\"e\":\"aggTrade\",\"E\":%lld,\"a\":%lld,"
            "\"s\":\"BTCUSDT\",\"p\":\"%u.%u0\",\"q\":\"%u.%03u\",\"nq\":\"0.492\",\"f\":%lld,"
            "\"l\":%lld,\"T\":%lld,\"m\":%s,\"st\":1}}",
            ts + 8, id, 64000 + (unsigned)(s >> 20) % 1000, (unsigned)(s >> 40) % 10,
            (unsigned)(s >> 50) % 8, (unsigned)(s >> 30) % 999 + 1, id * 2, id * 2 + 2, ts,
            (s & 1) != 0 ? "true" : "false");
    }
    frame_at[TRADES] = (uint32_t)at;
}

static void init_lane(struct lane *l, size_t ring_max)
{
    const struct outbox_opts oo = {
        .max_queue = 5000, .ring_max = ring_max, .ring_ms = 30000, .batch = 1024};
    const struct feed_opts fo = {.subscribed = FRAME_AGG_TRADE,
                                 .window_ms = 600000,
                                 .max_spans = 1024,
                                 .fallback_tick = "0.1"};
    feed_init(&l->feed, &ins, &fo);
    feed_set_units(&l->feed, &ins);
    outbox_init(&l->outbox, &ins, &oo);
    hist_init(&l->ack_us, 0);
    hist_init(&l->latency_ms, 0);
}

static void take_frame(struct lane *l, int i)
{
    static const struct feed_clock clock = {.known = false};
    struct frame fr;
    struct feed_out out;
    const int64_t rx_us = (FIRST_MS + i * 5 + 9) * 1000;
    frame_decode(frames + frame_at[i], frame_at[i + 1] - frame_at[i], NULL, &fr);
    feed_on_trade(&l->feed, &fr, rx_us, &clock, &out);
    if (out.verdict != FEED_TRADE ||
        !outbox_add_trade(&l->outbox, &out.trade, fr.price, fr.qty, rx_us)) {
        die("a frame was not taken");
    }
    frame_release(&fr);
}

// ---- the ceiling -------------------------------------------------------------------------------

static char *commands, *other_commands; // without and with MAXLEN; the first are sent
static uint32_t command_at[TRADES + 1], other_at[TRADES + 1];

static void swap_commands(void)
{
    static uint32_t at[TRADES + 1];
    char *bytes = commands;
    commands = other_commands;
    other_commands = bytes;
    memcpy(at, command_at, sizeof at);
    memcpy(command_at, other_at, sizeof at);
    memcpy(other_at, at, sizeof at);
}

static void make_commands(bool maxlen)
{
    struct entry_keys k;
    size_t at = 0;
    entry_keys_init(&k, &ins);
    commands = xmalloc((size_t)TRADES * 320);
    for (int i = 0; i < TRADES; i++) {
        struct frame fr;
        char one[ENTRY_MAX];
        frame_decode(frames + frame_at[i], frame_at[i + 1] - frame_at[i], NULL, &fr);
        const size_t n = entry_trade(&k, fr.trade_ms, fr.id, fr.price, fr.qty,
                                     fr.maker ? SIDE_SELL : SIDE_BUY, fr.trade_ms * 1000, one);
        command_at[i] = (uint32_t)at;
        if (maxlen) {
            static const char option[] = "$6\r\nMAXLEN\r\n$1\r\n~\r\n$6\r\n100000\r\n";
            const char *id = strstr(one, "trades\r\n") + 8;
            at += (size_t)snprintf(commands + at, 2 * ENTRY_MAX, "*16%.*s%s%.*s",
                                   (int)(id - one - 3), one + 3, option, (int)(one + n - id), id);
        } else {
            memcpy(commands + at, one, n);
            at += n;
        }
        frame_release(&fr);
    }
    command_at[TRADES] = (uint32_t)at;
}

static double run_ceiling(void)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    str_copy(a.sun_path, sizeof a.sun_path, sock_path);
    const int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *)&a, sizeof a) != 0) {
        die("connect");
    }
    int sent = 0;
    uint64_t lines = 0; // two per reply
    static char in[65536];
    const double begin = seconds(CLOCK_MONOTONIC);
    while (lines / 2 < TRADES) {
        int until = (int)(lines / 2) + WINDOW;
        until = until < TRADES ? until : TRADES;
        for (const char *p = commands + command_at[sent]; p < commands + command_at[until];) {
            const ssize_t n = write(fd, p, (size_t)(commands + command_at[until] - p));
            if (n <= 0) {
                die("write");
            }
            p += n;
        }
        sent = until;
        const ssize_t n = read(fd, in, sizeof in);
        if (n <= 0) {
            die("read");
        }
        for (ssize_t i = 0; i < n; i++) {
            lines += in[i] == '\n' ? 1 : 0;
        }
        if (in[0] == '-') {
            die("redis refused");
        }
    }
    const double took = seconds(CLOCK_MONOTONIC) - begin;
    close(fd);
    return TRADES / took;
}

// ---- the collector -----------------------------------------------------------------------------

// One lane and one link for all rounds, as in a service that has been running.
static struct run {
    struct app app;
    struct lane lane;
    struct timer *feeder;
    int next;
    uint64_t stored_before;
} run;

static void on_feed(void *arg)
{
    struct run *r = arg;
    // As much as one read of the socket brings, then the loop gets its turn.
    for (int i = 0; i < 256 && r->next < TRADES && r->lane.outbox.fresh < 3750; i++) {
        take_frame(&r->lane, r->next++);
        writer_pump(&r->app);
    }
    if (r->lane.outbox.stored - r->stored_before == TRADES) {
        loop_stop(r->app.loop);
    } else {
        timer_start(r->feeder, r->lane.outbox.fresh < 3750 ? 0 : 1);
    }
}

static void on_up(void *arg)
{
    struct run *r = arg;
    outbox_open(&r->lane.outbox, false);
    loop_stop(r->app.loop);
}

static void open_collector(void)
{
    struct run *r = &run;
    r->app.loop = loop_new(clock_system());
    r->app.lane = &r->lane;
    r->app.n = 1;
    r->lane.app = &r->app;
    init_lane(&r->lane, 100000);
    r->feeder = timer_new(r->app.loop, on_feed, r);
    r->app.pump = timer_new(r->app.loop, on_feed, r);
    struct redis_opts o = {
        .loop = r->app.loop, .url = {.is_unix = true}, .name = "bench", .on_up = on_up, .arg = r};
    str_copy(o.url.host, sizeof o.url.host, sock_path);
    r->app.redis = redis_new(&o);
    loop_run(r->app.loop);
}

static void close_collector(void)
{
    timer_free(run.feeder);
    timer_free(run.app.pump);
    redis_free(run.app.redis);
    feed_release(&run.lane.feed);
    outbox_release(&run.lane.outbox);
    loop_free(run.app.loop);
}

static double run_collector(double *cpu_us)
{
    struct run *r = &run;
    const struct feed_opts o = r->lane.feed.o;
    feed_release(&r->lane.feed);
    feed_init(&r->lane.feed, &ins, &o);
    feed_set_units(&r->lane.feed, &ins);
    r->next = 0;
    r->stored_before = r->lane.outbox.stored;
    const double begin = seconds(CLOCK_MONOTONIC), cpu = seconds(CLOCK_PROCESS_CPUTIME_ID);
    timer_start(r->feeder, 0);
    loop_run(r->app.loop);
    const double took = seconds(CLOCK_MONOTONIC) - begin;
    *cpu_us = (seconds(CLOCK_PROCESS_CPUTIME_ID) - cpu) * 1e6 / TRADES;
    return TRADES / took;
}

// The same path without a link: what a trade costs up to its command, and its acknowledgement.
static double run_client(void)
{
    struct lane *l = xcalloc(1, sizeof *l);
    char command[ENTRY_MAX];
    int64_t sent_us;
    size_t done;
    init_lane(l, 20000);
    outbox_open(&l->outbox, false);
    double begin = 0;
    for (int i = 0; i < TRADES; i++) {
        if (i == TRADES / 2) {
            begin = seconds(CLOCK_PROCESS_CPUTIME_ID); // the first half filled the ring
        }
        take_frame(l, i);
        if (l->outbox.fresh < 256 && i + 1 < TRADES) {
            continue;
        }
        while (outbox_wants(&l->outbox, 0)) {
            outbox_begin(&l->outbox, 0);
            while (outbox_next(&l->outbox, command) > 0) {
                // formatted is all that counts here
            }
        }
        while (l->outbox.flight_n > 0) {
            outbox_answer(&l->outbox, ANSWER_STORED, 0, 0, 0, &sent_us, &done);
        }
    }
    const double took = seconds(CLOCK_PROCESS_CPUTIME_ID) - begin;
    feed_release(&l->feed);
    outbox_release(&l->outbox);
    free(l);
    return took * 1e6 / (TRADES - TRADES / 2);
}

// ---- rows --------------------------------------------------------------------------------------

static int by_value(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double v[ROUNDS])
{
    qsort(v, ROUNDS, sizeof *v, by_value);
    return v[ROUNDS / 2];
}

static void row(FILE *out, const char *name, double figure, const char *unit, double limit,
                double ratio, const char *goal, int met)
{
    printf("%-44s %12.3f %-10s %12.3f %8.3f %-8s %s\n", name, figure, unit, limit, ratio, goal,
           met < 0 ? ""
           : met   ? "met"
                   : "MISSED");
    if (out == NULL) {
        return;
    }
    fprintf(out, "{\"name\":\"%s\",\"figure\":%.3f,\"unit\":\"%s\"", name, figure, unit);
    if (met >= 0) {
        fprintf(out, ",\"limit\":%.3f,\"ratio\":%.3f,\"goal\":\"%s\",\"met\":%s", limit, ratio,
                goal, met ? "true" : "false");
    }
    fprintf(out, "}\n");
}

int main(int argc, char **argv)
{
    double ceiling[ROUNDS], maxlen[ROUNDS], ours[ROUNDS], cpu[ROUNDS], client[ROUNDS];
    FILE *out = argc > 1 ? fopen(argv[1], "a") : NULL;
    if (argc > 1 && out == NULL) {
        die(argv[1]);
    }
    if (instrument_parse("BTCUSDT", 7, VENUE_BINANCE, &ins, NULL) != 0 ||
        instrument_set_units(&ins, "0.10", "0.001", -1, NULL) != 0) {
        die("instrument");
    }
    start_redis();
    make_frames();
    redisContext *c = connect_redis();
    make_commands(true);
    swap_commands();
    make_commands(false);
    open_collector();
    for (int i = 0; i < ROUNDS; i++) {
        clear_streams(c);
        ceiling[i] = run_ceiling();
        clear_streams(c);
        ours[i] = run_collector(&cpu[i]);
        swap_commands();
        clear_streams(c);
        maxlen[i] = run_ceiling();
        swap_commands();
        client[i] = run_client();
    }
    close_collector();
    redisFree(c);
    double to_top[ROUNDS], to_maxlen[ROUNDS];
    for (int i = 0; i < ROUNDS; i++) {
        to_top[i] = ours[i] / ceiling[i];
        to_maxlen[i] = ours[i] / maxlen[i];
    }
    const double of_top = median(to_top), of_maxlen = median(to_maxlen);
    const double top = median(ceiling), rate = median(ours), with_maxlen = median(maxlen);
    const double us = median(client), cpu_us = median(cpu);
    row(out, "collector: bare XADD, window 256", top / 1000, "k/s", 0, 0, "", -1);
    row(out, "collector: frame to acknowledged entry", rate / 1000, "k/s", top / 1000, of_top,
        ">= 0.95", of_top >= 0.95);
    row(out, "collector: against MAXLEN in each XADD", rate / 1000, "k/s", with_maxlen / 1000,
        of_maxlen, ">= 1.1", of_maxlen >= 1.1);
    row(out, "collector: client cost per trade", us, "us", 0.5, us / 0.5, "<= 1", us <= 0.5);
    row(out, "collector: CPU per trade with its link", cpu_us, "us", 0, 0, "", -1);
    if (out != NULL) {
        fclose(out);
    }
    return 0;
}

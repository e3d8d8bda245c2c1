// context and strategy draining a backlog together, against two bare readers: programs that do
// nothing but XREAD the same stream in the same batches through hiredis and look at no entry.
//
// Redis runs on one core, whatever reads on the other. The backlog appears all at once (RENAME of a
// stream filled beforehand) in front of readers that are blocked already, so neither side's start
// is measured. The services are done when both have stored the last position, state included; the
// readers when both have seen the last entry. Rounds alternate; medians count.
//
// bench_derive OUT.jsonl      binaries from $BC4_BIN (build/bin)

#include <fcntl.h>
#include <hiredis/hiredis.h>
#include <inttypes.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "common/base/buf.h"
#include "common/io/redis.h"
#include "tests/support/with_redis.h"

#define KEY "bc4:{binance:BTCUSDT}:"
#define TRADES 300000
#define ROUNDS 7
#define BATCH "2000" // what the services ask for
#define FIRST_MS INT64_C(1723161600000)
#define STEP_MS 100 // 300,000 trades are 8 hours

static struct with_redis *redis;
static char last_id[64];

static double now_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void pin(pid_t pid, size_t core)
{
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(core % (size_t)sysconf(_SC_NPROCESSORS_ONLN), &set);
    sched_setaffinity(pid, sizeof set, &set);
}

static double cpu_us; // of the children of the last round

static int reap(pid_t pid)
{
    int status = 1;
    struct rusage u;
    if (wait4(pid, &status, 0, &u) != pid) {
        return 1;
    }
    cpu_us += (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1e6 +
              (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec);
    return status;
}

static void check(bool ok, const char *what)
{
    if (!ok) {
        fprintf(stderr, "bench_derive: %s\n", what);
        with_redis_free(redis);
        exit(1);
    }
}

static void fill(void)
{
    redisContext *c = redisConnectUnix(redis->sock);
    check(c && !c->err, "no connection");
    int64_t price = 610000;
    uint64_t x = 88172645463325252u;
    for (int i = 0; i < TRADES; i++) {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        price += (int64_t)(x % 7) - 3;
        snprintf(last_id, sizeof last_id, "%" PRId64 "-%d", FIRST_MS + (int64_t)i * STEP_MS, i);
        redisAppendCommand(c,
                           "XADD " KEY "backlog %s price %" PRId64 ".%" PRId64
                           "0 qty 0.%03d side %s id %d rx_us 1723161600000000",
                           last_id, price / 10, price % 10, 1 + (int)(x >> 20 & 511),
                           x & 64 ? "buy" : "sell", i);
        if (i % 1000 == 999) {
            for (int k = 0; k < 1000; k++) {
                void *r;
                check(redisGetReply(c, &r) == REDIS_OK, "fill");
                freeReplyObject(r);
            }
        }
    }
    redisFree(c);
    with_redis_cmd(redis, "HSET " KEY
                          "instrument venue binance symbol BTCUSDT tick 0.10 step 0.001 min_qty "
                          "0.001 min_notional 5 price_scale 3 qty_scale 5 simulated 1 schema 1");
}

// ---- the limit ----------------------------------------------------------------------------------

static _Noreturn void bare_reader(void)
{
    redisContext *c = redisConnectUnix(redis->sock);
    if (!c || c->err) {
        _exit(1);
    }
    char pos[64] = "0-0";
    for (size_t seen = 0; seen < TRADES;) {
        redisReply *r = redisCommand(
            c, "XREAD COUNT " BATCH " BLOCK 1000 STREAMS " KEY "trades " KEY "history %s 0-0", pos);
        if (!r) {
            _exit(1);
        }
        if (r->type == REDIS_REPLY_ARRAY) {
            const redisReply *list = r->element[0]->element[1];
            seen += list->elements;
            snprintf(pos, sizeof pos, "%s", list->element[list->elements - 1]->element[0]->str);
        }
        freeReplyObject(r);
    }
    _exit(0);
}

static double bare_round(void)
{
    pid_t pid[2];
    for (int i = 0; i < 2; i++) {
        pid[i] = fork();
        if (pid[i] == 0) {
            pin(0, 1);
            bare_reader();
        }
    }
    usleep(300000); // both are blocked
    double start = now_s();
    with_redis_cmd(redis, "RENAME " KEY "backlog " KEY "trades");
    for (int i = 0; i < 2; i++) {
        check(reap(pid[i]) == 0, "a bare reader failed");
    }
    double took = now_s() - start;
    with_redis_cmd(redis, "RENAME " KEY "trades " KEY "backlog");
    return took;
}

// ---- ours ---------------------------------------------------------------------------------------

static pid_t start_service(const char *name)
{
    char path[256];
    const char *bin = getenv("BC4_BIN");
    snprintf(path, sizeof path, "%s/%s", bin ? bin : "build/bin", name);
    pid_t pid = fork();
    if (pid == 0) {
        pin(0, 1);
        char url[256];
        snprintf(url, sizeof url, "unix://%s", redis->sock);
        setenv("REDIS_URL", url, 1);
        setenv("SYMBOLS", "binance:BTCUSDT", 1);
        setenv("CONTEXT_HTTP_PORT", "0", 1);
        setenv("STRATEGY_HTTP_PORT", "0", 1);
        int null = open("/dev/null", O_WRONLY);
        dup2(null, 2);
        execl(path, name, (char *)NULL);
        _exit(127);
    }
    return pid;
}

static void await_position(const char *hash, const char *id)
{
    double deadline = now_s() + 60;
    while (strcmp(with_redis_text(redis, "HGET " KEY "%s _pos_trades", hash), id) != 0) {
        check(now_s() < deadline, "a service did not arrive");
        usleep(2000);
    }
}

static double service_round(void)
{
    with_redis_cmd(redis, "DEL " KEY "context " KEY "strategy " KEY "candles:1m " KEY
                          "candles:5m " KEY "metrics " KEY "coverage " KEY "events");
    pid_t pid[2] = {start_service("context"), start_service("strategy")};
    await_position("context", "0-0");
    await_position("strategy", "0-0");
    usleep(300000);
    double start = now_s();
    with_redis_cmd(redis, "RENAME " KEY "backlog " KEY "trades");
    await_position("context", last_id);
    await_position("strategy", last_id);
    double took = now_s() - start;
    check(strtoll(with_redis_text(redis, "HGET " KEY "context trades"), NULL, 10) == TRADES,
          "context did not count every trade");
    check(strtoll(with_redis_text(redis, "HGET " KEY "metrics trade_count"), NULL, 10) == TRADES,
          "strategy did not count every trade");
    for (int i = 0; i < 2; i++) {
        kill(pid[i], SIGKILL);
        reap(pid[i]);
    }
    with_redis_cmd(redis, "RENAME " KEY "trades " KEY "backlog");
    return took;
}

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a;
    double y = *(const double *)b;
    return x < y ? -1 : x > y;
}

static double median(double *v)
{
    qsort(v, ROUNDS, sizeof *v, by_size);
    return v[ROUNDS / 2];
}

static void row(FILE *f, const char *name, double figure, const char *unit, double limit,
                double ratio, bool met)
{
    printf("%s %.2f %s %.2f %.2f >= 0.9\n", name, figure, unit, limit, ratio);
    fprintf(f,
            "{\"name\":\"%s\",\"figure\":%.3f,\"unit\":\"%s\",\"limit\":%.3f,\"ratio\":%.3f,"
            "\"goal\":\">= 0.9\",\"met\":%s}\n",
            name, figure, unit, limit, ratio, met ? "true" : "false");
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        fprintf(stderr, "usage: bench_derive OUT.jsonl\n");
        return 2;
    }
    redis = with_redis_new(NULL);
    pin(redis->pid, 0);
    pin(0, 0); // the observer sleeps
    fill();
    double bare[ROUNDS];
    double ours[ROUNDS];
    double ratios[ROUNDS];
    double bare_cpu[ROUNDS];
    double our_cpu[ROUNDS];
    for (int i = 0; i < ROUNDS; i++) {
        cpu_us = 0;
        bare[i] = bare_round();
        bare_cpu[i] = cpu_us / 2 / TRADES;
        cpu_us = 0;
        ours[i] = service_round();
        our_cpu[i] = cpu_us / 2 / TRADES;
        ratios[i] = bare[i] / ours[i];
    }
    with_redis_free(redis);
    FILE *f = fopen(argv[1], "a");
    if (!f) {
        perror(argv[1]);
        return 1;
    }
    double ratio = median(ratios);
    row(f, "draining: context and strategy together", TRADES / median(ours) / 1000, "k/s each",
        TRADES / median(bare) / 1000, ratio, ratio >= 0.9);
    // Wall time on a busy machine is noisy; this is what a reader costs the core it runs on,
    // start-up included.
    double us = median(our_cpu);
    double bare_us = median(bare_cpu);
    row(f, "draining: processor time per entry", us, "us", bare_us, bare_us / us,
        bare_us / us >= 0.9);
    fclose(f);
    return 0;
}

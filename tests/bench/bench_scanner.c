// links: collector
// The frame scanner against simdjson (where its library is installed) and jansson, on the same
// aggTrade frames in the same run. All three yield every field that the collector uses: symbol,
// times, id, price and quantity text, side, market. simdjson reads the document in the order of its
// keys (its fast way) from padded memory.
//
// bench_scanner [OUT.jsonl]

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/base/mem.h"
#include "common/feed/frame.h"

#define ROUNDS 11
#define FRAMES 20000
#define REPEAT 5
#define PADDING 64 // what simdjson may read behind the end

// tests/bench/peer_simdjson.cc; absent when the library is. Returns a checksum.
uint64_t peer_simdjson(const char *bytes, const uint32_t *at, size_t n) __attribute__((weak));

static char *bytes;
static uint32_t at[FRAMES + 1];

static double seconds(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
    return (double)ts.tv_sec + (double)ts.tv_nsec * 1e-9;
}

// Frames of 2026, alone and in the combined envelope, in runs.
static void make_frames(void)
{
    uint64_t s = 88172645463325252ULL;
    size_t n = 0;
    const size_t size = (size_t)FRAMES * 320 + PADDING;
    bytes = xcalloc(1, size);
    for (int i = 0; i < FRAMES; i++) {
        s ^= s << 13;
        s ^= s >> 7;
        s ^= s << 17;
        const long long id = 3387056463 + i, ts = 1784410629576 + i * 5;
        at[i] = (uint32_t)n;
        n += (size_t)snprintf(bytes + n, size - n,
                              "{\"stream\":\"btcusdt@aggTrade\",\"data\":{\"e\":\"aggTrade\",\"E\":"
                              "%lld,\"a\":%lld,\"s\":\"BTCUSDT\",\"p\":\"%u.%u0\",\"q\":\"%u.%03u\""
                              ",\"nq\":\"0.492\",\"f\":%lld,\"l\":%lld,\"T\":%lld,\"m\":%s,\"st\":"
                              "1}}",
                              ts + 8, id, 64000 + (unsigned)(s >> 20) % 1000,
                              (unsigned)(s >> 40) % 10, (unsigned)(s >> 50) % 8,
                              (unsigned)(s >> 30) % 999 + 1, id * 2, id * 2 + 2, ts,
                              (s & 1) != 0 ? "true" : "false");
    }
    at[FRAMES] = (uint32_t)n;
}

static uint64_t sum_of(const struct frame *f)
{
    return (uint64_t)f->event_ms + (uint64_t)f->trade_ms + (uint64_t)f->id + (uint64_t)f->market +
           (f->maker ? 1 : 0) + f->symbol.n + f->price.n + f->qty.n + (unsigned char)f->price.p[0] +
           (unsigned char)f->qty.p[0];
}

static uint64_t run_scanner(void)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < FRAMES; i++) {
        struct frame f;
        if (!frame_scan(bytes + at[i], at[i + 1] - at[i], &f)) {
            abort();
        }
        sum += sum_of(&f);
    }
    return sum;
}

static uint64_t run_jansson(void)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < FRAMES; i += 10) {
        struct frame f;
        frame_parse_json(bytes + at[i], at[i + 1] - at[i], NULL, &f);
        sum += sum_of(&f);
        frame_release(&f);
    }
    return sum;
}

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

int main(int argc, char **argv)
{
    double ours[ROUNDS], peer[ROUNDS], slow[ROUNDS], ratio[ROUNDS];
    FILE *out = argc > 1 ? fopen(argv[1], "a") : NULL;
    make_frames();
    const uint64_t want = run_scanner();
    if (peer_simdjson && peer_simdjson(bytes, at, FRAMES) != want) {
        fprintf(stderr, "bench_scanner: the two read different fields\n");
        return 1;
    }
    uint64_t sum = 0;
    for (int i = 0; i < ROUNDS; i++) {
        double begin = seconds();
        for (int k = 0; k < REPEAT; k++) {
            sum += run_scanner();
        }
        ours[i] = REPEAT * FRAMES / (seconds() - begin) / 1e6;
        begin = seconds();
        for (int k = 0; k < REPEAT && peer_simdjson; k++) {
            sum += peer_simdjson(bytes, at, FRAMES);
        }
        peer[i] = REPEAT * FRAMES / (seconds() - begin) / 1e6;
        ratio[i] = ours[i] / peer[i];
        begin = seconds();
        sum += run_jansson();
        slow[i] = FRAMES / 10 / (seconds() - begin) / 1e6;
    }
    const double rate = median(ours), rate_jansson = median(slow);
    if (peer_simdjson) {
        const double r = median(ratio), limit = median(peer);
        printf("scanner %.2f M/s, simdjson %.2f M/s, ratio %.2f (goal >= 1.2), jansson %.2f M/s "
               "[%llx]\n",
               rate, limit, r, rate_jansson, (unsigned long long)sum);
        if (out != NULL) {
            fprintf(out,
                    "{\"name\":\"scanner: aggTrade against simdjson\",\"figure\":%.3f,\"unit\":"
                    "\"M/s\",\"limit\":%.3f,\"ratio\":%.3f,\"goal\":\">= 1.2\",\"met\":%s}\n",
                    rate, limit, r, r >= 1.2 ? "true" : "false");
        }
    } else {
        printf("scanner %.2f M/s, jansson %.2f M/s; simdjson is not installed [%llx]\n", rate,
               rate_jansson, (unsigned long long)sum);
    }
    if (out != NULL) {
        fprintf(out,
                "{\"name\":\"scanner: aggTrade against jansson\",\"figure\":%.3f,\"unit\":\"M/s\","
                "\"limit\":%.3f,\"ratio\":%.3f,\"goal\":null,\"met\":null}\n",
                rate, rate_jansson, rate / rate_jansson);
        fclose(out);
    }
    return 0;
}

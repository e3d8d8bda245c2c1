// links: collector
// Book frames of 50 + 50 levels: the scanner against simdjson (where its library is installed),
// jansson and a plain copy of the bytes, all yielding every field and every level; from the bytes
// of a frame to the changed book; and the book alone, against a sorted array with the best level
// first, for changes near the touch and for changes all over a snapshot's window.
//
// bench_depth [OUT.jsonl]

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/base/mem.h"
#include "common/feed/frame.h"
#include "services/collector/core/depth.h"
#include "tests/support/rng.h"

#define ROUNDS 11
#define FRAMES 500
#define LEVELS 50
#define WINDOW 1000
#define CHANGES 200000
#define PADDING 64

// tests/bench/peer_simdjson.cc; absent when the library is. Returns a checksum.
uint64_t peer_simdjson_depth(const char *bytes, const uint32_t *at, size_t n) __attribute__((weak));

static char *bytes, *copy;
static uint32_t at[FRAMES + 1];
static struct frame_space space;
static struct depth_space numbers;
static struct depth machine;

static double seconds(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
    return (double)ts.tv_sec + (double)ts.tv_nsec * 1e-9;
}

// Distances from the touch as recorded: half of the changes within 200 ticks, a tenth at it.
static int64_t distance(struct rng *r)
{
    const uint64_t kind = rng_below(r, 10);
    return (int64_t)(kind == 0  ? rng_below(r, 3)
                     : kind < 6 ? rng_below(r, 200)
                                : rng_below(r, WINDOW));
}

static size_t add_levels(char *out, size_t size, struct rng *r, int64_t best, int64_t step)
{
    size_t n = 0;
    int64_t ticks[LEVELS];
    for (int i = 0; i < LEVELS; i++) {
        ticks[i] = distance(r);
    }
    for (int i = 0; i < LEVELS; i++) {
        const int64_t price = best + step * ticks[i];
        const unsigned qty = rng_below(r, 3) == 0 ? 0 : (unsigned)rng_below(r, 9999);
        n += (size_t)snprintf(out + n, size - n, "%s[\"%lld.%lld0\",\"%u.%03u\"]", i > 0 ? "," : "",
                              (long long)(price / 10), (long long)(price % 10), qty / 1000,
                              qty % 1000);
    }
    return n;
}

static void make_frames(void)
{
    struct rng r = {20260718};
    size_t n = 0;
    const size_t size = (size_t)FRAMES * 4096 + PADDING;
    bytes = xcalloc(1, size);
    copy = xcalloc(1, size);
    for (int i = 0; i < FRAMES; i++) {
        const long long u = 11079102164454 + i * 100LL, ts = 1784410629442 + i * 100LL;
        at[i] = (uint32_t)n;
        n += (size_t)snprintf(bytes + n, size - n,
                              "{\"stream\":\"btcusdt@depth@100ms\",\"data\":{\"e\":\"depthUpdate\","
                              "\"E\":%lld,\"T\":%lld,\"s\":\"BTCUSDT\",\"ps\":\"BTCUSDT\",\"U\":"
                              "%lld,\"u\":%lld,\"pu\":%lld,\"b\":[",
                              ts, ts - 1, u - 90, u, u - 100);
        n += add_levels(bytes + n, size - n, &r, 646451, -1);
        n += (size_t)snprintf(bytes + n, size - n, "],\"a\":[");
        n += add_levels(bytes + n, size - n, &r, 646452, 1);
        n += (size_t)snprintf(bytes + n, size - n, "],\"st\":1}}");
    }
    at[FRAMES] = (uint32_t)n;
}

// ---- frames -------------------------------------------------------------------------------------

static uint64_t levels_sum(const struct frame_level *v, size_t n)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < n; i++) {
        sum += v[i].price.n + v[i].qty.n + (unsigned char)v[i].price.p[0] +
               (unsigned char)v[i].qty.p[0];
    }
    return sum;
}

static uint64_t sum_of(const struct frame *f)
{
    return (uint64_t)f->event_ms + (uint64_t)f->trade_ms + f->symbol.n + (uint64_t)f->first_id +
           (uint64_t)f->last_id + (uint64_t)f->prev_id + levels_sum(f->bids, f->n_bids) +
           levels_sum(f->asks, f->n_asks) + (uint64_t)f->market;
}

static uint64_t run_scanner(void)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < FRAMES; i++) {
        struct frame f;
        if (!frame_scan_depth(bytes + at[i], at[i + 1] - at[i], &space, &f)) {
            abort();
        }
        sum += sum_of(&f);
    }
    return sum;
}

static uint64_t run_jansson(void)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < FRAMES; i += 20) {
        struct frame f;
        frame_parse_json(bytes + at[i], at[i + 1] - at[i], &space, &f);
        sum += sum_of(&f);
        frame_release(&f);
    }
    return sum;
}

static uint64_t run_copy(void)
{
    for (size_t i = 0; i < FRAMES; i++) {
        memcpy(copy + at[i], bytes + at[i], at[i + 1] - at[i]);
        __asm__ volatile("" : : "r"(copy) : "memory");
    }
    return (unsigned char)copy[at[FRAMES / 2]];
}

// Bytes to book: scanned, numbers read, chain checked, applied, still sound.
static uint64_t run_path(void)
{
    static const struct feed_clock unknown = {0};
    machine.chain_u = -1;
    machine.has_book = machine.proven = true;
    machine.refresh = false;
    for (size_t i = 0; i < FRAMES; i++) {
        struct frame f;
        struct depth_out out;
        frame_decode(bytes + at[i], at[i + 1] - at[i], &space, &f);
        depth_on_frame(&machine, &f, 0, &unknown, 0, &numbers, &out);
        frame_release(&f);
        if (out.verdict != DEPTH_APPLIED) {
            abort();
        }
    }
    return machine.applied;
}

static void make_machine(void)
{
    const struct depth_opts o = {.venue = VENUE_BINANCE,
                                 .max_levels = 10000,
                                 .limit = 1000,
                                 .refresh_levels = 0,
                                 .buffer_bytes = 1 << 20,
                                 .retry_min_ms = 1000,
                                 .retry_max_ms = 1000};
    struct instrument ins;
    if (instrument_parse("BTCUSDT", 7, VENUE_BINANCE, &ins, NULL) != 0 ||
        instrument_set_units(&ins, "0.10", "0.001", -1, NULL) != 0) {
        abort();
    }
    depth_init(&machine, &o);
    depth_set_units(&machine, &ins);
    depth_set_up(&machine, true, 0);
}

// ---- the book alone -----------------------------------------------------------------------------

static struct {
    int64_t price, qty;
} change[CHANGES];
static struct book book;
static struct book_level plain[4 * WINDOW];
static size_t plain_n;

static void make_changes(int64_t within)
{
    struct rng r = {7};
    for (size_t i = 0; i < CHANGES; i++) {
        change[i].price = 646451 - (int64_t)rng_below(&r, (uint64_t)within);
        change[i].qty = rng_below(&r, 3) == 0 ? 0 : 1 + (int64_t)rng_below(&r, 9999);
    }
    book_clear(&book);
    plain_n = 0;
    for (int64_t i = 0; i < 2 * WINDOW; i += 2) {
        book_set(&book, BOOK_BIDS, 646451 - i, 1);
        plain[plain_n++] = (struct book_level){646451 - i, 1};
    }
}

static uint64_t run_book(void)
{
    for (size_t i = 0; i < CHANGES; i++) {
        book_set(&book, BOOK_BIDS, change[i].price, change[i].qty);
    }
    return book_levels(&book, BOOK_BIDS);
}

// What one writes first: sorted, the best level at index 0, found by halving.
static uint64_t run_plain(void)
{
    for (size_t i = 0; i < CHANGES; i++) {
        size_t lo = 0, hi = plain_n;
        while (lo < hi) {
            const size_t mid = (lo + hi) / 2;
            if (plain[mid].price > change[i].price) {
                lo = mid + 1;
            } else {
                hi = mid;
            }
        }
        const bool held = lo < plain_n && plain[lo].price == change[i].price;
        if (held && change[i].qty > 0) {
            plain[lo].qty = change[i].qty;
        } else if (held) {
            memmove(plain + lo, plain + lo + 1, (plain_n - lo - 1) * sizeof *plain);
            plain_n--;
        } else if (change[i].qty > 0) {
            memmove(plain + lo + 1, plain + lo, (plain_n - lo) * sizeof *plain);
            plain[lo] = (struct book_level){change[i].price, change[i].qty};
            plain_n++;
        }
    }
    return plain_n;
}

// ---- figures ------------------------------------------------------------------------------------

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

static double rate(uint64_t (*run)(void), int repeat, double count, uint64_t *sum)
{
    const double begin = seconds();
    for (int k = 0; k < repeat; k++) {
        *sum += run();
    }
    return repeat * count / (seconds() - begin);
}

static void row(FILE *out, const char *name, const char *unit, double figure, double limit,
                double ratio, double goal)
{
    printf("%-44s %10.3f %-9s limit %10.3f ratio %.2f\n", name, figure, unit, limit, ratio);
    if (out == NULL) {
        return;
    }
    fprintf(out, "{\"name\":\"%s\",\"figure\":%.3f,\"unit\":\"%s\",\"limit\":%.3f,\"ratio\":%.3f,",
            name, figure, unit, limit, ratio);
    if (goal > 0) {
        fprintf(out, "\"goal\":\">= %.1f\",\"met\":%s}\n", goal, ratio >= goal ? "true" : "false");
    } else {
        fprintf(out, "\"goal\":null,\"met\":null}\n");
    }
}

static uint64_t run_peer(void)
{
    return peer_simdjson_depth(bytes, at, FRAMES);
}

static void bench_frames(FILE *out, uint64_t *sum)
{
    double ours[ROUNDS], peer[ROUNDS], slow[ROUNDS], move[ROUNDS], path[ROUNDS], ratio[ROUNDS],
        to_copy[ROUNDS];
    const bool has_peer = peer_simdjson_depth != NULL;
    if (has_peer && run_peer() != run_scanner()) {
        fprintf(stderr, "bench_depth: the two read different fields\n");
        exit(1);
    }
    for (int i = 0; i < ROUNDS; i++) {
        ours[i] = rate(run_scanner, 20, FRAMES, sum) / 1e6;
        peer[i] = has_peer ? rate(run_peer, 20, FRAMES, sum) / 1e6 : 0;
        slow[i] = rate(run_jansson, 4, FRAMES / 20.0, sum) / 1e6;
        move[i] = rate(run_copy, 40, FRAMES, sum) / 1e6;
        path[i] = rate(run_path, 10, FRAMES, sum) / 1e6;
        ratio[i] = has_peer ? ours[i] / peer[i] : 0;
        to_copy[i] = ours[i] / move[i];
    }
    const double m_ours = median(ours), m_slow = median(slow);
    if (has_peer) {
        row(out, "depth 50+50: scanner against simdjson", "M/s", m_ours, median(peer),
            median(ratio), 2);
    } else {
        printf("simdjson is not installed\n");
    }
    row(out, "depth 50+50: scanner against jansson", "M/s", m_ours, m_slow, m_ours / m_slow, 0);
    row(out, "depth 50+50: scanner against memcpy", "M/s", m_ours, median(move), median(to_copy),
        0);
    const double m_path = median(path);
    row(out, "depth 50+50: bytes to book against scanner", "M/s", m_path, m_ours, m_path / m_ours,
        0);
}

static void bench_book(FILE *out, const char *name, int64_t within, uint64_t *sum)
{
    double ours[ROUNDS], other[ROUNDS], ratio[ROUNDS];
    make_changes(within);
    for (int i = 0; i < ROUNDS; i++) {
        ours[i] = rate(run_book, 2, CHANGES, sum) / 1e6;
        other[i] = rate(run_plain, 2, CHANGES, sum) / 1e6;
        ratio[i] = ours[i] / other[i];
        if (book_levels(&book, BOOK_BIDS) != plain_n) {
            fprintf(stderr, "bench_depth: the two books differ\n");
            exit(1);
        }
    }
    row(out, name, "M/s", median(ours), median(other), median(ratio), within < 100 ? 2.0 : 0);
}

int main(int argc, char **argv)
{
    FILE *out = argc > 1 ? fopen(argv[1], "a") : NULL;
    uint64_t sum = 0;
    make_frames();
    make_machine();
    bench_frames(out, &sum);
    book_init(&book, 4 * WINDOW);
    bench_book(out, "book of 1000 levels: changes within 20 ticks", 20, &sum);
    bench_book(out, "book of 1000 levels: changes within 200 ticks", 200, &sum);
    bench_book(out, "book of 1000 levels: changes all over", 2 * WINDOW, &sum);
    printf("[%llx]\n", (unsigned long long)sum);
    if (out != NULL) {
        fclose(out);
    }
    return 0;
}

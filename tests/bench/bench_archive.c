// links: backfill
// A venue's daily archive to state, beside the least that must be done with it.
//
//   limit       zlib inflates the member and throws it away
//   peer        `unzip -p FILE | wc -l`, where there is an unzip (wall time)
//   to state    inflate with CRC, lines to rows, rows to trades, the ledger of a day: what the
//               service does with a row but for its way through Redis
//   CSV         lines to trades, beside counting the newlines of a mapped file
//
// 1.5 million generated rows, rounds interleaved, medians of this thread's CPU time.
//
// bench_archive [OUT.jsonl]

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>
#include <zlib.h>

#include "common/base/mem.h"
#include "common/market/ledger.h"
#include "services/backfill/core/csv.h"
#include "services/backfill/core/zip.h"

#define ROWS 1500000
#define ROUNDS 5
#define DAY INT64_C(1795132800000)
#define LINE_MAX_BYTES 96
#define RUN_ROWS 4096
#define PIECE 16384 // as the service reads

static volatile uint64_t keep; // so that no loop is optimised away

static double now(clockid_t clock)
{
    struct timespec ts;
    clock_gettime(clock, &ts);
    return (double)ts.tv_sec + (double)ts.tv_nsec * 1e-9;
}

// ---- the file
// ------------------------------------------------------------------------------------

static uint64_t rnd(uint64_t *x)
{
    *x ^= *x << 13;
    *x ^= *x >> 7;
    *x ^= *x << 17;
    return *x;
}

static void make_csv(struct buf *b)
{
    uint64_t x = 88172645463325252;
    int64_t price = 654321;
    int64_t raw = 9000000000;
    buf_adds(b, "agg_trade_id,price,quantity,first_trade_id,last_trade_id,transact_time,"
                "is_buyer_maker\n");
    for (int64_t i = 0; i < ROWS; i++) {
        const uint64_t r = rnd(&x);
        price += r % 5 < 2 ? (int64_t)(r >> 8 & 7) - 3 : 0;
        buf_addf(b, "%lld,%lld.%lld,%lld.%03lld,%lld,%lld,%lld,%s\n", (long long)(2000000000 + i),
                 (long long)(price / 10), (long long)(price % 10), (long long)(r >> 60 & 1),
                 (long long)(1 + (r >> 20) % 999), (long long)raw,
                 (long long)raw + (long long)(r >> 40 & 3), (long long)(DAY + i * 86000000 / ROWS),
                 r >> 50 & 1 ? "true" : "false");
        raw += 4;
    }
}

static void add_le(struct buf *b, uint64_t v, int bytes)
{
    for (int i = 0; i < bytes; i++) {
        buf_addc(b, (char)(v >> (8 * i) & 0xff));
    }
}

static void add_header(struct buf *b, const char *name, uint32_t crc, size_t packed, size_t n,
                       bool central)
{
    add_le(b, central ? 0x02014b50 : 0x04034b50, 4);
    add_le(b, 20, 2);
    if (central) {
        add_le(b, 20, 2);
    }
    add_le(b, 0, 2);
    add_le(b, 8, 2); // deflate
    add_le(b, 0, 4);
    add_le(b, crc, 4);
    add_le(b, packed, 4);
    add_le(b, n, 4);
    add_le(b, strlen(name), 2);
    add_le(b, 0, 2);
    if (central) {
        add_le(b, 0, 10);
        add_le(b, 0, 4); // where the local header is
    }
    buf_adds(b, name);
}

// One member, as the venue packs it. *at, *packed: where its deflated bytes are.
static void make_zip(const struct buf *csv, struct buf *zip, size_t *at, size_t *packed)
{
    static const char name[] = "BTCUSDT-aggTrades-2026-11-21.csv";
    const size_t n = buf_len(csv);
    z_stream z = {0};
    const uLong bound = compressBound((uLong)n);
    unsigned char *out = xmalloc(bound);
    if (deflateInit2(&z, 6, Z_DEFLATED, -15, 8, Z_DEFAULT_STRATEGY) != Z_OK) {
        FATAL("zlib");
    }
    unsigned char *in = xmalloc(n);
    memcpy(in, buf_ptr(csv), n);
    z.next_in = in;
    z.avail_in = (uInt)n;
    z.next_out = out;
    z.avail_out = (uInt)bound;
    if (deflate(&z, Z_FINISH) != Z_STREAM_END) {
        FATAL("zlib");
    }
    *packed = z.total_out;
    deflateEnd(&z);
    const uint32_t crc = (uint32_t)crc32(0, in, (uInt)n);
    add_header(zip, name, crc, *packed, n, false);
    *at = buf_len(zip);
    buf_add(zip, out, *packed);
    const size_t directory = buf_len(zip);
    add_header(zip, name, crc, *packed, n, true);
    const size_t directory_n = buf_len(zip) - directory;
    add_le(zip, 0x06054b50, 4);
    add_le(zip, 0, 4);
    add_le(zip, 1, 2);
    add_le(zip, 1, 2);
    add_le(zip, directory_n, 4);
    add_le(zip, directory, 4);
    add_le(zip, 0, 2);
    free(in);
    free(out);
}

// ---- what is measured
// ----------------------------------------------------------------------------

static double run_inflate(const char *deflated, size_t n)
{
    static unsigned char out[65536];
    z_stream z = {0};
    uint64_t sum = 0;
    int rc = inflateInit2(&z, -15);
    unsigned char *in = xmalloc(n);
    memcpy(in, deflated, n);
    const double start = now(CLOCK_THREAD_CPUTIME_ID);
    z.next_in = in;
    z.avail_in = (uInt)n;
    while (rc == Z_OK) {
        z.next_out = out;
        z.avail_out = sizeof out;
        rc = inflate(&z, Z_NO_FLUSH);
        sum += out[0];
    }
    const double s = now(CLOCK_THREAD_CPUTIME_ID) - start;
    inflateEnd(&z);
    free(in);
    if (rc != Z_STREAM_END) {
        FATAL("zlib says %d", rc);
    }
    keep = sum;
    return ROWS / s / 1e6;
}

struct sink {
    struct csv csv;
    struct ledger ledger;
    bool to_ledger;
    struct run run;
    struct trade *v; // rows that wait to be counted together
    size_t n;
    uint64_t rows, sum;
};

static void count(struct sink *k)
{
    for (size_t i = 0; i < k->n; i += k->run.n) {
        run_take(&k->run, k->v + i, k->n - i);
        if (!ledger_add_run(&k->ledger, &k->run)) {
            for (size_t r = 0; r < k->run.n; r++) {
                (void)ledger_add(&k->ledger, &k->v[i + r]);
            }
        }
    }
    k->n = 0;
}

static int on_row(void *arg, const struct csv_row *row, struct err *e)
{
    struct sink *k = arg;
    struct trade t = {.ts_ms = row->ts_ms, .id = row->id, .side = (uint8_t)row->side};
    (void)e;
    if (trade_set_numbers(&t, &k->ledger.ins, row->price, row->qty) != REFUSE_NONE) {
        return ERR_RANGE;
    }
    k->rows++;
    k->sum += (uint64_t)t.price;
    if (k->to_ledger) {
        k->v[k->n++] = t;
        if (k->n == RUN_ROWS) {
            count(k);
        }
    }
    return 0;
}

static int on_bytes(void *arg, const char *bytes, size_t n, struct err *e)
{
    struct sink *k = arg;
    return csv_feed(&k->csv, bytes, n, on_row, k, e);
}

static double end(struct sink *k, double start, int rc, const struct err *e)
{
    const double s = now(CLOCK_THREAD_CPUTIME_ID) - start;
    if (rc != 0 || k->rows != ROWS) {
        FATAL("%llu rows: %s", (unsigned long long)k->rows, e->text);
    }
    keep = k->sum;
    csv_release(&k->csv);
    ledger_release(&k->ledger);
    return ROWS / s / 1e6;
}

static double run_state(const struct instrument *ins, const struct buf *zip)
{
    struct sink k = {.to_ledger = true, .v = xcalloc(RUN_ROWS, sizeof *k.v)};
    run_init(&k.run, ins->bin_ticks);
    struct err e = {0};
    int rc = 0;
    csv_init(&k.csv, CSV_BINANCE);
    ledger_init(&k.ledger, ins);
    struct zip *z = zip_new(ZIP_MEMBER, UINT64_C(1) << 32, on_bytes, &k);
    const double start = now(CLOCK_THREAD_CPUTIME_ID);
    for (size_t at = 0; rc == 0 && at < buf_len(zip); at += PIECE) {
        const size_t left = buf_len(zip) - at;
        rc = zip_feed(z, buf_ptr(zip) + at, left < PIECE ? left : PIECE, &e);
    }
    rc = rc != 0 ? rc : zip_end(z, &e);
    rc = rc != 0 ? rc : csv_end(&k.csv, on_row, &k, &e);
    count(&k);
    if (k.ledger.counted != ROWS) {
        FATAL("%llu rows counted", (unsigned long long)k.ledger.counted);
    }
    zip_free(z);
    free(k.v);
    return end(&k, start, rc, &e);
}

static double run_csv(const struct instrument *ins, const char *text, size_t n)
{
    struct sink k = {0};
    struct err e = {0};
    csv_init(&k.csv, CSV_BINANCE);
    ledger_init(&k.ledger, ins);
    const double start = now(CLOCK_THREAD_CPUTIME_ID);
    const int rc = csv_feed(&k.csv, text, n, on_row, &k, &e);
    return end(&k, start, rc, &e);
}

static double run_newlines(const char *text, size_t n)
{
    uint64_t lines = 0;
    const double start = now(CLOCK_THREAD_CPUTIME_ID);
    for (const char *p = text, *last = text + n; (p = memchr(p, '\n', (size_t)(last - p))); p++) {
        lines++;
    }
    const double s = now(CLOCK_THREAD_CPUTIME_ID) - start;
    keep = lines;
    return ROWS / s / 1e6;
}

// 0: there is no unzip.
static double run_unzip(const char *path)
{
    char command[300];
    snprintf(command, sizeof command, "unzip -p %s 2>/dev/null | wc -l", path);
    const double start = now(CLOCK_MONOTONIC);
    FILE *f = popen(command, "r");
    long lines = 0;
    const bool good = f != NULL && fscanf(f, "%ld", &lines) == 1;
    if (f != NULL) {
        pclose(f);
    }
    return good && lines > ROWS ? ROWS / (now(CLOCK_MONOTONIC) - start) / 1e6 : 0;
}

// ---- rows
// ----------------------------------------------------------------------------------------

static int by_size(const void *a, const void *b)
{
    const double *x = a, *y = b;
    return *x < *y ? -1 : *x > *y;
}

static double median(double *v)
{
    qsort(v, ROUNDS, sizeof *v, by_size);
    return v[ROUNDS / 2];
}

// goal 0: a row that only informs.
static void row(FILE *out, const char *name, double figure, double limit, double goal)
{
    const double ratio = figure / limit;
    char aim[32] = "null";
    if (goal > 0) {
        snprintf(aim, sizeof aim, "\">= %.2f\"", goal);
    }
    const char *met = goal > 0 ? (ratio >= goal ? "true" : "false") : "null";
    printf("%-44s %8.2f M/s  %8.2f M/s  %6.3f  %s\n", name, figure, limit, ratio, aim);
    if (out != NULL) {
        fprintf(out,
                "{\"name\":\"%s\",\"figure\":%.2f,\"unit\":\"M/s\",\"limit\":%.2f,\"ratio\":%.3f,"
                "\"goal\":%s,\"met\":%s}\n",
                name, figure, limit, ratio, aim, met);
    }
}

int main(int argc, char **argv)
{
    char path[] = "/tmp/bc4-bench-XXXXXX";
    FILE *out = argc > 1 ? fopen(argv[1], "a") : NULL;
    struct instrument ins;
    struct buf csv, zip;
    size_t at, packed;
    if ((argc > 1 && out == NULL) || instrument_parse("BTCUSDT", 7, VENUE_BINANCE, &ins, NULL) ||
        instrument_set_units(&ins, "0.10", "0.001", -1, NULL)) {
        return 1;
    }
    buf_init(&csv, (size_t)ROWS * LINE_MAX_BYTES);
    buf_init(&zip, (size_t)ROWS * LINE_MAX_BYTES);
    make_csv(&csv);
    make_zip(&csv, &zip, &at, &packed);
    const int fd = mkstemp(path);
    if (csv.failed || zip.failed || fd < 0 ||
        write(fd, buf_ptr(&zip), buf_len(&zip)) != (ssize_t)buf_len(&zip)) {
        return 1;
    }
    char text_path[64];
    snprintf(text_path, sizeof text_path, "%s.csv", path);
    const int text_fd = open(text_path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    const size_t n = buf_len(&csv);
    if (text_fd < 0 || write(text_fd, buf_ptr(&csv), n) != (ssize_t)n) {
        return 1;
    }
    const char *text = mmap(NULL, n, PROT_READ, MAP_PRIVATE, text_fd, 0);
    if (text == MAP_FAILED) {
        return 1;
    }
    double inflate_[ROUNDS], state[ROUNDS], parse[ROUNDS], newlines[ROUNDS], peer[ROUNDS];
    for (int r = -1; r < ROUNDS; r++) { // the first round warms up and is overwritten
        const int i = r < 0 ? 0 : r;
        inflate_[i] = run_inflate(buf_ptr(&zip) + at, packed);
        state[i] = run_state(&ins, &zip);
        parse[i] = run_csv(&ins, text, n);
        newlines[i] = run_newlines(text, n);
        peer[i] = run_unzip(path);
    }
    const double limit = median(inflate_), got = median(state), lines = median(parse);
    row(out, "archive: zip to state against inflate alone", got, limit, 0.75);
    if (median(peer) > 0) {
        row(out, "archive: zip to state against unzip -p | wc -l", got, median(peer), 1);
    }
    row(out, "archive: CSV to trades against newline count", lines, median(newlines), 0);
    close(fd);
    close(text_fd);
    unlink(path);
    unlink(text_path);
    buf_release(&csv);
    buf_release(&zip);
    return out != NULL && fclose(out) ? 1 : 0;
}

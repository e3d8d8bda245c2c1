// The market core beside what memory allows: ten million trades in memory.
//
//   limit       an AVX2 sum over 32-byte records of the same trades: read once, add, nothing else
//   full state  ledger (dedup, day, profile, coverage ids) and both candle series with their tape,
//               settled every 4096 trades; given in runs, and one by one
//   bins        the ledger alone over a market that spreads over 500 bins, and over 20,000
//   duplicates  the same trades offered to the ledger a second time, beside the first time
//
// Rounds are interleaved and the median of each is taken. Time is this thread's CPU time, so that
// neighbours on the machine disturb less; what they do to caches and memory bandwidth remains,
// for the limit as for us.
//
// bench_market [OUT.jsonl]

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/base/mem.h"
#include "common/market/candle.h"
#include "common/market/ledger.h"

#define TRADES 10000000
#define BIN_TRADES 4000000
#define ROUNDS 7
#define SETTLE_EVERY 4096
#define DAY INT64_C(1795132800000)

struct record { // as small as a trade can be stored without decoding
    int64_t ts_ms, id, price, qty_side;
};

typedef int64_t vec __attribute__((vector_size(32)));

static volatile int64_t keep; // so that no loop is optimised away

static double now(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
    return (double)ts.tv_sec + (double)ts.tv_nsec * 1e-9;
}

#ifdef __x86_64__
__attribute__((target("avx2")))
#endif
static double
run_limit(const struct record *v, size_t n)
{
    const vec *p = (const vec *)(const void *)v;
    vec a = {0};
    vec b = {0};
    vec c = {0};
    vec d = {0};
    double start = now();
    for (size_t i = 0; i + 4 <= n; i += 4) {
        a += p[i];
        b += p[i + 1];
        c += p[i + 2];
        d += p[i + 3];
    }
    a += b + c + d;
    keep = a[0] + a[1] + a[2] + a[3];
    return (double)n / (now() - start) / 1e6;
}

static void on_candle(void *arg, enum candle_event ev, const struct candle *c)
{
    *(int64_t *)arg += (int64_t)ev + c->trades;
}

struct state {
    struct ledger l;
    struct candle_series *m1, *m5;
    int64_t sum, stale;
    size_t settled; // trades that had been given when it was settled last
};

static void add_one(struct state *s, const struct trade *t, bool counted)
{
    if (counted || ledger_add(&s->l, t) == LEDGER_COUNTED) {
        s->sum += candle_series_add(s->m1, t, &s->stale);
        s->sum += candle_series_add(s->m5, t, &s->stale);
    }
}

static void settle(struct state *s, size_t given)
{
    if (given - s->settled >= SETTLE_EVERY) {
        s->settled = given;
        candle_series_settle(s->m1, s->l.newest_ms, on_candle, &s->sum);
        candle_series_settle(s->m5, s->l.newest_ms, on_candle, &s->sum);
    }
}

static void add_each(struct state *s, const struct trade *v, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        add_one(s, &v[i], false);
        settle(s, i + 1);
    }
}

static void add_runs(struct state *s, const struct trade *v, size_t n)
{
    struct run run;
    run_init(&run, s->l.ins.bin_ticks);
    for (size_t i = 0; i < n; i += run.n) {
        run_take(&run, v + i, n - i);
        bool counted = ledger_add_run(&s->l, &run);
        if (!counted || !candle_series_add_run(s->m1, &run)) {
            for (size_t k = 0; k < run.n; k++) {
                add_one(s, &v[i + k], counted);
            }
        }
        settle(s, i + run.n);
    }
}

static double run_full(const struct instrument *ins, const struct trade *v, size_t n,
                       void (*add)(struct state *s, const struct trade *v, size_t n))
{
    struct state s = {0};
    ledger_init(&s.l, ins);
    s.m1 = candle_series_new(60000, ins->bin_ticks);
    s.m5 = candle_series_new_on(s.m1, 300000);
    double start = now();
    add(&s, v, n);
    double rate = (double)n / (now() - start) / 1e6;
    if (s.l.counted != n || candle_series_count(s.m1) < 100) {
        FATAL("%llu of %zu trades counted", (unsigned long long)s.l.counted, n);
    }
    keep = s.sum + (int64_t)s.l.cur.sum_q;
    candle_series_free(s.m5);
    candle_series_free(s.m1);
    ledger_release(&s.l);
    return rate;
}

// The ledger alone; *again = rate at which the same trades are rejected as duplicates.
static double run_ledger(const struct instrument *ins, const struct trade *v, size_t n,
                         size_t want_bins, double *again)
{
    struct ledger l;
    ledger_init(&l, ins);
    int64_t sum = 0;
    double start = now();
    for (size_t i = 0; i < n; i++) {
        sum += ledger_add(&l, &v[i]);
    }
    double rate = (double)n / (now() - start) / 1e6;
    if (l.counted != n || profile_bins(l.cur.profile) < want_bins) {
        FATAL("%zu bins, not %zu", profile_bins(l.cur.profile), want_bins);
    }
    if (again) {
        start = now();
        for (size_t i = 0; i < n; i++) {
            sum += ledger_add(&l, &v[i]);
        }
        *again = (double)n / (now() - start) / 1e6;
        if (l.duplicates != n) {
            FATAL("%llu of %zu duplicates", (unsigned long long)l.duplicates, n);
        }
    }
    keep = sum;
    ledger_release(&l);
    return rate;
}

static uint64_t rnd(uint64_t *x)
{
    *x ^= *x << 13;
    *x ^= *x >> 7;
    *x ^= *x << 17;
    return *x;
}

// A day of trades in order: a walk within 200 bins around a middle that swings eight times over
// the whole range of `bins` bins of 100 ticks, so that all of them are visited again and again.
static struct trade *market(size_t n, int64_t bins)
{
    enum { NEAR = 200 };
    struct trade *v = xmalloc(n * sizeof *v);
    uint64_t x = 88172645463325252;
    int64_t low = 616000;
    int64_t at = NEAR / 2;
    size_t swing = n / 16;
    for (size_t i = 0; i < n; i++) {
        uint64_t r = rnd(&x);
        if (r % 5 < 2) { // most fills repeat the price before them
            int64_t step = 1 + (int64_t)((r >> 8) % 16) * (int64_t)((r >> 12) % 16) / 16;
            at += (r >> 20) % 2 ? step : -step;
            at = at < 0 ? -at : at >= NEAR ? 2 * NEAR - 2 - at : at;
        }
        int64_t middle = (bins - NEAR) * (int64_t)(i % swing) / (int64_t)swing;
        middle = i / swing % 2 ? bins - NEAR - middle : middle;
        int64_t qty = 100 * (1 + (int64_t)((r >> 24) % 2000));
        int64_t ts = DAY + (int64_t)(i * (size_t)86000000 / n);
        v[i] = (struct trade){ts,    2000000000 + (int64_t)i,  (low + middle + at) * 100,
                              qty,   (uint8_t)((r >> 40) % 2), 0,
                              {0, 0}};
    }
    return v;
}

static int by_size(const void *a, const void *b)
{
    const double *x = a;
    const double *y = b;
    return *x < *y ? -1 : *x > *y;
}

static double median(double *v)
{
    qsort(v, ROUNDS, sizeof *v, by_size);
    return v[ROUNDS / 2];
}

// goal 0: a row that only informs.
static void row(FILE *out, const char *name, double figure, double limit, double ratio, double goal)
{
    char aim[32] = "";
    if (goal > 0) {
        (void)snprintf(aim, sizeof aim, ">= %.2f", goal);
    }
    printf("%-44s %8.1f M/s  %8.1f M/s  %6.3f  %s%s\n", name, figure, limit, ratio, aim,
           ratio >= goal ? "" : "  NOT MET");
    if (out) {
        fprintf(out,
                "{\"name\":\"%s\",\"figure\":%.1f,\"unit\":\"M/s\",\"limit\":%.1f,"
                "\"ratio\":%.3f,\"goal\":%s%s%s,\"met\":%s}\n",
                name, figure, limit, ratio, goal > 0 ? "\"" : "", goal > 0 ? aim : "null",
                goal > 0 ? "\"" : "", goal > 0 ? (ratio >= goal ? "true" : "false") : "null");
    }
}

int main(int argc, char **argv)
{
    FILE *out = argc > 1 ? fopen(argv[1], "a") : NULL;
    if (argc > 1 && !out) {
        perror(argv[1]);
        return 1;
    }
    struct instrument ins;
    if (instrument_parse("BTCUSDT", 7, VENUE_BINANCE, &ins, NULL) ||
        instrument_set_units(&ins, "0.10", "0.001", -1, NULL)) {
        return 1;
    }
    struct trade *all = market(TRADES, 20000);
    struct trade *narrow = market(BIN_TRADES, 500);
    struct trade *wide = market(BIN_TRADES, 20000);
    struct record *records = aligned_alloc(32, TRADES * sizeof *records);
    if (!records) {
        return 1;
    }
    for (size_t i = 0; i < TRADES; i++) {
        records[i] =
            (struct record){all[i].ts_ms, all[i].id, all[i].price, all[i].qty << 1 | all[i].side};
    }
    double limit[ROUNDS];
    double full[ROUNDS];
    double each[ROUNDS];
    double few[ROUNDS];
    double many[ROUNDS];
    double twice[ROUNDS];
    for (int r = -1; r < ROUNDS; r++) { // the first round warms up and is overwritten
        int i = r < 0 ? 0 : r;
        limit[i] = run_limit(records, TRADES);
        full[i] = run_full(&ins, all, TRADES, add_runs);
        each[i] = run_full(&ins, all, TRADES, add_each);
        few[i] = run_ledger(&ins, narrow, BIN_TRADES, 490, NULL);
        many[i] = run_ledger(&ins, wide, BIN_TRADES, 19500, &twice[i]);
    }
    double l = median(limit);
    double f = median(full);
    double e = median(each);
    double a = median(few);
    double b = median(many);
    double c = median(twice);
    row(out, "market core: full state", f, l, f / l, 0.20);
    row(out, "market core: full state, one by one", e, l, e / l, 0);
    row(out, "market core: ledger alone", b, l, b / l, 0);
    row(out, "market core: 20k bins against 500", b, a, b / a, 0.90);
    row(out, "market core: duplicate against counted", c, b, c / b, 1.00);
    free(records);
    free(wide);
    free(narrow);
    free(all);
    return out && fclose(out) ? 1 : 0;
}

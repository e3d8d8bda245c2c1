#include "services/backfill/core/walk.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/base/decimal.h"
#include "services/backfill/core/batch.h"

#define T INT64_C(1795219200000)

static struct instrument ins;
static struct walk_page page;

static void start(void)
{
    cr_assert_eq(instrument_parse("BTCUSDT", 7, VENUE_BINANCE, &ins, NULL), 0);
    cr_assert_eq(instrument_set_units(&ins, "0.01", "0.001", -1, NULL), 0);
}

TestSuite(walk, .init = start);

// Ids ascending up to -1; times T + 10 per row.
static const char *read_ids(const int64_t *ids)
{
    struct buf b;
    buf_init(&b, 1 << 20);
    buf_addc(&b, '[');
    for (int i = 0; ids[i] >= 0; i++) {
        buf_addf(&b,
                 "%s{\"a\":%lld,\"p\":\"61000.10\",\"q\":\"0.002\",\"f\":1,\"l\":2,\"T\":%lld,"
                 "\"m\":true}",
                 i > 0 ? "," : "", (long long)ids[i], (long long)(T + 10 * i));
    }
    buf_addc(&b, ']');
    const char *why = walk_read(&page, &ins, buf_ptr(&b), buf_len(&b));
    buf_release(&b);
    return why;
}

#define IDS(...) ((const int64_t[]){__VA_ARGS__, -1})

static const char *check(const int64_t *ids, int64_t lo, int64_t hi, size_t *use, int64_t *proven)
{
    const char *why = read_ids(ids);
    if (why == NULL) {
        why = walk_check_page(&page, lo, hi, T, T + 1000, use, proven);
    }
    walk_release(&page);
    return why;
}

Test(walk, the_recorded_page_of_500)
{
    FILE *f =
        fopen("../shared/data/binance_usdm_LTCUSDT_20201016_0341_rest-aggTrades-500.json", "rb");
    if (f == NULL) {
        cr_skip_test("the recording is not there");
    }
    char *body = malloc(1 << 20);
    const size_t n = fread(body, 1, 1 << 20, f);
    fclose(f);
    cr_assert_null(walk_read(&page, &ins, body, n));
    cr_assert_eq(page.n, 500);
    cr_assert_eq(page.row[0].id, 19427407);
    cr_assert_eq(page.row[499].id, 19427906);
    int64_t sum[5] = {0}; // of ids, times, prices and quantities times 10^8, and of buys
    for (size_t i = 0; i < page.n; i++) {
        int64_t price, qty;
        const struct walk_row *r = &page.row[i];
        cr_assert_eq(dec_parse(r->price.p, r->price.n, 8, &price, NULL), 0);
        cr_assert_eq(dec_parse(r->qty.p, r->qty.n, 8, &qty, NULL), 0);
        sum[0] += r->id;
        sum[1] += r->ts_ms;
        sum[2] += price;
        sum[3] += qty;
        sum[4] += r->side == SIDE_BUY;
    }
    static const int64_t want[] = {9713828250, 801409878138640, 2486770000000, 74439600000, 257};
    cr_assert_arr_eq(sum, want, sizeof want);
    size_t use;
    int64_t proven;
    cr_assert_null(walk_check_page(&page, 19427407, 19427906, page.row[0].ts_ms,
                                   page.row[499].ts_ms, &use, &proven));
    cr_assert_eq(use, 500);
    cr_assert_eq(proven, 19427906);
    walk_release(&page);
    free(body);
}

Test(walk, ids_left_out_are_proven_by_the_row_behind_them)
{
    size_t use;
    int64_t proven;
    cr_assert_null(check(IDS(5, 6, 9), 5, 9, &use, &proven));
    cr_assert_eq(use, 3);
    cr_assert_eq(proven, 9);
    cr_assert_null(check(IDS(5, 6, 12), 5, 9, &use, &proven));
    cr_assert_eq(use, 2);
    cr_assert_eq(proven, 9, "rows stand before the one behind");
    cr_assert_null(check(IDS(10), 5, 9, &use, &proven));
    cr_assert_eq(use, 0);
    cr_assert_eq(proven, 9, "the row right behind");
    cr_assert_null(check(IDS(5, 6), 5, 9, &use, &proven));
    cr_assert_eq(proven, 6, "a short answer proves no more than it holds");
}

Test(walk, an_answer_to_another_question_is_not_believed)
{
    size_t use;
    int64_t proven;
    cr_assert_not_null(check(IDS(900, 901), 5, 9, &use, &proven), "the newest rows instead");
    cr_assert_not_null(check(IDS(4, 5), 5, 9, &use, &proven));
    cr_assert_not_null(check(IDS(-1), 5, 9, &use, &proven));
    cr_assert_not_null(check(IDS(6, 5), 5, 9, &use, &proven));
    cr_assert_not_null(check(IDS(5, 5), 5, 9, &use, &proven));
    cr_assert_null(read_ids(IDS(5)));
    cr_assert_not_null(walk_check_page(&page, 5, 9, T + 60001, T + 70000, &use, &proven));
    cr_assert_null(walk_check_page(&page, 5, 9, T + 60000, T + 70000, &use, &proven));
    walk_release(&page);
    static const char *const bad[] = {
        "",
        "{}",
        "[1]",
        "[{\"a\":1}]",
        "[{\"a\":1,\"p\":\"1.00001\",\"q\":\"1\",\"T\":5,\"m\":true}]",
        "[{\"a\":1,\"p\":\"0\",\"q\":\"1\",\"T\":5,\"m\":true}]",
        "[{\"a\":1,\"p\":\"1\",\"q\":\"1\",\"T\":5,\"m\":1}]",
        "[{\"a\":1,\"p\":\"1\",\"q\":\"1\",\"T\":5,\"m\":true,\"st\":2}]"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        cr_assert_not_null(walk_read(&page, &ins, bad[i], strlen(bad[i])), "%s", bad[i]);
        walk_release(&page);
    }
}

Test(walk, a_day_is_located_and_its_border_proven)
{
    bool none;
    cr_assert_null(read_ids(IDS(100)));
    cr_assert_null(walk_check_located(&page, T, T + 5));
    cr_assert_not_null(walk_check_located(&page, T + 1, T + 5), "before the time asked for");
    cr_assert_not_null(walk_check_located(&page, T - 9, T - 1), "the newest rows instead");
    cr_assert_null(walk_check_anchor(&page, 101, T + 1, &none));
    cr_assert(!none);
    cr_assert_not_null(walk_check_anchor(&page, 101, T, &none), "the day begins earlier");
    cr_assert_null(walk_check_anchor(&page, 100, T, &none));
    cr_assert(none, "the venue has nothing before it");
    cr_assert_not_null(walk_check_anchor(&page, 99, T, &none));
    walk_release(&page);
    cr_assert_null(read_ids(IDS(-1)));
    cr_assert_not_null(walk_check_located(&page, T, T + 5));
    cr_assert_not_null(walk_check_anchor(&page, 5, T, &none));
    walk_release(&page);
}

// ---- batches

struct took {
    struct history h[64];
    size_t n;
    char first[64][80];
};

static void take(void *arg, const struct history *h)
{
    struct took *t = arg;
    t->h[t->n] = *h;
    str_copyn(t->first[t->n++], 80, h->data.p, (size_t)(strchr(h->data.p, '\n') - h->data.p));
}

Test(batch, runs_are_cut_where_an_id_is_missing_and_when_full)
{
    struct batch b;
    struct took t = {0};
    batch_init(&b, "archive", take, &t);
    cr_assert(batch_add(&b, T, 7, slice_of("61000.1"), slice_of("0.2"), SIDE_SELL));
    cr_assert(batch_add(&b, T + 1, 8, slice_of("61000.1"), slice_of("0.2"), SIDE_BUY));
    cr_assert(!batch_add(&b, T + 1, 8, slice_of("61000.1"), slice_of("0.2"), SIDE_BUY));
    for (int i = 0; i < BATCH_ROWS + 3; i++) {
        cr_assert(batch_add(&b, T + 2 + i, 10 + i, slice_of("61000.1"), slice_of("0.2"), SIDE_BUY));
    }
    batch_flush(&b);
    batch_flush(&b);
    batch_release(&b);
    cr_assert_eq(t.n, 3);
    cr_assert_eq(t.h[0].from_id, 7);
    cr_assert_eq(t.h[0].to_id, 8);
    cr_assert_eq(t.h[0].from_ms, T);
    cr_assert_eq(t.h[0].to_ms, T + 1);
    cr_assert_eq(t.h[0].n, 2);
    cr_assert_str_eq(t.first[0], "1795219200000 7 61000.1 0.2 sell ");
    cr_assert_eq(t.h[1].n, BATCH_ROWS);
    cr_assert_eq(t.h[1].from_id, 10);
    cr_assert_eq(t.h[2].n, 3);
    cr_assert_eq(t.h[2].to_id, 12 + BATCH_ROWS);
}

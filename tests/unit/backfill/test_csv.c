#include "services/backfill/core/csv.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/decimal.h"

// Of all rows: numbers times 10^8, so that one wrong digit of one row shows.
struct sums {
    int64_t id, ms, price, qty, buys;
};

struct seen {
    struct sums sum;
    uint64_t n;
    int64_t first_id, last_id, first_ms, last_ms;
    bool gap;
    char price[32], qty[32], uid[64]; // of the newest row
    enum side side;
    uint8_t flags;
};

static int take(void *arg, const struct csv_row *r, struct err *e)
{
    struct seen *s = arg;
    (void)e;
    if (s->n == 0) {
        s->first_id = r->id;
        s->first_ms = r->ts_ms;
    } else {
        s->gap = s->gap || r->id != s->last_id + 1;
    }
    int64_t price = 0, qty = 0;
    if (dec_parse(r->price.p, r->price.n, 8, &price, NULL) == 0 &&
        dec_parse(r->qty.p, r->qty.n, 8, &qty, NULL) == 0) {
        s->sum.id += r->id;
        s->sum.ms += r->ts_ms;
        s->sum.price += price;
        s->sum.qty += qty;
        s->sum.buys += r->side == SIDE_BUY;
    }
    s->n++;
    s->last_id = r->id;
    s->last_ms = r->ts_ms;
    s->side = r->side;
    s->flags = r->flags;
    str_copyn(s->price, sizeof s->price, r->price.p, r->price.n);
    str_copyn(s->qty, sizeof s->qty, r->qty.p, r->qty.n);
    str_copyn(s->uid, sizeof s->uid, r->uid.p, r->uid.n);
    return 0;
}

static int parse(enum csv_kind kind, const char *text, size_t n, size_t piece, struct seen *s,
                 struct err *e)
{
    struct csv c;
    int rc = 0;
    memset(s, 0, sizeof *s);
    csv_init(&c, kind);
    for (size_t at = 0; rc == 0 && at < n; at += piece) {
        rc = csv_feed(&c, text + at, n - at < piece ? n - at : piece, take, s, e);
    }
    rc = rc != 0 ? rc : csv_end(&c, take, s, e);
    csv_release(&c);
    return rc;
}

static int parse_text(enum csv_kind kind, const char *text, struct seen *s, struct err *e)
{
    return parse(kind, text, strlen(text), 7, s, e);
}

// As another program counted them.
static void check_sums(const struct seen *s, struct sums want)
{
    cr_assert_eq(s->sum.id, want.id);
    cr_assert_eq(s->sum.ms, want.ms);
    cr_assert_eq(s->sum.price, want.price);
    cr_assert_eq(s->sum.qty, want.qty);
    cr_assert_eq(s->sum.buys, want.buys);
}

static char *recording(const char *name, size_t *n)
{
    char path[300];
    str_fmt(path, sizeof path, "../shared/data/%s", name);
    FILE *f = fopen(path, "rb");
    if (f == NULL) {
        cr_skip_test("%s is not there", path);
        return NULL;
    }
    char *out = malloc(8 << 20);
    *n = fread(out, 1, 8 << 20, f);
    fclose(f);
    return out;
}

Test(csv, usdm_archive_of_2026_with_header)
{
    size_t n;
    struct seen s;
    struct err e = {0};
    char *t = recording(
        "binance_usdm_BTCUSDT-aggTrades-2026-09-17_minute1428_first185_TRANSCRIBED.csv", &n);
    for (size_t piece = 1; piece < 200; piece += 37) {
        cr_assert_eq(parse(CSV_BINANCE, t, n, piece, &s, &e), 0, "%s", e.text);
        cr_assert_eq(s.n, 185);
        cr_assert(!s.gap);
        cr_assert_eq(s.first_id, 3454067270);
        cr_assert_eq(s.last_id, 3454067454);
        cr_assert_eq(s.first_ms, 1789655280294);
        cr_assert_eq(s.last_ms, 1789655286589);
        check_sums(
            &s, (struct sums){639002461970, 331086227679808, 1424459450000000, 46215700000, 161});
    }
    free(t);
}

Test(csv, spot_archive_in_microseconds_with_eight_columns)
{
    size_t n;
    struct seen s;
    struct err e = {0};
    char *t = recording("binance_spot_BTCUSDT-aggTrades-2026-01-01_first5000.csv", &n);
    cr_assert_eq(parse(CSV_BINANCE, t, n, 4096, &s, &e), 0, "%s", e.text);
    cr_assert_eq(s.n, 5000);
    cr_assert(!s.gap);
    cr_assert_eq(s.first_id, 3800397495);
    cr_assert_eq(s.last_id, 3800402494);
    cr_assert_eq(s.first_ms, 1767225600039);
    cr_assert_eq(s.last_ms, 1767226339347);
    check_sums(
        &s, (struct sums){19001999972500, 8836129661088106, 43862235971000000, 7974436000, 2997});
    free(t);
}

Test(csv, what_ccxt_writes)
{
    size_t n;
    struct seen s;
    struct err e = {0};
    char *t = recording("binance_usdm_ETHUSDT_20230202_0920_aggTrades-ccxt-1000.csv", &n);
    cr_assert_eq(parse(CSV_CCXT, t, n, 1000, &s, &e), 0, "%s", e.text);
    cr_assert_eq(s.n, 1000);
    cr_assert(!s.gap);
    cr_assert_eq(s.first_id, 1206419187);
    cr_assert_eq(s.last_id, 1206420186);
    cr_assert_eq(s.first_ms, 1675329600138);
    check_sums(&s,
               (struct sums){1206419686500, 1675329714223110, 166690685000000, 656796800000, 527});
    free(t);
}

Test(csv, bybit_rows_of_three_eras)
{
    struct seen s;
    struct err e = {0};
    const char *head = "timestamp,symbol,side,size,price,tickDirection,trdMatchID,grossValue,"
                       "homeNotional,foreignNotional";
    char text[1024];
    str_fmt(text, sizeof text,
            "%s\n1704067199.9183,BTCUSDT,Sell,0.002,42313.9,PlusTick,"
            "6f9a1f27-2b3f-5d4c-9a34-6f0a2a1f0f01,8.4e+09,0.002,84.6\n",
            head);
    cr_assert_eq(parse_text(CSV_BYBIT, text, &s, &e), 0, "%s", e.text);
    cr_assert_eq(s.last_ms, 1704067199918); // cut, not rounded
    cr_assert_eq(s.side, SIDE_SELL);
    cr_assert_str_eq(s.uid, "6f9a1f27-2b3f-5d4c-9a34-6f0a2a1f0f01");
    cr_assert_str_eq(s.price, "42313.9");
    cr_assert_str_eq(s.qty, "0.002");
    cr_assert_eq(s.flags, 0);
    str_fmt(text, sizeof text,
            "%s,RPI\r\n1767225600,BTCUSDT,Buy,1,1.5,ZeroPlusTick,u-1,0,0,0,1\r\n"
            "1767225601.5,BTCUSDT,Buy,1,1.5,ZeroPlusTick,u-2,0,0,0,0",
            head);
    cr_assert_eq(parse_text(CSV_BYBIT, text, &s, &e), 0, "%s", e.text);
    cr_assert_eq(s.n, 2);
    cr_assert_eq(s.first_ms, 1767225600000);
    cr_assert_eq(s.last_ms, 1767225601500);
    cr_assert_eq(s.flags, 0);
}

Test(csv, bybit_rows_as_quoted_in_public)
{
    size_t n;
    uint64_t rows = 0;
    static const struct {
        int64_t ms;
        const char *price, *qty, *uid;
        enum side side;
    } want[] = {
        {1620086396826, "57199.5", "0.02", "224061a0-e105-508c-9696-b53ab4b5bb03", SIDE_BUY},
        {1630281599872, "48815.5", "5000", "fc7b42fa-0b1a-50d1-9a9c-cfc70a5a9b66", SIDE_BUY},
        {1668728606000, "16661.00", "611", "00fcc5e9-d36f-51ae-9906-11f83ed505a7", SIDE_BUY},
        {1788220800116, "78541.70", "0.001", "555a5c11-8b1d-5c5f-81b1-7f0bfc2ef2f3", SIDE_SELL},
        {1791331200490, "120.640", "0.5", "430df55f-04cc-5b09-aff7-5051f01be39a", SIDE_BUY},
        {1791331201268, "120.630", "0.1", "838ff3c1-17cc-5963-8a91-180b422a927a", SIDE_SELL}};
    char *t = recording("bybit_public-trading-csv_row-variants_TRANSCRIBED.txt", &n);
    struct csv c;
    struct csv_row row;
    struct err e = {0};
    csv_init(&c, CSV_BYBIT);
    for (char *line = t, *nl; line < t + n; line = nl + 1) {
        nl = memchr(line, '\n', (size_t)(t + n - line));
        nl = nl != NULL ? nl : t + n;
        if (line[0] == 't') { // a header: the rows below it are of its era
            csv_release(&c);
            csv_init(&c, CSV_BYBIT);
            cr_assert_eq(csv_line(&c, line, (size_t)(nl - line), &row, &e), 0, "%s", e.text);
        } else if (line[0] >= '0' && line[0] <= '9' && c.has_columns) {
            cr_assert_eq(csv_line(&c, line, (size_t)(nl - line), &row, &e), 1, "%.*s: %s",
                         (int)(nl - line), line, e.text);
            cr_assert_lt(rows, 6);
            cr_assert_eq(row.ts_ms, want[rows].ms);
            cr_assert(slice_eq(row.price, want[rows].price));
            cr_assert(slice_eq(row.qty, want[rows].qty));
            cr_assert(slice_eq(row.uid, want[rows].uid));
            cr_assert_eq(row.side, want[rows].side);
            cr_assert_eq(row.flags, 0);
            rows++;
        }
    }
    cr_assert_eq(rows, 6);
    csv_release(&c);
    free(t);
}

Test(csv, booleans_in_any_case_and_reordered_columns)
{
    struct seen s;
    struct err e = {0};
    cr_assert_eq(parse_text(CSV_BINANCE,
                            "7,1.5,2,1,1,1700000000000,TRUE\n8,1.5,2,1,1,1700000000001,False", &s,
                            &e),
                 0);
    cr_assert_eq(s.n, 2);
    cr_assert_eq(s.side, SIDE_BUY);
    cr_assert_eq(parse_text(CSV_BINANCE,
                            "transact_time,is_buyer_maker,price,agg_trade_id,quantity\n"
                            "1700000000000,true,9.25,3,0.5\n",
                            &s, &e),
                 0);
    cr_assert_eq(s.first_id, 3);
    cr_assert_str_eq(s.price, "9.25");
    cr_assert_eq(s.side, SIDE_SELL);
}

Test(csv, refuses_what_is_none)
{
    static const char *const bad[] = {
        "x,1,2\n1,2,3\n",                   // a header without the columns
        "1,2,3,4,5,1700000000000,maybe\n",  // no boolean
        "1,2,3,4,5,-5,true\n",              // no time
        "1.5,2,3,4,5,1700000000000,true\n", // no id
        "1,2,3,4,5\n",                      // columns are missing
        "1,,3,4,5,1700000000000,true\n",    // no price
        "1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17\n",
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct seen s;
        struct err e = {0};
        cr_assert_lt(parse_text(CSV_BINANCE, bad[i], &s, &e), 0, "%s", bad[i]);
        cr_assert_neq(e.text[0], '\0');
    }
    char line[3000];
    struct seen s;
    struct err e = {0};
    memset(line, '1', sizeof line);
    cr_assert_lt(parse(CSV_BINANCE, line, sizeof line, 100, &s, &e), 0);
    // Too long is too long, whole or in pieces: here by a column that nobody reads.
    static const char row[] = "1,2,3,4,5,1700000000000,true,";
    memcpy(line, row, sizeof row - 1);
    line[1500] = '\n';
    cr_assert_lt(parse(CSV_BINANCE, line, 1501, 100, &s, &e), 0);
    cr_assert_lt(parse(CSV_BINANCE, line, 1501, 1501, &s, &e), 0);
}

Test(csv, the_quick_way_reads_what_the_careful_one_reads)
{
    static const char *const id[] = {"7", "0", "", "-1", "x", "1234567890123456789", "07"};
    static const char *const number[] = {"65000.1", "0.001", "", "1e3", "-1"};
    static const char *const time[] = {
        "1795132800001", "1795132800001000", "99999999999999", "100000000000000", "", "-5"};
    static const char *const side[] = {"true", "false", "True", "TRUE", "", "1", "true,false"};
    const size_t n[] = {sizeof id / sizeof id[0], sizeof number / sizeof number[0],
                        sizeof time / sizeof time[0], sizeof side / sizeof side[0]};
    struct csv quick, careful;
    size_t rows = 0;
    csv_init(&quick, CSV_BINANCE);
    csv_init(&careful, CSV_BINANCE);
    for (size_t k = 0; k < n[0] * n[1] * n[1] * n[2] * n[3]; k++) {
        char line[200];
        const size_t a = k % n[0], b = k / n[0] % n[1], c = k / n[0] / n[1] % n[1];
        const size_t d = k / n[0] / n[1] / n[1] % n[2], f = k / n[0] / n[1] / n[1] / n[2];
        struct csv_row x = {0}, y = {0};
        struct err e = {0};
        snprintf(line, sizeof line, "%s,%s,%s,1,2,%s,%s", id[a], number[b], number[c], time[d],
                 side[f]);
        quick.has_columns = careful.has_columns = true;
        const int columns[] = {0, 1, 2, 5, 6};
        const enum csv_role role[] = {CSV_ID, CSV_PRICE, CSV_QTY, CSV_TIME, CSV_SIDE};
        for (size_t i = 0; i < 5; i++) {
            quick.column[role[i]] = careful.column[role[i]] = columns[i];
        }
        quick.usual = true;
        const int rc = csv_line(&quick, line, strlen(line), &x, &e);
        cr_assert_eq(rc, csv_line(&careful, line, strlen(line), &y, &e), "%s", line);
        if (rc == 1) {
            rows++;
            cr_assert(x.id == y.id && x.ts_ms == y.ts_ms && x.side == y.side && x.flags == y.flags,
                      "%s", line);
            cr_assert(x.price.p == y.price.p && x.price.n == y.price.n && x.qty.p == y.qty.p &&
                          x.qty.n == y.qty.n,
                      "%s", line);
        }
    }
    cr_expect_gt(rows, 100);
    cr_expect_eq(quick.rows, careful.rows);
    csv_release(&quick);
    csv_release(&careful);
}

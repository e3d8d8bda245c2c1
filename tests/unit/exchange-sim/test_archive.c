// Daily files of the simulated venues: made in slices while others read the market, written in the
// form that was ordered, kept for the next question. And the list of requests.

#include "services/exchange-sim/core/archive.h"

#include <criterion/criterion.h>
#include <string.h>
#include <zlib.h>

#include "common/base/clock.h"
#include "common/base/str.h"
#include "services/exchange-sim/core/gen.h"
#include "services/exchange-sim/core/requests.h"

#define DAY INT64_C(1795219200000) // 2026-11-21
#define PER_DAY 6912
#define NOW (DAY + MS_PER_DAY + 3600000)

static const char zip[] = "/data/futures/um/daily/aggTrades/BTCUSDT/"
                          "BTCUSDT-aggTrades-2026-11-21.zip";
static const char gz[] = "/trading/BTCUSDT/BTCUSDT2026-11-21.csv.gz";

static struct market *m;
static struct archive a;

static void start(void)
{
    struct err e = {0};
    struct gen *g = gen_new(7, "BTCUSDT,ETHUSDT", 10, NOW, &e);
    cr_assert_not_null(g, "%s", e.text);
    m = gen_market(g);
    archive_init(&a);
}

static void stop(void)
{
    archive_release(&a);
    market_free(m);
}

TestSuite(archive, .init = start, .fini = stop);

// Asks until it is answered; how often it was told to ask again.
static int ask(const char *path, int64_t rows, struct buf *out, int *status)
{
    struct archive_answer told;
    int again = 0;
    struct sim_trade t;
    buf_clear(out);
    while ((*status = archive_answer(&a, m, NOW, path, rows, out, &told)) == 0) {
        cr_assert_lt(++again, 100000);
        // Somebody reads the same market in between.
        (void)m->ops->seek_id(m, 0, 5);
        (void)m->ops->read(m, 0, &t);
    }
    return again;
}

// The text of a gzip file.
static char *unpacked(const struct buf *b)
{
    z_stream z = {0};
    const size_t cap = (size_t)4 << 20;
    char *text = calloc(1, cap);
    cr_assert_eq(inflateInit2(&z, 15 + 16), Z_OK);
    const struct slice in = {buf_ptr(b), buf_len(b)};
    memcpy(&z.next_in, &in.p, sizeof in.p);
    z.avail_in = (unsigned)in.n;
    z.next_out = (unsigned char *)text;
    z.avail_out = (unsigned)cap - 1;
    cr_assert_eq(inflate(&z, Z_FINISH), Z_STREAM_END);
    inflateEnd(&z);
    return text;
}

static int64_t lines(const char *text)
{
    int64_t n = 0;
    for (const char *p = text; *p != '\0'; p++) {
        n += *p == '\n';
    }
    return n;
}

Test(archive, slices_make_the_file_that_one_go_makes)
{
    struct buf one, many;
    int status;
    buf_init(&one, ARCHIVE_MAX);
    buf_init(&many, ARCHIVE_MAX);
    cr_assert_eq(ask(zip, INT64_MAX, &one, &status), 1);
    cr_assert_eq(status, 200);
    cr_assert_eq(ask(zip, 1, &many, &status), 0, "it is kept");
    archive_release(&a);
    archive_init(&a);
    cr_assert_eq(ask(zip, 100, &many, &status), PER_DAY / 100 + 1);
    cr_assert_eq(buf_len(&one), buf_len(&many));
    cr_assert_eq(memcmp(buf_ptr(&one), buf_ptr(&many), buf_len(&one)), 0);
    buf_release(&one);
    buf_release(&many);
}

Test(archive, every_order_of_bybits_rows_holds_the_same_rows)
{
    struct buf b;
    int status;
    buf_init(&b, ARCHIVE_MAX);
    for (int order = ARCHIVE_ASC; order <= ARCHIVE_MIXED; order++) {
        const struct archive_rule r = {
            .form = {.order = (enum archive_order)order, .no_rpi = true}};
        cr_assert_eq(archive_order(&a, &r), 0);
        (void)ask(gz, 500, &b, &status);
        cr_assert_eq(status, 200);
        char *text = unpacked(&b);
        cr_assert_eq(lines(text), PER_DAY + 1);
        cr_assert(str_starts(text, "timestamp,symbol,side,size,price,tickDirection,trdMatchID,"
                                   "grossValue,homeNotional,foreignNotional\n"));
        const char *first = strchr(text, '\n') + 1, *second = strchr(first, '\n') + 1;
        const int cmp = strncmp(first, second, 15);
        cr_assert(order != ARCHIVE_DESC || cmp >= 0);
        cr_assert(order == ARCHIVE_DESC || cmp <= 0);
        free(text);
    }
    buf_release(&b);
}

Test(archive, the_newest_rule_that_fits_decides)
{
    struct buf b;
    int status;
    buf_init(&b, ARCHIVE_MAX);
    struct archive_rule r = {.venue = VENUE_BINANCE, .form = {.missing = true}};
    cr_assert_eq(archive_order(&a, &r), 0);
    (void)ask(zip, 5000, &b, &status);
    cr_assert_eq(status, 404);
    (void)ask(gz, 5000, &b, &status);
    cr_assert_eq(status, 200);
    r = (struct archive_rule){.form = {.drop = 2}};
    str_copy(r.day, sizeof r.day, "2026-11-21");
    cr_assert_eq(archive_order(&a, &r), 0);
    (void)ask(gz, 5000, &b, &status);
    char *text = unpacked(&b);
    cr_assert_eq(lines(text), PER_DAY / 2 + 1);
    free(text);
    str_copy(r.day, sizeof r.day, "2026-11-20");
    r.form.missing = true;
    cr_assert_eq(archive_order(&a, &r), 0);
    (void)ask(zip, 5000, &b, &status);
    cr_assert_eq(status, 200);
    while (a.rules < ARCHIVE_RULES) {
        cr_assert_eq(archive_order(&a, &r), 0);
    }
    cr_assert_neq(archive_order(&a, &r), 0);
    buf_release(&b);
}

Test(archive, two_at_once_both_come)
{
    struct archive_answer told;
    struct buf b;
    int first = 0, second = 0;
    buf_init(&b, ARCHIVE_MAX);
    for (int i = 0; i < 10000 && (first == 0 || second == 0); i++) {
        first = first != 0 ? first : archive_answer(&a, m, NOW, zip, 300, &b, &told);
        second = second != 0 ? second : archive_answer(&a, m, NOW, gz, 300, &b, &told);
    }
    cr_assert_eq(first, 200);
    cr_assert_eq(second, 200);
    cr_assert_eq(a.made, 2);
    buf_release(&b);
}

Test(archive, no_such_file)
{
    static const char *const paths[] = {
        "/data/futures/um/daily/aggTrades/BTCUSDT/BTCUSDT-aggTrades-2026-11-22.zip", // not over
        "/data/futures/um/daily/aggTrades/BTCUSDT/BTCUSDT-aggTrades-2026-13-01.zip",
        "/data/futures/um/daily/aggTrades/BTCUSDT/ETHUSDT-aggTrades-2026-11-21.zip",
        "/data/futures/um/daily/aggTrades/XXXUSDT/XXXUSDT-aggTrades-2026-11-21.zip",
        "/data/futures/um/daily/aggTrades/BTCUSDT/BTCUSDT-aggTrades-2026-11-21.zip.md5",
        "/data/futures/um/daily/aggTrades/",
        "/data/",
        "/trading/BTCUSDT/BTCUSDT2026-11-22.csv.gz",
        "/trading/BTCUSDT/BTCUSDT2026-11-21.csv.gz.CHECKSUM",
        "/trading/BTCUSDT/BTCUSDT-2026-11-21.csv.gz",
        "/trading/"};
    struct buf b;
    int status;
    buf_init(&b, ARCHIVE_MAX);
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
        cr_assert_eq(ask(paths[i], 100, &b, &status), 0, "%s", paths[i]);
        cr_assert_eq(status, 404, "%s", paths[i]);
        cr_assert(archive_is_path(paths[i]));
    }
    buf_release(&b);
}

Test(requests, a_line_tells_what_was_asked_and_answered)
{
    struct requests r;
    requests_init(&r);
    struct request q = {.wall_ms = 1700000000123,
                        .method = "GET",
                        .path = "/fapi/v1/aggTrades",
                        .query = "symbol=A,B&fromId=5",
                        .fault = "",
                        .status = 200,
                        .weight = 40,
                        .body =
                            slice_of("[{\"a\":5,\"p\":\"1\"},{\"a\":6,\"p\":\"1\"},{\"a\":9}]")};
    requests_add(&r, &q);
    q = (struct request){.method = "HEAD",
                         .path = "/x",
                         .query = "",
                         .fault = "torn",
                         .status = 404,
                         .weight = -1,
                         .body = slice_of("\"a\":7")};
    requests_add(&r, &q);
    cr_assert_str_eq(buf_cstr(&r.text),
                     "1,1700000000123,GET,/fapi/v1/aggTrades?symbol=A B&fromId=5,200,,40,3,5,9,41\n"
                     "2,0,HEAD,/x,404,torn,-1,0,-1,-1,5\n");
    requests_release(&r);
}

Test(requests, a_full_list_ends_with_a_whole_line)
{
    struct requests r;
    char query[900];
    requests_init(&r);
    memset(query, 'x', sizeof query);
    query[sizeof query - 1] = '\0';
    const struct request q = {.method = "GET", .path = "/", .query = query, .fault = ""};
    while (!r.full) {
        requests_add(&r, &q);
    }
    const size_t n = buf_len(&r.text);
    requests_add(&r, &q);
    cr_assert_eq(buf_len(&r.text), n);
    cr_assert_leq(n, REQUESTS_MAX);
    cr_assert_eq(buf_ptr(&r.text)[n - 1], '\n');
    requests_release(&r);
}

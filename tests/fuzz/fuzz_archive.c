// links: backfill
// Archives of the venues. The first byte says what it is: b, y, c lines of the three kinds, z ZIP,
// g gzip. The second how it is cut: pieces must give what the whole gives.

#include "services/backfill/core/csv.h"
#include "services/backfill/core/zip.h"
#include "tests/fuzz/fuzz.h"

struct sum {
    uint64_t rows, hash;
};

static void mix(struct sum *s, const void *p, size_t n)
{
    const unsigned char *c = p;
    for (size_t i = 0; i < n; i++) {
        s->hash = (s->hash ^ c[i]) * UINT64_C(1099511628211);
    }
}

static int on_row(void *arg, const struct csv_row *row, struct err *e)
{
    struct sum *s = arg;
    (void)e;
    s->rows++;
    CHECK(row->price.n > 0 && row->qty.n > 0 && row->ts_ms >= 0 && row->id >= 0);
    mix(s, &row->ts_ms, sizeof row->ts_ms);
    mix(s, row->price.p, row->price.n);
    mix(s, row->qty.p, row->qty.n);
    return 0;
}

static int lines(enum csv_kind kind, const char *p, size_t n, size_t piece, struct sum *s)
{
    struct csv c;
    struct err e = {0};
    int rc = 0;
    csv_init(&c, kind);
    while (n > 0 && rc == 0) {
        const size_t k = n < piece ? n : piece;
        rc = csv_feed(&c, p, k, on_row, s, &e);
        p += k;
        n -= k;
    }
    rc = rc ? rc : csv_end(&c, on_row, s, &e);
    CHECK(rc == 0 || e.text[0] != '\0');
    csv_release(&c);
    return rc;
}

static int on_bytes(void *arg, const char *bytes, size_t n, struct err *e)
{
    struct sum *s = arg;
    (void)e;
    mix(s, bytes, n);
    s->rows += n;
    CHECK(s->rows <= 65536);
    return 0;
}

static int member(enum zip_format f, const char *p, size_t n, size_t piece, struct sum *s)
{
    struct err e = {0};
    struct zip *z = zip_new(f, 65536, on_bytes, s);
    int rc = 0;
    while (n > 0 && rc == 0) {
        const size_t k = n < piece ? n : piece;
        rc = zip_feed(z, p, k, &e);
        p += k;
        n -= k;
    }
    rc = rc ? rc : zip_end(z, &e);
    CHECK(rc == 0 || e.text[0] != '\0');
    zip_free(z);
    return rc;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct sum whole = {0, 0}, cut = {0, 0};
    int a, b;
    if (size < 3) {
        return 0;
    }
    char *s = fuzz_copy(data + 2, size - 2);
    const size_t n = size - 2, piece = (size_t)data[1] + 1;
    if (data[0] == 'z' || data[0] == 'g') {
        const enum zip_format f = data[0] == 'z' ? ZIP_MEMBER : ZIP_GZIP;
        a = member(f, s, n, n, &whole);
        b = member(f, s, n, piece, &cut);
    } else {
        const enum csv_kind k = data[0] == 'y'   ? CSV_BYBIT
                                : data[0] == 'c' ? CSV_CCXT
                                                 : CSV_BINANCE;
        a = lines(k, s, n, n, &whole);
        b = lines(k, s, n, piece, &cut);
    }
    CHECK((a == 0) == (b == 0));
    CHECK(a != 0 || (whole.rows == cut.rows && whole.hash == cut.hash));
    free(s);
    return 0;
}

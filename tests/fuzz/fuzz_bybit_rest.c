// links: collector
// Bodies of Bybit's REST. The first byte says which: r recent-trade, i instruments-info, t time.

#include "services/collector/core/bybit_rest.h"
#include "services/collector/core/exinfo.h"
#include "services/collector/core/overlap.h"
#include "tests/fuzz/fuzz_instrument.h"

#define ROWS 16

static void recent(const char *s, size_t n)
{
    static struct overlap_row row[ROWS];
    struct err e = {0};
    void *tree = NULL;
    size_t rows = 0;
    if (bybit_recent_parse(s, n, "BTCUSDT", row, ROWS, &rows, &tree, &e) != 0) {
        CHECK(e.text[0] != '\0');
        return;
    }
    CHECK(rows <= ROWS);
    for (size_t i = 0; i < rows; i++) {
        CHECK(row[i].ts_ms >= 0 && row[i].seq >= 0 && row[i].side <= SIDE_SELL);
        CHECK(row[i].uid.hi != 0 || row[i].uid.lo != 0);
        CHECK(strnlen(row[i].price.p, row[i].price.n) == row[i].price.n);
        CHECK(strnlen(row[i].qty.p, row[i].qty.n) == row[i].qty.n);
    }
    bybit_recent_release(tree);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct exinfo info;
    struct instrument ins = fuzz_instrument(VENUE_BYBIT);
    char cursor[BYBIT_CURSOR_MAX];
    struct err e = {0};
    int64_t ms;
    if (size == 0) {
        return 0;
    }
    char *s = fuzz_copy(data + 1, size - 1);
    if (data[0] == 'r') {
        recent(s, size - 1);
    } else if (data[0] == 'i') {
        const int rc = bybit_instrument_find(s, size - 1, &ins, &info, cursor, &e);
        CHECK(rc != 1 || (ins.bin_ticks > 0 && ins.price_scale <= 10 && ins.qty_scale <= 10));
        CHECK(rc != 0 || strlen(cursor) < sizeof cursor);
        CHECK(rc >= 0 || e.text[0] != '\0');
    } else {
        CHECK(bybit_server_time(s, size - 1, &ms, &e) == 0 || e.text[0] != '\0');
    }
    free(s);
    return 0;
}

// links: collector
// Bodies of the venues' REST. The first byte says which: a aggTrades page, e exchangeInfo, t time,
// w weight limit, o open interest.

#include "services/collector/core/deriv.h"
#include "services/collector/core/exinfo.h"
#include "services/collector/core/repair.h"
#include "tests/fuzz/fuzz_instrument.h"

#define LO INT64_C(3454067270)
#define HI (LO + 5)

struct told {
    int64_t next; // first id not told of yet
};

static bool emit(void *arg, const struct history *h)
{
    struct told *t = arg;
    const struct instrument ins = fuzz_instrument(VENUE_BINANCE);
    struct trade trade;
    size_t pos = 0;
    int64_t n = 0;
    int rc;
    CHECK(h->from_id >= t->next && h->from_id <= h->to_id && h->to_id <= HI);
    t->next = h->to_id + 1;
    while ((rc = history_next(h, &ins, &pos, &trade)) != 0) {
        CHECK(rc == 1 && trade.id >= h->from_id && trade.id <= h->to_id);
        n++;
    }
    CHECK(h->kind == HISTORY_LOST ? n == 0 : n == h->n);
    return true;
}

static void page(const char *s, size_t n)
{
    const struct instrument ins = fuzz_instrument(VENUE_BINANCE);
    const struct repair_opts o = {.max_holes = 10,
                                  .retry_min_ms = 10,
                                  .retry_max_ms = 10,
                                  .max_tries = 3,
                                  .reach_ms = INT64_C(172800000)};
    struct repair r;
    struct told t = {LO};
    int64_t from;
    repair_init(&r, &o);
    repair_add(&r, LO, HI, INT64_C(1789655280000), INT64_C(1789655290000), 1);
    CHECK(repair_next(&r, 1000, &from) && from == LO && repair_ask(&r, from));
    const char *why = repair_answer(&r, &ins, s, n, 1000, emit, &t);
    CHECK(why == NULL || t.next == LO); // an answer that is not believed says nothing
    repair_release(&r);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct exinfo info;
    if (size == 0) {
        return 0;
    }
    char *s = fuzz_copy(data + 1, size - 1);
    const size_t n = size - 1;
    struct instrument ins = fuzz_instrument(VENUE_BINANCE);
    char value[LIQ_TEXT];
    int64_t v;
    switch (data[0]) {
    case 'a':
        page(s, n);
        break;
    case 'e':
        if (exinfo_find(s, n, &ins, &info, NULL) == 1) {
            CHECK(ins.bin_ticks > 0 && ins.price_scale <= 10 && ins.qty_scale <= 10);
            CHECK(strlen(info.raw) <= EXINFO_RAW_MAX);
        }
        break;
    case 't':
        (void)!exinfo_server_time(s, n, &v, NULL);
        break;
    case 'w':
        CHECK(exinfo_weight_limit(s, n) >= 0);
        break;
    default:
        if (deriv_read_open_interest(s, n, "BTCUSDT", value, &v) == 0) {
            CHECK(strlen(value) < LIQ_TEXT);
        }
        break;
    }
    free(s);
    return 0;
}

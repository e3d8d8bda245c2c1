// Entries of the streams, as anybody could have written them: first byte b or y (venue), then a
// letter: t trade, h history, l liquidation; then the entry's id, a line, then lines "name value".
// "\1" in a value stands for a line break.

#include "common/market/liquidation.h"
#include "common/market/trade.h"
#include "tests/fuzz/fuzz_instrument.h"

static void history(const struct instrument *ins, const struct slice *kv, size_t pairs)
{
    struct history h;
    struct trade t;
    size_t pos = 0, n = 0, before = 0;
    int rc;
    if (history_from_entry(kv, pairs, &h, NULL) != 0) {
        return;
    }
    CHECK(h.from_id <= h.to_id && h.from_ms >= 0 && h.to_ms >= 0 && h.n >= 0);
    CHECK(strlen(h.source) < sizeof h.source && strlen(h.reason) < sizeof h.reason);
    if (!history_fits(&h, ins)) {
        return;
    }
    while ((rc = history_next(&h, ins, &pos, &t)) != 0) {
        CHECK(pos > before && pos <= h.data.n);
        before = pos;
        n++;
        CHECK(rc < 0 || (t.price > 0 && t.qty > 0 && t.ts_ms >= 0));
        CHECK(rc < 0 || history_is_by_time(&h) || (t.id >= h.from_id && t.id <= h.to_id));
    }
    CHECK(h.kind != HISTORY_TRADES || (int64_t)n == h.n);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice kv[32];
    if (size < 2) {
        return 0;
    }
    char *s = fuzz_copy(data + 2, size - 2);
    const size_t n = size - 2;
    const char *nl = memchr(s, '\n', n);
    const struct slice id = {s, nl ? (size_t)(nl - s) : n};
    const size_t got = nl ? fuzz_pairs(nl + 1, (size_t)(s + n - nl - 1), kv, 32) : 0;
    for (char *p = s; p < s + n; p++) {
        if (*p == '\1') {
            *p = '\n';
        }
    }
    const struct instrument ins = fuzz_instrument(data[0] == 'y' ? VENUE_BYBIT : VENUE_BINANCE);
    struct trade t;
    struct liquidation l;
    int64_t rx;
    if (data[1] == 't') {
        if (trade_from_entry(&ins, id, kv, got / 2, &t, &rx) == 0) {
            CHECK(t.price > 0 && t.qty > 0 && t.ts_ms >= 0 && t.id >= 0 && t.side <= SIDE_SELL);
        }
    } else if (data[1] == 'h') {
        history(&ins, kv, got / 2);
    } else if (liquidation_from_entry(id, kv, got / 2, &l) == 0) {
        int64_t v;
        CHECK(l.ts_ms > 0 && number_kind(slice_of(l.price)) == REFUSE_NONE);
        CHECK(number_kind(slice_of(l.qty)) == REFUSE_NONE);
        CHECK(number_floor(l.price, 2, &v) != 0 || v >= 0);
    }
    free(s);
    return 0;
}

// The summary of a day, of either venue, as an entry of :history brings it. Length and checksum are
// put right first, or nothing would ever come behind them. What is accepted is a whole day that is
// at one with itself, and written out it is accepted again and comes out the same.

#include <inttypes.h>
#include <zlib.h>

#include "common/market/summary.h"
#include "tests/fuzz/fuzz_instrument.h"

#define END_MAX 64

// The input with a last line that is right, in place of the one it has.
static char *sealed(const uint8_t *data, size_t size, size_t *n)
{
    char *s = malloc(size + END_MAX);
    CHECK(s != NULL);
    memcpy(s, data, size);
    size_t before = size;
    while (before > 0 &&
           !(s[before - 1] == '\n' && size - before >= 4 && memcmp(s + before, "end ", 4) == 0)) {
        before--;
    }
    before = before > 0 ? before : size;
    const uint32_t crc = (uint32_t)crc32(0, (const unsigned char *)s, (unsigned)before);
    *n = before + (size_t)snprintf(s + before, END_MAX, "end %zu %08" PRIx32 "\n", before, crc);
    return s;
}

static void check(const struct instrument *ins, const char *text, size_t n)
{
    struct summary s, t;
    struct summary_head head;
    struct buf a, b;
    summary_init(&s);
    summary_init(&t);
    buf_init(&a, SUMMARY_TEXT_MAX + END_MAX);
    buf_init(&b, SUMMARY_TEXT_MAX + END_MAX);
    if (summary_parse(&s, ins, text, n, NULL) != 0) {
        CHECK(day_is_empty_slot(&s.day));
        CHECK(s.name == NULL && s.candle[0] == NULL && s.minutes.n == 0);
    } else {
        CHECK(day_is_consistent(&s.day) && s.day.trades > 0 && s.day.sealed > 0);
        CHECK(summary_peek(ins, text, n, &head, NULL) == 0);
        CHECK(head.start_ms == s.day.start_ms && (uint64_t)head.trades == s.day.trades);
        CHECK(summary_format(&s, ins, &a) == 0);
        CHECK(summary_parse(&t, ins, buf_ptr(&a), buf_len(&a), NULL) == 0);
        CHECK(summary_format(&t, ins, &b) == 0);
        CHECK(buf_len(&a) == buf_len(&b) && memcmp(buf_ptr(&a), buf_ptr(&b), buf_len(&a)) == 0);
    }
    summary_release(&s);
    summary_release(&t);
    buf_release(&a);
    buf_release(&b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct instrument binance = fuzz_instrument(VENUE_BINANCE);
    const struct instrument bybit = fuzz_instrument(VENUE_BYBIT);
    size_t n;
    char *s = sealed(data, size, &n);
    check(&binance, s, n);
    check(&bybit, s, n);
    free(s);
    return 0;
}

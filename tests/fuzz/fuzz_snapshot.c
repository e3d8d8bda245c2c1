// The body of GET depth: scanner against jansson, then into a book that must never be shown
// crossed.

#include "common/feed/frame.h"
#include "tests/fuzz/fuzz.h"

static struct frame_space space_a, space_b;

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *s = fuzz_copy(data, size);
    struct frame a, b;
    memset(&a, 0, sizeof a);
    if (frame_scan_snapshot(s, size, &space_a, &a)) {
        // A blank in front makes the scanner refuse: jansson takes it.
        char *other = malloc(size + 2);
        CHECK(other != NULL);
        other[0] = ' ';
        memcpy(other + 1, s, size + 1);
        frame_decode_snapshot(other, size + 1, &space_b, &b);
        CHECK(b.kind == FRAME_BOOK && a.last_id == b.last_id && a.event_ms == b.event_ms &&
              a.trade_ms == b.trade_ms && a.n_bids == b.n_bids && a.n_asks == b.n_asks);
        for (size_t i = 0; i < a.n_bids; i++) {
            CHECK(fuzz_same(a.bids[i].price, b.bids[i].price) &&
                  fuzz_same(a.bids[i].qty, b.bids[i].qty));
        }
        for (size_t i = 0; i < a.n_asks; i++) {
            CHECK(fuzz_same(a.asks[i].price, b.asks[i].price) &&
                  fuzz_same(a.asks[i].qty, b.asks[i].qty));
        }
        frame_release(&b);
        free(other);
    }
    frame_decode_snapshot(s, size, &space_a, &a);
    CHECK(a.kind == FRAME_BOOK || a.kind == FRAME_MALFORMED);
    CHECK(a.kind != FRAME_BOOK || (a.snapshot && a.n_bids + a.n_asks <= FRAME_LEVELS_MAX));
    frame_release(&a);
    free(s);
    return 0;
}

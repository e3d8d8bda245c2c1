// Frames of Binance. Whatever a scanner accepts jansson decodes alike, and what a decoder hands out
// lies within the message or the tree it keeps.

#include "common/feed/frame.h"
#include "tests/fuzz/fuzz.h"

static struct frame_space space_a, space_b;

static void same_levels(const struct frame_level *a, const struct frame_level *b, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        CHECK(fuzz_same(a[i].price, b[i].price) && fuzz_same(a[i].qty, b[i].qty));
    }
}

static void same_frame(const struct frame *a, const struct frame *b)
{
    CHECK(a->kind == b->kind && a->event_ms == b->event_ms && a->trade_ms == b->trade_ms);
    CHECK(fuzz_same(a->symbol, b->symbol));
    if (a->kind == FRAME_BOOK) {
        CHECK(a->first_id == b->first_id && a->last_id == b->last_id && a->prev_id == b->prev_id);
        CHECK(a->n_bids == b->n_bids && a->n_asks == b->n_asks && a->snapshot == b->snapshot);
        same_levels(a->bids, b->bids, a->n_bids);
        same_levels(a->asks, b->asks, a->n_asks);
        return;
    }
    CHECK(a->market == b->market && a->id == b->id && a->maker == b->maker);
    CHECK(fuzz_same(a->price, b->price) && fuzz_same(a->qty, b->qty) &&
          fuzz_same(a->exec, b->exec));
}

static void touch(struct slice s)
{
    CHECK(s.n == 0 || memchr(s.p, 1, s.n) != s.p - 1); // reads all of it
}

static void look(void *arg, const struct frame *f)
{
    size_t *n = arg;
    ++*n;
    CHECK(f->kind <= FRAME_MARK);
    if (f->kind <= FRAME_OTHER) {
        return;
    }
    touch(f->symbol);
    CHECK(f->event_ms >= 0 && f->trade_ms >= 0);
    if (f->kind == FRAME_BOOK) {
        CHECK(f->n_bids + f->n_asks <= FRAME_LEVELS_MAX);
        for (size_t i = 0; i < f->n_bids; i++) {
            touch(f->bids[i].price);
            touch(f->bids[i].qty);
        }
        for (size_t i = 0; i < f->n_asks; i++) {
            touch(f->asks[i].price);
            touch(f->asks[i].qty);
        }
    }
    if (f->kind == FRAME_MARK) {
        touch(f->mark);
        touch(f->index);
        touch(f->settle);
        touch(f->funding);
    } else if (f->kind != FRAME_BOOK) {
        touch(f->price);
        touch(f->qty);
        touch(f->kind == FRAME_LIQUIDATION ? f->order_price : f->exec);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *s = fuzz_copy(data, size);
    struct frame a, b;
    size_t events = 0;
    memset(&a, 0, sizeof a);
    if (frame_scan(s, size, &a)) {
        frame_parse_json(s, size, &space_b, &b);
        same_frame(&a, &b);
        frame_release(&b);
    }
    memset(&a, 0, sizeof a);
    if (frame_scan_depth(s, size, &space_a, &a)) {
        frame_parse_json(s, size, &space_b, &b);
        same_frame(&a, &b);
        frame_release(&b);
    }
    frame_decode_each(s, size, &space_a, look, &events);
    CHECK(events > 0);
    free(s);
    return 0;
}

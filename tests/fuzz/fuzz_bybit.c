// links: collector
// Messages of Bybit: what its scanners accept jansson decodes to the same events.

#include "common/feed/bybit.h"
#include "services/collector/core/connector.h"
#include "tests/fuzz/fuzz.h"

#define EVENTS 4096
static struct frame_space space_a, space_b;

struct seen {
    size_t n;
    uint64_t sum; // of all that was told, in order
};

static void mix(struct seen *s, const void *p, size_t n)
{
    const unsigned char *c = p;
    for (size_t i = 0; i < n; i++) {
        s->sum = (s->sum ^ c[i]) * UINT64_C(1099511628211);
    }
    s->sum = (s->sum ^ n) * UINT64_C(1099511628211);
}

static void mix_slice(struct seen *s, struct slice v)
{
    mix(s, v.n > 0 ? v.p : "", v.n);
}

static void mix_i64(struct seen *s, int64_t v)
{
    mix(s, &v, sizeof v);
}

static void note(void *arg, const struct frame *f)
{
    struct seen *s = arg;
    s->n++;
    CHECK(s->n <= EVENTS + FRAME_LEVELS_MAX && f->kind <= FRAME_MARK);
    mix_i64(s, (int64_t)f->kind);
    if (f->kind <= FRAME_OTHER) {
        return;
    }
    mix_slice(s, f->symbol);
    mix_i64(s, f->event_ms);
    mix_i64(s, f->trade_ms);
    if (f->kind == FRAME_BOOK) {
        mix_i64(s, f->first_id);
        mix_i64(s, f->last_id);
        mix_i64(s, f->snapshot);
        CHECK(f->n_bids + f->n_asks <= FRAME_LEVELS_MAX);
        for (size_t i = 0; i < f->n_bids + f->n_asks; i++) {
            const struct frame_level *l = i < f->n_bids ? &f->bids[i] : &f->asks[i - f->n_bids];
            mix_slice(s, l->price);
            mix_slice(s, l->qty);
        }
        return;
    }
    mix_slice(s, f->price);
    mix_slice(s, f->qty);
    if (f->kind == FRAME_UID_TRADE) {
        CHECK(f->uid.n == 36 && bybit_is_uid(f->uid));
        mix_slice(s, f->uid);
        mix_i64(s, f->seq);
        mix_i64(s, f->flags);
        mix_i64(s, f->maker);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *s = fuzz_copy(data, size);
    struct seen a = {0, 0}, b = {0, 0}, c = {0, 0};
    if (bybit_scan_trades(s, size, &space_a, note, &a) ||
        bybit_scan_book(s, size, &space_a, note, &a)) {
        bybit_parse_json(s, size, &space_b, note, &b);
        CHECK(a.n == b.n && a.sum == b.sum);
    } else {
        CHECK(a.n == 0);
    }
    bybit_decode(s, size, &space_a, note, &c);
    CHECK(c.n > 0);
    struct seen d = {0, 0}; // the local feed takes the messages of both venues
    connector_hft.decode(s, size, &space_a, note, &d);
    free(s);
    return 0;
}

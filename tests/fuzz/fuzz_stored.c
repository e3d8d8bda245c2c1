// links: strategy
// State read back from Redis. The first byte says which: d day ("name value" lines), p profile,
// c candle, l liquidation clusters. What is accepted is written out as something that is accepted
// again and then comes out the same.

#include "common/base/buf.h"
#include "common/market/candle.h"
#include "common/market/day.h"
#include "services/strategy/core/liq.h"
#include "tests/fuzz/fuzz_instrument.h"

#define DAY INT64_C(1723075200000)
#define PAIRS 128

struct text {
    struct buf b;
    const char *kv[2 * PAIRS];
    struct slice s[2 * PAIRS];
    size_t n, at[2 * PAIRS];
};

static void keep(void *arg, const char *field, const char *value, size_t n)
{
    struct text *t = arg;
    if (t->n + 2 > 2 * PAIRS) {
        return;
    }
    t->at[t->n] = buf_len(&t->b);
    buf_add(&t->b, field, strlen(field) + 1);
    t->at[t->n + 1] = buf_len(&t->b);
    buf_add(&t->b, value, n);
    buf_addc(&t->b, '\0');
    t->n += 2;
}

static void point(struct text *t)
{
    for (size_t i = 0; i < t->n; i++) {
        t->kv[i] = buf_ptr(&t->b) + t->at[i];
        t->s[i] = slice_of(t->kv[i]);
    }
}

static void read_lines(struct text *t, const char *s, size_t n)
{
    struct slice kv[2 * PAIRS];
    const size_t got = fuzz_pairs(s, n, kv, 2 * PAIRS);
    for (size_t i = 0; i + 1 < got; i += 2) {
        char name[256];
        if (str_copyn(name, sizeof name, kv[i].p, kv[i].n)) {
            keep(t, name, kv[i + 1].p, kv[i + 1].n);
        }
    }
    point(t);
}

static void same(const struct text *a, const struct text *b)
{
    CHECK(buf_len(&a->b) == buf_len(&b->b));
    CHECK(memcmp(buf_ptr(&a->b), buf_ptr(&b->b), buf_len(&a->b)) == 0);
}

static void day(const struct instrument *ins, struct text *in, struct text *a, struct text *b)
{
    struct day d, e;
    day_init(&d);
    day_init(&e);
    if (day_from_fields(&d, ins, DAY, in->kv, in->n / 2, NULL) == 0) {
        day_to_fields(&d, ins, keep, a);
        point(a);
        CHECK(day_from_fields(&e, ins, DAY, a->kv, a->n / 2, NULL) == 0);
        day_to_fields(&e, ins, keep, b);
        same(a, b);
    } else {
        CHECK(day_is_empty_slot(&d));
    }
    day_release(&d);
    day_release(&e);
}

static void profile(const struct instrument *ins, struct text *in)
{
    struct day d;
    day_init(&d);
    day_start(&d, DAY, ins->bin_ticks);
    for (size_t i = 0; i + 1 < in->n; i += 2) {
        (void)!day_set_bin(&d, ins, in->kv[i], in->kv[i + 1], NULL);
    }
    (void)day_is_consistent(&d);
    day_release(&d);
}

static void candle(const struct instrument *ins, const char *s, size_t n, struct text *a,
                   struct text *b)
{
    struct candle c, e;
    if (candle_from_json(&c, ins, ins->bin_ticks, s, n, NULL) != 0) {
        return;
    }
    candle_to_json(&c, ins, ins->bin_ticks, -1, &a->b);
    CHECK(candle_from_json(&e, ins, ins->bin_ticks, buf_ptr(&a->b), buf_len(&a->b), NULL) == 0);
    candle_to_json(&e, ins, ins->bin_ticks, -1, &b->b);
    same(a, b);
}

static void clusters(const struct instrument *ins, struct text *in, struct text *a, struct text *b)
{
    struct liq q, r;
    liq_init(&q, ins, "100");
    liq_init(&r, ins, "100");
    if (liq_restore(&q, in->s, in->n / 2, NULL) == 0 && q.n_bins < PAIRS - 10) {
        liq_fields(&q, true, keep, a);
        point(a);
        CHECK(liq_restore(&r, a->s, a->n / 2, NULL) == 0);
        liq_fields(&r, true, keep, b);
        same(a, b);
    }
    liq_release(&q);
    liq_release(&r);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct text in, a, b;
    if (size == 0) {
        return 0;
    }
    char *s = fuzz_copy(data + 1, size - 1);
    const struct instrument ins = fuzz_instrument(VENUE_BINANCE);
    struct text *all[] = {&in, &a, &b};
    for (int i = 0; i < 3; i++) {
        buf_init(&all[i]->b, (size_t)1 << 20);
        all[i]->n = 0;
    }
    if (data[0] == 'c') {
        candle(&ins, s, size - 1, &a, &b);
    } else {
        read_lines(&in, s, size - 1);
        if (data[0] == 'd') {
            day(&ins, &in, &a, &b);
        } else if (data[0] == 'p') {
            profile(&ins, &in);
        } else {
            clusters(&ins, &in, &a, &b);
        }
    }
    for (int i = 0; i < 3; i++) {
        buf_release(&all[i]->b);
    }
    free(s);
    return 0;
}

// Faults of the feed: what is sent, in which order, and that each broken frame is broken.

#include "services/exchange-sim/core/faults.h"

#include <criterion/criterion.h>
#include <jansson.h>
#include <string.h>

#include "common/base/str.h"

struct sent {
    int64_t id[64];
    size_t n;
};

static void emit(void *arg, struct wire_key key, const char *p, size_t n)
{
    struct sent *s = arg;
    (void)key;
    cr_assert_eq(parse_i64(p, n, &s->id[s->n++]), 0);
}

static void pass_one(struct faults *f, struct sent *s, struct wire_key key, int64_t id, int64_t now)
{
    char text[24];
    faults_pass(f, key, text, fmt_i64(text, id), now, emit, s);
}

static const struct wire_key first = {0, SIM_TRADE, 0};
static const struct wire_key second = {1, SIM_TRADE, 0};

static void pass(struct faults *f, struct sent *s, int64_t from, int64_t to, int64_t now)
{
    for (int64_t id = from; id <= to; id++) {
        pass_one(f, s, first, id, now);
    }
}

static void expect(const struct sent *s, size_t n, const int64_t *ids)
{
    cr_assert_eq(s->n, n, "%zu sent", s->n);
    for (size_t i = 0; i < n; i++) {
        cr_assert_eq(s->id[i], ids[i], "at %zu: %lld", i, (long long)s->id[i]);
    }
}
#define EXPECT(s, ...)                                                                             \
    expect(s, sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t), (int64_t[]){__VA_ARGS__})

Test(faults, none_passes_all)
{
    struct faults f = {0};
    struct sent s = {0};
    pass(&f, &s, 1, 3, 0);
    EXPECT(&s, 1, 2, 3);
    faults_release(&f);
}

Test(faults, skip_leaves_exactly_n_out)
{
    struct faults f = {0};
    struct sent s = {0};
    faults_skip(&f, SIM_TRADE, 2);
    pass(&f, &s, 1, 5, 0);
    EXPECT(&s, 3, 4, 5);
    cr_assert_eq(f.skipped, 2);
    faults_release(&f);
}

Test(faults, duplicate_sends_n_twice)
{
    struct faults f = {0};
    struct sent s = {0};
    faults_duplicate(&f, SIM_TRADE, 2);
    pass(&f, &s, 1, 3, 0);
    EXPECT(&s, 1, 1, 2, 2, 3);
    faults_release(&f);
}

Test(faults, reorder_sends_n_backwards)
{
    struct faults f = {0};
    struct sent s = {0};
    faults_reorder(&f, SIM_TRADE, 3);
    pass(&f, &s, 1, 2, 0);
    cr_assert_eq(s.n, 0);
    cr_assert(faults_holding(&f));
    pass(&f, &s, 3, 4, 0);
    EXPECT(&s, 3, 2, 1, 4);
    cr_assert(!faults_holding(&f));
    faults_release(&f);
}

Test(faults, the_end_of_the_feed_lets_everything_go)
{
    struct faults f = {0};
    struct sent s = {0};
    faults_reorder(&f, SIM_TRADE, 10);
    pass(&f, &s, 1, 3, 0);
    faults_flush(&f, emit, &s);
    EXPECT(&s, 3, 2, 1);
    pass(&f, &s, 4, 4, 0);
    EXPECT(&s, 3, 2, 1, 4);
    faults_release(&f);
}

Test(faults, a_stalled_stream_loses_or_keeps)
{
    struct faults f = {0};
    struct sent s = {0};
    faults_stall(&f, first, 1000, false);
    pass(&f, &s, 1, 2, 999);
    pass(&f, &s, 3, 3, 1000);
    EXPECT(&s, 3);
    cr_assert_eq(f.stall_dropped, 2);

    s.n = 0;
    faults_stall(&f, first, 2000, true);
    pass(&f, &s, 4, 5, 1999);
    cr_assert_eq(s.n, 0);
    faults_tick(&f, 1999, emit, &s);
    cr_assert_eq(s.n, 0);
    faults_tick(&f, 2000, emit, &s);
    EXPECT(&s, 4, 5);
    faults_release(&f);
}

Test(faults, late_trades_come_before_new_ones)
{
    struct faults f = {0};
    struct sent s = {0};
    faults_stall(&f, first, 1000, true);
    pass(&f, &s, 1, 2, 0);
    pass(&f, &s, 3, 3, 1500);
    EXPECT(&s, 1, 2, 3);
    faults_release(&f);
}

Test(faults, one_stalled_lane_does_not_hold_another)
{
    struct faults f = {0};
    struct sent s = {0};
    faults_stall(&f, second, 1000, false);
    pass(&f, &s, 1, 2, 0);
    pass_one(&f, &s, second, 9, 0);
    EXPECT(&s, 1, 2);
    faults_release(&f);
}

Test(faults, an_order_meets_its_own_kind_alone)
{
    struct faults f = {0};
    struct sent s = {0};
    faults_skip(&f, SIM_DEPTH, 1);
    faults_duplicate(&f, SIM_MARK, 1);
    pass(&f, &s, 1, 1, 0);
    pass_one(&f, &s, (struct wire_key){0, SIM_DEPTH, 3}, 2, 0);
    pass_one(&f, &s, (struct wire_key){0, SIM_DEPTH, 3}, 3, 0);
    pass_one(&f, &s, (struct wire_key){0, SIM_MARK, 0}, 4, 0);
    EXPECT(&s, 1, 3, 4, 4);
    faults_release(&f);
}

Test(faults, every_kind_of_broken_frame_is_made)
{
    struct sim_trade t = {.id = 41,
                          .t_ms = 1700000000000,
                          .e_ms = 1700000000001,
                          .price = "61800.30",
                          .qty = "0.006"};
    struct buf b;
    buf_init(&b, 8 << 20);
    for (const char *const *k = fault_kinds; *k != NULL; k++) {
        for (int64_t nth = 0; nth < 12; nth++) {
            buf_clear(&b);
            cr_assert(fault_malformed(&b, *k, nth, &t, "BTCUSDT"), "%s", *k);
            cr_assert_gt(buf_len(&b), 0, "%s", *k);
            cr_assert(!b.failed);
        }
    }
    cr_assert(!fault_malformed(&b, "nosuch", 0, &t, "BTCUSDT"));
    buf_clear(&b);
    cr_assert(fault_malformed(&b, "negative", 0, &t, "BTCUSDT"));
    json_t *j = json_loadb(buf_ptr(&b), buf_len(&b), 0, NULL);
    cr_assert_eq(json_integer_value(json_object_get(j, "a")), 42, "the id that comes next");
    cr_assert_str_eq(json_string_value(json_object_get(j, "p")), "-61800.30");
    json_decref(j);
    buf_clear(&b);
    cr_assert(fault_malformed(&b, "truncated", 0, &t, "BTCUSDT"));
    cr_assert(json_loadb(buf_ptr(&b), buf_len(&b), 0, NULL) == NULL);
    buf_clear(&b);
    cr_assert(fault_malformed(&b, "oversize", 0, &t, "BTCUSDT"));
    cr_assert_gt(buf_len(&b), (size_t)4 << 20);
    buf_release(&b);
}

// Faults of the feed: what is sent, in which order, and that each broken frame is broken.

#include "services/exchange-sim/core/faults.h"

#include <criterion/criterion.h>
#include <jansson.h>
#include <string.h>

struct sent {
    int64_t id[64];
    size_t n;
};

static void emit(void *arg, const struct sim_trade *t)
{
    struct sent *s = arg;
    s->id[s->n++] = t->id;
}

static void pass(struct faults *f, struct sent *s, int64_t from, int64_t to, int64_t now)
{
    for (int64_t id = from; id <= to; id++) {
        struct sim_trade t = {.id = id};
        faults_pass(f, &t, now, emit, s);
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
    struct faults f = {.skip = 2};
    struct sent s = {0};
    pass(&f, &s, 1, 5, 0);
    EXPECT(&s, 3, 4, 5);
    cr_assert_eq(f.skipped, 2);
    faults_release(&f);
}

Test(faults, duplicate_sends_n_twice)
{
    struct faults f = {.duplicate = 2};
    struct sent s = {0};
    pass(&f, &s, 1, 3, 0);
    EXPECT(&s, 1, 1, 2, 2, 3);
    faults_release(&f);
}

Test(faults, reorder_sends_n_backwards)
{
    struct faults f = {0};
    struct sent s = {0};
    faults_reorder(&f, 3);
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
    faults_reorder(&f, 10);
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
    faults_stall(&f, 0, 1000, false);
    pass(&f, &s, 1, 2, 999);
    pass(&f, &s, 3, 3, 1000);
    EXPECT(&s, 3);
    cr_assert_eq(f.stall_dropped, 2);

    s.n = 0;
    faults_stall(&f, 0, 2000, true);
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
    faults_stall(&f, 0, 1000, true);
    pass(&f, &s, 1, 2, 0);
    pass(&f, &s, 3, 3, 1500);
    EXPECT(&s, 1, 2, 3);
    faults_release(&f);
}

Test(faults, one_stalled_lane_does_not_hold_another)
{
    struct faults f = {0};
    struct sent s = {0};
    faults_stall(&f, 1, 1000, false);
    pass(&f, &s, 1, 2, 0);
    struct sim_trade other = {.id = 9, .lane = 1};
    faults_pass(&f, &other, 0, emit, &s);
    EXPECT(&s, 1, 2);
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

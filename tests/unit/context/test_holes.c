#include <criterion/criterion.h>
#include <string.h>

#include "common/base/str.h"
#include "services/context/core/holes.h"

static struct holes h;
static struct buf out;

static void setup(void)
{
    holes_clear(&h);
    buf_init(&out, 1 << 20);
}

static void teardown(void)
{
    buf_release(&out);
}

TestSuite(holes, .init = setup, .fini = teardown);

static const char *repaired(void)
{
    buf_clear(&out);
    holes_repaired_json(&h, &out);
    return buf_cstr(&out);
}

Test(holes, repaired_ranges_that_touch_are_one)
{
    holes_add_repaired(&h, 100, 200);
    holes_add_repaired(&h, 300, 400);
    cr_assert_str_eq(repaired(), "[[100,200],[300,400]]");
    holes_add_repaired(&h, 200, 300);
    cr_assert_str_eq(repaired(), "[[100,400]]");
    holes_add_repaired(&h, 50, 60);
    holes_add_repaired(&h, 10, 1000);
    cr_assert_str_eq(repaired(), "[[10,1000]]");
    holes_add_repaired(&h, 20, 30);
    cr_assert_str_eq(repaired(), "[[10,1000]]");
}

Test(holes, a_range_of_one_instant_is_a_millisecond)
{
    holes_add_repaired(&h, 7, 7);
    cr_assert_str_eq(repaired(), "[[7,8]]");
}

Test(holes, repaired_ranges_are_bounded_and_the_newest_stay)
{
    for (int64_t i = 0; i < 2 * HOLES_REPAIRED; i++) {
        holes_add_repaired(&h, 10 * i, 10 * i + 1);
    }
    cr_assert_eq(h.n_repaired, HOLES_REPAIRED);
    cr_assert_eq(h.repaired[0].from_ms, 10 * HOLES_REPAIRED);
    holes_add_repaired(&h, 0, 1); // older than all that are kept
    cr_assert_eq(h.n_repaired, HOLES_REPAIRED);
    cr_assert_eq(h.repaired[0].from_ms, 10 * HOLES_REPAIRED);
    for (size_t i = 1; i < h.n_repaired; i++) {
        cr_assert_lt(h.repaired[i - 1].to_ms, h.repaired[i].from_ms);
    }
}

static void reason(int64_t id, enum history_kind kind)
{
    struct hole_reason r = {
        .from_id = id, .to_id = id + 1, .from_ms = 10 * id, .to_ms = 10 * id + 5, .kind = kind};
    str_copy(r.reason, sizeof r.reason, "jump");
    holes_add_reason(&h, &r);
}

Test(holes, the_newest_reasons_are_kept_oldest_first)
{
    for (int64_t i = 0; i < HOLES_REASONS + 3; i++) {
        reason(i, HISTORY_GAP);
    }
    holes_reasons_json(&h, &out);
    cr_assert_eq(h.n, HOLES_REASONS);
    cr_assert(str_starts(buf_cstr(&out), "[{\"from_id\":3,\"to_id\":4,\"from_ms\":30,\"to_ms\":35,"
                                         "\"kind\":\"gap\",\"reason\":\"jump\"},"));
}

Test(holes, the_same_reason_again_says_nothing_new)
{
    reason(1, HISTORY_GAP);
    reason(1, HISTORY_GAP);
    cr_assert_eq(h.n, 1);
    reason(1, HISTORY_LOST);
    cr_assert_eq(h.n, 2);
}

Test(holes, what_ended_before_the_live_days_leaves)
{
    for (int64_t i = 0; i < HOLES_REASONS + 50; i++) {
        reason(i, HISTORY_GAP);
    }
    holes_add_repaired(&h, 0, 100);
    holes_add_repaired(&h, 200, 300);
    holes_prune(&h, 10 * (HOLES_REASONS + 40));
    cr_assert_eq(h.n, 10);
    cr_assert_str_eq(repaired(), "[]");
}

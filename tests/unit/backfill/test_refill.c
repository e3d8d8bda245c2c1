// Holes behind the first live trade: when they may be asked for, whom, and never twice.

#include "services/backfill/core/refill.h"

#include <criterion/criterion.h>

#include "common/base/clock.h"
#include "services/backfill/core/plan.h"

#define DAY INT64_C(1795219200000)
#define HOUR INT64_C(3600000)
#define NOW (DAY + 16 * HOUR)
#define DELAY 300000

static struct refill r;
static struct idset held, lost;

static void start(void)
{
    refill_init(&r, DELAY, 47 * HOUR);
    idset_init(&held, 100);
    idset_init(&lost, 100);
}

static void stop(void)
{
    idset_release(&held);
    idset_release(&lost);
}

TestSuite(refill, .init = start, .fini = stop);

static void look(int64_t mono, int64_t lo, int64_t hi)
{
    refill_look_begin(&r);
    refill_look_hole(&r, lo, hi, NOW - HOUR, NOW - HOUR + 5000, mono);
    refill_look_end(&r);
}

static enum refill_way way(int64_t id, int64_t mono, int64_t now, int64_t archive_day)
{
    const struct refill_hole *h = refill_find(&r, id);
    cr_assert_not_null(h);
    return refill_way(&r, h, &held, &lost, mono, now, archive_day);
}

Test(refill, the_collector_goes_first)
{
    look(1000, 50, 59);
    cr_assert_eq(way(50, 1000 + DELAY - 1, NOW, -1), REFILL_LATER);
    cr_assert_eq(way(50, 1000 + DELAY, NOW, -1), REFILL_REST);
    // Partly repaired it keeps its age; gone, it is forgotten and a new one is young.
    refill_look_begin(&r);
    refill_look_hole(&r, 50, 51, NOW - HOUR, NOW, 200000);
    refill_look_hole(&r, 55, 59, NOW - HOUR, NOW, 200000);
    refill_look_end(&r);
    cr_assert_eq(r.n, 2);
    cr_assert_null(refill_find(&r, 53));
    cr_assert_eq(way(51, 1000 + DELAY, NOW, -1), REFILL_REST);
    cr_assert_eq(way(59, 1000 + DELAY, NOW, -1), REFILL_REST);
    refill_look_begin(&r);
    refill_look_end(&r);
    cr_assert_eq(r.n, 0);
    look(400000, 50, 59);
    cr_assert_eq(way(50, 400000, NOW, -1), REFILL_LATER);
}

Test(refill, what_the_collector_gave_up_is_asked_for_at_once)
{
    refill_look_begin(&r);
    refill_look_hole(&r, 50, 59, NOW - HOUR, NOW, 0);
    refill_look_hole(&r, 70, 79, NOW - HOUR, NOW, 0);
    refill_look_lost(&r, 50, 59);
    refill_look_lost(&r, 70, 75); // the rest is under repair still
    refill_look_end(&r);
    cr_assert_eq(way(50, 1, NOW, -1), REFILL_REST);
    cr_assert_eq(way(70, 1, NOW, -1), REFILL_LATER);
}

Test(refill, what_was_delivered_is_not_asked_for_again)
{
    look(0, 50, 59);
    (void)idset_add_range(&held, 40, 55, NOW, NOW);
    cr_assert_eq(way(50, DELAY, NOW, -1), REFILL_REST);
    (void)idset_add_range(&held, 56, 60, NOW, NOW);
    cr_assert_eq(way(50, DELAY, NOW, -1), REFILL_NOBODY);
}

Test(refill, rest_then_the_archive_of_a_day_that_is_over_then_nobody)
{
    look(0, 50, 59);
    (void)idset_add_range(&held, 50, 52, NOW, NOW);
    (void)idset_add_range(&lost, 53, 59, NOW, NOW);
    cr_assert_eq(way(50, DELAY, NOW, -1), REFILL_LATER, "its day is not over");
    cr_assert_eq(way(50, DELAY, DAY + MS_PER_DAY - 1, -1), REFILL_LATER);
    cr_assert_eq(way(50, DELAY, DAY + MS_PER_DAY, -1), REFILL_ARCHIVE);
    cr_assert_eq(way(50, DELAY, DAY + MS_PER_DAY, DAY), REFILL_NOBODY, "read already");
    // Never asked of REST, but too old for it.
    idset_clear(&lost);
    cr_assert_eq(way(50, DELAY, NOW - HOUR + 47 * HOUR, -1), REFILL_REST);
    cr_assert_eq(way(50, DELAY, NOW - HOUR + 47 * HOUR + 1, -1), REFILL_ARCHIVE);
}

Test(refill, what_is_no_hole_and_more_than_there_is_room_for)
{
    refill_look_begin(&r);
    refill_look_hole(&r, -1, 59, NOW, NOW, 0); // before the first trade known
    refill_look_hole(&r, 9, 8, NOW, NOW, 0);
    cr_assert_eq(r.n, 0);
    for (int64_t i = 0; i < REFILL_HOLES + 10; i++) {
        refill_look_hole(&r, 10 * i, 10 * i + 5, NOW, NOW, 0);
    }
    refill_look_end(&r);
    cr_assert_eq(r.n, REFILL_HOLES);
    refill_clear(&r);
    cr_assert_null(refill_find(&r, 10));
}

// ---- their pages

static struct plan *complete_plan(void)
{
    static struct plan p;
    plan_init(&p,
              &(struct plan_opts){
                  .retry_base_ms = 100, .retry_max_ms = 1000, .max_wrong = 2, .prev_day = false});
    plan_start(&p, 5000, DAY + HOUR, DAY + HOUR);
    plan_set_mark(&p, PLAN_TODAY, 5000, DAY + HOUR);
    cr_assert(plan_complete(&p));
    return &p;
}

Test(refill, pages_of_a_hole_leave_out_what_is_held)
{
    struct plan *p = complete_plan();
    const struct plan_range range = {7000, 9500, DAY, DAY + HOUR};
    cr_assert(plan_want(p, &range));
    cr_assert(plan_want(p, &range), "the same again takes no place");
    cr_assert_eq(p->extras, 1);
    plan_hold(p, 8500, 8999, DAY, DAY);
    struct task *t = plan_next(p, 0);
    cr_assert_eq(t->lo, 7000);
    cr_assert_eq(t->hi, 7999);
    plan_hold(p, 7000, 7999, DAY, DAY);
    plan_paged(p, t);
    t = plan_next(p, 0);
    cr_assert_eq(t->lo, 8000);
    cr_assert_eq(t->hi, 8499);
    struct task *u = plan_next(p, 0);
    cr_assert_eq(u->lo, 9000);
    cr_assert_eq(u->hi, 9500);
    cr_assert_null(plan_next(p, 0));
    cr_assert(plan_wants_more(p), "answers are still to come");
    int64_t lo, hi;
    cr_assert(!plan_wrong(p, u, 0, "wrong", &lo, &hi));
    plan_hold(p, 8000, 8499, DAY, DAY);
    plan_paged(p, t);
    cr_assert(plan_wants_more(p));
    u = plan_next(p, 100000);
    cr_assert_eq(u->lo, 9000);
    cr_assert(plan_wrong(p, u, 0, "wrong", &lo, &hi));
    plan_lose(p, lo, hi, DAY, DAY);
    cr_assert(!plan_wants_more(p));
    cr_assert(plan_complete(p));
    // Found in an archive after all.
    plan_found(&p->lost, 9100, 9100, DAY);
    cr_assert(!plan_has(p, 9100));
    cr_assert(plan_has(p, 9101));
    plan_found(&p->lost, 9000, 9500, DAY);
    cr_assert_eq(p->lost.n, 0);
    plan_release(p);
}

Test(refill, so_many_holes_at_once_and_no_more)
{
    struct plan *p = complete_plan();
    for (int64_t i = 0; i < PLAN_EXTRA; i++) {
        const struct plan_range range = {6000 + 10 * i, 6005 + 10 * i, DAY, DAY + HOUR};
        cr_assert(plan_want(p, &range));
    }
    const struct plan_range more = {9000, 9001, DAY, DAY + HOUR};
    cr_assert(!plan_want(p, &more));
    plan_hold(p, 6000, 6005, DAY, DAY);
    cr_assert(plan_want(p, &more));
    plan_release(p);
}

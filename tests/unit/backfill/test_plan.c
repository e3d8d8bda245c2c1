#include "services/backfill/core/plan.h"

#include <criterion/criterion.h>

#include "common/base/clock.h"
#include "tests/support/rng.h"

#define TODAY INT64_C(1795305600000)
#define PREV (TODAY - MS_PER_DAY)
#define P0 10000
#define T0 14000
#define LIVE 17500
#define NOW 5000

static struct plan p;

static void start(void)
{
    plan_init(&p,
              &(struct plan_opts){
                  .retry_base_ms = 500, .retry_max_ms = 4000, .max_wrong = 3, .prev_day = true});
    plan_start(&p, LIVE, TODAY + 1000000, TODAY + 1000100);
}

static void end(void)
{
    plan_release(&p);
}

TestSuite(plan, .init = start, .fini = end);

// The venue's trades: ids P0-1 .. LIVE, evenly over the two days.
static int64_t ms_of(int64_t id)
{
    return id < T0 ? PREV + (id - P0) * 20000 + (id < P0 ? -5 : 5) : TODAY + (id - T0) * 250 + 5;
}

static void answer(struct task *t)
{
    switch (t->kind) {
    case TASK_LOCATE:
        plan_located(&p, t, t->day == PLAN_PREV ? P0 : T0, ms_of(t->day == PLAN_PREV ? P0 : T0));
        break;
    case TASK_ANCHOR:
        cr_assert_eq(t->lo, t->day == PLAN_PREV ? P0 - 1 : T0 - 1);
        plan_anchored(&p, t, false);
        break;
    case TASK_PAGE:
        for (int64_t id = t->lo; id <= t->hi; id++) {
            cr_assert(!plan_has(&p, id), "%lld twice", (long long)id);
        }
        plan_hold(&p, t->lo, t->hi, ms_of(t->lo), ms_of(t->hi));
        plan_paged(&p, t);
        break;
    }
}

static void run_to_end(void)
{
    for (int i = 0; i < 1000; i++) {
        struct task *t = plan_next(&p, NOW);
        if (t == NULL) {
            return;
        }
        answer(t);
    }
    cr_assert_fail("it never ends");
}

Test(plan, days_are_located_and_proven_before_anything_is_counted)
{
    int64_t done, total;
    struct task *a = plan_next(&p, NOW), *b = plan_next(&p, NOW);
    cr_assert_eq(a->kind, TASK_LOCATE);
    cr_assert_eq(a->day, PLAN_TODAY);
    cr_assert_eq(a->from_ms, TODAY);
    cr_assert_eq(b->day, PLAN_PREV);
    cr_assert_eq(b->from_ms, PREV);
    cr_assert_null(plan_next(&p, NOW));
    plan_count(&p, &done, &total);
    cr_assert_eq(total, -1);
    answer(b);
    answer(a);
    plan_count(&p, &done, &total);
    cr_assert_eq(total, LIVE - P0);
    cr_assert_eq(done, 0);
    cr_assert(!plan_wants_archive(&p), "the trade before today is on its way from REST");
    a = plan_next(&p, NOW);
    cr_assert_eq(a->kind, TASK_ANCHOR);
    cr_assert_eq(a->day, PLAN_TODAY);
    answer(a);
    cr_assert(plan_wants_archive(&p));
    cr_assert(!plan_complete(&p));
}

Test(plan, rest_alone_brings_every_id_once)
{
    int64_t done, total;
    run_to_end();
    cr_assert(!plan_complete(&p), "the previous day waits for its archive");
    cr_assert(plan_has(&p, T0) && plan_has(&p, LIVE - 1) && !plan_has(&p, T0 - 1));
    plan_archive(&p, PLAN_ABSENT, "404");
    run_to_end();
    cr_assert(plan_complete(&p));
    plan_count(&p, &done, &total);
    cr_assert_eq(done, total);
    cr_assert_eq(p.held.n, 1);
    cr_assert_eq(p.held.span[0].lo, P0);
    cr_assert_eq(p.held.span[0].hi, LIVE - 1);
    cr_assert_eq(p.pages, 4 + 4);
}

Test(plan, what_the_archive_lacks_comes_from_rest)
{
    run_to_end();
    plan_archive(&p, PLAN_RUNNING, "");
    plan_hold(&p, P0, P0 + 1999, ms_of(P0), ms_of(P0 + 1999));
    plan_hold(&p, P0 + 2010, T0 - 1, ms_of(P0 + 2010), ms_of(T0 - 1));
    cr_assert_null(plan_next(&p, NOW));
    plan_archive(&p, PLAN_DONE, "");
    struct task *t = plan_next(&p, NOW);
    cr_assert_eq(t->lo, P0 + 2000);
    cr_assert_eq(t->hi, P0 + 2009);
    answer(t);
    cr_assert(plan_complete(&p));
}

Test(plan, a_live_feed_of_yesterday_leaves_only_what_is_before_it)
{
    plan_start(&p, P0 + 500, ms_of(P0 + 500), TODAY + 5);
    struct task *t = plan_next(&p, NOW);
    cr_assert_eq(t->day, PLAN_PREV);
    answer(t);
    t = plan_next(&p, NOW);
    cr_assert_eq(t->kind, TASK_ANCHOR);
    answer(t);
    cr_assert(!plan_wants_archive(&p), "500 trades are no reason for an archive");
    t = plan_next(&p, NOW);
    cr_assert_eq(t->lo, P0);
    cr_assert_eq(t->hi, P0 + 499);
    answer(t);
    cr_assert(plan_complete(&p));
}

Test(plan, a_live_feed_older_than_both_days_leaves_nothing)
{
    plan_start(&p, P0 - 500, PREV - 1, TODAY + 5);
    cr_assert_null(plan_next(&p, NOW));
    cr_assert(plan_complete(&p));
}

Test(plan, today_alone_when_told_so)
{
    p.o.prev_day = false;
    run_to_end();
    cr_assert(plan_complete(&p));
    cr_assert(!plan_has(&p, T0 - 1));
}

Test(plan, no_answer_is_asked_again_later_and_later_without_end)
{
    struct task *t = plan_next(&p, NOW);
    int64_t now = NOW;
    static const int64_t pause[] = {500, 1000, 2000, 4000, 4000, 4000, 4000};
    answer(plan_next(&p, now));
    for (size_t i = 0; i < sizeof pause / sizeof pause[0]; i++) {
        plan_failed(&p, t, now);
        cr_assert_eq(plan_due_ms(&p), now + pause[i]);
        now += pause[i];
        struct task *again = plan_next(&p, now);
        while (again != t) {
            cr_assert_not_null(again);
            answer(again);
            again = plan_next(&p, now);
        }
    }
}

Test(plan, a_page_answered_wrongly_is_given_up_in_the_end)
{
    int64_t lo = 0, hi = 0, now = NOW;
    plan_set_mark(&p, PLAN_PREV, P0, ms_of(P0));
    plan_set_mark(&p, PLAN_TODAY, T0, ms_of(T0));
    plan_archive(&p, PLAN_ABSENT, "404");
    struct task *t = plan_next(&p, now);
    for (int i = 0; i < 2; i++) {
        cr_assert(!plan_wrong(&p, t, now, "empty", &lo, &hi));
        now = plan_due_ms(&p);
        cr_assert_eq(plan_next(&p, now), t);
    }
    cr_assert(plan_wrong(&p, t, now, "empty", &lo, &hi));
    cr_assert_eq(lo, T0);
    cr_assert_eq(hi, T0 + 999);
    plan_lose(&p, lo, hi, 0, 0);
    run_to_end();
    cr_assert(plan_complete(&p));
    cr_assert_eq(p.held.n, 2);
}

Test(plan, a_day_that_can_not_be_located_is_left_to_the_archive)
{
    int64_t lo, hi, now = NOW;
    for (int i = 0; i < 200 && !p.day[PLAN_PREV].settled; i++) {
        struct task *t = plan_next(&p, now);
        if (t == NULL) {
            now = plan_due_ms(&p);
            cr_assert_neq(now, INT64_MAX);
        } else if (t->kind != TASK_PAGE && t->day == PLAN_PREV) {
            (void)plan_wrong(&p, t, now, "it begins behind the time known to be traded", &lo, &hi);
        } else {
            answer(t);
        }
    }
    cr_assert(plan_wants_archive(&p));
    plan_archive(&p, PLAN_RUNNING, "");
    plan_archive_first(&p, P0, ms_of(P0));
    plan_hold(&p, P0, T0 - 1, ms_of(P0), ms_of(T0 - 1));
    plan_archive(&p, PLAN_DONE, "");
    run_to_end();
    cr_assert(plan_complete(&p));
    cr_assert(!p.day[PLAN_PREV].proven);
    cr_assert_eq(p.held.n, 1);
}

Test(plan, a_day_wrongly_located_is_located_again)
{
    int64_t lo, hi, now = NOW;
    struct task *t = plan_next(&p, now);
    plan_located(&p, t, T0 + 300, ms_of(T0 + 300));
    do { // the anchor says that the day begins earlier, twice
        t = plan_next(&p, now);
        if (t == NULL) {
            now = plan_due_ms(&p);
        } else if (t->kind == TASK_ANCHOR && t->day == PLAN_TODAY && t->lo == T0 + 299) {
            (void)plan_wrong(&p, t, now, "the day begins earlier than located", &lo, &hi);
        } else if (t->kind != TASK_PAGE) {
            answer(t);
        } else {
            plan_failed(&p, t, now);
        }
    } while (!p.day[PLAN_TODAY].settled);
    cr_assert(p.day[PLAN_TODAY].proven);
    cr_assert_eq(p.day[PLAN_TODAY].first_id, T0);
}

// Many in flight, answered in any order, some failing, some lost, restarts in between.
Test(plan, whatever_happens_no_id_is_asked_twice_and_none_is_forgotten)
{
    for (uint64_t seed = 1; seed <= 30; seed++) {
        struct rng r = {seed};
        struct task *fly[PLAN_TASKS];
        size_t n = 0;
        int64_t now = NOW;
        plan_release(&p);
        start();
        for (int i = 0; i < 5000 && !plan_complete(&p); i++) {
            const uint64_t dice = rng_below(&r, 100);
            struct task *t;
            if (n < 8 && (t = plan_next(&p, now)) != NULL) {
                fly[n++] = t;
            } else if (n > 0) {
                const size_t k = (size_t)rng_below(&r, n);
                t = fly[k];
                fly[k] = fly[--n];
                if (dice < 20) {
                    plan_failed(&p, t, now);
                } else {
                    answer(t);
                }
            } else if (plan_due_ms(&p) != INT64_MAX) {
                now = plan_due_ms(&p);
            }
            if (plan_wants_archive(&p) && dice > 90) {
                plan_archive(&p, dice > 95 ? PLAN_DONE : PLAN_ABSENT, "");
            }
            if (dice == 50 && rng_below(&r, 4) == 0) { // killed: what was delivered is known
                plan_start(&p, LIVE, TODAY + 1000000, TODAY + 1000100);
                n = 0;
            }
        }
        cr_assert(plan_complete(&p), "seed %llu", (unsigned long long)seed);
        cr_assert_eq(p.held.n, 1);
        cr_assert_eq(p.held.span[0].lo, P0);
        cr_assert_eq(p.held.span[0].hi, LIVE - 1);
    }
}

#include "common/io/loop.h"

#include <criterion/criterion.h>

#include "tests/support/spin.h"

struct seen {
    struct loop *l;
    struct timer *t;
    int n;
};

static void count(void *arg)
{
    struct seen *s = arg;
    s->n++;
}

static void free_itself(void *arg)
{
    struct seen *s = arg;
    s->n++;
    timer_free(s->t);
    s->t = NULL;
}

static void count_to_three(void *arg)
{
    struct seen *s = arg;
    if (++s->n == 3) {
        timer_stop(s->t);
    }
}

Test(timer, fires_once_and_is_not_running_then)
{
    struct seen s = {.l = loop_new(clock_system())};
    s.t = timer_new(s.l, count, &s);
    cr_assert_not(timer_is_running(s.t));
    timer_start(s.t, 1);
    cr_assert(timer_is_running(s.t));
    UNTIL(s.l, s.n == 1);
    cr_assert_not(timer_is_running(s.t));
    spin_for(s.l, 20);
    cr_assert_eq(s.n, 1);
    timer_free(s.t);
    loop_free(s.l);
}

Test(timer, periodic_goes_on_until_stopped_from_its_own_callback)
{
    struct seen s = {.l = loop_new(clock_system())};
    s.t = timer_new(s.l, count_to_three, &s);
    timer_every(s.t, 1);
    UNTIL(s.l, s.n == 3);
    spin_for(s.l, 20);
    cr_assert_eq(s.n, 3);
    timer_free(s.t);
    loop_free(s.l);
}

Test(timer, may_be_freed_in_its_own_callback)
{
    struct seen s = {.l = loop_new(clock_system())};
    s.t = timer_new(s.l, free_itself, &s);
    timer_every(s.t, 1);
    UNTIL(s.l, s.n == 1);
    spin_for(s.l, 10);
    cr_assert_eq(s.n, 1);
    loop_free(s.l);
}

Test(timer, restart_moves_it_and_stop_stops_it)
{
    struct seen s = {.l = loop_new(clock_system())};
    s.t = timer_new(s.l, count, &s);
    timer_start(s.t, 0);
    timer_start(s.t, 100000);
    spin_for(s.l, 10);
    cr_assert_eq(s.n, 0);
    timer_stop(s.t);
    cr_assert_not(timer_is_running(s.t));
    timer_free(s.t);
    timer_free(NULL);
    loop_free(s.l);
}

static void stop_loop(void *arg)
{
    loop_stop(arg);
}

Test(loop, runs_until_stopped)
{
    struct loop *l = loop_new(clock_system());
    struct timer *t = timer_new(l, stop_loop, l);
    timer_start(t, 1);
    loop_run(l);
    timer_free(t);
    loop_free(l);
}

Test(loop, takes_its_time_from_the_clock_it_was_given)
{
    struct fake_clock f = {.wall_us = 1234567, .mono_ms = 89};
    struct loop *l = loop_new(clock_fake(&f));
    cr_assert_eq(loop_wall_us(l), 1234567);
    cr_assert_eq(loop_mono_ms(l), 89);
    f.mono_ms = 90;
    cr_assert_eq(loop_mono_ms(l), 90);
    loop_free(l);
}

Test(backoff, doubles_up_to_the_cap_and_draws_from_the_upper_half)
{
    struct loop *l = loop_new(clock_system());
    l->rng = 42;
    for (int round = 0; round < 200; round++) {
        struct backoff b = {.min_ms = 100, .max_ms = 5000};
        int64_t d = 100;
        for (int i = 0; i < 70; i++) {
            int64_t ms = backoff_next_ms(&b, l);
            cr_assert(ms >= d / 2 && ms <= d, "attempt %d: %lld of %lld", i, (long long)ms,
                      (long long)d);
            d = d * 2 > 5000 ? 5000 : d * 2;
        }
        backoff_reset(&b);
        cr_assert_leq(backoff_next_ms(&b, l), 100);
    }
    loop_free(l);
}

Test(backoff, jitter_is_not_always_the_same)
{
    struct loop *l = loop_new(clock_system());
    struct backoff b = {.min_ms = 1000, .max_ms = 1000};
    int64_t first = backoff_next_ms(&b, l);
    bool differs = false;
    for (int i = 0; i < 50; i++) {
        differs = differs || backoff_next_ms(&b, l) != first;
    }
    cr_assert(differs);
    loop_free(l);
}

Test(loop, random_stays_below_n_and_reaches_both_ends)
{
    struct loop *l = loop_new(clock_system());
    bool hit[7] = {false};
    for (int i = 0; i < 2000; i++) {
        uint64_t v = loop_random(l, 7);
        cr_assert_lt(v, 7);
        hit[v] = true;
    }
    for (int i = 0; i < 7; i++) {
        cr_assert(hit[i]);
    }
    cr_assert_eq(loop_random(l, 1), 0);
    loop_free(l);
}

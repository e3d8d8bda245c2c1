#include "services/backfill/core/breaker.h"

#include <criterion/criterion.h>

#include "services/backfill/core/progress.h"

#define COOL 60000

static struct breaker b;

static void start(void)
{
    breaker_init(&b, &(struct breaker_opts){
                         .threshold = 3, .cooldown_ms = COOL, .delay_ms = 100, .max_parallel = 8});
}

TestSuite(breaker, .init = start);

Test(breaker, requests_are_spaced_and_bounded)
{
    cr_assert_eq(breaker_wait_ms(&b, 1000, 0), 0);
    breaker_sent(&b, 1000);
    cr_assert_eq(breaker_wait_ms(&b, 1001, 1), 99);
    cr_assert_eq(breaker_wait_ms(&b, 1100, 1), 0);
    cr_assert_eq(breaker_wait_ms(&b, 1100, 8), -1);
}

Test(breaker, one_429_waits_for_its_time_and_slows_down)
{
    breaker_refused(&b, 1000, 429, 7000);
    cr_assert_eq(b.state, BREAKER_CLOSED);
    cr_assert_eq(breaker_wait_ms(&b, 1000, 0), 7000);
    cr_assert_eq(breaker_wait_ms(&b, 7999, 0), 1);
    cr_assert_eq(breaker_wait_ms(&b, 8000, 0), 0);
    cr_assert_eq(b.parallel, 4);
    breaker_sent(&b, 8000);
    cr_assert_eq(breaker_wait_ms(&b, 8000, 0), 200);
}

Test(breaker, the_third_refusal_in_a_row_opens_it)
{
    breaker_refused(&b, 1000, 429, -1);
    breaker_refused(&b, 1000, 429, -1);
    cr_assert_eq(b.state, BREAKER_CLOSED);
    breaker_refused(&b, 1000, 429, 1000);
    cr_assert_eq(b.state, BREAKER_OPEN);
    cr_assert_eq(breaker_wait_ms(&b, 1000, 0), COOL);
    cr_assert_eq(breaker_wait_ms(&b, 1000 + COOL - 1, 0), 1);
    cr_assert_eq(breaker_wait_ms(&b, 1000 + COOL, 0), 0);
    cr_assert_eq(b.state, BREAKER_HALF_OPEN);
    cr_assert_eq(breaker_wait_ms(&b, 1000 + COOL, 1), -1, "one at a time");
}

Test(breaker, a_good_answer_between_refusals_starts_the_count_anew)
{
    breaker_refused(&b, 1000, 429, 0);
    breaker_refused(&b, 1000, 429, 0);
    breaker_good(&b);
    breaker_refused(&b, 1000, 429, 0);
    cr_assert_eq(b.state, BREAKER_CLOSED);
}

Test(breaker, a_ban_opens_at_once_and_retry_after_outlasts_the_cooldown)
{
    static const long status[] = {418, 403, 451};
    for (size_t i = 0; i < 3; i++) {
        start();
        breaker_refused(&b, 1000, status[i], 120000);
        cr_assert_eq(b.state, BREAKER_OPEN);
        cr_assert_eq(breaker_wait_ms(&b, 1000, 0), 120000);
    }
}

Test(breaker, late_answers_while_open_only_prolong)
{
    breaker_refused(&b, 1000, 418, -1);
    breaker_refused(&b, 1500, 418, -1);
    cr_assert_eq(b.opens, 1);
    cr_assert_eq(breaker_wait_ms(&b, 1500, 0), COOL - 500);
    breaker_refused(&b, 1500, 418, 2 * COOL);
    cr_assert_eq(breaker_wait_ms(&b, 1500, 0), 2 * COOL);
}

Test(breaker, a_refusal_while_half_open_doubles_the_cooldown)
{
    int64_t now = 1000, pause = COOL;
    breaker_refused(&b, now, 418, -1);
    for (int i = 0; i < 4; i++) {
        cr_assert_eq(breaker_wait_ms(&b, now, 0), pause);
        now += pause;
        cr_assert_eq(breaker_wait_ms(&b, now, 0), 0);
        breaker_refused(&b, now, 429, -1);
        cr_assert_eq(b.state, BREAKER_OPEN);
        pause *= 2;
    }
}

Test(breaker, recovery_is_slower_than_retreat)
{
    breaker_refused(&b, 0, 418, -1);
    (void)breaker_wait_ms(&b, COOL, 0);
    cr_assert_eq(b.state, BREAKER_HALF_OPEN);
    for (int i = 0; i < BREAKER_PROBES; i++) {
        breaker_good(&b);
    }
    cr_assert_eq(b.state, BREAKER_CLOSED);
    cr_assert_eq(b.parallel, 1);
    cr_assert_eq(b.throttle, 2);
    int answers = 0;
    while (b.parallel < 8 || b.throttle > 1) {
        breaker_good(&b);
        cr_assert_lt(++answers, 1000);
    }
    cr_assert_eq(answers, 8 * BREAKER_STEP, "one for the throttle, seven for the concurrency");
}

Test(breaker, trouble_halves_and_never_opens)
{
    for (int i = 0; i < 20; i++) {
        breaker_troubled(&b);
    }
    cr_assert_eq(b.state, BREAKER_CLOSED);
    cr_assert_eq(b.parallel, 1);
    cr_assert_eq(breaker_wait_ms(&b, 5, 0), 0);
}

Test(progress, percent_is_cut_and_time_left_follows_the_recent_rate)
{
    struct progress p;
    progress_init(&p, 0);
    cr_assert_eq(progress_percent(&p), 0);
    cr_assert_eq(progress_eta_s(&p, 0), -1);
    progress_set(&p, 0, 0, 1000);
    cr_assert_eq(progress_eta_s(&p, 0), -1, "no rate yet");
    progress_set(&p, 10000, 100, 1000);
    cr_assert_eq(progress_percent(&p), 10);
    cr_assert_eq(progress_eta_s(&p, 10000), 90);
    progress_set(&p, 20000, 999, 1000);
    cr_assert_eq(progress_percent(&p), 99);
    progress_set(&p, 21000, 1000, 1000);
    cr_assert_eq(progress_percent(&p), 100);
    cr_assert_eq(progress_eta_s(&p, 21000), 0);
    progress_set(&p, 90000, 1000, 1000);
    cr_assert_eq(progress_idle_ms(&p, 90000), 69000);
}

Test(progress, nothing_to_do_is_all_done)
{
    struct progress p;
    progress_init(&p, 0);
    progress_set(&p, 0, 0, 0);
    cr_assert_eq(progress_percent(&p), 100);
    cr_assert_eq(progress_eta_s(&p, 0), 0);
}

#include "services/collector/core/silence.h"

#include <criterion/criterion.h>

static enum silence_verdict wants(const struct silence *a, int attempts, int64_t now)
{
    const struct silence *const all[] = {a};
    return silence_wants_reconnect(all, 1, attempts, now);
}

Test(silence, is_judged_at_the_deadline_and_not_one_tick_before)
{
    struct silence s;
    silence_init(&s, 30000);
    silence_begin(&s, 1000);
    cr_expect_not(silence_tick(&s, 30999));
    cr_expect_not(s.silent);
    cr_expect(silence_tick(&s, 31000));
    cr_expect(s.silent);
    cr_expect_not(silence_tick(&s, 31001)); // told once
    silence_data(&s, 31500);
    cr_expect(silence_tick(&s, 31501));
    cr_expect_not(s.silent);
}

Test(silence, the_deadline_is_twenty_median_gaps_of_a_slow_market)
{
    struct silence s;
    silence_init(&s, 30000);
    silence_begin(&s, 0);
    int64_t now = 0;
    for (int i = 0; i < 100; i++) {
        silence_data(&s, now);
        now += i % 10 == 0 ? 60000 : 4000; // a pause now and then does not move the median
    }
    silence_data(&s, now);
    silence_tick(&s, now);
    cr_expect_eq(s.deadline_ms, 80000);
    cr_expect_not(silence_tick(&s, now + 79999));
    cr_expect(silence_tick(&s, now + 80000));
}

Test(silence, a_busy_market_keeps_the_floor)
{
    struct silence s;
    silence_init(&s, 30000);
    silence_begin(&s, 0);
    for (int64_t now = 0; now < 1000; now += 5) {
        silence_data(&s, now);
    }
    silence_tick(&s, 1000);
    cr_expect_eq(s.deadline_ms, 30000);
}

Test(silence, a_new_socket_proves_nothing)
{
    struct silence s;
    silence_init(&s, 30000);
    silence_begin(&s, 0);
    silence_tick(&s, 30000);
    cr_assert(s.silent);
    silence_begin(&s, 31000);
    silence_tick(&s, 31001);
    cr_expect(s.silent);
    silence_data(&s, 31002);
    silence_tick(&s, 31003);
    cr_expect_not(s.silent);
}

Test(silence, a_lone_stream_reconnects_at_its_deadline_then_ever_later)
{
    struct silence s;
    silence_init(&s, 30000);
    silence_begin(&s, 0);
    cr_expect_not(wants(&s, 0, 29999));
    cr_expect(wants(&s, 0, 30000));
    cr_expect_not(wants(&s, 1, 59999));
    cr_expect(wants(&s, 1, 60000));
    cr_expect_not(wants(&s, 3, 239999));
    cr_expect(wants(&s, 3, 240000));
    cr_expect_not(wants(&s, 4, 299999)); // five minutes at most
    cr_expect(wants(&s, 4, 300000));
    cr_expect(wants(&s, 1000, 300000));
}

Test(silence, one_of_two_streams_waits_for_three_deadlines)
{
    struct silence quiet, busy;
    silence_init(&quiet, 30000);
    silence_init(&busy, 30000);
    silence_begin(&quiet, 0);
    silence_begin(&busy, 0);
    const struct silence *const all[] = {&quiet, &busy};
    silence_data(&busy, 89000);
    cr_expect_not(silence_wants_reconnect(all, 2, 0, 89999));
    cr_expect(silence_wants_reconnect(all, 2, 0, 90000));
    silence_begin(&quiet, 0);
    silence_begin(&busy, 0);
    cr_expect(silence_wants_reconnect(all, 2, 0, 30000)); // both
    cr_expect_not(silence_wants_reconnect(all, 0, 0, 30000));
}

Test(silence, one_silent_stream_among_speaking_ones_is_told_from_a_dead_link)
{
    struct silence a, b;
    const struct silence *const all[] = {&a, &b};
    silence_init(&a, 10000);
    silence_init(&b, 10000);
    silence_begin(&a, 0);
    silence_begin(&b, 0);
    silence_data(&b, 29000);
    cr_expect_eq(silence_wants_reconnect(all, 2, 0, 29999), SILENCE_FINE);
    cr_expect_eq(silence_wants_reconnect(all, 2, 0, 30000), SILENCE_ONE);
    cr_expect_eq(silence_wants_reconnect(all, 2, 0, 39000), SILENCE_ALL);
    cr_expect_eq(silence_wants_reconnect(all, 1, 0, 10000), SILENCE_ALL);
    cr_expect_eq(silence_wants_reconnect(all, 0, 0, 10000), SILENCE_FINE);
}

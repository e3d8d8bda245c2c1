// The small parts of strategy's core: window, session state machine, latencies, shown candles.

#include <criterion/criterion.h>

#include "services/strategy/core/latency.h"
#include "services/strategy/core/phase.h"
#include "services/strategy/core/shown.h"
#include "services/strategy/core/window.h"

#define DAY INT64_C(1723075200000)
#define HOUR INT64_C(3600000)

Test(window, holds_what_is_newer_than_its_begin_and_not_newer_than_its_end)
{
    struct window w;
    window_init(&w, 1000);
    window_add(&w, 5000);
    window_add(&w, 5000);
    window_add(&w, 5999);
    cr_assert_eq(w.count, 3);
    window_advance(&w, 6000); // (5000, 6000]: both of 5000 are out
    cr_assert_eq(w.count, 1);
    window_add(&w, 5000); // too old by a millisecond
    cr_assert_eq(w.count, 1);
    window_add(&w, 5001); // late, but inside
    cr_assert_eq(w.count, 2);
    window_advance(&w, 6001);
    cr_assert_eq(w.count, 1);
    window_advance(&w, 6000); // never back
    cr_assert_eq(w.end_ms, 6001);
    window_advance(&w, 100000);
    cr_assert_eq(w.count, 0);
    window_release(&w);
}

Test(window, equals_a_plain_count_for_any_order)
{
    struct window w;
    window_init(&w, 60000);
    int64_t seen[3000];
    int64_t newest = 0;
    uint64_t x = 12345;
    for (size_t i = 0; i < 3000; i++) {
        x = x * 6364136223846793005u + 1442695040888963407u;
        seen[i] = DAY + (int64_t)i * 100 - (int64_t)(x >> 33) % 30000;
        newest = seen[i] > newest ? seen[i] : newest;
        window_add(&w, seen[i]);
        int64_t want = 0;
        for (size_t k = 0; k <= i; k++) {
            want += seen[k] > newest - 60000;
        }
        cr_assert_eq(w.count, want);
    }
    window_release(&w);
}

struct changes {
    int n;
    enum session to[16];
    int64_t at[16];
};

static void on_change(void *arg, enum session from, enum session to, int64_t at_ms)
{
    struct changes *c = arg;
    cr_assert_neq(from, to);
    cr_assert_lt(c->n, 16);
    c->to[c->n] = to;
    c->at[c->n++] = at_ms;
}

Test(phase, tells_each_change_once_at_its_millisecond)
{
    struct phase p;
    struct changes c = {0};
    phase_init(&p);
    phase_advance(&p, DAY + 7 * HOUR, on_change, &c);
    phase_advance(&p, DAY + 8 * HOUR - 1, on_change, &c);
    cr_assert_eq(c.n, 0);
    phase_advance(&p, DAY + 8 * HOUR, on_change, &c);
    cr_assert_eq(c.n, 1);
    cr_assert_eq(c.to[0], SESSION_LONDON);
    cr_assert_eq(c.at[0], DAY + 8 * HOUR);
    phase_advance(&p, DAY + 8 * HOUR, on_change, &c);
    phase_advance(&p, DAY + 7 * HOUR, on_change, &c); // never back
    cr_assert_eq(c.n, 1);
    cr_assert_eq(p.session, SESSION_LONDON);
}

Test(phase, a_restart_hours_later_tells_what_was_missed_in_order)
{
    struct phase p;
    struct changes c = {0};
    phase_restore(&p, DAY + 9 * HOUR);
    cr_assert_eq(p.session, SESSION_LONDON);
    phase_advance(&p, DAY + 18 * HOUR, on_change, &c);
    static const int64_t at[3] = {12, 13, 17};
    static const enum session to[3] = {SESSION_OFF, SESSION_OVERLAP, SESSION_OFF};
    cr_assert_eq(c.n, 3);
    for (int i = 0; i < 3; i++) {
        cr_assert_eq(c.at[i], DAY + at[i] * HOUR);
        cr_assert_eq(c.to[i], to[i]);
    }
}

Test(phase, the_first_time_seen_is_no_change)
{
    struct phase p;
    struct changes c = {0};
    phase_init(&p);
    phase_advance(&p, DAY + 9 * HOUR, on_change, &c);
    cr_assert_eq(c.n, 0);
    cr_assert_eq(p.session, SESSION_LONDON);
}

Test(phase, a_pause_of_months_is_not_told_change_by_change)
{
    struct phase p;
    struct changes c = {0};
    phase_restore(&p, DAY + 9 * HOUR);
    phase_advance(&p, DAY + 200 * 24 * HOUR + 14 * HOUR, on_change, &c);
    cr_assert_leq(c.n, 8);
    cr_assert_eq(p.session, SESSION_OVERLAP);
    cr_assert_eq(c.to[c.n - 1], SESSION_OVERLAP);
}

Test(latency, percentiles_are_nearest_rank_of_the_newest_samples)
{
    static struct latency l;
    cr_assert_eq(latency_percentile(&l, 50), -1);
    latency_add(&l, 7);
    cr_assert_eq(latency_percentile(&l, 50), 7);
    cr_assert_eq(latency_percentile(&l, 99), 7);
    for (int64_t i = 1; i <= LATENCY_SAMPLES + 100; i++) {
        latency_add(&l, i);
    }
    cr_assert_eq(l.n, LATENCY_SAMPLES);
    cr_assert_eq(latency_percentile(&l, 100), LATENCY_SAMPLES + 100);
    cr_assert_eq(latency_percentile(&l, 50), 100 + LATENCY_SAMPLES / 2);
}

Test(shown, keeps_order_whatever_comes)
{
    struct shown s;
    shown_init(&s);
    for (int64_t i = 0; i < 500; i++) {
        shown_set(&s, (i * 37 % 500) * 60000, i);
    }
    cr_assert_eq(s.n, 500);
    for (size_t i = 0; i < s.n; i++) {
        cr_assert_eq(s.v[i].start_ms, (int64_t)i * 60000);
    }
    shown_set(&s, 60000, 4711);
    cr_assert_eq(s.n, 500);
    cr_assert_eq(shown_find(&s, 60000)->coverage_e8, 4711);
    shown_remove(&s, 60000);
    shown_remove(&s, 60001);
    cr_assert_null(shown_find(&s, 60000));
    cr_assert_eq(s.n, 499);
    shown_release(&s);
}

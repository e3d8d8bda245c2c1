#include "common/io/budget.h"

#include <criterion/criterion.h>
#include <string.h>

#include "tests/support/spin.h"
#include "tests/support/with_redis.h"

#define MIN BUDGET_MINUTE_MS
#define T0 (INT64_C(28000000) * MIN) // begin of a minute

// ---- pure
// ----------------------------------------------------------------------------------------

Test(budget, charges_both_minutes_within_a_second_of_the_border)
{
    int64_t m[2];
    const int64_t k = T0 / MIN;
    cr_assert_eq(budget_minutes(T0 + 1000, m), 1);
    cr_assert_eq(m[0], k);
    cr_assert_eq(budget_minutes(T0 + 58999, m), 1);
    cr_assert_eq(m[0], k);
    cr_assert_eq(budget_minutes(T0 + 59000, m), 2);
    cr_assert_eq(m[0], k);
    cr_assert_eq(m[1], k + 1);
    cr_assert_eq(budget_minutes(T0 + 59999, m), 2);
    cr_assert_eq(budget_minutes(T0, m), 2);
    cr_assert_eq(m[0], k - 1);
    cr_assert_eq(m[1], k);
    cr_assert_eq(budget_minutes(T0 + 999, m), 2);
}

Test(budget, waits_until_a_second_after_the_full_minute)
{
    const int64_t k = T0 / MIN;
    cr_assert_eq(budget_wait_ms(T0 + 30000, k), 31000);
    cr_assert_eq(budget_wait_ms(T0 + 400, k - 1), 600);
    cr_assert_eq(budget_wait_ms(T0 + 59500, k + 1), 61500);
    cr_assert_eq(budget_wait_ms(T0 + 5000, k - 1), 1, "over already, and never no wait at all");
}

static int64_t banned(long status, int64_t retry_after_s, const char *body)
{
    return budget_banned_until(VENUE_BINANCE, T0 + 500, status, retry_after_s, body, strlen(body)) -
           (T0 + 500);
}

Test(budget, refusals_forbid_for_as_long_as_they_say)
{
    char body[128];
    cr_assert_lt(banned(200, 9, ""), 0, "an answer forbids nothing");
    cr_assert_lt(banned(503, 9, ""), 0);
    cr_assert_eq(banned(429, 17, ""), 17000);
    cr_assert_eq(banned(418, 3600, ""), 3600000);
    cr_assert_eq(banned(429, -1, ""), 60500, "no word: until the minute is over");
    cr_assert_eq(banned(418, -1, ""), 120000);
    cr_assert_eq(banned(429, 0, ""), 1000, "it did refuse");
    str_fmt(body, sizeof body, "{\"code\":-1003,\"msg\":\"IP banned until %lld. Use ..\"}",
            (long long)(T0 + 90500));
    cr_assert_eq(banned(418, -1, body), 90000);
    cr_assert_eq(banned(418, 5, body), 90000, "the later of both");
    cr_assert_eq(banned(418, 95, body), 95000);
    cr_assert_eq(banned(418, INT64_MAX, ""), BUDGET_BAN_MAX_MS, "bounded");
    cr_assert_eq(banned(418, -1, "banned until 99999999999999"), BUDGET_BAN_MAX_MS);
    cr_assert_eq(banned(418, -1, "banned until tomorrow"), 120000);
    cr_assert_eq(budget_banned_until(VENUE_BYBIT, T0, 403, -1, "", 0), T0 + 600000);
}

Test(budget, a_replays_clock_is_not_the_clock_of_its_limits)
{
    cr_assert_eq(budget_venue_ms(T0, true, -250), T0 - 250);
    cr_assert_eq(budget_venue_ms(T0, false, -250), T0);
    cr_assert_eq(budget_venue_ms(T0, true, BUDGET_OFFSET_MAX_MS + 1), T0);
    cr_assert_eq(budget_venue_ms(T0, true, -BUDGET_OFFSET_MAX_MS - 1), T0);
}

// ---- shared
// --------------------------------------------------------------------------------------

struct seen {
    struct loop *l;
    struct with_redis *w;
    struct redis *r[2];
    struct budget *b[2];
    int up, answers, granted;
    int64_t wait_ms;
};

// A wall clock moved by hand under a monotonic one that runs: Redis' timers go on.
static int64_t wall_ms;
static int64_t hand_wall(void *arg)
{
    (void)arg;
    return wall_ms * 1000;
}

static void on_up(void *arg)
{
    ((struct seen *)arg)->up++;
}

static void on_answer(void *arg, bool granted, int64_t wait_ms)
{
    struct seen *s = arg;
    s->answers++;
    s->granted += granted ? 1 : 0;
    s->wait_ms = granted ? 0 : wait_ms;
}

static void start(struct seen *s, int64_t limit)
{
    struct clock clock = clock_system();
    clock.wall_us = hand_wall;
    memset(s, 0, sizeof *s);
    wall_ms = T0 + 10000;
    s->l = loop_new(clock);
    s->w = with_redis_new(NULL);
    for (int i = 0; i < 2; i++) {
        s->r[i] = redis_new(&(struct redis_opts){
            .loop = s->l, .url = s->w->url, .name = "t", .on_up = on_up, .arg = s});
        s->b[i] = budget_new(&(struct budget_opts){.loop = s->l,
                                                   .redis = s->r[i],
                                                   .venue = VENUE_BINANCE,
                                                   .scope = "here",
                                                   .limit = limit,
                                                   .share_pct = {90, 70, 50}});
    }
    UNTIL(s->l, s->up == 2);
}

static void end(struct seen *s)
{
    redis_free(s->r[0]);
    redis_free(s->r[1]);
    budget_free(s->b[0]);
    budget_free(s->b[1]);
    with_redis_free(s->w);
    loop_free(s->l);
}

static bool ask(struct seen *s, int who, enum budget_priority p, int64_t weight)
{
    const int answers = s->answers, granted = s->granted;
    cr_assert_eq(budget_ask(s->b[who], p, weight, on_answer, s), 0);
    UNTIL(s->l, s->answers > answers);
    return s->granted > granted;
}

static struct http_reply reply(long status, int64_t used, int64_t retry_after_s)
{
    return (struct http_reply){.status = status,
                               .body = "",
                               .used_weight = used,
                               .retry_after_s = retry_after_s,
                               .done_us = wall_ms * 1000};
}

Test(budget, two_that_race_never_exceed_the_share_together)
{
    struct seen s;
    start(&s, 1000);
    for (int i = 0; i < 200; i++) {
        cr_assert_eq(budget_ask(s.b[i % 2], BUDGET_REPAIR, 20, on_answer, &s), 0);
    }
    UNTIL(s.l, s.answers == 200);
    cr_assert_eq(s.granted, 700 / 20);
    cr_assert_eq(s.wait_ms, 51000, "until a second after the minute");
    cr_assert_str_eq(
        with_redis_text(s.w, "HGET bc4:budget:binance:here used:%lld", (long long)(T0 / MIN)),
        "700");
    end(&s);
}

Test(budget, higher_priorities_find_room_where_lower_ones_have_to_wait)
{
    struct seen s;
    start(&s, 100);
    cr_assert(ask(&s, 0, BUDGET_BACKFILL, 50));
    cr_assert_not(ask(&s, 0, BUDGET_BACKFILL, 1));
    cr_assert(ask(&s, 1, BUDGET_REPAIR, 20));
    cr_assert_not(ask(&s, 1, BUDGET_REPAIR, 1));
    cr_assert(ask(&s, 0, BUDGET_SNAPSHOT, 20));
    cr_assert_not(ask(&s, 0, BUDGET_SNAPSHOT, 1), "the rest is for safety");
    cr_assert_not(ask(&s, 0, BUDGET_SNAPSHOT, 91), "never");
    end(&s);
}

Test(budget, a_new_minute_refills_and_its_border_counts_twice)
{
    struct seen s;
    struct budget_stats st;
    start(&s, 100);
    cr_assert(ask(&s, 0, BUDGET_SNAPSHOT, 70));
    wall_ms = T0 + 59500; // of this minute and of the next
    cr_assert(ask(&s, 0, BUDGET_SNAPSHOT, 20));
    cr_assert_not(ask(&s, 0, BUDGET_SNAPSHOT, 1));
    cr_assert_eq(s.wait_ms, 1500);
    wall_ms = T0 + 60500; // the first minute is full, and could be the one it is counted in
    cr_assert_not(ask(&s, 0, BUDGET_SNAPSHOT, 1));
    cr_assert_eq(s.wait_ms, 500);
    wall_ms = T0 + 61000;
    cr_assert_not(ask(&s, 0, BUDGET_SNAPSHOT, 71), "20 were charged here too");
    cr_assert(ask(&s, 0, BUDGET_SNAPSHOT, 70));
    budget_stats(s.b[0], &st);
    cr_assert_eq(st.used, 90);
    wall_ms = T0 + 10 * MIN + 5000;
    cr_assert(ask(&s, 0, BUDGET_SNAPSHOT, 1));
    cr_assert_str_eq(with_redis_text(s.w, "HLEN bc4:budget:binance:here"), "1",
                     "old ones are gone");
    end(&s);
}

Test(budget, is_raised_to_what_the_venue_counted_and_never_lowered)
{
    struct seen s;
    start(&s, 100);
    cr_assert(ask(&s, 0, BUDGET_SNAPSHOT, 10));
    const struct http_reply more = reply(200, 60, -1), less = reply(200, 5, -1);
    cr_assert_not(budget_note(s.b[0], &more));
    cr_assert_not(budget_note(s.b[0], &less));
    cr_assert_not(ask(&s, 1, BUDGET_SNAPSHOT, 31));
    cr_assert(ask(&s, 1, BUDGET_SNAPSHOT, 30));
    end(&s);
}

Test(budget, a_ban_stops_everybody_at_once_until_it_ends)
{
    struct seen s;
    start(&s, 1000);
    const struct http_reply r = reply(418, -1, 90);
    cr_assert(ask(&s, 1, BUDGET_SNAPSHOT, 1));
    cr_assert(budget_note(s.b[0], &r));
    UNTIL(s.l, redis_inflight(s.r[0]) == 0);
    cr_assert_not(ask(&s, 1, BUDGET_SNAPSHOT, 1));
    cr_assert_eq(s.wait_ms, 90000);
    wall_ms += 89999;
    cr_assert_not(ask(&s, 1, BUDGET_SNAPSHOT, 1));
    cr_assert_eq(s.wait_ms, 1);
    wall_ms += 1;
    cr_assert(ask(&s, 1, BUDGET_SNAPSHOT, 1));
    end(&s);
}

Test(budget, a_ban_told_while_redis_was_away_is_not_forgotten)
{
    struct seen s;
    start(&s, 1000);
    with_redis_kill(s.w);
    UNTIL(s.l, !redis_is_up(s.r[0]) && !redis_is_up(s.r[1]));
    const struct http_reply r = reply(429, -1, 40);
    cr_assert(budget_note(s.b[0], &r));
    cr_assert_neq(budget_ask(s.b[0], BUDGET_SNAPSHOT, 1, on_answer, &s), 0, "no Redis, no REST");
    with_redis_restart(s.w, NULL);
    UNTIL(s.l, redis_is_up(s.r[0]) && redis_is_up(s.r[1]));
    cr_assert_not(ask(&s, 0, BUDGET_SNAPSHOT, 1));
    cr_assert_eq(s.wait_ms, 40000);
    cr_assert_not(ask(&s, 1, BUDGET_SNAPSHOT, 1), "and now all know it");
    end(&s);
}

Test(budget, the_limit_is_the_one_the_venue_told)
{
    struct seen s;
    start(&s, 1000);
    budget_set_limit(s.b[0], 100);
    cr_assert_not(ask(&s, 0, BUDGET_SNAPSHOT, 91));
    cr_assert_not(ask(&s, 1, BUDGET_SNAPSHOT, 91), "also for who did not hear it");
    cr_assert(ask(&s, 1, BUDGET_SNAPSHOT, 90));
    end(&s);
}

Test(budget, a_cancelled_question_is_not_answered)
{
    struct seen s;
    start(&s, 1000);
    cr_assert_eq(budget_ask(s.b[0], BUDGET_SNAPSHOT, 1, on_answer, &s), 0);
    budget_cancel(s.b[0], &s);
    cr_assert_eq(budget_ask(s.b[0], BUDGET_SNAPSHOT, 1, on_answer, &s), 0);
    UNTIL(s.l, redis_inflight(s.r[0]) == 0);
    cr_assert_eq(s.answers, 1);
    end(&s);
}

Test(budget, a_window_of_five_seconds_has_borders_like_a_minute)
{
    int64_t w[2];
    cr_expect_eq(budget_windows(5000, 10000, w), 2); // the very border
    cr_expect(w[0] == 1 && w[1] == 2);
    cr_expect_eq(budget_windows(5000, 10999, w), 2);
    cr_expect_eq(budget_windows(5000, 11000, w), 1);
    cr_expect_eq(w[0], 2);
    cr_expect_eq(budget_windows(5000, 13999, w), 1);
    cr_expect_eq(budget_windows(5000, 14000, w), 2);
    cr_expect(w[0] == 2 && w[1] == 3);
    cr_expect_eq(budget_wait_window_ms(5000, 11500, 2), 4500);
}

// Half of the venue's limit per window of ours: no 5 seconds of its own hold more than the limit.
Test(budget, no_five_seconds_hold_more_than_the_venue_grants)
{
    enum { LIMIT = 600, PER_WINDOW = 300, N = 4000 };
    static int64_t sent[N];
    int64_t used[64] = {0};
    size_t n = 0;
    for (int64_t ms = 20000; ms < 60000; ms++) {
        int64_t w[2];
        const size_t k = budget_windows(5000, ms, w);
        for (int asks = 0; asks < 50; asks++) {
            bool room = true;
            for (size_t i = 0; i < k; i++) {
                room = room && used[w[i]] < PER_WINDOW;
            }
            if (room && n < N) {
                for (size_t i = 0; i < k; i++) {
                    used[w[i]]++;
                }
                sent[n++] = ms;
            }
        }
    }
    cr_expect_gt(n, (size_t)1500);
    size_t from = 0;
    for (size_t i = 0; i < n; i++) {
        while (sent[from] <= sent[i] - 5000) {
            from++;
        }
        cr_assert_leq(i - from + 1, (size_t)LIMIT);
    }
}

Test(budget, bybit_refuses_in_the_body_too)
{
    static const char body[] = "{\"retCode\":10006,\"retMsg\":\"Too many visits!\"}";
    cr_expect_eq(budget_bybit_ret_code(body, sizeof body - 1), 10006);
    cr_expect_eq(budget_bybit_ret_code("{\"retCode\": 0}", 14), 0);
    cr_expect_eq(budget_bybit_ret_code("", 0), 0);
    cr_expect_eq(budget_bybit_ret_code("{\"retCode\":", 11), 0);
    cr_expect_eq(budget_bybit_banned_until(1000, 0, -1), 0);
    cr_expect_eq(budget_bybit_banned_until(1000, 10001, -1), 0, "a bad parameter is no ban");
    cr_expect_eq(budget_bybit_banned_until(1000, 10016, -1), 0, "nor a server's error");
    cr_expect_eq(budget_bybit_banned_until(1000, 10006, -1), 6000);
    cr_expect_eq(budget_bybit_banned_until(1000, 10006, 2500), 2500);
    cr_expect_eq(budget_bybit_banned_until(1000, 10429, 900), 6000);
    cr_expect_eq(budget_banned_until(VENUE_BYBIT, 1000, 403, -1, "", 0), 601000);
    cr_expect_eq(budget_banned_until(VENUE_BYBIT, 1000, 429, -1, "", 0), 6000);
    cr_expect_eq(budget_banned_until(VENUE_BYBIT, 1000, 429, 9, "", 0), 10000);
}

#include "services/backfill/core/spans.h"

#include <criterion/criterion.h>
#include <string.h>

#include "common/base/clock.h"

#define TODAY INT64_C(1795305600000) // a midnight
#define PREV (TODAY - MS_PER_DAY)
#define LIVE (TODAY + INT64_C(36000123))
#define HOUR INT64_C(3600000)

static struct spans s;
static struct spanset missing;

static void begin(int64_t live_ms, int64_t newest_ms)
{
    spans_start(&s, live_ms, newest_ms);
}

static void up(void)
{
    spans_init(&s, &(struct spans_opts){.prev_day = true,
                                        .use = {[SPAN_STORE] = true, [SPAN_ARCHIVE] = true},
                                        .retry_ms = 1000,
                                        .retry_max_ms = 8000});
    spanset_init(&missing, SPANS_MAX, false);
    begin(LIVE, LIVE + 5);
}

static void down(void)
{
    spans_release(&s);
    spanset_release(&missing);
}

TestSuite(spans, .init = up, .fini = down);

static void expect_next(int64_t now, enum span_when day, enum span_origin origin)
{
    enum span_when d;
    enum span_origin o;
    cr_assert(spans_next(&s, now, &d, &o));
    cr_assert_eq(d, day);
    cr_assert_eq(o, origin);
    spans_asked(&s, d, o);
}

static void expect_nobody(int64_t now)
{
    enum span_when d;
    enum span_origin o;
    cr_assert(!spans_next(&s, now, &d, &o));
}

// Everything a job does for a day that no source brings anything of.
static void nobody_has_it(int64_t now)
{
    expect_next(now, SPANS_TODAY, SPAN_STORE);
    expect_next(now, SPANS_PREV, SPAN_STORE);
    spans_told(&s, SPANS_TODAY, SPAN_STORE, true, "", false, now);
    spans_told(&s, SPANS_PREV, SPAN_STORE, false, "", true, now);
    expect_next(now, SPANS_PREV, SPAN_ARCHIVE);
    spans_told(&s, SPANS_PREV, SPAN_ARCHIVE, false, "404", true, now);
}

static void declare(enum span_when d)
{
    spans_missing(&s, d, &missing);
    for (size_t i = 0; i < missing.n; i++) {
        spans_lose(&s, missing.v[i].from_ms, missing.v[i].to_ms);
    }
}

Test(spans, both_days_up_to_the_first_live_millisecond_are_wanted)
{
    int64_t from, to;
    cr_assert(spans_range(&s, SPANS_PREV, &from, &to));
    cr_assert_eq(from, PREV);
    cr_assert_eq(to, TODAY);
    cr_assert(spans_range(&s, SPANS_TODAY, &from, &to));
    cr_assert_eq(from, TODAY);
    cr_assert_eq(to, LIVE + 1, "trades of that millisecond may have come before the feed did");
    cr_assert(spans_wants(&s, SPANS_PREV, PREV) && !spans_wants(&s, SPANS_PREV, PREV - 1));
    cr_assert(spans_wants(&s, SPANS_PREV, TODAY - 1) && !spans_wants(&s, SPANS_PREV, TODAY));
    cr_assert(spans_wants(&s, SPANS_TODAY, LIVE) && !spans_wants(&s, SPANS_TODAY, LIVE + 1));
}

Test(spans, sources_take_turns_and_today_has_no_archive)
{
    expect_next(1, SPANS_TODAY, SPAN_STORE);
    expect_next(1, SPANS_PREV, SPAN_STORE);
    expect_nobody(1);
    spans_told(&s, SPANS_TODAY, SPAN_STORE, true, "", false, 1);
    expect_nobody(1);
    cr_assert(spans_is_settled(&s, SPANS_TODAY));
    cr_assert_str_eq(spans_reason(&s, SPANS_TODAY), "venue has no history of the running day");
    spans_told(&s, SPANS_PREV, SPAN_STORE, true, "", false, 1);
    cr_assert(!spans_is_settled(&s, SPANS_PREV));
    expect_next(1, SPANS_PREV, SPAN_ARCHIVE);
    expect_nobody(1);
    cr_assert(!spans_is_settled(&s, SPANS_PREV), "its rows may be coming");
}

Test(spans, what_a_source_brought_is_not_asked_of_the_next)
{
    expect_next(1, SPANS_TODAY, SPAN_STORE);
    expect_next(1, SPANS_PREV, SPAN_STORE);
    spans_hold(&s, PREV, TODAY);
    spans_hold(&s, TODAY, LIVE); // all but the millisecond of the seam
    spans_told(&s, SPANS_PREV, SPAN_STORE, true, "", false, 1);
    spans_told(&s, SPANS_TODAY, SPAN_STORE, true, "", false, 1);
    expect_nobody(1);
    spans_missing(&s, SPANS_PREV, &missing);
    cr_assert_eq(missing.n, 0);
    spans_missing(&s, SPANS_TODAY, &missing);
    cr_assert_eq(missing.n, 1);
    cr_assert_eq(missing.v[0].from_ms, LIVE);
    cr_assert_eq(missing.v[0].to_ms, LIVE + 1);
    cr_assert(!spans_is_complete(&s));
    spans_lose(&s, LIVE, LIVE + 1);
    cr_assert(spans_is_complete(&s));
}

Test(spans, a_hole_is_declared_and_the_archive_asked_for_again)
{
    nobody_has_it(100);
    cr_assert(spans_is_settled(&s, SPANS_PREV) && spans_is_settled(&s, SPANS_TODAY));
    cr_assert(!spans_is_complete(&s));
    declare(SPANS_PREV);
    cr_assert(!spans_is_complete(&s));
    declare(SPANS_TODAY);
    cr_assert(spans_is_complete(&s));
    expect_nobody(1099);
    expect_next(1100, SPANS_PREV, SPAN_ARCHIVE);
    cr_assert(spans_is_complete(&s), "what is declared stays declared meanwhile");
    spans_hold(&s, PREV, PREV + HOUR);
    spans_told(&s, SPANS_PREV, SPAN_ARCHIVE, false, "404", true, 2000);
    cr_assert(spans_is_complete(&s));
    cr_assert(!spanset_has(&s.lost, PREV) && spanset_has(&s.lost, PREV + HOUR),
              "what came is not lost any more");
    expect_next(3000, SPANS_PREV, SPAN_ARCHIVE);
    spans_hold(&s, PREV, TODAY);
    spans_told(&s, SPANS_PREV, SPAN_ARCHIVE, true, "", false, 3000);
    expect_nobody(INT64_MAX);
    cr_assert_eq(s.lost.n, 1);
    cr_assert_eq(s.lost.v[0].from_ms, TODAY);
}

Test(spans, a_file_that_can_not_be_used_is_asked_for_less_and_less_often)
{
    int64_t now = 0;
    nobody_has_it(now);
    for (int64_t pause = 1000, i = 0; i < 6; i++) {
        expect_nobody(now + pause - 1);
        now += pause;
        expect_next(now, SPANS_PREV, SPAN_ARCHIVE);
        spans_told(&s, SPANS_PREV, SPAN_ARCHIVE, false, "torn", false, now);
        pause = i == 0 ? 1000 : pause < 8000 ? 2 * pause : 8000;
    }
    cr_assert_str_eq(spans_reason(&s, SPANS_PREV), "torn");
}

Test(spans, holes_of_an_earlier_run_are_looked_for_before_it_is_complete)
{
    spans_lose(&s, PREV, LIVE + 1);
    cr_assert(!spans_is_complete(&s));
    nobody_has_it(1);
    cr_assert(spans_is_complete(&s));
}

Test(spans, a_feed_of_yesterday_leaves_only_what_is_before_it)
{
    int64_t from, to;
    begin(PREV + HOUR, TODAY + 7);
    cr_assert(!spans_range(&s, SPANS_TODAY, &from, &to));
    cr_assert(spans_range(&s, SPANS_PREV, &from, &to));
    cr_assert_eq(to, PREV + HOUR + 1);
    begin(PREV - HOUR, TODAY + 7);
    cr_assert(!spans_range(&s, SPANS_PREV, &from, &to));
    cr_assert(spans_is_complete(&s));
    expect_nobody(1);
}

Test(spans, the_seam_may_lie_on_the_last_millisecond_of_a_day)
{
    int64_t from, to;
    begin(TODAY - 1, TODAY);
    cr_assert(spans_range(&s, SPANS_PREV, &from, &to));
    cr_assert_eq(to, TODAY);
    cr_assert(!spans_range(&s, SPANS_TODAY, &from, &to));
    begin(TODAY, TODAY);
    cr_assert(spans_range(&s, SPANS_TODAY, &from, &to));
    cr_assert_eq(to - from, 1);
}

Test(spans, when_the_day_rolls_its_hole_can_be_had)
{
    nobody_has_it(1);
    spans_hold(&s, PREV, TODAY);
    declare(SPANS_TODAY);
    cr_assert(spans_is_complete(&s));
    cr_assert(!spans_roll(&s, TODAY + MS_PER_DAY - 1));
    cr_assert(spans_roll(&s, TODAY + MS_PER_DAY));
    cr_assert_eq(s.day[SPANS_PREV].start_ms, TODAY);
    cr_assert(!spanset_has(&s.held, PREV), "it is older than the previous day");
    expect_next(2, SPANS_PREV, SPAN_ARCHIVE);
    spans_hold(&s, TODAY, TODAY + MS_PER_DAY);
    spans_told(&s, SPANS_PREV, SPAN_ARCHIVE, true, "", false, 2);
    cr_assert_eq(s.lost.n, 0);
    cr_assert(spans_is_complete(&s));
}

Test(spans, today_alone_when_the_user_says_so)
{
    int64_t from, to;
    s.o.prev_day = false;
    cr_assert(!spans_range(&s, SPANS_PREV, &from, &to));
    expect_next(1, SPANS_TODAY, SPAN_STORE);
    expect_nobody(1);
}

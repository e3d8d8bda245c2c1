#include "common/market/session.h"

#include <criterion/criterion.h>

#include "common/base/clock.h"

#define DAY INT64_C(1795132800000)
#define H INT64_C(3600000)

Test(session, borders_are_exact_to_the_millisecond)
{
    static const struct {
        int64_t at;
        enum session before, from;
    } border[] = {
        {0, SESSION_OFF, SESSION_OFF},          {8 * H, SESSION_OFF, SESSION_LONDON},
        {12 * H, SESSION_LONDON, SESSION_OFF},  {13 * H, SESSION_OFF, SESSION_OVERLAP},
        {17 * H, SESSION_OVERLAP, SESSION_OFF}, {24 * H, SESSION_OFF, SESSION_OFF},
    };
    for (size_t i = 0; i < sizeof border / sizeof border[0]; i++) {
        cr_expect_eq(session_at(DAY + border[i].at - 1), border[i].before, "row %zu", i);
        cr_expect_eq(session_at(DAY + border[i].at), border[i].from, "row %zu", i);
    }
    cr_expect_eq(session_at(-1), SESSION_OFF);
    cr_expect_eq(session_at(-MS_PER_DAY + 8 * H), SESSION_LONDON, "also before 1970");
}

Test(session, words)
{
    cr_expect_str_eq(session_name(SESSION_OFF), "off");
    cr_expect_str_eq(session_name(SESSION_LONDON), "london");
    cr_expect_str_eq(session_name(SESSION_OVERLAP), "overlap");
    cr_expect_str_eq(session_strategy_name(SESSION_OFF), "waiting_for_session");
    cr_expect_str_eq(session_strategy_name(SESSION_LONDON), "london");
    cr_expect_str_eq(session_strategy_name(SESSION_OVERLAP), "overlap");
}

Test(session, next_change_is_the_first_instant_with_another_session)
{
    for (int64_t ts = DAY; ts < DAY + MS_PER_DAY; ts += 7 * 60000) {
        int64_t next = session_next_change_ms(ts);
        cr_assert_gt(next, ts);
        cr_assert_eq(session_at(next - 1), session_at(ts));
        cr_assert_neq(session_at(next), session_at(ts));
        for (int64_t t = ts; t < next; t += 60000) {
            cr_assert_eq(session_at(t), session_at(ts));
        }
    }
    cr_expect_eq(session_next_change_ms(DAY + 8 * H), DAY + 12 * H);
    cr_expect_eq(session_next_change_ms(DAY + 17 * H), DAY + 32 * H);
}

Test(session, next_active_skips_what_is_off)
{
    int64_t at;
    cr_expect_eq(session_next_active(DAY, &at), SESSION_LONDON);
    cr_expect_eq(at, DAY + 8 * H);
    cr_expect_eq(session_next_active(DAY + 8 * H, &at), SESSION_OVERLAP);
    cr_expect_eq(at, DAY + 13 * H);
    cr_expect_eq(session_next_active(DAY + 13 * H - 1, &at), SESSION_OVERLAP);
    cr_expect_eq(at, DAY + 13 * H);
    cr_expect_eq(session_next_active(DAY + 13 * H, &at), SESSION_LONDON);
    cr_expect_eq(at, DAY + 32 * H);
}

Test(session, windows)
{
    int64_t from;
    int64_t to;
    session_window(SESSION_LONDON, DAY + 20 * H, &from, &to);
    cr_expect(from == DAY + 8 * H && to == DAY + 12 * H);
    session_window(SESSION_OVERLAP, DAY, &from, &to);
    cr_expect(from == DAY + 13 * H && to == DAY + 17 * H);
}

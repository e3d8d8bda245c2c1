// CVD, volume delta, and the one command there is.

#include "tests/unit/api/fixture.h"

#define NOW INT64_C(1723107600000) // 09:00:00.000, the rig's clock

static struct rig r;

static void setup(void)
{
    rig_init(&r);
    rig_fill(&r, "0");
}

static void teardown(void)
{
    rig_release(&r);
}

TestSuite(flow, .init = setup, .fini = teardown);

static double num(const char *path)
{
    const json_t *j = at_path(r.json, path);
    cr_assert(json_is_number(j), "%s: %s", path, r.body);
    return json_number_value(j);
}

static bool is_null(const char *path)
{
    const json_t *j = at_path(r.json, path);
    cr_assert_not_null(j, "%s: %s", path, r.body);
    return json_is_null(j);
}

static bool says(const char *text)
{
    return strstr(r.body, text) != NULL;
}

// ---- CVD ---------------------------------------------------------------------------------------

Test(flow, cvd_says_since_when)
{
    get(&r, "/indicators/cvd");
    cr_expect(says("\"cvd\":-1.250,\"buy_volume\":2.000,\"sell_volume\":3.250,"
                   "\"volume_delta\":-1.250"),
              "%s", r.body);
    cr_expect_str_eq(str_at(&r, "reset_time"), "2024-08-08T08:58:30.500+00:00");
    cr_expect_str_eq(str_at(&r, "anchor"), "reset");
    cr_expect_eq(num("seconds_since_reset"), 89);
    cr_expect(has_line(&r, "Cache-Control: no-store"));
    cr_expect(json_is_false(at_path(r.json, "reset_wants_token")));
    r.g.token = "secret";
    get(&r, "/indicators/cvd");
    cr_expect(json_is_true(at_path(r.json, "reset_wants_token")));
    rig_change(&r, 0, SEC_CVD, "cvd", "");
    rig_change(&r, 0, SEC_CVD, "anchor_ms", "");
    get(&r, "/indicators/cvd");
    cr_expect(is_null("cvd") && is_null("reset_time") && is_null("seconds_since_reset"));
}

Test(flow, cvd_history_begins_in_the_minute_of_the_reset)
{
    get(&r, "/indicators/cvd/history");
    cr_expect(says("\"history\":[{\"timestamp\":\"2024-08-08T08:58:00.000+00:00\","
                   "\"timestamp_ms\":1723107480000,\"open\":0.000,\"cvd\":0.750,"
                   "\"buy_volume\":1.000,\"sell_volume\":0.250,\"volume_delta\":0.750,"
                   "\"trade_count\":2},"),
              "%s", r.body);
    cr_expect_eq(num("count"), 3);
    cr_expect_eq(num("history[1].open"), 0.75);
    cr_expect_eq(num("history[1].cvd"), -0.25);
    cr_expect_eq(num("history[2].cvd"), -1.25, "that of /indicators/cvd");
    cr_expect(!has_line(&r, "Cache-Control: no-store"), "a client may keep it");
    get(&r, "/indicators/cvd/history?limit=1");
    cr_expect_eq(num("count"), 1);
    cr_expect_eq(num("history[0].open"), -0.25);
    cr_expect_eq(num("history[0].cvd"), -1.25);
}

Test(flow, cvd_history_of_a_day_without_reset_holds_the_whole_day)
{
    rig_change(&r, 0, SEC_CVD, "first_ms", "");
    rig_change(&r, 0, SEC_CVD, "anchor_ms", "1723075200000");
    get(&r, "/indicators/cvd/history?limit=1440");
    cr_expect_eq(num("count"), 4);
    cr_expect_eq(num("history[0].cvd"), 8);
    cr_expect_eq(num("history[3].cvd"), 6);
}

Test(flow, a_line_that_would_miss_trades_is_no_line)
{
    rig_change(&r, 0, SEC_CVD, "minutes_whole", "0");
    get(&r, "/indicators/cvd/history");
    cr_expect_eq(num("count"), 0);
    cr_expect(json_is_false(at_path(r.json, "complete")));
}

// ---- volume delta ------------------------------------------------------------------------------

Test(flow, a_window_is_exact_at_both_edges)
{
    // 08:59:00.000 < ts <= 09:00:00.000: of the second 08:59:00 all but its first millisecond.
    get(&r, "/indicators/volume-delta");
    cr_expect_eq(num("period"), 60);
    cr_expect_eq(num("buy_volume"), 0);
    cr_expect_eq(num("sell_volume"), 3.125);
    cr_expect_eq(num("trade_count"), 4);
    cr_expect_str_eq(str_at(&r, "timestamp"), "2024-08-08T09:00:00.000+00:00");
    cr_expect_eq(num("missing_ms"), 40);
    get(&r, "/indicators/volume-delta?period=61");
    cr_expect_eq(num("buy_volume"), 2);
    cr_expect_eq(num("trade_count"), 7);
    get(&r, "/indicators/volume-delta?period=1");
    cr_expect_eq(num("trade_count"), 2);
    cr_expect_eq(num("missing_ms"), 0);
    // A clock half a second on: the trade of 08:59:59.500 is out.
    store_clock_seen(r.g.store, 0, NOW + 500, r.fake.mono_ms);
    get(&r, "/indicators/volume-delta?period=1");
    cr_expect_eq(num("trade_count"), 1);
    cr_expect_eq(num("timestamp_ms"), 1723107600500.0);
}

Test(flow, a_window_ends_no_earlier_than_the_newest_trade)
{
    rig_change(&r, 0, SEC_SECONDS, "1723107601", "7 0 1;250,7,0,1");
    get(&r, "/indicators/volume-delta?period=1");
    cr_expect_eq(num("timestamp_ms"), 1723107601250.0);
    cr_expect_eq(num("buy_volume"), 7);
}

Test(flow, what_is_not_known_is_null_and_never_zero)
{
    rig_change(&r, 0, SEC_INDICATORS, "from_ms", "1723107540002");
    get(&r, "/indicators/volume-delta");
    cr_expect(is_null("volume_delta") && is_null("trade_count") && is_null("missing_ms"));
    rig_change(&r, 0, SEC_INDICATORS, "from_ms", "1723107540001");
    get(&r, "/indicators/volume-delta");
    cr_expect_eq(num("trade_count"), 4);
    rig_change(&r, 0, SEC_SECONDS, "1723107599", "junk");
    get(&r, "/indicators/volume-delta");
    cr_expect(is_null("volume_delta"));
    get(&r, "/indicators/volume-delta?symbol=bybit:ETHUSDT");
    cr_assert_eq(r.status, 200);
    cr_expect(is_null("volume_delta") && is_null("timestamp"));
}

Test(flow, several_periods_end_at_one_moment)
{
    get(&r, "/indicators/volume-delta/multi?periods=61,1,60");
    cr_expect_eq(num("periods[0].period"), 61);
    cr_expect_eq(num("periods[0].trade_count"), 7);
    cr_expect_eq(num("periods[1].trade_count"), 2);
    cr_expect_eq(num("periods[2].trade_count"), 4);
    cr_expect_eq(json_array_size(at_path(r.json, "periods")), 3);
    get(&r, "/indicators/volume-delta/multi");
    cr_expect_eq(num("periods[2].period"), 900);
}

Test(flow, history_ends_at_whole_multiples_and_where_knowledge_ends)
{
    get(&r, "/indicators/volume-delta/history?period=60&limit=2");
    cr_expect_eq(num("count"), 2);
    cr_expect_str_eq(str_at(&r, "history[0].timestamp"), "2024-08-08T08:59:00.000+00:00");
    cr_expect_eq(num("history[0].buy_volume"), 2);
    cr_expect_eq(num("history[1].sell_volume"), 3.125);
    get(&r, "/indicators/volume-delta/history?period=3600");
    cr_expect_eq(num("count"), 2);
    cr_expect(is_null("history[0].missing_ms") == false);
    rig_change(&r, 0, SEC_INDICATORS, "from_ms", "1723107480001");
    get(&r, "/indicators/volume-delta/history?period=60");
    cr_expect_eq(num("count"), 2);
    rig_change(&r, 0, SEC_INDICATORS, "from_ms", "1723107480002");
    get(&r, "/indicators/volume-delta/history?period=60");
    cr_expect_eq(num("count"), 1);
}

Test(flow, parameters_are_held_to_their_bounds)
{
    static const char *const bad[] = {
        "/indicators/volume-delta?period=0",
        "/indicators/volume-delta?period=3601",
        "/indicators/volume-delta?period=60.5",
        "/indicators/volume-delta?periods=60",
        "/indicators/volume-delta/multi?periods=",
        "/indicators/volume-delta/multi?periods=60,",
        "/indicators/volume-delta/multi?periods=60,,300",
        "/indicators/volume-delta/multi?periods=60,60",
        "/indicators/volume-delta/multi?periods=60,3601",
        "/indicators/volume-delta/multi?periods=1,2,3,4,5,6,7,8,9",
        "/indicators/volume-delta/history?limit=0",
        "/indicators/cvd/history?limit=1441",
        "/indicators/cvd?limit=5",
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        get(&r, bad[i]);
        cr_expect_eq(r.status, 400, "%s: %d", bad[i], r.status);
        cr_expect(json_is_string(at_path(r.json, "error")), "%s", bad[i]);
    }
    get(&r, "/indicators/volume-delta/multi?periods=1,2,3,4,5,6,7,8");
    cr_expect_eq(r.status, 200);
}

// ---- the command -------------------------------------------------------------------------------

static enum command_result answer_with;
static int64_t asked_at;
static int asked;

static enum command_result on_command(void *arg, size_t instrument, const char *type, int64_t at_ms,
                                      struct post *p)
{
    cr_expect_eq(arg, &answer_with);
    cr_expect_eq(instrument, 0);
    cr_expect_str_eq(type, "cvd_reset");
    asked++;
    asked_at = at_ms;
    p->applied = answer_with == COMMAND_APPLIED;
    (void)str_copy(p->id, sizeof p->id, "7-0");
    return answer_with;
}

Test(flow, a_reset_answers_what_became_of_it)
{
    static const struct {
        enum command_result result;
        int status;
    } row[] = {{COMMAND_APPLIED, 200}, {COMMAND_QUEUED, 202}, {COMMAND_REFUSED, 409},
               {COMMAND_AWAY, 503},    {COMMAND_BUSY, 503},   {COMMAND_UNKNOWN, 504}};
    r.g.command = on_command;
    r.g.command_arg = &answer_with;
    for (size_t i = 0; i < sizeof row / sizeof row[0]; i++) {
        answer_with = row[i].result;
        ask_for(&r, "POST", "/indicators/cvd/reset");
        cr_expect_eq(r.status, row[i].status, "%zu: %d", i, r.status);
        cr_expect_eq(asked_at, NOW);
        if (r.status < 300) {
            cr_expect_str_eq(str_at(&r, "status"), i == 0 ? "applied" : "queued");
            cr_expect_str_eq(str_at(&r, "command"), "7-0");
            cr_expect_str_eq(str_at(&r, "requested_time"), "2024-08-08T09:00:00.000+00:00");
            cr_expect_eq(num("cvd"), -1.25);
        } else {
            cr_expect(json_is_string(at_path(r.json, "error")));
        }
        cr_expect(has_line(&r, "Cache-Control: no-store"));
    }
}

Test(flow, nothing_is_done_for_who_may_not)
{
    struct http_in in = {.method = "POST", .path = "/indicators/cvd/reset", .keep_alive = true};
    r.g.command = on_command;
    r.g.command_arg = &answer_with;
    answer_with = COMMAND_APPLIED;
    asked = 0;
    in.origin = "http://elsewhere.example";
    ask_in(&r, &in);
    cr_expect_eq(r.status, 403, "another page's script must not reset anything");
    in.origin = "http://desk.example";
    r.g.token = "secret";
    ask_in(&r, &in);
    cr_expect_eq(r.status, 401);
    in.authorization = "Bearer wrong!";
    ask_in(&r, &in);
    cr_expect_eq(r.status, 401);
    cr_expect_eq(asked, 0);
    in.authorization = "Bearer secret";
    ask_in(&r, &in);
    cr_expect_eq(r.status, 200);
    cr_expect_eq(asked, 1);
    in.has_body = true;
    ask_in(&r, &in);
    cr_expect_eq(r.status, 413);
    in.has_body = false;
    in.query = "at=5";
    ask_in(&r, &in);
    cr_expect_eq(r.status, 400);
    cr_expect_eq(asked, 1);
}

Test(flow, a_reset_is_a_post_and_needs_a_clock)
{
    get(&r, "/indicators/cvd/reset");
    cr_expect_eq(r.status, 405);
    cr_expect(has_line(&r, "Allow: POST, OPTIONS"));
    ask_for(&r, "POST", "/indicators/cvd");
    cr_expect_eq(r.status, 405);
    ask_for(&r, "POST", "/indicators/cvd/reset?symbol=bybit:ETHUSDT");
    cr_expect_eq(r.status, 503, "nothing was traded there yet");
}

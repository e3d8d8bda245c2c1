// When trades are due, and the options that decide it.

#include "services/exchange-sim/core/pace.h"

#include <criterion/criterion.h>
#include <string.h>

#include "common/base/str.h"
#include "services/exchange-sim/config.h"

Test(pace, nothing_is_due_before_the_start)
{
    struct pace p = {.num = 1, .den = 1};
    cr_assert_eq(pace_due_us(&p, 0), INT64_MAX);
}

Test(pace, speed_divides_the_distance)
{
    struct pace p = {.num = 4000, .den = 1000};
    pace_start(&p, 1000000, 50);
    cr_assert_eq(pace_due_us(&p, 1000000), 50);
    cr_assert_eq(pace_due_us(&p, 1004000), 50 + 1000000);
    cr_assert_eq(pace_market_ms(&p, 50 + 1000000), 1004000);
    cr_assert_lt(pace_due_us(&p, 999999), 50, "an earlier trade is overdue");
}

Test(pace, a_pause_moves_what_follows)
{
    struct pace p = {.num = 1, .den = 1};
    pace_start(&p, 0, 0);
    pace_pause(&p, 3000);
    cr_assert_eq(pace_due_us(&p, 5), INT64_MAX);
    cr_assert_eq(pace_market_ms(&p, 100000), 3);
    pace_pause(&p, 4000); // again: nothing new
    pace_resume(&p, 10000);
    cr_assert_eq(pace_due_us(&p, 5), 5000 + 7000);
    pace_resume(&p, 20000);
    cr_assert_eq(pace_due_us(&p, 5), 12000);
}

Test(pace, a_start_while_paused_waits)
{
    struct pace p = {.num = 1, .den = 1};
    pace_pause(&p, 1000);
    pace_start(&p, 0, 2000);
    cr_assert_eq(pace_due_us(&p, 0), INT64_MAX);
    pace_resume(&p, 9000);
    cr_assert_eq(pace_due_us(&p, 0), 9000);
}

Test(pace, max_is_always_due_unless_paused)
{
    struct pace p = {.max = true, .num = 1, .den = 1};
    pace_start(&p, 0, 0);
    cr_assert_eq(pace_due_us(&p, INT64_MAX / 4), INT64_MIN);
    pace_pause(&p, 0);
    cr_assert_eq(pace_due_us(&p, 0), INT64_MAX);
}

Test(pace, long_recordings_do_not_overflow)
{
    struct pace p = {.num = 1, .den = 1000};
    pace_start(&p, 0, 0);
    cr_assert_eq(pace_due_us(&p, INT64_C(4000000000000)), INT64_C(4000000000000) * 1000000);
}

// ---- options
// --------------------------------------------------------------------------------------

struct env {
    const char *name, *value;
};

static const char *get(void *arg, const char *name)
{
    const struct env *e = arg;
    return e != NULL && strcmp(e->name, name) == 0 ? e->value : NULL;
}

// flags: separated by blanks.
static int load(struct config *c, struct env *env, struct err *e, const char *flags)
{
    struct opt_result res = {0};
    char text[512];
    char *argv[32];
    int argc = 1;
    str_fmt(text, sizeof text, "sim %s", flags);
    argv[0] = text;
    for (char *p = text; *p != '\0'; p++) {
        if (*p == ' ') {
            *p = '\0';
            if (p[1] != '\0') {
                argv[argc++] = p + 1;
            }
        }
    }
    char **args;
    memset(c, 0, sizeof *c);
    *e = (struct err){0};
    int n = config_args(argc, argv, &args);
    int rc = opt_load(&config_table, c, get, env, n, args, &res, e);
    rc = rc == 0 ? config_check(c, e) : rc;
    config_args_free(args);
    opt_result_release(&res);
    return rc;
}

Test(config, defaults)
{
    struct config c;
    struct err e;
    cr_assert_eq(load(&c, NULL, &e, ""), 0, "%s", e.text);
    cr_assert_eq(c.port, 9001);
    cr_assert_eq(c.control_port, 9002);
    cr_assert_eq(c.speed_micro, 1000000);
    cr_assert(!c.speed_max && c.start_on_subscribe && !c.hold_when_idle);
    cr_assert_eq(c.from_ms, -1);
}

Test(config, replay_takes_files_up_to_the_next_flag)
{
    struct config c;
    struct err e;
    cr_assert_eq(load(&c, NULL, &e, "--speed max --replay a.gz b.gz --port 0"), 0, "%s", e.text);
    cr_assert_str_eq(c.replay, "a.gz,b.gz");
    cr_assert(c.speed_max);
    cr_assert_eq(c.port, 0);
    cr_assert_eq(load(&c, NULL, &e, "--replay=a --shift-to-now"), 0, "%s", e.text);
    cr_assert_str_eq(c.replay, "a");
    struct env env = {"SIM_REPLAY", "x,y"};
    cr_assert_eq(load(&c, &env, &e, ""), 0);
    cr_assert_str_eq(c.replay, "x,y");
}

Test(config, what_makes_no_sense_is_refused_by_name)
{
    struct config c;
    struct err e;
    cr_assert_neq(load(&c, NULL, &e, "--speed fast"), 0);
    cr_assert(strstr(e.text, "SIM_SPEED") != NULL && strstr(e.text, "fast") != NULL);
    cr_assert_neq(load(&c, NULL, &e, "--speed 0"), 0);
    cr_assert_neq(load(&c, NULL, &e, "--speed -1"), 0);
    cr_assert_neq(load(&c, NULL, &e, "--generate --replay a"), 0);
    cr_assert_neq(load(&c, NULL, &e, "--stretch 1000"), 0);
    cr_assert_neq(load(&c, NULL, &e, "--shift-to-now"), 0);
    cr_assert_neq(load(&c, NULL, &e, "--replay a --stretch 1000 --speed max"), 0);
    cr_assert_neq(load(&c, NULL, &e, "--cert x.pem"), 0);
    cr_assert_neq(load(&c, NULL, &e, "--from yesterday"), 0);
    cr_assert_neq(load(&c, NULL, &e, "--port 65536"), 0);
    cr_assert_neq(load(&c, NULL, &e, "stray.gz"), 0);
}

Test(config, speeds_may_have_many_decimals)
{
    struct config c;
    struct err e;
    cr_assert_eq(load(&c, NULL, &e, "--replay a --speed 68.66420000000001"), 0, "%s", e.text);
    cr_assert_eq(c.speed_micro, 68664200);
    cr_assert_eq(load(&c, NULL, &e, "--replay a --speed 0.001"), 0);
    cr_assert_eq(c.speed_micro, 1000);
    cr_assert_eq(load(&c, NULL, &e, "--replay a --speed 1000000"), 0);
    cr_assert_neq(load(&c, NULL, &e, "--replay a --speed 1000000.1"), 0);
    cr_assert_neq(load(&c, NULL, &e, "--replay a --speed 0.0009"), 0);
    cr_assert_neq(load(&c, NULL, &e, "--replay a --speed 1.2.3"), 0);
    cr_assert_neq(load(&c, NULL, &e, "--replay a --speed 1e3"), 0);
}

Test(config, times_are_read_in_four_forms)
{
    static const struct {
        const char *text;
        int64_t ms;
    } rows[] = {
        {"2026-11-21", 1795219200000},
        {"2026-11-21T23:00", 1795302000000},
        {"2026-11-21T23:00:01Z", 1795302001000},
        {"2026-11-21 23:00:01", 1795302001000},
        {"1795302000123", 1795302000123},
        {"2026-11-21T24:00", -1},
        {"2026-11-21T23:60", -1},
        {"2026-11-21T23:00:00.000Z", -1},
        {"2026-13-21", -1},
        {"-5", -1},
        {"", -1},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        int64_t ms = 0;
        int rc = config_parse_time(rows[i].text, &ms);
        cr_assert_eq(rc == 0, rows[i].ms >= 0, "%s", rows[i].text);
        cr_assert(rc != 0 || ms == rows[i].ms, "%s: %lld", rows[i].text, (long long)ms);
    }
}

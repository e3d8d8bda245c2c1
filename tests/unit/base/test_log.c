#include "common/base/log.h"

#include <criterion/criterion.h>
#include <jansson.h>
#include <pthread.h>
#include <string.h>

static struct fake_clock now = {.wall_us = INT64_C(1795354260123456), .mono_ms = 1000};

struct capture {
    char *text;
    size_t n;
    FILE *f;
};

static void start(struct capture *c, enum log_level level)
{
    c->f = open_memstream(&c->text, &c->n);
    log_init(c->f, clock_fake(&now), "collector", "binance", level);
}

static size_t lines(struct capture *c)
{
    fflush(c->f);
    size_t n = 0;
    for (size_t i = 0; i < c->n; i++) {
        n += c->text[i] == '\n';
    }
    return n;
}

static void stop(struct capture *c)
{
    log_init(NULL, clock_fake(&now), "?", "", LOG_INFO);
    fclose(c->f);
    free(c->text);
}

Test(log, one_json_line_with_the_context_in_front)
{
    struct capture c;
    start(&c, LOG_INFO);
    log_ev(LOG_WARN, "ws_gap", F_STR("sym", "binance:BTCUSDT"), F_INT("missed", -3),
           F_UINT("n", UINT64_MAX), F_BOOL("b", true), F_RAW("p", "1.50"), F_STR("gone", NULL));
    fflush(c.f);
    cr_expect_str_eq(c.text,
                     "{\"ts\":\"2026-11-22T13:31:00.123Z\",\"lvl\":\"warn\",\"svc\":\"collector\","
                     "\"inst\":\"binance\",\"ev\":\"ws_gap\",\"sym\":\"binance:BTCUSDT\","
                     "\"missed\":-3,\"n\":18446744073709551615,\"b\":true,\"p\":1.50}\n");
    stop(&c);
}

Test(log, a_hostile_string_stays_inside_its_quotes)
{
    struct capture c;
    start(&c, LOG_INFO);
    log_ev(LOG_INFO, "x", F_STR("s", "\"}\n{\"ev\":\"forged\x1b[31m\xFF"));
    cr_expect_eq(lines(&c), 1);
    json_t *v = json_loads(c.text, 0, NULL);
    cr_assert_not_null(v);
    cr_expect_str_eq(json_string_value(json_object_get(v, "s")),
                     "\"}\n{\"ev\":\"forged\x1b[31m\xEF\xBF\xBD");
    cr_expect_null(strchr(c.text, 0x1b));
    json_decref(v);
    stop(&c);
}

Test(log, levels_below_the_limit_are_silent)
{
    struct capture c;
    start(&c, LOG_WARN);
    log_ev(LOG_INFO, "x", F_INT("i", 1));
    log_ev(LOG_DEBUG, "x", F_INT("i", 1));
    cr_expect_eq(lines(&c), 0);
    log_ev(LOG_WARN, "x", F_INT("i", 1));
    log_ev(LOG_ERROR, "x", F_INT("i", 1));
    cr_expect_eq(lines(&c), 2);
    cr_expect(log_enabled(LOG_WARN) && !log_enabled(LOG_INFO));
    stop(&c);
}

Test(log, each_event_has_its_own_limit_and_says_what_was_held_back)
{
    struct capture c;
    start(&c, LOG_INFO);
    for (int i = 0; i < LOG_BURST + 512; i++) {
        log_ev(LOG_INFO, "noisy", F_INT("i", i));
    }
    cr_expect_eq(lines(&c), LOG_BURST);
    log_ev(LOG_INFO, "other", F_INT("i", 1));
    cr_expect_eq(lines(&c), LOG_BURST + 1);
    now.mono_ms += 999;
    log_ev(LOG_INFO, "noisy", F_INT("i", 1));
    cr_expect_eq(lines(&c), LOG_BURST + 1);
    now.mono_ms += 1;
    log_ev(LOG_INFO, "noisy", F_INT("i", 1));
    cr_expect_eq(lines(&c), LOG_BURST + 3);
    cr_expect_not_null(strstr(c.text, "\"ev\":\"log_suppressed\",\"of\":\"noisy\",\"n\":513}"));
    log_flush();
    cr_expect_eq(lines(&c), LOG_BURST + 3, "nothing is told twice");
    for (int i = 0; i < LOG_BURST; i++) {
        log_ev(LOG_INFO, "noisy", F_INT("i", i));
    }
    log_flush();
    cr_expect_not_null(strstr(c.text, "\"of\":\"noisy\",\"n\":1}"));
    stop(&c);
}

Test(log, thousands_of_event_names_do_not_grow_the_table)
{
    struct capture c;
    start(&c, LOG_INFO);
    for (int i = 0; i < 5000; i++) {
        char ev[32];
        snprintf(ev, sizeof ev, "event_%d", i);
        log_ev(LOG_INFO, ev, F_INT("i", i));
    }
    log_flush();
    cr_expect(lines(&c) < 300);
    cr_expect_not_null(strstr(c.text, "\"of\":\"(others)\""));
    stop(&c);
}

Test(log, a_secret_never_leaves)
{
    struct capture c;
    start(&c, LOG_INFO);
    log_add_secret("hunter2");
    log_add_secret("hunter2-longer");
    log_add_secret("longer-first");
    log_add_secret("longer");
    log_add_secret("pw\"quote");
    log_add_secret("abc"); // too short to be one
    log_add_secret(NULL);
    log_ev(LOG_INFO, "x", F_STR("a", "redis://u:hunter2@h/0 hunter2"),
           F_STR("b", "hunter2-longer!"), F_STR("c", "abc"), F_RAW("d", "{\"k\":\"hunter2\"}"),
           F_STR("e", "pw\"quote"), F_STR("f", "longer-first"));
    fflush(c.f);
    cr_expect_null(strstr(c.text, "hunter2"));
    cr_expect_null(strstr(c.text, "quote"));
    cr_expect_not_null(strstr(c.text,
                              "\"a\":\"redis://u:***@h/0 ***\",\"b\":\"***!\",\"c\":\"abc\","
                              "\"d\":{\"k\":\"***\"},\"e\":\"***\",\"f\":\"***\"}"));
    stop(&c);
}

Test(log, the_17th_secret_is_not_taken_and_nothing_breaks)
{
    struct capture c;
    start(&c, LOG_INFO);
    for (int i = 0; i < 40; i++) {
        char s[24];
        snprintf(s, sizeof s, "secret%02d", i);
        log_add_secret(s);
        log_add_secret(s);
    }
    log_ev(LOG_INFO, "x", F_STR("a", "secret00 secret15 secret16"));
    fflush(c.f);
    cr_expect_not_null(strstr(c.text, "\"*** *** secret16\""));
    stop(&c);
}

Test(log, a_line_that_is_too_long_says_so)
{
    struct capture c;
    start(&c, LOG_INFO);
    static char big[40000];
    memset(big, 'x', sizeof big - 1);
    log_ev(LOG_ERROR, "huge", F_STR("s", big));
    cr_expect_eq(lines(&c), 1);
    cr_expect_not_null(strstr(c.text, "\"ev\":\"huge\",\"cut\":true}"));
    stop(&c);
}

static void *writer(void *arg)
{
    const char *ev = arg;
    for (int i = 0; i < 2000; i++) {
        log_ev(LOG_INFO, ev, F_STR("s", "some text"), F_INT("i", i));
    }
    return NULL;
}

Test(log, lines_of_several_threads_do_not_mix)
{
    struct capture c;
    start(&c, LOG_INFO);
    static char names[4][8] = {"t0", "t1", "t2", "t3"};
    pthread_t threads[4];
    for (size_t i = 0; i < 4; i++) {
        cr_assert_eq(pthread_create(&threads[i], NULL, writer, names[i]), 0);
    }
    for (size_t i = 0; i < 4; i++) {
        pthread_join(threads[i], NULL);
    }
    log_flush();
    cr_expect_eq(lines(&c), 4 * (LOG_BURST + 1));
    for (char *p = c.text; *p;) {
        char *end = strchr(p, '\n');
        *end = '\0';
        json_t *v = json_loads(p, 0, NULL);
        cr_expect_not_null(v, "%s", p);
        json_decref(v);
        p = end + 1;
    }
    stop(&c);
}

Test(log, level_names)
{
    enum log_level level = LOG_ERROR;
    cr_expect(log_parse_level("debug", &level) == 0 && level == LOG_DEBUG);
    cr_expect(log_parse_level("Warning", &level) == 0 && level == LOG_WARN);
    cr_expect(log_parse_level("WARN", &level) == 0 && level == LOG_WARN);
    cr_expect(log_parse_level("ERROR", &level) == 0 && level == LOG_ERROR);
    cr_expect(log_parse_level("info", &level) == 0 && level == LOG_INFO);
    cr_expect_eq(log_parse_level("verbose", &level), ERR_RANGE);
    cr_expect_eq(log_parse_level("", &level), ERR_RANGE);
}

#include "common/io/boot.h"

#include <criterion/criterion.h>
#include <criterion/redirect.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/base/str.h"

struct config {
    char log_level[16], instance[32];
    int64_t port;
};

static const struct opt rows[] = {
    {.name = "LOG_LEVEL",
     .type = OPT_STR,
     FIELD(struct config, log_level),
     .def = "INFO",
     .text = "Level."},
    {.name = "TEST_INSTANCE",
     .type = OPT_STR,
     FIELD(struct config, instance),
     .def = "0",
     .text = "Name."},
    {.name = "TEST_PORT",
     .flag = "--port",
     .type = OPT_INT,
     FIELD(struct config, port),
     .min = 0,
     .max = 10,
     .def = "3",
     .text = "Port."},
    {.name = "OLD_NAME", .type = OPT_OLD, .text = "nothing reads it any more"},
};
static const struct opt_table table = {
    .program = "tester", .summary = "Tests.", .rows = rows, .n = sizeof rows / sizeof rows[0]};

static int check(void *values, struct err *e)
{
    const struct config *c = values;
    return c->port == 9 ? err_set(e, ERR_RANGE, "TEST_PORT: nine is taken") : 0;
}

static int begin(struct boot *b, struct config *cfg, const char *arg)
{
    char *argv[] = {(char[]){"tester"}, NULL, NULL};
    static char copy[100];
    if (arg) {
        str_copy(copy, sizeof copy, arg);
        argv[1] = copy;
    }
    *b = (struct boot){.table = &table,
                       .values = cfg,
                       .log_level = cfg->log_level,
                       .instance = cfg->instance,
                       .check = check};
    return boot_begin(b, arg ? 2 : 1, argv);
}

Test(boot, help_and_the_option_table_go_to_stdout_and_end_it_with_0)
{
    cr_redirect_stdout();
    struct boot b;
    struct config cfg;
    cr_assert_eq(begin(&b, &cfg, "--help"), 0);
    cr_assert_eq(begin(&b, &cfg, "--print-options"), 0);
    cr_assert_eq(b.loop, NULL);
}

Test(boot, a_bad_configuration_is_2_with_the_reason_on_stderr)
{
    cr_redirect_stderr();
    struct boot b;
    struct config cfg;
    cr_assert_eq(begin(&b, &cfg, "--port=11"), 2);
    cr_assert_eq(begin(&b, &cfg, "--port=9"), 2, "rules across options count too");
    cr_assert_eq(begin(&b, &cfg, "--nosuch"), 2);
    setenv("LOG_LEVEL", "loud", 1);
    cr_assert_eq(begin(&b, &cfg, NULL), 2);
    cr_assert_eq(b.loop, NULL);
    fflush(stderr);
    char text[1000] = "";
    FILE *f = cr_get_redirected_stderr();
    size_t n = fread(text, 1, sizeof text - 1, f);
    cr_assert_gt(n, 0);
    cr_assert_neq(strstr(text, "TEST_PORT: nine is taken\n"), NULL, "%s", text);
    cr_assert_neq(strstr(text, "LOG_LEVEL: 'loud'"), NULL, "%s", text);
}

static void stop(void *arg)
{
    service_done(arg);
}

Test(boot, runs_a_service_from_process_up_to_process_down)
{
    cr_redirect_stderr();
    setenv("OLD_NAME", "1", 1);
    struct boot b;
    struct config cfg;
    cr_assert_eq(begin(&b, &cfg, "--port=5"), -1);
    cr_assert_eq(cfg.port, 5);
    struct service *s = service_new(
        &(struct service_opts){
            .loop = b.loop, .name = "tester", .instance = cfg.instance, .http_port = 0},
        NULL);
    struct timer *t = timer_new(b.loop, stop, s);
    timer_start(t, 1);
    int port = service_http_port(s);
    boot_run(&b, s);
    timer_free(t);
    cr_assert_eq(boot_end(&b, s), 0);
    fflush(stderr);
    char text[4000] = "";
    size_t n = fread(text, 1, sizeof text - 1, cr_get_redirected_stderr());
    cr_assert_gt(n, 0);
    char want[60];
    str_fmt(want, sizeof want, "\"health_port\":%d", port);
    cr_assert_neq(strstr(text, "\"ev\":\"process_up\""), NULL, "%s", text);
    cr_assert_neq(strstr(text, want), NULL, "%s", text);
    cr_assert_neq(strstr(text, "\"TEST_PORT\":5"), NULL, "%s", text);
    cr_assert_neq(strstr(text, "\"ev\":\"process_down\""), NULL, "%s", text);
    cr_assert_neq(strstr(text, "OLD_NAME"), NULL, "%s", text);
}

Test(boot, a_failed_start_is_1)
{
    cr_redirect_stderr();
    struct boot b;
    struct config cfg;
    cr_assert_eq(begin(&b, &cfg, NULL), -1);
    struct err e = {0};
    err_set(&e, ERR_IO, "no port");
    cr_assert_eq(boot_fail(&b, NULL, &e), 1);
}

Test(boot, a_peer_that_went_away_does_not_end_the_process)
{
    cr_redirect_stderr();
    struct boot b;
    struct config cfg;
    cr_assert_eq(begin(&b, &cfg, NULL), -1);
    int fd[2];
    cr_assert_eq(pipe(fd), 0);
    close(fd[0]);
    cr_assert_eq(write(fd[1], "x", 1), -1);
    close(fd[1]);
    boot_end(&b, service_new(&(struct service_opts){.loop = b.loop, .name = "x", .http_port = -1},
                             NULL));
}

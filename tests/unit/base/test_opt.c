#include "common/base/opt.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/log.h"
#include "common/base/str.h"

struct values {
    int64_t queue;
    bool trim;
    char host[16];
    char mode[8];
    int64_t speed;
    char tick[24];
    char symbols[32];
    char url[32];
    char key[16];
};

static const char *const modes[] = {"base", "quote", NULL};
static const struct opt rows[] = {
    {"MAX_QUEUE", "--max-queue", OPT_INT, FIELD(struct values, queue), .min = 100, .max = 10000000,
     .def = "5000", .unit = "trades", .text = "Trades held."},
    {"TRIM", "--trim", OPT_BOOL, FIELD(struct values, trim), .def = "true", .text = "Trim."},
    {"HOST", "--host", OPT_STR, FIELD(struct values, host), .def = "127.0.0.1", .text = "Host."},
    {"MODE", "--mode", OPT_CHOICE, FIELD(struct values, mode), .def = "base", .choices = modes,
     .text = "Base | quote."},
    {"SPEED", "--speed", OPT_MILLI, FIELD(struct values, speed), .min = 100, .max = 5000,
     .def = "1", .text = "Speed."},
    {"TICK", NULL, OPT_DEC, FIELD(struct values, tick), .def = "0.1", .text = "Tick."},
    {"SYMBOLS", NULL, OPT_LIST, FIELD(struct values, symbols), .def = "BTCUSDT", .text = "List."},
    {"URL", "--url", OPT_STR, FIELD(struct values, url), .def = "redis://h", .secret = true,
     .text = "Address."},
    {"KEY", NULL, OPT_STR, FIELD(struct values, key), .secret = true, .text = "Key."},
    {"OLD_DIR", NULL, OPT_OLD, .text = "replaced by streams"},
};
static const struct opt_table table = {"svc", "does things", NULL, rows,
                                       sizeof rows / sizeof rows[0]};

static const char *fake_getenv(void *arg, const char *name)
{
    for (const char *const *p = arg; p && *p; p += 2) {
        if (strcmp(p[0], name) == 0) {
            return p[1];
        }
    }
    return NULL;
}

struct run {
    struct values v;
    struct opt_result res;
    struct err e;
    int rc;
};

#define ARGS(...) ((const char *[]){"svc", __VA_ARGS__, NULL})
#define ENV(...) ((const char *[]){__VA_ARGS__, NULL, NULL})

static struct run load_table(const struct opt_table *t, const char **env, const char **args)
{
    struct run r = {.rc = 0};
    char *argv[16];
    int argc = 0;
    for (; args[argc]; argc++) {
        cr_assert(argc < 15);
        memcpy(&argv[argc], &args[argc], sizeof argv[0]); // main() has no const either
    }
    argv[argc] = NULL;
    r.rc = opt_load(t, &r.v, fake_getenv, env, argc, argv, &r.res, &r.e);
    return r;
}

static struct run load(const char **env, const char **args)
{
    return load_table(&table, env, args);
}

static void expect_refused(const char **env, const char **args, int rc, const char *text)
{
    struct run r = load(env, args);
    cr_expect_eq(r.rc, rc, "%s: %d", text, r.rc);
    if (r.rc) {
        cr_expect_str_eq(r.e.text, text);
    }
    opt_result_release(&r.res);
}

Test(opt, defaults_fill_every_row)
{
    struct run r = load(NULL, ARGS(NULL));
    cr_assert_eq(r.rc, 0, "%s", r.e.text);
    cr_expect_eq(r.v.queue, 5000);
    cr_expect(r.v.trim);
    cr_expect_str_eq(r.v.host, "127.0.0.1");
    cr_expect_str_eq(r.v.mode, "base");
    cr_expect_eq(r.v.speed, 1000);
    cr_expect_str_eq(r.v.tick, "0.1");
    cr_expect_str_eq(r.v.symbols, "BTCUSDT");
    cr_expect_str_eq(r.v.key, "");
    cr_expect_eq(buf_len(&r.res.notes), 0);
    cr_expect_eq(r.res.first_operand, 1);
    opt_result_release(&r.res);
}

Test(opt, flag_beats_environment_beats_default)
{
    struct run r = load(ENV("MAX_QUEUE", "200", "SPEED", "0.5", "MODE", "QUOTE", "TRIM", "No"),
                        ARGS("--max-queue", "300", "--host=h"));
    cr_assert_eq(r.rc, 0, "%s", r.e.text);
    cr_expect_eq(r.v.queue, 300);
    cr_expect_eq(r.v.speed, 500);
    cr_expect_str_eq(r.v.mode, "quote", "stored as listed");
    cr_expect_not(r.v.trim);
    cr_expect_str_eq(r.v.host, "h");
    opt_result_release(&r.res);
}

Test(opt, a_variable_that_is_empty_is_not_set)
{
    struct run r = load(ENV("MAX_QUEUE", "", "HOST", "", "OLD_DIR", ""), ARGS(NULL));
    cr_assert_eq(r.rc, 0, "%s", r.e.text);
    cr_expect_eq(r.v.queue, 5000);
    cr_expect_str_eq(r.v.host, "127.0.0.1");
    cr_expect_eq(buf_len(&r.res.notes), 0);
    opt_result_release(&r.res);
}

Test(opt, a_flag_of_a_switch_stands_alone)
{
    struct run r = load(ENV("TRIM", "off"), ARGS("--trim", "--speed", "2.125"));
    cr_assert_eq(r.rc, 0, "%s", r.e.text);
    cr_expect(r.v.trim);
    cr_expect_eq(r.v.speed, 2125);
    opt_result_release(&r.res);
    r = load(NULL, ARGS("--trim=0"));
    cr_expect(r.rc == 0 && !r.v.trim);
    opt_result_release(&r.res);
}

Test(opt, numbers_are_whole_and_within_bounds)
{
    const char *text = "MAX_QUEUE: '%s' is not a whole number from 100 to 10000000";
    static const char *const bad[] = {
        "12x",  "99",  "10000001", "1e3", " 200", "200 ", "0x100", "200.0", "99999999999999999999",
        "-200", "+200"};
    static const int rc[] = {ERR_SYNTAX, ERR_RANGE,  ERR_RANGE, ERR_SYNTAX, ERR_SYNTAX, ERR_SYNTAX,
                             ERR_SYNTAX, ERR_SYNTAX, ERR_RANGE, ERR_RANGE,  ERR_SYNTAX};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        char want[200];
        const char *at = strstr(text, "%s");
        snprintf(want, sizeof want, "%.*s%s%s", (int)(at - text), text, bad[i], at + 2);
        expect_refused(ENV("MAX_QUEUE", bad[i]), ARGS(NULL), rc[i], want);
    }
    struct run r = load(ENV("MAX_QUEUE", "100"), ARGS(NULL));
    cr_expect(r.rc == 0 && r.v.queue == 100);
    opt_result_release(&r.res);
    r = load(ENV("MAX_QUEUE", "10000000"), ARGS(NULL));
    cr_expect(r.rc == 0 && r.v.queue == 10000000);
    opt_result_release(&r.res);
}

Test(opt, every_type_refuses_with_its_range)
{
    expect_refused(ENV("TRIM", "maybe"), ARGS(NULL), ERR_SYNTAX,
                   "TRIM: 'maybe' is not true or false");
    expect_refused(ENV("MODE", "both"), ARGS(NULL), ERR_RANGE,
                   "MODE: 'both' is not one of base, quote");
    expect_refused(ENV("SPEED", "0.0999"), ARGS(NULL), ERR_SYNTAX,
                   "SPEED: '0.0999' is not a number from 0.1 to 5 with at most 3 decimals");
    expect_refused(ENV("SPEED", "5.001"), ARGS(NULL), ERR_RANGE,
                   "SPEED: '5.001' is not a number from 0.1 to 5 with at most 3 decimals");
    expect_refused(ENV("TICK", "0"), ARGS(NULL), ERR_RANGE,
                   "TICK: '0' is not a positive decimal with at most 10 decimals");
    expect_refused(ENV("TICK", "-1"), ARGS(NULL), ERR_RANGE,
                   "TICK: '-1' is not a positive decimal with at most 10 decimals");
    expect_refused(ENV("TICK", "0,1"), ARGS(NULL), ERR_SYNTAX,
                   "TICK: '0,1' is not a positive decimal with at most 10 decimals");
    expect_refused(ENV("TICK", "0.00000000001"), ARGS(NULL), ERR_RANGE,
                   "TICK: '0.00000000001' is not a positive decimal with at most 10 decimals");
    expect_refused(ENV("SYMBOLS", "A,,B"), ARGS(NULL), ERR_SYNTAX,
                   "SYMBOLS: 'A,,B' is not a comma-separated list of at most 31 bytes");
    expect_refused(ENV("SYMBOLS", "A,"), ARGS(NULL), ERR_SYNTAX,
                   "SYMBOLS: 'A,' is not a comma-separated list of at most 31 bytes");
    expect_refused(ENV("SYMBOLS", "A, ,B"), ARGS(NULL), ERR_SYNTAX,
                   "SYMBOLS: 'A, ,B' is not a comma-separated list of at most 31 bytes");
    expect_refused(ENV("HOST", "sixteen-bytes-xx"), ARGS(NULL), ERR_RANGE,
                   "HOST: 'sixteen-bytes-xx' is not printable text of 1 to 15 bytes");
    expect_refused(NULL, ARGS("--host="), ERR_RANGE,
                   "--host: '' is not printable text of 1 to 15 bytes");
}

Test(opt, messages_are_short_and_printable)
{
    char big[500];
    memset(big, 'x', sizeof big - 1);
    big[sizeof big - 1] = '\0';
    struct run r = load(ENV("HOST", big), ARGS(NULL));
    cr_expect_eq(r.rc, ERR_RANGE);
    cr_expect(strlen(r.e.text) < 120 && strstr(r.e.text, "xxx...' is not"));
    opt_result_release(&r.res);
    expect_refused(ENV("HOST", "a\x1b[31m\n"), ARGS(NULL), ERR_RANGE,
                   "HOST: 'a?[31m?' is not printable text of 1 to 15 bytes");
}

Test(opt, unknown_flags_and_operands_are_refused)
{
    expect_refused(NULL, ARGS("--nope"), ERR_SYNTAX, "--nope: no such flag (--help lists them)");
    expect_refused(NULL, ARGS("--hos", "x"), ERR_SYNTAX, "--hos: no such flag (--help lists them)");
    expect_refused(NULL, ARGS("-x"), ERR_SYNTAX, "-x: no such flag (--help lists them)");
    expect_refused(NULL, ARGS("--host"), ERR_SYNTAX, "--host: needs a value");
    expect_refused(NULL, ARGS("file"), ERR_SYNTAX, "'file': operands are not taken");
    expect_refused(NULL, ARGS("--", "--host"), ERR_SYNTAX, "'--host': operands are not taken");
}

Test(opt, operands_come_last)
{
    struct opt_table t = table;
    t.operands = "[FILE...]";
    struct run r = load_table(&t, NULL, ARGS("--host", "h", "a", "--trim"));
    cr_assert_eq(r.rc, 0, "%s", r.e.text);
    cr_expect_eq(r.res.first_operand, 3);
    opt_result_release(&r.res);
    r = load_table(&t, NULL, ARGS("--trim", "--", "--host"));
    cr_assert_eq(r.rc, 0, "%s", r.e.text);
    cr_expect_eq(r.res.first_operand, 3);
    opt_result_release(&r.res);
    r = load_table(&t, NULL, ARGS("-"));
    cr_expect(r.rc == 0 && r.res.first_operand == 1, "a lone dash is an operand");
    opt_result_release(&r.res);
}

Test(opt, help_works_in_a_broken_environment)
{
    struct run r = load(ENV("MAX_QUEUE", "12x"), ARGS("--help"));
    cr_expect(r.rc == 0 && r.res.help);
    opt_result_release(&r.res);
    r = load(ENV("MAX_QUEUE", "12x"), ARGS("--print-options"));
    cr_expect(r.rc == 0 && r.res.print_options);
    opt_result_release(&r.res);
}

Test(opt, an_old_name_is_accepted_with_a_note)
{
    struct run r = load(ENV("OLD_DIR", "/x"), ARGS(NULL));
    cr_assert_eq(r.rc, 0, "%s", r.e.text);
    cr_expect_eq(buf_len(&r.res.notes), sizeof "OLD_DIR: replaced by streams");
    cr_expect_str_eq(buf_ptr(&r.res.notes), "OLD_DIR: replaced by streams");
    opt_result_release(&r.res);
}

static void write_secret(char path[64], const char *bytes, size_t n)
{
    (void)str_copy(path, 64, "/tmp/bc4-opt-XXXXXX");
    int fd = mkstemp(path);
    cr_assert(fd >= 0 && write(fd, bytes, n) == (ssize_t)n);
    close(fd);
}

Test(opt, secrets_come_from_files_without_their_line_end)
{
    char path[64];
    write_secret(path, "s3cret-key\r\n", 12);
    struct run r = load(ENV("KEY_FILE", path), ARGS(NULL));
    cr_expect_eq(r.rc, 0, "%s", r.e.text);
    cr_expect_str_eq(r.v.key, "s3cret-key");
    opt_result_release(&r.res);
    expect_refused(ENV("KEY_FILE", path, "KEY", "other"), ARGS(NULL), ERR_SYNTAX,
                   "KEY_FILE: KEY is set too; give one of them");
    // Only rows marked secret have a file.
    r = load(ENV("HOST_FILE", path), ARGS(NULL));
    cr_expect_str_eq(r.v.host, "127.0.0.1");
    opt_result_release(&r.res);
    unlink(path);
}

Test(opt, bad_secret_files_are_refused_without_showing_them)
{
    expect_refused(ENV("KEY_FILE", "/nonexistent/key"), ARGS(NULL), ERR_RANGE,
                   "KEY_FILE: cannot read '/nonexistent/key'");
    expect_refused(ENV("KEY_FILE", "/"), ARGS(NULL), ERR_RANGE, "KEY_FILE: cannot read '/'");
    char path[64];
    char want[200];
    write_secret(path, "ab\0cd", 5);
    snprintf(want, sizeof want, "KEY_FILE: '%s' holds a NUL byte", path);
    expect_refused(ENV("KEY_FILE", path), ARGS(NULL), ERR_SYNTAX, want);
    unlink(path);
    write_secret(path, "longer than sixteen bytes", 25);
    expect_refused(ENV("KEY_FILE", path), ARGS(NULL), ERR_RANGE,
                   "KEY_FILE: '***' is not printable text of at most 15 bytes");
    unlink(path);
    char big[5000];
    memset(big, 'x', sizeof big);
    write_secret(path, big, sizeof big);
    snprintf(want, sizeof want, "KEY_FILE: '%s' holds more than 4096 bytes", path);
    expect_refused(ENV("KEY_FILE", path), ARGS(NULL), ERR_RANGE, want);
    unlink(path);
}

Test(opt, secrets_are_handed_to_the_logger_and_not_described)
{
    struct run r = load(ENV("KEY", "key-7Q"), ARGS("--url", "redis://:pw@h"));
    cr_assert_eq(r.rc, 0, "%s", r.e.text);
    char *text = NULL;
    size_t n = 0;
    FILE *f = open_memstream(&text, &n);
    log_init(f, clock_system(), "svc", "0", LOG_INFO);
    log_ev(LOG_INFO, "x", F_STR("a", "key-7Q at redis://:pw@h"));
    fflush(f);
    cr_expect_not_null(strstr(text, "\"*** at ***\""));
    log_init(NULL, clock_system(), "svc", "0", LOG_INFO);
    fclose(f);
    free(text);
    struct buf b;
    buf_init(&b, 4096);
    opt_describe(&table, &r.v, &b);
    cr_expect_str_eq(buf_cstr(&b),
                     "{\"MAX_QUEUE\":5000,\"TRIM\":true,\"HOST\":\"127.0.0.1\",\"MODE\":\"base\","
                     "\"SPEED\":1,\"TICK\":\"0.1\",\"SYMBOLS\":\"BTCUSDT\",\"URL\":\"***\","
                     "\"KEY\":\"***\"}");
    buf_release(&b);
    opt_result_release(&r.res);
}

static char *printed(void (*print)(const struct opt_table *, FILE *))
{
    char *text = NULL;
    size_t n = 0;
    FILE *f = open_memstream(&text, &n);
    print(&table, f);
    fclose(f);
    return text;
}

Test(opt, the_table_prints_itself)
{
    char *md = printed(opt_print_markdown);
    cr_expect_not_null(strstr(md, "| variable | default | allowed | meaning |\n|---|---|---|---|\n"
                                  "| `MAX_QUEUE`, `--max-queue` | `5000` trades | a whole number "
                                  "from 100 to 10000000 | Trades held. |\n"));
    cr_expect_not_null(strstr(md, "Base \\| quote."), "a cell may not end the row");
    cr_expect_not_null(strstr(md, "| `KEY`, `KEY_FILE` |"));
    char *help = printed(opt_print_help);
    for (size_t i = 0; i < table.n; i++) {
        cr_expect_not_null(strstr(md, rows[i].name));
        cr_expect_not_null(strstr(help, rows[i].name));
        cr_expect(!rows[i].flag || strstr(help, rows[i].flag));
    }
    free(md);
    free(help);
}

#include "common/base/optfile.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct values {
    int64_t queue;
    bool depth;
    char symbol[16], key[32];
};

static const struct opt rows[] = {
    {"X_QUEUE", NULL, OPT_INT, FIELD(struct values, queue), .min = 1, .max = 9, .def = "5"},
    {"X_DEPTH", NULL, OPT_BOOL, FIELD(struct values, depth), .def = "true"},
    {"X_SYMBOL", NULL, OPT_STR, FIELD(struct values, symbol), .def = "A"},
    {"X_KEY", NULL, OPT_STR, FIELD(struct values, key), .def = "", .secret = true},
};
static const struct opt_table table = {.program = "x", .rows = rows, .n = 4};

static struct values v;

// Writes the text into a file, loads it; the error's text is in e.
static int load(const char *text, struct err *e)
{
    char path[] = "/tmp/bc4-optfile-XXXXXX";
    char program[] = "x", *argv[] = {program, NULL};
    struct opt_result res = {0};
    const int fd = mkstemp(path);
    cr_assert_geq(fd, 0);
    cr_assert_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    close(fd);
    memset(&v, 0, sizeof v);
    memset(e, 0, sizeof *e);
    struct optfile *f = optfile_read(path, &table, e);
    int rc = e->code;
    if (f != NULL) {
        rc = opt_load(&table, &v, optfile_getenv, f, 1, argv, &res, e);
        if (rc != 0) {
            rc = optfile_explain(f, e);
        }
    }
    optfile_free(f);
    opt_result_release(&res);
    unlink(path);
    if (rc != 0) {
        cr_expect(strncmp(e->text, path, strlen(path)) == 0, "%s names no file", e->text);
    }
    return rc;
}

Test(optfile, values_of_every_kind_are_taken)
{
    struct err e;
    cr_assert_eq(load("{\"X_QUEUE\": 7, \"X_DEPTH\": false, \"X_SYMBOL\": \"B\"}", &e), 0, "%s",
                 e.text);
    cr_expect_eq(v.queue, 7);
    cr_expect_not(v.depth);
    cr_expect_str_eq(v.symbol, "B");
    cr_assert_eq(load("{\"X_QUEUE\": \"8\"}", &e), 0, "%s", e.text);
    cr_expect_eq(v.queue, 8);
}

Test(optfile, the_environment_wins)
{
    struct err e;
    setenv("X_QUEUE", "3", 1);
    cr_assert_eq(load("{\"X_QUEUE\": 700}", &e), 0, "%s", e.text);
    cr_expect_eq(v.queue, 3);
    setenv("X_KEY", "secret", 1);
    cr_assert_eq(load("{\"X_KEY_FILE\": \"/nowhere\"}", &e), 0, "%s", e.text);
    cr_expect_str_eq(v.key, "secret");
}

Test(optfile, what_is_wrong_is_told_with_file_key_value_and_range)
{
    struct err e;
    cr_expect_lt(load("{\"X_QUEUE\": 70}", &e), 0);
    cr_expect_not_null(strstr(e.text, "X_QUEUE: '70' is not a whole number from 1 to 9"), "%s",
                       e.text);
    cr_expect_lt(load("{\"Y\": 70}", &e), 0);
    cr_expect_not_null(strstr(e.text, "'Y' is not an option"), "%s", e.text);
    cr_expect_lt(load("{\"X_QUEUE\": 1.5}", &e), 0);
    cr_expect_not_null(strstr(e.text, "X_QUEUE"), "%s", e.text);
    cr_expect_lt(load("{\"X_SYMBOL_FILE\": \"no secret\"}", &e), 0);
    cr_expect_lt(load("[]", &e), 0);
    cr_expect_lt(load("{\"X_QUEUE\": 1", &e), 0);
    cr_expect_lt(load("{\"X_QUEUE\": 1, \"X_QUEUE\": 2}", &e), 0);
}

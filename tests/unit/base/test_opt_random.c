// Random environments and command lines: whatever they hold, either every field is within its row's
// bounds, or the refusal names something that was given and shows neither secrets nor control
// bytes.

#include "common/base/opt.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/str.h"
#include "tests/support/rng.h"

#define ROUNDS 30000

struct values {
    char before[8]; // guards: no store may leave its field
    int64_t num;
    bool on;
    char text[8];
    char mode[8];
    int64_t milli;
    char dec[12];
    char list[12];
    char secret[12];
    char after[8];
};

static const char *const modes[] = {"aa", "bb", "cc-long", NULL};
static const struct opt rows[] = {
    {"NUM", "--num", OPT_INT, FIELD(struct values, num), .min = -5, .max = 1000, .def = "7",
     .text = "n"},
    {"ON", "--on", OPT_BOOL, FIELD(struct values, on), .def = "false", .text = "b"},
    {"TEXT", "--text", OPT_STR, FIELD(struct values, text), .def = "x", .text = "t"},
    {"MODE", "--mode", OPT_CHOICE, FIELD(struct values, mode), .def = "aa", .choices = modes,
     .text = "m"},
    {"MILLI", "--milli", OPT_MILLI, FIELD(struct values, milli), .min = 1, .max = 2500,
     .def = "0.5", .text = "f"},
    {"DEC", "--dec", OPT_DEC, FIELD(struct values, dec), .def = "0.1", .text = "d"},
    {"LIST", "--list", OPT_LIST, FIELD(struct values, list), .def = "A", .text = "l"},
    {"SECRET", "--secret", OPT_STR, FIELD(struct values, secret), .secret = true, .text = "s"},
    {"OLD", "--old", OPT_OLD, .text = "gone"},
};
#define ROWS (sizeof rows / sizeof rows[0])

struct given {
    char env[ROWS][24]; // "" = not set
    char arg[8][32];
    size_t args;
};

static const char *given_env(void *arg, const char *name)
{
    const struct given *g = arg;
    for (size_t i = 0; i < ROWS; i++) {
        if (strcmp(rows[i].name, name) == 0) {
            return g->env[i][0] ? g->env[i] : NULL;
        }
    }
    return NULL;
}

static void random_value(struct rng *r, char *out, size_t size)
{
    static const char *const likely[] = {
        "0",     "1",   "-5",    "1000",   "1001", "-6",   "true", "OFF", "yes", "aa",     "BB",
        "0.001", "2.5", "2.501", "0.0005", "A,B",  "A,,B", ",",    "1e2", "",    "cc-long"};
    static const char bytes[] = "0123456789.,-+eE aA=\x01\x1b\x7f\xC3\xFF";
    if (rng_below(r, 3)) {
        (void)str_copy(out, size, likely[rng_below(r, sizeof likely / sizeof likely[0])]);
        return;
    }
    size_t n = rng_below(r, size);
    for (size_t i = 0; i < n; i++) {
        out[i] = bytes[rng_below(r, sizeof bytes - 1)];
    }
    out[n] = '\0';
}

static void random_given(struct rng *r, struct given *g)
{
    memset(g, 0, sizeof *g);
    for (size_t i = 0; i < ROWS; i++) {
        if (rng_below(r, 6) == 0) {
            random_value(r, g->env[i], sizeof g->env[i]);
        }
    }
    for (size_t n = rng_below(r, 4); n > 0; n--) {
        const char *flag = rng_below(r, 20) ? rows[rng_below(r, ROWS)].flag : "--nope";
        char value[20];
        random_value(r, value, sizeof value);
        if (rng_below(r, 2)) {
            (void)str_fmt(g->arg[g->args++], 32, "%s=%s", flag, value);
        } else {
            (void)str_copy(g->arg[g->args++], 32, flag);
            if (rng_below(r, 8)) {
                (void)str_copy(g->arg[g->args++], 32, value);
            }
        }
    }
}

static bool printable(const char *s)
{
    for (; *s; s++) {
        if ((unsigned char)*s < 0x20 || *s == 0x7F) {
            return false;
        }
    }
    return true;
}

static void check_accepted(const struct values *v)
{
    cr_assert(v->num >= -5 && v->num <= 1000);
    cr_assert(v->milli >= 1 && v->milli <= 2500);
    cr_assert(memchr(v->text, 0, sizeof v->text) && v->text[0] && printable(v->text));
    cr_assert(strcmp(v->mode, "aa") == 0 || strcmp(v->mode, "bb") == 0 ||
              strcmp(v->mode, "cc-long") == 0);
    char *end;
    errno = 0;
    cr_assert(strtod(v->dec, &end) > 0 && *end == '\0' && errno == 0, "%s", v->dec);
    cr_assert(v->list[0] != ',' && !strstr(v->list, ",,"));
    cr_assert(memchr(v->secret, 0, sizeof v->secret) && printable(v->secret));
}

// The part before ": " is the name of a row or flag, or something from the command line.
static void check_refused(const struct err *e, const struct given *g)
{
    cr_assert(e->code == ERR_SYNTAX || e->code == ERR_RANGE);
    cr_assert(e->text[0] && printable(e->text), "%s", e->text);
    bool named = e->text[0] == '\''; // an operand
    for (size_t i = 0; i < ROWS; i++) {
        const char *names[] = {rows[i].name, rows[i].flag, "--nope"};
        for (size_t k = 0; k < 3; k++) {
            size_t n = strlen(names[k]);
            bool here = strncmp(e->text, names[k], n) == 0 &&
                        (e->text[n] == ':' || e->text[n] == '=' || e->text[n] == ' ');
            if (here && k == 0) {
                cr_assert(g->env[i][0], "%s, but it was not set", e->text);
            }
            named |= here;
        }
    }
    named |= e->text[0] == '-'; // a value that looked like a flag
    cr_assert(named, "%s", e->text);
    cr_assert(strncmp(e->text, "SECRET: '", 9) != 0 || strstr(e->text, "'***'"), "%s", e->text);
    cr_assert(strncmp(e->text, "--secret: '", 11) != 0 || strstr(e->text, "'***'"), "%s", e->text);
}

Test(opt_random, accepted_within_bounds_or_refused_by_name)
{
    static const struct opt_table table = {"svc", "s", NULL, rows, ROWS};
    struct rng r = {4711};
    size_t accepted = 0;
    size_t refused = 0;
    for (int round = 0; round < ROUNDS; round++) {
        struct given g;
        random_given(&r, &g);
        char program[] = "svc";
        char *argv[10] = {program};
        for (size_t i = 0; i < g.args; i++) {
            argv[i + 1] = g.arg[i];
        }
        struct values v;
        memset(&v, 0x5A, sizeof v);
        struct opt_result res;
        struct err e = {0};
        int rc = opt_load(&table, &v, given_env, &g, (int)g.args + 1, argv, &res, &e);
        for (size_t i = 0; i < sizeof v.before; i++) {
            cr_assert(v.before[i] == 0x5A && v.after[i] == 0x5A);
        }
        if (rc == 0) {
            accepted++;
            check_accepted(&v);
            struct buf b;
            buf_init(&b, 4096);
            opt_describe(&table, &v, &b);
            json_t *root = json_loadb(buf_ptr(&b), buf_len(&b), JSON_REJECT_DUPLICATES, NULL);
            cr_assert_not_null(root, "%s", buf_cstr(&b));
            const char *secret = json_string_value(json_object_get(root, "SECRET"));
            cr_assert_str_eq(secret, v.secret[0] ? "***" : "");
            json_decref(root);
            buf_release(&b);
        } else {
            refused++;
            cr_assert_eq(rc, e.code);
            check_refused(&e, &g);
        }
        opt_result_release(&res);
    }
    cr_expect(accepted > ROUNDS / 10 && refused > ROUNDS / 10, "%zu accepted, %zu refused",
              accepted, refused);
}

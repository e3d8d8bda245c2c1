#ifndef COMMON_OPT_H
#define COMMON_OPT_H
// Configuration as one declarative table per program: a row says name, type, where the value goes,
// bounds, default and text. The table fills the struct, prints --help, the README block and the
// start-up line, so none of them can disagree.
//
// A value comes from, in rising order: default, environment NAME, file named by NAME_FILE (rows
// marked secret), command-line flag. NAME and NAME_FILE together are an error. Anything invalid is
// refused, never clamped (a variable that is set but empty counts as not set); the message names
// variable, value and allowed range:
//   MAX_QUEUE: '12x' is not a whole number from 100 to 10000000

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "common/base/buf.h"
#include "common/base/err.h"

enum opt_type {
    OPT_INT,    // int64_t; min..max
    OPT_BOOL,   // bool; true/false/1/0/yes/no/on/off in any case; a flag alone means true
    OPT_STR,    // char[size]; empty allowed only when def is "" or NULL; longer is refused
    OPT_CHOICE, // char[size]; one of choices (case-insensitive, stored as listed)
    OPT_MILLI,  // int64_t thousandths: "0.5" -> 500; min..max in thousandths
    OPT_DEC,    // char[size]; an exact positive decimal, kept as text (PROFILE_TICK_SIZE)
    OPT_LIST,   // char[size] kept as text; comma separated, no empty element
    OPT_OLD,    // accepted and ignored; a note says so
};

struct opt {
    const char *name; // environment variable, e.g. "MAX_QUEUE"
    const char *flag; // command line, e.g. "--speed", or NULL
    enum opt_type type;
    size_t offset, size; // of the field; use FIELD()
    int64_t min, max;
    const char *def;            // NULL: text is "", anything else keeps what the struct held before
    const char *unit;           // "ms", "trades"; NULL for none
    const char *const *choices; // OPT_CHOICE, NULL-terminated
    bool secret;
    const char *text; // one sentence; for OPT_OLD why it no longer matters
};
#define FIELD(type, member) .offset = offsetof(type, member), .size = sizeof(((type *)0)->member)

struct opt_table {
    const char *program;  // "collector"
    const char *summary;  // one line for --help
    const char *operands; // e.g. "[FILE...]" or NULL when operands are refused
    const struct opt *rows;
    size_t n;
};

// Where values come from; passed in so that the table is unit-tested.
typedef const char *(*opt_getenv_fn)(void *arg, const char *name);
const char *opt_system_getenv(void *arg, const char *name); // arg unused

struct opt_result {
    bool help;          // --help was given: print and exit 0
    bool print_options; // --print-options was given: opt_print_markdown and exit 0
    bool health;        // --health was given: probe_main() (common/io/probe.h) and exit
    int first_operand;  // index into argv of the first operand, or argc
    struct buf notes;   // lines "NAME: text", NUL-separated: old names that were set
};
void opt_result_release(struct opt_result *r);

// Fills *out (all rows, defaults included). 0 or ERR_SYNTAX/ERR_RANGE with the message in e.
// Secrets read are handed to log_add_secret(). argv as in main(); argv[0] is skipped. Flags take
// "--name value" or "--name=value"; operands come last ("--" ends the flags). Whatever it returns,
// *res is to be released. With --help or --print-options the environment is not looked at.
int opt_load(const struct opt_table *t, void *out, opt_getenv_fn getenv_fn, void *getenv_arg,
             int argc, char **argv, struct opt_result *res, struct err *e) MUST_CHECK;

void opt_print_help(const struct opt_table *t, FILE *f);
// The README block: | variable | default | allowed | meaning |
void opt_print_markdown(const struct opt_table *t, FILE *f);
// One JSON object with every option (secrets "***") for the start-up log line.
void opt_describe(const struct opt_table *t, const void *values, struct buf *out);

#endif

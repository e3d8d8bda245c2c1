// bc status | bc tail INSTRUMENT: see bc.h and README.md.

#include <stdio.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/base/version.h"
#include "tools/bc/bc.h"

#define F(member) FIELD(struct bc, member)

static const struct opt rows[] = {
    {"REDIS_URL", NULL, OPT_STR, F(redis_url), .def = "redis://127.0.0.1:6379/0", .secret = true,
     .text = "redis://[user:pass@]host[:port][/db] or unix:///path[?db=N]."},
    {"BC_SYMBOLS", "--symbols", OPT_LIST, F(symbols), .def = "",
     .text = "status: only these instruments, and they have to be there."},
    {"BC_JSON", "--json", OPT_BOOL, F(json), .def = "false", .text = "Print JSON."},
    {"BC_STREAMS", "--streams", OPT_LIST, F(streams), .def = "trades,events,liquidations",
     .text = "tail: the streams to follow."},
    {"BC_LAST", "--last", OPT_INT, F(last), .min = 0, .max = 100000, .def = "0", .unit = "entries",
     .text = "tail: begin with so many that are there already, of each stream."},
    {"BC_COUNT", "--count", OPT_INT, F(count), .min = 0, .max = INT64_MAX, .def = "0",
     .unit = "entries", .text = "tail: end after so many; 0: never."},
};
const struct opt_table bc_table = {
    .program = "bc",
    .summary = "What the services do: status, or tail INSTRUMENT (see tools/bc/README.md).",
    .operands = "status | tail INSTRUMENT",
    .rows = rows,
    .n = sizeof rows / sizeof rows[0]};

static int usage(const char *why)
{
    fprintf(stderr, "bc: %s\nusage: bc [flags] status | tail INSTRUMENT (--help lists the flags)\n",
            why);
    return BC_USAGE;
}

// Flags may stand anywhere: they are moved in front of the operands.
static void flags_first(int argc, char **argv, char **out)
{
    int n = 0;
    out[n++] = argv[0];
    for (int pass = 0; pass < 2; pass++) {
        for (int i = 1; i < argc; i++) {
            bool flag = argv[i][0] == '-';
            bool takes_next =
                flag && strchr(argv[i], '=') == NULL && i + 1 < argc &&
                (strcmp(argv[i], "--last") == 0 || strcmp(argv[i], "--count") == 0 ||
                 strcmp(argv[i], "--streams") == 0 || strcmp(argv[i], "--symbols") == 0);
            if (flag == (pass == 0)) {
                out[n++] = argv[i];
                if (takes_next) {
                    out[n++] = argv[i + 1];
                }
            }
            i += takes_next;
        }
    }
    out[n] = NULL;
}

static int run(struct bc *b, int argc, char **argv)
{
    if (argc < 1) {
        return usage("what? status or tail");
    }
    bool tail = strcmp(argv[0], "tail") == 0;
    if (!tail && strcmp(argv[0], "status") != 0) {
        return usage("the commands are status and tail");
    }
    if (argc != (tail ? 2 : 1)) {
        return usage(tail ? "tail takes one instrument, e.g. binance:BTCUSDT"
                          : "status takes no operand");
    }
    int rc = tail ? bc_tail(b, argv[1]) : bc_status(b);
    if (b->redis != NULL) {
        redisFree(b->redis);
    }
    return rc;
}

int main(int argc, char **argv)
{
    static struct bc b;
    struct opt_result res = {0};
    struct err e = {0};
    char **args = xcalloc((size_t)argc + 1, sizeof *args);
    flags_first(argc, argv, args);
    int rc = opt_load(&bc_table, &b, opt_system_getenv, NULL, argc, args, &res, &e);
    if (rc != 0) {
        rc = usage(e.text);
    } else if (res.help) {
        opt_print_help(&bc_table, stdout);
    } else if (res.print_options) {
        opt_print_markdown(&bc_table, stdout);
    } else {
        rc = run(&b, argc - res.first_operand, args + res.first_operand);
    }
    opt_result_release(&res);
    free(args);
    return rc;
}

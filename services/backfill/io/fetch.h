#ifndef BACKFILL_FETCH_H
#define BACKFILL_FETCH_H
// One-shot modes for people: no service, no Redis.
//
//   backfill --fetch  [--json] INSTRUMENT[,INSTRUMENT...] ... DAY[..DAY]
//   backfill --verify [--json] [--dry-run] [INSTRUMENT ...] [DAY[..DAY]]
//
// --fetch makes those days whole in the store (io/keep). --verify checks every part of the store,
// sets bad ones aside, and fetches the days that had them; --dry-run only looks.
//
// Exit codes: 0 every day is whole (good), 1 some are not and the last column says why, 2 what was
// asked for can not be understood, 130 ended by Ctrl-C: the same command goes on.

#include <stdbool.h>
#include <stdint.h>

#include "common/io/boot.h"
#include "services/backfill/config.h"
#include "services/backfill/io/app.h"
#include "services/backfill/io/keep.h"

#define CODE_INTERRUPTED 130

// argv as main() has it, with --fetch or --verify as argv[1]. The exit code.
int fetch_main(int argc, char **argv);
int verify_main(int argc, char **argv);

// ---- shared by the two
// ---------------------------------------------------------------------------

struct mode {
    struct boot boot;
    struct config cfg;
    struct app app;
    struct instrument ins[SYMBOLS_MAX];
    size_t n_ins;
    int64_t from_ms, to_ms; // first and last day; -1 none was named
    bool json, dry_run;
    struct keep *keep;
    void (*ready)(struct mode *m);
    bool interrupted;
    int code; // of the process
    // inside
    struct timer *start, *bar;
    int64_t began_ms;
    size_t n_days, bad_days;
    bool tty;
};

// Parses the command line; -1 to go on, else the exit code.
int mode_begin(struct mode *m, const char *operands, int argc, char **argv);
// Runs the loop until mode_end(), beginning with ready(); with `probe` units and kind of m->ins are
// learnt before. The exit code.
int mode_run(struct mode *m, void (*ready)(struct mode *m), bool probe);
void mode_end(struct mode *m, int code);
// Prints one line of a table or one JSON object, above the progress bar.
void mode_print(struct mode *m, const char *line);
// A day of m->keep is final: prints it, counts it.
void mode_on_day(void *arg, const struct keep_day *d);

// ---- probe of a venue: is it simulated, what are the units
struct units;
// done(arg) once, units and `simulated` of ins[n] filled; those that exchangeInfo does not name get
// eight decimals.
struct units *units_ask(struct app *a, struct instrument *ins, size_t n, void (*done)(void *arg),
                        void *arg);
void units_free(struct units *u);

#endif

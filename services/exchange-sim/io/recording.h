#ifndef SIM_IO_RECORDING_H
#define SIM_IO_RECORDING_H
// Reads recording files (plain or gzip, told by content) into a tape.

#include "common/base/err.h"
#include "services/exchange-sim/core/tape.h"

struct recording_report {
    // Called for each bad line (the first 20 of a file), then once per file.
    void (*on_bad_line)(void *arg, const char *path, int64_t line, const char *why);
    void (*on_file)(void *arg, const char *path, int64_t lines, int64_t bad);
    void *arg;
};

// Adds all lines of one file; of a folder those of all own recordings in it
// (common/feed/record.h), oldest first. dflt_symbol: for rows without a symbol when the file name
// has none either ("" = none). ERR_IO when it cannot be read; a file that is cut short counts what
// is whole.
int recording_read(struct tape *t, const char *path, const char *dflt_symbol,
                   const struct recording_report *report, struct err *e) MUST_CHECK;

#endif

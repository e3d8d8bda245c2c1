#ifndef SIM_CORE_ARCHIVE_FILE_H
#define SIM_CORE_ARCHIVE_FILE_H
// One daily file of a venue, made in slices so that the feed never waits for it:
//
//   begin -> step -> step -> ... -> done     rows -> CSV -> deflate -> bytes, and their SHA-256
//
// Binance: one CSV in a ZIP. Bybit: a gzipped CSV. How it is written is a `form`: the venues'
// files changed over the years, and are published anew now and then.

#include <stdbool.h>
#include <stdint.h>

#include "common/base/buf.h"
#include "services/exchange-sim/core/market.h"

#define ARCHIVE_MAX ((size_t)512 << 20)
#define ARCHIVE_DIGEST 65 // hex and NUL

enum archive_order {
    ARCHIVE_ASC,
    ARCHIVE_DESC,
    ARCHIVE_MIXED // neither: every seventh row, then every seventh of the others ...
};
enum archive_words { ARCHIVE_LOWER, ARCHIVE_TITLE, ARCHIVE_UPPER };

struct archive_form {
    bool no_header;           // Binance's older files
    bool us;                  // Binance: microseconds, as on spot
    enum archive_words words; // true, True, TRUE
    bool no_rpi;              // Bybit's older files have ten columns
    enum archive_order order; // of Bybit's rows
    bool missing;             // 404
    bool bad_checksum;        // that of other bytes
    int64_t drop;             // every so many-th row is left out; 0 = none
    int64_t version;          // published anew: the same rows, other bytes
};

struct archive_make;

// Of the day that begins at start_ms; csv_name = the name inside a ZIP. It asks `m` for rows by id
// or time at each step, so others may do that in between.
struct archive_make *archive_make_new(enum sim_venue venue, int lane, int64_t start_ms,
                                      const struct archive_form *form, const char *csv_name);
void archive_make_free(struct archive_make *k);
// At most `rows` more rows. True when the file is complete.
bool archive_make_step(struct archive_make *k, struct market *m, int64_t rows);
// Of a complete file: how many rows; its bytes move to *bytes (initialised by this), its SHA-256
// (with bad_checksum another one) is told.
int64_t archive_make_take(struct archive_make *k, struct buf *bytes, char sha256[ARCHIVE_DIGEST]);

#endif

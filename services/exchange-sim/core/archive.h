#ifndef SIM_CORE_ARCHIVE_H
#define SIM_CORE_ARCHIVE_H
// The venues' daily archives, one file of a whole past day:
//
//   /data/futures/um/daily/aggTrades/BTCUSDT/BTCUSDT-aggTrades-2026-11-21.zip[.CHECKSUM]
//   /trading/BTCUSDT/BTCUSDT2026-11-21.csv.gz
//
// A day is there once it is over and all of it was released; as at the venues, quantities and
// prices lose their trailing zeros. A file is made when it is asked for, in slices; the last few
// are kept. Rules say how files are written or spoilt; the newest that fits a file decides.

#include <stdbool.h>
#include <stdint.h>

#include "common/base/buf.h"
#include "services/exchange-sim/core/archive_file.h"
#include "services/exchange-sim/core/market.h"

#define ARCHIVE_KEPT 4
#define ARCHIVE_RULES 32

struct archive_rule {
    enum sim_venue venue;         // VENUE_ANY: both
    char symbol[SIM_SYMBOL_TEXT]; // "" every
    char day[11];                 // "2026-11-21", "" every
    struct archive_form form;
};

struct archive_kept {
    char path[200]; // "" nothing
    struct archive_form form;
    struct buf bytes;
    char sha256[ARCHIVE_DIGEST];
    uint64_t used;
    int64_t rows;
};

struct archive {
    struct archive_kept kept[ARCHIVE_KEPT];
    struct archive_rule rule[ARCHIVE_RULES]; // oldest first
    size_t rules;
    uint64_t uses;
    struct archive_make *make; // under way, for make_of; NULL nothing
    struct archive_kept make_of;
    int64_t made; // files made so far
};

void archive_init(struct archive *a);
void archive_release(struct archive *a);
// Whether such a path belongs to the archives (another host of the venue: no weight, no bans).
bool archive_is_path(const char *path);
// ERR_LIMIT when there are ARCHIVE_RULES.
int archive_order(struct archive *a, const struct archive_rule *r) MUST_CHECK;

struct archive_answer {
    const char *content_type;
    const char *sha256; // of the file that is answered, of which the ETag is made; "" none
};
// HTTP status with the file, its CHECKSUM or an error's text appended to out; or 0: the file is
// being made, `rows` more rows of it are now. Ask again.
int archive_answer(struct archive *a, struct market *m, int64_t clock_ms, const char *path,
                   int64_t rows, struct buf *out, struct archive_answer *told);

#endif

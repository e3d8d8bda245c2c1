#ifndef SIM_CORE_ARCHIVE_H
#define SIM_CORE_ARCHIVE_H
// The venue's daily archives: one CSV of a whole past day in a ZIP, and its SHA-256.
//
//   /data/futures/um/daily/aggTrades/BTCUSDT/BTCUSDT-aggTrades-2026-11-21.zip[.CHECKSUM]
//
// A day is there once it is over and all of it was released; as at the venue, quantities and prices
// lose their trailing zeros. The last archive made is kept: its CHECKSUM is asked for apart.

#include <stdbool.h>
#include <stdint.h>

#include "common/base/buf.h"
#include "services/exchange-sim/core/market.h"

#define ARCHIVE_MAX ((size_t)512 << 20)

struct archive {
    char path[200]; // of the zip that is kept; "" none
    struct buf zip;
};

void archive_init(struct archive *a);
void archive_release(struct archive *a);
// Whether such a path belongs to the archives.
bool archive_is_path(const char *path);
// HTTP status; the file or an error's text is appended to out, its type told.
int archive_answer(struct archive *a, struct market *m, int64_t clock_ms, const char *path,
                   struct buf *out, const char **content_type);

#endif

#ifndef BACKFILL_ARCHIVE_PARSE_H
#define BACKFILL_ARCHIVE_PARSE_H
// A venue's daily file, complete on disk, into rows told to whoever wants the day. In slices, so
// that the loop goes on meanwhile.
//
//   Binance  inflate -> line -> row told at once; its SHA-256 was compared before
//   Bybit    inflate -> line -> sorted by core/daysort; not a row is told before the end of the
//            file proved that it is whole (length and CRC of gzip). Then minute by minute, each
//            with its claim

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/err.h"
#include "services/backfill/io/source.h"

enum parse_step {
    PARSE_MORE,
    PARSE_TELLING, // as MORE, but only when the asker has room
    PARSE_DONE,
    PARSE_TORN,  // the file is not whole: fetching it again may help
    PARSE_WRONG, // it is whole, but not what it should be
};

struct archive_parse; // opaque
// Reads fd from its beginning; borrows it and want until it is freed.
struct archive_parse *archive_parse_new(const struct source_day *want, int fd, size_t max_rows);
void archive_parse_free(struct archive_parse *p); // NULL is fine
// One slice. e: the reason of TORN and WRONG.
enum parse_step archive_parse_step(struct archive_parse *p, struct err *e);
// Rows read, and of them told.
void archive_parse_count(const struct archive_parse *p, int64_t *told, int64_t *read);

#endif

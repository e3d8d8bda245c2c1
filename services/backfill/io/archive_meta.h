#ifndef BACKFILL_ARCHIVE_META_H
#define BACKFILL_ARCHIVE_META_H
// What is known of a file the venue gives no checksum for, kept beside it in NAME.meta:
//
//   etag "d41d8cd9.."                         what the venue calls this version of it;
//   last_modified Sun, 22 Nov 2026 03:00:00   one of the two tells when it is published anew
//   bytes 1234
//   sha256 <64 hex>                           of what came: the disk has not spoilt it since

#include <stdbool.h>
#include <stdint.h>

#include "services/backfill/core/digest.h"

struct archive_meta {
    char etag[80], last_modified[80];
    int64_t bytes;
    char sha256[DIGEST_HEX];
};

// False: there is none that can be used; *m is empty then.
bool archive_meta_read(const char *path, struct archive_meta *m);
// Through a temporary file and a rename. False: it could not be written.
bool archive_meta_write(const char *path, const struct archive_meta *m);

#endif

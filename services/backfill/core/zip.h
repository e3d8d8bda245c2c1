#ifndef BACKFILL_ZIP_H
#define BACKFILL_ZIP_H
// A ZIP archive with one member, or a gzip file, as a stream: bytes of the file in, bytes of the
// member out. Nothing is believed before zip_end() said so: then the member's length and CRC-32
// were those told, and the file did not end early.
//
//   local header | name | extra | deflated or stored bytes | [data descriptor] | directory | end
//
// Refused: encryption, ZIP64, other methods, more than one member, a member larger than `max`.
// Only the memory of zlib is used (about 45 KB); no file, no clock.

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/err.h"

enum zip_format { ZIP_MEMBER, ZIP_GZIP };
// Returns 0 to go on, anything else ends zip_feed() with that value.
typedef int (*zip_sink)(void *arg, const char *bytes, size_t n, struct err *e);

struct zip; // opaque
struct zip *zip_new(enum zip_format f, uint64_t max_bytes, zip_sink sink, void *arg);
void zip_free(struct zip *z); // NULL is fine
// 0, what the sink returned, or ERR_* with the reason.
int zip_feed(struct zip *z, const void *bytes, size_t n, struct err *e) MUST_CHECK;
int zip_end(struct zip *z, struct err *e) MUST_CHECK;

#endif

#ifndef BACKFILL_FIELDS_H
#define BACKFILL_FIELDS_H
// Fields of a hash as HGETALL answers it.

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/str.h"

struct redisReply;

struct slice fields_text(const struct redisReply *hash, const char *name); // "" when absent
int64_t fields_int(const struct redisReply *hash, const char *name, int64_t otherwise);
// A field "<a> <b> <c>" of n whole numbers; false: it is not that.
bool fields_ints(const struct redisReply *hash, const char *name, int64_t *out, size_t n);

#endif

#ifndef API_PATCH_H
#define API_PATCH_H
// Which fields of a large hash changed, gathered from change notices, so that a moving market costs
// a few fields per read and not the whole profile or candle hash.

#include <stdbool.h>
#include <stddef.h>

#include "common/base/str.h"
#include "services/api/core/rhash.h"

#define PATCH_MAX 512
#define PATCH_NAME 24

struct patch {
    size_t n;
    char name[PATCH_MAX][PATCH_NAME];
};

void patch_clear(struct patch *p);
// Adds the names in "changed" of a notice's payload ({"ver":..,"day":..,"changed":[..]}). False
// when the notice names none, or something that is no bin price and no time, or there are too
// many: then only reading everything helps.
bool patch_add(struct patch *p, struct slice payload);

// "ver" of a payload, -1 when it has none.
int64_t notice_ver(struct slice payload);
// "day" of a payload equals `day`.
bool notice_is_of(struct slice payload, const char *day);

// argv[2 + n] of HMGET key name..; returns its length. `key` and p are borrowed.
size_t patch_argv(const struct patch *p, const char *key, struct slice argv[PATCH_MAX + 2]);

struct redisReply;
// `base` with the reply of that HMGET put over it; NULL when the reply does not fit. New reference.
struct rhash *patch_apply(const struct patch *p, const struct rhash *base,
                          const struct redisReply *reply);

#endif

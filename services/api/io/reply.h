#ifndef API_REPLY_H
#define API_REPLY_H
// hiredis replies -> our own types.

#include <hiredis/hiredis.h>

#include "services/api/core/rhash.h"

// A reply of HGETALL; NULL when it is something else or unreasonably large. Reference: the
// caller's.
struct rhash *reply_hash(const struct redisReply *r);
// A string reply (borrowed); "" for anything else.
struct slice reply_text(const struct redisReply *r);

#endif

#ifndef TOOLS_BC_H
#define TOOLS_BC_H
// bc, the operator's command line: what all services and instruments do right now, and what flows
// through a stream. It asks Redis alone and changes nothing.

#include <hiredis/hiredis.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/base/err.h"
#include "common/base/opt.h"
#include "common/io/redis.h"

enum {
    BC_OK = 0,
    BC_UNWELL = 1,  // status: something is not as it should be
    BC_USAGE = 2,   // a bad option or operand
    BC_NOREDIS = 3, // Redis does not answer
};

struct bc {
    char redis_url[512];
    char symbols[2048];
    char streams[128];
    bool json;
    int64_t last, count;
    struct redis_url url;
    redisContext *redis; // in a cluster: whom the last command led to
};
extern const struct opt_table bc_table;

// Connects, logs in and selects. BC_OK, or the exit code after the reason went to stderr.
int bc_connect(struct bc *b);
// One command; the reply is the caller's (freeReplyObject). NULL with the reason on stderr: Redis
// is gone or refused it. fmt as hiredis' redisCommand().
redisReply *bc_ask(struct bc *b, const char *fmt, ...);
// Value of a field in the reply of HGETALL; "" when absent.
const char *bc_field(const redisReply *hash, const char *name);

int bc_status(struct bc *b);
int bc_tail(struct bc *b, const char *instrument);

#endif

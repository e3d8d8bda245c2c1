#ifndef SUPPORT_WITH_REDIS_H
#define SUPPORT_WITH_REDIS_H
// A private redis-server on a unix socket in a new folder below TMPDIR. It dies with the process
// that started it. A machine without redis-server fails the test: nothing is skipped.

#include <stdbool.h>
#include <sys/types.h>

#include "common/io/redis.h"

struct redisReply;
struct redisContext;
struct with_redis {
    pid_t pid; // 0 = not running
    char dir[128];
    char sock[160];
    struct redis_url url;
    struct redisContext *ctl; // blocking connection for with_redis_cmd()
};

// Starts it and waits until it answers. `args`: more of its command line ("--appendonly", "yes",
// NULL), or NULL. Aborts the test program when it does not come up.
struct with_redis *with_redis_new(const char *const *args);
// kill -9, and starting once more in the same folder.
void with_redis_kill(struct with_redis *w);
void with_redis_restart(struct with_redis *w, const char *const *args);
// SIGSTOP and SIGCONT: a server that is there and says nothing.
void with_redis_freeze(struct with_redis *w);
void with_redis_thaw(struct with_redis *w);
// Kills it and removes the folder.
void with_redis_free(struct with_redis *w);

// Blocking; the reply belongs to `w` and lives until the next call. Aborts on a broken link.
const struct redisReply *with_redis_cmd(struct with_redis *w, const char *fmt, ...);
// The string or error text of a reply to a command; integers as decimal text; "" for nil.
const char *with_redis_text(struct with_redis *w, const char *fmt, ...);

#endif

#ifndef IO_REDIS_ATTACH_H
#define IO_REDIS_ATTACH_H
// Puts a fresh hiredis context on a libevent loop, and lets it build its replies in an arena.

struct redisAsyncContext;
struct event_base;

// The context owns what is made here and lets go of it when it is freed.
void redis_attach(struct redisAsyncContext *ac, struct event_base *base);

#endif

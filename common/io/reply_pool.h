#ifndef IO_REPLY_POOL_H
#define IO_REPLY_POOL_H
// Replies in memory that is reused: hiredis makes two allocations per string, an XREAD of 2,000
// trades 50,000 of them, which is most of what reading costs. Here a reply is bump-allocated from
// blocks that the next reply on the same connection overwrites.
//
// The replies are ordinary redisReply trees, good for the length of their callback, as ever.

struct redisReader;
struct reply_pool;

struct reply_pool *reply_pool_new(void);
void reply_pool_free(struct reply_pool *p); // NULL is fine
// The reader of one connection builds its replies in `p` (borrowed) from now on. Before its first
// reply; one reader at a time; `p` outlives whatever the reader still parses.
void reply_pool_use(struct reply_pool *p, struct redisReader *r);

#endif

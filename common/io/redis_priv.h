#ifndef IO_REDIS_PRIV_H
#define IO_REDIS_PRIV_H
// What redis.c, redis_send.c, redis_tx.c, redis_cluster.c and subscriber.c share, and nobody else.

#include "common/base/buf.h"
#include "common/io/redis.h"
#include "common/io/redis_lookup.h"

struct redisAsyncContext;
struct reply_pool;
struct redis_cluster;

// Commands in RESP form, one after the other; len[i] bytes each.
struct redis_tx {
    struct buf bytes;
    size_t *len;
    size_t n, cap;
    // HSET being built: its arguments (field and value bulks) and how many fields.
    struct buf hset;
    char *hset_key;
    size_t hset_fields;
};

enum link_state {
    LINK_DOWN, // no connection; the retry timer runs
    // The address is asked for, connect(2) or the login is under way; the connect timer runs
    LINK_CONNECTING,
    LINK_UP, // commands are accepted; the command timer runs while some are in flight
};

enum link_kind {
    K_COMMAND,
    K_LOGIN,       // a refusal ends the attempt
    K_LOGIN_NAME,  // best effort
    K_LOGIN_ROLE,  // Sentinel told the address: it has to be a master by its own word, too
    K_LOGIN_PROOF, // the last one: PONG means up
    K_TX_QUEUE,    // MULTI and what it queues: OK, QUEUED or an error that EXEC repeats
    K_TX_EXEC,
};

struct pending {
    redis_cb cb;
    void *arg;
    int64_t sent_ms;
    int64_t allowed_ms;
    size_t bytes;
    enum link_kind kind;
};

struct redis {
    struct redis_opts o;
    char *name;
    enum link_state state;
    struct redisAsyncContext *ac; // NULL while LINK_DOWN
    struct reply_pool *pool;      // NULL: hiredis allocates
    struct redis_lookup *lookup;  // NULL: the address is in the URL
    char slot_key[160];
    struct redis_cluster *cluster; // this is the whole of a cluster; NULL: one server
    struct redis *whole;           // this is one node of it; NULL: it stands for itself
    struct redis *answering;       // of a whole: the node whose callback runs
    struct redis_node at;          // where this attempt or link goes
    struct timer *retry;
    struct timer *deadline; // connect timer, then command timer
    struct backoff backoff;

    struct pending *ring; // ring[head .. head+count), capacity a power of two
    size_t cap, head, count;
    size_t pending_bytes;
    int64_t progress_ms; // when the newest reply came
    int64_t up_since_ms;
    bool grace;        // the deadline passed once; what waits in the socket gets a last look
    bool login_failed; // by credentials or database: trying faster does not help
    void (*on_push)(void *arg, const struct redisReply *reply);
    void *push_arg;

    struct buf scratch;    // RESP of redis_argv
    char queue_error[160]; // of the transaction whose replies are arriving
    char why[200];
    char told[200]; // last reason that was logged, and when
    int64_t told_ms;
    int busy;
    bool dead;
};

// Commands are accepted from now on.
void redis_became_up(struct redis *r);
// The oldest command in flight, taken out of the ring.
struct pending redis_pop(struct redis *r);
// One command in RESP form, at the end of the ring. 0 or ERR_CLOSED.
int redis_send_one(struct redis *r, enum link_kind kind, redis_cb cb, void *arg, int64_t allowed_ms,
                   const char *resp, size_t n) MUST_CHECK;
// Starts the command timer when something is in flight.
void redis_watch(struct redis *r);
// hiredis calls it with each reply.
void redis_on_reply(struct redisAsyncContext *ac, void *vreply, void *unused);

// Puts the link into subscribe mode (or probes it, when it is there already) by one PSUBSCRIBE.
// From then on no other command may be sent. Every message and confirmation goes to on_push.
int redis_psubscribe(struct redis *r, const char *pattern,
                     void (*on_push)(void *arg, const struct redisReply *reply),
                     void *arg) MUST_CHECK;
struct loop *redis_loop(const struct redis *r);

#endif

#ifndef IO_REDIS_H
#define IO_REDIS_H
// One connection to Redis on hiredis async, with what hiredis 0.14 lacks: connect and command
// timers, reconnect with capped jittered backoff, AUTH user+password, SELECT, a bounded window of
// commands in flight, and one teardown path.
//
//   DOWN --timer--> CONNECTING --AUTH, SELECT, on_up--> UP --link dies, timeout, LOADING--> DOWN
//
// Every accepted command's callback fires exactly once: with its reply, or with NULL when the link
// died before one came (then whether it ran is unknown). A reply lives only inside its callback.
// While DOWN or CONNECTING commands are refused with ERR_CLOSED; a full window is ERR_LIMIT.

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/err.h"
#include "common/base/str.h"
#include "common/io/loop.h"

struct redisReply;

// REDIS_URL, one of
//   redis://[user:pass@]host[:port][/db]      unix:///path[?db=N] (unix://user:pass@/path)
//   redis+sentinel://[user:pass@]host[:26379],host,.../master[/db]
//   redis+cluster://[user:pass@]host[:6379],host,...
// Percent-decoding in user and password. rediss:// is refused with the reason.
enum redis_kind { REDIS_SINGLE, REDIS_SENTINEL, REDIS_CLUSTER };
#define REDIS_NODES 16
struct redis_node {
    char host[128];
    int port;
};
struct redis_url {
    enum redis_kind kind;
    bool is_unix;   // SINGLE
    char host[128]; // SINGLE: or the socket path
    int port, db;
    char user[64], pass[128];            // "" = none
    struct redis_node node[REDIS_NODES]; // those who know the place (redis_lookup.h)
    size_t n_nodes;
    char master[64]; // SENTINEL: its name
};
int redis_url_parse(const char *s, struct redis_url *out, struct err *e) MUST_CHECK;
// Without the password, for logs.
void redis_url_show(const struct redis_url *u, char *out, size_t size);

struct redis;
struct redis_opts {
    struct loop *loop; // borrowed
    struct redis_url url;
    const char *name; // for logs and CLIENT SETNAME: "collector/write"; copied
    // In a cluster a link speaks to the master of one slot: any key of it, copied. NULL: any
    // master. A slot that moves, and a master that is one no more, end the link like any other
    // death.
    const char *slot_key;
    int64_t connect_timeout_ms; // 0 -> 5000
    int64_t command_timeout_ms; // 0 -> 10000; a blocking command adds its own block time
    int64_t backoff_min_ms, backoff_max_ms; // 0 -> 100, 5000
    size_t max_inflight;                    // commands; 0 -> 20000
    size_t max_pending_bytes;               // of commands in flight; 0 -> 32 MiB
    // Replies are built in memory that is reused (reply_pool.h): for large replies again and again.
    bool pooled_replies;
    void (*on_up)(void *arg); // logged in; commands are accepted from here on
    // Once per on_up, after all pending callbacks got NULL. Not for attempts that never came up,
    // and not from redis_free().
    void (*on_down)(void *arg, const char *why);
    void *arg;
};
// Starts connecting from the loop; never calls back before it returned. The name of the host is
// looked up with the system's blocking resolver at each attempt.
struct redis *redis_new(const struct redis_opts *o);
// Pending callbacks have got NULL when it returns. Allowed inside any callback. NULL is fine.
void redis_free(struct redis *r);
bool redis_is_up(const struct redis *r);
size_t redis_inflight(const struct redis *r);
// Closes the link as if it had died (tests, a poisoned state); it reconnects by itself.
void redis_kick(struct redis *r, const char *why);

typedef void (*redis_cb)(struct redis *r, const struct redisReply *reply, void *arg);

// Binary-safe argv. 0, ERR_CLOSED or ERR_LIMIT (the window is full, or the bytes in flight would
// pass max_pending_bytes; one command larger than that is taken when nothing else is in flight).
// cb may be NULL.
int redis_argv(struct redis *r, redis_cb cb, void *arg, size_t argc,
               const struct slice *argv) MUST_CHECK;
// printf-like for cold paths: redis_cmd(r, cb, arg, "XREVRANGE %s + - COUNT 1", key). %s and %b as
// hiredis; a formatted key never contains blanks.
int redis_cmd(struct redis *r, redis_cb cb, void *arg, const char *fmt, ...) MUST_CHECK;
// Exactly one command already in RESP form (hot path). Copied into the output buffer. Never a
// (P)SUBSCRIBE or MONITOR: those change what a reply is.
int redis_resp(struct redis *r, redis_cb cb, void *arg, const char *resp, size_t n) MUST_CHECK;
// As redis_argv for XREAD BLOCK and the like: `block_ms` is added to the command timer.
int redis_argv_blocking(struct redis *r, int64_t block_ms, redis_cb cb, void *arg, size_t argc,
                        const struct slice *argv) MUST_CHECK;

// A transaction: MULTI, the queued commands, EXEC, as one pipelined write. `cb` gets the EXEC
// reply array (an error element or an error reply is the caller's to check with
// redis_exec_failed()), or NULL. 0 or ERR_*; on error nothing was sent. ERR_LIMIT also when the
// builder passed its max_bytes.
struct redis_tx; // a builder, reusable after redis_tx_begin()
struct redis_tx *redis_tx_new(size_t max_bytes);
void redis_tx_free(struct redis_tx *t);
void redis_tx_begin(struct redis_tx *t);
void redis_tx_argv(struct redis_tx *t, size_t argc, const struct slice *argv);
// HSET key f v f v ...: fields are added one by one, flushed as one HSET per call pair. No other
// redis_tx_* call between begin and end.
void redis_tx_hset_begin(struct redis_tx *t, const char *key);
void redis_tx_hset(struct redis_tx *t, const char *field, const char *value, size_t n);
void redis_tx_hset_end(struct redis_tx *t);         // nothing is sent for an HSET without fields
size_t redis_tx_commands(const struct redis_tx *t); // so far, without MULTI and EXEC
int redis_tx_exec(struct redis *r, struct redis_tx *t, redis_cb cb, void *arg) MUST_CHECK;
// NULL reply, error reply, nil EXEC (WATCH), or any error element: true and the text in why.
bool redis_exec_failed(const struct redisReply *reply, char *why, size_t size);
// Inside the callback of redis_tx_exec(): the first error Redis gave while it queued the commands
// (EXEC itself then says only EXECABORT), "" when there was none.
const char *redis_tx_queue_error(const struct redis *r);

// What an error reply means for the writer.
enum redis_error {
    REDIS_E_NONE, // not an error
    REDIS_E_ID,   // XADD: id equal or smaller than the top item
    REDIS_E_AWAY, // OOM LOADING READONLY MISCONF CLUSTERDOWN MASTERDOWN BUSY TRYAGAIN NOREPLICAS:
                  // Redis is away, try later
    REDIS_E_AUTH, // NOAUTH WRONGPASS NOPERM
    REDIS_E_TYPE, // WRONGTYPE
    REDIS_E_OTHER,
};
enum redis_error redis_classify(const struct redisReply *reply);
enum redis_error redis_classify_text(const char *s, size_t n); // the text of an error

// RESP building for redis_resp(): appends "*<argc>\r\n" and bulk strings to a struct buf.
struct buf;
void resp_array(struct buf *b, size_t argc);
void resp_bulk(struct buf *b, const char *s, size_t n);

// ---- pub/sub ------------------------------------------------------------------------------------
// A connection in subscribe mode: PSUBSCRIBE patterns, re-established after each reconnect.
// on_ready fires after each (re)subscription is confirmed: what was published before is unknown.
// A link that carries nothing is probed by subscribing again, so a half-open one is found.
struct subscriber;
struct subscriber_opts {
    struct loop *loop;
    struct redis_url url;
    const char *name;
    const char *const *patterns; // NULL-terminated, copied
    void (*on_message)(void *arg, struct slice channel, struct slice payload);
    void (*on_ready)(void *arg);
    void (*on_down)(void *arg, const char *why);
    int64_t probe_ms; // silence before a probe, and the wait for its answer; 0 -> 10000
    void *arg;
};
struct subscriber *subscriber_new(const struct subscriber_opts *o);
void subscriber_free(struct subscriber *s);

#endif

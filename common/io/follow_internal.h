#ifndef IO_FOLLOW_INTERNAL_H
#define IO_FOLLOW_INTERNAL_H
// What follow.c (states, loading, flushing) and follow_read.c (entries, reading back) share.

#include "common/io/follow.h"

struct redisReply;

enum follow_state {
    FOLLOW_DOWN,      // the write link is not up
    FOLLOW_WAIT,      // up; :instrument not there (or not usable) yet
    FOLLOW_BACKOFF,   // up; waiting before the next load
    FOLLOW_LOADING,   // the owner reads its state
    FOLLOW_FOLLOWING, // entries flow
    FOLLOW_FAILED,    // to be torn down by the reload timer
};

struct read_back; // one request, see follow_read.c

struct follow {
    struct follow_opts o;
    enum follow_state state;
    struct redis *w;
    struct stream_reader *reader;
    struct redis_tx *tx;
    struct timer *check_timer, *flush_timer, *reload_timer;
    struct backoff backoff;
    char pos_key[KEY_MAX], trades_key[KEY_MAX], history_key[KEY_MAX], instrument_key[KEY_MAX];
    char fail_why[160];

    struct instrument ins; // with units; valid from LOADING on
    int64_t clock_offset_ms;
    char last_id[2][STREAM_ID_MAX];     // ends of the streams as of the last check; "" unknown
    char trimmed[2][STREAM_ID_MAX];     // _trimmed_to_*; "" unknown
    char skip_logged[2][STREAM_ID_MAX]; // trimmed id a skip was told for
    char stored[2][STREAM_ID_MAX];      // positions in Redis as last read or written
    char start[2][STREAM_ID_MAX];       // positions while LOADING
    bool waiting_logged;
    int stored_schema; // of the stored state; 0 there is none
    bool newer_logged; // it is of a newer version than this program
    unsigned checks;

    bool watched;  // pos_key is watched and unchanged: a transaction may go
    bool inflight; // EXEC is awaited
    bool dirty;    // something to flush
    bool paused;   // reading held back until EXEC is answered
    bool caught_up;
    bool needs_backoff;               // the last load ended in a failed transaction
    uint64_t flush_seq;               // transactions sent
    uint64_t check_seq;               // flush_seq when the check under way was sent
    char check_pos[2][STREAM_ID_MAX]; // what was read by then
    int64_t last_flush_ms;
    size_t unflushed;   // entries applied since the last transaction was sent
    size_t in_reply[2]; // entries of the reply under way, per stream
    size_t read_count;  // entries it has at most, per stream
    struct instrument wait_ins;

    bool draining;
    void (*drained)(void *arg);
    void *drained_arg;

    struct read_back *rb_head, *rb_tail;
    int rb_percent; // how far the one under way is, -1 none
    struct follow_stats st;
    int64_t newest_rx_us;
    // When the oldest trade that is not stored yet was received; of those in the transaction under
    // way. 0 none.
    int64_t oldest_rx_us, sent_rx_us;
    struct promhist stored_in;
};

#define FOLLOW_READ_COUNT 2000
// While :history brings entries, which hold up to some hundred trades each: a reply of those must
// not keep the loop, and /health, for tens of milliseconds.
#define FOLLOW_READ_HISTORY 48
#define FOLLOW_MAX_UNFLUSHED 200000

// Leaves the present state by way of DOWN; what is in memory is given up.
void follow_fail(struct follow *f, const char *why);

// follow_check.c
#define FOLLOW_CHECK_MS 1000
// Begins a load: WATCH, units, positions, ends; goes on to on_load() or polls.
void follow_start_check(struct follow *f);
void follow_check_cb(void *arg); // of check_timer
// Logs, once per mark, that a stream was trimmed beyond the position.
void follow_tell_skips(struct follow *f, const char *const pos[2]);
// HMGET of the positions: as they were written last? Else fails f.
bool follow_positions_are_ours(struct follow *f, const struct redisReply *reply);

// follow_read.c
void follow_on_entry(void *arg, size_t i, struct slice id, const struct slice *kv, size_t pairs);
// All queued requests end with done(false).
void follow_read_back_abort(struct follow *f);

#endif

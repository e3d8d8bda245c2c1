#ifndef IO_STREAM_H
#define IO_STREAM_H
// Blocking reader of up to 4 streams of ONE hash slot with resume positions: XREAD COUNT n BLOCK b
// STREAMS k1 k2 p1 p2, again and again, on a connection of its own.

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/str.h"
#include "common/io/redis.h"

#define STREAM_ID_MAX 48 // "<ms>-<seq>" + NUL
#define STREAM_FIELDS_MAX 16

// A stream id as two numbers. "" and anything that is no id count as 0-0.
struct stream_pos {
    uint64_t ms, seq;
};
struct stream_pos stream_pos_of(const char *id);
// False for anything but "<ms>-<seq>", as entries have it.
bool stream_id_parse(const char *id, struct stream_pos *out);
int stream_pos_cmp(struct stream_pos a, struct stream_pos b);
// Two ids in the order of their stream: <0, 0, >0.
static inline int stream_id_cmp(const char *a, const char *b)
{
    return stream_pos_cmp(stream_pos_of(a), stream_pos_of(b));
}

struct stream_reader;
struct stream_reader_opts {
    struct loop *loop;
    struct redis_url url;
    const char *name;
    size_t streams;     // 1..4
    const char *key[4]; // copied
    size_t count;       // entries per stream and call, e.g. 2000
    int64_t block_ms;   // e.g. 1000
    // One entry of stream `i`. kv[2*pairs] slices, valid for the call. Its position moves after
    // this returned. An entry with more than STREAM_FIELDS_MAX fields comes with the first ones
    // only.
    void (*on_entry)(void *arg, size_t i, struct slice id, const struct slice *kv, size_t pairs);
    // After each reply (entries or timeout), positions already moved; `got` entries in it: fewer
    // than `count` of each stream means that the end was reached.
    void (*on_batch)(void *arg, size_t got);
    void (*on_up)(void *arg);
    void (*on_down)(void *arg, const char *why);
    void *arg;
};
struct stream_reader *stream_reader_new(const struct stream_reader_opts *o); // paused
// All of these are allowed inside the callbacks.
void stream_reader_free(struct stream_reader *s);
// Sets positions ("0-0" = from the beginning) and (re)starts reading from there. A read under way
// for the old positions is discarded.
void stream_reader_start(struct stream_reader *s, const char *const *positions);
// Entries per stream and call from the next call on.
void stream_reader_set_count(struct stream_reader *s, size_t count);
// Stops; a reply under way is discarded, positions are kept. Inside on_entry: the entry does not
// count as taken.
void stream_reader_pause(struct stream_reader *s);
const char *stream_reader_position(const struct stream_reader *s, size_t i);
bool stream_reader_is_up(const struct stream_reader *s);
struct stream_reader_stats {
    uint64_t reads;       // replies taken
    uint64_t discarded;   // replies for positions that no longer held
    uint64_t errors;      // error replies (retried with backoff)
    uint64_t bad_replies; // of no known shape: the link was closed
};
void stream_reader_stats(const struct stream_reader *s, struct stream_reader_stats *out);

#endif

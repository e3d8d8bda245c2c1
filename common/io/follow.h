#ifndef IO_FOLLOW_H
#define IO_FOLLOW_H
// Follows :trades and :history of one instrument and keeps the derived state in Redis consistent
// with the positions it was computed from: the machinery context and strategy share.
//
//   DOWN       no link
//   WAIT       polls :instrument (1 s) until the collector has written it
//   BACKOFF    a transaction failed (OOM, a foreign writer): a pause before it is tried again
//   LOADING    on_load(): the owner reads its stored state with redis_* on follow_redis() and
//              calls follow_loaded(positions) or follow_load_failed()
//   FOLLOWING  entries are parsed and delivered; every flush_ms at most, when something changed,
//              on_flush() fills a transaction; positions are added to it and its EXEC is awaited
//              before the next flush
//   any error of the link, a failed or unanswered EXEC -> back to DOWN: what is in memory is
//   dropped and read again from Redis, so state and positions can never disagree.
//
// Positions are fields `_pos_trades` and `_pos_history` of the hash the owner names. That hash is
// watched from before the load on, and again behind each EXEC: a transaction computed from anything
// but what the hash still says (keys deleted, a second instance) is refused by Redis itself, and
// everything is loaded anew. Once a second the units, the trimming marks, the stored positions and
// the ends of the streams are looked at; positions beyond the end of a stream belong to another
// keyspace: then nothing stored is believed and everything is read from the beginning.
//
// Two connections: `service/write` (everything but the reading) and `service/read` (XREAD).

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/io/promhist.h"
#include "common/io/redis.h"
#include "common/io/stream.h"
#include "common/market/trade.h"

struct follow;
struct follow_opts {
    struct loop *loop;
    struct redis_url url;
    const char *service;   // "context"; borrowed
    struct instrument ins; // venue and symbol; units come from :instrument
    const char *pos_key;   // hash that carries the positions, e.g. "...:context"; copied
    // Layout of the state behind pos_key, in its field `_schema`; 0 means 1 (as a missing field
    // does). State of an older layout is not read but made anew from the streams (on_load with
    // scratch); that of a newer one is left alone: nothing is read or written, and
    // follow_is_ready() says why.
    int schema;
    int64_t flush_ms; // e.g. 50 (20 updates a second); 5 times that while catching up
    // Units are known / changed / the link is new. Memory state must be (re)initialised. Then load,
    // or, when `scratch`, load nothing: what is stored belongs to other streams and has to be
    // replaced; call follow_loaded(f, NULL, NULL) at once.
    void (*on_load)(void *arg, const struct instrument *ins, bool scratch);
    // The link died while LOADING, or FOLLOWING ended: nothing in memory may be used any more.
    // Optional.
    void (*on_unload)(void *arg);
    // One trade. `late` = came through :history (then rx_us is 0). Never called outside FOLLOWING.
    void (*on_trade)(void *arg, const struct trade *t, int64_t rx_us, bool late);
    // A :history entry as a whole, after its trades were delivered (kind=trades), or gap/lost.
    // from_ms/to_ms/ids as in the entry. Not called for a kind=trades entry with a bad line or with
    // another number of lines than its n: its range is not to be believed (on_bad_entry).
    void (*on_history)(void *arg, const struct history *h);
    // Something the stream holds but nobody can parse: counted by the owner, logged by follow.
    void (*on_bad_entry)(void *arg, const char *why);
    // Fill tx with the changed state. Return false when there is nothing to write (then positions
    // are not written either).
    // `caught_up`: the last read returned fewer entries than asked for.
    bool (*on_flush)(void *arg, struct redis_tx *tx, bool caught_up);
    // EXEC acknowledged.
    void (*on_flushed)(void *arg);
    void *arg;
};
struct follow *follow_new(const struct follow_opts *o);
void follow_free(struct follow *f);
struct redis *follow_redis(struct follow *f); // the write connection
// Owner finished loading; NULL or "" position = from the beginning ("0-0").
void follow_loaded(struct follow *f, const char *pos_trades, const char *pos_history);
// Stored state is unusable (inconsistent, other schema): owner cleared it; read from 0-0.
void follow_load_failed(struct follow *f, const char *why);
// Something outside the streams changed (a timer): flush at the next occasion.
void follow_touch(struct follow *f);
// Flushes what is pending and then calls done (drain); at once when nothing is pending.
void follow_drain(struct follow *f, void (*done)(void *arg), void *arg);
// False with the reason: "redis is down", "waiting for the instrument", "loading", "loading 40 %"
// (while much is read back), "lagging 7 s".
bool follow_is_ready(const struct follow *f, char *why, size_t size);
// Wall clock corrected by the venue's offset that the collector measured: comparable with rx_us.
int64_t follow_wall_us(const struct follow *f);
// Counters for metrics.
struct follow_stats {
    uint64_t entries, history_entries, bad_entries, flushes, reloads, skips;
    // Age (since it was received by the collector) of the newest entry while there is more to
    // read; 0 once everything is read, however long ago the last trade was; -1 unknown.
    int64_t lag_ms;
    int64_t newest_rx_us; // of the newest :trades entry read; 0 none
    char pos_trades[STREAM_ID_MAX], pos_history[STREAM_ID_MAX];
};
void follow_stats(const struct follow *f, struct follow_stats *out);
// From the reception of a trade by the collector until the state it is in was stored, per
// transaction its oldest trade; while nothing more was to be read.
const struct promhist *follow_stored(const struct follow *f);
// Reads back entries of both streams whose trade time is in [from_ms, to_ms) and lies at or before
// the current positions (while LOADING: the stored ones), without moving them: trades of :trades by
// XRANGE, trades of :history entries that overlap. cb per trade (copies possible), then done(ok);
// done(false) when the link died. Requests are queued, one runs at a time.
void follow_read_back(struct follow *f, int64_t from_ms, int64_t to_ms,
                      void (*cb)(void *arg, const struct trade *t),
                      void (*done)(void *arg, bool ok), void *arg);

#endif

#ifndef COLLECTOR_OUTBOX_H
#define COLLECTOR_OUTBOX_H
// What has to reach Redis for one instrument, and what reached it lately. Knows the commands, not
// the connection: the writer asks for the next command, sends it, and reports what came back, in
// the order of sending.
//
//   base            done             scan             tail
//    |  stored, kept |  in flight     |  to be sent    |
//    |  for resend   |                |                |
//
// One item per entry. Its state says what it wants next; SENT and LOOKING have a command in flight.
//
//             XADD           ok
//   SEND  ----------> SENT ------> STORED
//    ^                 | id refused        (Redis says the same of a copy and of a late trade)
//    | absent: late    v          found
//    +------ LOOKING <-- LOOKUP ------> STORED (a copy)
//
// `late` trades are appended to :history, which takes any order. An answer that means "Redis is
// away" puts the item back where it was. After a reconnect every STORED item of the ring is looked
// up again before anything new is sent, and sent once more when Redis lost it.
//
// Entries that carry data (what a repair brought) are kept as whole commands in memory of their
// own, `max_data_bytes` of it for queue and ring together.
//
// Trades that a UUID names (Bybit) have no entry id of their own: Redis numbers them, so sending
// one twice would store it twice. Whether one in flight arrived is looked up by its UUID before it
// is sent again, and ranges of theirs are times, [from_ms, to_ms), with ids -1. While a hole may
// lie in front of them they can be held back: what comes after outbox_hold() is kept until
// outbox_release_hold(), entries for :history go at once.
//
// Bounds: `max_queue` items that were never stored, `ring_max` stored ones. A trade that does not
// fit is remembered as an id range and becomes a `gap` entry as soon as half the queue is free; in
// between nothing is accepted, so that the ranges stay whole.

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/market/idset.h"
#include "common/market/trade.h"
#include "services/collector/core/entry.h"

struct outbox_opts {
    size_t max_queue;
    size_t ring_max;
    int64_t ring_ms;
    size_t batch; // commands per batch; two batches are in flight at most
    size_t max_data_bytes;
    // A gap was declared, by whomever. May be NULL; must not call back into the outbox.
    void (*on_gap)(void *arg, int64_t from_id, int64_t to_id, int64_t from_ms, int64_t to_ms);
    void *arg;
};

enum outbox_op { OP_TRADE, OP_LOOKUP, OP_HISTORY, OP_HISTORY_LOOKUP };

// What came back for the oldest command in flight.
enum outbox_answer {
    ANSWER_STORED,     // XADD took it
    ANSWER_ID_REFUSED, // XADD: id equal or smaller than the top item
    ANSWER_FOUND,      // XRANGE showed it
    ANSWER_ABSENT,     // XRANGE showed nothing, or another entry
    ANSWER_AWAY,       // Redis can not do it now
};

struct outbox_item;
struct outbox_flight {
    uint64_t seq;
    uint8_t op;
};

struct outbox {
    struct outbox_opts o;
    struct entry_keys keys;
    struct outbox_item *item; // cap entries, a power of two; item seq lives at seq & (cap - 1)
    size_t cap;
    uint64_t base, done, scan, tail; // sequence numbers, see the picture
    struct outbox_flight *flight;    // 2 * batch entries, circular
    size_t flight_head, flight_n;
    struct outbox_batch {
        size_t size, unanswered;
        int64_t sent_us;
    } batch[2];     // the older one first
    size_t batches; // 0..2 in flight, or being filled
    bool open;      // the link is up and the keyspace is ours
    int64_t hold_until_ms;
    int64_t hold_ms;   // next pause after an answer "away"
    size_t fresh;      // items never stored: what max_queue bounds
    size_t verifying;  // items to be looked up after a reconnect before anything is sent
    struct idset lost; // dropped ids not declared yet
    bool dropping;
    bool named;                       // by UUIDs
    int64_t lost_from_ms, lost_to_ms; // named: dropped times not declared yet; -1 = none
    uint64_t held_from;               // trades from this item on are held back; UINT64_MAX = none
    uint64_t gate;                    // until this item is stored; UINT64_MAX = until released
    // named: newest entry of :trades that the ring has forgotten, -1 = none
    int64_t forgotten_ms, forgotten_seq;
    size_t data_bytes;   // of the entries with data
    const char *command; // what outbox_next() gave last: its `out`, or an item's own memory
    // counters
    uint64_t stored, copies, late, resent, dropped, gaps_declared, away;
    // newest entry known to be on each stream: what trimming counts from. -1 = unknown
    int64_t newest_trade_ms, newest_history_ms;
};

void outbox_init(struct outbox *b, const struct instrument *ins, const struct outbox_opts *o);
void outbox_release(struct outbox *b);

// ---- in ----------------------------------------------------------------------------------------
// False when the queue is full: the trade is not kept and its id will be declared.
bool outbox_add_trade(struct outbox *b, const struct trade *t, struct slice price, struct slice qty,
                      int64_t rx_us);
// Ids that were not received.
void outbox_add_gap(struct outbox *b, int64_t from_id, int64_t to_id, int64_t from_ms,
                    int64_t to_ms, const char *reason);
// The same for trades that UUIDs name: of [from_ms, to_ms). Runs together with one that waits
// right in front of it for the same reason.
void outbox_add_time_gap(struct outbox *b, int64_t from_ms, int64_t to_ms, const char *reason);
// An id that was received and does not count. False when it did not fit.
bool outbox_add_excluded(struct outbox *b, int64_t id, int64_t ts_ms, const char *exec);
// An entry with data, or a `lost` one. False when there is no room: nothing was kept.
bool outbox_add_history(struct outbox *b, const struct history *h);
// May an entry of so many bytes be added?
bool outbox_has_room(const struct outbox *b, size_t bytes);
// Trades added from now on wait, until released. behind: until the entry added last is stored, too.
void outbox_hold(struct outbox *b);
void outbox_release_hold(struct outbox *b, bool behind);
// Time of the oldest trade that is not stored yet; INT64_MAX when all are.
int64_t outbox_unstored_ms(const struct outbox *b);
// Turns dropped ids into gap entries once there is room; `force`: now, whatever the fill (drain).
void outbox_settle(struct outbox *b, bool force);
// Forgets stored items older than the ring, while the link is up. Call about every second.
void outbox_tick(struct outbox *b, int64_t mono_ms);

// ---- link --------------------------------------------------------------------------------------
// The link is up and may be written. verify: the ring is looked up first (any link but the first).
void outbox_open(struct outbox *b, bool verify);
// The link died: whether commands in flight ran is unknown, their items are sent again.
void outbox_close(struct outbox *b);

// ---- out ---------------------------------------------------------------------------------------
// True when a batch may be begun: something to send, fewer than two batches in flight, no pause.
bool outbox_wants(struct outbox *b, int64_t mono_ms);
// Begins a batch (outbox_wants() was true); outbox_next() follows until it returns 0.
void outbox_begin(struct outbox *b, int64_t now_us);
// The next command of the batch: its length, or 0 when the batch is complete. Its bytes are at
// b->command: in out, or in the item's own memory when it carries data.
size_t outbox_next(struct outbox *b, char out[ENTRY_MAX]);
// The command that outbox_next() gave could not be sent after all; ends the batch.
void outbox_unsend(struct outbox *b);
// The op of the oldest command in flight; what its reply has to be read as.
enum outbox_op outbox_expected(const struct outbox *b);
// Ids of that command's item, to compare with what OP_HISTORY_LOOKUP found; its times; the name of
// its trade, to compare with the entries that OP_LOOKUP found (zeros: the entry id says it all).
void outbox_expected_range(const struct outbox *b, int64_t *from_id, int64_t *to_id);
void outbox_expected_times(const struct outbox *b, int64_t *from_ms, int64_t *to_ms);
struct trade_uid outbox_expected_uid(const struct outbox *b);
// The answer to it. For ANSWER_STORED ms and seq are the id that Redis gave (of OP_TRADE looked at
// only where trades are named by UUIDs). True
// when it ended a batch: then *sent_us is when that was sent and *commands how many it had.
bool outbox_answer(struct outbox *b, enum outbox_answer a, int64_t ms, int64_t seq, int64_t mono_ms,
                   int64_t *sent_us, size_t *commands);

// Items that still have to be stored or looked up. 0 = drained.
size_t outbox_pending(const struct outbox *b);
size_t outbox_ring(const struct outbox *b);
// Adds every id that an item tells of, whatever its state, to `ids`.
void outbox_ids(const struct outbox *b, struct idset *ids);

#endif

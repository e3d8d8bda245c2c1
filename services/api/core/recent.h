#ifndef API_RECENT_H
#define API_RECENT_H
// The newest entries of one stream, each with a running number and its JSON: what /trades, /events
// and /liquidations answer from and what the push channels of the same names send. A ring: the
// oldest entry makes room for the newest.

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/buf.h"
#include "common/market/trade.h"

struct recent_item {
    int64_t ts_ms;
    char id[40]; // of the stream entry
    char *text;  // JSON object, owned
    uint32_t n;
    uint8_t side;
    int64_t qty; // lots; 0 when the entry is no trade
};

struct recent {
    struct recent_item *item; // cap entries; number s lives at s % cap
    size_t cap, n;
    uint64_t next; // number of the next entry; the first ever is 1
    size_t bytes;
};

void recent_init(struct recent *r, size_t cap); // cap >= 1
void recent_release(struct recent *r);
// Drops every entry; numbers go on.
void recent_clear(struct recent *r);
// Appends. `text` is copied. `t` may be NULL.
void recent_push(struct recent *r, struct slice id, int64_t ts_ms, const struct buf *text,
                 const struct trade *t);
// Number of the oldest entry held; == r->next when there is none.
uint64_t recent_first(const struct recent *r);
const struct recent_item *recent_at(const struct recent *r, uint64_t seq);
// Number of the entry with this stream id; 0 when it is not held.
uint64_t recent_find(const struct recent *r, struct slice id);

// Appends the objects from..to-1, comma separated, in this order.
void recent_write(const struct recent *r, uint64_t from, uint64_t to, struct buf *out);
// The newest `limit` objects not older than from_ms, newest first; how many.
size_t recent_newest(const struct recent *r, size_t limit, int64_t from_ms, struct buf *out);

struct recent_stats {
    size_t count;
    int64_t first_ms, last_ms;   // times of the oldest and newest, -1 = none
    int64_t buys, sells;         // trades by aggressor
    int64_t buy_lots, sell_lots; // their quantities
};
// Of the entries not older than from_ms. Sums of lots stop at INT64_MAX.
void recent_sum(const struct recent *r, int64_t from_ms, struct recent_stats *out);

// What a stream entry looks like as JSON. 0, or ERR_SYNTAX: not what the stream should hold.
// Trades: {"id","ts","ts_ms","price","qty","side"[,"seq","block","rpi"]}, numbers as stored.
int recent_trade(const struct instrument *ins, struct slice id, const struct slice *kv,
                 size_t pairs, struct buf *out, struct trade *t);
// {"id","type","ts","ts_ms","data"}
int recent_event(struct slice id, const struct slice *kv, size_t pairs, struct buf *out,
                 int64_t *ts_ms);
// {"id","ts","ts_ms","price","qty","side","liquidated","price_kind"}
int recent_liquidation(struct slice id, const struct slice *kv, size_t pairs, struct buf *out,
                       int64_t *ts_ms);

#endif

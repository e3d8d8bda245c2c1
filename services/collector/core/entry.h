#ifndef COLLECTOR_ENTRY_H
#define COLLECTOR_ENTRY_H
// Commands for the two streams as bytes of the Redis protocol, written once and sent as they are.
// The part that never changes (command and key) is made at start; per trade about ten short copies
// remain.

#include <stddef.h>
#include <stdint.h>

#include "common/base/str.h"
#include "common/market/instrument.h"
#include "common/market/trade.h"

#define ENTRY_MAX 1024 // bytes that hold any command made here

struct entry_keys {
    char xadd[192], lookup[192]; // heads up to the entry id; xadd counts the venue's fields
    char history_xadd[192], history_lookup[192];
    size_t xadd_n, lookup_n, history_xadd_n, history_lookup_n;
};
void entry_keys_init(struct entry_keys *k, const struct instrument *ins);

// XADD :trades <ts>-<id> price qty side id rx_us. price and qty of at most 23 bytes. ts and id >=
// 0.
size_t entry_trade(const struct entry_keys *k, int64_t ts_ms, int64_t id, struct slice price,
                   struct slice qty, enum side side, int64_t rx_us, char out[ENTRY_MAX]);
// XRANGE :trades <ts>-<id> <ts>-<id>
size_t entry_lookup(const struct entry_keys *k, int64_t ts_ms, int64_t id, char out[ENTRY_MAX]);
// A trade that a UUID names: XADD :trades <ts>-* price qty side id rx_us seq flags. t->id is the
// seq, 0 = none. And XRANGE :trades <ts>-<seq> <ts>-<seq> of its entry; seq -1: every entry of that
// millisecond.
size_t entry_uid_trade(const struct entry_keys *k, const struct trade *t, struct slice price,
                       struct slice qty, int64_t rx_us, char out[ENTRY_MAX]);
size_t entry_uid_lookup(const struct entry_keys *k, int64_t ts_ms, int64_t seq,
                        char out[ENTRY_MAX]);
// XADD :history * ...; h->data of at most 200 bytes.
size_t entry_history(const struct entry_keys *k, const struct history *h, char out[ENTRY_MAX]);
// The same with data of any length: bytes needed, and the command in out when they are <= size.
size_t entry_history_long(const struct entry_keys *k, const struct history *h, char *out,
                          size_t size);
// XRANGE :history <ms>-<seq> <ms>-<seq>
size_t entry_history_lookup(const struct entry_keys *k, int64_t ms, int64_t seq,
                            char out[ENTRY_MAX]);

#endif

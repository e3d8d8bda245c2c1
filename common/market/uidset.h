#ifndef MARKET_UIDSET_H
#define MARKET_UIDSET_H
// A set of trade names (UUIDs), 16 bytes each: the dedup of trades that no counter numbers.
//
// Open addressing in UIDSET_SEGS tables that grow one at a time by half, so that no insertion
// waits for more than a small part of the set to be moved. Between half and three quarters of the
// slots are taken: a name that is held is mostly found in the first cache line looked at.
// At most `max` names: one more is refused (UIDSET_FULL), and it is the owner's to say so.

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/market/trade.h"

#define UIDSET_SEGS 256

struct uidset_seg {
    struct trade_uid *slot; // cap of them, all zeros = free
    uint32_t n, cap;
};

struct uidset {
    struct uidset_seg *seg; // UIDSET_SEGS, NULL while empty
    size_t n, max;
};

enum uidset_result { UIDSET_NEW, UIDSET_HELD, UIDSET_FULL };

void uidset_init(struct uidset *s, size_t max);
void uidset_release(struct uidset *s); // empty again, memory given back
// `u` is not all zeros.
enum uidset_result uidset_add(struct uidset *s, struct trade_uid u);
bool uidset_has(const struct uidset *s, struct trade_uid u);
// Takes back the name whose uidset_add() was the last call that changed the set.
void uidset_undo(struct uidset *s, struct trade_uid u);
// Memory of the tables.
size_t uidset_bytes(const struct uidset *s);

#endif

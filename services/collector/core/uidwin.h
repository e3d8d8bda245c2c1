#ifndef COLLECTOR_UIDWIN_H
#define COLLECTOR_UIDWIN_H
// Which trades of the recent past are held, for a venue that names trades by UUIDs.
//
//   ring    | oldest ........................ newest |   uid, time, origin; in order of arrival
//   index   open addressing over the ring's places, at most half full, backward-shift deletion
//
// A place that has left the window makes room for the next; memory grows by doubling up to `max`
// trades and then stays, so a steady stream allocates nothing. Beyond `max` the oldest goes early:
// from complete_from_ms on every trade that was added is known, before that nothing is promised.

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/market/trade.h"

// Who told of a trade: the connections of this process are numbered from UIDWIN_FIRST_LINK up.
enum { UIDWIN_STORED, UIDWIN_REST, UIDWIN_FIRST_LINK };

struct uidwin_entry {
    struct trade_uid uid; // 0 = removed
    int64_t ts_ms;
    uint32_t origin;
};

struct uidwin {
    struct uidwin_entry *ring; // cap places, a power of two
    uint32_t *index;           // 2 * cap, place + 1, 0 = empty
    size_t cap, max;
    uint64_t head, tail; // sequence numbers of the oldest and behind the newest
    int64_t window_ms;
    int64_t newest_ms;
    int64_t complete_from_ms; // INT64_MIN: nothing was ever forgotten
};

void uidwin_init(struct uidwin *w, int64_t window_ms, size_t max);
void uidwin_release(struct uidwin *w);
// False: it is known already (its origin stays).
bool uidwin_add(struct uidwin *w, struct trade_uid uid, int64_t ts_ms, uint32_t origin);
// True when it is known; *origin may be NULL.
bool uidwin_has(const struct uidwin *w, struct trade_uid uid, uint32_t *origin);
void uidwin_remove(struct uidwin *w, struct trade_uid uid);
// Trades before that were not looked at: they may be held without being known here.
void uidwin_complete_from(struct uidwin *w, int64_t ts_ms);
size_t uidwin_count(const struct uidwin *w);

#endif

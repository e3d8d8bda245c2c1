#ifndef CONTEXT_HOLES_H
#define CONTEXT_HOLES_H
// What :history said about holes: why ids are missing (the newest gap and lost entries), and which
// time ranges were filled by a repair. Both describe the run; coverage itself is computed from the
// ids held.

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/json.h"
#include "common/market/trade.h"

#define HOLES_REASONS 200
#define HOLES_REPAIRED 500

struct hole_reason {
    int64_t from_id, to_id, from_ms, to_ms;
    enum history_kind kind; // HISTORY_GAP or HISTORY_LOST
    char reason[64];
};

struct repaired_span {
    int64_t from_ms, to_ms; // half-open
};

struct holes {
    struct hole_reason reason[HOLES_REASONS]; // ring: next write at `at`
    size_t n, at;
    struct repaired_span repaired[HOLES_REPAIRED]; // ascending, disjoint
    size_t n_repaired;
};

void holes_clear(struct holes *h);
// The newest HOLES_REASONS are kept. Identical to the newest one: ignored.
void holes_add_reason(struct holes *h, const struct hole_reason *r);
// Merges [from, to) with what is there; over HOLES_REPAIRED spans the oldest is dropped.
void holes_add_repaired(struct holes *h, int64_t from_ms, int64_t to_ms);
// Drops what ended before t_ms.
void holes_prune(struct holes *h, int64_t t_ms);
// JSON arrays, oldest first.
void holes_reasons_json(const struct holes *h, struct buf *out);
void holes_repaired_json(const struct holes *h, struct buf *out);

#endif

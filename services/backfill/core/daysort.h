#ifndef BACKFILL_DAYSORT_H
#define BACKFILL_DAYSORT_H
// The trades of one UTC day put into set order, whatever order they come in, without one long sort:
// they are laid into 1440 minutes as they come, and each minute is sorted when it is taken. Copies
// (same UUID) lie in the same minute and are dropped there.
//
// Memory: 56 bytes a trade and a few MB, at most `max_rows` trades.

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/err.h"
#include "common/market/trade.h"

struct daysort; // opaque
struct daysort *daysort_new(int64_t start_ms, size_t max_rows);
void daysort_free(struct daysort *d); // NULL is fine
// 0, ERR_RANGE: of another day, ERR_LIMIT: more than max_rows.
int daysort_add(struct daysort *d, const struct trade *t) MUST_CHECK;
size_t daysort_rows(const struct daysort *d); // added
// The next minute's trades in set order, each once: *v[0..*n-1], valid until the next call; the
// minute is [*from_ms, *to_ms). False: the day is at its end. Nothing may be added any more.
bool daysort_next(struct daysort *d, const struct trade **v, size_t *n, int64_t *from_ms,
                  int64_t *to_ms);

#endif

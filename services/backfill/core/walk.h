#ifndef BACKFILL_WALK_H
#define BACKFILL_WALK_H
// Answers of GET /fapi/v1/aggTrades, believed only when they are what was asked for.
//
//   locate   startTime=S limit=1        the first trade of a day: T >= S
//   anchor   fromId=first-1 limit=1     the trade before it: T < S. Together they prove where the
//                                       day begins, for the venue may answer a time that is too
//                                       old for it with its newest rows
//   page     fromId=lo limit=1000       lo..hi, without holes the venue does not prove itself
//
// Paging by time would lose or repeat trades of one millisecond; by id it can not.

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

#include "common/market/instrument.h"
#include "common/market/trade.h"

#define WALK_LIMIT 1000
#define WALK_SLACK_MS 60000 // times may run back by so much between neighbouring ids

struct walk_row {
    int64_t id, ts_ms;
    struct slice price, qty; // borrowed from the tree
    enum side side;
};
struct walk_page {
    json_t *tree; // owned
    struct walk_row *row;
    size_t n;
};

// NULL, or what is wrong with the answer (static text). Rows have rising ids and numbers that the
// instrument can hold. Release the page in either case.
const char *walk_read(struct walk_page *p, const struct instrument *ins, const char *body,
                      size_t n);
void walk_release(struct walk_page *p);

// The first row is the first trade at or after start_ms, as far as one answer can tell. An empty
// answer is "empty".
const char *walk_check_located(const struct walk_page *p, int64_t start_ms, int64_t end_ms);
// NULL: the trade before `first` lies before start_ms. *none: the venue has no trade before it.
const char *walk_check_anchor(const struct walk_page *p, int64_t first, int64_t start_ms,
                              bool *none);
// Rows 0..*use of the page lie in lo..hi; ids up to *proven are told of, held or skipped by the
// venue. Times outside [from_ms, to_ms] by more than the slack are another hole's.
const char *walk_check_page(const struct walk_page *p, int64_t lo, int64_t hi, int64_t from_ms,
                            int64_t to_ms, size_t *use, int64_t *proven);

#endif

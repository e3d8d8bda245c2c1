#ifndef MARKET_TRADE_H
#define MARKET_TRADE_H
// One trade, the order of trades, and their text forms on the :trades and :history streams.

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/buf.h"
#include "common/base/err.h"
#include "common/base/str.h"
#include "common/market/instrument.h"

enum side { SIDE_BUY, SIDE_SELL }; // of the aggressor (Binance m=true -> SIDE_SELL)

enum trade_flag { TRADE_BLOCK = 1, TRADE_RPI = 2 };

// The name of a Bybit trade, its UUID as two big-endian halves. Both 0: none (Binance).
struct trade_uid {
    uint64_t hi, lo;
};

struct trade {
    int64_t ts_ms; // exchange trade time
    // Binance: the aggregate id, 0..INT64_MAX - 1, which names the trade. Bybit: seq, 0 = unknown;
    // several trades may share it, uid names the trade.
    int64_t id;
    int64_t price; // ticks of 10^-price_scale, > 0
    int64_t qty;   // lots of 10^-qty_scale, > 0
    uint8_t side;  // enum side
    uint8_t flags; // enum trade_flag
    struct trade_uid uid;
};

// Where the price stands in the aggressor's direction: a buyer lifts upwards, a seller hits
// downwards. Sells come before buys, so that trades of both sides have one order, too.
static inline int64_t trade_direction(const struct trade *t)
{
    return t->side == SIDE_BUY ? t->price : -t->price;
}

// Set order: (ts_ms, id), then for Bybit price in the aggressor's direction, then the UUID. A total
// order; 0 only for two trades that are the same in all of it. <0, 0, >0.
static inline int trade_cmp(const struct trade *a, const struct trade *b)
{
    if (a->ts_ms != b->ts_ms) {
        return a->ts_ms < b->ts_ms ? -1 : 1;
    }
    if (a->id != b->id) {
        return a->id < b->id ? -1 : 1;
    }
    int64_t da = trade_direction(a);
    int64_t db = trade_direction(b);
    if (a->uid.hi == 0 && a->uid.lo == 0 && b->uid.hi == 0 && b->uid.lo == 0) {
        return 0; // Binance: the id names the trade
    }
    if (da != db) {
        return da < db ? -1 : 1;
    }
    if (a->uid.hi != b->uid.hi) {
        return a->uid.hi < b->uid.hi ? -1 : 1;
    }
    return a->uid.lo < b->uid.lo ? -1 : a->uid.lo > b->uid.lo;
}

static inline bool trade_has_uid(const struct trade *t)
{
    return (t->uid.hi | t->uid.lo) != 0;
}

// "2a74ac78-691c-5b54-9dbe-5aafe8364627" and back. 32 hexadecimal digits in groups of 8-4-4-4-12;
// upper case is read, too (it is the same number); all zeros name nothing and are refused.
#define UID_TEXT 37
int trade_uid_parse(struct slice s, struct trade_uid *out) MUST_CHECK;
void trade_uid_format(struct trade_uid u, char out[UID_TEXT]);
// "" | "block" | "rpi" | "block,rpi" of enum trade_flag and back.
const char *trade_flags_text(unsigned flags);
int trade_flags_parse(struct slice s, uint8_t *out) MUST_CHECK;

// Puts v[0..n-1] into set order, each trade once; of two copies (same UUID, else same id and time)
// the one with the larger seq stays, with the flags of both (an archive knows of no flags). Returns
// how many there are.
size_t trades_unique(struct trade *v, size_t n);

// A trade as the collector received it: numbers plus the venue's own spelling.
struct raw_trade {
    struct trade t;
    char price[24], qty[24]; // exactly as the venue wrote them, NUL-terminated
    int64_t rx_us;           // receive time, wall clock corrected by the venue's offset
    int64_t event_ms;        // E of the frame, 0 when absent
};

// Why a trade was refused. The names are stable: counters and logs carry them.
enum refusal {
    REFUSE_NONE = 0,
    REFUSE_MALFORMED, // not JSON, or not of a known shape
    REFUSE_FOREIGN,   // another symbol or market than subscribed
    REFUSE_NEGATIVE,  // price or quantity below zero
    REFUSE_ZERO,      // price or quantity zero
    REFUSE_ABSURD,    // does not fit our integers
    REFUSE_PRECISION, // more decimals than the scale holds
    REFUSE_FUTURE,    // more than 60 s ahead of the corrected receive time
    REFUSE_TOO_OLD,   // before the previous day
    REFUSE_OVERSIZE,  // frame larger than the limit
    REFUSE_EXCLUDED,  // insurance fund / ADL print: held for continuity, not counted
    REFUSE_COUNT_,
};
const char *refusal_name(enum refusal r); // "malformed", "foreign", ...

// Numbers from text at the instrument's scales. REFUSE_NONE or the reason; *out is filled
// (ts, id, side and flags are the caller's to set).
enum refusal trade_set_numbers(struct trade *out, const struct instrument *ins, struct slice price,
                               struct slice qty);

// ---- :trades entry -----------------------------------------------------------------------------
// Binance: id "<ts_ms>-<aggregate id>", fields price qty side id rx_us. Bybit: id "<ts_ms>-<n>" (n
// is Redis' own), fields price qty side id rx_us seq flags; id = the UUID, seq "" when unknown.
// side is "buy" or "sell".
// Parses one entry given its id and field/value slices kv[2*n]. 0 or ERR_* (never trusts the
// stream: anyone can write to Redis). *rx_us may be NULL.
int trade_from_entry(const struct instrument *ins, struct slice entry_id, const struct slice *kv,
                     size_t pairs, struct trade *out, int64_t *rx_us) MUST_CHECK;

// ---- :history entry ----------------------------------------------------------------------------
// Binance, by ids:
// kind=gap     ids from_id..to_id were not received (reason says why); nothing is claimed held
// kind=trades  EVERY id of from_id..to_id that counts is in `data`; the range is held from now on.
//              n=0 with a reason ("excluded:INSURANCE_FUND") claims ids that do not count.
// kind=lost    ids from_id..to_id can not be had any more (reason)
// kind=day     `data` is the summary (summary.h) of the UTC day [from_ms, to_ms), whose ids are
//              from_id..to_id and whose trades are n: all of them count as told by it
// Bybit, by time (from_id = to_id = -1), [from_ms, to_ms):
// kind=gap     trades of it may be missing
// kind=trades  `data` are trades; when from_ms < to_ms EVERY trade of that time is in :trades or
//              here (n may be 0: proven by overlap). from_ms = to_ms claims nothing.
// kind=lost    what is missing of it can not be had any more (reason)
// kind=day     as above, without ids
// Fields, in this order: kind from_id to_id from_ms to_ms source reason n data.
// data: one line per trade, "ts id price qty side seq\n", side "buy"|"sell", seq "" when unknown
// (then the line ends with a blank). from_ms/to_ms = time of the trades at (gap: around) the ends.
// Bybit: id is the UUID; a trade with flags has them behind one more blank, "... seq block\n".
enum history_kind { HISTORY_GAP, HISTORY_TRADES, HISTORY_LOST, HISTORY_DAY };
// Parsing refuses an entry that contradicts itself: from > to, kind=trades whose `n` is not the
// number of lines in `data` (a cut entry must not claim its range), kind=day of anything but one
// UTC day with something in it; history_next() refuses a line
// whose id lies outside from_id..to_id.
struct history {
    enum history_kind kind;
    int64_t from_id, to_id, from_ms, to_ms;
    char source[32]; // "live", "rest", "archive", ...
    char reason[64];
    int64_t n;
    struct slice data; // borrowed
};
const char *history_kind_name(enum history_kind k);
// By time (Bybit) instead of by ids.
static inline bool history_is_by_time(const struct history *h)
{
    return h->from_id < 0;
}
int history_from_entry(const struct slice *kv, size_t pairs, struct history *out,
                       struct err *e) MUST_CHECK;
// Does the entry speak of this venue's trades the way they are named there?
static inline bool history_fits(const struct history *h, const struct instrument *ins)
{
    return history_is_by_time(h) == (ins->venue == VENUE_BYBIT);
}
// Next trade of h->data. *pos starts at 0. 1 = one trade in *out, 0 = end, <0 = a bad line
// (skipped; call again goes on behind it).
int history_next(const struct history *h, const struct instrument *ins, size_t *pos,
                 struct trade *out);
// Appends one data line with the venue's own spelling of the numbers.
void history_add_line(struct buf *data, int64_t ts_ms, int64_t id, const char *price,
                      const char *qty, enum side side, const char *seq);
// The same for a trade that a UUID names; seq "" when unknown.
void history_add_uid_line(struct buf *data, int64_t ts_ms, const char *uuid, const char *price,
                          const char *qty, enum side side, const char *seq, unsigned flags);

#endif

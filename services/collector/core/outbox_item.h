#ifndef COLLECTOR_OUTBOX_ITEM_H
#define COLLECTOR_OUTBOX_ITEM_H
// What the two halves of the outbox share: outbox.c takes in and forgets, outbox_send.c gives out
// and hears the answers.

#include "services/collector/core/outbox.h"

enum item_kind { ITEM_TRADE, ITEM_GAP, ITEM_EXCLUDED, ITEM_DATA };
enum item_state { WANT_SEND, SENT, WANT_LOOKUP, LOOKING, STORED };

#define OUTBOX_TEXT_MAX 24
#define OUTBOX_HOLD_MIN_MS 50
#define OUTBOX_HOLD_MAX_MS 1000
#define NOT_HELD UINT64_MAX

struct outbox_item {
    int64_t ts_ms; // of the trade, or the start of the range
    int64_t id;    // of the trade (named ones: seq), or the range's first id
    union {
        struct {
            int64_t rx_us;
            struct trade_uid uid;
            char price[OUTBOX_TEXT_MAX], qty[OUTBOX_TEXT_MAX];
        } trade;
        struct {
            int64_t to_ms, to_id;
            char reason[40];
        } range;
        struct {
            int64_t to_ms, to_id; // as in `range`
            char *command;        // owned
            size_t n;
        } data;
    } u;
    // Entry id that Redis gave: in :history, and in :trades where it numbers the entries itself.
    // entry_seq -1 = not known.
    int64_t entry_ms, entry_seq;
    int64_t stored_at_ms; // monotonic
    uint8_t kind, state, side, flags, price_n, qty_n;
    bool late;   // a trade that goes to :history
    bool fresh;  // counts in b->fresh
    bool verify; // a lookup asks "still there?", not "there already?"
};

static inline struct outbox_item *outbox_at(const struct outbox *b, uint64_t seq)
{
    return &b->item[seq & (b->cap - 1)];
}

#endif

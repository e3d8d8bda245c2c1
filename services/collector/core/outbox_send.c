// The outbox, second half: the link, commands out, answers in.

#include <string.h>

#include "common/base/buf.h"
#include "common/base/mem.h"
#include "services/collector/core/outbox_item.h"

// ---- link --------------------------------------------------------------------------------------

void outbox_open(struct outbox *b, bool verify)
{
    b->open = true;
    b->hold_until_ms = 0;
    b->hold_ms = OUTBOX_HOLD_MIN_MS;
    b->scan = b->base;
    if (!verify) {
        return;
    }
    for (uint64_t seq = b->base; seq < b->tail; seq++) {
        struct outbox_item *it = outbox_at(b, seq);
        if (it->state == STORED) {
            it->state = WANT_LOOKUP;
            it->verify = true;
            b->verifying++;
        }
    }
    b->done = b->base;
}

// Whether a named trade in flight arrived is not known, and a copy would be a second entry: it is
// looked up, as what Redis may have lost is.
static void doubt(struct outbox *b, struct outbox_item *it)
{
    if (b->named && it->kind == ITEM_TRADE && !it->late && it->state == SENT) {
        it->state = WANT_LOOKUP;
        it->verify = true;
        it->entry_seq = -1;
        b->verifying++;
    }
}

// What an item wants again when its command brought nothing.
static void take_back(struct outbox_item *it)
{
    if (it->state == SENT) {
        it->state = WANT_SEND;
    } else if (it->state == LOOKING) {
        it->state = WANT_LOOKUP;
    }
}

void outbox_close(struct outbox *b)
{
    const size_t most = 2 * b->o.batch;
    b->open = false;
    for (size_t i = 0; i < b->flight_n; i++) {
        struct outbox_item *it = outbox_at(b, b->flight[(b->flight_head + i) % most].seq);
        doubt(b, it);
        take_back(it);
    }
    b->flight_head = b->flight_n = 0;
    b->batches = 0;
    // A verification cut short starts anew with the next link; what was never known to be stored
    // stays in doubt.
    for (uint64_t seq = b->base; seq < b->tail && b->verifying > 0; seq++) {
        struct outbox_item *it = outbox_at(b, seq);
        if (it->state == WANT_LOOKUP && it->verify && !it->fresh) {
            it->state = STORED;
            it->verify = false;
            b->verifying--;
        }
    }
    b->scan = b->base;
}

// ---- out ---------------------------------------------------------------------------------------

static bool is_ready(const struct outbox *b, uint64_t seq)
{
    const struct outbox_item *it = outbox_at(b, seq);
    if (it->state == WANT_LOOKUP) {
        return true;
    }
    if (seq >= b->held_from && it->kind == ITEM_TRADE) {
        return false;
    }
    // What the ring lost goes first, so that as much as possible keeps its place on the stream.
    return it->state == WANT_SEND && b->verifying == 0;
}

bool outbox_wants(struct outbox *b, int64_t mono_ms)
{
    if (!b->open || b->batches == 2 || mono_ms < b->hold_until_ms) {
        return false;
    }
    while (b->scan < b->tail && !is_ready(b, b->scan)) {
        b->scan++;
    }
    return b->scan < b->tail;
}

void outbox_begin(struct outbox *b, int64_t now_us)
{
    b->batch[b->batches] = (struct outbox_batch){.sent_us = now_us};
    b->batches++;
}

static void history_of(const struct outbox_item *it, bool named, struct buf *line,
                       struct history *h)
{
    memset(h, 0, sizeof *h);
    h->from_id = it->id;
    h->from_ms = it->ts_ms;
    str_copy(h->source, sizeof h->source, "live");
    if (it->kind == ITEM_TRADE) {
        if (named) {
            char uid[UID_TEXT], seq[24];
            trade_uid_format(it->u.trade.uid, uid);
            seq[it->id > 0 ? fmt_i64(seq, it->id) : 0] = '\0';
            history_add_uid_line(line, it->ts_ms, uid, it->u.trade.price, it->u.trade.qty,
                                 (enum side)it->side, seq, it->flags);
            h->from_id = -1;
        } else {
            history_add_line(line, it->ts_ms, it->id, it->u.trade.price, it->u.trade.qty,
                             (enum side)it->side, "");
        }
        h->kind = HISTORY_TRADES;
        h->to_id = h->from_id;
        h->to_ms = it->ts_ms;
        h->n = 1;
        h->data = (struct slice){buf_ptr(line), buf_len(line)};
        str_copy(h->reason, sizeof h->reason, "late");
        return;
    }
    h->kind = it->kind == ITEM_GAP ? HISTORY_GAP : HISTORY_TRADES;
    h->to_id = it->u.range.to_id;
    h->to_ms = it->u.range.to_ms;
    str_copy(h->reason, sizeof h->reason, it->u.range.reason);
}

static size_t format_history(const struct outbox *b, struct outbox_item *it, char out[ENTRY_MAX])
{
    struct buf line;
    struct history h;
    if (it->kind == ITEM_TRADE) {
        it->u.trade.price[it->price_n] = '\0';
        it->u.trade.qty[it->qty_n] = '\0';
    }
    buf_init(&line, 256);
    history_of(it, b->named, &line, &h);
    const size_t n = entry_history(&b->keys, &h, out);
    buf_release(&line);
    return n;
}

static size_t format(struct outbox *b, struct outbox_item *it, enum outbox_op *op,
                     char out[ENTRY_MAX])
{
    b->command = out;
    const bool to_history = it->late || it->kind != ITEM_TRADE;
    if (it->state == WANT_LOOKUP) {
        it->state = LOOKING;
        if (to_history) {
            *op = OP_HISTORY_LOOKUP;
            return entry_history_lookup(&b->keys, it->entry_ms, it->entry_seq, out);
        }
        *op = OP_LOOKUP;
        if (b->named) {
            return entry_uid_lookup(&b->keys, it->ts_ms, it->verify ? it->entry_seq : -1, out);
        }
        return entry_lookup(&b->keys, it->ts_ms, it->id, out);
    }
    it->state = SENT;
    if (it->kind == ITEM_DATA) {
        *op = OP_HISTORY;
        b->command = it->u.data.command;
        return it->u.data.n;
    }
    if (to_history) {
        *op = OP_HISTORY;
        return format_history(b, it, out);
    }
    *op = OP_TRADE;
    if (b->named) {
        const struct trade t = {.ts_ms = it->ts_ms,
                                .id = it->id,
                                .side = it->side,
                                .flags = it->flags,
                                .uid = it->u.trade.uid};
        return entry_uid_trade(&b->keys, &t, (struct slice){it->u.trade.price, it->price_n},
                               (struct slice){it->u.trade.qty, it->qty_n}, it->u.trade.rx_us, out);
    }
    return entry_trade(&b->keys, it->ts_ms, it->id, (struct slice){it->u.trade.price, it->price_n},
                       (struct slice){it->u.trade.qty, it->qty_n}, (enum side)it->side,
                       it->u.trade.rx_us, out);
}

size_t outbox_next(struct outbox *b, char out[ENTRY_MAX])
{
    const size_t most = 2 * b->o.batch;
    struct outbox_batch *batch = &b->batch[b->batches - 1];
    while (b->scan < b->tail && !is_ready(b, b->scan)) {
        b->scan++;
    }
    if (b->scan == b->tail || batch->size == b->o.batch) {
        if (batch->size == 0) {
            b->batches--;
        }
        return 0;
    }
    enum outbox_op op;
    const size_t n = format(b, outbox_at(b, b->scan), &op, out);
    size_t slot = b->flight_head + b->flight_n;
    slot = slot < most ? slot : slot - most;
    b->flight[slot] = (struct outbox_flight){.seq = b->scan, .op = (uint8_t)op};
    b->flight_n++;
    b->scan++;
    batch->size++;
    batch->unanswered++;
    return n;
}

void outbox_unsend(struct outbox *b)
{
    struct outbox_batch *batch = &b->batch[b->batches - 1];
    b->flight_n--;
    const uint64_t seq = b->flight[(b->flight_head + b->flight_n) % (2 * b->o.batch)].seq;
    take_back(outbox_at(b, seq));
    b->scan = seq;
    batch->size--;
    batch->unanswered--;
    if (batch->size == 0) {
        b->batches--;
    }
}

enum outbox_op outbox_expected(const struct outbox *b)
{
    if (b->flight_n == 0) {
        FATAL("a reply without a command");
    }
    return (enum outbox_op)b->flight[b->flight_head].op;
}

void outbox_expected_range(const struct outbox *b, int64_t *from_id, int64_t *to_id)
{
    const struct outbox_item *it = outbox_at(b, b->flight[b->flight_head].seq);
    *from_id = it->id;
    *to_id = it->kind == ITEM_TRADE ? it->id : it->u.range.to_id;
    if (b->named) {
        *from_id = *to_id = -1;
    }
}

void outbox_expected_times(const struct outbox *b, int64_t *from_ms, int64_t *to_ms)
{
    const struct outbox_item *it = outbox_at(b, b->flight[b->flight_head].seq);
    *from_ms = it->ts_ms;
    *to_ms = it->kind == ITEM_TRADE ? it->ts_ms : it->u.range.to_ms;
}

struct trade_uid outbox_expected_uid(const struct outbox *b)
{
    const struct outbox_item *it = outbox_at(b, b->flight[b->flight_head].seq);
    return it->kind == ITEM_TRADE ? it->u.trade.uid : (struct trade_uid){0, 0};
}

static void end_verify(struct outbox *b, struct outbox_item *it)
{
    if (it->verify) {
        it->verify = false;
        b->verifying--;
        if (b->verifying == 0) {
            b->scan = b->base;
        }
    }
}

static void stored(struct outbox *b, struct outbox_item *it, int64_t mono_ms)
{
    it->state = STORED;
    it->stored_at_ms = mono_ms;
    if (it->fresh) {
        it->fresh = false;
        b->fresh--;
    }
    b->stored++;
    if (it->kind == ITEM_TRADE && !it->late && it->ts_ms > b->newest_trade_ms) {
        b->newest_trade_ms = it->ts_ms;
    }
    b->hold_ms = OUTBOX_HOLD_MIN_MS;
}

static void wants_again(struct outbox *b, uint64_t seq, enum item_state state)
{
    outbox_at(b, seq)->state = (uint8_t)state;
    if (seq < b->scan) {
        b->scan = seq;
    }
}

static void absent(struct outbox *b, uint64_t seq)
{
    struct outbox_item *it = outbox_at(b, seq);
    if (it->verify) {
        b->resent += it->fresh ? 0 : 1; // Redis had it and lost it
        it->entry_seq = -1;
    } else {
        it->late = true; // refused as old, yet not there: new, but out of order
        b->late++;
    }
    end_verify(b, it);
    wants_again(b, seq, WANT_SEND);
}

static void away(struct outbox *b, uint64_t seq, int64_t mono_ms)
{
    take_back(outbox_at(b, seq));
    if (seq < b->scan) {
        b->scan = seq;
    }
    b->away++;
    if (mono_ms >= b->hold_until_ms) {
        b->hold_until_ms = mono_ms + b->hold_ms;
        b->hold_ms = b->hold_ms * 2 < OUTBOX_HOLD_MAX_MS ? b->hold_ms * 2 : OUTBOX_HOLD_MAX_MS;
    }
}

bool outbox_answer(struct outbox *b, enum outbox_answer a, int64_t ms, int64_t seq_no,
                   int64_t mono_ms, int64_t *sent_us, size_t *commands)
{
    const struct outbox_flight f = b->flight[b->flight_head];
    struct outbox_item *it = outbox_at(b, f.seq);
    b->flight_head = b->flight_head + 1 < 2 * b->o.batch ? b->flight_head + 1 : 0;
    b->flight_n--;
    switch (a) {
    case ANSWER_STORED:
        if (f.op == OP_HISTORY || (f.op == OP_TRADE && b->named)) {
            it->entry_ms = ms;
            it->entry_seq = seq_no;
        }
        if (f.op == OP_HISTORY) {
            b->newest_history_ms = ms > b->newest_history_ms ? ms : b->newest_history_ms;
        }
        stored(b, it, mono_ms);
        if (f.seq == b->gate) {
            outbox_release_hold(b, false);
        }
        break;
    case ANSWER_ID_REFUSED:
        wants_again(b, f.seq, WANT_LOOKUP);
        break;
    case ANSWER_FOUND:
        if (!it->verify) {
            b->copies++;
        }
        end_verify(b, it);
        stored(b, it, mono_ms);
        break;
    case ANSWER_ABSENT:
        absent(b, f.seq);
        break;
    case ANSWER_AWAY:
        away(b, f.seq, mono_ms);
        break;
    }
    while (b->done < b->tail && outbox_at(b, b->done)->state == STORED) {
        b->done++;
    }
    b->batch[0].unanswered--;
    if (b->batch[0].unanswered > 0) {
        return false;
    }
    *sent_us = b->batch[0].sent_us;
    *commands = b->batch[0].size;
    b->batch[0] = b->batch[1];
    b->batches--;
    return true;
}

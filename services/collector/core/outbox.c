// The outbox, first half: what comes in, its bounds, what is forgotten.

#include "services/collector/core/outbox.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "services/collector/core/outbox_item.h"

#define LOST_SPANS 64
// Room for gap entries beyond the two bounds; a gap that finds none joins the dropped ids.
#define EXTRA_ITEMS 256

void outbox_init(struct outbox *b, const struct instrument *ins, const struct outbox_opts *o)
{
    memset(b, 0, sizeof *b);
    b->o = *o;
    if (b->o.batch < 1) {
        b->o.batch = 1;
    }
    b->cap = 256;
    b->item = xcalloc(b->cap, sizeof *b->item);
    b->flight = xcalloc(2 * b->o.batch, sizeof *b->flight);
    b->newest_trade_ms = b->newest_history_ms = -1;
    b->named = ins->venue == VENUE_BYBIT;
    b->lost_from_ms = b->lost_to_ms = -1;
    b->forgotten_ms = b->forgotten_seq = -1;
    b->held_from = b->gate = NOT_HELD;
    entry_keys_init(&b->keys, ins);
    idset_init(&b->lost, LOST_SPANS);
}

static void free_data(struct outbox *b, struct outbox_item *it)
{
    if (it->kind == ITEM_DATA) {
        b->data_bytes -= it->u.data.n;
        free(it->u.data.command);
        it->u.data.command = NULL;
    }
}

void outbox_release(struct outbox *b)
{
    for (uint64_t seq = b->base; seq < b->tail; seq++) {
        free_data(b, outbox_at(b, seq));
    }
    free(b->item);
    free(b->flight);
    idset_release(&b->lost);
    memset(b, 0, sizeof *b);
}

// ---- in ----------------------------------------------------------------------------------------

static void grow(struct outbox *b)
{
    const size_t cap = b->cap * 2;
    struct outbox_item *item = xcalloc(cap, sizeof *item);
    for (uint64_t seq = b->base; seq < b->tail; seq++) {
        item[seq & (cap - 1)] = *outbox_at(b, seq);
    }
    free(b->item);
    b->item = item;
    b->cap = cap;
}

// Drops the oldest stored item of the ring; false when the oldest is not stored.
static bool forget_oldest(struct outbox *b)
{
    if (b->base == b->tail || outbox_at(b, b->base)->state != STORED) {
        return false;
    }
    const struct outbox_item *it = outbox_at(b, b->base);
    if (b->named && it->kind == ITEM_TRADE && !it->late && it->entry_seq >= 0 &&
        (it->ts_ms > b->forgotten_ms ||
         (it->ts_ms == b->forgotten_ms && it->entry_seq > b->forgotten_seq))) {
        b->forgotten_ms = it->ts_ms;
        b->forgotten_seq = it->entry_seq;
    }
    free_data(b, outbox_at(b, b->base));
    b->base++;
    if (b->done < b->base) {
        b->done = b->base;
    }
    if (b->scan < b->base) {
        b->scan = b->base;
    }
    return true;
}

static struct outbox_item *append(struct outbox *b, enum item_kind kind)
{
    while (b->tail - b->base >= b->cap) {
        const size_t most = b->o.max_queue + b->o.ring_max + EXTRA_ITEMS;
        if (b->cap < most) {
            grow(b);
        } else if (!forget_oldest(b)) {
            return NULL;
        }
    }
    struct outbox_item *it = outbox_at(b, b->tail);
    b->tail++;
    it->kind = (uint8_t)kind;
    it->state = WANT_SEND;
    it->late = it->verify = false;
    it->flags = 0;
    it->entry_seq = -1;
    it->fresh = true;
    b->fresh++;
    return it;
}

static void lose(struct outbox *b, int64_t from_id, int64_t to_id, int64_t from_ms, int64_t to_ms)
{
    b->dropping = true;
    if (!b->named) {
        idset_add_range(&b->lost, from_id, to_id, from_ms, to_ms);
        return;
    }
    if (b->lost_from_ms < 0 || from_ms < b->lost_from_ms) {
        b->lost_from_ms = from_ms;
    }
    b->lost_to_ms = to_ms > b->lost_to_ms ? to_ms : b->lost_to_ms;
}

static bool add_range(struct outbox *b, enum item_kind kind, const struct id_span *r,
                      const char *prefix, const char *reason)
{
    struct outbox_item *it = append(b, kind);
    if (it == NULL) {
        lose(b, r->lo, r->hi, r->t_lo, r->t_hi);
        return false;
    }
    it->id = r->lo;
    it->ts_ms = r->t_lo;
    it->u.range.to_id = r->hi;
    it->u.range.to_ms = r->t_hi;
    str_fmt(it->u.range.reason, sizeof it->u.range.reason, "%s%s", prefix, reason);
    if (kind == ITEM_GAP && b->o.on_gap != NULL) {
        b->o.on_gap(b->o.arg, r->lo, r->hi, r->t_lo, r->t_hi);
    }
    return true;
}

void outbox_settle(struct outbox *b, bool force)
{
    if (!b->dropping || (!force && b->fresh > b->o.max_queue / 2)) {
        return;
    }
    b->dropping = false;
    if (b->lost_from_ms >= 0) {
        const struct id_span r = {-1, -1, b->lost_from_ms, b->lost_to_ms};
        b->lost_from_ms = b->lost_to_ms = -1;
        b->gaps_declared += add_range(b, ITEM_GAP, &r, "", "overflow") ? 1 : 0;
    }
    struct idset lost = b->lost;
    idset_init(&b->lost, LOST_SPANS);
    for (size_t i = 0; i < lost.n; i++) {
        if (add_range(b, ITEM_GAP, &lost.span[i], "", "overflow")) {
            b->gaps_declared++;
        }
    }
    idset_release(&lost);
}

bool outbox_add_trade(struct outbox *b, const struct trade *t, struct slice price, struct slice qty,
                      int64_t rx_us)
{
    if (b->dropping) {
        outbox_settle(b, false);
    }
    struct outbox_item *it = NULL;
    if (!b->dropping && b->fresh < b->o.max_queue && price.n < OUTBOX_TEXT_MAX &&
        qty.n < OUTBOX_TEXT_MAX) {
        it = append(b, ITEM_TRADE);
    }
    if (it == NULL) {
        lose(b, t->id, t->id, t->ts_ms, b->named ? t->ts_ms + 1 : t->ts_ms);
        b->dropped++;
        return false;
    }
    it->ts_ms = t->ts_ms;
    it->id = t->id;
    it->side = t->side;
    it->flags = t->flags;
    it->u.trade.uid = t->uid;
    it->u.trade.rx_us = rx_us;
    it->price_n = (uint8_t)price.n;
    it->qty_n = (uint8_t)qty.n;
    memcpy(it->u.trade.price, price.p, price.n);
    memcpy(it->u.trade.qty, qty.p, qty.n);
    return true;
}

void outbox_add_gap(struct outbox *b, int64_t from_id, int64_t to_id, int64_t from_ms,
                    int64_t to_ms, const char *reason)
{
    const struct id_span r = {from_id, to_id, from_ms, to_ms};
    if (b->dropping) {
        outbox_settle(b, false);
    }
    if (b->dropping || b->fresh >= b->o.max_queue + EXTRA_ITEMS) {
        lose(b, from_id, to_id, from_ms, to_ms);
    } else if (add_range(b, ITEM_GAP, &r, "", reason)) {
        b->gaps_declared++;
    }
}

void outbox_add_time_gap(struct outbox *b, int64_t from_ms, int64_t to_ms, const char *reason)
{
    struct outbox_item *last = b->tail > b->base ? outbox_at(b, b->tail - 1) : NULL;
    if (last != NULL && last->kind == ITEM_GAP && last->state == WANT_SEND && last->id == -1 &&
        last->ts_ms <= from_ms && from_ms <= last->u.range.to_ms &&
        strcmp(last->u.range.reason, reason) == 0) {
        last->u.range.to_ms = to_ms > last->u.range.to_ms ? to_ms : last->u.range.to_ms;
        return;
    }
    outbox_add_gap(b, -1, -1, from_ms, to_ms, reason);
}

bool outbox_add_excluded(struct outbox *b, int64_t id, int64_t ts_ms, const char *exec)
{
    const struct id_span r = {id, id, ts_ms, ts_ms};
    if (b->dropping) {
        outbox_settle(b, false);
    }
    if (b->dropping || b->fresh >= b->o.max_queue) {
        lose(b, id, id, ts_ms, ts_ms);
        b->dropped++;
        return false;
    }
    return add_range(b, ITEM_EXCLUDED, &r, "excluded:", exec);
}

bool outbox_has_room(const struct outbox *b, size_t bytes)
{
    return !b->dropping && b->fresh < b->o.max_queue &&
           b->data_bytes + bytes <= b->o.max_data_bytes;
}

bool outbox_add_history(struct outbox *b, const struct history *h)
{
    const size_t n = entry_history_long(&b->keys, h, NULL, 0);
    if (!outbox_has_room(b, n)) {
        return false;
    }
    struct outbox_item *it = append(b, ITEM_DATA);
    if (it == NULL) {
        return false;
    }
    it->id = h->from_id;
    it->ts_ms = h->from_ms;
    it->u.data.to_id = h->to_id;
    it->u.data.to_ms = h->to_ms;
    it->u.data.command = xcalloc(n, 1);
    it->u.data.n = n;
    (void)entry_history_long(&b->keys, h, it->u.data.command, n);
    b->data_bytes += n;
    return true;
}

void outbox_hold(struct outbox *b)
{
    if (b->held_from == NOT_HELD) {
        b->held_from = b->tail;
    }
    b->gate = NOT_HELD;
}

void outbox_release_hold(struct outbox *b, bool behind)
{
    if (b->held_from == NOT_HELD) {
        return;
    }
    if (behind && b->tail > b->base && outbox_at(b, b->tail - 1)->state != STORED) {
        b->gate = b->tail - 1;
        return;
    }
    b->scan = b->held_from < b->scan ? b->held_from : b->scan;
    b->held_from = b->gate = NOT_HELD;
}

void outbox_tick(struct outbox *b, int64_t mono_ms)
{
    // While Redis is away nothing is forgotten by age: the ring then still holds what may be lost.
    while (b->open && b->verifying == 0 && b->base < b->done &&
           (mono_ms - outbox_at(b, b->base)->stored_at_ms > b->o.ring_ms ||
            b->done - b->base > b->o.ring_max)) {
        if (!forget_oldest(b)) {
            break;
        }
    }
    outbox_settle(b, false);
}

// ---- what it holds ------------------------------------------------------------------------------

size_t outbox_pending(const struct outbox *b)
{
    return (size_t)(b->tail - b->done) + (b->lost.n > 0 || b->lost_from_ms >= 0 ? 1 : 0);
}

int64_t outbox_unstored_ms(const struct outbox *b)
{
    int64_t oldest = b->lost_from_ms >= 0 ? b->lost_from_ms : INT64_MAX;
    for (uint64_t seq = b->done; seq < b->tail; seq++) {
        const struct outbox_item *it = outbox_at(b, seq);
        const bool is_trades = it->kind == ITEM_TRADE || it->kind == ITEM_DATA;
        if (is_trades && it->state != STORED && it->ts_ms < oldest) {
            oldest = it->ts_ms;
        }
    }
    return oldest;
}

size_t outbox_ring(const struct outbox *b)
{
    return (size_t)(b->done - b->base);
}

void outbox_ids(const struct outbox *b, struct idset *ids)
{
    for (uint64_t seq = b->base; seq < b->tail; seq++) {
        const struct outbox_item *it = outbox_at(b, seq);
        if (it->kind == ITEM_TRADE) {
            idset_add(ids, it->id, it->ts_ms);
        } else {
            idset_add_range(ids, it->id, it->u.range.to_id, it->ts_ms, it->u.range.to_ms);
        }
    }
    for (size_t i = 0; i < b->lost.n; i++) {
        const struct id_span *r = &b->lost.span[i];
        idset_add_range(ids, r->lo, r->hi, r->t_lo, r->t_hi);
    }
}

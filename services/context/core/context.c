#include "services/context/core/context.h"

#include "common/base/clock.h"
#include "common/base/str.h"
#include "common/market/summary.h"

void context_init(struct context *c, const struct instrument *ins)
{
    *c = (struct context){.seen_ms = -1};
    ledger_init(&c->ledger, ins);
    iclock_init(&c->clock);
}

void context_release(struct context *c)
{
    ledger_release(&c->ledger);
}

static void after_roll(struct context *c)
{
    if (c->ledger.rolled) {
        c->ledger.rolled = false;
        holes_prune(&c->holes, c->ledger.cur.start_ms - MS_PER_DAY);
        c->history_changed = true;
    }
}

void context_on_trade(struct context *c, const struct trade *t, int64_t rx_us, bool late)
{
    enum ledger_result r = late ? ledger_add_late(&c->ledger, t) : ledger_add(&c->ledger, t);
    if (r == LEDGER_OVERFLOW) {
        c->bad++;
        return;
    }
    if (r == LEDGER_COUNTED && t->ts_ms >= c->seen_ms) {
        c->seen_ms = t->ts_ms;
        c->seen_rx_us = rx_us;
        c->seen_new = true;
    }
    after_roll(c);
}

int64_t context_clock(struct context *c, int64_t wall_us, int64_t mono_ms)
{
    if (c->seen_new) {
        c->seen_new = false;
        int64_t age_ms = c->seen_rx_us > 0 ? (wall_us - c->seen_rx_us) / 1000 : 0;
        iclock_seen(&c->clock, c->seen_ms, mono_ms - (age_ms > 0 ? age_ms : 0));
    }
    return iclock_now(&c->clock, mono_ms);
}

static void on_day(struct context *c, const struct history *h)
{
    struct summary s;
    summary_init(&s);
    if (summary_of_history(&s, &c->ledger.ins, h, &c->refused)) {
        c->bad++;
        c->days_refused++;
        return;
    }
    const int64_t newest_ms = s.day.last.ts_ms;
    enum ledger_day r = ledger_take_day(&c->ledger, &s.day, s.from_id, s.to_id, s.name, s.names);
    c->days += r == LEDGER_DAY_TAKEN;
    if (r == LEDGER_DAY_TAKEN && newest_ms >= c->seen_ms) {
        c->seen_ms = newest_ms;
        c->seen_rx_us = 0;
        c->seen_new = true;
    }
    if (!history_is_by_time(h)) {
        holes_add_repaired(&c->holes, h->from_ms, h->to_ms);
    }
    after_roll(c);
    summary_release(&s);
}

void context_on_history(struct context *c, const struct history *h)
{
    c->history_changed = true;
    if (h->kind == HISTORY_DAY) {
        on_day(c, h);
        return;
    }
    (void)ledger_on_history(&c->ledger, h);
    if (h->kind == HISTORY_TRADES) {
        // By time it is a repair where a gap had been declared: view.c looks.
        if (!history_is_by_time(h) && !slice_eq(slice_of(h->source), "live")) {
            holes_add_repaired(&c->holes, h->from_ms, h->to_ms);
        }
        return;
    }
    struct hole_reason r = {.from_id = h->from_id,
                            .to_id = h->to_id,
                            .from_ms = h->from_ms,
                            .to_ms = h->to_ms,
                            .kind = h->kind};
    str_copy(r.reason, sizeof r.reason, h->reason);
    holes_add_reason(&c->holes, &r);
}

// The trade stream of a lane: what the feed makes of a frame goes to the outbox.

#include "common/base/log.h"
#include "services/collector/io/app.h"

static void apply_trade(struct lane *l, const struct frame *fr, const struct feed_out *out,
                        int64_t rx_us)
{
    const struct app *a = l->app;
    const int64_t shown_us = rx_us + (a->clock_measured ? a->clock.offset_ms * 1000 : 0);
    if (a->clock_measured) {
        hist_add(&l->latency_ms, shown_us / 1000 - fr->event_ms, 1);
    }
    const bool was_dropping = l->outbox.dropping;
    if (!outbox_add_trade(&l->outbox, &out->trade, fr->price, fr->qty, shown_us)) {
        feed_dropped(&l->feed, &out->trade);
    }
    if (l->outbox.dropping && !was_dropping) {
        log_ev(LOG_WARN, "queue_full", F_STR("sym", l->feed.ins.name), F_INT("first_id", fr->id),
               F_UINT("queue", l->outbox.fresh));
    }
}

static void apply(struct lane *l, const struct frame *fr, const struct feed_out *out, int64_t rx_us)
{
    if (out->gap) {
        outbox_add_gap(&l->outbox, out->gap_from, out->gap_to, out->gap_from_ms, out->gap_to_ms,
                       out->gap_reason);
        log_ev(LOG_WARN, "ws_gap", F_STR("sym", l->feed.ins.name), F_INT("from_id", out->gap_from),
               F_INT("to_id", out->gap_to), F_INT("missed", out->gap_to - out->gap_from + 1),
               F_STR("reason", out->gap_reason));
    }
    if (out->late && fr->id >= 0) {
        repair_held(&l->repair, fr->id, fr->id);
    }
    if (out->verdict == FEED_TRADE) {
        apply_trade(l, fr, out, rx_us);
    } else if (out->verdict == FEED_EXCLUDED) {
        char exec[24];
        str_copyn(exec, sizeof exec, fr->exec.p, fr->exec.n);
        if (!outbox_add_excluded(&l->outbox, fr->id, fr->trade_ms, exec)) {
            feed_dropped(&l->feed, &out->trade);
        }
    }
}

static bool on_frame(struct lane *l, const struct frame *fr, int64_t rx_us, const char *p, size_t n)
{
    struct app *a = l->app;
    struct feed_out out;
    const bool first = !l->feed.live;
    feed_on_trade(&l->feed, fr, rx_us, &a->clock, &out);
    if (out.verdict == FEED_REFUSED) {
        log_refused(l->feed.ins.name, out.why, p, n);
        if (out.hole) {
            recents_on_feed(l, &out);
        }
        if (out.why == REFUSE_FUTURE && a->venue != NULL) {
            venue_check_clock(a->venue); // or is it our idea of its clock that is wrong?
        }
        return false;
    }
    if (out.hole || out.rejoin) {
        recents_on_feed(l, &out);
    }
    apply(l, fr, &out, rx_us);
    if (first) {
        const bool known = out.verdict == FEED_DUPLICATE;
        keyspace_first_trade(l, fr->id, fr->trade_ms,
                             known ? (struct trade_uid){0, 0} : out.trade.uid);
    }
    if (out.new_units) {
        keyspace_open(l);
    }
    return true;
}

void trades_hidden(struct lane *l, const struct frame *fr)
{
    struct feed_out out;
    feed_on_malformed(&l->feed, fr, &out);
    if (out.hole) {
        recents_on_feed(l, &out);
    }
}

static void on_open(struct lane *l)
{
    feed_begin(&l->feed);
}

const struct stream_ops trades_ops = {.on_frame = on_frame, .on_open = on_open};

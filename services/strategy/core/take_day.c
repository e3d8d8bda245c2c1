// A whole day from its summary: day, candles and minutes take the place of what was made of trades.
// The window of the newest trades is not told: it is of the run.

#include "common/base/clock.h"
#include "common/market/summary.h"
#include "services/strategy/core/strategy.h"

void strategy_take_day(struct strategy *s, const struct history *h)
{
    struct summary sum;
    summary_init(&sum);
    if (summary_of_history(&sum, &s->ledger.ins, h, &s->refused)) {
        s->bad++;
        s->days_refused++;
        return;
    }
    const int64_t from_ms = h->from_ms;
    const int64_t to_ms = h->to_ms;
    const int64_t newest_ms = sum.day.last.ts_ms;
    s->holes_changed = true;
    if (ledger_take_day(&s->ledger, &sum.day, sum.from_id, sum.to_id, sum.name, sum.names) ==
        LEDGER_DAY_TAKEN) {
        s->days++;
        for (size_t tf = 0; tf < N_TF; tf++) {
            candle_series_take(s->series[tf], from_ms, to_ms, sum.candle[tf], sum.candles[tf]);
        }
        strategy_stale_forget(s, from_ms, to_ms);
        strategy_replace_minutes(s, from_ms, to_ms, &sum.minutes);
        if (newest_ms >= s->seen_ms) {
            s->seen_ms = newest_ms;
            s->seen_rx_us = 0;
            s->seen_new = true;
        }
    }
    s->ledger.rolled = false;
    summary_release(&sum);
}

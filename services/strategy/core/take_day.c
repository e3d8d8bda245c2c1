// A whole day from its summary: day, candles and minutes take the place of what was made of trades.
// The window of the newest trades is not told: it is of the run. Nor are the seconds of a day: what
// of a window lies in it is not known any more, nor what lay behind a reset of its CVD.

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
        seconds_unknown_before(&s->seconds, to_ms);
        if (s->ledger.cur.start_ms == from_ms && cvd_is_reset(&s->cvd, from_ms)) {
            s->cvd =
                (struct cvd){.reset_ms = -1, .resets = s->cvd.resets, .refused = s->cvd.refused};
        }
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

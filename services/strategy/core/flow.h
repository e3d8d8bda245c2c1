#ifndef STRATEGY_FLOW_H
#define STRATEGY_FLOW_H
// What is shown of aggressor volume: fields of :cvd, :cvd:minutes and :indicators.

#include "services/strategy/core/strategy.h"

#define FLOW_MINUTES 1440
#define FLOW_HOLES 100

// Fields of :cvd.
void flow_cvd_fields(const struct strategy *s, field_sink sink, void *arg);
// Takes back what flow_cvd_fields() told of a reset. ERR_* when it is not that, or contradicts the
// day. Call after the days were restored.
int flow_take_cvd(struct strategy *s, const char *const *kv, size_t pairs,
                  struct err *e) MUST_CHECK;
// Fields of :cvd:minutes, of the day's minutes whose trades differ from told[minute of the day].
void flow_minutes(struct strategy *s, int64_t told[FLOW_MINUTES], field_sink sink, void *arg);
// Fields of :indicators: volume delta of the last 60, 300, 900 and 3600 s at now_ms, and what of
// the seconds is not proven.
void flow_indicator_fields(struct strategy *s, int64_t now_ms, field_sink sink, void *arg);
// A reset at that exchange time, asked for at asked_ms by the wall clock.
enum cvd_result flow_reset(struct strategy *s, int64_t at_ms, int64_t asked_ms);

#endif

#ifndef API_ANSWER_H
#define API_ANSWER_H
// What fills the answers. Each function adds members to an object that is open; live_* may look at
// the clock and the links, still_* only at the snapshot and the parameters.

#include "services/api/core/route.h"

// answer_health.c
void live_health(const struct ask *a, struct jw *w);
void live_ready(const struct ask *a, struct jw *w);
int status_ready(const struct ask *a);
void live_backfill(const struct ask *a, struct jw *w);
void live_symbols(const struct ask *a, struct jw *w);
void still_ws_health(const struct ask *a, struct jw *w);

// answer_market.c
void live_age(const struct ask *a, struct jw *w);  // redis_up, data_age_ms
void still_who(const struct ask *a, struct jw *w); // symbol, simulated
void still_price(const struct ask *a, struct jw *w);
void still_levels(const struct ask *a, struct jw *w);
void live_context(const struct ask *a, struct jw *w);
void still_context(const struct ask *a, struct jw *w);

// answer_coverage.c
void still_coverage(const struct ask *a, struct jw *w);

// answer_strategy.c
void live_strategy_status(const struct ask *a, struct jw *w);
void still_strategy_status(const struct ask *a, struct jw *w);
void still_candles(const struct ask *a, struct jw *w);
void live_strategy_metrics(const struct ask *a, struct jw *w);
void still_strategy_metrics(const struct ask *a, struct jw *w);

// answer_indicators.c
void context_analysis(const struct snap *s, struct jw *w); // member of an open object
void still_diagnostics(const struct ask *a, struct jw *w);

// answer_flow.c
void live_cvd(const struct ask *a, struct jw *w);
void still_cvd(const struct ask *a, struct jw *w);
void still_cvd_history(const struct ask *a, struct jw *w);
int status_cvd_reset(const struct ask *a);
void live_cvd_reset(const struct ask *a, struct jw *w);
void live_delta(const struct ask *a, struct jw *w);
void live_delta_multi(const struct ask *a, struct jw *w);
void live_delta_history(const struct ask *a, struct jw *w);

// answer_debug.c
void still_debug_vwap(const struct ask *a, struct jw *w);
void still_debug_poc(const struct ask *a, struct jw *w);
void still_debug_exchangeinfo(const struct ask *a, struct jw *w);

// answer_lists.c
void live_trades(const struct ask *a, struct jw *w);
void live_trades_range(const struct ask *a, struct jw *w);
void live_trades_stats(const struct ask *a, struct jw *w);
void live_events(const struct ask *a, struct jw *w);
void live_liquidations(const struct ask *a, struct jw *w);
void still_book(const struct ask *a, struct jw *w);

// answer_metrics.c
void still_metrics(const struct ask *a, struct jw *w);
void exposition(const struct ask *a, bool openmetrics, struct buf *out);

// answer_deriv.c
void still_clusters(const struct ask *a, struct jw *w);
void still_support(const struct ask *a, struct jw *w);
void still_debug_clusters(const struct ask *a, struct jw *w);
void still_mark(const struct ask *a, struct jw *w);
void mark_members(const struct snap *s, struct jw *w); // into an open object

// ---- shared by them (put.c) ---------------------------------------------------------------------

// A number exactly as stored; null when it is absent or no JSON number.
void put_num(struct jw *w, const char *key, const char *text);
void put_field(struct jw *w, const char *key, const struct rhash *h, const char *field);
// ISO 8601; null below 0.
void put_ts(struct jw *w, const char *key, int64_t ms);
// Milliseconds stored in a field, as ISO 8601.
void put_ts_field(struct jw *w, const char *key, const struct rhash *h, const char *field);
void put_str_field(struct jw *w, const char *key, const struct rhash *h, const char *field);
// Bytes that must be JSON: as they are, else null.
void put_json(struct jw *w, const char *key, struct slice json);

#endif

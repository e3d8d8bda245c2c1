#include "services/strategy/io/run.h"

#include <string.h>

#include "common/base/decimal.h"

static void put_i64(struct redis_tx *tx, const char *field, int64_t v)
{
    char s[24];
    redis_tx_hset(tx, field, s, fmt_i64(s, v));
}

void run_fields(struct redis_tx *tx, struct strategy *s, const struct follow *f, int64_t clock_ms,
                int64_t wall_ms, struct buf *text)
{
    struct follow_stats st;
    follow_stats(f, &st);
    buf_clear(text);
    ledger_proof_text(&s->ledger, text);
    redis_tx_hset(tx, "_ids", buf_ptr(text), buf_len(text));
    buf_clear(text);
    strategy_stale_text(s, text);
    redis_tx_hset(tx, "_stale", buf_ptr(text), buf_len(text));
    put_i64(tx, "_ver", (int64_t)s->ver);
    put_i64(tx, "_updated_ms", wall_ms);
    put_i64(tx, "_lag_ms", st.lag_ms);
    put_i64(tx, "_clock_ms", clock_ms);
    put_i64(tx, "_session_ms", s->phase.seen_ms);
    put_i64(tx, "_newest_rx_us", s->seen_rx_us);
    put_i64(tx, "_duplicates", (int64_t)s->ledger.duplicates);
    put_i64(tx, "_too_old", (int64_t)s->ledger.too_old);
    put_i64(tx, "_bad", (int64_t)s->bad);
    put_i64(tx, "_reloads", (int64_t)s->reloads);
}

void run_metrics(struct redis_tx *tx, const struct strategy *s, int64_t window_sec, int64_t wall_ms,
                 const struct latency *latency)
{
    char rate[DEC_TEXT];
    put_i64(tx, "_window_sec", window_sec);
    put_i64(tx, "_window_count", s->window.count);
    dec_format(rate, s->window.count * 1000 / window_sec, 3, 3);
    redis_tx_hset(tx, "_window_rate", rate, strlen(rate));
    put_i64(tx, "_buffer_size", s->window.count);
    put_i64(tx, "_updated_ms", wall_ms);
    put_i64(tx, "_latency_p50_us", latency_percentile(latency, 50));
    put_i64(tx, "_latency_p99_us", latency_percentile(latency, 99));
    put_i64(tx, "_ver", (int64_t)s->ver);
}

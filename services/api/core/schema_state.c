#include "services/api/core/schema.h"

SCHEMA(progress, "Progress", INT("current", "done"), INT("total", "to do"),
       INT("percentage", "0 to 100"), NUM_("estimated_seconds_remaining", "null: not known"),
       INT_("chunks", "requests done"), INT_("chunks_total", "requests planned"));

SCHEMA(health, "Health", TEXT("status", "ok while the gateway serves"),
       TEXT_("session", "off, london or overlap; null before any data"),
       TEXT("session_message", "for people"), YES("is_trading_active", "a session is on"),
       YES("trading_enabled", "session, history, feeds and coverage allow trading"),
       LIST_OF("trading_blocked_by", M_TEXT,
               "what does not: redis, backfill, session, feed, book, missing trades"),
       YES("backfill_complete", "history is loaded"),
       TEXT("backfill_status",
            "idle, in_progress, complete, error, cancelled, skipped or disabled"),
       OBJ("backfill_progress", progress, "of the backfill"),
       TEXT_("metrics_precision", "PRECISE, or IMPRECISE and why"), SPREAD(age),
       TIME_("nowUtc", "the instrument's clock: exchange time"),
       INT("uptime_ms", "of this gateway process"), SPREAD(who));

SCHEMA(ready, "Ready", SPREAD(health));

SCHEMA(stream, "TradeStream", YES("connected", "the venue's stream is open"),
       TIME_("last_ts", "exchange time of the newest"),
       INT_("events_received", "since the collector started"),
       INT_("reconnect_attempts", "since the collector started"),
       YES("silent", "nothing came within the deadline"), TIME_("last_received", "when it came"),
       INT_("deadline_ms", "how long it may be silent"), INT_("gaps", "gaps declared"),
       INT_("gap_ids", "trades missing in them"), INT_("duplicates", "trades seen twice"),
       INT_("late", "trades that came out of order"), INT_("refused", "messages not understood"),
       INT_("queue_size", "waiting to be stored"));

SCHEMA(depth_stream, "DepthStream", YES("connected", "the venue's stream is open"),
       TIME_("last_ts", "exchange time of the newest"), INT_("last_update_id", "of the venue"),
       INT_("events_received", "updates"),
       INT_("reconnect_attempts", "since the collector started"),
       TEXT_("state", "live, syncing or stale; null: no order book is followed"),
       YES("silent", "nothing came within the deadline"), TIME_("last_received", "when it came"),
       INT_("deadline_ms", "how long it may be silent"),
       INT_("gaps", "breaks in the chain of updates"), INT_("snapshots", "snapshots taken"),
       INT_("queue_size", "updates waiting for a snapshot"));

SCHEMA(ws_health, "FeedHealth", SPREAD(who), OBJ("trades", stream, "trade stream"),
       OBJ("depth", depth_stream, "order book stream"), SPREAD(age));

SCHEMA(range, "TimeRange", TIME_("start", "oldest trade loaded"), TIME_("end", "newest"));

SCHEMA(breaker, "Breaker", TEXT("state", "closed, open or half_open"),
       TIME_("cooldown_until", "no request before"), NUM_("throttle", "share of the full rate"));

SCHEMA(backfill, "Backfill",
       TEXT("status", "idle, in_progress, complete, error, cancelled, skipped or disabled"),
       YES("running", "in progress"), YES("complete", "history is loaded"),
       OBJ("progress", progress, "how far it is"), TEXT("cache_status", "HIT, MISS or UNKNOWN"),
       INT("trades_loaded", "trades added"), INT_("completion_time_ms", "time it took"),
       OBJ("historical_range", range, "what was loaded"),
       OBJ("breaker", breaker, "how the venue is spared"),
       ANY_("sources", "trades by where they came from"),
       SOMETIMES("error", M_TEXT, "why it stopped"), SPREAD(age), SPREAD(who));

SCHEMA(rates, "Rates", INT_("per_minute_count", "over the window, as if it were a minute"),
       NUM_("per_second_rate", "over the window"), INT_("queue_size", "waiting to be stored"));

SCHEMA(queues, "Queues", INT_("trades", "trades waiting"), INT_("depth", "book updates waiting"));

SCHEMA(latency_ms, "FeedLatency", NUM_("feed_p50", "exchange time to receipt, median"),
       NUM_("feed_p99", "99th percentile"));

SCHEMA(latency_us, "ServiceLatency", NUM_("ack_p50", "receipt to stored in Redis, median"),
       NUM_("ack_p99", "99th percentile"),
       INT_("strategy_p50", "stored to metrics written, median"),
       INT_("strategy_p99", "99th percentile"));

SCHEMA(metrics, "Metrics", OBJ("trades", rates, "trades"), OBJ("depth", rates, "book updates"),
       NUM_("trades_per_second", "as trades.per_second_rate"),
       NUM_("depth_updates_per_second", "as depth.per_second_rate"),
       INT_("trade_queue_size", "as trades.queue_size"),
       INT_("depth_queue_size", "as depth.queue_size"), OBJ("queue_sizes", queues, "the same"),
       OBJ("latency_ms", latency_ms, "milliseconds"), OBJ("latency_us", latency_us, "microseconds"),
       INT_("events_received", "trades since the collector started"),
       TIME_("last_trade_ts", "exchange time of the newest trade"),
       INT("window_seconds", "length of the window"), SPREAD(who), SPREAD(age));

SCHEMA(services, "ServicesUp", YES("collector", "a collector reports this instrument"),
       YES("context", "context is alive"), YES("strategy", "strategy is alive"));

SCHEMA(feed, "FeedState", YES("connected", "the trade stream is open"),
       YES("silent", "nothing came within the deadline"));

SCHEMA(symbol, "SymbolState", TEXT("symbol", "venue:symbol"), TEXT("venue", "binance or bybit"),
       TEXT("name", "symbol without the venue"), YES("default", "answers where no symbol is given"),
       YES("simulated", "fed by a simulated market"), YES("has_data", "a price is known"),
       DAY_("day", "UTC day shown"), NUM_("price", "newest trade price"),
       TIME_("last_trade_ts", "its time"), TIME_("nowUtc", "the instrument's clock"),
       NUM_("tickSize", "smallest price step"), NUM_("stepSize", "smallest quantity step"),
       OBJ("services", services, "who is alive"), OBJ("feed", feed, "its trade stream"));

SCHEMA(symbols, "Symbols", SPREAD(age), LIST("symbols", symbol, "the first one is the default"),
       YES("simulated", "any of them is"));

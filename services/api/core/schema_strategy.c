#include "services/api/core/schema.h"

SCHEMA(candle_cell, "FootprintCell", NUM("price", "lower edge of the row"),
       NUM("buy_vol", "aggressor bought"), NUM("sell_vol", "aggressor sold"),
       TEXT_("imbalance", "diagonal imbalance: buy or sell"));

SCHEMA(candle_stack, "StackedImbalance", TEXT("side", "buy or sell"), NUM("from", "lowest row"),
       NUM("to", "highest row"));

SCHEMA(candle, "Candle", TIME("timestamp", "begin"), INT("timestamp_ms", "the same"),
       TEXT("timeframe", "1m or 5m"), NUM_("open", "first price"), NUM_("high", "highest price"),
       NUM_("low", "lowest price"), NUM_("close", "last price"), NUM_("volume", "in base units"),
       INT_("trades", "number of trades"), NUM_("buy_volume", "aggressor bought"),
       NUM_("sell_volume", "aggressor sold"), NUM_("delta", "buy minus sell"),
       NUM_("vwap", "of its trades"), NUM_("poc", "price with most volume"),
       NUM_("coverage", "proven share of its time, 0 to 1"),
       NUM_("min_delta", "lowest running delta"), NUM_("max_delta", "highest running delta"),
       INT_("rev", "grows when a finished candle is revised"), YES("complete", "its time is over"),
       SOMETIMES("footprint_bin", M_NUM, "height of its rows; only the newest candles have them"),
       SOMETIMES("imbalance_ratio", M_NUM,
                 "buys to the sells one row below, sells to the buys above"),
       SOMETIMES("imbalance_min_qty", M_NUM, "less is no imbalance"),
       {.name = "footprint",
        .type = M_LIST,
        .absent = true,
        .of = &schema_candle_cell,
        .text = "rows with trades, ascending"},
       {.name = "stacked",
        .type = M_LIST,
        .absent = true,
        .of = &schema_candle_stack,
        .text = "three adjacent imbalances of one side, or more"});

SCHEMA(candles, "Candles", TEXT("timeframe", "1m or 5m"), LIST("candles", candle, "oldest first"),
       INT("count", "how many"), SPREAD(who), SPREAD(age));

SCHEMA(buffers, "CandleBuffers", LIST("1m", candle, "the last 20"),
       LIST("5m", candle, "the last 20"));

SCHEMA(engine, "EngineState", YES("is_running", "strategy is alive"),
       TEXT_("current_session", "as strategy names it"),
       LIST_OF("active_timeframes", M_TEXT, "of its candles"), TIME_("last_update", "last write"),
       OBJ("candle_buffers", buffers, "newest candles"));

SCHEMA(analysis, "ContextAnalysis", TEXT_("regime", "trend or range"), NUM_("confidence", "0 to 1"),
       NUM_("vwap", "of the day"), NUM_("poc", "of the day"),
       NUM_("cumulative_delta", "of the day"),
       NUM_("volume_profile_strength", "Gini coefficient of its bins"),
       TIME_("timestamp", "of the analysis"));

SCHEMA(window, "SessionWindow", TIME_("start", "begin"), TIME_("end", "end, exclusive"),
       INT("duration_minutes", "length"));

SCHEMA(scheduler, "SchedulerState", TEXT_("current_session", "as strategy names it"),
       TIME_("current_time", "the instrument's clock"), YES("is_active", "a session is on"),
       INT_("time_to_change_seconds", "until the session changes"),
       NUM_("hours_remaining", "the same in hours"), TEXT_("next_session", "as strategy names it"),
       TIME_("next_session_start", "when it begins"),
       OBJ("london_window", window, "London session of the day"),
       OBJ("overlap_window", window, "New York overlap of the day"));

SCHEMA(strategy_status, "StrategyStatus", OBJ("scheduler_state", scheduler, "sessions"),
       SPREAD(age), OBJ("engine_state", engine, "the strategy service"),
       OBJ_("context_analysis", analysis, "null: no analysis yet"), SPREAD(who));

SCHEMA(footprint_row, "FootprintRow", NUM("price", "of the bin"), NUM("volume", "traded there"),
       NUM("buy_vol", "aggressor bought"), NUM("sell_vol", "aggressor sold"),
       INT("rank", "1 = most volume"));

SCHEMA(day_metrics, "DayMetrics", NUM_("vwap", "of the day"), NUM_("poc", "of the day"),
       NUM_("delta", "aggressor buy minus sell volume"), NUM_("buy_volume", "of the day"),
       NUM_("sell_volume", "of the day"),
       LIST("footprint", footprint_row, "the 20 bins with most volume"),
       INT_("trade_count", "of the day"),
       SOMETIMES("warning", M_TEXT, "what of the day is missing"));

SCHEMA(metadata, "MetricsMetadata", TIME_("last_update", "last write"),
       INT_("trade_count", "of the day"), INT_("buffer_size", "trades in memory"),
       NUM_("cumulative_volume", "of the day"), DAY_("day", "UTC day"));

SCHEMA(strategy_metrics, "StrategyMetrics", YES("backfill_complete", "history is loaded"),
       TEXT_("metrics_precision", "PRECISE, or IMPRECISE and why"), SPREAD(age),
       OBJ_("metrics", day_metrics, "null: no trade yet"),
       OBJ("metadata", metadata, "where they come from"), SPREAD(who));

SCHEMA(end_trade, "AccumulatedTrade", TIME_("ts", "exchange time"), INT_("ts_ms", "the same"),
       INT_("id", "the venue's number; 0: it has none"), NUM_("price", "price"),
       NUM_("qty", "quantity"), TEXT("side", "buy or sell: the aggressor"));

SCHEMA(debug_vwap, "DebugVwap", DAY_("day", "UTC day"), NUM_("sum_price_qty", "sum of p q"),
       NUM_("sum_qty", "sum of q"), NUM_("sum_price_sq_qty", "sum of p p q"),
       INT_("trade_count", "trades"), NUM_("buy_volume", "aggressor bought"),
       NUM_("sell_volume", "aggressor sold"), NUM_("block_volume", "block trades, counted apart"),
       NUM_("vwap", "sum of p q / sum of q"), NUM_("vwap_quote", "sum of p p q / sum of p q"),
       NUM_("sigma", "volume-weighted standard deviation"),
       OBJ_("first_trade", end_trade, "of the day"), OBJ_("last_trade", end_trade, "of the day"),
       SPREAD(who), SPREAD(age));

SCHEMA(top_bin, "RankedBin", INT("rank", "1 = most volume"), NUM("price", "lower bound"),
       NUM("volume", "traded there"), NUM("buy_vol", "aggressor bought"),
       NUM("sell_vol", "aggressor sold"), INT("trades", "number of trades"));

SCHEMA(debug_poc, "DebugPoc", NUM_("bin_size", "height of a bin"),
       LIST("top_bins", top_bin, "ten at most, most volume first"),
       NUM_("poc_price", "point of control"), NUM_("poc_volume", "its volume"),
       INT("bins", "bins of the day"), SPREAD(who), SPREAD(age));

SCHEMA(debug_exchangeinfo, "DebugExchangeInfo", NUM_("tickSize", "smallest price step"),
       NUM_("stepSize", "smallest quantity step"), NUM_("minQty", "smallest order"),
       NUM_("minNotional", "smallest order value"), INT_("priceScale", "decimals kept of prices"),
       INT_("qtyScale", "decimals kept of quantities"), TIME_("updated", "last read"),
       NUM_("clock_offset_ms", "this machine's clock against the venue's"),
       ANY_("raw", "as the venue publishes it"), SPREAD(who), SPREAD(age));

SCHEMA(regime_analysis, "RegimeAnalysis", TEXT_("regime", "trend or range"),
       NUM_("confidence", "0 to 1"), NUM_("vwap", "of the day, now"),
       NUM_("poc", "of the day, now"), NUM_("cumulative_delta", "of the day, now"),
       NUM_("volume_profile_strength", "Gini coefficient of its bins"),
       TIME_("timestamp", "end of the newest candle looked at"), NUM_("score", "weighted sum"),
       NUM_("path", "net move over path length"), NUM_("distance", "from VWAP, 1 = three sigmas"),
       NUM_("delta", "net delta over volume"), NUM_("outside", "closes outside the value area"),
       TIME_("since", "when this regime began"));

SCHEMA(regime_inputs, "RegimeInputs", INT_("candles", "looked back on"),
       INT_("steps", "complete candles of the day"), NUM_("volume", "of the candles"),
       NUM_("price", "last close"), NUM_("vwap", "up to there"), NUM_("sigma", "up to there"),
       NUM_("val", "up to there"), NUM_("vah", "up to there"),
       NUM_("coverage", "proven share of the day"));

SCHEMA(regime_levels, "RegimeLevels", NUM_("vwap", "now"), NUM_("sigma", "now"), NUM_("poc", "now"),
       NUM_("vah", "now"), NUM_("val", "now"), NUM_("high", "of the day"),
       NUM_("low", "of the day"));

SCHEMA(regime_profile, "RegimeProfile", NUM_("strength", "Gini coefficient of its bins"),
       NUM_("poc", "point of control"), NUM_("volume", "of the day"));

SCHEMA(diagnostics, "Diagnostics", OBJ("analysis", regime_analysis, "the decision and its parts"),
       OBJ("context", regime_inputs, "the day at that candle's end"),
       OBJ("levels", regime_levels, "the day now"),
       OBJ("volume_profile", regime_profile, "the day now"),
       ANY_("parameters", "weights and thresholds"), SPREAD(who), SPREAD(age));

#include "services/api/core/schema.h"

SCHEMA(price, "Price", NUM_("price", "newest trade price"), TIME_("ts", "its exchange time"),
       TEXT("symbol", "symbol without the venue"));

SCHEMA(price_answer, "PriceAnswer", SPREAD(price), SPREAD(who), SPREAD(age));

SCHEMA(opening_range, "OpeningRange", NUM_("hi", "highest price of 08:00 to 08:10 UTC"),
       NUM_("lo", "lowest price"), TIME_("startTs", "begin"), TIME_("endTs", "end, exclusive"),
       YES("complete", "the window is over and proven without a hole"));

SCHEMA(band, "Band", INT("k", "number of standard deviations"), NUM_("upper", "VWAP + k sigma"),
       NUM_("lower", "VWAP - k sigma"));

SCHEMA(levels, "Levels", OBJ("OR", opening_range, "opening range"),
       NUM_("VWAP", "volume-weighted average price of the day"),
       NUM_("POCd", "point of control of the day"), NUM_("POC", "the same"),
       NUM_("VAH", "value area high"), NUM_("VAL", "value area low"),
       NUM_("PDH", "high of the previous day"), NUM_("PDL", "low of the previous day"),
       NUM_("VAHprev", "value area high of the previous day"),
       NUM_("VALprev", "value area low of the previous day"),
       NUM_("POCprev", "point of control of the previous day"),
       NUM_("VWAPprev", "VWAP of the previous day"),
       NUM_("sigma", "volume-weighted standard deviation around VWAP"),
       LIST("bands", band, "three; null with vwap_mode=quote"),
       OBJ("coverage", coverage_ratio, "how much of each window is proven"),
       DAY_("day", "UTC day shown"), DAY_("prev_day", "the day before, where there is one"));

SCHEMA(levels_answer, "LevelsAnswer", SPREAD(levels), SPREAD(who), SPREAD(age));

SCHEMA(session, "SessionNow", TEXT_("state", "off, london or overlap; null before any data"),
       TIME_("nowUtc", "the instrument's clock: exchange time"));

SCHEMA(session_info, "SessionInfo", TEXT_("state", "as session.state"),
       YES("is_active", "a session is on"),
       INT_("time_to_change_seconds", "until the session changes"),
       TIME_("next_change", "when it changes"), TEXT_("next_session", "london or overlap"),
       TIME_("next_session_start", "when that one begins"));

SCHEMA(day_stats, "DayStats", NUM_("rangeToday", "high minus low"),
       NUM_("cd_pre", "delta from 00:00 to 08:00 UTC"), NUM_("high", "of the day"),
       NUM_("low", "of the day"), NUM_("buy_volume", "aggressor bought"),
       NUM_("sell_volume", "aggressor sold"), NUM_("block_volume", "block trades, counted apart"),
       INT_("trades", "trades of the day"));

SCHEMA(coverage_summary, "CoverageSummary", SPREAD(coverage_ratio),
       INT_("missing_ms_today", "milliseconds of the day that are not proven"),
       INT_("missing_ms_prev", "of the previous day"), INT_("holes_today", "number of holes"));

SCHEMA(profile_row, "ProfileRow", NUM("price", "lower bound of the row"),
       NUM("volume", "traded there"), NUM("buy_vol", "of it, aggressor bought"),
       NUM("sell_vol", "of it, aggressor sold"));

SCHEMA(mark, "Mark", NUM_("mark", "mark price"), NUM_("index", "index price"),
       NUM_("settle", "estimated settlement price, where the venue tells it"),
       NUM_("funding_rate", "of the running period"), TIME_("next_funding", "when it is paid"),
       INT_("funding_hours", "length of the period"), NUM_("last_price", "as the venue says"),
       NUM_("open_interest", "in base units"), NUM_("open_interest_value", "in quote units"),
       TIME_("mark_ts", "time of the mark price"),
       TIME_("open_interest_ts", "time of the open interest"));

SCHEMA(mark_answer, "MarkAnswer", SPREAD(mark), SPREAD(who), SPREAD(age));

SCHEMA(
    context, "Context", OBJ("session", session, "session now"),
    OBJ("session_info", session_info, "session and what comes next"), SPREAD(age), SPREAD(who),
    TEXT("vwap_mode", "base or quote, as asked"), OBJ("levels", levels, "as /levels"),
    OBJ("stats", day_stats, "figures of the day"), OBJ("price", price, "as /price"),
    OBJ("mark", mark, "as /mark"),
    NUM_("cumulative_delta", "aggressor buy minus sell volume of the day"),
    OBJ("coverage", coverage_summary, "what of the day is proven"),
    {.name = "volume_profile",
     .type = M_LIST,
     .of = &schema_profile_row,
     .absent = true,
     .text = "ascending by price; missing with profile_rows=-1"},
    {.name = "profile_bin", .type = M_NUM, .null = true, .absent = true, .text = "height of a row"},
    SOMETIMES("profile_bins", M_INT, "rows before they were joined"));

SCHEMA(book, "Book", TEXT_("state", "live, syncing or stale; null: no order book is followed"),
       NUM_("bid_price", "best bid"), NUM_("bid_qty", "quantity there"),
       NUM_("ask_price", "best ask"), NUM_("ask_qty", "quantity there"),
       NUM_("spread", "best ask minus best bid"),
       NUM_("imbalance", "(bids - asks) / (bids + asks) over the levels shown, -1 to 1"),
       LIST_OF("bids", M_ANY, "[price, quantity], best first, 20 at most"),
       LIST_OF("asks", M_ANY, "[price, quantity], best first, 20 at most"),
       INT_("update_id", "of the venue's newest update"),
       NUM_("known_low", "levels below are not known; null: no bound"),
       NUM_("known_high", "levels above are not known; null: no bound"),
       TIME_("ts", "exchange time"), SPREAD(who), SPREAD(age));

SCHEMA(span, "CoverageSpan", INT("from_ms", "begin"), INT("to_ms", "end, exclusive"),
       TEXT("state", "complete, repaired, partial or missing"),
       SOMETIMES("from_id", M_INT, "first missing trade, where trades have numbers"),
       SOMETIMES("to_id", M_INT, "last missing trade"),
       {.name = "reason", .type = M_TEXT, .null = true, .absent = true, .text = "why it is a hole"},
       SOMETIMES("lost", M_BOOL, "a hole that the venue can not fill any more"));

SCHEMA(coverage_day, "CoverageDay", DAY_("day", "UTC day"),
       INT_("judged_from_ms", "what lies before is not judged"),
       INT_("judged_to_ms", "judged up to here"), INT_("missing_ms", "missing in all"),
       INT_("partial_ms", "held in part"), INT_("holes", "number of holes"),
       NUM_("fraction", "proven share of the judged time"),
       LIST("spans", span, "in the order of time"),
       INT("repaired_ms", "filled again after it had been missing"),
       YES("truncated", "older spans were left out"));

SCHEMA(coverage, "Coverage", SPREAD(who), DAY_("day", "the day asked for, or the newest"),
       OBJ_("coverage", coverage_day, "null: nothing is known of that day"),
       ANY_("reasons", "the newest gap and loss entries of all days"),
       ANY_("repaired", "[from_ms, to_ms] of what was filled again"), SPREAD(age));

SCHEMA(trade, "Trade",
       {.name = "id", .type = M_ID, .text = "the venue's number (Binance) or name (Bybit)"},
       TIME("ts", "exchange time"), INT("ts_ms", "the same in milliseconds"),
       NUM_("price", "as the venue wrote it"), NUM_("qty", "in base units"),
       TEXT("side", "buy or sell: the aggressor"),
       {.name = "seq",
        .type = M_INT,
        .null = true,
        .absent = true,
        .text = "Bybit: cross sequence number"},
       SOMETIMES("block", M_BOOL, "Bybit: a block trade"),
       SOMETIMES("rpi", M_BOOL, "Bybit: a retail price improvement trade"));

SCHEMA(trades, "Trades", SPREAD(age), LIST("trades", trade, "newest first"),
       INT("count", "how many"), SPREAD(who));

SCHEMA(trades_range, "TradesRange", SPREAD(age), INT("minutes", "as asked"),
       TIME_("from", "begin of the window by the instrument's clock"), TIME_("to", "its end"),
       YES("truncated", "the window begins before the oldest trade kept"),
       LIST("trades", trade, "newest first"), INT("count", "how many"), SPREAD(who));

SCHEMA(trades_stats, "TradesStats", SPREAD(age), INT("count", "trades counted"),
       INT("buy_count", "aggressor bought"), INT("sell_count", "aggressor sold"),
       NUM_("buy_volume", "in base units"), NUM_("sell_volume", "in base units"),
       NUM_("volume", "both"), NUM_("delta", "buy minus sell"),
       TIME_("first_ts", "time of the oldest"), TIME_("last_ts", "time of the newest"),
       SPREAD(who));

SCHEMA(event, "Event", TEXT("id", "stream entry"),
       TEXT("type", "candle_complete, candle_revised, session_change, regime_change"),
       TIME("ts", "exchange time"), INT("ts_ms", "the same in milliseconds"),
       ANY_("data", "depends on the type"));

SCHEMA(events, "Events", SPREAD(age), LIST("events", event, "newest first"),
       INT("count", "how many"), SPREAD(who));

SCHEMA(liquidation, "Liquidation", TEXT("id", "stream entry"), TIME("ts", "exchange time"),
       INT("ts_ms", "the same in milliseconds"), NUM_("price", "see price_kind"),
       NUM_("qty", "in base units"),
       TEXT_("side", "buy or sell: of the forced order; sell closes a long position"),
       TEXT_("liquidated", "long or short"),
       TEXT_("price_kind", "fill (Binance) or bankruptcy (Bybit)"),
       NUM_("order_price", "limit of the forced order, where it is told"));

SCHEMA(liquidations, "Liquidations", SPREAD(age),
       YES("lower_bound", "the venue does not push every liquidation"),
       LIST("liquidations", liquidation, "newest first"), INT("count", "how many"), SPREAD(who));

SCHEMA(cluster, "LiquidationCluster",
       NUM("price_level", "lower bound of the bin [price_level, price_level + bin_size)"),
       NUM("buy_liquidations", "volume of forced buys"),
       NUM("sell_liquidations", "volume of forced sells"), NUM("total_liquidations", "both"),
       NUM("ratio", "buys / both, 0 to 1"));

SCHEMA(support, "LiquidationLevels",
       OBJ_("nearest_support", cluster, "the highest cluster that ends at or below the price"),
       OBJ_("nearest_resistance", cluster, "the lowest cluster that begins above the price"),
       NUM_("price", "newest trade price"), TIME_("timestamp", "newest liquidation"),
       DAY_("day", "day of the clusters"), NUM_("bin_size", "height of a cluster"),
       YES("lower_bound", "the venue does not push every liquidation"),
       TEXT("price_kind", "fill (Binance) or bankruptcy (Bybit)"), SPREAD(who), SPREAD(age));

SCHEMA(clusters, "LiquidationClusters", LIST("clusters", cluster, "ascending by price"),
       SPREAD(support));

SCHEMA(clusters_debug, "LiquidationClustersDebug", SPREAD(clusters),
       INT_("count", "liquidations counted"), NUM_("buy_liquidations", "volume of forced buys"),
       NUM_("sell_liquidations", "volume of forced sells"),
       TEXT_("position", "stream entry up to which was counted"),
       INT_("copies", "entries that repeated one"), INT_("too_old", "of an earlier day"),
       INT_("refused", "not readable"), INT_("dropped", "clusters left out, beyond the bound"),
       TIME_("updated", "last write"));

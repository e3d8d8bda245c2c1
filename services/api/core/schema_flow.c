#include "services/api/core/schema.h"

SCHEMA(cvd_members, "CvdMembers", INT_("seconds_since_reset", "by the instrument's clock"),
       NUM_("cvd", "aggressor buy minus sell volume since reset_time"),
       NUM_("buy_volume", "aggressor bought since then"),
       NUM_("sell_volume", "aggressor sold since then"), NUM_("volume_delta", "the same as cvd"),
       INT_("trade_count", "trades since then"),
       TIME_("reset_time", "begin of the day, or the newest reset in it"),
       TEXT_("anchor", "which of the two: day or reset"), DAY_("day", "UTC day"),
       INT_("missing_ms", "time since then in which trades may be missing"),
       YES("reset_wants_token", "a reset has to bring API_TOKEN"));

SCHEMA(cvd, "Cvd", SPREAD(cvd_members), SPREAD(who), SPREAD(age));

SCHEMA(cvd_reset, "CvdReset", TEXT("status", "applied, or queued: strategy has not taken it yet"),
       TEXT("command", "its id on the stream :commands"),
       TIME("requested_time", "trades behind it count"), SPREAD(cvd_members), SPREAD(who),
       SPREAD(age));

SCHEMA(cvd_point, "CvdPoint", TIME("timestamp", "begin of the minute"),
       INT("timestamp_ms", "the same"), NUM("open", "CVD at its begin"),
       NUM("cvd", "CVD at its end"), NUM("buy_volume", "aggressor bought in it"),
       NUM("sell_volume", "aggressor sold in it"), NUM("volume_delta", "buy minus sell"),
       INT("trade_count", "trades in it"));

SCHEMA(cvd_history, "CvdHistory",
       LIST("history", cvd_point, "minutes with trades since reset_time, oldest first"),
       INT("count", "how many"), YES("complete", "every trade of the day is held by minute"),
       TIME_("reset_time", "begin of the day, or the newest reset in it"),
       TEXT_("anchor", "which of the two: day or reset"), SPREAD(who), SPREAD(age));

SCHEMA(delta_window, "VolumeDeltaWindow", INT("period", "seconds"),
       NUM_("buy_volume", "aggressor bought"), NUM_("sell_volume", "aggressor sold"),
       NUM_("volume_delta", "buy minus sell"), INT_("trade_count", "trades"),
       TIME_("timestamp", "end: trades with timestamp - period < ts <= timestamp"),
       INT_("timestamp_ms", "the same"),
       INT_("missing_ms", "time of the window in which trades may be missing"));

SCHEMA(delta, "VolumeDelta", SPREAD(delta_window), SPREAD(who), SPREAD(age));

SCHEMA(delta_multi, "VolumeDeltaMulti", LIST("periods", delta_window, "in the order asked for"),
       TIME_("timestamp", "end of all of them"), SPREAD(who), SPREAD(age));

SCHEMA(delta_history, "VolumeDeltaHistory", INT("period", "seconds"),
       LIST("history", delta_window,
            "ending at whole multiples of the period, as far back as all trades are known; "
            "oldest first"),
       INT("count", "how many"), SPREAD(who), SPREAD(age));

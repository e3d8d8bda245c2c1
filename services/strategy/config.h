#ifndef STRATEGY_CONFIG_H
#define STRATEGY_CONFIG_H
// The option table of the strategy service and the struct it fills.

#include <stdint.h>

#include "common/base/opt.h"
#include "common/io/redis.h"
#include "common/market/symbols.h"
#include "services/strategy/core/footprint.h"
#include "services/strategy/core/regime.h"

struct config {
    char redis_url[512];
    char symbol[64], symbols[2048];
    char data_source[24];
    char log_level[16];
    char instance[32];
    char http_host[64];
    int64_t http_port;
    int64_t updates_per_sec;
    int64_t max_names;
    int64_t window_sec;
    char liquidation_bin[24];
    int64_t footprint_bin, footprint_candles, imbalance_ratio, regime_candles;
    char imbalance_min[24], regime_min_volume[24];
    char regime_weight[REGIME_SHARES][24], regime_trend[24], regime_range[24];
    // Derived by config_check():
    struct redis_url url;
    struct instrument ins[SYMBOLS_MAX];
    size_t n_ins;
    struct footprint_params foot;
    struct regime_params regime;
};

extern const struct opt_table config_table;
// Parses what the table keeps as text. 0 or ERR_* with e naming the variable.
int config_check(void *values, struct err *e) MUST_CHECK;

#endif

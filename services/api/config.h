#ifndef API_CONFIG_H
#define API_CONFIG_H
// The gateway's options and the struct they fill; nothing else.

#include <stdbool.h>
#include <stdint.h>

#include "common/base/opt.h"
#include "common/io/redis.h"
#include "common/market/instrument.h"

#define CONFIG_INSTRUMENTS 32

struct config {
    char symbol[512], symbols[1024], data_source[32];
    char redis_url[512];
    char backend_host[64], cors_origins[1024];
    int64_t backend_port;
    char http_host[64];
    int64_t http_port;
    char instance[48], log_level[16];
    int64_t sweep_ms, profile_ms;
    int64_t threads, keep_alive_ms, request_timeout_ms, cache_mb;
    bool backfill_enabled;
    int64_t max_missing_sec;
    char token[256], token_scope[16];
    int64_t max_trades, ws_clients, ws_rate, ws_ping_ms, ws_silent_ms, ws_stuck_ms, command_wait_ms;

    // Made of the text by config_check().
    struct redis_url url;
    struct instrument ins[CONFIG_INSTRUMENTS];
    size_t n_ins;
};

extern const struct opt_table config_table;
// Rules that no single row can state; fills the parsed fields.
int config_check(void *values, struct err *e) MUST_CHECK;

#endif

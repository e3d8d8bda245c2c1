#ifndef BACKFILL_CONFIG_H
#define BACKFILL_CONFIG_H
// The option table of the backfill service and the struct it fills.

#include <stdbool.h>
#include <stdint.h>

#include "common/base/opt.h"
#include "common/io/redis.h"
#include "common/market/symbols.h"

struct config {
    char redis_url[512];
    char symbol[64], symbols[2048];
    char data_source[24];
    char log_level[16];
    char instance[32];
    char http_host[64];
    int64_t http_port;
    bool enabled, test_mode, prev_day, archive, cache, keep_archives;
    char record_dir[256];
    char cache_dir[256], store_lib[256];
    int64_t store_memory_mb, days, summary_after_min;
    char binance_key[256], binance_secret[256];
    char rest_base[256], archive_base[256];
    char ca_file[256];
    int64_t api_timeout_s;
    int64_t max_retries, retry_base_ms, threshold, cooldown_s, public_delay_ms, parallel, timeout_s;
    int64_t refill_s, refill_delay_s;
    struct {
        char key[256], secret[256];
        char rest_base[256], archive_base[256];
        int64_t api_timeout_s, max_retries, retry_base_ms, threshold, cooldown_s, public_delay_ms;
        int64_t timeout_s, archive_rows, retry_s;
        int64_t limit, window_ms;
    } bybit;
    char scope[64];
    int64_t weight_limit, weight_share;
    // Derived by config_check():
    struct redis_url url;
    struct instrument ins[SYMBOLS_MAX];
    size_t n_ins;
    bool skipped; // a source whose market has no history to fetch
};

extern const struct opt_table config_table;
// Parses what the table keeps as text. 0 or ERR_* with e naming the variable.
int config_check(void *values, struct err *e) MUST_CHECK;

#endif

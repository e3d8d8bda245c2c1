#ifndef COLLECTOR_CONFIG_H
#define COLLECTOR_CONFIG_H
// The option table of the collector and the struct it fills.

#include <stdbool.h>
#include <stdint.h>

#include "common/base/opt.h"
#include "common/io/redis.h"
#include "common/market/instrument.h"

#define CONFIG_INSTRUMENTS 64
#define CONFIG_FEEDS 2 // venues there are

struct connector;

struct config {
    char symbol[64], symbols[2048], data_source[24], redis_url[512];
    char instance[64], log_level[16], http_host[64];
    int64_t http_port, child_port;
    // of the venue that is read: Bybit's are put there by config_check()
    char ws_base[256], rest_base[256], trade_stream[16], ca_file[256], tick[24];
    int64_t api_timeout_s, max_queue, ring_sec, ring_max, retention_h, frame_bytes, batch;
    int64_t silence_ms, reconnect_min_ms, reconnect_max_ms, window_min, clock_check_s;
    int64_t trim_ms, trim_entries, drain_ms;
    char budget_scope[64];
    int64_t weight_limit, share_snapshot_pct, share_repair_pct;
    int64_t repair_max, repair_delay_ms, repair_tries, repair_retry_ms, repair_reach_h, data_bytes;
    int64_t liquidations_max, liquidations_queue, open_interest_s;
    bool repair, reset, depth, liquidations, mark;
    int64_t streams_per_socket, connect_interval_ms, connect_burst, connects_5min, subscribes_per_s;
    int64_t rotate_s, rotate_overlap_ms, rotate_hold_bytes, slow_ms, connector_poll_ms;
    char depth_interval[8], bybit_depth[8], connector_path[512], connector_name[32];
    bool connector_simulated;
    int64_t depth_limit, book_write_ms, book_max_levels, snapshots_per_min, depth_buffer_bytes;
    bool bybit_check_u, bybit_testnet;
    char bybit_ws[256], bybit_rest[256], bybit_test_ws[256], bybit_test_rest[256];
    char bybit_key[128], bybit_secret[128], bybit_file[512];
    char record_dir[256];
    int64_t record_max_bytes, record_queue_bytes, record_rotate_min;
    int64_t bybit_timeout_s, bybit_limit, bybit_window_ms, rejoin_hold_ms, bybit_audit_s;

    // Made by config_check():
    struct redis_url redis;
    struct instrument ins[CONFIG_INSTRUMENTS];
    size_t n;
    // One per venue named. More than one: a process each, and this one looks after them.
    struct config_feed {
        enum venue venue;
        const char *source; // DATA_SOURCE of it
        char symbols[3200];
    } feed[CONFIG_FEEDS];
    size_t feeds;
    const struct connector *connector; // of the only feed
    int64_t depth_ms;                  // depth_interval
    int64_t bybit_levels;
    bool single_fills;  // trade_stream is "trade"
    bool ws_ending_cut; // ws_base ended in /ws or /stream
};

extern const struct opt_table config_table;

// Rules across options; fills what stands at the end of the struct. ERR_* names the variable.
int config_check(void *values, struct err *e);

#endif

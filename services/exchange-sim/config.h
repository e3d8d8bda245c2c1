#ifndef SIM_CONFIG_H
#define SIM_CONFIG_H
// The options of exchange-sim and what they mean together.

#include <stdbool.h>
#include <stdint.h>

#include "common/base/err.h"
#include "common/base/opt.h"

struct config {
    char host[64];
    int64_t port, control_port;
    char replay[8192]; // files, comma separated; "" = generate
    bool generate;
    char symbol[32];         // for recordings whose rows and names tell none
    char symbols[512];       // of the generated market
    char bybit_symbols[512]; // of them or more: what Bybit's part shows; "" = the same
    int64_t bybit_idle_ms, bybit_rate_limit, bybit_ban_ms;
    int64_t seed, rate_milli;
    char from[40], now[40];
    char speed[40];
    int64_t stretch_ms;
    bool shift_to_now, start_on_subscribe, hold_when_idle;
    int64_t weight_limit, client_buffer_bytes, stuck_ms;
    int64_t ping_ms, pong_timeout_ms, max_age_ms;
    char cert[512], key[512];
    char log_level[16];

    // Made of the above by config_check().
    bool speed_max;
    int64_t speed_micro;
    int64_t from_ms; // -1 = yesterday 23:00 UTC
    int64_t now_ms;  // -1 = by the wall clock
};

extern const struct opt_table config_table;

// Rules across options; fills the derived fields. ERR_* with the option named.
int config_check(struct config *c, struct err *e) MUST_CHECK;
// "2026-11-21T23:00:00Z", "2026-11-21T23:00", "2026-11-21" or milliseconds. 0 or ERR_SYNTAX.
int config_parse_time(const char *s, int64_t *ms) MUST_CHECK;
// Makes "--replay A B C" one argument "--replay=A,B,C", wherever it stands. *out is a new
// NULL-terminated array for opt_load, freed with config_args_free(); returns its length.
int config_args(int argc, char **argv, char ***out);
void config_args_free(char **args);

#endif

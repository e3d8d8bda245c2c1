#ifndef COMMON_LOG_H
#define COMMON_LOG_H
// JSON-line logger. One line per event on stderr:
//   {"ts":"2026-11-22T13:31:00.123Z","lvl":"warn","svc":"collector","inst":"binance",
//    "ev":"ws_gap","sym":"binance:BTCUSDT","missed":3}
// `ev` is a stable snake_case name. Each event is limited to LOG_BURST lines a second; what was
// held back is told by one line {"ev":"log_suppressed","of":"ws_gap","n":512} a second later (or
// at log_flush). Strings are escaped, control bytes and invalid UTF-8 too. Registered secrets
// never leave: any occurrence in a string value becomes "***".

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "common/base/clock.h"
#include "common/base/err.h"

enum log_level { LOG_ERROR, LOG_WARN, LOG_INFO, LOG_DEBUG };
#define LOG_BURST 20

enum log_kind { LOG_K_STR, LOG_K_INT, LOG_K_UINT, LOG_K_BOOL, LOG_K_RAW };
struct log_field {
    const char *key;
    enum log_kind kind;
    const char *s; // LOG_K_STR, LOG_K_RAW (a number or JSON already); NULL leaves the field out
    int64_t i;
    uint64_t u;
};

#define F_STR(k, v) ((struct log_field){.key = (k), .kind = LOG_K_STR, .s = (v)})
#define F_INT(k, v) ((struct log_field){.key = (k), .kind = LOG_K_INT, .i = (int64_t)(v)})
#define F_UINT(k, v) ((struct log_field){.key = (k), .kind = LOG_K_UINT, .u = (uint64_t)(v)})
#define F_BOOL(k, v) ((struct log_field){.key = (k), .kind = LOG_K_BOOL, .i = (v) ? 1 : 0})
#define F_RAW(k, v) ((struct log_field){.key = (k), .kind = LOG_K_RAW, .s = (v)})

// Process-wide, set once at start (before threads). `svc` and `inst` go into every line.
// Until log_init() lines go out with svc "?". out is borrowed (stderr).
void log_init(FILE *out, struct clock clock, const char *svc, const char *inst,
              enum log_level level);
// "ERROR" "WARN" "WARNING" "INFO" "DEBUG" in any case; 0 or ERR_RANGE.
int log_parse_level(const char *s, enum log_level *out) MUST_CHECK;
// At most 16 secrets of >= 4 bytes, copied.
void log_add_secret(const char *secret);
bool log_enabled(enum log_level level);

// Thread-safe. fields[n] borrowed for the call.
void log_event(enum log_level level, const char *ev, const struct log_field *fields, size_t n);
// log_ev(LOG_WARN, "ws_gap", F_STR("sym", s), F_INT("missed", 3))
#define log_ev(level, ev, ...)                                                                     \
    do {                                                                                           \
        const struct log_field log_f_[] = {__VA_ARGS__};                                           \
        log_event((level), (ev), log_f_, sizeof log_f_ / sizeof log_f_[0]);                        \
    } while (0)

// Lines held back per event so far are reported now. Called by the service loop each second.
void log_flush(void);

#endif

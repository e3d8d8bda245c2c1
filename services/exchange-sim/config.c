#include "services/exchange-sim/config.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/buf.h"
#include "common/base/clock.h"
#include "common/base/decimal.h"
#include "common/base/mem.h"
#include "common/base/str.h"

#define C struct config

static const char *const levels[] = {"ERROR", "WARN", "INFO", "DEBUG", NULL};

static const struct opt rows[] = {
    {"SIM_HOST", "--host", OPT_STR, FIELD(C, host), .def = "127.0.0.1",
     .text = "IP address to listen on, for the venue and the control port."},
    {"SIM_PORT", "--port", OPT_INT, FIELD(C, port), 0, 65535, "9001",
     .text = "WebSocket and REST of the venue; 0 takes a free port."},
    {"SIM_CONTROL_PORT", "--control-port", OPT_INT, FIELD(C, control_port), 0, 65535, "9002",
     .text = "Faults, status and truth; 0 takes a free port."},
    {"SIM_REPLAY", "--replay", OPT_LIST, FIELD(C, replay),
     .text =
         "Recordings to serve, or folders of own ones (flag: --replay FILE...); empty: generate."},
    {"SIM_GENERATE", "--generate", OPT_BOOL, FIELD(C, generate), .def = "false",
     .text = "Serve a generated market; the default when there is nothing to replay."},
    {"SIM_SYMBOL", "--symbol", OPT_STR, FIELD(C, symbol),
     .text = "Symbol of recordings whose rows and file name tell none."},
    {"SIM_SYMBOLS", "--symbols", OPT_LIST, FIELD(C, symbols), .def = "BTCUSDT",
     .text = "Symbols of the generated market."},
    {"SIM_BYBIT_SYMBOLS", "--bybit-symbols", OPT_LIST, FIELD(C, bybit_symbols),
     .text = "Symbols of the generated market as Bybit shows it; empty: those of SIM_SYMBOLS."},
    {"SIM_BYBIT_IDLE_MS", "--bybit-idle", OPT_INT, FIELD(C, bybit_idle_ms), 100, 86400000, "600000",
     "ms", .text = "A Bybit client that sends nothing, not even a ping, is cut."},
    {"SIM_BYBIT_RATE_LIMIT", "--bybit-rate-limit", OPT_INT, FIELD(C, bybit_rate_limit), 1,
     1000000000, "600", .text = "Bybit REST requests in 5 seconds; beyond it 403 and a ban."},
    {"SIM_BYBIT_BAN_MS", "--bybit-ban", OPT_INT, FIELD(C, bybit_ban_ms), 0, 86400000, "600000",
     "ms", .text = "How long Bybit's 403 lasts."},
    {"SIM_SEED", "--seed", OPT_INT, FIELD(C, seed), 0, INT64_MAX, "1",
     .text = "The generated market is a function of the seed and the day."},
    {"SIM_RATE", "--rate", OPT_MILLI, FIELD(C, rate_milli), 10, 10000, "1",
     .text = "Generated trades, as a multiple of 691,200 a day per symbol."},
    {"SIM_FROM", "--from", OPT_STR, FIELD(C, from),
     .text = "Start of the generated feed: time, day or milliseconds; empty: yesterday 23:00 UTC."},
    {"SIM_NOW", "--now", OPT_STR, FIELD(C, now),
     .text = "The venue's clock at its start, with a generated market; empty: the wall clock."},
    {"SIM_SPEED", "--speed", OPT_STR, FIELD(C, speed), .def = "1",
     .text = "Market time per real time: 1, 0.5, 20 ..., or max: as fast as clients read."},
    {"SIM_STRETCH_MS", "--stretch", OPT_INT, FIELD(C, stretch_ms), 0, INT64_C(604800000), "0", "ms",
     .text = "Play the recording in exactly this time, whatever its own length; 0: by --speed."},
    {"SIM_SHIFT_TO_NOW", "--shift-to-now", OPT_BOOL, FIELD(C, shift_to_now), .def = "false",
     .text = "Move all times of the recording so that its first trade is now; ids stay."},
    {"SIM_START_ON_SUBSCRIBE", "--start-on-subscribe", OPT_BOOL, FIELD(C, start_on_subscribe),
     .def = "true", .text = "The feed starts when the first client subscribes to trades."},
    {"SIM_HOLD_WHEN_IDLE", "--hold-when-idle", OPT_BOOL, FIELD(C, hold_when_idle), .def = "false",
     .text = "Stop the market while nobody is subscribed (a real venue goes on)."},
    {"SIM_WEIGHT_LIMIT", "--weight-limit", OPT_INT, FIELD(C, weight_limit), 1, 1000000000, "2400",
     .text = "REST request weight per minute; above it 429 is answered."},
    {"SIM_CLIENT_BUFFER", "--client-buffer", OPT_INT, FIELD(C, client_buffer_bytes), 65536,
     INT64_C(1) << 30, "16777216", "bytes",
     .text = "Frames queued for one client; a client that is slower than that is disconnected."},
    {"SIM_STUCK_MS", "--stuck", OPT_INT, FIELD(C, stuck_ms), 1000, 3600000, "30000", "ms",
     .text =
         "At speed max the market waits for its readers, for one that reads nothing this long."},
    {"SIM_PING_MS", "--ping", OPT_INT, FIELD(C, ping_ms), 100, 86400000, "180000", "ms",
     .text = "A ping frame goes to each client this often."},
    {"SIM_PONG_TIMEOUT_MS", "--pong-timeout", OPT_INT, FIELD(C, pong_timeout_ms), 100, 86400000,
     "600000", "ms", .text = "A client that leaves a ping unanswered this long is disconnected."},
    {"SIM_MAX_AGE_MS", "--max-age", OPT_INT, FIELD(C, max_age_ms), 1000, 86400000, "86400000", "ms",
     .text = "A WebSocket is valid this long, then it is closed."},
    {"SIM_CERT_FILE", "--cert", OPT_STR, FIELD(C, cert),
     .text = "Certificate (PEM); with a key the venue's port speaks TLS."},
    {"SIM_CERT_KEY", "--key", OPT_STR, FIELD(C, key), .text = "Private key (PEM) of --cert."},
    {"LOG_LEVEL", NULL, OPT_CHOICE, FIELD(C, log_level), .def = "INFO", .choices = levels,
     .text = "Least important level that is logged."},
};

const struct opt_table config_table = {
    .program = "exchange-sim",
    .summary = "A venue on loopback: speaks the Binance USD-M and Bybit v5 linear protocols from "
               "recordings or a generated market.",
    .rows = rows,
    .n = sizeof rows / sizeof rows[0],
};

static int two(const char *s)
{
    return (s[0] - '0') * 10 + s[1] - '0';
}

static bool digits_at(const char *s, size_t a, size_t b)
{
    return s[a] >= '0' && s[a] <= '9' && s[b] >= '0' && s[b] <= '9';
}

int config_parse_time(const char *s, int64_t *ms)
{
    size_t n = strlen(s);
    if (parse_i64(s, n, ms) == 0) {
        return *ms >= 0 ? 0 : ERR_SYNTAX;
    }
    if (n < 10 || parse_day(s, 10, ms) != 0) {
        return ERR_SYNTAX;
    }
    if (n == 10) {
        return 0;
    }
    if (s[n - 1] == 'Z') {
        n--;
    }
    if ((n != 16 && n != 19) || (s[10] != 'T' && s[10] != ' ') || s[13] != ':' ||
        !digits_at(s, 11, 12) || !digits_at(s, 14, 15) ||
        (n == 19 && (s[16] != ':' || !digits_at(s, 17, 18)))) {
        return ERR_SYNTAX;
    }
    int h = two(s + 11);
    int m = two(s + 14);
    int sec = n == 19 ? two(s + 17) : 0;
    if (h > 23 || m > 59 || sec > 59) {
        return ERR_SYNTAX;
    }
    *ms += ((h * INT64_C(60) + m) * 60 + sec) * 1000;
    return 0;
}

// "68.66420000000001" -> 68664200: what lies behind the sixth decimal changes no pace.
static bool speed_of(const char *s, int64_t *micro)
{
    const char *point = strchr(s, '.');
    size_t n = strlen(s);
    size_t decimals = point != NULL ? n - (size_t)(point - s) - 1 : 0;
    if (strspn(s, "0123456789.") != n) {
        return false;
    }
    n -= decimals > 6 ? decimals - 6 : 0;
    return dec_parse(s, n, 6, micro, NULL) == 0 && *micro >= 1000 &&
           *micro <= INT64_C(1000000000000);
}

int config_check(struct config *c, struct err *e)
{
    c->speed_max = str_ieq(c->speed, "max");
    c->speed_micro = 1000000;
    if (!c->speed_max && !speed_of(c->speed, &c->speed_micro)) {
        return err_set(e, ERR_RANGE,
                       "SIM_SPEED: '%s' is neither max nor a number from 0.001 to 1000000",
                       c->speed);
    }
    c->from_ms = -1;
    if (c->from[0] != '\0' && config_parse_time(c->from, &c->from_ms) != 0) {
        return err_set(e, ERR_SYNTAX,
                       "SIM_FROM: '%s' is not a time like 2026-11-21T23:00:00Z, a day, or "
                       "milliseconds",
                       c->from);
    }
    c->now_ms = -1;
    if (c->now[0] != '\0' && config_parse_time(c->now, &c->now_ms) != 0) {
        return err_set(e, ERR_SYNTAX, "SIM_NOW: '%s' is not a time like 2026-11-21T23:00:00Z",
                       c->now);
    }
    bool replay = c->replay[0] != '\0';
    if (replay && c->now_ms >= 0) {
        return err_set(e, ERR_RANGE, "SIM_NOW: a recording's clock is that of its trades");
    }
    if (replay && c->generate) {
        return err_set(e, ERR_RANGE, "SIM_GENERATE: not together with SIM_REPLAY");
    }
    if (!replay && (c->stretch_ms > 0 || c->shift_to_now)) {
        return err_set(e, ERR_RANGE, "%s: needs a recording (SIM_REPLAY)",
                       c->stretch_ms > 0 ? "SIM_STRETCH_MS" : "SIM_SHIFT_TO_NOW");
    }
    if (c->stretch_ms > 0 && c->speed_max) {
        return err_set(e, ERR_RANGE, "SIM_STRETCH_MS: not together with SIM_SPEED=max");
    }
    if ((c->cert[0] != '\0') != (c->key[0] != '\0')) {
        return err_set(e, ERR_RANGE, "SIM_CERT_FILE and SIM_CERT_KEY: both or none");
    }
    return 0;
}

int config_args(int argc, char **argv, char ***out)
{
    char **args = xcalloc((size_t)argc + 1, sizeof *args);
    struct buf b;
    buf_init(&b, (size_t)1 << 20);
    int n = 0;
    for (int i = 0; i < argc; i++) {
        buf_clear(&b);
        buf_adds(&b, argv[i]);
        if (i > 0 && strcmp(argv[i], "--replay") == 0) {
            char sep = '=';
            while (i + 1 < argc && !str_starts(argv[i + 1], "--")) {
                buf_addc(&b, sep);
                buf_adds(&b, argv[++i]);
                sep = ',';
            }
        }
        args[n++] = xstrdup(buf_cstr(&b));
    }
    buf_release(&b);
    *out = args;
    return n;
}

void config_args_free(char **args)
{
    for (char **a = args; *a != NULL; a++) {
        free(*a);
    }
    free(args);
}

// exchange-sim: a venue on loopback. Wiring only.

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>

#include "common/base/buf.h"
#include "common/base/log.h"
#include "common/base/str.h"
#include "common/base/version.h"
#include "common/io/probe.h"
#include "services/exchange-sim/config.h"
#include "services/exchange-sim/core/gen.h"
#include "services/exchange-sim/io/recording.h"
#include "services/exchange-sim/io/sim.h"

static void on_bad_line(void *arg, const char *path, int64_t line, const char *why)
{
    (void)arg;
    log_ev(LOG_WARN, "bad_line", F_STR("file", path), F_INT("line", line), F_STR("why", why));
}

static void on_file(void *arg, const char *path, int64_t lines, int64_t bad)
{
    (void)arg;
    log_ev(LOG_INFO, "recording_read", F_STR("file", path), F_INT("lines", lines),
           F_INT("bad_lines", bad));
}

static int load_recordings(struct sim *s, const struct config *c, struct err *e)
{
    static const struct recording_report report = {on_bad_line, on_file, NULL};
    struct tape *t = tape_new();
    char files[sizeof c->replay];
    memcpy(files, c->replay, sizeof files);
    char *rest = files;
    char *path;
    int rc = 0;
    while (rc == 0 && (path = strsep(&rest, ",")) != NULL) {
        rc = recording_read(t, path, c->symbol, &report, e);
    }
    rc = rc == 0 ? tape_finish(t, e) : rc;
    s->market = tape_market(t);
    s->tape = t;
    return rc;
}

// The venue's clock runs at the pace of the wall clock and is never behind a trade that it serves:
// at speed 1 it starts with the recording, at any other speed with the recording's end.
static void set_up_replay(struct sim *s, const struct config *c, int64_t wall_ms)
{
    int64_t first = tape_first_ms(s->tape);
    int64_t span = tape_last_ms(s->tape) - first;
    bool real_time = !s->pace.max && s->pace.num == s->pace.den;
    int64_t base = c->shift_to_now ? wall_ms : first;
    s->clock_offset_ms = (real_time ? base : base + span) - wall_ms;
}

static bool in_list(const char *list, const char *symbol)
{
    size_t n = strlen(symbol);
    for (const char *p = list; *p != '\0'; p += strcspn(p, ","), p += *p == ',') {
        if (strcspn(p, ",") == n && memcmp(p, symbol, n) == 0) {
            return true;
        }
    }
    return false;
}

// Those of both venues, each once.
static void all_symbols(const struct config *c, char *out, size_t size)
{
    str_copy(out, size, c->symbols);
    for (const char *p = c->bybit_symbols; *p != '\0'; p += strcspn(p, ","), p += *p == ',') {
        char one[SIM_SYMBOL_TEXT];
        str_copyn(one, sizeof one, p, strcspn(p, ","));
        if (!in_list(out, one)) {
            size_t n = strlen(out);
            str_fmt(out + n, size - n, ",%s", one);
        }
    }
}

static int make_market(struct sim *s, struct config *c, struct err *e)
{
    int64_t wall_ms = sim_wall_ms(s);
    s->pace = (struct pace){.max = c->speed_max, .num = c->speed_micro, .den = 1000000};
    if (c->replay[0] != '\0') {
        int rc = load_recordings(s, c, e);
        if (rc != 0) {
            return rc;
        }
        if (c->stretch_ms > 0) {
            int64_t span = tape_last_ms(s->tape) - tape_first_ms(s->tape);
            s->pace.num = span > 0 ? span : 1;
            s->pace.den = c->stretch_ms;
        }
        set_up_replay(s, c, wall_ms);
        return 0;
    }
    s->clock_offset_ms = c->now_ms >= 0 ? c->now_ms - wall_ms : 0;
    if (c->from_ms < 0) {
        c->from_ms = day_start_ms(wall_ms + s->clock_offset_ms) - 3600000;
    }
    char symbols[sizeof c->symbols + sizeof c->bybit_symbols];
    all_symbols(c, symbols, sizeof symbols);
    struct gen *g = gen_new((uint64_t)c->seed, symbols, c->rate_milli, c->from_ms, e);
    if (g == NULL) {
        return ERR_RANGE;
    }
    s->market = gen_market(g);
    for (int i = 0; i < s->market->lanes && c->bybit_symbols[0] != '\0'; i++) {
        struct lane *l = &s->market->lane[i];
        bool binance = in_list(c->symbols, l->symbol);
        bool bybit = in_list(c->bybit_symbols, l->symbol);
        l->venue = binance && bybit ? VENUE_ANY : binance ? VENUE_BINANCE : VENUE_BYBIT;
    }
    return 0;
}

// Signals arrive as readable bytes on a descriptor that the loop watches.
static int adopt_signals(struct sim *s, const sigset_t *set, struct err *e)
{
    lws_sock_file_fd_type fd;
    fd.filefd = signalfd(-1, set, SFD_NONBLOCK | SFD_CLOEXEC);
    if (fd.filefd < 0 || lws_adopt_descriptor_vhost(s->control, LWS_ADOPT_RAW_FILE_DESC, fd,
                                                    "venue", NULL) == NULL) {
        return err_set(e, ERR_IO, "cannot watch for signals");
    }
    return 0;
}

static int fail(struct sim *s, const struct err *e, int code)
{
    fprintf(stderr, "exchange-sim: %s\n", e->text);
    sim_close(s);
    return code;
}

static int run(struct sim *s, struct config *c)
{
    struct err e = {0};
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigprocmask(SIG_BLOCK, &set, NULL);
    signal(SIGPIPE, SIG_IGN);
    if (make_market(s, c, &e) != 0) {
        return fail(s, &e, 2);
    }
    if (sim_open(s, &e) != 0) {
        return fail(s, &e, 1);
    }
    if (adopt_signals(s, &set, &e) != 0) {
        return fail(s, &e, 1);
    }
    struct buf options;
    buf_init(&options, 65536);
    opt_describe(&config_table, c, &options);
    int port = lws_get_vhost_listen_port(s->venue);
    int control = lws_get_vhost_listen_port(s->control);
    log_ev(LOG_INFO, "process_up", F_STR("version", bc_version), F_INT("port", port),
           F_INT("health_port", control), F_RAW("options", buf_cstr(&options)));
    buf_release(&options);
    printf("{\"ev\":\"listening\",\"port\":%d,\"control_port\":%d}\n", port, control);
    fflush(stdout);
    while (!s->stopping && lws_service(s->ctx, 0) >= 0) {
    }
    log_ev(LOG_INFO, "process_down", F_INT("frames", s->frames));
    log_flush();
    sim_close(s);
    return 0;
}

int main(int argc, char **argv)
{
    static struct config cfg;
    static struct sim sim;
    struct opt_result res = {0};
    struct err e = {0};
    char **args;
    int n = config_args(argc, argv, &args);
    int rc = opt_load(&config_table, &cfg, opt_system_getenv, NULL, n, args, &res, &e);
    if (rc == 0 && !res.help && !res.print_options) {
        rc = config_check(&cfg, &e);
    }
    config_args_free(args);
    if (rc != 0) {
        fprintf(stderr, "exchange-sim: %s\n", e.text);
    } else if (res.help) {
        opt_print_help(&config_table, stdout);
    } else if (res.print_options) {
        opt_print_markdown(&config_table, stdout);
    } else if (res.health) {
        opt_result_release(&res);
        return probe_main(&config_table, &cfg);
    } else {
        enum log_level level = LOG_INFO;
        sim.cfg = &cfg;
        sim.clock = clock_system();
        (void)!log_parse_level(cfg.log_level, &level);
        log_init(stderr, sim.clock, "exchange-sim", "", level);
        opt_result_release(&res);
        return run(&sim, &cfg);
    }
    opt_result_release(&res);
    return rc != 0 ? 2 : 0;
}

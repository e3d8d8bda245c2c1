// What --fetch and --verify share: the command line, the loop, the lines and the bar.

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/io/boot.h"
#include "services/backfill/io/fetch.h"

#define BAR_MS 200
#define BAR_WIDTH 24
#define DAYS_MAX 4000

static const char usage[] = "expected INSTRUMENT[,INSTRUMENT...] and DAY or DAY..DAY, such as "
                            "binance:BTCUSDT 2026-11-01..2026-11-20";

// ---- the command line
// ----------------------------------------------------------------------------

static bool take_flag(const char *word, struct mode *m)
{
    if (strcmp(word, "--json") == 0) {
        m->json = true;
    } else if (strcmp(word, "--dry-run") == 0) {
        m->dry_run = true;
    } else {
        return false;
    }
    return true;
}

static bool take_days(struct mode *m, const char *word)
{
    const char *dots = strstr(word, "..");
    const size_t n = dots != NULL ? (size_t)(dots - word) : strlen(word);
    if (parse_day(word, n, &m->from_ms) != 0) {
        return false;
    }
    m->to_ms = m->from_ms;
    return dots == NULL || parse_day(dots + 2, strlen(dots + 2), &m->to_ms) == 0;
}

static int take_instruments(struct mode *m, const char *word, struct err *e)
{
    const enum venue dflt = venue_of_source(m->cfg.data_source);
    for (const char *p = word; *p != '\0';) {
        const size_t n = strcspn(p, ",");
        if (m->n_ins == SYMBOLS_MAX) {
            return err_set(e, ERR_LIMIT, "more than %d instruments", SYMBOLS_MAX);
        }
        if (instrument_parse(p, n, dflt, &m->ins[m->n_ins], e) != 0) {
            return err_prefix(e, "%.60s", p);
        }
        m->n_ins++;
        p += n + (p[n] == ',');
    }
    return 0;
}

static int complain(const struct mode *m, const char *text)
{
    fprintf(stderr, "%s: %s\n", m->boot.table->program, text);
    return 2;
}

static int take_operands(struct mode *m, int argc, char **argv)
{
    struct err e = {0};
    for (int i = m->boot.first_operand; i < argc; i++) {
        if (m->from_ms >= 0) {
            return complain(m, usage); // something behind the days
        }
        if (!take_days(m, argv[i])) {
            m->from_ms = -1;
            if (take_instruments(m, argv[i], &e) != 0) {
                return complain(m, e.text);
            }
        }
    }
    if (m->from_ms > m->to_ms || (m->to_ms - m->from_ms) / MS_PER_DAY >= DAYS_MAX) {
        return complain(m, "the days run back, or are too many");
    }
    return -1;
}

int mode_begin(struct mode *m, const char *operands, int argc, char **argv)
{
    static struct opt_table table;
    table = config_table;
    table.operands = operands;
    m->boot = (struct boot){.table = &table,
                            .values = &m->cfg,
                            .log_level = m->cfg.log_level,
                            .instance = m->cfg.instance,
                            .check = config_check};
    m->from_ms = m->to_ms = -1;
    m->tty = isatty(STDERR_FILENO) == 1;
    // Our own flags go out of the way of the table's.
    char **args = xcalloc((size_t)argc + 1, sizeof *args);
    int n = 0;
    for (int i = 0; i < argc; i++) {
        if (i != 1 && !take_flag(argv[i], m)) {
            args[n++] = argv[i];
        }
    }
    int rc = boot_begin(&m->boot, n, args);
    if (rc < 0) {
        // People read this: what goes as planned needs no line of JSON, unless it is asked for.
        if (getenv("LOG_LEVEL") == NULL && strcmp(m->cfg.log_level, "INFO") == 0) {
            log_init(stderr, clock_system(), "backfill", "", LOG_WARN);
        }
        rc = take_operands(m, n, args);
        if (rc >= 0) {
            loop_free(m->boot.loop);
        }
    }
    free(args);
    return rc;
}

// ---- lines
// ---------------------------------------------------------------------------------------

static void clear_bar(const struct mode *m)
{
    if (m->tty) {
        fputs("\r\033[K", stderr);
    }
}

void mode_print(struct mode *m, const char *line)
{
    clear_bar(m);
    printf("%s\n", line);
    fflush(stdout);
}

void mode_on_day(void *arg, const struct keep_day *d)
{
    struct mode *m = arg;
    char day[16], line[400];
    const bool whole =
        d->state == KEEP_HELD || d->state == KEEP_FETCHED || d->state == KEEP_REPLACED;
    iso_day(d->start_ms, day);
    m->n_days++;
    m->bad_days += !whole;
    if (m->json) {
        struct buf b;
        struct jw w;
        buf_init(&b, 4096);
        jw_init(&w, &b);
        jw_obj(&w);
        jw_kstr(&w, "instrument", d->ins->name);
        jw_kstr(&w, "day", day);
        jw_kstr(&w, "result", keep_state_name(d->state));
        jw_kint(&w, "trades", d->trades);
        jw_kstr(&w, "sha256", d->sha256);
        jw_kint(&w, "ms", d->took_ms);
        jw_kstr(&w, "why", d->why);
        jw_end_obj(&w);
        mode_print(m, buf_cstr(&b));
        buf_release(&b);
        return;
    }
    str_fmt(line, sizeof line, "%-20s %s  %-8s %10lld trades%s%s", d->ins->name, day,
            keep_state_name(d->state), (long long)d->trades, d->why[0] != '\0' ? "  " : "", d->why);
    mode_print(m, line);
}

static int64_t rows_so_far(const struct mode *m)
{
    size_t n;
    int64_t rows = 0;
    const struct keep_day *d = keep_days(m->keep, &n);
    for (size_t i = 0; i < n; i++) {
        rows += d[i].rows;
    }
    return rows;
}

// binance:BTCUSDT 2026-11-03 [######..............] 3/10 days  4.5M trades  1.1M/s  0:42 left
static void on_bar(void *arg)
{
    const struct mode *m = arg;
    const struct keep_day *d = m->keep != NULL ? keep_current(m->keep) : NULL;
    size_t days, filled;
    char bar[BAR_WIDTH + 1], day[16], left[32] = "";
    if (m->keep == NULL || d == NULL) {
        return;
    }
    (void)keep_days(m->keep, &days);
    const int64_t ms = loop_mono_ms(m->app.loop) - m->began_ms, rows = rows_so_far(m);
    filled = m->n_days * BAR_WIDTH / days;
    for (size_t i = 0; i < BAR_WIDTH; i++) {
        bar[i] = i < filled ? '#' : '.';
    }
    bar[BAR_WIDTH] = '\0';
    iso_day(d->start_ms, day);
    if (m->n_days > 0) {
        const int64_t s = ms * (int64_t)(days - m->n_days) / (int64_t)m->n_days / 1000;
        str_fmt(left, sizeof left, "  %lld:%02lld left", (long long)(s / 60), (long long)(s % 60));
    }
    fprintf(stderr, "\r\033[K%s %s [%s] %zu/%zu days  %lld trades  %lld/s%s", d->ins->name, day,
            bar, m->n_days, days, (long long)rows, (long long)(ms > 0 ? rows * 1000 / ms : 0),
            left);
    fflush(stderr);
}

// ---- the loop
// ------------------------------------------------------------------------------------

void mode_end(struct mode *m, int code)
{
    clear_bar(m);
    m->code = code;
    service_done(m->app.service);
}

static void on_drain(void *arg)
{
    struct mode *m = arg;
    m->interrupted = true;
    if (m->keep != NULL) {
        keep_stop(m->keep);
    }
    mode_end(m, CODE_INTERRUPTED);
}

static void begin(void *arg)
{
    struct mode *m = arg;
    m->began_ms = loop_mono_ms(m->app.loop);
    if (!m->interrupted) {
        m->ready(m);
    }
}

static void on_room(void *arg)
{
    struct mode *m = arg;
    archive_kick(m->app.archive);
}

int mode_run(struct mode *m, void (*ready)(struct mode *m), bool probe)
{
    struct app *a = &m->app;
    struct err e = {0};
    m->ready = ready;
    a->loop = m->boot.loop;
    a->cfg = &m->cfg;
    a->service = service_new(&(struct service_opts){.loop = a->loop,
                                                    .name = "backfill",
                                                    .instance = m->cfg.instance,
                                                    .http_port = -1,
                                                    .on_drain = on_drain,
                                                    .arg = m},
                             &e);
    if (a->service == NULL) {
        return boot_fail(&m->boot, NULL, &e);
    }
    a->files = http_new(a->loop, m->cfg.ca_file, 2);
    a->archive = archive_new(a);
    a->store = store_new(&(struct store_opts){.loop = a->loop,
                                              .dir = m->cfg.cache_dir,
                                              .lib = m->cfg.store_lib,
                                              .memory_mb = m->cfg.store_memory_mb,
                                              .on_room = on_room,
                                              .arg = m});
    struct units *u = probe ? units_ask(a, m->ins, m->n_ins, begin, m) : NULL;
    m->start = timer_new(a->loop, begin, m);
    if (!probe) {
        timer_start(m->start, 0);
    }
    m->bar = timer_new(a->loop, on_bar, m);
    if (m->tty && !m->json) {
        timer_every(m->bar, BAR_MS);
    }
    service_run(a->service);
    clear_bar(m);
    units_free(u);
    keep_free(m->keep);
    timer_free(m->bar);
    timer_free(m->start);
    archive_free(a->archive);
    store_free(a->store);
    http_free(a->files);
    const int code = boot_end(&m->boot, a->service);
    return code != 0 ? code : m->code;
}

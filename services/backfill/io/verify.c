// --verify: every day of the store is checked by a child process (store_check.c), one after the
// other; a day that had bad parts is fetched anew at the end.

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/log.h"
#include "common/base/mem.h"
#include "services/backfill/io/fetch.h"

#define ANSWER_MAX ((size_t)1 << 20)

extern char **environ;

struct found {
    struct instrument ins;
    int64_t start_ms;
};

struct verify {
    struct mode m;
    struct found *day;
    size_t n, at, problems, refetch;
    const struct found *before; // the day checked before this one, when it was whole
    int64_t before_last_id;
    struct timer *timer;
};

static struct verify v;

// ---- what is there
// -------------------------------------------------------------------------------

// Calls cb for each entry of `folder` that begins with prefix, without it.
static void each(const char *folder, const char *prefix,
                 void (*cb)(const char *path, const char *name, void *arg), void *arg)
{
    char path[2 * STORE_PATH];
    struct dirent *f;
    DIR *dir = opendir(folder);
    while (dir != NULL && (f = readdir(dir)) != NULL) {
        if (str_starts(f->d_name, prefix)) {
            str_fmt(path, sizeof path, "%s/%s", folder, f->d_name);
            cb(path, f->d_name + strlen(prefix), arg);
        }
    }
    if (dir != NULL) {
        closedir(dir);
    }
}

static bool is_wanted(const struct instrument *ins, int64_t start_ms)
{
    const struct mode *m = &v.m;
    bool named = m->n_ins == 0;
    for (size_t i = 0; i < m->n_ins; i++) {
        named = named || strcmp(m->ins[i].name, ins->name) == 0;
    }
    return named && (m->from_ms < 0 || (start_ms >= m->from_ms && start_ms <= m->to_ms));
}

static void on_date(const char *path, const char *name, void *arg)
{
    const struct instrument *ins = arg;
    int64_t start_ms;
    (void)path;
    if (parse_day(name, strlen(name), &start_ms) == 0 && is_wanted(ins, start_ms)) {
        v.day = xrealloc(v.day, (v.n + 1) * sizeof *v.day);
        v.day[v.n++] = (struct found){.ins = *ins, .start_ms = start_ms};
    }
}

static void on_symbol(const char *path, const char *name, void *arg)
{
    const struct instrument *of = arg;
    struct instrument ins;
    struct err e = {0};
    if (instrument_parse(name, strlen(name), of->venue, &ins, &e) == 0) {
        ins.simulated = of->simulated;
        // A scale that holds whatever was stored at any.
        ins.price_scale = ins.qty_scale = 8;
        ins.bin_ticks = 1;
        each(path, "date=", on_date, &ins);
    }
}

static void on_venue(const char *path, const char *name, void *arg)
{
    struct instrument of = {.simulated = *(const bool *)arg};
    of.venue = strcmp(name, venue_name(VENUE_BYBIT)) == 0 ? VENUE_BYBIT : VENUE_BINANCE;
    if (strcmp(name, venue_name(of.venue)) == 0) {
        each(path, "symbol=", on_symbol, &of);
    }
}

static int in_order(const void *a, const void *b)
{
    const struct found *x = a, *y = b;
    const int c = strcmp(x->ins.name, y->ins.name);
    if (c != 0 || x->ins.simulated != y->ins.simulated) {
        return c != 0 ? c : x->ins.simulated - y->ins.simulated;
    }
    return x->start_ms < y->start_ms ? -1 : x->start_ms > y->start_ms;
}

static void look(void)
{
    char folder[STORE_PATH];
    bool simulated = false;
    each(v.m.cfg.cache_dir, "venue=", on_venue, &simulated);
    simulated = true;
    str_fmt(folder, sizeof folder, "%s/simulated", v.m.cfg.cache_dir);
    each(folder, "venue=", on_venue, &simulated);
    if (v.n > 1) {
        qsort(v.day, v.n, sizeof *v.day, in_order);
    }
}

// ---- one day
// -------------------------------------------------------------------------------------

// What the child says of a day; NULL when it failed.
static json_t *ask_child(const struct found *f, int *code)
{
    const struct config *c = &v.m.cfg;
    char dir[STORE_PATH], memory[24];
    int ends[2], status = 0;
    pid_t pid = -1;
    struct buf text;
    struct err e = {0};
    store_day_path(c->cache_dir, &f->ins, f->start_ms, dir);
    memory[fmt_i64(memory, c->store_memory_mb)] = '\0';
    const char *argv[] = {"backfill",
                          "--store-child",
                          v.m.dry_run ? "check" : "repair",
                          dir,
                          venue_name(f->ins.venue),
                          "8",
                          "8",
                          memory,
                          c->store_lib,
                          NULL};
    char *args[sizeof argv / sizeof argv[0]];
    memcpy(args, argv, sizeof args); // exec's own prototype knows no const
    *code = 1;
    if (pipe2(ends, O_CLOEXEC) != 0) {
        return NULL;
    }
    posix_spawn_file_actions_t fa;
    posix_spawn_file_actions_init(&fa);
    posix_spawn_file_actions_adddup2(&fa, ends[1], STDOUT_FILENO);
    const int rc = posix_spawn(&pid, "/proc/self/exe", &fa, NULL, args, environ);
    posix_spawn_file_actions_destroy(&fa);
    close(ends[1]);
    buf_init(&text, ANSWER_MAX);
    while (rc == 0) {
        char bytes[4096];
        const ssize_t n = read(ends[0], bytes, sizeof bytes);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            break;
        }
        buf_add(&text, bytes, (size_t)n);
    }
    close(ends[0]);
    if (rc == 0) {
        (void)waitpid(pid, &status, 0);
        *code = WIFEXITED(status) ? WEXITSTATUS(status) : 1;
    }
    json_t *tree = *code == 0 ? json_parse(buf_ptr(&text), buf_len(&text), &e) : NULL;
    buf_release(&text);
    return tree;
}

static int64_t number(const json_t *o, const char *key)
{
    return json_integer_value(json_object_get(o, key));
}

static void print_day(const struct found *f, const json_t *o, bool whole)
{
    char day[16], line[600];
    size_t i;
    const json_t *p;
    iso_day(f->start_ms, day);
    if (v.m.json) {
        json_t *all = json_copy((json_t *)(uintptr_t)o);
        json_object_set_new(all, "instrument", json_string(f->ins.name));
        json_object_set_new(all, "day", json_string(day));
        json_object_set_new(all, "simulated", json_boolean(f->ins.simulated));
        char *text = json_dumps(all, JSON_COMPACT | JSON_SORT_KEYS);
        mode_print(&v.m, text);
        free(text);
        json_decref(all);
        return;
    }
    const json_t *problems = json_object_get(o, "problems");
    str_fmt(line, sizeof line, "%-20s %s  %-7s %2lld parts %10lld trades %6lld missing  %s",
            f->ins.name, day, whole ? "whole" : "partial", (long long)number(o, "parts"),
            (long long)number(o, "trades"), (long long)number(o, "missing"),
            json_array_size(problems) > 0 ? "BAD" : "good");
    mode_print(&v.m, line);
    json_array_foreach(problems, i, p)
    {
        str_fmt(line, sizeof line, "%34s%s", "", json_string_value(p));
        mode_print(&v.m, line);
    }
}

// A day's first id follows the last one of the day before, when both are whole.
static void check_border(const struct found *f, json_t *o, bool whole)
{
    const struct found *b = v.before;
    const int64_t first = number(o, "first_id");
    if (f->ins.venue == VENUE_BINANCE && whole && b != NULL &&
        b->start_ms + MS_PER_DAY == f->start_ms && strcmp(b->ins.name, f->ins.name) == 0 &&
        b->ins.simulated == f->ins.simulated && first != v.before_last_id + 1) {
        char text[160];
        str_fmt(text, sizeof text, "begins with id %lld, the day before ended with %lld",
                (long long)first, (long long)v.before_last_id);
        json_array_append_new(json_object_get(o, "problems"), json_string(text));
    }
    v.before = whole && f->ins.venue == VENUE_BINANCE ? f : NULL;
    v.before_last_id = number(o, "last_id");
}

static void check_day(const struct found *f)
{
    int code;
    json_t *o = ask_child(f, &code);
    if (o == NULL) {
        o = json_pack("{s:[s]}", "problems",
                      code == 3 ? "libduckdb is not there: run `make deps`"
                                : "the check did not end well");
    }
    const bool whole = json_is_true(json_object_get(o, "whole"));
    const bool was_bad = json_array_size(json_object_get(o, "problems")) > 0;
    check_border(f, o, whole);
    v.problems += json_array_size(json_object_get(o, "problems")) > 0;
    print_day(f, o, whole);
    if (was_bad && code == 0 && !v.m.dry_run) {
        keep_add(v.m.keep, &f->ins, f->start_ms);
        v.refetch++;
    }
    json_decref(o);
}

// ---- all of them
// ---------------------------------------------------------------------------------

static void end(void)
{
    char line[200];
    const bool bad = v.m.dry_run ? v.problems > 0 : v.m.bad_days > 0 || v.problems > v.refetch;
    if (v.m.json) {
        str_fmt(line, sizeof line, "{\"days\":%zu,\"bad\":%zu,\"repaired\":%zu}", v.n, v.problems,
                v.refetch - v.m.bad_days);
    } else {
        str_fmt(line, sizeof line, "%zu days checked, %zu bad, %zu repaired", v.n, v.problems,
                v.refetch - v.m.bad_days);
    }
    mode_print(&v.m, line);
    mode_end(&v.m, bad ? 1 : 0);
}

static void on_all(void *arg)
{
    (void)arg;
    end();
}

static struct units *units;
static struct instrument *asked; // of the days to be fetched anew, in the order of keep

static void on_units(void *arg)
{
    size_t n;
    const struct keep_day *d = keep_days(v.m.keep, &n);
    (void)arg;
    for (size_t i = 0; i < n; i++) {
        struct found *f = (struct found *)(uintptr_t)d[i].ins; // its first member
        if (asked[i].simulated == f->ins.simulated) {
            f->ins = asked[i];
        }
    }
    keep_kick(v.m.keep);
}

// The venue is asked for units only when something has to be fetched.
static void repair(void)
{
    size_t n;
    const struct keep_day *d = keep_days(v.m.keep, &n);
    asked = xcalloc(n, sizeof *asked);
    for (size_t i = 0; i < n; i++) {
        asked[i] = *d[i].ins;
    }
    units = units_ask(&v.m.app, asked, n, on_units, NULL);
}

static void on_timer(void *arg)
{
    (void)arg;
    if (v.m.interrupted) {
        return;
    }
    if (v.at < v.n) {
        check_day(&v.day[v.at++]);
        timer_start(v.timer, 0); // signals are heard between two days
    } else if (v.refetch > 0) {
        repair();
    } else {
        end();
    }
}

static void ready(struct mode *m)
{
    m->keep = keep_new(
        &(struct keep_opts){.app = &m->app, .on_day = mode_on_day, .on_all = on_all, .arg = m});
    look();
    v.timer = timer_new(m->app.loop, on_timer, NULL);
    timer_start(v.timer, 0);
}

int verify_main(int argc, char **argv)
{
    const int rc = mode_begin(&v.m, "[INSTRUMENT[,INSTRUMENT...]] [DAY[..DAY]]", argc, argv);
    if (rc >= 0) {
        return rc;
    }
    const int code = mode_run(&v.m, ready, false);
    timer_free(v.timer);
    units_free(units);
    free(asked);
    free(v.day);
    return code;
}

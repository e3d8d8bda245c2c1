// One mutex guards everything: the rate table, the two buffers lines are made in, and the output.
// A line is one fwrite, so lines of several threads (or processes on one pipe) do not mix.

#include "common/base/log.h"

#include <pthread.h>
#include <string.h>

#include "common/base/buf.h"
#include "common/base/json.h"
#include "common/base/mem.h"
#include "common/base/str.h"

#define LINE_MAX_BYTES 16384
#define EVENTS_MAX 192 // distinct event names; what comes later shares the last slot
#define SECRETS_MAX 16
#define SECRET_MIN 4

struct event_rate {
    char name[48];
    int64_t window_ms; // mono time at which the running second began
    unsigned sent;     // in it
    uint64_t held;     // lines held back and not told yet
};

static struct {
    pthread_mutex_t lock;
    FILE *out; // NULL = stderr
    struct clock clock;
    char svc[32];
    char inst[64];
    enum log_level level;
    struct event_rate rate[EVENTS_MAX];
    size_t events;
    char *secret[SECRETS_MAX];
    size_t secrets;
    struct buf line, plain;
} g = {
    .lock = PTHREAD_MUTEX_INITIALIZER,
    .svc = "?",
    .level = LOG_INFO,
    .line = {.max = LINE_MAX_BYTES},
    .plain = {.max = LINE_MAX_BYTES},
};

static struct clock the_clock(void)
{
    return g.clock.wall_us ? g.clock : clock_system();
}

void log_init(FILE *out, struct clock clock, const char *svc, const char *inst,
              enum log_level level)
{
    pthread_mutex_lock(&g.lock);
    g.out = out;
    g.clock = clock;
    (void)str_copy(g.svc, sizeof g.svc, svc);
    (void)str_copy(g.inst, sizeof g.inst, inst ? inst : "");
    g.level = level;
    g.events = 0;
    pthread_mutex_unlock(&g.lock);
}

int log_parse_level(const char *s, enum log_level *out)
{
    static const struct {
        const char *name;
        enum log_level level;
    } names[] = {{"ERROR", LOG_ERROR},
                 {"WARN", LOG_WARN},
                 {"WARNING", LOG_WARN},
                 {"INFO", LOG_INFO},
                 {"DEBUG", LOG_DEBUG}};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (str_ieq(s, names[i].name)) {
            *out = names[i].level;
            return 0;
        }
    }
    return ERR_RANGE;
}

void log_add_secret(const char *secret)
{
    if (!secret || strlen(secret) < SECRET_MIN) {
        return;
    }
    pthread_mutex_lock(&g.lock);
    bool known = g.secrets == SECRETS_MAX;
    for (size_t i = 0; i < g.secrets; i++) {
        known |= strcmp(g.secret[i], secret) == 0;
    }
    if (!known) {
        g.secret[g.secrets++] = xstrdup(secret);
    }
    pthread_mutex_unlock(&g.lock);
}

bool log_enabled(enum log_level level)
{
    return level <= g.level;
}

// The longest registered secret that begins at s; 0 for none.
static size_t secret_at(const char *s)
{
    size_t longest = 0;
    for (size_t i = 0; i < g.secrets; i++) {
        size_t n = strlen(g.secret[i]);
        if (n > longest && strncmp(s, g.secret[i], n) == 0) {
            longest = n;
        }
    }
    return longest;
}

// s with secrets replaced; s itself when none is registered. Valid until the next call. Text that
// is too long to check is cut: what was not checked is not shown.
static const char *masked(const char *s)
{
    if (g.secrets == 0) {
        return s;
    }
    buf_clear(&g.plain);
    while (*s && buf_len(&g.plain) < LINE_MAX_BYTES - 8) {
        size_t n = secret_at(s);
        if (n) {
            buf_adds(&g.plain, "***");
            s += n;
        } else {
            buf_addc(&g.plain, *s++);
        }
    }
    return buf_cstr(&g.plain);
}

static const char *level_name(enum log_level level)
{
    switch (level) {
    case LOG_ERROR:
        return "error";
    case LOG_WARN:
        return "warn";
    case LOG_INFO:
        return "info";
    case LOG_DEBUG:
        return "debug";
    }
    return "error";
}

static void add_head(struct jw *w, enum log_level level, const char *ev)
{
    char ts[32];
    int64_t wall_us = the_clock().wall_us(the_clock().arg);
    iso_ms(wall_us / 1000, ts);
    memcpy(ts + 23, "Z", 2); // "2026-11-22T13:31:00.123" + Z
    jw_kstr(w, "ts", ts);
    jw_kstr(w, "lvl", level_name(level));
    jw_kstr(w, "svc", g.svc);
    if (g.inst[0]) {
        jw_kstr(w, "inst", g.inst);
    }
    jw_kstr(w, "ev", ev);
}

static void add_field(struct jw *w, const struct log_field *f)
{
    switch (f->kind) {
    case LOG_K_STR:
        if (f->s) {
            jw_kstr(w, f->key, masked(f->s));
        }
        break;
    case LOG_K_RAW:
        if (f->s) {
            jw_kraw(w, f->key, masked(f->s));
        }
        break;
    case LOG_K_INT:
        jw_kint(w, f->key, f->i);
        break;
    case LOG_K_UINT:
        jw_key(w, f->key);
        jw_uint(w, f->u);
        break;
    case LOG_K_BOOL:
        jw_kbool(w, f->key, f->i != 0);
        break;
    }
}

static void write_line(enum log_level level, const char *ev, const struct log_field *fields,
                       size_t n)
{
    struct jw w;
    for (;;) {
        buf_clear(&g.line);
        jw_init(&w, &g.line);
        jw_obj(&w);
        add_head(&w, level, ev);
        for (size_t i = 0; i < n; i++) {
            add_field(&w, &fields[i]);
        }
        jw_end_obj(&w);
        buf_addc(&g.line, '\n');
        if (!g.line.failed) {
            break;
        }
        // Too long: again with one field that says so in place of the fields.
        static const struct log_field cut[1] = {{.key = "cut", .kind = LOG_K_BOOL, .i = 1}};
        if (fields == cut) {
            return;
        }
        fields = cut;
        n = 1;
    }
    FILE *out = g.out ? g.out : stderr;
    (void)fwrite(buf_ptr(&g.line), 1, buf_len(&g.line), out);
    (void)fflush(out);
}

static void tell_held(struct event_rate *r)
{
    if (r->held == 0) {
        return;
    }
    struct log_field f[2] = {F_STR("of", r->name), F_UINT("n", r->held)};
    r->held = 0;
    write_line(LOG_WARN, "log_suppressed", f, 2);
}

static struct event_rate *rate_of(const char *ev)
{
    for (size_t i = 0; i < g.events; i++) {
        if (strncmp(g.rate[i].name, ev, sizeof g.rate[i].name - 1) == 0) {
            return &g.rate[i];
        }
    }
    if (g.events == EVENTS_MAX) {
        return &g.rate[EVENTS_MAX - 1];
    }
    struct event_rate *r = &g.rate[g.events++];
    *r = (struct event_rate){.window_ms = INT64_MIN};
    (void)str_copy(r->name, sizeof r->name, g.events == EVENTS_MAX ? "(others)" : ev);
    return r;
}

void log_event(enum log_level level, const char *ev, const struct log_field *fields, size_t n)
{
    if (!log_enabled(level)) {
        return;
    }
    pthread_mutex_lock(&g.lock);
    struct event_rate *r = rate_of(ev);
    int64_t now_ms = the_clock().mono_ms(the_clock().arg);
    if (r->window_ms == INT64_MIN || now_ms - r->window_ms >= 1000 || now_ms < r->window_ms) {
        tell_held(r);
        r->window_ms = now_ms;
        r->sent = 0;
    }
    if (r->sent < LOG_BURST) {
        r->sent++;
        write_line(level, ev, fields, n);
    } else {
        r->held++;
    }
    pthread_mutex_unlock(&g.lock);
}

void log_flush(void)
{
    pthread_mutex_lock(&g.lock);
    for (size_t i = 0; i < g.events; i++) {
        tell_held(&g.rate[i]);
    }
    pthread_mutex_unlock(&g.lock);
}

#include "tests/support/fill.h"

#include <fcntl.h>
#include <hiredis/hiredis.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "common/base/buf.h"
#include "common/base/mem.h"
#include "common/base/str.h"

#define FIRST_ID 1000

struct made {
    int64_t ts_ms, id;
    char price[32], qty[32];
    const char *side;
};

uint64_t fill_random(struct fill *f, uint64_t n)
{
    f->rng ^= f->rng >> 12;
    f->rng ^= f->rng << 25;
    f->rng ^= f->rng >> 27;
    return (f->rng * UINT64_C(2685821657736338717) >> 16) % n;
}

// Trade i of the market: a function of i alone, so that any of them can be written at any time.
static struct made make(const struct fill *f, size_t i)
{
    uint64_t h = (uint64_t)(i + 1) * UINT64_C(0x9E3779B97F4A7C15);
    h ^= h >> 29;
    h *= UINT64_C(0xBF58476D1CE4E5B9);
    h ^= h >> 32;
    struct made m = {.ts_ms = f->from_ms + (int64_t)i * f->span_ms / (int64_t)f->n,
                     .id = FIRST_ID + (int64_t)i,
                     .side = h & 1 ? "buy" : "sell"};
    int64_t wave = (int64_t)(i % 700) - 350;
    int64_t tenths = 610000 + (wave < 0 ? -wave : wave) + (int64_t)(h >> 8 & 31);
    str_fmt(m.price, sizeof m.price, "%" PRId64 ".%" PRId64 "0", tenths / 10, tenths % 10);
    str_fmt(m.qty, sizeof m.qty, "%u.%03u", (unsigned)(h >> 20 & 3), 1 + (unsigned)(h >> 24 & 511));
    return m;
}

static int64_t wall_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

void fill_init(struct fill *f, uint64_t seed, size_t n, int64_t from_ms, int64_t span_ms)
{
    *f = (struct fill){.rng = seed * 2 + 1, .n = n, .from_ms = from_ms, .span_ms = span_ms};
    f->late = xcalloc(n, sizeof *f->late);
}

void fill_release(struct fill *f)
{
    free(f->late);
}

void fill_instrument(struct with_redis *w)
{
    with_redis_cmd(w, "HSET " FILL_KEY "instrument venue binance symbol BTCUSDT tick 0.10 step "
                      "0.001 min_qty 0.001 min_notional 5 price_scale 3 qty_scale 5 simulated 1 "
                      "schema 1");
}

static void to_trades(struct fill *f, struct with_redis *w, size_t i)
{
    struct made m = make(f, i);
    with_redis_cmd(w,
                   "XADD " FILL_KEY "trades %" PRId64 "-%" PRId64
                   " price %s qty %s side %s id %" PRId64 " rx_us %" PRId64,
                   m.ts_ms, m.id, m.price, m.qty, m.side, m.id, wall_us());
}

static void to_history(struct fill *f, struct with_redis *w, size_t i)
{
    struct made m = make(f, i);
    char line[160];
    int n = snprintf(line, sizeof line, "%" PRId64 " %" PRId64 " %s %s %s \n", m.ts_ms, m.id,
                     m.price, m.qty, m.side);
    with_redis_cmd(w,
                   "XADD " FILL_KEY "history * kind trades from_id %" PRId64 " to_id %" PRId64
                   " from_ms %" PRId64 " to_ms %" PRId64 " source rest reason late n 1 data %b",
                   m.id, m.id, m.ts_ms, m.ts_ms, line, (size_t)n);
}

static void to_gap(struct fill *f, struct with_redis *w, size_t i)
{
    struct made m = make(f, i);
    with_redis_cmd(w,
                   "XADD " FILL_KEY "history * kind gap from_id %" PRId64 " to_id %" PRId64
                   " from_ms %" PRId64 " to_ms %" PRId64 " source live reason jump n 0 data %b",
                   m.id, m.id, m.ts_ms - 1, m.ts_ms + 1, "", (size_t)0);
}

bool fill_some(struct fill *f, struct with_redis *w, size_t count)
{
    for (; count > 0 && f->next < f->n; count--, f->next++) {
        size_t i = f->next;
        uint64_t luck = i == 0 || i + 1 == f->n ? 999 : fill_random(f, 1000);
        if (luck < 20) {
            f->late[f->n_late++] = i;
            continue;
        }
        if (luck < 25) {
            to_gap(f, w, i);
            continue;
        }
        to_trades(f, w, i);
        if (luck < 45) {
            to_history(f, w, i); // a copy
        }
        if (luck < 60 && f->n_late > 0) {
            size_t k = fill_random(f, f->n_late);
            to_history(f, w, f->late[k]);
            f->late[k] = f->late[--f->n_late];
        }
    }
    return f->next < f->n;
}

void fill_finish(struct fill *f, struct with_redis *w)
{
    while (f->n_late > 0) {
        to_history(f, w, f->late[--f->n_late]);
    }
}

// ---- state -------------------------------------------------------------------------------------

static int by_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

struct lines {
    char **v;
    size_t n, cap;
};

static void add_line(struct lines *l, const char *key, const char *field, const char *value)
{
    if (l->n == l->cap) {
        l->cap = l->cap ? 2 * l->cap : 256;
        l->v = xrealloc(l->v, l->cap * sizeof *l->v);
    }
    const char *run = strstr(value, ",\"_");
    size_t n = run ? (size_t)(run - value) : strlen(value);
    size_t size = strlen(key) + strlen(field) + n + 4;
    char *s = xmalloc(size);
    snprintf(s, size, "%s %s %.*s", key, field, (int)n, value);
    l->v[l->n++] = s;
}

static void add_hash(struct lines *l, struct with_redis *w, const char *key)
{
    const redisReply *r = with_redis_cmd(w, "HGETALL %s", key);
    for (size_t i = 0; r->type == REDIS_REPLY_ARRAY && i + 1 < r->elements; i += 2) {
        if (r->element[i]->str[0] != '_') {
            add_line(l, key, r->element[i]->str, r->element[i + 1]->str);
        }
    }
}

char *state_text(struct with_redis *w, const char *const *patterns)
{
    struct lines keys = {0};
    struct lines lines = {0};
    for (size_t p = 0; patterns[p]; p++) {
        const redisReply *r = with_redis_cmd(w, "KEYS " FILL_KEY "%s", patterns[p]);
        for (size_t i = 0; i < r->elements; i++) {
            add_line(&keys, r->element[i]->str, "", "");
            keys.v[keys.n - 1][strlen(r->element[i]->str)] = '\0';
        }
    }
    for (size_t i = 0; i < keys.n; i++) {
        add_hash(&lines, w, keys.v[i]);
        free(keys.v[i]);
    }
    qsort(lines.v, lines.n, sizeof *lines.v, by_text);
    struct buf out;
    buf_init(&out, (size_t)64 << 20);
    for (size_t i = 0; i < lines.n; i++) {
        buf_adds(&out, lines.v[i]);
        buf_addc(&out, '\n');
        free(lines.v[i]);
    }
    free(keys.v);
    free(lines.v);
    char *text = xstrdup(buf_cstr(&out));
    buf_release(&out);
    return text;
}

// ---- children ----------------------------------------------------------------------------------

pid_t child_start(void (*run)(void *arg), void *arg)
{
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
        if (!getenv("KEEP_LOG")) {
            dup2(null, 2);
        }
        run(arg);
        _exit(1);
    }
    if (pid < 0) {
        FATAL("fork failed");
    }
    return pid;
}

void child_kill(pid_t pid)
{
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
}

// The store seen from the service: a child process per day that is read, and per part that is
// written, fed or drained through a pipe on the loop. The service itself never maps the library,
// and a store that fails, or a library that is not there, costs nothing but speed.

#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/decimal.h"
#include "common/base/log.h"
#include "common/base/mem.h"
#include "services/backfill/core/batch.h"
#include "services/backfill/io/app.h"
#include "services/backfill/io/store_child.h"

#define PART_ROWS 1000000             // rows after which a part is finished
#define QUEUE_BYTES ((size_t)8 << 20) // rows that wait for a writer
#define READ_ROWS 2048
#define REAP_MS 100
#define CHILDREN 64
#define NO_LIBRARY 3 // exit code

extern char **environ;

struct writer {
    pid_t pid; // 0: none
    int fd;
    struct event *ev;
    struct buf queue;
    uint64_t rows;
    bool closing;
};

struct reader {
    pid_t pid;
    int fd;
    struct event *ev;
    struct batch batch;
    char bytes[READ_ROWS * sizeof(struct store_row)];
    size_t n; // of an unfinished row
    uint64_t rows;
    bool active, paused;
};

struct lane {
    struct store *store;
    struct job *job;
    struct reader reader[PLAN_DAYS];
    struct writer writer[PLAN_DAYS][2]; // of the archive, of anything else
};

struct store {
    struct app *app;
    struct lane *lane[SYMBOLS_MAX];
    pid_t ended[CHILDREN]; // writers that finish by themselves
    size_t n_ended;
    struct timer *reap;
    bool off;
};

// ---- children
// ------------------------------------------------------------------------------------

static void day_dir(const struct job *j, enum plan_day d, char out[512])
{
    char day[16];
    iso_day(j->plan.day[d].start_ms, day);
    str_fmt(out, 512, "%s%s/venue=%s/symbol=%s/date=%s", j->app->cfg->cache_dir,
            j->ins.simulated ? "/simulated" : "", venue_name(j->ins.venue), j->ins.symbol, day);
}

// A child with one end of a pipe as its standard input (writes) or output. -1 when it can not
// start.
static pid_t spawn(struct job *j, enum plan_day d, bool writes, const char *source, int *fd)
{
    const struct config *c = j->app->cfg;
    char dir[512], price[8], qty[8], memory[24];
    int ends[2];
    pid_t pid = -1;
    day_dir(j, d, dir);
    price[fmt_i64(price, j->ins.price_scale)] = '\0';
    qty[fmt_i64(qty, j->ins.qty_scale)] = '\0';
    memory[fmt_i64(memory, c->store_memory_mb)] = '\0';
    const char *argv[] = {"backfill",
                          "--store-child",
                          writes ? "write" : "read",
                          dir,
                          price,
                          qty,
                          memory,
                          c->store_lib,
                          writes ? source : NULL,
                          writes ? archive_sha256(j->app->archive, &j->ins) : NULL,
                          NULL};
    if (pipe2(ends, O_CLOEXEC) != 0) {
        return -1;
    }
    *fd = ends[writes ? 1 : 0];
    posix_spawn_file_actions_t fa;
    posix_spawnattr_t at;
    posix_spawn_file_actions_init(&fa);
    posix_spawnattr_init(&at);
    posix_spawn_file_actions_adddup2(&fa, ends[writes ? 0 : 1],
                                     writes ? STDIN_FILENO : STDOUT_FILENO);
    posix_spawn_file_actions_addclosefrom_np(&fa, 3);
    // A group of its own: Ctrl-C in a terminal is for the service alone.
    posix_spawnattr_setflags(&at, POSIX_SPAWN_SETPGROUP);
    char *args[sizeof argv / sizeof argv[0]];
    memcpy(args, argv, sizeof args); // exec's own prototype knows no const
    if (posix_spawn(&pid, "/proc/self/exe", &fa, &at, args, environ) != 0) {
        pid = -1;
    }
    posix_spawn_file_actions_destroy(&fa);
    posix_spawnattr_destroy(&at);
    close(ends[writes ? 0 : 1]);
    if (pid < 0) {
        close(*fd);
    } else {
        (void)fcntl(*fd, F_SETFL, O_NONBLOCK);
    }
    return pid;
}

static void judge(struct store *s, int status)
{
    if (WIFEXITED(status) && WEXITSTATUS(status) == NO_LIBRARY && !s->off) {
        s->off = true;
        log_ev(LOG_WARN, "store_off", F_STR("why", "libduckdb is not there: run `make deps`"));
    } else if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
        log_ev(LOG_WARN, "store_failed", F_INT("status", status));
    }
}

static void on_reap(void *arg)
{
    struct store *s = arg;
    size_t kept = 0;
    for (size_t i = 0; i < s->n_ended; i++) {
        int status = 0;
        const pid_t got = waitpid(s->ended[i], &status, WNOHANG);
        if (got == 0) {
            s->ended[kept++] = s->ended[i];
        } else if (got > 0) {
            judge(s, status);
        }
    }
    s->n_ended = kept;
    if (kept > 0) {
        timer_start(s->reap, REAP_MS);
    }
}

static void let_end(struct store *s, pid_t pid)
{
    if (s->n_ended == CHILDREN) {
        int status;
        (void)waitpid(s->ended[0], &status, 0);
        memmove(s->ended, s->ended + 1, (CHILDREN - 1) * sizeof s->ended[0]);
        s->n_ended--;
    }
    s->ended[s->n_ended++] = pid;
    timer_start(s->reap, REAP_MS);
}

// ---- writing
// -------------------------------------------------------------------------------------

static void writer_end(struct store *s, struct writer *w)
{
    if (w->pid == 0) {
        return;
    }
    event_free(w->ev);
    close(w->fd); // the child sees the end of its input and writes the part
    let_end(s, w->pid);
    buf_release(&w->queue);
    memset(w, 0, sizeof *w);
}

static void on_writable(evutil_socket_t fd, short what, void *arg)
{
    struct lane *l = arg;
    (void)what;
    for (int d = 0; d < PLAN_DAYS; d++) {
        for (int k = 0; k < 2; k++) {
            struct writer *w = &l->writer[d][k];
            if (w->pid == 0 || w->fd != fd) {
                continue;
            }
            const ssize_t n = write(fd, buf_ptr(&w->queue), buf_len(&w->queue));
            if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
                return;
            }
            if (n > 0) {
                buf_consume(&w->queue, (size_t)n);
            }
            if (n <= 0) {
                writer_end(l->store, w);
            } else if (buf_len(&w->queue) == 0) {
                event_del(w->ev);
                if (w->closing || w->rows >= PART_ROWS) {
                    writer_end(l->store, w);
                }
            }
            job_kick(l->job);
            return;
        }
    }
}

static struct writer *writer_of(struct lane *l, enum plan_day d, const char *source)
{
    struct store *s = l->store;
    struct writer *w = &l->writer[d][strcmp(source, "archive") == 0 ? 0 : 1];
    if (w->pid != 0) {
        return w;
    }
    const pid_t pid = spawn(l->job, d, true, source, &w->fd);
    if (pid < 0) {
        s->off = true;
        log_ev(LOG_WARN, "store_off", F_STR("why", strerror(errno)));
        return NULL;
    }
    w->pid = pid;
    w->ev = event_new(s->app->loop->base, w->fd, EV_WRITE | EV_PERSIST, on_writable, l);
    buf_init(&w->queue, QUEUE_BYTES + ((size_t)4 << 20));
    return w;
}

void store_put(struct store *s, struct job *j, const struct history *h)
{
    struct lane *l = s->lane[j->index];
    size_t pos = 0;
    struct trade t;
    if (s->off || l == NULL || strcmp(h->source, "store") == 0) {
        return;
    }
    while (history_next(h, &j->ins, &pos, &t) == 1) {
        const int64_t today = j->plan.day[PLAN_TODAY].start_ms;
        const enum plan_day d = t.ts_ms >= today ? PLAN_TODAY : PLAN_PREV;
        if (t.ts_ms < j->plan.day[d].start_ms) {
            continue; // the trade that proves where the day before begins
        }
        struct writer *w = writer_of(l, d, h->source);
        if (w == NULL) {
            return;
        }
        const struct store_row row = {.ts_ms = t.ts_ms,
                                      .id = t.id,
                                      .price = t.price,
                                      .qty = t.qty,
                                      .buy = t.side == SIDE_BUY};
        buf_add(&w->queue, &row, sizeof row);
        w->rows++;
        event_add(w->ev, NULL);
    }
}

bool store_has_room(const struct store *s, const struct job *j)
{
    const struct lane *l = s->lane[j->index];
    for (int i = 0; l != NULL && i < PLAN_DAYS * 2; i++) {
        const struct writer *w = &l->writer[i / 2][i % 2];
        if (w->pid != 0 && buf_len(&w->queue) > QUEUE_BYTES) {
            return false;
        }
    }
    return true;
}

void store_flush(struct store *s, struct job *j)
{
    struct lane *l = s->lane[j->index];
    for (int i = 0; l != NULL && i < PLAN_DAYS * 2; i++) {
        struct writer *w = &l->writer[i / 2][i % 2];
        w->closing = true;
        if (w->pid != 0 && buf_len(&w->queue) == 0) {
            writer_end(s, w);
        }
        w->closing = w->pid != 0;
    }
}

// ---- reading
// -------------------------------------------------------------------------------------

static void emit(void *arg, const struct history *h)
{
    struct job *j = arg;
    j->rows_store += (uint64_t)h->n;
    job_emit(j, h);
}

static void reader_end(struct lane *l, enum plan_day d, bool whole)
{
    struct reader *r = &l->reader[d];
    int status = 0;
    if (!r->active) {
        return;
    }
    event_free(r->ev);
    close(r->fd);
    r->active = false;
    if (whole) {
        (void)waitpid(r->pid, &status, 0); // it closed its output with its last breath
        judge(l->store, status);
        batch_flush(&r->batch);
    } else {
        (void)kill(r->pid, SIGKILL);
        (void)waitpid(r->pid, &status, 0);
    }
    batch_release(&r->batch);
    if (whole) {
        log_ev(LOG_INFO, "store_read", F_STR("sym", l->job->ins.name), F_UINT("rows", r->rows));
        plan_store(&l->job->plan, d, false);
        job_kick(l->job);
    }
}

static void take_row(struct job *j, struct reader *r, enum plan_day d, const struct store_row *row)
{
    char price[DEC_TEXT], qty[DEC_TEXT];
    const int64_t start = j->plan.day[d].start_ms;
    if (row->ts_ms < start || row->ts_ms >= start + MS_PER_DAY || row->id < 0 || row->price <= 0 ||
        row->qty <= 0 || row->id >= j->plan.live_id || plan_has(&j->plan, row->id)) {
        return;
    }
    const size_t pn = dec_format(price, row->price, j->ins.price_scale, j->ins.price_decimals);
    const size_t qn = dec_format(qty, row->qty, j->ins.qty_scale, j->ins.qty_decimals);
    r->rows += batch_add(&r->batch, row->ts_ms, row->id, (struct slice){price, pn},
                         (struct slice){qty, qn}, row->buy ? SIDE_BUY : SIDE_SELL)
                   ? 1
                   : 0;
}

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
    struct lane *l = arg;
    (void)what;
    for (int k = 0; k < PLAN_DAYS; k++) {
        const enum plan_day d = (enum plan_day)k;
        struct reader *r = &l->reader[d];
        if (!r->active || r->fd != fd) {
            continue;
        }
        if (!job_has_room(l->job)) {
            r->paused = true;
            event_del(r->ev);
            return;
        }
        const ssize_t n = read(fd, r->bytes + r->n, sizeof r->bytes - r->n);
        if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
            return;
        }
        if (n <= 0) {
            reader_end(l, d, true);
            return;
        }
        r->n += (size_t)n;
        size_t at = 0;
        for (; at + sizeof(struct store_row) <= r->n; at += sizeof(struct store_row)) {
            struct store_row row;
            memcpy(&row, r->bytes + at, sizeof row);
            take_row(l->job, r, d, &row);
        }
        memmove(r->bytes, r->bytes + at, r->n - at);
        r->n -= at;
        return;
    }
}

void store_read(struct store *s, struct job *j)
{
    struct lane *l = s->lane[j->index];
    if (l == NULL) {
        l = s->lane[j->index] = xcalloc(1, sizeof *l);
        l->store = s;
        l->job = j;
    }
    for (int k = 0; k < PLAN_DAYS && !s->off && s->app->cfg->cache; k++) {
        const enum plan_day d = (enum plan_day)k;
        struct reader *r = &l->reader[d];
        char dir[512];
        day_dir(j, d, dir);
        if (!plan_concerns(&j->plan, d) || access(dir, F_OK) != 0) {
            continue;
        }
        r->pid = spawn(j, d, false, "", &r->fd);
        if (r->pid < 0) {
            continue;
        }
        r->active = true;
        r->paused = false;
        r->n = 0;
        r->rows = 0;
        batch_init(&r->batch, "store", emit, j);
        r->ev = event_new(s->app->loop->base, r->fd, EV_READ | EV_PERSIST, on_readable, l);
        event_add(r->ev, NULL);
        plan_store(&j->plan, d, true);
    }
}

void store_kick(struct store *s, struct job *j)
{
    struct lane *l = s->lane[j->index];
    for (int d = 0; l != NULL && d < PLAN_DAYS; d++) {
        if (l->reader[d].active && l->reader[d].paused && job_has_room(j)) {
            l->reader[d].paused = false;
            event_add(l->reader[d].ev, NULL);
        }
    }
}

void store_abort(struct store *s, const struct job *j)
{
    struct lane *l = s != NULL ? s->lane[j->index] : NULL;
    for (int d = 0; l != NULL && d < PLAN_DAYS; d++) {
        reader_end(l, (enum plan_day)d, false);
        writer_end(s, &l->writer[d][0]);
        writer_end(s, &l->writer[d][1]);
    }
}

struct store *store_new(struct app *a)
{
    struct store *s = xcalloc(1, sizeof *s);
    s->app = a;
    s->off = !a->cfg->cache;
    s->reap = timer_new(a->loop, on_reap, s);
    return s;
}

void store_free(struct store *s)
{
    if (s == NULL) {
        return;
    }
    timer_free(s->reap); // writers under way end by themselves
    for (size_t i = 0; i < SYMBOLS_MAX; i++) {
        free(s->lane[i]);
    }
    free(s);
}

// Rows on their way into the store: a child process per part, fed through a pipe.

#include "services/backfill/io/store_inner.h"

#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/log.h"
#include "common/base/mem.h"
#include "services/backfill/io/store_child.h"

#define PART_ROWS 1000000             // rows after which a part that is not a whole day is finished
#define QUEUE_BYTES ((size_t)8 << 20) // rows that wait for a writer
#define PIPE_BYTES (1 << 20)
#define REAP_MS 20
#define NO_LIBRARY 3 // exit code

extern char **environ;

// ---- children
// ------------------------------------------------------------------------------------

pid_t store_spawn(struct store *s, const struct instrument *ins, int64_t day_ms,
                  const char *source /* NULL: reads */, const char *sha256, int *fd)
{
    char dir[STORE_PATH], price[8], qty[8], memory[24];
    const bool writes = source != NULL;
    int ends[2];
    pid_t pid = -1;
    store_day_path(s->o.dir, ins, day_ms, dir);
    price[fmt_i64(price, ins->price_scale)] = '\0';
    qty[fmt_i64(qty, ins->qty_scale)] = '\0';
    memory[fmt_i64(memory, s->o.memory_mb)] = '\0';
    const char *argv[] = {"backfill",
                          "--store-child",
                          writes ? "write" : "read",
                          dir,
                          venue_name(ins->venue),
                          price,
                          qty,
                          memory,
                          s->o.lib,
                          source,
                          writes ? sha256 : NULL,
                          NULL};
    if (pipe2(ends, O_CLOEXEC) != 0) {
        return -1;
    }
    (void)fcntl(ends[0], F_SETPIPE_SZ, PIPE_BYTES); // fewer turns; refused: the usual size
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

void store_judge(struct store *s, int status)
{
    if (WIFEXITED(status) && WEXITSTATUS(status) == NO_LIBRARY) {
        if (!s->off) {
            log_ev(LOG_WARN, "store_off", F_STR("why", "libduckdb is not there: run `make deps`"));
        }
        s->off = true;
    } else if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
        log_ev(LOG_WARN, "store_failed", F_INT("status", status));
    }
}

static void on_reap(void *arg)
{
    struct store *s = arg;
    bool left = false, gone = false;
    for (size_t i = 0; i < CHILDREN; i++) {
        int status = 0;
        if (s->ended[i].pid == 0) {
            continue;
        }
        if (waitpid(s->ended[i].pid, &status, WNOHANG) == s->ended[i].pid) {
            store_judge(s, status);
            s->ended[i].pid = 0;
            gone = true;
        } else {
            left = true;
        }
    }
    if (left) {
        timer_start(s->reap, REAP_MS);
    }
    if (gone && s->o.on_room != NULL) {
        s->o.on_room(s->o.arg);
    }
}

static void let_end(struct store *s, const struct writer *w)
{
    size_t i = 0;
    while (i < CHILDREN && s->ended[i].pid != 0) {
        i++;
    }
    if (i == CHILDREN) { // so many at once: the disk is the bound
        int status = 0;
        i = 0;
        (void)waitpid(s->ended[0].pid, &status, 0);
        store_judge(s, status);
    }
    s->ended[i] = (struct ended){.pid = w->pid, .ins = w->ins, .day_ms = w->day_ms};
    timer_start(s->reap, REAP_MS);
}

static bool is_of(const struct instrument *a, int64_t a_ms, const struct instrument *b,
                  int64_t b_ms)
{
    return a_ms == b_ms && a->simulated == b->simulated && strcmp(a->name, b->name) == 0;
}

size_t store_writing(const struct store *s, const struct instrument *ins, int64_t day_start_ms)
{
    size_t n = 0;
    for (size_t i = 0; i < WRITERS; i++) {
        const struct writer *w = &s->writer[i];
        n += w->pid != 0 && (ins == NULL || is_of(&w->ins, w->day_ms, ins, day_start_ms));
    }
    for (size_t i = 0; i < CHILDREN; i++) {
        const struct ended *x = &s->ended[i];
        n += x->pid != 0 && (ins == NULL || is_of(&x->ins, x->day_ms, ins, day_start_ms));
    }
    return n;
}

// ---- writing
// -------------------------------------------------------------------------------------

static void writer_end(struct writer *w)
{
    struct store *s = w->store;
    if (w->pid == 0) {
        return;
    }
    event_free(w->ev);
    close(w->fd); // the child sees the end of its input and writes the part
    let_end(s, w);
    buf_release(&w->queue);
    memset(w, 0, sizeof *w);
    s->last = NULL;
}

static void on_writable(evutil_socket_t fd, short what, void *arg)
{
    struct writer *w = arg;
    struct store *s = w->store;
    (void)what;
    const ssize_t n = write(fd, buf_ptr(&w->queue), buf_len(&w->queue));
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
        return;
    }
    if (n > 0) {
        buf_consume(&w->queue, (size_t)n);
    }
    if (n <= 0) {
        writer_end(w);
    } else if (buf_len(&w->queue) == 0) {
        event_del(w->ev);
        if (w->closing) {
            writer_end(w);
        }
    }
    if (s->o.on_room != NULL) {
        s->o.on_room(s->o.arg);
    }
}

static struct writer *writer_find(struct store *s, const struct instrument *ins, int64_t day_ms,
                                  const char *source)
{
    for (size_t i = 0; i < WRITERS; i++) {
        struct writer *w = &s->writer[i];
        if (w->pid != 0 && !w->closing && is_of(&w->ins, w->day_ms, ins, day_ms) &&
            strcmp(w->source, source) == 0) {
            return w;
        }
    }
    return NULL;
}

static struct writer *writer_of(struct store *s, const struct instrument *ins, int64_t day_ms,
                                const char *source, const char *sha256)
{
    struct writer *w = s->last;
    if (w != NULL && !w->closing && w->day_ms == day_ms && strcmp(w->source, source) == 0 &&
        strcmp(w->ins.name, ins->name) == 0 && w->ins.simulated == ins->simulated) {
        return w;
    }
    w = writer_find(s, ins, day_ms, source);
    for (size_t i = 0; i < WRITERS && w == NULL; i++) {
        if (s->writer[i].pid == 0) {
            w = &s->writer[i];
        }
    }
    if (w == NULL) {
        return NULL; // what is not kept is fetched again one day
    }
    if (w->pid == 0) {
        const pid_t pid = store_spawn(s, ins, day_ms, source, sha256, &w->fd);
        if (pid < 0) {
            s->off = true;
            log_ev(LOG_WARN, "store_off", F_STR("why", strerror(errno)));
            return NULL;
        }
        w->store = s;
        w->ins = *ins;
        w->day_ms = day_ms;
        str_copy(w->source, sizeof w->source, source);
        w->pid = pid;
        w->ev = event_new(s->o.loop->base, w->fd, EV_WRITE | EV_PERSIST, on_writable, w);
        buf_init(&w->queue, QUEUE_BYTES + ((size_t)8 << 20));
    }
    s->last = w;
    return w;
}

static void writer_add(struct writer *w, const struct store_row *row)
{
    const bool idle = buf_len(&w->queue) == 0;
    buf_add(&w->queue, row, sizeof *row);
    if (idle) {
        event_add(w->ev, NULL);
    }
}

bool store_put(struct store *s, const struct instrument *ins, int64_t day_start_ms,
               const char *source, const char *sha256, const struct csv_row *row)
{
    struct trade t = {
        .ts_ms = row->ts_ms, .id = row->id, .side = (uint8_t)row->side, .flags = row->flags};
    if (s->off) {
        return true;
    }
    if (trade_set_numbers(&t, ins, row->price, row->qty) != REFUSE_NONE ||
        (ins->venue == VENUE_BYBIT && trade_uid_parse(row->uid, &t.uid) != 0)) {
        return false;
    }
    return store_put_trade(s, ins, day_start_ms, source, sha256, &t);
}

bool store_put_trade(struct store *s, const struct instrument *ins, int64_t day_start_ms,
                     const char *source, const char *sha256, const struct trade *t)
{
    struct store_row out;
    if (s->off) {
        return true;
    }
    if (t->ts_ms < day_start_ms || t->ts_ms >= day_start_ms + MS_PER_DAY) {
        return false;
    }
    struct writer *w = writer_of(s, ins, day_start_ms, source, sha256);
    if (w == NULL) {
        return true;
    }
    memset(&out, 0, sizeof out); // what goes through a pipe has no unset bytes
    out.ts_ms = t->ts_ms;
    out.id = t->id;
    out.price = t->price;
    out.qty = t->qty;
    out.kind = STORE_ROW;
    out.buy = t->side == SIDE_BUY;
    out.flags = t->flags;
    out.uid = t->uid;
    writer_add(w, &out);
    w->rows++;
    // A source of whole days is one part, whatever its size; others are bounded.
    if (w->rows >= PART_ROWS && sha256[0] == '\0') {
        w->closing = true;
    }
    return true;
}

void store_claim(struct store *s, const struct instrument *ins, int64_t day_start_ms,
                 const char *source, int64_t from_ms, int64_t to_ms)
{
    struct writer *w = s->off ? NULL : writer_of(s, ins, day_start_ms, source, "");
    struct store_row out;
    if (w != NULL && from_ms < to_ms) {
        memset(&out, 0, sizeof out);
        out.ts_ms = from_ms;
        out.id = to_ms;
        out.kind = STORE_CLAIM;
        writer_add(w, &out);
    }
}

static void writer_close(struct writer *w)
{
    w->closing = true;
    if (buf_len(&w->queue) == 0) {
        writer_end(w);
    }
}

void store_flush(struct store *s, const struct instrument *ins, int64_t day_start_ms)
{
    for (size_t i = 0; i < WRITERS; i++) {
        struct writer *w = &s->writer[i];
        if (w->pid != 0 && !w->closing && is_of(&w->ins, w->day_ms, ins, day_start_ms)) {
            writer_close(w);
        }
    }
}

void store_seal(struct store *s, const struct instrument *ins, int64_t day_start_ms,
                const char *source, bool replace)
{
    struct writer *w = s->off ? NULL : writer_find(s, ins, day_start_ms, source);
    struct store_row out;
    if (w == NULL) {
        return;
    }
    memset(&out, 0, sizeof out);
    out.kind = STORE_END;
    out.flags = (uint8_t)(STORE_WHOLE | (replace ? STORE_REPLACE : 0));
    writer_add(w, &out);
    writer_close(w);
}

void store_drop(struct store *s, const struct instrument *ins, int64_t day_start_ms,
                const char *source)
{
    struct writer *w = writer_find(s, ins, day_start_ms, source);
    if (w != NULL) {
        (void)kill(w->pid, SIGKILL);
        writer_end(w);
    }
}

bool store_has_room(const struct store *s, const struct instrument *ins)
{
    for (size_t i = 0; i < WRITERS; i++) {
        const struct writer *w = &s->writer[i];
        if (w->pid != 0 && buf_len(&w->queue) > QUEUE_BYTES &&
            strcmp(w->ins.name, ins->name) == 0) {
            return false;
        }
    }
    return true;
}

// ---- life
// ----------------------------------------------------------------------------------------

struct store *store_new(const struct store_opts *o)
{
    struct store *s = xcalloc(1, sizeof *s);
    s->o = *o;
    s->off = o->off;
    s->reap = timer_new(o->loop, on_reap, s);
    return s;
}

void store_free(struct store *s)
{
    if (s == NULL) {
        return;
    }
    store_read_free(s);
    for (size_t i = 0; i < WRITERS; i++) {
        writer_end(&s->writer[i]);
    }
    timer_free(s->reap); // writers under way end by themselves
    free(s);
}

bool store_is_off(const struct store *s)
{
    return s->off;
}

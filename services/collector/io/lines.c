#include "services/collector/io/lines.h"

#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/base/buf.h"
#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/base/str.h"

#define CHUNK 65536
#define CHUNKS_PER_TURN 4 // then others of the loop have their turn
#define UNIX_PREFIX "unix://"

struct lines {
    struct lines_opts o;
    char *path;
    bool is_socket;
    int fd;              // -1: not open
    struct event *ev;    // of a socket
    struct timer *timer; // of a file; and for the first step of both
    struct buf rx;       // what is not a whole line yet
    int64_t offset;      // of a file: bytes read
    bool opened, skipping, paused;
    int busy; // callbacks of the owner on the stack
    bool dead;
};

static void turn(void *arg);

static void release(struct lines *l)
{
    if (l->busy > 0) {
        l->dead = true;
        return;
    }
    if (l->ev != NULL) {
        event_free(l->ev);
    }
    if (l->fd >= 0) {
        close(l->fd);
    }
    timer_free(l->timer);
    buf_release(&l->rx);
    free(l->path);
    free(l);
}

void lines_close(struct lines *l)
{
    if (l != NULL && !l->dead) {
        release(l);
    }
}

static void end(struct lines *l, const char *why)
{
    void (*on_close)(void *, const char *) = l->o.on_close;
    void *arg = l->o.arg;
    release(l);
    on_close(arg, why);
}

// Around a callback of the owner: false when it closed `l`, which is freed then.
static bool leave(struct lines *l)
{
    l->busy--;
    if (!l->dead) {
        return true;
    }
    if (l->busy == 0) {
        release(l);
    }
    return false;
}

// ---- lines -------------------------------------------------------------------------------------

static void deliver(struct lines *l, const char *p, size_t n)
{
    int64_t ns = 0, rx_us = loop_wall_us(l->o.loop);
    size_t digits = 0;
    n -= n > 0 && p[n - 1] == '\r' ? 1 : 0;
    while (digits < n && digits < 20 && p[digits] >= '0' && p[digits] <= '9') {
        digits++;
    }
    if (digits > 0 && digits < n && p[digits] == ' ' && parse_i64(p, digits, &ns) == 0) {
        rx_us = ns / 1000;
        p += digits + 1;
        n -= digits + 1;
    }
    if (n > 0) {
        l->o.on_line(l->o.arg, p, n, rx_us);
    }
}

// Takes the whole lines out of rx. False when the owner closed `l`.
static bool take_lines(struct lines *l)
{
    l->busy++;
    while (!l->dead && !l->paused) {
        const char *p = buf_ptr(&l->rx);
        const size_t have = buf_len(&l->rx);
        const char *nl = have > 0 ? memchr(p, '\n', have) : NULL;
        if (nl == NULL) {
            if (have > l->o.max_line) {
                if (!l->skipping) {
                    l->o.on_oversize(l->o.arg, have);
                }
                l->skipping = true;
                if (!l->dead) {
                    buf_clear(&l->rx);
                }
            }
            break;
        }
        const size_t n = (size_t)(nl - p);
        if (l->skipping) {
            l->skipping = false; // the end of a line that was too long
        } else if (n > l->o.max_line) {
            l->o.on_oversize(l->o.arg, n);
        } else {
            deliver(l, p, n);
        }
        if (!l->dead) {
            buf_consume(&l->rx, n + 1);
        }
    }
    return leave(l);
}

// ---- reading -----------------------------------------------------------------------------------

// Bytes read, 0 at the end (for now), -1 = nothing there yet, -2 = broken.
static ssize_t read_some(struct lines *l)
{
    char chunk[CHUNK];
    const ssize_t n = read(l->fd, chunk, sizeof chunk);
    if (n > 0) {
        buf_add(&l->rx, chunk, (size_t)n);
        l->offset += n;
        return n;
    }
    if (n == 0) {
        return 0;
    }
    return errno == EAGAIN || errno == EINTR ? -1 : -2;
}

// The file at the path is another one, or became shorter: begin with it anew.
static bool is_replaced(const struct lines *l, bool *shorter)
{
    struct stat mine, named;
    *shorter = fstat(l->fd, &mine) == 0 && S_ISREG(mine.st_mode) && mine.st_size < l->offset;
    return stat(l->path, &named) == 0 && fstat(l->fd, &mine) == 0 &&
           (named.st_ino != mine.st_ino || named.st_dev != mine.st_dev);
}

static void begin_anew(struct lines *l, bool shorter)
{
    buf_clear(&l->rx);
    l->offset = 0;
    l->skipping = false;
    log_ev(LOG_INFO, "lines_begin_anew", F_STR("path", l->path),
           F_STR("why", shorter ? "cut" : "replaced"));
    if (shorter && lseek(l->fd, 0, SEEK_SET) == 0) {
        return;
    }
    const int fd = open(l->path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    if (fd >= 0) {
        close(l->fd);
        l->fd = fd;
    }
}

static void read_file(struct lines *l)
{
    for (int i = 0; i < CHUNKS_PER_TURN; i++) {
        const ssize_t n = read_some(l);
        if (n == -2) {
            end(l, "cannot be read");
            return;
        }
        if (n <= 0) {
            bool shorter;
            if (is_replaced(l, &shorter) || shorter) {
                begin_anew(l, shorter);
            }
            timer_start(l->timer, l->o.poll_ms);
            return;
        }
        if (!take_lines(l)) {
            return;
        }
        if (l->paused) {
            return;
        }
    }
    timer_start(l->timer, 0);
}

static void on_socket(evutil_socket_t fd, short what, void *arg)
{
    struct lines *l = arg;
    (void)fd;
    (void)what;
    const ssize_t n = read_some(l);
    if (n == 0 || n == -2) {
        end(l, n == 0 ? "the feed ended" : "cannot be read");
    } else if (n > 0) {
        (void)take_lines(l);
    }
}

// ---- opening -----------------------------------------------------------------------------------

static bool open_socket(struct lines *l)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    if (!str_copy(a.sun_path, sizeof a.sun_path, l->path)) {
        return false;
    }
    l->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (l->fd < 0 || connect(l->fd, (const struct sockaddr *)&a, sizeof a) != 0) {
        return false;
    }
    l->ev = event_new(l->o.loop->base, l->fd, EV_READ | EV_PERSIST, on_socket, l);
    return l->ev != NULL && event_add(l->ev, NULL) == 0;
}

static void begin(struct lines *l)
{
    char why[120];
    bool ok;
    if (l->is_socket) {
        ok = open_socket(l);
    } else {
        l->fd = open(l->path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
        ok = l->fd >= 0;
    }
    if (!ok) {
        str_fmt(why, sizeof why, "cannot be opened (errno %d)", errno);
        end(l, why);
        return;
    }
    l->opened = true;
    l->busy++;
    l->o.on_open(l->o.arg);
    if (leave(l) && !l->is_socket && !l->paused) {
        timer_start(l->timer, 0);
    }
}

static void turn(void *arg)
{
    struct lines *l = arg;
    if (!l->opened) {
        begin(l);
        return;
    }
    // What was held back by a pause comes first.
    if (take_lines(l) && !l->is_socket && !l->paused) {
        read_file(l);
    }
}

struct lines *lines_open(const struct lines_opts *o, struct err *e)
{
    const bool is_socket = str_starts(o->path, UNIX_PREFIX);
    const char *path = is_socket ? o->path + sizeof UNIX_PREFIX - 1 : o->path;
    if (path[0] == '\0') {
        err_set(e, ERR_SYNTAX, "'%s' names no socket and no file", o->path);
        return NULL;
    }
    struct lines *l = xcalloc(1, sizeof *l);
    l->o = *o;
    l->o.path = NULL;
    l->path = xstrdup(path);
    l->is_socket = is_socket;
    l->fd = -1;
    buf_init(&l->rx, o->max_line + 2 * (size_t)CHUNK);
    l->timer = timer_new(o->loop, turn, l);
    timer_start(l->timer, 0);
    return l;
}

void lines_pause(struct lines *l, bool paused)
{
    l->paused = paused;
    if (!l->opened) {
        return;
    }
    if (l->ev != NULL) {
        const int rc = paused ? event_del(l->ev) : event_add(l->ev, NULL);
        (void)rc;
    }
    if (paused) {
        timer_stop(l->timer);
    } else {
        timer_start(l->timer, 0);
    }
}

#include "services/api/io/push.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/base/mem.h"
#include "common/io/service.h"
#include "services/api/io/push_inner.h"

#define MESSAGE_MAX ((size_t)64 << 10) // of a client
#define TICK_MS 50
#define EVENTS 256
#define OUT_MAX ((size_t)32 << 20)
#define REPLY_MAX ((size_t)64 << 10)
#define CLOSE_GRACE_MS 2000
// What the kernel keeps for a client. Its own choice grows to megabytes, all of it state that is
// overtaken before the client reads it.
#define SEND_BUFFER (256 << 10)

// ---- clients ------------------------------------------------------------------------------------

static void want(struct push *p, struct client *k, int by)
{
    for (size_t i = 0; i < p->n; i++) {
        for (size_t c = 0; c < channels_n; c++) {
            if (session_sub(&k->session, i, c)->on) {
                struct value *v = push_value(p, i, c);
                v->wanted = by > 0 ? v->wanted + 1 : v->wanted - 1;
            }
        }
    }
}

static void client_end(struct push *p, struct client *k)
{
    k->dead = true;
    (void)epoll_ctl(p->epoll, EPOLL_CTL_DEL, k->fd, NULL);
}

static void client_free(struct push *p, struct client *k)
{
    want(p, k, -1);
    if (k->prev != NULL) {
        k->prev->next = k->next;
    } else {
        p->first = k->next;
    }
    if (k->next != NULL) {
        k->next->prev = k->prev;
    }
    (void)close(k->fd);
    session_release(&k->session);
    wsin_release(&k->in);
    buf_release(&k->out);
    free(k);
    atomic_fetch_sub(&p->clients, 1);
}

static void ask_writable(struct push *p, struct client *k, bool on)
{
    if (k->writable_asked != on) {
        struct epoll_event ev = {.events = EPOLLIN | (on ? EPOLLOUT : 0), .data.ptr = k};
        k->writable_asked = on;
        (void)epoll_ctl(p->epoll, EPOLL_CTL_MOD, k->fd, &ev);
    }
}

// All that is pending leaves in one write; what does not fit waits for the socket.
static void flush(struct push *p, struct client *k, int64_t mono_ms)
{
    if (k->out.failed) {
        client_end(p, k);
        return;
    }
    if (buf_len(&k->out) > 0) {
        const ssize_t n = send(k->fd, buf_ptr(&k->out), buf_len(&k->out), MSG_NOSIGNAL);
        if (n < 0 && errno != EAGAIN && errno != EINTR) {
            client_end(p, k);
            return;
        }
        if (n > 0) {
            push_count(&p->bytes, (uint64_t)n);
            push_count(&p->writes, 1);
            buf_consume(&k->out, (size_t)n);
            k->moved_ms = mono_ms;
        }
    }
    if (buf_len(&k->out) == 0) {
        if (k->out.cap > 2 * COMPOSE_BYTES) {
            buf_release(&k->out); // a large snapshot has passed
        } else {
            buf_clear(&k->out);
        }
        if (k->close_ms > 0) {
            client_end(p, k);
            return;
        }
    }
    ask_writable(p, k, buf_len(&k->out) > 0);
}

// Composes what is pending and writes it. Nothing while earlier output waits.
static void serve_client(struct push *p, struct client *k, int64_t mono_ms)
{
    if (k->dead || k->close_ms > 0 || k->writable_asked) {
        return;
    }
    const size_t before = buf_len(&k->out);
    push_compose(p, k);
    if (buf_len(&k->out) > 0) {
        if (before == 0) {
            k->moved_ms = mono_ms;
        }
        flush(p, k, mono_ms);
    }
}

static void close_client(struct push *p, struct client *k, int code, const char *why,
                         int64_t mono_ms)
{
    if (k->close_ms == 0 && !k->dead) {
        ws_add_close(&k->out, code, why);
        k->close_ms = mono_ms;
        flush(p, k, mono_ms);
    }
}

static void on_text(struct push *p, struct client *k, const char *text, size_t n, int64_t mono_ms)
{
    struct session_reply ends;
    const char *why;
    buf_clear(&p->reply);
    want(p, k, -1);
    const int rc =
        session_message(&k->session, text, n, mono_ms, push_wall(p), &p->reply, &ends, &why);
    want(p, k, 1);
    if (rc < 0) {
        push_count(&p->refused, 1);
        close_client(p, k, -rc, why, mono_ms);
        return;
    }
    size_t at = 0;
    for (size_t i = 0; i < ends.n; i++) {
        ws_add_head(&k->out, WS_TEXT, ends.end[i] - at);
        buf_add(&k->out, buf_ptr(&p->reply) + at, ends.end[i] - at);
        at = ends.end[i];
    }
    // Answers of a client that does not read them pile up: that is a flood too.
    if (buf_len(&k->out) > COMPOSE_BYTES * 4) {
        client_end(p, k);
        return;
    }
    p->dirty = true;
}

static void on_frame(struct push *p, struct client *k, enum ws_op op, const char *data, size_t n,
                     int64_t mono_ms)
{
    if (op == WS_TEXT) {
        on_text(p, k, data, n, mono_ms);
    } else if (op == WS_PING) {
        ws_add_head(&k->out, WS_PONG, n);
        buf_add(&k->out, data, n);
    } else if (op == WS_CLOSE) {
        const int code = n >= 2 ? ((unsigned char)data[0] << 8 | (unsigned char)data[1]) : 1000;
        close_client(p, k,
                     code >= 1000 && code < 5000 && code != 1005 && code != 1006 ? code : 1002, "",
                     mono_ms);
    }
}

static void on_readable(struct push *p, struct client *k, int64_t mono_ms)
{
    size_t room;
    char *to = wsin_room(&k->in, &room);
    if (to == NULL) {
        close_client(p, k, WS_TOO_BIG, "message too large", mono_ms);
        return;
    }
    const ssize_t n = recv(k->fd, to, room, 0);
    if (n <= 0) {
        if (n == 0 || (errno != EAGAIN && errno != EINTR)) {
            client_end(p, k);
        }
        return;
    }
    wsin_took(&k->in, (size_t)n);
    k->heard_ms = mono_ms;
    enum ws_op op;
    const char *data;
    size_t len;
    int rc = 0;
    while (!k->dead && k->close_ms == 0 && (rc = wsin_next(&k->in, &op, &data, &len)) > 0) {
        on_frame(p, k, op, data, len, mono_ms);
    }
    if (rc < 0) {
        close_client(p, k, -rc, rc == -WS_TOO_BIG ? "message too large" : "protocol error",
                     mono_ms);
    }
    if (!k->dead && buf_len(&k->out) > 0 && !k->writable_asked) {
        flush(p, k, mono_ms);
    }
}

static void client_new(struct push *p, const struct arrival *a, int64_t mono_ms)
{
    struct client *k = xcalloc(1, sizeof *k);
    struct epoll_event ev = {.events = EPOLLIN, .data.ptr = k};
    const int room = SEND_BUFFER;
    k->fd = a->fd;
    (void)setsockopt(k->fd, SOL_SOCKET, SO_SNDBUF, &room, sizeof room);
    k->heard_ms = k->pinged_ms = k->moved_ms = mono_ms;
    (void)fcntl(k->fd, F_SETFL, fcntl(k->fd, F_GETFL) | O_NONBLOCK);
    session_init(&k->session, store_instruments(p->o.gateway->store), p->n, p->epoch, p->o.token,
                 a->admitted, p->o.message_rate, p->o.message_rate * 3);
    wsin_init(&k->in, MESSAGE_MAX);
    buf_init(&k->out, OUT_MAX);
    k->next = p->first;
    if (p->first != NULL) {
        p->first->prev = k;
    }
    p->first = k;
    push_count(&p->accepted, 1);
    if (epoll_ctl(p->epoll, EPOLL_CTL_ADD, k->fd, &ev) != 0) {
        k->dead = true;
    }
}

// ---- the thread ---------------------------------------------------------------------------------

static void take_arrivals(struct push *p, int64_t mono_ms)
{
    pthread_mutex_lock(&p->lock);
    for (size_t i = 0; i < p->arrivals; i++) {
        client_new(p, &p->arrival[i], mono_ms);
    }
    p->arrivals = 0;
    pthread_mutex_unlock(&p->lock);
}

static void keep_alive(struct push *p, struct client *k, int64_t mono_ms)
{
    if (k->close_ms > 0) {
        if (mono_ms - k->close_ms > CLOSE_GRACE_MS) {
            client_end(p, k);
        }
        return;
    }
    if (mono_ms - k->heard_ms > p->o.silent_ms) {
        push_count(&p->dropped_silent, 1);
        close_client(p, k, WS_AWAY, "silent", mono_ms);
    } else if (k->writable_asked && mono_ms - k->moved_ms > p->o.stuck_ms) {
        push_count(&p->dropped_stuck, 1);
        client_end(p, k);
    } else if (mono_ms - k->pinged_ms >= p->o.ping_ms && !k->writable_asked) {
        k->pinged_ms = mono_ms;
        ws_add_head(&k->out, WS_PING, 0);
    }
}

static void tick(struct push *p, int64_t mono_ms)
{
    p->ticked_ms = mono_ms;
    push_values_make(p, mono_ms);
    for (struct client *k = p->first, *next; k != NULL; k = next) {
        next = k->next;
        if (!k->dead) {
            keep_alive(p, k, mono_ms);
        }
        serve_client(p, k, mono_ms);
        if (k->dead) {
            client_free(p, k);
        }
    }
}

static void *run(void *arg)
{
    struct push *p = arg;
    struct epoll_event ev[EVENTS];
    while (!atomic_load(&p->stopping)) {
        const int64_t since = push_mono(p) - p->ticked_ms;
        const int wait = p->dirty ? (since >= TICK_MS ? 0 : (int)(TICK_MS - since)) : LIVE_MS / 4;
        const int n = epoll_wait(p->epoll, ev, EVENTS, wait);
        const int64_t now = push_mono(p);
        for (int i = 0; i < n; i++) {
            struct client *k = ev[i].data.ptr;
            uint64_t woken;
            if (k == NULL) {
                (void)!read(p->wake, &woken, sizeof woken);
                atomic_store(&p->noted, false);
                p->dirty = true;
                take_arrivals(p, now);
            } else if (!k->dead && (ev[i].events & EPOLLOUT) != 0) {
                flush(p, k, now);
            }
            if (k != NULL && !k->dead && (ev[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0) {
                on_readable(p, k, now);
            }
        }
        if (now - p->ticked_ms >= TICK_MS) {
            tick(p, now);
        }
    }
    for (struct client *k = p->first; k != NULL; k = k->next) {
        close_client(p, k, WS_AWAY, "the gateway is going down", push_mono(p));
    }
    while (p->first != NULL) {
        client_free(p, p->first);
    }
    return NULL;
}

static void wake(struct push *p)
{
    const uint64_t one = 1;
    (void)!write(p->wake, &one, sizeof one);
}

void push_note(struct push *p)
{
    if (!atomic_exchange(&p->noted, true)) {
        wake(p);
    }
}

bool push_has_room(struct push *p)
{
    return !atomic_load(&p->stopping) && (size_t)atomic_load(&p->clients) < p->o.max_clients;
}

bool push_adopt(struct push *p, int fd, bool admitted)
{
    pthread_mutex_lock(&p->lock);
    const bool ok = push_has_room(p);
    if (ok) {
        if (p->arrivals == p->arrival_cap) {
            p->arrival_cap = p->arrival_cap == 0 ? 64 : p->arrival_cap * 2;
            p->arrival = xrealloc(p->arrival, p->arrival_cap * sizeof *p->arrival);
        }
        p->arrival[p->arrivals++] = (struct arrival){.fd = fd, .admitted = admitted};
        atomic_fetch_add(&p->clients, 1);
    }
    pthread_mutex_unlock(&p->lock);
    if (ok) {
        wake(p);
    }
    return ok;
}

// ---- life ---------------------------------------------------------------------------------------

static void make_epoch(char out[24])
{
    unsigned char r[8] = {0};
    static const char hex[] = "0123456789abcdef";
    (void)!getrandom(r, sizeof r, 0);
    for (size_t i = 0; i < sizeof r; i++) {
        out[2 * i] = hex[r[i] >> 4];
        out[2 * i + 1] = hex[r[i] & 15];
    }
    out[2 * sizeof r] = '\0';
}

struct push *push_new(const struct push_opts *o)
{
    struct push *p = xcalloc(1, sizeof *p);
    p->o = *o;
    p->n = store_count(o->gateway->store);
    p->epoll = p->wake = -1;
    pthread_mutex_init(&p->lock, NULL);
    make_epoch(p->epoch);
    push_values_init(p);
    buf_init(&p->live, VALUE_MAX);
    buf_init(&p->still, VALUE_MAX);
    buf_init(&p->list, VALUE_MAX);
    buf_init(&p->reply, REPLY_MAX);
    return p;
}

int push_start(struct push *p, struct err *e)
{
    struct epoll_event ev = {.events = EPOLLIN};
    p->epoll = epoll_create1(EPOLL_CLOEXEC);
    p->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (p->epoll < 0 || p->wake < 0 || epoll_ctl(p->epoll, EPOLL_CTL_ADD, p->wake, &ev) != 0 ||
        pthread_create(&p->thread, NULL, run, p) != 0) {
        return err_set(e, ERR_IO, "push: %s", strerror(errno));
    }
    p->has_thread = true;
    return 0;
}

void push_free(struct push *p)
{
    if (p == NULL) {
        return;
    }
    atomic_store(&p->stopping, true);
    if (p->has_thread) {
        wake(p);
        pthread_join(p->thread, NULL);
    }
    for (size_t i = 0; i < p->arrivals; i++) {
        (void)close(p->arrival[i].fd);
    }
    push_values_release(p);
    buf_release(&p->live);
    buf_release(&p->still);
    buf_release(&p->list);
    buf_release(&p->reply);
    if (p->epoll >= 0) {
        (void)close(p->epoll);
    }
    if (p->wake >= 0) {
        (void)close(p->wake);
    }
    pthread_mutex_destroy(&p->lock);
    free(p->arrival);
    free(p);
}

void push_text(struct push *p, struct buf *out)
{
    const struct {
        const char *name, *type, *help;
        uint64_t value;
    } row[] = {
        {"bc4_api_ws_clients", "gauge", "WebSocket clients", (uint64_t)atomic_load(&p->clients)},
        {"bc4_api_ws_accepted_total", "counter", "Clients taken", atomic_load(&p->accepted)},
        {"bc4_api_ws_refused_total", "counter", "Clients closed for what they sent",
         atomic_load(&p->refused)},
        {"bc4_api_ws_stuck_total", "counter", "Clients dropped because they did not read",
         atomic_load(&p->dropped_stuck)},
        {"bc4_api_ws_silent_total", "counter", "Clients dropped because nothing came from them",
         atomic_load(&p->dropped_silent)},
        {"bc4_api_ws_messages_total", "counter", "Messages sent", atomic_load(&p->messages)},
        {"bc4_api_ws_bytes_total", "counter", "Bytes sent", atomic_load(&p->bytes)},
        {"bc4_api_ws_writes_total", "counter", "Writes they took", atomic_load(&p->writes)},
        {"bc4_api_ws_conflated_total", "counter",
         "Values that were overtaken before a client got "
         "them",
         atomic_load(&p->conflated)},
        {"bc4_api_ws_gaps_total", "counter", "Times a client was told what it lost",
         atomic_load(&p->gaps)},
    };
    for (size_t i = 0; i < sizeof row / sizeof row[0]; i++) {
        prom_head(out, row[i].name, row[i].type, row[i].help);
        prom_int(out, row[i].name, "", (int64_t)row[i].value);
    }
    prom_head(out, "bc4_api_pushed_seconds", "histogram",
              "From state written to Redis to the message made of it");
    promhist_text(&p->pushed, out, "bc4_api_pushed_seconds", "");
}

#include "services/collector/io/supervise.h"

#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/base/str.h"
#include "common/io/http.h"

#define TELL_FD 3 // where a child says its port
#define TELL_ENV "COLLECTOR_TELL_FD"
#define RESTART_MIN_MS 1000
#define RESTART_MAX_MS 60000
#define SETTLED_MS 60000 // a child that lived so long starts the pauses anew
#define POLL_MS 1000
#define POLL_TIMEOUT_MS 2000
#define BAD_CONFIGURATION 2

struct child {
    struct supervisor *all;
    const struct config_feed *feed;
    char instance[128];
    int64_t wanted_port;
    pid_t pid; // 0 = does not run
    int64_t started_ms;
    int port; // 0 = not told yet
    int tell_fd;
    struct event *tell;
    struct timer *restart;
    struct backoff backoff;
    struct http_call *call;
    bool ready;
    char status[200]; // of its /ready
    uint64_t restarts;
    int code; // of the last end, -1 = none; signals as 128 + n
};

struct supervisor {
    const struct config *cfg;
    struct loop *loop;
    struct service *service;
    char **argv;
    struct http *http;
    struct timer *poll;
    struct event *sigchld;
    struct child child[CONFIG_FEEDS];
    size_t n;
    bool draining;
};

// ---- a child -----------------------------------------------------------------------------------

static void on_told(evutil_socket_t fd, short what, void *arg)
{
    struct child *c = arg;
    char text[16];
    int64_t port;
    (void)what;
    const ssize_t n = read((int)fd, text, sizeof text);
    if (n > 1 && parse_i64(text, (size_t)n - 1, &port) == 0 && port > 0 && port < 65536) {
        c->port = (int)port;
    }
    event_free(c->tell);
    close(c->tell_fd);
    c->tell = NULL;
    c->tell_fd = -1;
}

static void set_env(const char *name, const char *value)
{
    if (setenv(name, value, 1) != 0) {
        _exit(1);
    }
}

// After the fork: nothing of ours but the pipe goes along.
static void become(const struct child *c, int tell, pid_t parent)
{
    const struct supervisor *s = c->all;
    char port[16];
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (getppid() != parent || dup2(tell, TELL_FD) < 0 || close_range(TELL_FD + 1, ~0U, 0) != 0) {
        _exit(1);
    }
    str_fmt(port, sizeof port, "%lld", (long long)c->wanted_port);
    set_env("SYMBOLS", c->feed->symbols);
    set_env("DATA_SOURCE", c->feed->source);
    set_env("COLLECTOR_INSTANCE", c->instance);
    set_env("COLLECTOR_HTTP_PORT", port);
    set_env(TELL_ENV, "3");
    execv("/proc/self/exe", s->argv);
    _exit(127);
}

static void start(void *arg)
{
    struct child *c = arg;
    struct supervisor *s = c->all;
    int fd[2];
    const pid_t me = getpid();
    if (s->draining || c->pid != 0) {
        return;
    }
    if (pipe2(fd, O_CLOEXEC | O_NONBLOCK) != 0) {
        timer_start(c->restart, RESTART_MAX_MS);
        return;
    }
    const pid_t pid = fork();
    if (pid == 0) {
        become(c, fd[1], me);
    }
    close(fd[1]);
    if (pid < 0) {
        close(fd[0]);
        timer_start(c->restart, RESTART_MAX_MS);
        return;
    }
    c->pid = pid;
    c->port = 0;
    c->ready = false;
    c->started_ms = loop_mono_ms(s->loop);
    str_copy(c->status, sizeof c->status, "starting");
    c->tell_fd = fd[0];
    c->tell = event_new(s->loop->base, fd[0], EV_READ, on_told, c);
    if (c->tell == NULL || event_add(c->tell, NULL) != 0) {
        FATAL("libevent: cannot watch a pipe");
    }
    log_ev(LOG_INFO, "child_up", F_STR("child", c->instance), F_INT("pid", pid),
           F_STR("symbols", c->feed->symbols));
}

static void ended(struct child *c, int status)
{
    struct supervisor *s = c->all;
    c->code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    c->pid = 0;
    c->port = 0;
    c->ready = false;
    if (c->tell != NULL) {
        event_free(c->tell);
        close(c->tell_fd);
        c->tell = NULL;
    }
    if (c->call != NULL) {
        http_cancel(c->call);
        c->call = NULL;
    }
    str_fmt(c->status, sizeof c->status, "ended with %d", c->code);
    if (s->draining || (s->cfg->reset && c->code == 0)) {
        log_ev(LOG_INFO, "child_down", F_STR("child", c->instance), F_INT("exit_code", c->code));
        return;
    }
    if (c->code == BAD_CONFIGURATION || s->cfg->reset) {
        service_fail(s->service, "child_failed", c->status);
        return;
    }
    if (loop_mono_ms(s->loop) - c->started_ms >= SETTLED_MS) {
        backoff_reset(&c->backoff);
    }
    const int64_t pause_ms = backoff_next_ms(&c->backoff, s->loop);
    c->restarts++;
    log_ev(LOG_ERROR, "child_down", F_STR("child", c->instance), F_INT("exit_code", c->code),
           F_INT("restart_ms", pause_ms));
    timer_start(c->restart, pause_ms);
}

static bool any_runs(const struct supervisor *s)
{
    for (size_t i = 0; i < s->n; i++) {
        if (s->child[i].pid != 0) {
            return true;
        }
    }
    return false;
}

static void on_sigchld(evutil_socket_t number, short what, void *arg)
{
    struct supervisor *s = arg;
    (void)number;
    (void)what;
    for (size_t i = 0; i < s->n; i++) {
        int status;
        if (s->child[i].pid != 0 && waitpid(s->child[i].pid, &status, WNOHANG) > 0) {
            ended(&s->child[i], status);
        }
    }
    if ((s->draining || s->cfg->reset) && !any_runs(s)) {
        service_done(s->service);
    }
}

// ---- its state ---------------------------------------------------------------------------------

static void on_ready(void *arg, const struct http_reply *r)
{
    struct child *c = arg;
    struct err e = {0};
    c->call = NULL;
    c->ready = r->err == 0 && r->status == 200;
    json_t *root = r->err == 0 ? json_parse(r->body, r->n, &e) : NULL;
    const char *status = json_string_value(json_object_get(root, "status"));
    str_copy(c->status, sizeof c->status, status != NULL ? status : "does not answer");
    json_decref(root);
}

static void poll(void *arg)
{
    struct supervisor *s = arg;
    const char *host = strcmp(s->cfg->http_host, "0.0.0.0") == 0 ? "127.0.0.1" : s->cfg->http_host;
    for (size_t i = 0; i < s->n; i++) {
        struct child *c = &s->child[i];
        struct err e = {0};
        char url[160];
        if (c->port == 0 || c->call != NULL || s->draining) {
            continue;
        }
        str_fmt(url, sizeof url, "http://%s:%d/ready", host, c->port);
        const struct http_req q = {.url = url,
                                   .timeout_ms = POLL_TIMEOUT_MS,
                                   .max_body = (size_t)1 << 20,
                                   .on_done = on_ready,
                                   .arg = c};
        c->call = http_get(s->http, &q, &e);
    }
}

void supervise_health(void *arg, struct jw *w)
{
    const struct supervisor *s = arg;
    char key[64];
    jw_kint(w, "children", (int64_t)s->n);
    for (size_t i = 0; i < s->n; i++) {
        const struct child *c = &s->child[i];
        const char *venue = venue_name(c->feed->venue);
        str_fmt(key, sizeof key, "%s.pid", venue);
        jw_kint(w, key, c->pid);
        str_fmt(key, sizeof key, "%s.port", venue);
        jw_kint(w, key, c->port);
        str_fmt(key, sizeof key, "%s.ready", venue);
        jw_kbool(w, key, c->ready);
        str_fmt(key, sizeof key, "%s.status", venue);
        jw_kstr(w, key, c->status);
        str_fmt(key, sizeof key, "%s.restarts", venue);
        jw_kint(w, key, (int64_t)c->restarts);
        str_fmt(key, sizeof key, "%s.symbols", venue);
        jw_kstr(w, key, c->feed->symbols);
    }
}

void supervise_ready(void *arg, char *why, size_t size)
{
    const struct supervisor *s = arg;
    for (size_t i = 0; i < s->n; i++) {
        if (!s->child[i].ready) {
            str_fmt(why, size, "%s: %s", venue_name(s->child[i].feed->venue), s->child[i].status);
            return;
        }
    }
}

void supervise_metrics(void *arg, struct buf *out)
{
    static const struct {
        const char *name, *type, *help;
    } row[] = {
        {"bc4_collector_child_up", "gauge", "1 when the process of the venue runs."},
        {"bc4_collector_child_ready", "gauge", "1 when its /ready says so."},
        {"bc4_collector_child_restarts_total", "counter", "How often it was started again."},
    };
    const struct supervisor *s = arg;
    for (size_t r = 0; r < sizeof row / sizeof row[0]; r++) {
        prom_head(out, row[r].name, row[r].type, row[r].help);
        for (size_t i = 0; i < s->n; i++) {
            const struct child *c = &s->child[i];
            const int64_t value[] = {c->pid != 0, c->ready, (int64_t)c->restarts};
            char label[48];
            str_fmt(label, sizeof label, "venue=\"%s\"", venue_name(c->feed->venue));
            prom_int(out, row[r].name, label, value[r]);
        }
    }
}

// ---- life --------------------------------------------------------------------------------------

struct supervisor *supervise_new(const struct config *c, struct loop *loop, char **argv)
{
    struct supervisor *s = xcalloc(1, sizeof *s);
    const bool free_ports = c->http_port == 0 || c->child_port == 0;
    const bool named = strcmp(c->instance, "supervisor") != 0;
    s->cfg = c;
    s->loop = loop;
    s->argv = argv;
    s->n = c->feeds;
    s->http = http_new(loop, NULL, CONFIG_FEEDS);
    s->poll = timer_new(loop, poll, s);
    for (size_t i = 0; i < s->n; i++) {
        struct child *k = &s->child[i];
        const char *venue = venue_name(c->feed[i].venue);
        k->all = s;
        k->feed = &c->feed[i];
        k->wanted_port = free_ports ? 0 : c->child_port + (int64_t)i;
        k->code = k->tell_fd = -1;
        k->backoff = (struct backoff){.min_ms = RESTART_MIN_MS, .max_ms = RESTART_MAX_MS};
        k->restart = timer_new(loop, start, k);
        str_fmt(k->instance, sizeof k->instance, "%s%s%s", named ? c->instance : "",
                named ? "-" : "", venue);
    }
    return s;
}

void supervise_start(struct supervisor *s, struct service *service)
{
    s->service = service;
    s->sigchld = evsignal_new(s->loop->base, SIGCHLD, on_sigchld, s);
    if (s->sigchld == NULL || event_add(s->sigchld, NULL) != 0) {
        FATAL("libevent: cannot watch SIGCHLD");
    }
    for (size_t i = 0; i < s->n; i++) {
        start(&s->child[i]);
    }
    timer_every(s->poll, POLL_MS);
}

void supervise_drain(void *arg)
{
    struct supervisor *s = arg;
    s->draining = true;
    for (size_t i = 0; i < s->n; i++) {
        timer_stop(s->child[i].restart);
        if (s->child[i].pid != 0) {
            kill(s->child[i].pid, SIGTERM);
        }
    }
    if (!any_runs(s)) {
        service_done(s->service);
    }
}

void supervise_free(struct supervisor *s)
{
    if (s == NULL) {
        return;
    }
    for (size_t i = 0; i < s->n; i++) {
        struct child *c = &s->child[i];
        if (c->pid != 0) {
            kill(c->pid, SIGKILL);
            (void)waitpid(c->pid, NULL, 0);
        }
        if (c->tell != NULL) {
            event_free(c->tell);
            close(c->tell_fd);
        }
        timer_free(c->restart);
    }
    timer_free(s->poll);
    http_free(s->http);
    if (s->sigchld != NULL) {
        event_free(s->sigchld);
    }
    free(s);
}

void supervise_tell(int http_port)
{
    const char *fd = getenv(TELL_ENV);
    char text[16];
    if (fd == NULL || strcmp(fd, "3") != 0 || http_port <= 0) {
        return;
    }
    str_fmt(text, sizeof text, "%d\n", http_port);
    const ssize_t n = write(TELL_FD, text, strlen(text));
    (void)n; // then the parent does not know whether it is ready
    close(TELL_FD);
    unsetenv(TELL_ENV);
}

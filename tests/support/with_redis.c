#include "tests/support/with_redis.h"

#include <dirent.h>
#include <fcntl.h>
#include <hiredis/hiredis.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "common/base/mem.h"
#include "common/base/str.h"

#define MAX_ARGS 48

static redisReply *last_reply;
static char last_text[256];

static void nap(void)
{
    struct timespec ts = {.tv_nsec = 5000000};
    nanosleep(&ts, NULL);
}

static void be_redis(const struct with_redis *w, const char *const *args)
{
    // Gone with us, also when a test crashes.
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    char *argv[MAX_ARGS];
    const char *const own[] = {"redis-server",
                               "--port",
                               "0",
                               "--unixsocket",
                               w->sock,
                               "--dir",
                               w->dir,
                               "--daemonize",
                               "no",
                               "--save",
                               "",
                               "--loglevel",
                               "warning",
                               "--enable-debug-command",
                               "yes"};
    size_t n = 0;
    for (size_t i = 0; i < sizeof own / sizeof own[0]; i++) {
        argv[n++] = xstrdup(own[i]);
    }
    for (size_t i = 0; args && args[i] && n < MAX_ARGS - 1; i++) {
        argv[n++] = xstrdup(args[i]);
    }
    argv[n] = NULL;
    char log[200];
    str_fmt(log, sizeof log, "%s/log", w->dir);
    int fd = open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (fd >= 0) {
        dup2(fd, 1);
        dup2(fd, 2);
    }
    unsetenv("LD_PRELOAD");
    execvp("redis-server", argv);
    _exit(127);
}

static bool answers(struct with_redis *w)
{
    redisContext *c = redisConnectUnix(w->sock);
    if (!c) {
        return false;
    }
    redisReply *r = c->err ? NULL : redisCommand(c, "PING");
    // NOAUTH is an answer too; LOADING is not.
    bool up = r && !(r->type == REDIS_REPLY_ERROR && str_starts(r->str, "LOADING"));
    if (r) {
        freeReplyObject(r);
    }
    redisFree(c);
    return up;
}

void with_redis_restart(struct with_redis *w, const char *const *args)
{
    unlink(w->sock);
    fflush(NULL);
    w->pid = fork();
    if (w->pid == 0) {
        be_redis(w, args);
    }
    for (int i = 0; i < 2000; i++) {
        if (answers(w)) {
            return;
        }
        int status;
        if (waitpid(w->pid, &status, WNOHANG) == w->pid) {
            FATAL("redis-server ended at once; see %s/log", w->dir);
        }
        nap();
    }
    FATAL("redis-server does not answer; see %s/log", w->dir);
}

struct with_redis *with_redis_new(const char *const *args)
{
    struct with_redis *w = xcalloc(1, sizeof *w);
    const char *tmp = getenv("TMPDIR");
    str_fmt(w->dir, sizeof w->dir, "%s/bc4-redis-XXXXXX", tmp && tmp[0] ? tmp : "/tmp");
    if (!mkdtemp(w->dir)) {
        FATAL("cannot make %s", w->dir);
    }
    str_fmt(w->sock, sizeof w->sock, "%s/s", w->dir);
    w->url.is_unix = true;
    str_copy(w->url.host, sizeof w->url.host, w->sock);
    with_redis_restart(w, args);
    return w;
}

static void drop_ctl(struct with_redis *w)
{
    if (last_reply) {
        freeReplyObject(last_reply);
        last_reply = NULL;
    }
    if (w->ctl) {
        redisFree(w->ctl);
        w->ctl = NULL;
    }
}

void with_redis_kill(struct with_redis *w)
{
    drop_ctl(w);
    if (w->pid > 0) {
        kill(w->pid, SIGKILL);
        waitpid(w->pid, NULL, 0);
        w->pid = 0;
    }
}

void with_redis_freeze(struct with_redis *w)
{
    int status;
    kill(w->pid, SIGSTOP);
    waitpid(w->pid, &status, WUNTRACED);
}

void with_redis_thaw(struct with_redis *w)
{
    kill(w->pid, SIGCONT);
}

static void remove_tree(const char *dir)
{
    DIR *d = opendir(dir);
    if (!d) {
        return;
    }
    const struct dirent *e;
    while ((e = readdir(d))) {
        if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0) {
            char path[600];
            str_fmt(path, sizeof path, "%s/%s", dir, e->d_name);
            if (unlink(path)) {
                remove_tree(path);
            }
        }
    }
    closedir(d);
    rmdir(dir);
}

void with_redis_free(struct with_redis *w)
{
    with_redis_kill(w);
    remove_tree(w->dir);
    free(w);
}

static const redisReply *run(struct with_redis *w, const char *fmt, va_list ap)
{
    if (!w->ctl) {
        w->ctl = redisConnectUnix(w->sock);
        if (!w->ctl || w->ctl->err) {
            FATAL("with_redis: cannot connect");
        }
    }
    if (last_reply) {
        freeReplyObject(last_reply);
    }
    last_reply = redisvCommand(w->ctl, fmt, ap);
    if (!last_reply) {
        FATAL("with_redis: %s", w->ctl->errstr);
    }
    return last_reply;
}

const struct redisReply *with_redis_cmd(struct with_redis *w, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    const redisReply *r = run(w, fmt, ap);
    va_end(ap);
    return r;
}

const char *with_redis_text(struct with_redis *w, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    const redisReply *r = run(w, fmt, ap);
    va_end(ap);
    if (r->type == REDIS_REPLY_INTEGER) {
        str_fmt(last_text, sizeof last_text, "%lld", r->integer);
        return last_text;
    }
    return r->type == REDIS_REPLY_NIL || !r->str ? "" : r->str;
}

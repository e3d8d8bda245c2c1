// The service's side of summaries: reading one, and having one made.

#include "services/backfill/io/fold.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/log.h"
#include "common/base/mem.h"
#include "services/backfill/io/app.h"
#include "services/backfill/io/fold_file.h"

#define ARGS_MAX 32

extern char **environ;

struct fold {
    struct app *app;
    struct instrument ins;
    int64_t day_ms, from_id, to_id; // wanted; day_ms -1: nothing is
    pid_t pid;                      // 0: none
};

struct fold *fold_new(struct app *a)
{
    struct fold *f = xcalloc(1, sizeof *f);
    f->app = a;
    f->day_ms = -1;
    return f;
}

void fold_free(struct fold *f)
{
    if (f != NULL && f->pid != 0) {
        int status;
        (void)kill(f->pid, SIGKILL);
        (void)waitpid(f->pid, &status, 0);
    }
    free(f);
}

void fold_want(struct fold *f, const struct instrument *ins, int64_t day_ms, int64_t from_id,
               int64_t to_id)
{
    f->ins = *ins;
    f->day_ms = day_ms;
    f->from_id = from_id;
    f->to_id = to_id;
}

// ---- reading
// -------------------------------------------------------------------------------------

bool fold_read(const char *store_dir, const struct instrument *ins, int64_t day_ms,
               struct buf *text, struct summary_head *head)
{
    char dir[STORE_PATH], path[STORE_PATH];
    struct stat st;
    bool ok = false;
    buf_clear(text);
    store_day_path(store_dir, ins, day_ms, dir);
    if (!fold_file_path(dir, path)) {
        return false;
    }
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd >= 0 && fstat(fd, &st) == 0 && st.st_size > 0 &&
        st.st_size <= (off_t)SUMMARY_TEXT_MAX + 64) {
        const size_t n = (size_t)st.st_size;
        char *p = buf_reserve(text, n);
        if (p != NULL && read(fd, p, n) == (ssize_t)n) {
            struct err e = {0};
            buf_commit(text, n);
            ok = summary_peek(ins, p, n, head, &e) == 0 && head->start_ms == day_ms;
            if (!ok) {
                log_ev(LOG_WARN, "summary_not_used", F_STR("file", path), F_STR("why", e.text));
                (void)unlink(path); // the next complete day makes it again
            }
        }
    }
    if (fd >= 0) {
        close(fd);
    }
    return ok;
}

bool fold_entry(const struct job *j, int64_t from_ms, int64_t to_ms, struct buf *text,
                struct history *h)
{
    const struct config *c = j->app->cfg;
    struct summary_head head;
    if (!c->cache || j->newest_ms - to_ms < c->summary_after_min * 60000 ||
        !fold_read(c->cache_dir, &j->ins, from_ms, text, &head)) {
        return false;
    }
    *h = (struct history){.kind = HISTORY_DAY,
                          .from_id = head.from_id,
                          .to_id = head.to_id,
                          .from_ms = from_ms,
                          .to_ms = to_ms,
                          .source = "store",
                          .reason = "backfill",
                          .n = head.trades,
                          .data = {buf_ptr(text), buf_len(text)}};
    return true;
}

void fold_log(const struct job *j, const struct history *h)
{
    log_ev(LOG_INFO, "summary_taken", F_STR("sym", j->ins.name), F_INT("trades", h->n),
           F_UINT("bytes", h->data.n));
}

// ---- making
// --------------------------------------------------------------------------------------

static pid_t start_child(struct fold *f)
{
    const struct config *c = f->app->cfg;
    char memory[24], day[24], from[24], to[24];
    struct instrument_fields fields;
    char pair[sizeof fields.name / sizeof fields.name[0]][96];
    const char *argv[ARGS_MAX] = {
        "backfill", "--fold-child", c->cache_dir, memory, c->store_lib, day, from, to, f->ins.name};
    size_t n = 9;
    memory[fmt_i64(memory, c->store_memory_mb)] = '\0';
    day[fmt_i64(day, f->day_ms)] = '\0';
    from[fmt_i64(from, f->from_id)] = '\0';
    to[fmt_i64(to, f->to_id)] = '\0';
    instrument_to_fields(&f->ins, &fields);
    for (size_t i = 0; i < fields.n && n + 1 < ARGS_MAX; i++) {
        str_fmt(pair[i], sizeof pair[i], "%s=%s", fields.name[i], fields.value[i]);
        argv[n++] = pair[i];
    }
    argv[n] = NULL;
    char *args[ARGS_MAX];
    memcpy(args, argv, sizeof args); // exec's own prototype knows no const
    posix_spawn_file_actions_t fa;
    posix_spawnattr_t at;
    pid_t pid = 0;
    posix_spawn_file_actions_init(&fa);
    posix_spawnattr_init(&at);
    posix_spawn_file_actions_addclosefrom_np(&fa, 3);
    posix_spawnattr_setflags(&at, POSIX_SPAWN_SETPGROUP); // Ctrl-C is for the service alone
    if (posix_spawn(&pid, "/proc/self/exe", &fa, &at, args, environ) != 0) {
        pid = 0;
    }
    posix_spawn_file_actions_destroy(&fa);
    posix_spawnattr_destroy(&at);
    return pid;
}

void fold_tick(struct fold *f)
{
    int status;
    if (f->pid != 0) {
        if (waitpid(f->pid, &status, WNOHANG) != f->pid) {
            return;
        }
        f->pid = 0;
        if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
            log_ev(LOG_WARN, "summary_not_made", F_STR("sym", f->ins.name),
                   F_INT("status", status));
        }
    }
    if (f->day_ms < 0 || store_is_off(f->app->store) ||
        store_writing(f->app->store, &f->ins, f->day_ms) > 0) {
        return;
    }
    char dir[STORE_PATH], path[STORE_PATH];
    store_day_path(f->app->cfg->cache_dir, &f->ins, f->day_ms, dir);
    // Ids prove a day; where there are none, the part that holds all of it does.
    const bool whole =
        f->from_id >= 0 || store_has_whole_day(f->app->cfg->cache_dir, &f->ins, f->day_ms, NULL);
    if (whole && fold_file_path(dir, path) && access(path, F_OK) != 0) {
        f->pid = start_child(f);
    }
    f->day_ms = -1;
}

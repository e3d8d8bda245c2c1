// Days on their way out of the store: a child process per day that is asked for, read through a
// pipe.

#include "services/backfill/io/store_inner.h"

#include <errno.h>
#include <event2/event.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/decimal.h"
#include "common/base/log.h"
#include "common/base/mem.h"
#include "services/backfill/io/store_child.h"

#define READ_BYTES ((size_t)256 << 10)

static void reader_stop(struct reader *r)
{
    if (r->ev != NULL) {
        event_free(r->ev);
        close(r->fd);
        r->ev = NULL;
    }
    timer_stop(r->absent);
    free(r->bytes);
    r->bytes = NULL;
    r->active = false;
}

static void reader_done(struct reader *r)
{
    struct store *s = r->store;
    const struct source_day q = r->q;
    struct store_part whole = {0};
    enum source_end end = r->rows > 0 ? SOURCE_DONE : SOURCE_ABSENT;
    const char *why = "";
    int status = 0;
    if (r->pid != 0) {
        (void)waitpid(r->pid, &status, 0); // it closed its output with its last breath
        store_judge(s, status);
        if (status != 0) {
            end = s->off ? SOURCE_ABSENT : SOURCE_BAD;
            why = s->off ? "libduckdb is not there" : "the store could not be read";
        }
        log_ev(LOG_INFO, "store_read", F_STR("sym", q.ins->name), F_UINT("rows", r->rows));
    }
    const bool is_whole =
        end == SOURCE_DONE && store_has_whole_day(s->o.dir, q.ins, q.start_ms, &whole);
    if (is_whole && q.on_claim != NULL) {
        q.on_claim(q.arg, q.start_ms, q.start_ms + MS_PER_DAY);
    }
    reader_stop(r);
    q.on_done(q.arg, end, why, is_whole ? whole.sha256 : "");
}

static void take_row(struct reader *r, const struct store_row *row)
{
    const struct source_day *q = &r->q;
    const struct instrument *ins = q->ins;
    char price[DEC_TEXT], qty[DEC_TEXT], uid[UID_TEXT] = "";
    if (row->kind == STORE_PROMISE) {
        if (q->on_promise != NULL) {
            q->on_promise(q->arg, row->ts_ms, row->id);
        }
        return;
    }
    if (row->kind == STORE_CLAIM) {
        r->rows++;
        if (q->on_claim != NULL) {
            q->on_claim(q->arg, row->ts_ms, row->id);
        }
        return;
    }
    if (row->ts_ms < q->start_ms || row->ts_ms >= q->start_ms + MS_PER_DAY || row->id < 0 ||
        row->price <= 0 || row->qty <= 0) {
        return;
    }
    const size_t pn = dec_format(price, row->price, ins->price_scale, ins->price_decimals);
    const size_t qn = dec_format(qty, row->qty, ins->qty_scale, ins->qty_decimals);
    if (ins->venue == VENUE_BYBIT) {
        trade_uid_format(row->uid, uid);
    }
    r->rows++;
    q->on_row(q->arg, &(struct csv_row){.ts_ms = row->ts_ms,
                                        .id = row->id,
                                        .price = {price, pn},
                                        .qty = {qty, qn},
                                        .uid = slice_of(uid),
                                        .symbol = {"", 0},
                                        .side = row->buy ? SIDE_BUY : SIDE_SELL,
                                        .flags = row->flags});
}

// A day that is whole needs no claims: it is promised, as they would be.
static void promise(struct reader *r)
{
    const struct source_day *q = &r->q;
    r->promised = true;
    if (q->on_promise != NULL && store_has_whole_day(r->store->o.dir, q->ins, q->start_ms, NULL)) {
        q->on_promise(q->arg, q->start_ms, q->start_ms + MS_PER_DAY);
    }
}

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
    struct reader *r = arg;
    (void)what;
    if (!r->promised) {
        promise(r);
    }
    if (!r->q.has_room(r->q.arg)) {
        r->paused = true;
        event_del(r->ev);
        return;
    }
    const ssize_t n = read(fd, r->bytes + r->n, READ_BYTES - r->n);
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
        return;
    }
    if (n <= 0) {
        reader_done(r);
        return;
    }
    r->n += (size_t)n;
    size_t at = 0;
    for (; r->active && at + sizeof(struct store_row) <= r->n; at += sizeof(struct store_row)) {
        struct store_row row;
        memcpy(&row, r->bytes + at, sizeof row);
        take_row(r, &row);
    }
    if (r->active) { // a row may have ended it
        memmove(r->bytes, r->bytes + at, r->n - at);
        r->n -= at;
    }
}

static void on_absent(void *arg)
{
    reader_done(arg);
}

bool store_read(struct store *s, const struct source_day *d)
{
    char dir[STORE_PATH];
    struct reader *r = NULL;
    for (size_t i = 0; i < READERS && r == NULL; i++) {
        r = s->reader[i].active ? NULL : &s->reader[i];
    }
    if (r == NULL) {
        return false;
    }
    r->store = s;
    r->q = *d;
    r->pid = 0;
    r->n = 0;
    r->rows = 0;
    r->promised = false;
    r->active = true;
    r->paused = false;
    if (r->absent == NULL) {
        r->absent = timer_new(s->o.loop, on_absent, r);
    }
    store_day_path(s->o.dir, d->ins, d->start_ms, dir);
    const pid_t pid = s->off || access(dir, F_OK) != 0
                          ? -1
                          : store_spawn(s, d->ins, d->start_ms, NULL, "", &r->fd);
    if (pid < 0) {
        timer_start(r->absent, 0);
        return true;
    }
    r->pid = pid;
    r->bytes = xmalloc(READ_BYTES);
    r->ev = event_new(s->o.loop->base, r->fd, EV_READ | EV_PERSIST, on_readable, r);
    event_add(r->ev, NULL);
    return true;
}

void store_kick(struct store *s)
{
    for (size_t i = 0; i < READERS; i++) {
        struct reader *r = &s->reader[i];
        if (r->active && r->paused && r->q.has_room(r->q.arg)) {
            r->paused = false;
            event_add(r->ev, NULL);
        }
    }
}

static void reader_kill(struct reader *r)
{
    int status = 0;
    if (r->active && r->pid != 0) {
        (void)kill(r->pid, SIGKILL);
        (void)waitpid(r->pid, &status, 0);
    }
    if (r->active) {
        reader_stop(r);
    }
}

void store_abort(struct store *s, const void *arg)
{
    for (size_t i = 0; s != NULL && i < READERS; i++) {
        if (s->reader[i].q.arg == arg) {
            reader_kill(&s->reader[i]);
        }
    }
}

void store_read_free(struct store *s)
{
    for (size_t i = 0; i < READERS; i++) {
        reader_kill(&s->reader[i]);
        timer_free(s->reader[i].absent);
    }
}

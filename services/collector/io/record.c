#include "services/collector/io/record.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/buf.h"
#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/base/str.h"
#include "common/feed/record.h"
#include "services/collector/io/record_disk.h"

#define POLL_MS 200 // the thread looks at the queue
#define SLACK 65536 // of the queue, for what is no message: it is never dropped
#define OP_TEXT_MAX 4096

enum op { OP_OPEN, OP_MESSAGE, OP_CUT, OP_CLOSE, OP_REST };

// In front of each entry of the queue; n bytes follow: OP_OPEN kind\0 url\0, OP_MESSAGE the
// message, OP_CUT and OP_CLOSE why, OP_REST url\0 body.
struct entry {
    int64_t rx_us;
    uint64_t dropped; // OP_CUT
    uint32_t n;
    uint8_t op, stream;
    bool simulated;
};

struct recorder {
    struct record_disk *disk; // of the thread
    struct clock clock;
    uint64_t queue_bytes;
    int64_t flush_ms;
    pthread_t thread;

    // of the loop
    struct {
        bool used;
        uint64_t dropped; // since it was last told
    } stream[RECORD_STREAMS];
    bool told_paused;

    pthread_mutex_t lock; // of all that follows
    pthread_cond_t wake;
    struct buf front; // filled by the loop
    bool stop, ended;
    uint64_t dropped;
    struct record_disk_stats disk_stats; // as of the last turn
};

// ---- the thread --------------------------------------------------------------------------------

static void carry_out(struct record_disk *d, const struct entry *e, const char *p)
{
    switch ((enum op)e->op) {
    case OP_OPEN: {
        const char *url = memchr(p, '\0', e->n);
        record_disk_open(d, e->stream, p, url + 1, e->simulated, e->rx_us);
        break;
    }
    case OP_MESSAGE:
        record_disk_message(d, e->stream, e->rx_us, p, e->n);
        break;
    case OP_CUT:
        record_disk_cut(d, e->stream, e->rx_us, p, e->dropped);
        break;
    case OP_CLOSE:
        record_disk_close(d, e->stream, e->rx_us, p);
        break;
    case OP_REST: {
        const char *body = (const char *)memchr(p, '\0', e->n) + 1;
        record_disk_rest(d, e->stream, e->rx_us, p, body, e->n - (size_t)(body - p));
        break;
    }
    }
}

static void work(struct recorder *r, const struct buf *back)
{
    const char *p = buf_ptr(back), *end = p + buf_len(back);
    while (p < end) {
        struct entry e;
        memcpy(&e, p, sizeof e);
        p += sizeof e;
        carry_out(r->disk, &e, p);
        p += e.n;
    }
}

static void sleep_a_while(struct recorder *r)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += POLL_MS * 1000000L;
    if (until.tv_nsec >= 1000000000L) {
        until.tv_nsec -= 1000000000L;
        until.tv_sec++;
    }
    pthread_cond_timedwait(&r->wake, &r->lock, &until);
}

static void *run(void *arg)
{
    struct recorder *r = arg;
    struct buf back;
    int64_t flushed_ms = r->clock.mono_ms(r->clock.arg);
    bool stop = false;
    buf_init(&back, r->queue_bytes + SLACK);
    pthread_mutex_lock(&r->lock);
    while (!stop) {
        if (!r->stop && buf_len(&r->front) < r->queue_bytes / 4) {
            sleep_a_while(r);
        }
        stop = r->stop && buf_len(&r->front) == 0;
        const struct buf full = r->front;
        r->front = back;
        back = full;
        pthread_mutex_unlock(&r->lock);

        work(r, &back);
        buf_clear(&back);
        const int64_t now_ms = r->clock.mono_ms(r->clock.arg);
        if (stop || now_ms - flushed_ms >= r->flush_ms) {
            record_disk_tick(r->disk, r->clock.wall_us(r->clock.arg), now_ms);
            flushed_ms = now_ms;
        }
        struct record_disk_stats now;
        record_disk_stats(r->disk, &now);
        pthread_mutex_lock(&r->lock);
        r->disk_stats = now;
    }
    pthread_mutex_unlock(&r->lock);
    record_disk_free(r->disk, r->clock.wall_us(r->clock.arg));
    buf_release(&back);
    pthread_mutex_lock(&r->lock);
    r->ended = true;
    pthread_cond_broadcast(&r->wake);
    pthread_mutex_unlock(&r->lock);
    return NULL;
}

// ---- the loop ----------------------------------------------------------------------------------

// Appends an entry and its bytes (two pieces); false: the queue has no room.
static bool put(struct recorder *r, struct entry e, const char *a, size_t a_n, const char *b,
                size_t b_n)
{
    e.n = (uint32_t)(a_n + b_n);
    const size_t need = sizeof e + a_n + b_n;
    const bool counts = e.op == OP_MESSAGE || e.op == OP_REST;
    pthread_mutex_lock(&r->lock);
    const size_t have = buf_len(&r->front);
    const bool fits = have + need <= r->queue_bytes + (counts ? 0 : SLACK);
    if (fits) {
        buf_add(&r->front, &e, sizeof e);
        buf_add(&r->front, a, a_n);
        buf_add(&r->front, b, b_n);
        if (have < r->queue_bytes / 4 && have + need >= r->queue_bytes / 4) {
            pthread_cond_signal(&r->wake);
        }
    } else {
        r->dropped += counts ? 1 : 0;
    }
    pthread_mutex_unlock(&r->lock);
    return fits;
}

// What was dropped is told in front of the next message that fits.
static void put_counted(struct recorder *r, struct entry e, const char *a, size_t a_n,
                        const char *b, size_t b_n)
{
    static const char why[] = "dropped";
    uint64_t *dropped = &r->stream[e.stream].dropped;
    if (*dropped > 0) {
        struct entry cut = e;
        cut.op = OP_CUT;
        cut.dropped = *dropped;
        if (!put(r, cut, why, sizeof why, "", 0)) {
            ++*dropped;
            pthread_mutex_lock(&r->lock);
            r->dropped++;
            pthread_mutex_unlock(&r->lock);
            return;
        }
        *dropped = 0;
    }
    *dropped += put(r, e, a, a_n, b, b_n) ? 0 : 1;
}

static int open_stream(struct recorder *r, int h, const char *kind, const char *url, bool simulated,
                       int64_t rx_us)
{
    const struct entry e = {
        .rx_us = rx_us, .op = OP_OPEN, .stream = (uint8_t)h, .simulated = simulated};
    const size_t url_n = strlen(url) < OP_TEXT_MAX ? strlen(url) + 1 : 1;
    r->stream[h].used = put(r, e, kind, strlen(kind) + 1, url_n > 1 ? url : "", url_n);
    r->stream[h].dropped = 0;
    return r->stream[h].used ? h : -1;
}

int recorder_open(struct recorder *r, const char *kind, const char *url, bool simulated,
                  int64_t rx_us)
{
    for (int h = 0; r != NULL && h < RECORD_STREAMS; h++) {
        if (h != RECORD_REST_STREAM && !r->stream[h].used) {
            return open_stream(r, h, kind, url, simulated, rx_us);
        }
    }
    return -1;
}

void recorder_message(struct recorder *r, int h, int64_t rx_us, const char *p, size_t n)
{
    if (r != NULL && h >= 0) {
        put_counted(r, (struct entry){.rx_us = rx_us, .op = OP_MESSAGE, .stream = (uint8_t)h}, p, n,
                    "", 0);
    }
}

static void tell(struct recorder *r, enum op op, int h, int64_t rx_us, const char *why)
{
    char text[128];
    str_copy(text, sizeof text, why);
    const struct entry e = {.rx_us = rx_us, .op = (uint8_t)op, .stream = (uint8_t)h};
    // Without room for it the next message finds the drop counted, or the file ends without a mark:
    // both say that something is missing.
    if (!put(r, e, text, strlen(text) + 1, "", 0)) {
        r->stream[h].dropped++;
    }
}

void recorder_cut(struct recorder *r, int h, int64_t rx_us, const char *why)
{
    if (r != NULL && h >= 0) {
        tell(r, OP_CUT, h, rx_us, why);
    }
}

void recorder_close(struct recorder *r, int h, int64_t rx_us, const char *why)
{
    if (r != NULL && h >= 0) {
        tell(r, OP_CLOSE, h, rx_us, why);
        r->stream[h].used = false;
    }
}

void recorder_rest(struct recorder *r, bool simulated, int64_t rx_us, const char *url,
                   const char *p, size_t n)
{
    if (r == NULL ||
        (!r->stream[RECORD_REST_STREAM].used &&
         open_stream(r, RECORD_REST_STREAM, RECORD_KIND_REST, "", simulated, rx_us) < 0)) {
        return;
    }
    put_counted(r, (struct entry){.rx_us = rx_us, .op = OP_REST, .stream = RECORD_REST_STREAM}, url,
                strlen(url) + 1, p, n);
}

void recorder_stats(struct recorder *r, struct recorder_stats *out)
{
    memset(out, 0, sizeof *out);
    if (r == NULL) {
        return;
    }
    pthread_mutex_lock(&r->lock);
    const struct record_disk_stats *d = &r->disk_stats;
    out->on = true;
    out->paused = d->paused;
    str_copy(out->why, sizeof out->why, d->why);
    str_copy(out->file, sizeof out->file, d->file);
    out->bytes = d->bytes;
    out->lines = d->lines;
    out->dropped = r->dropped + d->dropped;
    out->kept = d->kept;
    out->deleted = d->deleted;
    out->queued = buf_len(&r->front);
    pthread_mutex_unlock(&r->lock);
}

void recorder_tick(struct recorder *r)
{
    struct recorder_stats s;
    if (r == NULL) {
        return;
    }
    recorder_stats(r, &s);
    if (s.paused != r->told_paused) {
        r->told_paused = s.paused;
        log_ev(s.paused ? LOG_ERROR : LOG_INFO, s.paused ? "record_paused" : "record_resumed",
               F_STR("why", s.why), F_UINT("dropped", s.dropped));
    }
}

// ---- life --------------------------------------------------------------------------------------

struct recorder *recorder_new(const struct recorder_opts *o)
{
    if (o->dir[0] == '\0') {
        return NULL;
    }
    struct recorder *r = xcalloc(1, sizeof *r);
    r->clock = o->clock;
    r->queue_bytes = o->queue_bytes;
    r->flush_ms = o->flush_ms > 0 ? o->flush_ms : 500;
    r->disk = record_disk_new(&(struct record_disk_opts){
        .dir = o->dir, .venue = o->venue, .max_bytes = o->max_bytes, .period_ms = o->period_ms});
    buf_init(&r->front, o->queue_bytes + SLACK);
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_mutex_init(&r->lock, NULL);
    pthread_cond_init(&r->wake, &attr);
    pthread_condattr_destroy(&attr);
    const int rc = pthread_create(&r->thread, NULL, run, r);
    if (rc != 0) {
        FATAL("no thread for the recorder: %s", strerror(rc));
    }
    return r;
}

void recorder_free(struct recorder *r, int64_t wait_ms)
{
    if (r == NULL) {
        return;
    }
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += wait_ms / 1000;
    pthread_mutex_lock(&r->lock);
    r->stop = true;
    pthread_cond_broadcast(&r->wake);
    while (!r->ended && pthread_cond_timedwait(&r->wake, &r->lock, &until) == 0) {
    }
    const bool ended = r->ended;
    pthread_mutex_unlock(&r->lock);
    if (!ended) {
        // A disk that does not answer: the thread dies with the process, what it holds stays its.
        log_ev(LOG_WARN, "record_abandoned", F_STR("why", "the disk does not answer"));
        pthread_detach(r->thread);
        return;
    }
    pthread_join(r->thread, NULL);
    buf_release(&r->front);
    pthread_cond_destroy(&r->wake);
    pthread_mutex_destroy(&r->lock);
    free(r);
}

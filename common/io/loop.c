#include "common/io/loop.h"

#include <event2/event.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/base/log.h"
#include "common/base/mem.h"

static void libevent_log(int severity, const char *msg)
{
    if (severity == EVENT_LOG_DEBUG) {
        return;
    }
    enum log_level level = severity == EVENT_LOG_ERR    ? LOG_ERROR
                           : severity == EVENT_LOG_WARN ? LOG_WARN
                                                        : LOG_INFO;
    log_ev(level, "libevent", F_STR("msg", msg));
}

static void libevent_fatal(int code)
{
    FATAL("libevent gave up with code %d", code);
}

// splitmix64: enough for jitter, and a test can state its seed.
static uint64_t mix(uint64_t *state)
{
    uint64_t z = (*state += UINT64_C(0x9e3779b97f4a7c15));
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

struct loop *loop_new(struct clock clock)
{
    signal(SIGPIPE, SIG_IGN);
    event_set_log_callback(libevent_log);
    event_set_fatal_callback(libevent_fatal);
    struct event_config *cfg = event_config_new();
    if (!cfg) {
        FATAL("libevent: no memory");
    }
    // A timer set after a long callback must count from now, not from the start of the turn.
    event_config_set_flag(cfg, EVENT_BASE_FLAG_NO_CACHE_TIME);
    struct loop *l = xcalloc(1, sizeof *l);
    l->base = event_base_new_with_config(cfg);
    event_config_free(cfg);
    if (!l->base) {
        FATAL("libevent cannot start");
    }
    l->clock = clock;
    l->rng = (uint64_t)clock.wall_us(clock.arg) ^ ((uint64_t)getpid() << 40);
    return l;
}

void loop_free(struct loop *l)
{
    if (!l) {
        return;
    }
    event_base_free(l->base);
    free(l);
}

void loop_run(struct loop *l)
{
    // Without EVLOOP_NO_EXIT_ON_EMPTY a loop whose last timer ran would end by itself.
    event_base_loop(l->base, EVLOOP_NO_EXIT_ON_EMPTY);
}

void loop_stop(struct loop *l)
{
    event_base_loopbreak(l->base);
}

int64_t loop_mono_ms(const struct loop *l)
{
    return l->clock.mono_ms(l->clock.arg);
}

int64_t loop_wall_us(const struct loop *l)
{
    return l->clock.wall_us(l->clock.arg);
}

uint64_t loop_random(struct loop *l, uint64_t n)
{
    if (n == 0) {
        FATAL("loop_random: empty range");
    }
    __extension__ typedef unsigned __int128 wide;
    return (uint64_t)(((wide)mix(&l->rng) * n) >> 64);
}

struct timer {
    struct event *ev;
    timer_cb cb;
    void *arg;
    int64_t period_ms; // 0 = one shot
};

static void arm(struct timer *t, int64_t delay_ms)
{
    if (delay_ms < 0) {
        delay_ms = 0;
    }
    struct timeval tv = {.tv_sec = (time_t)(delay_ms / 1000),
                         .tv_usec = (suseconds_t)(delay_ms % 1000 * 1000)};
    if (evtimer_add(t->ev, &tv)) {
        FATAL("libevent: cannot add a timer");
    }
}

static void fire_cb(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    struct timer *t = arg;
    if (t->period_ms > 0) {
        arm(t, t->period_ms);
    }
    t->cb(t->arg); // last: it may free t
}

struct timer *timer_new(struct loop *l, timer_cb cb, void *arg)
{
    struct timer *t = xcalloc(1, sizeof *t);
    t->cb = cb;
    t->arg = arg;
    t->ev = evtimer_new(l->base, fire_cb, t);
    if (!t->ev) {
        FATAL("libevent: no memory for a timer");
    }
    return t;
}

void timer_free(struct timer *t)
{
    if (!t) {
        return;
    }
    event_free(t->ev);
    free(t);
}

void timer_start(struct timer *t, int64_t delay_ms)
{
    t->period_ms = 0;
    arm(t, delay_ms);
}

void timer_every(struct timer *t, int64_t period_ms)
{
    t->period_ms = period_ms < 1 ? 1 : period_ms;
    arm(t, t->period_ms);
}

void timer_stop(struct timer *t)
{
    t->period_ms = 0;
    evtimer_del(t->ev);
}

bool timer_is_running(const struct timer *t)
{
    return evtimer_pending(t->ev, NULL) != 0;
}

int64_t backoff_next_ms(struct backoff *b, struct loop *l)
{
    int64_t d = b->min_ms < 1 ? 1 : b->min_ms;
    for (int i = 0; i < b->attempt && d < b->max_ms; i++) {
        d *= 2;
    }
    if (d > b->max_ms) {
        d = b->max_ms < 1 ? 1 : b->max_ms;
    }
    if (b->attempt < 60) {
        b->attempt++;
    }
    int64_t half = d / 2;
    return half + (int64_t)loop_random(l, (uint64_t)(d - half) + 1);
}

void backoff_reset(struct backoff *b)
{
    b->attempt = 0;
}

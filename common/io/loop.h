#ifndef IO_LOOP_H
#define IO_LOOP_H
// One event_base, one thread. A thin layer over libevent so that timers are one line and its log
// goes into ours.

#include <stdbool.h>
#include <stdint.h>

#include "common/base/clock.h"

struct event_base;
struct loop {
    struct event_base *base; // owned
    struct clock clock;
    uint64_t rng; // jitter; seeded from the clock and pid, or by tests
};

struct loop *loop_new(struct clock clock); // aborts when libevent cannot start
void loop_free(struct loop *l);
void loop_run(struct loop *l);  // until loop_stop()
void loop_stop(struct loop *l); // from a callback
int64_t loop_mono_ms(const struct loop *l);
int64_t loop_wall_us(const struct loop *l);
// Uniform in [0, n); n >= 1.
uint64_t loop_random(struct loop *l, uint64_t n);

// One-shot or periodic timer. Owned by the caller; free stops it. Safe to call from its own cb.
struct timer;
typedef void (*timer_cb)(void *arg);
struct timer *timer_new(struct loop *l, timer_cb cb, void *arg);
void timer_free(struct timer *t);
void timer_start(struct timer *t, int64_t delay_ms); // restarts when running
void timer_every(struct timer *t, int64_t period_ms);
void timer_stop(struct timer *t);
bool timer_is_running(const struct timer *t);

// Capped exponential backoff with full jitter on the upper half: delay n is drawn from
// [d/2, d], d = min(max, min * 2^n). reset() by proof of success only (data, not a connect).
struct backoff {
    int64_t min_ms, max_ms;
    int attempt;
};
int64_t backoff_next_ms(struct backoff *b, struct loop *l);
void backoff_reset(struct backoff *b);

#endif

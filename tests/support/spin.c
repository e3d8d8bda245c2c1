#include "tests/support/spin.h"

#include <event2/event.h>
#include <stdlib.h>
#include <time.h>

static int64_t real_ms(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

int64_t spin_deadline(int64_t ms)
{
    const char *patience = getenv("BC4_PATIENCE");
    int64_t factor = patience && patience[0] > '1' && patience[0] <= '9' ? patience[0] - '0' : 1;
    return real_ms() + ms * factor;
}

bool spin_turn(struct loop *l, int64_t deadline)
{
    event_base_loop(l->base, EVLOOP_NONBLOCK);
    struct timespec nap = {.tv_nsec = 300000};
    nanosleep(&nap, NULL);
    return real_ms() < deadline;
}

void spin_for(struct loop *l, int64_t ms)
{
    int64_t end = real_ms() + ms;
    while (spin_turn(l, end)) {
    }
}

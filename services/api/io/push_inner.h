#ifndef API_PUSH_INNER_H
#define API_PUSH_INNER_H
// What the three files of the push side share: push.c (the thread and its clients), push_value.c
// (the newest value of each channel), push_send.c (values as messages of one client).

#include <pthread.h>
#include <stdatomic.h>

#include "common/io/promhist.h"
#include "services/api/core/keyed.h"
#include "services/api/core/route.h"
#include "services/api/core/session.h"
#include "services/api/core/wsproto.h"
#include "services/api/io/push.h"

#define VALUE_MAX ((size_t)8 << 20) // bytes of one channel
#define LIVE_MS 1000
// No further message is composed for a client that has so much to write.
#define COMPOSE_BYTES ((size_t)256 << 10)

// The newest value of one channel of one instrument.
struct value {
    uint64_t seq;    // 0 = none yet
    struct buf body; // state: the answer; keyed: what stands around the rows
    struct keyed keyed;
    int64_t made_ms; // monotonic
    int64_t wall_ms;
    void *from[SEC_COUNT_]; // sections it was made of
    size_t wanted;          // clients subscribed
    struct query query;
    const struct route *route;
    // Rows that changed since the version before: what nearly every client is sent.
    uint64_t delta_from, delta_to;
    struct buf delta;
};

struct arrival {
    int fd;
    bool admitted;
};

struct client {
    struct client *next, *prev;
    int fd;
    struct session session;
    struct wsin in;
    struct buf out;
    int64_t heard_ms, pinged_ms, moved_ms; // moved: output went out last, or began to wait
    int64_t close_ms;                      // a close frame was queued; 0 = no
    bool writable_asked;
    bool dead;
};

struct push {
    struct push_opts o;
    struct promhist pushed; // from a section's _updated_ms to the value made of it
    size_t n;               // instruments
    char epoch[24];
    int epoll, wake;
    pthread_t thread;
    bool has_thread;
    atomic_bool stopping, noted;
    atomic_int clients;   // adopted, or on the way
    pthread_mutex_t lock; // guards the arrivals
    struct arrival *arrival;
    size_t arrivals, arrival_cap;

    // The thread's own:
    struct client *first;
    struct value *value; // n * channels_n
    struct buf live, still, list, reply;
    int64_t ticked_ms, lived_ms;
    bool dirty; // noted since the last tick

    atomic_uint_least64_t accepted, dropped_stuck, dropped_silent, refused, messages, bytes, writes;
    atomic_uint_least64_t conflated, gaps;
};

static inline int64_t push_mono(const struct push *p)
{
    return p->o.gateway->clock.mono_ms(p->o.gateway->clock.arg);
}

static inline int64_t push_wall(const struct push *p)
{
    return p->o.gateway->clock.wall_us(p->o.gateway->clock.arg) / 1000;
}

static inline void push_count(atomic_uint_least64_t *c, uint64_t n)
{
    atomic_fetch_add_explicit(c, n, memory_order_relaxed);
}

// ---- push_value.c
struct value *push_value(struct push *p, size_t ins, size_t chan);
void push_values_init(struct push *p);
void push_values_release(struct push *p);
// Makes what somebody wants and what is due; sets p->dirty when something has to wait.
void push_values_make(struct push *p, int64_t mono_ms);

// ---- push_send.c
bool push_is_pending(struct push *p, size_t ins, size_t chan, const struct subscription *sub);
// Appends what is pending to the client's output, as messages.
void push_compose(struct push *p, struct client *k);

#endif

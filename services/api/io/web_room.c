// CivetWeb parks a thread per connection. Here is decided whose thread is needed more elsewhere.

#include <time.h>

#include "services/api/io/web_inner.h"

#define REMIND_NS 5000000
// While others wait for a thread, an answer may take so long to be taken.
#define CROWDED_MS 2000

void web_on_wake(int sig)
{
    (void)sig; // its only purpose is to end poll()
}

void web_set_state(struct worker *k, enum worker_state state)
{
    pthread_mutex_lock(&k->lock);
    if (state == W_IDLE) {
        atomic_store(&k->idle_since_ms, web_mono_ms(k->web));
    }
    atomic_store(&k->told_ms, 0);
    atomic_store(&k->state, (int)state);
    pthread_mutex_unlock(&k->lock);
}

void web_set_busy(struct worker *k, struct peer peer)
{
    pthread_mutex_lock(&k->lock);
    k->peer = peer;
    k->cut = false;
    atomic_store(&k->busy_since_ms, web_mono_ms(k->web));
    atomic_store(&k->told_ms, 0);
    atomic_store(&k->state, W_BUSY);
    pthread_mutex_unlock(&k->lock);
}

// Tells the worker to drop its idle connection. The lock keeps a request from beginning between
// the check and the signal.
static bool tell(struct worker *k, int64_t now)
{
    bool done = false;
    pthread_mutex_lock(&k->lock);
    if (atomic_load(&k->state) == W_IDLE) {
        if (atomic_load(&k->told_ms) == 0) {
            stats_add(k->web->gateway->stats, STAT_IDLE_CLOSED, 1);
        }
        atomic_store(&k->told_ms, now > 0 ? now : 1);
        pthread_kill(k->thread, WAKE_SIGNAL);
        done = true;
    }
    pthread_mutex_unlock(&k->lock);
    return done;
}

// The connection idle longest that was not told yet; NULL when there is none.
static struct worker *longest_idle(const struct web *w)
{
    struct worker *oldest = NULL;
    int64_t since = INT64_MAX;
    for (int i = 0; i < w->n; i++) {
        struct worker *k = w->worker[i];
        int64_t at = atomic_load(&k->idle_since_ms);
        if (atomic_load(&k->state) == W_IDLE && atomic_load(&k->told_ms) == 0 && at < since) {
            since = at;
            oldest = k;
        }
    }
    return oldest;
}

void web_make_room(struct web *w, bool again)
{
    int64_t now = web_mono_ms(w);
    int over = atomic_load(&w->open) - (w->threads - w->spare);
    for (int i = 0; i < w->n && over > 0; i++) {
        struct worker *k = w->worker[i];
        if (atomic_load(&k->state) == W_IDLE && atomic_load(&k->told_ms) != 0) {
            over -= !again || tell(k, now);
        }
    }
    while (over > 0) {
        struct worker *k = longest_idle(w);
        if (!k) {
            return; // everybody works: requests wait in the accept queue
        }
        over -= tell(k, now);
    }
}

bool web_is_crowded(const struct web *w)
{
    return atomic_load(&w->open) > w->threads - w->spare;
}

static void wake_everybody(struct web *w)
{
    for (int i = 0; i < w->n; i++) {
        (void)tell(w->worker[i], web_mono_ms(w));
    }
    if (w->has_master) {
        pthread_kill(w->master, WAKE_SIGNAL); // it looks at its stop flag every other second
    }
}

// Cuts the connections whose answer takes too long to be taken: a client that reads a few bytes now
// and then would hold its thread for ever, because CivetWeb counts the time of each write alone.
// The lock keeps the thread from finishing, and the descriptor from being another's, meanwhile.
static void cut_slow(struct web *w)
{
    const int64_t now = web_mono_ms(w), limit = w->o.request_timeout_ms;
    const bool waited_for = web_is_crowded(w) && !longest_idle(w);
    const int64_t most = waited_for && limit > CROWDED_MS ? CROWDED_MS : limit;
    for (int i = 0; i < w->n; i++) {
        struct worker *k = w->worker[i];
        if (atomic_load(&k->state) != W_BUSY || now - atomic_load(&k->busy_since_ms) <= most) {
            continue;
        }
        pthread_mutex_lock(&k->lock);
        if (atomic_load(&k->state) == W_BUSY && now - atomic_load(&k->busy_since_ms) > most &&
            !k->cut && k->peer.port != 0) {
            cut_socket(&k->peer);
            k->cut = true;
            stats_add(w->gateway->stats, STAT_SLOW_CUT, 1);
        }
        pthread_mutex_unlock(&k->lock);
    }
}

// Until somebody calls, or it is time to look for the slow again.
static void keeper_wait(struct web *w)
{
    const int64_t look_ms = w->o.request_timeout_ms < 4000 ? w->o.request_timeout_ms / 8 + 1 : 500;
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += look_ms / 1000;
    until.tv_nsec += (look_ms % 1000) * 1000000;
    if (until.tv_nsec >= 1000000000) {
        until.tv_nsec -= 1000000000;
        until.tv_sec++;
    }
    (void)pthread_cond_timedwait(&w->crowded, &w->lock, &until);
}

// Sees to it that room is made even when no connection comes in any more to ask for it: a told
// connection may have got a request after all.
void *web_keeper(void *arg)
{
    struct web *w = arg;
    const struct timespec nap = {0, REMIND_NS};
    pthread_mutex_lock(&w->lock);
    while (!w->stopped) {
        if (w->stopping) {
            wake_everybody(w);
        } else if (web_is_crowded(w)) {
            web_make_room(w, true);
        } else {
            keeper_wait(w);
            cut_slow(w);
            continue;
        }
        cut_slow(w);
        pthread_mutex_unlock(&w->lock);
        nanosleep(&nap, NULL);
        pthread_mutex_lock(&w->lock);
    }
    pthread_mutex_unlock(&w->lock);
    return NULL;
}

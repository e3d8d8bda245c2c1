#ifndef API_WEB_INNER_H
#define API_WEB_INNER_H
// What the two files of the web side share: web.c (CivetWeb's callbacks), web_room.c (who of its
// threads has to let go).

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>

#include "services/api/io/adopt.h"
#include "services/api/io/web.h"

struct mg_context;

#define WAKE_SIGNAL SIGUSR1

enum worker_state {
    W_FREE, // without a connection
    W_IDLE, // a connection that has no request under way
    W_BUSY, // answering
};

// One CivetWeb thread.
struct worker {
    struct web *web;
    pthread_t thread;
    pthread_mutex_t lock; // state changes; the waker holds it while it signals
    atomic_int state;     // enum worker_state
    atomic_int_least64_t idle_since_ms;
    atomic_int_least64_t told_ms; // when it was last told to close; 0 = not told
    atomic_int_least64_t busy_since_ms;
    struct peer peer; // of the request under way; its socket may be cut while W_BUSY
    bool cut;         // it was
    bool answered;    // the request under way got its answer
    struct serve_scratch scratch;
    bool has_scratch;
};

struct web {
    struct web_opts o;
    const struct gateway *gateway;
    struct mg_context *ctx;
    int port, threads, spare;
    pthread_mutex_t lock; // guards worker registration and the choice of whom to close
    struct worker **worker;
    int n;            // registered
    pthread_t master; // accepts; valid with has_master
    bool has_master;
    atomic_int open;        // connections held by workers
    pthread_cond_t crowded; // wakes the keeper
    pthread_t keeper;
    bool has_keeper;
    atomic_bool ws_ready; // CivetWeb knows /ws, which it learns after it began to accept
    bool stopping;        // everybody is to look up
    bool stopped;         // the keeper is to end
};

static inline int64_t web_mono_ms(const struct web *w)
{
    return w->gateway->clock.mono_ms(w->gateway->clock.arg);
}

void web_on_wake(int sig); // handler of WAKE_SIGNAL
void web_set_state(struct worker *k, enum worker_state state);
// The thread answers a request of this peer ({0}: one that may not be cut).
void web_set_busy(struct worker *k, struct peer peer);
bool web_is_crowded(const struct web *w);
// Closes the longest idle connections until `spare` workers are, or are about to be, free. Who was
// told and has not closed is told again with `again`: a signal that comes a moment before its
// thread goes to sleep does nothing. w->lock is held.
void web_make_room(struct web *w, bool again);
// The thread that sees to it that room is made; ends with w->stopped.
void *web_keeper(void *arg);

#endif

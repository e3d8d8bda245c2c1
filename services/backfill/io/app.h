#ifndef BACKFILL_APP_H
#define BACKFILL_APP_H
// The parts of the running service and how they call each other:
//
//   job (one per instrument)   its connection, plan and delivery; decides what is wanted
//   rest                       sends the pages of all jobs within budget and breaker
//   archive                    downloads and reads one archive at a time for a job
//   store                      the days kept on disk, read and written by a child process
//   deliver                    entries -> MULTI: XADD :history, HSET :backfill with `_ids`
//   state                      the fields of :backfill
//
// One loop, one thread.

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/io/budget.h"
#include "common/io/http.h"
#include "common/io/redis.h"
#include "common/io/service.h"
#include "services/backfill/config.h"
#include "services/backfill/core/breaker.h"
#include "services/backfill/core/plan.h"
#include "services/backfill/core/progress.h"

struct job;
struct app {
    struct loop *loop;
    const struct config *cfg;
    struct service *service;
    struct redis *redis; // health hash and budget
    struct budget *budget;
    struct http *http, *files; // REST; archives, so that neither waits for the other
    struct breaker breaker;
    struct rest *rest;
    struct archive *archive;
    struct store *store;
    struct timer *tick;
    struct job *job[SYMBOLS_MAX];
    size_t n, draining;
    bool key_ok;     // the key is used
    char block[160]; // why the venue refuses us (403, 451); "" it does not
    uint64_t requests, refusals, wrong, bytes;
};

// ---- job.c
// ---------------------------------------------------------------------------------------

enum job_state { JOB_DOWN, JOB_WAIT, JOB_LOADING, JOB_RUNNING, JOB_COMPLETE, JOB_OFF };

struct deliver;
struct job {
    struct app *app;
    size_t index;
    enum job_state state;
    struct instrument ins; // with units once LOADING is over
    char key_backfill[KEY_MAX], key_history[KEY_MAX];
    struct redis *redis;
    struct timer *retry;
    struct plan plan;
    struct progress progress;
    struct deliver *deliver;
    int64_t began_ms;     // wall; of this run
    int64_t completed_ms; // how long it took; -1
    int64_t loaded;       // trades delivered, this run and those before it
    char error[160];      // no progress, and why
    char last_why[160];   // of the newest failure
    char wait_why[64];    // what JOB_WAIT waits for
    unsigned ticks;       // seconds of this run
    char reload[96];      // why everything has to be read again; "" it has not
    struct timer *drain;
    void (*drained)(void *arg);
    void *drained_arg;
    bool archive_hit; // taken from disk
    bool cancelled;
    uint64_t rows_rest, rows_archive, rows_store, lost;
};

void job_start(struct app *a, const struct instrument *ins);
void job_free(struct job *j);
void job_tick(struct job *j);
// Cancels what is under way and writes the state; done is called once.
void job_drain(struct job *j, void (*done)(void *arg), void *arg);
// Something was answered or delivered: look what comes next.
void job_kick(struct job *j);
bool job_is_ready(const struct job *j, char *why, size_t size);
// Everything in memory is given up and read again from Redis.
void job_reload(struct job *j, const char *why);
// Entries for :history; they count as held or lost once delivered.
void job_emit(struct job *j, const struct history *h);
bool job_has_room(const struct job *j);
void job_note_failure(struct job *j, const char *why);

// ---- rest.c
// --------------------------------------------------------------------------------------

struct rest *rest_new(struct app *a);
void rest_free(struct rest *r);
void rest_kick(struct rest *r);
void rest_abort(struct rest *r, const struct job *j); // forgets what it asked for this job
size_t rest_in_flight(const struct rest *r);

// ---- archive.c
// -----------------------------------------------------------------------------------

struct archive *archive_new(struct app *a);
void archive_free(struct archive *x);
// Begins the previous day of this job when nothing else is under way; false: later.
bool archive_begin(struct archive *x, struct job *j);
void archive_kick(struct archive *x); // a queue has room again
void archive_abort(struct archive *x, const struct job *j);
// SHA-256 of the archive being read for this job; "".
const char *archive_sha256(const struct archive *x, const struct job *j);

// ---- store.c
// -------------------------------------------------------------------------------------

struct store *store_new(struct app *a);
void store_free(struct store *s);
void store_read(struct store *s, struct job *j); // both days, when they are there
void store_put(struct store *s, struct job *j, const struct history *h); // what was fetched
void store_flush(struct store *s, struct job *j);                        // ends the parts
void store_kick(struct store *s, struct job *j);                         // there is room again
void store_abort(struct store *s, const struct job *j);
bool store_has_room(const struct store *s, const struct job *j);

// ---- deliver.c
// -----------------------------------------------------------------------------------

struct deliver *deliver_new(struct job *j);
void deliver_free(struct deliver *d);
void deliver_reset(struct deliver *d);                   // forgets the queue; the link is new
void deliver_loaded(struct deliver *d, int64_t version); // :backfill was read and is watched
void deliver_add(struct deliver *d, const struct history *h);
bool deliver_has_room(const struct deliver *d);
bool deliver_is_idle(const struct deliver *d);
void deliver_touch(struct deliver *d); // the state changed: write it
void deliver_pump(struct deliver *d);

// ---- state.c
// -------------------------------------------------------------------------------------

// Adds the fields of :backfill that describe the run (not _ids and _lost).
void state_fill(const struct job *j, struct redis_tx *tx);
const char *state_status(const struct job *j); // as /backfill/status names it

#endif

#ifndef BACKFILL_JOB_H
#define BACKFILL_JOB_H
// One instrument: its connection, what it knows, what it still wants. job.c is the life of any of
// them; what is particular to a venue stands in a table of functions (struct job_ops):
//
//   job_binance.c   wants ids: core/plan; store, archive and REST bring them
//   job_bybit.c     wants times: core/spans; store, recordings and archive bring them

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/io/loop.h"
#include "common/io/redis.h"
#include "common/market/instrument.h"
#include "common/market/trade.h"
#include "services/backfill/core/batch.h"
#include "services/backfill/core/plan.h"
#include "services/backfill/core/progress.h"
#include "services/backfill/io/source.h"

struct app;
struct deliver;
struct fold;
struct job;
struct refiller;
struct redisReply;

enum job_state { JOB_DOWN, JOB_WAIT, JOB_LOADING, JOB_RUNNING, JOB_COMPLETE, JOB_OFF };

// Both ends of :trades; id is what Redis' entry id ends with: Binance's aggregate id.
struct live_ends {
    int64_t first_ms, first_id, newest_ms;
};

// Called by job.c, deliver.c and state.c alone. "Stored" is what the transactions so far say was
// delivered, which lags behind what was emitted.
struct job_ops {
    void (*init)(struct job *j);
    void (*release)(struct job *j);
    // What :backfill says and where live begins: from here on it can tell what it wants.
    void (*restore)(struct job *j, const struct redisReply *hash, const struct live_ends *live);
    void (*begin)(struct job *j); // the first requests
    void (*kick)(struct job *j);  // asks whoever can be asked now; often called
    void (*stop)(struct job *j);  // forgets what was asked for
    bool (*is_done)(const struct job *j);
    // Complete, it goes on looking for what was declared missing.
    bool goes_on;
    void (*on_complete)(struct job *j);
    // The newest trade is of a later day than at the beginning. True: everything has to be read
    // again.
    bool (*on_day)(struct job *j, int64_t newest_ms);
    void (*count)(const struct job *j, int64_t *done, int64_t *total); // total -1: unknown
    void (*on_emit)(struct job *j, const struct history *h);
    void (*stored_load)(struct job *j);  // what is stored is what it holds
    void (*stored_clear)(struct job *j); // nothing is known to be stored
    void (*stored_add)(struct job *j, const struct history *h);
    void (*stored_fill)(const struct job *j, struct redis_tx *tx);
    void (*state_fill)(const struct job *j, struct redis_tx *tx);
};
extern const struct job_ops job_binance, job_bybit;
const struct job_ops *job_ops_of(enum venue v); // NULL: no source is known of this venue

// Rows of one day from one source on their way into :history.
struct intake {
    struct job *job;
    enum plan_day day;
    struct source_day want;
    struct batch batch;
    uint64_t rows;
    bool active;
};

#define JOB_SOURCES 4 // store, recording, archive, rest
extern const char *const job_source_name[JOB_SOURCES];
void job_binance_fill(const struct job *j, struct redis_tx *tx);

struct times;
struct job {
    struct app *app;
    const struct job_ops *ops;
    size_t index;
    enum job_state state;
    struct instrument ins; // with units once LOADING is over
    char key_backfill[KEY_MAX], key_history[KEY_MAX];
    struct redis *redis;
    struct timer *retry;
    struct progress progress;
    struct deliver *deliver;
    struct fold *fold;
    int64_t began_ms;     // monotonic; of this run
    int64_t newest_ms;    // of :trades when this run began
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
    uint64_t rows_rest, rows_archive, rows_store, rows_recording, lost;

    // Binance: by id.
    struct plan plan;
    struct idset stored_ids, stored_lost, stored_by[JOB_SOURCES];
    struct intake from_archive, from_store[PLAN_DAYS], from_recording[PLAN_DAYS];
    struct refiller *refiller; // NULL: holes behind the first live trade are not looked for
    // Bybit: by time.
    struct times *times;
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
bool job_asks(const struct job *j); // it may have requests under way
void job_note_failure(struct job *j, const char *why);

#endif

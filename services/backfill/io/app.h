#ifndef BACKFILL_APP_H
#define BACKFILL_APP_H
// The parts of the running service and how they call each other:
//
//   job (one per instrument)   its connection, plan and delivery; decides what is wanted (job.h)
//   rest                       sends the pages of all jobs within budget and breaker
//   archive                    downloads and reads one archive at a time for whoever asks
//   store                      the days kept on disk, read and written by a child process
//   recording                  days from what the collector recorded
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
#include "services/backfill/io/fold.h"
#include "services/backfill/io/job.h"
#include "services/backfill/io/recording.h"
#include "services/backfill/io/store.h"

struct jw;
struct refiller;
struct app {
    struct loop *loop;
    const struct config *cfg;
    struct service *service;
    struct redis *redis; // health hash and budget
    struct budget *budget;
    struct http *http, *files; // REST; archives, so that neither waits for the other
    struct breaker breaker;
    struct budget *bybit_budget; // the archive's requests; NULL: they are not counted
    struct breaker bybit_breaker;
    struct rest *rest;
    struct archive *archive;
    struct store *store;
    struct older *older; // BACKFILL_DAYS; NULL
    struct recording *recording;
    struct timer *tick;
    struct job *job[SYMBOLS_MAX];
    size_t n, draining;
    bool key_ok;     // the key is used
    char block[160]; // why the venue refuses us (403, 451); "" it does not
    uint64_t requests, refusals, wrong, bytes;
};

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
// Begins a whole past day; false: another one is under way, ask again later. The answer, also that
// of a failure, never comes before it returned.
bool archive_begin(struct archive *x, const struct source_day *want);
void archive_kick(struct archive *x);                   // a queue has room again
void archive_abort(struct archive *x, const void *arg); // of the request with this arg
// Of the file whose rows are being told: its SHA-256, "" when none of this instrument is read;
// whether it lay on disk already.
const char *archive_sha256(const struct archive *x, const struct instrument *ins);
bool archive_is_kept(const struct archive *x);
// Rows told and rows read so far for the request with this arg; -1 when none are being read.
void archive_count(const struct archive *x, const void *arg, int64_t *told, int64_t *rows);

// ---- refill.c
// ------------------------------------------------------------------------------------

// Holes behind the first live trade, looked for while the job is complete.
struct refiller *refiller_new(struct job *j);
void refiller_free(struct refiller *r);
void refiller_restore(struct refiller *r, const struct redisReply *hash); // :backfill
void refiller_tick(struct refiller *r);                                   // once a second
void refiller_kick(struct refiller *r); // something was answered or delivered
void refiller_stop(struct refiller *r);
bool refiller_is_busy(const struct refiller *r);                   // it has asked for something
void refiller_sources(const struct refiller *r, struct jw *w);     // an object for `sources`
void refiller_fill(const struct refiller *r, struct redis_tx *tx); // its fields of :backfill

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
#define STATE_SET_MAX ((size_t)4 << 20) // bytes of a set as text
void state_fill(const struct job *j, struct redis_tx *tx);
void state_put_text(struct redis_tx *tx, const char *field, const char *text);
void state_put_int(struct redis_tx *tx, const char *field, int64_t v);
void state_put_known(struct redis_tx *tx, const char *field, int64_t v); // "" below 0: not known
const char *state_status(const struct job *j); // as /backfill/status names it

#endif

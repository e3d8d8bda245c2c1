#ifndef STRATEGY_IO_FLOW_H
#define STRATEGY_IO_FLOW_H
// :cvd, :cvd:minutes, :indicators and :indicators:seconds of one instrument, written into the
// worker's transaction; and :commands, from which resets of the CVD are taken: its position is in
// :cvd, so in the transaction of what a command changed.
//
// A command has to be known before the trades behind it are counted: the newest ones are read at
// the beginning of every load, then the stream is looked at COMMANDS_POLL_MS apart.

#include <stdbool.h>
#include <stdint.h>

#include "common/base/buf.h"
#include "common/io/redis.h"
#include "common/io/stream.h"
#include "services/strategy/core/flow.h"

#define COMMANDS_KEPT 1000 // of the stream; only the newest reset matters

struct command {
    char id[STREAM_ID_MAX];
    int64_t asked_ms; // Redis' clock when it was written: of the id
    int64_t at_ms;    // -1 = nothing we know
};
// What of the coverage is shown here.
struct flow_proof {
    int64_t missing_ms[2];
    size_t holes[2];
};

struct flows {
    struct strategy *core; // borrowed
    struct loop *loop;
    char name[48];
    char cvd_key[KEY_MAX], minutes_key[KEY_MAX], indicators_key[KEY_MAX], seconds_key[KEY_MAX],
        commands_key[KEY_MAX];
    char pos[STREAM_ID_MAX]; // last command taken
    struct command *command; // read at the beginning of this load, oldest first
    size_t n_commands;
    int64_t stored_trades;      // of :indicators, while loading; -1 none
    struct err bad;             // what is stored can not be used
    bool is_ready;              // commands may be taken as they come
    bool asked;                 // a reply is awaited
    bool changed;               // by a command
    bool replace;               // nothing stored is to be kept
    int64_t day_ms;             // of `told`
    int64_t told[FLOW_MINUTES]; // trades of each minute in :cvd:minutes
    int64_t written_ms;         // monotonic
    uint64_t told_ver;          // version the seconds were told of last
    int64_t told_ms;            // monotonic
    bool untold, tell;          // seconds changed since; they are told with this transaction
    uint64_t unknown;
    struct flow_proof proof;           // as written last
    struct buf text, seconds, minutes; // scratch; changed fields of this transaction
    size_t n_seconds, n_minutes;
    struct redis_tx *tx;
    void (*on_begun)(void *arg);   // the commands of a load are there
    void (*on_command)(void *arg); // one came and was taken
    void *arg;
};

void flows_init(struct flows *x, const struct instrument *ins, struct strategy *core,
                struct loop *loop);
void flows_release(struct flows *x);
// A state that begins anew.
void flows_fresh(struct flows *x);
// First thing of a load: asks for the commands, then calls on_begun. 0 or ERR_*.
int flows_begin(struct flows *x, struct redis *r) MUST_CHECK;
// Nothing stored is to be kept: the commands read are all there is.
void flows_rebuild(struct flows *x);
// Asks for what is stored; the replies come before those of commands sent afterwards. 0 or ERR_*.
int flows_load(struct flows *x, struct redis *r) MUST_CHECK;
// Everything is loaded: puts it together. ERR_* when it does not fit; then begin anew.
int flows_loaded(struct flows *x, struct err *e) MUST_CHECK;
// Commands may be taken from here on.
void flows_start(struct flows *x);
// Looks for new commands.
void flows_poll(struct flows *x, struct redis *r);

// Seconds changed and nobody was told: a transaction is wanted, though no trade came.
bool flows_is_due(const struct flows *x);
// Into the transaction. clock_ms: instrument clock, -1 unknown. `counted`: trades were. True when
// something was written that a reader should look at: then flows_notices().
bool flows_flush(struct flows *x, struct redis_tx *tx, int64_t clock_ms, bool counted);
// Calls publish for each topic with the list of what changed in it ("" = anything).
void flows_notices(struct flows *x, void (*publish)(void *arg, const char *topic, const char *what),
                   void *arg);

#endif

#ifndef STRATEGY_WORKER_INNER_H
#define STRATEGY_WORKER_INNER_H
// What worker.c (entries in, transactions out) and worker_load.c (state read back) share, and
// nobody else.

#include "common/io/daystore.h"
#include "common/io/recall.h"
#include "services/strategy/core/latency.h"
#include "services/strategy/io/flow.h"
#include "services/strategy/io/indicators.h"
#include "services/strategy/io/load.h"
#include "services/strategy/io/worker.h"

struct worker {
    struct worker_opts o;
    struct follow *follow;
    struct timer *refresh, *commands;
    bool has_state;
    struct strategy core;
    struct daystore days;
    struct strategy_stored stored;
    char strategy_key[KEY_MAX], metrics_key[KEY_MAX], events_key[KEY_MAX],
        candles_key[N_TF][KEY_MAX];
    struct recall recall;
    struct indicators indicators;
    struct flows flows;
    bool scratch;             // of the load under way
    uint64_t written_changes; // ledger_changes() at the last flush
    bool loading;             // replies of a load are awaited
    bool write_all;           // the first flush after a load
    bool replace_all;         // nothing stored is to be kept
    struct latency latency;
    int64_t oldest_rx_us, sent_rx_us; // of what the next flush / the one under way carries
    bool caught_up;
    struct buf text, changed[N_TF];
    size_t n_changed[N_TF];
    struct redis_tx *tx; // while a flush is filled
    size_t events;
};

// follow's on_load: reads everything stored, then calls follow_loaded().
void worker_load(void *arg, const struct instrument *ins, bool scratch);
void worker_commands_known(void *arg); // flows_begin() of that load is over
void worker_drop_state(struct worker *w);

#endif

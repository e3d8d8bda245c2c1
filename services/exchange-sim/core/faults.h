#ifndef SIM_CORE_FAULTS_H
#define SIM_CORE_FAULTS_H
// Faults of the feed, ordered through the control port. They act on what is *sent*; REST goes on
// telling the truth, as a venue does when a socket loses something.
//
//   feed -> skip -> stall -> reorder -> duplicate -> clients

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/buf.h"
#include "services/exchange-sim/core/market.h"

#define FAULT_MAX_COUNT 100000

typedef void (*fault_emit_fn)(void *arg, const struct sim_trade *t);

struct faults {
    int64_t skip, duplicate; // how many trades are still to be treated so
    int64_t reorder;         // how many are still to be collected
    struct sim_trade *held;  // being reordered
    size_t held_n, held_cap;
    struct {
        int64_t until_ms; // 0 = none
        bool keep;        // deliver late instead of never
    } stall[MARKET_MAX_LANES];
    struct sim_trade *stalled;
    size_t stalled_n, stalled_cap;
    // Totals since the start.
    int64_t skipped, duplicated, reordered, stall_dropped, stall_delayed, malformed;
};

void faults_release(struct faults *f);
// A released trade on its way to the clients; emits none, one or several.
void faults_pass(struct faults *f, const struct sim_trade *t, int64_t now_ms, fault_emit_fn emit,
                 void *arg);
// Emits what a stall that is over held back. Call now and then.
void faults_tick(struct faults *f, int64_t now_ms, fault_emit_fn emit, void *arg);
// Emits everything that is held back: the feed has ended.
void faults_flush(struct faults *f, fault_emit_fn emit, void *arg);
bool faults_holding(const struct faults *f);

// The next n trades go out in reverse order. An order under way is extended.
void faults_reorder(struct faults *f, int64_t n);
void faults_stall(struct faults *f, int lane, int64_t until_ms, bool keep);

// Appends a broken frame made after `like`, which carries the id that the next trade will have.
// kinds: mix (the nth of those that a client survives), truncated, not_json, not_object, no_price,
// negative, zero, zero_price, absurd, precision, foreign, future, old, string_id, nested, empty,
// oversize, binary (random bytes). False when the kind is unknown.
bool fault_malformed(struct buf *out, const char *kind, int64_t nth, const struct sim_trade *like,
                     const char *symbol);
extern const char *const fault_kinds[]; // NULL-terminated

#endif

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
#include "services/exchange-sim/core/wire.h"

#define FAULT_MAX_COUNT 100000

typedef void (*fault_emit_fn)(void *arg, struct wire_key key, const char *p, size_t n);

struct fault_frame {
    struct wire_key key;
    char *text; // owned
    size_t n;
};

struct fault_queue {
    struct fault_frame *at;
    size_t n, cap;
};

#define FAULT_MAX_STALLS 64
struct faults {
    // How many frames of a kind are still to be treated so; they count what is sent to somebody.
    int64_t skip[SIM_KINDS], duplicate[SIM_KINDS], reorder[SIM_KINDS];
    int64_t cross; // depth frames to come that cross the book
    struct {
        int64_t n;
        char kind[16];
    } spoil[SIM_KINDS];                 // frames to come that a broken copy is sent before
    struct fault_queue held[SIM_KINDS]; // being reordered
    struct {
        struct wire_key key;
        int64_t until_ms;
        bool keep; // deliver late instead of never
    } stall[FAULT_MAX_STALLS];
    size_t stalls;
    struct fault_queue stalled;
    bool active; // anything ordered or held: the fast path looks at this alone
    // Totals since the start.
    int64_t skipped, duplicated, reordered, stall_dropped, stall_delayed, malformed;
    int64_t stale, crossed;
};

void faults_release(struct faults *f);
// A frame on its way to the clients; emits none, one or several.
void faults_pass(struct faults *f, struct wire_key key, const char *p, size_t n, int64_t now_ms,
                 fault_emit_fn emit, void *arg);
// Emits what a stall that is over held back. Call now and then.
void faults_tick(struct faults *f, int64_t now_ms, fault_emit_fn emit, void *arg);
// Emits everything that is held back: the feed has ended.
void faults_flush(struct faults *f, fault_emit_fn emit, void *arg);
bool faults_holding(const struct faults *f);

void faults_skip(struct faults *f, enum sim_kind kind, int64_t n);
void faults_duplicate(struct faults *f, enum sim_kind kind, int64_t n);
// The next n frames of a kind go out in reverse order. An order under way is extended.
void faults_reorder(struct faults *f, enum sim_kind kind, int64_t n);
// The next n depth frames put a bid above the asks; the chain of ids goes on.
void faults_cross(struct faults *f, int64_t n);
// A broken copy (fault_frame.h) goes out before each of the next n frames. False: unknown kind.
bool faults_spoil(struct faults *f, enum sim_kind kind, const char *how, int64_t n);
// False: too many streams are stalled already.
bool faults_stall(struct faults *f, struct wire_key key, int64_t until_ms, bool keep);

// Appends a broken frame made after `like`, which carries the id that the next trade will have.
// kinds: mix (the nth of those that a client survives), truncated, not_json, not_object, no_price,
// negative, zero, zero_price, absurd, precision, foreign, future, old, string_id, nested, empty,
// oversize, binary (random bytes). False when the kind is unknown.
bool fault_malformed(struct buf *out, const char *kind, int64_t nth, const struct sim_trade *like,
                     const char *symbol);
extern const char *const fault_kinds[]; // NULL-terminated

#endif

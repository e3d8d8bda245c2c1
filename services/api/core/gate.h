#ifndef API_GATE_H
#define API_GATE_H
// Session, precision and the trading gate of one instrument (metrics definitions, "Session,
// regime, gates"), and what its feed says about itself.

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "services/api/core/route.h"

// The collector's own words about one instrument.
struct feed {
    bool known;      // a collector reports this instrument
    bool connected;  // its trade stream is connected
    bool silent;     // the watchdog says nothing comes
    bool has_book;   // it follows the order book,
    bool book_fresh; // which is proven and within its deadline
    int64_t last_ts_ms, last_rx_ms, events, reconnects, queue, gaps, deadline_ms; // -1 unknown
};
void feed_read(const struct snap *s, struct feed *out);
// Text of "<instrument>.<name>" in the collector's health hash; "" unknown.
const char *feed_text(const struct snap *s, const char *name);
// The same as a number (-1 unknown) and as a yes (false unknown).
int64_t feed_i64(const struct snap *s, const char *name);
bool feed_true(const struct snap *s, const char *name);

// What holds trading back, one bit each; names by gate_block_name().
enum gate_block {
    BLOCK_REDIS,
    BLOCK_BACKFILL,
    BLOCK_SESSION,
    BLOCK_FEED,
    BLOCK_BOOK,
    BLOCK_MISSING,
    BLOCK_COUNT_
};
const char *gate_block_name(enum gate_block b);

struct gate {
    const char *session; // "off" "london" "overlap"; NULL = no clock yet
    char message[96];
    bool is_active; // a session is on
    // As the backfill service last said it, "idle" before it ever ran, "disabled" where the user
    // switched it off here.
    const char *backfill_status;
    bool backfill_complete;
    char precision[48];   // "" unknown
    unsigned blocked;     // bits by enum gate_block
    bool trading_enabled; // nothing holds it back
};
// Backfill does not hold trading back: it is switched off, or has no history to fetch.
bool gate_backfill_is_off(const struct ask *a);
void gate_make(const struct ask *a, struct gate *out);

// Milliseconds of the current day without proven trades; -1 unknown.
int64_t gate_missing_ms(const struct snap *s);
// "" when Redis and the feed of s are up, else what is not.
void gate_not_ready(const struct env *env, const struct snap *s, char *why, size_t size);

#endif

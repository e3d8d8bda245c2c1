#ifndef BACKFILL_BREAKER_H
#define BACKFILL_BREAKER_H
// Decides when and how many requests may go to a venue, from what its answers say. Time in,
// decisions out.
//
//   CLOSED      up to `parallel` requests in flight, at least delay * throttle apart
//      | 418, 403, 451, or `threshold` refusals (429, 403 of a limit) in a row
//   OPEN        nothing until cooldown_until: Retry-After, at least the cooldown
//      | that moment
//   HALF_OPEN   one request at a time; three good ones close it, a refusal opens it again with
//               twice the cooldown
//
// Each refusal doubles the throttle (up to BREAKER_THROTTLE_MAX) and halves `parallel`; a single
// 429 also makes everybody wait for its Retry-After. Every BREAKER_STEP good answers in a row take
// one halving of the throttle back, then add one to `parallel`, up to its maximum: recovery is
// slower than retreat. Answers of the 5xx kind and timeouts halve `parallel` and never open.

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BREAKER_THROTTLE_MAX 32
#define BREAKER_STEP 8
#define BREAKER_PROBES 3
#define BREAKER_COOLDOWN_MAX_MS INT64_C(3600000)

enum breaker_state { BREAKER_CLOSED, BREAKER_OPEN, BREAKER_HALF_OPEN };
const char *breaker_state_name(enum breaker_state s); // "closed", "open", "half_open"

struct breaker_opts {
    int64_t threshold, cooldown_ms, delay_ms;
    int64_t max_parallel;
};
struct breaker {
    struct breaker_opts o;
    enum breaker_state state;
    int64_t refusals; // in a row
    int64_t good;     // in a row
    int64_t opened;   // times in a row, doubles the cooldown
    int64_t parallel, throttle;
    int64_t until_ms; // monotonic: nothing is sent before
    int64_t next_ms;  // monotonic: spacing
    uint64_t opens;   // all
};

void breaker_init(struct breaker *b, const struct breaker_opts *o);
// 0: send now (and say so by breaker_sent()); else ask again after so many ms. -1: not before an
// answer has come.
int64_t breaker_wait_ms(struct breaker *b, int64_t mono_ms, int64_t in_flight);
void breaker_sent(struct breaker *b, int64_t mono_ms);
void breaker_good(struct breaker *b);
// retry_after_ms < 0: none was told.
void breaker_refused(struct breaker *b, int64_t mono_ms, long status, int64_t retry_after_ms);
void breaker_troubled(struct breaker *b); // 5xx, timeout, a broken body
// Whether this answer is a refusal: 418, 429, 403, 451.
bool breaker_is_refusal(long status);

#endif

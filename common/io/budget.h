#ifndef IO_BUDGET_H
#define IO_BUDGET_H
// The request weight that one venue grants one egress address, shared by every process behind that
// address through Redis (bc4:budget:<venue>:<scope>): who wants to send asks first.
//
//   limit, e.g. 2400 a minute   |......................................| what the venue refuses
//   snapshot     share 90 %     |##################################....|
//   gap repair   share 70 %     |##########################............|
//   backfill     share 50 %     |##################....................|
//
// A priority may only bring the minute's sum up to its own share, so the ones above it always find
// room. The venue counts by its own wall minute (its time = ours + the measured offset). Within one
// second of a border it can not be known which minute it will count, so both are charged and both
// must have room. What was granted stays charged, answered or not. What the venue says it has
// counted (X-MBX-USED-WEIGHT-1M) only ever raises the sum. A refusal by the venue (429, 418, 403)
// is stored as the moment until which nobody asks.
//
// No Redis, no REST: then budget_ask() is refused.

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/err.h"
#include "common/io/http.h"
#include "common/io/loop.h"
#include "common/io/redis.h"
#include "common/market/instrument.h"

enum budget_priority { BUDGET_SNAPSHOT, BUDGET_REPAIR, BUDGET_BACKFILL, BUDGET_PRIORITIES };

// ---- pure: time in, numbers out
// ------------------------------------------------------------------

#define BUDGET_MINUTE_MS INT64_C(60000)
#define BUDGET_BORDER_MS INT64_C(1000)
// An offset beyond this is the clock of a replay; a venue's limits do not run by such a clock.
#define BUDGET_OFFSET_MAX_MS INT64_C(86400000)
// No ban is believed to be longer: a mistaken number must not end REST for good.
#define BUDGET_BAN_MAX_MS INT64_C(345600000)

// The windows a request sent now is charged to: 1 or 2, ascending, as numbers of window_ms since
// 1970. Binance counts by the minute; Bybit by any 5 seconds (see budget_opts.window_ms).
size_t budget_windows(int64_t window_ms, int64_t venue_ms, int64_t window[2]);
// How long to wait because the window `full` has no room: until a second after its end.
int64_t budget_wait_window_ms(int64_t window_ms, int64_t venue_ms, int64_t full);
static inline size_t budget_minutes(int64_t venue_ms, int64_t minute[2])
{
    return budget_windows(BUDGET_MINUTE_MS, venue_ms, minute);
}
static inline int64_t budget_wait_ms(int64_t venue_ms, int64_t full_minute)
{
    return budget_wait_window_ms(BUDGET_MINUTE_MS, venue_ms, full_minute);
}
// Until when (venue time) nobody may ask after this answer; 0 = it forbids nothing. 429 and 418 by
// Retry-After and by the "banned until <ms>" of the body (the later of them; neither: the next
// minute, two minutes; of Bybit five seconds), 403 of Bybit ten minutes, of Binance one.
int64_t budget_banned_until(enum venue v, int64_t venue_ms, long status, int64_t retry_after_s,
                            const char *body, size_t n);
// The same for Bybit's answers with HTTP 200, whose body says retCode 10006, 10018 (too many
// requests) or 10429 (the venue protects itself): until reset_ms where the venue told it (-1 =
// not), else for five seconds.
int64_t budget_bybit_banned_until(int64_t venue_ms, int64_t ret_code, int64_t reset_ms);
// retCode of a body that begins with it, as Bybit's do; 0 when there is none.
int64_t budget_bybit_ret_code(const char *body, size_t n);
// Venue time from ours.
int64_t budget_venue_ms(int64_t wall_ms, bool known, int64_t offset_ms);

// ---- shared
// --------------------------------------------------------------------------------------

struct budget;
struct budget_opts {
    struct loop *loop;
    struct redis *redis; // borrowed; freed before the budget
    enum venue venue;
    const char *scope; // name of the egress address; copied
    int64_t limit;     // weight a window while the venue has not told it
    // 0 = a minute. A venue that counts by any window of this length, not by its clock's: a request
    // then lies in two of ours at most, so `limit` is half of what the venue grants.
    int64_t window_ms;
    int64_t share_pct[BUDGET_PRIORITIES]; // 1..100
};
struct budget *budget_new(const struct budget_opts *o);
// Answers still to come are dropped.
void budget_free(struct budget *b);

void budget_set_clock(struct budget *b, bool known, int64_t offset_ms);
// As the venue's exchangeInfo tells it; every process then uses it.
void budget_set_limit(struct budget *b, int64_t limit);

// granted: send now. Else wait_ms > 0 = ask again then (a moment later than needed never hurts).
typedef void (*budget_cb)(void *arg, bool granted, int64_t wait_ms);
// 0, or ERR_* (Redis is away: nothing was asked, cb is not called). cb is called once, later.
int budget_ask(struct budget *b, enum budget_priority p, int64_t weight, budget_cb cb,
               void *arg) MUST_CHECK;
// Answers for this arg are dropped; what they grant stays charged.
void budget_cancel(struct budget *b, const void *arg);
// What an answer of the venue says about the budget. True when it forbids to go on.
bool budget_note(struct budget *b, const struct http_reply *r);

struct budget_stats {
    int64_t limit, used, banned_until_ms; // as last seen; used in the present window
    uint64_t granted, refused, bans, weight;
};
void budget_stats(const struct budget *b, struct budget_stats *out);

#endif

#ifndef API_SESSION_H
#define API_SESSION_H
// What one WebSocket client asked for and what it was sent: its messages in, subscriptions out.
//
// A subscription knows the number of the newest value the client was sent (`sent`). A channel whose
// own number is higher is pending; state that was overtaken meanwhile is never sent, which is all
// the conflation there is.

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/buf.h"
#include "common/market/instrument.h"
#include "services/api/core/channel.h"

struct subscription {
    bool on;
    bool snapshot;   // the next message is a whole value
    uint64_t sent;   // number of the newest value sent; 0 = none
    char after[40];  // lists: go on behind this stream entry, once; "" = not asked for
    bool has_resume; // `sent` is what the client had of this same epoch
};

struct session {
    const struct instrument *ins; // borrowed, n of them
    size_t n;
    const char *epoch; // of this gateway process
    const char *token; // "" = none needed; else the first message must bring it
    bool admitted;
    struct subscription *sub; // n * channels_n
    // Flood: a bucket of messages that refills with time.
    int64_t tokens_milli, refilled_ms;
    int64_t per_second, burst;
};

void session_init(struct session *s, const struct instrument *ins, size_t n, const char *epoch,
                  const char *token, bool admitted, int64_t per_second, int64_t burst);
void session_release(struct session *s);

// One text message. Appends answers (whole messages as JSON texts, each with its end marked by
// `ends`: up to SESSION_REPLIES of them) to out. 0, or the negative close code to end with, the
// reason in *why.
#define SESSION_REPLIES 4
struct session_reply {
    size_t end[SESSION_REPLIES];
    size_t n;
};
int session_message(struct session *s, const char *p, size_t n, int64_t mono_ms, int64_t wall_ms,
                    struct buf *out, struct session_reply *ends, const char **why);

static inline struct subscription *session_sub(struct session *s, size_t ins, size_t chan)
{
    return &s->sub[ins * channels_n + chan];
}

// Equal in constant time (for equal lengths).
bool token_equal(const char *a, size_t an, const char *b);

#endif

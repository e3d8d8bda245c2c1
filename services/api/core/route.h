#ifndef API_ROUTE_H
#define API_ROUTE_H
// The one table of endpoints: method, path, parameters with their bounds, what makes the answer,
// one line of text. Routing, validation, 405/Allow, HEAD, OPTIONS and the documentation all come
// from it.
//
// An answer is one JSON object made of two halves:
//   live    members that depend on the clock or on the state of the links; made per request, small
//   still   members that depend only on the snapshot and the parameters; cached per snapshot

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/buf.h"
#include "common/base/err.h"
#include "common/base/json.h"
#include "common/market/instrument.h"
#include "services/api/core/channel.h"
#include "services/api/core/recent.h"
#include "services/api/core/snap.h"

enum param_type {
    PARAM_SYMBOL, // a configured instrument: "BTCUSDT" or "binance:BTCUSDT"
    PARAM_INT,    // whole number min..max
    PARAM_CHOICE, // one of choices (exact)
    PARAM_DAY,    // YYYY-MM-DD
    PARAM_LIST,   // up to PARAM_LIST_MAX whole numbers min..max, comma separated, each once
};
struct param {
    const char *name;
    enum param_type type;
    int64_t min, max;
    const char *choices[4]; // NULL-terminated
    const char *def;        // text of the default; NULL = none (day: the newest)
    const char *text;
};

#define ROUTE_PARAMS 3
#define PARAM_LIST_MAX 8
#define QUERY_MAX 1024 // bytes of a query string

// The newest entries of the streams, held outside the snapshots; thread-safe.
struct lists {
    // JSON objects, newest first, comma separated; how many.
    size_t (*newest)(void *arg, size_t instrument, enum list_kind kind, size_t limit,
                     int64_t from_ms, struct buf *out);
    void (*sum)(void *arg, size_t instrument, int64_t from_ms, struct recent_stats *out);
    void *arg;
};

// What became of a command that a POST gave.
struct post {
    bool applied;  // strategy took it; else it waits on :commands
    char id[48];   // of its entry there
    int64_t at_ms; // instrument clock when it was asked for
};

// Gateway-wide facts of one request.
struct env {
    bool redis_up;
    int64_t data_age_ms; // since the snapshots were last known to equal Redis; -1 = never
    int64_t now_ms;      // clock of the instrument asked for; -1 = nothing seen yet
    int64_t uptime_ms;
    bool backfill_off;                         // the user switched backfill off
    bool post_wants_token;                     // a POST has to bring API_TOKEN
    int64_t max_missing_sec;                   // TRADING_MAX_MISSING_SEC, -1: by venue
    struct snap *const *all;                   // every configured instrument, in order
    const int64_t *all_now_ms;                 // their clocks
    size_t n_all;                              // >= 1
    const struct lists *lists;                 // NULL: none are held
    void (*own_metrics)(void *, struct buf *); // the gateway's own Prometheus text; may be NULL
    void *own_arg;
    const struct post *post; // of a route with a command; NULL else
};

struct route;
struct query {
    const struct route *route;
    size_t instrument; // index into env.all
    bool symbol_given;
    int64_t num[ROUTE_PARAMS]; // PARAM_INT; PARAM_CHOICE: index; PARAM_DAY: midnight ms or -1;
                               // PARAM_LIST: how many are in list
    int64_t list[PARAM_LIST_MAX];
};
struct ask {
    const struct env *env;
    const struct snap *snap; // of q->instrument
    const struct query *q;
};

typedef void (*fill_fn)(const struct ask *a, struct jw *w);
struct schema;
struct route {
    const char *method, *path, *summary;
    const struct schema *answer;          // members of the answer; NULL only for a page
    struct param param[ROUTE_PARAMS + 1]; // ends with a NULL name
    fill_fn live, still;                  // either may be NULL
    bool all;                             // looks at every instrument, not only at the one asked
    int (*status)(const struct ask *a);   // HTTP status; NULL = 200
    // Prometheus exposition, chosen by Accept; NULL = JSON only.
    void (*exposition)(const struct ask *a, bool openmetrics, struct buf *out);
    // Instead of all of that, a page that is the same for everybody, or the path to go to.
    void (*page)(struct buf *out);
    const char *type, *to;
    // POST: the command it puts on :commands; the answer says what became of it.
    const char *command;
};

static inline bool route_is_page(const struct route *r)
{
    return r->page != NULL || r->to != NULL;
}

// The still half is all there is but for the age of the data: an answer that a client may keep and
// ask about again.
bool route_is_still(const struct route *r);

extern const struct route routes[];
extern const size_t routes_n;

// The route of method and path. NULL: *path_known tells 405 (true; `allow` then holds the list for
// the Allow header) from 404. HEAD is served by GET's route; OPTIONS always gives NULL.
const struct route *route_find(const char *method, const char *path, bool *path_known,
                               char allow[64]);
// The route at index i of the table: for counters by route. routes_n for NULL.
size_t route_index(const struct route *r);

// Reads and checks a query string ("" or NULL = none) against r. 0, or ERR_SYNTAX / ERR_RANGE with
// the sentence for the client: what, the given value, what is allowed. Percent-encoding is decoded;
// unknown and repeated parameters are refused; names that begin with '_' are skipped (cache
// busters).
int route_query(const struct route *r, const char *query, const struct instrument *ins, size_t n,
                struct query *out, struct err *e) MUST_CHECK;

// Index of the configured instrument that `s` names, -1 for none.
int symbol_find(const char *s, const struct instrument *ins, size_t n);

// Whole JSON bodies. The cached half, complete as an object of its own:
void answer_still(const struct ask *a, struct buf *out);
// The other half: an object of the live members, made now. With `followed` it is left open, so that
// the bytes of answer_still() behind their '{' complete it (they must not be "{}").
void answer_live(const struct ask *a, bool followed, struct buf *out);
int answer_status(const struct ask *a);

// {"error": "..."}
void answer_error(const char *text, struct buf *out);

#endif

#ifndef API_SERVE_H
#define API_SERVE_H
// One HTTP request in, the bytes of one response out; knows nothing of sockets. Thread-safe: every
// thread brings its own struct serve_scratch.

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/buf.h"
#include "common/base/clock.h"
#include "services/api/core/route.h"
#include "services/api/io/cache.h"
#include "services/api/io/command.h"
#include "services/api/io/pages.h"
#include "services/api/io/stats.h"
#include "services/api/io/store.h"

struct gateway {
    struct clock clock;
    struct store *store;
    struct cache *cache;
    struct stats *stats;
    const struct lists *lists; // may be NULL
    const struct pages *pages;
    const char *cors_origins; // comma separated; "*" allows any
    const char *token;        // "" = none
    bool token_for_all;
    bool backfill_off;
    int64_t max_missing_sec;
    int64_t started_mono_ms;
    // Gives a command and says what became of it, within a bounded time; NULL: none are taken.
    enum command_result (*command)(void *arg, size_t instrument, const char *type, int64_t at_ms,
                                   struct post *p);
    void *command_arg;
    void (*own_metrics)(void *arg, struct buf *out); // for the exposition; may be NULL
    void *own_arg;
};

// What matters of a request; NULL = header absent.
struct http_in {
    const char *method, *path, *query;
    const char *accept, *origin, *authorization, *if_none_match;
    bool has_body; // a body of at least one byte was announced: no route takes one
    bool keep_alive;
};

struct serve_scratch {
    struct buf live, out, date;
    int64_t date_s;
    struct snap **all; // room for every instrument
    int64_t *all_now;
    struct post post; // of the command under way
};
void serve_scratch_init(struct serve_scratch *s, const struct gateway *g);
void serve_scratch_release(struct serve_scratch *s);

struct http_out {
    int status;
    size_t route;      // index in the table, routes_n for none
    struct slice head; // header block and as much of the body as belongs with it
    struct slice tail; // rest of the body; often empty
    struct body *hold; // keeps tail alive; body_unref() after writing
    bool close;
};
// head lives until the scratch is used again.
void serve(const struct gateway *g, struct serve_scratch *s, const struct http_in *in,
           struct http_out *out);
// Is this an Authorization header with the gateway's token?
bool serve_has_token(const struct gateway *g, const char *authorization);
// May a page of this origin talk to us? True without an Origin header: then it is no browser.
bool serve_is_origin_allowed(const struct gateway *g, const char *origin);
// A bare error response with the JSON body {"error": text}; closes the connection.
void serve_error(const struct gateway *g, struct serve_scratch *s, int status, const char *text,
                 struct http_out *out);

#endif

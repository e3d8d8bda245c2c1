#ifndef IO_SERVICE_H
#define IO_SERVICE_H
// Life cycle that every service shares:
//   config -> log -> service_new -> wiring -> service_run -> teardown in reverse.
// First SIGTERM/SIGINT: on_drain is called; the service ends with service_done() (or after
// drain_ms, whichever is first) and exits 0. Second signal: leaves at once with 1.
//
// Health port (evhttp): GET /health (200 {"status":"ok",service,instance,version,uptime_ms,...}),
// GET /ready (200 or 503 with "status": what is not ready; with ?scope=self only what this process
// itself can mend: that of a readiness probe), GET /metrics (Prometheus text). And the hash
// bc4:health:<service>:<instance> with the same fields, TTL 10 s, written every 2 s when a redis is
// given, plus ZADD bc4:services <now_ms> <service>:<instance>. In the hash true is 1, false 0, null
// "", and nested values are their JSON text. Only GET and HEAD are answered; requests with a body,
// a long header or a slow sender are refused. Errors are {"error": "..."}.

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/buf.h"
#include "common/base/err.h"
#include "common/base/json.h"
#include "common/io/loop.h"
#include "common/io/redis.h"

struct service;
struct service_opts {
    struct loop *loop;
    const char *name;      // "collector"
    const char *instance;  // "binance"
    const char *http_host; // "127.0.0.1"
    int http_port;         // 0 = pick a free one (logged as health_port), -1 = none
    int64_t drain_ms;      // 0 -> 2000
    // Called once at the first signal. NULL: stop at once.
    void (*on_drain)(void *arg);
    // Adds fields to /health, /ready and the health hash: an open JSON object of flat values.
    void (*fill_health)(void *arg, struct jw *w);
    // "" = ready, else what is not.
    void (*ready)(void *arg, char *why, size_t size);
    // Appends Prometheus exposition text.
    void (*fill_metrics)(void *arg, struct buf *out);
    void *arg;
};
// Listens and takes over SIGTERM and SIGINT. NULL with e when the port cannot be had.
struct service *service_new(const struct service_opts *o, struct err *e);
// The connection the health hash is written through (borrowed; NULL = none (any more)). Written at
// once when it is up, then every 2 s.
void service_set_redis(struct service *s, struct redis *r);
void service_run(struct service *s);  // until done
void service_done(struct service *s); // drained: leave the loop
// As the first signal does (exchange-sim's control port, tests).
void service_shutdown(struct service *s);
bool service_is_draining(const struct service *s);
int service_http_port(const struct service *s);
int service_exit_code(const struct service *s);
// Stops with exit code 1 after logging `ev` with the reason: a fence, a refused keyspace.
// Before service_run() too: then it returns at once. The first reason stays.
void service_fail(struct service *s, const char *ev, const char *why);
void service_free(struct service *s);

// Prometheus helper: "# HELP name help\n# TYPE name type\n" once, then samples by the caller.
void prom_head(struct buf *out, const char *name, const char *type, const char *help);
void prom_value(struct buf *out, const char *name, const char *labels /* "a=\"b\"" or "" */,
                const char *value);
void prom_int(struct buf *out, const char *name, const char *labels, int64_t value);

#endif

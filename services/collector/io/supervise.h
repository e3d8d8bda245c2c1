#ifndef COLLECTOR_SUPERVISE_H
#define COLLECTOR_SUPERVISE_H
// Several venues: this program once more for each, under the eyes of the first. A child that ends
// is started again, with a pause that doubles and starts anew once a child lived for a minute;
// SIGTERM is passed on and waited for. A child dies with its parent.
//
// Each child has its own health port, health key, log lines and connections; the parent touches no
// market data and no Redis.

#include <stddef.h>

#include "common/base/buf.h"
#include "common/base/err.h"
#include "common/base/json.h"
#include "common/io/loop.h"
#include "common/io/service.h"
#include "services/collector/config.h"

struct supervisor;
// argv is handed on to the children as it is.
struct supervisor *supervise_new(const struct config *c, struct loop *loop, char **argv);
void supervise_start(struct supervisor *s, struct service *service);
void supervise_free(struct supervisor *s); // ends what still runs

// A child tells its parent where it listens; does nothing in a process without one.
void supervise_tell(int http_port);

// service_opts
void supervise_drain(void *arg);
void supervise_health(void *arg, struct jw *w);
void supervise_ready(void *arg, char *why, size_t size);
void supervise_metrics(void *arg, struct buf *out);

#endif

#ifndef IO_PROBE_H
#define IO_PROBE_H
// Asks a health port whether the program behind it is alive, for container health checks: images
// without a shell and without curl run `<service> --health`, in the environment of the service.
// Plain blocking sockets: nothing of the program is up yet, and nothing else happens meanwhile.

#include <stdint.h>

#include "common/base/err.h"
#include "common/base/opt.h"

#define PROBE_TIMEOUT_MS 3000

// GET /health. 0 when the answer is 200. host is a numeric address or a name; one that means "all"
// (0.0.0.0, ::) is asked on loopback.
int probe_health(const char *host, int port, int64_t timeout_ms, struct err *e) MUST_CHECK;

// The same for the port that the loaded table tells: <PROGRAM>_HTTP_HOST and <PROGRAM>_HTTP_PORT
// (exchange-sim: SIM_HOST, SIM_CONTROL_PORT). Prints the reason on stderr; returns the exit code: 0
// alive, 1 not. A port of 0 can not be asked.
int probe_main(const struct opt_table *t, const void *values);

#endif

#ifndef BACKFILL_PROBE_H
#define BACKFILL_PROBE_H
// CONTEXT_BACKFILL_TEST_MODE: proves that the venue is reached, that the key is known to it and
// that what is signed with the secret is accepted, prints what it found and ends the service.
// Nothing is fetched, Redis is not needed, no secret is printed.

#include "common/io/http.h"
#include "common/io/service.h"
#include "services/backfill/config.h"

struct probe;
struct probe *probe_new(struct loop *l, const struct config *c, struct service *s);
void probe_free(struct probe *p);

#endif

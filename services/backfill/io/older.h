#ifndef BACKFILL_OLDER_H
#define BACKFILL_OLDER_H
// BACKFILL_DAYS: the running service makes the days before today whole in the store, one after the
// other, while no job has anything to do. Nothing of it goes to Redis but how far it is.

#include "common/base/buf.h"
#include "common/base/json.h"
#include "common/io/redis.h"
#include "services/backfill/io/job.h"

struct older;
struct older *older_new(struct app *a); // NULL: nothing beyond the previous day is wanted
void older_free(struct older *o);
void older_tick(struct older *o); // once a second
void older_stop(struct older *o);
// Fields of :backfill: days_wanted, days_whole, days_current ("" none).
void older_state(const struct older *o, const struct job *j, struct redis_tx *tx);
void older_health(const struct older *o, struct jw *w);
void older_metrics(const struct older *o, struct buf *out);

#endif

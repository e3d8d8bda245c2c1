// The fields of :backfill, as /backfill/status shows them.

#include <string.h>

#include "services/backfill/io/app.h"
#include "services/backfill/io/older.h"

const char *state_status(const struct job *j)
{
    const struct config *c = j->app->cfg;
    if (c->skipped || j->ops == NULL) {
        return "skipped";
    }
    if (!c->enabled) {
        return "disabled";
    }
    if (j->state == JOB_COMPLETE) {
        return "complete";
    }
    if (j->cancelled) {
        return "cancelled";
    }
    if (j->error[0] != '\0') {
        return "error";
    }
    return j->state == JOB_RUNNING ? "in_progress" : "idle";
}

void state_put_text(struct redis_tx *tx, const char *field, const char *text)
{
    redis_tx_hset(tx, field, text, strlen(text));
}

void state_put_int(struct redis_tx *tx, const char *field, int64_t v)
{
    char out[24];
    redis_tx_hset(tx, field, out, fmt_i64(out, v));
}

void state_put_known(struct redis_tx *tx, const char *field, int64_t v)
{
    if (v < 0) {
        state_put_text(tx, field, "");
    } else {
        state_put_int(tx, field, v);
    }
}

void state_fill(const struct job *j, struct redis_tx *tx)
{
    struct app *a = j->app;
    const struct breaker *br = j->ins.venue == VENUE_BYBIT ? &a->bybit_breaker : &a->breaker;
    const int64_t mono = loop_mono_ms(a->loop), wall = loop_wall_us(a->loop) / 1000;
    const char *status = state_status(j);
    state_put_text(tx, "status", status);
    state_put_text(tx, "running", strcmp(status, "in_progress") == 0 ? "1" : "0");
    state_put_text(tx, "complete", j->state == JOB_COMPLETE ? "1" : "0");
    state_put_known(tx, "current", j->progress.total >= 0 ? j->progress.done : -1);
    state_put_known(tx, "total", j->progress.total);
    state_put_known(tx, "chunks", (j->progress.done + WALK_LIMIT - 1) / WALK_LIMIT);
    state_put_known(tx, "chunks_total",
                    j->progress.total >= 0 ? (j->progress.total + WALK_LIMIT - 1) / WALK_LIMIT
                                           : -1);
    state_put_int(tx, "percentage",
                  j->state == JOB_COMPLETE ? 100 : progress_percent(&j->progress));
    state_put_known(tx, "estimated_seconds_remaining",
                    j->state == JOB_COMPLETE ? 0 : progress_eta_s(&j->progress, mono));
    state_put_int(tx, "trades_loaded", j->loaded);
    state_put_known(tx, "completion_time_ms", j->completed_ms);
    state_put_text(tx, "breaker_state", breaker_state_name(br->state));
    state_put_known(tx, "breaker_cooldown_until_ms",
                    br->until_ms > mono ? wall + br->until_ms - mono : -1);
    state_put_int(tx, "throttle", br->throttle);
    state_put_int(tx, "parallel", br->parallel);
    state_put_text(tx, "error", j->error);
    state_put_text(tx, "simulated", j->ins.simulated ? "1" : "0");
    if (j->ops != NULL) {
        j->ops->state_fill(j, tx);
    }
    older_state(a->older, j, tx);
    state_put_int(tx, "_updated_ms", wall);
}

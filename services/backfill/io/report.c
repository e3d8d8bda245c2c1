#include "services/backfill/io/report.h"

#include "services/backfill/io/app.h"
#include "services/backfill/io/older.h"

static void key_of(char out[96], const struct job *j, const char *name)
{
    str_fmt(out, 96, "%s.%s", j->ins.name, name);
}

void report_health(void *arg, struct jw *w)
{
    const struct app *a = arg;
    struct budget_stats b;
    char key[96];
    if (a->budget == NULL) {
        return; // the test mode
    }
    budget_stats(a->budget, &b);
    jw_kstr(w, "breaker_state", breaker_state_name(a->breaker.state));
    jw_kint(w, "throttle", a->breaker.throttle);
    jw_kint(w, "parallel", a->breaker.parallel);
    jw_kint(w, "requests", (int64_t)a->requests);
    jw_kint(w, "refusals", (int64_t)a->refusals);
    jw_kint(w, "wrong_answers", (int64_t)a->wrong);
    jw_kint(w, "banned_until_ms", b.banned_until_ms);
    jw_kstr(w, "refused_because", a->block);
    older_health(a->older, w);
    for (size_t i = 0; i < a->n; i++) {
        const struct job *j = a->job[i];
        key_of(key, j, "status");
        jw_kstr(w, key, state_status(j));
        key_of(key, j, "percentage");
        jw_kint(w, key, j->state == JOB_COMPLETE ? 100 : progress_percent(&j->progress));
        key_of(key, j, "trades_loaded");
        jw_kint(w, key, j->loaded);
        key_of(key, j, "lost");
        jw_kint(w, key, (int64_t)j->lost);
    }
}

void report_ready(void *arg, char *why, size_t size)
{
    const struct app *a = arg;
    char text[200];
    why[0] = '\0';
    for (size_t i = 0; i < a->n; i++) {
        if (!job_is_ready(a->job[i], text, sizeof text)) {
            str_fmt(why, size, "%s: %s", a->job[i]->ins.name, text);
            return;
        }
    }
}

void report_metrics(void *arg, struct buf *out)
{
    const struct app *a = arg;
    struct budget_stats b;
    char label[96];
    if (a->budget == NULL) {
        return;
    }
    budget_stats(a->budget, &b);
    prom_head(out, "bc4_backfill_requests_total", "counter", "REST requests sent.");
    prom_int(out, "bc4_backfill_requests_total", "", (int64_t)a->requests);
    prom_head(out, "bc4_backfill_refusals_total", "counter", "Answers 403, 418, 429 and 451.");
    prom_int(out, "bc4_backfill_refusals_total", "", (int64_t)a->refusals);
    prom_head(out, "bc4_backfill_wrong_answers_total", "counter",
              "Answers that were not what was asked for.");
    prom_int(out, "bc4_backfill_wrong_answers_total", "", (int64_t)a->wrong);
    prom_head(out, "bc4_backfill_received_bytes_total", "counter", "Bytes of bodies and archives.");
    prom_int(out, "bc4_backfill_received_bytes_total", "", (int64_t)a->bytes);
    prom_head(out, "bc4_backfill_budget_weight_total", "counter", "Request weight granted.");
    prom_int(out, "bc4_backfill_budget_weight_total", "", (int64_t)b.weight);
    prom_head(out, "bc4_backfill_breaker_open", "gauge", "1 while nothing is sent.");
    prom_int(out, "bc4_backfill_breaker_open", "", a->breaker.state == BREAKER_OPEN);
    prom_head(out, "bc4_backfill_complete", "gauge", "1 when nothing is missing any more.");
    for (size_t i = 0; i < a->n; i++) {
        str_fmt(label, sizeof label, "instrument=\"%s\"", a->job[i]->ins.name);
        prom_int(out, "bc4_backfill_complete", label, a->job[i]->state == JOB_COMPLETE);
    }
    prom_head(out, "bc4_backfill_trades_total", "counter", "Trades delivered, by source.");
    for (size_t i = 0; i < a->n; i++) {
        const struct job *j = a->job[i];
        const struct {
            const char *name;
            uint64_t rows;
        } source[] = {{"store", j->rows_store},
                      {"recording", j->rows_recording},
                      {"archive", j->rows_archive},
                      {"rest", j->rows_rest}};
        for (size_t k = 0; k < sizeof source / sizeof source[0]; k++) {
            str_fmt(label, sizeof label, "instrument=\"%s\",source=\"%s\"", j->ins.name,
                    source[k].name);
            prom_int(out, "bc4_backfill_trades_total", label, (int64_t)source[k].rows);
        }
    }
    older_metrics(a->older, out);
    prom_head(out, "bc4_backfill_lost_ids_total", "counter", "Ids given up: declared holes.");
    for (size_t i = 0; i < a->n; i++) {
        str_fmt(label, sizeof label, "instrument=\"%s\"", a->job[i]->ins.name);
        prom_int(out, "bc4_backfill_lost_ids_total", label, (int64_t)a->job[i]->lost);
    }
}

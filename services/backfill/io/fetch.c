#include "services/backfill/io/fetch.h"

#include <stdio.h>

#include "common/base/log.h"

static void on_all(void *arg)
{
    struct mode *m = arg;
    char line[160];
    if (m->json) {
        str_fmt(line, sizeof line, "{\"days\":%zu,\"whole\":%zu,\"ms\":%lld}", m->n_days,
                m->n_days - m->bad_days, (long long)(loop_mono_ms(m->app.loop) - m->began_ms));
    } else {
        str_fmt(line, sizeof line, "%zu of %zu days are whole in %.100s", m->n_days - m->bad_days,
                m->n_days, m->cfg.cache_dir);
    }
    mode_print(m, line);
    mode_end(m, m->bad_days > 0 ? 1 : 0);
}

static void ready(struct mode *m)
{
    m->keep = keep_new(
        &(struct keep_opts){.app = &m->app, .on_day = mode_on_day, .on_all = on_all, .arg = m});
    for (int64_t day = m->from_ms; day <= m->to_ms; day += MS_PER_DAY) {
        for (size_t i = 0; i < m->n_ins; i++) {
            keep_add(m->keep, &m->ins[i], day);
        }
    }
    keep_kick(m->keep);
}

int fetch_main(int argc, char **argv)
{
    static struct mode m;
    const int rc = mode_begin(&m, "INSTRUMENT[,INSTRUMENT...] DAY[..DAY]", argc, argv);
    if (rc >= 0) {
        return rc;
    }
    if (m.n_ins == 0 || m.from_ms < 0) {
        fprintf(stderr, "backfill --fetch: expected instruments and days, such as binance:BTCUSDT "
                        "2026-11-01..2026-11-20\n");
        loop_free(m.boot.loop);
        return 2;
    }
    return mode_run(&m, ready, true);
}

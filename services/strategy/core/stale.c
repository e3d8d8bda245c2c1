// Buckets older than the tape that a late trade changed: which they are, and their content from
// trades read back from the streams.

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/base/str.h"
#include "services/strategy/core/strategy.h"

static size_t list(const struct strategy *s, size_t tf, int64_t out[CANDLE_KEEP])
{
    size_t n = candle_series_stale(s->series[tf], out, CANDLE_KEEP);
    return n < CANDLE_KEEP ? n : CANDLE_KEEP;
}

static bool holds(const int64_t *v, size_t n, int64_t start_ms)
{
    for (size_t i = 0; i < n; i++) {
        if (v[i] == start_ms) {
            return true;
        }
    }
    return false;
}

static void add_text(struct buf *out, size_t tf, int64_t start_ms)
{
    buf_addf(out, "%s%" PRId64 ":%" PRId64, buf_len(out) ? "," : "", strategy_tf_ms[tf], start_ms);
}

void strategy_stale_text(const struct strategy *s, struct buf *out)
{
    int64_t v[CANDLE_KEEP];
    for (size_t tf = 0; tf < N_TF; tf++) {
        size_t n = list(s, tf, v);
        for (size_t i = 0; i < n; i++) {
            add_text(out, tf, v[i]);
        }
        for (size_t i = 0; i < s->n_left[tf]; i++) {
            if (!holds(v, n, s->left[tf][i])) {
                add_text(out, tf, s->left[tf][i]);
            }
        }
    }
}

void strategy_take_stale(struct strategy *s, const char *text, size_t n)
{
    const char *end = text + n;
    while (text < end) {
        const char *comma = memchr(text, ',', (size_t)(end - text));
        const char *stop = comma ? comma : end;
        const char *colon = memchr(text, ':', (size_t)(stop - text));
        int64_t tf_ms;
        int64_t start;
        if (colon && parse_i64(text, (size_t)(colon - text), &tf_ms) == 0 &&
            parse_i64(colon + 1, (size_t)(stop - colon - 1), &start) == 0 && start >= 0) {
            for (size_t tf = 0; tf < N_TF; tf++) {
                if (tf_ms == strategy_tf_ms[tf] && start % tf_ms == 0 &&
                    s->n_left[tf] < CANDLE_KEEP) {
                    s->left[tf][s->n_left[tf]++] = start;
                }
            }
        }
        text = stop + 1;
    }
}

size_t strategy_stale_count(const struct strategy *s)
{
    size_t n = 0;
    for (size_t tf = 0; tf < N_TF; tf++) {
        n += candle_series_stale(s->series[tf], NULL, 0) + s->n_left[tf];
    }
    return n;
}

bool strategy_stale_begin(struct strategy *s, int64_t *from_ms, int64_t *to_ms)
{
    struct stale_job *j = &s->job;
    if (j->active || strategy_stale_count(s) == 0) {
        return false;
    }
    int64_t first = INT64_MAX;
    int64_t v[CANDLE_KEEP];
    for (size_t tf = 0; tf < N_TF; tf++) {
        if (list(s, tf, v) > 0 && v[0] < first) {
            first = v[0];
        }
        for (size_t i = 0; i < s->n_left[tf]; i++) {
            first = s->left[tf][i] < first ? s->left[tf][i] : first;
        }
    }
    j->active = true;
    j->from_ms = first - first % strategy_tf_ms[N_TF - 1];
    j->to_ms = j->from_ms + STALE_SPAN_MS;
    j->again[0] = j->again[1] = 0;
    j->n = 0;
    j->overflow = false;
    *from_ms = j->from_ms;
    *to_ms = j->to_ms;
    return true;
}

static void collect(struct stale_job *j, const struct trade *t)
{
    if (j->n == j->cap) {
        if (j->n >= STALE_MAX_TRADES) {
            j->overflow = true;
            return;
        }
        j->cap = j->cap ? 2 * j->cap : 4096;
        j->v = xrealloc(j->v, j->cap * sizeof *j->v);
    }
    j->v[j->n++] = *t;
}

void strategy_stale_trade(struct strategy *s, const struct trade *t)
{
    struct stale_job *j = &s->job;
    if (j->active && t->ts_ms >= j->from_ms && t->ts_ms < j->to_ms) {
        collect(j, t);
    }
}

void strategy_replay(struct strategy *s, const struct trade *t)
{
    strategy_add_to_candles(s, t);
    collect(&s->job, t);
}

static size_t lower(const struct stale_job *j, int64_t ts_ms)
{
    size_t lo = 0;
    size_t hi = j->n;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (j->v[mid].ts_ms < ts_ms) {
            lo = mid + 1;
        } else {
            hi = mid;
        }
    }
    return lo;
}

static void replace(struct strategy *s, size_t tf, int64_t start_ms)
{
    struct stale_job *j = &s->job;
    if (start_ms < j->from_ms || start_ms >= j->to_ms ||
        (j->again[tf] >> ((start_ms - j->from_ms) / strategy_tf_ms[tf]) & 1)) {
        return;
    }
    size_t a = lower(j, start_ms);
    size_t b = lower(j, start_ms + strategy_tf_ms[tf]);
    size_t unique = b - a; // copies were taken out
    // Trades are never un-counted: fewer than were counted means that the streams were trimmed
    // since, and what is stored is the better answer.
    const struct candle *c = candle_series_find(s->series[tf], start_ms);
    if (j->overflow || unique == 0 || (c && (size_t)c->trades > unique)) {
        s->kept_stale++;
        candle_series_keep(s->series[tf], start_ms);
    } else if (candle_series_replace(s->series[tf], start_ms, j->v + a, b - a)) {
        s->bad++;
        candle_series_keep(s->series[tf], start_ms);
    }
}

void strategy_stale_forget(struct strategy *s, int64_t from_ms, int64_t to_ms)
{
    for (size_t tf = 0; tf < N_TF; tf++) {
        size_t kept = 0;
        for (size_t i = 0; i < s->n_left[tf]; i++) {
            int64_t start = s->left[tf][i];
            if (start < from_ms || start >= to_ms) {
                s->left[tf][kept++] = start;
            }
        }
        s->n_left[tf] = kept;
    }
}

void strategy_stale_end(struct strategy *s, bool ok)
{
    struct stale_job *j = &s->job;
    if (!j->active) {
        return;
    }
    if (ok) {
        j->n = trades_unique(j->v, j->n);
        for (size_t tf = 0; tf < N_TF; tf++) {
            int64_t v[CANDLE_KEEP];
            size_t n = list(s, tf, v);
            for (size_t i = 0; i < n; i++) {
                replace(s, tf, v[i]);
            }
            size_t kept = 0;
            for (size_t i = 0; i < s->n_left[tf]; i++) {
                int64_t start = s->left[tf][i];
                if (start < j->from_ms || start >= j->to_ms) {
                    s->left[tf][kept++] = start;
                } else if (!holds(v, n, start)) {
                    replace(s, tf, start);
                }
            }
            s->n_left[tf] = kept;
        }
    }
    free(j->v);
    *j = (struct stale_job){0};
}

void strategy_replay_named(struct strategy *s, const struct trade *t, enum ledger_result r)
{
    if (t->ts_ms < candle_series_tape_from(s->series[0])) {
        return; // its candle is stored
    }
    if (r == LEDGER_COUNTED || r == LEDGER_COUNTED_PREV) {
        strategy_replay(s, t);
    } else if (r == LEDGER_COPY) {
        (void)candle_series_revise(s->series[0], t);
    }
}

// ---- the tape after a restart
// --------------------------------------------------------------------

void strategy_end_replay(struct strategy *s)
{
    struct stale_job *j = &s->job;
    j->n = trades_unique(j->v, j->n);
    struct minutes again;
    minutes_init(&again, s->minutes.bin_ticks);
    for (size_t i = 0; i < j->n; i++) {
        if (j->v[i].ts_ms > s->window.end_ms - s->window.length_ms) {
            window_add(&s->window, j->v[i].ts_ms);
        }
        minutes_add(&again, &j->v[i]);
    }
    minutes_take(&s->minutes, &again);
    free(j->v);
    *j = (struct stale_job){0};
}

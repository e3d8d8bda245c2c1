#include "common/market/summary.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/mem.h"
#include "common/market/uidset.h"

const int64_t summary_tf_ms[SUMMARY_TFS] = {60000, 300000};

#define EDGE_MS 1000
#define NAMES_MAX ((size_t)16 << 20) // of one day, while it is folded

void summary_init(struct summary *s)
{
    *s = (struct summary){.from_id = -1, .to_id = -1};
    day_init(&s->day);
    minutes_init(&s->minutes, 1);
}

void summary_release(struct summary *s)
{
    day_release(&s->day);
    minutes_release(&s->minutes);
    for (size_t i = 0; i < SUMMARY_TFS; i++) {
        free(s->candle[i]);
    }
    free(s->name);
    summary_init(s);
}

// ---- from trades -------------------------------------------------------------------------------

struct summary_fold {
    struct summary s;
    struct candle_series *series[SUMMARY_TFS];
    struct trade last;
    struct uidset names; // all of the day: no copy goes unseen
    size_t cap_edge;
    bool named;
};

struct summary_fold *summary_fold_new(const struct instrument *ins, int64_t start_ms)
{
    struct summary_fold *f = xcalloc(1, sizeof *f);
    summary_init(&f->s);
    day_start(&f->s.day, start_ms, ins->bin_ticks);
    minutes_init(&f->s.minutes, ins->bin_ticks);
    f->series[0] = candle_series_new(summary_tf_ms[0], ins->bin_ticks);
    f->series[1] = candle_series_new_on(f->series[0], summary_tf_ms[1]);
    uidset_init(&f->names, NAMES_MAX);
    f->named = ins->venue == VENUE_BYBIT;
    return f;
}

void summary_fold_free(struct summary_fold *f)
{
    if (f != NULL) {
        candle_series_free(f->series[1]);
        candle_series_free(f->series[0]);
        uidset_release(&f->names);
        summary_release(&f->s);
        free(f);
    }
}

static int keep_name(struct summary_fold *f, const struct trade *t)
{
    struct summary *s = &f->s;
    if (!trade_has_uid(t) || uidset_add(&f->names, t->uid) != UIDSET_NEW) {
        return ERR_STATE;
    }
    int64_t in_day = t->ts_ms - s->day.start_ms;
    if (in_day >= EDGE_MS && in_day < MS_PER_DAY - EDGE_MS) {
        return 0;
    }
    if (s->names == SUMMARY_NAMES_MAX) {
        return ERR_LIMIT;
    }
    if (s->names == f->cap_edge) {
        f->cap_edge = f->cap_edge > 0 ? 2 * f->cap_edge : 64;
        s->name = xrealloc(s->name, f->cap_edge * sizeof *s->name);
    }
    s->name[s->names++] = t->uid;
    return 0;
}

int summary_fold_add(struct summary_fold *f, const struct trade *t)
{
    struct summary *s = &f->s;
    if (t->ts_ms < s->day.start_ms || t->ts_ms - s->day.start_ms >= MS_PER_DAY ||
        (s->day.trades > 0 && trade_cmp(&f->last, t) >= 0)) {
        return ERR_STATE;
    }
    int rc = f->named ? keep_name(f, t) : 0;
    rc = rc ? rc : day_add(&s->day, t);
    for (size_t i = 0; i < SUMMARY_TFS && rc == 0; i++) {
        int64_t stale;
        rc = candle_series_add(f->series[i], t, &stale);
        rc = rc > 0 ? ERR_STATE : rc;
    }
    if (rc) {
        return rc;
    }
    minutes_add(&s->minutes, t);
    if (!f->named) {
        s->from_id = s->day.trades == 1 || t->id < s->from_id ? t->id : s->from_id;
        s->to_id = t->id > s->to_id ? t->id : s->to_id;
    }
    f->last = *t;
    return 0;
}

static void copy_candles(struct summary *s, size_t tf, const struct candle_series *series)
{
    const size_t n = candle_series_count(series);
    s->candle[tf] = xmalloc((n > 0 ? n : 1) * sizeof *s->candle[tf]);
    for (size_t i = 0; i < n; i++) {
        s->candle[tf][i] = *candle_series_at(series, i);
    }
    s->candles[tf] = n;
}

int summary_fold_end(struct summary_fold *f, struct summary *out, struct err *e)
{
    struct summary *s = &f->s;
    if (s->day.trades == 0) {
        return err_set(e, ERR_STATE, "a day without a trade");
    }
    // An id that is there twice would make up for one that is not, but for this: each trade of the
    // fold lies behind the one before, so an id can return only with another time.
    if (!f->named && (uint64_t)(s->to_id - s->from_id) + 1 != s->day.trades) {
        return err_set(e, ERR_STATE, "ids %lld..%lld, but %llu trades", (long long)s->from_id,
                       (long long)s->to_id, (unsigned long long)s->day.trades);
    }
    for (size_t i = 0; i < s->minutes.n; i++) {
        if (s->minutes.row[i].lost) {
            return err_set(e, ERR_LIMIT, "more price bins a minute than are kept");
        }
    }
    for (size_t i = 0; i < SUMMARY_TFS; i++) {
        copy_candles(s, i, f->series[i]);
    }
    summary_release(out);
    *out = *s;
    summary_init(s);
    return 0;
}

int summary_of_history(struct summary *s, const struct instrument *ins, const struct history *h,
                       struct err *e)
{
    int rc = summary_parse(s, ins, h->data.p, h->data.n, e);
    if (rc == 0 && (s->day.start_ms != h->from_ms || s->from_id != h->from_id ||
                    s->to_id != h->to_id || s->day.trades != (uint64_t)h->n)) {
        rc = err_set(e, ERR_STATE, "the summary is of another day than its entry");
        summary_release(s);
    }
    return rc;
}

// What is made of the minutes: footprints of the newest candles, the regime.

#include <string.h>

#include "common/base/decimal.h"
#include "common/base/json.h"
#include "common/base/str.h"
#include "services/strategy/core/strategy.h"

// Minutes are kept for the current day and, around midnight, for the candles that still show a
// footprint.
static int64_t keep_from(const struct strategy *s)
{
    const int64_t shown = (int64_t)(s->foot.keep + 1) * strategy_tf_ms[N_TF - 1];
    const int64_t recent = s->ledger.newest_ms - s->ledger.newest_ms % MINUTE_MS - shown;
    const int64_t day = s->ledger.cur.start_ms;
    return recent < day ? recent : day;
}

void strategy_add_to_minutes(struct strategy *s, const struct trade *t)
{
    minutes_keep_from(&s->minutes, keep_from(s));
    minutes_add(&s->minutes, t);
}

void strategy_replace_minutes(struct strategy *s, int64_t from_ms, int64_t to_ms,
                              struct minutes *with)
{
    minutes_keep_from(&s->minutes, keep_from(s));
    minutes_replace(&s->minutes, from_ms, to_ms, with);
}

// ---- footprints --------------------------------------------------------------------------------

static bool was_shown(const struct strategy *s, size_t tf, int64_t start_ms)
{
    for (size_t i = s->n_foot_shown[tf]; i-- > 0;) {
        if (s->foot_shown[tf][i] == start_ms) {
            return true;
        }
    }
    return false;
}

// The rows of a candle; none when they are not all of its trades.
static const struct minute *rows_of(const struct strategy *s, size_t tf, const struct candle *c,
                                    size_t *n, bool *changed)
{
    const struct minutes *m = &s->minutes;
    const size_t from = minutes_lower(m, c->start_ms);
    int64_t trades = 0;
    *n = 0;
    *changed = false;
    for (size_t i = from; i < m->n && m->row[i].start_ms < c->start_ms + strategy_tf_ms[tf]; i++) {
        if (m->row[i].lost) {
            return NULL;
        }
        trades += m->row[i].trades;
        *changed |= m->row[i].unshown;
        ++*n;
    }
    return trades == c->trades ? &m->row[from] : NULL;
}

static void show_timeframe(struct strategy *s, size_t tf, const struct strategy_sink *sink)
{
    const struct candle_series *series = s->series[tf];
    const size_t n = candle_series_count(series);
    const size_t keep = s->foot.keep < FOOTPRINT_KEEP_MAX ? s->foot.keep : FOOTPRINT_KEEP_MAX;
    int64_t now[FOOTPRINT_KEEP_MAX];
    size_t n_now = 0;
    for (size_t i = n > keep ? n - keep : 0; i < n; i++) {
        const struct candle *c = candle_series_at(series, i);
        size_t rows;
        bool changed;
        const struct minute *row = rows_of(s, tf, c, &rows, &changed);
        if (row == NULL) {
            continue;
        }
        now[n_now++] = c->start_ms;
        if (changed || !was_shown(s, tf, c->start_ms)) {
            buf_clear(&s->text);
            footprint_to_json(&s->foot, &s->ledger.ins, s->minutes.bin_ticks, row, rows, &s->text);
            sink->footprint(sink->arg, tf, c->start_ms, buf_ptr(&s->text), buf_len(&s->text));
        }
    }
    for (size_t i = 0, k = 0; i < s->n_foot_shown[tf]; i++) {
        while (k < n_now && now[k] < s->foot_shown[tf][i]) {
            k++;
        }
        if (k == n_now || now[k] != s->foot_shown[tf][i]) {
            sink->footprint(sink->arg, tf, s->foot_shown[tf][i], NULL, 0);
        }
    }
    memcpy(s->foot_shown[tf], now, n_now * sizeof now[0]);
    s->n_foot_shown[tf] = n_now;
}

void strategy_footprints(struct strategy *s, const struct strategy_sink *sink)
{
    for (size_t tf = 0; tf < N_TF; tf++) {
        show_timeframe(s, tf, sink);
    }
    for (size_t i = s->minutes.n; i-- > 0;) {
        s->minutes.row[i].unshown = false;
    }
}

// ---- regime ------------------------------------------------------------------------------------

struct telling {
    struct strategy *s;
    const struct strategy_sink *sink;
};

static const char *regime_name(bool trend)
{
    return trend ? "trend" : "range";
}

static void tell(void *arg, bool trend, const struct regime_step *step, int64_t at_ms)
{
    const struct telling *t = arg;
    struct buf *b = &t->s->text;
    struct jw w;
    buf_clear(b);
    jw_init(&w, b);
    jw_obj(&w);
    jw_kstr(&w, "from", regime_name(!trend));
    jw_kstr(&w, "to", regime_name(trend));
    jw_kint(&w, "at_ms", at_ms);
    char score[DEC_TEXT] = "";
    if (step != NULL) {
        dec_format(score, step->score_e8, 8, 8);
    }
    jw_kraw(&w, "score", score);
    jw_end_obj(&w);
    t->sink->event(t->sink->arg, "regime_change", at_ms, buf_ptr(b), buf_len(b));
}

bool strategy_regime(struct strategy *s, const struct strategy_sink *sink)
{
    const struct day *day = &s->ledger.cur;
    if (day_is_empty_slot(day)) {
        return false;
    }
    struct telling t = {s, sink};
    const bool changed =
        regime_update(&s->regime, &s->minutes, s->series[0], day->start_ms, day->trades);
    regime_tell(&s->regime, tell, &t);
    return changed;
}

void strategy_regime_fields(const struct strategy *s, field_sink sink, void *arg)
{
    const struct coverage *v = &s->cov[0];
    const bool judged = v->day_ms >= 0 && v->day_ms == s->regime.day_ms;
    regime_fields(&s->regime, &s->ledger.ins, judged ? v->judged_end_ms - v->day_ms : 0,
                  judged ? v->missing_ms : 0, sink, arg);
}

// ---- stored minutes ----------------------------------------------------------------------------

void strategy_minutes(struct strategy *s, bool all, field_sink sink, void *arg)
{
    for (size_t i = 0; i < s->minutes.n; i++) {
        struct minute *r = &s->minutes.row[i];
        if (r->start_ms > s->completed_ms[0] || !(r->unsaved || all)) {
            continue; // what is newer than the tape's beginning is read back after a restart anyway
        }
        char field[24];
        field[fmt_i64(field, r->start_ms)] = '\0';
        buf_clear(&s->text);
        minute_to_text(r, &s->text);
        sink(arg, field, buf_ptr(&s->text), buf_len(&s->text));
        r->unsaved = false;
    }
}

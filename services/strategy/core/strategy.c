#include "services/strategy/core/strategy.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/decimal.h"
#include "common/base/json.h"

const int64_t strategy_tf_ms[N_TF] = {60000, 300000};
const char *const strategy_tf[N_TF] = {"1m", "5m"};

#define TEXT_MAX ((size_t)1 << 20)
// Buckets whose coverage may still grow with the judged end.
#define NEWEST_CHECKED 3

void strategy_init(struct strategy *s, const struct instrument *ins, int64_t window_ms)
{
    *s = (struct strategy){.seen_ms = -1};
    ledger_init(&s->ledger, ins);
    s->series[0] = candle_series_new(strategy_tf_ms[0], ins->bin_ticks);
    s->series[1] = candle_series_new_on(s->series[0], strategy_tf_ms[1]);
    for (size_t i = 0; i < N_TF; i++) {
        shown_init(&s->shown[i]);
        s->completed_ms[i] = -1;
    }
    phase_init(&s->phase);
    window_init(&s->window, window_ms);
    iclock_init(&s->clock);
    coverage_init(&s->cov[0]);
    coverage_init(&s->cov[1]);
    buf_init(&s->text, TEXT_MAX);
    minutes_init(&s->minutes, ins->bin_ticks);
    s->foot = (struct footprint_params){.bin_ticks = 50, .ratio_milli = 3000, .keep = 30};
    regime_init(&s->regime, ins->bin_ticks);
    seconds_init(&s->seconds);
    cvd_init(&s->cvd);
}

void strategy_release(struct strategy *s)
{
    for (size_t i = N_TF; i-- > 0;) {
        candle_series_free(s->series[i]);
        shown_release(&s->shown[i]);
        coverage_release(&s->cov[i]);
    }
    window_release(&s->window);
    ledger_release(&s->ledger);
    free(s->job.v);
    minutes_release(&s->minutes);
    regime_release(&s->regime);
    seconds_release(&s->seconds);
    buf_release(&s->text);
}

static void note_again(struct strategy *s, size_t tf, int64_t start_ms)
{
    struct stale_job *j = &s->job;
    if (j->active && start_ms >= j->from_ms && start_ms < j->to_ms) {
        j->again[tf] |= UINT64_C(1) << ((start_ms - j->from_ms) / strategy_tf_ms[tf]);
    }
}

void strategy_add_to_candles(struct strategy *s, const struct trade *t)
{
    for (size_t i = 0; i < N_TF; i++) {
        int64_t stale = 0;
        int rc = candle_series_add(s->series[i], t, &stale);
        if (rc > 0) {
            note_again(s, i, stale);
        } else if (rc < 0) {
            s->bad++;
        }
    }
}

// A copy that may have moved its trade in the set order.
static void on_copy(struct strategy *s, const struct trade *t)
{
    if (candle_series_revise(s->series[0], t)) {
        return;
    }
    for (size_t i = 0; i < N_TF; i++) {
        int64_t stale = 0;
        if (candle_series_doubt(s->series[i], t->ts_ms, &stale) > 0) {
            note_again(s, i, stale);
        }
    }
}

void strategy_on_trade(struct strategy *s, const struct trade *t, int64_t rx_us, bool late)
{
    enum ledger_result r = late ? ledger_add_late(&s->ledger, t) : ledger_add(&s->ledger, t);
    if (r == LEDGER_OVERFLOW) {
        s->bad++;
    } else if (r == LEDGER_COPY) {
        on_copy(s, t);
    }
    if (r != LEDGER_COUNTED && r != LEDGER_COUNTED_PREV) {
        return;
    }
    strategy_add_to_candles(s, t);
    strategy_add_to_minutes(s, t);
    seconds_add(&s->seconds, t);
    if (r == LEDGER_COUNTED) {
        cvd_add(&s->cvd, t, s->ledger.cur.start_ms);
    }
    window_add(&s->window, t->ts_ms);
    if (t->ts_ms >= s->seen_ms) {
        s->seen_ms = t->ts_ms;
        s->seen_rx_us = rx_us;
        s->seen_new = true;
    }
    if (s->ledger.rolled) {
        s->ledger.rolled = false;
        s->holes_changed = true;
    }
}

void strategy_on_history(struct strategy *s, const struct history *h)
{
    if (h->kind == HISTORY_DAY) {
        strategy_take_day(s, h);
        return;
    }
    if (ledger_on_history(&s->ledger, h)) {
        s->holes_changed = true;
    }
}

int64_t strategy_clock(struct strategy *s, int64_t wall_us, int64_t mono_ms)
{
    if (s->seen_new) {
        s->seen_new = false;
        int64_t age_ms = s->seen_rx_us > 0 ? (wall_us - s->seen_rx_us) / 1000 : 0;
        iclock_seen(&s->clock, s->seen_ms, mono_ms - (age_ms > 0 ? age_ms : 0));
    }
    return iclock_now(&s->clock, mono_ms);
}

// ---- coverage of candles
// -------------------------------------------------------------------------

static void compute_coverage(struct strategy *s)
{
    const struct ledger *l = &s->ledger;
    const struct day *day[2] = {&l->cur, &l->prev};
    for (size_t i = 0; i < 2; i++) {
        ledger_coverage(l, day[i], &s->cov[i]);
    }
}

// -1: not judged. A candle older than the live days keeps what was written.
static int64_t candle_coverage(const struct strategy *s, size_t tf, int64_t start_ms)
{
    for (size_t i = 0; i < 2; i++) {
        const struct coverage *v = &s->cov[i];
        if (v->day_ms < 0 || day_start_ms(start_ms) != v->day_ms) {
            continue;
        }
        int64_t end = start_ms + strategy_tf_ms[tf];
        int64_t to = end < v->judged_end_ms ? end : v->judged_end_ms;
        if (to <= start_ms) {
            return -1;
        }
        int64_t judged = to - start_ms;
        int64_t num = (judged - coverage_missing_between(v, start_ms, to)) * 100000000;
        int64_t q = num / judged;
        int64_t twice = 2 * (num % judged);
        return q + (twice > judged || (twice == judged && q % 2 != 0));
    }
    const struct shown_candle *old = shown_find(&s->shown[tf], start_ms);
    return old ? old->coverage_e8 : -1;
}

// ---- settle ------------------------------------------------------------------------------------

struct settling {
    struct strategy *s;
    const struct strategy_sink *sink;
    size_t tf;
    bool any;
};

static void write_candle(struct settling *k, const struct candle *c)
{
    struct strategy *s = k->s;
    int64_t coverage = candle_coverage(s, k->tf, c->start_ms);
    buf_clear(&s->text);
    candle_to_json(c, &s->ledger.ins, s->ledger.ins.bin_ticks, coverage, &s->text);
    k->sink->candle(k->sink->arg, k->tf, c->start_ms, buf_ptr(&s->text), buf_len(&s->text));
    shown_set(&s->shown[k->tf], c->start_ms, coverage);
    k->any = true;
}

static void candle_event(struct settling *k, const char *type, const struct candle *c)
{
    struct strategy *s = k->s;
    buf_clear(&s->text);
    buf_addf(&s->text,
             "{\"timeframe\":\"%s\",\"start_ms\":%lld,\"rev\":%u,\"candle\":", strategy_tf[k->tf],
             (long long)c->start_ms, (unsigned)c->rev);
    candle_to_json(c, &s->ledger.ins, s->ledger.ins.bin_ticks,
                   candle_coverage(s, k->tf, c->start_ms), &s->text);
    buf_addc(&s->text, '}');
    k->sink->event(k->sink->arg, type, c->start_ms + strategy_tf_ms[k->tf], buf_ptr(&s->text),
                   buf_len(&s->text));
}

static void on_candle(void *arg, enum candle_event ev, const struct candle *c)
{
    struct settling *k = arg;
    struct strategy *s = k->s;
    write_candle(k, c);
    switch (ev) {
    case CANDLE_UPDATED:
        break;
    case CANDLE_COMPLETED:
        s->completed++;
        candle_event(k, "candle_complete", c);
        break;
    case CANDLE_REVISED:
        s->revised++;
        candle_event(k, "candle_revised", c);
        if (k->tf == 0) {
            regime_revised(&s->regime, c->start_ms);
        }
        break;
    }
    if (c->complete && c->start_ms > s->completed_ms[k->tf]) {
        s->completed_ms[k->tf] = c->start_ms;
    }
}

static void refresh_coverage(struct settling *k, bool all)
{
    struct strategy *s = k->s;
    const struct candle_series *series = s->series[k->tf];
    size_t n = candle_series_count(series);
    for (size_t i = all || n < NEWEST_CHECKED ? 0 : n - NEWEST_CHECKED; i < n; i++) {
        const struct candle *c = candle_series_at(series, i);
        const struct shown_candle *old = shown_find(&s->shown[k->tf], c->start_ms);
        if (old && old->coverage_e8 != candle_coverage(s, k->tf, c->start_ms)) {
            write_candle(k, c);
        }
    }
}

// What is in Redis but no longer in the series.
static void remove_gone(struct settling *k)
{
    struct strategy *s = k->s;
    struct shown *shown = &s->shown[k->tf];
    const struct candle_series *series = s->series[k->tf];
    if (shown->n <= candle_series_count(series)) {
        return; // everything in the series is shown
    }
    for (size_t i = shown->n; i-- > 0;) {
        int64_t start = shown->v[i].start_ms;
        if (!candle_series_find(series, start)) {
            k->sink->candle_gone(k->sink->arg, k->tf, start);
            shown_remove(shown, start);
            k->any = true;
        }
    }
}

static void on_session(void *arg, enum session from, enum session to, int64_t at_ms)
{
    struct settling *k = arg;
    struct buf *b = &k->s->text;
    buf_clear(b);
    struct jw w;
    jw_init(&w, b);
    jw_obj(&w);
    jw_kstr(&w, "from", session_strategy_name(from));
    jw_kstr(&w, "to", session_strategy_name(to));
    jw_kint(&w, "at_ms", at_ms);
    jw_end_obj(&w);
    k->sink->event(k->sink->arg, "session_change", at_ms, buf_ptr(b), buf_len(b));
    k->any = true;
}

bool strategy_settle(struct strategy *s, int64_t watermark_ms, const struct strategy_sink *sink)
{
    struct settling k = {.s = s, .sink = sink};
    compute_coverage(s);
    bool all = s->holes_changed || s->proof_seen != ledger_proof_version(&s->ledger);
    s->holes_changed = false;
    s->proof_seen = ledger_proof_version(&s->ledger);
    for (k.tf = 0; k.tf < N_TF; k.tf++) {
        candle_series_settle(s->series[k.tf], watermark_ms, on_candle, &k);
        refresh_coverage(&k, all);
        remove_gone(&k);
    }
    phase_advance(&s->phase, watermark_ms, on_session, &k);
    if (watermark_ms >= 0) {
        window_advance(&s->window, watermark_ms);
    }
    return k.any;
}

// ---- restart -----------------------------------------------------------------------------------

// The exact decimal behind "_coverage": of a stored candle; -1 null.
static int64_t stored_coverage(const char *json, size_t n)
{
    static const char key[] = "\"_coverage\":";
    const char *p = memmem(json, n, key, sizeof key - 1);
    int64_t v = -1;
    if (p) {
        p += sizeof key - 1;
        size_t len = 0;
        while (p + len < json + n && (p[len] == '.' || (p[len] >= '0' && p[len] <= '9'))) {
            len++;
        }
        if (dec_parse(p, len, 8, &v, NULL)) {
            v = -1;
        }
    }
    return v;
}

int strategy_restore_candle(struct strategy *s, size_t tf, const char *json, size_t n,
                            struct err *e)
{
    struct candle c;
    int rc = candle_from_json(&c, &s->ledger.ins, s->ledger.ins.bin_ticks, json, n, e);
    if (rc) {
        return rc;
    }
    candle_series_restore(s->series[tf], &c);
    shown_set(&s->shown[tf], c.start_ms, stored_coverage(json, n));
    if (c.complete && c.start_ms > s->completed_ms[tf]) {
        s->completed_ms[tf] = c.start_ms;
    }
    return 0;
}

int64_t strategy_begin_replay(struct strategy *s)
{
    if (s->ledger.newest_ms < 0) {
        return INT64_MAX;
    }
    int64_t from = candle_tape_start(s->ledger.newest_ms);
    int64_t sealed = ledger_sealed_end(&s->ledger);
    from = from > sealed ? from : sealed; // what a summary told is never made from trades again
    candle_series_set_tape_from(s->series[0], from);
    s->proof_seen = ledger_proof_version(&s->ledger);
    window_advance(&s->window, s->ledger.newest_ms);
    return from;
}

// Follow's callbacks become calls of the core, the core's fields become one transaction: the day
// hashes, :context, :coverage and the notices, with the positions that follow adds.

#include "services/context/io/worker.h"

#include <hiredis/hiredis.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/io/daystore.h"
#include "common/io/recall.h"
#include "services/context/core/context.h"
#include "services/context/io/load.h"

#define REFRESH_MS 1000
// More holes than this and :coverage is written only so often; the refresh writes the last word.
#define SMALL_COVERAGE 64
#define COVERAGE_MS 500
// A notice names at most this many changed bins; an empty list means "any".
#define NOTICE_BINS 200
#define TEXT_MAX ((size_t)16 << 20)

struct worker {
    struct worker_opts o;
    struct follow *follow;
    struct timer *refresh;
    bool has_state; // core is initialised

    struct context core;
    struct context_look look;
    struct daystore days;
    struct context_stored stored;
    char context_key[KEY_MAX], coverage_key[KEY_MAX];
    struct recall recall;
    uint64_t written_changes; // ledger_changes() at the last flush of state
    bool write_all;           // the first flush after a load
    bool coverage_due;
    int64_t coverage_ms; // mono, when :coverage was written last
    struct buf text, notice;
    size_t notice_bins;
    int64_t missing_ms, holes;
};

// ---- load --------------------------------------------------------------------------------------

static void drop_state(struct worker *w)
{
    if (w->has_state) {
        context_release(&w->core);
        w->has_state = false;
    }
}

static void fresh_state(struct worker *w, const struct instrument *ins)
{
    drop_state(w);
    context_init(&w->core, ins);
    ledger_limit_names(&w->core.ledger, w->o.max_names);
    w->has_state = true;
    daystore_init(&w->days, &w->core.ledger, "context:", "profile:");
    w->write_all = w->coverage_due = true;
    w->written_changes = 0;
}

static void reject(struct worker *w, const char *why)
{
    struct instrument ins = w->core.ledger.ins;
    fresh_state(w, &ins);
    follow_load_failed(w->follow, why);
}

static void on_recalled(void *arg, const struct err *why)
{
    struct worker *w = arg;
    if (why) {
        reject(w, why->text);
        return;
    }
    follow_loaded(w->follow, w->stored.pos_trades, w->stored.pos_history);
    follow_touch(w->follow);
}

static void on_days(void *arg, const struct err *why)
{
    struct worker *w = arg;
    if (why) {
        reject(w, why->text);
        return;
    }
    struct context *c = &w->core;
    const struct context_stored *s = &w->stored;
    c->ver = s->ver;
    c->bad = s->bad;
    c->reloads = s->reloads + (s->found ? 1 : 0);
    c->ledger.duplicates = s->duplicates;
    c->ledger.too_old = s->too_old;
    if (c->ledger.newest_ms >= 0) {
        c->seen_ms = c->ledger.newest_ms;
        c->seen_rx_us = s->newest_rx_us;
        c->seen_new = true;
    }
    w->written_changes = ledger_changes(&c->ledger);
    recall_start(&w->recall, w->follow, &c->ledger, NULL, on_recalled, w);
}

static void on_context(struct redis *r, const redisReply *reply, void *arg)
{
    struct worker *w = arg;
    if (!reply) {
        return;
    }
    struct err e = {0};
    if (context_stored_take(&w->stored, &w->core.ledger.ins, reply, &e)) {
        reject(w, e.text);
        return;
    }
    daystore_load(&w->days, r, w->stored.day_ms, slice_of(buf_cstr(&w->stored.ids)), on_days, w);
}

static void on_coverage(struct redis *r, const redisReply *reply, void *arg)
{
    (void)r;
    struct worker *w = arg;
    if (reply) {
        holes_take(&w->core.holes, reply);
    }
}

static void on_load(void *arg, const struct instrument *ins, bool scratch)
{
    struct worker *w = arg;
    fresh_state(w, ins);
    if (scratch) {
        follow_loaded(w->follow, NULL, NULL);
        return;
    }
    struct redis *r = follow_redis(w->follow);
    int rc = redis_cmd(r, on_coverage, w, "HMGET %s _reasons _repaired", w->coverage_key);
    rc = rc ? rc : redis_cmd(r, on_context, w, "HGETALL %s", w->context_key);
    if (rc) {
        redis_kick(r, "the write link takes no command");
    }
}

// ---- entries -----------------------------------------------------------------------------------

static void on_trade(void *arg, const struct trade *t, int64_t rx_us, bool late)
{
    struct worker *w = arg;
    context_on_trade(&w->core, t, rx_us, late);
}

static void on_history(void *arg, const struct history *h)
{
    struct worker *w = arg;
    uint64_t refused = w->core.days_refused;
    context_on_history(&w->core, h);
    if (w->core.days_refused != refused) {
        log_ev(LOG_WARN, "summary_refused", F_STR("sym", w->o.ins.name),
               F_INT("day_ms", h->from_ms), F_STR("why", w->core.refused.text));
    }
}

static void on_bad_entry(void *arg, const char *why)
{
    (void)why;
    struct worker *w = arg;
    w->core.bad++;
}

// ---- flush -------------------------------------------------------------------------------------

static void put(void *arg, const char *field, const char *value, size_t n)
{
    redis_tx_hset(arg, field, value, n);
}

static void put_i64(struct redis_tx *tx, const char *field, int64_t v)
{
    char s[24];
    redis_tx_hset(tx, field, s, fmt_i64(s, v));
}

static void publish(struct worker *w, struct redis_tx *tx, const char *topic, const char *changed)
{
    char tail[64];
    char key[KEY_MAX];
    char day[16] = "";
    str_fmt(tail, sizeof tail, "pub:%s", topic);
    instrument_key(&w->o.ins, tail, key);
    if (!day_is_empty_slot(&w->core.ledger.cur)) {
        iso_day(w->core.ledger.cur.start_ms, day);
    }
    buf_clear(&w->text);
    buf_addf(&w->text, "{\"ver\":%llu,\"day\":\"%s\",\"changed\":[%s]}",
             (unsigned long long)w->core.ver, day, changed);
    redis_tx_argv(tx, 3,
                  (struct slice[]){
                      slice_of("PUBLISH"), slice_of(key), {buf_ptr(&w->text), buf_len(&w->text)}});
}

static void write_coverage_day(struct worker *w, struct redis_tx *tx, const struct coverage *v)
{
    char day[16];
    iso_day(v->day_ms, day);
    buf_clear(&w->text);
    coverage_day_json(v, &w->text);
    redis_tx_hset(tx, day, buf_ptr(&w->text), buf_len(&w->text));
}

static void write_coverage(struct worker *w, struct redis_tx *tx)
{
    const struct context *c = &w->core;
    const struct ledger *l = &c->ledger;
    if (w->write_all || c->history_changed || day_is_empty_slot(&l->cur)) {
        // Days that are no longer live leave.
        redis_tx_argv(tx, 2, (struct slice[]){slice_of("DEL"), slice_of(w->coverage_key)});
    }
    redis_tx_hset_begin(tx, w->coverage_key);
    if (!day_is_empty_slot(&l->cur)) {
        write_coverage_day(w, tx, &w->look.cur);
    }
    if (!day_is_empty_slot(&l->prev)) {
        write_coverage_day(w, tx, &w->look.prev);
    }
    buf_clear(&w->text);
    holes_reasons_json(&c->holes, &w->text);
    redis_tx_hset(tx, "_reasons", buf_ptr(&w->text), buf_len(&w->text));
    buf_clear(&w->text);
    context_repaired_json(c, &w->text);
    redis_tx_hset(tx, "_repaired", buf_ptr(&w->text), buf_len(&w->text));
    put_i64(tx, "_ver", (int64_t)c->ver);
    redis_tx_hset_end(tx);
}

static void note_bin(void *arg, const char *price)
{
    struct worker *w = arg;
    if (w->notice_bins++ < NOTICE_BINS) {
        buf_addf(&w->notice, "%s\"%s\"", w->notice_bins > 1 ? "," : "", price);
    }
}

static void write_run_fields(struct worker *w, struct redis_tx *tx)
{
    struct context *c = &w->core;
    struct follow_stats st;
    follow_stats(w->follow, &st);
    buf_clear(&w->text);
    ledger_proof_text(&c->ledger, &w->text);
    redis_tx_hset(tx, "_ids", buf_ptr(&w->text), buf_len(&w->text));
    put_i64(tx, "_ver", (int64_t)c->ver);
    put_i64(tx, "_updated_ms", loop_wall_us(w->o.loop) / 1000);
    put_i64(tx, "_lag_ms", st.lag_ms);
    put_i64(tx, "_duplicates", (int64_t)c->ledger.duplicates);
    put_i64(tx, "_too_old", (int64_t)c->ledger.too_old);
    put_i64(tx, "_bad", (int64_t)c->bad);
    put_i64(tx, "_reloads", (int64_t)c->reloads);
    put_i64(tx, "_newest_rx_us", c->seen_rx_us);
    int64_t clock = context_clock(c, follow_wall_us(w->follow), loop_mono_ms(w->o.loop));
    put_i64(tx, "_clock_ms", clock);
}

static bool coverage_wanted(struct worker *w, int64_t now)
{
    if (!w->coverage_due) {
        return false;
    }
    bool small = w->look.cur.n + w->look.prev.n <= SMALL_COVERAGE;
    return small || w->write_all || now - w->coverage_ms >= COVERAGE_MS;
}

// What depends on the trades: written when there are new ones.
static void write_state(struct worker *w, struct redis_tx *tx)
{
    struct context *c = &w->core;
    int64_t now = loop_mono_ms(w->o.loop);
    c->ver++;
    buf_clear(&w->notice);
    w->notice_bins = 0;
    unsigned days = daystore_flush(&w->days, tx, note_bin, w);
    context_look(c, &w->look);
    w->missing_ms = w->look.cur.missing_ms;
    w->holes = (int64_t)w->look.cur.holes;
    if (w->write_all) {
        redis_tx_argv(tx, 2, (struct slice[]){slice_of("DEL"), slice_of(w->context_key)});
    }
    bool coverage = coverage_wanted(w, now);
    if (coverage) {
        write_coverage(w, tx);
        w->coverage_due = false;
        w->coverage_ms = now;
        c->history_changed = false;
        publish(w, tx, "coverage", "\"coverage\"");
    }
    redis_tx_hset_begin(tx, w->context_key);
    context_fields(c, &w->look, put, tx);
    write_run_fields(w, tx);
    redis_tx_hset_end(tx);
    publish(w, tx, "context",
            days & DAYSTORE_PREV ? "\"context\",\"context:day\",\"context:prev\""
                                 : "\"context\",\"context:day\"");
    if (days) {
        const char *bins = w->notice_bins <= NOTICE_BINS ? buf_cstr(&w->notice) : "";
        publish(w, tx, "profile", bins);
    }
    w->write_all = false;
}

static bool on_flush(void *arg, struct redis_tx *tx, bool caught_up)
{
    (void)caught_up;
    struct worker *w = arg;
    struct context *c = &w->core;
    uint64_t changes = ledger_changes(&c->ledger);
    bool changed = changes != w->written_changes || c->history_changed || w->write_all;
    if (changed) {
        w->coverage_due = true;
        w->written_changes = changes;
    }
    if (changed || coverage_wanted(w, loop_mono_ms(w->o.loop))) {
        write_state(w, tx);
        return true;
    }
    redis_tx_hset_begin(tx, w->context_key);
    write_run_fields(w, tx);
    redis_tx_hset_end(tx);
    return true;
}

static void refresh_cb(void *arg)
{
    struct worker *w = arg;
    follow_touch(w->follow); // the clock goes on without trades
}

// ---- interface ---------------------------------------------------------------------------------

struct worker *worker_new(const struct worker_opts *o)
{
    struct worker *w = xcalloc(1, sizeof *w);
    w->o = *o;
    instrument_key(&o->ins, "context", w->context_key);
    instrument_key(&o->ins, "coverage", w->coverage_key);
    buf_init(&w->text, TEXT_MAX);
    buf_init(&w->notice, TEXT_MAX);
    context_look_init(&w->look);
    context_stored_init(&w->stored);
    w->follow = follow_new(&(struct follow_opts){.loop = o->loop,
                                                 .url = o->url,
                                                 .service = "context",
                                                 .ins = o->ins,
                                                 .pos_key = w->context_key,
                                                 .flush_ms = o->flush_ms,
                                                 .on_load = on_load,
                                                 .on_trade = on_trade,
                                                 .on_history = on_history,
                                                 .on_bad_entry = on_bad_entry,
                                                 .on_flush = on_flush,
                                                 .arg = w});
    w->refresh = timer_new(o->loop, refresh_cb, w);
    timer_every(w->refresh, REFRESH_MS);
    return w;
}

void worker_free(struct worker *w)
{
    if (!w) {
        return;
    }
    timer_free(w->refresh);
    follow_free(w->follow);
    drop_state(w);
    context_look_release(&w->look);
    context_stored_release(&w->stored);
    buf_release(&w->text);
    buf_release(&w->notice);
    free(w);
}

void worker_drain(struct worker *w, void (*done)(void *arg), void *arg)
{
    timer_stop(w->refresh);
    follow_drain(w->follow, done, arg);
}

bool worker_is_ready(const struct worker *w, char *why, size_t size)
{
    return follow_is_ready(w->follow, why, size);
}

const char *worker_name(const struct worker *w)
{
    return w->o.ins.name;
}

void worker_stats(const struct worker *w, struct worker_stats *out)
{
    *out = (struct worker_stats){.missing_ms = w->missing_ms, .holes = w->holes};
    follow_stats(w->follow, &out->follow);
    out->stored = follow_stored(w->follow);
    if (w->has_state) {
        out->bad = w->core.bad;
        out->duplicates = w->core.ledger.duplicates;
        out->too_old = w->core.ledger.too_old;
        out->refused = w->core.ledger.refused;
        out->names = (int64_t)ledger_names(&w->core.ledger);
        out->simulated = w->core.ledger.ins.simulated;
    }
}

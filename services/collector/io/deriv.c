// Liquidations and mark prices to Redis: one transaction of each kind per instrument under way, no
// more than needed, because both are few. What the core says is to be written is written together
// with its notice.
//
//   lane opens -> newest entries of :liquidations and _ver of :mark are read -> writing
//
// A transaction that fails in any way closes the instrument here and begins with the reading again:
// that tells what was stored.

#include <hiredis/hiredis.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/log.h"
#include "common/base/mem.h"
#include "services/collector/core/deriv.h"
#include "services/collector/io/app.h"

#define WINDOW 1000           // liquidations read back and compared with
#define BATCH 64              // of one transaction
#define MARK_MS 200           // between two writes of :mark
#define TRIM_EVERY 1000       // liquidations stored
#define MARK_SILENCE_MS 15000 // of a stream that comes every second
#define HOLD_MS 1000          // after a failed transaction
#define TX_MAX ((size_t)256 << 10)

enum state { CLOSED, READING, OPEN };

struct one {
    struct derivs *all;
    struct lane *lane;
    struct deriv core;
    enum state state;
    bool liq_busy, mark_busy;
    int waiting; // replies of the reading
    int64_t hold_until_ms, mark_written_ms;
    uint64_t mark_ver, liq_ver, trimmed_at, lost_logged;
    char liq_key[KEY_MAX], mark_key[KEY_MAX], liq_topic[KEY_MAX], mark_topic[KEY_MAX];
};

struct derivs {
    struct app *app;
    struct timer *timer;
    struct redis_tx *tx;
    size_t n;
    struct one *one;
};

static void pump(struct one *o);

static struct one *one_of(const struct lane *l)
{
    struct derivs *d = l->app->derivs;
    for (size_t i = 0; d != NULL && i < d->n; i++) {
        if (d->one[i].lane == l) {
            return &d->one[i];
        }
    }
    return NULL;
}

static void hold(struct one *o, const char *why)
{
    log_ev(LOG_WARN, "deriv_write_failed", F_STR("sym", o->lane->feed.ins.name), F_STR("why", why));
    o->state = CLOSED;
    o->hold_until_ms = loop_mono_ms(o->all->app->loop) + HOLD_MS;
}

// ---- reading back ------------------------------------------------------------------------------

static void one_less(struct one *o)
{
    if (--o->waiting == 0 && o->state == READING) {
        deriv_reload_end(&o->core, loop_mono_ms(o->all->app->loop));
        o->state = OPEN;
        pump(o);
    }
}

static void read_entry(struct one *o, const struct redisReply *entry, int64_t mono_ms)
{
    struct slice kv[2 * 16];
    struct liquidation l;
    size_t n = 0;
    int64_t ms;
    if (entry->type != REDIS_REPLY_ARRAY || entry->elements != 2 ||
        entry->element[0]->type != REDIS_REPLY_STRING ||
        entry->element[1]->type != REDIS_REPLY_ARRAY) {
        return;
    }
    const struct slice id = {entry->element[0]->str, entry->element[0]->len};
    const struct redisReply *f = entry->element[1];
    for (; n < f->elements && n < sizeof kv / sizeof kv[0]; n++) {
        const struct redisReply *v = f->element[n];
        kv[n] = v->type == REDIS_REPLY_STRING ? (struct slice){v->str, v->len} : slice_of("");
    }
    const char *dash = memchr(id.p, '-', id.n);
    if (dash == NULL || parse_i64(id.p, (size_t)(dash - id.p), &ms) != 0) {
        return;
    }
    // An entry nobody can read still is the tip of the stream.
    o->core.tip_ms = ms > o->core.tip_ms ? ms : o->core.tip_ms;
    if (liquidation_from_entry(id, kv, n / 2, &l) == 0) {
        deriv_reload_entry(&o->core, &l, ms, mono_ms);
    }
}

static void on_entries(struct redis *r, const struct redisReply *reply, void *arg)
{
    struct one *o = arg;
    (void)r;
    if (reply == NULL || o->state != READING) {
        return;
    }
    if (reply->type != REDIS_REPLY_ARRAY) {
        hold(o, reply->type == REDIS_REPLY_ERROR ? reply->str : "no stream");
        return;
    }
    const int64_t mono_ms = loop_mono_ms(o->all->app->loop);
    deriv_reload_begin(&o->core);
    for (size_t i = reply->elements; i-- > 0;) {
        read_entry(o, reply->element[i], mono_ms);
    }
    one_less(o);
}

static void on_ver(struct redis *r, const struct redisReply *reply, void *arg)
{
    struct one *o = arg;
    uint64_t ver;
    (void)r;
    if (reply == NULL || o->state != READING) {
        return;
    }
    if (reply->type == REDIS_REPLY_ERROR) {
        hold(o, reply->str);
        return;
    }
    if (reply->type == REDIS_REPLY_STRING && parse_u64(reply->str, reply->len, &ver) == 0 &&
        ver > o->mark_ver) {
        o->mark_ver = ver;
    }
    one_less(o);
}

static void read_back(struct one *o)
{
    struct redis *r = o->all->app->redis;
    o->waiting = 2;
    o->state = READING;
    o->liq_busy = o->mark_busy = false;
    if (redis_cmd(r, on_entries, o, "XREVRANGE %s + - COUNT %d", o->liq_key, WINDOW) != 0 ||
        redis_cmd(r, on_ver, o, "HGET %s _ver", o->mark_key) != 0) {
        o->state = CLOSED;
    }
}

// ---- liquidations ------------------------------------------------------------------------------

static void trim(struct one *o)
{
    if (o->core.stored - o->trimmed_at < TRIM_EVERY && o->trimmed_at > 0) {
        return;
    }
    o->trimmed_at = o->core.stored;
    const int rc = redis_cmd(o->all->app->redis, NULL, NULL, "XTRIM %s MAXLEN ~ %lld", o->liq_key,
                             (long long)o->all->app->cfg->liquidations_max);
    (void)rc; // the next thousand tries again
}

static void on_liquidations_stored(struct redis *r, const struct redisReply *reply, void *arg)
{
    struct one *o = arg;
    char why[160];
    (void)r;
    o->liq_busy = false;
    if (reply == NULL || o->state != OPEN) {
        return; // what was stored is read back
    }
    if (redis_exec_failed(reply, why, sizeof why)) {
        hold(o, why);
        return;
    }
    deriv_stored(&o->core, loop_mono_ms(o->all->app->loop));
    trim(o);
    pump(o);
    if (o->all->app->draining) {
        writer_pump(o->all->app);
    }
}

static void add_entry(struct redis_tx *tx, const struct one *o, const struct liquidation *l,
                      int64_t entry_ms)
{
    char id[32], rx[24], ts[24];
    struct slice v[24];
    size_t n = 0;
    str_fmt(id, sizeof id, "%lld-*", (long long)entry_ms);
    str_fmt(rx, sizeof rx, "%lld", (long long)l->rx_us);
    str_fmt(ts, sizeof ts, "%lld", (long long)l->ts_ms);
    const char *const head[] = {"XADD",
                                o->liq_key,
                                id,
                                "price",
                                l->price,
                                "qty",
                                l->qty,
                                "side",
                                l->side == SIDE_SELL ? "sell" : "buy",
                                "liquidated",
                                l->side == SIDE_SELL ? "long" : "short",
                                "price_kind",
                                l->bankruptcy ? "bankruptcy" : "fill",
                                "order_price",
                                l->order_price,
                                "rx_us",
                                rx};
    for (; n < sizeof head / sizeof head[0]; n++) {
        v[n] = slice_of(head[n]);
    }
    if (entry_ms != l->ts_ms) {
        v[n++] = slice_of("ts_ms");
        v[n++] = slice_of(ts);
    }
    redis_tx_argv(tx, n, v);
}

static void publish(struct redis_tx *tx, const char *topic, uint64_t ver)
{
    char text[64];
    str_fmt(text, sizeof text, "{\"ver\":%llu,\"day\":\"\",\"changed\":[]}",
            (unsigned long long)ver);
    redis_tx_argv(tx, 3, (struct slice[]){slice_of("PUBLISH"), slice_of(topic), slice_of(text)});
}

static void send_liquidations(struct one *o)
{
    struct redis_tx *tx = o->all->tx;
    const struct liquidation *l;
    int64_t entry_ms;
    size_t n = 0;
    if (o->liq_busy || deriv_waiting(&o->core) == 0) {
        return;
    }
    redis_tx_begin(tx);
    while (n < BATCH && (l = deriv_next(&o->core, &entry_ms)) != NULL) {
        add_entry(tx, o, l, entry_ms);
        n++;
    }
    publish(tx, o->liq_topic, ++o->liq_ver);
    if (redis_tx_exec(o->all->app->redis, tx, on_liquidations_stored, o) != 0) {
        hold(o, "the link takes no command");
        return;
    }
    o->liq_busy = true;
}

// ---- mark --------------------------------------------------------------------------------------

static void on_mark_stored(struct redis *r, const struct redisReply *reply, void *arg)
{
    struct one *o = arg;
    char why[160];
    (void)r;
    o->mark_busy = false;
    if (reply == NULL || o->state != OPEN) {
        o->core.mark.changed = o->core.mark.ts_ms >= 0 || o->core.mark.oi_ts_ms >= 0;
        return;
    }
    if (redis_exec_failed(reply, why, sizeof why)) {
        o->core.mark.changed = true;
        hold(o, why);
    }
}

static void put_number(struct redis_tx *tx, const char *field, int64_t v)
{
    char text[24] = "";
    const size_t n = v >= 0 ? fmt_i64(text, v) : 0;
    redis_tx_hset(tx, field, text, n);
}

static void send_mark(struct one *o, int64_t now_ms)
{
    static const char *const name[MARK_TEXTS] = {[MARK] = "mark",
                                                 [INDEX] = "index",
                                                 [SETTLE] = "settle",
                                                 [FUNDING] = "funding_rate",
                                                 [LAST] = "last_price",
                                                 [OI] = "open_interest",
                                                 [OI_VALUE] = "open_interest_value"};
    struct app *a = o->all->app;
    struct redis_tx *tx = o->all->tx;
    struct deriv_mark *m = &o->core.mark;
    if (o->mark_busy || !m->changed) {
        return;
    }
    if (now_ms - o->mark_written_ms < MARK_MS) {
        if (!timer_is_running(o->all->timer)) {
            timer_start(o->all->timer, MARK_MS - (now_ms - o->mark_written_ms));
        }
        return;
    }
    redis_tx_begin(tx);
    redis_tx_hset_begin(tx, o->mark_key);
    for (int i = 0; i < MARK_TEXTS; i++) {
        redis_tx_hset(tx, name[i], m->text[i], strlen(m->text[i]));
    }
    put_number(tx, "next_funding_ms", m->next_funding_ms);
    put_number(tx, "funding_hours", m->funding_hours);
    put_number(tx, "mark_ts_ms", m->ts_ms);
    put_number(tx, "oi_ts_ms", m->oi_ts_ms);
    redis_tx_hset(tx, "simulated", a->simulated ? "1" : "0", 1);
    put_number(tx, "_ver", (int64_t)++o->mark_ver);
    put_number(tx, "_updated_ms", loop_wall_us(a->loop) / 1000);
    redis_tx_hset_end(tx);
    publish(tx, o->mark_topic, o->mark_ver);
    if (redis_tx_exec(a->redis, tx, on_mark_stored, o) != 0) {
        hold(o, "the link takes no command");
        return;
    }
    o->mark_busy = true;
    o->mark_written_ms = now_ms;
    m->changed = false;
}

// ---- order of things ---------------------------------------------------------------------------

static void pump(struct one *o)
{
    const struct app *a = o->all->app;
    const int64_t now_ms = loop_mono_ms(a->loop);
    if (o->state == CLOSED && o->lane->outbox.open && redis_is_up(a->redis) &&
        now_ms >= o->hold_until_ms) {
        read_back(o);
    }
    if (o->state == OPEN) {
        send_liquidations(o);
    }
    if (o->state == OPEN) {
        send_mark(o, now_ms);
    }
}

static void pump_all(void *arg)
{
    struct derivs *d = arg;
    for (size_t i = 0; i < d->n; i++) {
        pump(&d->one[i]);
    }
}

void derivs_tick(struct derivs *d)
{
    for (size_t i = 0; d != NULL && i < d->n; i++) {
        struct one *o = &d->one[i];
        if (o->core.lost > o->lost_logged) {
            log_ev(LOG_ERROR, "liquidations_lost", F_STR("sym", o->lane->feed.ins.name),
                   F_UINT("lost", o->core.lost - o->lost_logged),
                   F_STR("why", "the queue is full"));
            o->lost_logged = o->core.lost;
        }
        pump(o);
    }
}

void derivs_down(struct derivs *d)
{
    for (size_t i = 0; d != NULL && i < d->n; i++) {
        d->one[i].state = CLOSED;
        d->one[i].hold_until_ms = 0;
        d->one[i].liq_busy = d->one[i].mark_busy = false;
    }
}

enum refusal deriv_on_frame_of(struct lane *l, const struct frame *fr, int64_t rx_us)
{
    const struct app *a = l->app;
    struct one *o = one_of(l);
    enum refusal why = REFUSE_NONE;
    if (o == NULL || (fr->kind == FRAME_LIQUIDATION ? !a->cfg->liquidations : !a->cfg->mark)) {
        return REFUSE_NONE;
    }
    if (l->feed.has_units && !o->core.has_units) {
        deriv_set_units(&o->core, &l->feed.ins);
    }
    const int64_t shown_us = rx_us + (a->clock_measured ? a->clock.offset_ms * 1000 : 0);
    if (deriv_on_frame(&o->core, fr, rx_us, shown_us, &a->clock, &why) == DERIV_TAKEN) {
        pump(o);
    }
    return why;
}

static bool on_frame(struct lane *l, const struct frame *fr, int64_t rx_us, const char *p, size_t n)
{
    const enum refusal why = deriv_on_frame_of(l, fr, rx_us);
    if (why != REFUSE_NONE) {
        log_refused(l->feed.ins.name, why, p, n);
    }
    return why == REFUSE_NONE;
}

// Hours without a forced order are normal: their silence says nothing.
const struct stream_ops liquidations_ops = {.on_frame = on_frame};
const struct stream_ops mark_ops = {.on_frame = on_frame, .silence_ms = MARK_SILENCE_MS};

enum refusal derivs_open_interest(struct lane *l, struct slice value, int64_t ts_ms)
{
    struct one *o = one_of(l);
    const enum refusal why =
        o != NULL ? deriv_on_open_interest(&o->core, value, ts_ms) : REFUSE_NONE;
    if (o != NULL && why == REFUSE_NONE) {
        pump(o);
    }
    return why;
}

size_t derivs_pending(const struct derivs *d)
{
    size_t n = 0;
    for (size_t i = 0; d != NULL && i < d->n; i++) {
        n += deriv_waiting(&d->one[i].core);
    }
    return n;
}

// ---- life --------------------------------------------------------------------------------------

struct derivs *derivs_new(struct app *a)
{
    const struct config *c = a->cfg;
    if ((!c->liquidations && !c->mark) || c->reset) {
        return NULL;
    }
    struct derivs *d = xcalloc(1, sizeof *d);
    const struct deriv_opts opts = {.window = WINDOW,
                                    .max_queue = (size_t)c->liquidations_queue,
                                    .resend_ms = c->ring_sec * 1000};
    d->app = a;
    d->n = a->n;
    d->one = xcalloc(a->n, sizeof *d->one);
    d->tx = redis_tx_new(TX_MAX);
    d->timer = timer_new(a->loop, pump_all, d);
    for (size_t i = 0; i < a->n; i++) {
        struct one *o = &d->one[i];
        const struct instrument *ins = &a->lane[i].feed.ins;
        o->all = d;
        o->lane = &a->lane[i];
        deriv_init(&o->core, ins, &opts);
        instrument_key(ins, "liquidations", o->liq_key);
        instrument_key(ins, "mark", o->mark_key);
        instrument_key(ins, "pub:liquidations", o->liq_topic);
        instrument_key(ins, "pub:mark", o->mark_topic);
        o->mark_written_ms = -MARK_MS;
    }
    return d;
}

void derivs_free(struct derivs *d)
{
    if (d == NULL) {
        return;
    }
    for (size_t i = 0; i < d->n; i++) {
        deriv_release(&d->one[i].core);
    }
    timer_free(d->timer);
    redis_tx_free(d->tx);
    free(d->one);
    free(d);
}

// ---- health ------------------------------------------------------------------------------------

static void put_health(struct jw *w, const struct one *o, const char *name, int64_t v)
{
    char key[96];
    str_fmt(key, sizeof key, "%s.%s", o->lane->feed.ins.name, name);
    jw_kint(w, key, v);
}

void derivs_health(const struct lane *l, struct jw *w)
{
    const struct one *o = one_of(l);
    uint64_t refused = 0;
    if (o == NULL) {
        return;
    }
    const struct deriv *d = &o->core;
    for (int i = 0; i < REFUSE_COUNT_; i++) {
        refused += d->refused[i];
    }
    put_health(w, o, "mark_last_ts_ms", d->mark.ts_ms > 0 ? d->mark.ts_ms : 0);
    put_health(w, o, "open_interest_last_ts_ms", d->mark.oi_ts_ms > 0 ? d->mark.oi_ts_ms : 0);
    put_health(w, o, "liquidations", (int64_t)d->taken);
    put_health(w, o, "liquidations_last_ts_ms", d->last_liq_ms > 0 ? d->last_liq_ms : 0);
    put_health(w, o, "liquidations_copies", (int64_t)d->copies);
    put_health(w, o, "liquidations_lost", (int64_t)d->lost);
    put_health(w, o, "liquidations_queue_size", (int64_t)deriv_waiting(d));
    put_health(w, o, "deriv_refused", (int64_t)refused);
}

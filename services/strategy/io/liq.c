// Reads :liquidations by position and writes :liquidation_clusters together with the position, in
// one MULTI. Liquidations are few, so the stream is looked at POLL_MS apart instead of by a
// blocking reader: then one connection does it all, one step after the other:
//
//   DOWN -> LOADING  WATCH, stored state, units, newest entries (to know copies by)
//        -> IDLE     every POLL_MS: entries behind the position, and is what is stored still ours?
//        -> READING -> WRITING -> IDLE
//
// Anything unexpected (a link that died, a transaction refused because somebody changed the hash, a
// stream that ends before the position) drops what is in memory and loads again.

#include "services/strategy/io/liq.h"

#include <hiredis/hiredis.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/io/stream.h"
#include "services/strategy/core/liq.h"

#define POLL_MS 250
#define HOLD_MS 1000
#define COUNT 1000
#define TX_MAX ((size_t)16 << 20)

enum state { DOWN, LOADING, IDLE, READING, WRITING };

struct liqs {
    struct liqs_opts o;
    struct redis *redis;
    struct redis_tx *tx;
    struct timer *timer;
    enum state state;
    bool has_core, replace;
    struct liq core;
    struct instrument ins;
    bool has_units;
    char pos[STREAM_ID_MAX];    // read up to here
    char stored[STREAM_ID_MAX]; // as the hash says it; "" = there is none
    size_t got;                 // entries of the last read
    uint64_t ver, reloads;
    struct slice *kv; // of the stored hash, while loading: copies
    char *kv_text;
    size_t pairs;
    char key[KEY_MAX], stream[KEY_MAX], instrument[KEY_MAX], topic[KEY_MAX];
};

static void load(struct liqs *q);

static void drop(struct liqs *q)
{
    if (q->has_core) {
        liq_release(&q->core);
        q->has_core = false;
    }
    free(q->kv);
    free(q->kv_text);
    q->kv = NULL;
    q->kv_text = NULL;
    q->pairs = 0;
}

static void again(struct liqs *q, const char *why)
{
    if (why != NULL) {
        log_ev(LOG_WARN, "liquidations_reload", F_STR("sym", q->o.ins.name), F_STR("why", why));
    }
    q->reloads++;
    q->state = DOWN;
    drop(q);
    timer_start(q->timer, HOLD_MS);
}

// True when the reply can be used; else what is to be done was done.
static bool usable(struct liqs *q, enum state state, const struct redisReply *r, int type)
{
    if (r == NULL || q->state != state) {
        return false; // on_down() came, or comes
    }
    if (r->type != type && r->type != REDIS_REPLY_NIL) {
        again(q, r->type == REDIS_REPLY_ERROR ? r->str : "a reply of another kind");
        return false;
    }
    return true;
}

static struct slice text_of(const struct redisReply *r)
{
    return r->type == REDIS_REPLY_STRING ? (struct slice){r->str, r->len} : slice_of("");
}

// ---- entries -----------------------------------------------------------------------------------

// 1 = read, 0 = nobody can read it, -1 = not even its id.
static int read_entry(const struct redisReply *entry, char id[STREAM_ID_MAX],
                      struct liquidation *out)
{
    struct slice kv[2 * STREAM_FIELDS_MAX];
    size_t n = 0;
    struct stream_pos at;
    if (entry->type != REDIS_REPLY_ARRAY || entry->elements != 2 ||
        entry->element[0]->type != REDIS_REPLY_STRING ||
        !str_copyn(id, STREAM_ID_MAX, entry->element[0]->str, entry->element[0]->len) ||
        !stream_id_parse(id, &at)) {
        return -1;
    }
    const struct redisReply *f = entry->element[1];
    if (f->type != REDIS_REPLY_ARRAY) {
        return 0;
    }
    for (; n < f->elements && n < sizeof kv / sizeof kv[0]; n++) {
        kv[n] = text_of(f->element[n]);
    }
    return liquidation_from_entry(slice_of(id), kv, n / 2, out) == 0 ? 1 : 0;
}

// ---- load --------------------------------------------------------------------------------------

static void on_state(struct redis *r, const struct redisReply *reply, void *arg)
{
    struct liqs *q = arg;
    size_t bytes = 0, at = 0;
    (void)r;
    if (!usable(q, LOADING, reply, REDIS_REPLY_ARRAY)) {
        return;
    }
    for (size_t i = 0; i < reply->elements; i++) {
        bytes += text_of(reply->element[i]).n;
    }
    q->pairs = reply->elements / 2;
    q->kv = xcalloc(reply->elements + 1, sizeof *q->kv);
    q->kv_text = xmalloc(bytes + 1);
    for (size_t i = 0; i < 2 * q->pairs; i++) {
        const struct slice s = text_of(reply->element[i]);
        memcpy(q->kv_text + at, s.p, s.n);
        q->kv[i] = (struct slice){q->kv_text + at, s.n};
        at += s.n;
    }
}

static void on_instrument(struct redis *r, const struct redisReply *reply, void *arg)
{
    struct liqs *q = arg;
    const char *kv[2 * 64];
    size_t n = 0;
    (void)r;
    if (!usable(q, LOADING, reply, REDIS_REPLY_ARRAY)) {
        return;
    }
    for (; n < reply->elements && n < sizeof kv / sizeof kv[0]; n++) {
        kv[n] = text_of(reply->element[n]).p;
    }
    q->has_units = instrument_from_fields(&q->o.ins, kv, n / 2, &q->ins, NULL) == 0;
}

static const char *stored_field(const struct liqs *q, const char *name, char out[STREAM_ID_MAX])
{
    out[0] = '\0';
    for (size_t i = 0; i < q->pairs; i++) {
        if (slice_eq(q->kv[2 * i], name)) {
            (void)str_copyn(out, STREAM_ID_MAX, q->kv[2 * i + 1].p, q->kv[2 * i + 1].n);
        }
    }
    return out;
}

// What stands on the stream up to the position is counted: it is what copies are known by.
static void see_recent(struct liqs *q, const struct redisReply *reply)
{
    char id[STREAM_ID_MAX];
    struct liquidation l;
    for (size_t i = reply->elements; i-- > 0;) {
        if (read_entry(reply->element[i], id, &l) == 1 && stream_id_cmp(id, q->pos) <= 0) {
            liq_seen(&q->core, &l);
        }
    }
}

static void on_recent(struct redis *r, const struct redisReply *reply, void *arg)
{
    struct liqs *q = arg;
    char tip[STREAM_ID_MAX] = "", text[STREAM_ID_MAX];
    struct liquidation l;
    struct err e = {0};
    (void)r;
    if (!usable(q, LOADING, reply, REDIS_REPLY_ARRAY)) {
        return;
    }
    if (!q->has_units) { // the collector has not been here yet
        q->state = DOWN;
        drop(q);
        timer_start(q->timer, HOLD_MS);
        return;
    }
    if (reply->elements > 0) {
        (void)read_entry(reply->element[0], tip, &l);
    }
    liq_init(&q->core, &q->ins, q->o.bin);
    q->has_core = true;
    (void)str_copy(q->stored, sizeof q->stored, stored_field(q, "_pos", text));
    (void)str_copy(q->pos, sizeof q->pos, q->stored);
    (void)stored_field(q, "_ver", text);
    if (parse_u64(text, strlen(text), &q->ver) != 0) {
        q->ver = 0;
    }
    const int rc = liq_restore(&q->core, q->kv, q->pairs, &e);
    const bool foreign = stream_id_cmp(q->pos, tip[0] != '\0' ? tip : "0-0") > 0;
    if (rc != 0 || foreign || q->pos[0] == '\0') {
        if (q->pairs > 0) {
            log_ev(LOG_WARN, "liquidations_from_scratch", F_STR("sym", q->o.ins.name),
                   F_STR("why", rc != 0 ? e.text : "the stream ends before the position"));
        }
        liq_release(&q->core);
        liq_init(&q->core, &q->ins, q->o.bin);
        q->replace = q->pairs > 0;
        (void)str_copy(q->pos, sizeof q->pos, "0-0");
    } else {
        see_recent(q, reply);
    }
    free(q->kv);
    free(q->kv_text);
    q->kv = NULL;
    q->kv_text = NULL;
    q->state = IDLE;
    timer_start(q->timer, 1);
}

static void load(struct liqs *q)
{
    drop(q);
    q->replace = q->has_units = false;
    q->state = LOADING;
    int rc = redis_cmd(q->redis, NULL, NULL, "UNWATCH");
    rc = rc ? rc : redis_cmd(q->redis, NULL, NULL, "WATCH %s", q->key);
    rc = rc ? rc : redis_cmd(q->redis, on_state, q, "HGETALL %s", q->key);
    rc = rc ? rc : redis_cmd(q->redis, on_instrument, q, "HGETALL %s", q->instrument);
    rc = rc ? rc
            : redis_cmd(q->redis, on_recent, q, "XREVRANGE %s + - COUNT %d", q->stream, LIQ_RECENT);
    if (rc != 0) {
        redis_kick(q->redis, "the link takes no command");
    }
}

// ---- write -------------------------------------------------------------------------------------

static void on_checked(struct redis *r, const struct redisReply *reply, void *arg)
{
    struct liqs *q = arg;
    (void)r;
    if (reply == NULL || q->state < IDLE) {
        return;
    }
    if (reply->type == REDIS_REPLY_ERROR || !slice_eq(text_of(reply), q->stored)) {
        again(q, reply->type == REDIS_REPLY_ERROR ? reply->str : "somebody changed what is stored");
    }
}

static void go_on(struct liqs *q)
{
    q->state = IDLE;
    timer_start(q->timer, q->got == COUNT ? 1 : POLL_MS);
}

static void on_written(struct redis *r, const struct redisReply *reply, void *arg)
{
    struct liqs *q = arg;
    char why[160];
    (void)r;
    if (reply == NULL || q->state != WRITING) {
        return;
    }
    if (redis_exec_failed(reply, why, sizeof why)) {
        again(q, why);
        return;
    }
    (void)str_copy(q->stored, sizeof q->stored, q->pos);
    q->replace = false;
    go_on(q);
    if (redis_cmd(q->redis, NULL, NULL, "WATCH %s", q->key) != 0 ||
        redis_cmd(q->redis, on_checked, q, "HGET %s _pos", q->key) != 0) {
        redis_kick(q->redis, "the link takes no command");
    }
}

static void put(void *arg, const char *field, const char *value, size_t n)
{
    redis_tx_hset(arg, field, value, n);
}

static void put_u64(struct redis_tx *tx, const char *field, uint64_t v)
{
    char text[24];
    redis_tx_hset(tx, field, text, fmt_u64(text, v));
}

static void write_state(struct liqs *q)
{
    struct redis_tx *tx = q->tx;
    struct liq *c = &q->core;
    char notice[96], day[16] = "";
    redis_tx_begin(tx);
    const bool all = q->replace || c->new_day || q->stored[0] == '\0';
    if (all) {
        redis_tx_argv(tx, 2, (struct slice[]){slice_of("DEL"), slice_of(q->key)});
    }
    redis_tx_hset_begin(tx, q->key);
    liq_fields(c, all, put, tx);
    redis_tx_hset(tx, "_pos", q->pos, strlen(q->pos));
    put_u64(tx, "_ver", ++q->ver);
    put_u64(tx, "_updated_ms", (uint64_t)(loop_wall_us(q->o.loop) / 1000));
    put_u64(tx, "_copies", c->copies);
    put_u64(tx, "_too_old", c->too_old);
    put_u64(tx, "_bad", c->bad);
    put_u64(tx, "_dropped", c->dropped);
    put_u64(tx, "_reloads", q->reloads);
    redis_tx_hset_end(tx);
    if (c->day_ms >= 0) {
        iso_day(c->day_ms, day);
    }
    str_fmt(notice, sizeof notice, "{\"ver\":%llu,\"day\":\"%s\",\"changed\":[]}",
            (unsigned long long)q->ver, day);
    redis_tx_argv(tx, 3,
                  (struct slice[]){slice_of("PUBLISH"), slice_of(q->topic), slice_of(notice)});
    q->state = WRITING;
    if (redis_tx_exec(q->redis, tx, on_written, q) != 0) {
        again(q, "the transaction could not be sent");
    }
}

// ---- read --------------------------------------------------------------------------------------

static void on_entries(struct redis *r, const struct redisReply *reply, void *arg)
{
    struct liqs *q = arg;
    struct liquidation l;
    (void)r;
    if (!usable(q, READING, reply, REDIS_REPLY_ARRAY)) {
        return;
    }
    const struct redisReply *one = reply->elements == 1 ? reply->element[0] : NULL;
    const struct redisReply *entries =
        one != NULL && one->type == REDIS_REPLY_ARRAY && one->elements == 2 ? one->element[1]
                                                                            : NULL;
    q->got = entries != NULL ? entries->elements : 0;
    for (size_t i = 0; i < q->got; i++) {
        const int rc = read_entry(entries->element[i], q->pos, &l);
        if (rc == 1) {
            (void)liq_add(&q->core, &l);
        } else {
            q->core.bad++;
        }
    }
    if (q->got > 0 || q->replace) {
        write_state(q);
    } else {
        go_on(q);
    }
}

static void on_timer(void *arg)
{
    struct liqs *q = arg;
    if (!redis_is_up(q->redis)) {
        return; // on_up() goes on
    }
    if (q->state == DOWN) {
        load(q);
        return;
    }
    if (q->state != IDLE) {
        return;
    }
    q->state = READING;
    if (redis_cmd(q->redis, on_checked, q, "HGET %s _pos", q->key) != 0 ||
        redis_cmd(q->redis, on_entries, q, "XREAD COUNT %d STREAMS %s %s", COUNT, q->stream,
                  q->pos) != 0) {
        redis_kick(q->redis, "the link takes no command");
    }
}

// ---- life --------------------------------------------------------------------------------------

static void on_up(void *arg)
{
    struct liqs *q = arg;
    timer_stop(q->timer);
    load(q);
}

static void on_down(void *arg, const char *why)
{
    struct liqs *q = arg;
    (void)why; // told by the link itself
    q->state = DOWN;
    timer_stop(q->timer);
    drop(q);
}

struct liqs *liqs_new(const struct liqs_opts *o)
{
    struct liqs *q = xcalloc(1, sizeof *q);
    q->o = *o;
    instrument_key(&o->ins, "liquidation_clusters", q->key);
    instrument_key(&o->ins, "liquidations", q->stream);
    instrument_key(&o->ins, "instrument", q->instrument);
    instrument_key(&o->ins, "pub:liquidation_clusters", q->topic);
    q->tx = redis_tx_new(TX_MAX);
    q->timer = timer_new(o->loop, on_timer, q);
    q->redis = redis_new(&(struct redis_opts){.loop = o->loop,
                                              .url = o->url,
                                              .name = "strategy/liquidations",
                                              .slot_key = q->topic,
                                              .on_up = on_up,
                                              .on_down = on_down,
                                              .arg = q});
    return q;
}

void liqs_free(struct liqs *q)
{
    if (q == NULL) {
        return;
    }
    redis_free(q->redis);
    timer_free(q->timer);
    redis_tx_free(q->tx);
    drop(q);
    free(q);
}

#include "services/strategy/io/flow.h"

#include <hiredis/hiredis.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/log.h"
#include "common/base/mem.h"

#define TEXT_MAX ((size_t)1 << 20)
#define POLL_COUNT "100"
// The sums of the last seconds change with the clock alone.
#define WRITE_EVERY_MS 1000
// A reader copies two hours of seconds for each notice; so seldom is soon enough.
#define TELL_EVERY_MS 100
// A notice names at most this many fields; an empty list means "any".
#define NOTICE_FIELDS 100
#define NOTICE_ANY (NOTICE_FIELDS + 1) // so many that none is named

void flows_init(struct flows *x, const struct instrument *ins, struct strategy *core,
                struct loop *loop)
{
    *x = (struct flows){.core = core, .loop = loop, .day_ms = -1, .stored_trades = -1};
    (void)str_copy(x->name, sizeof x->name, ins->name);
    instrument_key(ins, "cvd", x->cvd_key);
    instrument_key(ins, "cvd:minutes", x->minutes_key);
    instrument_key(ins, "indicators", x->indicators_key);
    instrument_key(ins, "indicators:seconds", x->seconds_key);
    instrument_key(ins, "commands", x->commands_key);
    buf_init(&x->text, TEXT_MAX);
    buf_init(&x->seconds, TEXT_MAX);
    buf_init(&x->minutes, TEXT_MAX);
}

void flows_release(struct flows *x)
{
    free(x->command);
    buf_release(&x->text);
    buf_release(&x->seconds);
    buf_release(&x->minutes);
}

// ---- commands ----------------------------------------------------------------------------------

static struct slice text_of(const redisReply *r)
{
    return r->type == REDIS_REPLY_STRING ? (struct slice){r->str, r->len} : slice_of("");
}

// False: not even its id can be read.
static bool read_command(const redisReply *entry, struct command *out)
{
    struct stream_pos at;
    *out = (struct command){.at_ms = -1};
    if (entry->type != REDIS_REPLY_ARRAY || entry->elements != 2) {
        return false;
    }
    const struct slice id = text_of(entry->element[0]);
    const redisReply *f = entry->element[1];
    bool is_reset = false;
    int64_t at_ms = -1;
    for (size_t i = 0; f->type == REDIS_REPLY_ARRAY && i + 1 < f->elements; i += 2) {
        const struct slice name = text_of(f->element[i]);
        const struct slice value = text_of(f->element[i + 1]);
        if (slice_eq(name, "type")) {
            is_reset = slice_eq(value, "cvd_reset");
        } else if (slice_eq(name, "at_ms") && parse_i64(value.p, value.n, &at_ms) != 0) {
            at_ms = -1;
        }
    }
    if (!str_copyn(out->id, sizeof out->id, id.p, id.n) || !stream_id_parse(out->id, &at)) {
        return false;
    }
    out->asked_ms = at.ms < INT64_MAX / 2 ? (int64_t)at.ms : INT64_MAX / 2;
    out->at_ms = is_reset ? at_ms : -1;
    return true;
}

static void apply(struct flows *x, const struct command *c)
{
    (void)str_copy(x->pos, sizeof x->pos, c->id);
    x->changed = true;
    if (c->at_ms < 0) {
        x->unknown++;
        log_ev(LOG_WARN, "command_unknown", F_STR("sym", x->name), F_STR("id", c->id));
        return;
    }
    const enum cvd_result r = flow_reset(x->core, c->at_ms, c->asked_ms);
    log_ev(r == CVD_RESET || r == CVD_NO_EFFECT ? LOG_INFO : LOG_WARN, "cvd_reset",
           F_STR("sym", x->name), F_STR("id", c->id), F_INT("at_ms", c->at_ms),
           F_STR("result", cvd_result_name(r)));
}

static void apply_read(struct flows *x)
{
    for (size_t i = 0; i < x->n_commands; i++) {
        if (stream_id_cmp(x->command[i].id, x->pos) > 0) {
            apply(x, &x->command[i]);
        }
    }
}

static void on_first_commands(struct redis *r, const redisReply *reply, void *arg)
{
    struct flows *x = arg;
    (void)r;
    if (reply == NULL) {
        return;
    }
    const size_t n = reply->type == REDIS_REPLY_ARRAY ? reply->elements : 0;
    free(x->command);
    x->command = xcalloc(n + 1, sizeof *x->command);
    x->n_commands = 0;
    for (size_t i = n; i-- > 0;) { // newest first
        if (read_command(reply->element[i], &x->command[x->n_commands])) {
            x->n_commands++;
        }
    }
    x->on_begun(x->arg);
}

int flows_begin(struct flows *x, struct redis *r)
{
    x->n_commands = 0;
    return redis_cmd(r, on_first_commands, x, "XREVRANGE %s + - COUNT %d", x->commands_key,
                     COMMANDS_KEPT);
}

static void on_new_commands(struct redis *r, const redisReply *reply, void *arg)
{
    struct flows *x = arg;
    (void)r;
    x->asked = false;
    if (reply == NULL || !x->is_ready || reply->type != REDIS_REPLY_ARRAY) {
        return;
    }
    size_t taken = 0;
    for (size_t i = 0; i < reply->elements; i++) {
        struct command c;
        if (read_command(reply->element[i], &c) && stream_id_cmp(c.id, x->pos) > 0) {
            apply(x, &c);
            taken++;
        }
    }
    if (taken > 0) {
        x->on_command(x->arg);
    }
}

void flows_poll(struct flows *x, struct redis *r)
{
    if (x->is_ready && !x->asked && redis_is_up(r) &&
        redis_cmd(r, on_new_commands, x, "XRANGE %s (%s + COUNT " POLL_COUNT, x->commands_key,
                  x->pos[0] != '\0' ? x->pos : "0-0") == 0) {
        x->asked = true;
    }
}

// ---- load --------------------------------------------------------------------------------------

void flows_fresh(struct flows *x)
{
    x->is_ready = x->replace = false;
    x->changed = true;
    x->pos[0] = '\0';
    x->stored_trades = -1;
    x->bad = (struct err){0};
    x->day_ms = -1;
    x->written_ms = x->told_ms = INT64_MIN / 2;
    x->told_ver = 0;
    x->n_seconds = NOTICE_ANY; // what was not told before is unknown
    x->untold = true;
}

void flows_rebuild(struct flows *x)
{
    x->replace = true;
    apply_read(x);
}

static const char *value_of(const redisReply *hash, const char *name)
{
    for (size_t i = 0; i + 1 < hash->elements; i += 2) {
        if (slice_eq(text_of(hash->element[i]), name)) {
            return text_of(hash->element[i + 1]).p;
        }
    }
    return "";
}

static void on_cvd(struct redis *r, const redisReply *reply, void *arg)
{
    struct flows *x = arg;
    (void)r;
    if (reply == NULL || reply->type != REDIS_REPLY_ARRAY || reply->elements == 0) {
        return;
    }
    const size_t pairs = reply->elements / 2;
    const char **kv = xcalloc(2 * pairs + 1, sizeof *kv);
    for (size_t i = 0; i < 2 * pairs; i++) {
        kv[i] = text_of(reply->element[i]).p;
    }
    if (!str_copy(x->pos, sizeof x->pos, value_of(reply, "_pos_commands"))) {
        x->pos[0] = '\0';
    }
    if (flow_take_cvd(x->core, kv, pairs, &x->bad) != 0) {
        err_prefix(&x->bad, "stored CVD");
    }
    free(kv);
}

static void on_indicators(struct redis *r, const redisReply *reply, void *arg)
{
    struct flows *x = arg;
    int64_t known;
    (void)r;
    if (reply == NULL || reply->type != REDIS_REPLY_ARRAY) {
        return;
    }
    const char *trades = value_of(reply, "_seconds_trades");
    const char *from = value_of(reply, "_known_ms");
    if (parse_i64(trades, strlen(trades), &x->stored_trades) != 0 ||
        parse_i64(from, strlen(from), &known) != 0 || known < 0) {
        x->stored_trades = -1;
    } else {
        x->core->seconds.known_ms = known;
    }
}

static void on_seconds(struct redis *r, const redisReply *reply, void *arg)
{
    struct flows *x = arg;
    struct strategy *s = x->core;
    (void)r;
    if (reply == NULL || reply->type != REDIS_REPLY_ARRAY) {
        return;
    }
    bool good = true;
    for (size_t i = 0; i + 1 < reply->elements; i += 2) {
        good &= seconds_restore(&s->seconds, &s->ledger.ins, text_of(reply->element[i]),
                                text_of(reply->element[i + 1])) == 0;
    }
    if (!good) {
        x->stored_trades = -1;
    }
}

int flows_load(struct flows *x, struct redis *r)
{
    int rc = redis_cmd(r, on_cvd, x, "HGETALL %s", x->cvd_key);
    rc = rc ? rc : redis_cmd(r, on_indicators, x, "HGETALL %s", x->indicators_key);
    return rc ? rc : redis_cmd(r, on_seconds, x, "HGETALL %s", x->seconds_key);
}

// The seconds are not what was counted (an earlier version wrote the state, somebody deleted them):
// they begin behind the newest trade.
static void forget_seconds(struct flows *x)
{
    struct strategy *s = x->core;
    seconds_release(&s->seconds);
    seconds_init(&s->seconds);
    seconds_unknown_before(&s->seconds, s->ledger.newest_ms + 1);
    x->replace = true;
}

int flows_loaded(struct flows *x, struct err *e)
{
    const struct seconds *s = &x->core->seconds;
    const int64_t newest = x->core->ledger.newest_ms;
    if (x->bad.code) {
        *e = x->bad;
        return x->bad.code;
    }
    if (newest < 0 ? s->newest >= 0
                   : x->stored_trades != seconds_trades(s) || newest / 1000 < s->newest) {
        log_ev(LOG_WARN, "seconds_unknown", F_STR("sym", x->name), F_INT("before_ms", newest + 1));
        forget_seconds(x);
    }
    apply_read(x);
    return 0;
}

void flows_start(struct flows *x)
{
    x->is_ready = true;
}

// ---- write -------------------------------------------------------------------------------------

static void put(void *arg, const char *field, const char *value, size_t n)
{
    redis_tx_hset(arg, field, value, n);
}

static void put_i64(struct redis_tx *tx, const char *field, int64_t v)
{
    char s[24];
    redis_tx_hset(tx, field, s, fmt_i64(s, v));
}

static void del(struct redis_tx *tx, const char *key)
{
    redis_tx_argv(tx, 2, (struct slice[]){slice_of("DEL"), slice_of(key)});
}

static void note(struct buf *list, size_t *n, const char *field)
{
    if ((*n)++ < NOTICE_FIELDS) {
        buf_addf(list, "%s%s", *n > 1 ? "," : "", field);
    }
}

static void put_minute(void *arg, const char *field, const char *value, size_t n)
{
    struct flows *x = arg;
    redis_tx_hset(x->tx, field, value, n);
    note(&x->minutes, &x->n_minutes, field);
}

static void write_minutes(struct flows *x)
{
    const struct day *d = &x->core->ledger.cur;
    const int64_t day_ms = day_is_empty_slot(d) ? -1 : d->start_ms;
    if (day_ms != x->day_ms || x->replace) {
        del(x->tx, x->minutes_key);
        memset(x->told, 0, sizeof x->told);
        x->day_ms = day_ms;
        x->n_minutes = NOTICE_ANY;
    }
    redis_tx_hset_begin(x->tx, x->minutes_key);
    flow_minutes(x->core, x->told, put_minute, x);
    redis_tx_hset_end(x->tx);
}

static void put_second(void *arg, const struct second *v)
{
    struct flows *x = arg;
    char field[24];
    field[fmt_i64(field, v->second)] = '\0';
    buf_clear(&x->text);
    second_to_text(v, &x->core->ledger.ins, &x->text);
    redis_tx_hset(x->tx, field, buf_ptr(&x->text), buf_len(&x->text));
    note(&x->seconds, &x->n_seconds, field);
}

static void delete_gone(struct flows *x)
{
    const struct seconds *s = &x->core->seconds;
    for (size_t i = 0; i < s->n_gone; i++) {
        char field[24];
        field[fmt_i64(field, s->gone[i])] = '\0';
        redis_tx_argv(
            x->tx, 3,
            (struct slice[]){slice_of("HDEL"), slice_of(x->seconds_key), slice_of(field)});
        note(&x->seconds, &x->n_seconds, field);
    }
}

static void write_seconds(struct flows *x)
{
    struct seconds *s = &x->core->seconds;
    if (x->replace) {
        del(x->tx, x->seconds_key);
        x->n_seconds = NOTICE_ANY;
    } else {
        delete_gone(x);
    }
    seconds_gone_clear(s);
    redis_tx_hset_begin(x->tx, x->seconds_key);
    seconds_unsaved(s, x->replace, put_second, x);
    redis_tx_hset_end(x->tx);
}

static void write_run_fields(struct flows *x, uint64_t ver)
{
    put_i64(x->tx, "_ver", (int64_t)ver);
    put_i64(x->tx, "_updated_ms", loop_wall_us(x->loop) / 1000);
}

static void write_cvd(struct flows *x)
{
    redis_tx_hset_begin(x->tx, x->cvd_key);
    flow_cvd_fields(x->core, put, x->tx);
    redis_tx_hset(x->tx, "_pos_commands", x->pos, strlen(x->pos));
    put_i64(x->tx, "_resets", (int64_t)x->core->cvd.resets);
    put_i64(x->tx, "_refused", (int64_t)(x->core->cvd.refused + x->unknown));
    write_run_fields(x, x->core->ver);
    redis_tx_hset_end(x->tx);
}

// Has what is proven changed since it was written?
static bool take_proof(struct flows *x)
{
    struct flow_proof now = {{0}, {0}};
    for (size_t i = 0; i < 2; i++) {
        now.missing_ms[i] = x->core->cov[i].missing_ms;
        now.holes[i] = x->core->cov[i].holes;
    }
    const bool changed = memcmp(&now, &x->proof, sizeof now) != 0;
    x->proof = now;
    return changed;
}

bool flows_flush(struct flows *x, struct redis_tx *tx, int64_t clock_ms, bool counted)
{
    const int64_t mono_ms = loop_mono_ms(x->loop);
    const bool news = take_proof(x) || counted || x->changed || x->replace;
    x->tx = tx;
    x->n_minutes = 0;
    buf_clear(&x->minutes);
    x->untold |= news;
    x->tell = x->untold && mono_ms - x->told_ms >= TELL_EVERY_MS;
    if (!news && !x->tell && mono_ms - x->written_ms < WRITE_EVERY_MS) {
        return false;
    }
    x->written_ms = mono_ms;
    if (news) {
        write_minutes(x);
        write_seconds(x);
    }
    if (x->tell) {
        x->told_ver = x->core->ver;
        x->told_ms = mono_ms;
    }
    write_cvd(x); // what is proven of the day may have changed
    redis_tx_hset_begin(tx, x->indicators_key);
    flow_indicator_fields(x->core, clock_ms, put, tx);
    write_run_fields(x, x->told_ver);
    redis_tx_hset_end(tx);
    x->replace = x->changed = false;
    return news || x->tell;
}

bool flows_is_due(const struct flows *x)
{
    return x->is_ready && x->untold && loop_mono_ms(x->loop) - x->told_ms >= TELL_EVERY_MS;
}

void flows_notices(struct flows *x, void (*publish)(void *arg, const char *topic, const char *what),
                   void *arg)
{
    if (x->n_minutes > 0) {
        publish(arg, "cvd:minutes", x->n_minutes <= NOTICE_FIELDS ? buf_cstr(&x->minutes) : "");
    }
    publish(arg, "cvd", "\"cvd\"");
    if (!x->tell) {
        return;
    }
    if (x->n_seconds > 0) {
        publish(arg, "indicators:seconds",
                x->n_seconds <= NOTICE_FIELDS ? buf_cstr(&x->seconds) : "");
    }
    publish(arg, "indicators", "\"indicators\"");
    x->n_seconds = 0;
    buf_clear(&x->seconds);
    x->untold = x->tell = false;
}

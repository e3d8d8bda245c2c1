#include "common/io/daystore.h"

#include <hiredis/hiredis.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/mem.h"

// Days before the previous one whose keys are removed when a new day begins: retention is three
// days, the rest covers pauses.
#define FORGET_DAYS 10
#define NAMES_TEXT_MAX ((size_t)4 << 20)

static void day_key(const struct daystore *s, const char *prefix, int64_t day_ms, char out[KEY_MAX])
{
    char day[16];
    char tail[64];
    iso_day(day_ms, day);
    str_fmt(tail, sizeof tail, "%s%s", prefix, day);
    instrument_key(&s->l->ins, tail, out);
}

void daystore_init(struct daystore *s, struct ledger *l, const char *day_prefix,
                   const char *profile_prefix)
{
    *s = (struct daystore){.l = l, .day_prefix = day_prefix, .profile_prefix = profile_prefix};
    daystore_forget(s);
}

void daystore_forget(struct daystore *s)
{
    s->mark[0] = s->mark[1] = (struct day_mark){.start_ms = -1};
}

// ---- load --------------------------------------------------------------------------------------

static struct day *slot(struct daystore *s, size_t which)
{
    return which == 0 ? &s->l->cur : &s->l->prev;
}

static struct day_mark mark_of(const struct day *d)
{
    return (struct day_mark){.start_ms = d->start_ms, .trades = d->trades, .sealed = d->sealed};
}

static void finish_load(struct daystore *s)
{
    struct ledger *l = s->l;
    for (size_t i = 0; i < 2 && !s->why.code; i++) {
        const struct day *d = slot(s, i);
        if (day_is_empty_slot(d)) {
            continue;
        }
        if (!day_is_consistent(d)) {
            char day[16];
            iso_day(d->start_ms, day);
            err_set(&s->why, ERR_STATE, "profile and sums of %s disagree", day);
        }
        profile_mark_clean(d->profile);
        s->mark[i] = mark_of(d);
    }
    ledger_restored(l);
    s->done(s->arg, s->why.code ? &s->why : NULL);
}

// One of the four replies; false: drop it.
static bool arrived(struct daystore *s, const redisReply *reply)
{
    s->waiting--;
    if (!reply) {
        s->gone = true;
    }
    if (s->gone || s->why.code) {
        return false;
    }
    if (reply->type != REDIS_REPLY_ARRAY) {
        err_set(&s->why, ERR_STATE, "a day is no hash");
        return false;
    }
    return true;
}

static void last_arrived(struct daystore *s)
{
    if (s->waiting == 0 && !s->gone) {
        finish_load(s);
    }
}

static void take_day(struct daystore *s, size_t which, const redisReply *reply)
{
    if (reply->elements == 0) {
        if (which == 0) {
            err_set(&s->why, ERR_STATE, "the current day is not stored");
        }
        return;
    }
    size_t pairs = reply->elements / 2;
    const char **kv = xmalloc(2 * pairs * sizeof *kv + 1);
    for (size_t i = 0; i < 2 * pairs; i++) {
        kv[i] = reply->element[i]->str;
    }
    struct err e = {0};
    if (day_from_fields(slot(s, which), &s->l->ins, s->load_ms[which], kv, pairs, &e)) {
        s->why = e;
        err_prefix(&s->why, "stored day");
    } else if (slot(s, which)->sealed != 0 && s->l->named) {
        struct slice names = {"", 0};
        for (size_t i = 0; i < 2 * pairs; i += 2) {
            if (strcmp(kv[i], "_names") == 0) {
                names = (struct slice){kv[i + 1], reply->element[i + 1]->len};
            }
        }
        if (ledger_take_edge_names(s->l, slot(s, which), names)) {
            err_set(&s->why, ERR_SYNTAX, "stored day: _names are no names");
        }
    }
    free(kv);
}

static void take_bins(struct daystore *s, size_t which, const redisReply *reply)
{
    struct day *d = slot(s, which);
    if (day_is_empty_slot(d)) {
        return;
    }
    for (size_t i = 0; i + 1 < reply->elements; i += 2) {
        struct err e = {0};
        if (day_set_bin(d, &s->l->ins, reply->element[i]->str, reply->element[i + 1]->str, &e)) {
            s->why = e;
            err_prefix(&s->why, "stored bin");
            return;
        }
    }
}

static void on_cur(struct redis *r, const redisReply *reply, void *arg)
{
    (void)r;
    if (arrived(arg, reply)) {
        take_day(arg, 0, reply);
    }
}

static void on_cur_bins(struct redis *r, const redisReply *reply, void *arg)
{
    (void)r;
    if (arrived(arg, reply)) {
        take_bins(arg, 0, reply);
    }
}

static void on_prev(struct redis *r, const redisReply *reply, void *arg)
{
    (void)r;
    if (arrived(arg, reply)) {
        take_day(arg, 1, reply);
    }
}

static void on_prev_bins(struct redis *r, const redisReply *reply, void *arg)
{
    (void)r;
    if (arrived(arg, reply)) {
        take_bins(arg, 1, reply);
    }
    last_arrived(arg);
}

void daystore_load(struct daystore *s, struct redis *r, int64_t cur_ms, struct slice ids,
                   void (*done)(void *arg, const struct err *why), void *arg)
{
    daystore_forget(s);
    s->done = done;
    s->arg = arg;
    s->gone = false;
    s->why = (struct err){0};
    s->waiting = 0;
    if (ledger_take_proof(s->l, ids)) {
        err_set(&s->why, ERR_SYNTAX, "stored ids are neither an id set nor times");
        finish_load(s);
        return;
    }
    if (cur_ms < 0) {
        finish_load(s);
        return;
    }
    static const redis_cb cb[4] = {on_cur, on_cur_bins, on_prev, on_prev_bins};
    s->waiting = 4;
    for (size_t i = 0; i < 4; i++) {
        char key[KEY_MAX];
        s->load_ms[i / 2] = cur_ms - (i / 2 ? MS_PER_DAY : 0);
        day_key(s, i % 2 ? s->profile_prefix : s->day_prefix, s->load_ms[i / 2], key);
        if (redis_cmd(r, cb[i], s, "HGETALL %s", key)) {
            s->gone = true; // the link is dead and says so soon
            return;
        }
    }
}

// ---- flush -------------------------------------------------------------------------------------

struct bin_sink {
    struct daystore *s;
    struct redis_tx *tx;
    int64_t bin_ticks;
    void (*touched)(void *arg, const char *price);
    void *arg;
};

static void put_field(void *arg, const char *field, const char *value, size_t n)
{
    redis_tx_hset(arg, field, value, n);
}

static void put_bin(void *arg, int64_t index, const struct bin *b)
{
    struct bin_sink *k = arg;
    char field[NUM_TEXT];
    char value[4 * NUM_TEXT];
    bin_to_field(&k->s->l->ins, k->bin_ticks, index, b, field, value);
    redis_tx_hset(k->tx, field, value, strlen(value));
    if (k->touched) {
        k->touched(k->arg, field);
    }
}

static void del_day(struct daystore *s, struct redis_tx *tx, int64_t day_ms)
{
    char key[2][KEY_MAX];
    day_key(s, s->day_prefix, day_ms, key[0]);
    day_key(s, s->profile_prefix, day_ms, key[1]);
    redis_tx_argv(tx, 3, (struct slice[]){slice_of("DEL"), slice_of(key[0]), slice_of(key[1])});
}

static void write_day(struct daystore *s, struct redis_tx *tx, struct day *d, struct bin_sink *bins)
{
    char key[KEY_MAX];
    day_key(s, s->day_prefix, d->start_ms, key);
    redis_tx_hset_begin(tx, key);
    day_to_fields(d, &s->l->ins, put_field, tx);
    if (d->sealed != 0 && s->l->named) {
        struct buf names;
        buf_init(&names, NAMES_TEXT_MAX);
        ledger_edge_names(s->l, d, &names);
        redis_tx_hset(tx, "_names", buf_ptr(&names), buf_len(&names));
        buf_release(&names);
    }
    redis_tx_hset_end(tx);
    day_key(s, s->profile_prefix, d->start_ms, key);
    redis_tx_hset_begin(tx, key);
    bins->bin_ticks = profile_bin_ticks(d->profile);
    profile_dirty(d->profile, put_bin, bins);
    redis_tx_hset_end(tx);
    profile_mark_clean(d->profile);
}

static const struct day_mark *find_mark(const struct day_mark old[2], int64_t start_ms)
{
    for (size_t i = 0; i < 2; i++) {
        if (old[i].start_ms == start_ms) {
            return &old[i];
        }
    }
    return NULL;
}

unsigned daystore_flush(struct daystore *s, struct redis_tx *tx,
                        void (*touched)(void *arg, const char *price), void *arg)
{
    struct day_mark old[2] = {s->mark[0], s->mark[1]};
    unsigned written = 0;
    uint64_t revised = ledger_changes(s->l) - s->l->counted;
    daystore_forget(s);
    for (size_t i = 0; i < 2; i++) {
        struct day *d = slot(s, i);
        if (day_is_empty_slot(d)) {
            continue;
        }
        const struct day_mark *m = find_mark(old, d->start_ms);
        if (!m || m->sealed != d->sealed) {
            m = NULL; // all of it is new
            del_day(s, tx, d->start_ms);
            profile_mark_all_dirty(d->profile);
            for (int64_t k = 3; i == 0 && k <= FORGET_DAYS; k++) {
                del_day(s, tx, d->start_ms - k * MS_PER_DAY);
            }
        }
        if (!m || m->trades != d->trades || revised != s->revised) {
            struct bin_sink bins = {
                .s = s, .tx = tx, .touched = i == 0 ? touched : NULL, .arg = arg};
            write_day(s, tx, d, &bins);
            written |= i == 0 ? DAYSTORE_CUR : DAYSTORE_PREV;
        }
        s->mark[i] = mark_of(d);
    }
    s->revised = revised;
    // A day that left both slots and is not even the day before yesterday.
    for (size_t i = 0; i < 2; i++) {
        if (old[i].start_ms >= 0 && !day_is_empty_slot(&s->l->cur) &&
            old[i].start_ms < s->l->cur.start_ms - 2 * MS_PER_DAY) {
            del_day(s, tx, old[i].start_ms);
        }
    }
    return written;
}

// What Redis holds of an instrument whose trades UUIDs name: the newest minutes of :trades are read
// back page by page, so that a trade that comes again after a restart is known.

#include <hiredis/hiredis.h>
#include <string.h>

#include "common/base/log.h"
#include "services/collector/io/app.h"

#define PAGE 2000
#define PAGES_MAX 150 // more than the window holds

static bool parse_id(const struct redisReply *r, int64_t *ms, int64_t *seq)
{
    const char *dash = r->type == REDIS_REPLY_STRING ? memchr(r->str, '-', r->len) : NULL;
    return dash != NULL && parse_i64(r->str, (size_t)(dash - r->str), ms) == 0 &&
           parse_i64(dash + 1, (size_t)(r->str + r->len - dash - 1), seq) == 0 && *ms >= 0;
}

// The UUID of an entry of :trades; false for anything else.
static bool uid_of(const struct redisReply *entry, int64_t *ms, struct trade_uid *uid)
{
    int64_t seq;
    if (entry->type != REDIS_REPLY_ARRAY || entry->elements != 2 ||
        !parse_id(entry->element[0], ms, &seq) || entry->element[1]->type != REDIS_REPLY_ARRAY) {
        return false;
    }
    const struct redisReply *f = entry->element[1];
    for (size_t i = 0; i + 1 < f->elements; i += 2) {
        const struct redisReply *k = f->element[i], *v = f->element[i + 1];
        if (k->type == REDIS_REPLY_STRING && v->type == REDIS_REPLY_STRING &&
            strcmp(k->str, "id") == 0) {
            return trade_uid_parse((struct slice){v->str, v->len}, uid) == 0;
        }
    }
    return false;
}

bool names_in(const struct redisReply *r, struct trade_uid uid)
{
    for (size_t i = 0; r->type == REDIS_REPLY_ARRAY && i < r->elements; i++) {
        struct trade_uid u;
        int64_t ms;
        if (uid_of(r->element[i], &ms, &u) && u.hi == uid.hi && u.lo == uid.lo) {
            return true;
        }
    }
    return false;
}

// ---- reading back ------------------------------------------------------------------------------

static void ask_page(struct lane *l, const char *from);

static void on_begin(struct redis *r, const struct redisReply *reply, void *arg)
{
    struct lane *l = arg;
    int64_t ms = 0, seq;
    (void)r;
    if (reply != NULL && reply->type == REDIS_REPLY_ARRAY && reply->elements == 1 &&
        reply->element[0]->type == REDIS_REPLY_ARRAY && reply->element[0]->elements == 2 &&
        parse_id(reply->element[0]->element[0], &ms, &seq)) {
        l->stream_begin_ms = ms;
    }
}

static void on_page(struct redis *r, const struct redisReply *reply, void *arg)
{
    struct lane *l = arg;
    char from[64] = "";
    (void)r;
    if (reply == NULL) {
        return; // the next login reads again
    }
    if (reply->type != REDIS_REPLY_ARRAY) {
        redis_kick(l->app->redis, reply->type == REDIS_REPLY_ERROR ? reply->str : "no entries");
        return;
    }
    for (size_t i = 0; i < reply->elements; i++) {
        const struct redisReply *entry = reply->element[i];
        struct trade_uid uid;
        int64_t ms;
        if (uid_of(entry, &ms, &uid)) {
            feed_seed_name(&l->feed, uid, ms);
        }
        if (i + 1 == reply->elements && entry->type == REDIS_REPLY_ARRAY && entry->elements == 2 &&
            entry->element[0]->type == REDIS_REPLY_STRING) {
            str_fmt(from, sizeof from, "(%.40s", entry->element[0]->str);
        }
    }
    if (reply->elements == PAGE && from[0] != '\0' && ++l->pages < PAGES_MAX) {
        ask_page(l, from);
        return;
    }
    if (l->stream_begin_ms < l->tip_back_ms) {
        uidwin_complete_from(&l->feed.names, l->tip_back_ms);
    }
    l->names_done(l);
}

static void ask_page(struct lane *l, const char *from)
{
    char key[KEY_MAX];
    instrument_key(&l->feed.ins, "trades", key);
    if (redis_cmd(l->app->redis, on_page, l, "XRANGE %s %s + COUNT %d", key, from, PAGE) != 0) {
        redis_kick(l->app->redis, "cannot read the newest trades");
    }
}

void names_read(struct lane *l, void (*done)(struct lane *l))
{
    char key[KEY_MAX], from[32];
    const int64_t back = l->tip_ms - l->app->cfg->window_min * 60000;
    l->names_done = done;
    l->tip_back_ms = back > 0 ? back : 0;
    l->stream_begin_ms = 0;
    l->pages = 0;
    instrument_key(&l->feed.ins, "trades", key);
    str_fmt(from, sizeof from, "%lld", (long long)l->tip_back_ms);
    if (redis_cmd(l->app->redis, on_begin, l, "XRANGE %s - + COUNT 1", key) != 0) {
        redis_kick(l->app->redis, "cannot read the oldest trade");
        return;
    }
    ask_page(l, from);
}

void names_read_history(struct lane *l, const struct history *h)
{
    const struct instrument *ins = l->has_stored ? &l->stored : &l->feed.ins;
    struct trade t;
    size_t pos = 0;
    int rc;
    while (h->kind == HISTORY_TRADES && (rc = history_next(h, ins, &pos, &t)) != 0) {
        if (rc == 1) {
            (void)uidwin_add(&l->feed.names, t.uid, t.ts_ms, UIDWIN_STORED);
        }
    }
    if (h->from_ms < h->to_ms) { // times stand in for ids
        struct history times = *h;
        times.from_id = h->from_ms;
        times.to_id = h->to_ms - 1;
        repair_seed(&l->repair, &times);
    }
}

void names_seeded(struct lane *l)
{
    for (size_t i = 0; i < l->repair.n; i++) {
        const struct repair_hole *h = &l->repair.hole[i];
        if (l->app->recents != NULL) {
            overlap_add_hole(&l->overlap, h->lo, h->hi + 1, "restart", loop_mono_ms(l->app->loop));
        }
    }
    while (l->repair.n > 0) {
        repair_held(&l->repair, l->repair.hole[0].lo, l->repair.hole[0].hi);
    }
}

void names_declare_lost(struct lane *l)
{
    struct outbox *b = &l->outbox;
    if (b->forgotten_ms < 0 ||
        (l->has_tip && (l->tip_ms > b->forgotten_ms ||
                        (l->tip_ms == b->forgotten_ms && l->tip_id >= b->forgotten_seq)))) {
        return;
    }
    const int64_t from_ms = l->has_tip ? l->tip_ms : l->feed.oldest_ms;
    outbox_add_time_gap(b, from_ms, b->forgotten_ms + 1, "redis_loss");
    log_ev(LOG_WARN, "gap_declared", F_STR("sym", l->feed.ins.name), F_INT("from_ms", from_ms),
           F_INT("to_ms", b->forgotten_ms + 1), F_STR("reason", "redis_loss"));
}

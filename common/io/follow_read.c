// Entries of the two streams: parsing them as they come, and reading a time range of them again.

#include <hiredis/hiredis.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/io/follow_internal.h"

#define PAGE_TRADES 5000
#define PAGE_HISTORY 100
#define SHARE_TRADES 95 // percent of the work
#define HISTORY_SLACK_MS INT64_C(3600000)

// ---- entries as they come
// --------------------------------------------------------------------------

static void bad_entry(struct follow *f, const char *stream, struct slice id, const char *why)
{
    f->st.bad_entries++;
    char text[STREAM_ID_MAX];
    str_copyn(text, sizeof text, id.p, id.n);
    log_ev(LOG_WARN, "bad_entry", F_STR("sym", f->ins.name), F_STR("stream", stream),
           F_STR("id", text), F_STR("why", why));
    f->o.on_bad_entry(f->o.arg, why);
}

static void on_history_entry(struct follow *f, struct slice id, const struct slice *kv,
                             size_t pairs)
{
    struct history h;
    struct err e = {0};
    if (history_from_entry(kv, pairs, &h, &e)) {
        bad_entry(f, "history", id, e.text);
        return;
    }
    if (!history_fits(&h, &f->ins)) {
        bad_entry(f, "history", id, "not the way this venue's trades are named");
        return;
    }
    if (h.kind != HISTORY_TRADES) {
        f->o.on_history(f->o.arg, &h);
        return;
    }
    struct trade t;
    size_t pos = 0;
    int64_t good = 0;
    bool whole = true;
    int rc;
    while ((rc = history_next(&h, &f->ins, &pos, &t)) != 0) {
        if (rc < 0) {
            whole = false;
            continue;
        }
        good++;
        f->o.on_trade(f->o.arg, &t, 0, true);
    }
    if (whole && good == h.n) {
        f->o.on_history(f->o.arg, &h);
    } else {
        bad_entry(f, "history", id, "data does not hold the n trades of the range");
    }
}

void follow_on_entry(void *arg, size_t i, struct slice id, const struct slice *kv, size_t pairs)
{
    struct follow *f = arg;
    f->in_reply[i]++;
    if (i == 1) {
        f->st.history_entries++;
        on_history_entry(f, id, kv, pairs);
        return;
    }
    f->st.entries++;
    struct trade t;
    int64_t rx_us = 0;
    int rc = trade_from_entry(&f->ins, id, kv, pairs, &t, &rx_us);
    if (rc) {
        bad_entry(f, "trades", id, err_name(rc));
        return;
    }
    if (rx_us > f->newest_rx_us) {
        f->newest_rx_us = rx_us;
    }
    if (f->oldest_rx_us == 0) {
        f->oldest_rx_us = rx_us;
    }
    f->o.on_trade(f->o.arg, &t, rx_us, false);
}

// ---- reading back
// ----------------------------------------------------------------------------------

struct read_back {
    struct read_back *next;
    int64_t from_ms, to_ms, history_ms;
    char end[2][STREAM_ID_MAX]; // positions when it was asked for
    void (*cb)(void *arg, const struct trade *t);
    void (*done)(void *arg, bool ok);
    void *arg;
};

static void finish(struct follow *f, bool ok);

// Share of [from, to] that lies before the last entry of a page, in percent of `of`.
static int share(const redisReply *page, int64_t from_ms, const char *end, int of)
{
    uint64_t to = stream_pos_of(end).ms;
    uint64_t from = from_ms > 0 ? (uint64_t)from_ms : 0;
    const redisReply *last = page->elements > 0 ? page->element[page->elements - 1] : NULL;
    if (!last || last->type != REDIS_REPLY_ARRAY || last->elements < 1 || to <= from) {
        return 0;
    }
    uint64_t at = stream_pos_of(last->element[0]->str).ms;
    return at <= from ? 0 : at >= to ? of : (int)((at - from) * (uint64_t)of / (to - from));
}

// Redis takes "(id" as "behind id".
static int ask_page(struct follow *f, size_t which, const char *from, const char *to, int count,
                    redis_cb cb)
{
    char n[16];
    str_fmt(n, sizeof n, "%d", count);
    return redis_cmd(f->w, cb, f, "XRANGE %s %s %s COUNT %s",
                     which == 0 ? f->trades_key : f->history_key, from, to, n);
}

static bool entry_parts(const redisReply *e, struct slice *id, struct slice *kv, size_t *pairs)
{
    if (e->type != REDIS_REPLY_ARRAY || e->elements != 2 ||
        e->element[0]->type != REDIS_REPLY_STRING || e->element[1]->type != REDIS_REPLY_ARRAY) {
        return false;
    }
    const redisReply *fields = e->element[1];
    size_t n = fields->elements / 2;
    *pairs = n < STREAM_FIELDS_MAX ? n : STREAM_FIELDS_MAX;
    for (size_t i = 0; i < 2 * *pairs; i++) {
        kv[i] = (struct slice){fields->element[i]->str, fields->element[i]->len};
    }
    *id = (struct slice){e->element[0]->str, e->element[0]->len};
    return true;
}

static void deliver(const struct read_back *q, const struct trade *t)
{
    if (t->ts_ms >= q->from_ms && t->ts_ms < q->to_ms) {
        q->cb(q->arg, t);
    }
}

// `from` of the page behind this one; false when this was the last one.
static bool next_page(const redisReply *reply, size_t count, char from[STREAM_ID_MAX + 1])
{
    if (reply->elements < count) {
        return false;
    }
    const redisReply *last = reply->element[reply->elements - 1];
    if (last->type != REDIS_REPLY_ARRAY || last->elements < 1 || last->element[0]->len == 0) {
        return false;
    }
    from[0] = '(';
    return str_copyn(from + 1, STREAM_ID_MAX, last->element[0]->str, last->element[0]->len);
}

// The reply of a page, or NULL after the request was ended: link gone, or Redis said no.
static struct read_back *page_of(struct follow *f, const redisReply *reply)
{
    if (!reply || !f->rb_head) {
        return NULL; // set_down() ends the requests
    }
    if (reply->type != REDIS_REPLY_ARRAY) {
        follow_fail(f, "reading back was refused");
        return NULL;
    }
    return f->rb_head;
}

static void on_history_page(struct redis *r, const redisReply *reply, void *arg)
{
    (void)r;
    struct follow *f = arg;
    const struct read_back *q = page_of(f, reply);
    if (!q) {
        return;
    }
    for (size_t i = 0; i < reply->elements; i++) {
        struct slice id;
        struct slice kv[2 * STREAM_FIELDS_MAX];
        size_t pairs;
        struct history h;
        if (!entry_parts(reply->element[i], &id, kv, &pairs) ||
            history_from_entry(kv, pairs, &h, NULL) || h.kind != HISTORY_TRADES ||
            !history_fits(&h, &f->ins)) {
            continue; // counted when it was followed
        }
        struct trade t;
        size_t pos = 0;
        int rc;
        while ((rc = history_next(&h, &f->ins, &pos, &t)) != 0) {
            if (rc > 0) {
                deliver(q, &t);
            }
        }
    }
    f->rb_percent = SHARE_TRADES + share(reply, q->history_ms, q->end[1], 100 - SHARE_TRADES);
    char from[STREAM_ID_MAX + 1];
    if (!next_page(reply, PAGE_HISTORY, from)) {
        finish(f, true);
    } else if (ask_page(f, 1, from, q->end[1], PAGE_HISTORY, on_history_page)) {
        follow_fail(f, "the write link takes no command");
    }
}

static void ask_history(struct follow *f, struct read_back *q)
{
    // Redis numbers these entries by its own clock, when they are written: that is not before the
    // time of their trades, but for what clocks differ.
    char from[STREAM_ID_MAX];
    int64_t ahead = f->clock_offset_ms > 0 ? f->clock_offset_ms : 0;
    q->history_ms = q->from_ms - HISTORY_SLACK_MS - ahead;
    q->history_ms = q->history_ms > 0 ? q->history_ms : 0;
    str_fmt(from, sizeof from, "%" PRId64, q->history_ms);
    if (stream_pos_of(q->end[1]).ms < (uint64_t)q->history_ms || strcmp(q->end[1], "0-0") == 0) {
        finish(f, true);
    } else if (ask_page(f, 1, from, q->end[1], PAGE_HISTORY, on_history_page)) {
        follow_fail(f, "the write link takes no command");
    }
}

// Last id to read in :trades: the end of the range or the position, whichever is first. False:
// nothing lies there.
static bool trades_end(const struct read_back *q, char end[STREAM_ID_MAX])
{
    struct stream_pos pos = stream_pos_of(q->end[0]);
    if (q->to_ms <= 0 || pos.ms == 0 || pos.ms < (uint64_t)(q->from_ms > 0 ? q->from_ms : 0)) {
        return false;
    }
    if (pos.ms < (uint64_t)q->to_ms) {
        str_copy(end, STREAM_ID_MAX, q->end[0]);
    } else {
        str_fmt(end, STREAM_ID_MAX, "%" PRId64, q->to_ms - 1);
    }
    return true;
}

static void on_trades_page(struct redis *r, const redisReply *reply, void *arg)
{
    (void)r;
    struct follow *f = arg;
    struct read_back *q = page_of(f, reply);
    if (!q) {
        return;
    }
    for (size_t i = 0; i < reply->elements; i++) {
        struct slice id;
        struct slice kv[2 * STREAM_FIELDS_MAX];
        size_t pairs;
        struct trade t;
        if (entry_parts(reply->element[i], &id, kv, &pairs) &&
            trade_from_entry(&f->ins, id, kv, pairs, &t, NULL) == 0) {
            deliver(q, &t);
        }
    }
    char from[STREAM_ID_MAX + 1];
    char end[STREAM_ID_MAX];
    f->rb_percent = share(reply, q->from_ms, q->end[0], SHARE_TRADES);
    if (!next_page(reply, PAGE_TRADES, from) || !trades_end(q, end)) {
        ask_history(f, q);
    } else if (ask_page(f, 0, from, end, PAGE_TRADES, on_trades_page)) {
        follow_fail(f, "the write link takes no command");
    }
}

static void begin(struct follow *f)
{
    struct read_back *q = f->rb_head;
    char end[STREAM_ID_MAX];
    f->rb_percent = 0;
    if (!trades_end(q, end)) {
        ask_history(f, q);
        return;
    }
    char from[STREAM_ID_MAX];
    str_fmt(from, sizeof from, "%" PRId64, q->from_ms > 0 ? q->from_ms : 0);
    if (ask_page(f, 0, from, end, PAGE_TRADES, on_trades_page)) {
        follow_fail(f, "the write link takes no command");
    }
}

static void finish(struct follow *f, bool ok)
{
    struct read_back *q = f->rb_head;
    f->rb_head = q->next;
    if (!f->rb_head) {
        f->rb_tail = NULL;
    }
    bool more = f->rb_head != NULL;
    f->rb_percent = -1;
    q->done(q->arg, ok);
    free(q);
    // done() may have asked for another one, which then has begun already.
    if (more && f->rb_head && (f->state == FOLLOW_LOADING || f->state == FOLLOW_FOLLOWING)) {
        begin(f);
    }
}

void follow_read_back_abort(struct follow *f)
{
    struct read_back *q = f->rb_head;
    f->rb_head = f->rb_tail = NULL;
    f->rb_percent = -1;
    while (q) {
        struct read_back *next = q->next;
        q->done(q->arg, false);
        free(q);
        q = next;
    }
}

void follow_read_back(struct follow *f, int64_t from_ms, int64_t to_ms,
                      void (*cb)(void *arg, const struct trade *t),
                      void (*done)(void *arg, bool ok), void *arg)
{
    if (f->state != FOLLOW_LOADING && f->state != FOLLOW_FOLLOWING) {
        done(arg, false);
        return;
    }
    struct read_back *q = xcalloc(1, sizeof *q);
    *q = (struct read_back){.from_ms = from_ms, .to_ms = to_ms, .cb = cb, .done = done, .arg = arg};
    for (size_t i = 0; i < 2; i++) {
        str_copy(q->end[i], sizeof q->end[i],
                 f->state == FOLLOW_LOADING ? f->start[i] : stream_reader_position(f->reader, i));
    }
    if (f->rb_tail) {
        f->rb_tail->next = q;
        f->rb_tail = q;
        return;
    }
    f->rb_head = f->rb_tail = q;
    begin(f);
}

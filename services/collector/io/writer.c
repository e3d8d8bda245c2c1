// The write side: asks each lane's outbox for commands, sends them over the one link to Redis and
// tells it what came back. Nothing waits here: at most two batches per instrument are in flight,
// the rest stays in the outbox.

#include <hiredis/hiredis.h>
#include <string.h>

#include "common/base/log.h"
#include "services/collector/io/app.h"

#define REFUSED_LOG 120

// "<ms>-<seq>".
static bool parse_entry_id(const char *s, size_t n, int64_t *ms, int64_t *seq)
{
    const char *dash = memchr(s, '-', n);
    return dash != NULL && parse_i64(s, (size_t)(dash - s), ms) == 0 &&
           parse_i64(dash + 1, (size_t)(s + n - dash - 1), seq) == 0;
}

static bool field_is(const struct redisReply *fields, const char *name, int64_t value)
{
    for (size_t i = 0; i + 1 < fields->elements; i += 2) {
        const struct redisReply *k = fields->element[i], *v = fields->element[i + 1];
        int64_t found;
        if (k->type == REDIS_REPLY_STRING && strcmp(k->str, name) == 0) {
            return v->type == REDIS_REPLY_STRING && parse_i64(v->str, v->len, &found) == 0 &&
                   found == value;
        }
    }
    return false;
}

// Does XRANGE show the entry that was asked for? For :history its range is compared too: after a
// loss another entry may have got the same id.
static enum outbox_answer read_lookup(const struct lane *l, const struct redisReply *r,
                                      enum outbox_op op)
{
    if (r->type != REDIS_REPLY_ARRAY) {
        return ANSWER_AWAY;
    }
    if (r->elements == 0) {
        return ANSWER_ABSENT;
    }
    if (op == OP_LOOKUP && l->outbox.named) {
        return names_in(r, outbox_expected_uid(&l->outbox)) ? ANSWER_FOUND : ANSWER_ABSENT;
    }
    if (op == OP_LOOKUP) {
        return ANSWER_FOUND;
    }
    const struct redisReply *entry = r->element[0];
    int64_t from, to;
    outbox_expected_range(&l->outbox, &from, &to);
    if (entry->type != REDIS_REPLY_ARRAY || entry->elements != 2 ||
        entry->element[1]->type != REDIS_REPLY_ARRAY) {
        return ANSWER_ABSENT;
    }
    bool same =
        field_is(entry->element[1], "from_id", from) && field_is(entry->element[1], "to_id", to);
    if (same && l->outbox.named) {
        outbox_expected_times(&l->outbox, &from, &to);
        same = field_is(entry->element[1], "from_ms", from) &&
               field_is(entry->element[1], "to_ms", to);
    }
    return same ? ANSWER_FOUND : ANSWER_ABSENT;
}

static enum outbox_answer read_error(struct lane *l, const struct redisReply *r, enum outbox_op op)
{
    if (op == OP_TRADE && redis_classify(r) == REDIS_E_ID) {
        return ANSWER_ID_REFUSED;
    }
    char why[REFUSED_LOG];
    str_copyn(why, sizeof why, r->str, r->len);
    log_ev(LOG_WARN, "redis_refused_write", F_STR("sym", l->feed.ins.name), F_STR("why", why));
    return ANSWER_AWAY;
}

static void on_answer(struct redis *r, const struct redisReply *reply, void *arg)
{
    struct lane *l = arg;
    struct app *a = l->app;
    int64_t ms = 0, seq = 0, sent_us;
    size_t commands;
    (void)r;
    if (reply == NULL) {
        return; // writer_down() takes everything back
    }
    const enum outbox_op op = outbox_expected(&l->outbox);
    enum outbox_answer answer;
    if (reply->type == REDIS_REPLY_ERROR) {
        answer = read_error(l, reply, op);
    } else if (op == OP_LOOKUP || op == OP_HISTORY_LOOKUP) {
        answer = read_lookup(l, reply, op);
    } else if ((op == OP_HISTORY || l->outbox.named) &&
               (reply->type != REDIS_REPLY_STRING ||
                !parse_entry_id(reply->str, reply->len, &ms, &seq))) {
        answer = ANSWER_AWAY;
    } else {
        answer = ANSWER_STORED;
    }
    // The time of the last pump is exact enough for the age of an entry, and costs nothing.
    if (outbox_answer(&l->outbox, answer, ms, seq, a->pumped_mono_ms, &sent_us, &commands)) {
        hist_add(&l->ack_us, loop_wall_us(a->loop) - sent_us, (uint32_t)commands);
        writer_pump(a);
        if (answer != ANSWER_AWAY) {
            links_relieve(a->links);
        }
    }
}

static void pump_lane(struct app *a, struct lane *l, int64_t mono_ms)
{
    char command[ENTRY_MAX];
    size_t n;
    while (outbox_wants(&l->outbox, mono_ms)) {
        outbox_begin(&l->outbox, loop_wall_us(a->loop));
        while ((n = outbox_next(&l->outbox, command)) > 0) {
            if (redis_resp(a->redis, on_answer, l, l->outbox.command, n) != 0) {
                outbox_unsend(&l->outbox);
                return;
            }
        }
    }
    const int64_t hold_ms = l->outbox.hold_until_ms - mono_ms;
    if (l->outbox.open && hold_ms > 0 && !timer_is_running(a->pump)) {
        timer_start(a->pump, hold_ms);
    }
}

// Cheap when all lanes have as much in flight as they may: it is called for each frame.
static bool can_send(const struct app *a)
{
    for (size_t i = 0; i < a->n; i++) {
        const struct lane *l = &a->lane[i];
        if (l->outbox.open && l->outbox.batches < 2 && l->state != LANE_BROKEN) {
            return true;
        }
    }
    return false;
}

void writer_pump(struct app *a)
{
    size_t pending = 0;
    if (can_send(a) && redis_is_up(a->redis)) {
        a->pumped_mono_ms = loop_mono_ms(a->loop);
        for (size_t i = 0; i < a->n; i++) {
            if (a->lane[i].state != LANE_BROKEN) {
                pump_lane(a, &a->lane[i], a->pumped_mono_ms);
            }
        }
    }
    if (!a->draining) {
        return;
    }
    for (size_t i = 0; i < a->n; i++) {
        pending += a->lane[i].state != LANE_BROKEN ? outbox_pending(&a->lane[i].outbox) : 0;
    }
    pending += derivs_pending(a->derivs) + depths_pending(a->books);
    if (pending == 0) {
        service_done(a->service);
    }
}

void writer_down(struct app *a)
{
    for (size_t i = 0; i < a->n; i++) {
        if (a->lane[i].outbox.open) {
            outbox_close(&a->lane[i].outbox);
        }
    }
}

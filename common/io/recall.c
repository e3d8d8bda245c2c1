#include "common/io/recall.h"

#include <hiredis/hiredis.h>
#include <string.h>

// The streams hold every trade from this time on: the mark behind which they were trimmed. Entries
// of :trades carry the time of their trade; those of :history are newer than their trades.
static int64_t known_from(const redisReply *reply)
{
    int64_t from = -1;
    for (size_t i = 0; reply->type == REDIS_REPLY_ARRAY && i < reply->elements; i++) {
        const redisReply *v = reply->element[i];
        const char *dash = v->type == REDIS_REPLY_STRING ? strchr(v->str, '-') : NULL;
        int64_t ms;
        if (dash && parse_i64(v->str, (size_t)(dash - v->str), &ms) == 0 && ms >= from &&
            ms < INT64_MAX) {
            from = ms + 1;
        }
    }
    return from;
}

// Read behind the trades: the mark is set before a stream is trimmed, so what was trimmed while
// they were read lies before it, too.
static void on_marks(struct redis *r, const redisReply *reply, void *arg)
{
    (void)r;
    struct recall *k = arg;
    struct err e = {0};
    if (reply) {
        k->done(k->arg, ledger_recalled(k->ledger, known_from(reply), &e) ? &e : NULL);
    }
}

static void on_trade(void *arg, const struct trade *t)
{
    struct recall *k = arg;
    enum ledger_result r = ledger_recall(k->ledger, t);
    if (k->on_trade) {
        k->on_trade(k->arg, t, r);
    }
}

static void on_end(void *arg, bool ok)
{
    struct recall *k = arg;
    char key[KEY_MAX];
    if (!ok) {
        return;
    }
    instrument_key(&k->ledger->ins, "instrument", key);
    struct redis *r = follow_redis(k->follow);
    if (redis_cmd(r, on_marks, k, "HMGET %s _trimmed_to_trades _trimmed_to_history", key)) {
        redis_kick(r, "the write link takes no command");
    }
}

void recall_start(struct recall *r, struct follow *f, struct ledger *l,
                  void (*trade)(void *arg, const struct trade *t, enum ledger_result r),
                  void (*done)(void *arg, const struct err *why), void *arg)
{
    *r = (struct recall){f, l, trade, done, arg};
    int64_t from = ledger_recall_from(l);
    if (from == INT64_MAX) {
        done(arg, NULL);
    } else {
        follow_read_back(f, from, INT64_MAX, on_trade, on_end, r);
    }
}

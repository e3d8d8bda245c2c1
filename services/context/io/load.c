#include "services/context/io/load.h"

#include <hiredis/hiredis.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/json.h"
#include "common/base/str.h"

#define IDS_MAX ((size_t)16 << 20)

void context_stored_init(struct context_stored *s)
{
    *s = (struct context_stored){.day_ms = -1};
    buf_init(&s->ids, IDS_MAX);
}

void context_stored_release(struct context_stored *s)
{
    buf_release(&s->ids);
}

static struct slice field(const redisReply *hash, const char *name)
{
    for (size_t i = 0; i + 1 < hash->elements; i += 2) {
        const redisReply *k = hash->element[i];
        const redisReply *v = hash->element[i + 1];
        if (k->type == REDIS_REPLY_STRING && v->type == REDIS_REPLY_STRING &&
            strcmp(k->str, name) == 0) {
            return (struct slice){v->str, v->len};
        }
    }
    return (struct slice){"", 0};
}

// Counters of the run: absent or unreadable is 0.
static uint64_t counter(const redisReply *hash, const char *name)
{
    struct slice v = field(hash, name);
    uint64_t n = 0;
    return parse_u64(v.p, v.n, &n) ? 0 : n;
}

int context_stored_take(struct context_stored *s, const struct instrument *ins,
                        const redisReply *reply, struct err *e)
{
    struct buf ids = s->ids;
    *s = (struct context_stored){.day_ms = -1, .ids = ids};
    buf_clear(&s->ids);
    if (reply->type != REDIS_REPLY_ARRAY) {
        return err_set(e, ERR_STATE, ":context is no hash");
    }
    if (reply->elements == 0) {
        return 0;
    }
    s->found = true;
    struct slice day = field(reply, "day");
    if (day.n > 0 && parse_day(day.p, day.n, &s->day_ms)) {
        return err_set(e, ERR_SYNTAX, "day '%.20s' is no day", day.p);
    }
    if (!slice_eq(field(reply, "simulated"), ins->simulated ? "1" : "0")) {
        return err_set(e, ERR_STATE, "simulated: stored state is of the other kind");
    }
    struct slice pt = field(reply, "_pos_trades");
    struct slice ph = field(reply, "_pos_history");
    if (!str_copyn(s->pos_trades, sizeof s->pos_trades, pt.p, pt.n) ||
        !str_copyn(s->pos_history, sizeof s->pos_history, ph.p, ph.n)) {
        return err_set(e, ERR_SYNTAX, "positions are no stream ids");
    }
    struct slice held = field(reply, "_ids");
    buf_add(&s->ids, held.p, held.n);
    s->ver = counter(reply, "_ver");
    s->duplicates = counter(reply, "_duplicates");
    s->too_old = counter(reply, "_too_old");
    s->bad = counter(reply, "_bad");
    s->reloads = counter(reply, "_reloads");
    s->newest_rx_us = (int64_t)(counter(reply, "_newest_rx_us") & INT64_MAX);
    return s->ids.failed ? err_set(e, ERR_LIMIT, "_ids is too long") : 0;
}

static json_t *array_of(const redisReply *v)
{
    return v->type == REDIS_REPLY_STRING ? json_parse(v->str, v->len, NULL) : NULL;
}

static void take_reason(struct holes *h, const json_t *o)
{
    struct hole_reason r = {0};
    const char *kind;
    const char *reason;
    if (json_get_i64(o, "from_id", &r.from_id, NULL) || json_get_i64(o, "to_id", &r.to_id, NULL) ||
        json_get_i64(o, "from_ms", &r.from_ms, NULL) || json_get_i64(o, "to_ms", &r.to_ms, NULL) ||
        json_get_str(o, "kind", &kind, NULL) || json_get_str(o, "reason", &reason, NULL)) {
        return;
    }
    r.kind = strcmp(kind, history_kind_name(HISTORY_LOST)) == 0 ? HISTORY_LOST : HISTORY_GAP;
    str_copy(r.reason, sizeof r.reason, reason);
    holes_add_reason(h, &r);
}

void holes_take(struct holes *h, const redisReply *reply)
{
    holes_clear(h);
    if (reply->type != REDIS_REPLY_ARRAY || reply->elements != 2) {
        return;
    }
    json_t *reasons = array_of(reply->element[0]);
    for (size_t i = 0; i < json_array_size(reasons); i++) {
        take_reason(h, json_array_get(reasons, i));
    }
    json_decref(reasons);
    json_t *repaired = array_of(reply->element[1]);
    for (size_t i = 0; i < json_array_size(repaired); i++) {
        const json_t *span = json_array_get(repaired, i);
        if (json_array_size(span) == 2) {
            holes_add_repaired(h, json_integer_value(json_array_get(span, 0)),
                               json_integer_value(json_array_get(span, 1)));
        }
    }
    json_decref(repaired);
}

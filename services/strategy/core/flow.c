#include "services/strategy/core/flow.h"

#include <string.h>

#include "common/base/clock.h"
#include "common/base/decimal.h"
#include "common/base/str.h"

struct out {
    field_sink sink;
    void *arg;
    const struct instrument *ins;
};

static void put(const struct out *o, const char *field, const char *value)
{
    o->sink(o->arg, field, value, strlen(value));
}

// "" below 0.
static void put_ms(const struct out *o, const char *field, int64_t ms)
{
    char s[24];
    o->sink(o->arg, field, s, ms < 0 ? 0 : fmt_i64(s, ms));
}

static void put_i64(const struct out *o, const char *field, int64_t v)
{
    char s[24];
    o->sink(o->arg, field, s, fmt_i64(s, v));
}

static void put_lots(const struct out *o, const char *field, int64_t lots)
{
    char s[DEC_TEXT];
    o->sink(o->arg, field, s, dec_format(s, lots, o->ins->qty_scale, o->ins->qty_decimals));
}

static int64_t day_of(const struct strategy *s)
{
    return day_is_empty_slot(&s->ledger.cur) ? -1 : s->ledger.cur.start_ms;
}

enum cvd_result flow_reset(struct strategy *s, int64_t at_ms, int64_t asked_ms)
{
    return cvd_reset(&s->cvd, at_ms, asked_ms, day_of(s), s->ledger.newest_ms, &s->seconds);
}

// ---- :cvd --------------------------------------------------------------------------------------

static struct flow_sum day_sum(const struct strategy *s)
{
    const struct day *d = &s->ledger.cur;
    return (struct flow_sum){d->buy, d->sell, (int64_t)d->trades};
}

// Every trade of the day is in its minutes.
static bool minutes_are_whole(const struct strategy *s)
{
    const struct minutes *m = &s->minutes;
    uint64_t trades = 0;
    for (size_t i = minutes_lower(m, s->ledger.cur.start_ms); i < m->n; i++) {
        if (m->row[i].lost) {
            return false;
        }
        trades += (uint64_t)m->row[i].trades;
    }
    return trades == s->ledger.cur.trades;
}

static void put_sum(const struct out *o, const struct flow_sum *sum)
{
    put_lots(o, "cvd", sum->buy - sum->sell);
    put_lots(o, "buy_volume", sum->buy);
    put_lots(o, "sell_volume", sum->sell);
    put_lots(o, "volume_delta", sum->buy - sum->sell);
    put_i64(o, "trades", sum->trades);
}

static void put_first(const struct out *o, const struct cvd *c)
{
    put_ms(o, "first_ms", c->reset_ms - c->reset_ms % CVD_MINUTE_MS);
    put_lots(o, "first_buy", c->first.buy);
    put_lots(o, "first_sell", c->first.sell);
    put_i64(o, "first_trades", c->first.trades);
}

static void put_none(const struct out *o, const char *const *field, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        put(o, field[i], "");
    }
}

void flow_cvd_fields(const struct strategy *s, field_sink sink, void *arg)
{
    static const char *const sums[] = {"cvd", "buy_volume", "sell_volume", "volume_delta",
                                       "trades"};
    static const char *const first[] = {"first_ms", "first_buy", "first_sell", "first_trades"};
    const struct out o = {sink, arg, &s->ledger.ins};
    const struct coverage *v = &s->cov[0];
    const int64_t day_ms = day_of(s);
    const bool reset = cvd_is_reset(&s->cvd, day_ms);
    const int64_t anchor = reset ? s->cvd.reset_ms : day_ms;
    char day[16] = "";
    if (day_ms >= 0) {
        iso_day(day_ms, day);
    }
    put(&o, "day", day);
    put(&o, "anchor", reset ? "reset" : "day");
    put_ms(&o, "anchor_ms", anchor);
    put_ms(&o, "reset_ms", reset ? s->cvd.reset_ms : -1);
    if (day_ms < 0) {
        put_none(&o, sums, sizeof sums / sizeof sums[0]);
    } else {
        const struct flow_sum sum = reset ? s->cvd.sum : day_sum(s);
        put_sum(&o, &sum);
    }
    if (reset) {
        put_first(&o, &s->cvd);
    } else {
        put_none(&o, first, sizeof first / sizeof first[0]);
    }
    put(&o, "minutes_whole", day_ms >= 0 && minutes_are_whole(s) ? "1" : "0");
    put_ms(&o, "missing_ms",
           v->day_ms >= 0 && v->day_ms == day_ms
               ? coverage_missing_between(v, reset ? anchor + 1 : anchor, v->judged_end_ms)
               : -1);
    put(&o, "simulated", s->ledger.ins.simulated ? "1" : "0");
}

struct taken {
    const char *const *kv;
    size_t pairs;
};

static const char *value_of(const struct taken *t, const char *name)
{
    for (size_t i = 0; i < t->pairs; i++) {
        if (strcmp(t->kv[2 * i], name) == 0) {
            return t->kv[2 * i + 1];
        }
    }
    return "";
}

static bool take_number(const struct taken *t, const char *name, int scale, int64_t *out)
{
    const char *v = value_of(t, name);
    return dec_parse(v, strlen(v), scale, out, NULL) == 0 && *out >= 0;
}

static bool take_sum(const struct taken *t, const char *const name[3], int scale,
                     struct flow_sum *out)
{
    return take_number(t, name[0], scale, &out->buy) &&
           take_number(t, name[1], scale, &out->sell) && take_number(t, name[2], 0, &out->trades);
}

static bool is_within(const struct flow_sum *a, const struct flow_sum *b)
{
    return a->buy <= b->buy && a->sell <= b->sell && a->trades <= b->trades;
}

int flow_take_cvd(struct strategy *s, const char *const *kv, size_t pairs, struct err *e)
{
    static const char *const all[3] = {"buy_volume", "sell_volume", "trades"};
    static const char *const minute[3] = {"first_buy", "first_sell", "first_trades"};
    const struct taken t = {kv, pairs};
    const int scale = s->ledger.ins.qty_scale;
    struct cvd c;
    cvd_init(&c);
    if (value_of(&t, "reset_ms")[0] == '\0') {
        s->cvd = c;
        return 0;
    }
    const struct flow_sum day = day_sum(s);
    if (!take_number(&t, "reset_ms", 0, &c.reset_ms)) {
        return err_set(e, ERR_SYNTAX, "reset_ms is no time");
    }
    if (day_of(s) >= 0 &&
        (!take_sum(&t, all, scale, &c.sum) || !take_sum(&t, minute, scale, &c.first))) {
        return err_set(e, ERR_SYNTAX, "volumes since the reset are no numbers");
    }
    if (!is_within(&c.first, &c.sum) || !is_within(&c.sum, &day)) {
        return err_set(e, ERR_STATE, "volumes since the reset are beyond those of the day");
    }
    s->cvd = c;
    return 0;
}

void flow_minutes(struct strategy *s, int64_t told[FLOW_MINUTES], field_sink sink, void *arg)
{
    const struct minutes *m = &s->minutes;
    const struct instrument *ins = &s->ledger.ins;
    const int64_t day_ms = day_of(s);
    for (size_t i = minutes_lower(m, day_ms); day_ms >= 0 && i < m->n; i++) {
        const struct minute *r = &m->row[i];
        const int64_t at = (r->start_ms - day_ms) / MINUTE_MS;
        if (at >= FLOW_MINUTES || told[at] == r->trades) {
            continue;
        }
        char field[24];
        char buy[DEC_TEXT];
        char sell[DEC_TEXT];
        char text[2 * DEC_TEXT + 24];
        field[fmt_i64(field, r->start_ms)] = '\0';
        dec_format(buy, r->buy, ins->qty_scale, ins->qty_decimals);
        dec_format(sell, r->sell, ins->qty_scale, ins->qty_decimals);
        str_fmt(text, sizeof text, "%s %s %lld", buy, sell, (long long)r->trades);
        sink(arg, field, text, strlen(text));
        told[at] = r->trades;
    }
}

// ---- :indicators -------------------------------------------------------------------------------

struct hole {
    int64_t from_ms, to_ms;
};
struct holes {
    struct hole v[FLOW_HOLES]; // newest first
    size_t n;
    int64_t from_ms;
};

// Newest first; what touches is one. Beyond FLOW_HOLES the oldest one is stretched: what lies
// between counts as missing rather than as there.
static void add_hole(struct holes *h, int64_t from_ms, int64_t to_ms)
{
    from_ms = from_ms > h->from_ms ? from_ms : h->from_ms;
    if (from_ms >= to_ms) {
        return;
    }
    if (h->n > 0 && (h->n == FLOW_HOLES || to_ms >= h->v[h->n - 1].from_ms)) {
        struct hole *last = &h->v[h->n - 1];
        last->from_ms = from_ms < last->from_ms ? from_ms : last->from_ms;
        return;
    }
    h->v[h->n++] = (struct hole){from_ms, to_ms};
}

static void add_holes(struct holes *h, const struct coverage *v)
{
    for (size_t i = v->n; i-- > 0 && v->span[i].to_ms > h->from_ms;) {
        const struct cover_span *span = &v->span[i];
        if (span->state == COVER_MISSING || span->state == COVER_PARTIAL) {
            add_hole(h, span->from_ms, span->to_ms);
        }
    }
}

static void put_holes(struct strategy *s, const struct out *o)
{
    const int64_t from = seconds_from_ms(&s->seconds);
    const struct coverage *cur = &s->cov[0];
    const struct coverage *prev = &s->cov[1];
    struct holes h = {.from_ms = from};
    buf_clear(&s->text);
    if (cur->day_ms >= 0) {
        add_holes(&h, cur);
        if (prev->day_ms >= 0) {
            add_holes(&h, prev);
        } else {
            add_hole(&h, from, cur->day_ms); // nothing of the day before was ever seen
        }
    }
    for (size_t i = h.n; i-- > 0;) {
        buf_addf(&s->text, "%s%lld-%lld", buf_len(&s->text) > 0 ? "," : "",
                 (long long)h.v[i].from_ms, (long long)h.v[i].to_ms);
    }
    o->sink(o->arg, "holes", buf_ptr(&s->text), buf_len(&s->text));
}

static void put_window(const struct strategy *s, const struct out *o, int64_t now_ms, int period)
{
    struct flow_sum sum;
    char name[4][24];
    static const char *const what[4] = {"buy", "sell", "delta", "trades"};
    for (size_t i = 0; i < 4; i++) {
        str_fmt(name[i], sizeof name[i], "_%s_%d", what[i], period);
    }
    if (now_ms < 0 || !seconds_sum(&s->seconds, now_ms - period * INT64_C(1000), now_ms, &sum)) {
        for (size_t i = 0; i < 4; i++) {
            put(o, name[i], "");
        }
        return;
    }
    put_lots(o, name[0], sum.buy);
    put_lots(o, name[1], sum.sell);
    put_lots(o, name[2], sum.buy - sum.sell);
    put_i64(o, name[3], sum.trades);
}

void flow_indicator_fields(struct strategy *s, int64_t now_ms, field_sink sink, void *arg)
{
    static const int period[] = {60, 300, 900, 3600};
    const struct out o = {sink, arg, &s->ledger.ins};
    const bool any = s->seconds.newest >= 0 || s->seconds.known_ms > 0;
    put_ms(&o, "from_ms", any ? seconds_from_ms(&s->seconds) : -1);
    put_holes(s, &o);
    put(&o, "simulated", s->ledger.ins.simulated ? "1" : "0");
    put_ms(&o, "_at_ms", now_ms);
    for (size_t i = 0; i < sizeof period / sizeof period[0]; i++) {
        put_window(s, &o, now_ms, period[i]);
    }
    put_i64(&o, "_seconds_trades", seconds_trades(&s->seconds));
    put_i64(&o, "_known_ms", s->seconds.known_ms);
}

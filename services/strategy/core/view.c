// Fields of :strategy and :metrics.

#include <string.h>

#include "common/base/clock.h"
#include "common/base/decimal.h"
#include "common/base/json.h"
#include "common/base/str.h"
#include "services/strategy/core/strategy.h"

struct out {
    field_sink sink;
    void *arg;
};

static void put(const struct out *o, const char *field, const char *value)
{
    o->sink(o->arg, field, value, strlen(value));
}

static void put_i64(const struct out *o, const char *field, int64_t v)
{
    char s[24];
    o->sink(o->arg, field, s, fmt_i64(s, v));
}

static void put_day(const struct out *o, const struct strategy *s)
{
    char day[16] = "";
    if (!day_is_empty_slot(&s->ledger.cur)) {
        iso_day(s->ledger.cur.start_ms, day);
    }
    put(o, "day", day);
    put(o, "simulated", s->ledger.ins.simulated ? "1" : "0");
}

void strategy_fields(const struct strategy *s, field_sink sink, void *arg)
{
    const struct out o = {sink, arg};
    put_day(&o, s);
    put(&o, "session", session_strategy_name(s->phase.session));
    static const char *const name[N_TF] = {"complete_1m", "complete_5m"};
    for (size_t i = 0; i < N_TF; i++) {
        if (s->completed_ms[i] < 0) {
            put(&o, name[i], "");
        } else {
            put_i64(&o, name[i], s->completed_ms[i]);
        }
    }
}

static void lots_text(const struct instrument *ins, int64_t lots, char out[DEC_TEXT])
{
    dec_format(out, lots, ins->qty_scale, ins->qty_decimals);
}

static void put_footprint(const struct out *o, struct strategy *s)
{
    const struct day *d = &s->ledger.cur;
    const struct instrument *ins = &s->ledger.ins;
    buf_clear(&s->text);
    struct jw w;
    jw_init(&w, &s->text);
    jw_arr(&w);
    int64_t index[FOOTPRINT_ROWS];
    struct bin bin[FOOTPRINT_ROWS];
    size_t n = day_is_empty_slot(d) ? 0 : profile_top(d->profile, FOOTPRINT_ROWS, index, bin);
    for (size_t i = 0; i < n; i++) {
        char price[NUM_TEXT];
        char lots[DEC_TEXT];
        jw_obj(&w);
        bin_price_text(ins, profile_bin_ticks(d->profile), index[i], price);
        jw_kraw(&w, "price", price);
        lots_text(ins, bin[i].buy + bin[i].sell, lots);
        jw_kraw(&w, "volume", lots);
        lots_text(ins, bin[i].buy, lots);
        jw_kraw(&w, "buy_vol", lots);
        lots_text(ins, bin[i].sell, lots);
        jw_kraw(&w, "sell_vol", lots);
        jw_kint(&w, "rank", (int64_t)i + 1);
        jw_end_obj(&w);
    }
    jw_end_arr(&w);
    o->sink(o->arg, "footprint", buf_ptr(&s->text), buf_len(&s->text));
}

void strategy_metrics(struct strategy *s, field_sink sink, void *arg)
{
    const struct out o = {sink, arg};
    const struct day *d = &s->ledger.cur;
    struct day_levels v = {0};
    bool any = !day_is_empty_slot(d);
    if (any) {
        day_levels(d, &s->ledger.ins, &v);
    }
    put_day(&o, s);
    put(&o, "vwap", v.vwap);
    put(&o, "poc", v.poc);
    put(&o, "delta", v.delta);
    put(&o, "buy_volume", v.buy);
    put(&o, "sell_volume", v.sell);
    put_i64(&o, "trade_count", any ? (int64_t)d->trades : 0);
    put(&o, "cumulative_volume", v.volume);
    put_footprint(&o, s);
}

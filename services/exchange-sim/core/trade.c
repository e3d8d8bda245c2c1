#include "services/exchange-sim/core/trade.h"

static void add_kstr(struct buf *out, const char *key_and_quote, const char *text)
{
    buf_adds(out, key_and_quote);
    buf_adds(out, text);
    buf_addc(out, '"');
}

static void add_kint(struct buf *out, const char *key, int64_t v)
{
    buf_adds(out, key);
    buf_add_i64(out, v);
}

static void add_numbers(struct buf *out, const struct sim_trade *t)
{
    add_kstr(out, ",\"p\":\"", t->price);
    add_kstr(out, ",\"q\":\"", t->qty);
    if (t->nq[0] != '\0') {
        add_kstr(out, ",\"nq\":\"", t->nq);
    }
    add_kint(out, ",\"f\":", t->first);
    add_kint(out, ",\"l\":", t->last);
    add_kint(out, ",\"T\":", t->t_ms);
    buf_adds(out, t->buyer_is_maker ? ",\"m\":true" : ",\"m\":false");
}

void sim_trade_frame(struct buf *out, const struct sim_trade *t, const char *symbol)
{
    add_kint(out, "{\"e\":\"aggTrade\",\"E\":", t->e_ms);
    add_kint(out, ",\"a\":", t->id);
    add_kstr(out, ",\"s\":\"", symbol);
    add_numbers(out, t);
    buf_adds(out, t->st ? ",\"st\":1}" : "}");
}

void sim_trade_row(struct buf *out, const struct sim_trade *t)
{
    add_kint(out, "{\"a\":", t->id);
    add_numbers(out, t);
    buf_addc(out, '}');
}

void sim_trade_csv(struct buf *out, const struct sim_trade *t)
{
    buf_add_i64(out, t->id);
    buf_addc(out, ',');
    buf_adds(out, t->price);
    buf_addc(out, ',');
    buf_adds(out, t->qty);
    add_kint(out, ",", t->first);
    add_kint(out, ",", t->last);
    add_kint(out, ",", t->t_ms);
    buf_adds(out, t->buyer_is_maker ? ",true," : ",false,");
    buf_add_i64(out, t->e_ms);
    buf_addc(out, '\n');
}

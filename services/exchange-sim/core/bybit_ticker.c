#include <string.h>

#include "common/base/decimal.h"
#include "common/base/str.h"
#include "common/base/wide.h"
#include "services/exchange-sim/core/wire_bybit.h"

const char *const bybit_ticker_names[BYBIT_TICKER_FIELDS] = {
    "lastPrice",         "markPrice",           "indexPrice",      "openInterest",
    "openInterestValue", "fundingRate",         "nextFundingTime", "bid1Price",
    "bid1Size",          "ask1Price",           "ask1Size",        "prevPrice24h",
    "volume24h",         "fundingIntervalHour",
};

static void number(char out[BYBIT_TICKER_TEXT], int64_t v, int scale, int decimals)
{
    char text[DEC_TEXT];
    dec_format(text, v, scale, decimals);
    str_copy(out, BYBIT_TICKER_TEXT, text);
}

bool bybit_ticker_at(struct market *m, int lane, int64_t t_ms, struct bybit_ticker *out)
{
    const struct lane *l = &m->lane[lane];
    struct sim_trade last;
    struct sim_mark mark;
    *out = (struct bybit_ticker){0};
    if (!m->ops->seek_newest(m, lane, INT64_MAX, 1) || !m->ops->read(m, lane, &last)) {
        return false;
    }
    str_copy(out->value[0], BYBIT_TICKER_TEXT, last.price);
    if (m->ops->mark != NULL && m->ops->mark(m, lane, t_ms, &mark)) {
        number(out->value[1], mark.mark_e8, 8, l->price_decimals);
        number(out->value[2], mark.index_e8, 8, l->price_decimals);
        number(out->value[3], mark.open_interest, l->qty_decimals, l->qty_decimals);
        number(out->value[4],
               (int64_t)((i128)mark.open_interest * mark.mark_e8 / 1000000 /
                         pow10_i64(l->qty_decimals)),
               2, 2);
        number(out->value[5], mark.funding_e8, 8, 8);
        out->value[6][fmt_i64(out->value[6], mark.next_funding_ms)] = '\0';
        number(out->value[11], mark.open_24h, l->price_decimals, l->price_decimals);
        number(out->value[12], mark.volume_24h, l->qty_decimals, l->qty_decimals);
        out->value[13][fmt_i64(out->value[13], mark.funding_hours)] = '\0';
    }
    struct sim_book book = {0};
    struct slice raw = {0};
    if (m->ops->book != NULL && m->ops->book(m, lane, 1, 0, &book, &raw) && book.side[0].n > 0 &&
        book.side[1].n > 0) {
        for (int side = 0; side < 2; side++) {
            number(out->value[7 + side * 2], book.side[side].at[0].price, l->price_decimals,
                   l->price_decimals);
            number(out->value[8 + side * 2], book.side[side].at[0].qty, l->qty_decimals,
                   l->qty_decimals);
        }
    }
    book_release(&book);
    return true;
}

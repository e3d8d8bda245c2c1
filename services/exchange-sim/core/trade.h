#ifndef SIM_CORE_TRADE_H
#define SIM_CORE_TRADE_H
// One aggregated trade as the simulated market shows it, and its two wire forms.

#include <stdbool.h>
#include <stdint.h>

#include "common/base/buf.h"

#define SIM_NUM_TEXT 32    // bytes of a price or quantity text with its NUL
#define SIM_SYMBOL_TEXT 32 // bytes of a symbol with its NUL

struct sim_trade {
    int lane;                 // which symbol of the market
    int64_t t_ms;             // trade time
    int64_t e_ms;             // event time of the frame, >= t_ms
    int64_t id;               // aggregate id
    int64_t first, last;      // ids of the fills it stands for
    char price[SIM_NUM_TEXT]; // as the venue wrote them
    char qty[SIM_NUM_TEXT];   //
    char nq[SIM_NUM_TEXT];    // quantity without RPI; "" = the field is absent (before 2026)
    bool buyer_is_maker;      // the taker sold
    bool st;                  // the frame carries "st":1 (since the 2026 merge)
};

// Appends the frame of `<symbol>@aggTrade`, raw form:
// {"e":"aggTrade","E":..,"a":..,"s":"BTCUSDT","p":"..","q":"..",["nq":"..",]"f":..,"l":..,"T":..,
//  "m":true[,"st":1]}
void sim_trade_frame(struct buf *out, const struct sim_trade *t, const char *symbol);
// Appends one row of GET /fapi/v1/aggTrades: {"a":..,"p":"..","q":"..",["nq":..,]"f":..,"l":..,
// "T":..,"m":..}
void sim_trade_row(struct buf *out, const struct sim_trade *t);
// Appends one line of the truth list: "a,p,q,f,l,T,m,E\n".
void sim_trade_csv(struct buf *out, const struct sim_trade *t);

#endif

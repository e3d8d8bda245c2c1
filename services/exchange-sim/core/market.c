#include "services/exchange-sim/core/market.h"

#include <string.h>

#include "common/base/str.h"

int market_lane_of(const struct market *m, const char *symbol)
{
    for (int i = 0; i < m->lanes; i++) {
        if (strcmp(m->lane[i].symbol, symbol) == 0) {
            return i;
        }
    }
    return -1;
}

int market_lane_of_stream(const struct market *m, const char *stream)
{
    for (int i = 0; i < m->lanes; i++) {
        if (strcmp(m->lane[i].stream, stream) == 0) {
            return i;
        }
    }
    return -1;
}

int market_add_lane(struct market *m, const char *symbol)
{
    int known = market_lane_of(m, symbol);
    if (known >= 0 || m->lanes == MARKET_MAX_LANES) {
        return known;
    }
    struct lane *l = &m->lane[m->lanes];
    *l = (struct lane){.first_id = -1, .last_id = -1, .last_t_ms = -1};
    char lower[SIM_SYMBOL_TEXT] = "";
    size_t n = strlen(symbol);
    for (size_t i = 0; i < n && i + 1 < sizeof lower; i++) {
        char c = symbol[i];
        lower[i] = (char)(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
    }
    if (!str_copy(l->symbol, sizeof l->symbol, symbol) ||
        !str_fmt(l->stream, sizeof l->stream, "%s@aggTrade", lower)) {
        return -1;
    }
    str_copy(l->tick, sizeof l->tick, "0.01");
    str_copy(l->step, sizeof l->step, "0.001");
    return m->lanes++;
}

void market_note_release(struct market *m, const struct sim_trade *t)
{
    struct lane *l = &m->lane[t->lane];
    l->released++;
    if (l->first_id < 0 || t->id < l->first_id) {
        l->first_id = t->id;
    }
    if (t->id > l->last_id) {
        l->last_id = t->id;
    }
    if (t->t_ms > l->last_t_ms) {
        l->last_t_ms = t->t_ms;
    }
}

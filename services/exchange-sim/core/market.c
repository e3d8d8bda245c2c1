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

static bool seen_by(const struct lane *l, enum sim_venue venue)
{
    return l->venue == venue || l->venue == VENUE_ANY || venue == VENUE_ANY;
}

int market_lane_at(const struct market *m, const char *symbol, size_t n, enum sim_venue venue)
{
    for (int i = 0; i < m->lanes; i++) {
        const struct lane *l = &m->lane[i];
        if (seen_by(l, venue) && strlen(l->symbol) == n && memcmp(l->symbol, symbol, n) == 0) {
            return i;
        }
    }
    return -1;
}

int market_lane_of_lower(const struct market *m, const char *lower, size_t n, enum sim_venue venue)
{
    for (int i = 0; i < m->lanes; i++) {
        const struct lane *l = &m->lane[i];
        if (seen_by(l, venue) && strlen(l->lower) == n && memcmp(l->lower, lower, n) == 0) {
            return i;
        }
    }
    return -1;
}

int market_add_lane(struct market *m, const char *symbol)
{
    return market_add_venue_lane(m, symbol, VENUE_ANY);
}

int market_add_venue_lane(struct market *m, const char *symbol, enum sim_venue venue)
{
    int known = market_lane_at(m, symbol, strlen(symbol), venue);
    if (known >= 0) {
        if (m->lane[known].venue == VENUE_ANY) {
            m->lane[known].venue = venue;
        }
        return known;
    }
    if (m->lanes == MARKET_MAX_LANES) {
        return -1;
    }
    struct lane *l = &m->lane[m->lanes];
    *l = (struct lane){.first_id = -1, .last_id = -1, .last_t_ms = -1, .venue = venue};
    size_t n = strlen(symbol);
    for (size_t i = 0; i < n && i + 1 < sizeof l->lower; i++) {
        char c = symbol[i];
        l->lower[i] = (char)(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
    }
    if (!str_copy(l->symbol, sizeof l->symbol, symbol)) {
        return -1;
    }
    str_copy(l->tick, sizeof l->tick, "0.01");
    str_copy(l->step, sizeof l->step, "0.001");
    l->price_decimals = 2;
    l->qty_decimals = 3;
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

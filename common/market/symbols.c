#include "common/market/symbols.h"

#include <string.h>

#include "common/base/str.h"

enum venue venue_of_source(const char *data_source)
{
    return str_starts(data_source, "bybit") ? VENUE_BYBIT : VENUE_BINANCE;
}

static void trim(const char **p, size_t *n)
{
    while (*n > 0 && **p == ' ') {
        (*p)++;
        (*n)--;
    }
    while (*n > 0 && (*p)[*n - 1] == ' ') {
        (*n)--;
    }
}

int symbols_parse(const char *symbols, const char *symbol, const char *data_source,
                  struct instrument *out, size_t cap, size_t *n, struct err *e)
{
    bool list = symbols && symbols[0];
    const char *name = list ? "SYMBOLS" : "SYMBOL";
    const char *p = list ? symbols : symbol;
    *n = 0;
    for (;;) {
        const char *comma = strchr(p, ',');
        const char *item = p;
        size_t len = comma ? (size_t)(comma - p) : strlen(p);
        trim(&item, &len);
        if (*n == cap) {
            return err_set(e, ERR_RANGE, "%s: more than %zu instruments", name, cap);
        }
        if (instrument_parse(item, len, venue_of_source(data_source), &out[*n], e)) {
            return err_prefix(e, "%s", name);
        }
        for (size_t i = 0; i < *n; i++) {
            if (strcmp(out[i].name, out[*n].name) == 0) {
                return err_set(e, ERR_RANGE, "%s: %s is named twice", name, out[i].name);
            }
        }
        (*n)++;
        if (!comma) {
            return 0;
        }
        p = comma + 1;
    }
}

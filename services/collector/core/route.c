#include "services/collector/core/route.h"

void route_trades(struct buf *out, const char *base, const struct instrument *ins, size_t n,
                  bool single_fills)
{
    buf_adds(out, base);
    buf_adds(out, single_fills ? "/public" : "/market");
    buf_adds(out, "/stream?streams=");
    for (size_t i = 0; i < n; i++) {
        if (i > 0) {
            buf_addc(out, '/');
        }
        for (const char *p = ins[i].symbol; *p != '\0'; p++) {
            buf_addc(out, *p >= 'A' && *p <= 'Z' ? (char)(*p - 'A' + 'a') : *p);
        }
        buf_adds(out, single_fills ? "@trade" : "@aggTrade");
    }
}

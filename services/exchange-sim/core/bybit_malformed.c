#include <string.h>

#include "common/base/str.h"
#include "services/exchange-sim/core/wire_bybit.h"

#define OVERSIZE_BYTES ((size_t)5 << 20) // clients usually allow 4 MiB

const char *const bybit_malformed_kinds[] = {
    "truncated", "not_json",  "no_price", "negative", "zero",  "zero_price",
    "absurd",    "precision", "foreign",  "side",     "no_id", "string_t",
    "no_array",  "empty",     "future",   "oversize", NULL,
};

static size_t kinds(void)
{
    size_t n = 0;
    while (bybit_malformed_kinds[n] != NULL) {
        n++;
    }
    return n;
}

static bool known(const char *kind)
{
    for (size_t i = 0; i < kinds(); i++) {
        if (strcmp(kind, bybit_malformed_kinds[i]) == 0) {
            return true;
        }
    }
    return false;
}

bool bybit_malformed(struct buf *out, const char *kind, int64_t nth, const char *symbol,
                     int64_t t_ms)
{
    if (strcmp(kind, "mix") == 0) {
        kind = bybit_malformed_kinds[(size_t)nth % (kinds() - 1)];
    }
    if (!known(kind)) {
        return false;
    }
#define IS(k) (strcmp(kind, k) == 0)
    size_t start = buf_len(out);
    long long t = (long long)t_ms + (IS("future") ? 365LL * 86400000 : 0);
    if (IS("not_json") || IS("empty")) {
        buf_adds(out, IS("empty") ? "{}" : "this is not JSON");
        return true;
    }
    buf_addf(out,
             "{\"topic\":\"publicTrade.%s\",\"type\":\"snapshot\",\"ts\":%lld,\"data\":", symbol,
             t);
    if (IS("no_array")) {
        buf_adds(out, "7}");
        return true;
    }
    buf_addf(out, IS("string_t") ? "[{\"T\":\"%lld\"," : "[{\"T\":%lld,", t);
    buf_addf(out, "\"s\":\"%s\",\"S\":\"%s\",\"v\":\"%s\",", IS("foreign") ? "FOREIGNUSDT" : symbol,
             IS("side") ? "Both" : "Buy",
             IS("negative") ? "-0.010"
             : IS("zero")   ? "0.000"
                            : "0.010");
    if (!IS("no_price")) {
        buf_addf(out, "\"p\":\"%s\",",
                 IS("zero_price")  ? "0.00"
                 : IS("absurd")    ? "99999999999999999999999"
                 : IS("precision") ? "61800.123456789012345"
                                   : "61800.10");
    }
    buf_adds(out, "\"L\":\"PlusTick\",");
    if (!IS("no_id")) {
        buf_addf(out, "\"i\":\"badbadba-%04llx-5bad-8bad-%012llx\",",
                 (unsigned long long)nth & 0xffff, (unsigned long long)t_ms & 0xffffffffffffULL);
    }
    while (IS("oversize") && buf_len(out) - start < OVERSIZE_BYTES && !out->failed) {
        buf_adds(out,
                 "\"pad\":\"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\",");
    }
    buf_addf(out, "\"BT\":false,\"RPI\":false,\"seq\":%lld}]}", t * 4);
    if (IS("truncated") && !out->failed) {
        out->tail -= (buf_len(out) - start) / 2;
    }
#undef IS
    return true;
}

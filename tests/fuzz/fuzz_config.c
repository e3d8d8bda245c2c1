// links: collector
// Values of the configuration: lines "NAME value" are the environment of the collector; the first
// byte R: a Redis URL, D: a decimal, S: symbols.

#include "common/base/decimal.h"
#include "common/base/opt.h"
#include "common/io/redis.h"
#include "common/market/symbols.h"
#include "services/collector/config.h"
#include "tests/fuzz/fuzz.h"

struct environment {
    char text[64][2][512];
    size_t n;
};

static const char *get(void *arg, const char *name)
{
    struct environment *v = arg;
    for (size_t i = 0; i < v->n; i++) {
        if (strcmp(v->text[i][0], name) == 0) {
            return v->text[i][1];
        }
    }
    return NULL;
}

static void options(const char *s, size_t n)
{
    static struct environment v;
    static struct config c;
    struct slice kv[128];
    struct opt_result res = {0};
    struct err e = {0};
    char name[] = "collector";
    char *argv[] = {name, NULL};
    const size_t got = fuzz_pairs(s, n, kv, 128);
    v.n = 0;
    for (size_t i = 0; i + 1 < got; i += 2) {
        // A secret may name a file, and reads it.
        if (str_copyn(v.text[v.n][0], 512, kv[i].p, kv[i].n) &&
            str_copyn(v.text[v.n][1], 512, kv[i + 1].p, kv[i + 1].n) &&
            !str_ends(v.text[v.n][0], "_FILE")) {
            v.n++;
        }
    }
    memset(&c, 0, sizeof c);
    int rc = opt_load(&config_table, &c, get, &v, 1, argv, &res, &e);
    if (rc == 0) {
        rc = config_check(&c, &e);
        CHECK(rc != 0 || (c.n >= 1 && c.n <= CONFIG_INSTRUMENTS));
    }
    CHECK(rc == 0 || e.text[0] != '\0');
    opt_result_release(&res);
}

static void decimal(const char *s, size_t n)
{
    for (int scale = 0; scale <= DEC_MAX_SCALE; scale += 5) {
        int64_t v, again;
        int places;
        char text[DEC_TEXT];
        if (dec_parse(s, n, scale, &v, &places) == 0) {
            const size_t len = dec_format(text, v, scale, 0);
            CHECK(dec_parse(text, len, scale, &again, NULL) == 0 && again == v);
        }
    }
    int places;
    if (dec_places(s, n, &places) == 0) {
        CHECK(places >= 0 && places <= 18);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct redis_url url;
    struct instrument ins[SYMBOLS_MAX];
    struct err e = {0};
    size_t n = 0;
    if (size == 0) {
        return 0;
    }
    char *s = fuzz_copy(data + 1, size - 1);
    if (data[0] == 'R') {
        if (redis_url_parse(s, &url, &e) == 0) {
            char shown[512];
            redis_url_show(&url, shown, sizeof shown);
            CHECK(strlen(shown) < sizeof shown);
        }
    } else if (data[0] == 'D') {
        decimal(s, size - 1);
    } else if (data[0] == 'S') {
        if (symbols_parse(s, "BTCUSDT", "binance_ws", ins, SYMBOLS_MAX, &n, &e) == 0) {
            CHECK(n >= 1 && n <= SYMBOLS_MAX);
        }
    } else {
        options(s, size - 1);
    }
    free(s);
    return 0;
}

#include "services/backfill/io/probe.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/io/budget.h"
#include "services/backfill/core/digest.h"

#define RECV_WINDOW_MS 5000

enum step { CLOCK, KEY, SECRET, DONE };

struct probe {
    struct loop *loop;
    const struct config *cfg;
    struct service *service;
    struct http *http;
    struct timer *start;
    enum step step;
    int64_t offset_ms;
    bool bad;
};

static void next(struct probe *p);

static bool is_bybit(const struct probe *p)
{
    return p->cfg->ins[0].venue == VENUE_BYBIT;
}

// Bybit tells most errors with HTTP 200 and a code in the body.
static bool is_good(const struct probe *p, const struct http_reply *r)
{
    return r->err == 0 && r->status == 200 &&
           (!is_bybit(p) || budget_bybit_ret_code(r->body, r->n) == 0);
}

static void say(struct probe *p, const char *what, bool good, const struct http_reply *r)
{
    char why[160] = "";
    if (!good && r != NULL) {
        str_fmt(why, sizeof why, ": %s%ld %.120s", r->err != 0 ? r->why : "HTTP ", r->status,
                r->body);
    }
    printf("%-7s %s%s\n", what, good ? "accepted" : "refused", why);
    fflush(stdout);
    p->bad = p->bad || !good;
}

static void read_clock(struct probe *p, const struct http_reply *r)
{
    struct err e;
    json_t *tree = json_parse(r->body, r->n, &e);
    int64_t venue_ms = 0;
    if (tree != NULL &&
        json_get_i64(tree, is_bybit(p) ? "time" : "serverTime", &venue_ms, &e) == 0) {
        p->offset_ms = venue_ms - (r->sent_us + r->done_us) / 2000;
        printf("venue   reached in %lld ms, its clock is %lld ms ahead of ours\n",
               (long long)((r->done_us - r->sent_us) / 1000), (long long)p->offset_ms);
        fflush(stdout);
    } else {
        say(p, "venue", false, r);
    }
    json_decref(tree);
}

static void on_done(void *arg, const struct http_reply *r)
{
    struct probe *p = arg;
    const bool good = is_good(p, r);
    switch (p->step) {
    case CLOCK:
        if (good) {
            read_clock(p, r);
        } else {
            say(p, "venue", false, r);
        }
        break;
    case KEY:
        say(p, "key", good, r);
        break;
    case SECRET:
        say(p, "secret", good, r);
        break;
    case DONE:
        break;
    }
    p->step++;
    next(p);
}

static void ask(struct probe *p, const char *path, const char *query)
{
    char url[1200], key[320];
    struct err e = {0};
    const struct config *c = p->cfg;
    char stamp[64], window[64], sign[DIGEST_HEX + 24], hex[DIGEST_HEX] = "";
    const int64_t now_ms = loop_wall_us(p->loop) / 1000 + p->offset_ms;
    str_fmt(url, sizeof url, "%s%s%s%s", is_bybit(p) ? c->bybit.rest_base : c->rest_base, path,
            query[0] != '\0' ? "?" : "", query);
    if (is_bybit(p)) {
        sign_bybit(c->bybit.key, c->bybit.secret, now_ms, RECV_WINDOW_MS, query, hex);
    }
    str_fmt(key, sizeof key, is_bybit(p) ? "X-BAPI-API-KEY: %s" : "X-MBX-APIKEY: %s",
            is_bybit(p) ? c->bybit.key : c->binance_key);
    str_fmt(stamp, sizeof stamp, "X-BAPI-TIMESTAMP: %lld", (long long)now_ms);
    str_fmt(window, sizeof window, "X-BAPI-RECV-WINDOW: %d", RECV_WINDOW_MS);
    str_fmt(sign, sizeof sign, "X-BAPI-SIGN: %s", hex);
    const char *const binance[] = {key, NULL}, *const none[] = {NULL};
    const char *const bybit[] = {key, stamp, window, sign, NULL};
    const char *const *headers = p->step == CLOCK ? none : is_bybit(p) ? bybit : binance;
    if (http_get(p->http,
                 &(struct http_req){.url = url,
                                    .timeout_ms = p->cfg->api_timeout_s * 1000,
                                    .headers = headers,
                                    .on_done = on_done,
                                    .arg = p},
                 &e) == NULL) {
        printf("venue   %s\n", e.text);
        p->bad = true;
        p->step = DONE;
        next(p);
    }
}

static void ask_signed(struct probe *p)
{
    struct buf query;
    buf_init(&query, 1024);
    sign_binance(&query, p->cfg->binance_secret, loop_wall_us(p->loop) / 1000 + p->offset_ms,
                 RECV_WINDOW_MS);
    ask(p, "/fapi/v2/account", buf_cstr(&query));
    buf_release(&query);
}

static void next(struct probe *p)
{
    char query[96];
    const struct config *c = p->cfg;
    const bool bybit = is_bybit(p);
    if (p->step == KEY && (bybit ? c->bybit.key : c->binance_key)[0] == '\0') {
        printf("key     none given: requests are public\n");
        p->step = DONE;
    }
    if (p->step == KEY && bybit) {
        p->step = SECRET; // Bybit asks for a key in signed requests alone: both are proven at once
    }
    if (p->step == SECRET && (bybit ? c->bybit.secret : c->binance_secret)[0] == '\0') {
        if (bybit) {
            printf("key     can not be proven without its secret\n");
        }
        p->step = DONE;
    }
    switch (p->step) {
    case CLOCK:
        ask(p, bybit ? "/v5/market/time" : "/fapi/v1/time", "");
        break;
    case KEY:
        str_fmt(query, sizeof query, "symbol=%s&limit=1", c->ins[0].symbol);
        ask(p, "/fapi/v1/historicalTrades", query);
        break;
    case SECRET:
        if (bybit) {
            ask(p, "/v5/user/query-api", "");
        } else {
            ask_signed(p);
        }
        break;
    case DONE:
        fflush(stdout);
        if (p->bad) {
            service_fail(p->service, "test_mode_failed", "see standard output");
        } else {
            service_done(p->service);
        }
        break;
    }
}

static void on_start(void *arg)
{
    next(arg);
}

struct probe *probe_new(struct loop *l, const struct config *c, struct service *s)
{
    struct probe *p = xcalloc(1, sizeof *p);
    p->loop = l;
    p->cfg = c;
    p->service = s;
    p->http = http_new(l, c->ca_file, 1);
    p->start = timer_new(l, on_start, p);
    timer_start(p->start, 0);
    return p;
}

void probe_free(struct probe *p)
{
    if (p == NULL) {
        return;
    }
    p->step = DONE;
    timer_free(p->start);
    http_free(p->http);
    free(p);
}

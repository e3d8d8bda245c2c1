#include "services/backfill/io/probe.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
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
    if (tree != NULL && json_get_i64(tree, "serverTime", &venue_ms, &e) == 0) {
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
    const bool good = r->err == 0 && r->status == 200;
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
    str_fmt(url, sizeof url, "%s%s%s%s", p->cfg->rest_base, path, query[0] != '\0' ? "?" : "",
            query);
    str_fmt(key, sizeof key, "X-MBX-APIKEY: %s", p->cfg->binance_key);
    const char *const headers[] = {p->step != CLOCK ? key : NULL, NULL};
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
    if (p->step == KEY && c->binance_key[0] == '\0') {
        printf("key     none given: requests are public\n");
        p->step = DONE;
    }
    if (p->step == SECRET && c->binance_secret[0] == '\0') {
        p->step = DONE;
    }
    switch (p->step) {
    case CLOCK:
        ask(p, "/fapi/v1/time", "");
        break;
    case KEY:
        str_fmt(query, sizeof query, "symbol=%s&limit=1", c->ins[0].symbol);
        ask(p, "/fapi/v1/historicalTrades", query);
        break;
    case SECRET:
        ask_signed(p);
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

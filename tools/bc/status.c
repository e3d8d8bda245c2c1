// One table of services, one of instruments, put together from the health hashes and the state that
// the services keep in Redis. What is wrong is named, and then the exit code is 1.

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/base/buf.h"
#include "common/base/json.h"
#include "common/base/mem.h"
#include "common/base/str.h"
#include "common/market/symbols.h"
#include "tools/bc/bc.h"

#define SERVICES_MAX 512
#define FORGET_MS 3600000 // who was last seen longer ago is no longer missed
#define WRONG_MAX 4096

struct svc {
    char member[160]; // "collector:binance"
    int64_t seen_ms;
    redisReply *health; // NULL: gone
};
struct row {
    struct instrument ins;
    redisReply *context, *book, *backfill, *metrics;
    bool followed; // a collector reports it
};
struct status {
    struct bc *bc;
    struct svc svc[SERVICES_MAX];
    size_t n;
    struct row row[SYMBOLS_MAX];
    size_t rows;
    struct buf wrong; // one line each
    int64_t now_ms;
};

static void complain(struct status *s, const char *who, const char *what)
{
    buf_addf(&s->wrong, "%s: %s\n", who, what);
}

static int64_t number(const char *text)
{
    return strtoll(text, NULL, 10);
}

// ---- reading -----------------------------------------------------------------------------------

static int read_time(struct status *s)
{
    redisReply *r = bc_ask(s->bc, "TIME");
    if (r == NULL) {
        return BC_NOREDIS;
    }
    if (r->elements == 2) {
        s->now_ms = number(r->element[0]->str) * 1000 + number(r->element[1]->str) / 1000;
    }
    freeReplyObject(r);
    return BC_OK;
}

static int read_services(struct status *s)
{
    redisReply *r = bc_ask(s->bc, "ZRANGEBYSCORE bc4:services %lld +inf WITHSCORES LIMIT 0 %d",
                           (long long)(s->now_ms - FORGET_MS), SERVICES_MAX);
    if (r == NULL) {
        return BC_NOREDIS;
    }
    int rc = BC_OK;
    for (size_t i = 0; i + 1 < r->elements && s->n < SERVICES_MAX && rc == BC_OK; i += 2) {
        struct svc *v = &s->svc[s->n++];
        str_copy(v->member, sizeof v->member, r->element[i]->str);
        v->seen_ms = number(r->element[i + 1]->str);
        v->health = bc_ask(s->bc, "HGETALL bc4:health:%s", v->member);
        if (v->health == NULL) {
            rc = BC_NOREDIS;
        } else if (v->health->elements == 0) {
            freeReplyObject(v->health);
            v->health = NULL;
        }
    }
    freeReplyObject(r);
    return rc;
}

static struct row *row_of(struct status *s, const struct instrument *ins)
{
    for (size_t i = 0; i < s->rows; i++) {
        if (strcmp(s->row[i].ins.name, ins->name) == 0) {
            return &s->row[i];
        }
    }
    if (s->rows == SYMBOLS_MAX) {
        return NULL;
    }
    struct row *r = &s->row[s->rows++];
    r->ins = *ins;
    return r;
}

// Fields of a health hash are "binance:BTCUSDT.<what>": that is how the instruments are known.
static void find_instruments(struct status *s)
{
    bool fixed = s->rows > 0;
    for (size_t i = 0; i < s->n; i++) {
        const redisReply *h = s->svc[i].health;
        for (size_t k = 0; h != NULL && k + 1 < h->elements; k += 2) {
            const char *field = h->element[k]->str;
            const char *dot = strchr(field, '.');
            const char *colon = strchr(field, ':');
            struct instrument ins;
            struct err e;
            if (dot == NULL || colon == NULL || colon > dot ||
                instrument_parse(field, (size_t)(dot - field), VENUE_BINANCE, &ins, &e) != 0) {
                continue;
            }
            size_t known = s->rows;
            struct row *r = row_of(s, &ins);
            if (r == NULL) {
                continue;
            }
            if (fixed && s->rows > known) {
                s->rows = known; // not one of --symbols
                continue;
            }
            r->followed = r->followed || str_starts(s->svc[i].member, "collector:");
        }
    }
}

static redisReply *hash_of(struct status *s, const struct row *r, const char *tail)
{
    char key[KEY_MAX];
    instrument_key(&r->ins, tail, key);
    return bc_ask(s->bc, "HGETALL %s", key);
}

static int read_rows(struct status *s)
{
    for (size_t i = 0; i < s->rows; i++) {
        struct row *r = &s->row[i];
        if ((r->context = hash_of(s, r, "context")) == NULL ||
            (r->book = hash_of(s, r, "book")) == NULL ||
            (r->backfill = hash_of(s, r, "backfill")) == NULL ||
            (r->metrics = hash_of(s, r, "metrics")) == NULL) {
            return BC_NOREDIS;
        }
    }
    return BC_OK;
}

// ---- judging -----------------------------------------------------------------------------------

// Gateways come and go: one that answers is enough.
static bool has_living(const struct status *s, const char *prefix)
{
    for (size_t i = 0; i < s->n; i++) {
        if (s->svc[i].health != NULL && str_starts(s->svc[i].member, prefix)) {
            return true;
        }
    }
    return false;
}

static const char *of(const struct status *s, const char *service, const struct row *r,
                      const char *tail)
{
    char name[96];
    str_fmt(name, sizeof name, "%s.%s", r->ins.name, tail);
    for (size_t i = 0; i < s->n; i++) {
        const char *v =
            str_starts(s->svc[i].member, service) ? bc_field(s->svc[i].health, name) : "";
        if (v[0] != '\0') {
            return v;
        }
    }
    return "";
}

static const char *feed_state(const struct status *s, const struct row *r)
{
    if (!r->followed) {
        return "none";
    }
    if (strcmp(of(s, "collector:", r, "state"), "running") != 0) {
        return of(s, "collector:", r, "state");
    }
    if (strcmp(of(s, "collector:", r, "trades_connected"), "1") != 0) {
        return "down";
    }
    return strcmp(of(s, "collector:", r, "silent"), "1") == 0 ? "silent" : "live";
}

static void judge(struct status *s)
{
    if (s->n == 0) {
        complain(s, "services", "none was seen within the last hour");
    }
    for (size_t i = 0; i < s->n; i++) {
        const struct svc *v = &s->svc[i];
        char what[96];
        if (v->health == NULL) {
            if (str_starts(v->member, "api:") && has_living(s, "api:")) {
                continue;
            }
            str_fmt(what, sizeof what, "gone for %lld s",
                    (long long)((s->now_ms - v->seen_ms) / 1000));
            complain(s, v->member, what);
        } else if (strcmp(bc_field(v->health, "status"), "ok") != 0) {
            complain(s, v->member, bc_field(v->health, "status"));
        }
    }
    for (size_t i = 0; i < s->rows; i++) {
        const struct row *r = &s->row[i];
        const char *feed = feed_state(s, r);
        if (strcmp(feed, "live") != 0) {
            char what[96];
            str_fmt(what, sizeof what, "feed %s", feed);
            complain(s, r->ins.name, what);
        }
        static const char *const workers[] = {"context:", "strategy:"};
        for (size_t k = 0; k < sizeof workers / sizeof workers[0]; k++) {
            const char *state = of(s, workers[k], r, "status");
            if (strcmp(state, "ok") != 0) {
                char what[160];
                str_fmt(what, sizeof what, "%s %s", workers[k],
                        state[0] != '\0' ? state : "no worker");
                complain(s, r->ins.name, what);
            }
        }
    }
}

// ---- printing ----------------------------------------------------------------------------------

static const char *dash(const char *text)
{
    return text[0] != '\0' ? text : "-";
}

// Decimals cut for the eye.
static const char *cut(const char *text, int places, char out[32])
{
    str_copy(out, 32, text[0] != '\0' ? text : "-");
    char *dot = strchr(out, '.');
    if (dot != NULL && strlen(dot) > (size_t)places + 1) {
        dot[places + 1] = '\0';
    }
    return out;
}

static void print_tables(const struct status *s)
{
    printf("%-28s %-9s %-22s %9s  %s\n", "SERVICE", "STATUS", "VERSION", "UPTIME", "REDIS");
    for (size_t i = 0; i < s->n; i++) {
        const struct svc *v = &s->svc[i];
        if (v->health == NULL) {
            printf("%-28s %-9s %-22s %8llds  -\n", v->member, "gone", "-",
                   (long long)((s->now_ms - v->seen_ms) / 1000));
            continue;
        }
        printf("%-28s %-9s %-22s %8llds  %s\n", v->member, bc_field(v->health, "status"),
               dash(bc_field(v->health, "version")),
               (long long)(number(bc_field(v->health, "uptime_ms")) / 1000),
               strcmp(bc_field(v->health, "redis_up"), "1") == 0 ? "up" : "down");
    }
    printf("\n%-20s %-7s %-8s %12s %12s %9s %9s %8s %6s %s\n", "INSTRUMENT", "FEED", "BOOK",
           "PRICE", "VWAP", "TRADES", "MISSING", "LAG", "HISTORY", "");
    for (size_t i = 0; i < s->rows; i++) {
        const struct row *r = &s->row[i];
        char vwap[32];
        char percent[32];
        const char *missing = bc_field(r->context, "missing_ms_today");
        const char *lag = bc_field(r->context, "_lag_ms");
        const char *done = bc_field(r->backfill, "percentage");
        str_fmt(percent, sizeof percent, "%s%s", cut(done, 1, vwap), done[0] != '\0' ? "%" : "");
        printf("%-20s %-7s %-8s %12s %12s %9s %8llds %6sms %6s %s\n", r->ins.name, feed_state(s, r),
               dash(bc_field(r->book, "state")), dash(bc_field(r->context, "price")),
               cut(bc_field(r->context, "vwap"), 2, vwap), dash(bc_field(r->context, "trades")),
               (long long)((number(missing) + 999) / 1000), dash(lag), percent,
               strcmp(bc_field(r->context, "simulated"), "1") == 0 ? "SIMULATED" : "");
    }
    if (buf_len(&s->wrong) > 0) {
        printf("\n%.*s", (int)buf_len(&s->wrong), buf_ptr(&s->wrong));
    }
}

static void put_hash(struct jw *w, const char *key, const redisReply *h)
{
    jw_key(w, key);
    if (h == NULL) {
        jw_null(w);
        return;
    }
    jw_obj(w);
    for (size_t i = 0; i + 1 < h->elements; i += 2) {
        // Positions and sets of ids are the services' own business.
        if (!str_starts(h->element[i]->str, "_pos") && strcmp(h->element[i]->str, "_ids") != 0) {
            jw_kstr(w, h->element[i]->str, h->element[i + 1]->str);
        }
    }
    jw_end_obj(w);
}

static void print_json(struct status *s)
{
    struct buf out;
    struct jw w;
    buf_init(&out, (size_t)64 << 20);
    jw_init(&w, &out);
    jw_obj(&w);
    jw_kbool(&w, "ok", buf_len(&s->wrong) == 0);
    jw_kint(&w, "now_ms", s->now_ms);
    jw_key(&w, "wrong");
    jw_arr(&w);
    char *rest = xstrdup(buf_cstr(&s->wrong));
    char *at = rest;
    char *line;
    while ((line = strsep(&at, "\n")) != NULL) {
        if (line[0] != '\0') {
            jw_str(&w, line);
        }
    }
    free(rest);
    jw_end_arr(&w);
    jw_key(&w, "services");
    jw_obj(&w);
    for (size_t i = 0; i < s->n; i++) {
        put_hash(&w, s->svc[i].member, s->svc[i].health);
    }
    jw_end_obj(&w);
    jw_key(&w, "instruments");
    jw_obj(&w);
    for (size_t i = 0; i < s->rows; i++) {
        const struct row *r = &s->row[i];
        jw_key(&w, r->ins.name);
        jw_obj(&w);
        jw_kstr(&w, "feed", feed_state(s, r));
        put_hash(&w, "context", r->context);
        put_hash(&w, "metrics", r->metrics);
        put_hash(&w, "book", r->book);
        put_hash(&w, "backfill", r->backfill);
        jw_end_obj(&w);
    }
    jw_end_obj(&w);
    jw_end_obj(&w);
    printf("%s\n", buf_cstr(&out));
    buf_release(&out);
}

static void drop(redisReply *r)
{
    if (r != NULL) {
        freeReplyObject(r);
    }
}

int bc_status(struct bc *b)
{
    struct status *s = xcalloc(1, sizeof *s);
    s->bc = b;
    buf_init(&s->wrong, WRONG_MAX);
    int rc = BC_OK;
    if (b->symbols[0] != '\0') {
        struct instrument ins[SYMBOLS_MAX];
        struct err e = {0};
        if (symbols_parse(b->symbols, "", "binance_ws", ins, SYMBOLS_MAX, &s->rows, &e) != 0) {
            fprintf(stderr, "bc: --symbols: %s\n", e.text);
            s->rows = 0;
            rc = BC_USAGE;
        }
        for (size_t i = 0; i < s->rows; i++) {
            s->row[i].ins = ins[i];
        }
    }
    rc = rc == BC_OK ? bc_connect(b) : rc;
    rc = rc == BC_OK ? read_time(s) : rc;
    rc = rc == BC_OK ? read_services(s) : rc;
    if (rc == BC_OK) {
        find_instruments(s);
        rc = read_rows(s);
    }
    if (rc == BC_OK) {
        judge(s);
        if (b->json) {
            print_json(s);
        } else {
            print_tables(s);
        }
        rc = buf_len(&s->wrong) > 0 ? BC_UNWELL : BC_OK;
    }
    for (size_t i = 0; i < s->n; i++) {
        drop(s->svc[i].health);
    }
    for (size_t i = 0; i < s->rows; i++) {
        drop(s->row[i].context);
        drop(s->row[i].book);
        drop(s->row[i].backfill);
        drop(s->row[i].metrics);
    }
    buf_release(&s->wrong);
    free(s);
    return rc;
}

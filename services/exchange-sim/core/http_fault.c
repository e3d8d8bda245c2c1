#include "services/exchange-sim/core/http_fault.h"

#include <string.h>

#include "common/base/str.h"

enum sim_venue http_fault_venue(const char *path)
{
    return str_starts(path, "/v5/") ? VENUE_BYBIT : VENUE_BINANCE;
}

int http_fault_order(struct http_faults *f, const struct http_fault *order)
{
    if (f->n == HTTP_FAULT_MAX) {
        return ERR_LIMIT;
    }
    f->item[f->n++] = *order;
    return 0;
}

// Requests that left before the answer that begins a ban was read can not be called back.
#define ON_THEIR_WAY_MS 100

void http_fault_clear(struct http_faults *f)
{
    f->n = 0;
    memset(f->ban, 0, sizeof f->ban);
    memset(f->backoff_until_ms, 0, sizeof f->backoff_until_ms);
}

void http_fault_ban(struct http_faults *f, enum sim_venue v, int status, int64_t now_ms, int64_t ms,
                    int64_t grace_ms)
{
    f->ban[v] = (struct http_ban){
        .until_ms = now_ms + ms, .since_ms = now_ms, .grace_ms = grace_ms, .status = status};
    f->bans++;
}

void http_fault_backoff(struct http_faults *f, enum sim_venue v, int64_t now_ms,
                        int64_t retry_after_s)
{
    f->backoff_since_ms[v] = now_ms;
    f->backoff_until_ms[v] = now_ms + retry_after_s * 1000;
}

static int64_t whole_seconds(int64_t ms)
{
    return (ms + 999) / 1000;
}

static bool banned(struct http_faults *f, enum sim_venue v, int64_t now_ms, struct http_fault *out)
{
    struct http_ban *b = &f->ban[v];
    if (b->until_ms <= now_ms) {
        return false;
    }
    if (now_ms - b->since_ms < b->grace_ms) {
        f->requests_at_ban++;
    } else {
        f->requests_during_ban++;
        if (now_ms - b->since_ms > f->ban_latest_ms) {
            f->ban_latest_ms = now_ms - b->since_ms;
        }
    }
    *out = (struct http_fault){.kind = HTTP_FAULT_STATUS,
                               .status = b->status,
                               .retry_after_s = whole_seconds(b->until_ms - now_ms),
                               .ban_ms = b->until_ms - now_ms};
    return true;
}

// A prefix, or with a "$" at its end the whole path.
static bool path_fits(const char *path, const char *order)
{
    const size_t n = strlen(order);
    if (n > 0 && order[n - 1] == '$') {
        return strlen(path) == n - 1 && memcmp(path, order, n - 1) == 0;
    }
    return str_starts(path, order);
}

static void remove_at(struct http_faults *f, size_t i)
{
    memmove(&f->item[i], &f->item[i + 1], (f->n - i - 1) * sizeof f->item[0]);
    f->n--;
}

const char *http_fault_name(enum http_fault_kind kind)
{
    static const char *const names[] = {
        [HTTP_FAULT_NONE] = "",         [HTTP_FAULT_STATUS] = "status",
        [HTTP_FAULT_SLOW] = "slow",     [HTTP_FAULT_HANG] = "hang",
        [HTTP_FAULT_TORN] = "torn",     [HTTP_FAULT_WRONG] = "wrong",
        [HTTP_FAULT_NEWEST] = "newest", [HTTP_FAULT_SYMBOL] = "symbol",
        [HTTP_FAULT_REPEAT] = "repeat", [HTTP_FAULT_EMPTY] = "empty",
        [HTTP_FAULT_LIMIT] = "limit"};
    return names[kind];
}

struct http_fault http_fault_take(struct http_faults *f, const char *path, bool api, int64_t now_ms)
{
    enum sim_venue v = http_fault_venue(path);
    struct http_fault hit = {.kind = HTTP_FAULT_NONE};
    if (api && banned(f, v, now_ms, &hit)) {
        return hit;
    }
    if (api && f->backoff_until_ms[v] > now_ms) {
        f->requests_during_backoff++;
        if (now_ms - f->backoff_since_ms[v] > f->backoff_latest_ms) {
            f->backoff_latest_ms = now_ms - f->backoff_since_ms[v];
        }
    }
    for (size_t i = 0; i < f->n;) {
        struct http_fault *o = &f->item[i];
        if (o->until_ms <= now_ms || o->left == 0) {
            remove_at(f, i);
            continue;
        }
        if (!path_fits(path, o->path)) {
            i++;
            continue;
        }
        o->left -= o->left > 0;
        f->hit++;
        hit = *o;
        if (!api) { // no ban on the archives' hosts
            hit.ban_ms = 0;
        } else if (o->kind == HTTP_FAULT_STATUS && o->ban_ms > 0) {
            http_fault_ban(f, v, o->status, now_ms, o->ban_ms, ON_THEIR_WAY_MS);
            hit.retry_after_s = whole_seconds(o->ban_ms);
        } else if (o->kind == HTTP_FAULT_STATUS && o->retry_after_s > 0) {
            http_fault_backoff(f, v, now_ms, o->retry_after_s);
        }
        return hit;
    }
    return hit;
}

static const char *binance_body(int status, int64_t ban_until_ms, struct buf *out)
{
    if (status == 418) {
        buf_addf(out,
                 "{\"code\":-1003,\"msg\":\"Way too much request weight used; IP banned until "
                 "%lld. Please use WebSocket Streams for live updates to avoid bans.\"}",
                 (long long)ban_until_ms);
    } else if (status == 429) {
        buf_adds(out, "{\"code\":-1003,\"msg\":\"Too many requests; current limit of "
                      "IP(127.0.0.1) is 2400 requests per minute.\"}");
    } else if (status == 451) {
        buf_adds(out, "{\"code\":0,\"msg\":\"Service unavailable from a restricted location "
                      "according to 'b. Eligibility'.\"}");
    } else if (status == 408) {
        buf_adds(out, "{\"code\":-1007,\"msg\":\"Timeout waiting for response from backend "
                      "server.\"}");
    } else if (status == 503) {
        buf_adds(out, "{\"code\":-1008,\"msg\":\"Server is currently overloaded with other "
                      "requests. Please try again in a few minutes.\"}");
    } else {
        buf_addf(out, "<html><head><title>%d</title></head><body><h1>%d</h1></body></html>", status,
                 status);
        return "text/html";
    }
    return "application/json";
}

static const char *bybit_body(int status, int64_t now_ms, struct buf *out)
{
    int code = status == 429 ? 10429 : status == 403 ? 10006 : 10016;
    const char *msg = status == 429   ? "System level frequency protection"
                      : status == 403 ? "access too frequent"
                                      : "Server error.";
    if (status >= 500 || status == 451) {
        buf_addf(out, "<html><head><title>%d</title></head><body><h1>%d</h1></body></html>", status,
                 status);
        return "text/html";
    }
    buf_addf(out,
             "{\"retCode\":%d,\"retMsg\":\"%s\",\"result\":{},\"retExtInfo\":{},\"time\":%lld}",
             code, msg, (long long)now_ms);
    return "application/json";
}

const char *http_fault_body(enum sim_venue v, int status, int64_t now_ms, int64_t ban_until_ms,
                            struct buf *out)
{
    return v == VENUE_BYBIT ? bybit_body(status, now_ms, out)
                            : binance_body(status, ban_until_ms, out);
}

void fault_skew(struct buf *out, const char *p, size_t n, int64_t ms)
{
    static const char *const keys[] = {"\"E\":", "\"ts\":"};
    const char *at = NULL;
    for (size_t i = 0; i < sizeof keys / sizeof keys[0] && at == NULL; i++) {
        at = memmem(p, n, keys[i], strlen(keys[i]));
        at = at != NULL ? at + strlen(keys[i]) : NULL;
    }
    size_t digits = 0;
    while (at != NULL && at + digits < p + n && at[digits] >= '0' && at[digits] <= '9') {
        digits++;
    }
    int64_t stamp;
    if (digits == 0 || parse_i64(at, digits, &stamp) != 0) {
        buf_add(out, p, n);
        return;
    }
    buf_add(out, p, (size_t)(at - p));
    buf_add_i64(out, stamp + ms);
    buf_add(out, at + digits, n - (size_t)(at - p) - digits);
}

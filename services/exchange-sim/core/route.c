#include "services/exchange-sim/core/route.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/base/str.h"

struct route_path route_parse(const char *path)
{
    struct route_path r = {ROUTE_RETIRED, false, ""};
    if (strcmp(path, "/v5/public/linear") == 0) {
        r.route = ROUTE_BYBIT;
        return r;
    }
    if (str_starts(path, "/market/")) {
        r.route = ROUTE_MARKET;
        path += strlen("/market");
    } else if (str_starts(path, "/public/")) {
        r.route = ROUTE_PUBLIC;
        path += strlen("/public");
    }
    if (strcmp(path, "/stream") == 0 || strcmp(path, "/stream/") == 0) {
        r.combined = true;
    } else if (strcmp(path, "/ws") == 0) {
        r.streams = "";
    } else if (str_starts(path, "/ws/")) {
        r.streams = path + strlen("/ws/");
    } else {
        r.route = ROUTE_NONE;
    }
    return r;
}

void subs_init(struct subs *s, const struct wire *wire, enum route route, bool combined)
{
    *s = (struct subs){.route = route, .combined = combined, .wire = wire};
    s->mask = xcalloc(MARKET_MAX_LANES + 1, sizeof *s->mask);
}

void subs_release(struct subs *s)
{
    free(s->at);
    free(s->mask);
    *s = (struct subs){0};
}

static size_t find(const struct subs *s, const char *name, size_t n)
{
    size_t i = 0;
    while (i < s->n && !(strlen(s->at[i].name) == n && memcmp(s->at[i].name, name, n) == 0)) {
        i++;
    }
    return i;
}

bool subs_add(struct subs *s, const struct market *m, const char *name, size_t n)
{
    if (n == 0 || n >= STREAM_TEXT) {
        return false;
    }
    if (find(s, name, n) < s->n) {
        return true;
    }
    if (s->n == ROUTE_MAX_STREAMS) {
        return false;
    }
    if (s->n == s->cap) {
        s->cap = s->cap * 2 + 4;
        s->at = xrealloc(s->at, s->cap * sizeof *s->at);
    }
    struct sub *sub = &s->at[s->n++];
    str_copyn(sub->name, sizeof sub->name, name, n);
    sub->key = s->wire->resolve(m, s->route, sub->name);
    if (sub->key.lane >= 0) {
        s->mask[sub->key.lane][sub->key.kind] |= UINT32_C(1) << sub->key.format;
    }
    return true;
}

void subs_remove(struct subs *s, const char *name, size_t n)
{
    size_t i = find(s, name, n);
    if (i == s->n) {
        return;
    }
    struct wire_key key = s->at[i].key;
    memmove(&s->at[i], &s->at[i + 1], (s->n - i - 1) * sizeof *s->at);
    s->n--;
    bool other = key.lane < 0; // another name of the same stream is still there
    for (size_t k = 0; k < s->n && !other; k++) {
        other = wire_key_eq(s->at[k].key, key);
    }
    if (!other) {
        s->mask[key.lane][key.kind] &= ~(UINT32_C(1) << key.format);
    }
}

bool subs_add_list(struct subs *s, const struct market *m, const char *list)
{
    bool ok = true;
    while (*list != '\0') {
        size_t n = strcspn(list, "/");
        if (n > 0) {
            ok = subs_add(s, m, list, n) && ok;
        }
        list += n + (list[n] == '/');
    }
    return ok;
}

bool subs_any_of(const struct subs *s, enum sim_kind kind)
{
    for (size_t i = 0; i < s->n; i++) {
        if (s->at[i].key.lane >= 0 && (kind == SIM_KINDS || s->at[i].key.kind == kind)) {
            return true;
        }
    }
    return false;
}

bool subs_any(const struct subs *s)
{
    return subs_any_of(s, SIM_KINDS);
}

bool rate_rule_ok(struct rate_rule *r, int64_t now_ms)
{
    if (r->n == r->max && now_ms - r->at[r->next] < r->window_ms) {
        return false;
    }
    r->at[r->next] = now_ms;
    r->next = (r->next + 1) % r->max;
    r->n += r->n < r->max;
    return true;
}

#include "services/exchange-sim/core/route.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/base/str.h"

struct route_path route_parse(const char *path)
{
    struct route_path r = {ROUTE_RETIRED, false, ""};
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

void subs_init(struct subs *s, enum route route, bool combined)
{
    *s = (struct subs){.route = route, .combined = combined};
}

void subs_release(struct subs *s)
{
    free(s->names);
    *s = (struct subs){0};
}

static size_t find(const struct subs *s, const char *name, size_t n)
{
    size_t i = 0;
    while (i < s->n && !(strlen(s->names[i]) == n && memcmp(s->names[i], name, n) == 0)) {
        i++;
    }
    return i;
}

static int lane_for(const struct subs *s, const struct market *m, const char *name)
{
    return s->route == ROUTE_MARKET ? market_lane_of_stream(m, name) : -1;
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
        s->names = xrealloc(s->names, s->cap * sizeof *s->names);
    }
    str_copyn(s->names[s->n], STREAM_TEXT, name, n);
    int lane = lane_for(s, m, s->names[s->n]);
    if (lane >= 0) {
        s->lane[lane] = true;
    }
    s->n++;
    return true;
}

void subs_remove(struct subs *s, const struct market *m, const char *name, size_t n)
{
    size_t i = find(s, name, n);
    if (i == s->n) {
        return;
    }
    int lane = lane_for(s, m, s->names[i]);
    if (lane >= 0) {
        s->lane[lane] = false;
    }
    memmove(s->names[i], s->names[i + 1], (s->n - i - 1) * sizeof *s->names);
    s->n--;
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

bool subs_any_lane(const struct subs *s)
{
    for (int i = 0; i < MARKET_MAX_LANES; i++) {
        if (s->lane[i]) {
            return true;
        }
    }
    return false;
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

// The newest value of each push channel: made once per change, from the same answers as REST, and
// only while somebody is subscribed.

#include <stdlib.h>
#include <string.h>

#include "common/base/log.h"
#include "common/base/mem.h"
#include "services/api/io/push_inner.h"

// ---- values -------------------------------------------------------------------------------------

struct value *push_value(struct push *p, size_t ins, size_t chan)
{
    return &p->value[ins * channels_n + chan];
}

static bool is_changed(const struct value *v, const struct channel *c, const struct snap *snap)
{
    for (unsigned sec = 0; sec < SEC_COUNT_; sec++) {
        if ((c->sections & (1u << sec)) != 0 && v->from[sec] != (void *)snap->sec[sec]) {
            return true;
        }
    }
    return v->seq == 0;
}

// How long it took from the newest write behind this change (its service's clock) to here.
static void time_change(struct push *p, const struct value *v, const struct channel *c,
                        const struct snap *snap)
{
    int64_t written_ms = 0;
    for (unsigned sec = 0; v->seq > 0 && sec < SEC_COUNT_; sec++) {
        if ((c->sections & (1u << sec)) != 0 && v->from[sec] != (void *)snap->sec[sec] &&
            snap->sec[sec] != NULL) {
            const int64_t ms = rhash_i64(snap->sec[sec], "_updated_ms", 0);
            written_ms = ms > written_ms ? ms : written_ms;
        }
    }
    if (written_ms > 0) {
        promhist_add(&p->pushed, (push_wall(p) - written_ms) * 1000);
    }
}

static void remember(struct value *v, const struct channel *c, const struct snap *snap)
{
    for (unsigned sec = 0; sec < SEC_COUNT_; sec++) {
        v->from[sec] = (c->sections & (1u << sec)) != 0 ? (void *)snap->sec[sec] : NULL;
    }
}

// The answer's two halves as one object, as /path gives it.
static void render(struct push *p, struct value *v, const struct snap *snap, int64_t now_ms,
                   int64_t mono_ms, struct buf *out)
{
    const struct gateway *g = p->o.gateway;
    struct snap *const all[1] = {(struct snap *)(uintptr_t)snap};
    const struct env env = {.redis_up = store_redis_up(g->store),
                            .data_age_ms = store_age_ms(g->store, mono_ms),
                            .now_ms = now_ms,
                            .uptime_ms = mono_ms - g->started_mono_ms,
                            .backfill_off = g->backfill_off,
                            .max_missing_sec = g->max_missing_sec,
                            .post_wants_token = g->token != NULL && g->token[0] != '\0',
                            .all = all,
                            .all_now_ms = &now_ms,
                            .n_all = 1};
    struct query q = v->query;
    q.instrument = 0;
    const struct ask a = {.env = &env, .snap = snap, .q = &q};
    buf_clear(&p->still);
    buf_clear(out);
    answer_still(&a, &p->still);
    answer_live(&a, true, out);
    buf_add(out, buf_ptr(&p->still) + 1, buf_len(&p->still) - 1);
}

static bool make_keyed(struct push *p, struct value *v, const struct channel *c)
{
    const char *text = buf_ptr(&p->live);
    const size_t n = buf_len(&p->live);
    const struct slice rows = json_member(text, n, c->rows);
    const struct slice bin = json_member(text, n, "profile_bin");
    const struct slice levels = json_member(text, n, "levels");
    const struct slice day =
        levels.p != NULL ? json_member(levels.p, levels.n, "day") : (struct slice){NULL, 0};
    if (rows.p == NULL) {
        return false;
    }
    // What a row is of: other rows, or another day, begin anew.
    buf_clear(&p->list);
    if (bin.p != NULL) {
        buf_adds(&p->list, "\"profile_bin\":");
        buf_add(&p->list, bin.p, bin.n);
        buf_adds(&p->list, ",\"day\":");
        buf_add(&p->list, day.p != NULL ? day.p : "null", day.p != NULL ? day.n : 4);
        buf_addc(&p->list, ',');
    }
    const struct slice reset = json_member(text, n, "reset_time");
    if (reset.p != NULL) {
        buf_adds(&p->list, "\"reset_time\":");
        buf_add(&p->list, reset.p, reset.n);
        buf_addc(&p->list, ',');
    }
    const bool same = buf_len(&p->list) == buf_len(&v->body) &&
                      memcmp(buf_ptr(&p->list), buf_ptr(&v->body), buf_len(&v->body)) == 0;
    if (!keyed_update(&v->keyed, rows.p, rows.n, !same && v->seq > 0)) {
        return false;
    }
    buf_clear(&v->body);
    buf_add(&v->body, buf_ptr(&p->list), buf_len(&p->list));
    v->seq = v->keyed.seq;
    return true;
}

static void make_value(struct push *p, struct value *v, const struct channel *c,
                       const struct snap *snap, int64_t now_ms, int64_t mono_ms)
{
    v->made_ms = mono_ms;
    time_change(p, v, c, snap);
    remember(v, c, snap);
    render(p, v, snap, now_ms, mono_ms, &p->live);
    if (p->live.failed || p->still.failed) {
        return;
    }
    if (c->kind == CHAN_KEYED) {
        if (make_keyed(p, v, c)) {
            v->wall_ms = push_wall(p);
        }
        return;
    }
    buf_clear(&v->body);
    buf_add(&v->body, buf_ptr(&p->live), buf_len(&p->live));
    v->seq++;
    v->wall_ms = push_wall(p);
}

void push_values_make(struct push *p, int64_t mono_ms)
{
    const bool live_due = mono_ms - p->lived_ms >= LIVE_MS;
    if (live_due) {
        p->lived_ms = mono_ms;
    }
    bool left = false;
    for (size_t i = 0; i < p->n; i++) {
        struct snap *snap = NULL;
        int64_t now_ms = -1;
        for (size_t c = 0; c < channels_n; c++) {
            struct value *v = push_value(p, i, c);
            if (v->wanted == 0 || channels[c].kind == CHAN_LIST) {
                continue;
            }
            if (snap == NULL) {
                snap = store_get(p->o.gateway->store, i, mono_ms, &now_ms);
            }
            const bool changed = is_changed(v, &channels[c], snap);
            if (changed && v->seq > 0 && mono_ms - v->made_ms < channels[c].every_ms) {
                left = true; // at a later tick
            } else if (changed || (live_due && channels[c].live)) {
                make_value(p, v, &channels[c], snap, now_ms, mono_ms);
            }
        }
        if (snap != NULL) {
            snap_unref(snap);
        }
    }
    p->dirty = left;
}

// ---- life ---------------------------------------------------------------------------------------

void push_values_init(struct push *p)
{
    const struct instrument *ins = store_instruments(p->o.gateway->store);
    p->value = xcalloc(p->n * channels_n, sizeof *p->value);
    for (size_t i = 0; i < p->n; i++) {
        for (size_t c = 0; c < channels_n; c++) {
            struct value *v = push_value(p, i, c);
            struct err e = {0};
            bool known;
            char allow[64];
            buf_init(&v->body, VALUE_MAX);
            buf_init(&v->delta, VALUE_MAX);
            keyed_init(&v->keyed, VALUE_MAX);
            if (channels[c].path != NULL) {
                v->route = route_find("GET", channels[c].path, &known, allow);
                if (v->route == NULL ||
                    route_query(v->route, channels[c].query, ins, p->n, &v->query, &e) != 0) {
                    log_ev(LOG_ERROR, "channel_unusable", F_STR("channel", channels[c].name),
                           F_STR("why", e.text));
                    abort(); // the tables are ours
                }
            }
        }
    }
}

void push_values_release(struct push *p)
{
    for (size_t i = 0; i < p->n * channels_n; i++) {
        buf_release(&p->value[i].body);
        buf_release(&p->value[i].delta);
        keyed_release(&p->value[i].keyed);
    }
    free(p->value);
}

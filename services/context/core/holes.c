#include "services/context/core/holes.h"

#include <string.h>

void holes_clear(struct holes *h)
{
    h->n = h->at = h->n_repaired = 0;
}

static struct hole_reason *nth(struct holes *h, size_t i) // oldest first
{
    return &h->reason[(h->at + HOLES_REASONS - h->n + i) % HOLES_REASONS];
}

void holes_add_reason(struct holes *h, const struct hole_reason *r)
{
    if (h->n > 0) {
        const struct hole_reason *last = nth(h, h->n - 1);
        if (last->from_id == r->from_id && last->to_id == r->to_id && last->kind == r->kind &&
            (r->from_id >= 0 || (last->from_ms == r->from_ms && last->to_ms == r->to_ms))) {
            return;
        }
    }
    h->reason[h->at] = *r;
    h->at = (h->at + 1) % HOLES_REASONS;
    h->n += h->n < HOLES_REASONS;
}

void holes_add_repaired(struct holes *h, int64_t from_ms, int64_t to_ms)
{
    if (to_ms <= from_ms) {
        to_ms = from_ms + 1;
    }
    struct repaired_span *s = h->repaired;
    size_t i = 0;
    while (i < h->n_repaired && s[i].to_ms < from_ms) {
        i++;
    }
    size_t j = i; // [i, j) touch the new span
    while (j < h->n_repaired && s[j].from_ms <= to_ms) {
        from_ms = s[j].from_ms < from_ms ? s[j].from_ms : from_ms;
        to_ms = s[j].to_ms > to_ms ? s[j].to_ms : to_ms;
        j++;
    }
    if (i == j && h->n_repaired == HOLES_REPAIRED) {
        if (i == 0) {
            return; // older than all that are kept
        }
        memmove(s, s + 1, (h->n_repaired - 1) * sizeof *s);
        h->n_repaired--;
        i--;
        j--;
    }
    memmove(s + i + 1, s + j, (h->n_repaired - j) * sizeof *s);
    h->n_repaired = h->n_repaired - (j - i) + 1;
    s[i] = (struct repaired_span){from_ms, to_ms};
}

void holes_prune(struct holes *h, int64_t t_ms)
{
    size_t i = 0;
    while (i < h->n_repaired && h->repaired[i].to_ms < t_ms) {
        i++;
    }
    memmove(h->repaired, h->repaired + i, (h->n_repaired - i) * sizeof *h->repaired);
    h->n_repaired -= i;
    while (h->n > 0) {
        size_t oldest = (h->at + HOLES_REASONS - h->n) % HOLES_REASONS;
        if (h->reason[oldest].to_ms >= t_ms) {
            break;
        }
        h->n--;
    }
}

void holes_reasons_json(const struct holes *h, struct buf *out)
{
    struct jw w;
    jw_init(&w, out);
    jw_arr(&w);
    for (size_t i = 0; i < h->n; i++) {
        const struct hole_reason *r =
            &h->reason[(h->at + HOLES_REASONS - h->n + i) % HOLES_REASONS];
        jw_obj(&w);
        jw_kint(&w, "from_id", r->from_id);
        jw_kint(&w, "to_id", r->to_id);
        jw_kint(&w, "from_ms", r->from_ms);
        jw_kint(&w, "to_ms", r->to_ms);
        jw_kstr(&w, "kind", history_kind_name(r->kind));
        jw_kstr(&w, "reason", r->reason);
        jw_end_obj(&w);
    }
    jw_end_arr(&w);
}

void holes_repaired_json(const struct holes *h, struct buf *out)
{
    struct jw w;
    jw_init(&w, out);
    jw_arr(&w);
    for (size_t i = 0; i < h->n_repaired; i++) {
        jw_arr(&w);
        jw_int(&w, h->repaired[i].from_ms);
        jw_int(&w, h->repaired[i].to_ms);
        jw_end_arr(&w);
    }
    jw_end_arr(&w);
}

// What is particular to own recordings (common/feed/record.h): their files are woven together by
// when a line was received, two of them may hold the same messages (a hand-over), and the venue's
// units are among the lines.

#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/feed/record.h"
#include "services/exchange-sim/core/tape_items.h"

#define SLOTS ((size_t)1 << 18)
#define COPY_US INT64_C(600000000) // a copy comes within this time

void tape_own_line(struct tape *t, const char *p, size_t n)
{
    struct record_line line;
    const enum record_line_kind kind = record_line_parse(p, n, &line);
    t->own = t->own || kind == RECORD_OPEN;
    t->any_own = t->any_own || t->own;
    t->rx_us = kind != RECORD_BAD ? line.rx_ns / 1000 : t->rx_us;
}

void tape_own_units(struct tape *t, const struct line_units *u)
{
    struct own_units new = {.venue = u->venue};
    size_t i = 0;
    if (!str_copyn(new.symbol, sizeof new.symbol, u->symbol.p, u->symbol.n) ||
        !str_copyn(new.tick, sizeof new.tick, u->tick.p, u->tick.n) ||
        !str_copyn(new.step, sizeof new.step, u->step.p, u->step.n)) {
        return;
    }
    while (i < t->n_units &&
           (t->units[i].venue != new.venue || strcmp(t->units[i].symbol, new.symbol) != 0)) {
        i++;
    }
    if (i < MARKET_MAX_LANES) {
        t->units[i] = new; // the newest counts
        t->n_units = i == t->n_units ? i + 1 : t->n_units;
    }
}

const struct own_units *tape_own_units_of(const struct tape *t, const struct lane *l)
{
    for (size_t i = 0; i < t->n_units; i++) {
        if (t->units[i].venue == l->venue && strcmp(t->units[i].symbol, l->symbol) == 0) {
            return &t->units[i];
        }
    }
    return NULL;
}

static uint64_t hash_of(const char *p, size_t n)
{
    uint64_t h = UINT64_C(14695981039346656037);
    for (size_t i = 0; i < n; i++) {
        h = (h ^ (unsigned char)p[i]) * UINT64_C(1099511628211);
    }
    return h ^ h >> 29;
}

static bool is_copy(const struct tape *t, const struct item *a, const struct item *b)
{
    return a->file != b->file && a->lane == b->lane && a->kind == b->kind && a->raw_n == b->raw_n &&
           b->order - a->order < COPY_US &&
           memcmp(t->text + a->raw, t->text + b->raw, a->raw_n) == 0;
}

void tape_own_drop_copies(struct tape *t)
{
    if (!t->any_own || t->files < 2) {
        return;
    }
    struct item *seen = xcalloc(SLOTS, sizeof *seen); // the newest of each slot
    size_t kept = 0;
    for (size_t i = 0; i < t->n; i++) {
        const struct item it = t->items[i];
        if ((it.flags & F_OWN) != 0 && it.raw_n > 0 && it.kind != SIM_SNAPSHOT) {
            struct item *slot = &seen[hash_of(t->text + it.raw, it.raw_n) % SLOTS];
            if (slot->raw_n > 0 && is_copy(t, slot, &it)) {
                t->stats.repeated++;
                continue;
            }
            *slot = it;
        }
        t->items[kept++] = it;
    }
    t->n = kept;
    free(seen);
}

#include "services/backfill/core/tile.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"

#define LINE_MAX_BYTES 160

void tile_init(struct tile *t, const char *source, batch_emit emit, void *arg)
{
    memset(t, 0, sizeof *t);
    buf_init(&t->lines, (size_t)TILE_WAIT * LINE_MAX_BYTES);
    str_copy(t->source, sizeof t->source, source);
    t->emit = emit;
    t->arg = arg;
}

void tile_release(struct tile *t)
{
    buf_release(&t->lines);
    free(t->row);
    t->row = NULL;
    t->n = t->cap = 0;
}

static void send(struct tile *t, size_t first, size_t last, int64_t from_ms, int64_t to_ms)
{
    struct history h = {.kind = HISTORY_TRADES,
                        .from_id = -1,
                        .to_id = -1,
                        .from_ms = from_ms,
                        .to_ms = to_ms,
                        .n = (int64_t)(last - first)};
    const size_t at = first > 0 ? t->row[first - 1].end : 0;
    const size_t end = last > 0 ? t->row[last - 1].end : 0;
    h.data = (struct slice){buf_ptr(&t->lines) + at, end - at};
    str_copy(h.source, sizeof h.source, t->source);
    str_copy(h.reason, sizeof h.reason, "backfill");
    t->emit(t->arg, &h);
}

static void drop(struct tile *t, size_t n)
{
    const size_t bytes = n > 0 ? t->row[n - 1].end : 0;
    for (size_t i = n; i < t->n; i++) {
        t->row[i - n] = (struct tile_row){t->row[i].ts_ms, t->row[i].end - bytes};
    }
    t->n -= n;
    buf_consume(&t->lines, bytes);
}

static bool is_full(const struct tile *t, size_t first, size_t n)
{
    const size_t at = first > 0 ? t->row[first - 1].end : 0;
    return n - first >= TILE_ROWS || t->row[n - 1].end - at >= TILE_BYTES;
}

// Rows before `last`, claiming nothing.
static void send_bare(struct tile *t, size_t last)
{
    size_t first = 0;
    for (size_t i = 1; i <= last; i++) {
        if (i == last || is_full(t, first, i)) {
            send(t, first, i, t->row[first].ts_ms, t->row[first].ts_ms);
            first = i;
        }
    }
    drop(t, last);
}

static size_t rows_before(const struct tile *t, int64_t ms)
{
    size_t n = 0;
    while (n < t->n && t->row[n].ts_ms < ms) {
        n++;
    }
    return n;
}

bool tile_add(struct tile *t, int64_t ts_ms, struct slice uid, struct slice price, struct slice qty,
              enum side side, int64_t seq, unsigned flags)
{
    char id[40], p[32], q[32], number[24] = "";
    if (t->n > 0 && ts_ms < t->row[t->n - 1].ts_ms) {
        return false;
    }
    if (!str_copyn(id, sizeof id, uid.p, uid.n) || !str_copyn(p, sizeof p, price.p, price.n) ||
        !str_copyn(q, sizeof q, qty.p, qty.n)) {
        return false;
    }
    if (t->n >= TILE_WAIT) {
        send_bare(t, t->n);
    }
    if (t->n == t->cap) {
        t->cap = t->cap > 0 ? 2 * t->cap : 1024;
        t->row = xrealloc(t->row, t->cap * sizeof *t->row);
    }
    if (seq > 0) {
        number[fmt_i64(number, seq)] = '\0';
    }
    history_add_uid_line(&t->lines, ts_ms, id, p, q, side, number, flags);
    t->row[t->n++] = (struct tile_row){ts_ms, buf_len(&t->lines)};
    return true;
}

void tile_claim(struct tile *t, int64_t from_ms, int64_t to_ms)
{
    const size_t before = rows_before(t, from_ms);
    if (from_ms >= to_ms) {
        return;
    }
    if (before > 0) {
        send_bare(t, before);
    }
    const size_t n = rows_before(t, to_ms);
    size_t first = 0;
    int64_t at = from_ms;
    for (size_t i = 1; i < n; i++) {
        const bool between = t->row[i].ts_ms > t->row[i - 1].ts_ms;
        if (between && is_full(t, first, i)) {
            send(t, first, i, at, t->row[i].ts_ms);
            at = t->row[i].ts_ms;
            first = i;
        } else if (!between && i - first >= TILE_ROWS_MAX) {
            // More trades of one millisecond than an entry takes: the rest claims it.
            send(t, first, i, at, at);
            first = i;
        }
    }
    send(t, first, n, at, to_ms);
    drop(t, n);
}

void tile_flush(struct tile *t)
{
    if (t->n > 0) {
        send_bare(t, t->n);
    }
}

#include "services/backfill/core/batch.h"

#include <string.h>

void batch_init(struct batch *b, const char *source, batch_emit emit, void *arg)
{
    memset(b, 0, sizeof *b);
    buf_init(&b->data, BATCH_BYTES + 512);
    str_copy(b->source, sizeof b->source, source);
    b->emit = emit;
    b->arg = arg;
}

void batch_release(struct batch *b)
{
    buf_release(&b->data);
}

void batch_flush(struct batch *b)
{
    if (b->h.n == 0) {
        return;
    }
    b->h.data = (struct slice){buf_ptr(&b->data), buf_len(&b->data)};
    b->emit(b->arg, &b->h);
    b->h.n = 0;
    buf_clear(&b->data);
}

bool batch_add(struct batch *b, int64_t ts_ms, int64_t id, struct slice price, struct slice qty,
               enum side side)
{
    if (b->h.n > 0 && id <= b->h.to_id) {
        return false;
    }
    if (b->h.n > 0 &&
        (id != b->h.to_id + 1 || b->h.n >= BATCH_ROWS || buf_len(&b->data) + 128 > BATCH_BYTES)) {
        batch_flush(b);
    }
    if (b->h.n == 0) {
        b->h = (struct history){.kind = HISTORY_TRADES, .from_id = id, .from_ms = ts_ms};
        str_copy(b->h.source, sizeof b->h.source, b->source);
        str_copy(b->h.reason, sizeof b->h.reason, "backfill");
    }
    buf_add_i64(&b->data, ts_ms);
    buf_addc(&b->data, ' ');
    buf_add_i64(&b->data, id);
    buf_addc(&b->data, ' ');
    buf_add(&b->data, price.p, price.n);
    buf_addc(&b->data, ' ');
    buf_add(&b->data, qty.p, qty.n);
    buf_adds(&b->data, side == SIDE_BUY ? " buy \n" : " sell \n");
    b->h.to_id = id;
    b->h.to_ms = ts_ms;
    b->h.n++;
    return true;
}

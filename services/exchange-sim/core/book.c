#include "services/exchange-sim/core/book.h"

#include <stdlib.h>

#include "common/base/decimal.h"
#include "common/base/mem.h"

void levels_clear(struct sim_levels *l)
{
    l->n = 0;
}

void levels_add(struct sim_levels *l, int64_t price, int64_t qty)
{
    if (l->n == l->cap) {
        l->cap = l->cap * 2 + 256;
        l->at = xrealloc(l->at, l->cap * sizeof *l->at);
    }
    l->at[l->n++] = (struct sim_level){price, qty};
}

void levels_release(struct sim_levels *l)
{
    free(l->at);
    *l = (struct sim_levels){0};
}

void book_release(struct sim_book *b)
{
    levels_release(&b->side[0]);
    levels_release(&b->side[1]);
}

void diff_release(struct sim_diff *d)
{
    levels_release(&d->side[0]);
    levels_release(&d->side[1]);
}

void levels_text(struct buf *out, const struct sim_levels *l, size_t limit, int price_decimals,
                 int qty_decimals)
{
    char text[DEC_TEXT];
    for (size_t i = 0; i < l->n && i < limit; i++) {
        buf_adds(out, i == 0 ? "[\"" : ",[\"");
        size_t n = dec_format(text, l->at[i].price, price_decimals, price_decimals);
        buf_add(out, text, n);
        buf_adds(out, "\",\"");
        n = dec_format(text, l->at[i].qty, qty_decimals, qty_decimals);
        buf_add(out, text, n);
        buf_adds(out, "\"]");
    }
}

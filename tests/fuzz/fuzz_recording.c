// links: exchange-sim
// Lines of recordings that exchange-sim is given.

#include "services/exchange-sim/core/line.h"
#include "tests/fuzz/fuzz.h"

struct seen {
    size_t n, sum;
};

static void read_all(struct seen *s, struct slice v)
{
    for (size_t i = 0; i < v.n; i++) {
        s->sum += (unsigned char)v.p[i];
    }
}

static void on_trade(void *arg, const struct line_trade *t)
{
    struct seen *s = arg;
    s->n++;
    read_all(s, t->symbol);
    if (!t->counted) {
        return; // only its id is used
    }
    CHECK(t->price.n > 0 && t->qty.n > 0 && t->id >= 0);
    read_all(s, t->price);
    read_all(s, t->qty);
    read_all(s, t->nq);
}

static void on_event(void *arg, const struct line_event *e)
{
    struct seen *s = arg;
    s->n++;
    CHECK(e->kind < SIM_KINDS);
    read_all(s, e->symbol);
    read_all(s, e->raw);
    read_all(s, e->bids);
    read_all(s, e->asks);
}

static void on_units(void *arg, const struct line_units *u)
{
    read_all(arg, u->symbol);
    read_all(arg, u->tick);
    read_all(arg, u->step);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *s = fuzz_copy(data, size);
    char symbol[32];
    const char *why = NULL;
    struct seen seen = {0, 0};
    const struct line_sink sink = {
        .on_trade = on_trade, .on_event = on_event, .on_units = on_units, .arg = &seen};
    const enum line_kind kind = line_read(s, size, &sink, &why);
    CHECK((kind != LINE_TRADES && kind != LINE_EVENT) || seen.n > 0);
    CHECK(kind != LINE_BAD || why != NULL);
    (void)line_parse(s, size, on_trade, &seen, &why);
    if (line_symbol_of_name(s, symbol)) {
        CHECK(strlen(symbol) >= 5 && strlen(symbol) < sizeof symbol);
    }
    free(s);
    return 0;
}

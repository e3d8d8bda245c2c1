// links: exchange-sim
// Lines of recordings that exchange-sim is given.

#include "services/exchange-sim/core/line.h"
#include "tests/fuzz/fuzz.h"

struct seen {
    const char *p, *end;
    size_t n;
};

static void note(void *arg, const struct line_trade *t)
{
    struct seen *s = arg;
    s->n++;
    if (!t->counted) {
        return; // only its id is used
    }
    CHECK(t->price.n > 0 && t->qty.n > 0 && t->id >= 0);
    CHECK(memchr(t->price.p, 1, t->price.n) != t->price.p - 1);
    CHECK(memchr(t->qty.p, 1, t->qty.n) != t->qty.p - 1);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *s = fuzz_copy(data, size);
    char symbol[32];
    const char *why = NULL;
    struct seen seen = {s, s + size, 0};
    const enum line_kind kind = line_parse(s, size, note, &seen, &why);
    CHECK(kind != LINE_TRADES || seen.n > 0);
    CHECK(kind != LINE_BAD || why != NULL);
    if (line_symbol_of_name(s, symbol)) {
        CHECK(strlen(symbol) >= 5 && strlen(symbol) < sizeof symbol);
    }
    free(s);
    return 0;
}

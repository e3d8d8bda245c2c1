#include "services/collector/core/symtab.h"

#include <string.h>

// FNV-1a: symbols are a dozen bytes.
static size_t hash(const char *p, size_t n)
{
    uint32_t h = 2166136261U;
    for (size_t i = 0; i < n; i++) {
        h = (h ^ (unsigned char)p[i]) * 16777619U;
    }
    return (h ^ h >> 15) & (SYMTAB_SLOTS - 1);
}

void symtab_init(struct symtab *t, const struct instrument *ins, size_t n)
{
    memset(t, 0, sizeof *t);
    for (size_t i = 0; i < n && i < SYMTAB_MAX; i++) {
        const size_t len = strlen(ins[i].symbol);
        size_t at = hash(ins[i].symbol, len);
        if (len == 0 || len > sizeof t->slot[0].symbol) {
            continue;
        }
        while (t->slot[at].n != 0) {
            at = (at + 1) & (SYMTAB_SLOTS - 1);
        }
        t->slot[at].n = (uint8_t)len;
        t->slot[at].at = (uint8_t)i;
        memcpy(t->slot[at].symbol, ins[i].symbol, len);
    }
}

int symtab_find(const struct symtab *t, struct slice symbol)
{
    if (symbol.n == 0) {
        return -1;
    }
    // Three of four slots are free, so this ends.
    for (size_t at = hash(symbol.p, symbol.n); t->slot[at].n != 0;
         at = (at + 1) & (SYMTAB_SLOTS - 1)) {
        if (t->slot[at].n == symbol.n && memcmp(t->slot[at].symbol, symbol.p, symbol.n) == 0) {
            return t->slot[at].at;
        }
    }
    return -1;
}

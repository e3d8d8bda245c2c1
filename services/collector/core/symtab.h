#ifndef COLLECTOR_SYMTAB_H
#define COLLECTOR_SYMTAB_H
// From the symbol of a frame to the number of its instrument, at the cost of one hash: it is asked
// for each frame.

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/str.h"
#include "common/market/instrument.h"

#define SYMTAB_SLOTS 256 // a power of two, four times the most instruments
#define SYMTAB_MAX 64

struct symtab {
    struct symtab_slot {
        uint8_t n; // length of the symbol, 0 = free
        uint8_t at;
        char symbol[30];
    } slot[SYMTAB_SLOTS];
};

// n <= SYMTAB_MAX instruments of one venue, each symbol once.
void symtab_init(struct symtab *t, const struct instrument *ins, size_t n);
// Index into that list, or -1.
int symtab_find(const struct symtab *t, struct slice symbol);

#endif

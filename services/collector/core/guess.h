#ifndef COLLECTOR_GUESS_H
#define COLLECTOR_GUESS_H
// Whose frame was that? For messages no decoder could read, so that they are counted where they
// belong. A guess: it blames, it never delivers.

#include <stdbool.h>
#include <stddef.h>

#include "common/base/str.h"

// The value of the first key "s", else the symbol behind "publicTrade."; false when there is
// neither. *out points into p.
bool guess_symbol(const char *p, size_t n, struct slice *out);

#endif

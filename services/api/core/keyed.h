#ifndef API_KEYED_H
#define API_KEYED_H
// An array of JSON objects that changes a few elements at a time (profile rows, candles), so that
// a client gets only what changed since the version it has. Elements are told apart by the text of
// their first member and stand in the same order in every version.

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/buf.h"
#include "common/base/err.h"
#include "common/base/str.h"

struct keyed_row {
    uint32_t at, n, key_n; // text within the version's bytes; its key is the first key_n of it
    uint64_t seq;          // version of its last change
};

struct keyed {
    struct buf text; // elements of the newest version
    struct keyed_row *row;
    size_t n, cap;
    uint64_t seq;   // newest version; 0 = none yet
    uint64_t since; // changes are known to clients at this version or later
};

void keyed_init(struct keyed *k, size_t max_bytes);
void keyed_release(struct keyed *k);
// A new version from the text of a JSON array. `fresh`: it does not continue the one before. True
// when anything changed (then k->seq grew); false also for text that is no array of objects.
bool keyed_update(struct keyed *k, const char *array, size_t n, bool fresh);
// May a client at version `seq` be told the changes alone?
bool keyed_knows(const struct keyed *k, uint64_t seq);
// Appends the elements that changed after version `seq` (0: all), comma separated.
void keyed_write(const struct keyed *k, uint64_t seq, struct buf *out);

// The text of member `name` of the JSON object text[n], found at its first level: an empty slice
// when it is not there.
struct slice json_member(const char *text, size_t n, const char *name);

#endif

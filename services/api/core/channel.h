#ifndef API_CHANNEL_H
#define API_CHANNEL_H
// The table of push channels: what each one sends, which sections it depends on, how often at most.

#include <stddef.h>
#include <stdint.h>

#include "services/api/core/snap.h"

enum channel_kind {
    CHAN_STATE, // the whole answer of an endpoint; the newest value wins
    CHAN_KEYED, // the same, but of the array `rows` only the changed elements
    CHAN_LIST,  // entries of a stream, each of them
};

enum list_kind { LIST_TRADES, LIST_EVENTS, LIST_LIQUIDATIONS, LIST_KINDS };

struct channel {
    const char *name;
    enum channel_kind kind;
    const char *path, *query; // the endpoint whose answer it is (state, keyed)
    unsigned sections;        // 1 << enum section
    int64_t every_ms;         // shortest time between two values
    bool live;                // sent every second even when no section changed
    const char *rows;         // member that holds the elements (keyed), or the name of the list
    enum list_kind list;
};

extern const struct channel channels[];
extern const size_t channels_n;
#define CHANNELS_MAX 24

// Index of the channel with that name, -1 for none.
int channel_find(const char *name, size_t n);

#endif

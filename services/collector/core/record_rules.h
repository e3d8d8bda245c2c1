#ifndef COLLECTOR_RECORD_RULES_H
#define COLLECTOR_RECORD_RULES_H
// What the recorder decides: when a file ends, how large it may become, and which files have to go.

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// Files change at these moments: every period_ms from 00:00 UTC on.
int64_t record_slot(int64_t ms, int64_t period_ms);

// Largest size of one file, so that all that are being written together stay a small part of what
// may be kept, and what is deleted is small too. `streams` files are written at once.
uint64_t record_file_limit(uint64_t max_bytes, size_t streams);

// A file that was begun at began_ms and holds n bytes ends before a line of now_ms.
bool record_ends(int64_t began_ms, uint64_t n, int64_t now_ms, int64_t period_ms, uint64_t limit);

struct record_file {
    int64_t start_ms;
    uint64_t bytes;
    size_t name; // the caller's
    bool held;   // is being written: stays
};

// Sorts the files, oldest first, and tells how many at the front have to be deleted so that `more`
// bytes can be added: then at most max_bytes less a reserve of 1/32 are left, so that it is not
// done for every line. Held files among them stay (and count). *fits: there is room then.
size_t record_victims(struct record_file *f, size_t n, uint64_t max_bytes, uint64_t more,
                      bool *fits);

#endif

#ifndef TESTS_SUPPORT_RECORDING_H
#define TESTS_SUPPORT_RECORDING_H
// Recorded feeds of ../shared/data, a message at a time. They are no part of the project: a test
// that finds none says so and is skipped.

#include <stdbool.h>
#include <stddef.h>

struct recording {
    void *file; // gzFile, which reads plain text too
    char *line; // grows
    size_t cap;
};

// False when it is not there.
bool recording_open(struct recording *r, const char *name);
// The next line's JSON (whatever stands in front of the first '{' is the recorder's); NULL at the
// end. Lives until the next call.
char *recording_next(struct recording *r, size_t *n);
void recording_close(struct recording *r);

#endif

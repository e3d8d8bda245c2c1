#ifndef API_JSCAN_H
#define API_JSCAN_H
// Walks JSON text without building a tree and without touching the digits: values that other
// services stored as exact decimals must come out of the gateway byte for byte, which no parser
// that makes numbers of them can do. Everything walked over is checked by the JSON grammar
// (depth <= 32), so what is found may be written into an answer as it is.

#include <stdbool.h>
#include <stddef.h>

#include "common/base/str.h"

// s[n] is exactly one JSON value, blanks around it allowed.
bool jscan_is_json(const char *s, size_t n);

// One top-level member of an object. `key` is the raw text between the quotes (our own keys carry
// no escapes), `value` the raw text of the value.
struct jmember {
    struct slice key, value;
};
// Walks the members of the object s[n]. *pos starts at 0. 1 = one member in *out, 0 = the object
// ended properly and nothing follows it, -1 = not an object or broken.
int jscan_member(const char *s, size_t n, size_t *pos, struct jmember *out);

// The raw value of member `key` of the object s[n]; {NULL, 0} when it is absent or s is broken
// before it.
struct slice jscan_get(const char *s, size_t n, const char *key);

// Walks the elements of the array s[n] likewise.
int jscan_element(const char *s, size_t n, size_t *pos, struct slice *out);

#endif

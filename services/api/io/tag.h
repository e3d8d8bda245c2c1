#ifndef API_TAG_H
#define API_TAG_H
// Entity tags: the same bytes have the same tag, in every process.

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// A number of p[n]; not against forgery.
uint64_t tag_of(const char *p, size_t n);
// "<16 hex digits><suffix>"
void tag_text(char out[24], uint64_t value, const char *suffix);
// Does the value of If-None-Match (NULL: absent) name this tag? Weak comparison: W/ counts for
// nothing, * names every tag.
bool tag_is_named(const char *if_none_match, const char *tag);

#endif

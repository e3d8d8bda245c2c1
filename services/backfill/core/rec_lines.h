#ifndef BACKFILL_REC_LINES_H
#define BACKFILL_REC_LINES_H
// Lines of a gzip file of any number of members, from its bytes as they are read. A file that was
// cut off anywhere (a killed writer, one that still writes) gives every whole line before that; a
// damaged one those in front of the damage. Only the memory of zlib and one line is used.

#include <stdbool.h>
#include <stddef.h>

#define REC_LINE_MAX ((size_t)64 << 20) // a longer line is damage

struct rec_lines; // opaque
// Returns false to hear no more of this file.
typedef bool (*rec_line_fn)(void *arg, const char *p, size_t n);

struct rec_lines *rec_lines_new(rec_line_fn on_line, void *arg);
void rec_lines_free(struct rec_lines *x); // NULL is fine
// False: nothing more comes of this file: damaged, or on_line() said so.
bool rec_lines_feed(struct rec_lines *x, const void *bytes, size_t n);

#endif

#ifndef COMMON_JSON_H
#define COMMON_JSON_H
// What jansson does not do for us: writing JSON into a struct buf without a tree, and reading
// fields of a tree with a reason when they are absent or of another type. Parsing is jansson's.

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/buf.h"
#include "common/base/err.h"

// Appends "s" with quotes, escaped per RFC 8259; invalid UTF-8 bytes become U+FFFD.
void json_add_str(struct buf *b, const char *s, size_t n);

// A writer that places the commas. Depth <= 32 (deeper aborts: the shape is ours).
struct jw {
    struct buf *out; // borrowed
    int depth;
    bool has[33];   // has[d]: something was written at depth d already
    bool after_key; // the next value belongs to a key
};
void jw_init(struct jw *w, struct buf *out);
void jw_obj(struct jw *w);
void jw_arr(struct jw *w);
void jw_end_obj(struct jw *w);
void jw_end_arr(struct jw *w);
void jw_key(struct jw *w, const char *key);
void jw_str(struct jw *w, const char *s); // NULL writes null
void jw_int(struct jw *w, int64_t v);
void jw_uint(struct jw *w, uint64_t v);
void jw_bool(struct jw *w, bool v);
void jw_null(struct jw *w);
// Bytes that are JSON already; NULL or "" writes null. Used for exact decimals.
void jw_raw(struct jw *w, const char *s);
// key + value in one call
void jw_kstr(struct jw *w, const char *key, const char *s);
void jw_kint(struct jw *w, const char *key, int64_t v);
void jw_kbool(struct jw *w, const char *key, bool v);
void jw_kraw(struct jw *w, const char *key, const char *s);

// True when s[n] is a JSON number by the RFC 8259 grammar (what may go through jw_raw).
bool json_number_text(const char *s, size_t n);

// Parses with a depth limit of jansson and JSON_REJECT_DUPLICATES; new reference or NULL with e.
json_t *json_parse(const char *s, size_t n, struct err *e) MUST_CHECK;
// Borrowed string / integer field of an object; ERR_SYNTAX with the key named when it is absent
// or of another type. json_get_i64 also takes an integer in a string ("1700000000000").
int json_get_str(const json_t *obj, const char *key, const char **out, struct err *e) MUST_CHECK;
int json_get_i64(const json_t *obj, const char *key, int64_t *out, struct err *e) MUST_CHECK;

#endif

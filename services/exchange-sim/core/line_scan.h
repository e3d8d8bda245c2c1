#ifndef SIM_CORE_LINE_SCAN_H
#define SIM_CORE_LINE_SCAN_H
// Pieces of the recordings' scanners: text helpers and a reader of JSON tokens.

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "common/base/str.h"

// ---- small text helpers -----------------------------------------------------------------------

static inline bool scan_is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static inline struct slice scan_trim(struct slice s)
{
    while (s.n > 0 && (s.p[0] == ' ' || s.p[0] == '\t')) {
        s.p++;
        s.n--;
    }
    while (s.n > 0 && (s.p[s.n - 1] == ' ' || s.p[s.n - 1] == '\t' || s.p[s.n - 1] == '\r' ||
                       s.p[s.n - 1] == '\n')) {
        s.n--;
    }
    return s;
}

static inline bool scan_contains(struct slice s, const char *needle)
{
    return memmem(s.p, s.n, needle, strlen(needle)) != NULL;
}

// Digits with at most one point, some digit that is not zero: what a venue writes.
static inline bool scan_is_positive_decimal(struct slice s)
{
    bool point = false;
    bool digit = false;
    bool nonzero = false;
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] == '.' && !point) {
            point = true;
        } else if (scan_is_digit(s.p[i])) {
            digit = true;
            nonzero = nonzero || s.p[i] != '0';
        } else {
            return false;
        }
    }
    return digit && nonzero && s.n <= 31;
}

static inline bool scan_i64(struct slice s, int64_t *out)
{
    return parse_i64(s.p, s.n, out) == 0 && *out >= 0;
}

static inline bool scan_bool(struct slice s, bool *out)
{
    if (s.n == 4 && strncasecmp(s.p, "true", 4) == 0) {
        *out = true;
        return true;
    }
    if (s.n == 5 && strncasecmp(s.p, "false", 5) == 0) {
        *out = false;
        return true;
    }
    return false;
}

static inline bool scan_is_symbol(struct slice s)
{
    if (s.n < 2 || s.n > 30) {
        return false;
    }
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];
        if (!scan_is_digit(c) && !(c >= 'A' && c <= 'Z') && c != '_' && c != '-') {
            return false;
        }
    }
    return true;
}

// ---- flat JSON objects ------------------------------------------------------------------------

struct scan {
    const char *p, *end;
};

static inline void scan_skip_blanks(struct scan *s)
{
    while (s->p < s->end && (*s->p == ' ' || *s->p == '\t' || *s->p == '\r' || *s->p == '\n')) {
        s->p++;
    }
}

static inline bool scan_take(struct scan *s, char c)
{
    scan_skip_blanks(s);
    if (s->p < s->end && *s->p == c) {
        s->p++;
        return true;
    }
    return false;
}

// A string without escapes (the venues' keys, symbols and numbers have none).
static inline bool scan_string(struct scan *s, struct slice *out)
{
    if (!scan_take(s, '"')) {
        return false;
    }
    const char *q = memchr(s->p, '"', (size_t)(s->end - s->p));
    if (q == NULL || memchr(s->p, '\\', (size_t)(q - s->p)) != NULL) {
        return false;
    }
    *out = (struct slice){s->p, (size_t)(q - s->p)};
    s->p = q + 1;
    return true;
}

// A string or a bare word (number, true, false, null).
static inline bool scan_scalar(struct scan *s, struct slice *out)
{
    scan_skip_blanks(s);
    if (s->p < s->end && *s->p == '"') {
        return scan_string(s, out);
    }
    const char *start = s->p;
    while (s->p < s->end && strchr(",}] \t\r\n", *s->p) == NULL) {
        s->p++;
    }
    *out = (struct slice){start, (size_t)(s->p - start)};
    return out->n > 0 && start[0] != '{' && start[0] != '[';
}

// Any value, nested ones as a whole: the text between balanced brackets.
static inline bool scan_value(struct scan *s, struct slice *out)
{
    scan_skip_blanks(s);
    if (s->p == s->end || (*s->p != '{' && *s->p != '[')) {
        return scan_scalar(s, out);
    }
    const char *start = s->p;
    int depth = 0;
    bool quoted = false;
    for (; s->p < s->end; s->p++) {
        char c = *s->p;
        if (quoted) {
            quoted = c != '"'; // the venues' strings have no escapes
        } else if (c == '"') {
            quoted = true;
        } else if (c == '{' || c == '[') {
            depth++;
        } else if ((c == '}' || c == ']') && --depth == 0) {
            s->p++;
            *out = (struct slice){start, (size_t)(s->p - start)};
            return true;
        }
    }
    return false;
}

// The next `"key": value` of an object whose '{' was taken; false at its end or when it is broken
// (*ok tells which).
static inline bool scan_member(struct scan *s, bool *first, struct slice *key, struct slice *value,
                               bool *ok)
{
    *ok = true;
    if (*first ? scan_take(s, '}') : !scan_take(s, ',')) {
        *ok = *first || scan_take(s, '}');
        return false;
    }
    *first = false;
    *ok = scan_string(s, key) && scan_take(s, ':') && scan_value(s, value);
    return *ok;
}

#endif

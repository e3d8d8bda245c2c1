#include "services/api/core/jscan.h"

#include <string.h>

#include "common/base/json.h"

#define JSCAN_DEPTH 32

static size_t blanks(const char *s, size_t n, size_t i)
{
    while (i < n && (s[i] == ' ' || s[i] == '\t' || s[i] == '\n' || s[i] == '\r')) {
        i++;
    }
    return i;
}

static bool is_hex(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

// Behind the string that starts at i, or 0 (no string ends at 0).
static size_t skip_string(const char *s, size_t n, size_t i)
{
    if (i >= n || s[i] != '"') {
        return 0;
    }
    for (i++; i < n; i++) {
        unsigned char c = (unsigned char)s[i];
        if (c == '"') {
            return i + 1;
        }
        if (c < 0x20) {
            return 0;
        }
        if (c >= 0x80) { // an answer has to be UTF-8 whatever was stored
            size_t len = utf8_len(s + i, n - i);
            if (len == 0) {
                return 0;
            }
            i += len - 1;
            continue;
        }
        if (c != '\\') {
            continue;
        }
        if (++i >= n) {
            return 0;
        }
        if (s[i] == 'u') {
            if (n - i < 5 || !is_hex(s[i + 1]) || !is_hex(s[i + 2]) || !is_hex(s[i + 3]) ||
                !is_hex(s[i + 4])) {
                return 0;
            }
            i += 4;
        } else if (!strchr("\"\\/bfnrt", s[i]) || s[i] == '\0') {
            return 0;
        }
    }
    return 0;
}

static size_t skip_word(const char *s, size_t n, size_t i, const char *word)
{
    size_t len = strlen(word);
    return n - i >= len && memcmp(s + i, word, len) == 0 ? i + len : 0;
}

static size_t skip_value(const char *s, size_t n, size_t i, int depth);

static size_t skip_members(const char *s, size_t n, size_t i, int depth, char close)
{
    i = blanks(s, n, i + 1);
    if (i < n && s[i] == close) {
        return i + 1;
    }
    while (i < n) {
        if (close == '}') {
            i = skip_string(s, n, i);
            if (i == 0) {
                return 0;
            }
            i = blanks(s, n, i);
            if (i >= n || s[i] != ':') {
                return 0;
            }
            i = blanks(s, n, i + 1);
        }
        i = skip_value(s, n, i, depth + 1);
        if (i == 0) {
            return 0;
        }
        i = blanks(s, n, i);
        if (i < n && s[i] == close) {
            return i + 1;
        }
        if (i >= n || s[i] != ',') {
            return 0;
        }
        i = blanks(s, n, i + 1);
    }
    return 0;
}

// Behind the value that starts at i (no blanks before it), or 0.
static size_t skip_value(const char *s, size_t n, size_t i, int depth)
{
    if (i >= n || depth > JSCAN_DEPTH) {
        return 0;
    }
    switch (s[i]) {
    case '"':
        return skip_string(s, n, i);
    case '{':
        return skip_members(s, n, i, depth, '}');
    case '[':
        return skip_members(s, n, i, depth, ']');
    case 't':
        return skip_word(s, n, i, "true");
    case 'f':
        return skip_word(s, n, i, "false");
    case 'n':
        return skip_word(s, n, i, "null");
    default:
        break;
    }
    size_t end = i;
    while (end < n && ((s[end] >= '0' && s[end] <= '9') || strchr("+-.eE", s[end])) &&
           s[end] != '\0') {
        end++;
    }
    return end > i && json_number_text(s + i, end - i) ? end : 0;
}

bool jscan_is_json(const char *s, size_t n)
{
    size_t i = skip_value(s, n, blanks(s, n, 0), 0);
    return i != 0 && blanks(s, n, i) == n;
}

// Shared by both walks: moves over the opening or the comma. 1 = a value follows at *i,
// 0 = ended, -1 = broken. *i is left behind the closing when ended.
static int step(const char *s, size_t n, size_t pos, char open, char close, size_t *i)
{
    size_t at = blanks(s, n, pos);
    if (pos == 0) {
        if (at >= n || s[at] != open) {
            return -1;
        }
        at = blanks(s, n, at + 1);
        if (at < n && s[at] == close) {
            *i = at + 1;
            return blanks(s, n, at + 1) == n ? 0 : -1;
        }
    } else {
        if (at < n && s[at] == close) {
            *i = at + 1;
            return blanks(s, n, at + 1) == n ? 0 : -1;
        }
        if (at >= n || s[at] != ',') {
            return -1;
        }
        at = blanks(s, n, at + 1);
    }
    *i = at;
    return 1;
}

int jscan_member(const char *s, size_t n, size_t *pos, struct jmember *out)
{
    size_t i = 0;
    int more = step(s, n, *pos, '{', '}', &i);
    if (more != 1) {
        return more;
    }
    size_t end = skip_string(s, n, i);
    if (end == 0) {
        return -1;
    }
    out->key = (struct slice){s + i + 1, end - i - 2};
    i = blanks(s, n, end);
    if (i >= n || s[i] != ':') {
        return -1;
    }
    i = blanks(s, n, i + 1);
    end = skip_value(s, n, i, 1);
    if (end == 0) {
        return -1;
    }
    out->value = (struct slice){s + i, end - i};
    *pos = end;
    return 1;
}

int jscan_element(const char *s, size_t n, size_t *pos, struct slice *out)
{
    size_t i = 0;
    int more = step(s, n, *pos, '[', ']', &i);
    if (more != 1) {
        return more;
    }
    size_t end = skip_value(s, n, i, 1);
    if (end == 0) {
        return -1;
    }
    *out = (struct slice){s + i, end - i};
    *pos = end;
    return 1;
}

struct slice jscan_get(const char *s, size_t n, const char *key)
{
    struct jmember m;
    for (size_t pos = 0; jscan_member(s, n, &pos, &m) == 1;) {
        if (slice_eq(m.key, key)) {
            return m.value;
        }
    }
    return (struct slice){NULL, 0};
}

#include "common/base/json.h"

#include <string.h>

#include "common/base/mem.h"
#include "common/base/str.h"

#define MAX_DEPTH 32

static bool is_plain(unsigned char c)
{
    return c >= 0x20 && c < 0x7F && c != '"' && c != '\\';
}

static void add_escape(struct buf *b, unsigned char c)
{
    static const char hex[] = "0123456789abcdef";
    char text[6] = {'\\', 'u', '0', '0', hex[c >> 4], hex[c & 15]};
    switch (c) {
    case '"':
    case '\\':
        text[1] = (char)c;
        break;
    case '\n':
        text[1] = 'n';
        break;
    case '\r':
        text[1] = 'r';
        break;
    case '\t':
        text[1] = 't';
        break;
    default:
        buf_add(b, text, 6);
        return;
    }
    buf_add(b, text, 2);
}

void json_add_str(struct buf *b, const char *s, size_t n)
{
    buf_addc(b, '"');
    size_t i = 0;
    while (i < n) {
        size_t start = i;
        while (i < n && is_plain((unsigned char)s[i])) {
            i++;
        }
        buf_add(b, s + start, i - start);
        if (i == n) {
            break;
        }
        unsigned char c = (unsigned char)s[i];
        if (c < 0x80) {
            add_escape(b, c);
            i++;
            continue;
        }
        size_t len = utf8_len(s + i, n - i);
        if (len == 0) {
            buf_add(b, "\xEF\xBF\xBD", 3);
            i++;
        } else {
            buf_add(b, s + i, len);
            i += len;
        }
    }
    buf_addc(b, '"');
}

void jw_init(struct jw *w, struct buf *out)
{
    *w = (struct jw){.out = out};
}

// What stands before a value: a comma, unless it is the first at its depth or behind a key.
static void before(struct jw *w)
{
    if (w->after_key) {
        w->after_key = false;
        return;
    }
    if (w->has[w->depth]) {
        buf_addc(w->out, ',');
    }
    w->has[w->depth] = true;
}

static void open_with(struct jw *w, char c)
{
    before(w);
    if (w->depth == MAX_DEPTH) {
        FATAL("JSON deeper than %d", MAX_DEPTH);
    }
    w->depth++;
    w->has[w->depth] = false;
    buf_addc(w->out, c);
}

static void close_with(struct jw *w, char c)
{
    if (w->depth == 0 || w->after_key) {
        FATAL("JSON closed by '%c' at depth %d", c, w->depth);
    }
    w->depth--;
    buf_addc(w->out, c);
}

void jw_obj(struct jw *w)
{
    open_with(w, '{');
}

void jw_arr(struct jw *w)
{
    open_with(w, '[');
}

void jw_end_obj(struct jw *w)
{
    close_with(w, '}');
}

void jw_end_arr(struct jw *w)
{
    close_with(w, ']');
}

void jw_key(struct jw *w, const char *key)
{
    before(w);
    json_add_str(w->out, key, strlen(key));
    buf_addc(w->out, ':');
    w->after_key = true;
}

void jw_str(struct jw *w, const char *s)
{
    if (!s) {
        jw_null(w);
        return;
    }
    before(w);
    json_add_str(w->out, s, strlen(s));
}

void jw_int(struct jw *w, int64_t v)
{
    before(w);
    buf_add_i64(w->out, v);
}

void jw_uint(struct jw *w, uint64_t v)
{
    before(w);
    buf_add_u64(w->out, v);
}

void jw_bool(struct jw *w, bool v)
{
    before(w);
    buf_adds(w->out, v ? "true" : "false");
}

void jw_null(struct jw *w)
{
    before(w);
    buf_adds(w->out, "null");
}

void jw_raw(struct jw *w, const char *s)
{
    if (!s || !*s) {
        jw_null(w);
        return;
    }
    before(w);
    buf_adds(w->out, s);
}

void jw_kstr(struct jw *w, const char *key, const char *s)
{
    jw_key(w, key);
    jw_str(w, s);
}

void jw_kint(struct jw *w, const char *key, int64_t v)
{
    jw_key(w, key);
    jw_int(w, v);
}

void jw_kbool(struct jw *w, const char *key, bool v)
{
    jw_key(w, key);
    jw_bool(w, v);
}

void jw_kraw(struct jw *w, const char *key, const char *s)
{
    jw_key(w, key);
    jw_raw(w, s);
}

static size_t digit_run(const char *s, size_t n, size_t i)
{
    size_t start = i;
    while (i < n && s[i] >= '0' && s[i] <= '9') {
        i++;
    }
    return i - start;
}

bool json_number_text(const char *s, size_t n)
{
    size_t i = n > 0 && s[0] == '-';
    size_t run = digit_run(s, n, i);
    if (run == 0 || (run > 1 && s[i] == '0')) {
        return false;
    }
    i += run;
    if (i < n && s[i] == '.') {
        run = digit_run(s, n, i + 1);
        if (run == 0) {
            return false;
        }
        i += 1 + run;
    }
    if (i < n && (s[i] == 'e' || s[i] == 'E')) {
        i++;
        i += i < n && (s[i] == '+' || s[i] == '-');
        run = digit_run(s, n, i);
        if (run == 0) {
            return false;
        }
        i += run;
    }
    return i == n;
}

json_t *json_parse(const char *s, size_t n, struct err *e)
{
    json_error_t je;
    json_t *root = json_loadb(s, n, JSON_REJECT_DUPLICATES, &je);
    if (!root) {
        // jansson's text quotes the input; control bytes of it must not reach a log or terminal.
        err_set(e, ERR_SYNTAX, "JSON: %s (byte %d)", je.text, je.position);
        for (char *p = e ? e->text : NULL; p && *p; p++) {
            if ((unsigned char)*p < 0x20 || *p == 0x7F) {
                *p = ' ';
            }
        }
    }
    return root;
}

int json_get_str(const json_t *obj, const char *key, const char **out, struct err *e)
{
    const json_t *v = json_object_get(obj, key);
    if (!json_is_string(v)) {
        return err_set(e, ERR_SYNTAX, v ? "\"%s\" is not a string" : "\"%s\" is missing", key);
    }
    *out = json_string_value(v);
    return 0;
}

int json_get_i64(const json_t *obj, const char *key, int64_t *out, struct err *e)
{
    const json_t *v = json_object_get(obj, key);
    if (json_is_integer(v)) {
        *out = json_integer_value(v);
        return 0;
    }
    if (json_is_string(v)) {
        int rc = parse_i64(json_string_value(v), json_string_length(v), out);
        return rc ? err_set(e, rc, "\"%s\" is not a whole number", key) : 0;
    }
    return err_set(e, ERR_SYNTAX, v ? "\"%s\" is not a whole number" : "\"%s\" is missing", key);
}

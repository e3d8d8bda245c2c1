#include "services/api/core/keyed.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"

// End of the JSON value at p: behind it, or NULL when it does not end. What we read was written by
// us and is well-formed; only its structure matters here.
static const char *value_end(const char *p, const char *end)
{
    int depth = 0;
    bool quoted = false;
    for (; p < end; p++) {
        if (quoted) {
            if (*p == '\\') {
                p++;
            } else if (*p == '"') {
                quoted = false;
            }
            continue;
        }
        if (*p == '"') {
            quoted = true;
        } else if (*p == '{' || *p == '[') {
            depth++;
        } else if (*p == '}' || *p == ']') {
            if (depth == 0) {
                return p;
            }
            depth--;
        } else if (*p == ',' && depth == 0) {
            return p;
        }
    }
    return depth == 0 && !quoted ? end : NULL;
}

struct slice json_member(const char *text, size_t n, const char *name)
{
    const char *end = text + n, *p = text;
    const size_t name_n = strlen(name);
    if (n < 2 || *p != '{') {
        return (struct slice){NULL, 0};
    }
    for (p++; p < end && *p == '"';) {
        const char *key = p + 1;
        const char *close = memchr(key, '"', (size_t)(end - key));
        if (close == NULL || close + 1 >= end || close[1] != ':') {
            break;
        }
        const char *value = close + 2;
        const char *stop = value_end(value, end);
        if (stop == NULL) {
            break;
        }
        if ((size_t)(close - key) == name_n && memcmp(key, name, name_n) == 0) {
            return (struct slice){value, (size_t)(stop - value)};
        }
        p = stop + 1;
    }
    return (struct slice){NULL, 0};
}

void keyed_init(struct keyed *k, size_t max_bytes)
{
    *k = (struct keyed){.since = 1};
    buf_init(&k->text, max_bytes);
}

void keyed_release(struct keyed *k)
{
    buf_release(&k->text);
    free(k->row);
    k->row = NULL;
    k->n = k->cap = 0;
}

static void add_row(struct keyed *k, const struct keyed_row *r)
{
    if (k->n == k->cap) {
        k->cap = k->cap == 0 ? 256 : k->cap * 2;
        k->row = xrealloc(k->row, k->cap * sizeof *k->row);
    }
    k->row[k->n++] = *r;
}

// Length of the first member of the object, "{"key":value", which names the element.
static uint32_t key_length(const char *p, size_t n)
{
    const char *end = value_end(p + 1, p + n - 1);
    return end == NULL ? (uint32_t)n : (uint32_t)(end - p);
}

static bool split(struct keyed *k, const char *array, size_t n)
{
    const char *end = array + n - 1;
    if (n < 2 || *array != '[' || *end != ']') {
        return false;
    }
    buf_clear(&k->text);
    buf_add(&k->text, array, n);
    if (k->text.failed) {
        return false;
    }
    k->n = 0;
    for (const char *p = array + 1; p < end;) {
        const char *stop = value_end(p, end);
        if (stop == NULL || *p != '{' || stop - p < 2) {
            return false;
        }
        const struct keyed_row r = {.at = (uint32_t)(p - array),
                                    .n = (uint32_t)(stop - p),
                                    .key_n = key_length(p, (size_t)(stop - p))};
        add_row(k, &r);
        p = stop + 1;
    }
    return true;
}

static bool same_bytes(const char *a, uint32_t an, const char *b, uint32_t bn)
{
    return an == bn && memcmp(a, b, an) == 0;
}

bool keyed_update(struct keyed *k, const char *array, size_t n, bool fresh)
{
    struct buf old_text = k->text;
    struct keyed_row *old = k->row;
    const size_t old_n = k->n;
    size_t j = 0, kept = 0;
    bool changed = fresh || k->seq == 0;
    buf_init(&k->text, old_text.max);
    k->row = NULL;
    k->n = k->cap = 0;
    const bool ok = split(k, array, n);
    const char *was = buf_ptr(&old_text), *is = buf_ptr(&k->text);
    for (size_t i = 0; ok && i < k->n; i++) {
        struct keyed_row *r = &k->row[i];
        r->seq = k->seq + 1;
        // Both stand in the same order: what is passed over here is gone from the new version.
        size_t t = j;
        while (t < old_n && !same_bytes(was + old[t].at, old[t].key_n, is + r->at, r->key_n)) {
            t++;
        }
        if (t == old_n) {
            changed = true;
            continue;
        }
        kept++;
        if (same_bytes(was + old[t].at, old[t].n, is + r->at, r->n)) {
            r->seq = old[t].seq;
        } else {
            changed = true;
        }
        j = t + 1;
    }
    if (!ok) {
        buf_release(&k->text);
        free(k->row);
        k->text = old_text;
        k->row = old;
        k->n = k->cap = old_n;
        return false;
    }
    buf_release(&old_text);
    free(old);
    // The oldest candle leaves when a new one comes: clients keep it, no harm. Anything else that
    // goes needs a whole new beginning.
    const bool shrank = kept + (k->n > 0 ? 1 : 0) < old_n;
    if (changed || shrank) {
        k->seq++;
    }
    if (fresh || shrank) {
        k->since = k->seq;
    }
    return changed || shrank;
}

bool keyed_knows(const struct keyed *k, uint64_t seq)
{
    return seq >= k->since && seq <= k->seq;
}

void keyed_write(const struct keyed *k, uint64_t seq, struct buf *out)
{
    bool any = false;
    for (size_t i = 0; i < k->n; i++) {
        if (k->row[i].seq > seq || seq == 0) {
            if (any) {
                buf_addc(out, ',');
            }
            buf_add(out, buf_ptr(&k->text) + k->row[i].at, k->row[i].n);
            any = true;
        }
    }
}

#include "services/exchange-sim/core/fault_frame.h"

#include <string.h>

#include "common/base/str.h"

const char *const fault_break_kinds[] = {"mix",     "truncated", "not_json",  "not_object",
                                         "empty",   "negative",  "absurd",    "letters",
                                         "foreign", "no_id",     "string_id", NULL};
#define KINDS (sizeof fault_break_kinds / sizeof fault_break_kinds[0] - 2) // without mix and NULL

// Appends the frame with `what` put behind the first `where`, of which the last `drop` bytes go.
// Without such a place the frame is cut instead: it must not arrive whole.
static void put_behind(struct buf *out, const char *p, size_t n, const char *where, size_t drop,
                       const char *what)
{
    const char *at = memmem(p, n, where, strlen(where));
    if (at == NULL) {
        buf_add(out, p, n / 2);
        return;
    }
    size_t head = (size_t)(at - p) + strlen(where);
    buf_add(out, p, head - drop);
    buf_adds(out, what);
    buf_add(out, p + head, n - head);
}

static const char *number_start(const char *p, size_t n)
{
    return memmem(p, n, "[[\"", 3) != NULL ? "[[\"" : "\"p\":\"";
}

bool fault_break(struct buf *out, const char *kind, int64_t nth, const char *p, size_t n)
{
    if (strcmp(kind, "mix") == 0) {
        kind = fault_break_kinds[1 + (size_t)nth % KINDS];
    }
    if (strcmp(kind, "truncated") == 0) {
        buf_add(out, p, n / 2);
    } else if (strcmp(kind, "not_json") == 0) {
        buf_adds(out, "this is not JSON");
    } else if (strcmp(kind, "not_object") == 0) {
        buf_adds(out, "[1,2,3]");
    } else if (strcmp(kind, "empty") == 0) {
        buf_adds(out, "{}");
    } else if (strcmp(kind, "negative") == 0) {
        put_behind(out, p, n, number_start(p, n), 0, "-");
    } else if (strcmp(kind, "absurd") == 0) {
        put_behind(out, p, n, number_start(p, n), 0, "99999999999999999999");
    } else if (strcmp(kind, "letters") == 0) {
        put_behind(out, p, n, number_start(p, n), 0, "x");
    } else if (strcmp(kind, "foreign") == 0) {
        put_behind(out, p, n, "\"s\":\"", 0, "FOREIGN");
    } else if (strcmp(kind, "no_id") == 0) {
        put_behind(out, p, n, "\"u\":", 4, "\"zz\":");
    } else if (strcmp(kind, "string_id") == 0) {
        put_behind(out, p, n, "\"u\":", 0, "\"x\",\"zz\":");
    } else {
        return false;
    }
    return true;
}

bool fault_cross(struct buf *out, const char *p, size_t n)
{
    const char *bids = memmem(p, n, "\"b\":[", 5);
    const char *asks = memmem(p, n, "\"a\":[[\"", 7);
    if (bids == NULL || asks == NULL) {
        return false;
    }
    // Levels stand from low to high; the last one begins behind the last '[' of the array.
    const char *end = memmem(asks, (size_t)(p + n - asks), "]]", 2);
    const char *last = end != NULL ? memrchr(asks, '[', (size_t)(end - asks)) : NULL;
    if (last == NULL) {
        return false;
    }
    const char *price = last + 2;
    const char *quote = memchr(price, '"', (size_t)(end - price));
    if (quote == NULL) {
        return false;
    }
    const char *behind = bids + 5;
    buf_add(out, p, (size_t)(behind - p));
    buf_adds(out, "[\"");
    buf_add(out, price, (size_t)(quote - price));
    buf_adds(out, *behind == ']' ? "\",\"9\"]" : "\",\"9\"],");
    buf_add(out, behind, (size_t)(p + n - behind));
    return true;
}

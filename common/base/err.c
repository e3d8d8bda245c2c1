#include "common/base/err.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "common/base/str.h"

int err_set(struct err *e, int code, const char *fmt, ...)
{
    if (!e) {
        return code;
    }
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(e->text, sizeof e->text, fmt, ap);
    va_end(ap);
    if (n < 0) {
        e->text[0] = '\0';
    }
    e->code = code;
    return code;
}

int err_prefix(struct err *e, const char *fmt, ...)
{
    if (!e) {
        return ERR_NONE;
    }
    char text[sizeof e->text];
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    size_t used = n < 0 ? 0 : (size_t)n;
    if (used > sizeof text - 1) {
        used = sizeof text - 1;
    }
    (void)str_copy(text + used, sizeof text - used, ": ");
    used = strlen(text);
    (void)str_copy(text + used, sizeof text - used, e->text);
    memcpy(e->text, text, sizeof e->text);
    return e->code;
}

const char *err_name(int code)
{
    switch (code) {
    case ERR_NONE:
        return "none";
    case ERR_SYNTAX:
        return "syntax";
    case ERR_RANGE:
        return "range";
    case ERR_OVERFLOW:
        return "overflow";
    case ERR_PRECISION:
        return "precision";
    case ERR_LIMIT:
        return "limit";
    case ERR_CLOSED:
        return "closed";
    case ERR_TIMEOUT:
        return "timeout";
    case ERR_IO:
        return "io";
    case ERR_STATE:
        return "state";
    default:
        return "unknown";
    }
}

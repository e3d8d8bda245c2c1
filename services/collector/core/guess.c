#include "services/collector/core/guess.h"

#include <string.h>

#define SYMBOL_MAX 30

static bool is_symbol(char c)
{
    return (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
}

static bool symbol_after(const char *p, size_t n, const char *key, struct slice *out)
{
    const size_t len = strlen(key);
    const char *at = memmem(p, n, key, len);
    if (at == NULL) {
        return false;
    }
    const char *start = at + len, *end = p + n, *q = start;
    while (q < end && is_symbol(*q) && q - start < SYMBOL_MAX) {
        q++;
    }
    *out = (struct slice){start, (size_t)(q - start)};
    return q > start;
}

bool guess_symbol(const char *p, size_t n, struct slice *out)
{
    return symbol_after(p, n, "\"s\":\"", out) || symbol_after(p, n, "\"s\": \"", out) ||
           symbol_after(p, n, "\"topic\":\"publicTrade.", out);
}

#include "services/api/io/tag.h"

#include <string.h>

#include "common/base/str.h"

static uint64_t mix(uint64_t h, uint64_t v)
{
    h = (h ^ v) * UINT64_C(0x9E3779B97F4A7C15);
    return h ^ (h >> 32);
}

uint64_t tag_of(const char *p, size_t n)
{
    uint64_t h = mix(UINT64_C(0xB0C4), n), word;
    for (; n >= sizeof word; p += sizeof word, n -= sizeof word) {
        memcpy(&word, p, sizeof word);
        h = mix(h, word);
    }
    word = 0;
    memcpy(&word, p, n);
    return mix(mix(h, word), n);
}

void tag_text(char out[24], uint64_t value, const char *suffix)
{
    (void)str_fmt(out, 24, "%016llx%s", (unsigned long long)value, suffix);
}

bool tag_is_named(const char *if_none_match, const char *tag)
{
    const size_t n = strlen(tag);
    for (const char *p = if_none_match; p != NULL && *p != '\0';) {
        p += strspn(p, " \t,");
        if (*p == '*') {
            return true;
        }
        if (p[0] == 'W' && p[1] == '/') {
            p += 2;
        }
        if (*p != '"') {
            return false; // no list of tags
        }
        const char *end = strchr(p + 1, '"');
        if (end == NULL) {
            return false;
        }
        if ((size_t)(end - p - 1) == n && memcmp(p + 1, tag, n) == 0) {
            return true;
        }
        p = end + 1;
    }
    return false;
}

#include "tests/support/recording.h"

#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "common/base/mem.h"
#include "common/base/str.h"

bool recording_open(struct recording *r, const char *name)
{
    char path[512];
    *r = (struct recording){.cap = 1 << 16};
    str_fmt(path, sizeof path, "../shared/data/%s", name);
    r->file = gzopen(path, "rb");
    if (r->file == NULL) {
        return false;
    }
    gzbuffer(r->file, 1 << 17);
    r->line = xmalloc(r->cap);
    return true;
}

char *recording_next(struct recording *r, size_t *n)
{
    for (;;) {
        size_t used = 0;
        while (gzgets(r->file, r->line + used, (int)(r->cap - used)) != NULL) {
            used += strlen(r->line + used);
            if (used > 0 && r->line[used - 1] == '\n') {
                break;
            }
            if (used + 1 == r->cap) {
                r->cap *= 2;
                r->line = xrealloc(r->line, r->cap);
            }
        }
        if (used == 0) {
            return NULL;
        }
        while (used > 0 && (r->line[used - 1] == '\n' || r->line[used - 1] == '\r')) {
            r->line[--used] = '\0';
        }
        char *json = strchr(r->line, '{');
        if (json != NULL) {
            *n = (size_t)(r->line + used - json);
            return json;
        }
    }
}

void recording_close(struct recording *r)
{
    if (r->file != NULL) {
        gzclose(r->file);
        free(r->line);
        r->file = NULL;
    }
}

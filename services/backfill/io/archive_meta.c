#include "services/backfill/io/archive_meta.h"

#include <stdio.h>
#include <string.h>

#include "common/base/str.h"

static void cut_end(char *line)
{
    line[strcspn(line, "\r\n")] = '\0';
}

bool archive_meta_read(const char *path, struct archive_meta *m)
{
    char line[200];
    memset(m, 0, sizeof *m);
    FILE *f = fopen(path, "re");
    if (f == NULL) {
        return false;
    }
    while (fgets(line, sizeof line, f) != NULL) {
        cut_end(line);
        char *value = strchr(line, ' ');
        if (value == NULL) {
            continue;
        }
        *value++ = '\0';
        if (strcmp(line, "etag") == 0) {
            str_copy(m->etag, sizeof m->etag, value);
        } else if (strcmp(line, "last_modified") == 0) {
            str_copy(m->last_modified, sizeof m->last_modified, value);
        } else if (strcmp(line, "sha256") == 0) {
            str_copy(m->sha256, sizeof m->sha256, value);
        } else if (strcmp(line, "bytes") == 0 && parse_i64(value, strlen(value), &m->bytes) != 0) {
            m->bytes = 0;
        }
    }
    fclose(f);
    if (strlen(m->sha256) != DIGEST_HEX - 1) {
        memset(m, 0, sizeof *m);
        return false;
    }
    return true;
}

bool archive_meta_write(const char *path, const struct archive_meta *m)
{
    char tmp[600];
    str_fmt(tmp, sizeof tmp, "%s.tmp", path);
    FILE *f = fopen(tmp, "we");
    if (f == NULL) {
        return false;
    }
    bool ok = fprintf(f, "etag %s\nlast_modified %s\nbytes %lld\nsha256 %s\n", m->etag,
                      m->last_modified, (long long)m->bytes, m->sha256) > 0;
    ok = fclose(f) == 0 && ok;
    return ok && rename(tmp, path) == 0;
}

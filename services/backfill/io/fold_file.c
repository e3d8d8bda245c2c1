#include "services/backfill/io/fold_file.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/str.h"
#include "services/backfill/core/digest.h"

#define PARTS_MAX 64 // more of them are about to be merged

static int by_number(const void *a, const void *b)
{
    const int x = *(const int *)a, y = *(const int *)b;
    return x < y ? -1 : x > y;
}

static bool add_sum(struct digest *d, const char *dir, int number)
{
    char path[STORE_PATH], text[160];
    store_part_path(dir, number, ".sha256", path);
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    const ssize_t n = fd >= 0 ? read(fd, text, sizeof text) : -1;
    if (fd >= 0) {
        close(fd);
    }
    if (n > 0) {
        digest_add(d, text, (size_t)n); // names the part, too
    }
    return n > 0;
}

bool fold_file_path(const char *dir, char out[STORE_PATH])
{
    int part[PARTS_MAX];
    size_t n = 0;
    bool ok = true;
    DIR *folder = opendir(dir);
    struct dirent *f;
    while (folder != NULL && (f = readdir(folder)) != NULL) {
        int64_t number;
        const size_t len = strlen(f->d_name);
        if (str_starts(f->d_name, "part-") && str_ends(f->d_name, ".parquet") &&
            parse_i64(f->d_name + 5, len - 13, &number) == 0 && number >= 0 && number < 1000000) {
            ok = ok && n < PARTS_MAX;
            if (ok) {
                part[n++] = (int)number;
            }
        }
    }
    if (folder == NULL) {
        return false;
    }
    closedir(folder);
    if (!ok || n == 0) {
        return false;
    }
    qsort(part, n, sizeof part[0], by_number);
    char hex[DIGEST_HEX];
    struct digest *d = digest_new();
    for (size_t i = 0; i < n; i++) {
        ok = ok && add_sum(d, dir, part[i]);
    }
    digest_end_free(d, hex);
    str_fmt(out, STORE_PATH, "%s/summary-%.16s.txt", dir, hex);
    return ok;
}

#ifndef TESTS_SUPPORT_TSV_H
#define TESTS_SUPPORT_TSV_H
// Reads a value table: one row a line, cells between tabs, lines that begin with '#' left out.
// Paths are relative to the top of the repository, where tests run. Header-only, so that any test
// or plain program may include it.

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TSV_CELLS 16

struct tsv {
    FILE *f;
    const char *path;
    int line; // of the row in hand, from 1
    size_t rows;
    char text[8192];
    char *cell[TSV_CELLS];
    size_t cells;
};

static inline void tsv_open(struct tsv *t, const char *path)
{
    memset(t, 0, sizeof *t);
    t->path = path;
    t->f = fopen(path, "re");
    if (!t->f) {
        fprintf(stderr, "%s: cannot open (tests run from the top of the repository)\n", path);
        abort();
    }
}

// The next row in t->cell[0..cells). False at the end, where the file is closed. A table without
// rows, or a row with another number of cells than `want`, aborts: it would test nothing.
static inline bool tsv_next(struct tsv *t, size_t want)
{
    while (fgets(t->text, sizeof t->text, t->f)) {
        t->line++;
        size_t n = strlen(t->text);
        if (n > 0 && t->text[n - 1] == '\n') {
            t->text[n - 1] = '\0';
        } else if (n == sizeof t->text - 1) {
            fprintf(stderr, "%s:%d: line too long\n", t->path, t->line);
            abort();
        }
        if (t->text[0] == '#') {
            continue;
        }
        t->cells = 0;
        for (char *p = t->text; p && t->cells < TSV_CELLS;) {
            t->cell[t->cells++] = p;
            p = strchr(p, '\t');
            if (p) {
                *p++ = '\0';
            }
        }
        if (t->cells != want) {
            fprintf(stderr, "%s:%d: %zu cells, not %zu\n", t->path, t->line, t->cells, want);
            abort();
        }
        t->rows++;
        return true;
    }
    fclose(t->f);
    if (t->rows == 0) {
        fprintf(stderr, "%s: no rows\n", t->path);
        abort();
    }
    return false;
}

#endif

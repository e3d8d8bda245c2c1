#include "services/exchange-sim/io/recording.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "common/base/buf.h"
#include "common/base/mem.h"

#define MAX_LINE ((size_t)64 << 20) // a REST page is one line
#define BLOCK ((size_t)256 << 10)
#define BAD_SHOWN 20

struct reading {
    struct tape *tape;
    const char *path, *symbol;
    const struct recording_report *report;
    int64_t line, bad;
};

static void add_line(struct reading *r, const char *p, size_t n)
{
    const char *why = "";
    r->line++;
    if (tape_add_line(r->tape, p, n, r->symbol, &why) == LINE_BAD && ++r->bad <= BAD_SHOWN) {
        r->report->on_bad_line(r->report->arg, r->path, r->line, why);
    }
}

// Takes all whole lines from the front of b.
static void take_lines(struct reading *r, struct buf *b)
{
    const char *nl;
    while ((nl = memchr(buf_ptr(b), '\n', buf_len(b))) != NULL) {
        size_t n = (size_t)(nl - buf_ptr(b));
        add_line(r, buf_ptr(b), n);
        buf_consume(b, n + 1);
    }
}

int recording_read(struct tape *t, const char *path, const char *dflt_symbol,
                   const struct recording_report *report, struct err *e)
{
    char symbol[32];
    struct reading r = {.tape = t, .path = path, .report = report};
    if (line_symbol_of_name(path, symbol)) {
        r.symbol = symbol;
    } else if (dflt_symbol[0] != '\0') {
        r.symbol = dflt_symbol;
    }
    gzFile f = gzopen(path, "rb");
    if (f == NULL) {
        return err_set(e, ERR_IO, "%s: %s", path, strerror(errno));
    }
    tape_next_file(t);
    struct buf b;
    buf_init(&b, MAX_LINE);
    int rc = 0;
    int got;
    do {
        char *room = buf_reserve(&b, BLOCK);
        if (room == NULL) {
            rc = err_set(e, ERR_LIMIT, "%s: line %lld is longer than %zu bytes", path,
                         (long long)r.line + 1, MAX_LINE);
            break;
        }
        got = gzread(f, room, (unsigned)BLOCK);
        if (got > 0) {
            buf_commit(&b, (size_t)got);
            take_lines(&r, &b);
        }
    } while (got > 0);
    int zrc = Z_OK;
    const char *zwhy = gzerror(f, &zrc);
    if (rc == 0 && zrc != Z_OK && zrc != Z_STREAM_END && zrc != Z_BUF_ERROR) {
        rc = err_set(e, ERR_IO, "%s: %s", path, zrc == Z_ERRNO ? strerror(errno) : zwhy);
    }
    if (rc == 0 && buf_len(&b) > 0) {
        add_line(&r, buf_ptr(&b), buf_len(&b));
    }
    buf_release(&b);
    gzclose_r(f);
    if (rc == 0) {
        report->on_file(report->arg, path, r.line, r.bad);
    }
    return rc;
}

#include "services/backfill/core/rec_lines.h"

#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "common/base/buf.h"
#include "common/base/mem.h"

#define OUT 65536
#define GZIP 16 // of windowBits

struct rec_lines {
    rec_line_fn on_line;
    void *arg;
    z_stream z;
    bool fresh; // between two members
    struct buf carry;
    char out[OUT];
};

struct rec_lines *rec_lines_new(rec_line_fn on_line, void *arg)
{
    struct rec_lines *x = xcalloc(1, sizeof *x);
    x->on_line = on_line;
    x->arg = arg;
    x->fresh = true;
    buf_init(&x->carry, REC_LINE_MAX);
    if (inflateInit2(&x->z, MAX_WBITS + GZIP) != Z_OK) {
        FATAL("inflateInit2");
    }
    return x;
}

void rec_lines_free(struct rec_lines *x)
{
    if (x != NULL) {
        inflateEnd(&x->z);
        buf_release(&x->carry);
        free(x);
    }
}

static bool take(struct rec_lines *x, const char *p, size_t n)
{
    const char *end = p + n, *nl;
    while ((nl = memchr(p, '\n', (size_t)(end - p))) != NULL) {
        bool more;
        if (buf_len(&x->carry) > 0) {
            buf_add(&x->carry, p, (size_t)(nl - p));
            more = !x->carry.failed && x->on_line(x->arg, buf_ptr(&x->carry), buf_len(&x->carry));
            buf_clear(&x->carry);
        } else {
            more = x->on_line(x->arg, p, (size_t)(nl - p));
        }
        if (!more) {
            return false;
        }
        p = nl + 1;
    }
    buf_add(&x->carry, p, (size_t)(end - p));
    return !x->carry.failed;
}

bool rec_lines_feed(struct rec_lines *x, const void *bytes, size_t n)
{
    memcpy(&x->z.next_in, &bytes, sizeof bytes); // zlib's field is not const, it only reads
    x->z.avail_in = (unsigned)n;
    int rc = Z_OK;
    // With the output full there may be more inside zlib though all input is taken.
    do {
        if (x->fresh && x->z.avail_in == 0) {
            break;
        }
        x->fresh = false;
        x->z.next_out = (unsigned char *)x->out;
        x->z.avail_out = OUT;
        rc = inflate(&x->z, Z_NO_FLUSH);
        if (!take(x, x->out, OUT - x->z.avail_out)) {
            return false;
        }
        if (rc == Z_STREAM_END) {
            if (inflateReset(&x->z) != Z_OK) {
                return false;
            }
            x->fresh = true;
            rc = Z_OK;
        }
    } while (rc == Z_OK && (x->z.avail_in > 0 || x->z.avail_out == 0));
    return rc == Z_OK || rc == Z_BUF_ERROR;
}

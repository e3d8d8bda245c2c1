#include "services/backfill/core/zip.h"

#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "common/base/mem.h"

#define OUT_BYTES 65536
#define LOCAL 30      // bytes of a local header
#define CENTRAL 46    // of a directory entry
#define END_RECORD 22 // of the record at the end
#define TAIL_MAX 1024 // what may follow the member: descriptor, directory entry, end record
#define FLAG_ENCRYPTED 1U
#define FLAG_DESCRIPTOR 8U

enum state { IN_HEADER, IN_NAME, IN_DATA, IN_TAIL };

struct zip {
    enum zip_format format;
    enum state state;
    uint64_t max, out_n;
    zip_sink sink;
    void *arg;
    z_stream z;
    bool z_live;
    unsigned char head[LOCAL];
    size_t head_n;
    size_t skip; // bytes of name and extra still to come
    bool stored;
    uint32_t flags;
    uint32_t want_crc, want_size, packed; // of the local header
    uint64_t packed_n;                    // bytes of the member seen
    uint32_t crc;
    unsigned char tail[TAIL_MAX];
    size_t tail_n;
    char out[OUT_BYTES];
};

static uint32_t le16(const unsigned char *p)
{
    return (uint32_t)p[0] | (uint32_t)p[1] << 8;
}

static uint32_t le32(const unsigned char *p)
{
    return le16(p) | le16(p + 2) << 16;
}

struct zip *zip_new(enum zip_format f, uint64_t max_bytes, zip_sink sink, void *arg)
{
    struct zip *z = xcalloc(1, sizeof *z);
    z->format = f;
    z->max = max_bytes;
    z->sink = sink;
    z->arg = arg;
    z->state = f == ZIP_GZIP ? IN_DATA : IN_HEADER;
    if (inflateInit2(&z->z, f == ZIP_GZIP ? 15 + 16 : -15) != Z_OK) {
        FATAL("zlib: no memory");
    }
    z->z_live = true;
    return z;
}

void zip_free(struct zip *z)
{
    if (z == NULL) {
        return;
    }
    if (z->z_live) {
        inflateEnd(&z->z);
    }
    free(z);
}

static int deliver(struct zip *z, const char *p, size_t n, struct err *e)
{
    if (n == 0) {
        return 0;
    }
    if (n > z->max - z->out_n) {
        return err_set(e, ERR_LIMIT, "its content is larger than %llu bytes",
                       (unsigned long long)z->max);
    }
    z->out_n += n;
    if (z->format == ZIP_MEMBER) {
        z->crc = (uint32_t)crc32(z->crc, (const unsigned char *)p, (unsigned)n);
    }
    return z->sink(z->arg, p, n, e);
}

static int header_done(struct zip *z, struct err *e)
{
    const unsigned char *h = z->head;
    if (le32(h) != 0x04034b50U) {
        return err_set(e, ERR_SYNTAX, "not a ZIP archive");
    }
    z->flags = le16(h + 6);
    const uint32_t method = le16(h + 8);
    z->want_crc = le32(h + 14);
    z->packed = le32(h + 18);
    z->want_size = le32(h + 22);
    if ((z->flags & FLAG_ENCRYPTED) != 0 || (method != 0 && method != 8) ||
        z->packed == UINT32_MAX || z->want_size == UINT32_MAX) {
        return err_set(e, ERR_SYNTAX, "encrypted, ZIP64 or packed by an unknown method");
    }
    z->stored = method == 0;
    if (z->stored && (z->flags & FLAG_DESCRIPTOR) != 0) {
        return err_set(e, ERR_SYNTAX, "a stored member of unknown length");
    }
    z->skip = (size_t)le16(h + 26) + le16(h + 28);
    z->state = IN_NAME;
    return 0;
}

// Bytes of n that belonged to the member, or ERR_*.
static int64_t inflate_some(struct zip *z, const unsigned char *p, size_t n, struct err *e)
{
    unsigned char *in;
    memcpy(&in, &p, sizeof in); // zlib's field is not const, it only reads
    z->z.next_in = in;
    z->z.avail_in = (unsigned)n;
    int zrc = Z_OK;
    // With the output full there may be more inside zlib though all input is taken.
    do {
        z->z.next_out = (unsigned char *)z->out;
        z->z.avail_out = sizeof z->out;
        zrc = inflate(&z->z, Z_NO_FLUSH);
        if (zrc != Z_OK && zrc != Z_STREAM_END && zrc != Z_BUF_ERROR) {
            return err_set(e, ERR_SYNTAX, "its compressed data is damaged");
        }
        const int rc = deliver(z, z->out, sizeof z->out - z->z.avail_out, e);
        if (rc != 0) {
            return rc < 0 ? rc : err_set(e, ERR_STATE, "stopped");
        }
    } while (zrc == Z_OK && (z->z.avail_in > 0 || z->z.avail_out == 0));
    if (zrc == Z_STREAM_END) {
        z->state = IN_TAIL;
    }
    return (int64_t)(n - z->z.avail_in);
}

static int64_t store_some(struct zip *z, const unsigned char *p, size_t n, struct err *e)
{
    const uint64_t left = z->packed - z->packed_n;
    const size_t take = n < left ? n : (size_t)left;
    const int rc = deliver(z, (const char *)p, take, e);
    if (rc != 0) {
        return rc < 0 ? rc : err_set(e, ERR_STATE, "stopped");
    }
    if (take == left) {
        z->state = IN_TAIL;
    }
    return (int64_t)take;
}

static int64_t step(struct zip *z, const unsigned char *p, size_t n, struct err *e)
{
    size_t take = n;
    int64_t used;
    switch (z->state) {
    case IN_HEADER:
        take = n < LOCAL - z->head_n ? n : LOCAL - z->head_n;
        memcpy(z->head + z->head_n, p, take);
        z->head_n += take;
        if (z->head_n == LOCAL) {
            const int rc = header_done(z, e);
            return rc != 0 ? rc : (int64_t)take;
        }
        return (int64_t)take;
    case IN_NAME:
        take = n < z->skip ? n : z->skip;
        z->skip -= take;
        if (z->skip == 0) {
            z->state = z->stored && z->packed == 0 ? IN_TAIL : IN_DATA;
        }
        return (int64_t)take;
    case IN_DATA:
        used = z->stored ? store_some(z, p, n, e) : inflate_some(z, p, n, e);
        z->packed_n += used > 0 ? (uint64_t)used : 0;
        return used;
    case IN_TAIL:
        if (z->format == ZIP_GZIP) {
            return err_set(e, ERR_SYNTAX, "bytes follow its end");
        }
        if (n > TAIL_MAX - z->tail_n) {
            return err_set(e, ERR_SYNTAX, "more than one member, or bytes behind its end");
        }
        memcpy(z->tail + z->tail_n, p, n);
        z->tail_n += n;
        return (int64_t)n;
    }
    FATAL("zip state %d", (int)z->state);
}

int zip_feed(struct zip *z, const void *bytes, size_t n, struct err *e)
{
    const unsigned char *p = bytes;
    while (n > 0) {
        const int64_t used = step(z, p, n, e);
        if (used < 0) {
            return (int)used;
        }
        p += used;
        n -= (size_t)used;
    }
    return 0;
}

// What follows the member must be: [descriptor] one directory entry, the end record.
static int check_tail(const struct zip *z, struct err *e)
{
    const unsigned char *t = z->tail;
    size_t n = z->tail_n;
    uint32_t crc = z->want_crc, size = z->want_size;
    if ((z->flags & FLAG_DESCRIPTOR) != 0) {
        const size_t sig = n >= 4 && le32(t) == 0x08074b50U ? 4 : 0;
        if (n < sig + 12) {
            return err_set(e, ERR_SYNTAX, "cut off behind its data");
        }
        crc = le32(t + sig);
        size = le32(t + sig + 8);
        t += sig + 12;
        n -= sig + 12;
    }
    if (crc != z->crc || size != z->out_n) {
        return err_set(e, ERR_SYNTAX, "its CRC or length is another");
    }
    if (n < CENTRAL || le32(t) != 0x02014b50U) {
        return err_set(e, ERR_SYNTAX, "more than one member, or cut off");
    }
    const size_t entry = CENTRAL + le16(t + 28) + le16(t + 30) + le16(t + 32);
    if (n < entry + END_RECORD || le32(t + entry) != 0x06054b50U || le16(t + entry + 10) != 1) {
        return err_set(e, ERR_SYNTAX, "more than one member, or cut off");
    }
    return 0;
}

int zip_end(struct zip *z, struct err *e)
{
    if (z->state != IN_TAIL) {
        return err_set(e, ERR_SYNTAX, "cut off");
    }
    return z->format == ZIP_GZIP ? 0 : check_tail(z, e);
}

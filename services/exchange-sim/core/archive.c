#include "services/exchange-sim/core/archive.h"

#include <string.h>
#include <zlib.h>

// The library's type of that name would collide with our error code.
#define ERR_STATE openssl_err_state
#include <openssl/evp.h>
#undef ERR_STATE

#include "common/base/clock.h"
#include "common/base/mem.h"
#include "common/base/str.h"

#define FOLDER "/data/futures/um/daily/aggTrades/"
#define PIECE 65536
#define LEVEL 1 // of deflate: a day is packed while the market waits

void archive_init(struct archive *a)
{
    a->path[0] = '\0';
    buf_init(&a->zip, ARCHIVE_MAX);
}

void archive_release(struct archive *a)
{
    buf_release(&a->zip);
}

bool archive_is_path(const char *path)
{
    return str_starts(path, "/data/") || str_starts(path, "/trading/");
}

// ---- one ZIP
// -------------------------------------------------------------------------------------

struct packer {
    struct buf *zip;
    z_stream z;
    uint32_t crc, size;
    struct buf text; // rows not yet packed
};

static void put_le(struct buf *b, uint32_t v, int bytes)
{
    for (int i = 0; i < bytes; i++) {
        buf_addc(b, (char)(v >> (8 * i)));
    }
}

// Signature, version, flags (lengths follow the data), deflate, a fixed time.
static void put_head(struct buf *b, uint32_t signature, bool central)
{
    put_le(b, signature, 4);
    if (central) {
        put_le(b, 20, 2);
    }
    put_le(b, 20, 2);
    put_le(b, 8, 2);
    put_le(b, 8, 2);
    put_le(b, 0, 2);
    put_le(b, 33, 2); // 1980-01-01
}

static void pack(struct packer *p, bool last)
{
    unsigned char out[PIECE];
    struct slice rows = {buf_ptr(&p->text), buf_len(&p->text)};
    p->crc = (uint32_t)crc32(p->crc, (const unsigned char *)rows.p, (unsigned)rows.n);
    p->size += (uint32_t)rows.n;
    memcpy(&p->z.next_in, &rows.p, sizeof rows.p); // zlib's field is not const, it only reads
    p->z.avail_in = (unsigned)rows.n;
    do {
        p->z.next_out = out;
        p->z.avail_out = sizeof out;
        (void)deflate(&p->z, last ? Z_FINISH : Z_NO_FLUSH);
        buf_add(p->zip, out, sizeof out - p->z.avail_out);
    } while (p->z.avail_out == 0);
    buf_clear(&p->text);
}

// As the venue's files have them: "77000.00" is 77000.0, "0.200" is 0.2.
static void put_number(struct buf *b, const char *s)
{
    size_t n = strlen(s);
    if (memchr(s, '.', n) != NULL) {
        while (s[n - 1] == '0' && s[n - 2] != '.') {
            n--;
        }
    }
    buf_add(b, s, n);
}

static void put_row(struct buf *b, const struct sim_trade *t)
{
    buf_add_i64(b, t->id);
    buf_addc(b, ',');
    put_number(b, t->price);
    buf_addc(b, ',');
    put_number(b, t->qty);
    buf_addc(b, ',');
    buf_add_i64(b, t->first);
    buf_addc(b, ',');
    buf_add_i64(b, t->last);
    buf_addc(b, ',');
    buf_add_i64(b, t->t_ms);
    buf_adds(b, t->buyer_is_maker ? ",true\n" : ",false\n");
}

// True when the day had a trade.
static bool make_zip(struct archive *a, struct market *m, int lane, int64_t start_ms,
                     const char *name)
{
    struct packer p = {.zip = &a->zip};
    struct sim_trade t;
    uint64_t rows = 0;
    buf_clear(&a->zip);
    buf_init(&p.text, (size_t)2 * PIECE);
    if (deflateInit2(&p.z, LEVEL, Z_DEFLATED, -15, 8, Z_DEFAULT_STRATEGY) != Z_OK) {
        FATAL("zlib: no memory");
    }
    put_head(&a->zip, 0x04034b50U, false);
    put_le(&a->zip, 0, 4);
    put_le(&a->zip, 0, 4);
    put_le(&a->zip, 0, 4);
    put_le(&a->zip, (uint32_t)strlen(name), 2);
    put_le(&a->zip, 0, 2);
    buf_adds(&a->zip, name);
    const size_t data_at = buf_len(&a->zip);
    buf_adds(&p.text, "agg_trade_id,price,quantity,first_trade_id,last_trade_id,transact_time,"
                      "is_buyer_maker\n");
    bool more = m->ops->seek_time(m, lane, start_ms);
    while (more && m->ops->read(m, lane, &t) && t.t_ms < start_ms + MS_PER_DAY) {
        put_row(&p.text, &t);
        rows++;
        if (buf_len(&p.text) >= PIECE) {
            pack(&p, false);
        }
    }
    pack(&p, true);
    deflateEnd(&p.z);
    buf_release(&p.text);
    const uint32_t packed = (uint32_t)(buf_len(&a->zip) - data_at);
    put_le(&a->zip, 0x08074b50U, 4);
    put_le(&a->zip, p.crc, 4);
    put_le(&a->zip, packed, 4);
    put_le(&a->zip, p.size, 4);
    const uint32_t directory = (uint32_t)buf_len(&a->zip);
    put_head(&a->zip, 0x02014b50U, true);
    put_le(&a->zip, p.crc, 4);
    put_le(&a->zip, packed, 4);
    put_le(&a->zip, p.size, 4);
    put_le(&a->zip, (uint32_t)strlen(name), 2);
    for (int i = 0; i < 4; i++) {
        put_le(&a->zip, 0, 2); // extra, comment, disk, inner attributes
    }
    put_le(&a->zip, 0, 4); // outer attributes
    put_le(&a->zip, 0, 4); // the local header lies at 0
    buf_adds(&a->zip, name);
    const uint32_t end = (uint32_t)buf_len(&a->zip);
    put_le(&a->zip, 0x06054b50U, 4);
    put_le(&a->zip, 0, 4);
    put_le(&a->zip, 1, 2);
    put_le(&a->zip, 1, 2);
    put_le(&a->zip, end - directory, 4);
    put_le(&a->zip, directory, 4);
    put_le(&a->zip, 0, 2);
    return rows > 0 && !a->zip.failed;
}

// ---- answers
// -------------------------------------------------------------------------------------

static int absent(struct buf *out, const char **content_type)
{
    *content_type = "application/xml";
    buf_adds(out, "<Error><Code>NoSuchKey</Code><Message>The specified key does not exist."
                  "</Message></Error>");
    return 404;
}

static void put_checksum(const struct archive *a, const char *name, struct buf *out)
{
    unsigned char raw[EVP_MAX_MD_SIZE];
    unsigned n = 0;
    EVP_MD_CTX *c = EVP_MD_CTX_new();
    if (c == NULL || EVP_DigestInit_ex(c, EVP_sha256(), NULL) != 1 ||
        EVP_DigestUpdate(c, buf_ptr(&a->zip), buf_len(&a->zip)) != 1 ||
        EVP_DigestFinal_ex(c, raw, &n) != 1) {
        FATAL("libcrypto: no SHA-256");
    }
    EVP_MD_CTX_free(c);
    for (unsigned i = 0; i < n; i++) {
        buf_addf(out, "%02x", (unsigned)raw[i]);
    }
    buf_addf(out, "  %s\n", name);
}

// Symbol and day of ".../BTCUSDT/BTCUSDT-aggTrades-2026-11-21.zip"; name = the last part.
static bool read_path(const struct market *m, const char *path, int *lane, int64_t *start_ms,
                      const char **name)
{
    char symbol[SIM_SYMBOL_TEXT];
    if (!str_starts(path, FOLDER)) {
        return false;
    }
    const char *p = path + strlen(FOLDER), *slash = strchr(p, '/');
    if (slash == NULL || !str_copyn(symbol, sizeof symbol, p, (size_t)(slash - p))) {
        return false;
    }
    *name = slash + 1;
    const size_t n = strlen(symbol);
    *lane = market_lane_of(m, symbol);
    return *lane >= 0 && strncmp(*name, symbol, n) == 0 && str_starts(*name + n, "-aggTrades-") &&
           strlen(*name) == n + 11 + 10 + 4 && parse_day(*name + n + 11, 10, start_ms) == 0 &&
           str_ends(*name, ".zip");
}

int archive_answer(struct archive *a, struct market *m, int64_t clock_ms, const char *path,
                   struct buf *out, const char **content_type)
{
    char zip_path[sizeof a->path], csv[120];
    const char *name;
    int lane;
    int64_t start_ms;
    const bool checksum = str_ends(path, ".CHECKSUM");
    if (!str_copyn(zip_path, sizeof zip_path, path, strlen(path) - (checksum ? 9 : 0)) ||
        !read_path(m, zip_path, &lane, &start_ms, &name)) {
        return absent(out, content_type);
    }
    // Over, and a trade behind it shows that all of it was released.
    if (start_ms + MS_PER_DAY > clock_ms || !m->ops->seek_time(m, lane, start_ms + MS_PER_DAY)) {
        return absent(out, content_type);
    }
    if (strcmp(a->path, zip_path) != 0) {
        a->path[0] = '\0';
        str_fmt(csv, sizeof csv, "%.*s.csv", (int)(strlen(name) - 4), name);
        if (!make_zip(a, m, lane, start_ms, csv)) {
            return absent(out, content_type);
        }
        str_copy(a->path, sizeof a->path, zip_path);
    }
    if (checksum) {
        *content_type = "text/plain";
        put_checksum(a, name, out);
    } else {
        *content_type = "application/zip";
        buf_add(out, buf_ptr(&a->zip), buf_len(&a->zip));
    }
    return 200;
}

#include "services/exchange-sim/core/archive_file.h"

#include <stdlib.h>
#include <string.h>
#include <zlib.h>

// The library's type of that name would collide with our error code.
#define ERR_STATE openssl_err_state
#include <openssl/evp.h>
#undef ERR_STATE

#include "common/base/clock.h"
#include "common/base/decimal.h"
#include "common/base/mem.h"
#include "common/base/str.h"
#include "services/exchange-sim/core/wire_bybit.h"

#define PIECE 65536
#define LEVEL 1 // of deflate
#define PASSES 7
#define BLOCK_MS 60000 // a file that runs backwards is made of minutes

struct archive_make {
    enum sim_venue venue;
    int lane;
    int64_t start_ms, end_ms;
    struct archive_form form;
    char name[120];
    bool begun;
    int64_t next_id; // where the next step goes on; -1 = at `from_ms`
    int64_t from_ms;
    int pass;
    struct sim_trade *block; // of one minute, for a file that runs backwards
    size_t block_n, block_cap;
    int64_t rows, seen;
    int64_t price_before; // of Bybit's tick direction
    bool up;
    struct buf text, bytes;
    z_stream z;
    uint32_t crc, size;
    size_t data_at;
    EVP_MD_CTX *digest;
    size_t digested;
};

// ---- bytes
// -------------------------------------------------------------------------------------

static void put_le(struct buf *b, uint32_t v, int bytes)
{
    for (int i = 0; i < bytes; i++) {
        buf_addc(b, (char)(v >> (8 * i)));
    }
}

// Signature, version, flags (lengths follow the data), deflate, a time that tells the version.
static void put_head(struct archive_make *k, uint32_t signature, bool central)
{
    struct buf *b = &k->bytes;
    put_le(b, signature, 4);
    if (central) {
        put_le(b, 20, 2);
    }
    put_le(b, 20, 2);
    put_le(b, 8, 2);
    put_le(b, 8, 2);
    put_le(b, (uint32_t)(k->form.version & 31), 2);
    put_le(b, 33, 2); // 1980-01-01
}

static void zip_begin(struct archive_make *k)
{
    put_head(k, 0x04034b50U, false);
    put_le(&k->bytes, 0, 4);
    put_le(&k->bytes, 0, 4);
    put_le(&k->bytes, 0, 4);
    put_le(&k->bytes, (uint32_t)strlen(k->name), 2);
    put_le(&k->bytes, 0, 2);
    buf_adds(&k->bytes, k->name);
    k->data_at = buf_len(&k->bytes);
}

static void zip_end(struct archive_make *k)
{
    struct buf *b = &k->bytes;
    const uint32_t packed = (uint32_t)(buf_len(b) - k->data_at);
    put_le(b, 0x08074b50U, 4);
    put_le(b, k->crc, 4);
    put_le(b, packed, 4);
    put_le(b, k->size, 4);
    const uint32_t directory = (uint32_t)buf_len(b);
    put_head(k, 0x02014b50U, true);
    put_le(b, k->crc, 4);
    put_le(b, packed, 4);
    put_le(b, k->size, 4);
    put_le(b, (uint32_t)strlen(k->name), 2);
    for (int i = 0; i < 4; i++) {
        put_le(b, 0, 2); // extra, comment, disk, inner attributes
    }
    put_le(b, 0, 4); // outer attributes
    put_le(b, 0, 4); // the local header lies at 0
    buf_adds(b, k->name);
    const uint32_t end = (uint32_t)buf_len(b);
    put_le(b, 0x06054b50U, 4);
    put_le(b, 0, 4);
    put_le(b, 1, 2);
    put_le(b, 1, 2);
    put_le(b, end - directory, 4);
    put_le(b, directory, 4);
    put_le(b, 0, 2);
}

static void pack(struct archive_make *k, bool last)
{
    unsigned char out[PIECE];
    struct slice rows = {buf_ptr(&k->text), buf_len(&k->text)};
    k->crc = (uint32_t)crc32(k->crc, (const unsigned char *)rows.p, (unsigned)rows.n);
    k->size += (uint32_t)rows.n;
    memcpy(&k->z.next_in, &rows.p, sizeof rows.p); // zlib's field is not const, it only reads
    k->z.avail_in = (unsigned)rows.n;
    do {
        k->z.next_out = out;
        k->z.avail_out = sizeof out;
        (void)deflate(&k->z, last ? Z_FINISH : Z_NO_FLUSH);
        buf_add(&k->bytes, out, sizeof out - k->z.avail_out);
    } while (k->z.avail_out == 0);
    buf_clear(&k->text);
}

static void digest_new_bytes(struct archive_make *k)
{
    const size_t n = buf_len(&k->bytes);
    if (EVP_DigestUpdate(k->digest, buf_ptr(&k->bytes) + k->digested, n - k->digested) != 1) {
        FATAL("libcrypto: no SHA-256");
    }
    k->digested = n;
}

// ---- rows
// --------------------------------------------------------------------------------------

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

static void binance_row(struct archive_make *k, const struct sim_trade *t)
{
    static const char *const words[][2] = {[ARCHIVE_LOWER] = {"false", "true"},
                                           [ARCHIVE_TITLE] = {"False", "True"},
                                           [ARCHIVE_UPPER] = {"FALSE", "TRUE"}};
    struct buf *b = &k->text;
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
    buf_add_i64(b, k->form.us ? t->t_ms * 1000 + t->id % 1000 : t->t_ms);
    buf_addc(b, ',');
    buf_adds(b, words[k->form.words][t->buyer_is_maker ? 1 : 0]);
    buf_addc(b, '\n');
}

// Seconds with up to four decimals; trailing zeros are not written.
static void put_seconds(struct buf *b, int64_t t_ms, int64_t tenth)
{
    char frac[8];
    str_fmt(frac, sizeof frac, ".%03d%d", (int)(t_ms % 1000), (int)tenth);
    size_t n = 5;
    while (n > 1 && frac[n - 1] == '0') {
        n--;
    }
    buf_add_i64(b, t_ms / 1000);
    buf_add(b, frac, n > 1 ? n : 0);
}

static const char *direction(struct archive_make *k, int64_t price)
{
    const bool same = price == k->price_before;
    k->up = same ? k->up : price > k->price_before;
    k->price_before = price;
    return same ? (k->up ? "ZeroPlusTick" : "ZeroMinusTick") : k->up ? "PlusTick" : "MinusTick";
}

static void bybit_row(struct archive_make *k, const struct market *m, const struct sim_trade *t)
{
    struct buf *b = &k->text;
    struct bybit_trade more;
    char notional[DEC_TEXT];
    int64_t price = 0, qty = 0;
    const struct lane *l = &m->lane[t->lane];
    bybit_trade_of(m, t, &more);
    if (dec_parse(t->price, strlen(t->price), l->price_decimals, &price, NULL) != 0 ||
        dec_parse(t->qty, strlen(t->qty), l->qty_decimals, &qty, NULL) != 0) {
        price = qty = 0; // a recording's own spelling: nobody reads what is made of them
    }
    dec_format(notional, price * qty, l->price_decimals + l->qty_decimals, 1);
    put_seconds(b, t->t_ms, more.seq % 7 + t->id % 3);
    buf_addf(b, ",%s,%s,", l->symbol, t->buyer_is_maker ? "Sell" : "Buy");
    put_number(b, t->qty);
    buf_addc(b, ',');
    put_number(b, t->price);
    buf_addf(b, ",%s,%s,%se+08,", direction(k, price), more.uuid, notional);
    put_number(b, t->qty);
    buf_addf(b, ",%s", notional);
    if (!k->form.no_rpi) {
        buf_addf(b, ",%d", more.rpi ? 1 : 0);
    }
    buf_addc(b, '\n');
}

static void put_row(struct archive_make *k, const struct market *m, const struct sim_trade *t)
{
    if (k->form.drop > 0 && ++k->seen % k->form.drop == 0) {
        return;
    }
    if (k->venue == VENUE_BYBIT) {
        bybit_row(k, m, t);
    } else {
        binance_row(k, t);
    }
    k->rows++;
    if (buf_len(&k->text) >= PIECE) {
        pack(k, false);
    }
}

// ---- slices
// ------------------------------------------------------------------------------------

static bool seek(struct archive_make *k, struct market *m)
{
    return k->next_id < 0 ? m->ops->seek_time(m, k->lane, k->from_ms)
                          : m->ops->seek_id(m, k->lane, k->next_id);
}

// Rows in their order; of a mixed file those whose turn it is. True when the day is at its end.
static bool forward(struct archive_make *k, struct market *m, int64_t rows)
{
    static const int turn[PASSES] = {3, 0, 5, 6, 1, 4, 2};
    struct sim_trade t;
    if (!seek(k, m)) {
        return true;
    }
    while (rows-- > 0) {
        if (!m->ops->read(m, k->lane, &t) || t.t_ms >= k->end_ms) {
            if (k->form.order != ARCHIVE_MIXED || ++k->pass == PASSES) {
                return true;
            }
            k->next_id = -1;
            return false;
        }
        if (k->form.order != ARCHIVE_MIXED || t.id % PASSES == turn[k->pass]) {
            put_row(k, m, &t);
        }
        k->next_id = t.id + 1;
    }
    return false;
}

// Minute by minute from the end; a minute's rows are turned around.
static bool backward(struct archive_make *k, struct market *m, int64_t rows)
{
    struct sim_trade t;
    while (rows > 0) {
        k->end_ms -= BLOCK_MS;
        k->block_n = 0;
        bool more = m->ops->seek_time(m, k->lane, k->end_ms);
        while (more && m->ops->read(m, k->lane, &t) && t.t_ms < k->end_ms + BLOCK_MS) {
            if (k->block_n == k->block_cap) {
                k->block_cap = k->block_cap == 0 ? 1024 : 2 * k->block_cap;
                k->block = xrealloc(k->block, k->block_cap * sizeof *k->block);
            }
            k->block[k->block_n++] = t;
        }
        for (size_t i = k->block_n; i > 0; i--) {
            put_row(k, m, &k->block[i - 1]);
        }
        rows -= (int64_t)k->block_n + 1;
        if (k->end_ms <= k->start_ms) {
            return true;
        }
    }
    return false;
}

static void begin(struct archive_make *k)
{
    if (k->venue == VENUE_BYBIT) {
        // 15 + 16: zlib writes the gzip frame itself.
        if (deflateInit2(&k->z, LEVEL, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) != Z_OK) {
            FATAL("zlib: no memory");
        }
        gz_header head = {.time = (uLong)k->form.version, .os = 3};
        (void)deflateSetHeader(&k->z, &head);
        buf_addf(&k->text,
                 "timestamp,symbol,side,size,price,tickDirection,trdMatchID,grossValue,"
                 "homeNotional,foreignNotional%s\n",
                 k->form.no_rpi ? "" : ",RPI");
        pack(k, false); // the header is borrowed: it has to be out before this returns
        return;
    }
    if (deflateInit2(&k->z, LEVEL, Z_DEFLATED, -15, 8, Z_DEFAULT_STRATEGY) != Z_OK) {
        FATAL("zlib: no memory");
    }
    zip_begin(k);
    if (!k->form.no_header) {
        buf_adds(&k->text, "agg_trade_id,price,quantity,first_trade_id,last_trade_id,"
                           "transact_time,is_buyer_maker\n");
    }
}

bool archive_make_step(struct archive_make *k, struct market *m, int64_t rows)
{
    if (!k->begun) {
        k->begun = true;
        begin(k);
    }
    const bool done = k->form.order == ARCHIVE_DESC && k->venue == VENUE_BYBIT
                          ? backward(k, m, rows)
                          : forward(k, m, rows);
    if (done) {
        pack(k, true);
        if (k->venue != VENUE_BYBIT) {
            zip_end(k);
        }
    }
    digest_new_bytes(k);
    return done;
}

struct archive_make *archive_make_new(enum sim_venue venue, int lane, int64_t start_ms,
                                      const struct archive_form *form, const char *csv_name)
{
    struct archive_make *k = xcalloc(1, sizeof *k);
    k->venue = venue;
    k->lane = lane;
    k->start_ms = k->from_ms = start_ms;
    k->end_ms = start_ms + MS_PER_DAY;
    k->form = *form;
    if (venue != VENUE_BYBIT && form->order != ARCHIVE_ASC) {
        k->form.order = ARCHIVE_ASC; // Binance's files are sorted
    }
    k->next_id = -1;
    str_copy(k->name, sizeof k->name, csv_name);
    buf_init(&k->text, (size_t)2 * PIECE);
    buf_init(&k->bytes, ARCHIVE_MAX);
    k->digest = EVP_MD_CTX_new();
    if (k->digest == NULL || EVP_DigestInit_ex(k->digest, EVP_sha256(), NULL) != 1) {
        FATAL("libcrypto: no SHA-256");
    }
    return k;
}

void archive_make_free(struct archive_make *k)
{
    if (k == NULL) {
        return;
    }
    if (k->begun) {
        deflateEnd(&k->z);
    }
    EVP_MD_CTX_free(k->digest);
    buf_release(&k->text);
    buf_release(&k->bytes);
    free(k->block);
    free(k);
}

int64_t archive_make_take(struct archive_make *k, struct buf *bytes, char sha256[ARCHIVE_DIGEST])
{
    unsigned char raw[EVP_MAX_MD_SIZE];
    unsigned n = 0;
    if (EVP_DigestFinal_ex(k->digest, raw, &n) != 1) {
        FATAL("libcrypto: no SHA-256");
    }
    raw[0] ^= k->form.bad_checksum ? 1 : 0;
    for (unsigned i = 0; i < n && 2 * i + 2 < ARCHIVE_DIGEST; i++) {
        str_fmt(sha256 + (size_t)2 * i, 3, "%02x", (unsigned)raw[i]);
    }
    *bytes = k->bytes;
    buf_init(&k->bytes, ARCHIVE_MAX);
    return bytes->failed ? 0 : k->rows;
}

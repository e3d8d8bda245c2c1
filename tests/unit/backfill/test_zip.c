#include "services/backfill/core/zip.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <zlib.h>

#include "common/base/buf.h"
#include "common/base/str.h"
#include "services/backfill/core/digest.h"

static void le(struct buf *b, uint32_t v, int n)
{
    for (int i = 0; i < n; i++) {
        buf_addc(b, (char)(v >> (8 * i)));
    }
}

// An archive with one member; descriptor: lengths and CRC behind the data.
static void make(struct buf *b, const char *text, size_t n, bool deflated, bool descriptor)
{
    uint32_t crc = (uint32_t)crc32(0, (const unsigned char *)text, (unsigned)n);
    uLongf packed = compressBound(n) + 64;
    unsigned char *data = malloc(packed);
    z_stream z = {0};
    deflateInit2(&z, 6, Z_DEFLATED, -15, 8, Z_DEFAULT_STRATEGY);
    z.next_in = (unsigned char *)(uintptr_t)text;
    z.avail_in = (unsigned)n;
    z.next_out = data;
    z.avail_out = (unsigned)packed;
    deflate(&z, Z_FINISH);
    packed = deflated ? z.total_out : n;
    if (!deflated) {
        memcpy(data, text, n);
    }
    deflateEnd(&z);
    const char *name = "a.csv";
    buf_init(b, 16 << 20);
    le(b, 0x04034b50, 4);
    le(b, 20, 2);
    le(b, descriptor ? 8 : 0, 2);
    le(b, deflated ? 8 : 0, 2);
    le(b, 0, 4);
    le(b, descriptor ? 0 : crc, 4);
    le(b, descriptor ? 0 : (uint32_t)packed, 4);
    le(b, descriptor ? 0 : (uint32_t)n, 4);
    le(b, 5, 2);
    le(b, 0, 2);
    buf_adds(b, name);
    buf_add(b, data, packed);
    if (descriptor) {
        le(b, 0x08074b50, 4);
        le(b, crc, 4);
        le(b, (uint32_t)packed, 4);
        le(b, (uint32_t)n, 4);
    }
    uint32_t at = (uint32_t)buf_len(b);
    le(b, 0x02014b50, 4);
    le(b, 20, 2);
    le(b, 20, 2);
    le(b, 0, 2);
    le(b, 8, 2);
    le(b, 0, 4);
    le(b, crc, 4);
    le(b, (uint32_t)packed, 4);
    le(b, (uint32_t)n, 4);
    le(b, 5, 2);
    le(b, 0, 4);
    le(b, 0, 4);
    le(b, 0, 4);
    le(b, 0, 4);
    buf_adds(b, name);
    uint32_t end = (uint32_t)buf_len(b);
    le(b, 0x06054b50, 4);
    le(b, 0, 4);
    le(b, 1, 2);
    le(b, 1, 2);
    le(b, end - at, 4);
    le(b, at, 4);
    le(b, 0, 2);
    free(data);
}

static int keep(void *arg, const char *p, size_t n, struct err *e)
{
    (void)e;
    buf_add(arg, p, n);
    return 0;
}

static int unpack(enum zip_format f, const char *p, size_t n, size_t piece, uint64_t max,
                  struct buf *out, struct err *e)
{
    buf_init(out, 16 << 20);
    struct zip *z = zip_new(f, max, keep, out);
    int rc = 0;
    for (size_t at = 0; rc == 0 && at < n; at += piece) {
        rc = zip_feed(z, p + at, n - at < piece ? n - at : piece, e);
    }
    rc = rc != 0 ? rc : zip_end(z, e);
    zip_free(z);
    return rc;
}

static char *rows(size_t *n)
{
    struct buf b;
    buf_init(&b, 4 << 20);
    for (int i = 0; i < 20000; i++) {
        buf_addf(&b, "%d,61000.%d,0.%03d,1,2,17000000%05d,%s\n", i, i % 10, i * 7 % 1000, i,
                 i % 3 != 0 ? "true" : "false");
    }
    *n = buf_len(&b);
    return b.data;
}

Test(zip, gives_back_what_was_packed_however_it_comes)
{
    size_t n;
    char *text = rows(&n);
    for (int how = 0; how < 3; how++) {
        struct buf zip, out;
        struct err e = {0};
        make(&zip, text, n, how != 2, how == 1);
        for (size_t piece = 1; piece < 300000; piece = piece * 13 + 1) {
            cr_assert_eq(unpack(ZIP_MEMBER, buf_ptr(&zip), buf_len(&zip), piece, 1 << 30, &out, &e),
                         0, "%d %zu %s", how, piece, e.text);
            cr_assert_eq(buf_len(&out), n);
            cr_assert_eq(memcmp(buf_ptr(&out), text, n), 0);
            buf_release(&out);
        }
        buf_release(&zip);
    }
    free(text);
}

Test(zip, every_cut_and_every_flipped_byte_of_the_data_is_refused)
{
    size_t n;
    char *text = rows(&n);
    struct buf zip, out;
    struct err e = {0};
    make(&zip, text, n, true, false);
    const size_t all = buf_len(&zip);
    for (size_t cut = 0; cut < all; cut += cut < 200 || all - cut < 200 ? 1 : 997) {
        cr_assert_lt(unpack(ZIP_MEMBER, buf_ptr(&zip), cut, 4096, 1 << 30, &out, &e), 0, "%zu",
                     cut);
        buf_release(&out);
    }
    for (size_t at = 35; at + 100 < all; at += 911) {
        zip.data[at] ^= 0x10;
        cr_assert_lt(unpack(ZIP_MEMBER, buf_ptr(&zip), all, 4096, 1 << 30, &out, &e), 0, "%zu", at);
        buf_release(&out);
        zip.data[at] ^= 0x10;
    }
    cr_assert_lt(unpack(ZIP_MEMBER, buf_ptr(&zip), all, 4096, n - 1, &out, &e), 0,
                 "larger than allowed");
    buf_release(&out);
    buf_release(&zip);
    free(text);
}

Test(zip, two_members_are_refused)
{
    struct buf one, out;
    struct err e = {0};
    make(&one, "a\n", 2, true, false);
    struct buf two;
    buf_init(&two, 1 << 20);
    buf_add(&two, buf_ptr(&one), 35 + 4);
    buf_add(&two, buf_ptr(&one), buf_len(&one));
    cr_assert_lt(unpack(ZIP_MEMBER, buf_ptr(&two), buf_len(&two), 64, 1 << 20, &out, &e), 0);
    buf_release(&out);
    buf_release(&one);
    buf_release(&two);
}

Test(zip, gzip_with_its_own_crc)
{
    size_t n;
    char *text = rows(&n);
    struct err e = {0};
    struct buf out;
    unsigned char *gz = malloc(n);
    z_stream z = {0};
    deflateInit2(&z, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY);
    z.next_in = (unsigned char *)text;
    z.avail_in = (unsigned)n;
    z.next_out = gz;
    z.avail_out = (unsigned)n;
    deflate(&z, Z_FINISH);
    const size_t len = z.total_out;
    deflateEnd(&z);
    cr_assert_eq(unpack(ZIP_GZIP, (char *)gz, len, 1000, 1 << 30, &out, &e), 0, "%s", e.text);
    cr_assert_eq(buf_len(&out), n);
    buf_release(&out);
    cr_assert_lt(unpack(ZIP_GZIP, (char *)gz, len - 1, 1000, 1 << 30, &out, &e), 0);
    buf_release(&out);
    gz[len - 6] ^= 1;
    cr_assert_lt(unpack(ZIP_GZIP, (char *)gz, len, 1000, 1 << 30, &out, &e), 0);
    buf_release(&out);
    free(gz);
    free(text);
}

Test(digest, sha256_and_its_file)
{
    char hex[DIGEST_HEX], want[DIGEST_HEX];
    struct digest *d = digest_new();
    digest_add(d, "ab", 2);
    digest_add(d, "c", 1);
    digest_end_free(d, hex);
    cr_assert_str_eq(hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    char file[160];
    str_fmt(file, sizeof file, "%s  X-1.zip\n", hex);
    cr_assert(checksum_of(file, strlen(file), "X-1.zip", want));
    cr_assert_str_eq(want, hex);
    cr_assert(!checksum_of(file, strlen(file), "X-2.zip", want));
    cr_assert(!checksum_of(file, 40, "X-1.zip", want));
    cr_assert(!checksum_of("<html>", 6, "X-1.zip", want));
}

// RFC 4231, case 2; and the example in the venue's own documentation.
Test(digest, signatures)
{
    char hex[DIGEST_HEX];
    sign_hmac("Jefe", "what do ya want for nothing?", 28, hex);
    cr_assert_str_eq(hex, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    const char *query = "symbol=LTCBTC&side=BUY&type=LIMIT&timeInForce=GTC&quantity=1&price=0.1&"
                        "recvWindow=5000&timestamp=1499827319559";
    const char *secret = "NhqPtmdSJYdKjVHjA7PZj4Mge3R5YNiP1e3UZjInClVN65XAbvqqM6A7H5fATj0j";
    sign_hmac(secret, query, strlen(query), hex);
    cr_assert_str_eq(hex, "c8db56825ae71d6d79447849e617115f4a920fa2acdcab2b053c4b2838bd6b71");
    struct buf b;
    buf_init(&b, 4096);
    buf_adds(&b, "symbol=LTCBTC&side=BUY&type=LIMIT&timeInForce=GTC&quantity=1&price=0.1");
    sign_binance(&b, secret, 1499827319559, 5000);
    cr_assert(str_ends(buf_cstr(&b), hex));
    buf_release(&b);
    char other[DIGEST_HEX];
    sign_bybit("KEY", "SECRET", 1658384314791, 5000, "category=linear&symbol=BTCUSDT", hex);
    sign_hmac("SECRET", "1658384314791KEY5000category=linear&symbol=BTCUSDT", 50, other);
    cr_assert_str_eq(hex, other);
}

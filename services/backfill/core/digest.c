#include "services/backfill/core/digest.h"

// The library's type of that name would collide with our error code.
#define ERR_STATE openssl_err_state
#include <openssl/evp.h>
#include <openssl/hmac.h>
#undef ERR_STATE

#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/base/str.h"

static void to_hex(const unsigned char *p, size_t n, char *out)
{
    static const char digit[] = "0123456789abcdef";
    for (size_t i = 0; i < n; i++) {
        out[2 * i] = digit[p[i] >> 4];
        out[2 * i + 1] = digit[p[i] & 15];
    }
    out[2 * n] = '\0';
}

struct digest {
    EVP_MD_CTX *ctx;
};

struct digest *digest_new(void)
{
    struct digest *d = xcalloc(1, sizeof *d);
    d->ctx = EVP_MD_CTX_new();
    if (d->ctx == NULL || EVP_DigestInit_ex(d->ctx, EVP_sha256(), NULL) != 1) {
        FATAL("libcrypto: no SHA-256");
    }
    return d;
}

void digest_add(struct digest *d, const void *bytes, size_t n)
{
    if (EVP_DigestUpdate(d->ctx, bytes, n) != 1) {
        FATAL("libcrypto: SHA-256 failed");
    }
}

void digest_end_free(struct digest *d, char hex[DIGEST_HEX])
{
    unsigned char raw[EVP_MAX_MD_SIZE];
    unsigned n = 0;
    if (d == NULL) {
        return;
    }
    if (EVP_DigestFinal_ex(d->ctx, raw, &n) != 1 || n != 32) {
        FATAL("libcrypto: SHA-256 failed");
    }
    EVP_MD_CTX_free(d->ctx);
    free(d);
    if (hex != NULL) {
        to_hex(raw, n, hex);
    }
}

void sign_hmac(const char *secret, const char *text, size_t n, char hex[DIGEST_HEX])
{
    unsigned char raw[EVP_MAX_MD_SIZE];
    unsigned len = 0;
    if (HMAC(EVP_sha256(), secret, (int)strlen(secret), (const unsigned char *)text, n, raw,
             &len) == NULL ||
        len != 32) {
        FATAL("libcrypto: HMAC failed");
    }
    to_hex(raw, len, hex);
}

void sign_binance(struct buf *query, const char *secret, int64_t timestamp_ms,
                  int64_t recv_window_ms)
{
    char hex[DIGEST_HEX];
    buf_addf(query, "%srecvWindow=%lld&timestamp=%lld", buf_len(query) > 0 ? "&" : "",
             (long long)recv_window_ms, (long long)timestamp_ms);
    sign_hmac(secret, buf_ptr(query), buf_len(query), hex);
    buf_adds(query, "&signature=");
    buf_adds(query, hex);
}

void sign_bybit(const char *key, const char *secret, int64_t timestamp_ms, int64_t recv_window_ms,
                const char *query, char hex[DIGEST_HEX])
{
    struct buf b;
    buf_init(&b, 8192);
    buf_add_i64(&b, timestamp_ms);
    buf_adds(&b, key);
    buf_add_i64(&b, recv_window_ms);
    buf_adds(&b, query);
    sign_hmac(secret, buf_ptr(&b), buf_len(&b), hex);
    buf_release(&b);
}

bool checksum_of(const char *text, size_t n, const char *name, char hex[DIGEST_HEX])
{
    const size_t len = strlen(name);
    for (size_t i = 0; i < 64; i++) {
        if (i >= n) {
            return false;
        }
        const char c = text[i];
        const bool upper = c >= 'A' && c <= 'F';
        if (!(c >= '0' && c <= '9') && !(c >= 'a' && c <= 'f') && !upper) {
            return false;
        }
        hex[i] = upper ? (char)(c + 32) : c;
    }
    hex[64] = '\0';
    // Two blanks, or a blank and "*" for binary mode, then the name.
    return n >= 66 + len && text[64] == ' ' && memcmp(text + 66, name, len) == 0 &&
           (n == 66 + len || text[66 + len] == '\n' || text[66 + len] == '\r');
}

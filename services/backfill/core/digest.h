#ifndef BACKFILL_DIGEST_H
#define BACKFILL_DIGEST_H
// SHA-256 of archives and HMAC-SHA-256 of signed requests, by libcrypto, and the text that the two
// venues want signed.
//
//   Binance  signature = HMAC(secret, query), appended to it as "&signature=<hex>";
//            header X-MBX-APIKEY
//   Bybit    signature = HMAC(secret, timestamp + key + recv_window + query) of a GET;
//            headers X-BAPI-API-KEY, -TIMESTAMP, -SIGN, -RECV-WINDOW
//   both     lower-case hex

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/buf.h"

#define DIGEST_HEX 65 // 64 digits and a NUL

struct digest; // SHA-256 under way
struct digest *digest_new(void);
void digest_add(struct digest *d, const void *bytes, size_t n);
void digest_end_free(struct digest *d, char hex[DIGEST_HEX]); // hex may be NULL

void sign_hmac(const char *secret, const char *text, size_t n, char hex[DIGEST_HEX]);
// Appends "&timestamp=..&recvWindow=..&signature=.." to the query ("a=1&b=2").
void sign_binance(struct buf *query, const char *secret, int64_t timestamp_ms,
                  int64_t recv_window_ms);
void sign_bybit(const char *key, const char *secret, int64_t timestamp_ms, int64_t recv_window_ms,
                const char *query, char hex[DIGEST_HEX]);

// The digest in a file as sha256sum writes it ("<64 hex>  <name>"), when it names `name`.
bool checksum_of(const char *text, size_t n, const char *name, char hex[DIGEST_HEX]);

#endif

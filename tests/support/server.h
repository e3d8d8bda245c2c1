#ifndef SUPPORT_SERVER_H
#define SUPPORT_SERVER_H
// A scripted server on 127.0.0.1 in the test's own loop, plain or TLS: the test says byte by byte
// what it answers, so that it can also answer wrongly.

#include <stdbool.h>
#include <stddef.h>

#include "common/io/loop.h"

struct server;
struct conn;
struct server_opts {
    struct loop *loop;
    const char *cert, *key; // PEM files; NULL = plain
    // Everything received and not consumed so far. Returns how many bytes were consumed.
    size_t (*on_data)(void *arg, struct conn *c, const char *p, size_t n);
    void (*on_gone)(void *arg, int id); // a client closed; may be NULL
    void *arg;
};
struct server *server_new(const struct server_opts *o);
void server_free(struct server *s);
int server_port(const struct server *s);
int server_accepted(const struct server *s); // connections so far
void server_drop_all(struct server *s);      // closes every connection

int conn_id(const struct conn *c); // 1 for the first
int *conn_state(struct conn *c);   // 0 at the start, for the test's use
void conn_write(struct conn *c, const char *p, size_t n);
void conn_puts(struct conn *c, const char *s);
void conn_close(struct conn *c);              // after what was written is sent
void conn_drop(struct conn *c);               // at once
struct conn *server_newest(struct server *s); // NULL when none is open

// Length of an HTTP head that ends in an empty line; 0 = not complete.
size_t http_head(const char *p, size_t n);
// Answers the upgrade of a WebSocket client. `extra`: more header lines, or "".
void conn_ws_accept(struct conn *c, const char *head, size_t n, const char *extra);
void conn_ws_frame(struct conn *c, bool fin, int opcode, const char *p, size_t n);
// One masked frame of a client (payload < 64 KiB, unmasked into out[65536]): its whole length, 0
// when it is not complete.
size_t ws_unframe(const char *p, size_t n, int *opcode, char *out, size_t *len);

// A throw-away CA and a certificate for 127.0.0.1 and localhost, made by the openssl program.
struct tls_files {
    char dir[128];
    char ca[160], cert[160], key[160];
    char other_ca[160]; // a CA that signed nothing
};
void tls_files_make(struct tls_files *t);
void tls_files_remove(const struct tls_files *t);

#endif

// openssl has a type of the name of one of our error codes: it comes first, under another name.
#define ERR_STATE openssl_err_state
#include <openssl/evp.h>
#include <openssl/sha.h>
#include <openssl/ssl.h>
#undef ERR_STATE

#include "tests/support/server.h"

#include <arpa/inet.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/bufferevent_ssl.h>
#include <event2/listener.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/base/mem.h"
#include "common/base/str.h"

struct server {
    struct server_opts o;
    struct evconnlistener *listener;
    SSL_CTX *tls;
    struct conn *all;
    int port, accepted;
};

struct conn {
    struct server *s;
    struct conn *prev, *next;
    struct bufferevent *bev;
    int id, state;
    bool closing, dropped;
    int busy;
};

static void free_conn(struct conn *c)
{
    if (c->busy) {
        c->dropped = true;
        return;
    }
    if (c->prev) {
        c->prev->next = c->next;
    } else {
        c->s->all = c->next;
    }
    if (c->next) {
        c->next->prev = c->prev;
    }
    bufferevent_free(c->bev);
    free(c);
}

static void read_cb(struct bufferevent *bev, void *arg)
{
    struct conn *c = arg;
    struct evbuffer *in = bufferevent_get_input(bev);
    c->busy++;
    for (;;) {
        size_t n = evbuffer_get_length(in);
        if (n == 0 || c->dropped || c->closing) {
            break;
        }
        size_t used = c->s->o.on_data(c->s->o.arg, c, (char *)evbuffer_pullup(in, -1), n);
        if (used == 0) {
            break;
        }
        evbuffer_drain(in, used);
    }
    c->busy--;
    if (c->dropped) {
        free_conn(c);
    }
}

static void write_cb(struct bufferevent *bev, void *arg)
{
    struct conn *c = arg;
    if (c->closing && evbuffer_get_length(bufferevent_get_output(bev)) == 0) {
        free_conn(c);
    }
}

static void event_cb(struct bufferevent *bev, short what, void *arg)
{
    (void)bev;
    struct conn *c = arg;
    if (what & (BEV_EVENT_EOF | BEV_EVENT_ERROR)) {
        struct server *s = c->s;
        int id = c->id;
        free_conn(c);
        if (s->o.on_gone) {
            s->o.on_gone(s->o.arg, id);
        }
    }
}

static void accept_cb(struct evconnlistener *l, evutil_socket_t fd, struct sockaddr *addr, int len,
                      void *arg)
{
    (void)l;
    (void)addr;
    (void)len;
    struct server *s = arg;
    struct conn *c = xcalloc(1, sizeof *c);
    c->s = s;
    c->id = ++s->accepted;
    c->bev = s->tls
                 ? bufferevent_openssl_socket_new(s->o.loop->base, fd, SSL_new(s->tls),
                                                  BUFFEREVENT_SSL_ACCEPTING, BEV_OPT_CLOSE_ON_FREE)
                 : bufferevent_socket_new(s->o.loop->base, fd, BEV_OPT_CLOSE_ON_FREE);
    c->next = s->all;
    if (c->next) {
        c->next->prev = c;
    }
    s->all = c;
    bufferevent_setcb(c->bev, read_cb, write_cb, event_cb, c);
    bufferevent_enable(c->bev, EV_READ | EV_WRITE);
}

struct server *server_new(const struct server_opts *o)
{
    struct server *s = xcalloc(1, sizeof *s);
    s->o = *o;
    if (o->cert) {
        s->tls = SSL_CTX_new(TLS_server_method());
        if (!s->tls || SSL_CTX_use_certificate_file(s->tls, o->cert, SSL_FILETYPE_PEM) != 1 ||
            SSL_CTX_use_PrivateKey_file(s->tls, o->key, SSL_FILETYPE_PEM) != 1) {
            FATAL("server: cannot load %s", o->cert);
        }
    }
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    s->listener = evconnlistener_new_bind(o->loop->base, accept_cb, s, LEV_OPT_CLOSE_ON_FREE, 16,
                                          (const struct sockaddr *)(const void *)&a, (int)sizeof a);
    socklen_t len = sizeof a;
    if (!s->listener ||
        getsockname(evconnlistener_get_fd(s->listener), (struct sockaddr *)(void *)&a, &len)) {
        FATAL("server: cannot listen");
    }
    s->port = ntohs(a.sin_port);
    return s;
}

void server_drop_all(struct server *s)
{
    struct conn *next;
    for (struct conn *c = s->all; c; c = next) {
        next = c->next;
        free_conn(c);
    }
}

void server_free(struct server *s)
{
    server_drop_all(s);
    evconnlistener_free(s->listener);
    SSL_CTX_free(s->tls);
    free(s);
}

int server_port(const struct server *s)
{
    return s->port;
}

int server_accepted(const struct server *s)
{
    return s->accepted;
}

struct conn *server_newest(struct server *s)
{
    return s->all;
}

int conn_id(const struct conn *c)
{
    return c->id;
}

int *conn_state(struct conn *c)
{
    return &c->state;
}

void conn_write(struct conn *c, const char *p, size_t n)
{
    bufferevent_write(c->bev, p, n);
}

void conn_puts(struct conn *c, const char *s)
{
    conn_write(c, s, strlen(s));
}

void conn_close(struct conn *c)
{
    c->closing = true;
    if (evbuffer_get_length(bufferevent_get_output(c->bev)) == 0) {
        free_conn(c);
    }
}

void conn_drop(struct conn *c)
{
    free_conn(c);
}

// ---- HTTP and WebSocket ------------------------------------------------------------------------

size_t http_head(const char *p, size_t n)
{
    const char *end = memmem(p, n, "\r\n\r\n", 4);
    return end ? (size_t)(end - p) + 4 : 0;
}

void conn_ws_accept(struct conn *c, const char *head, size_t n, const char *extra)
{
    static const char name[] = "sec-websocket-key:";
    char key[128] = "";
    for (const char *line = head; line && line < head + n;) {
        if ((size_t)(head + n - line) > sizeof name &&
            strncasecmp(line, name, sizeof name - 1) == 0) {
            line += sizeof name - 1;
            line += strspn(line, " ");
            str_copyn(key, sizeof key, line, strcspn(line, "\r\n"));
            break;
        }
        line = memchr(line, '\n', (size_t)(head + n - line));
        line = line ? line + 1 : NULL;
    }
    char text[256];
    unsigned char hash[SHA_DIGEST_LENGTH];
    unsigned char accept[64];
    str_fmt(text, sizeof text, "%s258EAFA5-E914-47DA-95CA-C5AB0DC85B11", key);
    SHA1((const unsigned char *)text, strlen(text), hash);
    EVP_EncodeBlock(accept, hash, sizeof hash);
    char answer[1024];
    str_fmt(answer, sizeof answer,
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
            "Connection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n%s\r\n",
            (const char *)accept, extra);
    conn_puts(c, answer);
}

void conn_ws_frame(struct conn *c, bool fin, int opcode, const char *p, size_t n)
{
    unsigned char h[10];
    size_t hn = 2;
    h[0] = (unsigned char)((fin ? 0x80 : 0) | opcode);
    if (n < 126) {
        h[1] = (unsigned char)n;
    } else if (n < 65536) {
        h[1] = 126;
        h[2] = (unsigned char)(n >> 8);
        h[3] = (unsigned char)n;
        hn = 4;
    } else {
        h[1] = 127;
        for (int i = 0; i < 8; i++) {
            h[2 + i] = (unsigned char)((uint64_t)n >> (56 - 8 * i));
        }
        hn = 10;
    }
    bufferevent_write(c->bev, h, hn);
    bufferevent_write(c->bev, p, n);
}

size_t ws_unframe(const char *p, size_t n, int *opcode, char *out, size_t *len)
{
    const unsigned char *u = (const unsigned char *)p;
    size_t at = 2;
    if (n < 2) {
        return 0;
    }
    size_t body = u[1] & 0x7f;
    if (body == 126) {
        if (n < 4) {
            return 0;
        }
        body = (size_t)u[2] << 8 | u[3];
        at = 4;
    }
    if (n < at + 4 + body) {
        return 0;
    }
    for (size_t i = 0; i < body; i++) {
        out[i] = (char)(u[at + 4 + i] ^ u[at + i % 4]);
    }
    *opcode = u[0] & 0x0f;
    *len = body;
    return at + 4 + body;
}

// ---- TLS ---------------------------------------------------------------------------------------

static void shell(const char *cmd)
{
    if (system(cmd) != 0) {
        FATAL("failed: %s", cmd);
    }
}

void tls_files_make(struct tls_files *t)
{
    const char *tmp = getenv("TMPDIR");
    str_fmt(t->dir, sizeof t->dir, "%s/bc4-tls-XXXXXX", tmp && tmp[0] ? tmp : "/tmp");
    if (!mkdtemp(t->dir)) {
        FATAL("cannot make %s", t->dir);
    }
    str_fmt(t->ca, sizeof t->ca, "%s/ca.pem", t->dir);
    str_fmt(t->cert, sizeof t->cert, "%s/cert.pem", t->dir);
    str_fmt(t->key, sizeof t->key, "%s/key.pem", t->dir);
    str_fmt(t->other_ca, sizeof t->other_ca, "%s/other.pem", t->dir);
    char cmd[2048];
    str_fmt(cmd, sizeof cmd,
            "cd %s && exec 2>log && new='openssl req -x509 -newkey ec -pkeyopt "
            "ec_paramgen_curve:prime256v1 -nodes -days 2' && "
            "$new -subj /CN=test-ca -keyout ca.key -out ca.pem && "
            "$new -subj /CN=other-ca -keyout other.key -out other.pem && "
            "openssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj "
            "/CN=127.0.0.1 -keyout key.pem -out csr.pem && "
            "echo 'subjectAltName=IP:127.0.0.1,DNS:localhost' > ext && "
            "openssl x509 -req -in csr.pem -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 "
            "-extfile ext -out cert.pem",
            t->dir);
    shell(cmd);
}

void tls_files_remove(const struct tls_files *t)
{
    char cmd[200];
    str_fmt(cmd, sizeof cmd, "rm -r '%s'", t->dir);
    shell(cmd);
}

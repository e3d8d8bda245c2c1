#include "services/api/core/wsproto.h"

#include <string.h>

#include "common/base/str.h"

#define HEAD_MAX 14
#define CONTROL_MAX 125

void wsin_init(struct wsin *w, size_t max)
{
    *w = (struct wsin){.max = max};
    buf_init(&w->raw, max + HEAD_MAX + CONTROL_MAX);
    buf_init(&w->msg, max + 1);
}

void wsin_release(struct wsin *w)
{
    buf_release(&w->raw);
    buf_release(&w->msg);
}

char *wsin_room(struct wsin *w, size_t *n)
{
    const size_t most = w->raw.max - buf_len(&w->raw);
    *n = most < 4096 ? most : 4096;
    return *n == 0 ? NULL : buf_reserve(&w->raw, *n);
}

void wsin_took(struct wsin *w, size_t n)
{
    buf_commit(&w->raw, n);
}

struct frame_head {
    bool fin;
    unsigned op;
    size_t head; // bytes before the payload
    uint64_t len;
    const unsigned char *mask;
};

// 1 = whole head, 0 = more bytes, < 0 = close code.
static int parse_head(const unsigned char *p, size_t n, struct frame_head *h)
{
    if (n < 2) {
        return 0;
    }
    if ((p[0] & 0x70) != 0 || (p[1] & 0x80) == 0) {
        return -WS_PROTOCOL; // a reserved bit, or a client that does not mask
    }
    h->fin = (p[0] & 0x80) != 0;
    h->op = p[0] & 0x0fu;
    h->len = p[1] & 0x7fu;
    size_t at = 2;
    const size_t wide = h->len == 126 ? 2 : h->len == 127 ? 8 : 0;
    if (n < at + wide + 4) {
        return 0;
    }
    if (wide > 0) {
        h->len = 0;
        for (size_t i = 0; i < wide; i++) {
            h->len = h->len << 8 | p[at + i];
        }
        at += wide;
    }
    h->mask = p + at;
    h->head = at + 4;
    if (h->op >= 8 && (!h->fin || h->len > CONTROL_MAX)) {
        return -WS_PROTOCOL;
    }
    return 1;
}

static void unmask(char *out, const unsigned char *in, size_t n, const unsigned char mask[4])
{
    for (size_t i = 0; i < n; i++) {
        out[i] = (char)(in[i] ^ mask[i & 3]);
    }
}

// A control frame may stand between the fragments of a message, so it has a place of its own.
static int take_control(struct wsin *w, const struct frame_head *h, const unsigned char *payload,
                        enum ws_op *op, const char **p, size_t *n)
{
    char *own = (char *)(w->raw.data + w->raw.head);
    if (h->op != WS_CLOSE && h->op != WS_PING && h->op != WS_PONG) {
        return -WS_PROTOCOL;
    }
    unmask(own, payload, (size_t)h->len, h->mask); // moves towards the front, over the head
    *op = (enum ws_op)h->op;
    *p = own;
    *n = (size_t)h->len;
    buf_consume(&w->raw, h->head + (size_t)h->len);
    return 1;
}

static bool is_utf8(const char *s, size_t n)
{
    for (size_t i = 0; i < n;) {
        const size_t step = utf8_len(s + i, n - i);
        if (step == 0) {
            return false;
        }
        i += step;
    }
    return true;
}

int wsin_next(struct wsin *w, enum ws_op *op, const char **p, size_t *n)
{
    for (;;) {
        const unsigned char *raw = (const unsigned char *)buf_ptr(&w->raw);
        const size_t have = buf_len(&w->raw);
        struct frame_head h;
        const int rc = parse_head(raw, have, &h);
        if (rc <= 0) {
            return rc;
        }
        if (!w->in_message && h.op < 8) {
            buf_clear(&w->msg);
        }
        if (h.op < 8 && h.len > w->max - buf_len(&w->msg)) {
            return -WS_TOO_BIG;
        }
        if (have - h.head < h.len) {
            return 0;
        }
        if (h.op >= 8) {
            return take_control(w, &h, raw + h.head, op, p, n);
        }
        if (h.op == 2) {
            return -WS_UNSUPPORTED; // only text is spoken here
        }
        if ((h.op == WS_TEXT) == w->in_message || h.op > WS_TEXT) {
            return -WS_PROTOCOL; // a message inside a message, or a rest without a beginning
        }
        char *to = buf_reserve(&w->msg, (size_t)h.len);
        if (to == NULL) {
            return -WS_TOO_BIG;
        }
        unmask(to, raw + h.head, (size_t)h.len, h.mask);
        buf_commit(&w->msg, (size_t)h.len);
        buf_consume(&w->raw, h.head + (size_t)h.len);
        w->in_message = !h.fin;
        if (h.fin) {
            if (!is_utf8(buf_ptr(&w->msg), buf_len(&w->msg))) {
                return -WS_BAD_TEXT;
            }
            *op = WS_TEXT;
            *p = buf_ptr(&w->msg);
            *n = buf_len(&w->msg);
            return 1;
        }
    }
}

void ws_add_head(struct buf *out, enum ws_op op, size_t n)
{
    unsigned char head[10];
    size_t at = 2;
    head[0] = (unsigned char)(0x80u | (unsigned)op);
    if (n < 126) {
        head[1] = (unsigned char)n;
    } else if (n < 65536) {
        head[1] = 126;
        head[2] = (unsigned char)(n >> 8);
        head[3] = (unsigned char)n;
        at = 4;
    } else {
        head[1] = 127;
        for (size_t i = 0; i < 8; i++) {
            head[2 + i] = (unsigned char)((uint64_t)n >> (8 * (7 - i)));
        }
        at = 10;
    }
    buf_add(out, head, at);
}

void ws_add_close(struct buf *out, int code, const char *why)
{
    const size_t n = strlen(why) < CONTROL_MAX - 2 ? strlen(why) : CONTROL_MAX - 2;
    ws_add_head(out, WS_CLOSE, n + 2);
    buf_addc(out, (char)(code >> 8));
    buf_addc(out, (char)code);
    buf_add(out, why, n);
}

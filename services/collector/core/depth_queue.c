#include "services/collector/core/depth_queue.h"

#include <string.h>

#define FIELDS 7
#define VARINT_MAX 10

static void put(char **p, uint64_t v)
{
    while (v > 0x7f) {
        *(*p)++ = (char)(0x80 | (v & 0x7f));
        v >>= 7;
    }
    *(*p)++ = (char)v;
}

static uint64_t get(const char **p)
{
    uint64_t v = 0;
    for (int shift = 0;; shift += 7) {
        const unsigned char c = (unsigned char)*(*p)++;
        v |= (uint64_t)(c & 0x7f) << shift;
        if (c < 0x80) {
            return v;
        }
    }
}

// Small numbers of either sign become small ones without: 0 -1 1 -2 -> 0 1 2 3.
static uint64_t fold(int64_t v)
{
    return ((uint64_t)v << 1) ^ (v < 0 ? UINT64_MAX : 0);
}

static int64_t unfold(uint64_t v)
{
    return (int64_t)(v >> 1) ^ -(int64_t)(v & 1);
}

static uint32_t length_at(const char *p)
{
    uint32_t n;
    memcpy(&n, p, sizeof n);
    return n;
}

void depth_queue_init(struct depth_queue *q, size_t max_bytes)
{
    memset(q, 0, sizeof *q);
    buf_init(&q->bytes, max_bytes);
}

void depth_queue_release(struct depth_queue *q)
{
    buf_release(&q->bytes);
    q->n = 0;
}

void depth_queue_clear(struct depth_queue *q)
{
    buf_clear(&q->bytes);
    q->n = 0;
}

void depth_queue_drop(struct depth_queue *q)
{
    buf_consume(&q->bytes, length_at(buf_ptr(&q->bytes)));
    q->n--;
}

void depth_queue_add(struct depth_queue *q, const struct depth_event *ev)
{
    const size_t n = ev->n_bids + ev->n_asks;
    const size_t most = sizeof(uint32_t) + (FIELDS + 2 * n) * VARINT_MAX;
    while (q->n > 0 && buf_len(&q->bytes) + most > q->bytes.max) {
        depth_queue_drop(q);
        q->dropped++;
    }
    char *const start = buf_reserve(&q->bytes, most);
    if (start == NULL) {
        depth_queue_clear(q); // larger than all the room: what waits begins behind it
        q->dropped++;
        return;
    }
    char *p = start + sizeof(uint32_t);
    put(&p, (uint64_t)ev->last);
    put(&p, (uint64_t)(ev->last - ev->first));
    put(&p, (uint64_t)(ev->last - ev->prev));
    put(&p, (uint64_t)ev->ts_ms);
    put(&p, (uint64_t)ev->event_ms);
    put(&p, ev->n_bids);
    put(&p, ev->n_asks);
    int64_t price = 0;
    for (size_t i = 0; i < n; i++) {
        put(&p, fold(ev->level[i].price - price));
        put(&p, (uint64_t)ev->level[i].qty);
        price = ev->level[i].price;
    }
    const uint32_t length = (uint32_t)(p - start);
    memcpy(start, &length, sizeof length);
    buf_commit(&q->bytes, length);
    q->n++;
}

// The fields of the event at p, behind its length; where its levels begin.
static const char *read_fields(const char *p, struct depth_event *ev)
{
    p += sizeof(uint32_t);
    ev->last = (int64_t)get(&p);
    ev->first = ev->last - (int64_t)get(&p);
    ev->prev = ev->last - (int64_t)get(&p);
    ev->ts_ms = (int64_t)get(&p);
    ev->event_ms = (int64_t)get(&p);
    ev->n_bids = (size_t)get(&p);
    ev->n_asks = (size_t)get(&p);
    ev->level = NULL;
    return p;
}

void depth_queue_first(const struct depth_queue *q, struct depth_event *ev)
{
    (void)read_fields(buf_ptr(&q->bytes), ev);
}

bool depth_queue_next(const struct depth_queue *q, size_t *at, struct depth_event *ev,
                      struct book_level *level)
{
    if (*at >= buf_len(&q->bytes)) {
        return false;
    }
    const char *start = buf_ptr(&q->bytes) + *at;
    const char *p = read_fields(start, ev);
    int64_t price = 0;
    for (size_t i = 0; i < ev->n_bids + ev->n_asks; i++) {
        price += unfold(get(&p));
        level[i].price = price;
        level[i].qty = (int64_t)get(&p);
    }
    ev->level = level;
    *at += length_at(start);
    return true;
}

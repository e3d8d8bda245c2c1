#include "services/exchange-sim/core/requests.h"

#include <string.h>

#include "common/base/str.h"

void requests_init(struct requests *r)
{
    memset(r, 0, sizeof *r);
    buf_init(&r->text, REQUESTS_MAX);
}

void requests_release(struct requests *r)
{
    buf_release(&r->text);
}

// The number behind "a": at p.
static int64_t id_at(const char *p, const char *end)
{
    int64_t id = -1;
    size_t n = 0;
    p += 4;
    while (p + n < end && p[n] >= '0' && p[n] <= '9') {
        n++;
    }
    return parse_i64(p, n, &id) == 0 ? id : -1;
}

// Rows of aggTrades: how many, and the first and last of their ids.
static int64_t count_rows(struct slice body, int64_t *first, int64_t *last)
{
    const char *p = body.p, *end = body.p + body.n;
    int64_t rows = 0;
    while ((p = memmem(p, (size_t)(end - p), "\"a\":", 4)) != NULL) {
        *last = id_at(p, end);
        *first = rows++ == 0 ? *last : *first;
        p += 4;
    }
    return rows;
}

void requests_add(struct requests *r, const struct request *q)
{
    int64_t first = -1, last = -1;
    const bool trades = q->status == 200 && str_ends(q->path, "/aggTrades");
    const int64_t rows = trades ? count_rows(q->body, &first, &last) : 0;
    struct buf *b = &r->text;
    const size_t before = buf_len(b);
    r->n++;
    if (r->full) {
        return;
    }
    buf_addf(b, "%lld,%lld,%s,%s%s", (long long)r->n, (long long)q->wall_ms, q->method, q->path,
             q->query[0] != '\0' ? "?" : "");
    for (const char *p = q->query; *p != '\0'; p++) {
        buf_addc(b, *p == ',' || *p == '\n' ? ' ' : *p);
    }
    buf_addf(b, ",%d,%s,%lld,%lld,%lld,%lld,%zu\n", q->status, q->fault, (long long)q->weight,
             (long long)rows, (long long)first, (long long)last, q->body.n);
    if (b->failed) {
        r->full = true;
        b->failed = false;
        b->tail = b->head + before; // no half line
    }
}

#include "services/collector/core/entry.h"

#include <string.h>

#include "common/base/mem.h"

static const char pairs[201] =
    "00010203040506070809101112131415161718192021222324252627282930313233"
    "34353637383940414243444546474849505152535455565758596061626364656667"
    "6869707172737475767778798081828384858687888990919293949596979899";

// Two digits a step, right to left. At most 20 bytes; returns the length.
static inline size_t put_number(char *out, uint64_t v)
{
    char tmp[20];
    size_t at = sizeof tmp;
    while (v >= 100) {
        const size_t pair = (size_t)(v % 100) * 2;
        v /= 100;
        at -= 2;
        memcpy(tmp + at, pairs + pair, 2);
    }
    if (v >= 10) {
        at -= 2;
        memcpy(tmp + at, pairs + v * 2, 2);
    } else {
        tmp[--at] = (char)('0' + v);
    }
    memcpy(out, tmp + at, sizeof tmp - at);
    return sizeof tmp - at;
}

static inline char *put(char *p, const char *s, size_t n)
{
    memcpy(p, s, n);
    return p + n;
}
#define PUT(p, s) put((p), "" s, sizeof(s) - 1)

// "$<n>\r\n<bytes>\r\n" for n < 100.
static inline char *put_bulk(char *p, const char *s, size_t n)
{
    *p++ = '$';
    if (n >= 10) {
        memcpy(p, pairs + n * 2, 2);
        p += 2;
    } else {
        *p++ = (char)('0' + n);
    }
    p = PUT(p, "\r\n");
    p = put(p, s, n);
    return PUT(p, "\r\n");
}

static char *put_long_bulk(char *p, const char *s, size_t n)
{
    *p++ = '$';
    p += put_number(p, n);
    p = PUT(p, "\r\n");
    p = put(p, s, n);
    return PUT(p, "\r\n");
}

static char *put_i64(char *p, int64_t v)
{
    char text[24];
    size_t n = 0;
    if (v < 0) {
        text[n++] = '-';
    }
    n += put_number(text + n, v < 0 ? 0 - (uint64_t)v : (uint64_t)v);
    return put_bulk(p, text, n);
}

static size_t make_head(char *out, size_t size, const char *argc, const char *command,
                        const struct instrument *ins, const char *tail)
{
    char key[KEY_MAX];
    const size_t key_n = instrument_key(ins, tail, key);
    if (key_n + 32 > size) {
        FATAL("key %s does not fit a command head", key);
    }
    char *p = put(out, argc, strlen(argc));
    p = put_long_bulk(p, command, strlen(command));
    p = put_long_bulk(p, key, key_n);
    return (size_t)(p - out);
}

void entry_keys_init(struct entry_keys *k, const struct instrument *ins)
{
    const char *argc = ins->venue == VENUE_BYBIT ? "*17\r\n" : "*13\r\n";
    k->xadd_n = make_head(k->xadd, sizeof k->xadd, argc, "XADD", ins, "trades");
    k->lookup_n = make_head(k->lookup, sizeof k->lookup, "*4\r\n", "XRANGE", ins, "trades");
    k->history_xadd_n =
        make_head(k->history_xadd, sizeof k->history_xadd, "*21\r\n", "XADD", ins, "history");
    k->history_lookup_n =
        make_head(k->history_lookup, sizeof k->history_lookup, "*4\r\n", "XRANGE", ins, "history");
}

size_t entry_trade(const struct entry_keys *k, int64_t ts_ms, int64_t id, struct slice price,
                   struct slice qty, enum side side, int64_t rx_us, char out[ENTRY_MAX])
{
    char name[48];
    size_t ts_n = put_number(name, (uint64_t)ts_ms);
    name[ts_n++] = '-';
    const size_t id_n = put_number(name + ts_n, (uint64_t)id);
    char *p = put(out, k->xadd, k->xadd_n);
    p = put_bulk(p, name, ts_n + id_n);
    p = PUT(p, "$5\r\nprice\r\n");
    p = put_bulk(p, price.p, price.n);
    p = PUT(p, "$3\r\nqty\r\n");
    p = put_bulk(p, qty.p, qty.n);
    if (side == SIDE_BUY) {
        p = PUT(p, "$4\r\nside\r\n$3\r\nbuy\r\n$2\r\nid\r\n");
    } else {
        p = PUT(p, "$4\r\nside\r\n$4\r\nsell\r\n$2\r\nid\r\n");
    }
    p = put_bulk(p, name + ts_n, id_n);
    p = PUT(p, "$5\r\nrx_us\r\n");
    p = put_i64(p, rx_us);
    return (size_t)(p - out);
}

size_t entry_uid_trade(const struct entry_keys *k, const struct trade *t, struct slice price,
                       struct slice qty, int64_t rx_us, char out[ENTRY_MAX])
{
    char name[48], uid[UID_TEXT], seq[24];
    const char *flags = trade_flags_text(t->flags);
    size_t n = put_number(name, (uint64_t)t->ts_ms);
    name[n++] = '-';
    name[n++] = '*';
    trade_uid_format(t->uid, uid);
    const size_t seq_n = t->id > 0 ? put_number(seq, (uint64_t)t->id) : 0;
    char *p = put(out, k->xadd, k->xadd_n);
    p = put_bulk(p, name, n);
    p = PUT(p, "$5\r\nprice\r\n");
    p = put_bulk(p, price.p, price.n);
    p = PUT(p, "$3\r\nqty\r\n");
    p = put_bulk(p, qty.p, qty.n);
    if (t->side == SIDE_BUY) {
        p = PUT(p, "$4\r\nside\r\n$3\r\nbuy\r\n$2\r\nid\r\n");
    } else {
        p = PUT(p, "$4\r\nside\r\n$4\r\nsell\r\n$2\r\nid\r\n");
    }
    p = put_bulk(p, uid, UID_TEXT - 1);
    p = PUT(p, "$5\r\nrx_us\r\n");
    p = put_i64(p, rx_us);
    p = PUT(p, "$3\r\nseq\r\n");
    p = put_bulk(p, seq, seq_n);
    p = PUT(p, "$5\r\nflags\r\n");
    p = put_bulk(p, flags, strlen(flags));
    return (size_t)(p - out);
}

static size_t range_of_one(const char *head, size_t head_n, int64_t ms, int64_t seq, char *out)
{
    char name[48];
    size_t n = put_number(name, (uint64_t)ms);
    name[n++] = '-';
    n += put_number(name + n, (uint64_t)seq);
    char *p = put(out, head, head_n);
    p = put_bulk(p, name, n);
    p = put_bulk(p, name, n);
    return (size_t)(p - out);
}

size_t entry_lookup(const struct entry_keys *k, int64_t ts_ms, int64_t id, char out[ENTRY_MAX])
{
    return range_of_one(k->lookup, k->lookup_n, ts_ms, id, out);
}

size_t entry_uid_lookup(const struct entry_keys *k, int64_t ts_ms, int64_t seq, char out[ENTRY_MAX])
{
    if (seq >= 0) {
        return range_of_one(k->lookup, k->lookup_n, ts_ms, seq, out);
    }
    char ms[24];
    const size_t n = put_number(ms, (uint64_t)ts_ms);
    char *p = put(out, k->lookup, k->lookup_n);
    p = put_bulk(p, ms, n);
    p = put_bulk(p, ms, n);
    return (size_t)(p - out);
}

size_t entry_history_lookup(const struct entry_keys *k, int64_t ms, int64_t seq,
                            char out[ENTRY_MAX])
{
    return range_of_one(k->history_lookup, k->history_lookup_n, ms, seq, out);
}

static size_t put_history(const struct entry_keys *k, const struct history *h, size_t data_n,
                          char *out)
{
    const char *kind = history_kind_name(h->kind);
    char *p = put(out, k->history_xadd, k->history_xadd_n);
    p = PUT(p, "$1\r\n*\r\n$4\r\nkind\r\n");
    p = put_bulk(p, kind, strlen(kind));
    p = PUT(p, "$7\r\nfrom_id\r\n");
    p = put_i64(p, h->from_id);
    p = PUT(p, "$5\r\nto_id\r\n");
    p = put_i64(p, h->to_id);
    p = PUT(p, "$7\r\nfrom_ms\r\n");
    p = put_i64(p, h->from_ms);
    p = PUT(p, "$5\r\nto_ms\r\n");
    p = put_i64(p, h->to_ms);
    p = PUT(p, "$6\r\nsource\r\n");
    p = put_bulk(p, h->source, strnlen(h->source, sizeof h->source));
    p = PUT(p, "$6\r\nreason\r\n");
    p = put_bulk(p, h->reason, strnlen(h->reason, sizeof h->reason));
    p = PUT(p, "$1\r\nn\r\n");
    p = put_i64(p, h->n);
    p = PUT(p, "$4\r\ndata\r\n");
    p = put_long_bulk(p, data_n > 0 ? h->data.p : "", data_n);
    return (size_t)(p - out);
}

size_t entry_history(const struct entry_keys *k, const struct history *h, char out[ENTRY_MAX])
{
    return put_history(k, h, h->data.n <= 200 ? h->data.n : 0, out);
}

size_t entry_history_long(const struct entry_keys *k, const struct history *h, char *out,
                          size_t size)
{
    char small[ENTRY_MAX];
    char digits[24];
    const size_t empty = put_history(k, h, 0, small);
    const size_t need = empty + h->data.n + fmt_u64(digits, h->data.n) - 1;
    return need <= size ? put_history(k, h, h->data.n, out) : need;
}

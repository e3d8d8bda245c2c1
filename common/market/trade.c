#include "common/market/trade.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/decimal.h"
#include "common/base/mem.h"

// 9999-12-31T23:59:59.999Z: later times are garbage, and no sum of times can overflow below it.
#define TS_MAX_MS INT64_C(253402300799999)

const char *refusal_name(enum refusal r)
{
    switch (r) {
    case REFUSE_NONE:
        return "none";
    case REFUSE_MALFORMED:
        return "malformed";
    case REFUSE_FOREIGN:
        return "foreign";
    case REFUSE_NEGATIVE:
        return "negative";
    case REFUSE_ZERO:
        return "zero";
    case REFUSE_ABSURD:
        return "absurd";
    case REFUSE_PRECISION:
        return "precision";
    case REFUSE_FUTURE:
        return "future";
    case REFUSE_TOO_OLD:
        return "too_old";
    case REFUSE_OVERSIZE:
        return "oversize";
    case REFUSE_EXCLUDED:
        return "excluded";
    case REFUSE_COUNT_:
        break;
    }
    FATAL("refusal %d", (int)r);
}

// Digits of [*p, end) as a number below 10^18; -1 when there are none, or too many.
static inline int64_t digits_of(const char **p, const char *end)
{
    const char *q = *p;
    int64_t v = 0;
    while (q < end && (unsigned char)(*q - '0') < 10) {
        v = v * 10 + (*q++ - '0');
        if (q - *p > 18) {
            return -1;
        }
    }
    const bool none = q == *p;
    *p = q;
    return none ? -1 : v;
}

// "65000.10" at `scale`; -1: leave it to dec_parse().
static inline int64_t plain_decimal(const char **p, const char *end, int scale)
{
    static const int64_t ten[] = {1, 10, 100, 1000, 10000, 100000, 1000000, 10000000, 100000000};
    const char *from = *p;
    int64_t v = digits_of(p, end);
    int places = 0;
    if (v < 0) {
        return -1;
    }
    if (*p < end && **p == '.') {
        const char *point = ++*p;
        for (; *p < end && (unsigned char)(**p - '0') < 10; ++*p) {
            v = v * 10 + (**p - '0');
            if (*p - from > 17) {
                return -1;
            }
        }
        places = (int)(*p - point);
        if (places == 0) {
            return -1;
        }
    }
    const int rest = scale - places;
    int64_t out;
    return rest < 0 || rest > 8 || __builtin_mul_overflow(v, ten[rest], &out) ? -1 : out;
}

static enum refusal number_from(struct slice s, int scale, int64_t *out)
{
    const char *p = s.p, *end = s.p + s.n;
    *out = s.n > 0 ? plain_decimal(&p, end, scale) : -1;
    if (*out > 0 && p == end) {
        return REFUSE_NONE;
    }
    int rc = dec_parse(s.p, s.n, scale, out, NULL);
    if (rc == 0) {
        return *out > 0 ? REFUSE_NONE : *out < 0 ? REFUSE_NEGATIVE : REFUSE_ZERO;
    }
    // A negative number stays one however many decimals it has.
    if (rc != ERR_SYNTAX && s.p[0] == '-') {
        return REFUSE_NEGATIVE;
    }
    return rc == ERR_PRECISION  ? REFUSE_PRECISION
           : rc == ERR_OVERFLOW ? REFUSE_ABSURD
                                : REFUSE_MALFORMED;
}

enum refusal trade_set_numbers(struct trade *out, const struct instrument *ins, struct slice price,
                               struct slice qty)
{
    enum refusal r = number_from(price, ins->price_scale, &out->price);
    return r ? r : number_from(qty, ins->qty_scale, &out->qty);
}

static int i64_of(struct slice s, int64_t max, int64_t *out)
{
    int rc = parse_i64(s.p, s.n, out);
    return rc ? rc : *out < 0 || *out > max ? ERR_RANGE : 0;
}

static int id_of(struct slice s, int64_t *out)
{
    return i64_of(s, INT64_MAX - 1, out);
}

static int ts_of(struct slice s, int64_t *out)
{
    return i64_of(s, TS_MAX_MS, out);
}

static int side_of(struct slice s, uint8_t *out)
{
    if (s.n == 3 && memcmp(s.p, "buy", 3) == 0) {
        *out = SIDE_BUY;
        return 0;
    }
    if (s.n == 4 && memcmp(s.p, "sell", 4) == 0) {
        *out = SIDE_SELL;
        return 0;
    }
    return ERR_SYNTAX;
}

static int seq_of(struct slice s, int64_t *out)
{
    *out = 0;
    return s.n > 0 ? id_of(s, out) : 0;
}

// ---- names of trades ----------------------------------------------------------------------------

static int hex_of(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

static bool is_dash_place(size_t i)
{
    return i == 8 || i == 13 || i == 18 || i == 23;
}

int trade_uid_parse(struct slice s, struct trade_uid *out)
{
    uint64_t half[2] = {0, 0};
    size_t digits = 0;
    if (s.n != UID_TEXT - 1) {
        return ERR_SYNTAX;
    }
    for (size_t i = 0; i < s.n; i++) {
        if (is_dash_place(i)) {
            if (s.p[i] != '-') {
                return ERR_SYNTAX;
            }
            continue;
        }
        int v = hex_of(s.p[i]);
        if (v < 0) {
            return ERR_SYNTAX;
        }
        half[digits / 16] = half[digits / 16] << 4 | (uint64_t)v;
        digits++;
    }
    if ((half[0] | half[1]) == 0) {
        return ERR_RANGE;
    }
    *out = (struct trade_uid){half[0], half[1]};
    return 0;
}

void trade_uid_format(struct trade_uid u, char out[UID_TEXT])
{
    static const char hex[] = "0123456789abcdef";
    size_t digits = 0;
    for (size_t i = 0; i < UID_TEXT - 1; i++) {
        if (is_dash_place(i)) {
            out[i] = '-';
            continue;
        }
        uint64_t half = digits < 16 ? u.hi : u.lo;
        out[i] = hex[half >> (60 - 4 * (digits % 16)) & 15];
        digits++;
    }
    out[UID_TEXT - 1] = '\0';
}

static const char *const flag_texts[] = {"", "block", "rpi", "block,rpi"}; // by enum trade_flag

const char *trade_flags_text(unsigned flags)
{
    return flag_texts[flags & (TRADE_BLOCK | TRADE_RPI)];
}

int trade_flags_parse(struct slice s, uint8_t *out)
{
    for (uint8_t i = 0; i < sizeof flag_texts / sizeof flag_texts[0]; i++) {
        if (slice_eq(s, flag_texts[i])) {
            *out = i;
            return 0;
        }
    }
    return ERR_SYNTAX;
}

// ---- order --------------------------------------------------------------------------------------

static int by_set_order(const void *a, const void *b)
{
    return trade_cmp(a, b);
}

// Copies side by side, the one that stays first.
static int by_name(const void *va, const void *vb)
{
    const struct trade *a = va;
    const struct trade *b = vb;
    if (a->uid.hi != b->uid.hi) {
        return a->uid.hi < b->uid.hi ? -1 : 1;
    }
    if (a->uid.lo != b->uid.lo) {
        return a->uid.lo < b->uid.lo ? -1 : 1;
    }
    return trade_cmp(b, a);
}

size_t trades_unique(struct trade *v, size_t n)
{
    size_t kept = 0;
    bool named = n > 0 && trade_has_uid(&v[0]);
    if (n < 2) {
        return n;
    }
    qsort(v, n, sizeof *v, named ? by_name : by_set_order);
    for (size_t i = 0; i < n; i++) {
        struct trade *last = kept > 0 ? &v[kept - 1] : NULL;
        bool copy = last && (named ? last->uid.hi == v[i].uid.hi && last->uid.lo == v[i].uid.lo
                                   : trade_cmp(last, &v[i]) == 0);
        if (copy) {
            last->flags |= v[i].flags;
        } else {
            v[kept++] = v[i];
        }
    }
    if (named) {
        qsort(v, kept, sizeof *v, by_set_order);
    }
    return kept;
}

// ---- text forms ---------------------------------------------------------------------------------

static int numbers_of(const struct instrument *ins, struct slice price, struct slice qty,
                      struct trade *out)
{
    switch (trade_set_numbers(out, ins, price, qty)) {
    case REFUSE_NONE:
        return 0;
    case REFUSE_PRECISION:
        return ERR_PRECISION;
    case REFUSE_ABSURD:
        return ERR_OVERFLOW;
    case REFUSE_NEGATIVE:
    case REFUSE_ZERO:
        return ERR_RANGE;
    case REFUSE_MALFORMED:
    case REFUSE_FOREIGN:
    case REFUSE_FUTURE:
    case REFUSE_TOO_OLD:
    case REFUSE_OVERSIZE:
    case REFUSE_EXCLUDED:
    case REFUSE_COUNT_:
        break;
    }
    return ERR_SYNTAX;
}

// Values of the named fields. Writers keep the order of `names`, so the expected place is looked
// at first. An absent field has p NULL; of two fields of one name the first counts.
static void pick(const struct slice *kv, size_t pairs, const char *const *names, size_t n,
                 struct slice *out)
{
    for (size_t f = 0; f < n; f++) {
        out[f] = (struct slice){NULL, 0};
        if (f < pairs && slice_eq(kv[2 * f], names[f])) {
            out[f] = kv[2 * f + 1];
            continue;
        }
        for (size_t i = 0; i < pairs; i++) {
            if (slice_eq(kv[2 * i], names[f])) {
                out[f] = kv[2 * i + 1];
                break;
            }
        }
    }
}

int trade_from_entry(const struct instrument *ins, struct slice entry_id, const struct slice *kv,
                     size_t pairs, struct trade *out, int64_t *rx_us)
{
    static const char *const names[] = {"price", "qty", "side", "id", "rx_us", "seq", "flags"};
    enum { PRICE, QTY, SIDE, ID, RX, SEQ, FLAGS, N };
    struct slice f[N];
    struct trade t = {0};
    int64_t entry_seq;
    int64_t rx = 0;
    int rc;
    const char *dash = entry_id.n ? memchr(entry_id.p, '-', entry_id.n) : NULL;
    if (!dash) {
        return ERR_SYNTAX;
    }
    size_t head = (size_t)(dash - entry_id.p);
    bool named = ins->venue == VENUE_BYBIT;
    pick(kv, pairs, names, named ? N : SEQ, f);
    if (!f[PRICE].p || !f[QTY].p || !f[SIDE].p || !f[ID].p) {
        return ERR_SYNTAX;
    }
    if ((rc = ts_of((struct slice){entry_id.p, head}, &t.ts_ms)) ||
        (rc = id_of((struct slice){dash + 1, entry_id.n - head - 1}, &entry_seq)) ||
        (rc = named ? trade_uid_parse(f[ID], &t.uid) : id_of(f[ID], &t.id)) ||
        (rc = side_of(f[SIDE], &t.side)) || (rc = numbers_of(ins, f[PRICE], f[QTY], &t)) ||
        (f[RX].p && (rc = i64_of(f[RX], INT64_MAX, &rx)))) {
        return rc;
    }
    if (!named && t.id != entry_seq) {
        return ERR_SYNTAX;
    }
    if (named && ((rc = f[SEQ].p ? seq_of(f[SEQ], &t.id) : 0) ||
                  (rc = f[FLAGS].p ? trade_flags_parse(f[FLAGS], &t.flags) : 0))) {
        return rc;
    }
    *out = t;
    if (rx_us) {
        *rx_us = rx;
    }
    return 0;
}

const char *history_kind_name(enum history_kind k)
{
    switch (k) {
    case HISTORY_GAP:
        return "gap";
    case HISTORY_TRADES:
        return "trades";
    case HISTORY_LOST:
        return "lost";
    case HISTORY_DAY:
        return "day";
    }
    FATAL("history kind %d", (int)k);
}

static int64_t lines_in(struct slice data)
{
    int64_t n = 0;
    const char *p = data.p;
    const char *end = data.n ? data.p + data.n : data.p;
    while (p < end) {
        const char *nl = memchr(p, '\n', (size_t)(end - p));
        n++;
        p = nl ? nl + 1 : end;
    }
    return n;
}

int history_from_entry(const struct slice *kv, size_t pairs, struct history *out, struct err *e)
{
    static const char *const names[] = {"kind",   "from_id", "to_id", "from_ms", "to_ms",
                                        "source", "reason",  "n",     "data"};
    enum { KIND, FROM_ID, TO_ID, FROM_MS, TO_MS, SOURCE, REASON, COUNT, DATA, N };
    struct slice f[N];
    struct history h = {0};
    pick(kv, pairs, names, N, f);
    for (size_t i = 0; i < N; i++) {
        if (!f[i].p) {
            if (i == DATA || i == REASON || i == SOURCE) {
                f[i] = (struct slice){"", 0};
                continue;
            }
            return err_set(e, ERR_SYNTAX, "field %s is missing", names[i]);
        }
    }
    if (slice_eq(f[KIND], "gap")) {
        h.kind = HISTORY_GAP;
    } else if (slice_eq(f[KIND], "trades")) {
        h.kind = HISTORY_TRADES;
    } else if (slice_eq(f[KIND], "lost")) {
        h.kind = HISTORY_LOST;
    } else if (slice_eq(f[KIND], "day")) {
        h.kind = HISTORY_DAY;
    } else {
        return err_set(e, ERR_SYNTAX, "field kind is none of gap, trades, lost, day");
    }
    bool by_time = slice_eq(f[FROM_ID], "-1") && slice_eq(f[TO_ID], "-1");
    if (by_time) {
        h.from_id = h.to_id = -1;
    } else if (id_of(f[FROM_ID], &h.from_id) || id_of(f[TO_ID], &h.to_id) || h.from_id > h.to_id) {
        return err_set(e, ERR_SYNTAX, "fields from_id, to_id are not a range of ids");
    }
    if (ts_of(f[FROM_MS], &h.from_ms) || ts_of(f[TO_MS], &h.to_ms)) {
        return err_set(e, ERR_SYNTAX, "fields from_ms, to_ms are not times");
    }
    if (by_time && h.from_ms > h.to_ms) {
        return err_set(e, ERR_SYNTAX, "fields from_ms, to_ms are not a range of time");
    }
    if (i64_of(f[COUNT], INT64_MAX, &h.n)) {
        return err_set(e, ERR_SYNTAX, "field n is not a count");
    }
    if (!str_copyn(h.source, sizeof h.source, f[SOURCE].p, f[SOURCE].n) ||
        !str_copyn(h.reason, sizeof h.reason, f[REASON].p, f[REASON].n)) {
        return err_set(e, ERR_SYNTAX, "field source or reason is too long");
    }
    if (h.kind == HISTORY_DAY &&
        (h.from_ms != day_start_ms(h.from_ms) || h.to_ms - h.from_ms != MS_PER_DAY || h.n < 1 ||
         f[DATA].n == 0 || (!by_time && h.to_id - h.from_id < h.n - 1))) {
        return err_set(e, ERR_SYNTAX, "a summary of something that is not one day");
    }
    int64_t lines = h.kind == HISTORY_TRADES ? lines_in(f[DATA]) : 0;
    if (h.kind == HISTORY_TRADES && lines != h.n) {
        return err_set(e, ERR_SYNTAX, "field n says %lld trades, data has %lld", (long long)h.n,
                       (long long)lines);
    }
    h.data = f[DATA];
    *out = h;
    return 0;
}

static int line_trade(const struct history *h, const struct instrument *ins, struct slice line,
                      struct trade *out)
{
    // ts id price qty side seq [flags]; the seq may be empty, the blank before it stays.
    struct slice word[6];
    size_t n = 0;
    const char *p = line.p;
    const char *end = line.p + line.n;
    while (n < 5) {
        const char *blank = p < end ? memchr(p, ' ', (size_t)(end - p)) : NULL;
        if (!blank) {
            return ERR_SYNTAX;
        }
        word[n++] = (struct slice){p, (size_t)(blank - p)};
        p = blank + 1;
    }
    bool named = ins->venue == VENUE_BYBIT;
    const char *blank = named && p < end ? memchr(p, ' ', (size_t)(end - p)) : NULL;
    word[5] = (struct slice){p, (size_t)((blank ? blank : end) - p)};
    int64_t seq = 0;
    struct trade t = {0};
    int rc;
    if ((rc = ts_of(word[0], &t.ts_ms)) ||
        (rc = named ? trade_uid_parse(word[1], &t.uid) : id_of(word[1], &t.id)) ||
        (rc = numbers_of(ins, word[2], word[3], &t)) || (rc = side_of(word[4], &t.side)) ||
        (rc = seq_of(word[5], &seq))) {
        return rc;
    }
    if (named) {
        t.id = seq;
        if (blank && ((rc = trade_flags_parse((struct slice){blank + 1, (size_t)(end - blank - 1)},
                                              &t.flags)) ||
                      (rc = t.flags == 0 ? ERR_SYNTAX : 0))) {
            return rc;
        }
    } else if (t.id < h->from_id || t.id > h->to_id) {
        return ERR_RANGE;
    }
    *out = t;
    return 0;
}

// A line of a Binance trade as we write it, in one pass; false: line_trade() judges it. It accepts
// nothing that line_trade() would not read as the same trade.
static bool plain_line(const struct history *h, const struct instrument *ins, size_t *pos,
                       struct trade *out)
{
    const char *p = h->data.p + *pos, *end = h->data.p + h->data.n;
    struct trade t = {0};
    t.ts_ms = digits_of(&p, end);
    if (t.ts_ms < 0 || t.ts_ms > TS_MAX_MS || p == end || *p++ != ' ') {
        return false;
    }
    t.id = digits_of(&p, end);
    if (t.id < h->from_id || t.id > h->to_id || t.id < 0 || p == end || *p++ != ' ') {
        return false;
    }
    t.price = plain_decimal(&p, end, ins->price_scale);
    if (t.price <= 0 || p == end || *p++ != ' ') {
        return false;
    }
    t.qty = plain_decimal(&p, end, ins->qty_scale);
    if (t.qty <= 0 || p == end || *p++ != ' ') {
        return false;
    }
    if (end - p >= 5 && memcmp(p, "buy \n", 5) == 0) {
        t.side = SIDE_BUY;
        p += 5;
    } else if (end - p >= 6 && memcmp(p, "sell \n", 6) == 0) {
        t.side = SIDE_SELL;
        p += 6;
    } else {
        return false;
    }
    *pos = (size_t)(p - h->data.p);
    *out = t;
    return true;
}

int history_next(const struct history *h, const struct instrument *ins, size_t *pos,
                 struct trade *out)
{
    if (*pos >= h->data.n) {
        return 0;
    }
    if (ins->venue == VENUE_BINANCE && plain_line(h, ins, pos, out)) {
        return 1;
    }
    const char *p = h->data.p + *pos;
    size_t left = h->data.n - *pos;
    const char *nl = memchr(p, '\n', left);
    size_t n = nl ? (size_t)(nl - p) : left;
    *pos += nl ? n + 1 : n;
    int rc = line_trade(h, ins, (struct slice){p, n}, out);
    return rc ? rc : 1;
}

// Price, quantity, side and seq: the same for both kinds of names.
static void add_rest(struct buf *data, const char *price, const char *qty, enum side side,
                     const char *seq)
{
    buf_addc(data, ' ');
    buf_adds(data, price);
    buf_addc(data, ' ');
    buf_adds(data, qty);
    buf_adds(data, side == SIDE_BUY ? " buy " : " sell ");
    buf_adds(data, seq);
}

void history_add_line(struct buf *data, int64_t ts_ms, int64_t id, const char *price,
                      const char *qty, enum side side, const char *seq)
{
    buf_add_i64(data, ts_ms);
    buf_addc(data, ' ');
    buf_add_i64(data, id);
    add_rest(data, price, qty, side, seq);
    buf_addc(data, '\n');
}

void history_add_uid_line(struct buf *data, int64_t ts_ms, const char *uuid, const char *price,
                          const char *qty, enum side side, const char *seq, unsigned flags)
{
    buf_add_i64(data, ts_ms);
    buf_addc(data, ' ');
    buf_adds(data, uuid);
    add_rest(data, price, qty, side, seq);
    if (flags & (TRADE_BLOCK | TRADE_RPI)) {
        buf_addc(data, ' ');
        buf_adds(data, trade_flags_text(flags));
    }
    buf_addc(data, '\n');
}

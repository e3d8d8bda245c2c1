#include "services/backfill/core/csv.h"

#include <string.h>

// Times beyond this many ms are microseconds (the year 5138 in ms, 1973 in us).
#define MS_TEXT_MAX INT64_C(99999999999999)

void csv_init(struct csv *c, enum csv_kind kind)
{
    memset(c, 0, sizeof *c);
    c->kind = kind;
    for (size_t i = 0; i < CSV_ROLES; i++) {
        c->column[i] = -1;
    }
    buf_init(&c->carry, CSV_LINE_MAX);
}

void csv_release(struct csv *c)
{
    buf_release(&c->carry);
}

// ---- columns
// -------------------------------------------------------------------------------------

static const struct {
    const char *name;
    enum csv_role role;
    enum csv_kind kind;
} names[] = {
    {"agg_trade_id", CSV_ID, CSV_BINANCE},
    {"price", CSV_PRICE, CSV_BINANCE},
    {"quantity", CSV_QTY, CSV_BINANCE},
    {"transact_time", CSV_TIME, CSV_BINANCE},
    {"is_buyer_maker", CSV_SIDE, CSV_BINANCE},
    {"timestamp", CSV_TIME, CSV_BYBIT},
    {"symbol", CSV_SYMBOL, CSV_BYBIT},
    {"side", CSV_SIDE, CSV_BYBIT},
    {"size", CSV_QTY, CSV_BYBIT},
    {"price", CSV_PRICE, CSV_BYBIT},
    {"trdMatchID", CSV_UID, CSV_BYBIT},
    {"RPI", CSV_RPI, CSV_BYBIT},
    {"timestamp", CSV_TIME, CSV_CCXT},
    {"id", CSV_ID, CSV_CCXT},
    {"side", CSV_SIDE, CSV_CCXT},
    {"price", CSV_PRICE, CSV_CCXT},
    {"amount", CSV_QTY, CSV_CCXT},
};

static const enum csv_role needed[][5] = {
    [CSV_BINANCE] = {CSV_ID, CSV_PRICE, CSV_QTY, CSV_TIME, CSV_SIDE},
    [CSV_BYBIT] = {CSV_UID, CSV_PRICE, CSV_QTY, CSV_TIME, CSV_SIDE},
    [CSV_CCXT] = {CSV_ID, CSV_PRICE, CSV_QTY, CSV_TIME, CSV_SIDE},
};

static size_t split(const char *line, size_t n, struct slice f[CSV_COLUMNS])
{
    size_t k = 0;
    const char *p = line, *end = line + n;
    for (;;) {
        const char *comma = memchr(p, ',', (size_t)(end - p));
        if (k == CSV_COLUMNS) {
            return CSV_COLUMNS + 1;
        }
        f[k++] = (struct slice){p, (size_t)((comma != NULL ? comma : end) - p)};
        if (comma == NULL) {
            return k;
        }
        p = comma + 1;
    }
}

static bool is_usual(const struct csv *c)
{
    return c->kind == CSV_BINANCE && c->column[CSV_ID] == 0 && c->column[CSV_PRICE] == 1 &&
           c->column[CSV_QTY] == 2 && c->column[CSV_TIME] == 5 && c->column[CSV_SIDE] == 6;
}

static int read_header(struct csv *c, const struct slice *f, size_t n, struct err *e)
{
    for (size_t i = 0; i < n; i++) {
        for (size_t k = 0; k < sizeof names / sizeof names[0]; k++) {
            if (names[k].kind == c->kind && slice_eq(f[i], names[k].name)) {
                c->column[names[k].role] = (int)i;
            }
        }
    }
    for (size_t i = 0; i < sizeof needed[0] / sizeof needed[0][0]; i++) {
        if (c->column[needed[c->kind][i]] < 0) {
            return err_set(e, ERR_SYNTAX, "the header does not name all columns");
        }
    }
    c->has_columns = true;
    c->usual = n == 7 && is_usual(c);
    return 0;
}

static bool is_header(const struct csv *c, struct slice first)
{
    return c->kind != CSV_BINANCE || first.n == 0 || first.p[0] < '0' || first.p[0] > '9';
}

static void default_columns(struct csv *c)
{
    c->column[CSV_ID] = 0;
    c->column[CSV_PRICE] = 1;
    c->column[CSV_QTY] = 2;
    c->column[CSV_TIME] = 5;
    c->column[CSV_SIDE] = 6;
    c->has_columns = true;
    c->usual = true;
}

// ---- values
// --------------------------------------------------------------------------------------

// Whole or decimal seconds to ms, cut.
static int seconds_to_ms(struct slice s, int64_t *ms)
{
    const char *dot = memchr(s.p, '.', s.n);
    const size_t whole = dot != NULL ? (size_t)(dot - s.p) : s.n;
    int64_t sec = 0, frac = 0;
    if (parse_i64(s.p, whole, &sec) != 0 || sec < 0 || sec > INT64_MAX / 1000 - 1) {
        return ERR_SYNTAX;
    }
    const size_t decimals = dot != NULL ? s.n - whole - 1 : 0;
    for (size_t i = 0; i < decimals; i++) {
        const char d = dot[1 + i];
        if (d < '0' || d > '9') {
            return ERR_SYNTAX;
        }
        if (i < 3) {
            frac = frac * 10 + (d - '0');
        }
    }
    for (size_t i = decimals; i < 3; i++) {
        frac *= 10;
    }
    *ms = sec * 1000 + frac;
    return 0;
}

static int time_of(const struct csv *c, struct slice s, int64_t *ms)
{
    if (c->kind == CSV_BYBIT) {
        return seconds_to_ms(s, ms);
    }
    if (parse_i64(s.p, s.n, ms) != 0 || *ms < 0) {
        return ERR_SYNTAX;
    }
    if (*ms > MS_TEXT_MAX) {
        *ms /= 1000;
    }
    return 0;
}

static bool word_is(struct slice s, const char *word)
{
    return s.n == strlen(word) && strncasecmp(s.p, word, s.n) == 0;
}

static int side_of(const struct csv *c, struct slice s, enum side *side)
{
    const bool maker = c->kind == CSV_BINANCE; // true: the buyer was the maker, a seller came
    if (word_is(s, maker ? "true" : "sell")) {
        *side = SIDE_SELL;
        return 0;
    }
    *side = SIDE_BUY;
    return word_is(s, maker ? "false" : "buy") ? 0 : ERR_SYNTAX;
}

static struct slice cell(const struct csv *c, const struct slice *f, size_t n, enum csv_role role)
{
    const int at = c->column[role];
    return at >= 0 && (size_t)at < n ? f[at] : (struct slice){"", 0};
}

static int row_of(const struct csv *c, const struct slice *f, size_t n, struct csv_row *out,
                  struct err *e)
{
    const struct slice id = cell(c, f, n, CSV_ID), rpi = cell(c, f, n, CSV_RPI);
    *out = (struct csv_row){.price = cell(c, f, n, CSV_PRICE),
                            .qty = cell(c, f, n, CSV_QTY),
                            .uid = cell(c, f, n, CSV_UID),
                            .symbol = cell(c, f, n, CSV_SYMBOL)};
    if (time_of(c, cell(c, f, n, CSV_TIME), &out->ts_ms) != 0) {
        return err_set(e, ERR_SYNTAX, "its time is none");
    }
    if (side_of(c, cell(c, f, n, CSV_SIDE), &out->side) != 0) {
        return err_set(e, ERR_SYNTAX, "its side is none");
    }
    if (c->kind != CSV_BYBIT && (parse_i64(id.p, id.n, &out->id) != 0 || out->id < 0)) {
        return err_set(e, ERR_SYNTAX, "its id is none");
    }
    if (out->price.n == 0 || out->qty.n == 0 || (c->kind == CSV_BYBIT && out->uid.n == 0)) {
        return err_set(e, ERR_SYNTAX, "a column is empty");
    }
    out->flags = word_is(rpi, "true") || word_is(rpi, "1") ? TRADE_RPI : 0;
    return 1;
}

// Digits up to a comma; -1 when there is anything else, or more than `max` of them.
static inline int64_t quick_number(const char **p, const char *end, int max)
{
    const char *q = *p;
    int64_t v = 0;
    while (q < end && (unsigned char)(*q - '0') < 10 && q - *p <= max) {
        v = v * 10 + (*q++ - '0');
    }
    if (q == *p || q - *p > max || q == end || *q != ',') {
        return -1;
    }
    *p = q + 1;
    return v;
}

static inline struct slice quick_cell(const char **p, const char *end)
{
    const char *from = *p, *q = from;
    while (q < end && *q != ',') {
        q++;
    }
    *p = q < end ? q + 1 : q;
    return (struct slice){from, (size_t)(q - from)};
}

// A row of the usual seven columns in one pass. False: the careful way judges it; it accepts
// nothing that one would not read as the same row.
static bool quick_row(const char *line, size_t n, struct csv_row *out)
{
    const char *p = line, *end = line + n;
    struct csv_row r = {.uid = {"", 0}, .symbol = {"", 0}};
    r.id = quick_number(&p, end, 18);
    r.price = quick_cell(&p, end);
    r.qty = quick_cell(&p, end);
    (void)quick_cell(&p, end);
    (void)quick_cell(&p, end);
    r.ts_ms = quick_number(&p, end, 14);
    if (r.id < 0 || r.ts_ms < 0 || r.price.n == 0 || r.qty.n == 0) {
        return false;
    }
    if (end - p == 4 && memcmp(p, "true", 4) == 0) {
        r.side = SIDE_SELL;
    } else if (end - p == 5 && memcmp(p, "false", 5) == 0) {
        r.side = SIDE_BUY;
    } else {
        return false;
    }
    *out = r;
    return true;
}

int csv_line(struct csv *c, const char *line, size_t n, struct csv_row *out, struct err *e)
{
    struct slice f[CSV_COLUMNS];
    c->lines++;
    while (n > 0 && (line[n - 1] == '\r' || line[n - 1] == ' ')) {
        n--;
    }
    if (n == 0) {
        return 0;
    }
    if (c->usual && quick_row(line, n, out)) {
        c->rows++;
        return 1;
    }
    const size_t k = split(line, n, f);
    if (k > CSV_COLUMNS) {
        return err_set(e, ERR_SYNTAX, "more than %d columns", CSV_COLUMNS);
    }
    if (!c->has_columns) {
        if (is_header(c, f[0])) {
            return read_header(c, f, k, e);
        }
        default_columns(c);
    }
    const int rc = row_of(c, f, k, out, e);
    c->rows += rc == 1 ? 1 : 0;
    return rc;
}

// ---- pieces of a file
// ----------------------------------------------------------------------------

static int one(struct csv *c, const char *line, size_t n, csv_row_cb cb, void *arg, struct err *e)
{
    struct csv_row row;
    const int rc = csv_line(c, line, n, &row, e);
    if (rc == 1) {
        return cb(arg, &row, e);
    }
    if (rc < 0) {
        return err_prefix(e, "line %llu", (unsigned long long)c->lines);
    }
    return 0;
}

static int too_long(struct csv *c, struct err *e)
{
    return err_set(e, ERR_SYNTAX, "line %llu is longer than %d bytes",
                   (unsigned long long)c->lines + 1, CSV_LINE_MAX);
}

int csv_feed(struct csv *c, const char *bytes, size_t n, csv_row_cb cb, void *arg, struct err *e)
{
    const char *p = bytes, *end = bytes + n;
    int rc = 0;
    while (rc == 0 && p < end) {
        const char *nl = memchr(p, '\n', (size_t)(end - p));
        const size_t len = (size_t)((nl != NULL ? nl : end) - p);
        if (len > CSV_LINE_MAX) { // however the bytes were cut
            return too_long(c, e);
        }
        if (nl == NULL || buf_len(&c->carry) > 0) {
            buf_add(&c->carry, p, len);
            if (c->carry.failed) {
                return too_long(c, e);
            }
        }
        if (nl == NULL) {
            return 0;
        }
        if (buf_len(&c->carry) > 0) {
            rc = one(c, buf_ptr(&c->carry), buf_len(&c->carry), cb, arg, e);
            buf_clear(&c->carry);
        } else {
            rc = one(c, p, len, cb, arg, e);
        }
        p = nl + 1;
    }
    return rc;
}

int csv_end(struct csv *c, csv_row_cb cb, void *arg, struct err *e)
{
    int rc = 0;
    if (buf_len(&c->carry) > 0) {
        rc = one(c, buf_ptr(&c->carry), buf_len(&c->carry), cb, arg, e);
    }
    buf_clear(&c->carry);
    return rc;
}

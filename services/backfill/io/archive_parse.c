#include "services/backfill/io/archive_parse.h"

#include <stdlib.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/decimal.h"
#include "common/base/mem.h"
#include "services/backfill/core/csv.h"
#include "services/backfill/core/daysort.h"
#include "services/backfill/core/zip.h"

#define SLICE 16384 // bytes of the file a step
#define ROWS 4096   // sorted rows a step
#define CONTENT_MAX ((uint64_t)8 << 30)

struct archive_parse {
    const struct source_day *want;
    int fd;
    struct zip *zip;
    struct csv csv;
    bool bad_row; // what it says is wrong, not how it came
    int64_t rows, told, foreign;
    int64_t last_id; // Binance
    // Bybit
    struct daysort *sort;
    bool telling;
    const struct trade *minute;
    size_t at, n;
    int64_t from_ms, to_ms;
};

// ---- rows
// ----------------------------------------------------------------------------------------

static int on_binance_row(struct archive_parse *p, const struct csv_row *row, const struct trade *t,
                          struct err *e)
{
    (void)t;
    if (row->ts_ms < p->want->start_ms || row->ts_ms >= p->want->start_ms + MS_PER_DAY) {
        return err_set(e, ERR_RANGE, "a row is of another day");
    }
    if (p->rows++ > 0 && row->id <= p->last_id) {
        return err_set(e, ERR_SYNTAX, "its ids run back");
    }
    p->last_id = row->id;
    p->told++;
    p->want->on_row(p->want->arg, row);
    return 0;
}

static int on_bybit_row(struct archive_parse *p, const struct csv_row *row, struct trade *t,
                        struct err *e)
{
    if (row->symbol.n > 0 && !slice_eq(row->symbol, p->want->ins->symbol)) {
        return err_set(e, ERR_RANGE, "a row is of another symbol");
    }
    if (trade_uid_parse(row->uid, &t->uid) != 0) {
        return err_set(e, ERR_SYNTAX, "a row's name is no UUID");
    }
    t->ts_ms = row->ts_ms;
    t->side = (uint8_t)row->side;
    t->flags = row->flags;
    switch (daysort_add(p->sort, t)) {
    case 0:
        p->rows++;
        return 0;
    case ERR_LIMIT:
        return err_set(e, ERR_LIMIT, "it has more rows than BYBIT_ARCHIVE_MAX_ROWS");
    default: // of another day: says nothing about this one
        p->foreign++;
        return 0;
    }
}

static int on_row(void *arg, const struct csv_row *row, struct err *e)
{
    struct archive_parse *p = arg;
    struct trade t = {0};
    const enum refusal why = trade_set_numbers(&t, p->want->ins, row->price, row->qty);
    if (why != REFUSE_NONE) {
        return err_set(e, ERR_RANGE, "a row's numbers are %s", refusal_name(why));
    }
    return p->sort != NULL ? on_bybit_row(p, row, &t, e) : on_binance_row(p, row, &t, e);
}

static int on_bytes(void *arg, const char *bytes, size_t n, struct err *e)
{
    struct archive_parse *p = arg;
    const int rc = csv_feed(&p->csv, bytes, n, on_row, p, e);
    p->bad_row = rc != 0;
    return rc;
}

// ---- reading
// -------------------------------------------------------------------------------------

static enum parse_step ended(struct archive_parse *p, struct err *e)
{
    if (p->sort == NULL) {
        return PARSE_DONE;
    }
    if (p->rows == 0 || p->foreign > p->rows) {
        err_set(e, ERR_RANGE, "its rows are of another day");
        return PARSE_WRONG;
    }
    p->telling = true;
    return PARSE_TELLING;
}

static enum parse_step read_slice(struct archive_parse *p, struct err *e)
{
    static unsigned char bytes[SLICE];
    const ssize_t n = read(p->fd, bytes, sizeof bytes);
    if (n < 0) {
        err_set(e, ERR_IO, "it can not be read");
        return PARSE_TORN;
    }
    int rc = n > 0 ? zip_feed(p->zip, bytes, (size_t)n, e) : zip_end(p->zip, e);
    if (rc == 0 && n == 0) {
        rc = csv_end(&p->csv, on_row, p, e);
        p->bad_row = rc != 0;
    }
    if (rc != 0) {
        return p->bad_row ? PARSE_WRONG : PARSE_TORN;
    }
    return n > 0 ? (p->sort != NULL ? PARSE_MORE : PARSE_TELLING) : ended(p, e);
}

// ---- telling what was sorted
// ---------------------------------------------------------------------

static void tell(struct archive_parse *p, const struct trade *t)
{
    const struct instrument *ins = p->want->ins;
    char price[DEC_TEXT], qty[DEC_TEXT], uid[UID_TEXT];
    const size_t pn = dec_format(price, t->price, ins->price_scale, ins->price_decimals);
    const size_t qn = dec_format(qty, t->qty, ins->qty_scale, ins->qty_decimals);
    trade_uid_format(t->uid, uid);
    const struct csv_row row = {.ts_ms = t->ts_ms,
                                .price = {price, pn},
                                .qty = {qty, qn},
                                .uid = {uid, UID_TEXT - 1},
                                .symbol = slice_of(ins->symbol),
                                .side = (enum side)t->side,
                                .flags = t->flags};
    p->want->on_row(p->want->arg, &row);
    p->told++;
}

static enum parse_step tell_slice(struct archive_parse *p)
{
    size_t rows = ROWS;
    while (p->at < p->n && rows-- > 0) {
        tell(p, &p->minute[p->at++]);
    }
    if (p->at < p->n) {
        return PARSE_TELLING;
    }
    if (p->minute != NULL && p->want->on_claim != NULL) {
        p->want->on_claim(p->want->arg, p->from_ms, p->to_ms);
    }
    p->at = 0;
    return daysort_next(p->sort, &p->minute, &p->n, &p->from_ms, &p->to_ms) ? PARSE_TELLING
                                                                            : PARSE_DONE;
}

enum parse_step archive_parse_step(struct archive_parse *p, struct err *e)
{
    return p->telling ? tell_slice(p) : read_slice(p, e);
}

void archive_parse_count(const struct archive_parse *p, int64_t *told, int64_t *read)
{
    *told = p->told;
    *read = p->rows;
}

struct archive_parse *archive_parse_new(const struct source_day *want, int fd, size_t max_rows)
{
    const bool bybit = want->ins->venue == VENUE_BYBIT;
    struct archive_parse *p = xcalloc(1, sizeof *p);
    p->want = want;
    p->fd = fd;
    p->zip = zip_new(bybit ? ZIP_GZIP : ZIP_MEMBER, CONTENT_MAX, on_bytes, p);
    csv_init(&p->csv, bybit ? CSV_BYBIT : CSV_BINANCE);
    p->sort = bybit ? daysort_new(want->start_ms, max_rows) : NULL;
    return p;
}

void archive_parse_free(struct archive_parse *p)
{
    if (p == NULL) {
        return;
    }
    zip_free(p->zip);
    csv_release(&p->csv);
    daysort_free(p->sort);
    free(p);
}

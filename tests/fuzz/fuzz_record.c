// links: backfill
// Files of own recordings, and their lines: whatever they hold, rows are of the day and told once,
// claims lie within it, and marks that were written are read back.

#include "services/backfill/core/rec_day.h"
#include "services/backfill/core/rec_lines.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/fuzz_instrument.h"

#include "common/base/clock.h"

static struct frame_space space;
#define DAY (INT64_C(20779) * MS_PER_DAY)

static void on_row(void *arg, const struct csv_row *r)
{
    const struct rec_day *d = arg;
    CHECK(r->ts_ms >= d->start_ms && r->ts_ms < d->start_ms + MS_PER_DAY);
    CHECK(r->price.n > 0 && r->qty.n > 0 && r->id >= 0);
    CHECK(d->ins->venue == VENUE_BINANCE ? r->uid.n == 0 : r->uid.n == 36);
}

static void on_claim(void *arg, int64_t from_ms, int64_t to_ms)
{
    const struct rec_day *d = arg;
    CHECK(from_ms < to_ms && from_ms >= d->start_ms && to_ms <= d->start_ms + MS_PER_DAY);
}

static bool on_line(void *arg, const char *p, size_t n)
{
    struct record_line l;
    const enum record_line_kind kind = record_line_parse(p, n, &l);
    CHECK(kind == RECORD_BAD || (l.rx_ns >= 0 && l.json.n > 0));
    CHECK(kind != RECORD_OPEN || (memchr(l.conn, 0, sizeof l.conn) != NULL && l.part >= 0));
    (void)rec_day_line(arg, p, n);
    return true;
}

// As they stand in a file, and as text.
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *s = fuzz_copy(data, size);
    for (int venue = 0; venue < 2; venue++) {
        const struct instrument ins = fuzz_instrument(venue == 0 ? VENUE_BINANCE : VENUE_BYBIT);
        struct rec_day d;
        rec_day_init(&d, &ins, DAY);
        d.space = &space;
        d.on_row = on_row;
        d.on_claim = on_claim;
        d.arg = &d;
        struct rec_lines *x = rec_lines_new(on_line, &d);
        (void)rec_lines_feed(x, s, size);
        rec_lines_free(x);
        rec_day_file_end(&d);
        for (const char *p = s, *nl; (nl = memchr(p, '\n', (size_t)(s + size - p))) != NULL;
             p = nl + 1) {
            (void)on_line(&d, p, (size_t)(nl - p));
        }
        rec_day_end(&d);
        CHECK(d.n_parked == 0);
        rec_day_release(&d);
    }
    struct record_name n;
    char again[RECORD_NAME_MAX];
    if (record_name_parse("2026-11-22", s, &n)) {
        CHECK(record_name_make(&n, again) && strcmp(again, s) == 0);
    }
    free(s);
    return 0;
}

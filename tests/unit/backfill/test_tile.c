#include "services/backfill/core/tile.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "common/market/instrument.h"

#define MAX_SENT 4096

static struct {
    int64_t from_ms, to_ms, n, first_ms, last_ms;
    size_t bytes;
} sent[MAX_SENT];
static size_t n_sent;
static struct tile t;
static struct instrument ins;
static int64_t rows_sent;

static void take(void *arg, const struct history *h)
{
    size_t pos = 0;
    struct trade r;
    int64_t n = 0;
    (void)arg;
    cr_assert_lt(n_sent, MAX_SENT);
    sent[n_sent].from_ms = h->from_ms;
    sent[n_sent].to_ms = h->to_ms;
    sent[n_sent].n = h->n;
    sent[n_sent].bytes = h->data.n;
    sent[n_sent].first_ms = sent[n_sent].last_ms = -1;
    cr_assert_eq(h->from_id, -1);
    cr_assert_eq(h->to_id, -1);
    cr_assert_eq(h->kind, HISTORY_TRADES);
    while (history_next(h, &ins, &pos, &r) == 1) {
        sent[n_sent].first_ms = n == 0 ? r.ts_ms : sent[n_sent].first_ms;
        sent[n_sent].last_ms = r.ts_ms;
        cr_assert(trade_has_uid(&r));
        n++;
    }
    cr_assert_eq(n, h->n, "every line is a trade");
    rows_sent += n;
    n_sent++;
}

static void up(void)
{
    struct err e = {0};
    const char *kv[] = {"venue",        "bybit", "symbol",    "BTCUSDT", "tick",      "0.10",
                        "step",         "0.001", "min_qty",   "0.001",   "simulated", "0",
                        "price_scale",  "3",     "qty_scale", "5",       "schema",    "1",
                        "min_notional", "5"};
    const struct instrument who = {
        .venue = VENUE_BYBIT, .name = "bybit:BTCUSDT", .symbol = "BTCUSDT"};
    cr_assert_eq(instrument_from_fields(&who, kv, sizeof kv / sizeof kv[0] / 2, &ins, &e), 0, "%s",
                 e.text);
    n_sent = 0;
    rows_sent = 0;
    tile_init(&t, "archive", take, NULL);
}

static void down(void)
{
    tile_release(&t);
}

TestSuite(tile, .init = up, .fini = down);

static bool add(int64_t ts_ms)
{
    static unsigned k;
    char uid[UID_TEXT];
    trade_uid_format((struct trade_uid){0x2a74ac78698c5b54, ++k}, uid);
    return tile_add(&t, ts_ms, slice_of(uid), slice_of("109378.90"), slice_of("0.020"), SIDE_BUY, 0,
                    k % 2 == 0 ? TRADE_RPI : 0);
}

// Claims follow one another without a break and cover exactly [from, to).
static void assert_tiles(size_t first, int64_t from, int64_t to)
{
    for (size_t i = first; i < n_sent; i++) {
        if (sent[i].from_ms == sent[i].to_ms) {
            cr_assert_eq(sent[i].from_ms, from, "it belongs to the claim that follows");
            continue;
        }
        cr_assert_eq(sent[i].from_ms, from);
        cr_assert(sent[i].n == 0 ||
                  (sent[i].first_ms >= sent[i].from_ms && sent[i].last_ms < sent[i].to_ms));
        from = sent[i].to_ms;
    }
    cr_assert_eq(from, to);
}

Test(tile, one_entry_holds_rows_and_claim)
{
    cr_assert(add(100) && add(100) && add(250));
    cr_assert_eq(n_sent, 0, "nothing goes out before it is claimed");
    tile_claim(&t, 60, 300);
    cr_assert_eq(n_sent, 1);
    cr_assert_eq(sent[0].n, 3);
    assert_tiles(0, 60, 300);
}

Test(tile, a_claim_without_rows_is_an_entry_too)
{
    tile_claim(&t, 10, 20);
    cr_assert_eq(n_sent, 1);
    cr_assert_eq(sent[0].n, 0);
    cr_assert_eq(sent[0].bytes, 0);
    tile_claim(&t, 20, 20);
    cr_assert_eq(n_sent, 1, "an empty one claims nothing");
}

Test(tile, entries_tile_the_claim_and_never_split_a_millisecond)
{
    for (int64_t i = 0; i < 10000; i++) {
        cr_assert(add(1000 + i / 7));
    }
    tile_claim(&t, 900, 5000);
    cr_assert_geq(n_sent, 10000 / (TILE_ROWS + 7));
    cr_assert_eq(rows_sent, 10000);
    assert_tiles(0, 900, 5000);
    for (size_t i = 1; i < n_sent; i++) {
        cr_assert_gt(sent[i].first_ms, sent[i - 1].last_ms);
        cr_assert_leq(sent[i].bytes, TILE_BYTES + 7 * 160);
    }
}

Test(tile, more_trades_of_a_millisecond_than_an_entry_takes_are_claimed_by_the_last)
{
    cr_assert(add(50));
    for (int64_t i = 0; i < 2 * TILE_ROWS_MAX + 10; i++) {
        cr_assert(add(77));
    }
    cr_assert(add(78));
    tile_claim(&t, 0, 100);
    cr_assert_eq(rows_sent, 2 * TILE_ROWS_MAX + 12);
    assert_tiles(0, 0, 100);
    for (size_t i = 0; i < n_sent; i++) {
        cr_assert_leq(sent[i].n, TILE_ROWS_MAX + TILE_ROWS);
    }
}

Test(tile, rows_outside_the_claim_claim_nothing)
{
    cr_assert(add(5) && add(10) && add(19) && add(20));
    tile_claim(&t, 10, 20);
    cr_assert_eq(n_sent, 2);
    cr_assert_eq(sent[0].n, 1);
    cr_assert_eq(sent[0].from_ms, sent[0].to_ms);
    cr_assert_eq(sent[1].n, 2);
    assert_tiles(1, 10, 20);
    tile_flush(&t);
    cr_assert_eq(n_sent, 3);
    cr_assert_eq(sent[2].n, 1);
    cr_assert_eq(sent[2].first_ms, 20);
    cr_assert_eq(sent[2].from_ms, sent[2].to_ms);
}

Test(tile, rows_that_nobody_claims_go_out_after_a_while)
{
    for (int64_t i = 0; i <= TILE_WAIT; i++) {
        cr_assert(add(i));
    }
    cr_assert_eq(rows_sent, TILE_WAIT);
    for (size_t i = 0; i < n_sent; i++) {
        cr_assert_eq(sent[i].from_ms, sent[i].to_ms);
        cr_assert_leq(sent[i].n, TILE_ROWS);
    }
    tile_claim(&t, 0, TILE_WAIT + 1);
    cr_assert_eq(rows_sent, TILE_WAIT + 1);
    cr_assert_eq(sent[n_sent - 1].from_ms, 0);
    cr_assert_eq(sent[n_sent - 1].to_ms, TILE_WAIT + 1);
}

Test(tile, times_that_run_back_are_refused)
{
    cr_assert(add(10));
    cr_assert(!add(9));
    tile_flush(&t);
    cr_assert_eq(rows_sent, 1);
}

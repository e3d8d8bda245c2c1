#include "services/collector/core/repair.h"

#include <criterion/criterion.h>
#include <string.h>

#include "services/collector/core/outbox.h"

#define NOW 1000000
#define T INT64_C(1712070234881)

struct took {
    struct history h[64];
    char first_line[64][80];
    size_t n, room;
};

static struct instrument ins;

static bool take(void *arg, const struct history *h)
{
    struct took *t = arg;
    if (t->n >= t->room) {
        return false;
    }
    const char *end = h->data.n > 0 ? memchr(h->data.p, '\n', h->data.n) : NULL;
    str_copyn(t->first_line[t->n], 80, h->data.p, end != NULL ? (size_t)(end - h->data.p) : 0);
    t->h[t->n] = *h;
    t->h[t->n++].data.p = NULL;
    return true;
}

static void start(struct repair *r, size_t max_holes, struct took *t)
{
    const struct repair_opts o = {.max_holes = max_holes,
                                  .delay_ms = 500,
                                  .retry_min_ms = 1000,
                                  .retry_max_ms = 3000,
                                  .max_tries = 3,
                                  .reach_ms = INT64_C(172800000)};
    memset(t, 0, sizeof *t);
    t->room = 64;
    repair_init(r, &o);
    cr_assert_eq(instrument_parse("BTCUSDT", 7, VENUE_BINANCE, &ins, NULL), 0);
    cr_assert_eq(instrument_set_units(&ins, "0.10", "0.001", -1, NULL), 0);
}

static void hole(struct repair *r, int64_t lo, int64_t hi)
{
    repair_add(r, lo, hi, T, T + 100, NOW);
}

static void assert_holes(const struct repair *r, const char *want)
{
    char text[400] = "";
    for (size_t i = 0; i < r->n; i++) {
        char one[64];
        str_fmt(one, sizeof one, "%s%lld-%lld", i > 0 ? " " : "", (long long)r->hole[i].lo,
                (long long)r->hole[i].hi);
        memcpy(text + strlen(text), one, strlen(one) + 1);
    }
    cr_assert_str_eq(text, want);
}

static void add_row(struct buf *b, int64_t id, int64_t ts)
{
    buf_addf(b,
             "%s{\"a\":%lld,\"p\":\"61000.10\",\"q\":\"0.002\",\"nq\":\"0.002\",\"f\":1,\"l\":2,"
             "\"T\":%lld,\"m\":true}",
             buf_len(b) > 1 ? "," : "", (long long)id, (long long)ts);
}

// Asks for `from` and gives rows of these ids (up to -1).
static const char *answer(struct repair *r, int64_t from, struct took *t, const int64_t *ids)
{
    struct buf b;
    buf_init(&b, 1 << 20);
    buf_addc(&b, '[');
    for (; *ids >= 0; ids++) {
        add_row(&b, *ids, T + 50);
    }
    buf_addc(&b, ']');
    cr_assert(repair_ask(r, from));
    const char *why = repair_answer(r, &ins, buf_ptr(&b), buf_len(&b), NOW + 600, take, t);
    buf_release(&b);
    return why;
}
#define IDS(...) ((const int64_t[]){__VA_ARGS__, -1})

static const char *answer_text(struct repair *r, int64_t from, struct took *t, const char *body)
{
    cr_assert(repair_ask(r, from));
    return repair_answer(r, &ins, body, strlen(body), NOW + 600, take, t);
}

// ---- the set
// -------------------------------------------------------------------------------------

Test(repair, late_frames_cut_holes)
{
    struct repair r;
    struct took t;
    start(&r, 10, &t);
    hole(&r, 10, 20);
    repair_held(&r, 15, 15);
    assert_holes(&r, "10-14 16-20");
    repair_held(&r, 10, 11);
    repair_held(&r, 19, 30);
    assert_holes(&r, "12-14 16-18");
    repair_held(&r, 0, 100);
    assert_holes(&r, "");
    cr_assert_eq(repair_due_ms(&r), -1);
    repair_release(&r);
}

Test(repair, touching_holes_are_one_and_the_oldest_is_forgotten_beyond_the_bound)
{
    struct repair r;
    struct took t;
    start(&r, 3, &t);
    hole(&r, 10, 20);
    hole(&r, 21, 30);
    assert_holes(&r, "10-30");
    hole(&r, 50, 60);
    hole(&r, 40, 45);
    hole(&r, 55, 70);
    assert_holes(&r, "10-30 40-45 50-70");
    cr_assert_eq(r.dropped, 0);
    hole(&r, 90, 90);
    assert_holes(&r, "40-45 50-70 90-90");
    cr_assert_eq(r.dropped, 1);
    cr_assert_eq(repair_ids_pending(&r), 6 + 21 + 1);
    repair_release(&r);
}

Test(repair, waits_for_late_frames_then_asks_for_the_newest)
{
    struct repair r;
    struct took t;
    int64_t from;
    start(&r, 10, &t);
    hole(&r, 10, 20);
    repair_add(&r, 50, 60, T, T, NOW + 100);
    cr_assert_not(repair_next(&r, NOW + 499, &from));
    cr_assert_eq(repair_due_ms(&r), NOW + 500);
    cr_assert(repair_next(&r, NOW + 500, &from));
    cr_assert_eq(from, 10);
    cr_assert(repair_next(&r, NOW + 600, &from));
    cr_assert_eq(from, 50);
    cr_assert_not(repair_ask(&r, 51), "that hole is another one meanwhile");
    cr_assert(repair_ask(&r, 50));
    cr_assert_not(repair_next(&r, NOW + 600, &from), "one at a time");
    repair_release(&r);
}

Test(repair, after_a_restart_gaps_that_nothing_fills_are_holes)
{
    struct repair r;
    struct took t;
    start(&r, 10, &t);
    const struct history h[] = {{.kind = HISTORY_TRADES, .from_id = 12, .to_id = 13},
                                {.kind = HISTORY_GAP, .from_id = 10, .to_id = 20},
                                {.kind = HISTORY_LOST, .from_id = 30, .to_id = 31},
                                {.kind = HISTORY_GAP, .from_id = 30, .to_id = 32}};
    for (size_t i = 0; i < 4; i++) {
        repair_seed(&r, &h[i]);
    }
    repair_seed_held(&r, &(struct id_span){.lo = 20, .hi = 25});
    repair_seed_end(&r, NOW);
    assert_holes(&r, "10-11 14-19 32-32");
    repair_release(&r);
}

// ---- answers that are right
// ----------------------------------------------------------------------

Test(repair, rows_become_one_entry_and_what_follows_the_hole_is_dropped)
{
    struct repair r;
    struct took t;
    start(&r, 10, &t);
    hole(&r, 10, 12);
    cr_assert_null(answer(&r, 10, &t, IDS(10, 11, 12, 13, 14)));
    assert_holes(&r, "");
    cr_assert_eq(t.n, 1);
    cr_assert_eq(t.h[0].kind, HISTORY_TRADES);
    cr_assert_eq(t.h[0].from_id, 10);
    cr_assert_eq(t.h[0].to_id, 12);
    cr_assert_eq(t.h[0].n, 3);
    cr_assert_str_eq(t.h[0].source, "rest");
    cr_assert_str_eq(t.first_line[0], "1712070234931 10 61000.10 0.002 sell ");
    cr_assert_eq(r.ids_repaired, 3);
    repair_release(&r);
}

Test(repair, ids_the_venue_skips_are_lost_once_a_row_proves_it)
{
    struct repair r;
    struct took t;
    start(&r, 10, &t);
    hole(&r, 10, 20);
    cr_assert_null(answer(&r, 10, &t, IDS(12, 13, 16)));
    assert_holes(&r, "17-20");
    cr_assert_eq(t.n, 4);
    const struct {
        enum history_kind kind;
        int64_t from, to;
    } want[] = {{HISTORY_LOST, 10, 11},
                {HISTORY_TRADES, 12, 13},
                {HISTORY_LOST, 14, 15},
                {HISTORY_TRADES, 16, 16}};
    for (size_t i = 0; i < 4; i++) {
        cr_assert_eq(t.h[i].kind, want[i].kind);
        cr_assert_eq(t.h[i].from_id, want[i].from);
        cr_assert_eq(t.h[i].to_id, want[i].to);
    }
    cr_assert_str_eq(t.h[0].reason, "not at venue");
    int64_t from;
    cr_assert(repair_next(&r, NOW + 600, &from), "the next page at once");
    cr_assert_null(answer(&r, 17, &t, IDS(21, 22)));
    cr_assert_eq(t.h[4].kind, HISTORY_LOST);
    cr_assert_eq(t.h[4].to_id, 20);
    assert_holes(&r, "");
    repair_release(&r);
}

Test(repair, a_large_page_is_cut_into_entries)
{
    struct repair r;
    struct took t;
    static int64_t ids[1001];
    start(&r, 10, &t);
    hole(&r, 10, 2000);
    for (int i = 0; i < 1000; i++) {
        ids[i] = 10 + i;
    }
    ids[1000] = -1;
    cr_assert_null(answer(&r, 10, &t, ids));
    cr_assert_eq(t.n, 2);
    cr_assert_eq(t.h[0].n, REPAIR_CHUNK_ROWS);
    cr_assert_eq(t.h[1].from_id, t.h[0].to_id + 1);
    cr_assert_leq(t.h[0].data.n, 65535);
    assert_holes(&r, "1010-2000");
    repair_release(&r);
}

Test(repair, what_finds_no_room_is_asked_for_again)
{
    struct repair r;
    struct took t;
    start(&r, 10, &t);
    t.room = 1;
    hole(&r, 10, 20);
    cr_assert_null(answer(&r, 10, &t, IDS(10, 12, 21)));
    assert_holes(&r, "11-20");
    t.room = 64;
    cr_assert_null(answer(&r, 11, &t, IDS(12, 21)));
    assert_holes(&r, "");
    repair_release(&r);
}

// ---- answers that are wrong
// ----------------------------------------------------------------------

static const struct wrong {
    const char *name, *body;
} wrong[] = {
    {"no JSON", "<html>"},
    {"an object", "{\"code\":-1121,\"msg\":\"Invalid symbol.\"}"},
    {"nothing", "[]"},
    {"the newest rows", "[{\"a\":900,\"p\":\"1.0\",\"q\":\"1\",\"T\":1712070234900,\"m\":true}]"},
    {"rows before", "[{\"a\":9,\"p\":\"1.0\",\"q\":\"1\",\"T\":1712070234900,\"m\":true}]"},
    {"ids twice", "[{\"a\":10,\"p\":\"1.0\",\"q\":\"1\",\"T\":1712070234900,\"m\":true},"
                  "{\"a\":10,\"p\":\"1.0\",\"q\":\"1\",\"T\":1712070234900,\"m\":true}]"},
    {"another time", "[{\"a\":10,\"p\":\"1.0\",\"q\":\"1\",\"T\":1712080234900,\"m\":true}]"},
    {"a price too fine",
     "[{\"a\":10,\"p\":\"1.00001\",\"q\":\"1\",\"T\":1712070234900,\"m\":true}]"},
    {"a price below zero",
     "[{\"a\":10,\"p\":\"-1.0\",\"q\":\"1\",\"T\":1712070234900,\"m\":true}]"},
    {"an id as text", "[{\"a\":\"10\",\"p\":\"1.0\",\"q\":\"1\",\"T\":1712070234900,\"m\":true}]"},
    {"no side", "[{\"a\":10,\"p\":\"1.0\",\"q\":\"1\",\"T\":1712070234900}]"},
    {"a price as number", "[{\"a\":10,\"p\":1.0,\"q\":\"1\",\"T\":1712070234900,\"m\":true}]"},
    {"another market",
     "[{\"a\":10,\"p\":\"1.0\",\"q\":\"1\",\"T\":1712070234900,\"m\":true,\"st\":2}]"},
    {"a row that is none", "[7]"},
};

Test(repair, a_wrong_answer_changes_nothing_and_is_tried_again_later)
{
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        struct repair r;
        struct took t;
        int64_t from;
        start(&r, 10, &t);
        hole(&r, 10, 20);
        cr_assert_not_null(answer_text(&r, 10, &t, wrong[i].body), "%s", wrong[i].name);
        cr_assert_eq(t.n, 0, "%s", wrong[i].name);
        assert_holes(&r, "10-20");
        cr_assert_not(repair_next(&r, NOW + 1599, &from));
        cr_assert(repair_next(&r, NOW + 1600, &from));
        repair_release(&r);
    }
}

Test(repair, gives_up_after_so_many_tries)
{
    struct repair r;
    struct took t;
    start(&r, 10, &t);
    hole(&r, 10, 20);
    const int64_t pause[] = {1000, 2000};
    for (int i = 0; i < 2; i++) {
        cr_assert(repair_ask(&r, 10));
        repair_failed(&r, true, NOW, take, &t);
        cr_assert_eq(repair_due_ms(&r), NOW + pause[i]);
    }
    cr_assert(repair_ask(&r, 10));
    repair_failed(&r, false, NOW, take, &t);
    cr_assert_eq(t.n, 0, "a ban is not the venue's failure to know these ids");
    cr_assert_eq(repair_due_ms(&r), NOW + 3000, "the longest pause");
    cr_assert_not_null(answer_text(&r, 10, &t, "[]"));
    cr_assert_eq(t.n, 1);
    cr_assert_eq(t.h[0].kind, HISTORY_LOST);
    cr_assert_str_eq(t.h[0].reason, "retries exhausted");
    cr_assert_eq(t.h[0].to_id, 20);
    assert_holes(&r, "");
    repair_release(&r);
}

Test(repair, what_lies_too_far_back_is_lost)
{
    struct repair r;
    struct took t;
    start(&r, 10, &t);
    hole(&r, 10, 20);
    repair_add(&r, 50, 60, T + 1000, T + 2000, NOW);
    repair_expire(&r, T + 100 + r.o.reach_ms, take, &t);
    cr_assert_eq(t.n, 0);
    repair_expire(&r, T + 101 + r.o.reach_ms, take, &t);
    cr_assert_eq(t.n, 1);
    cr_assert_str_eq(t.h[0].reason, "too old");
    assert_holes(&r, "50-60");
    repair_release(&r);
}

// ---- its entries in the outbox
// -------------------------------------------------------------------

Test(repair, entries_with_data_are_bounded_resent_and_forgotten)
{
    static char text[5000];
    struct outbox b;
    struct took t;
    struct repair r;
    char out[ENTRY_MAX];
    int64_t sent;
    size_t commands;
    start(&r, 1, &t);
    const struct outbox_opts o = {
        .max_queue = 100, .ring_max = 100, .ring_ms = 1000, .batch = 8, .max_data_bytes = 12000};
    outbox_init(&b, &ins, &o);
    memset(text, 'x', sizeof text);
    struct history h = {
        .kind = HISTORY_TRADES, .from_id = 1, .to_id = 2, .n = 2, .data = {text, sizeof text}};
    cr_assert(outbox_add_history(&b, &h));
    cr_assert(outbox_add_history(&b, &h));
    cr_assert_not(outbox_add_history(&b, &h), "no room");
    for (int round = 0; round < 2; round++) { // stored, then found missing and sent once more
        outbox_open(&b, round > 0);
        while (outbox_wants(&b, NOW)) {
            size_t n;
            outbox_begin(&b, 0);
            while ((n = outbox_next(&b, out)) > 0) {
                if (outbox_expected(&b) == OP_HISTORY && n > ENTRY_MAX) {
                    cr_assert_not_null(memmem(b.command, n, "\r\n$5000\r\nxxx", 12));
                    cr_assert_arr_eq(b.command + n - 4, "xx\r\n", 4);
                }
            }
            while (b.flight_n > 0) {
                const bool look = outbox_expected(&b) == OP_HISTORY_LOOKUP;
                outbox_answer(&b, look ? ANSWER_ABSENT : ANSWER_STORED, 5, 0, NOW, &sent,
                              &commands);
            }
        }
        cr_assert_eq(outbox_pending(&b), 0);
        if (round == 0) {
            outbox_close(&b);
        }
    }
    cr_assert_eq(b.resent, 2);
    outbox_tick(&b, NOW + 1001);
    cr_assert_eq(b.data_bytes, 0);
    cr_assert(outbox_add_history(&b, &h));
    outbox_release(&b);
    repair_release(&r);
}

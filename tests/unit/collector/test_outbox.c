#include "services/collector/core/outbox.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

// A Redis that is just enough: two streams, XADD's rule about ids, and the ways to fail.
#define STREAM_MAX 40000
struct entry {
    int64_t ms, seq;
    int64_t from, to; // ids told by it
    bool gap;
};
struct fake_redis {
    struct entry trades[STREAM_MAX], history[STREAM_MAX];
    size_t n_trades, n_history;
    int64_t clock_ms;
    bool away; // every write is refused (OOM)
};

// ---- reading our own commands ------------------------------------------------------------------

struct args {
    struct slice v[24];
    size_t n;
};

static void parse(const char *p, size_t n, struct args *a)
{
    const char *end = p + n;
    char *at = NULL;
    cr_assert_eq(*p, '*');
    a->n = (size_t)strtol(p + 1, &at, 10);
    cr_assert_leq(a->n, 24);
    for (size_t i = 0; i < a->n; i++) {
        cr_assert_eq(at[2], '$');
        const long len = strtol(at + 3, &at, 10);
        a->v[i] = (struct slice){at + 2, (size_t)len};
        at += 2 + len;
    }
    cr_assert(at + 2 == end && memcmp(at, "\r\n", 2) == 0, "the command ends where it says");
}

static int64_t number(struct slice s)
{
    int64_t v = -1;
    cr_assert_eq(parse_i64(s.p, s.n, &v), 0, "%.*s", (int)s.n, s.p);
    return v;
}

static void entry_id(struct slice s, int64_t *ms, int64_t *seq)
{
    const char *dash = memchr(s.p, '-', s.n);
    cr_assert_not_null(dash);
    *ms = number((struct slice){s.p, (size_t)(dash - s.p)});
    *seq = number((struct slice){dash + 1, (size_t)(s.p + s.n - dash - 1)});
}

static bool ends(struct slice s, const char *tail)
{
    return s.n >= strlen(tail) && memcmp(s.p + s.n - strlen(tail), tail, strlen(tail)) == 0;
}

// ---- the server --------------------------------------------------------------------------------

static enum outbox_answer add_trade(struct fake_redis *r, const struct args *a)
{
    int64_t ms, seq;
    entry_id(a->v[2], &ms, &seq);
    cr_assert_eq(a->n, 13);
    cr_assert_eq(number(a->v[10]), seq);
    const struct entry *tip = r->n_trades > 0 ? &r->trades[r->n_trades - 1] : NULL;
    if (tip != NULL && (ms < tip->ms || (ms == tip->ms && seq <= tip->seq))) {
        return ANSWER_ID_REFUSED;
    }
    r->trades[r->n_trades++] = (struct entry){ms, seq, seq, seq, false};
    return ANSWER_STORED;
}

static enum outbox_answer add_history(struct fake_redis *r, const struct args *a, int64_t *ms,
                                      int64_t *seq)
{
    cr_assert_eq(a->n, 21);
    r->clock_ms++;
    r->history[r->n_history++] =
        (struct entry){r->clock_ms, 0, number(a->v[6]), number(a->v[8]), ends(a->v[4], "gap")};
    *ms = r->clock_ms;
    *seq = 0;
    return ANSWER_STORED;
}

static enum outbox_answer look(const struct entry *e, size_t n, struct slice id)
{
    int64_t ms, seq;
    entry_id(id, &ms, &seq);
    for (size_t i = 0; i < n; i++) {
        if (e[i].ms == ms && e[i].seq == seq) {
            return ANSWER_FOUND;
        }
    }
    return ANSWER_ABSENT;
}

static enum outbox_answer serve(struct fake_redis *r, const char *command, size_t n, int64_t *ms,
                                int64_t *seq)
{
    struct args a;
    parse(command, n, &a);
    const bool history = ends(a.v[1], ":history");
    if (ends(a.v[0], "XRANGE")) {
        return history ? look(r->history, r->n_history, a.v[2])
                       : look(r->trades, r->n_trades, a.v[2]);
    }
    if (r->away) {
        return ANSWER_AWAY;
    }
    return history ? add_history(r, &a, ms, seq) : add_trade(r, &a);
}

// ---- the writer --------------------------------------------------------------------------------

struct wire {
    char bytes[64][ENTRY_MAX];
    size_t len[64];
    size_t n;
};

// Fills what may be sent now.
static void send_all(struct outbox *b, struct wire *w, int64_t now_ms)
{
    while (outbox_wants(b, now_ms)) {
        outbox_begin(b, now_ms * 1000);
        size_t n;
        while ((n = outbox_next(b, w->bytes[w->n])) > 0) {
            w->len[w->n++] = n;
        }
    }
}

// The server takes the first `executed` commands on the wire, the client sees `answered` replies.
static void exchange(struct outbox *b, struct fake_redis *r, struct wire *w, size_t executed,
                     size_t answered, int64_t now_ms)
{
    for (size_t i = 0; i < executed && i < w->n; i++) {
        int64_t ms = 0, seq = 0, sent;
        size_t commands;
        const enum outbox_answer a = serve(r, w->bytes[i], w->len[i], &ms, &seq);
        if (i < answered) {
            outbox_answer(b, a, ms, seq, now_ms, &sent, &commands);
        }
    }
    w->n = 0;
}

static void settle(struct outbox *b, struct fake_redis *r, int64_t *now_ms)
{
    struct wire w = {.n = 0};
    for (int i = 0; i < 100000 && outbox_pending(b) > 0; i++) {
        outbox_settle(b, true);
        send_all(b, &w, *now_ms);
        exchange(b, r, &w, w.n, w.n, *now_ms);
        *now_ms += 10;
    }
    cr_assert_eq(outbox_pending(b), 0);
}

static void init(struct outbox *b, size_t queue, size_t ring)
{
    struct instrument ins;
    const struct outbox_opts o = {
        .max_queue = queue, .ring_max = ring, .ring_ms = 30000, .batch = 8};
    cr_assert_eq(instrument_parse("BTCUSDT", 7, VENUE_BINANCE, &ins, NULL), 0);
    cr_assert_eq(instrument_set_units(&ins, "0.10", "0.001", -1, NULL), 0);
    outbox_init(b, &ins, &o);
}

static bool add(struct outbox *b, int64_t id, int64_t ts_ms)
{
    const struct trade t = {.ts_ms = ts_ms, .id = id, .price = 1, .qty = 1};
    return outbox_add_trade(b, &t, slice_of("61800.30"), slice_of("0.006"), ts_ms * 1000);
}

static bool on_stream(const struct fake_redis *r, int64_t id)
{
    for (size_t i = 0; i < r->n_trades; i++) {
        if (r->trades[i].seq == id) {
            return true;
        }
    }
    for (size_t i = 0; i < r->n_history; i++) {
        if (!r->history[i].gap && r->history[i].from <= id && id <= r->history[i].to) {
            return true;
        }
    }
    return false;
}

static bool declared(const struct fake_redis *r, int64_t id)
{
    for (size_t i = 0; i < r->n_history; i++) {
        if (r->history[i].gap && r->history[i].from <= id && id <= r->history[i].to) {
            return true;
        }
    }
    return false;
}

static struct fake_redis *new_redis(void)
{
    return calloc(1, sizeof(struct fake_redis));
}

// ---- claims ------------------------------------------------------------------------------------

Test(outbox, writes_in_order_and_keeps_a_ring)
{
    struct outbox b;
    struct fake_redis *r = new_redis();
    int64_t now = 1000;
    init(&b, 100, 1000);
    cr_expect_not(outbox_wants(&b, now)); // closed: the keyspace is not known yet
    outbox_open(&b, false);
    for (int64_t id = 1; id <= 50; id++) {
        cr_assert(add(&b, id, 5000 + id));
    }
    settle(&b, r, &now);
    cr_expect_eq(r->n_trades, 50);
    cr_expect_eq(r->n_history, 0);
    cr_expect_eq(b.fresh, 0);
    cr_expect_eq(outbox_ring(&b), 50);
    outbox_tick(&b, now + 29000);
    cr_expect_eq(outbox_ring(&b), 50);
    outbox_tick(&b, now + 30001);
    cr_expect_eq(outbox_ring(&b), 0);
    outbox_release(&b);
    free(r);
}

Test(outbox, has_two_batches_in_flight_and_no_more)
{
    struct outbox b;
    struct wire w = {.n = 0};
    struct fake_redis *r = new_redis();
    init(&b, 100, 1000);
    outbox_open(&b, false);
    for (int64_t id = 1; id <= 50; id++) {
        add(&b, id, 5000 + id);
    }
    send_all(&b, &w, 1000);
    cr_expect_eq(w.n, 16);
    exchange(&b, r, &w, 16, 16, 1000);
    send_all(&b, &w, 1000);
    cr_expect_eq(w.n, 16);
    outbox_close(&b);
    outbox_release(&b);
    free(r);
}

Test(outbox, a_refused_id_that_is_there_is_a_copy)
{
    struct outbox b;
    struct fake_redis *r = new_redis();
    int64_t now = 1000;
    init(&b, 100, 1000);
    outbox_open(&b, false);
    add(&b, 1, 5001);
    add(&b, 2, 5002);
    add(&b, 1, 5001);
    settle(&b, r, &now);
    cr_expect_eq(r->n_trades, 2);
    cr_expect_eq(r->n_history, 0);
    cr_expect_eq(b.copies, 1);
    outbox_release(&b);
    free(r);
}

Test(outbox, a_refused_id_that_is_not_there_goes_to_history)
{
    struct outbox b;
    struct fake_redis *r = new_redis();
    int64_t now = 1000;
    init(&b, 100, 1000);
    outbox_open(&b, false);
    add(&b, 1, 5001);
    add(&b, 3, 5003);
    add(&b, 2, 5002);
    settle(&b, r, &now);
    cr_expect_eq(r->n_trades, 2);
    cr_expect_eq(r->n_history, 1);
    cr_expect(on_stream(r, 2));
    cr_expect_eq(b.late, 1);
    outbox_release(&b);
    free(r);
}

Test(outbox, gaps_and_excluded_ids_go_to_history)
{
    struct outbox b;
    struct fake_redis *r = new_redis();
    int64_t now = 1000;
    init(&b, 100, 1000);
    outbox_open(&b, false);
    outbox_add_gap(&b, 10, 19, 5000, 5001, "jump");
    cr_expect(outbox_add_excluded(&b, 20, 5002, "INSURANCE_FUND"));
    settle(&b, r, &now);
    cr_expect_eq(r->n_history, 2);
    cr_expect(declared(r, 10) && declared(r, 19) && !declared(r, 20));
    cr_expect(on_stream(r, 20)); // claimed: held, although it holds no trade
    outbox_release(&b);
    free(r);
}

Test(outbox, what_does_not_fit_becomes_one_declared_gap)
{
    struct outbox b;
    struct fake_redis *r = new_redis();
    int64_t now = 1000;
    init(&b, 100, 1000);
    for (int64_t id = 1; id <= 250; id++) { // Redis was never there
        cr_expect_eq(add(&b, id, 5000 + id), id <= 100);
    }
    cr_expect_eq(b.dropped, 150);
    outbox_open(&b, false);
    settle(&b, r, &now);
    cr_expect_eq(r->n_trades, 100);
    cr_expect_eq(r->n_history, 1);
    cr_expect_eq(r->history[0].from, 101);
    cr_expect_eq(r->history[0].to, 250);
    cr_expect(add(&b, 251, 6000));
    settle(&b, r, &now);
    cr_expect(on_stream(r, 251));
    outbox_release(&b);
    free(r);
}

Test(outbox, accepts_again_when_half_the_queue_is_free)
{
    struct outbox b;
    struct wire w = {.n = 0};
    struct fake_redis *r = new_redis();
    init(&b, 100, 1000);
    for (int64_t id = 1; id <= 101; id++) {
        add(&b, id, 5000 + id);
    }
    outbox_open(&b, false);
    int64_t id = 102;
    while (b.fresh > 50) {
        cr_expect_not(add(&b, id, 5000 + id), "%zu waiting", b.fresh);
        id++;
        send_all(&b, &w, 1000);
        exchange(&b, r, &w, w.n, w.n, 1000);
    }
    cr_expect(add(&b, id, 5000 + id));
    int64_t now = 1000;
    settle(&b, r, &now);
    for (int64_t i = 1; i <= id; i++) {
        cr_expect(on_stream(r, i) != declared(r, i), "id %lld", (long long)i);
    }
    outbox_release(&b);
    free(r);
}

Test(outbox, redis_away_pauses_and_keeps_the_trade)
{
    struct outbox b;
    struct wire w = {.n = 0};
    struct fake_redis *r = new_redis();
    init(&b, 100, 1000);
    outbox_open(&b, false);
    r->away = true;
    add(&b, 1, 5001);
    send_all(&b, &w, 1000);
    exchange(&b, r, &w, 1, 1, 1000);
    cr_expect_not(outbox_wants(&b, 1049));
    cr_expect(outbox_wants(&b, 1050));
    send_all(&b, &w, 1050);
    exchange(&b, r, &w, 1, 1, 1050);
    cr_expect_not(outbox_wants(&b, 1149)); // twice as long
    cr_expect(outbox_wants(&b, 1150));
    r->away = false;
    int64_t now = 1150;
    settle(&b, r, &now);
    cr_expect(on_stream(r, 1));
    outbox_release(&b);
    free(r);
}

Test(outbox, commands_without_an_answer_are_sent_again_and_stored_once)
{
    struct outbox b;
    struct wire w = {.n = 0};
    struct fake_redis *r = new_redis();
    int64_t now = 1000;
    init(&b, 100, 1000);
    outbox_open(&b, false);
    for (int64_t id = 1; id <= 8; id++) {
        add(&b, id, 5000 + id);
    }
    send_all(&b, &w, now);
    exchange(&b, r, &w, 5, 3, now); // two ran without telling, three never ran
    outbox_close(&b);
    outbox_open(&b, true);
    settle(&b, r, &now);
    cr_expect_eq(r->n_trades, 8);
    cr_expect_eq(b.copies, 2);
    cr_expect_eq(b.resent, 0);
    outbox_release(&b);
    free(r);
}

Test(outbox, what_redis_lost_is_sent_again_from_the_ring)
{
    struct outbox b;
    struct fake_redis *r = new_redis();
    int64_t now = 1000;
    init(&b, 100, 1000);
    outbox_open(&b, false);
    for (int64_t id = 1; id <= 40; id++) {
        add(&b, id, 5000 + id);
    }
    outbox_add_gap(&b, 41, 44, 5040, 5045, "jump");
    settle(&b, r, &now);
    outbox_close(&b);
    r->n_trades = 25; // the newest second is gone
    r->n_history = 0;
    outbox_open(&b, true);
    add(&b, 45, 5045);
    settle(&b, r, &now);
    cr_expect_eq(r->n_trades, 41);
    cr_expect_eq(r->trades[40].seq, 45); // and the new one comes after them
    cr_expect(declared(r, 42));
    cr_expect_eq(b.resent, 16);
    outbox_release(&b);
    free(r);
}

Test(outbox, the_ring_does_not_age_while_redis_is_away)
{
    struct outbox b;
    struct fake_redis *r = new_redis();
    int64_t now = 1000;
    init(&b, 100, 1000);
    outbox_open(&b, false);
    add(&b, 1, 5001);
    settle(&b, r, &now);
    outbox_close(&b);
    outbox_tick(&b, now + 600000);
    cr_expect_eq(outbox_ring(&b), 1);
    r->n_trades = 0;
    outbox_open(&b, true);
    now += 600000;
    settle(&b, r, &now);
    cr_expect(on_stream(r, 1));
    outbox_release(&b);
    free(r);
}

Test(outbox, the_ring_is_bounded_by_its_count)
{
    struct outbox b;
    struct fake_redis *r = new_redis();
    int64_t now = 1000;
    init(&b, 100, 200);
    outbox_open(&b, false);
    for (int64_t id = 1; id <= 5000; id++) {
        cr_assert(add(&b, id, 5000 + id));
        if (id % 50 == 0) {
            settle(&b, r, &now);
            outbox_tick(&b, now);
            cr_assert_leq(outbox_ring(&b), 200);
        }
    }
    cr_expect_leq(b.cap, 1024);
    outbox_release(&b);
    free(r);
}

// Random cuts, losses, refusals, copies and late trades: every id that went in is on a stream or
// declared, and no trade stands on :trades twice.
Test(outbox, nothing_is_lost_and_nothing_is_there_twice, .timeout = 60)
{
    uint64_t s = 88172645463325252ULL;
    for (int round = 0; round < 60; round++) {
        struct outbox b;
        struct wire w = {.n = 0};
        struct fake_redis *r = new_redis();
        int64_t now = 1000, id = 0;
        init(&b, 120, 400);
        outbox_open(&b, false);
        bool opened = true;
        for (int step = 0; step < 600; step++) {
            s ^= s << 13;
            s ^= s >> 7;
            s ^= s << 17;
            now += 1 + (int64_t)(s >> 60);
            switch (s % 16) {
            case 0:
                if (opened && step % 3 == 0) {
                    outbox_close(&b);
                    w.n = 0;
                    opened = false;
                    const size_t loss = (s >> 20) % 30; // what an fsync had not written yet
                    r->n_trades -= loss < r->n_trades ? loss : r->n_trades;
                }
                break;
            case 1:
            case 2:
                if (!opened) {
                    outbox_open(&b, true);
                    opened = true;
                }
                break;
            case 3:
                r->away = (s >> 30) % 3 == 0;
                break;
            case 4:
                if (id > 20) {
                    add(&b, id - 3, 5000 + id - 3); // a copy
                }
                break;
            case 5: // two ids swapped: the second is late
                add(&b, id + 2, 5000 + id + 2);
                add(&b, id + 1, 5000 + id + 1);
                id += 2;
                break;
            case 6:
                outbox_add_gap(&b, id + 1, id + 4, 5000 + id, 5000 + id + 5, "jump");
                id += 4;
                break;
            case 7:
                outbox_tick(&b, now);
                break;
            default:
                for (uint64_t k = (s >> 33) % 6; k > 0; k--) {
                    id++;
                    add(&b, id, 5000 + id);
                }
                break;
            }
            if (opened && (s >> 8) % 3 != 0) {
                send_all(&b, &w, now);
                const bool cut = (s >> 12) % 40 == 0;
                const size_t ran = cut ? w.n / 2 : w.n;
                exchange(&b, r, &w, ran, cut ? ran / 2 : ran, now);
                if (cut) {
                    outbox_close(&b);
                    opened = false;
                }
            }
        }
        r->away = false;
        if (!opened) {
            outbox_open(&b, true);
        }
        settle(&b, r, &now);
        for (int64_t i = 1; i <= id; i++) {
            cr_assert(on_stream(r, i) || declared(r, i), "round %d: id %lld is nowhere", round,
                      (long long)i);
        }
        for (size_t i = 1; i < r->n_trades; i++) {
            cr_assert(r->trades[i - 1].ms < r->trades[i].ms);
        }
        outbox_release(&b);
        free(r);
    }
}

#include "services/collector/core/deriv.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#define FORCE                                                                                      \
    "../shared/data/binance_usdm_allsymbols_20250126-20250206_forceOrder-from-stream.csv.gz"

static const struct deriv_opts opts = {.window = 1000, .max_queue = 10, .resend_ms = 30000};
static const struct feed_clock no_clock = {false, 0};

static struct instrument ins_of(const char *symbol)
{
    struct instrument ins;
    cr_assert_eq(instrument_parse(symbol, strlen(symbol), VENUE_BINANCE, &ins, NULL), 0);
    return ins;
}

static void setup(struct deriv *d, const char *symbol)
{
    const struct instrument ins = ins_of(symbol);
    deriv_init(d, &ins, &opts);
}

static struct frame liq(int64_t ts, const char *side, const char *price, const char *qty)
{
    return (struct frame){.kind = FRAME_LIQUIDATION,
                          .symbol = slice_of("BTCUSDT"),
                          .market = 1,
                          .event_ms = ts,
                          .trade_ms = ts,
                          .price = slice_of(price),
                          .qty = slice_of(qty),
                          .order_price = slice_of(price),
                          .maker = strcmp(side, "sell") == 0};
}

static enum deriv_verdict give(struct deriv *d, const struct frame *f, enum refusal *why)
{
    return deriv_on_frame(d, f, f->event_ms * 1000, f->event_ms * 1000, &no_clock, why);
}

static enum deriv_verdict take(struct deriv *d, struct frame f)
{
    enum refusal why;
    return give(d, &f, &why);
}

// ---- decoding ----------------------------------------------------------------------------------

struct seen {
    size_t n;
    enum frame_kind kind[8];
    char text[8][200];
};

static void note(void *arg, const struct frame *f)
{
    struct seen *s = arg;
    cr_assert_lt(s->n, 8);
    s->kind[s->n] = f->kind;
    if (f->kind == FRAME_LIQUIDATION) {
        snprintf(s->text[s->n], sizeof s->text[0], "%.*s %s %.*s %.*s %.*s %lld %lld",
                 (int)f->symbol.n, f->symbol.p, f->maker ? "sell" : "buy", (int)f->price.n,
                 f->price.p, (int)f->qty.n, f->qty.p, (int)f->order_price.n, f->order_price.p,
                 (long long)f->trade_ms, (long long)f->market);
    } else if (f->kind == FRAME_MARK) {
        snprintf(s->text[s->n], sizeof s->text[0], "%.*s %.*s %.*s %.*s %.*s %lld %lld",
                 (int)f->symbol.n, f->symbol.p, (int)f->mark.n, f->mark.p, (int)f->index.n,
                 f->index.p, (int)f->settle.n, f->settle.p, (int)f->funding.n, f->funding.p,
                 (long long)f->next_funding_ms, (long long)f->event_ms);
    }
    s->n++;
}

static struct seen decode(const char *text)
{
    static struct frame_space space;
    struct seen s = {0};
    frame_decode_each(text, strlen(text), &space, note, &s);
    return s;
}

#define ORDER(sym, side, extra)                                                                    \
    "{\"e\":\"forceOrder\",\"E\":1786172557615,\"o\":{\"s\":\"" sym "\",\"S\":\"" side             \
    "\",\"o\":\"LIMIT\",\"f\":\"IOC\",\"q\":\"5\",\"p\":\"0.1336000\",\"ap\":\"0.1355000\","       \
    "\"X\":\"FILLED\",\"l\":\"2\",\"z\":\"4\",\"T\":1786172556607" extra "}}"
#define MARK_EVENT                                                                                 \
    "{\"e\":\"markPriceUpdate\",\"E\":1786171884000,\"s\":\"BTCUSDT\",\"p\":\"64991.37858696\","   \
    "\"ap\":\"64991.37858696\",\"P\":\"64980.01344384\",\"i\":\"65016.05673913\",\"r\":"           \
    "\"-0.00003936\",\"T\":1786176000000,\"st\":1}"

Test(deriv_frame, force_order_tells_the_fill_and_what_was_executed)
{
    struct seen s = decode(ORDER("STGUSDT", "SELL", ",\"ps\":\"STGUSDT\",\"st\":1"));
    cr_assert_eq(s.n, 1);
    cr_expect_str_eq(s.text[0], "STGUSDT sell 0.1355000 4 0.1336000 1786172556607 1");
    s = decode("{\"stream\":\"!forceOrder@arr\",\"data\":" ORDER("X", "BUY", "") "}");
    cr_assert_eq(s.n, 1);
    cr_expect_str_eq(s.text[0], "X buy 0.1355000 4 0.1336000 1786172556607 1");
    s = decode(ORDER("X", "BUY", ",\"st\":2"));
    cr_expect_str_eq(s.text[0], "X buy 0.1355000 4 0.1336000 1786172556607 2");
}

Test(deriv_frame, force_order_without_a_member_or_with_another_side_is_malformed)
{
    static const char *const bad[] = {
        ORDER("X", "HOLD", ""),
        "{\"e\":\"forceOrder\",\"E\":1}",
        "{\"e\":\"forceOrder\",\"E\":1,\"o\":[]}",
        "{\"e\":\"forceOrder\",\"E\":1,\"o\":{\"s\":\"X\",\"S\":\"SELL\",\"p\":\"1\",\"z\":\"1\","
        "\"T\":1}}",
        "{\"e\":\"forceOrder\",\"E\":1,\"o\":{\"s\":\"X\",\"S\":\"SELL\",\"p\":\"1\",\"ap\":\"1\","
        "\"z\":1,\"T\":1}}",
        "{\"e\":\"forceOrder\",\"E\":1,\"o\":{\"s\":\"X\",\"S\":\"SELL\",\"p\":\"1\",\"ap\":\"1\","
        "\"z\":\"1\",\"T\":-1}}",
        "{\"e\":\"markPriceUpdate\",\"E\":1,\"s\":\"X\"}",
        "{\"e\":\"markPriceUpdate\",\"E\":1,\"s\":\"X\",\"p\":1}",
        "{\"e\":\"markPriceUpdate\",\"E\":1,\"s\":\"X\",\"p\":\"1\",\"r\":1}",
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        const struct seen s = decode(bad[i]);
        cr_expect(s.n == 1 && s.kind[0] == FRAME_MALFORMED, "%s", bad[i]);
    }
}

Test(deriv_frame, mark_price_is_read_alone_wrapped_and_in_a_list)
{
    static const char want[] =
        "BTCUSDT 64991.37858696 65016.05673913 64980.01344384 -0.00003936 1786176000000 "
        "1786171884000";
    struct seen s = decode(MARK_EVENT);
    cr_expect_str_eq(s.text[0], want);
    s = decode("{\"stream\":\"btcusdt@markPrice@1s\",\"data\":" MARK_EVENT "}");
    cr_expect_str_eq(s.text[0], want);
    s = decode("{\"stream\":\"!markPrice@arr@1s\",\"data\": [" MARK_EVENT
               ",{\"e\":\"markPriceUpdate\",\"E\":1786171884000,\"s\":\"BTCUSDT_261225\",\"p\":"
               "\"1\",\"r\":\"\",\"T\":0}, 7," MARK_EVENT "]}");
    cr_assert_eq(s.n, 4);
    cr_expect_str_eq(s.text[0], want);
    cr_expect_str_eq(s.text[1], "BTCUSDT_261225 1    -1 1786171884000");
    cr_expect_eq(s.kind[2], FRAME_MALFORMED);
    cr_expect_str_eq(s.text[3], want);
    s = decode("[" MARK_EVENT "]");
    cr_expect(s.n == 1 && s.kind[0] == FRAME_MARK);
    s = decode("[]");
    cr_expect(s.n == 1 && s.kind[0] == FRAME_OTHER);
}

// ---- liquidations ------------------------------------------------------------------------------

Test(deriv, the_same_content_counts_once_another_does_not)
{
    struct deriv d;
    setup(&d, "BTCUSDT");
    cr_expect_eq(take(&d, liq(1000, "sell", "9910.5", "0.014")), DERIV_TAKEN);
    cr_expect_eq(take(&d, liq(1000, "sell", "9910.5", "0.014")), DERIV_COPY);
    cr_expect_eq(take(&d, liq(1000, "buy", "9910.5", "0.014")), DERIV_TAKEN);
    cr_expect_eq(take(&d, liq(1001, "sell", "9910.5", "0.014")), DERIV_TAKEN);
    cr_expect_eq(take(&d, liq(1000, "sell", "9910.6", "0.014")), DERIV_TAKEN);
    cr_expect_eq(take(&d, liq(1000, "sell", "9910.5", "0.015")), DERIV_TAKEN);
    struct frame other = liq(1000, "sell", "9910.5", "0.014");
    other.order_price = slice_of("9900");
    cr_expect_eq(take(&d, other), DERIV_TAKEN);
    other.price_kind = PRICE_BANKRUPTCY;
    cr_expect_eq(take(&d, other), DERIV_TAKEN);
    cr_expect_eq(d.copies, 1);
    deriv_release(&d);
}

Test(deriv, each_refusal_has_the_name_it_has_for_trades)
{
    static const struct {
        const char *price, *qty, *symbol;
        int64_t ts, market;
        enum refusal why;
    } row[] = {
        {"1", "1", "BTCUSDT", 1000, 1, REFUSE_NONE},
        {"1", "1", "ETHUSDT", 1000, 1, REFUSE_FOREIGN},
        {"1", "1", "BTCUSDT", 1000, 2, REFUSE_FOREIGN},
        {"-1", "1", "BTCUSDT", 1000, 1, REFUSE_NEGATIVE},
        {"1", "-1", "BTCUSDT", 1000, 1, REFUSE_NEGATIVE},
        {"0", "1", "BTCUSDT", 1000, 1, REFUSE_ZERO},
        {"1", "0.000", "BTCUSDT", 1000, 1, REFUSE_ZERO},
        {"x", "1", "BTCUSDT", 1000, 1, REFUSE_MALFORMED},
        {"", "1", "BTCUSDT", 1000, 1, REFUSE_MALFORMED},
        {"1", "NaN", "BTCUSDT", 1000, 1, REFUSE_MALFORMED},
        {"99999999999999999999", "1", "BTCUSDT", 1000, 1, REFUSE_ABSURD},
        {"0.1111111111111111111111111", "1", "BTCUSDT", 1000, 1, REFUSE_ABSURD},
        {"0.00000000001", "1", "BTCUSDT", 1000, 1, REFUSE_PRECISION},
        {"1.3911902", "1", "BTCUSDT", 1000, 1, REFUSE_NONE}, // an average: finer than the tick
        {"1", "0.000001", "BTCUSDT", 1000, 1, REFUSE_PRECISION},
        {"1", "1", "BTCUSDT", 0, 1, REFUSE_ABSURD},
        {"1", "1", "BTCUSDT", INT64_C(99999999999999), 1, REFUSE_ABSURD},
        {"1", "1", "BTCUSDT", 101001, 1, REFUSE_FUTURE},
        {"1", "1", "BTCUSDT", 101000, 1, REFUSE_NONE},
    };
    struct deriv d;
    struct instrument ins = ins_of("BTCUSDT");
    cr_assert_eq(instrument_set_units(&ins, "0.10", "0.001", -1, NULL), 0);
    setup(&d, "BTCUSDT");
    deriv_set_units(&d, &ins);
    const struct feed_clock clock = {true, 40000};
    for (size_t i = 0; i < sizeof row / sizeof row[0]; i++) {
        struct frame f = liq(row[i].ts, "sell", row[i].price, row[i].qty);
        enum refusal why;
        f.symbol = slice_of(row[i].symbol);
        f.market = row[i].market;
        const enum deriv_verdict v = deriv_on_frame(&d, &f, 1000000, 1000000, &clock, &why);
        cr_expect_eq(why, row[i].why, "row %zu: %s", i, refusal_name(why));
        cr_expect_eq(v, row[i].why == REFUSE_NONE ? DERIV_TAKEN : DERIV_REFUSED, "row %zu", i);
    }
    cr_expect_eq(d.refused[REFUSE_FOREIGN], 2);
    deriv_release(&d);
}

Test(deriv, a_full_queue_loses_the_newest_and_counts_them)
{
    struct deriv d;
    int64_t ms;
    setup(&d, "BTCUSDT");
    for (int i = 0; i < 12; i++) {
        const enum deriv_verdict v = take(&d, liq(1000 + i, "sell", "1", "1"));
        cr_expect_eq(v, i < 10 ? DERIV_TAKEN : DERIV_LOST);
    }
    cr_expect_eq(d.lost, 2);
    while (deriv_next(&d, &ms) != NULL) {
    }
    cr_expect_eq(take(&d, liq(2000, "sell", "1", "1")), DERIV_LOST); // in flight is not stored
    deriv_stored(&d, 1);
    cr_expect_eq(take(&d, liq(2000, "sell", "1", "1")), DERIV_TAKEN);
    cr_expect_eq(deriv_waiting(&d), 1);
    deriv_release(&d);
}

Test(deriv, a_time_below_the_tip_gets_the_tips_id)
{
    struct deriv d;
    int64_t ms;
    setup(&d, "BTCUSDT");
    take(&d, liq(2000, "sell", "1", "1"));
    take(&d, liq(1500, "sell", "1", "1"));
    take(&d, liq(2500, "sell", "1", "1"));
    cr_expect_eq(deriv_next(&d, &ms)->ts_ms, 2000);
    cr_expect_eq(ms, 2000);
    cr_expect_eq(deriv_next(&d, &ms)->ts_ms, 1500);
    cr_expect_eq(ms, 2000);
    cr_expect_eq(deriv_next(&d, &ms)->ts_ms, 2500);
    cr_expect_eq(ms, 2500);
    cr_expect_null(deriv_next(&d, &ms));
    cr_expect_eq(d.late, 1);
    deriv_release(&d);
}

static struct liquidation stored(int64_t ts, const char *price)
{
    struct liquidation l = {.ts_ms = ts, .side = SIDE_SELL};
    str_copy(l.price, sizeof l.price, price);
    str_copy(l.order_price, sizeof l.order_price, price);
    str_copy(l.qty, sizeof l.qty, "1");
    return l;
}

Test(deriv, what_was_in_flight_is_sent_again_unless_it_stands_on_the_stream)
{
    struct deriv d;
    int64_t ms;
    setup(&d, "BTCUSDT");
    take(&d, liq(1000, "sell", "1", "1"));
    take(&d, liq(1001, "sell", "1", "1"));
    (void)deriv_next(&d, &ms);
    (void)deriv_next(&d, &ms);
    // The link died; the first one was stored, and so was one of a process before.
    deriv_reload_begin(&d);
    const struct liquidation a = stored(900, "1"), b = stored(1000, "1");
    deriv_reload_entry(&d, &a, 900, 50);
    deriv_reload_entry(&d, &b, 1000, 50);
    take(&d, liq(1002, "sell", "1", "1")); // came meanwhile
    deriv_reload_end(&d, 50);
    cr_expect_eq(d.tip_ms, 1000);
    cr_expect_eq(deriv_waiting(&d), 2);
    cr_expect_eq(take(&d, liq(900, "sell", "1", "1")), DERIV_COPY);
    cr_expect_eq(take(&d, liq(1000, "sell", "1", "1")), DERIV_COPY);
    cr_expect_eq(deriv_next(&d, &ms)->ts_ms, 1001);
    cr_expect_eq(deriv_next(&d, &ms)->ts_ms, 1002);
    cr_expect_null(deriv_next(&d, &ms));
    deriv_release(&d);
}

Test(deriv, what_redis_lost_lately_is_sent_again_what_is_old_is_not)
{
    struct deriv d;
    int64_t ms;
    setup(&d, "BTCUSDT");
    take(&d, liq(1000, "sell", "1", "1"));
    (void)deriv_next(&d, &ms);
    deriv_stored(&d, 10000);
    take(&d, liq(2000, "sell", "1", "1"));
    (void)deriv_next(&d, &ms);
    deriv_stored(&d, 39999);
    deriv_reload_begin(&d); // Redis came back with nothing
    deriv_reload_end(&d, 40001);
    cr_expect_eq(d.resent, 1);
    cr_expect_eq(deriv_next(&d, &ms)->ts_ms, 2000);
    cr_expect_null(deriv_next(&d, &ms));
    cr_expect_eq(take(&d, liq(1000, "sell", "1", "1")), DERIV_COPY);
    deriv_release(&d);
}

Test(deriv, memory_stays_within_the_window_and_the_queue)
{
    struct deriv d;
    int64_t ms;
    const struct instrument ins = ins_of("BTCUSDT");
    const struct deriv_opts small = {.window = 20, .max_queue = 5, .resend_ms = 1000};
    deriv_init(&d, &ins, &small);
    for (int i = 0; i < 1000; i++) {
        cr_assert_eq(take(&d, liq(1000 + i, "sell", "1", "1")), DERIV_TAKEN);
        cr_assert_not_null(deriv_next(&d, &ms));
        deriv_stored(&d, i);
        cr_assert_leq(d.n, 45);
        if (i >= 19) {
            cr_assert_eq(take(&d, liq(1000 + i - 19, "sell", "1", "1")), DERIV_COPY);
        }
    }
    cr_expect_leq(d.cap, 64);
    deriv_release(&d);
}

// ---- the recorded stream of all symbols --------------------------------------------------------

#define SYMBOLS 256
struct symbol {
    char name[32];
    struct deriv d;
    size_t stored;
};

static char *word(char **at)
{
    char *s = *at;
    char *comma = strchr(s, ',');
    if (comma != NULL) {
        *comma = '\0';
        *at = comma + 1;
    }
    return s;
}

static struct symbol *symbol_of(struct symbol *all, size_t *n, const char *name)
{
    for (size_t i = 0; i < *n; i++) {
        if (strcmp(all[i].name, name) == 0) {
            return &all[i];
        }
    }
    cr_assert_lt(*n, SYMBOLS);
    struct symbol *s = &all[(*n)++];
    cr_assert(str_copy(s->name, sizeof s->name, name));
    struct instrument ins = {0};
    cr_assert(str_copy(ins.symbol, sizeof ins.symbol, name));
    deriv_init(&s->d, &ins, &opts);
    return s;
}

static void drain(struct symbol *s)
{
    int64_t ms, before = -1;
    while (deriv_next(&s->d, &ms) != NULL) {
        cr_assert_geq(ms, before, "ids only grow");
        before = ms;
        s->stored++;
    }
    deriv_stored(&s->d, 1);
}

// A new process: all that it knows is what stands on the stream.
static void restart(struct symbol *s)
{
    struct deriv fresh;
    deriv_init(&fresh, &s->d.ins, &opts);
    deriv_reload_begin(&fresh);
    for (size_t i = s->d.done > opts.window ? s->d.done - opts.window : 0; i < s->d.done; i++) {
        deriv_reload_entry(&fresh, &s->d.item[i].l, s->d.item[i].l.ts_ms, 1);
    }
    deriv_reload_end(&fresh, 1);
    deriv_release(&s->d);
    s->d = fresh;
}

static void play(bool with_restarts)
{
    static struct symbol all[SYMBOLS];
    static struct frame_space space;
    char line[512];
    size_t n = 0, lines = 0, stored_n = 0;
    uint64_t copies = 0;
    gzFile in = gzopen(FORCE, "rb");
    if (in == NULL) {
        cr_skip_test("SKIPPED: no recording at " FORCE);
    }
    memset(all, 0, sizeof all);
    while (gzgets(in, line, sizeof line) != NULL) {
        char text[640];
        char *at = line;
        const char *name = word(&at), *side = word(&at), *type = word(&at), *tif = word(&at),
                   *q = word(&at), *p = word(&at), *ap = word(&at), *x = word(&at), *l = word(&at),
                   *z = word(&at), *t = word(&at);
        const int len = snprintf(
            text, sizeof text,
            "{\"stream\":\"!forceOrder@arr\",\"data\":{\"e\":\"forceOrder\",\"E\":%s,"
            "\"o\":{\"s\":\"%sUSDT\",\"S\":\"%s\",\"o\":\"%s\",\"f\":\"%s\",\"q\":\"%s\","
            "\"p\":\"%s\",\"ap\":\"%s\",\"X\":\"%s\",\"l\":\"%s\",\"z\":\"%s\",\"T\":%s}}}",
            t, name, side, type, tif, q, p, ap, x, l, z, t);
        struct frame f;
        enum refusal why;
        frame_decode(text, (size_t)len, &space, &f);
        cr_assert_eq(f.kind, FRAME_LIQUIDATION, "%s", text);
        char symbol[48];
        cr_assert(str_fmt(symbol, sizeof symbol, "%sUSDT", name));
        struct symbol *s = symbol_of(all, &n, symbol);
        const enum deriv_verdict v = give(&s->d, &f, &why);
        cr_assert(v == DERIV_TAKEN || v == DERIV_COPY, "%s: %s", text, refusal_name(why));
        copies += v == DERIV_COPY ? 1 : 0;
        frame_release(&f);
        drain(s);
        if (with_restarts && lines % 7 == 0) {
            restart(s);
        }
        lines++;
    }
    gzclose(in);
    for (size_t i = 0; i < n; i++) {
        stored_n += all[i].stored;
        deriv_release(&all[i].d);
    }
    cr_expect_eq(lines, 3510);
    // 1,668 lines are there twice byte for byte; 5 more differ in the last column alone, which the
    // recorders computed themselves (in dollars, in millions of dollars).
    cr_expect_eq(copies, 1668 + 5);
    cr_expect_eq(stored_n, 3510 - 1668 - 5);
    cr_expect_eq(n, 221);
}

Test(deriv_recording, every_liquidation_once_though_two_recorders_told_most_of_them)
{
    play(false);
}

Test(deriv_recording, restarts_in_between_change_nothing)
{
    play(true);
}

// ---- mark --------------------------------------------------------------------------------------

static struct frame mark(int64_t ms, const char *price)
{
    return (struct frame){.kind = FRAME_MARK,
                          .symbol = slice_of("BTCUSDT"),
                          .market = 1,
                          .event_ms = ms,
                          .trade_ms = ms,
                          .mark = slice_of(price),
                          .next_funding_ms = -1,
                          .funding_hours = -1};
}

Test(mark, what_a_message_does_not_tell_is_unchanged)
{
    struct deriv d;
    setup(&d, "BTCUSDT");
    struct frame f = mark(1000, "64991.37858696");
    f.index = slice_of("65016.05673913");
    f.funding = slice_of("-0.00003936");
    f.open_interest = slice_of("10659.509");
    f.open_interest_value = slice_of("7352852512.5600");
    f.next_funding_ms = 5000;
    f.funding_hours = 8;
    cr_expect_eq(take(&d, f), DERIV_TAKEN);
    f = mark(1100, "");
    f.last_price = slice_of("64990.10");
    cr_expect_eq(take(&d, f), DERIV_TAKEN);
    cr_expect_str_eq(d.mark.text[MARK], "64991.37858696");
    cr_expect_str_eq(d.mark.text[INDEX], "65016.05673913");
    cr_expect_str_eq(d.mark.text[FUNDING], "-0.00003936");
    cr_expect_str_eq(d.mark.text[OI_VALUE], "7352852512.5600");
    cr_expect_str_eq(d.mark.text[LAST], "64990.10");
    cr_expect_str_eq(d.mark.text[SETTLE], "");
    cr_expect_eq(d.mark.next_funding_ms, 5000);
    cr_expect_eq(d.mark.funding_hours, 8);
    cr_expect_eq(d.mark.ts_ms, 1100);
    cr_expect_eq(d.mark.oi_ts_ms, 1000);
    deriv_release(&d);
}

Test(mark, an_older_message_and_a_bad_one_change_nothing)
{
    struct deriv d;
    enum refusal why;
    setup(&d, "BTCUSDT");
    take(&d, mark(1000, "100.5"));
    d.mark.changed = false;
    cr_expect_eq(take(&d, mark(999, "99")), DERIV_OLD);
    struct frame f = mark(2000, "101");
    f.index = slice_of("abc");
    cr_expect_eq(give(&d, &f, &why), DERIV_REFUSED);
    cr_expect_eq(why, REFUSE_MALFORMED);
    f = mark(2000, "0");
    cr_expect_eq(give(&d, &f, &why), DERIV_REFUSED);
    cr_expect_eq(why, REFUSE_ZERO);
    f = mark(2000, "-5");
    cr_expect_eq(give(&d, &f, &why), DERIV_REFUSED);
    cr_expect_eq(why, REFUSE_NEGATIVE);
    f = mark(2000, "1");
    f.symbol = slice_of("ETHUSDT");
    cr_expect_eq(give(&d, &f, &why), DERIV_REFUSED);
    cr_expect_eq(why, REFUSE_FOREIGN);
    cr_expect_str_eq(d.mark.text[MARK], "100.5");
    cr_expect_not(d.mark.changed);
    deriv_release(&d);
}

Test(mark, open_interest_of_rest_is_believed_for_its_symbol_only)
{
    static const char body[] =
        "{\"openInterest\":\"10659.509\",\"symbol\":\"BTCUSDT\",\"time\":1589437530011}";
    struct deriv d;
    char value[LIQ_TEXT];
    int64_t ts;
    setup(&d, "BTCUSDT");
    cr_assert_eq(deriv_read_open_interest(body, strlen(body), "BTCUSDT", value, &ts), 0);
    cr_expect_eq(deriv_on_open_interest(&d, slice_of(value), ts), REFUSE_NONE);
    cr_expect_str_eq(d.mark.text[OI], "10659.509");
    cr_expect_eq(d.mark.oi_ts_ms, 1589437530011);
    cr_expect(d.mark.changed);
    cr_expect_eq(deriv_on_open_interest(&d, slice_of("1"), ts - 1), REFUSE_NONE);
    cr_expect_str_eq(d.mark.text[OI], "10659.509");
    cr_expect_eq(deriv_on_open_interest(&d, slice_of("-1"), ts), REFUSE_NEGATIVE);
    cr_expect_neq(deriv_read_open_interest(body, strlen(body), "ETHUSDT", value, &ts), 0);
    cr_expect_neq(deriv_read_open_interest("[]", 2, "BTCUSDT", value, &ts), 0);
    cr_expect_neq(deriv_read_open_interest("<", 1, "BTCUSDT", value, &ts), 0);
    deriv_release(&d);
}

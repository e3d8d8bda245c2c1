// Follow against a private Redis. The owner here is the smallest one possible: it counts trades and
// sums their quantities, so a trade lost or applied twice shows in two numbers.

#include <criterion/criterion.h>
#include <hiredis/hiredis.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/buf.h"
#include "common/io/follow.h"
#include "tests/support/spin.h"
#include "tests/support/with_redis.h"

#define KEY "bc4:{binance:BTCUSDT}:"
#define STATE KEY "toy"
#define T0 INT64_C(1700000000000)

struct toy {
    struct loop *loop;
    struct follow *f;
    struct instrument ins;
    int64_t count, sum, late, bad, history, held;
    int loads, scratches, flushed;
    bool following, dirty, reject, scratch;
    // read back
    int64_t back, back_sum;
    int back_done; // 1 ok, -1 failed
};

static struct with_redis *redis;
static int toy_schema; // 0 = the default

static void on_state(struct redis *r, const redisReply *reply, void *arg)
{
    (void)r;
    struct toy *t = arg;
    if (!reply) {
        return;
    }
    cr_assert_eq(reply->type, REDIS_REPLY_ARRAY);
    const redisReply *const *e = (const redisReply *const *)reply->element;
    t->count = e[0]->type == REDIS_REPLY_STRING ? strtoll(e[0]->str, NULL, 10) : 0;
    t->sum = e[1]->type == REDIS_REPLY_STRING ? strtoll(e[1]->str, NULL, 10) : 0;
    if (t->reject) {
        t->reject = false;
        t->count = t->sum = 0;
        t->following = true;
        follow_load_failed(t->f, "the test does not like it");
        return;
    }
    t->following = true;
    follow_loaded(t->f, e[2]->type == REDIS_REPLY_STRING ? e[2]->str : NULL,
                  e[3]->type == REDIS_REPLY_STRING ? e[3]->str : NULL);
}

static void on_load(void *arg, const struct instrument *ins, bool scratch)
{
    struct toy *t = arg;
    t->ins = *ins;
    t->count = t->sum = 0;
    t->loads++;
    t->scratches += scratch;
    t->dirty = scratch;
    if (scratch) {
        t->following = true;
        follow_loaded(t->f, NULL, NULL);
        return;
    }
    cr_assert_eq(redis_cmd(follow_redis(t->f), on_state, t,
                           "HMGET " STATE " count sum _pos_trades _pos_history"),
                 0);
}

static void on_unload(void *arg)
{
    ((struct toy *)arg)->following = false;
}

static void on_trade(void *arg, const struct trade *x, int64_t rx_us, bool late)
{
    struct toy *t = arg;
    cr_assert(t->following, "a trade outside FOLLOWING");
    cr_assert_eq(late, rx_us == 0);
    t->count++;
    t->sum += x->qty;
    t->late += late;
    t->dirty = true;
}

static void on_history(void *arg, const struct history *h)
{
    struct toy *t = arg;
    t->history++;
    t->held += h->kind == HISTORY_TRADES ? h->to_id - h->from_id + 1 : 0;
    t->dirty = true;
}

static void on_bad(void *arg, const char *why)
{
    (void)why;
    ((struct toy *)arg)->bad++;
}

static bool on_flush(void *arg, struct redis_tx *tx, bool caught_up)
{
    (void)caught_up;
    struct toy *t = arg;
    if (!t->dirty) {
        return false;
    }
    t->dirty = false;
    char n[24];
    redis_tx_hset_begin(tx, STATE);
    redis_tx_hset(tx, "count", n, fmt_i64(n, t->count));
    redis_tx_hset(tx, "sum", n, fmt_i64(n, t->sum));
    redis_tx_hset_end(tx);
    return true;
}

static void on_flushed(void *arg)
{
    ((struct toy *)arg)->flushed++;
}

static void toy_start(struct toy *t)
{
    memset(t, 0, sizeof *t);
    t->loop = loop_new(clock_system());
    struct instrument ins;
    cr_assert_eq(instrument_parse("BTCUSDT", 7, VENUE_BINANCE, &ins, NULL), 0);
    t->f = follow_new(&(struct follow_opts){.loop = t->loop,
                                            .url = redis->url,
                                            .service = "toy",
                                            .ins = ins,
                                            .pos_key = STATE,
                                            .schema = toy_schema,
                                            .flush_ms = 5,
                                            .on_load = on_load,
                                            .on_unload = on_unload,
                                            .on_trade = on_trade,
                                            .on_history = on_history,
                                            .on_bad_entry = on_bad,
                                            .on_flush = on_flush,
                                            .on_flushed = on_flushed,
                                            .arg = t});
}

static void toy_stop(struct toy *t)
{
    follow_free(t->f);
    loop_free(t->loop);
}

static void put_instrument(void)
{
    with_redis_cmd(redis,
                   "HSET " KEY "instrument venue binance symbol BTCUSDT tick 0.10 step 0.001 "
                   "min_qty 0.001 min_notional 5 price_scale 3 qty_scale 5 simulated 1 schema 1");
}

// Trades first..last with quantity 0.001 * id.
static void put_trades(int first, int last)
{
    for (int i = first; i <= last; i++) {
        const struct redisReply *r = with_redis_cmd(
            redis, "XADD " KEY "trades %lld-%d price 100.00 qty %d.%03d side buy id %d rx_us %lld",
            (long long)(T0 + i), i, i / 1000, i % 1000, i, 1000LL * (T0 + i));
        cr_assert_eq(r->type, REDIS_REPLY_STRING, "%s", r->str);
    }
}

static int64_t sum_to(int n) // lots: qty_scale 5, so 0.001 is 100
{
    return 100LL * n * (n + 1) / 2;
}

static int64_t stored(const char *field)
{
    return strtoll(with_redis_text(redis, "HGET " STATE " %s", field), NULL, 10);
}

static bool stored_is(int n)
{
    return stored("count") == n && stored("sum") == sum_to(n);
}

static void setup(void)
{
    static const char *const args[] = {"--appendonly", "yes", "--appendfsync", "always", NULL};
    redis = with_redis_new(args);
}

static void restart(void)
{
    static const char *const args[] = {"--appendonly", "yes", "--appendfsync", "always", NULL};
    with_redis_restart(redis, args);
}

static void teardown(void)
{
    with_redis_free(redis);
}

TestSuite(follow, .init = setup, .fini = teardown, .timeout = 60);

Test(follow, waits_for_the_instrument_then_applies_everything_once)
{
    struct toy t;
    toy_start(&t);
    put_trades(1, 10);
    char why[96];
    UNTIL(t.loop,
          !follow_is_ready(t.f, why, sizeof why) && strcmp(why, "waiting for the instrument") == 0);
    cr_assert_eq(t.loads, 0);
    put_instrument();
    UNTIL(t.loop, stored_is(10));
    put_trades(11, 20);
    UNTIL(t.loop, stored_is(20) && follow_is_ready(t.f, why, sizeof why));
    cr_assert_eq(t.ins.simulated, true);
    struct follow_stats st;
    follow_stats(t.f, &st);
    cr_assert_eq(st.entries, 20);
    cr_assert_eq(st.lag_ms, 0);
    cr_assert_eq(st.newest_rx_us, 1000 * (T0 + 20));
    cr_assert_str_eq(with_redis_text(redis, "HGET " STATE " _pos_trades"), st.pos_trades);
    toy_stop(&t);
}

Test(follow, goes_on_from_the_stored_positions)
{
    struct toy t;
    put_instrument();
    put_trades(1, 10);
    toy_start(&t);
    UNTIL(t.loop, stored_is(10));
    toy_stop(&t);
    put_trades(11, 15);
    toy_start(&t);
    UNTIL(t.loop, stored_is(15));
    struct follow_stats st;
    follow_stats(t.f, &st);
    cr_assert_eq(st.entries, 5);
    toy_stop(&t);
}

Test(follow, redis_killed_in_the_middle_changes_nothing)
{
    struct toy t;
    put_instrument();
    toy_start(&t);
    int n = 0;
    for (int round = 0; round < 4; round++) {
        UNTIL(t.loop, t.following);
        put_trades(n + 1, n + 50);
        n += 50;
        spin_for(t.loop, 7 * round);
        with_redis_kill(redis);
        spin_for(t.loop, 20);
        restart();
    }
    UNTIL(t.loop, stored_is(n));
    cr_assert_geq(t.loads, 4);
    toy_stop(&t);
}

Test(follow, a_refused_transaction_reloads_and_tries_again)
{
    struct toy t;
    put_instrument();
    toy_start(&t);
    put_trades(1, 10);
    UNTIL(t.loop, stored_is(10));
    int loads = t.loads;
    put_trades(11, 12);
    // Reads go on, writes are refused with OOM.
    with_redis_cmd(redis, "CONFIG SET maxmemory 1");
    UNTIL(t.loop, t.loads >= loads + 2);
    char why[96];
    cr_assert_not(follow_is_ready(t.f, why, sizeof why) && stored_is(12));
    with_redis_cmd(redis, "CONFIG SET maxmemory 0");
    UNTIL(t.loop, stored_is(12));
    toy_stop(&t);
}

Test(follow, an_unanswered_exec_is_looked_up_not_repeated)
{
    struct toy t;
    put_instrument();
    toy_start(&t);
    put_trades(1, 10);
    UNTIL(t.loop, stored_is(10));
    for (int i = 0; i < 10; i++) {
        put_trades(11 + i, 11 + i);
        // The write link is cut at any moment around the transaction.
        spin_for(t.loop, i);
        with_redis_cmd(redis, "CLIENT KILL TYPE normal SKIPME yes");
    }
    UNTIL(t.loop, stored_is(20));
    toy_stop(&t);
}

Test(follow, a_second_instance_can_not_spoil_the_state)
{
    struct toy a;
    struct toy b;
    put_instrument();
    toy_start(&a);
    toy_start(&b);
    for (int i = 0; i < 20; i++) {
        put_trades(10 * i + 1, 10 * i + 10);
        spin_for(a.loop, 5);
        spin_for(b.loop, 5);
    }
    int64_t deadline = spin_deadline(20000);
    while (!stored_is(200) && spin_turn(a.loop, deadline)) {
        spin_turn(b.loop, deadline);
    }
    cr_assert(stored_is(200));
    toy_stop(&a);
    toy_stop(&b);
}

Test(follow, a_keyspace_begun_anew_is_read_from_the_beginning)
{
    struct toy t;
    put_instrument();
    toy_start(&t);
    put_trades(1, 30);
    UNTIL(t.loop, stored_is(30));
    with_redis_cmd(redis, "FLUSHALL");
    UNTIL(t.loop, !t.following);
    put_trades(1, 5);
    put_instrument();
    UNTIL(t.loop, stored_is(5));
    toy_stop(&t);
}

Test(follow, positions_behind_the_end_of_the_stream_are_not_believed)
{
    struct toy t;
    put_instrument();
    toy_start(&t);
    put_trades(1, 30);
    UNTIL(t.loop, stored_is(30));
    with_redis_cmd(redis, "DEL " KEY "trades");
    put_trades(1, 5);
    UNTIL(t.loop, stored_is(5));
    cr_assert_eq(t.scratches, 1);
    toy_stop(&t);
}

Test(follow, a_state_that_was_rejected_is_built_from_the_beginning)
{
    struct toy t;
    put_instrument();
    put_trades(1, 7);
    with_redis_cmd(redis, "HSET " STATE " count 99 sum 99 _pos_trades %lld-3 _pos_history 0-0",
                   (long long)T0 + 3);
    toy_start(&t);
    t.reject = true;
    UNTIL(t.loop, stored_is(7));
    toy_stop(&t);
}

static bool is_refused(const struct toy *t)
{
    char why[100];
    return !follow_is_ready(t->f, why, sizeof why) && strstr(why, "newer version") != NULL;
}

Test(follow, state_of_an_older_layout_is_made_anew)
{
    struct toy t;
    put_instrument();
    put_trades(1, 7);
    with_redis_cmd(redis, "HSET " STATE " count 99 sum 99 _pos_trades %lld-3 _pos_history 0-0",
                   (long long)T0 + 3);
    toy_schema = 3;
    toy_start(&t);
    UNTIL(t.loop, stored_is(7));
    cr_assert_eq(t.scratches, 1, "what lies before the stored position counts again");
    cr_assert_eq(stored("_schema"), 3);
    toy_stop(&t);
    toy_start(&t);
    put_trades(8, 9);
    UNTIL(t.loop, stored_is(9));
    cr_assert_eq(t.scratches, 0, "once");
    toy_stop(&t);
}

Test(follow, state_without_a_schema_is_of_the_first_layout)
{
    struct toy t;
    put_instrument();
    put_trades(1, 7);
    with_redis_cmd(redis, "HSET " STATE " count 3 sum %lld _pos_trades %lld-3 _pos_history 0-0",
                   (long long)sum_to(3), (long long)T0 + 3);
    toy_start(&t);
    UNTIL(t.loop, stored_is(7));
    cr_assert_eq(t.scratches, 0);
    toy_stop(&t);
}

Test(follow, state_of_a_newer_layout_is_left_alone)
{
    struct toy t;
    put_instrument();
    put_trades(1, 7);
    with_redis_cmd(redis,
                   "HSET " STATE " count 99 sum 99 _schema 4 _pos_trades %lld-3 _pos_history 0-0",
                   (long long)T0 + 3);
    toy_schema = 3;
    toy_start(&t);
    UNTIL(t.loop, is_refused(&t));
    cr_assert_eq(t.loads, 0);
    cr_assert_eq(stored("count"), 99);
    with_redis_cmd(redis, "DEL " STATE);
    UNTIL(t.loop, stored_is(7));
    // A newer version takes over while this one runs.
    with_redis_cmd(redis, "HSET " STATE " count 5 _schema 4 _pos_trades 1-1");
    put_trades(8, 8);
    UNTIL(t.loop, is_refused(&t));
    cr_assert_eq(stored("count"), 5);
    toy_stop(&t);
}

Test(follow, changed_units_load_anew)
{
    struct toy t;
    put_instrument();
    toy_start(&t);
    put_trades(1, 3);
    UNTIL(t.loop, stored_is(3));
    int loads = t.loads;
    with_redis_cmd(redis, "HSET " KEY "instrument tick 0.5");
    UNTIL(t.loop, t.loads == loads + 1 && t.following);
    cr_assert_eq(t.ins.bin_ticks, 500);
    cr_assert(stored_is(3));
    toy_stop(&t);
}

Test(follow, bad_entries_are_counted_and_passed_over)
{
    struct toy t;
    put_instrument();
    toy_start(&t);
    put_trades(1, 3);
    with_redis_cmd(redis, "XADD " KEY "trades %lld-4 price 1,5 qty 1 side buy id 4 rx_us 1",
                   T0 + 4);
    with_redis_cmd(redis, "XADD " KEY "trades %lld-5 whatever x", T0 + 5);
    with_redis_cmd(redis, "XADD " KEY "history * kind nonsense");
    with_redis_cmd(redis,
                   "XADD " KEY "history * kind trades from_id 50 to_id 52 from_ms %lld to_ms "
                   "%lld source rest reason x n 3 data %b",
                   T0 + 50, T0 + 52, "garbage\n", (size_t)8);
    put_trades(6, 6);
    UNTIL(t.loop, stored("count") == 4 && t.bad == 4);
    cr_assert_eq(t.held, 0, "a range without its trades was believed");
    struct follow_stats st;
    follow_stats(t.f, &st);
    cr_assert_eq(st.bad_entries, 4);
    toy_stop(&t);
}

static void put_history(int id, int64_t ts_ms)
{
    struct buf b;
    buf_init(&b, 1000);
    history_add_line(&b, ts_ms, id, "100.00", "0.001", SIDE_SELL, "");
    with_redis_cmd(redis,
                   "XADD " KEY "history * kind trades from_id %d to_id %d from_ms %lld to_ms "
                   "%lld source rest reason late n 1 data %b",
                   id, id, (long long)ts_ms, (long long)ts_ms, buf_ptr(&b), buf_len(&b));
    buf_release(&b);
}

Test(follow, history_delivers_trades_and_what_they_prove)
{
    struct toy t;
    put_instrument();
    toy_start(&t);
    put_trades(1, 3);
    put_history(10, T0 + 10);
    with_redis_cmd(redis,
                   "XADD " KEY "history * kind gap from_id 4 to_id 9 from_ms %lld to_ms %lld "
                   "source live reason jump n 0 data %b",
                   T0 + 3, T0 + 10, "", (size_t)0);
    UNTIL(t.loop, t.history == 2 && stored("count") == 4);
    cr_assert_eq(t.late, 1);
    cr_assert_eq(t.held, 1);
    toy_stop(&t);
}

Test(follow, trimmed_entries_are_told_and_reading_goes_on)
{
    struct toy t;
    put_instrument();
    toy_start(&t);
    put_trades(1, 3);
    UNTIL(t.loop, stored_is(3));
    toy_stop(&t);
    put_trades(4, 10);
    with_redis_cmd(redis, "HSET " KEY "instrument _trimmed_to_trades %lld-8", T0 + 8);
    with_redis_cmd(redis, "XTRIM " KEY "trades MINID %lld-8", T0 + 8);
    toy_start(&t);
    UNTIL(t.loop, stored("count") == 6);
    struct follow_stats st;
    follow_stats(t.f, &st);
    cr_assert_eq(st.skips, 1);
    cr_assert_eq(st.entries, 3);
    toy_stop(&t);
}

static void on_back(void *arg, const struct trade *x)
{
    struct toy *t = arg;
    t->back++;
    t->back_sum += x->id;
}

static void on_back_done(void *arg, bool ok)
{
    ((struct toy *)arg)->back_done += ok ? 1 : -1;
}

Test(follow, reads_back_a_range_of_both_streams_up_to_the_positions)
{
    struct toy t;
    put_instrument();
    toy_start(&t);
    put_trades(1, 100);
    put_history(200, T0 + 50);
    put_history(201, T0 + 60);
    UNTIL(t.loop, stored("count") == 102);
    // 50..59 of :trades and one of the two late ones; 101 is on the stream but not read yet.
    follow_read_back(t.f, T0 + 50, T0 + 60, on_back, on_back_done, &t);
    UNTIL(t.loop, t.back_done == 1);
    cr_assert_eq(t.back, 11);
    cr_assert_eq(t.back_sum, 545 + 200);
    t.back = 0;
    put_trades(101, 101);
    follow_read_back(t.f, 0, INT64_MAX, on_back, on_back_done, &t);
    follow_read_back(t.f, T0 + 100, T0 + 101, on_back, on_back_done, &t);
    UNTIL(t.loop, t.back_done == 3);
    cr_assert_eq(t.back, 102 + 1);
    follow_read_back(t.f, 0, INT64_MAX, on_back, on_back_done, &t);
    with_redis_kill(redis);
    UNTIL(t.loop, t.back_done == 2); // one failed
    toy_stop(&t);
}

static void on_drained(void *arg)
{
    *(bool *)arg = true;
}

Test(follow, drain_writes_what_was_read)
{
    struct toy t;
    bool drained = false;
    put_instrument();
    toy_start(&t);
    put_trades(1, 40);
    UNTIL(t.loop, t.count == 40);
    follow_drain(t.f, on_drained, &drained);
    UNTIL(t.loop, drained);
    cr_assert(stored_is(40));
    toy_stop(&t);
    // Without a link there is nothing to wait for.
    with_redis_kill(redis);
    toy_start(&t);
    drained = false;
    follow_drain(t.f, on_drained, &drained);
    cr_assert(drained);
    toy_stop(&t);
}

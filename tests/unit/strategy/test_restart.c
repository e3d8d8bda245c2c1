// kill -9 of the service and of Redis (AOF, fsync always) at random moments of a fill full of
// accidents: the final state is that of a run nobody disturbed.

#include <criterion/criterion.h>
#include <hiredis/hiredis.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "services/strategy/io/worker.h"
#include "tests/support/fill.h"
#include "tests/support/spin.h"

#define TRADES 8000
// 22:41:05 to 00:41:05, over midnight, and 11:41:05 to 13:41:05, over two changes of session. The
// last trade is in the middle of its candles, so that the time the test takes completes nothing.
static const int64_t from_ms[2] = {INT64_C(1723156865000), INT64_C(1723117265000)};
#define SPAN_MS INT64_C(7200000)

static const char *const aof[] = {"--appendonly", "yes", "--appendfsync", "always", NULL};
static const char *const patterns[] = {"strategy",    "strategy:*",  "metrics",      "candles:*",
                                       "minutes",     "footprint:*", "regime",       "cvd",
                                       "cvd:minutes", "indicators",  "indicators:*", NULL};

static void run(void *arg)
{
    struct with_redis *w = arg;
    struct loop *loop = loop_new(clock_system());
    struct instrument ins;
    if (instrument_parse("BTCUSDT", 7, VENUE_BINANCE, &ins, NULL)) {
        return;
    }
    worker_new(&(struct worker_opts){
        .loop = loop, .url = w->url, .ins = ins, .window_sec = 60, .flush_ms = 10});
    loop_run(loop);
}

static bool settled(struct with_redis *w)
{
    static const char *const stream[2] = {"trades", "history"};
    for (int i = 0; i < 2; i++) {
        char pos[64];
        snprintf(pos, sizeof pos, "%s",
                 with_redis_text(w, "HGET " FILL_KEY "strategy _pos_%s", stream[i]));
        const struct redisReply *r = with_redis_cmd(w, "XREAD COUNT 1 STREAMS " FILL_KEY "%s %s",
                                                    stream[i], pos[0] ? pos : "0-0");
        if (r->type != REDIS_REPLY_NIL) {
            return false;
        }
    }
    return with_redis_text(w, "HGET " FILL_KEY "strategy _stale")[0] == '\0';
}

static char *final_state(struct with_redis *w)
{
    int64_t deadline = spin_deadline(20000);
    while (!settled(w)) {
        cr_assert(clock_system().mono_ms(NULL) < deadline, "the service does not come to an end");
        usleep(20000);
    }
    usleep(2300000); // two refreshes: the profile is measured once a second
    cr_assert(settled(w));
    return state_text(w, patterns);
}

// One candle_complete per timeframe and bucket, in order; each change of session once.
static void check_events(struct with_redis *w, uint64_t seed)
{
    const struct redisReply *r = with_redis_cmd(w, "XRANGE " FILL_KEY "events - +");
    int64_t newest[2] = {0, 0};
    int completed = 0;
    int sessions = 0;
    for (size_t i = 0; i < r->elements; i++) {
        struct redisReply **kv = r->element[i]->element[1]->element;
        int64_t ts = strtoll(kv[3]->str, NULL, 10);
        if (strcmp(kv[1]->str, "session_change") == 0) {
            sessions++;
        } else if (strcmp(kv[1]->str, "candle_complete") == 0) {
            int tf = strstr(kv[5]->str, "\"timeframe\":\"1m\"") ? 0 : 1;
            cr_assert_gt(ts, newest[tf], "completed twice, or out of order: %s", kv[5]->str);
            newest[tf] = ts;
            completed++;
        }
    }
    cr_assert_eq(completed, 120 + 24);
    cr_assert_eq(sessions, seed % 2 == 1 ? 2 : 0);
}

// Resets of the CVD, asked for when so much of the fill is written, for other moments than that.
static void reset_some(struct with_redis *w, const struct fill *f, size_t *done)
{
    static const int tenths[][2] = {{3, 2}, {5, 6}, {6, 4}, {9, 8}}; // asked at, for
    while (*done < 4 && f->next * 10 >= f->n * (size_t)tenths[*done][0]) {
        const int64_t at_ms = f->from_ms + f->span_ms / 10 * tenths[*done][1] + 123;
        with_redis_cmd(w, "XADD " FILL_KEY "commands * type cvd_reset at_ms %lld",
                       (long long)at_ms);
        ++*done;
    }
}

static char *undisturbed(uint64_t seed)
{
    struct with_redis *w = with_redis_new(aof);
    struct fill f;
    fill_init(&f, seed, TRADES, from_ms[seed % 2], SPAN_MS);
    fill_instrument(w);
    pid_t pid = child_start(run, w);
    size_t resets = 0;
    while (fill_some(&f, w, 500)) {
        reset_some(w, &f, &resets);
    }
    cr_assert_eq(resets, 4);
    fill_finish(&f, w);
    char *text = final_state(w);
    check_events(w, seed);
    child_kill(pid);
    fill_release(&f);
    with_redis_free(w);
    return text;
}

static void first_difference(const char *a, const char *b, char out[400])
{
    size_t i = 0;
    while (a[i] && a[i] == b[i]) {
        i++;
    }
    size_t from = i > 90 ? i - 90 : 0;
    snprintf(out, 400, "\n%.180s\n%.180s", a + from, b + from);
}

static void disturbed(uint64_t seed, const char *want)
{
    struct with_redis *w = with_redis_new(aof);
    struct fill f;
    struct fill chance;
    fill_init(&f, seed, TRADES, from_ms[seed % 2], SPAN_MS);
    fill_init(&chance, seed + 77, 1, 0, 1);
    fill_instrument(w);
    pid_t pid = child_start(run, w);
    size_t resets = 0;
    while (fill_some(&f, w, 50 + fill_random(&chance, 400))) {
        reset_some(w, &f, &resets);
        usleep((useconds_t)fill_random(&chance, 30000));
        if (fill_random(&chance, 3) == 0) {
            child_kill(pid);
            pid = child_start(run, w);
        }
        if (fill_random(&chance, 6) == 0) {
            with_redis_kill(w);
            with_redis_restart(w, aof);
        }
    }
    fill_finish(&f, w);
    reset_some(w, &f, &resets);
    cr_assert_eq(resets, 4);
    child_kill(pid);
    pid = child_start(run, w);
    char *got = final_state(w);
    check_events(w, seed);
    char diff[400];
    first_difference(want, got, diff);
    cr_assert(strcmp(want, got) == 0, "%s", diff);
    child_kill(pid);
    free(got);
    fill_release(&f);
    fill_release(&chance);
    with_redis_free(w);
}

Test(restart, kills_at_any_moment_leave_the_same_state, .timeout = 240)
{
    for (uint64_t seed = 1; seed <= 2; seed++) {
        char *want = undisturbed(seed);
        cr_assert_gt(strlen(want), 5000);
        disturbed(seed, want);
        free(want);
    }
}

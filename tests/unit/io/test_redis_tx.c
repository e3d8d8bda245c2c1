#include <criterion/criterion.h>
#include <hiredis/hiredis.h>

#include "common/io/redis.h"
#include "tests/support/spin.h"
#include "tests/support/with_redis.h"

struct seen {
    struct loop *l;
    struct with_redis *w;
    struct redis *r;
    struct redis_tx *tx;
    int up, down, calls;
    bool null, failed;
    size_t elements;
    char why[160], queue_error[160];
};

static void on_up(void *arg)
{
    ((struct seen *)arg)->up++;
}

static void on_down(void *arg, const char *why)
{
    (void)why;
    ((struct seen *)arg)->down++;
}

static void on_exec(struct redis *r, const struct redisReply *reply, void *arg)
{
    struct seen *s = arg;
    s->calls++;
    s->null = !reply;
    s->why[0] = '\0';
    s->failed = redis_exec_failed(reply, s->why, sizeof s->why);
    s->elements = reply ? reply->elements : 0;
    str_copy(s->queue_error, sizeof s->queue_error, redis_tx_queue_error(r));
}

static void start(struct seen *s)
{
    memset(s, 0, sizeof *s);
    s->l = loop_new(clock_system());
    s->w = with_redis_new(NULL);
    s->tx = redis_tx_new(10000);
    s->r = redis_new(&(struct redis_opts){.loop = s->l,
                                          .url = s->w->url,
                                          .name = "test",
                                          .max_inflight = 20,
                                          .backoff_min_ms = 5,
                                          .backoff_max_ms = 50,
                                          .on_up = on_up,
                                          .on_down = on_down,
                                          .arg = s});
    UNTIL(s->l, s->up == 1);
}

static void end(struct seen *s)
{
    redis_free(s->r);
    redis_tx_free(s->tx);
    with_redis_free(s->w);
    loop_free(s->l);
}

static void add(struct seen *s, const char *a, const char *b, const char *c)
{
    redis_tx_argv(s->tx, c ? 3 : 2, (const struct slice[]){slice_of(a), slice_of(b), slice_of(c)});
}

static void exec(struct seen *s)
{
    int before = s->calls;
    cr_assert_eq(redis_tx_exec(s->r, s->tx, on_exec, s), 0);
    UNTIL(s->l, s->calls == before + 1);
}

Test(redis_tx, all_commands_run_and_exec_tells_of_each)
{
    struct seen s;
    start(&s);
    redis_tx_begin(s.tx);
    add(&s, "SET", "a", "1");
    redis_tx_hset_begin(s.tx, "h");
    redis_tx_hset(s.tx, "f", "v\0w", 3);
    redis_tx_hset(s.tx, "empty", "", 0);
    redis_tx_hset_end(s.tx);
    add(&s, "INCR", "a", NULL);
    cr_assert_eq(redis_tx_commands(s.tx), 3);
    exec(&s);
    cr_assert_not(s.failed, "%s", s.why);
    cr_assert_eq(s.elements, 3);
    cr_assert_str_eq(s.queue_error, "");
    cr_assert_str_eq(with_redis_text(s.w, "GET a"), "2");
    cr_assert_str_eq(with_redis_text(s.w, "HSTRLEN h f"), "3");
    cr_assert_str_eq(with_redis_text(s.w, "HEXISTS h empty"), "1");
    end(&s);
}

Test(redis_tx, a_builder_is_used_again_after_begin)
{
    struct seen s;
    start(&s);
    for (int i = 1; i <= 3; i++) {
        redis_tx_begin(s.tx);
        add(&s, "INCR", "n", NULL);
        exec(&s);
        cr_assert_eq(s.elements, 1);
    }
    cr_assert_str_eq(with_redis_text(s.w, "GET n"), "3");
    end(&s);
}

Test(redis_tx, an_hset_without_fields_is_not_sent)
{
    struct seen s;
    start(&s);
    redis_tx_begin(s.tx);
    redis_tx_hset_begin(s.tx, "h");
    redis_tx_hset_end(s.tx);
    cr_assert_eq(redis_tx_commands(s.tx), 0);
    exec(&s);
    cr_assert_not(s.failed);
    cr_assert_eq(s.elements, 0);
    end(&s);
}

Test(redis_tx, a_command_that_fails_inside_exec_is_found)
{
    struct seen s;
    start(&s);
    with_redis_cmd(s.w, "SADD set x");
    redis_tx_begin(s.tx);
    add(&s, "SET", "a", "1");
    add(&s, "INCR", "set", NULL);
    exec(&s);
    cr_assert(s.failed);
    cr_assert_eq(redis_classify_text(s.why, strlen(s.why)), REDIS_E_TYPE, "%s", s.why);
    cr_assert_eq(s.down, 0);
    end(&s);
}

Test(redis_tx, an_error_while_queueing_stops_all_of_it_and_its_text_is_kept)
{
    struct seen s;
    start(&s);
    redis_tx_begin(s.tx);
    add(&s, "SET", "a", "1");
    add(&s, "NOSUCH", "x", NULL);
    exec(&s);
    cr_assert(s.failed);
    cr_assert(str_starts(s.why, "EXECABORT"), "%s", s.why);
    cr_assert_neq(strstr(s.queue_error, "unknown command"), NULL, "%s", s.queue_error);
    cr_assert_str_eq(with_redis_text(s.w, "EXISTS a"), "0");

    with_redis_cmd(s.w, "CONFIG SET maxmemory 1");
    redis_tx_begin(s.tx);
    add(&s, "SET", "a", "1");
    exec(&s);
    cr_assert(s.failed);
    cr_assert_eq(redis_classify_text(s.queue_error, strlen(s.queue_error)), REDIS_E_AWAY, "%s",
                 s.queue_error);

    with_redis_cmd(s.w, "CONFIG SET maxmemory 0");
    redis_tx_begin(s.tx);
    add(&s, "SET", "a", "1");
    exec(&s);
    cr_assert_not(s.failed);
    cr_assert_str_eq(s.queue_error, "", "the old text does not linger");
    end(&s);
}

Test(redis_tx, over_its_maximum_nothing_is_sent)
{
    struct seen s;
    start(&s);
    static char big[6000];
    memset(big, 'x', sizeof big);
    redis_tx_begin(s.tx);
    add(&s, "SET", "a", "1");
    redis_tx_hset_begin(s.tx, "h");
    redis_tx_hset(s.tx, "f", big, sizeof big);
    redis_tx_hset(s.tx, "g", big, sizeof big);
    redis_tx_hset_end(s.tx);
    cr_assert_eq(redis_tx_exec(s.r, s.tx, on_exec, &s), ERR_LIMIT);
    cr_assert_eq(redis_inflight(s.r), 0);
    redis_tx_begin(s.tx);
    add(&s, "INCR", "n", NULL);
    exec(&s);
    cr_assert_not(s.failed);
    cr_assert_str_eq(with_redis_text(s.w, "EXISTS a h"), "0");
    end(&s);
}

Test(redis_tx, needs_room_in_the_window_for_all_of_it)
{
    struct seen s;
    start(&s);
    redis_tx_begin(s.tx);
    for (int i = 0; i < 18; i++) {
        add(&s, "INCR", "n", NULL);
    }
    exec(&s); // 20 with MULTI and EXEC
    add(&s, "INCR", "n", NULL);
    cr_assert_eq(redis_tx_exec(s.r, s.tx, on_exec, &s), ERR_LIMIT);
    spin_for(s.l, 20);
    cr_assert_str_eq(with_redis_text(s.w, "GET n"), "18");
    end(&s);
}

Test(redis_tx, the_callback_gets_null_once_when_the_link_dies)
{
    struct seen s;
    start(&s);
    with_redis_freeze(s.w);
    redis_tx_begin(s.tx);
    add(&s, "INCR", "n", NULL);
    add(&s, "INCR", "n", NULL);
    cr_assert_eq(redis_tx_exec(s.r, s.tx, on_exec, &s), 0);
    with_redis_kill(s.w);
    UNTIL(s.l, s.down == 1);
    cr_assert_eq(s.calls, 1);
    cr_assert(s.null);
    cr_assert(s.failed);
    cr_assert_eq(redis_tx_exec(s.r, s.tx, on_exec, &s), ERR_CLOSED);
    end(&s);
}

Test(redis_tx, an_exec_that_a_watch_stopped_has_failed)
{
    redisReply nil = {.type = REDIS_REPLY_NIL};
    redisReply status = {.type = REDIS_REPLY_STATUS, .str = (char[]){"OK"}, .len = 2};
    char why[80];
    cr_assert(redis_exec_failed(&nil, why, sizeof why));
    cr_assert(redis_exec_failed(&status, why, sizeof why));
    cr_assert(redis_exec_failed(NULL, why, sizeof why));
}

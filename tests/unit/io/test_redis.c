#include <criterion/criterion.h>
#include <event2/event.h>
#include <hiredis/hiredis.h>

#include "common/base/buf.h"
#include "common/io/redis.h"
#include "tests/support/server.h"
#include "tests/support/spin.h"
#include "tests/support/with_redis.h"

struct seen {
    struct loop *l;
    struct with_redis *w;
    struct redis *r;
    int up, down;
    int replies, nulls, errors;
    int null_at_down; // how many NULLs had come when on_down was called
    char text[128];
    char why[200];
    bool free_in_down, free_in_up, kick_in_reply, free_in_reply, free_in_null;
    int left_at_free; // callbacks that came after redis_free() returned
    bool freed;
    int64_t order;
    bool in_order;
};

static void let_go(struct seen *s)
{
    struct redis *r = s->r;
    s->r = NULL;
    redis_free(r);
    s->freed = true;
}

static void on_up(void *arg)
{
    struct seen *s = arg;
    s->up++;
    if (s->free_in_up) {
        let_go(s);
    }
}

static void on_down(void *arg, const char *why)
{
    struct seen *s = arg;
    s->down++;
    s->null_at_down = s->nulls;
    str_copy(s->why, sizeof s->why, why);
    if (s->free_in_down) {
        let_go(s);
    }
}

static void on_reply(struct redis *r, const struct redisReply *reply, void *arg)
{
    struct seen *s = arg;
    s->left_at_free += s->freed ? 1 : 0;
    if (!reply) {
        s->nulls++;
        if (s->free_in_null) {
            s->free_in_null = false;
            let_go(s);
        }
        return;
    }
    s->replies++;
    s->errors += reply->type == REDIS_REPLY_ERROR ? 1 : 0;
    if (reply->type == REDIS_REPLY_INTEGER) {
        str_fmt(s->text, sizeof s->text, "%lld", reply->integer);
    } else if (reply->str) {
        str_copyn(s->text, sizeof s->text, reply->str, reply->len);
    } else {
        s->text[0] = '\0';
    }
    if (s->kick_in_reply) {
        s->kick_in_reply = false;
        redis_kick(r, "kicked by the test");
    }
    if (s->free_in_reply) {
        s->free_in_reply = false;
        let_go(s);
    }
}

static void on_number(struct redis *r, const struct redisReply *reply, void *arg)
{
    (void)r;
    struct seen *s = arg;
    char want[24];
    str_fmt(want, sizeof want, "%lld", (long long)s->order);
    if (!reply || strcmp(reply->str, want) != 0) {
        s->in_order = false;
    }
    s->order++;
}

static struct redis_opts opts(struct seen *s)
{
    return (struct redis_opts){.loop = s->l,
                               .url = s->w ? s->w->url : (struct redis_url){0},
                               .name = "test/link one",
                               .backoff_min_ms = 5,
                               .backoff_max_ms = 50,
                               .on_up = on_up,
                               .on_down = on_down,
                               .arg = s};
}

static void begin(struct seen *s, const char *const *args)
{
    memset(s, 0, sizeof *s);
    s->l = loop_new(clock_system());
    s->w = with_redis_new(args);
}

static void connect_to(struct seen *s, const struct redis_opts *o)
{
    s->r = redis_new(o);
    UNTIL(s->l, s->up == 1);
}

static void end(struct seen *s)
{
    redis_free(s->r);
    if (s->w) {
        with_redis_free(s->w);
    }
    loop_free(s->l);
}

static void start(struct seen *s)
{
    begin(s, NULL);
    struct redis_opts o = opts(s);
    connect_to(s, &o);
}

Test(redis, refuses_commands_until_it_is_up_and_answers_them_then)
{
    struct seen s;
    begin(&s, NULL);
    struct redis_opts o = opts(&s);
    s.r = redis_new(&o);
    cr_assert_not(redis_is_up(s.r));
    cr_assert_eq(redis_cmd(s.r, on_reply, &s, "PING"), ERR_CLOSED);
    UNTIL(s.l, s.up == 1);
    cr_assert(redis_is_up(s.r));
    cr_assert_eq(redis_cmd(s.r, on_reply, &s, "SET %s %b", "k", "a\0b", (size_t)3), 0);
    cr_assert_eq(redis_argv(s.r, on_reply, &s, 2, (struct slice[]){{"STRLEN", 6}, {"k", 1}}), 0);
    cr_assert_eq(redis_inflight(s.r), 2);
    UNTIL(s.l, s.replies == 2);
    cr_assert_str_eq(s.text, "3");
    cr_assert_eq(redis_inflight(s.r), 0);
    // The name is told to Redis, made fit for it.
    cr_assert_neq(strstr(with_redis_text(s.w, "CLIENT LIST"), "name=test/link_one"), NULL);
    end(&s);
}

Test(redis, answers_come_in_the_order_of_the_commands)
{
    struct seen s;
    start(&s);
    s.in_order = true;
    struct buf b;
    buf_init(&b, 1024);
    for (int i = 0; i < 5000; i++) {
        char n[24];
        str_fmt(n, sizeof n, "%d", i);
        buf_clear(&b);
        resp_array(&b, 2);
        resp_bulk(&b, "ECHO", 4);
        resp_bulk(&b, n, strlen(n));
        cr_assert_eq(redis_resp(s.r, on_number, &s, buf_ptr(&b), buf_len(&b)), 0);
    }
    UNTIL(s.l, s.order == 5000);
    cr_assert(s.in_order);
    buf_release(&b);
    end(&s);
}

Test(redis, comes_back_after_the_server_was_killed)
{
    struct seen s;
    start(&s);
    for (int i = 1; i <= 3; i++) {
        with_redis_kill(s.w);
        UNTIL(s.l, s.down == i);
        cr_assert_not(redis_is_up(s.r));
        cr_assert_eq(redis_cmd(s.r, on_reply, &s, "PING"), ERR_CLOSED);
        spin_for(s.l, 30); // some attempts at nobody
        cr_assert_eq(s.down, i, "on_down is for links that were up");
        with_redis_restart(s.w, NULL);
        UNTIL(s.l, s.up == i + 1);
    }
    cr_assert_eq(redis_cmd(s.r, on_reply, &s, "PING"), 0);
    UNTIL(s.l, s.replies == 1);
    end(&s);
}

Test(redis, every_pending_callback_gets_null_before_on_down)
{
    struct seen s;
    start(&s);
    with_redis_freeze(s.w);
    for (int i = 0; i < 100; i++) {
        cr_assert_eq(redis_cmd(s.r, on_reply, &s, "PING"), 0);
    }
    cr_assert_eq(redis_cmd(s.r, NULL, NULL, "PING"), 0);
    spin_for(s.l, 10);
    with_redis_kill(s.w);
    UNTIL(s.l, s.down == 1);
    cr_assert_eq(s.nulls, 100);
    cr_assert_eq(s.null_at_down, 100);
    cr_assert_eq(s.replies, 0);
    end(&s);
}

Test(redis, a_silent_server_is_left_by_the_oldest_command)
{
    struct seen s;
    begin(&s, NULL);
    struct redis_opts o = opts(&s);
    o.command_timeout_ms = 100;
    connect_to(&s, &o);
    spin_for(s.l, 150);
    cr_assert_eq(s.down, 0, "nothing in flight, nothing to wait for");
    with_redis_freeze(s.w);
    cr_assert_eq(redis_cmd(s.r, on_reply, &s, "PING"), 0);
    cr_assert_eq(redis_cmd(s.r, on_reply, &s, "PING"), 0);
    UNTIL(s.l, s.down == 1);
    cr_assert_eq(s.nulls, 2);
    cr_assert_str_eq(s.why, "no answer to a command in time");
    with_redis_thaw(s.w);
    UNTIL(s.l, s.up == 2);
    end(&s);
}

Test(redis, a_login_that_is_never_answered_is_given_up_and_tried_again)
{
    struct seen s;
    begin(&s, NULL);
    struct redis_opts o = opts(&s);
    o.connect_timeout_ms = 50;
    with_redis_freeze(s.w); // the kernel accepts, nobody answers
    s.r = redis_new(&o);
    spin_for(s.l, 300);
    cr_assert_eq(s.up, 0);
    cr_assert_eq(s.down, 0);
    with_redis_thaw(s.w);
    UNTIL(s.l, s.up == 1);
    end(&s);
}

Test(redis, a_blocking_command_may_take_its_block_time)
{
    struct seen s;
    begin(&s, NULL);
    struct redis_opts o = opts(&s);
    o.command_timeout_ms = 100;
    connect_to(&s, &o);
    cr_assert_eq(redis_argv_blocking(s.r, 5000, on_reply, &s, 3,
                                     (struct slice[]){{"BLPOP", 5}, {"none", 4}, {"0.4", 3}}),
                 0);
    UNTIL(s.l, s.replies + s.nulls == 1);
    cr_assert_eq(s.replies, 1);
    cr_assert_eq(s.down, 0);
    end(&s);
}

Test(redis, a_full_window_is_a_limit_and_nothing_is_lost)
{
    struct seen s;
    begin(&s, NULL);
    struct redis_opts o = opts(&s);
    o.max_inflight = 3;
    connect_to(&s, &o);
    for (int i = 0; i < 3; i++) {
        cr_assert_eq(redis_cmd(s.r, on_reply, &s, "PING"), 0);
    }
    cr_assert_eq(redis_cmd(s.r, on_reply, &s, "PING"), ERR_LIMIT);
    UNTIL(s.l, s.replies == 3);
    cr_assert_eq(redis_cmd(s.r, on_reply, &s, "PING"), 0);
    UNTIL(s.l, s.replies == 4);
    end(&s);
}

Test(redis, bytes_in_flight_are_bounded_but_one_large_command_goes_alone)
{
    struct seen s;
    begin(&s, NULL);
    struct redis_opts o = opts(&s);
    o.max_pending_bytes = 1000;
    connect_to(&s, &o);
    static char big[3000];
    memset(big, 'x', sizeof big);
    cr_assert_eq(redis_cmd(s.r, on_reply, &s, "SET k %b", big, sizeof big), 0);
    cr_assert_eq(redis_cmd(s.r, on_reply, &s, "PING"), ERR_LIMIT);
    UNTIL(s.l, s.replies == 1);
    cr_assert_eq(redis_cmd(s.r, on_reply, &s, "STRLEN k"), 0);
    cr_assert_eq(redis_cmd(s.r, on_reply, &s, "SET k %b", big, sizeof big), ERR_LIMIT);
    UNTIL(s.l, s.replies == 2);
    cr_assert_str_eq(s.text, "3000");
    end(&s);
}

Test(redis, kick_closes_the_link_and_it_comes_back)
{
    struct seen s;
    start(&s);
    cr_assert_eq(redis_cmd(s.r, on_reply, &s, "PING"), 0);
    redis_kick(s.r, "a poisoned state");
    cr_assert_eq(s.nulls, 1);
    cr_assert_eq(s.down, 1);
    cr_assert_str_eq(s.why, "a poisoned state");
    redis_kick(s.r, "again");
    cr_assert_eq(s.down, 1);
    UNTIL(s.l, s.up == 2);
    s.kick_in_reply = true;
    for (int i = 0; i < 10; i++) {
        cr_assert_eq(redis_cmd(s.r, on_reply, &s, "PING"), 0);
    }
    UNTIL(s.l, s.down == 2);
    cr_assert_eq(s.replies, 1);
    cr_assert_eq(s.nulls, 10);
    UNTIL(s.l, s.up == 3);
    end(&s);
}

Test(redis, may_be_freed_in_a_reply)
{
    struct seen s;
    start(&s);
    s.free_in_reply = true;
    for (int i = 0; i < 10; i++) {
        cr_assert_eq(redis_cmd(s.r, on_reply, &s, "PING"), 0);
    }
    UNTIL(s.l, s.freed);
    spin_for(s.l, 20);
    cr_assert_eq(s.replies, 1);
    cr_assert_eq(s.nulls, 9);
    cr_assert_eq(s.left_at_free, 0, "all callbacks had come when redis_free() returned");
    cr_assert_eq(s.down, 0);
    end(&s);
}

Test(redis, may_be_freed_in_a_null_reply)
{
    struct seen s;
    start(&s);
    with_redis_freeze(s.w);
    for (int i = 0; i < 10; i++) {
        cr_assert_eq(redis_cmd(s.r, on_reply, &s, "PING"), 0);
    }
    s.free_in_null = true;
    with_redis_kill(s.w);
    UNTIL(s.l, s.freed);
    spin_for(s.l, 20);
    cr_assert_eq(s.nulls, 10);
    cr_assert_eq(s.left_at_free, 0);
    cr_assert_eq(s.down, 0);
    end(&s);
}

Test(redis, may_be_freed_in_on_down_and_in_on_up)
{
    struct seen s;
    start(&s);
    s.free_in_down = true;
    with_redis_kill(s.w);
    UNTIL(s.l, s.freed);
    spin_for(s.l, 20);
    s.freed = false;
    s.free_in_down = false;
    s.free_in_up = true;
    with_redis_restart(s.w, NULL);
    struct redis_opts o = opts(&s);
    s.r = redis_new(&o);
    UNTIL(s.l, s.freed);
    spin_for(s.l, 20);
    end(&s);
}

Test(redis, may_be_freed_before_it_ever_connected)
{
    struct seen s;
    begin(&s, NULL);
    struct redis_opts o = opts(&s);
    s.r = redis_new(&o);
    redis_free(s.r);
    s.r = redis_new(&o);
    event_base_loop(s.l->base, EVLOOP_NONBLOCK); // connecting now
    redis_free(s.r);
    s.r = NULL;
    spin_for(s.l, 20);
    cr_assert_leq(s.up, 1);
    redis_free(NULL);
    end(&s);
}

Test(redis, uses_the_database_of_its_url)
{
    struct seen s;
    begin(&s, NULL);
    struct redis_opts o = opts(&s);
    o.url.db = 3;
    connect_to(&s, &o);
    cr_assert_eq(redis_cmd(s.r, on_reply, &s, "SET where three"), 0);
    UNTIL(s.l, s.replies == 1);
    cr_assert_str_eq(with_redis_text(s.w, "GET where"), "");
    with_redis_cmd(s.w, "SELECT 3");
    cr_assert_str_eq(with_redis_text(s.w, "GET where"), "three");
    end(&s);
}

Test(redis, logs_in_as_a_user_or_with_the_password_alone)
{
    struct seen s;
    begin(&s, NULL);
    with_redis_cmd(s.w, "ACL SETUSER bob on >s3cret ~* &* +@all");
    struct redis_opts o = opts(&s);
    str_copy(o.url.user, sizeof o.url.user, "bob");
    str_copy(o.url.pass, sizeof o.url.pass, "s3cret");
    connect_to(&s, &o);
    cr_assert_eq(redis_cmd(s.r, on_reply, &s, "ACL WHOAMI"), 0);
    UNTIL(s.l, s.replies == 1);
    cr_assert_str_eq(s.text, "bob");
    redis_free(s.r);
    with_redis_cmd(s.w, "CONFIG SET requirepass hunter2");
    o.url.user[0] = '\0';
    str_copy(o.url.pass, sizeof o.url.pass, "hunter2");
    s.up = 0;
    connect_to(&s, &o);
    end(&s);
}

Test(redis, a_wrong_password_is_tried_again_slowly_until_it_is_right)
{
    struct seen s;
    begin(&s, NULL);
    with_redis_cmd(s.w, "ACL SETUSER bob on >other ~* &* +@all");
    struct redis_opts o = opts(&s);
    o.backoff_min_ms = 1;
    o.backoff_max_ms = 100;
    str_copy(o.url.user, sizeof o.url.user, "bob");
    str_copy(o.url.pass, sizeof o.url.pass, "s3cret");
    s.r = redis_new(&o);
    spin_for(s.l, 350);
    cr_assert_eq(s.up, 0);
    const char *stats = with_redis_text(s.w, "INFO stats");
    const char *failed = strstr(stats, "total_connections_received:");
    cr_assert_neq(failed, NULL);
    // Our own two, and one attempt every 100 ms; with the growing delay it would be over 8.
    cr_assert_leq(strtol(failed + strlen("total_connections_received:"), NULL, 10), 2 + 6);
    with_redis_cmd(s.w, "ACL SETUSER bob >s3cret");
    UNTIL(s.l, s.up == 1);
    end(&s);
}

Test(redis, a_server_that_demands_a_password_we_do_not_have_is_not_up)
{
    struct seen s;
    begin(&s, NULL);
    with_redis_cmd(s.w, "CONFIG SET requirepass hunter2");
    struct redis_opts o = opts(&s);
    s.r = redis_new(&o);
    spin_for(s.l, 100);
    cr_assert_eq(s.up, 0);
    with_redis_cmd(s.w, "CONFIG SET requirepass %s", "");
    UNTIL(s.l, s.up == 1);
    end(&s);
}

static void ask(struct seen *s, const char *cmd)
{
    int before = s->replies;
    cr_assert_eq(redis_cmd(s->r, on_reply, s, cmd), 0);
    UNTIL(s->l, s->replies == before + 1);
}

static enum redis_error class_of(const struct seen *s)
{
    return redis_classify_text(s->text, strlen(s->text));
}

Test(redis, errors_of_a_real_server_are_told_apart)
{
    struct seen s;
    start(&s);
    ask(&s, "XADD st 5-5 a b");
    cr_assert_eq(s.errors, 0);
    ask(&s, "XADD st 5-5 a b");
    cr_assert_eq(class_of(&s), REDIS_E_ID, "%s", s.text);
    ask(&s, "XADD st 5-4 a b");
    cr_assert_eq(class_of(&s), REDIS_E_ID, "%s", s.text);
    ask(&s, "SADD st x");
    cr_assert_eq(class_of(&s), REDIS_E_TYPE, "%s", s.text);
    with_redis_cmd(s.w, "CONFIG SET maxmemory 1");
    ask(&s, "SET k v");
    cr_assert_eq(class_of(&s), REDIS_E_AWAY, "%s", s.text);
    with_redis_cmd(s.w, "CONFIG SET maxmemory 0");
    with_redis_cmd(s.w, "REPLICAOF 127.0.0.1 1");
    ask(&s, "SET k v");
    cr_assert_eq(class_of(&s), REDIS_E_AWAY, "%s", s.text);
    with_redis_cmd(s.w, "REPLICAOF NO ONE");
    with_redis_cmd(s.w, "ACL SETUSER default -set");
    ask(&s, "SET k v");
    cr_assert_eq(class_of(&s), REDIS_E_AUTH, "%s", s.text);
    ask(&s, "NOSUCH");
    cr_assert_eq(class_of(&s), REDIS_E_OTHER, "%s", s.text);
    cr_assert_eq(s.down, 0, "an error reply is not the end of a link");
    end(&s);
}

// ---- servers that are not quite Redis ----------------------------------------------------------

static size_t loading(void *arg, struct conn *c, const char *p, size_t n)
{
    (void)arg;
    if (!memmem(p, n, "PING\r\n", 6)) {
        return 0;
    }
    conn_puts(c, conn_id(c) < 4 ? "+OK\r\n-LOADING Redis is loading the dataset in memory\r\n"
                                : "+OK\r\n+PONG\r\n");
    return n;
}

static size_t garbage(void *arg, struct conn *c, const char *p, size_t n)
{
    (void)arg;
    (void)p;
    conn_puts(c, "HTTP/1.1 400 Bad Request\r\n\r\n");
    return n;
}

static size_t close_at_once(void *arg, struct conn *c, const char *p, size_t n)
{
    (void)arg;
    (void)p;
    conn_drop(c);
    return n;
}

static struct redis_opts tcp(struct seen *s, struct server *server)
{
    struct redis_opts o = opts(s);
    str_copy(o.url.host, sizeof o.url.host, "127.0.0.1");
    o.url.port = server_port(server);
    return o;
}

Test(redis, waits_for_a_server_that_is_loading)
{
    struct seen s = {.l = loop_new(clock_system())};
    struct server *server =
        server_new(&(struct server_opts){.loop = s.l, .on_data = loading, .arg = &s});
    struct redis_opts o = tcp(&s, server);
    s.r = redis_new(&o);
    UNTIL(s.l, s.up == 1);
    cr_assert_eq(server_accepted(server), 4);
    cr_assert_eq(s.down, 0);
    redis_free(s.r);
    server_free(server);
    loop_free(s.l);
}

Test(redis, is_never_up_with_a_server_that_speaks_something_else)
{
    struct seen s = {.l = loop_new(clock_system())};
    struct server *bad = server_new(&(struct server_opts){.loop = s.l, .on_data = garbage});
    struct server *shut = server_new(&(struct server_opts){.loop = s.l, .on_data = close_at_once});
    struct redis_opts o = tcp(&s, bad);
    s.r = redis_new(&o);
    UNTIL(s.l, server_accepted(bad) >= 3);
    redis_free(s.r);
    o = tcp(&s, shut);
    s.r = redis_new(&o);
    UNTIL(s.l, server_accepted(shut) >= 3);
    cr_assert_eq(s.up, 0);
    cr_assert_eq(s.down, 0);
    redis_free(s.r);
    server_free(bad);
    server_free(shut);
    loop_free(s.l);
}

Test(redis, keeps_trying_where_nobody_listens)
{
    struct seen s = {.l = loop_new(clock_system())};
    struct server *server = server_new(&(struct server_opts){.loop = s.l, .on_data = garbage});
    struct redis_opts o = tcp(&s, server);
    server_free(server);
    s.r = redis_new(&o);
    spin_for(s.l, 60);
    cr_assert_eq(s.up, 0);
    redis_free(s.r);
    o.url.is_unix = true;
    str_copy(o.url.host, sizeof o.url.host, "/nonexistent/socket");
    s.r = redis_new(&o);
    spin_for(s.l, 60);
    cr_assert_eq(s.up, 0);
    cr_assert_eq(s.down, 0);
    redis_free(s.r);
    loop_free(s.l);
}

static size_t half_an_answer(void *arg, struct conn *c, const char *p, size_t n)
{
    struct seen *s = arg;
    if (memmem(p, n, "PING\r\n", 6) && *conn_state(c) == 0) {
        *conn_state(c) = 1;
        conn_puts(c, "+OK\r\n+PONG\r\n");
        return n;
    }
    conn_puts(c, "*3\r\n:7\r\n*2\r\n$3\r\nabc\r\n$9\r\nonly a");
    s->order++;
    return n;
}

Test(redis, a_link_may_die_in_the_middle_of_an_answer)
{
    struct seen s = {.l = loop_new(clock_system())};
    struct server *server =
        server_new(&(struct server_opts){.loop = s.l, .on_data = half_an_answer, .arg = &s});
    struct redis_opts o = tcp(&s, server);
    s.r = redis_new(&o);
    for (int i = 1; i <= 3; i++) {
        UNTIL(s.l, s.up == i);
        cr_assert_eq(redis_cmd(s.r, on_reply, &s, "GIVE"), 0);
        UNTIL(s.l, s.order == i);
        spin_for(s.l, 20);
        if (i == 2) {
            redis_kick(s.r, "test");
        } else {
            server_drop_all(server);
        }
        UNTIL(s.l, s.down == i);
        cr_assert_eq(s.nulls, i);
    }
    redis_free(s.r);
    server_free(server);
    loop_free(s.l);
}

static void on_nested(struct redis *r, const struct redisReply *reply, void *arg)
{
    (void)r;
    struct seen *s = arg;
    s->replies++;
    cr_assert_neq(reply, NULL);
    cr_assert_eq(reply->type, REDIS_REPLY_ARRAY);
    cr_assert_eq(reply->elements, 5);
    cr_assert_eq(reply->element[0]->integer, 7);
    cr_assert_eq(reply->element[1]->type, REDIS_REPLY_NIL);
    cr_assert_eq(reply->element[2]->elements, 0);
    cr_assert_str_eq(reply->element[3]->element[0]->str, "x");
    cr_assert_eq(reply->element[4]->len, 3000000);
    for (size_t i = 0; i < 3000000; i++) {
        if (reply->element[4]->str[i] != 'y') {
            cr_assert_fail("byte %zu of the long string", i);
        }
    }
}

Test(redis, answers_of_every_size_and_shape_come_whole)
{
    struct seen s;
    start(&s);
    with_redis_cmd(s.w, "SET %s %s", "probe", "1");
    for (int i = 0; i < 6; i++) {
        // Large and small in turn: the memory of one answer is used again by the next.
        cr_assert_eq(redis_cmd(s.r, on_nested, &s, "EVAL %s 0",
                               "return {7, false, {}, {'x'}, string.rep('y', 3000000)}"),
                     0);
        cr_assert_eq(redis_cmd(s.r, on_reply, &s, "ECHO %s", "small"), 0);
    }
    UNTIL(s.l, s.replies == 12);
    cr_assert_str_eq(s.text, "small");
    end(&s);
}

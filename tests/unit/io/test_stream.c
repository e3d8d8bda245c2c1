#include <criterion/criterion.h>

#include "common/io/stream.h"
#include "tests/support/server.h"
#include "tests/support/spin.h"
#include "tests/support/with_redis.h"

struct seen {
    struct loop *l;
    struct with_redis *w;
    struct stream_reader *s;
    int up, down, entries, batches, empty;
    size_t pairs;
    char ids[512]; // "a1-0 b2-0 ...": stream letter and id, in the order of arrival
    char first_value[32];
    int stop_after; // entries after which `act` happens, 0 = never
    enum { FREE, PAUSE, RESTART, KICK_SERVER } act;
    char pos_in_entry[STREAM_ID_MAX];
};

static void on_entry(void *arg, size_t i, struct slice id, const struct slice *kv, size_t pairs)
{
    struct seen *s = arg;
    size_t n = strlen(s->ids);
    str_fmt(s->ids + n, sizeof s->ids - n, "%s%c%.*s", n ? " " : "", (char)('a' + (int)i),
            (int)id.n, id.p);
    s->entries++;
    s->pairs = pairs;
    str_copyn(s->first_value, sizeof s->first_value, kv[1].p, kv[1].n);
    str_copy(s->pos_in_entry, sizeof s->pos_in_entry, stream_reader_position(s->s, i));
    if (s->entries != s->stop_after) {
        return;
    }
    switch (s->act) {
    case FREE:
        stream_reader_free(s->s);
        s->s = NULL;
        break;
    case PAUSE:
        stream_reader_pause(s->s);
        break;
    case RESTART:
        stream_reader_start(s->s, (const char *const[]){"0-0", "0-0"});
        break;
    case KICK_SERVER:
        break;
    }
}

static void on_batch(void *arg, size_t got)
{
    struct seen *s = arg;
    s->batches++;
    s->empty += got == 0 ? 1 : 0;
}

static void on_up(void *arg)
{
    ((struct seen *)arg)->up++;
}

static void on_down(void *arg, const char *why)
{
    (void)why;
    ((struct seen *)arg)->down++;
}

static struct stream_reader_opts opts(struct seen *s)
{
    return (struct stream_reader_opts){.loop = s->l,
                                       .url = s->w ? s->w->url : (struct redis_url){0},
                                       .name = "test/reader",
                                       .streams = 2,
                                       .key = {"{t}:a", "{t}:b"},
                                       .count = 10,
                                       .block_ms = 100,
                                       .on_entry = on_entry,
                                       .on_batch = on_batch,
                                       .on_up = on_up,
                                       .on_down = on_down,
                                       .arg = s};
}

static void start(struct seen *s)
{
    memset(s, 0, sizeof *s);
    s->l = loop_new(clock_system());
    s->w = with_redis_new(
        (const char *const[]){"--appendonly", "yes", "--appendfsync", "always", NULL});
    struct stream_reader_opts o = opts(s);
    s->s = stream_reader_new(&o);
    UNTIL(s->l, s->up == 1);
}

static void end(struct seen *s)
{
    stream_reader_free(s->s);
    with_redis_free(s->w);
    loop_free(s->l);
}

static void from(struct seen *s, const char *a, const char *b)
{
    stream_reader_start(s->s, (const char *const[]){a, b});
}

Test(stream_reader, reads_nothing_until_started_then_from_its_positions)
{
    struct seen s;
    start(&s);
    with_redis_cmd(s.w, "XADD {t}:a 1-1 k one");
    with_redis_cmd(s.w, "XADD {t}:a 2-1 k two");
    with_redis_cmd(s.w, "XADD {t}:b 7-1 k seven");
    spin_for(s.l, 30);
    cr_assert_eq(s.batches, 0);
    from(&s, "1-1", "");
    UNTIL(s.l, s.entries == 2);
    cr_assert_str_eq(s.ids, "a2-1 b7-1");
    cr_assert_eq(s.pairs, 1);
    cr_assert_str_eq(s.first_value, "seven");
    UNTIL(s.l, s.batches >= 1);
    cr_assert_str_eq(stream_reader_position(s.s, 0), "2-1");
    cr_assert_str_eq(stream_reader_position(s.s, 1), "7-1");
    // What comes later is read as it comes.
    with_redis_cmd(s.w, "XADD {t}:b 8-1 k eight");
    UNTIL(s.l, s.entries == 3);
    end(&s);
}

Test(stream_reader, positions_move_after_delivery)
{
    struct seen s;
    start(&s);
    with_redis_cmd(s.w, "XADD {t}:a 1-1 k one");
    from(&s, NULL, NULL);
    UNTIL(s.l, s.entries == 1);
    cr_assert_str_eq(s.pos_in_entry, "0-0");
    cr_assert_str_eq(stream_reader_position(s.s, 0), "1-1");
    end(&s);
}

Test(stream_reader, tells_of_reads_that_found_nothing)
{
    struct seen s;
    start(&s);
    from(&s, NULL, NULL);
    UNTIL(s.l, s.empty >= 2);
    end(&s);
}

Test(stream_reader, reads_everything_in_portions)
{
    struct seen s;
    start(&s);
    for (int i = 1; i <= 95; i++) {
        with_redis_cmd(s.w, "XADD {t}:a %d-0 k v", i);
    }
    from(&s, NULL, NULL);
    UNTIL(s.l, s.entries == 95);
    cr_assert_geq(s.batches, 9);
    cr_assert_str_eq(stream_reader_position(s.s, 0), "95-0");
    end(&s);
}

Test(stream_reader, goes_on_where_it_was_after_the_server_was_killed)
{
    struct seen s;
    start(&s);
    with_redis_cmd(s.w, "XADD {t}:a 1-0 k v");
    from(&s, NULL, NULL);
    UNTIL(s.l, s.entries == 1);
    with_redis_kill(s.w);
    UNTIL(s.l, s.down == 1);
    with_redis_restart(s.w, (const char *const[]){"--appendonly", "yes", NULL});
    with_redis_cmd(s.w, "XADD {t}:a 2-0 k v");
    UNTIL(s.l, s.entries == 2);
    cr_assert_eq(s.up, 2);
    cr_assert_str_eq(s.ids, "a1-0 a2-0");
    end(&s);
}

Test(stream_reader, a_restart_discards_the_answer_to_the_old_question)
{
    struct seen s;
    start(&s);
    with_redis_cmd(s.w, "XADD {t}:a 1-0 k v");
    with_redis_cmd(s.w, "XADD {t}:a 2-0 k v");
    with_redis_freeze(s.w);
    from(&s, NULL, NULL); // asked, not answered yet
    spin_for(s.l, 10);
    from(&s, "1-0", "0-0");
    with_redis_thaw(s.w);
    UNTIL(s.l, s.entries == 1);
    spin_for(s.l, 30);
    cr_assert_str_eq(s.ids, "a2-0");
    struct stream_reader_stats st;
    stream_reader_stats(s.s, &st);
    cr_assert_eq(st.discarded, 1);
    end(&s);
}

Test(stream_reader, pause_keeps_the_positions_and_delivers_nothing_more)
{
    struct seen s;
    start(&s);
    for (int i = 1; i <= 5; i++) {
        with_redis_cmd(s.w, "XADD {t}:a %d-0 k v", i);
    }
    s.stop_after = 2;
    s.act = PAUSE;
    from(&s, NULL, NULL);
    UNTIL(s.l, s.entries == 2);
    spin_for(s.l, 150);
    cr_assert_eq(s.entries, 2);
    cr_assert_eq(s.batches, 0);
    // The entry whose callback paused was not taken: it comes again.
    cr_assert_str_eq(stream_reader_position(s.s, 0), "1-0");
    end(&s);
}

Test(stream_reader, may_be_restarted_inside_an_entry)
{
    struct seen s;
    start(&s);
    with_redis_cmd(s.w, "XADD {t}:a 1-0 k v");
    with_redis_cmd(s.w, "XADD {t}:a 2-0 k v");
    s.stop_after = 2;
    s.act = RESTART;
    from(&s, NULL, NULL);
    UNTIL(s.l, s.entries == 4);
    cr_assert_str_eq(s.ids, "a1-0 a2-0 a1-0 a2-0");
    end(&s);
}

Test(stream_reader, may_be_freed_inside_an_entry)
{
    struct seen s;
    start(&s);
    with_redis_cmd(s.w, "XADD {t}:a 1-0 k v");
    with_redis_cmd(s.w, "XADD {t}:a 2-0 k v");
    s.stop_after = 1;
    s.act = FREE;
    from(&s, NULL, NULL);
    UNTIL(s.l, s.entries == 1);
    spin_for(s.l, 20);
    cr_assert_eq(s.entries, 1);
    end(&s);
}

Test(stream_reader, an_error_reply_is_tried_again_on_the_same_link)
{
    struct seen s;
    start(&s);
    with_redis_cmd(s.w, "SADD {t}:a x");
    from(&s, NULL, NULL);
    struct stream_reader_stats st = {0};
    while (st.errors < 2) {
        cr_assert(spin_turn(s.l, spin_deadline(10000)));
        stream_reader_stats(s.s, &st);
    }
    with_redis_cmd(s.w, "DEL {t}:a");
    with_redis_cmd(s.w, "XADD {t}:a 1-0 k v");
    UNTIL(s.l, s.entries == 1);
    cr_assert_eq(s.down, 0);
    end(&s);
}

Test(stream_reader, an_entry_with_too_many_fields_comes_cut)
{
    struct seen s;
    start(&s);
    with_redis_cmd(s.w, "XADD {t}:a 1-0 a 1 b 2 c 3 d 4 e 5 f 6 g 7 h 8 i 9 j 10 k 11 l 12 m 13 "
                        "n 14 o 15 p 16 q 17 r 18");
    from(&s, NULL, NULL);
    UNTIL(s.l, s.entries == 1);
    cr_assert_eq(s.pairs, STREAM_FIELDS_MAX);
    cr_assert_str_eq(s.first_value, "1");
    end(&s);
}

// ---- answers in a shape that Redis never gives -------------------------------------------------

static const char *const bad_answers[] = {
    "+OK\r\n",
    ":5\r\n",
    "*1\r\n+x\r\n",
    "*1\r\n*2\r\n$5\r\nother\r\n*0\r\n",
    "*1\r\n*2\r\n$5\r\n{t}:a\r\n$1\r\nx\r\n",
    "*1\r\n*2\r\n$5\r\n{t}:a\r\n*1\r\n*1\r\n$3\r\n1-0\r\n",
    "*1\r\n*2\r\n$5\r\n{t}:a\r\n*1\r\n*2\r\n$3\r\n1-0\r\n*1\r\n$1\r\nk\r\n",
    "*1\r\n*2\r\n$5\r\n{t}:a\r\n*1\r\n*2\r\n$3\r\n1-0\r\n*2\r\n$1\r\nk\r\n:1\r\n",
    "*1\r\n*2\r\n$5\r\n{t}:a\r\n*1\r\n*2\r\n$0\r\n\r\n*2\r\n$1\r\nk\r\n$1\r\nv\r\n",
    "*3\r\n*0\r\n*0\r\n*0\r\n",
};

static size_t answer_badly(void *arg, struct conn *c, const char *p, size_t n)
{
    (void)arg;
    if (memmem(p, n, "PING\r\n", 6)) {
        conn_puts(c, "+OK\r\n+PONG\r\n");
        return n;
    }
    size_t which = (size_t)conn_id(c) - 1;
    if (which < sizeof bad_answers / sizeof bad_answers[0]) {
        conn_puts(c, bad_answers[which]);
    }
    return n;
}

Test(stream_reader, an_answer_of_no_known_shape_closes_the_link_and_is_counted)
{
    struct seen s = {.l = loop_new(clock_system())};
    struct server *server =
        server_new(&(struct server_opts){.loop = s.l, .on_data = answer_badly, .arg = &s});
    struct stream_reader_opts o = opts(&s);
    str_copy(o.url.host, sizeof o.url.host, "127.0.0.1");
    o.url.port = server_port(server);
    s.s = stream_reader_new(&o);
    from(&s, NULL, NULL);
    int want = (int)(sizeof bad_answers / sizeof bad_answers[0]);
    int64_t until = spin_deadline(60000);
    while (s.down < want && spin_turn(s.l, until)) {
    }
    cr_assert_eq(s.down, want);
    cr_assert_eq(s.entries, 0);
    struct stream_reader_stats st;
    stream_reader_stats(s.s, &st);
    cr_assert_eq(st.bad_replies, (uint64_t)want);
    stream_reader_free(s.s);
    server_free(server);
    loop_free(s.l);
}

// Scripted servers stand for sentinels and nodes of a cluster; the real ones are in the integration
// tests.

#include <criterion/criterion.h>
#include <hiredis/hiredis.h>
#include <stdlib.h>
#include <string.h>

#include "common/io/redis_cluster.h"
#include "common/io/redis_lookup.h"
#include "tests/support/server.h"
#include "tests/support/spin.h"

Test(redis_slot, is_that_of_the_specification)
{
    static const struct {
        const char *key;
        unsigned slot;
    } rows[] = {
        {"123456789", 0x31c3}, // the check value of CRC-16/XMODEM
        {"", 0},
        {"foo", 12182},
        {"{foo}.bar", 12182},
        {"bar", 5061},
        {"a{bar}{foo}", 5061},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        cr_assert_eq(redis_slot(rows[i].key, strlen(rows[i].key)), rows[i].slot, "%s: %u",
                     rows[i].key, redis_slot(rows[i].key, strlen(rows[i].key)));
    }
}

Test(redis_slot, takes_an_empty_or_open_tag_for_part_of_the_key)
{
    cr_assert_neq(redis_slot("foo{}{bar}", 10), redis_slot("bar", 3));
    cr_assert_neq(redis_slot("foo{bar", 7), redis_slot("bar", 3));
    cr_assert_eq(redis_slot("foo{{bar}}zap", 13), redis_slot("{bar", 4));
}

Test(redis_moved, reads_where_the_slot_went)
{
    struct redis_node at;
    cr_assert(redis_moved("MOVED 3999 127.0.0.1:6381", 25, &at));
    cr_assert_str_eq(at.host, "127.0.0.1");
    cr_assert_eq(at.port, 6381);
    cr_assert(redis_moved("MOVED 0 ::1:7000", 16, &at));
    cr_assert_str_eq(at.host, "::1");
    cr_assert_eq(at.port, 7000);
}

Test(redis_moved, refuses_everything_else)
{
    static const char *const rows[] = {
        "",          "MOVED",           "MOVED ",        "MOVED 1",         "MOVED 1 :6381",
        "MOVED 1 h", "MOVED 1 h:",      "MOVED 1 h:0",   "MOVED 1 h:65536", "MOVED 1 ?:6379",
        "ASK 1 h:1", "ERR MOVED 1 h:1", "MOVED 1 h:12x",
    };
    struct redis_node at;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        cr_assert_not(redis_moved(rows[i], strlen(rows[i]), &at), "'%s' was taken", rows[i]);
    }
}

// ---- scripted servers --------------------------------------------------------------------------

// Answers per command: the text that follows the word found in it.
struct script {
    const char *const (*rows)[2];
    struct server *server;
    int asked;
};

// One command of the form "*<argc>\r\n$<n>\r\n...": its length, 0 when it is not complete.
static size_t command(const char *p, size_t n)
{
    size_t at = 0;
    long left = -1;
    while (left != 0) {
        const char *end = memmem(p + at, n - at, "\r\n", 2);
        if (end == NULL) {
            return 0;
        }
        const long v = strtol(p + at + 1, NULL, 10);
        const char kind = p[at];
        at = (size_t)(end - p) + 2;
        if (kind == '*') {
            left = v;
        } else {
            at += (size_t)v + 2;
            left--;
        }
        if (at > n) {
            return 0;
        }
    }
    return at;
}

static size_t on_data(void *arg, struct conn *c, const char *p, size_t n)
{
    struct script *s = arg;
    size_t used = 0, len;
    while (used < n && (len = command(p + used, n - used)) > 0) {
        const char *answer = "+OK\r\n";
        for (size_t i = 0; s->rows[i][0] != NULL; i++) {
            if (memmem(p + used, len, s->rows[i][0], strlen(s->rows[i][0])) != NULL) {
                answer = s->rows[i][1];
                s->asked++;
            }
        }
        used += len;
        if (answer[0] == '\0') {
            conn_drop(c);
            return used;
        }
        conn_puts(c, answer);
    }
    return used;
}

static void serve(struct script *s, struct loop *l, const char *const (*rows)[2])
{
    *s = (struct script){.rows = rows};
    s->server = server_new(&(struct server_opts){.loop = l, .on_data = on_data, .arg = s});
}

struct told {
    int n;
    bool found;
    struct redis_node at;
    char why[160];
};

static void on_told(void *arg, const struct redis_node *at, const char *why)
{
    struct told *t = arg;
    t->n++;
    t->found = at != NULL;
    if (at != NULL) {
        t->at = *at;
    }
    str_copy(t->why, sizeof t->why, why);
}

static struct redis_url url_of(const char *scheme, const char *path, const struct script *a,
                               const struct script *b)
{
    char text[200];
    struct redis_url u;
    struct err e = {0};
    str_fmt(text, sizeof text, "%s127.0.0.1:%d,127.0.0.1:%d%s", scheme, server_port(a->server),
            server_port(b->server), path);
    cr_assert_eq(redis_url_parse(text, &u, &e), 0, "%s: %s", text, e.text);
    return u;
}

#define SILENT                                                                                     \
    {"SENTINEL", ""}, {"CLUSTER", ""},                                                             \
    {                                                                                              \
        NULL, NULL                                                                                 \
    }

Test(redis_lookup, asks_the_next_sentinel_when_one_is_gone)
{
    struct loop *l = loop_new(clock_system());
    static const char *const gone[][2] = {SILENT};
    static const char *const good[][2] = {{"mymaster", "*2\r\n$9\r\n127.0.0.9\r\n$4\r\n6390\r\n"},
                                          {NULL, NULL}};
    struct script a, b;
    struct told t = {0};
    serve(&a, l, gone);
    serve(&b, l, good);
    const struct redis_url u = url_of("redis+sentinel://:pw@", "/mymaster", &a, &b);
    struct redis_lookup *x = redis_lookup_new(l, &u, "", on_told, &t);
    redis_lookup_start(x);
    cr_assert_eq(t.n, 0, "called back from inside");
    UNTIL(l, t.n == 1);
    cr_assert(t.found);
    cr_assert_str_eq(t.at.host, "127.0.0.9");
    cr_assert_eq(t.at.port, 6390);
    // Who knew it last is asked first.
    redis_lookup_start(x);
    UNTIL(l, t.n == 2);
    cr_assert_eq(a.asked, 1);
    cr_assert_eq(b.asked, 2);
    redis_lookup_free(x);
    server_free(a.server);
    server_free(b.server);
    loop_free(l);
}

Test(redis_lookup, says_why_nobody_knows)
{
    struct loop *l = loop_new(clock_system());
    static const char *const gone[][2] = {SILENT};
    static const char *const none[][2] = {{"SENTINEL", "*-1\r\n"}, {NULL, NULL}};
    struct script a, b;
    struct told t = {0};
    serve(&a, l, gone);
    serve(&b, l, none);
    const struct redis_url u = url_of("redis+sentinel://", "/other", &a, &b);
    struct redis_lookup *x = redis_lookup_new(l, &u, "", on_told, &t);
    redis_lookup_start(x);
    UNTIL(l, t.n == 1);
    cr_assert_not(t.found);
    cr_assert_neq(strstr(t.why, "no master of this name"), NULL, "%s", t.why);
    cr_assert_eq(a.asked, 1);
    redis_lookup_free(x);
    server_free(a.server);
    server_free(b.server);
    loop_free(l);
}

Test(redis_lookup, finds_the_master_of_a_slot_and_asks_nodes_that_were_told_of)
{
    struct loop *l = loop_new(clock_system());
    // "foo" is slot 12182. The third node is named by the others alone.
    static char slots[400];
    static const char *const first[][2] = {{"CLUSTER", slots}, {NULL, NULL}};
    static const char *const gone[][2] = {SILENT};
    static const char *const third_rows[][2] = {
        {"CLUSTER", "*1\r\n*3\r\n:0\r\n:16383\r\n*2\r\n$9\r\n127.0.0.8\r\n:7008\r\n"},
        {NULL, NULL}};
    struct script a, b, third;
    struct told t = {0};
    serve(&a, l, first);
    serve(&b, l, gone);
    serve(&third, l, third_rows);
    str_fmt(slots, sizeof slots,
            "*2\r\n*3\r\n:0\r\n:9999\r\n*2\r\n$9\r\n127.0.0.1\r\n:%d\r\n"
            "*4\r\n:10000\r\n:16383\r\n*2\r\n$9\r\n127.0.0.7\r\n:7007\r\n*2\r\n$0\r\n\r\n:%d\r\n",
            server_port(b.server), server_port(third.server));
    const struct redis_url u = url_of("redis+cluster://", "", &a, &b);
    struct redis_lookup *x = redis_lookup_new(l, &u, "{foo}:x", on_told, &t);
    redis_lookup_start(x);
    UNTIL(l, t.n == 1);
    cr_assert(t.found);
    cr_assert_str_eq(t.at.host, "127.0.0.7");
    cr_assert_eq(t.at.port, 7007);
    server_free(a.server); // now both hosts of the URL are gone; the third has a host left out
    redis_lookup_start(x);
    UNTIL(l, t.n == 2);
    cr_assert(t.found, "%s", t.why);
    cr_assert_str_eq(t.at.host, "127.0.0.8");
    redis_lookup_free(x);
    server_free(b.server);
    server_free(third.server);
    loop_free(l);
}

Test(redis_lookup, a_slot_without_a_master_is_no_place)
{
    struct loop *l = loop_new(clock_system());
    static const char *const rows[][2] = {
        {"CLUSTER", "*1\r\n*3\r\n:0\r\n:5\r\n*2\r\n$9\r\n127.0.0.8\r\n:7008\r\n"}, {NULL, NULL}};
    static const char *const odd[][2] = {{"CLUSTER", "*1\r\n*3\r\n:0\r\n$1\r\nx\r\n*-1\r\n"},
                                         {NULL, NULL}};
    struct script a, b;
    struct told t = {0};
    serve(&a, l, rows);
    serve(&b, l, odd);
    const struct redis_url u = url_of("redis+cluster://", "", &a, &b);
    struct redis_lookup *x = redis_lookup_new(l, &u, "foo", on_told, &t);
    redis_lookup_start(x);
    UNTIL(l, t.n == 1);
    cr_assert_not(t.found);
    cr_assert_neq(strstr(t.why, "no master has the slot"), NULL, "%s", t.why);
    redis_lookup_free(x);
    server_free(a.server);
    server_free(b.server);
    loop_free(l);
}

// ---- a link ------------------------------------------------------------------------------------

struct seen {
    struct redis *r;
    int up, down, nulls;
    char text[64], why[200];
};

static void on_up(void *arg)
{
    ((struct seen *)arg)->up++;
}

static void on_down(void *arg, const char *why)
{
    struct seen *s = arg;
    s->down++;
    str_copy(s->why, sizeof s->why, why);
}

static void on_reply(struct redis *r, const struct redisReply *reply, void *arg)
{
    struct seen *s = arg;
    (void)r;
    if (reply == NULL) {
        s->nulls++;
    } else {
        str_copyn(s->text, sizeof s->text, reply->str, reply->len);
    }
}

Test(redis_lookup, a_link_follows_its_slot_and_the_command_that_told_counts_as_unanswered)
{
    struct loop *l = loop_new(clock_system());
    static char slots[200], moved[80];
    static const char *const old_rows[][2] = {
        {"CLUSTER", slots}, {"PING", "+PONG\r\n"}, {"GET", moved}, {NULL, NULL}};
    static const char *const new_rows[][2] = {
        {"PING", "+PONG\r\n"}, {"GET", "$3\r\nnew\r\n"}, {NULL, NULL}};
    struct script a, b;
    struct seen s = {0};
    serve(&a, l, old_rows);
    serve(&b, l, new_rows);
    str_fmt(slots, sizeof slots, "*1\r\n*3\r\n:0\r\n:16383\r\n*2\r\n$9\r\n127.0.0.1\r\n:%d\r\n",
            server_port(a.server));
    str_fmt(moved, sizeof moved, "-MOVED 12182 127.0.0.1:%d\r\n", server_port(b.server));
    s.r = redis_new(&(struct redis_opts){.loop = l,
                                         .url = url_of("redis+cluster://", "", &a, &a),
                                         .name = "test",
                                         .slot_key = "foo",
                                         .on_up = on_up,
                                         .on_down = on_down,
                                         .arg = &s});
    UNTIL(l, s.up == 1);
    cr_assert_eq(redis_cmd(s.r, on_reply, &s, "GET foo"), 0);
    cr_assert_eq(redis_cmd(s.r, on_reply, &s, "GET foo"), 0);
    UNTIL(l, s.up == 2);
    cr_assert_eq(s.nulls, 2);
    cr_assert_eq(s.down, 1);
    cr_assert_neq(strstr(s.why, "MOVED"), NULL, "%s", s.why);
    cr_assert_eq(redis_cmd(s.r, on_reply, &s, "GET foo"), 0);
    UNTIL(l, s.text[0] != '\0');
    cr_assert_str_eq(s.text, "new");
    redis_free(s.r);
    server_free(a.server);
    server_free(b.server);
    loop_free(l);
}

Test(redis_lookup, a_link_does_not_take_a_replica_for_the_master)
{
    struct loop *l = loop_new(clock_system());
    static char place[80];
    static const char *const sentinel[][2] = {{"SENTINEL", place}, {NULL, NULL}};
    static const char *role = "*1\r\n$5\r\nslave\r\n";
    const char *const node[][2] = {{"PING", "+PONG\r\n"}, {"ROLE", role}, {NULL, NULL}};
    const char *node_rows[3][2];
    memcpy(node_rows, node, sizeof node_rows);
    struct script a, b;
    struct seen s = {0};
    serve(&a, l, sentinel);
    serve(&b, l, (const char *const(*)[2])node_rows);
    char port[8];
    str_fmt(port, sizeof port, "%d", server_port(b.server));
    str_fmt(place, sizeof place, "*2\r\n$9\r\n127.0.0.1\r\n$%zu\r\n%s\r\n", strlen(port), port);
    s.r = redis_new(&(struct redis_opts){.loop = l,
                                         .url = url_of("redis+sentinel://", "/m", &a, &a),
                                         .name = "test",
                                         .backoff_min_ms = 1,
                                         .backoff_max_ms = 5,
                                         .on_up = on_up,
                                         .on_down = on_down,
                                         .arg = &s});
    UNTIL(l, a.asked >= 3); // it asks again and again
    cr_assert_eq(s.up, 0);
    node_rows[1][1] = "*1\r\n$6\r\nmaster\r\n";
    UNTIL(l, s.up == 1);
    redis_free(s.r);
    server_free(a.server);
    server_free(b.server);
    loop_free(l);
}

// ---- all masters at once -----------------------------------------------------------------------

Test(redis_cluster, finds_the_key_of_every_command_it_is_given)
{
    static const struct {
        const char *cmd, *key;
    } rows[] = {
        {"*2\r\n$7\r\nHGETALL\r\n$3\r\nfoo\r\n", "foo"},
        {"*4\r\n$4\r\nEVAL\r\n$1\r\nx\r\n$1\r\n1\r\n$3\r\nfoo\r\n", "foo"},
        {"*3\r\n$5\r\nXINFO\r\n$6\r\nSTREAM\r\n$3\r\nfoo\r\n", "foo"},
        {"*6\r\n$5\r\nXREAD\r\n$5\r\nCOUNT\r\n$1\r\n9\r\n$7\r\nSTREAMS\r\n$3\r\nfoo\r\n$1\r\n0\r\n",
         "foo"},
        {"*4\r\n$4\r\nSCAN\r\n$1\r\n0\r\n$5\r\nMATCH\r\n$6\r\n{foo}*\r\n", "{foo}*"},
        {"*1\r\n$4\r\nPING\r\n", NULL},
        {"*1\r\n$7\r\nUNWATCH\r\n", NULL},
        {"*2\r\n$3\r\nGET\r\n$9\r\nfoo\r\n", NULL}, // cut short
        {"", NULL},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct slice key = {"", 0};
        const bool has = redis_command_key(rows[i].cmd, strlen(rows[i].cmd), &key);
        cr_assert_eq(has, rows[i].key != NULL, "%s", rows[i].cmd);
        cr_assert(!has || slice_eq(key, rows[i].key), "%.*s", (int)key.n, key.p);
    }
}

Test(redis_cluster, sends_each_command_to_its_node_and_ends_as_a_whole)
{
    struct loop *l = loop_new(clock_system());
    // "foo" is slot 12182, "bar" 5061.
    static char slots[200];
    static const char *const low[][2] = {
        {"CLUSTER", slots}, {"PING", "+PONG\r\n"}, {"GET", "$3\r\nlow\r\n"}, {NULL, NULL}};
    static const char *const high[][2] = {
        {"CLUSTER", slots}, {"PING", "+PONG\r\n"}, {"GET", "$4\r\nhigh\r\n"}, {NULL, NULL}};
    struct script a, b;
    struct seen s = {0};
    serve(&a, l, low);
    serve(&b, l, high);
    str_fmt(slots, sizeof slots,
            "*2\r\n*3\r\n:0\r\n:9999\r\n*2\r\n$9\r\n127.0.0.1\r\n:%d\r\n"
            "*3\r\n:10000\r\n:16383\r\n*2\r\n$9\r\n127.0.0.1\r\n:%d\r\n",
            server_port(a.server), server_port(b.server));
    s.r = redis_new(&(struct redis_opts){.loop = l,
                                         .url = url_of("redis+cluster://", "", &a, &b),
                                         .name = "test",
                                         .on_up = on_up,
                                         .on_down = on_down,
                                         .arg = &s});
    UNTIL(l, s.up == 1);
    cr_assert_eq(redis_cmd(s.r, on_reply, &s, "GET foo"), 0);
    UNTIL(l, s.text[0] != '\0');
    cr_assert_str_eq(s.text, "high");
    cr_assert_eq(redis_cmd(s.r, on_reply, &s, "GET bar"), 0);
    UNTIL(l, strcmp(s.text, "high") != 0);
    cr_assert_str_eq(s.text, "low");
    // One node's death is the death of the whole; what was pending anywhere is unanswered.
    cr_assert_eq(redis_cmd(s.r, on_reply, &s, "GET bar"), 0);
    cr_assert_eq(redis_cmd(s.r, on_reply, &s, "GET foo"), 0);
    cr_assert_eq(redis_inflight(s.r), 2);
    redis_kick(s.r, "kicked by the test");
    cr_assert_eq(s.nulls, 2);
    cr_assert_eq(s.down, 1);
    cr_assert_eq(redis_cmd(s.r, on_reply, &s, "GET foo"), ERR_CLOSED);
    UNTIL(l, s.up == 2);
    server_drop_all(b.server);
    UNTIL(l, s.down == 2);
    UNTIL(l, s.up == 3);
    redis_free(s.r);
    server_free(a.server);
    server_free(b.server);
    loop_free(l);
}

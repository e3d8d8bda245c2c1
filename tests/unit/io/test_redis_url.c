#include <criterion/criterion.h>

#include "common/io/redis.h"

struct good {
    const char *text;
    struct redis_url want;
    const char *shown;
};

Test(redis_url, reads_every_form_and_shows_it_without_the_password)
{
    static const struct good rows[] = {
        {"redis://127.0.0.1:6379/0",
         {.host = "127.0.0.1", .port = 6379},
         "redis://127.0.0.1:6379/0"},
        {"redis://redis", {.host = "redis", .port = 6379}, "redis://redis:6379/0"},
        {"redis://redis/", {.host = "redis", .port = 6379}, "redis://redis:6379/0"},
        {"redis://redis/7", {.host = "redis", .port = 6379, .db = 7}, "redis://redis:6379/7"},
        {"redis://:s%40cret@h:1/2",
         {.host = "h", .port = 1, .db = 2, .pass = "s@cret"},
         "redis://:***@h:1/2"},
        {"redis://bob:p%3a%2F@h",
         {.host = "h", .port = 6379, .user = "bob", .pass = "p:/"},
         "redis://bob:***@h:6379/0"},
        {"redis://bob:a@b@h",
         {.host = "h", .port = 6379, .user = "bob", .pass = "a@b"},
         "redis://bob:***@h:6379/0"},
        {"redis://[::1]:65535/15",
         {.host = "::1", .port = 65535, .db = 15},
         "redis://[::1]:65535/15"},
        {"redis://[::1]", {.host = "::1", .port = 6379}, "redis://[::1]:6379/0"},
        {"unix:///run/redis.sock",
         {.is_unix = true, .host = "/run/redis.sock"},
         "unix:///run/redis.sock"},
        {"unix:///run/redis.sock?db=3",
         {.is_unix = true, .host = "/run/redis.sock", .db = 3},
         "unix:///run/redis.sock?db=3"},
        {"unix://bob:pw@/s",
         {.is_unix = true, .host = "/s", .user = "bob", .pass = "pw"},
         "unix://bob:***@/s"},
        {"unix://:pw@/s", {.is_unix = true, .host = "/s", .pass = "pw"}, "unix://:***@/s"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct redis_url u = {.port = -1};
        struct err e = {0};
        cr_assert_eq(redis_url_parse(rows[i].text, &u, &e), 0, "%s: %s", rows[i].text, e.text);
        const struct redis_url *w = &rows[i].want;
        cr_assert_eq(u.is_unix, w->is_unix, "%s", rows[i].text);
        cr_assert_str_eq(u.host, w->host);
        cr_assert_eq(u.port, w->port, "%s", rows[i].text);
        cr_assert_eq(u.db, w->db);
        cr_assert_str_eq(u.user, w->user);
        cr_assert_str_eq(u.pass, w->pass);
        char shown[256];
        redis_url_show(&u, shown, sizeof shown);
        cr_assert_str_eq(shown, rows[i].shown);
    }
}

Test(redis_url, refuses_what_it_does_not_understand_with_the_reason)
{
    static const char *const rows[][2] = {
        {"", "redis://"},
        {"localhost:6379", "redis://"},
        {"http://x", "redis://"},
        {"rediss://h", "TLS"},
        {"redis://", "host"},
        {"redis://:6379", "host"},
        {"redis://h:0", "port"},
        {"redis://h:65536", "port"},
        {"redis://h:", "port"},
        {"redis://h:12x", "port"},
        {"redis://h/x", "database"},
        {"redis://h/-1", "database"},
        {"redis://h/0/1", "database"},
        {"redis://h/65536", "database"},
        {"redis://h?db=1", "host"},
        {"redis://bob@h", "password"},
        {"redis://:%zz@h", "escape"},
        {"redis://:%4@h", "escape"},
        {"redis://:%00@h", "NUL"},
        {"redis://[::1", "'['"},
        {"redis://[::1]x", "'['"},
        {"redis://a b", "host"},
        {"unix://", "path"},
        {"unix://rel/path", "path"},
        {"unix:///s?x=1", "db=N"},
        {"unix:///s?db=", "db=N"},
        {"redis+sentinel://h", "name of the master"},
        {"redis+sentinel://h/", "name of the master"},
        {"redis+sentinel://h/my master", "name of the master"},
        {"redis+sentinel://h,/m", "host"},
        {"redis+sentinel://h:0/m", "port"},
        {"redis+sentinel://h/m/x", "database"},
        {"redis+cluster://", "host"},
        {"redis+cluster://h/1", "database 0"},
        {"redis+cluster://a,b,c,d,e,f,g,h,i,j,k,l,m,n,o,p,q", "16 hosts"},
        {"redis+tls://h", "redis://"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct redis_url u;
        struct err e = {0};
        cr_assert_neq(redis_url_parse(rows[i][0], &u, &e), 0, "%s was taken", rows[i][0]);
        cr_assert_neq(strstr(e.text, rows[i][1]), NULL, "%s: %s", rows[i][0], e.text);
        cr_assert_eq(strstr(e.text, "zz"), NULL, "a password in '%s'", e.text);
    }
}

Test(redis_url, reads_those_who_know_the_place)
{
    struct redis_url u;
    struct err e = {0};
    char shown[256];
    cr_assert_eq(
        redis_url_parse("redis+sentinel://bob:p%40@s1,s2:26380,[::1]/my-master.1/3", &u, &e), 0,
        "%s", e.text);
    cr_assert_eq(u.kind, REDIS_SENTINEL);
    cr_assert_eq(u.n_nodes, 3);
    cr_assert_str_eq(u.node[0].host, "s1");
    cr_assert_eq(u.node[0].port, 26379);
    cr_assert_eq(u.node[1].port, 26380);
    cr_assert_str_eq(u.node[2].host, "::1");
    cr_assert_str_eq(u.master, "my-master.1");
    cr_assert_eq(u.db, 3);
    cr_assert_str_eq(u.pass, "p@");
    redis_url_show(&u, shown, sizeof shown);
    cr_assert_str_eq(shown, "redis+sentinel://bob:***@s1:26379,.../my-master.1");
    cr_assert_eq(redis_url_parse("redis+cluster://h1:7000,h2/", &u, &e), 0, "%s", e.text);
    cr_assert_eq(u.kind, REDIS_CLUSTER);
    cr_assert_eq(u.n_nodes, 2);
    cr_assert_eq(u.node[0].port, 7000);
    cr_assert_eq(u.node[1].port, 6379);
    redis_url_show(&u, shown, sizeof shown);
    cr_assert_str_eq(shown, "redis+cluster://h1:7000,...");
}

Test(redis_url, refuses_what_does_not_fit)
{
    char text[400] = "unix:///";
    memset(text + 8, 'a', 106);
    text[8 + 106] = '\0';
    struct redis_url u;
    cr_assert_eq(redis_url_parse(text, &u, NULL), 0); // 107 bytes of path
    text[8 + 106] = 'a';
    text[8 + 107] = '\0';
    cr_assert_eq(redis_url_parse(text, &u, NULL), ERR_RANGE);
    memset(text, 0, sizeof text);
    memcpy(text, "redis://:", 9);
    memset(text + 9, 'p', 128);
    memcpy(text + 9 + 128, "@h", 2);
    cr_assert_eq(redis_url_parse(text, &u, NULL), ERR_RANGE);
}

Test(redis_error, says_what_an_error_means_for_the_writer)
{
    static const struct {
        const char *text;
        enum redis_error want;
    } rows[] = {
        {"OOM command not allowed when used memory > 'maxmemory'.", REDIS_E_AWAY},
        {"LOADING Redis is loading the dataset in memory", REDIS_E_AWAY},
        {"READONLY You can't write against a read only replica.", REDIS_E_AWAY},
        {"MISCONF Redis is configured to save RDB snapshots", REDIS_E_AWAY},
        {"CLUSTERDOWN The cluster is down", REDIS_E_AWAY},
        {"MASTERDOWN Link with MASTER is down", REDIS_E_AWAY},
        {"BUSY Redis is busy running a script.", REDIS_E_AWAY},
        {"TRYAGAIN Multiple keys request during rehashing of slot", REDIS_E_AWAY},
        {"NOREPLICAS Not enough good replicas to write.", REDIS_E_AWAY},
        {"BUSYGROUP Consumer Group name already exists", REDIS_E_OTHER},
        {"NOAUTH Authentication required.", REDIS_E_AUTH},
        {"WRONGPASS invalid username-password pair or user is disabled.", REDIS_E_AUTH},
        {"NOPERM this user has no permissions to run the 'set' command", REDIS_E_AUTH},
        {"WRONGTYPE Operation against a key", REDIS_E_TYPE},
        {"ERR The ID specified in XADD is equal or smaller than the target stream top item",
         REDIS_E_ID},
        {"ERR unknown command 'FOO'", REDIS_E_OTHER},
        {"EXECABORT Transaction discarded", REDIS_E_OTHER},
        {"OOM", REDIS_E_AWAY},
        {"", REDIS_E_OTHER},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        cr_assert_eq(redis_classify_text(rows[i].text, strlen(rows[i].text)), rows[i].want, "%s",
                     rows[i].text);
    }
    cr_assert_eq(redis_classify(NULL), REDIS_E_NONE);
}

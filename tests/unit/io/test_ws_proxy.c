#include "common/io/ws_proxy.h"

#include <criterion/criterion.h>
#include <string.h>

struct env {
    const char *name, *value;
};

static const char *from_env(void *arg, const char *name)
{
    for (const struct env *e = arg; e->name; e++) {
        if (strcmp(e->name, name) == 0) {
            return e->value;
        }
    }
    return NULL;
}

static const char *proxy_of(const char *url, struct env *env)
{
    static char out[WS_PROXY_MAX];
    struct ws_url u = {0};
    cr_assert_eq(ws_url_parse(url, &u, NULL), 0);
    ws_proxy_for(&u, from_env, env, out);
    return out;
}

Test(ws_proxy, by_scheme_as_curl_does)
{
    struct env env[] = {{"http_proxy", "http://p1:8080/"},
                        {"https_proxy", "http://user:pw@p2:3128"},
                        {"HTTP_PROXY", "http://never:1"},
                        {NULL, NULL}};
    cr_expect_str_eq(proxy_of("ws://venue.example/x", env), "p1:8080");
    cr_expect_str_eq(proxy_of("wss://venue.example/x", env), "user:pw@p2:3128");
    struct env all[] = {{"ALL_PROXY", "p3:1080"}, {NULL, NULL}};
    cr_expect_str_eq(proxy_of("wss://venue.example", all), "p3:1080");
    struct env upper[] = {{"HTTP_PROXY", "http://never:1"}, {NULL, NULL}};
    cr_expect_str_eq(proxy_of("ws://venue.example", upper), ":0");
}

Test(ws_proxy, loopback_and_exempt_hosts_go_direct)
{
    struct env env[] = {{"http_proxy", "http://p1:8080"},
                        {"no_proxy", "other.test, .example,exact.org"},
                        {NULL, NULL}};
    cr_expect_str_eq(proxy_of("ws://127.0.0.1:9001/x", env), ":0");
    cr_expect_str_eq(proxy_of("ws://LOCALHOST/x", env), ":0");
    cr_expect_str_eq(proxy_of("ws://[::1]:9001/x", env), ":0");
    cr_expect_str_eq(proxy_of("ws://venue.example", env), ":0");
    cr_expect_str_eq(proxy_of("ws://a.EXACT.org", env), ":0");
    cr_expect_str_eq(proxy_of("ws://notexact.org", env), "p1:8080");
    struct env star[] = {{"http_proxy", "http://p1:8080"}, {"NO_PROXY", "*"}, {NULL, NULL}};
    cr_expect_str_eq(proxy_of("ws://venue.test", star), ":0");
}

Test(ws_proxy, what_cannot_be_used_is_none)
{
    static const char *const bad[] = {"socks5://p:1", "https://p:1", "http://p",
                                      "http://p:",    "http://:80",  ""};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct env env[] = {{"http_proxy", bad[i]}, {NULL, NULL}};
        cr_expect_str_eq(proxy_of("ws://venue.test", env), ":0", "%s", bad[i]);
    }
}

// Routing, validation, CORS, HEAD, OPTIONS, headers: what HTTP clients see.

#include "tests/support/tsv.h"
#include "tests/unit/api/fixture.h"

Test(serve, refuses_bad_parameters_with_a_reason)
{
    struct rig r;
    struct tsv t;
    rig_init(&r);
    rig_fill(&r, "0");
    tsv_open(&t, "tests/fixtures/api/refused.tsv");
    while (tsv_next(&t, 2)) {
        get(&r, t.cell[0]);
        cr_expect_eq(r.status, 400, "%s: %d", t.cell[0], r.status);
        cr_expect(str_starts(str_at(&r, "error"), t.cell[1]), "%s: %s", t.cell[0], r.body);
        cr_expect_eq(json_object_size(r.json), 1);
    }
    rig_release(&r);
}

Test(serve, takes_bounds_and_encoded_values)
{
    static const char *const GOOD[] = {"/strategy/candles?count=1",
                                       "/strategy/candles?count=1000&timeframe=5m",
                                       "/price?symbol=binance%3ABTCUSDT",
                                       "/context?profile_rows=100000",
                                       "/context?profile_rows=1",
                                       "/price?_=1723107600000",
                                       "/price?",
                                       "/price?&&",
                                       "/coverage?day=2024-02-29"};
    struct rig r;
    rig_init(&r);
    rig_fill(&r, "0");
    for (size_t i = 0; i < sizeof GOOD / sizeof GOOD[0]; i++) {
        get(&r, GOOD[i]);
        cr_expect_eq(r.status, 200, "%s: %s", GOOD[i], r.body);
    }
    rig_release(&r);
}

Test(serve, unknown_path_is_404_with_the_paths_there_are)
{
    static const char *const PATHS[] = {"/docs/",  "/prices",     "/price/",      "",
                                        "//price", "/price/../x", "/favicon.ico", "/PRICE"};
    struct rig r;
    rig_init(&r);
    for (size_t i = 0; i < sizeof PATHS / sizeof PATHS[0]; i++) {
        get(&r, PATHS[i]);
        cr_expect_eq(r.status, 404, "%s", PATHS[i]);
        cr_expect_not_null(strstr(str_at(&r, "error"), "/strategy/candles"));
    }
    ask_for(&r, "POST", "/nope");
    cr_expect_eq(r.status, 404);
    rig_release(&r);
}

Test(serve, wrong_method_is_405_with_allow)
{
    static const char *const METHODS[] = {"POST", "PUT", "DELETE", "PATCH", "TRACE", "get"};
    struct rig r;
    rig_init(&r);
    for (size_t i = 0; i < sizeof METHODS / sizeof METHODS[0]; i++) {
        ask_for(&r, METHODS[i], "/price");
        cr_expect_eq(r.status, 405, "%s", METHODS[i]);
        cr_expect(has_line(&r, "Allow: GET, HEAD, OPTIONS"));
        cr_expect_not_null(strstr(str_at(&r, "error"), METHODS[i]));
    }
    rig_release(&r);
}

Test(serve, head_is_get_without_the_body)
{
    struct rig r;
    char line[64];
    rig_init(&r);
    rig_fill(&r, "1");
    for (size_t i = 0; i < routes_n; i++) {
        if (strcmp(routes[i].method, "GET") != 0) {
            continue;
        }
        get(&r, routes[i].path);
        (void)str_fmt(line, sizeof line, "Content-Length: %zu", strlen(r.body));
        cr_expect(has_line(&r, line), "%s", routes[i].path);
        int status = r.status;
        ask_for(&r, "HEAD", routes[i].path);
        cr_expect_eq(r.status, status);
        cr_expect_str_eq(r.body, "");
        cr_expect(has_line(&r, line), "%s", routes[i].path);
    }
    ask_for(&r, "HEAD", "/nope");
    cr_expect_eq(r.status, 404);
    cr_expect_str_eq(r.body, "");
    rig_release(&r);
}

static void from(struct rig *r, const char *method, const char *origin)
{
    struct http_in in = {.method = method, .path = "/price", .origin = origin, .keep_alive = true};
    ask_in(r, &in);
}

Test(serve, cors_allows_the_listed_origins_and_no_other)
{
    static const char *const OTHERS[] = {"http://evil.example",
                                         "http://localhost:300",
                                         "http://localhost:30000",
                                         "null",
                                         "",
                                         "http://localhost:3000, http://desk.example"};
    struct rig r;
    rig_init(&r);
    for (size_t i = 0; i < 2; i++) {
        const char *origin = i ? "http://desk.example" : "http://localhost:3000";
        char line[80];
        (void)str_fmt(line, sizeof line, "Access-Control-Allow-Origin: %s", origin);
        from(&r, "GET", origin);
        cr_expect(has_line(&r, line));
        cr_expect(has_line(&r, "Vary: Origin"));
        from(&r, "OPTIONS", origin);
        cr_expect_eq(r.status, 204);
        cr_expect(has_line(&r, line));
        cr_expect(has_line(&r, "Access-Control-Allow-Methods: GET, HEAD, OPTIONS"));
        cr_expect(has_line(&r, "Allow: GET, HEAD, OPTIONS"));
        cr_expect_str_eq(r.body, "");
    }
    for (size_t i = 0; i < sizeof OTHERS / sizeof OTHERS[0]; i++) {
        from(&r, "GET", OTHERS[i]);
        cr_expect_eq(r.status, 200);
        cr_expect_null(strstr(r.text, "Access-Control"), "'%s'", OTHERS[i]);
        cr_expect(has_line(&r, "Vary: Origin"));
        from(&r, "OPTIONS", OTHERS[i]);
        cr_expect_eq(r.status, 204);
        cr_expect_null(strstr(r.text, "Access-Control"), "'%s'", OTHERS[i]);
    }
    from(&r, "GET", NULL);
    cr_expect_null(strstr(r.text, "Access-Control"));
    r.g.cors_origins = "*";
    from(&r, "GET", "http://any.example");
    cr_expect(has_line(&r, "Access-Control-Allow-Origin: http://any.example"));
    rig_release(&r);
}

Test(serve, errors_carry_cors_headers_too)
{
    struct rig r;
    rig_init(&r);
    struct http_in in = {
        .method = "GET", .path = "/price", .query = "x=1", .origin = "http://localhost:3000"};
    ask_in(&r, &in);
    cr_expect_eq(r.status, 400);
    cr_expect(has_line(&r, "Access-Control-Allow-Origin: http://localhost:3000"));
    rig_release(&r);
}

Test(serve, options_of_an_unknown_path_is_404)
{
    struct rig r;
    rig_init(&r);
    ask_for(&r, "OPTIONS", "/nope");
    cr_expect_eq(r.status, 404);
    rig_release(&r);
}

Test(serve, options_of_the_server_as_a_whole_names_every_method)
{
    struct rig r;
    rig_init(&r);
    ask_for(&r, "OPTIONS", "*");
    cr_expect_eq(r.status, 204);
    cr_expect(has_line(&r, "Allow: GET, HEAD, POST, OPTIONS"));
    ask_for(&r, "GET", "*");
    cr_expect_eq(r.status, 404);
    rig_release(&r);
}

// The value of the ETag header; "" without one.
static void tag_in(const struct rig *r, char tag[64])
{
    const char *at = strstr(r->text, "\r\nETag: ");
    const char *end = at ? strstr(at + 8, "\r\n") : NULL;
    tag[0] = '\0';
    if (end && end < r->body) {
        cr_assert(str_copyn(tag, 64, at + 8, (size_t)(end - at - 8)));
    }
}

static void ask_again(struct rig *r, const char *method, const char *path, const char *tag)
{
    struct http_in in = {.method = method, .path = path, .if_none_match = tag, .keep_alive = true};
    ask_in(r, &in);
}

Test(serve, what_a_client_has_is_not_sent_again_while_it_is_right)
{
    struct rig r;
    char tag[64], list[128], other[64];
    rig_init(&r);
    rig_fill(&r, "1");
    get(&r, "/levels");
    tag_in(&r, tag);
    cr_assert(str_starts(tag, "W/\""), "%s", r.text);
    cr_expect(has_line(&r, "Cache-Control: no-cache"));
    r.fake.mono_ms += 500; // the age has changed, the levels have not
    ask_again(&r, "GET", "/levels", tag);
    cr_expect_eq(r.status, 304);
    cr_expect_str_eq(r.body, "");
    cr_expect(has_line(&r, "X-Data-Age-Ms: 500"));
    cr_expect(has_line(&r, "X-Simulated: true"));
    cr_expect_null(strstr(r.text, "Content-Length"));
    tag_in(&r, other);
    cr_expect_str_eq(other, tag);
    ask_again(&r, "HEAD", "/levels", tag);
    cr_expect_eq(r.status, 304);
    (void)str_fmt(list, sizeof list, "\"x\", %s", tag);
    ask_again(&r, "GET", "/levels", list);
    cr_expect_eq(r.status, 304);
    ask_again(&r, "GET", "/levels", tag + 2); // without W/
    cr_expect_eq(r.status, 304);
    ask_again(&r, "GET", "/levels", "*");
    cr_expect_eq(r.status, 304);
    static const char *const no[] = {"", "\"x\"", "x", "W/", "\"", "W/\"0000000000000000\"", ","};
    for (size_t i = 0; i < sizeof no / sizeof no[0]; i++) {
        ask_again(&r, "GET", "/levels", no[i]);
        cr_expect_eq(r.status, 200, "%s", no[i]);
    }
    ask_again(&r, "GET", "/price", tag);
    cr_expect_eq(r.status, 200);
    rig_change(&r, 0, SEC_CONTEXT, "vwap", "61681");
    ask_again(&r, "GET", "/levels", tag);
    cr_expect_eq(r.status, 200);
    tag_in(&r, other);
    cr_expect_str_neq(other, tag);
    rig_release(&r);
}

// A kept answer says how old its data was: nobody may go on showing that while Redis is away.
Test(serve, stale_data_is_never_said_to_be_still_right)
{
    struct rig r;
    char tag[64], none[64];
    rig_init(&r);
    rig_fill(&r, "1");
    get(&r, "/levels");
    tag_in(&r, tag);
    store_set_redis_up(r.g.store, false);
    ask_again(&r, "GET", "/levels", tag);
    cr_expect_eq(r.status, 200);
    tag_in(&r, none);
    cr_expect_str_eq(none, "");
    cr_expect(has_line(&r, "Cache-Control: no-store"));
    store_set_redis_up(r.g.store, true);
    r.fake.mono_ms += 2001; // connected, but nothing was confirmed
    ask_again(&r, "GET", "/levels", tag);
    cr_expect_eq(r.status, 200);
    rig_release(&r);
}

Test(serve, answers_with_a_clock_in_them_are_never_kept)
{
    static const char *const LIVE[] = {"/health", "/context", "/symbols", "/trades",
                                       "/strategy/status"};
    struct rig r;
    char tag[64];
    rig_init(&r);
    rig_fill(&r, "1");
    for (size_t i = 0; i < sizeof LIVE / sizeof LIVE[0]; i++) {
        ask_again(&r, "GET", LIVE[i], "*");
        cr_expect_eq(r.status, 200, "%s", LIVE[i]);
        cr_expect(has_line(&r, "Cache-Control: no-store"), "%s", LIVE[i]);
        tag_in(&r, tag);
        cr_expect_str_eq(tag, "", "%s", LIVE[i]);
    }
    rig_release(&r);
}

Test(serve, a_body_is_refused_and_ends_the_connection)
{
    struct rig r;
    rig_init(&r);
    struct http_in in = {.method = "GET", .path = "/price", .has_body = true, .keep_alive = true};
    ask_in(&r, &in);
    cr_expect_eq(r.status, 413);
    cr_expect(has_line(&r, "Connection: close"));
    cr_expect_not_null(strstr(str_at(&r, "error"), "body"));
    rig_release(&r);
}

Test(serve, query_length_is_bounded)
{
    struct rig r;
    char q[QUERY_MAX + 2];
    rig_init(&r);
    memset(q, '_', sizeof q);
    q[QUERY_MAX] = '\0';
    struct http_in in = {.method = "GET", .path = "/price", .query = q};
    ask_in(&r, &in);
    cr_expect_eq(r.status, 400); // a name of that length is none
    q[QUERY_MAX] = '_';
    q[QUERY_MAX + 1] = '\0';
    ask_in(&r, &in);
    cr_expect_eq(r.status, 414);
    rig_release(&r);
}

static void accept(struct rig *r, const char *value)
{
    struct http_in in = {.method = "GET", .path = "/metrics", .accept = value};
    ask_in(r, &in);
}

Test(serve, metrics_speaks_prometheus_when_asked)
{
    struct rig r;
    rig_init(&r);
    rig_fill(&r, "1");
    accept(&r, "text/plain;version=0.0.4");
    cr_expect(has_line(&r, "Content-Type: text/plain; version=0.0.4; charset=utf-8"));
    cr_expect_not_null(strstr(r.body, "\nbc4_price{symbol=\"binance:BTCUSDT\"} 61640.1\n"));
    cr_expect_not_null(strstr(r.body, "# TYPE bc4_price gauge\n"));
    cr_expect_null(strstr(r.body, "bybit:ETHUSDT\"} \n"));
    cr_expect_null(strstr(r.body, "# EOF"));
    cr_expect(has_line(&r, "Vary: Accept, Origin"));
    accept(&r, "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5,*/*");
    cr_expect(has_line(&r, "Content-Type: text/plain; version=0.0.4; charset=utf-8"));
    accept(&r, "application/openmetrics-text; version=1.0.0");
    cr_expect_not_null(strstr(r.body, "\n# EOF\n"));
    accept(&r, "application/json");
    cr_expect_not_null(r.json);
    accept(&r, "*/*");
    cr_expect_not_null(r.json);
    accept(&r, "text/plain"); // a browser's or curl's taste, not a scraper's
    cr_expect_not_null(r.json);
    rig_release(&r);
}

Test(serve, says_how_old_the_data_is_when_redis_is_away)
{
    struct rig r;
    rig_init(&r);
    get(&r, "/price");
    cr_expect(json_is_false(json_object_get(r.json, "redis_up")));
    cr_expect(json_is_null(json_object_get(r.json, "data_age_ms")));
    cr_expect_null(strstr(r.text, "X-Data-Age-Ms"));
    rig_fill(&r, "0");
    store_set_redis_up(r.g.store, false);
    r.fake.mono_ms += 12345;
    get(&r, "/price");
    cr_expect_eq(json_integer_value(json_object_get(r.json, "data_age_ms")), 12345);
    cr_expect(has_line(&r, "X-Data-Age-Ms: 12345"));
    cr_expect_not_null(strstr(r.body, "\"price\":61640.1"));
    rig_release(&r);
}

Test(serve, a_new_snapshot_is_seen_by_the_next_request)
{
    struct rig r;
    rig_init(&r);
    rig_fill(&r, "0");
    for (int k = 0; k < 3; k++) {
        char price[32], want[48];
        struct snap *s = full_snap(&r.ins[0], "0");
        (void)str_fmt(price, sizeof price, "%d.5", 100 + k);
        (void)str_fmt(want, sizeof want, "\"price\":%s,", price);
        snap_set_take(s, SEC_CONTEXT, HASH("price", price));
        store_publish_take(r.g.store, 0, s);
        get(&r, "/price");
        cr_expect_not_null(strstr(r.body, want));
        get(&r, "/price"); // from the cache
        cr_expect_not_null(strstr(r.body, want));
    }
    struct cache_stats c;
    cache_stats(r.g.cache, &c);
    cr_expect_eq(c.renders, 3);
    cr_expect_eq(c.hits, 3);
    rig_release(&r);
}

// A profile of 300 bins: an answer large enough to be shared by the requests of one millisecond.
static struct snap *large_snap(const struct instrument *who, const char *price)
{
    static char name[300][16];
    struct slice kv[600];
    struct snap *s = full_snap(who, "1");
    for (size_t i = 0; i < 300; i++) {
        (void)str_fmt(name[i], sizeof name[i], "61%03zu.0", i);
        kv[2 * i] = slice_of(name[i]);
        kv[2 * i + 1] = slice_of("2.000 1.000 1.000 7");
    }
    snap_set_take(s, SEC_PROFILE, rhash_new(kv, 300));
    snap_set_take(s, SEC_CONTEXT, HASH("day", "2024-08-08", "price", price));
    return s;
}

Test(serve, large_answers_are_shared_for_a_millisecond_and_never_longer)
{
    struct rig r;
    struct cache_stats c, d;
    rig_init(&r);
    rig_fill(&r, "1");
    store_publish_take(r.g.store, 0, large_snap(&r.ins[0], "1.5"));
    get(&r, "/context");
    cr_assert_gt(r.n, 8192);
    char *first = xstrdup(r.text);
    cache_stats(r.g.cache, &c);
    get(&r, "/context");
    cr_expect_str_eq(r.text, first);
    cache_stats(r.g.cache, &d);
    cr_expect_eq(d.hits, c.hits + 1);
    get(&r, "/context?vwap_mode=quote");
    cr_expect_str_eq(str_at(&r, "vwap_mode"), "quote");
    ask_for(&r, "HEAD", "/context");
    cr_expect_str_eq(r.body, "");
    struct http_in in = {.method = "GET", .path = "/context", .origin = "http://localhost:3000"};
    ask_in(&r, &in);
    cr_expect(has_line(&r, "Access-Control-Allow-Origin: http://localhost:3000"));
    cr_expect(has_line(&r, "Connection: close"));
    store_set_redis_up(r.g.store, false);
    get(&r, "/context");
    cr_expect(json_is_false(json_object_get(r.json, "redis_up")));
    store_publish_take(r.g.store, 0, large_snap(&r.ins[0], "2.5"));
    get(&r, "/context");
    cr_expect_not_null(strstr(r.body, "\"price\":2.5,"));
    r.fake.mono_ms++;
    get(&r, "/context");
    cr_expect_str_eq(str_at(&r, "session.nowUtc"), "2024-08-08T09:00:00.001+00:00");
    cr_expect_eq(json_integer_value(json_object_get(r.json, "data_age_ms")), 1);
    free(first);
    rig_release(&r);
}

Test(serve, cache_never_mixes_parameters_and_stays_bounded)
{
    struct rig r;
    rig_init(&r);
    rig_fill(&r, "0");
    cache_free(r.g.cache);
    r.g.cache = cache_new(4, 4096); // few slots: everything collides
    for (int round = 0; round < 3; round++) {
        for (int n = 1; n <= 3; n++) {
            char target[64];
            struct cache_stats c;
            (void)str_fmt(target, sizeof target, "/strategy/candles?count=%d", n);
            get(&r, target);
            cr_expect_eq(json_array_size(json_object_get(r.json, "candles")), (size_t)n);
            get(&r, "/context?profile_rows=0");
            cr_expect_eq(json_array_size(json_object_get(r.json, "volume_profile")), 4);
            cache_stats(r.g.cache, &c);
            cr_expect_leq(c.bytes, 4096);
        }
    }
    rig_release(&r);
}

Test(serve, http_1_0_and_close_are_honoured)
{
    struct rig r;
    rig_init(&r);
    struct http_in in = {.method = "GET", .path = "/health", .keep_alive = false};
    ask_in(&r, &in);
    cr_expect(has_line(&r, "Connection: close"));
    in.keep_alive = true;
    ask_in(&r, &in);
    cr_expect(has_line(&r, "Connection: keep-alive"));
    rig_release(&r);
}

// The documentation is made of the tables that the gateway runs by; here every answer is held
// against them: a member that only one of the two knows fails.

#include <ctype.h>

#include "services/api/core/docs.h"
#include "services/api/core/recent.h"
#include "services/api/core/schema.h"
#include "tests/unit/api/fixture.h"

// ---- lists, so that /trades and its like have entries -------------------------------------------

static size_t push_entry(struct recent *r, const struct instrument *ins, enum list_kind kind)
{
    struct buf text;
    struct trade t = {0};
    int64_t ms = 0;
    int rc;
    buf_init(&text, 4096);
    if (kind == LIST_TRADES && ins->venue == VENUE_BYBIT) {
        const struct slice kv[] = {
            slice_of("price"), slice_of("61640.1"),
            slice_of("qty"),   slice_of("0.010"),
            slice_of("side"),  slice_of("sell"),
            slice_of("id"),    slice_of("90000000-0000-0000-0000-000000000001"),
            slice_of("rx_us"), slice_of("1723107600000000"),
            slice_of("seq"),   slice_of(""),
            slice_of("flags"), slice_of("block")};
        rc = recent_trade(ins, slice_of("1723107600000-0"), kv, 7, &text, &t);
    } else if (kind == LIST_TRADES) {
        const struct slice kv[] = {slice_of("price"), slice_of("61640.1"),
                                   slice_of("qty"),   slice_of("0.010"),
                                   slice_of("side"),  slice_of("sell"),
                                   slice_of("id"),    slice_of("21412"),
                                   slice_of("rx_us"), slice_of("1723107600000000")};
        rc = recent_trade(ins, slice_of("1723107600000-21412"), kv, 5, &text, &t);
    } else if (kind == LIST_EVENTS) {
        const struct slice kv[] = {slice_of("type"),  slice_of("session_change"),
                                   slice_of("ts_ms"), slice_of("1723107600000"),
                                   slice_of("data"),  slice_of("{\"from\":\"off\"}")};
        rc = recent_event(slice_of("5-0"), kv, 3, &text, &ms);
    } else {
        const struct slice kv[] = {slice_of("price"),      slice_of("61000"), slice_of("qty"),
                                   slice_of("0.010"),      slice_of("side"),  slice_of("sell"),
                                   slice_of("liquidated"), slice_of("long")};
        rc = recent_liquidation(slice_of("1723107600000-0"), kv, 4, &text, &ms);
    }
    cr_assert_eq(rc, 0, "list %d of venue %d", (int)kind, (int)ins->venue);
    recent_push(r, slice_of("1-1"), T0 + 9 * HOUR, &text, kind == LIST_TRADES ? &t : NULL);
    buf_release(&text);
    return r->n;
}

static size_t newest(void *arg, size_t instrument, enum list_kind kind, size_t limit,
                     int64_t from_ms, struct buf *out)
{
    struct rig *r = arg;
    struct recent list;
    struct instrument units = r->ins[instrument];
    int64_t now;
    struct snap *snap = store_get(r->g.store, instrument, r->fake.mono_ms, &now);
    if (snap->has_units) {
        units = snap->ins;
    }
    const bool any = snap->has_units;
    snap_unref(snap);
    if (!any) {
        return 0; // as the reader of the streams: units come first
    }
    recent_init(&list, 4);
    (void)push_entry(&list, &units, kind);
    const size_t n = recent_newest(&list, limit, from_ms, out);
    recent_release(&list);
    return n;
}

static void sum(void *arg, size_t instrument, int64_t from_ms, struct recent_stats *out)
{
    (void)arg;
    (void)from_ms;
    *out = (struct recent_stats){.first_ms = -1, .last_ms = -1};
    if (instrument == 0) {
        *out = (struct recent_stats){3, T0, T0 + HOUR, 1, 2, 100, 200};
    }
}

// ---- an answer against its schema ---------------------------------------------------------------

#define SEEN_MAX 1024
static const struct member *seen[SEEN_MAX];
static size_t n_seen;

static void see(const struct member *m)
{
    for (size_t i = 0; i < n_seen; i++) {
        if (seen[i] == m) {
            return;
        }
    }
    cr_assert_lt(n_seen, SEEN_MAX);
    seen[n_seen++] = m;
}

static bool is_seen(const struct member *m)
{
    for (size_t i = 0; i < n_seen; i++) {
        if (seen[i] == m) {
            return true;
        }
    }
    return false;
}

static bool is_time(const json_t *j)
{
    static const char form[] = "dddd-dd-ddTdd:dd:dd.ddd+00:00";
    const char *s = json_string_value(j);
    for (size_t i = 0; i < sizeof form; i++) {
        if (s == NULL || (form[i] == 'd' ? !isdigit((unsigned char)s[i]) : s[i] != form[i])) {
            return false;
        }
    }
    return true;
}

static bool is_scalar(const json_t *j, enum member_type type)
{
    switch (type) {
    case M_BOOL:
        return json_is_boolean(j);
    case M_INT:
        return json_is_integer(j);
    case M_NUM:
        return json_is_number(j);
    case M_TEXT:
        return json_is_string(j);
    case M_TIME:
        return is_time(j);
    case M_DAY:
        return json_is_string(j) && json_string_length(j) == 10;
    case M_ID:
        return json_is_string(j) || json_is_integer(j);
    case M_ANY:
        return true;
    default:
        return false;
    }
}

static void check_object(const json_t *j, const struct schema *s, const char *where);

static void check_value(const json_t *j, const struct member *m, const char *where)
{
    if (json_is_null(j)) {
        cr_expect(m->null, "%s is null, which its schema does not allow", where);
        return;
    }
    if (m->type == M_OBJECT) {
        check_object(j, m->of, where);
    } else if (m->type == M_LIST) {
        cr_expect(json_is_array(j), "%s is no list", where);
        for (size_t i = 0; i < json_array_size(j); i++) {
            if (m->of != NULL) {
                check_object(json_array_get(j, i), m->of, where);
            } else {
                cr_expect(is_scalar(json_array_get(j, i), m->item), "%s[%zu]", where, i);
            }
        }
    } else {
        cr_expect(is_scalar(j, m->type), "%s is of another type than its schema says", where);
    }
}

// Checks the members that `s` names; returns how many of them are there.
static size_t check_members(const json_t *j, const struct schema *s, const char *where)
{
    size_t n = 0;
    for (size_t i = 0; i < s->n; i++) {
        const struct member *m = &s->member[i];
        char name[300];
        if (m->type == M_SPREAD) {
            n += check_members(j, m->of, where);
            continue;
        }
        const json_t *v = json_object_get(j, m->name);
        (void)str_fmt(name, sizeof name, "%s.%s", where, m->name);
        if (v == NULL) {
            cr_expect(m->absent, "%s is in the schema %s, but not in the answer", name, s->name);
            continue;
        }
        see(m);
        n++;
        check_value(v, m, name);
    }
    return n;
}

static bool has_member(const struct schema *s, const char *name)
{
    for (size_t i = 0; i < s->n; i++) {
        if (s->member[i].type == M_SPREAD ? has_member(s->member[i].of, name)
                                          : strcmp(s->member[i].name, name) == 0) {
            return true;
        }
    }
    return false;
}

static void check_object(const json_t *j, const struct schema *s, const char *where)
{
    cr_expect(json_is_object(j), "%s is no object", where);
    if (json_is_object(j) && check_members(j, s, where) != json_object_size(j)) {
        const char *name;
        json_t *v;
        json_object_foreach((json_t *)(uintptr_t)j, name, v)
        {
            cr_expect(has_member(s, name), "%s.%s is in the answer, but not in the schema %s",
                      where, name, s->name);
        }
    }
}

static void check_all(struct rig *r, const char *what)
{
    static const char *const QUERY[] = {"", "?symbol=bybit:ETHUSDT", "?symbol=BTCUSDT"};
    for (size_t i = 0; i < routes_n; i++) {
        for (size_t q = 0; q < sizeof QUERY / sizeof QUERY[0]; q++) {
            char target[128], where[256];
            if (route_is_page(&routes[i]) || (*QUERY[q] && !routes[i].param[0].name)) {
                continue;
            }
            (void)str_fmt(target, sizeof target, "%s%s", routes[i].path, QUERY[q]);
            ask_for(r, routes[i].method, target);
            cr_assert_not_null(r->json, "%s", target);
            cr_assert_not_null(routes[i].answer, "%s has no schema", routes[i].path);
            (void)str_fmt(where, sizeof where, "%s, %s: ", what, target);
            const bool not_ready = r->status == 503 && routes[i].command == NULL;
            if (r->status == 200 || not_ready) {
                check_object(r->json, routes[i].answer, where);
            } else {
                check_object(r->json, &schema_error, where);
            }
        }
    }
}

static void rig_with_lists(struct rig *r, struct lists *lists)
{
    rig_init(r);
    *lists = (struct lists){newest, sum, r};
    r->g.lists = lists;
}

static void check_all_seen(const struct schema *s)
{
    for (size_t i = 0; i < s->n; i++) {
        const struct member *m = &s->member[i];
        if (m->type != M_SPREAD) {
            cr_expect(is_seen(m), "%s.%s is in the schema, but no answer has it", s->name, m->name);
        }
        // What only ever is null here has no members to be seen.
        if (m->of != NULL && !(m->type == M_OBJECT && m->null && !is_seen(&m->of->member[0]))) {
            check_all_seen(m->of);
        }
    }
}

Test(schemas, name_exactly_the_members_of_every_answer)
{
    struct rig r;
    struct lists lists;
    rig_with_lists(&r, &lists);
    check_all(&r, "empty");
    rig_fill(&r, "1");
    check_all(&r, "full");
    for (enum section sec = SEC_INSTRUMENT; sec < SEC_COUNT_; sec++) {
        char what[32];
        struct snap *s = full_snap(&r.ins[0], "1");
        snap_set_take(s, sec, NULL);
        store_publish_take(r.g.store, 0, s);
        (void)str_fmt(what, sizeof what, "without section %d", (int)sec);
        check_all(&r, what);
    }
    rig_fill(&r, "0");
    rig_change(&r, 0, SEC_BACKFILL, "error", "the venue said no");
    rig_change(&r, 0, SEC_BACKFILL, "sources", "{\"rest\":5}");
    rig_change(&r, 0, SEC_COVERAGE, "2024-08-08",
               "{\"day\":\"2024-08-08\",\"missing_ms\":30,\"spans\":[{\"from_ms\":0,\"to_ms\":50,"
               "\"state\":\"missing\",\"from_id\":5,\"to_id\":9},{\"from_ms\":50,\"to_ms\":80,"
               "\"state\":\"complete\"}]}");
    rig_change(&r, 0, SEC_BOOK, "bids", "[[\"1.5\",\"2\"]]");
    store_publish_take(r.g.store, 1, full_snap(&r.ins[1], "0"));
    rig_change(&r, 1, SEC_INSTRUMENT, "venue", "bybit");
    rig_change(&r, 1, SEC_INSTRUMENT, "symbol", "ETHUSDT");
    check_all(&r, "more");
    for (size_t i = 0; i < routes_n; i++) {
        if (routes[i].answer != NULL) {
            check_all_seen(routes[i].answer);
        }
    }
    rig_release(&r);
}

// Every entry of a state channel is an answer of its path, so its schema is that one's.
Test(schemas, have_names_of_their_own)
{
    for (size_t i = 0; i < routes_n; i++) {
        for (size_t k = 0; k < routes_n; k++) {
            const struct schema *a = routes[i].answer, *b = routes[k].answer;
            cr_expect(!a || !b || a == b || strcmp(a->name, b->name) != 0);
        }
        cr_expect(route_is_page(&routes[i]) == (routes[i].answer == NULL), "%s", routes[i].path);
    }
}

// ---- the documents ------------------------------------------------------------------------------

static void check_refs(const json_t *root, const json_t *j)
{
    const char *name;
    json_t *v;
    if (json_is_array(j)) {
        for (size_t i = 0; i < json_array_size(j); i++) {
            check_refs(root, json_array_get(j, i));
        }
        return;
    }
    json_object_foreach((json_t *)(uintptr_t)j, name, v)
    {
        if (strcmp(name, "$ref") == 0) {
            char path[128] = "";
            cr_assert(str_starts(json_string_value(v), "#/"));
            cr_assert(str_copy(path, sizeof path, json_string_value(v) + 2));
            for (char *p = path; *p; p++) {
                *p = *p == '/' ? '.' : *p;
            }
            cr_expect_not_null(at_path((json_t *)(uintptr_t)root, path), "%s leads nowhere", path);
        }
        check_refs(root, v);
    }
}

Test(docs, openapi_describes_every_route_and_parameter)
{
    struct rig r;
    rig_init(&r);
    get(&r, "/openapi.json");
    cr_assert_eq(r.status, 200);
    cr_assert_not_null(r.json, "%s", r.body);
    cr_expect(has_line(&r, "Content-Type: application/json"));
    cr_expect_str_eq(str_at(&r, "openapi"), "3.1.0");
    check_refs(r.json, r.json);
    const json_t *paths = json_object_get(r.json, "paths");
    for (size_t i = 0; i < routes_n; i++) {
        const char *method = strcmp(routes[i].method, "POST") == 0 ? "post" : "get";
        const json_t *op = json_object_get(json_object_get(paths, routes[i].path), method);
        cr_assert_not_null(op, "%s", routes[i].path);
        const json_t *params = json_object_get(op, "parameters");
        size_t n = 0;
        for (const struct param *p = routes[i].param; p->name; p++, n++) {
            const json_t *q = json_array_get(params, n), *s = json_object_get(q, "schema");
            cr_expect_str_eq(json_string_value(json_object_get(q, "name")), p->name);
            if (p->type == PARAM_INT) {
                cr_expect_eq(json_integer_value(json_object_get(s, "minimum")), p->min);
                cr_expect_eq(json_integer_value(json_object_get(s, "maximum")), p->max);
            }
        }
        cr_expect_eq(json_array_size(params), n);
    }
    const json_t *ws = json_object_get(r.json, "x-websocket");
    cr_expect_eq(json_array_size(json_object_get(ws, "channels")), channels_n);
    rig_release(&r);
}

Test(docs, operations_have_names_of_their_own)
{
    struct rig r;
    const char *path, *method;
    json_t *item, *op;
    rig_init(&r);
    get(&r, "/openapi.json");
    json_t *ids = json_object();
    json_object_foreach(json_object_get(r.json, "paths"), path, item)
    {
        json_object_foreach(item, method, op)
        {
            const char *id = json_string_value(json_object_get(op, "operationId"));
            cr_expect_null(json_object_get(ids, id), "%s twice", id);
            json_object_set_new(ids, id, json_true());
        }
    }
    json_decref(ids);
    rig_release(&r);
}

Test(docs, page_names_everything_and_loads_nothing)
{
    static const char *const NEVER[] = {"<script",  "<img", "<link",  "http://",
                                        "https://", "url(", "@import"};
    struct rig r;
    char want[128];
    rig_init(&r);
    get(&r, "/docs");
    cr_assert_eq(r.status, 200);
    cr_expect(has_line(&r, "Content-Type: text/html; charset=utf-8"));
    cr_expect_not_null(strstr(r.text, "Content-Security-Policy: default-src 'none';"));
    for (size_t i = 0; i < sizeof NEVER / sizeof NEVER[0]; i++) {
        cr_expect_null(strstr(r.body, NEVER[i]), "%s", NEVER[i]);
    }
    for (size_t i = 0; i < routes_n; i++) {
        // What a click must not do is no link.
        (void)str_fmt(want, sizeof want, routes[i].command != NULL ? "POST %s</code>" : ">%s</a>",
                      routes[i].path);
        cr_expect_not_null(strstr(r.body, want), "%s", want);
        for (const struct param *p = routes[i].param; p->name; p++) {
            (void)str_fmt(want, sizeof want, "<td class=\"m\">%s</td>", p->name);
            cr_expect_not_null(strstr(r.body, want), "%s", want);
        }
    }
    for (size_t i = 0; i < channels_n; i++) {
        (void)str_fmt(want, sizeof want, "<td class=\"m\">%s</td>", channels[i].name);
        cr_expect_not_null(strstr(r.body, want), "%s", want);
    }
    for (size_t i = 0; i < ws_words_n; i++) {
        (void)str_fmt(want, sizeof want, "<td class=\"m\">%s</td>", ws_words[i].op);
        cr_expect_not_null(strstr(r.body, want), "%s", want);
        json_t *example = json_loads(ws_words[i].example, 0, NULL);
        cr_expect_str_eq(json_string_value(json_object_get(example, "op")), ws_words[i].op);
        json_decref(example);
    }
    rig_release(&r);
}

Test(docs, pages_are_kept_by_their_tag)
{
    static const char *const PAGE[] = {"/docs", "/openapi.json"};
    struct rig r;
    rig_init(&r);
    for (size_t i = 0; i < 2; i++) {
        char tag[64];
        get(&r, PAGE[i]);
        const char *at = strstr(r.text, "\r\nETag: ");
        cr_assert_not_null(at);
        cr_assert(str_copyn(tag, sizeof tag, at + 8, strcspn(at + 8, "\r")));
        struct http_in in = {
            .method = "GET", .path = PAGE[i], .if_none_match = tag, .keep_alive = true};
        ask_in(&r, &in);
        cr_expect_eq(r.status, 304);
        cr_expect_str_eq(r.body, "");
        in.if_none_match = "\"other\"";
        ask_in(&r, &in);
        cr_expect_eq(r.status, 200);
        get(&r, i == 0 ? "/docs?x=1" : "/openapi.json?x=1");
        cr_expect_eq(r.status, 400);
    }
    rig_release(&r);
}

Test(docs, the_root_leads_to_them)
{
    struct rig r;
    rig_init(&r);
    get(&r, "/");
    cr_expect_eq(r.status, 307);
    cr_expect(has_line(&r, "Location: /docs"));
    rig_release(&r);
}

// The table of channels in the README is the one of the program.
Test(docs, readme_lists_the_channels_with_their_rates)
{
    struct buf text;
    char row[256];
    size_t room;
    FILE *f = fopen("services/api/README.md", "r");
    cr_assert_not_null(f);
    buf_init(&text, (size_t)1 << 20);
    do {
        char *to = buf_reserve(&text, 65536);
        cr_assert_not_null(to);
        room = fread(to, 1, 65536, f);
        buf_commit(&text, room);
    } while (room > 0);
    (void)fclose(f);
    const char *all = buf_cstr(&text);
    for (size_t i = 0; i < channels_n; i++) {
        const struct channel *c = &channels[i];
        (void)str_fmt(row, sizeof row, "\n| `%s` | %s | %s%s%s%s` | %lld ms |\n", c->name,
                      ws_kind_text((int)c->kind),
                      c->path ? "`" : "entries of `:", c->path ? c->path : c->rows,
                      c->query ? "?" : "", c->query ? c->query : "", (long long)c->every_ms);
        cr_expect_not_null(strstr(all, row), "%s", row);
    }
    buf_release(&text);
}

// links: api
// What clients and publishers send the gateway. First byte: n a change notice, j JSON that is
// passed through; else a letter of the route, a query string behind it.

#include <jansson.h>

#include "common/base/json.h"
#include "services/api/core/jscan.h"
#include "services/api/core/route.h"
#include "services/api/io/patch.h"
#include "tests/fuzz/fuzz_instrument.h"

static void query(size_t k, const char *s)
{
    struct instrument ins[2];
    struct query q;
    struct err e = {0};
    ins[0] = fuzz_instrument(VENUE_BINANCE);
    ins[1] = fuzz_instrument(VENUE_BYBIT);
    const struct route *r = &routes[k % routes_n];
    const int rc = route_query(r, s, ins, 2, &q, &e);
    CHECK(rc != ERR_STATE);
    if (rc != 0) {
        struct buf b;
        CHECK(e.text[0] != '\0');
        buf_init(&b, 65536);
        answer_error(e.text, &b); // whatever the client wrote, the answer is JSON
        json_t *j = json_loadb(buf_ptr(&b), buf_len(&b), 0, NULL);
        CHECK(j != NULL);
        json_decref(j);
        buf_release(&b);
        return;
    }
    CHECK(q.instrument < 2);
    for (size_t i = 0; i < ROUTE_PARAMS && r->param[i].name; i++) {
        if (r->param[i].type == PARAM_INT) {
            CHECK(q.num[i] >= r->param[i].min && q.num[i] <= r->param[i].max);
        }
        for (int64_t m = 0; r->param[i].type == PARAM_LIST && m < q.num[i]; m++) {
            CHECK(q.num[i] <= PARAM_LIST_MAX);
            CHECK(q.list[m] >= r->param[i].min && q.list[m] <= r->param[i].max);
        }
    }
}

static void notice(struct slice s)
{
    static struct patch p;
    patch_clear(&p);
    (void)patch_add(&p, s);
    CHECK(p.n <= PATCH_MAX);
    for (size_t i = 0; i < p.n; i++) {
        CHECK(strlen(p.name[i]) < PATCH_NAME);
    }
    (void)notice_ver(s);
    (void)notice_is_of(s, "2024-08-08");
}

// Walked JSON goes into answers as it is: jansson has to take what the walker takes.
static void walk(const char *s, size_t n)
{
    // Half of a surrogate pair is grammar, but nothing jansson can turn into UTF-8.
    if (memmem(s, n, "\\u", 2) == NULL && jscan_is_json(s, n)) {
        json_error_t e;
        json_t *j =
            json_loadb(s, n, JSON_DECODE_ANY | JSON_ALLOW_NUL | JSON_DECODE_INT_AS_REAL, &e);
        CHECK(j != NULL || json_error_code(&e) == json_error_numeric_overflow);
        json_decref(j);
    }
    struct jmember m;
    struct slice v;
    size_t pos = 0;
    while (jscan_member(s, n, &pos, &m) == 1) {
        CHECK(m.key.p >= s && m.value.p + m.value.n <= s + n);
    }
    pos = 0;
    while (jscan_element(s, n, &pos, &v) == 1) {
        CHECK(v.p >= s && v.p + v.n <= s + n);
    }
    if (json_number_text(s, n)) {
        json_t *j = json_loadb(s, n, JSON_DECODE_ANY | JSON_DECODE_INT_AS_REAL, NULL);
        CHECK(j == NULL || json_is_number(j));
        json_decref(j);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0) {
        return 0;
    }
    char *s = fuzz_copy(data + 1, size - 1);
    if (data[0] == 'n') {
        notice((struct slice){s, size - 1});
    } else if (data[0] == 'j') {
        walk(s, size - 1);
    } else {
        query(data[0], s);
    }
    free(s);
    return 0;
}

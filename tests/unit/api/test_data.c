// The pieces under the answers: hashes, JSON walking, profile rows.

#include "services/api/core/jscan.h"
#include "services/api/core/rows.h"
#include "tests/unit/api/fixture.h"

// ---- rhash --------------------------------------------------------------------------------------

Test(rhash, finds_every_field_whatever_the_order)
{
    struct rhash *h = HASH("b", "2", "a", "1", "c", "", "aa", "11", "", "empty name");
    cr_expect_eq(rhash_count(h), 5);
    cr_expect_str_eq(rhash_get(h, "a"), "1");
    cr_expect_str_eq(rhash_get(h, "aa"), "11");
    cr_expect_str_eq(rhash_get(h, "b"), "2");
    cr_expect_str_eq(rhash_get(h, "c"), "");
    cr_expect_not_null(rhash_find(h, "c"));
    cr_expect_null(rhash_find(h, "d"));
    cr_expect_str_eq(rhash_get(h, "d"), "");
    cr_expect_str_eq(rhash_get(h, ""), "empty name");
    cr_expect_str_eq(rhash_at(h, 1)->name, "a");
    rhash_unref(h);
    cr_expect_eq(rhash_count(NULL), 0);
    cr_expect_null(rhash_find(NULL, "a"));
}

Test(rhash, of_two_fields_of_one_name_the_last_stays)
{
    struct rhash *h = HASH("a", "1", "b", "2", "a", "3");
    cr_expect_eq(rhash_count(h), 2);
    cr_expect_str_eq(rhash_get(h, "a"), "3");
    rhash_unref(h);
}

Test(rhash, patch_changes_adds_and_removes)
{
    struct rhash *h = HASH("a", "1", "b", "2", "d", "4");
    struct slice kv[] = {slice_of("d"), {NULL, 0},     slice_of("b"), slice_of("22"),
                         slice_of("c"), slice_of("3"), slice_of("x"), {NULL, 0}};
    struct rhash *p = rhash_patch(h, kv, 4), *want = HASH("a", "1", "b", "22", "c", "3");
    cr_expect(rhash_equal(p, want));
    cr_expect_not(rhash_equal(p, h));
    cr_expect_str_eq(rhash_get(h, "d"), "4");
    rhash_unref(h);
    rhash_unref(p);
    p = rhash_patch(NULL, kv, 4);
    cr_expect_eq(rhash_count(p), 2);
    rhash_unref(p);
    rhash_unref(want);
}

Test(rhash, numbers_are_whole_or_the_default)
{
    struct rhash *h = HASH("a", "12", "b", "12x", "c", "", "d", "-5");
    cr_expect_eq(rhash_i64(h, "a", 7), 12);
    cr_expect_eq(rhash_i64(h, "b", 7), 7);
    cr_expect_eq(rhash_i64(h, "c", 7), 7);
    cr_expect_eq(rhash_i64(h, "d", 7), -5);
    cr_expect_eq(rhash_i64(h, "e", 7), 7);
    rhash_unref(h);
}

// ---- jscan --------------------------------------------------------------------------------------

Test(jscan, agrees_with_a_real_parser_on_what_is_json)
{
    static const char *const TEXT[] = {
        "{}",
        "[]",
        " [1 , 2.50e-3,-0, \"a\\u00e9\\n\"] ",
        "{\"a\":{\"b\":[true,false,null]},\"c\":\"}\"}",
        "\"x\"",
        "1",
        "",
        "{",
        "[1,]",
        "[,1]",
        "{\"a\"}",
        "{\"a\":}",
        "{a:1}",
        "[1 2]",
        "[01]",
        "[+1]",
        "[.5]",
        "[1.]",
        "[NaN]",
        "[tru]",
        "{\"a\":1}x",
        "[\"\\x\"]",
        "[\"\\u12g4\"]",
        "[\"a\nb\"]",
        "[\"a]",
        "{\"a\":1,}",
        "\"\xc3\xa9\xf0\x9f\x98\x80\"", // UTF-8, and what is none
        "\"\xff\"",
        "\"\xc3\"",
        "\"\xed\xa0\x80\"",
        "\"\xc0\xaf\"",
    };
    for (size_t i = 0; i < sizeof TEXT / sizeof TEXT[0]; i++) {
        json_t *j = json_loads(TEXT[i], JSON_DECODE_ANY, NULL);
        cr_expect_eq(jscan_is_json(TEXT[i], strlen(TEXT[i])), j != NULL, "%s", TEXT[i]);
        json_decref(j);
    }
}

Test(jscan, every_prefix_and_every_changed_byte_is_safe)
{
    const char text[] = "{\"a\":[1.50,{\"b\":\"q\\\"\\u0041\"}],\"c\":null,\"d\":-1e5}";
    size_t n = sizeof text - 1;
    char *copy = xmalloc(n);
    for (size_t i = 0; i < n; i++) {
        memcpy(copy, text, n);
        cr_expect_not(jscan_is_json(copy, i)); // no proper prefix is complete
        for (int c = 0; c < 256; c++) {
            copy[i] = (char)c;
            size_t pos = 0;
            struct jmember m;
            while (jscan_member(copy, n, &pos, &m) == 1) {
                cr_assert(m.value.p >= copy && m.value.p + m.value.n <= copy + n);
            }
            // (jansson skips NUL bytes.) Other parsers also look at UTF-8 and at duplicate names;
            // what they take, we take.
            json_t *j = json_loadb(copy, n, 0, NULL);
            cr_expect(!j || c == 0 || jscan_is_json(copy, n), "byte %zu = %d", i, c);
            json_decref(j);
        }
    }
    free(copy);
}

Test(jscan, depth_is_bounded)
{
    char text[200];
    memset(text, '[', 100);
    memset(text + 100, ']', 100);
    cr_expect_not(jscan_is_json(text, 200));
    cr_expect(jscan_is_json(text + 80, 40));
}

Test(jscan, members_come_raw_and_in_order)
{
    const char *s = "{ \"a\" : 1.50 , \"b\":[1,{\"a\":2}], \"c\":\"x\" }";
    size_t pos = 0, n = strlen(s);
    struct jmember m;
    cr_assert_eq(jscan_member(s, n, &pos, &m), 1);
    cr_expect(slice_eq(m.key, "a") && slice_eq(m.value, "1.50"));
    cr_assert_eq(jscan_member(s, n, &pos, &m), 1);
    cr_expect(slice_eq(m.key, "b") && slice_eq(m.value, "[1,{\"a\":2}]"));
    cr_assert_eq(jscan_member(s, n, &pos, &m), 1);
    cr_expect(slice_eq(m.key, "c") && slice_eq(m.value, "\"x\""));
    cr_expect_eq(jscan_member(s, n, &pos, &m), 0);
    cr_expect(slice_eq(jscan_get(s, n, "b"), "[1,{\"a\":2}]"));
    cr_expect_null(jscan_get(s, n, "z").p);
    struct slice e;
    pos = 0;
    cr_expect_eq(jscan_element("[1, 2]", 6, &pos, &e), 1);
    cr_expect(slice_eq(e, "1"));
    cr_expect_eq(jscan_element("[1, 2]", 6, &pos, &e), 1);
    cr_expect(slice_eq(e, "2"));
    cr_expect_eq(jscan_element("[1, 2]", 6, &pos, &e), 0);
}

// ---- rows ---------------------------------------------------------------------------------------

static size_t distinct(const struct row *r, size_t n, int64_t m)
{
    size_t k = 0;
    for (size_t i = 0; i < n; i++) {
        k += i == 0 || r[i].bin / m != r[i - 1].bin / m;
    }
    return k;
}

Test(rows, the_multiple_is_the_smallest_that_fits)
{
    struct row r[400];
    uint64_t rng = 12345;
    for (int round = 0; round < 200; round++) {
        size_t n = 1 + (size_t)round * 2;
        int64_t bin = 600000;
        for (size_t i = 0; i < n; i++) {
            rng = rng * UINT64_C(6364136223846793005) + 1;
            bin += 1 + (int64_t)((rng >> 40) % 5);
            r[i] = (struct row){bin, 1, 2, 3};
        }
        for (size_t max = 1 + n / 20; max <= n + 1; max += 1 + n / 7) {
            int64_t m = rows_multiple(r, n, max), want = 1;
            while (distinct(r, n, want) > max) {
                want++;
            }
            if (m != want) { // beyond the exact tries: fits, and one less does not
                cr_expect_leq(distinct(r, n, m), max);
                cr_expect(m == 1 || distinct(r, n, m - 1) > max);
                cr_expect_geq(m, 512);
            }
        }
    }
}

Test(rows, a_far_off_print_does_not_hang_the_search)
{
    struct row r[3001];
    for (int i = 0; i < 3000; i++) {
        r[i] = (struct row){600000 + i, 1, 0, 1};
    }
    r[3000] = (struct row){INT64_C(600000000000), 1, 0, 1};
    for (size_t max = 1; max < 4; max++) {
        int64_t m = rows_multiple(r, 3001, max);
        cr_expect_leq(distinct(r, 3001, m), max);
    }
}

Test(rows, joining_keeps_every_lot)
{
    struct row r[] = {{10, 1, 2, 3}, {11, 10, 20, 30}, {14, 5, 5, 5}, {15, 1, 1, 1}, {16, 9, 9, 9}};
    size_t n = rows_join(r, 5, 3);
    cr_expect_eq(n, 3);
    cr_expect_eq(r[0].bin, 3);
    cr_expect_eq(r[0].buy, 11);
    cr_expect_eq(r[0].sell, 22);
    cr_expect_eq(r[0].trades, 33);
    cr_expect_eq(r[1].bin, 4);
    cr_expect_eq(r[1].buy, 5);
    cr_expect_eq(r[2].bin, 5);
    cr_expect_eq(r[2].buy, 10);
}

Test(rows, need_units)
{
    struct rig rig;
    struct row *r = NULL;
    rig_init(&rig);
    struct snap *s = full_snap(&rig.ins[0], "0");
    cr_expect_eq(rows_read(s, &r), 4);
    free(r);
    snap_set_take(s, SEC_INSTRUMENT, HASH("schema", "999"));
    cr_expect_eq(rows_read(s, &r), 0);
    cr_expect_null(r);
    snap_unref(s);
    rig_release(&rig);
}

#include "common/base/json.h"

#include <criterion/criterion.h>
#include <signal.h>
#include <string.h>

static void expect_text(struct buf *b, const char *want)
{
    cr_expect_str_eq(buf_cstr(b), want);
    buf_clear(b);
}

Test(json, strings_are_escaped)
{
    struct buf b;
    buf_init(&b, 4096);
    json_add_str(&b, "a\"\\/\n\r\t\b\x1f\x7f", 10);
    expect_text(&b, "\"a\\\"\\\\/\\n\\r\\t\\u0008\\u001f\\u007f\"");
    json_add_str(&b, "a\0b", 3);
    expect_text(&b, "\"a\\u0000b\"");
    json_add_str(&b, "", 0);
    expect_text(&b, "\"\"");
    json_add_str(&b, "\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80", 9);
    expect_text(&b, "\"\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80\"");
    buf_release(&b);
}

Test(json, every_invalid_byte_becomes_a_replacement_character)
{
    struct buf b;
    buf_init(&b, 4096);
    json_add_str(&b,
                 "\xFF"
                 "a\xC3",
                 3);
    expect_text(&b, "\"\xEF\xBF\xBD"
                    "a\xEF\xBF\xBD\"");
    json_add_str(&b, "\xED\xA0\x80", 3); // a surrogate
    expect_text(&b, "\"\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\"");
    buf_release(&b);
}

Test(json, what_is_written_jansson_reads_back)
{
    struct buf b;
    buf_init(&b, 1 << 20);
    uint64_t seed = 7;
    for (int round = 0; round < 3000; round++) {
        char s[24];
        for (size_t i = 0; i < sizeof s; i++) {
            seed = seed * UINT64_C(6364136223846793005) + 1;
            s[i] = (char)(seed >> 40 & (round % 2 ? 0x7F : 0xFF));
        }
        buf_clear(&b);
        json_add_str(&b, s, sizeof s);
        json_error_t je;
        json_t *v = json_loadb(buf_ptr(&b), buf_len(&b), JSON_DECODE_ANY | JSON_ALLOW_NUL, &je);
        cr_assert_not_null(v, "%s", je.text);
        if (round % 2) {
            cr_assert_eq(json_string_length(v), sizeof s);
            cr_assert_eq(memcmp(json_string_value(v), s, sizeof s), 0);
        }
        json_decref(v);
    }
    buf_release(&b);
}

Test(json, writer_places_the_commas)
{
    struct buf b;
    struct jw w;
    buf_init(&b, 4096);
    jw_init(&w, &b);
    jw_obj(&w);
    jw_kstr(&w, "s", "x");
    jw_kstr(&w, "none", NULL);
    jw_kint(&w, "i", -5);
    jw_kbool(&w, "b", true);
    jw_kraw(&w, "r", "1.50");
    jw_kraw(&w, "r0", "");
    jw_key(&w, "a");
    jw_arr(&w);
    jw_int(&w, 1);
    jw_uint(&w, UINT64_MAX);
    jw_arr(&w);
    jw_end_arr(&w);
    jw_obj(&w);
    jw_end_obj(&w);
    jw_null(&w);
    jw_bool(&w, false);
    jw_str(&w, "z");
    jw_raw(&w, "{}");
    jw_end_arr(&w);
    jw_key(&w, "o");
    jw_obj(&w);
    jw_kint(&w, "k", 1);
    jw_end_obj(&w);
    jw_kint(&w, "last", 2);
    jw_end_obj(&w);
    expect_text(&b,
                "{\"s\":\"x\",\"none\":null,\"i\":-5,\"b\":true,\"r\":1.50,\"r0\":null,\"a\":[1,"
                "18446744073709551615,[],{},null,false,\"z\",{}],\"o\":{\"k\":1},\"last\":2}");
    buf_release(&b);
}

Test(json, writer_holds_32_levels)
{
    struct buf b;
    struct jw w;
    buf_init(&b, 4096);
    jw_init(&w, &b);
    for (int i = 0; i < 32; i++) {
        jw_arr(&w);
    }
    for (int i = 0; i < 32; i++) {
        jw_end_arr(&w);
    }
    cr_expect_eq(buf_len(&b), 64);
    buf_release(&b);
}

Test(json, writer_aborts_at_the_33rd_level, .signal = SIGABRT)
{
    struct buf b;
    struct jw w;
    buf_init(&b, 4096);
    jw_init(&w, &b);
    for (int i = 0; i < 33; i++) {
        jw_arr(&w);
    }
}

Test(json, numbers_by_the_grammar)
{
    static const char *const good[] = {"0", "-0", "1", "-1.5", "10.00", "1e5", "1E+5", "0.1e-7"};
    static const char *const bad[] = {"",    "-",   "+1", "01", "1.",  ".5",  "1e",   "1e+",
                                      "0x1", "NaN", " 1", "1 ", "1,0", "--1", "1e1.", "1.e1"};
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        cr_expect(json_number_text(good[i], strlen(good[i])), "%s", good[i]);
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        cr_expect_not(json_number_text(bad[i], strlen(bad[i])), "%s", bad[i]);
    }
    cr_expect_not(json_number_text("1\0", 2));
}

static int get_i64(const char *text, int64_t *v, struct err *e)
{
    json_t *root = json_parse(text, strlen(text), e);
    cr_assert_not_null(root);
    int rc = json_get_i64(root, "k", v, e);
    json_decref(root);
    return rc;
}

Test(json, integers_also_as_text)
{
    struct err e;
    int64_t v = 0;
    cr_expect_eq(get_i64("{\"k\":-5}", &v, &e), 0);
    cr_expect_eq(v, -5);
    cr_expect_eq(get_i64("{\"k\":\"1700000000000\"}", &v, &e), 0);
    cr_expect_eq(v, INT64_C(1700000000000));
    cr_expect_eq(get_i64("{}", &v, &e), ERR_SYNTAX);
    cr_expect_str_eq(e.text, "\"k\" is missing");
    cr_expect_eq(get_i64("{\"k\":1.5}", &v, &e), ERR_SYNTAX);
    cr_expect_str_eq(e.text, "\"k\" is not a whole number");
    cr_expect_eq(get_i64("{\"k\":\"1x\"}", &v, &e), ERR_SYNTAX);
    cr_expect_eq(get_i64("{\"k\":null}", &v, &e), ERR_SYNTAX);
    cr_expect_eq(get_i64("{\"k\":\"9999999999999999999\"}", &v, &e), ERR_OVERFLOW);
    cr_expect_eq(v, INT64_C(1700000000000), "a refused value is not stored");
}

Test(json, strings_of_an_object)
{
    struct err e;
    const char *s;
    json_t *root = json_parse("{\"a\":\"x\",\"b\":1}", 15, &e);
    cr_assert_not_null(root);
    cr_expect_eq(json_get_str(root, "a", &s, &e), 0);
    cr_expect_str_eq(s, "x");
    cr_expect_eq(json_get_str(root, "b", &s, &e), ERR_SYNTAX);
    cr_expect_str_eq(e.text, "\"b\" is not a string");
    cr_expect_eq(json_get_str(root, "c", &s, NULL), ERR_SYNTAX);
    cr_expect_eq(json_get_str(NULL, "c", &s, &e), ERR_SYNTAX, "no object at all");
    json_decref(root);
}

Test(json, bad_documents_are_refused_with_a_printable_reason)
{
    static const char *const bad[] = {
        "", "{", "{\"a\":1,\"a\":2}", "[1,]", "{\"a\":\"\x01\"}", "nul", "\x1b[31m", "{} x"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct err e = {0};
        cr_expect_null(json_parse(bad[i], strlen(bad[i]), &e), "%s", bad[i]);
        cr_expect_eq(e.code, ERR_SYNTAX);
        for (const char *p = e.text; *p; p++) {
            cr_expect((unsigned char)*p >= 0x20);
        }
    }
    char deep[5000];
    memset(deep, '[', sizeof deep);
    cr_expect_null(json_parse(deep, sizeof deep, NULL), "jansson's depth limit");
}

#include "common/base/decimal.h"

#include <criterion/criterion.h>
#include <inttypes.h>
#include <string.h>

#include "tests/support/tsv.h"

static int num(const char *s)
{
    return (int)strtol(s, NULL, 10);
}

Test(decimal, parse_table)
{
    struct tsv t;
    tsv_open(&t, "tests/fixtures/base/decimal_parse.tsv");
    while (tsv_next(&t, 5)) {
        int64_t v = 77;
        int decimals = 77;
        int rc = dec_parse(t.cell[0], strlen(t.cell[0]), num(t.cell[1]), &v, &decimals);
        cr_expect_str_eq(err_name(rc), t.cell[2], "line %d: \"%s\" at scale %s gave %s", t.line,
                         t.cell[0], t.cell[1], err_name(rc));
        if (rc != 0) {
            cr_expect(v == 77 && decimals == 77, "line %d: a refused value was stored", t.line);
            continue;
        }
        char text[32];
        snprintf(text, sizeof text, "%" PRId64, v);
        cr_expect_str_eq(text, t.cell[3], "line %d", t.line);
        snprintf(text, sizeof text, "%d", decimals);
        cr_expect_str_eq(text, t.cell[4], "line %d", t.line);
    }
}

Test(decimal, parse_reads_no_byte_beyond_its_length)
{
    int64_t v;
    cr_expect_eq(dec_parse("12345", 3, 0, &v, NULL), 0);
    cr_expect_eq(v, 123);
    cr_expect_eq(dec_parse("1.5e3", 3, 1, &v, NULL), 0);
    cr_expect_eq(v, 15);
    cr_expect_eq(dec_parse("1", 0, 0, &v, NULL), ERR_SYNTAX);
}

Test(decimal, parse_refuses_every_byte_that_is_not_of_a_number)
{
    for (int c = 0; c < 256; c++) {
        if (strchr("0123456789.", c) && c != 0) {
            continue;
        }
        char text[4] = {'1', (char)c, '2', '\0'};
        int64_t v;
        int places;
        bool exponent = c == 'e' || c == 'E';
        cr_expect_eq(dec_parse(text, 3, 2, &v, NULL), exponent ? 0 : ERR_SYNTAX, "byte %d", c);
        cr_expect_eq(dec_places(text, 3, &places), exponent ? 0 : ERR_SYNTAX, "byte %d", c);
        text[2] = (char)c; // at the end
        text[1] = '2';
        cr_expect_eq(dec_parse(text, 3, 2, &v, NULL), ERR_SYNTAX, "byte %d at the end", c);
    }
}

Test(decimal, format_table)
{
    struct tsv t;
    tsv_open(&t, "tests/fixtures/base/decimal_format.tsv");
    while (tsv_next(&t, 4)) {
        char text[DEC_TEXT];
        size_t n = dec_format(text, strtoll(t.cell[0], NULL, 10), num(t.cell[1]), num(t.cell[2]));
        cr_expect_str_eq(text, t.cell[3], "line %d", t.line);
        cr_expect_eq(n, strlen(text), "line %d", t.line);
    }
}

Test(decimal, places_are_those_a_value_needs)
{
    static const struct {
        const char *text;
        int rc, places;
    } rows[] = {{"0.10", 0, 1},
                {"0.001", 0, 3},
                {"1", 0, 0},
                {"1000", 0, 0},
                {"1.000", 0, 0},
                {"1.50e1", 0, 0},
                {"1.55e1", 0, 1},
                {"1e-8", 0, 8},
                {"10e-8", 0, 7},
                {"0.0e-50", 0, 0},
                {"1e90", 0, 0},
                {"1e-18", 0, 18},
                {"1e-19", ERR_PRECISION, 0},
                {"", ERR_SYNTAX, 0},
                {"1e100", ERR_OVERFLOW, 0}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        int places = 0;
        cr_expect_eq(dec_places(rows[i].text, strlen(rows[i].text), &places), rows[i].rc, "\"%s\"",
                     rows[i].text);
        cr_expect_eq(places, rows[i].places, "\"%s\"", rows[i].text);
    }
}

Test(decimal, powers)
{
    int64_t want = 1;
    for (int i = 0; i <= 18; i++) {
        cr_expect_eq(pow10_i64(i), want);
        want = i < 18 ? want * 10 : want;
    }
}

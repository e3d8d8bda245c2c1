#include "common/base/err.h"

#include <criterion/criterion.h>
#include <string.h>

Test(err, detail_first_then_context_in_front)
{
    struct err e;
    cr_expect_eq(err_set(&e, ERR_RANGE, "port %d is not in 1..65535", 99999), ERR_RANGE);
    cr_expect_eq(err_prefix(&e, "%s", "REDIS_URL"), ERR_RANGE);
    cr_expect_str_eq(e.text, "REDIS_URL: port 99999 is not in 1..65535");
    cr_expect_eq(e.code, ERR_RANGE);
}

Test(err, long_reasons_are_cut_not_overrun)
{
    char big[1000];
    memset(big, 'x', sizeof big - 1);
    big[sizeof big - 1] = '\0';
    struct err e;
    (void)err_set(&e, ERR_IO, "%s", big);
    cr_expect_eq(strlen(e.text), sizeof e.text - 1);
    (void)err_prefix(&e, "context");
    cr_expect_eq(strlen(e.text), sizeof e.text - 1);
    cr_expect_eq(strncmp(e.text, "context: xxx", 12), 0);
    (void)err_prefix(&e, "%s", big);
    cr_expect_eq(strlen(e.text), sizeof e.text - 1);
}

Test(err, nobody_has_to_take_the_reason)
{
    cr_expect_eq(err_set(NULL, ERR_LIMIT, "x"), ERR_LIMIT);
    cr_expect_eq(err_prefix(NULL, "x"), 0);
}

Test(err, every_code_has_a_name)
{
    for (int code = ERR_STATE; code <= 0; code++) {
        cr_expect_str_neq(err_name(code), "unknown");
    }
    cr_expect_str_eq(err_name(-100), "unknown");
}

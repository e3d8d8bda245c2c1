#include "services/api/core/wsproto.h"

#include <criterion/criterion.h>
#include <string.h>

// One unmasked-by-zero text frame with that payload: what wsin_next() says of it.
static int text_frame(const char *payload, size_t n)
{
    struct wsin w;
    enum ws_op op;
    const char *p;
    size_t room, len;
    wsin_init(&w, 1000);
    char *to = wsin_room(&w, &room);
    cr_assert(to != NULL && room >= 6 + n);
    to[0] = (char)0x81;
    to[1] = (char)(0x80 | n);
    memset(to + 2, 0, 4);
    memcpy(to + 6, payload, n);
    wsin_took(&w, 6 + n);
    const int rc = wsin_next(&w, &op, &p, &len);
    cr_assert(rc != 1 || (op == WS_TEXT && len == n && memcmp(p, payload, n) == 0));
    wsin_release(&w);
    return rc;
}

Test(wsproto, text_has_to_be_utf8)
{
    cr_expect_eq(text_frame("{}", 2), 1);
    cr_expect_eq(text_frame("", 0), 1);
    cr_expect_eq(text_frame("\xc3\xa9", 2), 1);
    cr_expect_eq(text_frame("a\xff", 2), -WS_BAD_TEXT);
    cr_expect_eq(text_frame("\xc3", 1), -WS_BAD_TEXT);
}

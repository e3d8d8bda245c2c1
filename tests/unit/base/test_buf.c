#include "common/base/buf.h"

#include <criterion/criterion.h>
#include <signal.h>

static void check(const struct buf *b)
{
    cr_assert(b->head <= b->tail && b->tail <= b->cap && b->cap <= b->max);
}

Test(buf, appends_in_every_form)
{
    struct buf b;
    buf_init(&b, 1000);
    cr_expect_eq(buf_len(&b), 0);
    cr_expect_str_eq(buf_cstr(&b), "");
    buf_adds(&b, "a");
    buf_addc(&b, 'b');
    buf_add(&b, "cde", 2);
    buf_add(&b, NULL, 0);
    buf_addf(&b, "%03d", 7);
    buf_add_i64(&b, INT64_MIN);
    buf_add_u64(&b, UINT64_MAX);
    check(&b);
    cr_expect_str_eq(buf_cstr(&b), "abcd007-922337203685477580818446744073709551615");
    buf_release(&b);
    cr_expect_eq(b.max, 1000);
}

Test(buf, keeps_what_it_had_when_the_maximum_is_reached)
{
    struct buf b;
    buf_init(&b, 10);
    buf_adds(&b, "12345678");
    buf_adds(&b, "9ab");
    cr_expect(b.failed);
    cr_expect_eq(buf_len(&b), 8);
    buf_addc(&b, 'x'); // would fit, but the hole before it must not go unnoticed
    cr_expect_eq(buf_len(&b), 8);
    cr_expect_null(buf_reserve(&b, 1));
    cr_expect_str_eq(buf_cstr(&b), "");
    buf_clear(&b);
    cr_expect_not(b.failed);
    buf_adds(&b, "123456789a");
    cr_expect_not(b.failed, "exactly the maximum fits");
    cr_expect_eq(buf_len(&b), 10);
    cr_expect_str_eq(buf_cstr(&b), "", "but not with a NUL");
    check(&b);
    buf_release(&b);
}

Test(buf, numbers_and_printf_fill_up_to_the_last_byte)
{
    struct buf b;
    buf_init(&b, 3);
    buf_add_i64(&b, -12);
    cr_expect_not(b.failed);
    buf_clear(&b);
    buf_addf(&b, "%s", "xyz");
    cr_expect_not(b.failed);
    cr_expect(memcmp(buf_ptr(&b), "xyz", 3) == 0);
    buf_clear(&b);
    buf_addf(&b, "%s", "wxyz");
    cr_expect(b.failed);
    buf_clear(&b);
    buf_add_u64(&b, 1000);
    cr_expect(b.failed);
    buf_add_u64(&b, 1);
    cr_expect_eq(buf_len(&b), 0, "a failed buffer stays failed");
    buf_release(&b);
}

Test(buf, printf_longer_than_the_room_is_written_whole)
{
    struct buf b;
    buf_init(&b, 100000);
    for (int i = 0; i < 200; i++) {
        buf_addf(&b, "%0*d,", i, i);
    }
    size_t want = 0;
    for (size_t i = 0; i < 200; i++) {
        size_t digits = i < 10 ? 1 : i < 100 ? 2 : 3;
        want += (i > digits ? i : digits) + 1;
    }
    cr_expect_eq(buf_len(&b), want);
    cr_expect_eq(strlen(buf_cstr(&b)), want);
    buf_release(&b);
}

Test(buf, works_as_a_queue_of_bytes)
{
    struct buf b;
    buf_init(&b, 512);
    unsigned in = 0;
    unsigned out = 0;
    unsigned seed = 1;
    for (int round = 0; round < 20000; round++) {
        seed = seed * 1103515245u + 12345u;
        unsigned n = (seed >> 16) % 97;
        if (seed & 0x8000) {
            char *p = buf_reserve(&b, n);
            if (!p) {
                cr_assert(buf_len(&b) + n > b.max);
                b.failed = false;
                continue;
            }
            for (unsigned i = 0; i < n; i++) {
                p[i] = (char)in++;
            }
            buf_commit(&b, n);
        } else {
            n = n < buf_len(&b) ? n : (unsigned)buf_len(&b);
            for (unsigned i = 0; i < n; i++) {
                cr_assert_eq(buf_ptr(&b)[i], (char)out, "byte %u", out);
                out++;
            }
            buf_consume(&b, n);
        }
        check(&b);
        cr_assert_eq(buf_len(&b), in - out);
    }
    cr_expect(in > 10000);
    buf_release(&b);
}

Test(buf, room_for_nothing_is_room)
{
    struct buf b;
    buf_init(&b, 1);
    cr_expect_not_null(buf_reserve(&b, 0));
    buf_commit(&b, 0);
    buf_addc(&b, 'x');
    cr_expect_not_null(buf_reserve(&b, 0));
    cr_expect_not(b.failed);
    buf_consume(&b, 1);
    cr_expect_not_null(buf_reserve(&b, 1));
    check(&b);
    buf_release(&b);
}

Test(buf, huge_requests_are_refused)
{
    struct buf b;
    buf_init(&b, 100);
    buf_adds(&b, "x");
    cr_expect_null(buf_reserve(&b, SIZE_MAX));
    cr_expect(b.failed);
    buf_release(&b);
}

Test(buf, consuming_more_than_there_is_aborts, .signal = SIGABRT)
{
    struct buf b;
    buf_init(&b, 10);
    buf_consume(&b, 1);
}

Test(buf, committing_more_than_reserved_aborts, .signal = SIGABRT)
{
    struct buf b;
    buf_init(&b, 10);
    buf_commit(&b, 1);
}

#include "common/base/mem.h"

#include <criterion/criterion.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

Test(mem, nothing_is_a_valid_size)
{
    free(xmalloc(0));
    free(xcalloc(0, 8));
    free(xcalloc(8, 0));
    free(xrealloc(NULL, 0));
    char *s = xstrdup("");
    cr_expect_str_eq(s, "");
    free(s);
}

Test(mem, calloc_is_zeroed)
{
    unsigned char *p = xcalloc(100, 3);
    for (size_t i = 0; i < 300; i++) {
        cr_expect_eq(p[i], 0);
    }
    free(p);
}

// AddressSanitizer's own allocator ends the process first, and not by SIGABRT.
#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define __SANITIZE_ADDRESS__ 1
#endif
#endif
#ifndef __SANITIZE_ADDRESS__
// volatile: the compiler must not see the impossible size.
static volatile size_t impossible = SIZE_MAX / 4;

Test(mem, out_of_memory_ends_the_process, .signal = SIGABRT)
{
    free(xmalloc(impossible));
}

Test(mem, an_overflowing_array_ends_the_process, .signal = SIGABRT)
{
    free(xcalloc(impossible, 8));
}
#endif

Test(mem, a_broken_invariant_aborts, .signal = SIGABRT)
{
    FATAL("%d is not 2", 1);
}

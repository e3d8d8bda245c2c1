#include "common/io/promhist.h"

#include <criterion/criterion.h>
#include <string.h>

static const char *text_of(const struct promhist *h, const char *labels, struct buf *b)
{
    buf_init(b, 1 << 16);
    promhist_text(h, b, "x_seconds", labels);
    return buf_cstr(b);
}

Test(promhist, buckets_are_cumulative_and_a_bound_belongs_to_its_bucket)
{
    struct promhist h = {0};
    promhist_add(&h, 100);
    promhist_add(&h, 101);
    promhist_add(&h, 60000000);
    promhist_add(&h, 60000001);
    promhist_add(&h, -5);
    cr_assert_eq(promhist_count(&h), 5);
    struct buf b;
    const char *t = text_of(&h, "instrument=\"i\"", &b);
    cr_assert(strstr(t, "x_seconds_bucket{instrument=\"i\",le=\"0.000100\"} 2\n"), "%s", t);
    cr_assert(strstr(t, "x_seconds_bucket{instrument=\"i\",le=\"0.000250\"} 3\n"), "%s", t);
    cr_assert(strstr(t, "x_seconds_bucket{instrument=\"i\",le=\"60.000000\"} 4\n"), "%s", t);
    cr_assert(strstr(t, "x_seconds_bucket{instrument=\"i\",le=\"+Inf\"} 5\n"), "%s", t);
    cr_assert(strstr(t, "x_seconds_sum{instrument=\"i\"} 120.000202\n"), "%s", t);
    cr_assert(strstr(t, "x_seconds_count{instrument=\"i\"} 5\n"), "%s", t);
    buf_release(&b);
}

Test(promhist, without_labels_and_without_samples)
{
    struct promhist h = {0};
    struct buf b;
    const char *t = text_of(&h, "", &b);
    cr_assert(strstr(t, "x_seconds_bucket{le=\"+Inf\"} 0\n"), "%s", t);
    cr_assert(strstr(t, "x_seconds_sum 0.000000\nx_seconds_count 0\n"), "%s", t);
    buf_release(&b);
}

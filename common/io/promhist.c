#include "common/io/promhist.h"

#include "common/base/str.h"
#include "common/io/service.h"

static const int64_t bound_us[PROMHIST_BOUNDS] = {
    100,    250,    500,    1000,    2500,    5000,    10000,    25000,    50000,
    100000, 250000, 500000, 1000000, 2500000, 5000000, 10000000, 30000000, 60000000};

void promhist_add(struct promhist *h, int64_t us)
{
    us = us > 0 ? us : 0;
    size_t i = 0;
    while (i < PROMHIST_BOUNDS && us > bound_us[i]) {
        i++;
    }
    atomic_fetch_add_explicit(&h->bucket[i], 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&h->sum_us, us, memory_order_relaxed);
}

uint64_t promhist_count(const struct promhist *h)
{
    uint64_t n = 0;
    for (size_t i = 0; i <= PROMHIST_BOUNDS; i++) {
        n += atomic_load_explicit(&h->bucket[i], memory_order_relaxed);
    }
    return n;
}

static void in_seconds(char out[32], int64_t us)
{
    str_fmt(out, 32, "%lld.%06lld", (long long)(us / 1000000), (long long)(us % 1000000));
}

void promhist_text(const struct promhist *h, struct buf *out, const char *name, const char *labels)
{
    char full[96];
    char with[256];
    char text[32];
    const char *comma = labels[0] != '\0' ? "," : "";
    uint64_t n = 0;
    str_fmt(full, sizeof full, "%s_bucket", name);
    for (size_t i = 0; i < PROMHIST_BOUNDS; i++) {
        n += atomic_load_explicit(&h->bucket[i], memory_order_relaxed);
        in_seconds(text, bound_us[i]);
        str_fmt(with, sizeof with, "%s%sle=\"%s\"", labels, comma, text);
        prom_int(out, full, with, (int64_t)n);
    }
    n += atomic_load_explicit(&h->bucket[PROMHIST_BOUNDS], memory_order_relaxed);
    str_fmt(with, sizeof with, "%s%sle=\"+Inf\"", labels, comma);
    prom_int(out, full, with, (int64_t)n);
    in_seconds(text, atomic_load_explicit(&h->sum_us, memory_order_relaxed));
    str_fmt(full, sizeof full, "%s_sum", name);
    prom_value(out, full, labels, text);
    str_fmt(full, sizeof full, "%s_count", name);
    prom_int(out, full, labels, (int64_t)n);
}

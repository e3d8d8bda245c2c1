#include "services/api/io/stats.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "common/base/mem.h"
#include "common/base/str.h"
#include "common/io/service.h"
#include "services/api/core/route.h"

#define MAX_ROUTES 64
static const int STATUS[] = {200, 204, 400, 404, 405, 413, 414, 431, 500, 503, 0};
#define N_STATUS (sizeof STATUS / sizeof STATUS[0]) // the last one takes all others

static const int64_t BOUND_US[] = {50, 100, 250, 500, 1000, 2500, 5000, 10000, 50000, 250000};
#define N_BOUNDS (sizeof BOUND_US / sizeof BOUND_US[0])

struct stats {
    atomic_uint_least64_t requests[MAX_ROUTES + 1][N_STATUS];
    atomic_uint_least64_t bucket[N_BOUNDS + 1];
    atomic_uint_least64_t sum_ns;
    atomic_uint_least64_t counter[STAT_COUNT_];
};

struct stats *stats_new(void)
{
    return xcalloc(1, sizeof(struct stats));
}

void stats_free(struct stats *s)
{
    free(s);
}

void stats_request(struct stats *s, size_t route, int status, int64_t took_ns)
{
    size_t k = 0, b = 0;
    while (k + 1 < N_STATUS && STATUS[k] != status) {
        k++;
    }
    while (b < N_BOUNDS && took_ns > BOUND_US[b] * 1000) {
        b++;
    }
    route = route < routes_n && route < MAX_ROUTES ? route : MAX_ROUTES;
    atomic_fetch_add_explicit(&s->requests[route][k], 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&s->bucket[b], 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&s->sum_ns, (uint64_t)took_ns, memory_order_relaxed);
}

uint64_t stats_requests(const struct stats *s)
{
    uint64_t n = 0;
    for (size_t b = 0; b <= N_BOUNDS; b++) {
        n += atomic_load_explicit(&s->bucket[b], memory_order_relaxed);
    }
    return n;
}

void stats_add(struct stats *s, enum stats_counter c, uint64_t n)
{
    atomic_fetch_add_explicit(&s->counter[c], n, memory_order_relaxed);
}

uint64_t stats_get(const struct stats *s, enum stats_counter c)
{
    return atomic_load_explicit(&s->counter[c], memory_order_relaxed);
}

static void seconds(char *out, size_t size, uint64_t ns)
{
    (void)str_fmt(out, size, "%llu.%09llu", (unsigned long long)(ns / 1000000000),
                  (unsigned long long)(ns % 1000000000));
}

static void histogram(const struct stats *s, struct buf *out)
{
    const char *name = "bc4_api_request_seconds";
    uint64_t n = 0;
    char text[48], labels[48];
    prom_head(out, name, "histogram", "Time from a request's last header to its last byte written");
    for (size_t b = 0; b < N_BOUNDS; b++) {
        n += atomic_load_explicit(&s->bucket[b], memory_order_relaxed);
        (void)str_fmt(labels, sizeof labels, "le=\"0.%06lld\"", (long long)BOUND_US[b]);
        prom_int(out, "bc4_api_request_seconds_bucket", labels, (int64_t)n);
    }
    n += atomic_load_explicit(&s->bucket[N_BOUNDS], memory_order_relaxed);
    prom_int(out, "bc4_api_request_seconds_bucket", "le=\"+Inf\"", (int64_t)n);
    seconds(text, sizeof text, atomic_load_explicit(&s->sum_ns, memory_order_relaxed));
    prom_value(out, "bc4_api_request_seconds_sum", "", text);
    prom_int(out, "bc4_api_request_seconds_count", "", (int64_t)n);
}

static void by_route(const struct stats *s, struct buf *out)
{
    prom_head(out, "bc4_api_requests_total", "counter", "Requests by route and status");
    for (size_t r = 0; r <= MAX_ROUTES; r++) {
        for (size_t k = 0; k < N_STATUS; k++) {
            uint64_t n = atomic_load_explicit(&s->requests[r][k], memory_order_relaxed);
            char labels[96], code[8] = "other";
            if (n == 0) {
                continue;
            }
            if (STATUS[k] != 0) {
                (void)str_fmt(code, sizeof code, "%d", STATUS[k]);
            }
            (void)str_fmt(labels, sizeof labels, "route=\"%s\",status=\"%s\"",
                          r < routes_n ? routes[r].path : "none", code);
            prom_int(out, "bc4_api_requests_total", labels, (int64_t)n);
        }
    }
}

void stats_text(const struct stats *s, struct buf *out)
{
    static const struct {
        const char *name, *help;
    } COUNTER[STAT_COUNT_] = {
        [STAT_SWEEPS] = {"bc4_api_sweeps_total", "Version sweeps answered"},
        [STAT_SWEEPS_FAILED] = {"bc4_api_sweeps_failed_total", "Version sweeps that failed"},
        [STAT_READS] = {"bc4_api_sections_read_total", "Hashes read from Redis"},
        [STAT_PATCHES] = {"bc4_api_patches_total", "Reads of changed fields of large hashes"},
        [STAT_PUBLISHED] = {"bc4_api_snapshots_total", "Snapshots published"},
        [STAT_RECONNECTS] = {"bc4_api_redis_connects_total", "Times the reader came up"},
        [STAT_NOTICES] = {"bc4_api_notices_total", "Change notices received"},
        [STAT_CONNECTIONS] = {"bc4_api_connections_total", "Client connections accepted"},
        [STAT_IDLE_CLOSED] = {"bc4_api_idle_closed_total",
                              "Idle connections closed to make room for new ones"},
        [STAT_SLOW_CUT] = {"bc4_api_slow_cut_total",
                           "Connections cut because their answer was not taken in time"},
    };
    by_route(s, out);
    histogram(s, out);
    for (size_t i = 0; i < STAT_COUNT_; i++) {
        prom_head(out, COUNTER[i].name, "counter", COUNTER[i].help);
        prom_int(out, COUNTER[i].name, "", (int64_t)stats_get(s, (enum stats_counter)i));
    }
}

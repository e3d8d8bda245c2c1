// links: api
// tsan: yes
// Clients that come, ask, idle and leave on more connections than there are threads, while
// snapshots change and connections are made to give way: a program for ThreadSanitizer.

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "services/api/io/web.h"

#define THREADS 8
#define CLIENTS 4
#define HELD 6 // connections a client holds: CLIENTS * HELD > THREADS
#define REQUESTS 400

static struct gateway gw;
static struct web *web;
static atomic_int good, closed, bad;
static atomic_bool done;

static int dial(void)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons((uint16_t)web_port(web))};
    const struct timeval limit = {5, 0};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (fd < 0 || connect(fd, (const struct sockaddr *)&a, sizeof a) != 0) {
        atomic_fetch_add(&bad, 1);
    }
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    return fd;
}

// 1 = answered, 0 = the connection had been closed before (allowed: it was idle), -1 = neither.
static int ask(int fd)
{
    static const char REQ[] = "GET /context HTTP/1.1\r\nHost: x\r\n\r\n";
    char text[8192];
    size_t n = 0;
    if (send(fd, REQ, sizeof REQ - 1, MSG_NOSIGNAL) < 0) {
        return 0;
    }
    while (n + 1 < sizeof text) {
        ssize_t got = recv(fd, text + n, sizeof text - 1 - n, 0);
        if (got <= 0) {
            return n == 0 && (got == 0 || errno == ECONNRESET) ? 0 : -1;
        }
        n += (size_t)got;
        text[n] = '\0';
        if (strstr(text, "\"profile_bins\":0}")) {
            return strncmp(text, "HTTP/1.1 200", 12) == 0 ? 1 : -1;
        }
    }
    return -1;
}

static void *client(void *arg)
{
    int fd[HELD];
    (void)arg;
    for (int i = 0; i < HELD; i++) {
        fd[i] = dial();
    }
    for (int i = 0; i < REQUESTS; i++) {
        int *at = &fd[i % HELD];
        int rc = ask(*at);
        if (rc == 0) {
            atomic_fetch_add(&closed, 1);
            close(*at);
            *at = dial();
            rc = ask(*at); // a fresh connection is idle for a moment, too
        }
        atomic_fetch_add(rc > 0 ? &good : rc < 0 ? &bad : &closed, 1);
    }
    for (int i = 0; i < HELD; i++) {
        close(fd[i]);
    }
    return NULL;
}

static void *publisher(void *arg)
{
    const struct timespec nap = {0, 200000};
    (void)arg;
    for (int n = 0; !atomic_load(&done); n++) {
        char price[16];
        int64_t now = 0;
        struct snap *cur = store_get(gw.store, 0, n, &now), *next = snap_copy(cur);
        (void)str_fmt(price, sizeof price, "%d", n);
        struct slice kv[2] = {slice_of("price"), slice_of(price)};
        snap_set_take(next, SEC_CONTEXT, rhash_new(kv, 1));
        snap_unref(cur);
        store_publish_take(gw.store, 0, next);
        int open = 0, idle = 0;
        web_load(web, &open, &idle);
        if (open > THREADS || idle > THREADS) {
            atomic_fetch_add(&bad, 1);
        }
        nanosleep(&nap, NULL);
    }
    return NULL;
}

int main(void)
{
    struct instrument ins;
    struct err e = {0};
    pthread_t thread[CLIENTS], pub;
    if (instrument_parse("binance:BTCUSDT", 15, VENUE_BINANCE, &ins, NULL) != 0) {
        return 1;
    }
    gw = (struct gateway){.clock = clock_system(),
                          .store = store_new(&ins, 1),
                          .cache = cache_new(8, 100000),
                          .stats = stats_new(),
                          .cors_origins = ""};
    web = web_new(&(struct web_opts){.gateway = &gw,
                                     .host = "127.0.0.1",
                                     .threads = THREADS,
                                     .keep_alive_ms = 60000,
                                     .request_timeout_ms = 60000});
    if (web_start(web, &e) != 0) {
        fprintf(stderr, "%s\n", e.text);
        return 1;
    }
    pthread_create(&pub, NULL, publisher, NULL);
    for (size_t i = 0; i < CLIENTS; i++) {
        pthread_create(&thread[i], NULL, client, NULL);
    }
    for (size_t i = 0; i < CLIENTS; i++) {
        pthread_join(thread[i], NULL);
    }
    atomic_store(&done, true);
    pthread_join(pub, NULL);
    web_free(web);
    cache_free(gw.cache);
    store_free(gw.store);
    stats_free(gw.stats);
    printf("%d answered, %d found closed, %d wrong\n", atomic_load(&good), atomic_load(&closed),
           atomic_load(&bad));
    return atomic_load(&bad) == 0 && atomic_load(&good) > CLIENTS * REQUESTS / 2 ? 0 : 1;
}

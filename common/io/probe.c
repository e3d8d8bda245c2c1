#include "common/io/probe.h"

#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "common/base/str.h"

static int connect_to(const char *host, const char *port, int64_t timeout_ms, struct err *e)
{
    struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    struct addrinfo *all = NULL;
    int rc = getaddrinfo(host, port, &hints, &all);
    if (rc != 0) {
        err_set(e, ERR_IO, "%s: %s", host, gai_strerror(rc));
        return -1;
    }
    const struct timeval limit = {.tv_sec = timeout_ms / 1000, .tv_usec = timeout_ms % 1000 * 1000};
    int fd = -1;
    int error = 0;
    for (struct addrinfo *a = all; a != NULL && fd < 0; a = a->ai_next) {
        fd = socket(a->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
        // The send timeout bounds connect() too.
        if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit) != 0 ||
            setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit) != 0 ||
            connect(fd, a->ai_addr, a->ai_addrlen) != 0) {
            error = errno;
            if (fd >= 0) {
                close(fd);
            }
            fd = -1;
        }
    }
    freeaddrinfo(all);
    if (fd < 0) {
        err_set(e, ERR_IO, "%s port %s: %s", host, port, strerror(error));
    }
    return fd;
}

// The first line of the answer, as much as fits.
static int ask(int fd, char *answer, size_t size, struct err *e)
{
    static const char request[] = "GET /health HTTP/1.0\r\nHost: localhost\r\n\r\n";
    if (send(fd, request, sizeof request - 1, MSG_NOSIGNAL) != (ssize_t)sizeof request - 1) {
        return err_set(e, ERR_IO, "cannot send: %s", strerror(errno));
    }
    size_t n = 0;
    while (n + 1 < size && memchr(answer, '\n', n) == NULL) {
        ssize_t got = recv(fd, answer + n, size - 1 - n, 0);
        if (got <= 0) {
            return err_set(e, got < 0 ? ERR_TIMEOUT : ERR_CLOSED, "no answer");
        }
        n += (size_t)got;
    }
    answer[n] = '\0';
    return 0;
}

int probe_health(const char *host, int port, int64_t timeout_ms, struct err *e)
{
    char text[12];
    char answer[64];
    str_fmt(text, sizeof text, "%d", port);
    if (host[0] == '\0' || strcmp(host, "0.0.0.0") == 0) {
        host = "127.0.0.1";
    } else if (strcmp(host, "::") == 0) {
        host = "::1";
    }
    int fd = connect_to(host, text, timeout_ms, e);
    if (fd < 0) {
        return ERR_IO;
    }
    int rc = ask(fd, answer, sizeof answer, e);
    close(fd);
    if (rc != 0) {
        return rc;
    }
    answer[strcspn(answer, "\r\n")] = '\0';
    if (!str_starts(answer, "HTTP/1.") || strncmp(answer + 8, " 200", 4) != 0 ||
        (answer[12] != '\0' && answer[12] != ' ')) {
        return err_set(e, ERR_IO, "/health answers '%s'", answer);
    }
    return 0;
}

static const struct opt *row_of(const struct opt_table *t, const char *prefix, const char *tail)
{
    char name[96];
    str_fmt(name, sizeof name, "%s_%s", prefix, tail);
    for (size_t i = 0; i < t->n; i++) {
        if (strcmp(t->rows[i].name, name) == 0) {
            return &t->rows[i];
        }
    }
    return NULL;
}

static char ascii_upper(char c)
{
    return c >= 'a' && c <= 'z' ? (char)(c - 'a' + 'A') : c;
}

int probe_main(const struct opt_table *t, const void *values)
{
    char prefix[64];
    str_copy(prefix, sizeof prefix, t->program);
    for (char *p = prefix; *p != '\0'; p++) {
        *p = ascii_upper(*p);
    }
    const struct opt *host = row_of(t, prefix, "HTTP_HOST");
    const struct opt *port = row_of(t, prefix, "HTTP_PORT");
    if (port == NULL) {
        host = row_of(t, "SIM", "HOST");
        port = row_of(t, "SIM", "CONTROL_PORT");
    }
    int64_t number = 0;
    if (port != NULL) {
        memcpy(&number, (const char *)values + port->offset, sizeof number);
    }
    struct err e = {0};
    int rc = 0;
    if (number <= 0) {
        rc = err_set(&e, ERR_RANGE, "the port is not a fixed one");
    } else {
        rc = probe_health(host != NULL ? (const char *)values + host->offset : "", (int)number,
                          PROBE_TIMEOUT_MS, &e);
    }
    if (rc != 0) {
        fprintf(stderr, "%s: %s\n", t->program, e.text);
        return 1;
    }
    return 0;
}

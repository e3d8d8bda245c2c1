#include "common/io/probe.h"

#include <criterion/criterion.h>
#include <criterion/redirect.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/str.h"

// A server of one answer in a child process; NULL: it takes the connection and says nothing.
struct peer {
    int port;
    pid_t pid;
};

static struct peer peer_new(const char *answer)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t n = sizeof a;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    cr_assert(fd >= 0 && bind(fd, (struct sockaddr *)&a, n) == 0 && listen(fd, 4) == 0);
    cr_assert_eq(getsockname(fd, (struct sockaddr *)&a, &n), 0);
    struct peer p = {.port = ntohs(a.sin_port), .pid = fork()};
    if (p.pid == 0) {
        int c = accept(fd, NULL, NULL);
        char head[500];
        ssize_t got = recv(c, head, sizeof head, 0);
        static const char want[] = "GET /health HTTP/1.0\r\n";
        if (answer == NULL) {
            pause();
        } else if (got > 0 && strncmp(head, want, sizeof want - 1) == 0) {
            (void)!write(c, answer, strlen(answer));
        }
        _exit(0);
    }
    close(fd);
    return p;
}

static void peer_free(struct peer *p)
{
    kill(p->pid, SIGKILL);
    waitpid(p->pid, NULL, 0);
}

static int asked(const char *answer, const char *host, struct err *e)
{
    struct peer p = peer_new(answer);
    int rc = probe_health(host, p.port, answer ? 10000 : 50, e);
    peer_free(&p);
    return rc;
}

Test(probe, only_status_200_is_alive)
{
    struct err e = {0};
    cr_assert_eq(asked("HTTP/1.1 200 OK\r\n\r\n{}", "127.0.0.1", &e), 0, "%s", e.text);
    cr_assert_eq(asked("HTTP/1.0 200 OK\r\n\r\n", "localhost", &e), 0, "%s", e.text);
    cr_assert_eq(asked("HTTP/1.1 503 Service Unavailable\r\n\r\n", "127.0.0.1", &e), ERR_IO);
    cr_assert_str_eq(e.text, "/health answers 'HTTP/1.1 503 Service Unavailable'");
    cr_assert_eq(asked("HTTP/1.1 2000 no\r\n", "127.0.0.1", &e), ERR_IO);
    cr_assert_eq(asked("+PONG\r\n", "127.0.0.1", &e), ERR_IO);
}

Test(probe, an_address_that_means_all_is_asked_on_loopback)
{
    struct err e = {0};
    cr_assert_eq(asked("HTTP/1.1 200 OK\r\n", "0.0.0.0", &e), 0, "%s", e.text);
    cr_assert_eq(asked("HTTP/1.1 200 OK\r\n", "", &e), 0, "%s", e.text);
}

Test(probe, silence_a_cut_and_nobody_there_are_not_alive)
{
    struct err e = {0};
    cr_assert_eq(asked(NULL, "127.0.0.1", &e), ERR_TIMEOUT);
    cr_assert_eq(asked("HTTP/1.1 200", "127.0.0.1", &e), ERR_CLOSED, "half a line");
    struct peer p = peer_new("");
    peer_free(&p);
    cr_assert_eq(probe_health("127.0.0.1", p.port, 1000, &e), ERR_IO);
}

struct config {
    char host[64];
    int64_t port;
};
static const struct opt rows[] = {
    {.name = "TESTER_HTTP_HOST",
     .type = OPT_STR,
     FIELD(struct config, host),
     .def = "127.0.0.1",
     .text = "Host."},
    {.name = "TESTER_HTTP_PORT",
     .type = OPT_INT,
     FIELD(struct config, port),
     .max = 65535,
     .def = "0",
     .text = "Port."},
};
static const struct opt_table table = {.program = "tester", .summary = "T.", .rows = rows, .n = 2};

Test(probe, the_port_is_that_of_the_option_table)
{
    cr_redirect_stderr();
    struct peer p = peer_new("HTTP/1.1 200 OK\r\n");
    struct config cfg = {.host = "0.0.0.0", .port = p.port};
    cr_assert_eq(probe_main(&table, &cfg), 0);
    peer_free(&p);
    cr_assert_eq(probe_main(&table, &cfg), 1, "it is gone");
    cfg.port = 0;
    cr_assert_eq(probe_main(&table, &cfg), 1, "a port that is picked at the start is not known");
}

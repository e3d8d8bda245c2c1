#include "tests/support/fan_out.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define MESSAGE_MAX 65536

static _Noreturn void run(int core, int listener, int handed, size_t n)
{
    static char message[MESSAGE_MAX];
    int *fd = calloc(n, sizeof *fd);
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET((unsigned)core, &set);
    (void)sched_setaffinity(0, sizeof set, &set); // a machine with one core does without
    for (size_t i = 0; fd != NULL && i < n; i++) {
        fd[i] = accept(listener, NULL, NULL);
    }
    for (ssize_t got; fd != NULL && (got = recv(handed, message, sizeof message, 0)) > 0;) {
        for (size_t i = 0; i < n; i++) {
            (void)send(fd[i], message, (size_t)got, MSG_NOSIGNAL);
        }
    }
    _exit(0);
}

pid_t fan_out_start(int core, int *fd, size_t n, int *handed)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof a;
    int pair[2];
    const int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (listener < 0 || bind(listener, (struct sockaddr *)&a, sizeof a) != 0 ||
        getsockname(listener, (struct sockaddr *)&a, &len) != 0 || listen(listener, 1024) != 0 ||
        socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0) {
        return -1;
    }
    const pid_t pid = fork();
    if (pid == 0) {
        close(pair[0]);
        run(core, listener, pair[1], n);
    }
    close(pair[1]);
    *handed = pair[0];
    for (size_t i = 0; pid > 0 && i < n; i++) {
        fd[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (fd[i] < 0 || connect(fd[i], (struct sockaddr *)&a, sizeof a) != 0 ||
            fcntl(fd[i], F_SETFL, O_NONBLOCK) != 0) {
            return -1;
        }
    }
    close(listener);
    return pid;
}

#include "services/api/io/adopt.h"

#include <arpa/inet.h>
#include <civetweb.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/base/str.h"

#define FD_MAX 65536

// Is fd the server's side of the connection from this peer? Address and port of both ends name a
// connection, and only one descriptor of it exists.
static bool is_connection(int fd, const struct peer *who)
{
    struct sockaddr_in peer = {0}, own = {0};
    socklen_t n = sizeof peer, m = sizeof own;
    char text[INET_ADDRSTRLEN];
    return getpeername(fd, (struct sockaddr *)&peer, &n) == 0 && peer.sin_family == AF_INET &&
           ntohs(peer.sin_port) == who->port && getsockname(fd, (struct sockaddr *)&own, &m) == 0 &&
           ntohs(own.sin_port) == who->own_port &&
           inet_ntop(AF_INET, &peer.sin_addr, text, sizeof text) != NULL &&
           strcmp(text, who->address) == 0;
}

static int find_socket(const struct peer *who)
{
    struct rlimit most = {0};
    (void)getrlimit(RLIMIT_NOFILE, &most);
    const int end = most.rlim_cur < FD_MAX ? (int)most.rlim_cur : FD_MAX;
    for (int fd = 0; fd < end; fd++) {
        if (is_connection(fd, who)) {
            return fd;
        }
    }
    return -1;
}

struct peer peer_of(const struct mg_connection *conn)
{
    const struct mg_request_info *ri = mg_get_request_info(conn);
    struct peer p = {.port = ri->remote_port, .own_port = ri->server_port};
    (void)str_copy(p.address, sizeof p.address, ri->remote_addr);
    return p;
}

void cut_socket(const struct peer *peer)
{
    const int fd = find_socket(peer);
    if (fd >= 0) {
        (void)shutdown(fd, SHUT_RDWR);
    }
}

// A descriptor at which everything has ended.
static int dead_end(void)
{
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0) {
        return -1;
    }
    (void)close(pair[1]);
    return pair[0];
}

int adopt_socket(const struct mg_connection *conn)
{
    const struct peer peer = peer_of(conn);
    const int fd = find_socket(&peer);
    if (fd < 0) {
        return -1;
    }
    const int dead = dead_end();
    int own = dead < 0 ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, 3);
    if (own >= 0 && dup3(dead, fd, O_CLOEXEC) < 0) {
        (void)close(own);
        own = -1;
    }
    if (dead >= 0) {
        (void)close(dead);
    }
    return own;
}

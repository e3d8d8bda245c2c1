"""Redis as more than one server, for tests: a master with a replica and three sentinels. All of it
on 127.0.0.1 at free ports, and on unix sockets for the test's own questions."""

import contextlib
import socket

from resp import Resp, RespError
from stack import wait_for

SENTINELS = 3


def free_ports(n):
    """n ports that were free a moment ago, low enough for a cluster bus (port + 10000)."""
    held, out = [], []
    while len(out) < n:
        s = socket.socket()
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        s.bind(("127.0.0.1", 0))
        held.append(s)
        if s.getsockname()[1] < 55000:
            out.append(s.getsockname()[1])
    for s in held:
        s.close()
    return out


def answers(path):
    with contextlib.suppress(OSError, RespError, ConnectionError):
        with Resp(path) as db:
            return db("PING") == "PONG"
    return False


def start_server(s, name, port, *options):
    """One redis-server that also listens on `port`. Its socket is s.dir/NAME.sock."""
    sock, folder = s.dir / f"{name}.sock", s.dir / f"{name}.d"
    folder.mkdir(exist_ok=True)
    argv = ["redis-server", "--port", port, "--bind", "127.0.0.1", "--unixsocket", sock]
    argv += ["--dir", folder, "--save", "", "--appendonly", "yes", "--loglevel", "warning"]
    p = s.start(name, [*argv, *options])
    wait_for(lambda: answers(sock), 20, f"{name} answers")
    p.sock, p.port = sock, port
    return p


class Sentinels:
    """redis-a is the master at first, redis-b its replica."""

    def __init__(self, s):
        self.s = s
        a, b, *ports = free_ports(2 + SENTINELS)
        quick = ("--repl-diskless-sync-delay", "0", "--repl-ping-replica-period", "1")
        self.a = start_server(s, "redis-a", a, *quick)
        self.b = start_server(s, "redis-b", b, "--replicaof", f"127.0.0.1 {a}", *quick)
        self.sentinels = []
        for i, port in enumerate(ports):
            conf = s.dir / f"sentinel{i}.conf"
            conf.write_text(
                f"port {port}\nbind 127.0.0.1\nunixsocket {s.dir}/sentinel{i}.sock\n"
                f"dir {s.dir}\n"
                f"sentinel monitor mymaster 127.0.0.1 {a} 2\n"
                "sentinel down-after-milliseconds mymaster 500\n"
                "sentinel failover-timeout mymaster 4000\n"
            )
            p = s.start(f"sentinel{i}", ["redis-server", conf, "--sentinel"])
            p.sock = s.dir / f"sentinel{i}.sock"
            self.sentinels.append(p)
        wait_for(self.is_known, 30, lambda: f"the sentinels to know each other: {self.masters()}")
        s.sock = self.a.sock
        self.url = "redis+sentinel://" + ",".join(f"127.0.0.1:{p}" for p in ports) + "/mymaster"

    def masters(self):
        out = []
        for p in self.sentinels:
            if answers(p.sock):
                with Resp(p.sock) as db:
                    row = db("SENTINEL", "master", "mymaster")
                    out.append(dict(zip(row[::2], row[1::2])))
        return out

    def is_known(self):
        rows = self.masters()
        return len(rows) == SENTINELS and all(
            r["num-slaves"] == "1" and r["num-other-sentinels"] == str(SENTINELS - 1) for r in rows
        )

    def wait_promoted(self):
        def is_master():
            if not answers(self.b.sock):
                return False
            with Resp(self.b.sock) as db:
                return db("ROLE")[0] == "master"

        wait_for(is_master, 30, "the replica becomes the master")
        self.s.sock = self.b.sock

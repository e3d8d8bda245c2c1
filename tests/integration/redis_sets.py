"""Redis as more than one server, for tests: behind Sentinel, and as a cluster. All of it
on 127.0.0.1 at free ports, and on unix sockets for the test's own questions."""

import contextlib
import socket
import subprocess

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


class Cluster:
    """Three masters with a replica each. Questions go through db(), which follows MOVED."""

    MASTERS = 3

    def __init__(self, s):
        self.s = s
        ports = free_ports(2 * self.MASTERS)
        options = ("--cluster-enabled", "yes", "--cluster-node-timeout", "1000")
        self.node = {p: start_server(s, f"node-{p}", p, *options) for p in ports}
        where = [f"127.0.0.1:{p}" for p in ports]
        made = subprocess.run(
            ["redis-cli", "--cluster", "create", *where, "--cluster-replicas", "1", "--cluster-yes"],
            capture_output=True, text=True, timeout=60, check=False,
        )
        assert made.returncode == 0, made.stdout[-2000:] + made.stderr[-500:]
        wait_for(self.is_whole, 30, "every node sees the cluster whole")
        self.url = "redis+cluster://" + ",".join(where[: self.MASTERS])

    def ask(self, port, *args):
        with Resp(self.node[port].sock) as db:
            return db(*args)

    def alive(self):
        return [p for p, proc in self.node.items() if proc.alive()]

    def is_whole(self):
        slots = [self.ask(p, "CLUSTER", "SLOTS") for p in self.alive()]
        return self.is_ok() and all(
            sum(hi - lo + 1 for lo, hi, *_ in rows) == 16384 and all(len(r) >= 4 for r in rows)
            for rows in slots
        )

    def is_ok(self):
        return all("cluster_state:ok" in self.ask(p, "CLUSTER", "INFO") for p in self.alive())

    def slot(self, key):
        return self.ask(self.alive()[0], "CLUSTER", "KEYSLOT", key)

    def owner(self, slot):
        """Port of the master that has the slot, by the word of most nodes that are alive."""
        said = []
        for p in self.alive():
            with contextlib.suppress(OSError, RespError, ConnectionError):
                said += [r[2][1] for r in self.ask(p, "CLUSTER", "SLOTS") if r[0] <= slot <= r[1]]
        return max(set(said), key=said.count)

    def ident(self, port):
        return self.ask(port, "CLUSTER", "MYID")

    def migrate(self, slot):
        """Moves a slot with all its keys to another master, as redis-cli --cluster reshard does;
        (from, to)."""
        src = self.owner(slot)
        masters = [p for p in self.alive() if self.ask(p, "ROLE")[0] == "master" and p != src]
        dst = masters[0]
        self.ask(dst, "CLUSTER", "SETSLOT", slot, "IMPORTING", self.ident(src))
        self.ask(src, "CLUSTER", "SETSLOT", slot, "MIGRATING", self.ident(dst))
        while keys := self.ask(src, "CLUSTER", "GETKEYSINSLOT", slot, 10):
            self.ask(src, "MIGRATE", "127.0.0.1", dst, "", 0, 5000, "KEYS", *keys)
        for port in (dst, src, *masters[1:]):
            self.ask(port, "CLUSTER", "SETSLOT", slot, "NODE", self.ident(dst))
        return src, dst

    def db(self):
        return ClusterDb(self)


class ClusterDb(Resp):
    """Resp over all nodes: a command goes to the master of its key."""

    def __init__(self, cluster):
        self.cluster, self.links, self.where = cluster, {}, {}

    def close(self):
        for link in self.links.values():
            link.close()

    def link(self, port):
        if port not in self.links:
            self.links[port] = Resp(self.cluster.node[port].sock)
        return self.links[port]

    def __call__(self, *args):
        key = args[3] if args[0] == "SCAN" else args[2] if args[0] == "XINFO" else args[1]
        if key not in self.where:
            tag = key.replace("\\\\[", "[")
            self.where[key] = self.cluster.owner(self.cluster.slot(tag))
        for _ in range(5):
            try:
                return self.link(self.where[key])(*args)
            except RespError as e:
                if not str(e).startswith("MOVED "):
                    raise
                self.where[key] = int(str(e).rsplit(":", 1)[1])
        raise AssertionError(f"{args[0]} {key} is moved about")

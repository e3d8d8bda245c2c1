#!/usr/bin/python3
"""How big and how quick to start: resident memory of all services with one instrument after a
recording went through, what each further instrument adds, and exec to the first /health answer."""

import json
import pathlib
import socket
import statistics
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "integration"))

import recordings  # noqa: E402
import state  # noqa: E402
from stack import BIN, Stack, wait_for  # noqa: E402

SERVICES = ("collector", "context", "strategy", "api")


def rss_mb(proc):
    for line in open(f"/proc/{proc.pid}/status", encoding="ascii"):
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    raise RuntimeError(f"{proc.name} has no VmRSS")


def sizes(symbols, recording):
    """RSS in MB of each service once everything is stored and derived."""
    with Stack(symbols=symbols, label="size") as s:
        s.redis()
        s.sim("--replay", *recording.paths, "--speed", "max")
        for name in SERVICES[::-1]:
            s.service(name)
        with s.db() as db:
            for symbol in symbols:
                name = f"binance:{symbol}"
                last = max(recording.trades(symbol), key=lambda t: t.id)
                ident = f"{last.ts}-{last.id}"
                wait_for(lambda: db("XRANGE", s.key("trades", name), ident, ident), 60, "stored")
                state.settle(db, s, name)
        out = {name: rss_mb(s.procs[name]) for name in SERVICES}
        s.stop_all()
    return out


def first_health_ms():
    """From starting the program (no Redis anywhere) to the whole answer of /health."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    with Stack(label="first") as s:
        begin = time.perf_counter()
        p = s.start("api", [BIN / "api"], BACKEND_PORT=port)
        while True:
            try:
                with socket.create_connection(("127.0.0.1", port)) as c:
                    c.sendall(b"GET /health HTTP/1.0\r\nHost: localhost\r\n\r\n")
                    if c.recv(65536).startswith(b"HTTP/1.1 200"):
                        took = time.perf_counter() - begin
                        break
            except OSError:
                pass
            if not p.alive() or time.perf_counter() - begin > 10:
                raise RuntimeError(f"no /health: {p.stderr()}")
            time.sleep(0.0005)
    return took * 1000


def main():
    def row(name, figure, unit, limit=None, goal=None, met=None):
        ratio = figure / limit if limit else None
        line = {"name": name, "figure": round(figure, 3), "unit": unit, "limit": limit,
                "ratio": ratio and round(ratio, 3), "goal": goal, "met": met}
        with open(sys.argv[1], "a", encoding="ascii") as f:
            f.write(json.dumps(line) + "\n")
        print(f"  {name}: {figure:.2f} {unit}")

    starts = sorted(first_health_ms() for _ in range(15))
    median = statistics.median(starts)
    row("api: exec to first /health", median, "ms", 50, "< 50", median < 50)
    row("api: exec to first /health, slowest of 15", starts[-1], "ms", 50, "< 50", starts[-1] < 50)
    one = sizes(("BTCUSDT",), recordings.DENSE)
    for name, mb in one.items():
        row(f"memory: {name}", mb, "MB RSS")
    total = sum(one.values())
    row("memory: all services, one instrument", total, "MB RSS", 100, "< 100", total < 100)
    pair = sum(sizes(("BTCUSDT", "BTCUSDC"), recordings.TWO).values())
    single = sum(sizes(("BTCUSDT",), recordings.TWO).values())
    extra = pair - single
    row("memory: a further instrument", extra, "MB RSS", 10, "< 10", extra < 10)


if __name__ == "__main__":
    main()

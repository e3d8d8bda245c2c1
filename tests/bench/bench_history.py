#!/usr/bin/python3
"""A day of 1.5 million trades from the store to finished state, and what that does to /health.

The day lies in the store as --fetch leaves it; Redis is empty but for the instrument and one live trade.
Timed is from the start of the backfill process until context and strategy both hold every trade (the
limit is an absolute one: a second), printed beside DuckDB's own SELECT sum over the same file. Meanwhile
/health of api and backfill is asked again and again, and compared with the idle services.
"""

import json
import os
import pathlib
import random
import statistics
import struct
import subprocess
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "integration"))

import duck  # noqa: E402
from stack import BIN, Stack, http, wait_for  # noqa: E402

ROWS = int(os.environ.get("BENCH_ROWS", "1500000"))
ROUNDS = int(os.environ.get("BENCH_ROUNDS", "5"))
DAY, START = "2026-11-21", 1_795_219_200_000
FIRST = 3_000_000_000
ROW = struct.Struct("<qqqqBBB5xQQ")
INSTRUMENT = dict(venue="binance", symbol="BTCUSDT", tick="0.10", step="0.001", min_qty="0.001",
                  min_notional="5", price_scale="4", qty_scale="5", qty_decimals="3", simulated="0", schema="1")


def make_day(folder):
    """The day's part, written by the store's own child process."""
    rng = random.Random(8)
    path = folder / "history" / "venue=binance" / "symbol=BTCUSDT" / f"date={DAY}"
    p = subprocess.Popen([BIN / "backfill", "--store-child", "write", path, "binance", "4", "5", "512", "",
                          "archive", "ab" * 32], stdin=subprocess.PIPE)
    price, out = 654_321, bytearray()
    for i in range(ROWS):
        price += rng.randrange(-3, 4)
        out += ROW.pack(START + i * 57_600_000 // ROWS, FIRST + i, price * 1000,
                        100 * (1 + int(rng.expovariate(0.02))), 0, rng.randrange(2), 0, 0, 0)
        if len(out) > 1 << 20:
            p.stdin.write(out)
            out.clear()
    p.stdin.write(bytes(out) + ROW.pack(0, 0, 0, 0, 2, 0, 3, 0, 0))
    p.stdin.close()
    assert p.wait() == 0
    return path


class Asker(threading.Thread):
    """Asks a /health over one connection until it is told to stop; latencies in ms."""

    def __init__(self, port):
        super().__init__(daemon=True)
        self.port, self.ms, self.stop = port, [], False
        self.start()

    def run(self):
        while not self.stop:
            begin = time.perf_counter()
            status, _, _ = http(f"http://127.0.0.1:{self.port}/health")
            self.ms.append((time.perf_counter() - begin) * 1000)
            assert status == 200
            time.sleep(0.002)

    def end(self):
        self.stop = True
        self.join()
        return sorted(self.ms)


def cpu_s(pid):
    """CPU of all threads, in nanosecond steps."""
    return sum(int((task / "schedstat").read_text().split()[0])
               for task in pathlib.Path(f"/proc/{pid}/task").iterdir()) / 1e9


def children_cpu_s(pid):
    """CPU of the children it has waited for, in ticks."""
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[13]) + int(fields[14])) / os.sysconf("SC_CLK_TCK")


def at(ms, q):
    return ms[min(len(ms) - 1, int(len(ms) * q))] if ms else None


def prepare(s, db):
    db("FLUSHALL")
    flat = [x for kv in INSTRUMENT.items() for x in kv]
    db("HSET", s.key("instrument"), *flat)
    live = START + 57_600_000
    db("XADD", s.key("trades"), f"{live}-{FIRST + ROWS}", "price", "65432.1", "qty", "0.001", "side", "buy",
       "id", str(FIRST + ROWS), "rx_us", str(live * 1000))
    # Where the day begins was proven before: no REST in this.
    db("HSET", s.key("backfill"), "_mark_today", f"{START} {FIRST} {START}", "_live", f"{live} {FIRST + ROWS}")


def one(s, db):
    """Seconds from exec to finished state, latencies of /health meanwhile and idle."""
    prepare(s, db)
    for name in ("context", "strategy"):
        s.service(name)
    day = s.key(f"context:{DAY}")
    wait_for(lambda: db("HGET", day, "trades") == "1", 20, "the live trade")
    api = Asker(s.api_port)
    time.sleep(0.3)
    idle = api.end()
    others = ("redis", "context", "strategy")
    before = {name: cpu_s(s.procs[name].pid) for name in others}
    begin = time.perf_counter()
    p = s.backfill(CONTEXT_BOOTSTRAP_PREV_DAY="false", wait=False, LOG_LEVEL="INFO")
    api = Asker(s.api_port)
    own = None
    want, left, when = str(ROWS + 1), {day, s.key(f"strategy:{DAY}")}, {}
    while left:
        if own is None and (up := p.events("process_up")):
            own = Asker(up[0]["health_port"])
        for key in list(left):
            if db("HGET", key, "trades") == want:
                left.discard(key)
                when[key] = time.perf_counter() - begin
        if time.perf_counter() - begin > 60:
            raise AssertionError({k: db("HGET", k, "trades") for k in left})
        time.sleep(0.004)
    took = time.perf_counter() - begin
    cpu = {name: cpu_s(s.procs[name].pid) - before[name] for name in others}
    cpu["backfill"], cpu["reader"] = cpu_s(p.pid), children_cpu_s(p.pid)
    busy = api.end()
    mine = own.end() if own else []
    for name in ("backfill", "context", "strategy"):
        s.procs[name].term(10)
    return took, idle, busy, mine, cpu


def main():
    out = open(sys.argv[1], "a") if len(sys.argv) > 1 else sys.stdout

    def row(**kw):
        out.write(json.dumps(kw) + "\n")
        out.flush()

    with Stack(label="history") as s:
        path = make_day(s.dir)
        s.redis("--appendonly", "no")
        s.api()
        took, duck_s, idle, busy, mine, cpus = [], [], [], [], [], []
        files = f"'{path}/*.parquet'"
        with s.db() as db:
            for _ in range(ROUNDS):
                begin = time.perf_counter()
                duck.query(f"SELECT sum(price), sum(qty), count(*) FROM read_parquet({files})")
                duck_s.append(time.perf_counter() - begin)
                r = one(s, db)
                cpus.append(r[4])
                print(f"  {r[0]:.2f} s; CPU " + " ".join(f"{k} {v:.2f}" for k, v in r[4].items()), flush=True)
                took.append(r[0])
                idle += r[1]
                busy += r[2]
                mine += r[3]
        s.stop_all()
    t, d = statistics.median(took), statistics.median(duck_s)
    row(name="store to finished state, 1.5 M trades", figure=t, unit="s", limit=1.0, ratio=t, goal="< 1 s",
        met=t < 1.0)
    row(name="store to finished state", figure=ROWS / t / 1e6, unit="M rows/s", limit=ROWS / d / 1e6,
        ratio=d / t, goal=None)
    for name in cpus[0]:
        row(name=f"  of it CPU of {name}", figure=statistics.median(c[name] for c in cpus), unit="s")
    for name, ms in (("api", busy), ("backfill", mine)):
        ms = sorted(ms)
        base = at(sorted(idle), 0.99)
        row(name=f"/health of {name} while history loads, p99", figure=at(ms, 0.99), unit="ms", limit=base,
            ratio=at(ms, 0.99) / base if ms and base else None, goal=None)
        row(name=f"/health of {name} while history loads, worst", figure=ms[-1] if ms else None, unit="ms")


if __name__ == "__main__":
    main()

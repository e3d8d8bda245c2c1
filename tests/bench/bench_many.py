#!/usr/bin/python3
"""Many instruments in one collector: what each costs in CPU and memory at the rate of a burst.

A generated market of 20 symbols, 185 trades a second each (what a burst of BTCUSDT was recorded at)
and its depth, against the same market with one symbol. Collector and Redis are pinned to different
cores. CPU is that of the collector's processes alone, per 1,000 events (trades and depth frames).
"""

import json
import os
import pathlib
import signal
import statistics
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "integration"))

from stack import Stack, http, wait_for  # noqa: E402

SYMBOLS = ["BTCUSDT", "ETHUSDT"] + [f"BENCH{i:02d}USDT" for i in range(18)]
RATE, SPEED = 1, 28  # 8 trades a second on average of a day; the clock runs 28 times as fast
ROUNDS, SECONDS = 5, 1.5


def cpu_s(pid):
    """Of all threads, in nanosecond steps: one instrument takes less than a tick in a round."""
    return sum(int((task / "schedstat").read_text().split()[0])
               for task in pathlib.Path(f"/proc/{pid}/task").iterdir()) / 1e9


def rss_mb(pid):
    for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    raise RuntimeError(f"{pid} has no VmRSS")


def pin(pid, core):
    if os.cpu_count() > 1:
        os.sched_setaffinity(pid, {core})


def events(s, symbols):
    """(trades, depth frames) taken so far, of all symbols."""
    _, _, body = http(f"http://127.0.0.1:{s.procs['collector'].health_port}/health")
    said = json.loads(body)
    return (sum(int(said[f"binance:{x}.events_received"]) for x in symbols),
            sum(int(said[f"binance:{x}.depth_events_received"]) for x in symbols), said)


class Run:
    """One stack with so many symbols, measured in rounds that alternate with another's."""

    def __init__(self, symbols, stacks):
        self.symbols, self.cpu, self.trades, self.depth, self.rss = symbols, [], [], [], []
        self.s = Stack(symbols=symbols, label="many")
        stacks.append(self.s)
        self.s.redis("--appendonly", "no")
        start = int(time.time() * 1000) - 1_200_000
        self.s.sim("--generate", "--from", start, "--speed", SPEED, "--rate", RATE,
                   "--symbols", ",".join(symbols))
        for x in symbols:  # days of trades are made when first asked for: not in the middle of it
            http(f"http://127.0.0.1:{self.s.port}/fapi/v1/aggTrades?symbol={x}&limit=1", 30)
        # The market lags behind the clock that it is told by: that is no slow socket.
        self.s.collector(WS_SLOW_MS=0)
        pin(self.s.procs["collector"].pid, 0)
        for name in ("redis", "exchange-sim"):
            pin(self.s.procs[name].pid, 1)
        wait_for(lambda: all(events(self.s, [x])[2].get(f"binance:{x}.depth_state") == "live"
                             for x in symbols), 60, "all books are live", every=0.2)

    def round(self):
        pid = self.s.procs["collector"].pid
        trades, depth, _ = events(self.s, self.symbols)
        cpu, begin = cpu_s(pid), time.monotonic()
        time.sleep(SECONDS)
        took = time.monotonic() - begin
        cpu = cpu_s(pid) - cpu
        more_trades, more_depth, said = events(self.s, self.symbols)
        gaps = sum(int(said[f"binance:{x}.gaps"]) for x in self.symbols)
        if gaps:
            raise RuntimeError(f"{gaps} gaps: the feed was not carried")
        self.trades.append((more_trades - trades) / took)
        self.depth.append((more_depth - depth) / took)
        self.cpu.append(cpu / took)
        self.rss.append(rss_mb(pid))

    def per_1000_ms(self):
        return statistics.median(1e6 * c / (t + d)
                                 for c, t, d in zip(self.cpu, self.trades, self.depth))


def main():
    def row(name, figure, unit, limit=None, goal=None, met=None):
        ratio = figure / limit if limit else None
        line = {"name": name, "figure": round(figure, 3), "unit": unit,
                "limit": limit and round(limit, 3), "ratio": ratio and round(ratio, 3),
                "goal": goal, "met": met}
        with open(sys.argv[1], "a", encoding="ascii") as f:
            f.write(json.dumps(line) + "\n")
        print(f"  {name}: {figure:.2f} {unit}" + (f", ratio {ratio:.2f}" if ratio else ""))

    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # nothing is left running
    stacks = []
    try:
        runs = [Run(SYMBOLS[:1], stacks), Run(SYMBOLS, stacks)]
        for _ in range(ROUNDS):
            for run in runs:
                run.round()
        one, many = runs
        n = len(SYMBOLS)
        per_symbol = statistics.median(many.trades) / n
        row(f"{n} instruments: trades per second of each", per_symbol, "1/s", 185)
        row(f"{n} instruments: depth frames per second of each",
            statistics.median(many.depth) / n, "1/s")
        row(f"{n} instruments: collector's core, per instrument",
            100 * statistics.median(many.cpu) / n, "%")
        limit = one.per_1000_ms()
        figure = many.per_1000_ms()
        row(f"{n} instruments: CPU per 1,000 events, against one instrument", figure, "ms", limit,
            "<= 1", figure <= limit)
        extra = (statistics.median(many.rss) - statistics.median(one.rss)) / (n - 1)
        row(f"{n} instruments: collector's memory, a further instrument", extra, "MB RSS", 10, "< 10",
            extra < 10)
    finally:
        for s in stacks:
            s.__exit__(*sys.exc_info())


if __name__ == "__main__":
    main()

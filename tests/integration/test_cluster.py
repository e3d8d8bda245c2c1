"""Redis Cluster: six instruments spread over three masters; a slot moves and a master dies while
trades flow. Nothing lost, nothing twice."""

import time

import recordings
import state
from redis_sets import Cluster
from scenario import Scenario
from stack import Stack, wait_for

SYMBOLS = ("BTCUSDT", "ETHUSDT", "SOLUSDT", "XRPUSDT", "DOGEUSDT", "BNBUSDT")
GROW = 2000 if recordings.LONG else 120  # trades per instrument between two acts


class RedisCluster(Scenario):
    def grow(self, s, db, by=GROW):
        """Until every instrument has so many more trades."""
        want = {sym: db("XLEN", s.key("trades", sym)) + by for sym in s.symbols}
        wait_for(lambda: all(db("XLEN", s.key("trades", sym)) >= n for sym, n in want.items()), 120,
                 lambda: f"{want}; there are {[db('XLEN', s.key('trades', x)) for x in want]}")

    def check(self, s, db, symbol):
        stored = state.stored_trades(db, s, symbol)
        ids = [int(ident.split("-")[1]) for ident, _ in db.stream(s.key("trades", symbol))]
        self.assertEqual(len(ids), len(set(ids)), "an id twice on the stream")
        held = sorted({t.id for t in stored})
        whole = set(range(held[0], held[-1] + 1))
        gaps = state.declared_gaps(db, s, symbol)
        self.assertEqual(sorted(whole - set(held))[:5], [], f"{symbol}: ids neither stored nor had; "
                         f"declared: {gaps}")
        self.assertGreater(len(held), 3 * GROW)
        self.assert_market(s, db, list({t.id: t for t in stored}.values()), symbol, rest=False)

    def test_a_slot_moves_and_a_master_dies(self):
        with Stack(symbols=SYMBOLS, label="cluster") as s:
            cluster = Cluster(s)
            s.db = cluster.db
            s.sim("--generate", "--symbols", ",".join(SYMBOLS), "--rate", "3", "--speed", "4",
                  "--from", time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(time.time() - 3600)))
            env = {"REDIS_URL": cluster.url}
            for name in ("context", "strategy", "api"):
                s.service(name, **env)
            s.collector(WS_SLOW_MS=0, **env)
            with cluster.db() as db:
                self.grow(s, db)
                owners = {sym: cluster.owner(cluster.slot(s.key("trades", sym))) for sym in s.symbols}
                self.assertGreater(len(set(owners.values())), 1, "instruments on one node alone")
                moved = s.symbols[0]
                begin = time.monotonic()
                src, dst = cluster.migrate(cluster.slot(s.key("trades", moved)))
                self.assertNotEqual(src, dst)
                self.grow(s, db)
                print(f"       slot of {moved} moved; all flow again within "
                      f"{time.monotonic() - begin:.1f} s", flush=True)
            # The one that has most instruments now.
            owners = [cluster.owner(cluster.slot(s.key("trades", sym))) for sym in s.symbols]
            victim = max(set(owners), key=owners.count)
            begin = time.monotonic()
            cluster.node[victim].kill()
            wait_for(lambda: cluster.is_ok() and all(cluster.owner(cluster.slot(s.key("trades", x))) != victim
                     for x in s.symbols), 60, "a replica takes over")
            taken = time.monotonic() - begin
            with cluster.db() as db:
                self.grow(s, db, by=1)
                print(f"       master killed: replica after {taken:.1f} s, trades again after "
                      f"{time.monotonic() - begin:.1f} s", flush=True)
                self.grow(s, db)
                # Both instruments and services are seen by the gateway through the same cluster.
                _, ready = s.get("/ready")
                self.assertIn("status", ready)
                code, _ = s.p_collector.term(5)
                self.assertEqual(code, 0)
                for symbol in s.symbols:
                    self.check(s, db, symbol)
            s.stop_all()

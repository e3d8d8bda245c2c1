"""Redis behind Sentinel: the master is killed while trades flow. Nothing lost, nothing twice."""

import time

import recordings
from redis_sets import Sentinels
from scenario import Scenario
from stack import Stack, wait_for

STRETCH_S = 60 if recordings.LONG else 8


class Sentinel(Scenario):
    def test_the_master_dies(self):
        """The replica is promoted; what it had not received yet comes from the collector's ring,
        the consumers go on from the state it holds."""
        rec = recordings.DENSE
        trades = rec.trades()
        with Stack(label="sentinel") as s:
            sets = Sentinels(s)
            s.sim("--replay", *rec.paths, "--stretch", STRETCH_S * 1000)
            env = {"REDIS_URL": sets.url}
            for name in ("context", "strategy", "api"):
                s.service(name, **env)
            s.collector(WS_SLOW_MS=0, MAX_QUEUE=100000, **env)  # at this pace 5000 are 2 s
            with s.db() as db:
                wait_for(lambda: db("XLEN", s.key("trades")) > len(trades) // 4, 60, "trades flow")
            begin = time.monotonic()
            sets.a.kill()
            sets.wait_promoted()
            with s.db() as db:
                before = db("XLEN", s.key("trades"))
                promoted = time.monotonic() - begin
                wait_for(lambda: db("XLEN", s.key("trades")) > before, 30, "trades flow again")
                print(f"       promoted after {promoted:.1f} s, trades again after "
                      f"{time.monotonic() - begin:.1f} s", flush=True)
                self.wait_stored(s, db, trades, seconds=3 * STRETCH_S + 60)
                self.assert_market(s, db, trades)
                self.assert_whole(s, db, trades)
            # The old master comes back as a replica of the new one; nobody writes to it.
            self.assertEqual(len(s.p_collector.events("redis_refused")), 0)
            s.stop_all()

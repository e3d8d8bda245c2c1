"""Bybit's past: the day before from the venue's daily file, today's hole declared; through kills,
files that are not there yet, torn or published anew, and refusals."""

import json
import re
import time

import reference
import state
from scenario import Scenario
from stack import Stack, http, wait_for
from test_backfill import DAY_MS, iso, just_now, midnight

RATE = "0.05"
LOST_TODAY = "venue has no history of the running day"
ABSENT = "the venue has no archive of that day (404)"


class BackfillBybit(Scenario):
    def market(self, s, services=("context", "strategy", "api")):
        """A generated market whose feed begins today, with everything but backfill."""
        s.symbols = ["bybit:BTCUSDT"]
        s.redis()
        s.sim("--generate", "--from", iso(just_now()), "--rate", RATE, "--speed", "20")
        for name in services:
            s.service(name)
        at = f"127.0.0.1:{s.port}"
        s.collector(BYBIT_WS_BASE_URL=f"ws://{at}", BYBIT_REST_BASE_URL=f"http://{at}")

    def order(self, s, path):
        status, _, body = http(f"http://127.0.0.1:{s.control_port}/{path}")
        self.assertEqual(status, 200, body)
        return body

    def asked(self, s):
        """Requests for daily files: (path, status)."""
        rows = [r.split(",") for r in self.order(s, "requests").split("\n") if "/trading/" in r]
        return [(r[3], r[4]) for r in rows]

    def truth(self, s, from_ms):
        text = self.order(s, f"truth?venue=bybit&symbol=BTCUSDT&fromMs={from_ms}")
        return {r[1]: r for r in (line.split(",", 6) for line in text.split("\n") if line)}

    def first_live(self, db, s):
        key = s.key("trades")
        wait_for(lambda: db("XLEN", key) > 0, 60, "the first live trade")
        return int(db("XRANGE", key, "-", "+", "COUNT", "1")[0][0].split("-")[0])

    def status_of(self, s):
        status, body = s.get("/backfill/status")
        self.assertEqual(status, 200)
        return body

    def assert_exact(self, db, s):
        """Everything derived equals the recomputation over all that is stored."""
        s.fault("pause")
        state.settle(db, s, seconds=60)
        market = reference.Market(state.stored_trades(db, s), state.units_of(db, s),
                                  times=state.stored_times(db, s))


        def difference():  # candles older than today's minutes have no footprint
            found = state.check_redis(db, s, market, None)
            return [d for d in found if not d.startswith("footprint:")]

        self.assertEqual(list(state.until_no_difference(difference, 30)), [])
        return market

    def assert_day_before(self, db, s, market, today):
        """All of it is held, each trade delivered once, by claims that tile the day."""
        want = {k: r for k, r in self.truth(s, today - DAY_MS).items() if int(r[0]) < today}
        self.assertGreater(len(want), 1000)
        self.assertEqual({t.id for t in market.prev.trades}, set(want))
        for t in market.prev.trades:
            r = want[t.id]
            self.assertEqual((t.ts, t.price, t.qty, t.side),
                             (int(r[0]), *reference.make_trade(0, "", r[2], r[3], r[4].lower())[2:4],
                              r[4].lower()))
        rows = [h for h in state.history_rows(db, s)
                if h["kind"] == "trades" and h["reason"] == "backfill"]
        names = [line.split(" ")[1] for h in rows for line in h["data"].splitlines()]
        self.assertEqual(len(names), len(set(names)), "a trade was delivered twice")
        claims = sorted((int(h["from_ms"]), int(h["to_ms"])) for h in rows)
        at = today - DAY_MS
        for from_ms, to_ms in claims:
            self.assertEqual(from_ms, at)
            at = to_ms
        self.assertEqual(at, today)
        self.assertEqual(db.hash(s.key("context"))["missing_ms_prev"], "0")
        return len(names)

    def test_cold_start_through_kills(self):
        today = midnight()
        with Stack(label="bybit-cold") as s:
            self.market(s)
            self.order(s, "archive?venue=bybit&sort=mixed")
            with s.db() as db:
                live = self.first_live(db, s)
                kills = 0
                for _ in range(20):
                    p = s.backfill()
                    loaded = lambda: int(db("HGET", s.key("backfill"), "trades_loaded") or 0)
                    before = loaded()
                    wait_for(lambda: loaded() > before or p.events("backfill_complete"), 30,
                             "something is delivered", every=0.002)
                    p.kill()
                    kills += 1
                    if p.events("backfill_complete") or kills == 3:
                        break
                p = s.backfill()
                p.wait_event("backfill_complete", 60)
                market = self.assert_exact(db, s)
                n = self.assert_day_before(db, s, market, today)
                print(f"       {kills} kills, {n} trades")
                h = db.hash(s.key("backfill"))
                self.assertEqual(h["trades_loaded"], str(n))
                self.assertEqual(h["_spans"], f"{today - DAY_MS}-{today}")
                self.assertEqual(h["_lost_spans"], f"{today}-{live + 1}")
                wait_for(lambda: self.status_of(s)["status"] == "complete", 10, "the api to say so")
                body = self.status_of(s)
            s.stop_all()


if __name__ == "__main__":
    import unittest

    unittest.main()

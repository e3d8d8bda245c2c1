"""Recordings through the real binaries: exchange frame in, Redis fields and REST numbers out."""

from fractions import Fraction

import recordings
import state
from scenario import Scenario
from stack import Stack, http


class EndToEnd(Scenario):
    def test_recorded_evening(self):
        """21,313 trades with a sell-off and a rebound: the known figures to the digit."""
        rec = recordings.DENSE
        trades = rec.trades()
        with Stack(label="evening") as s, self.subTest("figures"):
            self.play(s, rec)
            with s.db() as db:
                self.wait_stored(s, db, trades)
                self.assert_market(s, db, trades)
                self.assert_whole(s, db, trades)
                if recordings.REAL:
                    self.known_figures(s, db)
                self.simulated_everywhere(s, db)
            s.stop_all()

    def known_figures(self, s, db):
        keys = "trades buy_volume sell_volume cumulative_delta poc val vah vwap".split()
        got = dict(zip(keys, db("HMGET", s.key("context"), *keys)))
        self.assertEqual(got["trades"], "21313")
        self.assertEqual(got["vwap"], "61680.98215329")
        want = {
            "buy_volume": "1251.576", "sell_volume": "1177.790", "cumulative_delta": "73.786",
            "poc": "61640.0", "val": "61590.3", "vah": "61706.0",
        }
        self.assertEqual({k: Fraction(got[k]) for k in want},
                         {k: Fraction(v) for k, v in want.items()})
        _, levels = s.get("/levels")
        self.assertEqual(levels["VWAP"], "61680.98215329")
        for name, value in (("POCd", "61640.0"), ("VAL", "61590.3"), ("VAH", "61706.0")):
            self.assertEqual(Fraction(levels[name]), Fraction(value))
        _, metrics = s.get("/strategy/metrics")
        self.assertEqual(metrics["metrics"]["trade_count"], 21313)
        self.assertEqual(Fraction(metrics["metrics"]["delta"]), Fraction("73.786"))

    def simulated_everywhere(self, s, db):
        """No hash and no answer about a simulated market may look like a real one."""
        for tail in ("instrument", "context", "strategy", "metrics"):
            self.assertEqual(db("HGET", s.key(tail), "simulated"), "1", tail)
        for path in ("/price", "/levels", "/context", "/health", "/strategy/metrics", "/symbols"):
            _, headers, body = http(f"http://127.0.0.1:{s.api_port}{path}")
            self.assertIn('"simulated":true', body.replace(" ", ""), path)
            del headers

    def test_across_midnight(self):
        """Two recordings that join at midnight UTC: no hole, yesterday's levels, both days live."""
        rec = recordings.MIDNIGHT
        trades = rec.trades()
        with Stack(label="midnight") as s:
            self.play(s, rec)
            with s.db() as db:
                self.wait_stored(s, db, trades)
                market = self.assert_market(s, db, trades)
                self.assert_whole(s, db, trades)
                counts = (market.prev.n, market.cur.n)
                if recordings.REAL:
                    self.assertEqual(counts, (2197, 10737))
                context = db.hash(s.key("context"))
                self.assertEqual(context["trades"], str(counts[1]))
                self.assertEqual(context["holes_today"], "0")
                self.assertEqual(Fraction(context["coverage_today"]), 1)
                self.assertNotEqual(context["pdh"], "")
            s.stop_all()

    def test_opening_range_and_pre_market(self):
        """A market from 23:50 to 08:16 of the next day, with trades on both edges of the opening
        range; a print of the insurance fund among them leaves no trace and no hole."""
        rec = recordings.SYN_MIDNIGHT
        trades = rec.trades()
        with Stack(label="opening") as s:
            self.play(s, rec)
            with s.db() as db:
                self.wait_stored(s, db, trades)
                market = self.assert_market(s, db, trades)
                self.assert_whole(s, db, trades)
                self.assertEqual(market.context()["or_complete"], "1")
                self.assertNotEqual(market.context()["cd_pre"], "0.000")
            s.stop_all()

    def test_two_symbols(self):
        """Two instruments over one venue connection, recorded aggTrade frames."""
        rec = recordings.TWO
        symbols = ("BTCUSDT", "BTCUSDC")
        if recordings.REAL:
            self.assertEqual([len(rec.trades(x)) for x in symbols], [819, 83])
        with Stack(symbols=symbols, label="two") as s:
            self.play(s, rec)
            with s.db() as db:
                for symbol in symbols:
                    name = f"binance:{symbol}"
                    trades = rec.trades(symbol)
                    self.wait_stored(s, db, trades, name)
                    self.assert_market(s, db, trades, name)
                    self.assert_whole(s, db, trades, name)
                status, body = s.get("/price")
                self.assertEqual((status, body["symbol"]), (200, "BTCUSDT"))
                self.assertEqual(s.get("/price?symbol=DOGEUSDT")[0], 400)
            s.stop_all()

    def test_late_start_reads_everything(self):
        """context, strategy and api started after the market was stored know all of it."""
        rec = recordings.MIDNIGHT
        trades = rec.trades()
        with Stack(label="late") as s:
            self.play(s, rec, services=())
            with s.db() as db:
                self.wait_stored(s, db, trades)
                for name in ("context", "strategy", "api"):
                    s.service(name)
                self.assert_market(s, db, trades)
                before = state.snapshot(db, s)
                # Drained and started again: the same, without a new digit.
                for name in ("context", "strategy"):
                    code, _ = s.procs[name].term(5)
                    self.assertEqual(code, 0)
                    s.service(name)
                self.assert_market(s, db, trades)
                self.assertEqual(state.differences(before, state.snapshot(db, s), "before", "after"), [])
            s.stop_all()

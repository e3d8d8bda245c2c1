"""Bybit through every service, from exchange-sim's socket to the REST interface: recorded trades and
books, and a generated market of which frames are withheld that nothing but the audit can miss."""

import collections
import decimal
import json

import recordings
import reference
import state
from scenario import Scenario
from stack import SHARED, Stack, http, wait_for

D = decimal.Decimal
TRADES = SHARED / "bybit_linear_BTCUSDT-BTCPERP_20240402_1523_publicTrade.jsonl.gz"
BOOK = SHARED / "bybit_linear_BTCPERP_20240304_1642_orderbook200.raw.gz"
LOSSY = SHARED / "bybit_linear_BTCUSDT_20240130_0932_orderbook200-lossy.raw.gz"
SHOWN = 20


class BybitEnd(Scenario):
    def start(self, s, name, *sim, services=("context", "strategy", "api"), **env):
        s.symbols = [f"bybit:{name}"]
        s.redis()
        s.sim(*sim)
        for service in services:
            s.service(service)
        urls = {f"BYBIT_{k}_BASE_URL": f"{p}://127.0.0.1:{s.port}"
                for k, p in (("WS", "ws"), ("REST", "http"))}
        s.collector(**{"RECONNECT_MIN_MS": 50, "WS_CONNECT_INTERVAL_MS": 1, **urls, **env})

    def recorded(self, path):
        if not path.exists():
            print(f"  SKIPPED {self.id()}: {path} is not there")
        return path.exists()

    def truth(self, s, query):
        url = f"http://127.0.0.1:{s.control_port}/truth?{query}"
        status, _, body = http(url, 10)
        self.assertEqual(status, 200, body)
        return body

    def trades_of_venue(self, s, from_ms=0):
        text = self.truth(s, f"venue=bybit&symbol=BTCUSDT&fromMs={from_ms}")
        return [line.split(",") for line in text.split("\n") if line]

    def assert_served(self, s, db):
        """Everything that Redis and REST show is what a fresh computation finds."""
        state.settle(db, s)
        market = reference.Market(state.stored_trades(db, s), state.units_of(db, s),
                                  times=state.stored_times(db, s))
        left = state.until_no_difference(lambda: state.check_redis(db, s, market))
        left += state.until_no_difference(lambda: state.check_rest(s, market))
        self.assertEqual(list(left), [])
        return market

    def assert_book(self, s, db, name, levels):
        """:book is the venue's, which stands still."""
        want = json.loads(self.truth(s, f"venue=bybit&symbol={name}&book={levels}"))["data"]
        key = s.key("book")
        wait_for(lambda: db("HGET", key, "update_id") == str(want["u"]), 15,
                 lambda: f"book {want['u']}; it is {db.hash(key)}", every=0.05)
        book = db.hash(key)
        self.assertEqual(book["state"], "live")
        for side, theirs in (("bids", "b"), ("asks", "a")):
            rows = sorted(want[theirs], key=lambda l: D(l[0]), reverse=theirs == "b")[:SHOWN]
            self.assertEqual([[D(x) for x in l] for l in json.loads(book[side])],
                             [[D(x) for x in l] for l in rows], side)

    def test_recorded_trades(self):
        if not self.recorded(TRADES):
            return
        served = reference.bybit_served([TRADES])["BTCUSDT"]
        with Stack(label="bybit-end") as s:
            self.start(s, "BTCUSDT", "--replay", TRADES, "--stretch", 2500)
            with s.db() as db:
                wait_for(lambda: db("XLEN", s.key("trades")) >= 441, 20,
                         lambda: f"441 trades; {db('XLEN', s.key('trades'))}")
                self.assertEqual(self.assert_served(s, db).cur.n, 441)
                stored = {t.id: t for t in state.stored_trades(db, s)}
                self.assertEqual(stored, {t.id: t for t in served})
                self.assertEqual([h for h in state.history_rows(db, s) if h["kind"] != "trades"], [])
            s.stop_all()

    def test_recorded_book(self):
        if not self.recorded(BOOK):
            return
        with Stack(label="bybit-end") as s:
            self.start(s, "BTCPERP", "--replay", BOOK, "--stretch", 1500, services=(),
                       BYBIT_DEPTH_LEVELS=200)
            with s.db() as db:
                wait_for(lambda: json.loads(self.status(s))["finished"], 20, "the recording ends")
                self.assert_book(s, db, "BTCPERP", 200)
                self.assertEqual(db("HGET", s.key("book"), "_gaps"), "0")
            s.stop_all()

    def status(self, s):
        return http(f"http://127.0.0.1:{s.control_port}/status")[2]

    def test_recorded_book_with_real_loss(self):
        """Every second delta is missing: that is noticed, and none of it is shown as live."""
        if not self.recorded(LOSSY):
            return
        with Stack(label="bybit-end") as s:
            self.start(s, "BTCUSDT", "--replay", LOSSY, "--stretch", 1500, services=(),
                       BYBIT_DEPTH_LEVELS=200)
            with s.db() as db:
                key, shown = s.key("book"), set()

                def over():
                    shown.add(db("HGET", key, "state"))
                    return json.loads(self.status(s))["finished"]

                wait_for(over, 20, "the recording ends")
                # Those while a new socket is opened are not seen.
                wait_for(lambda: int(db("HGET", key, "_gaps") or 0) >= 200, 10,
                         lambda: f"the breaks are counted: {db('HGET', key, '_gaps')}")
                self.assertNotEqual(db("HGET", key, "state"), "live", shown)
            s.stop_all()

    def test_generated_market(self):
        """Frames of trades are withheld from a socket that stays up: the audit finds each."""
        speed = "60"
        with Stack(label="bybit-end") as s:
            self.start(s, "BTCUSDT", "--generate", "--from", "2024-08-08T09:00:00Z", "--speed", speed,
                       "--seed", recordings.SEED, "--rate", "0.2", BYBIT_AUDIT_SEC=1, DEDUP_WINDOW_MIN=60)
            with s.db() as db:
                wait_for(lambda: db("XLEN", s.key("trades")) > 200, 20, "trades arrive")
                s.fault("skip", n=12)
                found = lambda: json.loads(http(
                    f"http://127.0.0.1:{s.p_collector.health_port}/health")[2])["bybit:BTCUSDT.audit_found"]
                wait_for(lambda: found() >= 12, 20, lambda: f"the audit finds 12: {found()}")
                wait_for(lambda: db("XLEN", s.key("liquidations")) >= 1, 90, "liquidations arrive")
                wait_for(lambda: db("HGET", s.key("mark"), "mark"), 10, "a mark price")
                s.fault("pause")
                first = min(t.ts for t in state.stored_trades(db, s))
                rows = {r[1]: r for r in self.trades_of_venue(s, first + 1)}

                def missing():
                    held = {t.id: t for t in state.stored_trades(db, s)}
                    return [r for i, r in rows.items() if i not in held]

                wait_for(lambda: not missing(), 10, lambda: f"{missing()[:3]} are not held", every=0.2)
                for t in state.stored_trades(db, s):
                    if t.ts > first:
                        self.assertEqual(
                            (t.ts, t.p_text, t.q_text, t.side, t.seq),
                            (int(rows[t.id][0]), *rows[t.id][2:4], rows[t.id][4].lower(), int(rows[t.id][5])))
                self.assertEqual([h["kind"] for h in state.history_rows(db, s) if h["kind"] in ("gap", "lost")], [])
                audit = [h for h in state.history_rows(db, s) if h["reason"] == "audit"]
                self.assertEqual([h for h in audit if h["from_ms"] != h["to_ms"]], [], "rows, no claim")
                self.assert_served(s, db)
                self.assert_book(s, db, "BTCUSDT", 50)
                self.assert_prices(s, db)
                self.assert_liquidations(s, db)
            s.stop_all()

    def assert_prices(self, s, db):
        """:mark, from the ticker, is what the venue said within its last second."""
        mark = db.hash(s.key("mark"))
        want = json.loads(self.truth(s, "symbol=BTCUSDT&kind=mark"))
        self.assertEqual(D(mark["funding_rate"]), D(want["funding_e8"]) / 10**8)
        self.assertEqual(mark["next_funding_ms"], str(want["next_funding_ms"]))
        self.assertLess(abs(D(mark["mark"]) - D(want["mark_e8"]) / 10**8), D(50))
        self.assertLess(abs(D(mark["index"]) - D(want["index_e8"]) / 10**8), D(50))
        self.assertTrue(mark["open_interest"] and mark["last_price"])
        _, shown = s.get("/mark")
        for name in ("mark", "index", "funding_rate", "open_interest"):
            self.assertEqual(D(shown[name]), D(mark[name]), name)

    def assert_liquidations(self, s, db):
        """Each stands once, at its bankruptcy price, with the sides the right way round."""
        rows = [dict(zip(f[::2], f[1::2]), ms=i.split("-")[0])
                for i, f in db("XRANGE", s.key("liquidations"), "-", "+")]
        first = min(int(r["ms"]) for r in rows)
        want = collections.Counter()
        for line in self.truth(s, "symbol=BTCUSDT&kind=liquidation").split("\n"):
            if line:
                _, t, _, side, _, bankruptcy, qty, _ = line.split(",")
                if int(t) >= first:
                    want[t, side.lower(), int(bankruptcy), int(qty)] += 1
        ticks = lambda text, places: int(D(text).scaleb(places))
        got = collections.Counter(
            (r.get("ts_ms", r["ms"]), r["side"], ticks(r["price"], 2), ticks(r["qty"], 3)) for r in rows)
        self.assertEqual(got, want)
        for r in rows:
            self.assertEqual(r["price_kind"], "bankruptcy")
            self.assertEqual(r["liquidated"], "long" if r["side"] == "sell" else "short")


if __name__ == "__main__":
    import unittest

    unittest.main()

"""CVD and volume delta: what is served equals a recomputation over the stored trades, through late
trades, resets from two gateways, kills, and a state that is lost altogether."""

import bisect
import json
import time
from fractions import Fraction

import indicators
import recordings
import reference
import state
from scenario import Scenario
from stack import Stack, http, wait_for

PERIODS = (1, 7, 60, 61, 300, 900, 3600)
SECONDS = 30 if recordings.LONG else 6


def post(port, path="/indicators/cvd/reset", **headers):
    """(status, JSON) of a reset."""
    status, _, body = http(f"http://127.0.0.1:{port}{path}", headers=headers, data=b"")
    return status, json.loads(body, parse_float=Fraction)


class Indicators(Scenario):
    def market(self, s, db):
        market = reference.Market(state.stored_trades(db, s), state.units_of(db, s))
        # Running sums, so that a thousand windows are no thousand passes.
        self.times, self.sums = [t.ts for t in market.trades], [(Fraction(0), Fraction(0))]
        for t in market.trades:
            buy, sell = self.sums[-1]
            self.sums.append((buy + t.qty, sell) if t.side == "buy" else (buy, sell + t.qty))
        return market

    def window(self, to_ms, period):
        a = bisect.bisect_right(self.times, to_ms - period * 1000)
        b = bisect.bisect_right(self.times, to_ms)
        return self.sums[b][0] - self.sums[a][0], self.sums[b][1] - self.sums[a][1], b - a

    def ask(self, s, path):
        status, _, body = http(f"http://127.0.0.1:{s.api_port}{path}")
        self.assertEqual(status, 200, path)
        return json.loads(body, parse_float=Fraction)

    def assert_window(self, row):
        period, to = row["period"], row["timestamp_ms"]
        buy, sell, n = self.window(to, period)
        got = (row["buy_volume"], row["sell_volume"], row["volume_delta"], row["trade_count"])
        self.assertEqual(got, (buy, sell, buy - sell, n), f"{period} s up to {to}")

    def assert_served(self, s, db):
        """Everything under /indicators against the trades as they are stored."""
        market = self.market(s, db)
        for period in PERIODS:
            self.assert_window(self.ask(s, f"/indicators/volume-delta?period={period}"))
        rows = self.ask(s, "/indicators/volume-delta/multi?periods=900,60,300")["periods"]
        self.assertEqual([r["period"] for r in rows], [900, 60, 300])
        self.assertEqual(len({r["timestamp"] for r in rows}), 1)
        for row in rows:
            self.assert_window(row)
        for period in (5, 60, 3600):
            answer = self.ask(s, f"/indicators/volume-delta/history?period={period}&limit=1000")
            ends = [r["timestamp_ms"] for r in answer["history"]]
            self.assertEqual(ends, [e for e in range(ends[0], ends[-1] + 1, period * 1000)])
            self.assertEqual(ends[-1] % (period * 1000), 0)
            for row in answer["history"]:
                self.assert_window(row)
        self.assert_cvd(s, db, market)

    def assert_cvd(self, s, db, market):
        commands = db.stream(s.key("commands"))
        kind, anchor_ms, begin = indicators.anchor_of(market, commands)
        buy, sell, n = indicators.flow([t for t in market.cur.trades if t.ts >= begin])
        got = self.ask(s, "/indicators/cvd")
        self.assertEqual((got["anchor"], got["buy_volume"], got["sell_volume"], got["trade_count"]),
                         (kind, buy, sell, n))
        self.assertEqual((got["cvd"], got["volume_delta"]), (buy - sell, buy - sell))
        want = indicators.cvd_history(market, commands)
        rows = self.ask(s, "/indicators/cvd/history?limit=1440")["history"]
        have = [(r["timestamp_ms"], r["open"], r["cvd"],
                 (r["buy_volume"], r["sell_volume"], r["trade_count"])) for r in rows]
        self.assertEqual(have, want)
        newest = self.ask(s, "/indicators/cvd/history?limit=1")["history"]
        self.assertEqual(newest, rows[-1:])

    def assert_settled(self, s, db):
        state.settle(db, s)
        left = ["never asked"]

        def agrees():
            found = state.Findings()
            indicators.check_flow(db, s.key, self.market(s, db), found)
            left[:] = found
            try:
                self.assert_served(s, db)
            except AssertionError as e:
                left.append(str(e))
            return not left

        wait_for(agrees, 20, lambda: "\n".join(left)[:4000], every=0.2)

    def test_served_numbers_through_resets_and_kills(self):
        rec = recordings.DENSE
        trades = rec.trades()
        with Stack(label="indicators") as s:
            self.play(s, rec, seconds=SECONDS, services=("context", "strategy"))
            # One gateway waits as long as a busy machine needs, the other only a moment.
            s.service("api", API_COMMAND_WAIT_MS=10_000)
            second = s.start("api2", [s.procs["api"].argv[0]], API_INSTANCE="second",
                             API_COMMAND_WAIT_MS=300)
            other = second.wait_event("process_up", 20)["port"]
            with s.db() as db:
                # A reset through each gateway, with trades coming in.
                wait_for(lambda: db.hash(s.key("cvd")).get("cvd"), 20, "a first CVD")
                wait_for(lambda: post(other)[0] in (200, 202), 20, "a reset of the second gateway")
                s.fault("reorder", n=20)
                s.fault("duplicate", n=20)
                status, one = post(s.api_port)
                self.assertEqual((status, one["status"]), (200, "applied"), one)
                self.assertEqual(one["anchor"], "reset")
                self.assertGreaterEqual(one["reset_time"], one["requested_time"])
                # Nobody is there to take it: it waits, and is taken once.
                s.procs["strategy"].kill()
                status, two = post(other)
                self.assertEqual((status, two["status"]), (202, "queued"), two)
                s.service("strategy")
                wait_for(lambda: db.hash(s.key("cvd"))["_pos_commands"] == two["command"], 20,
                         "the waiting command is taken")
                s.procs["strategy"].kill()
                s.service("strategy")
                self.wait_stored(s, db, trades, seconds=4 * SECONDS + 30)
                self.assert_settled(s, db)
                last = self.ask(s, "/indicators/cvd")
                # The gateways' clocks are not one: the later reset counts, whoever asked last.
                asked = max(one["requested_time"], two["requested_time"])
                self.assertGreaterEqual(last["reset_time"], asked)
                self.forgets_everything(s, db, last)
                self.forgets_the_seconds(s, db, trades)
            s.stop_all()

    def forgets_everything(self, s, db, before):
        """State lost: trades and commands are still there, and all comes out as it was."""
        s.procs["strategy"].kill()
        for tail in ("strategy", "cvd", "cvd:minutes", "indicators", "indicators:seconds", "events"):
            db("DEL", s.key(tail))
        s.service("strategy")
        wait_for(lambda: db.hash(s.key("cvd")).get("trades") == str(before["trade_count"]), 20,
                 lambda: db.hash(s.key("cvd")))
        self.assert_settled(s, db)

    def forgets_the_seconds(self, s, db, trades):
        """Seconds deleted by hand: unknown from there on back, not zero."""
        s.procs["strategy"].kill()
        db("DEL", s.key("indicators:seconds"))
        s.service("strategy")
        newest = max(t.ts for t in trades)
        wait_for(lambda: db.hash(s.key("indicators")).get("from_ms") == str(newest + 1), 20,
                 lambda: db.hash(s.key("indicators")))
        wait_for(lambda: self.ask(s, "/indicators/volume-delta?period=900")["volume_delta"] is None,
                 10, "unknown is null")
        self.assert_cvd(s, db, self.market(s, db))

    def test_refused_and_unreachable(self):
        """What a reset may not do, and what it answers when it can not be done."""
        with Stack(label="reset") as s:
            redis = s.redis()
            s.service("api", API_TOKEN="s3cret", API_COMMAND_WAIT_MS=300)
            token = {"Authorization": "Bearer s3cret"}
            wait_for(lambda: s.get("/price")[1]["redis_up"], 10, "the gateway has Redis")
            self.assertEqual(post(s.api_port)[0], 401)
            self.assertEqual(post(s.api_port, **token)[0], 503, "nothing was traded yet")
            with s.db() as db:
                at = int(time.time() * 1000)
                db("HSET", s.key("strategy"), "_clock_ms", at, "_updated_ms", at, "_ver", 1)
                self.assertEqual(db("EXISTS", s.key("commands")), 0)
                status, body = wait_for(
                    lambda: (lambda a: a[0] != 503 and a)(post(s.api_port, **token)), 10, "a clock")
                self.assertEqual((status, body["status"]), (202, "queued"))
                entries = db.stream(s.key("commands"))
                self.assertEqual(entries[-1][0], body["command"])
                self.assertEqual(entries[-1][1]["type"], "cvd_reset")
                self.assertAlmostEqual(int(entries[-1][1]["at_ms"]), at, delta=60_000)
                status, body = post(s.api_port, "/indicators/cvd/reset?at=5", **token)
                self.assertEqual(status, 400)
                status, body = post(s.api_port, **{**token, "Origin": "http://elsewhere.example"})
                self.assertEqual(status, 403)
                self.assertEqual(len(db.stream(s.key("commands"))), len(entries))
            redis.kill()
            wait_for(lambda: not s.get("/price")[1]["redis_up"], 10, "the loss is noticed")
            self.assertEqual(post(s.api_port, **token)[0], 503)
            s.procs.pop("redis")
            s.stop_all()

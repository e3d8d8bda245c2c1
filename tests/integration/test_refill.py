"""Holes behind the first live trade that the collector does not fill: backfill does, once each."""

import json
import unittest

import recordings
import reference
import state
from stack import Stack, http, wait_for

DAY = "2026-11-22"
PREV = "2026-11-21"
FAST = dict(BACKFILL_REFILL_SEC="1", BACKFILL_PUBLIC_DELAY_MS="0", BACKFILL_RETRY_BASE="0.05",
            BACKFILL_COOLDOWN_SECONDS="1")


class Refill(unittest.TestCase):
    def play(self, s, begin, now, speed="400", rate="0.03", **collector):
        """A market that catches up with its clock, everything but backfill around it."""
        s.redis()
        s.sim("--generate", "--from", begin, "--now", now, "--rate", rate, "--speed", speed,
              "--weight-limit", "100000")
        for name in ("context", "strategy", "api"):
            s.service(name)
        s.collector(WS_SLOW_MS="0", REPAIR_DELAY_MS="0", REPAIR_RETRY_MS="20", **collector)

    def complete(self, s, **env):
        p = s.backfill(**{**FAST, **env})
        p.wait_event("backfill_complete", 60)
        return p

    def holes(self, db, s):
        """What coverage tells missing between trades, first and last id."""
        out = []
        for day, text in db.hash(s.key("coverage")).items():
            if not day.startswith("_"):
                out += [(x["from_id"], x["to_id"]) for x in json.loads(text)["spans"]
                        if x["state"] == "missing" and x["from_id"] >= 0]
        return out

    def until_whole(self, db, s, seconds=40):
        wait_for(lambda: not self.holes(db, s), seconds, lambda: f"holes {self.holes(db, s)[:3]}", 0.05)

    def pages(self, s):
        """What REST answered rightly to a question by id: (first, last) of more than one row."""
        rows = [r.split(",") for r in
                http(f"http://127.0.0.1:{s.control_port}/requests")[2].splitlines()]
        return sorted((int(r[8]), int(r[9])) for r in rows
                      if "fromId" in r[3] and r[4] == "200" and r[5] == "" and int(r[7]) > 1)

    def assert_once(self, db, s):
        pages = self.pages(s)
        twice = [(a, b) for a, b in zip(pages, pages[1:]) if a[1] >= b[0]]
        # An answer that got lost on its way is asked for again, and that is logged.
        log = (s.dir / "backfill.err").read_text()
        self.assertLessEqual(len(twice), log.count('"ev":"request_failed"'), f"fetched twice: {twice}")
        ids = [t.id for t in state.stored_trades(db, s)]
        self.assertEqual(len(ids), len(set(ids)), "stored twice")

    def assert_exact(self, db, s):
        s.fault("pause")
        told = json.loads(http(f"http://127.0.0.1:{s.control_port}/status")[2])
        (last,) = [x["last_id"] for x in told["lanes"]]
        wait_for(lambda: int(db.tip(s.key("trades")).split("-")[1]) >= last, 30, "the last trade")
        state.settle(db, s, seconds=60)
        trades = state.stored_trades(db, s)
        first = min(trades, key=lambda t: (t.ts, t.id))
        _, _, body = http(f"http://127.0.0.1:{s.control_port}/truth?symbol=BTCUSDT&fromId={first.id}")
        truth = [r.split(",") for r in body.splitlines()]
        self.assertEqual(sorted(t.id for t in trades), [int(r[0]) for r in truth])
        held = [(first.id, first.ts)]  # it proves where the day before begins
        days = [t for t in trades if t.id != first.id]
        market = reference.Market(days, state.units_of(db, s), also_held=held)
        if first.ts < market.prev_start:  # the day rolled: its candle is of no day known now
            for name, tf in state.TIMEFRAMES.items():
                db("HDEL", s.key(f"candles:{name}"), first.ts - first.ts % tf)
        left = state.until_no_difference(lambda: state.check_redis(db, s, market, None), 30)
        self.assertEqual(list(left), [])

    def skip(self, db, s, n):
        """n trades are withheld; the hole is told."""
        known = set(self.holes(db, s))
        s.fault("skip", n=n)
        wait_for(lambda: set(self.holes(db, s)) - known, 30, "a hole", 0.02)

    def test_a_hole_that_nobody_repairs(self):
        """Without the collector's repair, through kill -9, while the status stays complete."""
        with Stack(label="refill") as s:
            self.play(s, f"{DAY}T10:00:00Z", f"{DAY}T12:00:00Z", REPAIR_ENABLED="false")
            env = dict(BACKFILL_REFILL_DELAY_SEC="1", BACKFILL_MAX_CONCURRENT_CHUNKS="1")
            with s.db() as db:
                p = self.complete(s, **env)
                self.until_whole(db, s)
                self.skip(db, s, 1300 if recordings.LONG else 200)
                p.wait_event("refill_begins", 30)
                states = set()

                def settled():
                    states.add(s.get("/backfill/status")[1]["status"])
                    return not self.holes(db, s)

                wait_for(settled, 40, "no hole", 0.02)
                self.assertEqual(states, {"complete"})
                p.wait_event("refill_ends", 10)
                s.fault("http", kind="slow", path="/fapi/v1/aggTrades", rate=100, n=1)
                self.skip(db, s, 30)
                p.wait_event("refill_begins", 30, lambda r: r != p.events("refill_begins")[0])
                p.kill()
                self.complete(s, **env)
                self.until_whole(db, s)
                self.assert_once(db, s)
                self.assert_exact(db, s)
                told = [x for x in s.get("/backfill/status")[1]["sources"] if "refill" in x]
                self.assertEqual(len(told), 1)
            s.stop_all()

    def test_what_the_collector_gave_up(self):
        """REST told the collector nonsense until it gave up; what it gave up is not waited for."""
        with Stack(label="gaveup") as s:
            self.play(s, f"{DAY}T11:00:00Z", f"{DAY}T12:00:00Z", speed="200", REPAIR_TRIES="2")
            with s.db() as db:
                self.complete(s, BACKFILL_REFILL_DELAY_SEC="3600")
                self.until_whole(db, s)
                s.fault("http", kind="newest", path="/fapi/v1/aggTrades", n=2)
                self.skip(db, s, 40)
                wait_for(lambda: any(f["kind"] == "lost" for f in state.history_rows(db, s)), 30, "lost")
                self.until_whole(db, s)
                (lost,) = [f for f in state.history_rows(db, s) if f["kind"] == "lost"]
                self.assertEqual(lost["reason"], "retries exhausted")
                # What backfill delivered of it, it says.
                ids = db("HGET", s.key("backfill"), "_ids")
                spans = [tuple(map(int, x.split("@")[0].split("-"))) for x in ids.split(",")]
                a, b = int(lost["from_id"]), int(lost["to_id"])
                self.assertTrue(any(lo <= a and b <= hi for lo, hi in spans), (lost, spans))
                self.assert_once(db, s)
                self.assert_exact(db, s)
            s.stop_all()

    def test_the_archive_of_the_next_day(self):
        """REST gave it up, too: when the day is over its archive brings it."""
        with Stack(label="nextday") as s:
            self.play(s, f"{PREV}T23:45:00Z", f"{DAY}T00:05:00Z", speed="60", REPAIR_ENABLED="false")
            with s.db() as db:
                # The market waits where the test needs time: midnight comes when it may.
                wait_for(lambda: db("XLEN", s.key("trades")) > 0, 60, "the first live trade")
                s.fault("pause")
                p = self.complete(s, BACKFILL_REFILL_DELAY_SEC="0", BACKFILL_MAX_RETRIES="1",
                                  CONTEXT_BOOTSTRAP_PREV_DAY="false")
                self.until_whole(db, s)
                s.fault("http", kind="newest", path="/fapi/v1/aggTrades", n=1)
                s.fault("resume")
                self.skip(db, s, 40)
                s.fault("pause")
                row = p.wait_event("hole_declared", 30)
                self.assertEqual(db("HGET", s.key("context"), "day"), PREV)
                self.assertIn((row["from_id"], row["to_id"]), self.holes(db, s))
                s.fault("resume")
                wait_for(lambda: db("HGET", s.key("context"), "day") == DAY, 60, "the next day")
                self.until_whole(db, s)
                back = [f for f in state.history_rows(db, s) if f["kind"] == "trades"
                        and f["source"] in ("archive", "store") and int(f["from_id"]) >= row["from_id"]]
                self.assertEqual([(int(f["from_id"]), int(f["to_id"])) for f in back],
                                 [(row["from_id"], row["to_id"])])
                self.assertNotIn(str(row["from_id"]), db("HGET", s.key("backfill"), "_lost"))
                self.assert_once(db, s)
                self.assert_exact(db, s)
            s.stop_all()

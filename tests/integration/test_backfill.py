"""History before the first live trade: complete and exact, from every source, through every fault."""

import calendar
import json
import random
import time

import recordings
import duck
import reference
import state
from history import HistoryVenue
from scenario import Scenario
from stack import Stack, http, wait_for

DAY_MS = 86_400_000
# A generated day has 691,200 trades at rate 1.
RATE = "2.18" if recordings.LONG else "0.012"
KILLS = 20 if recordings.LONG else 5


def iso(ms):
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(ms / 1000))


def midnight():
    t = time.gmtime()
    return calendar.timegm((t.tm_year, t.tm_mon, t.tm_mday, 0, 0, 0)) * 1000


def just_now():
    """A moment of today from which the feed is soon in real time."""
    return max(int(time.time() * 1000) - 120_000, midnight() + 1000)


class Backfill(Scenario):
    def market(self, s, from_ms, speed="20", services=("context", "strategy", "api")):
        """A generated market whose feed begins at from_ms, with everything but backfill."""
        s.redis()
        s.sim("--generate", "--from", iso(from_ms), "--rate", RATE, "--speed", speed,
              "--weight-limit", "1000000000")
        for name in services:
            s.service(name)
        s.collector(WEIGHT_LIMIT="1000000")

    def first_live(self, db, s):
        key = s.key("trades")
        wait_for(lambda: db("XLEN", key) > 0, 60, "the first live trade")
        return int(db("XRANGE", key, "-", "+", "COUNT", "1")[0][0].split("-")[1])

    def whole(self, p, seconds=60):
        return p.wait_event("backfill_complete", seconds)

    def assert_exact(self, db, s, venue, first, anchored=True):
        """Everything derived equals the recomputation over all trades from `first` on."""
        s.fault("pause")
        trades = venue.truth(first - 1 if anchored else first)
        self.wait_stored(s, db, trades)
        held = [(t.id, t.ts) for t in trades[:1]] if anchored else []
        days = trades[1:] if anchored else trades
        state.settle(db, s, seconds=60)
        market = reference.Market(days, state.units_of(db, s), also_held=held)
        left = state.until_no_difference(lambda: state.check_redis(db, s, market, None), 30)
        self.assertEqual(list(left), [])
        return market

    def assert_once(self, db, s, venue=None):
        """No trade was delivered twice, no page was fetched twice."""
        ids = [t.id for t in state.stored_trades(db, s)]
        self.assertEqual(len(ids), len(set(ids)), "a trade is stored twice")
        if venue is not None:
            pages = sorted(venue.pages)
            for a, b in zip(pages, pages[1:]):
                self.assertLess(a[1], b[0], "a page was fetched twice")

    def parts(self, s, day):
        return sorted((s.dir / "history" / "simulated").glob(f"*/*/date={day}/*.parquet"))

    def assert_sql(self, db, s, start_ms):
        """The levels of a stored day, recomputed by SQL on its Parquet files."""
        day = iso(start_ms)[:10]
        wait_for(lambda: self.parts(s, day) and self.parts(s, iso(start_ms + DAY_MS)[:10]), 20,
                 "the store to be written")
        files = [str(p) for p in self.parts(s, day)]
        (row,) = duck.query(
            "SELECT count(*), max(price), min(price), sum(qty), sum(CASE side WHEN 'buy' THEN qty "
            f"ELSE -qty END), count(DISTINCT id) FROM read_parquet({files})")
        (poc,) = duck.query(
            f"SELECT floor(price * 10) / 10 AS bin, sum(qty) AS v FROM read_parquet({files}) "
            "GROUP BY bin ORDER BY v DESC, bin LIMIT 1")
        (order,) = duck.query(
            "SELECT count(*) FROM (SELECT ts_ms, id, lag(ts_ms) OVER () AS t, lag(id) OVER () AS i "
            f"FROM read_parquet({files[:1]})) WHERE t IS NOT NULL AND (ts_ms, id) <= (t, i)")
        self.assertEqual(order[0], "0", "a part is not in set order")
        h = db.hash(s.key(f"context:{day}"))
        self.assertEqual(row[0], row[5])
        self.assertEqual(h["trades"], row[0])
        for name, text in zip(("high", "low", "volume", "delta"), row[1:5]):
            self.assertEqual(state.number(h[name]), state.number(text), name)
        self.assertEqual(state.number(h["poc"]), state.number(poc[0]))

    def status(self, s):
        status, body = s.get("/backfill/status")
        self.assertEqual(status, 200)
        return body

    def test_cold_start_then_warm(self):
        """The day before by archive, today by REST, proven by ids; then again from what is kept."""
        today = midnight()
        with Stack(label="cold") as s, HistoryVenue(s) as venue:
            sixteen = today + 16 * 3_600_000
            self.market(s, sixteen if time.time() * 1000 > sixteen + 600_000 else just_now())
            p0, t0 = venue.first_id(today - DAY_MS), venue.first_id(today)
            venue.publish(iso(today - DAY_MS)[:10], venue.truth(p0, t0 - 1))
            self.assertEqual(self.status(s)["status"], "idle")
            with s.db() as db:
                live = self.first_live(db, s)
                p = s.backfill(**venue.env())
                done = self.whole(p)
                self.assertEqual(done["lost"], 0)
                self.assert_exact(db, s, venue, p0)
                self.assert_once(db, s, venue)
                pages = -(-(live - t0) // 1000)
                rest = [q for path, q in venue.seen if path.endswith("aggTrades")]
                self.assertEqual(len(rest), pages + 4, "two locates, two anchors, the pages")
                self.assertEqual([d[1] for d in venue.downloads], [0])
                wait_for(lambda: self.status(s)["status"] == "complete", 10, "the api to say so")
                body = self.status(s)
                self.assertEqual((body["complete"], body["running"]), (True, False))
                self.assertEqual(body["progress"]["percentage"], 100)
                self.assertEqual(body["progress"]["total"], live - p0)
                self.assertEqual(body["cache_status"], "MISS")
                self.assertEqual(body["trades_loaded"], live - p0 + 1)
                self.assertEqual([x["source"] for x in body["sources"]], ["archive", "rest"])
                self.assertTrue(all(x["start_proven"] for x in body["sources"]))
                _, health = s.get("/health")
                self.assertEqual(health["metrics_precision"], "PRECISE")
                self.assertTrue(health["backfill_complete"])
                self.assert_sql(db, s, today - DAY_MS)
                # Restarted, it knows that nothing is missing and asks for nothing.
                before = len(venue.seen)
                p.term(5)
                self.whole(s.backfill(**venue.env()))
                self.assertEqual(len(venue.seen), before)
                # An empty keyspace: everything comes from the store, what the first live trade of
                # then left over from REST.
                for name in ("backfill", "collector", "context", "strategy"):
                    s.procs[name].term(5)
                db("FLUSHALL")
                venue.pages.clear()
                s.fault("resume")
                for name in ("context", "strategy"):
                    s.service(name)
                s.collector(WEIGHT_LIMIT="1000000")
                self.first_live(db, s)
                done = self.whole(s.backfill(**venue.env()))
                self.assertEqual(len(venue.downloads), 1)
                # But the trade that proves where today begins, if that answer was there first.
                self.assertIn(done["from_store"], (live - p0, live - p0 - 1))
                self.assertTrue(all(a >= live for a, _ in venue.pages), "fetched although stored")
                self.assert_exact(db, s, venue, p0)
                self.assert_once(db, s, venue)
                wait_for(lambda: self.status(s)["cache_status"] == "HIT", 10, "HIT")
            s.stop_all()

    def test_killed_at_random_moments(self):
        """kill -9 again and again: it goes on exactly where it was, nothing is delivered twice."""
        rng = random.Random(f"{recordings.SEED} backfill")
        today = midnight()
        with Stack(label="bfkill") as s, HistoryVenue(s) as venue:
            self.market(s, just_now(),
                        services=("context", "strategy"))
            p0, t0 = venue.first_id(today - DAY_MS), venue.first_id(today)
            venue.publish(iso(today - DAY_MS)[:10], venue.truth(p0, t0 - 1))
            with s.db() as db:
                live = self.first_live(db, s)
                venue.delay_s = 0.03
                kills = 0
                for _ in range(KILLS):
                    want = rng.random() * (live - p0)
                    p = s.backfill(**venue.env(BACKFILL_MAX_CONCURRENT_CHUNKS="3"))

                    def reached():
                        loaded = int(db("HGET", s.key("backfill"), "trades_loaded") or 0)
                        return loaded >= want or p.events("backfill_complete")

                    wait_for(reached, 60, "some of it", every=0.005)
                    kills += not p.events("backfill_complete")
                    p.kill()
                venue.delay_s = 0
                self.whole(s.backfill(**venue.env()))
                self.assert_once(db, s)
                self.assert_exact(db, s, venue, p0)
            print(f"       {kills} of {KILLS} kills while it ran", flush=True)
            s.stop_all()

    def test_faults_on_command(self):
        """Refusals, server errors, silence, torn and wrong answers, torn archives: all of it late,
        none of it wrong."""
        today = midnight()
        with Stack(label="bffault") as s, HistoryVenue(s) as venue:
            self.market(s, just_now(),
                        services=("context", "strategy"))
            p0, t0 = venue.first_id(today - DAY_MS), venue.first_id(today)
            venue.publish(iso(today - DAY_MS)[:10], venue.truth(p0, t0 - 1), header=False)
            venue.faults = [503, "empty", None, "newest", None, "torn", 500, "silence", None, None,
                            429, None, "newest", "torn", None, 418, None, "empty"]
            venue.file_faults = ["torn", 503, "torn"]
            with s.db() as db:
                self.first_live(db, s)
                p = s.backfill(**venue.env(BUDGET_SCOPE="test"))
                # What bans the address is stored for all; this one is lifted by hand.
                p.wait_event("request_failed", 30, lambda r: "418" in r["why"])
                db("DEL", "bc4:budget:binance:test")
                done = self.whole(p)
                self.assertEqual(done["lost"], 0)
                self.assert_exact(db, s, venue, p0)
                self.assert_once(db, s, venue)
                # A torn download is gone on with, not begun anew.
                starts = [start for _, start, _ in venue.downloads]
                self.assertEqual(starts[0], 0)
                self.assertGreater(starts[-1], 0)
            s.stop_all()

    def test_bad_archive_is_left_to_rest(self):
        """A checksum that is never right: the day comes from REST, and why is told."""
        today = midnight()
        with Stack(label="bfsum") as s, HistoryVenue(s) as venue:
            self.market(s, just_now())
            p0, t0 = venue.first_id(today - DAY_MS), venue.first_id(today)
            day = iso(today - DAY_MS)[:10]
            venue.publish(day, venue.truth(p0, t0 - 1))
            name = f"BTCUSDT-aggTrades-{day}.zip"
            venue.checksums[name] = f"{'0' * 64}  {name}\n"
            with s.db() as db:
                self.first_live(db, s)
                self.whole(s.backfill(**venue.env(BACKFILL_MAX_RETRIES="2")))
                self.assert_exact(db, s, venue, p0)
                self.assert_once(db, s, venue)
                wait_for(lambda: self.status(s)["status"] == "complete", 10, "complete")
                first = self.status(s)["sources"][0]
                self.assertEqual(first["source"], "rest")
                self.assertIn("SHA-256", first["archive"])
            s.stop_all()

    def test_around_midnight(self):
        """Started at 23:55 and rolling over; and at 00:00:05, before there is an archive."""
        today = midnight()
        with Stack(label="bf2355") as s, HistoryVenue(s) as venue:
            self.market(s, today - 300_000, speed="60", services=("context", "strategy"))
            y0 = venue.first_id(today - DAY_MS)
            with s.db() as db:
                self.first_live(db, s)
                self.whole(s.backfill(**venue.env(BACKFILL_MAX_RETRIES="2")))
                wait_for(lambda: db("HGET", s.key("context"), "day") == iso(today)[:10], 60,
                         "the day to roll")
                # The venue no longer tells of the day before: yesterday alone is known, whole.
                # The one trade that proves where it begins made a candle of its own.
                for name, tf in (("1m", 60_000), ("5m", 300_000)):
                    db("HDEL", s.key(f"candles:{name}"), today - DAY_MS - tf)
                self.assert_exact(db, s, venue, y0)
            s.stop_all()
        with Stack(label="bf0000") as s, HistoryVenue(s) as venue:
            self.market(s, today + 5000, services=("context", "strategy"))
            y0 = venue.first_id(today - DAY_MS)
            with s.db() as db:
                self.first_live(db, s)
                self.whole(s.backfill(**venue.env()))
                self.assert_exact(db, s, venue, y0)
                self.assert_once(db, s, venue)
            s.stop_all()

    def test_switched_off(self):
        with Stack(label="bfoff") as s:
            s.redis()
            s.sim("--generate", "--from", iso(midnight() + 1000), "--rate", RATE)
            s.api()
            s.backfill(CONTEXT_BACKFILL_ENABLED="false")
            wait_for(lambda: self.status(s)["status"] == "disabled", 10, "disabled")
            port = s.p_backfill.health_port
            self.assertEqual(http(f"http://127.0.0.1:{port}/ready")[0], 200)
            row = json.loads(http(f"http://127.0.0.1:{port}/health")[2])
            self.assertEqual(row["binance:BTCUSDT.status"], "disabled")
            s.stop_all()

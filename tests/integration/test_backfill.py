"""History before the first live trade: complete and exact, from every source, through every fault."""

import calendar
import hashlib
import io
import json
import random
import time
import urllib.request
import zipfile
from fractions import Fraction

import recordings
import duck
import reference
import state
from history import HistoryVenue
from scenario import Scenario
from stack import Stack, http, wait_for

DAY_MS = 86_400_000
# A generated day has 691,200 trades at rate 1.
RATE = "0.1" if recordings.LONG else "0.012"
FULL_RATE = "2.18"  # 1.5 million a day
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
        h = db.hash(s.key(f"context:{day}"))

        def whole():  # a part of each source; every one is renamed when it is finished
            files = [str(p) for p in self.parts(s, day)]
            return files and duck.query(
                f"SELECT count(*) FROM read_parquet({files})")[0][0] == h["trades"] and files

        wait_for(lambda: self.parts(s, iso(start_ms + DAY_MS)[:10]), 60, "today to be stored")
        files = wait_for(whole, 60, "the whole day before to be stored")
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
                for x in body["sources"]:  # who brought which ids: all of them, one after the other
                    at = x["from_id"]
                    for part in sorted(x["parts"], key=lambda q: q["from_id"]):
                        self.assertEqual(part["from_id"], at, x)
                        self.assertLessEqual(part["from_ms"], part["to_ms"])
                        at = part["to_id"] + 1
                    self.assertEqual(at, x["to_id"] + 1, x)
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
        """A checksum that is never right, and a key that is refused: the day comes from REST,
        without a key, and why is told."""
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
                p = s.backfill(**venue.env(BACKFILL_MAX_RETRIES="2", BINANCE_API_KEY="not a known one"))
                self.whole(p)
                self.assertEqual(len(p.events("key_refused")), 1)  # and goes on without it
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

    def test_against_the_simulated_venue_alone(self):
        """Archive, REST and refusals of exchange-sim itself, within its weight limit."""
        today = midnight()
        with Stack(label="bfsim") as s, HistoryVenue(s) as venue:
            s.redis()
            s.sim("--generate", "--from", iso(just_now()), "--rate", "0.012", "--speed", "20")
            for name in ("context", "strategy", "api"):
                s.service(name)
            s.collector()
            p0, t0 = venue.first_id(today - DAY_MS), venue.first_id(today)
            with s.db() as db:
                self.first_live(db, s)
                # The file is an honest ZIP of exactly that day.
                name = f"BTCUSDT-aggTrades-{iso(today - DAY_MS)[:10]}.zip"
                url = f"http://127.0.0.1:{s.port}/data/futures/um/daily/aggTrades/BTCUSDT/{name}"
                with urllib.request.urlopen(url) as r:
                    data = r.read()
                with urllib.request.urlopen(url + ".CHECKSUM") as r:
                    self.assertEqual(r.read().decode(),
                                     f"{hashlib.sha256(data).hexdigest()}  {name}\n")
                with zipfile.ZipFile(io.BytesIO(data)) as z:
                    rows = z.read(name.replace(".zip", ".csv")).decode().splitlines()
                self.assertEqual([int(r.split(",")[0]) for r in rows[1:]], list(range(p0, t0)))
                s.fault("http", kind="torn", path="/data/", n=3)
                s.fault("http", kind="wrong", path="/fapi/v1/aggTrades", n=2)
                s.fault("http", kind="500", path="/fapi/v1/aggTrades", n=2)
                s.fault("http", kind="429", path="/fapi/v1/aggTrades", n=1, retry_after=1)
                self.whole(s.backfill(BACKFILL_RETRY_BASE="0.1"), 150 if recordings.LONG else 60)
                self.assert_exact(db, s, venue, p0)
                self.assert_once(db, s)
            told = json.loads(http(f"http://127.0.0.1:{s.control_port}/status")[2])
            self.assertEqual(told["over_limit"], 0, "a request beyond the weight limit")
            self.assertEqual(told["requests_during_backoff"], 0, "a request before Retry-After")
            s.stop_all()

    def full_day(self):
        """A day of 1.5 million trades by archive, today by REST: counted in integers, bin by bin."""
        today = midnight()
        with Stack(label="bffull") as s, HistoryVenue(s) as venue:
            s.redis()
            s.sim("--generate", "--from", iso(just_now()), "--rate", FULL_RATE, "--speed", "20",
                  "--weight-limit", "1000000000")
            for name in ("context", "strategy"):
                s.service(name)
            s.collector(WEIGHT_LIMIT="1000000")
            env = dict(WEIGHT_LIMIT="1000000000", BACKFILL_PUBLIC_DELAY_MS="0")
            p0 = venue.first_id(today - DAY_MS)
            with s.db() as db:
                live = self.first_live(db, s)
                done = self.whole(s.backfill(**env), 300)
                print(f"       {live - p0} trades in {done['ms']} ms", flush=True)
                self.assert_days(db, s, today, p0)
                for name in ("backfill", "collector", "context", "strategy"):
                    s.procs[name].term(5)
                self.assert_sql(db, s, today - DAY_MS)
                db("FLUSHALL")
                for name in ("context", "strategy"):
                    s.service(name)
                s.collector(WEIGHT_LIMIT="1000000")
                self.first_live(db, s)
                done = self.whole(s.backfill(**env), 300)
                print(f"       {done['from_store']} from the store in {done['ms']} ms", flush=True)
                self.assertGreater(done["from_store"], live - p0 - 2)
                self.assert_days(db, s, today, p0)
            s.stop_all()

    if recordings.LONG:
        test_full_day = full_day

    def assert_days(self, db, s, today, p0):
        """Sums and every bin of both days equal those of the market's own truth."""
        s.fault("pause")
        state.settle(db, s, seconds=120)
        days, at = {}, p0
        tip = int(db.tip(s.key("trades")).split("-")[1])
        while at <= tip:
            _, _, body = http(f"http://127.0.0.1:{s.control_port}/truth?symbol=BTCUSDT&fromId={at}", 60)
            for row in body.splitlines():
                a, p, q, _, _, ts, maker = row.split(",")[:7]
                at = int(a) + 1
                if int(a) > tip:
                    break
                day = days.setdefault(int(ts) - int(ts) % DAY_MS, [0, 0, 0, {}])
                tick, lots = int(p.replace(".", "")), int(q.replace(".", ""))
                day[0] += 1
                day[1] += lots
                day[2] += tick * lots
                bin_ = day[3].setdefault(tick // 10 * 10, [0, 0, 0, 0])
                bin_[0] += lots
                bin_[1 if maker == "false" else 2] += lots
                bin_[3] += 1
        self.assertEqual(sorted(days), [today - DAY_MS, today])
        for start, (n, lots, quote, bins) in days.items():
            h = db.hash(s.key(f"context:{iso(start)[:10]}"))
            self.assertEqual(int(h["trades"]), n)
            self.assertEqual(state.number(h["volume"]), Fraction(lots, 1000))
            self.assertEqual(h["vwap"], reference.half_even_8(Fraction(quote, lots * 100)))
            stored = {Fraction(k): [Fraction(x) for x in v.split()]
                      for k, v in db.hash(s.key(f"profile:{iso(start)[:10]}")).items()}
            want = {Fraction(k, 100): [Fraction(x, 1000) for x in v[:3]] + [v[3]]
                    for k, v in bins.items()}
            self.assertEqual(stored, want)
        h = db.hash(s.key("context"))
        self.assertEqual((h["missing_ms_today"], h["missing_ms_prev"]), ("0", "0"))
        s.fault("resume")

    def test_mode_proves_a_key(self):
        with Stack(label="bfkey") as s, HistoryVenue(s) as venue:
            s.sim("--generate", "--rate", RATE)
            cases = (("", "", 0, "key     none given"),
                     (venue.KEY, venue.SECRET, 0, "secret  accepted"),
                     (venue.KEY, "another one of some length", 1, "secret  refused: HTTP 400"),
                     ("another one of some length", "", 1, "key     refused: HTTP 401"))
            for key, secret, code, word in cases:
                p = s.service("backfill", wait=False, **venue.env(
                    CONTEXT_BACKFILL_TEST_MODE="true", BINANCE_API_KEY=key, BINANCE_API_SECRET=secret))
                self.assertEqual(p.wait(10), code, p.stderr())
                self.assertIn("venue   reached", p.stdout())
                self.assertIn(word, p.stdout())
                for hidden in filter(None, (key, secret)):
                    self.assertNotIn(hidden, p.stdout() + p.stderr())

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

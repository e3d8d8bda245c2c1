"""History at full size (BC4_MODE=test-long: a day of 1.5 million trades; else the same in small):
whenever backfill starts, whatever the venue answers and whoever is killed, the state is that of a
straight recomputation, no request goes beyond the budget and nothing is fetched twice.

The venue's clock is set (exchange-sim --now), so every hour of the day can be had at any time.
"""

import http.client
import json
import random
import time

import recordings
import reference
import state
import test_backfill
from scenario import Scenario
from stack import PATIENCE, Stack, http as get, wait_for

LONG = recordings.LONG
RATE = "2.18" if LONG else "0.02"  # 691,200 trades a day at rate 1
LIMIT = 400_000 if LONG else 4_800  # weight a minute
KILLS = 20 if LONG else 4
DAY_MS = 86_400_000
TODAY = 1_795_305_600_000  # 2026-11-22, by the venue's clock
WAIT = 400 if LONG else 60

SPANS = """
local out, at = {}, '-'
while true do
  local rows = redis.call('XRANGE', KEYS[1], at, '+', 'COUNT', 200)
  if #rows == 0 then return out end
  for _, row in ipairs(rows) do
    local f = {}
    for i = 1, #row[2], 2 do f[row[2][i]] = row[2][i + 1] end
    out[#out + 1] = f.kind .. ' ' .. f.from_id .. ' ' .. f.to_id .. ' ' .. f.n .. ' ' .. f.source
  end
  at = '(' .. rows[#rows][1]
end
"""


def iso(ms):
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(ms // 1000))


class Proof(Scenario):
    def market(self, s, now_ms, lead_s=60, speed="60", services=("context", "strategy", "api")):
        """The market of now_ms and of lead_s before it, everything but backfill."""
        s.redis()
        s.sim("--generate", "--now", iso(now_ms), "--from", iso(now_ms - lead_s * 1000), "--rate", RATE,
              "--speed", speed, "--weight-limit", LIMIT)
        for name in services:
            s.service(name)
        s.collector(WS_SLOW_MS="0")

    def env(self, **more):
        return dict(BACKFILL_PUBLIC_DELAY_MS="0", BACKFILL_RETRY_BASE="0.05", BACKFILL_COOLDOWN_SECONDS="1",
                    BACKFILL_SUMMARY_AFTER_MINUTES="1440", **more)

    def first_live(self, db, s):
        key = s.key("trades")
        wait_for(lambda: db("XLEN", key) > 0, 60, "the first live trade")
        return int(db("XRANGE", key, "-", "+", "COUNT", "1")[0][0].split("-")[1])

    def first_id(self, s, ms):
        _, _, body = get(f"http://127.0.0.1:{s.port}/fapi/v1/aggTrades?symbol=BTCUSDT&startTime={ms}&limit=1")
        return json.loads(body)[0]["a"]

    def truth(self, s, first, last):
        """The generated set from id first on."""
        out, c = [], http.client.HTTPConnection("127.0.0.1", s.control_port, timeout=300)
        while first <= last:
            c.request("GET", f"/truth?symbol=BTCUSDT&fromId={first}&limit=200000")
            for row in c.getresponse().read().decode().splitlines():
                a, p, q, _, _, ts, maker = row.split(",")[:7]
                first = int(a) + 1
                if first - 1 <= last:
                    out.append(reference.make_trade(int(ts), first - 1, p, q,
                                                    "sell" if maker == "true" else "buy"))
        return out

    def requests(self, s, tail):
        """(status, fault, first id, last id, rows) of every request whose path ends so."""
        _, _, body = get(f"http://127.0.0.1:{s.control_port}/requests", 60)
        rows = [r.split(",") for r in body.splitlines() if "," in r]
        return [(int(r[4]), r[5], int(r[8]), int(r[9]), int(r[7])) for r in rows
                if r[3].split("?")[0].endswith(tail)]

    def assert_polite(self, s):
        told = json.loads(get(f"http://127.0.0.1:{s.control_port}/status")[2])
        self.assertEqual(told["over_limit"], 0, "a request beyond the weight limit")
        self.assertLessEqual(told["weight_used_max"], LIMIT)
        self.assertEqual(told["requests_during_ban"], 0, "a request during a ban")
        self.assertEqual(told["requests_during_backoff"], 0, "a request before Retry-After")
        return told

    def assert_once(self, db, s, killed=False):
        """No id was delivered twice; what REST answered well it was not asked for again (a killed
        process may not have delivered what was just answered: then a page may come again)."""
        rows = [r.split(" ") for r in db("EVAL", SPANS, "1", s.key("history"))]
        spans = sorted((int(a), int(b)) for kind, a, b, n, _ in rows if kind == "trades")
        for x, y in zip(spans, spans[1:]):
            self.assertLess(x[1], y[0], "delivered twice")
        pages = sorted(r[2:4] for r in self.requests(s, "/aggTrades")
                       if r[0] == 200 and r[1] in ("", "slow") and r[4] > 1)
        twice = sum(a[1] >= b[0] for a, b in zip(pages, pages[1:]))
        # An answer that got lost on its way is asked for again, and that is logged.
        failed = (s.dir / "backfill.err").read_text().count('"ev":"request_failed"')
        self.assertLessEqual(twice, failed + (8 * KILLS if killed else 0), "fetched twice")
        return len(pages)

    def assert_exact(self, db, s, first, anchor=True):
        """Everything derived equals the recomputation over all trades from id first on; the one
        before it proves where the day begins."""
        s.fault("pause")
        told = json.loads(get(f"http://127.0.0.1:{s.control_port}/status")[2])
        (tip,) = [x["last_id"] for x in told["lanes"]]
        wait_for(lambda: int(db.tip(s.key("trades")).split("-")[1]) >= tip, 60, "the last trade")
        state.settle(db, s, seconds=WAIT)
        begin = time.monotonic()
        trades = self.truth(s, first - 1, tip)
        held = [(trades[0].id, trades[0].ts)] if anchor else []
        market = reference.Market(trades[1:], state.units_of(db, s), also_held=held)
        for name in state.TIMEFRAMES:  # of days before the previous one no trade is known any more
            key = s.key(f"candles:{name}")
            old = [k for k in db.hash(key) if k.isdigit() and int(k) < market.prev_start]
            if old:
                db("HDEL", key, *old)
        left = state.until_no_difference(lambda: state.check_redis(db, s, market, None), 30)
        self.assertEqual(list(left), [])
        s.fault("resume")
        return len(trades), time.monotonic() - begin

    def assert_sql(self, db, s):
        test_backfill.Backfill.assert_sql(self, db, s, TODAY - DAY_MS)

    def parts(self, s, day):
        return test_backfill.Backfill.parts(self, s, day)

    def whole(self, p):
        return p.wait_event("backfill_complete", WAIT)

    def told(self, what, done, trades, **more):
        seconds = max(done["ms"], 1) / 1000
        extra = "".join(f", {k.replace('_', ' ')} {v}" for k, v in more.items())
        print(f"       {what}: {trades} trades in {seconds:.2f} s ({trades / seconds:.0f} a second){extra}",
              flush=True)

    # ---- the proofs ---------------------------------------------------------------------------

    def test_cold_at_16_then_warm(self):
        """By archive and REST; then, with an empty keyspace, from the store alone."""
        with Stack(label="proofcold") as s:
            self.market(s, TODAY + 16 * 3_600_000)
            with s.db() as db:
                live = self.first_live(db, s)
                p0, t0 = self.first_id(s, TODAY - DAY_MS), self.first_id(s, TODAY)
                p = s.backfill(**self.env())
                done = self.whole(p)
                pages = self.assert_once(db, s)
                self.told("cold", done, live - p0, pages=pages)
                n, took = self.assert_exact(db, s, p0)
                print(f"       {n} trades recomputed in {took:.1f} s", flush=True)
                self.assertEqual(pages, -(-(live - t0) // 1000))
                zips = self.requests(s, ".zip")
                self.assertEqual([z[0] for z in zips], [200], "the archive is fetched once")
                self.assert_sql(db, s)
                told = self.assert_polite(s)
                print(f"       weight {told['weight_used_max']} of {LIMIT} a minute at most", flush=True)
                for name in ("backfill", "collector", "context", "strategy"):
                    s.procs[name].term(5)
                db("FLUSHALL")
                for name in ("context", "strategy"):
                    s.service(name)
                s.collector(WS_SLOW_MS="0")
                again = self.first_live(db, s)
                done = self.whole(s.backfill(**self.env()))
                self.told("warm", done, done["from_store"])
                self.assertGreaterEqual(done["from_store"], live - p0 - 1)
                self.assert_exact(db, s, p0)
                # What lies between the first live trade of then and that of now.
                after = self.assert_once(db, s)
                self.assertLessEqual(after - pages, 2 + (again - live) // 1000)
                self.assertEqual(len(self.requests(s, ".zip")), 1)
                self.assert_polite(s)
            s.stop_all()

    def test_killed(self):
        """kill -9 at random moments of its work: backfill each time, context and strategy too."""
        rng = random.Random(f"{recordings.SEED} proof")
        with Stack(label="proofkill") as s:
            self.market(s, TODAY + 16 * 3_600_000, services=("context", "strategy"))
            with s.db() as db:
                live = self.first_live(db, s)
                p0 = self.first_id(s, TODAY - DAY_MS)
                # Pages come slowly, so that there are moments enough.
                s.fault("http", kind="slow", path="/fapi/v1/aggTrades", ms=3_600_000,
                        rate=4_000_000 if LONG else 400_000)
                hit, others = 0, 0
                places = sorted(rng.random() for _ in range(KILLS))
                for place in places:
                    p = s.backfill(**self.env(BACKFILL_MAX_CONCURRENT_CHUNKS="3"))
                    want = place * (live - p0)

                    def reached():
                        loaded = int(db("HGET", s.key("backfill"), "trades_loaded") or 0)
                        return loaded >= want or p.events("backfill_complete")

                    wait_for(reached, WAIT, "some of it", every=0.005)
                    hit += not p.events("backfill_complete")
                    p.kill()
                    if rng.random() < 0.5:
                        name = rng.choice(("context", "strategy"))
                        s.procs[name].kill()
                        s.service(name)
                        others += 1
                s.fault("http/clear")
                self.whole(s.backfill(**self.env()))
                pages = self.assert_once(db, s, killed=True)
                n, _ = self.assert_exact(db, s, p0)
                print(f"       {hit} of {KILLS} kills while it ran, {others} of context and strategy; {n} "
                      f"trades, {pages} pages", flush=True)
                self.assert_polite(s)
            s.stop_all()

    def test_faults(self):
        """Everything a venue can answer instead of what it was asked for."""
        with Stack(label="prooffault") as s:
            self.market(s, TODAY + 16 * 3_600_000, services=("context", "strategy"))
            with s.db() as db:
                self.first_live(db, s)
                p0 = self.first_id(s, TODAY - DAY_MS)
                path = "/fapi/v1/aggTrades"
                name = f"/data/futures/um/daily/aggTrades/BTCUSDT/BTCUSDT-aggTrades-{iso(TODAY - DAY_MS)[:10]}.zip"
                s.fault("http", kind="torn", path=name + "$", n=2)
                s.fault("http", kind="503", path=name + ".CHECKSUM", n=1)
                order = ["503", "empty", "newest", "torn", "symbol", "500", "repeat", "wrong", "408", "newest"]
                for kind in order:
                    s.fault("http", kind=kind, path=path, n=1)
                s.fault("http", kind="429", path=path, n=1, retry_after=1)
                s.fault("http", kind="hang", path=path, n=1)
                s.fault("http", kind="418", path=path, n=1, ban_ms=1500)
                s.fault("http", kind="451", path=path, n=1)
                p = s.backfill(**self.env(BINANCE_API_TIMEOUT="1", BACKFILL_MAX_RETRIES="12"))
                done = self.whole(p)
                self.assertEqual(done["lost"], 0)
                told = json.loads(get(f"http://127.0.0.1:{s.control_port}/status")[2])
                self.assertEqual(told["http_faults_waiting"], 0, "a fault that nobody met")
                self.assertEqual(told["over_limit"], 0)
                self.assertEqual(told["requests_during_ban"], 0)
                self.assert_once(db, s)
                n, _ = self.assert_exact(db, s, p0)
                self.told("faults", done, n, faults_met=told["http_faults_hit"])
            s.stop_all()

    def archives_that_can_not_be_had(self):
        """A checksum of other bytes, then a file that is not there: the day comes from REST."""
        for label, order in (("proofsum", dict(checksum="bad")), ("proof404", dict(missing=1))):
            with Stack(label=label) as s:
                self.market(s, TODAY + 2 * 3_600_000, services=("context", "strategy"))
                s.fault("archive", venue="binance", **order)
                with s.db() as db:
                    live = self.first_live(db, s)
                    p0 = self.first_id(s, TODAY - DAY_MS)
                    done = self.whole(s.backfill(**self.env(BACKFILL_MAX_RETRIES="2")))
                    self.assertEqual(done["lost"], 0)
                    pages = self.assert_once(db, s)
                    self.told(" ".join(order), done, live - p0, pages=pages)
                    self.assert_exact(db, s, p0)
                    sources = json.loads(db("HGET", s.key("backfill"), "sources"))
                    self.assertIn("SHA-256" if "checksum" in order else "404", sources[0]["archive"])
                    self.assert_polite(s)
                s.stop_all()

    def a_moment_after_midnight(self):
        """At 00:00:05: today is a few trades, the day before comes from its archive."""
        with Stack(label="proof0000") as s:
            self.market(s, TODAY + 5_000, lead_s=3, speed="1", services=("context", "strategy"))
            with s.db() as db:
                live = self.first_live(db, s)
                p0 = self.first_id(s, TODAY - DAY_MS)
                done = self.whole(s.backfill(**self.env()))
                self.told("00:00:05", done, live - p0, pages=self.assert_once(db, s))
                self.assert_exact(db, s, p0)
                self.assert_polite(s)
            s.stop_all()

    def five_to_midnight(self):
        """At 23:55, and the day rolls while it goes on."""
        with Stack(label="proof2355") as s:
            # The venue's clock is past midnight; its market comes from 23:55 and passes it.
            self.market(s, TODAY + 30_000, lead_s=330, speed="30", services=("context", "strategy"))
            with s.db() as db:
                self.first_live(db, s)
                done = self.whole(s.backfill(**self.env(BACKFILL_MAX_RETRIES="2")))
                wait_for(lambda: db("HGET", s.key("context"), "day") == iso(TODAY)[:10], 120 * PATIENCE,
                         "the day to roll")
                y0 = self.first_id(s, TODAY - DAY_MS)
                n, _ = self.assert_exact(db, s, y0)
                self.told("23:55", done, n, pages=self.assert_once(db, s))
                self.assert_polite(s)
            s.stop_all()

    if LONG:  # in small these are in test_backfill
        test_archives_that_can_not_be_had = archives_that_can_not_be_had
        test_a_moment_after_midnight = a_moment_after_midnight
        test_five_to_midnight = five_to_midnight

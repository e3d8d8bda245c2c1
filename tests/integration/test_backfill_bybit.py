"""Bybit's past: the day before from the venue's daily file, today's hole declared; through kills,
files that are not there yet, torn or published anew, and refusals."""

import hmac
import http.server as http_server
import json
import threading
import time
from fractions import Fraction

import recordings
import reference
import state
from scenario import Scenario
from stack import Stack, http, wait_for
from test_backfill import DAY_MS, iso, midnight

RATE = "0.05"
LOST_TODAY = "venue has no history of the running day"
ABSENT = "the venue has no archive of that day (404)"


def just_now():
    """A moment of today from which the feed is soon in real time."""
    return max(int(time.time() * 1000) - 40_000, midnight() + 1000)


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
                self.assertEqual((body["complete"], body["running"]), (True, False))
                self.assertEqual(body["progress"]["percentage"], 100)
                self.assertEqual(body["cache_status"], "HIT")  # the file came once
                self.assertEqual(body["trades_loaded"], n)
                self.assertEqual(body["historical_range"]["start"][:10], iso(today)[:10]
                                 if live < today else iso(today - DAY_MS)[:10])
                self.assertEqual(body["sources"], [
                    self.source(today - DAY_MS, "archive", today - DAY_MS, today),
                    self.source(today, "none", today, live + 1, reason=LOST_TODAY)])
                files = [code for _, code in self.asked(s)]
                self.assertEqual(files[0], "200")
                self.assertEqual(set(files[1:]) | {"304"}, {"304"}, "the file is fetched once")
                # Restarted, it knows that nothing more can be had and asks for nothing.
                p.term(5)
                s.backfill().wait_event("backfill_complete", 30)
                self.assertEqual(len(self.asked(s)), len(files))
                self.assert_levels(db, s, market)
                self.assert_warm(s, today, market)
            s.stop_all()

    def source(self, day_ms, name, from_ms, to_ms, **more):
        return {"day": iso(day_ms)[:10], "source": name, "from_ms": from_ms, "to_ms": to_ms, **more}

    def assert_levels(self, db, s, market):
        """The previous day's levels, as /levels shows them, from the archive alone."""
        _, levels = s.get("/levels")
        h = db.hash(s.key("context"))  # equals the recomputation
        prices = [Fraction(t.p_text) for t in market.prev.trades]
        self.assertEqual(state.number(h["pdh"]), max(prices))
        self.assertEqual(state.number(h["pdl"]), min(prices))
        for name, field in (("PDH", "pdh"), ("PDL", "pdl"), ("VAHprev", "vah_prev"),
                            ("VALprev", "val_prev"), ("POCprev", "poc_prev"), ("VWAPprev", "vwap_prev")):
            self.assertEqual(state.number(levels[name]), state.number(h[field]), name)

    def assert_warm(self, first, today, market):
        """Another Redis beside the same disk: the day comes from the store, nobody is asked."""
        with Stack(label="bybit-warm") as s:
            self.market(s)
            with s.db() as db:
                self.first_live(db, s)
                p = s.backfill(BACKFILL_CACHE_DIR=first.dir / "history",
                               BACKFILL_SUMMARY_AFTER_MINUTES="1440")  # by its rows
                p.wait_event("backfill_complete", 60)
                warm = self.assert_exact(db, s)
                self.assert_day_before(db, s, warm, today)
                self.assertEqual({t.id for t in warm.prev.trades}, {t.id for t in market.prev.trades})
                self.assertEqual([x["source"] for x in self.status_of(s)["sources"]], ["store", "none"])
                self.assertEqual(self.asked(s), [])
            s.stop_all()

    def test_a_file_that_appears_late_torn_and_anew(self):
        today = midnight()
        calm = dict(BYBIT_ARCHIVE_RETRY_SEC=1, BYBIT_BACKFILL_RETRY_BASE="0.01",
                    BYBIT_BACKFILL_PUBLIC_DELAY_MS=0, BACKFILL_STORE_LIB="/nowhere/libduckdb.so",
                    BACKFILL_KEEP_ARCHIVES="true")
        with Stack(label="bybit-late") as s:
            self.market(s, services=("context", "strategy"))
            self.order(s, "archive?venue=bybit&missing=1")
            with s.db() as db:
                live = self.first_live(db, s)
                p = s.backfill(**calm)
                p.wait_event("backfill_complete", 30)
                hole = self.source(today - DAY_MS, "none", today - DAY_MS, today, reason=ABSENT)
                self.assertEqual(json.loads(db("HGET", s.key("backfill"), "sources"))[0], hole)
                lost = [h for h in state.history_rows(db, s) if h["kind"] == "lost"]
                self.assertEqual({(h["from_ms"], h["to_ms"], h["reason"]) for h in lost},
                                 {(str(today - DAY_MS), str(today), ABSENT),
                                  (str(today), str(live + 1), LOST_TODAY)})
                wait_for(lambda: len(self.asked(s)) >= 3, 15, "it goes on asking")
                # It appears, but the first answers end too early.
                self.order(s, "http?kind=torn&path=/trading/&n=2")
                self.order(s, "archive/clear")
                p.wait_event("archive_read", 30)
                wait_for(lambda: db("HGET", s.key("backfill"), "_lost_spans") == f"{today}-{live + 1}",
                         30, "the hole of the day before to be filled")
                self.assertEqual(p.events("backfill_complete")[1:], [], "it was complete all the time")
                self.assertEqual(db("HGET", s.key("backfill"), "status"), "complete")
                market = self.assert_exact(db, s)
                self.assert_day_before(db, s, market, today)
            s.stop_all()

    def test_mode_proves_a_key(self):
        key, secret, window = "aKeyOfTheTests", "aSecretOfTheTests", "5000"

        class Venue(http_server.BaseHTTPRequestHandler):
            def log_message(self, *_):
                pass

            def do_GET(self):
                body = {"retCode": 0, "retMsg": "OK", "result": {}, "time": int(time.time() * 1000)}
                if self.path != "/v5/market/time":
                    h = self.headers
                    text = h["X-BAPI-TIMESTAMP"] + key + window + ""
                    good = hmac.new(secret.encode(), text.encode(), "sha256").hexdigest()
                    if h["X-BAPI-API-KEY"] != key:
                        body.update(retCode=10003, retMsg="API key is invalid.")
                    elif h["X-BAPI-SIGN"] != good or h["X-BAPI-RECV-WINDOW"] != window:
                        body.update(retCode=10004, retMsg="error sign!")
                data = json.dumps(body, separators=(",", ":")).encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

        server = http_server.ThreadingHTTPServer(("127.0.0.1", 0), Venue)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        with Stack(label="bybit-key") as s:
            s.symbols = ["bybit:BTCUSDT"]
            cases = (("", "", 0, "key     none given"), (key, secret, 0, "secret  accepted"),
                     (key, "another one", 1, "10004"), ("another one", secret, 1, "10003"),
                     (key, "", 0, "can not be proven"))
            for k, x, code, word in cases:
                p = s.service("backfill", wait=False, CONTEXT_BACKFILL_TEST_MODE="true",
                              BYBIT_REST_BASE_URL=f"http://127.0.0.1:{server.server_address[1]}",
                              BYBIT_API_KEY=k, BYBIT_API_SECRET=x)
                self.assertEqual(p.wait(10), code, p.stderr() + p.stdout())
                self.assertIn("venue   reached", p.stdout())
                self.assertIn(word, p.stdout())
        server.shutdown()
        server.server_close()

    def test_published_anew_and_refused(self):
        if not recordings.LONG:
            print(f"  SKIPPED {self.id()}: it runs in test-long")
            return
        keep = dict(BACKFILL_STORE_LIB="/nowhere/libduckdb.so")
        with Stack(label="bybit-anew") as s:
            self.market(s, services=("context",))
            with s.db() as db:
                self.first_live(db, s)

                def again(**env):
                    """Forgets what was delivered; what is on disk stays."""
                    db("DEL", s.key("backfill"), s.key("history"))
                    p = s.backfill(**{**keep, **env})
                    p.wait_event("backfill_complete", 30)
                    rows = sum(int(h["n"]) for h in state.history_rows(db, s))
                    p.term(5)
                    return p, rows

                first, rows = again()
                self.assertGreater(rows, 1000)
                same, n = again()
                self.assertEqual((n, same.events("archive_read")[0]["hit"]), (rows, True))
                self.order(s, "archive?venue=bybit&version=2")
                anew, n = again()
                self.assertEqual(n, rows)
                self.assertEqual(len(anew.events("archive_replaced")), 1)
                self.assertEqual(anew.events("archive_read")[0]["hit"], False)
                self.assertEqual([c for _, c in self.asked(s)], ["200", "304", "200"])
                # The disk has spoilt it: fetched once more.
                (path,) = (s.dir / "history" / "archive").glob("bybit-simulated/BTCUSDT/*.csv.gz")
                data = bytearray(path.read_bytes())
                data[len(data) // 2] ^= 1
                path.write_bytes(data)
                spoilt, n = again()
                self.assertEqual((n, len(spoilt.events("archive_spoilt"))), (rows, 1))
                # Refused: what is there and whole is used, and nobody asks for a while.
                self.order(s, "http?kind=403&path=/trading/&n=100")
                refused, n = again()
                self.assertEqual(n, rows)
                self.assertEqual(len(refused.events("venue_refuses")), 1)
                for f in (path, path.with_name(path.name + ".meta")):
                    f.unlink()
                asked = len(self.asked(s))
                p = s.backfill(**keep, BYBIT_ARCHIVE_RETRY_SEC=1)
                db("DEL", s.key("backfill"))
                p.wait_event("venue_refuses", 20)
                wait_for(lambda: db("HGET", s.key("backfill"), "breaker_state") == "open", 20,
                         "the breaker to open")
                p.wait_event("backfill_complete", 20)
                hole = json.loads(db("HGET", s.key("backfill"), "sources"))[0]
                self.assertIn("HTTP 403", hole["reason"])
                time.sleep(3)  # three intervals: nobody asks while the breaker is open
                self.assertEqual(len(self.asked(s)), asked + 1)
            s.stop_all()


if __name__ == "__main__":
    import unittest

    unittest.main()

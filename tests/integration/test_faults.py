"""A venue that sends rubbish, a Redis that stops or is full, an operator who mistypes."""

import os
import signal
import socket
import subprocess
import time

import recordings
import reference
import state
from scenario import Scenario
from stack import BIN, Stack, http, wait_for

SERVICES = ("collector", "context", "strategy", "api")


class Faults(Scenario):
    def test_bad_frames(self):
        """Frames that are no sane trade are refused and counted by reason; the trades around them
        are all there. (A frame over the size limit ends the connection: test_oversize_frame.)"""
        rec = recordings.TWO
        trades = rec.trades()
        kinds = ("truncated not_json not_object no_price negative zero zero_price absurd precision "
                 "foreign string_id nested empty binary").split()
        with Stack(label="frames") as s:
            self.play(s, rec, seconds=6)
            with s.db() as db:
                wait_for(lambda: db("EXISTS", s.key("trades")), 20, "the first trade")
                for kind in kinds:
                    s.fault("malformed", kind=kind, n=7)
                self.wait_stored(s, db, trades)
                self.assert_market(s, db, trades)
                self.assert_whole(s, db, trades)
            refused = {k: v for k, v in s.service_metrics("collector").items() if "refused" in k}
            self.assertGreaterEqual(sum(refused.values()), 7 * (len(kinds) - 1), refused)
            for reason in ("malformed", "foreign", "negative", "zero", "absurd", "precision"):
                told = sum(v for k, v in refused.items() if f'reason="{reason}"' in k)
                self.assertGreaterEqual(told, 7, f"{reason}: {refused}")
            s.stop_all()

    def test_oversize_frame(self):
        """A frame over the limit is not kept: the connection ends, and comes back."""
        rec = recordings.TWO
        trades = rec.trades()
        with Stack(label="oversize") as s:
            self.play(s, rec, seconds=6, RECONNECT_MIN_MS=50, RECONNECT_MAX_MS=200)
            with s.db() as db:
                wait_for(lambda: db("EXISTS", s.key("trades")), 20, "the first trade")
                s.fault("malformed", kind="oversize", n=1)
                self.wait_stored(s, db, trades)
                stored = state.stored_trades(db, s)
                gaps = state.declared_gaps(db, s)
                served = {t.id for t in trades}
                self.assertEqual(state.undeclared(served, {t.id for t in stored}, gaps)[:5], [])
                self.assert_market(s, db, stored)
            s.procs["collector"].wait_event("ws_down", 1)
            s.stop_all()

    def test_impossible_times(self):
        """On a venue whose clock runs like ours (a generated market, now), trades of next year and
        of last year are refused, and the ids they bore stay free for the real ones."""
        with Stack(label="times") as s:
            s.redis()
            start = int(time.time() * 1000) - 2000
            s.sim("--generate", "--from", start, "--speed", "1", "--rate", "10")
            for name in ("context", "strategy", "api", "collector"):
                s.service(name)
            with s.db() as db:
                length = lambda: db("XLEN", s.key("trades"))
                wait_for(lambda: length() > 150, 20, "trades")
                s.fault("malformed", kind="future", n=7)
                s.fault("malformed", kind="old", n=7)
                enough = length() + 150
                wait_for(lambda: length() > enough, 20, "more trades")
                self.assertEqual(s.procs["exchange-sim"].term(5)[0], 0)
                wait_for(lambda: s.procs["collector"].events("ws_down"), 10, "the socket to close")
                stored = state.stored_trades(db, s)
                ids = sorted(t.id for t in stored)
                self.assertEqual(ids, list(range(ids[0], ids[0] + len(ids))))
                self.assertEqual(state.declared_gaps(db, s), [])
                self.assertLess(max(t.ts for t in stored), start + 120_000)
                self.assertGreaterEqual(min(t.ts for t in stored), start)
                self.assert_market(s, db, stored)
            refused = {k: v for k, v in s.service_metrics("collector").items() if "refused" in k}
            self.assertGreaterEqual(sum(refused.values()), 14, refused)
            s.stop_all()

    def test_redis_stopped(self):
        """Redis hangs: the collector's queue is bounded; what did not fit is a declared gap."""
        rec = recordings.DENSE
        trades = rec.trades()
        with Stack(label="hang") as s:
            self.play(s, rec, seconds=12, MAX_QUEUE=200, REPAIR_ENABLED="false")
            with s.db() as db:
                wait_for(lambda: db("XLEN", s.key("trades")) > 500, 30, "some trades")
                s.procs["redis"].signal(signal.SIGSTOP)
                try:
                    # Everything behind the queue's end is on its way to be declared missing.
                    s.procs["collector"].wait_event("queue_full", 30)
                finally:
                    s.procs["redis"].signal(signal.SIGCONT)
                self.wait_stored(s, db, trades, seconds=90)
                stored = state.stored_trades(db, s)
                gaps = state.declared_gaps(db, s)
                held = {t.id for t in stored}
                served = {t.id: t for t in trades}
                self.assertEqual(state.undeclared(served, held, gaps)[:5], [])
                self.assertNotEqual(gaps, [])
                self.assertLess(len(held), len(served))
                self.assert_market(s, db, stored)
            s.stop_all()

    def test_redis_full(self):
        """Redis answers OOM for a while: nothing is lost, nothing is counted twice."""
        rec = recordings.DENSE
        trades = rec.trades()
        with Stack(label="oom") as s:
            self.play(s, rec, seconds=10, MAX_QUEUE=50000)
            with s.db() as db:
                wait_for(lambda: db("XLEN", s.key("trades")) > 2000, 30, "some trades")
                db("CONFIG", "SET", "maxmemory", "1")
                refused = lambda: "errorstat_OOM" in db("INFO", "errorstats")
                wait_for(refused, 20, "Redis refuses a write")
                queued = lambda: s.service_metrics("collector")
                wait_for(lambda: any("queue" in k and v > 200 for k, v in queued().items()), 20,
                         lambda: f"trades are queued: {queued()}")
                db("CONFIG", "SET", "maxmemory", "0")
                self.wait_stored(s, db, trades, seconds=90)
                self.assert_market(s, db, trades)
                self.assert_whole(s, db, trades)
            s.stop_all()

    def test_sigterm(self):
        """Each service ends with 0 soon after SIGTERM, also without Redis and venue."""
        for connected in (True, False):
            with self.subTest(connected=connected), Stack(label="term") as s:
                if connected:
                    self.play(s, recordings.TWO)
                    with s.db() as db:
                        wait_for(lambda: db("EXISTS", s.key("context")), 20, "state")
                else:
                    s.port = 1  # nobody listens there
                    for name in SERVICES:
                        s.service(name)
                for name in SERVICES:
                    # The bound is 2 s (api: 5 s); a loaded machine gets some more.
                    code, took = s.procs[name].term(8 if name == "api" else 5)
                    self.assertEqual(code, 0, name)
                    self.assertEqual(len(s.procs[name].events("process_down")), 1, name)
                    del took

    def test_health_without_redis(self):
        """The api answers at once, Redis or not; /ready tells what is missing."""
        with Stack(label="early") as s:
            p = s.api(wait=False)
            row = p.wait_event("process_up", 10)
            s.api_port = row["port"]
            status, body = s.get("/health")
            self.assertEqual((status, body["status"]), (200, "ok"))
            self.assertFalse(body["trading_enabled"])
            status, body = s.get("/ready")
            self.assertEqual(status, 503)
            self.assertNotEqual(body["status"], "ok")
            self.assertEqual(s.get("/ready?scope=self")[0], 200)
            status, body = s.get("/levels")
            self.assertEqual((status, body["VWAP"]), (200, None))

    def test_bad_configuration(self):
        """Exit code 2, variable, value and range on stderr, and no connection to anything."""
        listener = socket.create_server(("127.0.0.1", 0))
        listener.setblocking(False)
        port = listener.getsockname()[1]
        cases = [
            ("collector", "MAX_QUEUE", "abc"),
            ("collector", "MAX_QUEUE", "0"),
            ("collector", "COLLECTOR_HTTP_PORT", "70000"),
            ("collector", "SYMBOLS", "BTC/USDT"),
            ("context", "CONTEXT_HTTP_PORT", "-7"),
            ("context", "LOG_LEVEL", "chatty"),
            ("strategy", "STRATEGY_HTTP_PORT", "1e3"),
            ("api", "BACKEND_PORT", "80 80"),
            ("api", "REDIS_URL", "rediss://127.0.0.1:6379/0"),
        ]
        with Stack(label="config") as s:
            for name, variable, value in cases:
                with self.subTest(service=name, variable=variable, value=value):
                    env = {
                        "REDIS_URL": f"redis://127.0.0.1:{port}/0",
                        "BINANCE_REST_BASE_URL": f"http://127.0.0.1:{port}",
                        "BINANCE_WS_BASE_URL": f"ws://127.0.0.1:{port}",
                        variable: value,
                    }
                    p = s.start(name, [BIN / name], **env)
                    self.assertEqual(p.wait(10), 2)
                    text = p.stderr()
                    self.assertIn(variable, text)
                    # A URL may hold a password: only what is wrong with it is told.
                    self.assertIn(value if variable != "REDIS_URL" else "rediss://", text)
        with self.assertRaises(BlockingIOError):
            listener.accept()
        listener.close()


class Keyspace(Scenario):
    """Simulated and real data never share a keyspace."""

    def real_looking(self, s, db):
        db("HSET", s.key("instrument"), *(
            "venue binance symbol BTCUSDT tick 0.10 step 0.001 min_qty 0.001 min_notional 100 "
            "price_scale 4 qty_scale 5 simulated 0 schema 1"
        ).split())

    def test_refuses_to_mix(self):
        rec = recordings.TWO
        with Stack(label="mix") as s:
            s.redis()
            s.sim("--replay", *rec.paths, "--speed", "max")
            with s.db() as db:
                self.real_looking(s, db)
                before = db.hash(s.key("instrument"))
                p = s.collector(wait=False)
                self.assertEqual(p.wait(20), 1)
                row = p.events("keyspace_refused")[0]
                self.assertIn("--reset", " ".join(str(v) for v in row.values()))
                self.assertEqual(db.hash(s.key("instrument")), before)
                self.assertEqual(db("EXISTS", s.key("trades"), s.key("history")), 0)

    def test_reset(self):
        rec = recordings.TWO
        trades = rec.trades()
        with Stack(label="reset") as s:
            s.redis()
            s.sim("--replay", *rec.paths, "--speed", "max")
            with s.db() as db:
                self.real_looking(s, db)
                db("SET", "unrelated", "1")
                db("HSET", "bc4:{binance:ETHUSDT}:context", "day", "2024-01-01")
                p = s.start("reset", [BIN / "collector", "--reset"])
                self.assertEqual(p.wait(20), 0, p.stderr())
                self.assertEqual(db.keys("bc4:{binance:BTCUSDT}:*"), [])
                self.assertEqual(db("EXISTS", "unrelated", "bc4:{binance:ETHUSDT}:context"), 2)
                for name in ("context", "strategy", "api", "collector"):
                    s.service(name)
                self.wait_stored(s, db, trades)
                self.assert_market(s, db, trades)
            s.stop_all()

    def test_emptied_under_running_services(self):
        """Somebody empties Redis while everything runs: the trades of the resend ring come back,
        and all services go on from them."""
        with Stack(label="flush") as s:
            s.redis()
            s.sim("--generate", "--from", int(time.time() * 1000) - 2000, "--speed", "1",
                  "--rate", "10")
            for name in ("context", "strategy", "api", "collector"):
                s.service(name)
            with s.db() as db:
                trades = lambda: db("HGET", s.key("context"), "trades")
                wait_for(lambda: int(trades() or 0) > 100, 20, "trades")
                first = db("XRANGE", s.key("trades"), "-", "+", "COUNT", "1")[0][0]
                db("FLUSHALL")
                s.procs["collector"].wait_event("keyspace_gone", 10)
                wait_for(lambda: int(trades() or 0) > 100, 20, "trades again")
                self.assertEqual(s.procs["exchange-sim"].term(5)[0], 0)
                wait_for(lambda: s.procs["collector"].events("ws_down"), 10, "the socket to close")
                stored = state.stored_trades(db, s)
                ids = sorted(t.id for t in stored)
                self.assertEqual(ids[0], int(first.split("-")[1]))
                self.assertEqual(ids, list(range(ids[0], ids[0] + len(ids))))
                self.assert_market(s, db, stored)
            s.stop_all()

    def test_market_below_what_is_stored(self):
        """A venue whose first trade lies below the newest stored one is another market."""
        with Stack(label="below") as s:
            self.play(s, recordings.SYN_EVENING, services=())
            with s.db() as db:
                self.wait_stored(s, db, recordings.SYN_EVENING.trades())
                self.assertEqual(s.procs["collector"].term(5)[0], 0)
                s.procs["exchange-sim"].term(5)
                entries = db("XLEN", s.key("trades"))
                s.sim("--replay", *recordings.SYN_TWO.paths, "--speed", "max")
                p = s.collector(wait=False)
                self.assertEqual(p.wait(20), 1)
                self.assertIn("--reset", p.stderr())
                self.assertEqual(db("XLEN", s.key("trades")), entries)
                self.assertEqual(db("EXISTS", s.key("history")), 0)

    def test_market_far_above_what_is_stored(self):
        """A first trade whose id leads by more than any time allows is another market too."""
        with Stack(label="above") as s:
            self.play(s, recordings.SYN_TWO, services=())
            with s.db() as db:
                self.wait_stored(s, db, recordings.SYN_TWO.trades())
                self.assertEqual(s.procs["collector"].term(5)[0], 0)
                s.procs["exchange-sim"].term(5)
                entries = db("XLEN", s.key("trades"))
                s.sim("--generate", "--from", int(time.time() * 1000) - 2000, "--speed", "1")
                tip = db("XREVRANGE", s.key("trades"), "+", "-", "COUNT", "1")[0]
                # The same trade with a small id, stored a moment ago.
                db("DEL", s.key("trades"))
                db("XADD", s.key("trades"), f"{int(time.time() * 1000) - 5000}-7", *tip[1])
                p = s.collector(wait=False)
                self.assertEqual(p.wait(20), 1)
                self.assertIn("--reset", p.stderr())
                self.assertEqual(db("XLEN", s.key("trades")), 1)
                self.assertGreater(entries, 1)
                self.assertEqual(db("EXISTS", s.key("history")), 0)

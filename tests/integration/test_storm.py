"""Twenty instruments of two venues through a storm: sockets cut, frames withheld, requests refused
and banned. Afterwards every trade is held or its absence declared, and the venue never had to count
a request too many."""

import json
import random
import time

import recordings
import state
from scenario import Scenario
from stack import PATIENCE, Stack, http, wait_for

BINANCE = ["BTCUSDT", "ETHUSDT", "SOLUSDT", "BNBUSDT", "XRPUSDT", "DOGEUSDT", "ADAUSDT", "AVAXUSDT",
           "LINKUSDT", "DOTUSDT", "LTCUSDT", "TRXUSDT", "UNIUSDT", "APTUSDT", "ARBUSDT", "OPUSDT"]
BYBIT = ["BTCPERP", "ETHPERP", "SOLPERP", "XRPPERP"]
CUTS = 50 if recordings.LONG else 5
LIMIT = 12000


class Storm(Scenario):
    def truth(self, s, query):
        lines = http(f"http://127.0.0.1:{s.control_port}/truth?{query}", 60)[2].splitlines()
        return [line.split(",") for line in lines if line[:1].isdigit()]

    def status(self, s):
        return json.loads(http(f"http://127.0.0.1:{s.control_port}/status")[2])

    def play_storm(self, s, rng):
        """Faults at random moments, at least CUTS of them cut every socket."""
        cuts = 0
        while cuts < CUTS:
            kind = rng.choice(["drop", "drop", "close", "skip", "429", "418", "5xx", "torn", "half"])
            if kind == "drop":
                s.fault("drop")
            elif kind == "close":
                s.fault("drop", code=rng.choice([1001, 1012]))
            elif kind == "skip":
                s.fault("skip", n=rng.randrange(5, 60))
            elif kind == "429":
                s.fault("http", kind=429, n=rng.randrange(1, 4), retry_after=1, path="/fapi")
            elif kind == "418":
                s.fault("http", kind=418, n=1, ban_ms=rng.randrange(1500, 4000), path="/fapi")
            elif kind == "5xx":
                s.fault("http", kind=rng.choice([500, 503]), n=2)
            elif kind == "torn":
                s.fault("http", kind=rng.choice(["torn", "wrong"]), n=1, path="/fapi/v1/aggTrades")
            else:  # nobody may be connected just then
                http(f"http://127.0.0.1:{s.control_port}/half_open?ms=1200", 5, data=b"")
            cuts += kind in ("drop", "close", "half")
            time.sleep(rng.uniform(0.4, 1.6))

    def held(self, s, db, symbol):
        return {str(t.id): t for t in state.stored_trades(db, s, symbol)}

    def binance_missing(self, s, db, name):
        """Ids from the first stored one to the market's end that are neither held nor given up."""
        symbol = f"binance:{name}"
        held = self.held(s, db, symbol)
        if not held:
            return ["nothing is stored"]
        first = min(int(i) for i in held)
        lost = [(int(f["from_id"]), int(f["to_id"]))
                for f in state.history_rows(db, s, symbol) if f["kind"] == "lost"]
        out = []
        for a, price, qty, *_ in self.truth(s, f"symbol={name}&fromId={first}&limit=1000000"):
            t = held.get(a)
            if t is None and not any(lo <= int(a) <= hi for lo, hi in lost):
                out.append(a)
            elif t is not None:
                self.assertEqual((t.price, t.qty), (state.exact(price), state.exact(qty)), a)
        return out

    def bybit_missing(self, s, db, name):
        """Trades behind the first stored one that are neither held nor in a declared hole. Nothing
        tells of a withheld frame but the collector's audit."""
        symbol = f"bybit:{name}"
        held = self.held(s, db, symbol)
        if not held:
            return ["nothing is stored"]
        first = min(t.ts for t in held.values())
        spans = [(int(f["from_ms"]), int(f["to_ms"])) for f in state.history_rows(db, s, symbol)
                 if f["kind"] in ("gap", "lost")]
        rows = self.truth(s, f"venue=bybit&symbol={name}&fromMs={first + 1}")
        self.assertTrue(rows, name)
        return [r[1] for r in rows if r[1] not in held
                and not any(lo <= int(r[0]) <= hi for lo, hi in spans)]

    def test_twenty_instruments(self):
        rng = random.Random(f"{recordings.SEED} storm")
        every = [f"binance:{n}" for n in BINANCE] + [f"bybit:{n}" for n in BYBIT]
        with Stack(label="storm") as s:
            s.symbols = every
            s.redis()
            s.sim("--generate", "--symbols", ",".join(BINANCE), "--bybit-symbols", ",".join(BYBIT),
                  "--rate", "0.2", "--from", str(int(time.time() * 1000) - 30000),
                  "--weight-limit", LIMIT)
            urls = {f"BYBIT_{k}_BASE_URL": f"{p}://127.0.0.1:{s.port}"
                    for k, p in (("WS", "ws"), ("REST", "http"))}
            s.collector(RECONNECT_MIN_MS=50, RECONNECT_MAX_MS=500, REPAIR_DELAY_MS=200,
                        REPAIR_TRIES=100, REPAIR_RETRY_MS=200, WS_CONNECT_INTERVAL_MS=100,
                        WS_CONNECT_BURST=20, BYBIT_AUDIT_SEC=2, WS_CONNECTS_5MIN=3000, BINANCE_API_TIMEOUT=3, BYBIT_API_TIMEOUT=3,
                        COLLECTOR_DRAIN_MS=5000, TRADES_SILENCE_MS=3000, **urls)
            with s.db() as db:
                key = lambda name: s.key("trades", name)
                wait_for(lambda: all(db("XLEN", key(n)) > 5 for n in every), 60,
                         lambda: f"trades of {[n for n in every if db('XLEN', key(n)) <= 5]}", every=0.2)
                self.play_storm(s, rng)
                s.fault("http/clear")
                time.sleep(3 * PATIENCE)  # sockets are back and have caught up
                mark = {n: db("XLEN", key(n)) for n in every}
                wait_for(lambda: all(db("XLEN", key(n)) > mark[n] for n in every), 60,
                         "every stream goes on", every=0.2)
                s.fault("pause")
                left = BINANCE[:]

                def whole():
                    while left and not self.binance_missing(s, db, left[0]):
                        left.pop(0)
                    return not left

                wait_for(whole, 240, lambda: f"holes are filled: {left}", every=0.5)
                missing = {}

                def none_missing():
                    missing.update((n, self.bybit_missing(s, db, n)[:3]) for n in BYBIT)
                    return not any(missing.values())

                wait_for(none_missing, 20, lambda: f"Bybit's trades are held: {missing}", every=0.5)
            seen = self.status(s)
            self.assertEqual(seen["requests_during_ban"], 0, seen)
            self.assertEqual(seen["over_limit"], 0, seen)
            self.assertLessEqual(seen["weight_used_max"], LIMIT)
            self.assertGreaterEqual(seen["connections"], CUTS)
            s.stop_all()

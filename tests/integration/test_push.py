"""The gateway's WebSocket: what is pushed equals what REST says, nobody is told anything twice, and
who does not read costs nobody else anything."""

import json
import pathlib
import os
import select
import signal
import socket
import subprocess
import sys
import time
from fractions import Fraction

import recordings
from scenario import Scenario
from stack import PATIENCE, Stack, wait_for
from wsclient import Closed, WsClient

ROOT = pathlib.Path(__file__).resolve().parents[2]
STATE = ["price", "context", "levels", "profile", "metrics", "footprint", "strategy", "candles:1m",
         "candles:5m", "book", "mark", "coverage", "health", "feed"]
LISTS = ["trades", "liquidations", "events"]
SYMBOL = "binance:BTCUSDT"


def subscribe(c, channels, **more):
    c.send_json({"op": "subscribe", "channels": channels, "symbol": SYMBOL, **more})


def first_of_each(c, channels):
    """The first message of each channel."""
    got = {}
    c.until(lambda m: got.setdefault(m.get("ch"), m) and all(ch in got for ch in channels), 20 * PATIENCE)
    return got


class Push(Scenario):
    def assert_readme_example(self, port, price):
        """The Python program of the gateway's README, as it stands there but for the port."""
        text = (ROOT / "services" / "api" / "README.md").read_text()
        program = text.split("```python\n", 1)[1].split("```", 1)[0]
        self.assertEqual(program.count('("127.0.0.1", 8000)'), 1)
        program = program.replace('("127.0.0.1", 8000)', f'("127.0.0.1", {port})')
        p = subprocess.Popen([sys.executable, "-u", "-c", program], stdout=subprocess.PIPE,
                             stderr=subprocess.STDOUT, text=True, errors="replace")
        try:
            seen = ""
            end = time.monotonic() + 20 * PATIENCE
            while '"type":"snapshot"' not in seen and time.monotonic() < end:
                if select.select([p.stdout], [], [], 0.2)[0]:
                    # Not readline(): what it keeps for itself is nothing that select() sees.
                    some = os.read(p.stdout.fileno(), 1 << 16).decode(errors="replace")
                    self.assertTrue(some, f"it ended: {seen}")
                    seen += some
            self.assertIn("101 Switching Protocols", seen)
            self.assertIn('"op":"subscribe"', seen)
            self.assertIn('"ch":"price"', seen)
            self.assertIn(f'"price":{price}', seen)
        finally:
            p.kill()
            p.stdout.close()
            p.wait()

    def test_pushed_is_what_rest_says(self):
        """Snapshots of every channel; the same numbers as REST and Redis when the market stands."""
        rec = recordings.DENSE
        trades = rec.trades()
        with Stack(label="push") as s:
            self.play(s, rec)
            with s.db() as db:
                self.wait_stored(s, db, trades)
                self.assert_market(s, db, trades)
                c = WsClient(s.api_port, "/ws")
                subscribe(c, STATE + LISTS)
                got = first_of_each(c, STATE + LISTS)
                self.assert_readme_example(s.api_port, got["price"]["data"]["price"])
                for name in STATE + LISTS:
                    m = got[name]
                    self.assertEqual((m["type"], m["symbol"]), ("snapshot", SYMBOL), name)
                    self.assertGreaterEqual(m["seq"], 0 if name in LISTS else 1, name)
                    self.assertEqual(m["epoch"], got["price"]["epoch"])
                _, price = s.get("/price")
                self.assertEqual(Fraction(str(got["price"]["data"]["price"])), Fraction(price["price"]))
                self.assertTrue(got["price"]["data"]["simulated"])
                self.assertNotIn("volume_profile", got["context"]["data"])
                self.assertEqual(str(got["context"]["data"]["levels"]["POCd"]),
                                 s.get("/levels")[1]["POCd"])
                _, context = s.get("/context?profile_rows=240")
                self.assertEqual(got["profile"]["data"]["volume_profile"],
                                 json.loads(json.dumps(context["volume_profile"]),
                                            object_hook=self.floats))
                _, candles = s.get("/strategy/candles?timeframe=1m&count=300")
                self.assertEqual([x["timestamp"] for x in got["candles:1m"]["data"]["candles"]],
                                 [x["timestamp"] for x in candles["candles"]])
                self.tape(s, c, got, trades)
            s.stop_all()

    @staticmethod
    def floats(pairs):
        return {k: float(v) if isinstance(v, str) else v for k, v in pairs.items()}

    def tape(self, s, c, got, trades):
        newest = sorted(trades, key=lambda t: t.id)[-200:]
        told = got["trades"]["data"]["trades"]
        self.assertEqual([t["id"] for t in told], [t.id for t in newest])
        _, rest = s.get("/trades?limit=1000")
        self.assertEqual([t["id"] for t in rest["trades"]],
                         [t.id for t in sorted(trades, key=lambda t: -t.id)[:1000]])
        # Behind an entry that the client names: exactly what follows it.
        at = newest[-5]
        subscribe(c, ["trades"], after=f"{at.ts}-{at.id}")
        m = c.until(lambda m: m.get("ch") == "trades")[-1]
        self.assertEqual((m["type"], [t["id"] for t in m["data"]["trades"]]),
                         ("update", [t.id for t in newest[-4:]]))
        # Behind one that no ring holds any more: told what is gone.
        subscribe(c, ["trades"], after="5-5")
        seen = c.until(lambda m: m.get("ch") == "trades" and m["type"] == "update")
        gaps = [m for m in seen if m.get("ch") == "trades" and m["type"] == "gap"]
        self.assertEqual([(m["from"], m["prev"]) for m in gaps], [(0, 0)])
        # A position that was never sent is believed by nobody.
        c.send_json({"op": "resume", "symbol": SYMBOL, "channels": {
            ch: {"epoch": m["epoch"], "seq": 10**15} for ch in ("trades", "price", "profile")}})
        again = first_of_each(c, ["trades", "price", "profile"])
        self.assertEqual({again[ch]["type"] for ch in ("trades", "price", "profile")}, {"snapshot"})

    def test_every_trade_once_in_order(self):
        """Live: numbers go up by what was sent, each trade once, also over a resume."""
        rec = recordings.DENSE
        with Stack(label="push-live") as s:
            # A client that falls behind by more than is kept is told of a gap, rightly.
            self.play(s, rec, seconds=6 * PATIENCE, services=("context", "strategy"))
            s.service("api", API_TRADES_MAX=100000)
            c = WsClient(s.api_port, "/ws")
            subscribe(c, ["trades", "candles:1m", "price"])
            ids, seq, candles = [], {}, {}

            def take(m):
                ch = m.get("ch")
                if ch is None:
                    return
                if m["type"] == "update":
                    self.assertEqual(m["prev"], seq[ch][1], f"{ch}: each message says what was before")
                self.assertNotEqual(m["type"], "gap")
                seq[ch] = (m["epoch"], m["seq"])
                if ch == "trades":
                    ids.extend(t["id"] for t in m["data"]["trades"])
                elif ch == "candles:1m":
                    candles.update({x["timestamp"]: x for x in m["data"]["candles"]})

            wait_for(lambda: take(c.json()) or len(ids) > 3000, 30, lambda: f"{len(ids)} trades")
            c.close()
            c = WsClient(s.api_port, "/ws")
            c.send_json({"op": "resume", "symbol": SYMBOL, "channels": {
                ch: {"epoch": e, "seq": n} for ch, (e, n) in seq.items()}})
            last = max(t.id for t in rec.trades())
            wait_for(lambda: take(c.json()) or ids[-1] >= last, 40, lambda: f"{ids[-1:]} of {last}")
            self.assertEqual(ids, list(range(ids[0], last + 1)))
            shown = {x["timestamp"]: x for x in s.get("/strategy/candles?count=300")[1]["candles"]}

            def settled():
                c.send_json({"op": "ping"})  # there is always something to wait for
                take(c.json())
                return all(t in candles and Fraction(str(candles[t]["volume"])) == Fraction(x["volume"])
                           for t, x in shown.items())

            wait_for(settled, 20, "pushed candles equal those of REST")
            s.stop_all()

    def test_a_stuck_client_disturbs_nobody(self):
        """Twenty clients that never read are dropped; one that reads misses nothing meanwhile."""
        with Stack(label="push-stuck") as s:
            self.play(s, recordings.DENSE, seconds=8 * PATIENCE)
            s.p_api.term(5)
            s.service("api", API_TRADES_MAX=100000, API_WS_STUCK_MS=1500, API_WS_PING_MS=500)
            stuck = []
            for _ in range(20):
                c = WsClient(s.api_port, "/ws")
                c.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
                subscribe(c, STATE + LISTS)
                stuck.append(c)
            reader = WsClient(s.api_port, "/ws")
            subscribe(reader, ["trades"])
            ids = []

            def read_on():
                m = reader.json()
                if m.get("ch") == "trades":
                    self.assertNotEqual(m["type"], "gap")
                    ids.extend(t["id"] for t in m["data"]["trades"])
                reader.send_json({"op": "ping"})  # there is always something to wait for
                return (len(ids) > 3000 and
                        s.service_metrics("api")["bc4_api_ws_stuck_total"] == 20)

            wait_for(read_on, 30, lambda: f"{len(ids)} trades, all stuck clients dropped", every=0.05)
            self.assertEqual(ids, list(range(ids[0], ids[0] + len(ids))))
            self.assertEqual(s.service_metrics("api")["bc4_api_ws_stuck_total"], 20)
            for c in stuck:
                c.close()
            s.stop_all()

    def test_limits_and_ends(self):
        """Origin, number of clients, size, flood, token, heartbeat, and the gateway's own end."""
        with Stack(label="push-limits") as s:
            s.redis()
            s.service("api", API_WS_CLIENTS=3, API_WS_PING_MS=200, API_WS_SILENT_MS=1000)
            port = s.api_port
            with self.assertRaises(Closed) as no:
                WsClient(port, "/ws", headers={"Origin": "http://evil.example"})
            self.assertEqual(no.exception.code, 403)
            self.assertEqual(s.get("/ws")[0], 426)
            large = WsClient(port, "/ws", headers={"Origin": "http://localhost:3000"})
            large.send("x" * 65537)
            self.assertEqual(self.code_of(large), 1009)
            flood = WsClient(port, "/ws")
            with self.assertRaises((Closed, OSError)) as end:
                for _ in range(500):
                    flood.send_json({"op": "ping"})
                while True:
                    flood.text()
            self.assertIn(getattr(end.exception, "code", 1008), (1008, None))
            broken = WsClient(port, "/ws")
            broken.send("{")
            self.assertEqual(broken.json()["type"], "error")
            broken.send(b"\x00\x01", opcode=2)
            self.assertEqual(self.code_of(broken), 1003)
            self.crowd(s, port)
            silent = WsClient(port, "/ws")
            begin = time.monotonic()
            with self.assertRaises(Closed):
                while True:
                    opcode, _ = silent.frame()  # never answers a ping
                    if opcode == 8:
                        raise Closed(1001)
            self.assertLess(time.monotonic() - begin, 6 * PATIENCE)
            wait_for(lambda: s.service_metrics("api")["bc4_api_ws_clients"] == 0, 5, "all are gone")
            last = WsClient(port, "/ws")
            last.send_json({"op": "ping"})
            self.assertEqual(last.json()["type"], "pong")
            s.p_api.signal(signal.SIGTERM)
            self.assertEqual(self.code_of(last), 1001)
            self.assertEqual(s.p_api.wait(10), 0)
            s.service("api", API_TOKEN="s3cret", API_TOKEN_SCOPE="all")
            self.token(s)
            s.stop_all()

    def crowd(self, s, port):
        wait_for(lambda: s.service_metrics("api")["bc4_api_ws_clients"] == 0, 5, "room")
        three = [WsClient(port, "/ws") for _ in range(3)]
        with self.assertRaises(Closed) as no:
            WsClient(port, "/ws")
        self.assertEqual(no.exception.code, 503)
        self.assertEqual(s.get("/health")[0], 200)
        for c in three:
            c.close()
        wait_for(lambda: s.service_metrics("api")["bc4_api_ws_clients"] == 0, 5, "they left")

    def token(self, s):
        self.assertEqual(s.get("/price")[0], 401)
        self.assertEqual(s.get("/health")[0], 200)
        self.assertEqual(s.get("/price", headers={"Authorization": "Bearer s3cret"})[0], 200)
        self.assertEqual(s.get("/price", headers={"Authorization": "Bearer s3crets"})[0], 401)
        c = WsClient(s.api_port, "/ws", headers={"Authorization": "Bearer s3cret"})
        subscribe(c, ["price"])
        self.assertEqual(c.json()["type"], "ack")
        c = WsClient(s.api_port, "/ws")
        c.send_json({"op": "auth", "token": "s3cret"})
        self.assertEqual(c.json()["type"], "ack")
        c = WsClient(s.api_port, "/ws")
        subscribe(c, ["price"])
        self.assertEqual(self.code_of(c), 1008)

    @staticmethod
    def code_of(c):
        """How the connection is closed."""
        try:
            while True:
                c.text()
        except Closed as e:
            return e.code

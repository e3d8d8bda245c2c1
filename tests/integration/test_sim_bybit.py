"""exchange-sim's Bybit v5 linear part, judged with the standard library alone: operations, topics,
REST, faults. What a client sees is compared with what the venue says it released."""

import contextlib
import gzip
import json
import re
import ssl
import subprocess
import time
import unittest
import urllib.error
import urllib.request

import stack
from wsclient import Closed, WsClient

PATH = "/v5/public/linear"
UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-5[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$")


@contextlib.contextmanager
def venue(*args):
    with stack.Stack(label="bybit") as s:
        s.sim("--generate", "--rate", "5", *args)
        yield s
        s.stop_all()


def get(s, path):
    status, headers, body = stack.http(f"http://127.0.0.1:{s.port}{path}")
    assert headers["X-Simulated"] == "true"
    return status, json.loads(body)


def truth(s, symbol="BTCUSDT"):
    url = f"http://127.0.0.1:{s.control_port}/truth?venue=bybit&symbol={symbol}"
    return [line.split(",") for line in stack.http(url)[2].split()]


def ask(ws, op, *topics, req_id="7"):
    """Sends an operation; its answer, and what came before it."""
    ws.send_json({"req_id": req_id, "op": op, "args": list(topics)})
    seen = ws.until(lambda m: m.get("op") == op)
    return seen[-1], seen[:-1]


def trade_row(t):
    flags = " ".join(w for w, on in (("block", t["BT"]), ("rpi", t["RPI"])) if on)
    return [str(t["T"]), t["i"], t["p"], t["v"], t["S"], str(t["seq"]), flags]


class Book:
    """A book kept as the venue's documentation says."""

    def __init__(self):
        self.sides, self.u, self.seq = {"b": {}, "a": {}}, None, 0

    def apply(self, m):
        d = m["data"]
        if m["type"] == "snapshot":
            self.sides = {"b": {}, "a": {}}
        else:
            assert d["u"] == self.u + 1, f"u {self.u} -> {d['u']}"
        assert d["seq"] >= self.seq or d["u"] == 1
        self.u, self.seq = d["u"], d["seq"]
        for side in "ba":
            for price, qty in d[side]:
                if float(qty) == 0:
                    self.sides[side].pop(price, None)
                else:
                    self.sides[side][price] = qty
        assert self.best("b") < self.best("a"), "crossed"

    def best(self, side):
        return (max if side == "b" else min)(float(p) for p in self.sides[side])

    def levels(self, side):
        return sorted(self.sides[side].items(), key=lambda l: float(l[0]), reverse=side == "b")


def make_certificate(folder):
    """A throw-away CA and a certificate for 127.0.0.1 signed by it."""
    def openssl(*args):
        subprocess.run(["openssl", *args], cwd=folder, check=True, capture_output=True)

    new_key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    openssl("req", "-x509", *new_key, "-keyout", "ca.key", "-out", "ca.pem", "-days", "2", "-subj", "/CN=test CA")
    openssl("req", *new_key, "-keyout", "key.pem", "-out", "req.pem", "-subj", "/CN=127.0.0.1")
    (folder / "san").write_text("subjectAltName=IP:127.0.0.1\n")
    openssl("x509", "-req", "-in", "req.pem", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial",
            "-out", "cert.pem", "-days", "2", "-extfile", "san")


class Tls(unittest.TestCase):
    def test_both_venues_speak_tls(self):
        """wss and https with a CA of the test's own; who does not know the CA is not served."""
        with stack.Stack(label="tls") as s:
            make_certificate(s.dir)
            s.sim("--generate", "--rate", "5", "--cert", s.dir / "cert.pem", "--key", s.dir / "key.pem")
            ca = s.dir / "ca.pem"
            context = ssl.create_default_context(cafile=str(ca))
            for path in ("/fapi/v1/time", "/v5/market/time"):
                with urllib.request.urlopen(f"https://127.0.0.1:{s.port}{path}", timeout=5, context=context) as r:
                    self.assertEqual((r.status, r.headers["X-Simulated"]), (200, "true"))
            with self.assertRaises(urllib.error.URLError):
                urllib.request.urlopen(f"https://127.0.0.1:{s.port}/fapi/v1/time", timeout=5)
            ws = WsClient(s.port, PATH, ca=ca)
            ask(ws, "subscribe", "publicTrade.BTCUSDT", "orderbook.50.BTCUSDT")
            book = Book()
            seen = ws.until(lambda m: m["topic"] == "orderbook.50.BTCUSDT" and m["type"] == "delta")
            for m in seen:
                if m["topic"] == "orderbook.50.BTCUSDT":
                    book.apply(m)
            other = WsClient(s.port, "/market/ws/btcusdt@aggTrade", ca=ca)
            self.assertEqual(other.json()["e"], "aggTrade")
            s.stop_all()


class Bybit(unittest.TestCase):
    def test_operations(self):
        with venue() as s:
            ws = WsClient(s.port, PATH)
            self.assertEqual(ws.headers["x-simulated"], "true")
            answer, _ = ask(ws, "subscribe", "publicTrade.BTCUSDT")
            self.assertEqual(set(answer), {"success", "ret_msg", "conn_id", "req_id", "op"})
            self.assertEqual((answer["success"], answer["ret_msg"], answer["req_id"]), (True, "", "7"))
            answer, _ = ask(ws, "ping")
            self.assertEqual((answer["success"], answer["ret_msg"]), (True, "pong"))
            for topic, why in (
                ("liquidations:BTCUSDT", "handler not found,topic:liquidations:BTCUSDT"),
                ("publicTrade.NOSUCH", "handler not found"),
                ("orderbook.7.BTCUSDT", "handler not found"),
                ("orderbook.500.BTCUSDT", "handler not found"),
                ("publicTrade.BTCUSDT", "already subscribed"),
            ):
                answer, _ = ask(ws, "subscribe", topic)
                self.assertFalse(answer["success"])
                self.assertIn(why, answer["ret_msg"])
            ws.until(lambda m: m.get("topic") == "publicTrade.BTCUSDT")
            answer, _ = ask(ws, "unsubscribe", "publicTrade.BTCUSDT")
            self.assertTrue(answer["success"])
            self.assertTrue(ws.silent(0.7))
            ws.send("no json")
            self.assertFalse(ws.json()["success"])
            ws.send(b"hallo", 9)  # a ping frame
            self.assertEqual(ws.frame(), (10, b"hallo"))
            s.fault("bybit/subscribe_error", n=1)
            self.assertFalse(ask(ws, "subscribe", "publicTrade.BTCUSDT")[0]["success"])
            self.assertTrue(ask(ws, "subscribe", "publicTrade.BTCUSDT")[0]["success"])
            s.fault("bybit/missing_pong", n=1)
            ws.send_json({"op": "ping"})
            with self.assertRaises(AssertionError):
                ws.until(lambda m: m.get("op") == "ping", 0.6)
            ask(ws, "ping")

    def test_silent_clients_are_cut(self):
        with venue("--bybit-idle", "900") as s:
            ws, other = WsClient(s.port, PATH), WsClient(s.port, PATH)
            begin = time.monotonic()
            for _ in range(3):
                time.sleep(0.5)
                ask(ws, "ping")
            with self.assertRaises(Closed):
                other.text()
            self.assertGreater(time.monotonic() - begin, 0.8)
            ask(ws, "ping")

    def test_trades_are_those_of_rest_and_truth(self):
        with venue("--symbols", "BTCUSDT,ETHUSDT", "--bybit-symbols", "BTCUSDT,XRPUSDT") as s:
            ws = WsClient(s.port, PATH)
            self.assertFalse(ask(ws, "subscribe", "publicTrade.ETHUSDT")[0]["success"])
            ask(ws, "subscribe", "publicTrade.BTCUSDT", "publicTrade.XRPUSDT")
            end, frames = time.monotonic() + 1.5, []
            while time.monotonic() < end:
                frames.append(ws.json())
            got = {"BTCUSDT": [], "XRPUSDT": []}
            for f in frames:
                self.assertEqual((list(f), f["type"]), (["topic", "type", "ts", "data"], "snapshot"))
                self.assertLessEqual(len(f["data"]), 1024)
                self.assertEqual(len({(t["T"], t["S"], t["s"]) for t in f["data"]}), 1)
                for t in f["data"]:
                    self.assertEqual(list(t), ["T", "s", "S", "v", "p", "L", "i", "BT", "RPI", "seq"])
                    self.assertRegex(t["i"], UUID)
                    self.assertIn(t["L"], ("PlusTick", "ZeroPlusTick", "MinusTick", "ZeroMinusTick"))
                    self.assertGreaterEqual(f["ts"], t["T"])
                    got[t["s"]].append(trade_row(t))
            for symbol, rows in got.items():
                self.assertGreater(len(rows), 10)
                released = truth(s, symbol)
                start = [r[1] for r in released].index(rows[0][1])
                self.assertEqual(released[start:start + len(rows)], rows)
                self.assertEqual(len({r[1] for r in released}), len(released))
                seqs = [int(r[5]) for r in rows]
                self.assertEqual(seqs, sorted(seqs))
                self.assertGreater(len(set(seqs)), len(seqs) // 4)
                _, body = get(s, f"/v5/market/recent-trade?category=linear&symbol={symbol}&limit=1000")
                self.assertEqual((body["retCode"], body["result"]["category"]), (0, "linear"))
                rest = body["result"]["list"]
                self.assertEqual(len(rest), 1000)
                self.assertEqual(rest, sorted(rest, key=lambda r: -int(r["time"])))
                by_id = {r["execId"]: r for r in rest}
                for r in rows[-100:]:
                    row = by_id[r[1]]
                    self.assertEqual([row[k] for k in ("time", "execId", "price", "size", "side", "seq")], r[:6])
            s.fault("bybit/recent_limit", n=7)
            _, body = get(s, "/v5/market/recent-trade?category=linear&symbol=BTCUSDT&limit=1000")
            self.assertEqual(len(body["result"]["list"]), 7)

    def test_marks_of_block_and_rpi_come_now_and_then(self):
        with venue("--speed", "max", "--from", "2026-01-05T12:00:00Z", "--hold-when-idle") as s:
            ws = WsClient(s.port, PATH)
            ask(ws, "subscribe", "publicTrade.BTCUSDT")
            trades, sizes = [], []
            while len(trades) < 30000:
                m = ws.json()
                sizes.append(len(m["data"]))
                trades += m["data"]
            self.assertGreater(max(sizes), 3)
            blocks = sum(t["BT"] for t in trades)
            rpi = sum(t["RPI"] for t in trades)
            self.assertTrue(2 <= blocks <= 60, blocks)
            self.assertTrue(200 <= rpi <= 1000, rpi)
            split = sum(1 for a, b in zip(trades, trades[1:]) if a["T"] == b["T"])
            self.assertGreater(split, sum(sizes) - len(sizes))  # some moments take several frames

    def test_the_same_market_after_a_restart(self):
        rows = []
        for _ in range(2):
            with venue("--from", "2026-01-05T12:00:00Z", "--seed", "5") as s:
                ws = WsClient(s.port, PATH)
                ask(ws, "subscribe", "publicTrade.BTCUSDT")
                while len(truth(s)) < 3:
                    ws.until(lambda m: "topic" in m)
                rows.append(truth(s)[:3])
        self.assertEqual(rows[0], rows[1])

    def test_books_chain_and_equal_the_truth(self):
        with venue() as s:
            ws = WsClient(s.port, PATH)
            depths = (1, 50, 200, 1000)
            books = {f"orderbook.{d}.BTCUSDT": Book() for d in depths}
            ask(ws, "subscribe", "publicTrade.BTCUSDT", *books)
            end, kinds, last = time.monotonic() + 3.3, {}, {}  # level 1 is repeated after 3 s
            trades = 0
            while time.monotonic() < end:
                m = ws.json()
                if m["topic"] in books:
                    self.assertGreaterEqual(m["ts"], m["cts"])
                    self.assertGreaterEqual(m["cts"], last.get(m["topic"], 0))
                    last[m["topic"]] = m["cts"]
                    books[m["topic"]].apply(m)
                    kinds.setdefault(m["topic"], []).append(m["type"])
                else:
                    trades += len(m["data"])
            self.assertGreater(trades, 20)
            for topic, book in books.items():
                depth = int(topic.split(".")[1])
                self.assertEqual(kinds[topic][0], "snapshot")
                self.assertEqual(set(kinds[topic][1:]), {"snapshot"} if depth == 1 else {"delta"})
                self.assertGreater(len(kinds[topic]), 1 if depth == 1 else 5)
                self.assertEqual({len(book.sides[x]) for x in "ba"}, {depth})
            # A second client's snapshot is the book that the first one has.
            s.fault("pause")
            while not ws.silent(0.3):
                m = ws.json()
                if m["topic"] in books:
                    books[m["topic"]].apply(m)
            other = WsClient(s.port, PATH)
            ask(other, "subscribe", *books)
            for _ in books:
                m = other.json()
                book = books[m["topic"]]
                self.assertEqual((m["type"], m["data"]["u"]), ("snapshot", book.u))
                for side in "ba":
                    self.assertEqual([tuple(l) for l in m["data"][side]], book.levels(side))
            s.fault("resume")
            # On command: a new snapshot, the venue's restart, a delta that is lost.
            topic, book = "orderbook.50.BTCUSDT", books["orderbook.50.BTCUSDT"]
            s.fault("bybit/snapshot", symbol="BTCUSDT", depth=50)
            for m in ws.until(lambda m: m["topic"] == topic and m["type"] == "snapshot"):
                if m["topic"] == topic:
                    book.apply(m)
            s.fault("bybit/snapshot", symbol="BTCUSDT", depth=50, restart=1)
            for m in ws.until(lambda m: m["topic"] == topic and m["data"]["u"] == 3):
                if m["topic"] == topic:
                    book.apply(m)
            s.fault("skip", kind="depth", n=4)
            ws.until(lambda m: m["topic"] == topic and m["data"]["u"] > 4)
            ask(ws, "unsubscribe", topic)
            ask(ws, "subscribe", topic)
            self.assertEqual(ws.until(lambda m: m["topic"] == topic)[-1]["type"], "snapshot")
            _, body = get(s, "/v5/market/orderbook?category=linear&symbol=BTCUSDT&limit=200")
            result = body["result"]
            self.assertEqual((len(result["b"]), len(result["a"]), result["s"]), (200, 200, "BTCUSDT"))
            self.assertLess(float(result["b"][0][0]), float(result["a"][0][0]))

    def test_tickers_and_liquidations(self):
        with venue("--speed", "max", "--from", "2026-01-05T13:00:00Z", "--hold-when-idle") as s:
            ws = WsClient(s.port, PATH)
            ask(ws, "subscribe", "tickers.BTCUSDT", "allLiquidation.BTCUSDT")
            seen = ws.until(lambda m: m["topic"].startswith("allLiquidation"), 20)
            row = seen[-1]["data"][0]
            self.assertEqual(list(row), ["T", "s", "S", "v", "p"])
            self.assertIn(row["S"], ("Buy", "Sell"))
            tickers = [m for m in seen if m["topic"] == "tickers.BTCUSDT"]
            self.assertEqual(tickers[0]["type"], "snapshot")
            self.assertEqual({m["type"] for m in tickers[1:]}, {"delta"})
            whole = dict(tickers[0]["data"])
            for m in tickers[1:]:
                self.assertTrue(len(m["data"]) > 1, "a delta says what changed")
                whole.update(m["data"])
            for name in ("lastPrice", "markPrice", "indexPrice", "openInterest", "openInterestValue",
                         "fundingRate", "nextFundingTime", "bid1Price", "ask1Price"):
                float(whole[name])
            self.assertLess(float(whole["bid1Price"]), float(whole["ask1Price"]))
            _, body = get(s, "/v5/market/open-interest?category=linear&symbol=BTCUSDT&intervalTime=5min&limit=3")
            rows = body["result"]["list"]
            self.assertEqual(len(rows), 3)
            self.assertEqual(int(rows[0]["timestamp"]) - int(rows[1]["timestamp"]), 300000)
            float(rows[0]["openInterest"])

    def test_rest(self):
        with venue("--symbols", "BTCUSDT,ETHUSDT,SOLUSDT") as s:
            status, body = get(s, "/v5/market/time")
            self.assertEqual((status, body["retCode"], body["retMsg"]), (200, 0, "OK"))
            self.assertLess(abs(int(body["result"]["timeSecond"]) - time.time()), 2)
            self.assertEqual(set(body), {"retCode", "retMsg", "result", "retExtInfo", "time"})
            _, body = get(s, "/v5/market/instruments-info?category=linear&limit=2")
            first = body["result"]
            _, body = get(s, "/v5/market/instruments-info?category=linear&limit=2&cursor=" + first["nextPageCursor"])
            rows = first["list"] + body["result"]["list"]
            self.assertEqual([r["symbol"] for r in rows], ["BTCUSDT", "ETHUSDT", "SOLUSDT"])
            self.assertEqual(body["result"]["nextPageCursor"], "")
            self.assertEqual(rows[0]["priceFilter"]["tickSize"], "0.10")
            self.assertEqual(rows[0]["lotSizeFilter"]["qtyStep"], "0.001")
            for path in (
                "recent-trade?category=linear&symbol=NOSUCH",
                "recent-trade?category=spot&symbol=BTCUSDT",
                "recent-trade?symbol=BTCUSDT",
                "instruments-info?category=linear&limit=0",
                "orderbook?category=linear&symbol=BTCUSDT&limit=x",
            ):
                status, body = get(s, "/v5/market/" + path)
                self.assertEqual((status, body["retCode"]), (200, 10001), path)
            self.assertEqual(stack.http(f"http://127.0.0.1:{s.port}/v5/market/nothing")[0], 404)
            _, body = get(s, "/v5/market/tickers?category=linear&symbol=BTCUSDT")
            self.assertEqual(body["result"]["list"][0]["symbol"], "BTCUSDT")

    def test_too_many_requests_are_a_ban(self):
        with venue("--bybit-rate-limit", "20", "--bybit-ban", "1200") as s:
            codes = [stack.http(f"http://127.0.0.1:{s.port}/v5/market/time")[0] for _ in range(45)]
            self.assertEqual(codes[:20], [200] * 20)
            self.assertEqual(codes[-1], 403)
            row = json.loads(stack.http(f"http://127.0.0.1:{s.control_port}/status")[2])
            self.assertEqual((row["over_limit"], row["bans"]), (1, 1))
            self.assertGreaterEqual(row["requests_during_ban"], 1)
            stack.wait_for(lambda: get(s, "/v5/market/time")[0] == 200, 10, "the ban ends", 0.2)

    def test_lost_doubled_and_turned_frames(self):
        with venue() as s:
            ws = WsClient(s.port, PATH)
            ask(ws, "subscribe", "publicTrade.BTCUSDT")
            first = ws.json()
            s.fault("skip", n=3)
            s.fault("duplicate", n=2)
            end, ids = time.monotonic() + 1, [t["i"] for t in first["data"]]
            while time.monotonic() < end:
                ids += [t["i"] for t in ws.json().get("data", [])]
            self.assertLess(len(set(ids)), len(ids))
            released = [r[1] for r in truth(s)]
            at = released.index(ids[0])
            missed = set(released[at:released.index(ids[-1])]) - set(ids)
            self.assertGreaterEqual(len(missed), 3)
            s.fault("reorder", n=4)
            end, times = time.monotonic() + 1, []
            while time.monotonic() < end:
                times += [t["T"] for t in ws.json().get("data", [])]
            self.assertNotEqual(times, sorted(times))


class Recorded(unittest.TestCase):
    """Recorded frames arrive byte by byte as they were written, and REST knows their trades."""

    @contextlib.contextmanager
    def replay(self, name, *args):
        path = stack.SHARED / name
        if not path.exists():
            print(f"  SKIPPED {self.id()}: {path} is not there")
            yield None, None
            return
        with gzip.open(path, "rt") as f:
            lines = [line.strip() for line in f]
        frames = [line[line.index("{"):] for line in lines if '"topic"' in line]
        with stack.Stack(label="replay") as s:
            s.sim("--replay", path, *args)
            yield s, frames
            s.stop_all()

    def test_trades(self):
        with self.replay("bybit_linear_BTCUSDT-BTCPERP_20240402_1523_publicTrade.jsonl.gz", "--stretch", "1500") as (s, frames):
            if s is None:
                return
            ws = WsClient(s.port, PATH)
            ask(ws, "subscribe", "publicTrade.BTCUSDT", "publicTrade.BTCPERP")
            got = [ws.text() for _ in frames]
            self.assertEqual(got, frames)
            trades = [t for f in frames for t in json.loads(f)["data"] if t["s"] == "BTCUSDT"]
            self.assertEqual(len(trades), 441)
            rows = truth(s)
            self.assertEqual([r[:5] for r in rows], [[str(t["T"]), t["i"], t["p"], t["v"], t["S"]] for t in trades])
            _, body = get(s, "/v5/market/recent-trade?category=linear&symbol=BTCUSDT&limit=1000")
            rest = body["result"]["list"]
            self.assertEqual([r["execId"] for r in rest], [t["i"] for t in reversed(trades)])
            _, body = get(s, "/v5/market/instruments-info?category=linear&symbol=BTCUSDT")
            info = body["result"]["list"][0]
            self.assertEqual((info["priceFilter"]["tickSize"], info["lotSizeFilter"]["qtyStep"]), ("0.10", "0.001"))

    def test_moved_to_now(self):
        with self.replay("bybit_linear_BTCPERP_20240306_0021_publicTrade.raw.gz", "--shift-to-now", "--speed", "16") as (s, frames):
            if s is None:
                return
            ws = WsClient(s.port, PATH)
            ask(ws, "subscribe", "publicTrade.BTCPERP")
            got = [ws.json() for _ in frames]
            by = got[0]["ts"] - json.loads(frames[0])["ts"]
            self.assertLess(abs(got[0]["ts"] / 1000 - time.time()), 30)
            for f, m in zip(map(json.loads, frames), got):
                f["ts"] += by
                for t in f["data"]:
                    t["T"] += by
                self.assertEqual(m, f)

    def test_a_book(self):
        with self.replay("bybit_linear_BTCUSDT_20240402_1523_orderbook500.jsonl.gz", "--stretch", "1000") as (s, frames):
            if s is None:
                return
            ws, book = WsClient(s.port, PATH), Book()
            ask(ws, "subscribe", "orderbook.500.BTCUSDT")
            for frame in frames:
                text = ws.text()
                self.assertEqual(text, frame)
                book.apply(json.loads(text))
            late = WsClient(s.port, PATH)
            ask(late, "subscribe", "orderbook.500.BTCUSDT")
            m = late.json()
            self.assertEqual((m["type"], m["data"]["u"]), ("snapshot", book.u))
            for side in "ba":
                self.assertEqual([tuple(l) for l in m["data"][side]], book.levels(side))

    def test_a_book_with_real_loss(self):
        """Every second delta is missing: a client that asks anew at each break never has peace."""
        with self.replay("bybit_linear_BTCUSDT_20240130_0932_orderbook200-lossy.raw.gz", "--stretch", "1500") as (s, frames):
            if s is None:
                return
            ws = WsClient(s.port, PATH)
            ask(ws, "subscribe", "orderbook.200.BTCUSDT")
            got = [ws.text() for _ in frames]
            self.assertEqual(got, frames)
            us = [json.loads(f)["data"]["u"] for f in got]
            self.assertEqual(sum(b != a + 1 for a, b in zip(us, us[1:])), 634)


if __name__ == "__main__":
    unittest.main()

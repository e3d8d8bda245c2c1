"""exchange-sim's books, prices and liquidations as a stranger sees them: a book kept by the documented
procedure (bookref.py) against the venue's own truth, generated and recorded, and every fault of it."""

import contextlib
import json
import threading
import time
import unittest

import recordings
import stack
from bookref import Book, Broken
from wsclient import Closed, WsClient


@contextlib.contextmanager
def venue(*args):
    with stack.Stack(label="sim") as s:
        s.sim(*args)
        yield s
        s.stop_all()


def get(s, path):
    code, _, body = stack.http(f"http://127.0.0.1:{s.port}{path}")
    return code, json.loads(body)


def truth(s, **args):
    query = "&".join(f"{k}={v}" for k, v in args.items())
    code, _, body = stack.http(f"http://127.0.0.1:{s.control_port}/truth?{query}")
    assert code == 200, body
    return body


class Reader(threading.Thread):
    """Everything that a socket says, in order."""

    def __init__(self, port, path):
        super().__init__(daemon=True)
        self.ws, self.seen = WsClient(port, path, timeout=30), []
        self.start()

    def run(self):
        with contextlib.suppress(Closed, OSError):
            while True:
                self.seen.append(self.ws.text())

    def wait(self, n, seconds=15):
        end = time.monotonic() + seconds
        while len(self.seen) < n and time.monotonic() < end:
            time.sleep(0.01)
        assert len(self.seen) >= n, f"{len(self.seen)} of {n} messages"

    def take(self):
        n = len(self.seen)
        out, self.seen[:n] = [json.loads(t) for t in self.seen[:n]], []
        return out


def sync(s, reader, symbol="BTCUSDT", limit=1000, tries=5):
    """A joined book and what came behind the joining diff, by the documented procedure."""
    for _ in range(tries):
        reader.wait(2)
        book = Book()
        code, body = get(s, f"/fapi/v1/depth?symbol={symbol}&limit={limit}")
        assert code == 200, body
        book.snapshot(body)
        try:
            for _ in range(200):
                for e in reader.take():
                    book.diff(e)
                if book.joined:
                    return book
                time.sleep(0.02)
        except Broken:
            continue
    raise AssertionError("no snapshot joins the chain")


class Generated(unittest.TestCase):
    def test_every_speed_ends_in_the_true_book(self):
        with venue("--generate", "--start-on-subscribe=false") as s:
            paths = ["btcusdt@depth@100ms", "btcusdt@depth@500ms", "btcusdt@depth", "btcusdt@depth@0ms"]
            readers = [Reader(s.port, f"/public/ws/{p}") for p in paths]
            books = [sync(s, r) for r in readers]
            time.sleep(2)
            for r, b in zip(readers, books):
                for e in r.take():
                    b.diff(e)
                self.assertGreater(b.applied, 2)
                want = json.loads(truth(s, kind="book", symbol="BTCUSDT", id=b.last_id))
                self.assertEqual(b.top(900)[0], want["bids"][:900])
                self.assertEqual(b.top(900)[1], want["asks"][:900])
            # Trades print inside the book of their moment, at a level that is there.
            rows = [r.split(",") for r in truth(s, symbol="BTCUSDT").split()][-40:]
            for _, price, _, _, _, t, maker, _ in rows:
                b = json.loads(truth(s, kind="book", symbol="BTCUSDT", id=int(t) * 5))
                side = b["bids"] if maker == "true" else b["asks"]
                self.assertIn(price, [p for p, _ in side])

    def test_limits_weights_and_errors(self):
        with venue("--generate") as s:
            for limit, weight in ((5, 2), (50, 2), (100, 5), (500, 10), (1000, 20)):
                url = f"http://127.0.0.1:{s.port}/fapi/v1/depth?symbol=BTCUSDT&limit={limit}"
                before = int(stack.http(f"http://127.0.0.1:{s.port}/fapi/v1/ping")[1]["X-MBX-USED-WEIGHT-1M"])
                code, headers, body = stack.http(url)
                used = int(headers["X-MBX-USED-WEIGHT-1M"])
                self.assertEqual(code, 200)
                self.assertIn(used - before, (weight, weight - before))  # the minute may turn
                self.assertEqual(headers["X-Simulated"], "true")
                b = json.loads(body)
                self.assertEqual((len(b["bids"]), len(b["asks"])), (limit, limit))
                self.assertLess(float(b["bids"][0][0]), float(b["asks"][0][0]))
            for query, code in (("symbol=NOPE", -1121), ("limit=5", -1102), ("symbol=BTCUSDT&limit=7", -4021)):
                status, body = get(s, f"/fapi/v1/depth?{query}")
                self.assertEqual((status, body["code"]), (400, code))
            ticker = get(s, "/fapi/v1/ticker/bookTicker?symbol=BTCUSDT")[1]
            self.assertLess(float(ticker["bidPrice"]), float(ticker["askPrice"]))
            self.assertGreater(float(get(s, "/fapi/v1/openInterest?symbol=BTCUSDT")[1]["openInterest"]), 1000)
            premium = get(s, "/fapi/v1/premiumIndex?symbol=BTCUSDT")[1]
            self.assertEqual(premium["nextFundingTime"] % 28800000, 0)
            self.assertEqual(len(get(s, "/fapi/v1/fundingRate?symbol=BTCUSDT&limit=3")[1]), 3)

    def test_mark_ticker_and_liquidations(self):
        with venue("--generate", "--speed", "50") as s:
            streams = "btcusdt@markPrice@1s/btcusdt@forceOrder/!forceOrder@arr"
            market = Reader(s.port, f"/market/stream?streams={streams}")
            public = Reader(s.port, "/public/stream?streams=btcusdt@bookTicker/btcusdt@depth5@100ms")
            time.sleep(3.5)
            seen = {}
            for m in market.take() + public.take():
                seen.setdefault(m["stream"], []).append(m["data"])
            marks = seen["btcusdt@markPrice@1s"]
            self.assertGreater(len(marks), 40)
            self.assertEqual({b["E"] - a["E"] for a, b in zip(marks, marks[1:])}, {1000})
            one, arr = seen.get("btcusdt@forceOrder", []), seen.get("!forceOrder@arr", [])
            self.assertEqual(one, arr)
            shown = [r.split(",") for r in truth(s, kind="liquidation", symbol="BTCUSDT").split()]
            shown = [r for r in shown if r[7] == "1"]
            self.assertEqual([(e["o"]["T"], e["o"]["S"]) for e in one], [(int(r[1]), r[3]) for r in shown[: len(one)]])
            for a, b in zip(one, one[1:]):
                self.assertGreaterEqual(b["E"] - a["E"], 1000)
            tickers = {m["u"]: m for m in seen["btcusdt@bookTicker"]}
            both = [m for m in seen["btcusdt@depth5@100ms"] if m["u"] in tickers]
            self.assertGreater(len(both), 5)
            for m in both:
                t = tickers[m["u"]]
                self.assertEqual(m["b"][0] + m["a"][0], [t["b"], t["B"], t["a"], t["A"]])


class Faults(unittest.TestCase):
    def setUp(self):
        self.context = venue("--generate", "--start-on-subscribe=false")
        self.s = self.context.__enter__()
        self.reader = Reader(self.s.port, "/public/ws/btcusdt@depth@100ms")
        self.book = sync(self.s, self.reader)
        self.addCleanup(self.context.__exit__, None, None, None)

    def more(self, n=4):
        self.reader.wait(n)
        return self.reader.take()

    def test_stale_snapshots_are_stale(self):
        self.s.fault("stale", n=2)
        for _ in range(2):
            old = Book()
            old.snapshot(get(self.s, "/fapi/v1/depth?symbol=BTCUSDT&limit=1000")[1])
            with self.assertRaises(Broken):
                for e in self.more():
                    old.diff(e)
        sync(self.s, self.reader)

    def test_a_gap_breaks_the_chain(self):
        self.s.fault("skip", n=2, kind="depth")
        with self.assertRaises(Broken):
            for _ in range(3):
                for e in self.more():
                    self.book.diff(e)

    def test_copies_and_reversed_order(self):
        self.s.fault("duplicate", n=2, kind="depth")
        ids = [e["u"] for e in self.more(6)]
        self.assertEqual(len(ids) - len(set(ids)), 2)
        self.s.fault("reorder", n=3, kind="depth")
        ids = [e["u"] for e in self.more(8)]
        self.assertNotEqual(ids, sorted(ids))

    def test_a_crossed_diff_keeps_the_chain(self):
        self.s.fault("crossed", n=1)
        crossed = False
        for e in self.more(6):
            self.book.diff(e)
            (bid, _), (ask, _) = self.book.best()
            crossed = crossed or float(bid) >= float(ask)
        self.assertTrue(crossed)

    def test_broken_copies_come_before_good_frames(self):
        self.s.fault("malformed", of="depth", kind="mix", n=12)
        self.reader.wait(30)
        texts, self.reader.seen[:30] = self.reader.seen[:30], []
        bad = 0
        for t in texts:
            try:
                e = json.loads(t)
                self.book.diff(e)
            except (ValueError, KeyError, TypeError, Broken):
                bad += 1
        self.assertGreaterEqual(bad, 6)  # some are wrong in what they say alone
        self.s.fault("stall", stream="btcusdt@depth@100ms", ms=600)
        self.reader.take()
        time.sleep(0.4)
        self.assertLessEqual(len(self.reader.take()), 2)


@unittest.skipIf(not recordings.REAL, "no recordings here")
class Recorded(unittest.TestCase):
    def play(self, streams, *files, symbol="BTCUSDT", stretch=2500):
        with venue("--replay", *[str(recordings.SHARED / f) for f in files], "--stretch", str(stretch)) as s:
            reader = Reader(s.port, f"/public/stream?streams={streams}")
            book, applied, breaks, equal, unequal, snapshots = Book(), 0, 0, 0, 0, 0
            held, end = [], time.monotonic() + stretch / 1000 + 10
            while time.monotonic() < end:
                messages = reader.take()
                if book.last_id is None and (held or messages):
                    code, body = get(s, f"/fapi/v1/depth?symbol={symbol}&limit=1000")
                    snapshots += 1
                    if code == 200:
                        book.snapshot(body)
                for m in messages:
                    e = m["data"]
                    if e["e"] == "bookTicker":
                        held.append(e)
                        continue
                    try:
                        if book.last_id is not None and book.diff(e):
                            applied += 1
                    except Broken:
                        breaks += 1
                        book = Book()
                        break
                    for t in held:
                        if book.joined and t["u"] == book.last_id:
                            (bid, bq), (ask, aq) = book.best()
                            equal += (bid, bq, ask, aq) == (t["b"], t["B"], t["a"], t["A"])
                            unequal += (bid, bq, ask, aq) != (t["b"], t["B"], t["a"], t["A"])
                    held = held[-200:]
                if not messages:
                    if json.loads(stack.http(f"http://127.0.0.1:{s.control_port}/status")[2])["finished"]:
                        time.sleep(0.2)
                        if not reader.seen:
                            break
                    time.sleep(0.02)
            want = json.loads(truth(s, kind="book", symbol=symbol, limit=20))
            self.assertEqual(book.last_id, want["lastUpdateId"])
            self.assertEqual(book.top(20), (want["bids"], want["asks"]))
            return applied, breaks, equal, unequal, snapshots

    def test_a_recording_is_followed_without_a_break(self):
        f = "binance_usdm_BTCUSDT_20230404_2358_trade-depth0ms-bookTicker-markPrice.raw.gz"
        applied, breaks, equal, unequal, snapshots = self.play("btcusdt@depth@100ms/btcusdt@bookTicker", f)
        self.assertEqual((breaks, unequal, snapshots), (0, 0, 1))
        self.assertGreater(applied, 4200)
        self.assertGreater(equal, 250)

    def test_a_stale_recorded_snapshot_is_told_once(self):
        f = ("binance_usdm_BTCUSDT_20260718_2137_rest-depth-STALE.json", "binance_usdm_BTCUSDT_20260718_2137_depth100ms.jsonl.gz")
        applied, breaks, _, _, snapshots = self.play("btcusdt@depth@100ms", *f)
        self.assertEqual((breaks, snapshots), (1, 2))
        self.assertGreater(applied, 500)

    def test_four_symbols_on_one_socket(self):
        name = "binance_usdm_SUSHI-AKRO-KEEP-CTK_20210722_2225_"
        f = (name + "combined-ws.cryptofeed.gz", name + "rest-depth.cryptofeed.gz")
        applied, breaks, _, unequal, snapshots = self.play("keepusdt@depth", *f, symbol="KEEPUSDT")
        self.assertEqual((breaks, unequal, snapshots), (0, 0, 1))
        self.assertGreater(applied, 120)


if __name__ == "__main__":
    unittest.main()

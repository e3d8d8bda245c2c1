"""The order book on Redis is the venue's own, through cuts, old snapshots and the loss of Redis."""

import json
import time
import unittest
from decimal import Decimal

from stack import Stack, http, wait_for

SHOWN = 20


class Book(unittest.TestCase):
    def truth(self, s, update_id):
        """The venue's book as it was with that id; None when it knows none."""
        url = f"http://127.0.0.1:{s.control_port}/truth?symbol=BTCUSDT&kind=book"
        status, _, body = http(f"{url}&id={update_id}&limit={SHOWN}", 5)
        return json.loads(body) if status == 200 else None

    def book(self, s, db):
        return db.hash(s.key("book"))

    def wait_live(self, s, db, after=-1, seconds=15):
        def look():
            b = self.book(s, db)
            return b if b.get("state") == "live" and int(b["update_id"]) > after else None
        return wait_for(look, seconds, lambda: f"a live book after {after}: {self.book(s, db)}")

    def assert_true(self, s, db, times):
        """So many different states of :book, each against the venue's own at that id."""
        seen = set()
        while len(seen) < times:
            b = self.wait_live(s, db, after=max(seen, default=-1))
            want = self.truth(s, b["update_id"])
            self.assertIsNotNone(want, f"the venue knows no book {b['update_id']}")
            for side in ("bids", "asks"):
                got = [(Decimal(p), Decimal(q)) for p, q in json.loads(b[side])]
                true = [(Decimal(p), Decimal(q)) for p, q in want[side]]
                self.assertEqual(got, true[:SHOWN], f"{side} at {b['update_id']}")
            bid, ask = json.loads(b["bids"])[0], json.loads(b["asks"])[0]
            self.assertEqual([b["bid_price"], b["bid_qty"], b["ask_price"], b["ask_qty"]], bid + ask)
            self.assertLess(Decimal(b["bid_price"]), Decimal(b["ask_price"]))
            self.assertEqual(Decimal(b["spread"]), Decimal(ask[0]) - Decimal(bid[0]))
            sums = [sum(Decimal(q) for _, q in json.loads(b[k])) for k in ("bids", "asks")]
            self.assertLess(abs(Decimal(b["imbalance"]) - (sums[0] - sums[1]) / sum(sums)),
                            Decimal("0.00000001"))
            self.assertEqual(b["simulated"], "1")
            seen.add(int(b["update_id"]))
        return max(seen)

    def events(self, s, name):
        return [e for e in s.p_collector.events(name)]

    def test_equals_the_venue_through_faults(self):
        with Stack(label="book") as s:
            s.redis()
            s.sim("--generate", "--speed", "3")
            s.collector(RECONNECT_MIN_MS=800, RECONNECT_MAX_MS=900, WS_CONNECT_INTERVAL_MS=1,
                        WEIGHT_LIMIT=100000)
            with s.db() as db:
                last = self.assert_true(s, db, 10)

                # Every connection cut: what was missed can not be had, so a new snapshot is.
                s.fault("drop")
                last = self.assert_true(s, db, 3)
                self.assertGreaterEqual(int(self.book(s, db)["_gaps"]), 1)

                # The answers of REST are old: refused, asked for again, nothing shown meanwhile.
                s.fault("stale", n=2, age_ms=20000)
                s.fault("drop")
                s.p_collector.wait_event("book_snapshot_refused", 10,
                                         lambda e: e.get("why") == "too old")
                last = self.assert_true(s, db, 3)
                old = [e for e in self.events(s, "book_snapshot_refused") if e["why"] == "too old"]
                self.assertEqual(len(old), 2)

                # A book that crosses itself is thrown away.
                s.fault("crossed", n=1)
                s.p_collector.wait_event("book_lost", 10, lambda e: e.get("why") == "crossed")
                last = self.assert_true(s, db, 3)

                # Redis dies and comes back: the newest book, not what was missed.
                s.p_redis.kill()
                time.sleep(0.5)
                s.redis()
            with s.db() as db:
                self.wait_live(s, db, after=last)
                self.assert_true(s, db, 3)
                a, at = int(self.book(s, db)["_ver"]), time.monotonic()
                time.sleep(2)
                writes = int(self.book(s, db)["_ver"]) - a
                self.assertLessEqual(writes, 20 * (time.monotonic() - at) + 2)
                s.p_collector.term(5)
                self.assertEqual(self.book(s, db)["state"], "stale", "nobody keeps it any more")


if __name__ == "__main__":
    unittest.main()

"""A Redis whose content is replaced under a running gateway: by an older market, without a moment
in which nothing is there."""

import unittest

from stack import Stack, wait_for
from wsclient import WsClient

INSTRUMENT = ("venue", "binance", "symbol", "BTCUSDT", "tick", "0.10", "step", "0.001", "min_qty",
              "0.001", "min_notional", "5", "price_scale", "4", "qty_scale", "5", "simulated", "1",
              "schema", "1")


def write(db, s, first, ts):
    """Everything that was there goes, and five trades from `first` on come, at once."""
    db("MULTI")
    db("FLUSHALL")
    db("HSET", s.key("instrument"), *INSTRUMENT)
    for i in range(5):
        db("XADD", s.key("trades"), f"{ts + i}-{first + i}", "price", "61640.1", "qty", "0.010",
           "side", "buy", "id", str(first + i), "rx_us", str((ts + i) * 1000))
    db("EXEC")


class Replaced(unittest.TestCase):
    def test_an_older_market_takes_the_place_of_a_newer_one(self):
        with Stack(label="replaced") as s:
            s.redis()

            def shown():
                return [t["id"] for t in s.get("/trades")[1]["trades"]]

            with s.db() as db:
                write(db, s, 5000, 1723161599000)
                s.service("api", API_SWEEP_MS=100)
                wait_for(lambda: shown() == [5004, 5003, 5002, 5001, 5000], 10, shown)
                c = WsClient(s.api_port, "/ws")
                c.send_json({"op": "subscribe", "channels": ["trades"]})
                c.until(lambda m: m.get("ch") == "trades")
                write(db, s, 70, 1712070000000)
                wait_for(lambda: shown() == [74, 73, 72, 71, 70], 10, shown)
                told = c.until(lambda m: m.get("ch") == "trades" and m["type"] == "update")[-1]
                self.assertEqual([t["id"] for t in told["data"]["trades"]], [70, 71, 72, 73, 74])
                # And it goes on from there, once.
                db("XADD", s.key("trades"), "1712070000009-75", "price", "61640.2", "qty", "0.010",
                   "side", "sell", "id", "75", "rx_us", "1712070000009000")
                told = c.until(lambda m: m.get("ch") == "trades" and m["type"] == "update")[-1]
                self.assertEqual([t["id"] for t in told["data"]["trades"]], [75])
                self.assertEqual(len(s.p_api.events("stream_replaced")), 1)
            c.close()
            s.stop_all()


if __name__ == "__main__":
    unittest.main()

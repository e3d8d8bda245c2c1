"""What exchange-sim does to REST, connections and its clock on command: seen from the outside, with
the standard library alone. Storm tests lean on these figures, so they are proven here."""

import contextlib
import http.client
import json
import time
import unittest

import stack
from wsclient import Closed, WsClient

TIME = "/fapi/v1/time"
TRADES = "/fapi/v1/aggTrades?symbol=BTCUSDT&limit=1000"


@contextlib.contextmanager
def venue(*args):
    with stack.Stack(label="sim") as s:
        s.sim("--generate", *args)
        yield s
        s.stop_all()


def get(s, path, timeout=5.0):
    return stack.http(f"http://127.0.0.1:{s.port}{path}", timeout)


def status(s):
    return json.loads(stack.http(f"http://127.0.0.1:{s.control_port}/status")[2])


class HttpFaults(unittest.TestCase):
    def test_statuses_paths_counts(self):
        with venue() as s:
            s.fault("http", kind=429, path="/fapi/v1/agg", n=2, retry_after=3)
            self.assertEqual(get(s, TIME)[0], 200)
            for _ in range(2):
                code, headers, body = get(s, TRADES)
                self.assertEqual((code, headers["Retry-After"]), (429, "3"))
                self.assertEqual(headers["X-Simulated"], "true")
                self.assertEqual(json.loads(body)["code"], -1003)
            self.assertEqual(get(s, TRADES)[0], 200)
            row = status(s)
            # The second 429 and two further requests came before the 3 s were over.
            self.assertEqual(row["requests_during_backoff"], 2)
            self.assertEqual(row["http_faults_hit"], 2)
            for code in (403, 408, 451, 500, 502, 503, 504):
                s.fault("http", kind=code)
                self.assertEqual(get(s, TIME)[0], code)
            self.assertEqual(get(s, TIME)[0], 200)
            s.fault("http", kind=503, ms=400)
            begin = time.monotonic()
            while get(s, TIME)[0] == 503:
                self.assertLess(time.monotonic() - begin, 5)
            self.assertGreater(time.monotonic() - begin, 0.35)
            s.fault("http", kind=500, n=100)
            s.fault("http/clear")
            self.assertEqual(get(s, TIME)[0], 200)
            self.assertEqual(stack.http(f"http://127.0.0.1:{s.control_port}/http?kind=600")[0], 400)

    def test_a_ban_refuses_and_counts(self):
        with venue() as s:
            s.fault("http", kind=418, ban_ms=1500)
            code, headers, body = get(s, TIME)
            banned_until = json.loads(body)["msg"].split("until ")[1].split(".")[0]
            self.assertEqual((code, headers["Retry-After"]), (418, "2"))
            self.assertLess(abs(int(banned_until) - time.time() * 1000 - 1500), 1000)
            self.assertEqual(status(s)["requests_during_ban"], 0)
            time.sleep(0.15)  # later than a request that was on its way
            self.assertEqual(get(s, TRADES)[0], 418)
            self.assertEqual(get(s, TIME)[0], 418)
            self.assertEqual(status(s)["requests_during_ban"], 2)
            time.sleep(1.6)
            self.assertEqual(get(s, TIME)[0], 200)
            row = status(s)
            self.assertEqual((row["bans"], row["requests_during_ban"]), (1, 2))
            # By the clock and not by a request; what was on its way counts apart.
            s.fault("ban", venue="bybit", ms=60000, grace_ms=30000)
            code, _, body = get(s, "/v5/market/time")
            self.assertEqual(code, 403)
            self.assertIn("access too frequent", body)
            self.assertEqual(get(s, TIME)[0], 200)
            row = status(s)
            self.assertEqual((row["requests_during_ban"], row["requests_at_ban"]), (2, 1))

    def test_bodies_slow_torn_wrong_or_never(self):
        with venue() as s:
            whole = get(s, "/fapi/v1/exchangeInfo")[2]
            s.fault("http", kind="slow", rate=4000)
            begin = time.monotonic()
            slow = get(s, "/fapi/v1/exchangeInfo")[2]
            took = time.monotonic() - begin
            self.assertEqual(len(slow), len(whole))
            self.assertGreater(took, len(whole) / 4000 * 0.7)
            self.assertLess(took, len(whole) / 4000 * 3 + 1)
            s.fault("http", kind="torn")
            with self.assertRaises((http.client.IncompleteRead, ConnectionError)):
                get(s, "/fapi/v1/exchangeInfo")
            s.fault("http", kind="wrong")
            self.assertEqual(list(json.loads(get(s, TRADES)[2])), ["serverTime"])
            s.fault("http", kind="hang")
            with self.assertRaises((TimeoutError, OSError)):
                get(s, TIME, timeout=0.6)
            self.assertEqual(get(s, TIME)[0], 200)

    def test_weight_is_accounted(self):
        with venue("--weight-limit", "100") as s:
            if time.time() % 60 > 55:  # all within one minute
                time.sleep(60.5 - time.time() % 60)
            for i in range(5):
                code, headers, _ = get(s, TRADES)
                self.assertEqual(code, 200)
                self.assertEqual(headers["X-MBX-USED-WEIGHT-1M"], str(20 * (i + 1)))
            row = status(s)
            self.assertEqual((row["weight_used_max"], row["over_limit"]), (100, 0))
            code, headers, _ = get(s, TIME)
            self.assertEqual(code, 429)
            self.assertLessEqual(int(headers["Retry-After"]), 61)
            row = status(s)
            self.assertEqual((row["weight_used_max"], row["over_limit"]), (101, 1))

    def test_refused_connections(self):
        with venue() as s:
            ws = WsClient(s.port, "/market/ws/btcusdt@aggTrade")
            ws.json()
            s.fault("refuse", ms=700)
            begin = time.monotonic()
            with self.assertRaises((Closed, OSError)):
                while True:
                    ws.json()
            self.assertEqual(status(s)["clients"], 0)

            for _ in range(3):
                with self.assertRaises((OSError, http.client.HTTPException)):
                    get(s, TIME)
            self.assertGreaterEqual(status(s)["refused_connections"], 3)
            while time.monotonic() - begin < 10:
                with contextlib.suppress(OSError, http.client.HTTPException):
                    get(s, TIME)
                    break
                time.sleep(0.02)
            self.assertGreater(time.monotonic() - begin, 0.6)
            ws = WsClient(s.port, "/market/ws/btcusdt@aggTrade")
            ws.json()
            self.assertEqual(get(s, TIME)[0], 200)

    def test_half_open(self):
        with venue() as s:
            one = WsClient(s.port, "/market/ws/btcusdt@aggTrade")
            two = WsClient(s.port, "/market/ws/btcusdt@aggTrade")
            one.json()
            two.json()
            newest = max(c["id"] for c in status(s)["client_list"])
            s.fault("half_open", client=newest, ms=1500)
            while not two.silent(0.3):  # what was on its way
                two.data = b""
            two.send_json({"method": "LIST_SUBSCRIPTIONS", "id": 1})
            self.assertTrue(two.silent(0.8))
            one.send_json({"method": "LIST_SUBSCRIPTIONS", "id": 1})
            one.until(lambda m: m.get("id") == 1)
            # Over, the connection works again: what was asked is answered then.
            two.until(lambda m: m.get("id") == 1)
            s.fault("half_open")
            self.assertEqual([c["half_open"] for c in status(s)["client_list"]], [True, True])

    def test_skew_and_drift(self):
        with venue() as s:
            def offset():
                return json.loads(get(s, TIME)[2])["serverTime"] - time.time() * 1000

            self.assertLess(abs(offset()), 200)
            s.fault("skew", ms=5000)
            self.assertLess(abs(offset() - 5000), 200)
            s.fault("skew", ms=-3000)
            self.assertLess(abs(offset() + 3000), 200)
            s.fault("skew", drift_ppm=500000)
            time.sleep(1)
            self.assertLess(abs(offset() - 500), 250)
            ws = WsClient(s.port, "/market/ws/btcusdt@aggTrade")
            s.fault("skew", ms=7000)
            row = ws.until(lambda m: m["E"] - m["T"] > 6000)[-1]
            self.assertLess(row["E"] - row["T"], 8000)

    def test_maintenance_close(self):
        with venue() as s:
            for code in (1001, 1012):
                ws = WsClient(s.port, "/market/ws/btcusdt@aggTrade")
                s.fault("drop", code=code)
                with self.assertRaises(Closed) as told:
                    ws.until(lambda m: False)
                self.assertEqual(told.exception.code, code)


if __name__ == "__main__":
    unittest.main()

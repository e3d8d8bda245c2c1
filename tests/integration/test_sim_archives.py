"""Daily files of exchange-sim: both venues' forms, spoilt on command, while the feed goes on."""

import csv
import gzip
import hashlib
import io
import json
import threading
import time
import unittest
import urllib.error
import urllib.request
import zipfile

import recordings
from stack import Stack, http, wait_for
from wsclient import WsClient

NOW = "2026-11-22T16:00:00Z"
DAY = "2026-11-21"
DAY_MS = 86_400_000
START = 1_795_219_200_000  # of DAY
HEADER = "agg_trade_id,price,quantity,first_trade_id,last_trade_id,transact_time,is_buyer_maker"


def ask(s, path, method="GET", **headers):
    """(status, headers, body) in bytes."""
    r = urllib.request.Request(f"http://127.0.0.1:{s.port}{path}", method=method, headers=headers)
    try:
        with urllib.request.urlopen(r, timeout=60) as a:
            return a.status, a.headers, a.read()
    except urllib.error.HTTPError as e:
        return e.code, e.headers, e.read()


def zip_path(symbol="BTCUSDT", day=DAY):
    return f"/data/futures/um/daily/aggTrades/{symbol}/{symbol}-aggTrades-{day}.zip"


def gz_path(symbol="BTCUSDT", day=DAY):
    return f"/trading/{symbol}/{symbol}{day}.csv.gz"


class Archives(unittest.TestCase):
    def venue(self, s, *args, rate="0.012"):
        s.sim("--generate", "--now", NOW, "--from", "2026-11-22T15:50:00Z", "--speed", "600", "--rate", rate,
              "--symbols", "BTCUSDT,ETHUSDT", *args)
        s.fault("start")
        released = lambda: json.loads(http(f"http://127.0.0.1:{s.control_port}/status")[2])["position"]
        wait_for(lambda: released() > 0, 60, "the first trade")  # before it no truth is told

    def truth(self, s, first, last):
        _, _, body = http(f"http://127.0.0.1:{s.control_port}/truth?symbol=BTCUSDT&fromId={first}")
        rows = [r.split(",") for r in body.splitlines()]
        return [r for r in rows if int(r[0]) <= last]

    def rows_of_zip(self, data):
        with zipfile.ZipFile(io.BytesIO(data)) as z:
            self.assertEqual(z.namelist(), [f"BTCUSDT-aggTrades-{DAY}.csv"])
            return z.read(z.namelist()[0]).decode().splitlines()

    def test_binance_files(self):
        with Stack(label="simzip") as s:
            self.venue(s)
            first = json.loads(ask(s, f"/fapi/v1/aggTrades?symbol=BTCUSDT&startTime={START}&limit=1")[2])
            _, _, data = ask(s, zip_path())
            lines = self.rows_of_zip(data)
            self.assertEqual(lines[0], HEADER)
            rows = [line.split(",") for line in lines[1:]]
            per_day = int(691_200 * 0.012)
            self.assertEqual(len(rows), per_day)
            want = self.truth(s, first[0]["a"], first[0]["a"] + per_day - 1)
            for got, t in zip(rows, want):
                self.assertEqual((got[0], got[3], got[4], got[5], got[6]), (t[0], t[3], t[4], t[5], t[6]))
                self.assertEqual((float(got[1]), float(got[2])), (float(t[1]), float(t[2])))
            sum_, tag = hashlib.sha256(data).hexdigest(), None
            self.assertEqual(ask(s, zip_path() + ".CHECKSUM")[2].decode(),
                             f"{sum_}  BTCUSDT-aggTrades-{DAY}.zip\n")
            # HEAD, ETag, parts.
            status, h, body = ask(s, zip_path(), "HEAD")
            tag = h["ETag"]
            self.assertEqual((status, int(h["Content-Length"]), body), (200, len(data), b""))
            self.assertEqual(ask(s, zip_path(), If_None_Match=tag)[0], 200)  # no such header
            self.assertEqual(ask(s, zip_path(), **{"If-None-Match": tag})[0], 304)
            status, h, body = ask(s, zip_path(), Range="bytes=100-")
            self.assertEqual((status, body), (206, data[100:]))
            self.assertEqual(h["Content-Range"], f"bytes 100-{len(data) - 1}/{len(data)}")
            self.assertEqual(ask(s, zip_path(), Range="bytes=5-9")[2], data[5:10])
            self.assertEqual(ask(s, zip_path(), Range=f"bytes={len(data)}-")[0], 416)
            # What is not over, and what does not exist.
            for day in ("2026-11-22", "2026-11-23"):
                self.assertEqual(ask(s, zip_path(day=day))[0], 404)
            self.assertEqual(ask(s, zip_path("XRPUSDT"))[0], 404)
            # Other forms, on command; the newest order decides.
            s.fault("archive", header=0, bool="True", time="us", day=DAY)
            old = self.rows_of_zip(ask(s, zip_path())[2])
            self.assertEqual(len(old), per_day)
            for a, b in zip(old, rows):
                a = a.split(",")
                self.assertEqual((a[:5], int(a[5]) // 1000, a[6]), (b[:5], int(b[5]), b[6].title()))
            s.fault("archive", version=2)
            again = ask(s, zip_path())[2]
            self.assertNotEqual(again, data)
            self.assertEqual(self.rows_of_zip(again), lines)
            self.assertNotEqual(ask(s, zip_path(), "HEAD")[1]["ETag"], tag)
            s.fault("archive", drop=10)
            self.assertEqual(len(self.rows_of_zip(ask(s, zip_path())[2])), 1 + per_day - per_day // 10)
            s.fault("archive", checksum="bad")
            data = ask(s, zip_path())[2]
            self.assertNotIn(hashlib.sha256(data).hexdigest(), ask(s, zip_path() + ".CHECKSUM")[2].decode())
            s.fault("archive", missing=1, venue="binance")
            self.assertEqual(ask(s, zip_path())[0], 404)
            s.fault("archive/clear")
            self.assertEqual(ask(s, zip_path())[0], 200)
            s.stop_all()

    def test_bybit_files(self):
        with Stack(label="simgz") as s:
            self.venue(s)
            _, _, body = http(f"http://127.0.0.1:{s.control_port}/truth?venue=bybit&symbol=BTCUSDT"
                              f"&fromMs={START}")
            truth = [r.split(",") for r in body.splitlines()]
            truth = {r[1]: r for r in truth if int(r[0]) < START + DAY_MS}

            def rows():
                status, h, data = ask(s, gz_path())
                self.assertEqual(status, 200)
                return list(csv.DictReader(io.StringIO(gzip.decompress(data).decode()))), data

            def check(got):
                self.assertEqual(len(got), len(truth))
                for g in got:
                    t = truth[g["trdMatchID"]]
                    whole, _, frac = g["timestamp"].partition(".")
                    self.assertLessEqual(len(frac), 4)
                    self.assertEqual(int(whole) * 1000 + int(frac.ljust(4, "0")[:3]), int(t[0]))
                    self.assertEqual(g["side"], t[4])
                    self.assertEqual((float(g["price"]), float(g["size"])), (float(t[2]), float(t[3])))
                    if "RPI" in g:
                        self.assertEqual(g["RPI"] == "1", "rpi" in t[6])

            got, data = rows()
            check(got)
            self.assertIn("RPI", got[0])
            self.assertTrue(any("rpi" in t[6] for t in truth.values()))
            times = [float(g["timestamp"]) for g in got]
            self.assertGreater(times[-1], times[0])
            status, h, _ = ask(s, gz_path(), "HEAD")
            tag = h["ETag"]
            self.assertEqual(ask(s, gz_path(), **{"If-None-Match": tag})[0], 304)
            s.fault("archive", venue="bybit", sort="desc", rpi=0)
            got, _ = rows()
            check(got)
            self.assertNotIn("RPI", got[0])
            times = [float(g["timestamp"]) for g in got]
            self.assertLess(times[-1], times[0])
            s.fault("archive", venue="bybit", sort="mixed", version=1)
            got, again = rows()
            check(got)
            ups = sum(float(a["timestamp"]) < float(b["timestamp"]) for a, b in zip(got, got[1:]))
            self.assertGreater(len(got) - ups, 3)
            self.assertNotEqual(ask(s, gz_path(), "HEAD")[1]["ETag"], tag)
            self.assertEqual(ask(s, gz_path(day="2026-11-22"))[0], 404)
            self.assertEqual(ask(s, gz_path() + ".CHECKSUM")[0], 404)
            # The API's own refusal by count, which the archive's host does not know.
            s.fault("http", kind="limit", path="/v5/", n=1)
            status, h, body = ask(s, "/v5/market/time")
            self.assertEqual((status, json.loads(body)["retCode"]), (200, 10006))
            self.assertEqual(h["X-Bapi-Limit-Status"], "0")
            self.assertGreater(int(h["X-Bapi-Limit-Reset-Timestamp"]), time.time() * 1000 - 10_000)
            s.fault("ban", venue="bybit", ms=60_000)
            self.assertEqual(ask(s, "/v5/market/time")[0], 403)
            self.assertEqual(ask(s, gz_path())[0], 200)
            s.stop_all()

    def test_wrong_rows_and_the_list_of_requests(self):
        with Stack(label="simwrong") as s:
            self.venue(s)
            page = lambda i, sym="BTCUSDT": json.loads(
                ask(s, f"/fapi/v1/aggTrades?symbol={sym}&fromId={i}&limit=5")[2])
            first = json.loads(ask(s, f"/fapi/v1/aggTrades?symbol=BTCUSDT&startTime={START}&limit=1")[2])
            a = first[0]["a"]
            newest = json.loads(ask(s, "/fapi/v1/aggTrades?symbol=BTCUSDT&limit=1")[2])[0]["a"]
            good = page(a)
            self.assertEqual([r["a"] for r in good], list(range(a, a + 5)))
            s.fault("http", kind="repeat", path="/fapi/v1/aggTrades", n=1)
            self.assertEqual(page(a + 5), good)
            s.fault("http", kind="newest", path="/fapi/v1/aggTrades", n=1)
            self.assertGreaterEqual(page(a)[-1]["a"], newest)
            s.fault("http", kind="symbol", path="/fapi/v1/aggTrades", n=1)
            self.assertLess(float(page(a)[0]["p"]), 10_000)  # ETH's
            s.fault("http", kind="empty", path="/fapi/v1/aggTrades", n=1)
            self.assertEqual(page(a), [])
            s.fault("http", kind="503", path=zip_path() + "$", n=1)
            self.assertEqual(ask(s, zip_path() + ".CHECKSUM")[0], 200)
            self.assertEqual(ask(s, zip_path())[0], 503)
            # A ban of the API is none of the archive's host.
            s.fault("ban", venue="binance", ms=60_000)
            self.assertEqual(ask(s, "/fapi/v1/time")[0], 418)
            self.assertEqual(ask(s, zip_path())[0], 200)
            told = json.loads(http(f"http://127.0.0.1:{s.control_port}/status")[2])
            self.assertEqual(told["requests_during_ban"], 1)
            rows = [r.split(",") for r in http(f"http://127.0.0.1:{s.control_port}/requests")[2].splitlines()]
            self.assertEqual(len(rows), told["requests_noted"])
            pages = [r for r in rows if "fromId" in r[3]]
            self.assertEqual([r[5] for r in pages], ["", "repeat", "newest", "symbol", "empty"])
            self.assertEqual([int(x) for x in pages[0][7:10]], [5, a, a + 4])
            self.assertEqual([r[4] for r in rows if r[3].endswith(".zip")], ["503", "200"])
            s.stop_all()

    def test_the_feed_goes_on_while_a_file_is_made(self):
        """A day of many trades takes its time; frames come as if nobody had asked for it."""
        rate = "2.18" if recordings.LONG else "0.4"
        with Stack(label="simfeed") as s:
            self.venue(s, rate=rate)
            ask(s, f"/fapi/v1/aggTrades?symbol=BTCUSDT&startTime={START}&limit=1")  # makes the day
            ws, took = WsClient(s.port, "/public/ws/btcusdt@depth@100ms"), []

            def fetch():
                begin = time.monotonic()
                ask(s, zip_path())
                took.append(time.monotonic() - begin)

            t = threading.Thread(target=fetch)
            stamps = [time.monotonic()]
            t.start()
            while t.is_alive():
                ws.text()
                stamps.append(time.monotonic())
            t.join()
            ws.close()
            longest = max(b - a for a, b in zip(stamps, stamps[1:]))
            print(f"       {691_200 * float(rate):.0f} trades packed in {took[0]:.2f} s, longest silence "
                  f"of a 100 ms stream {longest * 1000:.0f} ms", flush=True)
            self.assertLess(longest, max(0.35, took[0] / 2))
            s.stop_all()

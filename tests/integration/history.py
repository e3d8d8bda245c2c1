"""A venue's history for tests of backfill: REST of exchange-sim passed on, daily archives, and faults.

Every request is kept in `seen`, and what was answered rightly in `pages` as (first id, last id), so
that a test can prove that nothing was fetched twice. Faults are taken one per request, in order.
"""

import hashlib
import hmac
import http.client
import http.server
import io
import json
import threading
import time
import urllib.parse
import zipfile

from reference import make_trade


def csv_of(trades, header=True):
    """A daily file as the venue writes it (f and l are of no interest here)."""
    lines = ["agg_trade_id,price,quantity,first_trade_id,last_trade_id,transact_time,is_buyer_maker"]
    lines = lines if header else []
    for t in trades:
        maker = "true" if t.side == "sell" else "false"
        lines.append(f"{t.id},{t.p_text},{t.q_text},{t.id},{t.id},{t.ts},{maker}")
    return "\n".join(lines) + "\n"


def zip_of(name, text):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as z:
        z.writestr(name.replace(".zip", ".csv"), text)
    return out.getvalue()


class HistoryVenue:
    def __init__(self, stack):
        self.stack = stack
        self.files = {}  # name -> bytes
        self.checksums = {}  # name -> text instead of the true one
        self.faults = []  # of REST requests
        self.file_faults = []  # of zip downloads
        self.seen, self.pages, self.downloads, self.hits = [], [], [], []
        self.delay_s = 0
        self.lock = threading.Lock()
        venue = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                pass

            def do_GET(self):
                try:
                    venue.answer(self)
                except (BrokenPipeError, ConnectionResetError):
                    pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.port = self.server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()

    def env(self, **more):
        return dict(BINANCE_REST_BASE_URL=self.url, BINANCE_ARCHIVE_BASE_URL=self.url,
                    BACKFILL_PUBLIC_DELAY_MS="0", WEIGHT_LIMIT="1000000", BACKFILL_RETRY_BASE="0.02",
                    BACKFILL_COOLDOWN_SECONDS="1", BINANCE_API_TIMEOUT="2", **more)

    def truth(self, first, last=None, symbol="BTCUSDT"):
        """Trades from id `first` on that the simulated market has released."""
        c = http.client.HTTPConnection("127.0.0.1", self.stack.control_port)
        out = []
        end = time.monotonic() + 30  # the market tells nothing before its first trade is served
        while time.monotonic() < end:
            c.request("GET", f"/truth?symbol={symbol}&fromId={first}")
            rows = [r for r in c.getresponse().read().decode().splitlines() if r]
            for row in rows:
                a, p, q, _, _, ts, maker = row.split(",")[:7]
                out.append(make_trade(int(ts), int(a), p, q, "sell" if maker == "true" else "buy"))
            if out and (not rows or (last is not None and out[-1].id >= last)):
                return [t for t in out if last is None or t.id <= last]
            if rows:
                first = out[-1].id + 1
            else:
                time.sleep(0.05)
        raise AssertionError("the market tells no truth")

    def first_id(self, ms, symbol="BTCUSDT"):
        c = http.client.HTTPConnection("127.0.0.1", self.stack.port)
        c.request("GET", f"/fapi/v1/aggTrades?symbol={symbol}&startTime={ms}&limit=1")
        return json.loads(c.getresponse().read())[0]["a"]

    def publish(self, day, trades, symbol="BTCUSDT", header=True):
        name = f"{symbol}-aggTrades-{day}.zip"
        self.files[name] = zip_of(name, csv_of(trades, header))

    # ---- answers ------------------------------------------------------------------------------

    def send(self, h, status, body, headers=(), cut=None):
        h.send_response(status)
        h.send_header("X-Simulated", "true")
        h.send_header("Content-Length", str(len(body)))
        for name, value in headers:
            h.send_header(name, value)
        h.end_headers()
        h.wfile.write(body if cut is None else body[:cut])
        if cut is not None:
            h.wfile.flush()
            h.close_connection = True

    def take(self, faults):
        with self.lock:
            return faults.pop(0) if faults else None

    def answer(self, h):
        url = urllib.parse.urlsplit(h.path)
        query = dict(urllib.parse.parse_qsl(url.query))
        with self.lock:
            self.seen.append((url.path, query))
        if url.path.startswith("/data/"):
            return self.archive(h, url.path.rsplit("/", 1)[1])
        if url.path in ("/fapi/v1/historicalTrades", "/fapi/v2/account"):
            return self.private(h, url)
        if h.headers.get("X-MBX-APIKEY", self.KEY) != self.KEY:
            return self.send(h, 401, b'{"code":-2014,"msg":"API-key format invalid."}')
        if self.delay_s:
            time.sleep(self.delay_s)
        fault = self.take(self.faults)
        if isinstance(fault, int):
            headers = [("Retry-After", "1")] if fault in (418, 429) else []
            return self.send(h, fault, b'{"code":-1003,"msg":"on command"}', headers)
        if fault == "silence":
            time.sleep(3)
            h.close_connection = True
            return None
        c = http.client.HTTPConnection("127.0.0.1", self.stack.port)
        path = h.path
        if fault == "newest":  # as a venue that no longer has what was asked for
            path = f"{url.path}?symbol={query['symbol']}&limit={query.get('limit', 500)}"
        c.request("GET", path)
        r = c.getresponse()
        body = r.read()
        if fault == "empty":
            body = b"[]"
        if fault == "torn":
            return self.send(h, 200, body, cut=len(body) // 2)
        if fault is None and r.status == 200 and "fromId" in query:
            ids = [row["a"] for row in json.loads(body)]
            if ids and int(query.get("limit", 500)) > 1:
                with self.lock:
                    self.pages.append((ids[0], ids[-1]))
        return self.send(h, r.status, body)

    KEY, SECRET = "key-" + "k" * 60, "secret-" + "s" * 57

    def private(self, h, url):
        """As the venue judges a key and a signature."""
        if h.headers.get("X-MBX-APIKEY") != self.KEY:
            return self.send(h, 401, b'{"code":-2014,"msg":"API-key format invalid."}')
        if url.path.endswith("account"):
            text, _, signature = url.query.partition("&signature=")
            good = hmac.new(self.SECRET.encode(), text.encode(), "sha256").hexdigest()
            age = time.time() * 1000 - int(dict(urllib.parse.parse_qsl(text))["timestamp"])
            if signature != good or abs(age) > 5000:
                return self.send(h, 400, b'{"code":-1022,"msg":"Signature is not valid."}')
        return self.send(h, 200, b"[]")

    def archive(self, h, name):
        plain = name.replace(".CHECKSUM", "")
        if plain not in self.files:
            return self.send(h, 404, b"<Error><Code>NoSuchKey</Code></Error>")
        data = self.files[plain]
        if name != plain:
            text = self.checksums.get(plain) or f"{hashlib.sha256(data).hexdigest()}  {plain}\n"
            return self.send(h, 200, text.encode())
        fault = self.take(self.file_faults)
        start = 0
        if "Range" in h.headers:
            start = int(h.headers["Range"].split("=")[1].split("-")[0])
        with self.lock:
            self.downloads.append((name, start, fault))
        if isinstance(fault, int):
            return self.send(h, fault, b"on command")
        status, data = (206, data[start:]) if start else (200, data)
        if fault == "torn":
            return self.send(h, status, data, cut=len(data) // 2)
        return self.send(h, status, data)

"""The contract that dashboards written for the documented names rely on: every documented endpoint,
every documented member, with a sane type; null where nothing is known; errors in one shape.

What is written here is the documentation and nothing else: members that the gateway has beyond it
are its own affair, so this test must never need a change when an answer grows."""

import json
import re
import socket
import unittest

import recordings
from scenario import Scenario
from stack import Stack, http, wait_for

TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+00:00")
NUM, INT, TEXT, BOOL, WHEN, ANY = "number", "integer", "text", "bool", "time", "anything"


class Maybe:
    """May be null."""

    def __init__(self, kind):
        self.kind = kind


class OneOf:
    def __init__(self, *values):
        self.values = values


N, I, T, W = Maybe(NUM), Maybe(INT), Maybe(TEXT), Maybe(WHEN)
PROGRESS = {"current": INT, "total": INT, "percentage": NUM, "estimated_seconds_remaining": N}
STATES = OneOf("idle", "in_progress", "complete", "error", "cancelled", "skipped", "disabled")
GATE = {"session": T, "session_message": TEXT, "is_trading_active": BOOL, "trading_enabled": BOOL,
        "backfill_complete": BOOL, "backfill_status": STATES, "backfill_progress": PROGRESS,
        "metrics_precision": T}
BAND = {"upper": N, "lower": N}
LEVELS = {"OR": {"hi": N, "lo": N, "startTs": W, "endTs": W, "complete": BOOL}, "VWAP": N, "POCd": N,
          "POC": N, "VAH": N, "VAL": N, "PDH": N, "PDL": N, "VAHprev": N, "VALprev": N, "POCprev": N,
          "VWAPprev": N, "bands": [BAND], "coverage": {"today": N, "prev": N, "or": N}}
PRICE = {"price": N, "ts": W, "symbol": TEXT}
ROW = {"price": NUM, "volume": NUM, "buy_vol": NUM, "sell_vol": NUM}
CANDLE = {"timestamp": WHEN, "open": NUM, "high": NUM, "low": NUM, "close": NUM, "volume": NUM,
          "timeframe": TEXT, "trades": INT, "buy_volume": NUM, "sell_volume": NUM, "delta": NUM,
          "vwap": N, "poc": N, "complete": BOOL, "coverage": N}
WINDOW = {"start": W, "end": W, "duration_minutes": NUM}
TRADE = {"id": ANY, "price": NUM, "qty": NUM, "side": OneOf("buy", "sell"), "ts": WHEN}
CLUSTER = {"price_level": NUM, "buy_liquidations": NUM, "sell_liquidations": NUM,
           "total_liquidations": NUM, "ratio": NUM}
CVD = {"cvd": N, "reset_time": W, "seconds_since_reset": N, "buy_volume": N, "sell_volume": N,
       "volume_delta": N}
DELTA = {"period": INT, "buy_volume": N, "sell_volume": N, "volume_delta": N, "trade_count": I,
         "timestamp": W}
END_TRADE = Maybe({"price": NUM, "qty": NUM, "ts": WHEN})

CONTRACT = {
    "/health": {"status": OneOf("ok"), **GATE},
    "/ready": {"status": TEXT, **GATE},
    "/ready?scope=self": {"status": OneOf("ok"), **GATE},
    "/ws/health": {
        "trades": {"connected": BOOL, "last_ts": W, "events_received": I, "reconnect_attempts": I},
        "depth": {"connected": BOOL, "last_ts": W, "last_update_id": I}},
    "/backfill/status": {
        "status": STATES, "running": BOOL, "complete": BOOL, "progress": PROGRESS,
        "cache_status": OneOf("HIT", "MISS", "UNKNOWN"), "trades_loaded": INT,
        "completion_time_ms": I, "historical_range": {"start": W, "end": W},
        "breaker": {"state": TEXT, "cooldown_until": W, "throttle": N}},
    "/context": {
        "session": {"state": Maybe(OneOf("off", "london", "overlap")), "nowUtc": W},
        "levels": LEVELS, "stats": {"rangeToday": N, "cd_pre": N}, "price": PRICE,
        "volume_profile": [ROW], "cumulative_delta": N, "session_info": {}, "coverage": {}},
    "/context?vwap_mode=quote": {"levels": LEVELS, "volume_profile": [ROW]},
    "/context?vwap_mode=base&profile_rows=0": {"levels": LEVELS, "volume_profile": [ROW]},
    "/levels": LEVELS,
    "/price": PRICE,
    "/metrics": {
        "trades": {"per_minute_count": I, "per_second_rate": N, "queue_size": I}, "depth": {},
        "trades_per_second": N, "depth_updates_per_second": N, "trade_queue_size": I,
        "depth_queue_size": I, "queue_sizes": {}, "latency_ms": {}, "events_received": I,
        "last_trade_ts": W},
    "/strategy/status": {
        "engine_state": {
            "is_running": BOOL, "current_session": T, "active_timeframes": [OneOf("1m", "5m")],
            "last_update": W, "candle_buffers": {"1m": [CANDLE], "5m": [CANDLE]}},
        "context_analysis": Maybe({
            "regime": T, "confidence": N, "vwap": N, "poc": N, "cumulative_delta": N,
            "volume_profile_strength": N, "timestamp": W}),
        "scheduler_state": {
            "current_session": T, "current_time": W, "is_active": BOOL,
            "time_to_change_seconds": N, "hours_remaining": N, "next_session": T,
            "london_window": WINDOW, "overlap_window": WINDOW}},
    "/strategy/candles?timeframe=1m&count=100": {
        "timeframe": OneOf("1m"), "count": INT, "candles": [CANDLE]},
    "/strategy/candles?timeframe=5m&count=1": {
        "timeframe": OneOf("5m"), "count": INT, "candles": [CANDLE]},
    "/strategy/metrics": {
        "metrics": Maybe({
            "vwap": N, "poc": N, "delta": N, "buy_volume": N, "sell_volume": N,
            "footprint": [{**ROW, "rank": INT}], "trade_count": INT}),
        "metadata": {"last_update": W, "trade_count": I, "buffer_size": I, "cumulative_volume": N},
        "backfill_complete": BOOL, "metrics_precision": T},
    "/strategy/analysis/diagnostics": {
        "analysis": ANY, "context": ANY, "levels": ANY, "volume_profile": ANY, "parameters": ANY},
    "/debug/vwap": {"first_trade": END_TRADE, "last_trade": END_TRADE},
    "/debug/poc": {"bin_size": N, "top_bins": [{"rank": INT}], "poc_price": N, "poc_volume": N},
    "/debug/exchangeinfo": {"tickSize": N, "stepSize": N, "minQty": N, "minNotional": N, "raw": ANY},
    "/trades?limit=5": {"trades": [TRADE]},
    "/trades/stats": {"count": INT},
    "/trades/range?minutes=5": {"trades": [TRADE]},
    "/indicators/cvd": CVD,
    "/indicators/cvd/history?limit=5": {"history": [{"timestamp": WHEN, "cvd": NUM}]},
    "/indicators/volume-delta?period=60": DELTA,
    "/indicators/volume-delta/history?period=60": {"history": [DELTA]},
    "/indicators/volume-delta/multi?periods=60,300,900": {"periods": [DELTA]},
    "/liquidations/clusters": {
        "clusters": [CLUSTER], "nearest_support": Maybe(CLUSTER),
        "nearest_resistance": Maybe(CLUSTER), "timestamp": W},
    "/liquidations/support-resistance": {
        "nearest_support": Maybe(CLUSTER), "nearest_resistance": Maybe(CLUSTER), "timestamp": W},
    "/liquidations/debug": {"timestamp": W},
    "/symbols": {"symbols": [{"symbol": TEXT}]},
    "/coverage": {"day": T, "coverage": ANY},
}
# With trades of a day stored, these are known.
KNOWN = ("/price price", "/price ts", "/levels VWAP", "/levels POCd", "/levels VAH", "/levels VAL",
         "/context cumulative_delta", "/context stats.rangeToday", "/context session.nowUtc",
         "/strategy/metrics metrics", "/debug/vwap first_trade", "/debug/poc poc_price",
         "/debug/exchangeinfo tickSize", "/metrics last_trade_ts", "/health session",
         "/health metrics_precision", "/ws/health trades.last_ts", "/coverage day",
         "/strategy/status engine_state.last_update", "/indicators/cvd cvd",
         "/indicators/cvd reset_time", "/indicators/volume-delta volume_delta")
REFUSED = ("/price?symbol=NOSUCH", "/context?vwap_mode=median", "/context?symbol=bybit:NOSUCH",
           "/strategy/candles?timeframe=2m", "/strategy/candles?count=0",
           "/strategy/candles?count=1001", "/strategy/candles?count=ten", "/trades?limit=0",
           "/indicators/volume-delta?period=3601", "/indicators/volume-delta/multi?periods=60,0",
           "/indicators/cvd/history?limit=0")


def problems(value, kind, where):
    """What is wrong with a value, as texts."""
    if isinstance(kind, Maybe):
        return [] if value is None else problems(value, kind.kind, where)
    if isinstance(kind, dict):
        if not isinstance(value, dict):
            return [f"{where}: {value!r} is no object"]
        found = [f"{where}.{k} is missing" for k in kind if k not in value]
        return found + [p for k in kind if k in value for p in problems(value[k], kind[k], f"{where}.{k}")]
    if isinstance(kind, list):
        if not isinstance(value, list):
            return [f"{where}: {value!r} is no list"]
        return [p for i, v in enumerate(value) for p in problems(v, kind[0], f"{where}[{i}]")]
    if isinstance(kind, OneOf):
        return [] if value in kind.values else [f"{where}: {value!r} is none of {kind.values}"]
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    good = {NUM: number, INT: number and isinstance(value, int), TEXT: isinstance(value, str),
            BOOL: isinstance(value, bool), ANY: True,
            WHEN: isinstance(value, str) and TIME.fullmatch(value) is not None}[kind]
    return [] if good else [f"{where}: {value!r} is no {kind}"]


def at(value, path):
    for part in path.split("."):
        value = value[part]
    return value


def fetch(port, path, method="GET", **headers):
    """(status, headers, body bytes) over a socket of our own, so that nothing is hidden."""
    with socket.create_connection(("127.0.0.1", port), 10) as s:
        lines = [f"{method} {path} HTTP/1.1", "Host: x", "Connection: close"]
        lines += [f"{k.replace('_', '-')}: {v}" for k, v in headers.items()]
        s.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())
        data = b"".join(iter(lambda: s.recv(1 << 16), b""))
    head, body = data.split(b"\r\n\r\n", 1)
    rows = head.decode().split("\r\n")
    return int(rows[0].split()[1]), {k.lower(): v for k, v in (r.split(": ", 1) for r in rows[1:])}, body


class Contract(Scenario):
    def check_names(self, s, symbols):
        found = []
        for path, kind in CONTRACT.items():
            for symbol in symbols:
                more = "" if symbol is None or path.startswith("/symbols") else f"symbol={symbol}"
                full = path + ("&" if "?" in path else "?") * bool(more) + more
                code, _, body = http(f"http://127.0.0.1:{s.api_port}{full}")
                want = {200, 503} if path == "/ready" else {200}
                if code not in want:
                    found.append(f"{full}: status {code}")
                found += problems(json.loads(body), kind, full)
        self.assertEqual(found, [])

    def test_documented_names_over_a_recording(self):
        rec = recordings.DENSE
        with Stack(label="contract") as s:
            self.play(s, rec)
            # Names and types are asked for here, and that all of it is known; which numbers stand
            # there is other tests' business.
            wait_for(lambda: not self.unknown(s), 30, lambda: f"unknown: {self.unknown(s)}", every=0.1)
            self.check_names(s, (None, "BTCUSDT", "binance:BTCUSDT"))
            self.check_described(s)
            self.check_reset(s)
            self.check_prometheus(s)
            s.stop_all()

    @staticmethod
    def unknown(s):
        """Rows of KNOWN that are not known yet."""
        def value(path, name):
            try:
                return at(s.get(path)[1], name)
            except (KeyError, TypeError):
                return None  # below something that is null
        return [row for row in KNOWN if value(*row.split()) is None]

    def check_described(self, s):
        """Every documented path is in the OpenAPI document; the page answers."""
        status, doc = s.get("/openapi.json")
        self.assertEqual(status, 200)
        absent = {p.split("?")[0] for p in CONTRACT} - set(doc["paths"])
        self.assertEqual(absent, set())
        status, headers, body = http(f"http://127.0.0.1:{s.api_port}/")  # follows the 307
        self.assertEqual((status, headers["Content-Type"]), (200, "text/html; charset=utf-8"))
        self.assertIn("/strategy/candles", body)

    def check_reset(self, s):
        """The one thing a client may change; signals do not exist yet."""
        status, _, body = fetch(s.api_port, "/indicators/cvd/reset", "POST")
        self.assertIn(status, (200, 202), body)
        self.assertEqual(problems(json.loads(body), CVD, "POST reset"), [])
        self.shape(fetch(s.api_port, "/indicators/cvd/reset"), 405)
        self.shape(fetch(s.api_port, "/indicators/cvd/reset", "POST", Content_Length="2"), 413)
        for path, method in (("/signals/current", "GET"), ("/signals/history", "GET"),
                             ("/signals/analyze", "POST")):
            self.shape(fetch(s.api_port, path, method), 404)

    def check_prometheus(self, s):
        for accept in ("application/openmetrics-text", "text/plain;version=0.0.4"):
            _, headers, body = http(f"http://127.0.0.1:{s.api_port}/metrics", headers={"Accept": accept})
            self.assertTrue(headers["Content-Type"].startswith(accept.split(";")[0]))
            self.assertIn("\n# TYPE ", "\n" + body)

    def test_nulls_and_errors_on_an_empty_redis(self):
        with Stack(label="contract-empty") as s:
            s.redis()
            s.service("api", API_TOKEN="s3cret")
            wait_for(lambda: s.get("/price")[1]["redis_up"], 10, "the gateway has Redis")
            self.check_names(s, (None,))
            self.assertEqual(self.unknown(s), list(KNOWN))
            self.errors(s.api_port)
            self.methods(s.api_port)
            self.shape(fetch(s.api_port, "/indicators/cvd/reset", "POST"), 401)
            s.p_api.term(5)
            s.service("api", API_TOKEN="s3cret", API_TOKEN_SCOPE="all")
            self.token(s.api_port)
            s.stop_all()

    def shape(self, got, status):
        """The one shape of an error; its text."""
        code, headers, body = got
        self.assertEqual((code, headers["content-type"]), (status, "application/json"))
        data = json.loads(body)
        self.assertEqual(list(data), ["error"])
        self.assertIsInstance(data["error"], str)
        return data["error"]

    def errors(self, port):
        for path in REFUSED:
            text = self.shape(fetch(port, path), 400)
            given = path.split("=")[1].replace("bybit:", "")
            self.assertIn(given, text, path)
        self.shape(fetch(port, "/nosuch"), 404)
        self.shape(fetch(port, "/price/"), 404)
        self.shape(fetch(port, "/price", Content_Length="3"), 413)

    def methods(self, port):
        for path in sorted({p.split("?")[0] for p in CONTRACT}):
            code, headers, body = fetch(port, path, "DELETE")
            self.shape((code, headers, body), 405)
            self.assertIn("GET", headers["allow"])
            code, headers, body = fetch(port, path, "OPTIONS", Origin="http://localhost:3000",
                                        Access_Control_Request_Method="GET")
            self.assertEqual((code, body), (204, b""))
            self.assertEqual(headers["access-control-allow-origin"], "http://localhost:3000")
            self.assertIn("GET", headers["access-control-allow-methods"])
            code, headers, body = fetch(port, path, "HEAD")
            self.assertEqual((code, body), (fetch(port, path)[0], b""), path)
            _, headers, _ = fetch(port, path, Origin="http://elsewhere.example")
            self.assertNotIn("access-control-allow-origin", headers)
        self.assertEqual(fetch(port, "*", "OPTIONS")[0], 204)

    def token(self, port):
        self.assertEqual(fetch(port, "/health")[0], 200)
        for path in sorted({p.split("?")[0] for p in CONTRACT} - {"/health"}):
            self.shape(fetch(port, path), 401)
            self.shape(fetch(port, path, Authorization="Bearer s3cre"), 401)
        self.assertEqual(fetch(port, "/price", Authorization="Bearer s3cret")[0], 200)


class Kept(unittest.TestCase):
    """What a client has is not sent again while it is right, and never while Redis is away."""

    def test_etag(self):
        with Stack(label="etag") as s:
            redis = s.redis()
            s.service("api")
            wait_for(lambda: s.get("/price")[1]["redis_up"], 10, "the gateway has Redis")
            for path in ("/levels", "/openapi.json", "/docs"):
                code, headers, body = fetch(s.api_port, path)
                self.assertEqual((code, headers["cache-control"]), (200, "no-cache"), path)
                tag = headers["etag"]
                code, headers, body = fetch(s.api_port, path, If_None_Match=tag)
                self.assertEqual((code, headers["etag"], body), (304, tag, b""), path)
                if path == "/levels":
                    kept = tag
            redis.kill()
            wait_for(lambda: not s.get("/price")[1]["redis_up"], 10, "the loss is noticed")
            code, headers, _ = fetch(s.api_port, "/levels", If_None_Match=kept)
            self.assertEqual((code, headers["cache-control"]), (200, "no-store"))


if __name__ == "__main__":
    unittest.main()

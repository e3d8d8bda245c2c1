"""A Bybit of the test's own: WebSocket and REST on one loopback port, over the standard library.
The test decides which trade is matched when, what the socket delivers of it, when the socket dies
and how many rows recent-trade shows; exchange-sim plays whole markets instead."""

import base64
import hashlib
import json
import socket
import struct
import threading
import time

GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


class BybitVenue:
    def __init__(self, symbol="BTCUSDT"):
        self.symbol = symbol
        self.trades = []  # rows of publicTrade, in order of matching
        self.limit = 1000  # rows that recent-trade shows at most
        self.hidden = 0  # newest rows it does not show yet
        self.status = 200
        self.deny = 0  # subscriptions still to be refused
        self.requests, self.operations = [], []
        self.clients = []
        self.lock = threading.RLock()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.closed = False
        threading.Thread(target=self.accept, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.closed = True
        self.cut()
        self.listener.close()

    def env(self):
        return {
            "DATA_SOURCE": "bybit",
            "BYBIT_WS_BASE_URL": f"ws://127.0.0.1:{self.port}",
            "BYBIT_REST_BASE_URL": f"http://127.0.0.1:{self.port}",
        }

    # ---- the market ---------------------------------------------------------------------------

    def match(self, rows, deliver=True, ts=None):
        """These rows are matched; one frame tells of them."""
        with self.lock:
            self.trades += rows
            if deliver:
                self.tell(rows, ts)

    def tell(self, rows, ts=None):
        ts = rows[-1]["T"] + 1 if ts is None else ts
        topic = f"publicTrade.{self.symbol}"
        self.send({"topic": topic, "type": "snapshot", "ts": ts, "data": rows}, topic)

    def send(self, message, topic=None):
        text = message if isinstance(message, str) else json.dumps(message, separators=(",", ":"))
        with self.lock:
            for c in list(self.clients):
                if topic is None or topic in c.topics:
                    c.send(text)

    def cut(self):
        with self.lock:
            for c in list(self.clients):
                c.close()
            self.clients.clear()

    def subscribed(self):
        with self.lock:
            return any(f"publicTrade.{self.symbol}" in c.topics for c in self.clients)

    # ---- wire ---------------------------------------------------------------------------------

    def accept(self):
        while not self.closed:
            try:
                sock, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(sock,), daemon=True).start()

    def serve(self, sock):
        data = b""
        try:
            while True:
                while b"\r\n\r\n" not in data:
                    piece = sock.recv(65536)
                    if not piece:
                        return
                    data += piece
                head, data = data.split(b"\r\n\r\n", 1)
                lines = head.decode().split("\r\n")
                headers = {k.lower(): v for k, v in (x.split(": ", 1) for x in lines[1:])}
                path = lines[0].split(" ")[1]
                if "sec-websocket-key" in headers:
                    Client(self, sock, headers["sec-websocket-key"]).run(data)
                    return
                self.answer(sock, path)
        except OSError:
            pass
        finally:
            sock.close()

    def answer(self, sock, path):
        with self.lock:
            self.requests.append((time.monotonic(), path))
            status, result = self.status, {}
            if path.startswith("/v5/market/instruments-info"):
                row = {
                    "symbol": self.symbol,
                    "priceFilter": {"tickSize": "0.10"},
                    "lotSizeFilter": {"qtyStep": "0.001", "minOrderQty": "0.001"},
                }
                # The contract stands on the second page.
                second = "cursor=" in path
                result = {"list": [row] if second else [], "nextPageCursor": "" if second else "p%3D2"}
            elif path.startswith("/v5/market/time"):
                now = time.time_ns()
                result = {"timeSecond": str(now // 10**9), "timeNano": str(now)}
            elif path.startswith("/v5/market/recent-trade"):
                seen = self.trades[: len(self.trades) - self.hidden]
                result = {"category": "linear", "list": [rest_row(t) for t in reversed(seen[-self.limit:])]}
        body = json.dumps({"retCode": 0, "retMsg": "OK", "result": result, "retExtInfo": {},
                           "time": int(time.time() * 1000)}).encode()
        if status != 200:
            body = b"access too frequent"
        sock.sendall(
            f"HTTP/1.1 {status} X\r\nX-Simulated: true\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body
        )


def rest_row(t):
    return {
        "execId": t["i"], "symbol": t["s"], "price": t["p"], "size": t["v"], "side": t["S"],
        "time": str(t["T"]), "isBlockTrade": t.get("BT", False), "isRPITrade": t.get("RPI", False),
        **({"seq": str(t["seq"])} if "seq" in t else {}),
    }


class Client:
    def __init__(self, venue, sock, key):
        self.venue, self.sock, self.topics = venue, sock, set()
        accept = base64.b64encode(hashlib.sha1((key + GUID).encode()).digest()).decode()
        sock.sendall(
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"X-Simulated: true\r\nSec-WebSocket-Accept: {accept}\r\n\r\n".encode()
        )

    def send(self, text, opcode=1):
        body = text.encode() if isinstance(text, str) else text
        n = len(body)
        head = bytes([0x80 | opcode]) + (
            bytes([n]) if n < 126 else struct.pack("!BH", 126, n) if n < 65536 else struct.pack("!BQ", 127, n)
        )
        try:
            self.sock.sendall(head + body)
        except OSError:
            self.topics.clear()

    def close(self):
        self.topics.clear()
        try:
            self.sock.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass

    def run(self, data):
        with self.venue.lock:
            self.venue.clients.append(self)
        while True:
            while (frame := self.frame(data)) is None:
                piece = self.sock.recv(65536)
                if not piece:
                    return
                data += piece
            opcode, body, data = frame
            if opcode == 8:
                return
            if opcode == 9:
                self.send(body, 10)
            if opcode == 1:
                self.operate(json.loads(body))

    def frame(self, d):
        if len(d) < 2:
            return None
        n, at = d[1] & 127, 2
        if n == 126:
            if len(d) < 4:
                return None
            n, at = struct.unpack("!H", d[2:4])[0], 4
        if len(d) < at + 4 + n:
            return None
        mask, body = d[at:at + 4], d[at + 4:at + 4 + n]
        return d[0] & 15, bytes(b ^ mask[i % 4] for i, b in enumerate(body)), d[at + 4 + n:]

    def operate(self, m):
        v = self.venue
        with v.lock:
            v.operations.append((time.monotonic(), m))
            if m["op"] == "ping":
                reply = {"success": True, "ret_msg": "pong", "req_id": m["req_id"], "op": "ping"}
            elif v.deny > 0:
                v.deny -= 1
                reply = {"success": False, "ret_msg": "error:handler not found", "req_id": m["req_id"],
                         "op": "subscribe"}
            else:
                self.topics.update(m["args"])
                reply = {"success": True, "ret_msg": "", "req_id": m["req_id"], "op": "subscribe"}
            self.send(json.dumps(reply))

"""A WebSocket client over the standard library's sockets, written from RFC 6455 alone, so that the
venue is not judged with the library it is made of. Blocking, one frame at a time."""

import base64
import hashlib
import json
import os
import socket
import ssl
import struct
import time


class Closed(Exception):
    def __init__(self, code):
        super().__init__(f"closed with {code}")
        self.code = code


class WsClient:
    def __init__(self, port, path, timeout=10.0, ca=None, headers=None):
        sock = socket.create_connection(("127.0.0.1", port), timeout)
        if ca is not None:
            context = ssl.create_default_context(cafile=str(ca))
            sock = context.wrap_socket(sock, server_hostname="127.0.0.1")
        sock.settimeout(timeout)
        self.sock, self.data = sock, b""
        key = base64.b64encode(os.urandom(16)).decode()
        sock.sendall(
            f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\n"
            f"Connection: Upgrade\r\nSec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n".encode()
            + "".join(f"{k}: {v}\r\n" for k, v in (headers or {}).items()).encode()
            + b"\r\n"
        )
        while b"\r\n\r\n" not in self.data:
            self.more()
        head, self.data = self.data.split(b"\r\n\r\n", 1)
        lines = head.decode().split("\r\n")
        self.status = int(lines[0].split(" ")[1])
        self.headers = {k.lower(): v for k, v in (line.split(": ", 1) for line in lines[1:])}
        if self.status != 101:
            raise Closed(self.status)
        want = hashlib.sha1((key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").encode()).digest()
        assert self.headers["sec-websocket-accept"] == base64.b64encode(want).decode()

    def more(self):
        piece = self.sock.recv(1 << 20)
        if not piece:
            raise Closed(None)
        self.data += piece

    def take(self, n):
        while len(self.data) < n:
            self.more()
        piece, self.data = self.data[:n], self.data[n:]
        return piece

    def frame(self):
        """(opcode, payload) of the next frame; a server never masks and here never fragments."""
        head = self.take(2)
        assert head[0] & 0x70 == 0, "no extension was agreed on"
        assert head[0] & 0x80, "one frame is one message here"
        assert not head[1] & 0x80, "a server does not mask"
        n = head[1]
        if n == 126:
            n = struct.unpack(">H", self.take(2))[0]
        elif n == 127:
            n = struct.unpack(">Q", self.take(8))[0]
        return head[0] & 15, self.take(n)

    def send(self, text, opcode=1):
        data = text.encode() if isinstance(text, str) else text
        mask = os.urandom(4)
        size = len(data)
        if size < 126:
            head = struct.pack(">BB", 0x80 | opcode, 0x80 | size)
        elif size < 65536:
            head = struct.pack(">BBH", 0x80 | opcode, 0x80 | 126, size)
        else:
            head = struct.pack(">BBQ", 0x80 | opcode, 0x80 | 127, size)
        self.sock.sendall(head + mask + bytes(b ^ mask[i & 3] for i, b in enumerate(data)))

    def send_json(self, value):
        self.send(json.dumps(value))

    def text(self, seconds=60.0):
        """The next message's text; pings are answered, a close raises Closed."""
        end = time.monotonic() + seconds
        while True:
            if time.monotonic() > end:
                raise TimeoutError(f"no message within {seconds} s")
            opcode, payload = self.frame()
            if opcode == 8:
                raise Closed(struct.unpack(">H", payload[:2])[0] if payload else 1005)
            if opcode == 9:
                self.send(payload, 10)
            elif opcode in (1, 2):
                return payload.decode()

    def json(self):
        return json.loads(self.text())

    def until(self, check, seconds=10.0):
        """Messages up to the first for which check(message) holds, that one last."""
        end, seen = time.monotonic() + seconds, []
        while time.monotonic() < end:
            seen.append(self.json())
            if check(seen[-1]):
                return seen
        raise AssertionError(f"not within {seconds} s; last: {str(seen[-1:])[:500]}")

    def silent(self, seconds):
        """True when nothing at all comes for so long."""
        if self.data:
            return False
        self.sock.settimeout(seconds)
        try:
            self.more()
            return False
        except TimeoutError:
            return True
        finally:
            self.sock.settimeout(10.0)

    def close(self):
        self.sock.close()

"""A blocking Redis client, as small as the tests need: one socket, RESP2, text in and text out."""

import socket


class RespError(Exception):
    """An error reply of the server."""


class Resp:
    def __init__(self, path, timeout=10.0):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(timeout)
        try:
            self.sock.connect(str(path))
        except OSError:
            self.sock.close()
            raise
        self.buffer = self.sock.makefile("rb")

    def close(self):
        self.buffer.close()
        self.sock.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def send(self, *args):
        out = [b"*%d\r\n" % len(args)]
        for arg in args:
            raw = arg if isinstance(arg, bytes) else str(arg).encode()
            out.append(b"$%d\r\n%s\r\n" % (len(raw), raw))
        self.sock.sendall(b"".join(out))

    def read(self):
        line = self.buffer.readline()
        if not line.endswith(b"\r\n"):
            raise ConnectionError("redis closed the connection")
        kind, rest = line[:1], line[1:-2].decode()
        if kind == b"+":
            return rest
        if kind == b"-":
            return RespError(rest)
        if kind == b":":
            return int(rest)
        if kind == b"$":
            if rest == "-1":
                return None
            body = self.buffer.read(int(rest) + 2)
            if len(body) != int(rest) + 2:
                raise ConnectionError("redis closed the connection")
            return body[:-2].decode()
        if kind == b"*":
            return None if rest == "-1" else [self.read() for _ in range(int(rest))]
        raise ConnectionError(f"not RESP: {line!r}")

    def __call__(self, *args):
        """One command, its reply; an error reply is raised."""
        self.send(*args)
        reply = self.read()
        if isinstance(reply, RespError):
            raise reply
        return reply

    # ---- what tests ask for most --------------------------------------------------------------

    def hash(self, key):
        flat = self("HGETALL", key)
        return dict(zip(flat[::2], flat[1::2]))

    def stream(self, key, page=20_000):
        """All entries of a stream: [(id, {field: value})], read in pages."""
        out, start = [], "-"
        while True:
            rows = self("XRANGE", key, start, "+", "COUNT", page)
            out += [(ident, dict(zip(kv[::2], kv[1::2]))) for ident, kv in rows]
            if len(rows) < page:
                return out
            start = "(" + rows[-1][0]

    def tip(self, key):
        """Id of the newest entry ever added, '0-0' for none."""
        if not self("EXISTS", key):
            return "0-0"
        info = self("XINFO", "STREAM", key)
        return dict(zip(info[::2], info[1::2]))["last-generated-id"]

    def keys(self, pattern):
        out, cursor = set(), "0"
        while True:
            cursor, found = self("SCAN", cursor, "MATCH", pattern, "COUNT", 1000)
            out.update(found)
            if cursor == "0":
                return sorted(out)

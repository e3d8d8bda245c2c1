#!/usr/bin/python3
"""The gateway beside nginx: /price and /context against a static file of the same bytes, a new
request among 1,000 idle clients, the first /health after exec.

    bench_api.py ROWS.jsonl

Server and load run on different cores; rounds alternate between the two servers; medians. The
market behind it is made up: 3,300 price bins, of which /context shows 1,000 rows.
"""

import json
import os
import pathlib
import resource
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
BIN = pathlib.Path(os.environ.get("BC4_BIN", ROOT / "build" / "bin")).resolve()
ROUNDS, SECONDS, CONNECTIONS, IDLE = 7, 1, 32, 1000
KEY = "bc4:{binance:BTCUSDT}:"


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def command(*words):
    out = [b"*%d\r\n" % len(words)]
    for w in words:
        w = str(w).encode()
        out.append(b"$%d\r\n%s\r\n" % (len(w), w))
    return b"".join(out)


def market():
    """The hashes of one instrument, as one pipelined string of commands."""
    now = int(time.time() * 1000)
    day = time.strftime("%Y-%m-%d", time.gmtime(now / 1000))
    levels = ("vwap vwap_quote sigma band_up_1 band_up_2 band_up_3 band_dn_1 band_dn_2 band_dn_3 poc "
              "vah val high low range cd_pre cumulative_delta buy_volume sell_volume or_high or_low "
              "pdh pdl vah_prev val_prev poc_prev vwap_prev").split()
    context = {name: f"61{i:03d}.{i:08d}" for i, name in enumerate(levels)}
    context.update(day=day, price="61640.1", price_ts_ms=now, _clock_ms=now, _updated_ms=now, _ver=1,
                   trades=21313, missing_ms_today=0, bin="0.10", simulated=1)
    hashes = {
        KEY + "instrument": dict(venue="binance", symbol="BTCUSDT", tick="0.10", step="0.001",
                                 min_qty="0.001", min_notional="5", price_scale=4, qty_scale=5,
                                 simulated=1, schema=1),
        KEY + "context": context,
        KEY + "context:" + day: dict(bin="0.10", trades=21313),
        KEY + "profile:" + day: {
            f"{p // 10}.{p % 10}": f"{2 + p % 7}.{p % 1000:03d} 2.000 {p % 7}.{p % 1000:03d} {p % 90 + 1}"
            for p in range(615000, 618300)
        },
    }
    return b"".join(command("HSET", key, *[x for kv in fields.items() for x in kv])
                    for key, fields in hashes.items())


class Redis:
    def __init__(self, folder):
        self.sock = str(folder / "redis.sock")
        self.p = subprocess.Popen(
            ["redis-server", "--port", "0", "--unixsocket", self.sock, "--save", "", "--dir", folder],
            stdout=subprocess.DEVNULL)
        while not pathlib.Path(self.sock).exists():
            time.sleep(0.01)
        with socket.socket(socket.AF_UNIX) as s:
            s.connect(self.sock)
            s.sendall(market())
            got = b""
            while got.count(b"\r\n") < 4:
                got += s.recv(4096)
            assert b"-" not in got, got

    def stop(self):
        self.p.kill()
        self.p.wait()


def pinned(core, argv):
    return ["taskset", "-c", str(core), *map(str, argv)] if os.cpu_count() > 1 else list(map(str, argv))


def request(port, path="/health", sock=None):
    """One answer's body, or None while nobody listens."""
    try:
        s = sock or socket.create_connection(("127.0.0.1", port), timeout=10)
    except OSError:
        return None
    s.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    got = b""
    while b"\r\n\r\n" not in got:
        more = s.recv(65536)
        if not more:
            return None
        got += more
    head, _, body = got.partition(b"\r\n\r\n")
    length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
    while len(body) < length:
        body += s.recv(65536)
    if not sock:
        s.close()
    return body if head.startswith(b"HTTP/1.1 200") else None


class Api:
    def __init__(self, redis_url, core=None):
        self.port = free_port()
        env = dict(os.environ, REDIS_URL=redis_url, BACKEND_PORT=str(self.port), API_HTTP_PORT="0",
                   LOG_LEVEL="ERROR", SYMBOL="BTCUSDT", SYMBOLS="")
        argv = [BIN / "api"] if core is None else pinned(core, [BIN / "api"])
        self.began = time.perf_counter()
        self.p = subprocess.Popen(argv, env=env)

    def first_health_ms(self):
        while not request(self.port):
            assert self.p.poll() is None, "the gateway ended"
            time.sleep(0.0005)
        return (time.perf_counter() - self.began) * 1000

    def wait_data(self):
        while b'"trades":21313' not in (request(self.port, "/context") or b""):
            time.sleep(0.02)

    def stop(self):
        self.p.send_signal(signal.SIGTERM)
        assert self.p.wait(10) == 0


class Nginx:
    def __init__(self, folder, files, core):
        self.port = free_port()
        (folder / "html").mkdir()
        for path, body in files.items():
            (folder / "html" / path.strip("/")).write_bytes(body)
        temp = "".join(f"{kind}_temp_path {folder}/{kind};"
                       for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
        conf = folder / "nginx.conf"
        conf.write_text(
            f"daemon off; worker_processes 1; pid {folder}/nginx.pid; error_log {folder}/nginx.log;"
            "events { worker_connections 4096; }"
            f"http {{ {temp} access_log off; sendfile on; tcp_nopush on; default_type application/json;"
            " keepalive_requests 1000000000; open_file_cache max=100;"
            f"server {{ listen 127.0.0.1:{self.port}; root {folder}/html; }} }}")
        exe = shutil.which("nginx") or "/usr/sbin/nginx"
        self.p = subprocess.Popen(pinned(core, [exe, "-e", folder / "nginx.log", "-c", conf]))
        while not request(self.port, next(iter(files))):
            time.sleep(0.01)

    def stop(self):
        self.p.send_signal(signal.SIGTERM)
        self.p.wait(10)


def wrk(port, path, core):
    out = subprocess.run(
        pinned(core, ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{SECONDS}s", f"http://127.0.0.1:{port}{path}"]),
        capture_output=True, text=True, check=True).stdout
    assert "Non-2xx" not in out, out
    return float(out.split("Requests/sec:")[1].split()[0])


def against_nginx(api, nginx, path):
    ours, theirs = [], []
    for _ in range(ROUNDS):
        ours.append(wrk(api.port, path, 1))
        theirs.append(wrk(nginx.port, path, 1))
    ours, theirs = statistics.median(ours), statistics.median(theirs)
    ratio = round(ours / theirs, 3)
    size = len(request(api.port, path))
    return {"name": f"api {path} ({size} B, {CONNECTIONS} connections) against nginx", "figure": ours,
            "unit": "req/s", "limit": theirs, "ratio": ratio, "goal": ">= 0.90", "met": ratio >= 0.9}


def among_idle(api):
    """Each of 200 new clients connects and asks while 1,000 have asked and stay connected."""
    idle, took = [], []
    for _ in range(IDLE):
        s = socket.create_connection(("127.0.0.1", api.port), timeout=10)
        assert request(api.port, "/price", s)
        idle.append(s)
    for _ in range(200):
        began = time.perf_counter()
        s = socket.create_connection(("127.0.0.1", api.port), timeout=10)
        assert request(api.port, "/price", s)
        took.append((time.perf_counter() - began) * 1000)
        idle.append(s)
    for s in idle:
        s.close()
    figure = round(sorted(took)[int(len(took) * 0.99)], 3)
    return {"name": f"api new request among {IDLE:,} idle keep-alive clients, p99", "figure": figure,
            "unit": "ms", "limit": 50, "ratio": round(figure / 50, 4), "goal": "< 50 ms",
            "met": figure < 50}


def first_health():
    took = []
    for _ in range(ROUNDS):
        api = Api("unix:///nonexistent/redis.sock")
        took.append(api.first_health_ms())
        api.stop()
    figure = round(statistics.median(took), 2)
    return {"name": "api first /health after exec, Redis away", "figure": figure, "unit": "ms",
            "limit": 50, "ratio": round(figure / 50, 4), "goal": "< 50 ms", "met": figure < 50}


def skipped(name, why):
    print(f"SKIPPED {name}: {why}", file=sys.stderr)
    return {"name": f"{name}: SKIPPED, {why}", "figure": None, "unit": None, "limit": None, "ratio": None,
            "goal": None, "met": None}


def memory(api):
    for line in pathlib.Path(f"/proc/{api.p.pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return {"name": "api resident memory after the load", "figure": int(line.split()[1]) / 1024,
                    "unit": "MB", "limit": None, "ratio": None, "goal": None, "met": None}
    return None


def main():
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 4096), hard))
    folder = pathlib.Path(tempfile.mkdtemp(prefix="bc4-bench-api-"))
    folder.chmod(0o755)  # nginx's worker may be another user
    up = []
    try:
        rows = [first_health()]
        up.append(Redis(folder))
        api = Api(f"unix://{up[0].sock}", core=0)
        up.append(api)
        api.first_health_ms()
        api.wait_data()
        paths = ("/price", "/context")
        if shutil.which("wrk") and (shutil.which("nginx") or pathlib.Path("/usr/sbin/nginx").exists()):
            up.append(Nginx(folder, {p: request(api.port, p) for p in paths}, core=0))
            rows += [against_nginx(api, up[-1], p) for p in paths]
        else:
            rows += [skipped(f"api {p} against nginx", "wrk or nginx is not installed") for p in paths]
        rows.append(among_idle(api))
        rows.append(memory(api))
    finally:
        for p in reversed(up):
            p.stop()
        shutil.rmtree(folder, ignore_errors=True)
    with open(sys.argv[1], "a", encoding="utf-8") as f:
        for row in rows:
            f.write(json.dumps(row) + "\n")
            figure = "" if row["figure"] is None else f"{row['figure']:.5g} {row['unit']}"
            print(f"{row['name']}  {figure}  {row['limit']}  {row['ratio']}  {row['goal']}")


if __name__ == "__main__":
    main()

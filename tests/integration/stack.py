"""Starts and stops the real binaries around a private redis-server, for tests.

A Stack lives in a temporary folder and owns every process it starts; it ends them by their pid.
Ports are free ones, picked by the programs themselves and read from what they print. Nothing
here waits a fixed time: everything is polled until it holds or a bound is passed.
"""

import contextlib
import json
import os
import pathlib
import shutil
import signal
import subprocess
import tempfile
import time
import urllib.error
import urllib.request

from resp import Resp, RespError

ROOT = pathlib.Path(__file__).resolve().parents[2]
BIN = pathlib.Path(os.environ.get("BC4_BIN", ROOT / "build" / "bin")).resolve()
SHARED = ROOT.parent / "shared" / "data"
SYNTHETIC = ROOT / "tests" / "fixtures" / "market-synthetic"
SANITIZER_WORDS = ("AddressSanitizer", "LeakSanitizer", "runtime error:", "ThreadSanitizer")
# Everything is slower under a sanitizer or on a loaded machine; a bound only ends a hang.
PATIENCE = float(os.environ.get("BC4_PATIENCE", "1"))


class Timeout(AssertionError):
    pass


def wait_for(check, seconds, what, every=0.02):
    """Polls check() until it is true; its value. `what` may be a function."""
    end = time.monotonic() + seconds * PATIENCE
    while True:
        value = check()
        if value:
            return value
        if time.monotonic() > end:
            raise Timeout(f"not within {seconds} s: {what() if callable(what) else what}")
        time.sleep(every)


def http(url, timeout=10.0, headers=None, data=None):
    """(status, headers, body) of a request; a refused status is an answer too."""
    request = urllib.request.Request(url, headers=headers or {}, data=data)
    try:
        with urllib.request.urlopen(request, timeout=timeout) as r:
            return r.status, r.headers, r.read().decode()
    except urllib.error.HTTPError as e:
        return e.code, e.headers, e.read().decode()


class Proc:
    """One program: its pid, what it printed (files), how it ended."""

    def __init__(self, name, argv, folder, env):
        self.name, self.argv = name, [str(a) for a in argv]
        self.out_path = folder / f"{name}.out"
        self.err_path = folder / f"{name}.err"
        with open(self.out_path, "ab") as out, open(self.err_path, "ab") as err:
            self.started = time.monotonic()
            self.out_from, self.err_from = out.tell(), err.tell()
            self.popen = subprocess.Popen(
                self.argv, stdin=subprocess.DEVNULL, stdout=out, stderr=err, env=env, cwd=folder
            )
        self.killed = False

    @property
    def pid(self):
        return self.popen.pid

    def alive(self):
        return self.popen.poll() is None

    def kill(self):
        """-9, and gone when this returns."""
        self.killed = True
        self.popen.kill()
        self.popen.wait()

    def signal(self, number):
        self.popen.send_signal(number)

    def term(self, seconds):
        """SIGTERM; returns (exit code, seconds it took)."""
        begin = time.monotonic()
        self.signal(signal.SIGTERM)
        try:
            self.popen.wait(seconds * PATIENCE)
        except subprocess.TimeoutExpired:
            self.kill()
            raise Timeout(f"{self.name} did not end within {seconds} s of SIGTERM") from None
        return self.popen.returncode, time.monotonic() - begin

    def wait(self, seconds):
        try:
            return self.popen.wait(seconds * PATIENCE)
        except subprocess.TimeoutExpired:
            raise Timeout(f"{self.name} did not end within {seconds} s by itself") from None

    def text(self, path, start):
        with open(path, "rb") as f:
            f.seek(start)
            return f.read().decode(errors="replace")

    def stderr(self):
        return self.text(self.err_path, self.err_from)

    def stdout(self):
        return self.text(self.out_path, self.out_from)

    def events(self, name=None):
        """The JSON lines logged so far by this process, oldest first."""
        out = []
        for line in (self.stderr() + self.stdout()).splitlines():
            if line.startswith("{"):
                with contextlib.suppress(ValueError):
                    row = json.loads(line)
                    if name is None or row.get("ev") == name:
                        out.append(row)
        return out

    def wait_event(self, name, seconds, where=None):
        """First logged event of that name (for which where(row) holds)."""

        def look():
            rows = [r for r in self.events(name) if where is None or where(r)]
            if not rows and not self.alive():
                raise Timeout(f"{self.name} ended ({self.popen.returncode}):\n{self.stderr()[-2000:]}")
            return rows and rows[0]

        return wait_for(look, seconds, lambda: f"{self.name} logs {name}; {self.stderr()[-1500:]}")


class Stack:
    """with Stack() as s: s.redis(); s.sim("--replay", f); s.collector(); ..."""

    def __init__(self, symbols=("BTCUSDT",), label="test"):
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix=f"bc4-{label}-"))
        self.sock = self.dir / "redis.sock"
        self.symbols = [f"binance:{s}" for s in symbols]
        self.procs = {}  # newest process by name
        self.every = []
        self.port = self.control_port = self.api_port = None
        self.keep = bool(os.environ.get("BC4_KEEP"))

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        failed = kind is not None
        try:
            for p in reversed(self.every):
                if p.alive():
                    with contextlib.suppress(ProcessLookupError):
                        p.signal(signal.SIGCONT)
                    p.popen.kill()
                    p.popen.wait()
            report = self.sanitizer_reports()
            if report and not failed:
                failed = True
                raise AssertionError("sanitizer report:\n" + report)
        finally:
            if failed:
                self.print_logs()
            if failed and self.keep:
                print(f"kept: {self.dir}")
            else:
                shutil.rmtree(self.dir, ignore_errors=True)
        return False

    def print_logs(self):
        for path in sorted(self.dir.glob("*.err")) + sorted(self.dir.glob("asan*")):
            tail = path.read_text(errors="replace")[-2500:]
            if tail:
                print(f"---- {path.name}\n{tail}", flush=True)

    def sanitizer_reports(self):
        out = [p.read_text(errors="replace")[:4000] for p in self.dir.glob("asan*")]
        for path in self.dir.glob("*.err"):
            text = path.read_text(errors="replace")
            if any(word in text for word in SANITIZER_WORDS):
                out.append(f"{path.name}: {text[-4000:]}")
        return "\n".join(out)

    # ---- processes ----------------------------------------------------------------------------

    def env(self, **more):
        """A clean environment: nothing of the caller's configuration leaks into a test."""
        keep = ("PATH", "HOME", "LANG", "LD_LIBRARY_PATH")
        env = {k: os.environ[k] for k in keep if k in os.environ}
        env.update(
            REDIS_URL=f"unix://{self.sock}",
            SYMBOLS=",".join(self.symbols),
            LOG_LEVEL="INFO",
            COLLECTOR_HTTP_PORT="0",
            CONTEXT_HTTP_PORT="0",
            STRATEGY_HTTP_PORT="0",
            BACKFILL_HTTP_PORT="0",
            BACKFILL_CACHE_DIR=str(self.dir / "history"),
            API_HTTP_PORT="0",
            BACKEND_PORT="0",
            ASAN_OPTIONS=f"log_path={self.dir}/asan:detect_leaks=1:abort_on_error=0",
            UBSAN_OPTIONS="print_stacktrace=1",
        )
        if self.port:
            env["BINANCE_WS_BASE_URL"] = f"ws://127.0.0.1:{self.port}"
            env["BINANCE_REST_BASE_URL"] = f"http://127.0.0.1:{self.port}"
            env["BINANCE_ARCHIVE_BASE_URL"] = f"http://127.0.0.1:{self.port}"
            env["BYBIT_ARCHIVE_BASE_URL"] = f"http://127.0.0.1:{self.port}"
        env.update({k: str(v) for k, v in more.items()})
        return env

    def start(self, name, argv, **env):
        p = Proc(name, argv, self.dir, self.env(**env))
        self.procs[name] = p
        self.every.append(p)
        return p

    def __getattr__(self, name):
        """s.p_context: the newest process called context."""
        if name.startswith("p_"):
            return self.procs[name[2:].replace("_", "-")]
        raise AttributeError(name)

    def redis(self, *options, wait=True):
        """A private redis-server on a unix socket, append-only file always synced."""
        argv = ["redis-server", "--port", "0", "--unixsocket", self.sock, "--dir", self.dir]
        argv += ["--save", "", "--appendonly", "yes", "--appendfsync", "always"]
        p = self.start("redis", argv + ["--loglevel", "warning", *options])
        if wait:
            self.wait_redis()
        return p

    def wait_redis(self):
        def up():
            try:
                with self.db() as db:
                    return db("PING") == "PONG"
            except (OSError, RespError, ConnectionError):
                return False

        wait_for(up, 20, "redis answers")

    def db(self):
        return Resp(self.sock)

    def sim(self, *args):
        """exchange-sim on free ports."""
        argv = [BIN / "exchange-sim", "--port", "0", "--control-port", "0", *args]
        p = self.start("exchange-sim", argv)
        row = p.wait_event("listening", 20)
        self.port, self.control_port = row["port"], row["control_port"]
        return p

    def service(self, name, *args, wait=True, **env):
        p = self.start(name, [BIN / name, *args], **env)
        if wait:
            up = p.wait_event("process_up", 20)
            p.health_port = up["health_port"]
            if name == "api":
                self.api_port = up["port"]
        return p

    def collector(self, *args, **kw):
        return self.service("collector", *args, **kw)

    def context(self, *args, **kw):
        return self.service("context", *args, **kw)

    def strategy(self, *args, **kw):
        return self.service("strategy", *args, **kw)

    def backfill(self, *args, **kw):
        return self.service("backfill", *args, **kw)

    def api(self, *args, **kw):
        return self.service("api", *args, **kw)

    def stop_all(self):
        """Drains every service and checks how it ended."""
        limits = {"api": 5}
        for name in ("api", "backfill", "strategy", "context", "collector", "exchange-sim"):
            p = self.procs.get(name)
            if p and p.alive():
                code, took = p.term(limits.get(name, 2) + 3)
                assert code == 0, f"{name} ended with {code}: {p.stderr()[-1500:]}"
                del took
        if "redis" in self.procs and self.procs["redis"].alive():
            self.procs["redis"].term(20)

    # ---- what is asked of them ------------------------------------------------------------------

    def key(self, tail, symbol=None):
        return f"bc4:{{{symbol or self.symbols[0]}}}:{tail}"

    def get(self, path, timeout=10.0, headers=None):
        """(status, JSON with exact numbers) of the public API."""
        status, _, body = http(f"http://127.0.0.1:{self.api_port}{path}", timeout, headers)
        return status, json.loads(body, parse_float=str)

    def fault(self, order, **params):
        """A fault of the venue on command, through exchange-sim's control port."""
        query = "&".join(f"{k}={v}" for k, v in params.items())
        url = f"http://127.0.0.1:{self.control_port}/{order}" + (f"?{query}" if query else "")
        status, _, body = http(url, 5, data=b"")
        assert status == 200, f"{order} {params}: {status} {body}"
        return body

    def service_metrics(self, name):
        """{'metric{labels}': value} of a service's own /metrics."""
        _, _, body = http(f"http://127.0.0.1:{self.procs[name].health_port}/metrics")
        rows = (line.rsplit(" ", 1) for line in body.splitlines() if line[:1] not in ("", "#"))
        return {k: float(v) for k, v in rows}

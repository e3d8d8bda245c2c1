"""`make demo` behind make: the script that runs the stack natively and shows a line a second."""

import os
import re
import signal
import socket
import subprocess
import tempfile
import threading
import unittest

import recordings
from stack import BIN, PATIENCE, ROOT, http, wait_for

SCRIPT = ROOT / "deploy" / "local" / "stack.sh"
PORTS = ("BACKEND_PORT", "COLLECTOR_HTTP_PORT", "CONTEXT_HTTP_PORT", "STRATEGY_HTTP_PORT",
         "BACKFILL_HTTP_PORT",
         "API_HTTP_PORT", "SIM_PORT", "SIM_CONTROL_PORT")


class Demo(unittest.TestCase):
    def start(self, folder, **env):
        base = {k: os.environ[k] for k in ("PATH", "HOME") if k in os.environ}
        base.update({name: "0" for name in PORTS}, FRONTEND="0", STACK_DIR=folder, BIN=str(BIN), **env)
        # A pipe, not a terminal, as under a service manager.
        return subprocess.Popen([str(SCRIPT), "demo"], stdin=subprocess.DEVNULL, text=True, env=base,
                                stdout=subprocess.PIPE, stderr=subprocess.STDOUT)

    def read_until(self, p, pattern, lines):
        for line in p.stdout:
            lines.append(line)
            found = re.search(pattern, line)
            if found:
                return found
        self.fail(f"no {pattern!r} in:\n{''.join(lines)[-3000:]}")

    def left_running(self, folder):
        out = []
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                with open(f"/proc/{pid}/environ", "rb") as f:
                    if f"STACK_DIR={folder}\0".encode() in f.read():
                        out.append(pid)
            except OSError:
                pass
        return out

    def run_demo(self, end, **env):
        with tempfile.TemporaryDirectory(prefix="bc4-demo-") as folder:
            p = self.start(folder, **env)
            lines = []
            watchdog = threading.Timer(60 * PATIENCE, p.terminate)  # else a silent demo hangs us
            watchdog.start()
            try:
                port = self.read_until(p, r"REST +http://127\.0\.0\.1:(\d+)/health", lines).group(1)
                found = self.read_until(
                    p, r"^ SIMULATED +(\S+ \S+)  binance:BTCUSDT  price [\d.]+  vwap [\d.]+  poc "
                    r"[\d.]+  va [\d.]+-[\d.]+  delta -?[\d.]+  trades [\d,]+  (off|london|overlap)  "
                    r"(PRECISE|IMPRECISE)", lines)
                self.assertRegex(found.group(1), r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d$")
                status, _, body = http(f"http://127.0.0.1:{port}/levels")
                self.assertEqual(status, 200)
                self.assertIn("VWAP", body)
                code = end(p, folder)
                self.assertEqual(code, 0, "".join(lines) + p.stdout.read())
                wait_for(lambda: not self.left_running(folder), 5,
                         lambda: f"everything ended; left {self.left_running(folder)}")
            finally:
                watchdog.cancel()
                if p.poll() is None:
                    p.send_signal(signal.SIGTERM)
                    p.wait(30)
                p.stdout.close()
        return lines

    def test_generated_market_and_ctrl_c(self):
        def interrupt(p, _):
            p.send_signal(signal.SIGINT)
            p.stdout.read()
            return p.wait(40)

        self.run_demo(interrupt)

    def test_every_venue_of_the_demo_is_the_simulated_one(self):
        """A Bybit contract among SYMBOLS: played by exchange-sim, and nobody asks anywhere else."""
        def look(p, folder):
            logs = os.path.join(folder, "demo", "log")

            def log():
                with open(os.path.join(logs, "collector.log"), encoding="utf-8") as f:
                    return f.read()

            opened = lambda: re.findall(r'"inst":"(\w+)","ev":"ws_open","url":"(\w+://[^/:"]+)', log())
            try:
                wait_for(lambda: {v for v, _ in opened()} == {"binance", "bybit"}, 20, opened)
                self.assertEqual({host for _, host in opened()}, {"ws://127.0.0.1"})
            finally:
                p.send_signal(signal.SIGINT)
                p.stdout.read()
            return p.wait(40)

        self.run_demo(look, SYMBOLS="binance:BTCUSDT,bybit:BTCUSDT", COLLECTOR_CHILD_PORT="0")

    def test_recording_and_stop(self):
        def stop(p, folder):
            env = dict(os.environ, STACK_DIR=folder)
            out = subprocess.run([str(SCRIPT), "stop"], env=env, capture_output=True, text=True,
                                 check=True, timeout=60).stdout
            self.assertIn("stopped: demo", out)
            p.stdout.read()
            return p.wait(40)

        lines = self.run_demo(stop, REPLAY=" ".join(recordings.TWO.paths), REPLAY_SPEED="max")
        self.assertIn("2024-0", "".join(lines))

    def test_the_reader_goes_away(self):  # make demo | head
        with tempfile.TemporaryDirectory(prefix="bc4-demo-") as folder:
            p = self.start(folder)
            p.stdout.readline()
            p.stdout.close()
            try:
                wait_for(lambda: p.poll() is not None, 40, "the demo ends")
                wait_for(lambda: not self.left_running(folder), 5,
                         lambda: f"everything ended; left {self.left_running(folder)}")
            finally:
                subprocess.run([str(SCRIPT), "stop"], env=dict(os.environ, STACK_DIR=folder),
                               check=False, capture_output=True, timeout=60)

    def test_port_taken(self):
        with socket.create_server(("127.0.0.1", 0)) as taken, \
                tempfile.TemporaryDirectory(prefix="bc4-demo-") as folder:
            port = taken.getsockname()[1]
            base = {k: os.environ[k] for k in ("PATH", "HOME") if k in os.environ}
            base.update({name: "0" for name in PORTS}, FRONTEND="0", STACK_DIR=folder, BIN=str(BIN))
            base["BACKEND_PORT"] = str(port)
            done = subprocess.run([str(SCRIPT), "demo"], env=base, capture_output=True, text=True,
                                  timeout=30, check=False)
            self.assertEqual(done.returncode, 1)
            self.assertIn(f"port {port} (BACKEND_PORT) is taken", done.stderr)
            self.assertIn("BACKEND_PORT=", done.stderr)


class Run(unittest.TestCase):
    """`make run` with somebody else's Redis; the venue is a port where nobody listens."""

    def check(self, folder, port, **redis_env):
        base = {k: os.environ[k] for k in ("PATH", "HOME") if k in os.environ}
        base.update({name: "0" for name in PORTS}, FRONTEND="0", STACK_DIR=folder, BIN=str(BIN),
                    BINANCE_WS_BASE_URL="ws://127.0.0.1:1",
                    BINANCE_REST_BASE_URL="http://127.0.0.1:1", STACK_SECONDS="2", **redis_env)
        p = subprocess.Popen([str(SCRIPT), "run"], env=base, stdin=subprocess.DEVNULL, text=True,
                             stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        try:
            out, _ = p.communicate(timeout=60 * PATIENCE)
        finally:
            if p.poll() is None:
                p.terminate()
                p.wait(40)
        self.assertEqual(p.returncode, 0, out)
        self.assertIn(f"redis-cli -h 127.0.0.1 -p {port} -n 3 --user bot hmget", out)
        # Why nothing comes: no collector yet, or its venue does not answer.
        self.assertRegex(out, r"waiting for the first trade of binance:BTCUSDT \(\S.*\)")
        return out

    def test_the_password_of_redis_is_never_shown(self):
        with tempfile.TemporaryDirectory(prefix="bc4-run-") as folder:
            with socket.create_server(("127.0.0.1", 0)) as probe:
                port = probe.getsockname()[1]
            conf = os.path.join(folder, "conf")
            with open(conf, "w", encoding="utf-8") as f:
                f.write(f"bind 127.0.0.1\nport {port}\ndir {folder}\nsave \"\"\n"
                        "user bot on >p%s@ss ~* &* +@all\n")
            redis = subprocess.Popen(["redis-server", conf], stdin=subprocess.DEVNULL,
                                     stdout=subprocess.DEVNULL)
            try:
                url = f"redis://bot:p%25s%40ss@127.0.0.1:{port}/3"
                file = os.path.join(folder, "url")
                with open(file, "w", encoding="utf-8") as f:
                    f.write(url + "\n")
                for env in ({"REDIS_URL": url}, {"REDIS_URL_FILE": file}):
                    out = self.check(folder, port, **env)
                    self.assertNotIn("p%25s", out)
                    self.assertNotIn("p%s@ss", out)
            finally:
                redis.terminate()
                redis.wait(10)

"""bc, the operator's command line, and what the containers rely on: --health, the readiness of one
process, the metrics along a trade's way."""

import json
import shutil
import subprocess
import urllib.error
import urllib.request

from scenario import Scenario
from stack import BIN, Stack, http, wait_for

NAME = "binance:BTCUSDT"


def bc(s, *args, **env):
    run = subprocess.run([BIN / "bc", *args], env=s.env(**env), capture_output=True, text=True, timeout=20)
    return run.returncode, run.stdout, run.stderr


class Cli(Scenario):
    def generated(self, s):
        s.redis()
        s.sim("--generate", "--rate", "10")
        for name in ("context", "strategy", "api"):
            s.service(name)
        s.collector()
        wait_for(lambda: bc(s, "status")[0] == 0, 30, lambda: bc(s, "status"), every=0.2)

    def test_status_and_tail(self):
        """status knows every service and instrument, names what is wrong and ends with 1 then; tail
        shows what the stream holds."""
        with Stack(label="bc") as s:
            self.assertEqual(bc(s, "status")[0], 3, "no Redis")
            self.assertEqual(bc(s)[0], 2)
            self.assertEqual(bc(s, "tail")[0], 2)
            self.assertEqual(bc(s, "tail", NAME, "--streams", "nosuch")[0], 2)
            self.generated(s)
            code, out, err = bc(s, "status")
            self.assertEqual((code, err), (0, ""), out)
            for want in ("collector:binance", "context:0", "strategy:0", "api:0", NAME, "live", "SIMULATED"):
                self.assertIn(want, out)
            code, out, _ = bc(s, "status", "--json")
            told = json.loads(out)
            self.assertEqual((code, told["ok"], told["wrong"]), (0, True, []))
            self.assertEqual(told["instruments"][NAME]["context"]["simulated"], "1")
            self.assertEqual(sorted(told["services"])[0], "api:0")
            code, out, _ = bc(s, "status", "--symbols", "binance:ETHUSDT")
            self.assertEqual(code, 1, out)
            self.assertIn("binance:ETHUSDT: feed none", out)

            code, out, err = bc(s, "tail", NAME, "--streams", "trades", "--last", "3", "--count", "8", "--json")
            rows = [json.loads(line) for line in out.splitlines()]
            self.assertEqual((code, len(rows), err), (0, 8, ""))
            with s.db() as db:
                stored = db("XRANGE", s.key("trades"), rows[0]["entry"], rows[-1]["entry"])
            # decode: the reader gives text
            self.assertEqual([r["entry"] for r in rows], [e[0] for e in stored], "each one, in order")
            self.assertEqual(rows[0]["price"], stored[0][1][stored[0][1].index("price") + 1])
            self.assertRegex(bc(s, "tail", NAME, "--streams", "trades", "--count", "1")[1],
                             r"^\d\d:\d\d:\d\d\.\d{3} trades +(buy|sell) +[0-9.]+ @ [0-9.]+ +\d+\n$")

            s.p_strategy.kill()
            with s.db() as db:
                db("DEL", "bc4:health:strategy:0")  # as it runs out 10 s later
            self.assertEqual(bc(s, "status")[0], 1)
            out = bc(s, "status")[1]
            self.assertRegex(out, r"strategy:0: gone for \d+ s")
            self.assertIn(NAME + ": strategy: no worker", out)
            s.stop_all()

    def test_probes_and_metrics(self):
        """--health asks the port that the environment names; ?scope=self does not look at Redis; each
        step of a trade's way has a histogram."""
        with Stack(label="probes") as s:
            self.generated(s)
            for name in ("context", "strategy"):
                text = wait_for(lambda n=name: self.timed(s, n), 20, name + " has stored something")
                self.assertIn(f'bc4_{name}_stored_seconds_bucket{{instrument="{NAME}",le="+Inf"}}', text)
            if shutil.which("promtool"):
                for name in ("collector", "context", "strategy", "api"):
                    check = subprocess.run(["promtool", "check", "metrics"], input=self.metrics(s, name), text=True,
                                           capture_output=True, timeout=20)
                    # Style (units other than seconds and bytes) is told too, with 3; what can not be read is 1.
                    self.assertIn(check.returncode, (0, 3), check.stderr)
            memory = wait_for(lambda: s.service_metrics("context").get("bc4_redis_memory_bytes", -1) > 0, 20, "INFO")
            self.assertTrue(memory)
            port = s.p_context.health_port
            ask = lambda **env: subprocess.run([BIN / "context", "--health"], env=s.env(**env), capture_output=True,
                                               text=True, timeout=10)
            self.assertEqual(ask(CONTEXT_HTTP_PORT=port).returncode, 0)
            self.assertEqual(ask(CONTEXT_HTTP_PORT=port, CONTEXT_HTTP_HOST="0.0.0.0").returncode, 0)
            s.p_redis.kill()
            wait_for(lambda: self.status(port, "/ready") == 503, 20, "not ready without Redis")
            self.assertEqual(self.status(port, "/ready?scope=self"), 200)
            s.p_context.kill()
            gone = ask(CONTEXT_HTTP_PORT=port)
            self.assertEqual(gone.returncode, 1)
            self.assertIn("context: 127.0.0.1 port %d" % port, gone.stderr)
            s.redis()
            s.stop_all()

    def metrics(self, s, name):
        text = http(f"http://127.0.0.1:{s.procs[name].health_port}/metrics")[2]
        return text if isinstance(text, str) else text.decode()

    def timed(self, s, name):
        text = self.metrics(s, name)
        count = [line for line in text.splitlines() if line.startswith(f"bc4_{name}_stored_seconds_count")]
        return int(count[0].rsplit(" ", 1)[1]) > 0 and text

    def status(self, port, path):
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as r:
                return r.status
        except urllib.error.HTTPError as e:
            return e.code
